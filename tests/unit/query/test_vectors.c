/*
 * The public vectors of two other programs that read the same language, when they are at hand: each
 * row is a query and events that it takes or leaves.  Where we answer otherwise, the row is in the
 * table below with the reason; a row of the table that has come to agree fails, too.
 */
#include "query_test.h"

#include <stdio.h>
#include <stdlib.h>

#define TEXT_RANGE "texts are not compared by order: refused, never silently something else"
#define NO_FIELD_RANGE "a range needs a field"
#define NUMBERS "a text that is a number is compared as a number"
#define QUOTED_NAME "an escaped quote is a character of the name"
#define TAG_NUMBERS "the value of a tag is compared as a number"

static const struct difference {
    const char *query, *why;
} differences[] = {
    {"-[50 TO *]", NO_FIELD_RANGE},
    {"-[\"4\" TO *]", NO_FIELD_RANGE},
    {"-[\"50\" TO *]", NO_FIELD_RANGE},
    {"-[* TO 4]", NO_FIELD_RANGE},
    {"NOT [* TO 400]", NO_FIELD_RANGE},
    {"NOT [* TO \"4\"]", NO_FIELD_RANGE},
    {"-[* TO \"4\"]", NO_FIELD_RANGE},
    {"NOT [* TO \"400\"]", NO_FIELD_RANGE},
    {"[\"1\" TO \"6\"]", NO_FIELD_RANGE},
    {"-[\"1\" TO \"6\"]", NO_FIELD_RANGE},
    {"a:[\"4\" TO *]", TEXT_RANGE},
    {"NOT a:[\"4\" TO *]", TEXT_RANGE},
    {"-a:[\"4\" TO *]", TEXT_RANGE},
    {"-a:[* TO 4]", TAG_NUMBERS},
    {"a:[* TO 400]", TAG_NUMBERS},
    {"-a:[* TO 400]", TAG_NUMBERS},
    {"a:[* TO \"4\"]", TEXT_RANGE},
    {"NOT a:[* TO \"4\"]", TEXT_RANGE},
    {"a:[* TO \"400\"]", TEXT_RANGE},
    {"a:[1 TO 6]", TAG_NUMBERS},
    {"a:[\"1\" TO \"6\"]", TEXT_RANGE},
    {"-a:[\"1\" TO \"6\"]", TEXT_RANGE},
    {"@a:[\"4\" TO *]", TEXT_RANGE},
    {"NOT @a:[\"4\" TO *]", TEXT_RANGE},
    {"-@a:[\"4\" TO *]", TEXT_RANGE},
    {"-@a:[* TO \"400\"]", TEXT_RANGE},
    {"NOT @a:[\"1\" TO \"6\"]", TEXT_RANGE},
    {"-@a:[\"1\" TO \"60\"]", TEXT_RANGE},
    {"{1 TO 2}", NO_FIELD_RANGE},
    {"{1 TO *}", NO_FIELD_RANGE},
    {"NOT {1 TO *}", NO_FIELD_RANGE},
    {"-{1 TO *}", NO_FIELD_RANGE},
    {"-{* TO 3}", NO_FIELD_RANGE},
    {"@\\\"a-b\\\":1", QUOTED_NAME},
    {"[1 TO 10]", NO_FIELD_RANGE},
    {"NOT [1 TO 10]", NO_FIELD_RANGE},
    {"-[1 TO 10]", NO_FIELD_RANGE},
    {"a:[* TO 50]", TAG_NUMBERS},
    {"-a:[* TO 50]", TAG_NUMBERS},
    {"@b:[1 TO 100]", NUMBERS},
    {"NOT @b:[1 TO 100]", NUMBERS},
    {"@b:[a TO z]", TEXT_RANGE},
    {"-@b:[\"1\" TO \"100\"]", TEXT_RANGE},
};

enum { FIELD_QUERY, FIELD_EVENT, FIELD_EXPECTED, FIELD_MATCH, FIELD_NO_MATCH };

struct vectors {
    struct pen_arena arena; /* of one row */
    struct names names;
    bool used[PEN_COUNT(differences)];
    uint32_t rows, verdicts, different;
};

static struct pen_walker *walker_over(const struct pen_plan *plan)
{
    const struct pen_walker_options options = {.window_bytes_max = (size_t)1 << 20,
                                               .record_bytes_max = (size_t)1 << 20};
    struct pen_walker *walker = NULL;
    struct pen_err err;
    assert_int_equal(pen_walker_new(plan, &options, &walker, &err), PEN_OK);
    return walker;
}

/* A copy with the padding that a walk wants. */
static pen_slice padded(struct vectors *v, pen_slice text)
{
    uint8_t *copy = pen_arena_alloc(&v->arena, text.len + PEN_JSON_PADDING, 1);
    assert_non_null(copy);
    memcpy(copy, text.ptr, text.len);
    return (pen_slice){copy, text.len};
}

static void add_path(struct pen_plan *plan, uint32_t field, pen_slice dotted)
{
    pen_slice steps[16];
    uint32_t count = 0;
    while (count < PEN_COUNT(steps) && pen_slice_split(&dotted, '.', &steps[count])) {
        count++;
    }
    assert_int_equal(pen_plan_path(plan, field, steps, count), PEN_OK);
}

static bool is_root_name(pen_slice name)
{
    static const char *const roots[] = {"host",     "source",  "status",    "service",
                                        "trace_id", "message", "timestamp", "tags"};
    for (size_t i = 0; i < PEN_COUNT(roots); i++) {
        if (pen_slice_eq(name, pen_slice_str(roots[i]))) {
            return true;
        }
    }
    return false;
}

/* Attributes are paths, reserved names are members of the root, other names are found in tags. */
static struct pen_plan *plan_of(const struct names *names)
{
    struct pen_plan *plan = pen_plan_new();
    assert_non_null(plan);
    for (uint32_t i = 0; i < names->count; i++) {
        const pen_slice name = names->items[i];
        assert_int_equal(pen_plan_field_new(plan), i);
        if (name.ptr[0] == '@') {
            add_path(plan, i, pen_slice_sub(name, 1, name.len));
        } else if (is_root_name(name)) {
            add_path(plan, i, name);
        }
    }
    const uint32_t tags = pen_plan_field_new(plan);
    assert_int_equal(tags, names->count);
    add_path(plan, tags, PEN_SLICE_LIT("tags"));
    add_path(plan, tags, PEN_SLICE_LIT("ddtags"));
    pen_plan_seal(plan);
    return plan;
}

static void add_tags(const struct names *names, struct pen_walker *walker,
                     struct pen_record *record)
{
    const struct pen_value *tag = pen_record_first(record, names->count);
    while (tag != NULL) {
        pen_slice value = tag->text;
        const pen_slice whole = value;
        pen_slice key;
        const bool is_pair = pen_slice_split(&value, ':', &key) && value.ptr != NULL;
        for (uint32_t i = 0; i < names->count; i++) {
            const pen_slice name = names->items[i];
            if (pen_slice_eq(name, PEN_SLICE_LIT("tags"))) {
                assert_true(pen_walker_value_add(walker, record, i, PEN_STRING, whole));
            } else if (is_pair && pen_slice_eq(name, key) && !is_root_name(name)) {
                assert_true(pen_walker_value_add(walker, record, i, PEN_STRING, value));
            }
        }
        tag = pen_value_next(record, tag);
    }
}

static bool takes(struct vectors *v, const struct pen_expr *expr, pen_slice event)
{
    struct pen_plan *plan = plan_of(&v->names);
    struct pen_walker *walker = walker_over(plan);
    struct pen_record record;
    struct pen_err err;
    assert_int_equal(pen_walker_one(walker, padded(v, event), &record, &err), PEN_NEXT_RECORD);
    add_tags(&v->names, walker, &record);
    const bool verdict = pen_expr_eval(expr, &record, NULL, NULL);
    pen_walker_free(walker);
    pen_plan_free(plan);
    return verdict;
}

static void tell(struct vectors *v, pen_slice query, bool agrees, const char *said)
{
    for (size_t i = 0; i < PEN_COUNT(differences); i++) {
        if (pen_slice_eq(query, pen_slice_str(differences[i].query))) {
            v->used[i] = v->used[i] || !agrees;
            v->different += !agrees;
            return;
        }
    }
    if (!agrees) {
        print_error("%.*s: %s\n", PEN_SLICE_FMT(query), said);
        v->different += 1000;
    }
}

static void check_row(struct vectors *v, const struct pen_record *row)
{
    const struct pen_value *raw = pen_record_first(row, FIELD_QUERY);
    const struct pen_value *expected = pen_record_first(row, FIELD_EXPECTED);
    static const uint32_t fields[] = {FIELD_EVENT, FIELD_MATCH, FIELD_NO_MATCH};
    struct pen_expr *expr = NULL;
    struct pen_err err;
    uint8_t text[1024];
    assert_true(raw != NULL && raw->text.len <= sizeof(text));
    const pen_slice query = {text, pen_json_unescape(raw->text, text)};
    pen_arena_init(&v->arena, (size_t)64 << 20);
    v->names = (struct names){.arena = &v->arena};
    const struct pen_query_options options = {
        .field = name_id, .field_ctx = &v->names, .as_rule = true};
    v->rows++;
    if (pen_query_parse(&v->arena, query, &options, &expr, &err) != PEN_OK) {
        tell(v, query, false, err.text);
        pen_arena_fini(&v->arena);
        return;
    }
    bool agrees = true;
    for (size_t i = 0; i < PEN_COUNT(fields); i++) {
        const struct pen_value *event = pen_record_first(row, fields[i]);
        if (event != NULL) {
            const bool want =
                fields[i] == FIELD_MATCH ||
                (fields[i] == FIELD_EVENT && pen_slice_eq(expected->text, PEN_SLICE_LIT("true")));
            agrees = takes(v, expr, event->text) == want && agrees;
            v->verdicts++;
        }
    }
    tell(v, query, agrees, "the other verdict");
    pen_arena_fini(&v->arena);
}

static void check_file(struct vectors *v, const char *folder, const char *name)
{
    static const char *const members[] = {"query", "event", "expected", "match", "no_match"};
    char path[4096];
    char *line = NULL;
    size_t cap = 0;
    struct pen_plan *plan = pen_plan_new();
    assert_non_null(plan);
    for (uint32_t i = 0; i < PEN_COUNT(members); i++) {
        assert_int_equal(pen_plan_field_new(plan), i);
        add_path(plan, i, pen_slice_str(members[i]));
    }
    pen_plan_seal(plan);
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (ssize_t n = getline(&line, &cap, file); n > 0; n = getline(&line, &cap, file)) {
        struct pen_walker *walker = walker_over(plan);
        struct pen_record row;
        struct pen_err err;
        uint8_t *text = calloc(1, (size_t)n + PEN_JSON_PADDING);
        assert_non_null(text);
        memcpy(text, line, (size_t)n);
        const pen_slice raw = {text, (size_t)n};
        assert_int_equal(pen_walker_one(walker, raw, &row, &err), PEN_NEXT_RECORD);
        check_row(v, &row);
        pen_walker_free(walker);
        free(text);
    }
    free(line);
    assert_int_equal(fclose(file), 0);
    pen_plan_free(plan);
}

static void verdicts_are_those_of_others_but_for_known_differences(void **state)
{
    (void)state;
    static struct vectors v;
    const char *folder = getenv("PENSTOCK_DATA");
    if (folder == NULL) {
        printf("skipped: PENSTOCK_DATA is not set\n");
        skip();
    }
    check_file(&v, folder, "vectordotdev+vrl/_extracted/match_datadog_query.jsonl");
    check_file(&v, folder, "vectordotdev+vector/_extracted/datadog_search.jsonl");
    printf("%u rows, %u verdicts, %u rows differ\n", v.rows, v.verdicts, v.different);
    for (size_t i = 0; i < PEN_COUNT(differences); i++) {
        if (!v.used[i]) {
            print_error("%s: no longer differs (%s)\n", differences[i].query, differences[i].why);
            v.different += 1000;
        }
    }
    assert_int_equal(v.rows, 135);
    assert_true(v.different < 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_are_those_of_others_but_for_known_differences)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
