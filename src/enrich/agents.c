/* tested by tests/unit/enrich/test_agents.c */
#include "agents.h"

#include "penstock/embed.h"
#include "penstock/match.h"
#include "penstock/yaml.h"

#include "whole_file.h"

#include <stdlib.h>

#define OPTION "enrich.user_agent"
#define ARENA_MAX ((size_t)256 << 20)
#define NODES_MAX 1000000U

_Static_assert(AGENT_LISTS <= PEN_FIRST_LISTS, "lists");

extern const struct pen_embedded pen_agent_files[];

struct agents {
    struct pen_arena arena;
    struct pen_first *first;
    struct agent_pattern *patterns;
    uint32_t counts[AGENT_LISTS];
};

static const struct {
    const char *name;
    const char *texts[AGENT_TEXTS];
} lists[AGENT_LISTS] = {
    [AGENT_PROGRAM] = {"user_agent_parsers",
                       {"family_replacement", "v1_replacement", "v2_replacement",
                        "v3_replacement"}},
    [AGENT_SYSTEM] = {"os_parsers",
                      {"os_replacement", "os_v1_replacement", "os_v2_replacement",
                       "os_v3_replacement", "os_v4_replacement"}},
    [AGENT_DEVICE] = {"device_parsers", {"device_replacement"}},
};

/* What is read of one file. */
struct reading {
    const char *path;
    struct agents *agents;
    struct pen_arena yaml;
    struct pen_first_pattern *patterns;
    const struct pen_yaml **places; /* of the patterns */
    uint32_t count;
};

static pen_status fail_at(const struct reading *r, const struct pen_yaml *at, const char *why,
                          struct pen_err *err)
{
    return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, OPTION ": %.160s:%u: %.240s", r->path,
                    at->line, why);
}

static pen_status nomem(struct pen_err *err)
{
    return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, OPTION ": out of memory");
}

/* ---- one pattern ---- */

static pen_status text_take(struct reading *r, const struct pen_yaml *node, pen_slice *out,
                            struct pen_err *err)
{
    if (node->kind != PEN_YAML_SCALAR) {
        return fail_at(r, node, "a text is wanted", err);
    }
    *out = pen_arena_dup(&r->agents->arena, node->text);
    return out->ptr == NULL && node->text.len > 0 ? nomem(err) : PEN_OK;
}

static pen_status entry_read(struct reading *r, const struct pen_yaml *entry, enum agent_list list,
                             struct pen_err *err)
{
    const struct pen_yaml *regex = pen_yaml_get(entry, "regex");
    const struct pen_yaml *flag = pen_yaml_get(entry, "regex_flag");
    struct agent_pattern *to = &r->agents->patterns[r->count];
    if (regex == NULL || regex->kind != PEN_YAML_SCALAR || regex->text.len == 0) {
        return fail_at(r, entry, "an entry has a text `regex`", err);
    }
    if (flag != NULL && !pen_slice_eq(flag->text, PEN_SLICE_LIT("i"))) {
        return fail_at(r, flag, "the only `regex_flag` is i", err);
    }
    for (uint32_t i = 0; i < AGENT_TEXTS && lists[list].texts[i] != NULL; i++) {
        const struct pen_yaml *text = pen_yaml_get(entry, lists[list].texts[i]);
        PEN_TRY(text == NULL ? PEN_OK : text_take(r, text, &to->texts[i], err));
    }
    r->patterns[r->count] = (struct pen_first_pattern){
        .text = regex->text, .list = (uint32_t)list, .is_caseless = flag != NULL};
    r->places[r->count++] = regex;
    r->agents->counts[list]++;
    return PEN_OK;
}

static pen_status list_read(struct reading *r, const struct pen_yaml *list, enum agent_list which,
                            struct pen_err *err)
{
    if (list == NULL) {
        return PEN_OK;
    }
    if (list->kind != PEN_YAML_SEQ) {
        return fail_at(r, list, "a list of patterns is wanted", err);
    }
    for (const struct pen_yaml *entry = list->child; entry != NULL; entry = entry->next) {
        PEN_TRY(entry_read(r, entry, which, err));
    }
    return PEN_OK;
}

/* ---- the file ---- */

static pen_status room_make(struct reading *r, uint32_t count, struct pen_err *err)
{
    r->patterns = calloc((size_t)count + 1, sizeof(*r->patterns));
    r->places = calloc((size_t)count + 1, sizeof(void *));
    r->agents->patterns = PEN_NEW_N(&r->agents->arena, struct agent_pattern, (size_t)count + 1);
    return r->patterns == NULL || r->places == NULL || r->agents->patterns == NULL ? nomem(err)
                                                                                   : PEN_OK;
}

static pen_status patterns_read(struct reading *r, const struct pen_yaml *root, struct pen_err *err)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < AGENT_LISTS; i++) {
        const struct pen_yaml *list = pen_yaml_get(root, lists[i].name);
        count += list == NULL ? 0 : list->count;
    }
    if (count == 0) {
        return fail_at(r, root, "no user_agent_parsers, os_parsers or device_parsers", err);
    }
    PEN_TRY(room_make(r, count, err));
    for (uint32_t i = 0; i < AGENT_LISTS; i++) {
        PEN_TRY(list_read(r, pen_yaml_get(root, lists[i].name), (enum agent_list)i, err));
    }
    struct pen_err why = {0};
    uint32_t bad = 0;
    const pen_status st = pen_first_new(r->patterns, r->count, &r->agents->first, &bad, &why);
    if (bad != UINT32_MAX) {
        return fail_at(r, r->places[bad], why.text, err);
    }
    return st == PEN_OK ? PEN_OK : PEN_FAIL(err, st, PEN_NO_OFFSET, OPTION ": %s", why.text);
}

static pen_status text_read(struct reading *r, pen_slice text, struct pen_err *err)
{
    const struct pen_yaml_limits limits = {.bytes_max = AGENTS_FILE_BYTES_MAX,
                                           .nodes_max = NODES_MAX,
                                           .depth_max = 16,
                                           .alias_nodes_max = 10000};
    struct pen_yaml_docs docs;
    struct pen_err why = {0};
    const pen_status st = pen_yaml_parse(&r->yaml, text, &limits, &docs, &why);
    if (st != PEN_OK) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, OPTION ": %.160s:%s", r->path, why.text);
    }
    if (docs.count != 1) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, OPTION ": %.160s:1: %s", r->path,
                        docs.count == 0 ? "the file is empty" : "more than one document");
    }
    return patterns_read(r, docs.roots[0], err);
}

static pen_status source_read(struct reading *r, struct pen_err *err)
{
    if (strcmp(r->path, AGENTS_BUILTIN) == 0) {
        const struct pen_embedded *file = &pen_agent_files[0];
        return text_read(r, (pen_slice){file->text, file->len}, err);
    }
    struct pen_buf text;
    struct mmdb_stamp stamp;
    char why[WHOLE_FILE_WHY];
    pen_buf_init(&text, AGENTS_FILE_BYTES_MAX + WHOLE_FILE_STEP);
    const pen_status st =
        whole_file_read(r->path, AGENTS_FILE_BYTES_MAX, &stamp, &text, why)
            ? text_read(r, pen_buf_slice(&text), err)
            : PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, OPTION ": %.160s: %s", r->path, why);
    pen_buf_fini(&text);
    return st;
}

pen_status agents_open(const char *path, struct agents **out, struct pen_err *err)
{
    struct reading r = {.path = path, .agents = calloc(1, sizeof(struct agents))};
    *out = NULL;
    if (r.agents == NULL) {
        return nomem(err);
    }
    pen_arena_init(&r.agents->arena, ARENA_MAX);
    pen_arena_init(&r.yaml, ARENA_MAX);
    const pen_status st = source_read(&r, err);
    pen_arena_fini(&r.yaml);
    free(r.patterns);
    free((void *)r.places);
    if (st != PEN_OK) {
        agents_close(r.agents);
        return st;
    }
    *out = r.agents;
    return PEN_OK;
}

void agents_close(struct agents *agents)
{
    if (agents != NULL) {
        pen_first_free(agents->first);
        pen_arena_fini(&agents->arena);
        free(agents);
    }
}

uint64_t agents_bytes(const struct agents *agents)
{
    return pen_first_bytes(agents->first) + agents->arena.used_bytes;
}

const struct agent_pattern *agents_pattern(const struct agents *agents, uint32_t index)
{
    return &agents->patterns[index];
}

bool agents_have(const struct agents *agents, enum agent_list list)
{
    return agents->counts[list] > 0;
}

const struct pen_first *agents_first(const struct agents *agents)
{
    return agents->first;
}
