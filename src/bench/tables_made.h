/* tables_made.h - tables of enrichment as large as real ones, that are made up. */
#ifndef PEN_BENCH_TABLES_MADE_H
#define PEN_BENCH_TABLES_MADE_H

#include "penstock/base.h"

#define TABLES_INDICATORS 1000000U /* lines of the list of indicators */

/* A pseudo-random number (xorshift); *state is not 0. */
static inline uint64_t tables_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}
/* An address outside of 10.0.0.0/8, or the name of a host, as text with a NUL. */
#define TABLES_TEXT_MAX 48U
size_t tables_address(uint64_t random, char out[TABLES_TEXT_MAX]);
size_t tables_host(uint64_t random, char out[TABLES_TEXT_MAX]);

#endif
