/*
 * Any bytes as a snapshot, whole or with a sound head and blocks around records of the input.  It
 * is taken, or refused with a reason; what was taken releases to its end.
 */
#include "snapshot.h"
#include "state_made.h"

#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    w.head.rules = PEN_COUNT(made_rules);
    w.head.hash_key = MADE_KEY;
    for (uint32_t i = 0; i < PEN_COUNT(made_rules); i++) {
        uint64_t hash = 0;
        PEN_CHECK(pen_state_rule_hash(&scratch, &made_rules[i], &hash) == PEN_OK);
        snapshot_begin(&w, SNAPSHOT_RULE, i, SNAPSHOT_MIXED);
        snapshot_add(&w, &hash, sizeof(hash));
        snapshot_add_text(&w, made_rules[i].id);
        snapshot_add_shape(&w, &made_rules[i]);
        snapshot_end(&w);
    }
    pen_slice head;
    pen_slice payload;
    while (pen_slice_take(&input, 4, &head)) {
        const bool is_mixed = head.ptr[2] == UINT8_MAX;
        const struct record_head record = {.kind = head.ptr[0],
                                           .rule = head.ptr[1] % PEN_COUNT(made_rules),
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

static void take(const char *dir, const char *name)
{
    struct pen_err err = {0};
    struct pen_state *state = made_state(dir);
    made_release(state, pen_state_load(state, pen_slice_str(name), &err), &err);
    pen_state_free(state);
}

/* What people are told of each rule. */
static void show(const char *dir)
{
    static const char names[1][64] = {"file"};
    static const pen_slice group = PEN_SLICE_LIT("{\"g\":1}");
    for (uint32_t i = 0; i < PEN_COUNT(made_rules); i++) {
        struct pen_err err = {0};
        struct pen_state_show all = {.dir = dir,
                                     .names = names,
                                     .name_count = 1,
                                     .rule = made_rules[i].id,
                                     .groups = &group,
                                     .group_count = 1,
                                     .value = PEN_SLICE_LIT("\"a\"")};
        const pen_status st = pen_state_shown(&all, &err);
        PEN_CHECK(st == PEN_OK || err.status == st);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char dir[] = MADE_DIR;
    char path[64];
    if (size < 1 || mkdtemp(dir) == NULL) {
        return 0;
    }
    const pen_slice rest = {data + 1, size - 1};
    (void)snprintf(path, sizeof(path), "%s/file", dir);
    if (data[0] == 'm') {
        made_write(path, rest);
    } else {
        made_file(path, rest);
    }
    take(dir, "file");
    show(dir);
    PEN_CHECK(unlink(path) == 0 && rmdir(dir) == 0);
    return 0;
}
