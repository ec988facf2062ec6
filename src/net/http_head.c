/* Lines of a head: where they end, the status line, fields.  What the fields say: http_fields.c. */
#include "http_head.h"

#include "http_fields.h"

#define PREFIX PEN_SLICE_LIT("HTTP/1.")
#define META PEN_SLICE_LIT("x-amz-meta-")
#define STATUS_AT 9 /* of the digits, in "HTTP/1.1 200 OK" */
#define STATUS_END 12
#define STATUS_SWITCHING 101

void pen_http_head_init(struct http_head *head, bool is_head_request)
{
    memset(head, 0, offsetof(struct http_head, fields));
    head->is_head_request = is_head_request;
}

static pen_slice slice_of(const struct http_head *head, uint32_t from, uint32_t len)
{
    return (pen_slice){head->bytes + from, len};
}

static bool is_blank(uint8_t b)
{
    return b == ' ' || b == '\t';
}

static bool is_digit(uint8_t b)
{
    return b >= '0' && b <= '9';
}

/* A reader of another protocol, or of the rest of an earlier body, is told at the first byte that
 * is wrong, not when a line ends at last. */
static pen_status prefix_check(const struct http_head *head, struct pen_err *err)
{
    const pen_slice prefix = PREFIX;
    for (uint32_t i = 0; i < prefix.len && i < head->len; i++) {
        if (head->bytes[i] != prefix.ptr[i]) {
            return PEN_FAIL(err, PEN_E_CORRUPT, pen_http_head_at(head, i),
                            "http: the answer does not begin with HTTP/1");
        }
    }
    return PEN_OK;
}

static pen_status status_line(struct http_head *head, pen_slice line, struct pen_err *err)
{
    const uint8_t *p = line.ptr;
    const bool is_formed = line.len >= STATUS_END && is_digit(p[PREFIX.len]) &&
                           p[STATUS_AT - 1] == ' ' && is_digit(p[STATUS_AT]) &&
                           is_digit(p[STATUS_AT + 1]) && is_digit(p[STATUS_AT + 2]) &&
                           (line.len == STATUS_END || p[STATUS_END] == ' ');
    if (!is_formed || p[STATUS_AT] == '0') {
        return PEN_FAIL(
            err, PEN_E_CORRUPT, pen_http_head_at(head, STATUS_AT),
            "http: the status line is not HTTP/1.x, a blank and a status of 100 to 999");
    }
    head->minor = (uint8_t)(p[PREFIX.len] - '0');
    head->status = (uint16_t)((p[STATUS_AT] - '0') * 100 + (p[STATUS_AT + 1] - '0') * 10 +
                              (p[STATUS_AT + 2] - '0'));
    head->reason = pen_slice_sub(line, STATUS_END + 1, line.len);
    return PEN_OK;
}

/* The field that was begun has no more lines.  Metadata of the object's owner is not kept: there
 * may be hundreds of such fields in what is otherwise a good answer, and nobody asks for them. */
static pen_status field_close(struct http_head *head, struct pen_err *err)
{
    if (!head->has_open) {
        return PEN_OK;
    }
    head->has_open = false;
    const struct http_field *f = &head->fields[head->field_count];
    if (pen_slice_starts(slice_of(head, f->name, f->name_len), META)) {
        return PEN_OK;
    }
    if (head->field_count == HTTP_HEADERS_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, pen_http_head_at(head, f->name),
                        "http: the head has more than %d fields", HTTP_HEADERS_MAX);
    }
    head->field_count++;
    return PEN_OK;
}

static void field_trim(const struct http_head *head, struct http_field *f)
{
    while (f->value_len > 0 && is_blank(head->bytes[f->value + f->value_len - 1])) {
        f->value_len--;
    }
    while (f->value_len > 0 && is_blank(head->bytes[f->value])) {
        f->value++;
        f->value_len--;
    }
}

static pen_status field_begin(struct http_head *head, uint32_t begin, uint32_t end,
                              struct pen_err *err)
{
    PEN_TRY(field_close(head, err));
    uint32_t i = begin;
    for (; i < end && pen_http_is_token(head->bytes[i]); i++) {
        const uint8_t b = head->bytes[i];
        head->bytes[i] = (uint8_t)(b >= 'A' && b <= 'Z' ? b | 0x20 : b);
    }
    if (i == begin || i == end || head->bytes[i] != ':') {
        return PEN_FAIL(err, PEN_E_CORRUPT, pen_http_head_at(head, i),
                        "http: a line of the head is not a name, a colon and a value");
    }
    struct http_field *f = &head->fields[head->field_count];
    *f = (struct http_field){
        .name = begin, .name_len = i - begin, .value = i + 1, .value_len = end - i - 1};
    field_trim(head, f);
    head->has_open = true;
    return PEN_OK;
}

/* A folded line: the CR LF before it becomes blanks (RFC 9112, 5.2). */
static pen_status field_fold(struct http_head *head, uint32_t begin, uint32_t end,
                             struct pen_err *err)
{
    bool is_empty = true;
    for (uint32_t i = begin; i < end; i++) {
        is_empty = is_empty && is_blank(head->bytes[i]);
    }
    if (!head->has_open || is_empty) {
        return PEN_FAIL(err, PEN_E_CORRUPT, pen_http_head_at(head, begin),
                        "http: a line of the head begins with a blank and %s",
                        is_empty ? "holds nothing else" : "follows no field");
    }
    struct http_field *f = &head->fields[head->field_count];
    head->bytes[begin - 2] = ' ';
    head->bytes[begin - 1] = ' ';
    f->value_len = end - f->value;
    f->is_folded = true;
    field_trim(head, f);
    return PEN_OK;
}

/* Forgets a 1xx head: the real one follows. */
static pen_status interim_end(struct http_head *head, struct pen_err *err)
{
    PEN_TRY(pen_http_fields_interim(head, err));
    if (head->status == STATUS_SWITCHING) {
        return PEN_FAIL(err, PEN_E_CORRUPT, pen_http_head_at(head, STATUS_AT),
                        "http: status 101, but no other protocol was asked for");
    }
    if (head->interim_count == HTTP_INTERIM_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, pen_http_head_at(head, 0),
                        "http: more than %d interim answers", HTTP_INTERIM_MAX);
    }
    const uint64_t interim_bytes = head->interim_bytes + head->len;
    const uint8_t interim_count = (uint8_t)(head->interim_count + 1);
    pen_http_head_init(head, head->is_head_request);
    head->interim_bytes = interim_bytes;
    head->interim_count = interim_count;
    return PEN_OK;
}

static pen_status head_end(struct http_head *head, struct pen_err *err)
{
    PEN_TRY(field_close(head, err));
    if (head->status < 200) {
        return interim_end(head, err);
    }
    PEN_TRY(pen_http_fields_read(head, err));
    head->is_complete = true;
    return PEN_OK;
}

/* The line that ends with the LF that is the last byte so far. */
static pen_status line_take(struct http_head *head, struct pen_err *err)
{
    const uint32_t begin = head->line;
    if (head->len < begin + 2 || head->bytes[head->len - 2] != '\r') {
        return PEN_FAIL(err, PEN_E_CORRUPT, pen_http_head_at(head, head->len - 1),
                        "http: a line of the head ends in LF without CR");
    }
    const uint32_t end = head->len - 2;
    const pen_slice line = slice_of(head, begin, end - begin);
    const uint8_t *cr = memchr(line.ptr, '\r', line.len);
    const uint8_t *nul = memchr(line.ptr, '\0', line.len);
    if (cr != NULL || nul != NULL) {
        const uint8_t *bad = cr != NULL ? cr : nul;
        return PEN_FAIL(err, PEN_E_CORRUPT, pen_http_head_at(head, (uint64_t)(bad - head->bytes)),
                        "http: %s within a line of the head", cr != NULL ? "CR" : "NUL");
    }
    head->line = head->len;
    if (begin == 0) {
        return status_line(head, line, err);
    }
    if (line.len == 0) {
        return head_end(head, err);
    }
    return is_blank(line.ptr[0]) ? field_fold(head, begin, end, err)
                                 : field_begin(head, begin, end, err);
}

/* Takes in up to the end of its first line, which is read then. */
static pen_status piece_take(struct http_head *head, pen_slice in, size_t *used,
                             struct pen_err *err)
{
    const uint8_t *lf = memchr(in.ptr, '\n', in.len);
    const size_t want = lf != NULL ? (size_t)(lf - in.ptr) + 1 : in.len;
    const size_t room = HTTP_HEAD_BYTES_MAX - head->len;
    const size_t n = want < room ? want : room;
    memcpy(head->bytes + head->len, in.ptr, n);
    head->len += pen_u32(n);
    *used += n;
    if (head->line == 0) {
        PEN_TRY(prefix_check(head, err));
    }
    if (n < want) {
        return PEN_FAIL(err, PEN_E_LIMIT, pen_http_head_at(head, head->len),
                        "http: the head is longer than %zu bytes", HTTP_HEAD_BYTES_MAX);
    }
    return lf != NULL ? line_take(head, err) : PEN_OK;
}

pen_status pen_http_head_feed(struct http_head *head, pen_slice in, size_t *used, bool *done,
                              struct pen_err *err)
{
    PEN_CHECK(!head->is_complete);
    *used = 0;
    *done = false;
    while (*used < in.len && !head->is_complete) {
        PEN_TRY(piece_take(head, pen_slice_sub(in, *used, in.len), used, err));
    }
    *done = head->is_complete;
    return PEN_OK;
}

bool pen_http_head_get(const struct http_head *head, pen_slice name, uint32_t n, pen_slice *value)
{
    for (uint32_t i = 0; i < head->field_count; i++) {
        const struct http_field *f = &head->fields[i];
        if (pen_slice_eq_nocase(slice_of(head, f->name, f->name_len), name) && n-- == 0) {
            *value = slice_of(head, f->value, f->value_len);
            return true;
        }
    }
    return false;
}
