#include "security_filter.h"

#include "side_file.h"

struct reading { /* a filter */
    struct side_file *file;
    struct pen_buf text; /* "(query) -(exclusion)" */
    bool is_enabled, has_query, is_good;
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

static pen_status put(struct reading *r, const struct pen_yaml *node, const char *sign)
{
    PEN_TRY(rules_query_check(&r->file->b, node, "query"));
    if (pen_buf_printf(&r->text, " %s(%.*s)", sign, PEN_SLICE_FMT(pen_slice_trim(node->text))) !=
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
        return put(r, node, "-");
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

static pen_status member(struct reading *r, const struct pen_yaml *node)
{
    if (is_named(node, "exclusion_filters")) {
        return exclusions(r, node);
    }
    PEN_TRY(is_scalar(r, node));
    if (is_named(node, "query")) {
        r->has_query = true;
        return put(r, node, "");
    }
    return is_named(node, "is_enabled")           ? enabled(r, node)
           : is_named(node, "filtered_data_type") ? data_type(r, node)
           : is_named(node, "name")
               ? PEN_OK
               : sigma_fail(&r->file->b, node->key,
                            "a security filter has no `%.*s`: it has name, query, "
                            "exclusion_filters, is_enabled and filtered_data_type",
                            PEN_SLICE_FMT(node->key->text));
}

/* What it does not take either is what no filter takes. */
static pen_status keep(struct reading *r, const struct pen_yaml *node)
{
    struct pen_rules *rules = r->file->rules;
    struct pen_buf all;
    pen_buf_init(&all, SECURITY_FILTER_TEXT_MAX);
    pen_status st = pen_buf_printf(&all, "%.*s -(%.*s)", PEN_SLICE_FMT(rules->unanalysed),
                                   PEN_SLICE_FMT(pen_buf_slice(&r->text)));
    if (st != PEN_OK || rules->security_filter_count == SECURITY_FILTERS_MAX) {
        st = sigma_fail(&r->file->b, node, "more than %u security filters, or %u bytes of them",
                        SECURITY_FILTERS_MAX, SECURITY_FILTER_TEXT_MAX);
    } else {
        rules->unanalysed = pen_arena_dup(&rules->arena, pen_buf_slice(&all));
        PEN_CHECK(rules->unanalysed.ptr != NULL);
        rules->security_filter_count++;
    }
    pen_buf_fini(&all);
    return st;
}

static void add_one(struct side_file *file, const struct pen_yaml *node)
{
    struct reading r = {.file = file, .is_enabled = true, .is_good = true};
    pen_buf_init(&r.text, SECURITY_FILTER_TEXT_MAX);
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
}

void security_filter_add_text(struct pen_rules *rules, const char *name, pen_slice text)
{
    side_file_read(rules, name, text, "a security filter", add_one);
}

uint32_t pen_rules_security_filter_count(const struct pen_rules *rules)
{
    return rules == NULL ? 0 : rules->security_filter_count;
}
