/* tested by tests/unit/detect/test_datadog.c */
#include "datadog.h"

#include <stdarg.h>
#include <stdio.h>

#define NOTICE_BYTES_MAX 512U

static void tell(struct datadog *d, enum pen_notice_level level, uint32_t line, uint32_t column,
                 const char *text)
{
    const struct builder at = {.line = line, .column = column};
    if (level == PEN_NOTICE_ERROR && d->errors++ >= DATADOG_ERRORS_MAX) {
        return;
    }
    rules_notice(d->rules, level, d->file, &at, text);
}

static PEN_PRINTF(4, 0) void tell_at(struct datadog *d, enum pen_notice_level level,
                                     const struct json_node *at, const char *fmt, va_list ap)
{
    char text[NOTICE_BYTES_MAX];
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): both callers start it
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    tell(d, level, at->line, at->column, text);
}

void datadog_error(struct datadog *d, const struct json_node *at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    tell_at(d, PEN_NOTICE_ERROR, at, fmt, ap);
    va_end(ap);
}

void datadog_warn(struct datadog *d, const struct json_node *at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    tell_at(d, PEN_NOTICE_WARNING, at, fmt, ap);
    va_end(ap);
}

void datadog_error_in(struct datadog *d, const struct json_node *text, size_t offset,
                      const char *reason)
{
    tell(d, PEN_NOTICE_ERROR, text->line, json_text_column(text, offset), reason);
}

void datadog_warn_in(struct datadog *d, const struct json_node *text, size_t offset,
                     const char *reason)
{
    tell(d, PEN_NOTICE_WARNING, text->line, json_text_column(text, offset), reason);
}
