/* tested by tests/e2e/test_opensearch.py */
#include "bulk.h"

#include <stdio.h>

#define RETRY_BASE_NS (PEN_NS_PER_S / 10)
#define RETRY_MAX_NS (20 * PEN_NS_PER_S)
#define RETRY_DOUBLINGS_MAX 8U
#define HOLD_NS (2 * PEN_NS_PER_S)     /* between tries of an index that takes nothing */
#define SILENCE_NS (2 * PEN_NS_PER_S)  /* without any answer before it is told */
#define COOLDOWN_NS (PEN_NS_PER_S / 2) /* one cause brings several bad answers: halved once */
#define TURN_NS (PEN_NS_PER_S / 50)    /* how exact deadlines and retries are */
#define WINDOW_STEP 1000U              /* thousandths of one more request */
#define BODY_STEP ((size_t)65536)      /* by which the size of bodies grows again */

static const struct pen_pair bulk_query[] = {
    {PEN_SLICE_LIT("filter_path"),
     PEN_SLICE_LIT("errors,items.*.status,items.*.error.type,items.*.error.reason,error,status")}};

/* ---- how much at once ---- */

void bulk_slower(struct bulk *bulk, int64_t now_ns)
{
    if (now_ns - bulk->cut_ns < COOLDOWN_NS) {
        return;
    }
    bulk->cut_ns = now_ns;
    bulk->window = bulk->window > 1 ? bulk->window / 2 : 1;
    bulk->credit = 0;
    const size_t half = bulk->body_target / 2;
    bulk->body_target = half > BODY_BYTES_MIN ? half : bulk->body_target;
}

void bulk_faster(struct bulk *bulk)
{
    bulk->credit += WINDOW_STEP / bulk->window;
    if (bulk->credit >= WINDOW_STEP && bulk->window < bulk->options.requests_max) {
        bulk->credit = 0;
        bulk->window++;
    }
    const size_t more = bulk->body_target + BODY_STEP;
    bulk->body_target = more < bulk->body_max ? more : bulk->body_max;
}

void bulk_smaller(struct bulk *bulk, size_t bytes)
{
    const size_t half = bytes / 2 > BODY_BYTES_MIN ? bytes / 2 : BODY_BYTES_MIN;
    bulk->body_max = half < bulk->body_max ? half : bulk->body_max;
    bulk->body_target = bulk->body_target < bulk->body_max ? bulk->body_target : bulk->body_max;
}

static uint64_t random_below(struct bulk *bulk, uint64_t bound)
{
    bulk->random ^= bulk->random << 13;
    bulk->random ^= bulk->random >> 7;
    bulk->random ^= bulk->random << 17;
    return bulk->random % bound;
}

void bulk_later(struct bulk *bulk, struct bulk_body *body, int64_t now_ns)
{
    const uint32_t doublings =
        body->tries < RETRY_DOUBLINGS_MAX ? body->tries : RETRY_DOUBLINGS_MAX;
    int64_t bound = RETRY_BASE_NS << doublings;
    bound = bound < RETRY_MAX_NS ? bound : RETRY_MAX_NS;
    body->tries++;
    body->retry_ns = now_ns + (int64_t)random_below(bulk, (uint64_t)bound);
    bulk_queue(bulk, body);
}

/* ---- indices that take nothing ---- */

static struct bulk_hold *hold_find(struct bulk *bulk, const char *index)
{
    for (uint32_t i = 0; i < BULK_HOLDS_MAX; i++) {
        if (bulk->holds[i].text[0] != '\0' && strcmp(bulk->holds[i].index, index) == 0) {
            return &bulk->holds[i];
        }
    }
    return NULL;
}

static struct bulk_hold *hold_free(struct bulk *bulk)
{
    for (uint32_t i = 0; i < BULK_HOLDS_MAX; i++) {
        if (bulk->holds[i].text[0] == '\0') {
            return &bulk->holds[i];
        }
    }
    return NULL;
}

bool bulk_hold(struct bulk *bulk, const char *index, const char *text, int64_t now_ns)
{
    struct bulk_hold *hold = &bulk->all;
    if (index != NULL) {
        hold = hold_find(bulk, index);
        hold = hold != NULL ? hold : hold_free(bulk);
    }
    if (hold == NULL) {
        return false;
    }
    (void)snprintf(hold->index, sizeof(hold->index), "%s", index == NULL ? "" : index);
    (void)snprintf(hold->text, sizeof(hold->text), "%s", text);
    hold->probe_ns = now_ns + HOLD_NS;
    return true;
}

void bulk_release(struct bulk *bulk, const char *index)
{
    struct bulk_hold *hold = index == NULL ? &bulk->all : hold_find(bulk, index);
    if (hold != NULL) {
        hold->text[0] = '\0';
    }
}

/* Whether a hold keeps the body back.  It may be the one that tries. */
static bool is_kept(struct bulk_hold *hold, int64_t now_ns)
{
    if (hold == NULL || hold->text[0] == '\0') {
        return false;
    }
    return now_ns < hold->probe_ns;
}

static void probe_note(struct bulk_hold *hold, int64_t now_ns)
{
    if (hold != NULL && hold->text[0] != '\0') {
        hold->probe_ns = now_ns + HOLD_NS;
    }
}

const char *bulk_state(const struct bulk *bulk, int64_t now_ns)
{
    if (bulk->all.text[0] != '\0') {
        return bulk->all.text;
    }
    for (uint32_t i = 0; i < BULK_HOLDS_MAX; i++) {
        if (bulk->holds[i].text[0] != '\0') {
            return bulk->holds[i].text;
        }
    }
    return bulk->silent_ns != 0 && now_ns - bulk->silent_ns >= SILENCE_NS ? bulk->silence : NULL;
}

/* ---- sending ---- */

/* The first body that may go now, out of the queue; NULL: none. */
static struct bulk_body *body_next(struct bulk *bulk, int64_t now_ns)
{
    struct bulk_body *before = NULL;
    struct bulk_body *body = bulk->first;
    while (body != NULL &&
           (body->retry_ns > now_ns || is_kept(hold_find(bulk, body->index), now_ns))) {
        before = body;
        body = body->next;
    }
    if (body == NULL) {
        return NULL;
    }
    if (before == NULL) {
        bulk->first = body->next;
    } else {
        before->next = body->next;
    }
    bulk->last = bulk->last == body ? before : bulk->last;
    body->next = NULL;
    return body;
}

static struct bulk_slot *slot_free(struct bulk *bulk)
{
    for (uint32_t i = 0; i < bulk->options.requests_max; i++) {
        if (bulk->slots[i].body == NULL) {
            return &bulk->slots[i];
        }
    }
    pen_panic(PEN_HERE, "no free slot");
}

/* Compressed, unless that fails or is not wanted. */
static void body_pack(struct bulk *bulk, struct bulk_slot *slot, const struct bulk_body *body)
{
    const pen_slice plain = pen_buf_slice(&body->bytes);
    slot->post.is_gzip =
        !bulk->options.is_plain && gzip_pack(bulk->gzip, plain, &slot->packed) == PEN_OK;
    slot->post.body = slot->post.is_gzip ? pen_buf_slice(&slot->packed) : plain;
}

static void rate_take(struct bulk *bulk, uint64_t bytes, int64_t now_ns)
{
    const uint64_t most = bulk->options.bytes_s_max;
    if (most > 0) {
        const int64_t from = bulk->rate_ns > now_ns ? bulk->rate_ns : now_ns;
        bulk->rate_ns = from + (int64_t)((double)bytes * 1e9 / (double)most);
    }
}

static void body_send(struct bulk *bulk, struct bulk_body *body, int64_t now_ns)
{
    struct bulk_slot *slot = slot_free(bulk);
    slot->body = body;
    slot->post = (struct pen_post){.method = "POST",
                                   .path = "/_bulk",
                                   .content_type = "application/x-ndjson",
                                   .query = bulk_query,
                                   .query_count = PEN_COUNT(bulk_query),
                                   .reply = slot->reply,
                                   .reply_cap = BULK_REPLY_BYTES};
    body_pack(bulk, slot, body);
    probe_note(hold_find(bulk, body->index), now_ns);
    probe_note(&bulk->all, now_ns);
    rate_take(bulk, body->bytes.len, now_ns);
    bulk->counters.requests++;
    bulk->counters.repeats += body->tries > 0;
    bulk->counters.shipped_bytes += slot->post.body.len;
    bulk->flying++;
    pen_poster_start(bulk->poster, &slot->post);
}

/* The cluster refused such a size since the body was made.  One document more than asked is usual.
 */
static bool is_too_large(const struct bulk *bulk, const struct bulk_body *body)
{
    return bulk->body_max < bulk->options.body_bytes_max && body->doc_count > 1 &&
           body->bytes.len > bulk->body_max + bulk->body_max / 4;
}

static void dispatch(struct bulk *bulk, int64_t now_ns)
{
    while (bulk->flying < bulk->window && pen_poster_has_room(bulk->poster) &&
           !is_kept(&bulk->all, now_ns) && bulk->rate_ns <= now_ns) {
        struct bulk_body *body = body_next(bulk, now_ns);
        if (body == NULL) {
            return;
        }
        if (is_too_large(bulk, body)) {
            bulk_halve(bulk, body);
        } else {
            body_send(bulk, body, now_ns);
        }
    }
}

/* Open bodies that together take all the room would never be full. */
static void unstick(struct bulk *bulk)
{
    if (bulk_has_room(bulk) || bulk->flying > 0 || bulk->first != NULL) {
        return;
    }
    bulk_flush(bulk);
}

int64_t bulk_turn(struct bulk *bulk, int64_t now_ns)
{
    pen_poster_turn(bulk->poster, now_ns);
    for (struct pen_post *post = pen_poster_done(bulk->poster); post != NULL;
         post = pen_poster_done(bulk->poster)) {
        bulk->flying--;
        bulk->counters.answers++;
        bulk->counters.answer_ns += post->took_ns;
        bulk_answer(bulk, PEN_CONTAINER_OF(post, struct bulk_slot, post), now_ns);
    }
    if (bulk->is_closing) {
        return TURN_NS;
    }
    unstick(bulk);
    dispatch(bulk, now_ns);
    return bulk->flying > 0 || bulk->first != NULL ? TURN_NS : 0;
}
