/* tested by tests/unit/net/test_sigv4.c */
#include "sigv4.h"

#include <openssl/crypto.h>

static bool is_same(const uint8_t *kept, size_t kept_len, pen_slice s)
{
    return kept_len == s.len && memcmp(kept, s.ptr, s.len) == 0;
}

static bool key_fits(const struct sigv4_key *key, const struct pen_sigv4_request *request,
                     pen_slice day)
{
    const struct pen_credentials *who = request->credentials;
    return key->used_at != 0 && memcmp(key->day, day.ptr, SIGV4_DAY_LEN) == 0 &&
           is_same(key->region, key->region_len, request->region) &&
           is_same(key->service, key->service_len, request->service) &&
           is_same(key->access, key->access_len, who->access_key) &&
           key->secret_len == who->secret_key.len &&
           CRYPTO_memcmp(key->secret, who->secret_key.ptr, key->secret_len) == 0;
}

static size_t keep(uint8_t *to, size_t max, pen_slice s)
{
    PEN_CHECK(s.len <= max);
    memcpy(to, s.ptr, s.len);
    return s.len;
}

static void key_make(struct sigv4_key *key, const struct pen_sigv4_request *request, pen_slice day)
{
    const struct pen_credentials *who = request->credentials;
    const pen_slice steps[] = {day, request->region, request->service,
                               PEN_SLICE_LIT("aws4_request")};
    uint8_t sum[SHA256_DIGEST_LENGTH];
    uint8_t first[4 + PEN_SIGV4_SECRET_MAX] = "AWS4";
    OPENSSL_cleanse(key, sizeof(*key));
    (void)keep(key->day, sizeof(key->day), day);
    key->region_len = keep(key->region, sizeof(key->region), request->region);
    key->service_len = keep(key->service, sizeof(key->service), request->service);
    key->access_len = keep(key->access, sizeof(key->access), who->access_key);
    key->secret_len = keep(key->secret, sizeof(key->secret), who->secret_key);
    memcpy(first + 4, key->secret, key->secret_len);
    pen_hmac_init(&key->hmac, (pen_slice){first, 4 + key->secret_len});
    for (uint32_t i = 0; i < PEN_COUNT(steps); i++) {
        pen_hmac_of(&key->hmac, steps[i], sum);
        pen_hmac_init(&key->hmac, (pen_slice){sum, sizeof(sum)});
    }
    OPENSSL_cleanse(first, sizeof(first));
    OPENSSL_cleanse(sum, sizeof(sum));
}

const struct pen_hmac *pen_sigv4_key(struct pen_sigv4 *signer,
                                     const struct pen_sigv4_request *request, pen_slice day)
{
    struct sigv4_key *key = signer->last;
    signer->signatures++;
    if (PEN_LIKELY(key != NULL && key_fits(key, request, day))) {
        key->used_at = signer->signatures;
        return &key->hmac;
    }
    struct sigv4_key *oldest = &signer->keys[0];
    for (key = signer->keys; key < signer->keys + PEN_SIGV4_KEYS_MAX; key++) {
        if (key_fits(key, request, day)) {
            break;
        }
        if (key->used_at < oldest->used_at) {
            oldest = key;
        }
    }
    if (key == signer->keys + PEN_SIGV4_KEYS_MAX) {
        key = oldest;
        key_make(key, request, day);
        signer->keys_made++;
    }
    key->used_at = signer->signatures;
    signer->last = key;
    return &key->hmac;
}
