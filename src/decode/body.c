#include "body.h"

/*
 * igzip 2.30 does not stop exactly where damage begins.  Where it has much input and much room, a
 * match whose distance means nothing or reaches before the member is counted as written before its
 * distance is looked at: up to 258 bytes of the output are then what lay there before, bytes of
 * other objects.  And what it inflated ahead into its own buffer it does not hand over.
 *
 * With less than eight bytes of input it looks at each symbol before it writes.  So a call that met
 * damage is made again from the state before it: the input up to shortly before the damage at once,
 * the rest byte by byte; then what its buffer still holds is handed over.
 */

/* A symbol and what belongs to it, 48 bits, and 64 bits that igzip has read ahead, twice over. */
#define BEFORE_DAMAGE 32U

/* The codes of a block: 21 KB that only a state inside a block needs. */
#define CODES_AT offsetof(struct inflate_state, lit_huff_code)
#define CODES_END offsetof(struct inflate_state, block_state)

static void part_copy(struct gzip_body *body, bool is_back, size_t from, size_t to)
{
    uint8_t *state = (uint8_t *)&body->state;
    if (is_back) {
        memcpy(state + from, body->mark + from, to - from);
    } else {
        memcpy(body->mark + from, state + from, to - from);
    }
}

static void mark_set(struct gzip_body *body)
{
    part_copy(body, false, 0, CODES_AT);
    part_copy(body, false, CODES_END, sizeof(body->mark));
    if (body->state.block_state == ISAL_BLOCK_CODED) {
        part_copy(body, false, CODES_AT, CODES_END);
    }
}

static void mark_return(struct gzip_body *body)
{
    part_copy(body, true, 0, CODES_AT);
    part_copy(body, true, CODES_END, sizeof(body->mark));
    if (body->state.block_state == ISAL_BLOCK_CODED) {
        part_copy(body, true, CODES_AT, CODES_END);
    }
}

void gzip_body_begin(struct gzip_body *body)
{
    isal_inflate_reset(&body->state);
    isal_inflate_init(&body->state);
    body->state.crc_flag = ISAL_GZIP_NO_HDR_VER;
    body->code = 0;
}

/* One call of igzip; *used grows with the input that it took. */
static int inflate(struct gzip_body *body, pen_slice in, uint32_t given, size_t *used)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): igzip does not write there */
    body->state.next_in = (uint8_t *)(uintptr_t)in.ptr + *used;
    body->state.avail_in = given;
    const int code = isal_inflate(&body->state);
    /* Of damaged input igzip counts a byte more than it was given. */
    *used += body->state.avail_in > given ? given : given - body->state.avail_in;
    return code;
}

static bool is_damage(int code)
{
    return code < 0 && code != ISAL_INCORRECT_CHECKSUM;
}

/* From the mark on, the first bytes at once and the rest byte by byte; *used: of in. */
static int inflate_again(struct gzip_body *body, pen_slice in, size_t at_once, size_t *used)
{
    int code = ISAL_DECOMP_OK;
    *used = 0;
    mark_return(body);
    if (at_once > 0) {
        code = inflate(body, in, (uint32_t)at_once, used);
    }
    bool is_going = code >= 0 && *used == at_once;
    while (is_going && *used < in.len && body->state.block_state != ISAL_BLOCK_FINISH) {
        const size_t before = *used;
        code = inflate(body, in, 1, used);
        is_going = code >= 0 && *used > before;
    }
    return code;
}

/* Literals that found no room stand apart; behind the buffer's end is room for them. */
static void overflow_keep(struct inflate_state *state)
{
    for (int32_t i = 0; i < state->write_overflow_len; i++) {
        state->tmp_out_buffer[state->tmp_out_valid++] =
            (uint8_t)((uint32_t)state->write_overflow_lits >> (8 * i));
    }
    state->write_overflow_len = 0;
}

/* Hands over what stands before the damage. */
static enum body_result drain(struct gzip_body *body, const struct layer_out *out)
{
    struct inflate_state *state = &body->state;
    const size_t room = out->cap - *out->len;
    const size_t rest = (size_t)(state->tmp_out_valid - state->tmp_out_processed);
    const size_t n = rest < room ? rest : room;
    if (n > 0) {
        memcpy(out->ptr + *out->len, state->tmp_out_buffer + state->tmp_out_processed, n);
    }
    state->tmp_out_processed += (int32_t)n;
    *out->len += n;
    return n < rest ? BODY_MORE : BODY_DAMAGED;
}

enum body_result gzip_body_run(struct gzip_body *body, pen_slice *in, const struct layer_out *out)
{
    if (body->code != 0) {
        return drain(body, out);
    }
    struct inflate_state *state = &body->state;
    const size_t most = UINT32_MAX / 2;
    const size_t space = out->cap - *out->len;
    const uint32_t room = (uint32_t)(space < most ? space : most);
    const pen_slice given = pen_slice_sub(*in, 0, most);
    size_t used = 0;
    state->next_out = out->ptr + *out->len;
    state->avail_out = room;
    mark_set(body);
    int code = inflate(body, given, (uint32_t)given.len, &used);
    if (is_damage(code)) {
        const size_t at_once = used > BEFORE_DAMAGE ? used - BEFORE_DAMAGE : 0;
        code = inflate_again(body, given, at_once, &used);
        if (is_damage(code) && used <= at_once && at_once > 0) { /* earlier than it seemed */
            code = inflate_again(body, given, 0, &used);
        }
    }
    *in = pen_slice_sub(*in, used, in->len);
    *out->len += room - state->avail_out;
    if (is_damage(code)) {
        body->code = code;
        overflow_keep(state);
        return drain(body, out);
    }
    if (code == ISAL_INCORRECT_CHECKSUM) {
        return BODY_CRC;
    }
    return state->block_state == ISAL_BLOCK_FINISH ? BODY_END : BODY_MORE;
}

const char *gzip_body_damage(const struct gzip_body *body, uint32_t *behind)
{
    static const struct {
        int code;
        const char *text;
    } names[] = {{ISAL_INVALID_BLOCK, "invalid block"},
                 {ISAL_INVALID_SYMBOL, "invalid symbol"},
                 {ISAL_INVALID_LOOKBACK, "invalid distance"}};
    const char *text = "damaged";
    for (size_t i = 0; i < PEN_COUNT(names); i++) {
        text = names[i].code == body->code ? names[i].text : text;
    }
    const int32_t bits = body->state.read_in_length;
    *behind = bits > 0 ? (uint32_t)bits / 8 : 0;
    return text;
}
