#include "penstock/node.h"

#include "ledger.h"
#include "test.h"

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
    a.by_type[2] = (struct pen_type_totals){.objects = 3, .records = 4, .dead = 1};
    ledger_gap(&a, "not-found", PEN_SLICE_LIT("123456789012"), 1);
    ledger_gap(&a, "not-found", PEN_SLICE_LIT("123456789012"), 1);
    ledger_gap(&a, "denied", (pen_slice){0}, 1);
    assert_int_equal(ledger_write(&a, &text), PEN_OK);
    assert_int_equal(ledger_read(&b, pen_slice_str((const char *)text.ptr), &err), PEN_OK);
    assert_int_equal(b.totals.records_in, 12345678901234);
    assert_int_equal(b.totals.matches, 7);
    assert_int_equal(b.totals.time_last_ns, 9);
    assert_int_equal(b.by_type[2].records, 4);
    assert_int_equal(b.gap_count, 2);
    assert_int_equal(b.gaps[0].count, 2);
    assert_string_equal(b.gaps[1].account, "");
    assert_int_equal(ledger_read(&b, PEN_SLICE_LIT("nonsense 1\n"), &err), PEN_E_CORRUPT);
    pen_buf_fini(&text);
    ledger_fini(&a);
    ledger_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(counters_come_back_from_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
