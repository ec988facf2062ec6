/* config.h - penstock.yaml: sources, sinks, rules, and the settings of options.def. */
#ifndef PEN_CLI_CONFIG_H
#define PEN_CLI_CONFIG_H

#include "exclude_entry.h"
#include "settings.h"

#define CONFIG_LIST_MAX 256U

struct config_list { /* arena-owned texts, in the order of the file */
    const char **items;
    uint32_t count;
};
struct config {
    struct pen_arena arena;
    struct config_list sources, sinks, rules;
    struct pen_source_options *source_options; /* one for each of sources, or NULL */
    struct pen_placeholder *placeholders;
    uint32_t placeholder_count;
    struct pen_reference_table *tables;
    uint32_t table_count;
    struct exclude_list exclude;
    const char *types_dir;        /* or NULL */
    struct pen_sink_spec cluster; /* of the sink opensearch; urls NULL: there is none */
};
void config_init(struct config *config);
void config_fini(struct config *config);
/*
 * config_read - takes a file whole.
 *
 * options   the settings that the file names are changed
 * problems  every mistake as a line "file:line:column: message"; a file that cannot be opened as a
 *           line without a place
 * Paths in the file are relative to its folder.
 * Returns  PEN_OK | PEN_E_CONFIG (problems tells; options and config are half filled)
 */
PEN_MUST_USE pen_status config_read(struct config *config, const char *path,
                                    struct pen_replay_options *options, struct pen_buf *problems);
/* Whether a source or sink can be used by what is built: PEN_OK, or PEN_E_USAGE with a sentence. */
PEN_MUST_USE pen_status config_source_check(const char *source, struct pen_err *err);
/* The same for sources of a command line; says on standard error what cannot be used. */
PEN_MUST_USE bool config_sources_usable(const char *const *sources, uint32_t count);
/* "files", "null", "opensearch:URL[,URL]"; *urls is NULL but for the last. */
PEN_MUST_USE pen_status config_sink_check(const char *spec, enum pen_sink_kind *kind,
                                          const char **urls, struct pen_err *err);

#endif
