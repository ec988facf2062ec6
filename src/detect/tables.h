/* tables.h - reference tables of a rule set: CSV files by name, their columns as sets of texts. */
#ifndef PEN_DETECT_TABLES_H
#define PEN_DETECT_TABLES_H

#include "rules.h"

#define TABLE_COLUMNS_MAX 256U
#define TABLE_CELL_BYTES_MAX ((size_t)64 << 10) /* of a cell in quotes */

struct rules_table {
    pen_slice name;
    const char *path;
    struct pen_hash128 hash; /* of its bytes */
    struct pen_buf text;     /* until all rules are read */
    uint64_t rows;
    uint32_t column_count;
    struct rules_column {
        pen_slice name;
        struct pen_set *set; /* of its cells that are not empty; NULL: nobody asked for it */
    } * columns;
};

/*
 * tables_read - the tables of rules->options: one header line, rows with as many cells.
 *
 * Returns  PEN_OK | PEN_E_CONFIG (err names file and line) | PEN_E_NOMEM
 */
PEN_MUST_USE pen_status tables_read(struct pen_rules *rules, struct pen_err *err);
/* The texts that are needed no more once all rules are read. */
void tables_drop_texts(struct pen_rules *rules);
void tables_free(struct pen_rules *rules);
/* NULL: no table has the name. */
struct rules_table *table_find(const struct pen_rules *rules, pen_slice name);
/* A column's set, made when it is asked for first.  PEN_E_RULE (err names the columns that are
 * there) | PEN_E_NOMEM. */
PEN_MUST_USE pen_status table_column(struct rules_table *table, pen_slice name,
                                     const struct pen_set **out, struct pen_err *err);

/* An event is a match of *tree only when all tables of the query take it as well. */
PEN_MUST_USE pen_status tables_join(struct builder *b, pen_field_fn *field, void *field_ctx,
                                    const struct pen_rule_query *query, struct pen_expr **tree);
/* What tables hold is part of what a run may be continued with. */
void tables_hash(struct pen_rules *rules, const struct pen_rule *rule);

#endif
