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
/*
 * Where the key says nothing each envelope of CloudWatch Logs is asked of what type it is: with the
 * first event that it holds.
 *
 * group, stream  as text
 * message        of that event, as JSON writes it
 * type           set with the result
 * Returns        the type's reader; NULL: no type fits, and nothing of the envelope is read
 */
struct envelope_chooser {
    void *ctx;
    const struct reader *(*choose)(void *ctx, pen_slice group, pen_slice stream, pen_slice message,
                                   const struct pen_type **type);
};
/*
 * envelope_begin - starts on an object; kind is not 0.
 *
 * type, inner  the type and its reader, borrowed until the next begin; NULL with a chooser
 * chooser      NULL: all records are of the type.  Else borrowed likewise.  Log events of no type,
 *              in an object that has others, are told at its end as one bad record
 */
void envelope_begin(struct envelope *e, uint32_t kind, pen_slice key, const struct pen_type *type,
                    const struct reader *inner, const struct envelope_chooser *chooser);

/* These three as those of a walker; bytes of the window that were read are written over. */
void envelope_window(struct envelope *e, pen_slice window, bool is_final);
enum pen_next envelope_next(struct envelope *e, struct pen_record *record, struct pen_err *err);
size_t envelope_consumed(const struct envelope *e);

/* What is told of the record that came last; good until the next one. */
const struct pen_told *envelope_told(const struct envelope *e);

#endif
