/* tested by tests/e2e/test_s3.py */
#include "bucket.h"

#include "control.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define WALK_TURN_MS 100U
#define WALK_DEPTH_MAX 64U /* "/" in a prefix: deeper ones are listed as they are */

struct stream { /* the listing of a unit */
    bool is_used;
    uint32_t unit;
    const struct pen_s3_page *page; /* what came and was not handed over yet */
    uint32_t at;                    /* in it */
};

struct bucket {
    char root[sizeof("s3://") + PEN_S3_BUCKET_MAX + 1];
    char *prefix;
    bool is_requester_pays;
    const struct pen_source_options *own;
    struct pen_s3_endpoint endpoint;
    struct renew renew;
    struct pen_credentials credentials; /* as the lister uses them */
    bool has_news;                      /* of credentials, for others */
    struct pen_s3_list *list;
    struct stream streams[BUCKET_AHEAD];
};

bool bucket_is_source(const char *source)
{
    return strncmp(source, "s3:", 3) == 0;
}

static pen_slice text(const char *value)
{
    return pen_slice_str(value == NULL ? "" : value);
}

static pen_slice env(const char *name)
{
    return text(getenv(name)); // NOLINT(concurrency-mt-unsafe): before the shards start
}

static void notice(void *ctx, const char *what)
{
    const struct bucket *bucket = ctx;
    words("penstock: %s%s\n", bucket->root, what);
}

/* ---- open, close ---- */

bool bucket_renew(struct bucket *bucket)
{
    if (renew_turn(&bucket->renew, bucket_now_ns(bucket))) {
        struct pen_err why;
        bucket->credentials = pen_renewal_credentials(bucket->renew.renewal);
        bucket->has_news = true;
        renew_reason(&bucket->renew, &why);
        pen_s3_list_expired(bucket->list, bucket->renew.state == RENEW_VALID ? NULL : &why);
    }
    const bool has_news = bucket->has_news;
    bucket->has_news = false;
    return has_news;
}

/* Whoever is to be told asks for it. */
static void renew(struct bucket *bucket)
{
    bucket->has_news = bucket_renew(bucket);
}

const struct renew *bucket_credentials(const struct bucket *bucket)
{
    return &bucket->renew;
}

static pen_status endpoint_find(struct bucket *bucket, struct pen_credential_chain *chain,
                                pen_slice name, const struct pen_s3_options *o, struct pen_err *err)
{
    pen_slice region = {0};
    if (pen_region_of(chain, &region, NULL) != PEN_OK) {
        region = (pen_slice){0}; /* the bucket says where it is */
    }
    const struct pen_s3_place place = {.bucket = name,
                                       .region = region,
                                       .endpoint_url = text(o->endpoint_url),
                                       .env_endpoint_s3 = env("AWS_ENDPOINT_URL_S3"),
                                       .env_endpoint = env("AWS_ENDPOINT_URL"),
                                       .is_path_style = o->is_path_style};
    return pen_s3_endpoint_of(&place, &bucket->endpoint, err);
}

/* What expires is renewed from here on. */
static pen_status credentials_open(struct bucket *bucket, pen_slice name,
                                   const struct pen_s3_options *o,
                                   const struct pen_replay_options *run, struct pen_err *err)
{
    const struct pen_credential_options options = {.profile = text(o->profile),
                                                   .role_arn = text(o->role_arn),
                                                   .external_id = text(o->external_id),
                                                   .region = text(o->region),
                                                   .ca_file = text(o->ca_file),
                                                   .timeout_ns = run->credentials_timeout_ns};
    struct pen_credential_chain *chain = NULL;
    bucket->renew = (struct renew){.name = bucket->root,
                                   .retry_ns = run->credentials_retry_ns,
                                   .wait_ns = run->credentials_wait_ns,
                                   .log_level = run->log_level};
    PEN_TRY(pen_credential_chain_new(&chain, &options, err));
    const pen_status st = endpoint_find(bucket, chain, name, o, err);
    if (st != PEN_OK) {
        pen_credential_chain_free(chain);
        return st;
    }
    PEN_TRY(pen_renewal_start(&chain, run->credentials_retry_ns, &bucket->renew.renewal, err));
    bucket->credentials = pen_renewal_credentials(bucket->renew.renewal);
    return PEN_OK;
}

static pen_status bucket_init(struct bucket *bucket, const char *url,
                              const struct pen_s3_options *o, const struct pen_replay_options *run,
                              struct pen_err *err)
{
    struct pen_s3_url parsed;
    PEN_TRY(pen_s3_url_parse(pen_slice_str(url), &parsed, err));
    bucket->is_requester_pays = o->is_requester_pays;
    (void)snprintf(bucket->root, sizeof(bucket->root), "s3://%.*s/", PEN_SLICE_FMT(parsed.bucket));
    bucket->prefix = strndup((const char *)parsed.prefix.ptr, parsed.prefix.len);
    if (bucket->prefix == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "%s: out of memory", url);
    }
    PEN_TRY(credentials_open(bucket, parsed.bucket, o, run, err));
    const struct pen_s3_list_options list = {
        .ca_file = o->ca_file,
        .is_renewed = pen_renewal_expires_ns(bucket->renew.renewal) != INT64_MAX,
        .notice = notice,
        .notice_ctx = bucket};
    return pen_s3_list_new(&list, &bucket->list, err);
}

static const char *either(const char *own, const char *other)
{
    return own != NULL ? own : other;
}

static struct pen_s3_options merged(const struct pen_s3_options *own,
                                    const struct pen_s3_options *other)
{
    return (struct pen_s3_options){.endpoint_url = either(own->endpoint_url, other->endpoint_url),
                                   .region = either(own->region, other->region),
                                   .ca_file = either(own->ca_file, other->ca_file),
                                   .profile = either(own->profile, other->profile),
                                   .role_arn = either(own->role_arn, other->role_arn),
                                   .external_id = either(own->external_id, other->external_id),
                                   .is_path_style = own->is_path_style || other->is_path_style,
                                   .is_requester_pays =
                                       own->is_requester_pays || other->is_requester_pays};
}

pen_status bucket_open(const char *url, const struct pen_replay_options *options,
                       const struct pen_source_options *own, struct bucket **out,
                       struct pen_err *err)
{
    const struct pen_s3_options s3 = own == NULL ? options->s3 : merged(&own->s3, &options->s3);
    struct bucket *bucket = calloc(1, sizeof(*bucket));
    if (bucket == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "%s: out of memory", url);
    }
    bucket->own = own;
    /* What libcurl writes to a connection that the server has closed is an error, not the end. */
    sigset_t pipes;
    (void)sigemptyset(&pipes);
    (void)sigaddset(&pipes, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipes, NULL);
    const pen_status st = bucket_init(bucket, url, &s3, options, err);
    if (st != PEN_OK) {
        bucket_close(bucket);
        return st;
    }
    *out = bucket;
    return PEN_OK;
}

void bucket_close(struct bucket *bucket)
{
    if (bucket != NULL) {
        pen_s3_list_free(bucket->list);
        renew_fini(&bucket->renew);
        free(bucket->prefix);
        free(bucket);
    }
}

const char *bucket_root(const struct bucket *bucket)
{
    return bucket->root;
}

const struct pen_source_options *bucket_own(const struct bucket *bucket)
{
    return bucket->own;
}

bool bucket_is_requester_pays(const struct bucket *bucket)
{
    return bucket->is_requester_pays;
}

const struct pen_s3_endpoint *bucket_endpoint(const struct bucket *bucket)
{
    return &bucket->endpoint;
}

uint16_t bucket_host(const struct bucket *bucket, char out[BUCKET_HOST_MAX])
{
    const struct pen_s3_endpoint *e = &bucket->endpoint;
    const bool is_v6 = e->host[0] == '[';
    (void)snprintf(out, BUCKET_HOST_MAX, "%s%s%s", e->is_virtual_host ? e->bucket : "",
                   e->is_virtual_host ? "." : "", is_v6 ? e->host + 1 : e->host);
    out[strlen(out) - (is_v6 ? 1 : 0)] = '\0';
    return e->port;
}

uint64_t bucket_requests(const struct bucket *bucket)
{
    return pen_s3_list_stats(bucket->list).requests;
}

int64_t bucket_now_ns(const struct bucket *bucket)
{
    return pen_clock_wall_ns() + pen_s3_list_stats(bucket->list).skew_ns;
}

/* ---- listing ---- */

static pen_status begin(struct bucket *bucket, const char *prefix, bool is_day, void *tag,
                        struct pen_err *err)
{
    const struct pen_s3_list_request request = {.endpoint = &bucket->endpoint,
                                                .credentials = &bucket->credentials,
                                                .prefix = pen_slice_str(prefix),
                                                .delimiter =
                                                    is_day ? (pen_slice){0} : PEN_SLICE_LIT("/"),
                                                .is_requester_pays = bucket->is_requester_pays,
                                                .tag = tag};
    return pen_s3_list_start(bucket->list, &request, err);
}

/* Pages that have come go to their streams; a region that was learned stays. */
pen_status bucket_wait(struct bucket *bucket, uint32_t timeout_ms, struct pen_err *err)
{
    renew(bucket);
    PEN_TRY(pen_s3_list_turn(bucket->list, timeout_ms, err));
    for (const struct pen_s3_page *page = pen_s3_list_take(bucket->list); page != NULL;
         page = pen_s3_list_take(bucket->list)) {
        struct stream *stream = page->tag;
        PEN_CHECK(stream->page == NULL);
        stream->page = page;
        stream->at = 0;
        bucket->endpoint = *page->endpoint;
    }
    return PEN_OK;
}

bool bucket_begin(struct bucket *bucket, uint32_t unit, const char *prefix, bool is_day)
{
    struct stream *unused = NULL;
    for (uint32_t i = 0; i < BUCKET_AHEAD; i++) {
        struct stream *stream = &bucket->streams[i];
        if (stream->is_used && stream->unit == unit) {
            return true;
        }
        unused = stream->is_used ? unused : stream;
    }
    if (unused == NULL || begin(bucket, prefix, is_day, unused, NULL) != PEN_OK) {
        return false;
    }
    *unused = (struct stream){.is_used = true, .unit = unit};
    return true;
}

static struct stream *stream_of(struct bucket *bucket, uint32_t unit)
{
    for (uint32_t i = 0; i < BUCKET_AHEAD; i++) {
        if (bucket->streams[i].is_used && bucket->streams[i].unit == unit) {
            return &bucket->streams[i];
        }
    }
    return NULL;
}

/* Gives the page back.  True when it was the last one. */
static bool page_done(struct bucket *bucket, struct stream *stream)
{
    const bool is_last = stream->page->is_last;
    pen_s3_list_done(bucket->list, stream->page);
    stream->page = NULL;
    stream->is_used = !is_last;
    return is_last;
}

/* Hands over what the page still has, *room of it at most. */
static pen_status page_hand(struct stream *stream, uint32_t *room, const struct bucket_taker *taker)
{
    const struct pen_s3_page *page = stream->page;
    pen_status st = PEN_OK;
    while (st == PEN_OK && stream->at<page->object_count && * room> 0) {
        st = taker->object(taker->ctx, &page->objects[stream->at++]);
        (*room)--;
    }
    return st;
}

pen_status bucket_next(struct bucket *bucket, uint32_t unit, uint32_t room,
                       const struct bucket_taker *taker, bool *is_done, struct pen_err *err)
{
    struct stream *stream = stream_of(bucket, unit);
    PEN_CHECK(stream != NULL && room > 0);
    *is_done = false;
    PEN_TRY(bucket_wait(bucket, 0, err));
    if (stream->page == NULL) {
        return PEN_OK; /* not there yet */
    }
    const pen_status listed = stream->page->status;
    if (listed != PEN_OK && err != NULL) {
        *err = stream->page->err;
    }
    PEN_TRY(page_hand(stream, &room, taker));
    if (stream->at == stream->page->object_count) {
        *is_done = page_done(bucket, stream);
    }
    return listed;
}

/* ---- the walk ---- */

struct place { /* a prefix that is listed, or is to be */
    struct place *next;
    bool is_root;
    bool has_objects;
    char prefix[]; /* a string */
};

struct walk {
    struct bucket *bucket;
    const struct bucket_walk *calls;
    struct place *todo;
    struct place *active; /* being listed */
};

static pen_status place_add(struct walk *w, pen_slice prefix, bool is_root)
{
    struct place *place = malloc(sizeof(*place) + prefix.len + 1);
    if (place == NULL) {
        return PEN_E_NOMEM;
    }
    *place = (struct place){.next = w->todo, .is_root = is_root};
    if (prefix.len > 0) {
        memcpy(place->prefix, prefix.ptr, prefix.len);
    }
    place->prefix[prefix.len] = '\0';
    w->todo = place;
    return PEN_OK;
}

static void places_free(struct place *list)
{
    while (list != NULL) {
        struct place *place = list;
        list = place->next;
        free(place);
    }
}

/* Its listing is over. */
static void place_end(struct walk *w, struct place *place)
{
    struct place **at = &w->active;
    while (*at != NULL && *at != place) {
        at = &(*at)->next;
    }
    PEN_CHECK(*at != NULL);
    *at = place->next;
    free(place);
}

static uint32_t depth(const char *prefix)
{
    uint32_t slashes = 0;
    for (const char *at = strchr(prefix, '/'); at != NULL; at = strchr(at + 1, '/')) {
        slashes++;
    }
    return slashes;
}

/* A prefix that was found: to be listed whole later, to be looked into, or nothing of ours. */
static pen_status prefix_take(struct walk *w, pen_slice prefix)
{
    if (memchr(prefix.ptr, '\0', prefix.len) != NULL) {
        struct pen_err err = {0};
        (void)PEN_FAIL(&err, PEN_E_CORRUPT, PEN_NO_OFFSET, "a prefix with a NUL is not read");
        w->calls->gap(w->calls->ctx, "", &err);
        return PEN_OK;
    }
    PEN_TRY(place_add(w, prefix, false));
    struct place *place = w->todo;
    const enum bucket_prefix kind = w->calls->kind(w->calls->ctx, place->prefix);
    const bool is_deep = depth(place->prefix) > WALK_DEPTH_MAX;
    if (kind == BUCKET_FOLDER && !is_deep) {
        return PEN_OK;
    }
    w->todo = place->next;
    const pen_status st =
        kind == BUCKET_SKIP ? PEN_OK : w->calls->unit(w->calls->ctx, place->prefix, true);
    free(place);
    return st;
}

static pen_status page_walk(struct walk *w, const struct pen_s3_page *page, struct pen_err *err)
{
    struct place *place = page->tag;
    w->bucket->endpoint = *page->endpoint;
    pen_status st = PEN_OK;
    if (page->status != PEN_OK && place->is_root) {
        *err = page->err;
        st = page->status;
    } else if (page->status != PEN_OK) {
        w->calls->gap(w->calls->ctx, place->prefix, &page->err);
    }
    for (uint32_t i = 0; st == PEN_OK && i < page->prefix_count; i++) {
        st = prefix_take(w, page->prefixes[i]);
    }
    if (st == PEN_OK && page->object_count > 0 && !place->has_objects) {
        place->has_objects = true;
        st = w->calls->unit(w->calls->ctx, place->prefix, false);
    }
    if (page->is_last) {
        place_end(w, place);
    }
    return st;
}

static pen_status walk_turn(struct walk *w, struct pen_err *err)
{
    renew(w->bucket);
    while (w->todo != NULL && pen_s3_list_open(w->bucket->list) < PEN_S3_LISTINGS_MAX) {
        struct place *place = w->todo;
        PEN_TRY(begin(w->bucket, place->prefix, false, place, err));
        w->todo = place->next;
        place->next = w->active;
        w->active = place;
    }
    PEN_TRY(pen_s3_list_turn(w->bucket->list, WALK_TURN_MS, err));
    pen_status st = PEN_OK;
    for (const struct pen_s3_page *page = pen_s3_list_take(w->bucket->list); page != NULL;
         page = pen_s3_list_take(w->bucket->list)) {
        if (st == PEN_OK) {
            st = page_walk(w, page, err);
        }
        pen_s3_list_done(w->bucket->list, page);
    }
    return st;
}

/* Asks for one page, to learn where the bucket is and that it can be listed. */
static pen_status probe(struct bucket *bucket, struct pen_err *err)
{
    const struct pen_s3_page *page = NULL;
    PEN_TRY(begin(bucket, bucket->prefix, false, NULL, err));
    while (page == NULL) {
        if (is_interrupted()) {
            return PEN_FAIL(err, PEN_E_STOPPED, PEN_NO_OFFSET, "stopped while a prefix was listed");
        }
        renew(bucket);
        PEN_TRY(pen_s3_list_turn(bucket->list, WALK_TURN_MS, err));
        page = pen_s3_list_take(bucket->list);
    }
    const pen_status st = page->status;
    if (st != PEN_OK && err != NULL) {
        *err = page->err;
    }
    bucket->endpoint = *page->endpoint;
    pen_s3_list_quit(bucket->list, page);
    return st;
}

pen_status bucket_walk(struct bucket *bucket, const struct bucket_walk *calls, struct pen_err *err)
{
    struct walk w = {.bucket = bucket, .calls = calls};
    pen_status st = PEN_OK;
    const pen_slice root = pen_slice_str(bucket->prefix);
    const enum bucket_prefix kind = calls->kind(calls->ctx, bucket->prefix);
    if (kind == BUCKET_DAY) {
        PEN_TRY(probe(bucket, err));
        return calls->unit(calls->ctx, bucket->prefix, true);
    }
    st = place_add(&w, root, true);
    while (st == PEN_OK && (w.todo != NULL || pen_s3_list_open(bucket->list) > 0)) {
        st = is_interrupted()
                 ? PEN_FAIL(err, PEN_E_STOPPED, PEN_NO_OFFSET, "stopped while prefixes were listed")
                 : walk_turn(&w, err);
    }
    places_free(w.todo);
    places_free(w.active);
    return st;
}
