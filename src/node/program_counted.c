/* tested by tests/e2e/test_stateful.py */
#include "penstock/node.h"

#include "program_own.h"

#include <stdlib.h>

struct maker {
    struct pen_program *program;
    struct pen_query_names names;
    bool is_sigma;
    struct pen_err *err;
};

/* What Datadog's name stands for in this type, its sources in their order; NULL: nothing. */
static const struct pen_map_entry *attribute_of(const struct pen_type *type, pen_slice name)
{
    const bool is_attribute = name.len > 1 && name.ptr[0] == '@';
    const pen_slice plain = is_attribute ? pen_slice_sub(name, 1, name.len) : name;
    for (uint32_t i = 0; is_attribute && i < type->attribute_count; i++) {
        if (pen_slice_eq(type->attributes[i].ecs, plain)) {
            return &type->attributes[i];
        }
    }
    return NULL;
}

/* A name of log search syntax; of a correlation one of Sigma. */
static pen_status plain_field(struct maker *m, pen_slice name, uint32_t *field)
{
    return m->is_sigma ? pen_schema_field(m->names.schema, name, field, m->err)
                       : pen_query_field(&m->names, name, field, m->err);
}

static pen_status source_field(struct maker *m, pen_slice source, uint32_t *field)
{
    return pen_schema_field(m->names.schema, source, field, m->err);
}

/* The sources of the name one by one, as their order matters, then all that the name may be. */
static pen_status name_fields(struct maker *m, const struct pen_type *type, pen_slice name,
                              struct pen_program_name *out)
{
    const struct pen_map_entry *entry = attribute_of(type, name);
    const uint32_t sources = entry == NULL ? 0 : entry->source_count;
    uint32_t *fields = PEN_NEW_N(&m->program->arena, uint32_t, (size_t)sources + 1);
    if (fields == NULL) {
        return PEN_FAIL(m->err, PEN_E_NOMEM, PEN_NO_OFFSET, "program: out of memory");
    }
    for (uint32_t i = 0; i < sources; i++) {
        PEN_TRY(source_field(m, entry->sources[i], &fields[i]));
    }
    PEN_TRY(plain_field(m, name, &fields[sources]));
    *out = (struct pen_program_name){.fields = fields, .count = sources + 1};
    return PEN_OK;
}

static pen_status all_fields(struct maker *m, const struct pen_type *type, const pen_slice *names,
                             uint32_t count, const struct pen_program_name **out)
{
    struct pen_program_name *made =
        PEN_NEW_N(&m->program->arena, struct pen_program_name, (size_t)count + 1);
    if (made == NULL) {
        return PEN_FAIL(m->err, PEN_E_NOMEM, PEN_NO_OFFSET, "program: out of memory");
    }
    for (uint32_t i = 0; i < count; i++) {
        PEN_TRY(name_fields(m, type, names[i], &made[i]));
    }
    *out = made;
    return PEN_OK;
}

static pen_status counted_make(struct maker *m, const struct pen_type *type,
                               const struct pen_rule *rule, uint32_t tag,
                               struct pen_program_query *out)
{
    const struct pen_datadog *datadog = rule->datadog;
    const struct pen_rule_query *query = &datadog->queries[tag % PEN_RULE_QUERIES_MAX];
    *out = (struct pen_program_query){.tag = tag, .query = query};
    m->is_sigma = strcmp(rule->language, "sigma") == 0;
    out->group_names = datadog->group_names[query->group_by_count];
    PEN_TRY(all_fields(m, type, query->group_by, query->group_by_count, &out->group_by));
    PEN_TRY(all_fields(m, type, query->values, query->value_count, &out->values));
    m->is_sigma = false; /* names of log search syntax, also of correlations */
    return all_fields(m, type, datadog->attributes, datadog->attribute_count, &out->attributes);
}

/* NULL: the tag is of an exclusion. */
static const struct pen_rule *rule_of(const struct pen_program *program, uint32_t tag)
{
    uint32_t index = 0;
    uint32_t query = 0;
    return tag >= PEN_EXCLUDE_TAG ? NULL : pen_program_rule(program, tag, &index, &query);
}

pen_status program_counted(struct pen_program *program, struct pen_program_type *entry,
                           struct pen_err *err)
{
    struct maker m = {
        .program = program, .names = {.schema = entry->schema, .as_rule = true}, .err = err};
    entry->counted =
        PEN_NEW_N(&program->arena, struct pen_program_query, (size_t)entry->query_count + 1);
    if (entry->counted == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "program: out of memory");
    }
    pen_status st = PEN_OK;
    for (uint32_t i = 0; i < entry->query_count && st == PEN_OK; i++) {
        const uint32_t tag = entry->queries[i].tag;
        const struct pen_rule *rule = rule_of(program, tag);
        if (rule != NULL && rule->datadog != NULL) {
            st = counted_make(&m, entry->type, rule, tag, &entry->counted[entry->counted_count++]);
        } else if (rule != NULL && rule->attribute_count > 0) {
            struct pen_program_query *out = &entry->counted[entry->counted_count++];
            m.is_sigma = false;
            *out = (struct pen_program_query){.tag = tag};
            st = all_fields(&m, entry->type, rule->attributes, rule->attribute_count,
                            &out->attributes);
        }
    }
    return st;
}

static bool is_travel(const struct pen_rule *rule)
{
    return rule->datadog != NULL && rule->datadog->state.method == PEN_METHOD_TRAVEL;
}

pen_status pen_program_places_words(const struct pen_program *program, struct pen_buf *out)
{
    if (program->enrich != NULL && pen_enrich_has_places(program->enrich)) {
        return PEN_OK;
    }
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < pen_rules_count(program->rules); i++) {
        const struct pen_rule *rule = pen_rules_at(program->rules, i);
        st = is_travel(rule)
                 ? pen_buf_printf(out,
                                  "%.*s:%u:1: warning: rule %.*s cannot run: impossible_travel "
                                  "needs `enrich.geoip`, a database of cities\n",
                                  PEN_SLICE_FMT(rule->file), rule->line, PEN_SLICE_FMT(rule->id))
                 : PEN_OK;
    }
    return st;
}

const struct pen_program_query *pen_program_counted(const struct pen_program_type *entry,
                                                    uint32_t tag)
{
    uint32_t low = 0;
    uint32_t high = entry->counted_count;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (entry->counted[middle].tag < tag) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < entry->counted_count && entry->counted[low].tag == tag ? &entry->counted[low]
                                                                        : NULL;
}
