/* tested by tests/e2e/test_sink_setup.py */
#include "sink_setup.h"

#include <stdio.h>

#define POLICY_PATH "/_plugins/_ism/policies/" SETUP_POLICY
#define ANSWER "acknowledged,_id,error,status"
#define NO_PLUGIN "the cluster has no Index State Management: roll over yourself"
#define TEMPLATE_MAX ((size_t)2048)
/* Above the templates of built-in types, below those of users; a name's own template goes behind
 * the one that tells of its alias. */
#define PRIORITY_ROLLED 9
#define PRIORITY_OWN 8
#define OWN_BYTES_MAX ((size_t)768 << 10) /* a template of a user and what stands around it */
/* Behind a name, the first digit of a period or number: so that the indices of app-shop, which has
 * a template of its own, are none of app's. */
#define PATTERNS "[\"%.*s-0*\",\"%.*s-1*\",\"%.*s-2*\"]"
#define PATTERNS_OF(name) PEN_SLICE_FMT(name), PEN_SLICE_FMT(name), PEN_SLICE_FMT(name)

static pen_status no_memory(struct pen_err *err)
{
    return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "the opensearch sink: out of memory");
}

/* ---- the policy ---- */

/* The number behind "name": in an answer, as it is written. */
static pen_slice number_after(pen_slice answer, pen_slice name)
{
    const size_t at = pen_slice_find(answer, name);
    if (at == SIZE_MAX) {
        return (pen_slice){0};
    }
    size_t begin = at + name.len;
    while (begin < answer.len && (answer.ptr[begin] == ':' || answer.ptr[begin] == ' ')) {
        begin++;
    }
    size_t end = begin;
    while (end < answer.len && answer.ptr[end] >= '0' && answer.ptr[end] <= '9') {
        end++;
    }
    return pen_slice_sub(answer, begin, end);
}

static pen_status policy_body(struct setup *setup, const char *digest)
{
    const struct pen_embedded *file = pen_sink_policies;
    setup->body.len = 0;
    PEN_TRY(pen_buf_printf(&setup->body,
                           "{\"policy\":{\"description\":\"Rolls over the aliases of penstock (%s)"
                           "\",",
                           digest));
    PEN_TRY(pen_buf_add(&setup->body, (pen_slice){file->text + 1, file->len - 1}));
    return pen_buf_add_byte(&setup->body, '}');
}

/* version: that of the policy that is there, in the caller's answer; empty: none is. */
static pen_status policy_put(struct setup *setup, const char *digest, const pen_slice version[2],
                             struct pen_err *err)
{
    char texts[2][24];
    struct caller *caller = &setup->caller;
    const bool is_change = version[0].len > 0;
    for (size_t i = 0; i < 2; i++) { /* the answer is written over */
        (void)snprintf(texts[i], sizeof(texts[i]), "%.*s", PEN_SLICE_FMT(version[i]));
    }
    if (policy_body(setup, digest) != PEN_OK) {
        return no_memory(err);
    }
    caller->filter = PEN_SLICE_LIT(ANSWER);
    caller->only_seq = is_change ? pen_slice_str(texts[0]) : (pen_slice){0};
    caller->only_term = is_change ? pen_slice_str(texts[1]) : (pen_slice){0};
    const pen_status st = call_wait(caller, "PUT", POLICY_PATH, pen_buf_slice(&setup->body), err);
    caller->only_seq = caller->only_term = (pen_slice){0};
    PEN_TRY(st);
    if (caller->post.status != 200 && caller->post.status != 201) {
        return setup_refused(caller, POLICY_PATH, "cluster:admin/opendistro/ism/policy/write", err);
    }
    setup_tell(setup, POLICY_PATH, is_change ? PEN_SINK_CHANGED : PEN_SINK_PUT, "");
    return PEN_OK;
}

static pen_status policy(struct setup *setup, struct pen_err *err)
{
    char digest[SETUP_DIGEST];
    struct caller *caller = &setup->caller;
    const struct pen_embedded *file = pen_sink_policies;
    pen_hash128_hex(pen_hash128((pen_slice){file->text, file->len}, 0), digest);
    caller->filter = (pen_slice){0};
    PEN_TRY(call_wait(caller, "GET", POLICY_PATH, (pen_slice){0}, err));
    const pen_slice answer = call_answer(caller);
    if (caller->post.status == 400 || caller->post.status == 405 ||
        (caller->post.status == 404 &&
         pen_slice_find(answer, PEN_SLICE_LIT("olicy not found")) == SIZE_MAX)) {
        setup_tell(setup, POLICY_PATH, PEN_SINK_SKIPPED, NO_PLUGIN);
        return PEN_OK;
    }
    setup->has_ism = true;
    if (caller->post.status == 404) {
        return policy_put(setup, digest, (const pen_slice[2]){{0}, {0}}, err);
    }
    if (caller->post.status != 200) {
        return setup_refused(caller, POLICY_PATH, "cluster:admin/opendistro/ism/policy/get", err);
    }
    if (pen_slice_find(answer, pen_slice_str(digest)) != SIZE_MAX) {
        setup_tell(setup, POLICY_PATH, PEN_SINK_THERE, "");
        return PEN_OK;
    }
    return policy_put(
        setup, digest,
        (const pen_slice[2]){number_after(answer, PEN_SLICE_LIT("\"_seq_no\"")),
                             number_after(answer, PEN_SLICE_LIT("\"_primary_term\""))},
        err);
}

/* ---- names that are rolled over ---- */

/* The built-in component of a name: the longest one that it begins with, "" when there is none. */
static void component_of(pen_slice name, char out[CALL_PATH_MAX])
{
    size_t best = strlen("log");
    out[0] = '\0';
    for (const struct pen_embedded *file = pen_sink_templates; file->name != NULL; file++) {
        const char *dash = strchr(file->name, '-');
        const pen_slice own = {(const uint8_t *)dash + 1, strlen(dash + 1) - strlen(".json")};
        const bool is_own =
            pen_slice_starts(name, own) && (name.len == own.len || name.ptr[own.len] == '-');
        if (strncmp(file->name, "component-", 10) == 0 && is_own && own.len > best) {
            best = own.len;
            (void)snprintf(out, CALL_PATH_MAX, ",\"penstock-%.*s\"", PEN_SLICE_FMT(own));
        }
    }
}

static bool has_own(const struct pen_sink_rolled *rolled, pen_slice name)
{
    for (uint32_t i = 0; i < rolled->own_count; i++) {
        if (pen_slice_eq(rolled->owns[i], name)) {
            return true;
        }
    }
    return false;
}

/* A JSON list of what gives the indices of a name their fields: what comes later wins. */
static pen_status components_add(struct pen_buf *out, const struct pen_sink_rolled *rolled,
                                 pen_slice name)
{
    char component[CALL_PATH_MAX];
    component_of(name, component);
    PEN_TRY(pen_buf_printf(out, "[\"penstock-log\"%s", component));
    PEN_TRY(has_own(rolled, name)
                ? pen_buf_printf(out, ",\"penstock-own-%.*s\"", PEN_SLICE_FMT(name))
                : PEN_OK);
    return pen_buf_add_byte(out, ']');
}

/* Indices behind the alias are told which alias it is that rolls. */
static pen_status name_template(struct setup *setup, const struct pen_sink_rolled *rolled,
                                pen_slice name, struct pen_err *err)
{
    char path[CALL_PATH_MAX];
    struct pen_buf text;
    pen_buf_init(&text, TEMPLATE_MAX);
    (void)snprintf(path, sizeof(path), "/_index_template/penstock-rollover-%.*s",
                   PEN_SLICE_FMT(name));
    pen_status st =
        pen_buf_printf(&text,
                       "{\"version\":1,\"index_patterns\":[\"%.*s-0*\"],\"priority\":%d,"
                       "\"template\":{\"settings\":{"
                       "\"plugins.index_state_management.rollover_alias\":\"%.*s\"}},"
                       "\"composed_of\":",
                       PEN_SLICE_FMT(name), PRIORITY_ROLLED, PEN_SLICE_FMT(name));
    st = st == PEN_OK ? components_add(&text, rolled, name) : st;
    st = st == PEN_OK ? pen_buf_add_byte(&text, '}') : st;
    st = st == PEN_OK ? setup_template(setup, path, pen_buf_slice(&text), err) : no_memory(err);
    pen_buf_fini(&text);
    return st;
}

static pen_status name_first(struct setup *setup, pen_slice name, struct pen_err *err)
{
    char path[CALL_PATH_MAX];
    bool has = false;
    struct caller *caller = &setup->caller;
    (void)snprintf(path, sizeof(path), "/%.*s-000001", PEN_SLICE_FMT(name));
    PEN_TRY(setup_has_alias(caller, name, &has, err));
    if (has) {
        setup_tell(setup, path, PEN_SINK_THERE, "");
        return PEN_OK;
    }
    setup->body.len = 0;
    if (pen_buf_printf(&setup->body, "{\"aliases\":{\"%.*s\":{\"is_write_index\":true}}}",
                       PEN_SLICE_FMT(name)) != PEN_OK) {
        return no_memory(err);
    }
    caller->filter = PEN_SLICE_LIT(ANSWER);
    PEN_TRY(call_wait(caller, "PUT", path, pen_buf_slice(&setup->body), err));
    if (caller->post.status != 200) {
        return setup_refused(caller, path, "indices:admin/create and indices:admin/aliases", err);
    }
    setup_tell(setup, path, PEN_SINK_PUT, "");
    return PEN_OK;
}

/* ---- templates of users' types ---- */

/* What the user's type says, as a component. */
static pen_status own_component(struct setup *setup, pen_slice name, pen_slice body,
                                struct pen_err *err)
{
    char path[CALL_PATH_MAX];
    struct pen_buf text;
    pen_buf_init(&text, OWN_BYTES_MAX);
    (void)snprintf(path, sizeof(path), "/_component_template/penstock-own-%.*s",
                   PEN_SLICE_FMT(name));
    pen_status st = pen_buf_add(&text, PEN_SLICE_LIT("{\"version\":1,\"template\":"));
    st = st == PEN_OK ? pen_buf_add(&text, body) : st;
    st = st == PEN_OK ? pen_buf_add_byte(&text, '}') : st;
    st = st == PEN_OK ? setup_template(setup, path, pen_buf_slice(&text), err) : no_memory(err);
    pen_buf_fini(&text);
    return st;
}

/* Indices that are no log-*, or have fields of their own: the fields of documents all the same. */
static pen_status own_template(struct setup *setup, const struct pen_sink_rolled *rolled,
                               pen_slice name, struct pen_err *err)
{
    char path[CALL_PATH_MAX];
    struct pen_buf text;
    pen_buf_init(&text, TEMPLATE_MAX);
    (void)snprintf(path, sizeof(path), "/_index_template/penstock-own-%.*s", PEN_SLICE_FMT(name));
    pen_status st = pen_buf_printf(
        &text, "{\"version\":1,\"index_patterns\":" PATTERNS ",\"priority\":%d,\"composed_of\":",
        PATTERNS_OF(name), PRIORITY_OWN);
    st = st == PEN_OK ? components_add(&text, rolled, name) : st;
    st = st == PEN_OK ? pen_buf_add_byte(&text, '}') : st;
    st = st == PEN_OK ? setup_template(setup, path, pen_buf_slice(&text), err) : no_memory(err);
    pen_buf_fini(&text);
    return st;
}

static pen_status owns_put(struct setup *setup, const struct pen_sink_rolled *rolled,
                           struct pen_err *err)
{
    pen_status st = PEN_OK;
    for (uint32_t i = 0; i < rolled->own_count && st == PEN_OK; i++) {
        st = own_template(setup, rolled, rolled->owns[i], err);
    }
    for (uint32_t i = 0; i < rolled->other_count && st == PEN_OK; i++) {
        st = has_own(rolled, rolled->others[i])
                 ? PEN_OK
                 : own_template(setup, rolled, rolled->others[i], err);
    }
    return st;
}

/* ---- all of it ---- */

static pen_status names_check(const pen_slice *names, uint32_t count, struct pen_err *err)
{
    for (uint32_t i = 0; i < count; i++) {
        if (names[i].len > PEN_SINK_NAME_MAX) {
            return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                            "the opensearch sink: the index name %.*s is longer than %u bytes",
                            PEN_SLICE_FMT(names[i]), PEN_SINK_NAME_MAX);
        }
    }
    return PEN_OK;
}

static pen_status components_put(struct setup *setup, const struct pen_sink_rolled *rolled,
                                 struct pen_err *err)
{
    pen_status st = PEN_OK;
    for (uint32_t i = 0; i < rolled->own_count && st == PEN_OK; i++) {
        st = own_component(setup, rolled->owns[i], rolled->own_bodies[i], err);
    }
    return st;
}

/* The order makes room for priorities that an earlier build gave: rolled names first. */
pen_status setup_rollover(struct setup *setup, const struct pen_sink_rolled *rolled,
                          struct pen_err *err)
{
    PEN_TRY(names_check(rolled->names, rolled->count, err));
    PEN_TRY(names_check(rolled->others, rolled->other_count, err));
    PEN_TRY(names_check(rolled->owns, rolled->own_count, err));
    PEN_TRY(components_put(setup, rolled, err));
    PEN_TRY(policy(setup, err));
    pen_status st = PEN_OK;
    for (uint32_t i = 0; setup->has_ism && i < rolled->count && st == PEN_OK; i++) {
        st = name_template(setup, rolled, rolled->names[i], err);
    }
    st = st == PEN_OK ? owns_put(setup, rolled, err) : st;
    for (uint32_t i = 0; i < rolled->count && st == PEN_OK; i++) {
        st = name_first(setup, rolled->names[i], err);
    }
    return st;
}
