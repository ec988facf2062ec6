#include "penstock/runtime.h"

#include "ring.h"

#include <liburing.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define READS_PER_FILE 8u

struct file;
struct buffer { /* one read in flight, or its bytes waiting to be taken */
    struct pen_op op;
    struct file *file;
    uint8_t *bytes;
    uint64_t offset;
    uint32_t want;
    int32_t got; /* bytes, or -errno */
    bool is_filled;
    struct buffer *next; /* free list, or the next read of the file in order */
};

enum file_state { FILE_FREE, FILE_OPENING, FILE_READING, FILE_FAILED, FILE_CLOSING };

struct file {
    struct pen_op op; /* open, close */
    struct pen_reader *reader;
    enum file_state state;
    bool is_closed_by_caller;
    bool is_checked; /* size and time were compared after the last read */
    int fd;
    struct pen_file_id expected;
    void *tag;
    uint64_t next_offset;        /* of the next read to start */
    uint64_t handed;             /* bytes given out */
    struct buffer *first, *last; /* reads in order of offset */
    uint32_t reads;
    struct pen_err err;
    char path[PATH_MAX];
};

struct pen_reader {
    struct pen_ring *ring;
    struct pen_reader_options options;
    struct file *files;   /* a circle in order of opening */
    uint32_t front, used; /* front: oldest; used: how many are not free */
    struct buffer *buffers;
    struct buffer *free_buffers;
    uint8_t *memory;
    bool is_cancelled;
};

static struct file *file_at(struct pen_reader *reader, uint32_t place)
{
    return &reader->files[(reader->front + place) % reader->options.slots];
}

static void file_fail(struct file *file, int code)
{
    const pen_status st = code == ENOENT || code == ENOTDIR ? PEN_E_NOT_FOUND
                          : code == EACCES || code == EPERM ? PEN_E_DENIED
                                                            : PEN_E_IO;
    if (file->err.status == PEN_OK) {
        (void)PEN_FAIL(&file->err, st, file->handed, "%s", strerrordesc_np(code));
        file->err.os_errno = code;
    }
    file->state = FILE_FAILED;
}

static void file_changed(struct file *file, const char *what)
{
    if (file->err.status == PEN_OK) {
        (void)PEN_FAIL(&file->err, PEN_E_CHANGED, file->handed, "%s", what);
    }
    file->state = FILE_FAILED;
}

/* The file is still what the planner saw. */
static bool file_check(struct file *file)
{
    struct stat st;
    if (fstat(file->fd, &st) != 0) {
        file_fail(file, errno);
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        (void)PEN_FAIL(&file->err, PEN_E_IO, 0, "not a regular file");
        file->state = FILE_FAILED;
        return false;
    }
    const int64_t mtime = (int64_t)st.st_mtim.tv_sec * PEN_NS_PER_S + st.st_mtim.tv_nsec;
    if ((uint64_t)st.st_size != file->expected.size || mtime != file->expected.mtime_ns) {
        file_changed(file, "size or time differ from when the object was listed");
        return false;
    }
    return true;
}

static void buffer_free(struct pen_reader *reader, struct buffer *buffer)
{
    buffer->next = reader->free_buffers;
    reader->free_buffers = buffer;
}

static void read_done(struct pen_op *op, int32_t res)
{
    struct buffer *buffer = PEN_CONTAINER_OF(op, struct buffer, op);
    buffer->got = res;
    buffer->is_filled = true;
}

static void read_start(struct pen_reader *reader, struct file *file)
{
    struct buffer *buffer = reader->free_buffers;
    reader->free_buffers = buffer->next;
    const uint64_t left = file->expected.size - file->next_offset;
    const uint64_t want = left < reader->options.buffer_bytes ? left : reader->options.buffer_bytes;
    buffer->op = (struct pen_op){.done = read_done, .name = "reader.read"};
    buffer->file = file;
    buffer->offset = file->next_offset;
    buffer->want = (uint32_t)want;
    buffer->is_filled = false;
    buffer->next = NULL;
    if (file->last == NULL) {
        file->first = buffer;
    } else {
        file->last->next = buffer;
    }
    file->last = buffer;
    file->reads++;
    file->next_offset += want;
    struct io_uring_sqe *sqe = ring_sqe(reader->ring);
    io_uring_prep_read(sqe, file->fd, buffer->bytes, buffer->want, buffer->offset);
    ring_start(sqe, &buffer->op);
}

/* Starts reads of all open files, the oldest first, as long as there are buffers. */
static void reads_start(struct pen_reader *reader)
{
    for (uint32_t i = 0; i < reader->used && reader->free_buffers != NULL; i++) {
        struct file *file = file_at(reader, i);
        while (file->state == FILE_READING && !file->is_closed_by_caller &&
               file->next_offset < file->expected.size && file->reads < READS_PER_FILE &&
               reader->free_buffers != NULL) {
            read_start(reader, file);
        }
    }
}

static bool is_one_read(const struct file *file)
{
    return file->expected.size > 0 && file->expected.size <= file->reader->options.buffer_bytes;
}

static void open_done(struct pen_op *op, int32_t res)
{
    struct file *file = PEN_CONTAINER_OF(op, struct file, op);
    if (res < 0) {
        file_fail(file, -res);
        return;
    }
    file->fd = res;
    file->state = FILE_READING;
    /* What one read takes whole is compared once, when it is there. */
    if (is_one_read(file) || file_check(file)) {
        reads_start(file->reader);
    }
}

pen_status pen_reader_new(struct pen_ring *ring, const struct pen_reader_options *o,
                          struct pen_reader **out, struct pen_err *err)
{
    PEN_CHECK(o->slots > 0 && o->buffers >= o->slots && o->buffer_bytes > 0);
    struct pen_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "reader: out of memory");
    }
    *reader = (struct pen_reader){.ring = ring, .options = *o};
    reader->files = calloc(o->slots, sizeof(*reader->files));
    reader->buffers = calloc(o->buffers, sizeof(*reader->buffers));
    reader->memory = aligned_alloc(4096, (o->buffers * o->buffer_bytes + 4095) / 4096 * 4096);
    if (reader->files == NULL || reader->buffers == NULL || reader->memory == NULL) {
        pen_reader_free(reader);
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "reader: out of memory");
    }
    for (uint32_t i = 0; i < o->buffers; i++) {
        reader->buffers[i].bytes = reader->memory + i * o->buffer_bytes;
        buffer_free(reader, &reader->buffers[i]);
    }
    *out = reader;
    return PEN_OK;
}

void pen_reader_free(struct pen_reader *reader)
{
    if (reader != NULL) {
        PEN_CHECK(reader->used == 0);
        free(reader->files);
        free(reader->buffers);
        free(reader->memory);
        free(reader);
    }
}

bool pen_reader_has_slot(const struct pen_reader *reader)
{
    return reader->used < reader->options.slots;
}

void pen_reader_open(struct pen_reader *reader, const char *path, struct pen_file_id expected,
                     void *tag)
{
    PEN_CHECK(pen_reader_has_slot(reader) && !reader->is_cancelled);
    struct file *file = file_at(reader, reader->used);
    PEN_CHECK(file->state == FILE_FREE);
    reader->used++;
    file->op = (struct pen_op){.done = open_done, .name = "reader.open"};
    file->reader = reader;
    file->state = FILE_OPENING;
    file->is_closed_by_caller = false;
    file->is_checked = false;
    file->fd = -1;
    file->expected = expected;
    file->tag = tag;
    file->next_offset = 0;
    file->handed = 0;
    file->first = NULL;
    file->last = NULL;
    file->reads = 0;
    file->err = (struct pen_err){0};
    const size_t len = strlen(path);
    if (len >= sizeof(file->path)) {
        file_fail(file, ENAMETOOLONG);
        return;
    }
    memcpy(file->path, path, len + 1);
    struct io_uring_sqe *sqe = ring_sqe(reader->ring);
    io_uring_prep_openat(sqe, AT_FDCWD, file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    ring_start(sqe, &file->op);
}

static enum pen_read front_end(struct file *file)
{
    if (!file->is_checked) {
        file->is_checked = true;
        if (!file_check(file)) {
            return PEN_READ_FAIL;
        }
    }
    return PEN_READ_END;
}

static enum pen_read front_data(struct file *file, pen_slice *data)
{
    const struct buffer *buffer = file->first;
    if (!buffer->is_filled) {
        return PEN_READ_WAIT;
    }
    if (is_one_read(file) && front_end(file) == PEN_READ_FAIL) {
        return PEN_READ_FAIL;
    }
    if (buffer->got < 0) {
        file_fail(file, -buffer->got);
        return PEN_READ_FAIL;
    }
    if ((uint32_t)buffer->got != buffer->want) {
        file_changed(file, "the object became shorter while it was read");
        return PEN_READ_FAIL;
    }
    *data = (pen_slice){buffer->bytes, buffer->want};
    return PEN_READ_DATA;
}

/* Files at the front that ended and whose kernel work is done become free slots. */
static void slots_free(struct pen_reader *reader)
{
    while (reader->used > 0) {
        struct file *file = file_at(reader, 0);
        if (!file->is_closed_by_caller || file->op.in_kernel) {
            return;
        }
        for (struct buffer *b = file->first; b != NULL; b = b->next) {
            if (b->op.in_kernel) {
                return;
            }
        }
        while (file->first != NULL) {
            struct buffer *next = file->first->next;
            buffer_free(reader, file->first);
            file->first = next;
        }
        if (file->fd >= 0) {
            /* Closing a file that was only read does not block; the path and slot are free at once.
             */
            struct io_uring_sqe *sqe = ring_sqe(reader->ring);
            io_uring_prep_close(sqe, file->fd);
            io_uring_sqe_set_flags(sqe, IOSQE_CQE_SKIP_SUCCESS);
            io_uring_sqe_set_data(sqe, NULL);
            file->fd = -1;
        }
        file->state = FILE_FREE;
        reader->front = (reader->front + 1) % reader->options.slots;
        reader->used--;
    }
}

static struct file *front_file(struct pen_reader *reader)
{
    for (uint32_t i = 0; i < reader->used; i++) {
        struct file *file = file_at(reader, i);
        if (!file->is_closed_by_caller) {
            return file;
        }
    }
    return NULL;
}

enum pen_read pen_reader_front(struct pen_reader *reader, void **tag, pen_slice *data,
                               struct pen_err *err)
{
    slots_free(reader);
    struct file *file = front_file(reader);
    if (file == NULL) {
        return PEN_READ_NONE;
    }
    reads_start(reader);
    *tag = file->tag;
    enum pen_read got = PEN_READ_WAIT;
    if (file->state == FILE_FAILED) {
        got = PEN_READ_FAIL;
    } else if (file->state == FILE_READING) {
        got = file->first != NULL                        ? front_data(file, data)
              : file->next_offset == file->expected.size ? front_end(file)
                                                         : PEN_READ_WAIT;
    }
    if (got == PEN_READ_FAIL) {
        *err = file->err;
    }
    return got;
}

bool pen_reader_is_last(struct pen_reader *reader)
{
    struct file *file = front_file(reader);
    PEN_CHECK(file != NULL && file->first != NULL && file->first->is_filled);
    return file->first->next == NULL && file->next_offset == file->expected.size &&
           front_end(file) == PEN_READ_END;
}

void pen_reader_done(struct pen_reader *reader)
{
    struct file *file = front_file(reader);
    PEN_CHECK(file != NULL && file->first != NULL && file->first->is_filled);
    struct buffer *buffer = file->first;
    file->handed += buffer->want;
    file->first = buffer->next;
    if (file->first == NULL) {
        file->last = NULL;
    }
    file->reads--;
    buffer_free(reader, buffer);
    reads_start(reader);
}

void pen_reader_close(struct pen_reader *reader)
{
    struct file *file = front_file(reader);
    PEN_CHECK(file != NULL);
    file->is_closed_by_caller = true;
    slots_free(reader);
}

bool pen_reader_cancel(struct pen_reader *reader)
{
    reader->is_cancelled = true;
    for (uint32_t i = 0; i < reader->used; i++) {
        file_at(reader, i)->is_closed_by_caller = true;
    }
    slots_free(reader);
    return reader->used == 0;
}

uint64_t pen_reader_memory(const struct pen_reader_options *o)
{
    return sizeof(struct pen_reader) + o->slots * sizeof(struct file) +
           o->buffers * (sizeof(struct buffer) + o->buffer_bytes);
}
