/* sigma_test.h - Sigma texts loaded from memory, and their verdict on one event, said by both the
 * slow evaluator and an engine. */
#ifndef PEN_TEST_DETECT_SIGMA_H
#define PEN_TEST_DETECT_SIGMA_H

#include "penstock/detect.h"

#include "test.h"

#include <stdio.h>
#include <string.h>

#define SIGMA_HEAD "title: t\nlogsource: {product: aws, service: cloudtrail}\n"
#define TEST_FIELDS_MAX 64U

struct sigma_row {
    const char *detection; /* from the line behind `detection:` on */
    const char *event;
    int want; /* 1 match, 0 none, -1 refused */
};

struct test_fields {
    struct pen_plan *plan;
    pen_slice names[TEST_FIELDS_MAX];
    uint32_t count;
};

static inline pen_status test_field(void *ctx, pen_slice name, uint32_t *out, struct pen_err *err)
{
    struct test_fields *f = ctx;
    for (uint32_t i = 0; i < f->count; i++) {
        if (pen_slice_eq(f->names[i], name)) {
            *out = i;
            return PEN_OK;
        }
    }
    if (f->count == TEST_FIELDS_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "more than %u fields", TEST_FIELDS_MAX);
    }
    *out = pen_plan_field_new(f->plan);
    f->names[f->count++] = name;
    return pen_plan_dotted(f->plan, *out, name);
}

/* Of log search syntax: the path behind the @, or the name. */
static inline pen_status test_search_field(void *ctx, pen_slice name, uint32_t *out,
                                           struct pen_err *err)
{
    const bool is_path = name.len > 0 && name.ptr[0] == '@';
    return test_field(ctx, pen_slice_sub(name, is_path ? 1 : 0, name.len), out, err);
}

static inline struct pen_rules *load_texts(const struct pen_rule_text *texts, uint32_t count,
                                           const struct pen_rules_options *options)
{
    struct pen_rules_options o = options == NULL ? (struct pen_rules_options){0} : *options;
    struct pen_rules *rules = NULL;
    struct pen_err err;
    o.texts = texts;
    o.text_count = count;
    assert_int_equal(pen_rules_load(&o, &rules, &err), PEN_OK);
    return rules;
}

static inline struct pen_rules *load_text(const char *text)
{
    const struct pen_rule_text file = {"r.yml", pen_slice_str(text)};
    return load_texts(&file, 1, NULL);
}

static inline void print_notices(const struct pen_rules *rules)
{
    for (uint32_t i = 0; i < pen_rules_notice_count(rules); i++) {
        const struct pen_notice *n = pen_rules_notice(rules, i);
        print_message("%.*s:%u:%u: %.*s\n", PEN_SLICE_FMT(n->file), n->line, n->column,
                      PEN_SLICE_FMT(n->text));
    }
}

/* "file:line:column: text" of a notice begins with prefix. */
static inline bool notice_is(const struct pen_notice *n, enum pen_notice_level level,
                             const char *prefix)
{
    char text[1024];
    (void)snprintf(text, sizeof(text), "%.*s:%u:%u: %.*s", PEN_SLICE_FMT(n->file), n->line,
                   n->column, PEN_SLICE_FMT(n->text));
    return n->level == level && strncmp(text, prefix, strlen(prefix)) == 0;
}

static inline void expect_notice(const struct pen_rules *rules, enum pen_notice_level level,
                                 const char *prefix)
{
    for (uint32_t i = 0; i < pen_rules_notice_count(rules); i++) {
        if (notice_is(pen_rules_notice(rules, i), level, prefix)) {
            return;
        }
    }
    print_notices(rules);
    fail_msg("no notice begins with: %s", prefix);
}

/* The rules of a set that apply to a log type, ready for events. */
struct judge {
    struct pen_arena arena;
    struct pen_query *queries;
    uint32_t count;
    struct test_fields fields;
    struct pen_walker *walker;
    struct pen_engine *engine;
    struct pen_matcher *matcher;
};

static inline void judge_open(struct judge *judge, struct pen_rules *rules,
                              const struct pen_type *type)
{
    const struct pen_walker_options options = {.window_bytes_max = 65536,
                                               .record_bytes_max = 65536};
    const struct pen_engine_options in_process = {.in_process = true};
    struct pen_err err = {0};
    *judge = (struct judge){.fields = {.plan = pen_plan_new()}};
    pen_arena_init(&judge->arena, 1 << 24);
    const struct pen_rule_names names = {.field = test_field,
                                         .field_ctx = &judge->fields,
                                         .query_field = test_search_field,
                                         .query_ctx = &judge->fields};
    assert_int_equal(
        pen_rules_queries(rules, type, &names, &judge->arena, &judge->queries, &judge->count, &err),
        PEN_OK);
    pen_plan_seal(judge->fields.plan);
    assert_int_equal(pen_walker_new(judge->fields.plan, &options, &judge->walker, &err), PEN_OK);
    if (pen_engine_compile(judge->queries, judge->count, &in_process, &judge->engine, &err) !=
        PEN_OK) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(pen_matcher_new(judge->engine, &judge->matcher, &err), PEN_OK);
}

static inline void judge_close(struct judge *judge)
{
    pen_matcher_free(judge->matcher);
    pen_engine_free(judge->engine);
    pen_walker_free(judge->walker);
    pen_plan_free(judge->fields.plan);
    pen_arena_fini(&judge->arena);
}

/* Which rules match the event, as bits by their index; both ways to find out agree. */
static inline uint64_t judge_event(struct judge *judge, pen_slice event)
{
    struct pen_record record;
    struct pen_err err = {0};
    const uint32_t *tags = NULL;
    uint64_t slow = 0;
    uint64_t fast = 0;
    uint8_t raw[65536];
    assert_true(event.len + PEN_JSON_PADDING < sizeof(raw));
    memcpy(raw, event.ptr, event.len);
    memset(raw + event.len, ' ', PEN_JSON_PADDING);
    assert_int_equal(pen_walker_one(judge->walker, (pen_slice){raw, event.len}, &record, &err),
                     PEN_NEXT_RECORD);
    for (uint32_t i = 0; i < judge->count; i++) {
        const bool holds = pen_expr_eval(judge->queries[i].expr, &record, NULL, NULL);
        slow |= (uint64_t)holds << (judge->queries[i].tag / PEN_RULE_QUERIES_MAX);
    }
    const uint32_t found = pen_matcher_run(judge->matcher, &record, &tags);
    for (uint32_t i = 0; i < found; i++) {
        fast |= UINT64_C(1) << (tags[i] / PEN_RULE_QUERIES_MAX);
    }
    assert_int_equal(slow, fast);
    return slow;
}

/* The same for one event of CloudTrail. */
static inline uint64_t matches_of(struct pen_rules *rules, const char *event)
{
    struct pen_types *types = NULL;
    struct pen_err err = {0};
    struct judge judge;
    assert_int_equal(pen_types_load(NULL, &types, &err), PEN_OK);
    judge_open(&judge, rules, pen_types_find(types, PEN_SLICE_LIT("cloudtrail")));
    const uint64_t got = judge_event(&judge, pen_slice_str(event));
    judge_close(&judge);
    pen_types_free(types);
    return got;
}

/* Names of the queries of a Datadog rule that take an event of CloudTrail, blanks between them. */
static inline void queries_of(struct pen_rules *rules, const char *event, char *out, size_t size)
{
    struct pen_types *types = NULL;
    struct pen_err err = {0};
    struct judge judge;
    struct pen_record record;
    uint8_t raw[4096] = {0};
    size_t len = 0;
    assert_int_equal(pen_types_load(NULL, &types, &err), PEN_OK);
    judge_open(&judge, rules, pen_types_find(types, PEN_SLICE_LIT("cloudtrail")));
    const pen_slice text = pen_slice_str(event);
    assert_true(text.len + PEN_JSON_PADDING < sizeof(raw));
    memcpy(raw, text.ptr, text.len);
    assert_int_equal(pen_walker_one(judge.walker, (pen_slice){raw, text.len}, &record, &err),
                     PEN_NEXT_RECORD);
    for (uint32_t i = 0; i < judge.count; i++) {
        const struct pen_rule *rule =
            pen_rules_at(rules, judge.queries[i].tag / PEN_RULE_QUERIES_MAX);
        const uint32_t query = judge.queries[i].tag % PEN_RULE_QUERIES_MAX;
        if (pen_expr_eval(judge.queries[i].expr, &record, NULL, NULL)) {
            len += (size_t)snprintf(out + len, size - len, "%s%.*s", len == 0 ? "" : " ",
                                    PEN_SLICE_FMT(rule->datadog->queries[query].name));
        }
    }
    judge_close(&judge);
    pen_types_free(types);
}

/* One rule of that detection, with `condition: s` when it has no condition. */
static inline int verdict_with(const char *detection, const char *event,
                               const struct pen_rules_options *options)
{
    char text[8192];
    const bool has_condition = strstr(detection, "condition:") != NULL;
    const int n = snprintf(text, sizeof(text), SIGMA_HEAD "detection:\n%s\n%s", detection,
                           has_condition ? "" : "  condition: s\n");
    assert_true(n > 0 && (size_t)n < sizeof(text));
    const struct pen_rule_text file = {"r.yml", {(const uint8_t *)text, (size_t)n}};
    struct pen_rules *rules = load_texts(&file, 1, options);
    int got = -1;
    if (pen_rules_count(rules) == 0) {
        assert_int_equal(pen_rules_rejected(rules), 1);
    } else {
        got = matches_of(rules, event) != 0;
    }
    pen_rules_free(rules);
    return got;
}

static inline void check_rows(const struct sigma_row *rows, size_t count,
                              const struct pen_rules_options *options)
{
    uint32_t bad = 0;
    for (size_t i = 0; i < count; i++) {
        const int got = verdict_with(rows[i].detection, rows[i].event, options);
        if (got != rows[i].want) {
            print_message("row %zu: %s on %s gives %d\n", i, rows[i].detection, rows[i].event, got);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

#endif
