/* tested by tests/unit/detect/test_documents.c */
#include "critical_asset.h"
#include "datadog.h"
#include "files.h"
#include "overlay.h"
#include "security_filter.h"
#include "suppression.h"

#include <stdio.h>

#define MERGED_NODES_MAX 200000U /* that the actions of one file may make */
#define REPEATS_MAX 1000U        /* rules of one title without an id */
#define TITLE_BYTES_MAX 1024U    /* 256 code points */

/* The documents of one file and what the legacy actions among them keep. */
struct file {
    struct pen_rules *rules;
    pen_slice name;
    struct pen_hash128 hash;
    const struct pen_yaml *global; /* template of `action: global` */
    bool is_global_used;
    const struct pen_yaml *previous; /* for `action: repeat` */
    uint32_t nodes_left;
    uint32_t index; /* of the document */
    bool is_told;   /* why the document is left out */
    struct builder b;
};

static void warn(void *ctx, uint32_t line, uint32_t column, const char *text)
{
    const struct file *f = ctx;
    const struct builder at = {.line = line, .column = column};
    rules_notice(f->rules, PEN_NOTICE_WARNING, f->name, &at, text);
}

static void tell_error(void *ctx, uint32_t line, uint32_t column, const char *text)
{
    const struct file *f = ctx;
    const struct builder at = {.line = line, .column = column};
    rules_notice(f->rules, PEN_NOTICE_ERROR, f->name, &at, text);
}

/* ---- which rules are kept ---- */

static bool has_tag(const struct pen_rule *rule, const char *tag)
{
    for (uint32_t i = 0; i < rule->tag_count; i++) {
        if (pen_slice_eq(rule->tags[i], pen_slice_str(tag))) {
            return true;
        }
    }
    return false;
}

/* Deprecated ones of Sigma, and Datadog's that are switched off. */
static bool is_off(const struct pen_rule *rule)
{
    static const char *const off[] = {"deprecated", "unsupported", "disabled", "deleted"};
    for (size_t i = 0; i < PEN_COUNT(off); i++) {
        if (pen_slice_eq_nocase(rule->status, pen_slice_str(off[i]))) {
            return true;
        }
    }
    return false;
}

bool rules_is_on(const struct pen_rules_options *o, const struct pen_rule *rule)
{
    const bool is_old = rule->impl->is_switched ? !rule->impl->is_on : is_off(rule);
    return !is_old || o->load_deprecated;
}

bool rules_is_picked(const struct pen_rules_options *o, const struct pen_rule *rule)
{
    if (rule->severity < o->level_min) {
        return false;
    }
    for (uint32_t i = 0; i < o->tag_count; i++) {
        if (has_tag(rule, o->tags[i])) {
            return true;
        }
    }
    return o->tag_count == 0;
}

/* ---- ids and names ---- */

static pen_status check_free(struct file *f, const struct pen_yaml *root, pen_slice text,
                             bool is_id)
{
    const struct known *same = rules_known(f->rules, text, is_id);
    return same == NULL ? PEN_OK
                        : sigma_fail(&f->b, pen_yaml_get(root, is_id ? "id" : "name"),
                                     "the %s '%.*s' is taken by %.*s", is_id ? "id" : "name",
                                     PEN_SLICE_FMT(text), PEN_SLICE_FMT(same->file));
}

bool rules_id_of_title(struct pen_rules *rules, struct pen_rule *rule)
{
    char text[TITLE_BYTES_MAX + 32];
    pen_slice id = rule->title;
    for (uint32_t i = 2; rules_known(rules, id, true) != NULL; i++) {
        if (i == REPEATS_MAX) {
            return false;
        }
        const int n = snprintf(text, sizeof(text), "%.*s (%u)", (int)rule->title.len,
                               (const char *)rule->title.ptr, i);
        PEN_CHECK(n > 0 && (size_t)n < sizeof(text));
        id = (pen_slice){(const uint8_t *)text, (size_t)n};
    }
    rule->id = pen_arena_dup(&rules->arena, id);
    PEN_CHECK(rule->id.ptr != NULL);
    return true;
}

/* Without an id the title stands for it; a number behind it keeps rules of one title apart. */
static pen_status make_id(struct file *f, const struct pen_yaml *root, struct pen_rule *rule)
{
    if (!rules_id_of_title(f->rules, rule)) {
        return sigma_fail(&f->b, root, "%u rules have this title and no `id`", REPEATS_MAX);
    }
    if (!pen_slice_eq(rule->id, rule->title)) {
        sigma_warn(&f->b, root, "another rule has this title: give each an `id`");
    }
    return PEN_OK;
}

static pen_status claim(struct file *f, const struct pen_yaml *root, struct pen_rule *rule,
                        pen_slice name)
{
    if (rule->id.len > 0) {
        PEN_TRY(check_free(f, root, rule->id, true));
    } else {
        PEN_TRY(make_id(f, root, rule));
    }
    if (name.len > 0) {
        PEN_TRY(check_free(f, root, name, false));
        rules_know(f->rules, name, false, f->name);
    }
    rules_know(f->rules, rule->id, true, f->name);
    return PEN_OK;
}

/* ---- documents ---- */

void rules_hash_add(struct pen_rules *rules, struct pen_hash128 text, uint64_t index)
{
    const struct {
        struct pen_hash128 text;
        uint64_t index;
    } key = {text, index};
    const pen_slice bytes = {(const uint8_t *)&key, sizeof(key)};
    PEN_CHECK(pen_buf_add(&rules->hashed, bytes) == PEN_OK);
}

void rules_keep(struct pen_rules *rules, const struct pen_rule *rule, struct pen_hash128 text,
                uint64_t index)
{
    rules->items = rules_grow(rules->items, rules->count, &rules->cap, sizeof(*rules->items));
    rule->impl->text = text;
    rule->impl->index = index;
    rules->items[rules->count] = *rule;
    rules->items[rules->count++].text_hash = text.lo + index;
}

static pen_status add_rule(struct file *f, const struct pen_yaml *root)
{
    struct pen_rules *rules = f->rules;
    struct pen_rule rule = {.file = f->name};
    const pen_status st = sigma_rule(&f->b, root, &rule);
    if (st != PEN_OK) {
        f->is_told = sigma_rule_tell(&f->b, root, tell_error) > 0;
        return st;
    }
    PEN_TRY(claim(f, root, &rule, rule.impl->name));
    rules_keep(rules, &rule, f->hash, f->index);
    return PEN_OK;
}

static pen_status add_filter(struct file *f, const struct pen_yaml *root)
{
    struct pen_rules *rules = f->rules;
    struct sigma_filter filter = {.meta = {.file = f->name}};
    PEN_TRY(sigma_filter_read(&f->b, root, &filter));
    if (filter.meta.id.len > 0) {
        PEN_TRY(check_free(f, root, filter.meta.id, true));
        rules_know(rules, filter.meta.id, true, f->name);
    }
    rules->filters = rules_grow(rules->filters, rules->filter_count, &rules->filter_cap,
                                sizeof(*rules->filters));
    rules->filters[rules->filter_count++] = filter;
    rules_hash_add(rules, f->hash, f->index);
    return PEN_OK;
}

/* Which rules it is about is known when all files are read. */
static pen_status add_correlation(struct file *f, const struct pen_yaml *root)
{
    struct pen_rules *rules = f->rules;
    struct sigma_correlation c = {
        .rule = {.file = f->name}, .root = root, .hash = f->hash, .index = f->index};
    PEN_TRY(sigma_meta(&f->b, root, &c.rule, &c.name));
    PEN_TRY(claim(f, root, &c.rule, c.name));
    rules->correlations = rules_grow(rules->correlations, rules->correlation_count,
                                     &rules->correlation_cap, sizeof(*rules->correlations));
    rules->correlations[rules->correlation_count++] = c;
    return PEN_OK;
}

static void warn_unused_global(struct file *f)
{
    if (f->global != NULL && !f->is_global_used) {
        sigma_warn(&f->b, f->global, "no rule came after this `action: global`");
    }
}

/* A map without its key `action`. */
static const struct pen_yaml *without_action(struct file *f, const struct pen_yaml *root)
{
    static struct pen_yaml const nothing = {.kind = PEN_YAML_MAP};
    struct pen_yaml *copy = rules_merge(&f->rules->arena, root, &nothing, &f->nodes_left);
    struct pen_yaml **place = copy == NULL ? NULL : &copy->child;
    while (place != NULL && *place != NULL) {
        if (pen_slice_eq((*place)->key->text, PEN_SLICE_LIT("action"))) {
            *place = (*place)->next;
            copy->count--;
            break;
        }
        place = &(*place)->next;
    }
    return copy;
}

static pen_status too_much(struct file *f, const struct pen_yaml *root)
{
    return sigma_fail(&f->b, root, "the actions of this file make more than %u nodes",
                      MERGED_NODES_MAX);
}

static pen_status set_global(struct file *f, const struct pen_yaml *root)
{
    warn_unused_global(f);
    f->global = without_action(f, root);
    f->previous = f->global;
    f->is_global_used = false;
    return f->global == NULL ? too_much(f, root) : PEN_OK;
}

/* base with over laid on it, at the place of the document. */
static pen_status merged_rule(struct file *f, const struct pen_yaml *root,
                              const struct pen_yaml *base, const struct pen_yaml *over)
{
    struct pen_yaml *merged = rules_merge(&f->rules->arena, base, over, &f->nodes_left);
    if (merged == NULL) {
        return too_much(f, root);
    }
    merged->line = root->line;
    merged->column = root->column;
    f->previous = merged;
    return add_rule(f, merged);
}

static pen_status add_plain(struct file *f, const struct pen_yaml *root)
{
    if (f->global != NULL) {
        f->is_global_used = true;
        return merged_rule(f, root, root, f->global);
    }
    f->previous = root;
    return add_rule(f, root);
}

static pen_status repeat(struct file *f, const struct pen_yaml *root)
{
    if (f->previous == NULL) {
        return sigma_fail(&f->b, root, "`action: repeat` has no rule before it in this file");
    }
    f->is_global_used = true;
    return merged_rule(f, root, f->previous, root);
}

static pen_status take_action(struct file *f, const struct pen_yaml *root,
                              const struct pen_yaml *action)
{
    const pen_slice text = action->kind == PEN_YAML_SCALAR ? action->text : (pen_slice){0};
    const bool is_global = pen_slice_eq(text, PEN_SLICE_LIT("global"));
    const bool is_reset = pen_slice_eq(text, PEN_SLICE_LIT("reset"));
    if (!is_global && !is_reset && !pen_slice_eq(text, PEN_SLICE_LIT("repeat"))) {
        return sigma_fail(&f->b, action, "`action` is global, reset or repeat");
    }
    sigma_warn(&f->b, action, "`action` is deprecated: write every rule in full");
    if (is_global) {
        return set_global(f, root);
    }
    if (is_reset) {
        warn_unused_global(f);
        f->global = NULL;
        return PEN_OK;
    }
    return repeat(f, root);
}

static pen_status add_document(struct file *f, const struct pen_yaml *root)
{
    const struct pen_yaml *action = pen_yaml_get(root, "action");
    const struct pen_yaml *correlation = pen_yaml_get(root, "correlation");
    if (root->kind != PEN_YAML_MAP) {
        return sigma_fail(&f->b, root, "a rule is a map");
    }
    PEN_TRY(sigma_no_merge_keys(&f->b, root));
    if (correlation != NULL) {
        return add_correlation(f, root);
    }
    if (pen_yaml_get(root, "filter") != NULL) {
        return add_filter(f, root);
    }
    return action != NULL ? take_action(f, root, action) : add_plain(f, root);
}

void rules_yaml_place(struct builder *b)
{
    char *text = b->err->text;
    unsigned line = 1;
    unsigned column = 1;
    int skip = 0;
    if (sscanf(text, "%u:%u: %n", &line, &column, &skip) >= 2) { // NOLINT(cert-err34-c)
        memmove(text, text + skip, strlen(text + skip) + 1);
    }
    b->line = line;
    b->column = column;
}

static void add_yaml(struct pen_rules *rules, const char *name, pen_slice text)
{
    struct pen_yaml_docs docs;
    struct pen_err err = {0};
    struct file f = {.rules = rules,
                     .name = pen_arena_dup(&rules->arena, pen_slice_str(name)),
                     .hash = pen_hash128(text, 0),
                     .nodes_left = MERGED_NODES_MAX};
    f.b = (struct builder){.arena = &rules->arena,
                           .field = rules_no_field,
                           .options = &rules->options,
                           .warn = warn,
                           .warn_ctx = &f,
                           .err = &err};
    PEN_CHECK(f.name.ptr != NULL);
    if (pen_yaml_parse(&rules->arena, text, NULL, &docs, &err) != PEN_OK) {
        rules_yaml_place(&f.b);
        rules_reject(rules, f.name, &f.b);
        return;
    }
    if (docs.count == 0) {
        const struct pen_yaml begin = {.line = 1, .column = 1};
        sigma_warn(&f.b, &begin, "no rule in this file");
    }
    for (f.index = 0; f.index < docs.count; f.index++) {
        const struct pen_yaml *root = docs.roots[f.index];
        f.b.line = root->line;
        f.b.column = root->column;
        f.is_told = false;
        if (add_document(&f, root) == PEN_OK) {
            continue;
        }
        if (f.is_told) {
            rules->rejected++;
        } else {
            rules_reject(rules, f.name, &f.b);
        }
    }
    warn_unused_global(&f);
}

void rules_add_text(struct pen_rules *rules, const char *name, pen_slice text)
{
    if (suppression_is_file(name)) {
        suppression_add_text(rules, name, text);
    } else if (critical_asset_is_file(name)) {
        critical_asset_add_text(rules, name, text);
    } else if (security_filter_is_file(name)) {
        security_filter_add_text(rules, name, text);
    } else if (rule_name_ends(name, ".json")) {
        datadog_add_text(rules, name, text);
    } else if (overlay_is_file(name)) {
        overlay_add_text(rules, name, text);
    } else {
        add_yaml(rules, name, text);
    }
}
