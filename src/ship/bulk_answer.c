/* tested by tests/e2e/test_opensearch.py */
#include "bulk.h"

#include <stdio.h>
#include <stdlib.h>

#define REASON_BYTES_MAX 512U
#define EXCERPT_BYTES_MAX 512U

/* ---- documents ---- */

/* One that is settled, or will be told of in another body. */
static void doc_leaves(struct bulk *bulk, const struct bulk_body *body, uint32_t doc)
{
    const size_t len = bulk_doc_bytes(body, doc).len;
    PEN_CHECK(bulk->bytes_held >= len);
    bulk->bytes_held -= len;
}

static struct pen_ship_settled *counts_of(struct bulk *bulk, const struct bulk_body *body)
{
    return &bulk->counts[body->is_cut ? 0 : 1];
}

/* The line behind the action. */
static pen_slice doc_source(const struct bulk_body *body, uint32_t doc)
{
    const pen_slice bytes = bulk_doc_bytes(body, doc);
    const size_t end = pen_slice_find(bytes, PEN_SLICE_LIT("\n"));
    return pen_slice_sub(bytes, end + 1, bytes.len > 0 ? bytes.len - 1 : 0);
}

static void doc_refuse(struct bulk *bulk, const struct bulk_body *body, uint32_t doc,
                       const struct bulk_item *item)
{
    char reason[REASON_BYTES_MAX];
    const struct bulk_doc *entry = &body->docs[doc];
    const char *type = (const char *)body->names.ptr + entry->origin;
    const int len = snprintf(reason, sizeof(reason), "%u%s%.*s%s%.*s", item->status,
                             item->type.len > 0 ? " " : "", PEN_SLICE_FMT(item->type),
                             item->reason.len > 0 ? ": " : "", PEN_SLICE_FMT(item->reason));
    PEN_CHECK(len > 0);
    const struct pen_ship_refusal refusal = {
        .object = pen_slice_str(type + strlen(type) + 1),
        .type = pen_slice_str(type),
        .reason = pen_slice_str(reason),
        .excerpt = pen_slice_sub(doc_source(body, doc), 0, EXCERPT_BYTES_MAX),
        .record = entry->record,
        .offset = entry->offset,
        .is_cut = body->is_cut};
    counts_of(bulk, body)->dead++;
    if (bulk->options.refused != NULL) {
        bulk->options.refused(bulk->options.ctx, &refusal);
    }
}

static void all_may_exist(struct bulk_body *body)
{
    for (uint32_t i = 0; i < body->doc_count; i++) {
        body->docs[i].may_exist = true;
    }
}

/* ---- the whole body ---- */

/* What the cluster said, in a line; "" when it said nothing that can be told. */
static void said(char out[BULK_HOLD_TEXT], const char *where, const struct bulk_item *item)
{
    (void)snprintf(out, BULK_HOLD_TEXT, "%s: %u%s%.*s%s%.*s", where, item->status,
                   item->type.len > 0 ? " " : "", PEN_SLICE_FMT(item->type),
                   item->reason.len > 0 ? ": " : "", PEN_SLICE_FMT(item->reason));
}

void bulk_halve(struct bulk *bulk, struct bulk_body *body)
{
    const pen_slice index = {(const uint8_t *)body->index, body->index_len};
    const uint32_t middle = body->doc_count / 2;
    for (uint32_t part = 0; part < 2; part++) {
        const uint32_t begin = part == 0 ? middle : 0;
        const uint32_t end = part == 0 ? body->doc_count : middle;
        struct bulk_body *to = bulk_body_take(bulk, index);
        to->is_cut = body->is_cut;
        bulk->cut_left += body->is_cut;
        for (uint32_t i = begin; i < end; i++) {
            bulk_body_copy(to, body, i);
        }
        bulk_queue_first(bulk, to);
    }
    bulk_settled(bulk, body);
}

/* Nothing is taken for reasons that somebody has to mend. */
static void sink_hold(struct bulk *bulk, struct bulk_body *body, const struct bulk_item *why,
                      int64_t now_ns)
{
    char text[BULK_HOLD_TEXT];
    said(text, "the cluster refuses requests", why);
    (void)bulk_hold(bulk, NULL, text, now_ns);
    bulk_queue(bulk, body);
}

/*
 * The request as a whole is refused because of one of its documents, or its size.  When one is left
 * it is the one, unless the answer cannot be about it: a proxy's page, a limit that nothing fits.
 */
static void spoilt(struct bulk *bulk, struct bulk_body *body, const struct bulk_item *why,
                   int64_t now_ns)
{
    const bool is_about_it =
        why->status == 413 ? body->bytes.len > BODY_BYTES_MIN : why->type.len > 0;
    if (body->doc_count > 1) {
        bulk_halve(bulk, body);
    } else if (!is_about_it) {
        sink_hold(bulk, body, why, now_ns);
    } else {
        doc_refuse(bulk, body, 0, why);
        doc_leaves(bulk, body, 0);
        bulk_settled(bulk, body);
    }
}

/* Told when it lasts. */
static void nothing_moves(struct bulk *bulk, const char *text, int64_t now_ns)
{
    bulk->silent_ns = bulk->silent_ns == 0 ? now_ns : bulk->silent_ns;
    (void)snprintf(bulk->silence, sizeof(bulk->silence), "%s", text);
}

/* No answer, or none that can be relied on: what was sent may have been written. */
static void unanswered(struct bulk *bulk, struct bulk_body *body, const char *text, int64_t now_ns)
{
    all_may_exist(body);
    nothing_moves(bulk, text, now_ns);
    bulk_slower(bulk, now_ns);
    bulk_later(bulk, body, now_ns);
}

/* The first item that is held tells why.  False: none is. */
static bool index_hold(struct bulk *bulk, const struct bulk_body *body, int64_t now_ns)
{
    char text[BULK_HOLD_TEXT];
    char where[BULK_INDEX_MAX + 16];
    for (uint32_t i = 0; i < body->doc_count; i++) {
        if (bulk->items[i].verdict == BULK_HELD) {
            (void)snprintf(where, sizeof(where), "index %s", body->index);
            said(text, where, &bulk->items[i]);
            return bulk_hold(bulk, body->index, text, now_ns);
        }
    }
    return false;
}

/* ---- items ---- */

static pen_status items_reserve(struct bulk *bulk, uint32_t count, struct pen_err *err)
{
    if (count > bulk->item_cap) {
        struct bulk_item *bigger = reallocarray(bulk->items, count, sizeof(*bigger));
        if (bigger == NULL) {
            return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "bulk replies: out of memory");
        }
        bulk->items = bigger;
        bulk->item_cap = count;
    }
    return PEN_OK;
}

/* True when the document stays in the body. */
static bool item_take(struct bulk *bulk, struct bulk_body *body, uint32_t i,
                      const struct bulk_item *item)
{
    switch (item->verdict) {
    case BULK_DONE:
        return false;
    case BULK_EXISTS:
        counts_of(bulk, body)->duplicate += !body->docs[i].may_exist;
        return false;
    case BULK_REFUSED:
        doc_refuse(bulk, body, i, item);
        return false;
    case BULK_AGAIN:
        body->docs[i].may_exist |= item->status != 429;
        return true;
    case BULK_HELD:
        return true;
    }
    pen_panic(PEN_HERE, "verdict");
}

/* Keeps the documents that the marks say, in their order. */
static void body_compact(struct bulk_body *body, const struct bulk_item *items)
{
    uint32_t kept = 0;
    size_t len = 0;
    const uint32_t count = body->doc_count;
    for (uint32_t i = 0; i < count; i++) {
        const size_t begin = body->docs[i].begin;
        const size_t end = i + 1 < count ? body->docs[i + 1].begin : body->bytes.len;
        if (items[i].verdict != BULK_AGAIN && items[i].verdict != BULK_HELD) {
            continue;
        }
        memmove(body->bytes.ptr + len, body->bytes.ptr + begin, end - begin);
        body->docs[kept] = body->docs[i];
        body->docs[kept].begin = pen_u32(len);
        len += end - begin;
        kept++;
    }
    body->doc_count = kept;
    body->bytes.len = len;
}

static void items_apply(struct bulk *bulk, struct bulk_body *body, int64_t now_ns)
{
    const bool is_held = index_hold(bulk, body, now_ns);
    const uint32_t count = body->doc_count;
    uint32_t kept = 0;
    bool is_busy = false;
    for (uint32_t i = 0; i < count; i++) {
        is_busy |= bulk->items[i].verdict == BULK_AGAIN;
        if (item_take(bulk, body, i, &bulk->items[i])) {
            kept++;
        } else {
            doc_leaves(bulk, body, i);
        }
    }
    if (is_busy) {
        bulk_slower(bulk, now_ns);
    } else if (!is_held) {
        bulk_faster(bulk);
    }
    if (!is_held && kept < count) {
        bulk_release(bulk, body->index);
    }
    if (kept == 0) {
        bulk_settled(bulk, body);
        return;
    }
    body_compact(body, bulk->items);
    body->tries = kept < count ? 1 : body->tries;
    if (is_held && !is_busy) {
        bulk_queue(bulk, body); /* it goes when the index is tried again */
    } else {
        bulk_later(bulk, body, now_ns);
    }
}

/* An answer that cannot be read: it was too large, or it is none of a cluster. */
static void unreadable(struct bulk *bulk, struct bulk_slot *slot, struct bulk_body *body,
                       const struct pen_err *err, int64_t now_ns)
{
    if (slot->post.is_cut && body->doc_count > 1) {
        all_may_exist(body);
        bulk_halve(bulk, body);
    } else {
        unanswered(bulk, body, err->text, now_ns);
    }
}

static void answered_items(struct bulk *bulk, struct bulk_slot *slot, struct bulk_body *body,
                           int64_t now_ns)
{
    struct pen_err err = {0};
    pen_status st = slot->post.is_cut
                        ? PEN_FAIL(&err, PEN_E_LIMIT, PEN_NO_OFFSET, "an answer too large")
                        : items_reserve(bulk, body->doc_count, &err);
    if (st == PEN_OK) {
        st = bulk_reply_read(bulk->reader, slot->reply, slot->post.reply_len, bulk->items,
                             body->doc_count, &err);
    }
    if (st != PEN_OK) {
        unreadable(bulk, slot, body, &err, now_ns);
        return;
    }
    bulk->silent_ns = 0;
    bulk_release(bulk, NULL);
    items_apply(bulk, body, now_ns);
}

/* ---- answers ---- */

static void busy(struct bulk *bulk, struct bulk_body *body, const struct bulk_item *why,
                 int64_t now_ns)
{
    char text[BULK_HOLD_TEXT];
    said(text, "the cluster is busy", why);
    if (why->status != 429) {
        unanswered(bulk, body, text, now_ns);
        return;
    }
    nothing_moves(bulk, text, now_ns);
    bulk_slower(bulk, now_ns);
    bulk_later(bulk, body, now_ns);
}

/* An answer to the request as a whole. */
static void answered_whole(struct bulk *bulk, struct bulk_slot *slot, struct bulk_body *body,
                           int64_t now_ns)
{
    struct bulk_item why = {.status = slot->post.status};
    bulk_error_read(bulk->reader, slot->reply, slot->post.reply_len, &why.type, &why.reason);
    switch (bulk_answer_of(slot->post.status)) {
    case BULK_ANSWER_AGAIN:
        busy(bulk, body, &why, now_ns);
        break;
    case BULK_ANSWER_SMALL:
        bulk_smaller(bulk, body->bytes.len);
        spoilt(bulk, body, &why, now_ns);
        break;
    case BULK_ANSWER_BISECT:
        spoilt(bulk, body, &why, now_ns);
        break;
    case BULK_ANSWER_HELD:
        sink_hold(bulk, body, &why, now_ns);
        break;
    case BULK_ANSWER_ITEMS:
        pen_panic(PEN_HERE, "answer");
    }
}

void bulk_answer(struct bulk *bulk, struct bulk_slot *slot, int64_t now_ns)
{
    char text[BULK_HOLD_TEXT];
    struct bulk_body *body = slot->body;
    slot->body = NULL;
    if (bulk->is_closing) {
        bulk_body_give(bulk, body);
        return;
    }
    if (slot->post.was_resent) {
        all_may_exist(body);
    }
    if (slot->post.err.status != PEN_OK) {
        (void)snprintf(text, sizeof(text), "no answer: %.200s", slot->post.err.text);
        unanswered(bulk, body, text, now_ns);
    } else if (bulk_answer_of(slot->post.status) == BULK_ANSWER_ITEMS) {
        answered_items(bulk, slot, body, now_ns);
    } else {
        answered_whole(bulk, slot, body, now_ns);
    }
}
