/* tested by tests/unit/base/test_base.c */
#include "penstock/base.h"

#include <xxh_x86dispatch.h> /* xxhash.h, with the widest vectors that the machine has */

uint64_t pen_hash64(pen_slice s, uint64_t seed)
{
    return XXH3_64bits_withSeed(s.len == 0 ? (const void *)"" : s.ptr, s.len, seed);
}

struct pen_hash128 pen_hash128(pen_slice s, uint64_t seed)
{
    const XXH128_hash_t h =
        XXH3_128bits_withSeed(s.len == 0 ? (const void *)"" : s.ptr, s.len, seed);
    return (struct pen_hash128){.hi = h.high64, .lo = h.low64};
}

void pen_hash128_hex(struct pen_hash128 h, char out[33])
{
    static const char digits[] = "0123456789abcdef";
    for (uint32_t i = 0; i < 16; i++) {
        out[i] = digits[h.hi >> (60 - 4 * i) & 15];
        out[16 + i] = digits[h.lo >> (60 - 4 * i) & 15];
    }
    out[32] = '\0';
}

pen_status pen_base_libraries(struct pen_buf *out)
{
    const unsigned version = XXH_versionNumber();
    return pen_buf_printf(out, "xxhash %u.%u.%u\n", version / 10000, version / 100 % 100,
                          version % 100);
}
