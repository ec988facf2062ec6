/*
 * Any text as a time of any form: what is shown of it is that time again, and times that are read
 * are within what the type of a time holds.
 *
 * The first byte chooses the form, the second the kind of value and the year it was written in; a
 * form of one's own is the first line of the rest.
 */
#include "internal.h"

#define MICRO INT64_C(1000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const forms[] = {
    "rfc3339",        "epoch",           "%d/%b/%Y:%H:%M:%S %z",   "%Y-%m-%d %H:%M:%S.%f",
    "%b %d %H:%M:%S", "%y%m%d %H:%M:%S", "%a %b %d %I:%M:%S %p %Y"};

static int64_t floor_to(int64_t ns, int64_t unit)
{
    const int64_t rest = ns % unit;
    return ns - (rest < 0 ? rest + unit : rest);
}

static void check(const struct pen_normalizer *n, int64_t ns)
{
    const pen_slice text = {(const uint8_t *)n->time_text, n->time_length};
    char utc[PEN_TIME_MAX];
    int64_t again = 0;
    PEN_CHECK(text.len > 0 && text.len <= sizeof(n->time_text));
    PEN_CHECK(pen_parse_time(text, &again));
    PEN_CHECK(again == floor_to(ns, MICRO));
    const size_t len = pen_format_time(ns, utc);
    PEN_CHECK(len <= sizeof(utc));
    PEN_CHECK(pen_parse_time((pen_slice){(const uint8_t *)utc, len}, &again));
    PEN_CHECK(again == ns);
    const struct pen_civil civil = pen_civil_from_ns(ns);
    PEN_CHECK(pen_days_from_civil(civil.year, civil.month, civil.day) ==
              floor_to(ns, PEN_NS_PER_DAY) / PEN_NS_PER_DAY);
}

static void of_keys(struct pen_normalizer *n, pen_slice key, int64_t written_ns)
{
    const struct pen_object_info object = {.key = key, .written_ns = written_ns};
    check(n, nrm_time_of_object(n, &object));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const size_t which = data[0] % (PEN_COUNT(forms) + 1);
    const int64_t written_ns =
        pen_days_from_civil(1900 + data[1], 1 + data[1] % 12, 1 + data[1] % 28) * PEN_NS_PER_DAY;
    pen_slice rest = {data + 2, size - 2};
    static const pen_slice more[] = {{(const uint8_t *)"epoch", 5}, {(const uint8_t *)"", 0}};
    struct pen_type type = {.name = PEN_SLICE_LIT("t"), .more_time_forms = more};
    type.more_time_form_count = (data[1] & 4) != 0 ? PEN_COUNT(more) : 0;
    type.time_zone = (data[1] & 2) != 0 ? PEN_SLICE_LIT("-03:30") : (pen_slice){0};
    if (which == PEN_COUNT(forms)) {
        (void)pen_slice_split(&rest, '\n', &type.time_form);
    } else {
        type.time_form = pen_slice_str(forms[which]);
    }
    struct pen_err err = {0};
    if (nrm_time_form_check(&type, &err) != PEN_OK) {
        PEN_CHECK(err.text[0] != '\0');
        return 0;
    }
    /* Large, and nothing of them outlives a call: cleared once is enough. */
    static struct pen_schema schema;
    static struct pen_normalizer n;
    schema.type = &type;
    n.schema = &schema;
    const struct pen_value value = {.kind = data[1] % 2 == 0 ? PEN_STRING : PEN_NUMBER,
                                    .text = rest};
    int64_t ns = 0;
    if (nrm_time_take(&n, &value, written_ns, &ns)) {
        check(&n, ns);
    }
    of_keys(&n, rest, written_ns);
    return 0;
}
