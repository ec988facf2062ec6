/* tested by tests/unit/net/test_fetch.py */
#include "fetch.h"

#include <stdio.h>
#include <stdlib.h>

#define RECV_BUFFERS 64U
#define RECV_BUFFER_BYTES 32768U

/* ---- queues ---- */

static void queue_add(struct fetch_object **first, struct fetch_object **last,
                      struct fetch_object *object)
{
    object->next = NULL;
    if (*last == NULL) {
        *first = object;
    } else {
        (*last)->next = object;
    }
    *last = object;
}

static struct fetch_object *queue_pop(struct fetch_object **first, struct fetch_object **last)
{
    struct fetch_object *object = *first;
    if (object != NULL) {
        *first = object->next;
        *last = *first == NULL ? NULL : *last;
        object->next = NULL;
    }
    return object;
}

static void waiting_remove(struct pen_fetcher *fetcher, const struct fetch_get *get)
{
    struct fetch_get **at = &fetcher->waiting;
    while (*at != NULL && *at != get) {
        at = &(*at)->waiting;
    }
    if (*at != NULL) {
        *at = get->waiting;
    }
}

/* ---- requests ---- */

static void get_free(struct pen_fetcher *fetcher, struct fetch_get *get)
{
    PEN_CHECK(!get->is_flying && fetcher->bytes_held >= get->want);
    fetcher->bytes_held -= get->want;
    free(get->exchange.body);
    get->exchange.body = NULL;
    get->object = NULL;
    get->is_ready = false;
    get->next = fetcher->free_gets;
    fetcher->free_gets = get;
}

static uint64_t next_want(const struct pen_fetcher *fetcher, const struct fetch_object *object)
{
    const uint64_t left = object->size - object->next_offset;
    const uint64_t range = fetcher->options.range_bytes;
    return left < range ? left : range;
}

/* Asks for the next bytes of an object. */
static void get_start(struct pen_fetcher *fetcher, struct fetch_object *object)
{
    struct fetch_get *get = fetcher->free_gets;
    PEN_CHECK(get != NULL);
    fetcher->free_gets = get->next;
    const uint64_t want = next_want(fetcher, object);
    const size_t cap = want < FETCH_ERROR_BYTES ? FETCH_ERROR_BYTES : (size_t)want;
    const struct pen_buf head = get->head;
    *get = (struct fetch_get){.object = object,
                              .head = head,
                              .offset = object->next_offset,
                              .want = want,
                              .is_range = object->size > fetcher->options.range_bytes};
    get->exchange.body = malloc(cap);
    get->exchange.body_cap = cap;
    fetcher->bytes_held += want;
    object->next_offset += want;
    if (object->last == NULL) {
        object->first = get;
    } else {
        object->last->next = get;
    }
    object->last = get;
    if (get->exchange.body == NULL) {
        object->is_failed = true;
        (void)PEN_FAIL(&object->err, PEN_E_NOMEM, get->offset, "out of memory");
        return;
    }
    (void)fetch_get_send(fetcher, get);
}

/* Tells the front's chooser that the object's first bytes are whole, or that it failed. */
static void object_notice(struct pen_fetcher *fetcher, struct fetch_object *object)
{
    const bool is_ready = object->is_failed || object->size == 0 ||
                          (object->first != NULL && object->first->is_ready);
    if (is_ready && !object->is_listed_ready && !object->is_closed) {
        object->is_listed_ready = true;
        queue_add(&fetcher->ready_first, &fetcher->ready_last, object);
    }
}

/* Lets go of a closed object once none of its requests is under way. */
static void object_release(struct pen_fetcher *fetcher, struct fetch_object *object)
{
    struct fetch_get *left = NULL;
    while (object->first != NULL) {
        struct fetch_get *get = object->first;
        object->first = get->next;
        if (get->is_flying) {
            get->next = left;
            left = get;
        } else {
            get_free(fetcher, get);
        }
    }
    object->first = left;
    object->last = left;
    if (left == NULL) {
        object->is_used = false;
        object->next = fetcher->free_objects;
        fetcher->free_objects = object;
        PEN_CHECK(fetcher->open > 0);
        fetcher->open--;
    }
}

/* ---- new, free ---- */

uint64_t pen_fetcher_memory(const struct pen_fetch_options *o)
{
    const uint64_t per_object = sizeof(struct fetch_object) + sizeof(struct fetch_get) + 4096;
    return o->bytes_in_flight_max + pen_recv_pool_memory(RECV_BUFFERS, RECV_BUFFER_BYTES) +
           (o->slots + FETCH_AHEAD) * per_object + (uint64_t)o->window_max * 8192;
}

static pen_status parts_new(struct pen_fetcher *fetcher, struct pen_err *err)
{
    const struct pen_fetch_options *o = &fetcher->options;
    const uint32_t gets = o->slots + FETCH_AHEAD;
    fetcher->objects = calloc(o->slots, sizeof(*fetcher->objects));
    fetcher->gets = calloc(gets, sizeof(*fetcher->gets));
    if (fetcher->objects == NULL || fetcher->gets == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "fetcher: out of memory");
    }
    for (uint32_t i = o->slots; i > 0; i--) {
        fetcher->objects[i - 1].next = fetcher->free_objects;
        fetcher->free_objects = &fetcher->objects[i - 1];
    }
    for (uint32_t i = gets; i > 0; i--) {
        pen_buf_init(&fetcher->gets[i - 1].head, FETCH_HEAD_BYTES_MAX);
        fetcher->gets[i - 1].next = fetcher->free_gets;
        fetcher->free_gets = &fetcher->gets[i - 1];
    }
    PEN_TRY(pen_sigv4_new(&fetcher->signer, err));
    PEN_TRY(pen_list_xml_new(&fetcher->xml, err));
    return pen_recv_pool_new(fetcher->ring, RECV_BUFFERS, RECV_BUFFER_BYTES, &fetcher->recv, err);
}

pen_status pen_fetcher_new(struct pen_ring *ring, const struct pen_fetch_options *o,
                           struct pen_fetcher **out, struct pen_err *err)
{
    PEN_CHECK(o->slots > 0 && o->slots <= PEN_FETCH_SLOTS_MAX && o->tries_max > 0);
    PEN_CHECK(o->window_max > 0 && o->window_max <= HTTP_CONNECTIONS_MAX);
    PEN_CHECK(o->places_max > 0 && o->places_max <= PEN_FETCH_PLACES_MAX);
    PEN_CHECK(o->share < (o->shares == 0 ? 1 : o->shares));
    PEN_CHECK(o->range_bytes > 0 && o->bytes_in_flight_max >= o->range_bytes);
    struct pen_fetcher *fetcher = calloc(1, sizeof(*fetcher));
    if (fetcher == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "fetcher: out of memory");
    }
    fetcher->ring = ring;
    fetcher->options = *o;
    fetcher->random = (uint64_t)pen_clock_mono_ns() | 1;
    pen_buf_init(&fetcher->signing, PEN_SIGV4_BYTES_MAX);
    fetch_window_init(&fetcher->window, o->window_first, o->window_max);
    const uint32_t shares = o->shares == 0 ? 1 : o->shares;
    fetch_rate_init(&fetcher->requests_rate, o->requests_s, shares);
    fetch_rate_init(&fetcher->bytes_rate, o->bytes_s, shares);
    const pen_status st = parts_new(fetcher, err);
    if (st != PEN_OK) {
        pen_fetcher_free(fetcher);
        return st;
    }
    *out = fetcher;
    return PEN_OK;
}

static void source_fini(struct fetch_source *source)
{
    for (uint32_t i = 0; i < source->place_count; i++) {
        http_client_free(source->places[i].client);
    }
    explicit_bzero(source->secrets.ptr, source->secrets.cap);
    pen_buf_fini(&source->secrets);
}

void pen_fetcher_free(struct pen_fetcher *fetcher)
{
    if (fetcher == NULL) {
        return;
    }
    PEN_CHECK(fetcher->open == 0);
    for (uint32_t i = 0; i < fetcher->source_count; i++) {
        source_fini(&fetcher->sources[i]);
    }
    for (uint32_t i = 0; fetcher->gets != NULL && i < fetcher->options.slots + FETCH_AHEAD; i++) {
        pen_buf_fini(&fetcher->gets[i].head);
    }
    pen_resolver_free(fetcher->resolver);
    pen_recv_pool_free(fetcher->recv);
    pen_sigv4_free(fetcher->signer);
    pen_list_xml_free(fetcher->xml);
    pen_buf_fini(&fetcher->signing);
    free(fetcher->objects);
    free(fetcher->gets);
    free(fetcher);
}

/* ---- sources ---- */

void fetch_host_of(const struct pen_s3_endpoint *endpoint, char out[HTTP_HOST_MAX * 2])
{
    const char *bucket = endpoint->is_virtual_host ? endpoint->bucket : "";
    const bool is_v6 = endpoint->host[0] == '[';
    const int len = (int)strlen(endpoint->host);
    (void)snprintf(out, (size_t)HTTP_HOST_MAX * 2, "%s%s%.*s", bucket, bucket[0] != '\0' ? "." : "",
                   is_v6 ? len - 2 : len, endpoint->host + is_v6);
}

pen_status pen_fetcher_source_add(struct pen_fetcher *fetcher,
                                  const struct pen_s3_endpoint *endpoint, bool is_requester_pays,
                                  uint32_t *source, struct pen_err *err)
{
    if (fetcher->source_count == PEN_FETCH_SOURCES_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "more than %u buckets",
                        PEN_FETCH_SOURCES_MAX);
    }
    struct fetch_source *to = &fetcher->sources[fetcher->source_count];
    *to = (struct fetch_source){.is_requester_pays = is_requester_pays};
    pen_buf_init(&to->secrets,
                 PEN_SIGV4_TOKEN_MAX + PEN_SIGV4_SECRET_MAX + PEN_SIGV4_ACCESS_KEY_MAX);
    PEN_TRY(fetch_place_add(fetcher, to, endpoint, err));
    *source = fetcher->source_count++;
    return PEN_OK;
}

void pen_fetcher_addresses(struct pen_fetcher *fetcher, uint32_t source,
                           const struct pen_fetch_address *addresses, uint32_t count)
{
    PEN_CHECK(source < fetcher->source_count && count > 0);
    fetch_place_addresses(&fetcher->sources[source].places[0], addresses, count);
}

pen_status pen_fetcher_credentials(struct pen_fetcher *fetcher, uint32_t source,
                                   const struct pen_credentials *credentials, struct pen_err *err)
{
    PEN_CHECK(source < fetcher->source_count);
    struct fetch_source *to = &fetcher->sources[source];
    const size_t total =
        credentials->access_key.len + credentials->secret_key.len + credentials->session_token.len;
    to->secrets.len = 0;
    if (pen_buf_reserve(&to->secrets, total) != PEN_OK) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "credentials are too long");
    }
    const pen_slice parts[] = {credentials->access_key, credentials->secret_key,
                               credentials->session_token};
    pen_slice *places[] = {&to->credentials.access_key, &to->credentials.secret_key,
                           &to->credentials.session_token};
    for (size_t i = 0; i < PEN_COUNT(parts); i++) {
        *places[i] = (pen_slice){to->secrets.ptr + to->secrets.len, parts[i].len};
        PEN_TRY(pen_buf_add(&to->secrets, parts[i]));
    }
    to->is_expired = false;
    return PEN_OK;
}

void pen_fetcher_expired(struct pen_fetcher *fetcher, uint32_t source, const struct pen_err *why)
{
    PEN_CHECK(source < fetcher->source_count);
    fetcher->sources[source].is_expired = true;
    fetcher->sources[source].expired = *why;
}

void pen_fetcher_clock(struct pen_fetcher *fetcher, int64_t skew_ns)
{
    fetcher->counters.skew_ns = skew_ns;
}

/* ---- objects ---- */

bool pen_fetcher_has_slot(const struct pen_fetcher *fetcher)
{
    return fetcher->free_objects != NULL;
}

void pen_fetcher_open(struct pen_fetcher *fetcher, const struct pen_fetch_object *object)
{
    struct fetch_object *slot = fetcher->free_objects;
    PEN_CHECK(slot != NULL && object->source < fetcher->source_count);
    PEN_CHECK(object->key.len > 0 && object->key.len <= PEN_FETCH_KEY_MAX);
    fetcher->free_objects = slot->next;
    memset(slot, 0, offsetof(struct fetch_object, etag));
    slot->is_used = true;
    slot->source = object->source;
    slot->size = object->size;
    slot->tag = object->tag;
    slot->key_len = object->key.len;
    slot->path[0] = '/';
    memcpy(slot->path + 1, object->key.ptr, object->key.len);
    const size_t etag_len = object->etag.len <= PEN_FETCH_ETAG_MAX ? object->etag.len : 0;
    if (etag_len > 0) {
        memcpy(slot->etag, object->etag.ptr, etag_len);
    }
    slot->etag[etag_len] = '\0';
    fetcher->open++;
    queue_add(&fetcher->begin_first, &fetcher->begin_last, slot);
}

enum pen_fetch pen_fetcher_front(struct pen_fetcher *fetcher, void **tag, pen_slice *data,
                                 struct pen_err *err)
{
    if (fetcher->front == NULL) {
        fetcher->front = queue_pop(&fetcher->ready_first, &fetcher->ready_last);
    }
    struct fetch_object *front = fetcher->front;
    if (front == NULL) {
        return fetcher->open == 0 ? PEN_FETCH_NONE : PEN_FETCH_WAIT;
    }
    *tag = front->tag;
    if (front->first != NULL && front->first->is_ready) {
        *data = (pen_slice){front->first->exchange.body, (size_t)front->first->want};
        return PEN_FETCH_DATA;
    }
    if (front->is_failed) {
        *err = front->err;
        return PEN_FETCH_FAIL;
    }
    return front->handed == front->size ? PEN_FETCH_END : PEN_FETCH_WAIT;
}

bool pen_fetcher_is_last(const struct pen_fetcher *fetcher)
{
    const struct fetch_object *front = fetcher->front;
    return front != NULL && front->first != NULL && front->first->is_ready &&
           front->handed + front->first->want == front->size;
}

void pen_fetcher_taken(struct pen_fetcher *fetcher)
{
    struct fetch_object *front = fetcher->front;
    PEN_CHECK(front != NULL && front->first != NULL && front->first->is_ready);
    struct fetch_get *get = front->first;
    front->first = get->next;
    front->last = front->first == NULL ? NULL : front->last;
    front->handed += get->want;
    get_free(fetcher, get);
}

static void object_close(struct pen_fetcher *fetcher, struct fetch_object *object)
{
    object->is_closed = true;
    for (struct fetch_get *get = object->first; get != NULL; get = get->next) {
        if (get->is_flying) {
            struct fetch_source *source = &fetcher->sources[object->source];
            http_client_cancel(source->places[get->place].client, &get->exchange);
        } else {
            waiting_remove(fetcher, get);
        }
    }
    object_release(fetcher, object);
}

void pen_fetcher_close(struct pen_fetcher *fetcher)
{
    struct fetch_object *front = fetcher->front;
    PEN_CHECK(front != NULL);
    fetcher->front = NULL;
    object_close(fetcher, front);
}

/* ---- the turn ---- */

static void answers(struct pen_fetcher *fetcher, struct http_client *client)
{
    for (struct http_exchange *e = http_client_done(client); e != NULL;
         e = http_client_done(client)) {
        struct fetch_get *get = e->tag;
        struct fetch_object *object = get->object;
        fetch_get_answer(fetcher, get);
        if (object->is_closed) {
            object_release(fetcher, object);
        } else {
            object_notice(fetcher, object);
        }
    }
}

static bool has_rate(const struct pen_fetcher *fetcher)
{
    return fetch_rate_is_open(&fetcher->requests_rate, fetcher->now_ns) &&
           fetch_rate_is_open(&fetcher->bytes_rate, fetcher->now_ns);
}

static bool has_room(const struct pen_fetcher *fetcher, uint64_t want)
{
    return fetcher->counters.in_flight < fetcher->window.size && has_rate(fetcher) &&
           (fetcher->bytes_held == 0 ||
            fetcher->bytes_held + want <= fetcher->options.bytes_in_flight_max);
}

static void retries(struct pen_fetcher *fetcher, int64_t now_ns)
{
    struct fetch_get *list = fetcher->waiting;
    fetcher->waiting = NULL;
    while (list != NULL) {
        struct fetch_get *get = list;
        list = get->waiting;
        struct fetch_source *source = &fetcher->sources[get->object->source];
        const struct fetch_place *place = fetch_place_of(source);
        const bool is_due = get->retry_ns <= now_ns && !fetch_source_waits(source);
        if (is_due && fetcher->counters.in_flight < fetcher->window.size && has_rate(fetcher) &&
            (get->tries == 0 || fetch_budget_allows(&place->host->budget)) &&
            !get->object->is_failed) {
            if (!fetch_get_send(fetcher, get)) {
                object_notice(fetcher, get->object);
            }
        } else {
            get->waiting = fetcher->waiting;
            fetcher->waiting = get;
        }
    }
}

/* More ranges of the front: one always, whatever others hold, so that it cannot wait for them. */
static void front_ranges(struct pen_fetcher *fetcher)
{
    struct fetch_object *front = fetcher->front;
    if (front == NULL || front->is_failed) {
        return;
    }
    uint32_t under_way = 0;
    for (const struct fetch_get *get = front->first; get != NULL; get = get->next) {
        under_way++;
    }
    while (front->next_offset < front->size && !front->is_failed && under_way < FETCH_AHEAD &&
           (under_way == 0 ? has_rate(fetcher) : has_room(fetcher, next_want(fetcher, front)))) {
        get_start(fetcher, front);
        under_way++;
    }
}

static void begin(struct pen_fetcher *fetcher)
{
    while (fetcher->begin_first != NULL &&
           has_room(fetcher, next_want(fetcher, fetcher->begin_first))) {
        struct fetch_object *object = queue_pop(&fetcher->begin_first, &fetcher->begin_last);
        if (object->size > 0) {
            get_start(fetcher, object);
        }
        object_notice(fetcher, object);
    }
}

void pen_fetcher_turn(struct pen_fetcher *fetcher, int64_t now_ns)
{
    fetcher->now_ns = now_ns;
    if (!fetcher->options.is_window_fixed) {
        fetch_window_turn(&fetcher->window, now_ns, fetcher->counters.in_flight);
    }
    for (uint32_t i = 0; i < fetcher->source_count; i++) {
        struct fetch_source *source = &fetcher->sources[i];
        for (uint32_t at = 0; at < source->place_count; at++) {
            http_client_turn(source->places[at].client, now_ns);
            answers(fetcher, source->places[at].client);
        }
    }
    fetch_place_turn(fetcher, now_ns);
    if (!fetcher->is_cancelled) {
        retries(fetcher, now_ns);
        front_ranges(fetcher);
        begin(fetcher);
    }
}

bool pen_fetcher_drop(struct pen_fetcher *fetcher, void **tag)
{
    fetcher->is_cancelled = true;
    fetcher->front = NULL;
    fetcher->begin_first = NULL;
    fetcher->begin_last = NULL;
    fetcher->ready_first = NULL;
    fetcher->ready_last = NULL;
    for (uint32_t i = 0; i < fetcher->options.slots; i++) {
        struct fetch_object *object = &fetcher->objects[i];
        if (object->is_used && !object->is_closed) {
            *tag = object->tag;
            object_close(fetcher, object);
            return true;
        }
    }
    return false;
}

bool pen_fetcher_cancel(struct pen_fetcher *fetcher)
{
    bool is_done = true;
    void *tag = NULL;
    while (pen_fetcher_drop(fetcher, &tag)) {
    }
    for (uint32_t i = 0; i < fetcher->source_count; i++) {
        struct fetch_source *source = &fetcher->sources[i];
        for (uint32_t at = 0; at < source->place_count; at++) {
            is_done &= http_client_close(source->places[at].client);
            answers(fetcher, source->places[at].client);
        }
    }
    return is_done && fetcher->open == 0;
}

struct pen_fetch_counters pen_fetcher_counters(const struct pen_fetcher *fetcher)
{
    struct pen_fetch_counters counters = fetcher->counters;
    counters.window = fetcher->window.size;
    counters.slowed = fetcher->window.slowed;
    for (uint32_t i = 0; i < fetcher->source_count; i++) {
        const struct fetch_source *source = &fetcher->sources[i];
        for (uint32_t at = 0; at < source->place_count; at++) {
            counters.connects += http_client_counters(source->places[at].client).connects;
        }
    }
    return counters;
}
