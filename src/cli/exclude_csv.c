/* tested by tests/e2e/test_exclude.py */
#include "penstock/csv.h"

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
    struct pen_csv cells;
    unsigned line; /* of the row that was read last */
    const char *path;
    struct pen_err *err;
};

static pen_status wrong(const struct csv *csv, const char *what)
{
    return PEN_FAIL(csv->err, PEN_E_USAGE, PEN_NO_OFFSET, "%.150s:%u: %.100s", csv->path, csv->line,
                    what);
}

/* The next cell of the line; *is_last when the line ends behind it. */
static pen_status cell_take(struct csv *csv, const char **out, bool *is_last)
{
    struct pen_err err;
    pen_slice cell;
    *out = "";
    if (pen_csv_cell(&csv->cells, &cell, is_last, &err) != PEN_OK) {
        return wrong(csv, err.text);
    }
    const pen_slice copy = pen_arena_dup(csv->arena, cell);
    PEN_CHECK(copy.ptr != NULL);
    *out = (const char *)copy.ptr;
    return PEN_OK;
}

/* The comment may be missing. */
static pen_status row_take(struct csv *csv, const char *cells[COLUMNS], uint32_t *count)
{
    bool is_last = false;
    *count = 0;
    csv->line = csv->cells.line;
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
    while (csv->cells.left.len > 0) {
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
    struct csv csv = {.arena = arena, .line = 1, .path = path, .err = err};
    pen_csv_init(&csv.cells, (pen_slice){text, len}, FILE_BYTES_MAX);
    pen_status st = is_bad                  ? wrong(&csv, "cannot be read")
                    : len == FILE_BYTES_MAX ? wrong(&csv, "larger than 1 MiB")
                                            : rows(&csv, mode, list);
    pen_csv_fini(&csv.cells);
    free(text);
    return st;
}
