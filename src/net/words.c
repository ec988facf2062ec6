/* tested by tests/unit/net/test_credential_replies.c */
#include "words.h"

struct cutter {
    pen_slice rest;
    uint8_t quote; /* that is open; 0: none */
    bool in_word;
    size_t len; /* of the text */
    struct words *out;
};

static bool is_gap(uint8_t b)
{
    return b == ' ' || b == '\t' || b == '\n' || b == '\r';
}

static uint8_t take(struct cutter *c)
{
    const uint8_t b = c->rest.ptr[0];
    c->rest = pen_slice_sub(c->rest, 1, c->rest.len);
    return b;
}

static bool word_begin(struct cutter *c)
{
    if (!c->in_word) {
        if (c->out->count == WORDS_MAX) {
            return false;
        }
        c->in_word = true;
        c->out->items[c->out->count++] = c->out->text + c->len;
    }
    return true;
}

/* What a byte is outside of a word's text: it opens or closes something, or is a gap. */
static bool is_mark(struct cutter *c, uint8_t b)
{
    if (c->quote != 0) {
        const bool is_end = b == c->quote;
        c->quote = is_end ? 0 : c->quote;
        return is_end;
    }
    if (b == '\'' || b == '"') {
        c->quote = b;
        return true;
    }
    return false;
}

static bool is_escape(const struct cutter *c, uint8_t b)
{
    if (b != '\\' || c->quote == '\'' || c->rest.len == 0) {
        return false;
    }
    return c->quote == 0 || c->rest.ptr[0] == '"' || c->rest.ptr[0] == '\\';
}

static bool step(struct cutter *c)
{
    uint8_t b = take(c);
    if (c->quote == 0 && is_gap(b)) {
        if (c->in_word) {
            c->out->text[c->len++] = '\0';
            c->in_word = false;
        }
        return true;
    }
    if (!word_begin(c)) {
        return false;
    }
    if (is_mark(c, b)) {
        return true;
    }
    if (is_escape(c, b)) {
        b = take(c);
    }
    c->out->text[c->len++] = (char)b;
    return true;
}

pen_status pen_words_split(pen_slice command, struct words *out, struct pen_err *err)
{
    struct cutter c = {.rest = command, .out = out};
    out->count = 0;
    /* A word is never longer than what it is written as, and its NUL takes the place of a gap. */
    if (command.len >= WORDS_BYTES_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "the command has more than %zu bytes",
                        WORDS_BYTES_MAX);
    }
    while (c.rest.len > 0) {
        if (!step(&c)) {
            return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "the command has more than %d words",
                            WORDS_MAX);
        }
    }
    if (c.quote != 0) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "the command has a quote without an end");
    }
    if (out->count == 0) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "the command is empty");
    }
    out->text[c.len] = '\0';
    out->items[out->count] = NULL;
    return PEN_OK;
}
