/* hunt.h - search --to-rule: a rule of the query, the test beside it, and what it would have told.
 */
#ifndef PEN_CLI_HUNT_H
#define PEN_CLI_HUNT_H

#include "hunt_text.h"
#include "told.h"

#define HUNT_EXAMPLE_BYTES_MAX ((size_t)64 << 10) /* longer records make no test */

struct hunt_options {
    struct hunt_rule rule; /* without its type */
    const char *dir;       /* where the files go */
    const char *types_dir; /* or NULL */
    const struct pen_replay_options *limits;
    struct pen_pass_options pass; /* sources and what is wanted of them; hunt_run fills the rest */
    struct told *told;
    bool is_json, is_strict, allow_gaps;
};
/* "threshold", "new_value", "sigma"; false: another word. */
PEN_MUST_USE bool hunt_form_take(const char *text, enum hunt_form *out);
/*
 * hunt_run - reads the sources once, with the rule; then writes DIR/hunt-QUERY.json or .yml and the
 * test file, loads them again and runs the test.
 *
 * A file that is there already is left as it is.  Returns the exit code: 0 the rule was written, 1
 * no record matches or a file cannot be written, 2 a query that the form cannot say, 7 gaps.
 */
int hunt_run(const struct hunt_options *options);

#endif
