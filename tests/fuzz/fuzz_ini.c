/* Any bytes as a config or credentials file: a verdict with a reason, or values that are within the
 * text, have no blanks around, and are the same when read twice. */
#include "ini.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void value_check(const struct ini *a, const struct ini *b, pen_slice name, size_t size)
{
    static const char *const profiles[] = {"default", "a", "profile a"};
    for (size_t i = 0; i < PEN_COUNT(profiles); i++) {
        const pen_slice profile = pen_slice_str(profiles[i]);
        pen_slice value;
        pen_slice again;
        const bool has = pen_ini_get(a, profile, name, &value);
        PEN_CHECK(pen_ini_get(b, profile, name, &again) == has);
        PEN_CHECK(pen_slice_eq(value, again));
        PEN_CHECK(!has || pen_ini_has(a, profile));
        PEN_CHECK(value.len <= size && pen_slice_trim(value).len == value.len);
        PEN_CHECK(pen_ini_plain(value).len <= value.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"a", "b", "region", "s3"};
    struct pen_err err = {.status = PEN_OK};
    struct ini *ini = NULL;
    struct ini *again = NULL;
    if (size == 0) {
        return 0;
    }
    const pen_slice text = {data + 1, size - 1};
    const enum ini_kind kind = (data[0] & 1) != 0 ? INI_CONFIG : INI_CREDENTIALS;
    const pen_status status = pen_ini_parse(&ini, text, kind, "file", &err);
    PEN_CHECK((status == PEN_OK) == (ini != NULL));
    PEN_CHECK(status == err.status && (status == PEN_OK || err.text[0] != '\0'));
    PEN_CHECK(pen_ini_parse(&again, text, kind, "file", &err) == status);
    for (size_t i = 0; ini != NULL && i < PEN_COUNT(names); i++) {
        value_check(ini, again, pen_slice_str(names[i]), size);
    }
    pen_ini_free(ini);
    pen_ini_free(again);
    return 0;
}
