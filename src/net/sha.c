#include "sha.h"

#include "penstock/net.h"

#include <openssl/crypto.h>

void pen_sha256(pen_slice s, uint8_t out[SHA256_DIGEST_LENGTH])
{
    SHA256_CTX state;
    PEN_CHECK(SHA256_Init(&state) == 1);
    PEN_CHECK(SHA256_Update(&state, s.ptr, s.len) == 1);
    PEN_CHECK(SHA256_Final(out, &state) == 1);
}

static void hex(const uint8_t *sum, size_t bytes, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes; i++) {
        out[2 * i] = digits[sum[i] >> 4];
        out[2 * i + 1] = digits[sum[i] & 15];
    }
}

void pen_sha256_hex(const uint8_t sum[SHA256_DIGEST_LENGTH], char out[SHA256_HEX])
{
    hex(sum, SHA256_DIGEST_LENGTH, out);
}

void pen_md5_hex(pen_slice s, char out[PEN_MD5_HEX])
{
    MD5_CTX state;
    uint8_t sum[MD5_DIGEST_LENGTH];
    PEN_CHECK(MD5_Init(&state) == 1);
    PEN_CHECK(MD5_Update(&state, s.ptr, s.len) == 1);
    PEN_CHECK(MD5_Final(sum, &state) == 1);
    hex(sum, sizeof(sum), out);
}

void pen_hmac_init(struct pen_hmac *hmac, pen_slice key)
{
    uint8_t block[SHA256_CBLOCK] = {0};
    if (key.len > sizeof(block)) {
        pen_sha256(key, block);
    } else if (key.len > 0) {
        memcpy(block, key.ptr, key.len);
    }
    for (uint32_t i = 0; i < sizeof(block); i++) {
        block[i] ^= 0x36;
    }
    PEN_CHECK(SHA256_Init(&hmac->inner) == 1);
    PEN_CHECK(SHA256_Update(&hmac->inner, block, sizeof(block)) == 1);
    for (uint32_t i = 0; i < sizeof(block); i++) {
        block[i] ^= 0x36 ^ 0x5c;
    }
    PEN_CHECK(SHA256_Init(&hmac->outer) == 1);
    PEN_CHECK(SHA256_Update(&hmac->outer, block, sizeof(block)) == 1);
    OPENSSL_cleanse(block, sizeof(block));
}

void pen_hmac_of(const struct pen_hmac *hmac, pen_slice text, uint8_t out[SHA256_DIGEST_LENGTH])
{
    SHA256_CTX state = hmac->inner;
    PEN_CHECK(SHA256_Update(&state, text.ptr, text.len) == 1);
    PEN_CHECK(SHA256_Final(out, &state) == 1);
    state = hmac->outer;
    PEN_CHECK(SHA256_Update(&state, out, SHA256_DIGEST_LENGTH) == 1);
    PEN_CHECK(SHA256_Final(out, &state) == 1);
    OPENSSL_cleanse(&state, sizeof(state)); /* it holds the result, which may be a key */
}
