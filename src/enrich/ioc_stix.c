#include "penstock/json.h"

#include "ioc.h"

#include <stdio.h>
#include <stdlib.h>

#define OBJECT_BYTES_MAX ((size_t)4 << 20)
#define WINDOW_BYTES ((size_t)1 << 20)
#define WINDOW_BYTES_MAX (OBJECT_BYTES_MAX + WINDOW_BYTES)
#define IDENTITIES_MAX 1024U
#define PLAIN_BYTES_MAX ((size_t)64 << 20)

enum member {
    TYPE,
    ID,
    PATTERN,
    PATTERN_TYPE,
    REVOKED,
    VALID_UNTIL,
    MODIFIED,
    CREATED_BY,
    NAME,
    DESCRIPTION,
    URL,
    KIND,
    LABEL,
    FIRST_SEEN,
    LAST_SEEN,
    MEMBERS
};
static const char *const names[MEMBERS] = {
    [TYPE] = "type",
    [ID] = "id",
    [PATTERN] = "pattern",
    [PATTERN_TYPE] = "pattern_type",
    [REVOKED] = "revoked",
    [VALID_UNTIL] = "valid_until",
    [MODIFIED] = "modified",
    [CREATED_BY] = "created_by_ref",
    [NAME] = "name",
    [DESCRIPTION] = "description",
    [URL] = "external_references.url",
    [KIND] = "indicator_types",
    [LABEL] = "labels", /* of STIX 2.0 */
    [FIRST_SEEN] = "first_seen",
    [LAST_SEEN] = "last_seen",
};

struct identity { /* who made indicators */
    uint64_t id_hash;
    struct ioc_text name;
};
struct stix {
    struct ioc_reading *r;
    struct pen_plan *plan;
    struct pen_walker *walker;
    uint32_t fields[MEMBERS];
    struct pen_record record;
    struct pen_buf plain[MEMBERS]; /* texts without escapes, of one object */
    struct identity identities[IDENTITIES_MAX];
    uint32_t identity_count;
    bool saw_type;
    bool has_failed; /* out of memory */
};

/* ---- members ---- */

/* The text of a member, empty when it has none; it stays until the next object. */
static pen_slice text_of(struct stix *s, enum member member)
{
    const struct pen_value *value = pen_record_first(&s->record, s->fields[member]);
    while (value != NULL && value->kind != PEN_STRING && value->kind != PEN_BOOL) {
        value = pen_value_next(&s->record, value); /* the list around its elements */
    }
    if (value == NULL || !value->is_escaped) {
        return value == NULL ? (pen_slice){0} : value->text;
    }
    struct pen_buf *plain = &s->plain[member];
    plain->len = 0;
    if (pen_buf_reserve(plain, value->text.len) != PEN_OK) {
        s->has_failed = true;
        return (pen_slice){0};
    }
    plain->len = pen_json_unescape(value->text, plain->ptr);
    return pen_buf_slice(plain);
}

static int64_t time_of(struct stix *s, enum member member)
{
    int64_t time_ns = INT64_MIN;
    return pen_parse_time(text_of(s, member), &time_ns) ? time_ns : INT64_MIN;
}

static bool is_text(struct stix *s, enum member member, const char *text)
{
    return pen_slice_eq(text_of(s, member), pen_slice_str(text));
}

/* ---- objects ---- */

/* Who made indicators may stand behind them, and is looked for first. */
static pen_status identity_take(struct stix *s)
{
    struct ioc_list *list = s->r->list;
    if (!is_text(s, TYPE, "identity") || s->identity_count == IDENTITIES_MAX) {
        return PEN_OK;
    }
    const pen_slice name = pen_slice_sub(text_of(s, NAME), 0, PEN_IOC_WORDS_MAX);
    struct identity *to = &s->identities[s->identity_count++];
    to->id_hash = pen_hash64(text_of(s, ID), 0);
    to->name = (struct ioc_text){.at = pen_u32(list->texts.len), .len = pen_u32(name.len)};
    return pen_buf_add(&list->texts, name);
}

static const struct identity *identity_of(const struct stix *s, pen_slice id)
{
    const uint64_t hash = pen_hash64(id, 0);
    for (uint32_t i = 0; id.len > 0 && i < s->identity_count; i++) {
        if (s->identities[i].id_hash == hash) {
            return &s->identities[i];
        }
    }
    return NULL;
}

/* The words of an indicator; names of identities are copied, for texts move. */
static pen_status words_take(struct stix *s)
{
    struct ioc_reading *r = s->r;
    const struct identity *by = identity_of(s, text_of(s, CREATED_BY));
    ioc_detail_begin(r);
    if (by != NULL) {
        struct pen_buf *plain = &s->plain[CREATED_BY];
        plain->len = 0;
        PEN_TRY(pen_buf_add(plain, ioc_text_at(r->list, by->name)));
        r->words[IOC_PROVIDER] = pen_buf_slice(plain);
    }
    r->words[IOC_NAME] = text_of(s, NAME);
    r->words[IOC_DESCRIPTION] = text_of(s, DESCRIPTION);
    r->words[IOC_REFERENCE] = text_of(s, URL);
    r->words[IOC_CATEGORY] = text_of(s, KIND);
    if (r->words[IOC_CATEGORY].len == 0) {
        r->words[IOC_CATEGORY] = text_of(s, LABEL);
    }
    r->first_seen_ns = time_of(s, FIRST_SEEN);
    r->last_seen_ns = time_of(s, LAST_SEEN);
    r->modified_ns = time_of(s, MODIFIED);
    return PEN_OK;
}

static pen_status indicator_take(struct stix *s)
{
    struct ioc_reading *r = s->r;
    const char *unused = NULL;
    const int64_t until_ns = time_of(s, VALID_UNTIL);
    if (is_text(s, REVOKED, "true") || (until_ns != INT64_MIN && until_ns <= r->now_ns)) {
        r->list->ended++;
        return PEN_OK;
    }
    const pen_slice language = text_of(s, PATTERN_TYPE);
    if (language.len > 0 && !pen_slice_eq(language, PEN_SLICE_LIT("stix"))) {
        ioc_reject(r, text_of(s, ID), "has a pattern that is not of STIX");
        return PEN_OK;
    }
    PEN_TRY(words_take(s));
    PEN_TRY(ioc_read_pattern(r, text_of(s, PATTERN), &unused));
    if (unused != NULL) {
        char why[128];
        (void)snprintf(why, sizeof(why), "has a pattern that %s", unused);
        ioc_reject(r, text_of(s, ID), why);
    }
    return PEN_OK;
}

static pen_status object_take(struct stix *s)
{
    const int64_t modified_ns = time_of(s, MODIFIED);
    s->saw_type |= text_of(s, TYPE).len > 0;
    if (modified_ns > s->r->list->date_ns) {
        s->r->list->date_ns = modified_ns;
    }
    return is_text(s, TYPE, "indicator") ? indicator_take(s) : PEN_OK;
}

/* ---- the walk ---- */

static void bad_take(struct stix *s, const struct pen_err *why)
{
    char text[96];
    (void)snprintf(text, sizeof(text), "cannot be read: %.70s", why->text);
    ioc_reject(s->r, pen_slice_sub(s->record.raw, 0, 40), text);
}

/* The objects of one window. */
static pen_status window_take(struct stix *s, bool is_first, enum pen_next *got,
                              struct pen_err *err)
{
    pen_status st = PEN_OK;
    while (st == PEN_OK) {
        *got = pen_walker_next(s->walker, &s->record, err);
        if (*got == PEN_NEXT_MORE || *got == PEN_NEXT_END) {
            break;
        }
        if (*got == PEN_NEXT_RECORD) {
            st = is_first ? identity_take(s) : object_take(s);
        } else if (!is_first) {
            bad_take(s, err);
        }
    }
    return st;
}

/* One pass over all objects. */
static pen_status pass(struct stix *s, pen_slice text, bool is_first)
{
    size_t from = 0;
    size_t want = WINDOW_BYTES;
    enum pen_next got = PEN_NEXT_MORE;
    struct pen_err err = {0};
    pen_walker_reset(s->walker);
    while (got != PEN_NEXT_END) {
        const size_t len = text.len - from < want ? text.len - from : want;
        const pen_slice window = {text.ptr + from, len};
        err = (struct pen_err){0};
        pen_walker_window(s->walker, window, from + len == text.len);
        PEN_TRY(window_take(s, is_first, &got, &err));
        const size_t used = pen_walker_consumed(s->walker);
        PEN_CHECK(got == PEN_NEXT_END || used > 0 || len < WINDOW_BYTES_MAX);
        from += used;
        want = used > 0 ? WINDOW_BYTES : want * 2;
        want = want < WINDOW_BYTES_MAX ? want : WINDOW_BYTES_MAX;
    }
    if (err.status != PEN_OK) {
        return IOC_BAD(s->r, "is no whole JSON: %.100s", err.text);
    }
    return PEN_OK;
}

static pen_status passes(struct stix *s, pen_slice text)
{
    PEN_TRY(pass(s, text, true));
    PEN_TRY(pass(s, text, false));
    if (s->has_failed) {
        return PEN_E_NOMEM;
    }
    return s->saw_type || s->record.raw.len == 0
               ? PEN_OK
               : IOC_BAD(s->r, "its objects are none of STIX: they have no type");
}

static size_t at_most(size_t bytes, size_t most)
{
    return bytes < most ? bytes : most;
}

/* Buffers are as large as the text needs. */
static pen_status open_in(struct stix *s, size_t bytes)
{
    const struct pen_walker_options options = {.window_bytes_max = at_most(bytes, WINDOW_BYTES_MAX),
                                               .record_bytes_max = at_most(bytes, OBJECT_BYTES_MAX),
                                               .array_key = PEN_SLICE_LIT("objects")};
    struct pen_err err = {0};
    for (uint32_t i = 0; i < MEMBERS; i++) {
        pen_slice rest = pen_slice_str(names[i]);
        pen_slice steps[2];
        uint32_t count = 0;
        pen_buf_init(&s->plain[i], PLAIN_BYTES_MAX);
        while (count < PEN_COUNT(steps) && pen_slice_split(&rest, '.', &steps[count])) {
            count++;
        }
        s->fields[i] = pen_plan_field_new(s->plan);
        PEN_TRY(pen_plan_path(s->plan, s->fields[i], steps, count));
    }
    pen_plan_seal(s->plan);
    return pen_walker_new(s->plan, &options, &s->walker, &err);
}

pen_status ioc_read_stix(struct ioc_reading *r, pen_slice text)
{
    struct stix *s = calloc(1, sizeof(*s));
    struct pen_plan *plan = pen_plan_new();
    pen_status st = s == NULL || plan == NULL ? PEN_E_NOMEM : PEN_OK;
    if (st == PEN_OK) {
        s->r = r;
        s->plan = plan;
        r->line = 0;
        st = open_in(s, text.len);
    }
    if (st == PEN_OK) {
        st = passes(s, text);
    }
    if (s != NULL) {
        pen_walker_free(s->walker);
        for (uint32_t i = 0; i < MEMBERS; i++) {
            pen_buf_fini(&s->plain[i]);
        }
    }
    pen_plan_free(plan);
    free(s);
    return st;
}
