/* ranges.h - networks, nested or not, to the value of the narrowest that has an address. */
#ifndef PEN_ENRICH_RANGES_H
#define PEN_ENRICH_RANGES_H

#include "penstock/base.h"

#define RANGE_NONE UINT32_MAX

struct range { /* addresses of 16 bytes; IPv4 is ::ffff:0:0/96 */
    uint8_t from[16], to[16];
    uint32_t value;
};
struct range_edge { /* the value from here to the next edge */
    uint8_t from[16];
    uint32_t value;
};
struct ranges {
    struct range_edge *edges;
    uint32_t count;
};

/* "10.0.0.0/8", an address, IPv6.  PEN_E_RULE with the reason. */
PEN_MUST_USE pen_status range_parse(pen_slice text, struct range *out, struct pen_err *err);
/* An address, IPv4 or IPv6, as a place of ranges. */
PEN_MUST_USE bool range_address(pen_slice text, uint8_t out[16]);
/*
 * ranges_build - sorts items and lays them over each other.
 *
 * twice    the second of two items of the same network: PEN_E_RULE; else NULL
 * arena    owns the edges, at most two for each item and one
 * Returns  PEN_OK | PEN_E_RULE | PEN_E_NOMEM
 */
PEN_MUST_USE pen_status ranges_build(struct pen_arena *arena, struct range *items, uint32_t count,
                                     struct ranges *out, const struct range **twice);
/* The value of an address, or RANGE_NONE. */
uint32_t ranges_find(const struct ranges *ranges, const uint8_t addr[16]);

#endif
