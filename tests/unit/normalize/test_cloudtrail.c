#include "fixture.h"

static void outcome_is_failure_with_an_error_code(void **state)
{
    struct fixture *f = *state;
    RUN(f, ",\"errorCode\":\"AccessDenied\"");
    HAS(f, "\"outcome\":\"failure\"");
    HAS(f, "\"error\":{\"code\":\"AccessDenied\"}");
    RUN(f, "");
    HAS(f, "\"outcome\":\"success\"");
    HAS_NOT(f, "\"error\":");
}

static void user_name_is_cut_to_the_session(void **state)
{
    struct fixture *f = *state;
    RUN(f, ",\"userIdentity\":{\"arn\":\"arn:aws:sts::1:assumed-role/role/me\"}");
    HAS(f, "\"user\":{\"name\":\"me\"}");
    RUN(f, ",\"userIdentity\":{\"principalId\":\"AROA1:sess\"}");
    HAS(f, "\"user\":{\"name\":\"sess\"}");
    RUN(f, ",\"userIdentity\":{\"userName\":\"a/b\"}");
    HAS(f, "\"user\":{\"name\":\"a/b\"}");
}

static void instance_id_of_a_session_is_its_target(void **state)
{
    struct fixture *f = *state;
    RUN(f, ",\"eventSource\":\"ssm.amazonaws.com\",\"eventName\":\"StartSession\","
           "\"requestParameters\":{\"target\":\"i-0123456789abcdef0\"}");
    HAS(f, "\"instance\":{\"id\":\"i-0123456789abcdef0\"}");
    RUN(f, ",\"eventSource\":\"ssm.amazonaws.com\",\"eventName\":\"PutComplianceItems\","
           "\"requestParameters\":{\"resourceId\":\"mi-012345678\"}");
    HAS_NOT(f, "\"instance\"");
}

static void cloudhsm_events_relate_hosts_in_place_of_addresses(void **state)
{
    struct fixture *f = *state;
    RUN(f, ",\"eventSource\":\"cloudhsm.amazonaws.com\",\"sourceIPAddress\":\"192.0.2.1\","
           "\"requestParameters\":{\"clusterId\":\"cluster-1\"},"
           "\"responseElements\":{\"hsm\":{\"hsmId\":\"hsm-1\"}}");
    HAS(f, "\"related\":{\"hosts\":[\"cluster-1\",\"hsm-1\"]}");
    HAS(f, "\"instance\":{\"id\":\"hsm-1\"}");
}

static void insight_takes_its_action_from_the_details(void **state)
{
    struct fixture *f = *state;
    RUN(f, ",\"eventType\":\"AwsCloudTrailInsight\","
           "\"insightDetails\":{\"eventName\":\"RunInstances\",\"state\":\"Start\"}");
    HAS(f, "\"action\":\"RunInstances\"");
    HAS(f, "\"rule\":{\"name\":\"RunInstances\"}");
    assert_int_equal(f->doc.kind, PEN_DOC_INSIGHT);
}

static void digest_is_told_by_its_members(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_run(f, PEN_SLICE_LIT("{\"digestStartTime\":\"2023-07-10T11:00:00Z\","
                                                  "\"digestEndTime\":\"2023-07-10T12:00:00Z\"}")),
                     PEN_OK);
    assert_int_equal(f->doc.kind, PEN_DOC_DIGEST);
    HAS(f, "\"@timestamp\":\"2023-07-10T12:00:00+00:00\"");
}

static int setup(void **state)
{
    *state = fixture_new(&trail_type);
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outcome_is_failure_with_an_error_code),
        cmocka_unit_test(user_name_is_cut_to_the_session),
        cmocka_unit_test(instance_id_of_a_session_is_its_target),
        cmocka_unit_test(cloudhsm_events_relate_hosts_in_place_of_addresses),
        cmocka_unit_test(insight_takes_its_action_from_the_details),
        cmocka_unit_test(digest_is_told_by_its_members),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
