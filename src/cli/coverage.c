/* tested by tests/e2e/test_coverage.py */
#include "coverage.h"

#include <stdio.h>
#include <stdlib.h>

#define SLOTS_FIRST 4096U

void coverage_init(struct coverage *coverage, int64_t from_ns, int64_t to_ns)
{
    *coverage = (struct coverage){.from_ns = from_ns, .to_ns = to_ns};
    for (uint32_t i = 0; i < COVERAGE_TYPES_MAX; i++) {
        coverage->last_day[i] = COVERAGE_NO_DAY;
    }
}

void coverage_fini(struct coverage *coverage)
{
    free(coverage->cells);
    free(coverage->slots);
}

/* ---- cells ---- */

static uint64_t cell_hash(const struct coverage_cell *cell)
{
    const size_t len = offsetof(struct coverage_cell, objects);
    return pen_hash64((pen_slice){(const uint8_t *)cell, len}, 0);
}

static bool same_group(const struct coverage_cell *a, const struct coverage_cell *b)
{
    return a->type == b->type && strcmp(a->account, b->account) == 0 &&
           strcmp(a->region, b->region) == 0;
}

static uint32_t *slot_of(struct coverage *c, const struct coverage_cell *cell)
{
    uint32_t at = (uint32_t)cell_hash(cell) & (c->slot_count - 1);
    while (c->slots[at] != 0) {
        const struct coverage_cell *there = &c->cells[c->slots[at] - 1];
        if (there->day == cell->day && same_group(there, cell)) {
            break;
        }
        at = (at + 1) & (c->slot_count - 1);
    }
    return &c->slots[at];
}

static pen_status grow(struct coverage *c)
{
    if (c->count == COVERAGE_CELLS_MAX) {
        return PEN_E_LIMIT;
    }
    const uint32_t slots = c->slot_count == 0 ? SLOTS_FIRST : c->slot_count * 2;
    const uint32_t cap = slots / 2;
    struct coverage_cell *cells = reallocarray(c->cells, cap, sizeof(*cells));
    uint32_t *table = calloc(slots, sizeof(*table));
    c->cells = cells == NULL ? c->cells : cells;
    if (cells == NULL || table == NULL) {
        free(table);
        return PEN_E_NOMEM;
    }
    free(c->slots);
    c->slots = table;
    c->slot_count = slots;
    c->cap = cap;
    for (uint32_t i = 0; i < c->count; i++) {
        *slot_of(c, &c->cells[i]) = i + 1;
    }
    return PEN_OK;
}

static bool type_index(struct coverage *c, pen_slice name, uint32_t *out)
{
    for (uint32_t i = 0; i < c->type_count; i++) {
        if (pen_slice_eq(pen_slice_str(c->types[i]), name)) {
            *out = i;
            return true;
        }
    }
    if (c->type_count == COVERAGE_TYPES_MAX) {
        return false;
    }
    *out = c->type_count;
    (void)snprintf(c->types[c->type_count++], sizeof(c->types[0]), "%.*s",
                   (int)(name.len < sizeof(c->types[0]) ? name.len : sizeof(c->types[0]) - 1),
                   (const char *)name.ptr);
    return true;
}

static void name_copy(char *out, size_t cap, pen_slice name)
{
    if (name.len > 0) {
        memcpy(out, name.ptr, name.len < cap ? name.len : cap - 1);
    }
}

pen_status coverage_add(struct coverage *c, const struct pen_object *object,
                        const struct pen_key_info *key)
{
    struct coverage_cell cell;
    memset(&cell, 0, sizeof(cell)); /* padding too: the bytes are hashed */
    cell.day = COVERAGE_NO_DAY;
    if (key->is_digest) {
        c->digests++;
        return PEN_OK;
    }
    if (key->day_ns != INT64_MIN) {
        if (key->day_ns + PEN_NS_PER_DAY <= c->from_ns || key->day_ns >= c->to_ns) {
            return PEN_OK; /* listed for its late records */
        }
        cell.day = (int32_t)(key->day_ns / PEN_NS_PER_DAY);
    }
    if (!type_index(c, key->type->name, &cell.type)) {
        return PEN_E_LIMIT;
    }
    name_copy(cell.account, sizeof(cell.account), key->account);
    name_copy(cell.region, sizeof(cell.region), key->region);
    if (c->count == c->cap) {
        PEN_TRY(grow(c));
    }
    uint32_t *slot = slot_of(c, &cell);
    if (*slot == 0) {
        c->cells[c->count++] = cell;
        *slot = c->count;
    }
    c->cells[*slot - 1].objects++;
    c->cells[*slot - 1].bytes += object->size;
    c->objects++;
    c->bytes += object->size;
    if (cell.day > c->last_day[cell.type]) {
        c->last_day[cell.type] = cell.day;
    }
    return PEN_OK;
}

/* ---- groups ---- */

static int cell_order(const void *a, const void *b)
{
    const struct coverage_cell *x = a;
    const struct coverage_cell *y = b;
    if (x->type != y->type) {
        return x->type < y->type ? -1 : 1;
    }
    const int account = strcmp(x->account, y->account);
    const int region = strcmp(x->region, y->region);
    if (account != 0 || region != 0) {
        return account != 0 ? account : region;
    }
    return x->day < y->day ? -1 : x->day > y->day;
}

void coverage_sort(struct coverage *c)
{
    if (c->count > 1) {
        qsort(c->cells, c->count, sizeof(*c->cells), cell_order);
    }
}

uint32_t coverage_group_end(const struct coverage *c, uint32_t first)
{
    uint32_t end = first + 1;
    while (end < c->count && same_group(&c->cells[first], &c->cells[end])) {
        end++;
    }
    return end;
}

/* Days before the first and after the last that a group should have. */
static int32_t day_before(const struct coverage *c, uint32_t first)
{
    const int32_t own = c->cells[first].day == COVERAGE_NO_DAY ? 0 : c->cells[first].day;
    return c->from_ns == INT64_MIN ? own - 1 : (int32_t)(c->from_ns / PEN_NS_PER_DAY) - 1;
}

static int32_t day_after(const struct coverage *c, uint32_t first)
{
    const int64_t end = c->to_ns == INT64_MAX ? 0 : (c->to_ns - 1) / PEN_NS_PER_DAY;
    return c->to_ns == INT64_MAX ? c->last_day[c->cells[first].type] + 1 : (int32_t)end + 1;
}

bool coverage_gap(const struct coverage *c, uint32_t first, uint32_t *at, int32_t *from,
                  int32_t *to)
{
    const uint32_t end = coverage_group_end(c, first);
    if (c->last_day[c->cells[first].type] == COVERAGE_NO_DAY) {
        return false;
    }
    for (; *at <= end; (*at)++) {
        const uint32_t i = *at;
        const int32_t before = i == first || c->cells[i - 1].day == COVERAGE_NO_DAY
                                   ? day_before(c, first)
                                   : c->cells[i - 1].day;
        const int32_t after = i == end ? day_after(c, first) : c->cells[i].day;
        if (after != COVERAGE_NO_DAY && after > before + 1) {
            *from = before + 1;
            *to = after - 1;
            (*at)++;
            return true;
        }
    }
    return false;
}

void coverage_day(int32_t day, char out[16])
{
    char text[PEN_TIME_MAX];
    (void)snprintf(out, 16, "-");
    if (day != COVERAGE_NO_DAY) {
        (void)pen_format_time(day * PEN_NS_PER_DAY, text);
        (void)snprintf(out, 16, "%.10s", text);
    }
}
