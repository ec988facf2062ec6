#include "plan.h"

#include <stdio.h>
#include <stdlib.h>

#define PLAN_NODES_MAX 65536U
#define DOTS_MAX 8U

struct pen_plan *pen_plan_new(void)
{
    struct pen_plan *plan = calloc(1, sizeof(*plan));
    if (plan == NULL) {
        return NULL;
    }
    pen_arena_init(&plan->arena, (size_t)256 << 20);
    plan->node_cap = 256;
    plan->nodes = calloc(plan->node_cap, sizeof(*plan->nodes));
    if (plan->nodes == NULL) {
        pen_arena_fini(&plan->arena);
        free(plan);
        return NULL;
    }
    plan->node_count = 1; /* the root */
    plan->nodes[0].divert = PEN_FIELD_NONE;
    return plan;
}

void pen_plan_free(struct pen_plan *plan)
{
    if (plan != NULL) {
        for (uint32_t i = 0; i < plan->node_count; i++) {
            free(plan->nodes[i].fields);
        }
        free(plan->nodes);
        free(plan->by_column);
        pen_arena_fini(&plan->arena);
        free(plan);
    }
}

uint32_t pen_plan_field_count(const struct pen_plan *plan)
{
    return plan->field_count;
}

uint32_t pen_plan_field_new(struct pen_plan *plan)
{
    PEN_CHECK(!plan->is_sealed);
    return plan->field_count++;
}

uint32_t plan_child(const struct pen_plan *plan, uint32_t parent, pen_slice key)
{
    for (uint32_t kid = plan->nodes[parent].child; kid != 0; kid = plan->nodes[kid].next) {
        if (pen_slice_eq(plan->nodes[kid].key, key)) {
            return kid;
        }
    }
    return 0;
}

static bool is_index(pen_slice key)
{
    uint64_t value = 0;
    return key.len <= 6 && pen_parse_u64(key, &value);
}

static uint32_t node_add(struct pen_plan *plan, uint32_t parent, pen_slice key)
{
    if (plan->node_count == PLAN_NODES_MAX) {
        return 0;
    }
    if (plan->node_count == plan->node_cap) {
        struct plan_node *bigger =
            reallocarray(plan->nodes, (size_t)plan->node_cap * 2, sizeof(*plan->nodes));
        if (bigger == NULL) {
            return 0;
        }
        plan->nodes = bigger;
        plan->node_cap *= 2;
    }
    const pen_slice copy = pen_arena_dup(&plan->arena, key);
    if (copy.ptr == NULL) {
        return 0;
    }
    const uint32_t at = plan->node_count++;
    plan->nodes[at] = (struct plan_node){
        .key = copy, .next = plan->nodes[parent].child, .divert = PEN_FIELD_NONE};
    plan->nodes[parent].child = at;
    plan->nodes[parent].has_index |= is_index(key);
    return at;
}

/* The node of a path, made when it is not there; 0: a limit was hit. */
static uint32_t node_at(struct pen_plan *plan, const pen_slice *steps, uint32_t count)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t kid = plan_child(plan, at, steps[i]);
        if (kid == 0) {
            kid = node_add(plan, at, steps[i]);
        }
        if (kid == 0) {
            return 0;
        }
        at = kid;
    }
    return at;
}

pen_status pen_plan_path(struct pen_plan *plan, uint32_t field, const pen_slice *steps,
                         uint32_t step_count)
{
    PEN_CHECK(!plan->is_sealed && field < plan->field_count && step_count > 0);
    const uint32_t at = node_at(plan, steps, step_count);
    if (at == 0) {
        return PEN_E_LIMIT;
    }
    struct plan_node *node = &plan->nodes[at];
    for (uint32_t i = 0; i < node->field_count; i++) {
        if (node->fields[i] == field) {
            return PEN_OK;
        }
    }
    uint32_t *bigger = reallocarray(node->fields, node->field_count + 1, sizeof(uint32_t));
    if (bigger == NULL) {
        return PEN_E_NOMEM;
    }
    node->fields = bigger;
    node->fields[node->field_count++] = field;
    return PEN_OK;
}

/* Splits name at the dots whose bit is set in mask. */
static uint32_t split_by(pen_slice name, const size_t *dots, uint32_t dot_count, uint32_t mask,
                         pen_slice *steps)
{
    uint32_t count = 0;
    size_t from = 0;
    for (uint32_t i = 0; i < dot_count; i++) {
        if ((mask >> i & 1U) != 0) {
            steps[count++] = pen_slice_sub(name, from, dots[i]);
            from = dots[i] + 1;
        }
    }
    steps[count++] = pen_slice_sub(name, from, name.len);
    return count;
}

/* Too many dots for all readings: every dot splits, or none. */
static pen_status dotted_long(struct pen_plan *plan, uint32_t field, pen_slice name)
{
    pen_slice steps[PEN_JSON_DEPTH_MAX];
    uint32_t count = 0;
    pen_slice rest = name;
    pen_slice step;
    while (pen_slice_split(&rest, '.', &step)) {
        if (count == PEN_JSON_DEPTH_MAX) {
            return PEN_E_LIMIT;
        }
        steps[count++] = step;
    }
    PEN_TRY(pen_plan_path(plan, field, steps, count));
    return pen_plan_path(plan, field, &name, 1);
}

pen_status pen_plan_dotted(struct pen_plan *plan, uint32_t field, pen_slice name)
{
    size_t dots[DOTS_MAX];
    uint32_t dot_count = 0;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] != '.') {
            continue;
        }
        if (dot_count == DOTS_MAX) {
            return dotted_long(plan, field, name);
        }
        dots[dot_count++] = i;
    }
    for (uint32_t mask = 0; mask < 1U << dot_count; mask++) {
        pen_slice steps[DOTS_MAX + 1];
        const uint32_t count = split_by(name, dots, dot_count, mask, steps);
        PEN_TRY(pen_plan_path(plan, field, steps, count));
    }
    return PEN_OK;
}

pen_status pen_plan_action(struct pen_plan *plan, const pen_slice *steps, uint32_t step_count,
                           uint32_t action)
{
    PEN_CHECK(!plan->is_sealed && action > 0 && step_count > 0);
    const uint32_t at = node_at(plan, steps, step_count);
    if (at == 0) {
        return PEN_E_LIMIT;
    }
    plan->nodes[at].action = action;
    return PEN_OK;
}

pen_status pen_plan_divert(struct pen_plan *plan, pen_slice key, uint32_t field)
{
    PEN_TRY(pen_plan_path(plan, field, &key, 1));
    plan->nodes[plan_child(plan, 0, key)].divert = field;
    return PEN_OK;
}

pen_status pen_plan_by_column(struct pen_plan *plan, uint32_t field)
{
    PEN_CHECK(!plan->is_sealed && field < plan->field_count);
    if (field >= plan->by_column_cap) {
        const uint32_t cap = field < 64 ? 128 : field * 2;
        uint8_t *bigger = realloc(plan->by_column, cap);
        if (bigger == NULL) {
            return PEN_E_NOMEM;
        }
        memset(bigger + plan->by_column_cap, 0, cap - plan->by_column_cap);
        plan->by_column = bigger;
        plan->by_column_cap = cap;
    }
    plan->by_column[field] = 1;
    return PEN_OK;
}

void pen_plan_seal(struct pen_plan *plan)
{
    plan->is_sealed = true;
}
