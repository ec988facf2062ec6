#include "names.h"
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 2000

static void touch(const char *dir, const char *name)
{
    char path[600];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
}

static void wipe(const char *dir)
{
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        (void)unlinkat(dirfd(d), e->d_name, 0);
    }
    (void)unlinkat(dirfd(d), "sub", AT_REMOVEDIR);
    (void)closedir(d);
    assert_int_equal(rmdir(dir), 0);
}

/* Files f000000, f000007, ...: made in another order than that of their names. */
static void make(char *dir)
{
    assert_non_null(mkdtemp(dir));
    for (uint32_t i = 0; i < FILES; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "f%06u", i * 7919 % FILES * 7);
        touch(dir, name);
    }
    char sub[64];
    (void)snprintf(sub, sizeof(sub), "%s/sub", dir);
    assert_int_equal(mkdir(sub, 0700), 0);
}

static void names_come_once_each_in_order_whatever_the_window(void **state)
{
    (void)state;
    char dir[] = "/tmp/penstock-names-XXXXXX";
    make(dir);
    const size_t windows[] = {0, 1, 40, 1000, 20000};
    for (size_t w = 0; w < PEN_COUNT(windows); w++) {
        struct folder_names names = {.bytes_max = windows[w]};
        struct pen_err err = {0};
        const char *name = NULL;
        const uint32_t files = windows[w] == 1 || windows[w] == 40 ? 50 : FILES;
        for (uint32_t i = 0; i < files; i++) {
            char want[32];
            (void)snprintf(want, sizeof(want), "f%06u", i * 7);
            assert_int_equal(names_next(&names, dir, &name, &err), PEN_OK);
            assert_string_equal(name, want);
            assert_true(i + 1 == FILES || names_left(&names));
        }
        if (files == FILES) {
            assert_false(names_left(&names));
            assert_int_equal(names_next(&names, dir, &name, &err), PEN_OK);
            assert_null(name);
        }
        names_close(&names);
    }
    wipe(dir);
}

static void a_window_holds_no_more_than_it_may(void **state)
{
    (void)state;
    char dir[] = "/tmp/penstock-names-XXXXXX";
    make(dir);
    struct folder_names names = {.bytes_max = 1000};
    struct pen_err err = {0};
    const char *name = NULL;
    for (uint32_t i = 0; i < FILES; i++) {
        assert_int_equal(names_next(&names, dir, &name, &err), PEN_OK);
        assert_non_null(name);
        assert_true(names.len + names.count * sizeof(size_t) <= 1000);
    }
    names_close(&names);
    wipe(dir);
}

static void names_that_come_behind_the_window_are_given(void **state)
{
    (void)state;
    char dir[] = "/tmp/penstock-names-XXXXXX";
    make(dir);
    struct folder_names names = {.bytes_max = 1000};
    struct pen_err err = {0};
    const char *name = NULL;
    assert_int_equal(names_next(&names, dir, &name, &err), PEN_OK);
    touch(dir, "a comes too late");
    touch(dir, "z");
    uint32_t count = 0;
    char last[64] = "";
    while (name != NULL) {
        count++;
        (void)snprintf(last, sizeof(last), "%s", name);
        assert_int_equal(names_next(&names, dir, &name, &err), PEN_OK);
    }
    assert_int_equal(count, FILES + 1);
    assert_string_equal(last, "z");
    names_close(&names);
    wipe(dir);
}

static void an_empty_folder_has_none_and_a_missing_one_fails(void **state)
{
    (void)state;
    char dir[] = "/tmp/penstock-names-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct folder_names names = {0};
    struct pen_err err = {0};
    const char *name = "";
    assert_int_equal(names_next(&names, dir, &name, &err), PEN_OK);
    assert_null(name);
    assert_false(names_left(&names));
    names_close(&names);
    wipe(dir);
    assert_int_equal(names_next(&names, dir, &name, &err), PEN_E_DENIED);
    assert_non_null(strstr(err.text, "No such file"));
    names_close(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_come_once_each_in_order_whatever_the_window),
        cmocka_unit_test(a_window_holds_no_more_than_it_may),
        cmocka_unit_test(names_that_come_behind_the_window_are_given),
        cmocka_unit_test(an_empty_folder_has_none_and_a_missing_one_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
