/* tested by tests/unit/detect/test_datadog.c */
#include "datadog.h"

/* What is built and what is not yet: a step that builds more turns a row. */
static const struct built {
    const char *what, *name;
    bool is_built;
} rows[] = {
    {"rule type", "log_detection", true},
    {"rule type", "application_security", false},
    {"rule type", "api_security", false},
    {"rule type", "workload_activity", false},
    {"rule type", "workload_security", false},
    {"rule type", "signal_correlation", true},
    {"rule type", "cloud_configuration", false},
    {"rule type", "infrastructure_configuration", false},
    {"detection method", "threshold", true},
    {"detection method", "new_value", true},
    {"detection method", "third_party", true},
    {"detection method", "anomaly_detection", true},
    {"detection method", "impossible_travel", true},
    {"detection method", "hardcoded", false},
    {"detection method", "anomaly_threshold", false},
    {"detection method", "sequence_detection", true},
    {"data source", "logs", true},
    {"data source", "audit", false},
    {"data source", "app_sec_spans", false},
    {"data source", "spans", false},
    {"data source", "security_runtime", false},
    {"data source", "network", false},
    {"data source", "events", false},
    {"data source", "security_signals", false},
};

/* Members that make a rule another kind of rule when they hold something. */
static const struct member {
    const char *name, *what;
    bool is_of_query;
} members[] = {
    {"calculatedFields", "rules with calculated fields are", false},
    {"schedulingOptions", "scheduled rules are", false},
    {"index", "scheduled rules (a query with `index`) are", true},
    {"indexes", "scheduled rules (a query with `indexes`) are", true},
};

pen_slice datadog_method(const struct json_node *root)
{
    const pen_slice method =
        datadog_text(datadog_get(root, "options", PEN_OBJECT), "detectionMethod");
    return method.len == 0 ? PEN_SLICE_LIT("threshold") : method;
}

static bool is_word_built(struct datadog *d, const struct json_node *at, const char *what,
                          pen_slice name)
{
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        if (strcmp(rows[i].what, what) == 0 && !rows[i].is_built &&
            pen_slice_eq(name, pen_slice_str(rows[i].name))) {
            datadog_error(d, at, "the %s %s is not built yet", what, rows[i].name);
            return false;
        }
    }
    return true;
}

static bool are_members_built(struct datadog *d, const struct json_node *object, bool is_query)
{
    static const uint8_t kinds[] = {PEN_ARRAY, PEN_OBJECT, PEN_STRING};
    for (size_t i = 0; i < PEN_COUNT(members); i++) {
        for (size_t k = 0; k < PEN_COUNT(kinds); k++) {
            const struct json_node *node = datadog_get(object, members[i].name, kinds[k]);
            if (node != NULL && members[i].is_of_query == is_query &&
                node->count + node->text.len > 0) {
                datadog_error(d, node, "%s not built yet", members[i].what);
                return false;
            }
        }
    }
    return true;
}

static bool are_queries_built(struct datadog *d)
{
    const struct json_node *queries = datadog_get(d->root, "queries", PEN_ARRAY);
    for (const struct json_node *kid = queries == NULL ? NULL : queries->child; kid != NULL;
         kid = kid->next) {
        const pen_slice source = datadog_text(kid, "dataSource");
        const bool is_own = datadog_is_over_signals(d->root) &&
                            pen_slice_eq(source, PEN_SLICE_LIT("security_signals"));
        if ((!is_own && !is_word_built(d, kid, "data source", source)) ||
            !are_members_built(d, kid, true)) {
            return false;
        }
    }
    return true;
}

bool datadog_is_built(struct datadog *d)
{
    return is_word_built(d, d->root, "rule type", datadog_text(d->root, "type")) &&
           is_word_built(d, d->root, "detection method", datadog_method(d->root)) &&
           are_members_built(d, d->root, false) && are_queries_built(d);
}
