/* tested by tests/unit/detect/test_datadog_methods.c */
#include "datadog.h"

#define QUANTILE_DEFAULT_PPB 995000000U /* reference/datadog.md 4.7 */
#define HOUR_NS (3600 * PEN_NS_PER_S)
#define NUMBER_BYTES_MAX 32U

static int64_t number_of(const struct json_node *own, const char *name, int64_t otherwise)
{
    (void)datadog_number(own, name, &otherwise);
    return otherwise;
}

void datadog_anomaly(struct datadog *d, const struct json_node *options, struct pen_state_rule *out)
{
    const struct json_node *own = datadog_get(options, "anomalyDetectionOptions", PEN_OBJECT);
    if (datadog_is_true(own, "instantaneousBaseline")) {
        datadog_warn(d, own,
                     "`instantaneousBaseline` has no history to begin with: groups learn as "
                     "without it");
    }
    out->anomaly.bucket_ns = number_of(own, "bucketDuration", 300) * PEN_NS_PER_S;
    out->anomaly.learning_ns = number_of(own, "learningDuration", 24) * HOUR_NS;
    out->anomaly.tolerance = (uint32_t)number_of(own, "detectionTolerance", 1);
    out->anomaly.baseline = number_of(own, "learningPeriodBaseline", -1);
    out->anomaly.has_baseline = out->anomaly.baseline >= 0;
    out->window_ns = out->anomaly.bucket_ns; /* evaluationWindow is not used */
    if (d->errors == 0 && (out->anomaly.bucket_ns <= 0 || out->anomaly.tolerance == 0)) {
        datadog_error(d, own == NULL ? options : own, "the options of an anomaly are above 0");
    }
}

/* "0.995" is a share; "99.5" and "99 5" are in percent. */
static bool share_parse(pen_slice text, uint32_t *ppb)
{
    uint8_t number[NUMBER_BYTES_MAX];
    const uint8_t dot = '.';
    size_t len = 0;
    pen_quantity q;
    for (size_t i = 0; i < text.len && len + 1 < sizeof(number); i++) {
        const bool is_blank = text.ptr[i] == ' ';
        if (!is_blank || (i > 0 && text.ptr[i - 1] != ' ')) {
            number[len++] = is_blank ? dot : text.ptr[i];
        }
    }
    const pen_slice all = {number, len};
    if (len + 1 == sizeof(number) || !pen_quantity_parse(all, &q)) {
        return false;
    }
    q = q < PEN_QUANTITY_ONE ? q : q / 100;
    *ppb = q > 0 && q < PEN_QUANTITY_ONE ? (uint32_t)q : 0;
    return *ppb > 0;
}

void datadog_anomaly_case(struct datadog *d, const struct json_node *at, pen_slice text,
                          pen_slice alias, uint32_t *ppb)
{
    pen_slice rest = pen_slice_trim(text);
    pen_slice name;
    *ppb = QUANTILE_DEFAULT_PPB;
    if (rest.len > 0 &&
        (!pen_slice_split(&rest, '>', &name) || !pen_slice_eq(pen_slice_trim(name), alias) ||
         !share_parse(pen_slice_trim(rest), ppb))) {
        datadog_error(d, at,
                      "a case of anomaly_detection names a quantile: `%.*s > 0.995`, or in "
                      "percent `%.*s > 99 5`",
                      PEN_SLICE_FMT(alias), PEN_SLICE_FMT(alias));
    }
}
