#include "penstock/node.h"

#include "ledger.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

static void counters_come_back_from_text(void **state)
{
    (void)state;
    struct ledger a;
    struct ledger b;
    struct pen_buf text;
    struct pen_err err;
    ledger_init(&a);
    ledger_init(&b);
    pen_buf_init(&text, 1 << 20);
    a.totals.records_in = 12345678901234;
    a.totals.matches = 7;
    a.totals.time_first_ns = 5;
    a.totals.time_last_ns = 9;
    ledger_type(&a, &(struct pen_type_totals){.name = "alb", .objects = 3, .records = 3});
    ledger_type(&a, &(struct pen_type_totals){.name = "waf", .objects = 1});
    ledger_type(&a, &(struct pen_type_totals){.name = "alb", .records = 1, .dead = 1});
    ledger_gap(&a, "not-found", PEN_SLICE_LIT("123456789012"), 1);
    ledger_gap(&a, "not-found", PEN_SLICE_LIT("123456789012"), 1);
    ledger_gap(&a, "denied", (pen_slice){0}, 1);
    assert_int_equal(ledger_write(&a, &text), PEN_OK);
    assert_int_equal(ledger_read(&b, pen_slice_str((const char *)text.ptr), &err), PEN_OK);
    assert_int_equal(b.totals.records_in, 12345678901234);
    assert_int_equal(b.totals.matches, 7);
    assert_int_equal(b.totals.time_last_ns, 9);
    assert_int_equal(b.type_count, 2);
    assert_int_equal(ledger_type_of(&b, PEN_SLICE_LIT("alb"))->records, 4);
    assert_int_equal(ledger_type_of(&b, PEN_SLICE_LIT("waf"))->objects, 1);
    assert_null(ledger_type_of(&b, PEN_SLICE_LIT("wa")));
    assert_int_equal(b.gap_count, 2);
    assert_int_equal(b.gaps[0].count, 2);
    assert_string_equal(b.gaps[1].account, "");
    assert_int_equal(ledger_read(&b, PEN_SLICE_LIT("nonsense 1\n"), &err), PEN_E_CORRUPT);
    pen_buf_fini(&text);
    ledger_fini(&a);
    ledger_fini(&b);
}

/* Types that are loaded no more are in a checkpoint too: what there is no row for is one of
 * "other". */
static void types_beyond_the_limit_share_a_row(void **state)
{
    (void)state;
    struct ledger a;
    uint64_t records = 0;
    ledger_init(&a);
    for (unsigned i = 0; i < PEN_TYPES_MAX + 40; i++) {
        struct pen_type_totals type = {.records = 2};
        (void)snprintf(type.name, sizeof(type.name), "type%u", i);
        ledger_type(&a, &type);
    }
    assert_int_equal(a.type_count, PEN_TYPES_MAX);
    for (uint32_t i = 0; i < a.type_count; i++) {
        records += a.by_type[i].records;
    }
    assert_int_equal(records, 2 * (PEN_TYPES_MAX + 40));
    assert_int_equal(ledger_type_of(&a, PEN_SLICE_LIT("other"))->records, 82);
    ledger_fini(&a);
}

static void what_an_object_added_can_be_subtracted(void **state)
{
    (void)state;
    struct ledger sum;
    struct ledger one;
    ledger_init(&sum);
    ledger_init(&one);
    sum.totals.records_in = 10;
    sum.totals.bytes_shipped = 100;
    ledger_type(&sum,
                &(struct pen_type_totals){.name = "alb", .objects = 2, .records = 10, .dead = 3});
    ledger_gap(&sum, "denied", PEN_SLICE_LIT("1"), 2);
    ledger_gap(&sum, "changed", PEN_SLICE_LIT("1"), 1);
    one.totals.records_in = 4;
    one.totals.bytes_shipped = 50;
    one.totals.matches = 1;
    ledger_type(&one, &(struct pen_type_totals){.name = "waf", .objects = 1});
    ledger_type(&one,
                &(struct pen_type_totals){.name = "alb", .objects = 1, .records = 4, .dead = 4});
    ledger_gap(&one, "denied", PEN_SLICE_LIT("1"), 1);
    ledger_gap(&one, "changed", PEN_SLICE_LIT("1"), 1);
    ledger_gap(&one, "changed", PEN_SLICE_LIT("2"), 1);
    ledger_subtract(&sum, &one);
    assert_int_equal(sum.totals.records_in, 6);
    assert_int_equal(sum.totals.matches, 0); /* never below */
    assert_int_equal(sum.totals.bytes_shipped, 100);
    assert_int_equal(sum.type_count, 1);
    assert_int_equal(sum.by_type[0].objects, 1);
    assert_int_equal(sum.by_type[0].dead, 0); /* never below */
    assert_int_equal(sum.gap_count, 1);
    assert_string_equal(sum.gaps[0].cause, "denied");
    assert_int_equal(sum.gaps[0].count, 1);
    ledger_fini(&sum);
    ledger_fini(&one);
}

static void unparsed_records_of_a_type_are_kept_and_an_older_text_has_none(void **state)
{
    (void)state;
    struct ledger ledger;
    struct ledger again;
    struct pen_buf text;
    struct pen_err err = {0};
    ledger_init(&ledger);
    ledger_init(&again);
    pen_buf_init(&text, LEDGER_TEXT_MAX);
    ledger_type(&ledger, &(struct pen_type_totals){.name = "alb", .records = 9, .unparsed = 5});
    assert_int_equal(ledger_write(&ledger, &text), PEN_OK);
    assert_int_equal(ledger_read(&again, pen_slice_str((const char *)text.ptr), &err), PEN_OK);
    assert_int_equal(ledger_type_of(&again, PEN_SLICE_LIT("alb"))->unparsed, 5);
    assert_int_equal(ledger_read(&again, PEN_SLICE_LIT("type alb 1 2 3\n"), &err), PEN_OK);
    assert_int_equal(ledger_type_of(&again, PEN_SLICE_LIT("alb"))->unparsed, 5);
    assert_int_equal(ledger_type_of(&again, PEN_SLICE_LIT("alb"))->records, 11);
    assert_int_not_equal(ledger_read(&again, PEN_SLICE_LIT("type alb 1 2 3 x\n"), &err), PEN_OK);
    pen_buf_fini(&text);
    ledger_fini(&ledger);
    ledger_fini(&again);
}

static void other_types_of_an_object_have_a_row_each_up_to_their_limit(void **state)
{
    (void)state;
    struct other_types others = {0};
    assert_null(other_types_copy(&others));
    for (uint32_t i = 0; i < OTHER_TYPES_MAX; i++) {
        other_type_of(&others, 100 + i)->records = i;
    }
    assert_null(other_type_of(&others, 7));
    assert_int_equal(other_type_of(&others, 103)->records, 3);
    struct other_types *copy = other_types_copy(&others);
    assert_int_equal(copy->count, OTHER_TYPES_MAX);
    assert_int_equal(other_type_of(copy, 105)->records, 5);
    free(copy);
}

static void a_range_of_times_grows_and_an_empty_one_adds_nothing(void **state)
{
    (void)state;
    int64_t first = 0;
    int64_t last = 0;
    times_merge(&first, &last, 0, 0);
    assert_true(first == 0 && last == 0);
    times_merge(&first, &last, 5, 7);
    times_merge(&first, &last, 6, 9);
    times_merge(&first, &last, 0, 0);
    assert_true(first == 5 && last == 9);
    times_merge(&first, &last, 3, 4);
    assert_true(first == 3 && last == 9);
}

static void what_a_cluster_had_already_is_subtracted_with_what_it_took(void **state)
{
    (void)state;
    struct ledger sum;
    struct ledger one;
    ledger_init(&sum);
    ledger_init(&one);
    sum.totals.records_in = 10;
    sum.totals.records_delivered = 3;
    sum.totals.records_duplicate = 7;
    one.totals.records_in = 8;
    one.totals.records_delivered = 8; /* of an object all are */
    ledger_subtract(&sum, &one);
    assert_int_equal(sum.totals.records_in, 2);
    assert_int_equal(sum.totals.records_delivered + sum.totals.records_duplicate, 2);
    ledger_fini(&sum);
    ledger_fini(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_come_back_from_text),
        cmocka_unit_test(types_beyond_the_limit_share_a_row),
        cmocka_unit_test(what_an_object_added_can_be_subtracted),
        cmocka_unit_test(unparsed_records_of_a_type_are_kept_and_an_older_text_has_none),
        cmocka_unit_test(other_types_of_an_object_have_a_row_each_up_to_their_limit),
        cmocka_unit_test(a_range_of_times_grows_and_an_empty_one_adds_nothing),
        cmocka_unit_test(what_a_cluster_had_already_is_subtracted_with_what_it_took),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
