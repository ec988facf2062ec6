/* tested by tests/e2e/test_search.py */
#include "search.h"

#include "penstock/query.h"

#include <inttypes.h>

bool search_fields_take(struct search *search, const char *text)
{
    pen_slice rest = pen_slice_str(text);
    pen_slice name;
    while (pen_slice_split(&rest, ',', &name)) {
        name = pen_slice_trim(name);
        if (name.len == 0 || search->field_count == SEARCH_FIELDS_MAX) {
            return false;
        }
        search->fields[search->field_count++] = name;
    }
    return search->field_count > 0;
}

/* ---- names ---- */

static bool is_own_field(pen_slice name)
{
    return pen_slice_starts(name, PEN_SLICE_LIT(SEARCH_OWN_PREFIX));
}

static pen_status fields_find(struct search *search, const struct pen_program_type *type,
                              struct pen_err *err)
{
    const uint32_t id = type->type->id;
    if (id >= SEARCH_TYPES_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "more than %u log types",
                        SEARCH_TYPES_MAX);
    }
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < search->field_count; i++) {
        if (!is_own_field(search->fields[i])) {
            st = pen_schema_field(type->schema, search->fields[i], &search->field_ids[id][i], err);
        }
    }
    return st;
}

pen_status search_build(void *ctx, struct pen_arena *arena, const struct pen_program_type *type,
                        struct pen_expr **out, struct pen_err *err)
{
    struct search *search = ctx;
    struct pen_query_names names = {
        .schema = type->schema, .is_json = search->is_json, .as_rule = search->as_rule};
    const struct pen_query_options options = {
        .field = pen_query_field, .field_ctx = &names, .as_rule = search->as_rule};
    PEN_TRY(fields_find(search, type, err));
    PEN_TRY(search_by_fields(&search->by, type, err));
    *out = NULL;
    if (!search->has_query) {
        return PEN_OK;
    }
    return pen_query_parse(arena, search->query, &options, out, err);
}

/* ---- lines ---- */

static pen_status write_text(struct pen_buf *out, const char *before, pen_slice text)
{
    PEN_TRY(pen_buf_add(out, pen_slice_str(before)));
    PEN_TRY(pen_json_escape(out, text));
    return pen_buf_add_byte(out, '"');
}

static pen_slice time_text(int64_t time_ns, char text[PEN_TIME_MAX])
{
    return (pen_slice){(const uint8_t *)text,
                       time_ns == INT64_MIN ? 0 : pen_format_time(time_ns, text)};
}

/* The member that tells where the record is from. */
static pen_status write_origin(const struct pen_pass_record *record, const struct search_hits *hits,
                               struct pen_buf *out)
{
    const struct pen_doc *doc = &record->item->doc;
    char text[PEN_TIME_MAX];
    const pen_slice time = time_text(doc->time_ns, text);
    PEN_TRY(write_text(out, "\"_penstock\":{\"object\":\"", pen_slice_str(record->object->key)));
    PEN_TRY(pen_buf_printf(out, ",\"record\":%" PRIu64, record->item->record.ordinal));
    PEN_TRY(time.len == 0 ? pen_buf_add(out, PEN_SLICE_LIT(",\"event_time\":null"))
                          : write_text(out, ",\"event_time\":\"", time));
    PEN_TRY(write_text(out, ",\"type\":\"", record->type->name));
    PEN_TRY(write_text(out, ",\"account\":\"", doc->account));
    PEN_TRY(write_text(out, ",\"region\":\"", doc->region));
    return hits == NULL ? PEN_OK : search_hits_json(hits, out);
}

static pen_status write_json(const struct pen_pass_record *record, const struct search_hits *hits,
                             struct pen_buf *out)
{
    const size_t begin = out->len;
    PEN_TRY(pen_record_compact(out, &record->item->record));
    PEN_CHECK(out->len >= begin + 2);
    out->len--; /* the brace that closes the record */
    PEN_TRY(out->len - begin == 1 ? PEN_OK : pen_buf_add_byte(out, ','));
    PEN_TRY(write_origin(record, hits, out));
    return pen_buf_add(out, PEN_SLICE_LIT("}}\n"));
}

/* A tab or a line end inside a value must not look like one between values. */
static pen_status write_cell(struct pen_buf *out, pen_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        const char *escape = text.ptr[i] == '\t'   ? "\\t"
                             : text.ptr[i] == '\n' ? "\\n"
                             : text.ptr[i] == '\r' ? "\\r"
                             : text.ptr[i] == '\\' ? "\\\\"
                                                   : NULL;
        PEN_TRY(escape == NULL ? pen_buf_add_byte(out, text.ptr[i])
                               : pen_buf_add(out, pen_slice_str(escape)));
    }
    return PEN_OK;
}

static pen_status write_value(struct pen_buf *out, struct pen_buf *plain,
                              const struct pen_value *value)
{
    plain->len = 0;
    if (value->kind == PEN_OBJECT) {
        PEN_TRY(pen_json_compact(plain, value->text));
        return write_cell(out, pen_buf_slice(plain));
    }
    if (!value->is_escaped) {
        return write_cell(out, value->text);
    }
    PEN_TRY(pen_buf_reserve(plain, value->text.len));
    plain->len = pen_json_unescape(value->text, plain->ptr);
    return write_cell(out, pen_buf_slice(plain));
}

/* All values of a field; the elements of an array are values of their own. */
static pen_status write_values(struct pen_buf *out, struct pen_buf *plain,
                               const struct pen_record *record, uint32_t field)
{
    pen_status st = PEN_OK;
    bool is_first = true;
    const struct pen_value *v = pen_record_first(record, field);
    for (; st == PEN_OK && v != NULL; v = pen_value_next(record, v)) {
        if (v->kind != PEN_ARRAY && v->kind != PEN_NULL) {
            st = is_first ? PEN_OK : pen_buf_add_byte(out, ',');
            st = st == PEN_OK ? write_value(out, plain, v) : st;
            is_first = false;
        }
    }
    return st;
}

static pen_status write_hits(struct pen_buf *out, const struct search_hits *hits)
{
    struct pen_buf text;
    pen_buf_init(&text, SIZE_MAX);
    pen_status st = hits == NULL ? PEN_OK : search_hits_text(hits, &text);
    st = st == PEN_OK ? write_cell(out, pen_buf_slice(&text)) : st;
    pen_buf_fini(&text);
    return st;
}

static pen_status write_own(struct pen_buf *out, const struct pen_pass_record *record,
                            const struct search_hits *hits, pen_slice name)
{
    char text[PEN_TIME_MAX];
    pen_slice value = {0};
    if (pen_slice_eq(name, PEN_SLICE_LIT(SEARCH_OWN_PREFIX "ioc"))) {
        return write_hits(out, hits);
    }
    return search_own_value(record, name, text, &value) ? write_cell(out, value) : PEN_OK;
}

static pen_status write_fields(const struct search *search, const struct pen_pass_record *record,
                               const struct search_hits *hits, struct pen_buf *out)
{
    struct pen_buf plain;
    pen_status st = PEN_OK;
    pen_buf_init(&plain, SIZE_MAX);
    const uint32_t *ids = search->field_ids[record->type->id];
    for (uint32_t i = 0; st == PEN_OK && i < search->field_count; i++) {
        st = i == 0 ? PEN_OK : pen_buf_add_byte(out, '\t');
        if (st == PEN_OK) {
            st = is_own_field(search->fields[i])
                     ? write_own(out, record, hits, search->fields[i])
                     : write_values(out, &plain, &record->item->record, ids[i]);
        }
    }
    pen_buf_fini(&plain);
    return st == PEN_OK ? pen_buf_add_byte(out, '\n') : st;
}

static pen_status write_record(const struct search *search, const struct pen_pass_record *record,
                               const struct search_hits *hits, struct pen_buf *out)
{
    switch (search->form) {
    case SEARCH_JSON:
        return write_json(record, hits, out);
    case SEARCH_RAW:
        PEN_TRY(pen_buf_add(out, record->item->record.raw));
        return pen_buf_add_byte(out, '\n');
    case SEARCH_FIELDS:
        return write_fields(search, record, hits, out);
    case SEARCH_BY:
        return search_by_write(&search->by, record, out);
    case SEARCH_COUNT:
        break;
    }
    /* A query's matches are counted where they are found; those of indicators are told. */
    return hits == NULL ? PEN_OK : pen_buf_add_byte(out, '\n');
}

static pen_status write_found(const struct search *search, const struct pen_pass_record *record,
                              struct pen_buf *out)
{
    struct search_hits hits;
    search_hits_init(&hits, search->indicators_max);
    pen_status st = search_hits_find(&hits, search->iocs, &record->item->record);
    if (st == PEN_OK && hits.count > 0) {
        st = write_record(search, record, &hits, out);
    }
    search_hits_fini(&hits);
    return st;
}

pen_status search_write(const struct search *search, const struct pen_pass_record *record,
                        struct pen_buf *out, struct pen_err *err)
{
    const pen_status st = search->iocs == NULL ? write_record(search, record, NULL, out)
                                               : write_found(search, record, out);
    return st == PEN_OK ? PEN_OK
                        : PEN_FAIL(err, st, PEN_NO_OFFSET, "%s: no room for the line of a record",
                                   record->object->key);
}
