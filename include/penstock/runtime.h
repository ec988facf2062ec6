/*
 * penstock/runtime.h - what a shard stands on: host check, pinning, ring, file reads, mailboxes.
 *
 * A shard is one pinned thread with its own io_uring, its own jemalloc arena and its mailboxes.
 * Nothing here knows about logs.
 */
#ifndef PEN_RUNTIME_H
#define PEN_RUNTIME_H

#include "penstock/base.h"

/* ---- host ---- */

/* Kernel >= 6.1, io_uring allowed, SSSE3/SSE4.2: PEN_OK, or PEN_E_HOST with one
 * sentence that says what is missing and how to get it. */
PEN_MUST_USE pen_status pen_host_check(struct pen_err *err);
/* Room for so many open files at once: the soft limit is raised as far as the hard one allows.
 * PEN_E_HOST with a sentence when that is not enough. */
PEN_MUST_USE pen_status pen_host_files(uint64_t files, struct pen_err *err);
uint32_t pen_host_cores(void);  /* allowed by affinity and cgroup; at least 1 */
uint64_t pen_host_memory(void); /* bytes: the smaller of RAM and cgroup limit */
uint64_t pen_host_rss_max(void);
uint64_t pen_host_rss(void); /* bytes now */
/* Appends "avx2 bmi2 ...". */
PEN_MUST_USE pen_status pen_host_features(struct pen_buf *out);

/* Appends a line "NAME VERSION" for each library that the module stands on. */
PEN_MUST_USE pen_status pen_runtime_libraries(struct pen_buf *out);

/* ---- threads ---- */

struct pen_thread;
typedef void pen_thread_fn(void *ctx);
/* Starts fn on the index-th allowed core (modulo), with its own malloc arena.  Signals from outside
 * are blocked in it: handlers run on the thread that starts the others.
 * core_index  PEN_CORE_ANY: on any core, with the malloc arenas of all; for work beside the shards
 */
#define PEN_CORE_ANY UINT32_MAX
PEN_MUST_USE pen_status pen_thread_start(struct pen_thread **out, uint32_t core_index,
                                         const char *name, pen_thread_fn *fn, void *ctx,
                                         struct pen_err *err);
void pen_thread_join(struct pen_thread **thread);
/* Bytes that the calling thread ever asked of malloc, in libraries too; UINT64_MAX: not counted
 * (built without jemalloc).  To tell whether a stretch of work allocates. */
uint64_t pen_thread_allocated_bytes(void);

/* ---- ring ---- */

struct pen_op;
typedef void pen_op_fn(struct pen_op *op, int32_t res);
struct pen_op { /* one kernel operation in flight; embed it; its memory outlives the completion */
    pen_op_fn *done;
    const char *name;
    bool in_kernel; /* false in done, but for a receive that goes on */
    uint32_t flags; /* of the completion */
};
struct pen_ring;
/* Made by the thread that will use it (SINGLE_ISSUER, DEFER_TASKRUN). */
PEN_MUST_USE pen_status pen_ring_new(uint32_t entries, struct pen_ring **out, struct pen_err *err);
void pen_ring_free(struct pen_ring *ring);
/* Submits what is queued, wakes included, reaps completions and runs their done.  With wait, sleeps
 * until there is one or timeout_ns (0: none) passed.  Returns completions handled. */
uint32_t pen_ring_turn(struct pen_ring *ring, bool wait, int64_t timeout_ns);
/* Wakes another ring's wait (IORING_OP_MSG_RING) with the next turn of ring, however often it is
 * called before; from the thread that owns ring. */
void pen_ring_wake(struct pen_ring *ring, const struct pen_ring *target);

/* ---- file reads: open, many reads in flight, in order ---- */

struct pen_file_id { /* what the planner saw */
    uint64_t size;
    int64_t mtime_ns;
};
struct pen_reader; /* a shard's set of open files and read buffers */
struct pen_reader_options {
    uint32_t slots;      /* files open at once, 1.. */
    uint32_t buffers;    /* read buffers in all, >= slots */
    size_t buffer_bytes; /* of one read */
};
uint64_t pen_reader_memory(const struct pen_reader_options *options);
PEN_MUST_USE pen_status pen_reader_new(struct pen_ring *ring, const struct pen_reader_options *o,
                                       struct pen_reader **out, struct pen_err *err);
void pen_reader_free(struct pen_reader *reader); /* no file may be open */
bool pen_reader_has_slot(const struct pen_reader *reader);
/* Begins to read path ahead.  tag comes back from pen_reader_front.  Takes a slot. */
void pen_reader_open(struct pen_reader *reader, const char *path, struct pen_file_id expected,
                     void *tag);
enum pen_read {
    PEN_READ_NONE, /* no file is open */
    PEN_READ_WAIT, /* the oldest file has nothing yet: turn the ring */
    PEN_READ_DATA, /* *data is its next bytes, in order; give back with pen_reader_done */
    PEN_READ_END,  /* all read, and size and mtime are still as expected */
    PEN_READ_FAIL, /* *err: NOT_FOUND, DENIED, IO, CHANGED */
};
/* The oldest open file.  After END or FAIL call pen_reader_close. */
enum pen_read pen_reader_front(struct pen_reader *reader, void **tag, pen_slice *data,
                               struct pen_err *err);
/* After DATA, before done: these bytes are the file's last, and size and mtime are still as
 * expected; END would follow.  False also when they are not: then FAIL follows. */
bool pen_reader_is_last(struct pen_reader *reader);
void pen_reader_done(struct pen_reader *reader); /* the data of the front is used */
/* Ends the front file (also early); its slot is free once the kernel is done with it. */
void pen_reader_close(struct pen_reader *reader);
/* Cancels everything; turn the ring until it is true. */
bool pen_reader_cancel(struct pen_reader *reader);

/* ---- sockets ---- */

struct sockaddr;
/* Begins to connect; res is 0 or -errno.  Borrows address until then. */
void pen_ring_connect(struct pen_ring *ring, struct pen_op *op, int fd,
                      const struct sockaddr *address, uint32_t address_bytes);
/* Sends; res is what was taken (all of it unless the other side went away) or -errno.  Borrows
 * bytes until then. */
void pen_ring_send(struct pen_ring *ring, struct pen_op *op, int fd, pen_slice bytes);
/* Has the kernel end an operation: its done comes with -ECANCELED, or with what came first. */
void pen_ring_cancel(struct pen_ring *ring, struct pen_op *op);

/*
 * Receives go to buffers that a ring has in common: memory is held by what has arrived, not by
 * every connection that waits.
 */
#define PEN_RECV_BUFFERS_MAX 32768U
struct pen_recv_pool;
/* A ring has up to 8 pools.  buffers: a power of two up to PEN_RECV_BUFFERS_MAX, each of
 * buffer_bytes.  PEN_E_NOMEM, or PEN_E_HOST when the kernel refuses. */
PEN_MUST_USE pen_status pen_recv_pool_new(struct pen_ring *ring, uint32_t buffers,
                                          uint32_t buffer_bytes, struct pen_recv_pool **out,
                                          struct pen_err *err);
/* No receive may be in the kernel. */
void pen_recv_pool_free(struct pen_recv_pool *pool);
uint64_t pen_recv_pool_memory(uint32_t buffers, uint32_t buffer_bytes);
/*
 * Receives until the socket ends: done is called for each arrival with its length, 0 at the end, or
 * -errno.  Once op->in_kernel is false it has ended; after -ENOBUFS (no buffer was free) and after
 * a length it can be started again.
 */
void pen_recv_start(struct pen_recv_pool *pool, struct pen_op *op, int fd);
/* In done with res > 0: the bytes.  Give them back before done returns. */
pen_slice pen_recv_bytes(struct pen_recv_pool *pool, const struct pen_op *op, int32_t res);
void pen_recv_give(struct pen_recv_pool *pool, const struct pen_op *op);

/* ---- mailbox: single producer, single consumer, fixed capacity ---- */

struct pen_mailbox;
/* capacity: messages, a power of two or 1. */
PEN_MUST_USE pen_status pen_mailbox_new(uint32_t capacity, struct pen_mailbox **out,
                                        struct pen_err *err);
void pen_mailbox_free(struct pen_mailbox *box);
bool pen_mailbox_push(struct pen_mailbox *box, void *message); /* producer; false: full */
bool pen_mailbox_pop(struct pen_mailbox *box, void **message); /* consumer; false: empty */
bool pen_mailbox_empty(const struct pen_mailbox *box);         /* consumer */

#endif
