/* tested by tests/unit/detect/test_datadog.c */
#include "datadog.h"

#define KEEP_ALIVE_S 3600
#define DURATION_MAX_S 86400

/* Seconds of an option; what holds without it, said in a warning. */
static int64_t seconds(struct datadog *d, const struct json_node *options, const char *name,
                       int64_t otherwise)
{
    int64_t value = 0;
    if (datadog_number(options, name, &value)) {
        return value;
    }
    datadog_warn(d, options, "`%s` is missing: %lld seconds are taken", name, (long long)otherwise);
    return otherwise;
}

static void check_order(struct datadog *d, const struct json_node *options, const char *shorter,
                        int64_t shorter_s, const char *longer, int64_t longer_s)
{
    if (shorter_s > longer_s) {
        const struct json_node *at = datadog_get(options, longer, PEN_NUMBER);
        datadog_error(d, at == NULL ? options : at, "`%s` (%lld s) is less than `%s` (%lld s)",
                      longer, (long long)longer_s, shorter, (long long)shorter_s);
    }
}

static void read_windows(struct datadog *d, const struct json_node *options,
                         struct pen_state_rule *state)
{
    const int64_t window_s = seconds(d, options, "evaluationWindow", 0);
    const int64_t keep_s = seconds(d, options, "keepAlive", KEEP_ALIVE_S);
    const int64_t most_s =
        seconds(d, options, "maxSignalDuration", keep_s > DURATION_MAX_S ? keep_s : DURATION_MAX_S);
    check_order(d, options, "evaluationWindow", window_s, "keepAlive", keep_s);
    check_order(d, options, "keepAlive", keep_s, "maxSignalDuration", most_s);
    if (d->errors == 0) {
        state->window_ns = window_s * PEN_NS_PER_S;
        state->keep_alive_ns = keep_s * PEN_NS_PER_S;
        state->duration_max_ns = most_s * PEN_NS_PER_S;
    }
}

/* Learning by time, or none of a group's first values at all (datadog.md 4.7). */
static void read_learning(const struct json_node *options, struct pen_new_value *out)
{
    const bool is_threshold =
        pen_slice_eq(datadog_text(options, "learningMethod"), PEN_SLICE_LIT("threshold"));
    int64_t days = 1;
    int64_t threshold = 0;
    (void)datadog_number(options, "learningDuration", &days);
    (void)datadog_number(options, "learningThreshold", &threshold);
    if (is_threshold || days == 0) {
        out->silent = threshold == 1 ? 1 : 0;
    } else {
        out->learning_ns = days * PEN_NS_PER_DAY;
    }
}

static void read_new_value(struct datadog *d, const struct json_node *options,
                           struct pen_new_value *out)
{
    const struct json_node *own = datadog_get(options, "newValueOptions", PEN_OBJECT);
    int64_t days = 0;
    if (own == NULL || !datadog_number(own, "forgetAfter", &days)) {
        datadog_error(d, own == NULL ? options : own,
                      "new_value needs `newValueOptions` with `forgetAfter`");
        return;
    }
    if (datadog_is_true(own, "instantaneousBaseline")) {
        datadog_warn(d, own,
                     "`instantaneousBaseline` has no history to begin with: values are "
                     "learned as without it");
    }
    if (d->errors == 0) {
        out->forget_ns = days * PEN_NS_PER_DAY;
        read_learning(own, out);
    }
}

#define PLACE_FORGET_DAYS 30

static void read_travel(struct datadog *d, const struct json_node *options, struct pen_travel *out)
{
    const struct json_node *own = datadog_get(options, "impossibleTravelOptions", PEN_OBJECT);
    int64_t days = 1;
    (void)datadog_number(own, "baselineUserLocationsDuration", &days);
    if (datadog_is_true(own, "detectIpTransition")) {
        datadog_error(d, own, "`detectIpTransition` is not built yet");
    }
    out->knows_places = datadog_is_true(own, "baselineUserLocations");
    out->learning_ns = days * PEN_NS_PER_DAY;
    out->forget_ns = PLACE_FORGET_DAYS * PEN_NS_PER_DAY;
}

static enum pen_method method_of(const struct datadog *d)
{
    static const struct {
        pen_slice name;
        enum pen_method method;
    } rows[] = {{PEN_SLICE_LIT("new_value"), PEN_METHOD_NEW_VALUE},
                {PEN_SLICE_LIT("sequence_detection"), PEN_METHOD_SEQUENCE},
                {PEN_SLICE_LIT("impossible_travel"), PEN_METHOD_TRAVEL},
                {PEN_SLICE_LIT("anomaly_detection"), PEN_METHOD_ANOMALY}};
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        if (pen_slice_eq(datadog_method(d->root), rows[i].name)) {
            return rows[i].method;
        }
    }
    return PEN_METHOD_THRESHOLD;
}

void datadog_options(struct datadog *d, struct pen_datadog *out)
{
    const struct json_node *options = datadog_get(d->root, "options", PEN_OBJECT);
    if (options == NULL) {
        datadog_error(d, d->root, "a rule needs `options`");
        return;
    }
    out->lowers_by_env = datadog_is_true(options, "decreaseCriticalityBasedOnEnv");
    out->state.method = method_of(d);
    if (pen_slice_eq(datadog_method(d->root), PEN_SLICE_LIT("third_party"))) {
        return; /* it has no windows */
    }
    read_windows(d, options, &out->state);
    if (out->state.method == PEN_METHOD_NEW_VALUE) {
        read_new_value(d, options, &out->state.new_value);
    } else if (out->state.method == PEN_METHOD_TRAVEL) {
        read_travel(d, options, &out->state.travel);
    } else if (out->state.method == PEN_METHOD_ANOMALY) {
        datadog_anomaly(d, options, &out->state);
    }
}
