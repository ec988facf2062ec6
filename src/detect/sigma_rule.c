/* tested by tests/unit/detect/test_rules.c */
#include "rules.h"

/* Every condition of a scope's map: a text, or a list of texts. */
static pen_status build_conditions(struct builder *b, const struct scope *scope,
                                   struct pen_expr **out, uint32_t *count)
{
    const struct pen_yaml *condition = pen_yaml_get(scope->map, "condition");
    *count = 0;
    if (condition->kind == PEN_YAML_SCALAR) {
        *count = 1;
        return sigma_condition(b, scope, condition, out);
    }
    if (condition->kind == PEN_YAML_MAP || condition->count == 0) {
        return sigma_fail(b, condition, "a condition is a text or a list of texts");
    }
    for (const struct pen_yaml *kid = condition->child; kid != NULL; kid = kid->next) {
        if (*count == PEN_RULE_QUERIES_MAX) {
            return sigma_fail(b, condition, "more than %u conditions", PEN_RULE_QUERIES_MAX);
        }
        PEN_TRY(sigma_condition(b, scope, kid, &out[(*count)++]));
    }
    return PEN_OK;
}

/* (condition) and (filter) and (filter) ... for each condition. */
static pen_status add_filters(struct builder *b, const struct pen_rule *rule,
                              struct pen_expr **trees, uint32_t count)
{
    const uint32_t filter_count = rule->impl->filter_count;
    struct pen_expr **made = PEN_NEW_N(b->arena, struct pen_expr *, (size_t)filter_count + 1);
    PEN_CHECK(made != NULL);
    for (uint32_t i = 0; i < filter_count; i++) {
        PEN_TRY(sigma_filter_build(b, rule->impl->filters[i], &made[i]));
    }
    for (uint32_t i = 0; i < count && filter_count > 0; i++) {
        struct pen_expr *both = expr_new(b, PEN_EXPR_AND, filter_count + 1);
        both->kids[0] = trees[i];
        memcpy(both->kids + 1, made, filter_count * sizeof(struct pen_expr *));
        trees[i] = both;
    }
    return PEN_OK;
}

pen_status sigma_rule_build(struct builder *b, const struct pen_rule *rule, struct pen_expr **out,
                            uint32_t *count)
{
    const struct scope scope = sigma_scope(b, rule->impl->detection, false);
    b->value_bytes = 0;
    PEN_TRY(build_conditions(b, &scope, out, count));
    return add_filters(b, rule, out, *count);
}

/* Identifiers that no condition names must be right, too. */
static pen_status check_unused(struct builder *b, const struct scope *scope)
{
    uint32_t index = 0;
    for (const struct pen_yaml *kid = scope->map->child; kid != NULL; kid = kid->next) {
        struct pen_expr *unused = NULL;
        if (scope->built[index++] != NULL || sigma_is_reserved(scope, kid)) {
            continue;
        }
        sigma_warn(b, kid->key, "no condition names '%.*s'", PEN_SLICE_FMT(kid->key->text));
        PEN_TRY(sigma_identifier(b, kid, &unused));
    }
    return PEN_OK;
}

static pen_status check_trees(struct builder *b, const struct pen_rule *rule)
{
    struct pen_expr *trees[PEN_RULE_QUERIES_MAX];
    uint32_t count = 0;
    const struct pen_yaml *detection = rule->impl->detection;
    const struct scope scope = sigma_scope(b, detection, false);
    b->value_bytes = 0;
    PEN_TRY(build_conditions(b, &scope, trees, &count));
    PEN_TRY(check_unused(b, &scope));
    PEN_TRY(add_filters(b, rule, trees, count));
    for (uint32_t i = 0; i < count; i++) {
        struct pen_err why;
        if (pen_expr_check(trees[i], &why) != PEN_OK) {
            return sigma_fail(b, detection, "%s", why.text);
        }
    }
    return PEN_OK;
}

pen_status sigma_rule_check(struct builder *b, const struct pen_rule *rule)
{
    struct pen_arena scratch;
    struct pen_arena *arena = b->arena;
    pen_arena_init(&scratch, arena->max_bytes);
    b->arena = &scratch;
    const pen_status st = check_trees(b, rule);
    b->arena = arena;
    pen_arena_fini(&scratch);
    return st;
}

/* Identifiers for themselves, then conditions as if all that they name were right. */
static pen_status tell_detection(struct builder *b, const struct pen_yaml *detection)
{
    struct scope scope = sigma_scope(b, detection, false);
    const struct pen_yaml *condition = pen_yaml_get(detection, "condition");
    uint32_t index = 0;
    b->value_bytes = 0;
    for (const struct pen_yaml *kid = detection->child; kid != NULL; kid = kid->next, index++) {
        struct pen_expr *unused = NULL;
        PEN_TRY(sigma_is_reserved(&scope, kid) ? PEN_OK
                                               : sigma_part(b, sigma_identifier(b, kid, &unused)));
        scope.built[index] = expr_new(b, PEN_EXPR_TRUE, 0);
    }
    const bool is_list = condition->kind == PEN_YAML_SEQ && condition->count > 0;
    for (const struct pen_yaml *one = is_list ? condition->child : condition; one != NULL;
         one = is_list ? one->next : NULL) {
        struct pen_expr *unused = NULL;
        PEN_TRY(sigma_part(b, sigma_condition(b, &scope, one, &unused)));
    }
    return PEN_OK;
}

/* Warnings were told when the first error was found. */
static void not_again(void *ctx, uint32_t line, uint32_t column, const char *text)
{
    (void)ctx;
    (void)line;
    (void)column;
    (void)text;
}

uint32_t sigma_rule_tell(struct builder *b, const struct pen_yaml *root,
                         void (*error)(void *ctx, uint32_t line, uint32_t column, const char *text))
{
    struct pen_arena scratch;
    struct pen_err err = {0};
    struct pen_rule unused = {0};
    pen_arena_init(&scratch, b->arena->max_bytes);
    struct builder all = *b;
    all.arena = &scratch;
    all.err = &err;
    all.warn = not_again;
    all.error = error;
    all.error_count = 0;
    const pen_status st = sigma_part(&all, sigma_rule(&all, root, &unused));
    pen_arena_fini(&scratch);
    return st == PEN_OK ? all.error_count : 0;
}

pen_status sigma_rule(struct builder *b, const struct pen_yaml *root, struct pen_rule *rule)
{
    const struct pen_yaml *detection = pen_yaml_get(root, "detection");
    rule->impl = PEN_NEW(b->arena, struct pen_rule_impl);
    PEN_CHECK(rule->impl != NULL);
    PEN_TRY(sigma_meta(b, root, rule, &rule->impl->name));
    PEN_TRY(sigma_part(b, sigma_logsource(b, root, &rule->logsource)));
    if (detection == NULL || detection->kind != PEN_YAML_MAP) {
        return sigma_fail(b, detection == NULL ? root : detection,
                          "`detection` is missing or no map");
    }
    if (pen_yaml_get(detection, "condition") == NULL || detection->count < 2) {
        return sigma_fail(b, detection, "`detection` needs identifiers and a condition");
    }
    if (pen_yaml_get(detection, "timeframe") != NULL) {
        return sigma_fail(b, pen_yaml_get(detection, "timeframe"),
                          "timeframe belongs to the removed aggregations");
    }
    PEN_TRY(sigma_no_merge_keys(b, detection));
    rule->impl->detection = detection;
    return b->error != NULL ? tell_detection(b, detection) : sigma_rule_check(b, rule);
}
