#include "sigma_test.h"

static const char *const admins[] = {"root", "adm*"};
static const char *const hosts[] = {"a.b", "c\\*d", "e\\"};
static const struct pen_placeholder placeholders[] = {
    {"Administrators", admins, 2}, {"hosts", hosts, 3}, {"none", NULL, 0}};
static const struct pen_rules_options filled = {.placeholders = placeholders,
                                                .placeholder_count = PEN_COUNT(placeholders)};

static void shapes_open_the_edges_of_a_text(void **state)
{
    (void)state;
    static const struct sigma_row rows[] = {
        {"  s: {f|contains: b}", "{\"f\":\"aBc\"}", 1},
        {"  s: {f|contains: '*b*'}", "{\"f\":\"abc\"}", 1},
        {"  s: {f|contains: 'a?c'}", "{\"f\":\"xaécx\"}", 1},
        {"  s: {f|contains: ''}", "{\"f\":\"\"}", 1},
        {"  s: {f|contains: ''}", "{}", 0},
        {"  s: {f|contains: '\\*'}", "{\"f\":\"a*b\"}", 1},
        {"  s: {f|contains: '\\*'}", "{\"f\":\"ab\"}", 0},
        {"  s: {f|startswith: b}", "{\"f\":\"abc\"}", 0},
        {"  s: {f|startswith: a}", "{\"f\":\"abc\"}", 1},
        {"  s: {f|endswith: c}", "{\"f\":\"abc\"}", 1},
        {"  s: {f|startswith|endswith: b}", "{\"f\":\"abc\"}", 1},
        {"  s: {f|contains: true}", "{}", -1},
        {"  s: {f|contains: null}", "{}", -1},
        {"  s: {f|contains: 1.5}", "{}", -1},
        {"  s: {f|contains: []}", "{}", -1},
        {"  s: {f|contains|cased: B}", "{\"f\":\"abc\"}", 0},
        {"  s: {f|cased|contains: B}", "{\"f\":\"aBc\"}", 1},
        {"  s: {f|cased: 5}", "{}", -1},
        {"  s: {f|Contains: a}", "{}", -1},
        {"  s: {'f|': a}", "{}", -1},
        {"  s: {f|contains|contains|contains|contains|contains|contains|contains|contains: a}",
         "{\"f\":\"bab\"}", 1},
        {"  s: {f|neq|neq|neq|neq|neq|neq|neq|neq|neq: a}", "{}", -1},
    };
    check_rows(rows, PEN_COUNT(rows), NULL);
}

static void all_and_neq_act_on_the_whole_item(void **state)
{
    (void)state;
    static const struct sigma_row rows[] = {
        {"  s: {f|all|contains: [a, b]}", "{\"f\":\"ba\"}", 1},
        {"  s: {f|contains|all: [a, b]}", "{\"f\":\"a\"}", 0},
        {"  s: {f|all: a}", "{\"f\":\"a\"}", 1},
        {"  s: {f|neq|all: [a, b]}", "{\"f\":[\"a\",\"b\"]}", 0},
        {"  s: {f|neq|all: [a, b]}", "{\"f\":[\"a\"]}", 1},
        {"  s: {f|neq|neq: a}", "{\"f\":\"a\"}", 0},
        {"  s: {f|contains|neq: a}", "{\"f\":\"xay\"}", 0},
        {"  s: {f|cidr|neq: 10.0.0.0/8}", "{\"f\":\"10.0.0.1\"}", 0},
        {"  s: {f|cidr|neq: 10.0.0.0/8}", "{}", 1},
        {"  s: {f|exists|neq: true}", "{\"f\":1}", 0},
        {"  s: {f|re|neq: a}", "{\"f\":\"b\"}", 1},
        {"  s: {f|neq: null}", "{\"f\":1}", 1},
        {"  s: {f|neq: null}", "{}", 0},
        {"  s: {f|all|re: a}", "{}", -1},
        {"  s: {f|neq|cidr: 10.0.0.0/8}", "{}", -1},
        {"  s: {f|all|exists: true}", "{}", -1},
    };
    check_rows(rows, PEN_COUNT(rows), NULL);
}

static void regular_expressions_search_and_take_flags(void **state)
{
    (void)state;
    static const struct sigma_row rows[] = {
        {"  s: {f|re: 'a\\.c'}", "{\"f\":\"abc\"}", 0},
        {"  s: {f|re|ignorecase: B}", "{\"f\":\"abc\"}", 1},
        {"  s: {f|re|m: '^b$'}", "{\"f\":\"a\\nb\\nc\"}", 1},
        {"  s: {f|re: '^b$'}", "{\"f\":\"a\\nb\\nc\"}", 0},
        {"  s: {f|re|multiline|dotall|i: '^B.C$'}", "{\"f\":\"a\\nb\\nc\"}", 1},
        {"  s: {f|re: '(?i)B'}", "{\"f\":\"abc\"}", 1},
        {"  s: {f|re: 'a(?!b)'}", "{\"f\":\"ab ac\"}", 1},
        {"  s: {f|re|startswith: 'b|c'}", "{\"f\":\"ab\"}", 0},
        {"  s: {f|re|startswith: 'b|c'}", "{\"f\":\"cb\"}", 1},
        {"  s: {f|re|endswith: 'a|b'}", "{\"f\":\"ba\"}", 1},
        {"  s: {f|re|endswith: 'b'}", "{\"f\":\"ba\"}", 0},
        {"  s: {f|re|contains: 'b'}", "{\"f\":\"abc\"}", 1},
        {"  s: {f|re|all: [a, b]}", "{\"f\":\"b a\"}", 1},
        {"  s: {f|re: '*'}", "{}", -1},
        {"  s: {f|re: '('}", "{}", -1},
        {"  s: {f|re: '\\C'}", "{}", -1},
        {"  s: {f|re: '(?R)'}", "{}", -1},
        {"  s: {f|re: '(?C1)a'}", "{}", -1},
        {"  s: {f|re: 5}", "{}", -1},
        {"  s: {f|re: null}", "{}", -1},
        {"  s: {f|contains|re: a}", "{}", -1},
        {"  s: {f|cased|re: a}", "{}", -1},
        {"  s: {f|re|cased: a}", "{}", -1},
        {"  s: {f|re|base64: a}", "{}", -1},
    };
    check_rows(rows, PEN_COUNT(rows), NULL);
}

static void encodings_are_those_of_the_tables(void **state)
{
    (void)state;
    static const struct sigma_row rows[] = {
        {"  s: {f|base64|contains: foo}", "{\"f\":\"xZm9vx\"}", 1},
        {"  s: {f|base64: fo}", "{\"f\":\"Zm8=\"}", 1},
        {"  s: {f|base64: ü}", "{\"f\":\"w7w=\"}", 1},
        {"  s: {f|base64: 'a\\*'}", "{\"f\":\"YSo=\"}", 1},
        {"  s: {f|base64: 'a*'}", "{}", -1},
        {"  s: {f|base64: 5}", "{}", -1},
        {"  s: {f|base64offset: foo}", "{\"f\":\"Zm9v\"}", 1},
        {"  s: {f|base64offset: foo}", "{\"f\":\"Zvb\"}", 1},
        {"  s: {f|base64offset: foo}", "{\"f\":\"mb2\"}", 1},
        {"  s: {f|base64offset: foob}", "{\"f\":\"Zm9vY\"}", 1},
        {"  s: {f|base64offset: foob}", "{\"f\":\"Zvb2\"}", 1},
        {"  s: {f|base64offset: foob}", "{\"f\":\"mb29i\"}", 1},
        {"  s: {f|base64offset: fooba}", "{\"f\":\"Zm9vYm\"}", 1},
        {"  s: {f|base64offset: fooba}", "{\"f\":\"Zvb2Jh\"}", 1},
        {"  s: {f|base64offset: fooba}", "{\"f\":\"mb29iY\"}", 1},
        {"  s: {f|base64offset: foobar}", "{\"f\":\"Zm9vYmFy\"}", 1},
        {"  s: {f|base64offset: foobar}", "{\"f\":\"Zvb2Jhc\"}", 1},
        {"  s: {f|base64offset: foobar}", "{\"f\":\"mb29iYX\"}", 1},
        {"  s: {f|base64offset|contains|cased: foo}", "{\"f\":\"xZM9Vx\"}", 0},
        {"  s: {f|base64offset|contains|all: [foo, bar]}", "{\"f\":\"xZm9v YmFyx\"}", 1},
        {"  s: {f|base64offset: fo}", "{}", -1},
        {"  s: {f|contains|base64offset: foo}", "{}", -1},
        {"  s: {f|wide|base64offset: foo}", "{\"f\":\"ZgBvAG8A\"}", 1},
        {"  s: {f|utf16le|base64offset: foo}", "{\"f\":\"YAbwBvA\"}", 1},
        {"  s: {f|wide|base64offset|contains: foo}", "{\"f\":\"xmAG8Abw\"}", 1},
        {"  s: {f|utf16|base64: foo}", "{\"f\":\"//5mAG8AbwA=\"}", 1},
        {"  s: {f|utf16be|base64: foo}", "{\"f\":\"AGYAbwBv\"}", 1},
        {"  s: {f|wide|base64: ü}", "{\"f\":\"/AA=\"}", 1},
        {"  s: {f|wide|base64: '😀'}", "{\"f\":\"Pdg=\"}", 0},
        {"  s: {f|wide|base64: '😀'}", "{\"f\":\"PdgA3g==\"}", 1},
        {"  s: {f|wide|contains: foo}", "{\"f\":\"xf\\u0000o\\u0000o\\u0000\"}", 1},
        {"  s: {f|wide: ü}", "{}", -1},
        {"  s: {f|utf16: foo}", "{}", -1},
        {"  s: {f|wide: 5}", "{}", -1},
        {"  s: {f|windash|base64: '-a'}", "{\"f\":\"L2E=\"}", 1},
        {"  s: {f|windash|base64: '-a -b -c -d'}", "{}", -1},
    };
    check_rows(rows, PEN_COUNT(rows), NULL);
}

static void a_dash_before_a_word_is_any_of_five(void **state)
{
    (void)state;
    static const struct sigma_row rows[] = {
        {"  s: {f|windash: '-a'}", "{\"f\":\"/a\"}", 1},
        {"  s: {f|windash: '/a'}", "{\"f\":\"-A\"}", 1},
        {"  s: {f|windash: '-a'}", "{\"f\":\"–a\"}", 1},
        {"  s: {f|windash: '-a'}", "{\"f\":\"—a\"}", 1},
        {"  s: {f|windash: '-a'}", "{\"f\":\"―a\"}", 1},
        {"  s: {f|windash: '-a'}", "{\"f\":\"_a\"}", 0},
        {"  s: {f|windash: '–a'}", "{\"f\":\"-a\"}", 0},
        {"  s: {f|windash: '- a'}", "{\"f\":\"/ a\"}", 0},
        {"  s: {f|windash: '--a'}", "{\"f\":\"-/a\"}", 1},
        {"  s: {f|windash: '--a'}", "{\"f\":\"//a\"}", 0},
        {"  s: {f|windash: 'http://x'}", "{\"f\":\"http:/-x\"}", 1},
        {"  s: {f|windash|contains|all: [' -a', ' /b']}", "{\"f\":\"x /a -b\"}", 1},
        {"  s: {f|contains|windash: ' -a -b -c -d -e'}", "{\"f\":\"x /a –b —c ―d -e\"}", 1},
        {"  s: {f|windash: 5}", "{}", -1},
    };
    check_rows(rows, PEN_COUNT(rows), NULL);
}

static void networks_compare_bits(void **state)
{
    (void)state;
    static const struct sigma_row rows[] = {
        {"  s: {f|cidr: 10.1.2.3}", "{\"f\":\"10.1.2.3\"}", 1},
        {"  s: {f|cidr: 10.0.0.0/255.0.0.0}", "{\"f\":\"10.9.9.9\"}", 1},
        {"  s: {f|cidr: 10.0.0.0/0.255.255.255}", "{\"f\":\"10.9.9.9\"}", 1},
        {"  s: {f|cidr: 0.0.0.0/0}", "{\"f\":\"1.2.3.4\"}", 1},
        {"  s: {f|cidr: 0.0.0.0/0}", "{\"f\":\"::1\"}", 0},
        {"  s: {f|cidr: '::/0'}", "{\"f\":\"1.2.3.4\"}", 0},
        {"  s: {f|cidr: [10.0.0.0/8, 192.168.0.0/16]}", "{\"f\":\"192.168.3.4\"}", 1},
        {"  s: {f|cidr: 10.0.0.0/8}", "{\"f\":\"10.0.0.1:443\"}", 0},
        {"  s: {f|cidr: 10.0.0.0/8}", "{\"f\":\"10.0.0.1, 10.0.0.2\"}", 0},
        {"  s: {f|cidr: 10.0.0.0/8}", "{\"f\":[\"x\",\"10.0.0.1\"]}", 1},
        {"  s: {f|cidr: 10.0.0.0/33}", "{}", -1},
        {"  s: {f|cidr: 010.0.0.0/8}", "{}", -1},
        {"  s: {f|cidr: '10.0.0.0/8 '}", "{}", -1},
        {"  s: {f|cidr: '10.*'}", "{}", -1},
        {"  s: {f|cidr: 10}", "{}", -1},
        {"  s: {f|cidr: 'fe80::1%eth0/128'}", "{}", -1},
        {"  s: {f|contains|cidr: 10.0.0.0/8}", "{}", -1},
        {"  s: {f|cidr|contains: 10.0.0.0/8}", "{}", -1},
    };
    check_rows(rows, PEN_COUNT(rows), NULL);
}

static void numbers_and_parts_of_times_compare(void **state)
{
    (void)state;
#define AT(part, text) "  s: {ts|" part ": " text "}", "{\"ts\":\"2024-12-30T23:59:00+05:00\"}"
    static const struct sigma_row rows[] = {
        {"  s: {f|lt: [1, 2]}", "{\"f\":1.5}", 1},
        {"  s: {f|lte: 2}", "{\"f\":2}", 1},
        {"  s: {f|gt: 2}", "{\"f\":2}", 0},
        {"  s: {f|gte: 1, f|lt: 9}", "{\"f\":\"8.9\"}", 1},
        {"  s: {f|gt: -1.5}", "{\"f\":-1}", 1},
        {"  s: {f|gt: 5}", "{\"f\":true}", 0},
        {"  s: {f|gt: 5}", "{}", 0},
        {"  s: {f|gt: true}", "{}", -1},
        {"  s: {f|lt|gt: 5}", "{}", -1},
        {"  s: {f|contains|gt: 5}", "{}", -1},
        {AT("minute", "59"), 1},
        {AT("hour", "23"), 1}, /* the clock as written */
        {AT("day", "30"), 1},
        {AT("week", "1"), 1},
        {AT("month", "12"), 1},
        {AT("year", "2024"), 1},
        {AT("hour|gte", "22"), 1},
        {AT("hour|lt", "22"), 0},
        {AT("hour|neq", "23"), 0},
        {"  s: {ts|hour: 1}", "{\"ts\":\"soon\"}", 0},
        {"  s: {ts|year: 1970}", "{\"ts\":0}", 1},
        {AT("hour", "25"), -1},
        {AT("hour", "'23'"), -1},
        {AT("minute", "60"), -1},
        {AT("day", "0"), -1},
        {AT("week", "54"), -1},
        {AT("month", "13"), -1},
        {AT("second", "1"), -1},
        {AT("gte|hour", "1"), -1},
        {AT("hour|minute", "1"), -1},
    };
    check_rows(rows, PEN_COUNT(rows), NULL);
}

static void fields_compare_with_fields(void **state)
{
    (void)state;
    static const struct sigma_row rows[] = {
        {"  s: {f|fieldref: a.b}", "{\"f\":\"x\",\"a\":{\"b\":[\"y\",\"X\"]}}", 1},
        {"  s: {f|fieldref|startswith: g}", "{\"f\":\"abc\",\"g\":\"AB\"}", 1},
        {"  s: {f|fieldref|endswith: g}", "{\"f\":\"abc\",\"g\":\"bc\"}", 1},
        {"  s: {f|fieldref|contains: g}", "{\"f\":\"a*c\",\"g\":\"*\"}", 1},
        {"  s: {f|fieldref|contains: g}", "{\"f\":\"abc\",\"g\":\"*\"}", 0},
        {"  s: {f|fieldref|contains: g}", "{\"f\":\"abc\",\"g\":\"\"}", 0},
        {"  s: {f|fieldref|neq: g}", "{\"f\":\"a\",\"g\":\"b\"}", 1},
        {"  s: {f|fieldref: g}", "{\"f\":null,\"g\":null}", 0},
        {"  s: {f|fieldref: 'g*'}", "{}", -1},
        {"  s: {f|fieldref: ''}", "{}", -1},
        {"  s: {f|fieldref: 5}", "{}", -1},
        {"  s: {f|startswith|fieldref: g}", "{}", -1},
        {"  s: {f|fieldref|cased: g}", "{}", -1},
    };
    check_rows(rows, PEN_COUNT(rows), NULL);
}

static void placeholders_take_their_values_from_the_caller(void **state)
{
    (void)state;
    static const struct sigma_row rows[] = {
        {"  s: {f|expand: '%Administrators%'}", "{\"f\":\"ROOT\"}", 1},
        {"  s: {f|expand: '%Administrators%'}", "{\"f\":\"admin\"}", 1},
        {"  s: {f|expand: '%Administrators%'}", "{\"f\":\"%Administrators%\"}", 0},
        {"  s: {f|contains|expand: 'x%Administrators%y'}", "{\"f\":\"axrootyb\"}", 1},
        {"  s: {f|expand|contains: 'x%Administrators%y'}", "{\"f\":\"axadmZyb\"}", 1},
        {"  s: {f|expand: '%Administrators%@%hosts%'}", "{\"f\":\"root@a.b\"}", 1},
        {"  s: {f|expand: '%Administrators%@%hosts%'}", "{\"f\":\"admin@c*d\"}", 1},
        {"  s: {f|expand: '%Administrators%@%hosts%'}", "{\"f\":\"admin@cxd\"}", 0},
        {"  s: {f|expand: '%hosts%*'}", "{\"f\":\"e\\\\z\"}", 1},
        {"  s: {f|expand: '\\%p%hosts%'}", "{\"f\":\"%pa.b\"}", 1},
        {"  s: {f|expand: '100%'}", "{\"f\":\"100%\"}", 1},
        {"  s: {f|expand: '%%'}", "{\"f\":\"%%\"}", 1},
        {"  s: {f|expand|all: ['*%Administrators%*', '*%hosts%*']}", "{\"f\":\"root a.b\"}", 1},
        {"  s: {f|expand|base64: '%hosts%'}", "{\"f\":\"YS5i\"}", 1},
        {"  s: {f|re|expand: '^%hosts%$'}", "{\"f\":\"a.b\"}", 1},
        {"  s: {f|re|expand: '^%hosts%$'}", "{\"f\":\"axb\"}", 0},
        {"  s: {f|re|expand: '^%Administrators%$'}", "{\"f\":\"admin\"}", 1},
        {"  s: {f|expand: '%administrators%'}", "{}", -1},
        {"  s: {f|expand: '%none%'}", "{}", -1},
        {"  s: {f|base64|expand: '%hosts%'}", "{}", -1},
        {"  s: {f|cidr|expand: '%hosts%'}", "{}", -1},
        {"  s: {f|expand: '%hosts%%hosts%%hosts%%hosts%%hosts%'}", "{}", -1},
    };
    check_rows(rows, PEN_COUNT(rows), &filled);
}

static void case_folds_beyond_ascii_code_point_by_code_point(void **state)
{
    (void)state;
    static const struct sigma_row rows[] = {
        {"  s: {f: 'ΣΊΣΥΦΟΣ'}", "{\"f\":\"σίσυφος\"}", 1}, /* also the final sigma */
        {"  s: {f: 'ПРИВЕТ'}", "{\"f\":\"привет\"}", 1},
        {"  s: {f|contains: 'привет'}", "{\"f\":\"x ПРИВЕТ y\"}", 1},
        {"  s: {f|startswith: 'É'}", "{\"f\":\"éa\"}", 1},
        {"  s: {f: 'k'}", "{\"f\":\"\\u212a\"}", 1}, /* the Kelvin sign */
        {"  s: {f: 'straße'}", "{\"f\":\"STRASSE\"}", 0},
        {"  s: {f: 'straße'}", "{\"f\":\"STRAẞE\"}", 1},
        {"  s: {f: 'é'}", "{\"f\":\"e\\u0301\"}", 0}, /* no normalisation */
        {"  s: {f|cased: 'É'}", "{\"f\":\"é\"}", 0},
        {"  s: {f: '𐐀'}", "{\"f\":\"\\ud801\\udc28\"}", 1}, /* beyond the first plane */
        {"  s: {f|fieldref: g}", "{\"f\":\"É\",\"g\":\"é\"}", 1},
        {"  s: ПРИВЕТ", "{\"f\":\"a привет b\"}", 1},
        {"  s: {f|re|i: 'É'}", "{\"f\":\"é\"}", 1},
        {"  s: {f: 'a?c'}", "{\"f\":\"a😀c\"}", 1},
        {"  s: {f: 'a?c'}", "{\"f\":\"a\\ud83d\\ude00c\"}", 1},
        {"  s: {f: 'a??c'}", "{\"f\":\"a😀c\"}", 0},
        {"  s: {f: '?'}", "{\"f\":\"é\"}", 1},
        {"  s: {f: '?"
         "?'}",
         "{\"f\":\"é\"}", 0},
        {"  s: {f|contains: 'é?b'}", "{\"f\":\"xÉ€bx\"}", 1},
    };
    check_rows(rows, PEN_COUNT(rows), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_open_the_edges_of_a_text),
        cmocka_unit_test(all_and_neq_act_on_the_whole_item),
        cmocka_unit_test(regular_expressions_search_and_take_flags),
        cmocka_unit_test(encodings_are_those_of_the_tables),
        cmocka_unit_test(a_dash_before_a_word_is_any_of_five),
        cmocka_unit_test(networks_compare_bits),
        cmocka_unit_test(numbers_and_parts_of_times_compare),
        cmocka_unit_test(fields_compare_with_fields),
        cmocka_unit_test(placeholders_take_their_values_from_the_caller),
        cmocka_unit_test(case_folds_beyond_ascii_code_point_by_code_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
