/* tested by tests/e2e/test_rules.py */
#include "observe.h"

#include <inttypes.h>
#include <stdio.h>

pen_slice pen_event_id(const struct pen_doc *doc, pen_slice key, uint64_t ordinal,
                       char text[PEN_EVENT_ID_MAX])
{
    if (doc->event_id.len > PEN_OBSERVATION_BYTES_MAX) {
        pen_hash128_hex(pen_hash128(doc->event_id, 0), text);
        return pen_slice_str(text);
    }
    if (doc->event_id.len > 0) {
        return doc->event_id;
    }
    const int len =
        snprintf(text, PEN_EVENT_ID_MAX, "%016" PRIx64 ":%" PRIu64, pen_hash64(key, 1), ordinal);
    return (pen_slice){(const uint8_t *)text, (size_t)len};
}

pen_status pen_observed_text(struct pen_buf *out, pen_slice text)
{
    if (text.len <= PEN_OBSERVATION_BYTES_MAX) {
        return pen_json_escape(out, text);
    }
    char hex[33];
    size_t len = PEN_OBSERVATION_BYTES_MAX;
    while (len > 0 && (text.ptr[len] & 0xc0U) == 0x80U) {
        len--; /* never through a code point */
    }
    pen_hash128_hex(pen_hash128(text, 0), hex);
    PEN_TRY(pen_json_escape(out, pen_slice_sub(text, 0, len)));
    return pen_buf_printf(out, "...%s", hex);
}

static pen_slice own_value(pen_slice name, const struct pen_doc *doc)
{
    const struct {
        pen_slice name, value;
    } rows[] = {{PEN_SLICE_LIT("account"), doc->account},
                {PEN_SLICE_LIT("identity"), doc->identity},
                {PEN_SLICE_LIT("region"), doc->region},
                {PEN_SLICE_LIT("source_ip"), doc->source_ip}};
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        if (pen_slice_eq(name, rows[i].name)) {
            return rows[i].value;
        }
    }
    return (pen_slice){0};
}

/* The first value of a field as plain text. */
static pen_status add_field(struct pen_buf *out, const struct pen_record *record, uint32_t field)
{
    const struct pen_value *value = pen_record_first(record, field);
    if (value == NULL || value->kind == PEN_NULL) {
        return PEN_OK;
    }
    if (!value->is_escaped) {
        return pen_observed_text(out, value->text);
    }
    struct pen_buf plain;
    pen_buf_init(&plain, value->text.len + 1);
    pen_status st = pen_buf_reserve(&plain, value->text.len);
    if (st == PEN_OK) {
        plain.len = pen_json_unescape(value->text, plain.ptr);
        st = pen_observed_text(out, pen_buf_slice(&plain));
    }
    pen_buf_fini(&plain);
    return st;
}

static pen_status add_member(struct pen_buf *out, pen_slice name, uint32_t field,
                             const struct observed *of)
{
    PEN_TRY(pen_buf_add(out, out->len == 1 ? PEN_SLICE_LIT("\"") : PEN_SLICE_LIT(",\"")));
    PEN_TRY(pen_json_escape(out, name));
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("\":\"")));
    PEN_TRY(field == PEN_FIELD_NONE ? pen_observed_text(out, own_value(name, of->doc))
                                    : add_field(out, of->record, field));
    return pen_buf_add_byte(out, '"');
}

static pen_status add_group(struct pen_buf *out, const pen_slice *names, const uint32_t *fields,
                            uint32_t count, const struct observed *of)
{
    out->len = 0;
    pen_status st = pen_buf_add_byte(out, '{');
    for (uint32_t i = 0; i < count && st == PEN_OK; i++) {
        st = add_member(out, names[i], fields[i], of);
    }
    return st == PEN_OK ? pen_buf_add_byte(out, '}') : st;
}

pen_status observe_group(struct pen_buf *out, const struct pen_program *program,
                         const struct observed *of)
{
    return add_group(out, program->group_names, program->by_type[of->type].group_fields,
                     program->group_count, of);
}

pen_status observe_own_group(struct pen_buf *out, const struct pen_program *program,
                             uint32_t rule_index, const struct observed *of, pen_slice *group)
{
    const struct pen_rule *rule = pen_rules_at(program->rules, rule_index);
    const uint32_t **own = program->by_type[of->type].own_group_fields;
    if (own == NULL || own[rule_index] == NULL) {
        return PEN_OK;
    }
    PEN_TRY(add_group(out, rule->group_by, own[rule_index], rule->group_by_count, of));
    *group = pen_buf_slice(out);
    return PEN_OK;
}

static uint64_t hash_list(const pen_slice *texts, uint32_t count, uint64_t hash)
{
    for (uint32_t i = 0; i < count; i++) {
        hash = pen_hash64(texts[i], hash + 1);
    }
    return hash;
}

static uint64_t hash_tables(const struct pen_rule_query *query, uint64_t hash)
{
    for (uint32_t i = 0; i < query->table_count; i++) {
        const struct pen_rule_table *table = &query->tables[i];
        const pen_slice texts[] = {table->column, table->field};
        hash = hash_list(texts, PEN_COUNT(texts), hash ^ table->content.lo) + table->is_present;
    }
    return hash;
}

/* Of what makes its observations: queries, groups and values.  Names and texts of signals are not
 * in it. */
static uint64_t definition_of(const struct pen_datadog *rule)
{
    uint64_t hash = rule->query_count;
    for (uint32_t q = 0; q < rule->query_count; q++) {
        const struct pen_rule_query *query = &rule->queries[q];
        hash = pen_hash64(query->text, hash);
        hash = hash_list(query->group_by, query->group_by_count, hash + query->group_by_count);
        hash = hash_list(query->values, query->value_count, hash + query->value_count);
        hash += query->has_optional_group_by;
        hash = hash_tables(query, hash);
        for (uint32_t i = 0; i < query->joined_count; i++) {
            hash = hash * 31 + query->joined[i] + 1;
        }
    }
    return hash;
}

struct pen_state_rule observe_rule(const struct pen_rule *rule, int64_t keep_alive_ns)
{
    if (rule->datadog != NULL) {
        struct pen_state_rule state = rule->datadog->state;
        state.id = rule->id;
        state.name = rule->title;
        state.definition = definition_of(rule->datadog);
        const bool is_short = !rule->has_keep_alive && state.keep_alive_ns < keep_alive_ns;
        if (is_short && strcmp(rule->language, "sigma") == 0) {
            state.keep_alive_ns = keep_alive_ns;
        }
        state.keeps_event = pen_state_keeps_event(&state);
        return state;
    }
    return (struct pen_state_rule){.id = rule->id,
                                   .name = rule->title,
                                   .definition = rule->text_hash,
                                   .keep_alive_ns =
                                       rule->has_keep_alive ? rule->keep_alive_ns : keep_alive_ns,
                                   .duration_max_ns = PEN_NS_PER_DAY,
                                   .ends_at_midnight = true,
                                   .keeps_event = true};
}
