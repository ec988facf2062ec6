/*
 * allocations.c - counts what each thread asks of malloc, for the test that records cost none.
 *
 * To be preloaded.  Every thread has a row in a file that PENSTOCK_ALLOCATIONS names: its name, and
 * how often it allocated.  The file is mapped, so that the counts are there whatever ends the
 * process.  The calls go on to the allocator that would have served them.
 *
 * With PENSTOCK_ALLOCATIONS_STOP=NAME:COUNT the process stops itself (SIGTRAP) at that allocation
 * of the thread NAME, so that a debugger shows where it comes from.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ROWS_MAX 256U
#define EARLY_BYTES ((size_t)64 << 10)

struct row {
    char name[16];
    uint64_t calls, bytes, frees;
    uint64_t unused[3];
};

struct next {
    void *(*malloc)(size_t size);
    void *(*calloc)(size_t count, size_t size);
    void *(*realloc)(void *old, size_t size);
    void *(*aligned_alloc)(size_t align, size_t size);
    int (*posix_memalign)(void **out, size_t align, size_t size);
    void (*free)(void *old);
    int (*setname)(pthread_t thread, const char *name);
};

static struct next next;
static struct row *rows;
static atomic_uint row_count;
static bool is_ready, is_starting;
static const char *stop_name;
static uint64_t stop_count;
static uint8_t early[EARLY_BYTES]; /* for dlsym, which allocates before we know where to go */
static size_t early_used;
static __thread struct row *mine __attribute__((tls_model("initial-exec")));

static void *symbol(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) {
        static const char text[] = "allocations: no allocator behind this one\n";
        (void)!write(2, text, sizeof(text) - 1);
        _exit(99);
    }
    return found;
}

static void rows_map(void)
{
    const char *path = getenv("PENSTOCK_ALLOCATIONS");
    const int fd = path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || ftruncate(fd, ROWS_MAX * sizeof(struct row)) != 0) {
        return;
    }
    void *at = mmap(NULL, ROWS_MAX * sizeof(struct row), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    rows = at == MAP_FAILED ? NULL : at;
    (void)close(fd);
    const char *stop = getenv("PENSTOCK_ALLOCATIONS_STOP");
    const char *colon = stop == NULL ? NULL : strchr(stop, ':');
    if (colon != NULL) {
        stop_name = stop;
        stop_count = strtoull(colon + 1, NULL, 10);
    }
}

/* Called by the first allocation of the process, which is alone then. */
static void start(void)
{
    is_starting = true;
    *(void **)&next.malloc = symbol("malloc");
    *(void **)&next.calloc = symbol("calloc");
    *(void **)&next.realloc = symbol("realloc");
    *(void **)&next.aligned_alloc = symbol("aligned_alloc");
    *(void **)&next.posix_memalign = symbol("posix_memalign");
    *(void **)&next.free = symbol("free");
    *(void **)&next.setname = symbol("pthread_setname_np");
    rows_map();
    is_starting = false;
    is_ready = true;
}

static void *early_take(size_t size)
{
    const size_t need = (size + 15) & ~(size_t)15;
    if (need > EARLY_BYTES - early_used) {
        _exit(98);
    }
    void *at = early + early_used;
    early_used += need;
    return at;
}

static bool is_early(const void *at)
{
    const uint8_t *byte = at;
    return byte >= early && byte < early + EARLY_BYTES;
}

/* False: still starting. */
static bool ready(void)
{
    if (!is_ready && !is_starting) {
        start();
    }
    return is_ready;
}

static struct row *row_mine(void)
{
    if (mine == NULL && rows != NULL) {
        const unsigned at = atomic_fetch_add(&row_count, 1);
        mine = &rows[at < ROWS_MAX ? at : ROWS_MAX - 1];
    }
    return mine;
}

static void count(size_t size)
{
    struct row *row = row_mine();
    if (row == NULL) {
        return;
    }
    row->calls++;
    row->bytes += size;
    if (stop_name != NULL && row->calls == stop_count &&
        strncmp(row->name, stop_name, strlen(row->name)) == 0 && row->name[0] != '\0') {
        (void)raise(SIGTRAP);
    }
}

int pthread_setname_np(pthread_t thread, const char *name)
{
    struct row *row = ready() && pthread_equal(thread, pthread_self()) ? row_mine() : NULL;
    if (row != NULL) {
        (void)snprintf(row->name, sizeof(row->name), "%s", name);
    }
    return next.setname(thread, name);
}

void *malloc(size_t size)
{
    if (!ready()) {
        return early_take(size);
    }
    count(size);
    return next.malloc(size);
}

void *calloc(size_t items, size_t size)
{
    if (!ready()) {
        return early_take(items * size); /* static memory: zero */
    }
    count(items * size);
    return next.calloc(items, size);
}

void *realloc(void *old, size_t size)
{
    if (!ready()) {
        return early_take(size);
    }
    count(size);
    if (is_early(old)) {
        void *made = next.malloc(size);
        if (made != NULL) {
            memcpy(made, old, size < 256 ? size : 256);
        }
        return made;
    }
    return next.realloc(old, size);
}

void *aligned_alloc(size_t align, size_t size)
{
    if (!ready()) {
        return early_take(size);
    }
    count(size);
    return next.aligned_alloc(align, size);
}

void *memalign(size_t align, size_t size)
{
    return aligned_alloc(align, size);
}

int posix_memalign(void **out, size_t align, size_t size)
{
    if (!ready()) {
        return ENOMEM;
    }
    count(size);
    return next.posix_memalign(out, align, size);
}

void free(void *old)
{
    if (old == NULL || is_early(old) || !ready()) {
        return;
    }
    struct row *row = row_mine();
    if (row != NULL) {
        row->frees++;
    }
    next.free(old);
}

void *reallocarray(void *old, size_t items, size_t size)
{
    if (size != 0 && items > SIZE_MAX / size) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, items * size);
}

/* C++'s new, by its names in the ABI: the allocator behind may have its own, past malloc. */
void *_Znwm(size_t size);
void *_Znam(size_t size);
void *_ZnwmRKSt9nothrow_t(size_t size, const void *nothrow);
void *_ZnamRKSt9nothrow_t(size_t size, const void *nothrow);

void *_Znwm(size_t size)
{
    void *made = malloc(size);
    if (made == NULL) {
        abort();
    }
    return made;
}

void *_Znam(size_t size)
{
    return _Znwm(size);
}

void *_ZnwmRKSt9nothrow_t(size_t size, const void *nothrow)
{
    (void)nothrow;
    return malloc(size);
}

void *_ZnamRKSt9nothrow_t(size_t size, const void *nothrow)
{
    (void)nothrow;
    return malloc(size);
}
