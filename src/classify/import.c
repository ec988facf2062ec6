#include "penstock/classify.h"
#include "penstock/json.h"

#include "import_own.h"

#define ARENA_MAX ((size_t)256 << 20)

static bool is(pen_slice text, const char *word)
{
    return pen_slice_eq(text, pen_slice_str(word));
}

static pen_slice value(struct import *im, const char *key)
{
    return imp_value(im, pen_slice_str(key));
}

static const struct user_ini_entry *entry_of(const struct import *im, const char *key)
{
    return user_ini_find(&im->ini, im->section, pen_slice_str(key));
}

/* ---- keys that mean nothing here, or nothing yet ---- */

struct key_note {
    const char *key;
    const char *usual; /* the value of which nothing has to be said; NULL: any */
    const char *why;
};
static const char enrichment[] = "enrichment is set for all types at once";
static const char months[] = "indexes are named by the time of the event, in UTC";
static const struct key_note notes[] = {
    {"s3_key", NULL, NULL},
    {"file_format", NULL, NULL},
    {"json_delimiter", NULL, NULL},
    {"text_header_line_number", NULL, NULL},
    {"csv_delimiter", NULL, NULL},
    {"multiline_firstline", NULL, NULL},
    {"log_pattern", NULL, NULL},
    {"index_name", NULL, NULL},
    {"doc_id", NULL, NULL},
    {"doc_id_suffix", NULL, NULL},
    {"timestamp_key", NULL, NULL},
    {"timestamp_key_list", NULL, NULL},
    {"timestamp_format", NULL, NULL},
    {"field_prefix", NULL, NULL},
    {"json_to_text", NULL, NULL},
    {"ecs", NULL, NULL},
    {"static_ecs", NULL, NULL},
    {"cloud_provider", NULL, NULL},
    {"timestamp_nano", NULL, NULL},
    {"max_log_count", NULL, NULL},
    {"via_cwl", NULL, NULL},
    {"via_firelens", NULL, NULL},
    {"loggroup", NULL, NULL},
    {"renamed_newfields", NULL, "fields get their new names, the old ones stay beside them"},
    {"script_ecs", "", "its Python script is not run; what the script adds is missing"},
    {"s3_key_ignored", NULL, NULL},
    {"index_rotation", NULL, NULL},
    {"index_time", "@timestamp", months},
    {"index_tz", "+00:00", months},
    {"index_suffix", "", months},
    {"timestamp_tz", NULL, NULL},
    {"timestamp_format_list", NULL, NULL},
    {"file_timestamp_format", "", "the time of a key is found in one form only: _20250304T050607Z"},
    {"ecs_version", "1.10.0", "documents have version 1.10.0 of ECS"},
    {"ignore_container_stderr", "True", "what containers write to stderr is left out"},
    {"clientip_xff", "", enrichment},
    {"geoip", "", enrichment},
    {"ioc_ip", "", enrichment},
    {"ioc_domain", "", enrichment},
    {"user_agent_enrichment_field", "", enrichment}};

static pen_status entry_check(struct import *im, const struct user_ini_entry *entry)
{
    const pen_slice lists[] = {im->ecs, im->fixed, im->renamed};
    struct pen_err err;
    pen_slice text;
    if (user_ini_expand(&im->arena, &im->ini, entry, &text, &err) != PEN_OK) {
        return imp_tell(im, entry, err.text);
    }
    for (size_t i = 0; i < PEN_COUNT(notes); i++) {
        if (is(entry->key, notes[i].key)) {
            const bool is_usual = notes[i].usual != NULL && is(text, notes[i].usual);
            return notes[i].why == NULL || is_usual ? PEN_OK : imp_tell(im, entry, notes[i].why);
        }
    }
    for (size_t i = 0; i < PEN_COUNT(lists); i++) {
        if (imp_has_word(lists[i], entry->key)) {
            return PEN_OK;
        }
    }
    return imp_tell(im, entry, "no list of the section names it");
}

/* ---- framing ---- */

/* The word for `format`; "" is JSON, NULL what is not read. */
static const char *format_of(pen_slice file_format)
{
    static const char *const rows[][2] = {{"json", ""},
                                          {"text", "text"},
                                          {"multiline", "text"},
                                          {"csv", "columns"},
                                          {"winevtxml", "windows-event"}};
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        if (is(file_format, rows[i][0])) {
            return rows[i][1];
        }
    }
    return NULL;
}

/* These go on until something does not fit. */
static void raw(struct import *im, const char *text)
{
    im->status = im->status == PEN_OK ? pen_buf_add(im->yaml, pen_slice_str(text)) : im->status;
}

static void pair(struct import *im, const char *key, pen_slice text)
{
    im->status = im->status == PEN_OK ? imp_pair(im->yaml, key, text) : im->status;
}

static void words(struct import *im, const char *key, pen_slice list)
{
    raw(im, key);
    im->status = im->status == PEN_OK ? imp_words(im->yaml, list) : im->status;
    raw(im, "\n");
}

static void note(struct import *im, const struct user_ini_entry *entry, const char *why)
{
    im->status = im->status == PEN_OK ? imp_tell(im, entry, why) : im->status;
}

static void add_framing(struct import *im, const char *format)
{
    const pen_slice separator = value(im, "csv_delimiter");
    const pen_slice headers = value(im, "text_header_line_number");
    const bool is_tab = is(separator, "\\t") || is(separator, "tab");
    pair(im, "format", pen_slice_str(format));
    pair(im, "array", value(im, "json_delimiter"));
    if (is(pen_slice_str(format), "columns")) {
        pair(im, "separator", is_tab ? PEN_SLICE_LIT("tab") : separator);
    }
    if (is(pen_slice_str(format), "text")) {
        pair(im, "pattern", value(im, "log_pattern"));
        pair(im, "first_line", value(im, "multiline_firstline"));
        pair(im, "header_lines", is(headers, "0") ? (pen_slice){0} : headers);
    }
}

/* ---- time and names ---- */

static bool is_known_form(pen_slice form)
{
    for (size_t i = 0; i < form.len; i++) {
        if (form.ptr[i] == '%' &&
            (++i == form.len || strchr("YymdHIMSfbapz", form.ptr[i]) == NULL)) {
            return false;
        }
    }
    return true;
}

/* Our word for a form of the reference; NULL: none. */
static const char *form_word(pen_slice form)
{
    if (pen_slice_find(form, PEN_SLICE_LIT("epoch")) != SIZE_MAX) {
        return "epoch";
    }
    return is(form, "syslog") ? "syslog" : is(form, "iso8601") ? "rfc3339" : NULL;
}

/* One form of a list, behind a comma unless it is the first that is written. */
static void form_add(struct import *im, const char *key, pen_slice form, bool *is_first)
{
    const char *word = form_word(form);
    if (word == NULL && !is_known_form(form)) {
        note(im, entry_of(im, key),
             "known are %Y %y %m %d %H %I %M %S %f %b %a %p %z, epoch, iso8601 and syslog");
        return;
    }
    raw(im, *is_first ? "time_form: [" : ", ");
    im->status = im->status == PEN_OK
                     ? imp_scalar(im->yaml, word == NULL ? form : pen_slice_str(word))
                     : im->status;
    *is_first = false;
}

static void add_time_forms(struct import *im, pen_slice list)
{
    static const char key[] = "timestamp_format_list";
    struct pen_tokens tokens;
    struct pen_token token;
    uint8_t form[256];
    bool is_first = true;
    pen_tokens_init(&tokens, list);
    while (pen_tokens_next(&tokens, &token)) {
        if (token.kind == PEN_STRING && token.text.len <= sizeof(form)) {
            form_add(im, key, (pen_slice){form, pen_json_unescape(token.text, form)}, &is_first);
        } else if (!token.is_open && !token.is_close) {
            note(im, entry_of(im, key), "a list of texts in JSON is wanted");
        }
    }
    raw(im, is_first ? "" : "]\n");
}

static void add_time_form(struct import *im)
{
    const pen_slice list = value(im, "timestamp_format_list");
    const pen_slice form = value(im, "timestamp_format");
    const char *word = form_word(form);
    if (list.len > 0) {
        add_time_forms(im, list);
    } else if (form.len > 0 && word != NULL) {
        pair(im, "time_form", is(form, "iso8601") ? (pen_slice){0} : pen_slice_str(word));
    } else if (form.len > 0 && is_known_form(form)) {
        pair(im, "time_form", form);
    } else if (form.len > 0) {
        note(im, entry_of(im, "timestamp_format"),
             "known are %Y %y %m %d %H %I %M %S %f %b %a %p %z, epoch, iso8601 and syslog");
    }
}

/* +hh:mm, as the type wants it. */
static void add_time_zone(struct import *im)
{
    const pen_slice zone = value(im, "timestamp_tz");
    const bool is_zone = zone.len == 6 && zone.ptr[3] == ':' && strchr("+-", zone.ptr[0]) != NULL;
    if (zone.len > 0 && !is_zone) {
        note(im, entry_of(im, "timestamp_tz"), "+hh:mm or -hh:mm is wanted");
    } else if (zone.len > 0 && !is(zone, "+00:00")) {
        pair(im, "time_zone", zone);
    }
}

static void add_time(struct import *im)
{
    const pen_slice list = value(im, "timestamp_key_list");
    pen_slice rest = list.len > 0 ? list : value(im, "timestamp_key");
    pen_slice word;
    bool is_first = true;
    while (imp_word(&rest, &word) && im->status == PEN_OK) {
        raw(im, is_first ? "time: [" : ", ");
        im->status =
            imp_scalar(im->yaml, is(word, "file_timestamp") ? PEN_SLICE_LIT("@key") : word);
        is_first = false;
    }
    raw(im, is_first ? "" : "]\n");
    add_time_form(im);
    add_time_zone(im);
}

/* Who acts is not said: the user, else the address that the fields tell of. */
static void add_identity(struct import *im)
{
    static const char *const fields[] = {"user.name", "user.id", "source.ip"};
    for (size_t i = 0; i < PEN_COUNT(fields); i++) {
        const pen_slice list = value(im, fields[i]);
        if (list.len > 0 && imp_has_word(im->ecs, pen_slice_str(fields[i]))) {
            words(im, "identity: ", list);
            return;
        }
    }
}

static void add_rotation(struct import *im)
{
    const pen_slice text = value(im, "index_rotation");
    const struct user_ini_entry *entry = entry_of(im, "index_rotation");
    enum pen_rotation rotation = PEN_ROTATE_MONTHLY;
    if (text.len > 0 && !pen_rotation_parse(text, &rotation) && entry != NULL) {
        note(im, entry, "indexes are named by the month: this is no rotation");
    }
    if (rotation != PEN_ROTATE_MONTHLY) {
        pair(im, "rotation", text);
    }
}

static void add_names(struct import *im)
{
    const pen_slice id = value(im, "doc_id");
    const pen_slice texts = value(im, "json_to_text");
    pair(im, "id", id.len > 0 ? id : PEN_SLICE_LIT("md5"));
    pair(im, "id_suffix", value(im, "doc_id_suffix"));
    pair(im, "index", value(im, "index_name"));
    add_rotation(im);
    pair(im, "prefix", value(im, "field_prefix"));
    if (texts.len > 0) {
        words(im, "text: ", texts);
    }
    add_identity(im);
}

/* ---- sections ---- */

/* Why nothing can be made of a section; NULL: something can. */
static const char *section_problem(struct import *im, const char *format)
{
    const bool is_text = format != NULL && is(pen_slice_str(format), "text");
    if (im->section.len == 0) {
        return "the section has no name";
    }
    if (value(im, "s3_key").len == 0 || value(im, "index_name").len == 0 ||
        value(im, "file_format").len == 0) {
        return "nothing was made of the section: a type needs s3_key, file_format and index_name "
               "(of a built-in type start with `penstock types show`)";
    }
    if (format == NULL) {
        return "nothing was made of the section: this file_format is not read";
    }
    return is_text && value(im, "log_pattern").len == 0
               ? "nothing was made of the section: it has no log_pattern"
               : NULL;
}

static void section_add(struct import *im)
{
    raw(im, im->yaml->len > 0 ? "---\n" : "");
    pair(im, "name", im->section);
    pair(im, "key", value(im, "s3_key"));
    pair(im, "ignore", value(im, "s3_key_ignored"));
    add_framing(im, format_of(value(im, "file_format")));
    add_time(im);
    add_names(im);
    im->status = im->status == PEN_OK ? imp_map(im) : im->status;
    im->status = im->status == PEN_OK ? imp_fixed(im) : im->status;
}

/* The section that begins with this entry. */
static pen_status section_import(struct import *im, uint32_t first)
{
    im->section = im->ini.entries[first].section;
    im->ecs = value(im, "ecs");
    im->fixed = value(im, "static_ecs");
    im->renamed = value(im, "renamed_newfields");
    const char *problem = section_problem(im, format_of(value(im, "file_format")));
    if (problem != NULL) {
        return imp_tell(im, &im->ini.entries[first], problem);
    }
    for (uint32_t i = first; i < im->ini.count && im->status == PEN_OK; i++) {
        if (pen_slice_eq(im->ini.entries[i].section, im->section)) {
            im->status = entry_check(im, &im->ini.entries[i]);
        }
    }
    section_add(im);
    return im->status;
}

static bool is_first_of_section(const struct user_ini *ini, uint32_t at)
{
    for (uint32_t i = 0; i < at; i++) {
        if (pen_slice_eq(ini->entries[i].section, ini->entries[at].section)) {
            return false;
        }
    }
    return !is(ini->entries[at].section, "DEFAULT");
}

static pen_status import_all(struct import *im, pen_slice ini, struct pen_err *err)
{
    pen_status st = user_ini_read(&im->arena, ini, &im->ini, err);
    if (st != PEN_OK) {
        return st;
    }
    for (uint32_t i = 0; i < im->ini.count && st == PEN_OK; i++) {
        st = is_first_of_section(&im->ini, i) ? section_import(im, i) : PEN_OK;
    }
    return st == PEN_OK ? PEN_OK : PEN_FAIL(err, st, PEN_NO_OFFSET, "out of memory");
}

pen_status pen_types_import(pen_slice ini, struct pen_buf *yaml, struct pen_buf *told,
                            struct pen_err *err)
{
    struct import im = {.yaml = yaml, .told = told, .status = PEN_OK};
    pen_arena_init(&im.arena, ARENA_MAX);
    const pen_status st = import_all(&im, ini, err);
    pen_arena_fini(&im.arena);
    return st;
}
