/*
 * ioc.h - lists of threat indicators: rows of one file, and the table over the rows of several.
 *
 * Rows are small and hold places in a buffer of texts: a million take about 30 MB.  A list never
 * changes once it was read, and several tables may hold it.
 */
#ifndef PEN_ENRICH_IOC_H
#define PEN_ENRICH_IOC_H

#include "penstock/enrich.h"

#include "mmdb.h"
#include "ranges.h"

#define IOC_NONE UINT32_MAX
#define IOC_PROBLEMS_SHOWN 5U
#define IOC_PROBLEM_BYTES ((size_t)768) /* of one, without the path */
#define IOC_DOMAIN_MAX 253U

/* ---- a value ---- */

struct ioc_value { /* in the form in which it is kept */
    enum pen_ioc_type type;
    bool is_network;
    uint16_t len;
    uint8_t text[PEN_IOC_VALUE_MAX];
};
/* Reads what a list says: as the type, or as what it looks like (PEN_IOC_TYPES).  NULL, or why it
 * cannot be used. */
const char *ioc_value_read(pen_slice text, enum pen_ioc_type type, struct ioc_value *out);
/* Lower case, without a dot at the end, in a buffer of IOC_DOMAIN_MAX; 0: it is no domain. */
size_t ioc_domain_take(pen_slice text, uint8_t *out);
/* Likewise of IOC_HASH_MAX; 0: it is not of the length or the letters of a hash. */
#define IOC_HASH_MAX 128U
size_t ioc_hash_take(pen_slice text, uint8_t *out);

/* ---- a list ---- */

struct ioc_row {
    uint32_t text_at;
    uint32_t detail; /* or IOC_NONE */
    uint16_t text_len;
    uint8_t type;
    uint8_t is_network;
};
enum ioc_word { IOC_PROVIDER, IOC_NAME, IOC_DESCRIPTION, IOC_REFERENCE, IOC_CATEGORY, IOC_WORDS };
struct ioc_text {
    uint32_t at;
    uint32_t len;
};
struct ioc_detail {
    struct ioc_text words[IOC_WORDS];
    int64_t first_seen_ns, last_seen_ns, modified_ns;
};
struct ioc_list {
    char *path;
    pen_slice name; /* in path */
    struct mmdb_stamp stamp;
    uint32_t users; /* tables that have it */
    struct pen_buf texts, rows, details;
    uint32_t row_count, detail_count;
    uint64_t rejected, ended;
    int64_t date_ns;         /* INT64_MIN: it does not say */
    struct pen_buf problems; /* lines */
};

static inline const struct ioc_row *ioc_row_at(const struct ioc_list *list, uint32_t index)
{
    return (const struct ioc_row *)(const void *)list->rows.ptr + index;
}
static inline const struct ioc_detail *ioc_detail_at(const struct ioc_list *list, uint32_t index)
{
    return (const struct ioc_detail *)(const void *)list->details.ptr + index;
}
static inline pen_slice ioc_text_at(const struct ioc_list *list, struct ioc_text text)
{
    return pen_slice_sub(pen_buf_slice(&list->texts), text.at, (size_t)text.at + text.len);
}
static inline pen_slice ioc_row_text(const struct ioc_list *list, const struct ioc_row *row)
{
    return ioc_text_at(list, (struct ioc_text){row->text_at, row->text_len});
}

/* ---- while a file is read ---- */

struct ioc_reading {
    struct ioc_list *list;
    uint64_t entries_max; /* of this list */
    int64_t now_ns;
    uint32_t line;          /* 0: problems name something else */
    struct ioc_value value; /* of the row at hand */
    /* Of the rows to come, borrowed; those of no text are left out. */
    pen_slice words[IOC_WORDS];
    int64_t first_seen_ns, last_seen_ns, modified_ns;
    uint32_t detail; /* of the row before, when words and times are still the same; or IOC_NONE */
    char why[160];   /* of PEN_E_USAGE */
};
#define IOC_BAD(r, ...) ((void)snprintf((r)->why, sizeof((r)->why), __VA_ARGS__), PEN_E_USAGE)

/* Words and times are empty from here on. */
void ioc_detail_begin(struct ioc_reading *r);
/* Adds an indicator with the words and times of now; one that cannot be used is rejected, which is
 * no failure.  PEN_OK | PEN_E_USAGE (a limit) | PEN_E_NOMEM */
PEN_MUST_USE pen_status ioc_row_add(struct ioc_reading *r, pen_slice text, enum pen_ioc_type type);
/* Counts what cannot be used; the first are told.  what names it: the line, or of STIX the id. */
void ioc_reject(struct ioc_reading *r, pen_slice what, const char *why);
/* The form that a text is in. */
PEN_MUST_USE pen_status ioc_read_text(struct ioc_reading *r, pen_slice text);
bool ioc_is_csv(pen_slice text);
PEN_MUST_USE pen_status ioc_read_csv(struct ioc_reading *r, pen_slice text);
/* text is followed by PEN_JSON_PADDING bytes. */
PEN_MUST_USE pen_status ioc_read_stix(struct ioc_reading *r, pen_slice text);
/*
 * ioc_read_pattern - the indicators of a STIX pattern, as rows.
 *
 * unused   NULL, or what of the pattern cannot be used (when it is one of several that any may
 *          fit, the others are rows)
 */
PEN_MUST_USE pen_status ioc_read_pattern(struct ioc_reading *r, pen_slice pattern,
                                         const char **unused);
/* Takes what is a date in a comment as that of the list. */
void ioc_date_take(struct ioc_reading *r, pen_slice comment);

/* Reads bytes as a list, from a buffer with PEN_JSON_PADDING bytes of room behind them. */
PEN_MUST_USE pen_status ioc_list_read(struct ioc_reading *r, pen_slice text);
/* PEN_OK | PEN_E_USAGE (names the option, the file and why) | PEN_E_NOMEM; one user then. */
PEN_MUST_USE pen_status ioc_list_open(const char *path, const struct pen_ioc_limits *limits,
                                      struct ioc_list **out, struct pen_err *err);
void ioc_list_leave(struct ioc_list *list); /* one user less; may be NULL */
uint64_t ioc_list_bytes(const struct ioc_list *list);

/* ---- the table ---- */

struct ioc_slot {
    uint32_t tag; /* of its hash; 0: empty */
    uint32_t row; /* in the order of the lists */
};
struct ioc_net {
    uint32_t row;
    uint32_t next; /* of the same network, then of those around it; IOC_NONE */
};
struct pen_iocs {
    struct ioc_list *lists[PEN_IOC_LISTS_MAX];
    uint32_t first_row[PEN_IOC_LISTS_MAX]; /* of each list */
    uint32_t list_count;
    uint64_t is_old;  /* lists that a table before had too, a bit each */
    uint32_t present; /* PEN_IOC_AS_ bits of what is in it */
    uint32_t users;   /* generations that have it */
    struct ioc_slot *slots;
    uint32_t slot_count; /* a power of two */
    struct ioc_net *nets;
    uint32_t net_count;
    struct ranges ranges;
    struct pen_arena arena; /* of ranges */
    uint64_t indicators[PEN_IOC_LISTS_MAX];
};
/* Makes the table of lists that iocs has; on failure too, pen_iocs_close frees all. */
PEN_MUST_USE pen_status ioc_index(struct pen_iocs *iocs, struct pen_err *err);
/* Whether a list has another content than is in use, that was not refused.  A stat of each. */
bool ioc_is_changed(const struct pen_iocs *now, const struct mmdb_stamp *refused);
/*
 * ioc_reload - a table of what the files are now, when any changed and can be used.
 *
 * refused  of each list: contents that were told to be of no use
 * out      NULL when nothing changed
 */
PEN_MUST_USE pen_status ioc_reload(const struct pen_iocs *now, const struct pen_ioc_limits *limits,
                                   struct mmdb_stamp *refused, struct pen_iocs **out,
                                   struct pen_err *err);

#endif
