/*
 * overlay.h - local changes to rules, by id or tag, that survive a newer version of the rules.
 *
 * An entry for a tag goes before one for an id, an earlier file before a later one; what comes
 * later wins, but exclusions add up.
 */
#ifndef PEN_DETECT_OVERLAY_H
#define PEN_DETECT_OVERLAY_H

#include "rules.h"

#define OVERLAY_NAME "overlay.yml"
#define OVERLAY_ENTRIES_MAX 10000U     /* of all files together */
#define OVERLAY_EXCLUSIONS_MAX 64U     /* of a rule */
#define OVERLAY_GROUP_MAX 8U           /* names to group by */
#define OVERLAY_KEEP_ALIVE_MAX_S 86400 /* as Datadog has it */

struct overlay_entry {
    pen_slice file, name; /* an id or a tag */
    uint32_t line, column;
    bool is_tag, is_used;
    bool has_enabled, is_enabled;
    bool has_severity;
    enum pen_severity severity;
    bool has_mode, is_shadow;
    pen_slice exclude; /* log search syntax; empty: none */
    const pen_slice *group_by;
    uint32_t group_by_count;
    int64_t keep_alive_ns; /* -1: not said */
};

/* The name of a path, without its folders, is that of an overlay. */
bool overlay_is_file(const char *path);
/* Every entry of a file's text, or notices why not; the file counts as one rejected document when
 * any is wrong. */
void overlay_add_text(struct pen_rules *rules, const char *name, pen_slice text);
/* What all entries that are about the rule say of it.  Once for each rule. */
void overlay_apply(struct pen_rules *rules, struct pen_rule *rule);
/* Warns of ids and tags that no rule has. */
void overlay_warn_unused(struct pen_rules *rules);

#endif
