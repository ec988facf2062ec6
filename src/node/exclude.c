/* tested by tests/e2e/test_exclude.py */
#include "exclude.h"

#include "penstock/query.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- queries ---- */

pen_status exclude_check(const struct pen_exclusion *items, uint32_t count,
                         const struct pen_types *types, struct pen_err *err)
{
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < items[i].type_count; j++) {
            if (pen_types_find(types, pen_slice_str(items[i].types[j])) == NULL) {
                return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                                "exclusion %.60s: no log type `%.40s`; `penstock types list` has "
                                "them",
                                items[i].name, items[i].types[j]);
            }
        }
    }
    return PEN_OK;
}

static bool applies(const struct pen_exclusion *item, pen_slice type)
{
    for (uint32_t i = 0; i < item->type_count; i++) {
        if (pen_slice_eq(type, pen_slice_str(item->types[i]))) {
            return true;
        }
    }
    return item->type_count == 0;
}

static struct pen_expr *leaf(struct pen_arena *arena, const struct pen_pred *pred)
{
    struct pen_expr *expr = PEN_NEW(arena, struct pen_expr);
    struct pen_pred *copy = PEN_NEW(arena, struct pen_pred);
    if (expr != NULL && copy != NULL) {
        *copy = *pred;
        *expr = (struct pen_expr){.kind = PEN_EXPR_PRED, .pred = copy};
    }
    return copy == NULL ? NULL : expr;
}

/* A field whose whole text is the pattern, or matches it from beginning to end. */
static pen_status field_expr(const struct pen_exclusion *item, struct pen_arena *arena,
                             const struct pen_program_type *entry, struct pen_expr **out,
                             struct pen_err *err)
{
    const pen_slice pattern = pen_slice_str(item->pattern);
    struct pen_pred pred = {.op = item->is_regex ? PEN_OP_REGEX : PEN_OP_PATTERN,
                            .is_cased = true,
                            .scalars_only = true,
                            .text = pattern,
                            .flags = PEN_RE_ANCHOR_START | PEN_RE_ANCHOR_END};
    PEN_TRY(pen_schema_field(entry->schema, pen_slice_str(item->field), &pred.field, err));
    struct pen_piece *piece = PEN_NEW(arena, struct pen_piece);
    if (piece != NULL) {
        *piece = (struct pen_piece){.kind = PEN_PIECE_TEXT, .text = pattern};
        pred.pieces = piece;
        pred.piece_count = item->is_regex ? 0 : 1;
        *out = leaf(arena, &pred);
    }
    return *out == NULL ? PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "out of memory")
                        : pen_expr_check(*out, err);
}

static pen_status query_expr(const struct pen_exclusion *item, struct pen_arena *arena,
                             const struct pen_program_type *entry, struct pen_expr **out,
                             struct pen_err *err)
{
    struct pen_query_names names = {
        .schema = entry->schema, .is_json = pen_slice_eq(entry->type->name, PEN_SLICE_LIT("json"))};
    const struct pen_query_options options = {.field = pen_query_field, .field_ctx = &names};
    return pen_query_parse(arena, pen_slice_str(item->query), &options, out, err);
}

pen_status exclude_queries(const struct pen_exclusion *items, uint32_t count,
                           struct pen_arena *arena, struct pen_program_type *entry,
                           struct pen_err *err)
{
    if (count == 0) {
        return PEN_OK;
    }
    struct pen_query *all = PEN_NEW_N(arena, struct pen_query, (size_t)entry->query_count + count);
    if (all == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "exclusions: out of memory");
    }
    if (entry->query_count > 0) {
        memcpy(all, entry->queries, entry->query_count * sizeof(*all));
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct pen_exclusion *item = &items[i];
        struct pen_expr *expr = NULL;
        struct pen_err why = {0};
        if (!applies(item, entry->type->name)) {
            continue;
        }
        const pen_status st = item->query != NULL ? query_expr(item, arena, entry, &expr, &why)
                                                  : field_expr(item, arena, entry, &expr, &why);
        if (st != PEN_OK) {
            return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "exclusion %.60s: %.*s: %s",
                            item->name, PEN_SLICE_FMT(entry->type->name), why.text);
        }
        all[entry->query_count++] = (struct pen_query){
            .expr = expr, .tag = PEN_EXCLUDE_TAG + i, .name = pen_slice_str(item->name)};
    }
    entry->queries = all;
    return PEN_OK;
}

/* ---- what they are ---- */

static uint64_t mix(uint64_t hash, const char *text)
{
    return pen_hash64(pen_slice_str(text == NULL ? "" : text), hash + (text == NULL ? 1 : 0));
}

void exclude_hash(const struct pen_exclusion *items, uint32_t count, char hex[33])
{
    uint64_t hash = count;
    hex[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        const struct pen_exclusion *item = &items[i];
        hash = mix(mix(mix(mix(hash, item->name), item->query), item->field), item->pattern);
        hash = mix(hash, item->mode == PEN_EXCLUDE_DROP ? "drop" : "count");
        hash = mix(hash, item->is_regex ? "regex" : "text");
        for (uint32_t j = 0; j < item->type_count; j++) {
            hash = mix(hash, item->types[j]);
        }
    }
    if (count > 0) {
        (void)snprintf(hex, 33, "%016" PRIx64, hash);
    }
}

/* ---- counters ---- */

pen_status exclude_write(const struct pen_exclusion *items, uint32_t count,
                         const uint64_t *counters, struct pen_buf *out)
{
    for (uint32_t i = 0; i < count; i++) {
        PEN_TRY(pen_buf_printf(out, "%" PRIu64 " %s\n", counters[i], items[i].name));
    }
    return pen_buf_add_byte(out, '\0');
}

pen_status exclude_read(const struct pen_exclusion *items, uint32_t count, uint64_t *counters,
                        pen_slice text, struct pen_err *err)
{
    pen_slice line;
    while (pen_slice_split(&text, '\n', &line)) {
        pen_slice number = {0};
        uint64_t value = 0;
        if (line.len == 0) {
            continue;
        }
        (void)pen_slice_split(&line, ' ', &number);
        if (!pen_parse_u64(number, &value)) {
            return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET,
                            "checkpoint.db: bad counters of exclusions");
        }
        for (uint32_t i = 0; i < count; i++) {
            if (pen_slice_eq(line, pen_slice_str(items[i].name))) {
                counters[i] += value;
            }
        }
    }
    return PEN_OK;
}
