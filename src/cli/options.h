/* options.h - command lines: options from a table, and the choice of objects and records that
 * several commands share. */
#ifndef PEN_CLI_OPTIONS_H
#define PEN_CLI_OPTIONS_H

#include "cli.h"

struct cli_option {
    const char *name; /* "--from" or "-q" */
    int id;           /* > 0 */
    bool has_value;
};
#define CLI_TABLES 4U
struct cli_pick;
struct rules_pick;
struct cli_parser { /* filled by the command; argv[0] is its name */
    const char *command;
    int argc;
    char **argv;
    const struct cli_option *tables[CLI_TABLES]; /* each ends with a NULL name */
    const char *dash_hint;                       /* told with an unknown option, or NULL */
    const char *last;                            /* name of the option that cli_next found */
    int at;                                      /* 1 at first */
    bool only_operands;                          /* behind "--" */
    /* For cli_read: what takes the options of cli_pick_options, rules_pick_options and
     * cli_s3_options, when these are among the tables. */
    struct cli_pick *pick;
    struct rules_pick *rules;
    struct pen_s3_options *s3;
};
enum { CLI_END = 0, CLI_OPERAND = -1, CLI_WRONG = -2 };
/*
 * cli_next - the next option's id, CLI_OPERAND, CLI_END, or CLI_WRONG after words on stderr.
 *
 * *value is the option's value ("--name value" or "--name=value") or the operand, in argv.
 */
int cli_next(struct cli_parser *parser, char **value);
/*
 * cli_read - the whole command line.
 *
 * take  is given ctx, each id that the parser's pick and rules do not take, or CLI_OPERAND, and the
 *       value as cli_next gives it; false, after words on stderr, ends the reading
 * Returns  false after words on stderr
 */
PEN_MUST_USE bool cli_read(struct cli_parser *parser, bool (*take)(void *ctx, int id, char *value),
                           void *ctx);
/* A number from 1 to max for the option name; false after words. */
PEN_MUST_USE bool cli_number(const char *name, const char *value, uint64_t max, uint64_t *out);
/* Says that the last option does not take the value, and what it wants; gives CLI_WRONG. */
int cli_bad_value(const struct cli_parser *parser, const char *value, const char *wanted);
/* The word that is most like text, or NULL when none is near. */
const char *cli_nearest(const char *text, const char *const *words, size_t count);

/* ---- which objects and records ---- */

#define PICK_NAMES_MAX 4096U
enum pick_list { PICK_ACCOUNTS, PICK_REGIONS, PICK_TYPES, PICK_LISTS };
struct cli_pick {
    int64_t from_ns, to_ns;
    /* Ends that are counted from now, as pen_replay_options tells them; "": others. */
    char from_text[PEN_RANGE_TEXT_MAX], to_text[PEN_RANGE_TEXT_MAX];
    struct pick_names {
        const char **names;
        uint32_t count;
    } yes[PICK_LISTS], no[PICK_LISTS];
    struct pen_arena arena;
};
extern const struct cli_option cli_pick_options[];
void cli_pick_init(struct cli_pick *pick);
void cli_pick_fini(struct cli_pick *pick);
/* True when the id is one of cli_pick_options; *is_good tells whether its value was taken, else
 * words were said. */
bool cli_pick_take(struct cli_pick *pick, int id, char *value, bool *is_good);
/* Checks that from lies before to. */
PEN_MUST_USE bool cli_pick_check(const struct cli_pick *pick);
/* The same and, when times were given, tells the range on stderr. */
PEN_MUST_USE bool cli_pick_done(const struct cli_pick *pick);
void cli_pick_apply(const struct cli_pick *pick, struct pen_pass_options *pass);
/* Where buckets are and who reads them; texts stay in argv.  As cli_pick_take. */
extern const struct cli_option cli_s3_options[];
bool cli_s3_take(struct pen_s3_options *s3, int id, const char *value, bool *is_good);
void cli_pick_apply_replay(const struct cli_pick *pick, struct pen_replay_options *options);

#endif
