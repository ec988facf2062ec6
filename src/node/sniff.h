/* sniff.h - what the first bytes of an object tell of it. */
#ifndef PEN_NODE_SNIFF_H
#define PEN_NODE_SNIFF_H

#include "penstock/base.h"

#define SNIFF_BYTES 16384U /* of an object that are looked at */

/* CloudTrail records, or an answer of lookup-events, which holds each record as a text; is_whole:
 * head is all of the object, which may then also be a list or an answer without any event. */
bool sniff_is_cloudtrail(pen_slice head, bool is_whole);
/* Envelopes of a subscription of CloudWatch Logs: objects that begin as they do, with a list of
 * events. */
bool sniff_is_cloudwatch(pen_slice head);
/* A line of an export task of CloudWatch Logs: a time of SNIFF_STAMP_BYTES, a blank, the message.
 */
#define SNIFF_STAMP_BYTES 24U
bool sniff_is_export(pen_slice head);
/* A key as an export task makes them: PREFIX/TASK/STREAM/000000.gz, the task as a UUID. */
bool sniff_is_export_key(pen_slice key);
/* Records of containers, which FireLens wraps: objects with a log and where it comes from. */
bool sniff_is_firelens(pen_slice head);
/* Events of EventBridge. */
bool sniff_is_event(pen_slice head);
/* The type of log that these first bytes plainly are, of those whose first line tells it: flow logs
 * by their names of columns, load balancers; or NULL. */
const char *sniff_text_type(pen_slice head);
/* A flow log record of version 2, as CloudWatch Logs has them, without names of columns. */
bool sniff_is_flow_record(pen_slice line);
/* The hashes of delivered log files, which CloudTrail signs; there may be none. */
bool sniff_is_digest(pen_slice head);
/*
 * sniff_is_json - false, with a reason and an offset in head, when bytes are plainly no JSON: more
 * than a few control characters, or SNIFF_BYTES in which no object and no list begins.
 *
 * Bytes that merely hold mistakes pass, and so do a few lines of text.  Cost: a few bytes of what
 * is JSON, all of what is not.
 */
bool sniff_is_json(pen_slice head, struct pen_err *err);

/* A file of Parquet: its mark, and no text behind it. */
bool sniff_is_parquet(pen_slice head);
/* Why an object of no log type is not read: it is Parquet, by its content or by its key, or nothing
 * that is known. */
const char *sniff_unknown_reason(bool is_parquet, pen_slice key);

#endif
