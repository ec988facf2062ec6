/* tested by tests/unit/json/test_walk.c */
#include "penstock/json.h"

static enum pen_end line_feed_in_string(struct pen_object_end *e)
{
    e->in_string = false;
    e->is_torn = true;
    e->in_indent = true;
    e->column = 0;
    return e->has_lines ? PEN_END_OPEN : PEN_END_BEFORE;
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

enum pen_end pen_object_end_step(struct pen_object_end *e, uint8_t c)
{
    if (e->is_torn) {
        return torn_step(e, c);
    }
    if (e->in_string && c == '\n') {
        return line_feed_in_string(e);
    }
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
