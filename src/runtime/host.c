/* tested by tests/unit/runtime/test_reader.c */
#include "penstock/runtime.h"

#ifdef PEN_JEMALLOC
#    include <jemalloc/jemalloc.h>
#endif

#include <cpuid.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
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

uint64_t pen_host_memory(void)
{
    struct sysinfo info;
    uint64_t bytes = UINT64_MAX;
    if (sysinfo(&info) == 0) {
        bytes = (uint64_t)info.totalram * info.mem_unit;
    }
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "re");
    if (file != NULL) {
        char text[32] = "";
        const size_t n = fread(text, 1, sizeof(text) - 1, file);
        (void)fclose(file);
        uint64_t limit = 0;
        if (pen_parse_u64(pen_slice_trim((pen_slice){(const uint8_t *)text, n}), &limit) &&
            limit < bytes) {
            bytes = limit;
        }
    }
    return bytes;
}

/* Of this program alone: ru_maxrss also holds what the process was before it ran this program. */
uint64_t pen_host_rss_max(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    unsigned long long kib = 0;
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "VmHWM: %llu", &kib) == 1) { // NOLINT(cert-err34-c): 0 when it is none
            break;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    struct rusage usage;
    if (kib == 0 && getrusage(RUSAGE_SELF, &usage) == 0) {
        kib = (unsigned long long)usage.ru_maxrss;
    }
    return (uint64_t)kib * 1024;
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

pen_status pen_host_check(uint64_t memory_bytes, struct pen_err *err)
{
    PEN_TRY(check_kernel(err));
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("ssse3") || !__builtin_cpu_supports("sse4.2")) {
        return PEN_FAIL(err, PEN_E_HOST, PEN_NO_OFFSET,
                        "this CPU lacks SSSE3 or SSE4.2, which Hyperscan and simdjson need: use an "
                        "x86-64-v2 machine");
    }
    const uint64_t have = pen_host_memory();
    if (memory_bytes > have) {
        return PEN_FAIL(err, PEN_E_HOST, PEN_NO_OFFSET,
                        "the plan needs %" PRIu64
                        " MiB of memory, the host or cgroup allows %" PRIu64
                        " MiB: use fewer --shards or raise the limit",
                        memory_bytes >> 20, have >> 20);
    }
    struct pen_ring *ring = NULL;
    PEN_TRY(pen_ring_new(8, &ring, err));
    pen_ring_free(ring);
    return PEN_OK;
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
