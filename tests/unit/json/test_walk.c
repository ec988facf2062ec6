#include "penstock/json.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#define WINDOW_MAX ((size_t)1 << 20)

struct fixture {
    struct pen_plan *plan;
    struct pen_walker *walker;
    uint32_t name, inner, all, items_name, first;
};

static uint32_t field(struct fixture *f, const char *dotted)
{
    const uint32_t made = pen_plan_field_new(f->plan);
    assert_int_equal(pen_plan_dotted(f->plan, made, pen_slice_str(dotted)), PEN_OK);
    return made;
}

static void setup(struct fixture *f, size_t record_max)
{
    f->plan = pen_plan_new();
    assert_non_null(f->plan);
    f->name = field(f, "name");
    f->inner = field(f, "a.b");
    f->all = field(f, "o");
    f->items_name = field(f, "items.name");
    f->first = field(f, "items.1.name");
    const pen_slice step = PEN_SLICE_LIT("fix");
    assert_int_equal(pen_plan_action(f->plan, &step, 1, 7), PEN_OK);
    pen_plan_seal(f->plan);
    const struct pen_walker_options options = {.window_bytes_max = WINDOW_MAX,
                                               .record_bytes_max = record_max,
                                               .array_key = PEN_SLICE_LIT("Records"),
                                               .want_copy = true};
    struct pen_err err;
    assert_int_equal(pen_walker_new(f->plan, &options, &f->walker, &err), PEN_OK);
    pen_walker_reset(f->walker);
}

static void teardown(struct fixture *f)
{
    pen_walker_free(f->walker);
    pen_plan_free(f->plan);
}

/* Every verdict of a text read in windows of step bytes, as one line of text. */
static void run(struct fixture *f, pen_slice text, size_t step, struct pen_buf *out)
{
    uint8_t *window = malloc(WINDOW_MAX + PEN_JSON_PADDING);
    assert_non_null(window);
    size_t len = 0;
    size_t at = 0;
    size_t target = step;
    pen_walker_reset(f->walker);
    for (;;) {
        const size_t room = target > len ? target - len : 0;
        const size_t n = text.len - at < room ? text.len - at : room;
        memcpy(window + len, text.ptr + at, n);
        len += n;
        at += n;
        memset(window + len, ' ', PEN_JSON_PADDING);
        pen_walker_window(f->walker, (pen_slice){window, len}, at == text.len);
        struct pen_record record;
        struct pen_err err = {0};
        enum pen_next got = PEN_NEXT_RECORD;
        while (got == PEN_NEXT_RECORD || got == PEN_NEXT_BAD) {
            got = pen_walker_next(f->walker, &record, &err);
            if (got == PEN_NEXT_RECORD) {
                assert_int_equal(pen_buf_printf(out, "%d:{%.*s};", (int)record.ordinal,
                                                (int)record.copy.len,
                                                (const char *)record.copy.ptr),
                                 PEN_OK);
            } else if (got == PEN_NEXT_BAD) {
                assert_int_equal(pen_buf_printf(out, "%d:bad;", (int)record.ordinal), PEN_OK);
            }
        }
        if (got == PEN_NEXT_END) {
            assert_int_equal(pen_buf_printf(out, "%s", err.status == PEN_OK ? "end" : "cut"),
                             PEN_OK);
            break;
        }
        const size_t used = pen_walker_consumed(f->walker);
        memmove(window, window + used, len - used);
        len -= used;
        target = used == 0 ? target + step : len + step;
        assert_true(target <= WINDOW_MAX);
    }
    free(window);
}

static void check(const char *text, const char *want)
{
    struct fixture f;
    setup(&f, 4096);
    for (size_t step = 1; step < strlen(text) + 3; step++) {
        struct pen_buf got;
        pen_buf_init(&got, 1 << 20);
        run(&f, pen_slice_str(text), step, &got);
        assert_int_equal(pen_buf_add_byte(&got, '\0'), PEN_OK);
        if (strcmp((const char *)got.ptr, want) != 0) {
            fail_msg("windows of %zu bytes of %s give %s", step, text, (const char *)got.ptr);
        }
        pen_buf_fini(&got);
    }
    teardown(&f);
}

static void framings_give_the_same_records_in_windows_of_every_size(void **state)
{
    (void)state;
    check("{\"Records\":[{\"a\":1},{\"b\":\"x\"}]}", "0:{\"a\":1};1:{\"b\":\"x\"};end");
    check(" { \"x\" : {\"y\":[1,2]} , \"Records\" : [ {\"a\" : 1 } , {\"a\":2}\n] , \"z\":[3] } ",
          "0:{\"a\":1};1:{\"a\":2};end");
    check("{\"Records\":[]}", "end");
    check("", "end");
    check(" \n\t ", "end");
    check("{\"a\":1}\n{\"a\":2}\n", "0:{\"a\":1};1:{\"a\":2};end");
    check("{\"a\":1}{\"a\":2}", "0:{\"a\":1};1:{\"a\":2};end");
    check("[{\"a\":1},{\"a\":2}]", "0:{\"a\":1};1:{\"a\":2};end");
    check("{\"Records\":[{\"a\":1}]}{\"Records\":[{\"a\":2}]}", "0:{\"a\":1};1:{\"a\":2};end");
    check("\xef\xbb\xbf{\"a\":1}", "0:{\"a\":1};end");
    check("{\"R\\u0065cords\":[{\"a\":1}]}", "0:{\"a\":1};end");
    check("{\"Records\":[{\"a\":1}],\"Records\":[{\"a\":2}]}", "0:{\"a\":1};1:{\"a\":2};end");
}

static void damage_costs_the_record_it_is_in(void **state)
{
    (void)state;
    check("{\"Records\":[{\"a\":1},{\"a\":tru},{\"a\":3}]}", "0:{\"a\":1};1:bad;2:{\"a\":3};end");
    check("{\"Records\":[{\"a\":1},{\"a\":\"\\x\"},{\"a\":3}]}",
          "0:{\"a\":1};1:bad;2:{\"a\":3};end");
    check("{\"Records\":[{\"a\":01},{\"b\":2,},{\"a\":[},{\"a\":3}]}",
          "0:bad;1:bad;2:bad;3:{\"a\":3};end");
    check("{\"Records\":[{\"a\":1},7,[1],\"s\",{\"a\":3}]}",
          "0:{\"a\":1};1:bad;2:bad;3:bad;4:{\"a\":3};end");
    check("{\"Records\":[{\"a\":1},{\"a\":\"\xff\"},{\"a\":3}]}",
          "0:{\"a\":1};1:bad;2:{\"a\":3};end");
    check("{\"Records\":[{\"a\":1},{\"a\":\"\x01\"},{\"a\":3}]}",
          "0:{\"a\":1};1:bad;2:{\"a\":3};end");
    check("{\"Records\":[{\"a\":1},{\"a\":2", "0:{\"a\":1};cut");
    check("{\"Records\":[{\"a\":1}", "0:{\"a\":1};cut");
}

static void an_open_string_costs_its_line(void **state)
{
    (void)state;
    check("{\"a\":1}\n{\"a\":\"open}\n{\"a\":3}\n", "0:{\"a\":1};1:bad;2:{\"a\":3};end");
    check("{\"a\":\"open, \"b\":{\"c\":2}}\r\n{\"a\":3}\r\n", "0:bad;1:{\"a\":3};end");
    check("{\"a\":\"open,\"b\":2}\n{\"a\":\"x\\\"}\n{\"a\":3}", "0:bad;1:bad;2:{\"a\":3};end");
    check("{\"open:1}\n{\"a\":\"\\\n{\"a\":3}\n", "0:bad;1:bad;2:{\"a\":3};end");
    check("{\"a\":\"open}\n", "0:bad;end");
    check("{\"a\":\"open}", "cut");
    check("\"open\n{\"a\":2}", "0:bad;1:{\"a\":2};end");
    check("{\"Records\":[{\"a\":1},\n{\"a\":\"open},\n{\"open,\n{\"a\":3}\n]}",
          "0:{\"a\":1};1:bad;2:bad;3:{\"a\":3};end");
    /* what somebody wrote into a string as it is cuts nothing */
    check("{\"Records\":[{\"a\":1},{\"a\":\"x\n\"},{\"a\":3}]}",
          "0:{\"a\":1};1:bad;2:{\"a\":3};end");
    check("{\"a\":\"two\nlines\"}\n{\"a\":3}\n", "0:bad;1:{\"a\":3};end");
    check("{\"a\":\"a trace\n\tat here\n\n\tat there\",\"b\":{}}\n{\"a\":3}",
          "0:bad;1:{\"a\":3};end");
    /* on one line nothing tells where the next record begins */
    check("{\"a\":\"open}{\"b\":2}{\"c\":3}\n{\"a\":3}", "0:bad;1:{\"a\":3};end");
}

/* Each is looked at once: half a million that were looked at from each on would take an hour. */
static void line_feeds_of_a_string_are_read_once(void **state)
{
    (void)state;
    enum { FEEDS = 1U << 19 };
    struct fixture f;
    struct pen_record record;
    struct pen_err err = {0};
    uint8_t *window = calloc(1, FEEDS + 64 + PEN_JSON_PADDING);
    assert_non_null(window);
    setup(&f, FEEDS + 64);
    memset(window, '\n', FEEDS + 16);
    memcpy(window, "{\"a\":\"", 6);
    memcpy(window + 6 + FEEDS, "end\"}", 5);
    memcpy(window + 11 + FEEDS, "\n{\"a\":3}", 8);
    pen_walker_window(f.walker, (pen_slice){window, FEEDS + 19}, true);
    assert_int_equal(pen_walker_next(f.walker, &record, &err), PEN_NEXT_BAD);
    assert_int_equal(pen_walker_next(f.walker, &record, &err), PEN_NEXT_RECORD);
    assert_int_equal(record.offset, FEEDS + 12);
    teardown(&f);
    free(window);
}

static void an_open_string_costs_its_record_of_several_lines(void **state)
{
    (void)state;
    static const char good[] = "{\n  \"a\": 3\n}";
    static const char *const damaged[] = {
        "{\n  \"a\": \"open,\n  \"b\": {\n    \"c\": 1\n  }\n}",
        "{\n\t\"a\": {\n\t\t\"open: 1\n\t},\n\t\"b\": [\n\t\t{}\n\t]\n}",
        "{\n\n\"a\": \"open,\n\"b\": 1\n}",
        "{ \"x\": 1,\n  \"a\": \"open",
    };
    static const struct {
        const char *before, *between, *after;
    } framings[] = {{"", "\n", "\n"}, {"[", ", ", "]"}, {"{\"Records\": [\n", ",\n", "\n]}\n"}};
    for (size_t i = 0; i < PEN_COUNT(damaged) * PEN_COUNT(framings); i++) {
        const char *one = damaged[i % PEN_COUNT(damaged)];
        const size_t framing = i / PEN_COUNT(damaged);
        char text[256];
        if (framing == 1 && one[strlen(one) - 1] != '}') {
            continue; /* the next record begins in the middle of a line */
        }
        (void)snprintf(text, sizeof(text), "%s%s%s%s%s%s%s", framings[framing].before, good,
                       framings[framing].between, one, framings[framing].between, good,
                       framings[framing].after);
        check(text, "0:{\"a\":3};1:bad;2:{\"a\":3};end");
    }
}

static void a_bad_value_says_what_is_wrong_with_it(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason;
    } cases[] = {{"{\"a\":\"\xff\"}", "invalid UTF-8 in a string"},
                 {"{\"a\":\"\\q\"}", "a wrong escape in a string"},
                 {"{\"a\":\"\x01\"}", "a control character in a string"},
                 {"{\"a\":\"open\n}", "a string without an end"},
                 {"{\"a\":nul}", "no JSON value"},
                 {"{\"\xff\":1}", "no member name"}};
    for (size_t i = 0; i < PEN_COUNT(cases); i++) {
        struct fixture f;
        struct pen_record record;
        struct pen_err err = {0};
        const size_t len = strlen(cases[i].text);
        uint8_t window[64 + PEN_JSON_PADDING] = {0};
        setup(&f, 1024);
        memcpy(window, cases[i].text, len);
        pen_walker_window(f.walker, (pen_slice){window, len}, true);
        assert_int_equal(pen_walker_next(f.walker, &record, &err), PEN_NEXT_BAD);
        assert_non_null(strstr(err.text, cases[i].reason));
        teardown(&f);
    }
}

static void a_line_that_is_no_object_is_one_bad_record(void **state)
{
    (void)state;
    check("these are words\n", "0:bad;end");
    check("two lines\nof words", "0:bad;1:bad;end");
    check("{\"a\":1}\nnot, this: one\n{\"a\":2}\n", "0:{\"a\":1};1:bad;2:{\"a\":2};end");
    check("prefix {\"a\":1}\n{\"a\":2}", "0:bad;1:{\"a\":1};2:{\"a\":2};end");
}

static void the_copy_is_pruned_and_keeps_tokens_as_written(void **state)
{
    (void)state;
    check("{\"a\":null,\"b\":\"\",\"c\":\"-\",\"d\":{},\"e\":[],\"f\":[\"\"],\"g\":1.50e+3}",
          "0:{\"g\":1.50e+3};end");
    check("{\"a\":{\"b\":{\"c\":null}},\"d\":[null,\"\",{}]}", "0:{\"d\":[null,\"\",{}]};end");
    check("{\"a\":123456789012345678901234567890,\"b\":\"\\ud800\"}",
          "0:{\"a\":123456789012345678901234567890,\"b\":\"\\ud800\"};end");
}

static void of_equal_keys_the_last_wins(void **state)
{
    (void)state;
    check("{\"a\":1,\"b\":2,\"a\":3}", "0:{\"b\":2,\"a\":3};end");
    check("{\"a\":1,\"\\u0061\":{\"x\":1,\"x\":2}}", "0:{\"\\u0061\":{\"x\":2}};end");
}

static void lookup_events_give_the_event_inside(void **state)
{
    (void)state;
    check("{\"Events\":[{\"EventId\":\"1\",\"CloudTrailEvent\":\"{\\\"name\\\":\\\"x\\\"}\"}]}",
          "0:{\"name\":\"x\"};end");
}

static void values_are_found_by_path_and_through_arrays(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, 4096);
    struct pen_record r;
    struct pen_err err;
    char text[512] = "{\"name\":\"n\",\"a\":{\"b\":7},\"a.b\":8,\"o\":{\"x\":[1]},\"fix\":\"t\","
                     "\"items\":[{\"name\":\"p\"},{\"name\":\"q\"}]}";
    const size_t len = strlen(text);
    assert_int_equal(pen_walker_one(f.walker, (pen_slice){(uint8_t *)text, len}, &r, &err),
                     PEN_NEXT_RECORD);
    const struct pen_value *v = pen_record_first(&r, f.inner);
    assert_int_equal(v->kind, PEN_NUMBER);
    assert_int_equal(v->text.ptr[0], '7');
    assert_int_equal(pen_value_next(&r, v)->text.ptr[0], '8');
    v = pen_record_first(&r, f.items_name);
    assert_int_equal(v->text.ptr[0], 'p');
    assert_int_equal(pen_value_next(&r, v)->text.ptr[0], 'q');
    v = pen_record_first(&r, f.first);
    assert_int_equal(v->text.ptr[0], 'q');
    assert_null(pen_value_next(&r, v));
    assert_true(pen_slice_eq(pen_record_first(&r, f.all)->text, PEN_SLICE_LIT("{\"x\":[1]}")));
    assert_int_equal(r.patch_count, 1);
    assert_int_equal(r.patches[0].action, 7);
    assert_true(pen_slice_eq(pen_slice_sub(r.copy, r.patches[0].begin, r.patches[0].end),
                             PEN_SLICE_LIT("\"t\"")));
    teardown(&f);
}

static void a_value_is_given_to_a_field_once(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, 4096);
    struct pen_record r;
    struct pen_err err;
    char text[512] = "{\"items\":[0,[1,{\"name\":\"p\"}]]}";
    const size_t len = strlen(text);
    assert_int_equal(pen_walker_one(f.walker, (pen_slice){(uint8_t *)text, len}, &r, &err),
                     PEN_NEXT_RECORD);
    const struct pen_value *v = pen_record_first(&r, f.first);
    assert_int_equal(v->text.ptr[0], 'p');
    assert_null(pen_value_next(&r, v));
    teardown(&f);
}

#define LONG_NAME "a_name_that_is_longer_than_one_comparison"

static void what_was_learned_of_objects_changes_no_verdict(void **state)
{
    (void)state;
    static const char same[] =
        "{\"a\":{\"b\":\"1\",\"c\":{\"d\":2}},\"e\":{},\"" LONG_NAME "\":3}\n";
    static const char copy[] = "{\"a\":{\"b\":\"1\",\"c\":{\"d\":2}},\"" LONG_NAME "\":3};";
    char text[2048];
    char want[2048];
    (void)snprintf(text, sizeof(text),
                   "%s%s"
                   "{\"a\":{\"b\":\"1\",},\"e\":{}}\n"
                   "{\"a\":{\"b\":\"1\",\"b\":\"2\"}}\n"
                   "{\"a\" : {\"b\": \"1\" ,\"c\":{ }} , \"" LONG_NAME "\" :4}\n"
                   "{\"" LONG_NAME "s\":5,\"a\\u0022\":6,\"a\":{\"b\":\"1\" \"c\":7}}\n"
                   "{\"c\":{\"d\":8},\"a\":{\"c\":{\"d\":{\"b\":9}},\"b\":\"\"}}\n%s",
                   same, same, same);
    (void)snprintf(want, sizeof(want),
                   "0:%s1:%s2:bad;3:{\"a\":{\"b\":\"2\"}};"
                   "4:{\"a\":{\"b\":\"1\"},\"" LONG_NAME "\":4};5:bad;"
                   "6:{\"c\":{\"d\":8},\"a\":{\"c\":{\"d\":{\"b\":9}}}};7:%send",
                   copy, copy, copy);
    check(text, want);
}

static void escapes_are_seen_in_a_record_with_equal_keys(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, 4096);
    struct pen_record r;
    struct pen_err err;
    char text[512] = "{\"x\":1,\"x\":2,\"n\\u0061me\":\"a\\nb\"}";
    const size_t len = strlen(text);
    assert_int_equal(pen_walker_one(f.walker, (pen_slice){(uint8_t *)text, len}, &r, &err),
                     PEN_NEXT_RECORD);
    const struct pen_value *v = pen_record_first(&r, f.name);
    assert_non_null(v);
    assert_true(v->is_escaped);
    teardown(&f);
}

static void behind_a_lone_record_stands_nothing(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, 4096);
    struct pen_record r;
    struct pen_err err;
    uint8_t text[] =
        "{\"x\":1} \0                                                                 ";
    assert_int_equal(pen_walker_one(f.walker, (pen_slice){text, 8}, &r, &err), PEN_NEXT_RECORD);
    assert_int_equal(pen_walker_one(f.walker, (pen_slice){text, 9}, &r, &err), PEN_NEXT_BAD);
    teardown(&f);
}

/* A text of two records around one of 500 digits and more, read in windows of many sizes. */
static void check_oversize(const char *format, const char *want)
{
    struct fixture f;
    setup(&f, 64);
    struct pen_buf text;
    struct pen_buf got;
    pen_buf_init(&text, 1 << 20);
    pen_buf_init(&got, 1 << 20);
    char digits[501];
    memset(digits, '7', sizeof(digits) - 1);
    digits[sizeof(digits) - 1] = '\0';
    const char *at = strchr(format, '@');
    assert_non_null(at);
    assert_int_equal(pen_buf_printf(&text, "%.*s%s%s", (int)(at - format), format, digits, at + 1),
                     PEN_OK);
    for (size_t step = 40; step < 700; step += 7) {
        got.len = 0;
        run(&f, pen_buf_slice(&text), step, &got);
        assert_int_equal(pen_buf_add_byte(&got, '\0'), PEN_OK);
        assert_string_equal((const char *)got.ptr, want);
    }
    pen_buf_fini(&text);
    pen_buf_fini(&got);
    teardown(&f);
}

static void an_oversize_record_is_skipped_alone(void **state)
{
    (void)state;
    check_oversize("{\"Records\":[{\"a\":1},{\"b\":\"@}\"},{\"a\":2}]}",
                   "0:{\"a\":1};1:bad;2:{\"a\":2};end");
}

static void an_oversize_value_that_is_no_record_is_skipped_alone(void **state)
{
    (void)state;
    static const char want[] = "0:{\"a\":1};1:bad;2:{\"a\":2};end";
    check_oversize("{\"Records\":[{\"a\":1},{\"a\":tru,\"b\":\"@}\"},{\"a\":2}]}", want);
    check_oversize("{\"Records\":[{\"a\":1},[\"]\",@],{\"a\":2}]}", want);
    check_oversize("{\"Records\":[{\"a\":1},\"@,]\",{\"a\":2}]}", want);
    check_oversize("{\"Records\":[{\"a\":1},@,{\"a\":2}]}", want);
    check_oversize("{\"a\":1}\n@ and more\n{\"a\":2}", want);
    check_oversize("{\"a\":1}\n}@ ]\n{\"a\":2}", want);
    check_oversize("{\"a\":1}\nmany, words, \"{\" and 1, 2, 3, @ 4, 5\n{\"a\":2}", want);
    check_oversize("{\"Records\":[{\"a\":1},{\\\"a\"},@\"},{\"a\":2}]}", want);
    check_oversize("{\"Records\":[{\"a\":1}],\"b\":\"@,]\",\"Records\":[{\"a\":2}]}",
                   "0:{\"a\":1};1:{\"a\":2};end");
    check_oversize("{\"Records\":[{\"a\":1}],\"b\":[{\"c\":\"@\"}],\"Records\":[{\"a\":2}]}",
                   "0:{\"a\":1};1:{\"a\":2};end");
}

static void an_open_string_in_an_oversize_record_costs_no_other(void **state)
{
    (void)state;
    static const char want[] = "0:{\"a\":1};1:bad;2:{\"a\":2};end";
    check_oversize("{\"a\":1}\n{\"b\":\"@}\n{\"a\":2}\n", want);
    check_oversize("{\"a\":1}\n{\"b\":\"open,\"c\":{\"d\":\"@\"}}\n{\"a\":2}\n", want);
    check_oversize("{\"a\":1}\n{\n  \"b\":\"open,\n  \"c\":{\n    \"d\":\"@\"\n  }\n}\n{\"a\":2}",
                   want);
    check_oversize("{\"a\":1}\n{\n  \"b\":\"open,\n  \"c\":\"@\"\n{\"a\":2}", want);
    check_oversize("[{\"a\":1},\n{\"b\":\"@},\n{\"a\":2}]", want);
}

static void nesting_of_100000_ends_that_record(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, 1 << 19);
    struct pen_buf text;
    struct pen_buf got;
    pen_buf_init(&text, 1 << 20);
    pen_buf_init(&got, 1 << 20);
    assert_int_equal(pen_buf_add(&text, PEN_SLICE_LIT("{\"Records\":[{\"a\":")), PEN_OK);
    for (uint32_t i = 0; i < 200000; i++) {
        assert_int_equal(pen_buf_add_byte(&text, i < 100000 ? '[' : ']'), PEN_OK);
    }
    assert_int_equal(pen_buf_add(&text, PEN_SLICE_LIT("},{\"a\":2}]}")), PEN_OK);
    run(&f, pen_buf_slice(&text), 1 << 19, &got);
    assert_int_equal(pen_buf_add_byte(&got, '\0'), PEN_OK);
    assert_string_equal((const char *)got.ptr, "0:bad;1:{\"a\":2};end");
    pen_buf_fini(&text);
    pen_buf_fini(&got);
    teardown(&f);
}

/* A list without end hides nothing that stands behind it. */
static void fields_behind_many_values_are_seen(void **state)
{
    (void)state;
    struct fixture f;
    struct pen_buf text;
    struct pen_record record;
    struct pen_err err;
    uint32_t count = 0;
    setup(&f, WINDOW_MAX);
    pen_buf_init(&text, WINDOW_MAX);
    for (uint32_t i = 0; i < 70000; i++) {
        assert_int_equal(pen_buf_printf(&text, "%s1", i == 0 ? "{\"o\":[" : ","), PEN_OK);
    }
    assert_int_equal(pen_buf_printf(&text, "],\"name\":\"behind\"}"), PEN_OK);
    const size_t len = text.len;
    assert_int_equal(pen_buf_reserve(&text, PEN_JSON_PADDING), PEN_OK);
    assert_int_equal(pen_walker_one(f.walker, (pen_slice){text.ptr, len}, &record, &err),
                     PEN_NEXT_RECORD);
    assert_int_equal(record.value_count, PEN_RECORD_VALUES_MAX + 1);
    const struct pen_value *value = pen_record_first(&record, f.all);
    for (; value != NULL; value = pen_value_next(&record, value)) {
        count++;
    }
    assert_int_equal(count, PEN_RECORD_VALUES_MAX);
    value = pen_record_first(&record, f.name);
    assert_non_null(value);
    assert_true(pen_slice_eq(value->text, PEN_SLICE_LIT("behind")));
    pen_buf_fini(&text);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_behind_many_values_are_seen),
        cmocka_unit_test(framings_give_the_same_records_in_windows_of_every_size),
        cmocka_unit_test(damage_costs_the_record_it_is_in),
        cmocka_unit_test(an_open_string_costs_its_line),
        cmocka_unit_test(line_feeds_of_a_string_are_read_once),
        cmocka_unit_test(an_open_string_costs_its_record_of_several_lines),
        cmocka_unit_test(the_copy_is_pruned_and_keeps_tokens_as_written),
        cmocka_unit_test(of_equal_keys_the_last_wins),
        cmocka_unit_test(lookup_events_give_the_event_inside),
        cmocka_unit_test(values_are_found_by_path_and_through_arrays),
        cmocka_unit_test(a_bad_value_says_what_is_wrong_with_it),
        cmocka_unit_test(a_line_that_is_no_object_is_one_bad_record),
        cmocka_unit_test(a_value_is_given_to_a_field_once),
        cmocka_unit_test(what_was_learned_of_objects_changes_no_verdict),
        cmocka_unit_test(escapes_are_seen_in_a_record_with_equal_keys),
        cmocka_unit_test(behind_a_lone_record_stands_nothing),
        cmocka_unit_test(an_oversize_record_is_skipped_alone),
        cmocka_unit_test(an_oversize_value_that_is_no_record_is_skipped_alone),
        cmocka_unit_test(an_open_string_in_an_oversize_record_costs_no_other),
        cmocka_unit_test(nesting_of_100000_ends_that_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
