/* tested by tests/unit/normalize/test_attribute.c */
/* Datadog's names of what records say otherwise (datadog.md 3): by type, then those of ECS fields.
 */
#include "penstock/match.h"

#include "internal.h"

#define TAG_MARK PEN_SLICE_LIT("tag:")
#define TEXT_BYTES_MAX ((size_t)8 << 20) /* of texts without their escapes, of one record */

/* ---- functions: what is made of a value; false: nothing ---- */

/* Part number of a list of texts between these bytes; {0} when there are fewer. */
static pen_slice part(pen_slice text, uint8_t between, uint32_t number)
{
    pen_slice item = {0};
    for (uint32_t i = 0; i <= number; i++) {
        if (!pen_slice_split(&text, between, &item)) {
            return (pen_slice){0};
        }
    }
    return item;
}

static bool of_error(struct nrm_input in, pen_slice *out)
{
    *out = in.text.len > 0 ? PEN_SLICE_LIT("error") : PEN_SLICE_LIT("info");
    return true;
}

static bool of_code(struct nrm_input in, pen_slice *out)
{
    static const char *const names[] = {NULL, "ok", "ok", "notice", "warn", "error"};
    uint64_t code = 0;
    if (!pen_parse_u64(in.text, &code) || code < 100 || code > 599) {
        return false;
    }
    *out = pen_slice_str(names[code / 100]);
    return true;
}

static bool code_outcome(struct nrm_input in, pen_slice *out)
{
    uint64_t code = 0;
    if (!pen_parse_u64(in.text, &code) || code < 100 || code > 599) {
        return false;
    }
    *out = code < 400 ? PEN_SLICE_LIT("success") : PEN_SLICE_LIT("failure");
    return true;
}

/* The last part of an ARN: "assumed-role/ROLE/SESSION" or "user/NAME". */
static pen_slice arn_resource(pen_slice arn)
{
    pen_slice head;
    for (uint32_t i = 0; i < 5; i++) {
        if (!pen_slice_split(&arn, ':', &head)) {
            return (pen_slice){0};
        }
    }
    return pen_slice_eq(head, PEN_SLICE_LIT("arn")) ? (pen_slice){0} : arn;
}

static bool arn_role(struct nrm_input in, pen_slice *out)
{
    const pen_slice resource = arn_resource(in.text);
    const bool is_role = pen_slice_starts(resource, PEN_SLICE_LIT("assumed-role/"));
    *out = is_role ? part(resource, '/', 1) : (pen_slice){0};
    return out->len > 0;
}

static bool arn_session(struct nrm_input in, pen_slice *out)
{
    const pen_slice resource = arn_resource(in.text);
    if (pen_slice_starts(resource, PEN_SLICE_LIT("assumed-role/"))) {
        *out = part(resource, '/', 2);
        return out->len > 0;
    }
    *out = resource;
    while (out->len > 0 && memchr(out->ptr, '/', out->len) != NULL) {
        pen_slice head; /* users have paths before their names */
        (void)pen_slice_split(out, '/', &head);
    }
    return pen_slice_starts(resource, PEN_SLICE_LIT("user/")) && out->len > 0;
}

/* An instance works under the session that is named as it is. */
static bool arn_instance(struct nrm_input in, pen_slice *out)
{
    if (!arn_session(in, out) || !pen_slice_starts(*out, PEN_SLICE_LIT("i-"))) {
        return false;
    }
    for (size_t i = 2; i < out->len; i++) {
        const uint8_t c = out->ptr[i];
        if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) {
            return false;
        }
    }
    return out->len == 10 || out->len == 19;
}

static bool not_an_ip(struct nrm_input in, pen_slice *out)
{
    uint8_t address[16];
    uint8_t bits = 0;
    *out = PEN_SLICE_LIT("AWS Internal");
    return in.text.len > 0 && !pen_ip_parse(in.text, address, &bits);
}

/* The address in "GET https://host/path HTTP/1.1". */
static bool request_url(struct nrm_input in, pen_slice *out)
{
    *out = part(in.text, ' ', 1);
    return out->len > 0;
}

struct url {
    pen_slice scheme, host, port, path, query;
};

static struct url url_of(pen_slice text)
{
    struct url url = {0};
    const size_t mark = pen_slice_find(text, PEN_SLICE_LIT("://"));
    (void)pen_slice_split(&text, '#', &url.path);
    text = url.path;
    (void)pen_slice_split(&text, '?', &url.path);
    url.query = text;
    if (mark < url.path.len) {
        url.scheme = pen_slice_sub(url.path, 0, mark);
        pen_slice rest = pen_slice_sub(url.path, mark + 3, url.path.len);
        const uint8_t *slash = rest.len == 0 ? NULL : memchr(rest.ptr, '/', rest.len);
        const size_t host = slash == NULL ? rest.len : (size_t)(slash - rest.ptr);
        url.path = pen_slice_sub(rest, host, rest.len);
        rest = pen_slice_sub(rest, 0, host);
        (void)pen_slice_split(&rest, ':', &url.host);
        url.port = rest;
    }
    return url;
}

static bool url_path(struct nrm_input in, pen_slice *out)
{
    *out = url_of(in.text).path;
    return out->len > 0;
}

static bool url_host(struct nrm_input in, pen_slice *out)
{
    *out = url_of(in.text).host;
    return out->len > 0;
}

static bool url_scheme(struct nrm_input in, pen_slice *out)
{
    *out = url_of(in.text).scheme;
    return out->len > 0;
}

static bool url_port(struct nrm_input in, pen_slice *out)
{
    *out = url_of(in.text).port;
    return out->len > 0;
}

/* The value of one parameter, as it is written; of a query without an address, too. */
static bool url_param(struct nrm_input in, pen_slice *out)
{
    const bool is_address = in.text.len > 0 && memchr(in.text.ptr, '?', in.text.len) != NULL;
    pen_slice rest = is_address ? url_of(in.text).query : in.text;
    pen_slice item;
    pen_slice name;
    while (pen_slice_split(&rest, '&', &item)) {
        *out = item;
        (void)pen_slice_split(out, '=', &name);
        if (pen_slice_eq(name, in.param)) {
            return true;
        }
    }
    return false;
}

static const struct nrm_function functions[] = {
    {"error_status", of_error, true},      {"code_status", of_code, false},
    {"code_outcome", code_outcome, false}, {"arn_role", arn_role, false},
    {"arn_session", arn_session, false},   {"arn_instance", arn_instance, false},
    {"not_an_ip", not_an_ip, false},       {"request_url", request_url, false},
    {"url_path", url_path, false},         {"url_host", url_host, false},
    {"url_scheme", url_scheme, false},     {"url_port", url_port, false},
    {"url_param", url_param, false},
};

/* ---- names ---- */

/* Where types say nothing of a name, ECS fields do; those that a type does not have are nothing. */
static const struct {
    const char *name, *ecs;
} common[] = {
    {"tag:env", "labels.environment"}, /* of a table of assets */
    {"network.client.ip", "source.ip"},
    {"network.client.port", "source.port"},
    {"network.client.geoip.country.name", "source.geo.country_name"},
    {"network.client.geoip.country.iso_code", "source.geo.country_iso_code"},
    {"network.client.geoip.continent.name", "source.geo.continent_name"},
    {"network.client.geoip.continent.code", "source.geo.continent_code"},
    {"network.client.geoip.subdivision.name", "source.geo.region_name"},
    {"network.client.geoip.subdivision.iso_code", "source.geo.region_iso_code"},
    {"network.client.geoip.city.name", "source.geo.city_name"},
    {"network.client.geoip.timezone", "source.geo.timezone"},
    {"network.client.geoip.location.latitude", "source.geo.location.lat"},
    {"network.client.geoip.location.longitude", "source.geo.location.lon"},
    {"network.client.geoip.as.number", "source.as.number"},
    {"network.client.geoip.as.name", "source.as.organization.name"},
    {"network.destination.ip", "destination.ip"},
    {"network.destination.port", "destination.port"},
    {"http.method", "http.request.method"},
    {"http.status_code", "http.response.status_code"},
    {"http.referer", "http.request.referrer"},
    {"http.useragent", "user_agent.original"},
    {"http.url", "url.original"},
    {"http.url_details.path", "url.path"},
    {"http.url_details.host", "url.domain"},
    {"http.url_details.port", "url.port"},
    {"http.url_details.scheme", "url.scheme"},
    {"usr.name", "user.name"},
    {"usr.id", "user.id"},
    {"evt.outcome", "event.outcome"},
    {"error.kind", "error.code"},
    {"duration", "event.duration"},
    {"host", "host.name"},
    {"tag:instance-id", "cloud.instance.id"},
    {"tag:availability-zone", "cloud.availability_zone"},
};

static pen_slice without(pen_slice text, size_t front, size_t back)
{
    return pen_slice_sub(text, front, text.len - back);
}

/* Whether an entry is for a name; *tail is what stands for the `*` of its last step. */
static bool is_for(pen_slice entry, pen_slice name, bool is_tag, pen_slice *tail)
{
    const bool is_any =
        entry.len > 2 &&
        pen_slice_eq(pen_slice_sub(entry, entry.len - 2, entry.len), PEN_SLICE_LIT(".*"));
    *tail = (pen_slice){0};
    if (pen_slice_starts(entry, TAG_MARK) != is_tag) {
        return false;
    }
    entry = is_tag ? without(entry, TAG_MARK.len, 0) : entry;
    if (!is_any) {
        return is_tag ? pen_slice_eq_nocase(entry, name) : pen_slice_eq(entry, name);
    }
    const pen_slice prefix = without(entry, 0, 1);
    *tail = pen_slice_sub(name, prefix.len, name.len);
    return name.len > prefix.len && pen_slice_starts(name, prefix);
}

/* FUNCTION(PATH); NULL: it is none. */
static const struct nrm_function *function_of(pen_slice source, pen_slice *path, bool *is_call)
{
    pen_slice rest = source;
    pen_slice name;
    *is_call = source.len > 2 && source.ptr[source.len - 1] == ')' &&
               memchr(source.ptr, '(', source.len) != NULL;
    if (!*is_call) {
        return NULL;
    }
    (void)pen_slice_split(&rest, '(', &name);
    *path = without(rest, 0, 1);
    for (size_t i = 0; i < PEN_COUNT(functions); i++) {
        if (pen_slice_eq(name, pen_slice_str(functions[i].name))) {
            return &functions[i];
        }
    }
    return NULL;
}

pen_status nrm_attributes_check(const struct pen_type *type, struct pen_err *err)
{
    for (uint32_t i = 0; i < type->attribute_count; i++) {
        const struct pen_map_entry *entry = &type->attributes[i];
        for (uint32_t k = 0; k < entry->source_count; k++) {
            bool is_call = false;
            pen_slice path;
            if (function_of(entry->sources[k], &path, &is_call) == NULL && is_call) {
                return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                                "type %.*s: attribute %.*s: %.*s is no function of a path",
                                PEN_SLICE_FMT(type->name), PEN_SLICE_FMT(entry->ecs),
                                PEN_SLICE_FMT(entry->sources[k]));
            }
        }
    }
    return PEN_OK;
}

/* ---- fields ---- */

/* A path whose last step is the tail of the name. */
static pen_status any_reach(struct pen_schema *schema, pen_slice source, pen_slice tail,
                            uint32_t field, struct pen_err *err)
{
    const size_t front = source.len - 1;
    uint8_t *path = pen_arena_alloc(&schema->arena, front + tail.len + 1, 1);
    if (path == NULL) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "too many field names");
    }
    memcpy(path, source.ptr, front);
    memcpy(path + front, tail.ptr, tail.len);
    return nrm_name_reach(schema, (pen_slice){path, front + tail.len}, field, err);
}

static pen_status call_reach(struct pen_schema *schema, const struct nrm_function *function,
                             pen_slice path, pen_slice tail, uint32_t field, struct pen_err *err)
{
    struct nrm_derived derived = {.kind = NRM_FROM_FUNCTION,
                                  .function = function,
                                  .field = field,
                                  .tag = pen_arena_dup(&schema->arena, tail)};
    if (derived.tag.ptr == NULL) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "too many field names");
    }
    PEN_TRY(nrm_field_add(schema, path, &derived.from, err));
    return nrm_derived_add(schema, &derived, err);
}

/* One source of an attribute: "= TEXT", FUNCTION(PATH), a path with `*`, a path or ECS field. */
static pen_status source_reach(struct pen_schema *schema, pen_slice source, pen_slice tail,
                               uint32_t field, struct pen_err *err)
{
    bool is_call = false;
    pen_slice path = {0};
    const struct nrm_function *function = function_of(source, &path, &is_call);
    if (function != NULL) {
        return call_reach(schema, function, path, tail, field, err);
    }
    if (source.len > 2 && source.ptr[0] == '=') {
        const struct nrm_derived derived = {
            .kind = NRM_FROM_TEXT, .field = field, .tag = pen_slice_trim(without(source, 1, 0))};
        return nrm_derived_add(schema, &derived, err);
    }
    return tail.len > 0 && source.ptr[source.len - 1] == '*'
               ? any_reach(schema, source, tail, field, err)
               : nrm_name_reach(schema, source, field, err);
}

static pen_status common_reach(struct pen_schema *schema, pen_slice name, bool is_tag,
                               uint32_t field, struct pen_err *err)
{
    pen_slice unused;
    for (size_t i = 0; i < PEN_COUNT(common); i++) {
        const pen_slice ecs = pen_slice_str(common[i].ecs);
        if (is_for(pen_slice_str(common[i].name), name, is_tag, &unused) &&
            (nrm_slot_find(schema, ecs) != PEN_FIELD_NONE ||
             nrm_member_slot(schema, ecs, &unused) != PEN_FIELD_NONE)) {
            return nrm_name_reach(schema, ecs, field, err);
        }
    }
    return PEN_OK;
}

pen_status nrm_attributes_reach(struct pen_schema *schema, pen_slice name, bool is_tag,
                                uint32_t field, struct pen_err *err)
{
    pen_status st = PEN_OK;
    pen_slice tail;
    bool is_named = false;
    for (uint32_t i = 0; st == PEN_OK && i < schema->type->attribute_count; i++) {
        const struct pen_map_entry *entry = &schema->type->attributes[i];
        const bool is_wanted = is_for(entry->ecs, name, is_tag, &tail);
        is_named |= is_wanted;
        for (uint32_t k = 0; is_wanted && st == PEN_OK && k < entry->source_count; k++) {
            st = source_reach(schema, entry->sources[k], tail, field, err);
        }
    }
    return st != PEN_OK || is_named ? st : common_reach(schema, name, is_tag, field, err);
}

/* ---- records ---- */

/* The text of a value without escapes; {0} when there is no room for it. */
static pen_slice plain(struct pen_normalizer *n, const struct pen_value *value)
{
    struct pen_buf *texts = &n->texts;
    if (!value->is_escaped) {
        return value->text;
    }
    if (value->text.len > texts->cap - texts->len) {
        return (pen_slice){0};
    }
    uint8_t *to = texts->ptr + texts->len;
    const size_t len = pen_json_unescape(value->text, to);
    texts->len += len;
    return (pen_slice){to, len};
}

pen_status nrm_function_add(struct pen_normalizer *n, struct pen_walker *walker,
                            struct pen_record *record, const struct nrm_derived *derived)
{
    const struct pen_value *first = pen_record_first(record, derived->from);
    uint32_t at = first == NULL ? UINT32_MAX : (uint32_t)(first - record->values);
    pen_slice out;
    if (at == UINT32_MAX && derived->function->is_for_none) {
        const struct nrm_input none = {.param = derived->tag};
        return derived->function->make(none, &out)
                   ? nrm_value_add(walker, record, derived->field, out, false)
                   : PEN_OK;
    }
    pen_status st = PEN_OK;
    while (st == PEN_OK && at != UINT32_MAX) { /* the table may move when a value is added */
        const struct pen_value value = record->values[at];
        at = value.next;
        if (value.kind != PEN_STRING && value.kind != PEN_NUMBER) {
            continue;
        }
        const struct nrm_input in = {.text = plain(n, &value), .param = derived->tag};
        if (derived->function->make(in, &out)) {
            st = nrm_value_add(walker, record, derived->field, out, false);
        }
    }
    return st;
}

pen_status nrm_texts_begin(struct pen_normalizer *n, const struct pen_record *record)
{
    const size_t bytes = record->raw.len < TEXT_BYTES_MAX ? record->raw.len : TEXT_BYTES_MAX;
    n->texts.len = 0;
    return pen_buf_reserve(&n->texts, bytes);
}
