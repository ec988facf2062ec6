#include "penstock/json.h"
#include "penstock/match.h"

/* tested by tests/unit/enrich/test_agents.c */
#include "agents.h"

#include <stdlib.h>

#define OTHER PEN_SLICE_LIT("Other")

struct cached {
    uint16_t key_len; /* 0: empty */
    uint16_t ends[PEN_AGENT_PARTS];
    uint8_t escaped;
    char key[PEN_AGENT_CACHE_KEY_MAX];
    char text[PEN_AGENT_CACHE_TEXT_MAX];
};

struct agent_cache {
    const struct agents *agents;
    struct pen_first_search *search;
    struct cached *entries;
    struct pen_buf plain;                 /* one user agent */
    struct pen_buf texts[AGENT_LISTS][2]; /* family, version */
    struct pen_buf part;                  /* one part, escaped */
};

pen_status agent_cache_new(const struct agents *agents, struct agent_cache **out,
                           struct pen_err *err)
{
    struct agent_cache *c = calloc(1, sizeof(*c));
    *out = NULL;
    if (c == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "enrichment: out of memory");
    }
    c->agents = agents;
    pen_buf_init(&c->plain, PEN_AGENT_BYTES_MAX);
    pen_buf_init(&c->part, (size_t)PEN_AGENT_TEXT_MAX * 6);
    for (uint32_t i = 0; i < AGENT_LISTS; i++) {
        pen_buf_init(&c->texts[i][0], PEN_AGENT_TEXT_MAX);
        pen_buf_init(&c->texts[i][1], PEN_AGENT_TEXT_MAX);
    }
    c->entries = calloc(PEN_AGENT_CACHE_ENTRIES, sizeof(*c->entries));
    pen_status st = c->entries == NULL
                        ? PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "enrichment: out of memory")
                        : pen_first_search_new(agents_first(agents), &c->search, err);
    if (st != PEN_OK) {
        agent_cache_free(c);
        return st;
    }
    *out = c;
    return PEN_OK;
}

void agent_cache_free(struct agent_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    pen_first_search_free(cache->search);
    pen_buf_fini(&cache->plain);
    pen_buf_fini(&cache->part);
    for (uint32_t i = 0; i < AGENT_LISTS; i++) {
        pen_buf_fini(&cache->texts[i][0]);
        pen_buf_fini(&cache->texts[i][1]);
    }
    free(cache->entries);
    free(cache);
}

uint64_t agent_cache_memory(const struct agents *agents)
{
    return PEN_AGENT_CACHE_ENTRIES * sizeof(struct cached) + PEN_AGENT_BYTES_MAX +
           (uint64_t)PEN_AGENT_TEXT_MAX * (6 + 2 * AGENT_LISTS) +
           pen_first_search_memory(agents_first(agents));
}

/* ---- texts of a match ---- */

/* Appends a text with its groups; what does not fit is left out as a whole. */
static void text_make(pen_slice text, const struct pen_first_hit *hit, struct pen_buf *out)
{
    const size_t before = out->len;
    pen_status st = PEN_OK;
    for (size_t i = 0; i < text.len && st == PEN_OK; i++) {
        const bool is_group = text.ptr[i] == '$' && i + 1 < text.len && text.ptr[i + 1] >= '1' &&
                              text.ptr[i + 1] <= '9';
        st = is_group ? pen_buf_add(out, hit->groups[text.ptr[i + 1] - '0'])
                      : pen_buf_add_byte(out, text.ptr[i]);
        i += is_group;
    }
    out->len = st == PEN_OK ? out->len : before;
}

/* A part of a match without blanks around it. */
static pen_slice part_make(const struct agent_pattern *pattern, uint32_t part,
                           const struct pen_first_hit *hit, struct pen_buf *scratch)
{
    scratch->len = 0;
    if (pattern->texts[part].ptr == NULL) {
        return pen_slice_trim(hit->groups[part + 1]);
    }
    text_make(pattern->texts[part], hit, scratch);
    return pen_slice_trim(pen_buf_slice(scratch));
}

/* Family and version of one list; the version ends where a part of it is not known. */
static void list_make(struct agent_cache *c, enum agent_list list, const struct pen_first_hit *hit)
{
    struct pen_buf *family = &c->texts[list][0];
    struct pen_buf *version = &c->texts[list][1];
    pen_status st = PEN_OK;
    family->len = 0;
    version->len = 0;
    if (hit->pattern == UINT32_MAX) {
        return;
    }
    const struct agent_pattern *pattern = agents_pattern(c->agents, hit->pattern);
    const uint32_t parts = list == AGENT_SYSTEM ? 5 : list == AGENT_PROGRAM ? 4 : 1;
    st = pen_buf_add(family, part_make(pattern, 0, hit, &c->part));
    for (uint32_t i = 1; i < parts && st == PEN_OK; i++) {
        const pen_slice part = part_make(pattern, i, hit, &c->part);
        if (part.len == 0) {
            break;
        }
        st = version->len == 0 ? PEN_OK : pen_buf_add_byte(version, '.');
        st = st == PEN_OK ? pen_buf_add(version, part) : st;
    }
}

/* ---- what becomes of it ---- */

static void part_end(struct agent_cache *c, struct pen_agent *out, enum pen_agent_part part,
                     pen_slice text)
{
    const uint16_t from = part == 0 ? 0 : out->ends[part - 1];
    c->part.len = 0;
    const bool is_good = pen_utf8_valid(text) && pen_json_escape(&c->part, text) == PEN_OK &&
                         c->part.len <= sizeof(out->text) - from;
    const size_t len = is_good ? c->part.len : 0;
    if (len > 0) {
        memcpy(out->text + from, c->part.ptr, len);
    }
    out->ends[part] = (uint16_t)(from + len);
    out->escaped |= (uint8_t)((is_good && len != text.len) << part);
}

/* "ec2.amazonaws.com": a service on behalf of somebody. */
static bool is_service(pen_slice agent)
{
    const pen_slice tail = PEN_SLICE_LIT(".amazonaws.com");
    size_t i = 0;
    while (i < agent.len && (agent.ptr[i] == '.' || agent.ptr[i] == '-' || agent.ptr[i] == '_' ||
                             (agent.ptr[i] >= '0' && agent.ptr[i] <= '9') ||
                             ((agent.ptr[i] | 0x20) >= 'a' && (agent.ptr[i] | 0x20) <= 'z'))) {
        i++;
    }
    return pen_slice_eq(agent, PEN_SLICE_LIT("AWS Internal")) ||
           (i == agent.len && agent.len > tail.len &&
            pen_slice_eq(pen_slice_sub(agent, agent.len - tail.len, agent.len), tail));
}

static pen_slice family_of(const struct agent_cache *c, enum agent_list list)
{
    const pen_slice family = pen_buf_slice(&c->texts[list][0]);
    return family.len > 0 || !agents_have(c->agents, list) ? family : OTHER;
}

static void parts_make(struct agent_cache *c, pen_slice agent, struct pen_agent *out)
{
    const pen_slice name = family_of(c, AGENT_PROGRAM);
    const pen_slice system = family_of(c, AGENT_SYSTEM);
    const pen_slice version = pen_buf_slice(&c->texts[AGENT_SYSTEM][1]);
    struct pen_buf *full = &c->texts[AGENT_DEVICE][1]; /* devices have no version */
    const bool is_known = system.len > 0 && !pen_slice_eq(system, OTHER);
    full->len = 0;
    if (is_known && (pen_buf_add(full, system) != PEN_OK ||
                     (version.len > 0 && (pen_buf_add_byte(full, ' ') != PEN_OK ||
                                          pen_buf_add(full, version) != PEN_OK)))) {
        full->len = 0;
    }
    out->escaped = 0;
    part_end(c, out, PEN_AGENT_NAME,
             (name.len == 0 || pen_slice_eq(name, OTHER)) && is_service(agent) ? agent : name);
    part_end(c, out, PEN_AGENT_VERSION, pen_buf_slice(&c->texts[AGENT_PROGRAM][1]));
    part_end(c, out, PEN_AGENT_OS_NAME, system);
    part_end(c, out, PEN_AGENT_OS_VERSION, version);
    part_end(c, out, PEN_AGENT_OS_FULL, pen_buf_slice(full));
    part_end(c, out, PEN_AGENT_DEVICE, family_of(c, AGENT_DEVICE));
}

static int digit_of(uint8_t c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

/* %xx as bytes, in place; what is none stays. */
static size_t percent_read(uint8_t *p, size_t len)
{
    size_t to = 0;
    for (size_t at = 0; at < len; at++) {
        const int high = at + 2 < len && p[at] == '%' ? digit_of(p[at + 1]) : -1;
        const int low = high < 0 ? -1 : digit_of(p[at + 2]);
        p[to++] = low < 0 ? p[at] : (uint8_t)(high * 16 + low);
        at += low < 0 ? 0 : 2;
    }
    return to;
}

/* The first PEN_AGENT_BYTES_MAX bytes, with no escape cut apart. */
static pen_slice head_of(pen_slice text, bool is_escaped)
{
    size_t at = 0;
    while (is_escaped && at < text.len && at < PEN_AGENT_BYTES_MAX) {
        const size_t step = text.ptr[at] != '\\' ? 1 : text.ptr[at + 1] == 'u' ? 6 : 2;
        if (at + step > PEN_AGENT_BYTES_MAX) {
            break;
        }
        at += step;
    }
    return pen_slice_sub(text, 0, is_escaped ? at : PEN_AGENT_BYTES_MAX);
}

/* The text that was sent: without the escapes of JSON and, where blanks are %20, of URLs. */
static pen_slice plain_of(struct agent_cache *c, pen_slice original, bool is_escaped)
{
    const pen_slice head = head_of(original, is_escaped);
    c->plain.len = 0;
    if (pen_buf_reserve(&c->plain, head.len) != PEN_OK) {
        return (pen_slice){0};
    }
    if (is_escaped) {
        c->plain.len = pen_json_unescape(head, c->plain.ptr);
    } else {
        memcpy(c->plain.ptr, head.ptr, head.len);
        c->plain.len = head.len;
    }
    if (pen_slice_find(pen_buf_slice(&c->plain), PEN_SLICE_LIT("%20")) != SIZE_MAX) {
        c->plain.len = percent_read(c->plain.ptr, c->plain.len);
    }
    return pen_buf_slice(&c->plain);
}

static void look_up(struct agent_cache *c, pen_slice original, bool is_escaped,
                    struct pen_agent *out)
{
    struct pen_first_hit hits[PEN_FIRST_LISTS];
    const pen_slice agent = plain_of(c, original, is_escaped);
    pen_first_find(c->search, agent, hits);
    for (uint32_t i = 0; i < AGENT_LISTS; i++) {
        list_make(c, (enum agent_list)i, &hits[i]);
    }
    parts_make(c, agent, out);
}

/* ---- the cache ---- */

static void keep(struct cached *cached, pen_slice key, const struct pen_agent *agent)
{
    const uint16_t len = agent->ends[PEN_AGENT_PARTS - 1];
    if (key.len > sizeof(cached->key) || len > sizeof(cached->text)) {
        return;
    }
    memcpy(cached->key, key.ptr, key.len);
    memcpy(cached->ends, agent->ends, sizeof(cached->ends));
    memcpy(cached->text, agent->text, len);
    cached->escaped = agent->escaped;
    cached->key_len = (uint16_t)key.len;
}

bool agent_find(struct agent_cache *cache, pen_slice original, bool is_escaped,
                struct pen_agent *out)
{
    if (original.len == 0 || pen_slice_eq(original, PEN_SLICE_LIT("-"))) {
        return false;
    }
    const uint64_t hash = pen_hash64(original, is_escaped);
    struct cached *cached = &cache->entries[hash & (PEN_AGENT_CACHE_ENTRIES - 1)];
    if (PEN_LIKELY(cached->key_len == original.len &&
                   memcmp(cached->key, original.ptr, original.len) == 0)) {
        memcpy(out->ends, cached->ends, sizeof(out->ends));
        memcpy(out->text, cached->text, cached->ends[PEN_AGENT_PARTS - 1]);
        out->escaped = cached->escaped;
    } else {
        look_up(cache, original, is_escaped, out);
        keep(cached, original, out);
    }
    return out->ends[PEN_AGENT_PARTS - 1] > 0;
}
