/* gzip.h - a whole body to gzip by igzip at level 1.  One thread. */
#ifndef PEN_SHIP_GZIP_H
#define PEN_SHIP_GZIP_H

#include "penstock/base.h"

struct gzip;
PEN_MUST_USE pen_status gzip_new(struct gzip **out, struct pen_err *err);
void gzip_free(struct gzip *gzip);
uint64_t gzip_memory(void);
/* Bytes that a body of len may take: what out needs. */
size_t gzip_bound(size_t len);
/* Replaces what out holds.  PEN_E_NOMEM | PEN_E_LIMIT: out cannot have gzip_bound bytes. */
PEN_MUST_USE pen_status gzip_pack(struct gzip *gzip, pen_slice body, struct pen_buf *out);

#endif
