#include "penstock/runtime.h"

#include "test.h"

#include <signal.h>

struct seen {
    bool blocks_interrupt;
    bool blocks_terminate;
    bool blocks_fault;
};

static void look(void *ctx)
{
    struct seen *seen = ctx;
    sigset_t mask;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    seen->blocks_interrupt = sigismember(&mask, SIGINT) == 1;
    seen->blocks_terminate = sigismember(&mask, SIGTERM) == 1;
    seen->blocks_fault = sigismember(&mask, SIGSEGV) == 1;
}

static void a_thread_takes_no_signal_from_outside(void **state)
{
    (void)state;
    struct pen_err err = {0};
    struct pen_thread *thread = NULL;
    struct seen seen = {.blocks_fault = true};
    assert_int_equal(pen_thread_start(&thread, 0, "looks", look, &seen, &err), PEN_OK);
    pen_thread_join(&thread);
    assert_true(seen.blocks_interrupt);
    assert_true(seen.blocks_terminate);
    assert_false(seen.blocks_fault);

    sigset_t mask;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGINT), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_takes_no_signal_from_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
