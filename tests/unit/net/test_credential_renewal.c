/* Credentials that are renewed on a thread of their own. */
#include "penstock/net.h"

#include "test.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define RETRY_NS (PEN_NS_PER_S / 20)

struct fixture {
    char dir[64];
    char config[96];
    char command[256]; /* of the profile */
    struct pen_credential_options options;
    struct pen_renewal *renewal;
    struct pen_err err;
};

/* Nothing outside of the test is looked at; constant while a thread asks. */
static const char *env_of(void *ctx, const char *name)
{
    const struct fixture *f = ctx;
    if (strcmp(name, "AWS_CONFIG_FILE") == 0) {
        return f->config;
    }
    if (strcmp(name, "AWS_SHARED_CREDENTIALS_FILE") == 0) {
        return "/dev/null";
    }
    return strcmp(name, "AWS_EC2_METADATA_DISABLED") == 0 ? "true" : NULL;
}

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        return -1;
    }
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/penstock-renew-XXXXXX");
    if (mkdtemp(f->dir) == NULL) {
        free(f);
        return -1;
    }
    (void)snprintf(f->config, sizeof(f->config), "%s/config", f->dir);
    f->options = (struct pen_credential_options){.env = env_of, .env_ctx = f};
    *state = f;
    return 0;
}

static void file_of(const struct fixture *f, const char *name, char path[128])
{
    (void)snprintf(path, 128, "%s/%s", f->dir, name);
}

static int end(void **state)
{
    static const char *const names[] = {"config", "program", "answer", "asked", "pid"};
    struct fixture *f = *state;
    char path[128];
    pen_renewal_free(f->renewal);
    for (size_t i = 0; i < PEN_COUNT(names); i++) {
        file_of(f, names[i], path);
        (void)unlink(path);
    }
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

/* Whole, or not at all. */
static void file_write(const struct fixture *f, const char *name, const char *text)
{
    char path[128];
    char fresh[128];
    file_of(f, name, path);
    file_of(f, "pid", fresh);
    FILE *file = fopen(fresh, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(fresh, path), 0);
}

/* What the program of the profile says from now on; they live for so long. */
static void answer_set(const struct fixture *f, const char *access, int64_t life_ns)
{
    char text[512];
    char until[PEN_TIME_MAX];
    until[pen_format_time(pen_clock_wall_ns() + life_ns, until)] = '\0';
    (void)snprintf(text, sizeof(text),
                   "{\"Version\": 1, \"AccessKeyId\": \"%s\", \"SecretAccessKey\": \"secret\", "
                   "\"SessionToken\": \"token\", \"Expiration\": \"%s\"}",
                   access, until);
    file_write(f, "answer", text);
}

/* A profile whose program says what stands in "answer"; with "hang" there it never ends. */
static void profile_make(struct fixture *f)
{
    char text[512];
    (void)snprintf(text, sizeof(text),
                   "cd %s && echo >> asked && read -r line < answer; "
                   "case $line in hang) sleep 1000;; esac; echo \"$line\"\n",
                   f->dir);
    file_write(f, "program", text);
    (void)snprintf(text, sizeof(text), "[default]\ncredential_process = sh %s/program\n", f->dir);
    file_write(f, "config", text);
}

static pen_status start(struct fixture *f)
{
    struct pen_credential_chain *chain = NULL;
    assert_int_equal(pen_credential_chain_new(&chain, &f->options, &f->err), PEN_OK);
    const pen_status st = pen_renewal_start(&chain, RETRY_NS, &f->renewal, &f->err);
    assert_null(chain);
    return st;
}

static void started(struct fixture *f)
{
    if (start(f) != PEN_OK) {
        fail_msg("%s", f->err.text);
    }
}

/* The thread answers in its own time. */
static enum pen_renewed next(const struct fixture *f)
{
    enum pen_renewed got = pen_renewal_turn(f->renewal);
    while (got == PEN_RENEWED_NOT) {
        (void)poll(NULL, 0, 1);
        got = pen_renewal_turn(f->renewal);
    }
    return got;
}

static void holds(const struct fixture *f, const char *access)
{
    const struct pen_credentials who = pen_renewal_credentials(f->renewal);
    assert_true(pen_slice_eq(who.access_key, pen_slice_str(access)));
    assert_true(pen_slice_eq(who.secret_key, PEN_SLICE_LIT("secret")));
    assert_true(pen_slice_eq(who.session_token, PEN_SLICE_LIT("token")));
}

/* How often the program was asked. */
static long times_asked(const struct fixture *f)
{
    char path[128];
    file_of(f, "asked", path);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    const long asked = ftell(file);
    assert_int_equal(fclose(file), 0);
    return asked;
}

static void others_come_ahead_of_the_end(void **state)
{
    struct fixture *f = *state;
    profile_make(f);
    answer_set(f, "AKFIRST", 2 * PEN_NS_PER_S);
    started(f);
    holds(f, "AKFIRST");
    assert_string_equal(pen_renewal_source(f->renewal), "profile default, credential_process");
    answer_set(f, "AKSECOND", 3600 * PEN_NS_PER_S);
    assert_int_equal(next(f), PEN_RENEWED);
    holds(f, "AKSECOND");
    assert_true(pen_renewal_expires_ns(f->renewal) > pen_clock_wall_ns() + 1800 * PEN_NS_PER_S);
    assert_null(pen_renewal_trouble(f->renewal));
    assert_int_equal(pen_renewal_turn(f->renewal), PEN_RENEWED_NOT);
    assert_int_equal(times_asked(f), 2);
}

static void what_never_expires_is_asked_for_once(void **state)
{
    struct fixture *f = *state;
    profile_make(f);
    file_write(f, "answer",
               "{\"Version\": 1, \"AccessKeyId\": \"AKFIRST\", \"SecretAccessKey\": \"secret\", "
               "\"SessionToken\": \"token\"}");
    started(f);
    holds(f, "AKFIRST");
    assert_true(pen_renewal_expires_ns(f->renewal) == INT64_MAX);
    assert_int_equal(pen_renewal_turn(f->renewal), PEN_RENEWED_NOT);
}

static void a_first_get_that_fails_is_told(void **state)
{
    struct fixture *f = *state;
    file_write(f, "config", "[default]\ncredential_process = sh -c 'exit 3'\n");
    assert_int_equal(start(f), PEN_E_IO);
    assert_non_null(strstr(f->err.text, "it exited with 3"));
    assert_null(f->renewal);
}

/* Old ones stay; each failure is told, and the first success after it. */
static void failures_are_told_until_one_succeeds(void **state)
{
    struct fixture *f = *state;
    profile_make(f);
    answer_set(f, "AKFIRST", PEN_NS_PER_S);
    started(f);
    file_write(f, "answer", "nonsense");
    assert_int_equal(next(f), PEN_RENEWED_FAILED);
    assert_non_null(strstr(pen_renewal_trouble(f->renewal), "profile: "));
    holds(f, "AKFIRST");
    while (pen_renewal_expires_ns(f->renewal) > pen_clock_wall_ns()) {
        assert_int_equal(next(f), PEN_RENEWED_FAILED);
    }
    holds(f, "AKFIRST"); /* though they have expired */
    answer_set(f, "AKSECOND", 3600 * PEN_NS_PER_S);
    while (next(f) != PEN_RENEWED) {
        assert_non_null(pen_renewal_trouble(f->renewal));
    }
    assert_null(pen_renewal_trouble(f->renewal));
    holds(f, "AKSECOND");
}

/* Of failures that nobody takes the first ones are kept, and credentials find room. */
static void credentials_are_not_lost_behind_failures(void **state)
{
    struct fixture *f = *state;
    profile_make(f);
    answer_set(f, "AKFIRST", PEN_NS_PER_S / 2);
    started(f);
    file_write(f, "answer", "nonsense");
    while (times_asked(f) < 15) {
        (void)poll(NULL, 0, 1);
    }
    answer_set(f, "AKSECOND", 3600 * PEN_NS_PER_S);
    const long before = times_asked(f);
    while (times_asked(f) < before + 2) { /* the second began after the answer was there */
        if (pen_renewal_turn(f->renewal) == PEN_RENEWED) {
            break;
        }
        (void)poll(NULL, 0, 1);
    }
    while (pen_renewal_trouble(f->renewal) != NULL) {
        (void)next(f);
    }
    holds(f, "AKSECOND");
}

static void a_process_that_hangs_is_given_up_in_its_time(void **state)
{
    struct fixture *f = *state;
    profile_make(f);
    f->options.timeout_ns = PEN_NS_PER_S / 5;
    answer_set(f, "AKFIRST", PEN_NS_PER_S);
    started(f);
    file_write(f, "answer", "hang");
    assert_int_equal(next(f), PEN_RENEWED_FAILED);
    assert_non_null(strstr(pen_renewal_trouble(f->renewal), "did not end within"));
    answer_set(f, "AKSECOND", 3600 * PEN_NS_PER_S);
    while (next(f) != PEN_RENEWED) {
        holds(f, "AKFIRST");
    }
    holds(f, "AKSECOND");
}

/* Would wait for a thousand seconds, and for the time of an hour. */
static void who_goes_waits_for_no_process(void **state)
{
    struct fixture *f = *state;
    profile_make(f);
    f->options.timeout_ns = 3600 * PEN_NS_PER_S;
    answer_set(f, "AKFIRST", PEN_NS_PER_S / 2);
    started(f);
    file_write(f, "answer", "hang");
    const long before = times_asked(f);
    while (times_asked(f) == before) {
        (void)poll(NULL, 0, 1);
    }
    pen_renewal_free(f->renewal);
    f->renewal = NULL;
}

/* Takes connections and never says a word. */
static int silent_server(uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(at);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static const char *env_of_role(void *ctx, const char *name)
{
    return strcmp(name, "AWS_REGION") == 0 ? "eu-west-1" : env_of(ctx, name);
}

static void servers_that_hang_end_with_the_time_for_all_of_it(void **state)
{
    struct fixture *f = *state;
    char url[64];
    uint16_t port = 0;
    const int server = silent_server(&port);
    profile_make(f);
    answer_set(f, "AKFIRST", 3600 * PEN_NS_PER_S);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
    f->options.env = env_of_role;
    f->options.role_arn = PEN_SLICE_LIT("arn:aws:iam::123456789012:role/reader");
    f->options.sts_endpoint = pen_slice_str(url);
    f->options.timeout_ns = 3 * PEN_NS_PER_S / 10;
    assert_int_equal(start(f), PEN_E_IO);
    assert_non_null(strstr(f->err.text, "role: AssumeRole"));
    assert_non_null(strstr(f->err.text, "no reply within"));
    assert_int_equal(close(server), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(others_come_ahead_of_the_end, begin, end),
        cmocka_unit_test_setup_teardown(what_never_expires_is_asked_for_once, begin, end),
        cmocka_unit_test_setup_teardown(a_first_get_that_fails_is_told, begin, end),
        cmocka_unit_test_setup_teardown(failures_are_told_until_one_succeeds, begin, end),
        cmocka_unit_test_setup_teardown(credentials_are_not_lost_behind_failures, begin, end),
        cmocka_unit_test_setup_teardown(a_process_that_hangs_is_given_up_in_its_time, begin, end),
        cmocka_unit_test_setup_teardown(who_goes_waits_for_no_process, begin, end),
        cmocka_unit_test_setup_teardown(servers_that_hang_end_with_the_time_for_all_of_it, begin,
                                        end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
