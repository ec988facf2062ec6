/* tested by tests/e2e/test_sink_setup.py */
#include "sink_setup.h"

#include <stdio.h>

#define BODY_MAX ((size_t)1 << 20)
#define COMPONENTS "component_templates.name,component_templates.component_template._meta"
#define INDICES "index_templates.name,index_templates.index_template._meta"
#define ANSWER "acknowledged,error,status"
/* Elasticsearch that has templates composed of components; any OpenSearch has. */
#define ELASTIC_MAJOR 7U
#define ELASTIC_MINOR 8U

void setup_tell(const struct setup *setup, const char *path, enum pen_sink_state state,
                const char *why)
{
    const struct pen_sink_part part = {.path = path, .state = state, .why = why};
    if (setup->told != NULL) {
        setup->told(&part);
    }
}

/* ---- what is there ---- */

static pen_status version_check(struct caller *caller, struct pen_err *err)
{
    pen_slice version;
    bool is_opensearch;
    uint64_t major = 0;
    uint64_t minor = 0;
    PEN_TRY(setup_enter(caller, &version, &is_opensearch, err));
    const size_t dot = pen_slice_find(version, PEN_SLICE_LIT("."));
    if (is_opensearch || dot == SIZE_MAX) {
        return PEN_OK; /* what does not say its version has to show what it can */
    }
    const pen_slice rest = pen_slice_sub(version, dot + 1, version.len);
    const size_t end = pen_slice_find(rest, PEN_SLICE_LIT("."));
    if (pen_parse_u64(pen_slice_sub(version, 0, dot), &major) &&
        pen_parse_u64(pen_slice_sub(rest, 0, end == SIZE_MAX ? rest.len : end), &minor) &&
        (major < ELASTIC_MAJOR || (major == ELASTIC_MAJOR && minor < ELASTIC_MINOR))) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                        "the opensearch sink: Elasticsearch %.*s has no templates that are "
                        "composed of components: OpenSearch, or Elasticsearch 7.8, is wanted",
                        PEN_SLICE_FMT(version));
    }
    return PEN_OK;
}

static pen_status list(struct setup *setup, const char *path, pen_slice filter,
                       const char *permission, struct pen_err *err)
{
    struct caller *caller = &setup->caller;
    caller->filter = filter;
    PEN_TRY(call_wait(caller, "GET", path, (pen_slice){0}, err));
    if (caller->post.status == 404) {
        return PEN_OK; /* none is there */
    }
    if (caller->post.status != 200 || caller->post.is_cut) {
        return setup_refused(caller, path, permission, err);
    }
    PEN_TRY(pen_buf_add(&setup->there, PEN_SLICE_LIT("\n"))); /* the two kinds apart */
    return pen_buf_add(&setup->there, call_answer(caller));
}

/* ---- templates ---- */

/* Where the list of this kind of templates tells of one: from its name to the next; {0}: it is
 * not there.  Components are listed first. */
static pen_slice entry_of(const struct setup *setup, const char *path)
{
    char name[CALL_PATH_MAX];
    const pen_slice all = pen_buf_slice(&setup->there);
    const bool is_component = path[2] == 'c';
    const size_t kind = pen_slice_find(all, is_component ? PEN_SLICE_LIT("\"component_templates\"")
                                                         : PEN_SLICE_LIT("\"index_templates\""));
    (void)snprintf(name, sizeof(name), "\"%s\"", strrchr(path, '/') + 1);
    if (kind == SIZE_MAX) {
        return (pen_slice){0};
    }
    pen_slice rest = pen_slice_sub(all, kind, all.len);
    const size_t line = pen_slice_find(rest, PEN_SLICE_LIT("\n"));
    rest = pen_slice_sub(rest, 0, line == SIZE_MAX ? rest.len : line);
    const size_t at = pen_slice_find(rest, pen_slice_str(name));
    if (at == SIZE_MAX) {
        return (pen_slice){0};
    }
    rest = pen_slice_sub(rest, at + strlen(name), rest.len);
    const size_t next = pen_slice_find(rest, PEN_SLICE_LIT("\"name\""));
    return pen_slice_sub(rest, 0, next == SIZE_MAX ? rest.len : next);
}

/* The digest of the text goes with it, and tells the next setup what is there. */
pen_status setup_template(struct setup *setup, const char *path, pen_slice text,
                          struct pen_err *err)
{
    char digest[SETUP_DIGEST];
    struct caller *caller = &setup->caller;
    const bool is_component = path[2] == 'c';
    PEN_CHECK(text.len > 0 && text.ptr[0] == '{');
    pen_hash128_hex(pen_hash128(text, 0), digest);
    if (pen_slice_find(entry_of(setup, path), pen_slice_str(digest)) != SIZE_MAX) {
        setup_tell(setup, path, PEN_SINK_THERE, "");
        return PEN_OK;
    }
    setup->body.len = 0;
    if (pen_buf_printf(&setup->body, "{\"_meta\":{\"penstock\":\"%s\"},", digest) != PEN_OK ||
        pen_buf_add(&setup->body, pen_slice_sub(text, 1, text.len)) != PEN_OK) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "the opensearch sink: out of memory");
    }
    caller->filter = PEN_SLICE_LIT(ANSWER);
    PEN_TRY(call_wait(caller, "PUT", path, pen_buf_slice(&setup->body), err));
    if (caller->post.status != 200) {
        return setup_refused(caller, path,
                             is_component ? "cluster:admin/component_template/put"
                                          : "indices:admin/index_template/put",
                             err);
    }
    setup_tell(setup, path, entry_of(setup, path).ptr != NULL ? PEN_SINK_CHANGED : PEN_SINK_PUT,
               "");
    return PEN_OK;
}

/* "component-log.json" to "/_component_template/penstock-log". */
static void template_path(const char *file, char path[CALL_PATH_MAX])
{
    const bool is_component = strncmp(file, "component-", 10) == 0;
    const char *name = strchr(file, '-') + 1;
    (void)snprintf(path, CALL_PATH_MAX, "/_%s_template/penstock-%.*s",
                   is_component ? "component" : "index", (int)(strlen(name) - strlen(".json")),
                   name);
}

static pen_status put_all(struct setup *setup, const struct pen_sink_rolled *rolled,
                          struct pen_err *err)
{
    PEN_TRY(version_check(&setup->caller, err));
    PEN_TRY(list(setup, "/_component_template/penstock-*", PEN_SLICE_LIT(COMPONENTS),
                 "cluster:admin/component_template/get", err));
    PEN_TRY(list(setup, "/_index_template/penstock-*", PEN_SLICE_LIT(INDICES),
                 "indices:admin/index_template/get", err));
    for (const struct pen_embedded *file = pen_sink_templates; file->name != NULL; file++) {
        char path[CALL_PATH_MAX];
        template_path(file->name, path);
        PEN_TRY(setup_template(setup, path, (pen_slice){file->text, file->len}, err));
    }
    return setup_rollover(setup, rolled, err);
}

pen_status pen_sink_setup(const struct pen_sink *sink, const struct pen_sink_rolled *rolled,
                          pen_sink_told_fn *told, struct pen_err *err)
{
    struct setup setup = {.told = told};
    pen_buf_init(&setup.there, BODY_MAX);
    pen_buf_init(&setup.body, BODY_MAX);
    pen_status st = caller_init(&setup.caller, sink, err);
    st = st == PEN_OK ? put_all(&setup, rolled, err) : st;
    caller_fini(&setup.caller);
    pen_buf_fini(&setup.there);
    pen_buf_fini(&setup.body);
    return st;
}
