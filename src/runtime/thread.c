#include "penstock/runtime.h"

#ifdef PEN_JEMALLOC
#    include <jemalloc/jemalloc.h>
#endif

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pen_thread {
    pthread_t handle;
    uint32_t core_index;
    char name[16];
    pen_thread_fn *fn;
    void *ctx;
};

/* The index-th core of those allowed.  A host that forbids pinning still works. */
static void pin(uint32_t index)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0 || CPU_COUNT(&allowed) == 0) {
        return;
    }
    uint32_t left = index % (uint32_t)CPU_COUNT(&allowed);
    for (size_t core = 0; core < CPU_SETSIZE; core++) {
        if (!CPU_ISSET(core, &allowed)) {
            continue;
        }
        if (left-- == 0) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(core, &one);
            (void)sched_setaffinity(0, sizeof(one), &one);
            return;
        }
    }
}

/* malloc of this thread, inside libraries too, takes from an arena of its own. */
static void own_arena(void)
{
#ifdef PEN_JEMALLOC
    unsigned arena = 0;
    size_t size = sizeof(arena);
    if (mallctl("arenas.create", &arena, &size, NULL, 0) == 0) {
        (void)mallctl("thread.arena", NULL, NULL, &arena, sizeof(arena));
    }
#endif
}

uint64_t pen_thread_allocated_bytes(void)
{
    uint64_t bytes = UINT64_MAX;
#ifdef PEN_JEMALLOC
    size_t size = sizeof(bytes);
    if (mallctl("thread.allocated", &bytes, &size, NULL, 0) != 0) {
        bytes = UINT64_MAX;
    }
#endif
    return bytes;
}

static void *thread_main(void *ctx)
{
    struct pen_thread *thread = ctx;
    if (thread->core_index != PEN_CORE_ANY) {
        pin(thread->core_index);
        own_arena();
    }
    (void)pthread_setname_np(pthread_self(), thread->name);
    thread->fn(thread->ctx);
    return NULL;
}

/* Signals from outside go to the thread that started the others: its handlers then interrupt no
 * shard.  What a fault of a thread raises stays with that thread. */
static int create_without_signals(struct pen_thread *thread)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGPROF};
    sigset_t blocked;
    sigset_t before;
    (void)sigfillset(&blocked);
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        (void)sigdelset(&blocked, own[i]);
    }
    (void)pthread_sigmask(SIG_SETMASK, &blocked, &before);
    const int got = pthread_create(&thread->handle, NULL, thread_main, thread);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return got;
}

pen_status pen_thread_start(struct pen_thread **out, uint32_t core_index, const char *name,
                            pen_thread_fn *fn, void *ctx, struct pen_err *err)
{
    struct pen_thread *thread = calloc(1, sizeof(*thread));
    if (thread == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "thread %s: out of memory", name);
    }
    thread->core_index = core_index;
    thread->fn = fn;
    thread->ctx = ctx;
    (void)snprintf(thread->name, sizeof(thread->name), "%s", name);
    const int got = create_without_signals(thread);
    if (got != 0) {
        free(thread);
        return PEN_FAIL(err, PEN_E_HOST, PEN_NO_OFFSET, "cannot start thread %s: %s", name,
                        strerrordesc_np(got));
    }
    *out = thread;
    return PEN_OK;
}

void pen_thread_join(struct pen_thread **thread)
{
    const int got = pthread_join((*thread)->handle, NULL);
    PEN_CHECK(got == 0);
    free(*thread);
    *thread = NULL;
}
