/* tested by tests/e2e/test_s3_plan.py */
#include "node_region.h"

_Static_assert(PEN_REGION_MAX >= PEN_SIGV4_SCOPE_MAX, "regions");

static void region_ask(char out[PEN_REGION_MAX])
{
    const struct pen_credential_options none = {0};
    struct pen_credential_chain *chain = NULL;
    pen_slice region;
    if (pen_credential_chain_new(&chain, &none, NULL) != PEN_OK) {
        return;
    }
    if (pen_region_of(chain, &region, NULL) == PEN_OK && region.len < PEN_REGION_MAX) {
        memcpy(out, region.ptr, region.len);
    }
    pen_credential_chain_free(chain);
}

pen_status node_region_find(const struct planner *planner, const char *given,
                            char out[PEN_REGION_MAX], struct pen_err *err)
{
    memset(out, 0, PEN_REGION_MAX);
    if (planner->bucket_count == 0) {
        return PEN_OK;
    }
    if (given[0] == '\0') {
        region_ask(out);
        return PEN_OK;
    }
    struct pen_s3_endpoint somewhere = *bucket_endpoint(planner->buckets[0]);
    if (pen_s3_endpoint_move(&somewhere, pen_slice_str(given), NULL) != PEN_OK) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "node.region: `%.64s` is no region",
                        given);
    }
    memcpy(out, somewhere.region, sizeof(somewhere.region));
    return PEN_OK;
}
