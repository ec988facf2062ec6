#include "signals_mark.h"

#include <inttypes.h>
#include <stdio.h>

/* Numbers apart by blanks: length, opened, shadow, suppressed, five severities, then two for each
 * range. */
#define NUMBERS_FIRST 9U
#define NUMBERS_MAX (NUMBERS_FIRST + 2U * SIGNALS_MARK_RUNS_MAX)
_Static_assert(NUMBERS_MAX * 21U < SIGNALS_MARK_MAX, "all of them fit");
_Static_assert(sizeof(struct signals_db_totals) == 8 * sizeof(uint64_t),
               "what is counted of signals belongs in their mark");

void signals_mark_write(const struct signals_mark *mark, char text[SIGNALS_MARK_MAX])
{
    const struct signals_db_totals *t = &mark->totals;
    int at = snprintf(text, SIGNALS_MARK_MAX, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64,
                      mark->lines_bytes, t->opened, t->shadow, t->suppressed);
    for (size_t i = 0; i < PEN_COUNT(t->by_severity); i++) {
        at += snprintf(text + at, SIGNALS_MARK_MAX - (size_t)at, " %" PRIu64, t->by_severity[i]);
    }
    for (uint32_t i = 0; i < mark->run_count; i++) {
        at += snprintf(text + at, SIGNALS_MARK_MAX - (size_t)at, " %" PRId64 " %" PRId64,
                       mark->runs[i].from, mark->runs[i].to);
    }
}

static bool numbers_read(const char *text, uint64_t numbers[NUMBERS_MAX], uint32_t *count)
{
    pen_slice rest = pen_slice_str(text);
    pen_slice one;
    *count = 0;
    while (pen_slice_split(&rest, ' ', &one)) {
        if (*count == NUMBERS_MAX || !pen_parse_u64(one, &numbers[(*count)++])) {
            return false;
        }
    }
    return *count >= NUMBERS_FIRST && *count % 2 == NUMBERS_FIRST % 2;
}

pen_status signals_mark_read(struct signals_mark *mark, const char *text, struct pen_err *err)
{
    uint64_t numbers[NUMBERS_MAX];
    uint32_t count = 0;
    *mark = (struct signals_mark){0};
    if (text[0] == '\0') {
        return PEN_OK;
    }
    if (!numbers_read(text, numbers, &count)) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET,
                        "checkpoint.db: not a mark of signals: %.100s", text);
    }
    mark->lines_bytes = numbers[0];
    mark->totals.opened = numbers[1];
    mark->totals.shadow = numbers[2];
    mark->totals.suppressed = numbers[3];
    for (size_t i = 0; i < PEN_COUNT(mark->totals.by_severity); i++) {
        mark->totals.by_severity[i] = numbers[4 + i];
    }
    for (uint32_t i = NUMBERS_FIRST; i < count; i += 2) {
        signals_mark_add(mark, (int64_t)numbers[i], (int64_t)numbers[i + 1]);
    }
    return PEN_OK;
}

void signals_mark_add(struct signals_mark *mark, int64_t from, int64_t to)
{
    if (mark->run_count == SIGNALS_MARK_RUNS_MAX) {
        mark->run_count--; /* the last range grows: a row too many may stay, none is lost */
        from = mark->runs[mark->run_count].from;
    }
    mark->runs[mark->run_count].from = from;
    mark->runs[mark->run_count].to = to;
    mark->run_count++;
}

pen_status signals_mark_sql(const struct signals_mark *mark, struct pen_buf *out)
{
    for (uint32_t i = 0; i < mark->run_count; i++) {
        PEN_TRY(pen_buf_printf(out, " AND run NOT BETWEEN %" PRId64 " AND %" PRId64,
                               mark->runs[i].from, mark->runs[i].to));
    }
    return pen_buf_add_byte(out, '\0');
}
