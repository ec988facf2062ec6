/* planner.h - folders and files to objects: found once, listed folder by folder in day order. */
#ifndef PEN_NODE_PLANNER_H
#define PEN_NODE_PLANNER_H

#include "penstock/node.h"

#include "bucket.h"
#include "early.h"
#include "names.h"

#include <sys/types.h>

struct unit {   /* a folder that holds files, or one file named as a source */
    char *path; /* to open */
    char *name; /* in the checkpoint: the path, or its own when the job went on with a later --to */
    char *key;  /* below the source; "" for the source itself */
    int64_t day_ns; /* INT64_MIN: none; such units come first and hold the watermark */
    bool is_file;
    uint32_t
        bucket;  /* in S3: which of the planner's, from 1; path is then a prefix behind the root */
    bool is_day; /* in S3: all keys below belong to it, else those before the next "/" */
    bool is_listed;
    bool has_failed;       /* its listing did, at least in part */
    bool is_closed;        /* nothing is added any more: closed.h */
    int64_t listing_ns;    /* when its listing began, by the server's clock; 0: it has not */
    uint32_t open_objects; /* listed, not yet in a commit */
};

struct planner {
    const struct pen_replay_options *options;
    struct pen_classifier *classifier;
    struct unit *units;
    uint32_t unit_count, unit_cap;
    uint64_t files, bytes; /* found, before pruning */
    uint64_t folders_unreadable;
    uint64_t ignored; /* objects whose key their type passes over: of those that were pruned */
    uint64_t skipped; /* entries that are no files: links to folders, pipes, sockets, devices */
    dev_t out_dev;
    ino_t out_ino;
    struct folder_names names;
    struct early early;
    struct bucket **buckets;
    uint32_t bucket_count;
};

/* Walks all sources: unit table sorted by day, then path.  on_gap hears of unreadable folders. */
typedef void planner_gap_fn(void *ctx, const char *path, const struct pen_err *err);
PEN_MUST_USE pen_status planner_init(struct planner *planner,
                                     const struct pen_replay_options *options,
                                     const struct pen_types *types, planner_gap_fn *on_gap,
                                     void *ctx, struct pen_err *err);
void planner_fini(struct planner *planner);

struct object_list { /* owns its objects until they are taken */
    struct pen_object **items;
    uint32_t count, cap;
    uint64_t pruned;
};
/*
 * planner_list - appends the next objects of a unit, in bytewise order of their names.
 *
 * room     at least 1: objects at most; what is left comes with the next call for the same unit
 * *is_done all of the unit were given (also on an error): go on to the next one
 * An interrupted run is given fewer, or none, and *is_done is false.
 * Pruned objects are counted only.  Names are held for the one unit that is being listed.
 */
PEN_MUST_USE pen_status planner_list(struct planner *planner, uint32_t unit, uint32_t room,
                                     struct object_list *list, bool *is_done, struct pen_err *err);
/*
 * planner_early - appends what is left of the objects that are to be read before all others because
 * one of them alone takes a good part of the run; object->unit is theirs.  Called once, before
 * planner_list, which then leaves them out.
 */
PEN_MUST_USE pen_status planner_early(struct planner *planner, struct object_list *list,
                                      struct pen_err *err);
/* Whether planner_list gave less than there is because answers are awaited; waits for some. */
bool planner_is_waiting(const struct planner *planner, uint32_t unit);
PEN_MUST_USE pen_status planner_wait(struct planner *planner, uint32_t unit, struct pen_err *err);

/* For planner_bucket.c: the parts that folders and buckets share.  unit_add takes path and key. */
/* Whether the type of an object (not a folder) that is wanted passes over its key; counts it. */
bool planner_ignores(struct planner *planner, const struct pen_key_info *info);
bool planner_key_wanted(struct planner *planner, pen_slice key, struct pen_key_info *info);
PEN_MUST_USE pen_status planner_unit_add(struct planner *planner, char *path, char *key,
                                         bool is_file);
/* Room for one more in the list. */
PEN_MUST_USE bool planner_list_room(struct object_list *list);
/* source: which of the options' sources. */
PEN_MUST_USE pen_status planner_bucket_walk(struct planner *planner, uint32_t source,
                                            planner_gap_fn *on_gap, void *ctx, struct pen_err *err);
PEN_MUST_USE pen_status planner_bucket_list(struct planner *planner, uint32_t unit, uint32_t room,
                                            struct object_list *list, bool *is_done,
                                            struct pen_err *err);
/* Requests for listings of all buckets so far. */
uint64_t planner_lists(const struct planner *planner);
void object_free(struct pen_object *object);
/* Whether a name is on the first list (when there is one) and not on the second.  An empty value,
 * of which the key says nothing, is. */
bool planner_name_wanted(const char *const *yes, uint32_t yes_count, const char *const *no,
                         uint32_t no_count, pen_slice value);

#endif
