/* tested by tests/e2e/test_opensearch.py */
#include "sink_spec.h"

#include "cluster.h"

#include <stdio.h>

/* What the file says of a cluster; -1, or the exit code after words. */
static int config_take(const char *path, struct config *config)
{
    struct pen_replay_options ignored = {0};
    struct pen_buf problems;
    settings_defaults(&ignored);
    pen_buf_init(&problems, (size_t)1 << 20);
    const pen_status st = config_read(config, path, &ignored, &problems);
    if (st != PEN_OK) {
        (void)fwrite(problems.ptr, 1, problems.len, stderr);
    }
    pen_buf_fini(&problems);
    return st == PEN_OK ? -1 : 3;
}

/* Which cluster, from the command line and the file. */
static pen_status spec_make(const struct sink_choice *choice, const char *command,
                            const struct config *config, struct pen_sink_spec *out,
                            struct pen_err *err)
{
    enum pen_sink_kind kind = PEN_SINK_FILES;
    const char *urls = NULL;
    *out = config->cluster;
    if (choice->spec != NULL && strcmp(choice->spec, "opensearch:") != 0 &&
        strcmp(choice->spec, "opensearch") != 0) {
        const bool is_url =
            strncmp(choice->spec, "http://", 7) == 0 || strncmp(choice->spec, "https://", 8) == 0;
        PEN_TRY(is_url ? cluster_urls_check(choice->spec, err)
                       : config_sink_check(choice->spec, &kind, &urls, err));
        urls = is_url ? choice->spec : urls;
        const bool is_same = urls != NULL && out->urls != NULL && strcmp(urls, out->urls) == 0;
        *out = is_same ? *out : (struct pen_sink_spec){.urls = urls};
    }
    if (out->urls == NULL) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "%s takes opensearch:URL: of other sinks there is nothing to do", command);
    }
    out->ca_file = out->ca_file == NULL ? choice->ca : out->ca_file;
    return PEN_OK;
}

int sink_choose(const struct sink_choice *choice, const char *command, struct config *config,
                struct pen_sink_spec *out)
{
    struct pen_err err = {0};
    const int code = choice->config == NULL ? -1 : config_take(choice->config, config);
    if (code >= 0) {
        return code;
    }
    return spec_make(choice, command, config, out, &err) == PEN_OK ? -1 : cli_fail(&err);
}
