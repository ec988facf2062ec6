/* tested by tests/e2e/test_types.py */
#include "types_import.h"

#include "penstock/classify.h"

#include "told.h"

#include <stdio.h>
#include <stdlib.h>

#define FILE_BYTES_MAX ((size_t)1 << 20)

static pen_status file_read(const char *path, uint8_t *text, size_t *len, struct pen_err *err)
{
    const bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "rbe");
    if (file == NULL) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "%s: cannot be read", path);
    }
    *len = fread(text, 1, FILE_BYTES_MAX + 1, file);
    const bool is_good = ferror(file) == 0;
    if (!is_stdin) {
        (void)fclose(file);
    }
    if (!is_good || *len > FILE_BYTES_MAX) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "%s: %s", path,
                        is_good ? "more than 1 MiB" : "cannot be read");
    }
    return PEN_OK;
}

static int import_text(const char *path, pen_slice text)
{
    struct pen_buf yaml;
    struct pen_buf told;
    struct pen_buf scratch;
    struct pen_err err = {0};
    struct pen_err why = {0};
    int code = 0;
    pen_buf_init(&yaml, SIZE_MAX);
    pen_buf_init(&told, SIZE_MAX);
    pen_buf_init(&scratch, SIZE_MAX);
    const pen_status st = pen_types_import(text, &yaml, &told, &err);
    if (st != PEN_OK) {
        (void)PEN_FAIL(&why, st, PEN_NO_OFFSET, "%s: %s", path, err.text);
        code = cli_fail(&why);
    } else {
        pen_slice rest = pen_buf_slice(&told);
        pen_slice line;
        cli_print_escaped(&scratch, pen_buf_slice(&yaml));
        while (pen_slice_split(&rest, '\n', &line)) {
            if (line.len > 0) {
                cli_words_escaped(line);
            }
        }
        code = yaml.len > 0 ? 0 : 1;
    }
    pen_buf_fini(&yaml);
    pen_buf_fini(&told);
    pen_buf_fini(&scratch);
    return code;
}

int types_import(const char *path)
{
    struct pen_err err = {0};
    uint8_t *text = malloc(FILE_BYTES_MAX + 1);
    size_t len = 0;
    if (text == NULL) {
        (void)PEN_FAIL(&err, PEN_E_NOMEM, PEN_NO_OFFSET, "out of memory");
        return cli_fail(&err);
    }
    const int code = file_read(path, text, &len, &err) == PEN_OK
                         ? import_text(path, (pen_slice){text, len})
                         : cli_fail(&err);
    free(text);
    return code;
}
