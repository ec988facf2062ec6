#include "penstock/net.h"

#include "test.h"

#include <stdio.h>

static void is(const struct pen_buf *buf, const char *want)
{
    assert_int_equal(buf->len, strlen(want));
    assert_memory_equal(buf->ptr, want, buf->len);
}

static void every_byte_but_the_unreserved_is_encoded(void **state)
{
    (void)state;
    static const char kept[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    struct pen_buf buf;
    pen_buf_init(&buf, 1000);
    for (uint32_t b = 0; b < 256; b++) {
        const uint8_t byte = (uint8_t)b;
        char want[8];
        (void)snprintf(want, sizeof(want), "%%%02X", b);
        if (b != 0 && strchr(kept, (int)b) != NULL) {
            want[0] = (char)b;
            want[1] = '\0';
        }
        buf.len = 0;
        assert_int_equal(pen_uri_encode(&buf, (pen_slice){&byte, 1}, PEN_URI_KEEP_NONE), PEN_OK);
        is(&buf, want);
        buf.len = 0;
        assert_int_equal(pen_uri_encode(&buf, (pen_slice){&byte, 1}, PEN_URI_KEEP_SLASH), PEN_OK);
        is(&buf, b == '/' ? "/" : want);
    }
    pen_buf_fini(&buf);
}

static void encoding_stops_at_the_limit_of_the_buffer(void **state)
{
    (void)state;
    struct pen_buf buf;
    pen_buf_init(&buf, 8);
    assert_int_equal(pen_uri_encode(&buf, PEN_SLICE_LIT("a b c"), PEN_URI_KEEP_NONE), PEN_E_LIMIT);
    buf.len = 0;
    assert_int_equal(pen_uri_encode(&buf, PEN_SLICE_LIT("a bcde"), PEN_URI_KEEP_NONE), PEN_OK);
    is(&buf, "a%20bcde");
    pen_buf_fini(&buf);
}

static void paths_are_normalised(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "/"},
        {"/", "/"},
        {"//", "/"},
        {"/a", "/a"},
        {"/a/", "/a/"},
        {"//a//", "/a/"},
        {"/./a", "/a"},
        {"/a/..", "/"},
        {"/a/b/../..", "/"},
        {"/a/../", "/"},
        {"/../../a", "/a"},
        {"/a/b/..", "/a"},
        {"/a/./b/.", "/a/b"},
        {"/...", "/..."},
        {"/a/.b/..c", "/a/.b/..c"},
    };
    struct pen_buf buf;
    pen_buf_init(&buf, 1000);
    for (uint32_t i = 0; i < PEN_COUNT(cases); i++) {
        buf.len = 0;
        /* what stands before is left alone */
        assert_int_equal(pen_buf_add(&buf, PEN_SLICE_LIT("x/y")), PEN_OK);
        assert_int_equal(pen_uri_normalise(&buf, pen_slice_str(cases[i][0])), PEN_OK);
        char want[32] = "x/y";
        is(&buf, strcat(want, cases[i][1]));
    }
    pen_buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_but_the_unreserved_is_encoded),
        cmocka_unit_test(encoding_stops_at_the_limit_of_the_buffer),
        cmocka_unit_test(paths_are_normalised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
