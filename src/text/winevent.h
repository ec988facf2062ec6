/*
 * winevent.h - one event of Windows, as its XML has it, into JSON.
 *
 * Elements and attributes become members; elements of one name, a list; text beside attributes,
 * the member "#text".  What EventData holds as <Data Name="x"> becomes a member x of Data (without
 * a name: its number from 1; alone: 0), lists of rights become lists, and the qualifiers of an
 * EventID stand beside it.
 */
#ifndef PEN_TEXT_WINEVENT_H
#define PEN_TEXT_WINEVENT_H

#include "penstock/base.h"

#define WINEVENT_NODES_MAX 1024U /* elements and attributes of an event */
#define WINEVENT_DEPTH_MAX 32U
#define WINEVENT_NONE UINT32_MAX

struct winevent_node {
    pen_slice name; /* as written: entities in attributes and texts are still there */
    pen_slice text;
    uint32_t parent, first, last, next;
    uint32_t twin; /* the next of the same name below the same parent */
    uint32_t head; /* the first of them */
    bool is_later; /* it is written with an earlier one of its name */
    bool is_gone, is_raw, is_words;
};

struct winevent { /* scratch; owns its buffers */
    struct winevent_node *nodes;
    uint32_t count;
    struct pen_buf names; /* numbers as names */
    struct pen_buf plain; /* a text without entities */
};

PEN_MUST_USE pen_status winevent_new(struct winevent *event);
void winevent_free(struct winevent *event);
/* Appends the event as one JSON object.  NULL, or what is wrong with xml; json has a part then. */
const char *winevent_json(struct winevent *event, pen_slice xml, struct pen_buf *json);
/* The same of a tree that was read. */
PEN_MUST_USE pen_status winevent_write(struct winevent *event, struct pen_buf *json);

static inline bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

#endif
