/* tested by tests/e2e/test_stateful.py */
#include "observe.h"

#include <inttypes.h>
#include <stdlib.h>

#define BYTES_MAX ((size_t)64 << 20)    /* of the texts of one name, and of values */
#define SUM_MAX ((pen_quantity)1 << 93) /* of numbers of one event */
/* Of an observation: some room for a number and what stands between queries. */
#define VALUES_BYTES_MAX (PEN_OBSERVATION_KEY_MAX - PEN_OBSERVATION_BYTES_MAX - 64U)

/* ---- texts of a name ---- */

void observer_init(struct observer *ob, const struct pen_program *program, uint32_t elements_max)
{
    *ob = (struct observer){.program = program, .elements_max = elements_max};
    for (uint32_t i = 0; i < OBSERVER_NAMES_MAX; i++) {
        pen_buf_init(&ob->names[i].bytes, BYTES_MAX);
    }
    pen_buf_init(&ob->plain, BYTES_MAX);
    pen_buf_init(&ob->group, BYTES_MAX);
    pen_buf_init(&ob->values, BYTES_MAX);
    pen_buf_init(&ob->attributes, BYTES_MAX);
    pen_buf_init(&ob->event, BYTES_MAX);
    pen_buf_init(&ob->keys, BYTES_MAX);
}

void observer_fini(struct observer *ob)
{
    for (uint32_t i = 0; i < OBSERVER_NAMES_MAX; i++) {
        pen_buf_fini(&ob->names[i].bytes);
        free(ob->names[i].ends);
    }
    pen_buf_fini(&ob->plain);
    pen_buf_fini(&ob->group);
    pen_buf_fini(&ob->values);
    pen_buf_fini(&ob->attributes);
    pen_buf_fini(&ob->event);
    pen_buf_fini(&ob->keys);
}

static pen_slice element(const struct observer_texts *t, uint32_t i)
{
    const size_t from = i == 0 ? 0 : t->ends[i - 1];
    return pen_slice_sub(pen_buf_slice(&t->bytes), from, t->ends[i]);
}

/* The inside of a JSON string, bounded, equal for equal texts. */
static pen_status value_text(struct observer *ob, const struct pen_value *value,
                             struct pen_buf *out)
{
    if (!value->is_escaped) {
        return pen_observed_text(out, value->text);
    }
    ob->plain.len = 0;
    PEN_TRY(pen_buf_reserve(&ob->plain, value->text.len));
    ob->plain.len = pen_json_unescape(value->text, ob->plain.ptr);
    return pen_observed_text(out, pen_buf_slice(&ob->plain));
}

static bool is_scalar(const struct pen_value *value)
{
    return value->kind == PEN_STRING || value->kind == PEN_NUMBER || value->kind == PEN_BOOL;
}

static pen_status texts_grow(struct observer_texts *t)
{
    if (t->count < t->cap) {
        return PEN_OK;
    }
    const uint32_t cap = t->cap == 0 ? 4 : t->cap * 2;
    size_t *ends = reallocarray(t->ends, cap, sizeof(*ends));
    if (ends == NULL) {
        return PEN_E_NOMEM;
    }
    t->ends = ends;
    t->cap = cap;
    return PEN_OK;
}

/* Takes the text behind the last element in, unless there is one like it. */
static void text_take(struct observer_texts *t)
{
    const size_t from = t->count == 0 ? 0 : t->ends[t->count - 1];
    const pen_slice text = pen_slice_sub(pen_buf_slice(&t->bytes), from, t->bytes.len);
    for (uint32_t i = 0; i < t->count && !t->has_equals; i++) {
        if (pen_slice_eq(element(t, i), text)) {
            t->bytes.len = from;
            return;
        }
    }
    t->ends[t->count++] = t->bytes.len;
}

void observer_text_reset(struct observer_texts *t)
{
    t->bytes.len = 0;
    t->count = 0;
}

pen_status observer_text_add(struct observer *ob, struct observer_texts *t, pen_slice inside)
{
    if (t->count == ob->elements_max) {
        ob->is_cut = true;
        return PEN_OK;
    }
    PEN_TRY(texts_grow(t));
    PEN_TRY(pen_buf_add(&t->bytes, inside));
    text_take(t);
    return PEN_OK;
}

/* The scalars of a field: several when lists are on its path. */
static pen_status field_texts(struct observer *ob, const struct pen_record *record, uint32_t field,
                              struct observer_texts *t)
{
    const struct pen_value *value = pen_record_first(record, field);
    for (; value != NULL; value = pen_value_next(record, value)) {
        if (!is_scalar(value)) {
            continue;
        }
        if (t->count == ob->elements_max) {
            ob->is_cut = true;
            return PEN_OK;
        }
        PEN_TRY(texts_grow(t));
        PEN_TRY(value_text(ob, value, &t->bytes));
        text_take(t);
    }
    return PEN_OK;
}

static pen_status name_texts(struct observer *ob, const struct pen_record *record,
                             const struct pen_program_name *name, struct observer_texts *t)
{
    observer_text_reset(t);
    for (uint32_t i = 0; i < name->count && t->count == 0; i++) {
        PEN_TRY(field_texts(ob, record, name->fields[i], t));
    }
    return PEN_OK;
}

static pen_status text_put(struct observer_texts *t, pen_slice text)
{
    t->bytes.len = 0;
    t->count = 0;
    PEN_TRY(texts_grow(t));
    PEN_TRY(pen_buf_add(&t->bytes, text));
    t->ends[t->count++] = t->bytes.len;
    return PEN_OK;
}

/* The next choice of one element of each name; false when all were made. */
static bool next_choice(const struct observer *ob, uint32_t count, uint32_t *choice)
{
    for (uint32_t i = count; i > 0; i--) {
        if (++choice[i - 1] < ob->names[i - 1].count) {
            return true;
        }
        choice[i - 1] = 0;
    }
    return false;
}

/* ---- values ---- */

static pen_status tuple_add(struct observer *ob, uint32_t count, const uint32_t *choice)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct observer_texts *t = &ob->names[i];
        PEN_TRY(i == 0 ? PEN_OK : pen_buf_add_byte(&ob->values, '\t'));
        PEN_TRY(pen_buf_add_byte(&ob->values, '"'));
        PEN_TRY(pen_buf_add(&ob->values, element(t, choice[i])));
        PEN_TRY(pen_buf_add_byte(&ob->values, '"'));
    }
    return PEN_OK;
}

pen_status observer_tuples(struct observer *ob, uint32_t count)
{
    uint32_t choice[OBSERVER_NAMES_MAX] = {0};
    uint32_t made = 0;
    bool has_more = count > 0;
    while (has_more) {
        const size_t before = ob->values.len;
        PEN_TRY(made == 0 ? PEN_OK : pen_buf_add_byte(&ob->values, '\n'));
        PEN_TRY(tuple_add(ob, count, choice));
        if (made++ == ob->elements_max || ob->values.len > VALUES_BYTES_MAX) {
            ob->values.len = before;
            ob->is_cut = true;
            return PEN_OK;
        }
        has_more = next_choice(ob, count, choice);
    }
    return PEN_OK;
}

/* A quantity as a JSON number; what is beyond the bounds of a sum is the largest there is. */
static pen_status quantity_add(struct observer *ob, pen_quantity q)
{
    const bool is_negative = q < 0;
    const pen_quantity size = is_negative ? -q : q;
    if (size >= SUM_MAX) {
        return pen_buf_add(&ob->values,
                           is_negative ? PEN_SLICE_LIT("-1e99") : PEN_SLICE_LIT("1e99"));
    }
    return pen_buf_printf(&ob->values, "%s%" PRIu64 ".%09" PRIu64, is_negative ? "-" : "",
                          (uint64_t)(size / PEN_QUANTITY_ONE), (uint64_t)(size % PEN_QUANTITY_ONE));
}

pen_status observer_number(struct observer *ob, enum pen_aggregation kind)
{
    const struct observer_texts *t = &ob->names[0];
    pen_quantity sum = 0;
    pen_quantity largest = 0;
    uint32_t count = 0;
    uint32_t at = 0; /* the largest, or the only one */
    for (uint32_t i = 0; i < t->count; i++) {
        pen_quantity q = 0;
        if (pen_quantity_parse(element(t, i), &q)) {
            at = count == 0 || q > largest ? i : at;
            largest = count++ == 0 || q > largest ? q : largest;
            q = q > SUM_MAX ? SUM_MAX : q < -SUM_MAX ? -SUM_MAX : q;
            sum += q;
        }
    }
    if (count <= 1 || kind == PEN_MAX) {
        return count == 0 ? PEN_OK : pen_buf_add(&ob->values, element(t, at));
    }
    return quantity_add(ob, sum);
}

/* Country code, city, country, latitude and longitude, by these names, with tabs between them: the
 * first text of each, nothing for a part of the names that has none.  None without the last two. */
static pen_status place(struct observer *ob, const struct pen_program_query *query,
                        const struct pen_record *record)
{
    const uint32_t count = query->query->value_count;
    for (uint32_t i = 0; i < count; i++) {
        PEN_TRY(name_texts(ob, record, &query->values[i], &ob->names[i]));
        if (ob->names[i].count == 0 && i + 2 >= count) {
            return PEN_OK;
        }
    }
    pen_status st = PEN_OK;
    for (uint32_t i = 0; i < count && st == PEN_OK; i++) {
        st = i == 0 ? PEN_OK : pen_buf_add_byte(&ob->values, '\t');
        st = st == PEN_OK && ob->names[i].count > 0
                 ? pen_buf_add(&ob->values, element(&ob->names[i], 0))
                 : st;
    }
    return st;
}

/* None when a name has none. */
static pen_status values_make(struct observer *ob, const struct pen_program_query *query,
                              const struct pen_record *record)
{
    const enum pen_aggregation kind = query->query->aggregation;
    const uint32_t count = query->query->value_count;
    if (kind == PEN_PLACE) {
        return place(ob, query, record);
    }
    if (count > 0 && (kind == PEN_SUM || kind == PEN_MAX)) {
        ob->names[0].has_equals = true;
        const pen_status st = name_texts(ob, record, &query->values[0], &ob->names[0]);
        ob->names[0].has_equals = false;
        return st == PEN_OK ? observer_number(ob, kind) : st;
    }
    for (uint32_t i = 0; i < count; i++) {
        PEN_TRY(name_texts(ob, record, &query->values[i], &ob->names[i]));
        if (ob->names[i].count == 0) {
            return PEN_OK;
        }
    }
    return observer_tuples(ob, count);
}

/* Those of the query, and of others that share its observation. */
static pen_status all_values(struct observer *ob, const struct pen_program_query *query,
                             const struct pen_record *record, uint32_t *others)
{
    ob->values.len = 0;
    *others = 0;
    PEN_TRY(values_make(ob, query, record));
    pen_status st = PEN_OK;
    for (const struct pen_program_query *next = query->next; st == PEN_OK && next != NULL;
         next = next->next) {
        *others |= 1U << next->query->counted_as;
        st = pen_buf_add_byte(&ob->values, PEN_OBSERVATION_NEXT);
        const bool is_full = ob->values.len > VALUES_BYTES_MAX;
        ob->is_cut |= is_full;
        st = st == PEN_OK && !is_full ? values_make(ob, next, record) : st;
    }
    return st;
}

/* ---- attributes of templates ---- */

pen_status observe_key(struct pen_buf *out, pen_slice name)
{
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT(",\"")));
    PEN_TRY(pen_json_escape(out, name));
    return pen_buf_add(out, PEN_SLICE_LIT("\":"));
}

/* A comma where one belongs, and a text that is the inside of a JSON string. */
static pen_status put_string(struct pen_buf *out, bool is_first, pen_slice inside)
{
    PEN_TRY(pen_buf_reserve(out, inside.len + 3));
    uint8_t *to = out->ptr + out->len;
    *to = ',';
    to += !is_first;
    *to++ = '"';
    pen_copy_short(to, inside.ptr, inside.len);
    to[inside.len] = '"';
    out->len = (size_t)(to + inside.len + 1 - out->ptr);
    return PEN_OK;
}

/* Likewise a name, without its comma where none belongs. */
static pen_status put_key(struct pen_buf *out, bool is_first, pen_slice key)
{
    return pen_buf_put(out, pen_slice_sub(key, is_first, key.len));
}

static pen_status put_list(struct pen_buf *out, const struct observer_texts *t)
{
    pen_status st = pen_buf_add_byte(out, '[');
    for (uint32_t i = 0; i < t->count && st == PEN_OK; i++) {
        st = put_string(out, i == 0, element(t, i));
    }
    return st == PEN_OK ? pen_buf_add_byte(out, ']') : st;
}

pen_status observer_attribute(struct observer *ob, pen_slice key, const struct observer_texts *t)
{
    struct pen_buf *out = &ob->attributes;
    const size_t before = out->len;
    PEN_TRY(put_key(out, before == 1, key));
    PEN_TRY(put_list(out, t));
    if (out->len >= PEN_OBSERVATION_BYTES_MAX) {
        out->len = before; /* it does not fit: the text is shown without it */
    }
    return PEN_OK;
}

static pen_status attributes(struct observer *ob, const struct pen_program_query *query,
                             const struct pen_record *record)
{
    const uint32_t count = query->attribute_count;
    ob->attributes.len = 0;
    if (count == 0) {
        return PEN_OK;
    }
    pen_status st = pen_buf_add_byte(&ob->attributes, '{');
    for (uint32_t i = 0; i < count && st == PEN_OK; i++) {
        st = name_texts(ob, record, &query->attributes[i], &ob->names[0]);
        if (st == PEN_OK && ob->names[0].count > 0) {
            st = observer_attribute(ob, query->attribute_keys[i], &ob->names[0]);
        }
    }
    return st == PEN_OK ? pen_buf_add_byte(&ob->attributes, '}') : st;
}

pen_status observe_attributes(struct observer *ob, const struct pen_program_query *query,
                              const struct pen_record *record, struct pen_observation *o)
{
    PEN_TRY(attributes(ob, query, record));
    o->attributes = pen_buf_slice(&ob->attributes);
    return PEN_OK;
}

/* ---- groups ---- */

/* An object of the members at some places, of those up to count when places is NULL. */
static pen_status group_object(struct observer *ob, const struct pen_program_query *query,
                               const uint32_t *choice, const uint32_t *places, uint32_t count)
{
    pen_status st = pen_buf_add_byte(&ob->group, '{');
    for (uint32_t n = 0; n < count && st == PEN_OK; n++) {
        const uint32_t i = places == NULL ? n : places[n];
        st = put_key(&ob->group, n == 0, query->group_keys[i]);
        st = st == PEN_OK ? put_string(&ob->group, true, element(&ob->names[i], choice[i])) : st;
    }
    return st == PEN_OK ? pen_buf_add_byte(&ob->group, '}') : st;
}

static pen_status group_make(struct observer *ob, const struct pen_program_query *query,
                             const uint32_t *choice)
{
    const struct pen_rule_query *asked = query->query;
    ob->group.len = 0;
    if (asked->joined_count > 0) {
        PEN_TRY(pen_buf_add_byte(&ob->group, PEN_GROUP_MARK));
        PEN_TRY(group_object(ob, query, choice, asked->joined, asked->joined_count));
        PEN_TRY(pen_buf_add_byte(&ob->group, PEN_GROUP_MARK));
    }
    return group_object(ob, query, choice, NULL, asked->group_by_count);
}

/* The texts of what the query groups by; *is_none: a name has none, and the event joins no group.
 */
static pen_status group_texts(struct observer *ob, const struct pen_program_query *query,
                              const struct pen_record *record, bool *is_none)
{
    *is_none = false;
    for (uint32_t i = 0; i < query->query->group_by_count && !*is_none; i++) {
        PEN_TRY(name_texts(ob, record, &query->group_by[i], &ob->names[i]));
        if (ob->names[i].count > 0) {
            continue;
        }
        *is_none = !query->query->has_optional_group_by;
        PEN_TRY(text_put(&ob->names[i], PEN_SLICE_LIT("N/A")));
    }
    return PEN_OK;
}

/* A group that no observation holds is left out, and counted. */
pen_status observer_groups(struct observer *ob, const struct pen_program_query *query,
                           struct pen_observation *o, observe_fn *fn, void *ctx)
{
    uint32_t choice[OBSERVER_NAMES_MAX] = {0};
    uint32_t made = 0;
    bool has_more = true;
    while (has_more) {
        if (made++ == ob->elements_max) {
            ob->is_cut = true;
            return PEN_OK;
        }
        PEN_TRY(group_make(ob, query, choice));
        o->group = pen_buf_slice(&ob->group);
        const bool fits = o->group.len <= PEN_OBSERVATION_KEY_MAX;
        ob->is_cut |= !fits;
        PEN_TRY(fits ? fn(ctx, o) : PEN_OK);
        has_more = next_choice(ob, query->query->group_by_count, choice);
    }
    return PEN_OK;
}

pen_status observe_query(struct observer *ob, const struct pen_program_query *query,
                         const struct pen_record *record, struct pen_observation *o, observe_fn *fn,
                         void *ctx)
{
    bool is_none = false;
    uint32_t others = 0;
    ob->is_cut = false;
    if (query->is_shared) {
        return PEN_OK;
    }
    PEN_TRY(all_values(ob, query, record, &others));
    if (query->query->aggregation == PEN_PLACE && ob->values.len == 0) {
        return PEN_OK; /* nobody knows where it was */
    }
    PEN_TRY(attributes(ob, query, record));
    PEN_TRY(group_texts(ob, query, record, &is_none));
    if (is_none) {
        return PEN_OK;
    }
    o->query = query->query->counted_as;
    o->others = others;
    o->values = pen_buf_slice(&ob->values);
    o->attributes = pen_buf_slice(&ob->attributes);
    return observer_groups(ob, query, o, fn, ctx);
}
