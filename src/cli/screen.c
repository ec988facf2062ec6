/* tested by tests/e2e/test_signals.py */
#include "screen.h"

#include "penstock/json.h"

#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TEXT_BYTES_MAX ((size_t)64 << 20)
#define WIDTH_MIN 40U

static bool is_set(const char *name)
{
    const char *value = getenv(name); // NOLINT(concurrency-mt-unsafe): one thread so far
    return value != NULL && value[0] != '\0';
}

static bool is_dumb(void)
{
    const char *term = getenv("TERM"); // NOLINT(concurrency-mt-unsafe): one thread so far
    return term == NULL || strcmp(term, "dumb") == 0;
}

void screen_init(struct screen *screen)
{
    *screen = (struct screen){.is_terminal = isatty(STDOUT_FILENO) == 1, .width = UINT32_MAX};
    screen->has_colour = screen->is_terminal && !is_set("NO_COLOR") && !is_dumb();
    struct winsize size;
    if (screen->is_terminal) {
        screen->width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= WIDTH_MIN
                            ? size.ws_col
                            : 100;
    }
    pen_buf_init(&screen->text, TEXT_BYTES_MAX);
    pen_buf_init(&screen->plain, TEXT_BYTES_MAX);
}

void screen_fini(struct screen *screen)
{
    pen_buf_fini(&screen->text);
    pen_buf_fini(&screen->plain);
}

enum screen_style screen_severity(pen_slice severity)
{
    if (pen_slice_eq(severity, PEN_SLICE_LIT("critical"))) {
        return STYLE_ALARM;
    }
    if (pen_slice_eq(severity, PEN_SLICE_LIT("high"))) {
        return STYLE_RED;
    }
    if (pen_slice_eq(severity, PEN_SLICE_LIT("medium"))) {
        return STYLE_YELLOW;
    }
    return pen_slice_eq(severity, PEN_SLICE_LIT("low")) ? STYLE_CYAN : STYLE_FAINT;
}

static const char *style_begin(const struct screen *screen, enum screen_style style)
{
    static const char *const codes[] = {
        [STYLE_PLAIN] = "",       [STYLE_BOLD] = "\x1b[1m",     [STYLE_FAINT] = "\x1b[2m",
        [STYLE_RED] = "\x1b[31m", [STYLE_ALARM] = "\x1b[1;41m", [STYLE_YELLOW] = "\x1b[33m",
        [STYLE_CYAN] = "\x1b[36m"};
    return screen->has_colour ? codes[style] : "";
}

/* Bytes of the first `columns` code points; *used is how many there were. */
static size_t columns_take(pen_slice text, uint32_t columns, uint32_t *used)
{
    pen_slice rest = text;
    *used = 0;
    while (rest.len > 0 && *used < columns) {
        (void)pen_utf8_next(&rest);
        (*used)++;
    }
    return text.len - rest.len;
}

void screen_cell(struct screen *screen, pen_slice text, uint32_t columns, enum screen_style style)
{
    screen->text.len = 0;
    PEN_CHECK(pen_escape_terminal(&screen->text, pen_slice_sub(text, 0, TEXT_BYTES_MAX / 16)) ==
              PEN_OK);
    const pen_slice shown = pen_buf_slice(&screen->text);
    const bool is_cut = screen->is_terminal && columns > 1;
    uint32_t used = 0;
    size_t len = columns_take(shown, is_cut ? columns : UINT32_MAX, &used);
    const bool is_longer = len < shown.len;
    if (is_longer) {
        len = columns_take(shown, columns - 1, &used);
        used++;
    }
    const char *begin = style_begin(screen, style);
    const uint32_t pad = columns > used ? columns - used : 0;
    (void)printf("%s%.*s%s%s%*s", begin, (int)len, (const char *)shown.ptr,
                 is_longer ? "\xe2\x80\xa6" : "", begin[0] == '\0' ? "" : "\x1b[0m", (int)pad, "");
}

void screen_text(struct screen *screen, pen_slice text, enum screen_style style)
{
    screen_cell(screen, text, 0, style);
}

void screen_time(struct screen *screen, int64_t ns)
{
    char text[PEN_TIME_MAX];
    const size_t len = pen_format_time(ns, text);
    screen_cell(screen, (pen_slice){(const uint8_t *)text, len}, 20, STYLE_PLAIN);
}

static pen_status words_add(struct pen_buf *out, const struct pen_token *token)
{
    if (!token->is_escaped) {
        return pen_buf_add(out, token->text);
    }
    PEN_TRY(pen_buf_reserve(out, token->text.len));
    out->len += pen_json_unescape(token->text, out->ptr + out->len);
    return PEN_OK;
}

static pen_status words_build(struct pen_buf *out, pen_slice json, uint32_t max)
{
    struct pen_tokens tokens;
    struct pen_token token;
    uint32_t count = 0;
    bool after_key = false;
    pen_status st = PEN_OK;
    pen_tokens_init(&tokens, json);
    while (st == PEN_OK && pen_tokens_next(&tokens, &token)) {
        const bool is_word = !token.is_open && !token.is_close;
        const char *before = count == 0 ? "" : ", ";
        before = after_key ? " " : before;
        count += is_word && !after_key ? 1 : 0;
        if (is_word && count <= max) {
            st = pen_buf_printf(out, "%s", before);
            st = st == PEN_OK ? words_add(out, &token) : st;
        }
        after_key = is_word && token.is_key;
    }
    return st == PEN_OK && count > max ? pen_buf_printf(out, ", and %u more", count - max) : st;
}

pen_slice screen_words(struct screen *screen, pen_slice json, uint32_t max)
{
    screen->plain.len = 0;
    if (json.len == 0 || words_build(&screen->plain, json, max) != PEN_OK) {
        return (pen_slice){0};
    }
    return pen_buf_slice(&screen->plain);
}

void screen_quoted(struct screen *screen, const char *word)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "_-./:@%+=,";
    if (word[0] != '\0' && strspn(word, safe) == strlen(word)) {
        (void)fputs(word, stdout);
        return;
    }
    (void)putchar('\'');
    pen_slice rest = pen_slice_str(word);
    pen_slice part;
    bool first = true;
    while (pen_slice_split(&rest, '\'', &part)) {
        (void)fputs(first ? "" : "'\\''", stdout);
        screen_text(screen, part, STYLE_PLAIN);
        first = false;
    }
    (void)putchar('\'');
}

int screen_end(void)
{
    return cli_output_is_good() ? 0 : 1;
}
