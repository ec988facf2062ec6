/* stage1.h - simdjson's stage 1 behind a C interface. */
#ifndef PEN_JSON_STAGE1_H
#define PEN_JSON_STAGE1_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct stage1;
/* Room for windows of up to capacity bytes; NULL: out of memory or no CPU support. */
struct stage1 *stage1_new(size_t capacity);
void stage1_free(struct stage1 *stage1);
/* The library's version and which of its implementations this CPU gets: "3.0.1 (haswell)". */
void stage1_version(char *out, size_t cap);
/*
 * Positions of structural characters and of the first byte of every scalar, ascending, ended by one
 * that is >= len.  64 readable bytes stand behind the text.  An unclosed string at the end is
 * tolerated.  NULL when the window holds invalid UTF-8 or a control character in a string.
 */
const uint32_t *stage1_run(struct stage1 *stage1, const uint8_t *text, size_t len);

#ifdef __cplusplus
}
#endif
#endif
