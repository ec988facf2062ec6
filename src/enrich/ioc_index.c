/* tested by tests/unit/enrich/test_ioc.c */
#include "ioc.h"

#include <stdlib.h>

#define RANGES_BYTES_MAX ((size_t)8 << 30)
#define SLOTS_MIN 16U
#define PORT_DIGITS_MAX 5U

/* Values of different kinds are different keys. */
enum key { KEY_ADDRESS, KEY_DOMAIN, KEY_URL, KEY_FILE, KEY_AGENT };
static const uint8_t key_of[PEN_IOC_TYPES] = {
    [PEN_IOC_IPV4] = KEY_ADDRESS, [PEN_IOC_IPV6] = KEY_ADDRESS, [PEN_IOC_DOMAIN] = KEY_DOMAIN,
    [PEN_IOC_URL] = KEY_URL,      [PEN_IOC_FILE] = KEY_FILE,    [PEN_IOC_AGENT] = KEY_AGENT};
_Static_assert(PEN_IOC_AS_ADDRESS == 1U << KEY_ADDRESS && PEN_IOC_AS_DOMAIN == 1U << KEY_DOMAIN &&
                   PEN_IOC_AS_URL == 1U << KEY_URL && PEN_IOC_AS_FILE == 1U << KEY_FILE &&
                   PEN_IOC_AS_AGENT == 1U << KEY_AGENT,
               "bits are those of keys");

/* ---- rows of all lists ---- */

static uint32_t list_of(const struct pen_iocs *iocs, uint32_t row)
{
    uint32_t list = iocs->list_count - 1;
    while (iocs->first_row[list] > row) {
        list--;
    }
    return list;
}

static const struct ioc_row *row_of(const struct pen_iocs *iocs, uint32_t row,
                                    const struct ioc_list **list)
{
    const uint32_t index = list_of(iocs, row);
    *list = iocs->lists[index];
    return ioc_row_at(*list, row - iocs->first_row[index]);
}

/* What rows of a key are compared by: the text, of addresses their bytes. */
static pen_slice key_bytes(enum key key, pen_slice text, uint8_t addr[16])
{
    if (key != KEY_ADDRESS) {
        return text;
    }
    const bool is_address = range_address(text, addr);
    PEN_CHECK(is_address); /* it was when the list was read */
    return (pen_slice){addr, 16};
}

static uint64_t hash_of(enum key key, pen_slice bytes)
{
    return pen_hash64(bytes, key);
}

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32) | 1U;
}

static bool is_row(const struct pen_iocs *iocs, uint32_t row_index, enum key key, pen_slice bytes)
{
    const struct ioc_list *list;
    const struct ioc_row *row = row_of(iocs, row_index, &list);
    uint8_t addr[16];
    return key_of[row->type] == key &&
           pen_slice_eq(key_bytes(key, ioc_row_text(list, row), addr), bytes);
}

/* ---- building ---- */

/* Of one list the first row of a value counts. */
static void slot_add(struct pen_iocs *iocs, uint32_t index, uint32_t row_index)
{
    const struct ioc_list *list = iocs->lists[index];
    const struct ioc_row *row = ioc_row_at(list, row_index - iocs->first_row[index]);
    const enum key key = (enum key)key_of[row->type];
    uint8_t addr[16];
    const pen_slice bytes = key_bytes(key, ioc_row_text(list, row), addr);
    const uint64_t hash = hash_of(key, bytes);
    const uint32_t tag = tag_of(hash);
    uint32_t at = (uint32_t)hash & (iocs->slot_count - 1);
    for (; iocs->slots[at].tag != 0; at = (at + 1) & (iocs->slot_count - 1)) {
        if (iocs->slots[at].tag == tag && iocs->slots[at].row >= iocs->first_row[index] &&
            is_row(iocs, iocs->slots[at].row, key, bytes)) {
            return;
        }
    }
    iocs->slots[at] = (struct ioc_slot){.tag = tag, .row = row_index};
    iocs->indicators[index]++;
}

static int net_order(const void *a, const void *b)
{
    const struct range *x = a;
    const struct range *y = b;
    int order = memcmp(x->from, y->from, 16);
    order = order != 0 ? order : memcmp(y->to, x->to, 16);
    return order != 0 ? order : (x->value > y->value) - (x->value < y->value);
}

static bool is_same_net(const struct range *a, const struct range *b)
{
    return memcmp(a->from, b->from, 16) == 0 && memcmp(a->to, b->to, 16) == 0;
}

/*
 * Sorted items to chains: a network's rows one behind another, then those of the network around it.
 * Leaves in items one of each network, its value the first of its chain; returns how many.
 */
static uint32_t nets_chain(struct pen_iocs *iocs, struct range *items, uint32_t count)
{
    uint32_t heads = 0; /* items that are kept */
    uint32_t last_list = IOC_NONE;
    for (uint32_t i = 0; i < count; i++) {
        const struct range item = items[i];
        const uint32_t list = list_of(iocs, item.value);
        const bool is_again = heads > 0 && is_same_net(&items[heads - 1], &item);
        if (is_again && list == last_list) {
            continue;
        }
        last_list = list;
        iocs->indicators[list]++;
        struct ioc_net *net = &iocs->nets[iocs->net_count];
        net->row = item.value;
        net->next = is_again ? items[heads - 1].value : IOC_NONE;
        heads += !is_again;
        items[heads - 1] = item;
        items[heads - 1].value = iocs->net_count++;
    }
    return heads;
}

/* Ends the chain of each network with that of the one around it. */
static void nets_nest(struct pen_iocs *iocs, const struct range *items, uint32_t count)
{
    const struct range *open[129];
    uint32_t depth = 0;
    for (uint32_t i = 0; i < count; i++) {
        while (depth > 0 && memcmp(open[depth - 1]->to, items[i].from, 16) < 0) {
            depth--;
        }
        uint32_t last = items[i].value;
        while (iocs->nets[last].next != IOC_NONE) {
            last = iocs->nets[last].next;
        }
        iocs->nets[last].next = depth > 0 ? open[depth - 1]->value : IOC_NONE;
        PEN_CHECK(depth < PEN_COUNT(open));
        open[depth++] = &items[i];
    }
}

static pen_status nets_build(struct pen_iocs *iocs, struct range *items, uint32_t count)
{
    const struct range *twice = NULL;
    if (count == 0) {
        return PEN_OK;
    }
    iocs->nets = calloc(count, sizeof(*iocs->nets));
    if (iocs->nets == NULL) {
        return PEN_E_NOMEM;
    }
    qsort(items, count, sizeof(*items), net_order);
    count = nets_chain(iocs, items, count);
    nets_nest(iocs, items, count);
    const pen_status st = ranges_build(&iocs->arena, items, count, &iocs->ranges, &twice);
    PEN_CHECK(st != PEN_E_RULE); /* there is one of each */
    return st;
}

static void list_add(struct pen_iocs *iocs, uint32_t index, struct range *nets, uint32_t *net_count)
{
    const struct ioc_list *list = iocs->lists[index];
    for (uint32_t i = 0; i < list->row_count; i++) {
        const struct ioc_row *row = ioc_row_at(list, i);
        iocs->present |= 1U << key_of[row->type];
        if (row->is_network == 0) {
            slot_add(iocs, index, iocs->first_row[index] + i);
            continue;
        }
        struct pen_err err = {0};
        const pen_status st = range_parse(ioc_row_text(list, row), &nets[*net_count], &err);
        PEN_CHECK(st == PEN_OK); /* it was when the list was read */
        nets[(*net_count)++].value = iocs->first_row[index] + i;
    }
}

static uint32_t networks_of(const struct ioc_list *list)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < list->row_count; i++) {
        count += ioc_row_at(list, i)->is_network;
    }
    return count;
}

pen_status ioc_index(struct pen_iocs *iocs, struct pen_err *err)
{
    uint32_t rows = 0;
    uint32_t networks = 0;
    uint32_t net_count = 0;
    pen_arena_init(&iocs->arena, RANGES_BYTES_MAX);
    for (uint32_t i = 0; i < iocs->list_count; i++) {
        iocs->first_row[i] = rows;
        rows += iocs->lists[i]->row_count;
        networks += networks_of(iocs->lists[i]);
    }
    iocs->slot_count = SLOTS_MIN;
    while (iocs->slot_count / 2 < rows - networks) {
        iocs->slot_count *= 2;
    }
    iocs->slots = calloc(iocs->slot_count, sizeof(*iocs->slots));
    struct range *nets = calloc((size_t)networks + 1, sizeof(*nets));
    pen_status st = iocs->slots == NULL || nets == NULL ? PEN_E_NOMEM : PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < iocs->list_count; i++) {
        list_add(iocs, i, nets, &net_count);
    }
    st = st == PEN_OK ? nets_build(iocs, nets, net_count) : st;
    free(nets);
    return st == PEN_OK ? PEN_OK : PEN_FAIL(err, st, PEN_NO_OFFSET, "enrich.ioc: out of memory");
}

/* ---- finding ---- */

struct finding {
    const struct pen_iocs *iocs;
    struct pen_ioc *out;
    uint32_t count, max;
    bool is_public;
};

static void row_found(struct finding *f, uint32_t row_index, pen_slice found)
{
    const struct ioc_list *list;
    if (f->count == f->max) {
        return;
    }
    const struct ioc_row *row = row_of(f->iocs, row_index, &list);
    struct pen_ioc *to = &f->out[f->count++];
    *to = (struct pen_ioc){.type = (enum pen_ioc_type)row->type,
                           .value = ioc_row_text(list, row),
                           .found = found,
                           .list = list->name,
                           .provider = list->name,
                           .first_seen_ns = INT64_MIN,
                           .last_seen_ns = INT64_MIN,
                           .modified_ns = INT64_MIN};
    if (row->detail == IOC_NONE) {
        return;
    }
    const struct ioc_detail *detail = ioc_detail_at(list, row->detail);
    if (detail->words[IOC_PROVIDER].len > 0) {
        to->provider = ioc_text_at(list, detail->words[IOC_PROVIDER]);
    }
    to->name = ioc_text_at(list, detail->words[IOC_NAME]);
    to->description = ioc_text_at(list, detail->words[IOC_DESCRIPTION]);
    to->reference = ioc_text_at(list, detail->words[IOC_REFERENCE]);
    to->category = ioc_text_at(list, detail->words[IOC_CATEGORY]);
    to->first_seen_ns = detail->first_seen_ns;
    to->last_seen_ns = detail->last_seen_ns;
    to->modified_ns = detail->modified_ns;
}

static void key_find(struct finding *f, enum key key, pen_slice bytes, pen_slice found)
{
    const struct pen_iocs *iocs = f->iocs;
    const uint64_t hash = hash_of(key, bytes);
    const uint32_t tag = tag_of(hash);
    uint32_t at = (uint32_t)hash & (iocs->slot_count - 1);
    for (; iocs->slots[at].tag != 0; at = (at + 1) & (iocs->slot_count - 1)) {
        if (iocs->slots[at].tag == tag && is_row(iocs, iocs->slots[at].row, key, bytes)) {
            row_found(f, iocs->slots[at].row, found);
        }
    }
}

static bool is_private(const uint8_t addr[16])
{
    static const uint8_t zero[15];
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *a = addr + 12;
    if (memcmp(addr, mapped, sizeof(mapped)) == 0) {
        return a[0] == 0 || a[0] == 10 || a[0] == 127 || (a[0] == 172 && (a[1] & 0xf0) == 16) ||
               (a[0] == 192 && a[1] == 168);
    }
    return (addr[0] & 0xfe) == 0xfc || (memcmp(addr, zero, sizeof(zero)) == 0 && addr[15] <= 1);
}

static bool address_find(struct finding *f, pen_slice text)
{
    uint8_t addr[16];
    if (!range_address(text, addr)) {
        return false;
    }
    if (f->is_public && is_private(addr)) {
        return true;
    }
    key_find(f, KEY_ADDRESS, (pen_slice){addr, sizeof(addr)}, text);
    uint32_t net = f->iocs->net_count == 0 ? IOC_NONE : ranges_find(&f->iocs->ranges, addr);
    _Static_assert(RANGE_NONE == IOC_NONE, "none");
    for (; net != IOC_NONE; net = f->iocs->nets[net].next) {
        row_found(f, f->iocs->nets[net].row, text);
    }
    return true;
}

static void domain_find(struct finding *f, pen_slice text)
{
    uint8_t name[IOC_DOMAIN_MAX];
    const size_t len = ioc_domain_take(text, name);
    if (len > 0) {
        key_find(f, KEY_DOMAIN, (pen_slice){name, len}, text);
    }
}

static void hash_find(struct finding *f, pen_slice text)
{
    uint8_t digits[IOC_HASH_MAX];
    const size_t len = ioc_hash_take(text, digits);
    if (len > 0) {
        key_find(f, KEY_FILE, (pen_slice){digits, len}, text);
    }
}

static void host_find(struct finding *f, uint32_t kinds, pen_slice text)
{
    const bool is_address = (kinds & PEN_IOC_AS_ADDRESS) != 0 && address_find(f, text);
    if (!is_address && (kinds & PEN_IOC_AS_DOMAIN) != 0) {
        domain_find(f, text);
    }
}

/* "host:port" and "[address]:port" without the port; false: there is none. */
static bool port_cut(pen_slice text, pen_slice *host)
{
    size_t at = text.len;
    while (at > 0 && text.ptr[at - 1] >= '0' && text.ptr[at - 1] <= '9') {
        at--;
    }
    const bool has_port =
        at > 1 && at < text.len && text.ptr[at - 1] == ':' && text.len - at <= PORT_DIGITS_MAX;
    const size_t end = has_port ? at - 1 : text.len;
    const bool has_brackets = end > 2 && text.ptr[0] == '[' && text.ptr[end - 1] == ']';
    *host = has_brackets ? pen_slice_sub(text, 1, end - 1) : pen_slice_sub(text, 0, end);
    return has_port || has_brackets;
}

/* Between "://" and the path, without a user. */
static bool host_cut(pen_slice text, pen_slice *host)
{
    const size_t scheme = pen_slice_find(text, PEN_SLICE_LIT("://"));
    if (scheme == SIZE_MAX) {
        return false;
    }
    size_t from = scheme + 3;
    size_t end = from;
    for (; end < text.len && strchr("/?#\\ ", text.ptr[end]) == NULL; end++) {
        from = text.ptr[end] == '@' ? end + 1 : from;
    }
    *host = pen_slice_sub(text, from, end);
    return host->len > 0;
}

/* "address/32" and "address/128", as rules of firewalls have them. */
static bool prefix_cut(pen_slice text, pen_slice *address)
{
    static const char *const whole[] = {"/32", "/128"};
    for (size_t i = 0; i < PEN_COUNT(whole); i++) {
        const size_t len = strlen(whole[i]);
        if (text.len > len &&
            pen_slice_eq(pen_slice_sub(text, text.len - len, text.len), pen_slice_str(whole[i]))) {
            *address = pen_slice_sub(text, 0, text.len - len);
            return true;
        }
    }
    return false;
}

static void parts_find(struct finding *f, uint32_t kinds, pen_slice text)
{
    pen_slice host = text;
    if (prefix_cut(text, &host)) {
        host_find(f, kinds & PEN_IOC_AS_ADDRESS, host);
    } else if (host_cut(text, &host)) {
        (void)port_cut(host, &host);
        host_find(f, kinds, host);
    } else if (port_cut(text, &host)) {
        host_find(f, kinds, host);
    }
}

static void whole_find(struct finding *f, uint32_t kinds, pen_slice text)
{
    host_find(f, kinds, text);
    if ((kinds & PEN_IOC_AS_FILE) != 0) {
        hash_find(f, text);
    }
    if ((kinds & PEN_IOC_AS_URL) != 0) {
        key_find(f, KEY_URL, text, text);
    }
    if ((kinds & PEN_IOC_AS_AGENT) != 0) {
        key_find(f, KEY_AGENT, text, text);
    }
}

uint32_t pen_iocs_find(const struct pen_iocs *iocs, uint32_t kinds, pen_slice text,
                       struct pen_ioc *out, uint32_t max)
{
    struct finding f = {
        .iocs = iocs, .out = out, .max = max, .is_public = (kinds & PEN_IOC_PUBLIC) != 0};
    const uint32_t wanted = kinds & iocs->present;
    const bool has_hosts = (wanted & (PEN_IOC_AS_ADDRESS | PEN_IOC_AS_DOMAIN)) != 0;
    if (text.len == 0 || wanted == 0) {
        return 0;
    }
    if (PEN_LIKELY(text.len <= PEN_IOC_VALUE_MAX)) {
        whole_find(&f, wanted, text);
    }
    if (f.count == 0 && (kinds & PEN_IOC_AS_PARTS) != 0 && has_hosts) {
        parts_find(&f, wanted, text);
    }
    return f.count;
}
