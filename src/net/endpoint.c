#include "penstock/net.h"

#include <arpa/inet.h>
#include <stdio.h>

#define BUCKET_MIN 3
#define BUCKET_DNS_MAX 63 /* one label of a name, as buckets are made today */
#define REGION_MAX 32     /* bytes; the longest so far has 14 */
#define HTTP_PORT 80
#define HTTPS_PORT 443
#define SHOWN_MAX 80 /* bytes of a name in an error: the reason behind it must fit */
#define SHOWN(s) (int)((s).len > SHOWN_MAX ? SHOWN_MAX : (s).len), (const char *)(s).ptr
#define FIRST_REGION "us-east-1"

static bool is_lower_or_digit(uint8_t b)
{
    return (b >= 'a' && b <= 'z') || (b >= '0' && b <= '9');
}

static bool is_alnum(uint8_t b)
{
    return is_lower_or_digit(b) || (b >= 'A' && b <= 'Z');
}

/* Copies s with a NUL; false when it is too long. */
static bool text_copy(char *to, size_t cap, pen_slice s)
{
    if (s.len >= cap) {
        return false;
    }
    if (s.len > 0) {
        memcpy(to, s.ptr, s.len);
    }
    to[s.len] = '\0';
    return true;
}

/* ---- buckets ---- */

static bool is_ipv4(pen_slice s)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr addr;
    return text_copy(text, sizeof(text), s) && inet_pton(AF_INET, text, &addr) == 1;
}

/* As the rules for new buckets have it: labels of a host name. */
static bool is_dns_bucket(pen_slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        const uint8_t b = name.ptr[i];
        const bool is_edge =
            i == 0 || i + 1 == name.len || name.ptr[i - 1] == '.' || name.ptr[i + 1] == '.';
        if (!is_lower_or_digit(b) && (is_edge || (b != '.' && b != '-'))) {
            return false;
        }
    }
    return name.len <= BUCKET_DNS_MAX;
}

/* Buckets of us-east-1 from before 2018 may have upper case, "_" and 255 bytes. */
static pen_status bucket_check(pen_slice name, struct pen_err *err)
{
    if (pen_slice_starts(name, PEN_SLICE_LIT("arn:"))) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "%.*s is an ARN: give the name of the bucket, or the access point's alias",
                        SHOWN(name));
    }
    if (name.len < BUCKET_MIN || name.len > PEN_S3_BUCKET_MAX) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "bucket \"%.*s\" has %zu bytes; names have %d to %d", SHOWN(name), name.len,
                        BUCKET_MIN, PEN_S3_BUCKET_MAX);
    }
    for (size_t i = 0; i < name.len; i++) {
        const uint8_t b = name.ptr[i];
        if (!is_alnum(b) && b != '.' && b != '-' && b != '_') {
            return PEN_FAIL(err, PEN_E_USAGE, i,
                            "bucket \"%.*s\": no name has such a byte as its byte %zu", SHOWN(name),
                            i + 1);
        }
    }
    if (is_ipv4(name)) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "bucket \"%.*s\" is an address",
                        SHOWN(name));
    }
    return PEN_OK;
}

pen_status pen_s3_url_parse(pen_slice url, struct pen_s3_url *out, struct pen_err *err)
{
    static const pen_slice scheme = {(const uint8_t *)"s3://", 5};
    *out = (struct pen_s3_url){.bucket = {0}};
    if (!pen_slice_starts(url, scheme)) {
        return PEN_FAIL(err, PEN_E_USAGE, 0, "\"%.*s\" does not begin with s3://", SHOWN(url));
    }
    const pen_slice rest = pen_slice_sub(url, scheme.len, url.len);
    const uint8_t *slash = rest.len == 0 ? NULL : memchr(rest.ptr, '/', rest.len);
    const size_t len = slash == NULL ? rest.len : (size_t)(slash - rest.ptr);
    const pen_slice bucket = pen_slice_sub(rest, 0, len);
    const pen_slice prefix = pen_slice_sub(rest, len + 1, rest.len);
    PEN_TRY(bucket_check(bucket, err));
    if (prefix.len > PEN_S3_PREFIX_MAX) {
        return PEN_FAIL(err, PEN_E_USAGE, scheme.len + len + 1,
                        "the prefix has %zu bytes; keys have %d at most", prefix.len,
                        PEN_S3_PREFIX_MAX);
    }
    *out = (struct pen_s3_url){.bucket = bucket, .prefix = prefix};
    return PEN_OK;
}

/* ---- regions ---- */

/* A region becomes part of a host name: nothing else may get in. */
static bool is_region(pen_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_lower_or_digit(s.ptr[i]) && (s.ptr[i] != '-' || i == 0 || i + 1 == s.len)) {
            return false;
        }
    }
    return s.len > 0 && s.len <= REGION_MAX;
}

const char *pen_s3_partition(pen_slice region)
{
    if (pen_slice_starts(region, PEN_SLICE_LIT("cn-"))) {
        return "aws-cn";
    }
    return pen_slice_starts(region, PEN_SLICE_LIT("us-gov-")) ? "aws-us-gov" : "aws";
}

/* Partitions whose domains we do not know from here. */
static bool is_foreign(pen_slice region)
{
    return pen_slice_find(region, PEN_SLICE_LIT("-iso")) != SIZE_MAX ||
           pen_slice_starts(region, PEN_SLICE_LIT("eusc-"));
}

/* Takes end off *s; false when it is not there. */
static bool end_take(pen_slice *s, pen_slice end)
{
    if (s->len < end.len ||
        !pen_slice_eq_nocase(pen_slice_sub(*s, s->len - end.len, s->len), end)) {
        return false;
    }
    *s = pen_slice_sub(*s, 0, s->len - end.len);
    return true;
}

/* Takes the last label off *s, and the dot before it. */
static pen_slice label_take(pen_slice *s)
{
    size_t from = s->len;
    while (from > 0 && s->ptr[from - 1] != '.') {
        from--;
    }
    const pen_slice label = pen_slice_sub(*s, from, s->len);
    *s = pen_slice_sub(*s, 0, from == 0 ? 0 : from - 1);
    return label;
}

/* "s3-eu-west-1", as names once were, "s3-external-1", or "s3" alone: the first region. */
static bool region_of_label(pen_slice label, pen_slice *region)
{
    if (pen_slice_eq(label, PEN_SLICE_LIT("s3")) ||
        pen_slice_eq(label, PEN_SLICE_LIT("s3-external-1"))) {
        *region = PEN_SLICE_LIT(FIRST_REGION);
        return true;
    }
    *region = pen_slice_sub(label, 3, label.len);
    return pen_slice_starts(label, PEN_SLICE_LIT("s3-")) && is_region(*region) &&
           !pen_slice_eq(*region, PEN_SLICE_LIT("fips")) &&
           !pen_slice_eq(*region, PEN_SLICE_LIT("accelerate"));
}

bool pen_s3_region_of_host(pen_slice host, pen_slice *region)
{
    *region = (pen_slice){NULL, 0};
    if (!end_take(&host, PEN_SLICE_LIT(".amazonaws.com")) &&
        !end_take(&host, PEN_SLICE_LIT(".amazonaws.com.cn"))) {
        return false;
    }
    (void)end_take(&host, PEN_SLICE_LIT(".vpce"));
    pen_slice found;
    const pen_slice last = label_take(&host);
    if (region_of_label(last, &found)) {
        *region = found;
        return true;
    }
    pen_slice service = label_take(&host);
    if (pen_slice_eq(service, PEN_SLICE_LIT("dualstack"))) {
        service = label_take(&host);
    }
    if (!is_region(last) || (!pen_slice_eq(service, PEN_SLICE_LIT("s3")) &&
                             !pen_slice_eq(service, PEN_SLICE_LIT("s3-fips")))) {
        return false;
    }
    *region = last;
    return true;
}

/* ---- endpoints of OpenSearch ---- */

/* "aos" is the service's part of the newer names. */
static bool search_label(pen_slice label, pen_slice *service)
{
    const bool is_serverless = pen_slice_eq(label, PEN_SLICE_LIT("aoss")) ||
                               pen_slice_eq(label, PEN_SLICE_LIT("aoss-fips"));
    *service = is_serverless ? PEN_SLICE_LIT("aoss") : PEN_SLICE_LIT("es");
    return is_serverless || pen_slice_eq(label, PEN_SLICE_LIT("es")) ||
           pen_slice_eq(label, PEN_SLICE_LIT("es-fips")) ||
           pen_slice_eq(label, PEN_SLICE_LIT("aos")) ||
           pen_slice_eq(label, PEN_SLICE_LIT("aos-fips"));
}

bool pen_search_of_host(pen_slice host, pen_slice *service, pen_slice *region)
{
    const bool is_new = end_take(&host, PEN_SLICE_LIT(".on.aws"));
    if (!is_new && !end_take(&host, PEN_SLICE_LIT(".amazonaws.com")) &&
        !end_take(&host, PEN_SLICE_LIT(".amazonaws.com.cn"))) {
        return false;
    }
    const pen_slice last = label_take(&host);
    const pen_slice before = label_take(&host);
    *region = is_new ? last : before;
    return is_region(*region) && host.len > 0 && search_label(is_new ? before : last, service);
}

/* ---- a configured endpoint ---- */

static pen_status url_bad(struct pen_err *err, pen_slice url, const char *why)
{
    return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "endpoint \"%.*s\": %s", SHOWN(url), why);
}

static bool is_host_name(pen_slice host)
{
    for (size_t i = 0; i < host.len; i++) {
        const uint8_t b = host.ptr[i];
        if (!is_alnum(b) && b != '-' && b != '_' &&
            (b != '.' || i == 0 || host.ptr[i - 1] == '.')) {
            return false;
        }
    }
    return host.len > 0 && host.len <= PEN_S3_HOST_MAX;
}

/* "[...]" */
static bool is_ipv6(pen_slice host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr addr;
    return host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']' &&
           text_copy(text, sizeof(text), pen_slice_sub(host, 1, host.len - 1)) &&
           inet_pton(AF_INET6, text, &addr) == 1;
}

/* Cuts ":port" off, if there is one.  False: what follows the colon is no port. */
static bool port_take(pen_slice *authority, uint16_t *port)
{
    size_t colon = authority->len;
    while (colon > 0 && authority->ptr[colon - 1] >= '0' && authority->ptr[colon - 1] <= '9') {
        colon--;
    }
    uint64_t number = 0;
    if (colon == 0 || authority->ptr[colon - 1] != ':') {
        return true;
    }
    if (!pen_parse_u64(pen_slice_sub(*authority, colon, authority->len), &number) || number == 0 ||
        number > UINT16_MAX) {
        return false;
    }
    *port = (uint16_t)number;
    *authority = pen_slice_sub(*authority, 0, colon - 1);
    return true;
}

static bool scheme_take(pen_slice *rest, struct pen_s3_endpoint *out)
{
    static const pen_slice plain = {(const uint8_t *)"http://", 7};
    static const pen_slice tls = {(const uint8_t *)"https://", 8};
    out->is_tls = pen_slice_eq_nocase(pen_slice_sub(*rest, 0, tls.len), tls);
    if (!out->is_tls && !pen_slice_eq_nocase(pen_slice_sub(*rest, 0, plain.len), plain)) {
        return false;
    }
    out->port = out->is_tls ? HTTPS_PORT : HTTP_PORT;
    *rest = pen_slice_sub(*rest, out->is_tls ? tls.len : plain.len, rest->len);
    return true;
}

static pen_status url_parse(pen_slice url, struct pen_s3_endpoint *out, struct pen_err *err)
{
    pen_slice rest = url;
    if (!scheme_take(&rest, out)) {
        return url_bad(err, url, "it does not begin with http:// or https://");
    }
    if (rest.len > 0 && rest.ptr[rest.len - 1] == '/') {
        rest = pen_slice_sub(rest, 0, rest.len - 1);
    }
    for (size_t i = 0; i < rest.len; i++) {
        if (strchr("/?#@", rest.ptr[i]) != NULL) {
            return url_bad(err, url, "only a host and a port may follow the scheme");
        }
    }
    if (!port_take(&rest, &out->port)) {
        return url_bad(err, url, "the port is not 1 to 65535");
    }
    if (!is_host_name(rest) && !is_ipv6(rest)) {
        return url_bad(err, url, "no host has such a name");
    }
    PEN_CHECK(text_copy(out->host, sizeof(out->host), rest));
    for (char *c = out->host; *c != '\0'; c++) {
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + ('a' - 'A') : *c);
    }
    return PEN_OK;
}

/* ---- the endpoint ---- */

static bool is_local(const char *host)
{
    pen_slice name = pen_slice_str(host);
    return is_ipv4(name) || is_ipv6(name) || pen_slice_eq(name, PEN_SLICE_LIT("localhost")) ||
           end_take(&name, PEN_SLICE_LIT(".localhost"));
}

static void authority_set(struct pen_s3_endpoint *out)
{
    const bool is_own = out->port == (out->is_tls ? HTTPS_PORT : HTTP_PORT);
    int len = 0;
    if (is_own) {
        len = snprintf(out->authority, sizeof(out->authority), "%s", out->host);
    } else {
        len = snprintf(out->authority, sizeof(out->authority), "%s:%u", out->host, out->port);
    }
    PEN_CHECK(len > 0 && (size_t)len < sizeof(out->authority));
}

/* The host of AWS for the region that is set. */
static void host_set(struct pen_s3_endpoint *out)
{
    const bool is_china = strcmp(pen_s3_partition(pen_slice_str(out->region)), "aws-cn") == 0;
    const int len = snprintf(out->host, sizeof(out->host), "s3%s%s.%s.amazonaws.com%s",
                             out->is_fips ? "-fips" : "", out->is_dualstack ? ".dualstack" : "",
                             out->region, is_china ? ".cn" : "");
    PEN_CHECK(len > 0 && (size_t)len < sizeof(out->host));
    authority_set(out);
}

static pen_status region_check(pen_slice region, const struct pen_s3_endpoint *e,
                               struct pen_err *err)
{
    if (!is_region(region)) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "no region is named \"%.*s\"",
                        SHOWN(region));
    }
    if (!e->is_given && is_foreign(region)) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "region %.*s: its partition has hosts of its own; give --endpoint-url",
                        SHOWN(region));
    }
    if (!e->is_given && e->is_fips && pen_slice_starts(region, PEN_SLICE_LIT("cn-"))) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "region %.*s has no FIPS endpoint of S3",
                        SHOWN(region));
    }
    return PEN_OK;
}

static pen_slice given_url(const struct pen_s3_place *place)
{
    if (place->endpoint_url.len > 0) {
        return place->endpoint_url;
    }
    return place->env_endpoint_s3.len > 0 ? place->env_endpoint_s3 : place->env_endpoint;
}

static bool can_be_virtual(const struct pen_s3_endpoint *e)
{
    const pen_slice bucket = pen_slice_str(e->bucket);
    const bool has_dot = memchr(bucket.ptr, '.', bucket.len) != NULL;
    return is_dns_bucket(bucket) && !(has_dot && e->is_tls) && !is_local(e->host) &&
           strlen(e->host) + bucket.len < PEN_S3_HOST_MAX;
}

pen_status pen_s3_endpoint_of(const struct pen_s3_place *place, struct pen_s3_endpoint *out,
                              struct pen_err *err)
{
    const pen_slice url = given_url(place);
    pen_slice region = place->region;
    *out = (struct pen_s3_endpoint){.is_tls = true,
                                    .port = HTTPS_PORT,
                                    .is_given = url.len > 0,
                                    .is_fips = place->is_fips,
                                    .is_dualstack = place->is_dualstack};
    PEN_TRY(bucket_check(place->bucket, err));
    PEN_CHECK(text_copy(out->bucket, sizeof(out->bucket), place->bucket));
    if (out->is_given) {
        PEN_TRY(url_parse(url, out, err));
    }
    if (region.len == 0 && !pen_s3_region_of_host(pen_slice_str(out->host), &region)) {
        region = PEN_SLICE_LIT(FIRST_REGION);
    }
    PEN_TRY(region_check(region, out, err));
    PEN_CHECK(text_copy(out->region, sizeof(out->region), region));
    if (out->is_given) {
        authority_set(out);
    } else {
        host_set(out);
    }
    out->is_virtual_host = !place->is_path_style && can_be_virtual(out);
    return PEN_OK;
}

pen_status pen_s3_endpoint_move(struct pen_s3_endpoint *endpoint, pen_slice region,
                                struct pen_err *err)
{
    if (region_check(region, endpoint, err) != PEN_OK) {
        if (err != NULL) {
            err->status = PEN_E_CORRUPT;
        }
        return PEN_E_CORRUPT;
    }
    PEN_CHECK(text_copy(endpoint->region, sizeof(endpoint->region), region));
    if (!endpoint->is_given) {
        host_set(endpoint);
    }
    return PEN_OK;
}
