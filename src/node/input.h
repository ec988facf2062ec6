/* input.h - objects to bytes, in order: read ahead through a ring where the host allows one, else
 * by plain reads; pipes and standard input always by plain reads. */
#ifndef PEN_NODE_INPUT_H
#define PEN_NODE_INPUT_H

#include "penstock/node.h"
#include "penstock/runtime.h"

/* One object to read.  The giver owns it until it is done. */
struct input_task {
    struct pen_object *object; /* NULL: end the thread */
    uint64_t sequence;         /* in the order of listing, from 0 */
    bool is_stream;            /* a pipe, or standard input when the path is "-" */
};

struct input; /* belongs to the thread that made it */
/* A host that forbids io_uring gets an input that reads without it: that is no error. */
PEN_MUST_USE pen_status input_new(struct input **out, struct pen_err *err);
/* Gives up what is open. */
void input_free(struct input *input);
bool input_has_slot(const struct input *input);
void input_open(struct input *input, struct input_task *task); /* takes a slot */
/* As pen_reader_front, pen_reader_done and pen_reader_close of the oldest open task. */
enum pen_read input_front(struct input *input, struct input_task **task, pen_slice *data,
                          struct pen_err *err);
void input_done(struct input *input);
void input_close(struct input *input);
/* Sleeps until bytes may have come, a millisecond at most. */
void input_wait(struct input *input);

#endif
