/* tested by tests/unit/enrich/test_ioc_list.c */
#include "ioc.h"

#include <stdio.h>

#define LABEL_MAX 63U

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(uint8_t c)
{
    return lower(c) >= 'a' && lower(c) <= 'z';
}

/* Names of international domains may stand as they are read. */
static bool is_name(uint8_t c)
{
    return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c >= 0x80;
}

/* Labels of letters between dots, two at least, and the last is no number. */
size_t ioc_domain_take(pen_slice text, uint8_t *out)
{
    size_t dots = 0;
    size_t label = 0; /* where it begins */
    bool has_letter = false;
    if (text.len > 0 && text.ptr[text.len - 1] == '.') {
        text.len--;
    }
    if (text.len == 0 || text.len > IOC_DOMAIN_MAX) {
        return 0;
    }
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.ptr[i];
        if (c == '.') {
            if (i == label || i - label > LABEL_MAX) {
                return 0;
            }
            dots++;
            label = i + 1;
            has_letter = false;
        } else if (!is_name(c)) {
            return 0;
        }
        has_letter |= c != '.' && !is_digit(c);
        out[i] = lower(c);
    }
    const bool is_last_good = text.len > label && text.len - label <= LABEL_MAX && has_letter;
    return dots > 0 && is_last_good ? text.len : 0;
}

static bool is_hash_length(size_t len)
{
    return len == 32 || len == 40 || len == 56 || len == 64 || len == 96 || len == 128;
}

size_t ioc_hash_take(pen_slice text, uint8_t *out)
{
    if (!is_hash_length(text.len)) {
        return 0;
    }
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = lower(text.ptr[i]);
        if (!is_digit(c) && (c < 'a' || c > 'f')) {
            return 0;
        }
        out[i] = c;
    }
    return text.len;
}

/* ---- of a list ---- */

/* Dots in brackets and "hxxp" are how people keep others from following a link. */
static size_t plain_take(pen_slice text, uint8_t out[PEN_IOC_VALUE_MAX])
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        const pen_slice rest = pen_slice_sub(text, i, text.len);
        if (pen_slice_starts(rest, PEN_SLICE_LIT("[.]")) ||
            pen_slice_starts(rest, PEN_SLICE_LIT("(.)"))) {
            i += 2;
            out[len++] = '.';
        } else if (pen_slice_starts(rest, PEN_SLICE_LIT("[:]"))) {
            i += 2;
            out[len++] = ':';
        } else {
            out[len++] = text.ptr[i];
        }
    }
    const bool is_hidden =
        pen_slice_eq_nocase(pen_slice_sub((pen_slice){out, len}, 0, 4), PEN_SLICE_LIT("hxxp"));
    if (is_hidden) {
        out[1] = 't';
        out[2] = 't';
    }
    return len;
}

static bool is_url(pen_slice text)
{
    const size_t at = pen_slice_find(text, PEN_SLICE_LIT("://"));
    return at != SIZE_MAX && at > 0 && at + 3 < text.len;
}

static const char *address_take(struct ioc_value *out)
{
    struct range range;
    const pen_slice text = {out->text, out->len};
    const size_t slash = pen_slice_find(text, PEN_SLICE_LIT("/"));
    struct pen_err err = {0};
    if (range_parse(text, &range, &err) != PEN_OK) {
        return slash != SIZE_MAX && range_address(pen_slice_sub(text, 0, slash), range.from)
                   ? "the network has bits set behind its prefix, or no good prefix"
                   : "is no address or network";
    }
    out->type = pen_slice_find(text, PEN_SLICE_LIT(":")) == SIZE_MAX ? PEN_IOC_IPV4 : PEN_IOC_IPV6;
    out->is_network = memcmp(range.from, range.to, sizeof(range.from)) != 0;
    if (!out->is_network && slash != SIZE_MAX) { /* 192.0.2.1/32 */
        out->len = (uint16_t)slash;
    }
    return NULL;
}

static const char *domain_take(struct ioc_value *out)
{
    const size_t len = ioc_domain_take((pen_slice){out->text, out->len}, out->text);
    out->type = PEN_IOC_DOMAIN;
    out->len = (uint16_t)len;
    return len > 0 ? NULL : "is no domain";
}

static const char *hash_take(struct ioc_value *out)
{
    const size_t len = ioc_hash_take((pen_slice){out->text, out->len}, out->text);
    out->type = PEN_IOC_FILE;
    out->len = (uint16_t)len;
    return len > 0 ? NULL : "is no hash: 32 to 128 hex digits";
}

static const char *url_take(struct ioc_value *out)
{
    out->type = PEN_IOC_URL;
    return is_url((pen_slice){out->text, out->len}) ? NULL : "is no URL";
}

/* What the value looks like. */
static enum pen_ioc_type type_of(const struct ioc_value *value)
{
    const pen_slice text = {value->text, value->len};
    const size_t slash = pen_slice_find(text, PEN_SLICE_LIT("/"));
    uint8_t scratch[IOC_DOMAIN_MAX];
    uint8_t addr[16];
    _Static_assert(IOC_HASH_MAX <= IOC_DOMAIN_MAX, "scratch");
    if (is_url(text)) {
        return PEN_IOC_URL;
    }
    if (range_address(pen_slice_sub(text, 0, slash), addr)) {
        return PEN_IOC_IPV4; /* or 6 */
    }
    if (ioc_hash_take(text, scratch) > 0) {
        return PEN_IOC_FILE;
    }
    return ioc_domain_take(text, scratch) > 0 ? PEN_IOC_DOMAIN : PEN_IOC_TYPES;
}

const char *ioc_value_read(pen_slice text, enum pen_ioc_type type, struct ioc_value *out)
{
    text = pen_slice_trim(text);
    if (text.len == 0 || text.len > PEN_IOC_VALUE_MAX) {
        return text.len == 0 ? "is empty" : "has more than 2048 bytes";
    }
    _Static_assert(PEN_IOC_VALUE_MAX == 2048, "words");
    out->is_network = false;
    if (type == PEN_IOC_AGENT) {
        memcpy(out->text, text.ptr, text.len);
        out->len = (uint16_t)text.len;
        out->type = type;
        return NULL;
    }
    out->len = (uint16_t)plain_take(text, out->text);
    switch (type == PEN_IOC_TYPES ? type_of(out) : type) {
    case PEN_IOC_IPV4:
    case PEN_IOC_IPV6:
        return address_take(out);
    case PEN_IOC_DOMAIN:
        return domain_take(out);
    case PEN_IOC_URL:
        return url_take(out);
    case PEN_IOC_FILE:
        return hash_take(out);
    case PEN_IOC_AGENT:
    case PEN_IOC_TYPES:
        break;
    }
    return "is no address, network, domain, URL or hash";
}
