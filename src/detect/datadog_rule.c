/* tested by tests/unit/detect/test_datadog.c */
#include "penstock/query.h"

#include "datadog.h"
#include "schema.h"
#include "source_fold.h"
#include "template.h"

#define VERSION_DIGITS 12

/* ---- what describes the rule ---- */

/* tactic:TA0006-credential-access is "TA0006-credential-access". */
static void tags_named(const struct pen_rule *rule, const char *prefix, pen_slice *items,
                       uint32_t *count)
{
    const pen_slice start = pen_slice_str(prefix);
    for (uint32_t i = 0; i < rule->tag_count; i++) {
        if (pen_slice_starts(rule->tags[i], start) && rule->tags[i].len > start.len) {
            items[(*count)++] = pen_slice_sub(rule->tags[i], start.len, rule->tags[i].len);
        }
    }
}

/* As Datadog names them, and as Sigma does: attack.credential-access. */
static void read_tags(struct datadog *d, struct pen_rule *rule)
{
    rule->tags = datadog_texts(d, d->root, "tags", &rule->tag_count);
    pen_slice *tactics = PEN_NEW_N(d->arena, pen_slice, (size_t)rule->tag_count + 1);
    pen_slice *techniques = PEN_NEW_N(d->arena, pen_slice, (size_t)rule->tag_count + 1);
    PEN_CHECK(tactics != NULL && techniques != NULL);
    tags_named(rule, "tactic:", tactics, &rule->tactic_count);
    tags_named(rule, "technique:", techniques, &rule->technique_count);
    sigma_tags_attack(d->arena, rule, tactics, techniques);
    rule->tactics = tactics;
    rule->techniques = techniques;
}

static void read_status(const struct json_node *root, struct pen_rule *rule)
{
    const bool is_off =
        datadog_get(root, "isEnabled", PEN_BOOL) != NULL && !datadog_is_true(root, "isEnabled");
    rule->status = datadog_is_true(root, "isDeleted") ? PEN_SLICE_LIT("deleted")
                   : is_off                           ? PEN_SLICE_LIT("disabled")
                                                      : PEN_SLICE_LIT("enabled");
}

/* The server's number, else what tells one text of the rule from another. */
static pen_slice read_version(const struct datadog *d)
{
    const struct json_node *version = datadog_get(d->root, "version", PEN_NUMBER);
    char hex[33];
    if (version != NULL) {
        return version->text;
    }
    pen_hash128_hex(pen_hash128(d->root->raw, 0), hex);
    const pen_slice copy = pen_arena_dup(d->arena, (pen_slice){(uint8_t *)hex, VERSION_DIGITS});
    PEN_CHECK(copy.ptr != NULL);
    return copy;
}

static void read_meta(struct datadog *d, struct pen_rule *rule)
{
    const pen_slice custom = datadog_text(d->root, "customName");
    rule->language = "datadog";
    rule->line = d->root->line;
    rule->id = datadog_text(d->root, "id");
    rule->title = custom.len > 0 ? custom : datadog_text(d->root, "name");
    rule->version = read_version(d);
    read_tags(d, rule);
    read_status(d->root, rule);
    if (rule->title.len == 0 || rule->title.len > DATADOG_NAME_BYTES_MAX) {
        datadog_error(d, d->root, "the name of a rule has 1 to %u bytes", DATADOG_NAME_BYTES_MAX);
    }
}

/* ---- groups ---- */

/* Queries meet by position: the first with so many fields has the names. */
static void name_groups(struct pen_datadog *out)
{
    for (uint32_t i = out->query_count; i-- > 0;) {
        if (out->queries[i].group_by_count > 0) {
            out->group_names[out->queries[i].group_by_count] = out->queries[i].group_by;
        }
    }
}

/* ---- templates ---- */

static void check_template(struct datadog *d, const struct json_node *text)
{
    size_t offset = 0;
    const char *why = text == NULL ? NULL : template_check(text->text, &offset);
    if (text != NULL && text->text.len > PEN_RULE_TEXT_BYTES_MAX) {
        datadog_error(d, text, "more than %zu bytes", PEN_RULE_TEXT_BYTES_MAX);
    } else if (why != NULL) {
        datadog_warn_in(d, text, offset, why);
    }
}

/* What message and titles name of events. */
static void read_templates(struct datadog *d, const struct pen_rule *rule, struct pen_datadog *out)
{
    const struct json_node *options = datadog_get(d->root, "options", PEN_OBJECT);
    const struct json_node *third = datadog_get(options, "thirdPartyRuleOptions", PEN_OBJECT);
    const struct json_node *custom = datadog_get(d->root, "customMessage", PEN_STRING);
    const struct json_node *message = datadog_get(d->root, "message", PEN_STRING);
    struct pen_buf all;
    bool is_cut = false;
    message = custom != NULL && custom->text.len > 0 ? custom : message;
    out->message = message == NULL ? (pen_slice){0} : message->text;
    out->title = datadog_text(third, "signalTitleTemplate");
    check_template(d, message);
    check_template(d, datadog_get(third, "signalTitleTemplate", PEN_STRING));
    pen_buf_init(&all, DATADOG_RULE_BYTES_MAX * 4);
    PEN_CHECK(pen_buf_add(&all, rule->title) == PEN_OK &&
              pen_buf_add(&all, PEN_SLICE_LIT("{{else}}")) == PEN_OK &&
              pen_buf_add(&all, out->title) == PEN_OK &&
              pen_buf_add(&all, PEN_SLICE_LIT("{{else}}")) == PEN_OK &&
              pen_buf_add(&all, out->message) == PEN_OK);
    template_names(d->arena, pen_buf_slice(&all), &out->attributes, &out->attribute_count,
                   DATADOG_ATTRIBUTES_MAX, &is_cut);
    pen_buf_fini(&all);
    if (is_cut) {
        datadog_warn(d, message == NULL ? d->root : message,
                     "the texts name more than %u attributes: the others stay empty",
                     DATADOG_ATTRIBUTES_MAX);
    }
}

/* ---- the whole ---- */

/* Fields that say what sent a record are told from all others. */
static pen_status marked_field(void *ctx, pen_slice name, uint32_t *field, struct pen_err *err)
{
    static const struct pen_type any = {.name = {NULL, 0}};
    (void)ctx;
    (void)err;
    *field = source_is_known(name, &any) ? SOURCE_FIELD : 0;
    return PEN_OK;
}

/* The trees by which a rule is told to be for a type or not. */
static void make_trees(struct datadog *d, const struct pen_datadog *from,
                       struct pen_rule_impl *impl)
{
    const struct pen_query_options options = {.field = marked_field, .as_rule = true};
    struct pen_err err = {0};
    impl->trees = PEN_NEW_N(d->arena, struct pen_expr *, from->query_count + 1);
    PEN_CHECK(impl->trees != NULL);
    for (uint32_t i = 0; i < from->query_count; i++) {
        struct pen_expr **tree = &impl->trees[i];
        pen_status st = pen_query_parse(d->arena, from->queries[i].text, &options, tree, &err);
        st = st == PEN_OK ? pen_expr_check(*tree, &err) : st;
        if (st != PEN_OK) {
            datadog_error(d, d->root, "query %.*s with all that belongs to it: %s",
                          PEN_SLICE_FMT(from->queries[i].name), err.text);
            return;
        }
    }
    impl->tree_count = from->query_count;
}

static void set_severity(struct pen_rule *rule)
{
    for (uint32_t i = 0; i < rule->datadog->case_count; i++) {
        if (rule->datadog->cases[i].severity > rule->severity) {
            rule->severity = rule->datadog->cases[i].severity;
        }
    }
}

static void read_queries(struct datadog *d, struct pen_datadog *out)
{
    if (datadog_is_over_signals(d->root)) {
        datadog_signal_queries(d, out);
    } else {
        datadog_queries(d, out);
    }
    if (out->state.method == PEN_METHOD_SEQUENCE) {
        datadog_sequence(d, out);
    }
    datadog_cases(d, out);
}

static void read_parts(struct datadog *d, struct pen_datadog *out)
{
    datadog_options(d, out);
    if (pen_slice_eq(datadog_method(d->root), PEN_SLICE_LIT("third_party"))) {
        datadog_third_party(d, out);
    } else {
        read_queries(d, out);
    }
    datadog_tables(d, out);
    datadog_joined(d, out);
    name_groups(out);
}

bool datadog_rule(struct datadog *d, struct json_node *root, struct pen_rule *rule)
{
    struct pen_datadog *out = PEN_NEW(d->arena, struct pen_datadog);
    rule->impl = PEN_NEW(d->arena, struct pen_rule_impl);
    PEN_CHECK(out != NULL && rule->impl != NULL);
    d->root = root;
    if (root->kind != PEN_OBJECT) {
        datadog_error(d, root, "a rule is an object");
        return false;
    }
    if (root->raw.len > DATADOG_RULE_BYTES_MAX) {
        datadog_error(d, root, "a rule has at most %zu bytes", DATADOG_RULE_BYTES_MAX);
        return false;
    }
    schema_check(d, root, &datadog_rule_schema);
    read_meta(d, rule);
    if (!datadog_is_built(d)) {
        return false;
    }
    rule->datadog = out;
    out->has_extended_title = datadog_is_true(root, "hasExtendedTitle");
    read_parts(d, out);
    read_templates(d, rule, out);
    if (d->errors == 0) {
        if (!datadog_is_over_signals(root)) {
            make_trees(d, out, rule->impl);
        }
        set_severity(rule);
    }
    return d->errors == 0;
}
