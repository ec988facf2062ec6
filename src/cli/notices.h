/* notices.h - what is wrong in files of rules and tests, in the forms that editors and CI read. */
#ifndef PEN_CLI_NOTICES_H
#define PEN_CLI_NOTICES_H

#include "cli.h"

#include <stdio.h>

enum notices_form { NOTICES_TEXT, NOTICES_GITHUB, NOTICES_SARIF, NOTICES_JSON };
/* "text", "github", "sarif" or "json"; false after words. */
PEN_MUST_USE bool notices_form_of(const char *name, enum notices_form *form);

struct notices { /* starts zeroed; texts are borrowed or in arena */
    struct pen_arena arena;
    struct pen_notice *items;
    uint32_t count, cap;
    uint32_t errors;
};
void notices_init(struct notices *notices);
void notices_fini(struct notices *notices);
void notices_add(struct notices *notices, const struct pen_notice *notice);
/* An error whose text begins with its place: "file:line:column: reason". */
void notices_add_placed(struct notices *notices, const char *text);
void notices_add_rules(struct notices *notices, const struct pen_rules *rules);
/* By file, line and column, equal ones once; rules is how many are good.  False: out cannot be
 * written. */
PEN_MUST_USE bool notices_write(struct notices *notices, enum notices_form form, uint32_t rules,
                                FILE *out);

#endif
