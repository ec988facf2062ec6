/* tested by tests/e2e/test_s3_plan.py */
#include "penstock/net.h"

#include <curl/curl.h>

#include <stdlib.h>

#define URL_BYTES_MAX ((size_t)16384)
#define HEADER_BYTES_MAX ((size_t)20480) /* tokens are long */
#define WAIT_MS 100

/* libcurl's own macro checks types; a setting that it does not take is a bug of ours. */
#define SET(easy, option, value) PEN_CHECK(curl_easy_setopt((easy), (option), (value)) == CURLE_OK)

struct transfer {
    CURL *easy;
    struct curl_slist *headers;
    struct pen_curl_fetch *run;
};

struct pen_curl_fetch {
    struct pen_curl_options options;
    struct pen_curl_fetched done;
    struct pen_sigv4 *signer;
    struct pen_buf signing, text;
    CURLM *multi;
    struct transfer *transfers;
    uint32_t next; /* object */
};

static size_t on_bytes(const char *bytes, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    (void)bytes;
    t->run->done.bytes += size * count;
    return size * count;
}

static pen_status header_add(struct transfer *t, const char *name, pen_slice value)
{
    struct pen_buf *text = &t->run->text;
    if (value.len == 0) {
        return PEN_OK;
    }
    text->len = 0;
    PEN_TRY(pen_buf_printf(text, "%s: %.*s", name, PEN_SLICE_FMT(value)));
    PEN_TRY(pen_buf_add_byte(text, '\0'));
    struct curl_slist *more = curl_slist_append(t->headers, (const char *)text->ptr);
    t->headers = more != NULL ? more : t->headers;
    return more != NULL ? PEN_OK : PEN_E_NOMEM;
}

static pen_status url_set(struct transfer *t, const struct pen_sigv4_signed *s)
{
    struct pen_buf *text = &t->run->text;
    text->len = 0;
    PEN_TRY(pen_buf_printf(text, "%s://%.*s%.*s",
                           t->run->options.endpoint->is_tls ? "https" : "http",
                           PEN_SLICE_FMT(s->host), PEN_SLICE_FMT(s->target)));
    PEN_TRY(pen_buf_add_byte(text, '\0'));
    SET(t->easy, CURLOPT_URL, (const char *)text->ptr);
    return PEN_OK;
}

static pen_status headers_set(struct transfer *t, const struct pen_sigv4_signed *s)
{
    const struct pen_pair headers[] = {{PEN_SLICE_LIT("Host"), s->host},
                                       {PEN_SLICE_LIT("X-Amz-Date"), s->date},
                                       {PEN_SLICE_LIT("X-Amz-Content-Sha256"), s->payload},
                                       {PEN_SLICE_LIT("X-Amz-Security-Token"), s->token},
                                       {PEN_SLICE_LIT("Authorization"), s->authorization}};
    curl_slist_free_all(t->headers);
    t->headers = NULL;
    for (size_t i = 0; i < PEN_COUNT(headers); i++) {
        PEN_TRY(header_add(t, (const char *)headers[i].name.ptr, headers[i].value));
    }
    return PEN_OK;
}

static pen_status transfer_start(struct transfer *t, struct pen_err *err)
{
    struct pen_curl_fetch *run = t->run;
    const struct pen_curl_options *o = &run->options;
    const pen_slice key = o->keys[run->next++ % o->key_count];
    struct pen_sigv4_signed s;
    run->signing.len = 0;
    run->text.len = 0;
    PEN_TRY(pen_buf_add_byte(&run->text, '/'));
    PEN_TRY(pen_buf_add(&run->text, key));
    const struct pen_sigv4_request request = {.credentials = o->credentials,
                                              .time_ns = pen_clock_wall_ns(),
                                              .region = pen_slice_str(o->endpoint->region),
                                              .service = PEN_SLICE_LIT("s3"),
                                              .method = PEN_SLICE_LIT("GET"),
                                              .host = pen_slice_str(o->endpoint->authority),
                                              .bucket = pen_slice_str(o->endpoint->bucket),
                                              .is_virtual_host = o->endpoint->is_virtual_host,
                                              .path = pen_buf_slice(&run->text),
                                              .has_payload_header = true};
    PEN_TRY(pen_sigv4_sign(run->signer, &request, &run->signing, &s, err));
    PEN_TRY(headers_set(t, &s));
    PEN_TRY(url_set(t, &s));
    SET(t->easy, CURLOPT_HTTPHEADER, t->headers);
    return curl_multi_add_handle(run->multi, t->easy) == CURLM_OK ? PEN_OK : PEN_E_NOMEM;
}

static pen_status transfer_new(struct transfer *t, struct pen_err *err)
{
    const struct pen_curl_options *o = &t->run->options;
    t->easy = curl_easy_init();
    if (t->easy == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "libcurl gives no handle");
    }
    SET(t->easy, CURLOPT_PRIVATE, t);
    SET(t->easy, CURLOPT_WRITEFUNCTION, on_bytes);
    SET(t->easy, CURLOPT_WRITEDATA, t);
    SET(t->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(t->easy, CURLOPT_NOSIGNAL, 1L);
    if (o->ca_file != NULL) {
        SET(t->easy, CURLOPT_CAINFO, o->ca_file);
    }
    return transfer_start(t, err);
}

/* What has ended is counted and begun anew. */
static pen_status ended(struct pen_curl_fetch *run, struct pen_err *err)
{
    int left = 0;
    for (CURLMsg *m = curl_multi_info_read(run->multi, &left); m != NULL;
         m = curl_multi_info_read(run->multi, &left)) {
        char *of = NULL;
        long status = 0;
        if (m->msg != CURLMSG_DONE) {
            continue;
        }
        PEN_CHECK(curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &of) == CURLE_OK);
        struct transfer *t = (struct transfer *)(void *)of;
        const bool is_good =
            m->data.result == CURLE_OK &&
            curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
            status == 200;
        run->done.requests++;
        run->done.failed += !is_good;
        PEN_CHECK(curl_multi_remove_handle(run->multi, t->easy) == CURLM_OK);
        PEN_TRY(transfer_start(t, err));
    }
    return PEN_OK;
}

pen_status pen_curl_fetch_turn(struct pen_curl_fetch *run, struct pen_err *err)
{
    int running = 0;
    if (curl_multi_perform(run->multi, &running) != CURLM_OK) {
        return PEN_FAIL(err, PEN_E_INTERNAL, PEN_NO_OFFSET, "libcurl refused");
    }
    const pen_status st = ended(run, err);
    if (st != PEN_OK) {
        return err->status != PEN_OK ? st : PEN_FAIL(err, st, PEN_NO_OFFSET, "libcurl: no memory");
    }
    return curl_multi_poll(run->multi, NULL, 0, WAIT_MS, NULL) == CURLM_OK
               ? PEN_OK
               : PEN_FAIL(err, PEN_E_INTERNAL, PEN_NO_OFFSET, "libcurl refused");
}

struct pen_curl_fetched pen_curl_fetch_done(const struct pen_curl_fetch *run)
{
    return run->done;
}

void pen_curl_fetch_free(struct pen_curl_fetch *run)
{
    if (run == NULL) {
        return;
    }
    for (uint32_t i = 0; run->transfers != NULL && i < run->options.concurrency; i++) {
        struct transfer *t = &run->transfers[i];
        if (t->easy != NULL) {
            (void)curl_multi_remove_handle(run->multi, t->easy); /* it may not be in there */
            curl_easy_cleanup(t->easy);
        }
        curl_slist_free_all(t->headers);
    }
    (void)curl_multi_cleanup(run->multi);
    pen_sigv4_free(run->signer);
    pen_buf_fini(&run->signing);
    pen_buf_fini(&run->text);
    free(run->transfers);
    free(run);
    curl_global_cleanup();
}

static pen_status parts_new(struct pen_curl_fetch *run, struct pen_err *err)
{
    const struct pen_curl_options *o = &run->options;
    run->multi = curl_multi_init();
    run->transfers = calloc(o->concurrency, sizeof(*run->transfers));
    if (run->multi == NULL || run->transfers == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "libcurl gives no handle");
    }
    PEN_CHECK(curl_multi_setopt(run->multi, CURLMOPT_MAXCONNECTS, (long)o->concurrency) ==
              CURLM_OK);
    PEN_TRY(pen_sigv4_new(&run->signer, err));
    for (uint32_t i = 0; i < o->concurrency; i++) {
        run->transfers[i].run = run;
        PEN_TRY(transfer_new(&run->transfers[i], err));
    }
    return PEN_OK;
}

pen_status pen_curl_fetch_new(const struct pen_curl_options *options, struct pen_curl_fetch **out,
                              struct pen_err *err)
{
    PEN_CHECK(options->concurrency > 0 && options->key_count > 0);
    struct pen_curl_fetch *run = calloc(1, sizeof(*run));
    if (run == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(run);
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "libcurl: out of memory");
    }
    run->options = *options;
    pen_buf_init(&run->signing, PEN_SIGV4_BYTES_MAX);
    pen_buf_init(&run->text, HEADER_BYTES_MAX + URL_BYTES_MAX);
    const pen_status st = parts_new(run, err);
    if (st != PEN_OK) {
        pen_curl_fetch_free(run);
        return st;
    }
    *out = run;
    return PEN_OK;
}
