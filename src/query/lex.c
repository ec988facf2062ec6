#include "lex.h"

#include "penstock/query.h"

static const uint8_t quote_left[] = {0xe2, 0x80, 0x9c};
static const uint8_t quote_right[] = {0xe2, 0x80, 0x9d};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* False for NUL, which strchr would find at the end of the set. */
static bool is_one_of(uint8_t c, const char *set)
{
    return c != 0 && strchr(set, c) != NULL;
}

void query_skip_blanks(struct query_lexer *lexer)
{
    while (lexer->at < lexer->text.len && is_blank(lexer->text.ptr[lexer->at])) {
        lexer->at++;
    }
}

uint8_t query_peek(const struct query_lexer *lexer, size_t n)
{
    return n < lexer->text.len - lexer->at ? lexer->text.ptr[lexer->at + n] : 0;
}

pen_slice query_span(const struct query_lexer *lexer, size_t begin, size_t end)
{
    return pen_slice_sub(lexer->text, begin, end);
}

bool query_term_is(const struct query_lexer *lexer, const struct query_term *term, const char *word)
{
    return pen_slice_eq(query_span(lexer, term->begin, term->end), pen_slice_str(word));
}

bool query_term_is_all(const struct query_term *term)
{
    return term->count == 1 && term->pieces[0].kind == PEN_PIECE_RUN;
}

bool query_term_text(const struct query_term *term, pen_slice *text)
{
    *text = term->count == 0 ? (pen_slice){0} : term->pieces[0].text;
    return term->count == 0 || (term->count == 1 && term->pieces[0].kind == PEN_PIECE_TEXT);
}

/* Bytes of a curly quote at an offset, 0 when there is none.  They work like the straight one, as
 * queries are pasted from pages that make them curly. */
static size_t curly_at(const struct query_lexer *lexer, size_t at)
{
    const pen_slice rest = query_span(lexer, at, lexer->text.len);
    return pen_slice_starts(rest, (pen_slice){quote_left, sizeof(quote_left)}) ||
                   pen_slice_starts(rest, (pen_slice){quote_right, sizeof(quote_right)})
               ? sizeof(quote_left)
               : 0;
}

/* The text of one term as it is taken apart. */
struct maker {
    uint8_t *bytes; /* unescaped */
    size_t len, piece_from;
    struct pen_piece *pieces;
    uint32_t count;
};

static void end_text(struct maker *maker)
{
    if (maker->len > maker->piece_from) {
        maker->pieces[maker->count++] = (struct pen_piece){
            PEN_PIECE_TEXT, {maker->bytes + maker->piece_from, maker->len - maker->piece_from}};
        maker->piece_from = maker->len;
    }
}

static void add_wildcard(struct maker *maker, enum pen_piece_kind kind)
{
    end_text(maker);
    const bool again = kind == PEN_PIECE_RUN && maker->count > 0 &&
                       maker->pieces[maker->count - 1].kind == PEN_PIECE_RUN;
    if (!again) {
        maker->pieces[maker->count++] = (struct pen_piece){.kind = kind};
    }
}

/* The raw inside of a term, whose escapes are whole, to pieces. */
static pen_status make_pieces(struct query_lexer *lexer, pen_slice raw, struct query_term *term)
{
    size_t wildcards = 0;
    for (size_t i = 0; i < raw.len; i++) {
        wildcards += raw.ptr[i] == '*' || raw.ptr[i] == '?';
    }
    wildcards = term->is_quoted ? 0 : wildcards;
    struct maker maker = {.bytes = pen_arena_alloc(lexer->arena, raw.len + 1, 1),
                          .pieces = PEN_NEW_N(lexer->arena, struct pen_piece, wildcards * 2 + 1)};
    if (maker.bytes == NULL || maker.pieces == NULL) {
        return PEN_FAIL(lexer->err, PEN_E_NOMEM, term->begin, "query: out of memory");
    }
    for (size_t i = 0; i < raw.len; i++) {
        const uint8_t c = raw.ptr[i];
        if (c == '\\') {
            maker.bytes[maker.len++] = raw.ptr[++i];
        } else if (!term->is_quoted && (c == '*' || c == '?')) {
            add_wildcard(&maker, c == '*' ? PEN_PIECE_RUN : PEN_PIECE_ONE);
        } else {
            maker.bytes[maker.len++] = c;
        }
    }
    end_text(&maker);
    if (maker.count > PEN_QUERY_PIECES_MAX) {
        return PEN_FAIL(lexer->err, PEN_E_LIMIT, term->begin, "more than %u wildcards in a term",
                        PEN_QUERY_PIECES_MAX / 2);
    }
    term->pieces = maker.pieces;
    term->count = maker.count;
    return PEN_OK;
}

static pen_status read_quoted(struct query_lexer *lexer, size_t open_len, struct query_term *term)
{
    const size_t begin = lexer->at + open_len;
    size_t at = begin;
    while (at < lexer->text.len) {
        const size_t close_len =
            open_len == 1 ? (lexer->text.ptr[at] == '"' ? 1U : 0U) : curly_at(lexer, at);
        if (close_len > 0) {
            lexer->at = at + close_len;
            term->end = lexer->at;
            return make_pieces(lexer, query_span(lexer, begin, at), term);
        }
        at += lexer->text.ptr[at] == '\\' ? 2 : 1;
    }
    return QUERY_FAIL(lexer, term->begin, "this quote is never closed");
}

/* Bytes that end a bare term, and those that must not stand in it without a backslash. */
static const char *const term_ends[] = {
    [QUERY_CLAUSE] = " \t\r\n():",
    [QUERY_VALUE] = " \t\r\n()",
    [QUERY_BOUND] = " \t\r\n]}",
    [QUERY_ARGUMENT] = " \t\r\n,)",
};

static pen_status read_bare(struct query_lexer *lexer, enum query_place place,
                            struct query_term *term)
{
    size_t at = lexer->at;
    while (at < lexer->text.len && !is_one_of(lexer->text.ptr[at], term_ends[place])) {
        const uint8_t c = lexer->text.ptr[at];
        if (is_one_of(c, "\"()[]{}") || curly_at(lexer, at) > 0) {
            return QUERY_FAIL(lexer, at,
                              "this character needs a backslash before it inside a word");
        }
        if (c == '\\' && at + 1 == lexer->text.len) {
            return QUERY_FAIL(lexer, at, "nothing behind the backslash");
        }
        at += c == '\\' ? 2 : 1;
    }
    term->end = at;
    lexer->at = at;
    return make_pieces(lexer, query_span(lexer, term->begin, at), term);
}

pen_status query_term_read(struct query_lexer *lexer, enum query_place place,
                           struct query_term *term)
{
    PEN_CHECK(lexer->at < lexer->text.len);
    *term = (struct query_term){.begin = lexer->at};
    const size_t quote = query_peek(lexer, 0) == '"' ? 1 : curly_at(lexer, lexer->at);
    term->is_quoted = quote > 0;
    return quote > 0 ? read_quoted(lexer, quote, term) : read_bare(lexer, place, term);
}
