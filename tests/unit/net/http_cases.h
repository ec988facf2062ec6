/* http_cases.h - what the tests of HTTP responses share: a head from text, cut everywhere. */
#ifndef PEN_TEST_HTTP_CASES_H
#define PEN_TEST_HTTP_CASES_H

#include "http_head.h"
#include "test.h"

static inline void slice_is(pen_slice got, const char *want)
{
    if (!pen_slice_eq(got, pen_slice_str(want))) {
        fail_msg("got \"%.*s\", want \"%s\"", (int)got.len, (const char *)got.ptr, want);
    }
}

/* Status of a head fed in steps of step bytes; *used of all bytes together. */
static inline pen_status head_feed(struct http_head *head, pen_slice text, size_t step,
                                   size_t *used, struct pen_err *err)
{
    *used = 0;
    while (*used < text.len && !head->is_complete) {
        size_t n = 0;
        bool is_done = false;
        PEN_TRY(
            pen_http_head_feed(head, pen_slice_sub(text, *used, *used + step), &n, &is_done, err));
        assert_true(n > 0 && is_done == head->is_complete);
        *used += n;
    }
    return PEN_OK;
}

/* The head of text as a whole and cut in pieces of every size: the same outcome.  Its last state is
 * that of byte after byte. */
static inline pen_status head_cut(struct http_head *head, pen_slice text, bool is_head_request,
                                  size_t *used, struct pen_err *err)
{
    pen_http_head_init(head, is_head_request);
    const pen_status want = head_feed(head, text, text.len, used, err);
    const size_t want_used = *used;
    const uint64_t want_offset = err->offset;
    for (size_t step = text.len; step-- > 1;) {
        pen_http_head_init(head, is_head_request);
        assert_int_equal(head_feed(head, text, step, used, err), want);
        assert_int_equal(want == PEN_OK ? *used : 0, want == PEN_OK ? want_used : 0);
        assert_int_equal(want == PEN_OK ? 0 : err->offset, want == PEN_OK ? 0 : want_offset);
    }
    return want;
}

struct refusal {
    const char *text;
    uint64_t offset;
    const char *reason; /* a part of it */
};

static inline void refused(struct http_head *head, const struct refusal *cases, size_t count)
{
    struct pen_err err;
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        const pen_status status = head_cut(head, pen_slice_str(cases[i].text), false, &used, &err);
        if (status != PEN_E_CORRUPT || err.offset != cases[i].offset ||
            strstr(err.text, cases[i].reason) == NULL) {
            fail_msg("%s: status %d at %d: %s", cases[i].text, (int)status, (int)err.offset,
                     status == PEN_OK ? "" : err.text);
        }
    }
}

#endif
