/*
 * Any bytes as an object, in windows of two sizes.  The first two bytes of an input choose the
 * options, the rest is the text.  What must hold:
 *   - every record is one valid JSON object that stands at its offset, ordinals count from 0;
 *   - text that a slow strict reader can frame gives exactly the records of that reader, in windows
 *     of every size, and nothing bad but the ones that are too large;
 *   - the padding behind a window decides nothing and is left as it was.
 */
#include "reference.h"
#include "walker.h"

#include <stdlib.h>

#define SEEN_MAX 8192U
#define BLANKS ((size_t)4200)
#define TEXT_MAX ((size_t)16 << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    uint64_t offset;
    size_t len; /* of a good record; 0: bad */
};

struct verdicts {
    struct seen *items;
    uint32_t count;
    bool is_whole; /* the object ended where it should */
};

struct options {
    pen_slice key;
    size_t record_max, step;
    uint8_t padding;
    bool want_copy;
};

static void add(struct verdicts *v, uint64_t offset, size_t len)
{
    PEN_CHECK(v->count < SEEN_MAX);
    v->items[v->count++] = (struct seen){.offset = offset, .len = len};
}

/* ---- what the slow reader makes of it; false: it cannot say ---- */

static bool array_frame(pen_slice text, size_t *at, const struct options *o, struct verdicts *v)
{
    ref_blanks(text, at);
    if (ref_take(text, at, ']')) {
        return true;
    }
    for (;;) {
        uint8_t kind = PEN_NULL;
        ref_blanks(text, at);
        const size_t from = *at;
        if (!ref_value(text, at, &kind) || kind != PEN_OBJECT || v->count == SEEN_MAX) {
            return false;
        }
        add(v, from, *at - from <= o->record_max ? *at - from : 0);
        ref_blanks(text, at);
        if (ref_take(text, at, ']')) {
            return true;
        }
        if (!ref_take(text, at, ',')) {
            return false;
        }
    }
}

/* Members of the object at from, one by one.  *is_envelope: one of them was the array of records.
 */
static bool members_frame(pen_slice text, size_t from, size_t *at, const struct options *o,
                          struct verdicts *v, bool *is_envelope)
{
    for (;;) {
        pen_slice name;
        uint8_t kind = PEN_NULL;
        if (!ref_name(text, at, &name) || memchr(name.ptr, '\\', name.len + 1) != NULL) {
            return false;
        }
        ref_blanks(text, at);
        const bool is_array = *at < text.len && text.ptr[*at] == '[';
        if (is_array && pen_slice_eq(name, PEN_SLICE_LIT("Events"))) {
            return false; /* holds records as text */
        }
        if (is_array && o->key.len > 0 && pen_slice_eq(name, o->key)) {
            (*at)++;
            if ((!*is_envelope && *at - from > o->record_max) || !array_frame(text, at, o, v)) {
                return false;
            }
            *is_envelope = true;
        } else if (!ref_value(text, at, &kind)) {
            return false;
        }
        ref_blanks(text, at);
        if (ref_take(text, at, '}')) {
            return true;
        }
        if (!ref_take(text, at, ',')) {
            return false;
        }
    }
}

static bool object_frame(pen_slice text, size_t *at, const struct options *o, struct verdicts *v)
{
    const size_t from = *at;
    size_t end = from;
    uint8_t kind = PEN_NULL;
    bool is_envelope = false;
    if (!ref_value(text, &end, &kind) || v->count == SEEN_MAX) {
        return false;
    }
    (*at)++;
    ref_blanks(text, at);
    if (!ref_take(text, at, '}') && !members_frame(text, from, at, o, v, &is_envelope)) {
        return false;
    }
    if (!is_envelope) {
        add(v, from, *at - from <= o->record_max ? *at - from : 0);
    }
    return true;
}

static bool frame(pen_slice text, const struct options *o, struct verdicts *v)
{
    size_t at = pen_slice_starts(text, PEN_SLICE_LIT("\xef\xbb\xbf")) ? 3 : 0;
    for (ref_blanks(text, &at); at < text.len; ref_blanks(text, &at)) {
        if (text.ptr[at] == '{') {
            if (!object_frame(text, &at, o, v)) {
                return false;
            }
        } else if (!ref_take(text, &at, '[') || !array_frame(text, &at, o, v)) {
            return false;
        }
    }
    v->is_whole = true;
    return true;
}

/* ---- what the walker makes of it ---- */

static void record_check(pen_slice text, pen_slice window, const struct pen_record *r,
                         uint64_t *end)
{
    PEN_CHECK(ref_is_object(r->raw) && r->offset >= *end);
    const bool is_here = r->raw.ptr >= window.ptr && r->raw.ptr < window.ptr + window.len;
    if (is_here) { /* else it was text of a member of an event */
        PEN_CHECK(r->offset + r->raw.len <= text.len && r->raw.ptr[0] == '{');
        PEN_CHECK(memcmp(text.ptr + r->offset, r->raw.ptr, r->raw.len) == 0);
        *end = r->offset + r->raw.len;
    }
}

/* Takes all that one window gives.  Returns MORE or END. */
static enum pen_next window_run(struct pen_walker *walker, pen_slice text, pen_slice window,
                                struct verdicts *v, uint64_t *end)
{
    for (;;) {
        struct pen_record record = {0};
        struct pen_err err = {0};
        const enum pen_next got = pen_walker_next(walker, &record, &err);
        if (got == PEN_NEXT_MORE || got == PEN_NEXT_END) {
            v->is_whole = got == PEN_NEXT_END && err.status == PEN_OK;
            return got;
        }
        PEN_CHECK(record.ordinal == v->count && record.offset <= text.len);
        if (got == PEN_NEXT_RECORD) {
            record_check(text, window, &record, end);
        } else {
            PEN_CHECK(err.status != PEN_OK);
        }
        add(v, record.offset, got == PEN_NEXT_RECORD ? record.raw.len : 0);
    }
}

static void walk(struct pen_walker *walker, pen_slice text, const struct options *o,
                 struct verdicts *v)
{
    size_t begin = 0; /* of the window in the text */
    size_t end = text.len < o->step ? text.len : o->step;
    uint64_t record_end = 0;
    pen_walker_reset(walker);
    for (;;) {
        const size_t len = end - begin;
        uint8_t *window = malloc(len + PEN_JSON_PADDING);
        PEN_CHECK(window != NULL);
        if (len > 0) {
            memcpy(window, text.ptr + begin, len);
        }
        memset(window + len, o->padding, PEN_JSON_PADDING);
        pen_walker_window(walker, (pen_slice){window, len}, end == text.len);
        for (size_t i = 0; i < PEN_JSON_PADDING; i++) {
            PEN_CHECK(window[len + i] == o->padding);
        }
        const enum pen_next got =
            window_run(walker, text, (pen_slice){window, len}, v, &record_end);
        PEN_CHECK(got == PEN_NEXT_END || end < text.len);
        const size_t used = pen_walker_consumed(walker);
        free(window);
        if (got == PEN_NEXT_END) {
            return;
        }
        PEN_CHECK(used <= len);
        begin += used;
        end = text.len - end < o->step ? text.len : end + o->step;
    }
}

static void same(const struct verdicts *a, const struct verdicts *b)
{
    PEN_CHECK(a->is_whole == b->is_whole && a->count == b->count);
    for (uint32_t i = 0; i < a->count; i++) {
        PEN_CHECK(a->items[i].offset == b->items[i].offset && a->items[i].len == b->items[i].len);
    }
}

static struct options options_of(const uint8_t *data, size_t text_len)
{
    static const size_t steps[] = {1, 2, 3, 5, 8, 17, 31, 64, 65, 100, 257, 1000, 4095, 4096, 5000};
    static const uint8_t paddings[] = {' ', '"', '}', '{', 0xff, 0};
    const size_t least = text_len / ((data[0] & 32) != 0 ? 32 : 256) + 1; /* that many windows */
    struct options o = {.key = PEN_SLICE_LIT("Records"), .record_max = TEXT_MAX};
    if ((data[0] & 1) != 0) {
        o.key = (data[0] & 2) != 0 ? PEN_SLICE_LIT("") : PEN_SLICE_LIT("Rows");
    }
    if ((data[0] & 4) != 0) {
        o.record_max = (data[0] & 8) != 0 ? 24 : 100;
    }
    o.want_copy = (data[0] & 16) == 0;
    o.step = steps[(data[1] & 15U) % PEN_COUNT(steps)];
    o.step = o.step < least ? least : o.step;
    o.padding = paddings[(data[1] >> 4) % PEN_COUNT(paddings)];
    return o;
}

/* The text with many blanks behind one of its opening braces: large windows are indexed in another
 * way than small ones. */
static pen_slice stretch(pen_slice text, uint32_t which, uint8_t *out)
{
    size_t at = 0;
    for (uint32_t seen = 0; at < text.len && seen <= which; at++) {
        seen += text.ptr[at] == '{';
    }
    if (text.len + BLANKS > TEXT_MAX) {
        return text;
    }
    memcpy(out, text.ptr, at);
    memset(out + at, ' ', BLANKS);
    memcpy(out + at + BLANKS, text.ptr + at, text.len - at);
    return (pen_slice){out, text.len + BLANKS};
}

/* One walker for all inputs, because making one costs more than most inputs; it has learned nothing
 * when it is given out, so that an input alone decides what happens. */
static struct pen_walker *walker_fresh(const struct options *o)
{
    static struct pen_walker *walker = NULL;
    if (walker == NULL) {
        struct pen_plan *plan = pen_plan_new();
        const struct pen_walker_options options = {
            .window_bytes_max = TEXT_MAX, .record_bytes_max = TEXT_MAX, .want_copy = true};
        struct pen_err err;
        PEN_CHECK(plan != NULL);
        pen_plan_seal(plan);
        PEN_CHECK(pen_walker_new(plan, &options, &walker, &err) == PEN_OK);
    }
    shapes_clear(&walker->shapes);
    if (walker->sub != NULL) { /* made anew with the options of this input */
        pen_walker_free(walker->sub);
        free(walker->sub_text);
        walker->sub = NULL;
        walker->sub_text = NULL;
    }
    walker->options.record_bytes_max = o->record_max;
    walker->options.want_copy = o->want_copy;
    pen_walker_array_key(walker, o->key);
    return walker;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size - 2 > TEXT_MAX) {
        return 0;
    }
    static uint8_t stretched[TEXT_MAX];
    pen_slice text = {data + 2, size - 2};
    if ((data[0] & 32) != 0) {
        text = stretch(text, data[0] >> 6, stretched);
    }
    struct options o = options_of(data, text.len);
    struct pen_walker *walker = walker_fresh(&o);
    static struct seen seen[3][SEEN_MAX];
    struct verdicts want = {.items = seen[0]};
    struct verdicts whole = {.items = seen[1]};
    struct verdicts parts = {.items = seen[2]};
    const bool is_certain = frame(text, &o, &want);
    walk(walker, text, &o, &parts);
    o.step = TEXT_MAX;
    walk(walker, text, &o, &whole);
    if (is_certain) {
        same(&want, &whole);
        same(&want, &parts);
    }
    return 0;
}
