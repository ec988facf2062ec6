#include "penstock/match.h"

#include "engine.h"

#include <limits.h>

/* tested by tests/unit/match/test_compile.c */

#define MARKS_PER_SLOT 8U /* bits: at most one of 32 is set */
#define MARK_SHIFT 20U    /* bits of a hash below those that a mark is of */
#define CHAIN_MAX 32U     /* keys behind one another: more, and whole texts are hashed */
#define MIX_FIELD UINT64_C(0x9e3779b97f4a7c15)
#define MIX_FIRST UINT64_C(0xc2b2ae3d27d4eb4f)
#define MIX_LAST UINT64_C(0x165667b19e3779f9)

/* The first and the last 8 bytes, which may overlap; of a shorter text all of it. */
static void text_ends(pen_slice text, uint64_t *first, uint64_t *last)
{
    uint32_t halves[2] = {0};
    if (text.len >= sizeof(*first)) {
        memcpy(first, text.ptr, sizeof(*first));
        memcpy(last, text.ptr + text.len - sizeof(*last), sizeof(*last));
        return;
    }
    if (text.len >= sizeof(halves[0])) {
        memcpy(&halves[0], text.ptr, sizeof(halves[0]));
        memcpy(&halves[1], text.ptr + text.len - sizeof(halves[1]), sizeof(halves[1]));
    } else if (text.len > 0) {
        halves[0] = text.ptr[0] | (uint32_t)text.ptr[text.len / 2] << 8;
        halves[1] = text.ptr[text.len - 1];
    }
    *first = halves[0];
    *last = halves[1];
}

/* Odd multipliers, of which the upper half of the product is mixed best. */
static uint64_t hash_of(const struct eq_table *table, uint32_t field, bool is_found_cased,
                        pen_slice found_by)
{
    const uint64_t what = (uint64_t)field << 1 | is_found_cased;
    if (PEN_UNLIKELY(table->hashes_all)) {
        return pen_hash64(found_by, what);
    }
    uint64_t first;
    uint64_t last;
    text_ends(found_by, &first, &last);
    const uint64_t more = (what * MIX_FIELD + found_by.len) * MIX_FIRST;
    const uint64_t mixed = (first * MIX_FIRST ^ last) * MIX_LAST ^ more;
    const uint64_t product = (mixed ^ mixed >> 32) * MIX_FIELD;
    return product ^ product >> 32;
}

static uint64_t mark_of(const struct eq_table *table, uint64_t hash)
{
    return hash >> MARK_SHIFT & table->mark_mask;
}

bool pen_match_eq_may_have(const struct eq_table *table, const struct eq_want *want, uint64_t *hash)
{
    *hash = hash_of(table, want->field, want->is_found_cased, want->found_by);
    const uint64_t mark = mark_of(table, *hash);
    return (table->marks[mark / 64] >> mark % 64 & 1) != 0;
}

/* Puts all keys in; false when one has too many before it. */
static bool fill(struct eq_table *table)
{
    for (uint32_t i = 0; i < table->count; i++) {
        const struct eq_key *key = &table->keys[i];
        const uint64_t hash = hash_of(table, key->field, key->is_found_cased, key->found_by);
        uint32_t before = 0;
        uint64_t at = hash & table->mask;
        for (; table->slots[at].key != 0; before++) {
            at = (at + 1) & table->mask;
        }
        if (before > CHAIN_MAX && !table->hashes_all) {
            return false;
        }
        table->slots[at] = (struct eq_slot){hash, i + 1};
        const uint64_t mark = mark_of(table, hash);
        table->marks[mark / 64] |= UINT64_C(1) << mark % 64;
    }
    return true;
}

pen_status pen_match_eq_build(struct pen_arena *arena, const struct eq_key *keys, uint32_t count,
                              struct eq_table *table, struct pen_err *err)
{
    uint64_t size = 16;
    while (size < (uint64_t)count * 4) {
        size *= 2;
    }
    *table = (struct eq_table){
        .mask = size - 1, .keys = keys, .count = count, .mark_mask = size * MARKS_PER_SLOT - 1};
    table->slots = PEN_NEW_N(arena, struct eq_slot, size);
    table->marks = PEN_NEW_N(arena, uint64_t, size * MARKS_PER_SLOT / 64);
    if (table->slots == NULL || table->marks == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "match: no memory for %u keys", count);
    }
    for (uint32_t i = 0; i < count; i++) {
        table->text_max = keys[i].text.len > table->text_max ? keys[i].text.len : table->text_max;
    }
    if (!fill(table)) {
        memset(table->slots, 0, size * sizeof(*table->slots));
        memset(table->marks, 0, size * MARKS_PER_SLOT / CHAR_BIT);
        table->hashes_all = true;
        (void)fill(table);
    }
    return PEN_OK;
}

const struct eq_key *pen_match_eq_next(const struct eq_table *table, uint64_t hash, uint64_t *at,
                                       const struct eq_want *want)
{
    for (;;) {
        const struct eq_slot *slot = &table->slots[*at & table->mask];
        if (slot->key == 0) {
            return NULL;
        }
        ++*at;
        if (slot->hash != hash) {
            continue;
        }
        const struct eq_key *key = &table->keys[slot->key - 1];
        if (key->field == want->field && key->is_found_cased == want->is_found_cased &&
            pen_slice_eq(key->text, key->is_cased ? want->text : want->found_by)) {
            return key;
        }
    }
}
