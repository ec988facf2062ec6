/* tested by tests/unit/node/test_sniff.c */
#include "sniff.h"

#define WORDS_MAX 16U

static pen_slice first_line(pen_slice head)
{
    pen_slice rest = head;
    pen_slice line = {0};
    (void)pen_slice_split(&rest, '\n', &line);
    return line;
}

static uint32_t words_of(pen_slice line, pen_slice words[WORDS_MAX])
{
    uint32_t count = 0;
    while (count < WORDS_MAX && pen_slice_split(&line, ' ', &words[count])) {
        count++;
    }
    return count;
}

static bool is_number(pen_slice word)
{
    bool has_digit = false;
    for (size_t i = 0; i < word.len; i++) {
        const uint8_t c = word.ptr[i];
        has_digit |= c >= '0' && c <= '9';
        if ((c < '0' || c > '9') && c != '.' && !(c == '-' && i == 0)) {
            return false;
        }
    }
    return has_digit;
}

static bool is_time(pen_slice word)
{
    int64_t time_ns;
    return word.len >= 19 && pen_parse_time(word, &time_ns);
}

/* "198.51.100.7:443" or "-" */
static bool is_endpoint(pen_slice word)
{
    const uint8_t *colon = word.len == 0 ? NULL : memrchr(word.ptr, ':', word.len);
    return pen_slice_eq(word, PEN_SLICE_LIT("-")) ||
           (colon != NULL &&
            is_number(pen_slice_sub(word, (size_t)(colon + 1 - word.ptr), word.len)));
}

/* Names of columns, as the first line of an object has them. */
static bool is_flow_header(const pen_slice *words, uint32_t count)
{
    static const char *const names[] = {"srcaddr", "dstaddr", "interface-id", "log-status",
                                        "action",  "version", "account-id",   "protocol"};
    uint32_t known = 0;
    for (uint32_t i = 0; i < count; i++) {
        for (size_t k = 0; k < PEN_COUNT(names); k++) {
            known += pen_slice_eq(words[i], pen_slice_str(names[k]));
        }
    }
    return known >= 3;
}

bool sniff_is_flow_record(pen_slice line)
{
    pen_slice words[WORDS_MAX];
    return words_of(line, words) == 14 && pen_slice_eq(words[0], PEN_SLICE_LIT("2")) &&
           pen_slice_starts(words[2], PEN_SLICE_LIT("eni-")) && is_number(words[10]) &&
           is_number(words[11]);
}

static bool is_one_of(pen_slice word, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (pen_slice_eq(word, pen_slice_str(*list))) {
            return true;
        }
    }
    return false;
}

const char *sniff_text_type(pen_slice head)
{
    static const char *const alb[] = {"http", "https", "h2", "grpcs", "ws", "wss", NULL};
    pen_slice words[WORDS_MAX];
    const uint32_t count = words_of(first_line(head), words);
    if (is_flow_header(words, count)) {
        return "vpcflowlogs";
    }
    if (count < 8) {
        return NULL;
    }
    if (is_one_of(words[0], alb) && is_time(words[1]) &&
        pen_slice_starts(words[2], PEN_SLICE_LIT("app/")) && is_endpoint(words[3])) {
        return "alb";
    }
    if (pen_slice_eq(words[0], PEN_SLICE_LIT("tls")) && is_time(words[2]) &&
        pen_slice_starts(words[3], PEN_SLICE_LIT("net/"))) {
        return "nlb";
    }
    const bool is_clb = is_time(words[0]) && is_endpoint(words[2]) && is_endpoint(words[3]) &&
                        is_number(words[4]) && is_number(words[5]) && is_number(words[6]);
    return is_clb ? "clb" : NULL;
}
