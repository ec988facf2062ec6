#include "suppression.h"

#include "files.h"

#include <stdio.h>

struct reading { /* a file of suppressions */
    struct pen_rules *rules;
    pen_slice name;
    struct builder b;
    uint32_t index; /* of the suppression in the file */
    bool is_wrong;
};

bool suppression_is_file(const char *path)
{
    const char *slash = strrchr(path, '/');
    const size_t len = sizeof(SUPPRESSION_FOLDER) - 1;
    const size_t before = slash == NULL ? 0 : (size_t)(slash - path);
    return before >= len && memcmp(slash - len, SUPPRESSION_FOLDER, len) == 0 &&
           (before == len || *(slash - len - 1) == '/');
}

static void tell(struct reading *r)
{
    rules_notice(r->rules, PEN_NOTICE_ERROR, r->name, &r->b, r->b.err->text);
    r->is_wrong = true;
}

/* ---- members ---- */

static pen_status read_name(struct builder *b, const struct pen_yaml *node,
                            struct pen_suppression *out)
{
    out->name = node->text;
    return node->text.len > 0 && node->text.len <= SUPPRESSION_NAME_BYTES_MAX
               ? PEN_OK
               : sigma_fail(b, node, "`name` has 1 to %u bytes", SUPPRESSION_NAME_BYTES_MAX);
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

/* Of the file, with a number when it is not the first in it. */
static pen_slice name_of_file(struct reading *r)
{
    char text[SUPPRESSION_NAME_BYTES_MAX];
    const uint8_t *slash = memrchr(r->name.ptr, '/', r->name.len);
    const size_t from = slash == NULL ? 0 : (size_t)(slash - r->name.ptr) + 1;
    const pen_slice base = pen_slice_sub(r->name, from, r->name.len);
    const uint8_t *dot = memrchr(base.ptr, '.', base.len);
    const int len = dot == NULL ? (int)base.len : (int)(dot - base.ptr);
    const int n = r->index == 0 ? snprintf(text, sizeof(text), "%.*s", len, (const char *)base.ptr)
                                : snprintf(text, sizeof(text), "%.*s (%u)", len,
                                           (const char *)base.ptr, r->index + 1);
    PEN_CHECK(n > 0);
    const pen_slice copy = pen_arena_dup(&r->rules->arena, pen_slice_str(text));
    PEN_CHECK(copy.ptr != NULL);
    return copy;
}

static pen_status check_name(struct reading *r, const struct pen_yaml *node,
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
               : sigma_fail(&r->b, node, "more than %u suppressions", SUPPRESSIONS_MAX);
}

static pen_status check(struct reading *r, const struct pen_yaml *node,
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
    return check_name(r, node, made);
}

static void add_one(struct reading *r, const struct pen_yaml *node)
{
    struct pen_rules *rules = r->rules;
    struct pen_suppression made = {
        .file = r->name, .line = node->line, .column = node->column, .expires_ns = INT64_MAX};
    bool is_good = true;
    for (const struct pen_yaml *kid = node->child; kid != NULL; kid = kid->next) {
        if (read_member(&r->b, kid, &made) != PEN_OK) {
            tell(r);
            is_good = false;
        }
    }
    made.name = made.name.len > 0 ? made.name : name_of_file(r);
    made.is_of_signals = made.query.len > 0 || made.data_query.len == 0;
    r->index++;
    if (!is_good) {
        return;
    }
    if (check(r, node, &made) != PEN_OK) {
        tell(r);
        return;
    }
    rules->suppressions = rules_grow(rules->suppressions, rules->suppression_count,
                                     &rules->suppression_cap, sizeof(*rules->suppressions));
    rules->suppressions[rules->suppression_count++] = made;
}

static void add_document(struct reading *r, const struct pen_yaml *root)
{
    const bool is_list = root->kind == PEN_YAML_SEQ;
    for (const struct pen_yaml *kid = is_list ? root->child : root; kid != NULL;
         kid = is_list ? kid->next : NULL) {
        if (kid->kind == PEN_YAML_MAP) {
            add_one(r, kid);
        } else if (sigma_fail(&r->b, kid, "a suppression is a map") != PEN_OK) {
            tell(r);
        }
    }
}

void suppression_add_text(struct pen_rules *rules, const char *name, pen_slice text)
{
    struct pen_yaml_docs docs = {0};
    struct pen_err err = {0};
    struct reading r = {.rules = rules, .name = pen_arena_dup(&rules->arena, pen_slice_str(name))};
    r.b = (struct builder){
        .arena = &rules->arena, .field = rules_no_field, .options = &rules->options, .err = &err};
    PEN_CHECK(r.name.ptr != NULL);
    if (pen_yaml_parse(&rules->arena, text, NULL, &docs, &err) != PEN_OK) {
        rules_yaml_place(&r.b);
        tell(&r);
    }
    for (uint32_t i = 0; i < docs.count; i++) {
        add_document(&r, docs.roots[i]);
    }
    rules_hash_add(rules, pen_hash128(text, 1), 0);
    rules->rejected += r.is_wrong;
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
