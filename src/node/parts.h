/*
 * parts.h - where the parts of envelopes begin and end in plain bytes.
 *
 * Objects stand behind one another at the top, with anything or nothing of blanks, commas and
 * brackets between them.  With an array key the objects in the array of that name are the parts,
 * and what stands before it is the head; else the objects at the top are.  Only braces and strings
 * are looked at: whoever reads a part checks the rest.  One thread; allocates nothing.
 */
#ifndef PEN_NODE_PARTS_H
#define PEN_NODE_PARTS_H

#include "penstock/json.h"

enum part_kind {
    PART_HEAD, /* text: the members before the array, from its opening brace to behind the bracket
                */
    PART_ITEM, /* text: an object */
    PART_BAD,  /* text: what should have been one, or its beginning; err why */
    PART_MORE, /* as PEN_NEXT_MORE */
    PART_END,  /* as PEN_NEXT_END */
};
struct part {
    pen_slice text; /* borrows the window */
    uint64_t offset;
};

struct parts {
    pen_slice array_key; /* empty: the objects at the top are the parts */
    size_t bytes_max;    /* of a part or a head */
    pen_slice window;
    size_t at;
    bool is_final;
    uint64_t base; /* offset of the window in the object */
    int state;
    uint32_t depth; /* of what is passed over: open braces and brackets */
    bool in_string, is_escape;
    int after; /* the state behind what is passed over */
};

/* For a new object; array_key is borrowed. */
void parts_reset(struct parts *parts, pen_slice array_key, size_t bytes_max);
/* As those of a walker. */
void parts_window(struct parts *parts, pen_slice window, bool is_final);
size_t parts_consumed(const struct parts *parts);
enum part_kind parts_next(struct parts *parts, struct part *part, struct pen_err *err);
/*
 * parts_tail - what stands behind the array whose head was given last, before its first part.
 *
 * tail     from the comma behind the array to behind the closing brace; empty: nothing, or the
 *          object has no end within bytes_max
 * Returns  false: its end is not here yet; the head comes again with a larger window
 * Cost     a look at each byte of the object
 */
bool parts_tail(struct parts *parts, const struct part *head, pen_slice *tail);

#endif
