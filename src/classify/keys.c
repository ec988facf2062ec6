/* tested by tests/unit/classify/test_types.c */
#include "keys.h"

#include <hs.h>

#include <stdlib.h>

#define KEY_FLAGS ((unsigned)(HS_FLAG_DOTALL | HS_FLAG_SINGLEMATCH))

/* What is built on one machine runs on others: nothing but what Hyperscan needs itself. */
static const hs_platform_info_t any_cpu = {.tune = HS_TUNE_FAMILY_GENERIC, .cpu_features = 0};

pen_status keys_compile(const struct pen_type *items, uint32_t count, bool is_ignore,
                        struct hs_database **out, struct pen_err *err)
{
    const char **patterns = calloc(count, sizeof(char *));
    unsigned *flags = calloc(count, sizeof(*flags));
    unsigned *ids = calloc(count, sizeof(*ids));
    unsigned used = 0;
    pen_status st = PEN_OK;
    *out = NULL;
    if (patterns == NULL || flags == NULL || ids == NULL) {
        st = PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "key patterns: out of memory");
        count = 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        const pen_slice pattern = is_ignore ? items[i].ignore_pattern : items[i].key_pattern;
        if (pattern.len > 0) {
            patterns[used] = (const char *)pattern.ptr;
            flags[used] = KEY_FLAGS;
            ids[used++] = i;
        }
    }
    hs_compile_error_t *error = NULL;
    if (used > 0 && hs_compile_multi(patterns, flags, ids, used, HS_MODE_BLOCK, &any_cpu, out,
                                     &error) != HS_SUCCESS) {
        st = PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "key patterns: %s", error->message);
        (void)hs_free_compile_error(error);
    }
    free(patterns);
    free(flags);
    free(ids);
    return st;
}

pen_status keys_check(pen_slice pattern, struct pen_err *err)
{
    hs_database_t *database = NULL;
    hs_compile_error_t *error = NULL;
    if (hs_compile((const char *)pattern.ptr, KEY_FLAGS, HS_MODE_BLOCK, NULL, &database, &error) !=
        HS_SUCCESS) {
        const pen_status st = PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "%s", error->message);
        (void)hs_free_compile_error(error);
        return st;
    }
    (void)hs_free_database(database);
    return PEN_OK;
}

void keys_free(struct hs_database *keys)
{
    (void)hs_free_database(keys);
}
