#include "penstock/json.h"

#include "test.h"

#include <stdlib.h>

static void unescape_joins_pairs_and_replaces_lone_surrogates(void **state)
{
    (void)state;
    uint8_t out[64];
    const pen_slice in = PEN_SLICE_LIT("a\\n\\u00e9\\ud83d\\ude00\\ud800x\\/");
    const size_t n = pen_json_unescape(in, out);
    assert_true(pen_slice_eq((pen_slice){out, n},
                             PEN_SLICE_LIT("a\n\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbdx/")));
}

static void escape_and_unescape_give_the_text_back(void **state)
{
    (void)state;
    struct pen_buf buf;
    uint8_t out[64];
    pen_buf_init(&buf, 4096);
    const pen_slice text = PEN_SLICE_LIT("q\" b\\ n\n t\t c\x01 \xc3\xa9");
    assert_int_equal(pen_json_escape(&buf, text), PEN_OK);
    const size_t n = pen_json_unescape(pen_buf_slice(&buf), out);
    assert_true(pen_slice_eq((pen_slice){out, n}, text));
    pen_buf_fini(&buf);
}

static void check_escape(struct pen_buf *buf, pen_slice text, bool is_escaped)
{
    uint8_t out[64];
    buf->len = 0;
    assert_int_equal(pen_json_escape(buf, text), PEN_OK);
    assert_int_equal(buf->len > text.len, is_escaped);
    const size_t n = pen_json_unescape(pen_buf_slice(buf), out);
    assert_true(pen_slice_eq((pen_slice){out, n}, text));
}

/* Every byte at every place of texts that are shorter and longer than what is looked at in one go.
 */
static void escape_finds_each_byte_at_each_place(void **state)
{
    (void)state;
    struct pen_buf buf;
    pen_buf_init(&buf, 4096);
    for (unsigned c = 0; c < 0x80; c++) {
        for (size_t len = 1; len <= 40; len++) {
            uint8_t *text = malloc(len); /* nothing behind it may be looked at */
            assert_non_null(text);
            for (size_t at = 0; at < len; at++) {
                memset(text, 'x', len);
                text[at] = (uint8_t)c;
                check_escape(&buf, (pen_slice){text, len}, c < 0x20 || c == '"' || c == '\\');
            }
            free(text);
        }
    }
    pen_buf_fini(&buf);
}

static void compact_drops_blanks_outside_strings_only(void **state)
{
    (void)state;
    struct pen_buf buf;
    pen_buf_init(&buf, 4096);
    assert_int_equal(pen_json_compact(&buf, PEN_SLICE_LIT("{ \"a b\" : [ 1 ,\n\" \\\" \"] }")),
                     PEN_OK);
    assert_true(pen_slice_eq(pen_buf_slice(&buf), PEN_SLICE_LIT("{\"a b\":[1,\" \\\" \"]}")));
    pen_buf_fini(&buf);
}

static void numbers_follow_the_grammar(void **state)
{
    (void)state;
    static const char *const good[] = {"0", "-0", "10", "1.5", "1e3", "-1.25E-7", "1E+2"};
    static const char *const bad[] = {"", "-", "01", "1.", ".5", "1e", "+1", "0x1", "1 ", "1e+"};
    for (size_t i = 0; i < PEN_COUNT(good); i++) {
        assert_true(pen_json_is_number(pen_slice_str(good[i])));
    }
    for (size_t i = 0; i < PEN_COUNT(bad); i++) {
        assert_false(pen_json_is_number(pen_slice_str(bad[i])));
    }
}

/* A byte at a time, as it is defined. */
static size_t compact_plain(const char *text, size_t len, char *out)
{
    bool in_string = false;
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (!in_string && (text[i] == ' ' || text[i] == '\n')) {
            continue;
        }
        out[n++] = text[i];
        if (text[i] == '\\' && in_string) {
            out[n++] = text[++i];
        } else if (text[i] == '"') {
            in_string = !in_string;
        }
    }
    return n;
}

/* Strings and blanks of every length at every place beside the 16 bytes that are looked at at once.
 */
static void compact_is_right_at_every_length(void **state)
{
    (void)state;
    uint64_t rng = 1;
    for (int round = 0; round < 20000; round++) {
        char text[256];
        char wanted[256];
        size_t len = 0;
        while (len < 150) {
            rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            const uint32_t draw = (uint32_t)(rng >> 40);
            const uint32_t run = (draw >> 4) % 37;
            text[len++] = '"';
            for (uint32_t i = 0; i < run; i++) {
                const bool is_escape = (draw + i) % 11 == 0 && i + 1 < run;
                text[len++] = is_escape ? '\\' : "ab \n"[(draw + i) % 4];
                if (is_escape) {
                    text[len++] = "\"\\n"[(draw + i) % 3];
                    i++;
                }
            }
            text[len++] = '"';
            text[len++] = ':';
            for (uint32_t i = 0; i < draw % 5; i++) {
                text[len++] = " \n"[i % 2];
            }
        }
        struct pen_buf buf;
        pen_buf_init(&buf, 1024);
        const size_t n = compact_plain(text, len, wanted);
        assert_int_equal(pen_json_compact(&buf, (pen_slice){(const uint8_t *)text, len}), PEN_OK);
        assert_int_equal(buf.len, n);
        assert_memory_equal(buf.ptr, wanted, n);
        pen_buf_fini(&buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unescape_joins_pairs_and_replaces_lone_surrogates),
        cmocka_unit_test(escape_and_unescape_give_the_text_back),
        cmocka_unit_test(escape_finds_each_byte_at_each_place),
        cmocka_unit_test(compact_drops_blanks_outside_strings_only),
        cmocka_unit_test(compact_is_right_at_every_length),
        cmocka_unit_test(numbers_follow_the_grammar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
