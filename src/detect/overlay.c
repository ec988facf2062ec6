#include "overlay.h"

#include "penstock/query.h"

#include "datadog.h"
#include "files.h"

#include <stdio.h>

struct reading { /* an overlay file */
    struct pen_rules *rules;
    pen_slice name;
    struct builder b;
    bool is_wrong;
};

bool overlay_is_file(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strcmp(slash == NULL ? path : slash + 1, OVERLAY_NAME) == 0;
}

/* What came of a part: an error is told, and reading goes on behind it.  False: it was one. */
static bool is_part_good(struct reading *r, pen_status st)
{
    if (st != PEN_OK) {
        rules_notice(r->rules, PEN_NOTICE_ERROR, r->name, &r->b, r->b.err->text);
        r->is_wrong = true;
    }
    return st == PEN_OK;
}

/* ---- what an entry says ---- */

static pen_status read_enabled(struct builder *b, const struct pen_yaml *node,
                               struct overlay_entry *entry)
{
    entry->has_enabled = true;
    entry->is_enabled = pen_slice_eq(node->text, PEN_SLICE_LIT("true"));
    return entry->is_enabled || pen_slice_eq(node->text, PEN_SLICE_LIT("false"))
               ? PEN_OK
               : sigma_fail(b, node, "`enabled` is true or false");
}

static pen_status read_severity(struct builder *b, const struct pen_yaml *node,
                                struct overlay_entry *entry)
{
    entry->has_severity = true;
    return datadog_severity(node->text, &entry->severity)
               ? PEN_OK
               : sigma_fail(b, node, "`severity` is info, low, medium, high or critical");
}

static pen_status read_mode(struct builder *b, const struct pen_yaml *node,
                            struct overlay_entry *entry)
{
    entry->has_mode = true;
    entry->is_shadow = pen_slice_eq(node->text, PEN_SLICE_LIT("shadow"));
    return entry->is_shadow || pen_slice_eq(node->text, PEN_SLICE_LIT("active"))
               ? PEN_OK
               : sigma_fail(b, node, "`mode` is active or shadow");
}

static pen_status read_exclude(struct builder *b, const struct pen_yaml *node,
                               struct overlay_entry *entry)
{
    entry->exclude = pen_slice_trim(node->text);
    return rules_query_check(b, node, "exclude");
}

static pen_status read_keep_alive(struct builder *b, const struct pen_yaml *node,
                                  struct overlay_entry *entry)
{
    return pen_parse_duration(node->text, &entry->keep_alive_ns) && entry->keep_alive_ns >= 0 &&
                   entry->keep_alive_ns <= OVERLAY_KEEP_ALIVE_MAX_S * PEN_NS_PER_S
               ? PEN_OK
               : sigma_fail(b, node, "`keep_alive` is a time of 0 to 24h, as 30m or 1h");
}

/* A name, or a list of them. */
static pen_status read_group_by(struct builder *b, const struct pen_yaml *node,
                                struct overlay_entry *entry)
{
    const bool is_list = node->kind == PEN_YAML_SEQ;
    pen_slice *names = PEN_NEW_N(b->arena, pen_slice, OVERLAY_GROUP_MAX);
    PEN_CHECK(names != NULL);
    entry->group_by = names;
    for (const struct pen_yaml *kid = is_list ? node->child : node; kid != NULL;
         kid = is_list ? kid->next : NULL) {
        if (kid->kind != PEN_YAML_SCALAR || kid->text.len == 0) {
            return sigma_fail(b, kid, "`group_by` is a list of names");
        }
        if (entry->group_by_count == OVERLAY_GROUP_MAX) {
            return sigma_fail(b, kid, "`group_by` has at most %u names", OVERLAY_GROUP_MAX);
        }
        names[entry->group_by_count++] = kid->text;
    }
    return entry->group_by_count > 0 ? PEN_OK
                                     : sigma_fail(b, node, "`group_by` is a list of names");
}

static const struct member {
    const char *name;
    bool may_be_list;
    pen_status (*read)(struct builder *b, const struct pen_yaml *node, struct overlay_entry *entry);
} members[] = {{"enabled", false, read_enabled},  {"severity", false, read_severity},
               {"mode", false, read_mode},        {"exclude", false, read_exclude},
               {"group_by", true, read_group_by}, {"keep_alive", false, read_keep_alive}};

static pen_status read_member(struct builder *b, const struct pen_yaml *node,
                              struct overlay_entry *entry)
{
    for (size_t i = 0; i < PEN_COUNT(members); i++) {
        if (!pen_slice_eq(node->key->text, pen_slice_str(members[i].name))) {
            continue;
        }
        return node->kind == PEN_YAML_SCALAR || members[i].may_be_list
                   ? members[i].read(b, node, entry)
                   : sigma_fail(b, node, "`%s` takes one value", members[i].name);
    }
    return sigma_fail(b, node->key,
                      "an overlay has no `%.*s`: it has enabled, severity, mode, exclude, "
                      "group_by and keep_alive",
                      PEN_SLICE_FMT(node->key->text));
}

/* ---- files ---- */

static void entry_keep(struct reading *r, const struct pen_yaml *node,
                       const struct overlay_entry *entry)
{
    struct pen_rules *rules = r->rules;
    if (rules->overlay_count == OVERLAY_ENTRIES_MAX) {
        (void)is_part_good(r, sigma_fail(&r->b, node->key, "more than %u entries in overlays",
                                         OVERLAY_ENTRIES_MAX));
        return;
    }
    rules->overlays = rules_grow(rules->overlays, rules->overlay_count, &rules->overlay_cap,
                                 sizeof(*rules->overlays));
    rules->overlays[rules->overlay_count++] = *entry;
}

static void add_entry(struct reading *r, const struct pen_yaml *node, bool is_tag)
{
    struct overlay_entry entry = {.file = r->name,
                                  .name = node->key->text,
                                  .line = node->key->line,
                                  .column = node->key->column,
                                  .is_tag = is_tag,
                                  .keep_alive_ns = -1};
    pen_slice uuid;
    bool is_good =
        is_part_good(r, node->kind == PEN_YAML_MAP
                            ? PEN_OK
                            : sigma_fail(&r->b, node, "what an overlay changes is a map"));
    for (const struct pen_yaml *kid = is_good ? node->child : NULL; kid != NULL; kid = kid->next) {
        is_good = is_part_good(r, read_member(&r->b, kid, &entry)) && is_good;
    }
    if (!is_tag && sigma_uuid(&r->rules->arena, entry.name, &uuid)) {
        entry.name = uuid;
    }
    if (is_good) {
        entry_keep(r, node, &entry);
    }
}

static void add_document(struct reading *r, const struct pen_yaml *root)
{
    if (root->kind != PEN_YAML_MAP) {
        (void)is_part_good(
            r, sigma_fail(&r->b, root, "an overlay is a map with `rules`, by id, and `tags`"));
        return;
    }
    for (const struct pen_yaml *part = root->child; part != NULL; part = part->next) {
        const bool is_tag = pen_slice_eq(part->key->text, PEN_SLICE_LIT("tags"));
        if (!is_tag && !pen_slice_eq(part->key->text, PEN_SLICE_LIT("rules"))) {
            (void)is_part_good(
                r, sigma_fail(&r->b, part->key, "an overlay has `rules`, by id, and `tags`"));
        } else if (part->kind != PEN_YAML_MAP) {
            (void)is_part_good(r,
                               sigma_fail(&r->b, part, "`%.*s` is a map of %s to what changes",
                                          PEN_SLICE_FMT(part->key->text), is_tag ? "tags" : "ids"));
        } else {
            for (const struct pen_yaml *kid = part->child; kid != NULL; kid = kid->next) {
                add_entry(r, kid, is_tag);
            }
        }
    }
}

void overlay_add_text(struct pen_rules *rules, const char *name, pen_slice text)
{
    struct pen_yaml_docs docs = {0};
    struct pen_err err = {0};
    struct reading r = {.rules = rules, .name = pen_arena_dup(&rules->arena, pen_slice_str(name))};
    r.b = (struct builder){
        .arena = &rules->arena, .field = rules_no_field, .options = &rules->options, .err = &err};
    PEN_CHECK(r.name.ptr != NULL);
    const pen_status st = pen_yaml_parse(&rules->arena, text, NULL, &docs, &err);
    if (st != PEN_OK) {
        rules_yaml_place(&r.b);
        (void)is_part_good(&r, st);
    }
    for (uint32_t i = 0; i < docs.count; i++) {
        add_document(&r, docs.roots[i]);
    }
    rules_hash_add(rules, pen_hash128(text, 0), 0);
    rules->rejected += r.is_wrong;
}

/* ---- what becomes of a rule ---- */

static void warn(struct pen_rules *rules, const struct overlay_entry *entry,
                 const struct pen_rule *rule, const char *why)
{
    const struct builder at = {.line = entry->line, .column = entry->column};
    char text[512];
    (void)snprintf(text, sizeof(text), "rule %.*s: %s",
                   (int)(rule->id.len > 128 ? 128 : rule->id.len), (const char *)rule->id.ptr, why);
    rules_notice(rules, PEN_NOTICE_WARNING, entry->file, &at, text);
}

static void set_severity(struct pen_rule *rule, enum pen_severity severity)
{
    struct pen_datadog *datadog = pen_unconst(rule->datadog);
    rule->severity = severity;
    for (uint32_t i = 0; datadog != NULL && i < datadog->case_count; i++) {
        struct pen_rule_case *rule_case = pen_unconst(&datadog->cases[i]);
        struct pen_state_case *state_case = pen_unconst(&datadog->state.cases[i]);
        rule_case->severity = severity;
        state_case->severity = (uint32_t)severity;
    }
}

static void set_exclude(struct pen_rules *rules, struct pen_rule *rule,
                        const struct overlay_entry *entry)
{
    struct pen_rule_impl *impl = rule->impl;
    if (impl->excludes == NULL) {
        impl->excludes = PEN_NEW_N(&rules->arena, pen_slice, OVERLAY_EXCLUSIONS_MAX);
        PEN_CHECK(impl->excludes != NULL);
    }
    if (impl->exclude_count == OVERLAY_EXCLUSIONS_MAX) {
        warn(rules, entry, rule, "it has 64 exclusions: this one is left out");
        return;
    }
    impl->excludes[impl->exclude_count++] = entry->exclude;
}

static void set_group_by(struct pen_rules *rules, struct pen_rule *rule,
                         const struct overlay_entry *entry)
{
    struct pen_datadog *datadog = pen_unconst(rule->datadog);
    if (datadog == NULL) {
        rule->group_by = entry->group_by;
        rule->group_by_count = entry->group_by_count;
        return;
    }
    if (datadog->is_third_party) {
        warn(rules, entry, rule, "third-party rules group as their root queries say");
        return;
    }
    for (uint32_t i = 0; i < datadog->query_count; i++) {
        struct pen_rule_query *query = pen_unconst(&datadog->queries[i]);
        query->group_by = entry->group_by;
        query->group_by_count = entry->group_by_count;
        query->joined_count = 0;
    }
    datadog->group_names[entry->group_by_count] = entry->group_by;
}

/* Windows of Datadog's rules hold one another: evaluationWindow <= keepAlive <= duration. */
static void set_keep_alive(struct pen_rules *rules, struct pen_rule *rule,
                           const struct overlay_entry *entry)
{
    struct pen_datadog *datadog = pen_unconst(rule->datadog);
    const bool is_plain = datadog != NULL && rule->impl->refs == NULL;
    const bool is_out = is_plain && (entry->keep_alive_ns < datadog->state.window_ns ||
                                     entry->keep_alive_ns > datadog->state.duration_max_ns);
    if (is_out) {
        warn(rules, entry, rule,
             "`keep_alive` is not between its evaluationWindow and its maxSignalDuration, and is "
             "left as it was");
        return;
    }
    if (datadog != NULL) {
        datadog->state.keep_alive_ns = entry->keep_alive_ns;
    }
    rule->has_keep_alive = true;
    rule->keep_alive_ns = entry->keep_alive_ns;
}

static void change(struct pen_rules *rules, struct pen_rule *rule,
                   const struct overlay_entry *entry)
{
    if (entry->has_enabled) {
        rule->impl->is_switched = true;
        rule->impl->is_on = entry->is_enabled;
    }
    if (entry->has_severity) {
        set_severity(rule, entry->severity);
    }
    if (entry->has_mode) {
        rule->is_shadow = entry->is_shadow;
    }
    if (entry->exclude.len > 0) {
        set_exclude(rules, rule, entry);
    }
    if (entry->group_by_count > 0) {
        set_group_by(rules, rule, entry);
    }
    if (entry->keep_alive_ns >= 0) {
        set_keep_alive(rules, rule, entry);
    }
}

static bool is_about(const struct overlay_entry *entry, const struct pen_rule *rule)
{
    for (uint32_t i = 0; entry->is_tag && i < rule->tag_count; i++) {
        if (pen_slice_eq(entry->name, rule->tags[i])) {
            return true;
        }
    }
    return !entry->is_tag && pen_slice_eq(entry->name, rule->id);
}

static void apply_kind(struct pen_rules *rules, struct pen_rule *rule, bool is_tag)
{
    for (uint32_t i = 0; i < rules->overlay_count; i++) {
        struct overlay_entry *entry = &rules->overlays[i];
        if (entry->is_tag == is_tag && is_about(entry, rule)) {
            entry->is_used = true;
            change(rules, rule, entry);
        }
    }
}

void overlay_apply(struct pen_rules *rules, struct pen_rule *rule)
{
    apply_kind(rules, rule, true);
    apply_kind(rules, rule, false);
    if (rule->impl->is_switched) {
        rule->status = rule->impl->is_on ? PEN_SLICE_LIT("enabled") : PEN_SLICE_LIT("disabled");
    }
}

void overlay_warn_unused(struct pen_rules *rules)
{
    for (uint32_t i = 0; i < rules->overlay_count; i++) {
        const struct overlay_entry *entry = &rules->overlays[i];
        const struct builder at = {.line = entry->line, .column = entry->column};
        char text[256];
        if (entry->is_used || (!entry->is_tag && rules_known(rules, entry->name, true) != NULL)) {
            continue;
        }
        (void)snprintf(text, sizeof(text), "no rule has the %s '%.*s': the entry changes nothing",
                       entry->is_tag ? "tag" : "id",
                       (int)(entry->name.len > 128 ? 128 : entry->name.len),
                       (const char *)entry->name.ptr);
        rules_notice(rules, PEN_NOTICE_WARNING, entry->file, &at, text);
    }
}
