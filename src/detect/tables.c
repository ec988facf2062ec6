/* tested by tests/unit/detect/test_tables.c */
#include "tables.h"

#include "penstock/csv.h"

#include "files.h"

#include <stdio.h>

/* ---- files ---- */

static pen_status wrong(const struct rules_table *table, uint32_t line, const char *why,
                        struct pen_err *err)
{
    return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "reference table %.*s: %.120s:%u: %.80s",
                    (int)(table->name.len < 40 ? table->name.len : 40),
                    (const char *)table->name.ptr, table->path, line, why);
}

static pen_status column_add(struct pen_rules *rules, struct rules_table *table, pen_slice name,
                             struct pen_err *err)
{
    name = pen_slice_trim(name);
    if (name.len == 0) {
        return wrong(table, 1, "a column without a name", err);
    }
    for (uint32_t i = 0; i < table->column_count; i++) {
        if (pen_slice_eq(table->columns[i].name, name)) {
            return wrong(table, 1, "two columns have one name", err);
        }
    }
    if (table->column_count == TABLE_COLUMNS_MAX) {
        return wrong(table, 1, "more than 256 columns", err);
    }
    struct rules_column *column = &table->columns[table->column_count++];
    column->name = pen_arena_dup(&rules->arena, name);
    return column->name.ptr == NULL ? PEN_E_NOMEM : PEN_OK;
}

static pen_status header(struct pen_rules *rules, struct rules_table *table, struct pen_csv *csv,
                         struct pen_err *err)
{
    bool is_last = false;
    table->columns = PEN_NEW_N(&rules->arena, struct rules_column, TABLE_COLUMNS_MAX);
    PEN_CHECK(table->columns != NULL);
    while (!is_last) {
        struct pen_err why = {0};
        pen_slice cell;
        const uint32_t line = csv->line;
        const pen_status st = pen_csv_cell(csv, &cell, &is_last, &why);
        PEN_TRY(st == PEN_OK ? column_add(rules, table, cell, err)
                             : wrong(table, line, why.text, err));
    }
    return PEN_OK;
}

struct row {
    uint32_t cells;
    size_t bytes; /* of them all */
};

/* The cells of a row; those of a column are added to the set, if there is one. */
static pen_status cells(struct pen_csv *csv, uint32_t column, struct pen_set *set, struct row *row,
                        struct pen_err *err)
{
    bool is_last = false;
    pen_status st = PEN_OK;
    for (*row = (struct row){0}; st == PEN_OK && !is_last; row->cells++) {
        pen_slice cell;
        st = pen_csv_cell(csv, &cell, &is_last, err);
        if (st == PEN_OK && set != NULL && row->cells == column && cell.len > 0) {
            st = pen_set_add(set, cell, err);
        }
        row->bytes += st == PEN_OK ? cell.len : 0;
    }
    return st;
}

static pen_status row_check(struct rules_table *table, struct pen_csv *csv, struct pen_err *err)
{
    struct pen_err why = {0};
    struct row row = {0};
    const uint32_t line = csv->line;
    if (cells(csv, 0, NULL, &row, &why) != PEN_OK) {
        return wrong(table, csv->line, why.text, err);
    }
    if (row.cells == 1 && row.bytes == 0) {
        return PEN_OK; /* an empty line */
    }
    table->rows++;
    return row.cells == table->column_count
               ? PEN_OK
               : wrong(table, line, "not as many cells as the first line", err);
}

static pen_status rows(const struct pen_rules_options *o, struct rules_table *table,
                       struct pen_csv *csv, struct pen_err *err)
{
    while (csv->left.len > 0) {
        const uint32_t line = csv->line;
        PEN_TRY(row_check(table, csv, err));
        if (table->rows > o->table_rows_max) {
            char why[80];
            (void)snprintf(why, sizeof(why), "more than %llu rows (tables.rows_max)",
                           (unsigned long long)o->table_rows_max);
            return wrong(table, line, why, err);
        }
    }
    return PEN_OK;
}

static pen_status file_read(const struct pen_rules_options *o, struct rules_table *table,
                            struct pen_err *err)
{
    char why[80];
    const uint64_t most = o->table_bytes_max;
    pen_buf_init(&table->text, most + 1);
    const pen_status st = rule_file_read(table->path, &table->text, err);
    if (st != PEN_OK) {
        return st == PEN_E_NOMEM ? st : wrong(table, 1, "the file cannot be read", err);
    }
    if (table->text.len > most) {
        (void)snprintf(why, sizeof(why), "more than %llu bytes (tables.bytes_max)",
                       (unsigned long long)most);
        return wrong(table, 1, why, err);
    }
    table->hash = pen_hash128(pen_buf_slice(&table->text), 0);
    return PEN_OK;
}

static pen_status table_read(struct pen_rules *rules, const struct pen_reference_table *from,
                             struct rules_table *table, struct pen_err *err)
{
    struct pen_csv csv;
    table->name = pen_arena_dup(&rules->arena, pen_slice_str(from->name));
    const pen_slice path = pen_arena_dup(&rules->arena, pen_slice_str(from->path));
    PEN_CHECK(table->name.ptr != NULL && path.ptr != NULL);
    table->path = (const char *)path.ptr;
    PEN_TRY(file_read(&rules->options, table, err));
    pen_csv_init(&csv, pen_buf_slice(&table->text), TABLE_CELL_BYTES_MAX);
    pen_status st = header(rules, table, &csv, err);
    st = st == PEN_OK ? rows(&rules->options, table, &csv, err) : st;
    pen_csv_fini(&csv);
    return st;
}

pen_status tables_read(struct pen_rules *rules, struct pen_err *err)
{
    const struct pen_rules_options *o = &rules->options;
    rules->tables = PEN_NEW_N(&rules->arena, struct rules_table, (size_t)o->table_count + 1);
    PEN_CHECK(rules->tables != NULL);
    pen_status st = PEN_OK;
    for (uint32_t i = 0; i < o->table_count && st == PEN_OK; i++) {
        st = table_read(rules, &o->tables[i], &rules->tables[rules->table_count++], err);
    }
    return st;
}

void tables_drop_texts(struct pen_rules *rules)
{
    for (uint32_t i = 0; i < rules->table_count; i++) {
        pen_buf_fini(&rules->tables[i].text);
    }
}

void tables_free(struct pen_rules *rules)
{
    tables_drop_texts(rules);
    for (uint32_t i = 0; i < rules->table_count; i++) {
        for (uint32_t c = 0; c < rules->tables[i].column_count; c++) {
            pen_set_free(rules->tables[i].columns[c].set);
        }
    }
}

/* ---- columns ---- */

struct rules_table *table_find(const struct pen_rules *rules, pen_slice name)
{
    for (uint32_t i = 0; i < rules->table_count; i++) {
        if (pen_slice_eq(rules->tables[i].name, name)) {
            return &rules->tables[i];
        }
    }
    return NULL;
}

/* The text was checked when it was read: only memory may fail. */
static pen_status column_fill(struct rules_table *table, uint32_t column, struct pen_err *err)
{
    struct pen_csv csv;
    struct row row;
    pen_status st = pen_set_new(table->text.len, &table->columns[column].set, err);
    pen_csv_init(&csv, pen_buf_slice(&table->text), TABLE_CELL_BYTES_MAX);
    st = st == PEN_OK ? cells(&csv, 0, NULL, &row, err) : st; /* the header */
    while (st == PEN_OK && csv.left.len > 0) {
        st = cells(&csv, column, table->columns[column].set, &row, err);
    }
    pen_csv_fini(&csv);
    return st;
}

/* Names of the columns, as many as fit. */
static void names_add(const struct rules_table *table, struct pen_buf *out)
{
    for (uint32_t i = 0; i < table->column_count; i++) {
        if (pen_buf_printf(out, "%s%.*s", i == 0 ? "" : ", ",
                           PEN_SLICE_FMT(table->columns[i].name)) != PEN_OK) {
            return;
        }
    }
}

static int shown(pen_slice name)
{
    return (int)(name.len < 40 ? name.len : 40);
}

static pen_status no_column(const struct rules_table *table, pen_slice name, struct pen_err *err)
{
    struct pen_buf names;
    pen_buf_init(&names, 120);
    names_add(table, &names);
    const pen_status st = PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET,
                                   "the reference table '%.*s' has no column '%.*s' but %.*s",
                                   shown(table->name), (const char *)table->name.ptr, shown(name),
                                   (const char *)name.ptr, (int)names.len, (const char *)names.ptr);
    pen_buf_fini(&names);
    return st;
}

pen_status table_column(struct rules_table *table, pen_slice name, const struct pen_set **out,
                        struct pen_err *err)
{
    uint32_t at = 0;
    while (at < table->column_count && !pen_slice_eq(table->columns[at].name, name)) {
        at++;
    }
    if (at == table->column_count) {
        return no_column(table, name, err);
    }
    PEN_TRY(table->columns[at].set == NULL ? column_fill(table, at, err) : PEN_OK);
    *out = table->columns[at].set;
    return PEN_OK;
}

/* ---- trees ---- */

static pen_slice node_source(struct builder *b, const struct pen_rule_table *table)
{
    struct pen_buf text;
    pen_buf_init(&text, 4096);
    const pen_status st =
        pen_buf_printf(&text, "%.*s %s column %.*s of the table %.*s", PEN_SLICE_FMT(table->field),
                       table->is_present ? "in" : "not in", PEN_SLICE_FMT(table->column),
                       PEN_SLICE_FMT(table->name));
    const pen_slice copy = st == PEN_OK ? pen_arena_dup(b->arena, pen_buf_slice(&text))
                                        : PEN_SLICE_LIT("a reference table");
    pen_buf_fini(&text);
    return copy;
}

static pen_status node_make(struct builder *b, pen_field_fn *field, void *field_ctx,
                            const struct pen_rule_table *table, struct pen_expr **out)
{
    struct pen_pred *pred = PEN_NEW(b->arena, struct pen_pred);
    struct pen_expr *node = expr_new(b, PEN_EXPR_PRED, 0);
    PEN_CHECK(pred != NULL);
    *pred = (struct pen_pred){.op = PEN_OP_SET, .set = table->set};
    PEN_TRY(field(field_ctx, table->field, &pred->field, b->err));
    node->pred = pred;
    node->source = node_source(b, table);
    *out = node;
    if (!table->is_present) {
        *out = expr_new(b, PEN_EXPR_NOT, 1);
        (*out)->kids[0] = node;
    }
    return PEN_OK;
}

pen_status tables_join(struct builder *b, pen_field_fn *field, void *field_ctx,
                       const struct pen_rule_query *query, struct pen_expr **tree)
{
    if (query->table_count == 0) {
        return PEN_OK;
    }
    struct pen_expr *all = expr_new(b, PEN_EXPR_AND, query->table_count + 1);
    all->kids[0] = *tree;
    for (uint32_t i = 0; i < query->table_count; i++) {
        PEN_TRY(node_make(b, field, field_ctx, &query->tables[i], &all->kids[i + 1]));
    }
    *tree = all;
    return PEN_OK;
}

void tables_hash(struct pen_rules *rules, const struct pen_rule *rule)
{
    for (uint32_t q = 0; rule->datadog != NULL && q < rule->datadog->query_count; q++) {
        const struct pen_rule_query *query = &rule->datadog->queries[q];
        for (uint32_t i = 0; i < query->table_count; i++) {
            rules_hash_add(rules, query->tables[i].content, i);
        }
    }
}
