#include "tables_load.h"

static void load_main(void *ctx)
{
    struct tables_load *load = ctx;
    load->status = pen_enrich_read(load->enrich, &load->err);
    const bool is_told = pen_mailbox_push(load->told, load);
    PEN_CHECK(is_told);
}

static enum tables_step begin(struct tables_load *load, struct pen_enrich *enrich, pen_status *st,
                              struct pen_err *err)
{
    if (!pen_enrich_look(enrich)) {
        return TABLES_IDLE;
    }
    load->enrich = enrich;
    load->err = (struct pen_err){0};
    *st = pen_mailbox_new(1, &load->told, err);
    if (*st != PEN_OK) {
        return TABLES_IDLE;
    }
    *st = pen_thread_start(&load->thread, PEN_CORE_ANY, "tables", load_main, load, err);
    if (*st != PEN_OK) {
        pen_mailbox_free(load->told);
        return TABLES_IDLE;
    }
    return TABLES_BEGUN;
}

enum tables_step tables_load_turn(struct tables_load *load, struct pen_enrich *enrich,
                                  uint32_t *changed, pen_status *st, struct pen_err *err)
{
    *changed = 0;
    *st = PEN_OK;
    if (load->thread == NULL) {
        return begin(load, enrich, st, err);
    }
    if (pen_mailbox_empty(load->told)) {
        return TABLES_BUSY;
    }
    tables_load_end(load);
    *changed = pen_enrich_swap(enrich);
    *st = load->status;
    *err = load->err;
    return TABLES_READ;
}

void tables_load_end(struct tables_load *load)
{
    if (load->thread != NULL) {
        pen_thread_join(&load->thread);
        pen_mailbox_free(load->told);
    }
}
