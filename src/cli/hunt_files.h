/* hunt_files.h - the files of a hunt, and what it tells at its end. */
#ifndef PEN_CLI_HUNT_FILES_H
#define PEN_CLI_HUNT_FILES_H

#include "hunt.h"

#define HUNT_PATH_MAX 4096U

struct hunt_result {
    char rule[HUNT_PATH_MAX], test[HUNT_PATH_MAX]; /* paths of the files */
    uint64_t matches, signals;
    int64_t first_ns, last_ns; /* of signals: first_seen */
    bool has_other;            /* there is a record that does not match */
    uint32_t tests;            /* that passed */
    uint64_t *groups;          /* hashes of the signals' groups; open addressing, a power of two */
    uint32_t group_slots, group_count;
    uint32_t groups_max; /* counted apart; beyond, group_count stays */
};
void hunt_result_init(struct hunt_result *result, uint32_t groups_max);
void hunt_result_fini(struct hunt_result *result);
PEN_MUST_USE pen_status hunt_groups_add(struct hunt_result *result, pen_slice group);
/* One JSON document, or some lines. */
void hunt_result_print(const struct hunt_result *result, bool is_json);

/*
 * hunt_files_write - the rule and its test as new files of options->dir.
 *
 * examples  a record that matches and one that does not (empty: there is none)
 * Returns   PEN_OK | PEN_E_IO | PEN_E_DENIED | PEN_E_NOSPACE (also: a file is there already)
 */
PEN_MUST_USE pen_status hunt_files_write(const struct hunt_options *options,
                                         const struct hunt_rule *rule, pen_slice text,
                                         const struct hunt_example examples[2],
                                         struct hunt_result *result, struct pen_err *err);
/* Loads both files as `rules test` does and runs the tests; PEN_E_RULE when one fails. */
PEN_MUST_USE pen_status hunt_files_test(const struct hunt_options *options,
                                        struct hunt_result *result, struct pen_err *err);

#endif
