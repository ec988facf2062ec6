/* tested by tests/e2e/test_chains.py */
#include "penstock/json.h"

#include "observe.h"
#include "signal_text.h"

#include <stdio.h>

#define UNIT_SEPARATOR 0x1f

/* ---- values of a signal, as the insides of JSON strings ---- */

/* The member at a position of the group, when the group has as many as it should. */
static pen_status group_text(struct observer *ob, const struct pen_signal *signal,
                             const struct pen_signal_value *value, struct observer_texts *t)
{
    struct pen_tokens tokens;
    struct pen_token token;
    pen_slice found = {0};
    uint32_t members = 0;
    pen_tokens_init(&tokens, signal->group);
    while (pen_tokens_next(&tokens, &token)) {
        if (!token.is_key && !token.is_open && !token.is_close) {
            found = members == value->position ? token.text : found;
            members++;
        }
    }
    return members == value->members ? observer_text_add(ob, t, found) : PEN_OK;
}

/* The values of a member of a JSON object of texts and lists of texts. */
static pen_status member_texts(struct observer *ob, pen_slice object, pen_slice name,
                               struct observer_texts *t)
{
    struct pen_tokens tokens;
    struct pen_token token;
    bool is_here = false;
    pen_status st = PEN_OK;
    if (object.len == 0) {
        return PEN_OK;
    }
    pen_tokens_init(&tokens, object);
    while (st == PEN_OK && pen_tokens_next(&tokens, &token)) {
        if (token.is_key) {
            is_here = pen_slice_eq(token.text, name);
        } else if (is_here && !token.is_open && !token.is_close) {
            st = observer_text_add(ob, t, token.text);
        }
    }
    return st;
}

/* What the group and the events say of an attribute. */
static pen_status attribute_texts(struct observer *ob, const struct pen_signal *signal,
                                  pen_slice name, struct observer_texts *t)
{
    pen_status st = member_texts(ob, signal->group, name, t);
    for (uint32_t i = 0; i < signal->sample_count && st == PEN_OK; i++) {
        st = member_texts(ob, signal->samples[i].o.attributes, name, t);
    }
    return st;
}

/* *is_none: one of them has no value. */
static pen_status texts_fill(struct observer *ob, const struct pen_signal *signal,
                             const struct pen_signal_value *values, uint32_t count, bool *is_none)
{
    *is_none = false;
    for (uint32_t i = 0; i < count && !*is_none; i++) {
        struct observer_texts *t = &ob->names[i];
        observer_text_reset(t);
        PEN_TRY(values[i].attribute.len > 0 ? attribute_texts(ob, signal, values[i].attribute, t)
                                            : group_text(ob, signal, &values[i], t));
        *is_none = t->count == 0;
    }
    return PEN_OK;
}

static pen_status values_fill(struct observer *ob, const struct pen_rule_query *query,
                              const struct pen_rule_part *part, const struct pen_signal *signal)
{
    bool is_none = false;
    ob->values.len = 0;
    PEN_TRY(texts_fill(ob, signal, part->values, query->value_count, &is_none));
    if (query->value_count == 0 || is_none) {
        return PEN_OK;
    }
    return query->aggregation == PEN_CARDINALITY ? observer_tuples(ob, query->value_count)
                                                 : observer_number(ob, query->aggregation);
}

static pen_status attributes_fill(struct observer *ob, const struct pen_datadog *rule,
                                  const struct pen_signal *signal)
{
    ob->attributes.len = 0;
    if (rule->attribute_count == 0) {
        return PEN_OK;
    }
    pen_status st = pen_buf_add_byte(&ob->attributes, '{');
    for (uint32_t i = 0; i < rule->attribute_count && st == PEN_OK; i++) {
        struct observer_texts *t = &ob->names[0];
        observer_text_reset(t);
        st = attribute_texts(ob, signal, rule->attributes[i], t);
        ob->keys.len = 0;
        if (st == PEN_OK && t->count > 0) {
            st = observe_key(&ob->keys, rule->attributes[i]);
            st = st == PEN_OK ? observer_attribute(ob, pen_buf_slice(&ob->keys), t) : st;
        }
    }
    return st == PEN_OK ? pen_buf_add_byte(&ob->attributes, '}') : st;
}

/* ---- what stands in the observation ---- */

/* As many as an observation holds. */
static pen_slice list_put(struct pen_buf *out, const pen_slice *items, uint32_t count)
{
    const size_t from = out->len;
    for (uint32_t i = 0; i < count; i++) {
        const size_t room = PEN_OBSERVATION_BYTES_MAX - (out->len - from);
        if (items[i].len + 1 <= room) {
            PEN_CHECK(out->len == from || pen_buf_add_byte(out, UNIT_SEPARATOR) == PEN_OK);
            PEN_CHECK(pen_buf_add(out, items[i]) == PEN_OK);
        }
    }
    return (pen_slice){out->ptr + from, out->len - from};
}

static pen_status put_text(struct pen_buf *out, const char *name, pen_slice text)
{
    PEN_TRY(pen_buf_printf(out, ",\"%s\":\"", name));
    PEN_TRY(pen_json_escape(out, text));
    return pen_buf_add_byte(out, '"');
}

/* The signal as what opened another one is shown. */
static pen_status summary(struct pen_buf *out, const struct pen_rule *rule,
                          const struct pen_signal *signal)
{
    char time[PEN_TIME_MAX];
    const pen_slice severity =
        pen_slice_str(pen_severity_name(signal_severity(rule, signal, signal->case_index)));
    const size_t len = pen_format_time(signal->first_seen_ns, time);
    PEN_TRY(pen_buf_printf(out, "{\"signal\":{\"id\":\"%s\"", signal->id));
    PEN_TRY(put_text(out, "rule_id", rule->id));
    PEN_TRY(put_text(out, "rule_name", rule->title));
    PEN_TRY(put_text(out, "severity", severity));
    PEN_TRY(put_text(out, "first_seen", (pen_slice){(const uint8_t *)time, len}));
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT(",\"group_by\":")));
    PEN_TRY(pen_buf_add(out, signal->group));
    return pen_buf_add(out, PEN_SLICE_LIT("}}"));
}

void observer_signal_begin(struct observer *ob, const struct pen_rule *rule,
                           const struct pen_signal *signal, struct observed_signal *out)
{
    const struct pen_civil at = pen_civil_from_ns(signal->first_seen_ns);
    struct pen_observation *o = &out->o;
    struct pen_buf *text = &ob->plain;
    (void)snprintf(out->index, sizeof(out->index), "penstock-signals-%04d-%02d", at.year, at.month);
    *o = (struct pen_observation){.time_ns = signal->first_seen_ns,
                                  .promise_ns = signal->opened_ns,
                                  .event_id = pen_slice_str(signal->id),
                                  .index_name = pen_slice_str(out->index),
                                  .is_cold = signal->cold};
    text->len = 0;
    PEN_CHECK(pen_buf_reserve(text, 4 * (size_t)PEN_OBSERVATION_BYTES_MAX) == PEN_OK);
    o->account = list_put(text, signal->accounts, signal->account_count);
    o->region = list_put(text, signal->regions, signal->region_count);
    o->actor = list_put(text, signal->actors, signal->actor_count);
    o->source_ip = list_put(text, signal->source_ips, signal->source_ip_count);
    ob->event.len = 0;
    PEN_CHECK(summary(&ob->event, rule, signal) == PEN_OK); /* all parts are bounded */
    o->event = pen_buf_slice(&ob->event);
    out->signal = signal;
}

/* Of the members of a group; they borrow ob. */
static pen_status keys_make(struct observer *ob, const pen_slice *names, uint32_t count,
                            pen_slice keys[OBSERVER_NAMES_MAX])
{
    size_t at = 0;
    ob->keys.len = 0;
    for (uint32_t i = 0; i < count; i++) {
        PEN_TRY(observe_key(&ob->keys, names[i]));
        keys[i].len = ob->keys.len - at;
        at = ob->keys.len;
    }
    const uint8_t *from = ob->keys.ptr;
    for (uint32_t i = 0; i < count; i++) {
        keys[i].ptr = from;
        from += keys[i].len;
    }
    return PEN_OK;
}

/* NOLINTNEXTLINE(readability-function-size): the parameters are the contract of observe.h */
pen_status observer_signal(struct observer *ob, const struct pen_rule *over, uint32_t over_index,
                           uint32_t query, const struct pen_rule_part *part,
                           struct observed_signal *of, observe_fn *fn, void *ctx)
{
    const struct pen_rule_query *asked = &over->datadog->queries[query];
    pen_slice keys[OBSERVER_NAMES_MAX];
    const struct pen_program_query counted = {.query = asked, .group_keys = keys};
    struct pen_observation o = of->o;
    bool is_none = false;
    ob->is_cut = false;
    o.rule = over_index;
    o.rule_id = over->id;
    o.query = asked->counted_as;
    PEN_TRY(values_fill(ob, asked, part, of->signal));
    PEN_TRY(attributes_fill(ob, over->datadog, of->signal));
    PEN_TRY(texts_fill(ob, of->signal, part->group_by, asked->group_by_count, &is_none));
    PEN_TRY(keys_make(ob, over->datadog->group_names[asked->group_by_count], asked->group_by_count,
                      keys));
    o.values = pen_buf_slice(&ob->values);
    o.attributes = pen_buf_slice(&ob->attributes);
    return is_none ? PEN_OK : observer_groups(ob, &counted, &o, fn, ctx);
}
