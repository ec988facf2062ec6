/* tested by tests/e2e/test_dead_letters.py */
#include "job_args.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define TEXT_BYTES_MAX ((size_t)4 << 20)

/* ---- lines: the working folder, then each argument; \n and \\ inside ---- */

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

/* ---- a job ---- */

/* Into the folder where the job was given; the one before is kept open. */
static pen_status folder_enter(struct job_args *job, const char *folder, struct pen_err *err)
{
    job->folder = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return chdir(folder) == 0
               ? PEN_OK
               : PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "the job was given in %s: %s", folder,
                          strerrordesc_np(errno));
}

pen_status job_args_open(struct job_args *job, const char *out_dir, struct pen_err *err)
{
    *job = (struct job_args){.folder = -1};
    pen_buf_init(&job->text, TEXT_BYTES_MAX);
    PEN_TRY(pen_replay_arguments(out_dir, &job->text, err));
    if (pen_buf_add_byte(&job->text, '\0') != PEN_OK) {
        return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "%s: its arguments are too long", out_dir);
    }
    job->lines = calloc(job->text.len + 2, sizeof(char *));
    PEN_CHECK(job->lines != NULL);
    const int count = lines_cut((char *)job->text.ptr, job->lines);
    if (count < 2) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "%s does not tell how its job was given (an older penstock made it): run "
                        "the same replay once more",
                        out_dir);
    }
    job->argc = count - 1;
    job->argv = job->lines + 1;
    return folder_enter(job, job->lines[0], err);
}

void job_args_close(struct job_args *job)
{
    if (job->folder >= 0) {
        (void)fchdir(job->folder);
        (void)close(job->folder);
    }
    free((void *)job->lines);
    pen_buf_fini(&job->text);
}
