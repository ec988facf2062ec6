/* taken.h - the refused objects that are taken back, and which documents and observations are
 * theirs. */
#ifndef PEN_NODE_TAKEN_H
#define PEN_NODE_TAKEN_H

#include "checkpoint.h"

struct taken { /* texts live in the set's arena */
    const char *unit, *path, *key;
    uint64_t name_hash;
    pen_slice text; /* the key as documents and dead letters show it: inside of a JSON string */
    uint64_t text_hash;
    uint64_t delivered, made;         /* documents and observations that it gave, by the totals */
    uint64_t documents, observations; /* what was found of it */
};
struct taken_set {
    struct pen_arena arena;
    struct taken *items; /* sorted by text once sealed */
    uint32_t count, cap;
    uint64_t delivered, made; /* of all */
    struct pen_buf scratch;
};
void taken_init(struct taken_set *set);
void taken_fini(struct taken_set *set);
/* Copies the texts. */
PEN_MUST_USE pen_status taken_add(struct taken_set *set, const struct checkpoint_refused *refused,
                                  const struct pen_totals *totals);
void taken_seal(struct taken_set *set);

/* Whether a line {"_index","_id","_source"} is a document of one of them; counts it. */
PEN_MUST_USE bool taken_document(struct taken_set *set, pen_slice line);
/* Whether an observation of this object key is; counts it. */
PEN_MUST_USE bool taken_observation(struct taken_set *set, pen_slice key);
/*
 * taken_check - everything that an object delivered was found, and nothing else bore its key.
 *
 * Keys are relative to their source: two sources may hold objects of one key, whose documents
 * cannot be told apart.  PEN_E_USAGE then, naming the key.
 */
PEN_MUST_USE pen_status taken_check(const struct taken_set *set, bool has_documents,
                                    struct pen_err *err);

#endif
