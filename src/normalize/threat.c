#include "internal.h"

#include <stdio.h>

/*
 * What lists of indicators know of a record: of its addresses, domains, URLs, user agents and
 * hashes, in threat.enrichments and threat.matched (reference/siem_on_opensearch.md 11.2).
 */

#define HIT_BYTES ((size_t)1024) /* of JSON around the words of an indicator */
#define ESCAPE_MOST ((size_t)6)  /* bytes of JSON for one of text, */
#define WRITTEN_MOST 4U          /* which is written so often: as atomic, as name, in two lists */

enum list { PROVIDERS, TYPES, INDICATORS, NAMES, CATEGORIES, LISTS };
_Static_assert((int)LISTS == (int)NRM_THREAT_LISTS, "lists");
static const char *const list_names[LISTS] = {
    [PROVIDERS] = "threat.matched.providers",   [TYPES] = "threat.matched.types",
    [INDICATORS] = "threat.matched.indicators", [NAMES] = "threat.matched.names",
    [CATEGORIES] = "threat.matched.categories",
};

/* ---- the schema ---- */

static bool ends(pen_slice text, const char *tail)
{
    const size_t len = strlen(tail);
    return text.len >= len &&
           pen_slice_eq(pen_slice_sub(text, text.len - len, text.len), pen_slice_str(tail));
}

static bool is_one_of(pen_slice text, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (pen_slice_eq(text, pen_slice_str(names[i]))) {
            return true;
        }
    }
    return false;
}

/* What the values of a field are looked up as: PEN_IOC_AS_ bits; 0: they are not. */
static uint32_t kinds_of(pen_slice ecs)
{
    static const char *const addresses[] = {"dns.resolved_ip", "network.forwarded_ip",
                                            "http.request.header.x_forwarded_for"};
    static const char *const hosts[] = {"source.address", "destination.address", "client.address",
                                        "server.address", "dns.answers.data"};
    static const char *const domains[] = {
        "dns.question.name", "url.domain",    "source.domain", "destination.domain",
        "client.domain",     "server.domain", "related.hosts", "tls.client.server_name"};
    static const char *const urls[] = {"url.full", "url.original", "http.url",
                                       "http.request.referrer"};
    static const char *const agents[] = {"user_agent.original", "http.useragent"};
    static const char *const hash_tails[] = {".md5",  ".sha1", ".sha256", ".sha512",
                                             ".hash", ".ja3",  ".ja3s"};
    if (ends(ecs, ".ip") || is_one_of(ecs, addresses, PEN_COUNT(addresses))) {
        return PEN_IOC_AS_ADDRESS;
    }
    if (is_one_of(ecs, hosts, PEN_COUNT(hosts))) {
        return PEN_IOC_AS_ADDRESS | PEN_IOC_AS_DOMAIN;
    }
    if (is_one_of(ecs, domains, PEN_COUNT(domains))) {
        return PEN_IOC_AS_DOMAIN;
    }
    if (is_one_of(ecs, urls, PEN_COUNT(urls))) {
        return PEN_IOC_AS_URL | PEN_IOC_AS_ADDRESS | PEN_IOC_AS_DOMAIN | PEN_IOC_AS_PARTS;
    }
    bool is_hash = false;
    for (size_t i = 0; i < PEN_COUNT(hash_tails); i++) {
        is_hash |= ends(ecs, hash_tails[i]);
    }
    return is_hash                                     ? PEN_IOC_AS_FILE
           : is_one_of(ecs, agents, PEN_COUNT(agents)) ? PEN_IOC_AS_AGENT
                                                       : 0;
}

static bool is_related(pen_slice ecs)
{
    return pen_slice_starts(ecs, PEN_SLICE_LIT("related."));
}

/* Of source.address: whether there is source.ip, which has it when it is an address. */
static bool has_ip_too(const struct pen_schema *schema, pen_slice ecs)
{
    char name[32];
    if (!ends(ecs, ".address") || ecs.len >= sizeof(name)) {
        return false;
    }
    const int len = (int)(ecs.len - strlen("address"));
    const int wrote = snprintf(name, sizeof(name), "%.*sip", len, (const char *)ecs.ptr);
    return nrm_slot_find(schema, (pen_slice){(const uint8_t *)name, (size_t)wrote}) !=
           PEN_FIELD_NONE;
}

/* Fields that gather the values of others come last: they name only what no other does. */
static void watch_all(struct pen_schema *schema)
{
    for (int turn = 0; turn < 2; turn++) {
        for (uint32_t i = 0; i < schema->slot_count; i++) {
            const pen_slice ecs = schema->slots[i].ecs;
            uint32_t kinds = is_related(ecs) == (turn == 1) ? kinds_of(ecs) : 0;
            kinds &= has_ip_too(schema, ecs) ? ~PEN_IOC_AS_ADDRESS : ~0U;
            if (kinds != 0) {
                schema->watched[schema->watched_count++] =
                    (struct nrm_watched){.name = ecs,
                                         .slot = i,
                                         .kinds = kinds | PEN_IOC_PUBLIC,
                                         .is_related = turn == 1};
            }
        }
    }
}

/* What no map has a field of ECS for: hashes, and indicators that findings name themselves. */
static pen_status watch_paths(struct pen_schema *schema, struct pen_err *err)
{
    static const struct {
        const char *type, *path;
        uint32_t kinds;
    } paths[] = {
        {"guardduty", "service.runtimeDetails.process.executableSha256", PEN_IOC_AS_FILE},
        {"guardduty",
         "service.ebsVolumeScanDetails.scanDetections.threatDetectedByName.threatNames.filePaths."
         "hash",
         PEN_IOC_AS_FILE},
        {"networkfirewall", "event.tls.ja3.hash", PEN_IOC_AS_FILE},
        {"networkfirewall", "event.tls.ja3s.hash", PEN_IOC_AS_FILE},
        {"networkfirewall", "event.fileinfo.sha256", PEN_IOC_AS_FILE},
        {"networkfirewall", "event.fileinfo.md5", PEN_IOC_AS_FILE},
        {"ocsf-json", "file.hashes.value", PEN_IOC_AS_FILE},
        {"ocsf-json", "process.file.hashes.value", PEN_IOC_AS_FILE},
        {"ocsf-json", "actor.process.file.hashes.value", PEN_IOC_AS_FILE},
        {"securityhub", "ThreatIntelIndicators.Value", PEN_IOC_AS_ALL},
        {"securityhub", "Threats.FilePaths.Hash", PEN_IOC_AS_FILE},
    };
    pen_status st = PEN_OK;
    for (size_t i = 0; st == PEN_OK && i < PEN_COUNT(paths); i++) {
        const pen_slice name = pen_slice_str(paths[i].path);
        uint32_t field = PEN_FIELD_NONE;
        if (pen_slice_eq(schema->type->name, pen_slice_str(paths[i].type))) {
            PEN_CHECK(schema->watched_count < NRM_WATCHED_MAX);
            st = nrm_field_add(schema, name, &field, err);
            schema->watched[schema->watched_count++] =
                (struct nrm_watched){.name = name,
                                     .slot = PEN_FIELD_NONE,
                                     .field = field,
                                     .kinds = paths[i].kinds | PEN_IOC_PUBLIC};
        }
    }
    return st;
}

static pen_status slot_add(struct pen_schema *schema, const char *name, uint32_t *slot,
                           struct pen_err *err)
{
    PEN_TRY(nrm_slot_add(schema, pen_slice_str(name), slot, err));
    schema->slots[*slot].is_enriched = true;
    return PEN_OK;
}

pen_status nrm_threat_build(struct pen_schema *schema, uint32_t wanted, struct pen_err *err)
{
    if ((wanted & PEN_ENRICH_IOC) == 0) {
        return PEN_OK;
    }
    bool is_taken = nrm_is_taken(schema, PEN_SLICE_LIT("threat.enrichments"));
    for (uint32_t i = 0; i < LISTS; i++) {
        is_taken |= nrm_is_taken(schema, pen_slice_str(list_names[i]));
    }
    if (!is_taken) {
        watch_all(schema);
        PEN_TRY(watch_paths(schema, err));
    }
    if (schema->watched_count == 0) {
        return PEN_OK;
    }
    PEN_TRY(slot_add(schema, "threat.enrichments", &schema->threat, err));
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < LISTS; i++) {
        st = slot_add(schema, list_names[i], &schema->threat_lists[i], err);
    }
    return st;
}

pen_slice nrm_threat_name(pen_slice name)
{
    static const struct {
        const char *name;
        enum list list;
    } same[] = {{"threat.enrichments.indicator.provider", PROVIDERS},
                {"threat.enrichments.indicator.type", TYPES},
                {"threat.enrichments.indicator.name", NAMES},
                {"threat_intel.indicators_matched", INDICATORS},
                {"threat_intel.results.indicator", INDICATORS},
                {"threat_intel.results.source.name", PROVIDERS},
                {"threat_intel.results.type", TYPES},
                {"threat_intel.results.category", CATEGORIES}};
    for (size_t i = 0; i < PEN_COUNT(same); i++) {
        if (pen_slice_eq(name, pen_slice_str(same[i].name))) {
            return pen_slice_str(list_names[same[i].list]);
        }
    }
    return (pen_slice){0};
}

/* ---- looking ---- */

static void field_add(struct nrm_threat *threat, pen_slice name)
{
    bool is_known = threat->field_count == NRM_THREAT_FIELDS_MAX;
    for (uint32_t i = 0; i < threat->field_count; i++) {
        is_known |= threat->fields[i].ptr == name.ptr;
    }
    if (!is_known) {
        threat->fields[threat->field_count++] = name;
    }
}

/* The same indicator of the same list, in another field or part of it. */
static struct nrm_threat *threat_of(struct nrm_threats *all, const struct pen_ioc *ioc)
{
    for (uint32_t i = 0; i < all->count; i++) {
        const struct pen_ioc *known = &all->items[i].ioc;
        if (known->value.ptr == ioc->value.ptr && known->list.ptr == ioc->list.ptr) {
            return &all->items[i];
        }
    }
    if (all->count == NRM_THREATS_MAX) {
        all->left_out++;
        return NULL;
    }
    struct nrm_threat *made = &all->items[all->count++];
    *made = (struct nrm_threat){.ioc = *ioc};
    if (ioc->type <= PEN_IOC_IPV6 && ioc->found.len <= sizeof(made->ip)) {
        memcpy(made->ip, ioc->found.ptr, ioc->found.len); /* what it was found in may move */
        made->ip_len = (uint8_t)ioc->found.len;
    }
    return made;
}

static pen_status text_look(struct pen_normalizer *n, const struct nrm_watched *watched,
                            pen_slice text, bool is_escaped)
{
    struct nrm_threats *all = &n->threats;
    struct pen_ioc found[NRM_THREATS_MAX + 1]; /* one more, so that it is noticed */
    if (is_escaped) {
        all->plain.len = 0;
        PEN_TRY(pen_buf_reserve(&all->plain, text.len));
        all->plain.len = pen_json_unescape(text, all->plain.ptr);
        text = pen_buf_slice(&all->plain);
    }
    const uint32_t count =
        pen_enricher_ioc(n->enricher, watched->kinds, text, found, PEN_COUNT(found));
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t before = all->count;
        struct nrm_threat *threat = threat_of(all, &found[i]);
        if (threat != NULL && (all->count > before || !watched->is_related)) {
            field_add(threat, watched->name);
        }
    }
    return PEN_OK;
}

/* Most fields that gather have what was looked up just before. */
static bool is_again(struct nrm_threats *all, uint32_t kinds, pen_slice text)
{
    for (uint32_t i = 0; i < all->seen_count; i++) {
        if (all->seen[i].kinds == kinds && pen_slice_eq(all->seen[i].text, text)) {
            return true;
        }
    }
    if (all->seen_count < NRM_THREAT_SEEN_MAX) {
        all->seen[all->seen_count++] = (struct nrm_seen){.text = text, .kinds = kinds};
    }
    return false;
}

static pen_status slot_look(struct pen_normalizer *n, const struct nrm_watched *watched)
{
    const struct nrm_value *value = &n->slots[watched->slot];
    pen_status st = PEN_OK;
    if (value->kind == NRM_TEXT &&
        (!is_again(&n->threats, watched->kinds, value->text) || n->threats.count > 0)) {
        return text_look(n, watched, value->text, value->is_escaped);
    }
    for (uint32_t i = 0; st == PEN_OK && value->kind == NRM_LIST && i < value->item_count; i++) {
        const struct nrm_item *item = &n->items[value->item_first + i];
        const bool is_known = is_again(&n->threats, watched->kinds, item->text);
        if (!is_known || (n->threats.count > 0 && !watched->is_related)) {
            st = text_look(n, watched, item->text, item->is_escaped);
        }
    }
    return st;
}

static pen_status watched_look(struct pen_normalizer *n, const struct pen_record *record,
                               const struct nrm_watched *watched)
{
    if (watched->slot != PEN_FIELD_NONE) {
        return slot_look(n, watched);
    }
    pen_status st = PEN_OK;
    const struct pen_value *value = pen_record_first(record, watched->field);
    for (; st == PEN_OK && value != NULL; value = pen_value_next(record, value)) {
        if (value->kind == PEN_STRING) {
            st = text_look(n, watched, value->text, value->is_escaped);
        }
    }
    return st;
}

/* ---- writing ---- */

static size_t bytes_of(const struct pen_ioc *ioc)
{
    return ioc->value.len + ioc->provider.len + ioc->name.len + ioc->description.len +
           ioc->reference.len + ioc->category.len;
}

/* Room for all of it: slices of what was written stay good. */
static pen_status room_make(struct nrm_threats *all)
{
    size_t bytes = HIT_BYTES;
    all->json.len = 0;
    for (uint32_t i = 0; i < all->count; i++) {
        const struct nrm_threat *threat = &all->items[i];
        bytes += WRITTEN_MOST * ESCAPE_MOST * bytes_of(&threat->ioc) + HIT_BYTES;
        for (uint32_t k = 0; k < threat->field_count; k++) {
            bytes += threat->fields[k].len + HIT_BYTES;
        }
    }
    return pen_buf_reserve(&all->json, bytes);
}

/* What shows for a name: the indicator itself when its list has none for it. */
static pen_slice name_of(const struct pen_ioc *ioc)
{
    return ioc->name.len > 0 ? ioc->name : ioc->value;
}

/* "name":"text", nothing when it is empty. */
static pen_status member(struct pen_buf *out, const char *name, pen_slice text)
{
    if (text.len == 0) {
        return PEN_OK;
    }
    const bool is_first = out->ptr[out->len - 1] == '{';
    PEN_TRY(pen_buf_printf(out, "%s\"%s\":\"", is_first ? "" : ",", name));
    PEN_TRY(pen_json_escape(out, text));
    return pen_buf_add_byte(out, '"');
}

static pen_status time_member(struct pen_buf *out, const char *name, int64_t time_ns)
{
    char text[PEN_TIME_MAX];
    return time_ns == INT64_MIN
               ? PEN_OK
               : member(out, name,
                        (pen_slice){(const uint8_t *)text, pen_format_time(time_ns, text)});
}

static pen_status words_write(const struct nrm_threat *threat, struct pen_buf *out)
{
    const struct pen_ioc *ioc = &threat->ioc;
    const struct {
        const char *name;
        pen_slice text;
    } members[] = {{"provider", ioc->provider},
                   {"name", name_of(ioc)},
                   {"ip", {threat->ip, threat->ip_len}},
                   {"reference", ioc->reference},
                   {"type", pen_slice_str(pen_ioc_type_name(ioc->type))},
                   {"description", ioc->description}};
    pen_status st = PEN_OK;
    for (size_t i = 0; st == PEN_OK && i < PEN_COUNT(members); i++) {
        st = member(out, members[i].name, members[i].text);
    }
    return st;
}

static pen_status indicator_write(const struct nrm_threat *threat, struct pen_buf *out)
{
    const struct pen_ioc *ioc = &threat->ioc;
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("{\"indicator\":{")));
    PEN_TRY(words_write(threat, out));
    PEN_TRY(time_member(out, "first_seen", ioc->first_seen_ns));
    PEN_TRY(time_member(out, "last_seen", ioc->last_seen_ns));
    PEN_TRY(time_member(out, "modified_at", ioc->modified_ns));
    return pen_buf_add_byte(out, '}');
}

static pen_status matched_write(const struct nrm_threat *threat, struct pen_buf *out)
{
    pen_status st = pen_buf_add(out, PEN_SLICE_LIT(",\"matched\":{\"field\":["));
    for (uint32_t i = 0; st == PEN_OK && i < threat->field_count; i++) {
        st = pen_buf_printf(out, "%s\"%.*s\"", i == 0 ? "" : ",", PEN_SLICE_FMT(threat->fields[i]));
    }
    st = st == PEN_OK ? pen_buf_add_byte(out, ']') : st;
    if (st == PEN_OK && threat->ioc.type > PEN_IOC_IPV6) {
        st = member(out, "atomic", threat->ioc.value);
    }
    return st == PEN_OK ? pen_buf_add(out, PEN_SLICE_LIT("}}")) : st;
}

static pen_status enrichments_write(struct pen_normalizer *n)
{
    struct pen_buf *out = &n->threats.json;
    PEN_TRY(pen_buf_add_byte(out, '['));
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < n->threats.count; i++) {
        st = i == 0 ? PEN_OK : pen_buf_add_byte(out, ',');
        st = st == PEN_OK ? indicator_write(&n->threats.items[i], out) : st;
        st = st == PEN_OK ? matched_write(&n->threats.items[i], out) : st;
    }
    PEN_TRY(st);
    PEN_TRY(pen_buf_add_byte(out, ']'));
    n->slots[n->schema->threat] = (struct nrm_value){.kind = NRM_JSON, .text = pen_buf_slice(out)};
    return PEN_OK;
}

static pen_slice list_text(const struct pen_ioc *ioc, enum list list)
{
    switch (list) {
    case PROVIDERS:
        return ioc->provider;
    case TYPES:
        return pen_slice_str(pen_ioc_type_name(ioc->type));
    case INDICATORS:
        return ioc->value;
    case NAMES:
        return name_of(ioc);
    case CATEGORIES:
    case LISTS:
        break;
    }
    return ioc->category;
}

/* The texts of all indicators, each once. */
static pen_status list_write(struct pen_normalizer *n, enum list list)
{
    struct pen_buf *out = &n->threats.json;
    const uint32_t first = n->item_count;
    for (uint32_t i = 0; i < n->threats.count; i++) {
        const pen_slice text = list_text(&n->threats.items[i].ioc, list);
        const size_t from = out->len;
        PEN_TRY(pen_json_escape(out, text));
        const pen_slice json = pen_slice_sub(pen_buf_slice(out), from, out->len);
        bool is_known = text.len == 0 || n->item_count == NRM_ITEMS_MAX;
        for (uint32_t k = first; !is_known && k < n->item_count; k++) {
            is_known = pen_slice_eq(n->items[k].text, json);
        }
        if (!is_known) {
            n->items[n->item_count++] =
                (struct nrm_item){.text = json, .is_escaped = json.len != text.len};
        }
    }
    if (n->item_count > first) {
        n->slots[n->schema->threat_lists[list]] = (struct nrm_value){
            .kind = NRM_LIST, .item_first = first, .item_count = n->item_count - first};
    }
    return PEN_OK;
}

pen_status nrm_threat_fill(struct pen_normalizer *n, const struct pen_record *record)
{
    const struct pen_schema *schema = n->schema;
    struct nrm_threats *all = &n->threats;
    pen_status st = PEN_OK;
    all->count = 0;
    all->left_out = 0;
    all->seen_count = 0;
    for (uint32_t i = 0; st == PEN_OK && i < schema->watched_count; i++) {
        st = watched_look(n, record, &schema->watched[i]);
    }
    if (PEN_LIKELY(all->count == 0) || st != PEN_OK) {
        return st;
    }
    PEN_TRY(room_make(all));
    const uint8_t *at = all->json.ptr;
    st = enrichments_write(n);
    for (uint32_t i = 0; st == PEN_OK && i < LISTS; i++) {
        st = list_write(n, (enum list)i);
    }
    PEN_CHECK(all->json.ptr == at); /* there was room: what slots have of it stays */
    return st;
}
