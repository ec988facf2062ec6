#include "body.h"
#include "test.h"

#include <stdlib.h>

#define CAP ((size_t)1 << 17)
#define FILLER 40000U /* more than igzip keeps in its own buffer of history */
#define LENGTH_258 285U
#define DAMAGE_AT_END 64U

/* A deflate stream, bit by bit (RFC 1951). */
struct stream {
    uint8_t data[FILLER * 2];
    size_t bits;
};

static void put(struct stream *s, uint32_t value, uint32_t bits)
{
    for (uint32_t i = 0; i < bits; i++) {
        s->data[s->bits / 8] |= (uint8_t)((value >> i & 1U) << s->bits % 8);
        s->bits++;
    }
}

/* Codes stand in the stream with their first bit first. */
static void put_code(struct stream *s, uint32_t code, uint32_t bits)
{
    for (uint32_t i = bits; i > 0; i--) {
        put(s, code >> (i - 1) & 1U, 1);
    }
}

/* A symbol of a fixed block below 144 or above 255: a literal, the end, a length. */
static void put_symbol(struct stream *s, uint32_t symbol)
{
    if (symbol < 144) {
        put_code(s, 0x30 + symbol, 8);
    } else if (symbol < 280) {
        put_code(s, symbol - 256, 7);
    } else {
        put_code(s, 0xc0 + symbol - 280, 8);
    }
}

/* 258 bytes again, from as far back as the code of the distance says. */
static void put_match(struct stream *s, uint32_t distance_code)
{
    put_symbol(s, LENGTH_258);
    put_code(s, distance_code, 5);
}

static void put_stored(struct stream *s, uint32_t len)
{
    put(s, 0, 3);
    s->bits = (s->bits + 7) / 8 * 8;
    put(s, len, 16);
    put(s, ~len & 0xffffU, 16);
    for (uint32_t i = 0; i < len; i++) {
        s->data[s->bits / 8] = (uint8_t)('a' + i % 23);
        s->bits += 8;
    }
}

/* A fixed block follows. */
static struct stream *stream_new(uint32_t stored)
{
    struct stream *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        abort();
    }
    if (stored > 0) {
        put_stored(s, stored);
    }
    put(s, 3, 3);
    return s;
}

/* With more behind it, so that igzip need not be careful. */
static size_t stream_end(struct stream *s)
{
    put_symbol(s, 256);
    return s->bits / 8 + DAMAGE_AT_END;
}

struct cut {
    size_t in, out; /* bytes a call */
};

/* The buffers hold what other objects left: fill. */
static enum body_result run(pen_slice in, struct cut cut, uint8_t fill, struct layer_out *to)
{
    struct gzip_body *body = malloc(sizeof(*body));
    if (body == NULL) {
        abort();
    }
    memset(body, fill, sizeof(*body));
    memset(to->ptr, fill, to->cap);
    *to->len = 0;
    gzip_body_begin(body);
    enum body_result got = BODY_MORE;
    for (size_t turns = 0; got == BODY_MORE && turns < 8 * CAP; turns++) {
        pen_slice piece = pen_slice_sub(in, 0, cut.in);
        const size_t before = piece.len;
        struct layer_out part = *to;
        part.cap = *to->len + cut.out < to->cap ? *to->len + cut.out : to->cap;
        got = gzip_body_run(body, &piece, &part);
        in = pen_slice_sub(in, before - piece.len, in.len);
    }
    free(body);
    return got;
}

/* However it is cut, it is damaged and gives want bytes, those that stored blocks say first. */
static void check_damaged(struct stream *s, size_t want)
{
    static const struct cut cuts[] = {{CAP, CAP}, {1, CAP},   {CAP, 1},      {7, 7},
                                      {8, 300},   {33, 1000}, {4096, 32768}, {40010, 65536}};
    const pen_slice in = {s->data, stream_end(s)};
    uint8_t *out[2] = {malloc(CAP), malloc(CAP)};
    assert_true(out[0] != NULL && out[1] != NULL);
    size_t len[2] = {0, 0};
    for (size_t i = 0; i < PEN_COUNT(cuts); i++) {
        struct layer_out first = {out[0], CAP, &len[0]};
        struct layer_out second = {out[1], CAP, &len[1]};
        assert_int_equal(run(in, cuts[0], 0x11, &first), BODY_DAMAGED);
        assert_int_equal(run(in, cuts[i], 0xee, &second), BODY_DAMAGED);
        assert_int_equal(len[0], want);
        assert_int_equal(len[1], want);
        assert_memory_equal(out[0], out[1], want);
    }
    free(out[0]);
    free(out[1]);
    free(s);
}

static void a_match_without_a_distance_writes_nothing(void **state)
{
    (void)state;
    for (uint32_t code = 30; code < 32; code++) {
        struct stream *near = stream_new(0);
        put_symbol(near, 'x');
        put_match(near, code);
        check_damaged(near, 1);
        struct stream *far = stream_new(FILLER);
        put_symbol(far, 'x');
        put_match(far, 0);
        put_match(far, code);
        check_damaged(far, FILLER + 1 + 258);
    }
}

static void a_match_from_before_the_member_writes_nothing(void **state)
{
    (void)state;
    struct stream *one = stream_new(0);
    put_symbol(one, 'x');
    put_match(one, 1);
    check_damaged(one, 1);
    struct stream *stored = stream_new(100);
    put_match(stored, 0);
    put_match(stored, 29);
    put(stored, 0x1fff, 13);
    check_damaged(stored, 100 + 258);
}

static void a_length_that_means_nothing_writes_nothing(void **state)
{
    (void)state;
    for (uint32_t symbol = 286; symbol < 288; symbol++) {
        struct stream *s = stream_new(FILLER);
        put_symbol(s, 'x');
        put_symbol(s, symbol);
        check_damaged(s, FILLER + 1);
    }
}

static void what_was_inflated_ahead_of_damage_comes_out(void **state)
{
    (void)state;
    struct stream *s = stream_new(0);
    put_symbol(s, 'x');
    for (uint32_t i = 0; i < 200; i++) {
        put_match(s, 0);
    }
    put_match(s, 30);
    check_damaged(s, 1 + 200 * 258);
}

static void a_block_of_no_kind_is_damage(void **state)
{
    (void)state;
    struct stream *s = stream_new(0);
    s->bits = 0;
    s->data[0] = 0;
    put_stored(s, FILLER);
    put(s, 7, 3);
    check_damaged(s, FILLER);
}

/* The code is that of the damage, however the input was cut, and so is the place. */
static void damage_has_a_place(void **state)
{
    (void)state;
    uint8_t out[64];
    for (size_t step = 1; step < 40; step += 19) {
        struct stream *s = stream_new(0);
        put_symbol(s, 'x');
        put_match(s, 31);
        pen_slice in = {s->data, stream_end(s)};
        const size_t all = in.len;
        struct gzip_body *body = calloc(1, sizeof(*body));
        assert_non_null(body);
        size_t len = 0;
        const struct layer_out to = {out, sizeof(out), &len};
        gzip_body_begin(body);
        enum body_result got = BODY_MORE;
        while (got == BODY_MORE) {
            pen_slice piece = pen_slice_sub(in, 0, step);
            const size_t before = piece.len;
            got = gzip_body_run(body, &piece, &to);
            in = pen_slice_sub(in, before - piece.len, in.len);
        }
        uint32_t behind = 0;
        assert_string_equal(gzip_body_damage(body, &behind), "invalid symbol");
        assert_int_equal(all - in.len - behind, 3);
        free(body);
        free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_match_without_a_distance_writes_nothing),
        cmocka_unit_test(a_match_from_before_the_member_writes_nothing),
        cmocka_unit_test(a_length_that_means_nothing_writes_nothing),
        cmocka_unit_test(what_was_inflated_ahead_of_damage_comes_out),
        cmocka_unit_test(a_block_of_no_kind_is_damage),
        cmocka_unit_test(damage_has_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
