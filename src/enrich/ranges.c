#include "ranges.h"

#include "penstock/match.h"

#include <stdlib.h>

#define NESTED_MAX 130U /* networks of one address, and one */

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

pen_status range_parse(pen_slice text, struct range *out, struct pen_err *err)
{
    struct pen_pred pred = {.op = PEN_OP_CIDR};
    PEN_TRY(pen_cidr_parse(text, &pred, err));
    const bool is_v4 = pred.addr_bits == 32;
    const uint32_t bits = pred.prefix + (is_v4 ? 96U : 0U);
    *out = (struct range){.value = RANGE_NONE};
    if (is_v4) {
        memcpy(out->from, mapped, sizeof(mapped));
        memcpy(out->from + sizeof(mapped), pred.addr, 4);
    } else {
        memcpy(out->from, pred.addr, 16);
    }
    memcpy(out->to, out->from, 16);
    for (uint32_t i = bits; i < 128; i++) {
        out->to[i / 8] |= (uint8_t)(0x80U >> (i % 8));
    }
    return PEN_OK;
}

bool range_address(pen_slice text, uint8_t out[16])
{
    uint8_t addr[16];
    uint8_t bits = 0;
    if (!pen_ip_parse(text, addr, &bits)) {
        return false;
    }
    memcpy(out, bits == 32 ? mapped : addr, sizeof(mapped));
    memcpy(out + sizeof(mapped), bits == 32 ? addr : addr + sizeof(mapped), 4);
    return true;
}

/* By first address, wider ones first. */
static int order(const void *a, const void *b)
{
    const struct range *x = a;
    const struct range *y = b;
    const int from = memcmp(x->from, y->from, 16);
    return from != 0 ? from : memcmp(y->to, x->to, 16);
}

static void edge_add(struct ranges *out, const uint8_t from[16], uint32_t value)
{
    if (out->count > 0 && memcmp(out->edges[out->count - 1].from, from, 16) == 0) {
        out->count--;
    }
    memcpy(out->edges[out->count].from, from, 16);
    out->edges[out->count++].value = value;
}

/* False: there is no address behind it. */
static bool behind(const uint8_t addr[16], uint8_t out[16])
{
    memcpy(out, addr, 16);
    for (uint32_t i = 16; i-- > 0;) {
        if (++out[i] != 0) {
            return true;
        }
    }
    return false;
}

/* Networks that end before an address: behind each, the one around it goes on. */
static void leave(struct ranges *out, const struct range **open, uint32_t *depth,
                  const uint8_t *before)
{
    uint8_t next[16];
    while (*depth > 0 && (before == NULL || memcmp(open[*depth - 1]->to, before, 16) < 0)) {
        (*depth)--;
        if (behind(open[*depth]->to, next)) {
            edge_add(out, next, *depth > 0 ? open[*depth - 1]->value : RANGE_NONE);
        }
    }
}

pen_status ranges_build(struct pen_arena *arena, struct range *items, uint32_t count,
                        struct ranges *out, const struct range **twice)
{
    const struct range *open[NESTED_MAX];
    uint32_t depth = 0;
    *twice = NULL;
    *out = (struct ranges){.edges = PEN_NEW_N(arena, struct range_edge, (size_t)count * 2 + 1)};
    if (out->edges == NULL) {
        return PEN_E_NOMEM;
    }
    if (count > 1) {
        qsort(items, count, sizeof(*items), order);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0 && order(&items[i - 1], &items[i]) == 0) {
            *twice = &items[i];
            return PEN_E_RULE;
        }
        leave(out, open, &depth, items[i].from);
        PEN_CHECK(depth < NESTED_MAX);
        open[depth++] = &items[i];
        edge_add(out, items[i].from, items[i].value);
    }
    leave(out, open, &depth, NULL);
    return PEN_OK;
}

uint32_t ranges_find(const struct ranges *ranges, const uint8_t addr[16])
{
    uint32_t low = 0; /* edges before it are at or below the address */
    uint32_t high = ranges->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (memcmp(ranges->edges[middle].from, addr, 16) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == 0 ? RANGE_NONE : ranges->edges[low - 1].value;
}
