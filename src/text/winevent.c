/* tested by tests/unit/text/test_text.c */
#include "winevent.h"

#include <stdlib.h>

#define NONE WINEVENT_NONE
#define NUMBER_BYTES 4U /* of the number of a value without a name, below WINEVENT_NODES_MAX */

pen_status winevent_new(struct winevent *event)
{
    *event = (struct winevent){0};
    pen_buf_init(&event->names, SIZE_MAX);
    pen_buf_init(&event->plain, SIZE_MAX);
    event->nodes = calloc(WINEVENT_NODES_MAX, sizeof(*event->nodes));
    return event->nodes == NULL ? PEN_E_NOMEM : PEN_OK;
}

void winevent_free(struct winevent *event)
{
    pen_buf_fini(&event->names);
    pen_buf_fini(&event->plain);
    free(event->nodes);
    *event = (struct winevent){0};
}

/* ---- the tree ---- */

static uint32_t node_add(struct winevent *e, uint32_t parent, pen_slice name, pen_slice text)
{
    if (e->count == WINEVENT_NODES_MAX) {
        return NONE;
    }
    const uint32_t at = e->count++;
    e->nodes[at] = (struct winevent_node){.name = name,
                                          .text = text,
                                          .parent = parent,
                                          .first = NONE,
                                          .last = NONE,
                                          .next = NONE,
                                          .twin = NONE};
    if (parent != NONE) {
        struct winevent_node *up = &e->nodes[parent];
        if (up->first == NONE) {
            up->first = at;
        } else {
            e->nodes[up->last].next = at;
        }
        up->last = at;
    }
    return at;
}

static uint32_t child(const struct winevent *e, uint32_t parent, const char *name)
{
    uint32_t at = parent == NONE ? NONE : e->nodes[parent].first;
    while (at != NONE &&
           (e->nodes[at].is_gone || !pen_slice_eq(e->nodes[at].name, pen_slice_str(name)))) {
        at = e->nodes[at].next;
    }
    return at;
}

/* ---- reading ---- */

struct reader {
    struct winevent *event;
    pen_slice rest;
    uint32_t at; /* the open element; NONE: none is */
    uint32_t depth;
    bool is_over; /* the outermost element is closed */
};

static void skip(struct reader *r, size_t bytes)
{
    r->rest = pen_slice_sub(r->rest, bytes, r->rest.len);
}

static void skip_space(struct reader *r)
{
    while (r->rest.len > 0 && is_space(r->rest.ptr[0])) {
        skip(r, 1);
    }
}

/* A name: everything up to a blank or a byte that ends one. */
static pen_slice take_name(struct reader *r)
{
    size_t n = 0;
    while (n < r->rest.len && !is_space(r->rest.ptr[n]) &&
           strchr("=/>\"'<", r->rest.ptr[n]) == NULL) {
        n++;
    }
    const pen_slice name = pen_slice_sub(r->rest, 0, n);
    skip(r, n);
    return name;
}

/* Passes over what begins with one mark and ends with another.  False: it does not end. */
static bool skip_past(struct reader *r, const char *end)
{
    const size_t at = pen_slice_find(r->rest, pen_slice_str(end));
    if (at == SIZE_MAX) {
        return false;
    }
    skip(r, at + strlen(end));
    return true;
}

static const char *take_attribute(struct reader *r, uint32_t node)
{
    const pen_slice name = take_name(r);
    skip_space(r);
    if (name.len == 0 || r->rest.len < 2 || r->rest.ptr[0] != '=') {
        return "an attribute of the XML is wrong";
    }
    skip(r, 1);
    skip_space(r);
    const uint8_t quote = r->rest.len > 0 ? r->rest.ptr[0] : 0;
    if (quote != '"' && quote != '\'') {
        return "an attribute of the XML is not in quotes";
    }
    skip(r, 1);
    const uint8_t *end = r->rest.len == 0 ? NULL : memchr(r->rest.ptr, quote, r->rest.len);
    if (end == NULL) {
        return "the XML is cut off in an attribute";
    }
    const pen_slice value = pen_slice_sub(r->rest, 0, (size_t)(end - r->rest.ptr));
    skip(r, value.len + 1);
    return node_add(r->event, node, name, value) == NONE ? "the event has too many members" : NULL;
}

/* The end of a tag, which is here: the element stays open, or is closed at once. */
static const char *end_open(struct reader *r, uint32_t node)
{
    const bool is_closed = r->rest.ptr[0] == '/';
    if (is_closed && (r->rest.len < 2 || r->rest.ptr[1] != '>')) {
        return "a tag of the XML is wrong";
    }
    skip(r, is_closed ? 2 : 1);
    r->at = is_closed ? r->at : node;
    r->depth += !is_closed;
    r->is_over = is_closed && r->at == NONE;
    return NULL;
}

/* Behind '<'. */
static const char *take_open(struct reader *r)
{
    const pen_slice name = take_name(r);
    if (name.len == 0 || r->is_over) {
        return r->is_over ? "more than one event in a record" : "a tag of the XML is wrong";
    }
    const uint32_t node = node_add(r->event, r->at, name, (pen_slice){0});
    if (node == NONE || r->depth == WINEVENT_DEPTH_MAX) {
        return "the event has too many members";
    }
    const char *problem = NULL;
    skip_space(r);
    while (problem == NULL && r->rest.len > 0 && r->rest.ptr[0] != '/' && r->rest.ptr[0] != '>') {
        problem = take_attribute(r, node);
        skip_space(r);
    }
    if (problem == NULL && r->rest.len == 0) {
        return "the XML is cut off in a tag";
    }
    return problem != NULL ? problem : end_open(r, node);
}

/* Behind "</". */
static const char *take_close(struct reader *r)
{
    const pen_slice name = take_name(r);
    skip_space(r);
    if (r->at == NONE || !pen_slice_eq(r->event->nodes[r->at].name, name) || r->rest.len == 0 ||
        r->rest.ptr[0] != '>') {
        return "a tag of the XML closes what is not open";
    }
    skip(r, 1);
    r->at = r->event->nodes[r->at].parent;
    r->depth--;
    r->is_over = r->at == NONE;
    return NULL;
}

/* Text of the open element; of several pieces the first counts. */
static const char *take_text(struct reader *r, pen_slice text, bool is_raw)
{
    text = pen_slice_trim(text);
    while (text.len > 0 && text.ptr[text.len - 1] == 0) {
        text.len--;
    }
    if (text.len == 0) {
        return NULL;
    }
    if (r->at == NONE) {
        return "text outside of the XML";
    }
    struct winevent_node *node = &r->event->nodes[r->at];
    if (node->text.len == 0) {
        node->text = text;
        node->is_raw = is_raw;
    }
    return NULL;
}

static const char *take_tag(struct reader *r)
{
    const pen_slice data = PEN_SLICE_LIT("<![CDATA[");
    if (pen_slice_starts(r->rest, data)) {
        const size_t end = pen_slice_find(r->rest, PEN_SLICE_LIT("]]>"));
        if (end == SIZE_MAX) {
            return "the XML is cut off in a text";
        }
        const pen_slice text = pen_slice_sub(r->rest, data.len, end);
        skip(r, end + 3);
        return take_text(r, text, true);
    }
    if (pen_slice_starts(r->rest, PEN_SLICE_LIT("<!--"))) {
        return skip_past(r, "-->") ? NULL : "the XML is cut off in a comment";
    }
    if (pen_slice_starts(r->rest, PEN_SLICE_LIT("<?"))) {
        return skip_past(r, "?>") ? NULL : "the XML is cut off in an instruction";
    }
    const bool is_close = r->rest.len > 1 && r->rest.ptr[1] == '/';
    skip(r, is_close ? 2 : 1);
    return is_close ? take_close(r) : take_open(r);
}

static const char *event_read(struct winevent *e, pen_slice xml)
{
    struct reader r = {.event = e, .rest = xml, .at = NONE};
    const char *problem = NULL;
    e->count = 0;
    while (r.rest.len > 0 && problem == NULL) {
        const uint8_t *tag = memchr(r.rest.ptr, '<', r.rest.len);
        const size_t n = tag == NULL ? r.rest.len : (size_t)(tag - r.rest.ptr);
        problem = take_text(&r, pen_slice_sub(r.rest, 0, n), false);
        skip(&r, n);
        if (problem == NULL && r.rest.len > 0) {
            problem = take_tag(&r);
        }
    }
    return problem != NULL || r.is_over ? problem : "the XML is cut off";
}

/* ---- what Windows writes in a way of its own ---- */

static const char *const digits[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

/* The number of a value without a name, in the scratch, which does not move. */
static pen_slice number_name(struct winevent *e, uint32_t number)
{
    const size_t from = e->names.len;
    uint32_t unit = 1;
    while (number / unit > 9) {
        unit *= 10;
    }
    for (; unit > 0; unit /= 10) {
        if (pen_buf_add_byte(&e->names, (uint8_t)*digits[number / unit % 10]) != PEN_OK) {
            return (pen_slice){0};
        }
    }
    return pen_slice_sub(pen_buf_slice(&e->names), from, e->names.len);
}

static bool is_name(pen_slice name, const char *word)
{
    return pen_slice_eq(name, pen_slice_str(word));
}

/* One <Data>: named after its attribute, or by its number. */
static void value_name(struct winevent *e, uint32_t node, uint32_t number)
{
    const uint32_t name = child(e, node, "Name");
    struct winevent_node *at = &e->nodes[node];
    if (name != NONE) {
        at->name = e->nodes[name].text;
        e->nodes[name].is_gone = true;
    } else {
        at->name = number_name(e, number);
    }
    at->is_gone = at->text.len == 0 || is_name(at->text, "-");
    at->is_words = is_name(at->name, "AccessList") || is_name(at->name, "PrivilegeList");
}

static bool data_fold(struct winevent *e, uint32_t event_data)
{
    uint32_t values = 0;
    if (child(e, event_data, "Data") == NONE) {
        return true;
    }
    for (uint32_t at = e->nodes[event_data].first; at != NONE; at = e->nodes[at].next) {
        values += is_name(e->nodes[at].name, "Data");
    }
    const uint32_t first = e->nodes[event_data].first;
    e->nodes[event_data].first = NONE;
    e->nodes[event_data].last = NONE;
    const uint32_t data = node_add(e, event_data, PEN_SLICE_LIT("Data"), (pen_slice){0});
    if (data == NONE) {
        return false;
    }
    uint32_t number = values > 1;
    for (uint32_t at = first; at != NONE;) {
        const uint32_t next = e->nodes[at].next;
        const bool is_value = is_name(e->nodes[at].name, "Data");
        const uint32_t up = is_value ? data : event_data;
        if (is_value) {
            value_name(e, at, number++);
        }
        e->nodes[at].parent = up;
        e->nodes[at].next = NONE;
        if (e->nodes[up].first == NONE) {
            e->nodes[up].first = at;
        } else {
            e->nodes[e->nodes[up].last].next = at;
        }
        e->nodes[up].last = at;
        at = next;
    }
    return true;
}

static bool event_fold(struct winevent *e)
{
    const uint32_t root = e->count == 0 ? NONE : 0;
    const uint32_t system = child(e, root, "System");
    const uint32_t id = child(e, system, "EventID");
    const uint32_t qualifiers = child(e, id, "Qualifiers");
    e->names.len = 0;
    if (pen_buf_reserve(&e->names, (size_t)WINEVENT_NODES_MAX * NUMBER_BYTES) != PEN_OK) {
        return false;
    }
    if (qualifiers != NONE) {
        e->nodes[qualifiers].is_gone = true;
        if (node_add(e, system, PEN_SLICE_LIT("Qualifiers"), e->nodes[qualifiers].text) == NONE) {
            return false;
        }
    }
    const uint32_t event_data = child(e, root, "EventData");
    return event_data == NONE || data_fold(e, event_data);
}

const char *winevent_json(struct winevent *event, pen_slice xml, struct pen_buf *json)
{
    const char *problem = event_read(event, xml);
    if (problem != NULL) {
        return problem;
    }
    if (!event_fold(event)) {
        return "the event has too many members";
    }
    return winevent_write(event, json) == PEN_OK ? NULL : "out of memory";
}
