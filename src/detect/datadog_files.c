/* tested by tests/unit/detect/test_datadog.c */
#include "datadog.h"
#include "files.h"

#include <stdio.h>

#define TERRAFORM_RULE "datadog_security_monitoring_rule"

/* A file of rules while it is read. */
struct file {
    struct pen_rules *rules;
    pen_slice name;
    struct pen_hash128 hash;
    uint32_t index; /* of the rule */
};

/* By the name as it is written: nothing is checked yet. */
static struct json_node *child_of(const struct json_node *node, const char *name)
{
    struct json_node *kid = node->kind == PEN_OBJECT ? node->child : NULL;
    while (kid != NULL && !pen_slice_eq(kid->key->text, pen_slice_str(name))) {
        kid = kid->next;
    }
    return kid;
}

static void warn(const struct file *f, const struct json_node *at, const char *text)
{
    const struct builder b = {.line = at->line, .column = at->column};
    rules_notice(f->rules, PEN_NOTICE_WARNING, f->name, &b, text);
}

/* ---- rules ---- */

static bool claim(struct datadog *d, struct pen_rule *rule)
{
    const struct known *same = rule->id.len == 0 ? NULL : rules_known(d->rules, rule->id, true);
    if (same != NULL) {
        datadog_error(d, d->root, "the id '%.*s' is taken by %.*s", PEN_SLICE_FMT(rule->id),
                      PEN_SLICE_FMT(same->file));
        return false;
    }
    if (rule->id.len == 0 && !rules_id_of_title(d->rules, rule)) {
        datadog_error(d, d->root, "too many rules have this name and no `id`");
        return false;
    }
    if (rule->id.len != rule->title.len && pen_slice_starts(rule->id, rule->title)) {
        datadog_warn(d, d->root, "another rule has this name: give each an `id`");
    }
    rules_know(d->rules, rule->id, true, d->file);
    return true;
}

static void add_rule(struct file *f, struct json_node *root, bool is_terraform)
{
    struct datadog d = {.rules = f->rules,
                        .arena = &f->rules->arena,
                        .file = f->name,
                        .is_terraform = is_terraform};
    struct pen_rule rule = {.file = f->name};
    const uint32_t index = f->index++;
    if (!datadog_rule(&d, root, &rule) || !claim(&d, &rule)) {
        f->rules->rejected++;
        return;
    }
    struct pen_datadog *made = pen_unconst(rule.datadog);
    made->state.id = rule.id;
    if (datadog_is_over_signals(root)) {
        datadog_correlation_wait(&d, &rule, f->hash, index);
    } else {
        rules_keep(f->rules, &rule, f->hash, index);
    }
}

/* ---- forms ---- */

/* An element of a list: the rule, or {"id", "type", "attributes"} around it. */
static void add_item(struct file *f, struct json_node *item)
{
    struct json_node *attributes = child_of(item, "attributes");
    struct json_node *id = child_of(item, "id");
    if (attributes == NULL || attributes->kind != PEN_OBJECT) {
        add_rule(f, item, false);
        return;
    }
    if (id != NULL && id->kind == PEN_STRING && child_of(attributes, "id") == NULL) {
        struct json_node *copy = PEN_NEW(&f->rules->arena, struct json_node);
        PEN_CHECK(copy != NULL);
        *copy = *id;
        copy->next = attributes->child;
        attributes->child = copy;
        attributes->count++;
    }
    add_rule(f, attributes, false);
}

static void add_items(struct file *f, struct json_node *list)
{
    if (list->kind != PEN_ARRAY) {
        add_item(f, list);
        return;
    }
    for (struct json_node *kid = list->child; kid != NULL; kid = kid->next) {
        add_item(f, kid);
    }
}

/* The named blocks of one type of resource; a block may stand in a list. */
static void add_blocks(struct file *f, const struct json_node *blocks)
{
    for (struct json_node *named = blocks->child; named != NULL; named = named->next) {
        struct json_node *block = named->kind == PEN_ARRAY ? named->child : named;
        for (; block != NULL; block = named->kind == PEN_ARRAY ? block->next : NULL) {
            add_rule(f, block, true);
        }
    }
}

static void add_resources(struct file *f, const struct json_node *resources)
{
    const bool is_list = resources->kind == PEN_ARRAY;
    const struct json_node *one = is_list ? resources->child : resources;
    for (; one != NULL; one = is_list ? one->next : NULL) {
        for (const struct json_node *kid = one->child; kid != NULL; kid = kid->next) {
            const pen_slice type = kid->key == NULL ? (pen_slice){0} : kid->key->text;
            if (pen_slice_eq(type, PEN_SLICE_LIT(TERRAFORM_RULE))) {
                add_blocks(f, kid);
            } else if (pen_slice_starts(type, PEN_SLICE_LIT("datadog_security_monitoring"))) {
                warn(f, kid, "resources other than " TERRAFORM_RULE " are not read");
            }
        }
    }
}

static bool is_like_rule(const struct json_node *root)
{
    static const char *const members[] = {"queries", "cases", "options", "thirdPartyCases",
                                          "isEnabled"};
    for (size_t i = 0; i < PEN_COUNT(members); i++) {
        if (child_of(root, members[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static void add_document(struct file *f, struct json_node *root)
{
    struct json_node *data = child_of(root, "data");
    struct json_node *rule = child_of(root, "rule");
    const struct json_node *resources = child_of(root, "resource");
    const struct json_node *first = root->kind == PEN_ARRAY ? root->child : NULL;
    if (is_like_rule(root)) {
        add_rule(f, root, false);
    } else if (data != NULL) {
        add_items(f, data);
    } else if (resources != NULL) {
        add_resources(f, resources);
    } else if (rule != NULL && is_like_rule(rule)) {
        add_rule(f, rule, false);
    } else if (first != NULL && (is_like_rule(first) || child_of(first, "attributes") != NULL)) {
        add_items(f, root);
    } else if (first == NULL || child_of(first, "payload") == NULL) {
        warn(f, root, "this is no Datadog rule, nor a list of rules: it is not looked at");
    }
}

static void reject(struct file *f, uint32_t line, uint32_t column, struct pen_err *err)
{
    const struct builder b = {.line = line, .column = column, .err = err};
    rules_reject(f->rules, f->name, &b);
}

void datadog_add_text(struct pen_rules *rules, const char *name, pen_slice text)
{
    struct file f = {.rules = rules,
                     .name = pen_arena_dup(&rules->arena, pen_slice_str(name)),
                     .hash = pen_hash128(text, 0)};
    struct json_reader reader;
    struct json_node *root = NULL;
    struct pen_err err = {0};
    PEN_CHECK(f.name.ptr != NULL);
    if (text.len > RULE_JSON_BYTES_MAX) {
        (void)PEN_FAIL(&err, PEN_E_LIMIT, PEN_NO_OFFSET, "a JSON file has at most %zu MiB",
                       RULE_JSON_BYTES_MAX >> 20U);
        reject(&f, 1, 1, &err);
        return;
    }
    json_tree_begin(&reader, &rules->arena, text);
    pen_status st = json_tree_next(&reader, &root, &err);
    if (st == PEN_OK && root == NULL) {
        const struct json_node begin = {.line = 1, .column = 1};
        warn(&f, &begin, "no rule in this file");
    }
    while (st == PEN_OK && root != NULL) {
        add_document(&f, root);
        st = json_tree_next(&reader, &root, &err);
    }
    if (st != PEN_OK) {
        reject(&f, reader.line, reader.column, &err);
    }
}
