#include "sniff.h"

#include <stdio.h>

/* A record may hold a stray byte; of binary data an eighth are such. */
#define CONTROL_SHARE 32U
#define CONTROLS_MIN 8U

static bool has(pen_slice head, const char *text)
{
    return pen_slice_find(head, pen_slice_str(text)) != SIZE_MAX;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Offset of the next byte that is no blank, or the length. */
static size_t after_blanks(pen_slice s, size_t at)
{
    while (at < s.len && is_blank(s.ptr[at])) {
        at++;
    }
    return at;
}

/* Whether what follows the key are these characters, blanks aside. */
static bool key_leads_to(pen_slice s, const char *key, const char *characters)
{
    const size_t found = pen_slice_find(s, pen_slice_str(key));
    if (found == SIZE_MAX) {
        return false;
    }
    size_t at = found + strlen(key);
    for (; *characters != '\0'; characters++) {
        at = after_blanks(s, at);
        if (at >= s.len || s.ptr[at] != (uint8_t)*characters) {
            return false;
        }
        at++;
    }
    return true;
}

static bool is_without_events(pen_slice whole)
{
    const size_t first = after_blanks(whole, 0);
    return first < whole.len && whole.ptr[first] == '{' &&
           (key_leads_to(whole, "\"Events\"", ":[]") || key_leads_to(whole, "\"Records\"", ":[]"));
}

bool sniff_is_cloudtrail(pen_slice head, bool is_whole)
{
    return (has(head, "\"eventSource\"") && has(head, "\"eventTime\"")) ||
           (has(head, "\"CloudTrailEvent\"") &&
            (has(head, "\"EventId\"") || has(head, "\\\"eventVersion\\\""))) ||
           (is_whole && is_without_events(head));
}

/* The name of the first member of the first object; empty when there is none. */
static pen_slice first_name(pen_slice head)
{
    static const uint8_t mark[] = {0xEF, 0xBB, 0xBF};
    const bool is_marked = head.len >= sizeof(mark) && memcmp(head.ptr, mark, sizeof(mark)) == 0;
    size_t at = after_blanks(head, is_marked ? sizeof(mark) : 0);
    if (at >= head.len || head.ptr[at] != '{') {
        return (pen_slice){0};
    }
    at = after_blanks(head, at + 1);
    if (at >= head.len || head.ptr[at] != '"') {
        return (pen_slice){0};
    }
    const uint8_t *name = head.ptr + at + 1;
    const uint8_t *end = memchr(name, '"', head.len - at - 1);
    return end == NULL ? (pen_slice){0} : (pen_slice){name, (size_t)(end - name)};
}

bool sniff_is_cloudwatch(pen_slice head)
{
    static const char *const names[] = {"messageType", "owner",     "logGroup",
                                        "logStream",   "logEvents", "subscriptionFilters"};
    const pen_slice name = first_name(head);
    for (size_t i = 0; i < PEN_COUNT(names); i++) {
        if (pen_slice_eq(name, pen_slice_str(names[i]))) {
            return key_leads_to(head, "\"logEvents\"", ":[");
        }
    }
    return false;
}

/* Whether text begins in this form: 0 stands for any digit, x for any hex digit. */
static bool has_form(pen_slice text, const char *form)
{
    for (size_t i = 0; form[i] != '\0'; i++) {
        const uint8_t c = i < text.len ? text.ptr[i] : 0;
        const bool is_digit = c >= '0' && c <= '9';
        const bool is_hex = is_digit || (c >= 'a' && c <= 'f');
        if (form[i] == '0' ? !is_digit : form[i] == 'x' ? !is_hex : c != (uint8_t)form[i]) {
            return false;
        }
    }
    return true;
}

bool sniff_is_export(pen_slice head)
{
    const pen_slice mark = PEN_SLICE_LIT("\xEF\xBB\xBF");
    const size_t at = pen_slice_starts(head, mark) ? mark.len : 0;
    return has_form(pen_slice_sub(head, at, head.len), "0000-00-00T00:00:00.000Z ");
}

bool sniff_is_export_key(pen_slice key)
{
    pen_slice rest = key;
    pen_slice part = {0};
    bool has_task = false;
    while (pen_slice_split(&rest, '/', &part)) {
        has_task |= part.len == 36 && has_form(part, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
    }
    return has_task && has_form(part, "000000") &&
           (part.len == 6 || pen_slice_eq(pen_slice_sub(part, 6, part.len), PEN_SLICE_LIT(".gz")));
}

bool sniff_is_firelens(pen_slice head)
{
    return first_name(head).len > 0 && has(head, "\"log\"") && has(head, "\"container_id\"") &&
           has(head, "\"container_name\"");
}

bool sniff_is_event(pen_slice head)
{
    return first_name(head).len > 0 && has(head, "\"detail-type\"") && has(head, "\"resources\"") &&
           key_leads_to(head, "\"detail\"", ":{");
}

bool sniff_is_digest(pen_slice head)
{
    return has(head, "\"digestStartTime\"") && !has(head, "\"eventSource\"") &&
           (has(head, "\"digestPublicKeyFingerprint\"") || has(head, "\"digestEndTime\""));
}

/* Begins as an object or a list does: '{' or '[', then what may stand in it. */
static bool begins_well(pen_slice head)
{
    static const uint8_t mark[] = {0xEF, 0xBB, 0xBF};
    const bool is_marked = head.len >= sizeof(mark) && memcmp(head.ptr, mark, sizeof(mark)) == 0;
    const size_t first = after_blanks(head, is_marked ? sizeof(mark) : 0);
    const size_t second = after_blanks(head, first + 1);
    if (first >= head.len) {
        return true; /* nothing but blanks: not for us to judge */
    }
    return (head.ptr[first] == '{' || head.ptr[first] == '[') &&
           (second >= head.len || (head.ptr[second] > ' ' && strchr("\"{[}]", head.ptr[second])));
}

bool sniff_is_json(pen_slice head, struct pen_err *err)
{
    size_t controls = 0;
    size_t first = 0;
    bool has_begin = false;
    if (begins_well(head)) {
        return true;
    }
    for (size_t i = 0; i < head.len; i++) {
        const uint8_t c = head.ptr[i];
        has_begin = has_begin || c == '{' || c == '[';
        if (c < ' ' && !is_blank(c)) {
            first = controls == 0 ? i : first;
            controls++;
        }
    }
    if (controls >= CONTROLS_MIN && controls * CONTROL_SHARE > head.len) {
        (void)PEN_FAIL(err, PEN_E_CORRUPT, first,
                       "this is no JSON: %zu of the first %zu bytes are control characters, here "
                       "0x%02x",
                       controls, head.len, head.ptr[first]);
        return false;
    }
    const bool is_text = !has_begin && head.len == SNIFF_BYTES;
    if (is_text) {
        (void)PEN_FAIL(err, PEN_E_CORRUPT, 0,
                       "this is no JSON: no object or list begins in the first %zu bytes",
                       head.len);
    }
    return !is_text;
}

bool sniff_is_parquet(pen_slice head)
{
    const pen_slice mark = PEN_SLICE_LIT("PAR1");
    return head.len > mark.len && pen_slice_starts(head, mark) && head.ptr[mark.len] < ' ' &&
           !is_blank(head.ptr[mark.len]);
}

const char *sniff_unknown_reason(bool is_parquet, pen_slice key)
{
    const pen_slice tail = PEN_SLICE_LIT(".parquet");
    const bool is_named =
        key.len >= tail.len && pen_slice_eq(pen_slice_sub(key, key.len - tail.len, key.len), tail);
    return is_parquet || is_named ? "the object is Parquet, which is not read yet"
                                  : "no log type fits the key or the content";
}
