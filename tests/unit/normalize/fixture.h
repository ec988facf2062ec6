/*
 * fixture.h - the CloudTrail type as a table and one record through walker and normalizer, for the
 * unit tests of normalize.
 */
#ifndef PEN_TEST_NORMALIZE_FIXTURE_H
#define PEN_TEST_NORMALIZE_FIXTURE_H

#include "penstock/normalize.h"

/* cmocka.h needs the standard headers before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
/* clang-format on */

#define S(text)                                   \
    {                                             \
        (const uint8_t *)(text), sizeof(text) - 1 \
    }
#define MAP(name, collects, ...)                                                      \
    {                                                                                 \
        .ecs = S(name), .sources = (const pen_slice[]){__VA_ARGS__},                  \
        .source_count = sizeof((const pen_slice[]){__VA_ARGS__}) / sizeof(pen_slice), \
        .collect = (collects)                                                         \
    }

static const struct pen_map_entry trail_map[] = {
    MAP("cloud.account.id", false, S("recipientAccountId")),
    MAP("cloud.instance.id", false, S("requestParameters.instanceId"),
        S("responseElements.instancesSet.items.0.instanceId"),
        S("requestParameters.instancesSet.items.0.instanceId"),
        S("requestParameters.DescribeInstanceCreditSpecificationsRequest.InstanceId.content"),
        S("requestParameters.AssociateIamInstanceProfileRequest.InstanceId")),
    MAP("cloud.region", false, S("awsRegion")),
    MAP("error.code", false, S("errorCode")),
    MAP("error.message", false, S("errorMessage")),
    MAP("event.action", false, S("eventName")),
    MAP("event.module", false, S("eventSource")),
    MAP("related.ip", true, S("sourceIPAddress")),
    MAP("rule.name", false, S("eventName")),
    MAP("source.address", false, S("sourceIPAddress")),
    MAP("source.ip", false, S("sourceIPAddress")),
    MAP("user.id", false, S("userIdentity.accessKeyId")),
    MAP("user.name", false, S("userIdentity.userName"), S("userIdentity.arn"),
        S("userIdentity.principalId")),
    MAP("user_agent.original", false, S("userAgent")),
};
static const struct pen_static_entry trail_statics[] = {
    {S("event.kind"), S("\"event\"")},
    {S("event.category"), S("[\"iam\"]")},
};
static const pen_slice trail_to_text[] = {
    S("additionalEventData.requestParameters"),
    S("requestParameters.attribute"),
    S("requestParameters.authParameters"),
    S("requestParameters.bucketPolicy.Statement"),
    S("requestParameters.content"),
    S("requestParameters.DescribeFlowLogsRequest"),
    S("requestParameters.description"),
    S("requestParameters.ebsOptimized"),
    S("requestParameters.filter"),
    S("requestParameters.iamInstanceProfile"),
    S("requestParameters.imageId"),
    S("requestParameters.instanceType"),
    S("requestParameters.partitionInputList"),
    S("requestParameters.principal"),
    S("requestParameters.result"),
    S("requestParameters.resource"),
    S("requestParameters.schedule"),
    S("requestParameters.scope"),
    S("requestParameters.sort"),
    S("requestParameters.sortBy"),
    S("requestParameters.source"),
    S("requestParameters.status"),
    S("requestParameters.subnets"),
    S("requestParameters.tableInput.parameters"),
    S("requestParameters.target"),
    S("responseElements.dBSubnetGroup"),
    S("responseElements.data"),
    S("responseElements.description"),
    S("responseElements.endpoint"),
    S("responseElements.imageId"),
    S("responseElements.result"),
    S("responseElements.role"),
    S("responseElements.subnets"),
    S("serviceEventDetails.eventRequestDetails"),
};
static const pen_slice trail_identity[] = {
    S("userIdentity.sessionContext.sessionIssuer.arn"),
    S("userIdentity.arn"),
    S("userIdentity.principalId"),
    S("userIdentity.invokedBy"),
};
static const struct pen_type trail_type = {
    .name = S("cloudtrail"),
    .array_key = S("Records"),
    .times = (const pen_slice[]){S("eventTime")},
    .time_count = 1,
    .id_key = S("eventID"),
    .index_name = S("log-aws-cloudtrail"),
    .script = S("cloudtrail"),
    .map = trail_map,
    .map_count = PEN_COUNT(trail_map),
    .statics = trail_statics,
    .static_count = PEN_COUNT(trail_statics),
    .to_text = trail_to_text,
    .to_text_count = PEN_COUNT(trail_to_text),
    .identity = trail_identity,
    .identity_count = PEN_COUNT(trail_identity),
};
static const struct pen_type json_type = {.name = S("json"), .index_name = S("log-json")};

/* One pass at most: schema, then names, then records. */
struct fixture {
    struct pen_schema *schema;
    struct pen_normalizer *normalizer;
    struct pen_walker *walker;
    struct pen_record record;
    struct pen_object_info object;
    struct pen_doc doc;
    struct pen_err err;
    uint8_t *padded;
    char source[1 << 19];
};

static inline struct fixture *fixture_new(const struct pen_type *type)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    assert_int_equal(pen_schema_new(type, &f->schema, &f->err), PEN_OK);
    f->object.bucket = PEN_SLICE_LIT("b");
    f->object.key = PEN_SLICE_LIT("k");
    return f;
}

static inline void fixture_seal(struct fixture *f)
{
    const struct pen_walker_options options = {
        .window_bytes_max = 1 << 22, .record_bytes_max = 1 << 22, .want_copy = true};
    pen_schema_seal(f->schema);
    assert_int_equal(pen_walker_new(pen_schema_plan(f->schema), &options, &f->walker, &f->err),
                     PEN_OK);
    assert_int_equal(pen_normalizer_new(f->schema, &f->normalizer, &f->err), PEN_OK);
}

/* The document as a C string in f->source; the status of pen_normalize. */
static inline pen_status fixture_run(struct fixture *f, pen_slice raw)
{
    if (f->walker == NULL) {
        fixture_seal(f);
    }
    free(f->padded);
    f->padded = calloc(1, raw.len + PEN_JSON_PADDING);
    assert_non_null(f->padded);
    memcpy(f->padded, raw.ptr, raw.len);
    assert_int_equal(
        pen_walker_one(f->walker, (pen_slice){f->padded, raw.len}, &f->record, &f->err),
        PEN_NEXT_RECORD);
    const pen_status status =
        pen_normalize(f->normalizer, f->walker, &f->record, &f->object, true, &f->doc, &f->err);
    assert_true(f->doc.source.len < sizeof(f->source));
    if (f->doc.source.len > 0) {
        memcpy(f->source, f->doc.source.ptr, f->doc.source.len);
    }
    f->source[f->doc.source.len] = '\0';
    return status;
}

static inline void fixture_free(struct fixture *f)
{
    pen_normalizer_free(f->normalizer);
    pen_walker_free(f->walker);
    pen_schema_free(f->schema);
    free(f->padded);
    free(f);
}

#define TIME "\"eventTime\":\"2023-07-10T11:42:36Z\",\"eventID\":\"e1\""
/* Runs {TIME, members} and checks that the document has this text in it, or has it not. */
#define RUN(f, members) \
    assert_int_equal(fixture_run((f), PEN_SLICE_LIT("{" TIME members "}")), PEN_OK)
#define HAS(f, text) has_text((f)->source, (text), true)
#define HAS_NOT(f, text) has_text((f)->source, (text), false)
static inline void has_text(const char *source, const char *text, bool wanted)
{
    if ((strstr(source, text) != NULL) != wanted) {
        fail_msg("%s in %s", text, source);
    }
}
static inline void slice_is(pen_slice s, const char *text)
{
    assert_int_equal(s.len, strlen(text));
    assert_memory_equal(s.ptr, text, s.len);
}

#endif
