/* columns.h - a line taken apart into the columns of its type. */
#ifndef PEN_TEXT_COLUMNS_H
#define PEN_TEXT_COLUMNS_H

#include "penstock/text.h"

#include "marks.h"

#define COLUMN_PARTS_MAX 8U

struct escaped {
    struct pen_buf text; /* of a line, what JSON writes otherwise; sized before use */
    struct marks marks;  /* of the line */
};

enum column_kind {
    COLUMN_PLAIN,
    COLUMN_PORT,    /* "address:port" or "-" */
    COLUMN_WORDS,   /* parts parted by blanks */
    COLUMN_REQUEST, /* the line of an HTTP request, and its parts */
};
struct column {
    enum column_kind kind;
    bool is_optional;
    bool is_joined; /* the next word belongs to it too, behind a blank */
    bool is_word;   /* one word is its one part */
    uint32_t first; /* of its parts in the values, */
    uint32_t part_count;
};
struct columns {
    struct column items[PEN_TEXT_COLUMNS_MAX + 1]; /* one behind the last is no word */
    uint32_t count, required;
    uint8_t separator;         /* 0: blanks, with quotes and brackets */
    struct pen_column *values; /* of a line, by part: what it has */
    uint32_t *parts;           /* by part: column of the walker */
    uint32_t part_count, part_cap;
    bool is_plain;        /* each column is one word and one part */
    bool is_direct;       /* the walker takes values as they are */
    struct pen_buf names; /* the line of names that these are from; empty: none */
    struct escaped escaped;
};
void columns_init(struct columns *columns);
void columns_fini(struct columns *columns);
/*
 * columns_set - how lines are taken apart from here on.
 *
 * A name is one column; with '?' at its end it may be missing, as may all behind it.  "a:b" is an
 * address and the port behind its last colon.  "a+" takes two words, with a blank between them.  "a
 * b c" is a column of words.  "request http" is the line of an HTTP request: itself, and as
 * http_method, http_protocol, http_host, http_port, http_path, http_query and http_version its
 * parts. Returns  PEN_OK | PEN_E_CONFIG (err names the column) | PEN_E_LIMIT | PEN_E_NOMEM
 */
PEN_MUST_USE pen_status columns_set(struct columns *columns, struct pen_walker *walker,
                                    const pen_slice *names, uint32_t count, struct pen_err *err);
/* From a line of names; '-' becomes '_', and so does what JSON would write otherwise.  Costs little
 * when it is the same line as before. */
PEN_MUST_USE pen_status columns_from_line(struct columns *columns, struct pen_walker *walker,
                                          pen_slice line, struct pen_err *err);
/* Takes the line, which has PEN_JSON_PADDING bytes behind it, as record, whose raw, offset and
 * ordinal are set.  is_marked: the marks of `escaped` are those of the line.  NULL, or what is
 * wrong with the line; then no value of it counts. */
const char *columns_take(struct columns *columns, struct pen_walker *walker, pen_slice line,
                         bool is_marked, struct pen_record *record);
/* The line that rest begins with, marked for columns_take.  False: none that is short enough ends
 * there. */
PEN_MUST_USE bool columns_line(struct columns *columns, pen_slice rest, pen_slice *line);
/* One value, escaped when JSON needs it.  NULL, or what is wrong. */
const char *value_put(struct escaped *escaped, struct pen_walker *walker, uint32_t column,
                      pen_slice text);
/* A look at the line whose parts are put next (separator: parts them, and 0 is blanks), and room
 * for bytes of them to be escaped.  False: out of memory. */
PEN_MUST_USE bool escaped_begin(struct escaped *escaped, pen_slice line, uint8_t separator,
                                size_t bytes);
/* Likewise, when the marks are those of the line. */
PEN_MUST_USE bool escaped_room(struct escaped *escaped, pen_slice line, size_t bytes);

#endif
