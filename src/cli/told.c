/* tested by tests/e2e/test_search.py */
#include "told.h"

#include <inttypes.h>
#include <stdio.h>

#define LINES_MAX 20U
#define NAME_BYTES_MAX 4096U
#define IOC_WORDS_MAX ((size_t)4 << 20)

static const char *stage_words(enum pen_pass_stage stage)
{
    switch (stage) {
    case PEN_PASS_FOLDER:
        return "folder cannot be listed";
    case PEN_PASS_READ:
        return "cannot be read";
    case PEN_PASS_DECODE:
        return "is damaged";
    case PEN_PASS_RECORD:
        return "bad record";
    case PEN_PASS_TYPE:
        return "was not read";
    }
    pen_panic(PEN_HERE, "stage");
}

void told_trouble(struct told *told, const struct pen_pass_trouble *trouble)
{
    if (++told->lines > LINES_MAX) {
        return;
    }
    struct pen_buf name;
    struct pen_buf text;
    pen_buf_init(&name, (size_t)NAME_BYTES_MAX * 8);
    pen_buf_init(&text, sizeof(trouble->err->text) * 8);
    char place[64] = "";
    if (trouble->stage == PEN_PASS_RECORD) {
        (void)snprintf(place, sizeof(place), " %" PRIu64, trouble->record);
    }
    if ((trouble->stage == PEN_PASS_DECODE || trouble->stage == PEN_PASS_RECORD) &&
        trouble->err->offset != PEN_NO_OFFSET) {
        const size_t len = strlen(place);
        (void)snprintf(place + len, sizeof(place) - len, " at byte %" PRIu64, trouble->err->offset);
    }
    const pen_slice key = pen_slice_sub(pen_slice_str(trouble->object), 0, NAME_BYTES_MAX);
    if (pen_escape_terminal(&name, key) == PEN_OK &&
        pen_escape_terminal(&text, pen_slice_str(trouble->err->text)) == PEN_OK) {
        (void)fprintf(stderr, "penstock: %.*s: %s%s: %.*s\n", (int)name.len, (const char *)name.ptr,
                      stage_words(trouble->stage), place, (int)text.len, (const char *)text.ptr);
    }
    pen_buf_fini(&name);
    pen_buf_fini(&text);
}

void told_sum(const struct told *told, const struct pen_totals *totals)
{
    if (told->lines == 0) {
        return;
    }
    (void)fprintf(stderr,
                  "penstock: not read in full: %" PRIu64 " unreadable, %" PRIu64
                  " damaged, %" PRIu64 " of no known type, %" PRIu64 " bad records; %" PRIu64
                  " objects were read%s\n",
                  totals->objects_unreadable, totals->objects_damaged, totals->objects_unknown,
                  totals->records_dead, totals->objects_read,
                  totals->objects_unknown > 0 ? " (--as json reads any JSON)" : "");
}

bool told_has_gap(const struct pen_totals *totals, bool strict)
{
    return totals->objects_unreadable > 0 ||
           (strict && totals->objects_damaged + totals->objects_unknown > 0);
}

void cli_print_escaped(struct pen_buf *scratch, pen_slice lines)
{
    size_t begin = 0;
    pen_status st = PEN_OK;
    scratch->len = 0;
    for (size_t at = 0; st == PEN_OK && at < lines.len; at++) {
        const uint8_t c = lines.ptr[at];
        if (c == '\n' || c == '\t') { /* what ends lines and cells: values have none that is bare */
            st = pen_escape_terminal(scratch, pen_slice_sub(lines, begin, at));
            st = st == PEN_OK ? pen_buf_add_byte(scratch, c) : st;
            begin = at + 1;
        }
    }
    if (st == PEN_OK && begin < lines.len) {
        st = pen_escape_terminal(scratch, pen_slice_sub(lines, begin, lines.len));
    }
    if (st == PEN_OK && scratch->len > 0) {
        (void)fwrite(scratch->ptr, 1, scratch->len, stdout); /* errors show at the end */
    }
}

void cli_words_escaped(pen_slice text)
{
    struct pen_buf out;
    pen_buf_init(&out, SIZE_MAX);
    if (pen_escape_terminal(&out, text) == PEN_OK) {
        (void)fprintf(stderr, "%.*s\n", (int)out.len, (const char *)out.ptr);
    }
    pen_buf_fini(&out);
}

void told_iocs(const struct pen_iocs *iocs, int64_t max_age_ns)
{
    const int64_t now_ns = pen_clock_wall_ns();
    struct pen_buf lines;
    if (iocs == NULL) {
        return;
    }
    pen_buf_init(&lines, IOC_WORDS_MAX);
    pen_slice line;
    pen_status st = pen_iocs_words(iocs, &lines);
    if (st == PEN_OK) {
        st = pen_iocs_stale_words(iocs, pen_iocs_stale(iocs, max_age_ns, now_ns), now_ns, &lines);
    }
    pen_slice rest = pen_buf_slice(&lines);
    while (rest.len > 0 && pen_slice_split(&rest, '\n', &line)) {
        (void)fprintf(stderr, "penstock: warning: %.*s\n", (int)line.len, (const char *)line.ptr);
    }
    if (st != PEN_OK) {
        (void)fputs("penstock: warning: no memory for more about lists of indicators\n", stderr);
    }
    pen_buf_fini(&lines);
}
