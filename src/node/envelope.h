/*
 * envelope.h - records that come wrapped in something that says where they come from.
 *
 * Stands where the reader of a type stands: windows of plain bytes go in, records come out.  Each
 * message in an envelope goes through the type's reader as an object of its own.  Records are
 * counted from 0 within the object; their offset is that of the envelope's part that held them.
 * One thread; no allocation per record.
 */
#ifndef PEN_NODE_ENVELOPE_H
#define PEN_NODE_ENVELOPE_H

#include "penstock/normalize.h"

#include "reader.h"

struct envelope_options {
    struct pen_walker *lender; /* lends its buffers, outlives the envelope */
    size_t window_bytes_max;   /* the lender's */
    size_t record_bytes_max;
    size_t part_bytes_max; /* of what holds one message, as it is stored; larger ones are bad */
};
struct envelope;
PEN_MUST_USE pen_status envelope_new(const struct envelope_options *options, struct envelope **out,
                                     struct pen_err *err);
void envelope_free(struct envelope *e);
/*
 * envelope_kind - what the records of an object of this type are wrapped in, by its first bytes.
 *
 * head     the first bytes of the object, or all of them
 * Returns  a bit of enum pen_envelope, or 0: they are not wrapped
 */
uint32_t envelope_kind(const struct pen_type *type, pen_slice key, pen_slice head);
/* Starts on an object; kind is not 0; inner, of that type, is borrowed until the next begin. */
void envelope_begin(struct envelope *e, uint32_t kind, pen_slice key, const struct pen_type *type,
                    const struct reader *inner);

/* These three as those of a walker; bytes of the window that were read are written over. */
void envelope_window(struct envelope *e, pen_slice window, bool is_final);
enum pen_next envelope_next(struct envelope *e, struct pen_record *record, struct pen_err *err);
size_t envelope_consumed(const struct envelope *e);

/* What is told of the record that came last; good until the next one. */
const struct pen_told *envelope_told(const struct envelope *e);

#endif
