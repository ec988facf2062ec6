/* tested by tests/unit/detect/test_correlation.c */
#include "overlay.h"
#include "rules.h"
#include "tables.h"

/*
 * What --min-level and --tag leave out may be named by a rule that they do not: such a part is
 * kept, and is silent.  Whether one is, is known when all rules are linked.
 */

#define LEFT_OUT (UINT64_C(1) << 63) /* in the hash, beside the place of a rule */

static bool is_kept(const struct pen_rules *rules, struct pen_rule *rule)
{
    const bool has_over = rules->correlation_count + rules->over_signal_count > 0;
    rule->is_left_out = !rules_is_picked(&rules->options, rule);
    return rules_is_on(&rules->options, rule) && (has_over || !rule->is_left_out);
}

void rules_select(struct pen_rules *rules)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < rules->count; i++) {
        struct pen_rule *rule = &rules->items[i];
        overlay_apply(rules, rule);
        if (is_kept(rules, rule)) {
            rules->items[kept++] = *rule;
        }
    }
    rules->count = kept;
}

void rules_keep_linked(struct pen_rules *rules, struct pen_rule *rule, struct pen_hash128 text,
                       uint64_t index)
{
    overlay_apply(rules, rule);
    if (rule->datadog->stage > 0 && rule->impl->exclude_count > 0) {
        const struct builder at = {.line = rule->line, .column = 1};
        rules_notice(rules, PEN_NOTICE_WARNING, rule->file, &at,
                     "an overlay excludes events, and this rule is about signals: exclude them for "
                     "the rules that it names");
    }
    if (is_kept(rules, rule)) {
        rules_keep(rules, rule, text, index);
    }
}

/* ---- once all are linked ---- */

/* Calls fn for the index of each rule that one names. */
static void parts_each(struct pen_rules *rules, const struct pen_rule *rule,
                       void (*fn)(struct pen_rules *rules, const struct pen_rule *rule,
                                  uint32_t *index))
{
    for (uint32_t q = 0; rule->datadog != NULL && q < rule->datadog->query_count; q++) {
        const struct pen_rule_query *query = &rule->datadog->queries[q];
        const uint32_t refs = rule->impl->refs == NULL ? 0 : rule->impl->refs[q].count;
        for (uint32_t i = 0; i < refs; i++) {
            fn(rules, rule, pen_unconst(&rule->impl->refs[q].items[i]));
        }
        for (uint32_t i = 0; i < query->part_count; i++) {
            fn(rules, rule, &((struct pen_rule_part *)pen_unconst(&query->parts[i]))->rule);
        }
    }
}

/* Of correlations only: Datadog's rules over signals silence nothing. */
/* NOLINTNEXTLINE(readability-non-const-parameter): the type of parts_each */
static void part_mark(struct pen_rules *rules, const struct pen_rule *rule, uint32_t *index)
{
    struct pen_rule_impl *impl = rules->items[*index].impl;
    impl->is_needed = true;
    impl->is_part |= rule->impl->refs != NULL;
    impl->is_generated |= rule->impl->generates;
}

static void part_move(struct pen_rules *rules, const struct pen_rule *rule, uint32_t *index)
{
    (void)rule;
    *index = rules->items[*index].impl->place;
}

/* Parts stand before what names them: from the end on, what is said of a rule is complete. */
static void parts_mark(struct pen_rules *rules)
{
    for (uint32_t i = rules->count; i-- > 0;) {
        struct pen_rule *rule = &rules->items[i];
        rule->impl->is_needed |= !rule->is_left_out;
        if (rule->impl->is_needed) {
            parts_each(rules, rule, part_mark);
        }
    }
}

void rules_settle(struct pen_rules *rules)
{
    uint32_t kept = 0;
    parts_mark(rules);
    for (uint32_t i = 0; i < rules->count; i++) {
        struct pen_rule_impl *impl = rules->items[i].impl;
        impl->place = kept;
        kept += impl->is_needed;
    }
    for (uint32_t i = 0; i < rules->count; i++) {
        parts_each(rules, &rules->items[i], part_move);
    }
    for (uint32_t i = 0; i < rules->count; i++) {
        struct pen_rule rule = rules->items[i];
        if (!rule.impl->is_needed) {
            continue;
        }
        rule.is_silent = rule.is_left_out || (rule.impl->is_part && !rule.impl->is_generated);
        rules_hash_add(rules, rule.impl->text,
                       rule.impl->index | (rule.is_left_out ? LEFT_OUT : 0));
        tables_hash(rules, &rule);
        rules->items[rule.impl->place] = rule;
    }
    rules->count = kept;
}
