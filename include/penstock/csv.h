/*
 * penstock/csv.h - cells of a CSV text (RFC 4180), one after the other.
 *
 * Lines end with LF or CR LF, cells with a comma.  A cell that begins with a quote may hold commas,
 * line ends and quotes that are doubled, up to the quote that ends it.  Cells are not trimmed; a
 * byte order mark at the beginning of the text is passed over.
 */
#ifndef PEN_CSV_H
#define PEN_CSV_H

#include "penstock/base.h"

struct pen_csv {
    pen_slice left;      /* of the text, borrowed */
    uint32_t line;       /* of the next cell, from 1 on */
    struct pen_buf cell; /* a cell in quotes, without them */
};
/* cell_bytes_max: of a cell in quotes. */
void pen_csv_init(struct pen_csv *csv, pen_slice text, size_t cell_bytes_max);
void pen_csv_fini(struct pen_csv *csv);
/*
 * pen_csv_cell - the next cell.
 *
 * out      borrows csv until the next call; empty at the end of the text
 * is_last  the line ends behind it
 * Returns  PEN_OK | PEN_E_USAGE (err says what is wrong in csv->line) | PEN_E_LIMIT | PEN_E_NOMEM
 */
PEN_MUST_USE pen_status pen_csv_cell(struct pen_csv *csv, pen_slice *out, bool *is_last,
                                     struct pen_err *err);

#endif
