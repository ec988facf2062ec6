/* tested by tests/unit/json/test_walk.c */
#include "walker.h"

#include <stdlib.h>

#define TABLE_SIZE ((size_t)SHAPES_MAX * 4)
#define KEY_BYTES_MAX ((size_t)8 << 20)
#define NO_TEXT 0xffU /* a byte that no UTF-8 text has */

/* A name that is written without escapes has a pattern. */
static void shape_pattern(struct shape *shape)
{
    uint8_t written[SHAPE_KEY_MAX + 3];
    uint32_t len = 0;
    written[len++] = '"';
    for (uint32_t i = 0; i < shape->key_len; i++) {
        const uint8_t c = shape->key[i];
        if (c < ' ' || c == '"' || c == '\\') {
            len = 0; /* begins with what no text has */
            written[len++] = NO_TEXT;
            break;
        }
        written[len++] = c;
    }
    if (written[0] == '"') {
        written[len++] = '"';
        written[len++] = ':';
    }
    shape->is_long = len > SHAPE_PATTERN;
    len = shape->is_long ? SHAPE_PATTERN : len;
    memcpy(shape->pattern, written, len);
    shape->pattern_mask = UINT32_MAX >> (SHAPE_PATTERN - len);
}

static void shape_root(struct shapes *shapes)
{
    static const struct shape none = {.pattern = {NO_TEXT}, .pattern_mask = 1};
    shapes->items[0] = none;
    shapes->items[1] = none;
    shapes->items[1].plan_count = 1;
    shapes->count = 2;
}

bool shapes_init(struct shapes *shapes, const struct pen_plan *plan)
{
    *shapes = (struct shapes){.plan = plan, .mask = TABLE_SIZE - 1};
    pen_arena_init(&shapes->keys, KEY_BYTES_MAX);
    shapes->items = calloc(SHAPES_MAX, sizeof(*shapes->items));
    shapes->table = calloc(TABLE_SIZE, sizeof(*shapes->table));
    if (shapes->items == NULL || shapes->table == NULL) {
        return false;
    }
    shape_root(shapes);
    return true;
}

void shapes_fini(struct shapes *shapes)
{
    pen_arena_fini(&shapes->keys);
    free(shapes->items);
    free(shapes->table);
}

void shapes_clear(struct shapes *shapes)
{
    memset(shapes->table, 0, TABLE_SIZE * sizeof(*shapes->table));
    pen_arena_fini(&shapes->keys);
    pen_arena_init(&shapes->keys, KEY_BYTES_MAX);
    shape_root(shapes);
}

static bool has_plan(const struct shape *shape, uint32_t node)
{
    for (uint8_t i = 0; i < shape->plan_count; i++) {
        if (shape->plans[i] == node) {
            return true;
        }
    }
    return false;
}

/* The fields of all plans as one list. */
static bool shape_fields(struct shapes *shapes, struct shape *shape)
{
    uint32_t count = 0;
    for (uint8_t i = 0; i < shape->plan_count; i++) {
        count += shapes->plan->nodes[shape->plans[i]].field_count;
    }
    if (count == 0) {
        return true; /* a new shape has none */
    }
    uint32_t *fields = PEN_NEW_N(&shapes->keys, uint32_t, count);
    if (fields == NULL) {
        return false;
    }
    count = 0;
    for (uint8_t i = 0; i < shape->plan_count; i++) {
        const struct plan_node *node = &shapes->plan->nodes[shape->plans[i]];
        for (uint32_t f = 0; f < node->field_count; f++) {
            fields[count++] = node->fields[f];
        }
    }
    shape->fields = fields;
    shape->field_count = count;
    return true;
}

static void shape_plans(struct shapes *shapes, struct shape *shape, const struct shape *parent,
                        pen_slice key)
{
    const struct pen_plan *plan = shapes->plan;
    if (shape->is_index) { /* an element is also what the array itself is */
        memcpy(shape->plans, parent->plans, sizeof(shape->plans));
        shape->plan_count = parent->plan_count;
    }
    for (uint8_t i = 0; i < parent->plan_count && shape->plan_count < SHAPE_PLANS_MAX; i++) {
        const uint32_t child = plan_child(plan, parent->plans[i], key);
        if (child != 0 && !has_plan(shape, child)) {
            shape->plans[shape->plan_count++] = child;
        }
    }
    for (uint8_t i = 0; i < shape->plan_count; i++) {
        const struct plan_node *node = &plan->nodes[shape->plans[i]];
        shape->has_index |= node->has_index;
        if (node->action != 0) {
            shape->action = node->action;
        }
        shape->is_diverted |= node->divert != PEN_FIELD_NONE;
    }
}

uint32_t shapes_find(struct shapes *shapes, uint32_t parent, pen_slice key, bool is_index)
{
    const uint64_t seed = (uint64_t)parent << 1 | (uint64_t)is_index;
    uint32_t slot = (uint32_t)pen_hash64(key, seed) & shapes->mask;
    while (shapes->table[slot] != 0) {
        const struct shape *known = &shapes->items[shapes->table[slot]];
        if (known->parent == parent && known->is_index == is_index && known->key_len == key.len &&
            (key.len == 0 || memcmp(known->key, key.ptr, key.len) == 0)) {
            return shapes->table[slot];
        }
        slot = (slot + 1) & shapes->mask;
    }
    if (shapes->count == SHAPES_MAX || key.len > SHAPE_KEY_MAX) {
        return 0;
    }
    uint8_t *copy = pen_arena_alloc(&shapes->keys, key.len + 1, 1);
    if (copy == NULL) {
        return 0;
    }
    if (key.len > 0) {
        memcpy(copy, key.ptr, key.len);
    }
    const uint32_t at = shapes->count;
    struct shape *shape = &shapes->items[at];
    *shape = (struct shape){
        .key = copy, .key_len = (uint32_t)key.len, .parent = parent, .is_index = is_index};
    shape_pattern(shape);
    shape_plans(shapes, shape, &shapes->items[parent], key);
    if (!shape_fields(shapes, shape)) {
        return 0;
    }
    shapes->count++;
    shapes->table[slot] = at;
    return at;
}

uint64_t shapes_memory(void)
{
    const struct shapes *none = NULL;
    return SHAPES_MAX * sizeof(*none->items) + TABLE_SIZE * sizeof(*none->table) + KEY_BYTES_MAX;
}
