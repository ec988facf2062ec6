/*
 * clock.c - a time of day that a test sets, for tests of what expires.
 *
 * To be preloaded.  CLOCK_REALTIME is ahead by as many seconds as the file PENSTOCK_CLOCK_FILE says
 * (eight bytes, an int64_t of this host), whenever it is asked for.  Other clocks go as ever.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef int clock_gettime_fn(clockid_t clock, struct timespec *out);

static clock_gettime_fn *next;
static const volatile int64_t *ahead_s;

__attribute__((constructor)) static void file_map(void)
{
    const char *path = getenv("PENSTOCK_CLOCK_FILE");
    const int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    next = (clock_gettime_fn *)dlsym(RTLD_NEXT, "clock_gettime");
    if (fd >= 0) {
        void *at = mmap(NULL, sizeof(*ahead_s), PROT_READ, MAP_SHARED, fd, 0);
        ahead_s = at == MAP_FAILED ? NULL : at;
        (void)close(fd);
    }
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    if (next == NULL) {
        file_map(); /* other constructors ask before ours ran */
    }
    const int got = next(clock, out);
    if (got == 0 && clock == CLOCK_REALTIME && ahead_s != NULL) {
        out->tv_sec += (time_t)*ahead_s;
    }
    return got;
}
