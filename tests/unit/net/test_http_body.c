#include "http_body.h"
#include "http_cases.h"

#include <stdio.h>

#define OUT_MAX 4096

struct run {
    struct http_response response;
    uint8_t out[OUT_MAX]; /* content */
    size_t len;
    size_t used;
    struct pen_err err;
};
static struct run run;

/* The response of text in pieces of step bytes, as far as it goes. */
static pen_status feed(pen_slice text, size_t step, bool is_head_request)
{
    pen_http_response_init(&run.response, is_head_request);
    run.len = 0;
    run.used = 0;
    while (run.used < text.len && run.response.phase != HTTP_PHASE_DONE) {
        const pen_slice in = pen_slice_sub(text, run.used, run.used + step);
        pen_slice content;
        size_t used = 0;
        PEN_TRY(pen_http_response_feed(&run.response, in, &used, &content, &run.err));
        assert_true(used > 0 && used <= in.len && content.len <= used);
        assert_true(run.len + content.len <= OUT_MAX);
        if (content.len > 0) {
            assert_true(content.ptr >= in.ptr && content.ptr + content.len <= in.ptr + used);
            memcpy(run.out + run.len, content.ptr, content.len);
        }
        run.len += content.len;
        run.used += used;
        assert_int_equal(run.response.wire, run.used);
        assert_int_equal(run.response.body.content, run.len);
    }
    return PEN_OK;
}

/* The same in pieces of every size: the same content and outcome. */
static pen_status cut(pen_slice text, const char *content)
{
    const pen_status want = feed(text, text.len, false);
    const uint64_t offset = run.err.offset;
    const size_t used = run.used;
    for (size_t step = text.len; step-- > 1;) {
        assert_int_equal(feed(text, step, false), want);
        if (want == PEN_OK) {
            assert_int_equal(run.used, used);
            slice_is((pen_slice){run.out, run.len}, content);
        } else {
            assert_int_equal(run.err.offset, offset);
        }
    }
    return want;
}

#define CHUNKED "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
#define BODY_AT (sizeof(CHUNKED) - 1)

static void chunks_give(const char *body, const char *content, const char *behind)
{
    char text[2048];
    const int len = snprintf(text, sizeof(text), "%s%s%s", CHUNKED, body, behind);
    assert_true(len > 0);
    assert_int_equal(cut(pen_slice_str(text), content), PEN_OK);
    assert_int_equal(run.response.phase, HTTP_PHASE_DONE);
    assert_int_equal(run.used, (size_t)len - strlen(behind));
    assert_true(pen_http_response_is_reusable(&run.response));
    assert_int_equal(pen_http_response_eof(&run.response, &run.err), PEN_OK);
}

static void chunks_are_put_together_at_every_cut(void **state)
{
    (void)state;
    chunks_give("0\r\n\r\n", "", "");
    chunks_give("5\r\nhello\r\n0\r\n\r\n", "hello", "HTTP/1.1 200 OK\r\n");
    chunks_give("1\r\na\r\n0A\r\n0123456789\r\nb\r\n\r\n\r\n\r\n\r\n\r\nz\r\n000\r\n\r\n",
                "a0123456789\r\n\r\n\r\n\r\n\r\nz", "x");
    chunks_give("00000000000000000000001\r\na\r\n0\r\n\r\n", "a", "");
    chunks_give("1;a=b\r\na\r\n1 ;\t c=\"d;\\\"e\"\r\nb\r\n0;last\r\n\r\n", "ab", "");
    chunks_give("1\r\na\r\n0\r\nx-sum: 1\r\nEmpty:\r\n\r\n", "a", "\r\n");
}

static void wrong_chunks_are_refused(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"\r\n", 0, "no size"},
        {";a\r\n", 0, "no size"},
        {" 1\r\na\r\n", 0, "no size"},
        {"-1\r\na\r\n", 0, "no size"},
        {"+1\r\na\r\n", 0, "no size"},
        {"0x1\r\na\r\n", 1, "no size"},
        {"1_0\r\na\r\n", 1, "no size"},
        {"g\r\n", 0, "no size"},
        {"1\r\na\r\n\r\n", 6, "no size"},
        {"1\r\na\r\n;b\r\n", 6, "no size"},
        {"1 \r\na\r\n", 2, "no size"},
        {"1 2\r\na\r\n", 2, "no size"},
        {"1\na\r\n", 1, "no size"},
        {"1\rxa\r\n", 2, "CR without LF"},
        {"1;a\nb\r\n", 3, "LF without CR"},
        {"1;a\rb\r\n", 4, "CR without LF"},
        {"1\r\nab\r\n", 4, "CR LF was to come"},
        {"1\r\na\n", 4, "CR LF was to come"},
        {"1\r\na\rb", 5, "CR LF was to come"},
        {"10000000000000000\r\n", 16, "over 64 bits"},
        {"1\r\na\r\nffffffffffffffff\r\n", 23, "add up to over 64 bits"},
        {"0\r\na\r\n", 4, "trailer"},
        {"0\r\n a: b\r\n", 3, "trailer"},
        {"0\r\na : b\r\n", 4, "trailer"},
        {"0\r\n: b\r\n", 3, "trailer"},
        {"0\r\na: b\n\r\n", 7, "LF without CR"},
        {"0\r\na: b\rc\r\n", 8, "CR LF was to come"},
        {"0\r\n\n", 3, "trailer"},
        {"0\r\n\rx", 4, "CR LF was to come"},
        {"0\r\nHTTP/1.1 200 OK\r\n", 7, "trailer"},
    };
    for (size_t i = 0; i < PEN_COUNT(cases); i++) {
        char text[256];
        (void)snprintf(text, sizeof(text), "%s%s", CHUNKED, cases[i].text);
        if (cut(pen_slice_str(text), "") != PEN_E_CORRUPT ||
            run.err.offset != BODY_AT + cases[i].offset ||
            strstr(run.err.text, cases[i].reason) == NULL) {
            fail_msg("%s: at %d: %s", cases[i].text, (int)(run.err.offset - BODY_AT), run.err.text);
        }
    }
    const pen_slice nul = PEN_SLICE_LIT(CHUNKED "0;\0\r\n\r\n");
    assert_int_equal(cut(nul, ""), PEN_E_CORRUPT);
    assert_int_equal(run.err.offset, BODY_AT + 2);
}

/* A body of chunks fed to the body alone, in pieces of step bytes. */
static pen_status body_feed(pen_slice text, size_t step, struct http_body *body, size_t *used)
{
    pen_http_body_init(body, HTTP_FRAMING_CHUNKED, 0);
    *used = 0;
    while (*used < text.len && !body->is_done) {
        size_t n = 0;
        pen_slice content;
        PEN_TRY(pen_http_body_feed(body, pen_slice_sub(text, *used, *used + step), &n, &content,
                                   &run.err));
        *used += n;
    }
    return PEN_OK;
}

static void extensions_and_trailers_have_limits(void **state)
{
    (void)state;
    static char text[HTTP_TRAILER_MAX + 64];
    struct http_body body;
    size_t used = 0;
    for (int over = 0; over < 2; over++) {
        int len = snprintf(text, sizeof(text), "0;%0*d\r\n\r\n", HTTP_CHUNK_LINE_MAX - 4 + over, 0);
        assert_true(len > HTTP_CHUNK_LINE_MAX);
        assert_int_equal(body_feed(pen_slice_str(text), 100, &body, &used),
                         over == 0 ? PEN_OK : PEN_E_LIMIT);
        assert_true(over == 0 ? body.is_done : run.err.offset == HTTP_CHUNK_LINE_MAX);
        len = snprintf(text, sizeof(text), "0\r\na:%0*d\r\n\r\n", HTTP_TRAILER_MAX - 6 + over, 0);
        assert_true(len > HTTP_TRAILER_MAX);
        assert_int_equal(body_feed(pen_slice_str(text), 100, &body, &used),
                         over == 0 ? PEN_OK : PEN_E_LIMIT);
        assert_true(over == 0 ? body.is_done : run.err.offset == 3 + HTTP_TRAILER_MAX);
    }
}

static void a_length_ends_the_body_and_leaves_what_follows(void **state)
{
    (void)state;
    const pen_slice text =
        PEN_SLICE_LIT("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 200");
    assert_int_equal(cut(text, "hello"), PEN_OK);
    assert_int_equal(run.used, text.len - 12);
    assert_int_equal(run.response.phase, HTTP_PHASE_DONE);
    assert_true(pen_http_response_is_reusable(&run.response));
    pen_slice content = text;
    size_t used = 1;
    assert_int_equal(pen_http_response_feed(&run.response, text, &used, &content, &run.err),
                     PEN_OK);
    assert_int_equal(used + content.len, 0);
}

static void the_head_is_told_before_content(void **state)
{
    (void)state;
    const pen_slice text = PEN_SLICE_LIT("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    pen_slice content;
    size_t used = 0;
    pen_http_response_init(&run.response, false);
    assert_true(pen_http_response_left(&run.response) == UINT64_MAX);
    assert_int_equal(pen_http_response_feed(&run.response, text, &used, &content, &run.err),
                     PEN_OK);
    assert_int_equal(run.response.phase, HTTP_PHASE_BODY);
    assert_int_equal(run.response.head.status, 200);
    assert_int_equal(used, text.len - 5);
    assert_int_equal(run.response.head_wire, used);
    assert_int_equal(content.len, 0);
    assert_true(pen_http_response_left(&run.response) == 5);
    assert_false(pen_http_response_is_reusable(&run.response));
}

static void a_body_without_length_ends_with_the_connection(void **state)
{
    (void)state;
    const pen_slice text = PEN_SLICE_LIT("HTTP/1.1 200 OK\r\n\r\nhello");
    assert_int_equal(cut(text, "hello"), PEN_OK);
    assert_int_equal(run.response.phase, HTTP_PHASE_BODY);
    assert_true(pen_http_response_left(&run.response) == UINT64_MAX);
    assert_int_equal(pen_http_response_eof(&run.response, &run.err), PEN_OK);
    assert_int_equal(run.response.phase, HTTP_PHASE_DONE);
    assert_false(pen_http_response_is_reusable(&run.response));
}

static void answers_without_a_body_are_done_with_their_head(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    };
    for (size_t i = 0; i < PEN_COUNT(heads); i++) {
        char text[256];
        (void)snprintf(text, sizeof(text), "%s%s", heads[i], "HTTP/1.1 200 OK\r\n");
        assert_int_equal(cut(pen_slice_str(text), ""), PEN_OK);
        assert_int_equal(run.used, strlen(heads[i]));
        assert_true(pen_http_response_is_reusable(&run.response));
        assert_true(pen_http_response_left(&run.response) == 0);
    }
    const pen_slice get =
        PEN_SLICE_LIT("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n");
    assert_int_equal(feed(get, 7, true), PEN_OK);
    assert_int_equal(run.response.phase, HTTP_PHASE_DONE);
    assert_int_equal(run.used, get.len - 3);
}

static void an_early_close_is_told(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"", 0, "without an answer"},
        {"HTTP/1.1 200 OK\r\n", 17, "within the head"},
        {"HTTP/1.1 100 Continue\r\n\r\n", 25, "within the head"},
        {"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", 38, "5 bytes before"},
        {"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel", 41, "2 bytes before"},
        {CHUNKED "5\r\nhello\r\n", BODY_AT + 10, "before the last chunk"},
        {CHUNKED "0\r\n\r", BODY_AT + 4, "before the last chunk"},
    };
    for (size_t i = 0; i < PEN_COUNT(cases); i++) {
        assert_int_equal(feed(pen_slice_str(cases[i].text), 3, false), PEN_OK);
        assert_int_equal(pen_http_response_eof(&run.response, &run.err), PEN_E_TRUNCATED);
        assert_int_equal(run.err.offset, cases[i].offset);
        assert_non_null(strstr(run.err.text, cases[i].reason));
        assert_false(pen_http_response_is_reusable(&run.response));
    }
}

static void lengths_beyond_any_body_are_counted_right(void **state)
{
    (void)state;
    struct http_body body;
    pen_slice content;
    size_t used = 0;
    pen_http_body_init(&body, HTTP_FRAMING_LENGTH, UINT64_MAX);
    assert_int_equal(pen_http_body_feed(&body, PEN_SLICE_LIT("hello"), &used, &content, &run.err),
                     PEN_OK);
    assert_int_equal(used, 5);
    assert_true(body.left == UINT64_MAX - 5);
    assert_int_equal(body_feed(PEN_SLICE_LIT("ffffffffffffffff\r\nhello"), 4, &body, &used),
                     PEN_OK);
    assert_true(body.left == UINT64_MAX - 5 && body.content == 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_put_together_at_every_cut),
        cmocka_unit_test(wrong_chunks_are_refused),
        cmocka_unit_test(extensions_and_trailers_have_limits),
        cmocka_unit_test(a_length_ends_the_body_and_leaves_what_follows),
        cmocka_unit_test(the_head_is_told_before_content),
        cmocka_unit_test(a_body_without_length_ends_with_the_connection),
        cmocka_unit_test(answers_without_a_body_are_done_with_their_head),
        cmocka_unit_test(an_early_close_is_told),
        cmocka_unit_test(lengths_beyond_any_body_are_counted_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
