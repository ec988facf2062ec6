#include "types.h"

#include <hs.h>

#include <stdlib.h>

struct pen_classifier {
    const struct pen_types *types;
    hs_scratch_t *scratch;
};

pen_status pen_classifier_new(const struct pen_types *types, struct pen_classifier **out,
                              struct pen_err *err)
{
    struct pen_classifier *classifier = calloc(1, sizeof(*classifier));
    if (classifier == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "classifier: out of memory");
    }
    classifier->types = types;
    if ((types->keys != NULL &&
         hs_alloc_scratch(types->keys, &classifier->scratch) != HS_SUCCESS) ||
        (types->ignored != NULL &&
         hs_alloc_scratch(types->ignored, &classifier->scratch) != HS_SUCCESS)) {
        (void)hs_free_scratch(classifier->scratch);
        free(classifier);
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "classifier: out of memory");
    }
    *out = classifier;
    return PEN_OK;
}

void pen_classifier_free(struct pen_classifier *classifier)
{
    if (classifier != NULL) {
        (void)hs_free_scratch(classifier->scratch);
        free(classifier);
    }
}

/* The first type in order wins, whatever order Hyperscan reports in. */
static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                    void *ctx)
{
    (void)from;
    (void)to;
    (void)flags;
    unsigned *best = ctx;
    *best = id < *best ? id : *best;
    return 0;
}

struct ignored {
    unsigned type;
    bool is_found;
};

static int on_ignored(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                      void *ctx)
{
    (void)from;
    (void)to;
    (void)flags;
    struct ignored *ignored = ctx;
    ignored->is_found |= id == ignored->type;
    return 0;
}

/* Whether the type that the key tells passes over it. */
static bool is_ignored(struct pen_classifier *classifier, pen_slice key, unsigned type)
{
    const struct pen_types *types = classifier->types;
    struct ignored found = {.type = type};
    if (types->ignored == NULL || type == UINT32_MAX) {
        return false;
    }
    const hs_error_t got = hs_scan(types->ignored, (const char *)key.ptr, (unsigned)key.len, 0,
                                   classifier->scratch, on_ignored, &found);
    PEN_CHECK(got == HS_SUCCESS);
    return found.is_found;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(uint8_t c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static size_t digits_at(pen_slice s, size_t at)
{
    size_t n = 0;
    while (at + n < s.len && is_digit(s.ptr[at + n])) {
        n++;
    }
    return n;
}

/* Twelve digits behind a byte that is no word, a slash behind them. */
static pen_slice find_account(pen_slice key)
{
    for (size_t i = 1; i + 12 < key.len; i++) {
        if (key.ptr[i + 12] == '/' && !is_word(key.ptr[i - 1]) && digits_at(key, i) == 12) {
            return pen_slice_sub(key, i, i + 12);
        }
    }
    return (pen_slice){0};
}

/* Length of a region name at the start of s: two letters or more, parts, a number. */
static size_t region_at(pen_slice s)
{
    static const char *const areas[] = {"us", "ap", "ca", "eu",   "il",     "me",      "mx",
                                        "sa", "af", "cn", "eusc", "us-iso", "us-isob", "us-isof"};
    for (size_t i = PEN_COUNT(areas); i > 0; i--) {
        const pen_slice area = pen_slice_str(areas[i - 1]);
        if (!pen_slice_starts(s, area) || s.len <= area.len || s.ptr[area.len] != '-') {
            continue;
        }
        size_t at = area.len + 1;
        if (pen_slice_starts(pen_slice_sub(s, at, s.len), PEN_SLICE_LIT("gov-"))) {
            at += 4;
        }
        size_t letters = 0;
        while (at + letters < s.len && s.ptr[at + letters] >= 'a' && s.ptr[at + letters] <= 'z') {
            letters++;
        }
        at += letters;
        if (letters > 0 && at + 1 < s.len && s.ptr[at] == '-' && is_digit(s.ptr[at + 1])) {
            return at + 2;
        }
    }
    return 0;
}

static pen_slice find_region(pen_slice key)
{
    for (size_t i = 0; i < key.len; i++) {
        const bool is_start = i == 0 || !is_word(key.ptr[i - 1]) || key.ptr[i - 1] == '_';
        const pen_slice rest = pen_slice_sub(key, i, key.len);
        if (!is_start) {
            continue;
        }
        const size_t n = region_at(rest);
        if (n > 0) {
            return pen_slice_sub(rest, 0, n);
        }
        const bool is_segment = i == 0 || key.ptr[i - 1] == '/';
        if (is_segment && pen_slice_starts(rest, PEN_SLICE_LIT("global")) &&
            (rest.len == 6 || rest.ptr[6] == '/')) {
            return pen_slice_sub(rest, 0, 6);
        }
    }
    return (pen_slice){0};
}

static pen_slice find_organization(pen_slice key)
{
    for (size_t i = 0; i + 3 < key.len; i++) {
        if ((i == 0 || key.ptr[i - 1] == '/') && key.ptr[i] == 'o' && key.ptr[i + 1] == '-') {
            const uint8_t *slash = memchr(key.ptr + i, '/', key.len - i);
            if (slash != NULL) {
                return pen_slice_sub(key, i, (size_t)(slash - key.ptr));
            }
        }
    }
    return (pen_slice){0};
}

static uint32_t number(pen_slice s, size_t at, size_t n)
{
    uint32_t value = 0;
    for (size_t i = at; i < at + n; i++) {
        value = value * 10 + (uint32_t)(s.ptr[i] - '0');
    }
    return value;
}

static int64_t day_of(uint32_t year, uint32_t month, uint32_t day)
{
    if (year < 2000 || year > 2200 || month < 1 || month > 12 || day < 1 || day > 31) {
        return INT64_MIN;
    }
    return pen_days_from_civil((int32_t)year, month, day) * PEN_NS_PER_DAY;
}

/* /yyyy/mm/dd/ at a slash. */
static int64_t day_folders(pen_slice key, size_t at)
{
    if (digits_at(key, at + 1) == 4 && at + 11 <= key.len && key.ptr[at + 5] == '/' &&
        digits_at(key, at + 6) == 2 && key.ptr[at + 8] == '/' && digits_at(key, at + 9) == 2 &&
        (at + 11 == key.len || key.ptr[at + 11] == '/')) {
        return day_of(number(key, at + 1, 4), number(key, at + 6, 2), number(key, at + 9, 2));
    }
    return INT64_MIN;
}

/* _yyyymmddThhmm at an underscore. */
static int64_t day_name(pen_slice key, size_t at)
{
    if (digits_at(key, at + 1) == 8 && at + 9 < key.len && key.ptr[at + 9] == 'T') {
        return day_of(number(key, at + 1, 4), number(key, at + 5, 2), number(key, at + 7, 2));
    }
    return INT64_MIN;
}

/* year=yyyy/month=mm/day=dd */
static int64_t day_partitions(pen_slice key)
{
    const size_t year = pen_slice_find(key, PEN_SLICE_LIT("year="));
    const size_t month = pen_slice_find(key, PEN_SLICE_LIT("month="));
    const size_t day = pen_slice_find(key, PEN_SLICE_LIT("day="));
    if (year == SIZE_MAX || month == SIZE_MAX || day == SIZE_MAX || digits_at(key, year + 5) != 4 ||
        digits_at(key, month + 6) != 2 || digits_at(key, day + 4) != 2) {
        return INT64_MIN;
    }
    return day_of(number(key, year + 5, 4), number(key, month + 6, 2), number(key, day + 4, 2));
}

static int64_t find_day(pen_slice key)
{
    int64_t by_name = INT64_MIN;
    for (size_t i = 0; i < key.len; i++) {
        if (key.ptr[i] == '/') {
            const int64_t day = day_folders(key, i);
            if (day != INT64_MIN) {
                return day;
            }
        } else if (key.ptr[i] == '_' && by_name == INT64_MIN) {
            by_name = day_name(key, i);
        }
    }
    return by_name != INT64_MIN ? by_name : day_partitions(key);
}

void pen_classify_key(struct pen_classifier *classifier, pen_slice key, struct pen_key_info *out)
{
    const struct pen_types *types = classifier->types;
    unsigned best = UINT32_MAX;
    if (types->keys != NULL && key.len > 0) {
        const hs_error_t got = hs_scan(types->keys, (const char *)key.ptr, (unsigned)key.len, 0,
                                       classifier->scratch, on_match, &best);
        PEN_CHECK(got == HS_SUCCESS);
    }
    *out = (struct pen_key_info){
        .type = &types->items[best == UINT32_MAX ? types->unknown : best],
        .account = find_account(key),
        .region = find_region(key),
        .organization = find_organization(key),
        .day_ns = find_day(key),
        .is_digest = pen_slice_find(key, PEN_SLICE_LIT("CloudTrail-Digest/")) != SIZE_MAX,
        .is_ignored = is_ignored(classifier, key, best)};
}
