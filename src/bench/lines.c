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

struct line {
    struct gen_rng *rng;
    struct pen_civil at;
    int64_t second;
    char *to; /* LINE_BYTES */
    int len;
};

/* ---- parts ---- */

static uint32_t below(struct line *l, uint32_t n)
{
    return pen_bench_below(l->rng, n);
}

struct part {
    char text[72];
};

static struct part hex(struct line *l, int digits)
{
    struct part part;
    for (int i = 0; i < digits; i++) {
        part.text[i] = "0123456789abcdef"[below(l, 16)];
    }
    part.text[digits] = '\0';
    return part;
}

/* From the ranges kept for documentation, or private. */
static struct part address(struct line *l)
{
    static const char *const nets[] = {"192.0.2", "198.51.100", "203.0.113"};
    struct part part;
    if (below(l, 2) == 0) {
        (void)snprintf(part.text, sizeof(part.text), "10.%u.%u.%u", below(l, 4), below(l, 256),
                       below(l, 256));
    } else {
        (void)snprintf(part.text, sizeof(part.text), "%s.%u", nets[below(l, 3)], below(l, 256));
    }
    return part;
}

static struct part time_of(const struct line *l)
{
    struct part part;
    *pen_put_civil(part.text, &l->at) = '\0';
    return part;
}

static const char *agent(struct line *l)
{
    static const char *const agents[] = {
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 "
         "Safari/537.36"),
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15",
        "curl/8.5.0"};
    return agents[below(l, PEN_COUNT(agents))];
}

static uint32_t status_code(struct line *l)
{
    static const uint32_t codes[] = {200, 200, 200, 304, 404, 502};
    return codes[below(l, PEN_COUNT(codes))];
}

/* ---- lines ---- */

static void vpc_line(struct line *l)
{
    static const unsigned ports[] = {443, 80, 22, 53, 5432};
    l->len = snprintf(l->to, LINE_BYTES,
                      "2 123456789012 eni-%s %s %s %u %u %u %u %u %" PRId64 " %" PRId64 " %s OK\n",
                      hex(l, 17).text, address(l).text, address(l).text, 1024 + below(l, 60000),
                      ports[below(l, PEN_COUNT(ports))], below(l, 3) == 0 ? 17U : 6U,
                      1 + below(l, 500), 40 + below(l, 900000), l->second, l->second + 60,
                      below(l, 5) == 0 ? "REJECT" : "ACCEPT");
}

static void alb_line(struct line *l)
{
    const struct part target = address(l);
    const uint32_t code = status_code(l);
    l->len = snprintf(
        l->to, LINE_BYTES,
        "https %s.%06uZ app/web/%s %s:%u %s:8080 0.000 0.%03u 0.000 %u %u %u %u "
        "\"GET https://www.example.com:443/p/%s?q=%u HTTP/1.1\" \"%s\" "
        "ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 "
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/%s "
        "\"Root=1-%s-%s\" \"www.example.com\" "
        "\"arn:aws:acm:eu-west-1:123456789012:certificate/%s\" 0 %s.%06uZ \"forward\" \"-\" \"-\" "
        "\"%s:8080\" \"%u\" \"-\" \"-\"\n",
        time_of(l).text, below(l, 1000000), hex(l, 16).text, address(l).text,
        1024 + below(l, 60000), target.text, below(l, 1000), code, code, 100 + below(l, 800),
        below(l, 90000), hex(l, 6).text, below(l, 10000), agent(l), hex(l, 16).text, hex(l, 8).text,
        hex(l, 24).text, hex(l, 32).text, time_of(l).text, below(l, 1000000), target.text, code);
}

static void nlb_line(struct line *l)
{
    l->len =
        snprintf(l->to, LINE_BYTES,
                 "tls 2.0 %s net/edge/%s %s %s:%u %s:443 %u %u %u %u - "
                 "arn:aws:acm:eu-west-1:123456789012:certificate/%s - "
                 "ECDHE-RSA-AES128-SHA tlsv12 - edge.example.com h2 h2 \"h2\",\"http/1.1\" %s\n",
                 time_of(l).text, hex(l, 16).text, hex(l, 16).text, address(l).text,
                 1024 + below(l, 60000), address(l).text, below(l, 100), below(l, 50),
                 below(l, 90000), below(l, 90000), hex(l, 32).text, time_of(l).text);
}

static void clb_line(struct line *l)
{
    const uint32_t code = status_code(l);
    l->len = snprintf(l->to, LINE_BYTES,
                      "%s.%06uZ web %s:%u %s:80 0.0000%02u 0.00%03u 0.00002 %u %u 0 %u "
                      "\"GET http://www.example.com:80/%s HTTP/1.1\" \"%s\" - -\n",
                      time_of(l).text, below(l, 1000000), address(l).text, 1024 + below(l, 60000),
                      address(l).text, below(l, 99), below(l, 999), code, code, below(l, 90000),
                      hex(l, 8).text, agent(l));
}

static void s3_line(struct line *l)
{
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const struct part key = hex(l, 12);
    l->len = snprintf(
        l->to, LINE_BYTES,
        "%s photos [%02u/%s/%04d:%02u:%02u:%02u +0000] %s "
        "arn:aws:sts::123456789012:assumed-role/app/i-%s %s REST.GET.OBJECT p/%s.jpg "
        "\"GET /photos/p/%s.jpg?x-id=GetObject HTTP/1.1\" %u - %u %u %u %u \"-\" \"%s\" - %s= "
        "SigV4 TLS_AES_128_GCM_SHA256 AuthHeader photos.s3.eu-west-1.amazonaws.com TLSv1.3 - -\n",
        hex(l, 64).text, l->at.day, months[l->at.month - 1], (int)l->at.year, l->at.hour,
        l->at.minute, l->at.second, address(l).text, hex(l, 17).text, hex(l, 16).text, key.text,
        key.text, status_code(l), below(l, 90000), below(l, 90000), below(l, 90), below(l, 40),
        agent(l), hex(l, 60).text);
}

static void cloudfront_line(struct line *l)
{
    const struct part at = time_of(l);
    l->len = snprintf(
        l->to, LINE_BYTES,
        "%.10s\t%s\tFRA56-P1\t%u\t%s\tGET\td111111abcdef8.cloudfront.net\t/img/%s.png\t%u\t-\t"
        "curl/8.5.0%%20(x86_64)\t-\t-\t%s\t%s==\twww.example.com\thttps\t%u\t0.0%02u\t-\tTLSv1.3\t"
        "TLS_AES_128_GCM_SHA256\tHit\tHTTP/2.0\t-\t-\t%u\t0.001\tHit\timage/png\t%u\t-\t-\n",
        at.text, at.text + 11, below(l, 90000), address(l).text, hex(l, 8).text, status_code(l),
        below(l, 3) == 0 ? "Miss" : "Hit", hex(l, 54).text, below(l, 900), below(l, 99),
        1024 + below(l, 60000), below(l, 90000));
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

static pen_status plain_make(const struct kind *kind, struct gen_rng *rng, uint64_t *count,
                             struct pen_buf *out)
{
    char text[LINE_BYTES];
    struct line line = {.rng = rng, .to = text};
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
    struct pen_buf plain;
    uint64_t count = 0;
    pen_buf_init(&plain, OBJECT_BYTES * 2);
    pen_status st = gzip == NULL ? PEN_E_NOMEM : PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && corpus->plain_bytes < plain_bytes; i++) {
        st = plain_make(&kinds[index], &rng, &count, &plain);
        st = st == PEN_OK ? object_add(gzip, &kinds[index], i, pen_buf_slice(&plain), corpus) : st;
    }
    libdeflate_free_compressor(gzip);
    pen_buf_fini(&plain);
    return st;
}
