#include "http_cases.h"
#include "http_fields.h"

#include <stdio.h>

static struct http_head head;
static struct pen_err err;
static size_t used;

/* fields: lines that end in CR LF. */
static pen_status parse(const char *start, const char *fields)
{
    char text[1024];
    (void)snprintf(text, sizeof(text), "HTTP/%s\r\n%s\r\n", start, fields);
    return head_cut(&head, pen_slice_str(text), false, &used, &err);
}

static void length_is(const char *fields, uint64_t want)
{
    assert_int_equal(parse("1.1 200 OK", fields), PEN_OK);
    assert_true(head.has_length);
    assert_int_equal(head.content_length, want);
    assert_int_equal(head.framing, want > 0 ? HTTP_FRAMING_LENGTH : HTTP_FRAMING_NONE);
}

static void a_length_is_one_number(void **state)
{
    (void)state;
    length_is("content-length: 0\r\n", 0);
    length_is("Content-Length:   0042 \r\n", 42);
    length_is("content-length: 18446744073709551615\r\n", UINT64_MAX);
    length_is("content-length: 5, 5\r\n", 5);
    length_is("content-length: 5\r\nCONTENT-LENGTH: 5\r\n", 5);
}

static void framing_is(const char *start, const char *fields, enum http_framing want)
{
    assert_int_equal(parse(start, fields), PEN_OK);
    assert_int_equal(head.framing, want);
}

static void the_framing_follows_status_and_fields(void **state)
{
    (void)state;
    framing_is("1.1 200 OK", "Transfer-Encoding: Chunked\r\n", HTTP_FRAMING_CHUNKED);
    framing_is("1.1 200 OK", "content-length: 7\r\n", HTTP_FRAMING_LENGTH);
    framing_is("1.1 200 OK", "", HTTP_FRAMING_CLOSE);
    framing_is("1.0 200 OK", "connection: keep-alive\r\n", HTTP_FRAMING_CLOSE);
    assert_false(head.is_kept);
    framing_is("1.1 204 No Content", "", HTTP_FRAMING_NONE);
    framing_is("1.1 204 No Content", "content-length: 0\r\n", HTTP_FRAMING_NONE);
    framing_is("1.1 304 Not Modified", "content-length: 70\r\n", HTTP_FRAMING_NONE);
    assert_int_equal(head.content_length, 70);
    framing_is("1.1 304 Not Modified", "transfer-encoding: chunked\r\n", HTTP_FRAMING_NONE);
}

static void the_answer_to_head_has_no_body(void **state)
{
    (void)state;
    const pen_slice text = PEN_SLICE_LIT("HTTP/1.1 200 OK\r\ncontent-length: 70\r\n\r\n");
    assert_int_equal(head_cut(&head, text, true, &used, &err), PEN_OK);
    assert_int_equal(head.framing, HTTP_FRAMING_NONE);
    assert_int_equal(head.content_length, 70);
    assert_true(head.has_length && head.is_kept);
    const pen_slice bare = PEN_SLICE_LIT("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\n\r\n");
    assert_int_equal(head_cut(&head, bare, true, &used, &err), PEN_OK);
    assert_int_equal(head.framing, HTTP_FRAMING_NONE);
}

#define OK "HTTP/1.1 200 OK\r\n"
static void ambiguous_framing_is_refused(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {OK "content-length: 5\r\ncontent-length: 6\r\n\r\n", 36, "content-length"},
        {OK "content-length: 5, 6\r\n\r\n", 17, "content-length"},
        {OK "content-length: 5,\r\n\r\n", 17, "content-length"},
        {OK "content-length: \r\n\r\n", 17, "content-length"},
        {OK "content-length: +5\r\n\r\n", 17, "content-length"},
        {OK "content-length: -5\r\n\r\n", 17, "content-length"},
        {OK "content-length: 0x5\r\n\r\n", 17, "content-length"},
        {OK "content-length: 5 5\r\n\r\n", 17, "content-length"},
        {OK "content-length: 5\v\r\n\r\n", 17, "content-length"},
        {OK "content-length: 5.0\r\n\r\n", 17, "content-length"},
        {OK "content-length: 18446744073709551616\r\n\r\n", 17, "content-length"},
        {OK "content-length:\r\n 5\r\n\r\n", 17, "content-length"},
        {OK "transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n", 0, "both"},
        {OK "content-length: 0\r\ntransfer-encoding: chunked\r\n\r\n", 0, "both"},
        {OK "transfer-encoding: gzip, chunked\r\n\r\n", 17, "not chunked alone"},
        {OK "transfer-encoding: chunked, chunked\r\n\r\n", 17, "not chunked alone"},
        {OK "transfer-encoding: identity\r\n\r\n", 17, "not chunked alone"},
        {OK "transfer-encoding: xchunked\r\n\r\n", 17, "not chunked alone"},
        {OK "transfer-encoding: \"chunked\"\r\n\r\n", 17, "not chunked alone"},
        {OK "transfer-encoding: chunked\v\r\n\r\n", 17, "not chunked alone"},
        {OK "transfer-encoding:\r\n\r\n", 17, "not chunked alone"},
        {OK "transfer-encoding:\r\n chunked\r\n\r\n", 17, "not chunked alone"},
        {OK "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n", 45, "two"},
        {"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", 17, "HTTP/1.0"},
        {"HTTP/1.1 204 -\r\ntransfer-encoding: chunked\r\n\r\n", 0, "204 announces"},
        {"HTTP/1.1 204 -\r\ncontent-length: 3\r\n\r\n", 0, "204 announces"},
        {"HTTP/1.1 100 -\r\ncontent-length: 3\r\n\r\n", 16, "100 announces"},
        {"HTTP/1.1 100 -\r\ntransfer-encoding: chunked\r\n\r\n", 16, "100 announces"},
    };
    refused(&head, cases, PEN_COUNT(cases));
}

static void kept_is(const char *start, const char *fields, bool want)
{
    char all[256];
    (void)snprintf(all, sizeof(all), "content-length: 1\r\n%s", fields);
    assert_int_equal(parse(start, all), PEN_OK);
    assert_int_equal(head.is_kept, want);
}

static void a_connection_is_kept_by_version_and_field(void **state)
{
    (void)state;
    kept_is("1.1 200 OK", "", true);
    kept_is("1.0 200 OK", "", false);
    kept_is("1.0 200 OK", "Connection: Keep-Alive\r\n", true);
    kept_is("1.1 200 OK", "Connection: close\r\n", false);
    kept_is("1.1 200 OK", "Connection: keep-alive, Close\r\n", false);
    kept_is("1.1 200 OK", "Connection: x-close\r\nconnection: keep-alive\r\n", true);
    kept_is("1.1 200 OK", "Connection: x\r\nconnection: ,close,\r\n", false);
    kept_is("1.0 200 OK", "Connection: keep-alive\r\nconnection: close\r\n", false);
}

static void range_is(const char *start, const char *field, const struct http_range *want)
{
    char all[256];
    (void)snprintf(all, sizeof(all), "content-length: 1\r\n%s\r\n", field);
    assert_int_equal(parse(start, all), PEN_OK);
    const struct http_range *got = &head.content_range;
    assert_int_equal(got->is_given, want->is_given);
    assert_int_equal(got->has_bytes, want->has_bytes);
    assert_int_equal(got->has_total, want->has_total);
    assert_int_equal(got->first, want->first);
    assert_int_equal(got->last, want->last);
    assert_int_equal(got->total, want->total);
}

static void ranges_are_read_where_they_mean_something(void **state)
{
    (void)state;
    range_is("1.1 206 P", "Content-Range: bytes 0-0/1",
             &(struct http_range){true, true, true, 0, 0, 1});
    range_is("1.1 206 P", "content-range: Bytes 5-9/*",
             &(struct http_range){true, true, false, 5, 9, 0});
    range_is("1.1 206 P",
             "content-range: bytes 18446744073709551613-18446744073709551614/18446744073709551615",
             &(struct http_range){true, true, true, UINT64_MAX - 2, UINT64_MAX - 1, UINT64_MAX});
    range_is("1.1 416 R", "content-range: bytes */77",
             &(struct http_range){true, false, true, 0, 0, 77});
    range_is("1.1 200 OK", "content-range: bytes 5-1/3", &(struct http_range){0});
    range_is("1.1 206 P", "accept-ranges: bytes", &(struct http_range){0});
}

static void wrong_ranges_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "bytes 5-4/9",
        "bytes 5-9/9",
        "bytes 5-9",
        "bytes */9",
        "bytes */*",
        "bytes -9/10",
        "bytes 5-/10",
        "bytes=5-9/10",
        "lines 5-9/10",
        "bytes5-9/10",
        "bytes",
        "",
        "bytes 5-9/10x",
        "bytes 5 -9/10",
        "bytes 5-9/18446744073709551616",
        "bytes 0-1/9\r\ncontent-range: bytes 1-2/9",
    };
    char text[256];
    for (size_t i = 0; i < PEN_COUNT(wrong); i++) {
        (void)snprintf(text, sizeof(text), "content-range: %s\r\n", wrong[i]);
        if (parse("1.1 206 P", text) != PEN_E_CORRUPT) {
            fail_msg("%s was accepted", wrong[i]);
        }
        assert_non_null(strstr(err.text, "content-range"));
    }
    assert_int_equal(parse("1.1 416 R", "content-range: bytes */*\r\n"), PEN_E_CORRUPT);
}

static void of_equal_fields_the_first_counts_unless_they_tell_of_the_object(void **state)
{
    (void)state;
    assert_int_equal(parse("1.1 200 OK", "server: a\r\nserver: b\r\ndate: x\r\ndate: y\r\n"),
                     PEN_OK);
    slice_is(head.server, "a");
    slice_is(head.date, "x");
    assert_int_equal(parse("1.1 200 OK", "etag: \"a\"\r\nETag: \"a\"\r\n"), PEN_OK);
    slice_is(head.etag, "\"a\"");
    static const char *const single[] = {"etag", "location", "x-amz-version-id"};
    for (size_t i = 0; i < PEN_COUNT(single); i++) {
        char text[128];
        (void)snprintf(text, sizeof(text), "%s: a\r\n%s: b\r\n", single[i], single[i]);
        assert_int_equal(parse("1.1 200 OK", text), PEN_E_CORRUPT);
        assert_non_null(strstr(err.text, single[i]));
    }
    assert_int_equal(parse("1.1 503 Slow Down", "retry-after: 7\r\nlocation: /x\r\n"), PEN_OK);
    slice_is(head.retry_after, "7");
    slice_is(head.location, "/x");
}

static void token_bytes_are_those_of_the_rfc(void **state)
{
    (void)state;
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (uint32_t b = 0; b < 256; b++) {
        const bool is_alnum =
            (b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z');
        const bool is_mark = b != 0 && strchr(marks, (int)b) != NULL;
        assert_int_equal(pen_http_is_token((uint8_t)b), is_alnum || is_mark);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_length_is_one_number),
        cmocka_unit_test(the_framing_follows_status_and_fields),
        cmocka_unit_test(the_answer_to_head_has_no_body),
        cmocka_unit_test(ambiguous_framing_is_refused),
        cmocka_unit_test(a_connection_is_kept_by_version_and_field),
        cmocka_unit_test(ranges_are_read_where_they_mean_something),
        cmocka_unit_test(wrong_ranges_are_refused),
        cmocka_unit_test(of_equal_fields_the_first_counts_unless_they_tell_of_the_object),
        cmocka_unit_test(token_bytes_are_those_of_the_rfc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
