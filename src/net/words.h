/* words.h - a command cut into words, without a shell. */
#ifndef PEN_NET_WORDS_H
#define PEN_NET_WORDS_H

#include "penstock/base.h"

#define WORDS_MAX 128                   /* of a command */
#define WORDS_BYTES_MAX ((size_t)16384) /* of a command */

struct words {
    char *items[WORDS_MAX + 1]; /* NULL behind the last */
    uint32_t count;
    char text[WORDS_BYTES_MAX];
};
/*
 * pen_words_split - blanks and line feeds part words; '...' keeps all, "..." keeps all but a
 * backslash before a backslash or a quote, elsewhere a backslash keeps the byte behind it.  Nothing
 * else means anything: no variables, no pipes.  PEN_E_CONFIG: a quote that does not end, no word |
 * PEN_E_LIMIT.
 */
PEN_MUST_USE pen_status pen_words_split(pen_slice command, struct words *out, struct pen_err *err);

#endif
