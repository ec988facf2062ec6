/* tested by tests/e2e/test_bench.py */
#include "tables_made.h"

#include "penstock/bench.h"

#include <inttypes.h>
#include <stdio.h>

/*
 * Databases have a tree of IPv4 that is full down to a depth, which is the depth at which most
 * look-ups in real ones end, and records that take turns (format: MaxMind DB 2.0).
 */

#define PLACE_DEPTH 20U
#define PLACES 4096U
#define SYSTEM_DEPTH 17U
#define SYSTEMS 2048U
#define ASSET_ACCOUNTS 1000U
#define ASSET_NETWORKS 10000U
#define SEED UINT64_C(88172645463325252)
#define BYTES_MAX ((size_t)64 << 20)
#define TEXT_LONG 29U /* bytes of a text whose length has a byte of its own */

/* ---- texts ---- */

size_t tables_address(uint64_t random, char out[TABLES_TEXT_MAX])
{
    const uint32_t v = (uint32_t)(random >> 16);
    const uint32_t first = 11 + (v >> 24) % 200;
    return (size_t)snprintf(out, TABLES_TEXT_MAX, "%u.%u.%u.%u", first, v >> 16 & 255, v >> 8 & 255,
                            v & 255);
}

size_t tables_host(uint64_t random, char out[TABLES_TEXT_MAX])
{
    return (size_t)snprintf(out, TABLES_TEXT_MAX, "host-%" PRIx64 ".example.net", random >> 24);
}

static bool file_write(const char *path, const struct pen_buf *bytes)
{
    FILE *file = fopen(path, "we");
    bool is_good = file != NULL && fwrite(bytes->ptr, 1, bytes->len, file) == bytes->len;
    if (file != NULL) {
        is_good &= fclose(file) == 0;
    }
    return is_good;
}

/* ---- databases ---- */

static pen_status text_put(struct pen_buf *out, const char *text)
{
    const size_t len = strlen(text);
    PEN_CHECK(len < TEXT_LONG + 256);
    if (len < TEXT_LONG) {
        PEN_TRY(pen_buf_add_byte(out, (uint8_t)(2U << 5 | len)));
    } else {
        PEN_TRY(pen_buf_add_byte(out, (uint8_t)(2U << 5 | TEXT_LONG)));
        PEN_TRY(pen_buf_add_byte(out, (uint8_t)(len - TEXT_LONG)));
    }
    return pen_buf_add(out, pen_slice_str(text));
}

static pen_status map_put(struct pen_buf *out, uint32_t members)
{
    return pen_buf_add_byte(out, (uint8_t)(7U << 5 | members));
}

/* Big-endian, of so many bytes. */
static pen_status bytes_put(struct pen_buf *out, uint64_t value, uint32_t count)
{
    pen_status st = PEN_OK;
    for (uint32_t i = count; st == PEN_OK && i-- > 0;) {
        st = pen_buf_add_byte(out, (uint8_t)(value >> (8 * i)));
    }
    return st;
}

static pen_status u32_put(struct pen_buf *out, uint32_t value)
{
    PEN_TRY(pen_buf_add_byte(out, 6U << 5 | 4U));
    return bytes_put(out, value, 4);
}

static pen_status double_put(struct pen_buf *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    PEN_TRY(pen_buf_add_byte(out, 3U << 5 | 8U));
    return bytes_put(out, bits, 8);
}

/* Texts up to a NULL; "{3" begins a map of three members. */
static pen_status words_put(struct pen_buf *out, const char *const *words)
{
    pen_status st = PEN_OK;
    for (; st == PEN_OK && *words != NULL; words++) {
        st = (*words)[0] == '{' ? map_put(out, (uint32_t)((*words)[1] - '0'))
                                : text_put(out, *words);
    }
    return st;
}

static pen_status place_put(struct pen_buf *out, uint32_t number)
{
    char city[24];
    (void)snprintf(city, sizeof(city), "City %u", number);
    const char code[3] = {(char)('A' + number % 26), (char)('A' + number / 26 % 26), '\0'};
    const char *const words[] = {"{3",      "city",     "{1",       "names",    "{1",    "en", city,
                                 "country", "{2",       "iso_code", code,       "names", "{1", "en",
                                 "Country", "location", "{2",       "latitude", NULL};
    PEN_TRY(words_put(out, words));
    PEN_TRY(double_put(out, (double)(number % 170) - 85.5));
    PEN_TRY(text_put(out, "longitude"));
    return double_put(out, (double)(number % 350) - 174.25);
}

static pen_status system_put(struct pen_buf *out, uint32_t number)
{
    static const char *const first[] = {"{2", "autonomous_system_number", NULL};
    char name[24];
    (void)snprintf(name, sizeof(name), "Network %u", number);
    const char *const second[] = {"autonomous_system_organization", name, NULL};
    PEN_TRY(words_put(out, first));
    PEN_TRY(u32_put(out, 64512 + number));
    return words_put(out, second);
}

static pen_status u16_put(struct pen_buf *out, uint32_t value)
{
    PEN_TRY(pen_buf_add_byte(out, 5U << 5 | 2U));
    return bytes_put(out, value, 2);
}

/* What the format wants to be told of a database. */
static pen_status meta_put(struct pen_buf *out, const char *type, uint32_t nodes)
{
    static const struct {
        const char *name;
        uint32_t value;
    } numbers[] = {{"binary_format_major_version", 2},
                   {"binary_format_minor_version", 0},
                   {"ip_version", 4},
                   {"record_size", 32}};
    static const uint8_t epoch[] = {8, 2, 0, 0, 0, 0, 0, 0, 0, 1}; /* a number of 8 bytes */
    static const uint8_t no_list[] = {0, 4};
    const char *const words[] = {"database_type", type, "description", "{0", "languages", NULL};
    pen_status st = pen_buf_add(out, PEN_SLICE_LIT("\xab\xcd\xefMaxMind.com"));
    st = st == PEN_OK ? map_put(out, 9) : st;
    for (size_t i = 0; st == PEN_OK && i < PEN_COUNT(numbers); i++) {
        st = text_put(out, numbers[i].name);
        st = st == PEN_OK ? u16_put(out, numbers[i].value) : st;
    }
    st = st == PEN_OK ? text_put(out, "build_epoch") : st;
    st = st == PEN_OK ? pen_buf_add(out, (pen_slice){epoch, sizeof(epoch)}) : st;
    st = st == PEN_OK ? words_put(out, words) : st;
    st = st == PEN_OK ? pen_buf_add(out, (pen_slice){no_list, sizeof(no_list)}) : st;
    st = st == PEN_OK ? text_put(out, "node_count") : st;
    return st == PEN_OK ? u32_put(out, nodes) : st;
}

/* Nodes of a full tree stand row by row: those below node n are 2n + 1 and 2n + 2. */
static pen_status tree_put(struct pen_buf *out, uint32_t depth, const uint32_t *offsets,
                           uint32_t count)
{
    const uint32_t nodes = (1U << depth) - 1;
    pen_status st = PEN_OK;
    for (uint32_t n = 0; st == PEN_OK && n < 2 * nodes; n++) {
        const uint32_t below = n + 1;
        const uint32_t record =
            below < nodes ? below : nodes + 16 + offsets[(below - nodes) % count];
        st = bytes_put(out, record, 4);
    }
    return st == PEN_OK ? bytes_put(out, 0, 8) : st;
}

typedef pen_status record_put(struct pen_buf *out, uint32_t number);

static pen_status database_put(struct pen_buf *out, const char *type, uint32_t depth,
                               uint32_t count, record_put *put)
{
    uint32_t offsets[PLACES];
    struct pen_buf data;
    pen_status st = PEN_OK;
    PEN_CHECK(count <= PLACES);
    pen_buf_init(&data, BYTES_MAX);
    for (uint32_t i = 0; st == PEN_OK && i < count; i++) {
        offsets[i] = pen_u32(data.len);
        st = put(&data, i);
    }
    st = st == PEN_OK ? tree_put(out, depth, offsets, count) : st;
    st = st == PEN_OK ? bytes_put(out, 0, 8) : st; /* 16 bytes of 0 in all */
    st = st == PEN_OK ? pen_buf_add(out, pen_buf_slice(&data)) : st;
    pen_buf_fini(&data);
    return st == PEN_OK ? meta_put(out, type, (1U << depth) - 1) : st;
}

static pen_status places_put(struct pen_buf *out)
{
    return database_put(out, "Made-City", PLACE_DEPTH, PLACES, place_put);
}

static pen_status systems_put(struct pen_buf *out)
{
    return database_put(out, "Made-ASN", SYSTEM_DEPTH, SYSTEMS, system_put);
}

/* ---- texts ---- */

static pen_status assets_put(struct pen_buf *out)
{
    PEN_TRY(pen_buf_printf(out, "account,ip,alias,environment,owner\n"));
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < ASSET_ACCOUNTS; i++) {
        st = pen_buf_printf(out, "%012u,,account %u,test,team-%u\n", i + 1, i, i % 40);
    }
    for (uint32_t i = 0; st == PEN_OK && i < ASSET_NETWORKS; i++) {
        st =
            pen_buf_printf(out, ",10.%u.%u.0/24,net %u,prod,team-%u\n", i >> 8, i & 255, i, i % 40);
    }
    return st;
}

/* Of twenty lines twelve are addresses, six domains, one a network and one a hash. */
static pen_status indicators_put(struct pen_buf *out)
{
    uint64_t state = SEED;
    char text[TABLES_TEXT_MAX];
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < TABLES_INDICATORS; i++) {
        const uint64_t random = tables_random(&state);
        const uint32_t kind = i % 20;
        if (kind < 18) {
            const size_t len = kind < 12 ? tables_address(random, text) : tables_host(random, text);
            st = pen_buf_printf(out, "%.*s\n", (int)len, text);
        } else if (kind == 18) {
            st = pen_buf_printf(out, "%u.%u.%u.0/24\n", (uint32_t)(11 + random % 200),
                                (uint32_t)(random >> 16 & 255), (uint32_t)(random >> 32 & 255));
        } else {
            st = pen_buf_printf(out, "%016" PRIx64 "%016" PRIx64 "\n", random,
                                tables_random(&state));
        }
    }
    return st;
}

pen_status pen_bench_tables(const char *dir, struct pen_bench_tables *out, struct pen_err *err)
{
    const struct {
        const char *name;
        pen_status (*put)(struct pen_buf *out);
        char *path;
    } files[] = {{"city.mmdb", places_put, out->geoip},
                 {"asn.mmdb", systems_put, out->asn},
                 {"assets.csv", assets_put, out->assets},
                 {"indicators.txt", indicators_put, out->ioc}};
    pen_status st = PEN_OK;
    for (size_t i = 0; st == PEN_OK && i < PEN_COUNT(files); i++) {
        struct pen_buf bytes;
        pen_buf_init(&bytes, BYTES_MAX);
        (void)snprintf(files[i].path, PEN_BENCH_PATH_MAX, "%s/%s", dir, files[i].name);
        st = files[i].put(&bytes);
        if (st == PEN_OK && !file_write(files[i].path, &bytes)) {
            st = PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "%s cannot be written", files[i].path);
        } else if (st != PEN_OK) {
            st = PEN_FAIL(err, st, PEN_NO_OFFSET, "bench: out of memory for tables");
        }
        pen_buf_fini(&bytes);
    }
    return st;
}
