/*
 * shown.h - times as documents show them, 2025-03-01T12:00:00.000001+00:00, and what of them is
 * kept from one record to the next: most records of a log are of the same day.
 */
#ifndef PEN_NORMALIZE_SHOWN_H
#define PEN_NORMALIZE_SHOWN_H

#include "penstock/base.h"

#define NRM_SHOWN_BYTES 32U /* that a text may touch: the longest, sign and zone included */

struct nrm_shown {
    bool has_day;                   /* one was shown: */
    int64_t day_s;                  /* its first second since 1970, */
    char midnight[NRM_SHOWN_BYTES]; /* as it is shown */
    bool has_date;                  /* one was read of a time in UTC: */
    uint8_t date[11];
    int64_t date_ns;
};

/*
 * nrm_shown_put - shows a time.
 *
 * out             room for NRM_SHOWN_BYTES
 * offset_minutes  of the zone it is shown in, less than 100 hours either way
 * Returns         how long it is: six digits of fraction, or none
 */
size_t nrm_shown_put(struct nrm_shown *shown, char *out, int64_t time_ns, int32_t offset_minutes);

/* Likewise, of a time without a fraction, in UTC. */
size_t nrm_shown_put_second(struct nrm_shown *shown, char *out, int64_t time_s);

/* Remembers the day of a text that was read as time_ns; then those of the same day are read by
 * nrm_shown_take. */
void nrm_shown_keep(struct nrm_shown *shown, pen_slice text, int64_t time_ns);
/*
 * nrm_shown_take - reads and shows a time of the day that was kept: with seconds, with six digits
 * of fraction and Z, or without a fraction and with or without it.
 *
 * out       room for NRM_SHOWN_BYTES; *length is how long the text is
 * Returns   false: it is another one, and nothing was done
 */
bool nrm_shown_take(const struct nrm_shown *shown, pen_slice text, int64_t *time_ns, char *out,
                    size_t *length);

#endif
