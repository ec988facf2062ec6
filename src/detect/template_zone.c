/* tested by tests/unit/detect/test_render.c */
#include "template.h"

#include <stdio.h>

#define ZONE_FOLDER "/usr/share/zoneinfo/"
#define ZONE_NAME_MAX 64U
#define ZONE_BYTES_MAX ((size_t)64 << 10)
#define HEADER_BYTES 44U
#define SHIFT_S_MAX (26 * 3600)

/* Counts of a TZif block (RFC 8536 3.1), in the order of its header. */
struct counts {
    uint32_t ut, std, leap, time, type, text;
};

static bool is_zone_name(pen_slice zone)
{
    for (size_t i = 0; i < zone.len; i++) {
        const uint8_t c = zone.ptr[i];
        const bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!is_letter && (c < '0' || c > '9') && strchr("_+-/", c) == NULL) {
            return false;
        }
    }
    return zone.len > 0 && zone.len <= ZONE_NAME_MAX && zone.ptr[0] != '/';
}

static bool zone_read(pen_slice zone, struct pen_buf *out)
{
    char path[sizeof(ZONE_FOLDER) + ZONE_NAME_MAX];
    if (!is_zone_name(zone) || pen_buf_reserve(out, ZONE_BYTES_MAX) != PEN_OK) {
        return false;
    }
    (void)snprintf(path, sizeof(path), ZONE_FOLDER "%.*s", PEN_SLICE_FMT(zone));
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        return false;
    }
    out->len = fread(out->ptr, 1, ZONE_BYTES_MAX, file);
    (void)fclose(file); /* only read: nothing is lost */
    return true;
}

static uint64_t big_endian(const uint8_t *at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) {
        value = value << 8U | at[i];
    }
    return value;
}

/* The header at the front of *rest, which is moved past it. */
static bool take_header(pen_slice *rest, struct counts *counts)
{
    pen_slice header;
    uint32_t *const all[] = {&counts->ut,   &counts->std,  &counts->leap,
                             &counts->time, &counts->type, &counts->text};
    if (!pen_slice_take(rest, HEADER_BYTES, &header) ||
        !pen_slice_starts(header, PEN_SLICE_LIT("TZif")) || header.ptr[4] < '2') {
        return false;
    }
    for (size_t i = 0; i < PEN_COUNT(all); i++) {
        *all[i] = (uint32_t)big_endian(header.ptr + 20 + 4 * i, 4);
        if (*all[i] > ZONE_BYTES_MAX) {
            return false;
        }
    }
    return true;
}

static size_t block_bytes(const struct counts *c, size_t time_bytes)
{
    return (size_t)c->time * (time_bytes + 1) + (size_t)c->type * 6 + c->text +
           (size_t)c->leap * (time_bytes + 4) + c->std + c->ut;
}

/* Seconds east of UTC at a time.  False when the block does not say. */
static bool find_shift(pen_slice block, const struct counts *c, bool has_rule, int64_t time_s,
                       int32_t *shift_s)
{
    const uint8_t *times = block.ptr;
    const uint8_t *types = times + (size_t)c->time * 8;
    uint32_t at = c->time;
    while (at > 0 && (int64_t)big_endian(times + (size_t)(at - 1) * 8, 8) > time_s) {
        at--;
    }
    const uint32_t type = at == 0 ? 0 : types[at - 1];
    if (type >= c->type || (at == c->time && has_rule)) {
        return false;
    }
    *shift_s = (int32_t)(uint32_t)big_endian(types + c->time + (size_t)type * 6, 4);
    return *shift_s >= -SHIFT_S_MAX && *shift_s <= SHIFT_S_MAX;
}

/* The second block of the file, which has times of 64 bits; behind it stands the rule of the years
 * to come, with a comma when clocks change. */
static bool zone_shift(pen_slice file, int64_t time_s, int32_t *shift_s)
{
    struct counts c;
    pen_slice block;
    if (!take_header(&file, &c) || !pen_slice_take(&file, block_bytes(&c, 4), &block) ||
        !take_header(&file, &c) || !pen_slice_take(&file, block_bytes(&c, 8), &block)) {
        return false;
    }
    const bool has_rule = pen_slice_find(file, PEN_SLICE_LIT(",")) != SIZE_MAX;
    return find_shift(block, &c, has_rule, time_s, shift_s);
}

size_t template_local_time(int64_t time_ns, pen_slice zone, char out[PEN_TIME_MAX])
{
    struct pen_buf file;
    int32_t shift_s = 0;
    int64_t local_ns = 0;
    pen_buf_init(&file, ZONE_BYTES_MAX);
    const bool is_known = zone_read(zone, &file) &&
                          zone_shift(pen_buf_slice(&file), time_ns / PEN_NS_PER_S, &shift_s) &&
                          !__builtin_add_overflow(time_ns, shift_s * PEN_NS_PER_S, &local_ns);
    pen_buf_fini(&file);
    if (!is_known) {
        return pen_format_time(time_ns, out);
    }
    const size_t len = pen_format_time(local_ns, out) - 1; /* without the Z */
    const uint32_t minutes = (uint32_t)(shift_s < 0 ? -shift_s : shift_s) / 60;
    return len + (size_t)snprintf(out + len, PEN_TIME_MAX - len, "%c%02u:%02u",
                                  shift_s < 0 ? '-' : '+', minutes / 60, minutes % 60);
}
