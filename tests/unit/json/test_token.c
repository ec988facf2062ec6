#include "penstock/json.h"

#include "test.h"

static void tokens_tell_keys_from_values_and_depth(void **state)
{
    (void)state;
    struct pen_tokens tokens;
    struct pen_token t;
    char seen[64] = "";
    size_t n = 0;
    pen_tokens_init(&tokens, PEN_SLICE_LIT("{\"a\": [1, \"b\", {\"c\" : null}], \"d\":true}"));
    while (pen_tokens_next(&tokens, &t)) {
        seen[n++] = t.is_open ? '<' : t.is_close ? '>' : t.is_key ? 'k' : "snb0"[t.kind];
        seen[n++] = (char)('0' + t.depth);
    }
    assert_string_equal(seen, "<0k1<1n2s2<2k303>2>1k1b1>0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tokens_tell_keys_from_values_and_depth)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
