/* tested by tests/unit/detect/test_payloads.c */
#include "rule_payloads.h"

#include "json_tree.h"

#include <stdio.h>

#define NAME_BYTES_MAX 64U
#define PAYLOADS "ruleQueryPayloads"

static pen_status mistake(const struct rule_payloads *p, const struct json_node *at,
                          const char *reason, struct pen_err *err)
{
    return PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET, "%.*s:%u:%u: %s", PEN_SLICE_FMT(p->file),
                    at->line, at->column, reason);
}

static const struct json_node *child_of(const struct json_node *node, const char *name)
{
    const struct json_node *kid = node->kind == PEN_OBJECT ? node->child : NULL;
    while (kid != NULL && !pen_slice_eq(kid->key->text, pen_slice_str(name))) {
        kid = kid->next;
    }
    return kid;
}

/* ---- events ---- */

/* Names that Datadog's intake has for what queries call otherwise. */
static pen_slice name_of(const struct json_node *member)
{
    static const char *const names[][2] = {
        {"ddsource", "source"}, {"ddtags", "tags"}, {"hostname", "host"}};
    for (size_t i = 0; i < PEN_COUNT(names); i++) {
        if (pen_slice_eq(member->key->text, pen_slice_str(names[i][0]))) {
            return pen_slice_str(names[i][1]);
        }
    }
    return member->key->raw;
}

static pen_status put_member(struct pen_buf *out, const struct json_node *member)
{
    const char *quote = member->kind == PEN_STRING ? "\"" : "";
    PEN_TRY(pen_buf_add(out, pen_slice_str(out->len > 1 ? ",\"" : "\"")));
    PEN_TRY(pen_buf_add(out, name_of(member)));
    PEN_TRY(pen_buf_printf(out, "\":%s", quote));
    PEN_TRY(pen_buf_add(out, member->raw));
    return pen_buf_add(out, pen_slice_str(quote));
}

static pen_status add_event(struct rule_payloads *p, const struct json_node *payload,
                            struct pen_rule_test *test, struct pen_err *err)
{
    struct pen_buf text;
    struct pen_err why = {0};
    pen_buf_init(&text, RULE_EVENT_TEXT_BYTES_MAX);
    pen_status st = pen_buf_add_byte(&text, '{');
    for (const struct json_node *kid = payload->child; st == PEN_OK && kid != NULL;
         kid = kid->next) {
        st = put_member(&text, kid);
    }
    st = st == PEN_OK ? pen_buf_add_byte(&text, '}') : st;
    p->events->items = NULL; /* those of the last test stay where they are */
    p->events->count = 0;
    p->events->cap = 0;
    if (st == PEN_OK) {
        st = rule_events_add_text(p->events, pen_buf_slice(&text), &why);
    }
    pen_buf_fini(&text);
    test->events = p->events->items;
    test->event_count = p->events->count;
    return st == PEN_OK ? PEN_OK
                        : mistake(p, payload,
                                  why.text[0] == '\0' ? "the event is too large" : why.text, err);
}

/* ---- tests ---- */

static void push(struct rule_payloads *p, const struct pen_rule_test *test)
{
    if (p->count == p->cap) {
        const uint32_t cap = p->cap == 0 ? 16 : p->cap * 2;
        struct pen_rule_test *bigger = PEN_NEW_N(p->arena, struct pen_rule_test, cap);
        PEN_CHECK(bigger != NULL);
        if (p->count > 0) {
            memcpy(bigger, p->tests, p->count * sizeof(*bigger));
        }
        p->tests = bigger;
        p->cap = cap;
    }
    p->tests[p->count++] = *test;
}

static pen_status add_payload(struct rule_payloads *p, const struct json_node *item,
                              uint32_t number, pen_slice rule, struct pen_err *err)
{
    const struct json_node *payload = child_of(item, "payload");
    const struct json_node *expected = child_of(item, "expectedResult");
    const struct json_node *index = child_of(item, "index");
    const struct json_node *source = payload == NULL ? NULL : child_of(payload, "ddsource");
    uint64_t query = 0;
    char name[NAME_BYTES_MAX];
    if (payload == NULL || payload->kind != PEN_OBJECT) {
        return mistake(p, item, "a test has a `payload`, the members of an event", err);
    }
    if (expected == NULL || expected->kind != PEN_BOOL) {
        return mistake(p, item, "a test has an `expectedResult`, true or false", err);
    }
    if (index != NULL && (!pen_parse_u64(index->text, &query) || query >= PEN_RULE_QUERIES_MAX)) {
        return mistake(p, index, "`index` is the number of a query, from 0", err);
    }
    (void)snprintf(name, sizeof(name), PAYLOADS "[%u]", number);
    struct pen_rule_test test = {.file = p->file,
                                 .rule_file = p->rule_file,
                                 .rule_id = rule,
                                 .name = pen_arena_dup(p->arena, pen_slice_str(name)),
                                 .type = PEN_SLICE_LIT("json"),
                                 .line = item->line,
                                 .has_query = true,
                                 .query = (uint32_t)query};
    test.expect = pen_slice_eq(expected->text, PEN_SLICE_LIT("true")) ? PEN_EXPECT_MATCH
                                                                      : PEN_EXPECT_NO_MATCH;
    test.source = source != NULL && source->kind == PEN_STRING ? source->text : (pen_slice){0};
    PEN_TRY(add_event(p, payload, &test, err));
    push(p, &test);
    return PEN_OK;
}

static pen_status add_list(struct rule_payloads *p, const struct json_node *list, pen_slice rule,
                           struct pen_err *err)
{
    uint32_t number = 0;
    if (list->kind == PEN_NULL) {
        return PEN_OK;
    }
    if (list->kind != PEN_ARRAY) {
        return mistake(p, list, "`" PAYLOADS "` is a list", err);
    }
    for (const struct json_node *item = list->child; item != NULL; item = item->next) {
        PEN_TRY(add_payload(p, item, number++, rule, err));
    }
    return PEN_OK;
}

/* Its id, or its name, which stands for one. */
static pen_slice rule_of(const struct json_node *rule)
{
    const struct json_node *id = rule == NULL ? NULL : child_of(rule, "id");
    const struct json_node *name = rule == NULL ? NULL : child_of(rule, "name");
    if (rule != NULL && rule->kind == PEN_STRING) {
        return rule->text;
    }
    const struct json_node *best = id != NULL && id->kind == PEN_STRING ? id : name;
    return best != NULL && best->kind == PEN_STRING ? best->text : (pen_slice){0};
}

/* A rule, or what stands around one. */
static pen_status add_object(struct rule_payloads *p, const struct json_node *object,
                             struct pen_err *err)
{
    const struct json_node *list = child_of(object, PAYLOADS);
    const struct json_node *rule = child_of(object, "rule");
    return list == NULL ? PEN_OK : add_list(p, list, rule_of(rule != NULL ? rule : object), err);
}

static pen_status add_root(struct rule_payloads *p, const struct json_node *root, bool is_alone,
                           struct pen_err *err)
{
    const struct json_node *data = child_of(root, "data");
    const struct json_node *list = root->kind == PEN_ARRAY ? root : data;
    const uint32_t before = p->count;
    if (is_alone && root->kind == PEN_ARRAY) {
        return add_list(p, root, (pen_slice){0}, err);
    }
    PEN_TRY(add_object(p, root, err));
    for (const struct json_node *kid = list == NULL ? NULL : list->child; kid != NULL;
         kid = kid->next) {
        PEN_TRY(kid->kind == PEN_OBJECT ? add_object(p, kid, err) : PEN_OK);
    }
    return is_alone && p->count == before ? mistake(p, root, "the file holds no test", err)
                                          : PEN_OK;
}

pen_status rule_payloads_read(struct rule_payloads *p, pen_slice text, bool is_alone,
                              struct pen_err *err)
{
    struct json_reader reader;
    struct json_node *root = NULL;
    struct pen_err why = {0};
    json_tree_begin(&reader, p->arena, text);
    pen_status st = json_tree_next(&reader, &root, &why);
    while (st == PEN_OK && root != NULL) {
        PEN_TRY(add_root(p, root, is_alone, err));
        st = json_tree_next(&reader, &root, &why);
    }
    if (st == PEN_OK || !is_alone) {
        return PEN_OK; /* who loads the rules of the file tells what is wrong with it */
    }
    const struct json_node at = {.line = reader.line, .column = reader.column};
    return mistake(p, &at, why.text, err);
}
