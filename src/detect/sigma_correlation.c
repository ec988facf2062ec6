/* tested by tests/e2e/test_stateful.py */
#include "sigma_correlation.h"

#include <stdio.h>

#define DAY_NS PEN_NS_PER_DAY
#define TIMESPAN_MAX_NS (31 * DAY_NS)

static const char *const kind_names[] = {"event_count", "value_count", "value_sum", "temporal",
                                         "temporal_ordered"};

void *correlation_take(struct correlation *r, size_t count, size_t size)
{
    void *p = pen_arena_alloc(r->b->arena, (count + 1) * size, 16);
    PEN_CHECK(p != NULL);
    memset(p, 0, (count + 1) * size);
    return p;
}

/* ---- parts of the map ---- */

static pen_status check_keys(struct correlation *r)
{
    static const char *const known[] = {"type",    "rules", "group-by",  "timespan",
                                        "aliases", "field", "condition", "generate"};
    for (const struct pen_yaml *kid = r->map->child; kid != NULL; kid = kid->next) {
        bool is_known = false;
        for (size_t i = 0; i < PEN_COUNT(known); i++) {
            is_known |= pen_slice_eq(kid->key->text, pen_slice_str(known[i]));
        }
        if (!is_known) {
            return sigma_fail(r->b, kid->key, "a correlation has no `%.*s`",
                              PEN_SLICE_FMT(kid->key->text));
        }
    }
    return PEN_OK;
}

static pen_status read_kind(struct correlation *r)
{
    const pen_slice text = pen_yaml_text(r->map, "type");
    for (size_t i = 0; i < PEN_COUNT(kind_names); i++) {
        if (pen_slice_eq_nocase(text, pen_slice_str(kind_names[i]))) {
            r->kind = (enum correlation_kind)i;
            return PEN_OK;
        }
    }
    const struct pen_yaml *type = pen_yaml_get(r->map, "type");
    return sigma_fail(r->b, type == NULL ? r->map : type,
                      "`type` is event_count, value_count, value_sum, temporal or "
                      "temporal_ordered; averages and percentiles are not built");
}

/* s, m, h, d, w, M: one whole number and a unit. */
static pen_status read_timespan(struct correlation *r)
{
    static const struct {
        uint8_t unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}, {'M', 2629746}};
    const struct pen_yaml *node = pen_yaml_get(r->map, "timespan");
    const pen_slice text = pen_yaml_text(r->map, "timespan");
    uint64_t number = 0;
    int64_t unit_ns = 0;
    for (size_t i = 0; text.len > 1 && i < PEN_COUNT(units); i++) {
        unit_ns =
            text.ptr[text.len - 1] == units[i].unit ? units[i].seconds * PEN_NS_PER_S : unit_ns;
    }
    if (unit_ns == 0 || !pen_parse_u64(pen_slice_sub(text, 0, text.len - 1), &number) ||
        number == 0) {
        return sigma_fail(r->b, node == NULL ? r->map : node,
                          "`timespan` is a whole number and one of s m h d w M");
    }
    if (number > (uint64_t)(TIMESPAN_MAX_NS / unit_ns)) {
        return sigma_fail(r->b, node, "`timespan` is 31 days at most");
    }
    /* The window is open where Sigma's is closed. */
    r->out->state.window_ns = (int64_t)number * unit_ns + 1;
    r->out->state.keep_alive_ns = (int64_t)number * unit_ns;
    return PEN_OK;
}

/* A text, or a list of them. */
pen_status correlation_list(struct correlation *r, const char *key, const pen_slice **out,
                            uint32_t *count)
{
    return correlation_names(r, pen_yaml_get(r->map, key), key, out, count);
}

pen_status correlation_names(struct correlation *r, const struct pen_yaml *node, const char *key,
                             const pen_slice **out, uint32_t *count)
{
    *count = 0;
    *out = NULL;
    if (node == NULL) {
        return PEN_OK;
    }
    const uint32_t max = node->kind == PEN_YAML_SCALAR ? 1 : node->count;
    pen_slice *items = correlation_take(r, max, sizeof(*items));
    if (node->kind == PEN_YAML_SCALAR) {
        items[(*count)++] = node->text;
    }
    for (const struct pen_yaml *kid = node->kind == PEN_YAML_SEQ ? node->child : NULL; kid != NULL;
         kid = kid->next) {
        if (kid->kind != PEN_YAML_SCALAR || kid->text.len == 0) {
            return sigma_fail(r->b, kid, "`%s` is a list of names", key);
        }
        items[(*count)++] = kid->text;
    }
    *out = items;
    return *count > 0 ? PEN_OK : sigma_fail(r->b, node, "`%s` is a list of names", key);
}

/* ---- the whole ---- */

static pen_status read_generate(struct correlation *r, const struct pen_yaml *root, bool *out)
{
    const struct pen_yaml *inside = pen_yaml_get(r->map, "generate");
    const struct pen_yaml *node = inside != NULL ? inside : pen_yaml_get(root, "generate");
    const struct pen_yaml *beside = pen_yaml_get(root, "generate");
    const pen_slice text = node == NULL ? PEN_SLICE_LIT("false") : node->text;
    if (inside != NULL && beside != NULL && !pen_slice_eq_nocase(inside->text, beside->text)) {
        return sigma_fail(r->b, beside, "`generate` says otherwise inside of `correlation`");
    }
    *out = pen_slice_eq_nocase(text, PEN_SLICE_LIT("true"));
    return *out || pen_slice_eq_nocase(text, PEN_SLICE_LIT("false"))
               ? PEN_OK
               : sigma_fail(r->b, node, "`generate` is true or false");
}

static pen_status read_group(struct correlation *r)
{
    PEN_TRY(correlation_list(r, "group-by", &r->group_by, &r->group_count));
    return r->group_count <= PEN_STATE_QUERIES_MAX
               ? PEN_OK
               : sigma_fail(r->b, r->map, "more than %u names to group by", PEN_STATE_QUERIES_MAX);
}

static pen_status read_all(struct correlation *r, const struct pen_yaml *root,
                           struct pen_rule *rule)
{
    struct pen_condition_step *steps = correlation_take(r, CORRELATION_STEPS_MAX, sizeof(*steps));
    uint32_t count = 0;
    PEN_TRY(check_keys(r));
    PEN_TRY(read_kind(r));
    PEN_TRY(correlation_rules(r));
    PEN_TRY(read_timespan(r));
    PEN_TRY(read_group(r));
    PEN_TRY(correlation_condition(r, steps, &count));
    PEN_TRY(correlation_queries(r));
    PEN_TRY(read_generate(r, root, &r->impl->generates));
    correlation_case(r, steps, count, rule->severity);
    correlation_sources(r);
    return PEN_OK;
}

static pen_status link_one(struct pen_rules *rules, struct sigma_correlation *c, struct builder *b)
{
    struct correlation r = {.rules = rules, .b = b, .map = pen_yaml_get(c->root, "correlation")};
    r.out = correlation_take(&r, 1, sizeof(*r.out));
    r.impl = correlation_take(&r, 1, sizeof(*r.impl));
    b->line = c->root->line;
    b->column = c->root->column;
    if (r.map->kind != PEN_YAML_MAP) {
        return sigma_fail(b, r.map, "`correlation` is a map");
    }
    PEN_TRY(read_all(&r, c->root, &c->rule));
    r.out->state.method = PEN_METHOD_THRESHOLD;
    r.out->state.duration_max_ns =
        r.out->state.keep_alive_ns > DAY_NS ? r.out->state.keep_alive_ns : DAY_NS;
    r.out->group_names[r.group_count] = r.group_by;
    r.out->message = c->rule.message;
    r.impl->name = c->name;
    c->rule.impl = r.impl;
    c->rule.datadog = r.out;
    return PEN_OK;
}

/* ---- all of them: those that are named first ---- */

enum linked { LINKED_NOT_YET, LINKED };

struct linking {
    struct pen_rules *rules;
    enum linked *states; /* by place in correlations */
    struct builder b;
};

/* The correlation that waits with this id or name. */
static const struct sigma_correlation *waiting_find(struct linking *l, pen_slice text)
{
    pen_slice uuid;
    const bool is_id = sigma_uuid(&l->rules->arena, text, &uuid);
    for (uint32_t i = 0; i < l->rules->correlation_count; i++) {
        const struct sigma_correlation *c = &l->rules->correlations[i];
        if (l->states[i] == LINKED_NOT_YET &&
            (is_id ? pen_slice_eq(c->rule.id, uuid)
                   : c->name.len > 0 && pen_slice_eq(c->name, text))) {
            return c;
        }
    }
    return NULL;
}

/* A name in `rules` of a correlation that waits itself; NULL: all are there, or never will be. */
static const struct pen_yaml *awaited(struct linking *l, const struct sigma_correlation *c)
{
    const struct pen_yaml *map = pen_yaml_get(c->root, "correlation");
    const struct pen_yaml *rules = map->kind == PEN_YAML_MAP ? pen_yaml_get(map, "rules") : NULL;
    if (rules == NULL || rules->kind == PEN_YAML_MAP) {
        return NULL;
    }
    if (rules->kind == PEN_YAML_SCALAR) {
        return waiting_find(l, rules->text) != NULL ? rules : NULL;
    }
    for (const struct pen_yaml *kid = rules->child; kid != NULL; kid = kid->next) {
        if (kid->kind == PEN_YAML_SCALAR && waiting_find(l, kid->text) != NULL) {
            return kid;
        }
    }
    return NULL;
}

/* Unless it has to wait. */
static void link_next(struct linking *l, uint32_t at)
{
    struct pen_rules *rules = l->rules;
    struct sigma_correlation *c = &rules->correlations[at];
    if (awaited(l, c) != NULL) {
        return;
    }
    l->states[at] = LINKED;
    if (link_one(rules, c, &l->b) != PEN_OK) {
        rules_reject(rules, c->rule.file, &l->b);
    } else {
        rules_keep_linked(rules, &c->rule, c->hash, c->index);
    }
}

static void circle_tell(struct linking *l, const struct sigma_correlation *c)
{
    const struct pen_yaml *at = awaited(l, c);
    const pen_status st = sigma_fail(&l->b, at,
                                     "the correlation `%.*s` is one of a circle, or rests on one, "
                                     "or on more than %u levels",
                                     PEN_SLICE_FMT(at->text), PEN_STAGES_MAX);
    PEN_CHECK(st != PEN_OK);
    rules_reject(l->rules, c->rule.file, &l->b);
}

void sigma_correlations_link(struct pen_rules *rules)
{
    struct pen_err err = {0};
    struct linking l = {.rules = rules,
                        .b = {.arena = &rules->arena,
                              .field = rules_no_field,
                              .options = &rules->options,
                              .err = &err}};
    l.states = PEN_NEW_N(&rules->arena, enum linked, (size_t)rules->correlation_count + 1);
    PEN_CHECK(l.states != NULL);
    for (uint32_t turn = 0; turn <= PEN_STAGES_MAX; turn++) { /* a stage each at least */
        for (uint32_t i = 0; i < rules->correlation_count; i++) {
            if (l.states[i] == LINKED_NOT_YET) {
                link_next(&l, i);
            }
        }
    }
    for (uint32_t i = 0; i < rules->correlation_count; i++) {
        if (l.states[i] == LINKED_NOT_YET) {
            circle_tell(&l, &rules->correlations[i]);
        }
    }
}
