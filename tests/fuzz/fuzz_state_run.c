/*
 * Any bytes as a run of the observation log: whole, or with a sound head and blocks around what the
 * input makes of observations.  It is taken, or refused with a reason; what was taken releases to
 * its end, and observations that nothing was done to come back as they were.
 */
#include "state_internal.h"
#include "state_made.h"

#include <stdlib.h>
#include <unistd.h>

#define TEXTS 8U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct maker {
    struct run_writer w;
    struct pen_buf expected; /* observations, while all of them are whole */
    int64_t time_ns;
    bool is_whole;
};

static pen_slice taken(pen_slice *input, size_t n)
{
    pen_slice out;
    if (!pen_slice_take(input, n, &out)) {
        out = *input;
        input->len = 0;
    }
    return out;
}

/* Texts of up to 15 bytes; two bytes of the input are their lengths. */
static void observation_of(struct maker *m, uint8_t head, pen_slice *input,
                           struct pen_observation *o)
{
    pen_slice *const texts[TEXTS] = {&o->event_id, &o->group,  &o->account, &o->actor,
                                     &o->object,   &o->values, &o->event,   &o->attributes};
    const uint32_t rule = head % PEN_COUNT(made_rules);
    const pen_slice lengths = taken(input, TEXTS / 2);
    m->time_ns += head / 8;
    *o = (struct pen_observation){.rule = rule,
                                  .rule_id = made_rules[rule].id,
                                  .query = rule == 1 ? head % 4U : 0,
                                  .time_ns = m->time_ns,
                                  .promise_ns = head % 2 == 0 ? INT64_MIN : m->time_ns - 5,
                                  .record = head,
                                  .is_cold = head % 7 == 0};
    for (size_t i = 0; i < TEXTS; i++) {
        const uint8_t both = i / 2 < lengths.len ? lengths.ptr[i / 2] : 0;
        *texts[i] = taken(input, i % 2 == 0 ? both & 15U : both >> 4U);
    }
}

static void add_observation(struct maker *m, uint8_t head, pen_slice *input)
{
    struct pen_observation o;
    observation_of(m, head, input, &o);
    const uint32_t partition = pen_observation_partition(o.rule_id, o.group, MADE_KEY);
    PEN_CHECK(pen_state_writer_add(&m->w, &o, partition, NULL) == PEN_OK);
    PEN_CHECK(pen_observation_encode(&m->expected, &o) == PEN_OK);
}

/* A byte of what stands in the block that is being made. */
static void change(struct maker *m, pen_slice where)
{
    if (where.len == 3 && m->w.plain.len > 0) {
        const size_t back = where.ptr[0] + 256U * (size_t)(where.ptr[1] % 4);
        m->w.plain.ptr[m->w.plain.len - 1 - back % m->w.plain.len] ^= where.ptr[2];
        m->is_whole = m->is_whole && where.ptr[2] == 0;
    }
}

/* Bytes of the input where observations belong, told as so many. */
static void add_bytes(struct maker *m, uint8_t count, pen_slice bytes)
{
    PEN_CHECK(pen_buf_add(&m->w.plain, bytes) == PEN_OK);
    m->w.block_count += count;
    m->w.head.count += count;
    m->is_whole = m->is_whole && count == 0 && bytes.len == 0;
}

static void made_write(struct maker *m, const char *path, pen_slice input)
{
    FILE *file = fopen(path, "w+e");
    PEN_CHECK(file != NULL && pen_state_writer_init(&m->w) == PEN_OK);
    PEN_CHECK(pen_state_writer_start(&m->w, fileno(file), NULL) == PEN_OK);
    while (input.len >= 2) {
        const pen_slice op = taken(&input, 2);
        switch (op.ptr[0] % 4) {
        case 0:
        case 1:
            add_observation(m, op.ptr[1], &input);
            break;
        case 2:
            change(m, taken(&input, 3));
            break;
        default:
            add_bytes(m, op.ptr[0] / 4 % 3, taken(&input, op.ptr[1]));
            break;
        }
    }
    PEN_CHECK(pen_state_writer_end(&m->w, NULL, NULL) == PEN_OK);
    pen_state_writer_fini(&m->w);
    PEN_CHECK(fclose(file) == 0);
}

/* All observations of the run, in its order. */
static void read_back(const char *dir, const char *name, pen_slice expected)
{
    const struct pen_state_options options = {.dir = dir, .shards = 1, .hash_key = MADE_KEY};
    struct merge merge;
    struct pen_buf actual;
    pen_buf_init(&actual, (size_t)1 << 24);
    PEN_CHECK(pen_state_merge_init(&merge, &options) == PEN_OK);
    PEN_CHECK(pen_state_merge_add(&merge, name, false, INT64_MIN, NULL, NULL) == PEN_OK);
    for (const struct pen_observation *o = pen_state_merge_top(&merge); o != NULL;
         o = pen_state_merge_top(&merge)) {
        PEN_CHECK(pen_observation_encode(&actual, o) == PEN_OK);
        PEN_CHECK(pen_state_merge_next(&merge, NULL) == PEN_OK);
    }
    PEN_CHECK(pen_slice_eq(pen_buf_slice(&actual), expected));
    pen_state_merge_fini(&merge);
    pen_buf_fini(&actual);
}

static void take(const char *dir, const char *name)
{
    struct pen_err err = {0};
    struct pen_state *state = made_state(dir);
    made_release(state, pen_state_adopt(state, pen_slice_str(name), &err), &err);
    pen_state_free(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char dir[] = MADE_DIR;
    char path[64];
    struct maker m = {.is_whole = true};
    if (size < 1 || mkdtemp(dir) == NULL) {
        return 0;
    }
    const pen_slice rest = {data + 1, size - 1};
    (void)snprintf(path, sizeof(path), "%s/run", dir);
    pen_buf_init(&m.expected, (size_t)1 << 24);
    if (data[0] == 'm') {
        made_write(&m, path, rest);
        if (m.is_whole) {
            read_back(dir, "run", pen_buf_slice(&m.expected));
        }
    } else {
        made_file(path, rest);
    }
    take(dir, "run");
    pen_buf_fini(&m.expected);
    PEN_CHECK(unlink(path) == 0 && rmdir(dir) == 0);
    return 0;
}
