/* tested by tests/unit/detect/test_datadog.c */
#include "penstock/query.h"

#include "datadog.h"

#define LETTERS_MAX 26U

/* ---- texts ---- */

bool datadog_query_check(struct datadog *d, const struct json_node *text)
{
    const struct pen_query_options options = {.field = rules_no_field, .as_rule = true};
    struct pen_arena scratch;
    struct pen_expr *unused = NULL;
    struct pen_err err = {0};
    pen_arena_init(&scratch, (size_t)64 << 20);
    const pen_status st = pen_query_parse(&scratch, text->text, &options, &unused, &err);
    pen_arena_fini(&scratch);
    if (st != PEN_OK) {
        datadog_error_in(d, text, err.offset > text->text.len ? 0 : (size_t)err.offset, err.text);
    }
    return st == PEN_OK;
}

static pen_status add_part(struct pen_buf *out, const char *before, pen_slice part)
{
    PEN_TRY(pen_buf_printf(out, "%s%s(", out->len > 0 ? " " : "", before));
    PEN_TRY(pen_buf_add(out, part));
    return pen_buf_add_byte(out, ')');
}

/* Filters were checked before: the ones that are wrong do not matter any more. */
static pen_status add_filters(const struct datadog *d, struct pen_buf *out)
{
    const struct json_node *filters = datadog_get(d->root, "filters", PEN_ARRAY);
    pen_status st = PEN_OK;
    for (const struct json_node *kid = filters == NULL ? NULL : filters->child;
         kid != NULL && st == PEN_OK; kid = kid->next) {
        const bool is_suppressed =
            pen_slice_eq(datadog_text(kid, "action"), PEN_SLICE_LIT("suppress"));
        const pen_slice query = pen_slice_trim(datadog_text(kid, "query"));
        st = query.len == 0 ? PEN_OK : add_part(out, is_suppressed ? "-" : "", query);
    }
    return st;
}

static pen_status put_together(const struct datadog *d, const pen_slice *parts, uint32_t count,
                               struct pen_buf *out)
{
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < count; i++) {
        const pen_slice part = pen_slice_trim(parts[i]);
        st = part.len == 0 ? PEN_OK : add_part(out, "", part);
    }
    return st == PEN_OK ? add_filters(d, out) : st;
}

pen_slice datadog_query_text(struct datadog *d, const struct json_node *at, const pen_slice *parts,
                             uint32_t count)
{
    struct pen_buf text;
    pen_slice made = {0};
    pen_buf_init(&text, PEN_QUERY_BYTES_MAX);
    if (put_together(d, parts, count, &text) != PEN_OK) {
        datadog_error(d, at, "the query, its extension and filters have more than %zu bytes",
                      PEN_QUERY_BYTES_MAX);
    } else {
        made = pen_arena_dup(d->arena, pen_buf_slice(&text));
        PEN_CHECK(made.ptr != NULL);
    }
    pen_buf_fini(&text);
    return made;
}

/* ---- aggregation and its fields ---- */

#define THRESHOLD (1U << PEN_METHOD_THRESHOLD)
#define NEW_VALUE (1U << PEN_METHOD_NEW_VALUE)
#define SEQUENCE (1U << PEN_METHOD_SEQUENCE)
#define TRAVEL (1U << PEN_METHOD_TRAVEL)
#define ANOMALY (1U << PEN_METHOD_ANOMALY)

static const struct aggregation {
    const char *name;
    enum pen_aggregation aggregation;
    uint32_t methods; /* bits of those that take it */
    bool wants_distinct;
    uint32_t metrics_least, metrics_most;
} aggregations[] = {
    {"count", PEN_COUNT_EVENTS, THRESHOLD | SEQUENCE | ANOMALY, false, 0, 0},
    {"cardinality", PEN_CARDINALITY, THRESHOLD | ANOMALY, true, 0, 0},
    {"sum", PEN_SUM, THRESHOLD | ANOMALY, false, 1, 1},
    {"max", PEN_MAX, THRESHOLD, false, 1, 1},
    {"new_value", PEN_CARDINALITY, NEW_VALUE, false, 1, 5},
    {"geo_data", PEN_PLACE, TRAVEL, false, 1, 1},
};

static const struct aggregation *aggregation_of(struct datadog *d, const struct json_node *node,
                                                enum pen_method method)
{
    pen_slice name = datadog_text(node, "aggregation");
    if (name.len == 0) {
        name = PEN_SLICE_LIT("count");
    }
    for (size_t i = 0; i < PEN_COUNT(aggregations); i++) {
        if (pen_slice_eq(name, pen_slice_str(aggregations[i].name)) &&
            ((aggregations[i].methods >> method) & 1U) != 0) {
            return &aggregations[i];
        }
    }
    datadog_error(d, node, "the aggregation %.*s is not one of the detection method %.*s",
                  PEN_SLICE_FMT(name), PEN_SLICE_FMT(datadog_method(d->root)));
    return NULL;
}

/* `metrics`, or the older `metric`. */
static const pen_slice *metrics_of(struct datadog *d, const struct json_node *node, uint32_t *count)
{
    const pen_slice *metrics = datadog_texts(d, node, "metrics", count);
    const pen_slice one = datadog_text(node, "metric");
    if (*count > 0 || one.len == 0) {
        return metrics;
    }
    pen_slice *copy = PEN_NEW(d->arena, pen_slice);
    PEN_CHECK(copy != NULL);
    *copy = one;
    *count = 1;
    return copy;
}

/* The one metric of geo_data stands for the parts of a place. */
static void read_place(struct datadog *d, const struct json_node *node, struct pen_rule_query *out)
{
    static const pen_slice parts[] = {
        PEN_SLICE_LIT("@network.client.geoip.country.iso_code"),
        PEN_SLICE_LIT("@network.client.geoip.city.name"),
        PEN_SLICE_LIT("@network.client.geoip.country.name"),
        PEN_SLICE_LIT("@network.client.geoip.location.latitude"),
        PEN_SLICE_LIT("@network.client.geoip.location.longitude"),
    };
    if (out->value_count == 1 &&
        !pen_slice_eq(out->values[0], PEN_SLICE_LIT("@network.client.geoip"))) {
        datadog_error(d, node, "the metric of geo_data is `@network.client.geoip`, not `%.*s`",
                      PEN_SLICE_FMT(out->values[0]));
    }
    out->values = parts;
    out->value_count = PEN_COUNT(parts);
}

static void read_values(struct datadog *d, const struct json_node *node,
                        const struct aggregation *aggregation, struct pen_rule_query *out)
{
    uint32_t distinct_count = 0;
    uint32_t metric_count = 0;
    const pen_slice *distinct = datadog_texts(d, node, "distinctFields", &distinct_count);
    const pen_slice *metrics = metrics_of(d, node, &metric_count);
    if (aggregation->wants_distinct ? distinct_count == 0 : distinct_count > 0) {
        datadog_error(d, node, "the aggregation %s takes %s `distinctFields`", aggregation->name,
                      aggregation->wants_distinct ? "at least one of" : "no");
    }
    if (distinct_count > DATADOG_VALUES_MAX) {
        datadog_error(d, node, "`distinctFields` has at most %u items", DATADOG_VALUES_MAX);
    }
    if (metric_count < aggregation->metrics_least || metric_count > aggregation->metrics_most) {
        datadog_error(d, node, "the aggregation %s takes %u to %u `metrics`, not %u",
                      aggregation->name, aggregation->metrics_least, aggregation->metrics_most,
                      metric_count);
    }
    out->aggregation = aggregation->aggregation;
    out->values = aggregation->wants_distinct ? distinct : metrics;
    out->value_count = aggregation->wants_distinct ? distinct_count : metric_count;
    if (aggregation->aggregation == PEN_PLACE) {
        read_place(d, node, out);
    }
}

static void read_group_by(struct datadog *d, const struct json_node *node,
                          struct pen_rule_query *out)
{
    out->group_by = datadog_texts(d, node, "groupByFields", &out->group_by_count);
    out->has_optional_group_by = datadog_is_true(node, "hasOptionalGroupByFields");
    if (out->group_by_count > DATADOG_GROUP_BY_MAX) {
        datadog_error(d, node, "`groupByFields` has at most %u items", DATADOG_GROUP_BY_MAX);
        out->group_by_count = 0;
    }
}

/* ---- names ---- */

bool datadog_is_alias(pen_slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        const uint8_t c = name.ptr[i];
        const bool is_letter = c >= 'a' && c <= 'z';
        if (!is_letter && (i == 0 || (c != '_' && (c < '0' || c > '9')))) {
            return false;
        }
    }
    return name.len > 0;
}

pen_slice datadog_query_name(struct datadog *d, const struct json_node *node, uint32_t index,
                             const struct pen_datadog *out)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    const struct json_node *at = datadog_get(node, "name", PEN_STRING);
    pen_slice name = datadog_text(node, "name");
    if (name.len == 0) {
        name = (pen_slice){(const uint8_t *)letters + index % LETTERS_MAX, 1};
    } else if (!datadog_is_alias(name) || name.len > DATADOG_NAME_BYTES_MAX) {
        datadog_error(d, at,
                      "the name of a query is made of a-z, 0-9 and _ and begins with a letter");
    }
    for (uint32_t i = 0; i < index; i++) {
        if (pen_slice_eq(out->queries[i].name, name)) {
            datadog_error(d, at == NULL ? node : at, "another query has the name '%.*s'",
                          PEN_SLICE_FMT(name));
        }
    }
    return name;
}

/* ---- queries ---- */

static pen_slice read_text(struct datadog *d, const struct json_node *node)
{
    const struct json_node *query = datadog_get(node, "query", PEN_STRING);
    const struct json_node *more = datadog_get(node, "customQueryExtension", PEN_STRING);
    if (query == NULL || pen_slice_trim(query->text).len == 0) {
        datadog_error(d, query == NULL ? node : query,
                      "the query is empty: write `*` for every event");
        return (pen_slice){0};
    }
    const bool is_good = datadog_query_check(d, query);
    if ((more != NULL && !datadog_query_check(d, more)) || !is_good) {
        return (pen_slice){0};
    }
    const pen_slice parts[] = {query->text, more == NULL ? (pen_slice){0} : more->text};
    return datadog_query_text(d, node, parts, PEN_COUNT(parts));
}

void datadog_filters_check(struct datadog *d)
{
    const struct json_node *filters = datadog_get(d->root, "filters", PEN_ARRAY);
    for (const struct json_node *kid = filters == NULL ? NULL : filters->child; kid != NULL;
         kid = kid->next) {
        const struct json_node *query = datadog_get(kid, "query", PEN_STRING);
        if (query == NULL || datadog_text(kid, "action").len == 0) {
            datadog_error(d, kid, "a filter has an `action`, require or suppress, and a `query`");
        } else if (pen_slice_trim(query->text).len == 0) {
            datadog_warn(d, query, "the filter has an empty query: it is left out");
        } else {
            (void)datadog_query_check(d, query);
        }
    }
}

static void count_check(struct datadog *d, const struct json_node *queries, enum pen_method method)
{
    const bool has_one = method == PEN_METHOD_NEW_VALUE || method == PEN_METHOD_TRAVEL ||
                         method == PEN_METHOD_ANOMALY;
    if (queries == NULL || queries->count == 0) {
        datadog_error(d, queries == NULL ? d->root : queries, "a rule needs a query");
    } else if (has_one && queries->count != 1) {
        datadog_error(d, queries, "a rule of %.*s has one query",
                      PEN_SLICE_FMT(datadog_method(d->root)));
    }
}

void datadog_queries(struct datadog *d, struct pen_datadog *out)
{
    const struct json_node *list = datadog_get(d->root, "queries", PEN_ARRAY);
    struct pen_rule_query *queries =
        PEN_NEW_N(d->arena, struct pen_rule_query, DATADOG_QUERIES_MAX);
    PEN_CHECK(queries != NULL);
    out->queries = queries;
    datadog_filters_check(d);
    count_check(d, list, out->state.method);
    for (const struct json_node *kid = list == NULL ? NULL : list->child;
         kid != NULL && out->query_count < DATADOG_QUERIES_MAX; kid = kid->next) {
        struct pen_rule_query *query = &queries[out->query_count];
        query->counted_as = out->query_count;
        const struct aggregation *aggregation = aggregation_of(d, kid, out->state.method);
        query->name = datadog_query_name(d, kid, out->query_count, out);
        query->text = read_text(d, kid);
        read_group_by(d, kid, query);
        if (aggregation != NULL) {
            read_values(d, kid, aggregation, query);
        }
        out->query_count++;
    }
}
