/* tested by tests/unit/state/test_snapshot.c */
#include "snapshot.h"

#include <zstd.h>

#include <stdlib.h>

static const uint8_t snapshot_magic[8] = "PENSNAP\n";

/* ---- writing ---- */

void snapshot_start(struct snapshot_writer *w, int fd)
{
    *w = (struct snapshot_writer){.head = {.version = SNAPSHOT_VERSION}};
    memcpy(w->head.magic, snapshot_magic, sizeof(snapshot_magic));
    w->status = block_writer_init(&w->blocks);
    if (w->status == PEN_OK) {
        w->status = block_writer_start(&w->blocks, fd, sizeof(w->head), &w->err);
    }
}

pen_status snapshot_finish(struct snapshot_writer *w, struct pen_err *err)
{
    const pen_slice head = {(const uint8_t *)&w->head, sizeof(w->head)};
    w->head.checksum =
        pen_hash64(pen_slice_sub(head, 0, offsetof(struct snapshot_head, checksum)), 0);
    if (w->status == PEN_OK) {
        w->status = block_writer_end(&w->blocks, head, &w->err);
    }
    if (w->status != PEN_OK && err != NULL) {
        *err = w->err;
    }
    return w->status;
}

void snapshot_writer_fini(struct snapshot_writer *w)
{
    block_writer_fini(&w->blocks);
}

void snapshot_add(struct snapshot_writer *w, const void *data, size_t bytes)
{
    if (w->status == PEN_OK) {
        w->status = pen_buf_add(&w->blocks.plain, (pen_slice){data, bytes});
    }
}

void snapshot_add_text(struct snapshot_writer *w, pen_slice text)
{
    const uint32_t len = pen_u32(text.len);
    snapshot_add(w, &len, sizeof(len));
    snapshot_add(w, text.ptr, text.len);
}

void snapshot_begin(struct snapshot_writer *w, enum snapshot_kind kind, uint32_t rule,
                    uint32_t partition)
{
    const struct record_head head = {.kind = kind, .rule = rule, .partition = partition};
    w->record_at = w->blocks.plain.len;
    snapshot_add(w, &head, sizeof(head));
}

void snapshot_end(struct snapshot_writer *w)
{
    struct record_head head;
    if (w->status != PEN_OK) {
        return;
    }
    uint8_t *at = w->blocks.plain.ptr + w->record_at;
    memcpy(&head, at, sizeof(head));
    head.bytes = pen_u32(w->blocks.plain.len - w->record_at - sizeof(head));
    memcpy(at, &head, sizeof(head));
    w->head.records++;
    if (head.partition == SNAPSHOT_MIXED) {
        w->head.mixed++;
    } else {
        w->head.per_partition[head.partition % PEN_PARTITIONS]++;
    }
    w->status = block_writer_added(&w->blocks, &w->err);
}

void snapshot_put(struct snapshot_writer *w, const struct record_head *head, pen_slice payload)
{
    snapshot_begin(w, (enum snapshot_kind)head->kind, head->rule, head->partition);
    snapshot_add(w, payload.ptr, payload.len);
    snapshot_end(w);
}

/* ---- reading ---- */

int64_t snapshot_position(const struct snapshot_head *head)
{
    int64_t least = INT64_MAX;
    for (uint32_t p = head->shard; p < PEN_PARTITIONS; p += head->shards) {
        least = head->position[p] < least ? head->position[p] : least;
    }
    return least;
}

bool snapshot_get(struct snapshot_record *r, void *data, size_t bytes)
{
    pen_slice head;
    if (!pen_slice_take(&r->rest, bytes, &head)) {
        return false;
    }
    if (bytes > 0) {
        memcpy(data, head.ptr, bytes);
    }
    return true;
}

bool snapshot_get_text(struct snapshot_record *r, pen_slice *text)
{
    uint32_t len = 0;
    return snapshot_get(r, &len, sizeof(len)) && pen_slice_take(&r->rest, len, text);
}

void snapshot_add_shape(struct snapshot_writer *w, const struct pen_state_rule *rule)
{
    const bool has_queries = rule->method != PEN_METHOD_MATCH && rule->queries != NULL;
    struct snapshot_rule_shape shape = {.window_ns = rule->window_ns,
                                        .keep_alive_ns = rule->keep_alive_ns,
                                        .method = rule->method,
                                        .query_count = has_queries ? rule->query_count : 0};
    if (rule->method == PEN_METHOD_NEW_VALUE) {
        shape.learning_ns = rule->new_value.learning_ns;
        shape.forget_ns = rule->new_value.forget_ns;
    } else if (rule->method == PEN_METHOD_TRAVEL) {
        shape.learning_ns = rule->travel.learning_ns;
        shape.forget_ns = rule->travel.forget_ns;
    } else if (rule->method == PEN_METHOD_ANOMALY) {
        shape.learning_ns = rule->anomaly.learning_ns;
    }
    for (uint32_t q = 0; q < shape.query_count; q++) {
        shape.queries[q] = (uint8_t)rule->queries[q];
    }
    snapshot_add(w, &shape, sizeof(shape));
    snapshot_add_text(w, rule->name);
}

static bool shape_is_sound(const struct snapshot_rule_shape *shape)
{
    bool is_sound = shape->method <= PEN_METHOD_PASS && shape->query_count <= PEN_STATE_QUERIES_MAX;
    for (uint32_t q = 0; is_sound && q < shape->query_count; q++) {
        is_sound = shape->queries[q] <= PEN_PLACE;
    }
    return is_sound;
}

bool snapshot_get_rule(struct snapshot_record *r, struct snapshot_rule *out)
{
    *out = (struct snapshot_rule){.has_shape = false};
    if (!snapshot_get(r, &out->hash, sizeof(out->hash)) || !snapshot_get_text(r, &out->id)) {
        return false;
    }
    out->has_shape = r->rest.len > 0;
    return !out->has_shape ||
           (snapshot_get(r, &out->shape, sizeof(out->shape)) && shape_is_sound(&out->shape) &&
            snapshot_get_text(r, &out->name) && r->rest.len == 0);
}

static pen_status read_head(struct snapshot_reader *r, struct pen_err *err)
{
    const char *name = r->blocks.name;
    PEN_TRY(block_reader_bytes(&r->blocks, &r->head, sizeof(r->head), err));
    if (memcmp(r->head.magic, snapshot_magic, sizeof(snapshot_magic)) != 0) {
        return PEN_FAIL(err, PEN_E_CORRUPT, 0, "%s: bad magic", name);
    }
    if (r->head.version == 0 || r->head.version > SNAPSHOT_VERSION) {
        return PEN_FAIL(
            err, PEN_E_CONFIG, offsetof(struct snapshot_head, version),
            "%s has format %u, this program reads 1 to %u: use the penstock that wrote it, "
            "another --out, or --fresh",
            name, r->head.version, SNAPSHOT_VERSION);
    }
    const pen_slice hashed = {(const uint8_t *)&r->head, offsetof(struct snapshot_head, checksum)};
    if (pen_hash64(hashed, 0) != r->head.checksum) {
        return PEN_FAIL(err, PEN_E_CORRUPT, 0, "%s: checksum of the head", name);
    }
    const bool is_sound =
        r->head.shards > 0 && r->head.shard < r->head.shards && r->head.rules <= r->head.records;
    return is_sound ? PEN_OK : PEN_FAIL(err, PEN_E_CORRUPT, 0, "%s: numbers of the head", name);
}

pen_status snapshot_reader_open(struct snapshot_reader *r, const char *dir, const char *name,
                                struct pen_err *err)
{
    *r = (struct snapshot_reader){.zstd = ZSTD_createDCtx()};
    block_reader_init(&r->blocks, "snapshot", name);
    pen_status st = r->zstd == NULL ? PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "snapshot %s", name)
                                    : block_reader_open(&r->blocks, dir, name, err);
    st = st == PEN_OK ? read_head(r, err) : st;
    r->left = r->head.records;
    return st;
}

void snapshot_reader_fini(struct snapshot_reader *r)
{
    block_reader_fini(&r->blocks);
    (void)ZSTD_freeDCtx(r->zstd);
    r->zstd = NULL;
}

static pen_status bad_record(const struct block_reader *b, struct pen_err *err)
{
    return PEN_FAIL(err, PEN_E_CORRUPT, b->offset, "%s: bad head of a record", b->name);
}

pen_status snapshot_reader_next(struct snapshot_reader *r, struct snapshot_record *out, bool *more,
                                struct pen_err *err)
{
    struct block_reader *b = &r->blocks;
    struct record_head head;
    pen_slice bytes;
    *more = r->left > 0;
    if (!*more) {
        return b->offset == b->size
                   ? PEN_OK
                   : PEN_FAIL(err, PEN_E_CORRUPT, b->offset, "%s: bytes behind the end", b->name);
    }
    PEN_TRY(b->left == 0 ? block_reader_next(b, r->zstd, r->left, err) : PEN_OK);
    if (!pen_slice_take(&b->rest, sizeof(head), &bytes)) {
        return bad_record(b, err);
    }
    memcpy(&head, bytes.ptr, sizeof(head));
    const bool is_rule = r->head.records - r->left < r->head.rules;
    const bool is_placed = head.partition < PEN_PARTITIONS || head.partition == SNAPSHOT_MIXED;
    if (!pen_slice_take(&b->rest, head.bytes, &out->rest) || head.rule >= r->head.rules ||
        !is_placed || is_rule != (head.kind == SNAPSHOT_RULE)) {
        return bad_record(b, err);
    }
    out->kind = (enum snapshot_kind)head.kind;
    out->rule = head.rule;
    out->partition = head.partition;
    r->left--;
    b->left--;
    return b->left > 0 || b->rest.len == 0 ? PEN_OK : bad_record(b, err);
}

/* ---- reading one through ---- */

struct checked_rules { /* those of the set by id, sorted */
    const struct pen_snapshot_check *check;
    uint32_t *order;
    struct pen_buf scratch;
};

static int by_id(const void *a, const void *b, void *ctx)
{
    const struct pen_state_rule *rules = ((const struct checked_rules *)ctx)->check->rules;
    return pen_slice_cmp(rules[*(const uint32_t *)a].id, rules[*(const uint32_t *)b].id);
}

static const struct pen_state_rule *rule_of(const struct checked_rules *c, pen_slice id)
{
    uint32_t low = 0;
    uint32_t high = c->check->rule_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const struct pen_state_rule *rule = &c->check->rules[c->order[middle]];
        const int order = pen_slice_cmp(rule->id, id);
        if (order == 0) {
            return rule;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return NULL;
}

static pen_status check_rule(struct checked_rules *c, struct snapshot_record *r)
{
    struct snapshot_rule saved;
    uint64_t hash = 0;
    if (!snapshot_get_rule(r, &saved)) {
        return PEN_E_CORRUPT;
    }
    const struct pen_state_rule *rule = rule_of(c, saved.id);
    PEN_TRY(rule == NULL ? PEN_OK : pen_state_rule_hash(&c->scratch, rule, &hash));
    if (c->check->rule != NULL && (rule == NULL || hash != saved.hash)) {
        c->check->rule(c->check->ctx, rule == NULL ? PEN_SNAPSHOT_GONE : PEN_SNAPSHOT_CHANGED,
                       saved.id);
    }
    return PEN_OK;
}

static pen_status check_rules(struct snapshot_reader *r, struct checked_rules *c,
                              struct pen_err *err)
{
    for (uint32_t i = 0; i < r->head.rules; i++) {
        struct snapshot_record record;
        bool more = false;
        PEN_TRY(snapshot_reader_next(r, &record, &more, err));
        if (check_rule(c, &record) != PEN_OK) {
            return PEN_FAIL(err, PEN_E_CORRUPT, r->blocks.offset, "%s: a rule is not sound",
                            r->blocks.name);
        }
    }
    return PEN_OK;
}

/* The blocks behind that of the last rule: their checksums are enough. */
static pen_status check_blocks(struct snapshot_reader *r, struct pen_err *err)
{
    struct block_reader *b = &r->blocks;
    uint64_t left = r->left - b->left;
    while (left > 0) {
        struct block_head head;
        PEN_TRY(block_reader_packed(b, left, &head, err));
        left -= head.count;
    }
    return b->offset == b->size
               ? PEN_OK
               : PEN_FAIL(err, PEN_E_CORRUPT, b->offset, "%s: bytes behind the end", b->name);
}

static pen_status check_file(struct snapshot_reader *r, const struct pen_snapshot_check *check,
                             struct pen_err *err)
{
    struct checked_rules c = {.check = check,
                              .order = calloc((size_t)check->rule_count + 1, sizeof(*c.order))};
    if (c.order == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "%s", r->blocks.name);
    }
    for (uint32_t i = 0; i < check->rule_count; i++) {
        c.order[i] = i;
    }
    qsort_r(c.order, check->rule_count, sizeof(*c.order), by_id, &c);
    pen_buf_init(&c.scratch, STATE_RULE_BYTES_MAX);
    pen_status st = check_rules(r, &c, err);
    st = st == PEN_OK ? check_blocks(r, err) : st;
    pen_buf_fini(&c.scratch);
    free(c.order);
    return st;
}

pen_status pen_snapshot_check(const struct pen_snapshot_check *check, const char *name,
                              struct pen_snapshot_info *out, struct pen_err *err)
{
    struct snapshot_reader r;
    pen_status st = snapshot_reader_open(&r, check->dir, name, err);
    if (st == PEN_OK && r.head.hash_key != check->hash_key) {
        st = PEN_FAIL(err, PEN_E_CORRUPT, 0, "%s is of another job", r.blocks.name);
    }
    if (st == PEN_OK) {
        *out = (struct pen_snapshot_info){.bytes = r.blocks.size,
                                          .epoch = r.head.epoch,
                                          .shard = r.head.shard,
                                          .shards = r.head.shards,
                                          .position_ns = snapshot_position(&r.head),
                                          .time_max_ns = r.head.time_max};
        (void)snprintf(out->name, sizeof(out->name), "%s", name);
        st = check_file(&r, check, err);
    }
    snapshot_reader_fini(&r);
    return st;
}
