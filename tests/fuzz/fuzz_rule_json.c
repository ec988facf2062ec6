/*
 * Any text as a file of Datadog rules: parts that are whole and queries that build for a type, or
 * notices with a place.  Texts of rules render.
 */
#include "penstock/detect.h"
#include "penstock/query.h"

#define FIELDS 16U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static pen_status field_of(void *ctx, pen_slice name, uint32_t *field, struct pen_err *err)
{
    (void)ctx;
    (void)err;
    *field = (uint32_t)(pen_hash64(name, 0) % FIELDS);
    return PEN_OK;
}

static pen_status get(void *ctx, pen_slice name, struct pen_buf *out)
{
    (void)ctx;
    return pen_buf_add(out, name);
}

static void check_rule(const struct pen_rule *rule)
{
    const struct pen_datadog *d = rule->datadog;
    const struct pen_rule_variables variables = {.get = get};
    struct pen_buf out;
    PEN_CHECK(d != NULL && rule->id.len > 0 && rule->title.len > 0);
    PEN_CHECK(d->query_count > 0 && d->query_count <= PEN_RULE_QUERIES_MAX);
    PEN_CHECK(d->case_count > 0 && d->case_count <= PEN_STATE_CASES_MAX);
    PEN_CHECK(d->state.query_count > 0 && d->state.query_count <= PEN_STATE_QUERIES_MAX);
    PEN_CHECK(d->is_third_party || d->state.query_count == d->query_count);
    PEN_CHECK(d->state.case_count == d->case_count);
    PEN_CHECK(pen_slice_eq(d->state.id, rule->id));
    PEN_CHECK(d->state.window_ns >= 0 && d->state.window_ns <= d->state.duration_max_ns);
    for (uint32_t i = 0; i < d->query_count; i++) {
        PEN_CHECK(d->queries[i].text.len > 0 && d->queries[i].name.len > 0);
        PEN_CHECK(d->queries[i].counted_as < d->state.query_count);
        PEN_CHECK(d->queries[i].group_by_count <= PEN_STATE_QUERIES_MAX);
        PEN_CHECK(d->queries[i].group_by_count == 0 ||
                  d->group_names[d->queries[i].group_by_count] != NULL);
    }
    pen_buf_init(&out, PEN_RULE_TEXT_BYTES_MAX * 2);
    const pen_status st = pen_rule_render(d->message, &variables, &out);
    PEN_CHECK(st == PEN_OK || st == PEN_E_LIMIT);
    pen_buf_fini(&out);
}

static void build(struct pen_rules *rules, pen_slice name)
{
    const pen_slice sources[] = {PEN_SLICE_LIT("elb")};
    const struct pen_type type = {.name = name, .sources = sources, .source_count = 1};
    const struct pen_rule_names names = {.field = field_of, .query_field = field_of};
    struct pen_arena arena;
    struct pen_query *queries = NULL;
    uint32_t count = 0;
    struct pen_err err = {0};
    pen_arena_init(&arena, (size_t)1 << 30);
    PEN_CHECK(pen_rules_queries(rules, &type, &names, &arena, &queries, &count, &err) == PEN_OK);
    for (uint32_t i = 0; i < count; i++) {
        PEN_CHECK(pen_expr_check(queries[i].expr, &err) == PEN_OK);
        PEN_CHECK(
            pen_rule_applies(pen_rules_at(rules, queries[i].tag / PEN_RULE_QUERIES_MAX), &type));
    }
    pen_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct pen_rule_text file = {"f.json", {data, size}};
    const struct pen_rules_options options = {
        .texts = &file, .text_count = 1, .load_deprecated = true};
    struct pen_rules *rules = NULL;
    struct pen_err err = {0};
    PEN_CHECK(pen_rules_load(&options, &rules, &err) == PEN_OK);
    for (uint32_t i = 0; i < pen_rules_count(rules); i++) {
        check_rule(pen_rules_at(rules, i));
    }
    build(rules, PEN_SLICE_LIT("alb"));
    build(rules, PEN_SLICE_LIT("json"));
    for (uint32_t i = 0; i < pen_rules_notice_count(rules); i++) {
        const struct pen_notice *n = pen_rules_notice(rules, i);
        PEN_CHECK(n->line > 0 && n->column > 0 && n->text.len > 0);
    }
    pen_rules_free(rules);
    return 0;
}
