#include "penstock/normalize.h"

#include "internal.h"

struct layout {
    struct pen_schema *schema;
    pen_slice open[NRM_STEPS_MAX];
    uint32_t open_count;
};

static bool fragment_add(struct layout *layout, enum nrm_op_kind kind, pen_slice key, uint32_t slot)
{
    struct pen_schema *schema = layout->schema;
    if (schema->op_count == NRM_OPS_MAX) {
        return false;
    }
    struct nrm_op *op = &schema->ops[schema->op_count++];
    *op = (struct nrm_op){.kind = kind, .slot = slot};
    if (kind == NRM_CLOSE) {
        return true;
    }
    uint8_t *text = pen_arena_alloc(&schema->arena, key.len + 5 + PEN_COPY_SLACK, 1);
    if (text == NULL) {
        return false;
    }
    text[0] = ',';
    text[1] = '"';
    memcpy(text + 2, key.ptr, key.len);
    memcpy(text + 2 + key.len, kind == NRM_OPEN ? "\":{" : "\":", kind == NRM_OPEN ? 3 : 2);
    op->fragment = (pen_slice){text, key.len + (kind == NRM_OPEN ? 5 : 4)};
    return true;
}

/* Closes and opens objects until exactly those of the first count steps are open. */
static bool enter(struct layout *layout, const pen_slice *steps, uint32_t count)
{
    uint32_t same = 0;
    while (same < count && same < layout->open_count &&
           pen_slice_eq(steps[same], layout->open[same])) {
        same++;
    }
    while (layout->open_count > same) {
        layout->open_count--;
        if (!fragment_add(layout, NRM_CLOSE, (pen_slice){0}, 0)) {
            return false;
        }
    }
    while (layout->open_count < count) {
        layout->open[layout->open_count] = steps[layout->open_count];
        if (!fragment_add(layout, NRM_OPEN, steps[layout->open_count], 0)) {
            return false;
        }
        layout->open_count++;
    }
    return true;
}

static uint32_t steps_of(pen_slice path, pen_slice steps[NRM_STEPS_MAX])
{
    uint32_t count = 0;
    pen_slice rest = path;
    while (count < NRM_STEPS_MAX && pen_slice_split(&rest, '.', &steps[count])) {
        count++;
    }
    return count;
}

/* Whether another slot lies below this one. */
static bool is_object_too(const struct pen_schema *schema, pen_slice ecs)
{
    for (uint32_t k = 0; k < schema->slot_count; k++) {
        const pen_slice other = schema->slots[k].ecs;
        if (other.len > ecs.len && pen_slice_starts(other, ecs) && other.ptr[ecs.len] == '.') {
            return true;
        }
    }
    return false;
}

/* Fields of the object in which the record's own members stand are written there, not by
 * nrm_ecs_write. */
static void find_prefix(struct pen_schema *schema)
{
    const pen_slice prefix = schema->type->prefix;
    uint32_t depth = 0;
    schema->prefix_from = schema->op_count;
    schema->prefix_to = schema->op_count;
    for (uint32_t i = 0; prefix.len > 0 && i < schema->op_count; i++) {
        const struct nrm_op *op = &schema->ops[i];
        depth -= op->kind == NRM_CLOSE;
        if (depth == 0 && op->kind == NRM_OPEN && op->fragment.len == prefix.len + 5 &&
            pen_slice_eq(pen_slice_sub(op->fragment, 2, prefix.len + 2), prefix)) {
            schema->prefix_from = i;
        } else if (depth == 0 && op->kind == NRM_CLOSE && schema->prefix_from < i &&
                   schema->prefix_to == schema->op_count) {
            schema->prefix_to = i;
        }
        depth += op->kind == NRM_OPEN;
    }
}

/* Sorted by path, siblings stand together and every object is opened once.  A leaf that is also an
 * object ("a" and "a.b") would make two members of one name: refused. */
pen_status nrm_layout(struct pen_schema *schema, struct pen_err *err)
{
    struct layout layout = {.schema = schema};
    uint32_t order[NRM_SLOTS_MAX] = {0};
    pen_slice steps[NRM_STEPS_MAX];

    for (uint32_t i = 0; i < schema->slot_count; i++) {
        uint32_t at = i;
        while (at > 0 &&
               pen_slice_cmp(schema->slots[i].ecs, schema->slots[order[at - 1]].ecs) < 0) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
    for (uint32_t i = 0; i < schema->slot_count; i++) {
        const pen_slice ecs = schema->slots[order[i]].ecs;
        if (is_object_too(schema, ecs)) {
            return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                            "type %.*s: %.*s is a value and an object",
                            PEN_SLICE_FMT(schema->type->name), PEN_SLICE_FMT(ecs));
        }
        const uint32_t count = steps_of(ecs, steps);
        if (count == 0 || !enter(&layout, steps, count - 1) ||
            !fragment_add(&layout, NRM_LEAF, steps[count - 1], order[i])) {
            return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "type %.*s: too many ECS fields",
                            PEN_SLICE_FMT(schema->type->name));
        }
    }
    if (!enter(&layout, NULL, 0)) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "ECS layout");
    }
    find_prefix(schema);
    return PEN_OK;
}

bool nrm_is_empty(pen_slice text)
{
    if (PEN_LIKELY(text.len > 4)) {
        return false;
    }
    return text.len == 0 || (text.len == 1 && text.ptr[0] == '-') ||
           pen_slice_eq(text, PEN_SLICE_LIT("null")) || pen_slice_eq(text, PEN_SLICE_LIT("[]"));
}

/* ---- one record ---- */

struct writer {
    const struct pen_normalizer *n;
    struct pen_buf *out;
    bool is_first; /* nothing stands in the open object yet */
};

/* A fragment, without its comma where nothing stands before it; there is room. */
static inline void put_fragment(struct writer *w, pen_slice fragment)
{
    const size_t comma = w->is_first;
    (void)pen_copy_wide(w->out->ptr + w->out->len, fragment.ptr + comma, fragment.len - comma);
    w->out->len += fragment.len - comma;
    w->is_first = false;
}

static inline void put_text(struct pen_buf *out, pen_slice text, bool is_wide)
{
    uint8_t *to = out->ptr + out->len;
    if (is_wide) {
        (void)pen_copy_wide(to, text.ptr, text.len);
    } else {
        pen_copy_short(to, text.ptr, text.len);
    }
    out->len += text.len;
}

static inline void put_string(struct pen_buf *out, pen_slice text, bool is_wide)
{
    out->ptr[out->len++] = '"';
    put_text(out, text, is_wide);
    out->ptr[out->len++] = '"';
}

/* Room for a member whose value has so many bytes. */
static inline pen_status member_reserve(const struct writer *w, const struct nrm_op *op,
                                        size_t bytes)
{
    return pen_buf_reserve(w->out, op->fragment.len + bytes + 2 + PEN_COPY_SLACK);
}

static pen_status write_list(struct writer *w, const struct nrm_op *op,
                             const struct nrm_value *value)
{
    if (value->item_count == 0) {
        return PEN_OK;
    }
    PEN_TRY(member_reserve(w, op, 0));
    put_fragment(w, op->fragment);
    for (uint32_t i = 0; i < value->item_count; i++) {
        const struct nrm_item *item = &w->n->items[value->item_first + i];
        PEN_TRY(pen_buf_reserve(w->out, item->text.len + 4 + PEN_COPY_SLACK));
        w->out->ptr[w->out->len++] = i == 0 ? '[' : ',';
        put_string(w->out, item->text, item->is_wide);
    }
    return pen_buf_add_byte(w->out, ']');
}

static pen_status write_token(struct writer *w, const struct nrm_op *op, pen_slice json)
{
    PEN_TRY(member_reserve(w, op, json.len));
    put_fragment(w, op->fragment);
    put_text(w->out, json, false);
    return PEN_OK;
}

static pen_status write_text(struct writer *w, const struct nrm_op *op,
                             const struct nrm_value *value)
{
    if (nrm_is_empty(value->text)) {
        return PEN_OK;
    }
    PEN_TRY(member_reserve(w, op, value->text.len));
    put_fragment(w, op->fragment);
    if (w->n->schema->slots[op->slot].is_number && pen_json_is_number(value->text)) {
        put_text(w->out, value->text, value->is_wide);
    } else {
        put_string(w->out, value->text, value->is_wide);
    }
    return PEN_OK;
}

static inline pen_status write_leaf(struct writer *w, const struct nrm_op *op)
{
    const struct nrm_value *value = &w->n->slots[op->slot];
    const pen_slice fixed = w->n->schema->slots[op->slot].fixed;
    switch ((enum nrm_value_kind)value->kind) {
    case NRM_TEXT:
        return write_text(w, op, value);
    case NRM_JSON:
        return write_token(w, op, value->text);
    case NRM_LIST:
        return write_list(w, op, value);
    case NRM_NONE:
    default:
        return fixed.len == 0 ? PEN_OK : write_token(w, op, fixed);
    }
}

struct open_object {
    size_t before;
    bool is_first; /* as it was before */
};

static pen_status open_object(struct writer *w, const struct nrm_op *op, struct open_object *open)
{
    *open = (struct open_object){w->out->len, w->is_first};
    PEN_TRY(member_reserve(w, op, 0));
    put_fragment(w, op->fragment);
    w->is_first = true;
    return PEN_OK;
}

/* An object without members is taken back. */
static pen_status close_object(struct writer *w, const struct open_object *open)
{
    if (w->is_first) {
        w->out->len = open->before;
        w->is_first = open->is_first;
        return PEN_OK;
    }
    return pen_buf_add_byte(w->out, '}');
}

static pen_status write_ops(const struct pen_normalizer *n, uint32_t from, uint32_t to,
                            struct pen_buf *out)
{
    const struct pen_schema *schema = n->schema;
    struct writer w = {
        .n = n, .out = out, .is_first = out->len == 0 || out->ptr[out->len - 1] == '{'};
    struct open_object open[NRM_STEPS_MAX];
    uint32_t depth = 0;
    pen_status status = PEN_OK;

    for (uint32_t i = from; i < to && status == PEN_OK; i++) {
        const struct nrm_op *op = &schema->ops[i];
        if (op->kind == NRM_LEAF) {
            status = write_leaf(&w, op);
        } else if (op->kind == NRM_OPEN) {
            PEN_DCHECK(depth < NRM_STEPS_MAX);
            status = open_object(&w, op, &open[depth++]);
        } else {
            PEN_CHECK(depth > 0);
            status = close_object(&w, &open[--depth]);
        }
    }
    return status;
}

pen_status nrm_ecs_write(struct pen_normalizer *n, struct pen_buf *out)
{
    const struct pen_schema *schema = n->schema;
    PEN_TRY(write_ops(n, 0, schema->prefix_from, out));
    return schema->prefix_to < schema->op_count
               ? write_ops(n, schema->prefix_to + 1, schema->op_count, out)
               : PEN_OK;
}

pen_status nrm_ecs_write_prefixed(struct pen_normalizer *n, struct pen_buf *out)
{
    const struct pen_schema *schema = n->schema;
    return schema->prefix_to < schema->op_count
               ? write_ops(n, schema->prefix_from + 1, schema->prefix_to, out)
               : PEN_OK;
}
