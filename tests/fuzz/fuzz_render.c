/*
 * Any text as a template: it renders within the limit, names that it asks for are those that it
 * lists, and what the check finds good has no block too many.
 */
#include "template.h"

#define NAMES_MAX 4096U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct listed {
    const pen_slice *names;
    uint32_t count;
};

static pen_status get(void *ctx, pen_slice name, struct pen_buf *out)
{
    const struct listed *l = ctx;
    bool is_listed = template_is_own(name);
    for (uint32_t i = 0; i < l->count && !is_listed; i++) {
        is_listed = pen_slice_eq(l->names[i], name);
    }
    PEN_CHECK(is_listed);
    switch (pen_hash64(name, 0) % 4) {
    case 0:
        return PEN_OK;
    case 1:
        return pen_buf_add(out, PEN_SLICE_LIT("-12"));
    case 2:
        return pen_buf_add(out, PEN_SLICE_LIT("a, b, \xc3\xa9"));
    default:
        return pen_buf_add(out, name);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const pen_slice text = {data, size};
    struct listed l = {0};
    const struct pen_rule_variables variables = {.get = get, .ctx = &l};
    struct pen_arena arena;
    struct pen_buf out;
    size_t offset = 0;
    bool is_cut = false;
    pen_arena_init(&arena, (size_t)1 << 24);
    pen_buf_init(&out, PEN_RULE_TEXT_BYTES_MAX * 2);
    template_names(&arena, text, &l.names, &l.count, NAMES_MAX, &is_cut);
    PEN_CHECK(!is_cut);
    const char *why = template_check(text, &offset);
    PEN_CHECK(offset <= size);
    const pen_status st = pen_rule_render(text, &variables, &out);
    PEN_CHECK(st == PEN_OK || (st == PEN_E_LIMIT && why != NULL));
    PEN_CHECK(out.len <= PEN_RULE_TEXT_BYTES_MAX);
    pen_buf_fini(&out);
    pen_arena_fini(&arena);
    return 0;
}
