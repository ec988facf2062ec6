/* tested by tests/e2e/test_front.py */
#include "settings.h"

#include <inttypes.h>

#define KEY_BYTES_MAX 64U

#define PEN_OPTION(field, key, type, unit, value, min, max, when, help) \
    {key,                                                               \
     unit,                                                              \
     value,                                                             \
     min,                                                               \
     max,                                                               \
     help,                                                              \
     offsetof(struct pen_replay_options, field),                        \
     SETTING_##type,                                                    \
     SETTING_##when},
const struct setting cli_settings[] = {
#include "penstock/options.def"
    {NULL, NULL, NULL, NULL, NULL, NULL, 0, SETTING_COUNT, SETTING_START}};
#undef PEN_OPTION

const char *setting_type_name(enum setting_type type)
{
    static const char *const names[] = {"count", "size", "duration", "time",
                                        "word",  "list", "path",     "paths"};
    return names[type];
}

const char *setting_when_text(enum setting_when when)
{
    static const char *const texts[] = {"from the next start", "part of the job",
                                        "when a job is new"};
    return texts[when];
}

/* Counts and sizes as uint64_t, durations and times as int64_t: compared as what they are. */
union number {
    uint64_t amount;
    int64_t ns;
};

/* The word at a place of "one, two, three"; empty behind the last. */
static pen_slice word_at(const char *words, uint64_t place)
{
    const char *at = words;
    for (; place > 0 && at != NULL; place--) {
        at = strstr(at, ", ");
        at = at == NULL ? NULL : at + 2;
    }
    const char *end = at == NULL ? NULL : strstr(at, ", ");
    return at == NULL
               ? (pen_slice){0}
               : pen_slice_sub(pen_slice_str(at), 0, end == NULL ? strlen(at) : (size_t)(end - at));
}

static bool word_read(const char *words, pen_slice text, uint64_t *out)
{
    *out = 0;
    for (pen_slice word = word_at(words, 0); word.len > 0; word = word_at(words, ++*out)) {
        if (pen_slice_eq(word, text)) {
            return true;
        }
    }
    return false;
}

static bool number_read(const struct setting *setting, pen_slice text, union number *out)
{
    switch (setting->type) {
    case SETTING_COUNT:
        return pen_parse_u64(text, &out->amount);
    case SETTING_SIZE:
        return pen_parse_size(text, &out->amount);
    case SETTING_DURATION:
        return pen_parse_duration(text, &out->ns);
    case SETTING_TIME:
        return pen_parse_time(text, &out->ns);
    case SETTING_WORD:
        return word_read(setting->unit, text, &out->amount);
    case SETTING_LIST:
    case SETTING_PATH:
    case SETTING_PATHS:
        break; /* no number */
    }
    pen_panic(PEN_HERE, "type of a setting");
}

static bool number_at_most(enum setting_type type, union number a, union number b)
{
    const bool is_time = type == SETTING_DURATION || type == SETTING_TIME;
    return is_time ? a.ns <= b.ns : a.amount <= b.amount;
}

static void number_put(struct pen_replay_options *options, const struct setting *setting,
                       union number number)
{
    memcpy((uint8_t *)options + setting->offset, &number, sizeof(number));
}

static union number own_number(const struct setting *setting, const char *text)
{
    union number number = {.ns = INT64_MIN};
    const bool is_good = text[0] == '\0' || number_read(setting, pen_slice_str(text), &number);
    PEN_CHECK(is_good);
    return number;
}

static bool is_text(const struct setting *setting)
{
    return setting->type == SETTING_LIST || setting->type == SETTING_PATH ||
           setting->type == SETTING_PATHS;
}

static bool text_put(struct pen_replay_options *options, const struct setting *setting,
                     pen_slice text)
{
    const bool is_path = setting->type == SETTING_PATH;
    char *to = (char *)options + setting->offset;
    const size_t room = is_path ? PEN_OPTION_PATH_MAX : PEN_OPTION_LIST_MAX;
    const bool has_nul = text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL;
    const bool may_be_empty = is_path || setting->value[0] == '\0';
    if ((text.len == 0 && !may_be_empty) || text.len >= room || has_nul) {
        return false;
    }
    memset(to, 0, room);
    if (text.len > 0) {
        memcpy(to, text.ptr, text.len);
    }
    return true;
}

void settings_defaults(struct pen_replay_options *options)
{
    for (const struct setting *s = cli_settings; s->key != NULL; s++) {
        if (is_text(s)) {
            PEN_CHECK(text_put(options, s, pen_slice_str(s->value)));
        } else {
            number_put(options, s, own_number(s, s->value));
        }
    }
}

/* ---- set ---- */

static const char *nearest_key(pen_slice key)
{
#define PEN_OPTION(field, key, type, unit, value, min, max, when, help) key,
    static const char *const keys[] = {
#include "penstock/options.def"
    };
#undef PEN_OPTION
    char text[KEY_BYTES_MAX];
    if (key.len >= sizeof(text)) {
        return NULL;
    }
    memcpy(text, key.ptr, key.len);
    text[key.len] = '\0';
    return cli_nearest(text, keys, PEN_COUNT(keys));
}

static pen_status unknown(pen_slice key, struct pen_err *err)
{
    const char *nearest = nearest_key(key);
    return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "no option `%.*s`; %s%s", PEN_SLICE_FMT(key),
                    nearest == NULL ? "penstock check --example lists them" : "the nearest is ",
                    nearest == NULL ? "" : nearest);
}

/* Keys that are named already for parts to come.  0, which is no limit, is what they do today. */
static pen_status reserved(pen_slice key, pen_slice value, bool *is_reserved, struct pen_err *err)
{
    static const struct {
        pen_slice prefix;
        const char *of;
    } parts[] = {{PEN_SLICE_LIT("datadog."), "the datadog sink"}};
    for (size_t i = 0; i < PEN_COUNT(parts); i++) {
        if (pen_slice_starts(key, parts[i].prefix)) {
            *is_reserved = true;
            return pen_slice_eq(value, PEN_SLICE_LIT("0"))
                       ? PEN_OK
                       : PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                                  "%.*s belongs to %s: not built yet", PEN_SLICE_FMT(key),
                                  parts[i].of);
        }
    }
    return PEN_OK;
}

static const struct setting *find(pen_slice key)
{
    for (const struct setting *s = cli_settings; s->key != NULL; s++) {
        if (pen_slice_eq(key, pen_slice_str(s->key))) {
            return s;
        }
    }
    return NULL;
}

bool settings_known(pen_slice key)
{
    return find(key) != NULL;
}

bool settings_is_path(pen_slice key)
{
    const struct setting *s = find(key);
    return s != NULL && (s->type == SETTING_PATH || s->type == SETTING_PATHS);
}

bool settings_is_word(pen_slice key, pen_slice value)
{
    const struct setting *s = find(key);
    uint64_t place;
    return s != NULL && s->type == SETTING_PATH && !pen_slice_eq(value, PEN_SLICE_LIT("file")) &&
           word_read(s->unit, value, &place);
}

bool settings_is_list(pen_slice key)
{
    const struct setting *s = find(key);
    return s != NULL && (s->type == SETTING_LIST || s->type == SETTING_PATHS);
}

static pen_status value_fail(const struct setting *s, pen_slice value, struct pen_err *err)
{
    if (s->type == SETTING_WORD) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "%s takes one of %s, not `%.*s`", s->key,
                        s->unit, PEN_SLICE_FMT(value));
    }
    if (s->type == SETTING_LIST || s->type == SETTING_PATHS) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "%s takes %s with commas between them, at most %d bytes, not `%.*s`",
                        s->key, s->unit, PEN_OPTION_LIST_MAX - 1, PEN_SLICE_FMT(value));
    }
    if (s->type == SETTING_PATH) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "%s takes a path of at most %d bytes",
                        s->key, PEN_OPTION_PATH_MAX - 1);
    }
    static const char *const wants[] = {"a number", "a size such as 64KiB",
                                        "a duration such as 90s or 24h",
                                        "a time such as 2025-01-31T12:00:00Z"};
    return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "%s takes %s (%s) from %s to %s, not `%.*s`",
                    s->key, wants[s->type], s->unit, s->min, s->max, PEN_SLICE_FMT(value));
}

pen_status settings_set(struct pen_replay_options *options, pen_slice key, pen_slice value,
                        struct pen_err *err)
{
    bool is_reserved = false;
    const struct setting *s = find(key);
    if (s == NULL) {
        PEN_TRY(reserved(key, value, &is_reserved, err));
        return is_reserved ? PEN_OK : unknown(key, err);
    }
    if (is_text(s)) {
        return text_put(options, s, value) ? PEN_OK : value_fail(s, value, err);
    }
    union number number;
    if (!number_read(s, value, &number) ||
        !number_at_most(s->type, own_number(s, s->min), number) ||
        !number_at_most(s->type, number, own_number(s, s->max))) {
        return value_fail(s, value, err);
    }
    if (s->offset == offsetof(struct pen_replay_options, mailbox_capacity) &&
        (number.amount & (number.amount - 1)) != 0) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "%s takes a power of two, not `%.*s`",
                        s->key, PEN_SLICE_FMT(value));
    }
    number_put(options, s, number);
    return PEN_OK;
}

/* ---- text ---- */

struct unit {
    const char *name;
    uint64_t factor;
};

/* In the largest unit that leaves no rest. */
static pen_status amount_text(struct pen_buf *out, uint64_t amount, const struct unit *units)
{
    for (; units->factor > 1; units++) {
        if (amount > 0 && amount % units->factor == 0) {
            break;
        }
    }
    return pen_buf_printf(out, "%" PRIu64 "%s", amount / units->factor,
                          amount == 0 ? "" : units->name);
}

pen_status setting_text(const struct setting *setting, const struct pen_replay_options *options,
                        struct pen_buf *out)
{
    static const struct unit sizes[] = {{"TiB", UINT64_C(1) << 40},
                                        {"GiB", UINT64_C(1) << 30},
                                        {"MiB", UINT64_C(1) << 20},
                                        {"KiB", UINT64_C(1) << 10},
                                        {"", 1}};
    static const struct unit durations[] = {{"d", PEN_NS_PER_DAY},
                                            {"h", 3600 * PEN_NS_PER_S},
                                            {"m", 60 * PEN_NS_PER_S},
                                            {"s", PEN_NS_PER_S},
                                            {"ms", 1000000},
                                            {"us", 1000},
                                            {"ns", 1}};
    char time[PEN_TIME_MAX];
    union number number;
    if (is_text(setting)) {
        return pen_buf_add(out, pen_slice_str((const char *)options + setting->offset));
    }
    memcpy(&number, (const uint8_t *)options + setting->offset, sizeof(number));
    if (number.amount == own_number(setting, setting->value).amount) {
        return pen_buf_printf(out, "%s", setting->value); /* as the table writes it */
    }
    switch (setting->type) {
    case SETTING_COUNT:
        return pen_buf_printf(out, "%" PRIu64, number.amount);
    case SETTING_SIZE:
        return amount_text(out, number.amount, sizes);
    case SETTING_DURATION:
        return amount_text(out, (uint64_t)number.ns, durations);
    case SETTING_TIME:
        return pen_buf_printf(out, "%.*s", (int)pen_format_time(number.ns, time), time);
    case SETTING_WORD:
        return pen_buf_add(out, word_at(setting->unit, number.amount));
    case SETTING_LIST:
    case SETTING_PATH:
    case SETTING_PATHS:
        break;
    }
    pen_panic(PEN_HERE, "type of a setting");
}
