/* tested by tests/e2e/test_sink_speed.py */
#include "sink_call.h"

#include <stdio.h>

#define DELETES_MAX 20U
#define DELETE_WAIT_NS (PEN_NS_PER_S / 5)
#define WRAP "{\"template\":"

/* What the templates give an index of that name, as the body that makes one: settings, mappings.
 * The reply of the caller is unwrapped in place.  Empty: they give it nothing. */
static pen_status template_of(struct caller *caller, const char *like, pen_slice *body,
                              struct pen_err *err)
{
    char path[CALL_PATH_MAX];
    (void)snprintf(path, sizeof(path), "/_index_template/_simulate_index/%s", like);
    caller->filter = PEN_SLICE_LIT("template.settings,template.mappings,error,status");
    PEN_TRY(call_wait(caller, "POST", path, (pen_slice){0}, err));
    if (caller->post.status != 200) {
        return call_refused(caller, "templates cannot be asked for", err);
    }
    const pen_slice answer = pen_slice_trim(call_answer(caller));
    *body = (pen_slice){0};
    if (caller->post.is_cut) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET,
                        "the opensearch sink: the template of %s is too large", like);
    }
    if (pen_slice_starts(answer, PEN_SLICE_LIT(WRAP))) {
        *body = pen_slice_sub(answer, sizeof(WRAP) - 1, answer.len - 1);
    }
    return PEN_OK;
}

static pen_status make(struct caller *caller, const char *name, const char *like,
                       struct pen_err *err)
{
    char path[CALL_PATH_MAX];
    struct pen_buf body;
    pen_slice found = {0};
    PEN_TRY(like == NULL ? PEN_OK : template_of(caller, like, &found, err));
    (void)snprintf(path, sizeof(path), "/%s", name);
    caller->filter = PEN_SLICE_LIT("acknowledged,error,status");
    pen_buf_init(&body, (size_t)1 << 20);
    pen_status st = pen_buf_add(&body, found); /* the reply is used again */
    st = st == PEN_OK ? call_wait(caller, "PUT", path, pen_buf_slice(&body), err)
                      : PEN_FAIL(err, st, PEN_NO_OFFSET, "the opensearch sink: out of memory");
    pen_buf_fini(&body);
    PEN_TRY(st);
    return caller->post.status == 200 ? PEN_OK : call_refused(caller, path, err);
}

/* A request that was given up may still be carried out, and make it anew: deleted until it is not
 * there. */
static pen_status drop(struct caller *caller, const char *name, struct pen_err *err)
{
    char path[CALL_PATH_MAX];
    (void)snprintf(path, sizeof(path), "/%s", name);
    caller->filter = PEN_SLICE_LIT("acknowledged,error,status");
    for (uint32_t i = 0; i < DELETES_MAX; i++) {
        PEN_TRY(call_wait(caller, "DELETE", path, (pen_slice){0}, err));
        if (caller->post.status == 404) {
            return PEN_OK;
        }
        if (caller->post.status != 200) {
            return call_refused(caller, path, err);
        }
        (void)pen_ring_turn(caller->ring, true, DELETE_WAIT_NS);
    }
    return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "the opensearch sink: %s is made again and again",
                    name);
}

pen_status pen_sink_index_make(const struct pen_sink *sink, const char *name, const char *like,
                               struct pen_err *err)
{
    struct caller caller;
    pen_status st = caller_init(&caller, sink, err);
    const char *from = sink_is_serverless(sink) ? NULL : like;
    st = st == PEN_OK ? make(&caller, name, from, err) : st;
    caller_fini(&caller);
    return st;
}

pen_status pen_sink_index_drop(const struct pen_sink *sink, const char *name, struct pen_err *err)
{
    struct caller caller;
    pen_status st = caller_init(&caller, sink, err);
    st = st == PEN_OK ? drop(&caller, name, err) : st;
    caller_fini(&caller);
    return st;
}
