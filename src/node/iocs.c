/* tested by tests/e2e/test_ioc.py */
#include "penstock/node.h"

#include "control.h"

#include <inttypes.h>

#define WORDS_BYTES_MAX ((size_t)4 << 20)

static const struct pen_iocs *iocs_of(const struct control *c)
{
    const struct pen_enrich *enrich = c->program->enrich;
    return enrich == NULL ? NULL : pen_enrich_iocs(enrich);
}

static void lines_say(const struct control *c, const struct pen_buf *lines)
{
    pen_slice rest = pen_buf_slice(lines);
    pen_slice line;
    while (rest.len > 0 && pen_slice_split(&rest, '\n', &line)) {
        SAY(c, WARN, "penstock: warning: %.*s\n", (int)line.len, (const char *)line.ptr);
    }
}

void iocs_say(struct control *c, bool is_new)
{
    const struct pen_iocs *iocs = iocs_of(c);
    struct pen_buf lines;
    if (iocs == NULL) {
        return;
    }
    const int64_t now_ns = pen_clock_wall_ns();
    const uint64_t stale = pen_iocs_stale(iocs, c->options->ioc_max_age_ns, now_ns);
    pen_buf_init(&lines, WORDS_BYTES_MAX);
    pen_status st = is_new ? pen_iocs_words(iocs, &lines) : PEN_OK;
    st = st == PEN_OK ? pen_iocs_stale_words(iocs, stale & ~c->iocs_stale, now_ns, &lines) : st;
    lines_say(c, &lines);
    if (st != PEN_OK) {
        SAY(c, WARN, "penstock: warning: no memory for more about lists of indicators\n");
    }
    c->iocs_stale = stale;
    pen_buf_fini(&lines);
}

/* The name of the file, the end of it when it is long. */
static void name_copy(const char *path, char out[PEN_IOC_STATE_NAME])
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    const size_t len = strlen(name);
    const size_t from = len < PEN_IOC_STATE_NAME ? 0 : len - PEN_IOC_STATE_NAME + 1;
    memcpy(out, name + from, len - from + 1);
}

void iocs_fill(const struct control *c, struct pen_ioc_state *out)
{
    const struct pen_iocs *iocs = iocs_of(c);
    *out = (struct pen_ioc_state){0};
    if (iocs == NULL) {
        return;
    }
    const uint64_t stale = pen_iocs_stale(iocs, c->options->ioc_max_age_ns, pen_clock_wall_ns());
    out->lists = pen_iocs_count(iocs);
    for (uint32_t i = 0; i < out->lists; i++) {
        struct pen_ioc_list list;
        pen_iocs_list(iocs, i, &list);
        out->indicators += list.indicators;
        out->rejected += list.rejected;
        out->ended += list.ended;
        if ((stale >> i & 1U) != 0) {
            name_copy(list.path, out->stale[out->stale_count++]);
        }
    }
}
