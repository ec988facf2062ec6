/* tested by tests/e2e/test_opensearch.py */
#include "penstock/node.h"

#include "control.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SENDING "sending"                   /* the value of the checkpoint */
#define SIGNALS_TURN_NS (PEN_NS_PER_S / 50) /* while the end waits for them */

/* ---- open ---- */

struct names {
    pen_slice rolled[PEN_TYPES_MAX], foreign[PEN_TYPES_MAX];
    pen_slice owns[PEN_TYPES_MAX], own_bodies[PEN_TYPES_MAX];
};

static struct pen_sink_rolled rolled_of(const struct control *c, struct names *names)
{
    const struct pen_types *types = c->program->types;
    return (struct pen_sink_rolled){.names = names->rolled,
                                    .count = pen_types_rolled(types, names->rolled),
                                    .others = names->foreign,
                                    .other_count = pen_types_foreign(types, names->foreign),
                                    .owns = names->owns,
                                    .own_bodies = names->own_bodies,
                                    .own_count =
                                        pen_types_templates(types, names->owns, names->own_bodies)};
}

pen_status sink_open(struct control *c, struct pen_err *err)
{
    const struct pen_replay_options *o = c->options;
    if (o->sink != PEN_SINK_OPENSEARCH) {
        return PEN_OK;
    }
    PEN_CHECK(o->cluster != NULL);
    bool is_ready = true;
    struct names names;
    const struct pen_sink_rolled rolled = rolled_of(c, &names);
    struct pen_sink_spec spec = *o->cluster;
    lookup_init(&c->lookup, o);
    spec.resolve = &c->lookup.wait;
    spec.credentials_timeout_ns = o->credentials_timeout_ns;
    spec.credentials_retry_ns = o->credentials_retry_ns;
    PEN_TRY(pen_sink_open(&spec, &c->sink, err));
    c->sink_keys = (struct renew){.name = "the opensearch sink",
                                  .renewal = pen_sink_renewal(c->sink),
                                  .retry_ns = o->credentials_retry_ns,
                                  .wait_ns = INT64_MAX,
                                  .log_level = o->log_level};
    pen_sink_addresses(c->sink, &c->sink_addresses);
    c->result->is_cluster = true;
    c->resolved_ns = pen_clock_mono_ns();
    PEN_TRY(pen_sink_check(c->sink, &rolled, &is_ready, err));
    if (is_ready) {
        return PEN_OK;
    }
    if (o->setup_sink) {
        return pen_sink_setup(c->sink, &rolled, NULL, err);
    }
    return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                    "the cluster has no index templates or alias for what is to be sent, and would "
                    "guess types: put them with `penstock sink setup opensearch:%.80s`, or give "
                    "--setup-sink",
                    o->cluster->urls);
}

/* The same bytes to every shard. */
static void shards_tell(struct control *c, enum message_kind kind, pen_slice bytes)
{
    for (uint32_t i = 0; i < c->shards; i++) {
        struct message *message = message_new(kind);
        message->bytes = malloc(bytes.len);
        PEN_CHECK(message->bytes != NULL);
        memcpy(message->bytes, bytes.ptr, bytes.len);
        message->byte_count = bytes.len;
        message->bucket = OF_SINK;
        (void)edge_send(&c->topology.to_shard[i], c->ring, message);
    }
}

static void signer_renew(struct control *c, bool has_shards)
{
    struct pen_err err = {0};
    size_t len = 0;
    if (!renew_turn(&c->sink_keys, pen_clock_wall_ns()) || c->sink_keys.state != RENEW_VALID) {
        return; /* with what has expired the cluster refuses requests, which are sent again */
    }
    const struct pen_credentials keys = pen_renewal_credentials(c->sink_keys.renewal);
    if (signal_sink_credentials(c->signal_sink, &keys, &err) != PEN_OK) {
        SAY(c, WARN, "penstock: the opensearch sink: %s\n", err.text);
        return;
    }
    if (has_shards) {
        uint8_t *text = credentials_text(&c->sink_keys, &len);
        shards_tell(c, MSG_CREDENTIALS, (pen_slice){text, len});
        explicit_bzero(text, len);
        free(text);
    }
}

void sink_renew(struct control *c, bool has_shards)
{
    if (c->sink_keys.renewal != NULL) {
        signer_renew(c, has_shards);
    }
}

pen_status sink_sending(struct control *c, bool is_sending, struct pen_err *err)
{
    char before[8] = "";
    if (c->sink == NULL) {
        return PEN_OK;
    }
    PEN_TRY(checkpoint_get(c->job.checkpoint, SENDING, before, sizeof(before), err));
    if (is_sending) {
        /* What a retry takes back was sent, though commits held it. */
        c->is_resend = strcmp(before, "1") == 0 || c->options->retry != NULL;
    }
    return checkpoint_set(c->job.checkpoint, SENDING, is_sending ? "1" : "0", err);
}

/* ---- messages ---- */

/* What belongs to the epoch that is made or committed, else to the next one. */
static struct ledger *ledger_at(struct control *c, uint64_t epoch)
{
    PEN_CHECK(epoch == c->epoch || epoch == c->epoch + 1);
    return epoch == c->epoch ? &c->now : &c->next;
}

/* It was counted as delivered when it was read: counters wrap until both are in one sum. */
static void refused(struct control *c, const struct message *message)
{
    struct ledger *ledger = ledger_at(c, message->epoch);
    struct pen_key_info info;
    const pen_slice key = {message->bytes + message->byte_count, message->key_count};
    const pen_slice type = {key.ptr + key.len, message->item_count};
    struct pen_type_totals row = {.dead = 1};
    PEN_CHECK(type.len < sizeof(row.name));
    memcpy(row.name, type.ptr, type.len);
    if (pen_buf_add(&ledger->dead, (pen_slice){message->bytes, message->byte_count}) != PEN_OK) {
        (void)PEN_FAIL(&c->failure, PEN_E_NOMEM, PEN_NO_OFFSET, "dead letters: out of memory");
        return;
    }
    refusals_count(&ledger->totals, 1);
    refusals_add(&c->refusals, key, message->epoch != c->epoch);
    ledger_type(ledger, &row);
    pen_classify_key(c->planner.classifier, key, &info);
    ledger_gap(ledger, GAP_REFUSED, info.account, 1);
    c->is_dirty = true;
}

/* Told once when it begins; the progress line shows it as long as it lasts. */
static void state(struct control *c, const struct message *message)
{
    struct shard_slot *slot = &c->slots[message->from];
    const bool was_still = sink_state(c) != NULL;
    memcpy(slot->sink_state, message->err.text, sizeof(slot->sink_state));
    const char *now = sink_state(c);
    if (now != NULL && !was_still) {
        SAY(c, WARN, "\npenstock: the sink waits: %s; tried again until it takes documents\n", now);
    } else if (now == NULL && was_still) {
        SAY(c, WARN, "\npenstock: the sink takes documents again\n");
    }
}

void sink_message(struct control *c, const struct message *message)
{
    if (message->kind == MSG_REFUSED) {
        refused(c, message);
    } else {
        state(c, message);
    }
}

const char *sink_state(const struct control *c)
{
    for (uint32_t i = 0; i < c->shards; i++) {
        if (c->slots[i].sink_state[0] != '\0') {
            return c->slots[i].sink_state;
        }
    }
    return NULL;
}

/* ---- signals ---- */

pen_status sink_signals_open(struct control *c, struct pen_err *err)
{
    if (c->sink == NULL) {
        return PEN_OK;
    }
    struct signal_sink_options options = {.dir = c->options->out_dir,
                                          .urls = c->options->cluster->urls,
                                          .ship = shard_ship_options(c->options)};
    options.ship.kind = PEN_SINK_OPENSEARCH;
    options.ship.ring = c->ring;
    options.ship.sink = c->sink;
    options.ship.requests_max = 1;
    return signal_sink_open(&options, &c->signal_sink, err);
}

pen_status sink_signals_turn(struct control *c, bool *is_idle, struct pen_err *err)
{
    PEN_TRY(signal_sink_turn(c->signal_sink, signals_db_is_quiet(c->signals), is_idle, err));
    const char *why = signal_sink_state(c->signal_sink);
    if (why != NULL && !c->is_signals_still) {
        SAY(c, WARN,
            "\npenstock: the sink waits with signals: %s; tried again until it takes them\n", why);
    }
    c->is_signals_still = why != NULL;
    return PEN_OK;
}

static pen_status signals_refused(struct control *c, struct pen_err *err)
{
    uint64_t count = 0;
    const char *reason = "";
    PEN_TRY(signal_sink_refused(c->signal_sink, &count, &reason, err));
    if (count > 0) {
        ledger_gap(&c->committed, "signals-refused-by-sink", (pen_slice){0}, count);
        SAY(c, WARN, "penstock: the sink refused %" PRIu64 " signals%s%s; they are in signals.db\n",
            count, reason[0] == '\0' ? "" : ": ", reason);
    }
    return PEN_OK;
}

/* Serverless knows no such question, and a user may not be allowed it: then it is not known. */
static void promise_ask(struct control *c)
{
    struct pen_err err;
    struct names names;
    const struct pen_sink_rolled rolled = rolled_of(c, &names);
    c->result->is_promise_known =
        c->sink != NULL && !c->is_draining &&
        pen_sink_aliases(c->sink, &rolled, &c->result->aliases, &err) == PEN_OK;
}

/* What is not sent stays marked in signals.db: the same command sends it. */
pen_status sink_signals_end(struct control *c, struct pen_err *err)
{
    bool is_idle = c->signal_sink == NULL;
    int64_t asked_ns = 0;
    signal_sink_end(c->signal_sink);
    while (!is_idle) {
        const int64_t now = pen_clock_mono_ns();
        PEN_TRY(sink_signals_turn(c, &is_idle, err));
        asked_ns = asked_ns == 0 && is_interrupted() ? now : asked_ns;
        if (!is_idle && asked_ns != 0 && now - asked_ns >= c->options->sink_drain_ns) {
            stop(c, "interrupted; the cluster did not take the last signals in time");
            break;
        }
        sink_renew(c, false);
        addresses_turn(c, false);
        progress(c, false);
        (void)pen_ring_turn(c->ring, !is_idle, SIGNALS_TURN_NS);
    }
    promise_ask(c);
    return signals_refused(c, err);
}

void sink_signals_close(struct control *c)
{
    while (!signal_sink_cancel(c->signal_sink)) {
        (void)pen_ring_turn(c->ring, true, SIGNALS_TURN_NS);
    }
    signal_sink_free(c->signal_sink);
}

/* ---- the end ---- */

bool sink_gives_up(struct control *c)
{
    if (c->sink == NULL || !c->is_draining || !c->is_committing ||
        pen_clock_mono_ns() - c->drain_ns < c->options->sink_drain_ns) {
        return false;
    }
    const char *why = sink_state(c);
    char reason[sizeof(c->reason)];
    (void)snprintf(reason, sizeof(reason),
                   "%.60s; the cluster did not take the last documents in time%s%.120s", c->reason,
                   why == NULL ? "" : ": ", why == NULL ? "" : why);
    memcpy(c->reason, reason, sizeof(c->reason));
    return true;
}
