/* tested by tests/e2e/test_hunt.py */
#include "hunt.h"

#include "penstock/query.h"

#include "hunt_files.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define RULE_BYTES_MAX ((size_t)8 << 20)
#define OFFERED_FIRST 8U
#define GROUPS_MAX 1000000U /* told apart when they are counted */

enum output_kind { OUTPUT_MATCH, OUTPUT_OTHER };
struct output_head { /* of what on_record appends: then the record, then observations */
    enum output_kind kind;
    uint32_t type;
    uint32_t event_bytes; /* 0: too long */
};
struct kept { /* the first in the order of listing */
    struct pen_buf event;
    uint64_t sequence, record;
};
struct hunt {
    const struct hunt_options *options;
    struct pen_program *program;
    struct pen_backtest *backtest;
    struct kept match, others[PEN_TYPES_MAX];
    uint32_t match_type; /* of the example */
    bool has_match;
    uint64_t by_type[PEN_TYPES_MAX]; /* records that match */
    uint64_t matches;
    struct hunt_result result;
    struct pen_err failure;
};

bool hunt_form_take(const char *text, enum hunt_form *out)
{
    static const char *const names[] = {"", "threshold", "new_value", "sigma"};
    for (size_t i = 1; i < PEN_COUNT(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (enum hunt_form)i;
            return true;
        }
    }
    return false;
}

/* ---- on the threads of the pass ---- */

static pen_status event_add(const struct pen_pass_record *record, size_t head_at,
                            struct pen_buf *out)
{
    const size_t from = out->len;
    PEN_TRY(pen_record_compact(out, &record->item->record));
    if (out->len - from > HUNT_EXAMPLE_BYTES_MAX) {
        out->len = from;
    }
    struct output_head head;
    memcpy(&head, out->ptr + head_at, sizeof(head));
    head.event_bytes = pen_u32(out->len - from);
    memcpy(out->ptr + head_at, &head, sizeof(head));
    return PEN_OK;
}

/* One that does not match is offered as an example at few places of an object. */
static bool is_offered(uint64_t ordinal)
{
    return (ordinal & (ordinal - 1)) == 0 || ordinal < OFFERED_FIRST;
}

static pen_status on_record(void *ctx, const struct pen_pass_record *record, struct pen_buf *out,
                            struct pen_err *err)
{
    const struct hunt *hunt = ctx;
    const uint32_t type = record->type->id;
    const bool is_match = record->item->tag_count > 0;
    if (!is_match && !is_offered(record->item->record.ordinal)) {
        return PEN_OK;
    }
    const struct output_head head = {.kind = is_match ? OUTPUT_MATCH : OUTPUT_OTHER, .type = type};
    const size_t at = out->len;
    pen_status st = pen_buf_add(out, (pen_slice){(const uint8_t *)&head, sizeof(head)});
    st = st == PEN_OK ? event_add(record, at, out) : st;
    if (st != PEN_OK) {
        return PEN_FAIL(err, st, PEN_NO_OFFSET, "%s: no room for a record", record->object->key);
    }
    return pen_backtest_observe(hunt->backtest, record, out, err);
}

/* ---- on the calling thread ---- */

static pen_status keep(struct kept *kept, bool is_first, pen_slice event,
                       const struct pen_pass_output *output)
{
    const bool is_before = output->sequence < kept->sequence ||
                           (output->sequence == kept->sequence && output->record < kept->record);
    if (event.len == 0 || (!is_first && !is_before)) {
        return PEN_OK;
    }
    kept->sequence = output->sequence;
    kept->record = output->record;
    kept->event.len = 0;
    return pen_buf_add(&kept->event, event);
}

static pen_status take(struct hunt *hunt, const struct pen_pass_output *output)
{
    pen_slice rest = output->bytes;
    pen_slice bytes;
    pen_slice event = {0};
    struct output_head head;
    const bool has_head = pen_slice_take(&rest, sizeof(head), &bytes);
    PEN_CHECK(has_head);
    memcpy(&head, bytes.ptr, sizeof(head));
    const bool is_whole = pen_slice_take(&rest, head.event_bytes, &event);
    PEN_CHECK(is_whole);
    if (head.kind == OUTPUT_OTHER) {
        struct kept *other = &hunt->others[head.type];
        return keep(other, other->event.len == 0, event, output);
    }
    hunt->matches++;
    hunt->by_type[head.type]++;
    PEN_TRY(keep(&hunt->match, !hunt->has_match, event, output));
    if (event.len > 0 && hunt->match.sequence == output->sequence &&
        hunt->match.record == output->record) {
        hunt->has_match = true;
        hunt->match_type = head.type;
    }
    return pen_backtest_take(hunt->backtest, rest, &hunt->failure);
}

static bool on_output(void *ctx, const struct pen_pass_output *output)
{
    struct hunt *hunt = ctx;
    const pen_status st = take(hunt, output);
    if (st != PEN_OK && hunt->failure.status == PEN_OK) {
        (void)PEN_FAIL(&hunt->failure, st, PEN_NO_OFFSET, "out of memory for what was found");
    }
    return st == PEN_OK;
}

static void on_trouble(void *ctx, const struct pen_pass_trouble *trouble)
{
    const struct hunt *hunt = ctx;
    told_trouble(hunt->options->told, trouble);
}

static pen_status on_signal(void *ctx, enum pen_signal_change change,
                            const struct pen_signal *signal)
{
    struct hunt_result *r = ctx;
    if (change != PEN_SIGNAL_OPENED) {
        return PEN_OK;
    }
    r->signals++;
    r->first_ns = r->signals == 1 || signal->first_seen_ns < r->first_ns ? signal->first_seen_ns
                                                                         : r->first_ns;
    r->last_ns =
        r->signals == 1 || signal->first_seen_ns > r->last_ns ? signal->first_seen_ns : r->last_ns;
    return hunt_groups_add(r, signal->group);
}

/* ---- the whole ---- */

/* The rule in memory: what is evaluated while the sources are read. */
static pen_status program_make(struct hunt *hunt, const struct pen_buf *text, struct pen_err *err)
{
    const struct pen_rule_text file = {
        .name = hunt->options->rule.form == HUNT_SIGMA ? "the rule.yml" : "the rule.json",
        .text = pen_buf_slice(text)};
    const struct pen_program_options build = {.rules = {.texts = &file, .text_count = 1},
                                              .types_dir = hunt->options->types_dir};
    PEN_TRY(pen_program_new(&build, &hunt->program, err));
    const struct pen_rules *rules = hunt->program->rules;
    for (uint32_t i = 0; i < pen_rules_notice_count(rules) && pen_rules_count(rules) == 0; i++) {
        const struct pen_notice *n = pen_rules_notice(rules, i);
        if (n->level == PEN_NOTICE_ERROR) {
            return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "no rule can be made of this: %.*s",
                            PEN_SLICE_FMT(n->text));
        }
    }
    return pen_rules_count(rules) == 1
               ? PEN_OK
               : PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "no rule can be made of this query");
}

static pen_status read_all(struct hunt *hunt, struct pen_totals *totals, struct pen_err *err)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): no thread changes the environment
    const char *temp_dir = getenv("TMPDIR");
    const struct pen_backtest_options options = {
        .program = hunt->program, .limits = hunt->options->limits, .temp_dir = temp_dir};
    PEN_TRY(pen_backtest_new(&options, &hunt->backtest, err));
    struct pen_pass_options pass = hunt->options->pass;
    pass.program = hunt->program;
    pass.all_records = true; /* for one that does not match */
    pass.on_record = on_record;
    pass.on_output = on_output;
    pass.on_trouble = on_trouble;
    pass.ctx = hunt;
    PEN_TRY(pen_pass(&pass, totals, err));
    if (hunt->failure.status != PEN_OK) {
        *err = hunt->failure;
        return err->status;
    }
    return pen_backtest_end(hunt->backtest, on_signal, &hunt->result, err);
}

static const struct pen_type *only_type(const struct hunt *hunt)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < hunt->program->type_count; i++) {
        count += hunt->by_type[i] > 0;
    }
    return count == 1 ? hunt->program->by_type[hunt->match_type].type : NULL;
}

static int files_make(struct hunt *hunt, struct pen_buf *text, struct pen_err *err)
{
    struct hunt_rule rule = hunt->options->rule;
    rule.type = only_type(hunt);
    const struct pen_type *type = hunt->program->by_type[hunt->match_type].type;
    const struct kept *other = &hunt->others[hunt->match_type];
    const struct hunt_example examples[] = {{pen_buf_slice(&hunt->match.event), type->name},
                                            {pen_buf_slice(&other->event), type->name}};
    hunt->result.matches = hunt->matches;
    hunt->result.has_other = other->event.len > 0;
    pen_status st = hunt_rule_write(&rule, text, err);
    st = st == PEN_OK ? hunt_files_write(hunt->options, &rule, pen_buf_slice(text), examples,
                                         &hunt->result, err)
                      : st;
    st = st == PEN_OK ? hunt_files_test(hunt->options, &hunt->result, err) : st;
    return st == PEN_OK ? 0 : cli_fail(err);
}

static int finish(struct hunt *hunt, const struct pen_totals *totals, struct pen_buf *text,
                  struct pen_err *err)
{
    const struct hunt_options *o = hunt->options;
    told_sum(o->told, totals);
    if (!hunt->has_match) {
        (void)fprintf(stderr, "penstock: %s; nothing was written\n",
                      hunt->matches > 0 ? "every record that matches is too long for a test"
                      : o->rule.form == HUNT_SIGMA
                          ? "no record matches"
                          : "no record matches: words without a field ask `message` alone in a "
                            "rule of Datadog's");
        return 1;
    }
    const int code = files_make(hunt, text, err);
    if (code != 0) {
        return code;
    }
    hunt_result_print(&hunt->result, o->is_json);
    if (!cli_output_is_good()) {
        return 1;
    }
    return told_has_gap(totals, o->is_strict) && !o->allow_gaps ? 7 : 0;
}

static int query_fail(const struct hunt_options *o, const struct pen_err *err)
{
    struct pen_buf words;
    pen_buf_init(&words, (size_t)1 << 20);
    const bool has_caret = err->status == PEN_E_USAGE && err->offset != PEN_NO_OFFSET &&
                           pen_query_caret(&words, o->rule.query, err) == PEN_OK;
    if (has_caret) {
        (void)fprintf(stderr, "penstock: the query cannot be read:\n%.*s", (int)words.len,
                      (const char *)words.ptr);
    }
    pen_buf_fini(&words);
    return has_caret ? 2 : cli_fail(err);
}

int hunt_run(const struct hunt_options *options)
{
    struct hunt *hunt = calloc(1, sizeof(*hunt));
    struct pen_buf text;
    struct pen_err err = {0};
    struct pen_totals totals = {0};
    PEN_CHECK(hunt != NULL);
    hunt->options = options;
    pen_buf_init(&text, RULE_BYTES_MAX);
    pen_buf_init(&hunt->match.event, HUNT_EXAMPLE_BYTES_MAX);
    for (uint32_t i = 0; i < PEN_TYPES_MAX; i++) {
        pen_buf_init(&hunt->others[i].event, HUNT_EXAMPLE_BYTES_MAX);
    }
    hunt_result_init(&hunt->result, GROUPS_MAX);
    pen_status st = hunt_query_check(options->rule.query, &err);
    st = st == PEN_OK ? hunt_rule_write(&options->rule, &text, &err) : st;
    st = st == PEN_OK ? program_make(hunt, &text, &err) : st;
    const bool is_made = st == PEN_OK;
    st = is_made ? read_all(hunt, &totals, &err) : st;
    const int code = st == PEN_OK ? finish(hunt, &totals, &text, &err)
                     : is_made    ? cli_fail(&err)
                                  : query_fail(options, &err);
    hunt_result_fini(&hunt->result);
    pen_backtest_free(hunt->backtest);
    pen_program_free(hunt->program);
    for (uint32_t i = 0; i < PEN_TYPES_MAX; i++) {
        pen_buf_fini(&hunt->others[i].event);
    }
    pen_buf_fini(&hunt->match.event);
    pen_buf_fini(&text);
    free(hunt);
    return code;
}
