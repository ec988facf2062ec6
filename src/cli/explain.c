/* tested by tests/e2e/test_rules.py */
#include "explain.h"

#include <inttypes.h>
#include <stdlib.h>

#define VALUE_BYTES_MAX 200U /* of a value on a terminal */
#define VALUES_SHOWN_MAX 8U  /* of a field, likewise */
#define SOURCE_COLUMN 48

struct node {
    const struct pen_expr *expr;
    uint32_t depth;
    uint32_t size; /* nodes of the tree below and itself */
    bool verdict;
};
struct nodes { /* kids before their parent, as the evaluation visits them */
    struct node *items;
    uint32_t count, cap;
};

static void on_node(void *ctx, const struct pen_expr *expr, uint32_t depth, bool verdict)
{
    struct nodes *nodes = ctx;
    if (nodes->count == nodes->cap) {
        nodes->cap = nodes->cap == 0 ? 64 : nodes->cap * 2;
        nodes->items = reallocarray(nodes->items, nodes->cap, sizeof(*nodes->items));
        PEN_CHECK(nodes->items != NULL);
    }
    uint32_t size = 1;
    for (uint32_t i = 0; i < expr->kid_count; i++) {
        size += nodes->items[nodes->count - size].size;
    }
    nodes->items[nodes->count++] =
        (struct node){.expr = expr, .depth = depth, .size = size, .verdict = verdict};
}

/* ---- values ---- */

/* A derived value is text that was never inside a record: only escaped ones are as written. */
static pen_status write_string(struct pen_buf *out, const struct pen_value *value, bool json)
{
    if (value->is_escaped) {
        return pen_buf_add(out, value->text);
    }
    const size_t len = json ? value->text.len : VALUE_BYTES_MAX;
    PEN_TRY(pen_json_escape(out, pen_slice_sub(value->text, 0, len)));
    return len < value->text.len ? pen_buf_add(out, PEN_SLICE_LIT("...")) : PEN_OK;
}

static pen_status write_value(struct pen_buf *out, const struct pen_value *value, bool json)
{
    if (value->kind == PEN_OBJECT || value->kind == PEN_ARRAY) {
        return pen_json_compact(out, value->text);
    }
    if (value->kind != PEN_STRING) {
        return pen_buf_add(out, value->text);
    }
    PEN_TRY(pen_buf_add_byte(out, '"'));
    PEN_TRY(write_string(out, value, json));
    return pen_buf_add_byte(out, '"');
}

/* The values of a field with commas between them; the elements of arrays are values. */
static pen_status write_values(struct pen_buf *out, const struct pen_record *record, uint32_t field,
                               bool json)
{
    uint32_t count = 0;
    pen_status st = PEN_OK;
    const struct pen_value *v = pen_record_first(record, field);
    for (; st == PEN_OK && v != NULL; v = pen_value_next(record, v)) {
        if (count++ == VALUES_SHOWN_MAX && !json) {
            return pen_buf_add(out, PEN_SLICE_LIT(", ..."));
        }
        st = count == 1 ? PEN_OK : pen_buf_add(out, pen_slice_str(json ? "," : ", "));
        st = st == PEN_OK ? write_value(out, v, json) : st;
    }
    return st;
}

/* ---- nodes ---- */

static const char *kind_name(const struct pen_expr *expr)
{
    static const char *const names[] = {
        [PEN_EXPR_PRED] = "condition", [PEN_EXPR_AND] = "all of",  [PEN_EXPR_OR] = "any of",
        [PEN_EXPR_NOT] = "not",        [PEN_EXPR_TRUE] = "always", [PEN_EXPR_FALSE] = "never"};
    return names[expr->kind];
}

static pen_status text_values(struct pen_buf *out, const struct pen_record *record, uint32_t field)
{
    const size_t before = out->len;
    PEN_TRY(write_values(out, record, field, false));
    return out->len > before ? PEN_OK : pen_buf_add(out, PEN_SLICE_LIT("(missing)"));
}

static pen_status text_pred(struct pen_buf *out, const struct pen_record *record,
                            const struct pen_expr *expr, uint32_t depth)
{
    const struct pen_pred *pred = expr->pred;
    const size_t begin = out->len;
    PEN_TRY(pen_escape_terminal(out, expr->source));
    if (pred->field == PEN_FIELD_ANY) {
        return PEN_OK;
    }
    const int used = (int)(out->len - begin) + (int)depth * 2;
    PEN_TRY(pen_buf_printf(out, "%*s  ", used < SOURCE_COLUMN ? SOURCE_COLUMN - used : 0, ""));
    PEN_TRY(text_values(out, record, pred->field));
    if (pred->op != PEN_OP_FIELDREF) {
        return PEN_OK;
    }
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT(" against ")));
    return text_values(out, record, pred->field2);
}

static pen_status text_node(struct pen_buf *out, const struct pen_record *record,
                            const struct node *node, uint32_t depth)
{
    const struct pen_expr *expr = node->expr;
    const char *verdict = node->verdict ? "true" : "false";
    PEN_TRY(pen_buf_printf(out, "  %-5s  %*s", verdict, (int)depth * 2, ""));
    if (expr->kind == PEN_EXPR_PRED) {
        PEN_TRY(text_pred(out, record, expr, depth));
    } else {
        PEN_TRY(pen_buf_printf(out, "%s%s", kind_name(expr), expr->source.len > 0 ? "  " : ""));
        PEN_TRY(pen_escape_terminal(out, expr->source));
    }
    return pen_buf_add_byte(out, '\n');
}

static pen_status json_text(struct pen_buf *out, const char *before, pen_slice text)
{
    PEN_TRY(pen_buf_add(out, pen_slice_str(before)));
    PEN_TRY(pen_json_escape(out, text));
    return pen_buf_add_byte(out, '"');
}

static pen_status json_values(struct pen_buf *out, const char *name,
                              const struct pen_record *record, uint32_t field)
{
    PEN_TRY(pen_buf_printf(out, ",\"%s\":[", name));
    PEN_TRY(write_values(out, record, field, true));
    return pen_buf_add_byte(out, ']');
}

static pen_status json_node(struct pen_buf *out, const struct pen_record *record,
                            const struct node *node, uint32_t depth)
{
    const struct pen_expr *expr = node->expr;
    const struct pen_pred *pred = expr->kind == PEN_EXPR_PRED ? expr->pred : NULL;
    PEN_TRY(pen_buf_printf(out, "{\"depth\":%u,\"kind\":\"%s\"", depth, kind_name(expr)));
    PEN_TRY(json_text(out, ",\"condition\":\"", expr->source));
    if (pred != NULL && pred->field != PEN_FIELD_ANY) {
        PEN_TRY(json_values(out, "values", record, pred->field));
    }
    if (pred != NULL && pred->op == PEN_OP_FIELDREF) {
        PEN_TRY(json_values(out, "other_values", record, pred->field2));
    }
    return pen_buf_printf(out, ",\"verdict\":%s}", node->verdict ? "true" : "false");
}

/* Every node before its kids, in the order of the rule. */
static pen_status write_nodes(struct pen_buf *out, const struct pen_record *record,
                              const struct nodes *nodes, bool json)
{
    uint32_t *stack = calloc(nodes->count, sizeof(*stack));
    PEN_CHECK(stack != NULL && nodes->count > 0);
    const uint32_t root_depth = nodes->items[nodes->count - 1].depth;
    uint32_t height = 0;
    pen_status st = PEN_OK;
    stack[height++] = nodes->count - 1;
    for (bool is_first = true; st == PEN_OK && height > 0; is_first = false) {
        const uint32_t at = stack[--height];
        const struct node *node = &nodes->items[at];
        uint32_t kid = at;
        for (uint32_t i = 0; i < node->expr->kid_count; i++) {
            kid -= i == 0 ? 1 : nodes->items[kid].size;
            stack[height++] = kid;
        }
        st = json && !is_first ? pen_buf_add_byte(out, ',') : PEN_OK;
        if (st == PEN_OK) {
            const uint32_t depth = node->depth - root_depth;
            st = json ? json_node(out, record, node, depth) : text_node(out, record, node, depth);
        }
    }
    free(stack);
    return st;
}

/* ---- records ---- */

static bool has_tag(const struct pen_scan_item *item, uint32_t tag)
{
    for (uint32_t i = 0; i < item->tag_count; i++) {
        if (item->tags[i] == tag) {
            return true;
        }
    }
    return false;
}

/* Queries of Datadog rules have names, and a text that is worth to be seen. */
static pen_status named_verdict(const struct explain *e, const struct pen_rule_query *query,
                                bool verdict, struct pen_buf *out)
{
    const char *word = verdict ? "match" : "no match";
    if (!e->json) {
        PEN_TRY(pen_buf_printf(out, "query %.*s: %s  ", PEN_SLICE_FMT(query->name), word));
        PEN_TRY(pen_escape_terminal(out, query->text));
        return pen_buf_add_byte(out, '\n');
    }
    PEN_TRY(json_text(out, "{\"query\":\"", query->name));
    PEN_TRY(json_text(out, ",\"text\":\"", query->text));
    return pen_buf_printf(out, ",\"match\":%s,\"nodes\":[", verdict ? "true" : "false");
}

/* How the verdict of a query is told: rules with one query have no numbers. */
static pen_status query_verdict(const struct explain *e, uint32_t number, bool has_others,
                                bool verdict, struct pen_buf *out)
{
    const char *word = verdict ? "match" : "no match";
    const struct pen_datadog *datadog = pen_rules_at(e->program->rules, e->rule)->datadog;
    if (datadog != NULL) {
        return named_verdict(e, &datadog->queries[number], verdict, out);
    }
    if (e->json) {
        return pen_buf_printf(out, "{\"query\":%u,\"match\":%s,\"nodes\":[", number,
                              verdict ? "true" : "false");
    }
    return has_others ? pen_buf_printf(out, "query %u: %s\n", number, word)
                      : pen_buf_printf(out, "%s\n", word);
}

static pen_status write_query(const struct explain *e, const struct pen_query *query,
                              bool has_others, const struct pen_pass_record *record,
                              struct pen_buf *out)
{
    const uint32_t number = query->tag % PEN_RULE_QUERIES_MAX;
    struct nodes nodes = {0};
    const bool verdict = pen_expr_eval(query->expr, &record->item->record, on_node, &nodes);
    pen_status st = PEN_E_INTERNAL;
    if (record->item->doc.kind != PEN_DOC_EVENT || verdict == has_tag(record->item, query->tag)) {
        st = query_verdict(e, number, has_others, verdict, out);
        st = st == PEN_OK ? write_nodes(out, &record->item->record, &nodes, e->json) : st;
    }
    free(nodes.items);
    return st == PEN_OK && e->json ? pen_buf_add(out, PEN_SLICE_LIT("]}")) : st;
}

static pen_status write_queries(const struct explain *e, const struct pen_pass_record *record,
                                struct pen_buf *out)
{
    const struct pen_program_type *type = &e->program->by_type[record->type->id];
    pen_status st = PEN_OK;
    uint32_t count = 0;
    bool is_first = true;
    for (uint32_t i = 0; i < type->query_count; i++) {
        count += type->queries[i].tag / PEN_RULE_QUERIES_MAX == e->rule;
    }
    for (uint32_t i = 0; st == PEN_OK && i < type->query_count; i++) {
        if (type->queries[i].tag / PEN_RULE_QUERIES_MAX == e->rule) {
            st = is_first || !e->json ? PEN_OK : pen_buf_add_byte(out, ',');
            is_first = false;
        }
        if (st == PEN_OK && type->queries[i].tag / PEN_RULE_QUERIES_MAX == e->rule) {
            st = write_query(e, &type->queries[i], count > 1, record, out);
        }
    }
    if (st != PEN_OK || count > 0 || e->json) {
        return st;
    }
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("no match: the rule is not for the log type ")));
    PEN_TRY(pen_escape_terminal(out, record->type->name));
    return pen_buf_add_byte(out, '\n');
}

static pen_status json_record(const struct explain *e, const struct pen_pass_record *record,
                              pen_slice event_id, struct pen_buf *out)
{
    const struct pen_rule *rule = pen_rules_at(e->program->rules, e->rule);
    bool is_match = false;
    for (uint32_t i = 0; i < record->item->tag_count; i++) {
        is_match |= record->item->tags[i] / PEN_RULE_QUERIES_MAX == e->rule;
    }
    PEN_TRY(json_text(out, "{\"object\":\"", pen_slice_str(record->object->key)));
    PEN_TRY(pen_buf_printf(out, ",\"record\":%" PRIu64, record->item->record.ordinal));
    PEN_TRY(json_text(out, ",\"event_id\":\"", event_id));
    PEN_TRY(json_text(out, ",\"type\":\"", record->type->name));
    PEN_TRY(json_text(out, ",\"rule\":\"", rule->id));
    PEN_TRY(pen_buf_printf(out, ",\"match\":%s,\"queries\":[", is_match ? "true" : "false"));
    PEN_TRY(write_queries(e, record, out));
    return pen_buf_add(out, PEN_SLICE_LIT("]}\n"));
}

static pen_status text_record(const struct explain *e, const struct pen_pass_record *record,
                              pen_slice event_id, struct pen_buf *out)
{
    PEN_TRY(pen_escape_terminal(out, pen_slice_str(record->object->key)));
    PEN_TRY(pen_buf_printf(out, ", record %" PRIu64 ", event ", record->item->record.ordinal));
    PEN_TRY(pen_escape_terminal(out, event_id));
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT(": ")));
    if (record->item->doc.kind != PEN_DOC_EVENT) {
        return pen_buf_add(out, PEN_SLICE_LIT("rules are not run on this kind of record\n"));
    }
    return write_queries(e, record, out);
}

pen_status explain_write(const struct explain *e, const struct pen_pass_record *record,
                         struct pen_buf *out, struct pen_err *err)
{
    char id[PEN_EVENT_ID_MAX];
    const pen_slice event_id = pen_event_id(&record->item->doc, pen_slice_str(record->object->key),
                                            record->item->record.ordinal, id);
    const pen_status st =
        e->json ? json_record(e, record, event_id, out) : text_record(e, record, event_id, out);
    if (st == PEN_E_INTERNAL) {
        return PEN_FAIL(err, st, record->item->record.offset,
                        "%s, record %" PRIu64 ": engine and plain evaluation differ",
                        record->object->key, record->item->record.ordinal);
    }
    return st == PEN_OK
               ? PEN_OK
               : PEN_FAIL(err, st, PEN_NO_OFFSET, "%s: no room to explain", record->object->key);
}
