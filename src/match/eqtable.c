#include "penstock/match.h"

#include "engine.h"

/* tested by tests/unit/match/test_compile.c */

#define MARKS_PER_SLOT 8U /* bits: at most one of 32 is set */
#define MIX_FIELD UINT64_C(0x9e3779b97f4a7c15)
#define MIX_FIRST UINT64_C(0xc2b2ae3d27d4eb4f)
#define MIX_LAST UINT64_C(0x165667b19e3779f9)

uint64_t pen_match_eq_hash(uint32_t field, bool is_cased, pen_slice text)
{
    return pen_hash64(text, (uint64_t)field << 1 | (is_cased ? 1 : 0));
}

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

/* The bit of a key: odd multipliers, of which the upper half of the product is mixed best. */
static uint64_t mark_of(const struct eq_table *table, const struct eq_key *key)
{
    uint64_t first;
    uint64_t last;
    text_ends(key->text, &first, &last);
    const uint64_t what = ((uint64_t)key->field << 1 | key->is_cased) * MIX_FIELD + key->text.len;
    const uint64_t mixed = (first * MIX_FIRST ^ last) * MIX_LAST ^ what * MIX_FIRST;
    return (mixed ^ mixed >> 32) * MIX_FIELD >> 32 & table->mark_mask;
}

bool pen_match_eq_may_have(const struct eq_table *table, const struct eq_key *want)
{
    const uint64_t mark = mark_of(table, want);
    return (table->marks[mark / 64] >> mark % 64 & 1) != 0;
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
        const uint64_t hash = pen_match_eq_hash(keys[i].field, keys[i].is_cased, keys[i].text);
        uint64_t at = hash & table->mask;
        while (table->slots[at].key != 0) {
            at = (at + 1) & table->mask;
        }
        table->slots[at] = (struct eq_slot){hash, i + 1};
        const uint64_t mark = mark_of(table, &keys[i]);
        table->marks[mark / 64] |= UINT64_C(1) << mark % 64;
        table->text_max = keys[i].text.len > table->text_max ? keys[i].text.len : table->text_max;
    }
    return PEN_OK;
}

const struct eq_key *pen_match_eq_next(const struct eq_table *table, uint64_t hash, uint64_t *at,
                                       const struct eq_key *want)
{
    for (;;) {
        const struct eq_slot *slot = &table->slots[*at & table->mask];
        if (slot->key == 0) {
            return NULL;
        }
        ++*at;
        const struct eq_key *key = &table->keys[slot->key - 1];
        if (slot->hash == hash && key->field == want->field && key->is_cased == want->is_cased &&
            pen_slice_eq(key->text, want->text)) {
            return key;
        }
    }
}
