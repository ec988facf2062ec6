#include "test.h"
#include "type_template.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BODY "{\"mappings\":{\"properties\":{\"a\":{\"type\":\"keyword\"}}},\"settings\":{}}"

struct place {
    char folder[32], type_file[64], template_file[64];
    struct pen_arena arena;
};

static void place_open(struct place *place, const char *text, size_t len)
{
    (void)snprintf(place->folder, sizeof(place->folder), "/tmp/pen-template-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    (void)snprintf(place->type_file, sizeof(place->type_file), "%s/a.yaml", place->folder);
    (void)snprintf(place->template_file, sizeof(place->template_file), "%s/t.json", place->folder);
    FILE *file = fopen(place->template_file, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    pen_arena_init(&place->arena, (size_t)8 << 20);
}

static void place_close(struct place *place)
{
    pen_arena_fini(&place->arena);
    assert_int_equal(unlink(place->template_file), 0);
    assert_int_equal(rmdir(place->folder), 0);
}

static void a_template_stands_in_the_type_or_in_a_file_beside_it(void **state)
{
    (void)state;
    struct place place;
    struct pen_err err;
    place_open(&place, BODY "\n", sizeof(BODY));
    const char *const texts[] = {BODY, "  " BODY "\n", "t.json", place.template_file};
    for (size_t i = 0; i < PEN_COUNT(texts); i++) {
        pen_slice got;
        assert_int_equal(
            type_template_read(&place.arena, place.type_file, pen_slice_str(texts[i]), &got, &err),
            PEN_OK);
        assert_true(pen_slice_eq(got, PEN_SLICE_LIT(BODY)));
    }
    place_close(&place);
}

static void what_is_no_template_is_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } bad[] = {{"", "JSON, or the path of a file, is wanted"},
               {" ", "JSON, or the path of a file, is wanted"},
               {"{}", "the template is empty"},
               {"{\"mappings\":{}", "no JSON object: byte "},
               {"{\"mappings\":{}} x", "no JSON object: byte "},
               {"{\"mappings\":{},\"priority\":3}", "no `priority`"},
               {"{\"template\":{\"mappings\":{}}}", "no `template`"},
               {"none.json", "none.json cannot be read: No such file"},
               {".", "cannot be read: "}};
    struct place place;
    place_open(&place, BODY, sizeof(BODY) - 1);
    for (size_t i = 0; i < PEN_COUNT(bad); i++) {
        struct pen_err err;
        pen_slice got;
        assert_int_equal(type_template_read(&place.arena, place.type_file,
                                            pen_slice_str(bad[i].text), &got, &err),
                         PEN_E_CONFIG);
        if (strstr(err.text, bad[i].want) == NULL) {
            fail_msg("%s: %s", bad[i].text, err.text);
        }
        assert_int_equal(got.len, 0);
    }
    place_close(&place);
}

static void a_template_has_a_size_that_it_may_have(void **state)
{
    (void)state;
    static char text[TYPE_TEMPLATE_BYTES_MAX + 2];
    static const size_t lens[] = {TYPE_TEMPLATE_BYTES_MAX, TYPE_TEMPLATE_BYTES_MAX + 1};
    for (size_t i = 0; i < PEN_COUNT(lens); i++) {
        struct place place;
        struct pen_err err;
        pen_slice got;
        memset(text, ' ', sizeof(text));
        memcpy(text, "{\"settings\":{", 13);
        memcpy(text + lens[i] - 2, "}}", 2);
        place_open(&place, text, lens[i]);
        const pen_status st =
            type_template_read(&place.arena, place.type_file, PEN_SLICE_LIT("t.json"), &got, &err);
        assert_int_equal(st, i == 0 ? PEN_OK : PEN_E_CONFIG);
        if (i == 1) {
            assert_string_equal(err.text, "the template is larger than 512 KiB");
        } else {
            assert_int_equal(got.len, lens[i]);
        }
        place_close(&place);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_template_stands_in_the_type_or_in_a_file_beside_it),
        cmocka_unit_test(what_is_no_template_is_refused_with_a_reason),
        cmocka_unit_test(a_template_has_a_size_that_it_may_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
