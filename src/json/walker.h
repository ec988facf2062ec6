/* walker.h - the parts of a walker: learned keys, the walk of one record, framing. */
#ifndef PEN_JSON_WALKER_H
#define PEN_JSON_WALKER_H

#include "plan.h"
#include "stage1.h"

#define SHAPE_PLANS_MAX 4U
#define SHAPES_MAX 16384U
#define SHAPE_KEY_MAX 256U
#define VALUES_MAX 65536U /* with the first ones of paths behind PEN_RECORD_VALUES_MAX */
#define PATCHES_MAX 4096U
#define SHADOWS_MAX 65536U

/* Bytes of a name that one comparison takes. */
#define SHAPE_PATTERN 32U

/*
 * A key under a path, learned from the records: what the plan wants of it, and which key came next
 * last time.  Keys come in nearly the same order record after record, so that one compare finds
 * them.  What every member of a record needs stands in front, in as few lines of the cache as may
 * be.
 */
struct shape {
    uint8_t pattern[SHAPE_PATTERN]; /* the name as written, quotes and colon too, or its beginning;
                                     * 0xff, which no text has: it cannot be written so */
    uint32_t pattern_mask;          /* a bit for each byte of the pattern */
    uint32_t next;                  /* the sibling that followed last time; 0: none */
    uint32_t child;                 /* its first key last time; 0: none */
    uint32_t field_count;
    const uint32_t *fields; /* that want the value: those of all plans */
    uint64_t stamp;         /* the object instance that last had this key */
    uint32_t action;
    uint32_t key_len;
    const uint8_t *key; /* unescaped */
    uint32_t parent;
    uint32_t plans[SHAPE_PLANS_MAX];
    uint8_t plan_count;
    bool is_long;   /* the pattern is but the beginning */
    bool is_index;  /* an element of an array by its number */
    bool has_index; /* elements of an array here need shapes of their own */
    bool is_diverted;
};

struct shapes {
    const struct pen_plan *plan;
    struct shape *items; /* 1 is the root; 0 is none */
    uint32_t count;
    uint32_t *table; /* by hash of parent and key */
    uint32_t mask;
    struct pen_arena keys;
    uint64_t instance; /* counts objects */
};
PEN_MUST_USE uint64_t shapes_memory(void); /* bytes at most */
bool shapes_init(struct shapes *shapes, const struct pen_plan *plan);
void shapes_fini(struct shapes *shapes);
void shapes_clear(struct shapes *shapes);
/* The shape of key under parent; learned when new; 0 when the table is full or the key too long. */
uint32_t shapes_find(struct shapes *shapes, uint32_t parent, pen_slice key, bool is_index);

struct wanted_column { /* its text is a value of field */
    uint32_t column, field;
};
/* What lines of text have, where it can be told by column. */
struct flat {
    struct pen_columns columns;
    uint32_t *of_field; /* what columns have of it, by field of the plan */
    pen_slice *keys;
    struct wanted_column *wanted;
    uint32_t wanted_count;
    struct pen_arena memory; /* all of these */
};
uint64_t flat_memory(void); /* bytes of one at most, besides those by field */
void flat_fini(struct flat *flat);

struct frame {                     /* an open container of the record */
    uint32_t shape;                /* 0: not learned, nothing below is wanted */
    uint32_t key_shape;            /* object: shape of the key before, for the prediction */
    uint32_t rollback;             /* length of the copy before the member that this container is */
    uint32_t members;              /* written */
    uint32_t elements;             /* array: seen */
    uint32_t value_from, value_to; /* values to be given their text at the end */
    uint32_t raw_from;
    uint32_t copy_from; /* of the container itself */
    uint64_t instance;
    bool is_object;
    bool only_empty; /* array: its one element is "" */
    bool is_muted;   /* this container began the muting */
    uint32_t action;
};

struct value_head {
    uint32_t stamp, first, last;
};

enum state {
    STATE_TOP,      /* between values at the top */
    STATE_ARRAY,    /* in the array of records */
    STATE_ENVELOPE, /* in the object around it, behind a value */
    STATE_SKIP,     /* inside a record that is too large */
    STATE_ENDED,
};

enum walk_result { WALK_RECORD, WALK_INCOMPLETE, WALK_BAD, WALK_ENVELOPE };

struct pen_walker {
    struct pen_walker_options options;
    struct stage1 *stage1;
    struct shapes shapes;
    uint32_t *scalar_index; /* made when stage 1 rejects a window */
    /* window */
    const uint8_t *text;
    uint32_t len;
    const uint32_t *index;
    uint32_t at;             /* next structural */
    uint32_t next_backslash; /* first backslash at or behind what was looked at; len: none */
    uint64_t base;           /* offset of text[0] in the object */
    uint32_t consumed;       /* of text */
    uint32_t bom; /* bytes of the window before text: a byte order mark, what was skipped */
    bool is_final, is_scalar;
    /* framing */
    int state, after_skip;
    bool need_comma, in_events, saw_array, in_envelope;
    uint64_t ordinal;
    int32_t skip_depth; /* of an oversize value being skipped; 0: its end was found */
    uint8_t skip_open;  /* '{' or '[': what its depth counts; 0: a scalar */
    bool skip_string, skip_escape;
    struct pen_object_end skip_end; /* instead of them, of an object */
    struct pen_err ended;
    /* record */
    struct frame frames[PEN_JSON_DEPTH_MAX];
    struct pen_value *values;
    uint32_t value_count;
    struct value_head *heads;
    uint32_t stamp;
    uint8_t *copy;
    uint32_t copy_len, copy_cap;
    const uint8_t *run; /* the last run_len bytes of the copy, still to be copied from here */
    uint32_t run_len;
    struct pen_patch *patches;
    uint32_t patch_count;
    uint32_t muted;     /* nested muting: 0 writes */
    bool has_duplicate; /* walk again with shadows */
    uint32_t *shadows;  /* positions of keys that a later equal key replaces, ascending */
    uint32_t shadow_count, shadow_at;
    struct key_place *keys; /* scratch to find them, made for the first record that needs it */
    bool with_shadows;
    pen_slice event_text; /* CloudTrailEvent of a lookup-events element */
    bool event_escaped;
    struct pen_walker *sub; /* walks such texts */
    uint8_t *sub_text;
    struct pen_err bad;
    struct pen_buf diverted; /* of a flat record */
    struct flat flat;
};

/* Walks the object at index[at].  BAD: walker->bad says why; at is where it was noticed. */
enum walk_result walk_record(struct pen_walker *walker, bool may_be_envelope);
/* Keys of the object at index[at] that later equal keys replace.  False: too many. */
bool shadows_find(struct pen_walker *walker);
uint64_t shadows_memory(void); /* bytes of a walker */
/* Skips the value at from, which is too large: what is here of it at once, the rest with the next
 * windows. */
void window_skip(struct pen_walker *walker, uint32_t from);
/* Structural positions as stage 1 gives them, without checking strings.  A line feed is one where
 * it cuts a string, which stage 1 refuses: what begins behind it is outside of strings again. */
void scalar_index(struct pen_walker *walker);
/* End of the token at index[i]: one past its last byte, blanks before the next structural cut off.
 */
uint32_t token_end(const struct pen_walker *walker, uint32_t i);
bool has_backslash(struct pen_walker *walker, uint32_t from, uint32_t to);

#endif
