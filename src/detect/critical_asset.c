#include "critical_asset.h"

#include "datadog.h"
#include "suppression.h"

struct reading { /* an asset */
    struct side_file *file;
    struct pen_suppression made;
    bool is_enabled, has_severity;
};

bool critical_asset_is_file(const char *path)
{
    return side_file_is_in(path, CRITICAL_ASSET_FOLDER);
}

static pen_status read_name(struct reading *r, const struct pen_yaml *node)
{
    r->made.name = node->text;
    return node->text.len > 0 && node->text.len <= SIDE_NAME_BYTES_MAX
               ? PEN_OK
               : sigma_fail(&r->file->b, node, "`name` has 1 to %u bytes", SIDE_NAME_BYTES_MAX);
}

static pen_status read_query(struct reading *r, const struct pen_yaml *node)
{
    r->made.query = pen_slice_trim(node->text);
    return rules_query_check(&r->file->b, node, "query");
}

static pen_status read_rule_query(struct reading *r, const struct pen_yaml *node)
{
    r->made.rule_query = pen_slice_trim(node->text);
    return rules_query_check(&r->file->b, node, "rule_query");
}

static pen_status read_severity(struct reading *r, const struct pen_yaml *node)
{
    static const struct {
        const char *name;
        int8_t shift;
    } steps[] = {{"increase", 1}, {"decrease", -1}, {"no-op", 0}};
    r->has_severity = true;
    for (size_t i = 0; i < PEN_COUNT(steps); i++) {
        if (pen_slice_eq(node->text, pen_slice_str(steps[i].name))) {
            r->made.severity_shift = steps[i].shift;
            return PEN_OK;
        }
    }
    r->made.severity = PEN_NEW(&r->file->rules->arena, enum pen_severity);
    PEN_CHECK(r->made.severity != NULL);
    return datadog_severity(node->text, r->made.severity)
               ? PEN_OK
               : sigma_fail(&r->file->b, node,
                            "`severity` is info, low, medium, high, critical, increase, decrease "
                            "or no-op");
}

static pen_status read_enabled(struct reading *r, const struct pen_yaml *node)
{
    const bool is = pen_slice_eq(node->text, PEN_SLICE_LIT("true"));
    r->is_enabled = is;
    return is || pen_slice_eq(node->text, PEN_SLICE_LIT("false"))
               ? PEN_OK
               : sigma_fail(&r->file->b, node, "`enabled` is true or false");
}

static pen_status read_words(struct reading *r, const struct pen_yaml *node)
{
    (void)r;
    (void)node; /* for people */
    return PEN_OK;
}

static const struct member {
    const char *name;
    bool may_be_list;
    pen_status (*read)(struct reading *r, const struct pen_yaml *node);
} members[] = {{"name", false, read_name},
               {"query", false, read_query},
               {"rule_query", false, read_rule_query},
               {"severity", false, read_severity},
               {"enabled", false, read_enabled},
               {"tags", true, read_words},
               {"reason", false, read_words},
               {"owner", false, read_words}};

static pen_status read_member(struct reading *r, const struct pen_yaml *node)
{
    for (size_t i = 0; i < PEN_COUNT(members); i++) {
        if (pen_slice_eq(node->key->text, pen_slice_str(members[i].name))) {
            return node->kind == PEN_YAML_SCALAR || members[i].may_be_list
                       ? members[i].read(r, node)
                       : sigma_fail(&r->file->b, node, "`%s` takes one value", members[i].name);
        }
    }
    return sigma_fail(&r->file->b, node->key,
                      "a critical asset has no `%.*s`: it has name, query, rule_query, severity, "
                      "enabled, tags, reason and owner",
                      PEN_SLICE_FMT(node->key->text));
}

static void add_one(struct side_file *file, const struct pen_yaml *node)
{
    struct reading r = {.file = file, .is_enabled = true};
    bool is_good = true;
    r.made = (struct pen_suppression){.file = file->name,
                                      .line = node->line,
                                      .column = node->column,
                                      .expires_ns = INT64_MAX,
                                      .is_of_signals = true,
                                      .is_asset = true};
    for (const struct pen_yaml *kid = node->child; kid != NULL; kid = kid->next) {
        if (read_member(&r, kid) != PEN_OK) {
            side_file_tell(file);
            is_good = false;
        }
    }
    if (is_good && (!r.has_severity || r.made.query.len == 0)) {
        is_good =
            sigma_fail(&file->b, node, "a critical asset needs `query` and `severity`") == PEN_OK;
        side_file_tell(file);
    }
    r.made.name = r.made.name.len > 0 ? r.made.name : side_file_title(file);
    if (is_good && r.is_enabled) {
        suppression_keep(file, node, &r.made);
    }
}

void critical_asset_add_text(struct pen_rules *rules, const char *name, pen_slice text)
{
    side_file_read(rules, name, text, "a critical asset", add_one);
}
