#include "penstock/normalize.h"

#include "internal.h"

#include <emmintrin.h>

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
    *op = (struct nrm_op){
        .kind = kind, .slot = slot, .is_number = kind == NRM_LEAF && schema->slots[slot].is_number};
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

/* ---- one record ---- */

struct writer {
    const struct pen_normalizer *n;
    const struct pen_column *columns; /* of a line, or NULL */
    struct pen_buf *out;
    uint8_t *to, *end; /* of out: what is written next, and its room */
    bool is_first;     /* nothing stands in the open object yet */
};

static PEN_COLD pen_status writer_grow(struct writer *w, size_t bytes)
{
    w->out->len = (size_t)(w->to - w->out->ptr);
    PEN_TRY(pen_buf_reserve(w->out, bytes));
    w->to = w->out->ptr + w->out->len;
    w->end = w->out->ptr + w->out->cap;
    return PEN_OK;
}

/* Room for a fragment and a value of so many bytes, with their quotes. */
static inline pen_status writer_room(struct writer *w, size_t fragment, size_t bytes)
{
    const size_t need = fragment + bytes + 4 + 2 * (size_t)PEN_COPY_SLACK;
    return PEN_LIKELY((size_t)(w->end - w->to) >= need) ? PEN_OK : writer_grow(w, need);
}

/* A fragment, without its comma where nothing stands before it; there is room. */
static inline void put_fragment(struct writer *w, pen_slice fragment)
{
    const size_t comma = w->is_first;
    w->to = pen_copy_wide(w->to, fragment.ptr + comma, fragment.len - comma);
    w->is_first = false;
}

static inline void put_text(struct writer *w, pen_slice text, bool is_wide)
{
    if (is_wide) {
        w->to = pen_copy_wide(w->to, text.ptr, text.len);
    } else {
        pen_copy_short(w->to, text.ptr, text.len);
        w->to += text.len;
    }
}

static inline void put_string(struct writer *w, pen_slice text, bool is_wide)
{
    *w->to++ = '"';
    put_text(w, text, is_wide);
    *w->to++ = '"';
}

static pen_status write_list(struct writer *w, const struct nrm_op *op,
                             const struct nrm_value *value)
{
    if (value->item_count == 0) {
        return PEN_OK;
    }
    PEN_TRY(writer_room(w, op->fragment.len, 0));
    put_fragment(w, op->fragment);
    for (uint32_t i = 0; i < value->item_count; i++) {
        const struct nrm_item *item = &w->n->items[value->item_first + i];
        PEN_TRY(writer_room(w, 0, item->text.len));
        *w->to++ = i == 0 ? '[' : ',';
        put_string(w, item->text, item->is_wide);
    }
    *w->to++ = ']'; /* there is always room for one more */
    return PEN_OK;
}

static inline pen_status write_token(struct writer *w, const struct nrm_op *op, pen_slice json)
{
    PEN_TRY(writer_room(w, op->fragment.len, json.len));
    put_fragment(w, op->fragment);
    put_text(w, json, false);
    return PEN_OK;
}

/* An object or array of the record, without its blanks: a line feed among them would end the
 * document's line in what is sent or written. */
static pen_status write_tree(struct writer *w, const struct nrm_op *op, pen_slice json)
{
    PEN_TRY(write_token(w, op, (pen_slice){0}));
    w->out->len = (size_t)(w->to - w->out->ptr);
    PEN_TRY(pen_json_compact(w->out, json));
    w->to = w->out->ptr + w->out->len;
    w->end = w->out->ptr + w->out->cap;
    return PEN_OK;
}

/* Most numbers are a few digits, and most of those stand in columns. */
static inline bool is_number(pen_slice text, bool is_wide)
{
    if (is_wide && text.len <= 16 && (text.ptr[0] != '0' || text.len == 1)) {
        const __m128i c = _mm_loadu_si128((const __m128i *)(const void *)text.ptr);
        const __m128i digit = _mm_sub_epi8(c, _mm_set1_epi8('0'));
        const __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
        const uint32_t others = ~(uint32_t)_mm_movemask_epi8(is_digit);
        if ((others & ((1U << text.len) - 1)) == 0) {
            return true;
        }
    }
    return pen_json_is_number(text);
}

static inline __attribute__((always_inline)) pen_status write_text(struct writer *w,
                                                                   const struct nrm_op *op,
                                                                   pen_slice text, bool is_wide)
{
    if (nrm_is_empty(text)) {
        return PEN_OK;
    }
    PEN_TRY(writer_room(w, op->fragment.len, text.len));
    put_fragment(w, op->fragment);
    if (op->is_number && is_number(text, is_wide)) {
        put_text(w, text, is_wide);
    } else {
        put_string(w, text, is_wide);
    }
    return PEN_OK;
}

static inline pen_status write_fixed(struct writer *w, const struct nrm_op *op)
{
    const pen_slice fixed = w->n->schema->slots[op->slot].fixed;
    return fixed.len == 0 ? PEN_OK : write_token(w, op, fixed);
}

static inline pen_status write_column(struct writer *w, const struct nrm_op *op)
{
    PEN_CHECK(w->columns != NULL);
    const pen_slice text = w->columns[op->column].text;
    return text.len == 0 ? write_fixed(w, op) : write_text(w, op, text, true);
}

static inline pen_status write_leaf(struct writer *w, const struct nrm_op *op)
{
    const struct nrm_value *value = &w->n->slots[op->slot];
    switch ((enum nrm_value_kind)value->kind) {
    case NRM_TEXT:
        return write_text(w, op, value->text, value->is_wide);
    case NRM_JSON:
        return write_tree(w, op, value->text);
    case NRM_LIST:
        return write_list(w, op, value);
    case NRM_NONE:
    default:
        return write_fixed(w, op);
    }
}

struct open_object {
    size_t before;
    bool is_first; /* as it was before */
};

static inline pen_status open_object(struct writer *w, const struct nrm_op *op,
                                     struct open_object *open)
{
    PEN_TRY(writer_room(w, op->fragment.len, 0));
    *open = (struct open_object){(size_t)(w->to - w->out->ptr), w->is_first};
    put_fragment(w, op->fragment);
    w->is_first = op->kind == NRM_OPEN;
    return PEN_OK;
}

/* An object without members is taken back. */
static inline pen_status close_object(struct writer *w, const struct open_object *open)
{
    if (w->is_first) {
        w->to = w->out->ptr + open->before;
        w->is_first = open->is_first;
        return PEN_OK;
    }
    PEN_TRY(writer_room(w, 0, 0));
    *w->to++ = '}';
    return PEN_OK;
}

/* columns: of a line whose ops name some, else NULL. */
static pen_status write_ops(const struct pen_normalizer *n, const struct pen_column *columns,
                            const struct nrm_op *ops, uint32_t count, struct pen_buf *out)
{
    struct writer w = {.n = n,
                       .columns = columns,
                       .out = out,
                       .to = out->ptr + out->len,
                       .end = out->ptr + out->cap,
                       .is_first = out->len == 0 || out->ptr[out->len - 1] == '{'};
    struct open_object open[NRM_STEPS_MAX];
    uint32_t depth = 0;
    pen_status status = PEN_OK;

    for (uint32_t i = 0; i < count && status == PEN_OK; i++) {
        const struct nrm_op *op = &ops[i];
        switch (op->kind) {
        case NRM_LEAF:
            status = write_leaf(&w, op);
            break;
        case NRM_COLUMN:
            status = write_column(&w, op);
            break;
        case NRM_CONSTANT:
            status = write_token(&w, op, (pen_slice){0});
            break;
        case NRM_OPEN:
        case NRM_OPENED:
            PEN_DCHECK(depth < NRM_STEPS_MAX);
            status = open_object(&w, op, &open[depth++]);
            break;
        case NRM_CLOSE:
            PEN_CHECK(depth > 0);
            status = close_object(&w, &open[--depth]);
            break;
        }
    }
    out->len = (size_t)(w.to - out->ptr);
    return status;
}

pen_status nrm_ecs_write(struct pen_normalizer *n, const struct pen_record *record,
                         struct pen_buf *out)
{
    const struct pen_schema *schema = n->schema;
    if (nrm_line_has_ops(n, record)) {
        return write_ops(n, record->columns, n->line.ops, n->line.op_count, out);
    }
    PEN_TRY(write_ops(n, NULL, schema->ops, schema->prefix_from, out));
    const uint32_t behind = schema->prefix_to + 1;
    return schema->prefix_to < schema->op_count
               ? write_ops(n, NULL, schema->ops + behind, schema->op_count - behind, out)
               : PEN_OK;
}

pen_status nrm_ecs_write_prefixed(struct pen_normalizer *n, struct pen_buf *out)
{
    const struct pen_schema *schema = n->schema;
    const uint32_t from = schema->prefix_from + 1;
    return schema->prefix_to < schema->op_count
               ? write_ops(n, NULL, schema->ops + from, schema->prefix_to - from, out)
               : PEN_OK;
}
