/* tested by tests/e2e/test_folders.py */
#include "filters.h"

#include <stdio.h>
#include <stdlib.h>

#define FOLDER "security_filters/" /* before names, apart from those of exclusions of a run */

/* The last one, of what no filter takes, has no name of its own. */
static pen_status name_of(struct pen_program *program, uint32_t filter, const char **out,
                          struct pen_err *err)
{
    char text[sizeof(FOLDER) + PEN_LEFT_OUT_NAME];
    const pen_slice own = filter < pen_rules_security_filter_count(program->rules)
                              ? pen_rules_security_filter_name(program->rules, filter)
                              : PEN_SLICE_LIT("");
    const int n = snprintf(text, sizeof(text), FOLDER "%.*s", PEN_SLICE_FMT(own));
    PEN_CHECK(n > 0 && (size_t)n < sizeof(text));
    const pen_slice copy =
        pen_arena_dup(&program->arena, (pen_slice){(const uint8_t *)text, (size_t)n + 1});
    *out = (const char *)copy.ptr;
    return *out != NULL ? PEN_OK
                        : PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "filters: out of memory");
}

pen_status filters_link(struct pen_program *program, struct pen_err *err)
{
    const uint32_t own = program->exclusion_count;
    const uint32_t filters = pen_rules_security_filter_count(program->rules);
    if (filters == 0) {
        return PEN_OK;
    }
    PEN_CHECK(own + filters + 1 <= PEN_COUNTED_MAX);
    struct pen_exclusion *all =
        PEN_NEW_N(&program->arena, struct pen_exclusion, (size_t)own + filters + 1);
    if (all == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "filters: out of memory");
    }
    for (uint32_t i = 0; i < own; i++) {
        all[i] = program->exclusions[i];
    }
    for (uint32_t i = 0; i <= filters; i++) {
        all[own + i] = (struct pen_exclusion){.mode = PEN_EXCLUDE_COUNT, .is_of_filter = true};
        PEN_TRY(name_of(program, i, &all[own + i].name, err));
    }
    program->exclusions = all;
    program->exclusion_count = own + filters + 1;
    return PEN_OK;
}

pen_status filters_queries(struct pen_program *program, uint32_t first,
                           struct pen_program_type *entry, struct pen_err *err)
{
    struct pen_query_names tags = {.schema = entry->schema,
                                   .is_json =
                                       pen_slice_eq(entry->type->name, PEN_SLICE_LIT("json")),
                                   .as_rule = true};
    const struct pen_rule_names names = {.query_field = pen_query_field, .query_ctx = &tags};
    const uint32_t more = program->exclusion_count - first;
    if (more == 0) {
        return PEN_OK;
    }
    struct pen_query *all =
        PEN_NEW_N(&program->arena, struct pen_query, (size_t)entry->query_count + more);
    if (all == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "filters: out of memory");
    }
    for (uint32_t i = 0; i < entry->query_count; i++) {
        all[i] = entry->queries[i];
    }
    for (uint32_t i = 0; i < more; i++) {
        struct pen_expr *expr = NULL;
        PEN_TRY(pen_rules_left_out(program->rules, i, entry->type, &names, &program->arena, &expr,
                                   err));
        if (expr != NULL) {
            all[entry->query_count++] =
                (struct pen_query){.expr = expr,
                                   .tag = PEN_EXCLUDE_TAG + first + i,
                                   .name = pen_slice_str(program->exclusions[first + i].name)};
        }
    }
    entry->queries = all;
    return PEN_OK;
}

uint32_t filters_list(const struct pen_program *program, const uint64_t *counters,
                      struct pen_left_out **out)
{
    uint32_t count = 0;
    *out = calloc((size_t)program->exclusion_count + 1, sizeof(**out));
    PEN_CHECK(*out != NULL);
    for (uint32_t i = 0; i < program->exclusion_count; i++) {
        if (program->exclusions[i].is_of_filter) {
            struct pen_left_out *one = &(*out)[count++];
            (void)snprintf(one->name, sizeof(one->name), "%s",
                           program->exclusions[i].name + strlen(FOLDER));
            one->records = counters[i];
        }
    }
    return count;
}
