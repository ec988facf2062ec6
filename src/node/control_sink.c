/* tested by tests/e2e/test_opensearch.py */
#include "penstock/node.h"

#include "control.h"

#include <stdio.h>

#define SENDING "sending" /* the value of the checkpoint */

/* ---- open ---- */

pen_status sink_open(struct control *c, struct pen_err *err)
{
    const struct pen_replay_options *o = c->options;
    if (o->sink != PEN_SINK_OPENSEARCH) {
        return PEN_OK;
    }
    PEN_CHECK(o->cluster != NULL);
    return pen_sink_open(o->cluster, &c->sink, err);
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
    if (pen_buf_add(&ledger->dead, (pen_slice){message->bytes, message->byte_count}) != PEN_OK) {
        (void)PEN_FAIL(&c->failure, PEN_E_NOMEM, PEN_NO_OFFSET, "dead letters: out of memory");
        return;
    }
    ledger->totals.records_delivered--;
    ledger->totals.records_dead++;
    pen_classify_key(c->planner.classifier, key, &info);
    ledger_gap(ledger, "refused-by-sink", info.account, 1);
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
