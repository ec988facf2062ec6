/* tested by tests/unit/node/test_envelope.c */
#include "envelope.h"

#include "parts.h"
#include "sniff.h"

#include <stdlib.h>

#define TOLD_BYTES_MAX ((size_t)1 << 20) /* of what the head of an envelope may say */
#define ACCOUNT_DIGITS 12U

/* Members of envelopes and of their parts. */
enum field { MESSAGE_TYPE, OWNER, LOG_GROUP, LOG_STREAM, ID, TIMESTAMP, MESSAGE, FIELD_COUNT };
static const char *const names[FIELD_COUNT] = {
    [MESSAGE_TYPE] = "messageType", [OWNER] = "owner", [LOG_GROUP] = "logGroup",
    [LOG_STREAM] = "logStream",     [ID] = "id",       [TIMESTAMP] = "timestamp",
    [MESSAGE] = "message",
};

struct envelope {
    struct envelope_options options;
    struct pen_plan *plan;
    struct pen_walker *walker; /* of parts: done with one before its message is read */
    uint32_t fields[FIELD_COUNT];
    /* object */
    uint32_t kind;
    const struct pen_type *type;
    const struct reader *inner;
    struct parts parts;
    uint64_t ordinal;
    /* envelope */
    bool is_control; /* what it holds are no records of the type */
    struct pen_buf members, group, stream, account;
    /* part */
    bool is_open; /* more records of the message may come */
    uint64_t offset;
    struct pen_buf id;
    struct pen_told told;
};

/* ---- start ---- */

static pen_status plan_make(struct envelope *e, struct pen_err *err)
{
    e->plan = pen_plan_new();
    pen_status st = e->plan == NULL ? PEN_E_NOMEM : PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < FIELD_COUNT; i++) {
        const pen_slice step = pen_slice_str(names[i]);
        e->fields[i] = pen_plan_field_new(e->plan);
        st = pen_plan_path(e->plan, e->fields[i], &step, 1);
    }
    if (st != PEN_OK) {
        return PEN_FAIL(err, st, PEN_NO_OFFSET, "envelopes: out of memory");
    }
    pen_plan_seal(e->plan);
    return PEN_OK;
}

static pen_status fill(struct envelope *e, struct pen_err *err)
{
    const struct pen_walker_options walker = {.window_bytes_max = e->options.window_bytes_max,
                                              .record_bytes_max = e->options.window_bytes_max,
                                              .lender = e->options.lender};
    PEN_TRY(plan_make(e, err));
    return pen_walker_new(e->plan, &walker, &e->walker, err);
}

pen_status envelope_new(const struct envelope_options *options, struct envelope **out,
                        struct pen_err *err)
{
    struct envelope *e = calloc(1, sizeof(*e));
    if (e == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "envelopes: out of memory");
    }
    e->options = *options;
    pen_buf_init(&e->members, TOLD_BYTES_MAX * 8);
    pen_buf_init(&e->group, TOLD_BYTES_MAX);
    pen_buf_init(&e->stream, TOLD_BYTES_MAX);
    pen_buf_init(&e->account, TOLD_BYTES_MAX);
    pen_buf_init(&e->id, TOLD_BYTES_MAX);
    const pen_status st = fill(e, err);
    if (st != PEN_OK) {
        envelope_free(e);
        return st;
    }
    *out = e;
    return PEN_OK;
}

void envelope_free(struct envelope *e)
{
    if (e != NULL) {
        pen_walker_free(e->walker);
        pen_plan_free(e->plan);
        pen_buf_fini(&e->members);
        pen_buf_fini(&e->group);
        pen_buf_fini(&e->stream);
        pen_buf_fini(&e->account);
        pen_buf_fini(&e->id);
        free(e);
    }
}

uint32_t envelope_kind(const struct pen_type *type, pen_slice key, pen_slice head)
{
    (void)key;
    if ((type->envelopes & PEN_ENVELOPE_CLOUDWATCH) != 0 && sniff_is_cloudwatch(head)) {
        return PEN_ENVELOPE_CLOUDWATCH;
    }
    return 0;
}

void envelope_begin(struct envelope *e, uint32_t kind, const struct pen_type *type,
                    const struct reader *inner)
{
    e->kind = kind;
    e->type = type;
    e->inner = inner;
    e->ordinal = 0;
    e->is_control = false;
    e->is_open = false;
    e->told = (struct pen_told){.time_ns = INT64_MIN};
    parts_reset(&e->parts, PEN_SLICE_LIT("logEvents"), e->options.part_bytes_max);
    reader_reset(inner);
}

void envelope_window(struct envelope *e, pen_slice window, bool is_final)
{
    parts_window(&e->parts, window, is_final);
}

size_t envelope_consumed(const struct envelope *e)
{
    return parts_consumed(&e->parts);
}

const struct pen_told *envelope_told(const struct envelope *e)
{
    return &e->told;
}

/* ---- what is told ---- */

/* The text of a member; empty when there is none. */
static pen_slice text_take(const struct envelope *e, const struct pen_record *record,
                           enum field field, struct pen_buf *buf)
{
    const struct pen_value *value = pen_record_first(record, e->fields[field]);
    buf->len = 0;
    if (value == NULL || value->kind != PEN_STRING || value->text.len == 0 ||
        pen_buf_reserve(buf, value->text.len) != PEN_OK) {
        return (pen_slice){0};
    }
    buf->len = pen_json_unescape(value->text, buf->ptr);
    return pen_buf_slice(buf);
}

static void member_add(struct envelope *e, const char *begin, pen_slice text)
{
    const size_t before = e->members.len;
    if (text.len > 0 && (pen_buf_add(&e->members, pen_slice_str(begin)) != PEN_OK ||
                         pen_json_escape(&e->members, text) != PEN_OK ||
                         pen_buf_add_byte(&e->members, '"') != PEN_OK)) {
        e->members.len = before;
    }
}

static bool is_account(pen_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
    }
    return text.len == ACCOUNT_DIGITS;
}

/* Where text stands, to be written: the window is ours. */
static uint8_t *writable(const uint8_t *text)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): the contract lets us write over the window */
    return (uint8_t *)(uintptr_t)text;
}

static void head_take(struct envelope *e, const struct pen_record *head)
{
    const pen_slice type = text_take(e, head, MESSAGE_TYPE, &e->group);
    e->is_control = type.len > 0 && !pen_slice_eq(type, PEN_SLICE_LIT("DATA_MESSAGE"));
    e->told = (struct pen_told){.time_ns = INT64_MIN,
                                .time_name = PEN_SLICE_LIT("cwl_timestamp"),
                                .group = text_take(e, head, LOG_GROUP, &e->group),
                                .stream = text_take(e, head, LOG_STREAM, &e->stream)};
    const pen_slice owner = text_take(e, head, OWNER, &e->account);
    e->told.account = is_account(owner) ? owner : (pen_slice){0};
    e->members.len = 0;
    member_add(e, ",\"@log_group\":\"", e->told.group);
    member_add(e, ",\"@log_stream\":\"", e->told.stream);
    e->told.members = pen_buf_slice(&e->members);
}

/* An envelope begins: what it says of all that it holds.  Its head becomes an object for as long as
 * it is walked. */
static bool head_read(struct envelope *e, const struct part *part, struct pen_err *err)
{
    uint8_t *behind = writable(part->text.ptr + part->text.len);
    const uint8_t kept[2] = {behind[0], behind[1]};
    struct pen_record head;
    memcpy(behind, "]}", sizeof(kept));
    const enum pen_next got = pen_walker_one(
        e->walker, (pen_slice){part->text.ptr, part->text.len + sizeof(kept)}, &head, err);
    if (got == PEN_NEXT_RECORD) {
        head_take(e, &head);
    }
    memcpy(behind, kept, sizeof(kept));
    err->offset = part->offset;
    return got == PEN_NEXT_RECORD;
}

/* Milliseconds since 1970, as CloudWatch writes them. */
static int64_t time_of(const struct pen_value *value)
{
    uint64_t ms = 0;
    const bool is_number = value != NULL && value->kind == PEN_NUMBER &&
                           pen_parse_u64(value->text, &ms) && ms < INT64_MAX / 1000000;
    return is_number ? (int64_t)ms * 1000000 : INT64_MIN;
}

/* ---- records ---- */

/* Something that is no record of the type stands where one should be. */
static enum pen_next bad_part(struct envelope *e, const struct part *part,
                              struct pen_record *record)
{
    *record =
        (struct pen_record){.raw = part->text, .offset = part->offset, .ordinal = e->ordinal++};
    return PEN_NEXT_BAD;
}

static bool is_blank(pen_slice text)
{
    return pen_slice_trim(text).len == 0;
}

/* The next record of the open message; PEN_NEXT_END when it has no more. */
static enum pen_next inner_next(struct envelope *e, struct pen_record *record, struct pen_err *err)
{
    const enum pen_next got = pen_walker_next(e->inner->walker, record, err);
    e->is_open = got == PEN_NEXT_RECORD || got == PEN_NEXT_BAD;
    return got == PEN_NEXT_END && err->status != PEN_OK ? PEN_NEXT_BAD : got;
}

static enum pen_next inner_json(struct envelope *e, pen_slice message, struct pen_record *record,
                                struct pen_err *err)
{
    struct pen_walker *walker = e->inner->walker;
    const pen_slice first = pen_slice_trim(message);
    if (e->type->array_key.len > 0 && first.len > 0 && first.ptr[0] == '{') {
        pen_walker_reset(walker);
        pen_walker_window(walker, message, true);
        return inner_next(e, record, err);
    }
    const enum pen_next got = pen_walker_one(walker, message, record, err);
    return got == PEN_NEXT_RECORD ? got : PEN_NEXT_BAD;
}

/* Numbers a record of a message and tells where it stands in the object. */
static enum pen_next placed(struct envelope *e, enum pen_next got, pen_slice message,
                            struct pen_record *record, struct pen_err *err)
{
    if (got == PEN_NEXT_BAD && record->raw.len == 0) {
        *record = (struct pen_record){.raw = message};
    }
    record->ordinal = e->ordinal++;
    record->offset = e->offset;
    if (got == PEN_NEXT_BAD) {
        err->offset = e->offset;
    }
    return got;
}

/* The message of a part, which is written over with its text, through the reader of the type. */
static enum pen_next message_read(struct envelope *e, const struct pen_value *value,
                                  struct pen_record *record, struct pen_err *err)
{
    pen_slice message = value->text;
    if (value->is_escaped) {
        message.len = pen_json_unescape(message, writable(message.ptr));
    }
    if (is_blank(message)) {
        return PEN_NEXT_END;
    }
    *record = (struct pen_record){0};
    *err = (struct pen_err){0};
    const enum pen_next got = e->inner->text != NULL
                                  ? pen_text_one(e->inner->text, message, record, err)
                                  : inner_json(e, message, record, err);
    return got == PEN_NEXT_END ? got : placed(e, got, message, record, err);
}

/* A log event of CloudWatch.  PEN_NEXT_END: it holds nothing. */
static enum pen_next event_read(struct envelope *e, const struct part *part,
                                struct pen_record *record, struct pen_err *err)
{
    struct pen_record event;
    if (e->is_control) {
        return PEN_NEXT_END;
    }
    if (pen_walker_one(e->walker, part->text, &event, err) != PEN_NEXT_RECORD) {
        err->offset = part->offset;
        return bad_part(e, part, record);
    }
    const struct pen_value *message = pen_record_first(&event, e->fields[MESSAGE]);
    const struct pen_value *time = pen_record_first(&event, e->fields[TIMESTAMP]);
    if (message == NULL || message->kind != PEN_STRING) {
        (void)PEN_FAIL(err, PEN_E_CORRUPT, part->offset,
                       "no log event with a message, which an envelope of CloudWatch Logs holds");
        return bad_part(e, part, record);
    }
    const struct pen_value text = *message; /* the values are gone when the message is walked */
    e->offset = part->offset;
    e->told.id = text_take(e, &event, ID, &e->id);
    e->told.time_ns = time_of(time);
    e->told.time = e->told.time_ns == INT64_MIN ? PEN_SLICE_LIT("null") : time->text;
    return message_read(e, &text, record, err);
}

enum pen_next envelope_next(struct envelope *e, struct pen_record *record, struct pen_err *err)
{
    *err = (struct pen_err){0};
    if (e->is_open) {
        const enum pen_next got = inner_next(e, record, err);
        if (got != PEN_NEXT_END) {
            return placed(e, got, (pen_slice){0}, record, err);
        }
    }
    for (;;) {
        struct part part;
        enum pen_next got = PEN_NEXT_END;
        switch (parts_next(&e->parts, &part, err)) {
        case PART_HEAD:
            got = head_read(e, &part, err) ? PEN_NEXT_END : bad_part(e, &part, record);
            break;
        case PART_ITEM:
            got = event_read(e, &part, record, err);
            break;
        case PART_BAD:
            return bad_part(e, &part, record);
        case PART_MORE:
            return PEN_NEXT_MORE;
        case PART_END:
            return PEN_NEXT_END;
        }
        if (got != PEN_NEXT_END) {
            return got;
        }
    }
}
