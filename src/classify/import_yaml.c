/* tested by tests/unit/classify/test_import.c */
#include "import_own.h"

/* ---- what is said ---- */

pen_status imp_tell(struct import *im, const struct user_ini_entry *entry, const char *why)
{
    return pen_buf_printf(im->told, "line %u: [%.*s] %.*s: %s\n", entry->line,
                          PEN_SLICE_FMT(im->section), PEN_SLICE_FMT(entry->key), why);
}

/* What a key says, {0} when it is not there or cannot be told. */
pen_slice imp_value(struct import *im, pen_slice key)
{
    const struct user_ini_entry *entry = user_ini_find(&im->ini, im->section, key);
    struct pen_err err;
    pen_slice value = {0};
    if (entry == NULL) {
        return (pen_slice){0};
    }
    return user_ini_expand(&im->arena, &im->ini, entry, &value, &err) == PEN_OK ? value
                                                                                : (pen_slice){0};
}

/* ---- YAML ---- */

static bool has_control(pen_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < 0x20) {
            return true;
        }
    }
    return false;
}

static pen_status add_double(struct pen_buf *out, uint8_t c)
{
    if (c < 0x20) {
        return pen_buf_printf(out, "\\x%02x", c);
    }
    PEN_TRY(c == '"' || c == '\\' ? pen_buf_add_byte(out, '\\') : PEN_OK);
    return pen_buf_add_byte(out, c);
}

static pen_status add_single(struct pen_buf *out, uint8_t c)
{
    PEN_TRY(c == '\'' ? pen_buf_add_byte(out, c) : PEN_OK);
    return pen_buf_add_byte(out, c);
}

/* In quotes: single ones, in which nothing has a meaning, unless there are lines. */
pen_status imp_scalar(struct pen_buf *out, pen_slice text)
{
    const bool is_double = has_control(text);
    const uint8_t quote = is_double ? '"' : '\'';
    pen_status st = pen_buf_add_byte(out, quote);
    for (size_t i = 0; i < text.len && st == PEN_OK; i++) {
        st = is_double ? add_double(out, text.ptr[i]) : add_single(out, text.ptr[i]);
    }
    return st == PEN_OK ? pen_buf_add_byte(out, quote) : st;
}

pen_status imp_pair(struct pen_buf *out, const char *key, pen_slice value)
{
    if (value.len == 0) {
        return PEN_OK;
    }
    PEN_TRY(pen_buf_add(out, pen_slice_str(key)));
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT(": ")));
    PEN_TRY(imp_scalar(out, value));
    return pen_buf_add_byte(out, '\n');
}

/* ---- lists: "[a b, c]" or "a b c" ---- */

/* The next word of a list; commas and brackets part words as blanks do. */
bool imp_word(pen_slice *rest, pen_slice *word)
{
    size_t from = 0;
    while (from < rest->len && strchr(" \t\r\n,[]", rest->ptr[from]) != NULL) {
        from++;
    }
    size_t to = from;
    while (to < rest->len && (rest->ptr[to] == 0 || strchr(" \t\r\n,[]", rest->ptr[to]) == NULL)) {
        to++;
    }
    *word = pen_slice_sub(*rest, from, to);
    *rest = pen_slice_sub(*rest, to, rest->len);
    return word->len > 0;
}

bool imp_has_word(pen_slice list, pen_slice wanted)
{
    pen_slice word;
    while (imp_word(&list, &word)) {
        if (pen_slice_eq(word, wanted)) {
            return true;
        }
    }
    return false;
}

/* Fields of which documents have lists, whatever a map names. */
static bool is_list_field(pen_slice name)
{
    static const char *const names =
        "base.tags clientip_xff container.image.tag dns.answers dns.header_flags dns.resolved_ip "
        "dns.type event.category event.type file.attributes host.ip host.mac observer.ip "
        "observer.mac process.args registry.data.strings related.hash related.hosts related.ip "
        "related.user rule.author threat.tactic.id threat.tactic.name threat.tactic.reference "
        "threat.technique.id threat.technique.name threat.technique.reference "
        "threat.technique.subtechnique.id threat.technique.subtechnique.name "
        "threat.technique.subtechnique.reference tls.client.certificate_chain "
        "tls.client.supported_ciphers tls.server.certificate_chain user.roles "
        "vulnerability.category x509.alternative_names x509.issuer.country x509.issuer.locality "
        "x509.issuer.organization x509.issuer.organizational_unit x509.issuer.state_or_province "
        "x509.subject.common_name x509.subject.country x509.subject.locality "
        "x509.subject.organization x509.subject.organizational_unit "
        "x509.subject.state_or_province";
    return imp_has_word(pen_slice_str(names), name);
}

pen_status imp_words(struct pen_buf *out, pen_slice list)
{
    pen_slice word;
    bool is_first = true;
    PEN_TRY(pen_buf_add_byte(out, '['));
    while (imp_word(&list, &word)) {
        PEN_TRY(pen_buf_add(out, is_first ? PEN_SLICE_LIT("") : PEN_SLICE_LIT(", ")));
        PEN_TRY(imp_scalar(out, word));
        is_first = false;
    }
    return pen_buf_add_byte(out, ']');
}

/* Whether this word of the list stands in it before, too. */
static bool is_repeated(pen_slice list, pen_slice word)
{
    return imp_has_word(pen_slice_sub(list, 0, (size_t)(word.ptr - list.ptr)), word);
}

/* ---- maps ---- */

static pen_status map_entry(struct import *im, pen_slice field)
{
    const pen_slice sources = imp_value(im, field);
    const bool collects = is_list_field(field);
    PEN_TRY(pen_buf_add(im->yaml, PEN_SLICE_LIT("  ")));
    PEN_TRY(imp_scalar(im->yaml, field));
    PEN_TRY(pen_buf_add(im->yaml, collects ? PEN_SLICE_LIT(": [") : PEN_SLICE_LIT(": ")));
    PEN_TRY(imp_words(im->yaml, sources));
    return pen_buf_add(im->yaml, collects ? PEN_SLICE_LIT("]\n") : PEN_SLICE_LIT("\n"));
}

/* The fields of one list that are not in the other. */
static pen_status map_list(struct import *im, pen_slice list, pen_slice other, bool *is_first)
{
    pen_slice rest = list;
    pen_slice field;
    pen_status st = PEN_OK;
    while (st == PEN_OK && imp_word(&rest, &field)) {
        if (imp_value(im, field).len == 0 || is_repeated(list, field) ||
            imp_has_word(other, field)) {
            continue;
        }
        st = *is_first ? pen_buf_add(im->yaml, PEN_SLICE_LIT("map:\n")) : PEN_OK;
        st = st == PEN_OK ? map_entry(im, field) : st;
        *is_first = false;
    }
    return st;
}

pen_status imp_map(struct import *im)
{
    bool is_first = true;
    PEN_TRY(map_list(im, im->ecs, (pen_slice){0}, &is_first));
    return map_list(im, im->renamed, im->ecs, &is_first);
}

/* A text of JSON in a text of YAML: of values of more than letters only quotes need care. */
static pen_status add_json(struct pen_buf *out, pen_slice text)
{
    PEN_TRY(pen_buf_add_byte(out, '"'));
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.ptr[i];
        PEN_TRY(c == '"' || c == '\\' ? pen_buf_add_byte(out, '\\') : PEN_OK);
        PEN_TRY(pen_buf_add_byte(out, c < 0x20 ? ' ' : c));
    }
    return pen_buf_add_byte(out, '"');
}

static pen_status fixed_json(struct pen_buf *out, pen_slice field, pen_slice value)
{
    pen_slice word;
    bool is_first = true;
    if (!is_list_field(field)) {
        return add_json(out, value);
    }
    PEN_TRY(pen_buf_add_byte(out, '['));
    while (imp_word(&value, &word)) {
        PEN_TRY(is_first ? PEN_OK : pen_buf_add_byte(out, ','));
        PEN_TRY(add_json(out, word));
        is_first = false;
    }
    return pen_buf_add_byte(out, ']');
}

static pen_status fixed_entry(struct import *im, pen_slice field, pen_slice value)
{
    struct pen_buf json;
    pen_buf_init(&json, USER_INI_VALUE_MAX * 2);
    pen_status st = fixed_json(&json, field, value);
    st = st == PEN_OK ? pen_buf_add(im->yaml, PEN_SLICE_LIT("  ")) : st;
    st = st == PEN_OK ? imp_scalar(im->yaml, field) : st;
    st = st == PEN_OK ? pen_buf_add(im->yaml, PEN_SLICE_LIT(": ")) : st;
    st = st == PEN_OK ? imp_scalar(im->yaml, pen_buf_slice(&json)) : st;
    st = st == PEN_OK ? pen_buf_add_byte(im->yaml, '\n') : st;
    pen_buf_fini(&json);
    return st;
}

pen_status imp_fixed(struct import *im)
{
    pen_slice rest = im->fixed;
    pen_slice field;
    bool is_first = true;
    while (imp_word(&rest, &field)) {
        const pen_slice value = imp_value(im, field);
        if (value.len == 0 || field.ptr[0] == '@' || is_repeated(im->fixed, field)) {
            continue; /* @log_type is the name of the type */
        }
        PEN_TRY(is_first ? pen_buf_add(im->yaml, PEN_SLICE_LIT("fixed:\n")) : PEN_OK);
        PEN_TRY(fixed_entry(im, field, value));
        is_first = false;
    }
    return PEN_OK;
}
