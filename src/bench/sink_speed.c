/* tested by tests/e2e/test_sink_speed.py */
#include "penstock/bench.h"
#include "penstock/runtime.h"

#include "made.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define LIKE "log-aws-cloudtrail-2025-03" /* its templates are those of the index */
#define RING_ENTRIES 1024U
#define WAIT_NS (PEN_NS_PER_S / 50)
#define STILL_NS (30 * PEN_NS_PER_S)  /* the cluster takes nothing for so long: given up */
#define DRAIN_NS (10 * PEN_NS_PER_S)  /* after a stop, for what is under way */
#define WARM_UP_NS (2 * PEN_NS_PER_S) /* a new index and a cluster that slept are slow at first */
#define BODIES_SPARE 2U               /* beyond those under way, so that the next one is ready */

struct speed {
    const struct pen_sink_speed_options *options;
    struct pen_sink_speed *out;
    struct pen_sink *sink;
    struct made made;
    uint64_t next_id;
};

struct row { /* while it is measured */
    struct speed *speed;
    struct pen_ring *ring;
    struct pen_ship *ship;
    struct pen_sink_speed_row *out;
    size_t doc, at; /* the next document: which, and where its source begins */
    uint64_t added;
    int64_t still_ns; /* since when nothing moves; 0: it does */
};

static bool is_stopped(struct speed *s)
{
    const struct pen_sink_speed_options *o = s->options;
    s->out->is_stopped |= o->is_stopped != NULL && o->is_stopped(o->ctx);
    return s->out->is_stopped;
}

static double cpu_s(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
           (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
}

/* ---- one row ---- */

static void refused(void *ctx, const struct pen_ship_refusal *refusal)
{
    struct row *row = ctx;
    struct pen_sink_speed *out = row->speed->out;
    row->out->refused++;
    if (out->refusal[0] == '\0') {
        (void)snprintf(out->refusal, sizeof(out->refusal), "%.*s", PEN_SLICE_FMT(refusal->reason));
    }
}

/* Ids are as those of CloudTrail: no order in them. */
static pen_status document_add(struct row *row, struct pen_err *err)
{
    const struct made *made = &row->speed->made;
    char id[40];
    const uint64_t number = row->speed->next_id++;
    const pen_slice text = {(const uint8_t *)&number, sizeof(number)};
    (void)snprintf(id, sizeof(id), "%016" PRIx64 "%016" PRIx64, pen_hash64(text, 1),
                   pen_hash64(text, 2));
    const size_t len = made->spans.lens[row->doc];
    const struct pen_ship_document doc = {.index = pen_slice_str(row->speed->out->index),
                                          .id = pen_slice_str(id),
                                          .source = {made->bytes.ptr + row->at, len},
                                          .type = PEN_SLICE_LIT("cloudtrail"),
                                          .record = number};
    row->at += len;
    row->doc++;
    if (row->doc == made->spans.count) {
        row->doc = 0;
        row->at = 0;
    }
    row->added++;
    return pen_ship_add(row->ship, &doc, err);
}

/* One body's worth at most: the ring gets its turn in between. */
static pen_status documents_add(struct row *row, struct pen_err *err)
{
    const size_t before = pen_ship_counters_get(row->ship).documents;
    const size_t most = row->out->body_bytes / 1024 + 1;
    while (pen_ship_has_room(row->ship) &&
           pen_ship_counters_get(row->ship).documents - before < most) {
        PEN_TRY(document_add(row, err));
    }
    return PEN_OK;
}

/* PEN_E_TIMEOUT: the cluster took nothing for too long. */
static pen_status turn(struct row *row, int64_t now_ns, struct pen_err *err)
{
    (void)pen_ship_turn(row->ship, now_ns);
    const char *state = pen_ship_state(row->ship, now_ns);
    if (state == NULL) {
        row->still_ns = 0;
    } else if (row->still_ns == 0) {
        row->still_ns = now_ns;
    } else if (now_ns - row->still_ns > STILL_NS) {
        return PEN_FAIL(err, PEN_E_TIMEOUT, PEN_NO_OFFSET, "the opensearch sink: %s", state);
    }
    (void)pen_ring_turn(row->ring, true, WAIT_NS);
    return PEN_OK;
}

/* Until all is settled.  After a stop only so long: the index is to be deleted. */
static pen_status drain(struct row *row, struct pen_err *err)
{
    const struct pen_ship_file *files = NULL;
    uint32_t count = 0;
    int64_t stopped_ns = 0;
    PEN_TRY(pen_ship_cut(row->ship, &files, &count, err));
    while (!pen_ship_is_settled(row->ship)) {
        const int64_t now = pen_clock_mono_ns();
        stopped_ns = stopped_ns == 0 && is_stopped(row->speed) ? now : stopped_ns;
        if (stopped_ns != 0 && now - stopped_ns > DRAIN_NS) {
            return PEN_OK;
        }
        PEN_TRY(turn(row, now, err));
    }
    return PEN_OK;
}

static int64_t row_lasts(const struct row *row)
{
    const int64_t asked = row->speed->options->row_ns;
    const bool is_short = row->out == &row->speed->out->warm_up && asked > WARM_UP_NS;
    return is_short ? WARM_UP_NS : asked;
}

static pen_status row_run(struct row *row, struct pen_err *err)
{
    struct pen_sink_speed_row *out = row->out;
    const double cpu_from = cpu_s();
    const int64_t from = pen_clock_mono_ns();
    const int64_t lasts = row_lasts(row);
    int64_t now = from;
    while (now - from < lasts && !is_stopped(row->speed)) {
        PEN_TRY(documents_add(row, err));
        PEN_TRY(turn(row, now, err));
        now = pen_clock_mono_ns();
    }
    PEN_TRY(drain(row, err));
    const struct pen_ship_counters counters = pen_ship_counters_get(row->ship);
    out->wall_s = (double)(pen_clock_mono_ns() - from) / 1e9;
    out->cpu_s = cpu_s() - cpu_from;
    out->documents = row->added - out->refused;
    out->requests = counters.requests;
    out->repeats = counters.repeats;
    out->plain_bytes = counters.body_bytes;
    out->shipped_bytes = counters.shipped_bytes;
    out->answer_s =
        counters.answers == 0 ? 0 : (double)counters.answer_ns / 1e9 / (double)counters.answers;
    return PEN_OK;
}

static pen_status row_measure(struct speed *s, struct pen_sink_speed_row *out, struct pen_err *err)
{
    struct row row = {.speed = s, .out = out};
    PEN_TRY(pen_ring_new(RING_ENTRIES, &row.ring, err));
    const struct pen_ship_options options = {.kind = PEN_SINK_OPENSEARCH,
                                             .ring = row.ring,
                                             .sink = s->sink,
                                             .held_bytes_max = out->body_bytes *
                                                               (out->concurrency + BODIES_SPARE),
                                             .requests_max = out->concurrency,
                                             .requests_first = out->concurrency,
                                             .answer_ns = s->options->answer_ns,
                                             .is_plain = s->options->is_plain,
                                             .refused = refused,
                                             .ctx = &row,
                                             .dir = "",
                                             .body_bytes_max = out->body_bytes,
                                             .bodies_max = 1};
    pen_status st = pen_ship_new(&options, &row.ship, err);
    if (st == PEN_OK) {
        st = row_run(&row, err);
        while (!pen_ship_cancel(row.ship)) {
            (void)pen_ring_turn(row.ring, true, WAIT_NS);
        }
    }
    pen_ship_free(row.ship);
    pen_ring_free(row.ring);
    return st;
}

/* The n-th size and number, measured into *row. */
static pen_status row_of(struct speed *s, uint32_t n, struct pen_sink_speed_row *row,
                         struct pen_err *err)
{
    const struct pen_sink_speed_options *o = s->options;
    struct pen_renewal *renewal = pen_sink_renewal(s->sink);
    *row = (struct pen_sink_speed_row){.body_bytes = o->body_bytes[n / o->concurrency_count],
                                       .concurrency = o->concurrency[n % o->concurrency_count]};
    while (renewal != NULL && pen_renewal_turn(renewal) != PEN_RENEWED_NOT) {
    }
    return row_measure(s, row, err);
}

static pen_status rows(struct speed *s, struct pen_err *err)
{
    const uint32_t count = s->options->body_count * s->options->concurrency_count;
    struct pen_sink_speed *out = s->out;
    PEN_TRY(row_of(s, 0, &out->warm_up, err));
    for (uint32_t i = 0; i < count && !is_stopped(s); i++) {
        PEN_TRY(row_of(s, i, &out->rows[out->row_count], err));
        out->row_count += out->is_stopped ? 0 : 1;
    }
    return PEN_OK;
}

/* ---- the index ---- */

static void index_name(struct pen_sink_speed *out)
{
    const int64_t seed[] = {pen_clock_wall_ns(), pen_clock_mono_ns(), (int64_t)getpid()};
    const pen_slice text = {(const uint8_t *)seed, sizeof(seed)};
    (void)snprintf(out->index, sizeof(out->index), "penstock-bench-%016" PRIx64,
                   pen_hash64(text, 0));
}

static void tell(const struct speed *s, const char *what, const char *text)
{
    char line[PEN_SINK_SPEED_TEXT];
    if (s->options->told != NULL) {
        (void)snprintf(line, sizeof(line), "index %s %s%.*s", s->out->index, what,
                       (int)(sizeof(line) / 2), text);
        s->options->told(s->options->ctx, line);
    }
}

static pen_status measure(struct speed *s, struct pen_err *err)
{
    struct pen_err gone = {0};
    tell(s, "is made for this, and deleted at the end", "");
    pen_status st = pen_sink_index_make(s->sink, s->out->index, LIKE, err);
    st = st == PEN_OK ? rows(s, err) : st;
    /* Whatever happened: a request to make it may have been carried out without an answer. */
    const pen_status dropped = pen_sink_index_drop(s->sink, s->out->index, &gone);
    s->out->is_deleted = dropped == PEN_OK;
    tell(s, dropped == PEN_OK ? "is deleted" : "is left, delete it yourself: ",
         dropped == PEN_OK ? "" : gone.text);
    if (st == PEN_OK && dropped != PEN_OK && err != NULL) {
        *err = gone;
    }
    return st == PEN_OK ? dropped : st;
}

pen_status pen_bench_sink(const struct pen_sink_speed_options *options, struct pen_sink_speed *out,
                          struct pen_err *err)
{
    struct speed s = {.options = options, .out = out};
    bool has_templates = true;
    PEN_CHECK(options->body_count <= PEN_SINK_SPEED_LIST &&
              options->concurrency_count <= PEN_SINK_SPEED_LIST);
    *out = (struct pen_sink_speed){.is_deleted = true};
    index_name(out);
    PEN_TRY(pen_sink_open(options->cluster, &s.sink, err));
    pen_status st = pen_sink_check(s.sink, &(struct pen_sink_rolled){0}, &has_templates, err);
    if (st == PEN_OK && !has_templates) {
        st = PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                      "the cluster has no index templates for CloudTrail, so that its speed would "
                      "tell nothing: put them with `penstock sink setup opensearch:%.80s`",
                      options->cluster->urls);
    }
    st = st == PEN_OK ? made_new(options->program, options->made_bytes, &s.made, err) : st;
    out->made = s.made.spans.count;
    out->made_bytes = s.made.bytes.len;
    st = st == PEN_OK ? measure(&s, err) : st;
    made_fini(&s.made);
    pen_sink_free(s.sink);
    return st;
}
