/* tested by tests/unit/text/test_text.c */
#include "penstock/match.h"

#include "internal.h"

#include <stdlib.h>

#define GROUPS_MAX 128U
#define STEPS_MAX 1000000U

struct pen_groups {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *context;
    struct {
        pen_slice name; /* borrows the code */
        uint32_t number;
    } items[GROUPS_MAX];
    uint32_t count;
};

static pen_status compile(struct pen_groups *groups, pen_slice pattern, struct pen_err *err)
{
    int error = 0;
    size_t at = 0;
    groups->code = pcre2_compile(pattern.ptr, pattern.len, PCRE2_ANCHORED | PCRE2_DOLLAR_ENDONLY,
                                 &error, &at, NULL);
    if (groups->code == NULL) {
        char why[128] = "";
        (void)pcre2_get_error_message(error, (PCRE2_UCHAR *)why, sizeof(why));
        return PEN_FAIL(err, PEN_E_CONFIG, at, "the pattern is wrong at byte %zu: %s", at, why);
    }
    (void)pcre2_jit_compile(groups->code, PCRE2_JIT_COMPLETE); /* without it, it is slower */
    groups->data = pcre2_match_data_create_from_pattern(groups->code, NULL);
    groups->context = pcre2_match_context_create(NULL);
    if (groups->data == NULL || groups->context == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "pattern: out of memory");
    }
    (void)pcre2_set_match_limit(groups->context, STEPS_MAX);
    return PEN_OK;
}

/* In the order of their numbers, which is that of the pattern. */
static pen_status names(struct pen_groups *groups, struct pen_err *err)
{
    uint32_t count = 0;
    uint32_t width = 0;
    PCRE2_SPTR table = NULL;
    (void)pcre2_pattern_info(groups->code, PCRE2_INFO_NAMECOUNT, &count);
    (void)pcre2_pattern_info(groups->code, PCRE2_INFO_NAMEENTRYSIZE, &width);
    (void)pcre2_pattern_info(groups->code, PCRE2_INFO_NAMETABLE, (void *)&table);
    if (count > GROUPS_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "the pattern has more than %u groups",
                        GROUPS_MAX);
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *row = table + (size_t)i * width;
        const uint32_t number = (uint32_t)row[0] << 8 | row[1];
        uint32_t at = groups->count++;
        while (at > 0 && groups->items[at - 1].number > number) {
            groups->items[at] = groups->items[at - 1];
            at--;
        }
        groups->items[at].number = number;
        groups->items[at].name = pen_slice_str((const char *)row + 2);
    }
    return PEN_OK;
}

pen_status pen_groups_new(pen_slice pattern, struct pen_groups **out, struct pen_err *err)
{
    struct pen_groups *groups = calloc(1, sizeof(*groups));
    if (groups == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "pattern: out of memory");
    }
    pen_status st = compile(groups, pattern, err);
    st = st == PEN_OK ? names(groups, err) : st;
    if (st != PEN_OK) {
        pen_groups_free(groups);
        return st;
    }
    *out = groups;
    return PEN_OK;
}

void pen_groups_free(struct pen_groups *groups)
{
    if (groups != NULL) {
        pcre2_match_data_free(groups->data);
        pcre2_match_context_free(groups->context);
        pcre2_code_free(groups->code);
        free(groups);
    }
}

uint32_t pen_groups_count(const struct pen_groups *groups)
{
    return groups->count;
}

pen_slice pen_groups_name(const struct pen_groups *groups, uint32_t index)
{
    PEN_CHECK(index < groups->count);
    return groups->items[index].name;
}

bool pen_groups_match(struct pen_groups *groups, pen_slice line, pen_slice *found)
{
    const uint8_t *text = line.ptr != NULL ? line.ptr : (const uint8_t *)"";
    const int got = pcre2_match(groups->code, text, line.len, 0, 0, groups->data, groups->context);
    if (got < 0) {
        return false;
    }
    const size_t *ends = pcre2_get_ovector_pointer(groups->data);
    const uint32_t pairs = pcre2_get_ovector_count(groups->data);
    for (uint32_t i = 0; found != NULL && i < groups->count; i++) {
        const uint32_t number = groups->items[i].number;
        const bool is_set = number < pairs && ends[(size_t)2 * number] != PCRE2_UNSET;
        found[i] = is_set ? (pen_slice){text + ends[(size_t)2 * number],
                                        ends[(size_t)2 * number + 1] - ends[(size_t)2 * number]}
                          : (pen_slice){0};
    }
    return true;
}
