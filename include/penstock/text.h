/*
 * penstock/text.h - lines of text to records: framing, columns, patterns.
 *
 * Stands where the walk of JSON stands for types of that format: windows of plain bytes go in,
 * records come out, with the values of planned paths and the members of the document's copy, as if
 * the line had been a JSON object with its columns as members.  A line that does not fit its type
 * is a record with a problem, not a bad one.  One thread; no allocation per record.
 */
#ifndef PEN_TEXT_H
#define PEN_TEXT_H

#include "penstock/classify.h"
#include "penstock/json.h"

#define PEN_TEXT_COLUMNS_MAX 256U /* of a line */

struct pen_text;
/*
 * pen_text_new - a reader of the lines of a type whose format is not JSON.
 *
 * walker   of the same type, made with the same limits; makes the records, outlives the reader
 * Returns  PEN_OK | PEN_E_CONFIG (a pattern or a column of the type is wrong; err says which) |
 *          PEN_E_NOMEM
 */
PEN_MUST_USE pen_status pen_text_new(const struct pen_type *type, struct pen_walker *walker,
                                     size_t record_bytes_max, struct pen_text **out,
                                     struct pen_err *err);
void pen_text_free(struct pen_text *text);

/* These four as those of a walker: reset for a new object, a window, records, what was used. */
void pen_text_reset(struct pen_text *text);
void pen_text_window(struct pen_text *text, pen_slice window, bool is_final);
enum pen_next pen_text_next(struct pen_text *text, struct pen_record *record, struct pen_err *err);
size_t pen_text_consumed(const struct pen_text *text);

/*
 * pen_text_one - one message as one record, whatever lines it has: what envelopes hold.
 *
 * message   PEN_JSON_PADDING bytes behind it can be read
 * Between pen_text_reset and the next one either windows are read or messages.  A type whose
 * objects name their columns in the first line needs columns for messages.
 * Returns  PEN_NEXT_RECORD | PEN_NEXT_BAD (err says why)
 */
enum pen_next pen_text_one(struct pen_text *text, pen_slice message, struct pen_record *record,
                           struct pen_err *err);

/* Whether the columns and patterns of a type can be read; err says which cannot. */
PEN_MUST_USE pen_status pen_text_check(const struct pen_type *type, struct pen_err *err);

#endif
