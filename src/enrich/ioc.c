#include "ioc.h"

#include <inttypes.h>
#include <stdlib.h>

const char *pen_ioc_type_name(enum pen_ioc_type type)
{
    static const char *const names[PEN_IOC_TYPES] = {
        [PEN_IOC_IPV4] = "ipv4-addr",     [PEN_IOC_IPV6] = "ipv6-addr",
        [PEN_IOC_DOMAIN] = "domain-name", [PEN_IOC_URL] = "url",
        [PEN_IOC_FILE] = "file",          [PEN_IOC_AGENT] = "user-agent"};
    return names[type];
}

/* ---- open and close ---- */

/* What all lists hold, and the table of it. */
static pen_status table_make(struct pen_iocs *iocs, const struct pen_ioc_limits *limits,
                             struct pen_err *err)
{
    uint64_t rows = 0;
    for (uint32_t i = 0; i < iocs->list_count; i++) {
        rows += iocs->lists[i]->row_count;
    }
    if (rows > limits->entries_max || rows >= IOC_NONE) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "enrich.ioc: %" PRIu64 " indicators in %u lists, ioc.entries_max is "
                        "%" PRIu64,
                        rows, iocs->list_count, limits->entries_max);
    }
    return ioc_index(iocs, err);
}

pen_status pen_iocs_open(const char *const *paths, uint32_t count,
                         const struct pen_ioc_limits *limits, struct pen_iocs **out,
                         struct pen_err *err)
{
    *out = NULL;
    if (count == 0 || count > PEN_IOC_LISTS_MAX) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "enrich.ioc: 1 to %u lists, not %u",
                        PEN_IOC_LISTS_MAX, count);
    }
    struct pen_iocs *iocs = calloc(1, sizeof(*iocs));
    if (iocs == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "enrich.ioc: out of memory");
    }
    pen_status st = PEN_OK;
    iocs->users = 1;
    for (uint32_t i = 0; st == PEN_OK && i < count; i++) {
        st = ioc_list_open(paths[i], limits, &iocs->lists[i], err);
        iocs->list_count += st == PEN_OK;
    }
    st = st == PEN_OK ? table_make(iocs, limits, err) : st;
    if (st != PEN_OK) {
        pen_iocs_close(iocs);
        return st;
    }
    *out = iocs;
    return PEN_OK;
}

void pen_iocs_close(struct pen_iocs *iocs)
{
    if (iocs == NULL || --iocs->users > 0) {
        return;
    }
    for (uint32_t i = 0; i < iocs->list_count; i++) {
        ioc_list_leave(iocs->lists[i]);
    }
    free(iocs->slots);
    free(iocs->nets);
    pen_arena_fini(&iocs->arena);
    free(iocs);
}

uint64_t pen_iocs_bytes(const struct pen_iocs *iocs)
{
    uint64_t bytes = iocs->slot_count * sizeof(*iocs->slots) + iocs->arena.used_bytes +
                     iocs->net_count * sizeof(*iocs->nets);
    for (uint32_t i = 0; i < iocs->list_count; i++) {
        bytes += ioc_list_bytes(iocs->lists[i]);
    }
    return bytes;
}

/* ---- reload ---- */

static bool is_list_new(const struct ioc_list *now, const struct mmdb_stamp *refused,
                        struct mmdb_stamp *stamp)
{
    return mmdb_stamp_of(now->path, stamp) && !mmdb_stamp_same(stamp, &now->stamp) &&
           !mmdb_stamp_same(stamp, refused);
}

bool ioc_is_changed(const struct pen_iocs *now, const struct mmdb_stamp *refused)
{
    bool is_changed = false;
    for (uint32_t i = 0; i < now->list_count && !is_changed; i++) {
        struct mmdb_stamp stamp;
        is_changed = is_list_new(now->lists[i], &refused[i], &stamp);
    }
    return is_changed;
}

/* The list as its file is now, when that is another content that can be used, else as it was. */
static pen_status list_next(struct ioc_list *now, const struct pen_ioc_limits *limits,
                            struct mmdb_stamp *refused, struct ioc_list **out, struct pen_err *err)
{
    struct mmdb_stamp stamp;
    *out = now;
    if (!is_list_new(now, refused, &stamp)) {
        now->users++;
        return PEN_OK;
    }
    const pen_status st = ioc_list_open(now->path, limits, out, err);
    if (st != PEN_OK) {
        *refused = st == PEN_E_USAGE ? stamp : *refused;
        *out = now;
        now->users++;
    }
    return st;
}

pen_status ioc_reload(const struct pen_iocs *now, const struct pen_ioc_limits *limits,
                      struct mmdb_stamp *refused, struct pen_iocs **out, struct pen_err *err)
{
    struct pen_iocs *next = calloc(1, sizeof(*next));
    *out = NULL;
    if (next == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "enrich.ioc: out of memory");
    }
    pen_status st = PEN_OK;
    bool is_changed = false;
    next->users = 1;
    next->list_count = now->list_count;
    for (uint32_t i = 0; i < now->list_count; i++) {
        const pen_status got = list_next(now->lists[i], limits, &refused[i], &next->lists[i],
                                         st == PEN_OK ? err : NULL);
        const bool is_same = next->lists[i] == now->lists[i];
        next->is_old |= (uint64_t)is_same << i;
        is_changed |= !is_same;
        st = st == PEN_OK ? got : st;
    }
    const pen_status made = is_changed ? table_make(next, limits, st == PEN_OK ? err : NULL) : st;
    if (!is_changed || made != PEN_OK) {
        for (uint32_t i = 0; is_changed && i < next->list_count; i++) {
            refused[i] = next->lists[i]->stamp; /* the lists are good, but too much together */
        }
        pen_iocs_close(next);
        return st != PEN_OK ? st : made;
    }
    *out = next;
    return st;
}

/* ---- what there is ---- */

uint32_t pen_iocs_count(const struct pen_iocs *iocs)
{
    return iocs->list_count;
}

void pen_iocs_list(const struct pen_iocs *iocs, uint32_t index, struct pen_ioc_list *out)
{
    const struct ioc_list *list = iocs->lists[index];
    const bool is_own = list->date_ns != INT64_MIN;
    *out = (struct pen_ioc_list){.path = list->path,
                                 .name = list->name,
                                 .date_ns = is_own ? list->date_ns : list->stamp.mtime_ns,
                                 .is_own_date = is_own,
                                 .indicators = iocs->indicators[index],
                                 .rejected = list->rejected,
                                 .ended = list->ended};
}

static pen_status list_words(const struct ioc_list *list, struct pen_buf *out)
{
    PEN_TRY(pen_buf_add(out, pen_buf_slice(&list->problems)));
    return list->rejected <= IOC_PROBLEMS_SHOWN
               ? PEN_OK
               : pen_buf_printf(out, "%s: %" PRIu64 " more cannot be used\n", list->path,
                                list->rejected - IOC_PROBLEMS_SHOWN);
}

pen_status pen_iocs_words(const struct pen_iocs *iocs, struct pen_buf *out)
{
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < iocs->list_count; i++) {
        const bool is_old = (iocs->is_old >> i & 1U) != 0;
        st = is_old ? PEN_OK : list_words(iocs->lists[i], out);
    }
    return st;
}

pen_status pen_iocs_stale_words(const struct pen_iocs *iocs, uint64_t stale, int64_t now_ns,
                                struct pen_buf *out)
{
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < iocs->list_count; i++) {
        struct pen_ioc_list list;
        char date[PEN_TIME_MAX];
        pen_iocs_list(iocs, i, &list);
        const int len = (int)pen_format_time(list.date_ns, date);
        st =
            (stale >> i & 1U) == 0
                ? PEN_OK
                : pen_buf_printf(out, "%s: %s %.*s, %" PRId64 " hours ago: ioc.max_age is less\n",
                                 list.path, list.is_own_date ? "says that it is of" : "was written",
                                 len, date, (now_ns - list.date_ns) / (3600 * PEN_NS_PER_S));
    }
    return st;
}

uint64_t pen_iocs_stale(const struct pen_iocs *iocs, int64_t age_ns, int64_t now_ns)
{
    uint64_t stale = 0;
    for (uint32_t i = 0; age_ns > 0 && i < iocs->list_count; i++) {
        struct pen_ioc_list list;
        pen_iocs_list(iocs, i, &list);
        stale |= (uint64_t)(list.date_ns < now_ns - age_ns) << i;
    }
    return stale;
}
