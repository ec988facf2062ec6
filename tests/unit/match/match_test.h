/*
 * match_test.h - records made by hand from (field, kind, text) lists, and short ways to write
 * predicates.  Nothing here walks JSON: raw is given by the test where PEN_FIELD_ANY needs it.
 */
#ifndef PEN_MATCH_TEST_H
#define PEN_MATCH_TEST_H

#include "penstock/match.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

#define HAND_FIELDS 512
#define HAND_VALUES 4096

struct hand {
    struct pen_value values[HAND_VALUES];
    struct pen_value_head heads[HAND_FIELDS];
    struct pen_record record;
};

static inline void hand_reset(struct hand *hand)
{
    const uint32_t stamp = hand->record.stamp + 1;
    hand->record = (struct pen_record){
        .values = hand->values, .heads = hand->heads, .field_count = HAND_FIELDS, .stamp = stamp};
}

static inline void hand_add(struct hand *hand, uint32_t field, uint8_t kind, pen_slice text)
{
    struct pen_record *r = &hand->record;
    assert_true(r->value_count < HAND_VALUES && field < HAND_FIELDS);
    const uint32_t at = r->value_count++;
    hand->values[at] = (struct pen_value){
        .field = field,
        .next = UINT32_MAX,
        .text = text,
        .kind = kind,
        .is_escaped =
            kind == PEN_STRING && text.len > 0 && memchr(text.ptr, '\\', text.len) != NULL,
    };
    struct pen_value_head *head = &hand->heads[field];
    if (head->stamp == r->stamp) {
        hand->values[head->last].next = at;
    } else {
        *head = (struct pen_value_head){.stamp = r->stamp, .first = at};
    }
    head->last = at;
}

static inline void hand_str(struct hand *hand, uint32_t field, const char *text)
{
    hand_add(hand, field, PEN_STRING, pen_slice_str(text));
}

/* One-node tree. */
static inline struct pen_expr expr_of(const struct pen_pred *pred)
{
    return (struct pen_expr){.kind = PEN_EXPR_PRED, .pred = pred};
}

static inline bool pred_holds(const struct pen_pred *pred, const struct hand *hand)
{
    const struct pen_expr expr = expr_of(pred);
    return pen_expr_eval(&expr, &hand->record, NULL, NULL);
}

/* "a*b?c" to pieces; ~ is a DASH.  pieces has room for every character. */
static inline uint32_t pieces_of(const char *glob, struct pen_piece *pieces)
{
    uint32_t n = 0;
    while (*glob != '\0') {
        const size_t run = strcspn(glob, "*?~");
        if (run > 0) {
            pieces[n++] = (struct pen_piece){PEN_PIECE_TEXT, {(const uint8_t *)glob, run}};
            glob += run;
            continue;
        }
        const enum pen_piece_kind kind = *glob == '*'   ? PEN_PIECE_RUN
                                         : *glob == '?' ? PEN_PIECE_ONE
                                                        : PEN_PIECE_DASH;
        pieces[n++] = (struct pen_piece){.kind = kind};
        glob++;
    }
    return n;
}

/* xorshift64*: the same numbers on every machine. */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

#endif
