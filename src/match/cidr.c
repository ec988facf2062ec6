#include "penstock/match.h"

#include "internal.h"

#include <tmmintrin.h>

/* Whether each of four texts of one to three digits, at the ends of these words with zeros before
 * them, is at least so much, and a byte. */
static bool octets(const uint32_t digits[4], const uint32_t least[4], uint8_t out[4])
{
    const __m128i text = _mm_loadu_si128((const __m128i *)(const void *)digits);
    const __m128i lowest = _mm_loadu_si128((const __m128i *)(const void *)least);
    const __m128i digit = _mm_subs_epu8(text, _mm_set1_epi8('0'));
    const __m128i pairs = _mm_maddubs_epi16(digit, _mm_set1_epi32(0x010a6400));
    const __m128i values = _mm_madd_epi16(pairs, _mm_set1_epi16(1));
    const __m128i bad =
        _mm_or_si128(_mm_cmpgt_epi32(values, _mm_set1_epi32(255)), _mm_cmplt_epi32(values, lowest));
    const __m128i words = _mm_packs_epi32(values, values);
    const uint32_t bytes = (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    memcpy(out, &bytes, sizeof(bytes));
    return _mm_movemask_epi8(bad) == 0;
}

/* Where the dots are says where the digits end: nothing is decided byte by byte. */
static bool parse_v4(pen_slice text, uint8_t out[4])
{
    static const uint32_t masks[4] = {0, 0xff000000, 0xffff0000, 0xffffff00};
    static const uint32_t lowest[4] = {UINT8_MAX, 0, 10, 100}; /* no zeros before others */
    uint8_t bytes[4 + 16] = {0};
    uint32_t digits[4];
    uint32_t least[4];
    if (text.len < 7 || text.len > 15) {
        return false;
    }
    pen_copy_short(bytes + 4, text.ptr, text.len);
    const __m128i c = _mm_loadu_si128((const __m128i *)(const void *)(bytes + 4));
    const __m128i number = _mm_sub_epi8(c, _mm_set1_epi8('0'));
    const __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(number, _mm_set1_epi8(9)), number);
    const uint32_t known = (uint32_t)_mm_movemask_epi8(is_digit);
    uint32_t dots = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(c, _mm_set1_epi8('.')));
    if ((known | dots) != (1U << text.len) - 1 || __builtin_popcount(dots) != 3) {
        return false;
    }
    uint32_t from = 0;
    uint32_t wrong = 0;
    dots |= 1U << text.len;
    for (uint32_t i = 0; i < 4; i++) {
        const uint32_t end = (uint32_t)__builtin_ctz(dots);
        const uint32_t n = end - from;
        wrong |= n - 1;                                     /* beyond 2: none, or more than three */
        memcpy(&digits[i], bytes + end, sizeof(digits[i])); /* the four before the end */
        digits[i] &= masks[n & 3];
        least[i] = lowest[n & 3];
        from = end + 1;
        dots &= dots - 1;
    }
    return wrong <= 3 && octets(digits, least, out);
}

/* Where three digits are more than 255, one bit for the first of each three; of three that begin
 * with a zero nothing is said.  digit: what is none is 0x80 or more, or 10 to 15. */
static inline uint32_t beyond_bytes(__m128i digit)
{
    const char most = (char)255;
    const __m128i hundreds = _mm_setr_epi8(0, 99, (char)199, most, most, most, most, most, most,
                                           most, 0, 0, 0, 0, 0, 0); /* less one */
    const __m128i tens = _mm_setr_epi8(0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 0, 0, 0, 0, 0, 0);
    const __m128i ten = _mm_srli_si128(_mm_shuffle_epi8(tens, digit), 1);
    const __m128i one = _mm_srli_si128(digit, 2);
    const __m128i less_one =
        _mm_adds_epu8(_mm_adds_epu8(_mm_shuffle_epi8(hundreds, digit), ten), one);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(less_one, _mm_set1_epi8(most)));
}

bool pen_ip_is_v4(pen_slice text)
{
    if (text.len < 7 || text.len > 15) {
        return false;
    }
    const __m128i c = _mm_loadu_si128((const __m128i *)(const void *)text.ptr);
    const uint32_t ours = (1U << text.len) - 1;
    const __m128i digit = _mm_sub_epi8(c, _mm_set1_epi8('0'));
    const __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
    const __m128i is_zero = _mm_cmpeq_epi8(digit, _mm_setzero_si128());
    const uint32_t dots = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(c, _mm_set1_epi8('.'))) & ours;
    const uint32_t digits = (uint32_t)_mm_movemask_epi8(is_digit) & ours;
    const uint32_t zeros = (uint32_t)_mm_movemask_epi8(is_zero);
    const uint32_t starts = dots << 1 | 1; /* where parts begin; one lies behind a dot at the end */
    const uint32_t two = digits & digits >> 1;
    const uint32_t three = two & digits >> 2;
    const uint32_t bad = (starts & ~digits) | (three & digits >> 3) | (starts & two & zeros) |
                         (starts & three & beyond_bytes(digit));
    return (digits | dots) == ours && bad == 0 && __builtin_popcount(dots) == 3;
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const uint8_t low = c | 0x20U;
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* One to four hex digits; returns how many, 0 for none or too many. */
static size_t take_group(pen_slice s, uint32_t *value)
{
    size_t n = 0;
    *value = 0;
    while (n < s.len && n < 5 && hex_value(s.ptr[n]) >= 0) {
        *value = *value << 4 | (uint32_t)hex_value(s.ptr[n]);
        n++;
    }
    return n > 4 ? 0 : n;
}

/* Groups of an IPv6 address as they are read; gap is where "::" stands, -1 without. */
struct v6 {
    uint8_t bytes[16];
    int count;
    int gap;
};

/* Reads one group (or a dotted tail) and the colon behind it.  False: not an address. */
static bool v6_step(struct v6 *v6, pen_slice *rest)
{
    uint32_t value = 0;
    const size_t n = take_group(*rest, &value);
    if (n < rest->len && rest->ptr[n] == '.') {
        if (v6->count > 12 || !parse_v4(*rest, v6->bytes + v6->count)) {
            return false;
        }
        v6->count += 4;
        *rest = (pen_slice){0};
        return true;
    }
    if (n == 0 || v6->count > 14) {
        return false;
    }
    v6->bytes[v6->count] = (uint8_t)(value >> 8);
    v6->bytes[v6->count + 1] = (uint8_t)value;
    v6->count += 2;
    *rest = pen_slice_sub(*rest, n, rest->len);
    if (rest->len == 0) {
        return true;
    }
    if (rest->ptr[0] != ':' || rest->len == 1) {
        return false;
    }
    *rest = pen_slice_sub(*rest, 1, rest->len);
    if (rest->ptr[0] == ':') {
        if (v6->gap >= 0) {
            return false;
        }
        v6->gap = v6->count;
        *rest = pen_slice_sub(*rest, 1, rest->len);
    }
    return true;
}

static bool parse_v6(pen_slice text, uint8_t out[16])
{
    struct v6 v6 = {.gap = -1};
    if (text.len < 2) {
        return false;
    }
    if (text.ptr[0] == ':') {
        if (text.ptr[1] != ':') {
            return false;
        }
        v6.gap = 0;
        text = pen_slice_sub(text, 2, text.len);
    }
    while (text.len > 0) {
        if (!v6_step(&v6, &text)) {
            return false;
        }
    }
    if (v6.gap < 0 ? v6.count != 16 : v6.count > 14) {
        return false;
    }
    memset(out, 0, 16);
    if (v6.gap < 0) {
        memcpy(out, v6.bytes, 16);
        return true;
    }
    const int tail = v6.count - v6.gap;
    memcpy(out, v6.bytes, (size_t)v6.gap);
    memcpy(out + 16 - tail, v6.bytes + v6.gap, (size_t)tail);
    return true;
}

bool pen_ip_parse(pen_slice text, uint8_t addr[16], uint8_t *bits)
{
    if (text.len < 2 || text.len > 45) {
        return false;
    }
    memset(addr, 0, 16);
    if (parse_v4(text, addr)) {
        *bits = 32;
        return true;
    }
    if (!parse_v6(text, addr)) {
        return false;
    }
    *bits = 128;
    return true;
}

/* Prefix length of a netmask (255.0.0.0) or host mask (0.255.255.255); -1: neither. */
static int mask_prefix(const uint8_t mask[4])
{
    const uint32_t m = (uint32_t)mask[0] << 24 | (uint32_t)mask[1] << 16 | (uint32_t)mask[2] << 8 |
                       (uint32_t)mask[3];
    for (int prefix = 0; prefix <= 32; prefix++) {
        const uint32_t net = prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);
        /* 0.0.0.0 is the netmask of /0, 255.255.255.255 that of /32: netmasks are tried first. */
        if (m == net) {
            return prefix;
        }
    }
    for (int prefix = 0; prefix <= 32; prefix++) {
        const uint32_t net = prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);
        if (m == ~net) {
            return prefix;
        }
    }
    return -1;
}

static int parse_prefix(pen_slice text, uint8_t bits)
{
    uint8_t mask[4];
    if (bits == 32 && parse_v4(text, mask)) {
        return mask_prefix(mask);
    }
    uint64_t value = 0;
    if (text.len == 0 || text.len > 3 || (text.len > 1 && text.ptr[0] == '0') ||
        !pen_parse_u64(text, &value) || value > bits) {
        return -1;
    }
    return (int)value;
}

static bool bit_of(const uint8_t addr[16], uint32_t i)
{
    return (addr[i / 8] >> (7 - i % 8) & 1) != 0;
}

pen_status pen_cidr_parse(pen_slice text, struct pen_pred *pred, struct pen_err *err)
{
    pen_slice rest = text;
    pen_slice host = {0};
    (void)pen_slice_split(&rest, '/', &host);
    const bool has_prefix = host.len < text.len;
    if (!pen_ip_parse(host, pred->addr, &pred->addr_bits)) {
        return PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET, "'%.*s' is not an IP address or network",
                        PEN_SLICE_FMT(text));
    }
    const int prefix = has_prefix ? parse_prefix(rest, pred->addr_bits) : pred->addr_bits;
    if (prefix < 0) {
        return PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET, "'%.*s' has an invalid prefix or mask",
                        PEN_SLICE_FMT(text));
    }
    for (uint32_t i = (uint32_t)prefix; i < pred->addr_bits; i++) {
        if (bit_of(pred->addr, i)) {
            return PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET, "'%.*s' has host bits set",
                            PEN_SLICE_FMT(text));
        }
    }
    pred->prefix = (uint8_t)prefix;
    return PEN_OK;
}

bool pen_match_cidr(const struct pen_pred *pred, pen_slice text)
{
    uint8_t addr[16];
    uint8_t bits = 0;
    if (!pen_ip_parse(text, addr, &bits) || bits != pred->addr_bits) {
        return false;
    }
    for (uint32_t i = 0; i < pred->prefix; i++) {
        if (bit_of(addr, i) != bit_of(pred->addr, i)) {
            return false;
        }
    }
    return true;
}
