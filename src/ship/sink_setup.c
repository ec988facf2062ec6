/* tested by tests/e2e/test_opensearch.py */
#include "penstock/embed.h"

#include "sink_call.h"

#include <stdio.h>

#define FILTER "template.mappings.properties.@timestamp,error,status,acknowledged,version"

/* component-X.json and index-X.json: templates of their names. */
extern const struct pen_embedded pen_sink_templates[];

/* ---- check ---- */

/* Whether a template gives indices of this name their types: any does, also one of the user's. */
static pen_status is_covered(struct caller *caller, const char *index, bool *is,
                             struct pen_err *err)
{
    char path[CALL_PATH_MAX];
    (void)snprintf(path, sizeof(path), "/_index_template/_simulate_index/%s", index);
    PEN_TRY(call_wait(caller, "POST", path, (pen_slice){0}, err));
    if (caller->post.status != 200) {
        return call_refused(caller, "templates cannot be asked for", err);
    }
    *is = pen_slice_find(call_answer(caller), PEN_SLICE_LIT("\"@timestamp\"")) != SIZE_MAX;
    return PEN_OK;
}

static pen_status check(struct caller *caller, bool *has_templates, struct pen_err *err)
{
    static const char *const indices[] = {"log-aws-cloudtrail-2000-01", "penstock-signals-2000-01"};
    PEN_TRY(call_wait(caller, "GET", "/", (pen_slice){0}, err));
    if (caller->post.status != 200) {
        return call_refused(caller, "it does not let us in", err);
    }
    *has_templates = true;
    for (size_t i = 0; i < PEN_COUNT(indices) && *has_templates; i++) {
        PEN_TRY(is_covered(caller, indices[i], has_templates, err));
    }
    return PEN_OK;
}

pen_status pen_sink_check(const struct pen_sink *sink, bool *has_templates, struct pen_err *err)
{
    struct caller caller;
    *has_templates = true;
    if (sink_is_serverless(sink)) {
        return PEN_OK; /* it has neither a root to ask nor templates of ours */
    }
    pen_status st = caller_init(&caller, sink, err);
    caller.filter = PEN_SLICE_LIT(FILTER);
    st = st == PEN_OK ? check(&caller, has_templates, err) : st;
    caller_fini(&caller);
    return st;
}

/* ---- setup ---- */

/* "component-log.json" to "/_component_template/penstock-log". */
static void template_path(const char *file, char path[CALL_PATH_MAX])
{
    const bool is_component = strncmp(file, "component-", 10) == 0;
    const char *name = strchr(file, '-') + 1;
    (void)snprintf(path, CALL_PATH_MAX, "/_%s_template/penstock-%.*s",
                   is_component ? "component" : "index", (int)(strlen(name) - strlen(".json")),
                   name);
}

static pen_status put_all(struct caller *caller, void (*told)(const char *path),
                          struct pen_err *err)
{
    for (const struct pen_embedded *file = pen_sink_templates; file->name != NULL; file++) {
        char path[CALL_PATH_MAX];
        template_path(file->name, path);
        PEN_TRY(call_wait(caller, "PUT", path, (pen_slice){file->text, file->len}, err));
        if (caller->post.status != 200) {
            return call_refused(caller, path, err);
        }
        if (told != NULL) {
            told(path);
        }
    }
    return PEN_OK;
}

pen_status pen_sink_setup(const struct pen_sink *sink, void (*told)(const char *path),
                          struct pen_err *err)
{
    struct caller caller;
    pen_status st = caller_init(&caller, sink, err);
    caller.filter = PEN_SLICE_LIT(FILTER);
    st = st == PEN_OK ? put_all(&caller, told, err) : st;
    caller_fini(&caller);
    return st;
}
