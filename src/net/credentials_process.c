/* tested by tests/unit/net/test_credentials_servers.py */
#include "credentials.h"
#include "words.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define NS_PER_MS INT64_C(1000000)

struct child {
    pid_t pid;
    int pidfd;
    int out;     /* what it writes */
    int stop_fd; /* as of the chain; -1: none */
    int64_t timeout_ns;
    int64_t deadline_ns;
    bool is_open; /* out may have more */
    bool is_ended;
};

/* ---- start ---- */

static bool actions_make(posix_spawn_file_actions_t *actions, int out)
{
    return posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0) == 0 &&
           posix_spawn_file_actions_adddup2(actions, out, STDOUT_FILENO) == 0;
}

/* A group of its own, so that what it starts ends with it; signals as a program expects them. */
static bool attributes_make(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t defaults;
    const short flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    return sigemptyset(&none) == 0 && sigemptyset(&defaults) == 0 &&
           sigaddset(&defaults, SIGPIPE) == 0 && sigaddset(&defaults, SIGCHLD) == 0 &&
           sigaddset(&defaults, SIGINT) == 0 && sigaddset(&defaults, SIGTERM) == 0 &&
           posix_spawnattr_setpgroup(attributes, 0) == 0 &&
           posix_spawnattr_setsigmask(attributes, &none) == 0 &&
           posix_spawnattr_setsigdefault(attributes, &defaults) == 0 &&
           posix_spawnattr_setflags(attributes, flags) == 0;
}

/* An errno. */
static int spawn(struct child *child, struct words *words, int out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (posix_spawn_file_actions_init(&actions) != 0) {
        return ENOMEM;
    }
    if (posix_spawnattr_init(&attributes) != 0) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return ENOMEM;
    }
    int code = ENOMEM;
    if (actions_make(&actions, out) && attributes_make(&attributes)) {
        code = posix_spawnp(&child->pid, words->items[0], &actions, &attributes, words->items,
                            environ);
    }
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return code;
}

/* Ends what is left of it, and takes its status; -1: it cannot be told. */
static int reap(struct child *child, bool must_end)
{
    int status = 0;
    pid_t got = 0;
    if (must_end) {
        (void)kill(-child->pid, SIGKILL);
    }
    do {
        got = waitpid(child->pid, &status, 0);
    } while (got < 0 && errno == EINTR);
    return got == child->pid ? status : -1;
}

static pen_status start(struct child *child, const struct pen_credential_chain *chain,
                        struct words *words, struct pen_err *err)
{
    int ends[2];
    const int64_t timeout_ns = pen_credential_left(chain, chain->options.timeout_ns);
    *child = (struct child){.pidfd = -1,
                            .out = -1,
                            .stop_fd = chain->stop_fd == NULL ? -1 : *chain->stop_fd,
                            .is_open = true,
                            .timeout_ns = timeout_ns,
                            .deadline_ns = pen_clock_mono_ns() + timeout_ns};
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "no pipe for the command");
    }
    const int code = spawn(child, words, ends[1]);
    (void)close(ends[1]);
    child->out = ends[0];
    if (code != 0) {
        (void)close(ends[0]);
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "\"%.80s\" cannot be started: %s",
                        words->items[0],
                        code == ENOENT   ? "no such program"
                        : code == EACCES ? "we may not run it"
                                         : "the system refuses");
    }
    child->pidfd = pidfd_open(child->pid, 0);
    if (child->pidfd < 0 || fcntl(child->out, F_SETFL, O_NONBLOCK) != 0) {
        (void)reap(child, true);
        (void)close(child->out);
        if (child->pidfd >= 0) {
            (void)close(child->pidfd);
        }
        return PEN_FAIL(err, PEN_E_HOST, PEN_NO_OFFSET, "the kernel has no pidfd_open");
    }
    return PEN_OK;
}

/* ---- what it says ---- */

/* All that is there now. */
static pen_status drain(struct child *child, struct pen_buf *text, struct pen_err *err)
{
    while (child->is_open) {
        const size_t room = HTTP_CALL_REPLY_MAX + 1 - text->len;
        const ssize_t got = read(child->out, text->ptr + text->len, room);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && errno == EAGAIN) {
            return PEN_OK;
        }
        child->is_open = got > 0;
        text->len += got > 0 ? (size_t)got : 0;
        if (text->len > HTTP_CALL_REPLY_MAX) {
            return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "it wrote more than %zu bytes",
                            HTTP_CALL_REPLY_MAX);
        }
    }
    return PEN_OK;
}

/* Until it has ended: what it started may hold the pipe open for longer. */
static pen_status listen_to(struct child *child, struct pen_buf *text, struct pen_err *err)
{
    while (!child->is_ended) {
        struct pollfd fds[] = {{.fd = child->pidfd, .events = POLLIN},
                               {.fd = child->is_open ? child->out : -1, .events = POLLIN},
                               {.fd = child->stop_fd, .events = POLLIN}};
        const int64_t left = child->deadline_ns - pen_clock_mono_ns();
        const int ready = left <= 0 ? 0 : poll(fds, PEN_COUNT(fds), (int)(left / NS_PER_MS) + 1);
        if (ready < 0 && errno != EINTR) {
            return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "waiting for it failed");
        }
        if (ready == 0) {
            return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "it did not end within %lld ms",
                            (long long)((child->timeout_ns + NS_PER_MS - 1) / NS_PER_MS));
        }
        if (ready > 0 && fds[2].revents != 0) {
            return PEN_FAIL(err, PEN_E_STOPPED, PEN_NO_OFFSET, "given up");
        }
        child->is_ended = ready > 0 && fds[0].revents != 0;
        PEN_TRY(drain(child, text, err));
    }
    return PEN_OK;
}

static pen_status ended_well(int status, struct pen_err *err)
{
    if (status < 0) {
        return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "its status cannot be told");
    }
    if (WIFSIGNALED(status)) {
        return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "signal %d ended it", WTERMSIG(status));
    }
    return WEXITSTATUS(status) == 0
               ? PEN_OK
               : PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "it exited with %d", WEXITSTATUS(status));
}

static pen_status run(const struct pen_credential_chain *chain, struct words *words,
                      struct pen_buf *text, struct pen_err *err)
{
    struct child child;
    struct pen_err why;
    PEN_CHECK(words->items[0] != NULL);
    PEN_TRY(start(&child, chain, words, err));
    pen_status status = listen_to(&child, text, &why);
    const int code = reap(&child, status != PEN_OK);
    if (status == PEN_OK) {
        status = ended_well(code, &why);
    }
    (void)close(child.pidfd);
    (void)close(child.out);
    return status == PEN_OK
               ? PEN_OK
               : PEN_FAIL(err, status, PEN_NO_OFFSET, "\"%.80s\": %s", words->items[0], why.text);
}

pen_status pen_credentials_process(struct pen_credential_chain *chain, pen_slice command,
                                   struct credential_set *out, struct pen_err *err)
{
    struct pen_buf text;
    struct words *words = calloc(1, sizeof(*words));
    if (words == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "out of memory");
    }
    pen_buf_init(&text, HTTP_CALL_REPLY_MAX + 1 + HTTP_CALL_SLACK);
    pen_status status = PEN_OK;
    if (pen_buf_reserve(&text, text.max) != PEN_OK) {
        status = PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "out of memory");
    } else {
        status = pen_words_split(command, words, err);
    }
    if (status == PEN_OK) {
        status = run(chain, words, &text, err);
    }
    if (status == PEN_OK) {
        status = pen_credential_json(&text, CREDENTIAL_OF_PROCESS, out, err);
    }
    if (text.ptr != NULL) {
        OPENSSL_cleanse(text.ptr, text.cap);
    }
    pen_buf_fini(&text);
    free(words);
    return status;
}
