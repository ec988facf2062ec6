/* tested by tests/unit/normalize/test_line.c */
/* The layout of ECS members, cut down to what lines of certain columns may have: members that none
 * of their columns feeds are gone, those that are always the same stand in one text, and those that
 * are what stands in one column are written from there. */
#include "line_ops.h"

/* Whether something other than a map or a fixed text may fill the slot of a line. */
static bool is_filled_otherwise(const struct pen_schema *schema, uint32_t slot)
{
    const uint32_t basics[] = {schema->slot_account, schema->slot_region, schema->slot_module,
                               schema->slot_ingested, schema->slot_instance};
    for (size_t i = 0; i < PEN_COUNT(basics); i++) {
        if (basics[i] == slot) {
            return true;
        }
    }
    for (uint32_t i = 0; schema->script != NULL && schema->script->slots[i] != NULL; i++) {
        if (schema->script_slots[i] == slot) {
            return true;
        }
    }
    return schema->slots[slot].is_enriched;
}

static bool is_mapped(const struct nrm_line *line, uint32_t slot)
{
    PEN_CHECK(line->of_slot[slot] == 0);
    for (uint32_t i = 0; i < line->copy_count; i++) {
        if (line->copies[i].slot == slot) {
            return true;
        }
    }
    for (uint32_t i = 0; i < line->map_count; i++) {
        if (line->maps[i].slot == slot) {
            return true;
        }
    }
    return false;
}

/* One text of two; ptr NULL: out of memory. */
static pen_slice joined(struct pen_arena *arena, pen_slice a, pen_slice b)
{
    uint8_t *text = pen_arena_alloc(arena, a.len + b.len + PEN_COPY_SLACK, 1);
    if (text == NULL) {
        return (pen_slice){0};
    }
    memcpy(text, a.ptr, a.len);
    if (b.len > 0) {
        memcpy(text + a.len, b.ptr, b.len);
    }
    return (pen_slice){text, a.len + b.len};
}

static bool op_join(struct nrm_line *line, enum nrm_op_kind kind, pen_slice text)
{
    PEN_CHECK(line->ops != NULL && line->op_count > 0);
    struct nrm_op *last = &line->ops[line->op_count - 1];
    last->kind = kind;
    last->fragment = joined(&line->fragments, last->fragment, text);
    return last->fragment.ptr != NULL;
}

/* Members that are always there become part of what stands before them. */
static bool constant_add(struct nrm_line *line, const struct nrm_op *op, pen_slice fixed)
{
    struct nrm_op made = {.kind = NRM_CONSTANT,
                          .fragment = joined(&line->fragments, op->fragment, fixed)};
    const struct nrm_op *last = line->op_count > 0 ? &line->ops[line->op_count - 1] : NULL;
    if (made.fragment.ptr == NULL) {
        return false;
    }
    if (last != NULL && (last->kind == NRM_CONSTANT || last->kind == NRM_OPENED)) {
        return op_join(line, last->kind, made.fragment);
    }
    if (last != NULL && last->kind == NRM_OPEN) { /* the first member: no comma */
        return op_join(line, NRM_OPENED, pen_slice_sub(made.fragment, 1, made.fragment.len));
    }
    PEN_CHECK(line->ops != NULL);
    line->ops[line->op_count++] = made;
    return true;
}

static bool close_add(struct nrm_line *line, const struct nrm_op *op)
{
    PEN_CHECK(line->ops != NULL && line->op_count > 0);
    struct nrm_op *last = &line->ops[line->op_count - 1];
    if (last->kind == NRM_OPEN) { /* it can have no members */
        line->op_count--;
        return true;
    }
    if (last->kind != NRM_OPENED) {
        line->ops[line->op_count++] = *op;
        return true;
    }
    const pen_slice text = joined(&line->fragments, last->fragment, PEN_SLICE_LIT("}"));
    line->op_count--;
    return text.ptr != NULL &&
           constant_add(line, &(struct nrm_op){.fragment = text}, (pen_slice){0});
}

static bool op_add(const struct pen_schema *schema, struct nrm_line *line, const struct nrm_op *op)
{
    if (op->kind == NRM_CLOSE) {
        return close_add(line, op);
    }
    if (op->kind == NRM_LEAF && line->of_slot[op->slot] > 0) {
        struct nrm_op *made = &line->ops[line->op_count++];
        *made = *op;
        made->kind = NRM_COLUMN;
        made->column = line->of_slot[op->slot] - 1;
        return true;
    }
    if (op->kind == NRM_LEAF && !is_mapped(line, op->slot) &&
        !is_filled_otherwise(schema, op->slot)) {
        const pen_slice fixed = schema->slots[op->slot].fixed;
        return fixed.len == 0 || constant_add(line, op, fixed);
    }
    line->ops[line->op_count++] = *op;
    return true;
}

void nrm_line_ops(const struct pen_schema *schema, struct nrm_line *line)
{
    line->op_count = 0;
    line->ops = NULL;
    /* A chain of proxies may fill what no column does; members under a prefix stand apart. */
    if (schema->forwarded_count > 0 || schema->prefix_from < schema->op_count) {
        return;
    }
    line->ops = PEN_NEW_N(&line->fragments, struct nrm_op, schema->op_count + 1);
    bool is_good = line->ops != NULL;
    for (uint32_t i = 0; is_good && i < schema->op_count; i++) {
        is_good = op_add(schema, line, &schema->ops[i]);
    }
    line->ops = is_good ? line->ops : NULL; /* no room: the layout as it is does as well */
}
