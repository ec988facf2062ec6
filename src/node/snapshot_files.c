/* tested by tests/e2e/test_state.py */
#include "job_value.h"
#include "snapshots.h"

#include <stdio.h>

static pen_status generation_of(const char *dir, const char *name, struct generation *out,
                                struct pen_err *err)
{
    struct pen_buf text;
    *out = (struct generation){.exists = false};
    pen_buf_init(&text, SNAPSHOT_VALUE_MAX);
    pen_status st = job_value(dir, name, &text, err);
    if (st == PEN_OK && text.len > 0) {
        st = pen_buf_add_byte(&text, '\0') == PEN_OK
                 ? generation_read(out, (const char *)text.ptr, err)
                 : PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET, "checkpoint.db: bad %s", name);
    }
    pen_buf_fini(&text);
    return st;
}

pen_status pen_snapshot_files(const char *dir, struct pen_snapshot_files *out, struct pen_err *err)
{
    struct generation g;
    *out = (struct pen_snapshot_files){.count = 0};
    PEN_TRY(generation_of(dir, SNAPSHOT_TIP_NAME, &g, err));
    if (!g.exists) {
        PEN_TRY(generation_of(dir, SNAPSHOT_BASE_NAME, &g, err));
    }
    out->epoch = g.epoch;
    out->shards = g.shards;
    for (uint32_t i = 0; g.exists && i < g.shards + g.stages; i++) {
        snapshot_name(&g, i, out->names[out->count++]);
    }
    return PEN_OK;
}
