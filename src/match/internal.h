/*
 * internal.h - what the files of match share: one predicate made ready, working memory, and the
 * plain checks that the slow evaluator and the engine both end in.
 */
#ifndef PEN_MATCH_INTERNAL_H
#define PEN_MATCH_INTERNAL_H

#include "penstock/match.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define PEN_MATCH_STEPS_DEFAULT 100000U        /* PCRE2 match limit a value */
#define PEN_MATCH_TEXT_MAX ((size_t)256 << 20) /* bytes of unescaped text a value */
#define PEN_MATCH_PIECES_MAX 4096U
#define PEN_MATCH_REGEX_MAX 16384U /* bytes of one expression */

/* A predicate ready for evaluation; code is NULL unless it is a REGEX. */
struct match_pred {
    struct pen_pred pred;
    pcre2_code *code;
    pen_slice needle; /* of a predicate on any value, in lower case; empty: every value is asked */
};

/* Working memory of one thread; grows to the largest value and stays. */
struct match_scratch {
    struct pen_buf text;
    struct pen_buf other;
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    uint64_t limit_hits;
};

PEN_MUST_USE pen_status pen_match_scratch_init(struct match_scratch *scratch, uint32_t steps_max,
                                               struct pen_err *err);
void pen_match_scratch_fini(struct match_scratch *scratch);

/* number.c: order of two decimal numbers, exact: < 0, 0, > 0.  Exponents are held to +-10^15. */
int pen_match_number_cmp(pen_slice a, pen_slice b);
bool pen_match_cmp_holds(enum pen_cmp cmp, int order);

/* cidr.c */
bool pen_match_cidr(const struct pen_pred *pred, pen_slice text);

/* timepart.c: the part of a timestamp; false when text is none. */
bool pen_match_timepart(pen_slice text, enum pen_part part, uint32_t *value);

/* text.c: pieces against the whole text; or as a phrase between word boundaries. */
bool pen_match_pieces(const struct pen_piece *pieces, uint32_t count, bool is_cased,
                      pen_slice text);
/* plain.c: the same by comparing bytes, where that is right: texts of ASCII and runs.  False: it is
 * not, and *verdict is untouched. */
bool pen_match_plain(const struct pen_piece *pieces, uint32_t count, bool is_cased, pen_slice text,
                     bool *verdict);
bool pen_match_words(const struct pen_piece *pieces, uint32_t count, pen_slice text);
bool pen_match_is_ascii(pen_slice text);
/* Appends text with every code point folded. */
PEN_MUST_USE pen_status pen_match_fold(struct pen_buf *out, pen_slice text);

/* needle.c: the longest piece of ASCII text that every value on which the predicate holds has in
 * it, but for its case; or empty.  Points into the predicate. */
pen_slice pen_match_needle(const struct pen_pred *pred);
/* A copy in lower case.  False when text is not all ASCII, or out of memory. */
PEN_MUST_USE bool pen_match_lower(struct pen_buf *out, pen_slice text);
bool pen_match_has(pen_slice text, pen_slice needle);

/* word.c: letter, decimal digit or underscore. */
bool pen_match_is_word(uint32_t point);

/* regex.c */
PEN_MUST_USE pen_status pen_match_regex_compile(const struct pen_pred *pred, pcre2_code **code,
                                                struct pen_err *err);
bool pen_match_regex(struct match_scratch *scratch, const pcre2_code *code, pen_slice text);

/* pred.c: the verdict of one predicate on one record. */
bool pen_match_pred_eval(struct match_scratch *scratch, const struct match_pred *pred,
                         const struct pen_record *record);
/* Calls fn with the compact text of an object and each scalar below it, until it returns true. */
typedef bool pen_match_text_fn(void *ctx, pen_slice text);
bool pen_match_object_texts(struct pen_buf *tmp, pen_slice object, pen_match_text_fn *fn,
                            void *ctx);

#endif
