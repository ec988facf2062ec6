#include "sha.h"
#include "test.h"

static void hex_is(const uint8_t sum[SHA256_DIGEST_LENGTH], const char *want)
{
    char hex[SHA256_HEX];
    pen_sha256_hex(sum, hex);
    assert_memory_equal(hex, want, SHA256_HEX);
}

static void hashes_are_those_of_the_standard(void **state)
{
    (void)state;
    uint8_t sum[SHA256_DIGEST_LENGTH];
    pen_sha256((pen_slice){0}, sum);
    hex_is(sum, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    pen_sha256(PEN_SLICE_LIT("abc"), sum);
    hex_is(sum, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* RFC 4231, cases 1, 2, 6 */
static void hmacs_are_those_of_the_standard(void **state)
{
    (void)state;
    struct pen_hmac key;
    uint8_t sum[SHA256_DIGEST_LENGTH];
    uint8_t long_key[131];
    memset(long_key, 0x0b, sizeof(long_key));
    pen_hmac_init(&key, (pen_slice){long_key, 20});
    pen_hmac_of(&key, PEN_SLICE_LIT("Hi There"), sum);
    hex_is(sum, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    pen_hmac_init(&key, PEN_SLICE_LIT("Jefe"));
    for (uint32_t i = 0; i < 2; i++) { /* the key is used again */
        pen_hmac_of(&key, PEN_SLICE_LIT("what do ya want for nothing?"), sum);
        hex_is(sum, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
    memset(long_key, 0xaa, sizeof(long_key));
    pen_hmac_init(&key, (pen_slice){long_key, sizeof(long_key)});
    pen_hmac_of(&key, PEN_SLICE_LIT("Test Using Larger Than Block-Size Key - Hash Key First"), sum);
    hex_is(sum, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_those_of_the_standard),
        cmocka_unit_test(hmacs_are_those_of_the_standard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
