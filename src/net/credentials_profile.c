/* tested by tests/unit/net/test_credentials.c */
#include "credentials.h"

#define ROLES_MAX 8 /* profiles that each assume a role with what the next gives */
#define NAME_SHOWN_MAX 60
#define SHOWN(s) (int)((s).len > NAME_SHOWN_MAX ? NAME_SHOWN_MAX : (s).len), (const char *)(s).ptr

/* Roles are assumed from the last to the first. */
struct walk {
    pen_slice roles[ROLES_MAX]; /* profiles */
    uint32_t count;
    pen_slice base;   /* the profile that gives the first credentials; empty: source does */
    pen_slice source; /* credential_source */
};

static bool has(const struct profiles *profiles, pen_slice profile, const char *name)
{
    pen_slice value;
    return pen_profiles_get(profiles, profile, name, &value);
}

static pen_status wrong(struct pen_err *err, pen_slice profile, const char *why)
{
    return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "profile %.*s: %s", SHOWN(profile), why);
}

static pen_status source_note(struct pen_credential_chain *chain, pen_slice profile,
                              const char *how)
{
    pen_slice name = pen_slice_sub(profile, 0, NAME_SHOWN_MAX);
    chain->source.len = 0;
    return pen_buf_printf(&chain->source, "profile %.*s, %s", PEN_SLICE_FMT(name), how);
}

/* ---- a profile that assumes no role ---- */

static pen_status keys_of(struct pen_credential_chain *chain, enum profile_file file,
                          pen_slice profile, struct credential_set *out, struct pen_err *err)
{
    struct pen_credentials keys;
    struct pen_err why;
    const struct profiles *p = chain->profiles;
    if (!pen_profiles_get_of(p, file, profile, "aws_access_key_id", &keys.access_key)) {
        return PEN_E_NOT_FOUND;
    }
    if (!pen_profiles_get_of(p, file, profile, "aws_secret_access_key", &keys.secret_key)) {
        return wrong(err, profile, "aws_access_key_id without aws_secret_access_key");
    }
    if (!pen_profiles_get_of(p, file, profile, "aws_session_token", &keys.session_token)) {
        (void)pen_profiles_get_of(p, file, profile, "aws_security_token", &keys.session_token);
    }
    PEN_TRY(source_note(chain, profile,
                        file == PROFILE_CREDENTIALS ? "credentials file" : "config file"));
    return pen_credential_set_fill(out, &keys, &why) == PEN_OK ? PEN_OK
                                                               : wrong(err, profile, why.text);
}

static pen_status process_of(struct pen_credential_chain *chain, pen_slice profile,
                             struct credential_set *out, struct pen_err *err)
{
    pen_slice command;
    struct pen_err why;
    if (!pen_profiles_command(chain->profiles, profile, "credential_process", &command)) {
        return PEN_E_NOT_FOUND;
    }
    PEN_TRY(source_note(chain, profile, "credential_process"));
    const pen_status status = pen_credentials_process(chain, command, out, &why);
    return status == PEN_OK
               ? PEN_OK
               : PEN_FAIL(err, status, PEN_NO_OFFSET, "profile %.*s: credential_process %s",
                          SHOWN(profile), why.text);
}

static pen_status web_identity_of(struct pen_credential_chain *chain, pen_slice profile,
                                  struct credential_set *out, struct pen_err *err)
{
    char path[512];
    pen_slice file;
    struct sts_role role = {.arn = {NULL, 0}};
    const struct profiles *p = chain->profiles;
    if (!pen_profiles_get(p, profile, "web_identity_token_file", &file)) {
        return PEN_E_NOT_FOUND;
    }
    if (!pen_profiles_get(p, profile, "role_arn", &role.arn)) {
        return wrong(err, profile, "web_identity_token_file without role_arn");
    }
    if (file.len >= sizeof(path)) {
        return wrong(err, profile, "the path of web_identity_token_file is too long");
    }
    memcpy(path, file.ptr, file.len);
    path[file.len] = '\0';
    (void)pen_profiles_get(p, profile, "role_session_name", &role.session_name);
    PEN_TRY(source_note(chain, profile, "web identity"));
    return pen_sts_web_identity(chain, &role, path, out, err);
}

static pen_status base_of(struct pen_credential_chain *chain, pen_slice profile,
                          struct credential_set *out, struct pen_err *err)
{
    pen_status status = web_identity_of(chain, profile, out, err);
    if (status == PEN_E_NOT_FOUND) {
        status = keys_of(chain, PROFILE_CREDENTIALS, profile, out, err);
    }
    if (status == PEN_E_NOT_FOUND) {
        status = process_of(chain, profile, out, err);
    }
    if (status == PEN_E_NOT_FOUND) {
        status = keys_of(chain, PROFILE_CONFIG, profile, out, err);
    }
    if (status != PEN_E_NOT_FOUND) {
        return status;
    }
    if (has(chain->profiles, profile, "sso_session") ||
        has(chain->profiles, profile, "sso_start_url")) {
        return wrong(err, profile,
                     "SSO is not spoken here: set credential_process = aws configure "
                     "export-credentials --format process --profile NAME in another profile");
    }
    return PEN_FAIL(err, PEN_E_NOT_FOUND, PEN_NO_OFFSET,
                    "profile %.*s has neither keys, a role nor credential_process", SHOWN(profile));
}

/* ---- roles ---- */

/* Keys of its own count before its role where a profile is the source of another. */
static bool assumes_role(const struct profiles *p, pen_slice profile, bool is_first)
{
    return has(p, profile, "role_arn") && !has(p, profile, "web_identity_token_file") &&
           (is_first || !has(p, profile, "aws_access_key_id"));
}

static pen_status circle(const struct walk *walk, pen_slice back, struct pen_err *err)
{
    struct pen_buf names;
    pen_buf_init(&names, 160);
    pen_status status = PEN_OK;
    for (uint32_t i = 0; i < walk->count && status == PEN_OK; i++) {
        const pen_slice name = pen_slice_sub(walk->roles[i], 0, NAME_SHOWN_MAX);
        status = pen_buf_printf(&names, "%.*s -> ", PEN_SLICE_FMT(name));
    }
    const int len = (int)names.len;
    (void)PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "source_profile goes in a circle: %.*s%.*s",
                   len, len == 0 ? "" : (const char *)names.ptr, SHOWN(back));
    pen_buf_fini(&names);
    return PEN_E_CONFIG;
}

static bool is_visited(const struct walk *walk, pen_slice profile)
{
    for (uint32_t i = 0; i < walk->count; i++) {
        if (pen_slice_eq(walk->roles[i], profile)) {
            return true;
        }
    }
    return false;
}

/* The profile is a role of the walk: where do the credentials for it come from?  *next: empty when
 * the walk is complete. */
static pen_status role_step(const struct profiles *p, struct walk *walk, pen_slice profile,
                            pen_slice *next, struct pen_err *err)
{
    pen_slice source;
    *next = (pen_slice){NULL, 0};
    walk->roles[walk->count++] = profile;
    const bool has_source = pen_profiles_get(p, profile, "source_profile", &source);
    const bool has_named = pen_profiles_get(p, profile, "credential_source", &walk->source);
    if (has(p, profile, "mfa_serial")) {
        return wrong(err, profile, "mfa_serial needs somebody to ask for a code");
    }
    if (has_source == has_named) {
        return wrong(err, profile,
                     has_source ? "role_arn with both source_profile and credential_source"
                                : "role_arn without source_profile or credential_source");
    }
    if (has_named) {
        return PEN_OK;
    }
    if (!pen_profiles_has(p, source)) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                        "profile %.*s: there is no profile %.*s, its source_profile",
                        SHOWN(profile), SHOWN(source));
    }
    if (pen_slice_eq(source, profile) && has(p, profile, "aws_access_key_id")) {
        walk->base = source;
        return PEN_OK;
    }
    if (is_visited(walk, source)) {
        return circle(walk, source, err);
    }
    *next = source;
    return PEN_OK;
}

static pen_status walk_make(const struct profiles *p, pen_slice profile, struct walk *walk,
                            struct pen_err *err)
{
    *walk = (struct walk){.count = 0};
    pen_slice next = profile;
    while (next.len > 0 && assumes_role(p, next, walk->count == 0)) {
        if (walk->count == ROLES_MAX) {
            return wrong(err, profile, "more than " PEN_STR(ROLES_MAX) " roles, one by another");
        }
        PEN_TRY(role_step(p, walk, next, &next, err));
    }
    if (next.len > 0) {
        walk->base = next;
    }
    return PEN_OK;
}

static pen_status source_of(struct pen_credential_chain *chain, pen_slice profile, pen_slice source,
                            struct credential_set *out, struct pen_err *err)
{
    struct pen_err why;
    pen_status status = PEN_E_CONFIG;
    if (pen_slice_eq(source, PEN_SLICE_LIT("Environment"))) {
        status = pen_credentials_env(chain, out, &why);
    } else if (pen_slice_eq(source, PEN_SLICE_LIT("EcsContainer"))) {
        status = pen_credentials_container(chain, out, &why);
    } else if (pen_slice_eq(source, PEN_SLICE_LIT("Ec2InstanceMetadata"))) {
        status = pen_credentials_instance(chain, out, &why);
    } else {
        return wrong(err, profile,
                     "credential_source is none of Environment, EcsContainer, Ec2InstanceMetadata");
    }
    /* The profile names it, so it should be there. */
    const pen_status told = status == PEN_E_NOT_FOUND ? PEN_E_CONFIG : status;
    return status == PEN_OK
               ? PEN_OK
               : PEN_FAIL(err, told, PEN_NO_OFFSET, "profile %.*s: credential_source %.*s: %s",
                          SHOWN(profile), SHOWN(source), why.text);
}

static pen_status role_assume(struct pen_credential_chain *chain, pen_slice profile,
                              struct credential_set *out, struct pen_err *err)
{
    struct sts_role role = {.arn = {NULL, 0}};
    const struct profiles *p = chain->profiles;
    (void)pen_profiles_get(p, profile, "role_arn", &role.arn);
    (void)pen_profiles_get(p, profile, "role_session_name", &role.session_name);
    (void)pen_profiles_get(p, profile, "external_id", &role.external_id);
    (void)pen_profiles_get(p, profile, "duration_seconds", &role.duration);
    memcpy(chain->base, out, sizeof(*out));
    PEN_TRY(pen_sts_assume(chain, &role, chain->base, out, err));
    PEN_TRY(source_note(chain, profile, "role "));
    return pen_buf_add(&chain->source, pen_slice_sub(role.arn, 0, 256));
}

static pen_status walk_go(struct pen_credential_chain *chain, const struct walk *walk,
                          struct credential_set *out, struct pen_err *err)
{
    pen_status status = PEN_OK;
    if (walk->base.len > 0) {
        status = base_of(chain, walk->base, out, err);
    } else {
        status = source_of(chain, walk->roles[walk->count - 1], walk->source, out, err);
    }
    if (status == PEN_E_NOT_FOUND && walk->count > 0) {
        status = credential_status(err, PEN_E_CONFIG); /* a role needs it */
    }
    for (uint32_t i = walk->count; i > 0 && status == PEN_OK; i--) {
        status = role_assume(chain, walk->roles[i - 1], out, err);
    }
    return status;
}

pen_status pen_credentials_profile(struct pen_credential_chain *chain, struct credential_set *out,
                                   struct pen_err *err)
{
    struct walk walk;
    bool is_given = false;
    const pen_slice profile = pen_credential_profile_name(chain, &is_given);
    PEN_TRY(pen_credential_profiles(chain, err));
    if (!pen_profiles_has(chain->profiles, profile)) {
        return PEN_FAIL(err, is_given ? PEN_E_CONFIG : PEN_E_NOT_FOUND, PEN_NO_OFFSET,
                        "no file has profile %.*s", SHOWN(profile));
    }
    PEN_TRY(walk_make(chain->profiles, profile, &walk, err));
    return walk_go(chain, &walk, out, err);
}
