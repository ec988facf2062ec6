/* tested by tests/unit/net/test_credential_replies.c */
#include "credentials.h"

#include <openssl/crypto.h>

void pen_credential_set_wipe(struct credential_set *set)
{
    OPENSSL_cleanse(set, sizeof(*set));
}

struct pen_credentials pen_credential_set_view(const struct credential_set *set)
{
    return (struct pen_credentials){.access_key = {set->access, set->access_len},
                                    .secret_key = {set->secret, set->secret_len},
                                    .session_token = {set->token, set->token_len}};
}

/* Printable, as a header must be. */
static bool part_copy(uint8_t *to, size_t *len, size_t cap, pen_slice from)
{
    if (from.len > cap) {
        return false;
    }
    for (size_t i = 0; i < from.len; i++) {
        if (from.ptr[i] <= ' ' || from.ptr[i] > '~') {
            return false;
        }
    }
    if (from.len > 0) {
        memcpy(to, from.ptr, from.len);
    }
    *len = from.len;
    return true;
}

pen_status pen_credential_set_fill(struct credential_set *set, const struct pen_credentials *from,
                                   struct pen_err *err)
{
    set->expires_ns = CREDENTIAL_NEVER;
    const char *bad = NULL;
    if (from->access_key.len == 0 ||
        !part_copy(set->access, &set->access_len, sizeof(set->access), from->access_key)) {
        bad = "access key";
    } else if (from->secret_key.len == 0 ||
               !part_copy(set->secret, &set->secret_len, sizeof(set->secret), from->secret_key)) {
        bad = "secret key";
    } else if (!part_copy(set->token, &set->token_len, sizeof(set->token), from->session_token)) {
        bad = "session token";
    }
    return bad == NULL
               ? PEN_OK
               : PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET,
                          "the %s is empty, too long or has a byte that cannot be sent", bad);
}
