#include "penstock/runtime.h"

#include "ring.h"

#include <liburing.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define POOLS_MAX 8 /* of a ring; each has a group of its own */

struct pen_recv_pool {
    struct pen_ring *ring;
    struct io_uring_buf_ring *shared; /* with the kernel: which buffers are free */
    size_t shared_bytes;
    uint8_t *memory;
    uint32_t buffers, buffer_bytes;
    uint16_t group;
};

void pen_ring_connect(struct pen_ring *ring, struct pen_op *op, int fd,
                      const struct sockaddr *address, uint32_t address_bytes)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_connect(sqe, fd, address, address_bytes);
    ring_start(sqe, op);
}

void pen_ring_send(struct pen_ring *ring, struct pen_op *op, int fd, pen_slice bytes)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_send(sqe, fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_WAITALL);
    ring_start(sqe, op);
}

void pen_ring_cancel(struct pen_ring *ring, struct pen_op *op)
{
    if (op->in_kernel) {
        struct io_uring_sqe *sqe = ring_sqe(ring);
        io_uring_prep_cancel(sqe, op, 0);
        io_uring_sqe_set_data(sqe, NULL);
    }
}

uint64_t pen_recv_pool_memory(uint32_t buffers, uint32_t buffer_bytes)
{
    return (uint64_t)buffers * (buffer_bytes + sizeof(struct io_uring_buf));
}

static void buffer_add(struct pen_recv_pool *pool, uint32_t buffer)
{
    io_uring_buf_ring_add(pool->shared, pool->memory + (size_t)buffer * pool->buffer_bytes,
                          pool->buffer_bytes, (uint16_t)buffer,
                          io_uring_buf_ring_mask(pool->buffers), 0);
    io_uring_buf_ring_advance(pool->shared, 1);
}

static void *pages(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

/* Takes the first group of the ring that no pool has.  0 or an error below it. */
static int group_take(struct pen_recv_pool *pool)
{
    int got = -EEXIST;
    for (pool->group = 0; got == -EEXIST && pool->group < POOLS_MAX;) {
        pool->group++;
        struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)pool->shared,
                                       .ring_entries = pool->buffers,
                                       .bgid = pool->group};
        got = io_uring_register_buf_ring(ring_uring(pool->ring), &reg, 0);
    }
    return got;
}

pen_status pen_recv_pool_new(struct pen_ring *ring, uint32_t buffers, uint32_t buffer_bytes,
                             struct pen_recv_pool **out, struct pen_err *err)
{
    PEN_CHECK(buffers > 0 && buffers <= PEN_RECV_BUFFERS_MAX && (buffers & (buffers - 1)) == 0);
    PEN_CHECK(buffer_bytes > 0);
    struct pen_recv_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "receive buffers: out of memory");
    }
    *pool = (struct pen_recv_pool){.ring = ring,
                                   .shared_bytes = buffers * sizeof(struct io_uring_buf),
                                   .buffers = buffers,
                                   .buffer_bytes = buffer_bytes};
    pool->shared = pages(pool->shared_bytes);
    pool->memory = pages((size_t)buffers * buffer_bytes);
    if (pool->shared == NULL || pool->memory == NULL) {
        pen_recv_pool_free(pool);
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "receive buffers: out of memory");
    }
    const int got = group_take(pool);
    if (got != 0) {
        pool->ring = NULL; /* nothing is registered */
        pen_recv_pool_free(pool);
        return PEN_FAIL(err, PEN_E_HOST, PEN_NO_OFFSET, "receive buffers cannot be registered: %s",
                        strerrordesc_np(-got));
    }
    io_uring_buf_ring_init(pool->shared);
    for (uint32_t i = 0; i < buffers; i++) {
        buffer_add(pool, i);
    }
    *out = pool;
    return PEN_OK;
}

void pen_recv_pool_free(struct pen_recv_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    if (pool->ring != NULL && pool->shared != NULL && pool->memory != NULL) {
        (void)io_uring_unregister_buf_ring(ring_uring(pool->ring), pool->group);
    }
    if (pool->shared != NULL) {
        (void)munmap(pool->shared, pool->shared_bytes);
    }
    if (pool->memory != NULL) {
        (void)munmap(pool->memory, (size_t)pool->buffers * pool->buffer_bytes);
    }
    free(pool);
}

void pen_recv_start(struct pen_recv_pool *pool, struct pen_op *op, int fd)
{
    struct io_uring_sqe *sqe = ring_sqe(pool->ring);
    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
    sqe->buf_group = pool->group;
    ring_start(sqe, op);
}

static uint32_t buffer_of(const struct pen_recv_pool *pool, const struct pen_op *op)
{
    PEN_CHECK((op->flags & IORING_CQE_F_BUFFER) != 0);
    const uint32_t buffer = op->flags >> IORING_CQE_BUFFER_SHIFT;
    PEN_CHECK(buffer < pool->buffers);
    return buffer;
}

pen_slice pen_recv_bytes(struct pen_recv_pool *pool, const struct pen_op *op, int32_t res)
{
    PEN_CHECK(res > 0 && (uint32_t)res <= pool->buffer_bytes);
    return (pen_slice){pool->memory + (size_t)buffer_of(pool, op) * pool->buffer_bytes,
                       (size_t)res};
}

void pen_recv_give(struct pen_recv_pool *pool, const struct pen_op *op)
{
    buffer_add(pool, buffer_of(pool, op));
}
