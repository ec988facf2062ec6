#include "template.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct {
    const char *name, *value;
} values[] = {
    {"@usr.name", "ann"},
    {"@network.client.ip", "10.0.0.1, 10.0.0.2"},
    {"@n", "41"},
    {"@half", "2.5"},
    {"@no", "false"},
    {"@words", "a b/c~\xc3\xa9"},
    {"first_seen", "2025-03-04T05:06:07Z"},
    {"first_seen_epoch", "1741064767000"},
    {"severity", "3"},
    {"env", "prod"},
    {"dot.key", "dotted"},
    {"events_matched_per_query.failed", "7"},
};

static pen_status get(void *ctx, pen_slice name, struct pen_buf *out)
{
    uint32_t *asked = ctx;
    *asked += 1;
    for (size_t i = 0; i < PEN_COUNT(values); i++) {
        if (pen_slice_eq(name, pen_slice_str(values[i].name))) {
            return pen_buf_add(out, pen_slice_str(values[i].value));
        }
    }
    return PEN_OK;
}

static pen_status render(pen_slice template, struct pen_buf *out)
{
    uint32_t asked = 0;
    const struct pen_rule_variables variables = {.get = get, .ctx = &asked};
    return pen_rule_render(template, &variables, out);
}

static void expect(const char *template, const char *want)
{
    struct pen_buf out;
    pen_buf_init(&out, (size_t)1 << 20);
    assert_int_equal(pen_buf_add(&out, PEN_SLICE_LIT(">")), PEN_OK);
    assert_int_equal(render(pen_slice_str(template), &out), PEN_OK);
    assert_int_equal(pen_buf_add_byte(&out, 0), PEN_OK);
    assert_string_equal((const char *)out.ptr + 1, want);
    pen_buf_fini(&out);
}

static void variables_are_put_in(void **state)
{
    (void)state;
    expect("", "");
    expect("no braces, { one } pair", "no braces, { one } pair");
    expect("{{@usr.name}} from {{ @network.client.ip }}", "ann from 10.0.0.1, 10.0.0.2");
    expect("{{{@usr.name}}}!", "ann!");
    expect("[{{@none}}{{nothing}}]", "[]");
    expect("{{env}} {{env.name}} {{[dot.key].name}}", "prod prod dotted");
    expect("{{events_matched_per_query.failed}}/{{severity}}", "7/3");
    expect("{{@usr.name} and {{never closed", "{{@usr.name} and {{never closed");
    expect("@slack-{{env}} {{", "@slack-prod {{");
    expect("{{}}{{two words}}{{/if}}{{else}}", "");
}

static void raw_text_stays_as_it_is(void **state)
{
    (void)state;
    expect("{{{{raw}}}}{{@usr.name}}{{{{/raw}}}} {{@usr.name}}", "{{@usr.name}} ann");
    expect("a {{{{raw}}}} {{b}} c", "a  {{b}} c");
}

static void eval_counts_in_integers(void **state)
{
    (void)state;
    expect("{{eval \"first_seen_epoch-15*60*1000\"}}", "1741063867000");
    expect("{{eval \"1 + 2*3 - 4/2\"}} {{eval \"(1+2)*3\"}}", "5 9");
    expect("{{eval '@n+1'}} {{eval \"10-3-2\"}} {{eval \"7/2\"}}", "42 5 3");
    expect("[{{eval \"1/0\"}}{{eval \"@none+1\"}}{{eval \"@half*2\"}}{{eval \"1+\"}}{{eval \"(1\"}}"
           "{{eval \"1)\"}}{{eval \"1 2\"}}{{eval \"\"}}{{eval \"*1\"}}{{eval \"1(2)\"}}]",
           "[]");
    expect("[{{eval \"9223372036854775807+1\"}}{{eval \"3037000500*3037000500\"}}]", "[]");
}

static void an_expression_has_as_many_parentheses_as_the_stack_holds(void **state)
{
    char text[400] = "{{eval \"";
    (void)state;
    for (int depth = 60; depth <= 70; depth += 10) {
        size_t at = strlen("{{eval \"");
        for (int i = 0; i < depth; i++) {
            text[at++] = '(';
        }
        text[at++] = '5';
        for (int i = 0; i < depth; i++) {
            text[at++] = ')';
        }
        memcpy(text + at, "\"}}", 4);
        expect(text, depth == 60 ? "5" : "");
    }
}

static void functions_change_values(void **state)
{
    (void)state;
    expect("{{urlencode \"@words\"}}", "a%20b%2Fc~%C3%A9");
    expect("{{local_time \"first_seen\" \"UTC\"}}", access("/usr/share/zoneinfo/UTC", R_OK) == 0
                                                        ? "2025-03-04T05:06:07+00:00"
                                                        : "2025-03-04T05:06:07Z");
    expect("{{local_time \"first_seen\" \"No/Such\"}} {{local_time \"first_seen_epoch\"}}",
           "2025-03-04T05:06:07Z 2025-03-04T05:06:07Z");
    expect("{{local_time \"first_seen\" \"../../../etc/passwd\"}}", "2025-03-04T05:06:07Z");
    expect("{{local_time \"@usr.name\" \"UTC\"}}", "ann");
}

static void zones_have_their_shift(void **state)
{
    (void)state;
    if (access("/usr/share/zoneinfo/Europe/Paris", R_OK) != 0) {
        print_message("skipped: the host has no tz database\n");
        skip();
    }
    expect("{{local_time \"first_seen\" \"Europe/Paris\"}}", "2025-03-04T06:06:07+01:00");
    expect("{{local_time \"first_seen\" \"Asia/Kolkata\"}}", "2025-03-04T10:36:07+05:30");
    expect("{{local_time \"first_seen\" \"America/St_Johns\"}}", "2025-03-04T01:36:07-03:30");
}

static void blocks_ask_for_their_condition(void **state)
{
    (void)state;
    expect("{{#if @usr.name}}yes{{/if}}{{#if @none}}no{{/if}}{{#if @no}}no{{/if}}", "yes");
    expect("{{^if @none}}missing{{/if}}{{^if @n}}no{{/if}}", "missing");
    expect("{{#if @none}}a{{else}}b{{/if}}", "b");
    expect("{{#is_match \"@usr.name\" \"nn\"}}y{{/is_match}}{{#is_match \"@usr.name\" \"x\"}}n"
           "{{/is_match}}{{^is_match \"@usr.name\" \"x\"}}y{{/is_match}}",
           "yy");
    expect("{{#is_match \"@usr.name\" \"x\" \"a\"}}any{{/is_match}}", "any");
    expect("{{#is_exact_match \"@usr.name\" \"an\"}}n{{/is_exact_match}}"
           "{{#is_exact_match \"@usr.name\" \"bob\" \"ann\"}}y{{/is_exact_match}}"
           "{{^is_exact_match \"@usr.name\" \"an\"}}y{{/is_exact_match}}",
           "yy");
    expect("{{#is_exact_match \"@network.client.ip\" \"10.0.0.2\"}}one of them"
           "{{/is_exact_match}}",
           "one of them");
}

static void blocks_stand_in_blocks(void **state)
{
    (void)state;
    expect("{{#if @n}}1{{#if @none}}2{{@n}}{{else}}3{{/if}}4{{/if}}5", "1345");
    expect("{{#if @none}}1{{#if @n}}2{{/if}}3{{else}}4{{/if}}", "4");
    expect("{{#if @n}}open {{@usr.name}}", "open ann");
    expect("{{#other @n}}no{{/other}}{{#if}}no{{/if}}.", ".");
}

static void blocks_are_nested_to_the_limit(void **state)
{
    char text[TEMPLATE_DEPTH_MAX * 10 + 32] = "";
    struct pen_buf out;
    size_t offset = 0;
    (void)state;
    pen_buf_init(&out, 1000);
    for (uint32_t i = 0; i <= TEMPLATE_DEPTH_MAX; i++) {
        memcpy(text + (size_t)i * 10, "{{#if @n}}", 10);
    }
    const size_t len = TEMPLATE_DEPTH_MAX * 10;
    assert_int_equal(render((pen_slice){(uint8_t *)text, len}, &out), PEN_OK);
    assert_int_equal(render((pen_slice){(uint8_t *)text, len + 10}, &out), PEN_E_LIMIT);
    assert_string_equal(template_check((pen_slice){(uint8_t *)text, len + 10}, &offset),
                        "blocks are nested deeper than 16 levels");
    assert_int_equal(offset, len);
    pen_buf_fini(&out);
}

static void a_long_text_is_cut_at_a_code_point(void **state)
{
    struct pen_buf out;
    const size_t max = PEN_RULE_TEXT_BYTES_MAX;
    uint8_t *text = malloc(max + 64);
    (void)state;
    assert_non_null(text);
    pen_buf_init(&out, max * 2);
    memset(text, 'x', max + 64);
    memcpy(text + max - 1, "\xc3\xa9", 2);
    assert_int_equal(render((pen_slice){text, max + 64}, &out), PEN_OK);
    assert_int_equal(out.len, max - 1);
    free(text);
    pen_buf_fini(&out);
}

static void what_is_wrong_is_told_with_its_place(void **state)
{
    static const struct {
        const char *template, *why;
        size_t offset;
    } rows[] = {
        {"{{@a}} {{#if @a}}{{/if}}", NULL, 0},
        {"{{^is_match \"@a\" \"b\"}}{{else}}{{/is_match}} {{eval \"1+1\"}}", NULL, 0},
        {"ab {{two words}}", "there is no such tag", 3},
        {"{{#each @a}}", "there is no such tag", 0},
        {"x{{/if}}", "this closes no block", 1},
        {"{{#if @a}}{{/is_match}}", "this closes no block", 10},
        {"{{else}}", "{{else}} stands in no block", 0},
        {"{{#if @a}}b", "a block is never closed", 11},
        {"é {{@a", "these braces are never closed", 3},
    };
    (void)state;
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        size_t offset = 0;
        const char *why = template_check(pen_slice_str(rows[i].template), &offset);
        if ((why == NULL) != (rows[i].why == NULL) ||
            (why != NULL && strncmp(why, rows[i].why, strlen(rows[i].why)) != 0)) {
            fail_msg("%s: %s", rows[i].template, why == NULL ? "nothing is told" : why);
        }
        assert_true(why == NULL || offset == rows[i].offset);
    }
}

static void names_of_events_are_listed_once(void **state)
{
    static const char *const want[] = {"@a", "@b.c", "@d", "@e", "host", "@f"};
    struct pen_arena arena;
    const pen_slice *names = NULL;
    uint32_t count = 0;
    bool is_cut = false;
    const pen_slice text =
        PEN_SLICE_LIT("{{@a}}{{@a}}{{rule_name}}{{#if @b.c}}{{eval \"@d*2+first_seen_epoch\"}}"
                      "{{/if}}{{urlencode \"@e\"}}{{host.name}}{{{{raw}}}}{{@no}}{{{{/raw}}}}"
                      "{{^is_match \"@f\" \"@g\"}}{{/is_match}}");
    (void)state;
    pen_arena_init(&arena, 1 << 16);
    template_names(&arena, text, &names, &count, 16, &is_cut);
    assert_int_equal(count, PEN_COUNT(want));
    assert_false(is_cut);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(pen_slice_eq(names[i], pen_slice_str(want[i])));
    }
    template_names(&arena, text, &names, &count, 2, &is_cut);
    assert_int_equal(count, 2);
    assert_true(is_cut);
    pen_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_are_put_in),
        cmocka_unit_test(raw_text_stays_as_it_is),
        cmocka_unit_test(eval_counts_in_integers),
        cmocka_unit_test(an_expression_has_as_many_parentheses_as_the_stack_holds),
        cmocka_unit_test(functions_change_values),
        cmocka_unit_test(zones_have_their_shift),
        cmocka_unit_test(blocks_ask_for_their_condition),
        cmocka_unit_test(blocks_stand_in_blocks),
        cmocka_unit_test(blocks_are_nested_to_the_limit),
        cmocka_unit_test(a_long_text_is_cut_at_a_code_point),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
        cmocka_unit_test(names_of_events_are_listed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
