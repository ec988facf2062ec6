/* tested by tests/unit/normalize/test_normalize.c */
#include "internal.h"

/* Values that rules and queries asked for by a name that is not in the record. */

pen_status nrm_value_add(struct pen_walker *walker, struct pen_record *record, uint32_t field,
                         pen_slice text, bool is_escaped)
{
    if (!pen_walker_value_add(walker, record, field, PEN_STRING, text)) {
        return PEN_E_LIMIT;
    }
    PEN_CHECK(record->value_count > 0);
    record->values[record->value_count - 1].is_escaped = is_escaped;
    return PEN_OK;
}

static pen_status add_slot(struct pen_normalizer *n, struct pen_walker *walker,
                           struct pen_record *record, const struct nrm_derived *derived)
{
    const struct nrm_value *value = &n->slots[derived->slot];
    pen_slice fixed = n->schema->slots[derived->slot].fixed;
    if (value->kind == NRM_TEXT && !nrm_is_empty(value->text)) {
        return nrm_value_add(walker, record, derived->field, value->text, value->is_escaped);
    }
    for (uint32_t i = 0; value->kind == NRM_LIST && i < value->item_count; i++) {
        const struct nrm_item *item = &n->items[value->item_first + i];
        PEN_TRY(nrm_value_add(walker, record, derived->field, item->text, item->is_escaped));
    }
    /* A static is a string, or a list of them: each string is a value. */
    while (value->kind == NRM_NONE && fixed.len > 0) {
        pen_slice text;
        const bool is_open = pen_slice_split(&fixed, '"', &text);
        if (!is_open || fixed.len == 0 || !pen_slice_split(&fixed, '"', &text)) {
            break;
        }
        PEN_TRY(nrm_value_add(walker, record, derived->field, text, false));
    }
    return PEN_OK;
}

/* The number behind a key of the object in a slot. */
static pen_status add_member(const struct pen_normalizer *n, struct pen_walker *walker,
                             struct pen_record *record, const struct nrm_derived *derived)
{
    const struct nrm_value *value = &n->slots[derived->slot];
    struct pen_tokens tokens;
    struct pen_token token;
    bool is_here = false;
    if (value->kind != NRM_JSON) {
        return PEN_OK;
    }
    pen_tokens_init(&tokens, value->text);
    while (pen_tokens_next(&tokens, &token)) {
        if (is_here && pen_json_is_number(token.text)) {
            return nrm_value_add(walker, record, derived->field, token.text, false);
        }
        is_here = token.is_key && pen_slice_eq(token.text, derived->tag);
    }
    return PEN_OK;
}

/* Whether an element of the tags, "name:value", is the tag; *value is what stands behind it. */
static bool is_tag(pen_slice item, pen_slice name, pen_slice *value)
{
    item = pen_slice_trim(item);
    *value = pen_slice_sub(item, name.len + 1, item.len);
    return item.len > name.len && item.ptr[name.len] == ':' &&
           pen_slice_eq_nocase(pen_slice_sub(item, 0, name.len), name);
}

/* One text may hold several tags: "k:v,l:w". */
static pen_status add_tag_text(struct pen_walker *walker, struct pen_record *record,
                               const struct nrm_derived *derived, pen_slice list, bool is_escaped)
{
    pen_slice item;
    pen_slice value;
    pen_status st = PEN_OK;
    while (st == PEN_OK && pen_slice_split(&list, ',', &item)) {
        if (is_tag(item, derived->tag, &value)) {
            st = nrm_value_add(walker, record, derived->field, value, is_escaped);
        }
    }
    return st;
}

static pen_status add_tags(const struct pen_normalizer *n, struct pen_walker *walker,
                           struct pen_record *record, const struct nrm_derived *derived)
{
    /* The table of values may move when one is added: the next one is found by its number. */
    const struct pen_value *first = pen_record_first(record, n->schema->tags_field);
    uint32_t at = first == NULL ? UINT32_MAX : (uint32_t)(first - record->values);
    pen_status st = PEN_OK;
    while (st == PEN_OK && at != UINT32_MAX) {
        const struct pen_value value = record->values[at];
        at = value.next;
        if (value.kind == PEN_STRING) {
            st = add_tag_text(walker, record, derived, value.text, value.is_escaped);
        }
    }
    return st;
}

/* The names by which the type is called: its own, and Datadog's. */
static pen_status add_sources(const struct pen_normalizer *n, struct pen_walker *walker,
                              struct pen_record *record, uint32_t field)
{
    const struct pen_type *type = n->schema->type;
    pen_status st = nrm_value_add(walker, record, field, type->name, false);
    for (uint32_t i = 0; st == PEN_OK && i < type->source_count; i++) {
        st = nrm_value_add(walker, record, field, type->sources[i], false);
    }
    return st;
}

static pen_status add_one(struct pen_normalizer *n, struct pen_walker *walker,
                          struct pen_record *record, const struct nrm_derived *derived)
{
    const pen_slice time = {(const uint8_t *)n->time_text, n->time_length};
    switch (derived->kind) {
    case NRM_FROM_SLOT:
        return add_slot(n, walker, record, derived);
    case NRM_FROM_MEMBER:
        return add_member(n, walker, record, derived);
    case NRM_FROM_TYPE:
        return nrm_value_add(walker, record, derived->field, n->schema->type->name, false);
    case NRM_FROM_SOURCE:
        return add_sources(n, walker, record, derived->field);
    case NRM_FROM_TAG:
        return add_tags(n, walker, record, derived);
    case NRM_FROM_TEXT:
        return nrm_value_add(walker, record, derived->field, derived->tag, false);
    case NRM_FROM_FUNCTION:
        return nrm_function_add(n, walker, record, derived);
    case NRM_FROM_TIME:
    default:
        return nrm_value_add(walker, record, derived->field, time, false);
    }
}

pen_status nrm_derive(struct pen_normalizer *n, struct pen_walker *walker,
                      struct pen_record *record)
{
    if (n->schema->has_functions) {
        PEN_TRY(nrm_texts_begin(n, record));
    }
    for (uint32_t i = 0; i < n->schema->derived_count; i++) {
        PEN_TRY(add_one(n, walker, record, &n->schema->derived[i]));
    }
    return PEN_OK;
}
