/* tested by tests/unit/node/test_envelope.c */
#include "envelope_own.h"
#include "sniff.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define TOLD_BYTES_MAX ((size_t)1 << 20) /* of what the head of an envelope may say */
#define ACCOUNT_DIGITS 12U

static const char *const names[E_FIELDS] = {
    [E_MESSAGE_TYPE] = "messageType",
    [E_OWNER] = "owner",
    [E_LOG_GROUP] = "logGroup",
    [E_LOG_STREAM] = "logStream",
    [E_ID] = "id",
    [E_TIMESTAMP] = "timestamp",
    [E_MESSAGE] = "message",
    [E_DETAIL_TYPE] = "detail-type",
    [E_RESOURCES] = "resources",
    [E_DETAIL] = "detail",
    [E_ACCOUNT] = "account",
    [E_REGION] = "region",
    [E_TIME] = "time",
    [E_SOURCE] = "source",
    [E_LOG] = "log",
    [E_CONTAINER_ID] = "container_id",
    [E_CONTAINER_NAME] = "container_name",
    [E_ECS_CLUSTER] = "ecs_cluster",
    [E_ECS_TASK_ARN] = "ecs_task_arn",
    [E_ECS_TASK_DEFINITION] = "ecs_task_definition",
    [E_EC2_INSTANCE_ID] = "ec2_instance_id",
    [E_PARTIAL_MESSAGE] = "partial_message",
    [E_PARTIAL_ID] = "partial_id",
    [E_PARTIAL_LAST] = "partial_last",
};
/* A line of an export, and those behind it that belong to its message. */
#define STAMP "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z"
static const struct pen_type export_lines = {
    .format = PEN_FORMAT_TEXT,
    .first_line = {(const uint8_t *)STAMP, sizeof(STAMP) - 1},
    .pattern = {(const uint8_t *)"(?<stamp>" STAMP ")", sizeof("(?<stamp>" STAMP ")") - 1}};

/* ---- start ---- */

static pen_status plan_make(struct envelope *e, struct pen_err *err)
{
    e->plan = pen_plan_new();
    pen_status st = e->plan == NULL ? PEN_E_NOMEM : PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < E_FIELDS; i++) {
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
    PEN_TRY(pen_walker_new(e->plan, &walker, &e->walker, err));
    return pen_text_new(&export_lines, e->walker, e->options.part_bytes_max, &e->lines, err);
}

pen_status envelope_new(const struct envelope_options *options, struct envelope **out,
                        struct pen_err *err)
{
    struct envelope *e = calloc(1, sizeof(*e));
    if (e == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "envelopes: out of memory");
    }
    e->options = *options;
    struct pen_buf *const bufs[] = {&e->group,        &e->stream,      &e->account,  &e->id,
                                    &e->part_account, &e->part_region, &e->instance, &e->scratch};
    for (size_t i = 0; i < PEN_COUNT(bufs); i++) {
        pen_buf_init(bufs[i], TOLD_BYTES_MAX);
    }
    pen_buf_init(&e->members, TOLD_BYTES_MAX * 8);
    for (uint32_t i = 0; i < ENVELOPE_PARTIALS; i++) {
        pen_buf_init(&e->partials[i].id, TOLD_BYTES_MAX);
        pen_buf_init(&e->partials[i].text, options->record_bytes_max + PEN_JSON_PADDING);
    }
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
    if (e == NULL) {
        return;
    }
    struct pen_buf *const bufs[] = {&e->group,    &e->stream,       &e->account,
                                    &e->id,       &e->part_account, &e->part_region,
                                    &e->instance, &e->scratch,      &e->members};
    for (size_t i = 0; i < PEN_COUNT(bufs); i++) {
        pen_buf_fini(bufs[i]);
    }
    for (uint32_t i = 0; i < ENVELOPE_PARTIALS; i++) {
        pen_buf_fini(&e->partials[i].id);
        pen_buf_fini(&e->partials[i].text);
    }
    pen_text_free(e->lines);
    pen_walker_free(e->walker);
    pen_plan_free(e->plan);
    free(e);
}

uint32_t envelope_kind(const struct pen_type *type, pen_slice key, pen_slice head)
{
    const uint32_t may = type->envelopes;
    if ((may & PEN_ENVELOPE_CLOUDWATCH) != 0 && sniff_is_cloudwatch(head)) {
        return PEN_ENVELOPE_CLOUDWATCH;
    }
    if ((may & PEN_ENVELOPE_FIRELENS) != 0 && sniff_is_firelens(head)) {
        return PEN_ENVELOPE_FIRELENS;
    }
    /* Lines of text may have such a time of their own. */
    if ((may & PEN_ENVELOPE_EXPORT) != 0 && sniff_is_export(head) &&
        (type->format != PEN_FORMAT_TEXT || sniff_is_export_key(key))) {
        return PEN_ENVELOPE_EXPORT;
    }
    return (may & PEN_ENVELOPE_EVENT) != 0 && sniff_is_event(head) ? PEN_ENVELOPE_EVENT : 0;
}

/* Whether the type maps fields of that object, or has members of its own in it. */
static bool has_container(const struct pen_type *type)
{
    for (uint32_t i = 0; i < type->map_count; i++) {
        if (pen_slice_starts(type->map[i].ecs, PEN_SLICE_LIT("container."))) {
            return true;
        }
    }
    for (uint32_t i = 0; i < type->static_count; i++) {
        if (pen_slice_starts(type->statics[i].ecs, PEN_SLICE_LIT("container."))) {
            return true;
        }
    }
    return pen_slice_eq(type->prefix, PEN_SLICE_LIT("container"));
}

void envelope_begin(struct envelope *e, uint32_t kind, pen_slice key, const struct pen_type *type,
                    const struct reader *inner, const struct envelope_chooser *chooser)
{
    PEN_CHECK((chooser == NULL) == (inner != NULL));
    e->kind = kind;
    e->type = type;
    e->inner = inner;
    e->ordinal = 0;
    e->chooser = chooser;
    e->left = (struct left){0};
    e->has_container = type != NULL && has_container(type);
    e->is_control = false;
    e->is_open = false;
    e->members.len = 0;
    e->told = (struct pen_told){.time_ns = INT64_MIN};
    for (uint32_t i = 0; i < ENVELOPE_PARTIALS; i++) {
        e->partials[i].is_open = false;
    }
    parts_reset(&e->parts,
                kind == PEN_ENVELOPE_CLOUDWATCH ? PEN_SLICE_LIT("logEvents") : (pen_slice){0},
                e->options.part_bytes_max);
    pen_text_reset(e->lines);
    if (inner != NULL) {
        reader_reset(inner);
    }
    if (kind == PEN_ENVELOPE_EXPORT) {
        export_begin(e, key);
    }
}

void envelope_window(struct envelope *e, pen_slice window, bool is_final)
{
    if (e->kind == PEN_ENVELOPE_EXPORT) {
        pen_text_window(e->lines, window, is_final);
    } else {
        parts_window(&e->parts, window, is_final);
    }
}

size_t envelope_consumed(const struct envelope *e)
{
    return e->kind == PEN_ENVELOPE_EXPORT ? pen_text_consumed(e->lines) : parts_consumed(&e->parts);
}

const struct pen_told *envelope_told(const struct envelope *e)
{
    return &e->told;
}

/* ---- what is told ---- */

pen_slice envelope_text(const struct envelope *e, const struct pen_record *record,
                        enum envelope_field field, struct pen_buf *buf)
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

void envelope_member(struct envelope *e, const char *name, pen_slice text)
{
    const size_t before = e->members.len;
    if (text.len > 0 && (pen_buf_printf(&e->members, ",\"%s\":\"", name) != PEN_OK ||
                         pen_json_escape(&e->members, text) != PEN_OK ||
                         pen_buf_add_byte(&e->members, '"') != PEN_OK)) {
        e->members.len = before;
    }
}

bool envelope_is_account(pen_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
    }
    return text.len == ACCOUNT_DIGITS;
}

uint8_t *envelope_writable(const uint8_t *text)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): the contract lets us write over the window */
    return (uint8_t *)(uintptr_t)text;
}

static void head_clear(struct envelope *e)
{
    e->told = (struct pen_told){.time_ns = INT64_MIN, .time_name = PEN_SLICE_LIT("cwl_timestamp")};
    e->owner = (pen_slice){0};
    e->is_control = false;
    e->is_chosen = false;
    e->is_left = false;
    e->members.len = 0;
}

/* What these members of an envelope say, where others did not say it before.  False: the envelope
 * may say more elsewhere. */
static bool head_take(struct envelope *e, const struct pen_record *head)
{
    const pen_slice type = envelope_text(e, head, E_MESSAGE_TYPE, &e->scratch);
    e->is_control |= type.len > 0 && !pen_slice_eq(type, PEN_SLICE_LIT("DATA_MESSAGE"));
    if (e->told.group.len == 0) {
        e->told.group = envelope_text(e, head, E_LOG_GROUP, &e->group);
    }
    if (e->told.stream.len == 0) {
        e->told.stream = envelope_text(e, head, E_LOG_STREAM, &e->stream);
    }
    if (e->owner.len == 0) {
        const pen_slice owner = envelope_text(e, head, E_OWNER, &e->account);
        e->owner = envelope_is_account(owner) ? owner : (pen_slice){0};
    }
    e->members.len = 0;
    envelope_member(e, "@log_group", e->told.group);
    envelope_member(e, "@log_stream", e->told.stream);
    e->told.members = pen_buf_slice(&e->members);
    return pen_record_first(head, e->fields[E_MESSAGE_TYPE]) != NULL &&
           pen_record_first(head, e->fields[E_LOG_GROUP]) != NULL &&
           pen_record_first(head, e->fields[E_OWNER]) != NULL;
}

/* Members behind the list: an object for as long as it is walked.  What cannot be read there says
 * nothing; the end of the envelope is looked at where it comes. */
static void tail_read(struct envelope *e, pen_slice tail)
{
    struct pen_record record;
    struct pen_err err;
    uint8_t *first = envelope_writable(tail.ptr);
    if (tail.len > 0) {
        *first = '{';
        if (pen_walker_one(e->walker, tail, &record, &err) == PEN_NEXT_RECORD) {
            (void)head_take(e, &record);
        }
        *first = ',';
    }
}

/* An envelope begins: what it says of all that it holds.  Its head becomes an object for as long as
 * it is walked.  PEN_NEXT_END: done; PEN_NEXT_MORE: what it says stands behind its list, which is
 * not here yet. */
static enum pen_next head_read(struct envelope *e, const struct part *part,
                               struct pen_record *record, struct pen_err *err)
{
    uint8_t *behind = envelope_writable(part->text.ptr + part->text.len);
    const uint8_t kept[2] = {behind[0], behind[1]};
    struct pen_record head;
    pen_slice tail = {0};
    head_clear(e); /* nothing of the envelope before */
    memcpy(behind, "]}", sizeof(kept));
    const enum pen_next got = pen_walker_one(
        e->walker, (pen_slice){part->text.ptr, part->text.len + sizeof(kept)}, &head, err);
    const bool is_all = got == PEN_NEXT_RECORD && head_take(e, &head);
    memcpy(behind, kept, sizeof(kept));
    err->offset = part->offset;
    if (got != PEN_NEXT_RECORD) {
        return envelope_bad(e, part, record);
    }
    if (!is_all && !parts_tail(&e->parts, part, &tail)) {
        return PEN_NEXT_MORE;
    }
    tail_read(e, tail);
    return PEN_NEXT_END;
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

enum pen_next envelope_bad(struct envelope *e, const struct part *part, struct pen_record *record)
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

enum pen_next envelope_message(struct envelope *e, pen_slice message, struct pen_record *record,
                               struct pen_err *err)
{
    const bool is_text = e->inner->text != NULL;
    if (is_blank(message)) {
        return PEN_NEXT_END;
    }
    if (!is_text && (e->type->envelopes & PEN_ENVELOPE_EVENT) != 0) {
        event_unwrap(e, &message);
    }
    *record = (struct pen_record){0};
    *err = (struct pen_err){0};
    const enum pen_next got = is_text ? pen_text_one(e->inner->text, message, record, err)
                                      : inner_json(e, message, record, err);
    return got == PEN_NEXT_END ? got : placed(e, got, message, record, err);
}

/* ---- types of envelopes ---- */

static void choose(struct envelope *e, pen_slice message)
{
    const struct pen_type *type = NULL;
    const struct reader *inner =
        e->chooser->choose(e->chooser->ctx, e->told.group, e->told.stream, message, &type);
    e->is_chosen = true;
    e->is_left = inner == NULL;
    if (inner != NULL && inner != e->inner) {
        e->type = type;
        e->inner = inner;
        reader_reset(inner);
    }
}

/* An event of an envelope without a type is counted; the first is remembered. */
static void left_count(struct envelope *e, const struct part *part)
{
    struct left *left = &e->left;
    if (left->events++ == 0) {
        left->offset = part->offset;
        (void)snprintf(left->group, sizeof(left->group), "%.*s", PEN_SLICE_FMT(e->told.group));
    }
}

/* Whether the event is of a type, which is that of its envelope. */
static bool has_type(struct envelope *e, const struct part *part, pen_slice message)
{
    if (e->chooser != NULL && !e->is_chosen) {
        choose(e, message);
        e->left.envelopes += e->is_left;
    }
    if (e->is_left) {
        left_count(e, part);
    }
    return !e->is_left;
}

/* At the end of an object that has records of some type. */
static enum pen_next left_rest(struct envelope *e, struct pen_record *record, struct pen_err *err)
{
    const struct left left = e->left;
    const struct part nothing = {.offset = left.offset};
    if (e->inner == NULL || left.events == 0) {
        return PEN_NEXT_END;
    }
    e->left = (struct left){0};
    (void)PEN_FAIL(err, PEN_E_CORRUPT, left.offset,
                   "%" PRIu64 " log events of %" PRIu64 " envelopes are not read: no log type fits "
                   "their log groups, the first `%s`",
                   left.events, left.envelopes, left.group);
    return envelope_bad(e, &nothing, record);
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
        return envelope_bad(e, part, record);
    }
    const struct pen_value *message = pen_record_first(&event, e->fields[E_MESSAGE]);
    const struct pen_value *time = pen_record_first(&event, e->fields[E_TIMESTAMP]);
    if (message == NULL || message->kind != PEN_STRING) {
        (void)PEN_FAIL(err, PEN_E_CORRUPT, part->offset,
                       "no log event with a message, which an envelope of CloudWatch Logs holds");
        return envelope_bad(e, part, record);
    }
    pen_slice text = message->text;
    if (!has_type(e, part, text)) {
        return PEN_NEXT_END;
    }
    e->offset = part->offset;
    e->told.id = envelope_text(e, &event, E_ID, &e->id);
    e->told.account = e->owner;
    e->told.region = (pen_slice){0};
    e->told.time_name = PEN_SLICE_LIT("cwl_timestamp");
    e->told.time_ns = time_of(time);
    e->told.time = e->told.time_ns == INT64_MIN ? PEN_SLICE_LIT("null") : time->text;
    if (message->is_escaped) {
        text.len = pen_json_unescape(text, envelope_writable(text.ptr));
    }
    return envelope_message(e, text, record, err);
}

/* An event of EventBridge, or a record that stands beside them as it is. */
static enum pen_next item_read(struct envelope *e, const struct part *part,
                               struct pen_record *record, struct pen_err *err)
{
    switch (e->kind) {
    case PEN_ENVELOPE_CLOUDWATCH:
        return event_read(e, part, record, err);
    case PEN_ENVELOPE_FIRELENS:
        return firelens_read(e, part, record, err);
    default:
        e->offset = part->offset;
        e->told = (struct pen_told){.time_ns = INT64_MIN};
        return envelope_message(e, part->text, record, err);
    }
}

/* The next part; PEN_NEXT_END with *is_over unset: it gave no record. */
static enum pen_next part_next(struct envelope *e, struct pen_record *record, bool *is_over,
                               struct pen_err *err)
{
    struct part part;
    enum pen_next got;
    switch (parts_next(&e->parts, &part, err)) {
    case PART_HEAD:
        got = head_read(e, &part, record, err);
        *is_over = got == PEN_NEXT_MORE;
        return got;
    case PART_ITEM:
        return item_read(e, &part, record, err);
    case PART_BAD:
        return envelope_bad(e, &part, record);
    case PART_MORE:
        *is_over = true;
        return PEN_NEXT_MORE;
    case PART_END:
        *is_over = true;
        return PEN_NEXT_END;
    }
    pen_panic(PEN_HERE, "kind of a part");
}

static enum pen_next line_next(struct envelope *e, struct pen_record *record, bool *is_over,
                               struct pen_err *err)
{
    struct pen_record line;
    const enum pen_next got = pen_text_next(e->lines, &line, err);
    if (got == PEN_NEXT_RECORD) {
        return export_read(e, &line, record, err);
    }
    if (got == PEN_NEXT_BAD) {
        const struct part part = {.text = line.raw, .offset = line.offset};
        return envelope_bad(e, &part, record);
    }
    *is_over = true;
    return got;
}

/* What comes when the parts have ended; their own end is told last. */
static enum pen_next rest_next(struct envelope *e, struct pen_record *record, struct pen_err *err)
{
    const struct pen_err end = *err;
    const enum pen_next got = e->kind == PEN_ENVELOPE_FIRELENS ? firelens_rest(e, record, err)
                                                               : left_rest(e, record, err);
    *err = got == PEN_NEXT_END ? end : *err;
    return got;
}

enum pen_next envelope_next(struct envelope *e, struct pen_record *record, struct pen_err *err)
{
    enum pen_next got = PEN_NEXT_END;
    bool is_over = false;
    *err = (struct pen_err){0};
    if (e->is_open) {
        got = inner_next(e, record, err);
        if (got != PEN_NEXT_END) {
            return placed(e, got, (pen_slice){0}, record, err);
        }
    }
    while (got == PEN_NEXT_END && !is_over) {
        got = e->kind == PEN_ENVELOPE_EXPORT ? line_next(e, record, &is_over, err)
                                             : part_next(e, record, &is_over, err);
    }
    return got == PEN_NEXT_END ? rest_next(e, record, err) : got;
}
