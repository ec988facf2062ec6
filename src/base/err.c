/* tested by tests/unit/base/test_base.c */
#include "penstock/base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct status_row {
    const char *name;
    const char *text;
    int exit;
};
static const struct status_row status_rows[] = {
#define PEN_STATUS(name, cls, exit, text) {#name, text, exit},
#include "penstock/status.def"
#undef PEN_STATUS
};
_Static_assert(PEN_COUNT(status_rows) == PEN_STATUS_COUNT, "one row per status");

const char *pen_status_text(pen_status status)
{
    PEN_CHECK(status < PEN_STATUS_COUNT);
    return status_rows[status].text;
}

const char *pen_status_name(pen_status status)
{
    PEN_CHECK(status < PEN_STATUS_COUNT);
    return status_rows[status].name;
}

int pen_status_exit(pen_status status)
{
    PEN_CHECK(status < PEN_STATUS_COUNT);
    return status_rows[status].exit;
}

pen_status pen_status_of_write(int os_errno)
{
    return os_errno == ENOSPC || os_errno == EDQUOT || os_errno == EFBIG ? PEN_E_NOSPACE : PEN_E_IO;
}

pen_status pen_err_set(struct pen_err *err, pen_status status, uint64_t offset, const char *where,
                       const char *fmt, ...)
{
    PEN_CHECK(status != PEN_OK);
    if (err != NULL) {
        *err = (struct pen_err){.status = status, .offset = offset, .where = where};
        va_list ap;
        va_start(ap, fmt);
        (void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
        va_end(ap);
    }
    return status;
}

void pen_panic(const char *where, const char *what)
{
    (void)fprintf(stderr, "penstock: internal bug at %s: %s\n", where, what);
    abort();
}
