#include "security_filter.h"

#include "penstock/query.h"

#include "side_file.h"
#include "source_fold.h"

struct reading { /* a filter */
    struct side_file *file;
    struct pen_buf text;            /* "(query) -(exclusion)" */
    struct pen_buf query, excluded; /* "(query)", "(exclusion) OR (exclusion)" */
    pen_slice name;
    bool is_enabled, has_query, is_good;
};

struct security_filter {
    pen_slice name;
    pen_slice excluded; /* what its query takes and its exclusions do not, as a query; or empty */
};

bool security_filter_is_file(const char *path)
{
    return side_file_is_in(path, SECURITY_FILTER_FOLDER);
}

static void wrong(struct reading *r, pen_status status)
{
    if (status != PEN_OK) {
        side_file_tell(r->file);
        r->is_good = false;
    }
}

/* A query in its place among those of the filter. */
static pen_status put(struct reading *r, const struct pen_yaml *node, bool is_exclusion)
{
    const pen_slice text = pen_slice_trim(node->text);
    struct pen_buf *own = is_exclusion ? &r->excluded : &r->query;
    PEN_TRY(rules_query_check(&r->file->b, node, "query"));
    if (pen_buf_printf(&r->text, " %s(%.*s)", is_exclusion ? "-" : "", PEN_SLICE_FMT(text)) !=
            PEN_OK ||
        pen_buf_printf(own, "%s(%.*s)", own->len > 0 ? " OR " : "", PEN_SLICE_FMT(text)) !=
            PEN_OK) {
        return sigma_fail(&r->file->b, node, "security filters have at most %u bytes",
                          SECURITY_FILTER_TEXT_MAX);
    }
    return PEN_OK;
}

static bool is_named(const struct pen_yaml *node, const char *name)
{
    return pen_slice_eq(node->key->text, pen_slice_str(name));
}

static pen_status is_scalar(struct reading *r, const struct pen_yaml *node)
{
    return node->kind == PEN_YAML_SCALAR ? PEN_OK
                                         : sigma_fail(&r->file->b, node, "`%.*s` takes one value",
                                                      PEN_SLICE_FMT(node->key->text));
}

static pen_status exclusion_member(struct reading *r, const struct pen_yaml *node, bool *has_query)
{
    PEN_TRY(is_scalar(r, node));
    if (is_named(node, "query")) {
        *has_query = true;
        return put(r, node, true);
    }
    return is_named(node, "name") ? PEN_OK
                                  : sigma_fail(&r->file->b, node->key,
                                               "an exclusion filter has no `%.*s`: it has name "
                                               "and query",
                                               PEN_SLICE_FMT(node->key->text));
}

static pen_status exclusion(struct reading *r, const struct pen_yaml *node)
{
    bool has_query = false;
    pen_status st = node->kind == PEN_YAML_MAP
                        ? PEN_OK
                        : sigma_fail(&r->file->b, node, "an exclusion filter is a map");
    for (const struct pen_yaml *kid = node->child; kid != NULL && st == PEN_OK; kid = kid->next) {
        st = exclusion_member(r, kid, &has_query);
    }
    return st != PEN_OK || has_query
               ? st
               : sigma_fail(&r->file->b, node, "an exclusion filter needs `query`");
}

static pen_status exclusions(struct reading *r, const struct pen_yaml *node)
{
    pen_status st = node->kind == PEN_YAML_SEQ
                        ? PEN_OK
                        : sigma_fail(&r->file->b, node, "`exclusion_filters` takes a list");
    for (const struct pen_yaml *kid = node->child; kid != NULL && st == PEN_OK; kid = kid->next) {
        st = exclusion(r, kid);
    }
    return st;
}

static pen_status enabled(struct reading *r, const struct pen_yaml *node)
{
    const bool is = pen_slice_eq(node->text, PEN_SLICE_LIT("true"));
    r->is_enabled = is;
    return is || pen_slice_eq(node->text, PEN_SLICE_LIT("false"))
               ? PEN_OK
               : sigma_fail(&r->file->b, node, "`is_enabled` is true or false");
}

static pen_status data_type(struct reading *r, const struct pen_yaml *node)
{
    return pen_slice_eq(node->text, PEN_SLICE_LIT("logs"))
               ? PEN_OK
               : sigma_fail(&r->file->b, node, "`filtered_data_type` is logs");
}

static pen_status name(struct reading *r, const struct pen_yaml *node)
{
    r->name = node->text;
    return node->text.len > 0 && node->text.len <= SIDE_NAME_BYTES_MAX &&
                   pen_slice_find(node->text, PEN_SLICE_LIT("\n")) == SIZE_MAX
               ? PEN_OK
               : sigma_fail(&r->file->b, node, "`name` has 1 to %u bytes on one line",
                            SIDE_NAME_BYTES_MAX);
}

static pen_status member(struct reading *r, const struct pen_yaml *node)
{
    if (is_named(node, "exclusion_filters")) {
        return exclusions(r, node);
    }
    PEN_TRY(is_scalar(r, node));
    if (is_named(node, "query")) {
        r->has_query = true;
        return put(r, node, false);
    }
    return is_named(node, "is_enabled")           ? enabled(r, node)
           : is_named(node, "filtered_data_type") ? data_type(r, node)
           : is_named(node, "name")
               ? name(r, node)
               : sigma_fail(&r->file->b, node->key,
                            "a security filter has no `%.*s`: it has name, query, "
                            "exclusion_filters, is_enabled and filtered_data_type",
                            PEN_SLICE_FMT(node->key->text));
}

static pen_status name_check(struct reading *r, const struct pen_yaml *node, pen_slice name)
{
    const struct pen_rules *rules = r->file->rules;
    for (uint32_t i = 0; i < rules->security_filter_count; i++) {
        if (pen_slice_eq(rules->security_filters[i].name, name)) {
            return sigma_fail(&r->file->b, node, "the name '%.*s' is taken by another filter",
                              PEN_SLICE_FMT(name));
        }
    }
    return PEN_OK;
}

/* What the filter excludes, as a query of the set; empty: nothing. */
static pen_slice excluded_text(struct reading *r)
{
    struct pen_buf both;
    pen_buf_init(&both, SECURITY_FILTER_TEXT_MAX * 2 + 16);
    if (r->excluded.len > 0) {
        PEN_CHECK(pen_buf_printf(&both, "%.*s (%.*s)", PEN_SLICE_FMT(pen_buf_slice(&r->query)),
                                 PEN_SLICE_FMT(pen_buf_slice(&r->excluded))) == PEN_OK);
    }
    const pen_slice copy = pen_arena_dup(&r->file->rules->arena, pen_buf_slice(&both));
    pen_buf_fini(&both);
    return copy;
}

static void filter_push(struct reading *r, pen_slice name, pen_slice unanalysed)
{
    struct pen_rules *rules = r->file->rules;
    rules->unanalysed = pen_arena_dup(&rules->arena, unanalysed);
    rules->security_filters =
        rules_grow(rules->security_filters, rules->security_filter_count,
                   &rules->security_filter_cap, sizeof(*rules->security_filters));
    struct security_filter *one = &rules->security_filters[rules->security_filter_count++];
    *one = (struct security_filter){.name = pen_arena_dup(&rules->arena, name),
                                    .excluded = excluded_text(r)};
    PEN_CHECK(rules->unanalysed.ptr != NULL && one->name.ptr != NULL);
}

/* What it does not take either is what no filter takes. */
static pen_status keep(struct reading *r, const struct pen_yaml *node)
{
    const struct pen_rules *rules = r->file->rules;
    const pen_slice name = r->name.len > 0 ? r->name : side_file_title(r->file);
    struct pen_buf all;
    PEN_TRY(name_check(r, node, name));
    pen_buf_init(&all, SECURITY_FILTER_TEXT_MAX);
    pen_status st = pen_buf_printf(&all, "%.*s -(%.*s)", PEN_SLICE_FMT(rules->unanalysed),
                                   PEN_SLICE_FMT(pen_buf_slice(&r->text)));
    if (st != PEN_OK || rules->security_filter_count == PEN_SECURITY_FILTERS_MAX) {
        st = sigma_fail(&r->file->b, node, "more than %u security filters, or %u bytes of them",
                        PEN_SECURITY_FILTERS_MAX, SECURITY_FILTER_TEXT_MAX);
    } else {
        filter_push(r, name, pen_buf_slice(&all));
    }
    pen_buf_fini(&all);
    return st;
}

static void add_one(struct side_file *file, const struct pen_yaml *node)
{
    struct reading r = {.file = file, .is_enabled = true, .is_good = true};
    pen_buf_init(&r.text, SECURITY_FILTER_TEXT_MAX);
    pen_buf_init(&r.query, SECURITY_FILTER_TEXT_MAX);
    pen_buf_init(&r.excluded, SECURITY_FILTER_TEXT_MAX);
    for (const struct pen_yaml *kid = node->child; kid != NULL; kid = kid->next) {
        wrong(&r, member(&r, kid));
    }
    if (r.is_good && !r.has_query) {
        wrong(&r, sigma_fail(&file->b, node, "a security filter needs `query`"));
    }
    if (r.is_good && r.is_enabled) {
        wrong(&r, keep(&r, node));
    }
    pen_buf_fini(&r.text);
    pen_buf_fini(&r.query);
    pen_buf_fini(&r.excluded);
}

void security_filter_add_text(struct pen_rules *rules, const char *name, pen_slice text)
{
    side_file_read(rules, name, text, "a security filter", add_one);
}

uint32_t pen_rules_security_filter_count(const struct pen_rules *rules)
{
    return rules == NULL ? 0 : rules->security_filter_count;
}

pen_slice pen_rules_security_filter_name(const struct pen_rules *rules, uint32_t index)
{
    PEN_CHECK(index < rules->security_filter_count);
    return rules->security_filters[index].name;
}

// NOLINTNEXTLINE(readability-function-size): the parameters are the contract of detect.h
pen_status pen_rules_left_out(const struct pen_rules *rules, uint32_t index,
                              const struct pen_type *type, const struct pen_rule_names *names,
                              struct pen_arena *arena, struct pen_expr **out, struct pen_err *err)
{
    struct search_names search = {.names = names, .type = type};
    const struct pen_query_options options = {
        .field = rules_search_field, .field_ctx = &search, .as_rule = true};
    PEN_CHECK(index <= rules->security_filter_count && rules->security_filter_count > 0);
    const bool is_last = index == rules->security_filter_count;
    const pen_slice text = is_last ? rules->unanalysed : rules->security_filters[index].excluded;
    *out = NULL;
    if (text.len == 0) {
        return PEN_OK;
    }
    PEN_TRY(pen_query_parse(arena, text, &options, out, err));
    source_fold(*out, type);
    return PEN_OK;
}
