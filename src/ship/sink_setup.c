/* tested by tests/e2e/test_opensearch.py */
#include "penstock/embed.h"
#include "penstock/runtime.h"

#include "bulk_reply.h"
#include "sink.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CALL_REPLY_BYTES ((size_t)65536)
#define CALL_NS (20 * PEN_NS_PER_S)
#define CALL_TRIES 4U
#define CALL_WAIT_NS (PEN_NS_PER_S / 4)
#define TURN_NS (PEN_NS_PER_S / 50)
#define RING_ENTRIES 64U
#define PATH_BYTES_MAX 160U

/* component-X.json and index-X.json: templates of their names. */
extern const struct pen_embedded pen_sink_templates[];

struct caller { /* one request at a time, each of which is waited for */
    struct pen_ring *ring;
    struct pen_poster *poster;
    struct bulk_reader *reader;
    struct pen_post post;
    uint8_t *reply;
};

static void caller_fini(struct caller *caller)
{
    while (caller->poster != NULL && !pen_poster_close(caller->poster)) {
        (void)pen_ring_turn(caller->ring, true, TURN_NS);
    }
    pen_poster_free(caller->poster);
    bulk_reader_free(caller->reader);
    if (caller->ring != NULL) {
        pen_ring_free(caller->ring);
    }
    free(caller->reply);
}

static pen_status caller_init(struct caller *caller, const struct pen_sink *sink,
                              struct pen_err *err)
{
    const struct pen_poster_options options = sink_poster(sink, 1, CALL_NS);
    *caller = (struct caller){.reply = malloc(CALL_REPLY_BYTES + PEN_JSON_PADDING)};
    if (caller->reply == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "the opensearch sink: out of memory");
    }
    PEN_TRY(pen_ring_new(RING_ENTRIES, &caller->ring, err));
    PEN_TRY(bulk_reader_new(CALL_REPLY_BYTES, &caller->reader, err));
    PEN_TRY(pen_poster_new(caller->ring, &options, &caller->poster, err));
    return sink_sign(sink, caller->poster, err);
}

static void once(struct caller *caller)
{
    pen_poster_start(caller->poster, &caller->post);
    while (pen_poster_done(caller->poster) == NULL) {
        (void)pen_ring_turn(caller->ring, true, TURN_NS);
        pen_poster_turn(caller->poster, pen_clock_mono_ns());
    }
}

/* Waits for an answer, whatever it is; tries again what may pass. */
static pen_status call(struct caller *caller, const char *method, const char *path, pen_slice body,
                       struct pen_err *err)
{
    static const struct pen_pair query[] = {
        {PEN_SLICE_LIT("filter_path"),
         PEN_SLICE_LIT(
             "template.mappings.properties.@timestamp,error,status,acknowledged,version")}};
    for (uint32_t i = 0; i < CALL_TRIES; i++) {
        caller->post = (struct pen_post){.method = method,
                                         .path = path,
                                         .content_type = "application/json",
                                         .query = query,
                                         .query_count = PEN_COUNT(query),
                                         .body = body,
                                         .reply = caller->reply,
                                         .reply_cap = CALL_REPLY_BYTES};
        once(caller);
        const bool is_busy = caller->post.status == 429 ||
                             (caller->post.status >= 502 && caller->post.status <= 504);
        if (caller->post.err.status == PEN_OK && !is_busy) {
            return PEN_OK;
        }
        (void)pen_ring_turn(caller->ring, true, CALL_WAIT_NS);
    }
    if (caller->post.err.status != PEN_OK) {
        return PEN_FAIL(err, caller->post.err.status, PEN_NO_OFFSET, "the opensearch sink: %s",
                        caller->post.err.text);
    }
    return PEN_OK;
}

/* The answer is another than was wanted. */
static pen_status refused(struct caller *caller, const char *what, struct pen_err *err)
{
    pen_slice type;
    pen_slice reason;
    const uint16_t status = caller->post.status;
    bulk_error_read(caller->reader, caller->reply, caller->post.reply_len, &type, &reason);
    const pen_status st = status == 401 || status == 403 ? PEN_E_DENIED : PEN_E_IO;
    return PEN_FAIL(err, st, PEN_NO_OFFSET, "the opensearch sink: %s: %u%s%.*s%s%.*s", what, status,
                    type.len > 0 ? " " : "", PEN_SLICE_FMT(type), reason.len > 0 ? ": " : "",
                    PEN_SLICE_FMT(reason));
}

/* ---- check ---- */

/* Whether a template gives indices of this name their types: any does, also one of the user's. */
static pen_status is_covered(struct caller *caller, const char *index, bool *is,
                             struct pen_err *err)
{
    char path[PATH_BYTES_MAX];
    (void)snprintf(path, sizeof(path), "/_index_template/_simulate_index/%s", index);
    PEN_TRY(call(caller, "POST", path, (pen_slice){0}, err));
    if (caller->post.status != 200) {
        return refused(caller, "templates cannot be asked for", err);
    }
    *is = pen_slice_find((pen_slice){caller->reply, caller->post.reply_len},
                         PEN_SLICE_LIT("\"@timestamp\"")) != SIZE_MAX;
    return PEN_OK;
}

static pen_status check(struct caller *caller, bool *has_templates, struct pen_err *err)
{
    static const char *const indices[] = {"log-aws-cloudtrail-2000-01", "penstock-signals-2000-01"};
    PEN_TRY(call(caller, "GET", "/", (pen_slice){0}, err));
    if (caller->post.status != 200) {
        return refused(caller, "it does not let us in", err);
    }
    *has_templates = true;
    for (size_t i = 0; i < PEN_COUNT(indices) && *has_templates; i++) {
        PEN_TRY(is_covered(caller, indices[i], has_templates, err));
    }
    return PEN_OK;
}

pen_status pen_sink_check(const struct pen_sink *sink, bool *has_templates, struct pen_err *err)
{
    struct caller caller;
    *has_templates = true;
    if (sink_is_serverless(sink)) {
        return PEN_OK; /* it has neither a root to ask nor templates of ours */
    }
    pen_status st = caller_init(&caller, sink, err);
    st = st == PEN_OK ? check(&caller, has_templates, err) : st;
    caller_fini(&caller);
    return st;
}

/* ---- setup ---- */

/* "component-log.json" to "/_component_template/penstock-log". */
static void template_path(const char *file, char path[PATH_BYTES_MAX])
{
    const bool is_component = strncmp(file, "component-", 10) == 0;
    const char *name = strchr(file, '-') + 1;
    (void)snprintf(path, PATH_BYTES_MAX, "/_%s_template/penstock-%.*s",
                   is_component ? "component" : "index", (int)(strlen(name) - strlen(".json")),
                   name);
}

static pen_status put_all(struct caller *caller, void (*told)(const char *path),
                          struct pen_err *err)
{
    for (const struct pen_embedded *file = pen_sink_templates; file->name != NULL; file++) {
        char path[PATH_BYTES_MAX];
        template_path(file->name, path);
        PEN_TRY(call(caller, "PUT", path, (pen_slice){file->text, file->len}, err));
        if (caller->post.status != 200) {
            return refused(caller, path, err);
        }
        if (told != NULL) {
            told(path);
        }
    }
    return PEN_OK;
}

pen_status pen_sink_setup(const struct pen_sink *sink, void (*told)(const char *path),
                          struct pen_err *err)
{
    struct caller caller;
    pen_status st = caller_init(&caller, sink, err);
    st = st == PEN_OK ? put_all(&caller, told, err) : st;
    caller_fini(&caller);
    return st;
}
