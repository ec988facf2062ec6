/* tested by tests/unit/base/test_base.c */
#include "penstock/base.h"

#include <math.h>

#define EARTH_RADIUS_M 6371008.8 /* mean radius R1 of the IUGG */
#define RADIANS_A_MICRODEGREE (3.14159265358979323846 / 180e6)

uint32_t pen_great_circle_m(int32_t lat1_udeg, int32_t lon1_udeg, int32_t lat2_udeg,
                            int32_t lon2_udeg)
{
    const double lat1 = lat1_udeg * RADIANS_A_MICRODEGREE;
    const double lat2 = lat2_udeg * RADIANS_A_MICRODEGREE;
    const double half_lat = sin((lat2 - lat1) / 2);
    const double half_lon =
        sin(((double)lon2_udeg - (double)lon1_udeg) * RADIANS_A_MICRODEGREE / 2);
    const double h = half_lat * half_lat + cos(lat1) * cos(lat2) * half_lon * half_lon;
    return (uint32_t)(2 * EARTH_RADIUS_M * asin(h < 1 ? sqrt(h) : 1) + 0.5);
}
