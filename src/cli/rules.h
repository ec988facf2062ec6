/* rules.h - the rules commands, and the choice of rules that they share. */
#ifndef PEN_CLI_RULES_H
#define PEN_CLI_RULES_H

#include "config.h"

#include <stdio.h>

/* Each gets its own name in argv[0] and returns the exit code. */
int rules_check(int argc, char **argv);
int rules_list(int argc, char **argv);
int rules_explain(int argc, char **argv);
int rules_match(int argc, char **argv);
int rules_test(int argc, char **argv);
int rules_diff(int argc, char **argv);

#define RULES_NAMES_MAX 256U
struct rules_pick { /* what --rules, --min-level, --tag, --config say; texts stay in argv */
    const char *paths[RULES_NAMES_MAX];
    const char *tags[RULES_NAMES_MAX];
    uint32_t path_count, tag_count;
    int level_min;                    /* enum pen_severity */
    bool has_config, is_config_wrong; /* wrong: exit code 3 */
    struct config config;
    struct pen_replay_options *run; /* what a run with the config would take; NULL without one */
};
/* All zero is empty.  Frees what --config took. */
void rules_pick_fini(struct rules_pick *pick);
extern const struct cli_option rules_pick_options[]; /* the first is --rules */
/* As cli_pick_take. */
bool rules_pick_take(struct rules_pick *pick, int id, char *value, bool *is_good);
/* A path more; false after words. */
PEN_MUST_USE bool rules_pick_path(struct rules_pick *pick, const char *path);
/* Reads penstock.yaml for its rules and placeholders; false after words. */
PEN_MUST_USE bool rules_pick_config(struct rules_pick *pick, const char *path);
/* The database of places that the config names, if any.  Borrows pick. */
struct pen_enrich_options rules_pick_enrich(const struct rules_pick *pick);
/* Without a path: those of the config, else the built-in pack.  Borrows pick. */
struct pen_rules_options rules_pick_made(struct rules_pick *pick);

/* Writes "file:line:column: text" for every notice, for a terminal to show. */
void rules_notices_print(FILE *out, const struct pen_rules *rules);

#endif
