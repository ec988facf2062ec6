#include "penstock/match.h"

#include "engine.h"

/* tested by tests/unit/match/test_compile.c */

uint64_t pen_match_eq_hash(uint32_t field, bool is_cased, pen_slice text)
{
    return pen_hash64(text, (uint64_t)field << 1 | (is_cased ? 1 : 0));
}

pen_status pen_match_eq_build(struct pen_arena *arena, const struct eq_key *keys, uint32_t count,
                              struct eq_table *table, struct pen_err *err)
{
    uint64_t size = 16;
    while (size < (uint64_t)count * 4) {
        size *= 2;
    }
    *table = (struct eq_table){.mask = size - 1, .keys = keys, .count = count};
    table->slots = PEN_NEW_N(arena, struct eq_slot, size);
    if (table->slots == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "match: no memory for %u keys", count);
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t hash = pen_match_eq_hash(keys[i].field, keys[i].is_cased, keys[i].text);
        uint64_t at = hash & table->mask;
        while (table->slots[at].key != 0) {
            at = (at + 1) & table->mask;
        }
        table->slots[at] = (struct eq_slot){hash, i + 1};
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
