#include "fixture.h"
#include "tree.h"

static void document_has_the_basic_members(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(&trail_type);
    f->object.account = PEN_SLICE_LIT("123456789012");
    f->object.ingested_ns = 0;
    RUN(f, ",\"awsRegion\":\"eu-west-1\",\"x\":null");
    HAS(f, "{\"eventTime\":\"2023-07-10T11:42:36Z\",\"eventID\":\"e1\",\"awsRegion\":\"eu-west-1\","
           "\"@timestamp\":\"2023-07-10T11:42:36+00:00\",\"@log_type\":\"cloudtrail\","
           "\"@log_s3bucket\":\"b\",\"@log_s3key\":\"k\",\"@id\":\"e1\",");
    HAS(f, "\"ingested\":\"1970-01-01T00:00:00Z\"");
    HAS_NOT(f, "@message");
    slice_is(f->doc.id, "e1");
    slice_is(f->doc.event_id, "e1");
    slice_is(f->doc.index, "log-aws-cloudtrail-2023-07");
    slice_is(f->doc.account, "123456789012");
    slice_is(f->doc.region, "eu-west-1");
    slice_is(f->doc.identity, "unknown");
    f->object.bucket = (pen_slice){0};
    RUN(f, "");
    HAS_NOT(f, "@log_s3bucket");
    slice_is(f->doc.region, "unknown");
    fixture_free(f);
}

static void timestamp_keeps_offset_and_fraction(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(&trail_type);
    assert_int_equal(
        fixture_run(f, PEN_SLICE_LIT("{\"eventTime\":\"2023-12-31T23:30:00.25-0330\"}")), PEN_OK);
    HAS(f, "\"@timestamp\":\"2023-12-31T23:30:00.250000-03:30\"");
    slice_is(f->doc.index, "log-aws-cloudtrail-2024-01");
    fixture_free(f);
}

/* Its id is not the one that it has once it has a time, and its time is that of the object. */
static void record_without_time_goes_on_as_pipeline_error(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(&trail_type);
    f->object.written_ns = INT64_C(1741046400) * PEN_NS_PER_S;
    const char *const events[] = {
        "{\"eventID\":\"e\",\"eventName\":\"Do\",\"errorMessage\":\"no\"}",
        "{\"eventID\":\"e\",\"eventName\":\"Do\",\"eventTime\":\"soon\"}"};
    for (size_t i = 0; i < PEN_COUNT(events); i++) {
        assert_int_equal(fixture_run(f, pen_slice_str(events[i])), PEN_OK);
        assert_int_equal(f->doc.kind, PEN_DOC_UNPARSED);
        assert_true(f->doc.time_ns == f->object.written_ns);
        HAS(f, "\"@timestamp\":\"2025-03-04T00:00:00+00:00\"");
        HAS(f, "\"kind\":\"pipeline_error\"");
        HAS(f, "\"error\":{\"message\":\"record has no time in eventTime\"}");
        HAS(f, "\"@message\":\"{\\\"eventID\\\": \\\"e\\\", ");
        HAS_NOT(f, "\"eventName\":");
        HAS(f, "\"action\":\"Do\"");
        slice_is(f->doc.index, "log-aws-cloudtrail-2025-03");
        assert_int_equal(f->doc.id.len, 32);
        assert_int_equal(f->doc.event_id.len, 0);
    }
    assert_int_equal(fixture_run(f, PEN_SLICE_LIT("{\"eventTime\":\"2023-07-10T11:42:36Z\"}")),
                     PEN_OK);
    assert_int_equal(f->doc.kind, PEN_DOC_EVENT);
    fixture_free(f);
}

static void stamp_of_the_key_is_the_time_of_a_record_without_one(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(&trail_type);
    f->object.key = PEN_SLICE_LIT("x/CloudTrail/a_20240229T101112Z_b.json");
    assert_int_equal(fixture_run(f, PEN_SLICE_LIT("{\"a\":1}")), PEN_OK);
    HAS(f, "\"@timestamp\":\"2024-02-29T10:11:12+00:00\"");
    slice_is(f->doc.index, "log-aws-cloudtrail-2024-02");
    fixture_free(f);
}

static void record_without_id_is_hashed(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(&trail_type);
    assert_int_equal(fixture_run(f, PEN_SLICE_LIT("{\"eventTime\":\"2023-07-10T11:42:36Z\"}")),
                     PEN_OK);
    assert_int_equal(f->doc.id.len, 32);
    assert_int_equal(f->doc.event_id.len, 0);
    fixture_free(f);
}

static void raw_members_of_our_names_are_merged(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(&trail_type);
    RUN(f, ",\"eventName\":\"Do\",\"event\":{\"action\":\"raw\",\"own\":1},\"rule\":\"r\","
           "\"error\":\"kept\",\"@id\":\"forged\",\"cloud\":{\"account\":{\"id\":\"9\"}}");
    HAS(f, "\"own\":1");
    HAS(f, "\"action\":\"Do\"");
    HAS(f, "\"rule\":{\"name\":\"Do\"}");
    HAS(f, "\"error\":\"kept\"");
    HAS(f, "\"account\":{\"id\":\"9\"}");
    HAS_NOT(f, "raw");
    HAS_NOT(f, "forged");
    fixture_free(f);
}

static void json_without_time_takes_the_time_of_ingestion(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(&json_type);
    assert_int_equal(fixture_run(f, PEN_SLICE_LIT("{\"message\":\"m\"}")), PEN_OK);
    assert_true(f->doc.time_ns == INT64_MIN);
    slice_is(f->doc.index, "log-json-1970-01");
    HAS(f, "{\"message\":\"m\",");
    assert_int_equal(fixture_run(f, PEN_SLICE_LIT("{\"timestamp\":\"2024-02-01T00:00:00Z\"}")),
                     PEN_OK);
    slice_is(f->doc.index, "log-json-2024-02");
    fixture_free(f);
}

/* ---- conformance: documents of the reference, as trees ---- */

#define DIFFERENCES_MAX 64
struct differences {
    char listed[DIFFERENCES_MAX][128];
    bool seen[DIFFERENCES_MAX];
    size_t count;
    size_t unlisted;
};

static void differences_load(struct differences *d)
{
    char line[512];
    FILE *file = fopen(PEN_SOURCE_DIR "/tests/unit/normalize/oracle_differences.txt", "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (line[0] != '#' && line[0] != '\n' && d->count < DIFFERENCES_MAX) {
            const size_t length = strcspn(line, " \n");
            assert_true(length < sizeof(d->listed[0]));
            memcpy(d->listed[d->count], line, length);
            d->listed[d->count++][length] = '\0';
        }
    }
    assert_int_equal(fclose(file), 0);
}

/* what is "path:missing", "path:extra" or "path:value". */
static void differences_note(struct differences *d, const char *what, const char *record)
{
    for (size_t i = 0; i < d->count; i++) {
        if (strcmp(d->listed[i], what) == 0) {
            d->seen[i] = true;
            return;
        }
    }
    d->unlisted++;
    print_error("unlisted difference %s in %s\n", what, record);
}

static pen_slice plain(pen_slice text, uint8_t *out)
{
    return (pen_slice){out, pen_json_unescape(text, out)};
}

static bool same_scalar(const struct nrm_node *a, const struct nrm_node *b)
{
    static uint8_t one[1 << 20];
    static uint8_t two[1 << 20];
    if (a->kind != b->kind) {
        return false;
    }
    if (a->kind != PEN_STRING) {
        return pen_slice_eq(a->text, b->text);
    }
    assert_true(a->text.len < sizeof(one) && b->text.len < sizeof(two));
    return pen_slice_eq(plain(a->text, one), plain(b->text, two));
}

static void path_of(const struct nrm_tree *tree, uint32_t node, const char *kind, char out[400])
{
    char text[400] = "";
    for (uint32_t at = node; tree->nodes[at].parent != NRM_TREE_NONE; at = tree->nodes[at].parent) {
        char longer[800];
        const pen_slice key = tree->nodes[at].key;
        const int n = snprintf(longer, sizeof(longer), "%.*s%s%s", (int)key.len,
                               key.ptr == NULL ? "" : (const char *)key.ptr,
                               text[0] == '\0' ? "" : ".", text);
        assert_true(n >= 0 && n < 300);
        memcpy(text, longer, (size_t)n + 1);
    }
    assert_true(snprintf(out, 400, "%.300s:%s", text, kind) > 0);
}

/* Nodes of both trees side by side; order of members does not count. */
static void compare(struct differences *d, const struct nrm_tree *tree, uint32_t ours,
                    uint32_t theirs, const char *record)
{
    static struct {
        uint32_t a, b;
    } stack[1 << 16];
    size_t depth = 1;
    char what[400];
    stack[0].a = ours;
    stack[0].b = theirs;
    while (depth > 0) {
        depth--;
        const uint32_t a = stack[depth].a;
        const uint32_t b = stack[depth].b;
        const struct nrm_node *x = &tree->nodes[a];
        const struct nrm_node *y = &tree->nodes[b];
        if (x->kind != y->kind || (x->kind != PEN_OBJECT && x->kind != PEN_ARRAY)) {
            if (!same_scalar(x, y)) {
                path_of(tree, b, "value", what);
                differences_note(d, what, record);
            }
            continue;
        }
        uint32_t other = y->first;
        for (uint32_t at = x->first; at != NRM_TREE_NONE; at = tree->nodes[at].next) {
            const uint32_t match =
                x->kind == PEN_OBJECT ? nrm_tree_member(tree, b, tree->nodes[at].key) : other;
            if (match == NRM_TREE_NONE) {
                path_of(tree, at, "extra", what);
                differences_note(d, what, record);
                continue;
            }
            other = tree->nodes[match].next;
            assert_true(depth < PEN_COUNT(stack));
            stack[depth].a = at;
            stack[depth++].b = match;
        }
        for (uint32_t at = y->first; y->kind == PEN_OBJECT && at != NRM_TREE_NONE;
             at = tree->nodes[at].next) {
            if (nrm_tree_member(tree, a, tree->nodes[at].key) == NRM_TREE_NONE) {
                path_of(tree, at, "missing", what);
                differences_note(d, what, record);
            }
        }
        if (x->kind == PEN_ARRAY && other != NRM_TREE_NONE && x->first != NRM_TREE_NONE) {
            path_of(tree, b, "missing", what);
            differences_note(d, what, record);
        }
    }
}

static pen_slice text_of(const struct nrm_tree *tree, uint32_t row, const char *key, uint8_t *out)
{
    const uint32_t node = nrm_tree_member(tree, row, pen_slice_str(key));
    assert_true(node != NRM_TREE_NONE);
    return plain(tree->nodes[node].text, out);
}

static void compare_row(struct fixture *f, struct differences *d, pen_slice line)
{
    static uint8_t raw[1 << 21];
    static uint8_t key[4096];
    static uint8_t bucket[4096];
    static uint8_t want[4096];
    struct nrm_tree tree = {0};
    uint32_t row;
    uint32_t ours;
    char id[64];
    assert_int_equal(nrm_tree_parse(&tree, line, &row), PEN_OK);
    const uint32_t doc = nrm_tree_member(&tree, row, PEN_SLICE_LIT("doc"));
    tree.nodes[doc].parent = NRM_TREE_NONE;
    f->object.key = text_of(&tree, row, "s3_key", key);
    f->object.bucket = text_of(&tree, doc, "@log_s3bucket", bucket);
    f->object.account = PEN_SLICE_LIT("123456789012");
    f->object.region = PEN_SLICE_LIT("us-east-1");
    assert_int_equal(fixture_run(f, text_of(&tree, row, "raw", raw)), PEN_OK);
    assert_true(snprintf(id, sizeof(id), "%.*s", PEN_SLICE_FMT(f->doc.id)) > 0);
    if (!pen_slice_eq(f->doc.id, text_of(&tree, row, "id", want))) {
        differences_note(d, "_id:value", id);
    }
    if (!pen_slice_eq(f->doc.index, text_of(&tree, row, "index", want))) {
        differences_note(d, "_index:value", id);
    }
    assert_int_equal(nrm_tree_parse(&tree, f->doc.source, &ours), PEN_OK);
    compare(d, &tree, ours, doc, id);
    nrm_tree_fini(&tree);
}

static void documents_are_those_of_the_reference(void **state)
{
    (void)state;
    static const char *const files[] = {"centralized", "invictus", "stratus", "traildiscover"};
    static struct differences d;
    const char *data = getenv("PENSTOCK_DATA"); /* NOLINT(concurrency-mt-unsafe): one thread */
    size_t rows = 0;
    if (data == NULL) {
        print_message("skipped: PENSTOCK_DATA is not set\n");
        return;
    }
    differences_load(&d);
    struct fixture *f = fixture_new(&trail_type);
    for (size_t i = 0; i < PEN_COUNT(files); i++) {
        char path[1024];
        char *line = NULL;
        size_t capacity = 0;
        ssize_t length;
        assert_true(
            snprintf(path, sizeof(path), "%s/siem_oracle/cloudtrail.%s.jsonl", data, files[i]) > 0);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        while ((length = getline(&line, &capacity, file)) > 0) {
            compare_row(f, &d, pen_slice_trim((pen_slice){(uint8_t *)line, (size_t)length}));
            rows++;
        }
        free(line);
        assert_int_equal(fclose(file), 0);
    }
    fixture_free(f);
    for (size_t i = 0; i < d.count; i++) {
        if (!d.seen[i]) {
            d.unlisted++;
            print_error("listed difference no longer occurs: %s\n", d.listed[i]);
        }
    }
    print_message("%zu documents compared\n", rows);
    assert_true(rows > 500);
    assert_int_equal(d.unlisted, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(document_has_the_basic_members),
        cmocka_unit_test(timestamp_keeps_offset_and_fraction),
        cmocka_unit_test(record_without_time_goes_on_as_pipeline_error),
        cmocka_unit_test(stamp_of_the_key_is_the_time_of_a_record_without_one),
        cmocka_unit_test(record_without_id_is_hashed),
        cmocka_unit_test(raw_members_of_our_names_are_merged),
        cmocka_unit_test(json_without_time_takes_the_time_of_ingestion),
        cmocka_unit_test(documents_are_those_of_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
