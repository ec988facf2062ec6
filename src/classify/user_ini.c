/* tested by tests/unit/classify/test_import.c */
#include "user_ini.h"

#define FIRST_ENTRIES 64U

struct reader {
    struct pen_arena *arena;
    struct user_ini *ini;
    uint32_t capacity;
    pen_slice section;
    uint32_t line;
    size_t indent;               /* of the key that may go on */
    struct user_ini_entry *open; /* NULL: nothing goes on */
    struct pen_err *err;
};

static pen_status fail(const struct reader *r, const char *reason)
{
    return PEN_FAIL(r->err, PEN_E_CONFIG, PEN_NO_OFFSET, "line %u: %s", r->line, reason);
}

static pen_status entry_add(struct reader *r, pen_slice key, pen_slice value)
{
    struct user_ini *ini = r->ini;
    for (uint32_t i = 0; i < ini->count; i++) {
        if (pen_slice_eq(ini->entries[i].section, r->section) &&
            pen_slice_eq(ini->entries[i].key, key)) {
            return fail(r, "the key stands twice in its section");
        }
    }
    if (ini->count == r->capacity) {
        const uint32_t capacity = r->capacity == 0 ? FIRST_ENTRIES : r->capacity * 2;
        struct user_ini_entry *more = PEN_NEW_N(r->arena, struct user_ini_entry, capacity);
        if (more == NULL || capacity > USER_INI_ENTRIES_MAX) {
            return fail(r, "too many keys");
        }
        if (ini->count > 0) {
            memcpy(more, ini->entries, ini->count * sizeof(*more));
        }
        ini->entries = more;
        r->capacity = capacity;
    }
    r->open = &ini->entries[ini->count++];
    *r->open =
        (struct user_ini_entry){.section = r->section, .key = key, .value = value, .line = r->line};
    return PEN_OK;
}

/* One more line of the open value. */
static pen_status value_more(struct reader *r, pen_slice line)
{
    const pen_slice before = r->open->value;
    uint8_t *to = pen_arena_alloc(r->arena, before.len + 1 + line.len, 1);
    if (to == NULL || before.len + line.len > USER_INI_VALUE_MAX) {
        return fail(r, "the value is too long");
    }
    if (before.len > 0) {
        memcpy(to, before.ptr, before.len);
    }
    to[before.len] = '\n';
    if (line.len > 0) {
        memcpy(to + before.len + 1, line.ptr, line.len);
    }
    r->open->value = (pen_slice){to, before.len + 1 + line.len};
    return PEN_OK;
}

static size_t delimiter_at(pen_slice line)
{
    size_t at = 0;
    while (at < line.len && line.ptr[at] != '=' && line.ptr[at] != ':') {
        at++;
    }
    return at;
}

static pen_status line_read(struct reader *r, pen_slice raw)
{
    const pen_slice line = pen_slice_trim(raw);
    if (line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == ';') {
        return PEN_OK;
    }
    const size_t indent = (size_t)(line.ptr - raw.ptr);
    if (r->open != NULL && indent > r->indent) {
        return value_more(r, line);
    }
    r->indent = indent;
    if (line.ptr[0] == '[') {
        const uint8_t *end = memchr(line.ptr, ']', line.len);
        if (end == NULL) {
            return fail(r, "the name of a section has no end");
        }
        r->section = pen_slice_sub(line, 1, (size_t)(end - line.ptr));
        r->open = NULL;
        return PEN_OK;
    }
    const size_t at = delimiter_at(line);
    const pen_slice key = pen_slice_trim(pen_slice_sub(line, 0, at));
    if (r->section.ptr == NULL) {
        return fail(r, "a key before the first section");
    }
    if (at == line.len || key.len == 0) {
        return fail(r, "neither a section, nor a key with a value");
    }
    return entry_add(r, key, pen_slice_trim(pen_slice_sub(line, at + 1, line.len)));
}

pen_status user_ini_read(struct pen_arena *arena, pen_slice text, struct user_ini *out,
                         struct pen_err *err)
{
    struct reader r = {.arena = arena, .ini = out, .err = err};
    pen_slice rest = text;
    pen_slice line;
    *out = (struct user_ini){0};
    if (pen_slice_starts(rest, PEN_SLICE_LIT("\xef\xbb\xbf"))) {
        rest = pen_slice_sub(rest, 3, rest.len);
    }
    while (pen_slice_split(&rest, '\n', &line)) {
        r.line++;
        PEN_TRY(line_read(&r, line));
    }
    return PEN_OK;
}

const struct user_ini_entry *user_ini_find(const struct user_ini *ini, pen_slice section,
                                           pen_slice key)
{
    const struct user_ini_entry *found = NULL;
    for (uint32_t i = 0; i < ini->count; i++) {
        const struct user_ini_entry *entry = &ini->entries[i];
        if (!pen_slice_eq(entry->key, key)) {
            continue;
        }
        if (pen_slice_eq(entry->section, section)) {
            return entry;
        }
        if (pen_slice_eq(entry->section, PEN_SLICE_LIT("DEFAULT"))) {
            found = entry;
        }
    }
    return found;
}

/* ---- values in values ---- */

struct expansion {
    const struct user_ini *ini;
    struct {
        pen_slice section, rest;
    } stack[USER_INI_NESTING_MAX];
    uint32_t depth, references;
    struct pen_buf out;
};

/* Behind "${": pushes the value that is meant. */
static const char *reference_push(struct expansion *e)
{
    pen_slice *rest = &e->stack[e->depth - 1].rest;
    const uint8_t *end = memchr(rest->ptr, '}', rest->len);
    if (end == NULL) {
        return "a ${ has no end";
    }
    pen_slice name = pen_slice_sub(*rest, 0, (size_t)(end - rest->ptr));
    pen_slice section = e->stack[e->depth - 1].section;
    const uint8_t *colon = name.len == 0 ? NULL : memchr(name.ptr, ':', name.len);
    *rest = pen_slice_sub(*rest, name.len + 1, rest->len);
    if (colon != NULL) {
        section = pen_slice_sub(name, 0, (size_t)(colon - name.ptr));
        name = pen_slice_sub(name, section.len + 1, name.len);
    }
    const struct user_ini_entry *entry = user_ini_find(e->ini, section, name);
    if (entry == NULL) {
        return "a ${...} names a key that is not there";
    }
    if (e->depth == USER_INI_NESTING_MAX || ++e->references > USER_INI_REFERENCES_MAX) {
        return "values name each other";
    }
    e->stack[e->depth].section = section;
    e->stack[e->depth++].rest = entry->value;
    return NULL;
}

static const char *expand_step(struct expansion *e)
{
    pen_slice *rest = &e->stack[e->depth - 1].rest;
    const uint8_t *dollar = rest->len == 0 ? NULL : memchr(rest->ptr, '$', rest->len);
    const size_t n = dollar == NULL ? rest->len : (size_t)(dollar - rest->ptr);
    if (pen_buf_add(&e->out, pen_slice_sub(*rest, 0, n)) != PEN_OK) {
        return "the value is too long";
    }
    *rest = pen_slice_sub(*rest, n, rest->len);
    if (rest->len == 0) {
        e->depth--;
        return NULL;
    }
    const uint8_t next = rest->len > 1 ? rest->ptr[1] : 0;
    *rest = pen_slice_sub(*rest, next == '$' || next == '{' ? 2 : 1, rest->len);
    if (next == '{') {
        return reference_push(e);
    }
    return pen_buf_add_byte(&e->out, '$') == PEN_OK ? NULL : "the value is too long";
}

pen_status user_ini_expand(struct pen_arena *arena, const struct user_ini *ini,
                           const struct user_ini_entry *entry, pen_slice *value,
                           struct pen_err *err)
{
    struct expansion e = {.ini = ini, .depth = 1};
    const char *problem = NULL;
    e.stack[0].section = entry->section;
    e.stack[0].rest = entry->value;
    pen_buf_init(&e.out, USER_INI_VALUE_MAX);
    while (e.depth > 0 && problem == NULL) {
        problem = expand_step(&e);
    }
    *value = pen_arena_dup(arena, pen_buf_slice(&e.out));
    if (problem == NULL && value->ptr == NULL && e.out.len > 0) {
        problem = "out of memory";
    }
    pen_buf_fini(&e.out);
    return problem == NULL ? PEN_OK : PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "%s", problem);
}
