/*
 * template.h - the texts of Datadog rules that name values: what stands between double braces.
 *
 * Source: reference/datadog.md 4.9.  Never recursive, nothing is allocated while a text is read.
 */
#ifndef PEN_DETECT_TEMPLATE_H
#define PEN_DETECT_TEMPLATE_H

#include "penstock/detect.h"

#define TEMPLATE_DEPTH_MAX 16U /* blocks inside one another */
#define TEMPLATE_WORDS_MAX 16U /* of one tag: its name and arguments */

enum template_kind {
    TEMPLATE_TEXT,    /* as it stands */
    TEMPLATE_VALUE,   /* {{name}}, {{eval "..."}}, {{local_time "name" "zone"}}, ... */
    TEMPLATE_OPEN,    /* {{#if name}}, {{#is_match "name" "text"}} */
    TEMPLATE_INVERSE, /* {{^if name}} */
    TEMPLATE_ELSE,
    TEMPLATE_CLOSE, /* {{/if}} */
};
struct template_word {
    pen_slice text;
    bool is_quoted;
};
struct template_part { /* slices borrow the template */
    enum template_kind kind;
    pen_slice text;                                 /* TEXT: the bytes; else between the braces */
    struct template_word words[TEMPLATE_WORDS_MAX]; /* of a tag, without # ^ / */
    uint32_t word_count;
    bool is_cut; /* there were more words */
};

/* The next part of *rest, which is shortened by it.  False at the end.  Braces that are never
 * closed are text. */
bool template_next(pen_slice *rest, struct template_part *part);

/* "key.name" and "[key].name" are the tag "key"; other names as they are, blanks cut off. */
pen_slice template_variable(pen_slice name);
/* A name that every signal has a value for ("first_seen"), not an attribute or tag of an event. */
bool template_is_own(pen_slice name);

enum template_helper {
    TEMPLATE_PLAIN, /* the first word is the name of a variable */
    TEMPLATE_EVAL,
    TEMPLATE_LOCAL_TIME,
    TEMPLATE_URLENCODE,
    TEMPLATE_IF,
    TEMPLATE_IS_MATCH,
    TEMPLATE_IS_EXACT_MATCH,
    TEMPLATE_UNKNOWN, /* a block of a name that there is not, or words that nothing wants */
};
enum template_helper template_helper(const struct template_part *part);

/* Cuts the next name of a variable off an expression of eval: false when there is none left. */
bool template_eval_name(pen_slice *expression, pen_slice *name);

/*
 * template_eval - integers, variables, + - * / and parentheses in 64 bits.
 *
 * value    gives the integer of a variable
 * Returns  false when there is no result: a mistake, a variable that is no integer, an overflow
 */
bool template_eval(pen_slice expression, bool (*value)(void *ctx, pen_slice name, int64_t *out),
                   void *ctx, int64_t *out);

/*
 * template_local_time - a time as "2024-01-31T23:59:59+09:00" in a zone of the host's tz database.
 *
 * zone     "Europe/Paris"; one that is not known, and times behind what its file lists: UTC
 * out      PEN_TIME_MAX bytes; returns how many were written
 */
size_t template_local_time(int64_t time_ns, pen_slice zone, char out[PEN_TIME_MAX]);

/* Names that a template wants of events, each once, in the arena; beyond max they are left out and
 * *is_cut is set. */
void template_names(struct pen_arena *arena, pen_slice template, const pen_slice **out,
                    uint32_t *count, uint32_t max, bool *is_cut);
/* What is wrong with a template, at *offset; NULL: nothing. */
const char *template_check(pen_slice template, size_t *offset);

#endif
