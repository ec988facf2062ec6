/* tested by tests/e2e/test_types_made.py */
/* Web servers: what was asked for, by whom, and how it went. */
#include "script.h"

enum slot {
    SERVICE,
    INSTANCE,
    HOSTS,
    SCHEME,
    OUTCOME,
    TYPE,
    ORIGINAL,
    DOMAIN,
    PORT,
    PATH,
    QUERY,
    FRAGMENT,
    EXTENSION,
    METHOD,
    VERSION,
    REFERRER,
    FORWARDED,
    RELATED_IP,
    SLOT_COUNT
};
static const char *const slots[] = {[SERVICE] = "service.name",
                                    [INSTANCE] = "cloud.instance.id",
                                    [HOSTS] = "related.hosts",
                                    [SCHEME] = "url.scheme",
                                    [OUTCOME] = "event.outcome",
                                    [TYPE] = "event.type",
                                    [ORIGINAL] = "url.original",
                                    [DOMAIN] = "url.domain",
                                    [PORT] = "url.port",
                                    [PATH] = "url.path",
                                    [QUERY] = "url.query",
                                    [FRAGMENT] = "url.fragment",
                                    [EXTENSION] = "url.extension",
                                    [METHOD] = "http.request.method",
                                    [VERSION] = "http.version",
                                    [REFERRER] = "http.request.referrer",
                                    [FORWARDED] = "http.request.header.x_forwarded_for",
                                    [RELATED_IP] = "related.ip",
                                    [SLOT_COUNT] = NULL};

/* What stands between the first of these two in text; up to the end when the second is missing. */
static pen_slice between(pen_slice text, const char *before, const char *after)
{
    const size_t at = pen_slice_find(text, pen_slice_str(before));
    if (at == SIZE_MAX) {
        return (pen_slice){0};
    }
    text = pen_slice_sub(text, at + strlen(before), text.len);
    const size_t end = pen_slice_find(text, pen_slice_str(after));
    return end == SIZE_MAX ? text : pen_slice_sub(text, 0, end);
}

/* The site is named in the folders of the object, the host and the scheme by the log's own name. */
static void service_set(struct pen_normalizer *n)
{
    const pen_slice group = script_group(n);
    if (pen_slice_find(group, PEN_SLICE_LIT("ssl")) != SIZE_MAX) {
        script_set(n, SCHEME, PEN_SLICE_LIT("https"));
    } else if (pen_slice_find(group, PEN_SLICE_LIT("access")) != SIZE_MAX ||
               pen_slice_find(group, PEN_SLICE_LIT("error")) != SIZE_MAX) {
        script_set(n, SCHEME, PEN_SLICE_LIT("http"));
    }
    script_instance_set(n, INSTANCE, HOSTS);
    const pen_slice site = between(script_key(n), "/web-site-name=", "/");
    if (site.len > 0) {
        script_set(n, SERVICE, script_escaped(n, site));
    }
}

static size_t byte_at(pen_slice text, uint8_t byte)
{
    const uint8_t *found = text.len == 0 ? NULL : memchr(text.ptr, byte, text.len);
    return found == NULL ? SIZE_MAX : (size_t)(found - text.ptr);
}

/* "example.com:8080", or without a port. */
static void authority_set(struct pen_normalizer *n, pen_slice authority)
{
    const pen_slice port = script_after_last(authority, ':');
    uint64_t number;
    if (port.len + 1 < authority.len && pen_parse_u64(port, &number)) {
        script_set(n, PORT, port);
        authority = pen_slice_sub(authority, 0, authority.len - port.len - 1);
    }
    script_set(n, DOMAIN, authority);
}

/* A word, as pages name their places; what looks like an attack's rest is none. */
static bool is_fragment(pen_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (strchr("&(){}@_;<> \\#", text.ptr[i]) != NULL) {
            return false;
        }
    }
    return text.len > 0;
}

static void path_set(struct pen_normalizer *n, pen_slice path)
{
    path = script_percent(n, script_percent(n, path)); /* many are encoded twice */
    const size_t hash = byte_at(path, '#');
    if (hash != SIZE_MAX && is_fragment(pen_slice_sub(path, hash + 1, path.len))) {
        script_set(n, FRAGMENT, pen_slice_sub(path, hash + 1, path.len));
        path = pen_slice_sub(path, 0, hash);
    }
    const size_t mark = byte_at(path, '?');
    if (mark != SIZE_MAX) {
        script_set(n, QUERY, pen_slice_sub(path, mark + 1, path.len));
        path = pen_slice_sub(path, 0, mark);
    }
    const pen_slice name = script_after_last(path, '/');
    const pen_slice extension = script_after_last(name, '.');
    script_set(n, PATH, path);
    if (extension.len < name.len && byte_at(extension, '\\') == SIZE_MAX) {
        script_set(n, EXTENSION, extension);
    }
}

/* target: a path, a whole address, or what CONNECT asks for. */
static void target_set(struct pen_normalizer *n, pen_slice method, pen_slice target)
{
    static const char *const schemes[] = {"http://", "https://"};
    script_set(n, ORIGINAL, target);
    if (script_is(method, "CONNECT")) {
        authority_set(n, target);
        return;
    }
    for (size_t i = 0; i < PEN_COUNT(schemes); i++) {
        const pen_slice scheme = pen_slice_str(schemes[i]);
        if (pen_slice_starts(target, scheme)) {
            const pen_slice rest = pen_slice_sub(target, scheme.len, target.len);
            const size_t slash = byte_at(rest, '/');
            authority_set(n, pen_slice_sub(rest, 0, slash < rest.len ? slash : rest.len));
            target = slash == SIZE_MAX ? PEN_SLICE_LIT("") : pen_slice_sub(rest, slash, rest.len);
            break;
        }
    }
    path_set(n, target);
}

/* ---- access ---- */

enum access_field { A_METHOD, A_PATH, A_RAW, A_STATUS, A_FORWARDED, A_REMOTE };
static const char *const access_fields[] = {
    [A_METHOD] = "request_method",  [A_PATH] = "request_path", [A_RAW] = "request_raw",
    [A_STATUS] = "response_status", [A_FORWARDED] = "xff",     [A_REMOTE] = "remotehost",
    [A_REMOTE + 1] = NULL};

/* Who the request was passed on for: "198.51.100.7, 10.0.0.1", in that order. */
static void forwarded_set(struct pen_normalizer *n, pen_slice forwarded, pen_slice remote)
{
    pen_slice rest = forwarded;
    pen_slice one;
    if (nrm_is_empty(forwarded)) {
        return;
    }
    while (pen_slice_split(&rest, ',', &one)) {
        script_list_add(n, FORWARDED, pen_slice_trim(one));
    }
    rest = forwarded;
    script_list_add(n, RELATED_IP, remote);
    while (pen_slice_split(&rest, ',', &one)) {
        script_list_add(n, RELATED_IP, pen_slice_trim(one));
    }
    script_list_sort(n, RELATED_IP);
}

static void access_run(struct pen_normalizer *n, const struct pen_record *record,
                       struct pen_doc *doc)
{
    const pen_slice raw = script_text(n, record, A_RAW);
    const pen_slice path = script_text(n, record, A_PATH);
    const pen_slice status = script_text(n, record, A_STATUS);
    (void)doc;
    service_set(n);
    if (raw.len > 0) {
        script_set(n, ORIGINAL, raw);
    } else if (path.len > 0) {
        target_set(n, script_text(n, record, A_METHOD), path);
    }
    script_set(n, OUTCOME,
               status.len == 0       ? PEN_SLICE_LIT("unknown")
               : status.ptr[0] < '4' ? PEN_SLICE_LIT("success")
                                     : PEN_SLICE_LIT("failure"));
    forwarded_set(n, script_text(n, record, A_FORWARDED), script_text(n, record, A_REMOTE));
}

const struct nrm_script nrm_script_web_access = {
    .name = "web-access", .fields = access_fields, .slots = slots, .run = access_run};

/* ---- Apache's errors ---- */

enum apache_field { APACHE_LEVEL, APACHE_MESSAGE };
static const char *const apache_fields[] = {"log_level", "message", NULL};

static void apache_run(struct pen_normalizer *n, const struct pen_record *record,
                       struct pen_doc *doc)
{
    static const char *const errors[] = {"emerg", "alert", "crit", "error", "warn", NULL};
    const pen_slice level = script_text(n, record, APACHE_LEVEL);
    const pen_slice message = script_text(n, record, APACHE_MESSAGE);
    (void)doc;
    service_set(n);
    if (script_is(level, "info")) {
        script_set(n, TYPE, level);
    } else if (script_is_one(level, errors)) {
        script_set(n, TYPE, PEN_SLICE_LIT("error"));
    }
    const pen_slice referrer =
        script_part(pen_slice_trim(between(message, "referer:", "\n")), ' ', 0);
    if (pen_slice_starts(referrer, PEN_SLICE_LIT("http"))) {
        script_set(n, REFERRER, referrer);
    }
}

const struct nrm_script nrm_script_apache_error = {
    .name = "apache-error", .fields = apache_fields, .slots = slots, .run = apache_run};

/* ---- nginx's errors ---- */

static const char *const nginx_fields[] = {"message", NULL};

/* "GET /a HTTP/1.1", or whatever else the client sent. */
static void request_set(struct pen_normalizer *n, pen_slice request)
{
    const pen_slice method = script_part(request, ' ', 0);
    const pen_slice version = script_after_last(request, ' ');
    const bool is_http = pen_slice_starts(version, PEN_SLICE_LIT("HTTP/")) &&
                         method.len + version.len + 2 < request.len;
    if (!is_http) {
        script_set(n, ORIGINAL, request);
        return;
    }
    script_set(n, METHOD, method);
    script_set(n, VERSION, pen_slice_sub(version, 5, version.len));
    target_set(n, method, pen_slice_sub(request, method.len + 1, request.len - version.len - 1));
}

static void nginx_run(struct pen_normalizer *n, const struct pen_record *record,
                      struct pen_doc *doc)
{
    const pen_slice message = script_text(n, record, 0);
    (void)doc;
    service_set(n);
    /* Texts stand in quotes, which JSON has as \" */
    const pen_slice request = between(message, ", request: \\\"", "\\\"");
    const pen_slice host = between(message, ", host: \\\"", "\\\"");
    const pen_slice referrer = between(message, ", referrer: \\\"", "\\\"");
    if (request.len > 0) {
        request_set(n, request);
    }
    if (host.len > 0) {
        authority_set(n, host);
    }
    if (referrer.len > 0) {
        script_set(n, REFERRER, referrer);
    }
}

const struct nrm_script nrm_script_nginx_error = {
    .name = "nginx-error", .fields = nginx_fields, .slots = slots, .run = nginx_run};
