/*
 * penstock/bench.h - sample data: the CloudTrail logs of an organisation, made from a seed.
 *
 * Writes a tree as CloudTrail lays it out in a bucket, with an attack story planted in it and a
 * list of what was planted.  The same options give the same bytes.  All names, accounts and
 * addresses are invented; addresses are from the ranges kept for documentation (RFC 5737).
 */
#ifndef PEN_BENCH_H
#define PEN_BENCH_H

#include "penstock/base.h"

enum pen_generate_shape {
    PEN_GENERATE_ORGANISATION, /* half of the objects small, a few large */
    PEN_GENERATE_TINY,         /* many objects of about 4 KB compressed */
    PEN_GENERATE_HUGE          /* one object of plain_bytes */
};

#define PEN_GENERATE_ACCOUNTS_MAX 10000U
#define PEN_GENERATE_REGIONS_MAX 8U
#define PEN_GENERATE_DAYS_MAX 3660U

struct pen_generate_options {
    const char *dir; /* made if it is missing; existing objects of the same name are replaced */
    enum pen_generate_shape shape;
    uint64_t seed;
    uint32_t accounts, regions, days; /* 1 to the maximum each */
    int64_t first_day_ns;             /* any time within the first day, 1970 to 2261 */
    uint64_t plain_bytes; /* about; at least one object for each planted event is made */
};

struct pen_generate_result {
    uint64_t objects, records, plain_bytes, packed_bytes;
    uint32_t planted; /* events listed in DIR/expected.json */
};

/*
 * pen_bench_generate - writes DIR/AWSLogs/... and DIR/expected.json.
 *
 * expected.json is {"planted":[{"account","region","event_name","event_id","time","object"}]}.
 * Returns  PEN_OK | PEN_E_USAGE (an option out of range) | PEN_E_IO | PEN_E_NOSPACE | PEN_E_NOMEM
 * Thread   any; blocking file I/O.   Source  CloudTrail record contents, version 1.08
 */
PEN_MUST_USE pen_status pen_bench_generate(const struct pen_generate_options *options,
                                           struct pen_generate_result *result, struct pen_err *err);

#endif
