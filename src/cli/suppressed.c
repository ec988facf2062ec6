/* tested by tests/e2e/test_folders.py */
#include "penstock/signals.h"

#include "told.h"

#include <stdio.h>
#include <stdlib.h>

struct seen { /* by suppression */
    const struct pen_rules *rules;
    bool *is_used;
};

static pen_status on_signal(void *ctx, const struct pen_signal_row *row)
{
    const struct seen *seen = ctx;
    for (uint32_t i = 0; i < pen_rules_suppression_count(seen->rules); i++) {
        seen->is_used[i] |=
            pen_slice_eq(pen_rules_suppression(seen->rules, i)->name, row->suppressed_by);
    }
    return PEN_OK;
}

static pen_status warn_unused(struct pen_rules *rules, const char *out_dir, struct pen_err *err)
{
    const uint32_t count = pen_rules_suppression_count(rules);
    const struct pen_signals_filter filter = {
        .mode = PEN_MODE_SUPPRESSED, .from_ns = INT64_MIN, .to_ns = INT64_MAX};
    struct pen_signals *signals = NULL;
    struct seen seen = {.rules = rules, .is_used = calloc((size_t)count + 1, sizeof(bool))};
    PEN_CHECK(seen.is_used != NULL);
    pen_status st = pen_signals_open(out_dir, &signals, err);
    st = st == PEN_OK ? pen_signals_list(signals, &filter, on_signal, &seen, err) : st;
    for (uint32_t i = 0; i < count && st == PEN_OK; i++) {
        const struct pen_suppression *one = pen_rules_suppression(rules, i);
        if (!seen.is_used[i] && one->is_of_signals && !one->is_asset) {
            pen_rules_warn(rules, one, "it is unused: no signal was suppressed by it");
        }
    }
    pen_signals_close(signals);
    free(seen.is_used);
    return st;
}

pen_status told_suppressions(struct pen_rules *rules, const char *out_dir, struct pen_err *err)
{
    const int64_t now_ns = pen_clock_wall_ns();
    for (uint32_t i = 0; i < pen_rules_suppression_count(rules); i++) {
        const struct pen_suppression *one = pen_rules_suppression(rules, i);
        char time[PEN_TIME_MAX];
        char text[PEN_TIME_MAX + 64];
        if (one->expires_ns <= now_ns) {
            time[pen_format_time(one->expires_ns, time)] = '\0';
            (void)snprintf(text, sizeof(text), "it expired at %s: later signals are told again",
                           time);
            pen_rules_warn(rules, one, text);
        }
    }
    return out_dir == NULL ? PEN_OK : warn_unused(rules, out_dir, err);
}
