/* tested by tests/unit/net/test_credential_replies.c */
#include "penstock/json.h"

#include "credentials.h"

_Static_assert(HTTP_CALL_SLACK >= PEN_JSON_PADDING, "a reply has room for the padding");

enum field { CODE, VERSION, ACCESS, SECRET, TOKEN, EXPIRATION, FIELD_COUNT };

static const char *const names_of[][FIELD_COUNT] = {
    [CREDENTIAL_OF_SERVER] = {"Code", "Version", "AccessKeyId", "SecretAccessKey", "Token",
                              "Expiration"},
    [CREDENTIAL_OF_PROCESS] = {"Code", "Version", "AccessKeyId", "SecretAccessKey", "SessionToken",
                               "Expiration"},
};

struct reader {
    struct pen_plan *plan;
    struct pen_walker *walker;
    uint32_t fields[FIELD_COUNT];
};

static void reader_fini(struct reader *r)
{
    pen_walker_free(r->walker);
    pen_plan_free(r->plan);
}

static pen_status reader_init(struct reader *r, const char *const *names, size_t bytes,
                              struct pen_err *err)
{
    const struct pen_walker_options options = {.window_bytes_max = bytes,
                                               .record_bytes_max = bytes};
    *r = (struct reader){.plan = pen_plan_new()};
    if (r->plan == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "out of memory");
    }
    for (uint32_t i = 0; i < FIELD_COUNT; i++) {
        const pen_slice step = pen_slice_str(names[i]);
        r->fields[i] = pen_plan_field_new(r->plan);
        const pen_status status = pen_plan_path(r->plan, r->fields[i], &step, 1);
        if (status != PEN_OK) {
            return PEN_FAIL(err, status, PEN_NO_OFFSET, "out of memory");
        }
    }
    pen_plan_seal(r->plan);
    return pen_walker_new(r->plan, &options, &r->walker, err);
}

/* Empty: not there, null, or an empty string.  In place: the text is ours, and becomes shorter. */
static pen_slice value_of(const struct reader *r, const struct pen_record *record, enum field field)
{
    const struct pen_value *v = pen_record_first(record, r->fields[field]);
    if (v == NULL || (v->kind != PEN_STRING && v->kind != PEN_NUMBER)) {
        return (pen_slice){NULL, 0};
    }
    if (!v->is_escaped) {
        return v->text;
    }
    uint8_t *text = pen_unconst(v->text.ptr);
    return (pen_slice){text, pen_json_unescape(v->text, text)};
}

/* A word of the server, when it is one: nothing else is shown. */
static pen_slice word(pen_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        const uint8_t b = s.ptr[i];
        if ((b < 'A' || b > 'Z') && (b < 'a' || b > 'z') && b != '.') {
            return PEN_SLICE_LIT("an error");
        }
    }
    return pen_slice_sub(s, 0, 64);
}

static pen_status filled(const struct reader *r, const struct pen_record *record,
                         enum credential_reply kind, struct credential_set *out,
                         struct pen_err *err)
{
    const pen_slice code = value_of(r, record, CODE);
    const pen_slice expiration = value_of(r, record, EXPIRATION);
    if (kind == CREDENTIAL_OF_SERVER && code.len > 0 &&
        !pen_slice_eq(code, PEN_SLICE_LIT("Success"))) {
        return PEN_FAIL(err, PEN_E_DENIED, PEN_NO_OFFSET, "it says %.*s",
                        PEN_SLICE_FMT(word(code)));
    }
    if (kind == CREDENTIAL_OF_PROCESS &&
        !pen_slice_eq(value_of(r, record, VERSION), PEN_SLICE_LIT("1"))) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET, "the Version of its JSON is not 1");
    }
    const struct pen_credentials from = {.access_key = value_of(r, record, ACCESS),
                                         .secret_key = value_of(r, record, SECRET),
                                         .session_token = value_of(r, record, TOKEN)};
    if (from.access_key.len == 0 || from.secret_key.len == 0) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET, "its JSON has no %s",
                        names_of[kind][from.access_key.len == 0 ? ACCESS : SECRET]);
    }
    PEN_TRY(pen_credential_set_fill(out, &from, err));
    if (expiration.len > 0 && !pen_parse_time(expiration, &out->expires_ns)) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET, "the Expiration of its JSON is no time");
    }
    return PEN_OK;
}

pen_status pen_credential_json(struct pen_buf *text, enum credential_reply kind,
                               struct credential_set *out, struct pen_err *err)
{
    struct reader r;
    struct pen_record record;
    struct pen_err why;
    const pen_slice json = pen_slice_trim(pen_buf_slice(text));
    PEN_CHECK(text->cap - text->len >= PEN_JSON_PADDING);
    if (json.len == 0) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET, "nothing instead of JSON");
    }
    memset(text->ptr + text->len, ' ', PEN_JSON_PADDING);
    pen_status status = reader_init(&r, names_of[kind], json.len, err);
    if (status == PEN_OK && pen_walker_one(r.walker, json, &record, &why) != PEN_NEXT_RECORD) {
        status = PEN_FAIL(err, PEN_E_CORRUPT, why.offset, "no JSON object at byte %llu",
                          (unsigned long long)(why.offset == PEN_NO_OFFSET ? 0 : why.offset));
    } else if (status == PEN_OK) {
        status = filled(&r, &record, kind, out, err);
    }
    reader_fini(&r);
    return status;
}
