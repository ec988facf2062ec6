#include "ini.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define FILE_SHOWN_MAX 120 /* bytes of the file's name in an error */

/* A section has an entry without a name. */
struct entry {
    pen_slice profile;
    pen_slice name;
    pen_slice value;
    bool is_strong; /* of "[profile default]" */
};

struct ini {
    uint8_t *text;
    size_t text_len;
    struct entry *entries;
    uint32_t count, cap;
};

struct reader {
    struct ini *ini;
    enum ini_kind kind;
    const char *file;
    struct pen_err *err;
    size_t line_at; /* offset of the line */
    uint32_t line_no;
    size_t indent; /* of the property or section above */
    bool has_section;
    bool is_wanted; /* the section is a profile */
    bool is_strong;
    pen_slice profile;
    bool has_property;
    bool is_nested;        /* the property above has no value: what is indented below nests */
    struct entry *entry;   /* of the property above; NULL when its section is skipped */
    uint8_t *continued_at; /* where the value above ends */
};

#define BAD(r, status, ...) bad(r, status, PEN_HERE, __VA_ARGS__)

static PEN_COLD pen_status bad(const struct reader *r, pen_status status, const char *where,
                               const char *why)
{
    return pen_err_set(r->err, status, r->line_at, where, "%.*s, line %u: %s", FILE_SHOWN_MAX,
                       r->file, r->line_no, why);
}

static bool is_blank(uint8_t b)
{
    return b == ' ' || b == '\t';
}

/* In place: the text is ours. */
static void lower(pen_slice s)
{
    uint8_t *p = pen_unconst(s.ptr);
    for (size_t i = 0; i < s.len; i++) {
        p[i] = (uint8_t)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] + ('a' - 'A') : p[i]);
    }
}

static pen_status entry_add(struct reader *r, struct entry entry)
{
    struct ini *ini = r->ini;
    if (ini->count == ini->cap) {
        const uint32_t cap = ini->cap == 0 ? 64 : ini->cap * 2;
        if (cap > INI_ENTRIES_MAX) {
            return BAD(r, PEN_E_LIMIT, "more than " PEN_STR(INI_ENTRIES_MAX) " values");
        }
        struct entry *more = realloc(ini->entries, cap * sizeof(*more));
        if (more == NULL) {
            return BAD(r, PEN_E_NOMEM, "out of memory");
        }
        ini->entries = more;
        ini->cap = cap;
    }
    r->entry = &ini->entries[ini->count++];
    *r->entry = entry;
    return PEN_OK;
}

/* ---- lines ---- */

/* "NAME" or 'NAME' without the quotes. */
static pen_slice unquoted(pen_slice s)
{
    const bool is_quoted =
        s.len >= 2 && (s.ptr[0] == '"' || s.ptr[0] == '\'') && s.ptr[s.len - 1] == s.ptr[0];
    return is_quoted ? pen_slice_sub(s, 1, s.len - 1) : s;
}

/* What a section's title means; false: no profile. */
static bool profile_of_title(struct reader *r, pen_slice title, pen_slice *profile)
{
    static const pen_slice word = {(const uint8_t *)"profile", 7};
    r->is_strong = false;
    *profile = unquoted(title);
    if (r->kind == INI_CREDENTIALS) {
        return profile->len > 0;
    }
    if (pen_slice_eq(title, PEN_SLICE_LIT("default"))) {
        return true;
    }
    if (!pen_slice_starts(title, word) || title.len == word.len || !is_blank(title.ptr[word.len])) {
        return false;
    }
    *profile = unquoted(pen_slice_trim(pen_slice_sub(title, word.len, title.len)));
    r->is_strong = true;
    return profile->len > 0;
}

static pen_status section(struct reader *r, pen_slice line)
{
    const uint8_t *end = memchr(line.ptr, ']', line.len);
    if (end == NULL) {
        return BAD(r, PEN_E_CONFIG, "the section has no \"]\"");
    }
    const size_t len = (size_t)(end - line.ptr);
    const pen_slice behind = pen_slice_trim(pen_slice_sub(line, len + 1, line.len));
    if (behind.len > 0 && behind.ptr[0] != '#' && behind.ptr[0] != ';') {
        return BAD(r, PEN_E_CONFIG, "only a comment may follow the \"]\" of a section");
    }
    r->has_section = true;
    r->has_property = false;
    r->is_wanted = profile_of_title(r, pen_slice_trim(pen_slice_sub(line, 1, len)), &r->profile);
    if (!r->is_wanted) {
        return PEN_OK;
    }
    return entry_add(r, (struct entry){.profile = r->profile, .is_strong = r->is_strong});
}

static pen_status property(struct reader *r, pen_slice line)
{
    size_t at = 0;
    while (at < line.len && line.ptr[at] != '=' && line.ptr[at] != ':') {
        at++;
    }
    if (at == line.len) {
        return BAD(r, PEN_E_CONFIG, "neither \"[section]\" nor \"name = value\"");
    }
    const pen_slice name = pen_slice_trim(pen_slice_sub(line, 0, at));
    const pen_slice value = pen_slice_trim(pen_slice_sub(line, at + 1, line.len));
    if (name.len == 0) {
        return BAD(r, PEN_E_CONFIG, "a value without a name");
    }
    if (!r->has_section) {
        return BAD(r, PEN_E_CONFIG, "a value before the first \"[section]\"");
    }
    r->has_property = true;
    r->is_nested = value.len == 0;
    r->entry = NULL;
    if (!r->is_wanted) {
        return PEN_OK;
    }
    lower(name);
    r->continued_at = value.len == 0 ? NULL : pen_unconst(value.ptr + value.len);
    return entry_add(
        r, (struct entry){
               .profile = r->profile, .name = name, .value = value, .is_strong = r->is_strong});
}

/* The value grows over the line's end and indent, which are at least two bytes. */
static void continuation(struct reader *r, pen_slice line)
{
    if (r->is_nested || r->entry == NULL) {
        return;
    }
    *r->continued_at++ = '\n';
    memmove(r->continued_at, line.ptr, line.len);
    r->continued_at += line.len;
    r->entry->value.len += 1 + line.len;
}

static pen_status one_line(struct reader *r, pen_slice raw)
{
    size_t indent = 0;
    while (indent < raw.len && is_blank(raw.ptr[indent])) {
        indent++;
    }
    const pen_slice line = pen_slice_trim(raw);
    if (line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == ';') {
        return PEN_OK;
    }
    if (r->has_property && indent > r->indent) {
        continuation(r, line);
        return PEN_OK;
    }
    r->indent = indent;
    return line.ptr[0] == '[' ? section(r, line) : property(r, line);
}

static pen_status all_lines(struct reader *r, pen_slice text)
{
    static const pen_slice mark = {(const uint8_t *)"\xEF\xBB\xBF", 3}; /* some editors' first */
    size_t at = pen_slice_starts(text, mark) ? mark.len : 0;
    while (at < text.len) {
        const uint8_t *feed = memchr(text.ptr + at, '\n', text.len - at);
        const size_t end = feed == NULL ? text.len : (size_t)(feed - text.ptr);
        r->line_at = at;
        r->line_no++;
        PEN_TRY(one_line(r, pen_slice_sub(text, at, end)));
        at = end + 1;
    }
    return PEN_OK;
}

/* ---- the file ---- */

pen_status pen_ini_parse(struct ini **out, pen_slice text, enum ini_kind kind, const char *file,
                         struct pen_err *err)
{
    struct reader r = {.kind = kind, .file = file, .err = err};
    *out = NULL;
    if (text.len > INI_BYTES_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, INI_BYTES_MAX, "%.*s: more than %zu bytes",
                        FILE_SHOWN_MAX, file, INI_BYTES_MAX);
    }
    const uint8_t *nul = text.len == 0 ? NULL : memchr(text.ptr, '\0', text.len);
    if (nul != NULL) {
        return PEN_FAIL(err, PEN_E_CONFIG, (uint64_t)(nul - text.ptr), "%.*s: byte %zu is a NUL",
                        FILE_SHOWN_MAX, file, (size_t)(nul - text.ptr));
    }
    r.ini = calloc(1, sizeof(*r.ini));
    if (r.ini != NULL) {
        r.ini->text = malloc(text.len + 1);
        r.ini->text_len = text.len;
    }
    if (r.ini == NULL || r.ini->text == NULL) {
        free(r.ini);
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "%.*s: out of memory", FILE_SHOWN_MAX,
                        file);
    }
    if (text.len > 0) {
        memcpy(r.ini->text, text.ptr, text.len);
    }
    const pen_status status = all_lines(&r, (pen_slice){r.ini->text, text.len});
    if (status != PEN_OK) {
        pen_ini_free(r.ini);
        return status;
    }
    *out = r.ini;
    return PEN_OK;
}

void pen_ini_free(struct ini *ini)
{
    if (ini != NULL) {
        OPENSSL_cleanse(ini->text, ini->text_len);
        free(ini->text);
        free(ini->entries);
        free(ini);
    }
}

/* The section that counts for a profile is the strong one, if there is any. */
static bool has(const struct ini *ini, pen_slice profile, bool is_strong)
{
    for (uint32_t i = 0; i < ini->count; i++) {
        if (ini->entries[i].is_strong == is_strong &&
            pen_slice_eq(ini->entries[i].profile, profile)) {
            return true;
        }
    }
    return false;
}

bool pen_ini_has(const struct ini *ini, pen_slice profile)
{
    return has(ini, profile, true) || has(ini, profile, false);
}

bool pen_ini_get(const struct ini *ini, pen_slice profile, pen_slice name, pen_slice *value)
{
    const bool is_strong = has(ini, profile, true);
    *value = (pen_slice){NULL, 0};
    for (uint32_t i = ini->count; i > 0; i--) {
        const struct entry *e = &ini->entries[i - 1];
        if (e->is_strong == is_strong && e->name.len > 0 && pen_slice_eq(e->name, name) &&
            pen_slice_eq(e->profile, profile)) {
            *value = e->value;
            return true;
        }
    }
    return false;
}

pen_slice pen_ini_plain(pen_slice value)
{
    for (size_t i = 1; i < value.len; i++) {
        const uint8_t b = value.ptr[i];
        if ((b == '#' || b == ';') && is_blank(value.ptr[i - 1])) {
            return pen_slice_trim(pen_slice_sub(value, 0, i));
        }
    }
    return value;
}
