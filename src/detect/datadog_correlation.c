/* tested by tests/unit/detect/test_correlation.c */
#include "datadog.h"

/*
 * A rule over signals names other rules by id.  It is read with its file, and kept when all files
 * are read: rules whose parts are kept go first, so that parts always stand before what names them.
 */

bool datadog_is_over_signals(const struct json_node *root)
{
    return pen_slice_eq(datadog_text(root, "type"), PEN_SLICE_LIT("signal_correlation"));
}

/* ---- reading ---- */

static pen_slice rule_id_of(const struct json_node *query)
{
    const pen_slice id = datadog_text(query, "ruleId");
    return id.len > 0 ? id : datadog_text(query, "defaultRuleId");
}

static bool has_items(const struct json_node *query, const char *name)
{
    const struct json_node *list = datadog_get(query, name, PEN_ARRAY);
    return list != NULL && list->count > 0;
}

static void query_check(struct datadog *d, const struct json_node *query)
{
    static const char *const others[] = {"groupByFields", "distinctFields", "metrics"};
    const pen_slice aggregation = datadog_text(query, "aggregation");
    if (rule_id_of(query).len == 0) {
        datadog_error(d, query, "a query of signal_correlation names a rule by `ruleId`");
    }
    if (aggregation.len > 0 && !pen_slice_eq(aggregation, PEN_SLICE_LIT("event_count"))) {
        datadog_error(d, query, "the aggregation of signal_correlation is event_count, not %.*s",
                      PEN_SLICE_FMT(aggregation));
    }
    if (pen_slice_trim(datadog_text(query, "query")).len > 0) {
        datadog_error(d, query, "a query of signal_correlation has a `ruleId`, no `query`");
    }
    for (size_t i = 0; i < PEN_COUNT(others); i++) {
        if (has_items(query, others[i])) {
            datadog_error(d, query, "event_count takes no `%s`", others[i]);
        }
    }
}

void datadog_signal_queries(struct datadog *d, struct pen_datadog *out)
{
    const struct json_node *list = datadog_get(d->root, "queries", PEN_ARRAY);
    struct pen_rule_query *queries =
        PEN_NEW_N(d->arena, struct pen_rule_query, DATADOG_QUERIES_MAX);
    PEN_CHECK(queries != NULL);
    out->queries = queries;
    if (!pen_slice_eq(datadog_method(d->root), PEN_SLICE_LIT("threshold"))) {
        datadog_error(d, d->root, "signal_correlation counts: its detection method is threshold");
    }
    if (has_items(d->root, "filters")) {
        datadog_error(d, d->root, "`filters` are about events, signal_correlation is not");
    }
    if (list == NULL || list->count == 0) {
        datadog_error(d, list == NULL ? d->root : list, "a rule needs a query");
    }
    for (const struct json_node *kid = list == NULL ? NULL : list->child;
         kid != NULL && out->query_count < DATADOG_QUERIES_MAX; kid = kid->next) {
        struct pen_rule_query *query = &queries[out->query_count];
        query->name = datadog_query_name(d, kid, out->query_count, out);
        query->aggregation = PEN_COUNT_EVENTS;
        query->counted_as = out->query_count;
        query->group_by = datadog_texts(d, kid, "correlatedByFields", &query->group_by_count);
        query_check(d, kid);
        out->query_count++;
    }
}

void datadog_correlation_wait(struct datadog *d, const struct pen_rule *rule,
                              struct pen_hash128 text, uint64_t index)
{
    struct pen_rules *rules = d->rules;
    rules->over_signals = rules_grow(rules->over_signals, rules->over_signal_count,
                                     &rules->over_signal_cap, sizeof(*rules->over_signals));
    rules->over_signals[rules->over_signal_count++] =
        (struct datadog_correlation){.rule = *rule,
                                     .root = d->root,
                                     .is_terraform = d->is_terraform,
                                     .hash = text,
                                     .index = index};
}

/* ---- linking ---- */

enum linked { LINKED_NOT_YET, LINKED, LINKED_FAILED };

struct linking {
    struct pen_rules *rules;
    enum linked *states; /* by place in over_signals */
};

static bool kept_find(const struct pen_rules *rules, pen_slice id, uint32_t *index)
{
    for (uint32_t i = 0; i < rules->count; i++) {
        if (rules->items[i].datadog != NULL && pen_slice_eq(rules->items[i].id, id) &&
            strcmp(rules->items[i].language, "datadog") == 0) {
            *index = i;
            return true;
        }
    }
    return false;
}

/* The rule over signals with this id that is neither kept nor refused yet. */
static const struct datadog_correlation *waiting_find(const struct linking *l, pen_slice id)
{
    for (uint32_t i = 0; i < l->rules->over_signal_count; i++) {
        if (l->states[i] == LINKED_NOT_YET && pen_slice_eq(l->rules->over_signals[i].rule.id, id)) {
            return &l->rules->over_signals[i];
        }
    }
    return NULL;
}

static struct datadog reader_of(struct pen_rules *rules, const struct datadog_correlation *c)
{
    return (struct datadog){.rules = rules,
                            .arena = &rules->arena,
                            .file = c->rule.file,
                            .is_terraform = c->is_terraform,
                            .root = c->root};
}

/* Places of the rules that the queries name; false when one of them waits itself. */
static bool parts_find(const struct linking *l, const struct datadog_correlation *c,
                       struct datadog *d, uint32_t *part)
{
    uint32_t q = 0;
    for (const struct json_node *kid = datadog_get(c->root, "queries", PEN_ARRAY)->child;
         kid != NULL; kid = kid->next) {
        const pen_slice id = rule_id_of(kid);
        if (kept_find(l->rules, id, &part[q++])) {
            continue;
        }
        if (waiting_find(l, id) != NULL) {
            return false;
        }
        datadog_error(
            d, kid, "no Datadog rule of this set has the id '%.*s' (was it refused, or is it off?)",
            PEN_SLICE_FMT(id));
    }
    return true;
}

/* Unless it has to wait. */
static void link_one(struct linking *l, uint32_t at)
{
    struct datadog_correlation *c = &l->rules->over_signals[at];
    struct datadog d = reader_of(l->rules, c);
    uint32_t part[DATADOG_QUERIES_MAX] = {0};
    if (!parts_find(l, c, &d, part)) {
        return;
    }
    if (d.errors == 0) {
        datadog_parts(&d, &c->rule, part);
    }
    l->states[at] = d.errors == 0 ? LINKED : LINKED_FAILED;
    if (d.errors > 0) {
        l->rules->rejected++;
    } else {
        rules_keep_linked(l->rules, &c->rule, c->hash, c->index);
    }
}

/* What waits for ever: for itself, or for one that does. */
static void circle_tell(struct linking *l, uint32_t at)
{
    const struct datadog_correlation *c = &l->rules->over_signals[at];
    const struct json_node *kid = datadog_get(c->root, "queries", PEN_ARRAY)->child;
    while (waiting_find(l, rule_id_of(kid)) == NULL) {
        kid = kid->next;
    }
    struct datadog d = reader_of(l->rules, c);
    datadog_error(
        &d, kid,
        "the rule '%.*s' is one of a circle of rules over signals, or rests on one, or on "
        "more than %u levels",
        PEN_SLICE_FMT(rule_id_of(kid)), PEN_STAGES_MAX);
    l->rules->rejected++;
}

void datadog_correlations_link(struct pen_rules *rules)
{
    struct linking l = {.rules = rules};
    l.states = PEN_NEW_N(&rules->arena, enum linked, (size_t)rules->over_signal_count + 1);
    PEN_CHECK(l.states != NULL);
    for (uint32_t turn = 0; turn <= PEN_STAGES_MAX; turn++) { /* a stage each at least */
        for (uint32_t i = 0; i < rules->over_signal_count; i++) {
            if (l.states[i] == LINKED_NOT_YET) {
                link_one(&l, i);
            }
        }
    }
    for (uint32_t i = 0; i < rules->over_signal_count; i++) {
        if (l.states[i] == LINKED_NOT_YET) {
            circle_tell(&l, i);
        }
    }
    datadog_attributes_spread(rules);
}
