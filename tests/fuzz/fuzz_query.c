/*
 * Any text: a tree that passes the check of match, or an error with a place in the text.  The text
 * in parentheses with a NOT before it is a query too, and says the opposite of a record.
 */
#include "penstock/query.h"

#define FIELDS 8U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static pen_status field_of(void *ctx, pen_slice name, uint32_t *field, struct pen_err *err)
{
    (void)ctx;
    (void)err;
    *field = (uint32_t)(pen_hash64(name, 0) % FIELDS);
    return PEN_OK;
}

/* A record with a value of every kind, some under several fields. */
static const struct pen_record *record_once(void)
{
    static const char text[] = "{\"0\":\"a\",\"1\":[\"Put\",\"b c\"],\"2\":200,\"3\":\"10.1.2.3\","
                               "\"4\":null,\"5\":true,\"6\":{\"k\":\"v\"},\"7\":\"\\u00e9-5.0\"}";
    static uint8_t padded[sizeof(text) + PEN_JSON_PADDING];
    static struct pen_record record;
    static struct pen_walker *walker = NULL;
    if (walker == NULL) {
        struct pen_plan *plan = pen_plan_new();
        const struct pen_walker_options options = {.window_bytes_max = 4096,
                                                   .record_bytes_max = 4096};
        struct pen_err err;
        PEN_CHECK(plan != NULL);
        for (uint32_t i = 0; i < FIELDS; i++) {
            const uint8_t name[1] = {(uint8_t)('0' + i)};
            const pen_slice step = {name, 1};
            PEN_CHECK(pen_plan_field_new(plan) == i && pen_plan_path(plan, i, &step, 1) == PEN_OK);
        }
        pen_plan_seal(plan);
        PEN_CHECK(pen_walker_new(plan, &options, &walker, &err) == PEN_OK);
        memcpy(padded, text, sizeof(text) - 1);
        PEN_CHECK(pen_walker_one(walker, (pen_slice){padded, sizeof(text) - 1}, &record, &err) ==
                  PEN_NEXT_RECORD);
    }
    return &record;
}

static void opposite(struct pen_arena *arena, pen_slice text, const struct pen_expr *expr,
                     const struct pen_query_options *options)
{
    struct pen_buf not_text;
    struct pen_expr *not_expr = NULL;
    struct pen_err err;
    pen_buf_init(&not_text, PEN_QUERY_BYTES_MAX * 2);
    PEN_CHECK(pen_buf_add(&not_text, PEN_SLICE_LIT("NOT (")) == PEN_OK);
    PEN_CHECK(pen_buf_add(&not_text, text) == PEN_OK);
    PEN_CHECK(pen_buf_add(&not_text, PEN_SLICE_LIT(")")) == PEN_OK);
    const pen_status status =
        pen_query_parse(arena, pen_buf_slice(&not_text), options, &not_expr, &err);
    if (status == PEN_OK) {
        const bool held = pen_expr_eval(expr, record_once(), NULL, NULL);
        PEN_CHECK(pen_expr_eval(not_expr, record_once(), NULL, NULL) == !held);
    } else {
        PEN_CHECK(status == PEN_E_LIMIT);
    }
    pen_buf_fini(&not_text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const pen_slice text = {data, size};
    const struct pen_query_options options = {.field = field_of, .as_rule = size % 2 == 0};
    struct pen_arena arena;
    struct pen_buf out;
    struct pen_err err;
    struct pen_expr *expr = NULL;
    pen_arena_init(&arena, (size_t)256 << 20);
    pen_buf_init(&out, (size_t)1 << 20);
    if (pen_query_parse(&arena, text, &options, &expr, &err) == PEN_OK) {
        PEN_CHECK(pen_expr_check(expr, &err) == PEN_OK);
        if (expr->kind != PEN_EXPR_TRUE) { /* of nothing */
            opposite(&arena, text, expr, &options);
        }
    } else {
        PEN_CHECK(err.status != PEN_E_NOMEM && err.offset <= size);
        PEN_CHECK(pen_query_caret(&out, text, &err) == PEN_OK);
    }
    pen_buf_fini(&out);
    pen_arena_fini(&arena);
    return 0;
}
