/* node_region.h - where this runs: what a bucket elsewhere sends is paid for. */
#ifndef PEN_NODE_NODE_REGION_H
#define PEN_NODE_NODE_REGION_H

#include "planner.h"

/*
 * node_region_find - the region of node.region, else of the environment, the default profile or the
 * instance: not that of a source.  "" when nothing tells, and when no source is a bucket.
 *
 * given  node.region; "": not set
 * Returns  PEN_OK | PEN_E_USAGE: given is no region
 */
PEN_MUST_USE pen_status node_region_find(const struct planner *planner, const char *given,
                                         char out[PEN_REGION_MAX], struct pen_err *err);

#endif
