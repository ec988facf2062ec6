/* lex.h - words of a query: where they end, escapes, quotes, wildcards. */
#ifndef PEN_QUERY_LEX_H
#define PEN_QUERY_LEX_H

#include "penstock/query.h"

#define PEN_QUERY_PIECES_MAX 4096U /* parts of one term: texts and wildcards */

struct query_lexer {
    struct pen_arena *arena;
    pen_slice text; /* arena-owned copy of the query; UTF-8 */
    size_t at;
    struct pen_err *err; /* never NULL */
};

/* Where a term stands decides which bytes end it. */
enum query_place {
    QUERY_CLAUSE,   /* free text or the name of a field: ends at ':' */
    QUERY_VALUE,    /* behind the ':' of a field, or in its list: ':' is an ordinary byte */
    QUERY_BOUND,    /* of a range: ends at ] and } */
    QUERY_ARGUMENT, /* of CIDR(): ends at ',' and ')' */
};

struct query_term {
    const struct pen_piece *pieces; /* TEXT, RUN, ONE; two RUNs never stand together */
    uint32_t count;                 /* 0: the empty text */
    bool is_quoted;
    size_t begin, end; /* bytes of the query, quotes included */
};

#define QUERY_FAIL(lexer, offset, ...) PEN_FAIL((lexer)->err, PEN_E_USAGE, (offset), __VA_ARGS__)

void query_skip_blanks(struct query_lexer *lexer);
/* The byte n places on, or 0 at the end. */
uint8_t query_peek(const struct query_lexer *lexer, size_t n);
/* Reads one quoted or bare term at lexer->at, which is no blank and not the end.  A bare term may
 * be empty only where a byte that ends it stands first: then *term has begin == end. */
PEN_MUST_USE pen_status query_term_read(struct query_lexer *lexer, enum query_place place,
                                        struct query_term *term);
/* True when the term is this very word, without quotes or escapes: AND, OR, NOT, TO, CIDR. */
bool query_term_is(const struct query_lexer *lexer, const struct query_term *term,
                   const char *word);
/* True for an unquoted '*', also repeated. */
bool query_term_is_all(const struct query_term *term);
/* The text of a term without wildcards.  False when it has some. */
PEN_MUST_USE bool query_term_text(const struct query_term *term, pen_slice *text);
/* The bytes of the query from begin to end. */
pen_slice query_span(const struct query_lexer *lexer, size_t begin, size_t end);

#endif
