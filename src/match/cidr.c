#include "penstock/match.h"

#include "internal.h"

/* One decimal byte without leading zeros. */
static bool take_octet(pen_slice *rest, uint8_t *out)
{
    size_t n = 0;
    uint32_t value = 0;
    while (n < rest->len && n < 3 && rest->ptr[n] >= '0' && rest->ptr[n] <= '9') {
        value = value * 10 + (uint32_t)(rest->ptr[n] - '0');
        n++;
    }
    if (n == 0 || value > 255 || (n > 1 && rest->ptr[0] == '0')) {
        return false;
    }
    *out = (uint8_t)value;
    *rest = pen_slice_sub(*rest, n, rest->len);
    return true;
}

static bool parse_v4(pen_slice text, uint8_t out[4])
{
    for (int i = 0; i < 4; i++) {
        if (i > 0) {
            pen_slice dot;
            if (!pen_slice_take(&text, 1, &dot) || dot.ptr[0] != '.') {
                return false;
            }
        }
        if (!take_octet(&text, &out[i])) {
            return false;
        }
    }
    return text.len == 0;
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
