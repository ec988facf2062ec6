/* tested by tests/unit/node/test_envelope.c */
#include "envelope_own.h"
#include "sniff.h"

#include <stdio.h>

#define EVENT_HEAD_BYTES 4096U /* of a message in which the name of an event's type stands */

/* ---- EventBridge ---- */

/* A time in quotes, as the event has it. */
static void event_time(struct envelope *e, pen_slice text)
{
    int64_t time_ns = 0;
    if (text.len > PEN_TIME_MAX || !pen_parse_time(text, &time_ns)) {
        return;
    }
    const int len = snprintf(e->time_text, sizeof(e->time_text), "\"%.*s\"", PEN_SLICE_FMT(text));
    e->told.time_ns = time_ns;
    e->told.time_name = PEN_SLICE_LIT("cwe_timestamp");
    e->told.time = (pen_slice){(const uint8_t *)e->time_text, (size_t)len};
}

void event_unwrap(struct envelope *e, pen_slice *message)
{
    const pen_slice head = pen_slice_sub(*message, 0, EVENT_HEAD_BYTES);
    struct pen_record event;
    struct pen_err err;
    if (pen_slice_find(head, PEN_SLICE_LIT("\"detail-type\"")) == SIZE_MAX ||
        pen_walker_one(e->walker, *message, &event, &err) != PEN_NEXT_RECORD) {
        return;
    }
    const struct pen_value *detail = pen_record_first(&event, e->fields[E_DETAIL]);
    if (pen_record_first(&event, e->fields[E_DETAIL_TYPE]) == NULL ||
        pen_record_first(&event, e->fields[E_RESOURCES]) == NULL || detail == NULL ||
        detail->kind != PEN_OBJECT) {
        return;
    }
    const pen_slice account = envelope_text(e, &event, E_ACCOUNT, &e->part_account);
    e->told.id = envelope_text(e, &event, E_ID, &e->id);
    e->told.account = envelope_is_account(account) ? account : e->told.account;
    e->told.region = envelope_text(e, &event, E_REGION, &e->part_region);
    event_time(e, envelope_text(e, &event, E_TIME, &e->scratch));
    *message = detail->text;
}

/* ---- exports of CloudWatch Logs ---- */

/* PREFIX/TASK/STREAM/000000.gz: the stream. */
void export_begin(struct envelope *e, pen_slice key)
{
    pen_slice stream = {0};
    pen_slice rest = key;
    pen_slice part;
    while (sniff_is_export_key(key) && pen_slice_split(&rest, '/', &part)) {
        stream = rest.len > 0 ? part : stream;
    }
    e->stream.len = 0;
    if (stream.len > 0 && pen_buf_add(&e->stream, stream) == PEN_OK) {
        e->told.stream = pen_buf_slice(&e->stream);
        envelope_member(e, "@log_stream", e->told.stream);
        e->told.members = pen_buf_slice(&e->members);
    }
}

enum pen_next export_read(struct envelope *e, const struct pen_record *line,
                          struct pen_record *record, struct pen_err *err)
{
    const struct part part = {.text = line->raw, .offset = line->offset};
    const pen_slice stamp = pen_slice_sub(line->raw, 0, SNIFF_STAMP_BYTES);
    const pen_slice message = pen_slice_sub(line->raw, SNIFF_STAMP_BYTES + 1, line->raw.len);
    int64_t time_ns = 0;
    const bool is_whole = line->raw.len <= SNIFF_STAMP_BYTES ||
                          line->raw.ptr[SNIFF_STAMP_BYTES] == ' ' ||
                          line->raw.ptr[SNIFF_STAMP_BYTES] == '\n';
    if (!is_whole || stamp.len < SNIFF_STAMP_BYTES || !pen_parse_time(stamp, &time_ns)) {
        (void)PEN_FAIL(err, PEN_E_CORRUPT, line->offset,
                       "a line without the time that an export puts before it");
        return envelope_bad(e, &part, record);
    }
    e->offset = line->offset;
    e->id.len = 0;
    e->told.id = pen_buf_add(&e->id, stamp) == PEN_OK ? pen_buf_slice(&e->id) : (pen_slice){0};
    e->told.time_ns = time_ns;
    const int len = snprintf(e->time_text, sizeof(e->time_text), "%lld",
                             (long long)(time_ns / (PEN_NS_PER_S / 1000)));
    e->told.time_name = PEN_SLICE_LIT("cwl_timestamp");
    e->told.time = (pen_slice){(const uint8_t *)e->time_text, (size_t)len};
    return envelope_message(e, message, record, err);
}
