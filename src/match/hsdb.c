#include "penstock/match.h"

#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* tested by tests/unit/match/test_compile.c */

#define CHILD_CPU_SECONDS 60
#define CHILD_MEMORY_BYTES ((rlim_t)8 << 30)
#define LOOK_MS 100 /* a signal may come just before the wait */
#define PAYLOAD_MAX ((size_t)1 << 30)
/* A sanitizer's shadow memory alone is larger than the limit. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#    define HAS_SHADOW_MEMORY 1
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#        define HAS_SHADOW_MEMORY 1
#    endif
#endif
#define CACHE_MAGIC UINT64_C(0x3130626473686e70) /* "pnhsdb01" */

/*
 * A payload is one byte a pattern (1: dropped) and the serialised database (nothing when all are
 * dropped).  It is what the child sends and what a cache file holds behind its header.
 */
struct cache_header {
    uint64_t magic, length;
    struct pen_hash128 sum;
};

struct multi {
    const char **texts;
    unsigned *flags;
    unsigned *ids;
    unsigned count;
};

static void multi_fini(struct multi *multi)
{
    free((void *)multi->texts);
    free(multi->flags);
    free(multi->ids);
}

static bool multi_init(struct multi *multi, uint32_t count)
{
    *multi = (struct multi){
        .texts = calloc(count, sizeof(char *)),
        .flags = calloc(count, sizeof(unsigned)),
        .ids = calloc(count, sizeof(unsigned)),
    };
    if (multi->texts != NULL && multi->flags != NULL && multi->ids != NULL) {
        return true;
    }
    multi_fini(multi);
    return false;
}

static void multi_fill(struct multi *multi, const struct pen_engine *engine)
{
    multi->count = 0;
    for (uint32_t i = 0; i < engine->pattern_count; i++) {
        if (!engine->patterns[i].is_dropped) {
            multi->texts[multi->count] = engine->patterns[i].text;
            multi->flags[multi->count] = engine->patterns[i].flags;
            multi->ids[multi->count++] = i;
        }
    }
}

/* Compiles what Hyperscan takes, dropping one pattern after the other that it refuses. */
static pen_status compile_all(struct pen_engine *engine, hs_database_t **database)
{
    struct multi multi;
    *database = NULL;
    if (!multi_init(&multi, engine->pattern_count)) {
        return PEN_E_NOMEM;
    }
    pen_status status = PEN_E_RULE;
    for (;;) {
        multi_fill(&multi, engine);
        hs_compile_error_t *error = NULL;
        if (multi.count == 0 ||
            hs_compile_multi(multi.texts, multi.flags, multi.ids, multi.count, HS_MODE_BLOCK, NULL,
                             database, &error) == HS_SUCCESS) {
            status = PEN_OK;
            break;
        }
        const int at = error->expression;
        (void)hs_free_compile_error(error);
        if (at < 0 || (unsigned)at >= multi.count) {
            break;
        }
        engine->patterns[multi.ids[at]].is_dropped = true;
    }
    multi_fini(&multi);
    return status;
}

static pen_status make_payload(struct pen_engine *engine, struct pen_buf *payload)
{
    hs_database_t *database = NULL;
    PEN_TRY(compile_all(engine, &database));
    pen_status status = PEN_OK;
    for (uint32_t i = 0; i < engine->pattern_count && status == PEN_OK; i++) {
        status = pen_buf_add_byte(payload, engine->patterns[i].is_dropped ? 1 : 0);
    }
    char *bytes = NULL;
    size_t length = 0;
    if (status == PEN_OK && database != NULL) {
        status = hs_serialize_database(database, &bytes, &length) == HS_SUCCESS
                     ? pen_buf_add(payload, (pen_slice){(const uint8_t *)bytes, length})
                     : PEN_E_NOMEM;
    }
    free(bytes);
    (void)hs_free_database(database);
    return status;
}

static bool load_payload(struct pen_engine *engine, pen_slice payload)
{
    if (payload.len < engine->pattern_count) {
        return false;
    }
    const pen_slice database = pen_slice_sub(payload, engine->pattern_count, payload.len);
    if (database.len > 0 && hs_deserialize_database((const char *)database.ptr, database.len,
                                                    &engine->database) != HS_SUCCESS) {
        return false;
    }
    for (uint32_t i = 0; i < engine->pattern_count; i++) {
        engine->patterns[i].is_dropped = payload.ptr[i] != 0;
    }
    return true;
}

static bool write_all(int fd, pen_slice rest)
{
    while (rest.len > 0) {
        const ssize_t n = write(fd, rest.ptr, rest.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        rest = pen_slice_sub(rest, (size_t)n, rest.len);
    }
    return true;
}

static bool asks_stop(const struct pen_engine_options *options)
{
    return options->is_stopped != NULL && options->is_stopped();
}

/* Waits for bytes or the end of what a child sends.  False when asked to stop. */
static bool wait_readable(int fd, const struct pen_engine *engine,
                          const struct pen_engine_options *options)
{
    struct pollfd input = {.fd = fd, .events = POLLIN};
    const bool has_ears = options->is_stopped != NULL || options->is_compiling != NULL;
    do {
        if (asks_stop(options)) {
            return false;
        }
        if (options->is_compiling != NULL) {
            options->is_compiling(options->ctx, engine->pattern_count);
        }
    } while (poll(&input, 1, has_ears ? LOOK_MS : -1) <= 0);
    return true;
}

/* options: NULL for a file, which nobody need wait for. */
static bool read_all(int fd, const struct pen_engine *engine,
                     const struct pen_engine_options *options, struct pen_buf *out)
{
    for (;;) {
        if (pen_buf_reserve(out, 65536) != PEN_OK ||
            (options != NULL && !wait_readable(fd, engine, options))) {
            return false;
        }
        const ssize_t n = read(fd, out->ptr + out->len, 65536);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n == 0;
        }
        out->len += (size_t)n;
    }
}

static _Noreturn void child_main(struct pen_engine *engine, int fd)
{
    (void)signal(SIGINT, SIG_IGN); /* the parent hears them too, and kills */
    (void)signal(SIGTERM, SIG_IGN);
    const struct rlimit cpu = {CHILD_CPU_SECONDS, CHILD_CPU_SECONDS};
    bool is_good = setrlimit(RLIMIT_CPU, &cpu) == 0;
#ifndef HAS_SHADOW_MEMORY
    const struct rlimit memory = {CHILD_MEMORY_BYTES, CHILD_MEMORY_BYTES};
    is_good = is_good && setrlimit(RLIMIT_AS, &memory) == 0;
#endif
    struct pen_buf payload;
    pen_buf_init(&payload, PAYLOAD_MAX);
    is_good = is_good && make_payload(engine, &payload) == PEN_OK &&
              write_all(fd, pen_buf_slice(&payload));
    _exit(is_good ? 0 : 1);
}

/* False when the child died, was refused by its limits, or was not waited for. */
static bool compile_in_child(struct pen_engine *engine, const struct pen_engine_options *options,
                             struct pen_buf *payload)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return false;
    }
    const pid_t pid = fork();
    if (pid == 0) {
        (void)close(fds[0]); /* so that a child whose parent was killed cannot wait for it */
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        child_main(engine, fds[1]);
    }
    (void)close(fds[1]);
    const bool is_read = pid > 0 && read_all(fds[0], engine, options, payload);
    (void)close(fds[0]);
    if (pid > 0 && !is_read) {
        (void)kill(pid, SIGKILL);
    }
    int state = -1;
    pid_t got = -1;
    while (pid > 0 && (got = waitpid(pid, &state, 0)) < 0 && errno == EINTR) {
    }
    return is_read && got == pid && WIFEXITED(state) && WEXITSTATUS(state) == 0;
}

static void drop_user_patterns(struct pen_engine *engine)
{
    for (uint32_t i = 0; i < engine->pattern_count; i++) {
        engine->patterns[i].is_dropped |= engine->patterns[i].is_user;
    }
}

static bool compile_payload(struct pen_engine *engine, const struct pen_engine_options *options,
                            struct pen_buf *payload)
{
    if (options->in_process) {
        return make_payload(engine, payload) == PEN_OK;
    }
    if (compile_in_child(engine, options, payload)) {
        return true;
    }
    if (asks_stop(options)) {
        return false;
    }
    /* The limits stopped it: only regexes of rules can be that costly, so go on without them. */
    drop_user_patterns(engine);
    payload->len = 0;
    return compile_in_child(engine, options, payload);
}

/* Key of the cache: patterns, flags, library and processor. */
static pen_status cache_key(const struct pen_engine *engine, struct pen_hash128 *key)
{
    struct pen_buf text;
    pen_buf_init(&text, PAYLOAD_MAX);
    hs_platform_info_t platform = {0};
    pen_status status = hs_populate_platform(&platform) == HS_SUCCESS ? PEN_OK : PEN_E_HOST;
    if (status == PEN_OK) {
        status = pen_buf_printf(&text, "%s %u %llx\n", hs_version(), platform.tune,
                                platform.cpu_features);
    }
    for (uint32_t i = 0; i < engine->pattern_count && status == PEN_OK; i++) {
        status = pen_buf_printf(&text, "%x ", engine->patterns[i].flags);
        if (status == PEN_OK) {
            status = pen_buf_add(&text, pen_slice_str(engine->patterns[i].text));
        }
        if (status == PEN_OK) {
            status = pen_buf_add_byte(&text, '\n');
        }
    }
    *key = pen_hash128(pen_buf_slice(&text), 1);
    pen_buf_fini(&text);
    return status;
}

static bool cache_load(struct pen_engine *engine, const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    struct pen_buf bytes;
    pen_buf_init(&bytes, PAYLOAD_MAX);
    bool is_good = read_all(fd, engine, NULL, &bytes);
    (void)futimens(fd, NULL); /* used: not the next to be thrown away */
    (void)close(fd);
    struct cache_header header = {0};
    pen_slice rest = pen_buf_slice(&bytes);
    pen_slice head;
    if (is_good && pen_slice_take(&rest, sizeof(header), &head)) {
        memcpy(&header, head.ptr, sizeof(header));
    }
    const struct pen_hash128 sum = pen_hash128(rest, CACHE_MAGIC);
    is_good = is_good && header.magic == CACHE_MAGIC && header.length == rest.len &&
              header.sum.hi == sum.hi && header.sum.lo == sum.lo && load_payload(engine, rest);
    pen_buf_fini(&bytes);
    return is_good;
}

/* A cache that cannot be written costs time at the next start, nothing else: no error. */
static void cache_store(const char *path, pen_slice payload)
{
    char temp[4200];
    const int n = snprintf(temp, sizeof(temp), "%s.%ld.tmp", path, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof(temp)) {
        return;
    }
    const int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        return;
    }
    const struct cache_header header = {CACHE_MAGIC, payload.len,
                                        pen_hash128(payload, CACHE_MAGIC)};
    const bool is_good = write_all(fd, (pen_slice){(const uint8_t *)&header, sizeof(header)}) &&
                         write_all(fd, payload);
    if (close(fd) != 0 || !is_good || rename(temp, path) != 0) {
        (void)unlink(temp);
    }
}

pen_status pen_match_hsdb_build(struct pen_engine *engine, const struct pen_engine_options *options,
                                struct pen_err *err)
{
    if (hs_valid_platform() != HS_SUCCESS) {
        return PEN_FAIL(err, PEN_E_HOST, PEN_NO_OFFSET, "Hyperscan needs a CPU with SSSE3");
    }
    if (engine->pattern_count == 0) {
        return PEN_OK;
    }
    char path[4096] = "";
    if (options->cache_dir != NULL) {
        struct pen_hash128 key;
        char hex[33];
        PEN_TRY(cache_key(engine, &key));
        pen_hash128_hex(key, hex);
        const int n = snprintf(path, sizeof(path), "%s/%s.hsdb", options->cache_dir, hex);
        if (n < 0 || (size_t)n >= sizeof(path)) {
            path[0] = '\0';
        }
    }
    if (path[0] != '\0' && cache_load(engine, path)) {
        engine->stats.from_cache = true;
        return PEN_OK;
    }
    struct pen_buf payload;
    pen_buf_init(&payload, PAYLOAD_MAX);
    const bool is_good =
        compile_payload(engine, options, &payload) && load_payload(engine, pen_buf_slice(&payload));
    if (is_good && path[0] != '\0') {
        cache_store(path, pen_buf_slice(&payload));
    }
    pen_buf_fini(&payload);
    if (!is_good && asks_stop(options)) {
        return PEN_FAIL(err, PEN_E_STOPPED, PEN_NO_OFFSET, "stopped while rules were compiled");
    }
    return is_good ? PEN_OK
                   : PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET,
                              "the patterns of all rules do not compile within the limits");
}

pen_status pen_match_libraries(struct pen_buf *out)
{
    char pcre2[64] = "unknown";
    if (pcre2_config(PCRE2_CONFIG_VERSION, NULL) < (int)sizeof(pcre2)) {
        (void)pcre2_config(PCRE2_CONFIG_VERSION, pcre2);
    }
    return pen_buf_printf(out, "hyperscan %s\npcre2 %s\n", hs_version(), pcre2);
}

uint64_t pen_matcher_memory(const struct pen_engine *engine)
{
    size_t bytes = 0;
    hs_scratch_t *scratch = NULL;
    if (engine->database != NULL && hs_alloc_scratch(engine->database, &scratch) == HS_SUCCESS) {
        if (hs_scratch_size(scratch, &bytes) != HS_SUCCESS) {
            bytes = 0;
        }
        (void)hs_free_scratch(scratch);
    }
    return bytes + ((uint64_t)engine->pred_count + engine->query_count) * sizeof(uint64_t);
}
