/* dead_view.h - dead letters as people and scripts see them on stdout. */
#ifndef PEN_CLI_DEAD_VIEW_H
#define PEN_CLI_DEAD_VIEW_H

#include "screen.h"

struct dead_filter {
    const char *stage, *status; /* NULL: any */
    const char *const *objects; /* as pen_object_named; or numbers, for show */
    uint32_t object_count;
    bool with_taken_back;
};
struct dead_view {
    struct screen *screen;
    struct dead_filter filter;
    bool json;
    uint64_t shown;
    struct pen_buf line;
    struct pen_arena arena; /* groups and their texts */
    struct dead_group **slots;
    uint64_t slot_count, group_count, letter_count;
};
void dead_view_init(struct dead_view *view, struct screen *screen);
void dead_view_fini(struct dead_view *view);
/* Callbacks of pen_dead_letters, ctx is the view: gathers groups of the same stage, status, reason
 * and object; shows one letter in full. */
PEN_MUST_USE pen_status dead_view_group(void *ctx, const struct pen_dead_letter *letter);
PEN_MUST_USE pen_status dead_view_show(void *ctx, const struct pen_dead_letter *letter);
/* Prints the groups that were gathered, by stage, status, reason and object. */
PEN_MUST_USE pen_status dead_view_list(struct dead_view *view);

#endif
