/* told.h - what a pass could not read, in words on standard error; and text for a terminal. */
#ifndef PEN_CLI_TOLD_H
#define PEN_CLI_TOLD_H

#include "cli.h"

struct told {
    uint64_t lines; /* written so far; beyond a few they are only counted */
};
void told_trouble(struct told *told, const struct pen_pass_trouble *trouble);
/* One line with the counts when anything was not read. */
void told_sum(const struct told *told, const struct pen_totals *totals);
/* Whether something could not be read: an object or a folder; with strict also damaged objects
 * and objects of no known type. */
bool told_has_gap(const struct pen_totals *totals, bool strict);

/* What cannot be used of lists of indicators, and which are older than max_age_ns; may be NULL. */
void told_iocs(const struct pen_iocs *iocs, int64_t max_age_ns);

/* Writes lines, cells of which tabs part, to standard output with what a terminal would obey
 * escaped. */
void cli_print_escaped(struct pen_buf *scratch, pen_slice lines);

/* The same for one line of words on standard error. */
void cli_words_escaped(pen_slice text);

/* Adds warnings of suppressions that are over by now, and of those that no signal in out_dir (NULL:
 * not asked) has been suppressed by.  PEN_E_NOT_FOUND: no signals there. */
PEN_MUST_USE pen_status told_suppressions(struct pen_rules *rules, const char *out_dir,
                                          struct pen_err *err);

#endif
