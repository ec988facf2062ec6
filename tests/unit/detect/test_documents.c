#include "sigma_test.h"

#define DETECTION "detection: {s: {f: 1}, condition: s}\n"
#define LOGSOURCE "logsource: {product: aws, service: cloudtrail}\n"
#define ID1 "11111111-2222-3333-4444-555555555555"
#define ID2 "11111111-2222-3333-4444-666666666666"

/* One document that is refused for one reason at one place. */
static void expect_refused(const char *text, const char *prefix)
{
    struct pen_rules *rules = load_text(text);
    assert_int_equal(pen_rules_count(rules), 0);
    assert_int_equal(pen_rules_rejected(rules), 1);
    expect_notice(rules, PEN_NOTICE_ERROR, prefix);
    pen_rules_free(rules);
}

static void expect_warning(const char *text, const char *prefix)
{
    struct pen_rules *rules = load_text(text);
    if (pen_rules_count(rules) != 1) {
        print_notices(rules);
        fail_msg("%s is refused", text);
    }
    expect_notice(rules, PEN_NOTICE_WARNING, prefix);
    pen_rules_free(rules);
}

static void slice_is(pen_slice got, const char *want)
{
    if (!pen_slice_eq(got, pen_slice_str(want))) {
        fail_msg("'%.*s' is not '%s'", PEN_SLICE_FMT(got), want);
    }
}

static void what_describes_a_rule_is_kept(void **state)
{
    (void)state;
    struct pen_rules *rules = load_text(
        "title: A title\nid: 11111111222233334444AAAAAAAAAAAA\nname: handle\nstatus: Test\n"
        "level: HIGH\ndescription: d\nauthor: a\nlicense: l\ndate: 2024-02-29\n"
        "modified: 2025/3/4\nreferences: [r]\nfields: [f]\nscope: [s]\nfalsepositives: [x, y]\n"
        "related: [{id: " ID1 ", type: derived}, {id: " ID2 ", type: obsoletes}]\n"
        "tags: [attack.t1078.004, attack.initial-access, attack.privilege_escalation, "
        "attack.g0007, attack.stealth, cve.2021-44228]\n"
        "custom: {any: thing}\ntaxonomy: sigma\n" LOGSOURCE DETECTION);
    print_notices(rules);
    assert_int_equal(pen_rules_count(rules), 1);
    assert_int_equal(pen_rules_notice_count(rules), 1); /* obsoletes */
    const struct pen_rule *rule = pen_rules_at(rules, 0);
    slice_is(rule->id, "11111111-2222-3333-4444-aaaaaaaaaaaa");
    slice_is(rule->title, "A title");
    slice_is(rule->version, "2025/3/4");
    slice_is(rule->description, "d");
    slice_is(rule->message, "d");
    assert_int_equal(rule->severity, PEN_HIGH);
    assert_int_equal(rule->technique_count, 1);
    slice_is(rule->techniques[0], "T1078.004");
    assert_int_equal(rule->tactic_count, 3);
    slice_is(rule->tactics[0], "initial-access");
    slice_is(rule->tactics[1], "privilege-escalation");
    slice_is(rule->tactics[2], "stealth");
    assert_int_equal(rule->tag_count, 6);
    assert_int_equal(rule->falsepositive_count, 2);
    assert_int_equal(rule->line, 1);
    pen_rules_free(rules);
}

static void the_message_is_what_happened_how_to_look_and_what_to_do(void **state)
{
    (void)state;
    static const struct {
        const char *lines, *message;
    } rows[] = {
        {"description: >\n  a\n  b\ntriage: >\n  c\nresponse: e\n",
         "a b\n\nTriage: c\n\nResponse: e"},
        {"description: a\nresponse: |\n  b\n  c\n", "a\n\nResponse: b\nc"},
        {"triage: c\n", "Triage: c"},
        {"description: ''\nresponse: e\n", "Response: e"},
        {"description: a\n", "a"},
        {"", ""},
        {"triage: [a]\nresponse: {b: c}\n", ""}, /* somebody else's members */
        {"triage: 5\nresponse: null\n", ""},
    };
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        char text[512];
        (void)snprintf(text, sizeof(text), "title: t\n%s%s", rows[i].lines, LOGSOURCE DETECTION);
        struct pen_rules *rules = load_text(text);
        assert_int_equal(pen_rules_notice_count(rules), 0);
        assert_int_equal(pen_rules_count(rules), 1);
        slice_is(pen_rules_at(rules, 0)->message, rows[i].message);
        pen_rules_free(rules);
    }
}

static void wrong_descriptions_are_refused_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *lines, *prefix;
    } rows[] = {
        {"", "r.yml:1:1: `title` is missing"},
        {"title: 5\n", "r.yml:1:8: `title` is a text"},
        {"title: [a]\n", "r.yml:1:8: `title` is a text"},
        {"title: t\nid: 5\n", "r.yml:2:5: `id` is a text"},
        {"title: t\nid: abc\n", "r.yml:2:5: `id` 'abc' is no UUID"},
        {"title: t\nid: " ID1 "0\n", "r.yml:2:5: `id` "},
        {"title: t\nname: ''\n", "r.yml:2:7: `name` is empty"},
        {"title: t\nname: [n]\n", "r.yml:2:7: `name` is a text"},
        {"title: t\ntaxonomy: ecs\n", "r.yml:2:11: no mapping is known"},
        {"title: t\ntaxonomy: ''\n", "r.yml:2:11: no mapping is known"},
        {"title: t\nstatus: new\n", "r.yml:2:9: `status` 'new'"},
        {"title: t\nlevel: info\n", "r.yml:2:8: `level` 'info'"},
        {"title: t\ndescription: 5\n", "r.yml:2:14: `description` is a text"},
        {"title: t\nauthor: [a]\n", "r.yml:2:9: `author` is a text"},
        {"title: t\nlicense: true\n", "r.yml:2:10: `license` is a text"},
        {"title: t\nreferences: r\n", "r.yml:2:13: `references` is a list"},
        {"title: t\nfields: f\n", "r.yml:2:9: `fields` is a list"},
        {"title: t\nfalsepositives: f\n", "r.yml:2:17: `falsepositives` is a list"},
        {"title: t\nfalsepositives: [{a: b}]\n", "r.yml:2:18: `falsepositives` is a list of"},
        {"title: t\ntags: attack.t1\n", "r.yml:2:7: `tags` is a list"},
        {"title: t\ntags: [1.5]\n", "r.yml:2:8: the tag '1.5' is no text"},
        {"title: t\ntags: [attack]\n", "r.yml:2:8: the tag 'attack' has no namespace"},
        {"title: t\ndate: 2024-1-5\n", "r.yml:2:7: `date` is a date"},
        {"title: t\ndate: 2023-02-29\n", "r.yml:2:7: `date` is a date"},
        {"title: t\nmodified: 20240105\n", "r.yml:2:11: `modified` is a date"},
        {"title: t\nmodified: 2024-01-31x\n", "r.yml:2:11: `modified` is a date"},
        {"title: t\nrelated: {id: a}\n", "r.yml:2:10: `related` is a list"},
        {"title: t\nrelated: [{type: derived}]\n", "r.yml:2:11: the related id"},
        {"title: t\nrelated: [{id: " ID1 "}]\n", "r.yml:2:11: the related type ''"},
        {"title: t\nrelated: [{id: " ID1 ", type: x}]\n", "r.yml:2:11: the related type 'x'"},
    };
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        char text[1024];
        (void)snprintf(text, sizeof(text), "%s" LOGSOURCE DETECTION, rows[i].lines);
        expect_refused(text, rows[i].prefix);
    }
    char title[1024] = "title: ";
    for (size_t i = strlen(title); i < 7 + 257; i++) {
        title[i] = 'x';
    }
    (void)strcat(title, "\n" LOGSOURCE DETECTION);
    expect_refused(title, "r.yml:1:8: `title` is longer than 256 characters");
}

static void wrong_sources_and_detections_are_refused_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *lines, *prefix;
    } rows[] = {
        {DETECTION, "r.yml:1:1: `logsource` is missing"},
        {"x: &x {status: test}\n<<: *x\n" LOGSOURCE DETECTION, "r.yml:3:1: YAML merge keys"},
        {LOGSOURCE "x: &x {s: {f: 1}}\ndetection:\n  <<: *x\n  condition: s\n",
         "r.yml:5:3: YAML merge keys"},
        {LOGSOURCE "detection:\n  s: &s {f: 1}\n  t:\n    <<: *s\n  condition: s or t\n",
         "r.yml:6:5: YAML merge keys"},
        {"logsource: aws\n" DETECTION, "r.yml:2:12: `logsource` is missing or no map"},
        {"logsource: {definition: d}\n" DETECTION, "r.yml:2:12: `logsource` names no"},
        {"logsource: {product: ''}\n" DETECTION, "r.yml:2:22: `product` is empty"},
        {"logsource: {product: 5}\n" DETECTION, "r.yml:2:22: `product` is a text"},
        {LOGSOURCE, "r.yml:1:1: `detection` is missing"},
        {LOGSOURCE "detection: [a]\n", "r.yml:3:12: `detection` is missing or no map"},
        {LOGSOURCE "detection: {s: {f: 1}}\n", "r.yml:3:12: `detection` needs"},
        {LOGSOURCE "detection:\n  s: {f|nope: 1}\n  condition: s\n",
         "r.yml:4:7: the modifier 'nope' is unknown"},
        {LOGSOURCE "detection:\n  s:\n    f|re: '('\n  condition: s\n",
         "r.yml:5:11: regex '(': missing closing parenthesis"},
        {LOGSOURCE "detection:\n  s: {f: 1}\n  condition: s and t\n",
         "r.yml:5:14: the condition names 't', which is no identifier"},
        {LOGSOURCE "detection:\n  s: {f: 1}\n  condition: s | count() by u > 5\n",
         "r.yml:5:14: aggregations after | were removed: use a correlation of type event_count"},
        {LOGSOURCE "detection:\n  s: {f: 1}\n  condition: s | count(u) > 5\n",
         "r.yml:5:14: aggregations after | were removed: use a correlation of type value_count"},
        {LOGSOURCE "detection:\n  s: {f: 1}\n  condition: s | near t\n",
         "r.yml:5:14: aggregations after | were removed: use a correlation of type temporal"},
        {LOGSOURCE "detection:\n  s: {f: 1}\n  timeframe: 5m\n  condition: s\n",
         "r.yml:5:14: timeframe belongs"},
    };
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        char text[1024];
        (void)snprintf(text, sizeof(text), "title: t\n%s", rows[i].lines);
        expect_refused(text, rows[i].prefix);
    }
}

static void what_looks_wrong_is_warned_of(void **state)
{
    (void)state;
#define RULE(detection) "title: t\n" LOGSOURCE "detection:\n" detection
    expect_warning("title: t\nlogsource: {product: AWS}\n" DETECTION,
                   "r.yml:2:22: `product` is written in lower case");
    expect_warning("title: t\ntags: [Attack.T1078]\n" LOGSOURCE DETECTION,
                   "r.yml:2:8: the tag 'Attack.T1078' has other than");
    expect_warning(RULE("  s: {f: 'C:\\*'}\n  condition: s\n"),
                   "r.yml:4:10: \\* is a literal star");
    expect_warning(RULE("  s: {f: [a, null]}\n  condition: s\n"), "r.yml:4:14: null in a list");
    expect_warning(RULE("  s: {f|all: a}\n  condition: s\n"), "r.yml:4:14: 'all' of one value");
    expect_warning(RULE("  s: {f: 12:30:00}\n  condition: s\n"),
                   "r.yml:4:10: 12:30:00 is read as the number 45000");
    expect_warning(RULE("  s: {f|contains: 5}\n  condition: s\n"),
                   "r.yml:4:19: the number is compared as the text '5'");
    expect_warning(RULE("  s: {f: 1}\n  t: {f: 1}\n  condition: s\n"),
                   "r.yml:5:3: no condition names 't'");
}

static void a_wrong_document_does_not_stop_the_others(void **state)
{
    (void)state;
    const struct pen_rule_text texts[] = {
        {"a.yml", PEN_SLICE_LIT("title: one\n" LOGSOURCE DETECTION "---\ntitle: two\n---\n"
                                "- no map\n---\ntitle: three\n" LOGSOURCE DETECTION "---\n")},
        {"b.yml", PEN_SLICE_LIT("title: [\n")},
        {"c.yml", PEN_SLICE_LIT("")},
        {"d.yml", PEN_SLICE_LIT("title: four\r\n" LOGSOURCE DETECTION)},
    };
    struct pen_rules *rules = load_texts(texts, PEN_COUNT(texts), NULL);
    assert_int_equal(pen_rules_count(rules), 3);
    assert_int_equal(pen_rules_rejected(rules), 3);
    slice_is(pen_rules_at(rules, 1)->title, "three");
    assert_int_equal(pen_rules_at(rules, 1)->line, 9);
    slice_is(pen_rules_at(rules, 2)->file, "d.yml");
    expect_notice(rules, PEN_NOTICE_ERROR, "a.yml:5:1: `logsource` is missing");
    expect_notice(rules, PEN_NOTICE_ERROR, "a.yml:7:1: a rule is a map");
    expect_notice(rules, PEN_NOTICE_ERROR, "b.yml:2:1: ");
    pen_rules_free(rules);
}

static void ids_and_names_belong_to_one_rule(void **state)
{
    (void)state;
    const struct pen_rule_text texts[] = {
        {"a.yml", PEN_SLICE_LIT("title: a\nid: " ID1 "\nname: n\n" LOGSOURCE DETECTION)},
        {"b.yml",
         PEN_SLICE_LIT("title: b\nid: '11111111222233334444555555555555'\n" LOGSOURCE DETECTION)},
        {"c.yml", PEN_SLICE_LIT("title: c\nname: n\n" LOGSOURCE DETECTION)},
        {"d.yml", PEN_SLICE_LIT("title: a\n" LOGSOURCE DETECTION)},
        {"e.yml", PEN_SLICE_LIT("title: a\n" LOGSOURCE DETECTION)},
    };
    struct pen_rules *rules = load_texts(texts, PEN_COUNT(texts), NULL);
    assert_int_equal(pen_rules_count(rules), 3);
    expect_notice(rules, PEN_NOTICE_ERROR, "b.yml:2:5: the id '" ID1 "' is taken by a.yml");
    expect_notice(rules, PEN_NOTICE_ERROR, "c.yml:2:7: the name 'n' is taken by a.yml");
    expect_notice(rules, PEN_NOTICE_WARNING, "e.yml:1:1: another rule has this title");
    slice_is(pen_rules_at(rules, 1)->id, "a"); /* the title, when there is no id */
    slice_is(pen_rules_at(rules, 2)->id, "a (2)");
    pen_rules_free(rules);
}

static void rules_are_selected_by_level_tag_and_status(void **state)
{
    (void)state;
    static const char text[] =
        "title: a\nlevel: low\ntags: [x.y]\n" LOGSOURCE DETECTION
        "---\ntitle: b\nlevel: high\n" LOGSOURCE DETECTION
        "---\ntitle: c\nlevel: critical\nstatus: deprecated\ntags: [x.y]\n" LOGSOURCE DETECTION;
    static const char *const tags[] = {"x.y"};
    const struct pen_rule_text file = {"r.yml", pen_slice_str(text)};
    const struct pen_rules_options options[] = {
        {.level_min = PEN_INFO},
        {.level_min = PEN_MEDIUM},
        {.level_min = PEN_MEDIUM, .load_deprecated = true},
        {.tags = tags, .tag_count = 1},
        {.tags = tags, .tag_count = 1, .load_deprecated = true},
        {.level_min = PEN_HIGH},
        {.level_min = PEN_CRITICAL, .load_deprecated = true},
    };
    static const uint32_t wanted[] = {2, 1, 2, 1, 2, 1, 1};
    struct pen_hash128 hashes[PEN_COUNT(options)];
    for (size_t i = 0; i < PEN_COUNT(options); i++) {
        struct pen_rules *rules = load_texts(&file, 1, &options[i]);
        assert_int_equal(pen_rules_count(rules), wanted[i]);
        hashes[i] = pen_rules_hash(rules);
        pen_rules_free(rules);
    }
    assert_true(hashes[1].lo != hashes[3].lo); /* as many rules, but others */
}

static void the_hash_covers_rules_filters_and_placeholders(void **state)
{
    (void)state;
    static const char *const ab[] = {"a", "b"};
    static const char *const joined[] = {"ab"};
    const struct pen_placeholder values[] = {{"x", ab, 2}, {"x", joined, 1}};
    const struct pen_rule_text texts[] = {
        {"r.yml", PEN_SLICE_LIT("title: a\n" LOGSOURCE DETECTION)},
        {"f.yml", PEN_SLICE_LIT("title: f\n" LOGSOURCE
                                "filter: {rules: any, s: {f: 1}, condition: not s}\n")}};
    uint64_t seen[4];
    for (uint32_t i = 0; i < PEN_COUNT(seen); i++) {
        const struct pen_rules_options options = {.placeholders = &values[i % 2],
                                                  .placeholder_count = i < 2 ? 1 : 0};
        struct pen_rules *rules = load_texts(texts, i == 3 ? 2 : 1, &options);
        seen[i] = pen_rules_hash(rules).lo;
        pen_rules_free(rules);
        for (uint32_t k = 0; k < i; k++) {
            assert_true(seen[k] != seen[i]);
        }
    }
}

/* A rule that a log type cannot take is left out of that type's queries, with its place. */
static void fields_that_a_type_refuses_cost_one_rule(void **state)
{
    (void)state;
    char detection[4096] = "title: many\n" LOGSOURCE "detection:\n  condition: s\n  s:\n";
    for (uint32_t i = 0; i <= TEST_FIELDS_MAX; i++) {
        char line[64];
        (void)snprintf(line, sizeof(line), "    f%u: 1\n", i);
        (void)strcat(detection, line);
    }
    const struct pen_rule_text texts[] = {
        {"a.yml", pen_slice_str(detection)},
        {"b.yml", PEN_SLICE_LIT("title: b\n" LOGSOURCE "detection: {s: {f1: 1}, condition: s}\n")}};
    struct pen_rules *rules = load_texts(texts, PEN_COUNT(texts), NULL);
    assert_int_equal(pen_rules_count(rules), 2);
    assert_int_equal(matches_of(rules, "{\"f1\":1}"), 2);
    assert_int_equal(matches_of(rules, "{\"f1\":1}"), 2);
    expect_notice(rules, PEN_NOTICE_ERROR, "a.yml:70:10: more than 64 fields");
    assert_int_equal(pen_rules_rejected(rules), 1); /* counted once, told for each type */
    assert_int_equal(pen_rules_notice_count(rules), 2);
    pen_rules_free(rules);
}

/* ---- legacy actions ---- */

static void actions_merge_documents_of_a_file(void **state)
{
    (void)state;
    struct pen_rules *rules = load_text(
        "action: global\ntitle: G\nlevel: high\n" LOGSOURCE
        "detection: {s: {f: 1}, condition: s}\n---\n"
        "title: lost\ndetection: {s: {g: 2}}\n---\n"              /* 0: f 1 and g 2 */
        "action: repeat\ntitle: R\ndetection: {s: {f: 7}}\n---\n" /* 1: f 7 and g 2 */
        "action: reset\n---\n"
        "title: plain\n" LOGSOURCE "detection: {s: {h: 1}, condition: s}\n---\n"     /* 2 */
        "action: repeat\ntitle: P\ndetection: {t: {i: 1}, condition: s or t}\n---\n" /* 3 */
        "action: repeat\ntitle: Q\ndetection: {s: {h: 2}}\n"); /* 4: h 2, or i 1 */
    print_notices(rules);
    assert_int_equal(pen_rules_count(rules), 5);
    assert_int_equal(pen_rules_rejected(rules), 0);
    slice_is(pen_rules_at(rules, 0)->title, "G"); /* the template wins */
    slice_is(pen_rules_at(rules, 1)->title, "R"); /* the document wins */
    assert_int_equal(pen_rules_at(rules, 1)->severity, PEN_HIGH);
    assert_int_equal(pen_rules_at(rules, 1)->line, 10);
    assert_int_equal(pen_rules_at(rules, 2)->severity, PEN_MEDIUM);
    assert_int_equal(matches_of(rules, "{\"f\":1,\"g\":2}"), 1);
    assert_int_equal(matches_of(rules, "{\"f\":7,\"g\":2}"), 2);
    assert_int_equal(matches_of(rules, "{\"h\":1}"), 4 | 8);
    assert_int_equal(matches_of(rules, "{\"f\":7}"), 0);
    assert_int_equal(matches_of(rules, "{\"i\":1}"), 8 | 16);
    assert_int_equal(matches_of(rules, "{\"h\":2}"), 16);
    expect_notice(rules, PEN_NOTICE_WARNING, "r.yml:1:9: `action` is deprecated");
    pen_rules_free(rules);
}

static void actions_that_lead_nowhere_are_told(void **state)
{
    (void)state;
    expect_refused("action: repeat\ntitle: t\n" LOGSOURCE DETECTION,
                   "r.yml:1:1: `action: repeat` has no rule before it");
    expect_refused("action: later\ntitle: t\n", "r.yml:1:9: `action` is global, reset or repeat");
    expect_refused("action: [global]\n", "r.yml:1:9: `action` is global, reset or repeat");
    struct pen_rules *rules = load_text("action: global\ntitle: t\n");
    expect_notice(rules, PEN_NOTICE_WARNING, "r.yml:1:1: no rule came after this");
    assert_int_equal(pen_rules_count(rules) + pen_rules_rejected(rules), 0);
    pen_rules_free(rules);
    rules = load_text("# to be written\n");
    expect_notice(rules, PEN_NOTICE_WARNING, "r.yml:1:1: no rule in this file");
    assert_int_equal(pen_rules_count(rules) + pen_rules_rejected(rules), 0);
    pen_rules_free(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_describes_a_rule_is_kept),
        cmocka_unit_test(the_message_is_what_happened_how_to_look_and_what_to_do),
        cmocka_unit_test(wrong_descriptions_are_refused_with_their_place),
        cmocka_unit_test(wrong_sources_and_detections_are_refused_with_their_place),
        cmocka_unit_test(what_looks_wrong_is_warned_of),
        cmocka_unit_test(a_wrong_document_does_not_stop_the_others),
        cmocka_unit_test(ids_and_names_belong_to_one_rule),
        cmocka_unit_test(rules_are_selected_by_level_tag_and_status),
        cmocka_unit_test(the_hash_covers_rules_filters_and_placeholders),
        cmocka_unit_test(fields_that_a_type_refuses_cost_one_rule),
        cmocka_unit_test(actions_merge_documents_of_a_file),
        cmocka_unit_test(actions_that_lead_nowhere_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
