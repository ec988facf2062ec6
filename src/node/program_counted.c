/* tested by tests/e2e/test_stateful.py */
#include "penstock/node.h"

#include "observe.h"
#include "program_own.h"

#include <stdlib.h>

#define KEY_BYTES_MAX ((size_t)64 << 20) /* a name of 10 MB, of escapes alone */

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

/* Names as they stand in objects. */
static pen_status keys_make(struct maker *m, const pen_slice *names, uint32_t count,
                            const pen_slice **out)
{
    struct pen_buf key;
    pen_slice *keys = PEN_NEW_N(&m->program->arena, pen_slice, (size_t)count + 1);
    pen_status st = keys == NULL ? PEN_E_NOMEM : PEN_OK;
    pen_buf_init(&key, KEY_BYTES_MAX);
    for (uint32_t i = 0; i < count && st == PEN_OK; i++) {
        key.len = 0;
        st = observe_key(&key, names[i]);
        keys[i] = pen_arena_dup(&m->program->arena, pen_buf_slice(&key));
        st = st == PEN_OK && keys[i].ptr == NULL ? PEN_E_NOMEM : st;
    }
    pen_buf_fini(&key);
    *out = keys;
    return st == PEN_OK
               ? PEN_OK
               : PEN_FAIL(m->err, st, PEN_NO_OFFSET, "program: names: %s", pen_status_text(st));
}

/* What observations tell of attributes: names that are no members of their group. */
static pen_status attributes_make(struct maker *m, const struct pen_type *type,
                                  const pen_slice *names, uint32_t count, const pen_slice *groups,
                                  struct pen_program_query *out)
{
    const uint32_t members = out->query == NULL ? 0 : out->query->group_by_count;
    pen_slice *kept = PEN_NEW_N(&m->program->arena, pen_slice, (size_t)count + 1);
    if (kept == NULL) {
        return PEN_FAIL(m->err, PEN_E_NOMEM, PEN_NO_OFFSET, "program: out of memory");
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = 0;
        while (at < members && !pen_slice_eq(names[i], groups[at])) {
            at++;
        }
        if (at == members) {
            kept[out->attribute_count++] = names[i];
        }
    }
    PEN_TRY(keys_make(m, kept, out->attribute_count, &out->attribute_keys));
    return all_fields(m, type, kept, out->attribute_count, &out->attributes);
}

static pen_status counted_make(struct maker *m, const struct pen_type *type,
                               const struct pen_rule *rule, uint32_t tag,
                               struct pen_program_query *out)
{
    const struct pen_datadog *datadog = rule->datadog;
    const struct pen_rule_query *query = &datadog->queries[tag % PEN_RULE_QUERIES_MAX];
    *out = (struct pen_program_query){.tag = tag, .query = query};
    m->is_sigma = strcmp(rule->language, "sigma") == 0;
    const pen_slice *groups = datadog->group_names[query->group_by_count];
    PEN_TRY(keys_make(m, groups, query->group_by_count, &out->group_keys));
    PEN_TRY(all_fields(m, type, query->group_by, query->group_by_count, &out->group_by));
    PEN_TRY(all_fields(m, type, query->values, query->value_count, &out->values));
    m->is_sigma = false; /* names of log search syntax, also of correlations */
    return attributes_make(m, type, datadog->attributes, datadog->attribute_count, groups, out);
}

/* NULL: the tag is of an exclusion. */
static const struct pen_rule *rule_of(const struct pen_program *program, uint32_t tag)
{
    uint32_t index = 0;
    uint32_t query = 0;
    return tag >= PEN_EXCLUDE_TAG ? NULL : pen_program_rule(program, tag, &index, &query);
}

static bool same_names(const pen_slice *a, const pen_slice *b, uint32_t count)
{
    uint32_t i = 0;
    while (i < count && pen_slice_eq(a[i], b[i])) {
        i++;
    }
    return i == count;
}

/* Whether what matches one query matches the other, in the same groups.  Those of correlations
 * have no text. */
static bool asks_the_same(const struct pen_rule_query *a, const struct pen_rule_query *b)
{
    return a->text.len > 0 && pen_slice_eq(a->text, b->text) &&
           a->group_by_count == b->group_by_count &&
           a->has_optional_group_by == b->has_optional_group_by &&
           same_names(a->group_by, b->group_by, a->group_by_count);
}

/* Gives the query at place i to the first one of its rule that asks the same. */
static void share(struct pen_program_type *entry, uint32_t first, uint32_t i)
{
    for (uint32_t j = first; j < i; j++) {
        struct pen_program_query *last = &entry->counted[j];
        if (last->is_shared || !asks_the_same(last->query, entry->counted[i].query)) {
            continue;
        }
        while (last->next != NULL) {
            last = &entry->counted[last->next - entry->counted];
        }
        last->next = &entry->counted[i];
        entry->counted[i].is_shared = true;
        return;
    }
}

/* Of rules whose events are told by the bits of their queries. */
static bool may_share(const struct pen_program_query *counted, const struct pen_rule *rule)
{
    return counted->query != NULL && rule->datadog != NULL && !rule->datadog->is_third_party &&
           (rule->datadog->state.method == PEN_METHOD_THRESHOLD ||
            rule->datadog->state.method == PEN_METHOD_SEQUENCE);
}

static void share_all(const struct pen_program *program, struct pen_program_type *entry)
{
    uint32_t first = 0;
    for (uint32_t i = 0; i < entry->counted_count; i++) {
        const uint32_t tag = entry->counted[i].tag;
        if (tag / PEN_RULE_QUERIES_MAX != entry->counted[first].tag / PEN_RULE_QUERIES_MAX) {
            first = i;
        }
        if (may_share(&entry->counted[i], rule_of(program, tag))) {
            share(entry, first, i);
        }
    }
}

static pen_status index_rules(struct pen_program *program, struct pen_program_type *entry,
                              struct pen_err *err)
{
    const uint32_t count = pen_rules_count(program->rules);
    uint32_t at = 0;
    entry->counted_at = PEN_NEW_N(&program->arena, uint32_t, (size_t)count + 1);
    if (entry->counted_at == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "program: out of memory");
    }
    for (uint32_t rule = 0; rule < count && entry->counted_count > 0; rule++) {
        while (at < entry->counted_count && entry->counted[at].tag / PEN_RULE_QUERIES_MAX < rule) {
            at++;
        }
        entry->counted_at[rule] = at;
    }
    return PEN_OK;
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
            st = attributes_make(&m, entry->type, rule->attributes, rule->attribute_count, NULL,
                                 out);
        }
    }
    PEN_TRY(st);
    share_all(program, entry);
    return index_rules(program, entry, err);
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
    if (entry->counted_count == 0) {
        return NULL;
    }
    uint32_t at = entry->counted_at[tag / PEN_RULE_QUERIES_MAX];
    while (at < entry->counted_count && entry->counted[at].tag < tag) {
        at++;
    }
    return at < entry->counted_count && entry->counted[at].tag == tag ? &entry->counted[at] : NULL;
}
