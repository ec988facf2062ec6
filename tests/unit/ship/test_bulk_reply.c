#include "bulk_reply.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#define REPLY_BYTES 65536U
#define ITEMS 8U

static struct bulk_reader *reader_new(void)
{
    struct bulk_reader *reader = NULL;
    struct pen_err err;
    assert_int_equal(bulk_reader_new(REPLY_BYTES, &reader, &err), PEN_OK);
    return reader;
}

/* A reply with padding behind it; texts of the items lie in it. */
static uint8_t reply[REPLY_BYTES + PEN_JSON_PADDING];
static struct bulk_item items[ITEMS];

static pen_status read_text(const char *text, uint32_t count)
{
    struct pen_err err = {0};
    struct bulk_reader *reader = reader_new();
    const size_t len = strlen(text);
    memcpy(reply, text, len);
    const pen_status st = bulk_reply_read(reader, reply, len, items, count, &err);
    assert_true(st == PEN_OK || (err.status == st && err.text[0] != '\0'));
    bulk_reader_free(reader);
    return st;
}

static void item_is(uint32_t i, enum bulk_verdict verdict, uint16_t status, const char *type)
{
    assert_int_equal(items[i].verdict, verdict);
    assert_int_equal(items[i].status, status);
    assert_true(pen_slice_eq(items[i].type, pen_slice_str(type)));
}

static void one_error(uint16_t status, const char *type, enum bulk_verdict verdict)
{
    char text[512];
    (void)snprintf(text, sizeof(text),
                   "{\"took\":1,\"errors\":true,\"items\":[{\"create\":{\"_index\":\"log\",\"_id\":"
                   "\"1\",\"status\":%u,\"error\":{\"type\":\"%s\",\"reason\":\"why\"}}}]}",
                   status, type);
    assert_int_equal(read_text(text, 1), PEN_OK);
    item_is(0, verdict, status, type);
    assert_true(pen_slice_eq(items[0].reason, PEN_SLICE_LIT("why")));
}

static void created_items_are_done(void **state)
{
    (void)state;
    assert_int_equal(
        read_text("{\"took\":7,\"errors\":false,\"items\":[{\"create\":{\"_index\":\"log\",\"_id\":"
                  "\"a\",\"_version\":1,\"result\":\"created\",\"_shards\":{\"total\":1,"
                  "\"successful\":1,\"failed\":0},\"_seq_no\":0,\"_primary_term\":1,\"status\":201}"
                  "},{\"index\":{\"status\":200}}]}",
                  2),
        PEN_OK);
    item_is(0, BULK_DONE, 201, "");
    item_is(1, BULK_DONE, 200, "");
}

static void a_document_that_is_there_exists(void **state)
{
    (void)state;
    one_error(409, "version_conflict_engine_exception", BULK_EXISTS);
}

static void a_busy_cluster_is_asked_again(void **state)
{
    (void)state;
    one_error(429, "rejected_execution_exception", BULK_AGAIN);
    one_error(503, "unavailable_shards_exception", BULK_AGAIN);
    one_error(503, "cluster_block_exception", BULK_AGAIN); /* it is still starting */
    one_error(500, "anything", BULK_AGAIN);
    one_error(408, "timeout", BULK_AGAIN);
}

static void a_document_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    one_error(400, "mapper_parsing_exception", BULK_REFUSED);
    one_error(400, "strict_dynamic_mapping_exception", BULK_REFUSED);
    one_error(400, "illegal_argument_exception", BULK_REFUSED);
}

static void a_collection_without_ids_is_held(void **state)
{
    (void)state;
    const char *answer =
        "{\"took\":0,\"errors\":true,\"items\":[{\"create\":{\"_index\":\"a\",\"_id\":\"b\","
        "\"status\":400,"
        "\"error\":{\"type\":\"illegal_argument_exception\",\"reason\":\"Document ID is not "
        "supported in create/index operation request\"}}}]}";
    assert_int_equal(read_text(answer, 1), PEN_OK);
    item_is(0, BULK_HELD, 400, "illegal_argument_exception");
}

static void a_blocked_index_is_held_whatever_the_status(void **state)
{
    (void)state;
    one_error(429, "cluster_block_exception", BULK_HELD); /* the disk is full */
    one_error(403, "cluster_block_exception", BULK_HELD);
    one_error(400, "index_closed_exception", BULK_HELD);
    one_error(403, "index_create_block_exception", BULK_HELD);
    one_error(404, "index_not_found_exception", BULK_HELD);
    one_error(400, "validation_exception", BULK_HELD); /* too many shards */
    one_error(403, "security_exception", BULK_HELD);
    one_error(401, "whatever", BULK_HELD);
}

static void the_reason_is_that_of_the_error_and_not_of_its_cause(void **state)
{
    (void)state;
    assert_int_equal(
        read_text(
            "{\"errors\":true,\"items\":[{\"create\":{\"status\":400,\"error\":{\"root_cause\":"
            "[{\"type\":\"x\",\"reason\":\"y\"}],\"type\":\"mapper_parsing_exception\",\"reason\":"
            "\"failed to parse field [n] \\u0027abc\\u0027\",\"caused_by\":{\"type\":\"z\","
            "\"reason\":\"For input string\"}}}}]}",
            1),
        PEN_OK);
    item_is(0, BULK_REFUSED, 400, "mapper_parsing_exception");
    assert_true(pen_slice_eq(items[0].reason, PEN_SLICE_LIT("failed to parse field [n] 'abc'")));
}

static void an_error_that_is_a_text_is_the_reason(void **state)
{
    (void)state;
    assert_int_equal(
        read_text("{\"items\":[{\"create\":{\"error\":\"Mapper[x]; nested\",\"status\":400}}]}", 1),
        PEN_OK);
    item_is(0, BULK_REFUSED, 400, "");
    assert_true(pen_slice_eq(items[0].reason, PEN_SLICE_LIT("Mapper[x]; nested")));
}

/* As Elasticsearch 7.10.2 said it. */
static void a_reply_of_elasticsearch_7_is_read_alike(void **state)
{
    (void)state;
    assert_int_equal(
        read_text(
            "{\"took\":32,\"errors\":true,\"items\":[{\"create\":{\"_index\":\"t1\",\"_type\":\"_"
            "doc\","
            "\"_id\":\"1\",\"_version\":1,\"result\":\"created\",\"_shards\":{\"total\":2,"
            "\"successful\":1,\"failed\":0},\"_seq_no\":0,\"_primary_term\":1,\"status\":201}},"
            "{\"create\":{\"_index\":\"t1\",\"_type\":\"_doc\",\"_id\":\"1\",\"status\":409,"
            "\"error\":{"
            "\"type\":\"version_conflict_engine_exception\",\"reason\":\"[1]: version conflict, "
            "document already exists (current version [1])\",\"index_uuid\":\"g\",\"shard\":\"0\","
            "\"index\":\"t1\"}}},{\"create\":{\"_index\":\"t1\",\"_type\":\"_doc\",\"_id\":\"2\","
            "\"status\":400,\"error\":{\"type\":\"mapper_parsing_exception\",\"reason\":\"failed "
            "to "
            "parse field [n]\",\"caused_by\":{\"type\":\"illegal_argument_exception\",\"reason\":"
            "\"For input string: "
            "\\\"abc\\\"\"}}}},{\"create\":{\"_index\":\"t2\",\"_type\":\"_doc\","
            "\"_id\":\"9\",\"status\":429,\"error\":{\"type\":\"cluster_block_exception\","
            "\"reason\":"
            "\"index [t2] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage "
            "watermark, index has read-only-allow-delete block];\"}}}]}",
            4),
        PEN_OK);
    item_is(0, BULK_DONE, 201, "");
    item_is(1, BULK_EXISTS, 409, "version_conflict_engine_exception");
    item_is(2, BULK_REFUSED, 400, "mapper_parsing_exception");
    item_is(3, BULK_HELD, 429, "cluster_block_exception");
}

static void mixed_items_keep_their_order(void **state)
{
    (void)state;
    assert_int_equal(
        read_text("{\"errors\":true,\"items\":[{\"create\":{\"status\":201}},{\"create\":{"
                  "\"status\":429,\"error\":{\"type\":\"rejected_execution_exception\"}}},"
                  "{\"create\":{\"status\":409}},{\"create\":{\"status\":400}}]}",
                  4),
        PEN_OK);
    item_is(0, BULK_DONE, 201, "");
    item_is(1, BULK_AGAIN, 429, "rejected_execution_exception");
    item_is(2, BULK_EXISTS, 409, "");
    item_is(3, BULK_REFUSED, 400, "");
}

static void a_reply_that_does_not_answer_the_request_is_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "OK",
        "<html>502</html>",
        "[]",
        "{}",
        "{\"items\":{}}",
        "{\"items\":[]}",
        "{\"items\":[{}]}",
        "{\"items\":[1]}",
        "{\"items\":[[]]}",
        "{\"items\":[{\"create\":{}}]}",
        "{\"items\":[{\"create\":{\"status\":\"201\"}}]}",
        "{\"items\":[{\"create\":{\"status\":201.5}}]}",
        "{\"items\":[{\"create\":{\"status\":-201}}]}",
        "{\"items\":[{\"create\":{\"status\":20100}}]}",
        "{\"items\":[{\"create\":{\"status\":201}}",
        "{\"items\":[{\"create\":{\"status\":201}}]} {}",
        "{\"items\":[{\"create\":{\"status\":201}},{\"create\":{\"status\":201}}]}",
        "{\"x\":{\"items\":[{\"create\":{\"status\":201}}]}}"};
    for (size_t i = 0; i < PEN_COUNT(texts); i++) {
        assert_int_equal(read_text(texts[i], 1), PEN_E_CORRUPT);
    }
}

static void a_reply_beyond_the_limit_is_not_read(void **state)
{
    (void)state;
    struct pen_err err;
    struct bulk_reader *reader = reader_new();
    assert_int_equal(bulk_reply_read(reader, reply, REPLY_BYTES + 1, items, 1, &err), PEN_E_LIMIT);
    bulk_reader_free(reader);
}

static void an_answer_is_known_by_its_status(void **state)
{
    (void)state;
    assert_int_equal(bulk_answer_of(200), BULK_ANSWER_ITEMS);
    assert_int_equal(bulk_answer_of(400), BULK_ANSWER_BISECT);
    assert_int_equal(bulk_answer_of(401), BULK_ANSWER_HELD);
    assert_int_equal(bulk_answer_of(403), BULK_ANSWER_HELD);
    assert_int_equal(bulk_answer_of(404), BULK_ANSWER_HELD);
    assert_int_equal(bulk_answer_of(307), BULK_ANSWER_HELD);
    assert_int_equal(bulk_answer_of(413), BULK_ANSWER_SMALL);
    assert_int_equal(bulk_answer_of(408), BULK_ANSWER_AGAIN);
    assert_int_equal(bulk_answer_of(429), BULK_ANSWER_AGAIN);
    assert_int_equal(bulk_answer_of(502), BULK_ANSWER_AGAIN);
    assert_int_equal(bulk_answer_of(999), BULK_ANSWER_AGAIN);
}

static void error_is(const char *text, const char *type, const char *reason)
{
    struct bulk_reader *reader = reader_new();
    pen_slice got_type;
    pen_slice got_reason;
    memcpy(reply, text, strlen(text));
    bulk_error_read(reader, reply, strlen(text), &got_type, &got_reason);
    assert_true(pen_slice_eq(got_type, pen_slice_str(type)));
    assert_true(pen_slice_eq(got_reason, pen_slice_str(reason)));
    bulk_reader_free(reader);
}

static void an_error_as_a_whole_tells_type_and_reason(void **state)
{
    (void)state;
    error_is(
        "{\"error\":{\"root_cause\":[{\"type\":\"a\",\"reason\":\"b\"}],\"type\":"
        "\"circuit_breaking_exception\",\"reason\":\"[parent] Data too large\",\"bytes_wanted\":"
        "1,\"durability\":\"TRANSIENT\"},\"status\":429}",
        "circuit_breaking_exception", "[parent] Data too large");
    error_is("{\"error\":\"no handler found for uri [/x] and method [POST]\"}", "",
             "no handler found for uri [/x] and method [POST]");
    error_is("{\"error\":\"Content-Type header [] is not supported\",\"status\":406}", "",
             "Content-Type header [] is not supported");
    error_is("<html>", "", "");
    error_is("", "", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(created_items_are_done),
        cmocka_unit_test(a_reply_of_elasticsearch_7_is_read_alike),
        cmocka_unit_test(a_document_that_is_there_exists),
        cmocka_unit_test(a_busy_cluster_is_asked_again),
        cmocka_unit_test(a_document_that_does_not_fit_is_refused),
        cmocka_unit_test(a_collection_without_ids_is_held),
        cmocka_unit_test(a_blocked_index_is_held_whatever_the_status),
        cmocka_unit_test(the_reason_is_that_of_the_error_and_not_of_its_cause),
        cmocka_unit_test(an_error_that_is_a_text_is_the_reason),
        cmocka_unit_test(mixed_items_keep_their_order),
        cmocka_unit_test(a_reply_that_does_not_answer_the_request_is_none),
        cmocka_unit_test(a_reply_beyond_the_limit_is_not_read),
        cmocka_unit_test(an_answer_is_known_by_its_status),
        cmocka_unit_test(an_error_as_a_whole_tells_type_and_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
