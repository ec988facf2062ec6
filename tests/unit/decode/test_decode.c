#include "penstock/decode.h"

#include "test.h"

#include <zstd.h>

#include <isa-l/igzip_lib.h>
#include <stdlib.h>

#define CAP ((size_t)1 << 20)

struct bytes {
    uint8_t data[8192];
    size_t len;
};

static struct bytes gzip(pen_slice in)
{
    struct bytes out = {.len = 0};
    struct isal_zstream stream;
    isal_deflate_stateless_init(&stream);
    stream.gzip_flag = IGZIP_GZIP;
    stream.end_of_stream = 1;
    stream.next_in = (uint8_t *)(uintptr_t)in.ptr;
    stream.avail_in = (uint32_t)in.len;
    stream.next_out = out.data;
    stream.avail_out = sizeof(out.data);
    assert_int_equal(isal_deflate_stateless(&stream), COMP_OK);
    out.len = stream.total_out;
    return out;
}

static struct bytes zstd(pen_slice in)
{
    struct bytes out;
    out.len = ZSTD_compress(out.data, sizeof(out.data), in.ptr, in.len, 3);
    assert_false(ZSTD_isError(out.len));
    return out;
}

static void append(struct bytes *to, const struct bytes *from)
{
    memcpy(to->data + to->len, from->data, from->len);
    to->len += from->len;
}

static pen_slice slice(const struct bytes *b)
{
    return (pen_slice){b->data, b->len};
}

static struct pen_decoder *decoder(uint64_t max, uint32_t ratio)
{
    const struct pen_decoder_options options = {.plain_bytes_max = max, .ratio_max = ratio};
    struct pen_decoder *made = NULL;
    struct pen_err err;
    assert_int_equal(pen_decoder_new(&options, &made, &err), PEN_OK);
    return made;
}

/* Decodes in pieces; *fails counts FAIL verdicts, *err is the first. */
static size_t run(struct pen_decoder *d, pen_slice in, size_t in_step, size_t out_step,
                  uint8_t *out, uint32_t *fails, struct pen_err *first)
{
    size_t len = 0;
    *fails = 0;
    pen_decoder_reset(d);
    for (uint32_t turns = 0; turns < 1000000; turns++) {
        struct pen_err err = {0};
        pen_slice piece = pen_slice_sub(in, 0, in_step);
        const size_t before = piece.len;
        const size_t cap = len + out_step < CAP ? len + out_step : CAP;
        const enum pen_decode got =
            pen_decode(d, &piece, piece.len == in.len, out, cap, &len, &err);
        assert_in_range(piece.len, 0, before);
        in = pen_slice_sub(in, before - piece.len, in.len);
        if (got == PEN_DECODE_FAIL && (*fails)++ == 0) {
            *first = err;
        }
        if (got == PEN_DECODE_END) {
            return len;
        }
    }
    fail_msg("the decoder does not end");
    return 0;
}

static void check(pen_slice in, const char *want, uint32_t want_fails)
{
    uint8_t *out = malloc(CAP);
    struct pen_decoder *d = decoder(CAP, 100000);
    static const size_t steps[] = {1, 3, 64, CAP};
    for (size_t i = 0; i < PEN_COUNT(steps); i++) {
        for (size_t o = 0; o < PEN_COUNT(steps); o++) {
            uint32_t fails = 0;
            struct pen_err err;
            const size_t len = run(d, in, steps[i], steps[o], out, &fails, &err);
            assert_int_equal(len, strlen(want));
            assert_memory_equal(out, want, len);
            assert_int_equal(fails, want_fails);
        }
    }
    pen_decoder_free(d);
    free(out);
}

static void every_format_gives_the_same_text(void **state)
{
    (void)state;
    const pen_slice text = PEN_SLICE_LIT("{\"Records\":[{\"a\":1}]}");
    const struct bytes once = gzip(text);
    const struct bytes twice = gzip(slice(&once));
    const struct bytes z = zstd(text);
    const struct bytes gz = zstd(slice(&once));
    check(text, (const char *)text.ptr, 0);
    check(slice(&once), (const char *)text.ptr, 0);
    check(slice(&twice), (const char *)text.ptr, 0);
    check(slice(&z), (const char *)text.ptr, 0);
    check(slice(&gz), (const char *)text.ptr, 0);
    check((pen_slice){0}, "", 0);
    check(PEN_SLICE_LIT("x"), "x", 0);
}

static void members_follow_each_other_and_zeros_are_padding(void **state)
{
    (void)state;
    struct bytes both = gzip(PEN_SLICE_LIT("one"));
    const struct bytes second = gzip(PEN_SLICE_LIT("two"));
    append(&both, &second);
    check(slice(&both), "onetwo", 0);
    memset(both.data + both.len, 0, 9);
    both.len += 9;
    check(slice(&both), "onetwo", 0);
    both.data[both.len++] = 'x';
    check(slice(&both), "onetwo", 1);
}

static uint32_t crc32_of(const uint8_t *data, size_t len)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len * 8; i++) {
        crc ^= i % 8 == 0 ? data[i / 8] : 0U;
        crc = crc >> 1 ^ ((crc & 1U) != 0 ? UINT32_C(0xedb88320) : 0U);
    }
    return ~crc;
}

/* A member with what the flags say in its header: extra field, name, comment, checksum. */
static struct bytes member(pen_slice text, uint8_t flags)
{
    static const uint8_t parts[] = {3, 0, 'x', 0, 'z', 'n', '.', 'j', 0, 'c', ' ', 0};
    const struct bytes plain = gzip(text);
    struct bytes out = {.len = 10};
    memcpy(out.data, plain.data, 10);
    out.data[3] = flags;
    const size_t extra = (flags & 4U) != 0 ? 5 : 0;
    memcpy(out.data + out.len, parts, extra);
    out.len += extra;
    const size_t name = (flags & 8U) != 0 ? 4 : 0;
    memcpy(out.data + out.len, parts + 5, name);
    out.len += name;
    const size_t comment = (flags & 16U) != 0 ? 3 : 0;
    memcpy(out.data + out.len, parts + 9, comment);
    out.len += comment;
    if ((flags & 2U) != 0) {
        const uint32_t crc = crc32_of(out.data, out.len);
        out.data[out.len++] = (uint8_t)crc;
        out.data[out.len++] = (uint8_t)(crc >> 8);
    }
    memcpy(out.data + out.len, plain.data + 10, plain.len - 10);
    out.len += plain.len - 10;
    return out;
}

static void headers_of_every_kind_may_be_cut_anywhere(void **state)
{
    (void)state;
    for (uint8_t flags = 0; flags < 32; flags += 2) {
        struct bytes both = member(PEN_SLICE_LIT("one, "), flags);
        const struct bytes second = member(PEN_SLICE_LIT("two"), flags);
        append(&both, &second);
        check(slice(&both), "one, two", 0);
    }
}

/* Distances of 32 bytes and more, ten bytes into the member. */
static void a_distance_before_the_member_gives_nothing_of_other_objects(void **state)
{
    (void)state;
    static const uint8_t damaged[] = {
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xcb, 0x48, 0xcd,
        0xc9, 0x38, 0x00, 0x86, 0xf8, 0xa6, 0x10, 0x44, 0x05, 0x00, 0x00, 0x00, 0x1f,
        0x8b, 0x08, 0x00, 0x70, 0x6c, 0x61, 0x69, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03,
        0x2b, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0xcb, 0x00, 0x00, 0x00, 0x00, 0x00};
    uint8_t first[200];
    uint8_t second[200];
    uint32_t fails = 0;
    struct pen_err err;
    struct pen_decoder *d = decoder(CAP, 100000);
    const struct bytes other = gzip(PEN_SLICE_LIT("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"));
    for (size_t step = 1; step < 100; step += 18) {
        const size_t a =
            run(d, (pen_slice){damaged, sizeof(damaged)}, step, step, first, &fails, &err);
        assert_true(fails > 0);
        (void)run(d, slice(&other), 7, 7, second, &fails, &err);
        const size_t b =
            run(d, (pen_slice){damaged, sizeof(damaged)}, 100, 100, second, &fails, &err);
        assert_int_equal(a, 10);
        assert_int_equal(b, 10);
        assert_memory_equal(first, "helh\xc0h\xc0h\xc0h", a);
        assert_memory_equal(second, first, a);
    }
    pen_decoder_free(d);
}

static void a_damaged_header_is_told(void **state)
{
    (void)state;
    struct bytes method = member(PEN_SLICE_LIT("one"), 0);
    method.data[2] = 7;
    check(slice(&method), "", 1);
    struct bytes reserved = member(PEN_SLICE_LIT("one"), 0);
    reserved.data[3] = 0x20;
    check(slice(&reserved), "", 1);
    struct bytes checksum = member(PEN_SLICE_LIT("one"), 10);
    checksum.data[11] ^= 1;
    check(slice(&checksum), "", 1);
    static const uint8_t distance[] = {0x1f, 0x8b, 8,    0,    0,    0,    0,    0, 2,
                                       0x7e, 3,    0xcb, 0x48, 0xcd, 0xc9, 0xc9, 7, 0,
                                       0x86, 0xa6, 0x10, 0x36, 5,    0,    0,    0};
    uint8_t out[100];
    uint32_t fails = 0;
    struct pen_err err;
    struct pen_decoder *d = decoder(CAP, 100000);
    (void)run(d, (pen_slice){distance, sizeof(distance)}, 100, 100, out, &fails, &err);
    assert_int_equal(fails, 1);
    pen_decoder_free(d);
    struct bytes cut = member(PEN_SLICE_LIT("one"), 28);
    cut.len = 20;
    check(slice(&cut), "", 1);
}

static void a_wrong_checksum_is_told_and_later_members_follow(void **state)
{
    (void)state;
    struct bytes both = gzip(PEN_SLICE_LIT("one"));
    both.data[both.len - 8] ^= 1;
    const struct bytes second = gzip(PEN_SLICE_LIT("two"));
    append(&both, &second);
    check(slice(&both), "onetwo", 1);
}

static void damage_of_the_inner_layer_ends_the_object(void **state)
{
    (void)state;
    struct bytes inner = gzip(PEN_SLICE_LIT("one"));
    inner.data[10] = 0xff; /* no kind of block */
    struct bytes outer = gzip(slice(&inner));
    check(slice(&outer), "", 1);
    outer.data[outer.len - 8] ^= 1;
    check(slice(&outer), "", 1);
}

static void a_cut_at_every_byte_is_told_once(void **state)
{
    (void)state;
    uint8_t *out = malloc(CAP);
    struct pen_decoder *d = decoder(CAP, 100000);
    const struct bytes whole = gzip(PEN_SLICE_LIT("abcabcabcabcabcabcabcabc some more text"));
    for (size_t cut = 2; cut < whole.len; cut++) {
        uint32_t fails = 0;
        struct pen_err err = {0};
        const size_t len = run(d, (pen_slice){whole.data, cut}, 5, 100, out, &fails, &err);
        assert_int_equal(fails, 1);
        assert_int_equal(err.status, PEN_E_TRUNCATED);
        assert_memory_equal(out, "abcabcabcabcabcabcabcabc some more text", len);
    }
    pen_decoder_free(d);
    free(out);
}

static void flipped_bits_never_hang_or_crash(void **state)
{
    (void)state;
    uint8_t *out = malloc(CAP);
    struct pen_decoder *d = decoder(CAP, 100000);
    const struct bytes whole = gzip(PEN_SLICE_LIT("abcabcabcabcabcabcabcabc some more text"));
    uint32_t unnoticed = 0;
    for (size_t bit = 0; bit < whole.len * 8; bit++) {
        struct bytes flipped = whole;
        flipped.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        uint32_t fails = 0;
        struct pen_err err = {0};
        const size_t len = run(d, slice(&flipped), CAP, CAP, out, &fails, &err);
        if (fails == 0 && bit >= 16) {
            assert_int_equal(len, 39);
            unnoticed++;
        }
    }
    assert_true(unnoticed < 80); /* time, system and flag bits of the header */
    pen_decoder_free(d);
    free(out);
}

static void a_bomb_ends_at_the_limits(void **state)
{
    (void)state;
    uint8_t *out = malloc(CAP * 4);
    uint8_t *zeros = calloc(1, CAP * 4);
    uint8_t *packed = malloc(CAP);
    const size_t len = ZSTD_compress(packed, CAP, zeros, CAP * 4, 3);
    struct pen_decoder *d = decoder(CAP * 2, 1000000);
    uint32_t fails = 0;
    struct pen_err err = {0};
    (void)run(d, (pen_slice){packed, len}, CAP, CAP, out, &fails, &err);
    pen_decoder_free(d);
    d = decoder(CAP * 64, 100);
    size_t made = 0;
    pen_slice in = {packed, len};
    enum pen_decode got = PEN_DECODE_OUTPUT;
    while (got == PEN_DECODE_OUTPUT) {
        made = 0;
        got = pen_decode(d, &in, true, out, CAP * 4, &made, &err);
    }
    assert_int_equal(got, PEN_DECODE_FAIL);
    assert_int_equal(err.status, PEN_E_LIMIT);
    pen_decoder_free(d);
    free(out);
    free(zeros);
    free(packed);
}

static bool whole(const struct bytes *in, uint64_t plain_max, size_t cap, char *text)
{
    struct pen_decoder *d = decoder(plain_max, 1000);
    size_t len = 0;
    const bool is_done = pen_decode_whole(d, slice(in), (uint8_t *)text, cap, &len);
    pen_slice rest = {0};
    struct pen_err err;
    if (is_done) {
        text[len] = '\0';
        assert_string_equal(pen_decoder_format(d), "gzip");
        assert_int_equal(pen_decode(d, &rest, true, (uint8_t *)text + len, 1, &len, &err),
                         PEN_DECODE_END);
    }
    pen_decoder_free(d);
    return is_done;
}

static void an_object_at_hand_is_taken_whole_when_it_is_one_good_member(void **state)
{
    (void)state;
    char text[64];
    const pen_slice plain = PEN_SLICE_LIT("{\"a\":1} and so on");
    struct bytes one = gzip(plain);
    assert_true(whole(&one, CAP, sizeof(text) - 1, text));
    assert_string_equal(text, "{\"a\":1} and so on");
    assert_true(whole(&one, CAP, plain.len, text));
    assert_false(whole(&one, CAP, plain.len - 1, text));
    assert_false(whole(&one, plain.len - 1, sizeof(text) - 1, text));

    struct bytes two = one;
    append(&two, &one);
    assert_false(whole(&two, CAP, sizeof(text) - 1, text));
    struct bytes padded = one;
    padded.data[padded.len++] = 0;
    assert_false(whole(&padded, CAP, sizeof(text) - 1, text));
    const struct bytes inside = gzip(slice(&one));
    assert_false(whole(&inside, CAP, sizeof(text) - 1, text));
    const struct bytes other = zstd(plain);
    assert_false(whole(&other, CAP, sizeof(text) - 1, text));
    for (size_t cut = 0; cut < one.len; cut++) {
        struct bytes shorter = one;
        shorter.len = cut;
        assert_false(whole(&shorter, CAP, sizeof(text) - 1, text));
    }
    one.data[one.len - 6] ^= 1; /* the checksum */
    assert_false(whole(&one, CAP, sizeof(text) - 1, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_gives_the_same_text),
        cmocka_unit_test(members_follow_each_other_and_zeros_are_padding),
        cmocka_unit_test(headers_of_every_kind_may_be_cut_anywhere),
        cmocka_unit_test(a_damaged_header_is_told),
        cmocka_unit_test(a_distance_before_the_member_gives_nothing_of_other_objects),
        cmocka_unit_test(a_wrong_checksum_is_told_and_later_members_follow),
        cmocka_unit_test(damage_of_the_inner_layer_ends_the_object),
        cmocka_unit_test(a_cut_at_every_byte_is_told_once),
        cmocka_unit_test(flipped_bits_never_hang_or_crash),
        cmocka_unit_test(a_bomb_ends_at_the_limits),
        cmocka_unit_test(an_object_at_hand_is_taken_whole_when_it_is_one_good_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
