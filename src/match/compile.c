#include "penstock/match.h"

#include "engine.h"
#include "intern.h"

#include <stdlib.h>

#define ENGINE_BYTES_MAX ((size_t)2 << 30)

/* What compile needs and throws away. */
struct builder {
    struct pen_engine *engine;
    struct match_intern intern;
    struct pen_query *sorted;
    uint32_t *cost;
    struct pen_buf code;
    struct pen_buf set;
    struct pen_buf pairs; /* struct pair: which predicate selects which query */
    struct pen_err *err;
};

struct pair {
    uint32_t pred, query;
};

static pen_status no_memory(struct pen_err *err)
{
    return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "match: no memory for an engine");
}

static int by_tag(const void *a, const void *b)
{
    const struct pen_query *x = a;
    const struct pen_query *y = b;
    return x->tag < y->tag ? -1 : x->tag > y->tag;
}

static int by_pred(const void *a, const void *b)
{
    const struct pair *x = a;
    const struct pair *y = b;
    if (x->pred != y->pred) {
        return x->pred < y->pred ? -1 : 1;
    }
    return x->query < y->query ? -1 : x->query > y->query;
}

static pen_status check_queries(struct builder *b, const struct pen_query *queries, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct pen_err inner = {0};
        const pen_status status = pen_expr_check(queries[i].expr, &inner);
        if (status != PEN_OK) {
            return PEN_FAIL(b->err, status, inner.offset, "%.*s: %.180s",
                            PEN_SLICE_FMT(queries[i].name), inner.text);
        }
        if (pen_match_intern_add(&b->intern, queries[i].expr) != PEN_OK) {
            return no_memory(b->err);
        }
    }
    b->sorted = calloc(count == 0 ? 1 : count, sizeof(*b->sorted));
    if (b->sorted == NULL) {
        return no_memory(b->err);
    }
    for (uint32_t i = 0; i < count; i++) {
        b->sorted[i] = queries[i];
    }
    qsort(b->sorted, count, sizeof(*b->sorted), by_tag);
    return PEN_OK;
}

static bool is_whole_literal(const struct pen_pred *pred)
{
    return pred->op == PEN_OP_PATTERN &&
           (pred->piece_count == 0 ||
            (pred->piece_count == 1 && pred->pieces[0].kind == PEN_PIECE_TEXT));
}

static enum pred_class class_of(const struct pen_pred *pred)
{
    if (pred->field == PEN_FIELD_ANY) {
        return CLASS_LAZY;
    }
    if (is_whole_literal(pred)) {
        return CLASS_EQ;
    }
    const bool is_pattern = pred->op == PEN_OP_PATTERN || pred->op == PEN_OP_WORDS;
    if (is_pattern && pen_match_pieces_take_all(pred)) {
        return CLASS_LAZY;
    }
    return is_pattern || pred->op == PEN_OP_REGEX ? CLASS_SCAN : CLASS_LAZY;
}

/* False where a report may come from the newline that frames a value. */
static bool is_certain(const struct pen_pred *pred)
{
    for (uint32_t i = 0; i < pred->piece_count; i++) {
        const struct pen_piece *piece = &pred->pieces[i];
        if (piece->kind == PEN_PIECE_ONE ||
            pen_slice_find(piece->text, PEN_SLICE_LIT("\n")) != SIZE_MAX) {
            return false;
        }
    }
    return pred->op == PEN_OP_PATTERN;
}

/* Copies a predicate with its pieces and text into the engine. */
static pen_status copy_pred(struct builder *b, const struct pen_pred *from, struct engine_pred *to)
{
    struct pen_arena *arena = &b->engine->arena;
    to->ready.pred = *from;
    to->ready.pred.text = pen_arena_dup(arena, from->text);
    struct pen_piece *pieces = PEN_NEW_N(arena, struct pen_piece, (size_t)from->piece_count + 1);
    if (pieces == NULL || to->ready.pred.text.ptr == NULL) {
        return no_memory(b->err);
    }
    for (uint32_t i = 0; i < from->piece_count; i++) {
        pieces[i] =
            (struct pen_piece){from->pieces[i].kind, pen_arena_dup(arena, from->pieces[i].text)};
        if (pieces[i].text.ptr == NULL) {
            return no_memory(b->err);
        }
    }
    to->ready.pred.pieces = pieces;
    if (from->field == PEN_FIELD_ANY) {
        b->set.len = 0;
        if (!pen_match_lower(&b->set, pen_match_needle(from))) {
            return no_memory(b->err);
        }
        to->ready.needle = pen_arena_dup(arena, pen_buf_slice(&b->set));
        if (to->ready.needle.ptr == NULL) {
            return no_memory(b->err);
        }
    }
    to->cls = class_of(from);
    to->is_exact = is_certain(from);
    return from->op == PEN_OP_REGEX ? pen_match_regex_compile(from, &to->ready.code, b->err)
                                    : PEN_OK;
}

static pen_status copy_preds(struct builder *b)
{
    struct pen_engine *engine = b->engine;
    engine->preds = PEN_NEW_N(&engine->arena, struct engine_pred, (size_t)b->intern.count + 1);
    if (engine->preds == NULL) {
        return no_memory(b->err);
    }
    for (uint32_t i = 0; i < b->intern.count; i++) {
        engine->pred_count = i + 1;
        PEN_TRY(copy_pred(b, b->intern.preds[i], &engine->preds[i]));
    }
    return PEN_OK;
}

static uint8_t flags_of(const struct engine_pred *pred)
{
    const bool is_cased = pred->ready.pred.is_cased;
    if (pred->cls == CLASS_EQ) {
        return is_cased ? FIELD_EQ_CASED : FIELD_EQ_FOLDED;
    }
    if (pred->cls == CLASS_PREFIX) {
        return is_cased ? FIELD_PREFIX_CASED : FIELD_PREFIX_FOLDED;
    }
    return pred->cls == CLASS_SCAN ? FIELD_SCAN : 0;
}

static void count_fields(struct pen_engine *engine)
{
    for (uint32_t i = 0; i < engine->pred_count; i++) {
        const struct engine_pred *pred = &engine->preds[i];
        if (pred->cls != CLASS_LAZY && pred->ready.pred.field >= engine->field_count) {
            engine->field_count = pred->ready.pred.field + 1;
        }
    }
}

/* Marks the fields that are looked at and numbers those that are scanned. */
static pen_status mark_fields(struct builder *b)
{
    struct pen_engine *engine = b->engine;
    engine->field_flags = PEN_NEW_N(&engine->arena, uint8_t, (size_t)engine->field_count + 1);
    engine->eq_lens = PEN_NEW_N(&engine->arena, uint64_t, (size_t)engine->field_count + 1);
    engine->field_tags = pen_arena_alloc_n(&engine->arena, (size_t)engine->field_count + 1,
                                           sizeof(*engine->field_tags), 1);
    if (engine->field_flags == NULL || engine->field_tags == NULL || engine->eq_lens == NULL) {
        return no_memory(b->err);
    }
    for (uint32_t i = 0; i < engine->pred_count; i++) {
        const struct engine_pred *pred = &engine->preds[i];
        if (pred->cls != CLASS_LAZY) {
            engine->field_flags[pred->ready.pred.field] |= flags_of(pred);
        }
    }
    uint32_t scanned = 0;
    for (uint32_t f = 0; f < engine->field_count; f++) {
        if ((engine->field_flags[f] & FIELD_SCAN) != 0) {
            uint32_t rest = scanned++;
            for (uint32_t d = 0; d < SCAN_DIGITS_MAX; d++, rest /= 8) {
                engine->field_tags[f][d] = (uint8_t)(SCAN_DIGIT + rest % 8);
            }
        }
    }
    engine->digit_count = 1;
    for (uint32_t rest = scanned / 8; rest > 0; rest /= 8) {
        engine->digit_count++;
    }
    return PEN_OK;
}

static pen_status build_eq(struct builder *b)
{
    struct pen_engine *engine = b->engine;
    struct eq_key *keys = PEN_NEW_N(&engine->arena, struct eq_key, (size_t)engine->pred_count + 1);
    uint32_t count = 0;
    for (uint32_t i = 0; keys != NULL && i < engine->pred_count; i++) {
        const struct pen_pred *pred = &engine->preds[i].ready.pred;
        const bool is_prefix = engine->preds[i].cls == CLASS_PREFIX;
        if (engine->preds[i].cls != CLASS_EQ && !is_prefix) {
            continue;
        }
        const bool has_folded = (engine->field_flags[pred->field] & FIELD_EQ_FOLDED) != 0;
        struct eq_key *key = &keys[count++];
        *key = (struct eq_key){.field = pred->field | (is_prefix ? EQ_PREFIX : 0),
                               .pred = i,
                               .is_cased = pred->is_cased,
                               .is_found_cased = pred->is_cased && (is_prefix || !has_folded),
                               .scalars_only = pred->scalars_only};
        const pen_slice text = pred->piece_count == 0 ? (pen_slice){0} : pred->pieces[0].text;
        key->text = pen_arena_dup(&engine->arena, text);
        key->found_by = key->text;
        if (key->is_found_cased) {
            continue;
        }
        b->set.len = 0;
        if (pen_match_fold(&b->set, text) != PEN_OK) {
            return no_memory(b->err);
        }
        key->found_by = pen_arena_dup(&engine->arena, pen_buf_slice(&b->set));
        key->text = key->is_cased ? key->text : key->found_by;
    }
    for (uint32_t i = 0; i < count; i++) {
        engine->eq_lens[keys[i].field & ~EQ_PREFIX] |=
            (keys[i].field & EQ_PREFIX) != 0 ? 0 : UINT64_C(1) << keys[i].found_by.len % 64;
    }
    if (keys == NULL) {
        return no_memory(b->err);
    }
    engine->stats.eq_keys = count;
    return pen_match_eq_build(&engine->arena, keys, count, &engine->eq, b->err);
}

static pen_status add_pattern(struct builder *b, uint32_t id)
{
    struct pen_engine *engine = b->engine;
    struct engine_pred *pred = &engine->preds[id];
    struct engine_pattern *pattern = &engine->patterns[engine->pattern_count];
    b->set.len = 0;
    if (!pen_match_pattern_text(engine, &pred->ready.pred, &b->set, &pattern->flags)) {
        pred->cls = CLASS_LAZY;
        return PEN_OK;
    }
    char *text = pen_arena_alloc(&engine->arena, b->set.len, 1);
    if (text == NULL) {
        return no_memory(b->err);
    }
    memcpy(text, b->set.ptr, b->set.len);
    pattern->text = text;
    pattern->pred = id;
    pattern->is_user = pred->ready.pred.op == PEN_OP_REGEX;
    engine->pattern_count++;
    return PEN_OK;
}

/* What the database does not take is searched for one by one; regexes of users are verified. */
static void settle_patterns(struct pen_engine *engine)
{
    for (uint32_t i = 0; i < engine->pattern_count; i++) {
        const struct engine_pattern *pattern = &engine->patterns[i];
        if (pattern->is_dropped) {
            engine->preds[pattern->pred].cls = CLASS_LAZY;
        } else if (pattern->is_user) {
            engine->scan_regexes[engine->scan_regex_count++] = pattern->pred;
        }
        engine->stats.regexes += pattern->is_user ? 1 : 0;
    }
}

static pen_status build_patterns(struct builder *b, const struct pen_engine_options *options)
{
    struct pen_engine *engine = b->engine;
    const size_t room = (size_t)engine->pred_count + 1;
    engine->patterns = PEN_NEW_N(&engine->arena, struct engine_pattern, room);
    engine->scan_regexes = PEN_NEW_N(&engine->arena, uint32_t, room);
    if (engine->patterns == NULL || engine->scan_regexes == NULL) {
        return no_memory(b->err);
    }
    for (uint32_t i = 0; i < engine->pred_count; i++) {
        PEN_TRY(engine->preds[i].cls == CLASS_SCAN ? add_pattern(b, i) : PEN_OK);
    }
    PEN_TRY(pen_match_hsdb_build(engine, options, b->err));
    settle_patterns(engine);
    return PEN_OK;
}

/* Of what starts a query, as weigh has it: about 40 names of events. */
#define SELDOM_COST_MAX 128U
#define LOOKED_AT_MAX 3U /* patterns of a field that are asked often and not scanned for */

static uint32_t scan_cost(const struct pen_pred *pred)
{
    size_t longest = pred->op == PEN_OP_REGEX ? 4 : 0;
    for (uint32_t i = 0; i < pred->piece_count; i++) {
        longest = pred->pieces[i].text.len > longest ? pred->pieces[i].text.len : longest;
    }
    return longest >= 6 ? 40 : (longest >= 4 ? 120 : 400);
}

struct asked { /* of a field */
    uint32_t literals, patterns;
};

static void count_all(const struct pen_engine *engine, struct asked *asked)
{
    for (uint32_t i = 0; i < engine->pred_count; i++) {
        const struct pen_pred *pred = &engine->preds[i].ready.pred;
        const enum pred_class cls = class_of(pred);
        if (cls != CLASS_LAZY) {
            asked[pred->field].literals += cls == CLASS_EQ;
            asked[pred->field].patterns += cls == CLASS_SCAN;
        }
    }
}

/*
 * How often a predicate may fire: a field that rules ask for many different values has many, so
 * each of them is rare (eventName); one that is compared with few has few (eventType).  A pattern
 * of a field with few of them would have it scanned for their sake: any literal is better.
 */
static uint32_t cost_of(const struct engine_pred *pred, const struct asked *asked)
{
    if (pred->cls == CLASS_EQ) {
        return 1 + 1000 / (asked->literals == 0 ? 1 : asked->literals);
    }
    /* What turns out to be a beginning is a pattern as long as that is not known. */
    const bool is_for_itself = pred->cls == CLASS_SCAN && asked->patterns <= LOOKED_AT_MAX;
    return scan_cost(&pred->ready.pred) + (is_for_itself ? 2000 : 0);
}

static pen_status weigh(struct builder *b)
{
    const struct pen_engine *engine = b->engine;
    free(b->cost);
    b->cost = calloc((size_t)engine->pred_count + 1, sizeof(*b->cost));
    struct asked *asked = calloc((size_t)engine->field_count + 1, sizeof(*asked));
    if (b->cost == NULL || asked == NULL) {
        free(asked);
        return no_memory(b->err);
    }
    count_all(engine, asked);
    for (uint32_t i = 0; i < engine->pred_count; i++) {
        const struct engine_pred *pred = &engine->preds[i];
        b->cost[i] =
            pred->cls == CLASS_LAZY ? UINT32_MAX : cost_of(pred, &asked[pred->ready.pred.field]);
    }
    free(asked);
    return PEN_OK;
}

/* Programs lie behind each other, in the order of the queries. */
static pen_status add_programs(struct builder *b, uint32_t count)
{
    struct pen_engine *engine = b->engine;
    engine->query_count = count;
    engine->queries = PEN_NEW_N(&engine->arena, struct engine_query, (size_t)count + 1);
    engine->always = PEN_NEW_N(&engine->arena, uint32_t, (size_t)count + 1);
    if (engine->queries == NULL || engine->always == NULL) {
        return no_memory(b->err);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct pen_query *query = &b->sorted[i];
        engine->queries[i].tag = query->tag;
        if (pen_match_program(&b->code, &b->intern, query->expr, &engine->queries[i].entry) !=
            PEN_OK) {
            return no_memory(b->err);
        }
        engine->queries[i].code_end = pen_u32(b->code.len / sizeof(struct instruction));
    }
    return PEN_OK;
}

static uint32_t set_at(const struct builder *b, size_t at)
{
    uint32_t pred = 0;
    memcpy(&pred, b->set.ptr + at, sizeof(pred));
    return pred;
}

enum wait { NOBODY, ASKED_OFTEN, STARTS }; /* for a predicate: what queries do with it */

/* What one query does with its predicates: it starts by them, or asks them often. */
static pen_status mark_waited_for(struct builder *b, uint32_t at, enum wait *waits)
{
    const struct pen_engine *engine = b->engine;
    const struct instruction *code = (const struct instruction *)(const void *)b->code.ptr;
    bool has_set = false;
    uint64_t cost = 0;
    if (pen_match_required(&b->intern, b->cost, b->sorted[at].expr, &b->set, &has_set) != PEN_OK) {
        return no_memory(b->err);
    }
    for (size_t i = 0; has_set && i < b->set.len; i += sizeof(uint32_t)) {
        waits[set_at(b, i)] = STARTS;
        cost += b->cost[set_at(b, i)];
    }
    if (has_set && cost <= SELDOM_COST_MAX) {
        return PEN_OK;
    }
    for (uint32_t i = at == 0 ? 0 : engine->queries[at - 1].code_end;
         i < engine->queries[at].code_end; i++) {
        enum wait *wait = &waits[code[i].pred];
        *wait = *wait == STARTS ? STARTS : ASKED_OFTEN;
    }
    return PEN_OK;
}

/* How many predicates of a class are asked often of each field; SCANNED where one starts a query.
 */
#define SCANNED UINT32_MAX
static void count_asked(const struct pen_engine *engine, enum pred_class cls,
                        const enum wait *waits, uint32_t *asked)
{
    memset(asked, 0, (size_t)engine->field_count * sizeof(*asked));
    for (uint32_t i = 0; i < engine->pred_count; i++) {
        if (engine->preds[i].cls != cls || waits[i] == NOBODY) {
            continue;
        }
        uint32_t *count = &asked[engine->preds[i].ready.pred.field];
        *count = *count == SCANNED || waits[i] == STARTS ? SCANNED : *count + 1;
    }
}

static void spare_class(struct pen_engine *engine, enum pred_class cls, const enum wait *waits,
                        uint32_t *asked)
{
    count_asked(engine, cls, waits, asked);
    for (uint32_t i = 0; i < engine->pred_count; i++) {
        struct engine_pred *pred = &engine->preds[i];
        const uint32_t count = pred->cls == cls ? asked[pred->ready.pred.field] : SCANNED;
        const bool is_alone = cls == CLASS_SCAN && pred->cls == cls && waits[i] == NOBODY;
        if (is_alone || count <= LOOKED_AT_MAX) {
            pred->cls = CLASS_LAZY;
        }
    }
}

/*
 * A scan costs on every record, a look at one value only where a program gets that far.  So what
 * starts no query is looked at when queries alone ask it that seldom start, or when few patterns
 * are asked of its field.  Likewise the literals of a field: a table is asked on every record.
 */
static pen_status spare(struct builder *b, enum wait *waits, uint32_t *asked)
{
    struct pen_engine *engine = b->engine;
    for (uint32_t i = 0; i < engine->query_count; i++) {
        PEN_TRY(mark_waited_for(b, i, waits));
    }
    spare_class(engine, CLASS_SCAN, waits, asked);
    spare_class(engine, CLASS_EQ, waits, asked);
    return PEN_OK;
}

static pen_status spare_scans(struct builder *b)
{
    const struct pen_engine *engine = b->engine;
    enum wait *waits = calloc((size_t)engine->pred_count + 1, sizeof(*waits));
    uint32_t *asked = calloc((size_t)engine->field_count + 1, sizeof(*asked));
    const pen_status status =
        waits != NULL && asked != NULL ? spare(b, waits, asked) : no_memory(b->err);
    free(waits);
    free(asked);
    return status;
}

static pen_status add_query(struct builder *b, uint32_t at)
{
    struct pen_engine *engine = b->engine;
    bool has_set = false;
    if (pen_match_required(&b->intern, b->cost, b->sorted[at].expr, &b->set, &has_set) != PEN_OK) {
        return no_memory(b->err);
    }
    if (!has_set) {
        engine->always[engine->always_count++] = at;
        return PEN_OK;
    }
    for (size_t i = 0; i < b->set.len; i += sizeof(uint32_t)) {
        const struct pair pair = {.query = at, .pred = set_at(b, i)};
        if (pen_buf_add(&b->pairs, (pen_slice){(const uint8_t *)&pair, sizeof(pair)}) != PEN_OK) {
            return no_memory(b->err);
        }
    }
    return PEN_OK;
}

/* Sorts the pairs and gives every predicate its run of queries. */
static pen_status link_queries(struct builder *b)
{
    struct pen_engine *engine = b->engine;
    struct pair *pairs = (struct pair *)(void *)b->pairs.ptr;
    const size_t count = b->pairs.len / sizeof(*pairs);
    engine->dependents = PEN_NEW_N(&engine->arena, uint32_t, count + 1);
    engine->code_count = pen_u32(b->code.len / sizeof(struct instruction));
    engine->code = PEN_NEW_N(&engine->arena, struct instruction, (size_t)engine->code_count + 1);
    if (engine->dependents == NULL || engine->code == NULL) {
        return no_memory(b->err);
    }
    if (b->code.len > 0) {
        memcpy(engine->code, b->code.ptr, b->code.len);
    }
    if (count > 0) {
        qsort(pairs, count, sizeof(*pairs), by_pred);
    }
    uint32_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && by_pred(&pairs[i - 1], &pairs[i]) == 0) {
            continue;
        }
        struct engine_pred *pred = &engine->preds[pairs[i].pred];
        if (pred->query_count++ == 0) {
            pred->first_query = used;
        }
        engine->dependents[used++] = pairs[i].query;
    }
    return PEN_OK;
}

/* What is scanned, and the programs. */
static pen_status plan(struct builder *b, uint32_t count)
{
    count_fields(b->engine);
    PEN_TRY(add_programs(b, count));
    PEN_TRY(weigh(b));
    PEN_TRY(spare_scans(b));
    const pen_status status = pen_match_prefixes(b->engine, &b->set);
    return status == PEN_OK ? mark_fields(b) : no_memory(b->err);
}

static pen_status add_queries(struct builder *b)
{
    PEN_TRY(weigh(b)); /* without the patterns that the database did not take */
    for (uint32_t i = 0; i < b->engine->query_count; i++) {
        PEN_TRY(add_query(b, i));
    }
    return link_queries(b);
}

static pen_status build(struct builder *b, const struct pen_query *queries, uint32_t count,
                        const struct pen_engine_options *options)
{
    PEN_TRY(check_queries(b, queries, count));
    PEN_TRY(copy_preds(b));
    PEN_TRY(plan(b, count));
    PEN_TRY(build_eq(b));
    PEN_TRY(build_patterns(b, options));
    return add_queries(b);
}

static void fill_stats(struct pen_engine *engine, int64_t begin_ns)
{
    size_t database = 0;
    if (engine->database != NULL && hs_database_size(engine->database, &database) != HS_SUCCESS) {
        database = 0;
    }
    engine->stats.queries = engine->query_count;
    engine->stats.predicates = engine->pred_count;
    engine->stats.patterns = engine->pattern_count;
    engine->stats.always_run = engine->always_count;
    engine->stats.bytes = engine->arena.used_bytes + database;
    engine->stats.compile_ns = pen_clock_mono_ns() - begin_ns;
}

pen_status pen_engine_compile(const struct pen_query *queries, uint32_t count,
                              const struct pen_engine_options *options, struct pen_engine **out,
                              struct pen_err *err)
{
    const struct pen_engine_options defaults = {0};
    const int64_t begin_ns = pen_clock_mono_ns();
    *out = NULL;
    struct builder b = {.engine = calloc(1, sizeof(struct pen_engine)), .err = err};
    if (b.engine == NULL) {
        return no_memory(err);
    }
    options = options == NULL ? &defaults : options;
    pen_arena_init(&b.engine->arena, ENGINE_BYTES_MAX);
    b.engine->regex_steps_max = options->regex_steps_max;
    pen_buf_init(&b.code, ENGINE_BYTES_MAX);
    pen_buf_init(&b.set, ENGINE_BYTES_MAX);
    pen_buf_init(&b.pairs, ENGINE_BYTES_MAX);
    const pen_status status = build(&b, queries, count, options);
    if (status == PEN_OK) {
        fill_stats(b.engine, begin_ns);
        *out = b.engine;
    } else {
        pen_engine_free(b.engine);
    }
    pen_match_intern_fini(&b.intern);
    pen_buf_fini(&b.code);
    pen_buf_fini(&b.set);
    pen_buf_fini(&b.pairs);
    free(b.sorted);
    free(b.cost);
    return status;
}

void pen_engine_free(struct pen_engine *engine)
{
    if (engine == NULL) {
        return;
    }
    for (uint32_t i = 0; i < engine->pred_count; i++) {
        pcre2_code_free(engine->preds[i].ready.code);
    }
    (void)hs_free_database(engine->database);
    pen_arena_fini(&engine->arena);
    free(engine);
}

struct pen_engine_stats pen_engine_stats_get(const struct pen_engine *engine)
{
    return engine->stats;
}
