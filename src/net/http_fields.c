/* What the fields of a head say: framing, connection, range, and texts that callers ask for. */
#include "http_fields.h"

#define STATUS_NO_CONTENT 204
#define STATUS_PARTIAL 206
#define STATUS_NOT_MODIFIED 304
#define STATUS_RANGE 416

#define LENGTH PEN_SLICE_LIT("content-length")
#define CODING PEN_SLICE_LIT("transfer-encoding")
#define CONNECTION PEN_SLICE_LIT("connection")
#define RANGE PEN_SLICE_LIT("content-range")

bool pen_http_is_token(uint8_t b)
{
    static const uint32_t tokens[8] = {
        0, 0x03ff6cfa, 0xc7fffffe, 0x57ffffff, /* ! # $ % & ' * + - . ^ _ ` | ~ 0-9 A-Z a-z */
    };
    return (tokens[b >> 5] >> (b & 31) & 1) != 0;
}

static pen_slice name_of(const struct http_head *head, const struct http_field *f)
{
    return (pen_slice){head->bytes + f->name, f->name_len};
}

static pen_slice value_of(const struct http_head *head, const struct http_field *f)
{
    return (pen_slice){head->bytes + f->value, f->value_len};
}

static pen_slice blanks_cut(pen_slice s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s = pen_slice_sub(s, 1, s.len);
    }
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

/* ---- framing ---- */

/* A number, or the same number several times with commas. */
static pen_status length_read(struct http_head *head, const struct http_field *f,
                              struct pen_err *err)
{
    pen_slice rest = value_of(head, f);
    pen_slice item = {0};
    bool is_sound = !f->is_folded;
    while (is_sound && pen_slice_split(&rest, ',', &item)) {
        uint64_t length = 0;
        is_sound = pen_parse_u64(blanks_cut(item), &length) &&
                   (!head->has_length || head->content_length == length);
        head->content_length = length;
        head->has_length = true;
    }
    if (!is_sound) {
        return PEN_FAIL(err, PEN_E_CORRUPT, pen_http_head_at(head, f->name),
                        "http: content-length is not one number");
    }
    return PEN_OK;
}

static pen_status coding_read(struct http_head *head, const struct http_field *f,
                              struct pen_err *err)
{
    const char *reason = NULL;
    if (head->minor == 0) {
        reason = "http: transfer-encoding in an answer of HTTP/1.0";
    } else if (head->is_chunked) {
        reason = "http: two transfer-encoding fields";
    } else if (f->is_folded || !pen_slice_eq_nocase(value_of(head, f), PEN_SLICE_LIT("chunked"))) {
        reason = "http: transfer-encoding is not chunked alone";
    }
    if (reason != NULL) {
        return PEN_FAIL(err, PEN_E_CORRUPT, pen_http_head_at(head, f->name), "%s", reason);
    }
    head->is_chunked = true;
    return PEN_OK;
}

static pen_status framing_field(struct http_head *head, const struct http_field *f,
                                struct pen_err *err)
{
    const pen_slice name = name_of(head, f);
    if (pen_slice_eq(name, LENGTH)) {
        return length_read(head, f, err);
    }
    return pen_slice_eq(name, CODING) ? coding_read(head, f, err) : PEN_OK;
}

/* An answer that has no body by its status and yet announces one is read in two ways. */
static pen_status bodiless_check(const struct http_head *head, struct pen_err *err)
{
    if (head->is_chunked || (head->has_length && head->content_length > 0)) {
        return PEN_FAIL(err, PEN_E_CORRUPT, pen_http_head_at(head, 0),
                        "http: an answer %u announces a body", head->status);
    }
    return PEN_OK;
}

static pen_status framing_set(struct http_head *head, struct pen_err *err)
{
    if (head->is_chunked && head->has_length) {
        return PEN_FAIL(err, PEN_E_CORRUPT, pen_http_head_at(head, 0),
                        "http: both content-length and transfer-encoding");
    }
    if (head->status == STATUS_NO_CONTENT) {
        PEN_TRY(bodiless_check(head, err));
    }
    if (head->is_head_request || head->status == STATUS_NO_CONTENT ||
        head->status == STATUS_NOT_MODIFIED) {
        head->framing = HTTP_FRAMING_NONE;
    } else if (head->is_chunked) {
        head->framing = HTTP_FRAMING_CHUNKED;
    } else if (head->has_length) {
        head->framing = head->content_length > 0 ? HTTP_FRAMING_LENGTH : HTTP_FRAMING_NONE;
    } else {
        head->framing = HTTP_FRAMING_CLOSE;
        head->is_kept = false;
    }
    return PEN_OK;
}

/* ---- connection ---- */

struct options {
    bool has_close, has_keep;
};

static void connection_read(pen_slice value, struct options *options)
{
    pen_slice item;
    while (pen_slice_split(&value, ',', &item)) {
        const pen_slice option = blanks_cut(item);
        options->has_close |= pen_slice_eq_nocase(option, PEN_SLICE_LIT("close"));
        options->has_keep |= pen_slice_eq_nocase(option, PEN_SLICE_LIT("keep-alive"));
    }
}

/* ---- range ---- */

static bool range_parse(pen_slice value, struct http_range *range)
{
    const pen_slice unit = pen_slice_sub(value, 0, 5);
    pen_slice rest = blanks_cut(pen_slice_sub(value, 5, value.len));
    pen_slice bytes = {0};
    if (!pen_slice_eq_nocase(unit, PEN_SLICE_LIT("bytes")) || value.len < 6 ||
        value.ptr[5] != ' ' || !pen_slice_split(&rest, '/', &bytes)) {
        return false;
    }
    range->is_given = true;
    range->has_total = !pen_slice_eq(rest, PEN_SLICE_LIT("*"));
    if (range->has_total && !pen_parse_u64(rest, &range->total)) {
        return false;
    }
    if (pen_slice_eq(bytes, PEN_SLICE_LIT("*"))) {
        return range->has_total;
    }
    range->has_bytes = true;
    pen_slice first = {0};
    return pen_slice_split(&bytes, '-', &first) && pen_parse_u64(first, &range->first) &&
           pen_parse_u64(bytes, &range->last) && range->first <= range->last &&
           (!range->has_total || range->last < range->total);
}

static pen_status range_read(struct http_head *head, struct pen_err *err)
{
    pen_slice value;
    pen_slice other;
    if ((head->status != STATUS_PARTIAL && head->status != STATUS_RANGE) ||
        !pen_http_head_get(head, RANGE, 0, &value)) {
        return PEN_OK;
    }
    struct http_range *range = &head->content_range;
    bool is_sound = range_parse(value, range) && (range->has_bytes || head->status == STATUS_RANGE);
    for (uint32_t n = 1; is_sound && pen_http_head_get(head, RANGE, n, &other); n++) {
        is_sound = pen_slice_eq(value, other);
    }
    if (!is_sound) {
        return PEN_FAIL(err, PEN_E_CORRUPT,
                        pen_http_head_at(head, (uint64_t)(value.ptr - head->bytes)),
                        "http: content-range is not bytes FIRST-LAST/TOTAL");
    }
    return PEN_OK;
}

/* ---- texts ---- */

struct known {
    pen_slice name;
    size_t member;  /* offset of a pen_slice in struct http_head */
    bool is_single; /* two that differ are an error */
};
#define KNOWN(text, to, single)                                       \
    {                                                                 \
        PEN_SLICE_LIT(text), offsetof(struct http_head, to), (single) \
    }

static pen_status text_read(struct http_head *head, const struct http_field *f, struct pen_err *err)
{
    static const struct known all[] = {
        KNOWN("etag", etag, true),
        KNOWN("location", location, true),
        KNOWN("x-amz-version-id", version_id, true),
        KNOWN("date", date, false),
        KNOWN("last-modified", last_modified, false),
        KNOWN("content-type", content_type, false),
        KNOWN("retry-after", retry_after, false),
        KNOWN("server", server, false),
        KNOWN("x-amz-request-id", request_id, false),
        KNOWN("x-amz-id-2", id_2, false),
        KNOWN("x-amz-bucket-region", bucket_region, false),
        KNOWN("x-amz-storage-class", storage_class, false),
    };
    const pen_slice name = name_of(head, f);
    for (uint32_t i = 0; i < PEN_COUNT(all); i++) {
        if (!pen_slice_eq(name, all[i].name)) {
            continue;
        }
        pen_slice *member = (pen_slice *)(void *)((char *)head + all[i].member);
        if (member->ptr == NULL) {
            *member = value_of(head, f);
        } else if (all[i].is_single && !pen_slice_eq(*member, value_of(head, f))) {
            return PEN_FAIL(err, PEN_E_CORRUPT, pen_http_head_at(head, f->name),
                            "http: two %.*s fields that differ", PEN_SLICE_FMT(name));
        }
        break;
    }
    return PEN_OK;
}

pen_status pen_http_fields_read(struct http_head *head, struct pen_err *err)
{
    struct options options = {0};
    for (uint32_t i = 0; i < head->field_count; i++) {
        const struct http_field *f = &head->fields[i];
        PEN_TRY(framing_field(head, f, err));
        PEN_TRY(text_read(head, f, err));
        if (pen_slice_eq(name_of(head, f), CONNECTION)) {
            connection_read(value_of(head, f), &options);
        }
    }
    head->is_kept = !options.has_close && (head->minor > 0 || options.has_keep);
    PEN_TRY(framing_set(head, err));
    return range_read(head, err);
}

pen_status pen_http_fields_interim(const struct http_head *head, struct pen_err *err)
{
    for (uint32_t i = 0; i < head->field_count; i++) {
        const struct http_field *f = &head->fields[i];
        const pen_slice name = name_of(head, f);
        const bool is_length =
            pen_slice_eq(name, LENGTH) && !pen_slice_eq(value_of(head, f), PEN_SLICE_LIT("0"));
        if (is_length || pen_slice_eq(name, CODING)) {
            return PEN_FAIL(err, PEN_E_CORRUPT, pen_http_head_at(head, f->name),
                            "http: an answer %u announces a body", head->status);
        }
    }
    return PEN_OK;
}
