#include "pack.h"
#include "state_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* cmocka.h wants the three before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
/* clang-format on */

#define TEXT_MAX 700U

static uint64_t next(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return *seed >> 33;
}

struct made { /* an observation and its texts */
    struct pen_observation o;
    char texts[12][TEXT_MAX + 64];
};

/* One of few texts, of many, none, or one that is too long for the table. */
static pen_slice text_made(uint64_t *seed, char *to)
{
    static const uint32_t many[] = {3, 40000};
    const uint64_t kind = next(seed) % 8;
    int len =
        snprintf(to, TEXT_MAX, "text-%llu", (unsigned long long)(next(seed) % many[kind % 2]));
    if (kind == 6) {
        len = 0;
    } else if (kind == 7) {
        memset(to, 'l', TEXT_MAX);
        len = (int)TEXT_MAX;
    }
    return (pen_slice){(const uint8_t *)to, (size_t)len};
}

/* One that names another text, as groups and attributes do; now and then not quite. */
static pen_slice text_told(uint64_t *seed, char *to, pen_slice other, const char *end)
{
    const char *begin[] = {"{\"a\":\"", "{\"b\":[\"", "{\"b\":[\"c", "\""};
    const int len = snprintf(to, TEXT_MAX + 64, "%s%.*s%s", begin[next(seed) % 4],
                             PEN_SLICE_FMT(other), next(seed) % 8 == 0 ? "\"" : end);
    return (pen_slice){(const uint8_t *)to, (size_t)len};
}

static void make(struct made *m, uint64_t *seed)
{
    struct pen_observation *o = &m->o;
    pen_slice *const parts[] = {&o->rule_id, &o->event_id, &o->group,      &o->account,
                                &o->region,  &o->actor,    &o->source_ip,  &o->index_name,
                                &o->object,  &o->values,   &o->attributes, &o->event};
    *o = (struct pen_observation){.rule = (uint32_t)next(seed),
                                  .query = (uint32_t)next(seed) % 16,
                                  .others = (uint32_t)next(seed) & 0xffffU,
                                  .time_ns = (int64_t)next(seed) - (1 << 30),
                                  .promise_ns = (int64_t)next(seed),
                                  .record = next(seed)};
    for (uint32_t i = 0; i < PEN_COUNT(parts); i++) {
        *parts[i] = text_made(seed, m->texts[i]);
    }
    if (next(seed) % 2 == 0) {
        o->group =
            text_told(seed, m->texts[2], next(seed) % 2 == 0 ? o->actor : o->source_ip, "\"}");
    }
    if (next(seed) % 2 == 0) {
        o->attributes =
            text_told(seed, m->texts[10], next(seed) % 2 == 0 ? o->actor : o->source_ip, "\"]}");
    }
}

static void same(const struct pen_observation *a, const struct pen_observation *b)
{
    assert_int_equal(pen_state_order(a, b), 0);
    assert_int_equal(a->rule, b->rule);
    assert_int_equal(a->query, b->query);
    assert_int_equal(a->others, b->others);
    assert_int_equal(a->promise_ns, b->promise_ns);
    assert_true(pen_slice_eq(a->account, b->account) && pen_slice_eq(a->region, b->region));
    assert_true(pen_slice_eq(a->actor, b->actor) && pen_slice_eq(a->source_ip, b->source_ip));
    assert_true(pen_slice_eq(a->index_name, b->index_name) && pen_slice_eq(a->event, b->event));
    assert_true(pen_slice_eq(a->values, b->values) && pen_slice_eq(a->attributes, b->attributes));
}

/* More texts than a table takes: what it does not is in the tails, and all come back through what
 * is written of it. */
static void what_is_packed_comes_back(void **unused)
{
    (void)unused;
    enum { COUNT = 20000 };
    struct pack_table table;
    struct pack_table read;
    struct pen_buf bytes;
    struct pen_buf written;
    struct made m;
    uint64_t seed = 7;
    pack_table_init(&table);
    pack_table_init(&read);
    pen_buf_init(&bytes, SIZE_MAX);
    pen_buf_init(&written, PACK_WRITTEN_MAX);
    for (uint32_t i = 0; i < COUNT; i++) {
        make(&m, &seed);
        assert_int_equal(pack_add(&bytes, &table, &m.o, i % PEN_PARTITIONS), PEN_OK);
    }
    assert_true(table.count > 1000 && table.count <= PACK_TEXTS_MAX);
    assert_int_equal(pack_table_write(&table, &written), PEN_OK);
    assert_int_equal(pack_table_read(&read, table.count, pen_buf_slice(&written)), PEN_OK);
    seed = 7;
    pen_slice in = pen_buf_slice(&bytes);
    for (uint32_t i = 0; i < COUNT; i++) {
        struct pen_observation o;
        uint32_t partition = 0;
        make(&m, &seed);
        assert_int_equal(pack_take(&in, &read, &o, &partition, NULL), PEN_OK);
        assert_int_equal(partition, i % PEN_PARTITIONS);
        same(&m.o, &o);
    }
    assert_int_equal(in.len, 0);
    pack_table_clear(&table);
    assert_int_equal(table.count, 0);
    pack_table_fini(&table);
    pack_table_fini(&read);
    pen_buf_fini(&bytes);
    pen_buf_fini(&written);
}

/* Texts that are all different before the address do not crowd out the few accounts: a kind that
 * finds nothing is left, and none beside it. */
static void few_texts_stay_in_the_table(void **unused)
{
    (void)unused;
    static const char *const accounts[] = {"111111111111", "222222222222", "333333333333"};
    enum { COUNT = 8000 };
    struct pack_table table;
    struct pen_buf bytes;
    pack_table_init(&table);
    pen_buf_init(&bytes, SIZE_MAX);
    for (uint32_t i = 0; i < COUNT; i++) {
        char text[64];
        const int len = snprintf(text, sizeof(text), "{\"n\":[\"%u\"],\"ip\":[\"192.0.2.1\"]}", i);
        const struct pen_observation o = {.account =
                                              pen_slice_str(accounts[i / 10 % PEN_COUNT(accounts)]),
                                          .source_ip = PEN_SLICE_LIT("192.0.2.1"),
                                          .attributes = {(const uint8_t *)text, (size_t)len}};
        const size_t before = bytes.len;
        assert_int_equal(pack_add(&bytes, &table, &o, 0), PEN_OK);
        const size_t tail = bytes.len - before - sizeof(struct packed);
        assert_true(tail == 0 || tail == sizeof(uint16_t) + o.attributes.len);
        assert_true(tail > 0 ||
                    i < COUNT / 2); /* their part is full then, so this says something */
    }
    pack_table_fini(&table);
    pen_buf_fini(&bytes);
}

/* Of one time, event and rule: their groups decide, however they are told. */
static void packed_ones_are_ordered_as_others_are(void **unused)
{
    (void)unused;
    enum { COUNT = 300 };
    struct made *made = calloc(COUNT, sizeof(*made));
    size_t at[COUNT];
    struct pack_table table;
    struct pen_buf bytes;
    uint64_t seed = 3;
    uint32_t told = 0;
    assert_non_null(made);
    pack_table_init(&table);
    pen_buf_init(&bytes, SIZE_MAX);
    for (uint32_t i = 0; i < COUNT; i++) {
        make(&made[i], &seed);
        struct pen_observation *o = &made[i].o;
        o->time_ns = o->promise_ns = 5;
        o->event_id = o->rule_id = PEN_SLICE_LIT("one");
        o->actor = i % 3 == 0 ? PEN_SLICE_LIT("act") : o->actor;
        at[i] = bytes.len;
        assert_int_equal(pack_add(&bytes, &table, o, 0), PEN_OK);
        told += bytes.len - at[i] < o->group.len;
    }
    assert_true(told > 0);
    for (uint32_t i = 0; i < COUNT; i++) {
        for (uint32_t j = 0; j < COUNT; j++) {
            const int expected = pen_state_order(&made[i].o, &made[j].o);
            const int order = pack_order(&table, bytes.ptr + at[i], bytes.ptr + at[j]);
            assert_int_equal((order > 0) - (order < 0), (expected > 0) - (expected < 0));
        }
    }
    pack_table_fini(&table);
    pen_buf_fini(&bytes);
    free(made);
}

/* No byte that is changed or missing leads outside of what was given. */
static void damage_is_refused_or_read_within_bounds(void **unused)
{
    (void)unused;
    struct pack_table table;
    struct pen_buf bytes;
    struct made m;
    struct pen_observation o;
    uint32_t partition;
    uint64_t seed = 11;
    pack_table_init(&table);
    pen_buf_init(&bytes, SIZE_MAX);
    make(&m, &seed);
    assert_int_equal(pack_add(&bytes, &table, &m.o, 1), PEN_OK);
    for (size_t len = 0; len < bytes.len; len++) {
        uint8_t *copy = malloc(len + 1);
        assert_non_null(copy);
        memcpy(copy, bytes.ptr, len);
        pen_slice in = {copy, len};
        assert_int_equal(pack_take(&in, &table, &o, &partition, NULL), PEN_E_TRUNCATED);
        assert_int_equal(in.len, len);
        free(copy);
    }
    for (size_t at = 0; at < bytes.len; at++) {
        bytes.ptr[at] ^= 0xff;
        pen_slice in = pen_buf_slice(&bytes);
        const pen_status status = pack_take(&in, &table, &o, &partition, NULL);
        assert_true(status == PEN_OK || status == PEN_E_CORRUPT || status == PEN_E_TRUNCATED);
        bytes.ptr[at] ^= 0xff;
    }
    pack_table_fini(&table);
    pen_buf_fini(&bytes);
}

static void tables_that_do_not_add_up_are_refused(void **unused)
{
    (void)unused;
    const uint8_t good[] = {1, 0, 2, 0, 'a', 'b', 'c'};
    struct pack_table t;
    pack_table_init(&t);
    assert_int_equal(pack_table_read(&t, 2, (pen_slice){good, sizeof(good)}), PEN_OK);
    assert_int_equal(pack_table_read(&t, 2, (pen_slice){good, sizeof(good) - 1}), PEN_E_CORRUPT);
    assert_int_equal(pack_table_read(&t, 1, (pen_slice){good, sizeof(good)}), PEN_E_CORRUPT);
    assert_int_equal(pack_table_read(&t, 4, (pen_slice){good, sizeof(good)}), PEN_E_CORRUPT);
    assert_int_equal(pack_table_read(&t, PACK_TEXTS_MAX + 1, (pen_slice){good, sizeof(good)}),
                     PEN_E_CORRUPT);
    pack_table_fini(&t);
}

static void texts_that_no_observation_holds_are_refused(void **unused)
{
    (void)unused;
    static uint8_t big[PEN_OBSERVATION_KEY_MAX + 1];
    struct pack_table t;
    struct pen_buf out;
    pack_table_init(&t);
    pen_buf_init(&out, SIZE_MAX);
    const struct pen_observation rows[] = {{.group = {big, sizeof(big)}},
                                           {.rule_id = {big, sizeof(big)}},
                                           {.object = {big, sizeof(big)}},
                                           {.values = {big, sizeof(big)}},
                                           {.query = UINT16_MAX + 1U}};
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        assert_int_equal(pack_add(&out, &t, &rows[i], 0), PEN_E_LIMIT);
    }
    assert_int_equal(out.len, 0);
    pack_table_fini(&t);
    pen_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_packed_comes_back),
        cmocka_unit_test(few_texts_stay_in_the_table),
        cmocka_unit_test(packed_ones_are_ordered_as_others_are),
        cmocka_unit_test(damage_is_refused_or_read_within_bounds),
        cmocka_unit_test(tables_that_do_not_add_up_are_refused),
        cmocka_unit_test(texts_that_no_observation_holds_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
