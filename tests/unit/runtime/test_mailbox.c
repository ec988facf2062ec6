#include "penstock/runtime.h"

#include "test.h"

#define MESSAGES 20000u

struct pair {
    struct pen_mailbox *box;
    uint32_t values[MESSAGES];
};

static void produce(void *ctx)
{
    struct pair *pair = ctx;
    for (uint32_t i = 0; i < MESSAGES; i++) {
        pair->values[i] = i;
        while (!pen_mailbox_push(pair->box, &pair->values[i])) {
        }
    }
}

static void messages_arrive_once_and_in_order(void **state)
{
    (void)state;
    static struct pair pair;
    struct pen_thread *thread = NULL;
    struct pen_err err;
    void *message = NULL;
    assert_int_equal(pen_mailbox_new(8, &pair.box, &err), PEN_OK);
    assert_true(pen_mailbox_empty(pair.box));
    assert_int_equal(pen_thread_start(&thread, 1, "producer", produce, &pair, &err), PEN_OK);
    for (uint32_t i = 0; i < MESSAGES; i++) {
        while (!pen_mailbox_pop(pair.box, &message)) {
        }
        assert_int_equal(*(const uint32_t *)message, i);
    }
    pen_thread_join(&thread);
    pen_mailbox_free(pair.box);
}

static void a_full_mailbox_refuses(void **state)
{
    (void)state;
    struct pen_mailbox *box = NULL;
    struct pen_err err;
    int value = 0;
    void *message = NULL;
    assert_int_equal(pen_mailbox_new(1, &box, &err), PEN_OK);
    assert_true(pen_mailbox_push(box, &value));
    assert_false(pen_mailbox_push(box, &value));
    assert_true(pen_mailbox_pop(box, &message));
    assert_true(pen_mailbox_push(box, &value));
    pen_mailbox_free(box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_arrive_once_and_in_order),
        cmocka_unit_test(a_full_mailbox_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
