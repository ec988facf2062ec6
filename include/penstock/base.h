/*
 * penstock/base.h - vocabulary types shared by every module.  Includes nothing of ours.
 *
 * Slices (borrowed bytes), growable buffers with a mandatory maximum, statuses and errors,
 * assertions, hashing, numbers, time, UTF-8.  Nothing here does I/O, keeps state between calls or
 * knows about logs.  Every function may be called on any thread.  Only pen_buf allocates.
 */
#ifndef PEN_BASE_H
#define PEN_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PEN_MUST_USE __attribute__((warn_unused_result))
#define PEN_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define PEN_COLD __attribute__((cold, noinline))
#define PEN_LIKELY(x) __builtin_expect(!!(x), 1)
#define PEN_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define PEN_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PEN_CONTAINER_OF(p, T, m) ((T *)(void *)((char *)(p)-offsetof(T, m)))
#define PEN_CACHE_LINE 64

/* ---- statuses and errors ---- */

typedef enum pen_status {
#define PEN_STATUS(name, cls, exit, text) PEN_##name,
#include "penstock/status.def"
#undef PEN_STATUS
    PEN_STATUS_COUNT
} pen_status;

/* Static text, metric label ("E_LIMIT") and process exit code of a status. */
const char *pen_status_text(pen_status status);
const char *pen_status_name(pen_status status);
int pen_status_exit(pen_status status);
/* E_NOSPACE when the errno of a failed write says that there is no room, else E_IO. */
pen_status pen_status_of_write(int os_errno);

struct pen_err {
    pen_status status;
    int os_errno;      /* 0 when no system call is involved */
    uint64_t offset;   /* byte in the input, or PEN_NO_OFFSET */
    const char *where; /* "src/decode/gzip.c:88", static storage */
    char text[256];    /* always NUL-terminated */
};
#define PEN_NO_OFFSET UINT64_MAX

/* Fills *err (may be NULL) and returns status.  No allocation. */
PEN_COLD PEN_PRINTF(5, 6) pen_status
    pen_err_set(struct pen_err *err, pen_status status, uint64_t offset, const char *where,
                const char *fmt, ...);

#define PEN_STR2(x) #x
#define PEN_STR(x) PEN_STR2(x)
#define PEN_HERE __FILE__ ":" PEN_STR(__LINE__)
#define PEN_FAIL(err, st, off, ...) pen_err_set((err), (st), (off), PEN_HERE, __VA_ARGS__)
#define PEN_TRY(expr)                       \
    do {                                    \
        const pen_status pen_try_ = (expr); \
        if (pen_try_ != PEN_OK) {           \
            return pen_try_;                \
        }                                   \
    } while (0)

/* No error any more; not all of it is written anew, as each record would have to. */
static inline void pen_err_clear(struct pen_err *err)
{
    err->status = PEN_OK;
    err->os_errno = 0;
    err->offset = 0;
    err->where = NULL;
    err->text[0] = '\0';
}

/* Assertions are for our own bugs, never for input.  CHECK stays in release. */
PEN_COLD _Noreturn void pen_panic(const char *where, const char *what);
#define PEN_CHECK(c) (PEN_LIKELY(c) ? (void)0 : pen_panic(PEN_HERE, #c))
#ifdef NDEBUG
#    define PEN_DCHECK(c) ((void)sizeof(!(c)))
#else
#    define PEN_DCHECK(c) PEN_CHECK(c)
#endif

/* ---- slices: a borrowed, possibly empty view of bytes; ptr may be NULL only when len is 0 ---- */

typedef struct pen_slice {
    const uint8_t *ptr;
    size_t len;
} pen_slice;

#define PEN_SLICE_LIT(s) ((pen_slice){(const uint8_t *)("" s ""), sizeof(s) - 1})
#define PEN_SLICE_FMT(s) (int)((s).len > 256 ? 256 : (s).len), (const char *)(s).ptr

/* For libraries that take what they only read as not const, and to free what is held as const. */
static inline void *pen_unconst(const void *ptr)
{
    void *same;
    memcpy(&same, &ptr, sizeof(same));
    return same;
}
static inline pen_slice pen_slice_str(const char *s)
{
    return (pen_slice){(const uint8_t *)s, strlen(s)};
}

static inline bool pen_slice_eq(pen_slice a, pen_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool pen_slice_starts(pen_slice s, pen_slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

/* Bytes [from, to) of s; both are clamped to s. */
static inline pen_slice pen_slice_sub(pen_slice s, size_t from, size_t to)
{
    if (to > s.len) {
        to = s.len;
    }
    if (from > to) {
        from = to;
    }
    return s.len == 0 ? s : (pen_slice){s.ptr + from, to - from};
}

/* Moves the first n bytes of *rest into *head.  False, and no change, when rest is shorter. */
static inline PEN_MUST_USE bool pen_slice_take(pen_slice *rest, size_t n, pen_slice *head)
{
    if (n > rest->len) {
        return false;
    }
    *head = (pen_slice){rest->ptr, n};
    if (n > 0) {
        rest->ptr += n;
        rest->len -= n;
    }
    return true;
}

int pen_slice_cmp(pen_slice a, pen_slice b);            /* memcmp order, shorter first */
bool pen_slice_eq_nocase(pen_slice a, pen_slice b);     /* ASCII case only */
size_t pen_slice_find(pen_slice hay, pen_slice needle); /* offset, or SIZE_MAX */
/* Changes of one letter that make a of b, for words of a user: those of more than 32 bytes are
 * either the same (0) or far apart (UINT32_MAX).  A word is near one of len bytes when its distance
 * is less than pen_distance_near(len). */
uint32_t pen_distance(pen_slice a, pen_slice b);
uint32_t pen_distance_near(size_t len);
/*
 * pen_great_circle_m - metres between two places on a sphere of the Earth's mean radius, by the
 * haversine formula (R. W. Sinnott, Sky and Telescope 68, 1984), rounded.
 *
 * Latitudes are -90,000,000 to 90,000,000 millionths of a degree, longitudes twice that.
 */
uint32_t pen_great_circle_m(int32_t lat1_udeg, int32_t lon1_udeg, int32_t lat2_udeg,
                            int32_t lon2_udeg);
pen_slice pen_slice_trim(pen_slice s); /* ASCII blanks at both ends */
/* Cuts *rest at the first sep: *head is what stood before it.  False when *rest is exhausted
 * (ptr NULL).  "a,,b" gives "a", "", "b". */
bool pen_slice_split(pen_slice *rest, uint8_t sep, pen_slice *head);

/* ---- buffers: growable bytes that never exceed max ---- */

struct pen_buf {
    uint8_t *ptr;
    size_t len;
    size_t cap;
    size_t max; /* bytes; growing past it fails with PEN_E_LIMIT */
};

void pen_buf_init(struct pen_buf *buf, size_t max_bytes); /* allocates nothing */
void pen_buf_fini(struct pen_buf *buf);
/* Makes room for extra more bytes.  PEN_E_LIMIT past max, PEN_E_NOMEM; buffer unchanged then. */
PEN_MUST_USE pen_status pen_buf_grow(struct pen_buf *buf, size_t extra);
PEN_MUST_USE pen_status pen_buf_printf(struct pen_buf *buf, const char *fmt, ...) PEN_PRINTF(2, 3);

static inline PEN_MUST_USE pen_status pen_buf_reserve(struct pen_buf *buf, size_t extra)
{
    return PEN_LIKELY(extra <= buf->cap - buf->len) ? PEN_OK : pen_buf_grow(buf, extra);
}

static inline PEN_MUST_USE pen_status pen_buf_add(struct pen_buf *buf, pen_slice s)
{
    PEN_TRY(pen_buf_reserve(buf, s.len));
    if (s.len > 0) {
        memcpy(buf->ptr + buf->len, s.ptr, s.len);
        buf->len += s.len;
    }
    return PEN_OK;
}

/* memcpy for texts that are mostly short: no call for up to 64 bytes. */
static inline void pen_copy_short(uint8_t *to, const uint8_t *from, size_t len)
{
    if (len > 64) {
        memcpy(to, from, len);
    } else if (len > 32) {
        memcpy(to, from, 32);
        memcpy(to + len - 32, from + len - 32, 32);
    } else if (len >= 16) { /* two that may overlap */
        memcpy(to, from, 16);
        memcpy(to + len - 16, from + len - 16, 16);
    } else if (len >= 8) {
        memcpy(to, from, 8);
        memcpy(to + len - 8, from + len - 8, 8);
    } else if (len >= 4) {
        memcpy(to, from, 4);
        memcpy(to + len - 4, from + len - 4, 4);
    } else if (len > 0) {
        to[0] = from[0];
        to[len / 2] = from[len / 2];
        to[len - 1] = from[len - 1];
    }
}

/* Copies len bytes and returns what is behind them.  PEN_COPY_SLACK bytes can be read at from and
 * written at to, whatever len is: no branch for most texts. */
#define PEN_COPY_SLACK 32U
static inline uint8_t *pen_copy_wide(uint8_t *to, const uint8_t *from, size_t len)
{
    memcpy(to, from, PEN_COPY_SLACK);
    if (PEN_UNLIKELY(len > PEN_COPY_SLACK)) {
        memcpy(to + PEN_COPY_SLACK, from + PEN_COPY_SLACK, len - PEN_COPY_SLACK);
    }
    return to + len;
}

/* pen_buf_add for hot paths and short texts. */
static inline PEN_MUST_USE pen_status pen_buf_put(struct pen_buf *buf, pen_slice s)
{
    PEN_TRY(pen_buf_reserve(buf, s.len));
    pen_copy_short(buf->ptr + buf->len, s.ptr, s.len);
    buf->len += s.len;
    return PEN_OK;
}

static inline PEN_MUST_USE pen_status pen_buf_add_byte(struct pen_buf *buf, uint8_t b)
{
    PEN_TRY(pen_buf_reserve(buf, 1));
    buf->ptr[buf->len++] = b;
    return PEN_OK;
}

static inline pen_slice pen_buf_slice(const struct pen_buf *buf)
{
    return (pen_slice){buf->ptr, buf->len};
}

/* Appends a line "NAME VERSION" for each library that the module stands on. */
PEN_MUST_USE pen_status pen_base_libraries(struct pen_buf *out);

/* ---- arena: bump memory for things built once (rules, types, plans) or reset per use ---- */

struct pen_arena {
    struct pen_arena_chunk *chunks;
    size_t used_bytes;
    size_t max_bytes;
};

void pen_arena_init(struct pen_arena *arena, size_t max_bytes);
void pen_arena_fini(struct pen_arena *arena);
/* Zeroed memory that the arena owns until fini; NULL past max_bytes or out of memory.
 * align is a power of two up to 64. */
PEN_MUST_USE void *pen_arena_alloc(struct pen_arena *arena, size_t size, size_t align);
PEN_MUST_USE void *pen_arena_alloc_n(struct pen_arena *arena, size_t n, size_t size, size_t align);
/* A copy with a NUL behind it (not counted in len); ptr NULL when it does not fit. */
pen_slice pen_arena_dup(struct pen_arena *arena, pen_slice s);
#define PEN_NEW(arena, T) ((T *)pen_arena_alloc((arena), sizeof(T), _Alignof(T)))
#define PEN_NEW_N(arena, T, n) ((T *)pen_arena_alloc_n((arena), (n), sizeof(T), _Alignof(T)))

/* ---- hashing (XXH3); stable across machines and releases: written to disk ---- */

uint64_t pen_hash64(pen_slice s, uint64_t seed);
struct pen_hash128 {
    uint64_t hi, lo;
};
struct pen_hash128 pen_hash128(pen_slice s, uint64_t seed);
void pen_hash128_hex(struct pen_hash128 h, char out[33]); /* 32 lower-case digits and a NUL */

/* ---- numbers; no locale, whole slice or failure ---- */

PEN_MUST_USE bool pen_parse_u64(pen_slice s, uint64_t *out);
PEN_MUST_USE bool pen_parse_i64(pen_slice s, int64_t *out);     /* "-5"; no "+" */
PEN_MUST_USE bool pen_parse_size(pen_slice s, uint64_t *bytes); /* "8MiB" "64KB" "100" */
PEN_MUST_USE bool pen_parse_duration(pen_slice s, int64_t *ns); /* "250ms" "1h" "7d" "0" */

/* ---- time: int64 nanoseconds since 1970-01-01T00:00:00Z ---- */

#define PEN_NS_PER_S INT64_C(1000000000)
#define PEN_NS_PER_DAY (INT64_C(86400) * PEN_NS_PER_S)

struct pen_civil {
    int32_t year; /* proleptic Gregorian */
    uint8_t month, day, hour, minute, second;
    uint32_t nanosecond;
};

int64_t pen_days_from_civil(int32_t year, uint32_t month, uint32_t day); /* since 1970-01-01 */
struct pen_civil pen_civil_from_ns(int64_t ns);
/* RFC 3339 / ISO 8601 date-time; date alone is midnight; blank or T; fraction of any length (past
 * 9 digits dropped); Z, +hh:mm, +hhmm or no zone (UTC).  Years 1678..2261, else false. */
PEN_MUST_USE bool pen_parse_time(pen_slice s, int64_t *ns);
/* width digits of value, zeros before it; its higher digits are left out.  Behind them. */
char *pen_put_digits(char *out, uint32_t value, uint32_t width);
/* "2024-01-31T23:59:59": 19 bytes, without NUL; a year of four digits.  Behind them. */
char *pen_put_civil(char *out, const struct pen_civil *civil);
#define PEN_TIME_MAX 40
/* "2024-01-31T23:59:59Z", with a fraction only when there is one.  Returns bytes written. */
size_t pen_format_time(int64_t ns, char out[PEN_TIME_MAX]);
int64_t pen_clock_wall_ns(void);
int64_t pen_clock_mono_ns(void);
int64_t pen_clock_thread_cpu_ns(void);

/* ---- UTF-8 (RFC 3629) ---- */

bool pen_utf8_valid(pen_slice s);
/* Decodes one code point and advances; U+FFFD and one byte on bad input.  s must not be empty. */
uint32_t pen_utf8_next(pen_slice *s);
size_t pen_utf8_put(uint32_t code_point, uint8_t out[4]); /* bytes written; 0 for surrogates */
/* Simple case folding of Unicode (CaseFolding.txt, status C and S): one code point to one. */
uint32_t pen_fold(uint32_t code_point);

/* Appends s with control, bidirectional and invalid bytes shown as \xNN or \u{N}, so that log text
 * can be printed on a terminal.  Status of the buffer. */
PEN_MUST_USE pen_status pen_escape_terminal(struct pen_buf *out, pen_slice s);

static inline uint32_t pen_u32(uint64_t x)
{
    PEN_CHECK(x <= UINT32_MAX);
    return (uint32_t)x;
}

#endif
