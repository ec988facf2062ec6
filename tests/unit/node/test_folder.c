#include "folder.h"
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void names_of_documents_are_known(void **state)
{
    (void)state;
    assert_true(folder_is_document("log-aws-cloudtrail-2025-03-01.000-000001.ndjson.zst"));
    assert_true(folder_is_document("a.b_c.1000-1000000.ndjson.zst"));
    static const char *const others[] = {"thesis.txt",
                                         "",
                                         "-",
                                         ".000-000001.ndjson.zst",
                                         "a.00-000001.ndjson.zst",
                                         "a.000-00001.ndjson.zst",
                                         "a.000-000001.ndjson.zst.bak",
                                         "a.000-000001.ndjson",
                                         "A.000-000001.ndjson.zst",
                                         "a b.000-000001.ndjson.zst",
                                         "a000-000001.ndjson.zst",
                                         "events-2025-03-01.ndjson.zst"};
    for (size_t i = 0; i < PEN_COUNT(others); i++) {
        assert_false(folder_is_document(others[i]));
    }
}

static void names_of_runs_and_of_kept_input_are_known(void **state)
{
    (void)state;
    assert_true(folder_is_run("run-1-0.zst"));
    assert_true(folder_is_run("run-18446744073709551615-255.zst"));
    static const char *const others[] = {"run-",          "run",        "run-1.zst",
                                         "run-1-.zst",    "run--0.zst", "run-1-0.zst.bak",
                                         "a-run-1-0.zst", "run-x-0.zst"};
    for (size_t i = 0; i < PEN_COUNT(others); i++) {
        assert_false(folder_is_run(others[i]));
    }
    assert_true(folder_is_spooled("new"));
    assert_true(folder_is_spooled("0123456789abcdef0123456789abcdef"));
    assert_false(folder_is_spooled("0123456789abcdef0123456789abcdeF"));
    assert_false(folder_is_spooled("0123456789abcdef"));
    assert_false(folder_is_spooled("newer"));
}

static void file_make(const char *dir, const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
}

static bool is_there(const char *dir, const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static bool is_second(void *ctx, const char *name)
{
    (void)ctx;
    return strcmp(name, "run-2-0.zst") == 0;
}

static void a_sweep_removes_files_of_ours_that_are_not_kept(void **state)
{
    (void)state;
    char dir[] = "/tmp/penstock-folder-XXXXXX";
    char below[64];
    struct pen_err err;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(below, sizeof(below), "%s/run-3-0.zst", dir);
    assert_int_equal(mkdir(below, 0700), 0);
    file_make(dir, "run-1-0.zst");
    file_make(dir, "run-2-0.zst");
    file_make(dir, "mine.txt");
    const struct folder_sweep sweep = {.is_ours = folder_is_run, .is_kept = is_second};
    assert_int_equal(folder_sweep(dir, &sweep, &err), PEN_OK);
    assert_false(is_there(dir, "run-1-0.zst"));
    assert_true(is_there(dir, "run-2-0.zst"));
    assert_true(is_there(dir, "run-3-0.zst")); /* a folder */
    assert_true(is_there(dir, "mine.txt"));
    assert_int_equal(folder_claim(dir, &err), PEN_E_USAGE);
    assert_int_equal(rmdir(below), 0);
    (void)snprintf(below, sizeof(below), "%s/run-2-0.zst", dir);
    assert_int_equal(unlink(below), 0);
    (void)snprintf(below, sizeof(below), "%s/mine.txt", dir);
    assert_int_equal(unlink(below), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void an_empty_folder_is_claimed_and_made_private(void **state)
{
    (void)state;
    char dir[] = "/tmp/penstock-folder-XXXXXX";
    char below[64];
    struct pen_err err;
    struct stat info;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chmod(dir, 0755), 0);
    (void)snprintf(below, sizeof(below), "%s/below", dir);
    assert_int_equal(mkdir(below, 0755), 0);
    assert_int_equal(folder_claim(below, &err), PEN_OK);
    assert_int_equal(stat(below, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(folder_claim(dir, &err), PEN_E_USAGE);
    assert_int_equal(stat(dir, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0755);
    assert_int_equal(rmdir(below), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void a_folder_with_lock_and_checkpoint_is_the_output_of_a_run(void **state)
{
    (void)state;
    static const char *const made[] = {"run/lock", "run/checkpoint.db"};
    char dir[] = "/tmp/penstock-folder-XXXXXX";
    assert_non_null(mkdtemp(dir));
    const int fd = open(dir, O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    assert_int_equal(mkdirat(fd, "run", 0700), 0);
    for (size_t i = 0; i < PEN_COUNT(made); i++) {
        assert_false(folder_is_output(fd, "run"));
        const int file = openat(fd, made[i], O_WRONLY | O_CREAT, 0600);
        assert_true(file >= 0);
        (void)close(file);
    }
    assert_true(folder_is_output(fd, "run"));
    assert_false(folder_is_output(fd, "none"));
    for (size_t i = 0; i < PEN_COUNT(made); i++) {
        assert_int_equal(unlinkat(fd, made[i], 0), 0);
    }
    assert_int_equal(unlinkat(fd, "run", AT_REMOVEDIR), 0);
    (void)close(fd);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_documents_are_known),
        cmocka_unit_test(names_of_runs_and_of_kept_input_are_known),
        cmocka_unit_test(a_sweep_removes_files_of_ours_that_are_not_kept),
        cmocka_unit_test(an_empty_folder_is_claimed_and_made_private),
        cmocka_unit_test(a_folder_with_lock_and_checkpoint_is_the_output_of_a_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
