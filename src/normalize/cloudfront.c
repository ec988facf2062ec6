/* tested by tests/e2e/test_types_made.py */
/* CloudFront access logs: the whole address, the distribution, the agent as it was sent. */
#include "script.h"

#define ID_MIN 12U /* letters and digits of a distribution's id */
#define ID_MAX 14U

enum field { PROTOCOL, HOST, PATH, QUERY, VERSION, AGENT };
enum slot { FULL, HTTP_VERSION, USER_AGENT, DISTRIBUTION, URL_PATH };
static const char *const slots[] = {"url.full",        "http.version", "user_agent.original",
                                    "distribution_id", "url.path",     NULL};
static const char *const standard_fields[] = {
    "cs_protocol",         "x_host_header", "cs_uri_stem", "cs_uri_query",
    "cs_protocol_version", "cs_user_agent", NULL};
static const char *const realtime_fields[] = {
    "cs_protocol",         "cs_host",       "cs_uri_stem", "cs_uri_query",
    "cs_protocol_version", "cs_user_agent", NULL};

/* Capitals and digits at the beginning of text. */
static size_t id_length(pen_slice text)
{
    size_t n = 0;
    while (n < text.len && ((text.ptr[n] >= '0' && text.ptr[n] <= '9') ||
                            (text.ptr[n] >= 'A' && text.ptr[n] <= 'Z'))) {
        n++;
    }
    return n;
}

/* .../E2EXAMPLE12345.2022-01-01-00.abcd1234.gz */
static pen_slice id_of_file(pen_slice key)
{
    const pen_slice name = script_after_last(key, '/');
    const size_t n = id_length(name);
    const bool is_id = n >= ID_MIN && n <= ID_MAX && n < name.len && name.ptr[n] == '.';
    return is_id ? pen_slice_sub(name, 0, n) : PEN_SLICE_LIT("unknown");
}

/* The first of the key's words that looks like one: an account has no letters. */
static pen_slice id_in_key(pen_slice key)
{
    for (size_t at = 0; at < key.len; at++) {
        const pen_slice rest = pen_slice_sub(key, at, key.len);
        const size_t n = id_length(rest);
        size_t digits = 0;
        while (digits < n && rest.ptr[digits] <= '9') {
            digits++;
        }
        if (n >= ID_MIN && digits < n && digits < ID_MAX) {
            return pen_slice_sub(rest, 0, n < ID_MAX ? n : ID_MAX);
        }
        at += n;
    }
    return PEN_SLICE_LIT("unknown");
}

static void run_both(struct pen_normalizer *n, const struct pen_record *record)
{
    const pen_slice version = script_text(n, record, VERSION);
    const size_t slash = pen_slice_find(version, PEN_SLICE_LIT("/"));
    if (slash != SIZE_MAX) {
        script_set(n, HTTP_VERSION, pen_slice_sub(version, slash + 1, version.len));
    }
    script_set(n, USER_AGENT, script_percent(n, script_text(n, record, AGENT)));
}

static void full_set(struct pen_normalizer *n, const struct pen_record *record, pen_slice query)
{
    const bool has_query = query.len > 0 && !nrm_is_empty(query);
    const pen_slice parts[] = {
        script_text(n, record, PROTOCOL), PEN_SLICE_LIT("://"), script_text(n, record, HOST),
        script_text(n, record, PATH),     PEN_SLICE_LIT("?"),   query};
    script_set(n, FULL, script_concat(n, parts, PEN_COUNT(parts) - (has_query ? 0 : 2)));
}

static void standard_run(struct pen_normalizer *n, const struct pen_record *record,
                         struct pen_doc *doc)
{
    (void)doc;
    run_both(n, record);
    full_set(n, record, script_text(n, record, QUERY));
    script_set(n, DISTRIBUTION, id_of_file(script_key(n)));
}

/* The path of a real-time log has the query behind it. */
static void realtime_run(struct pen_normalizer *n, const struct pen_record *record,
                         struct pen_doc *doc)
{
    (void)doc;
    run_both(n, record);
    full_set(n, record, (pen_slice){0});
    script_set(n, URL_PATH, script_part(script_text(n, record, PATH), '?', 0));
    script_set(n, DISTRIBUTION, id_in_key(script_key(n)));
}

const struct nrm_script nrm_script_cloudfront_standard = {.name = "cloudfront-standard",
                                                          .fields = standard_fields,
                                                          .slots = slots,
                                                          .reads_texts = true,
                                                          .run = standard_run};
const struct nrm_script nrm_script_cloudfront_realtime = {.name = "cloudfront-realtime",
                                                          .fields = realtime_fields,
                                                          .slots = slots,
                                                          .reads_texts = true,
                                                          .run = realtime_run};
