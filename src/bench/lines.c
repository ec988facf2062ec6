/* tested by tests/e2e/test_bench.py */
#include "lines.h"

#include "generate_internal.h"

#include <inttypes.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>

#define OBJECT_BYTES ((size_t)1 << 20)
#define LINE_BYTES 2048U
#define LINES_A_SECOND 20U
#define FIRST_S INT64_C(1740787200) /* 2025-03-01 */
#define LEVEL 6                     /* about that of what AWS writes */

#define HOSTS 24U /* of ours, behind a load balancer or with an interface */
#define PEERS 64U /* that come again */

struct part {
    char text[72];
};

/* Who talks to whom: the same for all objects of a log. */
struct cast {
    struct part hosts[HOSTS], interfaces[HOSTS], peers[PEERS];
    struct part owner, balancer, listener, target_group, certificate;
};

/* A connection that was logged in one direction. */
struct flow {
    uint32_t host, port, service, protocol;
    struct part peer;
    bool is_back; /* the other direction comes next */
};

struct line {
    struct gen_rng *rng;
    const struct cast *cast;
    struct pen_civil at;
    int64_t second;
    struct flow flow;
    char *to; /* LINE_BYTES */
    int len;
};

/* ---- parts ---- */

static uint32_t below(struct line *l, uint32_t n)
{
    return pen_bench_below(l->rng, n);
}

static struct part random_text(struct gen_rng *rng, const char *digits, uint32_t kinds, int count)
{
    struct part part;
    for (int i = 0; i < count; i++) {
        part.text[i] = digits[pen_bench_below(rng, kinds)];
    }
    part.text[count] = '\0';
    return part;
}

static struct part hex(struct gen_rng *rng, int digits)
{
    return random_text(rng, "0123456789abcdef", 16, digits);
}

static struct part base64(struct gen_rng *rng, int digits)
{
    return random_text(rng, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 64,
                       digits);
}

static struct part uuid(struct gen_rng *rng)
{
    struct part part = hex(rng, 36);
    for (uint32_t at = 8; at <= 23; at += 5) {
        part.text[at] = '-';
    }
    return part;
}

static struct part address(struct gen_rng *rng, bool is_ours)
{
    struct part part;
    const uint32_t first = is_ours ? 10 : 11 + pen_bench_below(rng, 212);
    const uint32_t second = is_ours ? pen_bench_below(rng, 4) : pen_bench_below(rng, 256);
    (void)snprintf(part.text, sizeof(part.text), "%u.%u.%u.%u", first, second,
                   pen_bench_below(rng, 256), pen_bench_below(rng, 256));
    return part;
}

static void cast_make(struct gen_rng *rng, struct cast *cast)
{
    for (uint32_t i = 0; i < HOSTS; i++) {
        cast->hosts[i] = address(rng, true);
        cast->interfaces[i] = hex(rng, 17);
    }
    for (uint32_t i = 0; i < PEERS; i++) {
        cast->peers[i] = address(rng, false);
    }
    cast->owner = hex(rng, 64);
    cast->balancer = hex(rng, 16);
    cast->listener = hex(rng, 16);
    cast->target_group = hex(rng, 16);
    cast->certificate = uuid(rng);
}

/* Half of those who come were here before, the earlier ones more often. */
static struct part peer(struct line *l)
{
    const uint32_t known = below(l, 1 + below(l, PEERS));
    return below(l, 2) == 0 ? l->cast->peers[known] : address(l->rng, false);
}

static const char *host(struct line *l)
{
    return l->cast->hosts[below(l, HOSTS)].text;
}

/* Most are small and a few are large: each number of bits is as likely as any other. */
static uint32_t sized(struct line *l, uint32_t bits)
{
    return 1 + below(l, 1U << (1 + below(l, bits)));
}

static struct part time_of(const struct line *l)
{
    struct part part;
    *pen_put_civil(part.text, &l->at) = '\0';
    return part;
}

struct agent {
    char text[160];
};

/* Browsers of many versions, and what is no browser. */
static struct agent agent(struct line *l)
{
    static const char *const systems[] = {"Windows NT 10.0; Win64; x64",
                                          "Macintosh; Intel Mac OS X 10_15_7",
                                          "X11; Linux x86_64",
                                          "Linux; Android 10; K",
                                          "iPhone; CPU iPhone OS 17_4_1 like Mac OS X",
                                          "Windows NT 6.1; WOW64"};
    static const char *const tools[] = {
        "curl/8.5.0", "python-requests/2.31.0", "ELB-HealthChecker/2.0", "Go-http-client/1.1",
        "-",          "kube-probe/1.29",        "okhttp/4.12.0"};
    struct agent made;
    if (below(l, 4) == 0) {
        (void)snprintf(made.text, sizeof(made.text), "%s", tools[below(l, PEN_COUNT(tools))]);
        return made;
    }
    const uint32_t age = below(l, 1 + below(l, 40)); /* new ones more often */
    (void)snprintf(made.text, sizeof(made.text),
                   "Mozilla/5.0 (%s) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%u.0.%u.%u "
                   "Safari/537.36",
                   systems[below(l, PEN_COUNT(systems))], 124 - age, 6367 - 97 * age,
                   60 + below(l, 3) * 47);
    return made;
}

static const char *method(struct line *l)
{
    static const char *const methods[] = {"GET", "GET", "GET", "GET", "POST", "HEAD", "PUT"};
    return methods[below(l, PEN_COUNT(methods))];
}

/* Of a site: pages, things with a number, files with a hash. */
static struct part path(struct line *l)
{
    static const char *const pages[] = {
        "",       "index.html", "login",      "health",       "favicon.ico",
        "search", "cart",       "robots.txt", "wp-login.php", "about"};
    static const char *const things[] = {"users",         "orders",   "items",
                                         "api/v1/events", "sessions", "images"};
    struct part part;
    const char *thing = things[below(l, PEN_COUNT(things))];
    switch (below(l, 3)) {
    case 0:
        (void)snprintf(part.text, sizeof(part.text), "%s", pages[below(l, PEN_COUNT(pages))]);
        break;
    case 1:
        (void)snprintf(part.text, sizeof(part.text), "%s/%u", thing, sized(l, 22));
        break;
    default:
        (void)snprintf(part.text, sizeof(part.text), "static/%s/%.8s.js", thing,
                       hex(l->rng, 8).text);
        break;
    }
    return part;
}

static struct part query(struct line *l)
{
    struct part part = {.text = ""};
    if (below(l, 3) == 0) {
        (void)snprintf(part.text, sizeof(part.text), "?q=%.16s&page=%u",
                       base64(l->rng, 4 + (int)below(l, 12)).text, sized(l, 5));
    }
    return part;
}

static uint32_t status_code(struct line *l)
{
    static const uint32_t codes[] = {200, 200, 200, 200, 301, 304, 401, 404, 502};
    return codes[below(l, PEN_COUNT(codes))];
}

/* ---- lines ---- */

static struct flow flow_begin(struct line *l)
{
    static const uint32_t services[] = {443, 443, 443, 80, 22, 53, 123, 3306, 5432, 8080};
    const uint32_t service =
        below(l, 8) == 0 ? sized(l, 15) : services[below(l, PEN_COUNT(services))];
    const struct part other = below(l, 2) == 0 ? (struct part){.text = ""} : peer(l);
    struct flow flow = {.host = below(l, HOSTS),
                        .port = 1024 + below(l, 64512),
                        .service = service,
                        .protocol = service == 53 || service == 123 ? 17 : 6,
                        .peer = other,
                        .is_back = true};
    if (other.text[0] == '\0') { /* within */
        flow.peer = l->cast->hosts[below(l, HOSTS)];
    }
    return flow;
}

/* Both directions of a connection, one after the other; now and then an interface without any. */
static void vpc_line(struct line *l)
{
    const int64_t from = l->second + 30 - below(l, 60);
    const int64_t to = from + 1 + below(l, 60);
    struct flow *flow = &l->flow;
    const bool is_back = flow->is_back;
    if (!is_back && below(l, 25) == 0) {
        l->len = snprintf(l->to, LINE_BYTES,
                          "2 123456789012 eni-%s - - - - - - - %" PRId64 " %" PRId64 " - NODATA\n",
                          l->cast->interfaces[below(l, HOSTS)].text, from, to);
        return;
    }
    if (is_back) {
        flow->is_back = false;
    } else {
        *flow = flow_begin(l);
    }
    const uint32_t packets = sized(l, 9);
    const char *const ours = l->cast->hosts[flow->host].text;
    const bool is_refused = !is_back && below(l, 6) == 0;
    flow->is_back &= !is_refused;
    l->len = snprintf(l->to, LINE_BYTES,
                      "2 123456789012 eni-%s %s %s %u %u %u %u %u %" PRId64 " %" PRId64 " %s OK\n",
                      l->cast->interfaces[flow->host].text, is_back ? ours : flow->peer.text,
                      is_back ? flow->peer.text : ours, is_back ? flow->service : flow->port,
                      is_back ? flow->port : flow->service, flow->protocol, packets,
                      packets * (40 + below(l, 1400)), from, to, is_refused ? "REJECT" : "ACCEPT");
}

static void alb_line(struct line *l)
{
    const char *const target = host(l);
    const uint32_t code = status_code(l);
    const struct cast *c = l->cast;
    l->len = snprintf(
        l->to, LINE_BYTES,
        "https %s.%06uZ app/web/%s %s:%u %s:8080 0.000 0.%03u 0.000 %u %u %u %u "
        "\"%s https://www.example.com:443/%s%s HTTP/1.1\" \"%s\" "
        "ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 "
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/%s "
        "\"Root=1-%08x-%s\" \"www.example.com\" "
        "\"arn:aws:acm:eu-west-1:123456789012:certificate/%s\" 0 %s.%06uZ \"forward\" \"-\" \"-\" "
        "\"%s:8080\" \"%u\" \"-\" \"-\"\n",
        time_of(l).text, below(l, 1000000), c->balancer.text, peer(l).text, 1024 + below(l, 64512),
        target, sized(l, 9) % 1000, code, code, 100 + below(l, 1200), sized(l, 17), method(l),
        path(l).text, query(l).text, agent(l).text, c->target_group.text, (unsigned)l->second,
        hex(l->rng, 24).text, c->certificate.text, time_of(l).text, below(l, 1000000), target,
        code);
}

static void nlb_line(struct line *l)
{
    const char *const alpn = below(l, 2) == 0 ? "h2 h2 \"h2\",\"http/1.1\"" : "- - -";
    l->len = snprintf(l->to, LINE_BYTES,
                      "tls 2.0 %s net/edge/%s %s %s:%u %s:443 %u %u %u %u - "
                      "arn:aws:acm:eu-west-1:123456789012:certificate/%s - "
                      "ECDHE-RSA-AES128-SHA tlsv12 - edge.example.com %s %s\n",
                      time_of(l).text, l->cast->balancer.text, l->cast->listener.text, peer(l).text,
                      1024 + below(l, 64512), host(l), sized(l, 16), sized(l, 8), sized(l, 18),
                      sized(l, 18), l->cast->certificate.text, alpn, time_of(l).text);
}

static void clb_line(struct line *l)
{
    const uint32_t code = status_code(l);
    l->len = snprintf(l->to, LINE_BYTES,
                      "%s.%06uZ web %s:%u %s:80 0.0000%02u 0.%06u 0.0000%02u %u %u 0 %u "
                      "\"%s http://www.example.com:80/%s%s HTTP/1.1\" \"%s\" - -\n",
                      time_of(l).text, below(l, 1000000), peer(l).text, 1024 + below(l, 64512),
                      host(l), 20 + below(l, 70), sized(l, 19), 20 + below(l, 50), code, code,
                      sized(l, 17), method(l), path(l).text, query(l).text, agent(l).text);
}

static void s3_line(struct line *l)
{
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const struct part key = path(l);
    const uint32_t bytes = sized(l, 20);
    l->len = snprintf(
        l->to, LINE_BYTES,
        "%s photos [%02u/%s/%04d:%02u:%02u:%02u +0000] %s "
        "arn:aws:sts::123456789012:assumed-role/app/i-%s %s REST.GET.OBJECT %s "
        "\"GET /photos/%s?x-id=GetObject HTTP/1.1\" %u - %u %u %u %u \"-\" \"%s\" - %s= "
        "SigV4 TLS_AES_128_GCM_SHA256 AuthHeader photos.s3.eu-west-1.amazonaws.com TLSv1.3 - -\n",
        l->cast->owner.text, l->at.day, months[l->at.month - 1], (int)l->at.year, l->at.hour,
        l->at.minute, l->at.second, peer(l).text, l->cast->interfaces[below(l, HOSTS)].text,
        hex(l->rng, 16).text, key.text, key.text, status_code(l), bytes, bytes, 5 + sized(l, 9),
        4 + sized(l, 6), agent(l).text, base64(l->rng, 60).text);
}

static void cloudfront_line(struct line *l)
{
    static const char *const edges[] = {"FRA56-P1", "FRA60-P9", "LHR61-C2", "IAD89-C1",
                                        "NRT57-P3", "GRU3-P2",  "SIN52-C4", "AMS1-P2"};
    static const char *const results[] = {"Hit", "Hit", "Miss", "RefreshHit", "Error"};
    const struct part at = time_of(l);
    const char *const result = results[below(l, PEN_COUNT(results))];
    l->len = snprintf(
        l->to, LINE_BYTES,
        "%.10s\t%s\t%s\t%u\t%s\t%s\td111111abcdef8.cloudfront.net\t/%s\t%u\t-\t"
        "curl/8.%u.0%%20(x86_64)\t-\t-\t%s\t%s==\twww.example.com\thttps\t%u\t0.%03u\t-\tTLSv1.3\t"
        "TLS_AES_128_GCM_SHA256\t%s\tHTTP/2.0\t-\t-\t%u\t0.%03u\t%s\timage/png\t%u\t-\t-\n",
        at.text, at.text + 11, edges[below(l, PEN_COUNT(edges))], sized(l, 17), peer(l).text,
        method(l), path(l).text, status_code(l), below(l, 10), result, base64(l->rng, 54).text,
        30 + sized(l, 10), sized(l, 9) % 1000, result, 1024 + below(l, 64512), sized(l, 8), result,
        sized(l, 17));
}

/* ---- objects ---- */

static const struct kind {
    const char *type;
    void (*line)(struct line *line);
    const char *header;
    const char *key; /* the number of the object is behind it, */
    const char *key_end;
} kinds[PEN_LIMIT_TEXT_TYPES] = {
    {"vpcflowlogs", vpc_line,
     "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start "
     "end action log-status\n",
     "AWSLogs/123456789012/vpcflowlogs/eu-west-1/2025/03/01/123456789012_vpcflowlogs_eu-west-1_"
     "fl-0123456789abcdef0_20250301T0005Z_",
     ".log.gz"},
    {"alb", alb_line, "",
     "AWSLogs/123456789012/elasticloadbalancing/eu-west-1/2025/03/01/123456789012_"
     "elasticloadbalancing_eu-west-1_app.web.0123456789abcdef_20250301T0005Z_192.0.2.1_",
     ".log.gz"},
    {"nlb", nlb_line, "",
     "AWSLogs/123456789012/elasticloadbalancing/eu-west-1/2025/03/01/123456789012_"
     "elasticloadbalancing_eu-west-1_net.edge.0123456789abcdef_20250301T0005Z_",
     ".log.gz"},
    {"clb", clb_line, "",
     "AWSLogs/123456789012/elasticloadbalancing/eu-west-1/2025/03/01/123456789012_"
     "elasticloadbalancing_eu-west-1_web_20250301T0005Z_192.0.2.1_",
     ".log"},
    {"s3accesslog", s3_line, "", "logs/2025-03-01-00-05-00-ABCDEF01", ""},
    {"cloudfront-standard", cloudfront_line,
     "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) "
     "cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type "
     "x-edge-request-id x-host-header cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol "
     "ssl-cipher x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields "
     "c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len "
     "sc-range-start sc-range-end\n",
     "AWSLogs/123456789012/CloudFront/E0123456789ABC.2025-03-01-00.", ".gz"},
};

const char *pen_limit_text_type(uint32_t index)
{
    PEN_CHECK(index < PEN_LIMIT_TEXT_TYPES);
    return kinds[index].type;
}

static pen_status plain_make(const struct kind *kind, const struct cast *cast, struct gen_rng *rng,
                             uint64_t *count, struct pen_buf *out)
{
    char text[LINE_BYTES];
    struct line line = {.rng = rng, .cast = cast, .to = text};
    out->len = 0;
    PEN_TRY(pen_buf_add(out, pen_slice_str(kind->header)));
    while (out->len < OBJECT_BYTES) {
        line.second = FIRST_S + (int64_t)(*count)++ / LINES_A_SECOND;
        line.at = pen_civil_from_ns(line.second * PEN_NS_PER_S);
        kind->line(&line);
        PEN_CHECK(line.len > 0 && (size_t)line.len < sizeof(text));
        PEN_TRY(pen_buf_add(out, (pen_slice){(const uint8_t *)text, (size_t)line.len}));
    }
    return PEN_OK;
}

static pen_status object_add(struct libdeflate_compressor *gzip, const struct kind *kind,
                             uint32_t number, pen_slice plain, struct limit_corpus *corpus)
{
    char key[256];
    const size_t cap = libdeflate_gzip_compress_bound(gzip, plain.len);
    uint8_t *packed = malloc(cap);
    if (packed == NULL) {
        return PEN_E_NOMEM;
    }
    const size_t len = libdeflate_gzip_compress(gzip, plain.ptr, plain.len, packed, cap);
    (void)snprintf(key, sizeof(key), "%s%08u%s", kind->key, number, kind->key_end);
    const pen_status st =
        len == 0 ? PEN_E_NOMEM
                 : limit_corpus_add(corpus, pen_slice_str(key), (pen_slice){packed, len});
    if (st != PEN_OK) {
        free(packed);
    }
    return st;
}

pen_status lines_make(const char *type, uint64_t seed, uint64_t plain_bytes,
                      struct limit_corpus *corpus)
{
    uint32_t index = 0;
    while (strcmp(kinds[index].type, type) != 0) {
        index++;
        PEN_CHECK(index < PEN_LIMIT_TEXT_TYPES);
    }
    struct gen_rng rng = {.x = seed * PEN_LIMIT_TEXT_TYPES + index + 1};
    struct libdeflate_compressor *gzip = libdeflate_alloc_compressor(LEVEL);
    struct cast cast;
    struct pen_buf plain;
    uint64_t count = 0;
    cast_make(&rng, &cast);
    pen_buf_init(&plain, OBJECT_BYTES * 2);
    pen_status st = gzip == NULL ? PEN_E_NOMEM : PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && corpus->plain_bytes < plain_bytes; i++) {
        st = plain_make(&kinds[index], &cast, &rng, &count, &plain);
        st = st == PEN_OK ? object_add(gzip, &kinds[index], i, pen_buf_slice(&plain), corpus) : st;
    }
    libdeflate_free_compressor(gzip);
    pen_buf_fini(&plain);
    return st;
}
