/* tested by tests/unit/net/test_sigv4.c */
#include "sigv4.h"

struct headers {
    struct sigv4_pair pairs[PEN_SIGV4_HEADERS_MAX];
    uint32_t count;
};

pen_status pen_span_add(struct pen_buf *buf, struct span span)
{
    PEN_TRY(pen_buf_reserve(buf, span.len));
    memcpy(buf->ptr + buf->len, buf->ptr + span.from, span.len);
    buf->len += span.len;
    return PEN_OK;
}

/* Appends until the buffer refuses; then only keeps the reason. */
struct writer {
    struct pen_buf *buf;
    pen_status status;
};

static void put(struct writer *w, pen_slice s)
{
    if (w->status == PEN_OK) {
        w->status = pen_buf_add(w->buf, s);
    }
}

static void put_byte(struct writer *w, uint8_t b)
{
    if (w->status == PEN_OK) {
        w->status = pen_buf_add_byte(w->buf, b);
    }
}

static void put_span(struct writer *w, struct span span)
{
    if (w->status == PEN_OK) {
        w->status = pen_span_add(w->buf, span);
    }
}

static struct span put_encoded(struct writer *w, pen_slice s)
{
    const size_t from = w->buf->len;
    if (w->status == PEN_OK) {
        w->status = pen_uri_encode(w->buf, s, PEN_URI_KEEP_NONE);
    }
    return span_since(w->buf, from);
}

/* ---- checks: nothing that ends a line, or a field of it, gets into the request ---- */

static bool is_visible(pen_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~') {
            return false;
        }
    }
    return true;
}

static bool is_token(pen_slice s)
{
    static const char others[] = "\"(),/:;<=>?@[\\]{}";
    for (size_t i = 0; i < s.len; i++) {
        if (strchr(others, s.ptr[i]) != NULL) {
            return false;
        }
    }
    return s.len > 0 && is_visible(s);
}

static pen_status field_check(const char *what, pen_slice s, size_t max, struct pen_err *err)
{
    if (s.len > max) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET,
                        "signature: the %s has %zu bytes, %zu at most", what, s.len, max);
    }
    if (s.len == 0 || !is_visible(s)) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET,
                        "signature: the %s is empty, or has a byte that cannot be sent", what);
    }
    return PEN_OK;
}

static pen_status scope_check(const char *what, pen_slice s, size_t max, struct pen_err *err)
{
    PEN_TRY(field_check(what, s, max, err));
    if (memchr(s.ptr, '/', s.len) != NULL || memchr(s.ptr, ',', s.len) != NULL) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET,
                        "signature: the %s has a slash or a comma", what);
    }
    return PEN_OK;
}

static bool is_payload(pen_slice s)
{
    if (pen_slice_eq(s, PEN_SIGV4_UNSIGNED)) {
        return true;
    }
    for (size_t i = 0; i < s.len; i++) {
        const uint8_t b = s.ptr[i];
        if (!((b >= '0' && b <= '9') || (b >= 'a' && b <= 'f'))) {
            return false;
        }
    }
    return s.len == PEN_SHA256_HEX;
}

static pen_status credentials_check(const struct pen_credentials *who, struct pen_err *err)
{
    PEN_TRY(scope_check("access key", who->access_key, PEN_SIGV4_ACCESS_KEY_MAX, err));
    if (who->secret_key.len == 0) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET, "signature: the secret key is empty");
    }
    if (who->secret_key.len > PEN_SIGV4_SECRET_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET,
                        "signature: the secret key has %zu bytes, %d at most", who->secret_key.len,
                        PEN_SIGV4_SECRET_MAX);
    }
    if (who->session_token.len == 0) {
        return PEN_OK;
    }
    return field_check("session token", who->session_token, PEN_SIGV4_TOKEN_MAX, err);
}

static pen_status request_check(const struct pen_sigv4_request *request, struct pen_err *err)
{
    PEN_TRY(credentials_check(request->credentials, err));
    PEN_TRY(scope_check("region", request->region, PEN_SIGV4_SCOPE_MAX, err));
    PEN_TRY(scope_check("service", request->service, PEN_SIGV4_SCOPE_MAX, err));
    PEN_TRY(field_check("host", request->host, PEN_SIGV4_BYTES_MAX, err));
    if (request->bucket.len > 0 && request->is_virtual_host) {
        PEN_TRY(field_check("bucket", request->bucket, PEN_SIGV4_BYTES_MAX, err));
    }
    if (!is_token(request->method)) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET, "signature: the method is no word");
    }
    if (request->path.len > 0 && request->path.ptr[0] != '/') {
        return PEN_FAIL(err, PEN_E_CORRUPT, 0, "signature: the path does not begin with a slash");
    }
    if (request->payload.len > 0 && !is_payload(request->payload)) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET,
                        "signature: the hash of the body is not 64 lower-case digits");
    }
    if (request->query_count > PEN_SIGV4_QUERY_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "signature: %u parameters, %d at most",
                        request->query_count, PEN_SIGV4_QUERY_MAX);
    }
    return PEN_OK;
}

/* ---- path ---- */

static bool is_s3(pen_slice service)
{
    return pen_slice_eq(service, PEN_SLICE_LIT("s3")) ||
           pen_slice_eq(service, PEN_SLICE_LIT("s3express")) ||
           pen_slice_eq(service, PEN_SLICE_LIT("s3-object-lambda")) ||
           pen_slice_eq(service, PEN_SLICE_LIT("s3-outposts"));
}

/* The path as it is signed, where that is not the path that is sent. */
static pen_status path_signed(const struct pen_sigv4_request *request, struct pen_buf *buf,
                              struct sigv4_parts *parts)
{
    enum pen_sigv4_path form = request->path_form;
    if (form == PEN_SIGV4_BY_SERVICE) {
        form = is_s3(request->service) ? PEN_SIGV4_ONCE : PEN_SIGV4_TWICE;
    }
    if (form == PEN_SIGV4_ONCE) {
        return PEN_OK;
    }
    size_t from = buf->len;
    PEN_TRY(pen_buf_reserve(buf, parts->path.len + 1)); /* so that what is read stays in place */
    PEN_TRY(pen_uri_normalise(buf, span_slice(buf, parts->path)));
    parts->path = span_since(buf, from);
    if (form == PEN_SIGV4_NORMAL) {
        return PEN_OK;
    }
    from = buf->len;
    PEN_TRY(pen_buf_reserve(buf, parts->path.len * 3));
    PEN_TRY(pen_uri_encode(buf, span_slice(buf, parts->path), PEN_URI_KEEP_SLASH));
    parts->path = span_since(buf, from);
    return PEN_OK;
}

static pen_status path_add(const struct pen_sigv4_request *request, struct pen_buf *buf)
{
    if (request->bucket.len > 0 && !request->is_virtual_host) {
        PEN_TRY(pen_buf_add_byte(buf, '/'));
        PEN_TRY(pen_uri_encode(buf, request->bucket, PEN_URI_KEEP_NONE));
    } else if (request->path.len == 0) {
        return pen_buf_add_byte(buf, '/');
    }
    return pen_uri_encode(buf, request->path, PEN_URI_KEEP_SLASH);
}

/* ---- query and headers: written in any order, then sorted ---- */

static int span_cmp(const struct pen_buf *buf, struct span a, struct span b)
{
    return pen_slice_cmp(span_slice(buf, a), span_slice(buf, b));
}

/* By name, then by value where values count; equal ones stay in order.  Few and nearly sorted. */
static void pairs_sort(const struct pen_buf *buf, struct sigv4_pair *pairs, uint32_t count,
                       bool by_value)
{
    for (uint32_t i = 1; i < count; i++) {
        const struct sigv4_pair pair = pairs[i];
        uint32_t to = i;
        for (; to > 0; to--) {
            int order = span_cmp(buf, pairs[to - 1].name, pair.name);
            if (order == 0 && by_value) {
                order = span_cmp(buf, pairs[to - 1].value, pair.value);
            }
            if (order <= 0) {
                break;
            }
            pairs[to] = pairs[to - 1];
        }
        pairs[to] = pair;
    }
}

static pen_status target_add(const struct pen_sigv4_request *request, struct pen_buf *buf,
                             struct sigv4_parts *parts)
{
    struct sigv4_pair pairs[PEN_SIGV4_QUERY_MAX];
    struct writer w = {.buf = buf, .status = PEN_OK};
    for (uint32_t i = 0; i < request->query_count; i++) {
        pairs[i].name = put_encoded(&w, request->query[i].name);
        pairs[i].value = put_encoded(&w, request->query[i].value);
    }
    PEN_TRY(w.status);
    pairs_sort(buf, pairs, request->query_count, true);
    const size_t start = buf->len;
    PEN_TRY(path_add(request, buf));
    parts->path = span_since(buf, start);
    const size_t behind_mark = buf->len + (request->query_count > 0 ? 1 : 0);
    for (uint32_t i = 0; i < request->query_count; i++) {
        put_byte(&w, i == 0 ? '?' : '&');
        put_span(&w, pairs[i].name);
        put_byte(&w, '=');
        put_span(&w, pairs[i].value);
    }
    PEN_TRY(w.status);
    parts->query = span_since(buf, behind_mark);
    parts->target = span_since(buf, start);
    return path_signed(request, buf, parts);
}

static pen_status header_room(const struct headers *headers, struct pen_err *err)
{
    if (headers->count == PEN_SIGV4_HEADERS_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "signature: more than %d headers",
                        PEN_SIGV4_HEADERS_MAX);
    }
    return PEN_OK;
}

static bool is_ours(pen_slice name)
{
    return pen_slice_eq(name, PEN_SLICE_LIT("host")) ||
           pen_slice_eq(name, PEN_SLICE_LIT("authorization")) ||
           pen_slice_eq(name, PEN_SLICE_LIT("x-amz-date")) ||
           pen_slice_eq(name, PEN_SLICE_LIT("x-amz-content-sha256")) ||
           pen_slice_eq(name, PEN_SLICE_LIT("x-amz-security-token"));
}

/* Blanks at the ends dropped, several in a row made one. */
static pen_status value_add(struct pen_buf *buf, pen_slice name, pen_slice value,
                            struct pen_err *err)
{
    const size_t from = buf->len;
    PEN_TRY(pen_buf_reserve(buf, value.len));
    for (size_t i = 0; i < value.len; i++) {
        const uint8_t b = value.ptr[i];
        if ((b < ' ' && b != '\t') || b == 0x7f) {
            return PEN_FAIL(err, PEN_E_CORRUPT, i,
                            "signature: a control byte in the value of header %.*s",
                            PEN_SLICE_FMT(name));
        }
        const bool is_blank = b == ' ' || b == '\t';
        if (!is_blank) {
            buf->ptr[buf->len++] = b;
        } else if (buf->len > from && buf->ptr[buf->len - 1] != ' ') {
            buf->ptr[buf->len++] = ' ';
        }
    }
    if (buf->len > from && buf->ptr[buf->len - 1] == ' ') {
        buf->len--;
    }
    return PEN_OK;
}

static pen_status header_add(struct headers *headers, struct pen_buf *buf,
                             const struct pen_pair *header, struct pen_err *err)
{
    if (!is_token(header->name)) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET,
                        "signature: the name of a header is no word");
    }
    PEN_TRY(header_room(headers, err));
    struct sigv4_pair *pair = &headers->pairs[headers->count];
    size_t from = buf->len;
    PEN_TRY(pen_buf_add(buf, header->name));
    pair->name = span_since(buf, from);
    for (size_t i = from; i < buf->len; i++) {
        if (buf->ptr[i] >= 'A' && buf->ptr[i] <= 'Z') {
            buf->ptr[i] |= 0x20;
        }
    }
    if (is_ours(span_slice(buf, pair->name))) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET,
                        "signature: header %.*s is not the caller's to give",
                        PEN_SLICE_FMT(header->name));
    }
    from = buf->len;
    PEN_TRY(value_add(buf, header->name, header->value, err));
    pair->value = span_since(buf, from);
    headers->count++;
    return PEN_OK;
}

/* A header of ours, whose value is in the buffer.  There is room: these come first. */
static void own_add(struct headers *headers, struct writer *w, const char *name, struct span value)
{
    const size_t from = w->buf->len;
    put(w, pen_slice_str(name));
    headers->pairs[headers->count++] =
        (struct sigv4_pair){.name = span_since(w->buf, from), .value = value};
}

static void two_digits(uint8_t *to, uint32_t n)
{
    to[0] = (uint8_t)('0' + n / 10 % 10);
    to[1] = (uint8_t)('0' + n % 10);
}

static void put_date(struct writer *w, int64_t time_ns)
{
    const struct pen_civil at = pen_civil_from_ns(time_ns);
    uint8_t to[SIGV4_DATE_LEN];
    two_digits(to, (uint32_t)at.year / 100);
    two_digits(to + 2, (uint32_t)at.year % 100);
    two_digits(to + 4, at.month);
    two_digits(to + 6, at.day);
    to[8] = 'T';
    two_digits(to + 9, at.hour);
    two_digits(to + 11, at.minute);
    two_digits(to + 13, at.second);
    to[15] = 'Z';
    put(w, (pen_slice){to, sizeof(to)});
}

static pen_status own_headers(const struct pen_sigv4_request *request, struct pen_buf *buf,
                              struct sigv4_parts *parts, struct headers *headers)
{
    struct writer w = {.buf = buf, .status = PEN_OK};
    size_t from = buf->len;
    if (request->bucket.len > 0 && request->is_virtual_host) {
        put(&w, request->bucket);
        put_byte(&w, '.');
    }
    put(&w, request->host);
    parts->host = span_since(buf, from);
    own_add(headers, &w, "host", parts->host);
    from = buf->len;
    put(&w, request->payload.len > 0 ? request->payload : PEN_SIGV4_EMPTY);
    parts->payload = span_since(buf, from);
    parts->is_payload_sent = request->has_payload_header || is_s3(request->service) ||
                             pen_slice_eq(request->service, PEN_SLICE_LIT("aoss"));
    if (parts->is_payload_sent) {
        own_add(headers, &w, "x-amz-content-sha256", parts->payload);
    }
    from = buf->len;
    put_date(&w, request->time_ns);
    parts->date = span_since(buf, from);
    own_add(headers, &w, "x-amz-date", parts->date);
    from = buf->len;
    put(&w, request->credentials->session_token);
    parts->token = span_since(buf, from);
    if (parts->token.len > 0) {
        own_add(headers, &w, "x-amz-security-token", parts->token);
    }
    return w.status;
}

/* ---- all of it ---- */

static bool is_again(const struct writer *w, const struct headers *headers, uint32_t i)
{
    return i > 0 && span_cmp(w->buf, headers->pairs[i - 1].name, headers->pairs[i].name) == 0;
}

/* "name:value\n" for each name, an empty line, and the names. */
static void headers_write(struct writer *w, const struct headers *headers,
                          struct sigv4_parts *parts)
{
    for (uint32_t i = 0; i < headers->count; i++) {
        if (is_again(w, headers, i)) {
            put_byte(w, ',');
        } else {
            put(w, i == 0 ? (pen_slice){0} : PEN_SLICE_LIT("\n"));
            put_span(w, headers->pairs[i].name);
            put_byte(w, ':');
        }
        put_span(w, headers->pairs[i].value);
    }
    put(w, PEN_SLICE_LIT("\n\n"));
    const size_t from = w->buf->len;
    for (uint32_t i = 0; i < headers->count; i++) {
        if (!is_again(w, headers, i)) {
            put(w, i == 0 ? (pen_slice){0} : PEN_SLICE_LIT(";"));
            put_span(w, headers->pairs[i].name);
        }
    }
    parts->signed_names = span_since(w->buf, from);
    put_byte(w, '\n');
}

pen_status pen_sigv4_canonical(const struct pen_sigv4_request *request, struct pen_buf *buf,
                               struct sigv4_parts *parts, struct pen_err *err)
{
    struct headers headers = {.count = 0};
    struct writer w = {.buf = buf, .status = PEN_OK};
    PEN_TRY(request_check(request, err));
    PEN_TRY(target_add(request, buf, parts));
    PEN_TRY(own_headers(request, buf, parts, &headers));
    for (uint32_t i = 0; i < request->header_count; i++) {
        PEN_TRY(header_add(&headers, buf, &request->headers[i], err));
    }
    pairs_sort(buf, headers.pairs, headers.count, false);
    const size_t from = buf->len;
    put(&w, request->method);
    put_byte(&w, '\n');
    put_span(&w, parts->path);
    put_byte(&w, '\n');
    put_span(&w, parts->query);
    put_byte(&w, '\n');
    headers_write(&w, &headers, parts);
    put_span(&w, parts->payload);
    parts->canonical = span_since(buf, from);
    return w.status;
}
