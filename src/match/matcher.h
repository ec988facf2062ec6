/* matcher.h - a matcher from inside: run.c runs it, profile.c measures its programs. */
#ifndef PEN_MATCH_MATCHER_H
#define PEN_MATCH_MATCHER_H

#include "engine.h"

/* What is known of a predicate on this record; kept with the stamp in one word. */
enum verdict { UNKNOWN, CANDIDATE, HOLDS, FAILS };
#define STAMP_SHIFT 2
#define STAMP_MAX (UINT32_MAX >> STAMP_SHIFT)

struct pen_matcher {
    const struct pen_engine *engine;
    struct match_scratch scratch;
    struct pen_buf scan;  /* what Hyperscan sees */
    struct pen_buf plain; /* one value unescaped */
    struct pen_buf fold;  /* one value folded */
    hs_scratch_t *hs;
    const struct pen_record *record;
    uint32_t *marks;
    uint64_t *pending; /* queries to run, one bit each */
    uint64_t *summary; /* words of pending that are not zero */
    uint32_t *tags;
    uint32_t stamp;
    bool has_wide;   /* a scanned value beyond ASCII: reports are only candidates */
    bool has_object; /* a scanned object: reports are candidates where objects do not count */
    bool is_short;   /* the buffer had no room: every scanned predicate is a candidate */
    struct pen_matcher_counters counters;
    pen_capture_fn *capture;
    void *capture_ctx;
    struct pen_profile *profile; /* borrowed; NULL: nothing is measured */
};

static inline enum verdict known(const struct pen_matcher *m, uint32_t pred)
{
    const uint32_t mark = m->marks[pred];
    return mark >> STAMP_SHIFT == m->stamp ? (enum verdict)(mark & 3U) : UNKNOWN;
}

static inline void note(struct pen_matcher *m, uint32_t pred, enum verdict verdict)
{
    m->marks[pred] = m->stamp << STAMP_SHIFT | (uint32_t)verdict;
}

/* profile.c: as run_pending, and what it took goes to m->profile. */
uint32_t pen_match_profile_run(struct pen_matcher *m);
/* The processor's time stamp counter. */
static inline uint64_t pen_match_ticks(void)
{
    return __builtin_ia32_rdtsc();
}
/* A record is through: begin is when it began, run when its queries were queued. */
void pen_match_profile_record(struct pen_profile *profile, uint64_t begin, uint64_t run);

#endif
