/* tested by tests/e2e/test_opensearch.py */
#include "penstock/node.h"

#include "shard_own.h"

#include <inttypes.h>
#include <stdio.h>

#define LETTER_BYTES_MAX ((size_t)64 << 10)

static pen_status refused_line(struct pen_buf *out, const struct shard *shard,
                               const struct pen_ship_refusal *refusal)
{
    char time[PEN_TIME_MAX];
    const size_t time_len = pen_format_time(shard->shared->ingested_ns, time);
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("{\"object\":\"")));
    PEN_TRY(pen_json_escape(out, refusal->object));
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("\",\"type\":\"")));
    PEN_TRY(pen_json_escape(out, refusal->type));
    PEN_TRY(pen_buf_printf(out,
                           "\",\"record\":%" PRIu64 ",\"offset\":%" PRIu64
                           ",\"stage\":\"sink\",\"status\":\"%s\",\"reason\":\"",
                           refusal->record, refusal->offset, pen_status_name(PEN_E_DENIED)));
    PEN_TRY(pen_json_escape(out, refusal->reason));
    PEN_TRY(pen_buf_printf(out, "\",\"time\":\"%.*s\",\"excerpt\":\"", (int)time_len, time));
    PEN_TRY(pen_json_escape(out, refusal->excerpt));
    return pen_buf_add(out, PEN_SLICE_LIT("\"}\n"));
}

void sink_refused(void *ctx, const struct pen_ship_refusal *refusal)
{
    struct shard *shard = ctx;
    struct pen_buf text;
    pen_buf_init(&text, LETTER_BYTES_MAX);
    PEN_CHECK(refused_line(&text, shard, refusal) == PEN_OK); /* all parts are bounded */
    struct message *message = message_new(MSG_REFUSED);
    message->byte_count = text.len;
    PEN_CHECK(pen_buf_add(&text, refusal->object) == PEN_OK);
    PEN_CHECK(pen_buf_add(&text, refusal->type) == PEN_OK);
    message->key_count = refusal->object.len;
    message->item_count = pen_u32(refusal->type.len);
    message->bytes = text.ptr;
    message->epoch = refusal->is_cut ? shard->cut_epoch : shard->epoch;
    send_control(shard, message);
}

/* Control hears of it when it changes. */
static void state_tell(struct shard *shard, const char *state)
{
    char now[SINK_STATE_MAX];
    (void)snprintf(now, sizeof(now), "%s", state == NULL ? "" : state);
    if (strcmp(now, shard->sink_state) == 0) {
        return;
    }
    memcpy(shard->sink_state, now, sizeof(now));
    struct message *message = message_new(MSG_STATE);
    (void)snprintf(message->err.text, sizeof(message->err.text), "%s", now);
    send_control(shard, message);
}

void sink_credentials(struct shard *shard, const struct message *message)
{
    struct pen_err err = {0};
    const struct pen_credentials credentials = credentials_of(message->bytes);
    if (pen_ship_credentials(shard->ship, &credentials, &err) != PEN_OK) {
        shard_fail(shard, &err);
    }
}

void sink_addresses(struct shard *shard, const struct message *message)
{
    pen_ship_addresses(shard->ship,
                       (const struct pen_sink_addresses *)(const void *)message->bytes);
}

int64_t sink_turn(struct shard *shard)
{
    if (shard->shared->sink == NULL) {
        return 0;
    }
    const int64_t now = pen_clock_mono_ns();
    const int64_t sleep_ns = pen_ship_turn(shard->ship, now);
    cut_finish(shard);
    state_tell(shard, pen_ship_state(shard->ship, now));
    return sleep_ns;
}
