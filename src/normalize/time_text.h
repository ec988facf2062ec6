/* time_text.h - times in other spellings, rewritten to the one that is read; any thread, no memory.
 */
#ifndef PEN_NORMALIZE_TIME_TEXT_H
#define PEN_NORMALIZE_TIME_TEXT_H

#include "penstock/base.h"

#define TIME_TEXT_BYTES 64U

struct time_text {
    uint8_t bytes[TIME_TEXT_BYTES];
    size_t len;
};

/*
 * time_text_iso - ISO 8601 as YYYY-MM-DD, or YYYY-MM-DDThh:mm:ss with fraction and zone.
 *
 * text  a date of month or week (2025-03-04, 20250304, 2025-W10-2, 2025W102; without a day Monday),
 *       alone or with one byte and a time behind it: hh, hh:mm, hh:mm:ss or without the colons, a
 *       fraction, a zone (Z, +hh, +hhmm, +hh:mm), blanks around
 * zone  of a text that has none; empty: none is added
 * Returns  false: it is none of these.  Numbers of a time are not looked at: whoever reads *out
 * does
 */
bool time_text_iso(pen_slice text, pen_slice zone, struct time_text *out);
/* A number with an exponent, such as 1.74E9, without it.  False: it has none, or is below 1 or
 * above 10^18. */
bool time_text_plain(pen_slice number, struct time_text *out);

#endif
