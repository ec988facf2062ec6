/* tested by tests/e2e/test_types_of.py */
#include "script.h"

#include "penstock/match.h"

bool script_is_one(pen_slice text, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (script_is(text, *words)) {
            return true;
        }
    }
    return false;
}

static uint8_t *room(struct pen_normalizer *n, size_t bytes)
{
    struct pen_buf *buf = &n->scratch;
    if (bytes > buf->cap - buf->len) {
        return NULL;
    }
    uint8_t *at = buf->ptr + buf->len;
    buf->len += bytes;
    return at;
}

pen_slice script_lower(struct pen_normalizer *n, pen_slice text)
{
    uint8_t *to = room(n, text.len);
    if (to == NULL) {
        return (pen_slice){0};
    }
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.ptr[i];
        to[i] = c >= 'A' && c <= 'Z' ? c | 0x20 : c;
    }
    return (pen_slice){to, text.len};
}

pen_slice script_join(struct pen_normalizer *n, pen_slice a, pen_slice b)
{
    uint8_t *to = room(n, a.len + b.len);
    if (to == NULL) {
        return (pen_slice){0};
    }
    if (a.len > 0) {
        memcpy(to, a.ptr, a.len);
    }
    if (b.len > 0) {
        memcpy(to + a.len, b.ptr, b.len);
    }
    return (pen_slice){to, a.len + b.len};
}

pen_slice script_concat(struct pen_normalizer *n, const pen_slice *parts, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += parts[i].len;
    }
    uint8_t *to = room(n, bytes);
    size_t at = 0;
    for (size_t i = 0; to != NULL && i < count; i++) {
        if (parts[i].len > 0) {
            memcpy(to + at, parts[i].ptr, parts[i].len);
            at += parts[i].len;
        }
    }
    return (pen_slice){to, at};
}

pen_slice script_escaped(struct pen_normalizer *n, pen_slice plain)
{
    n->text.len = 0;
    if (pen_json_escape(&n->text, plain) != PEN_OK) {
        return (pen_slice){0};
    }
    const pen_slice text = pen_buf_slice(&n->text);
    return script_concat(n, &text, 1);
}

static uint32_t hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9' ? (uint32_t)c - '0' : (uint32_t)(c | 0x20) - 'a' + 10;
}

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

pen_slice script_percent(struct pen_normalizer *n, pen_slice text)
{
    if (text.len == 0 || memchr(text.ptr, '%', text.len) == NULL) {
        return text;
    }
    n->plain.len = 0;
    if (pen_buf_reserve(&n->plain, text.len) != PEN_OK) {
        return text;
    }
    uint8_t *p = n->plain.ptr;
    const size_t len = pen_json_unescape(text, p);
    size_t to = 0;
    for (size_t at = 0; at < len; at++) {
        const bool is_byte = p[at] == '%' && at + 2 < len && is_hex(p[at + 1]) && is_hex(p[at + 2]);
        p[to++] = is_byte ? (uint8_t)(hex_digit(p[at + 1]) << 4 | hex_digit(p[at + 2])) : p[at];
        at += is_byte ? 2 : 0;
    }
    const pen_slice decoded = script_escaped(n, (pen_slice){p, to});
    return decoded.ptr == NULL ? text : decoded;
}

void nrm_list_add(struct pen_normalizer *n, uint32_t slot, pen_slice text)
{
    struct nrm_value *value = &n->slots[slot];
    uint8_t addr[16];
    uint8_t bits;
    if (nrm_is_empty(text) || (n->schema->slots[slot].is_ip && !pen_ip_parse(text, addr, &bits))) {
        return;
    }
    if (value->kind != NRM_LIST) {
        *value = (struct nrm_value){.kind = NRM_LIST, .item_first = n->item_count};
    }
    for (uint32_t i = 0; i < value->item_count; i++) {
        if (pen_slice_eq(n->items[value->item_first + i].text, text)) {
            return;
        }
    }
    /* Items of a list stand together: one that is not the last moves behind all others. */
    const bool is_last = value->item_first + value->item_count == n->item_count;
    const uint32_t moved = is_last ? 0 : value->item_count;
    if (n->item_count + moved >= NRM_ITEMS_MAX) {
        return;
    }
    for (uint32_t i = 0; i < moved; i++) {
        n->items[n->item_count + i] = n->items[value->item_first + i];
    }
    value->item_first = is_last ? value->item_first : n->item_count;
    n->item_count += moved;
    n->items[n->item_count++] =
        (struct nrm_item){.text = text, .is_escaped = memchr(text.ptr, '\\', text.len) != NULL};
    value->item_count++;
}

void script_list_add(struct pen_normalizer *n, uint32_t slot, pen_slice text)
{
    nrm_list_add(n, n->schema->script_slots[slot], text);
}

static bool is_before(pen_slice a, pen_slice b)
{
    const size_t shorter = a.len < b.len ? a.len : b.len;
    const int order = memcmp(a.ptr, b.ptr, shorter);
    return order < 0 || (order == 0 && a.len < b.len);
}

void script_list_sort(struct pen_normalizer *n, uint32_t slot)
{
    const struct nrm_value *value = script_slot(n, slot);
    struct nrm_item *items = n->items + value->item_first;
    for (uint32_t i = 1; value->kind == NRM_LIST && i < value->item_count; i++) {
        const struct nrm_item item = items[i];
        uint32_t at = i;
        for (; at > 0 && is_before(item.text, items[at - 1].text); at--) {
            items[at] = items[at - 1];
        }
        items[at] = item;
    }
}

uint32_t script_tree(struct pen_normalizer *n, const struct pen_value *value)
{
    uint32_t root = NRM_TREE_NONE;
    n->tree.count = 0;
    if (value == NULL || (value->kind != PEN_ARRAY && value->kind != PEN_OBJECT) ||
        nrm_tree_parse(&n->tree, value->text, &root) != PEN_OK) {
        return NRM_TREE_NONE;
    }
    return root;
}

pen_slice script_below(const struct pen_normalizer *n, uint32_t node, const char *const *path)
{
    for (; node != NRM_TREE_NONE && *path != NULL; path++) {
        const bool is_list = n->tree.nodes[node].kind == PEN_ARRAY;
        node = is_list && **path == '0' ? n->tree.nodes[node].first
                                        : nrm_tree_member(&n->tree, node, pen_slice_str(*path));
    }
    const bool is_text = node != NRM_TREE_NONE && (n->tree.nodes[node].kind == PEN_STRING ||
                                                   n->tree.nodes[node].kind == PEN_NUMBER);
    return is_text ? n->tree.nodes[node].text : (pen_slice){0};
}

void script_id(struct pen_normalizer *n, struct pen_doc *doc, pen_slice own_id, pen_slice suffix)
{
    const pen_slice parts[] = {own_id, PEN_SLICE_LIT("_"), suffix};
    const pen_slice id = script_concat(n, parts, PEN_COUNT(parts));
    if (id.len > 0) {
        n->own_id = own_id;
        doc->id = id;
        doc->event_id = id;
    }
}

pen_slice script_key(const struct pen_normalizer *n)
{
    const pen_slice both = pen_buf_slice(&n->basics_key);
    const uint8_t *end = both.len == 0 ? NULL : memchr(both.ptr, 0, both.len);
    return end == NULL ? (pen_slice){0}
                       : pen_slice_sub(both, (size_t)(end + 1 - both.ptr), both.len);
}

pen_slice script_after_last(pen_slice text, uint8_t byte)
{
    size_t from = text.len;
    while (from > 0 && text.ptr[from - 1] != byte) {
        from--;
    }
    return pen_slice_sub(text, from, text.len);
}

pen_slice script_part(pen_slice text, uint8_t byte, uint32_t number)
{
    pen_slice part = {0};
    for (uint32_t i = 0; i <= number; i++) {
        if (!pen_slice_split(&text, byte, &part)) {
            return (pen_slice){0};
        }
    }
    return part;
}

pen_slice script_word(pen_slice *rest)
{
    size_t n = 0;
    while (n < rest->len && ((rest->ptr[n] >= '0' && rest->ptr[n] <= '9') || rest->ptr[n] == '_' ||
                             ((rest->ptr[n] | 0x20) >= 'a' && (rest->ptr[n] | 0x20) <= 'z'))) {
        n++;
    }
    const pen_slice word = pen_slice_sub(*rest, 0, n);
    *rest = pen_slice_sub(*rest, n, rest->len);
    return word;
}

pen_slice script_without_tail(pen_slice text, uint8_t byte)
{
    text = pen_slice_trim(text);
    while (text.len > 0 && text.ptr[text.len - 1] == byte) {
        text.len--;
    }
    return text;
}

pen_slice script_group(const struct pen_normalizer *n)
{
    return n->told == NULL ? (pen_slice){0} : n->told->group;
}

pen_slice script_stream(const struct pen_normalizer *n)
{
    return n->told == NULL ? (pen_slice){0} : n->told->stream;
}

/* "i-" and 8 or 17 digits and small letters, with no letter or digit around; {0}: there is none. */
static pen_slice instance_in(pen_slice text)
{
    while (text.len > 0) {
        const size_t at = pen_slice_find(text, PEN_SLICE_LIT("i-"));
        if (at == SIZE_MAX) {
            break;
        }
        const bool is_begin = at == 0 || strchr("/_.-:= ", text.ptr[at - 1]) != NULL;
        pen_slice rest = pen_slice_sub(text, at + 2, text.len);
        const pen_slice word = script_word(&rest);
        if (is_begin && (word.len == 8 || word.len == 17)) {
            return (pen_slice){word.ptr - 2, word.len + 2};
        }
        text = rest;
    }
    return (pen_slice){0};
}

void script_instance_set(struct pen_normalizer *n, uint32_t instance, uint32_t hosts)
{
    const pen_slice id = instance_in(script_stream(n));
    if (id.len > 0) {
        script_set(n, instance, id);
        script_list_add(n, hosts, id);
    }
}
