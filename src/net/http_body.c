/* Framing of bodies.  A chunked body is a state for each place between two bytes, so that it may be
 * cut anywhere. */
#include "http_body.h"

#include "http_fields.h"

#include <inttypes.h>

void pen_http_body_init(struct http_body *body, enum http_framing framing, uint64_t length)
{
    *body = (struct http_body){.framing = framing};
    if (framing == HTTP_FRAMING_LENGTH) {
        body->left = length;
    }
    body->is_done = framing == HTTP_FRAMING_NONE || (framing == HTTP_FRAMING_LENGTH && length == 0);
}

/* Up to limit bytes of in are content. */
static void content_take(struct http_body *body, pen_slice in, uint64_t limit, size_t *used,
                         pen_slice *content)
{
    *used = limit < in.len ? (size_t)limit : in.len;
    *content = pen_slice_sub(in, 0, *used);
    body->content += *used;
    body->wire += *used;
}

/* ---- chunks ---- */

static int32_t hex_of(uint8_t b)
{
    if (b >= '0' && b <= '9') {
        return b - '0';
    }
    const uint8_t lower = b | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static pen_status size_digit(struct http_body *body, uint64_t digit, struct pen_err *err)
{
    if (body->left >> 60 != 0) {
        return PEN_FAIL(err, PEN_E_CORRUPT, body->wire, "http: a chunk's size has over 64 bits");
    }
    body->left = body->left << 4 | digit;
    return PEN_OK;
}

/* The size line has ended. */
static pen_status size_end(struct http_body *body, struct pen_err *err)
{
    if (__builtin_add_overflow(body->announced, body->left, &body->announced)) {
        return PEN_FAIL(err, PEN_E_CORRUPT, body->wire,
                        "http: the sizes of chunks add up to over 64 bits");
    }
    body->line_bytes = 0;
    body->chunk = body->left > 0 ? HTTP_CHUNK_DATA : HTTP_CHUNK_TRAILER;
    return PEN_OK;
}

static pen_status bad(const struct http_body *body, const char *what, struct pen_err *err)
{
    return PEN_FAIL(err, PEN_E_CORRUPT, body->wire, "http: chunked body: %s", what);
}

/* One byte that is exactly what must come. */
static pen_status must_be(struct http_body *body, bool is_it, enum http_chunk next,
                          struct pen_err *err)
{
    if (!is_it) {
        return bad(body, "CR LF was to come here", err);
    }
    body->chunk = next;
    return PEN_OK;
}

static pen_status size_byte(struct http_body *body, uint8_t b, struct pen_err *err)
{
    const bool has_digit = body->line_bytes > 1; /* b is counted */
    const int32_t digit = body->chunk == HTTP_CHUNK_SIZE ? hex_of(b) : -1;
    if (digit >= 0) {
        return size_digit(body, (uint64_t)digit, err);
    }
    if (has_digit && b == ';') {
        body->chunk = HTTP_CHUNK_EXTENSION;
    } else if (has_digit && (b == ' ' || b == '\t')) {
        body->chunk = HTTP_CHUNK_BLANK;
    } else if (has_digit && b == '\r' && body->chunk == HTTP_CHUNK_SIZE) {
        body->chunk = HTTP_CHUNK_SIZE_LF;
    } else {
        return bad(body, "no size where a chunk begins", err);
    }
    return PEN_OK;
}

/* Within an extension or the value of a trailer's field: anything up to CR. */
static pen_status text_byte(struct http_body *body, uint8_t b, enum http_chunk next,
                            struct pen_err *err)
{
    if (b == '\n' || b == '\0') {
        return bad(body, b == '\n' ? "LF without CR" : "NUL in a line", err);
    }
    if (b == '\r') {
        body->chunk = next;
    }
    return PEN_OK;
}

static pen_status trailer_byte(struct http_body *body, uint8_t b, struct pen_err *err)
{
    const bool is_start = body->chunk == HTTP_CHUNK_TRAILER;
    if (is_start && b == '\r') {
        body->chunk = HTTP_CHUNK_LAST_LF;
    } else if (pen_http_is_token(b)) {
        body->chunk = HTTP_CHUNK_TRAILER_NAME;
    } else if (!is_start && b == ':') {
        body->chunk = HTTP_CHUNK_TRAILER_VALUE;
    } else {
        return bad(body, "a line of the trailer is not a name, a colon and a value", err);
    }
    return PEN_OK;
}

static pen_status line_limit(struct http_body *body, struct pen_err *err)
{
    const bool is_size = body->chunk <= HTTP_CHUNK_SIZE_LF;
    const uint32_t max = is_size ? HTTP_CHUNK_LINE_MAX : HTTP_TRAILER_MAX;
    if (++body->line_bytes > max) {
        return PEN_FAIL(err, PEN_E_LIMIT, body->wire,
                        "http: chunked body: %s is longer than %" PRIu32 " bytes",
                        is_size ? "the line of a chunk's size" : "the trailer", max);
    }
    return PEN_OK;
}

/* Any byte but data. */
static pen_status frame_byte(struct http_body *body, uint8_t b, struct pen_err *err)
{
    PEN_TRY(line_limit(body, err));
    switch (body->chunk) {
    case HTTP_CHUNK_SIZE:
    case HTTP_CHUNK_BLANK:
        return size_byte(body, b, err);
    case HTTP_CHUNK_EXTENSION:
        return text_byte(body, b, HTTP_CHUNK_SIZE_LF, err);
    case HTTP_CHUNK_SIZE_LF:
        return b == '\n' ? size_end(body, err) : bad(body, "CR without LF", err);
    case HTTP_CHUNK_DATA_CR:
        return must_be(body, b == '\r', HTTP_CHUNK_DATA_LF, err);
    case HTTP_CHUNK_DATA_LF:
        body->line_bytes = 0;
        return must_be(body, b == '\n', HTTP_CHUNK_SIZE, err);
    case HTTP_CHUNK_TRAILER:
    case HTTP_CHUNK_TRAILER_NAME:
        return trailer_byte(body, b, err);
    case HTTP_CHUNK_TRAILER_VALUE:
        return text_byte(body, b, HTTP_CHUNK_TRAILER_LF, err);
    case HTTP_CHUNK_TRAILER_LF:
        return must_be(body, b == '\n', HTTP_CHUNK_TRAILER, err);
    case HTTP_CHUNK_LAST_LF:
        body->is_done = b == '\n';
        return must_be(body, b == '\n', HTTP_CHUNK_LAST_LF, err);
    case HTTP_CHUNK_DATA:
    default:
        pen_panic(PEN_HERE, "data taken for framing");
    }
}

/* Framing up to data, then the data: a call gives content unless in holds none. */
static pen_status chunk_feed(struct http_body *body, pen_slice in, size_t *used, pen_slice *content,
                             struct pen_err *err)
{
    while (*used < in.len && !body->is_done) {
        if (body->chunk == HTTP_CHUNK_DATA) {
            size_t n = 0;
            content_take(body, pen_slice_sub(in, *used, in.len), body->left, &n, content);
            *used += n;
            body->left -= n;
            body->chunk = body->left > 0 ? HTTP_CHUNK_DATA : HTTP_CHUNK_DATA_CR;
            return PEN_OK;
        }
        PEN_TRY(frame_byte(body, in.ptr[*used], err));
        (*used)++;
        body->wire++;
    }
    return PEN_OK;
}

/* ---- the body ---- */

pen_status pen_http_body_feed(struct http_body *body, pen_slice in, size_t *used,
                              pen_slice *content, struct pen_err *err)
{
    *used = 0;
    *content = (pen_slice){0};
    if (body->is_done || in.len == 0) {
        return PEN_OK;
    }
    if (body->framing == HTTP_FRAMING_CHUNKED) {
        return chunk_feed(body, in, used, content, err);
    }
    const bool is_length = body->framing == HTTP_FRAMING_LENGTH;
    content_take(body, in, is_length ? body->left : UINT64_MAX, used, content);
    if (is_length) {
        body->left -= *used;
        body->is_done = body->left == 0;
    }
    return PEN_OK;
}

pen_status pen_http_body_eof(struct http_body *body, struct pen_err *err)
{
    body->is_done = body->is_done || body->framing == HTTP_FRAMING_CLOSE;
    if (body->is_done) {
        return PEN_OK;
    }
    if (body->framing == HTTP_FRAMING_LENGTH) {
        return PEN_FAIL(err, PEN_E_TRUNCATED, body->wire,
                        "http: the connection was closed %" PRIu64 " bytes before the body's end",
                        body->left);
    }
    return PEN_FAIL(err, PEN_E_TRUNCATED, body->wire,
                    "http: the connection was closed before the last chunk");
}

/* ---- head and body ---- */

void pen_http_response_init(struct http_response *response, bool is_head_request)
{
    response->phase = HTTP_PHASE_HEAD;
    response->wire = 0;
    response->head_wire = 0;
    pen_http_body_init(&response->body, HTTP_FRAMING_NONE, 0);
    pen_http_head_init(&response->head, is_head_request);
}

static pen_status head_step(struct http_response *response, pen_slice in, size_t *used,
                            struct pen_err *err)
{
    bool is_complete = false;
    PEN_TRY(pen_http_head_feed(&response->head, in, used, &is_complete, err));
    response->head_wire += *used;
    if (is_complete) {
        const struct http_head *head = &response->head;
        pen_http_body_init(&response->body, head->framing, head->content_length);
        response->phase = response->body.is_done ? HTTP_PHASE_DONE : HTTP_PHASE_BODY;
    }
    return PEN_OK;
}

/* Offsets of errors count from the response, not from its body. */
static pen_status place(const struct http_response *response, pen_status status,
                        struct pen_err *err)
{
    if (status != PEN_OK && err != NULL) {
        err->offset += response->head_wire;
    }
    return status;
}

pen_status pen_http_response_feed(struct http_response *response, pen_slice in, size_t *used,
                                  pen_slice *content, struct pen_err *err)
{
    *used = 0;
    *content = (pen_slice){0};
    pen_status status = PEN_OK;
    if (response->phase == HTTP_PHASE_HEAD) {
        status = head_step(response, in, used, err);
    } else if (response->phase == HTTP_PHASE_BODY) {
        status = place(response, pen_http_body_feed(&response->body, in, used, content, err), err);
        response->phase = response->body.is_done ? HTTP_PHASE_DONE : HTTP_PHASE_BODY;
    }
    response->wire += *used;
    return status;
}

pen_status pen_http_response_eof(struct http_response *response, struct pen_err *err)
{
    if (response->phase == HTTP_PHASE_HEAD) {
        return PEN_FAIL(err, PEN_E_TRUNCATED, response->wire,
                        response->wire == 0 ? "http: the connection was closed without an answer"
                                            : "http: the connection was closed within the head");
    }
    PEN_TRY(place(response, pen_http_body_eof(&response->body, err), err));
    response->phase = HTTP_PHASE_DONE;
    return PEN_OK;
}

bool pen_http_response_is_reusable(const struct http_response *response)
{
    return response->phase == HTTP_PHASE_DONE && response->head.is_kept;
}

uint64_t pen_http_response_left(const struct http_response *response)
{
    if (response->phase == HTTP_PHASE_DONE) {
        return 0;
    }
    const bool is_known =
        response->phase == HTTP_PHASE_BODY && response->body.framing == HTTP_FRAMING_LENGTH;
    return is_known ? response->body.left : UINT64_MAX;
}
