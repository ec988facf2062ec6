/*
 * tables_load.h - tables of enrichment whose files changed are read beside the run.
 *
 * A list of a million indicators takes a second to read; the control thread deals objects and
 * commits meanwhile.
 */
#ifndef PEN_NODE_TABLES_LOAD_H
#define PEN_NODE_TABLES_LOAD_H

#include "penstock/enrich.h"
#include "penstock/runtime.h"

struct tables_load { /* zeroed: nothing is under way */
    struct pen_thread *thread;
    struct pen_mailbox *told;  /* likewise: holds something when status and err are set */
    struct pen_enrich *enrich; /* borrowed while thread is there */
    pen_status status;
    struct pen_err err;
};

enum tables_step { TABLES_IDLE, TABLES_BEGUN, TABLES_BUSY, TABLES_READ };
/*
 * tables_load_turn - with each commit, when all enrichers use pen_enrich_now: begins to read what
 * changed, or swaps in what was read since.
 *
 * changed  READ: PEN_ENRICH_ bits of what is new
 * st       READ, or a thread could not be started (IDLE): what went wrong, with err
 * Thread   the one that owns enrich.   Cost  a stat of each file
 */
enum tables_step tables_load_turn(struct tables_load *load, struct pen_enrich *enrich,
                                  uint32_t *changed, pen_status *st, struct pen_err *err);
/* Waits for what is under way; it is not swapped in.  Before enrich is closed. */
void tables_load_end(struct tables_load *load);

#endif
