#include "sigma_test.h"

#include <stdlib.h>
#include <unistd.h>

#define RULE(queries, tables)                                                                      \
    "{\"id\":\"r\",\"name\":\"n\",\"isEnabled\":true,\"message\":\"m\",\"queries\":[" queries "]," \
    "\"cases\":[{\"status\":\"low\",\"condition\":\"a > "                                          \
    "0\"}],\"options\":{\"evaluationWindow\":0,"                                                   \
    "\"keepAlive\":600,\"maxSignalDuration\":3600},\n\"referenceTables\":[" tables "]}"
#define QUERY "{\"query\":\"@e:x\",\"name\":\"a\"}"
#define TABLE(table, column, path, query, presence)                                       \
    "{\"tableName\":\"" table "\",\"columnName\":\"" column "\",\"logFieldPath\":\"" path \
    "\",\"ruleQueryName\":\"" query "\",\"checkPresence\":" presence "}"

struct table_file {
    char dir[64], path[96];
};

static void table_write(struct table_file *f, const char *text)
{
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/penstock-tables-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof(f->path), "%s/t.csv", f->dir);
    FILE *file = fopen(f->path, "wbe");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static pen_status load(const char *csv, const char *rule, uint64_t rows_max, struct pen_rules **out,
                       struct pen_err *err)
{
    struct table_file f;
    table_write(&f, csv);
    const struct pen_rule_text text = {"f.json", pen_slice_str(rule)};
    const struct pen_reference_table table = {.name = "users", .path = f.path};
    const struct pen_rules_options options = {.texts = &text,
                                              .text_count = 1,
                                              .tables = &table,
                                              .table_count = 1,
                                              .table_rows_max = rows_max,
                                              .table_bytes_max = 4096};
    const pen_status st = pen_rules_load(&options, out, err);
    assert_int_equal(unlink(f.path) + rmdir(f.dir), 0);
    return st;
}

static struct pen_rules *loaded(const char *csv, const char *rule)
{
    struct pen_rules *rules = NULL;
    struct pen_err err = {0};
    if (load(csv, rule, 100, &rules, &err) != PEN_OK) {
        fail_msg("%s", err.text);
    }
    return rules;
}

#define CSV "name,id\nalice,1\n\"bob, b\",2\n,3\n\ncarol,\n"

static void an_event_has_to_be_in_the_table_or_not(void **state)
{
    (void)state;
    struct pen_rules *in = loaded(CSV, RULE(QUERY, TABLE("users", "name", "@u", "a", "true")));
    struct pen_rules *out = loaded(CSV, RULE(QUERY, TABLE("users", "id", "@u", "a", "false")));
    assert_int_equal(pen_rules_rejected(in) + pen_rules_rejected(out), 0);
    static const struct {
        const char *event;
        uint32_t in, out;
    } rows[] = {{"{\"e\":\"x\",\"u\":\"alice\"}", 1, 1},
                {"{\"e\":\"y\",\"u\":\"alice\"}", 0, 0},
                {"{\"e\":\"x\",\"u\":\"Alice\"}", 0, 1},
                {"{\"e\":\"x\",\"u\":\"bob, b\"}", 1, 1},
                {"{\"e\":\"x\",\"u\":[\"zed\",\"carol\"]}", 1, 1},
                {"{\"e\":\"x\",\"u\":\"\"}", 0, 1},
                {"{\"e\":\"x\",\"u\":null}", 0, 1},
                {"{\"e\":\"x\"}", 0, 1},
                {"{\"e\":\"x\",\"u\":3}", 0, 0},
                {"{\"e\":\"x\",\"u\":[9,2]}", 0, 0},
                {"{\"e\":\"x\",\"u\":\"name\"}", 0, 1}};
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        if (matches_of(in, rows[i].event) != rows[i].in ||
            matches_of(out, rows[i].event) != rows[i].out) {
            fail_msg("%s", rows[i].event);
        }
    }
    pen_rules_free(in);
    pen_rules_free(out);
}

static void tables_are_of_one_query_and_all_have_to_hold(void **state)
{
    (void)state;
    struct pen_rules *rules = loaded(CSV, RULE(QUERY ",{\"query\":\"@e:x\"}",
                                               TABLE("users", "name", "@u", "b", "true") "," TABLE(
                                                   "users", "id", "@i", "b", "false")));
    assert_int_equal(pen_rules_rejected(rules), 0);
    const struct pen_datadog *got = pen_rules_at(rules, 0)->datadog;
    assert_int_equal(got->queries[0].table_count, 0);
    assert_int_equal(got->queries[1].table_count, 2);
    static const struct {
        const char *event, *queries;
    } rows[] = {{"{\"e\":\"x\",\"u\":\"alice\",\"i\":7}", "a b"},
                {"{\"e\":\"x\",\"u\":\"alice\",\"i\":1}", "a"},
                {"{\"e\":\"x\",\"u\":\"zed\",\"i\":7}", "a"}};
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        char names[64];
        queries_of(rules, rows[i].event, names, sizeof(names));
        assert_string_equal(names, rows[i].queries);
    }
    pen_rules_free(rules);
}

static void what_is_wrong_with_a_reference_has_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *notice;
    } rows[] = {
        {RULE(QUERY, TABLE("accounts", "name", "@u", "a", "true")),
         "f.json:2:33: there is no reference table 'accounts': `reference_tables` of penstock.yaml "
         "names its file"},
        {RULE(QUERY, TABLE("users", "nam", "@u", "a", "true")),
         "f.json:2:54: the reference table 'users' has no column 'nam' but name, id"},
        {RULE(QUERY, TABLE("users", "name", "@u", "q", "true")),
         "f.json:2:97: no query of this rule has the name 'q'"},
        {RULE(QUERY ",{\"query\":\"*\"}", TABLE("users", "name", "@u", "", "true")),
         "f.json:2:20: of several queries, `ruleQueryName` says"},
        {RULE(QUERY, "{\"tableName\":\"users\",\"columnName\":\"id\",\"logFieldPath\":\"@u\"}"),
         "f.json:2:20: a reference table needs `checkPresence`"},
        {RULE(QUERY, "{\"tableName\":\"users\",\"columnName\":\"id\",\"checkPresence\":true}"),
         "f.json:2:20: a reference table needs `logFieldPath`"},
    };
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct pen_rules *rules = loaded(CSV, rows[i].rule);
        expect_notice(rules, PEN_NOTICE_ERROR, rows[i].notice);
        assert_int_equal(pen_rules_rejected(rules), 1);
        pen_rules_free(rules);
    }
    struct pen_rules *rules =
        loaded(CSV, RULE(QUERY, TABLE("users", "name", "usr.id", "", "true")));
    expect_notice(rules, PEN_NOTICE_WARNING, "f.json:2:76: without @ this is the name of a tag");
    assert_int_equal(pen_rules_rejected(rules), 0);
    pen_rules_free(rules);
}

static void what_is_no_table_is_refused_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *csv, *why;
    } rows[] = {{"a,b\n1,2\n3\n", ":3: not as many cells as the first line"},
                {"a,b\n1,2,3\n", ":2: not as many cells as the first line"},
                {"a,a\n", ":1: two columns have one name"},
                {"a,\n", ":1: a column without a name"},
                {"", ":1: a column without a name"},
                {"a\n\"x", ":2: quotes without an end"},
                {"a\n1\n2\n\n3\n4\n", ":6: more than 3 rows (tables.rows_max)"}};
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct pen_rules *rules = NULL;
        struct pen_err err = {0};
        assert_int_equal(load(rows[i].csv, "", 3, &rules, &err), PEN_E_CONFIG);
        if (strstr(err.text, rows[i].why) == NULL || strstr(err.text, "users") == NULL) {
            fail_msg("%s, not %s", err.text, rows[i].why);
        }
    }
}

static void what_a_table_holds_is_in_the_hash_when_a_rule_names_it(void **state)
{
    static const char rule[] = RULE(QUERY, TABLE("users", "name", "@u", "a", "true"));
    (void)state;
    struct pen_rules *sets[] = {loaded("name\na\n", rule), loaded("name\na\n", rule),
                                loaded("name\nb\n", rule)};
    struct pen_hash128 hashes[3];
    for (size_t i = 0; i < PEN_COUNT(sets); i++) {
        hashes[i] = pen_rules_hash(sets[i]);
        pen_rules_free(sets[i]);
    }
    assert_true(hashes[0].lo == hashes[1].lo && hashes[0].hi == hashes[1].hi);
    assert_false(hashes[0].lo == hashes[2].lo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_has_to_be_in_the_table_or_not),
        cmocka_unit_test(tables_are_of_one_query_and_all_have_to_hold),
        cmocka_unit_test(what_is_wrong_with_a_reference_has_its_place),
        cmocka_unit_test(what_is_no_table_is_refused_with_its_line),
        cmocka_unit_test(what_a_table_holds_is_in_the_hash_when_a_rule_names_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
