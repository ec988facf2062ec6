#include "list.h"

#include <stdlib.h>
#include <unistd.h>

#define NS_PER_MS INT64_C(1000000)
#define ATTEMPTS_DEFAULT 10
#define RETRIES_DEFAULT 500
#define BACKOFF_DEFAULT_NS (100 * NS_PER_MS)
#define BACKOFF_MAX_DEFAULT_NS (20 * PEN_NS_PER_S)
#define CONNECT_DEFAULT_NS (5 * PEN_NS_PER_S)
#define STALL_DEFAULT_NS (20 * PEN_NS_PER_S)
#define REQUEST_DEFAULT_NS (120 * PEN_NS_PER_S)
#define SLEEP_MAX_MS 60000

void pen_list_notice(const struct pen_s3_list *list, const char *text)
{
    if (list->options.notice != NULL) {
        list->options.notice(list->options.notice_ctx, text);
    }
}

/* ---- making and freeing ---- */

static void set_default(int64_t *value, int64_t to)
{
    if (*value <= 0) {
        *value = to;
    }
}

static void options_set(struct pen_s3_list *list, const struct pen_s3_list_options *options)
{
    struct pen_s3_list_options *o = &list->options;
    *o = *options;
    o->ca_file = NULL; /* list->ca_file counts */
    if (o->listings_max == 0 || o->listings_max > PEN_S3_LISTINGS_MAX) {
        o->listings_max = PEN_S3_LISTINGS_MAX;
    }
    o->attempts_max = o->attempts_max == 0 ? ATTEMPTS_DEFAULT : o->attempts_max;
    o->retries_max = o->retries_max == 0 ? RETRIES_DEFAULT : o->retries_max;
    set_default(&o->backoff_ns, BACKOFF_DEFAULT_NS);
    set_default(&o->backoff_max_ns, BACKOFF_MAX_DEFAULT_NS);
    set_default(&o->connect_ns, CONNECT_DEFAULT_NS);
    set_default(&o->stall_ns, STALL_DEFAULT_NS);
    set_default(&o->request_ns, REQUEST_DEFAULT_NS);
    list->retries_left = o->retries_max;
    list->stats.window = o->listings_max;
    list->seed = (uint64_t)pen_clock_mono_ns() ^ (uint64_t)getpid() << 32;
}

static pen_status ca_set(struct pen_s3_list *list, const char *path, struct pen_err *err)
{
    if (path == NULL) {
        return PEN_OK;
    }
    if (access(path, R_OK) != 0) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "%s: the CA file cannot be read", path);
    }
    list->ca_file = strdup(path);
    return list->ca_file == NULL ? PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "no memory") : PEN_OK;
}

static pen_status parts_make(struct pen_s3_list *list, struct pen_err *err)
{
    list->multi = curl_multi_init();
    if (list->multi == NULL || curl_multi_setopt(list->multi, CURLMOPT_MAXCONNECTS,
                                                 (long)PEN_S3_LISTINGS_MAX) != CURLM_OK) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "listing: libcurl does not start");
    }
    PEN_TRY(pen_list_poll_new(list, err));
    return pen_sigv4_new(&list->signer, err);
}

pen_status pen_s3_list_new(const struct pen_s3_list_options *options, struct pen_s3_list **out,
                           struct pen_err *err)
{
    *out = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "listing: libcurl does not start");
    }
    struct pen_s3_list *list = calloc(1, sizeof(*list));
    if (list == NULL) {
        curl_global_cleanup();
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "listing: out of memory");
    }
    options_set(list, options);
    list->epoll_fd = list->wake_fd = -1;
    for (uint32_t i = 0; i < PEN_S3_LISTINGS_MAX; i++) {
        list->listings[i].list = list;
    }
    pen_status status = ca_set(list, options->ca_file, err);
    if (status == PEN_OK) {
        status = parts_make(list, err);
    }
    if (status != PEN_OK) {
        pen_s3_list_free(list);
        return status;
    }
    *out = list;
    return PEN_OK;
}

/* libcurl refuses only what it was never given. */
static void unsend(struct listing *l)
{
    if (l->state == LISTING_RUNNING) {
        PEN_CHECK(curl_multi_remove_handle(l->list->multi, l->easy) == CURLM_OK);
        l->list->running--;
    }
}

void pen_s3_list_free(struct pen_s3_list *list)
{
    if (list == NULL) {
        return;
    }
    for (uint32_t i = 0; i < PEN_S3_LISTINGS_MAX; i++) {
        unsend(&list->listings[i]);
        pen_listing_fini(&list->listings[i]);
    }
    if (list->multi != NULL) {
        PEN_CHECK(curl_multi_cleanup(list->multi) == CURLM_OK);
    }
    pen_list_poll_fini(list);
    pen_sigv4_free(list->signer);
    free(list->ca_file);
    free(list);
    curl_global_cleanup();
}

/* ---- beginning ---- */

static struct listing *listing_free(struct pen_s3_list *list)
{
    for (uint32_t i = 0; i < list->options.listings_max; i++) {
        if (list->listings[i].state == LISTING_FREE) {
            return &list->listings[i];
        }
    }
    return NULL;
}

static bool bytes_copy(uint8_t *to, size_t max, size_t *len, pen_slice s)
{
    if (s.len > max) {
        return false;
    }
    if (s.len > 0) {
        memcpy(to, s.ptr, s.len);
    }
    *len = s.len;
    return true;
}

static pen_status slices_copy(struct listing *l, const struct pen_s3_list_request *r,
                              struct pen_err *err)
{
    if (!bytes_copy(l->prefix, sizeof(l->prefix), &l->prefix_len, r->prefix) ||
        !bytes_copy(l->start_after, sizeof(l->start_after), &l->start_after_len, r->start_after)) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET,
                        "listing: the prefix or the first key has more than %d bytes",
                        PEN_S3_PREFIX_MAX);
    }
    if (!bytes_copy(l->delimiter, sizeof(l->delimiter), &l->delimiter_len, r->delimiter)) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET,
                        "listing: the delimiter has more than %d bytes", PEN_S3_DELIMITER_MAX);
    }
    return PEN_OK;
}

pen_status pen_s3_list_start(struct pen_s3_list *list, const struct pen_s3_list_request *request,
                             struct pen_err *err)
{
    struct listing *l = listing_free(list);
    if (l == NULL) {
        return PEN_FAIL(err, PEN_E_AGAIN, PEN_NO_OFFSET, "listing: %u listings are open",
                        list->options.listings_max);
    }
    PEN_TRY(slices_copy(l, request, err));
    PEN_TRY(pen_listing_prepare(l, err));
    l->endpoint = *request->endpoint;
    l->credentials = request->credentials;
    l->is_requester_pays = request->is_requester_pays;
    l->tag = request->tag;
    l->page_keys = request->page_keys == 0 || request->page_keys > PEN_S3_PAGE_KEYS_MAX
                       ? PEN_S3_PAGE_KEYS_MAX
                       : request->page_keys;
    l->token.len = 0;
    l->attempt = 0;
    l->moves = 0;
    l->is_clock_fixed = false;
    l->due_ns = 0;
    pen_listing_recall(l);
    l->state = LISTING_DUE;
    list->open++;
    return PEN_OK;
}

uint32_t pen_s3_list_open(const struct pen_s3_list *list)
{
    return list->open;
}

/* ---- pages ---- */

void pen_listing_ready(struct listing *l)
{
    struct pen_s3_list *list = l->list;
    PEN_CHECK(list->ready_count < PEN_S3_LISTINGS_MAX);
    l->state = LISTING_READY;
    list->ready[(list->ready_head + list->ready_count) % PEN_S3_LISTINGS_MAX] =
        (uint32_t)(l - list->listings);
    list->ready_count++;
}

const struct pen_s3_page *pen_s3_list_take(struct pen_s3_list *list)
{
    if (list->ready_count == 0) {
        return NULL;
    }
    struct listing *l = &list->listings[list->ready[list->ready_head]];
    list->ready_head = (list->ready_head + 1) % PEN_S3_LISTINGS_MAX;
    list->ready_count--;
    l->state = LISTING_HELD;
    l->page.endpoint = &l->endpoint;
    return &l->page;
}

static struct listing *held(const struct pen_s3_list *list, const struct pen_s3_page *page)
{
    struct listing *l = PEN_CONTAINER_OF(pen_unconst(page), struct listing, page);
    PEN_CHECK(l->list == list && l->state == LISTING_HELD);
    return l;
}

void pen_s3_list_quit(struct pen_s3_list *list, const struct pen_s3_page *page)
{
    struct listing *l = held(list, page);
    l->state = LISTING_FREE;
    l->credentials = NULL;
    list->open--;
}

void pen_s3_list_done(struct pen_s3_list *list, const struct pen_s3_page *page)
{
    if (page->is_last) {
        pen_s3_list_quit(list, page);
        return;
    }
    struct listing *l = held(list, page);
    l->state = LISTING_DUE;
    l->due_ns = 0;
}

/* ---- turning ---- */

/* False: it waits for credentials, or has failed for want of them. */
static bool may_send(struct listing *l)
{
    if (l->list->is_expired && l->list->expired.status != PEN_OK) {
        pen_listing_fail(l, &l->list->expired);
    }
    return !l->list->is_expired;
}

static void send_due(struct pen_s3_list *list, int64_t now)
{
    const uint32_t count = list->options.listings_max;
    uint32_t i = 0;
    PEN_CHECK(count > 0);
    for (; i < count && list->running < list->stats.window; i++) {
        struct listing *l = &list->listings[(list->first + i) % count];
        struct pen_err err;
        if (l->state != LISTING_DUE || l->due_ns > now || !may_send(l)) {
            continue;
        }
        if (pen_listing_send(l, &err) != PEN_OK) {
            pen_listing_fail(l, &err);
            continue;
        }
        l->state = LISTING_RUNNING;
        list->running++;
    }
    list->first = (list->first + i) % count; /* where the window closed, the next turn begins */
}

static void reap(struct pen_s3_list *list)
{
    int left = 0;
    for (const CURLMsg *m = curl_multi_info_read(list->multi, &left); m != NULL;
         m = curl_multi_info_read(list->multi, &left)) {
        struct listing *l = NULL;
        const CURLcode result = m->data.result;
        if (m->msg != CURLMSG_DONE) {
            continue;
        }
        PEN_CHECK(curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &l) == CURLE_OK);
        unsend(l); /* m is gone then */
        pen_listing_verdict(l, result);
    }
}

static int64_t stall_at(const struct listing *l)
{
    return l->progress_ns + l->list->options.stall_ns;
}

static void stop_stalled(struct pen_s3_list *list, int64_t now)
{
    for (uint32_t i = 0; i < PEN_S3_LISTINGS_MAX; i++) {
        struct listing *l = &list->listings[i];
        struct pen_err why;
        if (l->state == LISTING_RUNNING && stall_at(l) <= now) {
            unsend(l);
            (void)PEN_FAIL(&why, PEN_E_IO, PEN_NO_OFFSET, "%s: no byte for %lld ms",
                           l->endpoint.authority, (long long)(list->options.stall_ns / NS_PER_MS));
            pen_listing_retry(l, &why);
        }
    }
}

static pen_status step(struct pen_s3_list *list, int timeout_ms, struct pen_err *err)
{
    send_due(list, pen_clock_mono_ns());
    PEN_TRY(pen_list_poll(list, timeout_ms, err));
    reap(list);
    stop_stalled(list, pen_clock_mono_ns());
    return PEN_OK;
}

/* Until when nothing happens by itself: the next request that is due, the next stall. */
static int sleep_ms(const struct pen_s3_list *list, uint32_t timeout_ms)
{
    const int64_t now = pen_clock_mono_ns();
    int64_t until = now + (timeout_ms < SLEEP_MAX_MS ? timeout_ms : SLEEP_MAX_MS) * NS_PER_MS;
    for (uint32_t i = 0; i < list->options.listings_max; i++) {
        const struct listing *l = &list->listings[i];
        if (l->state == LISTING_DUE && !list->is_expired && list->running < list->stats.window &&
            l->due_ns < until) {
            until = l->due_ns;
        }
        if (l->state == LISTING_RUNNING && stall_at(l) < until) {
            until = stall_at(l);
        }
    }
    return until <= now ? 0 : (int)((until - now + NS_PER_MS - 1) / NS_PER_MS);
}

pen_status pen_s3_list_turn(struct pen_s3_list *list, uint32_t timeout_ms, struct pen_err *err)
{
    list->is_woken = false;
    PEN_TRY(step(list, 0, err));
    const bool is_over = list->ready_count > 0 || list->is_woken || timeout_ms == 0;
    return is_over ? PEN_OK : step(list, sleep_ms(list, timeout_ms), err);
}

void pen_s3_list_expired(struct pen_s3_list *list, const struct pen_err *why)
{
    list->is_expired = why != NULL;
    list->expired = why != NULL ? *why : (struct pen_err){.status = PEN_OK};
}

struct pen_s3_list_stats pen_s3_list_stats(const struct pen_s3_list *list)
{
    return list->stats;
}
