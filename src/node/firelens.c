/* tested by tests/unit/node/test_envelope.c */
/* FireLens: what containers of ECS write, a record for each line, long lines in pieces. */
#include "envelope_own.h"

#define ARN_REGION 3U
#define ARN_ACCOUNT 4U

static bool is_true(const struct envelope *e, const struct pen_record *record,
                    enum envelope_field field)
{
    const struct pen_value *value = pen_record_first(record, e->fields[field]);
    return value != NULL && pen_slice_eq(value->text, PEN_SLICE_LIT("true"));
}

/* The part of an ARN between colons. */
static pen_slice arn_part(pen_slice arn, uint32_t wanted)
{
    pen_slice part = {0};
    for (uint32_t i = 0; i <= wanted; i++) {
        if (!pen_slice_split(&arn, ':', &part)) {
            return (pen_slice){0};
        }
    }
    return part;
}

static pen_status container_members(struct envelope *e, pen_slice id, pen_slice name)
{
    if (e->has_container || (id.len == 0 && name.len == 0)) {
        return PEN_OK;
    }
    const size_t before = e->members.len;
    pen_status st = pen_buf_add(&e->members, PEN_SLICE_LIT(",\"container\":{"));
    const size_t inside = e->members.len;
    if (st == PEN_OK) {
        envelope_member(e, "id", id);
        envelope_member(e, "name", name);
        if (e->members.len > inside) { /* the comma before the first */
            memmove(e->members.ptr + inside, e->members.ptr + inside + 1,
                    e->members.len - inside - 1);
            e->members.len--;
        }
        st = pen_buf_add_byte(&e->members, '}');
    }
    e->members.len = st == PEN_OK ? e->members.len : before;
    return st;
}

/* What stands beside the log. */
static pen_status tell(struct envelope *e, const struct pen_record *record)
{
    static const struct {
        enum envelope_field field;
        const char *name;
    } rows[] = {{E_SOURCE, "container_source"},
                {E_ECS_CLUSTER, "ecs_cluster"},
                {E_ECS_TASK_DEFINITION, "ecs_task_definition"}};
    e->members.len = 0;
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        envelope_member(e, rows[i].name, envelope_text(e, record, rows[i].field, &e->scratch));
    }
    const pen_slice name = envelope_text(e, record, E_CONTAINER_NAME, &e->id);
    const pen_slice id = envelope_text(e, record, E_CONTAINER_ID, &e->scratch);
    envelope_member(e, "container_id", id);
    envelope_member(e, "container_name", name);
    PEN_TRY(container_members(e, id, name));
    const pen_slice task = envelope_text(e, record, E_ECS_TASK_ARN, &e->part_account);
    const pen_slice instance = envelope_text(e, record, E_EC2_INSTANCE_ID, &e->instance);
    envelope_member(e, "ecs_task_arn", task);
    envelope_member(e, "ec2_instance_id", instance);
    const pen_slice account = arn_part(task, ARN_ACCOUNT);
    e->told = (struct pen_told){.time_ns = INT64_MIN,
                                .id = name,
                                .members = pen_buf_slice(&e->members),
                                .account = envelope_is_account(account) ? account : (pen_slice){0},
                                .region = arn_part(task, ARN_REGION),
                                .instance = instance};
    return PEN_OK;
}

/* ---- pieces ---- */

static struct partial *partial_find(struct envelope *e, pen_slice id)
{
    for (uint32_t i = 0; i < ENVELOPE_PARTIALS; i++) {
        struct partial *p = &e->partials[i];
        if (p->is_open && pen_slice_eq(pen_buf_slice(&p->id), id)) {
            return p;
        }
    }
    return NULL;
}

/* A place for a message that begins; NULL: all are taken. */
static struct partial *partial_new(struct envelope *e, pen_slice id, uint64_t offset)
{
    for (uint32_t i = 0; i < ENVELOPE_PARTIALS; i++) {
        struct partial *p = &e->partials[i];
        p->id.len = p->is_open ? p->id.len : 0;
        if (!p->is_open && pen_buf_add(&p->id, id) == PEN_OK) {
            p->text.len = 0;
            p->offset = offset;
            p->is_large = false;
            p->is_open = true;
            return p;
        }
    }
    return NULL;
}

static void piece_add(const struct envelope *e, struct partial *p, pen_slice text)
{
    if (p->is_large || p->text.len + text.len > e->options.record_bytes_max ||
        pen_buf_add(&p->text, text) != PEN_OK) {
        p->is_large = true;
    }
}

static enum pen_next partial_bad(struct envelope *e, struct partial *p, const char *reason,
                                 struct pen_record *record, struct pen_err *err)
{
    const struct part part = {.text = pen_buf_slice(&p->text), .offset = p->offset};
    p->is_open = false;
    (void)PEN_FAIL(err, p->is_large ? PEN_E_LIMIT : PEN_E_TRUNCATED, part.offset, "%s", reason);
    return envelope_bad(e, &part, record);
}

/* The last piece was added. */
static enum pen_next partial_read(struct envelope *e, struct partial *p, struct pen_record *record,
                                  struct pen_err *err)
{
    const size_t len = p->text.len;
    /* Readers may look a little further than the text. */
    if (p->is_large || pen_buf_reserve(&p->text, PEN_JSON_PADDING) != PEN_OK) {
        return partial_bad(e, p, "the pieces of a message are too much (record.bytes_max)", record,
                           err);
    }
    p->is_open = false;
    e->offset = p->offset;
    return envelope_message(e, (pen_slice){p->text.ptr, len}, record, err);
}

static enum pen_next piece_read(struct envelope *e, pen_slice text, const struct pen_record *wrap,
                                struct pen_record *record, struct pen_err *err)
{
    const bool is_last = is_true(e, wrap, E_PARTIAL_LAST);
    const pen_slice id = envelope_text(e, wrap, E_PARTIAL_ID, &e->scratch);
    struct partial *p = partial_find(e, id);
    p = p == NULL ? partial_new(e, id, e->offset) : p;
    if (p == NULL) {
        const struct part part = {.text = text, .offset = e->offset};
        (void)PEN_FAIL(err, PEN_E_LIMIT, e->offset,
                       "more than %u messages are in pieces at once: this piece is left out",
                       ENVELOPE_PARTIALS);
        return envelope_bad(e, &part, record);
    }
    piece_add(e, p, text);
    return is_last ? partial_read(e, p, record, err) : PEN_NEXT_END;
}

enum pen_next firelens_rest(struct envelope *e, struct pen_record *record, struct pen_err *err)
{
    for (uint32_t i = 0; i < ENVELOPE_PARTIALS; i++) {
        if (e->partials[i].is_open) {
            return partial_bad(e, &e->partials[i], "the last piece of a message is not there",
                               record, err);
        }
    }
    return PEN_NEXT_END;
}

enum pen_next firelens_read(struct envelope *e, const struct part *part, struct pen_record *record,
                            struct pen_err *err)
{
    struct pen_record wrap;
    if (pen_walker_one(e->walker, part->text, &wrap, err) != PEN_NEXT_RECORD) {
        err->offset = part->offset;
        return envelope_bad(e, part, record);
    }
    const struct pen_value *log = pen_record_first(&wrap, e->fields[E_LOG]);
    const struct pen_value *source = pen_record_first(&wrap, e->fields[E_SOURCE]);
    if (log == NULL || log->kind != PEN_STRING || tell(e, &wrap) != PEN_OK) {
        (void)PEN_FAIL(err, PEN_E_CORRUPT, part->offset, "no record of FireLens with a log");
        return envelope_bad(e, part, record);
    }
    e->offset = part->offset;
    if (!e->type->keeps_stderr && source != NULL &&
        pen_slice_eq(source->text, PEN_SLICE_LIT("stderr"))) {
        e->told.is_left_out = true;
        *record =
            (struct pen_record){.raw = part->text, .offset = part->offset, .ordinal = e->ordinal++};
        return PEN_NEXT_RECORD;
    }
    pen_slice text = log->text;
    if (log->is_escaped) {
        text.len = pen_json_unescape(text, envelope_writable(text.ptr));
    }
    return is_true(e, &wrap, E_PARTIAL_MESSAGE) ? piece_read(e, text, &wrap, record, err)
                                                : envelope_message(e, text, record, err);
}
