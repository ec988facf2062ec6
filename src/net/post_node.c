#include "penstock/net.h"

#include <stdio.h>

#define PORT_TLS 443U
#define PORT_PLAIN 80U

static pen_status wrong(struct pen_err *err, pen_slice url, const char *why)
{
    return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "%.*s: %s", PEN_SLICE_FMT(url), why);
}

/* Bytes that can stand in a URL as it is sent: no blanks, no control bytes, ASCII. */
static bool is_plain(pen_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ' || s.ptr[i] >= 0x7f) {
            return false;
        }
    }
    return true;
}

static bool is_host(pen_slice host, bool is_v6)
{
    for (size_t i = 0; i < host.len; i++) {
        const uint8_t b = host.ptr[i];
        const bool is_name = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') ||
                             (b >= '0' && b <= '9') || b == '-' || b == '.' || b == '_';
        if (!is_name && !(is_v6 && b == ':')) {
            return false;
        }
    }
    return host.len > 0 && host.len <= PEN_S3_HOST_MAX;
}

/* "host", "host:9200", "[::1]:9200". */
static pen_status authority_parse(pen_slice url, pen_slice text, struct pen_post_node *out,
                                  struct pen_err *err)
{
    const bool is_v6 = text.len > 0 && text.ptr[0] == '[';
    const size_t bracket = is_v6 ? pen_slice_find(text, PEN_SLICE_LIT("]")) : 0;
    if (bracket == SIZE_MAX) {
        return wrong(err, url, "the address has no closing bracket");
    }
    const pen_slice rest = is_v6 ? pen_slice_sub(text, bracket + 1, text.len) : text;
    const size_t colon = pen_slice_find(rest, PEN_SLICE_LIT(":"));
    const pen_slice host = is_v6 ? pen_slice_sub(text, 1, bracket)
                                 : pen_slice_sub(text, 0, colon == SIZE_MAX ? text.len : colon);
    uint64_t port = out->is_tls ? PORT_TLS : PORT_PLAIN;
    if (!is_host(host, is_v6) || (is_v6 && rest.len > 0 && colon != 0)) {
        return wrong(err, url, "that is no name or address of a host");
    }
    if (colon != SIZE_MAX && (!pen_parse_u64(pen_slice_sub(rest, colon + 1, rest.len), &port) ||
                              port == 0 || port > UINT16_MAX)) {
        return wrong(err, url, "the port is a number from 1 to 65535");
    }
    const bool is_usual = port == (out->is_tls ? PORT_TLS : PORT_PLAIN);
    char number[8] = "";
    out->port = (uint16_t)port;
    if (!is_usual) {
        (void)snprintf(number, sizeof(number), ":%u", out->port);
    }
    memcpy(out->host, host.ptr, host.len);
    out->host[host.len] = '\0';
    (void)snprintf(out->authority, sizeof(out->authority), "%s%s%s%s", is_v6 ? "[" : "", out->host,
                   is_v6 ? "]" : "", number);
    return PEN_OK;
}

pen_status pen_post_node_parse(pen_slice url, struct pen_post_node *out, struct pen_err *err)
{
    *out = (struct pen_post_node){.port = 0};
    pen_slice rest = url;
    if (pen_slice_find(url, PEN_SLICE_LIT("@")) != SIZE_MAX) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "a URL with a user or a password in it is refused, because command lines "
                        "are seen by others: give user and password in the config file, the "
                        "password as ${NAME} of the environment or as file:PATH");
    }
    if (pen_slice_starts(rest, PEN_SLICE_LIT("https://"))) {
        out->is_tls = true;
        rest = pen_slice_sub(rest, 8, rest.len);
    } else if (pen_slice_starts(rest, PEN_SLICE_LIT("http://"))) {
        rest = pen_slice_sub(rest, 7, rest.len);
    } else {
        return wrong(err, url, "a URL begins with https:// or http://");
    }
    if (!is_plain(rest) || pen_slice_find(rest, PEN_SLICE_LIT("?")) != SIZE_MAX ||
        pen_slice_find(rest, PEN_SLICE_LIT("#")) != SIZE_MAX ||
        pen_slice_find(rest, PEN_SLICE_LIT("%")) != SIZE_MAX) {
        return wrong(err, url, "a URL of a node is scheme, host, port and path, nothing else");
    }
    const size_t slash = pen_slice_find(rest, PEN_SLICE_LIT("/"));
    const size_t end = slash == SIZE_MAX ? rest.len : slash;
    PEN_TRY(authority_parse(url, pen_slice_sub(rest, 0, end), out, err));
    pen_slice prefix = pen_slice_sub(rest, end, rest.len);
    while (prefix.len > 0 && prefix.ptr[prefix.len - 1] == '/') {
        prefix.len--;
    }
    if (prefix.len > PEN_POST_PREFIX_MAX) {
        return wrong(err, url, "the path is too long");
    }
    if (prefix.len > 0) {
        memcpy(out->prefix, prefix.ptr, prefix.len);
    }
    return PEN_OK;
}

pen_status pen_post_node_resolve(struct pen_post_node *node, const struct pen_resolve_wait *wait,
                                 struct pen_err *err)
{
    return pen_resolve_within(node->host, node->port, wait, &node->addresses, err);
}
