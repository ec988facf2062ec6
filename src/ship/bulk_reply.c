#include "bulk_reply.h"

#include <stdlib.h>

/* Containers around what is read: {"items":[{"create":{"status":201,"error":{"type":"..."}}}]} */
enum depth { DEPTH_ROOT = 1, DEPTH_ITEM = 2, DEPTH_OP = 3, DEPTH_FIELD = 4, DEPTH_ERROR = 5 };

struct bulk_reader {
    struct pen_plan *plan; /* wants nothing: the walker only validates */
    struct pen_walker *walker;
    size_t bytes_max;
};

static struct pen_walker_options walker_options(size_t bytes)
{
    return (struct pen_walker_options){.window_bytes_max = bytes, .record_bytes_max = bytes};
}

pen_status bulk_reader_new(size_t reply_bytes_max, struct bulk_reader **out, struct pen_err *err)
{
    const struct pen_walker_options options = walker_options(reply_bytes_max);
    struct bulk_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "bulk replies: out of memory");
    }
    reader->bytes_max = reply_bytes_max;
    reader->plan = pen_plan_new();
    if (reader->plan == NULL) {
        bulk_reader_free(reader);
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "bulk replies: out of memory");
    }
    pen_plan_seal(reader->plan);
    const pen_status st = pen_walker_new(reader->plan, &options, &reader->walker, err);
    if (st != PEN_OK) {
        bulk_reader_free(reader);
        return st;
    }
    *out = reader;
    return PEN_OK;
}

void bulk_reader_free(struct bulk_reader *reader)
{
    if (reader != NULL) {
        pen_walker_free(reader->walker);
        pen_plan_free(reader->plan);
        free(reader);
    }
}

uint64_t bulk_reader_memory(size_t reply_bytes_max)
{
    const struct pen_walker_options options = walker_options(reply_bytes_max);
    return sizeof(struct bulk_reader) + pen_walker_memory(&options);
}

/* ---- verdicts ---- */

enum bulk_answer bulk_answer_of(uint16_t status)
{
    if (status >= 200 && status < 300) {
        return BULK_ANSWER_ITEMS;
    }
    switch (status) {
    case 408:
    case 429:
        return BULK_ANSWER_AGAIN;
    case 413:
        return BULK_ANSWER_SMALL;
    case 400:
        return BULK_ANSWER_BISECT;
    default:
        return status >= 500 ? BULK_ANSWER_AGAIN : BULK_ANSWER_HELD;
    }
}

static bool is_one_of(pen_slice type, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (pen_slice_eq(type, pen_slice_str(names[i]))) {
            return true;
        }
    }
    return false;
}

/* Errors with a status of 4xx that say nothing about the document: every other one for the index
 * would get the same.  validation_exception is that of too many shards. */
static bool is_of_index(uint16_t status, pen_slice type)
{
    static const char *const blocks[] = {"cluster_block_exception",      "index_closed_exception",
                                         "index_create_block_exception", "validation_exception",
                                         "index_not_found_exception",    "security_exception"};
    return status == 401 || status == 403 || is_one_of(type, blocks, PEN_COUNT(blocks));
}

/* Of collections of Serverless for time series and vectors: every document gets the same. */
static bool is_without_ids(const struct bulk_item *item)
{
    return item->status == 400 && pen_slice_starts(item->reason, PEN_SLICE_LIT(BULK_NO_IDS));
}

static enum bulk_verdict verdict_of(const struct bulk_item *item)
{
    const uint16_t status = item->status;
    if (status >= 200 && status < 300) {
        return BULK_DONE;
    }
    if (status == 409) {
        return BULK_EXISTS;
    }
    if (status >= 400 && status < 500 &&
        (is_of_index(status, item->type) || is_without_ids(item))) {
        return BULK_HELD; /* a full disk is one of these, though its status is 429 */
    }
    if (status == 408 || status == 429 || status >= 500) {
        return BULK_AGAIN;
    }
    return BULK_REFUSED;
}

/* ---- reading ---- */

/* False: it is no JSON object. */
static bool is_valid(struct bulk_reader *reader, uint8_t *reply, size_t len, struct pen_err *err)
{
    struct pen_record record;
    pen_walker_reset(reader->walker);
    memset(reply + len, ' ', PEN_JSON_PADDING);
    return pen_walker_one(reader->walker, (pen_slice){reply, len}, &record, err) == PEN_NEXT_RECORD;
}

static pen_slice unescaped(const struct pen_token *token)
{
    if (!token->is_escaped) {
        return token->text;
    }
    uint8_t *text = pen_unconst(token->text.ptr); /* it becomes shorter */
    return (pen_slice){text, pen_json_unescape(token->text, text)};
}

/* Type and reason within an error object, whose depth of members is given. */
static void error_field(const struct pen_token *token, pen_slice name, struct bulk_item *item)
{
    if (token->kind != PEN_STRING) {
        return;
    }
    if (pen_slice_eq(name, PEN_SLICE_LIT("type"))) {
        item->type = unescaped(token);
    } else if (pen_slice_eq(name, PEN_SLICE_LIT("reason"))) {
        item->reason = unescaped(token);
    }
}

struct items {
    struct bulk_item *items;
    uint32_t count, cap;
    bool is_inside; /* between the brackets of "items" */
    bool is_wrong;
    pen_slice root, op, error; /* names of the members that are being read, by depth */
};

static bool is_error(const struct items *r)
{
    return pen_slice_eq(r->op, PEN_SLICE_LIT("error"));
}

static void op_field(struct items *r, const struct pen_token *token)
{
    struct bulk_item *item = &r->items[r->count];
    uint64_t status = 0;
    if (pen_slice_eq(r->op, PEN_SLICE_LIT("status"))) {
        r->is_wrong |= token->kind != PEN_NUMBER || !pen_parse_u64(token->text, &status) ||
                       status < 100 || status > 999;
        item->status = (uint16_t)status;
    } else if (is_error(r) && token->kind == PEN_STRING) { /* as old clusters say it */
        item->reason = unescaped(token);
    }
}

static void item_end(struct items *r)
{
    struct bulk_item *item = &r->items[r->count];
    r->is_wrong |= item->status == 0;
    item->verdict = verdict_of(item);
    r->count++;
}

static void inside(struct items *r, const struct pen_token *token)
{
    const bool is_object = token->kind == PEN_OBJECT;
    if (token->depth == DEPTH_ITEM) {
        r->is_wrong |= !is_object || r->count == r->cap;
        if (!r->is_wrong && token->is_open) {
            r->items[r->count] = (struct bulk_item){.verdict = BULK_AGAIN};
            r->op = (pen_slice){0};
        } else if (!r->is_wrong) {
            item_end(r);
        }
        return;
    }
    if (token->is_open || token->is_close) {
        return;
    }
    if (token->depth == DEPTH_FIELD && token->is_key) {
        r->op = token->text;
        r->error = (pen_slice){0};
    } else if (token->depth == DEPTH_FIELD) {
        op_field(r, token);
    } else if (token->depth == DEPTH_ERROR && token->is_key) {
        r->error = token->text;
    } else if (token->depth == DEPTH_ERROR && is_error(r)) {
        error_field(token, r->error, &r->items[r->count]);
    }
}

static void token_take(struct items *r, const struct pen_token *token)
{
    if (token->depth == DEPTH_ROOT) {
        if (token->is_key) {
            r->root = token->text;
        } else {
            r->is_inside = token->is_open && token->kind == PEN_ARRAY &&
                           pen_slice_eq(r->root, PEN_SLICE_LIT("items"));
        }
    } else if (r->is_inside) {
        inside(r, token);
    }
}

pen_status bulk_reply_read(struct bulk_reader *reader, uint8_t *reply, size_t len,
                           struct bulk_item *items, uint32_t count, struct pen_err *err)
{
    struct pen_err why = {0};
    struct items r = {.items = items, .cap = count};
    struct pen_tokens tokens;
    struct pen_token token;
    if (len > reader->bytes_max) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "a bulk reply of %zu bytes", len);
    }
    if (!is_valid(reader, reply, len, &why)) {
        return PEN_FAIL(err, PEN_E_CORRUPT, why.offset, "a bulk reply that is no JSON: %.120s",
                        why.text);
    }
    pen_tokens_init(&tokens, (pen_slice){reply, len});
    while (!r.is_wrong && pen_tokens_next(&tokens, &token)) {
        token_take(&r, &token);
    }
    if (r.is_wrong || r.count != count) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET,
                        "a bulk reply that does not answer the %u items of its request", count);
    }
    return PEN_OK;
}

void bulk_error_read(struct bulk_reader *reader, uint8_t *reply, size_t len, pen_slice *type,
                     pen_slice *reason)
{
    struct pen_err why = {0};
    struct bulk_item item = {.status = 0};
    struct pen_tokens tokens;
    struct pen_token token;
    pen_slice root = {0};
    pen_slice name = {0};
    *type = (pen_slice){0};
    *reason = (pen_slice){0};
    if (len > reader->bytes_max || !is_valid(reader, reply, len, &why)) {
        return;
    }
    pen_tokens_init(&tokens, (pen_slice){reply, len});
    while (pen_tokens_next(&tokens, &token)) {
        if (token.is_key) {
            root = token.depth == DEPTH_ROOT ? token.text : root;
            name = token.text;
            continue;
        }
        if (!pen_slice_eq(root, PEN_SLICE_LIT("error")) || token.is_open || token.is_close) {
            continue;
        }
        if (token.depth == DEPTH_ROOT && token.kind == PEN_STRING) {
            item.reason = unescaped(&token);
        } else if (token.depth == DEPTH_ROOT + 1) {
            error_field(&token, name, &item);
        }
    }
    *type = item.type;
    *reason = item.reason;
}
