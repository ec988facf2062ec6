/*
 * list_keys - lists URLs of S3 all at once and prints what is there, for test_list_server.py.
 *
 * list_keys [NAME=VALUE].. s3://BUCKET/PREFIX..
 *
 * Names are those of the table below; keys of credentials come from AWS_ACCESS_KEY_ID and its kin.
 * Standard output has a line for each object, common prefix and end: the number of the URL, a word
 * and the fields, keys percent-encoded.  Standard error has notices, and at the end the counts.
 */
#include "penstock/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define URLS_MAX 256

struct settings {
    const char *endpoint, *region, *delimiter, *start_after, *ca;
    uint64_t page_keys, parallel, attempts, retries, backoff_ms, stall_ms, connect_ms, request_ms;
    uint64_t hold_ms; /* a page is kept for so long */
    uint64_t quit_at; /* the listing ends after so many pages; 0: none */
    uint64_t repeat;  /* every URL is listed so often, one after the other */
    uint64_t is_payer, is_path_style;
    bool is_quiet; /* objects are counted, not printed */
};

struct job {
    struct pen_s3_url url;
    struct pen_s3_endpoint endpoint;
    uint64_t pages, times, objects;
    bool is_open;
};

static struct settings settings;
static struct job jobs[URLS_MAX];
static uint32_t job_count;
static struct pen_credentials credentials;
static struct pen_buf line;
static int failures;

static void need(pen_status status, const struct pen_err *err)
{
    if (status != PEN_OK) {
        (void)fprintf(stderr, "%s %s\n", pen_status_name(status), err->text);
        exit(2);
    }
}

static void told(void *ctx, const char *text)
{
    (void)ctx;
    (void)fprintf(stderr, "notice: %s\n", text);
}

static pen_slice from_env(const char *name)
{
    const char *value = getenv(name);
    return pen_slice_str(value == NULL ? "" : value);
}

static pen_slice or_empty(const char *text)
{
    return pen_slice_str(text == NULL ? "" : text);
}

static bool setting_set(const char *word)
{
    const struct {
        const char *name;
        const char **text;
        uint64_t *number;
    } known[] = {{"endpoint", &settings.endpoint, NULL},
                 {"region", &settings.region, NULL},
                 {"delimiter", &settings.delimiter, NULL},
                 {"start-after", &settings.start_after, NULL},
                 {"ca", &settings.ca, NULL},
                 {"page-keys", NULL, &settings.page_keys},
                 {"parallel", NULL, &settings.parallel},
                 {"attempts", NULL, &settings.attempts},
                 {"retries", NULL, &settings.retries},
                 {"backoff-ms", NULL, &settings.backoff_ms},
                 {"stall-ms", NULL, &settings.stall_ms},
                 {"connect-ms", NULL, &settings.connect_ms},
                 {"request-ms", NULL, &settings.request_ms},
                 {"hold-ms", NULL, &settings.hold_ms},
                 {"quit-at", NULL, &settings.quit_at},
                 {"repeat", NULL, &settings.repeat},
                 {"payer", NULL, &settings.is_payer},
                 {"path-style", NULL, &settings.is_path_style}};
    const char *equals = strchr(word, '=');
    for (uint32_t i = 0; equals != NULL && i < PEN_COUNT(known); i++) {
        const pen_slice name = {(const uint8_t *)word, (size_t)(equals - word)};
        if (pen_slice_eq(name, pen_slice_str(known[i].name))) {
            if (known[i].text != NULL) {
                *known[i].text = equals + 1;
                return true;
            }
            return pen_parse_u64(pen_slice_str(equals + 1), known[i].number);
        }
    }
    settings.is_quiet = settings.is_quiet || strcmp(word, "quiet") == 0;
    return strcmp(word, "quiet") == 0;
}

static void job_add(const char *url)
{
    struct job *job = &jobs[job_count];
    struct pen_err err;
    PEN_CHECK(job_count < URLS_MAX);
    need(pen_s3_url_parse(pen_slice_str(url), &job->url, &err), &err);
    const struct pen_s3_place place = {.bucket = job->url.bucket,
                                       .region = or_empty(settings.region),
                                       .endpoint_url = or_empty(settings.endpoint),
                                       .is_path_style = settings.is_path_style != 0};
    need(pen_s3_endpoint_of(&place, &job->endpoint, &err), &err);
    job_count++;
}

static void encoded_print(pen_slice s)
{
    line.len = 0;
    PEN_CHECK(pen_uri_encode(&line, s, PEN_URI_KEEP_SLASH) == PEN_OK);
    (void)printf("\t%.*s", (int)line.len, (const char *)line.ptr);
}

static void page_print(uint32_t number, const struct pen_s3_page *page)
{
    for (uint32_t i = 0; i < page->object_count && !settings.is_quiet; i++) {
        const struct pen_s3_object *o = &page->objects[i];
        (void)printf("%u\tobject", number);
        encoded_print(o->key);
        (void)printf("\t%llu\t%lld\t%.*s\t%.*s\n", (unsigned long long)o->size,
                     (long long)o->modified_ns, PEN_SLICE_FMT(o->etag),
                     PEN_SLICE_FMT(o->storage_class));
    }
    for (uint32_t i = 0; i < page->prefix_count && !settings.is_quiet; i++) {
        (void)printf("%u\tprefix", number);
        encoded_print(page->prefixes[i]);
        (void)printf("\n");
    }
    if (page->status != PEN_OK) {
        failures++;
        (void)printf("%u\tfailed\t%s\t%s\n", number, pen_status_name(page->status), page->err.text);
    } else if (page->is_last) {
        (void)printf("%u\tend\n", number);
    }
}

static void jobs_start(struct pen_s3_list *list)
{
    for (uint32_t i = 0; i < job_count; i++) {
        struct job *job = &jobs[i];
        struct pen_err err;
        const struct pen_s3_list_request request = {.endpoint = &job->endpoint,
                                                    .credentials = &credentials,
                                                    .prefix = job->url.prefix,
                                                    .delimiter = or_empty(settings.delimiter),
                                                    .start_after = or_empty(settings.start_after),
                                                    .page_keys = (uint32_t)settings.page_keys,
                                                    .is_requester_pays = settings.is_payer != 0,
                                                    .tag = job};
        if (job->is_open || job->times == settings.repeat) {
            continue;
        }
        const pen_status status = pen_s3_list_start(list, &request, &err);
        if (status == PEN_E_AGAIN) {
            return;
        }
        need(status, &err);
        job->is_open = true;
        job->times++;
        job->pages = 0;
    }
}

static void pages_take(struct pen_s3_list *list)
{
    const struct timespec hold = {.tv_sec = (time_t)(settings.hold_ms / 1000),
                                  .tv_nsec = (long)(settings.hold_ms % 1000) * 1000000};
    for (const struct pen_s3_page *page = pen_s3_list_take(list); page != NULL;
         page = pen_s3_list_take(list)) {
        struct job *job = page->tag;
        job->objects += page->object_count;
        page_print((uint32_t)(job - jobs), page);
        if (settings.hold_ms > 0) {
            (void)nanosleep(&hold, NULL);
        }
        const bool is_quit = ++job->pages == settings.quit_at;
        job->is_open = !is_quit && !page->is_last;
        if (is_quit) {
            pen_s3_list_quit(list, page);
        } else {
            pen_s3_list_done(list, page);
        }
    }
}

int main(int argc, char **argv)
{
    struct pen_s3_list *list = NULL;
    static bool is_setting[2 * URLS_MAX];
    struct pen_err err;
    settings.repeat = 1;
    PEN_CHECK(argc <= (int)PEN_COUNT(is_setting));
    for (int i = 1; i < argc; i++) {
        is_setting[i] = setting_set(argv[i]);
    }
    for (int i = 1; i < argc; i++) {
        if (!is_setting[i]) {
            job_add(argv[i]);
        }
    }
    credentials =
        (struct pen_credentials){from_env("AWS_ACCESS_KEY_ID"), from_env("AWS_SECRET_ACCESS_KEY"),
                                 from_env("AWS_SESSION_TOKEN")};
    const struct pen_s3_list_options options = {
        .ca_file = settings.ca,
        .listings_max = (uint32_t)settings.parallel,
        .attempts_max = (uint32_t)settings.attempts,
        .retries_max = (uint32_t)settings.retries,
        .backoff_ns = (int64_t)settings.backoff_ms * 1000000,
        .stall_ns = (int64_t)settings.stall_ms * 1000000,
        .connect_ns = (int64_t)settings.connect_ms * 1000000,
        .request_ns = (int64_t)settings.request_ms * 1000000,
        .notice = told,
    };
    pen_buf_init(&line, 1 << 16);
    need(pen_s3_list_new(&options, &list, &err), &err);
    for (jobs_start(list); pen_s3_list_open(list) > 0; jobs_start(list)) {
        need(pen_s3_list_turn(list, 1000, &err), &err);
        pages_take(list);
    }
    const struct pen_s3_list_stats s = pen_s3_list_stats(list);
    uint64_t objects = 0;
    for (uint32_t i = 0; i < job_count; i++) {
        objects += jobs[i].objects;
    }
    (void)fprintf(stderr,
                  "requests=%llu pages=%llu retries=%llu throttled=%llu moved=%llu bytes=%llu "
                  "window=%u skew_s=%lld objects=%llu cpu_us=%lld\n",
                  (unsigned long long)s.requests, (unsigned long long)s.pages,
                  (unsigned long long)s.retries, (unsigned long long)s.throttled,
                  (unsigned long long)s.moved, (unsigned long long)s.bytes, s.window,
                  (long long)(s.skew_ns / PEN_NS_PER_S), (unsigned long long)objects,
                  (long long)(pen_clock_thread_cpu_ns() / 1000));
    pen_s3_list_free(list);
    pen_buf_fini(&line);
    return failures > 0;
}
