/* tested by tests/unit/runtime/test_reader.c */
#include "ring.h"

#include "penstock/runtime.h"

#include <liburing.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Buffered reads and fsync that would block run in kernel worker threads: a few are enough. */
#define WORKERS_BOUNDED 8u
#define WORKERS_UNBOUNDED 4u

#define WAKES_MAX 128u /* targets kept for one turn; more go out at once */

struct pen_ring {
    struct io_uring uring;
    uint32_t wake_count;
    int wakes[WAKES_MAX]; /* rings to wake with the next turn, each once */
};

pen_status pen_ring_new(uint32_t entries, struct pen_ring **out, struct pen_err *err)
{
    struct pen_ring *ring = calloc(1, sizeof(*ring));
    if (ring == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "ring: out of memory");
    }
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER |
                                              IORING_SETUP_DEFER_TASKRUN |
                                              IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE,
                                     .cq_entries = entries * 4};
    const int got = io_uring_queue_init_params(entries, &ring->uring, &params);
    if (got < 0) {
        free(ring);
        (void)PEN_FAIL(
            err, PEN_E_HOST, PEN_NO_OFFSET, "io_uring cannot be used (%s): it needs %s",
            strerrordesc_np(-got),
            got == -ENOMEM
                ? "more locked memory: ulimit -l 8192, LimitMEMLOCK=8M, or --ulimit memlock=8388608"
                : "Linux 6.1 or later, kernel.io_uring_disabled=0 and a seccomp profile that "
                  "allows io_uring_setup");
        if (err != NULL) {
            err->os_errno = -got;
        }
        return PEN_E_HOST;
    }
    unsigned workers[2] = {WORKERS_BOUNDED, WORKERS_UNBOUNDED};
    (void)io_uring_register_iowq_max_workers(&ring->uring, workers); /* a cap, not a need */
    *out = ring;
    return PEN_OK;
}

void pen_ring_free(struct pen_ring *ring)
{
    if (ring != NULL) {
        io_uring_queue_exit(&ring->uring);
        free(ring);
    }
}

struct io_uring *ring_uring(struct pen_ring *ring)
{
    return &ring->uring;
}

struct io_uring_sqe *ring_sqe(struct pen_ring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    if (sqe == NULL) { /* the queue is full of what was not submitted yet */
        (void)io_uring_submit(&ring->uring);
        sqe = io_uring_get_sqe(&ring->uring);
    }
    PEN_CHECK(sqe != NULL);
    return sqe;
}

void ring_start(struct io_uring_sqe *sqe, struct pen_op *op)
{
    PEN_CHECK(!op->in_kernel);
    op->in_kernel = true;
    io_uring_sqe_set_data(sqe, op);
}

static uint32_t ring_reap(struct pen_ring *ring)
{
    uint32_t count = 0;
    struct io_uring_cqe *cqe = NULL;
    while (io_uring_peek_cqe(&ring->uring, &cqe) == 0) {
        struct pen_op *op = io_uring_cqe_get_data(cqe);
        const int32_t res = cqe->res;
        const uint32_t flags = cqe->flags;
        io_uring_cqe_seen(&ring->uring, cqe);
        count++;
        if (op != NULL) { /* NULL: somebody woke this ring, or a wake was sent */
            PEN_CHECK(op->in_kernel);
            op->in_kernel = (flags & IORING_CQE_F_MORE) != 0;
            op->flags = flags;
            op->done(op, res);
        }
    }
    return count;
}

static void wakes_queue(struct pen_ring *ring)
{
    for (uint32_t i = 0; i < ring->wake_count; i++) {
        struct io_uring_sqe *sqe = ring_sqe(ring);
        io_uring_prep_msg_ring(sqe, ring->wakes[i], 0, 0, 0);
        io_uring_sqe_set_flags(sqe, IOSQE_CQE_SKIP_SUCCESS);
        io_uring_sqe_set_data(sqe, NULL);
    }
    ring->wake_count = 0;
}

/* Whether entering the kernel would submit or complete anything. */
static bool has_kernel_work(const struct pen_ring *ring)
{
    const uint32_t flags = __atomic_load_n(ring->uring.sq.kflags, __ATOMIC_RELAXED); // lint: atomic
    return io_uring_sq_ready(&ring->uring) > 0 ||
           (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

uint32_t pen_ring_turn(struct pen_ring *ring, bool wait, int64_t timeout_ns)
{
    uint32_t count = ring_reap(ring);
    wakes_queue(ring);
    if (!wait || count > 0) {
        if (!has_kernel_work(ring)) {
            return count;
        }
        /* DEFER_TASKRUN: completions are made when the kernel is entered with GETEVENTS. */
        (void)io_uring_submit_and_get_events(&ring->uring);
        return count + ring_reap(ring);
    }
    struct io_uring_cqe *cqe = NULL;
    if (timeout_ns > 0) {
        struct __kernel_timespec ts = {.tv_sec = timeout_ns / PEN_NS_PER_S,
                                       .tv_nsec = timeout_ns % PEN_NS_PER_S};
        (void)io_uring_submit_and_wait_timeout(&ring->uring, &cqe, 1, &ts, NULL);
    } else {
        (void)io_uring_submit_and_wait(&ring->uring, 1);
    }
    return count + ring_reap(ring);
}

void pen_ring_wake(struct pen_ring *ring, const struct pen_ring *target)
{
    for (uint32_t i = 0; i < ring->wake_count; i++) {
        if (ring->wakes[i] == target->uring.ring_fd) {
            return;
        }
    }
    if (ring->wake_count == WAKES_MAX) {
        wakes_queue(ring);
    }
    ring->wakes[ring->wake_count++] = target->uring.ring_fd;
}
