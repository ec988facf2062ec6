/*
 * travel.h - impossible travel (reference/datadog.md 4.7): where a group was seen last, and where
 * it is known to be.
 *
 * An event of a group is compared with the sighting of the group that has the latest event time; of
 * equal ones the one released last.  The case is true when the two lie more than 500 km apart and
 * the way between them would be faster than 1,000 km/h.  A late event is compared likewise, and
 * does not become the last sighting.  An event without a place is none.
 *
 * Where a rule knows places, (country, city) is learned at each sighting, after it was judged; a
 * place known, not longer ago than forget, is no news, and neither is any before the learning that
 * begins with the group's first event is over.  A group without an event for as long as anything of
 * it can matter, by the clock of release, begins anew: a day, in which any way is possible, or,
 * where places are known, the time in which they are forgotten.
 *
 * So a verdict is a function of the group's events in the order of release.  Distances are floating
 * point (base.h), rounded to the metre before anything is compared.
 */
#ifndef PEN_STATE_TRAVEL_H
#define PEN_STATE_TRAVEL_H

#include "penstock/state.h"

#define TRAVEL_DISTANCE_MAX_M 500000U
#define TRAVEL_SPEED_MAX_KM_H 1000U
#define TRAVEL_KNOWN_MAX 65536U       /* most that state.places_max may allow */
#define TRAVEL_IDLE_NS PEN_NS_PER_DAY /* half round the Earth takes 20 h at that speed */

struct travel_place { /* of an observation; slices borrow its values, insides of JSON strings */
    pen_slice code, city, country;
    int32_t lat_udeg, lon_udeg;
};
/* False: values are no place. */
bool travel_place_parse(pen_slice values, struct travel_place *out);

struct travel_known {
    uint64_t place; /* keyed hash of country code and city */
    int64_t seen;   /* event time */
};
struct travel { /* of a group: plain data, a snapshot may write it */
    bool has_last;
    int64_t begun, last; /* event times: of its first event, of the latest */
    int32_t lat_udeg, lon_udeg;
    uint32_t known_count, known_cap;
    struct travel_known *known; /* owned */
};
struct travel_verdict {
    bool is_hit, is_latest; /* latest: the event becomes the last sighting */
    bool is_behind;         /* the last sighting lies before it */
    uint32_t distance_m;
    int64_t apart_ns; /* between the two, at least 0 */
};

void travel_init(struct travel *t);
void travel_fini(struct travel *t);
size_t travel_bytes(const struct travel *t);
/* How long a group is kept without an event. */
int64_t travel_idle_ns(const struct pen_travel *rule);
struct travel_limits {
    uint64_t hash_key;
    uint32_t places_max;
    uint64_t *places_evicted; /* counts up */
};
/* One event at a place. */
PEN_MUST_USE pen_status travel_see(struct travel *t, const struct pen_travel *rule,
                                   const struct travel_limits *limits, int64_t time_ns,
                                   const struct travel_place *place, struct travel_verdict *out);
/*
 * travel_attributes - those of an event at which the case is true, with what it says of the way.
 *
 * Appends to out a JSON object: the members of attributes, then those of Datadog below
 * @impossible_travel.triggering_locations: first_location and second_location with city and
 * country, travel_distance in km, travel_time_human_readable.
 */
PEN_MUST_USE pen_status travel_attributes(struct pen_buf *out, pen_slice attributes,
                                          const struct travel_place *first,
                                          const struct travel_place *second,
                                          const struct travel_verdict *verdict);

#endif
