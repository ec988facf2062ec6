/* tested by tests/unit/net/test_fetch.py */
#include "fetch.h"

#include <stdio.h>

_Static_assert(PEN_FETCH_SOURCES_MAX <= PEN_RESOLVER_NAMES_MAX, "each asks for one name at a time");

/* Buckets of one server share its budget. */
static struct fetch_host *host_of(struct pen_fetcher *fetcher,
                                  const struct pen_s3_endpoint *endpoint)
{
    for (uint32_t i = 0; i < fetcher->host_count; i++) {
        const struct pen_s3_endpoint *known = fetcher->hosts[i].endpoint;
        if (known->port == endpoint->port && strcmp(known->host, endpoint->host) == 0) {
            return &fetcher->hosts[i];
        }
    }
    const struct pen_fetch_options *o = &fetcher->options;
    PEN_CHECK(fetcher->host_count < FETCH_HOSTS_MAX);
    struct fetch_host *host = &fetcher->hosts[fetcher->host_count++];
    host->endpoint = endpoint;
    fetch_budget_init(&host->budget, fetch_budget_share(o->retry_budget, o->share,
                                                        o->shares == 0 ? 1 : o->shares));
    return host;
}

pen_status fetch_place_add(struct pen_fetcher *fetcher, struct fetch_source *source,
                           const struct pen_s3_endpoint *endpoint, struct pen_err *err)
{
    if (source->place_count == fetcher->options.places_max) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "%s: more than %u servers",
                        endpoint->bucket, fetcher->options.places_max);
    }
    char host[HTTP_HOST_MAX * 2];
    fetch_host_of(endpoint, host);
    const struct pen_fetch_options *o = &fetcher->options;
    const struct http_client_options options = {.host = host,
                                                .is_tls = endpoint->is_tls,
                                                .files = {.ca = o->ca_file},
                                                .connections_max = o->window_max,
                                                .connect_ns = o->connect_ns,
                                                .first_byte_ns = o->first_byte_ns,
                                                .stall_ns = o->stall_ns,
                                                .idle_ns = o->idle_ns};
    struct fetch_place *place = &source->places[source->place_count];
    *place = (struct fetch_place){.endpoint = *endpoint};
    PEN_TRY(http_client_new(fetcher->ring, fetcher->recv, &options, &place->client, err));
    place->host = host_of(fetcher, &place->endpoint);
    source->place_count++;
    return PEN_OK;
}

void fetch_place_addresses(struct fetch_place *place, const struct pen_fetch_address *addresses,
                           uint32_t count)
{
    struct http_address list[HTTP_ADDRESSES_MAX];
    const uint32_t used = count < HTTP_ADDRESSES_MAX ? count : HTTP_ADDRESSES_MAX;
    memset(list, 0, sizeof(list));
    for (uint32_t i = 0; i < used; i++) {
        PEN_CHECK(addresses[i].bytes <= sizeof(addresses[i].at));
        memcpy(&list[i].at, addresses[i].at, addresses[i].bytes);
        list[i].bytes = addresses[i].bytes;
    }
    http_client_addresses(place->client, list, used);
    place->has_addresses = true;
}

/* ---- where to ---- */

/* "http://host:port/bucket/key" or "http://bucket.host:port/key": the style is as it is there. */
static bool location_read(const struct pen_s3_endpoint *from, pen_slice location,
                          struct pen_s3_endpoint *out)
{
    const size_t scheme = pen_slice_find(location, PEN_SLICE_LIT("://"));
    if (scheme == SIZE_MAX) {
        return false;
    }
    const pen_slice rest = pen_slice_sub(location, scheme + 3, location.len);
    size_t len = 0;
    while (len < rest.len && strchr("/?#", rest.ptr[len]) == NULL) {
        len++;
    }
    pen_slice authority = pen_slice_sub(rest, 0, len);
    const size_t bucket_len = strlen(from->bucket);
    const bool is_virtual = pen_slice_starts(authority, pen_slice_str(from->bucket)) &&
                            authority.len > bucket_len && authority.ptr[bucket_len] == '.';
    authority = pen_slice_sub(authority, is_virtual ? bucket_len + 1 : 0, authority.len);
    char url[PEN_S3_HOST_MAX + 32];
    const int written = snprintf(url, sizeof(url), "%.*s://%.*s", scheme < 8 ? (int)scheme : 8,
                                 (const char *)location.ptr, PEN_SLICE_FMT(authority));
    const struct pen_s3_place place = {.bucket = pen_slice_str(from->bucket),
                                       .region = pen_slice_str(from->region),
                                       .endpoint_url = pen_slice_str(url),
                                       .is_path_style = !is_virtual};
    return written > 0 && (size_t)written < sizeof(url) &&
           pen_s3_endpoint_of(&place, out, NULL) == PEN_OK && out->is_tls >= from->is_tls;
}

static bool is_same_server(const struct pen_s3_endpoint *a, const struct pen_s3_endpoint *b)
{
    return a->is_tls == b->is_tls && a->port == b->port &&
           a->is_virtual_host == b->is_virtual_host && strcmp(a->host, b->host) == 0;
}

/* False: that is where it was, or it was at too many places. */
static bool go(struct pen_fetcher *fetcher, struct fetch_source *source,
               const struct pen_s3_endpoint *to)
{
    uint32_t at = 0;
    while (at < source->place_count && !is_same_server(&source->places[at].endpoint, to)) {
        at++;
    }
    if (at == source->place && strcmp(source->places[at].endpoint.region, to->region) == 0) {
        return false;
    }
    if (at == source->place_count && fetch_place_add(fetcher, source, to, NULL) != PEN_OK) {
        return false;
    }
    struct fetch_place *place = &source->places[at];
    place->endpoint = *to;
    place->asked_ns = place->has_addresses ? place->asked_ns : 0;
    source->place = at;
    source->moves++;
    return true;
}

bool fetch_place_move(struct pen_fetcher *fetcher, struct fetch_get *get,
                      const struct fetch_told *told)
{
    struct fetch_source *source = &fetcher->sources[get->object->source];
    if (get->hops == fetcher->options.redirects_max) {
        return false;
    }
    if (get->moves == source->moves) {
        struct pen_s3_endpoint to = fetch_place_of(source)->endpoint;
        const bool is_other_region = told->region.len > 0 &&
                                     !pen_slice_eq(told->region, pen_slice_str(to.region)) &&
                                     pen_s3_endpoint_move(&to, told->region, NULL) == PEN_OK;
        const struct pen_s3_endpoint from = to;
        if (!is_other_region && !(from.is_given && location_read(&from, told->location, &to))) {
            return false;
        }
        if (!go(fetcher, source, &to)) {
            return false;
        }
        source->is_unproved = true;
    }
    get->hops++;
    return true;
}

/* ---- what fetchers tell each other ---- */

void fetch_place_proved(struct fetch_source *source, const struct fetch_get *get)
{
    if (source->is_unproved && get->moves == source->moves) {
        source->is_unproved = false;
        source->has_news = true;
    }
}

bool pen_fetcher_moved(struct pen_fetcher *fetcher, uint32_t *source, struct pen_s3_endpoint *to)
{
    for (uint32_t i = 0; i < fetcher->source_count; i++) {
        struct fetch_source *one = &fetcher->sources[i];
        if (one->has_news) {
            one->has_news = false;
            *source = i;
            *to = fetch_place_of(one)->endpoint;
            return true;
        }
    }
    return false;
}

void pen_fetcher_move(struct pen_fetcher *fetcher, uint32_t source,
                      const struct pen_s3_endpoint *to)
{
    PEN_CHECK(source < fetcher->source_count);
    struct fetch_source *one = &fetcher->sources[source];
    if (go(fetcher, one, to)) {
        one->is_unproved = false; /* it is no news */
        one->has_news = false;
    }
}

/* ---- addresses ---- */

/* Requests go back to where they were sent from: the redirect is asked for anew. */
static void unfound(struct fetch_source *source, const struct pen_err *err)
{
    source->unfound = *err;
    if (!fetch_place_of(source)->has_addresses) {
        source->is_unproved = false;
        source->place = 0;
        source->moves++;
    }
}

static void ask(struct pen_fetcher *fetcher, uint32_t number, int64_t now_ns)
{
    struct fetch_source *source = &fetcher->sources[number];
    struct fetch_place *place = fetch_place_of(source);
    struct pen_err err = {0};
    char host[HTTP_HOST_MAX * 2];
    fetch_host_of(&place->endpoint, host);
    place->asked_ns = now_ns;
    pen_status st = fetcher->resolver == NULL ? pen_resolver_new(&fetcher->resolver, &err) : PEN_OK;
    st = st == PEN_OK
             ? pen_resolver_ask(fetcher->resolver, number, host, place->endpoint.port, &err)
             : st;
    source->is_asking = st == PEN_OK;
    source->asked = source->place;
    if (st != PEN_OK) {
        unfound(source, &err);
    }
}

static void take(struct fetch_source *source, const struct pen_resolved *got)
{
    source->is_asking = false;
    if (got->err.status == PEN_OK) {
        source->unfound = (struct pen_err){0};
        fetch_place_addresses(&source->places[source->asked], got->addresses.at,
                              got->addresses.count);
    } else if (source->asked == source->place) {
        unfound(source, &got->err);
    }
}

/* The answer may still come, and is taken then. */
static void give_up(struct fetch_source *source, int64_t waited_ns)
{
    struct pen_err err = {0};
    char host[HTTP_HOST_MAX * 2];
    fetch_host_of(&source->places[source->asked].endpoint, host);
    (void)PEN_FAIL(&err, PEN_E_TIMEOUT, PEN_NO_OFFSET,
                   "%s: no name server has said for %lld s where it is", host,
                   (long long)(waited_ns / PEN_NS_PER_S));
    source->is_asking = false;
    if (source->asked == source->place) {
        unfound(source, &err);
    }
}

void fetch_place_turn(struct pen_fetcher *fetcher, int64_t now_ns)
{
    struct pen_resolved got;
    while (fetcher->resolver != NULL && pen_resolver_take(fetcher->resolver, &got)) {
        take(&fetcher->sources[got.name], &got);
    }
    const int64_t every_ns = fetcher->options.resolve_ns;
    for (uint32_t i = 0; i < fetcher->source_count; i++) {
        struct fetch_source *source = &fetcher->sources[i];
        const struct fetch_place *place = fetch_place_of(source);
        const int64_t most_ns = fetcher->options.resolve_most_ns;
        const int64_t waited_ns = now_ns - source->places[source->asked].asked_ns;
        if (source->is_asking && most_ns > 0 && waited_ns >= most_ns) {
            give_up(source, waited_ns);
            continue;
        }
        const bool is_due =
            place->asked_ns == 0 || (every_ns > 0 && now_ns - place->asked_ns >= every_ns);
        if (source->place > 0 && !source->is_asking && is_due) {
            ask(fetcher, i, now_ns);
        }
    }
}
