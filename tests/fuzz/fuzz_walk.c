/*
 * Any bytes as one record.  A slow reader builds the tree of it and says from the tree what the
 * walk has to give: the verdict, the values of every planned path, the pruned copy, its patches.
 */
#include "tree.h"
#include "walker.h"

#include <stdlib.h>

#define TEXT_MAX ((size_t)4 << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the plan: a path of steps for each field; the last ones are actions ---- */

struct path {
    const char *steps[3];
    uint32_t count;
};

static const struct path paths[] = {
    {{"name"}, 1},      {{"a", "b"}, 2},
    {{"a.b"}, 1},       {{"o"}, 1},
    {{"i", "name"}, 2}, {{"i", "1", "name"}, 3},
    {{"i", "1"}, 2},    {{"a", "b", "c"}, 3},
    {{"gone"}, 1},      {{"\xef\xbf\xbd", "x"}, 2},
    {{"gone", "x"}, 2},
};
static const struct path actions[] = {{{"fix"}, 1}, {{"o", "fix"}, 2}, {{"i", "fix"}, 2}};
#define DIVERTED 8U /* "gone" is left out of the copy */

static void plan_paths(struct pen_plan *plan)
{
    for (uint32_t i = 0; i < PEN_COUNT(paths); i++) {
        pen_slice steps[3];
        for (uint32_t k = 0; k < paths[i].count; k++) {
            steps[k] = pen_slice_str(paths[i].steps[k]);
        }
        PEN_CHECK(pen_plan_field_new(plan) == i);
        PEN_CHECK(pen_plan_path(plan, i, steps, paths[i].count) == PEN_OK);
    }
    for (uint32_t i = 0; i < PEN_COUNT(actions); i++) {
        pen_slice steps[3];
        for (uint32_t k = 0; k < actions[i].count; k++) {
            steps[k] = pen_slice_str(actions[i].steps[k]);
        }
        PEN_CHECK(pen_plan_action(plan, steps, actions[i].count, i + 1) == PEN_OK);
    }
    PEN_CHECK(pen_plan_divert(plan, PEN_SLICE_LIT("gone"), DIVERTED) == PEN_OK);
    pen_plan_seal(plan);
}

/* How many steps of a path a node has behind it, as bits: several, because an element of an array
 * is what the array is, and also what its number leads to. */
static uint32_t steps_taken(const struct tree *tree, uint32_t at, uint32_t parent_bits,
                            const struct path *path)
{
    const struct node *node = &tree->nodes[at];
    const bool in_object = tree->nodes[node->parent].kind == PEN_OBJECT;
    uint32_t bits = in_object ? 0 : parent_bits;
    uint8_t name[TEXT_MAX];
    size_t len = 0;
    if (in_object) {
        len = pen_json_unescape(node->name, name);
    } else {
        len = (size_t)snprintf((char *)name, sizeof(name), "%u", node->ordinal);
    }
    for (uint32_t k = 0; k < path->count; k++) {
        const bool is_next = pen_slice_eq((pen_slice){name, len}, pen_slice_str(path->steps[k]));
        bits |= (parent_bits >> k & 1U) != 0 && is_next ? 1U << (k + 1) : 0;
    }
    return bits;
}

/* For every node: bits of the paths that end there. */
static void ends_find(const struct tree *tree, const struct path *list, uint32_t count,
                      uint32_t *ends)
{
    static uint32_t bits[NODES_MAX];
    memset(ends, 0, tree->count * sizeof(*ends));
    for (uint32_t p = 0; p < count; p++) {
        bits[0] = 1;
        for (uint32_t i = 1; i < tree->count; i++) {
            bits[i] = steps_taken(tree, i, bits[tree->nodes[i].parent], &list[p]);
            ends[i] |= (bits[i] >> list[p].count & 1U) << p;
        }
    }
}

/* ---- comparing ---- */

static void values_check(const struct tree *tree, const uint32_t *ends, const struct pen_record *r)
{
    uint32_t seen = 0;
    for (uint32_t field = 0; field < PEN_COUNT(paths); field++) {
        const struct pen_value *v = pen_record_first(r, field);
        for (uint32_t i = 1; i < tree->count; i++) {
            const struct node *node = &tree->nodes[i];
            if (node->is_dead || (ends[i] >> field & 1U) == 0) {
                continue;
            }
            PEN_CHECK(v != NULL && v->field == field && v->kind == node->kind);
            PEN_CHECK(pen_slice_eq(v->text, node->kind == PEN_STRING
                                                ? pen_slice_sub(node->text, 1, node->text.len - 1)
                                                : node->text));
            PEN_CHECK(v->in_array == (tree->nodes[node->parent].kind == PEN_ARRAY));
            const bool has_escape = memchr(node->text.ptr, '\\', node->text.len) != NULL;
            PEN_CHECK(node->kind != PEN_STRING || v->is_escaped == has_escape);
            v = pen_value_next(r, v);
            seen++;
        }
        PEN_CHECK(v == NULL);
    }
    PEN_CHECK(seen == r->value_count);
}

static void patches_check(const struct tree *tree, const uint32_t *ends, const struct pen_record *r)
{
    uint32_t seen = 0;
    for (uint32_t i = 1; i < tree->count; i++) {
        const struct node *node = &tree->nodes[i];
        if (ends[i] == 0 || !node->is_written || tree->nodes[node->parent].kind != PEN_OBJECT) {
            continue;
        }
        const struct pen_patch *patch = NULL;
        for (uint32_t k = 0; k < r->patch_count; k++) {
            patch = r->patches[k].raw.ptr == node->text.ptr ? &r->patches[k] : patch;
        }
        PEN_CHECK(patch != NULL && patch->kind == node->kind);
        PEN_CHECK((ends[i] >> (patch->action - 1) & 1U) != 0);
        PEN_CHECK(pen_slice_eq(patch->raw, node->text));
        PEN_CHECK(patch->begin == node->copy_begin && patch->end == node->copy_end);
        seen++;
    }
    PEN_CHECK(seen == r->patch_count);
    for (uint32_t k = 1; k < r->patch_count; k++) {
        PEN_CHECK(r->patches[k - 1].begin < r->patches[k].begin);
    }
}

static void text_check(pen_slice inner)
{
    static uint8_t text[TEXT_MAX];
    static uint8_t again[TEXT_MAX];
    struct pen_buf buf;
    size_t at = 0;
    pen_slice escaped;
    const size_t len = pen_json_unescape(inner, text);
    PEN_CHECK(len <= inner.len && pen_utf8_valid((pen_slice){text, len}));
    pen_buf_init(&buf, TEXT_MAX * 8);
    PEN_CHECK(pen_buf_add_byte(&buf, '"') == PEN_OK);
    PEN_CHECK(pen_json_escape(&buf, (pen_slice){text, len}) == PEN_OK);
    PEN_CHECK(pen_buf_add_byte(&buf, '"') == PEN_OK);
    PEN_CHECK(ref_string(pen_buf_slice(&buf), &at, &escaped) && at == buf.len);
    PEN_CHECK(pen_json_unescape(escaped, again) == len && memcmp(text, again, len) == 0);
    pen_buf_fini(&buf);
}

/* Tokens one by one are the nodes of the tree. */
static void tokens_check(const struct tree *tree, pen_slice raw)
{
    struct pen_tokens tokens;
    struct pen_token token;
    uint32_t at = 1;
    pen_tokens_init(&tokens, raw);
    while (pen_tokens_next(&tokens, &token)) {
        if (token.is_key) {
            PEN_CHECK(at < tree->count && pen_slice_eq(token.text, tree->nodes[at].name));
        } else if (!token.is_close) {
            PEN_CHECK(at < tree->count && token.kind == tree->nodes[at].kind);
            at++;
        }
    }
    PEN_CHECK(at == tree->count);
}

static void record_check(struct tree *tree, const struct pen_record *r)
{
    static uint32_t ends[NODES_MAX];
    struct pen_buf copy;
    if (!tree_build(tree, r->raw)) {
        return;
    }
    tree_shadows(tree);
    tree_prune(tree, PEN_SLICE_LIT("gone"));
    pen_buf_init(&copy, TEXT_MAX * 2);
    tree_copy(tree, &copy);
    PEN_CHECK(pen_slice_eq(pen_buf_slice(&copy), r->copy));
    pen_buf_fini(&copy);
    ends_find(tree, paths, PEN_COUNT(paths), ends);
    values_check(tree, ends, r);
    ends_find(tree, actions, PEN_COUNT(actions), ends);
    patches_check(tree, ends, r);
    tokens_check(tree, r->raw);
    for (uint32_t i = 1; i < tree->count; i++) {
        const pen_slice text = tree->nodes[i].text;
        if (tree->nodes[i].kind == PEN_STRING) {
            text_check(pen_slice_sub(text, 1, text.len - 1));
        }
    }
    PEN_CHECK(pen_json_compact(&copy, r->raw) == PEN_OK && copy.len <= r->raw.len);
    PEN_CHECK(ref_is_object(pen_buf_slice(&copy)));
    pen_buf_fini(&copy);
}

/* See the target of the splitter: one walker, that has learned nothing. */
static struct pen_walker *walker_fresh(void)
{
    static struct pen_walker *walker = NULL;
    if (walker == NULL) {
        struct pen_plan *plan = pen_plan_new();
        const struct pen_walker_options options = {
            .window_bytes_max = TEXT_MAX, .record_bytes_max = TEXT_MAX, .want_copy = true};
        struct pen_err err;
        PEN_CHECK(plan != NULL);
        plan_paths(plan);
        PEN_CHECK(pen_walker_new(plan, &options, &walker, &err) == PEN_OK);
    }
    shapes_clear(&walker->shapes);
    return walker;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tree tree;
    if (size == 0 || size - 1 > TEXT_MAX) {
        return 0;
    }
    const size_t len = size - 1;
    struct pen_walker *walker = walker_fresh();
    uint8_t *text = malloc(len + PEN_JSON_PADDING);
    PEN_CHECK(text != NULL);
    memcpy(text, data + 1, len);
    memset(text + len, data[0], PEN_JSON_PADDING);
    pen_slice json = {text, len};
    if (pen_slice_starts(json, PEN_SLICE_LIT("\xef\xbb\xbf"))) {
        json = pen_slice_sub(json, 3, len);
    }
    const bool is_good = ref_is_object(json);
    for (uint32_t pass = 0; pass < 2; pass++) { /* the second time the keys are known */
        struct pen_record record = {0};
        struct pen_err err = {0};
        const enum pen_next got = pen_walker_one(walker, (pen_slice){text, len}, &record, &err);
        PEN_CHECK((got == PEN_NEXT_RECORD) == is_good);
        if (is_good) {
            record_check(&tree, &record);
        }
    }
    free(text);
    return 0;
}
