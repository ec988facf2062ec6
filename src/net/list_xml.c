#include "list_xml.h"

#include "span.h"

#include <expat.h>
#include <stdlib.h>

#define PIECE_BYTES ((size_t)16384) /* pushed to the parser at once */
#define NAME_SEPARATOR '\n'         /* between namespace and name; neither has it */

enum box { BOX_NONE, BOX_LIST, BOX_CONTENTS, BOX_PREFIXES, BOX_ERROR };
enum field {
    FIELD_NONE,
    FIELD_TRUNCATED,
    FIELD_TOKEN,
    FIELD_KEY_COUNT,
    FIELD_ENCODING,
    FIELD_KEY,
    FIELD_SIZE,
    FIELD_MODIFIED,
    FIELD_ETAG,
    FIELD_STORAGE,
    FIELD_PREFIX,
    FIELD_CODE,
    FIELD_MESSAGE,
    FIELD_REGION,
    FIELD_ENDPOINT,
    FIELD_SERVER_TIME,
    FIELD_COUNT
};

struct known {
    enum box in;
    const char *name;
    enum box box; /* that it opens, else field */
    enum field field;
};
static const struct known known[] = {
    {BOX_NONE, "ListBucketResult", BOX_LIST, FIELD_NONE},
    {BOX_NONE, "Error", BOX_ERROR, FIELD_NONE},
    {BOX_LIST, "Contents", BOX_CONTENTS, FIELD_NONE},
    {BOX_LIST, "CommonPrefixes", BOX_PREFIXES, FIELD_NONE},
    {BOX_LIST, "IsTruncated", BOX_NONE, FIELD_TRUNCATED},
    {BOX_LIST, "NextContinuationToken", BOX_NONE, FIELD_TOKEN},
    {BOX_LIST, "KeyCount", BOX_NONE, FIELD_KEY_COUNT},
    {BOX_LIST, "EncodingType", BOX_NONE, FIELD_ENCODING},
    {BOX_CONTENTS, "Key", BOX_NONE, FIELD_KEY},
    {BOX_CONTENTS, "Size", BOX_NONE, FIELD_SIZE},
    {BOX_CONTENTS, "LastModified", BOX_NONE, FIELD_MODIFIED},
    {BOX_CONTENTS, "ETag", BOX_NONE, FIELD_ETAG},
    {BOX_CONTENTS, "StorageClass", BOX_NONE, FIELD_STORAGE},
    {BOX_PREFIXES, "Prefix", BOX_NONE, FIELD_PREFIX},
    {BOX_ERROR, "Code", BOX_NONE, FIELD_CODE},
    {BOX_ERROR, "Message", BOX_NONE, FIELD_MESSAGE},
    {BOX_ERROR, "Region", BOX_NONE, FIELD_REGION},
    {BOX_ERROR, "Endpoint", BOX_NONE, FIELD_ENDPOINT},
    {BOX_ERROR, "ServerTime", BOX_NONE, FIELD_SERVER_TIME},
};

struct entry { /* an object whose text may yet move */
    struct span key, etag, storage;
    uint64_t size;
    int64_t modified_ns;
};

struct list_xml {
    XML_Parser parser;
    pen_status status; /* the first failure, told by a handler */
    struct pen_err err;
    uint64_t pushed_bytes;
    uint32_t depth;
    uint32_t skip_from; /* depth of the unknown element that we are in; 0: none */
    enum box root;
    enum box box;
    enum field field;
    const char *field_name;
    uint64_t seen;       /* a bit for each field of the list, the error and this object */
    size_t text_from;    /* where the field begins */
    struct pen_buf text; /* of the fields that are kept */
    struct span known_text[FIELD_COUNT];
    bool is_truncated;
    bool is_encoded; /* keys and prefixes are */
    uint64_t key_count;
    struct entry object; /* that is read */
    struct span prefix_texts[LIST_XML_ENTRIES_MAX];
    pen_slice prefixes[LIST_XML_ENTRIES_MAX];
    struct entry entries[LIST_XML_ENTRIES_MAX];
    struct pen_s3_object objects[LIST_XML_ENTRIES_MAX];
    uint32_t object_count;
    uint32_t prefix_count;
};

static uint64_t offset_of(const struct list_xml *xml)
{
    const XML_Index at = XML_GetCurrentByteIndex(xml->parser);
    return at < 0 ? xml->pushed_bytes : (uint64_t)at;
}

/* The first failure stays; handlers that the parser still calls do nothing. */
#define STOP(xml, st, ...)                                                                        \
    do {                                                                                          \
        if ((xml)->status == PEN_OK) {                                                            \
            (xml)->status = PEN_FAIL(&(xml)->err, (st), offset_of(xml), "listing: " __VA_ARGS__); \
            (void)XML_StopParser((xml)->parser, XML_FALSE);                                       \
        }                                                                                         \
    } while (0)

static const struct known *find(enum box in, const char *name)
{
    for (uint32_t i = 0; i < PEN_COUNT(known); i++) {
        if (known[i].in == in && strcmp(known[i].name, name) == 0) {
            return &known[i];
        }
    }
    return NULL;
}

#define BIT(field) (UINT64_C(1) << (field))
#define OBJECT_BITS \
    (BIT(FIELD_KEY) | BIT(FIELD_SIZE) | BIT(FIELD_MODIFIED) | BIT(FIELD_ETAG) | BIT(FIELD_STORAGE))

static void open_known(struct list_xml *xml, const struct known *k)
{
    if (k->field == FIELD_NONE) {
        xml->box = k->box;
        xml->root = xml->root == BOX_NONE ? k->box : xml->root;
        if (k->box == BOX_CONTENTS) {
            xml->object = (struct entry){.size = 0};
            xml->seen &= ~OBJECT_BITS;
        }
        return;
    }
    if (k->field != FIELD_PREFIX && (xml->seen & BIT(k->field)) != 0) {
        STOP(xml, PEN_E_CORRUPT, "the field %s is there twice", k->name);
        return;
    }
    xml->seen |= BIT(k->field);
    xml->field = k->field;
    xml->field_name = k->name;
    xml->text_from = xml->text.len;
}

static void XMLCALL on_start(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
    struct list_xml *xml = ctx;
    (void)attributes;
    if (xml->status != PEN_OK) {
        return;
    }
    if (++xml->depth > LIST_XML_DEPTH_MAX) {
        STOP(xml, PEN_E_LIMIT, "more than %d elements in one another", LIST_XML_DEPTH_MAX);
        return;
    }
    if (xml->skip_from > 0) {
        return;
    }
    if (xml->field != FIELD_NONE) {
        STOP(xml, PEN_E_CORRUPT, "an element inside the field %s", xml->field_name);
        return;
    }
    const char *separator = strrchr(name, NAME_SEPARATOR);
    const struct known *k = find(xml->box, separator == NULL ? name : separator + 1);
    if (k != NULL) {
        open_known(xml, k);
    } else if (xml->depth == 1) {
        STOP(xml, PEN_E_CORRUPT, "the document is neither a listing nor an error of S3");
    } else {
        xml->skip_from = xml->depth;
    }
}

static void XMLCALL on_text(void *ctx, const XML_Char *text, int len)
{
    struct list_xml *xml = ctx;
    if (xml->status != PEN_OK || xml->field == FIELD_NONE || xml->skip_from > 0) {
        return;
    }
    size_t room = LIST_XML_FIELD_MAX - (xml->text.len - xml->text_from);
    pen_slice s = {(const uint8_t *)text, (size_t)len};
    if (s.len > room && xml->field != FIELD_MESSAGE) {
        STOP(xml, PEN_E_LIMIT, "the field %s has more than %zu bytes", xml->field_name,
             LIST_XML_FIELD_MAX);
        return;
    }
    const pen_status status = pen_buf_add(&xml->text, pen_slice_sub(s, 0, room));
    if (status != PEN_OK) {
        STOP(xml, status, "fields of more than %zu bytes, or no memory for them", xml->text.max);
    }
}

/* ---- ends of elements ---- */

static bool parse_bool(pen_slice s, bool *out)
{
    *out = pen_slice_eq(s, PEN_SLICE_LIT("true"));
    return *out || pen_slice_eq(s, PEN_SLICE_LIT("false"));
}

static bool parse_value(struct list_xml *xml, pen_slice s)
{
    switch ((uint32_t)xml->field) {
    case FIELD_TRUNCATED:
        return parse_bool(s, &xml->is_truncated);
    case FIELD_KEY_COUNT:
        return pen_parse_u64(s, &xml->key_count);
    case FIELD_SIZE:
        return pen_parse_u64(s, &xml->object.size);
    case FIELD_MODIFIED:
        return pen_parse_time(s, &xml->object.modified_ns);
    default: /* servers that do not encode leave the field out, or empty */
        xml->is_encoded = pen_slice_eq(s, PEN_SLICE_LIT("url"));
        return xml->is_encoded || s.len == 0;
    }
}

/* A field whose value is kept, not its text. */
static void value_end(struct list_xml *xml, struct span span)
{
    if (!parse_value(xml, pen_slice_trim(span_slice(&xml->text, span)))) {
        STOP(xml, PEN_E_CORRUPT, "the value of %s has no such form", xml->field_name);
    }
    xml->text.len = span.from;
}

static struct span without_quotes(const struct pen_buf *buf, struct span span)
{
    const pen_slice s = span_slice(buf, span);
    return s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"'
               ? (struct span){span.from + 1, span.len - 2}
               : span;
}

/* Nearly all objects of a page have the class of the one before: then its text serves again. */
static struct span storage_of(struct list_xml *xml, struct span span)
{
    if (xml->object_count > 0) {
        const struct span last = xml->entries[xml->object_count - 1].storage;
        if (pen_slice_eq(span_slice(&xml->text, last), span_slice(&xml->text, span))) {
            xml->text.len = span.from;
            return last;
        }
    }
    return span;
}

static void prefix_end(struct list_xml *xml, struct span span)
{
    if (span.len == 0) {
        STOP(xml, PEN_E_CORRUPT, "a common prefix is empty");
    } else if (xml->prefix_count == LIST_XML_ENTRIES_MAX) {
        STOP(xml, PEN_E_LIMIT, "more than %d common prefixes in a page", LIST_XML_ENTRIES_MAX);
    } else {
        xml->prefix_texts[xml->prefix_count++] = span;
    }
}

static void field_end(struct list_xml *xml)
{
    const struct span span = span_since(&xml->text, xml->text_from);
    switch ((uint32_t)xml->field) {
    case FIELD_KEY:
        xml->object.key = span;
        break;
    case FIELD_ETAG:
        xml->object.etag = without_quotes(&xml->text, span);
        break;
    case FIELD_STORAGE:
        xml->object.storage = storage_of(xml, span);
        break;
    case FIELD_PREFIX:
        prefix_end(xml, span);
        break;
    case FIELD_TRUNCATED:
    case FIELD_KEY_COUNT:
    case FIELD_SIZE:
    case FIELD_MODIFIED:
    case FIELD_ENCODING:
        value_end(xml, span);
        break;
    default:
        xml->known_text[xml->field] = span;
        break;
    }
    xml->field = FIELD_NONE;
}

static void object_end(struct list_xml *xml)
{
    static const uint64_t needed = BIT(FIELD_KEY) | BIT(FIELD_SIZE) | BIT(FIELD_MODIFIED);
    if ((xml->seen & needed) != needed || xml->object.key.len == 0) {
        STOP(xml, PEN_E_CORRUPT, "an object has no Key, no Size or no LastModified");
    } else if (xml->object_count == LIST_XML_ENTRIES_MAX) {
        STOP(xml, PEN_E_LIMIT, "more than %d objects in a page", LIST_XML_ENTRIES_MAX);
    } else {
        xml->entries[xml->object_count++] = xml->object;
    }
}

static void XMLCALL on_end(void *ctx, const XML_Char *name)
{
    struct list_xml *xml = ctx;
    (void)name;
    if (xml->status != PEN_OK) {
        return;
    }
    const uint32_t depth = xml->depth--;
    if (xml->skip_from > 0) {
        xml->skip_from = xml->skip_from == depth ? 0 : xml->skip_from;
        return;
    }
    if (xml->field != FIELD_NONE) {
        field_end(xml);
        return;
    }
    if (xml->box == BOX_CONTENTS) {
        object_end(xml);
    }
    xml->box = depth == 1 ? BOX_NONE : xml->root;
}

static void XMLCALL on_doctype(void *ctx, const XML_Char *name, const XML_Char *system_id,
                               const XML_Char *public_id, int has_internal)
{
    struct list_xml *xml = ctx;
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_internal;
    STOP(xml, PEN_E_CORRUPT, "a document type declaration, which S3 never sends");
}

/* ---- a response ---- */

static void forget(struct list_xml *xml)
{
    xml->status = PEN_OK;
    xml->pushed_bytes = 0;
    xml->depth = 0;
    xml->skip_from = 0;
    xml->root = BOX_NONE;
    xml->box = BOX_NONE;
    xml->field = FIELD_NONE;
    xml->seen = 0;
    xml->text.len = 0;
    xml->is_truncated = false;
    xml->is_encoded = false;
    xml->key_count = UINT64_MAX;
    xml->object_count = 0;
    xml->prefix_count = 0;
    memset(xml->known_text, 0, sizeof(xml->known_text));
}

static void handlers_set(struct list_xml *xml)
{
    XML_SetUserData(xml->parser, xml);
    XML_SetElementHandler(xml->parser, on_start, on_end);
    XML_SetCharacterDataHandler(xml->parser, on_text);
    XML_SetStartDoctypeDeclHandler(xml->parser, on_doctype);
}

pen_status pen_list_xml_new(struct list_xml **out, struct pen_err *err)
{
    struct list_xml *xml = calloc(1, sizeof(*xml));
    *out = NULL;
    if (xml != NULL) {
        xml->parser = XML_ParserCreateNS(NULL, NAME_SEPARATOR);
    }
    if (xml == NULL || xml->parser == NULL) {
        free(xml);
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "listing: out of memory");
    }
    pen_buf_init(&xml->text, LIST_XML_TEXT_MAX);
    forget(xml);
    handlers_set(xml);
    *out = xml;
    return PEN_OK;
}

void pen_list_xml_free(struct list_xml *xml)
{
    if (xml != NULL) {
        XML_ParserFree(xml->parser);
        pen_buf_fini(&xml->text);
        free(xml);
    }
}

pen_status pen_list_xml_reset(struct list_xml *xml, struct pen_err *err)
{
    if (XML_ParserReset(xml->parser, NULL) != XML_TRUE) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "listing: out of memory");
    }
    handlers_set(xml);
    forget(xml);
    return PEN_OK;
}

/* Why the parser stopped: for a reason of ours, or one of its own. */
static void verdict_set(struct list_xml *xml)
{
    const enum XML_Error code = XML_GetErrorCode(xml->parser);
    const bool is_cut = code == XML_ERROR_NO_ELEMENTS || code == XML_ERROR_UNCLOSED_TOKEN ||
                        code == XML_ERROR_PARTIAL_CHAR || code == XML_ERROR_UNCLOSED_CDATA_SECTION;
    if (xml->status == PEN_OK) {
        const pen_status status = code == XML_ERROR_NO_MEMORY ? PEN_E_NOMEM
                                  : is_cut                    ? PEN_E_TRUNCATED
                                                              : PEN_E_CORRUPT;
        xml->status =
            PEN_FAIL(&xml->err, status, offset_of(xml), "listing: line %lu of the XML: %s",
                     (unsigned long)XML_GetCurrentLineNumber(xml->parser), XML_ErrorString(code));
    }
}

static pen_status told(const struct list_xml *xml, struct pen_err *err)
{
    if (xml->status != PEN_OK && err != NULL) {
        *err = xml->err;
    }
    return xml->status;
}

/* The parser keeps an unfinished token whole, and looks at all of it again with each piece. */
static void token_check(struct list_xml *xml)
{
    const XML_Index at = XML_GetCurrentByteIndex(xml->parser);
    if (at >= 0 && (int64_t)xml->pushed_bytes - (int64_t)at > LIST_XML_TOKEN_MAX) {
        xml->status =
            PEN_FAIL(&xml->err, PEN_E_LIMIT, (uint64_t)at,
                     "listing: a tag or comment of more than %d bytes", (int)LIST_XML_TOKEN_MAX);
    }
}

pen_status pen_list_xml_push(struct list_xml *xml, pen_slice bytes, struct pen_err *err)
{
    if (xml->status == PEN_OK && bytes.len > LIST_XML_BODY_MAX - xml->pushed_bytes) {
        xml->status = PEN_FAIL(&xml->err, PEN_E_LIMIT, xml->pushed_bytes,
                               "listing: a response of more than %llu bytes",
                               (unsigned long long)LIST_XML_BODY_MAX);
    }
    /* The parser takes a NUL near the start for UTF-16 or not by how the bytes were cut. */
    const uint8_t *nul = bytes.len == 0 ? NULL : memchr(bytes.ptr, '\0', bytes.len);
    bytes = nul == NULL ? bytes : pen_slice_sub(bytes, 0, (size_t)(nul - bytes.ptr));
    while (xml->status == PEN_OK && bytes.len > 0) {
        const size_t n = bytes.len < PIECE_BYTES ? bytes.len : PIECE_BYTES;
        xml->pushed_bytes += n;
        if (XML_Parse(xml->parser, (const char *)bytes.ptr, (int)n, XML_FALSE) != XML_STATUS_OK) {
            verdict_set(xml);
            break;
        }
        token_check(xml);
        bytes = pen_slice_sub(bytes, n, bytes.len);
    }
    if (xml->status == PEN_OK && nul != NULL) {
        xml->status =
            PEN_FAIL(&xml->err, PEN_E_CORRUPT, xml->pushed_bytes, "listing: a NUL byte: no UTF-8");
    }
    return told(xml, err);
}

static bool decode(struct pen_buf *buf, struct span *span)
{
    return pen_uri_decode(buf->ptr + span->from, &span->len);
}

static bool decode_all(struct list_xml *xml)
{
    bool ok = true;
    for (uint32_t i = 0; i < xml->object_count && ok; i++) {
        ok = decode(&xml->text, &xml->entries[i].key);
    }
    for (uint32_t i = 0; i < xml->prefix_count && ok; i++) {
        ok = decode(&xml->text, &xml->prefix_texts[i]);
    }
    return ok;
}

static void page_set(struct list_xml *xml, struct list_xml_page *out)
{
    const struct span *const texts = xml->known_text;
    const struct pen_buf *const buf = &xml->text;
    for (uint32_t i = 0; i < xml->object_count; i++) {
        const struct entry *e = &xml->entries[i];
        xml->objects[i] = (struct pen_s3_object){.key = span_slice(buf, e->key),
                                                 .etag = span_slice(buf, e->etag),
                                                 .storage_class = span_slice(buf, e->storage),
                                                 .size = e->size,
                                                 .modified_ns = e->modified_ns};
    }
    for (uint32_t i = 0; i < xml->prefix_count; i++) {
        xml->prefixes[i] = span_slice(buf, xml->prefix_texts[i]);
    }
    *out = (struct list_xml_page){
        .is_error = xml->root == BOX_ERROR,
        .error = {.code = span_slice(buf, texts[FIELD_CODE]),
                  .message = span_slice(buf, texts[FIELD_MESSAGE]),
                  .region = span_slice(buf, texts[FIELD_REGION]),
                  .endpoint = span_slice(buf, texts[FIELD_ENDPOINT]),
                  .server_time = span_slice(buf, texts[FIELD_SERVER_TIME])},
        .objects = xml->objects,
        .object_count = xml->object_count,
        .prefixes = xml->prefixes,
        .prefix_count = xml->prefix_count,
        .key_count = xml->key_count,
        .is_truncated = xml->is_truncated,
        .next_token =
            xml->is_truncated ? span_slice(buf, texts[FIELD_TOKEN]) : (pen_slice){NULL, 0},
    };
}

pen_status pen_list_xml_end(struct list_xml *xml, struct list_xml_page *out, struct pen_err *err)
{
    *out = (struct list_xml_page){.is_error = false};
    if (xml->status == PEN_OK && XML_Parse(xml->parser, NULL, 0, XML_TRUE) != XML_STATUS_OK) {
        verdict_set(xml);
    }
    if (xml->status == PEN_OK && xml->is_encoded && !decode_all(xml)) {
        STOP(xml, PEN_E_CORRUPT, "a key has a %% that no two digits follow");
    }
    if (xml->status == PEN_OK && xml->root == BOX_LIST && (xml->seen & BIT(FIELD_TRUNCATED)) == 0) {
        STOP(xml, PEN_E_CORRUPT, "the field IsTruncated is missing");
    }
    if (xml->status == PEN_OK && xml->is_truncated && xml->known_text[FIELD_TOKEN].len == 0) {
        STOP(xml, PEN_E_CORRUPT, "more is to follow, and NextContinuationToken is missing");
    }
    if (xml->status == PEN_OK) {
        page_set(xml, out);
    }
    return told(xml, err);
}
