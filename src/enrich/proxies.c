#include "proxies.h"

#define OPTION "enrich.trusted_proxies"
#define ARENA_MAX ((size_t)4 << 20)

static uint32_t entries(pen_slice list)
{
    pen_slice one;
    uint32_t count = 0;
    while (pen_slice_split(&list, ',', &one)) {
        count++;
    }
    return count;
}

static pen_status entry_read(pen_slice entry, struct range *out, struct pen_err *err)
{
    struct pen_err why = {0};
    const pen_status st = entry.len == 0 ? PEN_E_RULE : range_parse(entry, out, &why);
    out->value = 0;
    return st == PEN_OK ? PEN_OK
                        : PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                                   OPTION ": `%.*s` is no address and no network%s%s",
                                   PEN_SLICE_FMT(entry), entry.len == 0 ? "" : ": ", why.text);
}

static void twice_tell(pen_slice list, const struct range *twice, struct pen_err *err)
{
    struct range range;
    pen_slice one;
    while (pen_slice_split(&list, ',', &one)) {
        one = pen_slice_trim(one);
        if (range_parse(one, &range, NULL) == PEN_OK &&
            memcmp(range.from, twice->from, sizeof(range.from)) == 0 &&
            memcmp(range.to, twice->to, sizeof(range.to)) == 0) {
            break;
        }
    }
    (void)PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, OPTION ": %.*s is there twice",
                   PEN_SLICE_FMT(one));
}

pen_status proxies_read(pen_slice list, struct proxies *out, struct pen_err *err)
{
    const uint32_t count = entries(list);
    const struct range *twice = NULL;
    pen_slice rest = list;
    pen_slice one;
    uint32_t i = 0;
    pen_arena_init(&out->arena, ARENA_MAX);
    if (count > PROXIES_MAX) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, OPTION ": more than %u entries",
                        PROXIES_MAX);
    }
    struct range *items = PEN_NEW_N(&out->arena, struct range, (size_t)count + 1);
    if (items == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, OPTION ": out of memory");
    }
    while (pen_slice_split(&rest, ',', &one)) {
        PEN_TRY(entry_read(pen_slice_trim(one), &items[i++], err));
    }
    const pen_status st = ranges_build(&out->arena, items, count, &out->networks, &twice);
    if (twice != NULL) {
        twice_tell(list, twice, err);
        return PEN_E_USAGE;
    }
    return st == PEN_OK ? PEN_OK : PEN_FAIL(err, st, PEN_NO_OFFSET, OPTION ": out of memory");
}

void proxies_fini(struct proxies *proxies)
{
    pen_arena_fini(&proxies->arena);
}

bool proxies_have(const struct proxies *proxies, pen_slice ip)
{
    uint8_t addr[16];
    return range_address(ip, addr) && ranges_find(&proxies->networks, addr) != RANGE_NONE;
}
