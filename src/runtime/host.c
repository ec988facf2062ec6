/* tested by tests/unit/runtime/test_reader.c */
#include "penstock/runtime.h"

#ifdef PEN_JEMALLOC
#    include <jemalloc/jemalloc.h>
#endif

#include <cpuid.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#define KERNEL_MAJOR_MIN 6u
#define KERNEL_MINOR_MIN 1u

uint32_t pen_host_cores(void)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0 || CPU_COUNT(&allowed) < 1) {
        return 1;
    }
    return (uint32_t)CPU_COUNT(&allowed);
}

/* A file that holds a number of bytes; UINT64_MAX when there is none ("max", or no file). */
static uint64_t limit_file(const char *path)
{
    FILE *file = fopen(path, "re");
    char text[32] = "";
    uint64_t limit = UINT64_MAX;
    if (file != NULL) {
        const size_t n = fread(text, 1, sizeof(text) - 1, file);
        (void)fclose(file);
        if (!pen_parse_u64(pen_slice_trim((pen_slice){(const uint8_t *)text, n}), &limit)) {
            limit = UINT64_MAX;
        }
    }
    return limit;
}

/* The smallest limit on the way from our cgroup (version 2) to the root. */
static uint64_t cgroup_memory(void)
{
    char line[1024] = "";
    char path[1024 + 64];
    uint64_t least = limit_file("/sys/fs/cgroup/memory.max");
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (file != NULL) {
        while (fgets(line, sizeof(line), file) != NULL && strncmp(line, "0::/", 4) != 0) {
            line[0] = '\0';
        }
        (void)fclose(file);
    }
    line[strcspn(line, "\n")] = '\0';
    for (char *end = strrchr(line, '/'); end != NULL && line[3] == '/'; end = strrchr(line, '/')) {
        (void)snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", line + 3);
        const uint64_t limit = limit_file(path);
        least = limit < least ? limit : least;
        *end = '\0';
    }
    return least;
}

uint64_t pen_host_memory(void)
{
    struct sysinfo info;
    uint64_t bytes = UINT64_MAX;
    if (sysinfo(&info) == 0) {
        bytes = (uint64_t)info.totalram * info.mem_unit;
    }
    const uint64_t limit = cgroup_memory();
    return limit < bytes ? limit : bytes;
}

/* A line of /proc/self/status in KiB, as bytes; 0 when there is none. */
static uint64_t status_bytes(const char *name)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    unsigned long long kib = 0;
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, name, 6) == 0) {
            kib = strtoull(line + 6, NULL, 10);
            break;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return (uint64_t)kib * 1024;
}

uint64_t pen_host_rss(void)
{
    return status_bytes("VmRSS:");
}

/* Of this program alone: ru_maxrss also holds what the process was before it ran this program. */
uint64_t pen_host_rss_max(void)
{
    struct rusage usage;
    const uint64_t bytes = status_bytes("VmHWM:");
    return bytes == 0 && getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024
                                                             : bytes;
}

pen_status pen_host_features(struct pen_buf *out)
{
    static const struct {
        const char *name;
        int has;
    } none = {"x86-64", 1};
    PEN_TRY(pen_buf_printf(out, "%s", none.name));
    __builtin_cpu_init();
    PEN_TRY(pen_buf_printf(out, "%s", __builtin_cpu_supports("ssse3") ? " ssse3" : ""));
    PEN_TRY(pen_buf_printf(out, "%s", __builtin_cpu_supports("sse4.2") ? " sse4.2" : ""));
    PEN_TRY(pen_buf_printf(out, "%s", __builtin_cpu_supports("avx2") ? " avx2" : ""));
    PEN_TRY(pen_buf_printf(out, "%s", __builtin_cpu_supports("bmi2") ? " bmi2" : ""));
    return pen_buf_printf(out, "%s", __builtin_cpu_supports("avx512bw") ? " avx512bw" : "");
}

static pen_status check_kernel(struct pen_err *err)
{
    struct utsname name;
    unsigned major = 0;
    unsigned minor = 0;
    if (uname(&name) != 0 ||
        sscanf(name.release, "%u.%u", &major, &minor) != 2) { // NOLINT(cert-err34-c)
        return PEN_FAIL(err, PEN_E_HOST, PEN_NO_OFFSET, "the kernel does not tell its version");
    }
    if (major < KERNEL_MAJOR_MIN || (major == KERNEL_MAJOR_MIN && minor < KERNEL_MINOR_MIN)) {
        return PEN_FAIL(err, PEN_E_HOST, PEN_NO_OFFSET,
                        "Linux %s is too old: penstock needs 6.1 or later (Debian 12 has it)",
                        name.release);
    }
    return PEN_OK;
}

pen_status pen_host_check(struct pen_err *err)
{
    PEN_TRY(check_kernel(err));
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("ssse3") || !__builtin_cpu_supports("sse4.2")) {
        return PEN_FAIL(err, PEN_E_HOST, PEN_NO_OFFSET,
                        "this CPU lacks SSSE3 or SSE4.2, which Hyperscan and simdjson need: use an "
                        "x86-64-v2 machine");
    }
    struct pen_ring *ring = NULL;
    PEN_TRY(pen_ring_new(8, &ring, err));
    pen_ring_free(ring);
    return PEN_OK;
}

pen_status pen_host_files(uint64_t files, struct pen_err *err)
{
    struct rlimit limit = {0};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return PEN_FAIL(err, PEN_E_HOST, PEN_NO_OFFSET, "the limit of open files: %s",
                        strerrordesc_np(errno));
    }
    if (limit.rlim_cur >= files) {
        return PEN_OK;
    }
    limit.rlim_cur = limit.rlim_max < files ? limit.rlim_max : files;
    return limit.rlim_cur == files && setrlimit(RLIMIT_NOFILE, &limit) == 0
               ? PEN_OK
               : PEN_FAIL(
                     err, PEN_E_HOST, PEN_NO_OFFSET,
                     "this run may have %" PRIu64 " files open and is allowed %" PRIu64
                     ": raise the limit (ulimit -Hn, LimitNOFILE= of systemd, --ulimit nofile= "
                     "of a container), or use fewer --shards",
                     files, (uint64_t)limit.rlim_max);
}

pen_status pen_runtime_libraries(struct pen_buf *out)
{
    PEN_TRY(pen_buf_printf(out, "liburing %s\n", PEN_URING_VERSION)); /* it cannot be asked */
#ifdef PEN_JEMALLOC
    const char *version = "unknown";
    size_t size = sizeof(void *);
    if (mallctl("version", (void *)&version, &size, NULL, 0) != 0) {
        version = "unknown";
    }
    PEN_TRY(pen_buf_printf(out, "jemalloc %s\n", version));
#endif
    return PEN_OK;
}
