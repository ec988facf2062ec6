#include "rule_events.h"

#include "sigma.h"

#define JSON_DEPTH_MAX 256U /* containers of a YAML event */
#define DIGITS_MAX 9U       /* of ${nnn} */

pen_status rule_events_init(struct rule_events *events, struct pen_arena *arena,
                            struct pen_err *err)
{
    /* The only envelope that a built-in type has; one walker reads events of every type. */
    static const struct pen_walker_options options = {
        .window_bytes_max = RULE_EVENT_TEXT_BYTES_MAX,
        .record_bytes_max = RULE_EVENT_TEXT_BYTES_MAX,
        .array_key = {(const uint8_t *)"Records", sizeof("Records") - 1},
    };
    *events = (struct rule_events){.arena = arena, .plan = pen_plan_new()};
    if (events->plan == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "rule tests: out of memory");
    }
    pen_plan_seal(events->plan);
    return pen_walker_new(events->plan, &options, &events->walker, err);
}

void rule_events_fini(struct rule_events *events)
{
    pen_walker_free(events->walker);
    if (events->plan != NULL) {
        pen_plan_free(events->plan);
    }
}

/* A copy with blanks behind it, so that nothing of a neighbour can look like part of it. */
static pen_status copy_padded(struct pen_arena *arena, pen_slice text, pen_slice *out,
                              struct pen_err *err)
{
    uint8_t *copy = pen_arena_alloc(arena, text.len + PEN_JSON_PADDING, 1);
    if (copy == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "the events take too much memory");
    }
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    memset(copy + text.len, ' ', PEN_JSON_PADDING);
    *out = (pen_slice){copy, text.len};
    return PEN_OK;
}

static pen_status push(struct rule_events *events, pen_slice record, struct pen_err *err)
{
    if (events->count == events->cap) {
        const uint32_t cap = events->cap == 0 ? 8 : events->cap * 2;
        pen_slice *items = PEN_NEW_N(events->arena, pen_slice, cap);
        if (items == NULL) {
            return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "the events take too much memory");
        }
        if (events->count > 0) {
            memcpy(items, events->items, events->count * sizeof(*items));
        }
        events->items = items;
        events->cap = cap;
    }
    PEN_TRY(copy_padded(events->arena, record, &events->items[events->count], err));
    events->count++;
    return PEN_OK;
}

static pen_status bad_json(struct pen_err *err)
{
    const struct pen_err why = *err;
    return PEN_FAIL(err, PEN_E_RULE, why.offset, "the event is no JSON record: %s (byte %llu)",
                    why.text, (unsigned long long)(why.offset == PEN_NO_OFFSET ? 0 : why.offset));
}

pen_status rule_events_add_text(struct rule_events *events, pen_slice text, struct pen_err *err)
{
    const uint32_t before = events->count;
    pen_slice window = {0};
    struct pen_record record;
    if (text.len > RULE_EVENT_TEXT_BYTES_MAX) {
        return PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET, "the events take more than %zu bytes",
                        RULE_EVENT_TEXT_BYTES_MAX);
    }
    PEN_TRY(copy_padded(events->arena, text, &window, err));
    pen_walker_reset(events->walker);
    pen_walker_window(events->walker, window, true);
    enum pen_next next = pen_walker_next(events->walker, &record, err);
    while (next == PEN_NEXT_RECORD) {
        PEN_TRY(push(events, record.raw, err));
        next = pen_walker_next(events->walker, &record, err);
    }
    PEN_CHECK(next != PEN_NEXT_MORE); /* the window is the whole text */
    if (next == PEN_NEXT_BAD || err->status != PEN_OK) {
        return bad_json(err);
    }
    return events->count > before
               ? PEN_OK
               : PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET, "the text holds no JSON record");
}

/* ---- YAML to JSON ---- */

static pen_status put_string(struct pen_buf *out, pen_slice text)
{
    PEN_TRY(pen_buf_add_byte(out, '"'));
    PEN_TRY(pen_json_escape(out, text));
    return pen_buf_add_byte(out, '"');
}

static pen_status put_scalar(struct pen_arena *arena, struct pen_buf *out,
                             const struct pen_yaml *node)
{
    const struct scalar scalar = sigma_scalar(arena, node);
    if (node->is_plain && pen_json_is_number(node->text)) {
        return pen_buf_add(out, node->text); /* also 1e3, which YAML 1.1 takes for a text */
    }
    switch (scalar.kind) {
    case SCALAR_NULL:
        return pen_buf_add(out, PEN_SLICE_LIT("null"));
    case SCALAR_BOOL:
    case SCALAR_INTEGER:
    case SCALAR_FLOAT:
        return pen_buf_add(out, scalar.text);
    case SCALAR_BAD:
        return PEN_E_RULE;
    case SCALAR_DATE: /* JSON has no dates: the text of one */
    case SCALAR_STRING:
        break;
    }
    return put_string(out, node->text);
}

/* Key and value of a node; of a container the opening only. */
static pen_status put_node(struct pen_arena *arena, struct pen_buf *out,
                           const struct pen_yaml *node, bool is_first)
{
    if (!is_first) {
        PEN_TRY(pen_buf_add_byte(out, ','));
    }
    if (node->key != NULL) {
        PEN_TRY(put_string(out, node->key->text));
        PEN_TRY(pen_buf_add_byte(out, ':'));
    }
    if (node->kind == PEN_YAML_SCALAR) {
        return put_scalar(arena, out, node);
    }
    return pen_buf_add_byte(out, node->kind == PEN_YAML_MAP ? '{' : '[');
}

struct level { /* an open container of the tree and what comes next in it */
    const struct pen_yaml *node, *next;
};

static pen_status put_next(struct pen_arena *arena, struct pen_buf *out, struct level *stack,
                           uint32_t *depth)
{
    struct level *top = &stack[*depth - 1];
    const struct pen_yaml *node = top->next;
    if (node == NULL) {
        PEN_TRY(pen_buf_add_byte(out, top->node->kind == PEN_YAML_MAP ? '}' : ']'));
        --*depth;
        return PEN_OK;
    }
    if (node->kind != PEN_YAML_SCALAR && *depth == JSON_DEPTH_MAX) {
        return PEN_E_LIMIT;
    }
    PEN_TRY(put_node(arena, out, node, node == top->node->child));
    top->next = node->next;
    if (node->kind != PEN_YAML_SCALAR) {
        stack[(*depth)++] = (struct level){.node = node, .next = node->child};
    }
    return PEN_OK;
}

static pen_status put_tree(struct pen_arena *arena, struct pen_buf *out, const struct pen_yaml *map,
                           const struct pen_yaml **bad)
{
    struct level stack[JSON_DEPTH_MAX] = {{.node = map, .next = map->child}};
    uint32_t depth = 1;
    pen_status st = pen_buf_add_byte(out, '{');
    while (st == PEN_OK && depth > 0) {
        st = put_next(arena, out, stack, &depth);
    }
    *bad = st == PEN_OK ? NULL : stack[depth - 1].next;
    return st;
}

pen_status rule_events_add_map(struct rule_events *events, const struct pen_yaml *map,
                               const struct pen_yaml **bad, struct pen_err *err)
{
    struct pen_buf json;
    pen_buf_init(&json, RULE_EVENT_TEXT_BYTES_MAX);
    pen_status st = put_tree(events->arena, &json, map, bad);
    if (st == PEN_E_RULE && *bad != NULL) {
        (void)PEN_FAIL(err, st, PEN_NO_OFFSET, "%.*s is no value of JSON",
                       PEN_SLICE_FMT((*bad)->text));
    } else if (st != PEN_OK) {
        (void)PEN_FAIL(err, st, PEN_NO_OFFSET, "the event is too large or nested too deep");
    } else {
        st = push(events, pen_buf_slice(&json), err);
    }
    pen_buf_fini(&json);
    return st;
}

/* ---- repetition ---- */

/* The digits that ${n}, ${nn}.. at the beginning of text asks for; 0: it is none. */
static uint32_t digits_asked(pen_slice text)
{
    size_t at = 2;
    if (!pen_slice_starts(text, PEN_SLICE_LIT("${"))) {
        return 0;
    }
    while (at < text.len && text.ptr[at] == 'n') {
        at++;
    }
    const bool is_closed = at > 2 && at - 2 <= DIGITS_MAX && at < text.len && text.ptr[at] == '}';
    return is_closed ? (uint32_t)(at - 2) : 0;
}

static pen_status put_copy(struct pen_buf *out, pen_slice text, uint32_t number)
{
    pen_status st = PEN_OK;
    out->len = 0;
    while (st == PEN_OK && text.len > 0) {
        const uint32_t digits = digits_asked(text);
        st = digits > 0 ? pen_buf_printf(out, "%0*u", (int)digits, number)
                        : pen_buf_add_byte(out, text.ptr[0]);
        text = pen_slice_sub(text, digits > 0 ? digits + 3 : 1, text.len);
    }
    return st;
}

pen_status rule_events_repeat(struct rule_events *events, uint32_t first, uint32_t times,
                              struct pen_err *err)
{
    const pen_slice *templates = events->items + first;
    const uint32_t count = events->count - first;
    struct pen_buf copy;
    pen_status st = PEN_OK;
    PEN_CHECK(times <= RULE_EVENT_REPEAT_MAX && first <= events->count);
    pen_buf_init(&copy, RULE_EVENT_TEXT_BYTES_MAX);
    for (uint32_t n = 1; st == PEN_OK && n <= times; n++) {
        for (uint32_t i = 0; st == PEN_OK && i < count; i++) {
            st = put_copy(&copy, templates[i], n);
            st = st == PEN_OK ? push(events, pen_buf_slice(&copy), err)
                              : PEN_FAIL(err, st, PEN_NO_OFFSET, "a repeated event is too large");
        }
    }
    pen_buf_fini(&copy);
    if (st == PEN_OK) { /* the copies take the place of what they were made from */
        events->count -= count;
        memmove(events->items + first, events->items + first + count,
                (events->count - first) * sizeof(*events->items));
    }
    return st;
}
