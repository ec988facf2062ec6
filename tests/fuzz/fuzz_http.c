/*
 * Any bytes as responses on one connection: cut anywhere they give the same heads, content, end and
 * error, and the counters add up.  The first byte says how the bytes are cut and what was asked.
 */
#include "http_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RESPONSES_MAX 8

struct outcome { /* of one response */
    pen_status status;
    pen_status eof; /* of a close where the bytes end; PEN_E_INTERNAL: not asked */
    enum http_phase phase;
    uint64_t wire, head_wire, content, offset;
    uint64_t sum; /* hash of the content's bytes, one after another */
    uint64_t head_sum;
    bool is_reusable;
};

static uint64_t sum_of(uint64_t sum, pen_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        sum = (sum ^ s.ptr[i]) * UINT64_C(0x100000001b3);
    }
    return sum;
}

static void text_check(const struct http_head *head, pen_slice s)
{
    PEN_CHECK(s.len == 0 || (s.ptr >= head->bytes && s.ptr + s.len <= head->bytes + head->len));
    PEN_CHECK(s.len == 0 ||
              (memchr(s.ptr, '\r', s.len) == NULL && memchr(s.ptr, '\n', s.len) == NULL &&
               memchr(s.ptr, '\0', s.len) == NULL));
}

/* What must hold of every head that is complete. */
static uint64_t head_check(const struct http_head *head)
{
    const pen_slice texts[] = {head->reason,        head->date,          head->etag,
                               head->last_modified, head->location,      head->content_type,
                               head->retry_after,   head->server,        head->request_id,
                               head->id_2,          head->bucket_region, head->storage_class,
                               head->version_id};
    uint64_t sum = (uint64_t)head->status * 16 + (uint64_t)head->framing * 2 + head->is_kept;
    PEN_CHECK(head->is_complete && head->status >= 200 && head->status <= 999);
    PEN_CHECK(head->field_count <= HTTP_HEADERS_MAX && head->interim_count <= HTTP_INTERIM_MAX);
    PEN_CHECK(!head->is_chunked || (!head->has_length && head->minor > 0));
    PEN_CHECK(!head->is_head_request || head->framing == HTTP_FRAMING_NONE);
    PEN_CHECK(head->framing != HTTP_FRAMING_CLOSE || !head->is_kept);
    PEN_CHECK(!head->content_range.has_bytes ||
              head->content_range.first <= head->content_range.last);
    for (size_t i = 0; i < PEN_COUNT(texts); i++) {
        text_check(head, texts[i]);
        sum = sum_of(sum + i, texts[i]);
    }
    for (uint32_t i = 0; i < head->field_count; i++) {
        const struct http_field *f = &head->fields[i];
        const pen_slice name = {head->bytes + f->name, f->name_len};
        const pen_slice value = {head->bytes + f->value, f->value_len};
        pen_slice found;
        PEN_CHECK(name.len > 0 && pen_http_head_get(head, name, 0, &found));
        text_check(head, value);
        sum = sum_of(sum_of(sum, name), value);
    }
    return sum;
}

/* What must hold when a response has ended, or the bytes have, and what is compared. */
static void outcome_set(struct http_response *r, pen_slice in, struct pen_err *err,
                        struct outcome *o)
{
    const struct http_body *body = &r->body;
    PEN_CHECK(o->content == body->content && o->content <= r->wire);
    PEN_CHECK(body->framing != HTTP_FRAMING_LENGTH ||
              body->content + body->left == r->head.content_length);
    o->phase = r->phase;
    o->is_reusable = pen_http_response_is_reusable(r);
    if (o->status != PEN_OK) { /* how much was taken before an error is open */
        PEN_CHECK(o->status == PEN_E_CORRUPT || o->status == PEN_E_LIMIT);
        PEN_CHECK(err->offset <= in.len);
        o->offset = err->offset;
        return;
    }
    PEN_CHECK(r->phase == HTTP_PHASE_HEAD || r->wire == r->head_wire + body->wire);
    o->wire = r->wire;
    o->head_wire = r->head_wire;
    o->eof = pen_http_response_eof(r, err);
    PEN_CHECK(o->eof == PEN_OK ? r->phase == HTTP_PHASE_DONE : o->eof == PEN_E_TRUNCATED);
    PEN_CHECK(o->phase != HTTP_PHASE_DONE || o->eof == PEN_OK);
}

/* One response from the front of in, in pieces whose sizes follow from seed; 0 is: as a whole. */
static void respond(struct http_response *r, pen_slice in, bool is_head_request, uint32_t seed,
                    struct outcome *o)
{
    struct pen_err err = {.offset = PEN_NO_OFFSET};
    uint32_t random = seed;
    uint64_t used_all = 0;
    *o = (struct outcome){.sum = 1, .eof = PEN_E_INTERNAL};
    pen_http_response_init(r, is_head_request);
    while (used_all < in.len && r->phase != HTTP_PHASE_DONE && o->status == PEN_OK) {
        random = random * 1664525 + 1013904223;
        const size_t step = seed == 0 ? in.len : 1 + (random >> 16) % (1 + seed % 40);
        const pen_slice piece = pen_slice_sub(in, used_all, used_all + step);
        const enum http_phase before = r->phase;
        pen_slice content;
        size_t used = 0;
        o->status = pen_http_response_feed(r, piece, &used, &content, &err);
        PEN_CHECK(used <= piece.len && content.len <= used);
        PEN_CHECK(content.len == 0 || (before == HTTP_PHASE_BODY && content.ptr >= piece.ptr &&
                                       content.ptr + content.len <= piece.ptr + used));
        PEN_CHECK(o->status != PEN_OK || used > 0);
        if (o->status == PEN_OK && before == HTTP_PHASE_HEAD && r->phase != HTTP_PHASE_HEAD) {
            o->head_sum = head_check(&r->head);
        }
        o->sum = sum_of(o->sum, content);
        o->content += content.len;
        used_all += used;
        PEN_CHECK(r->wire == used_all);
    }
    outcome_set(r, in, &err, o);
}

/* Same outcome, however the bytes were cut. */
static void same(const struct outcome *a, const struct outcome *b)
{
    PEN_CHECK(a->status == b->status && a->eof == b->eof && a->phase == b->phase);
    PEN_CHECK(a->wire == b->wire && a->head_wire == b->head_wire && a->offset == b->offset);
    PEN_CHECK(a->content == b->content && a->sum == b->sum && a->head_sum == b->head_sum);
    PEN_CHECK(a->is_reusable == b->is_reusable);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_response response; /* 33 KiB: reused, as a connection does */
    if (size < 1) {
        return 0;
    }
    const bool is_head_request = (data[0] & 0x80) != 0;
    const uint32_t seed = 1 + (data[0] & 0x7fU);
    pen_slice in = {data + 1, size - 1};
    struct outcome whole = {.is_reusable = true};
    for (uint32_t i = 0; i < RESPONSES_MAX && whole.is_reusable; i++) {
        struct outcome cut;
        respond(&response, in, is_head_request, 0, &whole);
        respond(&response, in, is_head_request, seed, &cut);
        same(&whole, &cut);
        respond(&response, in, is_head_request, 40, &cut); /* seed % 40 is 0: byte after byte */
        same(&whole, &cut);
        in = pen_slice_sub(in, (size_t)whole.wire, in.len);
    }
    return 0;
}
