/* tested by tests/e2e/test_search.py */
#include "penstock/node.h"

/* Names without @: members at the root of any JSON; for other records what the log type knows. */
static const char *const reserved[] = {"source", "service", "host", "status", "tags", "message"};
static const char *const derived[] = {"account", "region", "timestamp"};
static const char *const usual_tags[] = {"availability-zone", "env", "instance-id", "trace_id",
                                         "version"};

static bool is_one_of(pen_slice name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (pen_slice_eq(name, pen_slice_str(names[i]))) {
            return true;
        }
    }
    return false;
}

pen_status pen_query_field(void *ctx, pen_slice name, uint32_t *field, struct pen_err *err)
{
    const struct pen_query_names *names = ctx;
    if (!names->is_json && pen_slice_eq(name, PEN_SLICE_LIT("aws_account"))) {
        name = PEN_SLICE_LIT("account");
    }
    if (name.ptr[0] == '@' || is_one_of(name, reserved, PEN_COUNT(reserved)) ||
        (!names->is_json && is_one_of(name, derived, PEN_COUNT(derived)))) {
        return pen_schema_field(names->schema, name, field, err);
    }
    /* A rule may name tags that no record here has; who searches meant a field. */
    if (!names->is_json && !names->as_rule && !is_one_of(name, usual_tags, PEN_COUNT(usual_tags))) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "`%.*s` without @ is the name of a tag; a field of the record is "
                        "written @%.*s",
                        PEN_SLICE_FMT(name), PEN_SLICE_FMT(name));
    }
    return pen_schema_tag(names->schema, name, field, err);
}
