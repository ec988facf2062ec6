#include "penstock/runtime.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static struct pen_file_id file(const char *path, size_t bytes)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    for (size_t i = 0; i < bytes; i++) {
        (void)fputc((int)(i % 251), out);
    }
    assert_int_equal(fclose(out), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return (struct pen_file_id){.size = (uint64_t)st.st_size,
                                .mtime_ns =
                                    (int64_t)st.st_mtim.tv_sec * PEN_NS_PER_S + st.st_mtim.tv_nsec};
}

/* Reads the front file to its end; bytes, or -status. */
static int64_t read_front(struct pen_ring *ring, struct pen_reader *reader)
{
    int64_t bytes = 0;
    bool is_last = false; /* the bytes before were the file's last */
    for (;;) {
        void *tag = NULL;
        pen_slice data;
        struct pen_err err = {0};
        switch (pen_reader_front(reader, &tag, &data, &err)) {
        case PEN_READ_DATA:
            for (size_t i = 0; i < data.len; i++) {
                assert_int_equal(data.ptr[i], ((size_t)bytes + i) % 251);
            }
            bytes += (int64_t)data.len;
            assert_false(is_last);
            is_last = pen_reader_is_last(reader);
            pen_reader_done(reader);
            break;
        case PEN_READ_WAIT:
            (void)pen_ring_turn(ring, true, PEN_NS_PER_S);
            break;
        case PEN_READ_END:
            assert_int_equal(is_last, bytes > 0);
            pen_reader_close(reader);
            return bytes;
        case PEN_READ_FAIL:
            pen_reader_close(reader);
            return -(int64_t)err.status;
        case PEN_READ_NONE:
            fail_msg("no file is open");
        }
    }
}

static void files_come_whole_and_in_order(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 4096, 4097, 100000, 7};
    char dir[] = "/tmp/pen-reader-XXXXXX";
    struct pen_ring *ring = NULL;
    struct pen_reader *reader = NULL;
    struct pen_err err;
    const struct pen_reader_options options = {.slots = 4, .buffers = 6, .buffer_bytes = 4096};
    assert_non_null(mkdtemp(dir));
    assert_int_equal(pen_host_check(&err), PEN_OK);
    assert_true(pen_host_cores() >= 1 && pen_host_memory() > 0);
    assert_int_equal(pen_ring_new(64, &ring, &err), PEN_OK);
    assert_int_equal(pen_reader_new(ring, &options, &reader, &err), PEN_OK);
    char path[64];
    for (size_t i = 0; i < PEN_COUNT(sizes); i++) {
        (void)snprintf(path, sizeof(path), "%s/%zu", dir, i);
        while (!pen_reader_has_slot(reader)) {
            assert_int_equal(read_front(ring, reader), sizes[i - 4]);
        }
        pen_reader_open(reader, path, file(path, sizes[i]), NULL);
    }
    for (size_t i = 2; i < PEN_COUNT(sizes); i++) {
        assert_int_equal(read_front(ring, reader), sizes[i]);
    }
    while (!pen_reader_cancel(reader)) {
        (void)pen_ring_turn(ring, true, PEN_NS_PER_S);
    }
    pen_reader_free(reader);
    pen_ring_free(ring);
}

static void what_is_gone_or_changed_is_told(void **state)
{
    (void)state;
    char dir[] = "/tmp/pen-reader-XXXXXX";
    struct pen_ring *ring = NULL;
    struct pen_reader *reader = NULL;
    struct pen_err err;
    const struct pen_reader_options options = {.slots = 4, .buffers = 6, .buffer_bytes = 4096};
    assert_non_null(mkdtemp(dir));
    assert_int_equal(pen_ring_new(64, &ring, &err), PEN_OK);
    assert_int_equal(pen_reader_new(ring, &options, &reader, &err), PEN_OK);
    char path[64];
    (void)snprintf(path, sizeof(path), "%s/x", dir);
    struct pen_file_id id = file(path, 100);
    id.size++;
    pen_reader_open(reader, path, id, NULL);
    assert_int_equal(read_front(ring, reader), -(int64_t)PEN_E_CHANGED);
    pen_reader_open(reader, dir, id, NULL);
    assert_int_equal(read_front(ring, reader), -(int64_t)PEN_E_IO);
    assert_int_equal(remove(path), 0);
    pen_reader_open(reader, path, id, NULL);
    assert_int_equal(read_front(ring, reader), -(int64_t)PEN_E_NOT_FOUND);
    while (!pen_reader_cancel(reader)) {
        (void)pen_ring_turn(ring, true, PEN_NS_PER_S);
    }
    pen_reader_free(reader);
    pen_ring_free(ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_come_whole_and_in_order),
        cmocka_unit_test(what_is_gone_or_changed_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
