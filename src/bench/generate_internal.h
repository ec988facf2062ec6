/* Private to src/bench: random numbers and the text of one CloudTrail record. */
#ifndef GENERATE_INTERNAL_H
#define GENERATE_INTERNAL_H

#include "penstock/bench.h"

struct gen_rng {
    uint64_t x;
};
uint64_t pen_bench_next(struct gen_rng *rng);
uint32_t pen_bench_below(struct gen_rng *rng, uint32_t n);

struct gen_record {
    const char *account; /* 12 digits */
    const char *region;
    int64_t time_ns;
    int32_t planted; /* index of the story, or -1 */
};

#define GEN_RECORD_MAX 8192U
#define GEN_UUID 36U

extern const uint32_t pen_bench_story_count;
const char *pen_bench_story_name(uint32_t index);
/* Writes one record; to has GEN_RECORD_MAX bytes.  Returns its length; event_id gets 36 digits. */
size_t pen_bench_record(struct gen_rng *rng, const struct gen_record *r, char *to,
                        char event_id[GEN_UUID + 1]);

#endif
