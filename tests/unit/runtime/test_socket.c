#include "penstock/runtime.h"

#include "test.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

struct side { /* one end of a pair, as its owner sees it */
    struct pen_op op;
    struct pen_recv_pool *pool;
    uint8_t got[4096];
    size_t len;
    int32_t last;
    uint32_t calls;
};

static void on_bytes(struct pen_op *op, int32_t res)
{
    struct side *side = PEN_CONTAINER_OF(op, struct side, op);
    side->calls++;
    side->last = res;
    if (res > 0) {
        const pen_slice bytes = pen_recv_bytes(side->pool, op, res);
        memcpy(side->got + side->len, bytes.ptr, bytes.len);
        side->len += bytes.len;
        pen_recv_give(side->pool, op);
    }
}

struct once {
    struct pen_op op;
    int32_t res;
    bool is_done;
};

static void on_once(struct pen_op *op, int32_t res)
{
    struct once *once = PEN_CONTAINER_OF(op, struct once, op);
    once->res = res;
    once->is_done = true;
}

struct world {
    struct pen_ring *ring;
    struct pen_recv_pool *pool;
    int fds[2];
    struct side side;
};

static void open_world(struct world *w, uint32_t buffers, uint32_t bytes)
{
    struct pen_err err = {0};
    memset(w, 0, sizeof(*w));
    assert_int_equal(pen_ring_new(16, &w->ring, &err), PEN_OK);
    assert_int_equal(pen_recv_pool_new(w->ring, buffers, bytes, &w->pool, &err), PEN_OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, w->fds), 0);
    w->side.op = (struct pen_op){.done = on_bytes, .name = "test.recv"};
    w->side.pool = w->pool;
}

static void close_world(struct world *w)
{
    assert_false(w->side.op.in_kernel);
    pen_recv_pool_free(w->pool);
    pen_ring_free(w->ring);
    (void)close(w->fds[0]);
    if (w->fds[1] >= 0) {
        (void)close(w->fds[1]);
    }
}

static void one_receive_takes_every_arrival_until_the_end(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, 4, 64);
    pen_recv_start(w.pool, &w.side.op, w.fds[0]);
    for (uint32_t i = 0; i < 40; i++) { /* more arrivals than buffers: each is given back */
        struct once send = {.op = {.done = on_once, .name = "test.send"}};
        pen_ring_send(w.ring, &send.op, w.fds[1], PEN_SLICE_LIT("0123456789"));
        while (!send.is_done || w.side.len < (i + 1) * 10) {
            (void)pen_ring_turn(w.ring, true, PEN_NS_PER_S);
        }
        assert_int_equal(send.res, 10);
        assert_true(w.side.op.in_kernel);
    }
    assert_memory_equal(w.side.got + 390, "0123456789", 10);
    (void)close(w.fds[1]);
    w.fds[1] = -1;
    while (w.side.op.in_kernel) {
        (void)pen_ring_turn(w.ring, true, PEN_NS_PER_S);
    }
    assert_int_equal(w.side.last, 0);
    close_world(&w);
}

static void more_than_all_buffers_hold_arrives_after_a_new_start(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, 2, 16);
    uint8_t sent[1000];
    for (size_t i = 0; i < sizeof(sent); i++) {
        sent[i] = (uint8_t)(i * 7);
    }
    struct once send = {.op = {.done = on_once, .name = "test.send"}};
    pen_ring_send(w.ring, &send.op, w.fds[1], (pen_slice){sent, sizeof(sent)});
    while (w.side.len < sizeof(sent)) {
        if (!w.side.op.in_kernel) {
            pen_recv_start(w.pool, &w.side.op, w.fds[0]);
        }
        (void)pen_ring_turn(w.ring, true, PEN_NS_PER_S);
        assert_true(w.side.last > 0 || w.side.last == -ENOBUFS);
    }
    assert_memory_equal(w.side.got, sent, sizeof(sent));
    pen_ring_cancel(w.ring, &w.side.op);
    while (w.side.op.in_kernel) {
        (void)pen_ring_turn(w.ring, true, PEN_NS_PER_S);
    }
    assert_true(w.side.last == -ECANCELED || w.side.last == -ENOBUFS);
    close_world(&w);
}

static void two_pools_of_a_ring_have_their_own_buffers(void **state)
{
    struct world w;
    struct pen_err err = {0};
    struct side other = {.op = {.done = on_bytes, .name = "test.other"}};
    int fds[2];
    (void)state;
    open_world(&w, 4, 64);
    assert_int_equal(pen_recv_pool_new(w.ring, 2, 32, &other.pool, &err), PEN_OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    pen_recv_start(w.pool, &w.side.op, w.fds[0]);
    pen_recv_start(other.pool, &other.op, fds[0]);
    assert_int_equal(write(w.fds[1], "documents", 9), 9);
    assert_int_equal(write(fds[1], "objects", 7), 7);
    (void)close(w.fds[1]);
    w.fds[1] = -1;
    (void)close(fds[1]);
    while (w.side.op.in_kernel || other.op.in_kernel) {
        (void)pen_ring_turn(w.ring, true, PEN_NS_PER_S);
    }
    assert_int_equal(w.side.len, 9);
    assert_memory_equal(w.side.got, "documents", 9);
    assert_int_equal(other.len, 7);
    assert_memory_equal(other.got, "objects", 7);
    pen_recv_pool_free(other.pool);
    (void)close(fds[0]);
    close_world(&w);
}

static void a_connection_that_nobody_takes_fails_with_the_reason(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, 2, 16);
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(at);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    for (uint32_t round = 0; round < 2; round++) { /* refused first, taken then */
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct once once = {.op = {.done = on_once, .name = "test.connect"}};
        pen_ring_connect(w.ring, &once.op, fd, (const struct sockaddr *)&at, sizeof(at));
        while (!once.is_done) {
            (void)pen_ring_turn(w.ring, true, PEN_NS_PER_S);
        }
        assert_int_equal(once.res, round == 0 ? -ECONNREFUSED : 0);
        (void)close(fd);
        assert_int_equal(listen(listener, 4), 0);
    }
    (void)close(listener);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_receive_takes_every_arrival_until_the_end),
        cmocka_unit_test(more_than_all_buffers_hold_arrives_after_a_new_start),
        cmocka_unit_test(two_pools_of_a_ring_have_their_own_buffers),
        cmocka_unit_test(a_connection_that_nobody_takes_fails_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
