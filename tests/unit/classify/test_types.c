#include "penstock/classify.h"

#include "keys.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

static void write_type(const char *dir, const char *name, const char *text)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void the_built_in_types_are_there_in_order(void **state)
{
    (void)state;
    struct pen_types *types = NULL;
    struct pen_err err;
    assert_int_equal(pen_types_load(NULL, &types, &err), PEN_OK);
    assert_true(pen_types_count(types) > 3);
    for (uint32_t i = 0; i < pen_types_count(types); i++) {
        const struct pen_type *type = pen_types_at(types, i);
        assert_int_equal(type->id, i);
        assert_true(pen_types_find(types, type->name) == type);
    }
    const struct pen_type *trail = pen_types_find(types, PEN_SLICE_LIT("cloudtrail"));
    assert_non_null(trail);
    assert_int_equal(trail->map_count, 14);
    assert_int_equal(trail->to_text_count, 34);
    assert_int_equal(trail->identity_count, 4);
    assert_int_equal(trail->static_count, 2);
    assert_true(pen_slice_eq(trail->array_key, PEN_SLICE_LIT("Records")));
    pen_types_free(types);
}

static void a_type_has_the_sources_that_datadog_names(void **state)
{
    static const struct {
        const char *type, *sources; /* with a blank behind each */
    } rows[] = {{"alb", "elb alb "},
                {"vpcflowlogs", "vpc "},
                {"eks-audit", "kubernetes.audit "},
                {"cloudtrail", ""},
                {"rds-postgresql", "postgresql rds "}};
    struct pen_types *types = NULL;
    struct pen_err err;
    (void)state;
    assert_int_equal(pen_types_load(NULL, &types, &err), PEN_OK);
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        const struct pen_type *type = pen_types_find(types, pen_slice_str(rows[i].type));
        char got[128] = "";
        size_t len = 0;
        assert_non_null(type);
        for (uint32_t k = 0; k < type->source_count; k++) {
            len += (size_t)snprintf(got + len, sizeof(got) - len, "%.*s ",
                                    PEN_SLICE_FMT(type->sources[k]));
        }
        assert_string_equal(got, rows[i].sources);
    }
    pen_types_free(types);
}

/* Keys as they are made when penstock is built, and as they are made at the start. */
static void keys_compiled_ahead_match_as_those_compiled_now(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "AWSLogs/123456789012/CloudTrail/eu-west-1/2025/01/02/123456789012_CloudTrail_eu-west-1_"
        "20250102T0305Z_x.json.gz",
        "AWSLogs/123456789012/vpcflowlogs/eu-west-1/2025/01/02/123456789012_vpcflowlogs_x.log.gz",
        "AWSLogs/123456789012/elasticloadbalancing/eu-west-1/2025/01/02/123456789012_"
        "elasticloadbalancing_eu-west-1_app.x.1_20250102T0305Z_10.0.0.1_abc.log.gz",
        "logs/2025-01-02-03-04-05-0123456789ABCDEF",
        "nothing",
        ""};
    char dir[] = "/tmp/pen-types-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct pen_types *types[2] = {NULL};
    struct pen_classifier *classifiers[2] = {NULL};
    struct pen_err err;
    struct hs_database *ahead = keys_built_in();
    assert_non_null(ahead);
    keys_free(ahead);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pen_types_load(i == 0 ? NULL : dir, &types[i], &err), PEN_OK);
        assert_int_equal(pen_classifier_new(types[i], &classifiers[i], &err), PEN_OK);
    }
    for (size_t i = 0; i < PEN_COUNT(keys); i++) {
        struct pen_key_info info[2];
        for (int k = 0; k < 2; k++) {
            pen_classify_key(classifiers[k], pen_slice_str(keys[i]), &info[k]);
        }
        assert_true(pen_slice_eq(info[0].type->name, info[1].type->name));
        assert_true((info[0].type == pen_types_find(types[0], PEN_SLICE_LIT("unknown"))) ==
                    (i > 3));
    }
    for (int i = 0; i < 2; i++) {
        pen_classifier_free(classifiers[i]);
        pen_types_free(types[i]);
    }
}

static void a_users_type_wins_over_a_built_in_one(void **state)
{
    (void)state;
    char dir[] = "/tmp/pen-types-XXXXXX";
    assert_non_null(mkdtemp(dir));
    write_type(dir, "a.yaml", "name: app\nkey: 'CloudTrail/app'\nindex: log-app\n");
    struct pen_types *types = NULL;
    struct pen_classifier *classifier = NULL;
    struct pen_err err;
    struct pen_key_info info;
    assert_int_equal(pen_types_load(dir, &types, &err), PEN_OK);
    assert_int_equal(pen_classifier_new(types, &classifier, &err), PEN_OK);
    pen_classify_key(classifier, PEN_SLICE_LIT("x/CloudTrail/app/1"), &info);
    assert_true(pen_slice_eq(info.type->name, PEN_SLICE_LIT("app")));
    pen_classifier_free(classifier);
    pen_types_free(types);
}

static void an_index_has_one_template(void **state)
{
    (void)state;
    char dir[] = "/tmp/pen-types-XXXXXX";
    assert_non_null(mkdtemp(dir));
    write_type(dir, "a.yaml",
               "name: a\nindex: i\ntemplate: '{\"settings\":{}}'\n---\nname: b\nindex: i\n---\n"
               "name: c\nindex: i\ntemplate: ' {\"settings\":{}} '\n---\nname: d\nindex: log-d\n"
               "template: '{\"mappings\":{}}'\n");
    struct pen_types *types = NULL;
    struct pen_err err;
    pen_slice names[PEN_TYPES_MAX];
    pen_slice bodies[PEN_TYPES_MAX];
    assert_int_equal(pen_types_load(dir, &types, &err), PEN_OK);
    assert_int_equal(pen_types_templates(types, names, bodies), 2);
    assert_true(pen_slice_eq(names[0], PEN_SLICE_LIT("i")));
    assert_true(pen_slice_eq(bodies[0], PEN_SLICE_LIT("{\"settings\":{}}")));
    assert_true(pen_slice_eq(names[1], PEN_SLICE_LIT("log-d")));
    assert_true(pen_slice_eq(bodies[1], PEN_SLICE_LIT("{\"mappings\":{}}")));
    pen_types_free(types);
}

static void a_bad_type_file_is_told_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } bad[] = {{"name: a\nindex: i\nkey: '('\n", "bad.yaml:3:6: "},
               {"name: a\nindex: i\nkind: x\n", "bad.yaml:3:1: "},
               {"name: a\n", "bad.yaml:1:1: "},
               {"- a\n", "bad.yaml:1:1: "},
               {"name: a\nindex: i\nsources: 'a*'\n", "bad.yaml:3:10: a source is made of"},
               {"name: a\nindex: i\nsources: ['']\n", "bad.yaml:3:10: "},
               {"name: a\nindex: i\ntemplate: none.json\n", "bad.yaml:3:11: the template /tmp/"},
               {"name: a\nindex: i\ntemplate: [a]\n", "bad.yaml:3:11: JSON in a text"},
               {"name: a\nindex: i\ntemplate: '{\"settings\":{}}'\n---\nname: b\nindex: i\n"
                "template: '{\"mappings\":{}}'\n",
                "bad.yaml:5:1: the types a and b have the same index"},
               {"name: [\n", "bad.yaml:"}};
    for (size_t i = 0; i < PEN_COUNT(bad); i++) {
        char dir[] = "/tmp/pen-types-XXXXXX";
        struct pen_types *types = NULL;
        struct pen_err err;
        assert_non_null(mkdtemp(dir));
        write_type(dir, "bad.yaml", bad[i].text);
        assert_int_equal(pen_types_load(dir, &types, &err), PEN_E_CONFIG);
        assert_non_null(strstr(err.text, bad[i].want));
    }
}

static void a_type_says_how_its_index_rotates(void **state)
{
    (void)state;
    char dir[] = "/tmp/pen-types-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct pen_types *types = NULL;
    struct pen_err err;
    write_type(dir, "a.yaml",
               "name: a\nkey: a\nindex: log-a\nrotation: weekly\n---\n"
               "name: b\nkey: b\nindex: log-b\n---\n"
               "name: c\nkey: c\nindex: log-c\nrotation: aoss\n");
    assert_int_equal(pen_types_load(dir, &types, &err), PEN_OK);
    assert_int_equal(pen_types_find(types, PEN_SLICE_LIT("a"))->rotation, PEN_ROTATE_WEEKLY);
    assert_int_equal(pen_types_find(types, PEN_SLICE_LIT("b"))->rotation, PEN_ROTATE_MONTHLY);
    assert_int_equal(pen_types_find(types, PEN_SLICE_LIT("c"))->rotation, PEN_ROTATE_AOSS);
    pen_types_free(types);
    write_type(dir, "a.yaml", "name: a\nkey: a\nindex: log-a\nrotation: hourly\n");
    assert_int_equal(pen_types_load(dir, &types, &err), PEN_E_CONFIG);
    assert_non_null(strstr(err.text, "a.yaml:4:"));
    assert_non_null(strstr(err.text, "weekly"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_built_in_types_are_there_in_order),
        cmocka_unit_test(a_type_has_the_sources_that_datadog_names),
        cmocka_unit_test(keys_compiled_ahead_match_as_those_compiled_now),
        cmocka_unit_test(a_users_type_wins_over_a_built_in_one),
        cmocka_unit_test(a_type_says_how_its_index_rotates),
        cmocka_unit_test(an_index_has_one_template),
        cmocka_unit_test(a_bad_type_file_is_told_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
