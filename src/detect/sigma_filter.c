#include "rules.h"

#include <stdio.h>

static pen_status read_rule_list(struct builder *b, const struct pen_yaml *map,
                                 struct sigma_filter *filter)
{
    const struct pen_yaml *node = pen_yaml_get(map, "rules");
    if (node == NULL) {
        return sigma_fail(b, map, "`filter` names no `rules`");
    }
    if (node->kind == PEN_YAML_MAP) {
        return sigma_fail(b, node, "`rules` is a list of ids or names, or any");
    }
    const bool is_list = node->kind == PEN_YAML_SEQ;
    if (!is_list && pen_slice_eq_nocase(node->text, PEN_SLICE_LIT("any"))) {
        return PEN_OK;
    }
    pen_slice *rules = PEN_NEW_N(b->arena, pen_slice, node->count + 1);
    PEN_CHECK(rules != NULL);
    for (const struct pen_yaml *kid = is_list ? node->child : node; kid != NULL;
         kid = is_list ? kid->next : NULL) {
        if (kid->kind != PEN_YAML_SCALAR || kid->text.len == 0) {
            return sigma_fail(b, kid, "an id or a name of a rule is wanted");
        }
        pen_slice *rule = &rules[filter->rule_count++];
        if (!sigma_uuid(b->arena, kid->text, rule)) {
            *rule = kid->text;
        }
    }
    filter->rules = rules;
    return PEN_OK;
}

static bool has_not(const struct pen_expr *expr)
{
    const struct pen_expr *stack[PEN_EXPR_DEPTH_MAX];
    uint32_t depth = 0;
    stack[depth++] = expr;
    while (depth > 0) {
        const struct pen_expr *node = stack[--depth];
        if (node->kind == PEN_EXPR_NOT) {
            return true;
        }
        for (uint32_t i = 0; i < node->kid_count && depth < PEN_EXPR_DEPTH_MAX; i++) {
            stack[depth++] = node->kids[i];
        }
    }
    return false;
}

pen_status sigma_filter_build(struct builder *b, const struct sigma_filter *filter,
                              struct pen_expr **out)
{
    const struct scope scope = sigma_scope(b, filter->map, true);
    return sigma_condition(b, &scope, filter->condition, out);
}

/* Every identifier, named or not, and the tree. */
static pen_status check(struct builder *b, const struct sigma_filter *filter)
{
    struct pen_expr *tree = NULL;
    struct pen_err why;
    const struct scope scope = sigma_scope(b, filter->map, true);
    for (const struct pen_yaml *kid = filter->map->child; kid != NULL; kid = kid->next) {
        PEN_TRY(sigma_is_reserved(&scope, kid) ? PEN_OK : sigma_identifier(b, kid, &tree));
    }
    PEN_TRY(sigma_condition(b, &scope, filter->condition, &tree));
    if (pen_expr_check(tree, &why) != PEN_OK) {
        return sigma_fail(b, filter->map, "%s", why.text);
    }
    if (!has_not(tree)) {
        sigma_warn(b, filter->condition,
                   "the filter keeps what its condition matches: put `not` before what is to be "
                   "left out");
    }
    return PEN_OK;
}

pen_status sigma_filter_read(struct builder *b, const struct pen_yaml *root,
                             struct sigma_filter *filter)
{
    struct pen_arena scratch;
    struct pen_arena *arena = b->arena;
    pen_slice name;
    const struct pen_yaml *map = pen_yaml_get(root, "filter");
    PEN_TRY(sigma_meta(b, root, &filter->meta, &name));
    PEN_TRY(sigma_logsource(b, root, &filter->meta.logsource));
    if (map->kind != PEN_YAML_MAP) {
        return sigma_fail(b, map, "`filter` is a map");
    }
    PEN_TRY(sigma_no_merge_keys(b, map));
    filter->map = map;
    filter->condition = pen_yaml_get(map, "condition");
    if (filter->condition == NULL) {
        return sigma_fail(b, map, "`filter` needs a condition");
    }
    PEN_TRY(read_rule_list(b, map, filter));
    pen_arena_init(&scratch, arena->max_bytes);
    b->arena = &scratch;
    const pen_status st = check(b, filter);
    b->arena = arena;
    pen_arena_fini(&scratch);
    return st;
}

/* ---- which rules ---- */

static bool covers(pen_slice filter, pen_slice rule)
{
    return filter.len == 0 || pen_slice_eq_nocase(filter, rule);
}

static bool names(const struct sigma_filter *filter, const struct pen_rule *rule)
{
    const struct pen_logsource *wide = &filter->meta.logsource;
    if (rule->datadog != NULL) {
        return false;
    }
    if (!covers(wide->category, rule->logsource.category) ||
        !covers(wide->product, rule->logsource.product) ||
        !covers(wide->service, rule->logsource.service)) {
        return false;
    }
    for (uint32_t i = 0; i < filter->rule_count; i++) {
        if (pen_slice_eq(filter->rules[i], rule->id) ||
            (rule->impl->name.len > 0 && pen_slice_eq(filter->rules[i], rule->impl->name))) {
            return true;
        }
    }
    return filter->rule_count == 0;
}

/* Rules of Datadog have filters of their own. */
static bool is_of_datadog(const struct pen_rules *rules, pen_slice id)
{
    for (uint32_t i = 0; i < rules->count; i++) {
        if (rules->items[i].datadog != NULL && pen_slice_eq(rules->items[i].id, id)) {
            return true;
        }
    }
    return false;
}

static void warn_unknown(struct pen_rules *rules, const struct sigma_filter *filter)
{
    const struct builder at = {.line = filter->map->line, .column = filter->map->column};
    for (uint32_t i = 0; i < filter->rule_count; i++) {
        const pen_slice text = filter->rules[i];
        pen_slice uuid;
        char why[256];
        const bool is_id = sigma_uuid(&rules->arena, text, &uuid);
        const bool is_other = is_of_datadog(rules, text);
        if (is_other || rules_known(rules, text, is_id) == NULL) {
            (void)snprintf(why, sizeof(why), "the filter names '%.*s', which %s",
                           (int)(text.len > 128 ? 128 : text.len), (const char *)text.ptr,
                           is_other ? "is no rule of Sigma" : "no rule has");
            rules_notice(rules, PEN_NOTICE_WARNING, filter->meta.file, &at, why);
        }
    }
}

/* False when the rule cannot be built with its filters. */
static bool link_rule(struct pen_rules *rules, struct pen_rule *rule)
{
    struct pen_rule_impl *impl = rule->impl;
    struct pen_err err = {0};
    struct builder b = {
        .arena = &rules->arena, .field = rules_no_field, .options = &rules->options, .err = &err};
    for (uint32_t i = 0; i < rules->filter_count; i++) {
        if (!names(&rules->filters[i], rule)) {
            continue;
        }
        if (impl->filters == NULL) {
            impl->filters =
                PEN_NEW_N(&rules->arena, const struct sigma_filter *, rules->filter_count);
            PEN_CHECK(impl->filters != NULL);
        }
        impl->filters[impl->filter_count++] = &rules->filters[i];
    }
    if (impl->filter_count == 0 || sigma_rule_check(&b, rule) == PEN_OK) {
        return true;
    }
    rules_reject(rules, rule->file, &b);
    return false;
}

void sigma_filters_apply(struct pen_rules *rules)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < rules->filter_count; i++) {
        warn_unknown(rules, &rules->filters[i]);
    }
    for (uint32_t i = 0; i < rules->count && rules->filter_count > 0; i++) {
        if (link_rule(rules, &rules->items[i])) {
            rules->items[kept++] = rules->items[i];
        }
    }
    rules->count = rules->filter_count > 0 ? kept : rules->count;
}
