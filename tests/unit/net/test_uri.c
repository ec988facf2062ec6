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

static void every_byte_that_is_encoded_is_decoded(void **state)
{
    (void)state;
    uint8_t all[256];
    struct pen_buf buf;
    pen_buf_init(&buf, 1000);
    for (uint32_t b = 0; b < 256; b++) {
        all[b] = (uint8_t)b;
    }
    assert_int_equal(pen_uri_encode(&buf, (pen_slice){all, sizeof(all)}, PEN_URI_KEEP_NONE),
                     PEN_OK);
    assert_true(pen_uri_decode(buf.ptr, &buf.len));
    assert_int_equal(buf.len, sizeof(all));
    assert_memory_equal(buf.ptr, all, sizeof(all));
    pen_buf_fini(&buf);
}

static void decoding_takes_either_case_and_plus_and_refuses_half_an_escape(void **state)
{
    (void)state;
    uint8_t text[] = "a+b%2b%2Fc%c3%A9";
    size_t len = sizeof(text) - 1;
    assert_true(pen_uri_decode(text, &len));
    assert_int_equal(len, 8);
    assert_memory_equal(text, "a b+/c\xc3\xa9", 8);
    static const char *const bad[] = {"%", "%4", "a%", "a%4", "%g0", "%0g", "%%41", "% 1", "%+1"};
    for (uint32_t i = 0; i < PEN_COUNT(bad); i++) {
        uint8_t copy[8];
        len = strlen(bad[i]);
        memcpy(copy, bad[i], len);
        assert_false(pen_uri_decode(copy, &len));
    }
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

static void the_host_of_a_url_is_its_name_alone(void **state)
{
    (void)state;
    static const char *const urls[] = {"https://b.s3.eu-west-1.amazonaws.com:443/k:1",
                                       "b.s3.eu-west-1.amazonaws.com/k",
                                       "b.s3.eu-west-1.amazonaws.com"};
    for (size_t i = 0; i < PEN_COUNT(urls); i++) {
        const pen_slice host = pen_uri_host(pen_slice_str(urls[i]));
        assert_true(pen_slice_eq(host, PEN_SLICE_LIT("b.s3.eu-west-1.amazonaws.com")));
    }
    assert_int_equal(pen_uri_host(PEN_SLICE_LIT("https://")).len, 0);
    assert_int_equal(pen_uri_host((pen_slice){NULL, 0}).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_but_the_unreserved_is_encoded),
        cmocka_unit_test(every_byte_that_is_encoded_is_decoded),
        cmocka_unit_test(decoding_takes_either_case_and_plus_and_refuses_half_an_escape),
        cmocka_unit_test(encoding_stops_at_the_limit_of_the_buffer),
        cmocka_unit_test(paths_are_normalised),
        cmocka_unit_test(the_host_of_a_url_is_its_name_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
