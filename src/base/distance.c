/* tested by tests/unit/base/test_base.c */
#include "penstock/base.h"

#define NAME_BYTES_MAX 32U

uint32_t pen_distance(pen_slice a, pen_slice b)
{
    uint32_t row[NAME_BYTES_MAX + 1];
    if (a.len > NAME_BYTES_MAX || b.len > NAME_BYTES_MAX) {
        return pen_slice_eq(a, b) ? 0 : UINT32_MAX;
    }
    for (size_t j = 0; j <= b.len; j++) {
        row[j] = (uint32_t)j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        uint32_t diagonal = row[0];
        row[0] = (uint32_t)i;
        for (size_t j = 1; j <= b.len; j++) {
            const uint32_t above = row[j];
            const uint32_t change = diagonal + (a.ptr[i - 1] == b.ptr[j - 1] ? 0 : 1);
            const uint32_t step = (above < row[j - 1] ? above : row[j - 1]) + 1;
            row[j] = change < step ? change : step;
            diagonal = above;
        }
    }
    return row[b.len];
}

uint32_t pen_distance_near(size_t len)
{
    return len / 3 < NAME_BYTES_MAX ? (uint32_t)(len / 3) + 2 : 0;
}
