#include "credentials.h"

#include <curl/curl.h>

#include <openssl/crypto.h>
#include <stdlib.h>
#include <unistd.h>

#define TEXTS_MAX ((size_t)65536)
#define SOURCE_MAX ((size_t)512)
#define TIMEOUT_NS (60 * PEN_NS_PER_S)
#define LIFE_SHARE 4 /* the margin is at most this part of the life */
/* An instance may hand out what has expired while its service is down; servers accept those. */
#define INSTANCE_GRACE_NS (600 * PEN_NS_PER_S)

typedef pen_status (*source_fn)(struct pen_credential_chain *chain, struct credential_set *out,
                                struct pen_err *err);

/* ---- life ---- */

static const char *process_env(void *ctx, const char *name)
{
    (void)ctx;
    return getenv(name); /* NOLINT(concurrency-mt-unsafe): nothing of ours changes it */
}

static bool text_dup(struct pen_arena *arena, pen_slice *text)
{
    if (text->len > 0) {
        *text = pen_arena_dup(arena, *text);
        return text->ptr != NULL;
    }
    *text = (pen_slice){NULL, 0};
    return true;
}

static bool session_name_make(struct pen_credential_chain *chain)
{
    struct pen_buf name;
    chain->session_name = chain->options.session_name;
    if (chain->session_name.len > 0) {
        return true;
    }
    pen_buf_init(&name, 64);
    bool ok = pen_buf_printf(&name, "penstock-%ld", (long)getpid()) == PEN_OK;
    if (ok) {
        chain->session_name = pen_buf_slice(&name);
        ok = text_dup(&chain->texts, &chain->session_name);
    }
    pen_buf_fini(&name);
    return ok;
}

static bool texts_make(struct pen_credential_chain *chain)
{
    struct pen_credential_options *o = &chain->options;
    pen_slice *const texts[] = {&o->profile, &o->role_arn,     &o->external_id, &o->session_name,
                                &o->region,  &o->sts_endpoint, &o->ca_file};
    for (uint32_t i = 0; i < PEN_COUNT(texts); i++) {
        if (!text_dup(&chain->texts, texts[i])) {
            return false;
        }
    }
    const char *bundle = pen_credential_env(chain, "AWS_CA_BUNDLE");
    if (o->ca_file.len == 0 && bundle != NULL) {
        o->ca_file = pen_arena_dup(&chain->texts, pen_slice_str(bundle));
        if (o->ca_file.ptr == NULL) {
            return false;
        }
    }
    chain->ca_file = o->ca_file.len == 0 ? NULL : (const char *)o->ca_file.ptr;
    return session_name_make(chain);
}

static bool sets_make(struct pen_credential_chain *chain)
{
    chain->held = calloc(1, sizeof(*chain->held));
    chain->fresh = calloc(1, sizeof(*chain->fresh));
    chain->base = calloc(1, sizeof(*chain->base));
    return chain->held != NULL && chain->fresh != NULL && chain->base != NULL;
}

pen_status pen_credential_chain_new(struct pen_credential_chain **out,
                                    const struct pen_credential_options *options,
                                    struct pen_err *err)
{
    *out = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return PEN_FAIL(err, PEN_E_HOST, PEN_NO_OFFSET, "credentials: libcurl does not start");
    }
    struct pen_credential_chain *chain = calloc(1, sizeof(*chain));
    if (chain == NULL) {
        curl_global_cleanup();
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "credentials: out of memory");
    }
    chain->options = *options;
    pen_arena_init(&chain->texts, TEXTS_MAX);
    pen_buf_init(&chain->source, SOURCE_MAX);
    pen_buf_init(&chain->held_source, SOURCE_MAX);
    pen_buf_init(&chain->report, PEN_CREDENTIAL_REPORT_MAX);
    if (chain->options.env == NULL) {
        chain->options.env = process_env;
    }
    if (chain->options.timeout_ns == 0) {
        chain->options.timeout_ns = TIMEOUT_NS;
    }
    pen_status status = PEN_OK;
    if (!texts_make(chain) || !sets_make(chain)) {
        status = PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET,
                          "credentials: options of more than %zu bytes, or no memory", TEXTS_MAX);
    } else {
        status = pen_sigv4_new(&chain->signer, err);
    }
    if (status != PEN_OK) {
        pen_credential_chain_free(chain);
        return status;
    }
    *out = chain;
    return PEN_OK;
}

static void set_free(struct credential_set *set)
{
    if (set != NULL) {
        pen_credential_set_wipe(set);
        free(set);
    }
}

void pen_credential_chain_free(struct pen_credential_chain *chain)
{
    if (chain != NULL) {
        set_free(chain->held);
        set_free(chain->fresh);
        set_free(chain->base);
        pen_profiles_free(chain->profiles);
        if (chain->signer != NULL) {
            pen_sigv4_free(chain->signer);
        }
        pen_buf_fini(&chain->source);
        pen_buf_fini(&chain->held_source);
        pen_buf_fini(&chain->report);
        pen_arena_fini(&chain->texts);
        free(chain);
        curl_global_cleanup();
    }
}

/* ---- the sources, one after another ---- */

/* A report that is full says enough. */
static void report_add(struct pen_credential_chain *chain, const char *source, const char *why)
{
    (void)!pen_buf_printf(&chain->report, "%s%s: %s", chain->report.len == 0 ? "" : "; ", source,
                          why);
}

static pen_status instance_source(struct pen_credential_chain *chain, struct credential_set *out,
                                  struct pen_err *err)
{
    PEN_TRY(pen_credentials_instance(chain, out, err));
    if (out->expires_ns <= chain->now_ns) {
        out->expires_ns = chain->now_ns + INSTANCE_GRACE_NS;
    }
    return PEN_OK;
}

static pen_status not_asked(struct pen_err *err)
{
    return PEN_FAIL(err, PEN_E_NOT_FOUND, PEN_NO_OFFSET, "not asked, as a profile is given");
}

static pen_status env_source(struct pen_credential_chain *chain, struct credential_set *out,
                             struct pen_err *err)
{
    return chain->options.profile.len > 0 ? not_asked(err) : pen_credentials_env(chain, out, err);
}

static pen_status web_source(struct pen_credential_chain *chain, struct credential_set *out,
                             struct pen_err *err)
{
    return chain->options.profile.len > 0 ? not_asked(err)
                                          : pen_credentials_web_identity(chain, out, err);
}

static const struct {
    const char *name;
    source_fn ask;
} sources[] = {
    {"environment", env_source},
    {"web identity", web_source},
    {"profile", pen_credentials_profile},
    {"container", pen_credentials_container},
    {"instance metadata", instance_source},
};

/* As much as fits: of a source that failed, that one before those that are not configured. */
static pen_status failed(const struct pen_credential_chain *chain, const char *source,
                         const struct pen_err *why, pen_status status, struct pen_err *err)
{
    static const char head[] = "no credentials: ";
    struct pen_err whole;
    const bool fits = chain->report.len + sizeof(head) <= sizeof(whole.text);
    if (fits || source == NULL) {
        return PEN_FAIL(err, status, PEN_NO_OFFSET, "%s%.*s", head, (int)chain->report.len,
                        (const char *)chain->report.ptr);
    }
    return PEN_FAIL(err, status, PEN_NO_OFFSET, "%s%s: %s", head, source, why->text);
}

static pen_status first_of(struct pen_credential_chain *chain, struct pen_err *err)
{
    for (uint32_t i = 0; i < PEN_COUNT(sources); i++) {
        struct pen_err why = {.text = "out of memory"};
        chain->source.len = 0;
        pen_status status = sources[i].ask(chain, chain->fresh, &why);
        if (status == PEN_OK && chain->fresh->expires_ns <= chain->now_ns) {
            status = PEN_FAIL(&why, PEN_E_CORRUPT, PEN_NO_OFFSET,
                              "what it gave has expired; does the clock go right?");
        }
        if (status == PEN_OK && chain->source.len == 0) {
            status = pen_buf_printf(&chain->source, "%s", sources[i].name);
        }
        if (status == PEN_OK) {
            return PEN_OK;
        }
        report_add(chain, sources[i].name, why.text);
        if (status != PEN_E_NOT_FOUND) {
            return failed(chain, sources[i].name, &why, status, err);
        }
    }
    return failed(chain, NULL, NULL, PEN_E_CONFIG, err);
}

/* The role of the options. */
static pen_status role_of_options(struct pen_credential_chain *chain, struct pen_err *err)
{
    const struct sts_role role = {.arn = chain->options.role_arn,
                                  .external_id = chain->options.external_id};
    struct pen_err why = {.text = "out of memory"};
    memcpy(chain->base, chain->fresh, sizeof(*chain->base));
    pen_status status = pen_sts_assume(chain, &role, chain->base, chain->fresh, &why);
    if (status == PEN_OK && chain->fresh->expires_ns <= chain->now_ns) {
        status = PEN_FAIL(&why, PEN_E_CORRUPT, PEN_NO_OFFSET,
                          "what STS gave has expired; does the clock go right?");
    }
    if (status == PEN_OK) {
        const pen_slice shown = pen_slice_sub(role.arn, 0, 256);
        (void)!pen_buf_printf(&chain->source, ", role %.*s", PEN_SLICE_FMT(shown));
        return PEN_OK;
    }
    report_add(chain, "role", why.text);
    return failed(chain, "role", &why, status, err);
}

static pen_status fetch(struct pen_credential_chain *chain, struct pen_err *err)
{
    chain->report.len = 0;
    pen_credential_begin(chain);
    /* Files may have changed since. */
    pen_profiles_free(chain->profiles);
    chain->profiles = NULL;
    pen_status status = first_of(chain, err);
    if (status == PEN_OK && chain->options.role_arn.len > 0) {
        status = role_of_options(chain, err);
    }
    pen_credential_set_wipe(chain->base);
    pen_profiles_free(chain->profiles); /* they have secrets */
    chain->profiles = NULL;
    return status;
}

/* ---- what is held ---- */

static void hold(struct pen_credential_chain *chain)
{
    struct credential_set *old = chain->held;
    chain->held = chain->fresh;
    chain->fresh = old;
    chain->is_held = true;
    chain->held_source.len = 0;
    (void)!pen_buf_add(&chain->held_source, pen_buf_slice(&chain->source)); /* for people */
    chain->fetch_at_ns = CREDENTIAL_NEVER;
    if (chain->held->expires_ns != CREDENTIAL_NEVER) {
        const int64_t share = (chain->held->expires_ns - chain->now_ns) / LIFE_SHARE;
        chain->fetch_at_ns = chain->held->expires_ns -
                             (share < PEN_CREDENTIAL_MARGIN_NS ? share : PEN_CREDENTIAL_MARGIN_NS);
    }
}

pen_status pen_credential_chain_fetch(struct pen_credential_chain *chain, int64_t now_ns,
                                      struct pen_err *err)
{
    chain->now_ns = now_ns;
    const pen_status status = fetch(chain, err);
    if (status == PEN_OK) {
        hold(chain);
    }
    pen_credential_set_wipe(chain->fresh);
    return status;
}

static pen_status refresh(struct pen_credential_chain *chain, struct pen_err *err)
{
    struct pen_err why = {.status = PEN_OK};
    const pen_status status = pen_credential_chain_fetch(chain, chain->now_ns, &why);
    if (status != PEN_OK && chain->is_held && chain->now_ns < chain->held->expires_ns) {
        chain->fetch_at_ns = chain->now_ns + PEN_CREDENTIAL_RETRY_NS;
        return PEN_OK;
    }
    if (status != PEN_OK) {
        pen_credential_chain_forget(chain);
        if (err != NULL) {
            *err = why;
        }
    }
    return status;
}

pen_status pen_credential_chain_get(struct pen_credential_chain *chain, int64_t now_ns,
                                    struct pen_credentials *out, int64_t *expires_ns,
                                    struct pen_err *err)
{
    *out = (struct pen_credentials){.access_key = {NULL, 0}};
    *expires_ns = 0;
    chain->now_ns = now_ns;
    if (!chain->is_held || now_ns >= chain->fetch_at_ns || now_ns >= chain->held->expires_ns) {
        PEN_TRY(refresh(chain, err));
    }
    *out = pen_credential_set_view(chain->held);
    *expires_ns = chain->held->expires_ns;
    return PEN_OK;
}

void pen_credential_chain_forget(struct pen_credential_chain *chain)
{
    pen_credential_set_wipe(chain->held);
    chain->is_held = false;
    chain->held_source.len = 0;
}

pen_slice pen_credential_chain_source(const struct pen_credential_chain *chain)
{
    return pen_buf_slice(&chain->held_source);
}

pen_slice pen_credential_chain_report(const struct pen_credential_chain *chain)
{
    return pen_buf_slice(&chain->report);
}
