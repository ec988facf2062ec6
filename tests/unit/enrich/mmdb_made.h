/* mmdb_made.h - writes small MaxMind databases (format 2.0), for tests. */
#ifndef PEN_TEST_MMDB_MADE_H
#define PEN_TEST_MMDB_MADE_H

#include "penstock/match.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MADE_NODES_MAX 4096U
#define MADE_DATA_MAX 16384U
#define MADE_EMPTY UINT32_MAX
#define MADE_DATA 0x80000000U /* and the offset of the data */

struct made { /* a tree of IPv6, in which IPv4 is ::/96 */
    uint32_t nodes[MADE_NODES_MAX][2];
    uint32_t node_count;
    uint8_t data[MADE_DATA_MAX];
    uint32_t data_len;
};

static inline void made_byte(struct made *m, unsigned byte)
{
    assert_true(m->data_len < MADE_DATA_MAX);
    m->data[m->data_len++] = (uint8_t)byte;
}

static inline void made_map(struct made *m, unsigned members)
{
    made_byte(m, 7U << 5 | members);
}

static inline void made_text(struct made *m, const char *text)
{
    const size_t len = strlen(text);
    if (len < 29) {
        made_byte(m, 2U << 5 | (unsigned)len);
    } else if (len < 29 + 256) {
        made_byte(m, 2U << 5 | 29U);
        made_byte(m, (unsigned)len - 29);
    } else {
        made_byte(m, 2U << 5 | 30U);
        made_byte(m, (unsigned)(len - 285) >> 8);
        made_byte(m, (unsigned)(len - 285) & 0xff);
    }
    for (size_t i = 0; i < len; i++) {
        made_byte(m, (uint8_t)text[i]);
    }
}

static inline void made_u32(struct made *m, uint32_t value)
{
    made_byte(m, 6U << 5 | 4U);
    for (int shift = 24; shift >= 0; shift -= 8) {
        made_byte(m, value >> shift & 0xff);
    }
}

static inline void made_u16(struct made *m, unsigned value)
{
    made_byte(m, 5U << 5 | 2U);
    made_byte(m, value >> 8);
    made_byte(m, value & 0xff);
}

/* What the format wants to be told of a database. */
static inline void made_meta(struct made *m, const char *type)
{
    made_map(m, 9);
    made_text(m, "binary_format_major_version");
    made_u16(m, 2);
    made_text(m, "binary_format_minor_version");
    made_u16(m, 0);
    made_text(m, "build_epoch"); /* 8 bytes of a number, the second of the larger types */
    made_byte(m, 8);
    made_byte(m, 2);
    for (unsigned i = 1; i <= 8; i++) {
        made_byte(m, i / 5 * i);
    }
    made_text(m, "database_type");
    made_text(m, type);
    made_text(m, "description");
    made_map(m, 1);
    made_text(m, "en");
    made_text(m, "made");
    made_text(m, "ip_version");
    made_u16(m, 6);
    made_text(m, "languages"); /* a list, the fourth of the larger types */
    made_byte(m, 1);
    made_byte(m, 4);
    made_text(m, "en");
    made_text(m, "node_count");
    made_u32(m, m->node_count);
    made_text(m, "record_size");
    made_u16(m, 24);
}

static inline void made_double(struct made *m, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    made_byte(m, 3U << 5 | 8U);
    for (int shift = 56; shift >= 0; shift -= 8) {
        made_byte(m, (unsigned)(bits >> shift & 0xff));
    }
}

/* The record of a place; NULL texts are left out. */
static inline uint32_t made_place(struct made *m, const char *city, const char *code,
                                  const char *country, double lon, double lat)
{
    const uint32_t at = m->data_len;
    made_map(m, city != NULL ? 3 : 2);
    if (city != NULL) {
        made_text(m, "city");
        made_map(m, 1);
        made_text(m, "names");
        made_map(m, 1);
        made_text(m, "en");
        made_text(m, city);
    }
    made_text(m, "country");
    made_map(m, 2);
    made_text(m, "iso_code");
    made_text(m, code);
    made_text(m, "names");
    made_map(m, 1);
    made_text(m, "en");
    made_text(m, country);
    made_text(m, "location");
    made_map(m, 2);
    made_text(m, "latitude");
    made_double(m, lat);
    made_text(m, "longitude");
    made_double(m, lon);
    return at;
}

static inline uint32_t made_as(struct made *m, uint32_t number, const char *name)
{
    const uint32_t at = m->data_len;
    made_map(m, 2);
    made_text(m, "autonomous_system_number");
    made_u32(m, number);
    made_text(m, "autonomous_system_organization");
    made_text(m, name);
    return at;
}

static inline struct made *made_new(void)
{
    struct made *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    m->node_count = 1;
    m->nodes[0][0] = MADE_EMPTY;
    m->nodes[0][1] = MADE_EMPTY;
    return m;
}

/* All addresses of a network have the data at an offset; networks do not overlap. */
static inline void made_net(struct made *m, const char *net, uint32_t data)
{
    struct pen_pred pred = {.op = PEN_OP_CIDR};
    uint8_t addr[16] = {0};
    assert_int_equal(pen_cidr_parse(pen_slice_str(net), &pred, NULL), PEN_OK);
    const bool is_v4 = pred.addr_bits == 32;
    memcpy(addr + (is_v4 ? 12 : 0), pred.addr, is_v4 ? 4 : 16);
    const uint32_t bits = pred.prefix + (is_v4 ? 96U : 0U);
    uint32_t node = 0;
    for (uint32_t i = 0; i < bits; i++) {
        uint32_t *to = &m->nodes[node][addr[i / 8] >> (7 - i % 8) & 1];
        if (i + 1 == bits) {
            *to = MADE_DATA | data;
        } else if (*to == MADE_EMPTY) {
            assert_true(m->node_count < MADE_NODES_MAX);
            *to = m->node_count;
            m->nodes[m->node_count][0] = MADE_EMPTY;
            m->nodes[m->node_count][1] = MADE_EMPTY;
            m->node_count++;
        }
        node = *to;
    }
}

static inline void made_u24(FILE *file, uint32_t value)
{
    (void)fputc((int)(value >> 16 & 0xff), file);
    (void)fputc((int)(value >> 8 & 0xff), file);
    (void)fputc((int)(value & 0xff), file);
}

/* Renames the finished file into its place, as updaters do. */
static inline void made_write(struct made *m, const char *path, const char *type)
{
    char temp[512];
    (void)snprintf(temp, sizeof(temp), "%s.tmp", path);
    FILE *file = fopen(temp, "wb");
    assert_non_null(file);
    for (uint32_t i = 0; i < m->node_count; i++) {
        for (int side = 0; side < 2; side++) {
            const uint32_t to = m->nodes[i][side];
            made_u24(file, to == MADE_EMPTY        ? m->node_count
                           : (to & MADE_DATA) != 0 ? m->node_count + 16 + (to & ~MADE_DATA)
                                                   : to);
        }
    }
    const uint8_t zeros[16] = {0};
    assert_int_equal(fwrite(zeros, 1, 16, file), 16);
    assert_int_equal(fwrite(m->data, 1, m->data_len, file), m->data_len);
    assert_int_equal(fwrite("\xab\xcd\xefMaxMind.com", 1, 14, file), 14);
    m->data_len = 0;
    made_meta(m, type);
    assert_int_equal(fwrite(m->data, 1, m->data_len, file), m->data_len);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(temp, path), 0);
    free(m);
}

#endif
