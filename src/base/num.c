/* tested by tests/unit/base/test_base.c */
#include "penstock/base.h"

bool pen_parse_u64(pen_slice s, uint64_t *out)
{
    uint64_t value = 0;
    if (s.len == 0) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        const uint32_t digit = (uint32_t)s.ptr[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, digit, &value)) {
            return false;
        }
    }
    *out = value;
    return true;
}

bool pen_parse_i64(pen_slice s, int64_t *out)
{
    const bool is_negative = s.len > 0 && s.ptr[0] == '-';
    const uint64_t size_max = (uint64_t)INT64_MAX + (is_negative ? 1 : 0);
    uint64_t size = 0;
    if (!pen_parse_u64(pen_slice_sub(s, is_negative ? 1 : 0, s.len), &size) || size > size_max) {
        return false;
    }
    *out = (int64_t)(is_negative ? 0 - size : size);
    return true;
}

struct unit {
    pen_slice name;
    uint64_t factor;
};

/* "<digits><unit>"; digits alone only where bare is not 0. */
static bool parse_unit(pen_slice s, const struct unit *units, size_t count, uint64_t bare,
                       uint64_t *out)
{
    size_t digits = 0;
    while (digits < s.len && s.ptr[digits] >= '0' && s.ptr[digits] <= '9') {
        digits++;
    }
    const pen_slice suffix = pen_slice_sub(s, digits, s.len);
    uint64_t number = 0;
    if (!pen_parse_u64(pen_slice_sub(s, 0, digits), &number)) {
        return false;
    }
    uint64_t factor = suffix.len == 0 ? bare : 0;
    for (size_t i = 0; i < count; i++) {
        if (suffix.len > 0 && pen_slice_eq(suffix, units[i].name)) {
            factor = units[i].factor;
        }
    }
    if (number == 0 && suffix.len == 0) {
        *out = 0;
        return true;
    }
    return factor != 0 && !__builtin_mul_overflow(number, factor, out);
}

bool pen_parse_size(pen_slice s, uint64_t *bytes)
{
    static const struct unit units[] = {
        {PEN_SLICE_LIT("B"), 1},
        {PEN_SLICE_LIT("KB"), 1000},
        {PEN_SLICE_LIT("KiB"), UINT64_C(1) << 10},
        {PEN_SLICE_LIT("MB"), 1000000},
        {PEN_SLICE_LIT("MiB"), UINT64_C(1) << 20},
        {PEN_SLICE_LIT("GB"), 1000000000},
        {PEN_SLICE_LIT("GiB"), UINT64_C(1) << 30},
        {PEN_SLICE_LIT("TB"), UINT64_C(1000000000000)},
        {PEN_SLICE_LIT("TiB"), UINT64_C(1) << 40},
    };
    return parse_unit(s, units, PEN_COUNT(units), 1, bytes);
}

bool pen_parse_duration(pen_slice s, int64_t *ns)
{
    static const struct unit units[] = {
        {PEN_SLICE_LIT("ns"), 1},
        {PEN_SLICE_LIT("us"), 1000},
        {PEN_SLICE_LIT("ms"), 1000000},
        {PEN_SLICE_LIT("s"), PEN_NS_PER_S},
        {PEN_SLICE_LIT("m"), 60 * PEN_NS_PER_S},
        {PEN_SLICE_LIT("h"), 3600 * PEN_NS_PER_S},
        {PEN_SLICE_LIT("d"), PEN_NS_PER_DAY},
        {PEN_SLICE_LIT("w"), 7 * PEN_NS_PER_DAY},
    };
    uint64_t value = 0;
    if (!parse_unit(s, units, PEN_COUNT(units), 0, &value) || value > INT64_MAX) {
        return false;
    }
    *ns = (int64_t)value;
    return true;
}
