/* Any text: a tree that passes the check of match, or an error with a place in the text. */
#include "penstock/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static pen_status field_of(void *ctx, pen_slice name, uint32_t *field, struct pen_err *err)
{
    (void)ctx;
    (void)err;
    *field = (uint32_t)(pen_hash64(name, 0) % 64);
    return PEN_OK;
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
    } else {
        PEN_CHECK(err.status != PEN_E_NOMEM && err.offset <= size);
        PEN_CHECK(pen_query_caret(&out, text, &err) == PEN_OK);
    }
    pen_buf_fini(&out);
    pen_arena_fini(&arena);
    return 0;
}
