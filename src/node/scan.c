/* tested by tests/e2e/test_replay.py */
#include "penstock/decode.h"
#include "penstock/node.h"
#include "penstock/text.h"

#include "envelope.h"
#include "sniff.h"

#include <inttypes.h>
#include <stdlib.h>

#define WHOLE_BYTES_MAX ((size_t)256 << 10) /* beyond, a window that stays in the cache wins */
#define WINDOW_BYTES_FIRST ((size_t)256 << 10)
#define GROUP_BYTES_MAX 1200U /* of a group and a stream, 512 characters each at most */
#define PART_BYTES_MORE ((size_t)256 << 10) /* of what holds a message, besides that */
#define RECORD_BYTES_MAX ((size_t)4 << 20)
#define PLAIN_BYTES_MAX ((uint64_t)64 << 30)
#define RATIO_MAX 1000U /* logs reach 100; deflate itself ends at 1,032 */
#define BAD_IN_A_ROW_MAX 10000U

enum scan_state {
    SCAN_FILL,  /* decode more plain bytes into the window */
    SCAN_WALK,  /* records of the window */
    SCAN_DRAIN, /* nothing more is wanted of this object: swallow its input */
    SCAN_ENDED,
};

/* What a shard needs for one log type; made when the first object of the type comes. */
struct scan_type {
    struct reader reader;
    struct pen_normalizer *normalizer;
    struct pen_matcher *matcher;
};

struct pen_scan {
    struct pen_scan_options options;
    struct pen_classifier *classifier;
    struct pen_decoder *decoder;
    struct scan_type *types;
    struct envelope *envelope;
    struct pen_enricher *enricher; /* or NULL */
    uint32_t wrapped;            /* what the object's records come in; 0: they stand as they are */
    const struct pen_type *type; /* of the record that came last */
    const struct pen_type *object_type; /* differs where envelopes of several types are in one */
    struct envelope_chooser chooser;
    struct pen_key_info key_info;
    struct pen_object_info object;
    enum scan_state state;
    pen_slice input;
    bool input_is_last;
    bool is_sniffed;
    bool is_by_content; /* the key said nothing */
    bool is_digest;     /* by its key or its first bytes */
    bool is_parquet;    /* by its first bytes, whatever its key says */
    bool is_damaged;    /* decoding failed: what is in the window is all there is */
    uint8_t *window;
    size_t window_cap; /* without the padding */
    size_t window_len;
    size_t fill_target;
    bool is_final;
    bool is_fresh; /* nothing was decoded of the object */
    uint64_t plain_bytes;
    uint64_t bad_in_a_row;
};

/* What makes records of the bytes of a type. */
static pen_status scan_reader_get(struct pen_scan *scan, const struct pen_type *type,
                                  struct scan_type *entry, struct pen_err *err)
{
    const size_t most = scan->options.record_bytes_max;
    const struct pen_walker_options walker = {.window_bytes_max = scan->window_cap,
                                              .record_bytes_max = most,
                                              .array_key = type->array_key,
                                              .want_copy = scan->options.want_source ||
                                                           type->format != PEN_FORMAT_JSON,
                                              .lender = scan->types[0].reader.walker};
    const struct pen_plan *plan = pen_schema_plan(scan->options.program->by_type[type->id].schema);
    PEN_TRY(pen_walker_new(plan, &walker, &entry->reader.walker, err));
    return type->format == PEN_FORMAT_JSON
               ? PEN_OK
               : pen_text_new(type, entry->reader.walker, most, &entry->reader.text, err);
}

static pen_status scan_type_get(struct pen_scan *scan, const struct pen_type *type,
                                struct pen_err *err)
{
    struct scan_type *entry = &scan->types[type->id];
    const struct pen_program_type *shared = &scan->options.program->by_type[type->id];
    if (entry->reader.walker == NULL) {
        PEN_TRY(scan_reader_get(scan, type, entry, err));
    }
    if (entry->normalizer == NULL) {
        PEN_TRY(pen_normalizer_new(shared->schema, &entry->normalizer, err));
        pen_normalizer_enrich(entry->normalizer, scan->enricher);
    }
    if (entry->matcher == NULL && shared->engine != NULL) {
        PEN_TRY(pen_matcher_new(shared->engine, &entry->matcher, err));
    }
    return PEN_OK;
}

void pen_scan_enrich(struct pen_scan *scan, const struct pen_enrich_tables *tables)
{
    if (scan->enricher != NULL && tables != NULL) {
        pen_enricher_use(scan->enricher, tables);
    }
}

/* Room for the largest record, what stood before it in the window, and its end. */
size_t pen_scan_window(size_t record_bytes_max)
{
    return record_bytes_max + 2 * WINDOW_BYTES_FIRST;
}

static pen_status scan_fill_in(struct pen_scan *scan, struct pen_err *err)
{
    const struct pen_program *program = scan->options.program;
    const struct pen_decoder_options decoder = {.plain_bytes_max = scan->options.plain_bytes_max,
                                                .ratio_max = scan->options.ratio_max};
    PEN_TRY(pen_decoder_new(&decoder, &scan->decoder, err));
    PEN_TRY(pen_classifier_new(program->types, &scan->classifier, err));
    scan->window_cap = pen_scan_window(scan->options.record_bytes_max);
    scan->window = malloc(scan->window_cap + PEN_JSON_PADDING);
    scan->types = calloc(program->type_count, sizeof(*scan->types));
    if (scan->window == NULL || scan->types == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "scan: out of memory for the window");
    }
    if (program->enrich != NULL) {
        PEN_TRY(pen_enricher_new(program->enrich, &scan->enricher, err));
    }
    for (uint32_t i = 0; i < program->type_count; i++) {
        PEN_TRY(scan_type_get(scan, program->by_type[i].type, err));
    }
    const size_t record_bytes_max = scan->options.record_bytes_max;
    const struct envelope_options envelope = {.lender = scan->types[0].reader.walker,
                                              .window_bytes_max = scan->window_cap,
                                              .record_bytes_max = record_bytes_max,
                                              .part_bytes_max = record_bytes_max + PART_BYTES_MORE};
    return envelope_new(&envelope, &scan->envelope, err);
}

pen_status pen_scan_new(const struct pen_scan_options *options, struct pen_scan **out,
                        struct pen_err *err)
{
    struct pen_scan *scan = calloc(1, sizeof(*scan));
    if (scan == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "scan: out of memory");
    }
    scan->options = *options;
    if (scan->options.bad_in_a_row_max == 0) {
        scan->options.bad_in_a_row_max = BAD_IN_A_ROW_MAX;
    }
    if (scan->options.record_bytes_max == 0) {
        scan->options.record_bytes_max = RECORD_BYTES_MAX;
    }
    if (scan->options.plain_bytes_max == 0) {
        scan->options.plain_bytes_max = PLAIN_BYTES_MAX;
    }
    if (scan->options.ratio_max == 0) {
        scan->options.ratio_max = RATIO_MAX;
    }
    scan->state = SCAN_ENDED;
    const pen_status st = scan_fill_in(scan, err);
    if (st != PEN_OK) {
        pen_scan_free(scan);
        return st;
    }
    *out = scan;
    return PEN_OK;
}

void pen_scan_free(struct pen_scan *scan)
{
    if (scan == NULL) {
        return;
    }
    envelope_free(scan->envelope); /* the first type lends to it */
    const uint32_t count = scan->types == NULL ? 0 : scan->options.program->type_count;
    for (uint32_t i = count; i-- > 0;) { /* the first lends to the others */
        reader_free(&scan->types[i].reader);
        pen_normalizer_free(scan->types[i].normalizer);
        pen_matcher_free(scan->types[i].matcher);
    }
    pen_enricher_free(scan->enricher);
    pen_decoder_free(scan->decoder);
    pen_classifier_free(scan->classifier);
    free(scan->types);
    free(scan->window);
    free(scan);
}

uint64_t pen_scan_regex_limits(const struct pen_scan *scan)
{
    uint64_t limits = 0;
    for (uint32_t i = 0; i < scan->options.program->type_count; i++) {
        const struct pen_matcher *matcher = scan->types[i].matcher;
        limits += matcher == NULL ? 0 : pen_matcher_counters_get(matcher).regex_limit_hits;
    }
    return limits;
}

void pen_scan_damaged(const struct pen_scan *scan, struct pen_enricher_counters *out)
{
    *out = scan->enricher == NULL ? (struct pen_enricher_counters){0}
                                  : pen_enricher_counters_get(scan->enricher);
}

static bool scan_is_unknown(const struct pen_scan *scan)
{
    return pen_slice_eq(scan->type->name, PEN_SLICE_LIT("unknown"));
}

/* About when the object was written: as its key says, else its storage. */
static int64_t scan_written(const struct pen_scan *scan, int64_t modified_ns)
{
    if (scan->key_info.day_ns != INT64_MIN) {
        return scan->key_info.day_ns;
    }
    return modified_ns != INT64_MIN ? modified_ns : scan->options.ingested_ns;
}

void pen_scan_begin(struct pen_scan *scan, pen_slice bucket, pen_slice key, int64_t modified_ns)
{
    pen_classify_key(scan->classifier, key, &scan->key_info);
    scan->type = scan->key_info.type;
    if (scan->options.as_type.len > 0) {
        const struct pen_type *forced =
            pen_types_find(scan->options.program->types, scan->options.as_type);
        PEN_CHECK(forced != NULL); /* the caller looked it up before */
        scan->type = forced;
    }
    scan->object_type = scan->type;
    scan->object = (struct pen_object_info){.bucket = bucket,
                                            .key = key,
                                            .account = scan->key_info.account,
                                            .region = scan->key_info.region,
                                            .ingested_ns = scan->options.ingested_ns,
                                            .written_ns = scan_written(scan, modified_ns),
                                            .message = scan->options.message};
    pen_decoder_reset(scan->decoder);
    reader_reset(&scan->types[scan->type->id].reader);
    scan->state = SCAN_FILL;
    scan->input = (pen_slice){0};
    scan->input_is_last = false;
    scan->is_sniffed = false;
    scan->wrapped = 0;
    scan->is_by_content = false;
    scan->is_digest = scan->key_info.is_digest && scan_is_unknown(scan);
    scan->is_parquet = false;
    scan->is_damaged = false;
    scan->window_len = 0;
    scan->fill_target = WINDOW_BYTES_FIRST;
    scan->is_final = false;
    scan->is_fresh = true;
    scan->plain_bytes = 0;
    scan->bad_in_a_row = 0;
}

void pen_scan_feed(struct pen_scan *scan, pen_slice data, bool is_last)
{
    PEN_CHECK(scan->input.len == 0);
    scan->input = data;
    scan->input_is_last = is_last;
}

static pen_slice scan_head(const struct pen_scan *scan)
{
    return (pen_slice){scan->window,
                       scan->window_len < SNIFF_BYTES ? scan->window_len : SNIFF_BYTES};
}

/* What a log group looks like says the type, as a key would, else a message of it does. */
static const struct pen_type *scan_type_of_group(struct pen_scan *scan, pen_slice group,
                                                 pen_slice stream, pen_slice message)
{
    const struct pen_types *types = scan->options.program->types;
    const pen_slice parts[] = {PEN_SLICE_LIT("/"), group, PEN_SLICE_LIT("/"), stream};
    char name[GROUP_BYTES_MAX];
    size_t len = 0;
    struct pen_key_info info = {0};
    for (size_t i = 0; i < PEN_COUNT(parts); i++) {
        const size_t room = sizeof(name) - len;
        const size_t n = parts[i].len < room ? parts[i].len : room;
        if (n > 0) {
            memcpy(name + len, parts[i].ptr, n);
        }
        len += n;
    }
    pen_classify_key(scan->classifier, (pen_slice){(const uint8_t *)name, len}, &info);
    if (!pen_slice_eq(info.type->name, PEN_SLICE_LIT("unknown"))) {
        return info.type;
    }
    if (pen_slice_find(message, PEN_SLICE_LIT("\\\"eventSource\\\"")) != SIZE_MAX &&
        pen_slice_find(message, PEN_SLICE_LIT("\\\"eventTime\\\"")) != SIZE_MAX) {
        return pen_types_find(types, PEN_SLICE_LIT("cloudtrail"));
    }
    return sniff_is_flow_record(message) ? pen_types_find(types, PEN_SLICE_LIT("vpcflowlogs"))
                                         : NULL;
}

/* Of an envelope: those of one object may be of several types.  The object is of the first. */
static const struct reader *scan_choose(void *ctx, pen_slice group, pen_slice stream,
                                        pen_slice message, const struct pen_type **type)
{
    struct pen_scan *scan = ctx;
    *type = scan_type_of_group(scan, group, stream, message);
    if (*type == NULL || ((*type)->envelopes & PEN_ENVELOPE_CLOUDWATCH) == 0) {
        return NULL;
    }
    scan->object_type = scan->is_by_content ? scan->object_type : *type;
    scan->is_by_content = true;
    scan->type = *type;
    return &scan->types[(*type)->id].reader;
}

/*
 * A key that says nothing, but bytes that plainly do: a folder of loose files is the first thing a
 * new user tries.
 */
static void scan_sniff(struct pen_scan *scan)
{
    const struct pen_types *types = scan->options.program->types;
    if (!scan_is_unknown(scan) || scan->is_digest || scan->options.as_type.len > 0) {
        return;
    }
    const pen_slice head = scan_head(scan);
    const bool is_whole = scan->is_final && head.len == scan->window_len;
    const struct pen_type *found = NULL;
    if (sniff_is_digest(head)) {
        scan->is_digest = true;
    } else if (scan->options.by_key_only) {
        return;
    } else if (sniff_is_cloudwatch(head)) {
        scan->wrapped = PEN_ENVELOPE_CLOUDWATCH; /* each envelope tells of itself */
    } else if (sniff_is_cloudtrail(head, is_whole)) {
        found = pen_types_find(types, PEN_SLICE_LIT("cloudtrail"));
    } else {
        const char *name = sniff_text_type(head);
        found = name == NULL ? NULL : pen_types_find(types, pen_slice_str(name));
    }
    if (found != NULL) {
        scan->type = scan->object_type = found;
        scan->is_by_content = true;
        reader_reset(&scan->types[found->id].reader);
    }
}

/* The first bytes are here: of what type they are, and what the records come in. */
static void scan_open(struct pen_scan *scan)
{
    scan->is_sniffed = true;
    scan->is_parquet = sniff_is_parquet(scan_head(scan));
    if (PEN_UNLIKELY(scan->is_parquet)) {
        scan->type = pen_types_find(scan->options.program->types, PEN_SLICE_LIT("unknown"));
        PEN_CHECK(scan->type != NULL);
        scan->object_type = scan->type;
    } else {
        scan_sniff(scan);
    }
    if (!scan_is_unknown(scan)) {
        scan->wrapped = envelope_kind(scan->type, scan->object.key, scan_head(scan));
    }
    scan->object.told = NULL;
    if (PEN_UNLIKELY(scan->wrapped != 0)) {
        const bool is_open = scan_is_unknown(scan);
        scan->chooser = (struct envelope_chooser){.ctx = scan, .choose = scan_choose};
        envelope_begin(scan->envelope, scan->wrapped, scan->object.key, is_open ? NULL : scan->type,
                       is_open ? NULL : &scan->types[scan->type->id].reader,
                       is_open ? &scan->chooser : NULL);
        scan->object.told = envelope_told(scan->envelope);
    }
}

/* ---- records of the object, wrapped or not ---- */

static void source_window(struct pen_scan *scan, pen_slice window)
{
    if (PEN_UNLIKELY(scan->wrapped != 0)) {
        envelope_window(scan->envelope, window, scan->is_final);
    } else {
        reader_window(&scan->types[scan->type->id].reader, window, scan->is_final);
    }
}

static size_t source_consumed(const struct pen_scan *scan)
{
    return PEN_UNLIKELY(scan->wrapped != 0) ? envelope_consumed(scan->envelope)
                                            : reader_consumed(&scan->types[scan->type->id].reader);
}

static enum pen_next source_next(struct pen_scan *scan, struct pen_record *record,
                                 struct pen_err *err)
{
    return PEN_UNLIKELY(scan->wrapped != 0)
               ? envelope_next(scan->envelope, record, err)
               : reader_next(&scan->types[scan->type->id].reader, record, err);
}

/* Most objects are small and here as a whole: in one go, which is faster, and with one window. */
static bool scan_fill_whole(struct pen_scan *scan)
{
    const size_t cap = scan->window_cap < WHOLE_BYTES_MAX ? scan->window_cap : WHOLE_BYTES_MAX;
    if (!scan->input_is_last ||
        !pen_decode_whole(scan->decoder, scan->input, scan->window, cap, &scan->window_len)) {
        return false;
    }
    scan->input = (pen_slice){0};
    scan->plain_bytes = scan->window_len;
    scan->is_final = true;
    return true;
}

/* Decodes into the window until it holds fill_target bytes or the input pauses or ends. */
static enum pen_scan_next scan_fill(struct pen_scan *scan, struct pen_err *err, bool *paused)
{
    *paused = false;
    if (scan->is_fresh) { /* nothing was fed before */
        scan->is_fresh = false;
        if (scan_fill_whole(scan)) {
            return PEN_SCAN_RECORD;
        }
    }
    while (scan->window_len < scan->fill_target && !scan->is_final) {
        const size_t before = scan->window_len;
        size_t added = 0;
        const enum pen_decode got =
            pen_decode(scan->decoder, &scan->input, scan->input_is_last, scan->window + before,
                       scan->fill_target - before, &added, err);
        scan->window_len += added;
        scan->plain_bytes += added;
        if (got == PEN_DECODE_END) {
            scan->is_final = true;
        } else if (got == PEN_DECODE_FAIL) {
            const bool goes_on = strncmp(err->text, "crc", 3) == 0;
            scan->is_damaged = true;
            scan->is_final = !goes_on;
            return PEN_SCAN_DAMAGE;
        } else if (got == PEN_DECODE_INPUT) {
            *paused = true;
            return PEN_SCAN_INPUT;
        }
    }
    return PEN_SCAN_RECORD;
}

/* False when what was decoded first is plainly no records. */
static bool scan_window(struct pen_scan *scan, struct pen_err *err)
{
    const bool is_first = scan->plain_bytes == scan->window_len;
    if (!scan->is_sniffed) {
        scan_open(scan);
    }
    if (scan_is_unknown(scan) && scan->wrapped == 0) {
        scan->state = SCAN_DRAIN;
        return true;
    }
    const bool is_json = scan->type->format == PEN_FORMAT_JSON && scan->wrapped == 0;
    if (PEN_UNLIKELY(is_first && is_json && !sniff_is_json(scan_head(scan), err))) {
        scan->state = SCAN_DRAIN;
        return false;
    }
    if (PEN_UNLIKELY(scan->options.depth == PEN_SCAN_DECODE)) {
        scan->window_len = 0;
        scan->state = scan->is_final ? SCAN_ENDED : SCAN_FILL;
        return true;
    }
    memset(scan->window + scan->window_len, ' ', PEN_JSON_PADDING);
    source_window(scan, (pen_slice){scan->window, scan->window_len});
    scan->state = SCAN_WALK;
    return true;
}

/* The window is used up: moves what the walker wants to see again to the front. */
static void scan_slide(struct pen_scan *scan)
{
    const size_t used = source_consumed(scan);
    PEN_CHECK(used <= scan->window_len && (used > 0 || scan->window_len < scan->window_cap));
    const size_t rest = scan->window_len - used;
    memmove(scan->window, scan->window + used, rest);
    scan->window_len = rest;
    scan->fill_target = used == 0 ? scan->fill_target * 2 : rest + WINDOW_BYTES_FIRST;
    if (scan->fill_target > scan->window_cap) {
        scan->fill_target = scan->window_cap;
    }
    scan->state = SCAN_FILL;
}

static enum pen_scan_next scan_record(struct pen_scan *scan, struct scan_type *entry,
                                      struct pen_scan_item *item, struct pen_err *err)
{
    if (PEN_UNLIKELY(scan->options.depth == PEN_SCAN_WALK)) {
        item->tag_count = 0;
        return PEN_SCAN_RECORD;
    }
    if (PEN_UNLIKELY(scan->object.told != NULL && scan->object.told->is_left_out)) {
        item->doc = (struct pen_doc){.kind = PEN_DOC_LEFT_OUT, .time_ns = INT64_MIN};
        item->tag_count = 0;
        return PEN_SCAN_RECORD;
    }
    const pen_status st = pen_normalize(entry->normalizer, entry->reader.walker, &item->record,
                                        &scan->object, scan->options.want_source, &item->doc, err);
    if (st != PEN_OK) {
        return PEN_SCAN_BAD;
    }
    item->tags = NULL;
    item->tag_count = 0;
    if (entry->matcher != NULL && item->doc.kind == PEN_DOC_EVENT &&
        scan->options.depth == PEN_SCAN_ALL) {
        item->tag_count = pen_matcher_run(entry->matcher, &item->record, &item->tags);
    }
    return PEN_SCAN_RECORD;
}

/*
 * A bad record.  An object of nothing else (10 MB of commas, say) would make dead letters a hundred
 * times its size: it ends here.
 */
static enum pen_scan_next scan_bad(struct pen_scan *scan, const struct pen_scan_item *item,
                                   struct pen_err *err)
{
    const uint64_t most = scan->options.bad_in_a_row_max;
    if (++scan->bad_in_a_row <= most) {
        return PEN_SCAN_BAD;
    }
    scan->state = SCAN_DRAIN;
    (void)PEN_FAIL(err, PEN_E_LIMIT, item->record.offset,
                   "%" PRIu64 " records in a row are bad: the rest of the object is not read "
                   "(record.bad_in_a_row_max)",
                   most);
    return PEN_SCAN_DAMAGE;
}

static bool scan_walk(struct pen_scan *scan, struct pen_scan_item *item, struct pen_err *err,
                      enum pen_scan_next *next)
{
    switch (source_next(scan, &item->record, err)) {
    case PEN_NEXT_RECORD: /* of the type that its envelope has */
        *next = scan_record(scan, &scan->types[scan->type->id], item, err);
        if (*next == PEN_SCAN_RECORD) {
            scan->bad_in_a_row = 0;
            return true;
        }
        *next = scan_bad(scan, item, err);
        return true;
    case PEN_NEXT_BAD:
        *next = scan_bad(scan, item, err);
        return true;
    case PEN_NEXT_MORE:
        PEN_CHECK(!scan->is_final);
        scan_slide(scan);
        return false;
    case PEN_NEXT_END:
        scan->state = SCAN_ENDED;
        /* After damage in the stored bytes a cut last record is what is expected. */
        *next = err->status == PEN_OK || scan->is_damaged ? PEN_SCAN_END : PEN_SCAN_DAMAGE;
        return true;
    }
    pen_panic(PEN_HERE, "walker verdict");
}

enum pen_scan_next pen_scan_next(struct pen_scan *scan, struct pen_scan_item *item,
                                 struct pen_err *err)
{
    enum pen_scan_next next = PEN_SCAN_END;
    pen_err_clear(err);
    for (;;) {
        bool paused = false;
        switch (scan->state) {
        case SCAN_FILL:
            next = scan_fill(scan, err, &paused);
            if (paused || next == PEN_SCAN_DAMAGE) {
                return next;
            }
            if (!scan_window(scan, err)) {
                return PEN_SCAN_DAMAGE;
            }
            break;
        case SCAN_WALK:
            if (scan_walk(scan, item, err, &next)) {
                return next;
            }
            break;
        case SCAN_DRAIN:
            scan->input = (pen_slice){0};
            if (scan->is_final || scan->input_is_last) {
                scan->state = SCAN_ENDED;
                break;
            }
            return PEN_SCAN_INPUT;
        case SCAN_ENDED:
            return PEN_SCAN_END;
        }
    }
}

const struct pen_key_info *pen_scan_key(const struct pen_scan *scan)
{
    return &scan->key_info;
}

const struct pen_type *pen_scan_type(const struct pen_scan *scan)
{
    return scan->type;
}

const struct pen_type *pen_scan_object_type(const struct pen_scan *scan)
{
    return scan->object_type;
}

bool pen_scan_is_digest(const struct pen_scan *scan)
{
    return scan->is_digest;
}

const char *pen_scan_unknown_reason(const struct pen_scan *scan)
{
    return sniff_unknown_reason(scan->is_parquet, scan->object.key);
}

bool pen_scan_is_by_content(const struct pen_scan *scan)
{
    return scan->is_by_content;
}

uint64_t pen_scan_plain_bytes(const struct pen_scan *scan)
{
    return scan->plain_bytes;
}

struct pen_matcher *pen_scan_matcher(struct pen_scan *scan, const struct pen_type *type)
{
    return scan->types[type->id].matcher;
}

pen_status pen_scan_one(struct pen_scan *scan, const struct pen_type *type, pen_slice raw,
                        struct pen_scan_item *item, struct pen_err *err)
{
    struct scan_type *entry = &scan->types[type->id];
    if (raw.len > scan->window_cap) {
        return PEN_FAIL(err, PEN_E_LIMIT, 0, "record of %zu bytes, %zu at most", raw.len,
                        scan->window_cap);
    }
    scan->type = scan->object_type = type;
    scan->object.told = NULL;
    memcpy(scan->window, raw.ptr, raw.len);
    memset(scan->window + raw.len, ' ', PEN_JSON_PADDING);
    *item = (struct pen_scan_item){0};
    const enum pen_next got = pen_walker_one(
        entry->reader.walker, (pen_slice){scan->window, raw.len}, &item->record, err);
    if (got != PEN_NEXT_RECORD) {
        return err->status == PEN_OK ? PEN_FAIL(err, PEN_E_CORRUPT, 0, "no JSON object")
                                     : err->status;
    }
    if (scan_record(scan, entry, item, err) != PEN_SCAN_RECORD) {
        return err->status;
    }
    return item->doc.kind != PEN_DOC_UNPARSED
               ? PEN_OK
               : PEN_FAIL(err, PEN_E_CORRUPT, 0, "%s", item->record.problem);
}
