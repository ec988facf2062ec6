/*
 * sha.h - SHA-256, its HMAC and MD5 without allocations.
 *
 * OpenSSL's own SHA-256 functions, not EVP: a reused EVP_MAC context allocates at every start and
 * takes twice the time for texts of our size; here an HMAC starts from two stored states.
 */
#ifndef PEN_NET_SHA_H
#define PEN_NET_SHA_H

#include "penstock/base.h"

#ifndef OPENSSL_SUPPRESS_DEPRECATED
#    define OPENSSL_SUPPRESS_DEPRECATED
#endif
#include <openssl/md5.h>
#include <openssl/sha.h>

#define SHA256_HEX ((size_t)2 * SHA256_DIGEST_LENGTH)

void pen_sha256(pen_slice s, uint8_t out[SHA256_DIGEST_LENGTH]);
void pen_sha256_hex(const uint8_t sum[SHA256_DIGEST_LENGTH], char out[SHA256_HEX]);

struct pen_hmac { /* a key: the states behind its two blocks */
    SHA256_CTX inner;
    SHA256_CTX outer;
};
/* Keys of any length.  The caller wipes *hmac with OPENSSL_cleanse. */
void pen_hmac_init(struct pen_hmac *hmac, pen_slice key);
void pen_hmac_of(const struct pen_hmac *hmac, pen_slice text, uint8_t out[SHA256_DIGEST_LENGTH]);

#endif
