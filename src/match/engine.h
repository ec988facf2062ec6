/*
 * engine.h - the compiled form: predicates, programs, the equality table and the pattern database.
 * Built by compile.c, immutable afterwards, read by run.c.
 */
#ifndef PEN_MATCH_ENGINE_H
#define PEN_MATCH_ENGINE_H

#include "internal.h"

#include <hs/hs.h>

enum pred_class {
    CLASS_LAZY,   /* evaluated when a program asks */
    CLASS_EQ,     /* whole-value literal: hash table */
    CLASS_PREFIX, /* how a value begins: the same table */
    CLASS_SCAN,   /* Hyperscan reports candidates */
};

struct engine_pred {
    struct match_pred ready;
    enum pred_class cls;
    bool is_exact;                     /* SCAN: on ASCII values a report is the verdict */
    uint32_t first_query, query_count; /* which queries to run when it fires */
};

/* One step of a program: a predicate and where to go on.  Programs are trees with every NOT, AND
 * and OR turned into jumps. */
#define GO_TRUE UINT32_MAX
#define GO_FALSE (UINT32_MAX - 1)
struct instruction {
    uint32_t pred, if_true, if_false;
};

struct engine_query {
    uint32_t entry;    /* instruction, or GO_TRUE, GO_FALSE */
    uint32_t code_end; /* its instructions lie between that of the query before and this */
    uint32_t tag;
};

/* A value is looked up once in a field where some key takes any case: all keys of the field are
 * found by their folded text, and those that ask for a case compare the value as it is. */
struct eq_key {
    uint32_t field, pred; /* field: and EQ_PREFIX, when it is how a value begins */
    bool is_cased, scalars_only;
    bool is_found_cased; /* by its text as it is */
    pen_slice text;      /* folded unless is_cased */
    pen_slice found_by;  /* text, or text folded */
};
struct eq_want {
    uint32_t field; /* as that of a key */
    bool is_found_cased;
    pen_slice text;     /* the value */
    pen_slice found_by; /* the same, folded unless is_found_cased */
};
struct eq_slot {
    uint64_t hash;
    uint32_t key; /* index + 1; 0: free */
};
struct eq_table {
    struct eq_slot *slots;
    uint64_t mask;
    const struct eq_key *keys;
    uint32_t count;
    bool hashes_all; /* of texts; else their ends, which tell keys apart enough */
    size_t text_max; /* bytes of the longest key */
    uint64_t *marks; /* bits: one of each key, by its hash */
    uint64_t mark_mask;
};

#define FIELD_EQ_FOLDED 1U
#define FIELD_EQ_CASED 2U
#define FIELD_SCAN 4U
#define FIELD_PREFIX_FOLDED 8U
#define FIELD_PREFIX_CASED 16U

#define EQ_PREFIX UINT32_C(0x80000000)
/* Beginnings of a field's values are looked up by length: so many lengths, none longer. */
#define PREFIX_LENS_MAX 4U
#define PREFIX_BYTES_MAX 64U

/*
 * Bytes of the scan buffer that no UTF-8 text has: a value is START, the field as digits of base 8
 * in F5..FC, a newline, the text, a newline, STOP.  The newlines let ^, $ and \b of a user's regex
 * find an edge.
 */
#define SCAN_START 0xffU
#define SCAN_STOP 0xfeU
#define SCAN_DIGIT 0xf5U
#define SCAN_DIGITS_MAX 11U
#define SCAN_PADDING 64U

struct engine_pattern {
    char *text; /* Hyperscan expression */
    unsigned flags;
    uint32_t pred;
    bool is_user; /* a regex of a rule: may be dropped, then it is lazy */
    bool is_dropped;
};

struct pen_engine {
    struct pen_arena arena;
    struct engine_pred *preds;
    uint32_t pred_count;
    struct instruction *code;
    uint32_t code_count;
    struct engine_query *queries; /* ascending tags */
    uint32_t query_count;
    uint32_t *dependents; /* query indices by predicate */
    uint32_t *always;     /* queries that nothing selects */
    uint32_t always_count;
    uint8_t *field_flags;                    /* by field */
    uint64_t *eq_lens;                       /* by field: bits of the lengths of its keys, by 64 */
    uint8_t (*field_tags)[SCAN_DIGITS_MAX];  /* digits, by field */
    uint8_t (*prefix_lens)[PREFIX_LENS_MAX]; /* bytes, by field; 0: no more */
    uint32_t field_count;
    uint32_t digit_count;
    struct eq_table eq;
    struct engine_pattern *patterns;
    uint32_t pattern_count;
    uint32_t *scan_regexes; /* predicates: user regexes in the database */
    uint32_t scan_regex_count;
    hs_database_t *database;
    uint32_t regex_steps_max;
    struct pen_engine_stats stats;
};

/* eqtable.c */
PEN_MUST_USE pen_status pen_match_eq_build(struct pen_arena *arena, const struct eq_key *keys,
                                           uint32_t count, struct eq_table *table,
                                           struct pen_err *err);
/* False: no key is of this field and text.  Looks at few bytes; most values end here.  *hash is for
 * pen_match_eq_next. */
bool pen_match_eq_may_have(const struct eq_table *table, const struct eq_want *want,
                           uint64_t *hash);
/* Next key of this field and text from *at on (start with the hash); NULL: no more. */
const struct eq_key *pen_match_eq_next(const struct eq_table *table, uint64_t hash, uint64_t *at,
                                       const struct eq_want *want);

/* prefix.c: gives patterns that are beginnings CLASS_PREFIX, in fields that no other pattern wants
 * scanned and that have few lengths of them. */
PEN_MUST_USE pen_status pen_match_prefixes(struct pen_engine *engine, struct pen_buf *scratch);

/* pattern.c: Hyperscan expression of a predicate.  False: it cannot be one. */
bool pen_match_pattern_text(const struct pen_engine *engine, const struct pen_pred *pred,
                            struct pen_buf *out, unsigned *flags);
/* True when all pieces are runs and at least one is: every text matches. */
bool pen_match_pieces_take_all(const struct pen_pred *pred);

/* hsdb.c: database of the patterns that Hyperscan takes; marks the others as dropped. */
PEN_MUST_USE pen_status pen_match_hsdb_build(struct pen_engine *engine,
                                             const struct pen_engine_options *options,
                                             struct pen_err *err);

/* program.c */
struct match_intern;
/* Id of a predicate; it was interned before. */
uint32_t pen_match_intern_find(const struct match_intern *intern, const struct pen_pred *pred);
/* Appends the program of expr to code (struct instruction) and gives its entry. */
PEN_MUST_USE pen_status pen_match_program(struct pen_buf *code, const struct match_intern *intern,
                                          const struct pen_expr *expr, uint32_t *entry);
/* Predicates of which one at least is true when expr is; false: there is no such set.  cost is by
 * predicate, UINT32_MAX where it does not announce itself. */
PEN_MUST_USE pen_status pen_match_required(const struct match_intern *intern, const uint32_t *cost,
                                           const struct pen_expr *expr, struct pen_buf *set,
                                           bool *has_set);

#endif
