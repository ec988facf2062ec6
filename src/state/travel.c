/* tested by tests/unit/state/test_travel.c */
#include "travel.h"

#include "state_internal.h"

#include <stdlib.h>

#define KNOWN_FIRST 4U
#define UDEG_A_DEGREE 1000000
/* Metres times this is the nanoseconds that they take at the highest speed: 3600 s / 1e6 m. */
#define NS_A_METRE (INT64_C(3600) * PEN_NS_PER_S / (TRAVEL_SPEED_MAX_KM_H * INT64_C(1000)))
_Static_assert(NS_A_METRE *TRAVEL_SPEED_MAX_KM_H * 1000 == 3600 * PEN_NS_PER_S, "exact");

/* ---- places ---- */

static bool degrees(pen_slice text, int32_t most, int32_t *out)
{
    pen_quantity q;
    if (!pen_quantity_parse(text, &q)) {
        return false;
    }
    q /= PEN_QUANTITY_ONE / UDEG_A_DEGREE;
    *out =
        (int32_t)(q < -most * (pen_quantity)UDEG_A_DEGREE || q > most * (pen_quantity)UDEG_A_DEGREE
                      ? INT32_MAX
                      : q);
    return *out != INT32_MAX;
}

bool travel_place_parse(pen_slice values, struct travel_place *out)
{
    pen_slice lat;
    *out = (struct travel_place){.lat_udeg = 0};
    if (values.len == 0 || !pen_slice_split(&values, '\t', &out->code) ||
        !pen_slice_split(&values, '\t', &out->city) ||
        !pen_slice_split(&values, '\t', &out->country) || !pen_slice_split(&values, '\t', &lat)) {
        return false;
    }
    return degrees(lat, 90, &out->lat_udeg) && degrees(values, 180, &out->lon_udeg);
}

static uint64_t place_hash(const struct travel_place *place, uint64_t key)
{
    return pen_hash64(place->city, pen_hash64(place->code, key));
}

/* ---- what is known ---- */

void travel_init(struct travel *t)
{
    *t = (struct travel){.has_last = false};
}

void travel_fini(struct travel *t)
{
    free(t->known);
    travel_init(t);
}

size_t travel_bytes(const struct travel *t)
{
    return t->known_cap * sizeof(*t->known);
}

int64_t travel_idle_ns(const struct pen_travel *rule)
{
    return rule->knows_places && rule->forget_ns > TRAVEL_IDLE_NS ? rule->forget_ns
                                                                  : TRAVEL_IDLE_NS;
}

static struct travel_known *find(const struct travel *t, uint64_t place)
{
    for (uint32_t i = 0; i < t->known_count; i++) {
        if (t->known[i].place == place) {
            return &t->known[i];
        }
    }
    return NULL;
}

static struct travel_known *oldest(const struct travel *t)
{
    struct travel_known *found = &t->known[0];
    for (uint32_t i = 1; i < t->known_count; i++) {
        struct travel_known *k = &t->known[i];
        if (k->seen < found->seen || (k->seen == found->seen && k->place < found->place)) {
            found = k;
        }
    }
    return found;
}

/* Room for one more place. */
static pen_status known_new(struct travel *t, const struct travel_limits *limits,
                            struct travel_known **out)
{
    if (t->known_count >= limits->places_max) {
        *out = oldest(t);
        ++*limits->places_evicted;
        return PEN_OK;
    }
    if (t->known_count == t->known_cap) {
        const uint32_t cap = t->known_cap == 0 ? KNOWN_FIRST : t->known_cap * 2;
        struct travel_known *known = reallocarray(t->known, cap, sizeof(*known));
        if (known == NULL) {
            return PEN_E_NOMEM;
        }
        t->known = known;
        t->known_cap = cap;
    }
    *out = &t->known[t->known_count++];
    return PEN_OK;
}

/* Learns the place; *is_known: it was, and not forgotten. */
static pen_status learn(struct travel *t, const struct pen_travel *rule,
                        const struct travel_limits *limits, int64_t time_ns, uint64_t place,
                        bool *is_known)
{
    struct travel_known *known = find(t, place);
    *is_known = known != NULL && time_ns <= pen_state_add(known->seen, rule->forget_ns);
    if (known == NULL) {
        PEN_TRY(known_new(t, limits, &known));
        *known = (struct travel_known){.place = place, .seen = time_ns};
    }
    known->seen = time_ns > known->seen ? time_ns : known->seen;
    return PEN_OK;
}

/* ---- verdicts ---- */

/* Whether nobody can have come from the last sighting here, or the other way. */
static bool is_impossible(const struct travel *t, int64_t time_ns, const struct travel_place *place,
                          struct travel_verdict *out)
{
    const int64_t from = time_ns < t->last ? time_ns : t->last;
    const int64_t to = time_ns < t->last ? t->last : time_ns;
    if (__builtin_sub_overflow(to, from, &out->apart_ns)) {
        return false;
    }
    out->distance_m =
        pen_great_circle_m(t->lat_udeg, t->lon_udeg, place->lat_udeg, place->lon_udeg);
    return out->distance_m > TRAVEL_DISTANCE_MAX_M && out->distance_m * NS_A_METRE > out->apart_ns;
}

pen_status travel_see(struct travel *t, const struct pen_travel *rule,
                      const struct travel_limits *limits, int64_t time_ns,
                      const struct travel_place *place, struct travel_verdict *out)
{
    bool is_silent = false;
    *out = (struct travel_verdict){.is_latest = !t->has_last || time_ns >= t->last,
                                   .is_behind = t->has_last && time_ns >= t->last};
    t->begun = t->has_last ? t->begun : time_ns;
    if (rule->knows_places) {
        PEN_TRY(learn(t, rule, limits, time_ns, place_hash(place, limits->hash_key), &is_silent));
        is_silent = is_silent || time_ns < pen_state_add(t->begun, rule->learning_ns);
    }
    out->is_hit = t->has_last && is_impossible(t, time_ns, place, out) && !is_silent;
    if (out->is_latest) {
        t->has_last = true;
        t->last = time_ns;
        t->lat_udeg = place->lat_udeg;
        t->lon_udeg = place->lon_udeg;
    }
    return PEN_OK;
}

/* ---- words ---- */

static pen_status put(struct pen_buf *out, const char *name, pen_slice inside)
{
    if (inside.len == 0) {
        return PEN_OK;
    }
    PEN_TRY(pen_buf_printf(out, "%s\"@impossible_travel.triggering_locations.%s\":[\"",
                           out->ptr[out->len - 1] == '{' ? "" : ",", name));
    PEN_TRY(pen_buf_add(out, inside));
    return pen_buf_add(out, PEN_SLICE_LIT("\"]"));
}

static pen_slice time_words(int64_t ns, char text[32])
{
    const int64_t seconds = ns / PEN_NS_PER_S;
    const int64_t minutes = seconds / 60;
    const int len = minutes == 0   ? snprintf(text, 32, "%lld s", (long long)seconds)
                    : minutes < 60 ? snprintf(text, 32, "%lld min", (long long)minutes)
                                   : snprintf(text, 32, "%lld h %lld min", (long long)minutes / 60,
                                              (long long)minutes % 60);
    return (pen_slice){(uint8_t *)text, len < 0 ? 0 : (size_t)len};
}

pen_status travel_attributes(struct pen_buf *out, pen_slice attributes,
                             const struct travel_place *first, const struct travel_place *second,
                             const struct travel_verdict *verdict)
{
    char distance[32];
    char time[32];
    const int len = snprintf(distance, sizeof(distance), "%u", verdict->distance_m / 1000);
    PEN_CHECK(len > 0);
    const bool has_more = attributes.len > 2;
    PEN_TRY(pen_buf_add(out, has_more ? pen_slice_sub(attributes, 0, attributes.len - 1)
                                      : PEN_SLICE_LIT("{")));
    PEN_TRY(put(out, "first_location.city", first->city));
    PEN_TRY(put(out, "first_location.country", first->country));
    PEN_TRY(put(out, "second_location.city", second->city));
    PEN_TRY(put(out, "second_location.country", second->country));
    PEN_TRY(put(out, "travel_distance", (pen_slice){(uint8_t *)distance, (size_t)len}));
    PEN_TRY(put(out, "travel_time_human_readable", time_words(verdict->apart_ns, time)));
    return pen_buf_add_byte(out, '}');
}
