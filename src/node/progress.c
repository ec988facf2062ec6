/* tested by tests/e2e/test_summary.py */
#include "control.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PROGRESS_LINE_NS (INT64_C(10) * PEN_NS_PER_S)
#define COLUMNS_DEFAULT 80U /* of a terminal that does not tell */
#define PART_MAX 64U

/* The line's parts as they follow each other; rank 0 stays longest. */
enum {
    PART_OBJECTS,
    PART_BYTES,
    PART_RECORDS,
    PART_SPEED,
    PART_WORST,
    PART_MILD,
    PART_ETA,
    PART_SINK,
    PART_CREDENTIALS,
    PART_NAMES,
    PARTS
};
static const uint8_t rank_of[PARTS] = {
    [PART_OBJECTS] = 0, [PART_CREDENTIALS] = 1, [PART_SINK] = 2, [PART_NAMES] = 3,
    [PART_RECORDS] = 4, [PART_WORST] = 5,       [PART_ETA] = 6,  [PART_SPEED] = 7,
    [PART_BYTES] = 8,   [PART_MILD] = 9,
};

/* Looked at for every line: windows change their size. */
static uint32_t columns_of_terminal(void)
{
    struct winsize size = {0};
    const bool is_known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return is_known ? size.ws_col : COLUMNS_DEFAULT;
}

/* "5/9 objects (3 before)", of all that earlier runs did or this one is to do. */
static void objects_fill(const struct control *c, char part[PART_MAX])
{
    const uint64_t pruned = c->objects_pruned <= c->planner.files ? c->objects_pruned : 0;
    const int len = snprintf(part, PART_MAX, "%" PRIu64 "/%" PRIu64 " objects",
                             c->objects_before + c->objects_done, c->planner.files - pruned);
    if (c->objects_before > 0) {
        (void)snprintf(part + len, PART_MAX - (size_t)len, " (%" PRIu64 " before)",
                       c->objects_before);
    }
}

/* Of what was found; pruned objects are taken to be as large as others. */
static double bytes_wanted(const struct control *c)
{
    const uint64_t files = c->planner.files;
    const uint64_t pruned = c->objects_pruned <= files ? c->objects_pruned : 0;
    return files == 0 ? 0 : (double)c->planner.bytes * (double)(files - pruned) / (double)files;
}

/* Who waits for what, `most` bytes of others' words, as ASCII; what NULL: nobody. */
static void waits_fill(const char *who, const char *what, int most, char part[PART_MAX])
{
    part[0] = '\0';
    if (what == NULL) {
        return;
    }
    int len = snprintf(part, PART_MAX, ", %s %.*s", who, most, what);
    for (; len > 0; len--) {
        char *at = &part[len - 1];
        if (*at < ' ' || *at > '~') {
            *at = '?';
        }
    }
}

/* Of the first who has none: where those that expired were from. */
static const char *credentials_awaited(const struct control *c)
{
    const bool has_keys = c->sink_keys.renewal != NULL;
    const char *awaited = has_keys ? renew_waits_for(&c->sink_keys) : NULL;
    for (uint32_t i = 0; awaited == NULL && i < c->planner.bucket_count; i++) {
        awaited = renew_waits_for(bucket_credentials(c->planner.buckets[i]));
    }
    return awaited;
}

/* A host that no name server tells about. */
static void names_fill(const struct control *c, char part[PART_MAX])
{
    char late[PART_MAX - 16];
    part[0] = '\0';
    if (addresses_late(c, late, sizeof(late))) {
        (void)snprintf(part, PART_MAX, ", no address of %s", late);
    }
}

static void parts_fill(const struct control *c, double seconds, char parts[PARTS][PART_MAX])
{
    const struct pen_totals *committed = &c->committed.totals;
    const uint64_t records =
        committed->records_in + c->now.totals.records_in + c->next.totals.records_in;
    const uint64_t plain =
        committed->bytes_plain + c->now.totals.bytes_plain + c->next.totals.bytes_plain;
    const struct signals_db_totals signals = signals_db_totals_get(c->signals);
    const uint64_t *by = signals.by_severity;
    objects_fill(c, parts[PART_OBJECTS]);
    (void)snprintf(parts[PART_BYTES], PART_MAX, ", %.1f MB read", (double)c->bytes_done / 1e6);
    (void)snprintf(parts[PART_RECORDS], PART_MAX, ", %" PRIu64 " records", records);
    (void)snprintf(parts[PART_SPEED], PART_MAX, " (%.0f/s, %.0f MB/s)",
                   (double)(records - c->records_before) / seconds,
                   (double)(plain - c->plain_before) / 1e6 / seconds);
    (void)snprintf(parts[PART_WORST], PART_MAX, ", signals %" PRIu64 " critical %" PRIu64 " high",
                   by[PEN_CRITICAL], by[PEN_HIGH]);
    (void)snprintf(parts[PART_MILD], PART_MAX, " %" PRIu64 " medium %" PRIu64 " low",
                   by[PEN_MEDIUM], by[PEN_LOW]);
    waits_fill("sink waits:", sink_state(c), 40, parts[PART_SINK]);
    waits_fill("waits for credentials:", credentials_awaited(c), 30, parts[PART_CREDENTIALS]);
    names_fill(c, parts[PART_NAMES]);
    parts[PART_ETA][0] = '\0';
    const double left = bytes_wanted(c) - (double)(c->bytes_before + c->bytes_done);
    if (c->bytes_done > 0 && left > 0) {
        (void)snprintf(parts[PART_ETA], PART_MAX, ", %.0f s left",
                       seconds * left / (double)c->bytes_done);
    }
}

/* Empties the parts of the highest ranks until the rest is at most `most` bytes long, which are as
 * many columns: parts are ASCII. */
static void parts_fit(char parts[PARTS][PART_MAX], size_t most)
{
    size_t len = 0;
    for (uint32_t i = 0; i < PARTS; i++) {
        len += strlen(parts[i]);
    }
    for (uint32_t rank = PARTS - 1; rank > 0 && len > most; rank--) {
        for (uint32_t i = 0; i < PARTS; i++) {
            if (rank_of[i] == rank) {
                len -= strlen(parts[i]);
                parts[i][0] = '\0';
            }
        }
    }
    if (len > most) {
        parts[PART_OBJECTS][most] = '\0';
    }
}

void progress(struct control *c, bool is_last)
{
    const int64_t now = pen_clock_mono_ns();
    const bool is_terminal = c->options->is_terminal;
    if (c->options->no_progress || c->options->log_level < PEN_LOG_INFO ||
        (!is_last && now - c->progress_at_ns < (is_terminal ? 2 * TURN_NS : PROGRESS_LINE_NS))) {
        return;
    }
    c->progress_at_ns = now;
    char parts[PARTS][PART_MAX];
    parts_fill(c, (double)(now - c->started_ns) / 1e9, parts);
    if (is_terminal) { /* a character in the last column may begin a new line */
        parts_fit(parts, columns_of_terminal() - 1);
    }
    char line[PARTS * PART_MAX] = "";
    size_t len = 0;
    for (uint32_t i = 0; i < PARTS; i++) {
        const size_t part = strlen(parts[i]);
        memcpy(line + len, parts[i], part + 1);
        len += part;
    }
    (void)fprintf(stderr, "%s%s%s", is_terminal ? "\r\033[K" : "penstock: ", line,
                  is_terminal && !is_last ? "" : "\n");
}
