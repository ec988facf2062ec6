/* tested by tests/unit/json/test_walk.c */
#include "penstock/json.h"

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool pen_object_is_cut(uint8_t first, bool is_spaced)
{
    return first == '{' || first == '}' || first == '[' || first == ']' ||
           (first == '"' && is_spaced);
}

/* Blanks before the first thing that stands on a line of its own within the object. */
static void indent_step(struct pen_object_end *e, uint8_t c)
{
    if (c == '\n' && (!e->has_lines || e->in_indent)) {
        e->has_lines = true;
        e->in_indent = true;
        e->indent = 0;
    } else if (c == ' ' || c == '\t') {
        e->indent += e->in_indent;
    } else if (c != '\r') {
        e->in_indent = false;
    }
}

/* Behind the string that a line feed cut: lines, until one stands further left than the members. */
static enum pen_end torn_step(struct pen_object_end *e, uint8_t c)
{
    if (c == '\n') {
        e->in_indent = true;
        e->column = 0;
        return PEN_END_OPEN;
    }
    if (!e->in_indent) {
        return PEN_END_OPEN;
    }
    if (c == ' ' || c == '\t') {
        e->column++;
        return PEN_END_OPEN;
    }
    e->in_indent = false;
    if (e->column >= (e->indent == 0 ? 1 : e->indent)) {
        return PEN_END_OPEN;
    }
    return c == '}' ? PEN_END_BEHIND : c == '{' ? PEN_END_BEFORE : PEN_END_OPEN;
}

/* Before a line feed stood in a string, or when it cut none. */
static enum pen_end whole_step(struct pen_object_end *e, uint8_t c)
{
    indent_step(e, c);
    if (e->is_escape || (c == '\\' && (e->in_string || !e->has_brackets))) {
        e->is_escape = !e->is_escape;
    } else if (c == '"') {
        e->in_string = !e->in_string;
    } else if (!e->in_string) {
        e->depth += c == '{' || (c == '[' && e->has_brackets);
        if ((c == '}' || (c == ']' && e->has_brackets)) && --e->depth == 0) {
            return PEN_END_BEHIND;
        }
    }
    return PEN_END_OPEN;
}

/* Behind a line feed in a string: what comes first there tells whether it cut the string. */
static enum pen_end doubt_step(struct pen_object_end *e, uint8_t c)
{
    e->column = c == '\n' ? 0 : e->column + (c == ' ' || c == '\t');
    e->is_spaced |= is_blank(c);
    if (is_blank(c)) {
        return PEN_END_OPEN;
    }
    e->is_doubt = false;
    e->is_torn = pen_object_is_cut(c, e->is_spaced);
    if (!e->is_torn) {
        return whole_step(e, c); /* the string goes on */
    }
    e->in_string = false;
    e->in_indent = true;
    return e->has_lines ? torn_step(e, c) : PEN_END_BEFORE;
}

enum pen_end pen_object_end_step(struct pen_object_end *e, uint8_t c)
{
    if (e->is_torn) {
        return e->is_doubt ? doubt_step(e, c) : torn_step(e, c);
    }
    if (e->in_string && c == '\n') {
        e->is_torn = e->is_doubt = true;
        e->is_escape = e->is_spaced = false;
        e->column = 0;
        return PEN_END_OPEN;
    }
    return whole_step(e, c);
}
