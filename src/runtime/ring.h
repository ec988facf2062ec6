/* ring.h - what the other files of runtime need of a ring. */
#ifndef PEN_RUNTIME_RING_H
#define PEN_RUNTIME_RING_H

#include "penstock/runtime.h"

struct io_uring;
struct io_uring_sqe;
struct io_uring *ring_uring(struct pen_ring *ring);
/* A submission entry; submits what is queued when there is none.  Never NULL. */
struct io_uring_sqe *ring_sqe(struct pen_ring *ring);
/* Ties a prepared entry to its operation. */
void ring_start(struct io_uring_sqe *sqe, struct pen_op *op);

#endif
