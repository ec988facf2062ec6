/* preds.h - one predicate of every kind and many ways, for the fuzz target of the engine. */
#ifndef PEN_FUZZ_PREDS_H
#define PEN_FUZZ_PREDS_H

#include "penstock/match.h"

#define FIELDS 4U
#define PREDS_MAX 256U
#define PIECES_MAX 16U

/* "a*b?c" to pieces; ~ is a dash of any kind. */
static inline uint32_t preds_pieces(const char *glob, struct pen_piece *pieces)
{
    uint32_t count = 0;
    while (*glob != '\0') {
        const size_t run = strcspn(glob, "*?~");
        PEN_CHECK(count < PIECES_MAX);
        if (run > 0) {
            pieces[count++] = (struct pen_piece){PEN_PIECE_TEXT, {(const uint8_t *)glob, run}};
            glob += run;
            continue;
        }
        const enum pen_piece_kind kind = *glob == '*'   ? PEN_PIECE_RUN
                                         : *glob == '?' ? PEN_PIECE_ONE
                                                        : PEN_PIECE_DASH;
        pieces[count++] = (struct pen_piece){.kind = kind};
        glob++;
    }
    return count;
}

static inline uint32_t preds_patterns(struct pen_pred *preds,
                                      struct pen_piece (*pieces)[PIECES_MAX])
{
    static const char *const globs[] = {
        "a",   "ABC", "*b*", "ab*",        "*C",  "a?c",     "?",   "*",
        "*?*", "ks",  "*k*", "s*",         "",    "~a",      "x~*", "5",
        "*é*", "é?",  "*~*", "true",       "a*b", "*a*b*c*", "-",   "*\xe2\x84\xaa*",
        "ﬀ",   "*ß*", "İ",   "*{\"k\":1*", "*1,", "*.d*f",
    };
    uint32_t count = 0;
    for (uint32_t i = 0; i < PEN_COUNT(globs) * 3; i++) {
        const bool is_words = i % 3 == 2;
        const uint32_t n = preds_pieces(globs[i / 3], pieces[count]);
        if (is_words && n == 0) {
            continue;
        }
        preds[count] = (struct pen_pred){.op = is_words ? PEN_OP_WORDS : PEN_OP_PATTERN,
                                         .field = i % 7 == 6 ? PEN_FIELD_ANY : i / 3 % FIELDS,
                                         .is_cased = i % 3 == 1,
                                         .scalars_only = i / 3 % 2 == 0,
                                         .pieces = pieces[count],
                                         .piece_count = n};
        count++;
    }
    return count;
}

static inline uint32_t preds_regexes(struct pen_pred *preds)
{
    static const char *const regexes[] = {
        "^a",      "b$",      "a.c",  "^$",      "[^a]",    "\\bb",        "(?i)ABC",   "a(?!b)",
        "(?<=a)b", "^.$",     "a\\z", "\\w+\\.", "x|é",     "(?m)^b$",     "k",         "",
        "(a)\\1",  "^[^a]*$", "\\s",  "\\d{2}",  "(?s)a.b", "[[:upper:]]", "a*?b{1,2}",
    };
    for (uint32_t i = 0; i < PEN_COUNT(regexes); i++) {
        preds[i] = (struct pen_pred){.op = PEN_OP_REGEX,
                                     .field = i % 5 == 4 ? PEN_FIELD_ANY : i % FIELDS,
                                     .text = pen_slice_str(regexes[i]),
                                     .flags = i * 11 % 32};
    }
    return PEN_COUNT(regexes);
}

static inline uint32_t preds_others(struct pen_pred *preds)
{
    static const char *const numbers[] = {"5", "-1.5e3", "0", "1e400", "123456789012345678901"};
    static const char *const networks[] = {"10.0.0.0/8", "192.0.2.7", "::/0", "2001:db8::/32",
                                           "0.0.0.0/0"};
    uint32_t count = 0;
    for (uint32_t i = 0; i < 25; i++) {
        preds[count++] = (struct pen_pred){.op = PEN_OP_NUMBER,
                                           .field = i % FIELDS,
                                           .cmp = (enum pen_cmp)(i % 5),
                                           .text = pen_slice_str(numbers[i / 5])};
    }
    for (uint32_t i = 0; i < PEN_COUNT(networks); i++) {
        preds[count] = (struct pen_pred){.op = PEN_OP_CIDR, .field = i % FIELDS};
        PEN_CHECK(pen_cidr_parse(pen_slice_str(networks[i]), &preds[count], NULL) == PEN_OK);
        preds[count].op = PEN_OP_CIDR;
        preds[count].field = i % FIELDS;
        count++;
    }
    for (uint32_t i = 0; i < 8; i++) {
        preds[count++] =
            (struct pen_pred){.op = i < 4 ? PEN_OP_EXISTS : PEN_OP_NULL, .field = i % FIELDS};
        preds[count++] = (struct pen_pred){.op = PEN_OP_FIELDREF,
                                           .field = i % FIELDS,
                                           .field2 = (i + 1) % FIELDS,
                                           .is_cased = i < 4,
                                           .ref = (enum pen_ref)(i % 4)};
    }
    for (uint32_t i = 0; i < 12; i++) {
        preds[count++] = (struct pen_pred){.op = PEN_OP_TIMEPART,
                                           .field = i % FIELDS,
                                           .part = (enum pen_part)(i % 6),
                                           .cmp = (enum pen_cmp)(i % 5),
                                           .text = PEN_SLICE_LIT("5")};
    }
    return count;
}

static inline uint32_t preds_make(struct pen_pred *preds, struct pen_piece (*pieces)[PIECES_MAX])
{
    uint32_t count = preds_patterns(preds, pieces);
    count += preds_regexes(preds + count);
    count += preds_others(preds + count);
    PEN_CHECK(count <= PREDS_MAX);
    return count;
}

#endif
