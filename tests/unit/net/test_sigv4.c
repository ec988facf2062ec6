#include "sigv4.h"
#include "test.h"

static const struct pen_credentials SUITE = {
    PEN_SLICE_LIT("AKIDEXAMPLE"), PEN_SLICE_LIT("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), {0}};
static const struct pen_credentials S3_DOC = {
    PEN_SLICE_LIT("AKIAIOSFODNN7EXAMPLE"),
    PEN_SLICE_LIT("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    {0}};
#define SUITE_TIME (INT64_C(1440938160) * PEN_NS_PER_S) /* 2015-08-30T12:36:00Z */
#define S3_TIME (INT64_C(1369353600) * PEN_NS_PER_S)    /* 2013-05-24T00:00:00Z */

struct fixture {
    struct pen_sigv4 *signer;
    struct pen_buf buf;
    struct pen_sigv4_signed out;
    struct pen_err err;
};

static int setup(void **state)
{
    static struct fixture f;
    pen_buf_init(&f.buf, PEN_SIGV4_BYTES_MAX);
    assert_int_equal(pen_sigv4_new(&f.signer, &f.err), PEN_OK);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    pen_sigv4_free(f->signer);
    pen_buf_fini(&f->buf);
    return 0;
}

static void is(pen_slice got, const char *want)
{
    if (!pen_slice_eq(got, pen_slice_str(want))) {
        fail_msg("got %.*s, want %s", (int)got.len, (const char *)got.ptr, want);
    }
}

static void signature_is(struct fixture *f, const struct pen_sigv4_request *request,
                         const char *want)
{
    assert_int_equal(pen_sigv4_sign(f->signer, request, &f->buf, &f->out, &f->err), PEN_OK);
    assert_true(f->out.authorization.len > PEN_SHA256_HEX);
    is(pen_slice_sub(f->out.authorization, f->out.authorization.len - PEN_SHA256_HEX,
                     f->out.authorization.len),
       want);
}

static struct pen_sigv4_request suite(const char *method, const char *path)
{
    return (struct pen_sigv4_request){.credentials = &SUITE,
                                      .time_ns = SUITE_TIME,
                                      .region = PEN_SLICE_LIT("us-east-1"),
                                      .service = PEN_SLICE_LIT("service"),
                                      .method = pen_slice_str(method),
                                      .host = PEN_SLICE_LIT("example.amazonaws.com"),
                                      .path_form = PEN_SIGV4_NORMAL,
                                      .path = pen_slice_str(path)};
}

static struct pen_sigv4_request s3(const char *method, const char *path)
{
    return (struct pen_sigv4_request){.credentials = &S3_DOC,
                                      .time_ns = S3_TIME,
                                      .region = PEN_SLICE_LIT("us-east-1"),
                                      .service = PEN_SLICE_LIT("s3"),
                                      .method = pen_slice_str(method),
                                      .host = PEN_SLICE_LIT("s3.amazonaws.com"),
                                      .bucket = PEN_SLICE_LIT("examplebucket"),
                                      .is_virtual_host = true,
                                      .path = pen_slice_str(path)};
}

static struct pen_pair pair(const char *name, const char *value)
{
    return (struct pen_pair){pen_slice_str(name), pen_slice_str(value)};
}

static void s3_get_object_as_published(void **state)
{
    struct fixture *f = *state;
    const struct pen_pair headers[] = {pair("Range", "bytes=0-9")};
    struct pen_sigv4_request r = s3("GET", "/test.txt");
    r.headers = headers;
    r.header_count = 1;
    signature_is(f, &r, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    is(f->out.target, "/test.txt");
    is(f->out.host, "examplebucket.s3.amazonaws.com");
    is(f->out.date, "20130524T000000Z");
    is(f->out.payload, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_int_equal(f->out.token.len, 0);
    is(f->out.canonical,
       "GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\n"
       "x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
       "x-amz-date:20130524T000000Z\n\nhost;range;x-amz-content-sha256;x-amz-date\n"
       "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    is(f->out.string_to_sign,
       "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"
       "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972");
    is(f->out.authorization,
       "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
       "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
       "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

static void s3_put_object_as_published(void **state)
{
    struct fixture *f = *state;
    const struct pen_pair headers[] = {pair("Date", "Fri, 24 May 2013 00:00:00 GMT"),
                                       pair("x-amz-storage-class", "REDUCED_REDUNDANCY")};
    char hash[PEN_SHA256_HEX];
    pen_sigv4_hash(PEN_SLICE_LIT("Welcome to Amazon S3."), hash);
    struct pen_sigv4_request r = s3("PUT", "/test$file.text");
    r.headers = headers;
    r.header_count = 2;
    r.payload = (pen_slice){(const uint8_t *)hash, sizeof(hash)};
    signature_is(f, &r, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
    is(f->out.target, "/test%24file.text");
}

static void s3_lifecycle_and_list_as_published(void **state)
{
    struct fixture *f = *state;
    const struct pen_pair lifecycle[] = {{PEN_SLICE_LIT("lifecycle"), {0}}};
    const struct pen_pair list[] = {pair("prefix", "J"), pair("max-keys", "2")};
    struct pen_sigv4_request r = s3("GET", "");
    r.query = lifecycle;
    r.query_count = 1;
    signature_is(f, &r, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    is(f->out.target, "/?lifecycle=");
    r.query = list;
    r.query_count = 2;
    signature_is(f, &r, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
    is(f->out.target, "/?max-keys=2&prefix=J");
}

static void paths_as_published(void **state)
{
    struct fixture *f = *state;
    static const char *const cases[][2] = {
        {"/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
        {"/\xe1\x88\xb4", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
        {"/example space/", "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
        {"/example/..", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
        {"//example//", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
        {"/./example", "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"},
        {"/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
         "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    };
    for (uint32_t i = 0; i < PEN_COUNT(cases); i++) {
        const struct pen_sigv4_request r = suite("GET", cases[i][0]);
        signature_is(f, &r, cases[i][1]);
    }
    assert_int_equal(f->signer->keys_made, 1);
}

static void queries_as_published(void **state)
{
    struct fixture *f = *state;
    const struct pen_pair order[] = {pair("Param2", "value2"), pair("Param1", "value1")};
    const struct pen_pair one[] = {pair("Param1", "value1")};
    struct pen_sigv4_request r = suite("GET", "/");
    r.query = order;
    r.query_count = 2;
    signature_is(f, &r, "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
    r.query = one;
    r.query_count = 1;
    signature_is(f, &r, "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb");
    r.method = PEN_SLICE_LIT("POST");
    signature_is(f, &r, "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11");
}

static void posts_as_published(void **state)
{
    struct fixture *f = *state;
    struct pen_sigv4_request r = suite("POST", "/");
    signature_is(f, &r, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
    const struct pen_pair key[] = {pair("My-Header1", "value1")};
    r.headers = key;
    r.header_count = 1;
    signature_is(f, &r, "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c");
    const struct pen_pair form[] = {pair("Content-Type", "application/x-www-form-urlencoded")};
    char hash[PEN_SHA256_HEX];
    pen_sigv4_hash(PEN_SLICE_LIT("Param1=value1"), hash);
    r.headers = form;
    r.payload = (pen_slice){(const uint8_t *)hash, sizeof(hash)};
    signature_is(f, &r, "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
}

static void headers_as_published(void **state)
{
    struct fixture *f = *state;
    const struct pen_pair twice[] = {pair("My-Header1", "value2"), pair("My-Header1", "value2"),
                                     pair("My-Header1", "value1")};
    struct pen_sigv4_request r = suite("GET", "/");
    r.headers = twice;
    r.header_count = 3;
    signature_is(f, &r, "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea");
    const struct pen_pair blanks[] = {pair("My-Header1", " value1"),
                                      pair("My-Header2", " \"a   b   c\"")};
    r.headers = blanks;
    r.header_count = 2;
    signature_is(f, &r, "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736");
}

static void a_token_is_sent_and_signed(void **state)
{
    struct fixture *f = *state;
    const struct pen_credentials who = {SUITE.access_key, SUITE.secret_key,
                                        PEN_SLICE_LIT("AQo/+=token")};
    struct pen_sigv4_request r = suite("GET", "/");
    r.credentials = &who;
    assert_int_equal(pen_sigv4_sign(f->signer, &r, &f->buf, &f->out, &f->err), PEN_OK);
    is(f->out.token, "AQo/+=token");
    assert_int_equal(f->out.payload.len, 0);
    is(f->out.canonical,
       "GET\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n"
       "x-amz-security-token:AQo/+=token\n\nhost;x-amz-date;x-amz-security-token\n"
       "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void keys_of_s3_are_encoded_once_and_kept_whole(void **state)
{
    struct fixture *f = *state;
    struct pen_sigv4_request r = s3("GET", "/a//./../b c%2F+\x01\xff~");
    r.is_virtual_host = false;
    r.payload = PEN_SIGV4_UNSIGNED;
    assert_int_equal(pen_sigv4_sign(f->signer, &r, &f->buf, &f->out, &f->err), PEN_OK);
    is(f->out.target, "/examplebucket/a//./../b%20c%252F%2B%01%FF~");
    is(f->out.host, "s3.amazonaws.com");
    is(f->out.payload, "UNSIGNED-PAYLOAD");
    is(pen_slice_sub(f->out.canonical, 4, 4 + f->out.target.len),
       "/examplebucket/a//./../b%20c%252F%2B%01%FF~");
}

static void paths_of_others_are_signed_encoded_twice(void **state)
{
    struct fixture *f = *state;
    struct pen_sigv4_request r = suite("GET", "/a//b c/./d:*");
    r.path_form = PEN_SIGV4_BY_SERVICE;
    r.service = PEN_SLICE_LIT("aoss");
    assert_int_equal(pen_sigv4_sign(f->signer, &r, &f->buf, &f->out, &f->err), PEN_OK);
    is(f->out.target, "/a//b%20c/./d%3A%2A");
    is(pen_slice_sub(f->out.canonical, 4, 4 + 25), "/a/b%2520c/d%253A%252A\n\nh");
    assert_int_equal(f->out.payload.len, PEN_SHA256_HEX);
}

static void a_name_sorts_before_a_longer_one(void **state)
{
    struct fixture *f = *state;
    const struct pen_pair query[] = {pair("a-b", "1"), pair("a", "z"),        pair("a", "b"),
                                     pair("A", "/"),   pair("\xc3\xa9", "="), pair("", "")};
    struct pen_sigv4_request r = s3("GET", "/");
    r.query = query;
    r.query_count = PEN_COUNT(query);
    assert_int_equal(pen_sigv4_sign(f->signer, &r, &f->buf, &f->out, &f->err), PEN_OK);
    is(f->out.target, "/?=&%C3%A9=%3D&A=%2F&a=b&a=z&a-b=1");
}

static void a_key_is_made_once_for_its_scope(void **state)
{
    struct fixture *f = *state;
    struct pen_sigv4_request r = s3("GET", "/k");
    for (uint32_t i = 0; i < 10; i++) {
        r.time_ns = S3_TIME + i * (PEN_NS_PER_DAY / 10);
        assert_int_equal(pen_sigv4_sign(f->signer, &r, &f->buf, &f->out, &f->err), PEN_OK);
    }
    assert_int_equal(f->signer->keys_made, 1);
    r.time_ns = S3_TIME + PEN_NS_PER_DAY;
    assert_int_equal(pen_sigv4_sign(f->signer, &r, &f->buf, &f->out, &f->err), PEN_OK);
    assert_int_equal(f->signer->keys_made, 2);
    r.time_ns = S3_TIME;
    assert_int_equal(pen_sigv4_sign(f->signer, &r, &f->buf, &f->out, &f->err), PEN_OK);
    assert_int_equal(f->signer->keys_made, 2);
    struct pen_credentials other = S3_DOC; /* the same access key, another secret */
    other.secret_key = SUITE.secret_key;
    r.credentials = &other;
    assert_int_equal(pen_sigv4_sign(f->signer, &r, &f->buf, &f->out, &f->err), PEN_OK);
    assert_int_equal(f->signer->keys_made, 3);
}

static void the_key_longest_unused_goes(void **state)
{
    struct fixture *f = *state;
    struct pen_sigv4_request r = s3("GET", "/k");
    for (uint32_t i = 0; i < PEN_SIGV4_KEYS_MAX + 1; i++) {
        r.time_ns = S3_TIME + i * PEN_NS_PER_DAY;
        assert_int_equal(pen_sigv4_sign(f->signer, &r, &f->buf, &f->out, &f->err), PEN_OK);
        r.time_ns = S3_TIME; /* in use all the time */
        assert_int_equal(pen_sigv4_sign(f->signer, &r, &f->buf, &f->out, &f->err), PEN_OK);
    }
    assert_int_equal(f->signer->keys_made, PEN_SIGV4_KEYS_MAX + 1);
    r.time_ns = S3_TIME + PEN_NS_PER_DAY;
    assert_int_equal(pen_sigv4_sign(f->signer, &r, &f->buf, &f->out, &f->err), PEN_OK);
    assert_int_equal(f->signer->keys_made, PEN_SIGV4_KEYS_MAX + 2);
}

static void no_memory_is_taken_once_the_buffer_has_grown(void **state)
{
    struct fixture *f = *state;
    const struct pen_sigv4_request r = s3("GET", "/a/b c");
    assert_int_equal(pen_sigv4_sign(f->signer, &r, &f->buf, &f->out, &f->err), PEN_OK);
    const uint8_t *at = f->buf.ptr;
    const size_t cap = f->buf.cap;
    assert_int_equal(pen_sigv4_sign(f->signer, &r, &f->buf, &f->out, &f->err), PEN_OK);
    assert_ptr_equal(f->buf.ptr, at);
    assert_int_equal(f->buf.cap, cap);
}

static void refused(struct fixture *f, const struct pen_sigv4_request *r, pen_status want,
                    const char *why)
{
    assert_int_equal(pen_sigv4_sign(f->signer, r, &f->buf, &f->out, &f->err), want);
    assert_int_equal(f->err.status, want);
    assert_non_null(strstr(f->err.text, why));
    assert_int_equal(f->out.authorization.len, 0);
}

static void what_cannot_be_sent_is_refused(void **state)
{
    struct fixture *f = *state;
    static const struct pen_pair bad[] = {
        {PEN_SLICE_LIT("range"), PEN_SLICE_LIT("bytes=0-9\r\nx: y")},
        {PEN_SLICE_LIT("a b"), PEN_SLICE_LIT("x")},
        {PEN_SLICE_LIT(""), PEN_SLICE_LIT("x")},
        {PEN_SLICE_LIT("Host"), PEN_SLICE_LIT("x")},
        {PEN_SLICE_LIT("X-Amz-Date"), PEN_SLICE_LIT("x")},
    };
    static const char *const why[] = {"control byte", "no word", "no word", "not the caller's",
                                      "not the caller's"};
    for (uint32_t i = 0; i < PEN_COUNT(bad); i++) {
        struct pen_sigv4_request r = s3("GET", "/k");
        r.headers = &bad[i];
        r.header_count = 1;
        refused(f, &r, PEN_E_CORRUPT, why[i]);
    }
    struct pen_sigv4_request r = s3("GE T", "/k");
    refused(f, &r, PEN_E_CORRUPT, "method");
    r = s3("GET", "k");
    refused(f, &r, PEN_E_CORRUPT, "slash");
    r = s3("GET", "/k");
    r.host = PEN_SLICE_LIT("a\nb");
    refused(f, &r, PEN_E_CORRUPT, "host");
    r = s3("GET", "/k");
    r.region = PEN_SLICE_LIT("eu/west");
    refused(f, &r, PEN_E_CORRUPT, "region");
    r = s3("GET", "/k");
    r.payload = PEN_SLICE_LIT("E3B0");
    refused(f, &r, PEN_E_CORRUPT, "hash");
    struct pen_credentials none = S3_DOC;
    none.secret_key.len = 0;
    r = s3("GET", "/k");
    r.credentials = &none;
    refused(f, &r, PEN_E_CORRUPT, "secret key is empty");
}

static void limits_are_told(void **state)
{
    struct fixture *f = *state;
    struct pen_pair many[PEN_SIGV4_QUERY_MAX + 1];
    static uint8_t big[PEN_SIGV4_BYTES_MAX];
    for (uint32_t i = 0; i < PEN_COUNT(many); i++) {
        many[i] = pair("n", "v");
    }
    struct pen_sigv4_request r = s3("GET", "/k");
    r.query = many;
    r.query_count = PEN_SIGV4_QUERY_MAX;
    assert_int_equal(pen_sigv4_sign(f->signer, &r, &f->buf, &f->out, &f->err), PEN_OK);
    r.query_count++;
    refused(f, &r, PEN_E_LIMIT, "parameters");
    r = s3("GET", "/k");
    r.headers = many;
    r.header_count = PEN_SIGV4_HEADERS_MAX - 3;
    assert_int_equal(pen_sigv4_sign(f->signer, &r, &f->buf, &f->out, &f->err), PEN_OK);
    r.header_count++;
    refused(f, &r, PEN_E_LIMIT, "headers");
    r = s3("GET", "/k");
    memset(big, '/', sizeof(big));
    r.path = (pen_slice){big, sizeof(big)};
    refused(f, &r, PEN_E_LIMIT, "bytes");
    struct pen_credentials who = S3_DOC;
    who.session_token = (pen_slice){big, PEN_SIGV4_TOKEN_MAX + 1};
    r = s3("GET", "/k");
    r.credentials = &who;
    refused(f, &r, PEN_E_LIMIT, "session token");
    who.session_token.len--;
    assert_int_equal(pen_sigv4_sign(f->signer, &r, &f->buf, &f->out, &f->err), PEN_OK);
    r.region = (pen_slice){big, PEN_SIGV4_SCOPE_MAX + 1};
    refused(f, &r, PEN_E_LIMIT, "region");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(s3_get_object_as_published, setup, teardown),
        cmocka_unit_test_setup_teardown(s3_put_object_as_published, setup, teardown),
        cmocka_unit_test_setup_teardown(s3_lifecycle_and_list_as_published, setup, teardown),
        cmocka_unit_test_setup_teardown(paths_as_published, setup, teardown),
        cmocka_unit_test_setup_teardown(queries_as_published, setup, teardown),
        cmocka_unit_test_setup_teardown(posts_as_published, setup, teardown),
        cmocka_unit_test_setup_teardown(headers_as_published, setup, teardown),
        cmocka_unit_test_setup_teardown(a_token_is_sent_and_signed, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_of_s3_are_encoded_once_and_kept_whole, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(paths_of_others_are_signed_encoded_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(a_name_sorts_before_a_longer_one, setup, teardown),
        cmocka_unit_test_setup_teardown(a_key_is_made_once_for_its_scope, setup, teardown),
        cmocka_unit_test_setup_teardown(the_key_longest_unused_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(no_memory_is_taken_once_the_buffer_has_grown, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_sent_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(limits_are_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
