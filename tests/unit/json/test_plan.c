#include "penstock/json.h"

#include "test.h"

static void a_name_with_many_dots_has_two_readings_and_no_explosion(void **state)
{
    (void)state;
    struct pen_plan *plan = pen_plan_new();
    const uint32_t field = pen_plan_field_new(plan);
    assert_int_equal(pen_plan_dotted(plan, field, PEN_SLICE_LIT("a.b.c.d.e.f.g.h.i.j.k")), PEN_OK);
    assert_int_equal(pen_plan_dotted(plan, field, PEN_SLICE_LIT("a.b.c.d.e.f.g.h.i")), PEN_OK);
    assert_int_equal(pen_plan_field_count(plan), 1);
    pen_plan_free(plan);
}

static void the_node_limit_is_an_error(void **state)
{
    (void)state;
    struct pen_plan *plan = pen_plan_new();
    const uint32_t field = pen_plan_field_new(plan);
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < 300; i++) {
        uint8_t name[] = {(uint8_t)(i >> 8),
                          (uint8_t)i,
                          '.',
                          '1',
                          '.',
                          '2',
                          '.',
                          '3',
                          '.',
                          '4',
                          '.',
                          '5',
                          '.',
                          '6',
                          '.',
                          '7',
                          '.',
                          '8'};
        st = pen_plan_dotted(plan, field, (pen_slice){name, sizeof(name)});
    }
    assert_int_equal(st, PEN_E_LIMIT);
    pen_plan_free(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_with_many_dots_has_two_readings_and_no_explosion),
        cmocka_unit_test(the_node_limit_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
