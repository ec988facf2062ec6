#include "penstock/classify.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>

/* What the import of an ini gives: the status, documents and lines as texts. */
struct made {
    pen_status status;
    struct pen_err err;
    struct pen_buf yaml, told;
};

static struct made made(const char *ini)
{
    struct made m = {.err = {.status = PEN_OK}};
    pen_buf_init(&m.yaml, SIZE_MAX);
    pen_buf_init(&m.told, SIZE_MAX);
    m.status = pen_types_import(pen_slice_str(ini), &m.yaml, &m.told, &m.err);
    assert_int_equal(pen_buf_add_byte(&m.yaml, 0), PEN_OK);
    assert_int_equal(pen_buf_add_byte(&m.told, 0), PEN_OK);
    return m;
}

static void made_free(struct made *m)
{
    pen_buf_fini(&m->yaml);
    pen_buf_fini(&m->told);
}

static void gives(const char *ini, const char *yaml, const char *told)
{
    struct made m = made(ini);
    assert_int_equal(m.status, PEN_OK);
    assert_string_equal((const char *)m.yaml.ptr, yaml);
    assert_string_equal((const char *)m.told.ptr, told);
    made_free(&m);
}

static void a_section_becomes_a_type(void **state)
{
    (void)state;
    gives(
        "# sample\n"
        "[okta]\n"
        "s3_key = okta-logs\n"
        "file_format = json\n"
        "index_name = log-okta\n"
        "index_tz = +09:00\n"
        "timestamp_key = published\n"
        "script_ecs = event.outcome\n"
        "geoip = source\n"
        "ecs = source.ip related.ip user.name\n"
        "source.ip = client.ipAddress client.address\n"
        "related.ip = [client.ipAddress,\n"
        "    client.it's]\n"
        "user.name = actor.id\n"
        "static_ecs = event.kind event.category @log_type\n"
        "@log_type = x\n"
        "event.kind = event\n"
        "event.category = [\"web\", iam]\n"
        "unheard = 1\n",
        "name: 'okta'\n"
        "key: 'okta-logs'\n"
        "time: ['published']\n"
        "id: 'md5'\n"
        "index: 'log-okta'\n"
        "identity: ['actor.id']\n"
        "map:\n"
        "  'source.ip': ['client.ipAddress', 'client.address']\n"
        "  'related.ip': [['client.ipAddress', 'client.it''s']]\n"
        "  'user.name': ['actor.id']\n"
        "fixed:\n"
        "  'event.kind': '\"event\"'\n"
        "  'event.category': '[\"\\\"web\\\"\",\"iam\"]'\n",
        "line 6: [okta] index_tz: indexes are named by the time of the event, in UTC\n"
        "line 8: [okta] script_ecs: its Python script is not run; what the script adds is missing\n"
        "line 9: [okta] geoip: enrichment is set for all types at once\n"
        "line 19: [okta] unheard: no list of the section names it\n");
}

static void framings_times_and_values_of_values_are_carried_over(void **state)
{
    (void)state;
    gives("[DEFAULT]\nbase = log\nindex_name = ${base}-x\n"
          "[a]\ns3_key: ^a/\nfile_format = multiline\nmultiline_firstline = ^\\d\n"
          "log_pattern = (?P<t>\\d+)\n   (?P<m>.*$$)\ntext_header_line_number = 2\n"
          "timestamp_key_list = t cwl_timestamp file_timestamp\ntimestamp_format = epoch\n"
          "[b]\ns3_key = b\nfile_format = csv\ncsv_delimiter = \\t\nindex_name = ${a:s3_key}\n"
          "timestamp_key = t\ntimestamp_format = %j\ndoc_id = i\nindex_rotation = weekly\n"
          "[c]\ns3_key = c\nfile_format = winevtxml\nrenamed_newfields = n\nn = o\n"
          "index_rotation = hourly\n",
          "name: 'a'\nkey: '^a/'\nformat: 'text'\npattern: \"(?P<t>\\\\d+)\\x0a(?P<m>.*$)\"\n"
          "first_line: '^\\d'\nheader_lines: '2'\ntime: ['t', 'cwl_timestamp', '@key']\ntime_form: "
          "'epoch'\n"
          "id: 'md5'\nindex: 'log-x'\n"
          "---\nname: 'b'\nkey: 'b'\nformat: 'columns'\nseparator: 'tab'\ntime: ['t']\nid: 'i'\n"
          "index: '^a/'\nrotation: 'weekly'\n"
          "---\nname: 'c'\nkey: 'c'\nformat: 'windows-event'\nid: 'md5'\nindex: 'log-x'\n"
          "map:\n  'n': ['o']\n",
          "line 19: [b] timestamp_format: known are %Y %y %m %d %H %I %M %S %f %b %a %p %z, epoch, "
          "iso8601 and syslog\n"
          "line 25: [c] renamed_newfields: fields get their new names, the old ones stay beside "
          "them\n"
          "line 27: [c] index_rotation: indexes are named by the month: this is no rotation\n");
}

static void forms_and_zones_of_times_are_carried_over(void **state)
{
    (void)state;
    gives("[a]\ns3_key=a\nfile_format=json\nindex_name=a\ntimestamp_key=t\n"
          "timestamp_format_list=[\"%d/%m/%Y\", \"%j\", \"iso8601\", \"\\\"epoch\\\"\", 7]\n"
          "timestamp_tz = +09:00\n"
          "[b]\ns3_key=b\nfile_format=json\nindex_name=b\ntimestamp_key=t\n"
          "timestamp_format=syslog\ntimestamp_tz = Asia/Tokyo\n"
          "[c]\ns3_key=c\nfile_format=json\nindex_name=c\ntimestamp_key=t\n"
          "timestamp_format=\"epoch\"\ntimestamp_tz = +00:00\n"
          "[d]\ns3_key=d\nfile_format=json\nindex_name=d\ntimestamp_key=t\n"
          "timestamp_format=iso8601\n",
          "name: 'a'\nkey: 'a'\ntime: ['t']\ntime_form: ['%d/%m/%Y', 'rfc3339', 'epoch']\n"
          "time_zone: '+09:00'\nid: 'md5'\nindex: 'a'\n"
          "---\nname: 'b'\nkey: 'b'\ntime: ['t']\ntime_form: 'syslog'\nid: 'md5'\nindex: 'b'\n"
          "---\nname: 'c'\nkey: 'c'\ntime: ['t']\ntime_form: 'epoch'\nid: 'md5'\nindex: 'c'\n"
          "---\nname: 'd'\nkey: 'd'\ntime: ['t']\nid: 'md5'\nindex: 'd'\n",
          "line 6: [a] timestamp_format_list: known are %Y %y %m %d %H %I %M %S %f %b %a %p %z, "
          "epoch, iso8601 and syslog\n"
          "line 6: [a] timestamp_format_list: a list of texts in JSON is wanted\n"
          "line 14: [b] timestamp_tz: +hh:mm or -hh:mm is wanted\n");
}

static void what_no_type_can_be_made_of_is_told(void **state)
{
    (void)state;
    gives("[cloudtrail]\nindex_tz = +09:00\n[x]\ns3_key=x\nfile_format=cef\nindex_name=x\n"
          "[y]\ns3_key=y\nfile_format=text\nindex_name=y\n",
          "",
          "line 2: [cloudtrail] index_tz: nothing was made of the section: a type needs s3_key, "
          "file_format and index_name (of a built-in type start with `penstock types show`)\n"
          "line 4: [x] s3_key: nothing was made of the section: this file_format is not read\n"
          "line 8: [y] s3_key: nothing was made of the section: it has no log_pattern\n");
    gives("[z]\ns3_key=${z:loop}\nloop=${loop}\nfile_format=json\nindex_name=${none}\n", "",
          "line 2: [z] s3_key: nothing was made of the section: a type needs s3_key, file_format "
          "and index_name (of a built-in type start with `penstock types show`)\n");
}

static void a_wrong_file_is_told_with_its_line(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"a = b\n", "line 1: a key before the first section"},
        {"[a\n", "line 1: the name of a section has no end"},
        {"[a]\n\nnothing\n", "line 3: neither a section, nor a key with a value"},
        {"[a]\nk = 1\n[b]\nk = 2\n[a]\nk: 3\n", "line 6: the key stands twice in its section"}};
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        struct made m = made(rows[i][0]);
        assert_int_equal(m.status, PEN_E_CONFIG);
        assert_string_equal(m.err.text, rows[i][1]);
        made_free(&m);
    }
}

static void what_was_made_loads_as_types(void **state)
{
    (void)state;
    char dir[] = "/tmp/pen-import-XXXXXX";
    char path[64];
    struct pen_types *types = NULL;
    struct pen_err err;
    struct made m = made("[a]\ns3_key = ^a/\nfile_format = text\nlog_pattern = (?P<t>\\d+)\n"
                         "index_name = log-a\n[b]\ns3_key = ^b/\nfile_format = json\n"
                         "index_name = log-b\ntimestamp_key = t\ntimestamp_tz = -03:30\n"
                         "timestamp_format_list = [\"%Y %m\", \"epoch\"]\nstatic_ecs = "
                         "event.kind\nevent.kind = a \"b\" 'c'\n");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/made.yaml", dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs((const char *)m.yaml.ptr, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(pen_types_load(dir, &types, &err), PEN_OK);
    const struct pen_type *a = pen_types_find(types, PEN_SLICE_LIT("a"));
    const struct pen_type *b = pen_types_find(types, PEN_SLICE_LIT("b"));
    assert_true(a != NULL && b != NULL && !a->is_builtin);
    assert_int_equal(a->format, PEN_FORMAT_TEXT);
    assert_true(a->time_form.len == 0 && a->time_zone.len == 0 && a->more_time_form_count == 0);
    assert_true(pen_slice_eq(b->time_form, PEN_SLICE_LIT("%Y %m")));
    assert_int_equal(b->more_time_form_count, 1);
    assert_true(pen_slice_eq(b->more_time_forms[0], PEN_SLICE_LIT("epoch")));
    assert_true(pen_slice_eq(b->time_zone, PEN_SLICE_LIT("-03:30")));
    assert_true(pen_slice_eq(b->statics[0].json, PEN_SLICE_LIT("\"a \\\"b\\\" 'c'\"")));
    pen_types_free(types);
    made_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_section_becomes_a_type),
        cmocka_unit_test(framings_times_and_values_of_values_are_carried_over),
        cmocka_unit_test(forms_and_zones_of_times_are_carried_over),
        cmocka_unit_test(what_no_type_can_be_made_of_is_told),
        cmocka_unit_test(a_wrong_file_is_told_with_its_line),
        cmocka_unit_test(what_was_made_loads_as_types)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
