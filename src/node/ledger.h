/* ledger.h - what a commit adds up: counters, dead letters, finished objects of one epoch. */
#ifndef PEN_NODE_LEDGER_H
#define PEN_NODE_LEDGER_H

#include "penstock/node.h"

struct finished_object {
    uint32_t unit;
    uint64_t name_hash;
};
struct ledger {
    struct pen_totals totals;
    struct pen_type_totals by_type[64];
    struct pen_gap gaps[64];
    uint32_t gap_count;
    struct pen_buf dead; /* lines */
    struct finished_object *finished;
    uint32_t finished_count, finished_cap;
};
void ledger_init(struct ledger *ledger);
void ledger_fini(struct ledger *ledger);
void ledger_finished(struct ledger *ledger, uint32_t unit, uint64_t name_hash);
void ledger_gap(struct ledger *ledger, const char *cause, pen_slice account, uint64_t count);
/* Adds the counters of from to to (not dead letters, not finished objects). */
void ledger_merge(struct ledger *to, const struct ledger *from);
void ledger_clear(struct ledger *ledger);
void totals_merge(struct pen_totals *to, const struct pen_totals *from);

/* Counters as text lines "name value" and back, for the checkpoint. */
PEN_MUST_USE pen_status ledger_write(const struct ledger *ledger, struct pen_buf *out);
PEN_MUST_USE pen_status ledger_read(struct ledger *ledger, pen_slice text, struct pen_err *err);

#endif
