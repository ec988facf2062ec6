/* Verdicts of public rules on public events against those of another evaluator, for log types that
 * no type file describes yet.  CloudTrail's are compared end to end. */
#include "sigma_test.h"

#include <dirent.h>
#include <stdlib.h>

#define ORACLE_BYTES_MAX ((size_t)1 << 20)

static const struct pen_logsource audit_sources[] = {
    {PEN_SLICE_LIT("application"), PEN_SLICE_LIT("kubernetes"), PEN_SLICE_LIT("audit")}};
static const struct pen_type audit = {
    .name = PEN_SLICE_LIT("k8s_audit"), .logsources = audit_sources, .logsource_count = 1};

static char *read_all(const char *path)
{
    char *text = calloc(1, ORACLE_BYTES_MAX);
    FILE *file = fopen(path, "re");
    assert_non_null(text);
    assert_non_null(file);
    assert_true(fread(text, 1, ORACLE_BYTES_MAX, file) < ORACLE_BYTES_MAX);
    assert_int_equal(fclose(file), 0);
    return text;
}

/* The oracle's line of a rule names the record of the file. */
static bool is_expected(const char *oracle, pen_slice rule, const char *file, uint32_t record)
{
    char key[512];
    (void)snprintf(key, sizeof(key), "{\"rule_id\": \"%.*s\"", PEN_SLICE_FMT(rule));
    const char *line = strstr(oracle, key);
    assert_non_null(line);
    const char *end = strchr(line, '\n');
    (void)snprintf(key, sizeof(key), "/%s\", %u, ", file, record);
    const char *at = strstr(line, key);
    return at != NULL && (end == NULL || at < end);
}

static uint32_t judge_file(struct judge *judge, const struct pen_rules *rules, const char *oracle,
                           const char *folder, const char *name)
{
    char path[1024];
    uint32_t record = 0;
    uint32_t matches = 0;
    pen_slice line;
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    char *text = read_all(path);
    pen_slice rest = pen_slice_str(text);
    while (pen_slice_split(&rest, '\n', &line)) {
        if (line.len == 0) {
            continue;
        }
        const uint64_t got = judge_event(judge, line);
        for (uint32_t r = 0; r < pen_rules_count(rules); r++) {
            const bool is_match = ((got >> r) & 1U) != 0;
            if (is_match != is_expected(oracle, pen_rules_at(rules, r)->id, name, record)) {
                fail_msg("%s record %u: %.*s %s", name, record,
                         PEN_SLICE_FMT(pen_rules_at(rules, r)->title),
                         is_match ? "matches" : "does not match");
            }
            matches += is_match;
        }
        record++;
    }
    free(text);
    return matches;
}

static void verdicts_on_kubernetes_audit_events_agree(void **state)
{
    (void)state;
    const char *data = getenv("PENSTOCK_DATA");
    char path[512];
    uint32_t matches = 0;
    uint32_t files = 0;
    struct judge judge;
    if (data == NULL) {
        print_message("skipped: PENSTOCK_DATA is not set\n");
        return;
    }
    (void)snprintf(path, sizeof(path), "%s/sigma_oracle/kubernetes.sigmahq.jsonl", data);
    char *oracle = read_all(path);
    (void)snprintf(path, sizeof(path), "%s/SigmaHQ+sigma/rules/application/kubernetes", data);
    const char *const paths[] = {path};
    const struct pen_rules_options options = {.paths = paths, .path_count = 1};
    struct pen_rules *rules = load_texts(NULL, 0, &options);
    assert_int_equal(pen_rules_rejected(rules), 0);
    assert_int_equal(pen_rules_count(rules), 16);
    judge_open(&judge, rules, &audit);
    (void)snprintf(path, sizeof(path), "%s/falcosecurity+falco/test/trace_files/k8s_audit", data);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (const struct dirent *e = readdir(folder); e != NULL; e = readdir(folder)) {
        if (e->d_name[0] != '.') {
            matches += judge_file(&judge, rules, oracle, path, e->d_name);
            files++;
        }
    }
    assert_int_equal(closedir(folder), 0);
    assert_true(files > 40);
    assert_int_equal(matches, 13);
    judge_close(&judge);
    pen_rules_free(rules);
    free(oracle);
}

/* The public rules for other logs load, too: nothing in them is taken for a mistake. */
static void every_public_rule_loads(void **state)
{
    (void)state;
    const char *data = getenv("PENSTOCK_DATA");
    char path[512];
    if (data == NULL) {
        print_message("skipped: PENSTOCK_DATA is not set\n");
        return;
    }
    (void)snprintf(path, sizeof(path), "%s/SigmaHQ+sigma/rules", data);
    const char *const paths[] = {path};
    const struct pen_rules_options options = {.paths = paths, .path_count = 1};
    struct pen_rules *rules = load_texts(NULL, 0, &options);
    print_notices(rules);
    assert_int_equal(pen_rules_rejected(rules), 0);
    assert_int_equal(pen_rules_count(rules), 145);
    assert_int_equal(pen_rules_notice_count(rules), 0);
    pen_rules_free(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_on_kubernetes_audit_events_agree),
        cmocka_unit_test(every_public_rule_loads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
