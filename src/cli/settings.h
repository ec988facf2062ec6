/* settings.h - the values of a run that penstock.yaml and --set change:
 * include/penstock/options.def as a table. */
#ifndef PEN_CLI_SETTINGS_H
#define PEN_CLI_SETTINGS_H

#include "options.h"

enum setting_type {
    SETTING_COUNT,
    SETTING_SIZE,
    SETTING_DURATION,
    SETTING_TIME,
    SETTING_WORD,
    SETTING_LIST,
    SETTING_PATH,
    SETTING_PATHS
};
enum setting_when { SETTING_START, SETTING_JOB, SETTING_NEW };

struct setting { /* texts as in options.def */
    const char *key, *unit, *value, *min, *max, *help;
    size_t offset; /* in struct pen_replay_options: uint64_t or int64_t */
    enum setting_type type;
    enum setting_when when;
};
extern const struct setting cli_settings[]; /* ends with a NULL key */

const char *setting_type_name(enum setting_type type);
/* When a value counts, in words. */
const char *setting_when_text(enum setting_when when);
bool settings_known(pen_slice key);
bool settings_is_path(pen_slice key);                  /* of an option that is a file, or files */
bool settings_is_word(pen_slice key, pen_slice value); /* of a file: a word instead of a path */
bool settings_is_list(pen_slice key);
void settings_defaults(struct pen_replay_options *options);
/*
 * settings_set - takes `value` as a user wrote it.
 *
 * err      why not: an unknown key with the nearest one, a value that cannot be read or is out of
 *          range, a key of something that is not built yet
 * Returns  PEN_OK | PEN_E_USAGE
 */
PEN_MUST_USE pen_status settings_set(struct pen_replay_options *options, pen_slice key,
                                     pen_slice value, struct pen_err *err);
/* Appends a value as it would be written; nothing for a TIME that is not given. */
PEN_MUST_USE pen_status setting_text(const struct setting *setting,
                                     const struct pen_replay_options *options, struct pen_buf *out);

#endif
