/* exclude_entry.h - `exclude:` of penstock.yaml: what no one wants to have as a document. */
#ifndef PEN_CLI_EXCLUDE_ENTRY_H
#define PEN_CLI_EXCLUDE_ENTRY_H

#include "penstock/node.h"
#include "penstock/yaml.h"

enum own_logs { OWN_LOGS_OFF, OWN_LOGS_COUNT, OWN_LOGS_DROP }; /* exclude.own_logs */
struct exclude_list {                                          /* arena-owned */
    struct pen_exclusion *items;
    uint32_t count;
};
/*
 * exclude_entry_read - appends one entry:
 *
 *   {name, query, types, mode}  mode: drop (default) or count; types: one name or a list
 *   {csv, mode}                 a file of log_type,field,pattern,pattern_type,comment with a first
 *                               line of these names, as SIEM on Amazon OpenSearch Service has it; a
 *                               row is an exclusion called FILE:LINE
 *
 * folder   of the config file, "" or with a slash at its end: csv is relative to it
 * at       on failure: the node that is wrong
 * Returns  PEN_OK | PEN_E_USAGE | PEN_E_NOMEM
 */
PEN_MUST_USE pen_status exclude_entry_read(struct pen_arena *arena, const char *folder,
                                           const struct pen_yaml *entry, struct exclude_list *list,
                                           const struct pen_yaml **at, struct pen_err *err);
/* Appends one exclusion, whose texts live as long as the list.  PEN_E_USAGE: its name is taken, or
 * there are PEN_EXCLUSIONS_MAX. */
PEN_MUST_USE pen_status exclude_add(struct pen_arena *arena, struct exclude_list *list,
                                    const struct pen_exclusion *item, struct pen_err *err);
/* Appends what keeps the logs of penstock, and of the loader whose form the documents have, out of
 * the logs (exclude.own_logs). */
PEN_MUST_USE pen_status exclude_own_logs(struct pen_arena *arena, struct exclude_list *list,
                                         enum pen_exclude_mode mode, struct pen_err *err);

/* exclude_csv.c: the rows of a file. */
PEN_MUST_USE pen_status exclude_csv(struct pen_arena *arena, const char *path,
                                    enum pen_exclude_mode mode, struct exclude_list *list,
                                    struct pen_err *err);

#endif
