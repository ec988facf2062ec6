/* tested by tests/unit/net/test_credential_replies.c */
#include "credentials.h"

#include <expat.h>
#include <openssl/crypto.h>

#define DEPTH_MAX 16
#define FIELD_MAX PEN_SIGV4_TOKEN_MAX
#define MESSAGE_SHOWN_MAX 120
#define NAME_SEPARATOR '|'

enum field { ACCESS, SECRET, TOKEN, EXPIRATION, CODE, MESSAGE, FIELD_COUNT };

struct reader {
    XML_Parser parser;
    struct pen_buf texts; /* of all fields; its full size from the start */
    size_t from[FIELD_COUNT], len[FIELD_COUNT];
    uint32_t depth;
    enum field field; /* that is being read; FIELD_COUNT: none */
    pen_status status;
    const char *why;
};

static void stop(struct reader *r, pen_status status, const char *why)
{
    r->status = status;
    r->why = why;
    (void)XML_StopParser(r->parser, XML_FALSE);
}

/* Without the namespace. */
static enum field field_of(const char *name)
{
    static const char *const names[FIELD_COUNT] = {
        "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", "Code", "Message"};
    const char *bar = strrchr(name, NAME_SEPARATOR);
    const char *local = bar == NULL ? name : bar + 1;
    uint32_t i = 0;
    while (i < FIELD_COUNT && strcmp(local, names[i]) != 0) {
        i++;
    }
    return (enum field)i;
}

static void XMLCALL on_start(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
    struct reader *r = ctx;
    (void)attributes;
    if (++r->depth > DEPTH_MAX) {
        stop(r, PEN_E_LIMIT, "its XML nests too deep");
        return;
    }
    r->field = field_of(name);
    if (r->field != FIELD_COUNT && r->len[r->field] != 0) {
        stop(r, PEN_E_CORRUPT, "its XML has a field twice");
    } else if (r->field != FIELD_COUNT) {
        r->from[r->field] = r->texts.len;
    }
}

static void XMLCALL on_end(void *ctx, const XML_Char *name)
{
    struct reader *r = ctx;
    (void)name;
    r->depth--;
    r->field = FIELD_COUNT;
}

static void XMLCALL on_text(void *ctx, const XML_Char *text, int len)
{
    struct reader *r = ctx;
    if (r->status != PEN_OK || r->field == FIELD_COUNT) {
        return;
    }
    if (r->len[r->field] + (size_t)len > FIELD_MAX) {
        stop(r, PEN_E_LIMIT, "a field of its XML is too long");
        return;
    }
    if (pen_buf_add(&r->texts, (pen_slice){(const uint8_t *)text, (size_t)len}) != PEN_OK) {
        stop(r, PEN_E_LIMIT, "the fields of its XML are too long");
        return;
    }
    r->len[r->field] += (size_t)len;
}

/* Without one there are no entities but the five of XML. */
static void XMLCALL on_doctype(void *ctx, const XML_Char *name, const XML_Char *system_id,
                               const XML_Char *public_id, int has_internal)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_internal;
    stop(ctx, PEN_E_CORRUPT, "its XML has a document type declaration");
}

static pen_slice text_of(const struct reader *r, enum field field)
{
    return pen_slice_trim((pen_slice){r->texts.ptr + r->from[field], r->len[field]});
}

/* What the server says: one line of what can be printed. */
static pen_status refused(const struct reader *r, struct pen_err *err)
{
    uint8_t shown[MESSAGE_SHOWN_MAX];
    const pen_slice message = pen_slice_sub(text_of(r, MESSAGE), 0, MESSAGE_SHOWN_MAX);
    const pen_slice code = pen_slice_sub(text_of(r, CODE), 0, 64);
    for (size_t i = 0; i < message.len; i++) {
        const uint8_t b = message.ptr[i];
        shown[i] = (uint8_t)(b >= ' ' && b <= '~' ? b : '?');
    }
    for (size_t i = 0; i < code.len; i++) {
        if (code.ptr[i] <= ' ' || code.ptr[i] > '~') {
            return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET, "an error whose code is no word");
        }
    }
    if (code.len == 0) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET, "an error without a code");
    }
    return PEN_FAIL(err, PEN_E_DENIED, PEN_NO_OFFSET, "%.*s: %.*s", PEN_SLICE_FMT(code),
                    (int)message.len, (const char *)shown);
}

static pen_status filled(const struct reader *r, struct credential_set *out, struct pen_err *err)
{
    const struct pen_credentials from = {.access_key = text_of(r, ACCESS),
                                         .secret_key = text_of(r, SECRET),
                                         .session_token = text_of(r, TOKEN)};
    if (from.access_key.len == 0 || from.secret_key.len == 0 || from.session_token.len == 0) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET, "a reply without credentials");
    }
    PEN_TRY(pen_credential_set_fill(out, &from, err));
    if (!pen_parse_time(text_of(r, EXPIRATION), &out->expires_ns)) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET, "a reply whose Expiration is no time");
    }
    return PEN_OK;
}

static pen_status verdict(const struct reader *r, bool is_parsed, struct pen_err *err)
{
    if (r->status != PEN_OK) {
        return PEN_FAIL(err, r->status, PEN_NO_OFFSET, "%s", r->why);
    }
    const XML_Index at = XML_GetCurrentByteIndex(r->parser);
    return is_parsed ? PEN_OK
                     : PEN_FAIL(err, PEN_E_CORRUPT, at < 0 ? PEN_NO_OFFSET : (uint64_t)at,
                                "a reply that is no XML: %s",
                                XML_ErrorString(XML_GetErrorCode(r->parser)));
}

pen_status pen_sts_reply(pen_slice xml, bool is_error, struct credential_set *out,
                         struct pen_err *err)
{
    struct reader r = {.field = FIELD_COUNT};
    pen_buf_init(&r.texts, HTTP_CALL_REPLY_MAX);
    if (xml.len > HTTP_CALL_REPLY_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "a reply of more than %zu bytes",
                        HTTP_CALL_REPLY_MAX);
    }
    r.parser = XML_ParserCreateNS(NULL, NAME_SEPARATOR);
    pen_status status = pen_buf_reserve(&r.texts, HTTP_CALL_REPLY_MAX);
    if (r.parser == NULL || status != PEN_OK) {
        status = PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "out of memory");
    } else {
        XML_SetUserData(r.parser, &r);
        XML_SetElementHandler(r.parser, on_start, on_end);
        XML_SetCharacterDataHandler(r.parser, on_text);
        XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
        const bool is_parsed =
            XML_Parse(r.parser, (const char *)xml.ptr, (int)xml.len, XML_TRUE) == XML_STATUS_OK;
        status = verdict(&r, is_parsed, err);
    }
    if (status == PEN_OK) {
        status = is_error ? refused(&r, err) : filled(&r, out, err);
    }
    if (r.parser != NULL) {
        XML_ParserFree(r.parser);
    }
    if (r.texts.ptr != NULL) {
        OPENSSL_cleanse(r.texts.ptr, r.texts.cap);
    }
    pen_buf_fini(&r.texts);
    return status;
}
