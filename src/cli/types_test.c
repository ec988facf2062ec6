/* tested by tests/e2e/test_types.py */
#include "types_test.h"

#include "told.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define READ_BYTES ((size_t)256 << 10)
#define BAD_SHOWN_MAX 20U

struct report {
    struct pen_buf bad;   /* JSON objects, or lines */
    struct pen_buf first; /* the first document */
    char time[PEN_TIME_MAX];
    char id[128], index[128], account[32], region[32];
    uint64_t records, bad_records, bad_shown;
    uint64_t lines, by_column; /* records of text; those that are known by their columns */
    struct pen_err damage;
};

/* When a file was written last; INT64_MIN of what is no file. */
static int64_t modified(FILE *file)
{
    struct stat st;
    const bool is_file = fstat(fileno(file), &st) == 0 && S_ISREG(st.st_mode);
    return is_file ? (int64_t)st.st_mtim.tv_sec * PEN_NS_PER_S + st.st_mtim.tv_nsec : INT64_MIN;
}

static void copy(char *out, size_t cap, pen_slice text)
{
    (void)snprintf(out, cap, "%.*s", (int)(text.len < cap ? text.len : cap - 1),
                   (const char *)text.ptr);
}

static pen_status bad_add(struct report *r, const struct pen_record *record,
                          const struct pen_err *err, bool is_json)
{
    r->bad_records++;
    if (r->bad_shown == BAD_SHOWN_MAX) {
        return PEN_OK;
    }
    const char *comma = r->bad_shown++ == 0 ? "" : ",";
    if (!is_json) {
        return pen_buf_printf(&r->bad, "  record %" PRIu64 " at byte %" PRIu64 ": %s\n",
                              record->ordinal, record->offset, err->text);
    }
    PEN_TRY(pen_buf_printf(&r->bad,
                           "%s{\"record\":%" PRIu64 ",\"offset\":%" PRIu64 ",\"reason\":\"", comma,
                           record->ordinal, record->offset));
    PEN_TRY(pen_json_escape(&r->bad, pen_slice_str(err->text)));
    return pen_buf_printf(&r->bad, "\"}");
}

static pen_status first_add(struct report *r, const struct pen_scan_item *item)
{
    const struct pen_doc *doc = &item->doc;
    r->lines += item->record.is_flat;
    r->by_column += item->record.layout != NULL;
    if (r->records++ > 0) {
        return PEN_OK;
    }
    if (doc->time_ns != INT64_MIN) {
        (void)pen_format_time(doc->time_ns, r->time);
    }
    copy(r->id, sizeof(r->id), doc->id);
    copy(r->index, sizeof(r->index), doc->index);
    copy(r->account, sizeof(r->account), doc->account);
    copy(r->region, sizeof(r->region), doc->region);
    return pen_buf_add(&r->first, doc->source);
}

static pen_status record_add(struct report *r, const struct pen_scan_item *item, bool is_json)
{
    struct pen_err err = {0};
    switch (item->doc.kind) {
    case PEN_DOC_LEFT_OUT:
        return PEN_OK;
    case PEN_DOC_UNPARSED: /* a document too, but what a type is tested for is its reason */
        (void)PEN_FAIL(&err, PEN_E_CORRUPT, item->record.offset, "%s", item->record.problem);
        return bad_add(r, &item->record, &err, is_json);
    case PEN_DOC_EVENT:
    case PEN_DOC_INSIGHT:
    case PEN_DOC_DIGEST:
        return first_add(r, item);
    }
    pen_panic(PEN_HERE, "kind of document");
}

/* Feeds the file to the scan until its end. */
static pen_status file_scan(struct pen_scan *scan, FILE *file, bool is_json, struct report *r)
{
    uint8_t *bytes = malloc(READ_BYTES);
    struct pen_scan_item item;
    struct pen_err err = {0};
    pen_status st = bytes == NULL ? PEN_E_NOMEM : PEN_OK;
    for (bool is_ended = false; st == PEN_OK && !is_ended;) {
        switch (pen_scan_next(scan, &item, &err)) {
        case PEN_SCAN_RECORD:
            st = record_add(r, &item, is_json);
            break;
        case PEN_SCAN_BAD:
            st = bad_add(r, &item.record, &err, is_json);
            break;
        case PEN_SCAN_INPUT: {
            const size_t len = fread(bytes, 1, READ_BYTES, file);
            pen_scan_feed(scan, (pen_slice){bytes, len}, len < READ_BYTES);
            break;
        }
        case PEN_SCAN_DAMAGE:
            r->damage = err;
            break;
        case PEN_SCAN_END:
            is_ended = true;
            break;
        }
    }
    free(bytes);
    return st;
}

/* ---- output ---- */

static pen_status member(struct pen_buf *out, const char *before, pen_slice text)
{
    PEN_TRY(pen_buf_add(out, pen_slice_str(before)));
    PEN_TRY(pen_json_escape(out, text));
    return pen_buf_add_byte(out, '"');
}

static pen_slice day_text(const struct pen_key_info *info, char out[PEN_TIME_MAX])
{
    const size_t len = info->day_ns == INT64_MIN ? 0 : pen_format_time(info->day_ns, out);
    return (pen_slice){(const uint8_t *)out, len < 10 ? len : 10}; /* the date alone */
}

static pen_status json(struct pen_buf *out, const struct types_test *test, struct pen_scan *scan,
                       const struct report *r)
{
    const struct pen_key_info *key = pen_scan_key(scan);
    char day[PEN_TIME_MAX];
    const struct {
        const char *name;
        pen_slice text;
    } members[] = {{"{\"key\":\"", pen_slice_str(test->key)},
                   {",\"by_key\":{\"type\":\"", key->type->name},
                   {",\"account\":\"", key->account},
                   {",\"region\":\"", key->region},
                   {",\"day\":\"", day_text(key, day)},
                   {"},\"type\":\"", pen_scan_type(scan)->name},
                   {",\"damage\":\"", pen_slice_str(r->damage.text)},
                   {",\"first\":{\"index\":\"", pen_slice_str(r->index)},
                   {",\"id\":\"", pen_slice_str(r->id)},
                   {",\"time\":\"", pen_slice_str(r->time)},
                   {",\"account\":\"", pen_slice_str(r->account)},
                   {",\"region\":\"", pen_slice_str(r->region)}};
    for (size_t i = 0; i < PEN_COUNT(members); i++) {
        PEN_TRY(member(out, members[i].name, members[i].text));
    }
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT(",\"document\":")));
    PEN_TRY(r->first.len == 0 ? pen_buf_add(out, PEN_SLICE_LIT("null"))
                              : pen_buf_add(out, pen_buf_slice(&r->first)));
    PEN_TRY(pen_buf_printf(out,
                           "},\"plain_bytes\":%" PRIu64 ",\"records\":%" PRIu64
                           ",\"by_column\":%" PRIu64 ",\"bad_records\":%" PRIu64 ",\"bad\":[",
                           pen_scan_plain_bytes(scan), r->records, r->by_column, r->bad_records));
    PEN_TRY(pen_buf_add(out, pen_buf_slice(&r->bad)));
    return pen_buf_add(out, PEN_SLICE_LIT("]}\n"));
}

static pen_slice or_unknown(pen_slice text)
{
    return text.len == 0 ? PEN_SLICE_LIT("?") : text;
}

/* Of text, how it was read. */
static pen_status lines_line(struct pen_buf *out, const struct report *r)
{
    return r->lines == 0 ? PEN_OK
                         : pen_buf_printf(out,
                                          "lines      %" PRIu64 " by their columns, %" PRIu64
                                          " value by value (slower)\n",
                                          r->by_column, r->lines - r->by_column);
}

static pen_status first_line(struct pen_buf *out, const struct report *r)
{
    PEN_TRY(lines_line(out, r));
    PEN_TRY(pen_buf_printf(out, "first      %s, account %s, region %s, %s, _id %s\ndocument   ",
                           r->time, r->account, r->region, r->index, r->id));
    PEN_TRY(pen_buf_add(out, pen_buf_slice(&r->first)));
    return pen_buf_add_byte(out, '\n');
}

static pen_status table(struct pen_buf *out, const struct types_test *test, struct pen_scan *scan,
                        const struct report *r)
{
    const struct pen_key_info *key = pen_scan_key(scan);
    char day[PEN_TIME_MAX];
    PEN_TRY(pen_buf_printf(
        out,
        "key        %s\nby key     %.*s, account %.*s, region %.*s, day %.*s\n"
        "type       %.*s\nrecords    %" PRIu64 " good, %" PRIu64 " bad, %" PRIu64 " bytes\n",
        test->key, PEN_SLICE_FMT(key->type->name), PEN_SLICE_FMT(or_unknown(key->account)),
        PEN_SLICE_FMT(or_unknown(key->region)), PEN_SLICE_FMT(or_unknown(day_text(key, day))),
        PEN_SLICE_FMT(pen_scan_type(scan)->name), r->records, r->bad_records,
        pen_scan_plain_bytes(scan)));
    PEN_TRY(pen_buf_add(out, pen_buf_slice(&r->bad)));
    if (r->damage.status != PEN_OK) {
        PEN_TRY(pen_buf_printf(out, "damage     %s\n", r->damage.text));
    }
    return r->records == 0 ? PEN_OK : first_line(out, r);
}

static int print(const struct types_test *test, struct pen_scan *scan, const struct report *r)
{
    struct pen_buf out;
    struct pen_buf shown;
    struct pen_err err = {0};
    pen_buf_init(&out, (size_t)1 << 30);
    pen_buf_init(&shown, SIZE_MAX);
    const pen_status st = test->json ? json(&out, test, scan, r) : table(&out, test, scan, r);
    int code = 0;
    if (st != PEN_OK) {
        (void)PEN_FAIL(&err, st, PEN_NO_OFFSET, "types test: the document is too large to show");
        code = cli_fail(&err);
    } else if (test->json) {
        (void)fwrite(out.ptr, 1, out.len, stdout);
    } else {
        cli_print_escaped(&shown, pen_buf_slice(&out));
    }
    pen_buf_fini(&out);
    pen_buf_fini(&shown);
    const bool is_unknown = pen_slice_eq(pen_scan_type(scan)->name, PEN_SLICE_LIT("unknown"));
    const bool is_bad = is_unknown || r->bad_records > 0 || r->damage.status != PEN_OK;
    return code != 0 ? code : is_bad ? 1 : 0;
}

/* ---- the whole ---- */

static int scan_and_print(const struct types_test *test, const struct pen_program *program,
                          FILE *file)
{
    struct pen_err err = {0};
    struct pen_scan *scan = NULL;
    struct report *r = calloc(1, sizeof(*r));
    PEN_CHECK(r != NULL);
    pen_buf_init(&r->bad, (size_t)1 << 20);
    pen_buf_init(&r->first, (size_t)256 << 20);
    const struct pen_scan_options options = {
        .program = program,
        .want_source = true,
        .as_type = test->as_type == NULL ? (pen_slice){0} : pen_slice_str(test->as_type),
        .ingested_ns = pen_clock_wall_ns()};
    pen_status st = pen_scan_new(&options, &scan, &err);
    if (st == PEN_OK) {
        pen_scan_begin(scan, (pen_slice){0}, pen_slice_str(test->key), modified(file));
        st = file_scan(scan, file, test->json, r);
        st = st == PEN_OK && ferror(file) != 0 ? PEN_E_IO : st;
        if (st != PEN_OK) {
            (void)PEN_FAIL(&err, st, PEN_NO_OFFSET, "%s: %s", test->file, pen_status_text(st));
        }
    }
    const int code = st == PEN_OK ? print(test, scan, r) : cli_fail(&err);
    if (scan != NULL) {
        pen_scan_free(scan);
    }
    pen_buf_fini(&r->bad);
    pen_buf_fini(&r->first);
    free(r);
    return code;
}

int types_test(const struct types_test *asked)
{
    struct types_test test = *asked;
    struct pen_err err = {0};
    struct pen_program *program = NULL;
    const bool is_stdin = strcmp(test.file, "-") == 0;
    test.key = test.key == NULL ? test.file : test.key;
    const struct pen_program_options options = {.types_dir = test.types_dir};
    if (pen_program_new(&options, &program, &err) != PEN_OK) {
        return cli_fail(&err);
    }
    int code = 2;
    FILE *file = is_stdin ? stdin : fopen(test.file, "rbe");
    if (test.as_type != NULL &&
        pen_types_find(program->types, pen_slice_str(test.as_type)) == NULL) {
        (void)fprintf(stderr, "penstock: --as %s: no such log type; penstock types list\n",
                      test.as_type);
    } else if (file == NULL) {
        (void)fprintf(stderr, "penstock: %s: %s\n", test.file, strerrordesc_np(errno));
        code = 1;
    } else {
        code = scan_and_print(&test, program, file);
    }
    if (file != NULL && !is_stdin) {
        (void)fclose(file);
    }
    pen_program_free(program);
    return code;
}
