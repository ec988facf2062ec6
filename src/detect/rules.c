#include "rules.h"

#include "penstock/query.h"

#include "files.h"
#include "overlay.h"
#include "source_fold.h"
#include "tables.h"

#include <stdlib.h>

#define RULES_BYTES_MAX ((size_t)4 << 30) /* of all trees of all files */
#define KNOWN_MIN 256U

static const char *const severity_names[] = {"info", "low", "medium", "high", "critical"};

const char *pen_severity_name(enum pen_severity severity)
{
    PEN_CHECK((size_t)severity < PEN_COUNT(severity_names));
    return severity_names[severity];
}

enum pen_severity pen_rule_severity(const struct pen_rule *rule, uint32_t case_index)
{
    const bool has_case = rule->datadog != NULL && case_index < rule->datadog->case_count;
    return has_case ? rule->datadog->cases[case_index].severity : rule->severity;
}

/* ---- notices ---- */

void *rules_grow(void *items, uint32_t count, uint32_t *cap, size_t size)
{
    if (count < *cap) {
        return items;
    }
    *cap = *cap == 0 ? 16 : *cap * 2;
    void *bigger = reallocarray(items, *cap, size);
    PEN_CHECK(bigger != NULL);
    return bigger;
}

void rules_notice(struct pen_rules *rules, enum pen_notice_level level, pen_slice file,
                  const struct builder *b, const char *text)
{
    rules->notices = rules_grow(rules->notices, rules->notice_count, &rules->notice_cap,
                                sizeof(*rules->notices));
    rules->notices[rules->notice_count++] =
        (struct pen_notice){.level = level,
                            .file = file,
                            .line = b->line,
                            .column = b->column,
                            .text = pen_arena_dup(&rules->arena, pen_slice_str(text))};
}

void rules_reject(struct pen_rules *rules, pen_slice file, const struct builder *b)
{
    rules->rejected++;
    rules_notice(rules, PEN_NOTICE_ERROR, file, b, b->err->text);
}

pen_status rules_query_check(struct builder *b, const struct pen_yaml *node, const char *name)
{
    const struct pen_query_options options = {.field = rules_no_field, .as_rule = true};
    struct pen_arena scratch;
    struct pen_expr *tree = NULL;
    struct pen_err err = {0};
    pen_arena_init(&scratch, (size_t)64 << 20);
    const bool is_empty = pen_slice_trim(node->text).len == 0;
    pen_status st = pen_query_parse(&scratch, node->text, &options, &tree, &err);
    st = st == PEN_OK && !is_empty ? pen_expr_check(tree, &err) : st;
    pen_arena_fini(&scratch);
    if (is_empty) {
        return sigma_fail(b, node, "`%s` is empty: it would match everything", name);
    }
    return st == PEN_OK ? PEN_OK
                        : sigma_fail(b, node, "`%s`, byte %llu: %s", name,
                                     (unsigned long long)err.offset, err.text);
}

pen_status rules_no_field(void *ctx, pen_slice name, uint32_t *field, struct pen_err *err)
{
    (void)ctx;
    (void)name;
    (void)err;
    *field = 0;
    return PEN_OK;
}

/* ---- ids and names that were seen ---- */

static struct known *known_place(struct known *known, uint32_t cap, pen_slice text, bool is_id)
{
    uint32_t at = (uint32_t)pen_hash64(text, is_id) & (cap - 1);
    while (known[at].file.ptr != NULL &&
           (known[at].is_id != is_id || !pen_slice_eq(known[at].text, text))) {
        at = (at + 1) & (cap - 1);
    }
    return &known[at];
}

const struct known *rules_known(const struct pen_rules *rules, pen_slice text, bool is_id)
{
    if (rules->known_cap == 0) {
        return NULL;
    }
    const struct known *known = known_place(rules->known, rules->known_cap, text, is_id);
    return known->file.ptr == NULL ? NULL : known;
}

static void known_grow(struct pen_rules *rules)
{
    const uint32_t cap = rules->known_cap == 0 ? KNOWN_MIN : rules->known_cap * 2;
    struct known *bigger = calloc(cap, sizeof(*bigger));
    PEN_CHECK(bigger != NULL);
    for (uint32_t i = 0; i < rules->known_cap; i++) {
        const struct known *old = &rules->known[i];
        if (old->file.ptr != NULL) {
            *known_place(bigger, cap, old->text, old->is_id) = *old;
        }
    }
    free(rules->known);
    rules->known = bigger;
    rules->known_cap = cap;
}

void rules_know(struct pen_rules *rules, pen_slice text, bool is_id, pen_slice file)
{
    if (rules->known_count * 2 >= rules->known_cap) {
        known_grow(rules);
    }
    *known_place(rules->known, rules->known_cap, text, is_id) =
        (struct known){.text = text, .file = file, .is_id = is_id};
    rules->known_count++;
}

/* ---- loading ---- */

static bool is_rule_file(const char *name)
{
    return (rule_name_ends(name, ".yml") || rule_name_ends(name, ".yaml") ||
            rule_name_ends(name, ".json")) &&
           !rule_name_ends(name, ".test.yml") && !rule_name_ends(name, ".test.json");
}

static pen_status each_file(void *ctx, const char *path, pen_slice text, struct pen_err *err)
{
    (void)err;
    rules_add_text(ctx, path, text);
    return PEN_OK;
}

static const char *copy_text(struct pen_rules *rules, const char *text)
{
    const pen_slice copy = pen_arena_dup(&rules->arena, pen_slice_str(text));
    PEN_CHECK(copy.ptr != NULL);
    /* with its end, so that values cannot run into one another */
    PEN_CHECK(pen_buf_add(&rules->hashed, (pen_slice){copy.ptr, copy.len + 1}) == PEN_OK);
    return (const char *)copy.ptr;
}

/* The set outlives the caller's options, and rules are built from it later. */
static void copy_placeholders(struct pen_rules *rules)
{
    struct pen_rules_options *o = &rules->options;
    struct pen_placeholder *copies =
        PEN_NEW_N(&rules->arena, struct pen_placeholder, (size_t)o->placeholder_count + 1);
    PEN_CHECK(copies != NULL);
    for (uint32_t i = 0; i < o->placeholder_count; i++) {
        const struct pen_placeholder *from = &o->placeholders[i];
        const char **values = PEN_NEW_N(&rules->arena, const char *, from->value_count + 1);
        PEN_CHECK(values != NULL);
        copies[i] = (struct pen_placeholder){.name = copy_text(rules, from->name),
                                             .values = values,
                                             .value_count = from->value_count};
        for (uint32_t k = 0; k < from->value_count; k++) {
            values[k] = copy_text(rules, from->values[k]);
        }
        (void)copy_text(rules, ""); /* ends the list */
    }
    o->placeholders = copies;
}

static pen_status read_all(struct pen_rules *rules, struct pen_err *err)
{
    const struct pen_rules_options *o = &rules->options;
    const struct rule_files files = {.is_wanted = is_rule_file, .each = each_file, .ctx = rules};
    pen_status st = tables_read(rules, err);
    for (uint32_t i = 0; i < o->path_count && st == PEN_OK; i++) {
        st = rule_files_each(o->paths[i], &files, err);
    }
    for (uint32_t i = 0; i < o->text_count && st == PEN_OK; i++) {
        rules_add_text(rules, o->texts[i].name, o->texts[i].text);
    }
    return st;
}

pen_status pen_rules_load(const struct pen_rules_options *options, struct pen_rules **out,
                          struct pen_err *err)
{
    struct pen_rules *rules = calloc(1, sizeof(*rules));
    if (rules == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "rules: out of memory");
    }
    pen_arena_init(&rules->arena, RULES_BYTES_MAX);
    pen_buf_init(&rules->hashed, (size_t)1 << 31);
    rules->options = *options;
    copy_placeholders(rules);
    const pen_status st = read_all(rules, err);
    if (st != PEN_OK) {
        pen_rules_free(rules);
        return st;
    }
    tables_drop_texts(rules);
    rules_select(rules);
    sigma_filters_apply(rules);
    sigma_correlations_link(rules);
    datadog_correlations_link(rules);
    rules_settle(rules);
    overlay_warn_unused(rules);
    /* Borrowed until now. */
    rules->options.paths = NULL;
    rules->options.texts = NULL;
    rules->options.tags = NULL;
    rules->options.tables = NULL;
    *out = rules;
    return PEN_OK;
}

void pen_rules_free(struct pen_rules *rules)
{
    if (rules != NULL) {
        tables_free(rules);
        pen_arena_fini(&rules->arena);
        pen_buf_fini(&rules->hashed);
        free(rules->items);
        free(rules->filters);
        free(rules->overlays);
        free(rules->suppressions);
        free(rules->security_filters);
        free(rules->correlations);
        free(rules->over_signals);
        free(rules->notices);
        free(rules->known);
        free(rules);
    }
}

/* ---- what was loaded ---- */

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

uint32_t pen_rules_stages(const struct pen_rules *rules)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < rules->count; i++) {
        const struct pen_datadog *datadog = rules->items[i].datadog;
        most = datadog != NULL && datadog->stage > most ? datadog->stage : most;
    }
    return most;
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

/* Some query may take a record of the type. */
static bool may_apply(const struct pen_rule_impl *impl, const struct pen_type *type)
{
    bool is_any = false;
    for (uint32_t i = 0; i < impl->tree_count && !is_any; i++) {
        is_any = source_verdict(impl->trees[i], type) != SOURCE_NEVER;
    }
    return is_any && !pen_slice_eq(type->name, PEN_SLICE_LIT("unknown"));
}

static bool source_applies(const struct pen_logsource *wanted, const struct pen_type *type)
{
    for (uint32_t i = 0; i < type->logsource_count; i++) {
        const struct pen_logsource *has = &type->logsources[i];
        if (part_applies(wanted->category, has->category) &&
            part_applies(wanted->product, has->product) &&
            part_applies(wanted->service, has->service)) {
            return true;
        }
    }
    return false;
}

bool pen_rule_applies(const struct pen_rule *rule, const struct pen_type *type)
{
    const struct pen_rule_impl *impl = rule->impl;
    if (impl->refs == NULL) {
        return rule->datadog != NULL ? may_apply(impl, type)
                                     : source_applies(&rule->logsource, type);
    }
    for (uint32_t i = 0; i < impl->source_count; i++) {
        if (source_applies(&impl->sources[i], type)) {
            return true;
        }
    }
    return false;
}

/* ---- queries ---- */

struct query_list {
    struct pen_arena *arena;
    struct pen_query *items;
    uint32_t count, cap;
};

static void query_push(struct query_list *list, struct pen_query query)
{
    if (list->count == list->cap) {
        const uint32_t cap = list->cap == 0 ? 16 : list->cap * 2;
        struct pen_query *bigger = PEN_NEW_N(list->arena, struct pen_query, cap);
        PEN_CHECK(bigger != NULL);
        if (list->count > 0) {
            memcpy(bigger, list->items, list->count * sizeof(*bigger));
        }
        list->items = bigger;
        list->cap = cap;
    }
    list->items[list->count++] = query;
}

pen_status rules_search_field(void *ctx, pen_slice name, uint32_t *field, struct pen_err *err)
{
    const struct search_names *n = ctx;
    if (source_is_known(name, n->type)) {
        *field = SOURCE_FIELD;
        return PEN_OK;
    }
    return n->names->query_field(n->names->query_ctx, name, field, err);
}

/* What overlays exclude of a rule, and what no security filter takes, is no match of *tree any
 * more. */
static pen_status exclude(const struct pen_rules *rules, const struct pen_rule *rule,
                          struct search_names *search, struct builder *b,
                          const struct pen_expr **tree)
{
    const struct pen_query_options options = {
        .field = rules_search_field, .field_ctx = search, .as_rule = true};
    const uint32_t own = rule->impl->exclude_count;
    const uint32_t count = own + (rules->unanalysed.len > 0 ? 1U : 0U);
    if (count == 0) {
        return PEN_OK;
    }
    struct pen_expr *both = expr_new(b, PEN_EXPR_AND, count + 1);
    both->kids[0] = pen_unconst(*tree);
    for (uint32_t i = 0; i < count; i++) {
        struct pen_expr *no = expr_new(b, PEN_EXPR_NOT, 1);
        const pen_slice text = i < own ? rule->impl->excludes[i] : rules->unanalysed;
        PEN_TRY(pen_query_parse(b->arena, text, &options, &no->kids[0], b->err));
        source_fold(no->kids[0], search->type);
        both->kids[i + 1] = no;
    }
    *tree = both;
    return PEN_OK;
}

static pen_status exclude_all(const struct pen_rules *rules, const struct pen_rule *rule,
                              struct search_names *search, struct builder *b,
                              struct query_list *list, uint32_t first)
{
    pen_status st = PEN_OK;
    for (uint32_t i = first; i < list->count && st == PEN_OK; i++) {
        st = exclude(rules, rule, search, b, &list->items[i].expr);
    }
    return st;
}

/* False when the rule was left out: its queries up to then are taken back. */
static bool build_datadog(const struct pen_rules *rules, uint32_t index,
                          struct search_names *search, struct builder *b, struct query_list *list)
{
    const struct pen_rule *rule = &rules->items[index];
    const struct pen_query_options options = {
        .field = rules_search_field, .field_ctx = search, .as_rule = true};
    const uint32_t before = list->count;
    for (uint32_t i = 0; i < rule->datadog->query_count; i++) {
        struct pen_expr *tree = NULL;
        if (source_verdict(rule->impl->trees[i], search->type) == SOURCE_NEVER) {
            continue;
        }
        const struct pen_rule_query *query = &rule->datadog->queries[i];
        if (pen_query_parse(b->arena, query->text, &options, &tree, b->err) != PEN_OK ||
            tables_join(b, rules_search_field, search, query, &tree) != PEN_OK) {
            list->count = before;
            return false;
        }
        source_fold(tree, search->type);
        query_push(list, (struct pen_query){.expr = tree,
                                            .tag = index * PEN_RULE_QUERIES_MAX + i,
                                            .name = rule->id});
    }
    return true;
}

/* Conditions of all rules that a query names and that apply to the type; *out NULL: none does. */
static pen_status correlated_tree(const struct pen_rules *rules, const struct rule_refs *refs,
                                  struct search_names *search, struct builder *b,
                                  struct pen_expr **out)
{
    struct pen_expr *kids[PEN_RULE_QUERIES_MAX * PEN_STATE_QUERIES_MAX];
    uint32_t count = 0;
    *out = NULL;
    pen_status st = PEN_OK;
    for (uint32_t i = 0; i < refs->count && st == PEN_OK; i++) {
        const struct pen_rule *rule = &rules->items[refs->items[i]];
        uint32_t n = 0;
        st = pen_rule_applies(rule, search->type) ? sigma_rule_build(b, rule, kids + count, &n)
                                                  : PEN_OK;
        for (uint32_t k = 0; k < n && st == PEN_OK; k++) {
            const struct pen_expr *tree = kids[count + k];
            st = exclude(rules, rule, search, b, &tree);
            kids[count + k] = pen_unconst(tree);
        }
        count += n;
    }
    if (st != PEN_OK) {
        return st;
    }
    if (count > 0) {
        *out = expr_new(b, PEN_EXPR_OR, count);
        memcpy((*out)->kids, kids, count * sizeof(struct pen_expr *));
    }
    return PEN_OK;
}

static bool build_correlation(const struct pen_rules *rules, uint32_t index,
                              struct search_names *search, struct builder *b,
                              struct query_list *list)
{
    const struct pen_rule *rule = &rules->items[index];
    PEN_CHECK(rule->datadog != NULL);
    for (uint32_t q = 0; q < rule->datadog->query_count; q++) {
        struct pen_expr *tree = NULL;
        if (correlated_tree(rules, &rule->impl->refs[q], search, b, &tree) != PEN_OK) {
            return false;
        }
        if (tree != NULL) {
            query_push(list, (struct pen_query){.expr = tree,
                                                .tag = index * PEN_RULE_QUERIES_MAX + q,
                                                .name = rule->id});
        }
    }
    return true;
}

/* Of one log type; said for each, counted once. */
static void reject_for_type(struct pen_rules *rules, const struct pen_rule *rule,
                            const struct builder *b)
{
    rules->rejected += !rule->impl->is_rejected;
    rule->impl->is_rejected = true;
    rules_notice(rules, PEN_NOTICE_ERROR, rule->file, b, b->err->text);
}

/* False when the rule was left out. */
static bool build_rule(struct pen_rules *rules, uint32_t index, struct search_names *search,
                       struct builder *b, struct query_list *list)
{
    struct pen_expr *trees[PEN_RULE_QUERIES_MAX];
    const struct pen_rule *rule = &rules->items[index];
    uint32_t n = 0;
    b->line = rule->line;
    b->column = 1;
    const bool is_plain_part = rule->datadog == NULL && rule->is_silent;
    const bool is_over_signals = rule->datadog != NULL && rule->datadog->stage > 0;
    if (rule->impl->refs == NULL && (is_plain_part || is_over_signals)) {
        return true;
    }
    if (rule->impl->refs != NULL) {
        return build_correlation(rules, index, search, b, list);
    }
    if (rule->datadog != NULL) {
        return build_datadog(rules, index, search, b, list);
    }
    if (sigma_rule_build(b, rule, trees, &n) != PEN_OK) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        query_push(list, (struct pen_query){.expr = trees[i],
                                            .tag = index * PEN_RULE_QUERIES_MAX + i,
                                            .name = rule->id});
    }
    return true;
}

// NOLINTNEXTLINE(readability-function-size): the parameters are the contract of detect.h
pen_status pen_rules_queries(struct pen_rules *rules, const struct pen_type *type,
                             const struct pen_rule_names *names, struct pen_arena *arena,
                             struct pen_query **out, uint32_t *count, struct pen_err *err)
{
    struct query_list list = {.arena = arena};
    struct search_names search = {.names = names, .type = type};
    struct builder b = {.arena = arena,
                        .field = names->field,
                        .field_ctx = names->field_ctx,
                        .options = &rules->options,
                        .err = err};
    for (uint32_t i = 0; i < rules->count; i++) {
        const struct pen_rule *rule = &rules->items[i];
        const uint32_t first = list.count;
        if (pen_rule_applies(rule, type) &&
            (!build_rule(rules, i, &search, &b, &list) ||
             exclude_all(rules, rule, &search, &b, &list, first) != PEN_OK)) {
            if (err->status == PEN_E_NOMEM) {
                return PEN_E_NOMEM; /* arena is full: that is no fault of this rule */
            }
            list.count = first;
            reject_for_type(rules, rule, &b);
        }
    }
    *out = list.items;
    *count = list.count;
    return PEN_OK;
}
