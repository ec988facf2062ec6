/* tested by tests/e2e/test_replay.py */
#include "penstock/node.h"

#include "control.h"

#include <stdlib.h>

static const char *gap_cause(const struct pen_err *err)
{
    if (err->status == PEN_E_NOT_FOUND) {
        return "not-found";
    }
    if (err->status == PEN_E_DENIED) {
        return "denied";
    }
    return err->status == PEN_E_CHANGED ? "changed" : "unreadable";
}

static void outcome_count(struct pen_totals *totals, enum object_outcome outcome)
{
    totals->objects_read += outcome != OBJECT_UNREADABLE;
    totals->objects_empty += outcome == OBJECT_EMPTY;
    totals->objects_damaged += outcome == OBJECT_DAMAGED;
    totals->objects_unknown += outcome == OBJECT_UNKNOWN;
    totals->objects_unreadable += outcome == OBJECT_UNREADABLE;
}

static void type_count(struct ledger *ledger, uint32_t type, const struct pen_totals *whole)
{
    struct pen_type_totals *row = &ledger->by_type[type % PEN_COUNT(ledger->by_type)];
    row->objects++;
    row->records += whole->records_in;
    row->dead += whole->records_dead;
}

static bool is_refused(enum object_outcome outcome, const struct pen_totals *whole)
{
    return whole->records_dead > 0 || outcome == OBJECT_DAMAGED || outcome == OBJECT_UNKNOWN ||
           outcome == OBJECT_UNREADABLE;
}

/* Everything that the object added to the totals, so that a retry can subtract it. */
static void counters_of(const struct message *message, const struct pen_totals *whole,
                        pen_slice account, struct pen_buf *text)
{
    struct ledger one;
    ledger_init(&one);
    pen_buf_init(text, LEDGER_TEXT_MAX);
    one.totals = *whole;
    outcome_count(&one.totals, message->outcome);
    type_count(&one, message->type, whole);
    if (message->outcome == OBJECT_UNREADABLE) {
        ledger_gap(&one, gap_cause(&message->err), account, 1);
    }
    PEN_CHECK(ledger_write(&one, text) == PEN_OK); /* one object's text is short */
    ledger_fini(&one);
}

void object_done(struct control *c, struct message *message)
{
    struct pen_object *object = message->object;
    struct shard_slot *slot = &c->slots[message->from];
    struct ledger *ledger = ledger_of(c, message->from);
    struct pen_totals whole = message->whole; /* with what earlier runs committed of it */
    if (object->before != NULL) {
        totals_merge(&whole, object->before);
    }
    slot->objects--;
    slot->bytes -= object->size;
    c->outstanding--;
    c->objects_done++;
    c->bytes_done += object->size;
    c->is_dirty = true;
    totals_merge(&ledger->totals, &message->totals);
    if (!object->is_again) {
        outcome_count(&ledger->totals, message->outcome);
        type_count(ledger, message->type, &whole);
    }
    struct pen_key_info info;
    pen_classify_key(c->planner.classifier, pen_slice_str(object->key), &info);
    if (message->outcome == OBJECT_UNREADABLE && !object->is_again) {
        ledger_gap(ledger, gap_cause(&message->err), info.account, 1);
    }
    if (is_refused(message->outcome, &whole)) {
        struct pen_buf counters;
        counters_of(message, &whole, info.account, &counters);
        ledger_refused(ledger, &c->planner.units[object->unit], object, &counters);
    } else {
        times_merge(&ledger->sound_first_ns, &ledger->sound_last_ns, whole.time_first_ns,
                    whole.time_last_ns);
    }
    ledger_finished(ledger, object);
    if (slot->cut != NULL && slot->cut->object == object) {
        slot->cut_object = object; /* the commit under way still names it */
    } else {
        object_free(object);
    }
}
