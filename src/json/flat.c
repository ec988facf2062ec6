/* tested by tests/unit/text/test_text.c */
#include "collect.h"

/* Of a member besides its name and value: quotes, colon, comma. */
#define MEMBER_BYTES 6U

uint32_t pen_walker_column(struct pen_walker *w, pen_slice name)
{
    return shapes_find(&w->shapes, 1, name, false);
}

void pen_walker_columns_new(struct pen_walker *w, uint32_t count)
{
    if (w->shapes.count + count > SHAPES_MAX) {
        shapes_clear(&w->shapes);
    }
}

void pen_walker_flat_begin(struct pen_walker *w)
{
    if (++w->stamp == 0) {
        memset(w->heads, 0, w->shapes.plan->field_count * sizeof(*w->heads));
        w->stamp = 1;
    }
    w->value_count = 0;
    w->copy_len = 0;
    w->run_len = 0;
    w->patch_count = 0;
    w->muted = 0;
    w->diverted.len = 0;
}

static pen_status divert(struct pen_buf *out, const struct shape *shape, pen_slice text)
{
    PEN_TRY(pen_buf_add(out, out->len == 0 ? PEN_SLICE_LIT("\"") : PEN_SLICE_LIT(",\"")));
    PEN_TRY(pen_buf_add(out, (pen_slice){shape->key, shape->key_len}));
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("\":\"")));
    PEN_TRY(pen_buf_add(out, text));
    return pen_buf_add_byte(out, '"');
}

bool pen_walker_flat_put(struct pen_walker *w, uint32_t column, pen_slice text, bool is_escaped)
{
    const struct shape *shape = &w->shapes.items[column];
    const struct pen_value value = {.text = text, .kind = PEN_STRING, .is_escaped = is_escaped};
    values_add(w, shape, &value);
    if (!w->options.want_copy || is_pruned(text, PEN_STRING)) {
        return true;
    }
    if (PEN_UNLIKELY(shape->is_diverted)) {
        return divert(&w->diverted, shape, text) == PEN_OK;
    }
    if (w->copy_cap - w->copy_len < text.len + shape->key_len + MEMBER_BYTES) {
        return false;
    }
    uint8_t *to = w->copy + w->copy_len;
    if (w->copy_len > 0) {
        *to++ = ',';
    }
    *to++ = '"';
    pen_copy_short(to, shape->key, shape->key_len);
    to += shape->key_len;
    *to++ = '"';
    *to++ = ':';
    *to++ = '"';
    pen_copy_short(to, text.ptr, text.len);
    to += text.len;
    *to++ = '"';
    w->copy_len = (uint32_t)(to - w->copy);
    return true;
}

void pen_walker_flat_end(struct pen_walker *w, struct pen_record *record)
{
    const pen_slice raw = record->raw;
    const uint64_t offset = record->offset;
    const uint64_t ordinal = record->ordinal;
    *record = (struct pen_record){.raw = raw,
                                  .offset = offset,
                                  .ordinal = ordinal,
                                  .values = w->values,
                                  .value_count = w->value_count,
                                  .field_count = pen_plan_field_count(w->shapes.plan),
                                  .heads = (const struct pen_value_head *)(const void *)w->heads,
                                  .stamp = w->stamp,
                                  .copy = {w->copy, w->copy_len},
                                  .patches = w->patches,
                                  .is_flat = true,
                                  .diverted = pen_buf_slice(&w->diverted)};
}

/* {"a":...,"b":...} */
static pen_status object_add(struct pen_buf *out, const struct pen_record *record)
{
    PEN_TRY(pen_buf_add_byte(out, '{'));
    const size_t before = out->len;
    PEN_TRY(pen_record_members(out, record));
    const bool is_both = out->len > before && record->diverted.len > 0;
    PEN_TRY(pen_buf_add(out, is_both ? PEN_SLICE_LIT(",") : (pen_slice){0}));
    PEN_TRY(pen_buf_add(out, record->diverted));
    return pen_buf_add_byte(out, '}');
}

pen_status pen_record_compact(struct pen_buf *out, const struct pen_record *record)
{
    if (!record->is_flat) {
        return pen_json_compact(out, record->raw);
    }
    if (record->problem == NULL) {
        return object_add(out, record);
    }
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("{\"message\":\"")));
    PEN_TRY(pen_json_escape(out, record->raw));
    return pen_buf_add(out, PEN_SLICE_LIT("\"}"));
}
