/* tested by tests/e2e/test_dead_letters.py */
#include "penstock/json.h"
#include "penstock/node.h"

#include "job_value.h"

#include <zstd.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_BYTES ((size_t)128 << 10)
#define LINE_BYTES_MAX ((size_t)1 << 20)
#define VALUE_BYTES_MAX ((size_t)4 << 20)

bool pen_object_named(const char *const *names, uint32_t count, pen_slice key)
{
    for (uint32_t i = 0; i < count; i++) {
        const pen_slice name = pen_slice_str(names[i]);
        const bool is_tail = name.len > 0 && key.len > name.len &&
                             key.ptr[key.len - name.len - 1] == '/' &&
                             pen_slice_eq(pen_slice_sub(key, key.len - name.len, key.len), name);
        if (is_tail || pen_slice_eq(key, name)) {
            return true;
        }
    }
    return count == 0;
}

/* ---- what checkpoint.db says ---- */

pen_status pen_replay_arguments(const char *dir, struct pen_buf *out, struct pen_err *err)
{
    return job_value(dir, "arguments", out, err);
}

static pen_status job_number(const char *dir, const char *name, int64_t *value, struct pen_err *err)
{
    struct pen_buf text;
    pen_buf_init(&text, VALUE_BYTES_MAX);
    pen_status st = job_value(dir, name, &text, err);
    if (st == PEN_OK && pen_buf_add_byte(&text, '\0') == PEN_OK) {
        char *end = NULL;
        *value = strtoll((const char *)text.ptr, &end, 10);
        if (*end != '\0' || text.len == 1) {
            st = PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET, "checkpoint.db: bad %s", name);
        }
    }
    pen_buf_fini(&text);
    return st;
}

pen_status pen_replay_range(const char *dir, int64_t *from_ns, int64_t *to_ns, struct pen_err *err)
{
    PEN_TRY(job_number(dir, "from", from_ns, err));
    return job_number(dir, "to", to_ns, err);
}

static pen_status committed_bytes(const char *dir, uint64_t *bytes, struct pen_err *err)
{
    struct pen_buf text;
    pen_buf_init(&text, VALUE_BYTES_MAX);
    *bytes = 0;
    pen_status st = job_value(dir, "dead_bytes", &text, err);
    if (st == PEN_OK && text.len > 0 && !pen_parse_u64(pen_buf_slice(&text), bytes)) {
        st = PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET, "checkpoint.db: bad dead_bytes");
    }
    pen_buf_fini(&text);
    return st;
}

/* ---- lines ---- */

struct reader {
    int fd;
    uint64_t left; /* committed bytes not read yet */
    ZSTD_DCtx *zstd;
    uint8_t *packed, *plain;
    struct pen_buf line, text;
    uint64_t number;
    bool is_marking; /* the first pass: which objects were retried, and in which line last */
    struct mark {
        uint64_t object; /* hash */
        uint64_t number;
    } * marks;
    size_t mark_count, mark_cap;
    pen_dead_letter_fn *fn;
    void *ctx;
    struct pen_err *err;
};

static pen_status damaged(struct reader *r, const char *what)
{
    return PEN_FAIL(r->err, PEN_E_CORRUPT, PEN_NO_OFFSET, "dead-letters.ndjson.zst: line %llu: %s",
                    (unsigned long long)r->number, what);
}

static pen_slice unescaped(struct reader *r, const struct pen_token *token)
{
    uint8_t *to = r->text.ptr + r->text.len; /* room for the whole line was reserved */
    const size_t len = pen_json_unescape(token->text, to);
    r->text.len += len;
    return (pen_slice){to, len};
}

static void member_take(struct reader *r, struct pen_dead_letter *letter, pen_slice name,
                        const struct pen_token *token)
{
    const struct {
        const char *name;
        pen_slice *text;
        uint64_t *number;
    } members[] = {{"object", &letter->object, NULL},   {"type", &letter->type, NULL},
                   {"stage", &letter->stage, NULL},     {"status", &letter->status, NULL},
                   {"reason", &letter->reason, NULL},   {"time", &letter->time, NULL},
                   {"excerpt", &letter->excerpt, NULL}, {"record", NULL, &letter->record},
                   {"offset", NULL, &letter->offset}};
    for (size_t i = 0; i < PEN_COUNT(members); i++) {
        if (!pen_slice_eq(name, pen_slice_str(members[i].name))) {
            continue;
        }
        if (members[i].text != NULL && token->kind == PEN_STRING) {
            *members[i].text = unescaped(r, token);
        } else if (members[i].number != NULL && !pen_parse_u64(token->text, members[i].number)) {
            *members[i].number = 0;
        }
    }
}

static pen_status line_parse(struct reader *r, struct pen_dead_letter *letter)
{
    struct pen_tokens tokens;
    struct pen_token token;
    pen_slice name = {0};
    bool is_object = false;
    r->text.len = 0;
    PEN_TRY(pen_buf_reserve(&r->text, r->line.len));
    pen_tokens_init(&tokens, pen_buf_slice(&r->line));
    *letter = (struct pen_dead_letter){.number = r->number};
    while (pen_tokens_next(&tokens, &token)) {
        is_object |= token.is_open && token.depth == 0 && token.kind == PEN_OBJECT;
        if (token.is_key) {
            name = token.text;
        } else if (token.depth == 1) {
            member_take(r, letter, name, &token);
        }
    }
    return is_object && letter->stage.len > 0 ? PEN_OK : damaged(r, "not a dead letter");
}

static pen_status mark_add(struct reader *r, pen_slice object)
{
    if (r->mark_count == r->mark_cap) {
        const size_t cap = r->mark_cap == 0 ? 64 : r->mark_cap * 2;
        struct mark *bigger = reallocarray(r->marks, cap, sizeof(*r->marks));
        if (bigger == NULL) {
            return PEN_E_NOMEM;
        }
        r->marks = bigger;
        r->mark_cap = cap;
    }
    r->marks[r->mark_count++] = (struct mark){pen_hash64(object, 0), r->number};
    return PEN_OK;
}

static int mark_order(const void *a, const void *b)
{
    const struct mark *x = a;
    const struct mark *y = b;
    if (x->object != y->object) {
        return x->object < y->object ? -1 : 1;
    }
    return x->number < y->number ? -1 : x->number > y->number;
}

/* Whether a line behind this one says that its object was retried. */
static bool is_marked(const struct reader *r, pen_slice object)
{
    const struct mark wanted = {pen_hash64(object, 0), r->number};
    size_t low = 0;
    size_t high = r->mark_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (mark_order(&r->marks[middle], &wanted) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < r->mark_count && r->marks[low].object == wanted.object;
}

static pen_status line_do(struct reader *r)
{
    struct pen_dead_letter letter;
    r->number++;
    PEN_TRY(line_parse(r, &letter));
    if (pen_slice_eq(letter.stage, PEN_SLICE_LIT("retry"))) {
        return r->is_marking ? mark_add(r, letter.object) : PEN_OK;
    }
    if (r->is_marking) {
        return PEN_OK;
    }
    letter.is_taken_back = is_marked(r, letter.object);
    return r->fn(r->ctx, &letter);
}

static pen_status plain_take(struct reader *r, pen_slice plain)
{
    while (plain.len > 0) {
        const uint8_t *end = memchr(plain.ptr, '\n', plain.len);
        const size_t len = end == NULL ? plain.len : (size_t)(end - plain.ptr);
        PEN_TRY(pen_buf_add(&r->line, pen_slice_sub(plain, 0, len)));
        if (end == NULL) {
            return PEN_OK;
        }
        PEN_TRY(line_do(r));
        r->line.len = 0;
        plain = pen_slice_sub(plain, len + 1, plain.len);
    }
    return PEN_OK;
}

static pen_status packed_take(struct reader *r, size_t len)
{
    ZSTD_inBuffer in = {r->packed, len, 0};
    bool may_hold_more = false; /* a full output: more may wait inside the decoder */
    while (in.pos < in.size || may_hold_more) {
        ZSTD_outBuffer out = {r->plain, READ_BYTES, 0};
        const size_t n = ZSTD_decompressStream(r->zstd, &out, &in);
        if (ZSTD_isError(n)) {
            return damaged(r, ZSTD_getErrorName(n));
        }
        PEN_TRY(plain_take(r, (pen_slice){r->plain, out.pos}));
        may_hold_more = out.pos == out.size;
    }
    return PEN_OK;
}

static pen_status pass(struct reader *r, uint64_t bytes)
{
    r->left = bytes;
    r->number = 0;
    r->line.len = 0;
    if (lseek(r->fd, 0, SEEK_SET) != 0) {
        return PEN_FAIL(r->err, PEN_E_IO, PEN_NO_OFFSET, "dead-letters.ndjson.zst: %s",
                        strerrordesc_np(errno));
    }
    while (r->left > 0) {
        const ssize_t n = read(r->fd, r->packed, r->left < READ_BYTES ? r->left : READ_BYTES);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return PEN_FAIL(r->err, n == 0 ? PEN_E_CORRUPT : PEN_E_IO, PEN_NO_OFFSET,
                            "dead-letters.ndjson.zst: %s",
                            n == 0 ? "shorter than its last commit" : strerrordesc_np(errno));
        }
        r->left -= (uint64_t)n;
        PEN_TRY(packed_take(r, (size_t)n));
    }
    return PEN_OK;
}

static pen_status passes(struct reader *r, uint64_t bytes)
{
    if (r->zstd == NULL || r->packed == NULL || r->plain == NULL) {
        return PEN_E_NOMEM;
    }
    r->is_marking = true;
    PEN_TRY(pass(r, bytes));
    if (r->mark_count > 0) {
        qsort(r->marks, r->mark_count, sizeof(*r->marks), mark_order);
    }
    r->is_marking = false;
    return pass(r, bytes);
}

static pen_status file_read(const char *dir, uint64_t bytes, struct reader *r)
{
    char *path = NULL;
    if (asprintf(&path, "%s/dead-letters.ndjson.zst", dir) < 0) {
        return PEN_E_NOMEM;
    }
    pen_status st = PEN_OK;
    r->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0) {
        st = PEN_FAIL(r->err, PEN_E_IO, PEN_NO_OFFSET, "%s: %s", path, strerrordesc_np(errno));
    } else {
        st = passes(r, bytes);
        (void)close(r->fd);
    }
    free(path);
    return st;
}

pen_status pen_dead_letters(const char *dir, pen_dead_letter_fn *fn, void *ctx, struct pen_err *err)
{
    uint64_t bytes = 0;
    PEN_TRY(committed_bytes(dir, &bytes, err));
    if (bytes == 0) {
        return PEN_OK;
    }
    struct reader r = {.fn = fn,
                       .ctx = ctx,
                       .err = err,
                       .zstd = ZSTD_createDCtx(),
                       .packed = malloc(READ_BYTES),
                       .plain = malloc(READ_BYTES)};
    pen_buf_init(&r.line, LINE_BYTES_MAX);
    pen_buf_init(&r.text, LINE_BYTES_MAX);
    err->status = PEN_OK;
    pen_status st = file_read(dir, bytes, &r);
    if (st != PEN_OK && err->status == PEN_OK) {
        st = PEN_FAIL(err, st, PEN_NO_OFFSET, "dead letters: %s", pen_status_text(st));
    }
    (void)ZSTD_freeDCtx(r.zstd);
    free(r.packed);
    free(r.plain);
    free(r.marks);
    pen_buf_fini(&r.line);
    pen_buf_fini(&r.text);
    return st;
}
