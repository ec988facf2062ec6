#include "http_cases.h"
#include "http_head.h"

#include <stdio.h>

static struct http_head head;
static struct pen_err err;
static size_t used;

static pen_status parse(const char *text)
{
    return head_cut(&head, pen_slice_str(text), false, &used, &err);
}

static void an_answer_of_s3_is_read_at_every_cut(void **state)
{
    (void)state;
    static const char text[] = "HTTP/1.1 206 Partial Content\r\n"
                               "x-amz-id-2: abc/def=\r\n"
                               "x-amz-request-id: 0123456789ABCDEF\r\n"
                               "Date: Sat, 21 Nov 2026 10:00:00 GMT\r\n"
                               "Last-Modified: Fri, 20 Nov 2026 09:08:07 GMT\r\n"
                               "ETag: \"d41d8cd98f00b204e9800998ecf8427e-2\"\r\n"
                               "x-amz-storage-class: STANDARD_IA\r\n"
                               "x-amz-version-id: v.1_2\r\n"
                               "x-amz-bucket-region: eu-central-1\r\n"
                               "Accept-Ranges: bytes\r\n"
                               "Content-Range: bytes 100-299/4000\r\n"
                               "Content-Type: application/x-gzip\r\n"
                               "Server: AmazonS3\r\n"
                               "Content-Length: 200\r\n"
                               "\r\n";
    char more[sizeof(text) + 8];
    (void)snprintf(more, sizeof(more), "%s%s", text, "HTTP/1.");
    assert_int_equal(parse(more), PEN_OK);
    assert_int_equal(used, sizeof(text) - 1);
    assert_int_equal(head.status, 206);
    assert_int_equal(head.minor, 1);
    assert_true(head.is_kept && head.has_length && !head.is_chunked);
    assert_int_equal(head.framing, HTTP_FRAMING_LENGTH);
    assert_int_equal(head.content_length, 200);
    assert_true(head.content_range.is_given && head.content_range.has_bytes);
    assert_int_equal(head.content_range.first, 100);
    assert_int_equal(head.content_range.last, 299);
    assert_int_equal(head.content_range.total, 4000);
    slice_is(head.reason, "Partial Content");
    slice_is(head.date, "Sat, 21 Nov 2026 10:00:00 GMT");
    slice_is(head.last_modified, "Fri, 20 Nov 2026 09:08:07 GMT");
    slice_is(head.etag, "\"d41d8cd98f00b204e9800998ecf8427e-2\"");
    slice_is(head.content_type, "application/x-gzip");
    slice_is(head.server, "AmazonS3");
    slice_is(head.request_id, "0123456789ABCDEF");
    slice_is(head.id_2, "abc/def=");
    slice_is(head.bucket_region, "eu-central-1");
    slice_is(head.storage_class, "STANDARD_IA");
    slice_is(head.version_id, "v.1_2");
    slice_is(head.location, "");
}

static void fields_are_found_by_name_in_any_case(void **state)
{
    (void)state;
    assert_int_equal(parse("HTTP/1.1 200 OK\r\nX-A: 1\r\nx-b:\t two words \t\r\nX-a:3\r\n"
                           "x-c:\r\nx!#$%&'*+-.^_`|~9: odd\r\nx-d: a\x01\xe4\x7f\r\n\r\n"),
                     PEN_OK);
    pen_slice value;
    assert_true(pen_http_head_get(&head, PEN_SLICE_LIT("x-A"), 0, &value));
    slice_is(value, "1");
    assert_true(pen_http_head_get(&head, PEN_SLICE_LIT("X-A"), 1, &value));
    slice_is(value, "3");
    assert_false(pen_http_head_get(&head, PEN_SLICE_LIT("x-a"), 2, &value));
    assert_true(pen_http_head_get(&head, PEN_SLICE_LIT("X-B"), 0, &value));
    slice_is(value, "two words");
    assert_true(pen_http_head_get(&head, PEN_SLICE_LIT("x-c"), 0, &value));
    assert_int_equal(value.len, 0);
    assert_true(pen_http_head_get(&head, PEN_SLICE_LIT("x!#$%&'*+-.^_`|~9"), 0, &value));
    assert_true(pen_http_head_get(&head, PEN_SLICE_LIT("x-d"), 0, &value));
    slice_is(value, "a\x01\xe4\x7f");
    assert_false(pen_http_head_get(&head, PEN_SLICE_LIT("x"), 0, &value));
}

static void a_status_line_may_lack_its_reason(void **state)
{
    (void)state;
    assert_int_equal(parse("HTTP/1.1 200 \r\n\r\n"), PEN_OK);
    slice_is(head.reason, "");
    assert_int_equal(parse("HTTP/1.1 404\r\n\r\n"), PEN_OK);
    assert_int_equal(head.status, 404);
    slice_is(head.reason, "");
    assert_int_equal(parse("HTTP/1.1 200 Tr\xc3\xa8s bien\r\n\r\n"), PEN_OK);
    slice_is(head.reason, "Tr\xc3\xa8s bien");
    assert_int_equal(parse("HTTP/1.7 999 Odd\r\n\r\n"), PEN_OK);
    assert_int_equal(head.status, 999);
    assert_int_equal(head.minor, 7);
}

static void wrong_status_lines_are_refused(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"\r\nHTTP/1.1 200 OK\r\n\r\n", 0, "does not begin with HTTP/1"},
        {" HTTP/1.1 200 OK\r\n\r\n", 0, "does not begin with HTTP/1"},
        {"http/1.1 200 OK\r\n\r\n", 0, "does not begin with HTTP/1"},
        {"HTTP/2 200\r\n\r\n", 5, "does not begin with HTTP/1"},
        {"HTTP/2.0 200 OK\r\n\r\n", 5, "does not begin with HTTP/1"},
        {"HTTP\r\n\r\n", 4, "does not begin with HTTP/1"},
        {"\x15\x03\x01", 0, "does not begin with HTTP/1"}, /* an alert of TLS */
        {"<html>", 0, "does not begin with HTTP/1"},
        {"HTTP/1.\r\n\r\n", 9, "status line"},
        {"HTTP/1.10 200 OK\r\n\r\n", 9, "status line"},
        {"HTTP/1.1  200 OK\r\n\r\n", 9, "status line"},
        {"HTTP/1.1\t200 OK\r\n\r\n", 9, "status line"},
        {"HTTP/1.1 20 OK\r\n\r\n", 9, "status line"},
        {"HTTP/1.1 2000 OK\r\n\r\n", 9, "status line"},
        {"HTTP/1.1 200OK\r\n\r\n", 9, "status line"},
        {"HTTP/1.1 200\tOK\r\n\r\n", 9, "status line"},
        {"HTTP/1.1 099 Low\r\n\r\n", 9, "status line"},
        {"HTTP/1.1 -20 Low\r\n\r\n", 9, "status line"},
        {"HTTP/1.1 101 Switching Protocols\r\n\r\n", 9, "101"},
    };
    refused(&head, cases, PEN_COUNT(cases));
}

static void lines_that_two_readers_may_read_differently_are_refused(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"HTTP/1.1 200 OK\n\r\n", 15, "LF without CR"},
        {"HTTP/1.1 200 OK\r\na: b\n\r\n", 21, "LF without CR"},
        {"HTTP/1.1 200 OK\r\na: b\r\n\n", 23, "LF without CR"},
        {"HTTP/1.1 200 OK\r\na: b\rc: d\r\n\r\n", 21, "CR within"},
        {"HTTP/1.1 200 O\rK\r\n\r\n", 14, "CR within"},
        {"HTTP/1.1 200 OK\r\na: b\r\r\n\r\n", 21, "CR within"},
        {"HTTP/1.1 200 OK\r\na : b\r\n\r\n", 18, "a name, a colon"},
        {"HTTP/1.1 200 OK\r\na\t: b\r\n\r\n", 18, "a name, a colon"},
        {"HTTP/1.1 200 OK\r\n: b\r\n\r\n", 17, "a name, a colon"},
        {"HTTP/1.1 200 OK\r\nab\r\n\r\n", 19, "a name, a colon"},
        {"HTTP/1.1 200 OK\r\na(b: c\r\n\r\n", 18, "a name, a colon"},
        {"HTTP/1.1 200 OK\r\na\xe4: c\r\n\r\n", 18, "a name, a colon"},
        {"HTTP/1.1 200 OK\r\n a: b\r\n\r\n", 17, "follows no field"},
        {"HTTP/1.1 200 OK\r\na: b\r\n  \r\n\r\n", 23, "nothing else"},
    };
    refused(&head, cases, PEN_COUNT(cases));
    static const struct refusal nul = {"", 21, "NUL within"};
    const pen_slice text = PEN_SLICE_LIT("HTTP/1.1 200 OK\r\na: b\0c\r\n\r\n");
    assert_int_equal(head_cut(&head, text, false, &used, &err), PEN_E_CORRUPT);
    assert_int_equal(err.offset, nul.offset);
    assert_non_null(strstr(err.text, nul.reason));
}

static void folded_lines_are_joined_by_blanks(void **state)
{
    (void)state;
    assert_int_equal(parse("HTTP/1.1 200 OK\r\nserver: a\r\n b\r\n\tc \r\nx-a:\r\n  d\r\n"
                           "etag: e\r\n\r\n"),
                     PEN_OK);
    slice_is(head.server, "a   b  \tc");
    pen_slice value;
    assert_true(pen_http_head_get(&head, PEN_SLICE_LIT("x-a"), 0, &value));
    slice_is(value, "d");
    slice_is(head.etag, "e");
}

static void interim_answers_are_passed_over(void **state)
{
    (void)state;
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n"
                                  "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\netag: x\r\n\r\n"
                                  "HTTP/1.1 100\r\ncontent-length: 0\r\n\r\n";
    char text[4096];
    int len =
        snprintf(text, sizeof(text), "%sHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n", interim);
    assert_int_equal(parse(text), PEN_OK);
    assert_int_equal(used, len);
    assert_int_equal(head.status, 200);
    assert_int_equal(head.content_length, 4);
    slice_is(head.etag, "");
    (void)snprintf(text, sizeof(text), "%sHTTP/1.1 200 OK\r\nx\r\n\r\n", interim);
    assert_int_equal(parse(text), PEN_E_CORRUPT);
    assert_int_equal(err.offset, sizeof(interim) - 1 + 18);
    len = 0;
    for (uint32_t i = 0; i < HTTP_INTERIM_MAX; i++) {
        len += snprintf(text + len, sizeof(text) - (size_t)len, "HTTP/1.1 102 \r\n\r\n");
    }
    (void)snprintf(text + len, sizeof(text) - (size_t)len, "HTTP/1.1 200 \r\n\r\n");
    assert_int_equal(parse(text), PEN_OK);
    (void)snprintf(text + len, sizeof(text) - (size_t)len, "HTTP/1.1 102 \r\n\r\n");
    assert_int_equal(parse(text), PEN_E_LIMIT);
    assert_int_equal(err.offset, len);
}

/* A head of fields lines of which each is line, then tail. */
static char *head_of(uint32_t fields, const char *line, const char *tail)
{
    static char text[HTTP_HEAD_BYTES_MAX * 2];
    size_t len = (size_t)snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n");
    for (uint32_t i = 0; i < fields; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", line);
    }
    (void)snprintf(text + len, sizeof(text) - len, "%s", tail);
    return text;
}

static pen_status parse_once(const char *text)
{
    pen_http_head_init(&head, false);
    return head_feed(&head, pen_slice_str(text), 1000, &used, &err);
}

static void fields_have_a_limit_but_metadata_does_not_count(void **state)
{
    (void)state;
    assert_int_equal(parse_once(head_of(HTTP_HEADERS_MAX, "a: b\r\n", "\r\n")), PEN_OK);
    assert_int_equal(parse_once(head_of(HTTP_HEADERS_MAX + 1, "a: b\r\n", "\r\n")), PEN_E_LIMIT);
    assert_int_equal(err.offset, 17 + 6 * HTTP_HEADERS_MAX);
    assert_int_equal(parse_once(head_of(1000, "X-Amz-Meta-a: b\r\n", "etag: e\r\n\r\n")), PEN_OK);
    slice_is(head.etag, "e");
    assert_int_equal(head.field_count, 1);
    assert_int_equal(
        parse_once(head_of(HTTP_HEADERS_MAX, "a: b\r\n", "x-amz-meta-a: b\r\n c\r\n\r\n")), PEN_OK);
    assert_int_equal(parse_once(head_of(3, "x-amz-meta-a: b\r\n", "x-amz-meta-a b\r\n\r\n")),
                     PEN_E_CORRUPT);
}

static void a_head_may_have_the_most_bytes_and_no_more(void **state)
{
    (void)state;
    static char text[HTTP_HEAD_BYTES_MAX + 2];
    static const char begin[] = "HTTP/1.1 200 OK\r\na: ";
    for (uint32_t over = 0; over < 2; over++) {
        const size_t len = HTTP_HEAD_BYTES_MAX + over;
        memset(text, 'x', len);
        memcpy(text, begin, sizeof(begin) - 1);
        memcpy(text + len - 4, "\r\n\r\n", 5);
        for (size_t step = 1; step < 100000; step *= 7) {
            pen_http_head_init(&head, false);
            const pen_status status = head_feed(&head, pen_slice_str(text), step, &used, &err);
            assert_int_equal(status, over == 0 ? PEN_OK : PEN_E_LIMIT);
            assert_int_equal(over == 0 ? used : err.offset, HTTP_HEAD_BYTES_MAX);
        }
    }
}

static void a_head_that_is_cut_off_asks_for_more(void **state)
{
    (void)state;
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\na: b\r\n\r\n";
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        bool is_done = true;
        pen_http_head_init(&head, false);
        assert_int_equal(pen_http_head_feed(&head, (pen_slice){(const uint8_t *)text, len}, &used,
                                            &is_done, &err),
                         PEN_OK);
        assert_int_equal(used, len);
        assert_false(is_done);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_of_s3_is_read_at_every_cut),
        cmocka_unit_test(fields_are_found_by_name_in_any_case),
        cmocka_unit_test(a_status_line_may_lack_its_reason),
        cmocka_unit_test(wrong_status_lines_are_refused),
        cmocka_unit_test(lines_that_two_readers_may_read_differently_are_refused),
        cmocka_unit_test(folded_lines_are_joined_by_blanks),
        cmocka_unit_test(interim_answers_are_passed_over),
        cmocka_unit_test(fields_have_a_limit_but_metadata_does_not_count),
        cmocka_unit_test(a_head_may_have_the_most_bytes_and_no_more),
        cmocka_unit_test(a_head_that_is_cut_off_asks_for_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
