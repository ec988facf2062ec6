/* tested by tests/e2e/test_opensearch.py */
#include "bulk_reply.h"
#include "sink_setup.h"

#include <stdio.h>

#define TYPES "template.mappings.properties.@timestamp,error,status"

/* The text behind "name":, without quotes; empty: it is not there. */
static pen_slice word_after(pen_slice answer, pen_slice name)
{
    const size_t at = pen_slice_find(answer, name);
    if (at == SIZE_MAX) {
        return (pen_slice){0};
    }
    pen_slice rest = pen_slice_sub(answer, at + name.len, answer.len);
    for (uint32_t i = 0; i < 2 && rest.len > 0; i++) {
        const size_t quote = pen_slice_find(rest, PEN_SLICE_LIT("\""));
        if (i == 1) {
            return pen_slice_sub(rest, 0, quote == SIZE_MAX ? rest.len : quote);
        }
        rest = pen_slice_sub(rest, quote == SIZE_MAX ? rest.len : quote + 1, rest.len);
    }
    return (pen_slice){0};
}

pen_status setup_refused(struct caller *caller, const char *what, const char *permission,
                         struct pen_err *err)
{
    char words[CALL_PATH_MAX + 128];
    (void)snprintf(words, sizeof(words), "%.*s (the user needs the permission %s)",
                   (int)CALL_PATH_MAX, what, permission);
    const bool is_denied = caller->post.status == 401 || caller->post.status == 403;
    return call_refused(caller, is_denied ? words : what, err);
}

pen_status setup_enter(struct caller *caller, pen_slice *version, bool *is_opensearch,
                       struct pen_err *err)
{
    caller->filter = PEN_SLICE_LIT("version.distribution,version.number,error,status");
    PEN_TRY(call_wait(caller, "GET", "/", (pen_slice){0}, err));
    if (caller->post.status != 200) {
        return setup_refused(caller, "it does not let us in", "cluster:monitor/main", err);
    }
    const pen_slice answer = call_answer(caller);
    *version = word_after(answer, PEN_SLICE_LIT("\"number\""));
    *is_opensearch = pen_slice_eq(word_after(answer, PEN_SLICE_LIT("\"distribution\"")),
                                  PEN_SLICE_LIT("opensearch"));
    return PEN_OK;
}

/* Whether a template gives indices of this name their types: any does, also one of the user's. */
static pen_status is_covered(struct caller *caller, const char *index, bool *is,
                             struct pen_err *err)
{
    char path[CALL_PATH_MAX];
    (void)snprintf(path, sizeof(path), "/_index_template/_simulate_index/%s", index);
    caller->filter = PEN_SLICE_LIT(TYPES);
    PEN_TRY(call_wait(caller, "POST", path, (pen_slice){0}, err));
    if (caller->post.status != 200) {
        return setup_refused(caller, "templates cannot be asked for",
                             "indices:admin/index_template/simulate_index", err);
    }
    *is = pen_slice_find(call_answer(caller), PEN_SLICE_LIT("\"@timestamp\"")) != SIZE_MAX;
    return PEN_OK;
}

pen_status setup_has_alias(struct caller *caller, pen_slice name, bool *has, struct pen_err *err)
{
    char path[CALL_PATH_MAX];
    char wanted[PEN_SINK_NAME_MAX + 3];
    (void)snprintf(path, sizeof(path), "/_resolve/index/%.*s", PEN_SLICE_FMT(name));
    (void)snprintf(wanted, sizeof(wanted), "\"%.*s\"", PEN_SLICE_FMT(name));
    caller->filter = PEN_SLICE_LIT("aliases.name,data_streams.name,error,status");
    PEN_TRY(call_wait(caller, "GET", path, (pen_slice){0}, err));
    *has = false;
    if (caller->post.status == 404) {
        return PEN_OK;
    }
    if (caller->post.status != 200) {
        return setup_refused(caller, path, "indices:admin/resolve/index", err);
    }
    *has = pen_slice_find(call_answer(caller), pen_slice_str(wanted)) != SIZE_MAX;
    return PEN_OK;
}

/* A template of a user's type is there by its name: what it says is for `sink setup` to see. */
static pen_status own_check(struct caller *caller, pen_slice name, bool *is_ready,
                            struct pen_err *err)
{
    char path[CALL_PATH_MAX];
    (void)snprintf(path, sizeof(path), "/_index_template/penstock-own-%.*s", PEN_SLICE_FMT(name));
    caller->filter = PEN_SLICE_LIT("index_templates.name,error,status");
    PEN_TRY(call_wait(caller, "GET", path, (pen_slice){0}, err));
    *is_ready = caller->post.status != 404;
    return caller->post.status == 404 || caller->post.status == 200
               ? PEN_OK
               : setup_refused(caller, path, "indices:admin/index_template/get", err);
}

static pen_status names_check(struct caller *caller, const struct pen_sink_rolled *rolled,
                              bool *is_ready, struct pen_err *err)
{
    for (uint32_t i = 0; i < rolled->other_count && *is_ready; i++) {
        char index[PEN_SINK_NAME_MAX + 16];
        (void)snprintf(index, sizeof(index), "%.*s-2000-01", PEN_SLICE_FMT(rolled->others[i]));
        PEN_TRY(is_covered(caller, index, is_ready, err));
    }
    for (uint32_t i = 0; i < rolled->own_count && *is_ready; i++) {
        PEN_TRY(own_check(caller, rolled->owns[i], is_ready, err));
    }
    for (uint32_t i = 0; i < rolled->count && *is_ready; i++) {
        PEN_TRY(setup_has_alias(caller, rolled->names[i], is_ready, err));
    }
    return PEN_OK;
}

static pen_status check(struct caller *caller, const struct pen_sink_rolled *rolled, bool *is_ready,
                        struct pen_err *err)
{
    static const char *const indices[] = {"log-aws-cloudtrail-2000-01", "log-any-2000-01",
                                          "penstock-signals-2000-01"};
    pen_slice version;
    bool is_opensearch;
    PEN_TRY(setup_enter(caller, &version, &is_opensearch, err));
    *is_ready = true;
    for (size_t i = 0; i < PEN_COUNT(indices) && *is_ready; i++) {
        PEN_TRY(is_covered(caller, indices[i], is_ready, err));
    }
    return *is_ready ? names_check(caller, rolled, is_ready, err) : PEN_OK;
}

/*
 * Serverless knows neither the root nor templates of ours, and tells the type of a collection by
 * another service only.  A document that must go to an alias, and to one that is not there, is
 * refused by all; by those that take no ids, for its id.
 */
static pen_status serverless_check(struct caller *caller, struct pen_err *err)
{
    const pen_slice question = PEN_SLICE_LIT(
        "{\"create\":{\"_index\":\"penstock-probe\",\"_id\":\"probe\",\"require_alias\":true}}\n"
        "{}\n");
    PEN_TRY(call_wait(caller, "POST", "/_bulk", question, err));
    if (caller->post.status == 401 || caller->post.status == 403) {
        return setup_refused(caller, "it does not let us in", "aoss:WriteDocument", err);
    }
    if (pen_slice_find(call_answer(caller), PEN_SLICE_LIT(BULK_NO_IDS)) != SIZE_MAX) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                        "the opensearch sink: this collection takes no ids of documents (its type "
                        "is time series or vector search): what is sent twice would be there "
                        "twice.  Make one of type search");
    }
    return PEN_OK;
}

pen_status pen_sink_check(const struct pen_sink *sink, const struct pen_sink_rolled *rolled,
                          bool *is_ready, struct pen_err *err)
{
    struct caller caller;
    *is_ready = true;
    const bool is_serverless = sink_is_serverless(sink);
    pen_status st = caller_init(&caller, sink, err);
    if (is_serverless) {
        st = st == PEN_OK ? serverless_check(&caller, err) : st;
        caller_fini(&caller);
        return st;
    }
    st = st == PEN_OK ? check(&caller, rolled, is_ready, err) : st;
    caller_fini(&caller);
    return st;
}
