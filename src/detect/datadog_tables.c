/* tested by tests/unit/detect/test_tables.c */
#include "datadog.h"
#include "tables.h"

#define REFERENCES_MAX 64U /* of a rule */

/* The query of `ruleQueryName`; a rule with one query need not say it. */
static struct pen_rule_query *query_of(struct datadog *d, const struct json_node *at,
                                       const struct pen_datadog *out)
{
    const pen_slice name = datadog_text(at, "ruleQueryName");
    for (uint32_t i = 0; i < out->query_count; i++) {
        if (pen_slice_eq(out->queries[i].name, name) || (name.len == 0 && out->query_count == 1)) {
            return pen_unconst(&out->queries[i]);
        }
    }
    if (name.len == 0) {
        datadog_error(d, at, "of several queries, `ruleQueryName` says which one the table is for");
    } else {
        datadog_error(d, datadog_get(at, "ruleQueryName", PEN_STRING),
                      "no query of this rule has the name '%.*s'", PEN_SLICE_FMT(name));
    }
    return NULL;
}

/* False, and told, when a member is missing. */
static bool has_all(struct datadog *d, const struct json_node *at)
{
    static const char *const texts[] = {"tableName", "columnName", "logFieldPath"};
    bool has = true;
    for (size_t i = 0; i < PEN_COUNT(texts); i++) {
        if (datadog_text(at, texts[i]).len == 0) {
            datadog_error(d, at, "a reference table needs `%s`", texts[i]);
            has = false;
        }
    }
    if (datadog_get(at, "checkPresence", PEN_BOOL) == NULL) {
        datadog_error(d, at,
                      "a reference table needs `checkPresence`: true keeps events whose "
                      "value it has, false the others");
        has = false;
    }
    return has;
}

static void set_find(struct datadog *d, const struct json_node *at, struct pen_rule_table *out)
{
    struct pen_err err = {0};
    struct rules_table *table = table_find(d->rules, out->name);
    if (table == NULL) {
        datadog_error(d, datadog_get(at, "tableName", PEN_STRING),
                      "there is no reference table '%.*s': `reference_tables` of penstock.yaml "
                      "names its file",
                      PEN_SLICE_FMT(out->name));
        return;
    }
    if (table_column(table, out->column, &out->set, &err) != PEN_OK) {
        datadog_error(d, datadog_get(at, "columnName", PEN_STRING), "%s", err.text);
        return;
    }
    out->content = table->hash;
}

static void reference(struct datadog *d, const struct json_node *at, const struct pen_datadog *out)
{
    struct pen_rule_query *query = query_of(d, at, out);
    if (!has_all(d, at) || query == NULL) {
        return;
    }
    struct pen_rule_table *tables =
        PEN_NEW_N(d->arena, struct pen_rule_table, (size_t)query->table_count + 1);
    PEN_CHECK(tables != NULL);
    if (query->table_count > 0) {
        memcpy(tables, query->tables, query->table_count * sizeof(*tables));
    }
    struct pen_rule_table *table = &tables[query->table_count];
    *table = (struct pen_rule_table){.name = datadog_text(at, "tableName"),
                                     .column = datadog_text(at, "columnName"),
                                     .field = datadog_text(at, "logFieldPath"),
                                     .is_present = datadog_is_true(at, "checkPresence")};
    if (table->field.ptr[0] != '@' &&
        pen_slice_find(table->field, PEN_SLICE_LIT(".")) != SIZE_MAX) {
        datadog_warn(d, datadog_get(at, "logFieldPath", PEN_STRING),
                     "without @ this is the name of a tag; a field is written @%.*s",
                     PEN_SLICE_FMT(table->field));
    }
    set_find(d, at, table);
    query->tables = tables;
    query->table_count++;
}

void datadog_tables(struct datadog *d, const struct pen_datadog *out)
{
    const struct json_node *list = datadog_get(d->root, "referenceTables", PEN_ARRAY);
    if (list == NULL || list->count == 0) {
        return;
    }
    if (out->is_third_party || datadog_is_over_signals(d->root)) {
        datadog_error(d, list, "`referenceTables` are for queries over events, which %s has not",
                      out->is_third_party ? "third_party" : "signal_correlation");
        return;
    }
    if (list->count > REFERENCES_MAX) {
        datadog_error(d, list, "`referenceTables` has at most %u items", REFERENCES_MAX);
        return;
    }
    for (const struct json_node *kid = list->child; kid != NULL; kid = kid->next) {
        reference(d, kid, out);
    }
}
