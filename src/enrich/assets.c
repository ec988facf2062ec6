#include "assets.h"

#include "penstock/json.h"

#include "whole_file.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA_MAX ((size_t)1 << 30)
#define COLUMNS_MAX 16U
#define FIELD_BYTES_MAX 1024U
#define ACCOUNT_DIGITS 12U

enum column { COLUMN_ALIAS, COLUMN_ENVIRONMENT, COLUMN_OWNER, COLUMN_ACCOUNT, COLUMN_IP, COLUMNS };
static const char *const names[COLUMNS] = {"alias", "environment", "owner", "account", "ip"};
_Static_assert((int)COLUMN_ACCOUNT == (int)PEN_ASSET_PARTS, "the first columns are the parts");

struct reading {
    struct assets *assets;
    struct range *networks;
    uint32_t *lines; /* by row */
    uint32_t network_count, room;
    uint32_t line;
    enum column columns[COLUMNS_MAX];
    uint32_t column_count;
    struct pen_buf text; /* a field, then the same as JSON */
    char why[160];
};

#define BAD(r, ...) ((void)snprintf((r)->why, sizeof((r)->why), __VA_ARGS__), PEN_E_USAGE)

/* ---- lines ---- */

/* Cuts the next field off; one in quotes may hold commas, and quotes that are doubled.  It lies in
 * r->text then. */
static pen_status field_next(struct reading *r, pen_slice *rest, pen_slice *field)
{
    if (rest->len == 0 || rest->ptr[0] != '"') {
        (void)pen_slice_split(rest, ',', field);
        *field = pen_slice_trim(*field);
        return field->len <= FIELD_BYTES_MAX
                   ? PEN_OK
                   : BAD(r, "a field of more than %u bytes", FIELD_BYTES_MAX);
    }
    size_t at = 1;
    r->text.len = 0;
    for (; at < rest->len &&
           (rest->ptr[at] != '"' || (at + 1 < rest->len && rest->ptr[at + 1] == '"'));
         at++) {
        at += rest->ptr[at] == '"';
        if (r->text.len == FIELD_BYTES_MAX || pen_buf_add_byte(&r->text, rest->ptr[at]) != PEN_OK) {
            return BAD(r, "a field of more than %u bytes", FIELD_BYTES_MAX);
        }
    }
    if (at >= rest->len || (at + 1 < rest->len && rest->ptr[at + 1] != ',')) {
        return BAD(r, "a quote that does not end");
    }
    *field = pen_buf_slice(&r->text);
    /* Behind a comma at the very end is an empty field: no bytes, but not NULL. */
    *rest = at + 1 < rest->len ? pen_slice_sub(*rest, at + 2, rest->len) : (pen_slice){0};
    return PEN_OK;
}

static pen_status header(struct reading *r, pen_slice line)
{
    pen_slice rest = line;
    pen_slice name;
    uint32_t seen = 0;
    while (rest.ptr != NULL) {
        PEN_TRY(field_next(r, &rest, &name));
        uint32_t column = 0;
        while (column < COLUMNS && !pen_slice_eq(name, pen_slice_str(names[column]))) {
            column++;
        }
        if (column == COLUMNS) {
            return BAD(r, "no column `%.*s`: account, ip, alias, environment, owner",
                       (int)(name.len < 40 ? name.len : 40), (const char *)name.ptr);
        }
        if ((seen >> column & 1U) != 0) {
            return BAD(r, "a second column `%s`", names[column]);
        }
        seen |= 1U << column;
        r->columns[r->column_count++] = (enum column)column;
    }
    return (seen & (1U << COLUMN_ACCOUNT | 1U << COLUMN_IP)) != 0
               ? PEN_OK
               : BAD(r, "the first line names the columns, `account` or `ip` among them");
}

static bool is_account(pen_slice text, uint64_t *number)
{
    return text.len == ACCOUNT_DIGITS && pen_parse_u64(text, number);
}

static pen_status key_take(struct reading *r, enum column column, pen_slice text, uint32_t row)
{
    struct assets *a = r->assets;
    struct pen_err err = {0};
    if (column == COLUMN_IP) {
        struct range *to = &r->networks[r->network_count++];
        if (range_parse(text, to, &err) != PEN_OK) {
            return BAD(r, "%.140s", err.text);
        }
        to->value = row;
        return PEN_OK;
    }
    struct asset_account *to = &a->accounts[a->account_count++];
    to->row = row;
    return is_account(text, &to->number) ? PEN_OK : BAD(r, "an account is 12 digits");
}

/* The inside of a JSON string, in the arena. */
static pen_status part_take(struct reading *r, enum column column, pen_slice text,
                            struct pen_asset *asset)
{
    struct pen_buf json;
    if (!pen_utf8_valid(text)) {
        return BAD(r, "%s is not UTF-8", names[column]);
    }
    pen_buf_init(&json, (size_t)FIELD_BYTES_MAX * 6 + 8);
    pen_status st = pen_json_escape(&json, text);
    if (st == PEN_OK) {
        asset->parts[column] = pen_arena_dup(&r->assets->arena, pen_buf_slice(&json));
        asset->escaped |= (uint8_t)((json.len != text.len) << column);
        st = asset->parts[column].ptr == NULL ? PEN_E_NOMEM : PEN_OK;
    }
    pen_buf_fini(&json);
    return st;
}

static pen_status value_take(struct reading *r, enum column column, pen_slice text, uint32_t *keys)
{
    struct assets *a = r->assets;
    const bool is_key = column >= COLUMN_ACCOUNT;
    if (text.len == 0) {
        return PEN_OK;
    }
    *keys += is_key;
    return is_key ? key_take(r, column, text, a->row_count)
                  : part_take(r, column, text, &a->rows[a->row_count]);
}

static pen_status row(struct reading *r, pen_slice line)
{
    pen_slice rest = line;
    pen_slice text;
    uint32_t count = 0;
    uint32_t keys = 0;
    r->lines[r->assets->row_count] = r->line;
    for (; rest.ptr != NULL; count++) {
        PEN_TRY(field_next(r, &rest, &text));
        if (count == r->column_count) {
            return BAD(r, "more fields than the %u that the first line names", r->column_count);
        }
        PEN_TRY(value_take(r, r->columns[count], text, &keys));
    }
    if (count < r->column_count) {
        return BAD(r, "%u fields, the first line names %u", count, r->column_count);
    }
    r->assets->row_count++;
    return keys == 1 ? PEN_OK : BAD(r, "a row has either an account or an ip");
}

static pen_status lines(struct reading *r, pen_slice text)
{
    pen_slice line;
    if (pen_slice_starts(text, PEN_SLICE_LIT("\xef\xbb\xbf"))) {
        text = pen_slice_sub(text, 3, text.len);
    }
    while (pen_slice_split(&text, '\n', &line)) {
        r->line++;
        line = pen_slice_trim(line);
        if (line.len == 0 || line.ptr[0] == '#') {
            continue;
        }
        if (r->column_count > 0 && r->assets->row_count == r->room) {
            return BAD(r, "more than %u rows", ASSET_ROWS_MAX);
        }
        PEN_TRY(r->column_count == 0 ? header(r, line) : row(r, line));
    }
    return r->column_count > 0 ? PEN_OK : BAD(r, "no line names the columns");
}

/* ---- the table ---- */

static int account_order(const void *a, const void *b)
{
    const struct asset_account *x = a;
    const struct asset_account *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static pen_status keys_sort(struct reading *r)
{
    struct assets *a = r->assets;
    const struct range *twice = NULL;
    if (a->account_count > 1) {
        qsort(a->accounts, a->account_count, sizeof(*a->accounts), account_order);
    }
    for (uint32_t i = 1; i < a->account_count; i++) {
        if (a->accounts[i - 1].number == a->accounts[i].number) {
            r->line = r->lines[a->accounts[i].row];
            return BAD(r, "another line has this account too");
        }
    }
    const pen_status st =
        ranges_build(&a->arena, r->networks, r->network_count, &a->networks, &twice);
    if (st == PEN_E_RULE) {
        r->line = r->lines[twice->value];
        return BAD(r, "another line has this network too");
    }
    return st;
}

static pen_status table_fill(struct reading *r, pen_slice text)
{
    struct assets *a = r->assets;
    r->room = 1;
    for (size_t i = 0; i < text.len && r->room < ASSET_ROWS_MAX; i++) {
        r->room += text.ptr[i] == '\n';
    }
    a->rows = PEN_NEW_N(&a->arena, struct pen_asset, r->room);
    a->accounts = PEN_NEW_N(&a->arena, struct asset_account, (size_t)r->room * 2);
    r->networks = calloc((size_t)r->room * 2, sizeof(*r->networks));
    r->lines = calloc(r->room, sizeof(*r->lines));
    if (a->rows == NULL || a->accounts == NULL || r->networks == NULL || r->lines == NULL) {
        return PEN_E_NOMEM;
    }
    PEN_TRY(lines(r, text));
    return keys_sort(r);
}

pen_status assets_open(const char *path, struct assets **out, struct pen_err *err)
{
    struct reading r = {.assets = calloc(1, sizeof(struct assets))};
    struct pen_buf text;
    *out = NULL;
    if (r.assets == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "enrichment: out of memory");
    }
    r.assets->users = 1;
    pen_arena_init(&r.assets->arena, ARENA_MAX);
    pen_buf_init(&text, ASSETS_BYTES_MAX + WHOLE_FILE_STEP);
    pen_buf_init(&r.text, FIELD_BYTES_MAX);
    char why[WHOLE_FILE_WHY];
    const bool is_read = whole_file_read(path, ASSETS_BYTES_MAX, &r.assets->stamp, &text, why);
    pen_status st = is_read ? table_fill(&r, pen_buf_slice(&text)) : PEN_E_USAGE;
    if (!is_read) {
        st = PEN_FAIL(err, st, PEN_NO_OFFSET, "enrich.assets: %.120s: %s", path, why);
    } else if (st == PEN_E_USAGE) {
        st = PEN_FAIL(err, st, PEN_NO_OFFSET, "enrich.assets: %.80s:%u: %s", path, r.line, r.why);
    } else if (st != PEN_OK) {
        st =
            PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "enrich.assets: %.120s: out of memory", path);
    }
    pen_buf_fini(&text);
    pen_buf_fini(&r.text);
    free(r.networks);
    free(r.lines);
    if (st != PEN_OK) {
        assets_close(r.assets);
        return st;
    }
    *out = r.assets;
    return PEN_OK;
}

void assets_close(struct assets *assets)
{
    if (assets != NULL) {
        pen_arena_fini(&assets->arena);
        free(assets);
    }
}

const struct pen_asset *assets_account(const struct assets *assets, pen_slice account)
{
    struct asset_account key = {0};
    if (!is_account(account, &key.number) || assets->account_count == 0) {
        return NULL;
    }
    const struct asset_account *found =
        bsearch(&key, assets->accounts, assets->account_count, sizeof(key), account_order);
    return found == NULL ? NULL : &assets->rows[found->row];
}

const struct pen_asset *assets_address(const struct assets *assets, pen_slice ip)
{
    uint8_t addr[16];
    if (assets->networks.count == 0 || !range_address(ip, addr)) {
        return NULL;
    }
    const uint32_t row_index = ranges_find(&assets->networks, addr);
    return row_index == RANGE_NONE ? NULL : &assets->rows[row_index];
}
