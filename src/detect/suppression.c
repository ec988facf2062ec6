#include "suppression.h"

#include "side_file.h"

bool suppression_is_file(const char *path)
{
    return side_file_is_in(path, SUPPRESSION_FOLDER);
}

/* ---- members ---- */

static pen_status read_name(struct builder *b, const struct pen_yaml *node,
                            struct pen_suppression *out)
{
    out->name = node->text;
    return node->text.len > 0 && node->text.len <= SIDE_NAME_BYTES_MAX
               ? PEN_OK
               : sigma_fail(b, node, "`name` has 1 to %u bytes", SIDE_NAME_BYTES_MAX);
}

static pen_status read_query(struct builder *b, const struct pen_yaml *node,
                             struct pen_suppression *out)
{
    out->query = pen_slice_trim(node->text);
    return rules_query_check(b, node, "query");
}

static pen_status read_rule_query(struct builder *b, const struct pen_yaml *node,
                                  struct pen_suppression *out)
{
    out->rule_query = pen_slice_trim(node->text);
    return rules_query_check(b, node, "rule_query");
}

static pen_status read_data_query(struct builder *b, const struct pen_yaml *node,
                                  struct pen_suppression *out)
{
    out->data_query = pen_slice_trim(node->text);
    return rules_query_check(b, node, "data_exclusion_query");
}

static pen_status read_reason(struct builder *b, const struct pen_yaml *node,
                              struct pen_suppression *out)
{
    (void)b;
    out->reason = node->text;
    return PEN_OK;
}

static pen_status read_owner(struct builder *b, const struct pen_yaml *node,
                             struct pen_suppression *out)
{
    (void)b;
    out->owner = node->text;
    return PEN_OK;
}

static pen_status read_expires(struct builder *b, const struct pen_yaml *node,
                               struct pen_suppression *out)
{
    return pen_parse_time(node->text, &out->expires_ns)
               ? PEN_OK
               : sigma_fail(b, node, "`expires` is a date, 2025-12-31, or an RFC 3339 time");
}

static const struct member {
    const char *name;
    pen_status (*read)(struct builder *b, const struct pen_yaml *node, struct pen_suppression *out);
} members[] = {{"data_exclusion_query", read_data_query},
               {"name", read_name},
               {"query", read_query},
               {"rule_query", read_rule_query},
               {"reason", read_reason},
               {"owner", read_owner},
               {"expires", read_expires}};

static pen_status read_member(struct builder *b, const struct pen_yaml *node,
                              struct pen_suppression *out)
{
    for (size_t i = 0; i < PEN_COUNT(members); i++) {
        if (pen_slice_eq(node->key->text, pen_slice_str(members[i].name))) {
            return node->kind == PEN_YAML_SCALAR
                       ? members[i].read(b, node, out)
                       : sigma_fail(b, node, "`%s` takes one value", members[i].name);
        }
    }
    return sigma_fail(b, node->key,
                      "a suppression has no `%.*s`: it has name, query, rule_query, "
                      "data_exclusion_query, reason, owner and expires",
                      PEN_SLICE_FMT(node->key->text));
}

/* ---- files ---- */

static pen_status check_name(struct side_file *r, const struct pen_yaml *node,
                             const struct pen_suppression *made)
{
    for (uint32_t i = 0; i < r->rules->suppression_count; i++) {
        const struct pen_suppression *other = &r->rules->suppressions[i];
        if (pen_slice_eq(other->name, made->name)) {
            return sigma_fail(&r->b, node, "the name '%.*s' is taken by %.*s",
                              PEN_SLICE_FMT(made->name), PEN_SLICE_FMT(other->file));
        }
    }
    return r->rules->suppression_count < SUPPRESSIONS_MAX
               ? PEN_OK
               : sigma_fail(&r->b, node, "more than %u suppressions and critical assets",
                            SUPPRESSIONS_MAX);
}

static pen_status check(struct side_file *r, const struct pen_yaml *node,
                        const struct pen_suppression *made)
{
    if (made->query.len + made->rule_query.len + made->data_query.len == 0) {
        return sigma_fail(&r->b, node,
                          "a suppression needs `query`, `rule_query` or `data_exclusion_query`");
    }
    if (made->data_query.len > 0 && made->expires_ns != INT64_MAX) {
        return sigma_fail(&r->b, node,
                          "`expires` is about signals: a suppression with `data_exclusion_query` "
                          "has none");
    }
    return PEN_OK;
}

void suppression_keep(struct side_file *file, const struct pen_yaml *node,
                      const struct pen_suppression *made)
{
    struct pen_rules *rules = file->rules;
    if (check_name(file, node, made) != PEN_OK) {
        side_file_tell(file);
        return;
    }
    rules->suppressions = rules_grow(rules->suppressions, rules->suppression_count,
                                     &rules->suppression_cap, sizeof(*rules->suppressions));
    rules->suppressions[rules->suppression_count++] = *made;
}

static void add_one(struct side_file *r, const struct pen_yaml *node)
{
    struct pen_suppression made = {
        .file = r->name, .line = node->line, .column = node->column, .expires_ns = INT64_MAX};
    bool is_good = true;
    for (const struct pen_yaml *kid = node->child; kid != NULL; kid = kid->next) {
        if (read_member(&r->b, kid, &made) != PEN_OK) {
            side_file_tell(r);
            is_good = false;
        }
    }
    made.name = made.name.len > 0 ? made.name : side_file_title(r);
    made.is_of_signals = made.query.len > 0 || made.data_query.len == 0;
    if (!is_good) {
        return;
    }
    if (check(r, node, &made) != PEN_OK) {
        side_file_tell(r);
        return;
    }
    suppression_keep(r, node, &made);
}

void suppression_add_text(struct pen_rules *rules, const char *name, pen_slice text)
{
    side_file_read(rules, name, text, "a suppression", add_one);
}

uint32_t pen_rules_suppression_count(const struct pen_rules *rules)
{
    return rules == NULL ? 0 : rules->suppression_count;
}

const struct pen_suppression *pen_rules_suppression(const struct pen_rules *rules, uint32_t index)
{
    PEN_CHECK(index < rules->suppression_count);
    return &rules->suppressions[index];
}

void pen_rules_warn(struct pen_rules *rules, const struct pen_suppression *about, const char *text)
{
    const struct builder at = {.line = about->line, .column = about->column};
    rules_notice(rules, PEN_NOTICE_WARNING, about->file, &at, text);
}

/* ---- events that are no matches ---- */

void pen_rules_exclude(struct pen_rules *rules, uint32_t index, pen_slice query)
{
    struct pen_rule_impl *impl = rules->items[index].impl;
    pen_slice *all = PEN_NEW_N(&rules->arena, pen_slice, (size_t)impl->exclude_count + 1);
    PEN_CHECK(all != NULL);
    if (impl->exclude_count > 0) {
        memcpy(all, impl->excludes, impl->exclude_count * sizeof(*all));
    }
    all[impl->exclude_count++] = query;
    impl->excludes = all;
}

/* ---- what events have to tell for them ---- */

static bool is_among(const pen_slice *items, uint32_t count, pen_slice name)
{
    bool is_found = false;
    for (uint32_t i = 0; i < count && !is_found; i++) {
        is_found = pen_slice_eq(items[i], name);
    }
    return is_found;
}

void pen_rules_observe(struct pen_rules *rules, uint32_t index, const pen_slice *names,
                       uint32_t count)
{
    struct pen_rule *rule = &rules->items[index];
    struct pen_datadog *datadog = pen_unconst(rule->datadog);
    const pen_slice **list = datadog == NULL ? &rule->attributes : &datadog->attributes;
    uint32_t *length = datadog == NULL ? &rule->attribute_count : &datadog->attribute_count;
    pen_slice *all = PEN_NEW_N(&rules->arena, pen_slice, (size_t)*length + count + 1);
    uint32_t made = 0;
    PEN_CHECK(all != NULL);
    /* They go first: what an observation has no room for are texts. */
    for (uint32_t i = 0; i < count; i++) {
        if (!is_among(all, made, names[i])) {
            all[made++] = names[i];
        }
    }
    for (uint32_t i = 0; i < *length; i++) {
        if (!is_among(all, made, (*list)[i])) {
            all[made++] = (*list)[i];
        }
    }
    *list = all;
    *length = made;
}
