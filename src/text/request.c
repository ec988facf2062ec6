/* tested by tests/unit/text/test_text.c */
#include "request.h"

/* Where the host ends: at a slash, or at a '-' that ends the address. */
static size_t host_end(pen_slice rest)
{
    const uint8_t *slash = rest.len == 0 ? NULL : memchr(rest.ptr, '/', rest.len);
    if (slash != NULL) {
        return (size_t)(slash - rest.ptr);
    }
    return rest.len > 0 && rest.ptr[rest.len - 1] == '-' ? rest.len - 1 : rest.len;
}

/* host:port, [::1]:port */
static void host_split(pen_slice host, pen_slice parts[PART_COUNT])
{
    size_t colon = host.len;
    while (colon > 0 && host.ptr[colon - 1] != ':') {
        colon--;
    }
    if (colon > 0) {
        parts[PART_PORT] = pen_slice_sub(host, colon, host.len);
        host = pen_slice_sub(host, 0, colon - 1);
    }
    if (host.len > 1 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        host = pen_slice_sub(host, 1, host.len - 1);
    }
    parts[PART_HOST] = host;
}

/* Where the first "://" is; SIZE_MAX: nowhere. */
static size_t scheme_end(pen_slice url)
{
    if (url.len > 8 && memcmp(url.ptr, "http", 4) == 0) {
        const size_t at = url.ptr[4] == 's' ? 5 : 4;
        if (memcmp(url.ptr + at, "://", 3) == 0) {
            return at;
        }
    }
    return pen_slice_find(url, PEN_SLICE_LIT("://"));
}

/* protocol://host:port/path?query */
static void url_split(pen_slice url, pen_slice parts[PART_COUNT])
{
    const size_t scheme = scheme_end(url);
    if (scheme == SIZE_MAX) {
        return;
    }
    parts[PART_PROTOCOL] = pen_slice_sub(url, 0, scheme);
    pen_slice rest = pen_slice_sub(url, scheme + 3, url.len);
    const size_t end = host_end(rest);
    host_split(pen_slice_sub(rest, 0, end), parts);
    rest = pen_slice_sub(rest, end, rest.len);
    const uint8_t *mark = rest.len > 0 ? memchr(rest.ptr, '?', rest.len) : NULL;
    const size_t path = mark == NULL ? rest.len : (size_t)(mark - rest.ptr);
    parts[PART_PATH] = pen_slice_sub(rest, 0, path);
    parts[PART_QUERY] = pen_slice_sub(rest, path + 1, rest.len);
}

void request_split(pen_slice text, pen_slice parts[PART_COUNT])
{
    pen_slice rest = text;
    memset(parts, 0, PART_COUNT * sizeof(parts[0]));
    parts[PART_REQUEST] = text;
    (void)pen_slice_split(&rest, ' ', &parts[PART_METHOD]);
    size_t at = rest.len; /* an address may have blanks: the version is behind the last one */
    while (at > 0 && rest.ptr[at - 1] != ' ') {
        at--;
    }
    const pen_slice url = at == 0 ? rest : pen_slice_sub(rest, 0, at - 1);
    const pen_slice version = at == 0 ? (pen_slice){0} : pen_slice_sub(rest, at, rest.len);
    const uint8_t *slash = version.len == 0 ? NULL : memchr(version.ptr, '/', version.len);
    if (slash != NULL) {
        parts[PART_VERSION] =
            pen_slice_sub(version, (size_t)(slash - version.ptr) + 1, version.len);
    }
    url_split(url, parts);
}
