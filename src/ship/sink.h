/* sink.h - what bulk requests need to know of a cluster. */
#ifndef PEN_SHIP_SINK_H
#define PEN_SHIP_SINK_H

#include "penstock/net.h"
#include "penstock/ship.h"

/* Its texts live as long as the sink. */
struct pen_poster_options sink_poster(const struct pen_sink *sink, uint32_t in_flight_max,
                                      int64_t answer_ns);
/* How long to wait for where a node is; NULL: as pen_resolve_within has it. */
const struct pen_resolve_wait *sink_resolve(const struct pen_sink *sink);
/* The poster signs with the credentials that the sink got last. */
PEN_MUST_USE pen_status sink_sign(const struct pen_sink *sink, struct pen_poster *poster,
                                  struct pen_err *err);
bool sink_is_serverless(const struct pen_sink *sink);
uint32_t sink_node_count(const struct pen_sink *sink);

#endif
