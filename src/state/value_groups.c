/* tested by tests/unit/state/test_show.c */
#include "penstock/state.h"

#include "state_internal.h"

#include <stdlib.h>

#define SLOTS_FIRST 64U

pen_status pen_value_groups_init(struct value_groups *g, const struct pen_state_options *o)
{
    *g = (struct value_groups){.options = o};
    g->per_partition = calloc((size_t)o->rule_count + 1, sizeof(*g->per_partition));
    return g->per_partition == NULL ? PEN_E_NOMEM : PEN_OK;
}

void pen_value_groups_fini(struct value_groups *g)
{
    for (size_t i = 0; i < g->slot_count; i++) {
        free(g->slots[i]);
    }
    free(g->slots);
    for (uint32_t r = 0; g->per_partition != NULL && r < g->options->rule_count; r++) {
        free(g->per_partition[r]);
    }
    free(g->per_partition);
}

static size_t slot_of(const struct value_groups *g, uint32_t rule,
                      const struct new_value_hash *hash)
{
    size_t at = (size_t)(hash->low + rule) & (g->slot_count - 1);
    while (g->slots[at] != NULL &&
           (g->slots[at]->low != hash->low || g->slots[at]->high != hash->high ||
            g->slots[at]->rule != rule)) {
        at = (at + 1) & (g->slot_count - 1);
    }
    return at;
}

struct value_group *pen_value_groups_find(const struct value_groups *g, uint32_t rule,
                                          const struct new_value_hash *hash)
{
    return g->slot_count == 0 ? NULL : g->slots[slot_of(g, rule, hash)];
}

static pen_status grow(struct value_groups *g)
{
    const size_t count = g->slot_count == 0 ? SLOTS_FIRST : g->slot_count * 2;
    struct value_group **slots = calloc(count, sizeof(struct value_group *));
    if (slots == NULL) {
        return PEN_E_NOMEM;
    }
    struct value_group **old = g->slots;
    const size_t old_count = g->slot_count;
    g->slots = slots;
    g->slot_count = count;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i] != NULL) {
            const struct new_value_hash hash = {.low = old[i]->low, .high = old[i]->high};
            slots[slot_of(g, old[i]->rule, &hash)] = old[i];
        }
    }
    free(old);
    g->bytes += (count - old_count) * sizeof(struct value_group *);
    return PEN_OK;
}

/* Whether one more may have a name; the counter of its partition. */
static pen_status room_of(struct value_groups *g, uint32_t rule, uint32_t partition,
                          uint32_t **count)
{
    if (g->per_partition[rule] == NULL) {
        g->per_partition[rule] = calloc(PEN_PARTITIONS, sizeof(uint32_t));
        if (g->per_partition[rule] == NULL) {
            return PEN_E_NOMEM;
        }
        g->bytes += PEN_PARTITIONS * sizeof(uint32_t);
    }
    *count = &g->per_partition[rule][partition];
    return PEN_OK;
}

pen_status pen_value_groups_add(struct value_groups *g, uint32_t rule,
                                const struct new_value_hash *hash, pen_slice text)
{
    uint32_t *count = NULL;
    PEN_TRY(room_of(g, rule, hash->high % PEN_PARTITIONS, &count));
    if (*count >= g->options->named_groups_max ||
        pen_value_groups_find(g, rule, hash) != NULL) { /* its clock was evicted and begins anew */
        return PEN_OK;
    }
    PEN_TRY(g->count + 1 > g->slot_count / 4 * 3 ? grow(g) : PEN_OK);
    struct value_group *group = malloc(sizeof(*group) + text.len);
    if (group == NULL) {
        return PEN_E_NOMEM;
    }
    *group = (struct value_group){
        .low = hash->low, .high = hash->high, .rule = rule, .text_len = pen_u32(text.len)};
    if (text.len > 0) {
        memcpy(group->text, text.ptr, text.len);
    }
    g->slots[slot_of(g, rule, hash)] = group;
    g->count++;
    g->bytes += sizeof(*group) + text.len;
    (*count)++;
    return PEN_OK;
}
