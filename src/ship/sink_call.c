/* tested by tests/e2e/test_opensearch.py */
#include "sink_call.h"

#include <stdlib.h>

#define CALL_REPLY_BYTES ((size_t)262144)
#define CALL_NS (20 * PEN_NS_PER_S)
#define CALL_TRIES 4U
#define CALL_WAIT_NS (PEN_NS_PER_S / 4) /* after the first try; doubles with each */
#define TURN_NS (PEN_NS_PER_S / 50)
#define RING_ENTRIES 64U

void caller_fini(struct caller *caller)
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

pen_status caller_init(struct caller *caller, const struct pen_sink *sink, struct pen_err *err)
{
    const struct pen_poster_options options = sink_poster(sink, 1, CALL_NS);
    *caller = (struct caller){.sink = sink, .reply = malloc(CALL_REPLY_BYTES + PEN_JSON_PADDING)};
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

/* Where the nodes are now: one that moved or that was looked up at a wrong moment is found. */
static void nodes_find(struct caller *caller)
{
    const struct pen_poster_options options = sink_poster(caller->sink, 1, CALL_NS);
    for (uint32_t i = 0; i < options.node_count; i++) {
        struct pen_post_node node = options.nodes[i];
        struct pen_err why;
        if (pen_post_node_resolve(&node, sink_resolve(caller->sink), &why) == PEN_OK) {
            pen_poster_addresses(caller->poster, i, node.addresses.at, node.addresses.count);
        }
    }
}

pen_status call_wait(struct caller *caller, const char *method, const char *path, pen_slice body,
                     struct pen_err *err)
{
    const struct pen_pair query[] = {{PEN_SLICE_LIT("filter_path"), caller->filter},
                                     {PEN_SLICE_LIT("if_primary_term"), caller->only_term},
                                     {PEN_SLICE_LIT("if_seq_no"), caller->only_seq}};
    const bool has_version = caller->only_seq.len > 0;
    for (uint32_t i = 0; i < CALL_TRIES; i++) {
        caller->post = (struct pen_post){.method = method,
                                         .path = path,
                                         .content_type = "application/json",
                                         .query = caller->filter.len > 0 ? query : &query[1],
                                         .query_count = (caller->filter.len > 0 ? 1U : 0U) +
                                                        (has_version ? 2U : 0U),
                                         .body = body,
                                         .reply = caller->reply,
                                         .reply_cap = CALL_REPLY_BYTES};
        once(caller);
        const bool is_busy = caller->post.status == 429 || caller->post.status == 500 ||
                             (caller->post.status >= 502 && caller->post.status <= 504);
        if (caller->post.err.status == PEN_OK && !is_busy) {
            return PEN_OK;
        }
        if (i + 1 < CALL_TRIES) {
            (void)pen_ring_turn(caller->ring, true, CALL_WAIT_NS << i);
            nodes_find(caller);
        }
    }
    if (caller->post.err.status != PEN_OK) {
        return PEN_FAIL(err, caller->post.err.status, PEN_NO_OFFSET, "the opensearch sink: %s",
                        caller->post.err.text);
    }
    return PEN_OK;
}

pen_slice call_answer(const struct caller *caller)
{
    return (pen_slice){caller->reply, caller->post.reply_len};
}

pen_status call_refused(struct caller *caller, const char *what, struct pen_err *err)
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
