/* tested by tests/e2e/test_folders.py */
#include "suppress.h"

#include "ask.h"
#include "signal_text.h"

#include <stdlib.h>

static pen_status add_text(struct pen_buf *out, size_t begin, pen_slice text)
{
    PEN_TRY(pen_buf_add(out, out->len == begin ? PEN_SLICE_LIT("\"") : PEN_SLICE_LIT(",\"")));
    PEN_TRY(pen_json_escape(out, text));
    return pen_buf_add_byte(out, '"');
}

static bool is_name(pen_slice name, const char *text)
{
    return pen_slice_eq(name, pen_slice_str(text));
}

/* ---- what a rule says of itself ---- */

struct about_rule {
    const struct pen_program *program;
    const struct pen_rule *rule;
};

static pen_status add_types(const struct about_rule *a, struct pen_buf *out)
{
    const size_t begin = out->len;
    for (uint32_t i = 0; i < a->program->type_count; i++) {
        const struct pen_type *type = pen_types_at(a->program->types, i);
        PEN_TRY(pen_rule_applies(a->rule, type) ? add_text(out, begin, type->name) : PEN_OK);
    }
    return PEN_OK;
}

/* Values of tags "name:value"; every tag is one of `tags`. */
static pen_status add_tags(const struct pen_rule *rule, pen_slice name, struct pen_buf *out,
                           size_t begin)
{
    pen_status st = PEN_OK;
    for (uint32_t i = 0; i < rule->tag_count && st == PEN_OK; i++) {
        const pen_slice tag = rule->tags[i];
        const bool is_of =
            pen_slice_starts(tag, name) && tag.len > name.len && tag.ptr[name.len] == ':';
        const pen_slice value = is_of ? pen_slice_sub(tag, name.len + 1, tag.len) : tag;
        st = is_of || is_name(name, "tags") ? add_text(out, begin, value) : PEN_OK;
    }
    return st;
}

static pen_slice rule_own(const struct pen_rule *rule, pen_slice name)
{
    const bool is_id = is_name(name, "id") || is_name(name, "ruleId") || is_name(name, "rule_id");
    const bool is_title = is_name(name, "name") || is_name(name, "title");
    return is_id                       ? rule->id
           : is_title                  ? rule->title
           : is_name(name, "severity") ? pen_slice_str(pen_severity_name(rule->severity))
           : is_name(name, "language") ? pen_slice_str(rule->language)
           : is_name(name, "message")  ? rule->title
           : is_name(name, "type")     ? PEN_SLICE_LIT("log_detection")
                                       : (pen_slice){0};
}

static pen_status rule_values(void *ctx, pen_slice name, struct pen_buf *out)
{
    const struct about_rule *a = ctx;
    const size_t begin = out->len;
    const pen_slice plain =
        name.len > 0 && name.ptr[0] == '@' ? pen_slice_sub(name, 1, name.len) : name;
    const pen_slice own = rule_own(a->rule, plain);
    if (own.len > 0) {
        return add_text(out, begin, own);
    }
    PEN_TRY(is_name(plain, "source") ? add_types(a, out) : PEN_OK);
    return add_tags(a->rule, plain, out, begin);
}

/* ---- rules and their suppressions ---- */

struct linking {
    struct pen_program *program;
    struct ask *rules, *signals; /* by suppression: its rule_query, its query */
    uint32_t *used;              /* rules that it is about */
};

static pen_status queries_ask(const struct pen_program *program, bool of_rules, struct ask **out,
                              struct pen_err *err)
{
    const uint32_t count = pen_rules_suppression_count(program->rules);
    pen_slice *texts = calloc((size_t)count + 1, sizeof(*texts));
    PEN_CHECK(texts != NULL);
    for (uint32_t i = 0; i < count; i++) {
        const struct pen_suppression *s = pen_rules_suppression(program->rules, i);
        texts[i] = of_rules ? s->rule_query : s->query;
    }
    const pen_status st = ask_new(texts, count, out, err);
    free(texts);
    return st;
}

static pen_status link_rule(struct linking *l, uint32_t index, struct pen_err *err)
{
    struct pen_program *program = l->program;
    struct about_rule about = {.program = program, .rule = pen_rules_at(program->rules, index)};
    const uint32_t *found = NULL;
    uint32_t count = 0;
    PEN_TRY(ask_run(l->rules, rule_values, &about, &found, &count, err));
    uint32_t *items = PEN_NEW_N(&program->arena, uint32_t, (size_t)count + 1);
    if (items == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "suppressions: out of memory");
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct pen_suppression *one = pen_rules_suppression(program->rules, found[i]);
        uint32_t name_count = 0;
        const pen_slice *names = ask_names(l->signals, found[i], &name_count);
        l->used[found[i]]++;
        if (one->data_query.len > 0) {
            pen_rules_exclude(program->rules, index, one->data_query);
        }
        if (!one->is_of_signals) {
            continue;
        }
        items[kept++] = found[i];
        for (uint32_t k = 0; k < name_count; k++) {
            const pen_slice copy = pen_arena_dup(&program->arena, names[k]);
            PEN_CHECK(copy.ptr != NULL);
            pen_rules_observe(program->rules, index, &copy, 1);
        }
    }
    program->suppressions[index] = (struct pen_program_list){.items = items, .count = kept};
    return PEN_OK;
}

static pen_status link_all(struct linking *l, struct pen_err *err)
{
    struct pen_program *program = l->program;
    const uint32_t rules = pen_rules_count(program->rules);
    PEN_TRY(queries_ask(program, true, &l->rules, err));
    PEN_TRY(queries_ask(program, false, &l->signals, err));
    program->suppressions = PEN_NEW_N(&program->arena, struct pen_program_list, (size_t)rules + 1);
    PEN_CHECK(program->suppressions != NULL);
    for (uint32_t i = 0; i < rules; i++) {
        PEN_TRY(link_rule(l, i, err));
    }
    for (uint32_t i = 0; i < pen_rules_suppression_count(program->rules); i++) {
        if (l->used[i] == 0) {
            pen_rules_warn(program->rules, pen_rules_suppression(program->rules, i),
                           "no rule is what `rule_query` asks for: it does nothing");
        }
    }
    return PEN_OK;
}

pen_status suppress_link(struct pen_program *program, struct pen_err *err)
{
    const uint32_t count = pen_rules_suppression_count(program->rules);
    struct linking l = {.program = program};
    if (count == 0) {
        return PEN_OK;
    }
    l.used = calloc(count, sizeof(*l.used));
    PEN_CHECK(l.used != NULL);
    const pen_status st = link_all(&l, err);
    ask_free(l.rules);
    ask_free(l.signals);
    free(l.used);
    return st;
}

/* ---- signals ---- */

struct suppress {
    const struct pen_program *program;
    struct ask *ask;
    bool has_assets;
};

pen_status suppress_new(const struct pen_program *program, struct suppress **out,
                        struct pen_err *err)
{
    *out = NULL;
    if (program->suppressions == NULL) {
        return PEN_OK;
    }
    struct suppress *suppress = calloc(1, sizeof(*suppress));
    PEN_CHECK(suppress != NULL);
    suppress->program = program;
    const pen_status st = queries_ask(program, false, &suppress->ask, err);
    if (st != PEN_OK) {
        suppress_free(suppress);
        return st;
    }
    for (uint32_t i = 0; i < pen_rules_suppression_count(program->rules); i++) {
        suppress->has_assets |= pen_rules_suppression(program->rules, i)->is_asset;
    }
    *out = suppress;
    return PEN_OK;
}

void suppress_free(struct suppress *suppress)
{
    if (suppress != NULL) {
        ask_free(suppress->ask);
        free(suppress);
    }
}

struct about_signal {
    const struct pen_rule *rule;
    const struct pen_signal *signal;
};

static pen_status add_list(struct pen_buf *out, const pen_slice *items, uint32_t count)
{
    const size_t begin = out->len;
    for (uint32_t i = 0; i < count; i++) {
        PEN_TRY(add_text(out, begin, items[i]));
    }
    return PEN_OK;
}

/* What a signal says besides its events: Datadog's names of it, and ours. */
static pen_status signal_own(const struct about_signal *a, pen_slice name, struct pen_buf *out)
{
    const struct pen_signal *s = a->signal;
    const size_t begin = out->len;
    const struct {
        const char *name;
        const pen_slice *items;
        uint32_t count;
    } lists[] = {{"account", s->accounts, s->account_count},
                 {"region", s->regions, s->region_count},
                 {"identity", s->actors, s->actor_count},
                 {"source_ip", s->source_ips, s->source_ip_count}};
    for (size_t i = 0; i < PEN_COUNT(lists); i++) {
        if (is_name(name, lists[i].name)) {
            return add_list(out, lists[i].items, lists[i].count);
        }
    }
    const bool is_id = is_name(name, "rule_id") || is_name(name, "@workflow.rule.id");
    const bool is_title = is_name(name, "message") || is_name(name, "@workflow.rule.name");
    if (is_name(name, "status") || is_name(name, "severity")) {
        return add_text(
            out, begin,
            pen_slice_str(pen_severity_name(signal_severity(a->rule, s, s->case_index))));
    }
    return is_id      ? add_text(out, begin, a->rule->id)
           : is_title ? add_text(out, begin, a->rule->title)
                      : PEN_OK;
}

/* What it says itself goes before what its events and its group have, and that before the tags of
 * its rule. */
static pen_status signal_values(void *ctx, pen_slice name, struct pen_buf *out)
{
    const struct about_signal *a = ctx;
    const size_t begin = out->len;
    PEN_TRY(signal_own(a, name, out));
    PEN_TRY(out->len > begin ? PEN_OK : signal_attribute(out, a->signal, name));
    return out->len > begin ? PEN_OK : add_tags(a->rule, name, out, begin);
}

static bool is_among(const struct pen_program_list *list, uint32_t item)
{
    bool is_found = false;
    for (uint32_t i = 0; i < list->count && !is_found; i++) {
        is_found = list->items[i] == item;
    }
    return is_found;
}

static void rate(struct pen_signal *signal, const struct pen_suppression *asset, int *up, int *down)
{
    if (asset->severity != NULL && (int)*asset->severity + 1 > signal->severity_set) {
        signal->severity_set = (uint8_t)(*asset->severity + 1);
    }
    *up |= asset->severity_shift > 0;
    *down |= asset->severity_shift < 0;
}

pen_status suppress_rate(struct suppress *suppress, struct pen_signal *signal, struct pen_err *err)
{
    const struct pen_rules *rules = suppress->program->rules;
    const struct pen_program_list *list = &suppress->program->suppressions[signal->rule];
    struct pen_signal first = *signal;
    struct about_signal about = {.rule = pen_rules_at(rules, signal->rule), .signal = &first};
    const uint32_t *found = NULL;
    uint32_t count = 0;
    int up = 0;
    int down = 0;
    if (!suppress->has_assets || list->count == 0) {
        return PEN_OK;
    }
    first.account_count = first.region_count = first.actor_count = first.source_ip_count = 0;
    first.sample_count = first.sample_count > 0 ? 1 : 0;
    PEN_TRY(ask_run(suppress->ask, signal_values, &about, &found, &count, err));
    for (uint32_t i = 0; i < count; i++) {
        const struct pen_suppression *one = pen_rules_suppression(rules, found[i]);
        if (one->is_asset && is_among(list, found[i])) {
            rate(signal, one, &up, &down);
        }
    }
    signal->severity_shift = (int8_t)(up - down);
    return PEN_OK;
}

pen_status suppress_find(struct suppress *suppress, const struct pen_signal *signal,
                         const struct pen_suppression **out, struct pen_err *err)
{
    const struct pen_rules *rules = suppress->program->rules;
    const struct pen_program_list *list = &suppress->program->suppressions[signal->rule];
    struct about_signal about = {.rule = pen_rules_at(rules, signal->rule), .signal = signal};
    const uint32_t *found = NULL;
    uint32_t count = 0;
    *out = NULL;
    if (list->count == 0) {
        return PEN_OK;
    }
    PEN_TRY(ask_run(suppress->ask, signal_values, &about, &found, &count, err));
    for (uint32_t i = 0; i < count && *out == NULL; i++) {
        const struct pen_suppression *one = pen_rules_suppression(rules, found[i]);
        const bool holds =
            !one->is_asset && signal->first_seen_ns < one->expires_ns && is_among(list, found[i]);
        *out = holds ? one : NULL;
    }
    return PEN_OK;
}
