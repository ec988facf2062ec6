/* tested by tests/unit/normalize/test_line.c */
/* Lines of text: which columns feed which slots is known before the first of them. */
#include "penstock/match.h"

#include "line_ops.h"

#include <stdlib.h>

#define FRAGMENT_BYTES_MAX ((size_t)1 << 20)

bool nrm_line_new(struct pen_normalizer *n)
{
    const struct pen_schema *schema = n->schema;
    size_t sources = 1;
    for (uint32_t i = 0; i < schema->map_count; i++) {
        sources += schema->maps[i].source_count;
    }
    n->line.maps = calloc((size_t)schema->map_count + 1, sizeof(*n->line.maps));
    n->line.copies = calloc((size_t)schema->map_count + 1, sizeof(*n->line.copies));
    n->line.sources = calloc(sources, sizeof(*n->line.sources));
    n->line.addresses = calloc(sources, sizeof(*n->line.addresses));
    return n->line.maps != NULL && n->line.copies != NULL && n->line.sources != NULL &&
           n->line.addresses != NULL;
}

void nrm_line_free(struct nrm_line *line)
{
    free(line->maps);
    free(line->copies);
    free(line->sources);
    free(line->addresses);
    if (line->stamp != 0) {
        pen_arena_fini(&line->fragments);
    }
}

/* ---- once for the columns of an object ---- */

static uint32_t address_add(struct nrm_line *line, uint32_t column)
{
    uint32_t at = 0;
    while (at < line->address_count && line->addresses[at].column != column) {
        at++;
    }
    line->addresses[at].column = column;
    line->address_count += at == line->address_count;
    return at;
}

/* Of two maps for one slot the later one counts: it stays behind the earlier one. */
static bool has_map(const struct nrm_line *line, uint32_t slot)
{
    for (uint32_t i = 0; i < line->map_count; i++) {
        if (line->maps[i].slot == slot) {
            return true;
        }
    }
    return false;
}

static void map_add(struct nrm_line *line, const struct nrm_map *map, bool is_ip)
{
    struct nrm_line_map *to = &line->maps[line->map_count];
    *to = (struct nrm_line_map){.slot = map->slot,
                                .first = line->source_count,
                                .is_collected = map->collect,
                                .is_ip = is_ip};
    for (uint32_t i = 0; i < map->source_count; i++) {
        const uint32_t column = line->layout->of_field[map->sources[i].field];
        if (column > 0) {
            struct nrm_line_source *source = &line->sources[line->source_count++];
            source->column = column - 1;
            source->address = is_ip ? address_add(line, column - 1) : 0;
            to->count++;
        }
    }
    if (to->count == 1 && !to->is_ip && !to->is_collected && !has_map(line, to->slot)) {
        line->source_count--;
        line->copies[line->copy_count++] =
            (struct nrm_line_copy){.slot = to->slot, .column = line->sources[to->first].column};
        return;
    }
    line->map_count += to->count > 0;
}

static PEN_COLD void plan(struct pen_normalizer *n, const struct pen_columns *layout)
{
    struct nrm_line *line = &n->line;
    if (line->stamp != 0) {
        pen_arena_fini(&line->fragments);
    }
    pen_arena_init(&line->fragments, FRAGMENT_BYTES_MAX);
    line->layout = layout;
    line->stamp = layout->stamp;
    line->copy_count = 0;
    line->map_count = 0;
    line->source_count = 0;
    line->address_count = 0;
    for (uint32_t i = 0; i < n->schema->map_count; i++) {
        const struct nrm_map *map = &n->schema->maps[i];
        map_add(line, map, n->schema->slots[map->slot].is_ip);
    }
    nrm_line_ops(n->schema, line);
}

/* ---- for each line ---- */

static inline void fill_slot(struct nrm_value *to, const struct pen_column *column)
{
    to->kind = NRM_TEXT;
    to->is_escaped = column->is_escaped;
    to->is_wide = true;
    to->text = column->text;
}

static void fill_first(struct pen_normalizer *n, const struct pen_column *columns,
                       const struct nrm_line_map *map)
{
    const struct nrm_line_source *source = &n->line.sources[map->first];
    const struct nrm_line_source *end = source + map->count;
    while (source < end && columns[source->column].text.len == 0) {
        source++;
    }
    if (source == end || (map->is_ip && !n->line.addresses[source->address].is_address)) {
        return;
    }
    fill_slot(&n->slots[map->slot], &columns[source->column]);
}

static void fill_list(struct pen_normalizer *n, const struct pen_column *columns,
                      const struct nrm_line_map *map)
{
    const uint32_t from = n->item_count;
    for (uint32_t i = map->first; i < map->first + map->count; i++) {
        const struct nrm_line_source *source = &n->line.sources[i];
        const struct pen_column *column = &columns[source->column];
        const bool is_left_out = map->is_ip ? !n->line.addresses[source->address].is_address
                                            : nrm_is_empty(column->text);
        if (!is_left_out && nrm_item_is_new(n, from, column->text) &&
            n->item_count < NRM_ITEMS_MAX) {
            n->items[n->item_count++] = (struct nrm_item){
                .text = column->text, .is_escaped = column->is_escaped, .is_wide = true};
        }
    }
    nrm_items_sort(n->items + from, n->item_count - from);
    if (n->item_count > from) {
        n->slots[map->slot] = (struct nrm_value){
            .kind = NRM_LIST, .item_first = from, .item_count = n->item_count - from};
    }
}

void nrm_line_fill(struct pen_normalizer *n, const struct pen_record *record)
{
    struct nrm_line *line = &n->line;
    if (PEN_UNLIKELY(line->layout != record->layout || line->stamp != record->layout->stamp)) {
        plan(n, record->layout);
    }
    for (uint32_t i = 0; i < line->copy_count; i++) {
        const struct pen_column *column = &record->columns[line->copies[i].column];
        if (column->text.len > 0) {
            fill_slot(&n->slots[line->copies[i].slot], column);
        }
    }
    for (uint32_t i = 0; i < line->address_count; i++) {
        struct nrm_line_address *address = &line->addresses[i];
        const pen_slice text = record->columns[address->column].text; /* more can be read of it */
        address->is_address = pen_ip_is_v4(text) || nrm_is_address(text);
    }
    for (uint32_t i = 0; i < line->map_count; i++) {
        const struct nrm_line_map *map = &line->maps[i];
        if (map->is_collected) {
            fill_list(n, record->columns, map);
        } else {
            fill_first(n, record->columns, map);
        }
    }
}
