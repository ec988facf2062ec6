/* sink_spec.h - which cluster a command is for: SPEC, --config and --ca. */
#ifndef PEN_CLI_SINK_SPEC_H
#define PEN_CLI_SINK_SPEC_H

#include "config.h"

struct sink_choice {  /* of the command line; NULL: not given */
    const char *spec; /* "opensearch:URL[,URL]", a URL, or "opensearch:" for that of the file */
    const char *config, *ca;
};
/*
 * sink_choose - the cluster that is meant, with who asks and what is trusted.
 *
 * command  named in errors
 * config   initialised; its texts are borrowed by out
 * Returns  -1, or the exit code after words on stderr
 */
PEN_MUST_USE int sink_choose(const struct sink_choice *choice, const char *command,
                             struct config *config, struct pen_sink_spec *out);

#endif
