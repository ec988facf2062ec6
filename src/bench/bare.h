/* bare.h - the libraries alone, doing what the pipeline makes them do.  For measuring only. */
#ifndef PEN_BENCH_BARE_H
#define PEN_BENCH_BARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bare;
struct bare *bare_new(size_t body_bytes_max); /* NULL: out of memory */
void bare_free(struct bare *bare);
/* Inflate all members of a gzip file into out; bytes written, or 0 when it is damaged. */
size_t bare_igzip(struct bare *bare, const uint8_t *in, size_t len, uint8_t *out, size_t out_cap);
size_t bare_libdeflate(struct bare *bare, const uint8_t *in, size_t len, uint8_t *out,
                       size_t out_cap);
/* igzip level 1; bytes of the result, or 0. */
size_t bare_deflate(struct bare *bare, const uint8_t *in, size_t len);

struct bare_json;
/* NULL: out of memory, a machine without AVX2, or the module is not beside the program. */
struct bare_json *bare_json_new(void);
void bare_json_free(struct bare_json *json);
/* simdjson on-demand over every leaf of one document, keys and strings unescaped.  text has 64
 * readable bytes behind it.  A number that depends on all of it, or 0 on an error. */
uint64_t bare_json_visit(struct bare_json *json, const uint8_t *text, size_t len);

#ifdef __cplusplus
}
#endif

#endif
