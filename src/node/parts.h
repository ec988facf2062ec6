/*
 * parts.h - where the parts of envelopes begin and end in plain bytes.
 *
 * Objects stand behind one another at the top, with anything or nothing of blanks, commas and
 * brackets between them.  With an array key the objects in the array of that name are the parts,
 * and what stands before it is the head; else the objects at the top are.  Only braces and strings
 * are looked at: whoever reads a part checks the rest.  A line feed in a string is damage that ends
 * with the object's line (pen_object_end), and with that of the envelope when it is the same one.
 * One thread; allocates nothing.
 */
#ifndef PEN_NODE_PARTS_H
#define PEN_NODE_PARTS_H

#include "penstock/json.h"

enum part_kind {
    PART_HEAD, /* text: the members before the array, from its opening brace to behind the bracket
                */
    PART_ITEM, /* text: an object */
    PART_BAD,  /* text: what should have been one, or its beginning; err why.  Of bytes between
                * objects PARTS_OTHER_BYTES at most, and how many they are when that is too much */
    PART_MORE, /* as PEN_NEXT_MORE */
    PART_END,  /* as PEN_NEXT_END */
};
#define PARTS_OTHER_BYTES 512U
struct part {
    pen_slice text; /* borrows the window; of a bad one perhaps the parts, until the next one */
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
    bool has_lines; /* the envelope has line feeds before its part */
    uint32_t depth; /* of its tail: open braces and brackets */
    bool in_string, is_escape;
    int after;                        /* the state behind what is passed over */
    struct pen_object_end skip_end;   /* of an object that is too large */
    uint8_t other[PARTS_OTHER_BYTES]; /* the first bytes of what stands between objects */
    uint64_t other_bytes, other_offset;
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
