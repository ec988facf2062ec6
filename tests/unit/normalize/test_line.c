/* Lines that are told by their columns against the same lines put value by value. */
#include "fixture.h"

#define ROUNDS 4000U
#define LINES 4U /* of the same columns */
#define COLUMNS_MAX 24U
#define TEXT_MAX 64U
#define ASKED 9U

static const struct pen_map_entry flow_map[] = {
    MAP("cloud.account.id", false, S("account_id")),
    MAP("cloud.region", false, S("region")),
    MAP("destination.address", false, S("dstaddr")),
    MAP("destination.ip", false, S("dstaddr"), S("pkt_dstaddr")),
    MAP("destination.port", false, S("dstport")),
    MAP("event.action", false, S("action")),
    MAP("network.bytes", false, S("bytes")),
    MAP("network.type", false, S("type")),
    MAP("related.hosts", true, S("name"), S("other"), S("name")),
    MAP("related.ip", true, S("srcaddr"), S("dstaddr"), S("pkt_srcaddr"), S("pkt_dstaddr")),
    MAP("source.ip", false, S("srcaddr")),
    MAP("source.port", false, S("srcport")),
    MAP("user.name", false, S("name"), S("other")),
};
static const struct pen_static_entry flow_statics[] = {
    {S("event.kind"), S("\"event\"")},
    {S("event.category"), S("[\"network\"]")},
    {S("user.name"), S("\"nobody\"")},
};
static const pen_slice flow_times[] = {S("end")};
static const pen_slice flow_identity[] = {S("interface_id"), S("srcaddr")};
static const struct pen_map_entry flow_attributes[] = {
    MAP("network.bytes_written", false, S("bytes")),
    MAP("status", false, S("code_status(code)")),
};
static const struct pen_type flow_type = {
    .name = S("flow"),
    .format = PEN_FORMAT_COLUMNS,
    .times = flow_times,
    .time_count = 1,
    .time_form = S("epoch"),
    .id_kind = PEN_ID_MD5,
    .index_name = S("log-flow"),
    .script = S("vpcflowlogs"),
    .map = flow_map,
    .map_count = PEN_COUNT(flow_map),
    .statics = flow_statics,
    .static_count = PEN_COUNT(flow_statics),
    .attributes = flow_attributes,
    .attribute_count = PEN_COUNT(flow_attributes),
    .identity = flow_identity,
    .identity_count = PEN_COUNT(flow_identity),
};
static const char *const names[] = {"srcaddr",
                                    "dstaddr",
                                    "pkt_srcaddr",
                                    "pkt_dstaddr",
                                    "srcport",
                                    "dstport",
                                    "protocol",
                                    "action",
                                    "bytes",
                                    "type",
                                    "interface_id",
                                    "region",
                                    "code",
                                    "account_id",
                                    "name",
                                    "other",
                                    "resource_type",
                                    "a",
                                    "long_name_that_nothing_asks_for_at_all"};
/* The insides of JSON strings. */
static const char *const texts[] = {"192.0.2.1",
                                    "192.0.2.1",
                                    "10.1.2.3",
                                    "2001:db8::7",
                                    "01.2.3.4",
                                    "1.2.3.256",
                                    "-",
                                    "",
                                    "null",
                                    "[]",
                                    "443",
                                    "007",
                                    "6",
                                    "17",
                                    "ACCEPT",
                                    "REJECT OK",
                                    "IPv4",
                                    "unknown",
                                    "404",
                                    "q\\\"uote",
                                    "back\\\\slash",
                                    "a text that is longer than thirty-two bytes, by far"};
static const char *const asked[ASKED] = {"srcaddr",       "source.ip",  "related.ip",
                                         "bytes",         "event.kind", "network.bytes_written",
                                         "network.bytes", "status",     "@account_id"};

struct seed {
    uint64_t x;
};

static uint32_t below(struct seed *seed, uint32_t n)
{
    seed->x = seed->x * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)((seed->x >> 33) % n);
}

struct line {
    const char *columns[COLUMNS_MAX];
    uint32_t count;
    struct pen_column values[COLUMNS_MAX];
    uint8_t bytes[COLUMNS_MAX][TEXT_MAX + PEN_COPY_SLACK];
};

/* Some of the names, in any order; the time is always there. */
static void columns_choose(struct line *line, struct seed *seed)
{
    line->count = 0;
    for (uint32_t i = 0; i < PEN_COUNT(names); i++) {
        if (below(seed, 3) > 0) {
            line->columns[line->count++] = names[i];
        }
    }
    line->columns[line->count++] = "end";
    for (uint32_t i = line->count; i-- > 1;) {
        const uint32_t k = below(seed, i + 1);
        const char *kept = line->columns[i];
        line->columns[i] = line->columns[k];
        line->columns[k] = kept;
    }
}

static void values_choose(struct line *line, struct seed *seed)
{
    for (uint32_t i = 0; i < line->count; i++) {
        const bool is_time = strcmp(line->columns[i], "end") == 0;
        const char *text = is_time ? "1740787200" : texts[below(seed, PEN_COUNT(texts))];
        const size_t len = strlen(text);
        assert_true(len <= TEXT_MAX);
        memcpy(line->bytes[i], text, len);
        line->values[i] = (struct pen_column){.text = {line->bytes[i], len},
                                              .is_escaped = strchr(text, '\\') != NULL};
        if (!is_time && below(seed, 10) == 0) {
            line->values[i] = (struct pen_column){.text = {NULL, 0}};
        }
    }
}

static void columns_set(struct fixture *f, const struct line *line, bool by_column)
{
    uint32_t columns[COLUMNS_MAX];
    for (uint32_t i = 0; i < line->count; i++) {
        columns[i] = pen_walker_column(f->walker, pen_slice_str(line->columns[i]));
        assert_int_not_equal(columns[i], 0);
    }
    if (by_column) {
        assert_true(pen_walker_columns_set(f->walker, columns, line->count));
    }
}

static void record_make(struct fixture *f, const struct line *line, bool by_column)
{
    f->record = (struct pen_record){.raw = PEN_SLICE_LIT("the line")};
    if (by_column) {
        assert_true(
            pen_walker_flat_columns(f->walker, line->values, sizeof(line->bytes), &f->record));
        assert_non_null(f->record.layout);
        return;
    }
    pen_walker_flat_begin(f->walker);
    for (uint32_t i = 0; i < line->count; i++) {
        const uint32_t at = pen_walker_column(f->walker, pen_slice_str(line->columns[i]));
        const struct pen_column *value = &line->values[i];
        assert_true(value->text.ptr == NULL ||
                    pen_walker_flat_put(f->walker, at, value->text, value->is_escaped));
    }
    pen_walker_flat_end(f->walker, &f->record);
    assert_null(f->record.layout);
}

/* All that rules and the sink are given, as one text. */
static void tell(struct fixture *f, const uint32_t fields[ASKED], struct pen_buf *out)
{
    out->len = 0;
    const struct pen_doc *doc = &f->doc;
    assert_int_equal(
        pen_normalize(f->normalizer, f->walker, &f->record, &f->object, true, &f->doc, &f->err),
        PEN_OK);
    assert_int_equal(pen_buf_printf(out, "%.*s %.*s %.*s %.*s %.*s %.*s\n", PEN_SLICE_FMT(doc->id),
                                    PEN_SLICE_FMT(doc->index), PEN_SLICE_FMT(doc->account),
                                    PEN_SLICE_FMT(doc->region), PEN_SLICE_FMT(doc->identity),
                                    PEN_SLICE_FMT(doc->source_ip)),
                     PEN_OK);
    assert_int_equal(pen_buf_add(out, doc->source), PEN_OK);
    for (uint32_t i = 0; i < ASKED; i++) {
        assert_int_equal(pen_buf_printf(out, "\n%s:", asked[i]), PEN_OK);
        for (const struct pen_value *v = pen_record_first(&f->record, fields[i]); v != NULL;
             v = pen_value_next(&f->record, v)) {
            assert_int_equal(pen_buf_printf(out, " %d%.*s", v->is_escaped, PEN_SLICE_FMT(v->text)),
                             PEN_OK);
        }
    }
    assert_int_equal(pen_record_compact(out, &f->record), PEN_OK);
    assert_int_equal(pen_buf_add_byte(out, 0), PEN_OK);
}

static struct fixture *side_new(uint32_t fields[ASKED])
{
    struct fixture *f = fixture_new(&flow_type);
    for (uint32_t i = 0; i < ASKED; i++) {
        assert_int_equal(pen_schema_field(f->schema, pen_slice_str(asked[i]), &fields[i], &f->err),
                         PEN_OK);
    }
    fixture_seal(f);
    return f;
}

static void columns_make_the_documents_that_values_make(void **state)
{
    (void)state;
    uint32_t fields[2][ASKED];
    struct fixture *sides[2] = {side_new(fields[0]), side_new(fields[1])};
    struct pen_buf told[2];
    struct seed seed = {.x = 20250301};
    pen_buf_init(&told[0], 1 << 20);
    pen_buf_init(&told[1], 1 << 20);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        static struct line line;
        columns_choose(&line, &seed);
        columns_set(sides[0], &line, true);
        columns_set(sides[1], &line, false);
        for (uint32_t i = 0; i < LINES; i++) {
            values_choose(&line, &seed);
            for (uint32_t s = 0; s < 2; s++) {
                record_make(sides[s], &line, s == 0);
                tell(sides[s], fields[s], &told[s]);
            }
            assert_string_equal((const char *)told[0].ptr, (const char *)told[1].ptr);
        }
    }
    for (uint32_t s = 0; s < 2; s++) {
        pen_buf_fini(&told[s]);
        fixture_free(sides[s]);
    }
}

static void a_line_says_what_its_columns_are(void **state)
{
    (void)state;
    uint32_t fields[ASKED];
    struct fixture *f = side_new(fields);
    struct line line = {.columns = {"srcaddr", "end", "bytes", "dstaddr"}, .count = 4};
    static const char *const values[] = {"192.0.2.1", "1740787200", "77", "-"};
    for (uint32_t i = 0; i < line.count; i++) {
        memcpy(line.bytes[i], values[i], strlen(values[i]));
        line.values[i] = (struct pen_column){.text = {line.bytes[i], strlen(values[i])}};
    }
    columns_set(f, &line, true);
    record_make(f, &line, true);
    assert_int_equal(
        pen_normalize(f->normalizer, f->walker, &f->record, &f->object, true, &f->doc, &f->err),
        PEN_OK);
    memcpy(f->source, f->doc.source.ptr, f->doc.source.len);
    has_text(f->source, "{\"srcaddr\":\"192.0.2.1\",\"end\":\"1740787200\",\"bytes\":\"77\",\"@t",
             true);
    has_text(f->source, "\"source\":{\"ip\":\"192.0.2.1\"}", true);
    has_text(f->source, "\"related\":{\"ip\":[\"192.0.2.1\"]}", true);
    has_text(f->source, "\"network\":{\"bytes\":77}", true);
    has_text(f->source, "destination", false);
    slice_is(pen_record_first(&f->record, fields[0])->text, "192.0.2.1");
    slice_is(f->doc.source_ip, "192.0.2.1");
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_says_what_its_columns_are),
        cmocka_unit_test(columns_make_the_documents_that_values_make),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
