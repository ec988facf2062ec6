/* sink_setup.h - what the files that make a cluster ready share. */
#ifndef PEN_SHIP_SINK_SETUP_H
#define PEN_SHIP_SINK_SETUP_H

#include "penstock/embed.h"

#include "sink_call.h"

#define SETUP_DIGEST 33U /* with its NUL */
#define SETUP_POLICY "penstock-rollover"

/* component-X.json and index-X.json: templates of their names. */
extern const struct pen_embedded pen_sink_templates[];
/* The policy of rollover, without its description. */
extern const struct pen_embedded pen_sink_policies[];

struct setup { /* of one cluster, until setup_fini */
    struct caller caller;
    struct pen_buf there; /* of its templates of our names: names, and digests of their texts */
    struct pen_buf body;
    pen_sink_told_fn *told;
    bool has_ism;
};

/* Whether the cluster lets us in; *version lies in the caller's answer. */
PEN_MUST_USE pen_status setup_enter(struct caller *caller, pen_slice *version, bool *is_opensearch,
                                    struct pen_err *err);
/* The caller's answer is no good: err names what for and the permission that is wanted, which is
 * what is missing when the answer is 403. */
PEN_MUST_USE pen_status setup_refused(struct caller *caller, const char *what,
                                      const char *permission, struct pen_err *err);
/* A template of a JSON object, unless the same is there. */
PEN_MUST_USE pen_status setup_template(struct setup *setup, const char *path, pen_slice text,
                                       struct pen_err *err);
void setup_tell(const struct setup *setup, const char *path, enum pen_sink_state state,
                const char *why);
/* Whether an alias or data stream of that name is there. */
PEN_MUST_USE pen_status setup_has_alias(struct caller *caller, pen_slice name, bool *has,
                                        struct pen_err *err);
/* Policy, templates and first indices of names that are rolled over. */
PEN_MUST_USE pen_status setup_rollover(struct setup *setup, const struct pen_sink_rolled *rolled,
                                       struct pen_err *err);

#endif
