/* tested by tests/unit/detect/test_datadog.c */
#include "penstock/query.h"

#include "datadog.h"

#include <stdio.h>

#define ROOTS_MAX 64U
#define ROLL_UP_S 86400
#define NAME_BYTES 32U

/*
 * An event belongs to the first root query that it matches, and its severity is that of the first
 * case that it matches, else the default.  Root queries that group by the same fields are one
 * grouping; each grouping with each case is a query of its own, true of single events, and counts
 * for its case.
 */
struct grouping {
    const struct json_node *root; /* the first of its root queries */
    const pen_slice *fields;
    uint32_t field_count;
    pen_slice text; /* what belongs to it */
};
struct third_party {
    struct datadog *d;
    struct pen_datadog *out;
    const struct json_node *roots[ROOTS_MAX];
    uint32_t root_count, grouping_of[ROOTS_MAX];
    struct grouping groupings[ROOTS_MAX];
    uint32_t grouping_count;
    const struct json_node *cases[DATADOG_CASES_MAX];
    uint32_t case_count;
    struct pen_rule_query *queries;
    struct pen_rule_case *made;
};

/* ---- what the rule says ---- */

static uint32_t grouping_find(struct third_party *t, const struct json_node *root)
{
    uint32_t count = 0;
    const pen_slice *fields = datadog_texts(t->d, root, "groupByFields", &count);
    for (uint32_t i = 0; i < t->grouping_count; i++) {
        bool is_same = t->groupings[i].field_count == count;
        for (uint32_t k = 0; is_same && k < count; k++) {
            is_same = pen_slice_eq(t->groupings[i].fields[k], fields[k]);
        }
        if (is_same) {
            return i;
        }
    }
    t->groupings[t->grouping_count] =
        (struct grouping){.root = root, .fields = fields, .field_count = count};
    if (count > DATADOG_GROUP_BY_MAX) {
        datadog_error(t->d, root, "`groupByFields` has at most %u items", DATADOG_GROUP_BY_MAX);
    }
    return t->grouping_count++;
}

static void check_text(struct third_party *t, const struct json_node *node)
{
    const struct json_node *query = datadog_get(node, "query", PEN_STRING);
    if (query == NULL || pen_slice_trim(query->text).len == 0) {
        datadog_error(t->d, query == NULL ? node : query,
                      "the query is empty: write `*` for every event");
    } else {
        (void)datadog_query_check(t->d, query);
    }
}

static void read_roots(struct third_party *t, const struct json_node *options)
{
    const struct json_node *list = datadog_get(options, "rootQueries", PEN_ARRAY);
    const struct json_node *root = list == NULL ? NULL : list->child;
    if (root == NULL) {
        datadog_error(t->d, options == NULL ? t->d->root : options,
                      "third_party needs `thirdPartyRuleOptions` with a root query");
    }
    for (; root != NULL; root = root->next) {
        if (t->root_count == ROOTS_MAX) {
            datadog_error(t->d, root, "more than %u root queries", ROOTS_MAX);
            return;
        }
        check_text(t, root);
        t->grouping_of[t->root_count] = grouping_find(t, root);
        t->roots[t->root_count++] = root;
    }
}

static void read_cases(struct third_party *t)
{
    const struct json_node *list = datadog_get(t->d->root, "thirdPartyCases", PEN_ARRAY);
    for (const struct json_node *kid = list == NULL ? NULL : list->child;
         kid != NULL && t->case_count < DATADOG_CASES_MAX; kid = kid->next) {
        check_text(t, kid);
        t->cases[t->case_count++] = kid;
    }
}

/* ---- texts ---- */

static pen_status put_query(struct pen_buf *out, const char *before, const struct json_node *node)
{
    PEN_TRY(pen_buf_add(out, pen_slice_str(before)));
    PEN_TRY(pen_buf_add(out, datadog_text(node, "query")));
    return pen_buf_add_byte(out, ')');
}

/* A root query, and none of those of other groupings before it. */
static pen_status put_root(const struct third_party *t, uint32_t root, struct pen_buf *out)
{
    pen_status st = put_query(out, out->len == 0 ? "((" : " OR ((", t->roots[root]);
    for (uint32_t i = 0; st == PEN_OK && i < root; i++) {
        if (t->grouping_of[i] != t->grouping_of[root]) {
            st = put_query(out, " -(", t->roots[i]);
        }
    }
    return st == PEN_OK ? pen_buf_add_byte(out, ')') : st;
}

/* Events whose first root query is one of the grouping. */
static void grouping_text(struct third_party *t, uint32_t index)
{
    struct pen_buf text;
    pen_status st = PEN_OK;
    pen_buf_init(&text, PEN_QUERY_BYTES_MAX);
    for (uint32_t i = 0; st == PEN_OK && i < t->root_count; i++) {
        st = t->grouping_of[i] == index ? put_root(t, i, &text) : PEN_OK;
    }
    if (st != PEN_OK) {
        datadog_error(t->d, t->groupings[index].root,
                      "the root queries together have more than %zu bytes", PEN_QUERY_BYTES_MAX);
    }
    t->groupings[index].text = pen_arena_dup(t->d->arena, pen_buf_slice(&text));
    pen_buf_fini(&text);
}

static pen_slice name_made(struct third_party *t, uint32_t grouping, uint32_t index)
{
    char text[NAME_BYTES];
    const bool is_default = index == t->case_count;
    int len = is_default ? snprintf(text, sizeof(text), "default")
                         : snprintf(text, sizeof(text), "case_%u", index + 1);
    PEN_CHECK(len > 0);
    if (grouping > 0) {
        len += snprintf(text + len, sizeof(text) - (size_t)len, "_group_%u", grouping + 1);
    }
    return pen_arena_dup(t->d->arena, (pen_slice){(uint8_t *)text, (size_t)len});
}

/* ---- queries and cases ---- */

static void add_query(struct third_party *t, uint32_t grouping, uint32_t index)
{
    const struct grouping *g = &t->groupings[grouping];
    const struct json_node *at = index == t->case_count ? g->root : t->cases[index];
    const pen_slice parts[] = {g->text,
                               index == t->case_count ? (pen_slice){0} : datadog_text(at, "query")};
    t->queries[t->out->query_count++] =
        (struct pen_rule_query){.name = name_made(t, grouping, index),
                                .text = datadog_query_text(t->d, at, parts, PEN_COUNT(parts)),
                                .aggregation = PEN_COUNT_EVENTS,
                                .group_by = g->fields,
                                .group_by_count = g->field_count,
                                .counted_as = index};
}

static pen_slice condition_made(struct third_party *t, uint32_t index)
{
    char text[NAME_BYTES + 8];
    const int len = snprintf(text, sizeof(text), "%.*s > 0", PEN_SLICE_FMT(t->queries[index].name));
    PEN_CHECK(len > 0 && (size_t)len < sizeof(text));
    return pen_arena_dup(t->d->arena, (pen_slice){(uint8_t *)text, (size_t)len});
}

static void add_case(struct third_party *t, uint32_t index, pen_slice default_status)
{
    struct pen_rule_case *made = &t->made[t->out->case_count++];
    made->condition = condition_made(t, index);
    if (index == t->case_count) {
        (void)datadog_severity(default_status, &made->severity);
        return;
    }
    made->name = datadog_text(t->cases[index], "name");
    if (!datadog_severity(datadog_text(t->cases[index], "customStatus"), &made->severity)) {
        (void)datadog_severity(datadog_text(t->cases[index], "status"), &made->severity);
    }
}

static void put_together(struct third_party *t, pen_slice default_status)
{
    const struct json_node *at[PEN_STATE_CASES_MAX];
    for (uint32_t g = 0; g < t->grouping_count; g++) {
        grouping_text(t, g);
        for (uint32_t i = 0; i <= t->case_count; i++) {
            add_query(t, g, i);
        }
    }
    for (uint32_t i = 0; i <= t->case_count; i++) {
        add_case(t, i, default_status);
        at[i] = t->d->root;
    }
    datadog_cases_state(t->d, t->out, at);
}

/* A signal for each group in a day; events of no group are signals by themselves. */
static void set_roll_up(const struct third_party *t)
{
    bool is_grouped = false;
    for (uint32_t i = 0; i < t->grouping_count; i++) {
        is_grouped |= t->groupings[i].field_count > 0;
    }
    t->out->state.keep_alive_ns = is_grouped ? ROLL_UP_S * PEN_NS_PER_S : 0;
    t->out->state.duration_max_ns = t->out->state.keep_alive_ns;
}

void datadog_third_party(struct datadog *d, struct pen_datadog *out)
{
    const struct json_node *options = datadog_get(datadog_get(d->root, "options", PEN_OBJECT),
                                                  "thirdPartyRuleOptions", PEN_OBJECT);
    const pen_slice default_status = datadog_text(options, "defaultStatus");
    struct third_party *t = PEN_NEW(d->arena, struct third_party);
    PEN_CHECK(t != NULL);
    t->d = d;
    t->out = out;
    t->queries = PEN_NEW_N(d->arena, struct pen_rule_query, PEN_RULE_QUERIES_MAX);
    t->made = PEN_NEW_N(d->arena, struct pen_rule_case, PEN_STATE_CASES_MAX);
    PEN_CHECK(t->queries != NULL && t->made != NULL);
    out->queries = t->queries;
    out->cases = t->made;
    out->is_third_party = true;
    datadog_filters_check(d);
    read_roots(t, options);
    read_cases(t);
    if (default_status.len == 0) {
        datadog_error(d, options == NULL ? d->root : options, "third_party needs `defaultStatus`");
    }
    const uint32_t queries = t->grouping_count * (t->case_count + 1);
    if (queries > PEN_RULE_QUERIES_MAX) {
        datadog_error(d, options,
                      "third_party is not built for so many parts: %u groupings of root queries "
                      "with %u cases and the default are %u queries, %u is the most",
                      t->grouping_count, t->case_count, queries, PEN_RULE_QUERIES_MAX);
    }
    if (d->errors == 0) {
        put_together(t, default_status);
        set_roll_up(t);
    }
}
