/* tested by tests/unit/net/test_credentials.c */
#include "credentials.h"

#include <stdio.h>

#define PATH_BYTES_MAX 1024
#define REGION_SHOWN_MAX 60

const char *pen_credential_env(const struct pen_credential_chain *chain, const char *name)
{
    const char *value = chain->options.env(chain->options.env_ctx, name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

/* ---- files ---- */

/* "~/" is HOME, when that is set.  False: too long. */
static bool path_expand(const struct pen_credential_chain *chain, const char *path,
                        char out[PATH_BYTES_MAX])
{
    const char *home = pen_credential_env(chain, "HOME");
    const bool is_home = path[0] == '~' && path[1] == '/' && home != NULL;
    const int len =
        snprintf(out, PATH_BYTES_MAX, "%s%s", is_home ? home : "", is_home ? path + 1 : path);
    return len >= 0 && len < PATH_BYTES_MAX;
}

static pen_status too_long(struct pen_err *err)
{
    return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "a path of %d bytes or more", PATH_BYTES_MAX);
}

pen_status pen_credential_file(const struct pen_credential_chain *chain, const char *path,
                               struct pen_buf *out, struct pen_err *err)
{
    char full[PATH_BYTES_MAX];
    return path_expand(chain, path, full) ? pen_small_file(full, out, err) : too_long(err);
}

pen_status pen_credential_profiles(struct pen_credential_chain *chain, struct pen_err *err)
{
    char config[PATH_BYTES_MAX];
    char credentials[PATH_BYTES_MAX];
    const char *config_given = pen_credential_env(chain, "AWS_CONFIG_FILE");
    const char *credentials_given = pen_credential_env(chain, "AWS_SHARED_CREDENTIALS_FILE");
    if (chain->profiles != NULL) {
        return PEN_OK;
    }
    if (!path_expand(chain, config_given == NULL ? "~/.aws/config" : config_given, config) ||
        !path_expand(chain, credentials_given == NULL ? "~/.aws/credentials" : credentials_given,
                     credentials)) {
        return too_long(err);
    }
    return pen_profiles_load(&chain->profiles, config, credentials, err);
}

pen_slice pen_credential_profile_name(const struct pen_credential_chain *chain, bool *is_given)
{
    const char *name = pen_credential_env(chain, "AWS_PROFILE");
    if (name == NULL) {
        name = pen_credential_env(chain, "AWS_DEFAULT_PROFILE");
    }
    *is_given = chain->options.profile.len > 0 || name != NULL;
    if (chain->options.profile.len > 0) {
        return chain->options.profile;
    }
    return name != NULL ? pen_slice_str(name) : PEN_SLICE_LIT("default");
}

/* ---- keys of the environment ---- */

pen_status pen_credentials_env(struct pen_credential_chain *chain, struct credential_set *out,
                               struct pen_err *err)
{
    const char *access = pen_credential_env(chain, "AWS_ACCESS_KEY_ID");
    const char *secret = pen_credential_env(chain, "AWS_SECRET_ACCESS_KEY");
    const char *token = pen_credential_env(chain, "AWS_SESSION_TOKEN");
    const char *expiration = pen_credential_env(chain, "AWS_CREDENTIAL_EXPIRATION");
    if (access == NULL) {
        return PEN_FAIL(err, PEN_E_NOT_FOUND, PEN_NO_OFFSET, "no AWS_ACCESS_KEY_ID");
    }
    if (secret == NULL) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                        "AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not");
    }
    if (token == NULL) {
        token = pen_credential_env(chain, "AWS_SECURITY_TOKEN");
    }
    const struct pen_credentials keys = {.access_key = pen_slice_str(access),
                                         .secret_key = pen_slice_str(secret),
                                         .session_token = token == NULL ? (pen_slice){NULL, 0}
                                                                        : pen_slice_str(token)};
    if (pen_credential_set_fill(out, &keys, err) != PEN_OK) {
        return credential_status(err, PEN_E_CONFIG);
    }
    if (expiration != NULL && !pen_parse_time(pen_slice_str(expiration), &out->expires_ns)) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "AWS_CREDENTIAL_EXPIRATION is no time");
    }
    return PEN_OK;
}

pen_status pen_credentials_web_identity(struct pen_credential_chain *chain,
                                        struct credential_set *out, struct pen_err *err)
{
    const char *file = pen_credential_env(chain, "AWS_WEB_IDENTITY_TOKEN_FILE");
    const char *arn = pen_credential_env(chain, "AWS_ROLE_ARN");
    const char *session = pen_credential_env(chain, "AWS_ROLE_SESSION_NAME");
    if (file == NULL) {
        return PEN_FAIL(err, PEN_E_NOT_FOUND, PEN_NO_OFFSET, "no AWS_WEB_IDENTITY_TOKEN_FILE");
    }
    if (arn == NULL) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                        "AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not");
    }
    const struct sts_role role = {.arn = pen_slice_str(arn),
                                  .session_name = session == NULL ? (pen_slice){NULL, 0}
                                                                  : pen_slice_str(session)};
    return pen_sts_web_identity(chain, &role, file, out, err);
}

/* ---- region ---- */

bool pen_credential_region_near(struct pen_credential_chain *chain, pen_slice *region)
{
    bool is_given = false;
    const char *env = pen_credential_env(chain, "AWS_REGION");
    if (env == NULL) {
        env = pen_credential_env(chain, "AWS_DEFAULT_REGION");
    }
    *region = chain->options.region;
    if (region->len > 0) {
        return true;
    }
    if (env != NULL) {
        *region = pen_slice_str(env);
        return true;
    }
    const pen_slice profile = pen_credential_profile_name(chain, &is_given);
    return pen_credential_profiles(chain, NULL) == PEN_OK &&
           pen_profiles_get(chain->profiles, profile, "region", region);
}

/* It becomes part of host names. */
static bool is_region(pen_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        const uint8_t b = s.ptr[i];
        if ((b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '-') {
            return false;
        }
    }
    return s.len > 0 && s.len < PEN_SIGV4_SCOPE_MAX;
}

static pen_status region_set(struct pen_credential_chain *chain, pen_slice found, pen_slice *region,
                             struct pen_err *err)
{
    const pen_slice shown = pen_slice_sub(found, 0, REGION_SHOWN_MAX);
    if (!is_region(found)) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "no region is named \"%.*s\"",
                        PEN_SLICE_FMT(shown));
    }
    memcpy(chain->region, found.ptr, found.len);
    chain->region[found.len] = '\0';
    chain->is_region_known = true;
    *region = pen_slice_str(chain->region);
    return PEN_OK;
}

static pen_status region_ask(struct pen_credential_chain *chain, pen_slice *region,
                             struct pen_err *err)
{
    struct http_reply reply;
    struct pen_err why = {.text = ""};
    pen_slice found = {NULL, 0};
    pen_http_reply_init(&reply);
    pen_status status = pen_instance_region(chain, &reply, &found, &why);
    if (status != PEN_OK) {
        status = PEN_FAIL(err, PEN_E_NOT_FOUND, PEN_NO_OFFSET,
                          "no region: AWS_REGION and AWS_DEFAULT_REGION are not set, the profile "
                          "has none; instance metadata: %s",
                          why.text);
    } else {
        status = region_set(chain, found, region, err);
    }
    pen_http_reply_fini(&reply);
    return status;
}

static pen_status region_find(struct pen_credential_chain *chain, pen_slice *region,
                              struct pen_err *err)
{
    pen_slice found;
    if (pen_credential_region_near(chain, &found)) {
        return region_set(chain, found, region, err);
    }
    const pen_status status = pen_credential_profiles(chain, err);
    return status == PEN_OK ? region_ask(chain, region, err) : credential_status(err, PEN_E_CONFIG);
}

pen_status pen_region_of(struct pen_credential_chain *chain, pen_slice *region, struct pen_err *err)
{
    *region = (pen_slice){NULL, 0};
    if (chain->is_region_known) {
        *region = pen_slice_str(chain->region);
        return PEN_OK;
    }
    pen_credential_begin(chain);
    const pen_status status = region_find(chain, region, err);
    pen_profiles_free(chain->profiles); /* they have secrets */
    chain->profiles = NULL;
    return status;
}
