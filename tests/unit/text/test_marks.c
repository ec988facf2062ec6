/* Marks against a look at one byte after the other, by all ways that machines have. */
#include "marks.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 20000U
#define LENGTH_MAX 300U
#define ROOM (2 * MARKS_OPEN_BYTES + 64)

static uint64_t next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return *seed >> 33;
}

static bool bit_at(const uint64_t *marks, size_t at)
{
    return (marks[at / MARKS_BLOCK] >> (at % MARKS_BLOCK) & 1) != 0;
}

static bool is_odd(uint8_t c, uint8_t separator)
{
    return c == '\\' || c >= 0x7f || (c < 0x20 && !(c == '\t' && separator == '\t'));
}

static void check_bytes(const struct marks *marks, pen_slice line, uint8_t separator)
{
    uint64_t quotes = 0;
    bool has_odd = false;
    for (size_t i = 0; i < line.len; i++) {
        const uint8_t c = line.ptr[i];
        assert_int_equal(bit_at(marks->separators, i), c == separator);
        assert_int_equal(bit_at(marks->quotes, i), c == '"');
        quotes += c == '"';
        has_odd |= is_odd(c, separator);
    }
    for (size_t i = line.len; i < (line.len + MARKS_BLOCK - 1) / MARKS_BLOCK * MARKS_BLOCK; i++) {
        assert_false(bit_at(marks->separators, i) || bit_at(marks->quotes, i) ||
                     bit_at(marks->breaks, i));
    }
    assert_int_equal(marks->quote_count, quotes);
    assert_int_equal(marks->has_odd, has_odd);
}

/* Lines without quotes are regular when no two separators stand side by side. */
static void check_plain(const struct marks *marks, pen_slice line, uint8_t separator)
{
    bool is_regular = true;
    for (size_t i = 0; i < line.len; i++) {
        const bool is_break = line.ptr[i] == separator;
        is_regular &= line.ptr[i] != '[' && !(is_break && i > 0 && line.ptr[i - 1] == separator);
        assert_int_equal(bit_at(marks->breaks, i), is_break);
    }
    assert_int_equal(marks->is_regular, is_regular);
}

static void check(const struct marks *marks, pen_slice line, uint8_t separator)
{
    check_bytes(marks, line, separator);
    if (marks->quote_count == 0) {
        check_plain(marks, line, separator);
    }
}

static void fill(uint8_t *bytes, size_t len, uint64_t *seed)
{
    static const char rare[] = "  \t\"\"[,\\\n\r\x7f\x80\xff\x1f";
    const uint64_t share = 2 + next(seed) % 60;
    for (size_t i = 0; i < len; i++) {
        const bool is_rare = next(seed) % share == 0;
        bytes[i] = (uint8_t)(is_rare ? rare[next(seed) % (sizeof(rare) - 1)]
                                     : '!' + (int)(next(seed) % 90));
    }
}

static void looks_agree(struct marks *marks, uint64_t seed)
{
    static const uint8_t separators[] = {' ', '\t', ',', '\\', 'a'};
    static uint8_t bytes[LENGTH_MAX + 64];
    for (uint32_t i = 0; i < ROUNDS; i++) {
        const uint8_t separator = separators[next(&seed) % sizeof(separators)];
        const pen_slice all = {bytes, next(&seed) % LENGTH_MAX};
        fill(bytes, sizeof(bytes), &seed);
        assert_true(marks_take(marks, all, separator));
        check(marks, all, separator);
        const uint8_t *end = all.len == 0 ? NULL : memchr(bytes, '\n', all.len);
        pen_slice line;
        assert_int_equal(marks_take_line(marks, all, separator, &line), end != NULL);
        if (end != NULL) {
            assert_ptr_equal(line.ptr, bytes);
            assert_int_equal(line.len, end - bytes);
            check(marks, line, separator);
        }
    }
}

static void any_line_is_marked_as_its_bytes_say(void **state)
{
    (void)state;
    struct marks marks;
    marks_init(&marks);
    const bool ways[] = {false, marks.is_wide};
    for (size_t i = 0; i < PEN_COUNT(ways); i++) {
        marks.is_wide = ways[i];
        (void)printf("seed %u, wide %d\n", 7U, (int)ways[i]);
        looks_agree(&marks, 7);
    }
    marks_fini(&marks);
}

static void a_line_whose_end_is_far_is_not_marked(void **state)
{
    (void)state;
    static uint8_t bytes[ROOM];
    struct marks marks;
    marks_init(&marks);
    const bool ways[] = {false, marks.is_wide};
    for (size_t i = 0; i < PEN_COUNT(ways); i++) {
        pen_slice line;
        marks.is_wide = ways[i];
        memset(bytes, 'x', sizeof(bytes));
        bytes[MARKS_OPEN_BYTES] = '\n';
        assert_false(marks_take_line(&marks, (pen_slice){bytes, 2 * MARKS_OPEN_BYTES}, ' ', &line));
        bytes[MARKS_OPEN_BYTES - 1] = '\n';
        assert_true(marks_take_line(&marks, (pen_slice){bytes, 2 * MARKS_OPEN_BYTES}, ' ', &line));
        assert_int_equal(line.len, MARKS_OPEN_BYTES - 1);
        assert_false(marks_take_line(&marks, (pen_slice){bytes, 0}, ' ', &line));
    }
    marks_fini(&marks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_line_is_marked_as_its_bytes_say),
        cmocka_unit_test(a_line_whose_end_is_far_is_not_marked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
