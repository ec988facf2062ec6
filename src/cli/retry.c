/* tested by tests/e2e/test_dead_letters.py */
#include "retry.h"

#include "replay_args.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TEXT_BYTES_MAX ((size_t)4 << 20)

/* ---- arguments as lines: the working folder, then each argument; \n and \\ inside ---- */

static pen_status line_add(struct pen_buf *out, const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        const bool is_escaped = *at == '\n' || *at == '\\';
        const char pair[2] = {'\\', (char)(*at == '\n' ? 'n' : *at)};
        PEN_TRY(
            pen_buf_add(out, (pen_slice){(const uint8_t *)pair + !is_escaped, 1U + is_escaped}));
    }
    return pen_buf_add_byte(out, '\n');
}

static pen_status lines_add(struct pen_buf *out, int argc, char **argv)
{
    char folder[PATH_MAX];
    if (getcwd(folder, sizeof(folder)) == NULL) {
        return PEN_E_IO;
    }
    PEN_TRY(line_add(out, folder));
    for (int i = 0; i < argc; i++) {
        PEN_TRY(line_add(out, argv[i]));
    }
    return pen_buf_add_byte(out, '\0');
}

char *arguments_text(int argc, char **argv)
{
    struct pen_buf text;
    pen_buf_init(&text, TEXT_BYTES_MAX);
    if (lines_add(&text, argc, argv) != PEN_OK) {
        pen_buf_fini(&text);
        return NULL;
    }
    return (char *)text.ptr;
}

/* Cuts text into its lines in place; argv has room for all.  Returns how many. */
static int lines_cut(char *text, char **argv)
{
    int count = 0;
    char *to = text;
    char *begin = text;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\n') {
            *to++ = '\0';
            argv[count++] = begin;
            begin = to;
        } else if (*at == '\\' && at[1] != '\0') {
            at++;
            *to++ = (char)(*at == 'n' ? '\n' : *at);
        } else {
            *to++ = *at;
        }
    }
    return count;
}

/* ---- the run ---- */

static int again(const struct retry_call *call, int argc, char **argv, const char *out_dir)
{
    struct replay_args *args = malloc(sizeof(*args));
    PEN_CHECK(args != NULL);
    replay_args_init(args);
    char *line = replay_command_line(call->argc, call->argv);
    int code = replay_args_read(args, argc, argv);
    if (code < 0) {
        struct pen_replay_options *o = &args->options;
        o->out_dir = out_dir;
        o->fresh = false;
        o->arguments = NULL;
        o->retry = &call->retry;
        o->no_progress = call->no_progress;
        o->command_line = line == NULL ? "" : line;
        args->json = call->json;
        o->is_strict = o->is_strict || call->strict;
        args->allow_gaps = args->allow_gaps || call->allow_gaps;
        struct pen_err err = {0};
        /* A range that was given as "the last 7 days" is the job's, not today's. */
        code = pen_replay_range(out_dir, &o->from_ns, &o->to_ns, &err) == PEN_OK ? replay_run(args)
                                                                                 : cli_fail(&err);
    }
    free(line);
    replay_args_fini(args);
    free(args);
    return code;
}

static int with_text(const struct retry_call *call, struct pen_buf *text, const char *out_dir)
{
    char **argv = calloc(text->len + 2, sizeof(char *));
    PEN_CHECK(argv != NULL);
    const int count = lines_cut((char *)text->ptr, argv);
    int code = 2;
    if (count < 2) {
        (void)fprintf(stderr,
                      "penstock: %s does not tell how its job was given (an older penstock made "
                      "it): run the same replay once more, then retry\n",
                      call->out_dir);
    } else if (chdir(argv[0]) != 0) {
        (void)fprintf(stderr, "penstock: the job was given in %s: %s\n", argv[0],
                      strerrordesc_np(errno));
    } else {
        code = again(call, count - 1, argv + 1, out_dir);
    }
    free((void *)argv);
    return code;
}

int retry_run(const struct retry_call *call)
{
    struct pen_err err = {0};
    struct pen_buf text;
    pen_buf_init(&text, TEXT_BYTES_MAX);
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on file size is an error like a full disk */
    pen_status st = pen_replay_arguments(call->out_dir, &text, &err);
    char *out_dir = st == PEN_OK ? realpath(call->out_dir, NULL) : NULL;
    if (st == PEN_OK && (out_dir == NULL || pen_buf_add_byte(&text, '\0') != PEN_OK)) {
        st = PEN_FAIL(&err, PEN_E_IO, PEN_NO_OFFSET, "%s: cannot be opened", call->out_dir);
    }
    const int code = st == PEN_OK ? with_text(call, &text, out_dir) : cli_fail(&err);
    free(out_dir);
    pen_buf_fini(&text);
    return code;
}
