/* tested by tests/unit/detect/test_datadog.c */
#include "datadog.h"

/* Bits of the places in group_by that the names have; a name that the query lacks is told. */
static uint32_t places_of(struct datadog *d, const struct json_node *list,
                          const struct pen_rule_query *query, const pen_slice *names,
                          uint32_t count)
{
    uint32_t places = 0;
    for (uint32_t n = 0; n < count; n++) {
        uint32_t at = 0;
        while (at < query->group_by_count && !pen_slice_eq(query->group_by[at], names[n])) {
            at++;
        }
        if (at == query->group_by_count) {
            datadog_error(d, list,
                          "`groupSignalsBy` has '%.*s', by which query %.*s does not group",
                          PEN_SLICE_FMT(names[n]), PEN_SLICE_FMT(query->name));
        } else {
            places |= 1U << at;
        }
    }
    return places;
}

/* Queries meet by place, and so do the groups of their signals. */
static bool is_alike(struct datadog *d, const struct json_node *list, const struct pen_datadog *out,
                     const uint32_t *places)
{
    for (uint32_t q = 1; q < out->query_count; q++) {
        if (places[q] != places[0] ||
            out->queries[q].group_by_count != out->queries[0].group_by_count) {
            datadog_error(
                d, list,
                "`groupSignalsBy` with fewer fields than the queries: query %.*s has them "
                "at other places in its group-by, or groups by another number of fields",
                PEN_SLICE_FMT(out->queries[q].name));
            return false;
        }
    }
    return true;
}

static void join(struct datadog *d, struct pen_datadog *out, uint32_t places)
{
    uint32_t *joined = PEN_NEW_N(d->arena, uint32_t, DATADOG_GROUP_BY_MAX);
    uint32_t count = 0;
    PEN_CHECK(joined != NULL);
    for (uint32_t i = 0; i < DATADOG_GROUP_BY_MAX; i++) {
        if (((places >> i) & 1U) != 0) {
            joined[count++] = i;
        }
    }
    for (uint32_t q = 0; q < out->query_count; q++) {
        struct pen_rule_query *query = pen_unconst(&out->queries[q]);
        query->joined = joined;
        query->joined_count = count;
    }
}

void datadog_joined(struct datadog *d, struct pen_datadog *out)
{
    const struct json_node *list = datadog_get(d->root, "groupSignalsBy", PEN_ARRAY);
    uint32_t count = 0;
    const pen_slice *names = datadog_texts(d, d->root, "groupSignalsBy", &count);
    uint32_t places[PEN_RULE_QUERIES_MAX] = {0};
    bool is_less = false;
    for (uint32_t q = 0; count > 0 && q < out->query_count; q++) {
        places[q] = places_of(d, list, &out->queries[q], names, count);
        is_less |= (uint32_t)__builtin_popcount(places[q]) < out->queries[q].group_by_count;
    }
    if (!is_less || d->errors > 0) {
        return;
    }
    if (out->is_third_party) {
        datadog_error(d, list, "signals of third_party are grouped by all fields of a root query");
    } else if (is_alike(d, list, out, places)) {
        join(d, out, places[0]);
    }
}
