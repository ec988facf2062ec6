#include "sigma.h"
#include "test.h"

struct row {
    const char *text;
    enum scalar_kind kind;
    const char *want; /* NULL: the text itself */
};

static void check(const struct row *rows, size_t count)
{
    struct pen_arena arena;
    pen_arena_init(&arena, (size_t)1 << 20);
    for (size_t i = 0; i < count; i++) {
        const struct pen_yaml node = {
            .kind = PEN_YAML_SCALAR, .is_plain = true, .text = pen_slice_str(rows[i].text)};
        const struct scalar got = sigma_scalar(&arena, &node);
        const pen_slice want = pen_slice_str(rows[i].want == NULL ? rows[i].text : rows[i].want);
        if (got.kind != rows[i].kind || (got.kind != SCALAR_BAD && !pen_slice_eq(got.text, want))) {
            fail_msg("'%s' is read as kind %d '%.*s'", rows[i].text, got.kind,
                     PEN_SLICE_FMT(got.text));
        }
    }
    pen_arena_fini(&arena);
}

static void integers_come_in_the_bases_of_yaml_1_1(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"0", SCALAR_INTEGER, NULL},
        {"5", SCALAR_INTEGER, NULL},
        {"-17", SCALAR_INTEGER, NULL},
        {"+17", SCALAR_INTEGER, "17"},
        {"1_000", SCALAR_INTEGER, "1000"},
        {"0x1F", SCALAR_INTEGER, "31"},
        {"-0x1f", SCALAR_INTEGER, "-31"},
        {"0b11", SCALAR_INTEGER, "3"},
        {"017", SCALAR_INTEGER, "15"},
        {"010", SCALAR_INTEGER, "8"},
        {"0xffffffffffffffff", SCALAR_INTEGER, "18446744073709551615"},
        {"0x10000000000000000", SCALAR_BAD, NULL},
        {"123456789012345678901234567890", SCALAR_INTEGER, NULL},
        {"12:30:00", SCALAR_INTEGER, "45000"},
        {"1:59", SCALAR_INTEGER, "119"},
        {"08", SCALAR_STRING, NULL},
        {"0o17", SCALAR_STRING, NULL},
        {"1:60", SCALAR_STRING, NULL},
        {"0x", SCALAR_STRING, NULL},
        {"0xg", SCALAR_STRING, NULL},
        {"-", SCALAR_STRING, NULL},
        {"1a", SCALAR_STRING, NULL},
        {"10.0.0.1", SCALAR_STRING, NULL},
        {"10.0.0.0/8", SCALAR_STRING, NULL},
    };
    check(rows, PEN_COUNT(rows));
}

static void fractions_need_a_dot_and_exponents_a_sign(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"1.5", SCALAR_FLOAT, NULL},      {"-1.5", SCALAR_FLOAT, NULL},
        {".5", SCALAR_FLOAT, "0.5"},      {"1.", SCALAR_FLOAT, "1"},
        {"1.0e+3", SCALAR_FLOAT, NULL},   {"1.0E-3", SCALAR_FLOAT, NULL},
        {"00.5", SCALAR_FLOAT, "0.5"},    {"1_0.5_5", SCALAR_FLOAT, "10.55"},
        {"1:30.5", SCALAR_FLOAT, "90.5"}, {"1e3", SCALAR_STRING, NULL},
        {"1.0e3", SCALAR_STRING, NULL},   {".", SCALAR_STRING, NULL},
        {"-.5", SCALAR_STRING, NULL},     {"1.5.5", SCALAR_STRING, NULL},
        {".inf", SCALAR_BAD, NULL},       {"-.Inf", SCALAR_BAD, NULL},
        {".nan", SCALAR_BAD, NULL},       {"inf", SCALAR_STRING, NULL},
    };
    check(rows, PEN_COUNT(rows));
}

static void words_stand_for_null_true_and_false(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"", SCALAR_NULL, NULL},         {"~", SCALAR_NULL, NULL},
        {"null", SCALAR_NULL, NULL},     {"NULL", SCALAR_NULL, NULL},
        {"nULL", SCALAR_STRING, NULL},   {"true", SCALAR_BOOL, "true"},
        {"Yes", SCALAR_BOOL, "true"},    {"ON", SCALAR_BOOL, "true"},
        {"False", SCALAR_BOOL, "false"}, {"no", SCALAR_BOOL, "false"},
        {"OFF", SCALAR_BOOL, "false"},   {"y", SCALAR_STRING, NULL},
        {"n", SCALAR_STRING, NULL},      {"t", SCALAR_STRING, NULL},
        {"tRue", SCALAR_STRING, NULL},
    };
    check(rows, PEN_COUNT(rows));
}

static void dates_are_dates_with_or_without_a_time(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"2024-01-31", SCALAR_DATE, NULL},
        {"2024-01-31T10:00:00Z", SCALAR_DATE, NULL},
        {"2024-1-31 1:00:00.5 +5:30", SCALAR_DATE, NULL},
        {"2024-1-31", SCALAR_STRING, NULL},
        {"2024-01-31T10:00", SCALAR_STRING, NULL},
        {"2024-01", SCALAR_STRING, NULL},
        {"2024/01/31", SCALAR_STRING, NULL},
    };
    check(rows, PEN_COUNT(rows));
}

static void quotes_make_a_text_of_anything(void **state)
{
    (void)state;
    struct pen_arena arena;
    const struct pen_yaml node = {.kind = PEN_YAML_SCALAR, .text = PEN_SLICE_LIT("5")};
    pen_arena_init(&arena, (size_t)1 << 20);
    assert_int_equal(sigma_scalar(&arena, &node).kind, SCALAR_STRING);
    pen_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_come_in_the_bases_of_yaml_1_1),
        cmocka_unit_test(fractions_need_a_dot_and_exponents_a_sign),
        cmocka_unit_test(words_stand_for_null_true_and_false),
        cmocka_unit_test(dates_are_dates_with_or_without_a_time),
        cmocka_unit_test(quotes_make_a_text_of_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
