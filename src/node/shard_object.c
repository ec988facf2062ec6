/* tested by tests/e2e/test_replay.py */
#include "penstock/node.h"

#include "observe.h"
#include "shard_own.h"
#include "sniff.h"
#include "wanted.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define STEP_RECORDS 256u /* between looks at the mailboxes */
#define OBSERVATION_BATCH_BYTES ((size_t)64 << 10)

/* ---- dead letters ---- */

static pen_status dead_line(struct pen_buf *out, const struct shard *shard,
                            const struct pen_record *record, const char *stage,
                            const struct pen_err *err)
{
    char time[PEN_TIME_MAX];
    const size_t time_len = pen_format_time(shard->shared->ingested_ns, time);
    const pen_slice excerpt = pen_slice_sub(record->raw, 0, 512);
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("{\"object\":\"")));
    PEN_TRY(pen_json_escape(out, pen_slice_str(shard->object->key)));
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("\",\"type\":\"")));
    PEN_TRY(pen_json_escape(out, pen_scan_type(shard->scan)->name));
    PEN_TRY(pen_buf_printf(out,
                           "\",\"record\":%" PRIu64 ",\"offset\":%" PRIu64
                           ",\"stage\":\"%s\",\"status\":\"%s\",\"reason\":\"",
                           record->ordinal, record->offset, stage, pen_status_name(err->status)));
    PEN_TRY(pen_json_escape(out, pen_slice_str(err->text)));
    PEN_TRY(pen_buf_printf(out, "\",\"time\":\"%.*s\",\"excerpt\":\"", (int)time_len, time));
    PEN_TRY(pen_json_escape(out, excerpt));
    return pen_buf_add(out, PEN_SLICE_LIT("\"}\n"));
}

static void dead_letter(struct shard *shard, const struct pen_record *record, const char *stage,
                        const struct pen_err *err)
{
    if (shard->object->is_again) {
        return; /* it has its letters */
    }
    struct pen_buf line;
    pen_buf_init(&line, (size_t)64 << 10);
    const pen_status st = dead_line(&line, shard, record, stage, err);
    PEN_CHECK(st == PEN_OK); /* all parts are bounded */
    struct message *message = message_new(MSG_DEAD);
    message->bytes = line.ptr;
    message->byte_count = line.len;
    message->err = *err;
    send_control(shard, message);
}

/* ---- observations ---- */

void batch_send(struct shard *shard, uint32_t to)
{
    struct batch *batch = &shard->batches[to];
    if (batch->count == 0) {
        return;
    }
    struct message *message = message_new(MSG_OBSERVATIONS);
    message->from = shard->index;
    message->bytes = batch->bytes.ptr;
    message->byte_count = batch->bytes.len;
    message->item_count = batch->count;
    pen_buf_init(&batch->bytes, SIZE_MAX);
    batch->count = 0;
    (void)edge_send(&shard->out[to], shard->ring, message);
}

static int64_t object_promise(const struct shard *shard)
{
    const int64_t day = pen_scan_key(shard->scan)->day_ns;
    return day == INT64_MIN ? INT64_MIN : day - shard->shared->options->slack_ns;
}

static pen_status observation_send(void *ctx, const struct pen_observation *o)
{
    struct shard *shard = ctx;
    shard->object_totals.observations++;
    if (shard->is_recount) {
        return PEN_OK;
    }
    shard->again_totals.observations += shard->object->is_again;
    if (shard->costs != NULL) {
        costs_observation(shard->costs, o);
    }
    const uint32_t partition = pen_state_partition(shard->state, o);
    const uint32_t owner = partition % shard->shards;
    if (owner == shard->index) {
        return pen_state_append_at(shard->state, shard->epoch, o, partition, &shard->observe_err);
    }
    struct batch *batch = &shard->batches[owner];
    PEN_TRY(pen_observation_encode(&batch->bytes, o));
    batch->count++;
    if (batch->bytes.len >= OBSERVATION_BATCH_BYTES) {
        batch_send(shard, owner);
    }
    return PEN_OK;
}

/* The text of a record is made when a match first wants it. */
static pen_status event_text(struct shard *shard, const struct pen_scan_item *item, pen_slice *out)
{
    const bool fits = item->record.raw.len <= shard->shared->options->event_bytes_max;
    if (shard->compact.len == 0 && fits) {
        PEN_TRY(pen_record_compact(&shard->compact, &item->record));
    }
    *out = pen_buf_slice(&shard->compact);
    return PEN_OK;
}

/* Likewise the group of Sigma matches, which all have the same; an overlay may have names of its
 * own for a rule. */
static pen_status match_group(struct shard *shard, const struct pen_scan_item *item,
                              uint32_t rule_index, pen_slice *out)
{
    const struct observed of = {
        .doc = &item->doc, .record = &item->record, .type = pen_scan_type(shard->scan)->id};
    const struct pen_program *program = shard->shared->program;
    if (shard->group.len == 0) {
        PEN_TRY(observe_group(&shard->group, program, &of));
    }
    *out = pen_buf_slice(&shard->group);
    return observe_own_group(&shard->own_group, program, rule_index, &of, out);
}

static pen_status observe(struct shard *shard, const struct pen_scan_item *item, uint32_t tag)
{
    uint32_t rule_index = 0;
    uint32_t query = 0;
    const struct pen_program *program = shard->shared->program;
    const struct pen_rule *rule = pen_program_rule(program, tag, &rule_index, &query);
    const struct pen_program_type *type = &program->by_type[pen_scan_type(shard->scan)->id];
    const struct pen_program_query *counted = pen_program_counted(type, tag);
    char id[PEN_EVENT_ID_MAX];
    if (counted != NULL && counted->is_shared) {
        return PEN_OK; /* the query before it tells of the event */
    }
    const pen_slice key = pen_slice_str(shard->object->key);
    struct pen_observation o; /* set one by one: zeros first would be as much again */
    o.rule = rule_index;
    o.rule_id = rule->id;
    o.query = query;
    o.others = 0;
    o.time_ns = item->doc.time_ns;
    o.promise_ns = object_promise(shard);
    o.event_id = pen_event_id(&item->doc, key, item->record.ordinal, id);
    o.account = item->doc.account;
    o.region = item->doc.region;
    o.actor = item->doc.identity;
    o.source_ip = item->doc.source_ip;
    o.index_name = item->doc.index;
    o.object = key;
    o.record = item->record.ordinal;
    o.group = o.values = o.attributes = o.event = (pen_slice){0};
    o.is_cold = false;
    if (shard->shared->state_rules[rule_index].keeps_event) {
        PEN_TRY(event_text(shard, item, &o.event));
    }
    if (rule->datadog == NULL) {
        PEN_TRY(match_group(shard, item, rule_index, &o.group));
        PEN_TRY(rule->attribute_count == 0
                    ? PEN_OK
                    : observe_attributes(&shard->observer, counted, &item->record, &o));
        return observation_send(shard, &o);
    }
    PEN_TRY(observe_query(&shard->observer, counted, &item->record, &o, observation_send, shard));
    shard->object_totals.groups_cut += shard->observer.is_cut;
    return PEN_OK;
}

/* Likewise, and what it takes is counted when somebody wants to know. */
static pen_status observe_counted(struct shard *shard, const struct pen_scan_item *item,
                                  uint32_t tag)
{
    struct rule_count *count = &shard->costs[tag / PEN_RULE_QUERIES_MAX];
    if (count->matches++ % COSTS_MEASURED != 0) {
        return observe(shard, item, tag);
    }
    const int64_t begin = pen_clock_mono_ns();
    const pen_status st = observe(shard, item, tag);
    count->measured++;
    count->measured_ns += (uint64_t)(pen_clock_mono_ns() - begin);
    return st;
}

static pen_status observe_tags(struct shard *shard, const struct pen_scan_item *item)
{
    shard->compact.len = 0;
    shard->group.len = 0;
    pen_state_expect(shard->state, shard->epoch, item->doc.identity, item->doc.source_ip);
    for (uint32_t i = 0; i < item->tag_count; i++) {
        PEN_TRY(shard->costs == NULL ? observe(shard, item, item->tags[i])
                                     : observe_counted(shard, item, item->tags[i]));
    }
    return PEN_OK;
}

static pen_status observe_all(struct shard *shard, const struct pen_scan_item *item,
                              struct pen_err *err)
{
    shard->observe_err = (struct pen_err){0};
    const pen_status st = observe_tags(shard, item);
    if (st != PEN_OK && shard->observe_err.status != PEN_OK) {
        *err = shard->observe_err;
        return st;
    }
    return st == PEN_OK ? PEN_OK
                        : PEN_FAIL(err, st, PEN_NO_OFFSET, "observations: %s", pen_status_text(st));
}

/* ---- records ---- */

/* What its matches are to rules that count.  False when the shard cannot go on. */
static bool record_observe(struct shard *shard)
{
    struct pen_err err = {0};
    if (shard->item.tag_count == 0 || observe_all(shard, &shard->item, &err) == PEN_OK) {
        return true;
    }
    shard_fail(shard, &err);
    return false;
}

/* Of a record that was observed when the job ended earlier: how many observations it made. */
static bool record_recount(struct shard *shard)
{
    shard->is_recount = true;
    const bool is_good = record_observe(shard);
    shard->is_recount = false;
    return is_good;
}

static bool record_ship(struct shard *shard)
{
    const struct pen_scan_item *item = &shard->item;
    struct pen_err err = {0};
    const struct pen_ship_document doc = {.index = item->doc.index,
                                          .id = item->doc.id,
                                          .source = item->doc.source,
                                          .object = pen_slice_str(shard->object->key),
                                          .type = pen_scan_type(shard->scan)->name,
                                          .record = item->record.ordinal,
                                          .offset = item->record.offset,
                                          .may_exist = shard->object->may_exist};
    if (pen_ship_add(shard->ship, &doc, &err) != PEN_OK) {
        shard_fail(shard, &err);
        return false;
    }
    if (!record_observe(shard)) {
        return false;
    }
    if (shard->object->is_again) { /* it was filtered when the job ended earlier */
        shard->again_totals.records_delivered++;
        shard->again_totals.records_filtered--;
        shard->again_totals.matches += item->tag_count;
        shard->again_totals.records_unparsed += item->doc.kind == PEN_DOC_UNPARSED;
        shard->again_totals.ioc_records += item->doc.indicators > 0;
        shard->again_totals.ioc_matches += item->doc.indicators;
        shard->again_totals.ioc_cut += item->doc.has_more_indicators;
        record_time(&shard->again_totals, &item->doc);
    }
    return true;
}

/* Not seen before: by this object, or by a job that ended at an earlier time. */
static bool is_new(const struct shard *shard)
{
    return !shard->object->is_again || shard->item.doc.time_ns >= shard->object->again_from_ns;
}

/* What exclusions say of a record, counted; its tags are those of rules then. */
static bool record_excluded(struct shard *shard)
{
    struct pen_scan_item *item = &shard->item;
    const struct pen_program *program = shard->shared->program;
    bool is_dropped = false;
    while (item->tag_count > 0 && item->tags[item->tag_count - 1] >= PEN_EXCLUDE_TAG) {
        const uint32_t index = item->tags[--item->tag_count] - PEN_EXCLUDE_TAG;
        shard->excluded[index] += is_new(shard);
        is_dropped |= program->exclusions[index].mode == PEN_EXCLUDE_DROP;
    }
    return is_dropped;
}

/* Counts a record as read; in an object of several types also under its own. */
static void record_count(struct shard *shard, bool is_dead, bool is_unparsed)
{
    const uint32_t type = pen_scan_type(shard->scan)->id;
    shard->object_totals.records_in++;
    shard->object_totals.records_dead += is_dead;
    shard->object_totals.records_unparsed += is_unparsed;
    if (PEN_UNLIKELY(type != pen_scan_object_type(shard->scan)->id)) {
        struct other_type *row = other_type_of(&shard->others, type);
        if (row != NULL) {
            row->records++;
            row->dead += is_dead;
            row->unparsed += is_unparsed;
        }
    }
}

/* Ships and observes item.  False when the shard cannot go on (it said so). */
static bool record_deliver(struct shard *shard)
{
    const struct pen_scan_item *item = &shard->item;
    const struct pen_replay_options *o = shard->shared->options;
    const int64_t t = item->doc.time_ns;
    bool is_unparsed = false;
    if (!record_wanted(o, pen_scan_key(shard->scan), pen_scan_type(shard->scan), &item->doc)) {
        shard->object_totals.records_filtered++;
    } else if (record_excluded(shard)) {
        shard->object_totals.records_excluded++;
        if (shard->object->is_again && is_new(shard)) {
            shard->again_totals.records_excluded++;
            shard->again_totals.records_filtered--;
        }
    } else if (t < shard->shared->tell_from_ns) { /* of the warm-up: it makes no document */
        if (!(is_new(shard) ? record_observe(shard) : record_recount(shard))) {
            return false;
        }
        shard->object_totals.records_filtered++;
    } else {
        if (!(is_new(shard) ? record_ship(shard) : record_recount(shard))) {
            return false;
        }
        origins_add(&shard->origins, ORIGIN_ACCOUNT, item->doc.account);
        origins_add(&shard->origins, ORIGIN_REGION, item->doc.region);
        shard->object_totals.records_delivered++;
        is_unparsed = item->doc.kind == PEN_DOC_UNPARSED;
        shard->object_totals.matches += item->tag_count;
        shard->object_totals.ioc_records += item->doc.indicators > 0;
        shard->object_totals.ioc_matches += item->doc.indicators;
        shard->object_totals.ioc_cut += item->doc.has_more_indicators;
        shard->object_totals.values_cut += item->record.value_count >= PEN_RECORD_VALUES_MAX;
        record_time(&shard->object_totals, &item->doc);
    }
    record_count(shard, false, is_unparsed);
    shard->next_record = item->record.ordinal + 1;
    return true;
}

static void record_bad(struct shard *shard, const struct pen_err *err)
{
    dead_letter(shard, &shard->item.record, "parse", err);
    record_count(shard, true, false);
    shard->next_record = shard->item.record.ordinal + 1;
}

static void object_damage(struct shard *shard, const struct pen_err *err)
{
    shard->is_damaged = true;
    const struct pen_record nothing = {.offset = err->offset == PEN_NO_OFFSET ? 0 : err->offset,
                                       .ordinal = shard->scanned};
    const char *stage = strncmp(err->text, "crc", 3) == 0 ? "crc" : "decode";
    if (shard->damage_count++ < DAMAGE_LETTERS_MAX) {
        const pen_status st = dead_line(&shard->damage, shard, &nothing, stage, err);
        PEN_CHECK(st == PEN_OK); /* all parts are bounded */
    }
}

/* Not before the object ends: a commit in between would tell of the damage, a resume once more. */
static void damage_send(struct shard *shard)
{
    if (shard->damage.len > 0) {
        struct message *message = message_new(MSG_DEAD);
        message->bytes = shard->damage.ptr;
        message->byte_count = shard->damage.len;
        send_control(shard, message);
        pen_buf_init(&shard->damage, DAMAGE_BYTES_MAX);
    }
}

static void object_end(struct shard *shard, enum object_outcome outcome, const struct pen_err *err)
{
    damage_send(shard);
    struct message *message = message_new(MSG_DONE);
    shard->object_totals.bytes_plain = pen_scan_plain_bytes(shard->scan);
    message->object = shard->object;
    message->outcome = outcome;
    message->whole = shard->object_totals;
    message->totals = shard->object->is_again ? shard->again_totals : shard->object_totals;
    message->type = pen_scan_object_type(shard->scan)->id;
    message->others = shard->object->is_again ? NULL : other_types_copy(&shard->others);
    message->epoch = shard->epoch;
    if (err != NULL) {
        message->err = *err;
    }
    send_done(shard, message);
    shard->open_objects--;
    shard->object = NULL;
    feed_close(shard);
}

static void object_begin(struct shard *shard, struct pen_object *object)
{
    shard->object = object;
    shard->object_totals = (struct pen_totals){0};
    shard->again_totals = (struct pen_totals){0};
    shard->others.count = 0;
    shard->next_record = object->skip_records;
    shard->scanned = 0;
    shard->is_damaged = false;
    shard->damage.len = 0;
    shard->damage_count = 0;
    const bool is_remote = object->bucket > 0;
    const pen_slice bucket =
        is_remote ? pen_slice_str(shard->shared->buckets[object->bucket - 1].endpoint.bucket)
                  : (pen_slice){0};
    pen_scan_begin(shard->scan, bucket, pen_slice_str(object->key), object->mtime_ns);
}

static void object_finish(struct shard *shard)
{
    const bool is_unknown =
        pen_slice_eq(pen_scan_object_type(shard->scan)->name, PEN_SLICE_LIT("unknown"));
    const bool is_digest = pen_scan_is_digest(shard->scan);
    struct pen_err err = {0};
    if (pen_scan_plain_bytes(shard->scan) == 0 && !shard->is_damaged) {
        object_end(shard, OBJECT_EMPTY, NULL);
    } else if (is_unknown && !is_digest) {
        const struct pen_record nothing = {0};
        (void)PEN_FAIL(&err, PEN_E_CORRUPT, 0, "%s", pen_scan_unknown_reason(shard->scan));
        dead_letter(shard, &nothing, "classify", &err);
        object_end(shard, OBJECT_UNKNOWN, NULL);
    } else {
        shard->object_totals.objects_digest += is_digest;
        shard->object_totals.objects_by_content += pen_scan_is_by_content(shard->scan);
        object_end(shard, shard->is_damaged ? OBJECT_DAMAGED : OBJECT_OK, NULL);
    }
}

void data_done(struct shard *shard)
{
    if (shard->holds_data) {
        feed_done(shard);
        shard->holds_data = false;
    }
}

/* Only while nothing was given on: what documents and observations hold cannot be taken back. */
static bool object_restart(struct shard *shard)
{
    struct pen_object *object = shard->object;
    const bool is_untouched = shard->next_record == 0 && shard->damage_count == 0 &&
                              object->skip_records == 0 && !object->is_again;
    if (!is_untouched || !feed_restart(shard, object)) {
        return false;
    }
    shard->object = NULL;
    return true;
}

/* Gives the scan its next bytes.  False: nothing there yet, or the object ended by a failed read.
 */
static bool object_input(struct shard *shard)
{
    void *tag = NULL;
    pen_slice data = {0};
    struct pen_err err = {0};
    data_done(shard);
    switch (feed_front(shard, &tag, &data, &err)) {
    case PEN_READ_DATA:
        shard->object_totals.bytes_read += data.len;
        shard->holds_data = true;
        pen_scan_feed(shard->scan, data, feed_is_last(shard));
        return true;
    case PEN_READ_END:
        pen_scan_feed(shard->scan, (pen_slice){0}, true);
        return true;
    case PEN_READ_FAIL: {
        if (err.status == PEN_E_CHANGED && object_restart(shard)) {
            return false;
        }
        const struct pen_record nothing = {.ordinal = shard->next_record};
        dead_letter(shard, &nothing, "fetch", &err);
        object_end(shard, OBJECT_UNREADABLE, &err);
        return false;
    }
    case PEN_READ_NONE:
    case PEN_READ_WAIT:
        return false;
    }
    pen_panic(PEN_HERE, "reader verdict");
}

static bool scan_record(struct shard *shard)
{
    if (shard->item.record.ordinal < shard->object->skip_records) {
        return true;
    }
    if (shard->item.doc.kind == PEN_DOC_DIGEST) {
        shard->object_totals.objects_digest++;
        shard->next_record = shard->item.record.ordinal + 1;
        return true;
    }
    if (PEN_UNLIKELY(shard->item.doc.kind == PEN_DOC_LEFT_OUT)) {
        record_count(shard, false, false);
        shard->object_totals.records_excluded++;
        shard->next_record = shard->item.record.ordinal + 1;
        return true;
    }
    return record_deliver(shard);
}

/* One verdict of the scan.  False when the step is over. */
static bool scan_turn(struct shard *shard)
{
    struct pen_err err = {0};
    switch (pen_scan_next(shard->scan, &shard->item, &err)) {
    case PEN_SCAN_RECORD:
        shard->scanned = shard->item.record.ordinal + 1;
        return scan_record(shard);
    case PEN_SCAN_BAD:
        shard->scanned = shard->item.record.ordinal + 1;
        if (shard->item.record.ordinal >= shard->object->skip_records) {
            record_bad(shard, &err);
        }
        return true;
    case PEN_SCAN_DAMAGE:
        object_damage(shard, &err);
        return true;
    case PEN_SCAN_INPUT:
        return object_input(shard);
    case PEN_SCAN_END:
        data_done(shard);
        object_finish(shard);
        return false;
    }
    pen_panic(PEN_HERE, "scan verdict");
}

/* Makes the oldest open file the object that is scanned.  False: none is open. */
static bool object_next(struct shard *shard)
{
    void *tag = NULL;
    pen_slice data = {0};
    struct pen_err err = {0};
    const enum pen_read got = feed_front(shard, &tag, &data, &err);
    if (got == PEN_READ_NONE || tag == NULL) { /* in buckets: none has bytes yet */
        return false;
    }
    object_begin(shard, tag);
    return true;
}

/* Up to STEP_RECORDS records, of several objects when they are small.  True when something was
 * done. */
bool step_scan(struct shard *shard)
{
    bool busy = false;
    for (uint32_t i = 0; i < STEP_RECORDS && pen_ship_has_room(shard->ship); i++) {
        if (shard->object == NULL && !object_next(shard)) {
            return busy;
        }
        if (!scan_turn(shard) && shard->object != NULL) {
            return busy; /* its next bytes are still to come */
        }
        busy = true;
    }
    return busy;
}
