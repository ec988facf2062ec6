/* Ways between places: how far and how fast is impossible, late events, places that are known. */
#include "state_internal.h"
#include "test.h"
#include "travel.h"

#define SECOND PEN_NS_PER_S
#define HOUR (3600 * SECOND)
#define DAY PEN_NS_PER_DAY

static uint64_t evicted;
static const struct travel_limits limits = {
    .hash_key = 7, .places_max = 3, .places_evicted = &evicted};

static bool see(struct travel *t, const struct pen_travel *rule, int64_t time, const char *values)
{
    struct travel_place place;
    struct travel_verdict verdict;
    assert_true(travel_place_parse(pen_slice_str(values), &place));
    assert_int_equal(travel_see(t, rule, &limits, time, &place, &verdict), PEN_OK);
    return verdict.is_hit;
}

#define PARIS "FR\tParis\tFrance\t48.8566\t2.3522"
#define ROME "IT\tRome\tItaly\t41.9028\t12.4964"
#define LYON "FR\tLyon\tFrance\t45.764\t4.8357"
#define SYDNEY "AU\tSydney\tAustralia\t-33.8688\t151.2093"
#define TOKYO "JP\t\tJapan\t35.69\t139.69"

static void values_are_read_as_millionths_of_a_degree(void **state)
{
    static const struct {
        const char *text;
        bool is_good;
        int32_t lat, lon;
    } rows[] = {
        {SYDNEY, true, -33868800, 151209300},
        {"\t\t\t1e-05\t-0.0000019", true, 10, -1},
        {"\t\t\t90\t-180", true, 90000000, -180000000},
        {"\t\t\t90.000001\t0", false, 0, 0},
        {"\t\t\t0\t-180.1", false, 0, 0},
        {"\t\t\t1e300\t0", false, 0, 0},
        {"\t\t\tx\t0", false, 0, 0},
        {"\t\t\t1", false, 0, 0},
        {"a\tb", false, 0, 0},
        {"", false, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct travel_place place;
        assert_int_equal(travel_place_parse(pen_slice_str(rows[i].text), &place), rows[i].is_good);
        if (rows[i].is_good) {
            assert_int_equal(place.lat_udeg, rows[i].lat);
            assert_int_equal(place.lon_udeg, rows[i].lon);
        }
    }
}

static void what_is_near_or_slow_is_possible(void **state)
{
    static const struct pen_travel any = {.knows_places = false};
    /* Paris to Rome: 1,105 km, an hour and six minutes at the highest speed. */
    const int64_t metres = pen_great_circle_m(48856600, 2352200, 41902800, 12496400);
    struct travel t;
    (void)state;
    travel_init(&t);
    assert_in_range(metres, 1104000, 1107000);
    assert_false(see(&t, &any, 0, PARIS));
    assert_false(see(&t, &any, metres * 3600000, ROME));
    assert_true(see(&t, &any, 2 * metres * 3600000 - 1, PARIS));
    assert_false(see(&t, &any, 2 * metres * 3600000, LYON)); /* 392 km at once */
    assert_true(see(&t, &any, 2 * metres * 3600000, SYDNEY));
    travel_fini(&t);
}

static void a_late_event_is_compared_and_not_kept(void **state)
{
    static const struct pen_travel any = {.knows_places = false};
    struct travel t;
    (void)state;
    travel_init(&t);
    assert_false(see(&t, &any, 100 * HOUR, PARIS));
    assert_true(see(&t, &any, 99 * HOUR, SYDNEY));
    assert_false(see(&t, &any, 70 * HOUR, SYDNEY));
    assert_false(see(&t, &any, 101 * HOUR, PARIS));
    assert_int_equal(t.last, 101 * HOUR);
    assert_false(see(&t, &any, INT64_MIN, SYDNEY)); /* further apart than can be told */
    travel_fini(&t);
}

static void places_are_learned_and_forgotten(void **state)
{
    static const struct pen_travel rule = {
        .knows_places = true, .learning_ns = DAY, .forget_ns = 30 * DAY};
    struct travel t;
    (void)state;
    travel_init(&t);
    assert_false(see(&t, &rule, 0, PARIS));
    assert_false(see(&t, &rule, HOUR, TOKYO)); /* it learns */
    assert_false(see(&t, &rule, DAY - 1, PARIS));
    assert_false(see(&t, &rule, DAY + HOUR, TOKYO));
    assert_true(see(&t, &rule, DAY + HOUR + 1, SYDNEY));
    assert_false(see(&t, &rule, DAY + HOUR + 2, PARIS));
    assert_false(see(&t, &rule, DAY + HOUR + 3, SYDNEY)); /* learned when it was told */
    assert_false(see(&t, &rule, 31 * DAY + HOUR, PARIS));
    assert_false(see(&t, &rule, 31 * DAY + HOUR + 1, SYDNEY));
    assert_true(see(&t, &rule, 31 * DAY + HOUR + 2, TOKYO));
    assert_int_equal(evicted, 0);
    assert_true(see(&t, &rule, 31 * DAY + HOUR + 3, ROME)); /* that of Paris goes */
    assert_int_equal(evicted, 1);
    assert_true(see(&t, &rule, 31 * DAY + HOUR + 4, "FR\tParis\tFrance\t-48\t2"));
    assert_int_equal(evicted, 2);
    assert_int_equal(t.known_count, 3);
    travel_fini(&t);
}

/* Of wanted ' is a quote, and @@ what the names of a way begin with. */
static void assert_text(const struct pen_buf *got, const char *wanted)
{
    char text[1024] = "";
    size_t len = 0;
    for (const char *c = wanted; *c != '\0'; c++) {
        const bool is_front = c[0] == '@' && c[1] == '@';
        len += (size_t)snprintf(text + len, sizeof(text) - len, is_front ? "%s" : "%.1s",
                                is_front     ? "@impossible_travel.triggering_locations."
                                : *c == '\'' ? "\""
                                             : c);
        c += is_front;
    }
    assert_int_equal(got->len, len);
    assert_memory_equal(got->ptr, text, len);
}

static void the_way_is_told_as_attributes(void **state)
{
    struct travel_place first;
    struct travel_place second;
    struct travel_verdict verdict = {.distance_m = 9714999, .apart_ns = 2 * HOUR + 61 * SECOND};
    struct pen_buf out;
    (void)state;
    pen_buf_init(&out, 4096);
    assert_true(travel_place_parse(PEN_SLICE_LIT(PARIS), &first));
    assert_true(travel_place_parse(PEN_SLICE_LIT(TOKYO), &second));
    assert_int_equal(
        travel_attributes(&out, PEN_SLICE_LIT("{\"@a\":[\"b\"]}"), &first, &second, &verdict),
        PEN_OK);
    static const char wanted[] =
        "{'@a':['b'],'@@first_location.city':['Paris'],"
        "'@@first_location.country':['France'],"
        "'@@second_location.country':['Japan'],'@@travel_distance':['9714'],"
        "'@@travel_time_human_readable':['2 h 1 min']}";
    assert_text(&out, wanted);
    pen_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read_as_millionths_of_a_degree),
        cmocka_unit_test(what_is_near_or_slow_is_possible),
        cmocka_unit_test(a_late_event_is_compared_and_not_kept),
        cmocka_unit_test(places_are_learned_and_forgotten),
        cmocka_unit_test(the_way_is_told_as_attributes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
