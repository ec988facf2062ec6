/* pass_worker.h - one thread of a pass: tasks in by one mailbox, notes out by another. */
#ifndef PEN_NODE_PASS_WORKER_H
#define PEN_NODE_PASS_WORKER_H

#include "input.h"

/* Tasks that may wait in a worker's mailbox; more are never given. */
#define PASS_TASKS_MAX 512U
#define PASS_NOTES_MAX 64U

enum pass_note_kind {
    NOTE_OUTPUT,  /* bytes: frames */
    NOTE_TROUBLE, /* stage, record, err of the task's object */
    NOTE_DONE,    /* the task is finished; bytes: frames that were left */
    NOTE_FAILED,  /* the pass cannot go on: err; the worker only waits to be ended */
    NOTE_ENDED,   /* the last word of the thread */
};
struct pass_note { /* owned by who holds it */
    enum pass_note_kind kind;
    struct input_task *task;
    enum pen_pass_stage stage;
    uint64_t record;
    struct pen_err err;
    struct pen_totals totals; /* DONE: of the object */
    struct pen_buf bytes;
};
void pass_note_free(struct pass_note *note);

/* Before the bytes of one record in a note. */
struct pass_frame {
    int64_t time_ns;
    uint64_t sequence, record, byte_count;
};

struct pass_worker {
    const struct pen_pass_options *options;
    uint32_t index;
    const struct shard_bucket *buckets; /* NULL: files are read */
    uint32_t bucket_count, workers;
    struct pen_mailbox *tasks; /* struct input_task */
    struct pen_mailbox *notes; /* struct pass_note */
    struct pen_thread *thread;
};
/* The thread's function; ctx is a struct pass_worker that lives until the thread is joined.  It
 * ends after a task without an object, giving up what it has not finished. */
void pass_worker_main(void *ctx);

#endif
