/* rotation.h - the time that an index is for, and how its name ends. */
#ifndef PEN_NORMALIZE_ROTATION_H
#define PEN_NORMALIZE_ROTATION_H

#include "penstock/classify.h"

#define NRM_TAIL_MAX 16U

struct nrm_period {
    int64_t begin_ns, end_ns; /* end_ns is the first moment behind it, or INT64_MAX */
    char tail[NRM_TAIL_MAX];  /* "-2025-03"; "" for an alias; NUL behind it */
};
/* The period of a moment in UTC.  Weeks are those of ISO 8601, which begin on Monday and belong to
 * the year of their Thursday. */
void nrm_period_at(enum pen_rotation rotation, int64_t time_ns, struct nrm_period *out);

#endif
