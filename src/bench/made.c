/* tested by tests/e2e/test_sink_speed.py */
#include "made.h"

#include "generate_internal.h"

#include <stdio.h>

#define OBJECT_RECORDS 500U
#define ACCOUNTS 20U
#define SEED 1U
#define DAY_NS (pen_days_from_civil(2025, 3, 1) * PEN_NS_PER_DAY)
#define STEP_NS (PEN_NS_PER_S / 10)
#define REGION "eu-central-1"

static pen_status object_text(struct gen_rng *rng, struct pen_buf *text, char account[16])
{
    (void)snprintf(account, 16, "%012u", 100000000 + pen_bench_below(rng, ACCOUNTS) * 7919);
    text->len = 0;
    PEN_TRY(pen_buf_add(text, PEN_SLICE_LIT("{\"Records\":[")));
    for (uint32_t i = 0; i < OBJECT_RECORDS; i++) {
        char id[GEN_UUID + 1];
        const struct gen_record record = {.account = account,
                                          .region = REGION,
                                          .time_ns = DAY_NS + (int64_t)i * STEP_NS,
                                          .planted = -1};
        PEN_TRY(pen_buf_reserve(text, GEN_RECORD_MAX + 1));
        if (i > 0) {
            text->ptr[text->len++] = ',';
        }
        text->len += pen_bench_record(rng, &record, (char *)text->ptr + text->len, id);
    }
    return pen_buf_add(text, PEN_SLICE_LIT("]}"));
}

static pen_status object_scan(struct pen_scan *scan, pen_slice key, pen_slice text,
                              struct made *made, struct pen_err *err)
{
    struct pen_scan_item item;
    pen_scan_begin(scan, (pen_slice){0}, key, INT64_MIN);
    pen_scan_feed(scan, text, true);
    enum pen_scan_next event = pen_scan_next(scan, &item, err);
    while (event == PEN_SCAN_RECORD) {
        PEN_TRY(pen_buf_add(&made->bytes, item.doc.source));
        PEN_TRY(limit_spans_add(&made->spans, item.doc.source.len) ? PEN_OK : PEN_E_NOMEM);
        event = pen_scan_next(scan, &item, err);
    }
    PEN_CHECK(event == PEN_SCAN_END); /* our own records */
    return PEN_OK;
}

static pen_status fill(struct pen_scan *scan, uint64_t bytes, struct pen_buf *text,
                       struct made *made, struct pen_err *err)
{
    struct gen_rng rng = {SEED};
    while (made->bytes.len < bytes) {
        char account[16];
        char key[256];
        pen_status st = object_text(&rng, text, account);
        (void)snprintf(key, sizeof(key),
                       "AWSLogs/%s/CloudTrail/" REGION "/2025/03/01/"
                       "%s_CloudTrail_" REGION "_20250301T0000Z_abcdefghijklmnop.json",
                       account, account);
        st = st == PEN_OK ? object_scan(scan, pen_slice_str(key), pen_buf_slice(text), made, err)
                          : st;
        if (st != PEN_OK) {
            return PEN_FAIL(err, st, PEN_NO_OFFSET, "bench: out of memory for documents");
        }
    }
    return PEN_OK;
}

pen_status made_new(const struct pen_program *program, uint64_t bytes, struct made *made,
                    struct pen_err *err)
{
    struct pen_buf text;
    struct pen_scan *scan = NULL;
    const struct pen_scan_options options = {.program = program, .want_source = true};
    *made = (struct made){.spans = {0}};
    pen_buf_init(&made->bytes, bytes + ((size_t)64 << 20));
    PEN_TRY(pen_scan_new(&options, &scan, err));
    pen_buf_init(&text, (size_t)OBJECT_RECORDS * (GEN_RECORD_MAX + 1) + 64);
    const pen_status st = fill(scan, bytes, &text, made, err);
    pen_buf_fini(&text);
    pen_scan_free(scan);
    return st;
}

void made_fini(struct made *made)
{
    pen_buf_fini(&made->bytes);
    limit_spans_fini(&made->spans);
}
