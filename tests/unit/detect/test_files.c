#include "files.h"
#include "folder.h"

#include <unistd.h>

struct seen {
    char names[512]; /* "a.yml=text;" of every call */
    const char *base;
    pen_status answer;
};

static bool is_yml(const char *name)
{
    return rule_name_ends(name, ".yml");
}

static pen_status note(void *ctx, const char *path, pen_slice text, struct pen_err *err)
{
    struct seen *seen = ctx;
    const size_t len = strlen(seen->names);
    const char *name =
        strncmp(path, seen->base, strlen(seen->base)) == 0 ? path + strlen(seen->base) + 1 : path;
    (void)snprintf(seen->names + len, sizeof(seen->names) - len, "%s=%.*s;", name,
                   PEN_SLICE_FMT(text));
    return seen->answer == PEN_OK
               ? PEN_OK
               : PEN_FAIL(err, seen->answer, PEN_NO_OFFSET, "stopped at %s", name);
}

static pen_status run(struct seen *seen, const char *base, const char *path, struct pen_err *err)
{
    const struct rule_files files = {.is_wanted = is_yml, .each = note, .ctx = seen};
    seen->base = base;
    seen->names[0] = '\0';
    return rule_files_each(path, &files, err);
}

static void a_folder_gives_its_wanted_files_by_name_and_then_those_below(void **state)
{
    (void)state;
    struct folder folder;
    struct seen seen = {0};
    struct pen_err err;
    folder_make(&folder);
    folder_sub(&folder, "sub");
    folder_sub(&folder, "suppressions");
    folder_sub(&folder, ".git");
    folder_write(&folder, "b.yml", "B");
    folder_write(&folder, "a.yml", "A");
    folder_write(&folder, "readme.md", "no");
    folder_write(&folder, ".hidden.yml", "no");
    folder_write(&folder, "sub/c.yml", "C");
    folder_write(&folder, "suppressions/d.yml", "D");
    folder_write(&folder, ".git/e.yml", "no");
    assert_int_equal(symlink(folder.path, folder_path(&folder, "sub/loop")), 0);
    assert_int_equal(run(&seen, folder.path, folder.path, &err), PEN_OK);
    assert_string_equal(seen.names, "a.yml=A;b.yml=B;suppressions/d.yml=D;sub/c.yml=C;");
    folder_remove(&folder);
}

static void a_file_is_taken_whatever_its_name(void **state)
{
    (void)state;
    struct folder folder;
    struct seen seen = {0};
    struct pen_err err;
    folder_make(&folder);
    folder_write(&folder, "rule.txt", "text");
    char path[256];
    (void)snprintf(path, sizeof(path), "%s", folder_path(&folder, "rule.txt"));
    assert_int_equal(run(&seen, folder.path, path, &err), PEN_OK);
    assert_string_equal(seen.names, "rule.txt=text;");
    folder_remove(&folder);
}

static void the_first_error_ends_the_walk(void **state)
{
    (void)state;
    struct folder folder;
    struct seen seen = {.answer = PEN_E_RULE};
    struct pen_err err;
    folder_make(&folder);
    folder_write(&folder, "a.yml", "A");
    folder_write(&folder, "b.yml", "B");
    assert_int_equal(run(&seen, folder.path, folder.path, &err), PEN_E_RULE);
    assert_string_equal(seen.names, "a.yml=A;");
    assert_string_equal(err.text, "stopped at a.yml");
    folder_remove(&folder);
}

static void what_is_not_there_or_not_readable_is_named(void **state)
{
    (void)state;
    struct folder folder;
    struct seen seen = {0};
    struct pen_err err;
    assert_int_equal(run(&seen, "/", "/nowhere/rules", &err), PEN_E_IO);
    assert_string_equal(err.text, "/nowhere/rules: no such file or folder");
    folder_make(&folder);
    folder_sub(&folder, "d.yml");
    struct pen_buf text;
    pen_buf_init(&text, RULE_FILE_BYTES_MAX + 1);
    assert_int_equal(rule_file_read(folder_path(&folder, "d.yml"), &text, &err), PEN_E_IO);
    assert_non_null(strstr(err.text, "d.yml: cannot be read"));
    pen_buf_fini(&text);
    assert_int_equal(symlink("nothing", folder_path(&folder, "a.yml")), 0);
    assert_int_equal(run(&seen, folder.path, folder.path, &err), PEN_E_IO);
    assert_non_null(strstr(err.text, "a.yml: cannot be read"));
    folder_remove(&folder);
}

static void the_pack_is_found_by_name(void **state)
{
    (void)state;
    struct seen seen = {.answer = PEN_E_RULE};
    struct pen_err err;
    assert_int_equal(run(&seen, "/", "builtin", &err), PEN_E_RULE);
    assert_non_null(strstr(seen.names, ".yml=t"));
    assert_true(strcspn(seen.names, "/") > strcspn(seen.names, "=")); /* none in the name */
    assert_true(rule_file_builtin("root_account_used.yml").len > 0);
    assert_null(rule_file_builtin("root_account_used").ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_gives_its_wanted_files_by_name_and_then_those_below),
        cmocka_unit_test(a_file_is_taken_whatever_its_name),
        cmocka_unit_test(the_first_error_ends_the_walk),
        cmocka_unit_test(what_is_not_there_or_not_readable_is_named),
        cmocka_unit_test(the_pack_is_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
