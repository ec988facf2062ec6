#include "penstock/normalize.h"

#include "penstock/match.h"
#include "penstock/net.h"

#include "internal.h"

#include <stdlib.h>

#define SIZE_GUARD_BYTES 65536U
#define ITEMS_INSERTED_MAX 16U
#define PLAIN_MAX ((size_t)8 << 20)
#define SCRATCH_MORE 1024U         /* that scripts may add to texts of a record, */
#define SCRATCH_ESCAPES_MAX 65536U /* of which so many bytes may need to be escaped */

pen_status pen_normalizer_new(const struct pen_schema *schema, struct pen_normalizer **out,
                              struct pen_err *err)
{
    struct pen_normalizer *n = calloc(1, sizeof(*n));
    *out = n;
    if (n == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "normalizer");
    }
    PEN_CHECK(schema->is_sealed);
    n->schema = schema;
    n->ingested_ns = INT64_MIN;
    pen_buf_init(&n->threats.plain, NRM_DOCUMENT_MAX);
    pen_buf_init(&n->threats.json, NRM_THREAT_BYTES_MAX);
    n->period = (struct nrm_period){.begin_ns = INT64_MAX, .end_ns = INT64_MIN};
    pen_buf_init(&n->document, NRM_DOCUMENT_MAX);
    pen_buf_init(&n->spare, NRM_DOCUMENT_MAX);
    pen_buf_init(&n->text, NRM_DOCUMENT_MAX * 7);
    pen_buf_init(&n->plain, NRM_DOCUMENT_MAX);
    pen_buf_init(&n->message_buf, NRM_DOCUMENT_MAX);
    pen_buf_init(&n->basics, PLAIN_MAX);
    pen_buf_init(&n->basics_key, PLAIN_MAX);
    pen_buf_init(&n->fallback, PLAIN_MAX);
    pen_buf_init(&n->account.plain, PLAIN_MAX);
    pen_buf_init(&n->account.json, PLAIN_MAX);
    pen_buf_init(&n->region.plain, PLAIN_MAX);
    pen_buf_init(&n->region.json, PLAIN_MAX);
    pen_buf_init(&n->index, PLAIN_MAX);
    pen_buf_init(&n->id_buf, PLAIN_MAX);
    pen_buf_init(&n->texts, NRM_DOCUMENT_MAX);
    pen_buf_init(&n->scratch, NRM_DOCUMENT_MAX + SCRATCH_MORE + (size_t)2 * SCRATCH_ESCAPES_MAX);
    for (size_t i = 0; i < NRM_PLAIN_COUNT; i++) {
        pen_buf_init(&n->unescaped[i], PLAIN_MAX);
    }
    if (!nrm_line_new(n)) {
        pen_normalizer_free(n);
        *out = NULL;
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "normalizer");
    }
    return PEN_OK;
}

void pen_normalizer_free(struct pen_normalizer *normalizer)
{
    if (normalizer == NULL) {
        return;
    }
    struct pen_buf *const bufs[] = {
        &normalizer->document,      &normalizer->spare,        &normalizer->text,
        &normalizer->plain,         &normalizer->basics,       &normalizer->basics_key,
        &normalizer->fallback,      &normalizer->index,        &normalizer->id_buf,
        &normalizer->texts,         &normalizer->scratch,      &normalizer->message_buf,
        &normalizer->threats.plain, &normalizer->threats.json, &normalizer->account.plain,
        &normalizer->account.json,  &normalizer->region.plain, &normalizer->region.json};
    for (size_t i = 0; i < PEN_COUNT(bufs); i++) {
        pen_buf_fini(bufs[i]);
    }
    for (size_t i = 0; i < NRM_PLAIN_COUNT; i++) {
        pen_buf_fini(&normalizer->unescaped[i]);
    }
    nrm_tree_fini(&normalizer->tree);
    nrm_line_free(&normalizer->line);
    free(normalizer);
}

/* ---- maps ---- */

static bool is_usable(const struct pen_value *value, const struct nrm_source *source)
{
    return (!value->in_array || source->may_index) && value->kind != PEN_NULL &&
           !(value->kind == PEN_STRING && value->text.len == 0) && value->text.len > 0;
}

static const struct pen_value *first_usable(const struct pen_record *record,
                                            const struct nrm_source *source)
{
    const struct pen_value *value = pen_record_first(record, source->field);
    while (value != NULL && !is_usable(value, source)) {
        value = pen_value_next(record, value);
    }
    return value;
}

bool nrm_is_address(pen_slice text)
{
    uint8_t addr[16];
    uint8_t bits;
    return pen_ip_parse(text, addr, &bits);
}

static void map_first(struct pen_normalizer *n, const struct pen_record *record,
                      const struct nrm_map *map)
{
    const struct nrm_slot *slot = &n->schema->slots[map->slot];
    for (uint32_t i = 0; i < map->source_count; i++) {
        const struct pen_value *value = first_usable(record, &map->sources[i]);
        if (value == NULL) {
            continue;
        }
        struct nrm_value *to = &n->slots[map->slot];
        const bool is_tree = value->kind == PEN_OBJECT || value->kind == PEN_ARRAY;
        if (slot->is_ip && (is_tree || !nrm_is_address(value->text))) {
            return;
        }
        to->kind = is_tree ? NRM_JSON : NRM_TEXT;
        to->text = value->text;
        to->is_escaped = value->is_escaped;
        if (value->kind == PEN_BOOL) {
            to->text = value->text.len == 4 ? PEN_SLICE_LIT("True") : PEN_SLICE_LIT("False");
        }
        return;
    }
}

bool nrm_item_is_new(const struct pen_normalizer *n, uint32_t from, pen_slice text)
{
    for (uint32_t i = from; i < n->item_count; i++) {
        if (pen_slice_eq(n->items[i].text, text)) {
            return false;
        }
    }
    return true;
}

static int item_order(const void *a, const void *b)
{
    const struct nrm_item *x = a;
    const struct nrm_item *y = b;
    const size_t shorter = x->text.len < y->text.len ? x->text.len : y->text.len;
    if (shorter >= sizeof(uint64_t)) { /* mostly they differ early */
        uint64_t left;
        uint64_t right;
        memcpy(&left, x->text.ptr, sizeof(left));
        memcpy(&right, y->text.ptr, sizeof(right));
        if (left != right) {
            return __builtin_bswap64(left) < __builtin_bswap64(right) ? -1 : 1;
        }
    }
    const int order = memcmp(x->text.ptr, y->text.ptr, shorter);
    return order != 0 ? order : (x->text.len > y->text.len) - (x->text.len < y->text.len);
}

/* qsort takes memory and calls; most lists have two or three. */
void nrm_items_sort(struct nrm_item *items, uint32_t count)
{
    if (count > ITEMS_INSERTED_MAX) {
        qsort(items, count, sizeof(items[0]), item_order);
        return;
    }
    for (uint32_t i = 1; i < count; i++) {
        const struct nrm_item item = items[i];
        uint32_t at = i;
        while (at > 0 && item_order(&item, &items[at - 1]) < 0) {
            items[at] = items[at - 1];
            at--;
        }
        items[at] = item;
    }
}

static void map_collect(struct pen_normalizer *n, const struct pen_record *record,
                        const struct nrm_map *map)
{
    const uint32_t from = n->item_count;
    const bool is_ip = n->schema->slots[map->slot].is_ip;
    for (uint32_t i = 0; i < map->source_count; i++) {
        for (const struct pen_value *value = pen_record_first(record, map->sources[i].field);
             value != NULL; value = pen_value_next(record, value)) {
            if ((value->kind != PEN_STRING && value->kind != PEN_NUMBER) ||
                nrm_is_empty(value->text) || !nrm_item_is_new(n, from, value->text) ||
                (is_ip && !nrm_is_address(value->text)) || n->item_count == NRM_ITEMS_MAX) {
                continue;
            }
            n->items[n->item_count++] =
                (struct nrm_item){.text = value->text, .is_escaped = value->is_escaped};
        }
    }
    nrm_items_sort(n->items + from, n->item_count - from);
    if (n->item_count > from) {
        n->slots[map->slot] = (struct nrm_value){
            .kind = NRM_LIST, .item_first = from, .item_count = n->item_count - from};
    }
}

static void run_maps(struct pen_normalizer *n, const struct pen_record *record)
{
    if (record->layout != NULL) {
        nrm_line_fill(n, record);
        return;
    }
    for (uint32_t i = 0; i < n->schema->map_count; i++) {
        const struct nrm_map *map = &n->schema->maps[i];
        if (map->collect) {
            map_collect(n, record, map);
        } else {
            map_first(n, record, map);
        }
    }
}

/* Plain text of a value; unescaped into a buffer of its own when it has to be. */
static pen_status plain_text(struct pen_normalizer *n, uint32_t which, pen_slice text,
                             bool is_escaped, pen_slice *out)
{
    *out = text;
    if (!is_escaped) {
        return PEN_OK;
    }
    struct pen_buf *buf = &n->unescaped[which];
    buf->len = 0;
    PEN_TRY(pen_buf_reserve(buf, text.len));
    buf->len = pen_json_unescape(text, buf->ptr);
    *out = pen_buf_slice(buf);
    return PEN_OK;
}

/* ---- id, index ---- */

static bool names_type(const struct pen_normalizer *n)
{
    return n->schema->script != NULL && n->schema->script->names_type;
}

/* A finding that is told again is another document. */
static pen_status id_suffix(struct pen_normalizer *n, const struct pen_record *record,
                            struct pen_doc *doc)
{
    const struct pen_value *value = pen_record_first(record, n->schema->suffix_field);
    if (value == NULL) {
        return PEN_OK;
    }
    n->own_id = doc->id;
    n->id_buf.len = 0;
    PEN_TRY(pen_buf_add(&n->id_buf, doc->id));
    PEN_TRY(pen_buf_add_byte(&n->id_buf, '_'));
    PEN_TRY(pen_buf_add(&n->id_buf, value->text));
    doc->id = pen_buf_slice(&n->id_buf);
    return PEN_OK;
}

static pen_status md5_id(struct pen_normalizer *n, pen_slice raw, pen_slice more,
                         struct pen_doc *doc)
{
    const bool is_json = n->schema->type->format == PEN_FORMAT_JSON;
    pen_slice whole = raw;
    if (is_json || more.len > 0) {
        n->text.len = 0;
        PEN_TRY(is_json ? pen_json_spaced(&n->text, raw) : pen_buf_add(&n->text, raw));
        PEN_TRY(pen_buf_add(&n->text, more));
        whole = pen_buf_slice(&n->text);
    }
    pen_md5_hex(whole, n->id_text);
    doc->id = (pen_slice){(const uint8_t *)n->id_text, PEN_MD5_HEX};
    return PEN_OK;
}

/* Of a record that could not be parsed: by its place too, and never that of the document which it
 * is once its type is mended. */
static pen_status problem_id(struct pen_normalizer *n, const struct pen_record *record,
                             const struct pen_object_info *object, struct pen_doc *doc)
{
    const pen_slice more =
        n->told == NULL || n->told->id.len == 0 ? PEN_SLICE_LIT("None") : n->told->id;
    n->id_buf.len = 0;
    PEN_TRY(pen_buf_add(&n->id_buf, object->key));
    PEN_TRY(pen_buf_add(&n->id_buf, more));
    return md5_id(n, record->raw, pen_buf_slice(&n->id_buf), doc);
}

/* Of a record without an id of its own: a hash of it, and of what tells it apart. */
static pen_status hash_id(struct pen_normalizer *n, const struct pen_record *record,
                          const struct pen_object_info *object, struct pen_doc *doc)
{
    const pen_slice more = n->told == NULL ? (pen_slice){0} : n->told->id;
    if (n->schema->type->id_kind == PEN_ID_MD5) {
        return record->problem != NULL ? problem_id(n, record, object, doc)
                                       : md5_id(n, record->raw, more, doc);
    }
    /* The key takes part by its hash: equal records of two objects are two documents. */
    const uint64_t seed = pen_hash64(object->key, more.len == 0 ? 0 : pen_hash64(more, 0));
    pen_hash128_hex(pen_hash128(record->raw, seed), n->id_text);
    doc->id = (pen_slice){(const uint8_t *)n->id_text, 32};
    return PEN_OK;
}

static pen_status find_id(struct pen_normalizer *n, const struct pen_record *record,
                          const struct pen_object_info *object, struct pen_doc *doc)
{
    const struct pen_value *value = pen_record_first(record, n->schema->id_field);
    n->own_id = (pen_slice){0};
    if (value != NULL && value->kind == PEN_STRING && !nrm_is_empty(value->text) &&
        record->problem == NULL) {
        PEN_TRY(plain_text(n, NRM_PLAIN_ID, value->text, value->is_escaped, &doc->id));
        PEN_TRY(id_suffix(n, record, doc));
        doc->event_id = doc->id;
        return PEN_OK;
    }
    doc->event_id = (pen_slice){0};
    return hash_id(n, record, object, doc);
}

static pen_status find_index(struct pen_normalizer *n, int64_t time_ns, pen_slice *index)
{
    const bool is_other = time_ns < n->period.begin_ns || time_ns >= n->period.end_ns;
    const struct pen_type *type = n->schema->type;
    if (is_other) {
        nrm_period_at(type->rotation, time_ns, &n->period);
    }
    if (is_other || names_type(n)) {
        const bool is_alias = type->rotation == PEN_ROTATE_AUTO; /* it is made before the events */
        n->index.len = 0;
        PEN_TRY(pen_buf_add(&n->index, type->index_name));
        PEN_TRY(pen_buf_add(&n->index, is_alias ? (pen_slice){0} : n->index_tail));
        PEN_TRY(pen_buf_add(&n->index, pen_slice_str(n->period.tail)));
    }
    *index = pen_buf_slice(&n->index);
    return PEN_OK;
}

/* ---- what the object says ---- */

static pen_status add_member(struct pen_buf *out, const char *name, pen_slice text)
{
    if (text.len == 0) {
        return PEN_OK;
    }
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT(",\"")));
    PEN_TRY(pen_buf_add(out, pen_slice_str(name)));
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("\":\"")));
    PEN_TRY(pen_json_escape(out, text));
    return pen_buf_add_byte(out, '"');
}

/* The members that all records of an object share are built when the object changes. */
static pen_status prepare_object(struct pen_normalizer *n, const struct pen_object_info *object)
{
    const pen_slice known = pen_buf_slice(&n->basics_key);
    const size_t bucket = object->bucket.len;
    if (n->ingested_ns != object->ingested_ns || n->ingested_length == 0) {
        n->ingested_length = pen_format_time(object->ingested_ns, n->ingested_text);
        n->ingested_ns = object->ingested_ns;
    }
    if (n->basics.len > 0 && known.len == bucket + 1 + object->key.len &&
        pen_slice_eq(pen_slice_sub(known, 0, bucket), object->bucket) && known.ptr[bucket] == 0 &&
        pen_slice_eq(pen_slice_sub(known, bucket + 1, known.len), object->key)) {
        return PEN_OK;
    }
    n->basics.len = 0;
    n->basics_key.len = 0;
    PEN_TRY(pen_buf_add(&n->basics_key, object->bucket));
    PEN_TRY(pen_buf_add_byte(&n->basics_key, 0));
    PEN_TRY(pen_buf_add(&n->basics_key, object->key));
    if (!names_type(n)) {
        PEN_TRY(add_member(&n->basics, "@log_type", n->schema->type->name));
    }
    PEN_TRY(add_member(&n->basics, "@log_s3bucket", object->bucket));
    return add_member(&n->basics, "@log_s3key", object->key);
}

static bool is_unknown(const struct nrm_value *value)
{
    return value->kind == NRM_NONE ||
           (value->kind == NRM_TEXT && pen_slice_eq(value->text, PEN_SLICE_LIT("unknown")));
}

/* Account and region come from the key when the record names none. */
static pen_status fall_back(struct pen_normalizer *n, uint32_t slot, pen_slice from_key,
                            struct nrm_memo *memo, bool *is_fallback)
{
    const pen_slice fixed = n->schema->slots[slot].fixed;
    if (n->slots[slot].kind == NRM_NONE && fixed.len > 1 && fixed.ptr[0] == '"') {
        nrm_set_text(n, slot, pen_slice_sub(fixed, 1, fixed.len - 1), false);
    }
    *is_fallback = is_unknown(&n->slots[slot]);
    if (!*is_fallback) {
        return PEN_OK;
    }
    const pen_slice text = from_key.len > 0 ? from_key : PEN_SLICE_LIT("unknown");
    if (!pen_slice_eq(text, pen_buf_slice(&memo->plain))) {
        memo->plain.len = 0;
        memo->json.len = 0;
        PEN_TRY(pen_json_escape(&memo->json, text));
        PEN_TRY(pen_buf_add(&memo->plain, text));
    }
    nrm_set_text(n, slot, pen_buf_slice(&memo->json), memo->json.len != text.len);
    return PEN_OK;
}

static pen_slice told_instance(const struct pen_normalizer *n)
{
    return n->told == NULL ? (pen_slice){0} : n->told->instance;
}

static pen_status set_instance(struct pen_normalizer *n)
{
    const pen_slice instance = told_instance(n);
    if (instance.len == 0 || n->slots[n->schema->slot_instance].kind != NRM_NONE) {
        return PEN_OK;
    }
    const size_t from = n->fallback.len;
    PEN_TRY(pen_json_escape(&n->fallback, instance));
    nrm_set_text(n, n->schema->slot_instance,
                 pen_slice_sub(pen_buf_slice(&n->fallback), from, n->fallback.len), true);
    return PEN_OK;
}

static pen_slice first_of(pen_slice first, pen_slice second)
{
    return first.len > 0 ? first : second;
}

/* Where the record is from: as it says, else as its envelope or its object does. */
static pen_status fill_place(struct pen_normalizer *n, const struct pen_object_info *object)
{
    const struct pen_schema *schema = n->schema;
    n->fallback.len = 0;
    const pen_slice account =
        first_of(n->told == NULL ? (pen_slice){0} : n->told->account, object->account);
    const pen_slice region =
        first_of(n->told == NULL ? (pen_slice){0} : n->told->region, object->region);
    if (PEN_UNLIKELY(schema->slot_instance != PEN_FIELD_NONE)) {
        PEN_TRY(set_instance(n));
    }
    PEN_TRY(fall_back(n, schema->slot_account, account, &n->account, &n->account_is_fallback));
    return fall_back(n, schema->slot_region, region, &n->region, &n->region_is_fallback);
}

/* Of slots without a kind nothing else is read: eight bytes of each are enough. */
static void slots_clear(struct pen_normalizer *n)
{
    _Static_assert(offsetof(struct nrm_value, text) == sizeof(uint64_t), "kind and flags");
    _Static_assert(NRM_SLOTS_MAX % 4 == 0, "four at a time");
    const uint32_t count = n->schema->slot_count;
    for (struct nrm_value *slot = n->slots; slot < n->slots + count; slot += 4) {
        memset(&slot[0], 0, offsetof(struct nrm_value, text));
        memset(&slot[1], 0, offsetof(struct nrm_value, text));
        memset(&slot[2], 0, offsetof(struct nrm_value, text));
        memset(&slot[3], 0, offsetof(struct nrm_value, text));
    }
}

static pen_status fill_slots(struct pen_normalizer *n, const struct pen_record *record,
                             const struct pen_object_info *object, struct pen_doc *doc)
{
    const struct pen_schema *schema = n->schema;
    slots_clear(n);
    n->log_type = schema->type->name;
    n->index_tail = (pen_slice){0};
    n->item_count = 0;
    run_maps(n, record);
    if (PEN_UNLIKELY(record->problem != NULL)) {
        nrm_set_text(n, schema->slot_kind, PEN_SLICE_LIT("pipeline_error"), false);
        nrm_set_text(n, schema->slot_reason, pen_slice_str(record->problem), false);
        doc->kind = PEN_DOC_UNPARSED;
    }
    if (n->slots[schema->slot_module].kind == NRM_NONE &&
        schema->slots[schema->slot_module].fixed.len == 0) {
        nrm_set_text(n, schema->slot_module, schema->type->name, false);
    }
    nrm_set_text(n, schema->slot_ingested,
                 (pen_slice){(const uint8_t *)n->ingested_text, n->ingested_length}, false);
    PEN_TRY(fill_place(n, object));
    if (schema->script != NULL && record->problem == NULL) {
        n->scratch.len = 0;
        const size_t bytes = record->raw.len;
        const size_t escapes = bytes < SCRATCH_ESCAPES_MAX ? bytes : SCRATCH_ESCAPES_MAX;
        PEN_TRY(pen_buf_reserve(&n->scratch, bytes + 2 * escapes + SCRATCH_MORE));
        schema->script->run(n, record, doc);
    }
    return PEN_OK;
}

static inline pen_status slot_text(struct pen_normalizer *n, uint32_t slot, uint32_t which,
                                   pen_slice *out)
{
    *out = (pen_slice){0};
    if (slot == PEN_FIELD_NONE || n->slots[slot].kind != NRM_TEXT) {
        return PEN_OK;
    }
    return plain_text(n, which, n->slots[slot].text, n->slots[slot].is_escaped, out);
}

static pen_status find_actor(struct pen_normalizer *n, const struct pen_record *record,
                             struct pen_doc *doc)
{
    const struct pen_schema *schema = n->schema;
    PEN_TRY(slot_text(n, schema->slot_account, NRM_PLAIN_ACCOUNT, &doc->account));
    PEN_TRY(slot_text(n, schema->slot_region, NRM_PLAIN_REGION, &doc->region));
    PEN_TRY(slot_text(n, schema->slot_source_ip, NRM_PLAIN_IP, &doc->source_ip));
    doc->identity = PEN_SLICE_LIT("unknown");
    for (uint32_t i = 0; i < schema->type->identity_count; i++) {
        struct pen_value room;
        const struct pen_value *value = nrm_value_of(record, schema->identity[i], &room);
        if (value != NULL && value->kind == PEN_STRING && !nrm_is_empty(value->text)) {
            /* Who is known by an address alone is not the proxy, where that is trusted. */
            const bool is_proxy = n->peer.len > 0 && pen_slice_eq(value->text, n->peer);
            return plain_text(n, NRM_PLAIN_IDENTITY,
                              is_proxy ? n->slots[schema->slot_source_ip].text : value->text,
                              value->is_escaped, &doc->identity);
        }
    }
    return PEN_OK;
}

/* ---- the document ---- */

static const struct pen_value *last_value(const struct pen_record *record, uint32_t field)
{
    const struct pen_value *value = pen_record_first(record, field);
    while (value != NULL && pen_value_next(record, value) != NULL) {
        value = pen_value_next(record, value);
    }
    return value;
}

static bool has_diverted(const struct pen_normalizer *n, const struct pen_record *record)
{
    /* Columns of such names make values one by one. */
    const bool may_have = record->layout == NULL && record->problem == NULL;
    for (uint32_t i = 0; may_have && i < n->schema->divert_count; i++) {
        if (pen_record_first(record, n->schema->diverts[i].field) != NULL) {
            return true;
        }
    }
    return false;
}

/* What the envelope tells. */
static pen_status add_told(struct pen_normalizer *n, struct pen_buf *out)
{
    if (nrm_time_is_told(n)) {
        PEN_TRY(pen_buf_printf(out, ",\"%.*s\":%.*s", PEN_SLICE_FMT(n->told->time_name),
                               PEN_SLICE_FMT(n->told->time)));
    }
    return pen_buf_add(out, n->told->members);
}

/* What differs from record to record of what most objects tell for all of theirs. */
static pen_status add_names(struct pen_normalizer *n, struct pen_buf *out)
{
    PEN_TRY(n->told == NULL ? PEN_OK : add_told(n, out));
    return names_type(n) ? add_member(out, "@log_type", n->log_type) : PEN_OK;
}

/* Our members, "@message" (empty: none) first, without a leading comma. */
static pen_status write_ours(struct pen_normalizer *n, const struct pen_record *record,
                             const struct pen_doc *doc, struct pen_buf *out)
{
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("\"@timestamp\":\"")));
    PEN_TRY(pen_buf_add(out, (pen_slice){(const uint8_t *)n->time_text, n->time_length}));
    PEN_TRY(pen_buf_add_byte(out, '"'));
    PEN_TRY(pen_buf_add(out, pen_buf_slice(&n->basics)));
    PEN_TRY(add_names(n, out));
    PEN_TRY(add_member(out, "@message", n->message));
    PEN_TRY(add_member(out, "@id", n->own_id.len > 0 ? n->own_id : doc->id));
    return nrm_ecs_write(n, record, out);
}

static pen_status write_member(pen_slice key, const struct pen_value *value, struct pen_buf *out)
{
    const bool is_string = value->kind == PEN_STRING;
    const pen_slice quote = is_string ? PEN_SLICE_LIT("\"") : PEN_SLICE_LIT("");
    const bool is_first = out->ptr[out->len - 1] == '{';
    PEN_TRY(pen_buf_add(out, is_first ? PEN_SLICE_LIT("\"") : PEN_SLICE_LIT(",\"")));
    PEN_TRY(pen_buf_add(out, key));
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("\":")));
    PEN_TRY(pen_buf_add(out, quote));
    PEN_TRY(pen_buf_add(out, value->text));
    return pen_buf_add(out, quote);
}

/* The diverted members as one object: {"event":...,"user":...}. */
static pen_status write_diverted(const struct pen_normalizer *n, const struct pen_record *record,
                                 struct pen_buf *out)
{
    PEN_TRY(pen_buf_add_byte(out, '{'));
    for (uint32_t i = 0; i < n->schema->divert_count; i++) {
        const struct pen_value *value = last_value(record, n->schema->diverts[i].field);
        PEN_TRY(value == NULL ? PEN_OK : write_member(n->schema->diverts[i].key, value, out));
    }
    return pen_buf_add_byte(out, '}');
}

/* An account, region or provider in the record's own cloud object wins over a guess from the key.
 */
static void keep_raw_cloud(struct pen_normalizer *n, uint32_t raw, uint32_t ours)
{
    struct nrm_tree *tree = &n->tree;
    const uint32_t theirs = nrm_tree_member(tree, raw, PEN_SLICE_LIT("cloud"));
    const uint32_t mine = nrm_tree_member(tree, ours, PEN_SLICE_LIT("cloud"));
    const struct {
        pen_slice outer, inner;
        bool is_guess;
    } rows[] = {{PEN_SLICE_LIT("account"), PEN_SLICE_LIT("id"), n->account_is_fallback},
                {PEN_SLICE_LIT("region"), {0}, n->region_is_fallback},
                {PEN_SLICE_LIT("provider"), {0}, true}};
    for (size_t i = 0; i < PEN_COUNT(rows); i++) {
        uint32_t there = nrm_tree_member(tree, theirs, rows[i].outer);
        uint32_t here = nrm_tree_member(tree, mine, rows[i].outer);
        if (rows[i].inner.len > 0) {
            there = nrm_tree_member(tree, there, rows[i].inner);
            here = nrm_tree_member(tree, here, rows[i].inner);
        }
        if (rows[i].is_guess && there != NRM_TREE_NONE && here != NRM_TREE_NONE &&
            tree->nodes[there].kind == PEN_STRING && !nrm_is_empty(tree->nodes[there].text)) {
            tree->nodes[here].text = tree->nodes[there].text;
            tree->nodes[here].is_escaped = tree->nodes[there].is_escaped;
        }
    }
}

/* Slow path: the record has members of the names that we write. */
static pen_status write_merged(struct pen_normalizer *n, const struct pen_record *record,
                               const struct pen_doc *doc, struct pen_buf *out)
{
    uint32_t raw;
    uint32_t ours;
    n->spare.len = 0;
    n->text.len = 0;
    n->tree.count = 0;
    PEN_TRY(write_diverted(n, record, &n->spare));
    PEN_TRY(pen_buf_add_byte(&n->text, '{'));
    PEN_TRY(write_ours(n, record, doc, &n->text));
    PEN_TRY(pen_buf_add_byte(&n->text, '}'));
    PEN_TRY(nrm_tree_parse(&n->tree, pen_buf_slice(&n->spare), &raw));
    PEN_TRY(nrm_tree_parse(&n->tree, pen_buf_slice(&n->text), &ours));
    keep_raw_cloud(n, raw, ours);
    nrm_tree_merge(&n->tree, raw, ours);
    nrm_tree_prune(&n->tree, raw);
    n->plain.len = 0;
    PEN_TRY(nrm_tree_emit(&n->tree, raw, &n->plain));
    return pen_buf_add(out, pen_slice_sub(pen_buf_slice(&n->plain), 1, n->plain.len - 1));
}

static pen_status write_members(struct pen_normalizer *n, const struct pen_record *record,
                                const struct pen_doc *doc, struct pen_buf *out)
{
    return has_diverted(n, record) ? write_merged(n, record, doc, out)
                                   : write_ours(n, record, doc, out);
}

static pen_status find_message(struct pen_normalizer *n, const struct pen_record *record,
                               enum pen_message when)
{
    const bool is_wanted =
        record->problem != NULL ? when != PEN_MESSAGE_NEVER : when == PEN_MESSAGE_ALWAYS;
    n->message = (pen_slice){0};
    if (!is_wanted) {
        return PEN_OK;
    }
    n->message = record->raw;
    if (n->schema->type->format == PEN_FORMAT_JSON) {
        n->message_buf.len = 0;
        PEN_TRY(pen_json_spaced(&n->message_buf, record->raw));
        n->message = pen_buf_slice(&n->message_buf);
    }
    return PEN_OK;
}

/* The record's own members, under the type's prefix when it has one.  Of one with a problem they
 * may be those of anything, which mappings of its type do not fit: its text has them. */
static pen_status write_copy(struct pen_normalizer *n, const struct pen_record *record,
                             struct pen_buf *out)
{
    const pen_slice prefix = n->schema->type->prefix;
    const size_t before = out->len;
    if (prefix.len > 0) {
        PEN_TRY(pen_buf_printf(out, "\"%.*s\":{", PEN_SLICE_FMT(prefix)));
    }
    const size_t inside = out->len;
    if (!n->schema->type->has_no_copy && record->problem == NULL) {
        PEN_TRY(record->patch_count == 0 ? pen_record_members(out, record)
                                         : nrm_copy_patched(n, record, out));
    }
    if (prefix.len == 0) {
        return PEN_OK;
    }
    PEN_TRY(nrm_ecs_write_prefixed(n, out));
    if (out->len == inside) {
        out->len = before;
        return PEN_OK;
    }
    return pen_buf_add_byte(out, '}');
}

static pen_status write_document(struct pen_normalizer *n, const struct pen_record *record,
                                 struct pen_doc *doc)
{
    struct pen_buf *out = &n->document;
    out->len = 0;
    PEN_TRY(pen_buf_add_byte(out, '{'));
    PEN_TRY(write_copy(n, record, out));
    PEN_TRY(out->len > 1 ? pen_buf_add_byte(out, ',') : PEN_OK);
    PEN_TRY(write_members(n, record, doc, out));
    PEN_TRY(pen_buf_add_byte(out, '}'));
    pen_status status = PEN_OK;
    if (PEN_UNLIKELY(out->len >= SIZE_GUARD_BYTES)) {
        status = nrm_size_guard(n);
    }
    doc->source = pen_buf_slice(&n->document);
    return status;
}

/* NOLINTNEXTLINE(readability-function-size): the parameters are those of the contract */
pen_status pen_normalize(struct pen_normalizer *normalizer, struct pen_walker *walker,
                         struct pen_record *record, const struct pen_object_info *object,
                         bool want_source, struct pen_doc *doc, struct pen_err *err)
{
    struct pen_normalizer *n = normalizer;
    *doc = (struct pen_doc){.kind = PEN_DOC_EVENT, .time_ns = INT64_MIN};
    n->told = object->told;
    nrm_time_find(n, record, object, &doc->time_ns);
    pen_status status = prepare_object(n, object);
    if (status == PEN_OK) {
        status = find_id(n, record, object, doc);
    }
    if (status == PEN_OK) {
        status = fill_slots(n, record, object, doc);
    }
    if (n->schema->forwarded_count > 0 && status == PEN_OK) {
        nrm_client_fill(n, record);
    }
    if (n->enricher != NULL && status == PEN_OK && (want_source || n->schema->is_enrich_asked)) {
        nrm_enrich_fill(n);
    }
    if (n->schema->watched_count > 0 && n->enricher != NULL && status == PEN_OK) {
        status = nrm_threat_fill(n, record);
        doc->indicators = n->threats.count;
        doc->has_more_indicators = n->threats.left_out > 0;
    }
    if (status == PEN_OK) {
        status = find_actor(n, record, doc);
    }
    if (status == PEN_OK) {
        status = find_index(n, doc->time_ns == INT64_MIN ? object->ingested_ns : doc->time_ns,
                            &doc->index);
    }
    if (status == PEN_OK && want_source) {
        status = find_message(n, record, object->message);
    }
    if (status == PEN_OK && want_source) {
        status = write_document(n, record, doc);
    }
    if (status == PEN_OK) {
        status = nrm_derive(n, walker, record);
    }
    return status == PEN_OK ? PEN_OK
                            : PEN_FAIL(err, status, record->offset, "document of a record");
}
