/* tested by tests/unit/state/test_snapshot.c */
#include "penstock/state.h"

#include "state_whole.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* What adds up over shards: one of those that read a file takes them. */
struct saved_counters {
    uint64_t released, duplicates, late, opened, signals_evicted;
    uint64_t groups_evicted, window_events_evicted, values_limited, new_values_evicted;
    uint64_t behind_log, places_evicted, anomaly_late, anomaly_evicted;
};

/* ---- saving ---- */

static void save_rules(const struct pen_state *s, struct snapshot_writer *w)
{
    struct pen_buf scratch;
    pen_buf_init(&scratch, STATE_RULE_BYTES_MAX);
    for (uint32_t i = 0; w->status == PEN_OK && i < s->options.rule_count; i++) {
        uint64_t hash = 0;
        w->status = pen_state_rule_hash(&scratch, &s->options.rules[i], &hash);
        snapshot_begin(w, SNAPSHOT_RULE, i, SNAPSHOT_MIXED);
        snapshot_add(w, &hash, sizeof(hash));
        snapshot_add_text(w, s->options.rules[i].id);
        snapshot_add_shape(w, &s->options.rules[i]);
        snapshot_end(w);
    }
    pen_buf_fini(&scratch);
}

static void save_counters(const struct pen_state *s, struct snapshot_writer *w)
{
    const struct pen_state_counters c = pen_state_counters_get(s);
    const struct saved_counters saved = {.released = c.released,
                                         .duplicates = c.duplicates,
                                         .late = c.late,
                                         .opened = c.signals_opened,
                                         .signals_evicted = c.evicted,
                                         .groups_evicted = c.groups_evicted,
                                         .window_events_evicted = c.window_events_evicted,
                                         .values_limited = c.values_limited,
                                         .new_values_evicted = c.new_values_evicted,
                                         .behind_log = c.behind_log,
                                         .places_evicted = c.places_evicted,
                                         .anomaly_late = c.anomaly_late,
                                         .anomaly_evicted = c.anomaly_groups_evicted};
    const struct record_head head = {.kind = SNAPSHOT_COUNTERS, .partition = SNAPSHOT_MIXED};
    if (s->options.rule_count > 0) {
        snapshot_put(w, &head, (pen_slice){(const uint8_t *)&saved, sizeof(saved)});
    }
}

/* Where the next observation may be.  Behind everything there is no watermark to tell it: whatever
 * comes at or before the largest time of all may still change what the end has closed. */
static int64_t position_of(const struct pen_state *s)
{
    const int64_t last = s->release_max > s->time_max ? s->release_max : s->time_max;
    return s->released_to < INT64_MAX - 1 ? s->released_to : pen_state_add(last, 1);
}

/* A state that was loaded may have released nothing since. */
static void take_positions(const struct pen_state *s, struct snapshot_head *head)
{
    const int64_t now = position_of(s);
    for (uint32_t p = 0; p < PEN_PARTITIONS; p++) {
        head->position[p] = now > s->position[p] ? now : s->position[p];
    }
}

static pen_status write_all(struct pen_state *s, struct pen_snapshot_info *out, int fd,
                            struct pen_err *err)
{
    struct snapshot_writer w;
    snapshot_start(&w, fd);
    w.head.shard = s->options.shard;
    w.head.shards = s->options.shards;
    w.head.rules = s->options.rule_count;
    w.head.epoch = out->epoch;
    take_positions(s, &w.head);
    out->position_ns = snapshot_position(&w.head);
    w.head.time_max = s->time_max;
    w.head.hash_key = s->options.hash_key;
    save_rules(s, &w);
    save_counters(s, &w);
    pen_state_signals_save(&s->signals, s->options.hash_key, &w);
    pen_groups_save(&s->groups, &w);
    pen_new_values_save(&s->new_values, &w);
    const pen_status st = snapshot_finish(&w, err);
    snapshot_writer_fini(&w);
    return st;
}

static pen_status write_file(struct pen_state *s, int dir, struct pen_snapshot_info *out,
                             struct pen_err *err)
{
    const int fd = openat(dir, out->name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return PEN_FAIL(err, pen_status_of_write(errno), 0, "%s/%s: %s", s->dir, out->name,
                        strerrordesc_np(errno));
    }
    struct pen_err why = {0};
    pen_status st = write_all(s, out, fd, &why);
    if (st == PEN_OK && (fsync(fd) != 0 || fsync(dir) != 0)) {
        st = PEN_FAIL(&why, pen_status_of_write(errno), PEN_NO_OFFSET, "fsync: %s",
                      strerrordesc_np(errno));
    }
    const off_t end = lseek(fd, 0, SEEK_END);
    out->bytes = end < 0 ? 0 : (uint64_t)end;
    (void)close(fd);
    return st == PEN_OK
               ? PEN_OK
               : PEN_FAIL(err, st, why.offset, "%s/%s cannot be written: %s", s->dir, out->name,
                          why.status == PEN_OK ? pen_status_text(st) : why.text);
}

pen_status pen_state_snapshot(struct pen_state *state, uint64_t epoch,
                              struct pen_snapshot_info *out, struct pen_err *err)
{
    PEN_CHECK(!state->gathering.is_used && !state->is_behind);
    *out = (struct pen_snapshot_info){.epoch = epoch,
                                      .shard = state->options.shard,
                                      .shards = state->options.shards,
                                      .time_max_ns = state->time_max};
    const uint32_t stage = state->options.stage;
    (void)snprintf(out->name, sizeof(out->name), "%s-%llu-%u.zst", stage > 0 ? "stage" : "snapshot",
                   (unsigned long long)epoch, stage > 0 ? stage : state->options.shard);
    const int dir = open(state->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        return PEN_FAIL(err, PEN_E_IO, 0, "%s: %s", state->dir, strerrordesc_np(errno));
    }
    const pen_status st = write_file(state, dir, out, err);
    (void)close(dir);
    if (st == PEN_OK) {
        state->own_count = state->own_opened = 0; /* what they held is never asked for again */
    }
    return st;
}

/* ---- and back ---- */

struct loading {
    struct pen_state *state;
    struct snapshot_reader *reader;
    uint32_t *rules; /* by place in the snapshot: that in the set, or UINT32_MAX */
    struct pen_buf scratch;
};

/* Whether the rule is in the set as it was. */
static pen_status load_rule(struct loading *l, struct snapshot_record *r)
{
    struct pen_state *s = l->state;
    struct snapshot_rule rule;
    uint32_t at = 0;
    uint64_t hash = 0;
    if (!snapshot_get_rule(r, &rule)) {
        return PEN_E_CORRUPT;
    }
    l->rules[r->rule] = UINT32_MAX;
    if (!pen_state_find_rule(s, rule.id, &at)) {
        return PEN_OK;
    }
    PEN_TRY(pen_state_rule_hash(&l->scratch, &s->options.rules[at], &hash));
    if (hash == rule.hash) {
        l->rules[r->rule] = at;
        s->is_anew[at] = false;
    }
    return PEN_OK;
}

static pen_status load_counters(struct loading *l, struct snapshot_record *r)
{
    struct pen_state *s = l->state;
    struct saved_counters saved;
    if (!snapshot_get(r, &saved, sizeof(saved)) || r->rest.len > 0) {
        return PEN_E_CORRUPT;
    }
    if (l->reader->head.shard % s->options.shards != s->options.shard) {
        return PEN_OK;
    }
    s->counters.released += saved.released;
    s->counters.duplicates += saved.duplicates;
    s->counters.behind_log += saved.behind_log;
    s->groups.places_evicted += saved.places_evicted;
    s->groups.anomaly_late += saved.anomaly_late;
    s->groups.anomaly_evicted += saved.anomaly_evicted;
    s->behind_loaded += saved.behind_log;
    s->signals.late += saved.late;
    s->signals.opened += saved.opened;
    s->signals.evicted += saved.signals_evicted;
    s->groups.evicted += saved.groups_evicted;
    s->groups.window.events_evicted += saved.window_events_evicted;
    s->groups.window.values_limited += saved.values_limited;
    s->new_values.evicted += saved.new_values_evicted;
    return PEN_OK;
}

/* A record of a rule that is as it was, and of a partition of ours or of mixed ones. */
static pen_status load_part(struct pen_state *s, struct snapshot_record *r)
{
    switch (r->kind) {
    case SNAPSHOT_SIGNAL:
    case SNAPSHOT_SIGNAL_SAMPLE:
    case SNAPSHOT_SIGNAL_STAGED:
        return pen_state_signals_load(&s->signals, r);
    case SNAPSHOT_GROUP:
    case SNAPSHOT_GROUP_EVENTS:
    case SNAPSHOT_GROUP_SAMPLE:
    case SNAPSHOT_GROUP_TRAVEL:
    case SNAPSHOT_GROUP_HISTORY:
    case SNAPSHOT_GROUP_COLD:
        return pen_groups_load(&s->groups, r);
    case SNAPSHOT_VALUES:
    case SNAPSHOT_VALUE_GROUP:
        return pen_new_values_load(&s->new_values, r);
    case SNAPSHOT_RULE:
    case SNAPSHOT_COUNTERS:
    default:
        return PEN_E_CORRUPT; /* what is added gets a newer version */
    }
}

static pen_status load_record(struct loading *l, struct snapshot_record *r)
{
    struct pen_state *s = l->state;
    if (r->kind == SNAPSHOT_RULE) {
        return load_rule(l, r);
    }
    if (r->kind == SNAPSHOT_COUNTERS) {
        return load_counters(l, r);
    }
    r->rule = l->rules[r->rule];
    const bool is_owned =
        r->partition == SNAPSHOT_MIXED || r->partition % s->options.shards == s->options.shard;
    return r->rule == UINT32_MAX || !is_owned ? PEN_OK : load_part(s, r);
}

static pen_status load_records(struct loading *l, struct pen_err *err)
{
    for (;;) {
        struct snapshot_record record;
        bool more = false;
        PEN_TRY(snapshot_reader_next(l->reader, &record, &more, err));
        if (!more) {
            return PEN_OK;
        }
        const pen_status st = load_record(l, &record);
        if (st != PEN_OK) {
            return PEN_FAIL(err, st, l->reader->blocks.offset, "%s: a record is not sound: %s",
                            l->reader->blocks.name, pen_status_text(st));
        }
    }
}

/* Of partitions that the file has and this state owns. */
static void load_positions(struct pen_state *s, const struct snapshot_head *head)
{
    for (uint32_t p = 0; p < PEN_PARTITIONS; p++) {
        if (p % head->shards == head->shard && p % s->options.shards == s->options.shard) {
            s->position[p] = head->position[p];
            const int64_t last = pen_state_add(head->position[p], -1);
            s->release_max = last > s->release_max ? last : s->release_max;
        }
    }
    pen_state_seen(s, head->time_max);
}

static pen_status load_file(struct pen_state *s, struct snapshot_reader *reader,
                            struct pen_err *err)
{
    const struct snapshot_head *head = &reader->head;
    if (head->hash_key != s->options.hash_key) {
        return PEN_FAIL(err, PEN_E_CORRUPT, 0, "%s is of another job", reader->blocks.name);
    }
    if (head->shards == s->options.shards && head->shard != s->options.shard) {
        pen_state_seen(s, head->time_max);
        return PEN_OK; /* none of its partitions is ours */
    }
    struct loading l = {.state = s, .reader = reader};
    for (uint32_t i = 0; !s->has_snapshot && i < s->options.rule_count; i++) {
        s->is_anew[i] = true; /* until a file tells that it is not */
    }
    s->has_snapshot = true;
    load_positions(s, head);
    l.rules = calloc((size_t)reader->head.rules + 1, sizeof(*l.rules));
    if (l.rules == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "%s", reader->blocks.name);
    }
    pen_buf_init(&l.scratch, STATE_RULE_BYTES_MAX);
    const pen_status st = load_records(&l, err);
    pen_buf_fini(&l.scratch);
    free(l.rules);
    s->signals.loading = NULL;
    s->groups.loading = NULL;
    return st;
}

pen_status pen_state_load(struct pen_state *state, pen_slice name, struct pen_err *err)
{
    struct snapshot_reader reader;
    char text[STATE_RUN_NAME_MAX];
    PEN_CHECK(!state->released);
    PEN_TRY(pen_state_file_name(name, text, err));
    pen_status st = snapshot_reader_open(&reader, state->dir, text, err);
    st = st == PEN_OK ? load_file(state, &reader, err) : st;
    snapshot_reader_fini(&reader);
    return st;
}

void pen_state_begin(struct pen_state *state, int64_t position_ns)
{
    PEN_CHECK(state->has_snapshot && !state->released);
    state->begins_at = position_ns;
}

bool pen_state_is_behind(const struct pen_state *state)
{
    return state->is_behind;
}

int64_t pen_state_log_from(const struct pen_state *s)
{
    int64_t from = INT64_MAX;
    for (uint32_t i = 0; i < s->options.rule_count; i++) {
        if (s->is_anew[i]) {
            return INT64_MIN;
        }
    }
    for (uint32_t p = s->options.shard; p < PEN_PARTITIONS; p += s->options.shards) {
        from = s->position[p] < from ? s->position[p] : from;
    }
    return s->has_snapshot ? from : INT64_MIN;
}
