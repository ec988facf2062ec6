#include "files.h"
#include "sigma.h"

#include <stdio.h>
#include <stdlib.h>

struct pen_rules {
    struct pen_arena arena;
    struct pen_rule *items;
    uint32_t count, cap;
    struct pen_notice *notices;
    uint32_t notice_count, notice_cap;
    uint32_t rejected;
    struct pen_rules_options options;
    struct pen_buf hashed;
};

static const char *const severity_names[] = {"info", "low", "medium", "high", "critical"};

const char *pen_severity_name(enum pen_severity severity)
{
    PEN_CHECK((size_t)severity < PEN_COUNT(severity_names));
    return severity_names[severity];
}

/* ---- notices ---- */

static void notice(struct pen_rules *rules, enum pen_notice_level level, pen_slice file,
                   const struct builder *b, const char *text)
{
    if (rules->notice_count == rules->notice_cap) {
        rules->notice_cap = rules->notice_cap == 0 ? 16 : rules->notice_cap * 2;
        rules->notices = reallocarray(rules->notices, rules->notice_cap, sizeof(*rules->notices));
        PEN_CHECK(rules->notices != NULL);
    }
    rules->notices[rules->notice_count++] =
        (struct pen_notice){.level = level,
                            .file = file,
                            .line = b->line,
                            .column = b->column,
                            .text = pen_arena_dup(&rules->arena, pen_slice_str(text))};
}

static void reject(struct pen_rules *rules, pen_slice file, const struct builder *b)
{
    rules->rejected++;
    notice(rules, PEN_NOTICE_ERROR, file, b, b->err->text);
}

/* ---- one rule ---- */

static pen_status dummy_field(void *ctx, pen_slice name, uint32_t *field, struct pen_err *err)
{
    (void)ctx;
    (void)name;
    (void)err;
    *field = 0;
    return PEN_OK;
}

static pen_status read_level(struct builder *b, const struct pen_yaml *root, struct pen_rule *rule)
{
    const struct pen_yaml *level = pen_yaml_get(root, "level");
    rule->severity = PEN_MEDIUM;
    if (level == NULL) {
        return PEN_OK;
    }
    static const char *const names[] = {"informational", "low", "medium", "high", "critical"};
    for (size_t i = 0; i < PEN_COUNT(names); i++) {
        if (pen_slice_eq_nocase(level->text, pen_slice_str(names[i]))) {
            rule->severity = (enum pen_severity)i;
            return PEN_OK;
        }
    }
    return sigma_fail(b, level, "level '%.*s': informational, low, medium, high or critical",
                      PEN_SLICE_FMT(level->text));
}

static pen_status read_list(struct builder *b, const struct pen_yaml *node, const char *name,
                            const pen_slice **out, uint32_t *count)
{
    *out = NULL;
    *count = 0;
    if (node == NULL) {
        return PEN_OK;
    }
    if (node->kind != PEN_YAML_SEQ) {
        return sigma_fail(b, node, "`%s` is a list", name);
    }
    pen_slice *items = PEN_NEW_N(b->arena, pen_slice, node->count + 1);
    PEN_CHECK(items != NULL);
    for (const struct pen_yaml *kid = node->child; kid != NULL; kid = kid->next) {
        if (kid->kind != PEN_YAML_SCALAR) {
            return sigma_fail(b, kid, "`%s` is a list of texts", name);
        }
        items[(*count)++] = kid->text;
    }
    *out = items;
    return PEN_OK;
}

static bool is_technique(pen_slice name)
{
    return name.len >= 5 && name.ptr[0] == 't' && name.ptr[1] >= '0' && name.ptr[1] <= '9';
}

/* attack.t1078.004 is technique T1078.004, attack.initial-access a tactic. */
static pen_status read_tags(struct builder *b, const struct pen_yaml *root, struct pen_rule *rule)
{
    PEN_TRY(read_list(b, pen_yaml_get(root, "tags"), "tags", &rule->tags, &rule->tag_count));
    pen_slice *tactics = PEN_NEW_N(b->arena, pen_slice, rule->tag_count + 1);
    pen_slice *techniques = PEN_NEW_N(b->arena, pen_slice, rule->tag_count + 1);
    PEN_CHECK(tactics != NULL && techniques != NULL);
    for (uint32_t i = 0; i < rule->tag_count; i++) {
        pen_slice rest = rule->tags[i];
        pen_slice space;
        if (memchr(rest.ptr, '.', rest.len) == NULL) {
            return sigma_fail(b, pen_yaml_get(root, "tags"), "the tag '%.*s' has no namespace",
                              PEN_SLICE_FMT(rest));
        }
        (void)pen_slice_split(&rest, '.', &space);
        if (!pen_slice_eq(space, PEN_SLICE_LIT("attack"))) {
            continue;
        }
        if (is_technique(rest)) {
            uint8_t *upper = pen_arena_alloc(b->arena, rest.len + 1, 1);
            PEN_CHECK(upper != NULL);
            memcpy(upper, rest.ptr, rest.len);
            upper[0] = 'T';
            techniques[rule->technique_count++] = (pen_slice){upper, rest.len};
        } else {
            tactics[rule->tactic_count++] = rest;
        }
    }
    rule->tactics = tactics;
    rule->techniques = techniques;
    return PEN_OK;
}

static pen_status read_logsource(struct builder *b, const struct pen_yaml *root,
                                 struct pen_rule *rule)
{
    const struct pen_yaml *node = pen_yaml_get(root, "logsource");
    if (node == NULL || node->kind != PEN_YAML_MAP) {
        return sigma_fail(b, node == NULL ? root : node, "`logsource` is missing or no map");
    }
    rule->logsource = (struct pen_logsource){.category = pen_yaml_text(node, "category"),
                                             .product = pen_yaml_text(node, "product"),
                                             .service = pen_yaml_text(node, "service")};
    if (rule->logsource.category.len + rule->logsource.product.len + rule->logsource.service.len ==
        0) {
        return sigma_fail(b, node, "`logsource` names no category, product or service");
    }
    return PEN_OK;
}

/* All conditions of a rule as trees; count of them. */
static pen_status build(struct builder *b, const struct pen_yaml *detection, struct pen_expr **out,
                        uint32_t *count)
{
    const struct pen_yaml *condition = pen_yaml_get(detection, "condition");
    *count = 0;
    if (condition == NULL || detection->count < 2) {
        return sigma_fail(b, detection, "`detection` needs identifiers and a condition");
    }
    if (pen_yaml_get(detection, "timeframe") != NULL) {
        return sigma_fail(b, pen_yaml_get(detection, "timeframe"),
                          "timeframe belongs to the removed aggregations");
    }
    if (condition->kind == PEN_YAML_SCALAR) {
        *count = 1;
        return sigma_condition(b, detection, condition, out);
    }
    for (const struct pen_yaml *kid = condition->child; kid != NULL; kid = kid->next) {
        if (*count == PEN_RULE_QUERIES_MAX) {
            return sigma_fail(b, condition, "more than %u conditions", PEN_RULE_QUERIES_MAX);
        }
        PEN_TRY(sigma_condition(b, detection, kid, &out[(*count)++]));
    }
    return *count > 0 ? PEN_OK : sigma_fail(b, condition, "the condition is empty");
}

static pen_status read_detection(struct builder *b, const struct pen_yaml *root,
                                 struct pen_rule *rule)
{
    struct pen_expr *trees[PEN_RULE_QUERIES_MAX];
    uint32_t count = 0;
    const struct pen_yaml *detection = pen_yaml_get(root, "detection");
    if (detection == NULL || detection->kind != PEN_YAML_MAP) {
        return sigma_fail(b, detection == NULL ? root : detection,
                          "`detection` is missing or no map");
    }
    PEN_TRY(build(b, detection, trees, &count));
    for (const struct pen_yaml *kid = detection->child; kid != NULL; kid = kid->next) {
        struct pen_expr *unused = NULL; /* identifiers that no condition names are checked too */
        if (!pen_slice_eq(kid->key->text, PEN_SLICE_LIT("condition"))) {
            PEN_TRY(sigma_identifier(b, kid, &unused));
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        struct pen_err why;
        if (pen_expr_check(trees[i], &why) != PEN_OK) {
            return sigma_fail(b, detection, "%s", why.text);
        }
    }
    rule->impl = PEN_NEW(b->arena, struct pen_rule_impl);
    PEN_CHECK(rule->impl != NULL);
    rule->impl->detection = detection;
    return PEN_OK;
}

static pen_status read_rule(struct builder *b, const struct pen_yaml *root, struct pen_rule *rule)
{
    rule->title = pen_yaml_text(root, "title");
    rule->id = pen_yaml_text(root, "id");
    rule->status = pen_yaml_text(root, "status");
    rule->description = pen_yaml_text(root, "description");
    rule->version = pen_yaml_text(root, "modified");
    rule->language = "sigma";
    rule->line = root->line;
    if (rule->title.len == 0) {
        return sigma_fail(b, root, "`title` is missing");
    }
    if (rule->id.len == 0) {
        rule->id = rule->title;
    }
    PEN_TRY(read_level(b, root, rule));
    PEN_TRY(read_tags(b, root, rule));
    PEN_TRY(read_list(b, pen_yaml_get(root, "falsepositives"), "falsepositives",
                      &rule->falsepositives, &rule->falsepositive_count));
    PEN_TRY(read_logsource(b, root, rule));
    return read_detection(b, root, rule);
}

static bool is_selected(const struct pen_rules *rules, const struct pen_rule *rule)
{
    const struct pen_rules_options *o = &rules->options;
    const bool is_old = pen_slice_eq_nocase(rule->status, PEN_SLICE_LIT("deprecated")) ||
                        pen_slice_eq_nocase(rule->status, PEN_SLICE_LIT("unsupported"));
    if (rule->severity < o->level_min || (is_old && !o->load_deprecated)) {
        return false;
    }
    for (uint32_t t = 0; t < o->tag_count; t++) {
        for (uint32_t i = 0; i < rule->tag_count; i++) {
            if (pen_slice_eq(rule->tags[i], pen_slice_str(o->tags[t]))) {
                return true;
            }
        }
    }
    return o->tag_count == 0;
}

static const struct pen_rule *find_id(const struct pen_rules *rules, pen_slice id)
{
    for (uint32_t i = 0; i < rules->count; i++) {
        if (pen_slice_eq_nocase(rules->items[i].id, id)) {
            return &rules->items[i];
        }
    }
    return NULL;
}

static void add_rule(struct pen_rules *rules, pen_slice file, const struct pen_yaml *root)
{
    struct pen_err err = {0};
    struct builder b = {
        .arena = &rules->arena, .field = dummy_field, .line = root->line, .column = 1, .err = &err};
    struct pen_rule rule = {.file = file};
    static const char *const later[] = {"correlation", "filter", "action"};
    pen_status st = PEN_OK;
    if (root->kind != PEN_YAML_MAP) {
        st = sigma_fail(&b, root, "a rule is a map");
    }
    for (size_t i = 0; st == PEN_OK && i < PEN_COUNT(later); i++) {
        const struct pen_yaml *node = pen_yaml_get(root, later[i]);
        if (node != NULL) {
            st = sigma_fail(&b, node, "Sigma documents with `%s` are not built yet", later[i]);
        }
    }
    if (st == PEN_OK) {
        st = read_rule(&b, root, &rule);
    }
    const struct pen_rule *same = st == PEN_OK ? find_id(rules, rule.id) : NULL;
    if (same != NULL) {
        st = sigma_fail(&b, root, "the id %.*s is taken by %.*s", PEN_SLICE_FMT(rule.id),
                        PEN_SLICE_FMT(same->file));
    }
    if (st != PEN_OK) {
        reject(rules, file, &b);
        return;
    }
    if (!is_selected(rules, &rule)) {
        return;
    }
    if (rules->count == rules->cap) {
        rules->cap = rules->cap == 0 ? 64 : rules->cap * 2;
        rules->items = reallocarray(rules->items, rules->cap, sizeof(*rules->items));
        PEN_CHECK(rules->items != NULL);
    }
    rules->items[rules->count++] = rule;
}

/* ---- files ---- */

static void add_text(struct pen_rules *rules, const char *name, pen_slice text)
{
    struct pen_yaml_docs docs;
    struct pen_err err = {0};
    const pen_slice file = pen_arena_dup(&rules->arena, pen_slice_str(name));
    const uint32_t before = rules->count;
    if (pen_yaml_parse(&rules->arena, text, NULL, &docs, &err) != PEN_OK) {
        struct builder b = {.line = 1, .column = 1, .err = &err};
        unsigned line = 1;
        unsigned column = 1;
        int skip = 0;
        if (sscanf(err.text, "%u:%u: %n", &line, &column, &skip) >= 2) { // NOLINT(cert-err34-c)
            b.line = line;
            b.column = column;
            memmove(err.text, err.text + skip, strlen(err.text + skip) + 1);
        }
        reject(rules, file, &b);
        return;
    }
    for (uint32_t i = 0; i < docs.count; i++) {
        add_rule(rules, file, docs.roots[i]);
    }
    if (rules->count > before) {
        PEN_CHECK(pen_buf_add(&rules->hashed, text) == PEN_OK);
    }
}

static bool is_rule_file(const char *name)
{
    return (rule_name_ends(name, ".yml") || rule_name_ends(name, ".yaml")) &&
           !rule_name_ends(name, ".test.yml") && strcmp(name, "overlay.yml") != 0;
}

static pen_status each_file(void *ctx, const char *path, pen_slice text, struct pen_err *err)
{
    (void)err;
    add_text(ctx, path, text);
    return PEN_OK;
}

pen_status pen_rules_load(const struct pen_rules_options *options, struct pen_rules **out,
                          struct pen_err *err)
{
    struct pen_rules *rules = calloc(1, sizeof(*rules));
    if (rules == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "rules: out of memory");
    }
    pen_arena_init(&rules->arena, (size_t)4 << 30);
    pen_buf_init(&rules->hashed, (size_t)1 << 31);
    rules->options = *options;
    const struct rule_files files = {.is_wanted = is_rule_file, .each = each_file, .ctx = rules};
    for (uint32_t i = 0; i < options->path_count; i++) {
        const pen_status st = rule_files_each(options->paths[i], &files, err);
        if (st != PEN_OK) {
            pen_rules_free(rules);
            return st;
        }
    }
    *out = rules;
    return PEN_OK;
}

void pen_rules_free(struct pen_rules *rules)
{
    if (rules != NULL) {
        pen_arena_fini(&rules->arena);
        pen_buf_fini(&rules->hashed);
        free(rules->items);
        free(rules->notices);
        free(rules);
    }
}

uint32_t pen_rules_count(const struct pen_rules *rules)
{
    return rules == NULL ? 0 : rules->count;
}

const struct pen_rule *pen_rules_at(const struct pen_rules *rules, uint32_t index)
{
    PEN_CHECK(index < rules->count);
    return &rules->items[index];
}

uint32_t pen_rules_rejected(const struct pen_rules *rules)
{
    return rules->rejected;
}

uint32_t pen_rules_notice_count(const struct pen_rules *rules)
{
    return rules->notice_count;
}

const struct pen_notice *pen_rules_notice(const struct pen_rules *rules, uint32_t index)
{
    PEN_CHECK(index < rules->notice_count);
    return &rules->notices[index];
}

struct pen_hash128 pen_rules_hash(const struct pen_rules *rules)
{
    return pen_hash128(pen_buf_slice(&rules->hashed), rules->count);
}

static bool part_applies(pen_slice wanted, pen_slice has)
{
    return wanted.len == 0 || pen_slice_eq_nocase(wanted, has);
}

bool pen_rule_applies(const struct pen_rule *rule, const struct pen_type *type)
{
    for (uint32_t i = 0; i < type->logsource_count; i++) {
        const struct pen_logsource *has = &type->logsources[i];
        if (part_applies(rule->logsource.category, has->category) &&
            part_applies(rule->logsource.product, has->product) &&
            part_applies(rule->logsource.service, has->service)) {
            return true;
        }
    }
    return false;
}

pen_status pen_rules_queries(struct pen_rules *rules, const struct pen_type *type,
                             pen_field_fn *field, void *field_ctx, struct pen_arena *arena,
                             struct pen_query **out, uint32_t *count, struct pen_err *err)
{
    uint32_t cap = 16;
    struct pen_query *made = PEN_NEW_N(arena, struct pen_query, cap);
    *count = 0;
    PEN_CHECK(made != NULL);
    for (uint32_t r = 0; r < rules->count; r++) {
        const struct pen_rule *rule = &rules->items[r];
        struct pen_expr *trees[PEN_RULE_QUERIES_MAX];
        uint32_t n = 0;
        struct builder b = {.arena = arena, .field = field, .field_ctx = field_ctx, .err = err};
        if (!pen_rule_applies(rule, type)) {
            continue;
        }
        if (build(&b, rule->impl->detection, trees, &n) != PEN_OK) {
            reject(rules, rule->file, &b);
            continue;
        }
        for (uint32_t i = 0; i < n; i++) {
            if (*count == cap) {
                struct pen_query *bigger = PEN_NEW_N(arena, struct pen_query, cap * 2);
                PEN_CHECK(bigger != NULL);
                memcpy(bigger, made, cap * sizeof(*made));
                made = bigger;
                cap *= 2;
            }
            made[(*count)++] = (struct pen_query){
                .expr = trees[i], .tag = r * PEN_RULE_QUERIES_MAX + i, .name = rule->id};
        }
    }
    *out = made;
    return PEN_OK;
}
