/* tested by tests/unit/enrich/test_ioc_list.c */
#include "ioc.h"

#include <stdio.h>
#include <stdlib.h>

#define COLUMNS_MAX 64U
#define FIELD_MAX 8192U /* bytes of one in quotes, which has its quotes undone */

/* What a column is for: values are looked up, and said to be of the type when they are. */
enum role { ROLE_VALUE, ROLE_WORD, ROLE_FIRST, ROLE_LAST, ROLE_MODIFIED, ROLE_TYPE, ROLE_NONE };
struct column {
    const char *name;
    enum role role;
    uint32_t what; /* enum pen_ioc_type, enum ioc_word */
};
static const struct column known[] = {
    {"indicator", ROLE_VALUE, PEN_IOC_TYPES},
    {"indicator_value", ROLE_VALUE, PEN_IOC_TYPES},
    {"ioc", ROLE_VALUE, PEN_IOC_TYPES},
    {"ioc_value", ROLE_VALUE, PEN_IOC_TYPES},
    {"value", ROLE_VALUE, PEN_IOC_TYPES},
    {"observable", ROLE_VALUE, PEN_IOC_TYPES},
    {"ip", ROLE_VALUE, PEN_IOC_IPV4},
    {"ip_address", ROLE_VALUE, PEN_IOC_IPV4},
    {"ipaddress", ROLE_VALUE, PEN_IOC_IPV4},
    {"dst_ip", ROLE_VALUE, PEN_IOC_IPV4},
    {"cidr", ROLE_VALUE, PEN_IOC_IPV4},
    {"network", ROLE_VALUE, PEN_IOC_IPV4},
    {"domain", ROLE_VALUE, PEN_IOC_DOMAIN},
    {"hostname", ROLE_VALUE, PEN_IOC_DOMAIN},
    {"url", ROLE_VALUE, PEN_IOC_URL},
    {"hash", ROLE_VALUE, PEN_IOC_FILE},
    {"md5", ROLE_VALUE, PEN_IOC_FILE},
    {"md5_hash", ROLE_VALUE, PEN_IOC_FILE},
    {"sha1", ROLE_VALUE, PEN_IOC_FILE},
    {"sha1_hash", ROLE_VALUE, PEN_IOC_FILE},
    {"sha256", ROLE_VALUE, PEN_IOC_FILE},
    {"sha256_hash", ROLE_VALUE, PEN_IOC_FILE},
    {"user_agent", ROLE_VALUE, PEN_IOC_AGENT},
    {"user-agent", ROLE_VALUE, PEN_IOC_AGENT},
    {"provider", ROLE_WORD, IOC_PROVIDER},
    {"source", ROLE_WORD, IOC_PROVIDER},
    {"name", ROLE_WORD, IOC_NAME},
    {"malware", ROLE_WORD, IOC_NAME},
    {"threat", ROLE_WORD, IOC_NAME},
    {"description", ROLE_WORD, IOC_DESCRIPTION},
    {"comment", ROLE_WORD, IOC_DESCRIPTION},
    {"reference", ROLE_WORD, IOC_REFERENCE},
    {"link", ROLE_WORD, IOC_REFERENCE},
    {"category", ROLE_WORD, IOC_CATEGORY},
    {"first_seen", ROLE_FIRST, 0},
    {"first_seen_utc", ROLE_FIRST, 0},
    {"last_seen", ROLE_LAST, 0},
    {"last_seen_utc", ROLE_LAST, 0},
    {"last_online", ROLE_LAST, 0},
    {"modified_at", ROLE_MODIFIED, 0},
    {"modified", ROLE_MODIFIED, 0},
    {"type", ROLE_TYPE, 0},
    {"indicator_type", ROLE_TYPE, 0},
    {"ioc_type", ROLE_TYPE, 0},
};

struct field {
    pen_slice text;  /* as written, or undone in room */
    bool is_last;    /* of its row */
    uint32_t breaks; /* line ends in quotes */
};
struct csv {
    struct ioc_reading *r;
    pen_slice rest;
    struct column columns[COLUMNS_MAX];
    uint32_t column_count;
    uint8_t room[COLUMNS_MAX][FIELD_MAX]; /* of fields with quotes in them, by column */
    pen_slice values[COLUMNS_MAX];
};

/* ---- fields ---- */

/* Cuts off what stands before the next comma or line end. */
static void plain_field(pen_slice *rest, struct field *out)
{
    size_t at = 0;
    while (at < rest->len && rest->ptr[at] != ',' && rest->ptr[at] != '\n') {
        at++;
    }
    out->text = pen_slice_trim(pen_slice_sub(*rest, 0, at));
    out->is_last = at == rest->len || rest->ptr[at] == '\n';
    *rest = pen_slice_sub(*rest, at + 1, rest->len);
}

/* In quotes: commas and line ends are its own, two quotes are one.  False: it does not end, or has
 * more than FIELD_MAX bytes, or something behind its quotes. */
static bool quoted_field(pen_slice *rest, uint8_t *room, struct field *out)
{
    size_t at = 1;
    size_t len = 0;
    for (; at < rest->len && len < FIELD_MAX; at++) {
        if (rest->ptr[at] == '"') {
            if (at + 1 == rest->len || rest->ptr[at + 1] != '"') {
                break;
            }
            at++;
        }
        out->breaks += rest->ptr[at] == '\n';
        room[len++] = rest->ptr[at];
    }
    if (at >= rest->len || rest->ptr[at] != '"') {
        return false;
    }
    *rest = pen_slice_sub(*rest, at + 1, rest->len);
    struct field behind = {0};
    plain_field(rest, &behind);
    out->text = (pen_slice){room, len};
    out->is_last = behind.is_last;
    return behind.text.len == 0;
}

static bool field_next(pen_slice *rest, uint8_t *room, struct field *out)
{
    *out = (struct field){0};
    while (rest->len > 0 && (rest->ptr[0] == ' ' || rest->ptr[0] == '\t')) {
        *rest = pen_slice_sub(*rest, 1, rest->len);
    }
    if (rest->len > 0 && rest->ptr[0] == '"') {
        return quoted_field(rest, room, out);
    }
    plain_field(rest, out);
    return true;
}

/* ---- the first line ---- */

static struct column column_of(pen_slice name)
{
    for (size_t i = 0; i < PEN_COUNT(known); i++) {
        if (pen_slice_eq_nocase(name, pen_slice_str(known[i].name))) {
            return known[i];
        }
    }
    return (struct column){.role = ROLE_NONE};
}

/* Comments and empty lines before the names; they may tell the date of the list. */
static void comments_skip(struct ioc_reading *r, pen_slice *rest)
{
    while (rest->len > 0) {
        pen_slice after = *rest;
        pen_slice line;
        (void)pen_slice_split(&after, '\n', &line);
        const pen_slice text = pen_slice_trim(line);
        if (text.len > 0 && text.ptr[0] != '#') {
            return;
        }
        if (r != NULL) {
            r->line++;
            ioc_date_take(r, text);
        }
        *rest = after;
    }
}

bool ioc_is_csv(pen_slice text)
{
    uint8_t room[FIELD_MAX];
    pen_slice line = {0}; /* there is none of a text of comments */
    struct field field = {0};
    comments_skip(NULL, &text);
    (void)pen_slice_split(&text, '\n', &line);
    while (line.len > 0 && !field.is_last) {
        if (!field_next(&line, room, &field)) {
            return false;
        }
        if (column_of(field.text).role == ROLE_VALUE) {
            return true;
        }
    }
    return false;
}

static pen_status header_read(struct csv *c)
{
    struct ioc_reading *r = c->r;
    struct field field = {0};
    comments_skip(r, &c->rest);
    r->line++;
    for (; !field.is_last; c->column_count++) {
        if (c->column_count == COLUMNS_MAX) {
            return IOC_BAD(r, "more than %u columns", COLUMNS_MAX);
        }
        if (!field_next(&c->rest, c->room[0], &field)) {
            return IOC_BAD(r, "line %u: a quote that does not end", r->line);
        }
        c->columns[c->column_count] = column_of(field.text);
    }
    return PEN_OK;
}

/* ---- rows ---- */

static int64_t time_of(pen_slice text)
{
    int64_t time_ns = INT64_MIN;
    return pen_parse_time(text, &time_ns) ? time_ns : INT64_MIN;
}

/* The type that a column `type` tells; PEN_IOC_TYPES: what the value looks like. */
static enum pen_ioc_type type_of(pen_slice text)
{
    static const struct {
        const char *name;
        enum pen_ioc_type type;
    } names[] = {{"ipv4-addr", PEN_IOC_IPV4},   {"ipv6-addr", PEN_IOC_IPV6},
                 {"ip", PEN_IOC_IPV4},          {"domain-name", PEN_IOC_DOMAIN},
                 {"domain", PEN_IOC_DOMAIN},    {"url", PEN_IOC_URL},
                 {"file", PEN_IOC_FILE},        {"user-agent", PEN_IOC_AGENT},
                 {"user_agent", PEN_IOC_AGENT}, {"md5_hash", PEN_IOC_FILE},
                 {"sha256_hash", PEN_IOC_FILE}};
    for (size_t i = 0; i < PEN_COUNT(names); i++) {
        if (pen_slice_eq_nocase(text, pen_slice_str(names[i].name))) {
            return names[i].type;
        }
    }
    return PEN_IOC_TYPES;
}

/* What all indicators of the row have. */
static enum pen_ioc_type detail_take(struct csv *c, uint32_t count)
{
    struct ioc_reading *r = c->r;
    enum pen_ioc_type type = PEN_IOC_TYPES;
    ioc_detail_begin(r);
    for (uint32_t i = 0; i < count; i++) {
        const struct column *column = &c->columns[i];
        switch (column->role) {
        case ROLE_WORD:
            r->words[column->what] = c->values[i];
            break;
        case ROLE_FIRST:
            r->first_seen_ns = time_of(c->values[i]);
            break;
        case ROLE_LAST:
            r->last_seen_ns = time_of(c->values[i]);
            break;
        case ROLE_MODIFIED:
            r->modified_ns = time_of(c->values[i]);
            break;
        case ROLE_TYPE:
            type = type_of(c->values[i]);
            break;
        case ROLE_VALUE:
        case ROLE_NONE:
            break;
        }
    }
    return type;
}

static pen_status row_take(struct csv *c, uint32_t count)
{
    struct ioc_reading *r = c->r;
    const enum pen_ioc_type type = detail_take(c, count);
    pen_status st = PEN_OK;
    uint32_t values = 0;
    for (uint32_t i = 0; st == PEN_OK && i < count; i++) {
        const enum pen_ioc_type own = (enum pen_ioc_type)c->columns[i].what;
        if (c->columns[i].role == ROLE_VALUE && c->values[i].len > 0) {
            st = ioc_row_add(r, c->values[i], own == PEN_IOC_TYPES ? type : own);
            values++;
        }
    }
    if (values == 0) {
        ioc_reject(r, c->values[0], "begins a row without an indicator");
    }
    return st;
}

/* Fields up to the end of the line.  False: a quote does not end, the rest of the line is gone. */
static bool fields_take(struct csv *c, uint32_t *count, uint32_t *breaks)
{
    struct field field = {0};
    *count = 0;
    *breaks = 0;
    while (!field.is_last) {
        const uint32_t at = *count < COLUMNS_MAX ? *count : COLUMNS_MAX - 1;
        if (!field_next(&c->rest, c->room[at], &field)) {
            pen_slice line;
            (void)pen_slice_split(&c->rest, '\n', &line);
            return false;
        }
        c->values[at] = field.text;
        *breaks += field.breaks;
        ++*count;
    }
    return true;
}

static pen_status row_read(struct csv *c)
{
    struct ioc_reading *r = c->r;
    uint32_t count = 0;
    uint32_t breaks = 0;
    const pen_slice from = c->rest;
    const bool is_good = fields_take(c, &count, &breaks);
    pen_status st = PEN_OK;
    if (!is_good) {
        ioc_reject(r, pen_slice_sub(from, 0, 32), "begins a row with a quote that does not end");
    } else if (count > c->column_count) {
        ioc_reject(r, c->values[0], "begins a row with more fields than the first line names");
    } else {
        st = row_take(c, count);
    }
    r->line += breaks;
    return st;
}

static pen_status rows_read(struct csv *c)
{
    while (c->rest.len > 0) {
        pen_slice after = c->rest;
        pen_slice line;
        (void)pen_slice_split(&after, '\n', &line);
        line = pen_slice_trim(line);
        c->r->line++;
        if (line.len == 0 || line.ptr[0] == '#') {
            ioc_date_take(c->r, line);
            c->rest = after;
            continue;
        }
        PEN_TRY(row_read(c));
    }
    return PEN_OK;
}

pen_status ioc_read_csv(struct ioc_reading *r, pen_slice text)
{
    struct csv *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return PEN_E_NOMEM;
    }
    c->r = r;
    c->rest = text;
    pen_status st = header_read(c);
    if (st == PEN_OK) {
        st = rows_read(c);
    }
    free(c);
    return st;
}
