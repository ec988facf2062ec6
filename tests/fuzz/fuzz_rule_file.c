/* Any text as a rule file: rules that build, and whose trees pass the check of match and can be
 * evaluated, or notices with a place. */
#include "penstock/detect.h"

#define FIELDS 16U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fields {
    struct pen_plan *plan;
    uint32_t count; /* no more than FIELDS: later names share the last */
};

static pen_status field_of(void *ctx, pen_slice name, uint32_t *field, struct pen_err *err)
{
    struct fields *f = ctx;
    (void)err;
    if (f->count == FIELDS) {
        *field = FIELDS - 1;
        return PEN_OK;
    }
    *field = pen_plan_field_new(f->plan);
    f->count++;
    return pen_plan_dotted(f->plan, *field, name) == PEN_OK
               ? PEN_OK
               : PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET, "the plan does not take this name");
}

static void eval_all(const struct pen_query *queries, uint32_t count, struct pen_plan *plan)
{
    static const char event[] = "{\"f\":\"a-b/c\",\"g\":{\"h\":[1,\"x\",null,{\"i\":true}]},"
                                "\"ip\":\"10.0.0.1\",\"t\":\"2024-01-31T23:59:00Z\",\"s\":\"\"}";
    static const struct pen_walker_options options = {.window_bytes_max = 4096,
                                                      .record_bytes_max = 4096};
    uint8_t raw[sizeof(event) + PEN_JSON_PADDING] = {0};
    struct pen_walker *walker = NULL;
    struct pen_record record;
    struct pen_err err = {0};
    memcpy(raw, event, sizeof(event) - 1);
    PEN_CHECK(pen_walker_new(plan, &options, &walker, &err) == PEN_OK);
    PEN_CHECK(pen_walker_one(walker, (pen_slice){raw, sizeof(event) - 1}, &record, &err) ==
              PEN_NEXT_RECORD);
    for (uint32_t i = 0; i < count; i++) {
        PEN_CHECK(pen_expr_check(queries[i].expr, &err) == PEN_OK);
        (void)pen_expr_eval(queries[i].expr, &record, NULL, NULL);
    }
    pen_walker_free(walker);
}

static void build(struct pen_rules *rules)
{
    static const struct pen_logsource sources[] = {
        {PEN_SLICE_LIT("c"), PEN_SLICE_LIT("aws"), PEN_SLICE_LIT("cloudtrail")}};
    static const struct pen_type type = {
        .name = PEN_SLICE_LIT("t"), .logsources = sources, .logsource_count = 1};
    struct fields fields = {.plan = pen_plan_new()};
    struct pen_arena arena;
    struct pen_query *queries = NULL;
    uint32_t count = 0;
    struct pen_err err = {0};
    PEN_CHECK(fields.plan != NULL);
    pen_arena_init(&arena, (size_t)1 << 30);
    const struct pen_rule_names names = {.field = field_of, .field_ctx = &fields};
    PEN_CHECK(pen_rules_queries(rules, &type, &names, &arena, &queries, &count, &err) == PEN_OK);
    pen_plan_seal(fields.plan);
    if (count > 0) {
        eval_all(queries, count, fields.plan);
    }
    pen_plan_free(fields.plan);
    pen_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const values[] = {"root", "a*\\", "%x%"};
    const struct pen_placeholder placeholders[] = {{"x", values, 3}, {"y", values, 1}};
    const struct pen_rule_text file = {"f.yml", {data, size}};
    const struct pen_rules_options options = {.texts = &file,
                                              .text_count = 1,
                                              .placeholders = placeholders,
                                              .placeholder_count = PEN_COUNT(placeholders),
                                              .load_deprecated = true};
    struct pen_rules *rules = NULL;
    struct pen_err err = {0};
    PEN_CHECK(pen_rules_load(&options, &rules, &err) == PEN_OK);
    build(rules);
    for (uint32_t i = 0; i < pen_rules_notice_count(rules); i++) {
        const struct pen_notice *n = pen_rules_notice(rules, i);
        PEN_CHECK(n->line > 0 && n->column > 0 && n->text.len > 0);
    }
    (void)pen_rules_hash(rules);
    pen_rules_free(rules);
    return 0;
}
