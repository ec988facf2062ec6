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

/* Slots that something else than the document wants, or fills: those of each line are filled. */
static void readers_mark(const struct pen_schema *schema, bool is_read[NRM_SLOTS_MAX])
{
    const uint32_t basics[] = {schema->slot_account,  schema->slot_region,    schema->slot_module,
                               schema->slot_ingested, schema->slot_instance,  schema->slot_kind,
                               schema->slot_reason,   schema->slot_source_ip, schema->slot_agent,
                               schema->slot_provider};
    for (size_t i = 0; i < PEN_COUNT(basics); i++) {
        if (basics[i] < schema->slot_count) {
            is_read[basics[i]] = true;
        }
    }
    for (uint32_t i = 0; schema->script != NULL && schema->script->slots[i] != NULL; i++) {
        is_read[schema->script_slots[i]] = true;
    }
    for (uint32_t i = 0; i < schema->derived_count; i++) {
        const struct nrm_derived *derived = &schema->derived[i];
        if (derived->kind == NRM_FROM_SLOT || derived->kind == NRM_FROM_MEMBER) {
            is_read[derived->slot] = true;
        }
    }
    for (uint32_t i = 0; i < schema->watched_count; i++) {
        if (schema->watched[i].slot < schema->slot_count) {
            is_read[schema->watched[i].slot] = true;
        }
    }
    for (uint32_t i = 0; i < schema->slot_count; i++) {
        is_read[i] = is_read[i] || schema->slots[i].is_enriched;
    }
}

/* Whether the map of the slot is the only one. */
static bool is_only_map(const struct pen_schema *schema, uint32_t slot)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < schema->map_count; i++) {
        count += schema->maps[i].slot == slot;
    }
    return count == 1;
}

static void map_add(struct nrm_line *line, const struct nrm_map *map, bool is_ip, bool is_direct)
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
    const bool is_copy = to->count == 1 && !to->is_ip && !to->is_collected;
    if (is_copy && is_direct) {
        line->source_count--;
        line->of_slot[to->slot] = line->sources[to->first].column + 1;
        return;
    }
    if (is_copy && !has_map(line, to->slot)) {
        line->source_count--;
        line->copies[line->copy_count++] =
            (struct nrm_line_copy){.slot = to->slot, .column = line->sources[to->first].column};
        return;
    }
    line->map_count += to->count > 0;
}

/* may_be_direct: what only the document wants is written from the columns, by ops. */
static void maps_plan(const struct pen_schema *schema, struct nrm_line *line, bool may_be_direct)
{
    bool is_read[NRM_SLOTS_MAX] = {0};
    line->copy_count = 0;
    line->map_count = 0;
    line->source_count = 0;
    line->address_count = 0;
    memset(line->of_slot, 0, sizeof(line->of_slot));
    readers_mark(schema, is_read);
    for (uint32_t i = 0; i < schema->map_count; i++) {
        const struct nrm_map *map = &schema->maps[i];
        map_add(line, map, schema->slots[map->slot].is_ip,
                may_be_direct && !is_read[map->slot] && is_only_map(schema, map->slot));
    }
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
    maps_plan(n->schema, line, true);
    nrm_line_ops(n->schema, line);
    if (line->ops == NULL) {
        maps_plan(n->schema, line, false);
    }
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
