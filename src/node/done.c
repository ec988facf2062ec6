/* tested by tests/e2e/test_replay.py */
#include "penstock/node.h"

#include "control.h"

#include <stdio.h>
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

static void type_row(const struct control *c, struct ledger *ledger, uint32_t type,
                     struct pen_type_totals *row)
{
    PEN_CHECK(type < c->program->type_count);
    const pen_slice name = c->program->by_type[type].type->name;
    PEN_CHECK(name.len < sizeof(row->name));
    memcpy(row->name, name.ptr, name.len);
    ledger_type(ledger, row);
}

void done_type(const struct control *c, struct ledger *ledger, uint32_t type, uint64_t objects,
               const struct pen_totals *whole, const struct other_types *others)
{
    struct pen_type_totals row = {.objects = objects,
                                  .records = whole->records_in,
                                  .dead = whole->records_dead,
                                  .unparsed = whole->records_unparsed};
    for (uint32_t i = 0; others != NULL && i < others->count; i++) {
        const struct other_type *other = &others->rows[i];
        struct pen_type_totals one = {
            .records = other->records, .dead = other->dead, .unparsed = other->unparsed};
        type_row(c, ledger, other->type, &one);
        row.records -= other->records;
        row.dead -= other->dead;
        row.unparsed -= other->unparsed;
    }
    type_row(c, ledger, type, &row);
}

/* Why an object as a whole is less than it should be, or NULL. */
static const char *object_gap(const struct message *message)
{
    switch (message->outcome) {
    case OBJECT_UNREADABLE:
        return gap_cause(&message->err);
    case OBJECT_DAMAGED:
        return PEN_GAP_DAMAGED;
    case OBJECT_UNKNOWN:
        return PEN_GAP_UNKNOWN;
    case OBJECT_OK:
    case OBJECT_EMPTY:
    case OBJECT_GIVEN_BACK:
        return NULL;
    }
    pen_panic(PEN_HERE, "outcome");
}

static bool is_refused(enum object_outcome outcome, const struct pen_totals *whole)
{
    return whole->records_dead > 0 || outcome == OBJECT_DAMAGED || outcome == OBJECT_UNKNOWN ||
           outcome == OBJECT_UNREADABLE;
}

/* Everything that the object added to the totals, so that a retry can subtract it. */
static void counters_of(const struct control *c, const struct ended_object *one,
                        struct pen_buf *text)
{
    struct ledger added;
    ledger_init(&added);
    pen_buf_init(text, LEDGER_TEXT_MAX);
    added.totals = one->whole;
    outcome_count(&added.totals, (enum object_outcome)one->outcome);
    done_type(c, &added, one->type, 1, &one->whole, one->others);
    if (one->gap != NULL) {
        ledger_gap(&added, one->gap, pen_slice_str(one->account), 1);
    }
    if (one->whole.records_refused > 0) {
        ledger_gap(&added, GAP_REFUSED, pen_slice_str(one->account), one->whole.records_refused);
    }
    PEN_CHECK(ledger_write(&added, text) == PEN_OK); /* one object's text is short */
    ledger_fini(&added);
}

void refusals_count(struct pen_totals *totals, uint64_t refused)
{
    totals->records_delivered -= refused;
    totals->records_dead += refused;
    totals->records_refused += refused;
}

bool done_is_refused(struct control *c, struct ended_object *one, struct pen_buf *counters)
{
    refusals_count(&one->whole, refusals_of(&c->refusals, one->key, true));
    if (is_refused((enum object_outcome)one->outcome, &one->whole)) {
        counters_of(c, one, counters);
        return true;
    }
    times_merge(&c->now.sound_first_ns, &c->now.sound_last_ns, one->whole.time_first_ns,
                one->whole.time_last_ns);
    return false;
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
    }
    done_type(c, ledger, message->type, !object->is_again, &message->totals, message->others);
    struct pen_key_info info;
    pen_classify_key(c->planner.classifier, pen_slice_str(object->key), &info);
    if (object_gap(message) != NULL && !object->is_again) {
        ledger_gap(ledger, object_gap(message), info.account, 1);
    }
    if (c->sink != NULL || is_refused(message->outcome, &whole)) {
        struct ended_object ended = {.unit = &c->planner.units[object->unit],
                                     .whole = whole,
                                     .others = message->others,
                                     .type = message->type,
                                     .outcome = (int)message->outcome,
                                     .gap = object_gap(message)};
        (void)snprintf(ended.account, sizeof(ended.account), "%.*s", PEN_SLICE_FMT(info.account));
        ledger_ended(ledger, object, &ended);
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
