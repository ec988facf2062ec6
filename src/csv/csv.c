#include "penstock/csv.h"

void pen_csv_init(struct pen_csv *csv, pen_slice text, size_t cell_bytes_max)
{
    const bool is_marked = pen_slice_starts(text, PEN_SLICE_LIT("\xef\xbb\xbf"));
    *csv = (struct pen_csv){.left = pen_slice_sub(text, is_marked ? 3 : 0, text.len), .line = 1};
    pen_buf_init(&csv->cell, cell_bytes_max);
}

void pen_csv_fini(struct pen_csv *csv)
{
    pen_buf_fini(&csv->cell);
}

static void skip(struct pen_csv *csv, size_t len)
{
    csv->left = pen_slice_sub(csv->left, len, csv->left.len);
}

/* Bytes of what ends a cell at this place: 0 is nothing of the kind. */
static size_t end_here(pen_slice left)
{
    if (left.len > 1 && left.ptr[0] == '\r' && left.ptr[1] == '\n') {
        return 2;
    }
    return left.len > 0 && (left.ptr[0] == ',' || left.ptr[0] == '\n') ? 1 : 0;
}

static pen_slice plain(struct pen_csv *csv)
{
    size_t len = 0;
    while (len < csv->left.len && csv->left.ptr[len] != ',' && csv->left.ptr[len] != '\n') {
        len++;
    }
    const bool has_cr = len > 0 && len < csv->left.len && csv->left.ptr[len] == '\n' &&
                        csv->left.ptr[len - 1] == '\r';
    const pen_slice cell = pen_slice_sub(csv->left, 0, has_cr ? len - 1 : len);
    skip(csv, cell.len);
    return cell;
}

static void lines_count(struct pen_csv *csv, pen_slice part)
{
    for (size_t i = 0; i < part.len; i++) {
        csv->line += part.ptr[i] == '\n';
    }
}

/* The quote that begins the cell is taken. */
static pen_status quoted(struct pen_csv *csv, struct pen_err *err)
{
    for (;;) {
        const uint8_t *end = csv->left.len == 0 ? NULL : memchr(csv->left.ptr, '"', csv->left.len);
        if (end == NULL) {
            return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "quotes without an end");
        }
        const pen_slice part = pen_slice_sub(csv->left, 0, (size_t)(end - csv->left.ptr));
        const pen_status st = pen_buf_add(&csv->cell, part);
        if (st != PEN_OK) {
            return PEN_FAIL(err, st, PEN_NO_OFFSET, "a cell of more than %zu bytes", csv->cell.max);
        }
        lines_count(csv, part);
        skip(csv, part.len + 1);
        if (csv->left.len == 0 || csv->left.ptr[0] != '"') {
            return PEN_OK;
        }
        PEN_TRY(pen_buf_add_byte(&csv->cell, '"'));
        skip(csv, 1);
    }
}

pen_status pen_csv_cell(struct pen_csv *csv, pen_slice *out, bool *is_last, struct pen_err *err)
{
    *is_last = true;
    if (csv->left.len > 0 && csv->left.ptr[0] == '"') {
        csv->cell.len = 0;
        skip(csv, 1);
        PEN_TRY(quoted(csv, err));
        *out = pen_buf_slice(&csv->cell);
    } else {
        *out = plain(csv);
    }
    const size_t end = end_here(csv->left);
    if (end == 0 && csv->left.len > 0) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "text behind a cell in quotes");
    }
    *is_last = end == 0 || csv->left.ptr[0] != ',';
    csv->line += *is_last && end > 0;
    skip(csv, end);
    return PEN_OK;
}
