/* tested by tests/unit/text/test_text.c */
#include "penstock/json.h"

#include "winevent.h"

#define NONE WINEVENT_NONE

/* ---- writing ---- */

struct entity {
    const char *name;
    uint32_t point;
};

/* "&lt;" or "&#60;" at the beginning of text: what it stands for, and its length; 0: it is none. */
static size_t entity_read(pen_slice text, uint32_t *point)
{
    static const struct entity entities[] = {
        {"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
    const bool is_hex = text.len > 2 && text.ptr[1] == '#' && (text.ptr[2] | 0x20) == 'x';
    size_t at = is_hex ? 3 : 2;
    for (size_t i = 0; i < PEN_COUNT(entities); i++) {
        if (pen_slice_starts(text, pen_slice_str(entities[i].name))) {
            *point = entities[i].point;
            return strlen(entities[i].name);
        }
    }
    *point = 0;
    for (; text.len > 2 && text.ptr[1] == '#' && at < text.len && at < 10; at++) {
        const uint8_t c = text.ptr[at];
        const uint8_t letter = c | 0x20;
        if (c == ';') {
            return *point == 0 || *point > 0x10ffff || *point >> 11 == 0x1b ? 0 : at + 1;
        }
        if (c >= '0' && c <= '9') {
            *point = *point * (is_hex ? 16 : 10) + (c - '0');
        } else if (is_hex && letter >= 'a' && letter <= 'f') {
            *point = *point * 16 + (letter - 'a' + 10U);
        } else {
            return 0;
        }
    }
    return 0;
}

/* Puts out what comes until something does not fit. */
struct writer {
    struct winevent *event;
    struct pen_buf *out;
    pen_status status;
};

static void put(struct writer *w, pen_slice text)
{
    w->status = w->status == PEN_OK ? pen_buf_add(w->out, text) : w->status;
}

static void put_plain(struct writer *w, pen_slice text)
{
    w->status = w->status == PEN_OK ? pen_buf_add(&w->event->plain, text) : w->status;
}

/* What text begins with, up to the next entity, or that; returns what is left. */
static pen_slice put_piece(struct writer *w, pen_slice text)
{
    const uint8_t *mark = memchr(text.ptr, '&', text.len);
    const size_t n = mark == NULL ? text.len : (size_t)(mark - text.ptr);
    uint8_t bytes[4] = {'&'};
    uint32_t point = 0;
    put_plain(w, pen_slice_sub(text, 0, n));
    text = pen_slice_sub(text, n, text.len);
    if (text.len == 0) {
        return text;
    }
    const size_t length = entity_read(text, &point);
    put_plain(w, (pen_slice){bytes, length > 0 ? pen_utf8_put(point, bytes) : 1});
    return pen_slice_sub(text, length > 0 ? length : 1, text.len);
}

/* text in quotes, as JSON writes it. */
static void put_string(struct writer *w, pen_slice text, bool is_raw)
{
    struct pen_buf *plain = &w->event->plain;
    plain->len = 0;
    while (!is_raw && text.len > 0) {
        text = put_piece(w, text);
    }
    put(w, PEN_SLICE_LIT("\""));
    if (w->status == PEN_OK) {
        w->status = pen_json_escape(w->out, is_raw ? text : pen_buf_slice(plain));
    }
    put(w, PEN_SLICE_LIT("\""));
}

static void put_comma(struct writer *w)
{
    const uint8_t before = w->out->ptr[w->out->len - 1];
    put(w, before == '{' || before == '[' ? PEN_SLICE_LIT("") : PEN_SLICE_LIT(","));
}

/* "%%4416\n %%4417": each word a text. */
static void put_words(struct writer *w, pen_slice text)
{
    put(w, PEN_SLICE_LIT("["));
    while (text.len > 0) {
        size_t n = 0;
        while (n < text.len && !is_space(text.ptr[n])) {
            n++;
        }
        if (n > 0) {
            put_comma(w);
            put_string(w, pen_slice_sub(text, 0, n), false);
        }
        text = pen_slice_sub(text, n + 1, text.len);
    }
    put(w, PEN_SLICE_LIT("]"));
}

/* The first at or behind this one that begins what is written: neither gone nor a twin. */
static uint32_t live_from(const struct winevent *e, uint32_t at)
{
    while (at != NONE && (e->nodes[at].is_gone || e->nodes[at].is_later)) {
        at = e->nodes[at].next;
    }
    return at;
}

static void twins_link(struct winevent *e)
{
    for (uint32_t at = 0; at < e->count; at++) {
        struct winevent_node *node = &e->nodes[at];
        uint32_t last = at;
        if (node->is_gone || node->is_later) {
            continue;
        }
        node->head = at;
        for (uint32_t other = node->next; other != NONE; other = e->nodes[other].next) {
            struct winevent_node *twin = &e->nodes[other];
            if (!twin->is_gone && pen_slice_eq(twin->name, node->name)) {
                e->nodes[last].twin = other;
                twin->is_later = true;
                twin->head = at;
                last = other;
            }
        }
    }
}

/* What stands before the members of a node, or all of it when it has none. */
static void node_open(struct writer *w, uint32_t at)
{
    const struct winevent_node *node = &w->event->nodes[at];
    put_comma(w);
    if (!node->is_later) {
        put_string(w, node->name, false);
        put(w, node->twin == NONE ? PEN_SLICE_LIT(":") : PEN_SLICE_LIT(":["));
    }
    if (live_from(w->event, node->first) != NONE) {
        put(w, PEN_SLICE_LIT("{"));
    } else if (node->text.len == 0) {
        put(w, PEN_SLICE_LIT("null"));
    } else if (node->is_words) {
        put_words(w, node->text);
    } else {
        put_string(w, node->text, node->is_raw);
    }
}

static void node_close(struct writer *w, uint32_t at)
{
    const struct winevent_node *node = &w->event->nodes[at];
    if (live_from(w->event, node->first) != NONE) {
        if (node->text.len > 0) {
            put(w, PEN_SLICE_LIT(",\"#text\":"));
            put_string(w, node->text, node->is_raw);
        }
        put(w, PEN_SLICE_LIT("}"));
    }
    if (node->is_later && node->twin == NONE) {
        put(w, PEN_SLICE_LIT("]"));
    }
}

/* Closes the node and all that end with it; the next to open, NONE behind the last. */
static uint32_t node_leave(struct writer *w, uint32_t at)
{
    const struct winevent *e = w->event;
    uint32_t next = NONE;
    while (at != NONE && next == NONE) {
        const struct winevent_node *node = &e->nodes[at];
        node_close(w, at);
        next = node->twin != NONE ? node->twin : live_from(e, e->nodes[node->head].next);
        at = node->parent;
    }
    return next;
}

pen_status winevent_write(struct winevent *event, struct pen_buf *json)
{
    struct writer w = {.event = event, .out = json, .status = PEN_OK};
    uint32_t at = 0;
    twins_link(event);
    put(&w, PEN_SLICE_LIT("{"));
    while (at != NONE && w.status == PEN_OK) {
        node_open(&w, at);
        const uint32_t inner = live_from(event, event->nodes[at].first);
        at = inner != NONE ? inner : node_leave(&w, at);
    }
    put(&w, PEN_SLICE_LIT("}"));
    return w.status;
}
