/* tested by tests/unit/json/test_walk.c */
#include "walker.h"

#include <stdlib.h>

/* More than a record may have stands from here on, and its end is not in sight. */
static bool is_oversize(const struct pen_walker *w, uint32_t from)
{
    return w->len - from > w->options.record_bytes_max;
}

static enum pen_next more(struct pen_walker *w, uint32_t from)
{
    if (w->is_final) {
        w->state = STATE_ENDED;
        return PEN_NEXT_END;
    }
    w->consumed = from < w->len ? from : w->len;
    return PEN_NEXT_MORE;
}

static enum pen_next end_at(struct pen_walker *w, pen_status st, uint32_t position,
                            const char *reason)
{
    (void)PEN_FAIL(&w->ended, st, w->base + position, "%s", reason);
    w->state = STATE_ENDED;
    return PEN_NEXT_END;
}

/* The input ends inside something that began at from, or more is to come. */
static enum pen_next cut_off(struct pen_walker *w, uint32_t from)
{
    return w->is_final ? end_at(w, PEN_E_TRUNCATED, from, "the input ends inside a value")
                       : more(w, from);
}

static void record_set(struct pen_walker *w, struct pen_record *record, uint32_t from, uint32_t end)
{
    *record = (struct pen_record){.raw = {w->text + from, end - from},
                                  .offset = w->base + from,
                                  .ordinal = w->ordinal++,
                                  .values = w->values,
                                  .value_count = w->value_count,
                                  .field_count = pen_plan_field_count(w->shapes.plan),
                                  .heads = (const struct pen_value_head *)(const void *)w->heads,
                                  .stamp = w->stamp,
                                  .copy = {w->copy, w->copy_len},
                                  .patches = w->patches,
                                  .patch_count = w->patch_count};
}

/* Where a bad record ends: by curly braces only, because brackets may be what is wrong, or with the
 * line that cuts a string of it.  False: that is not here. */
static bool bad_end(struct pen_walker *w, uint32_t start)
{
    struct pen_object_end machine = {0};
    enum pen_end got = PEN_END_OPEN;
    uint32_t end = w->index[start];
    for (; end < w->len && got == PEN_END_OPEN; end++) {
        got = pen_object_end_step(&machine, w->text[end]);
    }
    end -= got == PEN_END_BEFORE;
    while (got == PEN_END_BEFORE && w->text[end - 1] <= ' ') {
        end--; /* to the line feed that cut the string */
    }
    for (w->at = start + 1; w->index[w->at] < end; w->at++) {
    }
    return got != PEN_END_OPEN;
}

static enum pen_next oversize(struct pen_walker *w, uint32_t from, struct pen_record *record,
                              struct pen_err *err)
{
    w->need_comma = true;
    (void)PEN_FAIL(err, PEN_E_LIMIT, w->base + from, "record larger than %zu bytes",
                   w->options.record_bytes_max);
    w->value_count = 0;
    w->copy_len = 0;
    w->patch_count = 0;
    record_set(w, record, from, w->len);
    window_skip(w, from);
    return PEN_NEXT_BAD;
}

static enum pen_next bad_record(struct pen_walker *w, uint32_t start, struct pen_record *record,
                                struct pen_err *err)
{
    const uint32_t from = w->index[start];
    const bool is_bracket = w->text[from] == '[';
    if (is_bracket ? false : !bad_end(w, start)) {
        if (is_oversize(w, from)) {
            return oversize(w, from, record, err);
        }
        if (!w->is_final) {
            return more(w, from);
        }
    }
    if (is_bracket) { /* an array where a record should be: over it by brackets */
        uint32_t depth = 0;
        uint32_t i = start;
        do {
            const uint8_t c = w->text[w->index[i]];
            depth += c == '[';
            depth -= c == ']';
            i++;
        } while (depth > 0 && w->index[i] < w->len);
        if (depth > 0) {
            return is_oversize(w, from) ? oversize(w, from, record, err) : cut_off(w, from);
        }
        w->at = i;
    }
    const uint32_t end = w->index[w->at] < w->len ? w->index[w->at] : w->len;
    w->value_count = 0;
    w->copy_len = 0;
    w->patch_count = 0;
    record_set(w, record, from, end);
    *err = w->bad;
    return PEN_NEXT_BAD;
}

/* A lookup-events element: the record is the text of its member CloudTrailEvent. */
static enum pen_next event_record(struct pen_walker *w, struct pen_record *record,
                                  struct pen_err *err)
{
    struct pen_err made = {0};
    if (w->sub_text == NULL) {
        w->sub_text = malloc(w->options.window_bytes_max + PEN_JSON_PADDING);
    }
    if (w->sub_text == NULL) {
        (void)PEN_FAIL(err, PEN_E_NOMEM, record->offset, "walker: out of memory");
        return PEN_NEXT_BAD;
    }
    struct pen_walker_options own = w->options;
    own.lender = NULL; /* its records are told from ours by where their values are */
    if (w->sub == NULL && pen_walker_new(w->shapes.plan, &own, &w->sub, &made) != PEN_OK) {
        *err = made;
        return PEN_NEXT_BAD;
    }
    PEN_CHECK(w->sub != NULL);
    size_t len = w->event_text.len;
    memcpy(w->sub_text, w->event_text.ptr, len);
    if (w->event_escaped) {
        len = pen_json_unescape(w->event_text, w->sub_text);
    }
    memset(w->sub_text + len, ' ', PEN_JSON_PADDING);
    const uint64_t ordinal = record->ordinal;
    const uint64_t offset = record->offset;
    const enum pen_next got = pen_walker_one(w->sub, (pen_slice){w->sub_text, len}, record, err);
    record->ordinal = ordinal;
    record->offset = offset;
    return got;
}

/* The record at the position; of a lookup-events element the element itself. */
static enum pen_next record_walk(struct pen_walker *w, struct pen_record *record,
                                 struct pen_err *err)
{
    const uint32_t start = w->at;
    const uint32_t from = w->index[start];
    const bool may_be_envelope = w->state == STATE_TOP;
    w->has_duplicate = false;
    w->with_shadows = false;
    enum walk_result got = walk_record(w, may_be_envelope);
    if (PEN_UNLIKELY(got == WALK_RECORD && w->has_duplicate)) {
        w->at = start;
        if (shadows_find(w)) {
            w->with_shadows = true;
            w->next_backslash = from; /* the first walk went past those of the record */
            got = walk_record(w, false);
        } else {
            (void)PEN_FAIL(&w->bad, PEN_E_LIMIT, w->base + from, "more than 65,536 keys");
            got = WALK_BAD;
        }
    }
    switch (got) {
    case WALK_RECORD:
        w->need_comma = w->state == STATE_ARRAY;
        record_set(w, record, from, w->index[w->at - 1] + 1);
        if (record->raw.len > w->options.record_bytes_max) {
            (void)PEN_FAIL(err, PEN_E_LIMIT, record->offset, "record larger than %zu bytes",
                           w->options.record_bytes_max);
            return PEN_NEXT_BAD;
        }
        return PEN_NEXT_RECORD;
    case WALK_INCOMPLETE:
        return is_oversize(w, from) ? oversize(w, from, record, err) : cut_off(w, from);
    case WALK_BAD:
        w->need_comma = w->state == STATE_ARRAY;
        return bad_record(w, start, record, err);
    case WALK_ENVELOPE:
        w->at++; /* the bracket */
        w->state = STATE_ARRAY;
        w->in_envelope = true;
        w->saw_array = true;
        w->need_comma = false;
        return PEN_NEXT_MORE; /* told apart by the caller: nothing was consumed yet */
    }
    pen_panic(PEN_HERE, "walk result");
}

static enum pen_next record_at(struct pen_walker *w, struct pen_record *record, struct pen_err *err)
{
    const enum pen_next got = record_walk(w, record, err);
    return got == PEN_NEXT_RECORD && w->event_text.ptr != NULL ? event_record(w, record, err) : got;
}

static uint8_t byte_here(const struct pen_walker *w)
{
    return w->index[w->at] < w->len ? w->text[w->index[w->at]] : 0;
}

/* Past the line feed that cut a string of what was here. */
static void line_pass(struct pen_walker *w)
{
    while (PEN_UNLIKELY(byte_here(w) == '\n')) {
        w->at++;
    }
}

/* One member behind the array of records, or the end of the object around it. */
static enum pen_next envelope_step(struct pen_walker *w, bool *again)
{
    const uint32_t start = w->at;
    const uint32_t from = w->index[start];
    *again = false;
    if (from >= w->len) {
        return cut_off(w, w->len);
    }
    if (byte_here(w) == '}') {
        w->at++;
        w->state = STATE_TOP;
        w->in_envelope = false;
        w->in_events = false;
        *again = true;
        return PEN_NEXT_MORE;
    }
    if (byte_here(w) != ',') {
        return end_at(w, PEN_E_CORRUPT, from, "no comma behind the array of records");
    }
    if (w->index[start + 1] >= w->len || w->index[start + 2] >= w->len ||
        w->index[start + 3] >= w->len) {
        return cut_off(w, from);
    }
    const uint32_t key_from = w->index[start + 1] + 1;
    const uint32_t key_end = token_end(w, start + 1);
    if (w->text[key_from - 1] != '"' || w->text[w->index[start + 2]] != ':') {
        return end_at(w, PEN_E_CORRUPT, from, "no member behind the array of records");
    }
    const pen_slice key = {w->text + key_from, key_end - 1 - key_from};
    w->at = start + 3;
    *again = true;
    if (pen_slice_eq(key, w->options.array_key) && byte_here(w) == '[') {
        w->at++;
        w->state = STATE_ARRAY;
        w->need_comma = false;
        return PEN_NEXT_MORE;
    }
    const uint32_t value_from = w->index[w->at];
    uint32_t depth = 0;
    do {
        if (w->index[w->at] >= w->len || w->index[w->at + 1] >= w->len) {
            if (is_oversize(w, value_from)) {
                window_skip(w, value_from);
                return PEN_NEXT_MORE;
            }
            w->at = start;
            *again = false;
            return cut_off(w, from);
        }
        const uint8_t c = byte_here(w);
        depth += c == '{' || c == '[';
        depth -= (c == '}' || c == ']') && depth > 0;
        w->at++;
    } while (depth > 0);
    return PEN_NEXT_MORE;
}

/* In the array: comma, end or record.  *again: nothing to tell yet. */
static enum pen_next array_step(struct pen_walker *w, struct pen_record *record,
                                struct pen_err *err, bool *again)
{
    line_pass(w);
    const uint8_t c = byte_here(w);
    const uint32_t from = w->index[w->at];
    *again = true;
    if (from >= w->len) {
        *again = false;
        return w->is_final ? end_at(w, PEN_E_TRUNCATED, w->len, "the array of records has no end")
                           : more(w, w->len);
    }
    if (c == ']') {
        w->at++;
        w->state = w->in_envelope ? STATE_ENVELOPE : STATE_TOP;
        return PEN_NEXT_MORE;
    }
    if (w->need_comma) {
        if (c == ',') {
            w->at++;
            w->need_comma = false;
            return PEN_NEXT_MORE;
        }
        w->need_comma = false; /* a missing comma hides no record: the next one is read */
    }
    *again = false;
    if (c == '{') {
        return record_at(w, record, err);
    }
    (void)PEN_FAIL(&w->bad, PEN_E_CORRUPT, w->base + from, "a record that is no object");
    if (w->index[w->at + 1] >= w->len && !w->is_final) {
        return is_oversize(w, from) ? oversize(w, from, record, err) : more(w, from);
    }
    w->need_comma = true;
    if (c == '[') {
        return bad_record(w, w->at, record, err);
    }
    const uint32_t end = token_end(w, w->at);
    w->at++;
    w->value_count = 0;
    record_set(w, record, from, end);
    *err = w->bad;
    return PEN_NEXT_BAD;
}

/* Text at the top that is no object: to the end of its line, or to what may begin one. */
static enum pen_next line_bad(struct pen_walker *w, struct pen_record *record, struct pen_err *err)
{
    const uint32_t from = w->index[w->at];
    uint32_t end = token_end(w, w->at);
    for (w->at++; w->index[w->at] < w->len; w->at++) {
        const uint32_t next = w->index[w->at];
        const uint8_t c = w->text[next];
        if (c == '{' || c == '[' || c == '\n' ||
            (next > end && memchr(w->text + end, '\n', next - end) != NULL)) {
            break;
        }
        end = token_end(w, w->at);
    }
    if (w->index[w->at] >= w->len && !w->is_final) {
        return is_oversize(w, from) ? oversize(w, from, record, err) : more(w, from);
    }
    (void)PEN_FAIL(err, PEN_E_CORRUPT, w->base + from, "a record that is no object");
    w->value_count = 0;
    record_set(w, record, from, end);
    return PEN_NEXT_BAD;
}

static enum pen_next top_step(struct pen_walker *w, struct pen_record *record, struct pen_err *err,
                              bool *again)
{
    line_pass(w);
    const uint8_t c = byte_here(w);
    const uint32_t from = w->index[w->at];
    *again = false;
    if (from >= w->len) {
        return more(w, w->len);
    }
    if (c == '[') {
        w->at++;
        w->state = STATE_ARRAY;
        w->in_envelope = false;
        w->need_comma = false;
        *again = true;
        return PEN_NEXT_MORE;
    }
    if (c == '{') {
        const enum pen_next got = record_at(w, record, err);
        *again = got == PEN_NEXT_MORE && w->state == STATE_ARRAY;
        return got;
    }
    return line_bad(w, record, err);
}

enum pen_next pen_walker_next(struct pen_walker *w, struct pen_record *record, struct pen_err *err)
{
    enum pen_next got = PEN_NEXT_END;
    bool again = true;
    while (again) {
        again = false;
        switch ((enum state)w->state) {
        case STATE_TOP:
            got = top_step(w, record, err, &again);
            break;
        case STATE_ARRAY:
            got = array_step(w, record, err, &again);
            break;
        case STATE_ENVELOPE:
            got = envelope_step(w, &again);
            break;
        case STATE_SKIP:
            got = w->is_final ? end_at(w, PEN_E_TRUNCATED, 0, "the input ends inside a record")
                              : more(w, w->len);
            break;
        case STATE_ENDED:
            got = PEN_NEXT_END;
            break;
        }
    }
    if (got == PEN_NEXT_END) {
        *err = w->ended;
    }
    return got;
}

bool pen_walker_value_add(struct pen_walker *w, struct pen_record *record, uint32_t field,
                          uint8_t kind, pen_slice text)
{
    if (w->sub != NULL && record->values == w->sub->values) {
        w = w->sub;
    }
    if (record->value_count == VALUES_MAX) {
        return false;
    }
    const uint32_t at = record->value_count++;
    struct value_head *head = &w->heads[field];
    w->values[at] =
        (struct pen_value){.field = field, .next = UINT32_MAX, .text = text, .kind = kind};
    if (head->stamp == record->stamp) {
        w->values[head->last].next = at;
    } else {
        head->stamp = record->stamp;
        head->first = at;
    }
    head->last = at;
    return true;
}

enum pen_next pen_walker_one(struct pen_walker *w, pen_slice raw, struct pen_record *record,
                             struct pen_err *err)
{
    pen_walker_reset(w);
    const pen_slice array_key = w->options.array_key;
    w->options.array_key = (pen_slice){0};
    *err = (struct pen_err){0};
    pen_walker_window(w, raw, true);
    enum pen_next got = PEN_NEXT_BAD;
    if (byte_here(w) == '{') {
        /* Without a key for the array of records there is no envelope, and no text of an event. */
        got = record_walk(w, record, err);
        if (got == PEN_NEXT_END) {
            *err = w->ended;
        }
        if (got == PEN_NEXT_RECORD && w->index[w->at] < w->len) {
            (void)PEN_FAIL(err, PEN_E_CORRUPT, w->index[w->at], "more than one value");
            got = PEN_NEXT_BAD;
        }
    } else {
        (void)PEN_FAIL(err, PEN_E_CORRUPT, 0, "no JSON object");
    }
    w->options.array_key = array_key;
    return got;
}

bool pen_walker_saw_array(const struct pen_walker *w)
{
    return w->saw_array;
}
