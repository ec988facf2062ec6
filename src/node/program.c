/* tested by tests/e2e/test_replay.py */
#include "penstock/node.h"
#include "penstock/text.h"

#include "exclude.h"
#include "filters.h"
#include "program_own.h"
#include "suppress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FIELD_NAME_BYTES_MAX 1024U
#define PROGRAM_BYTES_MAX ((size_t)1 << 30) /* of conditions, for all log types together */

/* The schema drops a leading @, which marks attributes in queries; in a rule it is part of the
 * name. */
static pen_status rule_field(void *schema, pen_slice name, uint32_t *field, struct pen_err *err)
{
    uint8_t marked[FIELD_NAME_BYTES_MAX];
    if (name.len == 0 || name.ptr[0] != '@') {
        return pen_schema_field(schema, name, field, err);
    }
    if (name.len >= sizeof(marked)) {
        return PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET, "the field name has more than %zu bytes",
                        sizeof(marked) - 1);
    }
    marked[0] = '@';
    memcpy(marked + 1, name.ptr, name.len);
    return pen_schema_field(schema, (pen_slice){marked, name.len + 1}, field, err);
}

static pen_status build_queries(struct pen_program *program,
                                const struct pen_program_options *options,
                                struct pen_program_type *entry, struct pen_err *err)
{
    if (options->build == NULL) {
        struct pen_query_names tags = {.schema = entry->schema,
                                       .is_json =
                                           pen_slice_eq(entry->type->name, PEN_SLICE_LIT("json")),
                                       .as_rule = true};
        const struct pen_rule_names names = {.field = rule_field,
                                             .field_ctx = entry->schema,
                                             .query_field = pen_query_field,
                                             .query_ctx = &tags};
        return pen_rules_queries(program->rules, entry->type, &names, &program->arena,
                                 &entry->queries, &entry->query_count, err);
    }
    struct pen_expr *expr = NULL;
    PEN_TRY(options->build(options->build_ctx, &program->arena, entry, &expr, err));
    if (expr == NULL) {
        return PEN_OK;
    }
    entry->queries = PEN_NEW(&program->arena, struct pen_query);
    if (entry->queries == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "program: out of memory");
    }
    *entry->queries = (struct pen_query){.expr = expr, .name = PEN_SLICE_LIT("query")};
    entry->query_count = 1;
    return PEN_OK;
}

/* ---- words while rules compile ---- */

struct compiling {
    enum pen_compile_words words;
    int64_t began_ns, told_ns; /* told: 0 before the first word */
    uint32_t patterns;
};

static void on_compiling(void *ctx, uint32_t patterns)
{
    struct compiling *c = ctx;
    const int64_t now = pen_clock_mono_ns();
    const bool is_told = c->told_ns != 0;
    const int64_t since = is_told ? c->told_ns : c->began_ns;
    if (now - since < PEN_NS_PER_S || (is_told && c->words == PEN_COMPILE_LINES)) {
        return;
    }
    c->told_ns = now;
    c->patterns = patterns;
    const bool is_terminal = c->words == PEN_COMPILE_TERMINAL;
    (void)fprintf(stderr, "%scompiling %u patterns of rules, %" PRId64 " s%s",
                  is_terminal ? "\r\033[K" : "penstock: ", patterns,
                  (now - c->began_ns) / PEN_NS_PER_S, is_terminal ? "" : " so far\n");
    (void)fflush(stderr);
}

static void compiling_end(const struct compiling *c, bool is_good)
{
    if (c->told_ns == 0) {
        return;
    }
    if (c->words == PEN_COMPILE_TERMINAL) {
        (void)fputs("\r\033[K", stderr);
    } else if (is_good) {
        (void)fprintf(stderr, "penstock: compiled %u patterns of rules in %.1f s\n", c->patterns,
                      (double)(pen_clock_mono_ns() - c->began_ns) / (double)PEN_NS_PER_S);
    }
}

/* ---- what groups matches ---- */

/* A name that documents have by themselves (observe.c). */
static bool is_group_own(pen_slice name)
{
    static const char *const own[] = {"account", "identity", "region", "source_ip"};
    for (size_t i = 0; i < PEN_COUNT(own); i++) {
        if (pen_slice_eq(name, pen_slice_str(own[i]))) {
            return true;
        }
    }
    return false;
}

static pen_status group_names(struct pen_program *program, const char *list, struct pen_err *err)
{
    pen_slice rest =
        pen_arena_dup(&program->arena, pen_slice_str(list != NULL ? list : PEN_GROUP_BY_DEFAULT));
    pen_slice name;
    while (pen_slice_split(&rest, ',', &name)) {
        name = pen_slice_trim(name);
        if (name.len == 0 || program->group_count == PEN_GROUP_NAMES_MAX) {
            return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                            "sigma.group_by takes 1 to %u names with commas between them, not `%s`",
                            PEN_GROUP_NAMES_MAX, list);
        }
        program->group_names[program->group_count++] = name;
    }
    return PEN_OK;
}

static pen_status names_fields(struct pen_program_type *entry, const pen_slice *names,
                               uint32_t count, uint32_t *fields, struct pen_err *err)
{
    pen_status st = PEN_OK;
    for (uint32_t i = 0; i < count && st == PEN_OK; i++) {
        fields[i] = PEN_FIELD_NONE;
        st = is_group_own(names[i]) ? PEN_OK
                                    : pen_schema_field(entry->schema, names[i], &fields[i], err);
    }
    return st;
}

/* Of a rule whose matches an overlay groups by names of their own. */
static pen_status own_fields(struct pen_program *program, struct pen_program_type *entry,
                             uint32_t index, struct pen_err *err)
{
    const struct pen_rule *rule = pen_rules_at(program->rules, index);
    const uint32_t count = pen_rules_count(program->rules);
    if (rule->group_by_count == 0 || !pen_rule_applies(rule, entry->type)) {
        return PEN_OK;
    }
    uint32_t *fields = PEN_NEW_N(&program->arena, uint32_t, rule->group_by_count);
    if (entry->own_group_fields == NULL) {
        entry->own_group_fields = PEN_NEW_N(&program->arena, const uint32_t *, count);
    }
    if (fields == NULL || entry->own_group_fields == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "program: out of memory");
    }
    entry->own_group_fields[index] = fields;
    return names_fields(entry, rule->group_by, rule->group_by_count, fields, err);
}

static pen_status group_fields(struct pen_program *program, struct pen_program_type *entry,
                               struct pen_err *err)
{
    pen_status st =
        names_fields(entry, program->group_names, program->group_count, entry->group_fields, err);
    for (uint32_t i = 0; i < pen_rules_count(program->rules) && st == PEN_OK; i++) {
        st = own_fields(program, entry, i, err);
    }
    return st;
}

/* What the rules of a program ask of a type; its schema is not sealed yet. */
static pen_status build_rules(struct pen_program *program,
                              const struct pen_program_options *options,
                              struct pen_program_type *entry, struct pen_err *err)
{
    PEN_TRY(build_queries(program, options, entry, err));
    PEN_TRY(exclude_queries(program->exclusions, options->exclusion_count, &program->arena, entry,
                            err));
    PEN_TRY(filters_queries(program, options->exclusion_count, entry, err));
    if (entry->query_count == 0 || options->build != NULL) {
        return PEN_OK;
    }
    PEN_TRY(group_fields(program, entry, err));
    return program_counted(program, entry, err);
}

/* The same of the rules beside those; *queries are then those of both, ascending by tag. */
static pen_status build_beside(struct pen_program *program,
                               const struct pen_program_options *options,
                               struct pen_program_type *entry, struct pen_query **queries,
                               struct pen_err *err)
{
    struct pen_program *beside = program->beside;
    struct pen_program_type *other = &beside->by_type[entry->type->id];
    *other = (struct pen_program_type){.type = entry->type, .schema = entry->schema};
    PEN_TRY(build_rules(beside, options, other, err));
    const size_t count = (size_t)entry->query_count + other->query_count;
    struct pen_query *all = PEN_NEW_N(&program->arena, struct pen_query, count + 1);
    if (all == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "program: out of memory");
    }
    for (uint32_t i = 0; i < entry->query_count; i++) {
        all[i] = entry->queries[i];
    }
    for (uint32_t i = 0; i < other->query_count; i++) {
        all[entry->query_count + i] = other->queries[i];
        all[entry->query_count + i].tag += beside->tag_begin;
    }
    *queries = all;
    return PEN_OK;
}

static pen_status build_type(struct pen_program *program, const struct pen_program_options *options,
                             struct pen_program_type *entry, struct pen_err *err)
{
    struct pen_query *queries = NULL;
    if (entry->type->format != PEN_FORMAT_JSON) {
        struct pen_err why = {0};
        const pen_status good = pen_text_check(entry->type, &why);
        if (good != PEN_OK) {
            return PEN_FAIL(err, good, PEN_NO_OFFSET, "%.*s: %s", PEN_SLICE_FMT(entry->type->file),
                            why.text);
        }
    }
    const uint32_t enrich = program->enrich == NULL ? 0 : pen_enrich_parts(program->enrich);
    PEN_TRY(pen_schema_new_enriched(entry->type, enrich, &entry->schema, err));
    pen_status st = build_rules(program, options, entry, err);
    queries = entry->queries;
    uint32_t count = entry->query_count;
    if (st == PEN_OK && program->beside != NULL) {
        st = build_beside(program, options, entry, &queries, err);
        count += program->beside->by_type[entry->type->id].query_count;
    }
    pen_schema_seal(entry->schema);
    if (st != PEN_OK || count == 0) {
        return st;
    }
    struct compiling compiling = {.words = options->words, .began_ns = pen_clock_mono_ns()};
    const bool is_told = options->words != PEN_COMPILE_QUIET;
    const struct pen_engine_options engine = {.cache_dir = options->cache_dir,
                                              .in_process = options->build != NULL,
                                              .is_stopped = options->is_stopped,
                                              .is_compiling = is_told ? on_compiling : NULL,
                                              .ctx = &compiling};
    const pen_status made = pen_engine_compile(queries, count, &engine, &entry->engine, err);
    compiling_end(&compiling, made == PEN_OK);
    return made;
}

static pen_status parts_load(struct pen_program *program, const struct pen_program_options *options,
                             struct pen_err *err)
{
    if (pen_enrich_wanted(&options->enrich)) {
        PEN_TRY(pen_enrich_open(&options->enrich, &program->enrich, err));
    }
    PEN_TRY(pen_types_load(options->types_dir, &program->types, err));
    return options->build == NULL ? pen_rules_load(&options->rules, &program->rules, err) : PEN_OK;
}

/* Severities by environment are told from events. */
static void env_observe(struct pen_program *program)
{
    static const uint8_t text[] = "env";
    const pen_slice env = {text, sizeof(text) - 1};
    for (uint32_t i = 0; i < pen_rules_count(program->rules); i++) {
        const struct pen_datadog *datadog = pen_rules_at(program->rules, i)->datadog;
        if (datadog != NULL && datadog->lowers_by_env) {
            pen_rules_observe(program->rules, i, &env, 1);
        }
    }
}

/* What is made of a rule set before the types: what groups its matches, what its events tell. */
static pen_status rules_prepare(struct pen_program *program,
                                const struct pen_program_options *options, struct pen_err *err)
{
    PEN_TRY(group_names(program, options->group_by, err));
    program->type_count = pen_types_count(program->types);
    program->by_type = PEN_NEW_N(&program->arena, struct pen_program_type, program->type_count);
    if (program->by_type == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "program: out of memory");
    }
    PEN_TRY(suppress_link(program, err));
    env_observe(program);
    return PEN_OK;
}

static struct pen_program *program_alloc(struct pen_err *err)
{
    struct pen_program *program = calloc(1, sizeof(*program));
    if (program == NULL) {
        (void)PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "program: out of memory");
        return NULL;
    }
    pen_arena_init(&program->arena, PROGRAM_BYTES_MAX);
    program->tag_end = PEN_EXCLUDE_TAG;
    return program;
}

static pen_status beside_open(struct pen_program *program,
                              const struct pen_program_options *options, struct pen_err *err)
{
    PEN_CHECK(options->build == NULL && options->exclusion_count == 0);
    program->beside = program_alloc(err);
    if (program->beside == NULL) {
        return PEN_E_NOMEM;
    }
    program->tag_end = pen_rules_count(program->rules) * PEN_RULE_QUERIES_MAX;
    program->beside->tag_begin = program->tag_end;
    program->beside->types = program->types;
    program->beside->enrich = program->enrich;
    PEN_TRY(pen_rules_load(options->beside, &program->beside->rules, err));
    return rules_prepare(program->beside, options, err);
}

static pen_status exclusions_link(struct pen_program *program,
                                  const struct pen_program_options *options, struct pen_err *err)
{
    PEN_TRY(exclude_check(options->exclusions, options->exclusion_count, program->types, err));
    program->exclusions = options->exclusions;
    program->exclusion_count = options->exclusion_count;
    return options->counts_left_out ? filters_link(program, err) : PEN_OK;
}

static pen_status program_fill(struct pen_program *program,
                               const struct pen_program_options *options, struct pen_err *err)
{
    PEN_TRY(parts_load(program, options, err));
    PEN_TRY(exclusions_link(program, options, err));
    PEN_TRY(rules_prepare(program, options, err));
    PEN_TRY(options->beside == NULL ? PEN_OK : beside_open(program, options, err));
    for (uint32_t i = 0; i < program->type_count; i++) {
        struct pen_program_type *entry = &program->by_type[i];
        entry->type = pen_types_at(program->types, i);
        PEN_CHECK(entry->type->id == i);
        PEN_TRY(build_type(program, options, entry, err));
    }
    return PEN_OK;
}

/* Rules that are for every log type are compiled for each: then it is they that are too many. */
static pen_status program_failed(const struct pen_program *program, pen_status st,
                                 struct pen_err *err)
{
    const struct pen_arena *arena = &program->arena;
    const bool is_full = arena->max_bytes - arena->used_bytes < arena->max_bytes / 16;
    return st == PEN_E_NOMEM && is_full
               ? PEN_FAIL(
                     err, PEN_E_RULE, PEN_NO_OFFSET,
                     "the conditions of %u rules take more than %zu MiB for %u log types: give "
                     "fewer rules, or name the source in queries (source:cloudtrail)",
                     pen_rules_count(program->rules), arena->max_bytes >> 20, program->type_count)
               : st;
}

pen_status pen_program_new(const struct pen_program_options *options, struct pen_program **out,
                           struct pen_err *err)
{
    struct pen_program *program = program_alloc(err);
    if (program == NULL) {
        return PEN_E_NOMEM;
    }
    pen_status st = program_fill(program, options, err);
    if (st != PEN_OK) {
        st = program_failed(program, st, err);
        pen_program_free(program);
        return st;
    }
    *out = program;
    return PEN_OK;
}

void pen_program_free(struct pen_program *program)
{
    if (program == NULL) {
        return;
    }
    if (program->beside != NULL) { /* all else of it is this program's */
        pen_rules_free(program->beside->rules);
        pen_arena_fini(&program->beside->arena);
        free(program->beside);
    }
    for (uint32_t i = 0; program->by_type != NULL && i < program->type_count; i++) {
        pen_engine_free(program->by_type[i].engine);
        pen_schema_free(program->by_type[i].schema);
    }
    pen_rules_free(program->rules);
    pen_types_free(program->types);
    pen_enrich_close(program->enrich);
    pen_arena_fini(&program->arena);
    free(program);
}

const struct pen_rule *pen_program_rule(const struct pen_program *program, uint32_t tag,
                                        uint32_t *rule_index, uint32_t *query)
{
    *rule_index = tag / PEN_RULE_QUERIES_MAX;
    *query = tag % PEN_RULE_QUERIES_MAX;
    return pen_rules_at(program->rules, *rule_index);
}
