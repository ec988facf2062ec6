/* tested by tests/e2e/test_exclude.py */
#include "exclude_entry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_BYTES_MAX ((size_t)1 << 20)
#define COLUMNS 5U

enum column { LOG_TYPE, FIELD, PATTERN, PATTERN_TYPE, COMMENT };
static const char *const column_names[COLUMNS] = {"log_type", "field", "pattern", "pattern_type",
                                                  "comment"};

struct csv {
    struct pen_arena *arena;
    pen_slice left;
    unsigned line;
    const char *path;
    struct pen_err *err;
};

static pen_status wrong(const struct csv *csv, const char *what)
{
    return PEN_FAIL(csv->err, PEN_E_USAGE, PEN_NO_OFFSET, "%.150s:%u: %.100s", csv->path, csv->line,
                    what);
}

/* A cell in quotes (RFC 4180): two of them are one.  The quote that begins it is taken. */
static pen_status quoted(struct csv *csv, struct pen_buf *cell)
{
    for (;;) {
        const uint8_t *end = memchr(csv->left.ptr, '"', csv->left.len);
        if (end == NULL) {
            return wrong(csv, "quotes without an end");
        }
        const size_t len = (size_t)(end - csv->left.ptr);
        PEN_TRY(pen_buf_add(cell, pen_slice_sub(csv->left, 0, len)));
        csv->left = pen_slice_sub(csv->left, len + 1, csv->left.len);
        if (csv->left.len == 0 || csv->left.ptr[0] != '"') {
            return PEN_OK;
        }
        PEN_TRY(pen_buf_add_byte(cell, '"'));
        csv->left = pen_slice_sub(csv->left, 1, csv->left.len);
    }
}

static bool is_cell_end(const struct csv *csv)
{
    return csv->left.len == 0 || csv->left.ptr[0] == ',' || csv->left.ptr[0] == '\n' ||
           (csv->left.ptr[0] == '\r' && csv->left.len > 1 && csv->left.ptr[1] == '\n');
}

/* The next cell of the line; *is_last when the line ends behind it. */
static pen_status cell_take(struct csv *csv, const char **out, bool *is_last)
{
    struct pen_buf cell;
    pen_buf_init(&cell, FILE_BYTES_MAX);
    pen_status st = PEN_OK;
    if (csv->left.len > 0 && csv->left.ptr[0] == '"') {
        csv->left = pen_slice_sub(csv->left, 1, csv->left.len);
        st = quoted(csv, &cell);
        st = st == PEN_OK && !is_cell_end(csv) ? wrong(csv, "text behind a cell in quotes") : st;
    }
    while (st == PEN_OK && !is_cell_end(csv)) {
        st = pen_buf_add_byte(&cell, csv->left.ptr[0]);
        csv->left = pen_slice_sub(csv->left, 1, csv->left.len);
    }
    const pen_slice copy = pen_arena_dup(csv->arena, pen_buf_slice(&cell));
    pen_buf_fini(&cell);
    PEN_TRY(st);
    *out = (const char *)copy.ptr;
    *is_last = csv->left.len == 0 || csv->left.ptr[0] != ',';
    const size_t end = csv->left.len == 0 ? 0 : csv->left.ptr[0] == '\r' ? 2 : 1;
    csv->left = pen_slice_sub(csv->left, end, csv->left.len);
    return *out != NULL ? PEN_OK : wrong(csv, "out of memory");
}

/* The comment may be missing. */
static pen_status row_take(struct csv *csv, const char *cells[COLUMNS], uint32_t *count)
{
    bool is_last = false;
    *count = 0;
    csv->line++;
    while (!is_last) {
        const char *cell = NULL;
        PEN_TRY(cell_take(csv, &cell, &is_last));
        if (*count < COLUMNS) {
            cells[*count] = cell;
        }
        ++*count;
    }
    return *count <= COLUMNS ? PEN_OK : wrong(csv, "more than five cells");
}

static pen_status header_check(struct csv *csv)
{
    const char *cells[COLUMNS] = {0};
    uint32_t count = 0;
    PEN_TRY(row_take(csv, cells, &count));
    for (uint32_t i = 0; i < COMMENT; i++) {
        if (i >= count || strcmp(cells[i], column_names[i]) != 0) {
            return wrong(csv, "the first line is log_type,field,pattern,pattern_type,comment");
        }
    }
    return PEN_OK;
}

static pen_status row_add(struct csv *csv, const char *const cells[COLUMNS],
                          enum pen_exclude_mode mode, struct exclude_list *list)
{
    const char *slash = strrchr(csv->path, '/');
    char name[160];
    const char **types = PEN_NEW_N(csv->arena, const char *, 1);
    (void)snprintf(name, sizeof(name), "%.80s:%u", slash == NULL ? csv->path : slash + 1,
                   csv->line);
    const pen_slice copy = pen_arena_dup(csv->arena, pen_slice_str(name));
    const bool is_regex = strcmp(cells[PATTERN_TYPE], "regex") == 0;
    if (types == NULL || copy.ptr == NULL) {
        return wrong(csv, "out of memory");
    }
    if (!is_regex && strcmp(cells[PATTERN_TYPE], "text") != 0) {
        return wrong(csv, "pattern_type is text or regex");
    }
    if (cells[LOG_TYPE][0] == '\0' || cells[FIELD][0] == '\0') {
        return wrong(csv, "log_type and field are needed");
    }
    types[0] = cells[LOG_TYPE];
    const struct pen_exclusion item = {.name = (const char *)copy.ptr,
                                       .types = types,
                                       .type_count = 1,
                                       .mode = mode,
                                       .field = cells[FIELD],
                                       .pattern = cells[PATTERN],
                                       .is_regex = is_regex};
    return exclude_add(csv->arena, list, &item, csv->err);
}

static pen_status rows(struct csv *csv, enum pen_exclude_mode mode, struct exclude_list *list)
{
    PEN_TRY(header_check(csv));
    while (csv->left.len > 0) {
        const char *cells[COLUMNS] = {0};
        uint32_t count = 0;
        PEN_TRY(row_take(csv, cells, &count));
        if (count == 1 && cells[0][0] == '\0') {
            continue; /* an empty line */
        }
        if (count < COMMENT) {
            return wrong(csv, "fewer than four cells");
        }
        PEN_TRY(row_add(csv, cells, mode, list));
    }
    return PEN_OK;
}

pen_status exclude_csv(struct pen_arena *arena, const char *path, enum pen_exclude_mode mode,
                       struct exclude_list *list, struct pen_err *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "cannot open %.150s: %s", path,
                        strerrordesc_np(errno));
    }
    uint8_t *text = malloc(FILE_BYTES_MAX);
    PEN_CHECK(text != NULL);
    const size_t len = fread(text, 1, FILE_BYTES_MAX, file);
    const bool is_bad = ferror(file) != 0;
    (void)fclose(file);
    struct csv csv = {.arena = arena, .left = {text, len}, .path = path, .err = err};
    if (pen_slice_starts(csv.left, PEN_SLICE_LIT("\xef\xbb\xbf"))) {
        csv.left = pen_slice_sub(csv.left, 3, csv.left.len);
    }
    pen_status st = is_bad                  ? wrong(&csv, "cannot be read")
                    : len == FILE_BYTES_MAX ? wrong(&csv, "larger than 1 MiB")
                                            : rows(&csv, mode, list);
    free(text);
    return st;
}
