/* tested by tests/e2e/test_opensearch.py */
#include "bulk.h"

#include "sink.h"

#include <inttypes.h>
#include <stdlib.h>

#define DOCUMENT_BYTES_MAX                                                \
    ((size_t)64 << 20) /* beyond a body's size: the last one may be large \
                        */
#define NAMES_BYTES_MAX ((size_t)64 << 20)
#define ID_BYTES_MAX 512U /* of the cluster */
#define DOCS_PER_BODY 1024U
#define ACTION_BYTES ((size_t)6 * ID_BYTES_MAX + 128)

/* ---- new, free ---- */

static pen_status slots_new(struct bulk *bulk, struct pen_err *err)
{
    const uint32_t count = bulk->options.requests_max;
    bulk->slots = calloc(count, sizeof(*bulk->slots));
    bulk->open = calloc(bulk->options.bodies_max, sizeof(struct bulk_body *));
    if (bulk->slots == NULL || bulk->open == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "bulk requests: out of memory");
    }
    for (uint32_t i = 0; i < count; i++) {
        pen_buf_init(&bulk->slots[i].packed, SIZE_MAX);
        bulk->slots[i].reply = malloc(BULK_REPLY_BYTES + PEN_JSON_PADDING);
        if (bulk->slots[i].reply == NULL) {
            return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "bulk requests: out of memory");
        }
    }
    return PEN_OK;
}

pen_status bulk_new(const struct pen_ship_options *options, struct bulk **out, struct pen_err *err)
{
    PEN_CHECK(options->ring != NULL && options->sink != NULL && options->requests_max > 0 &&
              options->requests_first <= options->requests_max);
    struct bulk *bulk = calloc(1, sizeof(*bulk));
    if (bulk == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "bulk requests: out of memory");
    }
    bulk->options = *options;
    bulk->body_target = options->body_bytes_max;
    bulk->body_max = options->body_bytes_max;
    bulk->window = options->requests_first == 0 ? 1 : options->requests_first;
    bulk->random = (uint64_t)pen_clock_mono_ns() ^ (uint64_t)(uintptr_t)bulk;
    const struct pen_poster_options poster =
        sink_poster(options->sink, options->requests_max, options->answer_ns);
    pen_status st = slots_new(bulk, err);
    st = st == PEN_OK ? gzip_new(&bulk->gzip, err) : st;
    st = st == PEN_OK ? bulk_reader_new(BULK_REPLY_BYTES, &bulk->reader, err) : st;
    st = st == PEN_OK ? pen_poster_new(options->ring, &poster, &bulk->poster, err) : st;
    st = st == PEN_OK ? sink_sign(options->sink, bulk->poster, err) : st;
    if (st != PEN_OK) {
        bulk_free(bulk);
        return st;
    }
    *out = bulk;
    return PEN_OK;
}

static void body_free(struct bulk_body *body)
{
    PEN_CHECK(body != NULL);
    pen_buf_fini(&body->bytes);
    pen_buf_fini(&body->names);
    free(body->docs);
    free(body);
}

static void bodies_free(struct bulk_body *body)
{
    while (body != NULL) {
        struct bulk_body *next = body->next;
        body_free(body);
        body = next;
    }
}

void bulk_free(struct bulk *bulk)
{
    if (bulk == NULL) {
        return;
    }
    pen_poster_free(bulk->poster);
    bulk_reader_free(bulk->reader);
    gzip_free(bulk->gzip);
    bodies_free(bulk->first);
    bodies_free(bulk->spare);
    for (uint32_t i = 0; i < bulk->open_count; i++) {
        body_free(bulk->open[i]);
    }
    for (uint32_t i = 0; bulk->slots != NULL && i < bulk->options.requests_max; i++) {
        pen_buf_fini(&bulk->slots[i].packed);
        free(bulk->slots[i].reply);
        if (bulk->slots[i].body != NULL) {
            body_free(bulk->slots[i].body);
        }
    }
    free(bulk->slots);
    free(bulk->open);
    free(bulk->items);
    free(bulk);
}

bool bulk_close(struct bulk *bulk)
{
    bulk->is_closing = true;
    const bool is_closed = pen_poster_close(bulk->poster);
    (void)bulk_turn(bulk, pen_clock_mono_ns());
    return is_closed;
}

uint64_t bulk_memory(const struct pen_ship_options *o)
{
    /* Buffers double; a body on its way has a compressed copy; a spare one keeps its buffer. */
    const uint64_t bodies = 2 * (uint64_t)o->held_bytes_max + 2 * (uint64_t)o->body_bytes_max;
    const uint64_t slot = gzip_bound(o->body_bytes_max) + BULK_REPLY_BYTES;
    const uint32_t nodes = o->sink == NULL ? 1 : sink_node_count(o->sink);
    return sizeof(struct bulk) + bodies + o->requests_max * slot + gzip_memory() +
           bulk_reader_memory(BULK_REPLY_BYTES) + pen_poster_memory(nodes, o->requests_max);
}

/* ---- bodies ---- */

struct bulk_body *bulk_body_take(struct bulk *bulk, pen_slice index)
{
    struct bulk_body *body = bulk->spare;
    if (body == NULL) {
        body = calloc(1, sizeof(*body));
        PEN_CHECK(body != NULL);
        pen_buf_init(&body->bytes, bulk->options.body_bytes_max * 2 + DOCUMENT_BYTES_MAX);
        pen_buf_init(&body->names, NAMES_BYTES_MAX);
    } else {
        bulk->spare = body->next;
    }
    PEN_CHECK(index.len < BULK_INDEX_MAX);
    memcpy(body->index, index.ptr, index.len);
    body->index[index.len] = '\0';
    body->index_len = (uint32_t)index.len;
    body->bytes.len = 0;
    body->names.len = 0;
    body->last_origin = 0;
    body->doc_count = 0;
    body->tries = 0;
    body->retry_ns = 0;
    body->is_cut = false;
    body->next = NULL;
    return body;
}

/* One buffer that a large document has grown is not kept for good. */
void bulk_body_give(struct bulk *bulk, struct bulk_body *body)
{
    if (body->bytes.cap > 4 * bulk->options.body_bytes_max || bulk->is_closing) {
        body_free(body);
        return;
    }
    body->next = bulk->spare;
    bulk->spare = body;
}

pen_slice bulk_doc_bytes(const struct bulk_body *body, uint32_t doc)
{
    const size_t end = doc + 1 < body->doc_count ? body->docs[doc + 1].begin : body->bytes.len;
    return pen_slice_sub(pen_buf_slice(&body->bytes), body->docs[doc].begin, end);
}

static void doc_push(struct bulk_body *body, const struct bulk_doc *doc)
{
    if (body->doc_count == body->doc_cap) {
        body->doc_cap = body->doc_cap == 0 ? DOCS_PER_BODY : body->doc_cap * 2;
        body->docs = reallocarray(body->docs, body->doc_cap, sizeof(*body->docs));
        PEN_CHECK(body->docs != NULL);
    }
    body->docs[body->doc_count++] = *doc;
}

void bulk_body_copy(struct bulk_body *to, const struct bulk_body *from, uint32_t doc)
{
    struct bulk_doc copy = from->docs[doc];
    const pen_slice bytes = bulk_doc_bytes(from, doc);
    copy.begin = pen_u32(to->bytes.len);
    PEN_CHECK(pen_buf_add(&to->bytes, bytes) == PEN_OK); /* it fitted a body before */
    if (to->names.len == 0) {
        PEN_CHECK(pen_buf_add(&to->names, pen_buf_slice(&from->names)) == PEN_OK);
    }
    doc_push(to, &copy);
}

void bulk_queue(struct bulk *bulk, struct bulk_body *body)
{
    body->next = NULL;
    if (bulk->last == NULL) {
        bulk->first = body;
    } else {
        bulk->last->next = body;
    }
    bulk->last = body;
}

void bulk_queue_first(struct bulk *bulk, struct bulk_body *body)
{
    body->next = bulk->first;
    bulk->first = body;
    bulk->last = bulk->last == NULL ? body : bulk->last;
}

void bulk_settled(struct bulk *bulk, struct bulk_body *body)
{
    if (body->is_cut) {
        PEN_CHECK(bulk->cut_left > 0);
        bulk->cut_left--;
    }
    bulk_body_give(bulk, body);
}

/* ---- adding ---- */

/* The open body at the place becomes one to be sent. */
static void body_seal(struct bulk *bulk, uint32_t at)
{
    struct bulk_body *body = bulk->open[at];
    bulk->open[at] = bulk->open[--bulk->open_count];
    bulk->bytes_open -= body->bytes.len;
    if (body->doc_count == 0) {
        bulk_body_give(bulk, body);
        return;
    }
    bulk->counters.body_bytes += body->bytes.len;
    bulk_queue(bulk, body);
}

static uint32_t body_least_used(const struct bulk *bulk)
{
    uint32_t oldest = 0;
    for (uint32_t i = 1; i < bulk->open_count; i++) {
        oldest = bulk->open[i]->used_at < bulk->open[oldest]->used_at ? i : oldest;
    }
    return oldest;
}

static struct bulk_body *body_open(struct bulk *bulk, pen_slice index)
{
    for (uint32_t i = 0; i < bulk->open_count; i++) {
        struct bulk_body *body = bulk->open[i];
        if (body->index_len != index.len || memcmp(body->index, index.ptr, index.len) != 0) {
            continue;
        }
        if (body->bytes.len < bulk->body_target) {
            return body;
        }
        body_seal(bulk, i);
        break;
    }
    if (bulk->open_count == bulk->options.bodies_max) {
        body_seal(bulk, body_least_used(bulk));
    }
    struct bulk_body *body = bulk_body_take(bulk, index);
    bulk->open[bulk->open_count++] = body;
    return body;
}

static pen_status id_add(struct pen_buf *to, const struct pen_ship_document *doc)
{
    char hash[PEN_SHA256_HEX];
    pen_slice id = doc->id;
    if (id.len == 0 || id.len > ID_BYTES_MAX) {
        pen_sigv4_hash(id.len == 0 ? doc->source : id, hash);
        id = (pen_slice){(const uint8_t *)hash, sizeof(hash)};
    }
    PEN_TRY(pen_buf_add(to, PEN_SLICE_LIT("\",\"_id\":\"")));
    return pen_json_escape(to, id);
}

static pen_status action_text(struct pen_buf *to, const struct pen_ship_document *doc)
{
    PEN_TRY(pen_buf_add(to, doc->version == 0 ? PEN_SLICE_LIT("{\"create\":{\"_index\":\"")
                                              : PEN_SLICE_LIT("{\"index\":{\"_index\":\"")));
    PEN_TRY(pen_json_escape(to, doc->index));
    return id_add(to, doc);
}

static pen_status doc_text(struct pen_buf *to, const struct pen_ship_document *doc)
{
    PEN_TRY(pen_buf_reserve(to, doc->source.len + doc->index.len * 6 + ACTION_BYTES));
    PEN_TRY(action_text(to, doc));
    if (doc->version == 0) {
        PEN_TRY(pen_buf_add(to, PEN_SLICE_LIT("\"}}\n")));
    } else {
        PEN_TRY(pen_buf_printf(to, "\",\"version\":%" PRIu64 ",\"version_type\":\"external\"}}\n",
                               doc->version));
    }
    PEN_TRY(pen_buf_add(to, doc->source));
    return pen_buf_add_byte(to, '\n');
}

static bool is_origin(const struct bulk_body *body, const struct pen_ship_document *doc)
{
    const size_t need = doc->type.len + doc->object.len + 2;
    if (body->names.len - body->last_origin != need) {
        return false;
    }
    const uint8_t *at = body->names.ptr + body->last_origin;
    return (doc->type.len == 0 || memcmp(at, doc->type.ptr, doc->type.len) == 0) &&
           at[doc->type.len] == '\0' &&
           (doc->object.len == 0 ||
            memcmp(at + doc->type.len + 1, doc->object.ptr, doc->object.len) == 0);
}

static pen_status origin_add(struct bulk_body *body, const struct pen_ship_document *doc)
{
    if (is_origin(body, doc)) {
        return PEN_OK;
    }
    const uint32_t at = pen_u32(body->names.len);
    PEN_TRY(pen_buf_reserve(&body->names, doc->type.len + doc->object.len + 2));
    PEN_TRY(pen_buf_add(&body->names, doc->type));
    PEN_TRY(pen_buf_add_byte(&body->names, '\0'));
    PEN_TRY(pen_buf_add(&body->names, doc->object));
    PEN_TRY(pen_buf_add_byte(&body->names, '\0'));
    body->last_origin = at;
    return PEN_OK;
}

pen_status bulk_add(struct bulk *bulk, const struct pen_ship_document *doc, struct pen_err *err)
{
    if (doc->index.len == 0 || doc->index.len >= BULK_INDEX_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "an index name of %zu bytes",
                        doc->index.len);
    }
    struct bulk_body *body = body_open(bulk, doc->index);
    const size_t before = body->bytes.len;
    pen_status st = doc_text(&body->bytes, doc);
    st = st == PEN_OK ? origin_add(body, doc) : st;
    if (st != PEN_OK) {
        body->bytes.len = before;
        return PEN_FAIL(err, st, PEN_NO_OFFSET, "a document of %zu bytes does not fit a body",
                        doc->source.len);
    }
    const struct bulk_doc entry = {.begin = pen_u32(before),
                                   .origin = body->last_origin,
                                   .record = doc->record,
                                   .offset = doc->offset,
                                   .may_exist = doc->may_exist || doc->version != 0};
    doc_push(body, &entry);
    body->used_at = ++bulk->clock;
    bulk->bytes_held += body->bytes.len - before;
    bulk->bytes_open += body->bytes.len - before;
    bulk->counters.documents++;
    return PEN_OK;
}

bool bulk_has_room(const struct bulk *bulk)
{
    return bulk->bytes_held < bulk->options.held_bytes_max;
}

void bulk_flush(struct bulk *bulk)
{
    while (bulk->open_count > 0) {
        body_seal(bulk, 0);
    }
}

void bulk_cut(struct bulk *bulk)
{
    PEN_CHECK(bulk->cut_left == 0);
    bulk_flush(bulk);
    for (struct bulk_body *body = bulk->first; body != NULL; body = body->next) {
        body->is_cut = true;
        bulk->cut_left++;
    }
    for (uint32_t i = 0; i < bulk->options.requests_max; i++) {
        if (bulk->slots[i].body != NULL) {
            bulk->slots[i].body->is_cut = true;
            bulk->cut_left++;
        }
    }
    bulk->counts[0] = bulk->counts[1];
    bulk->counts[1] = (struct pen_ship_settled){0};
}
