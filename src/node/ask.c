/* tested by tests/e2e/test_folders.py */
#include "ask.h"

#include "penstock/json.h"
#include "penstock/query.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES_MAX ((size_t)1 << 30)
#define KEY_BYTES 16U /* names stand as n0, n1 in the record: they may have any bytes */

struct asked { /* a query */
    const pen_slice *names;
    uint32_t name_count;
};
struct ask {
    struct pen_arena arena;
    struct pen_plan *plan;
    struct pen_walker *walker;
    struct pen_engine *engine;
    struct pen_matcher *matcher;
    pen_slice names[ASK_NAMES_MAX]; /* by field */
    uint32_t name_count;
    pen_slice own[ASK_NAMES_MAX]; /* of the query that is read */
    uint32_t own_count;
    struct asked *queries;
    struct pen_buf text;
};

static bool is_among(const pen_slice *items, uint32_t count, pen_slice name, uint32_t *at)
{
    for (*at = 0; *at < count; ++*at) {
        if (pen_slice_eq(items[*at], name)) {
            return true;
        }
    }
    return false;
}

static pen_status name_new(struct ask *ask, pen_slice name, struct pen_err *err)
{
    char key[KEY_BYTES];
    if (ask->name_count == ASK_NAMES_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "more than %u names in queries",
                        ASK_NAMES_MAX);
    }
    const uint32_t field = pen_plan_field_new(ask->plan);
    PEN_CHECK(field == ask->name_count);
    (void)snprintf(key, sizeof(key), "n%u", field);
    const pen_slice step = pen_slice_str(key);
    ask->names[ask->name_count++] = pen_arena_dup(&ask->arena, name);
    return ask->names[field].ptr == NULL || pen_plan_path(ask->plan, field, &step, 1) != PEN_OK
               ? PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "queries: out of memory")
               : PEN_OK;
}

static pen_status field_of(void *ctx, pen_slice name, uint32_t *field, struct pen_err *err)
{
    struct ask *ask = ctx;
    uint32_t at = 0;
    if (!is_among(ask->names, ask->name_count, name, field)) {
        PEN_TRY(name_new(ask, name, err));
    }
    if (!is_among(ask->own, ask->own_count, name, &at)) {
        ask->own[ask->own_count++] = ask->names[*field];
    }
    return PEN_OK;
}

static pen_status query_read(struct ask *ask, pen_slice text, struct asked *asked,
                             struct pen_query *out, struct pen_err *err)
{
    const struct pen_query_options options = {.field = field_of, .field_ctx = ask, .as_rule = true};
    struct pen_expr *tree = NULL;
    ask->own_count = 0;
    PEN_TRY(pen_query_parse(&ask->arena, text, &options, &tree, err));
    pen_slice *names = PEN_NEW_N(&ask->arena, pen_slice, (size_t)ask->own_count + 1);
    if (names == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "queries: out of memory");
    }
    memcpy(names, ask->own, ask->own_count * sizeof(*names));
    *asked = (struct asked){.names = names, .name_count = ask->own_count};
    out->expr = tree;
    out->name = text;
    return PEN_OK;
}

static pen_status engine_new(struct ask *ask, const struct pen_query *queries, uint32_t count,
                             struct pen_err *err)
{
    const struct pen_walker_options walker = {.window_bytes_max = ASK_BYTES_MAX,
                                              .record_bytes_max = ASK_BYTES_MAX};
    const struct pen_engine_options engine = {.in_process = true};
    pen_plan_seal(ask->plan);
    PEN_TRY(pen_walker_new(ask->plan, &walker, &ask->walker, err));
    PEN_TRY(pen_engine_compile(queries, count, &engine, &ask->engine, err));
    return pen_matcher_new(ask->engine, &ask->matcher, err);
}

static pen_status fill(struct ask *ask, const pen_slice *texts, uint32_t count, struct pen_err *err)
{
    struct pen_query *queries = PEN_NEW_N(&ask->arena, struct pen_query, (size_t)count + 1);
    ask->queries = PEN_NEW_N(&ask->arena, struct asked, (size_t)count + 1);
    ask->plan = pen_plan_new();
    if (queries == NULL || ask->queries == NULL || ask->plan == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "queries: out of memory");
    }
    for (uint32_t i = 0; i < count; i++) {
        queries[i].tag = i;
        PEN_TRY(query_read(ask, texts[i], &ask->queries[i], &queries[i], err));
    }
    return engine_new(ask, queries, count, err);
}

pen_status ask_new(const pen_slice *queries, uint32_t count, struct ask **out, struct pen_err *err)
{
    struct ask *ask = calloc(1, sizeof(*ask));
    if (ask == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "queries: out of memory");
    }
    pen_arena_init(&ask->arena, ARENA_BYTES_MAX);
    pen_buf_init(&ask->text, ASK_BYTES_MAX);
    const pen_status st = fill(ask, queries, count, err);
    if (st != PEN_OK) {
        ask_free(ask);
        return st;
    }
    *out = ask;
    return PEN_OK;
}

void ask_free(struct ask *ask)
{
    if (ask != NULL) {
        pen_matcher_free(ask->matcher);
        pen_engine_free(ask->engine);
        pen_walker_free(ask->walker);
        pen_plan_free(ask->plan);
        pen_arena_fini(&ask->arena);
        pen_buf_fini(&ask->text);
        free(ask);
    }
}

const pen_slice *ask_names(const struct ask *ask, uint32_t query, uint32_t *count)
{
    *count = ask->queries[query].name_count;
    return ask->queries[query].names;
}

static pen_status member_write(struct ask *ask, uint32_t field, ask_values_fn *fn, void *ctx)
{
    struct pen_buf *out = &ask->text;
    PEN_TRY(pen_buf_printf(out, "%s\"n%u\":[", field == 0 ? "" : ",", field));
    PEN_TRY(fn(ctx, ask->names[field], out));
    return pen_buf_add_byte(out, ']');
}

/* One object with a list of texts for each name. */
static pen_status record_write(struct ask *ask, ask_values_fn *fn, void *ctx)
{
    struct pen_buf *out = &ask->text;
    out->len = 0;
    pen_status st = pen_buf_add_byte(out, '{');
    for (uint32_t i = 0; i < ask->name_count && st == PEN_OK; i++) {
        st = member_write(ask, i, fn, ctx);
    }
    PEN_TRY(st);
    PEN_TRY(pen_buf_add_byte(out, '}'));
    PEN_TRY(pen_buf_reserve(out, PEN_JSON_PADDING));
    memset(out->ptr + out->len, ' ', PEN_JSON_PADDING);
    return PEN_OK;
}

pen_status ask_run(struct ask *ask, ask_values_fn *fn, void *ctx, const uint32_t **found,
                   uint32_t *count, struct pen_err *err)
{
    struct pen_record record;
    const pen_status st = record_write(ask, fn, ctx);
    if (st != PEN_OK) {
        return PEN_FAIL(err, st, PEN_NO_OFFSET, "queries: %s", pen_status_text(st));
    }
    if (pen_walker_one(ask->walker, pen_buf_slice(&ask->text), &record, err) != PEN_NEXT_RECORD) {
        return err->status == PEN_OK ? PEN_E_CORRUPT : err->status;
    }
    *count = pen_matcher_run(ask->matcher, &record, found);
    return PEN_OK;
}
