/*
 * credential_lines - asks a chain of credentials, for the tests in Python.
 *
 * Arguments are options ("profile=x", "sts=http://localhost:1") and then, in order, what is to be
 * done: "get" or "get=SECONDS" from now, "forget", "region".  Each answers with a line, its fields
 * parted by tabs: "ok", source, access key, hash of secret and token, seconds until they expire
 * ("-": never), report; or "error", status, text, report.  The environment is the process's.
 */
#include "penstock/net.h"

#include <stdio.h>

struct driver {
    struct pen_credential_chain *chain;
    int64_t begin_ns;
};

static bool word_is(const char *arg, const char *name, const char **value)
{
    const size_t len = strlen(name);
    if (strncmp(arg, name, len) != 0 || (arg[len] != '=' && arg[len] != '\0')) {
        return false;
    }
    *value = arg[len] == '=' ? arg + len + 1 : "";
    return true;
}

static bool option_set(struct pen_credential_options *o, const char *arg)
{
    const struct {
        const char *name;
        pen_slice *to;
    } options[] = {{"profile", &o->profile},         {"role_arn", &o->role_arn},
                   {"external_id", &o->external_id}, {"session_name", &o->session_name},
                   {"set_region", &o->region},       {"ca", &o->ca_file},
                   {"sts", &o->sts_endpoint}};
    const char *value = NULL;
    for (size_t i = 0; i < PEN_COUNT(options); i++) {
        if (word_is(arg, options[i].name, &value)) {
            *options[i].to = pen_slice_str(value);
            return true;
        }
    }
    return word_is(arg, "timeout", &value) &&
           pen_parse_duration(pen_slice_str(value), &o->timeout_ns);
}

static void error_show(const struct driver *d, const struct pen_err *err)
{
    const pen_slice report = pen_credential_chain_report(d->chain);
    (void)printf("error\t%s\t%s\t%.*s\n", pen_status_name(err->status), err->text, (int)report.len,
                 report.len == 0 ? "" : (const char *)report.ptr);
}

/* Secrets are shown as what a hash makes of them. */
static void found_show(const struct driver *d, const struct pen_credentials *who, int64_t left_ns)
{
    char hash[PEN_SHA256_HEX];
    struct pen_buf text;
    const pen_slice source = pen_credential_chain_source(d->chain);
    const pen_slice report = pen_credential_chain_report(d->chain);
    pen_buf_init(&text, (size_t)1 << 20);
    PEN_CHECK(pen_buf_add(&text, who->secret_key) == PEN_OK);
    PEN_CHECK(pen_buf_add_byte(&text, '\n') == PEN_OK);
    PEN_CHECK(pen_buf_add(&text, who->session_token) == PEN_OK);
    pen_sigv4_hash(pen_buf_slice(&text), hash);
    pen_buf_fini(&text);
    (void)printf("ok\t%.*s\t%.*s\t%.*s\t", PEN_SLICE_FMT(source), PEN_SLICE_FMT(who->access_key),
                 PEN_SHA256_HEX, hash);
    if (left_ns == INT64_MAX) {
        (void)printf("-");
    } else {
        (void)printf("%lld", (long long)(left_ns / PEN_NS_PER_S));
    }
    (void)printf("\t%.*s\n", (int)report.len, report.len == 0 ? "" : (const char *)report.ptr);
}

static void get(struct driver *d, const char *seconds)
{
    struct pen_err err = {.status = PEN_OK};
    struct pen_credentials who;
    int64_t expires_ns = 0;
    int64_t later = 0;
    PEN_CHECK(seconds[0] == '\0' || pen_parse_i64(pen_slice_str(seconds), &later));
    const int64_t now_ns = d->begin_ns + later * PEN_NS_PER_S;
    const pen_status status = pen_credential_chain_get(d->chain, now_ns, &who, &expires_ns, &err);
    if (status != PEN_OK) {
        PEN_CHECK(err.status == status);
        error_show(d, &err);
    } else {
        found_show(d, &who, expires_ns == INT64_MAX ? INT64_MAX : expires_ns - now_ns);
    }
}

static void region(struct driver *d)
{
    struct pen_err err = {.status = PEN_OK};
    pen_slice name;
    const pen_status status = pen_region_of(d->chain, &name, &err);
    PEN_CHECK(status == PEN_OK || err.status == status);
    if (status == PEN_OK) {
        (void)printf("region\t%.*s\n", PEN_SLICE_FMT(name));
    } else {
        error_show(d, &err);
    }
}

int main(int argc, char **argv)
{
    struct pen_credential_options options = {.env = NULL};
    struct driver d = {.begin_ns = pen_clock_wall_ns()};
    struct pen_err err;
    const char *value = NULL;
    int i = 1;
    while (i < argc && option_set(&options, argv[i])) {
        i++;
    }
    PEN_CHECK(pen_credential_chain_new(&d.chain, &options, &err) == PEN_OK);
    for (; i < argc; i++) {
        if (word_is(argv[i], "get", &value)) {
            get(&d, value);
        } else if (word_is(argv[i], "region", &value)) {
            region(&d);
        } else {
            PEN_CHECK(word_is(argv[i], "forget", &value));
            pen_credential_chain_forget(d.chain);
        }
        (void)fflush(stdout);
    }
    pen_credential_chain_free(d.chain);
    return 0;
}
