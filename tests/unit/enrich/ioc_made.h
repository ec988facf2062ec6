/* ioc_made.h - files of indicators for tests. */
#ifndef TEST_IOC_MADE_H
#define TEST_IOC_MADE_H

#include "ioc.h"
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct pen_ioc_limits made_limits = {.entries_max = 1000, .bytes_max = 1 << 20};

/* Writes the file anew; its path is /tmp/penstock-NAME-PID. */
static inline const char *made_list(const char *name, const char *text)
{
    static char paths[8][96];
    static uint32_t turn;
    char *path = paths[turn++ % 8];
    (void)snprintf(path, sizeof(paths[0]), "/tmp/penstock-%d-%s", (int)getpid(), name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    return path;
}

static inline struct pen_iocs *made_open(const char *name, const char *text)
{
    struct pen_iocs *iocs = NULL;
    struct pen_err err = {0};
    const char *path = made_list(name, text);
    const pen_status st = pen_iocs_open(&path, 1, &made_limits, &iocs, &err);
    if (st != PEN_OK) {
        fail_msg("%s: %s", pen_status_name(st), err.text);
    }
    (void)unlink(path);
    return iocs;
}

static inline void made_refused(const char *name, const char *text, const char *words)
{
    struct pen_iocs *iocs = NULL;
    struct pen_err err = {0};
    const char *path = made_list(name, text);
    assert_int_equal(pen_iocs_open(&path, 1, &made_limits, &iocs, &err), PEN_E_USAGE);
    assert_null(iocs);
    if (strstr(err.text, words) == NULL || strstr(err.text, path) == NULL) {
        fail_msg("%s, not %s", err.text, words);
    }
    (void)unlink(path);
}

/* How many indicators a value is; the first in *out. */
static inline uint32_t made_find(const struct pen_iocs *iocs, const char *text, struct pen_ioc *out)
{
    struct pen_ioc found[8];
    const uint32_t count = pen_iocs_find(iocs, PEN_IOC_AS_ALL, pen_slice_str(text), found, 8);
    *out = count > 0 ? found[0] : (struct pen_ioc){0};
    return count;
}

static inline void finds(const struct pen_iocs *iocs, const char *text)
{
    struct pen_ioc ioc;
    if (made_find(iocs, text, &ioc) != 1) {
        fail_msg("%s is not found once", text);
    }
}

static inline void finds_not(const struct pen_iocs *iocs, const char *text)
{
    struct pen_ioc ioc;
    if (made_find(iocs, text, &ioc) != 0) {
        fail_msg("%s is found", text);
    }
}

static inline void made_is(pen_slice text, const char *expected)
{
    if (!pen_slice_eq(text, pen_slice_str(expected))) {
        fail_msg("`%.*s`, not `%s`", PEN_SLICE_FMT(text), expected);
    }
}

/* The words about what cannot be used, which are freed. */
static inline void made_words(const struct pen_iocs *iocs, const char *const *parts, uint32_t lines)
{
    struct pen_buf words;
    uint32_t count = 0;
    pen_buf_init(&words, 1 << 16);
    assert_int_equal(pen_iocs_words(iocs, &words), PEN_OK);
    assert_int_equal(pen_buf_add_byte(&words, 0), PEN_OK);
    for (size_t i = 0; i < words.len; i++) {
        count += words.ptr[i] == '\n';
    }
    if (count != lines) {
        fail_msg("%u lines, not %u:\n%s", count, lines, (const char *)words.ptr);
    }
    for (; *parts != NULL; parts++) {
        if (strstr((const char *)words.ptr, *parts) == NULL) {
            fail_msg("no %s in\n%s", *parts, (const char *)words.ptr);
        }
    }
    pen_buf_fini(&words);
}

#endif
