/* tested by tests/e2e/test_front.py */
#include "wanted.h"

#include "planner.h"

bool record_wanted(const struct pen_replay_options *o, const struct pen_key_info *key,
                   const struct pen_type *type, const struct pen_doc *doc)
{
    if (doc->time_ns < o->from_ns || doc->time_ns >= o->to_ns) {
        return false;
    }
    if (key->account.len == 0 &&
        !planner_name_wanted(o->accounts, o->account_count, o->not_accounts, o->not_account_count,
                             doc->account)) {
        return false;
    }
    if (key->region.len == 0 && !planner_name_wanted(o->regions, o->region_count, o->not_regions,
                                                     o->not_region_count, doc->region)) {
        return false;
    }
    return o->as_type != NULL || planner_name_wanted(o->types, o->type_count, o->not_types,
                                                     o->not_type_count, type->name);
}

static pen_status type_check(const struct pen_types *types, const char *option, const char *name,
                             struct pen_err *err)
{
    pen_slice nearest = {0};
    uint32_t least = pen_distance_near(strlen(name));
    for (uint32_t i = 0; i < pen_types_count(types); i++) {
        const pen_slice known = pen_types_at(types, i)->name;
        const uint32_t distance = pen_distance(pen_slice_str(name), known);
        if (distance == 0) {
            return PEN_OK;
        }
        if (distance < least) {
            least = distance;
            nearest = known;
        }
    }
    return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "%s %.40s: no such log type; %s%.*s", option,
                    name, nearest.len == 0 ? "penstock types list tells them" : "the nearest is ",
                    PEN_SLICE_FMT(nearest));
}

static pen_status types_check(const struct pen_types *types, const char *option,
                              const char *const *names, size_t count, struct pen_err *err)
{
    for (size_t i = 0; i < count; i++) {
        PEN_TRY(type_check(types, option, names[i], err));
    }
    return PEN_OK;
}

pen_status types_wanted_check(const struct pen_types *types, const struct pen_replay_options *o,
                              struct pen_err *err)
{
    PEN_TRY(o->as_type == NULL ? PEN_OK : type_check(types, "--as", o->as_type, err));
    PEN_TRY(types_check(types, "--types", o->types, o->type_count, err));
    return types_check(types, "--not-types", o->not_types, o->not_type_count, err);
}

void record_time(struct pen_totals *totals, const struct pen_doc *doc)
{
    const int64_t time_ns = doc->time_ns;
    if (doc->kind == PEN_DOC_UNPARSED || time_ns == INT64_MIN) {
        return;
    }
    if (totals->time_first_ns == 0 || time_ns < totals->time_first_ns) {
        totals->time_first_ns = time_ns;
    }
    if (time_ns > totals->time_last_ns) {
        totals->time_last_ns = time_ns;
    }
}

/* Whether a record of the type can match a rule. */
static bool has_rules(const struct pen_program *program, uint32_t type)
{
    const struct pen_program_type *entry = &program->by_type[type];
    return (entry->query_count > 0 && entry->queries[0].tag < PEN_EXCLUDE_TAG) ||
           (program->beside != NULL && program->beside->by_type[type].query_count > 0);
}

pen_status pen_program_narrow(struct pen_program *program, struct pen_pass_options *pass,
                              const char **names, struct pen_err *err)
{
    uint32_t count = 0;
    if (pass->as_type != NULL) {
        return PEN_OK;
    }
    PEN_TRY(types_check(program->types, "--types", pass->types, pass->type_count, err));
    PEN_TRY(types_check(program->types, "--not-types", pass->not_types, pass->not_type_count, err));
    for (uint32_t i = 0; i < program->type_count; i++) {
        const pen_slice name = program->by_type[i].type->name;
        if (has_rules(program, i) &&
            planner_name_wanted(pass->types, pass->type_count, pass->not_types,
                                pass->not_type_count, name)) {
            const pen_slice copy = pen_arena_dup(&program->arena, name);
            PEN_CHECK(copy.ptr != NULL);
            names[count++] = (const char *)copy.ptr;
        }
    }
    if (count == 0) { /* no name at all would mean every type */
        names[count++] = "unknown";
    }
    pass->types = names;
    pass->type_count = count;
    return PEN_OK;
}
