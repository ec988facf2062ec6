/* tested by tests/unit/detect/test_datadog.c */
#include "schema.h"

#define COUNT_OF(array) .members = (array), .count = PEN_COUNT(array)
#define DAYS_MAX 30
#define CORRELATED_MAX 3

/* Source: reference/datadog.md 4.2 and 4.3, and what the API was seen to return. */

static const int32_t windows[] = {0,    60,   300,   600,   900,   1800,
                                  3600, 7200, 10800, 21600, 43200, 86400};
static const int32_t buckets[] = {300, 600, 900, 1800, 3600, 10800};
static const int32_t tolerances[] = {1, 2, 3, 4, 5};
static const int32_t learning_hours[] = {1, 6, 12, 24, 48, 168, 336};
static const int32_t thresholds[] = {0, 1};
static const char *const severities[] = {"info", "low", "medium", "high", "critical", NULL};
static const char *const actions[] = {"require", "suppress", NULL};
static const char *const methods[] = {
    "threshold",         "new_value",          "anomaly_detection",
    "impossible_travel", "hardcoded",          "third_party",
    "anomaly_threshold", "sequence_detection", NULL};
static const char *const aggregations[] = {"count",    "cardinality", "sum",  "max", "new_value",
                                           "geo_data", "event_count", "none", NULL};
static const char *const data_sources[] = {
    "logs",    "audit",  "app_sec_spans",    "spans", "security_runtime",
    "network", "events", "security_signals", NULL};
static const char *const learning_methods[] = {"duration", "threshold", NULL};
static const char *const evaluators[] = {"log4shell", NULL};
static const char *const types[] = {"api_security",
                                    "application_security",
                                    "log_detection",
                                    "workload_activity",
                                    "workload_security",
                                    "signal_correlation",
                                    "cloud_configuration",
                                    "infrastructure_configuration",
                                    NULL};

#define TEXT(n)                          \
    {                                    \
        .name = (n), .kind = SCHEMA_TEXT \
    }
#define NEEDED(n)                                             \
    {                                                         \
        .name = (n), .kind = SCHEMA_TEXT, .is_required = true \
    }
#define TEXTS(n)                          \
    {                                     \
        .name = (n), .kind = SCHEMA_TEXTS \
    }
#define WORD(n, w)                                     \
    {                                                  \
        .name = (n), .kind = SCHEMA_TEXT, .words = (w) \
    }
#define FLAG(n)                          \
    {                                    \
        .name = (n), .kind = SCHEMA_BOOL \
    }
#define SERVER(n)                       \
    {                                   \
        .name = (n), .kind = SCHEMA_ANY \
    }
#define ONE_OF(n, v)                                                                      \
    {                                                                                     \
        .name = (n), .kind = SCHEMA_INTEGER, .numbers = (v), .number_count = PEN_COUNT(v) \
    }
#define RANGE(n, a, b)                                                 \
    {                                                                  \
        .name = (n), .kind = SCHEMA_INTEGER, .least = (a), .most = (b) \
    }
#define OBJECT(n, s)                                       \
    {                                                      \
        .name = (n), .kind = SCHEMA_OBJECT, .object = &(s) \
    }
#define OBJECTS(n, s)                                       \
    {                                                       \
        .name = (n), .kind = SCHEMA_OBJECTS, .object = &(s) \
    }

static const struct schema_member filter_members[] = {WORD("action", actions), TEXT("query")};
static const struct schema filter_schema = {"a filter", COUNT_OF(filter_members)};

static const struct schema_member table_members[] = {FLAG("checkPresence"), TEXT("columnName"),
                                                     TEXT("logFieldPath"), TEXT("ruleQueryName"),
                                                     TEXT("tableName")};
static const struct schema table_schema = {"a reference table", COUNT_OF(table_members)};

static const struct schema_member calculated_members[] = {NEEDED("expression"), NEEDED("name")};
static const struct schema calculated_schema = {"a calculated field", COUNT_OF(calculated_members)};

static const struct schema_member scheduling_members[] = {TEXT("rrule"), TEXT("start"),
                                                          TEXT("timezone")};
static const struct schema scheduling_schema = {"`schedulingOptions`",
                                                COUNT_OF(scheduling_members)};

static const struct schema_member case_members[] = {
    SERVER("actions"),
    TEXT("condition"),
    TEXT("name"),
    TEXTS("notifications"),
    WORD("customStatus", severities),
    {.name = "status", .kind = SCHEMA_TEXT, .is_required = true, .words = severities}};
static const struct schema case_schema = {"a case", COUNT_OF(case_members)};

static const struct schema_member third_case_members[] = {
    TEXT("name"),
    TEXTS("notifications"),
    TEXT("query"),
    WORD("customStatus", severities),
    {.name = "status", .kind = SCHEMA_TEXT, .is_required = true, .words = severities}};
static const struct schema third_case_schema = {"a case of third_party",
                                                COUNT_OF(third_case_members)};

static const struct schema_member query_members[] = {
    WORD("aggregation", aggregations),
    TEXT("customQueryExtension"),
    WORD("dataSource", data_sources),
    TEXTS("distinctFields"),
    TEXTS("groupByFields"),
    FLAG("hasOptionalGroupByFields"),
    TEXT("index"),
    TEXTS("indexes"),
    TEXT("metric"),
    {.name = "metrics", .kind = SCHEMA_TEXTS, .items_most = 5},
    TEXT("name"),
    TEXT("query"),
    {.name = "correlatedByFields", .kind = SCHEMA_TEXTS, .items_most = CORRELATED_MAX},
    RANGE("correlatedQueryIndex", 0, 9),
    TEXT("ruleId"),
    TEXT("defaultRuleId"),
    SERVER("additionalFilters"),
    SERVER("queryLanguage"),
};
static const struct schema query_schema = {"a query", COUNT_OF(query_members)};

static const struct schema_member new_value_members[] = {
    RANGE("forgetAfter", 1, DAYS_MAX),
    FLAG("instantaneousBaseline"),
    SERVER("instantaneousBaselineTimeoutMinutes"),
    RANGE("learningDuration", 0, DAYS_MAX),
    WORD("learningMethod", learning_methods),
    ONE_OF("learningThreshold", thresholds)};
static const struct schema new_value_schema = {"`newValueOptions`", COUNT_OF(new_value_members)};

static const struct schema_member anomaly_members[] = {
    ONE_OF("bucketDuration", buckets),
    ONE_OF("detectionTolerance", tolerances),
    FLAG("instantaneousBaseline"),
    SERVER("instantaneousBaselineTimeoutMinutes"),
    ONE_OF("learningDuration", learning_hours),
    RANGE("learningPeriodBaseline", 0, INT32_MAX)};
static const struct schema anomaly_schema = {"`anomalyDetectionOptions`",
                                             COUNT_OF(anomaly_members)};

static const struct schema_member travel_members[] = {
    FLAG("baselineUserLocations"), RANGE("baselineUserLocationsDuration", 1, DAYS_MAX),
    FLAG("detectIpTransition")};
static const struct schema travel_schema = {"`impossibleTravelOptions`", COUNT_OF(travel_members)};

static const struct schema_member step_members[] = {NEEDED("name"), NEEDED("condition"),
                                                    ONE_OF("evaluationWindow", windows)};
static const struct schema step_schema = {"a step", COUNT_OF(step_members)};
static const struct schema_member transition_members[] = {NEEDED("parent"), NEEDED("child"),
                                                          ONE_OF("evaluationWindow", windows)};
static const struct schema transition_schema = {"a transition", COUNT_OF(transition_members)};
static const struct schema_member sequence_members[] = {
    {.name = "steps",
     .kind = SCHEMA_OBJECTS,
     .is_required = true,
     .object = &step_schema,
     .items_most = PEN_SEQUENCE_STEPS_MAX},
    OBJECTS("stepTransitions", transition_schema)};
static const struct schema sequence_schema = {"`sequenceDetectionOptions`",
                                              COUNT_OF(sequence_members)};

static const struct schema_member root_members[] = {TEXTS("groupByFields"), TEXT("query")};
static const struct schema root_schema = {"a root query", COUNT_OF(root_members)};

static const struct schema_member third_party_members[] = {TEXTS("defaultNotifications"),
                                                           WORD("defaultStatus", severities),
                                                           {.name = "rootQueries",
                                                            .kind = SCHEMA_OBJECTS,
                                                            .object = &root_schema,
                                                            .terraform = "root_query"},
                                                           TEXT("signalTitleTemplate")};
static const struct schema third_party_schema = {"`thirdPartyRuleOptions`",
                                                 COUNT_OF(third_party_members)};

static const struct schema_member option_members[] = {
    OBJECT("anomalyDetectionOptions", anomaly_schema),
    SERVER("complianceRuleOptions"),
    FLAG("decreaseCriticalityBasedOnEnv"),
    WORD("detectionMethod", methods),
    ONE_OF("evaluationWindow", windows),
    WORD("hardcodedEvaluatorType", evaluators),
    OBJECT("impossibleTravelOptions", travel_schema),
    ONE_OF("keepAlive", windows),
    ONE_OF("maxSignalDuration", windows),
    OBJECT("newValueOptions", new_value_schema),
    OBJECT("sequenceDetectionOptions", sequence_schema),
    SERVER("anomalyThresholdOptions"),
    SERVER("relatedSignalsFields"),
    OBJECT("thirdPartyRuleOptions", third_party_schema)};
static const struct schema option_schema = {"`options`", COUNT_OF(option_members)};

static const struct schema_member rule_members[] = {
    NEEDED("name"),
    {.name = "isEnabled", .kind = SCHEMA_BOOL, .is_required = true, .terraform = "enabled"},
    NEEDED("message"),
    {.name = "queries",
     .kind = SCHEMA_OBJECTS,
     .is_required = true,
     .object = &query_schema,
     .items_most = DATADOG_QUERIES_MAX,
     .terraform = "query",
     .terraform_too = "signal_query"},
    {.name = "cases",
     .kind = SCHEMA_OBJECTS,
     .is_required = true,
     .object = &case_schema,
     .items_most = DATADOG_CASES_MAX,
     .terraform = "case"},
    {.name = "options", .kind = SCHEMA_OBJECT, .is_required = true, .object = &option_schema},
    WORD("type", types),
    TEXTS("tags"),
    {.name = "filters", .kind = SCHEMA_OBJECTS, .object = &filter_schema, .terraform = "filter"},
    TEXTS("groupSignalsBy"),
    FLAG("hasExtendedTitle"),
    OBJECTS("referenceTables", table_schema),
    OBJECT("schedulingOptions", scheduling_schema),
    {.name = "calculatedFields",
     .kind = SCHEMA_OBJECTS,
     .object = &calculated_schema,
     .terraform = "calculated_field"},
    {.name = "thirdPartyCases",
     .kind = SCHEMA_OBJECTS,
     .object = &third_case_schema,
     .items_most = DATADOG_CASES_MAX,
     .terraform = "third_party_case"},
    TEXT("customMessage"),
    TEXT("customName"),
    TEXT("id"),
    FLAG("isDeleted"),
    {.name = "version", .kind = SCHEMA_INTEGER},
    SERVER("ruleQueryPayloads"), /* rule_payloads.c reads them */
    SERVER("blocking"),
    SERVER("complianceSignalOptions"),
    SERVER("createdAt"),
    SERVER("creationAuthorId"),
    SERVER("creator"),
    SERVER("defaultTags"),
    SERVER("dependencies"),
    SERVER("deprecationDate"),
    SERVER("isBeta"),
    SERVER("isDefault"),
    SERVER("isDeprecated"),
    SERVER("isPartner"),
    SERVER("metadata"),
    SERVER("updateAuthorId"),
    SERVER("updatedAt"),
    SERVER("updater"),
    SERVER("validate")};
const struct schema datadog_rule_schema = {"a rule", COUNT_OF(rule_members)};
