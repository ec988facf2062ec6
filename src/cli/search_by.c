/* tested by tests/e2e/test_hunt.py */
#include "search_by.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_BYTES_MAX ((size_t)64 << 20)
#define VALUE_SEED 7U

/* ---- names ---- */

bool search_by_take(struct search_by *by, const char *text)
{
    pen_slice rest = pen_slice_str(text);
    pen_slice name;
    if (by->count > 0) {
        return false;
    }
    while (pen_slice_split(&rest, ',', &name)) {
        name = pen_slice_trim(name);
        if (name.len == 0 || by->count == SEARCH_BY_MAX) {
            return false;
        }
        by->names[by->count++] = name;
    }
    return by->count > 0;
}

static bool is_own(pen_slice name)
{
    return pen_slice_starts(name, PEN_SLICE_LIT(SEARCH_OWN_PREFIX));
}

bool search_own_value(const struct pen_pass_record *record, pen_slice name, char text[PEN_TIME_MAX],
                      pen_slice *out)
{
    const struct pen_doc *doc = &record->item->doc;
    const struct {
        pen_slice name, value;
    } rows[] = {{PEN_SLICE_LIT("object"), pen_slice_str(record->object->key)},
                {PEN_SLICE_LIT("type"), record->type->name},
                {PEN_SLICE_LIT("account"), doc->account},
                {PEN_SLICE_LIT("region"), doc->region}};
    const pen_slice own = pen_slice_sub(name, strlen(SEARCH_OWN_PREFIX), name.len);
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        if (pen_slice_eq(own, rows[i].name)) {
            *out = rows[i].value;
            return true;
        }
    }
    size_t len = 0;
    if (pen_slice_eq(own, PEN_SLICE_LIT("record"))) {
        const int n = snprintf(text, PEN_TIME_MAX, "%" PRIu64, record->item->record.ordinal);
        len = n > 0 ? (size_t)n : 0;
    } else if (!pen_slice_eq(own, PEN_SLICE_LIT("event_time"))) {
        return false;
    } else if (doc->time_ns != INT64_MIN) {
        len = pen_format_time(doc->time_ns, text);
    }
    *out = (pen_slice){(const uint8_t *)text, len};
    return true;
}

static bool own_is_known(pen_slice name)
{
    static const char *const own[] = {"object", "record",  "event_time",
                                      "type",   "account", "region"};
    name = pen_slice_sub(name, strlen(SEARCH_OWN_PREFIX), name.len);
    for (size_t i = 0; i < PEN_COUNT(own); i++) {
        if (pen_slice_eq(name, pen_slice_str(own[i]))) {
            return true;
        }
    }
    return false;
}

static pen_status field_find(const struct pen_program_type *type, pen_slice name, uint32_t *field,
                             struct pen_err *err)
{
    if (!is_own(name)) {
        return pen_schema_field(type->schema, name, field, err);
    }
    return own_is_known(name)
               ? PEN_OK
               : PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                          "no field %.*s: " SEARCH_OWN_PREFIX
                          "object, record, event_time, type, account and region there are",
                          PEN_SLICE_FMT(name));
}

pen_status search_by_fields(struct search_by *by, const struct pen_program_type *type,
                            struct pen_err *err)
{
    const uint32_t count = by->count + (by->has_distinct ? 1 : 0);
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < count; i++) {
        st = field_find(type, by->names[i], &by->field_ids[type->type->id][i], err);
    }
    return st;
}

/* ---- the values of one name ---- */

struct values { /* JSON tokens behind one another, each once */
    struct pen_buf bytes;
    size_t *ends;
    uint32_t count;
};
struct writer {
    const struct search_by *by;
    const struct pen_pass_record *record;
    struct values values[SEARCH_BY_SLOTS];
    struct pen_buf plain;
    bool is_cut;
};

static pen_slice value_at(const struct values *v, uint32_t i)
{
    return pen_slice_sub(pen_buf_slice(&v->bytes), i == 0 ? 0 : v->ends[i - 1], v->ends[i]);
}

/* Takes the bytes behind the last value in, unless there is one like it. */
static void value_end(struct values *v)
{
    const size_t from = v->count == 0 ? 0 : v->ends[v->count - 1];
    const pen_slice value = pen_slice_sub(pen_buf_slice(&v->bytes), from, v->bytes.len);
    for (uint32_t i = 0; i < v->count; i++) {
        if (pen_slice_eq(value_at(v, i), value)) {
            v->bytes.len = from;
            return;
        }
    }
    v->ends[v->count++] = v->bytes.len;
}

static pen_status string_add(struct values *v, pen_slice text)
{
    PEN_TRY(pen_buf_add_byte(&v->bytes, '"'));
    PEN_TRY(pen_observed_text(&v->bytes, text));
    PEN_TRY(pen_buf_add_byte(&v->bytes, '"'));
    value_end(v);
    return PEN_OK;
}

static pen_status value_add(struct writer *w, struct values *v, const struct pen_value *value)
{
    if (value->kind != PEN_STRING) { /* a number, true or false, as the record has it */
        PEN_TRY(pen_buf_add(&v->bytes, value->text));
        value_end(v);
        return PEN_OK;
    }
    if (!value->is_escaped) {
        return string_add(v, value->text);
    }
    w->plain.len = 0;
    PEN_TRY(pen_buf_reserve(&w->plain, value->text.len));
    w->plain.len = pen_json_unescape(value->text, w->plain.ptr);
    return string_add(v, pen_buf_slice(&w->plain));
}

static bool is_scalar(const struct pen_value *value)
{
    return value->kind == PEN_STRING || value->kind == PEN_NUMBER || value->kind == PEN_BOOL;
}

static pen_status field_read(struct writer *w, uint32_t slot)
{
    struct values *v = &w->values[slot];
    const struct pen_record *record = &w->record->item->record;
    const uint32_t field = w->by->field_ids[w->record->type->id][slot];
    const struct pen_value *value = pen_record_first(record, field);
    for (; value != NULL; value = pen_value_next(record, value)) {
        if (!is_scalar(value)) {
            continue;
        }
        if (v->count == w->by->elements_max) {
            w->is_cut = true;
            return PEN_OK;
        }
        PEN_TRY(value_add(w, v, value));
    }
    return PEN_OK;
}

static pen_status own_read(struct writer *w, uint32_t slot)
{
    char text[PEN_TIME_MAX];
    pen_slice value = {0};
    const bool is_known = search_own_value(w->record, w->by->names[slot], text, &value);
    PEN_CHECK(is_known); /* search_by_fields looked */
    return value.len == 0 ? PEN_OK : string_add(&w->values[slot], value);
}

static pen_status slot_read(struct writer *w, uint32_t slot)
{
    struct values *v = &w->values[slot];
    pen_buf_init(&v->bytes, TEXT_BYTES_MAX);
    v->ends = calloc((size_t)w->by->elements_max + 1, sizeof(*v->ends));
    if (v->ends == NULL) {
        return PEN_E_NOMEM;
    }
    return is_own(w->by->names[slot]) ? own_read(w, slot) : field_read(w, slot);
}

/* ---- groups ---- */

static pen_status member_write(const struct writer *w, uint32_t slot, uint32_t choice,
                               struct pen_buf *out)
{
    const struct values *v = &w->values[slot];
    PEN_TRY(pen_buf_add(out, slot == 0 ? PEN_SLICE_LIT("\"") : PEN_SLICE_LIT(",\"")));
    PEN_TRY(pen_json_escape(out, w->by->names[slot]));
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("\":")));
    return pen_buf_add(out, v->count == 0 ? PEN_SLICE_LIT("null") : value_at(v, choice));
}

static pen_status key_write(const struct writer *w, const uint32_t *choice, struct pen_buf *out)
{
    pen_status st = pen_buf_add_byte(out, '{');
    for (uint32_t i = 0; st == PEN_OK && i < w->by->count; i++) {
        st = member_write(w, i, choice[i], out);
    }
    return st == PEN_OK ? pen_buf_add_byte(out, '}') : st;
}

static pen_status group_write(const struct writer *w, const uint32_t *choice, struct pen_buf *out)
{
    struct search_by_head head = {.is_cut = w->is_cut};
    const struct values *distinct = &w->values[w->by->count];
    const size_t at = out->len;
    PEN_TRY(pen_buf_add(out, (pen_slice){(const uint8_t *)&head, sizeof(head)}));
    PEN_TRY(key_write(w, choice, out));
    head.key_bytes = pen_u32(out->len - at - sizeof(head));
    head.value_count = w->by->has_distinct ? distinct->count : 0;
    for (uint32_t i = 0; i < head.value_count; i++) {
        const struct pen_hash128 hash = pen_hash128(value_at(distinct, i), VALUE_SEED);
        PEN_TRY(pen_buf_add(out, (pen_slice){(const uint8_t *)&hash, sizeof(hash)}));
    }
    memcpy(out->ptr + at, &head, sizeof(head));
    return PEN_OK;
}

/* The next choice of one value of each name; false when all were made. */
static bool choice_next(const struct writer *w, uint32_t *choice)
{
    for (uint32_t i = w->by->count; i > 0; i--) {
        if (++choice[i - 1] < w->values[i - 1].count) {
            return true;
        }
        choice[i - 1] = 0;
    }
    return false;
}

static pen_status groups_write(struct writer *w, struct pen_buf *out)
{
    uint32_t choice[SEARCH_BY_SLOTS] = {0};
    uint64_t all = 1;
    for (uint32_t i = 0; i < w->by->count; i++) {
        all *= w->values[i].count > 1 ? w->values[i].count : 1;
        all = all > w->by->elements_max ? (uint64_t)w->by->elements_max + 1 : all;
    }
    w->is_cut |= all > w->by->elements_max;
    bool has_more = true;
    for (uint32_t made = 0; has_more && made < w->by->elements_max; made++) {
        PEN_TRY(group_write(w, choice, out));
        has_more = choice_next(w, choice);
    }
    return PEN_OK;
}

pen_status search_by_write(const struct search_by *by, const struct pen_pass_record *record,
                           struct pen_buf *out)
{
    struct writer w = {.by = by, .record = record};
    const uint32_t slots = by->count + (by->has_distinct ? 1 : 0);
    pen_status st = PEN_OK;
    pen_buf_init(&w.plain, TEXT_BYTES_MAX);
    for (uint32_t i = 0; st == PEN_OK && i < slots; i++) {
        st = slot_read(&w, i);
    }
    st = st == PEN_OK ? groups_write(&w, out) : st;
    for (uint32_t i = 0; i < slots; i++) {
        pen_buf_fini(&w.values[i].bytes);
        free(w.values[i].ends);
    }
    pen_buf_fini(&w.plain);
    return st;
}
