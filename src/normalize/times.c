#include "penstock/normalize.h"

#include "internal.h"
#include "time_text.h"

/* Event times in the forms that log types write, and as documents show them. */

#define EPOCH_MS_MIN 1000000000000.0    /* numbers above are milliseconds, */
#define EPOCH_US_MIN 1000000000000000.0 /* above these microseconds */
#define EPOCH_DIGITS_MAX 18U
#define YEAR_MIN 1678U
#define YEAR_MAX 2261U
#define EPOCH_END_S INT64_C(9214646400) /* 2262-01-01T00:00:00Z */
#define EPOCH_END_NS (EPOCH_END_S * PEN_NS_PER_S)
#define DAYS_AHEAD 1 /* a log without years may be this far ahead of the object's own time */

static void put(char *out, const void *bytes, size_t n)
{
    memcpy(out, bytes, n);
}

/* As the reference writes it: the offset of the source, six digits of fraction or none. */
static void write_time(struct pen_normalizer *n, pen_slice text)
{
    char *out = n->time_text;
    size_t at = 0;
    text = pen_slice_trim(text);
    put(out, "0000-00-00T00:00:00", 19);
    put(out, text.ptr, text.len < 19 ? text.len : 19);
    out[10] = 'T';
    at = 19;
    pen_slice rest = pen_slice_sub(text, 19, text.len);
    if (rest.len > 0 && (rest.ptr[0] == '.' || rest.ptr[0] == ',')) {
        size_t digits = 1;
        bool any = false;
        while (digits < rest.len && rest.ptr[digits] >= '0' && rest.ptr[digits] <= '9') {
            any = any || (digits <= 6 && rest.ptr[digits] != '0');
            digits++;
        }
        if (any) {
            put(out + at, ".000000", 7);
            put(out + at + 1, rest.ptr + 1, digits - 1 < 6 ? digits - 1 : 6);
            at += 7;
        }
        rest = pen_slice_sub(rest, digits, rest.len);
    }
    if (rest.len >= 3 && (rest.ptr[0] == '+' || rest.ptr[0] == '-')) { /* +05, +0530, +05:30 */
        put(out + at, rest.ptr, 3);
        put(out + at + 3, ":00", 3);
        put(out + at + 4, rest.ptr + (rest.len > 3 ? rest.len - 2 : 3), rest.len > 3 ? 2 : 0);
    } else {
        put(out + at, "+00:00", 6);
    }
    n->time_length = at + 6;
}

/* A time as write_time expects it: with seconds, or "YYYY-MM-DD" alone. */
static bool has_time_form(pen_slice text)
{
    text = pen_slice_trim(text);
    return text.len == 10 || (text.len >= 19 && text.ptr[16] == ':');
}

static bool take_extended(struct pen_normalizer *n, pen_slice text, int64_t *time_ns)
{
    if (nrm_shown_take(&n->shown, text, time_ns, n->time_text, &n->time_length)) {
        return true;
    }
    if (!pen_parse_time(text, time_ns)) {
        return false;
    }
    if (has_time_form(text)) {
        write_time(n, text);
        nrm_shown_keep(&n->shown, text, *time_ns);
    } else {
        n->time_length = pen_format_time(*time_ns, n->time_text);
    }
    return true;
}

static bool take_rfc3339(struct pen_normalizer *n, const struct pen_value *value, int64_t *time_ns)
{
    const pen_slice zone = n->schema->type->time_zone;
    struct time_text iso;
    if (value->kind != PEN_STRING) {
        return false;
    }
    if (PEN_LIKELY(zone.len == 0) && take_extended(n, value->text, time_ns)) {
        return true;
    }
    return time_text_iso(value->text, zone, &iso) &&
           take_extended(n, (pen_slice){iso.bytes, iso.len}, time_ns);
}

static void show(struct pen_normalizer *n, int64_t time_ns, int32_t offset_minutes)
{
    _Static_assert(sizeof(n->time_text) >= NRM_SHOWN_BYTES, "a time is shown in it");
    n->time_length = nrm_shown_put(&n->shown, n->time_text, time_ns, offset_minutes);
}

void nrm_time_show(struct pen_normalizer *n, int64_t time_ns)
{
    show(n, time_ns, 0);
}

/* ---- seconds, milliseconds or microseconds since 1970 ---- */

#define NIBBLES 0xf0f0f0f0f0f0f0f0U
#define ZEROS 0x3030303030303030U

/* Ten digits, as seconds since 1970 have; eight of them at once.  False: something else. */
static bool ten_digits(pen_slice text, int64_t *out)
{
    uint64_t eight;
    if (text.len != 10) {
        return false;
    }
    memcpy(&eight, text.ptr, sizeof(eight));
    const uint32_t tens = (uint32_t)text.ptr[8] - '0';
    const uint32_t ones = (uint32_t)text.ptr[9] - '0';
    if ((eight & NIBBLES) != ZEROS || ((eight + 0x0606060606060606U) & NIBBLES) != ZEROS ||
        tens > 9 || ones > 9) {
        return false;
    }
    eight = (eight & 0x0f0f0f0f0f0f0f0fU) * 2561 >> 8;
    eight = (eight & 0x00ff00ff00ff00ffU) * 6553601 >> 16;
    eight = (eight & 0x0000ffff0000ffffU) * 42949672960001 >> 32;
    *out = (int64_t)(eight * 100 + (uint64_t)tens * 10 + ones);
    return true;
}

static bool take_number(struct pen_normalizer *n, pen_slice text, int64_t *time_ns)
{
    size_t at = 0;
    int64_t whole = 0;
    int64_t fraction = 0;
    if (ten_digits(text, &whole)) {
        const bool is_time = whole < EPOCH_END_S;
        *time_ns = is_time ? whole * PEN_NS_PER_S : 0;
        n->time_length = nrm_shown_put_second(&n->shown, n->time_text, is_time ? whole : 0);
        return is_time;
    }
    for (; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++) {
        if (at == EPOCH_DIGITS_MAX) {
            return false;
        }
        whole = whole * 10 + (text.ptr[at] - '0');
    }
    if (at == 0) {
        return false;
    }
    const int64_t unit = (double)whole > EPOCH_US_MIN   ? PEN_NS_PER_S / 1000000
                         : (double)whole > EPOCH_MS_MIN ? PEN_NS_PER_S / 1000
                                                        : PEN_NS_PER_S;
    if (at < text.len && text.ptr[at] == '.') {
        int64_t weight = unit / 10;
        for (at++; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++) {
            fraction += weight * (text.ptr[at] - '0');
            weight /= 10;
        }
    }
    if (at != text.len || __builtin_mul_overflow(whole, unit, time_ns) ||
        __builtin_add_overflow(*time_ns, fraction, time_ns) || *time_ns >= EPOCH_END_NS) {
        return false;
    }
    show(n, *time_ns, 0);
    return true;
}

static bool take_epoch(struct pen_normalizer *n, const struct pen_value *value, int64_t *time_ns)
{
    struct time_text plain;
    if (value->kind != PEN_NUMBER && value->kind != PEN_STRING) {
        return false;
    }
    return take_number(n, value->text, time_ns) ||
           (time_text_plain(value->text, &plain) &&
            take_number(n, (pen_slice){plain.bytes, plain.len}, time_ns));
}

/* ---- patterns ---- */

struct when {
    uint32_t year, month, day, hour, minute, second, nanosecond;
    int32_t offset_minutes;
    bool has_year, is_pm, is_12h;
};

static bool number(pen_slice *rest, size_t digits_max, uint32_t *out)
{
    size_t n = 0;
    *out = 0;
    while (n < digits_max && n < rest->len && rest->ptr[n] >= '0' && rest->ptr[n] <= '9') {
        *out = *out * 10 + (uint32_t)(rest->ptr[n++] - '0');
    }
    *rest = pen_slice_sub(*rest, n, rest->len);
    return n > 0;
}

static bool month_name(pen_slice *rest, uint32_t *month)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    for (uint32_t i = 0; i < 12 && rest->len >= 3; i++) {
        const pen_slice name = {(const uint8_t *)names + (size_t)i * 3, 3};
        if (pen_slice_eq_nocase(pen_slice_sub(*rest, 0, 3), name)) {
            *month = i + 1;
            *rest = pen_slice_sub(*rest, 3, rest->len);
            return true;
        }
    }
    return false;
}

static bool letters(pen_slice *rest, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i >= rest->len || (rest->ptr[i] | 0x20) < 'a' || (rest->ptr[i] | 0x20) > 'z') {
            return false;
        }
    }
    *rest = pen_slice_sub(*rest, count, rest->len);
    return true;
}

static bool fraction(pen_slice *rest, uint32_t *nanosecond)
{
    uint32_t weight = 100000000;
    size_t n = 0;
    *nanosecond = 0;
    for (; n < rest->len && rest->ptr[n] >= '0' && rest->ptr[n] <= '9'; n++) {
        *nanosecond += weight * (uint32_t)(rest->ptr[n] - '0');
        weight /= 10;
    }
    *rest = pen_slice_sub(*rest, n, rest->len);
    return n > 0;
}

/* Z, +hhmm or +hh:mm */
static bool zone(pen_slice *rest, int32_t *minutes)
{
    uint32_t hours = 0;
    uint32_t more = 0;
    if (rest->len > 0 && rest->ptr[0] == 'Z') {
        *minutes = 0;
        *rest = pen_slice_sub(*rest, 1, rest->len);
        return true;
    }
    if (rest->len == 0 || (rest->ptr[0] != '+' && rest->ptr[0] != '-')) {
        return false;
    }
    const int32_t sign = rest->ptr[0] == '-' ? -1 : 1;
    *rest = pen_slice_sub(*rest, 1, rest->len);
    if (!number(rest, 2, &hours)) {
        return false;
    }
    if (rest->len > 0 && rest->ptr[0] == ':') {
        *rest = pen_slice_sub(*rest, 1, rest->len);
    }
    if (!number(rest, 2, &more) || hours > 23 || more > 59) {
        return false;
    }
    *minutes = sign * (int32_t)(hours * 60 + more);
    return true;
}

static bool half_of_day(pen_slice *rest, struct when *when)
{
    const bool is_pm = pen_slice_eq_nocase(pen_slice_sub(*rest, 0, 2), PEN_SLICE_LIT("pm"));
    if (!is_pm && !pen_slice_eq_nocase(pen_slice_sub(*rest, 0, 2), PEN_SLICE_LIT("am"))) {
        return false;
    }
    when->is_pm = is_pm;
    when->is_12h = true;
    *rest = pen_slice_sub(*rest, 2, rest->len);
    return true;
}

static bool directive(uint8_t what, pen_slice *rest, struct when *when)
{
    switch (what) {
    case 'Y':
        when->has_year = true;
        return number(rest, 4, &when->year);
    case 'y':
        when->has_year = number(rest, 2, &when->year);
        when->year += when->year < 69 ? 2000 : 1900;
        return when->has_year;
    case 'm':
        return number(rest, 2, &when->month);
    case 'd':
        return number(rest, 2, &when->day);
    case 'H':
    case 'I':
        return number(rest, 2, &when->hour);
    case 'M':
        return number(rest, 2, &when->minute);
    case 'S':
        return number(rest, 2, &when->second);
    case 'f':
        return fraction(rest, &when->nanosecond);
    case 'b':
        return month_name(rest, &when->month);
    case 'a':
        return letters(rest, 3);
    case 'p':
        return half_of_day(rest, when);
    case 'z':
        return zone(rest, &when->offset_minutes);
    default:
        return false;
    }
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static bool by_pattern(pen_slice form, pen_slice rest, struct when *when)
{
    for (size_t i = 0; i < form.len; i++) {
        if (is_blank(form.ptr[i])) {
            if (rest.len == 0 || !is_blank(rest.ptr[0])) {
                return false;
            }
            while (rest.len > 0 && is_blank(rest.ptr[0])) {
                rest = pen_slice_sub(rest, 1, rest.len);
            }
        } else if (form.ptr[i] == '%' && i + 1 < form.len) {
            if (!directive(form.ptr[++i], &rest, when)) {
                return false;
            }
        } else if (rest.len == 0 || rest.ptr[0] != form.ptr[i]) {
            return false;
        } else {
            rest = pen_slice_sub(rest, 1, rest.len);
        }
    }
    return rest.len == 0;
}

/* Of a year that nanoseconds since 1970 reach as a whole. */
static bool is_day(uint32_t year, uint32_t month, uint32_t day)
{
    if (year < YEAR_MIN || year > YEAR_MAX || month < 1 || month > 12 || day < 1 || day > 31) {
        return false;
    }
    const struct pen_civil back =
        pen_civil_from_ns(pen_days_from_civil((int32_t)year, month, day) * PEN_NS_PER_DAY);
    return back.month == month && back.day == day;
}

/* The latest year that does not put the time after the object was written. */
static bool guess_year(struct when *when, int64_t written_ns)
{
    const struct pen_civil written = pen_civil_from_ns(written_ns);
    const int64_t last_day = written_ns / PEN_NS_PER_DAY + DAYS_AHEAD;
    for (int32_t year = written.year + 1; year > written.year - 8; year--) {
        if (is_day((uint32_t)year, when->month, when->day) &&
            pen_days_from_civil(year, when->month, when->day) <= last_day) {
            when->year = (uint32_t)year;
            return true;
        }
    }
    return false;
}

static bool take_pattern(struct pen_normalizer *n, pen_slice form, pen_slice text,
                         int64_t written_ns, int64_t *time_ns)
{
    struct when when = {.month = 1, .day = 1};
    pen_slice usual = n->schema->type->time_zone;
    if (usual.len > 0 && !zone(&usual, &when.offset_minutes)) {
        return false;
    }
    if (!by_pattern(form, pen_slice_trim(text), &when) ||
        (!when.has_year && !guess_year(&when, written_ns)) ||
        !is_day(when.year, when.month, when.day) || when.hour > 23 || when.minute > 59 ||
        when.second > 60) {
        return false;
    }
    if (when.is_12h) {
        when.hour = when.hour % 12 + (when.is_pm ? 12 : 0);
    }
    const int64_t seconds = pen_days_from_civil((int32_t)when.year, when.month, when.day) * 86400 +
                            (int64_t)when.hour * 3600 + (int64_t)when.minute * 60 + when.second -
                            (int64_t)when.offset_minutes * 60;
    *time_ns = seconds * PEN_NS_PER_S + when.nanosecond;
    show(n, *time_ns, when.offset_minutes);
    return true;
}

/* ---- keys ---- */

/* Eight digits, T, six digits, Z, and neither before nor behind them another letter or digit. */
static bool key_time_at(pen_slice text, int64_t *time_ns)
{
    static const pen_slice form = {(const uint8_t *)"%Y%m%dT%H%M%SZ", 14};
    struct when when = {0};
    uint32_t date = 0;
    uint32_t clock = 0;
    pen_slice rest = text;
    if (!number(&rest, 8, &date) || rest.len == 0 || rest.ptr[0] != 'T') {
        return false;
    }
    rest = pen_slice_sub(rest, 1, rest.len);
    if (rest.ptr != text.ptr + 9 || !number(&rest, 6, &clock) || rest.ptr != text.ptr + 15) {
        return false;
    }
    if (!by_pattern(form, pen_slice_sub(text, 0, 16), &when) ||
        !is_day(when.year, when.month, when.day) || when.hour > 23 || when.minute > 59 ||
        when.second > 60) {
        return false;
    }
    *time_ns = (pen_days_from_civil((int32_t)when.year, when.month, when.day) * 86400 +
                (int64_t)when.hour * 3600 + (int64_t)when.minute * 60 + when.second) *
               PEN_NS_PER_S;
    return true;
}

int64_t nrm_time_of_object(struct pen_normalizer *n, const struct pen_object_info *object)
{
    const pen_slice key = object->key;
    int64_t time_ns = object->written_ns;
    for (size_t i = 1; i + 16 <= key.len; i++) {
        if (key.ptr[i - 1] == '_' && key_time_at(pen_slice_sub(key, i, key.len), &time_ns)) {
            break;
        }
    }
    show(n, time_ns, 0);
    return time_ns;
}

/* ---- the form of a type ---- */

static bool is_form(pen_slice form, const char *name)
{
    return pen_slice_eq(form, pen_slice_str(name));
}

static bool is_rfc3339(pen_slice form)
{
    return form.len == 0 || is_form(form, "rfc3339");
}

static pen_status form_check(const struct pen_type *type, pen_slice form, struct pen_err *err)
{
    static const char directives[] = "YymdHIMSfbapz";
    if (is_rfc3339(form) || is_form(form, "epoch") || is_form(form, "syslog")) {
        return PEN_OK;
    }
    for (size_t i = 0; i < form.len; i++) {
        if (form.ptr[i] == '%' && (i + 1 == form.len || memchr(directives, form.ptr[++i],
                                                               sizeof(directives) - 1) == NULL)) {
            return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                            "type %.*s: time_form %.*s: known are %%Y %%y %%m %%d %%H %%I %%M %%S "
                            "%%f %%b %%a %%p %%z",
                            PEN_SLICE_FMT(type->name), PEN_SLICE_FMT(form));
        }
    }
    return PEN_OK;
}

pen_status nrm_time_form_check(const struct pen_type *type, struct pen_err *err)
{
    pen_slice rest = type->time_zone;
    int32_t minutes = 0;
    if (rest.len > 0 && (rest.len != 6 || !zone(&rest, &minutes) || rest.len > 0)) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                        "type %.*s: time_zone %.*s: +hh:mm or -hh:mm is wanted",
                        PEN_SLICE_FMT(type->name), PEN_SLICE_FMT(type->time_zone));
    }
    pen_status st = form_check(type, type->time_form, err);
    for (uint32_t i = 0; i < type->more_time_form_count; i++) {
        st = st == PEN_OK ? form_check(type, type->more_time_forms[i], err) : st;
    }
    return st;
}

static bool take_form(struct pen_normalizer *n, pen_slice form, const struct pen_value *value,
                      int64_t written_ns, int64_t *time_ns)
{
    if (is_rfc3339(form)) {
        return take_rfc3339(n, value, time_ns);
    }
    if (is_form(form, "epoch")) {
        return take_epoch(n, value, time_ns);
    }
    if (value->kind != PEN_STRING) {
        return false;
    }
    if (is_form(form, "syslog")) {
        return take_pattern(n, PEN_SLICE_LIT("%b %d %H:%M:%S"), value->text, written_ns, time_ns) ||
               take_pattern(n, PEN_SLICE_LIT("%b %d %H:%M:%S.%f"), value->text, written_ns,
                            time_ns);
    }
    return take_pattern(n, form, value->text, written_ns, time_ns);
}

bool nrm_time_take(struct pen_normalizer *n, const struct pen_value *value, int64_t written_ns,
                   int64_t *time_ns)
{
    const struct pen_type *type = n->schema->type;
    if (value == NULL) {
        return false;
    }
    if (take_form(n, type->time_form, value, written_ns, time_ns)) {
        return true;
    }
    for (uint32_t i = 0; i < type->more_time_form_count; i++) {
        if (take_form(n, type->more_time_forms[i], value, written_ns, time_ns)) {
            return true;
        }
    }
    return !is_rfc3339(type->time_form) && !is_form(type->time_form, "epoch") &&
           take_rfc3339(n, value, time_ns);
}

/* ---- of a record ---- */

static bool take_told_time(struct pen_normalizer *n, int64_t *time_ns)
{
    if (n->told == NULL || n->told->time_ns == INT64_MIN) {
        return false;
    }
    *time_ns = n->told->time_ns;
    show(n, *time_ns, 0);
    return true;
}

bool nrm_time_is_told(const struct pen_normalizer *n)
{
    return n->told != NULL && n->schema->told_time.len > 0 &&
           pen_slice_eq(n->schema->told_time, n->told->time_name);
}

/* What the type or its script names, in the record or in the envelope. */
static bool own_time(struct pen_normalizer *n, const struct pen_record *record,
                     const struct pen_object_info *object, int64_t *time_ns)
{
    const struct pen_schema *schema = n->schema;
    struct pen_value room;
    if (nrm_time_is_told(n) && take_told_time(n, time_ns)) {
        return true;
    }
    for (uint32_t i = 0; i < schema->time_count; i++) {
        if (nrm_time_take(n, nrm_value_of(record, schema->time_fields[i], &room),
                          object->written_ns, time_ns)) {
            return true;
        }
    }
    return schema->script != NULL && schema->script->time != NULL &&
           nrm_time_take(n, schema->script->time(schema, record), object->written_ns, time_ns);
}

void nrm_time_find(struct pen_normalizer *n, struct pen_record *record,
                   const struct pen_object_info *object, int64_t *time_ns)
{
    const struct pen_schema *schema = n->schema;
    if (own_time(n, record, object, time_ns)) {
        return;
    }
    if (schema->has_key_time) {
        *time_ns = nrm_time_of_object(n, object);
    } else if (!take_told_time(n, time_ns)) {
        const bool needs_time = schema->type->time_count > 0;
        if (record->problem == NULL && !needs_time) {
            *time_ns = INT64_MIN;
            n->time_length = pen_format_time(object->ingested_ns, n->time_text);
            return;
        }
        record->problem = record->problem != NULL ? record->problem : schema->no_time;
        *time_ns = nrm_time_of_object(n, object);
    }
}
