#include "penstock/state.h"

#include "state_whole.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static pen_slice rule_id_at(const struct pen_state *s, uint32_t rule)
{
    return s->options.rules[rule].id;
}

static pen_status index_rules(struct pen_state *s)
{
    s->rule_slot_count = 16;
    while (s->rule_slot_count < 2 * s->options.rule_count) {
        s->rule_slot_count *= 2;
    }
    s->rule_slots = calloc(s->rule_slot_count, sizeof(*s->rule_slots));
    s->seeds = calloc((size_t)s->options.rule_count + 1, sizeof(*s->seeds));
    if (s->rule_slots == NULL || s->seeds == NULL) {
        return PEN_E_NOMEM;
    }
    for (uint32_t i = 0; i < s->options.rule_count; i++) {
        s->seeds[i] = pen_observation_seed(rule_id_at(s, i), s->options.hash_key);
        uint32_t at = (uint32_t)pen_hash64(rule_id_at(s, i), 0) & (s->rule_slot_count - 1);
        while (s->rule_slots[at] != 0) {
            at = (at + 1) & (s->rule_slot_count - 1);
        }
        s->rule_slots[at] = i + 1;
    }
    return PEN_OK;
}

bool pen_state_find_rule(const struct pen_state *s, pen_slice id, uint32_t *rule)
{
    uint32_t at = (uint32_t)pen_hash64(id, 0) & (s->rule_slot_count - 1);
    for (; s->rule_slots[at] != 0; at = (at + 1) & (s->rule_slot_count - 1)) {
        if (pen_slice_eq(rule_id_at(s, s->rule_slots[at] - 1), id)) {
            *rule = s->rule_slots[at] - 1;
            return true;
        }
    }
    return false;
}

/* A run of an earlier process names rules by id; their places may have moved. */
static bool find_rule(const struct pen_state *s, const struct pen_observation *o, uint32_t *rule)
{
    if (o->rule < s->options.rule_count && pen_slice_eq(rule_id_at(s, o->rule), o->rule_id)) {
        *rule = o->rule;
        return true;
    }
    return pen_state_find_rule(s, o->rule_id, rule);
}

/* The parts that are made of released observations. */
static pen_status released_init(struct pen_state *s)
{
    s->is_behind = s->has_snapshot = false;
    s->begins_at = INT64_MIN;
    s->released = false;
    s->released_to = s->release_max = INT64_MIN;
    s->last_key.len = 0;
    s->gathering.is_used = false;
    s->own_opened = 0;
    for (uint32_t p = 0; p < PEN_PARTITIONS; p++) {
        s->position[p] = INT64_MIN;
    }
    const struct pen_state_counters before = s->counters;
    s->counters = (struct pen_state_counters){.appended = before.appended,
                                              .log_bytes = before.log_bytes,
                                              .behind_log = before.behind_log - s->behind_loaded};
    s->behind_loaded = 0;
    const pen_status parts[] = {pen_state_merge_init(&s->merge, &s->options),
                                pen_state_signals_init(&s->signals, &s->options),
                                pen_groups_init(&s->groups, &s->options),
                                pen_new_values_init(&s->new_values, &s->options)};
    for (size_t i = 0; i < PEN_COUNT(parts); i++) {
        PEN_TRY(parts[i]);
    }
    s->signals.memory = (struct state_memory){.max = s->options.memory_bytes_max,
                                              .signals = &s->signals.bytes,
                                              .groups = &s->groups.bytes,
                                              .values = &s->new_values.bytes,
                                              .names = &s->new_values.groups.bytes};
    s->is_anew = calloc((size_t)s->options.rule_count + 1, sizeof(*s->is_anew));
    return s->is_anew == NULL ? PEN_E_NOMEM : PEN_OK;
}

static void released_fini(struct pen_state *s)
{
    pen_state_merge_fini(&s->merge);
    pen_groups_fini(&s->groups);
    pen_new_values_fini(&s->new_values);
    pen_state_signals_fini(&s->signals);
    free(s->is_anew);
    s->is_anew = NULL;
}

pen_status pen_state_reset(struct pen_state *state, struct pen_err *err)
{
    released_fini(state);
    const pen_status st = released_init(state);
    return st == PEN_OK ? st : PEN_FAIL(err, st, PEN_NO_OFFSET, "state: out of memory");
}

pen_status pen_state_new(const struct pen_state_options *options, struct pen_state **out,
                         struct pen_err *err)
{
    PEN_CHECK(options->shards > 0);
    PEN_CHECK(options->shard < options->shards);
    *out = NULL;
    if (mkdir(options->dir, 0700) != 0 && errno != EEXIST) {
        return PEN_FAIL(err, PEN_E_IO, 0, "%s: cannot be made (errno %d)", options->dir, errno);
    }
    struct pen_state *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "state");
    }
    s->options = *options;
    s->time_max = INT64_MIN;
    pen_buf_init(&s->last_key, (size_t)2 * PEN_OBSERVATION_KEY_MAX + 64);
    pen_buf_init(&s->gathering.first, STATE_BLOCK_MAX);
    pen_buf_init(&s->gathering.values, STATE_BLOCK_MAX);
    for (uint32_t i = 0; i < OPEN_RUNS; i++) {
        pen_state_open_init(&s->open[i]);
    }
    s->dir = strdup(options->dir);
    s->options.dir = s->dir;
    const pen_status parts[] = {pen_state_writer_init(&s->writer), released_init(s),
                                index_rules(s)};
    for (size_t i = 0; i < PEN_COUNT(parts); i++) {
        if (parts[i] != PEN_OK || s->dir == NULL) {
            pen_state_free(s);
            return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "state");
        }
    }
    *out = s;
    return PEN_OK;
}

void pen_state_free(struct pen_state *state)
{
    if (state == NULL) {
        return;
    }
    for (uint32_t i = 0; i < OPEN_RUNS; i++) {
        pen_state_open_fini(&state->open[i]);
    }
    pen_state_writer_fini(&state->writer);
    released_fini(state);
    free(state->own);
    pen_buf_fini(&state->gathering.first);
    pen_buf_fini(&state->gathering.values);
    pen_buf_fini(&state->last_key);
    free(state->rule_slots);
    free(state->seeds);
    free(state->dir);
    free(state);
}

void pen_state_seen(struct pen_state *state, int64_t event_time_ns)
{
    state->time_max = event_time_ns > state->time_max ? event_time_ns : state->time_max;
}

pen_status pen_state_file_name(pen_slice name, char out[STATE_RUN_NAME_MAX], struct pen_err *err)
{
    if (name.len == 0 || name.len >= STATE_RUN_NAME_MAX ||
        memchr(name.ptr, '/', name.len) != NULL) {
        return PEN_FAIL(err, PEN_E_CORRUPT, 0, "not the name of a state run: %.*s",
                        PEN_SLICE_FMT(name));
    }
    memcpy(out, name.ptr, name.len);
    out[name.len] = '\0';
    return PEN_OK;
}

pen_status pen_state_adopt(struct pen_state *state, pen_slice run_name, struct pen_err *err)
{
    PEN_CHECK(!state->released);
    char name[STATE_RUN_NAME_MAX];
    PEN_TRY(pen_state_file_name(run_name, name, err));
    struct run_head head;
    const int64_t from = pen_state_log_from(state);
    PEN_TRY(pen_state_merge_add(&state->merge, name, true, from, &head, err));
    pen_state_seen(state, head.time_max);
    return PEN_OK;
}

static struct open_run *find_open(struct pen_state *s, uint64_t epoch, bool make)
{
    struct open_run *spare = NULL;
    for (uint32_t i = 0; i < OPEN_RUNS; i++) {
        if (s->open[i].used && s->open[i].epoch == epoch) {
            return &s->open[i];
        }
        spare = s->open[i].used ? spare : &s->open[i];
    }
    if (make) {
        PEN_CHECK(spare != NULL); /* the current epoch and the next, no third */
        spare->used = true;
        spare->epoch = epoch;
        return spare;
    }
    return NULL;
}

/* Whether the state is already past the observation: a snapshot holds what came before. */
static bool is_past(const struct pen_state *s, const struct pen_observation *o, uint32_t partition)
{
    return pen_state_release_time(o) < s->position[partition] && !s->is_anew[o->rule];
}

void pen_state_expect(struct pen_state *state, uint64_t epoch, pen_slice actor, pen_slice source_ip)
{
    const struct open_run *run = find_open(state, epoch, false);
    if (run != NULL) {
        pack_expect(&run->table, pen_state_bounded(actor), pen_state_bounded(source_ip));
    }
}

uint32_t pen_state_partition(const struct pen_state *state, const struct pen_observation *o)
{
    PEN_DCHECK(o->rule < state->options.rule_count);
    return pen_observation_partition_by(state->seeds[o->rule], o->group);
}

pen_status pen_state_append(struct pen_state *state, uint64_t epoch,
                            const struct pen_observation *o, struct pen_err *err)
{
    return pen_state_append_at(state, epoch, o, pen_state_partition(state, o), err);
}

pen_status pen_state_append_at(struct pen_state *state, uint64_t epoch,
                               const struct pen_observation *observation, uint32_t partition,
                               struct pen_err *err)
{
    const struct pen_observation *o = observation;
    struct pen_observation late;
    PEN_DCHECK(o->rule < state->options.rule_count);
    PEN_DCHECK(partition % state->options.shards == state->options.shard);
    if (state->options.is_log_cut && pen_state_release_time(o) < state->options.log_from_ns) {
        late = *o;
        late.promise_ns = state->options.log_from_ns; /* the log of its time is gone */
        o = &late;
        state->counters.behind_log++;
    }
    state->is_behind |=
        is_past(state, o, partition) || pen_state_release_time(o) < state->begins_at;
    PEN_TRY(pen_state_open_add(find_open(state, epoch, true), o, partition, err));
    pen_state_seen(state, o->time_ns);
    state->counters.appended++;
    return PEN_OK;
}

uint64_t pen_state_open_bytes(const struct pen_state *state)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < OPEN_RUNS; i++) {
        bytes += state->open[i].bytes + state->open[i].count * OPEN_ENTRY_BYTES;
    }
    return bytes;
}

static pen_status sync_fd(int fd, const char *what, struct pen_err *err)
{
    return fsync(fd) == 0 ? PEN_OK
                          : PEN_FAIL(err, pen_status_of_write(errno), 0, "%s: fsync: %s", what,
                                     strerrordesc_np(errno));
}

static pen_status write_run(struct pen_state *s, struct open_run *run, int dir, const char *name,
                            struct pen_err *err)
{
    const int fd = openat(dir, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return PEN_FAIL(err, pen_status_of_write(errno), 0, "%s/%s: %s", s->dir, name,
                        strerrordesc_np(errno));
    }
    pen_status status = pen_state_open_write(run, &s->writer, fd, err);
    if (status == PEN_OK) {
        s->writer.head.epoch = run->epoch;
        s->writer.head.shard = s->options.shard;
        status = pen_state_writer_end(&s->writer, &run->table, err);
    }
    if (status == PEN_OK) {
        status = sync_fd(fd, name, err);
    }
    (void)close(fd);
    return status == PEN_OK ? sync_fd(dir, s->dir, err) : status;
}

pen_status pen_state_cut(struct pen_state *state, uint64_t epoch, char *run_name,
                         size_t run_name_cap, uint64_t *run_bytes, struct pen_err *err)
{
    PEN_CHECK(run_name_cap >= 32);
    run_name[0] = '\0';
    *run_bytes = 0;
    struct open_run *run = find_open(state, epoch, false);
    if (run == NULL || run->count == 0) {
        if (run != NULL) {
            run->used = false;
        }
        return PEN_OK;
    }
    if (state->pending_count == PENDING_MAX) {
        return PEN_FAIL(err, PEN_E_AGAIN, PEN_NO_OFFSET, "%u state runs await their commit",
                        PENDING_MAX);
    }
    struct pending_run *pending = &state->pending[state->pending_count];
    *pending = (struct pending_run){.epoch = epoch};
    (void)snprintf(pending->name, sizeof(pending->name), "run-%llu-%u.zst",
                   (unsigned long long)epoch, state->options.shard);
    const int dir = open(state->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        return PEN_FAIL(err, PEN_E_IO, 0, "%s: errno %d", state->dir, errno);
    }
    const pen_status status = write_run(state, run, dir, pending->name, err);
    (void)close(dir);
    if (status != PEN_OK) {
        return status; /* the open run is as it was: cut may be tried again */
    }
    state->pending_count++;
    *run_bytes = state->writer.bytes;
    state->counters.log_bytes += state->writer.bytes;
    (void)snprintf(run_name, run_name_cap, "%s", pending->name);
    pen_state_open_clear(run);
    return PEN_OK;
}

pen_status pen_state_spill(struct pen_state *state, uint64_t epoch, struct pen_err *err)
{
    struct open_run *run = find_open(state, epoch, false);
    if (run == NULL || run->count == 0) {
        return PEN_OK;
    }
    const int fd = open(state->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        return PEN_FAIL(err, PEN_E_IO, 0, "%s: no temporary file (errno %d)", state->dir, errno);
    }
    pen_status st = pen_state_open_write(run, &state->writer, fd, err);
    st = st == PEN_OK ? pen_state_writer_end(&state->writer, &run->table, err) : st;
    if (st != PEN_OK) {
        (void)close(fd);
        return st;
    }
    pen_state_open_clear(run);
    return pen_state_merge_take(&state->merge, fd, err);
}

void pen_state_committed(struct pen_state *state, uint64_t epoch)
{
    for (uint32_t i = 0; i < state->pending_count; i++) {
        if (state->pending[i].epoch <= epoch) {
            state->pending[i].committed = true;
        }
    }
}

/* Committed runs of this process, for a state that is reset. */
static pen_status own_add(struct pen_state *s, const struct pending_run *run)
{
    if (s->own_count == s->own_cap) {
        const uint32_t cap = s->own_cap == 0 ? 16 : s->own_cap * 2;
        struct pending_run *bigger = reallocarray(s->own, cap, sizeof(*bigger));
        if (bigger == NULL) {
            return PEN_E_NOMEM;
        }
        s->own = bigger;
        s->own_cap = cap;
    }
    s->own[s->own_count++] = *run;
    return PEN_OK;
}

static pen_status open_committed(struct pen_state *s, struct pen_err *err)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->pending_count; i++) {
        if (!s->pending[i].committed) {
            s->pending[kept++] = s->pending[i];
        } else if (own_add(s, &s->pending[i]) != PEN_OK) {
            return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "state runs: out of memory");
        }
    }
    s->pending_count = kept;
    const int64_t from = pen_state_log_from(s);
    while (s->own_opened < s->own_count) {
        PEN_TRY(pen_state_merge_add(&s->merge, s->own[s->own_opened].name, false, from, NULL, err));
        s->own_opened++;
    }
    return PEN_OK;
}

/* True when the observation has the rule, group and event id of the one before it. */
static pen_status is_duplicate(struct pen_state *s, const struct pen_observation *o, bool *same)
{
    struct key_head {
        uint32_t rule, id_len;
    } head = {o->rule, pen_u32(o->event_id.len)};
    const pen_slice last = pen_buf_slice(&s->last_key);
    const size_t id_at = sizeof(head);
    const size_t group_at = id_at + o->event_id.len;
    *same = last.len == group_at + o->group.len && memcmp(last.ptr, &head, sizeof(head)) == 0 &&
            pen_slice_eq(pen_slice_sub(last, id_at, group_at), o->event_id) &&
            pen_slice_eq(pen_slice_sub(last, group_at, last.len), o->group);
    if (*same) {
        return PEN_OK;
    }
    s->last_key.len = 0;
    PEN_TRY(pen_buf_reserve(&s->last_key, group_at + o->group.len));
    memcpy(s->last_key.ptr, &head, sizeof(head));
    pen_copy_short(s->last_key.ptr + id_at, o->event_id.ptr, o->event_id.len);
    pen_copy_short(s->last_key.ptr + group_at, o->group.ptr, o->group.len);
    s->last_key.len = group_at + o->group.len;
    return PEN_OK;
}

/* ---- memory ---- */

/* The larger of signals and groups gives; new values have their half and no more. */
static pen_status room_make(struct pen_state *s)
{
    pen_status st = PEN_OK;
    while (st == PEN_OK && state_memory_is_over(&s->signals.memory) &&
           (s->groups.count > 1 || s->signals.count > 1)) {
        const bool is_of_groups =
            s->signals.count <= 1 || (s->groups.count > 1 && s->groups.bytes > s->signals.bytes);
        if (is_of_groups) {
            pen_groups_evict(&s->groups);
        } else {
            st = pen_state_signals_evict(&s->signals);
        }
    }
    return st;
}

/* ---- the observations of an event ---- */

static pen_status event_feed(struct pen_state *s, struct state_event *event)
{
    event->hash = pen_state_group_hash(event->o);
    PEN_TRY(s->options.rules[event->o->rule].method == PEN_METHOD_NEW_VALUE
                ? pen_new_values_feed(&s->new_values, event, &s->signals)
                : pen_groups_feed(&s->groups, event, &s->signals));
    return room_make(s);
}

static pen_status gathered_feed(struct pen_state *s)
{
    struct gathering *g = &s->gathering;
    if (!g->is_used) {
        return PEN_OK;
    }
    g->is_used = false;
    struct pen_observation o;
    pen_slice in = pen_buf_slice(&g->first);
    const pen_status st = pen_observation_decode(&in, &o, NULL);
    PEN_CHECK(st == PEN_OK); /* we encoded it */
    o.rule = g->rule;
    o.others = g->queries & ~(1U << o.query); /* as samples tell them */
    o.is_cold = g->is_cold;
    struct state_event event = {.o = &o, .queries = g->queries, .partition = g->partition};
    for (uint32_t q = 0; q < PEN_STATE_QUERIES_MAX; q++) {
        if (((g->queries >> q) & 1U) != 0) {
            event.values[q] = pen_slice_sub(pen_buf_slice(&g->values), g->values_at[q],
                                            g->values_at[q] + g->values_len[q]);
        }
    }
    return event_feed(s, &event);
}

static uint32_t queries_of(const struct pen_observation *o)
{
    return 1U << o->query | o->others;
}

/* The values of each query that the observation counts for. */
void pen_state_values_split(const struct pen_observation *o,
                            pen_slice values[PEN_STATE_QUERIES_MAX])
{
    pen_slice rest = o->values;
    for (uint32_t left = queries_of(o); left != 0; left &= left - 1) {
        const bool is_last = (left & (left - 1)) == 0 || rest.len == 0;
        const uint8_t *end = is_last ? NULL : memchr(rest.ptr, PEN_OBSERVATION_NEXT, rest.len);
        const size_t len = end == NULL ? rest.len : (size_t)(end - rest.ptr);
        values[__builtin_ctz(left)] = pen_slice_sub(rest, 0, len);
        rest = pen_slice_sub(rest, len + (end != NULL), rest.len);
    }
}

static pen_status gather_values(struct gathering *g, const struct pen_observation *o)
{
    pen_slice values[PEN_STATE_QUERIES_MAX];
    pen_state_values_split(o, values);
    for (uint32_t left = queries_of(o) & ~g->queries; left != 0; left &= left - 1) {
        const uint32_t q = (uint32_t)__builtin_ctz(left);
        g->values_at[q] = g->values.len;
        g->values_len[q] = values[q].len;
        PEN_TRY(pen_buf_add(&g->values, values[q]));
    }
    g->queries |= queries_of(o);
    return PEN_OK;
}

/* One more observation of the event that is gathered, or the first of a new one. */
static pen_status gather(struct pen_state *s, const struct pen_observation *o, bool is_same)
{
    struct gathering *g = &s->gathering;
    if (is_same && (!g->is_used || (queries_of(o) & ~g->queries) == 0)) {
        s->counters.duplicates++;
        return PEN_OK;
    }
    if (!is_same) {
        g->is_used = true;
        g->rule = o->rule;
        g->partition = s->merge.heap[0]->partition;
        g->queries = 0;
        g->is_cold = false;
        g->first.len = g->values.len = 0;
        PEN_TRY(pen_observation_encode(&g->first, o));
    }
    g->is_cold |= o->is_cold;
    return gather_values(g, o);
}

/* An event whose observation tells of all queries of its rule: there is nothing to wait for. */
static pen_status feed_whole(struct pen_state *s, const struct pen_observation *o)
{
    struct state_event event;
    event.o = o;
    event.queries = queries_of(o);
    event.partition = s->merge.heap[0]->partition;
    if (event.queries == 1) {
        event.values[0] = o->values;
    } else {
        pen_state_values_split(o, event.values);
    }
    return event_feed(s, &event);
}

static pen_status feed_match(struct pen_state *s, const struct pen_observation *o)
{
    PEN_TRY(pen_state_signals_feed(&s->signals, o));
    return room_make(s);
}

static pen_status feed_one(struct pen_state *s, const struct pen_observation *o,
                           struct pen_err *err)
{
    const struct pen_state_rule *rule = &s->options.rules[o->rule];
    bool is_same = false;
    PEN_TRY(is_duplicate(s, o, &is_same));
    if (!is_same) {
        PEN_TRY(gathered_feed(s));
    }
    if (rule->method != PEN_METHOD_MATCH &&
        (o->query >= rule->query_count || o->others >> rule->query_count != 0)) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET,
                        "the state log names query %u of rule %.*s, which has %u", o->query,
                        PEN_SLICE_FMT(o->rule_id), rule->query_count);
    }
    if (rule->method == PEN_METHOD_PASS) {
        PEN_CHECK(s->options.pass != NULL);
        return s->options.pass(s->options.pass_ctx, o);
    }
    const bool is_match = rule->method == PEN_METHOD_MATCH;
    if (is_same && (is_match || rule->query_count == 1)) {
        s->counters.duplicates++;
        return PEN_OK;
    }
    if (is_match) {
        return feed_match(s, o);
    }
    return !is_same && queries_of(o) == (1U << rule->query_count) - 1 ? feed_whole(s, o)
                                                                      : gather(s, o, is_same);
}

static pen_status release_one(struct pen_state *s, struct pen_err *err)
{
    struct run_reader *top = s->merge.heap[0];
    struct pen_observation *o = &top->o;
    if (!find_rule(s, o, &o->rule)) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET,
                        "the state log names an unknown rule %.*s", PEN_SLICE_FMT(o->rule_id));
    }
    if (is_past(s, o, top->partition)) {
        return pen_state_merge_next(&s->merge, err);
    }
    const int64_t release = pen_state_release_time(o);
    s->release_max = release > s->release_max ? release : s->release_max;
    s->counters.released++;
    PEN_TRY(feed_one(s, o, err));
    return pen_state_merge_next(&s->merge, err);
}

static bool is_due(const struct pen_observation *o, int64_t watermark_ns)
{
    return o != NULL && (watermark_ns == INT64_MAX || pen_state_release_time(o) < watermark_ns);
}

static pen_status release_due(struct pen_state *s, int64_t watermark_ns, uint32_t steps, bool *more,
                              struct pen_err *err)
{
    for (uint32_t i = 0; i < steps && is_due(pen_state_merge_top(&s->merge), watermark_ns); i++) {
        PEN_TRY(release_one(s, err));
    }
    *more = is_due(pen_state_merge_top(&s->merge), watermark_ns);
    if (*more) {
        return PEN_OK;
    }
    PEN_TRY(gathered_feed(s)); /* all of an event have one release time: no more of it come */
    s->last_key.len = 0;
    s->released_to = watermark_ns > s->released_to ? watermark_ns : s->released_to;
    if (watermark_ns == INT64_MAX) {
        return pen_state_signals_end(&s->signals, s->time_max);
    }
    /* A watermark may lie behind the last event there will ever be: when it moved must not show. */
    return pen_state_signals_expire(&s->signals,
                                    watermark_ns < s->time_max ? watermark_ns : s->time_max);
}

/* NOLINTNEXTLINE(readability-function-size): the contract has these seven parameters */
pen_status pen_state_release(struct pen_state *state, int64_t watermark_ns, uint32_t steps,
                             pen_signal_fn *fn, void *ctx, bool *more, struct pen_err *err)
{
    *more = false;
    state->released = true;
    state->signals.fn = fn;
    state->signals.ctx = ctx;
    PEN_TRY(open_committed(state, err));
    PEN_TRY(release_due(state, watermark_ns, steps, more, err));
    return pen_state_signals_flush(&state->signals);
}

struct pen_state_counters pen_state_counters_get(const struct pen_state *state)
{
    struct pen_state_counters c = state->counters;
    c.late = state->signals.late;
    c.signals_opened = state->signals.opened;
    c.signals_open = state->signals.count;
    c.evicted = state->signals.evicted;
    c.groups = state->groups.count;
    c.groups_evicted = state->groups.evicted;
    c.window_events_evicted = state->groups.window.events_evicted;
    c.values_limited = state->groups.window.values_limited;
    c.new_values = state->new_values.count;
    c.new_values_evicted = state->new_values.evicted;
    c.anomaly_late = state->groups.anomaly_late;
    c.anomaly_groups_evicted = state->groups.anomaly_evicted;
    c.places_evicted = state->groups.places_evicted;
    return c;
}
