#include "envelope.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW ((size_t)16 << 10)
#define RECORD ((size_t)4 << 10)
#define SEEN_MAX ((size_t)64 << 10)

static const struct pen_type json_type = {.name = {(const uint8_t *)"j", 1},
                                          .envelopes = PEN_ENVELOPE_CLOUDWATCH |
                                                       PEN_ENVELOPE_EXPORT | PEN_ENVELOPE_EVENT};
static const struct pen_type text_type = {
    .name = {(const uint8_t *)"t", 1},
    .format = PEN_FORMAT_TEXT,
    .envelopes = PEN_ENVELOPE_CLOUDWATCH | PEN_ENVELOPE_EXPORT | PEN_ENVELOPE_FIRELENS,
    .pattern = {(const uint8_t *)"(?<w>\\w+) (?<r>[\\s\\S]*)", 23}};

/* What a reading says, as lines. */
static char seen[SEEN_MAX];
/* What envelopes were asked for by. */
static char asked[SEEN_MAX];

static void say(struct envelope *e, enum pen_next got, const struct pen_record *r,
                const struct pen_err *err)
{
    const size_t len = strlen(seen);
    const struct pen_told *told = envelope_told(e);
    if (got == PEN_NEXT_BAD) {
        (void)snprintf(seen + len, SEEN_MAX - len, "%d @%d bad: %s\n", (int)r->ordinal,
                       (int)r->offset, err->text);
    } else {
        (void)snprintf(seen + len, SEEN_MAX - len, "%d @%d %.*s|%.*s|%.*s|%.*s|%s\n",
                       (int)r->ordinal, (int)r->offset, PEN_SLICE_FMT(r->raw),
                       PEN_SLICE_FMT(told->group), PEN_SLICE_FMT(told->id),
                       PEN_SLICE_FMT(told->account), r->problem == NULL ? "" : "problem");
    }
}

struct set {
    struct pen_plan *plan;
    struct reader reader;
    struct envelope *envelope;
};

static void set_new(struct set *set, const struct pen_type *type)
{
    const struct pen_walker_options walker = {.window_bytes_max = WINDOW,
                                              .record_bytes_max = RECORD,
                                              .array_key = type->array_key,
                                              .want_copy = true};
    struct pen_err err = {0};
    *set = (struct set){.plan = pen_plan_new()};
    assert_non_null(set->plan);
    pen_plan_seal(set->plan);
    assert_int_equal(pen_walker_new(set->plan, &walker, &set->reader.walker, &err), PEN_OK);
    if (type->format != PEN_FORMAT_JSON) {
        assert_int_equal(pen_text_new(type, set->reader.walker, RECORD, &set->reader.text, &err),
                         PEN_OK);
    }
    const struct envelope_options options = {.lender = set->reader.walker,
                                             .window_bytes_max = WINDOW,
                                             .record_bytes_max = RECORD,
                                             .part_bytes_max = 2 * RECORD};
    assert_int_equal(envelope_new(&options, &set->envelope, &err), PEN_OK);
}

static void set_free(struct set *set)
{
    envelope_free(set->envelope);
    reader_free(&set->reader);
    pen_plan_free(set->plan);
}

/* What a group is of: JSON ("j..."), text ("t..."), nothing. */
struct choice {
    struct set json, text;
    struct pen_buf asked; /* groups, streams and messages */
};

static const struct reader *choose(void *ctx, pen_slice group, pen_slice stream, pen_slice message,
                                   const struct pen_type **type)
{
    struct choice *choice = ctx;
    const bool is_json = pen_slice_starts(group, PEN_SLICE_LIT("j"));
    assert_int_equal(pen_buf_printf(&choice->asked, "%.*s,%.*s,%.*s\n", PEN_SLICE_FMT(group),
                                    PEN_SLICE_FMT(stream), PEN_SLICE_FMT(message)),
                     PEN_OK);
    if (!is_json && !pen_slice_starts(group, PEN_SLICE_LIT("t"))) {
        return NULL;
    }
    *type = is_json ? &json_type : &text_type;
    return is_json ? &choice->json.reader : &choice->text.reader;
}

/* Reads the object in steps of so many bytes; the end's status is the result.  type NULL: each
 * envelope is asked for its own. */
static pen_status read_in(const struct pen_type *type, const char *key, const char *text,
                          size_t step)
{
    const pen_slice input = pen_slice_str(text);
    const struct pen_type *first = type == NULL ? &json_type : type;
    const uint32_t kind = envelope_kind(first, pen_slice_str(key), pen_slice_sub(input, 0, 1000));
    struct choice choice;
    const struct envelope_chooser chooser = {.ctx = &choice, .choose = choose};
    uint8_t *window = malloc(WINDOW + PEN_JSON_PADDING);
    struct pen_err err = {0};
    struct set set;
    size_t fed = 0;
    size_t have = 0;
    enum pen_next got = PEN_NEXT_MORE;
    assert_true(kind != 0);
    assert_non_null(window);
    seen[0] = 0;
    set_new(&set, first);
    set_new(&choice.json, &json_type);
    set_new(&choice.text, &text_type);
    pen_buf_init(&choice.asked, SEEN_MAX);
    envelope_begin(set.envelope, kind, pen_slice_str(key), type, type == NULL ? NULL : &set.reader,
                   type == NULL ? &chooser : NULL);
    while (got != PEN_NEXT_END) {
        const size_t room = step < WINDOW - have ? step : WINDOW - have;
        const size_t more = input.len - fed < room ? input.len - fed : room;
        struct pen_record record;
        assert_true(more > 0 || fed == input.len);
        memcpy(window + have, input.ptr + fed, more);
        have += more;
        fed += more;
        memset(window + have, ' ', PEN_JSON_PADDING);
        envelope_window(set.envelope, (pen_slice){window, have}, fed == input.len);
        while ((got = envelope_next(set.envelope, &record, &err)) <= PEN_NEXT_BAD) {
            say(set.envelope, got, &record, &err);
        }
        const size_t used = envelope_consumed(set.envelope);
        memmove(window, window + used, have - used);
        have -= used;
    }
    if (type == NULL) {
        (void)snprintf(asked, SEEN_MAX, "%.*s", (int)choice.asked.len,
                       choice.asked.len == 0 ? "" : (const char *)choice.asked.ptr);
    }
    pen_buf_fini(&choice.asked);
    set_free(&choice.text);
    set_free(&choice.json);
    set_free(&set);
    free(window);
    return err.status;
}

/* The same whatever the windows. */
static pen_status read_all(const struct pen_type *type, const char *key, const char *text)
{
    static char whole[SEEN_MAX];
    const size_t steps[] = {1, 7, 100};
    const pen_status st = read_in(type, key, text, WINDOW);
    (void)memcpy(whole, seen, SEEN_MAX);
    for (size_t i = 0; i < PEN_COUNT(steps); i++) {
        assert_int_equal(read_in(type, key, text, steps[i]), st);
        assert_string_equal(seen, whole);
    }
    return st;
}

#define HEAD(type, group)                                                                  \
    "{\"messageType\":\"" type "\",\"owner\":\"123456789012\",\"logGroup\":\"" group "\"," \
    "\"logStream\":\"s\",\"subscriptionFilters\":[\"f\"],\"logEvents\":["
#define EVENT(id, message) \
    "{\"id\":\"" id "\",\"timestamp\":1432826855000,\"message\":\"" message "\"}"

static void envelopes_stand_behind_one_another_without_anything_between(void **state)
{
    (void)state;
    static const char text[] = HEAD("DATA_MESSAGE", "g1")
        EVENT("1", "{\\\"a\\\":1}") "," EVENT("2", "{\\\"a\\\":2}") "]}" HEAD("DATA_MESSAGE", "g2")
            EVENT("3", "{\\\"a\\\":3}") "]}";
    assert_int_equal(read_all(&json_type, "", text), PEN_OK);
    assert_string_equal(seen, "0 @126 {\"a\":1}|g1|1|123456789012|\n"
                              "1 @185 {\"a\":2}|g1|2|123456789012|\n"
                              "2 @371 {\"a\":3}|g2|3|123456789012|\n");
    static const char marked[] = "\xef\xbb\xbf" HEAD("DATA_MESSAGE", "g") EVENT("1", "{}") "]}";
    assert_int_equal(read_all(&json_type, "", marked), PEN_OK);
    assert_string_equal(seen, "0 @128 {}|g|1|123456789012|\n");
}

static void each_envelope_is_of_its_own_type(void **state)
{
    (void)state;
    static const char text[] = HEAD("DATA_MESSAGE", "x1")
        EVENT("1", "lost") "," EVENT("2", "lost too") "]}" HEAD("CONTROL_MESSAGE", "")
            EVENT("3", "CWL CONTROL MESSAGE") "]}" HEAD("DATA_MESSAGE", "t1")
                EVENT("4", "one two") "," EVENT("5", "three four") "]}" HEAD(
                    "DATA_MESSAGE", "x2") "]}" HEAD("DATA_MESSAGE", "j1")
                    EVENT("6", "{\\\"a\\\":1}") "]}" HEAD("DATA_MESSAGE", "x3")
                        EVENT("7", "y") "]}" HEAD("DATA_MESSAGE", "t2") EVENT("8", "five six") "]}";
    assert_int_equal(read_all(NULL, "", text), PEN_OK);
    assert_string_equal(asked, "x1,s,lost\nt1,s,one two\nj1,s,{\\\"a\\\":1}\nx3,s,y\n"
                               "t2,s,five six\n");
    assert_non_null(strstr(seen, "0 @"));
    assert_non_null(strstr(seen, " one two|t1|4|123456789012|\n1 @"));
    assert_non_null(strstr(seen, " three four|t1|5|123456789012|\n2 @"));
    assert_non_null(strstr(seen, " {\"a\":1}|j1|6|123456789012|\n3 @"));
    assert_non_null(strstr(seen, " five six|t2|8|123456789012|\n"
                                 "4 @126 bad: 3 log events of 2 envelopes are not read: no log "
                                 "type fits their log groups, the first `x1`\n"));
}

static void an_object_of_envelopes_without_a_type_has_no_records(void **state)
{
    (void)state;
    static const char text[] = HEAD("DATA_MESSAGE", "x1") EVENT("1", "lost") "]}";
    assert_int_equal(read_all(NULL, "", text), PEN_OK);
    assert_string_equal(seen, "");
}

static void control_messages_are_no_records(void **state)
{
    (void)state;
    static const char text[] = HEAD("CONTROL_MESSAGE", "")
        EVENT("1", "CWL CONTROL MESSAGE") "]}\n" HEAD("DATA_MESSAGE", "g")
            EVENT("2", "one two") "]}\n";
    assert_int_equal(read_all(&text_type, "", text), PEN_OK);
    assert_string_equal(seen, "0 @323 one two|g|2|123456789012|\n");
}

static void a_message_is_one_record_whatever_lines_it_has(void **state)
{
    (void)state;
    static const char text[] = HEAD("DATA_MESSAGE", "g")
        EVENT("1", "one two\\nthree\\n") "," EVENT("2", "\\n") "," EVENT("3", "nothing") "]}";
    assert_int_equal(read_all(&text_type, "", text), PEN_OK);
    assert_string_equal(seen, "0 @125 one two\nthree|g|1|123456789012|\n"
                              "1 @243 nothing|g|3|123456789012|problem\n");
}

static void a_bad_message_is_one_dead_letter_and_the_next_is_read(void **state)
{
    (void)state;
    static const char text[] =
        HEAD("DATA_MESSAGE", "g") EVENT("1", "no json") "," EVENT("2", "{\\\"a\\\":") "," EVENT(
            "3", "{\\\"a\\\":3} {}") ",7,{\"id\":\"4\"}," EVENT("5", "{\\\"a\\\":5}") "]}";
    assert_int_equal(read_all(&json_type, "", text), PEN_OK);
    assert_string_equal(seen, "0 @125 bad: no JSON object\n"
                              "1 @182 bad: the input ends inside a value\n"
                              "2 @239 bad: more than one value\n"
                              "3 @301 bad: a record that is no object\n"
                              "4 @303 bad: no log event with a message, which an envelope of "
                              "CloudWatch Logs holds\n"
                              "5 @314 {\"a\":5}|g|5|123456789012|\n");
}

static void an_open_string_costs_no_more_than_its_line(void **state)
{
    (void)state;
    static const char text[] = HEAD("DATA_MESSAGE", "g")
        EVENT("1", "one two") ",{\"id\":\"open}]}\n" HEAD("DATA_MESSAGE", "h") "\n" EVENT(
            "2",
            "three four") ",\n{\"id\":\"open},\n" EVENT("3",
                                                        "five six") "\n]}\n{\"owner\":\"open,"
                                                                    "\"logEvents\":[]}\n" HEAD("DAT"
                                                                                               "A_"
                                                                                               "MES"
                                                                                               "SAG"
                                                                                               "E",
                                                                                               "i")
                                                                        EVENT("4", "seven eight") "],\"z\":\"open}\n" HEAD(
                                                                            "DATA_MESSAGE", "k")
                                                                            EVENT("5",
                                                                                  "nine ten") "]}";
    assert_int_equal(read_all(&text_type, "", text), PEN_OK);
    assert_string_equal(seen, "0 @125 one two|g|1|123456789012|\n"
                              "1 @182 bad: a string without an end\n"
                              "2 @323 three four|h|2|123456789012|\n"
                              "3 @384 bad: a string without an end\n"
                              "4 @398 five six|h|3|123456789012|\n"
                              "5 @459 bad: a string without an end\n"
                              "6 @615 seven eight|i|4|123456789012|\n"
                              "7 @681 bad: a string without an end\n"
                              "8 @813 nine ten|k|5|123456789012|\n");
    static const char events[] = "{\"detail-type\":\"t\",\"resources\":[],\"detail\":{\"a\":1}}\n"
                                 "{\"detail-type\":\"open}\n{\n  \"a\": \"open,\n  \"b\": {}\n}\n"
                                 "{\"a\":2}\n{\"a\":\"open";
    assert_int_equal(read_all(&json_type, "", events), PEN_E_TRUNCATED);
    assert_string_equal(seen, "0 @0 {\"a\":1}||||\n"
                              "1 @52 bad: a string without an end\n"
                              "2 @74 bad: a string without an end\n"
                              "3 @102 {\"a\":2}||||\n");
    static const char within[] = "{\"detail-type\":\"t\",\"resources\":[],\"detail\":{\"a\":1}}\n"
                                 "{\"a\":\"x\ny\"}\n{\"a\":2}\n";
    assert_int_equal(read_all(&json_type, "", within), PEN_OK);
    assert_string_equal(seen, "0 @0 {\"a\":1}||||\n"
                              "1 @52 bad: a line feed in a string\n"
                              "2 @64 {\"a\":2}||||\n");
}

/* What is larger than a part may be is told once, with its length where nothing of it is an object.
 */
static void what_is_too_large_is_one_dead_letter(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after, *want;
    } cases[] = {
        {"", "\n", "a record that is no object, of 30000 bytes"},
        {"", "\r\n", "a record that is no object, of 30001 bytes"},
        {"", "", "a record that is no object, of 30000 bytes"},
        {"{\"a\":\"", "\"}\n", "record larger than 8192 bytes"},
        {"{\"a\":\"", "}\n", "record larger than 8192 bytes"},
        {"{\n  \"a\": \"open\n  \"b\": {\"c\": \"", "\"}\n}\n", "record larger than 8192 bytes"},
    };
    static const char event[] = "{\"detail-type\":\"t\",\"resources\":[],\"detail\":{\"a\":1}}\n";
    static char text[40000];
    static char want[400];
    for (size_t i = 0; i < PEN_COUNT(cases); i++) {
        const int at = snprintf(text, sizeof(text), "%s%s", event, event);
        const int more = snprintf(text + at, sizeof(text) - (size_t)at, "%s", cases[i].before);
        (void)memset(text + at + more, 'x', 30000);
        (void)snprintf(text + at + more + 30000, sizeof(text) - 30000 - (size_t)(at + more), "%s%s",
                       cases[i].after, event);
        (void)snprintf(want, sizeof(want),
                       "0 @0 {\"a\":1}||||\n1 @%d {\"a\":1}||||\n2 @%d bad: %s\n"
                       "3 @%d {\"a\":1}||||\n",
                       at / 2, at, cases[i].want, at + more + 30000 + (int)strlen(cases[i].after));
        assert_int_equal(read_all(&json_type, "", text), PEN_OK);
        assert_string_equal(seen, want);
    }
}

static void whole_events_of_an_envelope_that_is_cut_are_read(void **state)
{
    (void)state;
    static const char text[] = HEAD("DATA_MESSAGE", "g") EVENT("1", "one two") "," EVENT("2", "on");
    char cut[sizeof(text)];
    memcpy(cut, text, sizeof(text));
    cut[sizeof(text) - 4] = 0;
    assert_int_equal(read_all(&text_type, "", cut), PEN_E_TRUNCATED);
    assert_string_equal(seen, "0 @125 one two|g|1|123456789012|\n");
}

static void records_that_stand_as_they_are_are_in_no_envelope(void **state)
{
    (void)state;
    static const char *const plain[] = {"{\"Records\":[{\"logEvents\":[]}]}",
                                        "{\"a\":{\"logEvents\":[]}}",
                                        "",
                                        "[",
                                        "{\"owner\":\"x\"}",
                                        "{\"logGroup\":1,\"logEvents\":2}"};
    for (size_t i = 0; i < PEN_COUNT(plain); i++) {
        assert_int_equal(envelope_kind(&json_type, (pen_slice){0}, pen_slice_str(plain[i])), 0);
    }
    const struct pen_type bare = {.envelopes = 0};
    assert_int_equal(
        envelope_kind(&bare, (pen_slice){0}, PEN_SLICE_LIT("{\"logGroup\":1,\"logEvents\":[")), 0);
}

#define LOG(more, log) \
    "{\"log\":\"" log "\",\"container_id\":\"c1\",\"container_name\":\"web\"," more "}\n"
#define PIECE(id, last)                                                       \
    "\"source\":\"stdout\",\"partial_message\":\"true\",\"partial_id\":\"" id \
    "\",\"partial_last\":\"" last "\""

static void pieces_of_a_message_are_joined(void **state)
{
    (void)state;
    static const char text[] = LOG("\"source\":\"stdout\"", "one two")
        LOG(PIECE("a", "false"), "x y") LOG(PIECE("b", "false"), "p q")
            LOG(PIECE("a", "true"), "z\\n") LOG("\"source\":\"stderr\"", "bad luck");
    assert_int_equal(read_all(&text_type, "", text), PEN_OK);
    assert_non_null(strstr(seen, "0 @0 one two||web||\n"));
    assert_non_null(strstr(seen, "1 @79 x yz||web||\n"));
    assert_non_null(strstr(seen, "2 @"));
    assert_non_null(strstr(seen, " bad: the last piece of a message is not there\n"));
}

static void lines_of_an_export_are_messages_with_their_time_before_them(void **state)
{
    (void)state;
    static const char text[] = "2025-01-02T00:00:00.001Z one two\nthree\n"
                               "2025-01-02T00:00:00.002Z four five\n"
                               "2025-01-02T00:00:00.003Z \n"
                               "2025-01-02T00:00:00.004Z\nsix seven\n";
    static const char key[] = "a/01234567-89ab-cdef-0123-456789abcdef/my-stream/000000.gz";
    assert_int_equal(envelope_kind(&text_type, (pen_slice){0}, pen_slice_str(text)), 0);
    assert_int_equal(read_all(&text_type, key, text), PEN_OK);
    assert_string_equal(seen, "0 @0 one two\nthree||2025-01-02T00:00:00.001Z||\n"
                              "1 @39 four five||2025-01-02T00:00:00.002Z||\n"
                              "2 @100 six seven||2025-01-02T00:00:00.004Z||\n");
    assert_int_equal(read_all(&json_type, "", "2025-01-02T00:00:00.001Z {\"a\":1}"), PEN_OK);
    assert_string_equal(seen, "0 @0 {\"a\":1}||2025-01-02T00:00:00.001Z||\n");
}

static void the_detail_of_an_event_is_the_record(void **state)
{
    (void)state;
    static const char text[] =
        "{\"id\":\"i1\",\"detail-type\":\"t\",\"account\":\"111122223333\",\"resources\":[],"
        "\"detail\":{\"a\":1}}{\"b\":{\"detail\":2}}";
    assert_int_equal(read_all(&json_type, "", text), PEN_OK);
    assert_string_equal(seen, "0 @0 {\"a\":1}||i1|111122223333|\n"
                              "1 @86 {\"b\":{\"detail\":2}}||||\n");
    static const char nested[] = HEAD("DATA_MESSAGE", "g")
        EVENT("9", "{\\\"id\\\":\\\"i2\\\",\\\"detail-type\\\":\\\"t\\\",\\\"resources\\\":[],"
                   "\\\"detail\\\":{\\\"a\\\":\\\"\\\\\\\"\\\"}}") "," EVENT("8", "{}") "]}";
    assert_int_equal(read_all(&json_type, "", nested), PEN_OK);
    assert_non_null(strstr(seen, "{\"a\":\"\\\"\"}|g|i2|123456789012|\n"));
    assert_non_null(strstr(seen, "{}|g|8|123456789012|\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envelopes_stand_behind_one_another_without_anything_between),
        cmocka_unit_test(each_envelope_is_of_its_own_type),
        cmocka_unit_test(an_object_of_envelopes_without_a_type_has_no_records),
        cmocka_unit_test(control_messages_are_no_records),
        cmocka_unit_test(a_message_is_one_record_whatever_lines_it_has),
        cmocka_unit_test(a_bad_message_is_one_dead_letter_and_the_next_is_read),
        cmocka_unit_test(an_open_string_costs_no_more_than_its_line),
        cmocka_unit_test(what_is_too_large_is_one_dead_letter),
        cmocka_unit_test(whole_events_of_an_envelope_that_is_cut_are_read),
        cmocka_unit_test(pieces_of_a_message_are_joined),
        cmocka_unit_test(lines_of_an_export_are_messages_with_their_time_before_them),
        cmocka_unit_test(the_detail_of_an_event_is_the_record),
        cmocka_unit_test(records_that_stand_as_they_are_are_in_no_envelope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
