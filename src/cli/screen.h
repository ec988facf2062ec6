/* screen.h - tables and coloured words on stdout; log text is always shown escaped. */
#ifndef PEN_CLI_SCREEN_H
#define PEN_CLI_SCREEN_H

#include "penstock/node.h"

struct screen {
    bool is_terminal;
    bool has_colour;            /* a terminal, and neither NO_COLOR nor TERM=dumb is set */
    uint32_t width;             /* columns of the terminal; UINT32_MAX when it is none */
    struct pen_buf text, plain; /* scratch */
};
void screen_init(struct screen *screen);
void screen_fini(struct screen *screen);

enum screen_style {
    STYLE_PLAIN,
    STYLE_BOLD,
    STYLE_FAINT,
    STYLE_RED,
    STYLE_ALARM,
    STYLE_YELLOW,
    STYLE_CYAN
};
enum screen_style screen_severity(pen_slice severity);
/*
 * screen_cell - prints text escaped, in columns columns (one a code point): padded, and cut with an
 * ellipsis on a terminal.
 *
 * columns  0: as long as it is, neither padded nor cut
 */
void screen_cell(struct screen *screen, pen_slice text, uint32_t columns, enum screen_style style);
void screen_text(struct screen *screen, pen_slice text, enum screen_style style);
void screen_time(struct screen *screen, int64_t ns);
/* A JSON value in words: members of an array or object joined by commas, "name value" for those of
 * an object; after max of them how many more there are.  Borrows the screen until the next call. */
pen_slice screen_words(struct screen *screen, pen_slice json, uint32_t max);
/* A word as a shell reads it back. */
void screen_quoted(struct screen *screen, const char *word);
/* Flushes stdout: 0, or 1 when what was printed could not be written (main tells of it). */
PEN_MUST_USE int screen_end(void);

#endif
