/* tested by tests/unit/text/test_text.c */
/* Lines of text as they are: each column stays where it stands, until a member or a value is made
 * of it. */
#include "collect.h"

#define FLAT_COLUMNS_MAX 2048U
#define FLAT_BYTES_MAX ((size_t)256 << 10)
#define KEY_QUOTES 5U /* ,"":" */

uint64_t flat_memory(void)
{
    return FLAT_BYTES_MAX;
}

void flat_fini(struct flat *flat)
{
    if (flat->columns.stamp != 0) {
        pen_arena_fini(&flat->memory);
    }
}

/* Whether the column is none before it, and no member that stands aside. */
static bool is_own(const struct pen_walker *w, const uint32_t *columns, uint32_t at)
{
    for (uint32_t i = 0; i < at; i++) {
        if (columns[i] == columns[at]) {
            return false;
        }
    }
    return !w->shapes.items[columns[at]].is_diverted;
}

static bool key_set(struct flat *flat, const struct shape *shape, uint32_t at)
{
    const size_t len = shape->key_len + KEY_QUOTES;
    uint8_t *text = pen_arena_alloc(&flat->memory, len + PEN_COPY_SLACK, 1);
    if (text == NULL) {
        return false;
    }
    uint8_t *behind = text + 2 + shape->key_len;
    text[0] = ',';
    text[1] = '"';
    memcpy(text + 2, shape->key, shape->key_len);
    behind[0] = '"';
    behind[1] = ':';
    behind[2] = '"';
    flat->keys[at] = (pen_slice){text, len};
    flat->columns.key_bytes += len + 1;
    return true;
}

/* What fields want of the column.  False: a field has another one, too. */
static bool fields_set(struct flat *flat, const struct pen_plan *plan, const struct shape *shape,
                       uint32_t at)
{
    for (uint32_t i = 0; i < shape->field_count; i++) {
        const uint32_t field = shape->fields[i];
        if (!plan_is_by_column(plan, field)) {
            flat->wanted[flat->wanted_count++] =
                (struct wanted_column){.column = at, .field = field};
        } else if (flat->of_field[field] != 0) {
            return false;
        } else {
            flat->of_field[field] = at + 1;
        }
    }
    return true;
}

static bool tables_new(struct pen_walker *w, const uint32_t *columns, uint32_t count)
{
    struct flat *flat = &w->flat;
    uint32_t wanted = 0;
    for (uint32_t i = 0; i < count; i++) {
        wanted += w->shapes.items[columns[i]].field_count;
    }
    flat->of_field = PEN_NEW_N(&flat->memory, uint32_t, pen_plan_field_count(w->shapes.plan) + 1);
    flat->keys = PEN_NEW_N(&flat->memory, pen_slice, count + 1);
    flat->wanted = PEN_NEW_N(&flat->memory, struct wanted_column, wanted + 1);
    return flat->of_field != NULL && flat->keys != NULL && flat->wanted != NULL;
}

bool pen_walker_columns_set(struct pen_walker *w, const uint32_t *columns, uint32_t count)
{
    struct flat *flat = &w->flat;
    const uint64_t stamp = flat->columns.stamp + 1;
    flat_fini(flat);
    *flat = (struct flat){.columns = {.stamp = stamp, .count = count}};
    pen_arena_init(&flat->memory,
                   FLAT_BYTES_MAX + (size_t)pen_plan_field_count(w->shapes.plan) * 8);
    if (count > FLAT_COLUMNS_MAX || !tables_new(w, columns, count)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct shape *shape = &w->shapes.items[columns[i]];
        if (!is_own(w, columns, i) || !key_set(flat, shape, i) ||
            !fields_set(flat, w->shapes.plan, shape, i)) {
            return false;
        }
    }
    flat->columns.of_field = flat->of_field;
    flat->columns.keys = flat->keys;
    return true;
}

bool pen_walker_flat_columns(struct pen_walker *w, const struct pen_column *columns, size_t bytes,
                             struct pen_record *record)
{
    const struct flat *flat = &w->flat;
    if (PEN_UNLIKELY(bytes + flat->columns.key_bytes > w->copy_cap)) {
        return false;
    }
    pen_walker_flat_begin(w);
    for (uint32_t i = 0; i < flat->wanted_count; i++) {
        const struct pen_column *column = &columns[flat->wanted[i].column];
        if (column->text.ptr != NULL) {
            const struct pen_value value = {
                .text = column->text, .kind = PEN_STRING, .is_escaped = column->is_escaped};
            value_add(w, flat->wanted[i].field, &value);
        }
    }
    pen_walker_flat_end(w, record);
    record->layout = &flat->columns;
    record->columns = columns;
    record->column_bytes = bytes;
    return true;
}

pen_status pen_record_members(struct pen_buf *out, const struct pen_record *record)
{
    const struct pen_columns *layout = record->layout;
    if (layout == NULL) {
        return pen_buf_add(out, record->copy);
    }
    PEN_TRY(pen_buf_reserve(out, layout->key_bytes + record->column_bytes + PEN_COPY_SLACK));
    uint8_t *const from = out->ptr + out->len;
    uint8_t *to = from;
    for (uint32_t i = 0; i < layout->count; i++) {
        const pen_slice text = record->columns[i].text;
        if (text.ptr == NULL || is_pruned(text, PEN_STRING)) {
            continue;
        }
        const size_t comma = to == from; /* none before the first member */
        to = pen_copy_wide(to, layout->keys[i].ptr + comma, layout->keys[i].len - comma);
        to = pen_copy_wide(to, text.ptr, text.len);
        *to++ = '"';
    }
    out->len += (size_t)(to - from);
    return PEN_OK;
}
