#include "penstock/ship.h"

#include "test.h"

#include <zstd.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static struct pen_ship *ship_new(const char *dir, enum pen_sink_kind kind, uint32_t bodies)
{
    const struct pen_ship_options options = {.kind = kind,
                                             .dir = dir,
                                             .shard = 3,
                                             .first_sequence = 7,
                                             .body_bytes_max = 256,
                                             .bodies_max = bodies,
                                             .level = 1};
    struct pen_ship *ship = NULL;
    struct pen_err err;
    assert_int_equal(pen_ship_new(&options, &ship, &err), PEN_OK);
    return ship;
}

static void add(struct pen_ship *ship, const char *index, uint32_t number)
{
    char id[16];
    char source[64];
    struct pen_err err;
    (void)snprintf(id, sizeof(id), "id\"%u", number);
    (void)snprintf(source, sizeof(source), "{\"n\":%u}", number);
    const struct pen_ship_document doc = {
        .index = pen_slice_str(index), .id = pen_slice_str(id), .source = pen_slice_str(source)};
    assert_int_equal(pen_ship_add(ship, &doc, &err), PEN_OK);
}

/* The first bytes of a file, decoded frame by frame. */
static size_t text_of(const char *dir, const struct pen_ship_file *file, char *out, size_t cap)
{
    char path[512];
    static uint8_t packed[1 << 16];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, file->name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    const ssize_t n = read(fd, packed, sizeof(packed));
    (void)close(fd);
    assert_true(n >= 0 && (uint64_t)n >= file->bytes);
    size_t len = 0;
    size_t at = 0;
    while (at < file->bytes) {
        const size_t frame = ZSTD_findFrameCompressedSize(packed + at, file->bytes - at);
        assert_false(ZSTD_isError(frame));
        const size_t got = ZSTD_decompress(out + len, cap - len, packed + at, frame);
        assert_false(ZSTD_isError(got));
        len += got;
        at += frame;
    }
    out[len] = '\0';
    return len;
}

static void documents_are_lines_in_frames_up_to_the_cut(void **state)
{
    (void)state;
    char dir[] = "/tmp/pen-ship-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct pen_ship *ship = ship_new(dir, PEN_SINK_FILES, 4);
    const struct pen_ship_file *files = NULL;
    uint32_t count = 0;
    struct pen_err err;
    static char text[1 << 16];
    for (uint32_t i = 0; i < 100; i++) {
        add(ship, i % 2 == 0 ? "log-a" : "Log/../b", i);
    }
    assert_int_equal(pen_ship_cut(ship, &files, &count, &err), PEN_OK);
    assert_int_equal(count, 2);
    assert_string_equal(files[0].name, "log-a.003-000008.ndjson.zst");
    assert_string_equal(files[1].name, "_og_.._b.003-000007.ndjson.zst");
    (void)text_of(dir, &files[0], text, sizeof(text));
    const char *first = "{\"_index\":\"log-a\",\"_id\":\"id\\\"0\",\"_source\":{\"n\":0}}\n";
    assert_memory_equal(text, first, strlen(first));
    uint32_t lines = 0;
    for (const char *at = text; *at != '\0'; at++) {
        lines += *at == '\n';
    }
    assert_int_equal(lines, 50);
    assert_int_equal(pen_ship_cut(ship, &files, &count, &err), PEN_OK);
    assert_int_equal(count, 0);
    pen_ship_free(ship);
}

static void an_evicted_index_is_reported_and_comes_back_in_a_new_file(void **state)
{
    (void)state;
    char dir[] = "/tmp/pen-ship-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct pen_ship *ship = ship_new(dir, PEN_SINK_FILES, 1);
    const struct pen_ship_file *files = NULL;
    uint32_t count = 0;
    struct pen_err err;
    static char text[4096];
    add(ship, "a", 1);
    add(ship, "b", 2);
    add(ship, "a", 3);
    assert_int_equal(pen_ship_cut(ship, &files, &count, &err), PEN_OK);
    assert_int_equal(count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(text_of(dir, &files[i], text, sizeof(text)) > 0);
    }
    assert_string_equal(files[2].name, "a.003-000009.ndjson.zst");
    pen_ship_free(ship);
}

static void no_space_loses_nothing(void **state)
{
    (void)state;
    char dir[] = "/tmp/pen-ship-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct pen_ship *ship = ship_new(dir, PEN_SINK_FILES, 1);
    const struct pen_ship_file *files = NULL;
    uint32_t count = 0;
    struct pen_err err;
    static char text[1 << 16];
    (void)signal(SIGXFSZ, SIG_IGN);
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    const struct rlimit small = {.rlim_cur = 40, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (uint32_t i = 0; i < 3; i++) {
        add(ship, "a", i);
    }
    assert_int_equal(pen_ship_cut(ship, &files, &count, &err), PEN_E_NOSPACE);
    assert_int_equal(pen_ship_retry(ship, &err), PEN_E_NOSPACE);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(pen_ship_retry(ship, &err), PEN_OK);
    assert_int_equal(pen_ship_cut(ship, &files, &count, &err), PEN_OK);
    assert_int_equal(count, 1);
    (void)text_of(dir, &files[0], text, sizeof(text));
    assert_non_null(strstr(text, "{\"n\":2}"));
    pen_ship_free(ship);
}

static void the_null_sink_builds_and_compresses_the_bulk_body(void **state)
{
    (void)state;
    struct pen_ship *ship = ship_new("/nonexistent", PEN_SINK_NULL, 2);
    const struct pen_ship_file *files = NULL;
    uint32_t count = 0;
    struct pen_err err;
    add(ship, "a", 1);
    assert_int_equal(pen_ship_cut(ship, &files, &count, &err), PEN_OK);
    const struct pen_ship_counters counters = pen_ship_counters_get(ship);
    assert_int_equal(counters.documents, 1);
    assert_int_equal(counters.body_bytes,
                     strlen("{\"create\":{\"_index\":\"a\",\"_id\":\"id\\\"1\"}}\n{\"n\":1}\n"));
    assert_true(counters.shipped_bytes > 20);
    pen_ship_free(ship);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_are_lines_in_frames_up_to_the_cut),
        cmocka_unit_test(an_evicted_index_is_reported_and_comes_back_in_a_new_file),
        cmocka_unit_test(no_space_loses_nothing),
        cmocka_unit_test(the_null_sink_builds_and_compresses_the_bulk_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
