#include "penstock/bench.h"

#include "generate_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define GZIP_LEVEL 1 /* the generator's time is mostly compression */
#define PATH_BYTES_MAX 1024U
#define TINY_RECORDS 15U                             /* about 4 KB compressed */
#define STORY_OF_DAY (INT64_C(36000) * PEN_NS_PER_S) /* ten o'clock */
#define STORY_STEP_NS (180 * PEN_NS_PER_S)

static const char *const regions[PEN_GENERATE_REGIONS_MAX] = {
    "eu-central-1", "us-east-1",      "eu-west-1",      "us-west-2",
    "us-east-2",    "ap-southeast-2", "ap-northeast-1", "sa-east-1",
};

struct generator {
    const struct pen_generate_options *options;
    struct pen_generate_result *result;
    struct gen_rng rng;
    struct libdeflate_compressor *gzip;
    struct pen_buf plain, packed, expected;
    int64_t day0; /* midnight */
    char path[PATH_BYTES_MAX];
    size_t root_len; /* of the path: the folder and its slash */
};

struct object {
    char account[16];
    const char *region;
    int64_t start_ns;
    uint32_t records; /* when bytes is 0 */
    uint64_t bytes;
    bool story; /* of one event, or of all in the huge object */
};

static pen_status io_error(const char *path, struct pen_err *err)
{
    const int os = errno;
    const pen_status status = os == ENOSPC || os == EDQUOT ? PEN_E_NOSPACE : PEN_E_IO;
    const pen_status out = PEN_FAIL(err, status, PEN_NO_OFFSET, "%s: errno %d", path, os);
    if (err != NULL) {
        err->os_errno = os;
    }
    return out;
}

/* Makes the folders above path, which is as it was afterwards. */
static pen_status make_folders(char *path, struct pen_err *err)
{
    for (char *p = strchr(path + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
        *p = '\0';
        const bool failed = mkdir(path, 0755) != 0 && errno != EEXIST;
        const pen_status status = failed ? io_error(path, err) : PEN_OK;
        *p = '/';
        PEN_TRY(status);
    }
    return PEN_OK;
}

static pen_status write_file(char *path, pen_slice s, struct pen_err *err)
{
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    int fd = open(path, flags, 0644);
    if (fd < 0 && errno == ENOENT) {
        PEN_TRY(make_folders(path, err));
        fd = open(path, flags, 0644);
    }
    pen_status status = fd < 0 ? io_error(path, err) : PEN_OK;
    while (status == PEN_OK && s.len > 0) {
        const ssize_t n = write(fd, s.ptr, s.len);
        if (n > 0) {
            s.ptr += n;
            s.len -= (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            status = io_error(path, err);
        }
    }
    if (fd >= 0 && close(fd) != 0 && status == PEN_OK) {
        status = io_error(path, err);
    }
    return status;
}

static void name_object(struct generator *g, const struct object *o)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char random[17];
    for (uint32_t i = 0; i < 16; i++) {
        random[i] = letters[pen_bench_below(&g->rng, sizeof(letters) - 1)];
    }
    random[16] = '\0';
    const struct pen_civil c = pen_civil_from_ns(o->start_ns);
    (void)snprintf(g->path + g->root_len, sizeof(g->path) - g->root_len,
                   "AWSLogs/o-exampleorg1/%s/CloudTrail/%s/%04d/%02u/%02u/"
                   "%s_CloudTrail_%s_%04d%02u%02uT%02u%02uZ_%s.json.gz",
                   o->account, o->region, c.year, c.month, c.day, o->account, o->region, c.year,
                   c.month, c.day, c.hour, c.minute, random);
}

static pen_status note_planted(struct generator *g, const struct gen_record *r,
                               const char *event_id)
{
    char time[PEN_TIME_MAX];
    const size_t n = pen_format_time(r->time_ns, time);
    const char *before = g->result->planted == 0 ? "" : ",";
    g->result->planted++;
    return pen_buf_printf(&g->expected,
                          "%s\n{\"account\":\"%s\",\"region\":\"%s\",\"event_name\":\"%s\","
                          "\"event_id\":\"%s\",\"time\":\"%.*s\",\"object\":\"%s\"}",
                          before, r->account, r->region, pen_bench_story_name((uint32_t)r->planted),
                          event_id, (int)n, time, g->path + g->root_len);
}

static pen_status add_record(struct generator *g, const struct object *o, uint64_t i, bool plant)
{
    const int64_t step = o->bytes > 0 ? PEN_NS_PER_S / 1000 : 840 * PEN_NS_PER_S / o->records;
    struct gen_record r = {.account = o->account,
                           .region = o->region,
                           .time_ns = o->start_ns + (int64_t)i * step % (840 * PEN_NS_PER_S),
                           .planted = plant ? (int32_t)g->result->planted : -1};
    if (plant) {
        const int64_t day = o->start_ns - o->start_ns % PEN_NS_PER_DAY;
        r.time_ns = day + STORY_OF_DAY + r.planted * STORY_STEP_NS;
    }
    PEN_TRY(pen_buf_reserve(&g->plain, GEN_RECORD_MAX + 4));
    char id[GEN_UUID + 1];
    if (i > 0) {
        g->plain.ptr[g->plain.len++] = ',';
    }
    g->plain.len += pen_bench_record(&g->rng, &r, (char *)g->plain.ptr + g->plain.len, id);
    g->result->records++;
    return plant ? note_planted(g, &r, id) : PEN_OK;
}

static pen_status write_object(struct generator *g, const struct object *o, struct pen_err *err)
{
    name_object(g, o);
    g->plain.len = 0;
    PEN_TRY(pen_buf_add(&g->plain, PEN_SLICE_LIT("{\"Records\":[")));
    for (uint64_t i = 0;
         o->bytes > 0 ? g->plain.len < o->bytes || i < pen_bench_story_count : i < o->records;
         i++) {
        const bool last = o->bytes > 0 || i + 1 == o->records;
        PEN_TRY(
            add_record(g, o, i, o->story && last && g->result->planted < pen_bench_story_count));
    }
    PEN_TRY(pen_buf_add(&g->plain, PEN_SLICE_LIT("]}")));
    const size_t bound = libdeflate_gzip_compress_bound(g->gzip, g->plain.len);
    g->packed.len = 0;
    PEN_TRY(pen_buf_reserve(&g->packed, bound));
    g->packed.len =
        libdeflate_gzip_compress(g->gzip, g->plain.ptr, g->plain.len, g->packed.ptr, bound);
    PEN_CHECK(g->packed.len > 0); /* the bound was respected */
    g->result->objects++;
    g->result->plain_bytes += g->plain.len;
    g->result->packed_bytes += g->packed.len;
    return write_file(g->path, pen_buf_slice(&g->packed), err);
}

/* As in a real organisation: half of the objects under 5 KB compressed, few large ones. */
static uint32_t draw_records(struct generator *g)
{
    if (g->options->shape == PEN_GENERATE_TINY) {
        return TINY_RECORDS - 4 + pen_bench_below(&g->rng, 8);
    }
    const uint32_t kind = pen_bench_below(&g->rng, 100);
    if (kind < 55) {
        return 1 + pen_bench_below(&g->rng, 20);
    }
    return kind < 97 ? 20 + pen_bench_below(&g->rng, 280) : 300 + pen_bench_below(&g->rng, 2200);
}

static pen_status generate_all(struct generator *g, struct pen_err *err)
{
    const struct pen_generate_options *o = g->options;
    const bool huge = o->shape == PEN_GENERATE_HUGE;
    const uint32_t least = huge ? 1 : pen_bench_story_count;
    while (g->result->objects < least || (!huge && g->result->plain_bytes < o->plain_bytes)) {
        const bool story = g->result->objects < least;
        const uint32_t account = story ? o->accounts / 2 : pen_bench_below(&g->rng, o->accounts);
        const uint32_t day = story ? o->days / 2 : pen_bench_below(&g->rng, o->days);
        struct object object = {.region = regions[story ? 0 : pen_bench_below(&g->rng, o->regions)],
                                .start_ns =
                                    g->day0 + (int64_t)day * PEN_NS_PER_DAY +
                                    (int64_t)pen_bench_below(&g->rng, 86400 - 900) * PEN_NS_PER_S,
                                .records = draw_records(g),
                                .bytes = huge ? (o->plain_bytes > 0 ? o->plain_bytes : 1) : 0,
                                .story = story};
        if (story) {
            object.start_ns = g->day0 + (int64_t)day * PEN_NS_PER_DAY + STORY_OF_DAY +
                              (int64_t)g->result->objects * STORY_STEP_NS;
        }
        (void)snprintf(object.account, sizeof(object.account), "%012u", 100000000 + account * 7919);
        PEN_TRY(write_object(g, &object, err));
    }
    PEN_TRY(pen_buf_add(&g->expected, PEN_SLICE_LIT("\n]}\n")));
    (void)snprintf(g->path + g->root_len, sizeof(g->path) - g->root_len, "expected.json");
    return write_file(g->path, pen_buf_slice(&g->expected), err);
}

static bool in_range(uint32_t x, uint32_t max)
{
    return x >= 1 && x <= max;
}

pen_status pen_bench_generate(const struct pen_generate_options *options,
                              struct pen_generate_result *result, struct pen_err *err)
{
    *result = (struct pen_generate_result){.objects = 0};
    const int64_t last_day = INT64_C(106000) * PEN_NS_PER_DAY; /* in 2260 */
    if (!in_range(options->accounts, PEN_GENERATE_ACCOUNTS_MAX) ||
        !in_range(options->regions, PEN_GENERATE_REGIONS_MAX) ||
        !in_range(options->days, PEN_GENERATE_DAYS_MAX) || options->first_day_ns < 0 ||
        options->first_day_ns > last_day - (int64_t)options->days * PEN_NS_PER_DAY ||
        strlen(options->dir) == 0 || strlen(options->dir) > PATH_BYTES_MAX / 2) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "generate: an option is out of range");
    }
    struct generator g = {.options = options,
                          .result = result,
                          .rng = {options->seed},
                          .gzip = libdeflate_alloc_compressor(GZIP_LEVEL),
                          .day0 = options->first_day_ns - options->first_day_ns % PEN_NS_PER_DAY};
    const size_t max = options->plain_bytes / 4 * 5 + (64U << 20);
    pen_buf_init(&g.plain, max);
    pen_buf_init(&g.packed, max);
    pen_buf_init(&g.expected, 1 << 20);
    g.root_len = (size_t)snprintf(g.path, sizeof(g.path), "%s/", options->dir);
    pen_status status = PEN_E_NOMEM;
    if (g.gzip != NULL) {
        status = pen_buf_add(&g.expected, PEN_SLICE_LIT("{\"planted\":["));
    }
    if (status == PEN_OK) {
        status = generate_all(&g, err);
    }
    if (status == PEN_E_NOMEM || status == PEN_E_LIMIT) {
        status = PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "generate: not enough memory");
    }
    libdeflate_free_compressor(g.gzip);
    pen_buf_fini(&g.plain);
    pen_buf_fini(&g.packed);
    pen_buf_fini(&g.expected);
    return status;
}
