/* tested by tests/e2e/test_search.py */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RING_ENTRIES 128U
#define SLOTS 24U
#define READ_BUFFERS 64U
#define READ_BUFFER_BYTES ((size_t)128 << 10)
#define PLAIN_BYTES ((size_t)256 << 10)
#define WAIT_NS INT64_C(1000000)
#define NAP_NS 200000L
#define STREAM_WAIT_MS 20

struct input {
    struct pen_ring *ring; /* NULL: plain reads */
    struct pen_reader *reader;
    struct pen_fetcher *fetcher;     /* in place of the reader: tasks are not kept in order then */
    struct input_task *tasks[SLOTS]; /* a circle, the oldest at front */
    uint32_t front, used;
    uint8_t *plain; /* one plain read; made when the first is wanted */
    size_t plain_len;
    int fd;          /* of the front, when it is read plainly; -1: not open */
    bool has_plain;  /* plain holds bytes that are not done */
    uint64_t handed; /* bytes of the front, plain */
};

pen_status input_new(struct input **out, struct pen_err *err)
{
    struct input *input = calloc(1, sizeof(*input));
    if (input == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "input: out of memory");
    }
    input->fd = -1;
    struct pen_err refused;
    if (pen_ring_new(RING_ENTRIES, &input->ring, &refused) == PEN_OK) {
        const struct pen_reader_options options = {
            .slots = SLOTS, .buffers = READ_BUFFERS, .buffer_bytes = READ_BUFFER_BYTES};
        const pen_status st = pen_reader_new(input->ring, &options, &input->reader, err);
        if (st != PEN_OK) {
            input_free(input);
            return st;
        }
    } else {
        input->ring = NULL;
    }
    *out = input;
    return PEN_OK;
}

pen_status input_new_remote(const struct pen_fetch_options *options,
                            const struct shard_bucket *buckets, uint32_t count, struct input **out,
                            struct pen_err *err)
{
    struct input *input = calloc(1, sizeof(*input));
    if (input == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "input: out of memory");
    }
    input->fd = -1;
    pen_status st = pen_ring_new(RING_ENTRIES, &input->ring, err);
    if (st == PEN_OK) {
        st = buckets_fetcher(input->ring, options, buckets, count, &input->fetcher, err);
    }
    if (st != PEN_OK) {
        input_free(input);
        return st;
    }
    *out = input;
    return PEN_OK;
}

pen_status input_credentials(struct input *input, uint32_t bucket, const uint8_t *text,
                             struct pen_err *err)
{
    return input->fetcher == NULL ? PEN_OK : credentials_use(input->fetcher, bucket, text, err);
}

static void plain_close(struct input *input)
{
    if (input->fd > STDIN_FILENO) {
        (void)close(input->fd);
    }
    input->fd = -1;
    input->has_plain = false;
    input->handed = 0;
}

void input_free(struct input *input)
{
    if (input == NULL) {
        return;
    }
    while (input->reader != NULL && !pen_reader_cancel(input->reader)) {
        (void)pen_ring_turn(input->ring, true, WAIT_NS);
    }
    while (input->fetcher != NULL && !pen_fetcher_cancel(input->fetcher)) {
        (void)pen_ring_turn(input->ring, true, WAIT_NS);
    }
    pen_fetcher_free(input->fetcher);
    pen_reader_free(input->reader);
    pen_ring_free(input->ring);
    plain_close(input);
    free(input->plain);
    free(input);
}

bool input_has_slot(const struct input *input)
{
    if (input->fetcher != NULL) {
        return pen_fetcher_has_slot(input->fetcher);
    }
    return input->used < SLOTS && (input->reader == NULL || pen_reader_has_slot(input->reader));
}

static bool is_plain(const struct input *input, const struct input_task *task)
{
    return input->reader == NULL || task->is_stream;
}

void input_open(struct input *input, struct input_task *task)
{
    PEN_CHECK(input_has_slot(input));
    if (input->fetcher != NULL) {
        const struct pen_object *object = task->object;
        const struct pen_fetch_object fetch = {
            .source = object->bucket - 1,
            .key = pen_slice_str(object->key),
            .etag = pen_slice_str(object->etag == NULL ? "" : object->etag),
            .size = object->size,
            .tag = task};
        input->used++;
        pen_fetcher_open(input->fetcher, &fetch);
        return;
    }
    input->tasks[(input->front + input->used++) % SLOTS] = task;
    if (!is_plain(input, task)) {
        const struct pen_file_id expected = {.size = task->object->size,
                                             .mtime_ns = task->object->mtime_ns};
        pen_reader_open(input->reader, task->object->path, expected, task);
    }
}

static enum pen_read plain_fail(struct pen_err *err, uint64_t offset)
{
    const pen_status st = errno == ENOENT || errno == ENOTDIR ? PEN_E_NOT_FOUND
                          : errno == EACCES || errno == EPERM ? PEN_E_DENIED
                                                              : PEN_E_IO;
    (void)PEN_FAIL(err, st, offset, "%s", strerrordesc_np(errno));
    return PEN_READ_FAIL;
}

/* The file is still what was listed; a stream has nothing to be held to. */
static enum pen_read plain_end(const struct input *input, const struct input_task *task,
                               struct pen_err *err)
{
    struct stat st;
    if (task->is_stream) {
        return PEN_READ_END;
    }
    if (fstat(input->fd, &st) != 0) {
        return plain_fail(err, input->handed);
    }
    const int64_t mtime = (int64_t)st.st_mtim.tv_sec * PEN_NS_PER_S + st.st_mtim.tv_nsec;
    if (input->handed != task->object->size || mtime != task->object->mtime_ns) {
        (void)PEN_FAIL(err, PEN_E_CHANGED, input->handed,
                       "size or time differ from when the object was listed");
        return PEN_READ_FAIL;
    }
    return PEN_READ_END;
}

static enum pen_read plain_front(struct input *input, const struct input_task *task,
                                 pen_slice *data, struct pen_err *err)
{
    if (input->plain == NULL) {
        input->plain = malloc(PLAIN_BYTES);
        if (input->plain == NULL) {
            (void)PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "input: out of memory");
            return PEN_READ_FAIL;
        }
    }
    if (input->fd < 0) {
        const bool is_stdin = task->is_stream && strcmp(task->object->path, "-") == 0;
        input->fd = is_stdin ? STDIN_FILENO : open(task->object->path, O_RDONLY | O_CLOEXEC);
        if (input->fd < 0) {
            return plain_fail(err, 0);
        }
    }
    if (task->is_stream && !input->has_plain) {
        struct pollfd ready = {.fd = input->fd, .events = POLLIN};
        if (poll(&ready, 1, STREAM_WAIT_MS) == 0) {
            return PEN_READ_WAIT;
        }
    }
    while (!input->has_plain) {
        const ssize_t got = read(input->fd, input->plain, PLAIN_BYTES);
        if (got == 0) {
            return plain_end(input, task, err);
        }
        if (got < 0 && errno != EINTR) {
            return plain_fail(err, input->handed);
        }
        input->has_plain = got > 0;
        input->plain_len = got > 0 ? (size_t)got : 0;
    }
    *data = (pen_slice){input->plain, input->plain_len};
    return PEN_READ_DATA;
}

static enum pen_read remote_front(struct input *input, struct input_task **task, pen_slice *data,
                                  struct pen_err *err)
{
    static const enum pen_read reads[] = {[PEN_FETCH_NONE] = PEN_READ_NONE,
                                          [PEN_FETCH_WAIT] = PEN_READ_WAIT,
                                          [PEN_FETCH_DATA] = PEN_READ_DATA,
                                          [PEN_FETCH_END] = PEN_READ_END,
                                          [PEN_FETCH_FAIL] = PEN_READ_FAIL};
    void *tag = NULL;
    pen_fetcher_turn(input->fetcher, pen_clock_mono_ns());
    const enum pen_fetch got = pen_fetcher_front(input->fetcher, &tag, data, err);
    *task = tag != NULL ? tag : *task;
    return reads[got];
}

enum pen_read input_front(struct input *input, struct input_task **task, pen_slice *data,
                          struct pen_err *err)
{
    if (input->fetcher != NULL) {
        return remote_front(input, task, data, err);
    }
    if (input->used == 0) {
        return PEN_READ_NONE;
    }
    *task = input->tasks[input->front];
    if (is_plain(input, *task)) {
        return plain_front(input, *task, data, err);
    }
    void *tag = NULL;
    const enum pen_read got = pen_reader_front(input->reader, &tag, data, err);
    PEN_CHECK(got != PEN_READ_NONE && tag == *task);
    return got;
}

void input_done(struct input *input)
{
    PEN_CHECK(input->used > 0);
    if (input->fetcher != NULL) {
        pen_fetcher_taken(input->fetcher);
    } else if (is_plain(input, input->tasks[input->front])) {
        input->handed += input->plain_len;
        input->has_plain = false;
    } else {
        pen_reader_done(input->reader);
    }
}

void input_close(struct input *input)
{
    PEN_CHECK(input->used > 0);
    if (input->fetcher != NULL) {
        pen_fetcher_close(input->fetcher);
        input->used--;
        return;
    }
    if (is_plain(input, input->tasks[input->front])) {
        plain_close(input);
    } else {
        pen_reader_close(input->reader);
    }
    input->front = (input->front + 1) % SLOTS;
    input->used--;
}

void input_wait(struct input *input)
{
    if (input->ring != NULL && input->used > 0) {
        (void)pen_ring_turn(input->ring, true, WAIT_NS);
        return;
    }
    const struct timespec nap = {.tv_nsec = NAP_NS};
    (void)nanosleep(&nap, NULL);
}
