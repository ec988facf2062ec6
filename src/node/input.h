/* input.h - objects to bytes, in order: read ahead through a ring where the host allows one, else
 * by plain reads; pipes and standard input always by plain reads. */
#ifndef PEN_NODE_INPUT_H
#define PEN_NODE_INPUT_H

#include "penstock/node.h"
#include "penstock/runtime.h"

#include "bucket_share.h"

/* One object to read.  The giver owns it until it is done. */
struct input_task {
    struct pen_object *object; /* NULL: end the thread, or credentials */
    uint8_t *credentials;      /* without an object: of this bucket, from now on; the taker's */
    uint32_t bucket;
    uint64_t sequence; /* in the order of listing, from 0 */
    bool is_stream;    /* a pipe, or standard input when the path is "-" */
};

struct input; /* belongs to the thread that made it */
/* A host that forbids io_uring gets an input that reads without it: that is no error. */
PEN_MUST_USE pen_status input_new(struct input **out, struct pen_err *err);
/* One that reads from buckets alone, in the order in which objects come.  PEN_E_HOST: without
 * io_uring there is none. */
PEN_MUST_USE pen_status input_new_remote(const struct pen_fetch_options *options,
                                         const struct shard_bucket *buckets, uint32_t count,
                                         struct input **out, struct pen_err *err);
PEN_MUST_USE pen_status input_credentials(struct input *input, uint32_t bucket, const uint8_t *text,
                                          struct pen_err *err);
/* Gives up what is open. */
void input_free(struct input *input);
bool input_has_slot(const struct input *input);
void input_open(struct input *input, struct input_task *task); /* takes a slot */
/* As pen_reader_front, pen_reader_done and pen_reader_close of the oldest open task; of buckets the
 * one that came first, and with WAIT *task stays as it is when none has come. */
enum pen_read input_front(struct input *input, struct input_task **task, pen_slice *data,
                          struct pen_err *err);
void input_done(struct input *input);
void input_close(struct input *input);
/* Sleeps until bytes may have come, a millisecond at most. */
void input_wait(struct input *input);

#endif
