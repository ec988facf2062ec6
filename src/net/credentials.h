/*
 * credentials.h - the sources of the chain.
 *
 * A source returns PEN_OK and credentials; PEN_E_NOT_FOUND when it is not configured here, with the
 * reason: then the next is asked; anything else when it is configured and fails: then none is.  The
 * reason does not name the source.
 */
#ifndef PEN_NET_CREDENTIALS_H
#define PEN_NET_CREDENTIALS_H

#include "penstock/net.h"

#include "http_call.h"
#include "profile.h"

#define CREDENTIAL_NEVER INT64_MAX
#define CREDENTIAL_FILE_MAX ((size_t)16384) /* bytes of a file with a token */

/* Credentials that are ours; no pointers. */
struct credential_set {
    int64_t expires_ns; /* CREDENTIAL_NEVER */
    size_t access_len, secret_len, token_len;
    uint8_t access[PEN_SIGV4_ACCESS_KEY_MAX];
    uint8_t secret[PEN_SIGV4_SECRET_MAX];
    uint8_t token[PEN_SIGV4_TOKEN_MAX];
};
void pen_credential_set_wipe(struct credential_set *set);
struct pen_credentials pen_credential_set_view(const struct credential_set *set);
/* Never expires.  PEN_E_CORRUPT: a key or token that is too long, or has a byte that no header can
 * have, or an empty key. */
PEN_MUST_USE pen_status pen_credential_set_fill(struct credential_set *set,
                                                const struct pen_credentials *from,
                                                struct pen_err *err);

struct pen_credential_chain {
    struct pen_arena texts; /* the options */
    struct pen_credential_options options;
    const char *ca_file; /* NULL: the host's */
    pen_slice session_name;
    struct pen_sigv4 *signer;
    struct profiles *profiles; /* read anew for each fetch */
    int64_t now_ns;            /* of the get */
    int64_t deadline_ns;       /* of what is asked now, monotonic */
    const int *stop_fd;        /* gives it up once it can be read; NULL: nothing does */
    struct pen_buf source;     /* of fresh */
    struct pen_buf held_source;
    struct pen_buf report;
    struct credential_set *held; /* the next two are made once */
    struct credential_set *fresh;
    struct credential_set *base;
    bool is_held;
    int64_t fetch_at_ns; /* when others are fetched */
    char region[PEN_SIGV4_SCOPE_MAX];
    bool is_region_known;
};

/* The reason stays, the status is another. */
static inline pen_status credential_status(struct pen_err *err, pen_status status)
{
    if (err != NULL) {
        err->status = status;
    }
    return status;
}

/* Asks the sources.  Those of before stay held when none gives others; now_ns as for a get. */
PEN_MUST_USE pen_status pen_credential_chain_fetch(struct pen_credential_chain *chain,
                                                   int64_t now_ns, struct pen_err *err);

/* ---- time ---- */

/* What is asked from now on ends when the time of the options is up. */
void pen_credential_begin(struct pen_credential_chain *chain);
/* Sleeps before something is asked again.  False, at once: it would be too late then, or who asks
 * is to stop. */
bool pen_credential_pause(const struct pen_credential_chain *chain, int64_t ns);
/* What may be waited for something that may take up to most_ns: that, or what time is left. */
int64_t pen_credential_left(const struct pen_credential_chain *chain, int64_t most_ns);
/* pen_http_call in the time that is left. */
PEN_MUST_USE pen_status pen_credential_call(const struct pen_credential_chain *chain,
                                            const struct http_call *call, struct http_reply *reply,
                                            struct pen_err *err);

/* ---- files ---- */

/* NULL: not set, or empty. */
const char *pen_credential_env(const struct pen_credential_chain *chain, const char *name);
/* A small text file; "~/" is HOME.  out is emptied first and has a fixed size.  PEN_E_NOT_FOUND:
 * there is none | PEN_E_IO, PEN_E_DENIED | PEN_E_LIMIT. */
PEN_MUST_USE pen_status pen_credential_file(const struct pen_credential_chain *chain,
                                            const char *path, struct pen_buf *out,
                                            struct pen_err *err);
/* Loads the files once for a fetch. */
PEN_MUST_USE pen_status pen_credential_profiles(struct pen_credential_chain *chain,
                                                struct pen_err *err);
/* The option, or the environment's; "default".  *is_given: somebody named it. */
pen_slice pen_credential_profile_name(const struct pen_credential_chain *chain, bool *is_given);
/* Region without asking a server: false when none is told, or the files cannot be read. */
bool pen_credential_region_near(struct pen_credential_chain *chain, pen_slice *region);

/* ---- sources ---- */

PEN_MUST_USE pen_status pen_credentials_env(struct pen_credential_chain *chain,
                                            struct credential_set *out, struct pen_err *err);
/* AWS_WEB_IDENTITY_TOKEN_FILE. */
PEN_MUST_USE pen_status pen_credentials_web_identity(struct pen_credential_chain *chain,
                                                     struct credential_set *out,
                                                     struct pen_err *err);
PEN_MUST_USE pen_status pen_credentials_profile(struct pen_credential_chain *chain,
                                                struct credential_set *out, struct pen_err *err);
PEN_MUST_USE pen_status pen_credentials_container(struct pen_credential_chain *chain,
                                                  struct credential_set *out, struct pen_err *err);
PEN_MUST_USE pen_status pen_credentials_instance(struct pen_credential_chain *chain,
                                                 struct credential_set *out, struct pen_err *err);
/* *out lies in reply. */
PEN_MUST_USE pen_status pen_instance_region(struct pen_credential_chain *chain,
                                            struct http_reply *reply, pen_slice *out,
                                            struct pen_err *err);
/* Runs a command and reads the JSON that it writes. */
PEN_MUST_USE pen_status pen_credentials_process(struct pen_credential_chain *chain,
                                                pen_slice command, struct credential_set *out,
                                                struct pen_err *err);

/* ---- what servers and processes say ---- */

/* The names that a JSON reply uses. */
enum credential_reply { CREDENTIAL_OF_SERVER, CREDENTIAL_OF_PROCESS };
/* text has room for PEN_JSON_PADDING bytes behind it, which are written. */
PEN_MUST_USE pen_status pen_credential_json(struct pen_buf *text, enum credential_reply kind,
                                            struct credential_set *out, struct pen_err *err);

struct sts_role {
    pen_slice arn;
    pen_slice session_name; /* empty: the chain's */
    pen_slice external_id;
    pen_slice duration; /* digits, seconds; empty: the server's */
};
/* Signed with by. */
PEN_MUST_USE pen_status pen_sts_assume(struct pen_credential_chain *chain,
                                       const struct sts_role *role, const struct credential_set *by,
                                       struct credential_set *out, struct pen_err *err);
/* Not signed: the token in the file is what proves who asks. */
PEN_MUST_USE pen_status pen_sts_web_identity(struct pen_credential_chain *chain,
                                             const struct sts_role *role, const char *token_file,
                                             struct credential_set *out, struct pen_err *err);
/* The reply of STS; is_error: its status was not 200. */
PEN_MUST_USE pen_status pen_sts_reply(pen_slice xml, bool is_error, struct credential_set *out,
                                      struct pen_err *err);

#endif
