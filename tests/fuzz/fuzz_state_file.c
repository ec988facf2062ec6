/*
 * Any bytes as a file of the state: a snapshot, whole or with a sound head and blocks around
 * records of ours, and a run.  It is taken, or refused with a reason; what was taken releases to
 * its end.
 */
#include "snapshot.h"

#include <stdlib.h>
#include <unistd.h>

#define DIR_NAME "/tmp/penstock-fuzz-state-XXXXXX"
#define KEY 7U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum pen_aggregation queries[] = {PEN_COUNT_EVENTS, PEN_CARDINALITY, PEN_SUM, PEN_MAX};
static const struct pen_state_rule rules[] = {
    {.id = PEN_SLICE_LIT("m"), .keep_alive_ns = 60, .duration_max_ns = 600},
    {.id = PEN_SLICE_LIT("t"),
     .method = PEN_METHOD_THRESHOLD,
     .window_ns = 100,
     .keep_alive_ns = 60,
     .duration_max_ns = 600,
     .queries = queries,
     .query_count = 4},
    {.id = PEN_SLICE_LIT("n"),
     .method = PEN_METHOD_NEW_VALUE,
     .keep_alive_ns = 60,
     .duration_max_ns = 600,
     .queries = queries,
     .query_count = 1}};

static pen_status ignore(void *ctx, enum pen_signal_change change, const struct pen_signal *signal)
{
    (void)ctx;
    (void)change;
    PEN_CHECK(signal->rule < PEN_COUNT(rules));
    return PEN_OK;
}

static struct pen_state *state_new(const char *dir)
{
    const struct pen_state_options options = {.dir = dir,
                                              .shards = 1,
                                              .hash_key = KEY,
                                              .rules = rules,
                                              .rule_count = PEN_COUNT(rules),
                                              .samples_first = 2,
                                              .samples_last = 2,
                                              .memory_bytes_max = 1 << 24,
                                              .groups_max = 100,
                                              .window_events_max = 100,
                                              .values_max = 100,
                                              .new_values_max = 10000,
                                              .places_max = 10};
    struct pen_state *state = NULL;
    PEN_CHECK(pen_state_new(&options, &state, NULL) == PEN_OK);
    return state;
}

static void file_write(const char *path, pen_slice bytes)
{
    FILE *file = fopen(path, "we");
    PEN_CHECK(file != NULL && fwrite(bytes.ptr, 1, bytes.len, file) == bytes.len);
    PEN_CHECK(fclose(file) == 0);
}

/* Records of ours: the rules as they are, then what the input says, a head and its payload. */
static void made_write(const char *path, pen_slice input)
{
    struct snapshot_writer w;
    struct pen_buf scratch;
    FILE *file = fopen(path, "w+e");
    PEN_CHECK(file != NULL);
    pen_buf_init(&scratch, STATE_RULE_BYTES_MAX);
    snapshot_start(&w, fileno(file));
    w.head.shards = 1;
    w.head.rules = PEN_COUNT(rules);
    w.head.hash_key = KEY;
    for (uint32_t i = 0; i < PEN_COUNT(rules); i++) {
        uint64_t hash = 0;
        PEN_CHECK(pen_state_rule_hash(&scratch, &rules[i], &hash) == PEN_OK);
        snapshot_begin(&w, SNAPSHOT_RULE, i, SNAPSHOT_MIXED);
        snapshot_add(&w, &hash, sizeof(hash));
        snapshot_add_text(&w, rules[i].id);
        snapshot_add_shape(&w, &rules[i]);
        snapshot_end(&w);
    }
    pen_slice head;
    pen_slice payload;
    while (pen_slice_take(&input, 4, &head)) {
        const bool is_mixed = head.ptr[2] == UINT8_MAX;
        const struct record_head record = {.kind = head.ptr[0],
                                           .rule = head.ptr[1] % PEN_COUNT(rules),
                                           .partition = is_mixed ? SNAPSHOT_MIXED : head.ptr[2]};
        if (!pen_slice_take(&input, head.ptr[3], &payload)) {
            payload = input;
            input.len = 0;
        }
        snapshot_put(&w, &record, payload);
    }
    PEN_CHECK(snapshot_finish(&w, NULL) == PEN_OK);
    snapshot_writer_fini(&w);
    pen_buf_fini(&scratch);
    PEN_CHECK(fclose(file) == 0);
}

static void take(const char *dir, const char *name, bool is_run)
{
    struct pen_err err = {0};
    struct pen_state *state = state_new(dir);
    bool more = true;
    pen_status st = is_run ? pen_state_adopt(state, pen_slice_str(name), &err)
                           : pen_state_load(state, pen_slice_str(name), &err);
    while (st == PEN_OK && more) {
        st = pen_state_release(state, INT64_MAX, 100, ignore, NULL, &more, &err);
    }
    PEN_CHECK(st == PEN_OK || err.status == st);
    pen_state_free(state);
}

/* What people are told of each rule. */
static void show(const char *dir)
{
    static const char names[1][64] = {"file"};
    static const pen_slice group = PEN_SLICE_LIT("{\"g\":1}");
    for (uint32_t i = 0; i < PEN_COUNT(rules); i++) {
        struct pen_err err = {0};
        struct pen_state_show all = {.dir = dir,
                                     .names = names,
                                     .name_count = 1,
                                     .rule = rules[i].id,
                                     .groups = &group,
                                     .group_count = 1,
                                     .value = PEN_SLICE_LIT("\"a\"")};
        const pen_status st = pen_state_shown(&all, &err);
        PEN_CHECK(st == PEN_OK || err.status == st);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char dir[] = DIR_NAME;
    char path[64];
    if (size < 1 || mkdtemp(dir) == NULL) {
        return 0;
    }
    const pen_slice rest = {data + 1, size - 1};
    (void)snprintf(path, sizeof(path), "%s/file", dir);
    if (data[0] == 'm') {
        made_write(path, rest);
    } else {
        file_write(path, rest);
    }
    take(dir, "file", data[0] == 'r');
    if (data[0] != 'r') {
        show(dir);
    }
    PEN_CHECK(unlink(path) == 0 && rmdir(dir) == 0);
    return 0;
}
