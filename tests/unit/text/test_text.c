#include "penstock/text.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#define WINDOW_MAX ((size_t)8192)
#define RECORD_MAX ((size_t)1000)
#define S PEN_SLICE_LIT

struct fixture {
    struct pen_plan *plan;
    struct pen_walker *walker;
    struct pen_text *text;
    uint32_t a, b;
};

static uint32_t field(struct fixture *f, const char *name)
{
    const uint32_t made = pen_plan_field_new(f->plan);
    const pen_slice step = pen_slice_str(name);
    assert_int_equal(pen_plan_path(f->plan, made, &step, 1), PEN_OK);
    return made;
}

static void setup(struct fixture *f, const struct pen_type *type)
{
    const struct pen_walker_options options = {
        .window_bytes_max = WINDOW_MAX, .record_bytes_max = RECORD_MAX, .want_copy = true};
    struct pen_err err = {0};
    f->plan = pen_plan_new();
    assert_non_null(f->plan);
    f->a = field(f, "a");
    f->b = field(f, "b");
    pen_plan_seal(f->plan);
    assert_int_equal(pen_walker_new(f->plan, &options, &f->walker, &err), PEN_OK);
    const pen_status st = pen_text_new(type, f->walker, RECORD_MAX, &f->text, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(st, PEN_OK);
}

static void teardown(struct fixture *f)
{
    pen_text_free(f->text);
    pen_walker_free(f->walker);
    pen_plan_free(f->plan);
}

static size_t told(enum pen_next next, const struct pen_record *record, const struct pen_err *err,
                   char *out, size_t cap)
{
    int len = 0;
    struct pen_buf members;
    pen_buf_init(&members, RECORD_MAX * 20);
    assert_int_equal(pen_record_members(&members, record), PEN_OK);
    if (next == PEN_NEXT_BAD) {
        len = snprintf(out, cap, "BAD %s\n", err->text);
    } else if (record->problem != NULL) {
        len = snprintf(out, cap, "! %s\n", record->problem);
    } else {
        len = snprintf(out, cap, "%.*s\n", (int)members.len, (const char *)members.ptr);
    }
    pen_buf_fini(&members);
    assert_true(len > 0 && (size_t)len < cap);
    return (size_t)len;
}

/* All that comes of input, one line each: the copy, "! problem" or "BAD reason"; fed in windows of
 * so many new bytes. */
static char *read_all(struct fixture *f, pen_slice input, size_t step)
{
    static char out[65536];
    static uint8_t window[WINDOW_MAX + PEN_JSON_PADDING];
    size_t len = 0;
    size_t fed = 0;
    size_t have = 0;
    out[0] = '\0';
    pen_text_reset(f->text);
    for (;;) {
        const size_t more = input.len - fed < step ? input.len - fed : step;
        assert_true(have + more <= WINDOW_MAX);
        memcpy(window + have, input.ptr + fed, more);
        have += more;
        fed += more;
        pen_text_window(f->text, (pen_slice){window, have}, fed == input.len);
        struct pen_record record;
        struct pen_err err;
        enum pen_next next;
        while ((next = pen_text_next(f->text, &record, &err)) == PEN_NEXT_RECORD ||
               next == PEN_NEXT_BAD) {
            len += told(next, &record, &err, out + len, sizeof(out) - len);
        }
        if (next == PEN_NEXT_END) {
            if (err.status != PEN_OK) {
                (void)snprintf(out + len, sizeof(out) - len, "END %s\n", err.text);
            }
            return out;
        }
        const size_t used = pen_text_consumed(f->text);
        memmove(window, window + used, have - used);
        have -= used;
    }
}

static void check(const struct pen_type *type, const char *input, size_t len, const char *wanted)
{
    static const size_t steps[] = {4000, 1, 7, 64};
    for (size_t i = 0; i < PEN_COUNT(steps); i++) {
        struct fixture f;
        setup(&f, type);
        assert_string_equal(read_all(&f, (pen_slice){(const uint8_t *)input, len}, steps[i]),
                            wanted);
        teardown(&f);
    }
}
#define CHECK(type, input, wanted) check((type), (input), sizeof(input) - 1, (wanted))

static const pen_slice two[] = {S("a"), S("b")};
static const struct pen_type words = {
    .name = S("t"), .format = PEN_FORMAT_COLUMNS, .columns = two, .column_count = 2};
static const struct pen_type named = {.name = S("t"), .format = PEN_FORMAT_COLUMNS};

static void a_line_is_its_columns(void **state)
{
    (void)state;
    CHECK(&words, "x y\nz \"a b\"\n\n[q r] -\r\nlast one",
          "\"a\":\"x\",\"b\":\"y\"\n\"a\":\"z\",\"b\":\"a b\"\n\"a\":\"q r\"\n"
          "\"a\":\"last\",\"b\":\"one\"\n");
}

static void what_json_writes_otherwise_is_escaped(void **state)
{
    (void)state;
    CHECK(&words, "\"a\\\"b\" c\td\nq\x01 \xc3\xa9\xff\n",
          "\"a\":\"a\\\\\\\"b\",\"b\":\"c\\td\"\n"
          "\"a\":\"q\\u0001\",\"b\":\"\xc3\xa9\xef\xbf\xbd\"\n");
}

/* Lines are looked at in steps of 16 bytes. */
static void an_odd_byte_is_escaped_wherever_it_stands(void **state)
{
    (void)state;
    static const struct {
        char byte;
        const char *json;
    } rows[] = {{'\t', "\\t"}, {'"', "\\\""}, {'\\', "\\\\"}, {0x1f, "\\u001f"}, {0x7e, "~"}};
    for (size_t k = 0; k < PEN_COUNT(rows); k++) {
        for (int at = 1; at < 40; at++) {
            char input[64];
            char wanted[128];
            memset(input, 'x', sizeof(input));
            input[at] = rows[k].byte;
            memcpy(input + 41, " y\n", 4);
            const int n = snprintf(wanted, sizeof(wanted), "\"a\":\"%.*s%s%.*s\",\"b\":\"y\"\n", at,
                                   input, rows[k].json, 40 - at, input + at + 1);
            assert_true(n > 0 && (size_t)n < sizeof(wanted));
            check(&words, input, 44, wanted);
        }
    }
}

static void a_line_that_does_not_fit_is_a_record_with_a_problem(void **state)
{
    (void)state;
    CHECK(&words, "alone\nx \"open\n[q y\nx y more\n",
          "! fewer columns than its type has\n! a quote without its end\n"
          "! a bracket without its end\n\"a\":\"x\",\"b\":\"y\"\n");
}

static void the_first_line_may_name_the_columns(void **state)
{
    (void)state;
    CHECK(&named, "src-addr a\n1.2.3.4 -\n", "\"src_addr\":\"1.2.3.4\"\n");
    CHECK(&named, "a\n", "");
    CHECK(&named, "", "");
}

/* A type that speaks of columns knows whether the first line names any of them. */
static void a_first_line_without_names_is_a_record_or_nothing(void **state)
{
    (void)state;
    static const pen_slice times[] = {S("b")};
    static const struct pen_type of_messages = {.name = S("t"),
                                                .format = PEN_FORMAT_COLUMNS,
                                                .message_columns = two,
                                                .message_column_count = 2};
    static const struct pen_type timed = {
        .name = S("t"), .format = PEN_FORMAT_COLUMNS, .times = times, .time_count = 1};
    CHECK(&of_messages, "1 2\n3 4\n", "\"a\":\"1\",\"b\":\"2\"\n\"a\":\"3\",\"b\":\"4\"\n");
    CHECK(&of_messages, "c b\n3 4\n", "\"c\":\"3\",\"b\":\"4\"\n");
    CHECK(&timed, "c b\n3 4\n", "\"c\":\"3\",\"b\":\"4\"\n");
    CHECK(&timed, "1 2\n3 4\n",
          "END the first line names no column that its type has: it is not the line of names\n");
}

static void columns_have_parts(void **state)
{
    (void)state;
    static const pen_slice names[] = {S("ip:port"), S("m u"), S("r http"), S("x?")};
    const struct pen_type type = {
        .name = S("t"), .format = PEN_FORMAT_COLUMNS, .columns = names, .column_count = 4};
    CHECK(&type,
          "2001:db8::1:443 \"GET /\" \"GET https://[::1]:8/p?q=1 HTTP/1.1\"\n"
          "- - \"- - - \" e\n",
          "\"ip\":\"2001:db8::1\",\"port\":\"443\",\"m\":\"GET\",\"u\":\"/\","
          "\"r\":\"GET https://[::1]:8/p?q=1 HTTP/1.1\",\"http_method\":\"GET\","
          "\"http_protocol\":\"https\",\"http_host\":\"::1\",\"http_port\":\"8\","
          "\"http_path\":\"/p\",\"http_query\":\"q=1\",\"http_version\":\"1.1\"\n"
          "\"r\":\"- - - \",\"x\":\"e\"\n");
}

static void separators_keep_empty_columns(void **state)
{
    (void)state;
    const struct pen_type type = {.name = S("t"),
                                  .format = PEN_FORMAT_COLUMNS,
                                  .columns = two,
                                  .column_count = 2,
                                  .separator = S("tab")};
    CHECK(&type, "x y\tz\n\tw\nq\t\n", "\"a\":\"x y\",\"b\":\"z\"\n\"b\":\"w\"\n\"a\":\"q\"\n");
}

static void patterns_take_lines_apart(void **state)
{
    (void)state;
    const struct pen_type type = {.name = S("t"),
                                  .format = PEN_FORMAT_TEXT,
                                  .header_lines = 1,
                                  .pattern = S("(?P<a>\\d+)( (?P<b>\\w+))?$")};
    CHECK(&type, "#head\n12 x\n7\nno\n",
          "\"a\":\"12\",\"b\":\"x\"\n\"a\":\"7\"\n"
          "! the line does not fit the pattern of its type\n");
    struct pen_type marked = type;
    marked.header_lines = 2;
    marked.header_mark = S("#");
    CHECK(&marked, "#a\n#b\n12 x\n", "\"a\":\"12\",\"b\":\"x\"\n");
    CHECK(&marked, "#a\n12 x\n7\n", "\"a\":\"12\",\"b\":\"x\"\n\"a\":\"7\"\n");
    CHECK(&marked, "12 x\n7\n#a\n",
          "\"a\":\"12\",\"b\":\"x\"\n\"a\":\"7\"\n"
          "! the line does not fit the pattern of its type\n");
}

static void pairs_and_events_of_cef_are_members(void **state)
{
    (void)state;
    static const struct pen_type pairs = {.name = S("t"), .format = PEN_FORMAT_PAIRS};
    static const struct pen_type commas = {
        .name = S("t"), .format = PEN_FORMAT_PAIRS, .separator = S(",")};
    static const struct pen_type cef = {.name = S("t"), .format = PEN_FORMAT_CEF};
    CHECK(&pairs, "a=x b=\"y z\"\r\n\nwords b=1\nnothing\nc=last",
          "\"a\":\"x\",\"b\":\"y z\"\n\"b\":\"1\",\"message\":\"words\"\n"
          "! the line has no pair of a key and a value\n\"c\":\"last\"\n");
    CHECK(&commas, "a=x y,b=2\n", "\"a\":\"x y\",\"b\":\"2\"\n");
    CHECK(&cef, "CEF:0|V\n",
          "! the header of CEF is cut off: seven fields with | behind each are wanted\n");
}

static void a_record_may_have_several_lines(void **state)
{
    (void)state;
    const struct pen_type type = {.name = S("t"),
                                  .format = PEN_FORMAT_TEXT,
                                  .first_line = S("\\d"),
                                  .pattern = S("(?P<a>\\d+) (?P<b>[\\s\\S]*)")};
    CHECK(&type, "left over\n1 x\n y\n2 z\n",
          "! the line does not fit the pattern of its type\n"
          "\"a\":\"1\",\"b\":\"x\\n y\"\n\"a\":\"2\",\"b\":\"z\"\n");
}

static void a_line_that_is_too_large_is_bad_alone(void **state)
{
    (void)state;
    static char input[3000];
    memset(input, 'x', sizeof(input));
    const pen_slice first = S("a b\n");
    const pen_slice last = S("\nc d\n");
    memcpy(input, first.ptr, first.len);
    memcpy(input + sizeof(input) - last.len, last.ptr, last.len);
    check(&words, input, sizeof(input),
          "\"a\":\"a\",\"b\":\"b\"\n"
          "BAD a line has more than 1000 bytes (record.bytes_max)\n"
          "\"a\":\"c\",\"b\":\"d\"\n");
}

/* Of the line feed that ends a record nothing is said, wherever a window ends. */
static void a_record_of_several_lines_may_be_as_large_as_a_line(void **state)
{
    (void)state;
    static const struct pen_type type = {.name = S("t"),
                                         .format = PEN_FORMAT_TEXT,
                                         .first_line = S("\\d"),
                                         .pattern = S("(?P<a>\\d+) (?P<b>[\\s\\S]*)")};
    for (size_t more = 0; more < 2; more++) {
        struct fixture f;
        char input[2 * RECORD_MAX];
        setup(&f, &type);
        memset(input, 'x', sizeof(input));
        const pen_slice first = S("1 one\n");
        const pen_slice last = S("\n2 two\n");
        memcpy(input, first.ptr, first.len);
        memcpy(input + RECORD_MAX + more, last.ptr, last.len);
        const pen_slice text = {(const uint8_t *)input, RECORD_MAX + more + last.len};
        for (size_t step = 1; step <= text.len; step++) {
            const char *got = read_all(&f, text, step);
            assert_int_equal(strncmp(got, "BAD", 3) == 0, more > 0);
            assert_non_null(strstr(got, "\n\"a\":\"2\",\"b\":\"two\"\n"));
        }
        teardown(&f);
    }
}

/* However many windows it takes: told once, and the record behind it is found. */
static void a_large_record_of_several_lines_is_told_once(void **state)
{
    (void)state;
    const struct pen_type type = {.name = S("t"),
                                  .format = PEN_FORMAT_TEXT,
                                  .first_line = S("\\d"),
                                  .header_lines = 1,
                                  .pattern = S("(?P<a>\\d+) (?P<b>[\\s\\S]*)")};
    static const size_t lengths[] = {30, 1500}; /* of its lines */
    for (size_t i = 0; i < 2 * PEN_COUNT(lengths); i++) {
        static char input[5000];
        const bool is_header = i >= PEN_COUNT(lengths);
        const size_t length = lengths[i % PEN_COUNT(lengths)];
        memset(input, 'x', sizeof(input));
        const pen_slice first = is_header ? S("head\n") : S("head\n1 a\n");
        memcpy(input, first.ptr, first.len);
        for (size_t at = first.len + length; at < 4800; at += length) {
            input[at] = '\n';
        }
        const pen_slice last = S("\n2 b\n3 c\n");
        memcpy(input + sizeof(input) - last.len, last.ptr, last.len);
        check(&type, input, sizeof(input),
              "BAD a line has more than 1000 bytes (record.bytes_max)\n"
              "\"a\":\"2\",\"b\":\"b\"\n\"a\":\"3\",\"b\":\"c\"\n");
    }
}

static void marks_of_encodings_are_known(void **state)
{
    (void)state;
    CHECK(&words, "\xef\xbb\xbfx y\n", "\"a\":\"x\",\"b\":\"y\"\n");
    CHECK(&words, "\xff\xfex\0 \0y\0", "END the text is UTF-16: it must be UTF-8\n");
}

static void a_wrong_type_is_told(void **state)
{
    (void)state;
    static const pen_slice ports[] = {S("a:b:c")};
    const struct {
        struct pen_type type;
        const char *words;
    } rows[] = {
        {{.name = S("t"), .format = PEN_FORMAT_TEXT, .pattern = S("(?P<a>x")},
         "type t: the pattern is wrong at byte 7: missing closing parenthesis"},
        {{.name = S("t"), .format = PEN_FORMAT_COLUMNS, .columns = ports, .column_count = 1},
         "type t: a column of address and port is named a:b, not a:b:c"},
        {{.name = S("t"), .format = PEN_FORMAT_COLUMNS, .separator = S("ab")},
         "type t: a separator is `tab` or one byte"},
    };
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct pen_err err = {0};
        assert_int_equal(pen_text_check(&rows[i].type, &err), PEN_E_CONFIG);
        assert_string_equal(err.text, rows[i].words);
    }
    struct pen_err err = {0};
    assert_int_equal(pen_text_check(&words, &err), PEN_OK);
}

/* text and the bytes behind it that are read. */
static pen_slice padded(const char *text)
{
    static uint8_t bytes[RECORD_MAX + PEN_JSON_PADDING];
    const size_t len = strlen(text);
    assert_true(len <= RECORD_MAX);
    memset(bytes, 'z', sizeof(bytes));
    memcpy(bytes, text, len);
    return (pen_slice){bytes, len};
}

/* Blanks part words, quotes and brackets keep them; one byte after the other.  0: not a line. */
static uint32_t words_slowly(const char *line, size_t len, char out[][RECORD_MAX], bool has_odd)
{
    uint32_t count = 0;
    for (size_t at = 0; at < len;) {
        const char closer = line[at] == '"' ? '"' : line[at] == '[' ? ']' : ' ';
        size_t end = at + (closer != ' ');
        const size_t from = end;
        while (end < len && !(line[end] == closer &&
                              (closer == ' ' || end + 1 == len || line[end + 1] == ' '))) {
            end += has_odd && closer == '"' && line[end] == '\\' && end + 1 < len ? 2 : 1;
        }
        if (closer != ' ' && end >= len) {
            return 0;
        }
        memcpy(out[count], line + from, end - from);
        out[count++][end - from] = '\0';
        at = end + (closer != ' ');
        while (at < len && line[at] == ' ') {
            at++;
        }
    }
    return count;
}

static void text_plain(pen_slice text, bool is_escaped, char *out)
{
    memcpy(out, text.ptr, text.len);
    const size_t len = is_escaped ? pen_json_unescape(text, (uint8_t *)out) : text.len;
    out[len] = '\0';
}

#define WIDE 8U /* columns of lines of any bytes */
static const pen_slice wide_names[] = {S("a"), S("b?"), S("c"), S("d"),
                                       S("e"), S("f"),  S("g"), S("h")};
static const struct pen_type wide_type = {
    .name = S("t"), .format = PEN_FORMAT_COLUMNS, .columns = wide_names, .column_count = WIDE};

static void cut_check(struct fixture *f, const char *line)
{
    static char wanted[RECORD_MAX][RECORD_MAX];
    struct pen_record record;
    struct pen_err err;
    const bool has_odd = strpbrk(line, "\\\t") != NULL;
    const uint32_t count = words_slowly(line, strlen(line), wanted, has_odd);
    pen_text_reset(f->text);
    pen_text_window(f->text, padded(line), true);
    assert_int_equal(pen_text_next(f->text, &record, &err), PEN_NEXT_RECORD);
    assert_int_equal(record.problem == NULL, count > 0);
    for (uint32_t i = 0; i < WIDE && record.problem == NULL; i++) {
        char got[RECORD_MAX * 6];
        assert_int_equal(record.columns[i].text.ptr != NULL, i < count);
        if (i < count) {
            text_plain(record.columns[i].text, record.columns[i].is_escaped, got);
            assert_string_equal(got, wanted[i]);
        }
    }
}

static void any_line_is_cut_as_one_byte_after_the_other_would(void **state)
{
    (void)state;
    static const char bytes[] = "abcdefgh    \"\"[]\\\t";
    struct fixture f;
    uint64_t x = 88172645463325252U;
    setup(&f, &wide_type);
    for (uint32_t round = 0; round < 20000; round++) {
        char line[300];
        /* Few kinds of bytes in most rounds: lines without quotes, or without odd bytes. */
        const uint64_t kinds = round % 3 == 0 ? 12 : round % 3 == 1 ? 16 : sizeof(bytes) - 1;
        x = x * 6364136223846793005U + 1442695040888963407U;
        const size_t len = 1 + (x >> 33) % (sizeof(line) - 2);
        for (size_t i = 0; i < len; i++) {
            x = x * 6364136223846793005U + 1442695040888963407U;
            line[i] = bytes[(x >> 33) % kinds];
        }
        line[len - 1] = 'a'; /* blanks at the end are none of the line's */
        line[len] = '\0';
        cut_check(&f, line);
    }
    teardown(&f);
}

/* Quotes where they belong, at every place of a block; a line of words now and then has one more
 * quote, or none where one belongs. */
static void quotes_around_words_are_cut_as_one_byte_after_the_other_would(void **state)
{
    (void)state;
    static const char *const quoted[] = {
        "\"\"",    "a",           "\"b c\"", "\"h2\",\"http/1.1\"",
        "-",       "1.2.3.4:5",   "\" \"",   "\"GET http://a/b  c HTTP/1.1\"",
        "\"a,b\"", "\"a\"x\"b\"", "q\"",     "\"\"\"\""};
    struct fixture f;
    uint64_t x = 88172645463325252U;
    setup(&f, &wide_type);
    for (uint32_t round = 0; round < 20000; round++) {
        char line[600] = "";
        const uint32_t kinds = round % 8 == 0 ? PEN_COUNT(quoted) : PEN_COUNT(quoted) - 2;
        for (uint32_t i = 0; i < 1 + round % 11; i++) {
            x = x * 6364136223846793005U + 1442695040888963407U;
            const size_t len = strlen(line);
            (void)snprintf(line + len, sizeof(line) - len, "%s%s", i == 0 ? "" : " ",
                           quoted[(x >> 33) % kinds]);
        }
        const size_t len = strlen(line);
        (void)snprintf(line + len, sizeof(line) - len, " %0*u", 1 + (int)(round % 130), 0U);
        cut_check(&f, line);
    }
    teardown(&f);
}

/* A text may stand in a request, and in a part of it again: all of it may have to be escaped. */
static void what_is_escaped_twice_stays_where_it_is(void **state)
{
    (void)state;
    static const pen_slice names[] = {S("r http")};
    const struct pen_type type = {
        .name = S("t"), .format = PEN_FORMAT_COLUMNS, .columns = names, .column_count = 1};
    struct fixture f;
    struct pen_record record;
    struct pen_err err;
    char line[RECORD_MAX + 1];
    (void)snprintf(line, sizeof(line), "\"GET http://h/%0500d HTTP/1.1\"", 0);
    for (char *p = strstr(line, "/0"); *p != ' '; p++) {
        *p = *p == '0' ? '\x01' : *p;
    }
    setup(&f, &type);
    pen_text_reset(f.text);
    pen_text_window(f.text, padded(line), true);
    assert_int_equal(pen_text_next(f.text, &record, &err), PEN_NEXT_RECORD);
    assert_non_null(record.columns);
    const pen_slice all = record.columns[0].text;
    const pen_slice path = record.columns[5].text;
    assert_int_equal(path.len, 1 + 500 * 6);
    assert_true(pen_slice_find(all, path) != SIZE_MAX);
    teardown(&f);
}

/* A name that is there twice: the last one is the member, both are values. */
static void a_column_may_be_there_twice(void **state)
{
    (void)state;
    struct fixture f;
    struct pen_record record;
    struct pen_err err;
    CHECK(&named, "a b a\n1 2 3\n", "\"a\":\"1\",\"b\":\"2\",\"a\":\"3\"\n");
    setup(&f, &named);
    pen_text_reset(f.text);
    pen_text_window(f.text, padded("a b a\n1 2 3\n"), true);
    assert_int_equal(pen_text_next(f.text, &record, &err), PEN_NEXT_RECORD);
    assert_null(record.layout);
    const struct pen_value *first = pen_record_first(&record, f.a);
    assert_true(pen_slice_eq(first->text, S("1")));
    assert_true(pen_slice_eq(pen_value_next(&record, first)->text, S("3")));
    teardown(&f);
}

/* Objects with the same line of names share what was made of it. */
static void columns_are_kept_for_the_next_object(void **state)
{
    (void)state;
    static const char *const objects[] = {"a b\n1 2\n", "a b\n3 4\n", "b a\n5 6\n"};
    uint64_t stamps[PEN_COUNT(objects)];
    struct fixture f;
    setup(&f, &named);
    for (size_t i = 0; i < PEN_COUNT(objects); i++) {
        struct pen_record record;
        struct pen_err err;
        pen_text_reset(f.text);
        pen_text_window(f.text, padded(objects[i]), true);
        assert_int_equal(pen_text_next(f.text, &record, &err), PEN_NEXT_RECORD);
        stamps[i] = record.layout->stamp;
        assert_true(pen_slice_eq(pen_record_first(&record, f.a)->text, i == 0   ? S("1")
                                                                       : i == 1 ? S("3")
                                                                                : S("6")));
    }
    assert_true(stamps[0] == stamps[1] && stamps[1] != stamps[2]);
    teardown(&f);
}

static void values_of_columns_are_found(void **state)
{
    (void)state;
    struct fixture f;
    struct pen_record record;
    struct pen_err err;
    setup(&f, &words);
    pen_text_reset(f.text);
    pen_text_window(f.text, padded("x \"q\\\"\"\n"), true);
    assert_int_equal(pen_text_next(f.text, &record, &err), PEN_NEXT_RECORD);
    assert_true(pen_slice_eq(record.raw, S("x \"q\\\"\"")));
    assert_true(pen_slice_eq(pen_record_first(&record, f.a)->text, S("x")));
    assert_false(pen_record_first(&record, f.a)->is_escaped);
    assert_true(pen_slice_eq(pen_record_first(&record, f.b)->text, S("q\\\\\\\"")));
    assert_true(pen_record_first(&record, f.b)->is_escaped);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_its_columns),
        cmocka_unit_test(what_json_writes_otherwise_is_escaped),
        cmocka_unit_test(an_odd_byte_is_escaped_wherever_it_stands),
        cmocka_unit_test(a_line_that_does_not_fit_is_a_record_with_a_problem),
        cmocka_unit_test(the_first_line_may_name_the_columns),
        cmocka_unit_test(a_first_line_without_names_is_a_record_or_nothing),
        cmocka_unit_test(columns_have_parts),
        cmocka_unit_test(separators_keep_empty_columns),
        cmocka_unit_test(patterns_take_lines_apart),
        cmocka_unit_test(pairs_and_events_of_cef_are_members),
        cmocka_unit_test(a_record_may_have_several_lines),
        cmocka_unit_test(a_line_that_is_too_large_is_bad_alone),
        cmocka_unit_test(a_record_of_several_lines_may_be_as_large_as_a_line),
        cmocka_unit_test(a_large_record_of_several_lines_is_told_once),
        cmocka_unit_test(marks_of_encodings_are_known),
        cmocka_unit_test(a_wrong_type_is_told),
        cmocka_unit_test(any_line_is_cut_as_one_byte_after_the_other_would),
        cmocka_unit_test(quotes_around_words_are_cut_as_one_byte_after_the_other_would),
        cmocka_unit_test(what_is_escaped_twice_stays_where_it_is),
        cmocka_unit_test(a_column_may_be_there_twice),
        cmocka_unit_test(columns_are_kept_for_the_next_object),
        cmocka_unit_test(values_of_columns_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
