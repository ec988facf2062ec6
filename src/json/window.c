/* tested by tests/unit/json/test_walk.c */
#include "walker.h"

#include <stdlib.h>

#define WINDOW_SMALL 4096U

static pen_status walker_memory(struct pen_walker *w, struct pen_err *err)
{
    const size_t window = w->options.window_bytes_max;
    const size_t fields = pen_plan_field_count(w->shapes.plan);
    const struct pen_walker *lender = w->options.lender;
    w->heads = calloc(fields + 1, sizeof(*w->heads));
    w->copy_cap = (uint32_t)window;
    if (lender != NULL) {
        PEN_CHECK(lender->options.window_bytes_max == window);
        w->stage1 = lender->stage1;
        w->values = lender->values;
        w->patches = lender->patches;
        w->shadows = lender->shadows;
        w->copy = lender->copy;
        if (w->options.want_copy && w->copy == NULL) {
            w->copy = malloc(window + PEN_JSON_PADDING);
        }
        return w->heads != NULL && (w->copy != NULL || !w->options.want_copy)
                   ? PEN_OK
                   : PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "walker: out of memory");
    }
    w->stage1 = stage1_new(window + PEN_JSON_PADDING);
    w->values = malloc(VALUES_MAX * sizeof(*w->values));
    w->patches = malloc(PATCHES_MAX * sizeof(*w->patches));
    w->shadows = malloc(SHADOWS_MAX * sizeof(*w->shadows));
    w->copy = w->options.want_copy ? malloc(window + PEN_JSON_PADDING) : NULL;
    if (w->stage1 == NULL || w->values == NULL || w->heads == NULL || w->patches == NULL ||
        w->shadows == NULL || (w->options.want_copy && w->copy == NULL)) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "walker: out of memory");
    }
    return PEN_OK;
}

pen_status pen_walker_new(const struct pen_plan *plan, const struct pen_walker_options *options,
                          struct pen_walker **out, struct pen_err *err)
{
    PEN_CHECK(plan->is_sealed && options->window_bytes_max < UINT32_MAX / 2);
    struct pen_walker *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "walker: out of memory");
    }
    w->options = *options;
    pen_buf_init(&w->diverted, options->window_bytes_max);
    pen_status st = PEN_OK;
    if (!shapes_init(&w->shapes, plan)) {
        st = PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "walker: out of memory");
    } else {
        st = walker_memory(w, err);
    }
    if (st != PEN_OK) {
        pen_walker_free(w);
        return st;
    }
    *out = w;
    return PEN_OK;
}

static void walker_release(struct pen_walker *w)
{
    const struct pen_walker *lender = w->options.lender;
    if (lender == NULL || w->copy != lender->copy) {
        free(w->copy);
    }
    if (lender == NULL) {
        stage1_free(w->stage1);
        free(w->values);
        free(w->patches);
        free(w->shadows);
    }
    pen_buf_fini(&w->diverted);
    flat_fini(&w->flat);
    shapes_fini(&w->shapes);
    free(w->scalar_index);
    free(w->heads);
    free(w->keys);
    free(w->sub_text);
    free(w);
}

void pen_walker_free(struct pen_walker *w)
{
    if (w != NULL) {
        if (w->sub != NULL) {
            walker_release(w->sub);
        }
        walker_release(w);
    }
}

void pen_walker_reset(struct pen_walker *w)
{
    w->state = STATE_TOP;
    w->need_comma = false;
    w->in_events = false;
    w->in_envelope = false;
    w->saw_array = false;
    w->ordinal = 0;
    w->base = 0;
    w->len = 0;
    w->consumed = 0;
    w->is_final = false;
    w->ended = (struct pen_err){0};
}

void pen_walker_array_key(struct pen_walker *w, pen_slice array_key)
{
    w->options.array_key = array_key;
}

/* True when the scalar being skipped ends before c.  At the top that is a line of anything. */
static bool skip_ends(const struct pen_walker *w, uint8_t c)
{
    if (w->after_skip == STATE_TOP) {
        return c == '\n' || (!w->skip_string && (c == '{' || c == '['));
    }
    return !w->skip_string && (c == ',' || c == ']' || c == '}' || c == '\n');
}

/* What c means for the value being skipped.  Escapes count outside strings too, as in stage 1. */
static void skip_step(struct pen_walker *w, uint8_t c)
{
    if (w->skip_escape || c == '\\') {
        w->skip_escape = !w->skip_escape;
    } else if (c == '"') {
        w->skip_string = !w->skip_string;
    } else if (!w->skip_string && w->skip_open != 0) {
        w->skip_depth += c == w->skip_open;
        w->skip_depth -= c == w->skip_open + 2; /* the closing one, in ASCII */
    }
}

/* In an object that is too large.  Returns where to go on. */
static uint32_t skip_object(struct pen_walker *w)
{
    for (uint32_t i = 0; i < w->len; i++) {
        const enum pen_end end = pen_object_end_step(&w->skip_end, w->text[i]);
        if (end != PEN_END_OPEN) {
            w->skip_depth = 0;
            return end == PEN_END_BEHIND ? i + 1 : i;
        }
    }
    return w->len;
}

/* In a value that is too large: looks for its end byte by byte.  Returns where to go on. */
static uint32_t skip_oversize(struct pen_walker *w)
{
    if (w->skip_open == '{') {
        return skip_object(w);
    }
    for (uint32_t i = 0; i < w->len; i++) {
        const uint8_t c = w->text[i];
        if (w->skip_open == 0 && skip_ends(w, c)) {
            w->skip_depth = 0;
            return i;
        }
        skip_step(w, c);
        if (w->skip_depth == 0) {
            return i + 1;
        }
    }
    return w->len;
}

/* The walk goes on this many bytes further. */
static void skip_move(struct pen_walker *w, uint32_t bytes)
{
    w->base += bytes;
    w->bom += bytes;
    w->text += bytes;
    w->len -= bytes;
}

/* A character that the window cuts in two is left for the next window. */
static uint32_t cut_character(const struct pen_walker *w)
{
    for (uint32_t back = 1; back <= 3 && back <= w->len; back++) {
        const uint8_t c = w->text[w->len - back];
        if (c >= 0xc0) {
            const uint32_t whole = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
            return c <= 0xf4 && whole > back ? back : 0;
        }
        if (c < 0x80) {
            return 0;
        }
    }
    return 0;
}

/* A guess from the last quotation mark and its neighbours; only time hangs on it. */
static bool ends_in_string(const struct pen_walker *w)
{
    const uint32_t stop = w->len > 4096 ? w->len - 4096 : 1;
    for (uint32_t i = w->len - 1; i >= stop; i--) {
        const uint8_t before = w->text[i - 1];
        if (w->text[i] != '"' || before == '\\') {
            continue;
        }
        const uint8_t after = i + 1 < w->len ? w->text[i + 1] : 0;
        const bool is_close = after == ':' || after == ',' || after == '}' || after == ']';
        const bool is_open = before == ':' || before == ',' || before == '{' || before == '[';
        return is_open || !is_close;
    }
    return false;
}

/*
 * In its streaming mode stage 1 looks back over all positions for the end of the last document of
 * the window, which in an array of records is nowhere.  Behind the window it is shown an end and a
 * new beginning, so that it looks no further; these positions are beyond the window's length.
 */
static const uint32_t *stage1_with_end(struct pen_walker *w)
{
    static const char ends[2][3] = {{'}', '{', ' '}, {'"', '}', '{'}};
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): the contract lets us write behind the window */
    uint8_t *behind = (uint8_t *)(uintptr_t)w->text + w->len;
    uint8_t kept[3];
    memcpy(kept, behind, sizeof(kept));
    memcpy(behind, ends[ends_in_string(w)], sizeof(kept));
    const uint32_t *index = stage1_run(w->stage1, w->text, w->len + sizeof(kept));
    memcpy(behind, kept, sizeof(kept));
    return index;
}

static void window_index(struct pen_walker *w)
{
    if (!w->is_final) {
        w->len -= cut_character(w);
    }
    w->at = 0;
    const uint8_t *first = w->len == 0 ? NULL : memchr(w->text, '\\', w->len);
    w->next_backslash = first == NULL ? w->len : (uint32_t)(first - w->text);
    w->index = w->is_final || w->len < WINDOW_SMALL ? stage1_run(w->stage1, w->text, w->len)
                                                    : stage1_with_end(w);
    w->is_scalar = w->index == NULL;
    if (w->is_scalar) {
        if (w->scalar_index == NULL) {
            w->scalar_index =
                malloc((w->options.window_bytes_max + PEN_JSON_PADDING) * sizeof(uint32_t));
            PEN_CHECK(w->scalar_index != NULL);
        }
        scalar_index(w);
    }
}

void window_skip(struct pen_walker *w, uint32_t from)
{
    w->after_skip = w->state;
    w->state = STATE_SKIP;
    w->skip_open = w->text[from] == '{' || w->text[from] == '[' ? w->text[from] : 0;
    w->skip_depth = w->skip_open != '[';
    w->skip_end = (struct pen_object_end){0};
    w->skip_string = false;
    w->skip_escape = false;
    skip_move(w, from);
    if (w->skip_open == 0) { /* its first byte is its own, whatever it is */
        skip_step(w, w->text[0]);
        skip_move(w, 1);
    }
    skip_move(w, skip_oversize(w));
    if (w->skip_depth == 0) {
        w->state = w->after_skip;
    }
    window_index(w);
}

void pen_walker_window(struct pen_walker *w, pen_slice window, bool is_final)
{
    PEN_CHECK(window.len <= w->options.window_bytes_max);
    w->base += w->consumed; /* base moved along with what the last window skipped */
    w->text = window.ptr;
    w->len = (uint32_t)window.len;
    w->is_final = is_final;
    w->consumed = 0;
    if (w->base == 0 && w->len >= 3 && memcmp(w->text, "\xef\xbb\xbf", 3) == 0) {
        w->base = 3; /* a byte order mark */
        w->text += 3;
        w->len -= 3;
        w->consumed = 0;
    }
    w->bom = (uint32_t)(w->text - window.ptr);
    if (w->state == STATE_SKIP) {
        skip_move(w, skip_oversize(w));
        if (w->skip_depth == 0) {
            w->state = w->after_skip;
        }
    }
    window_index(w);
}

size_t pen_walker_consumed(const struct pen_walker *w)
{
    return w->consumed + w->bom;
}

uint64_t pen_walker_memory(const struct pen_walker_options *options)
{
    const uint64_t window = options->window_bytes_max + PEN_JSON_PADDING;
    const uint64_t positions =
        2 * window * sizeof(uint32_t); /* stage 1, and what stands in for it */
    return sizeof(struct pen_walker) + positions + (options->want_copy ? window : 0) +
           flat_memory() + VALUES_MAX * sizeof(struct pen_value) +
           PATCHES_MAX * sizeof(struct pen_patch) + shadows_memory() + shapes_memory();
}
