#include "penstock/base.h"

#include "test.h"

static void times_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {{"2025-01-02T03:04:05Z", "2025-01-02T03:04:05Z"},
                {"2025-01-02", "2025-01-02T00:00:00Z"},
                {"2024-02-29 23:59:59.5+02:00", "2024-02-29T21:59:59.5Z"},
                {"1969-12-31T23:59:59.000000001", "1969-12-31T23:59:59.000000001Z"},
                {"2025-01-02T03:04:05-0730", "2025-01-02T10:34:05Z"}};
    static const char *const bad[] = {"",
                                      "2025",
                                      "2025-13-01",
                                      "2025-02-29",
                                      "2025-01-02T",
                                      "2025-01-02T25:00:00Z",
                                      "2025-01-02T03:04:05X",
                                      "9999-01-01"};
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        int64_t ns = 0;
        char out[PEN_TIME_MAX];
        assert_true(pen_parse_time(pen_slice_str(rows[i].text), &ns));
        (void)pen_format_time(ns, out);
        assert_string_equal(out, rows[i].want);
    }
    for (size_t i = 0; i < PEN_COUNT(bad); i++) {
        int64_t ns = 0;
        assert_false(pen_parse_time(pen_slice_str(bad[i]), &ns));
    }
}

static void numbers_sizes_and_durations_take_whole_texts_only(void **state)
{
    (void)state;
    uint64_t n = 0;
    int64_t ns = 0;
    assert_true(pen_parse_u64(PEN_SLICE_LIT("18446744073709551615"), &n));
    assert_true(n == UINT64_MAX);
    assert_false(pen_parse_u64(PEN_SLICE_LIT("18446744073709551616"), &n));
    assert_false(pen_parse_u64(PEN_SLICE_LIT("1 "), &n));
    int64_t i = 0;
    assert_true(pen_parse_i64(PEN_SLICE_LIT("-9223372036854775808"), &i));
    assert_int_equal(i, INT64_MIN);
    assert_true(pen_parse_i64(PEN_SLICE_LIT("9223372036854775807"), &i));
    assert_int_equal(i, INT64_MAX);
    assert_false(pen_parse_i64(PEN_SLICE_LIT("9223372036854775808"), &i));
    assert_false(pen_parse_i64(PEN_SLICE_LIT("-9223372036854775809"), &i));
    assert_false(pen_parse_i64(PEN_SLICE_LIT("-"), &i));
    assert_false(pen_parse_i64(PEN_SLICE_LIT("--1"), &i));
    assert_true(pen_parse_size(PEN_SLICE_LIT("8MiB"), &n) && n == 8388608);
    assert_false(pen_parse_size(PEN_SLICE_LIT("8Mib"), &n));
    assert_true(pen_parse_duration(PEN_SLICE_LIT("250ms"), &ns) && ns == 250000000);
    assert_true(pen_parse_duration(PEN_SLICE_LIT("0"), &ns) && ns == 0);
    assert_false(pen_parse_duration(PEN_SLICE_LIT("5"), &ns));
}

static void slices_split_trim_and_compare(void **state)
{
    (void)state;
    pen_slice rest = PEN_SLICE_LIT("a,,b");
    pen_slice head;
    assert_true(pen_slice_split(&rest, ',', &head) && pen_slice_eq(head, PEN_SLICE_LIT("a")));
    assert_true(pen_slice_split(&rest, ',', &head) && head.len == 0);
    assert_true(pen_slice_split(&rest, ',', &head) && pen_slice_eq(head, PEN_SLICE_LIT("b")));
    assert_false(pen_slice_split(&rest, ',', &head));
    assert_true(pen_slice_eq(pen_slice_trim(PEN_SLICE_LIT(" \t x \n")), PEN_SLICE_LIT("x")));
    assert_true(pen_slice_cmp(PEN_SLICE_LIT("a"), PEN_SLICE_LIT("ab")) < 0);
    assert_true(pen_slice_eq_nocase(PEN_SLICE_LIT("AbC"), PEN_SLICE_LIT("aBc")));
    assert_int_equal(pen_slice_find(PEN_SLICE_LIT("abc"), PEN_SLICE_LIT("c")), 2);
}

static void buffers_and_arenas_stop_at_their_maximum(void **state)
{
    (void)state;
    struct pen_buf buf;
    struct pen_arena arena;
    pen_buf_init(&buf, 8);
    assert_int_equal(pen_buf_add(&buf, PEN_SLICE_LIT("12345678")), PEN_OK);
    assert_int_equal(pen_buf_add_byte(&buf, '9'), PEN_E_LIMIT);
    assert_int_equal(buf.len, 8);
    pen_buf_fini(&buf);
    pen_arena_init(&arena, 4096);
    assert_non_null(pen_arena_alloc(&arena, 4000, 64));
    assert_null(pen_arena_alloc(&arena, 4000, 64));
    pen_arena_fini(&arena);
}

static void utf8_is_checked_and_folded(void **state)
{
    (void)state;
    uint8_t out[4];
    pen_slice s = PEN_SLICE_LIT("\xff\xc3\xa9");
    assert_int_equal(pen_utf8_next(&s), 0xfffd);
    assert_int_equal(pen_utf8_next(&s), 0xe9);
    assert_false(pen_utf8_valid(PEN_SLICE_LIT("\xed\xa0\x80")));
    assert_false(pen_utf8_valid(PEN_SLICE_LIT("\xc0\x80")));
    assert_true(pen_utf8_valid(PEN_SLICE_LIT("\xf4\x8f\xbf\xbf")));
    assert_int_equal(pen_utf8_put(0xd800, out), 0);
    assert_int_equal(pen_fold(0xc9), 0xe9);
    assert_int_equal(pen_fold('A'), 'a');
    assert_int_equal(pen_fold(0x1e9e), 0xdf);
    assert_int_equal(pen_fold(0x3a3), 0x3c3);
    struct pen_buf buf;
    pen_buf_init(&buf, 256);
    assert_int_equal(pen_escape_terminal(&buf, PEN_SLICE_LIT("a\x1b[1m\xe2\x80\xae\xff")), PEN_OK);
    assert_true(pen_slice_eq(pen_buf_slice(&buf), PEN_SLICE_LIT("a\\x1b[1m\\u{202e}\\xff")));
    pen_buf_fini(&buf);
}

static void hashes_and_statuses_are_stable(void **state)
{
    (void)state;
    char hex[33];
    struct pen_err err;
    pen_hash128_hex(pen_hash128(PEN_SLICE_LIT(""), 0), hex);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
    assert_int_equal(PEN_FAIL(&err, PEN_E_RULE, 7, "x %d", 1), PEN_E_RULE);
    assert_string_equal(err.text, "x 1");
    assert_int_equal(pen_status_exit(PEN_E_RULE), 4);
}

static void distances_of_words_are_counted_in_letters(void **state)
{
    (void)state;
    const pen_slice word = PEN_SLICE_LIT("cloudtrail");
    char longer[40];
    memset(longer, 'x', sizeof(longer));
    const pen_slice far = {(const uint8_t *)longer, sizeof(longer)};
    assert_int_equal(pen_distance(word, word), 0);
    assert_int_equal(pen_distance(word, PEN_SLICE_LIT("cloudtrial")), 2);
    assert_int_equal(pen_distance(word, PEN_SLICE_LIT("cludtrail")), 1);
    assert_int_equal(pen_distance(word, PEN_SLICE_LIT("")), 10);
    assert_int_equal(pen_distance(far, far), 0);
    assert_int_equal(pen_distance(far, word), UINT32_MAX);
    assert_true(pen_distance_near(10) > 2);
    assert_int_equal(pen_distance_near(1000), 0);
}

static void places_on_the_earth_are_so_far_apart(void **state)
{
    (void)state;
    assert_int_equal(pen_great_circle_m(0, 0, 0, 0), 0);
    assert_int_equal(pen_great_circle_m(0, 0, 1, 0), 0);
    assert_int_equal(pen_great_circle_m(0, 0, 1000000, 0), 111195); /* 2 pi R / 360 */
    assert_int_equal(pen_great_circle_m(0, 179500000, 0, -179500000), 111195);
    assert_int_equal(pen_great_circle_m(90000000, 0, -90000000, 0), 20015114); /* pi R */
    assert_int_equal(pen_great_circle_m(0, -180000000, 0, 180000000), 0);
    assert_int_equal(pen_great_circle_m(60000000, 0, 60000000, 180000000), 6671705); /* pole */
    assert_int_equal(pen_great_circle_m(51750000, -1250000, 35690000, 139690000),
                     pen_great_circle_m(35690000, 139690000, 51750000, -1250000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_and_written),
        cmocka_unit_test(numbers_sizes_and_durations_take_whole_texts_only),
        cmocka_unit_test(slices_split_trim_and_compare),
        cmocka_unit_test(buffers_and_arenas_stop_at_their_maximum),
        cmocka_unit_test(utf8_is_checked_and_folded),
        cmocka_unit_test(hashes_and_statuses_are_stable),
        cmocka_unit_test(distances_of_words_are_counted_in_letters),
        cmocka_unit_test(places_on_the_earth_are_so_far_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
