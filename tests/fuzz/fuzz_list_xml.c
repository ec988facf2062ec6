/* Any bytes as a response, in pieces whose sizes the first byte decides: the same verdict and the
 * same page as of the whole, and every slice of it within the limits. */
#include "list_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Made once: as a listing does. */
static struct list_xml *reader_once(uint32_t which)
{
    static struct list_xml *readers[2];
    struct pen_err err;
    if (readers[which] == NULL) {
        PEN_CHECK(pen_list_xml_new(&readers[which], &err) == PEN_OK);
    }
    return readers[which];
}

static pen_status read_in_pieces(struct list_xml *xml, pen_slice text, size_t piece,
                                 struct list_xml_page *page)
{
    struct pen_err err = {.status = PEN_OK};
    pen_status status = PEN_OK;
    PEN_CHECK(pen_list_xml_reset(xml, &err) == PEN_OK);
    for (size_t i = 0; i < text.len && status == PEN_OK; i += piece) {
        status = pen_list_xml_push(xml, pen_slice_sub(text, i, i + piece), &err);
    }
    if (status == PEN_OK) {
        status = pen_list_xml_end(xml, page, &err);
    }
    PEN_CHECK(status == err.status && (status == PEN_OK || err.text[0] != '\0'));
    return status;
}

static void object_check(const struct pen_s3_object *a, const struct pen_s3_object *b)
{
    PEN_CHECK(a->key.len > 0 && a->key.len <= LIST_XML_FIELD_MAX);
    PEN_CHECK(pen_slice_eq(a->key, b->key) && pen_slice_eq(a->etag, b->etag));
    PEN_CHECK(pen_slice_eq(a->storage_class, b->storage_class));
    PEN_CHECK(a->size == b->size && a->modified_ns == b->modified_ns);
}

static void page_check(const struct list_xml_page *a, const struct list_xml_page *b)
{
    PEN_CHECK(a->is_error == b->is_error && a->object_count == b->object_count);
    PEN_CHECK(a->prefix_count == b->prefix_count && a->is_truncated == b->is_truncated);
    PEN_CHECK(a->key_count == b->key_count && a->is_truncated == (a->next_token.len > 0));
    PEN_CHECK(pen_slice_eq(a->next_token, b->next_token));
    PEN_CHECK(pen_slice_eq(a->error.code, b->error.code));
    PEN_CHECK(pen_slice_eq(a->error.message, b->error.message));
    PEN_CHECK(pen_slice_eq(a->error.region, b->error.region));
    for (uint32_t i = 0; i < a->object_count; i++) {
        object_check(&a->objects[i], &b->objects[i]);
    }
    for (uint32_t i = 0; i < a->prefix_count; i++) {
        PEN_CHECK(a->prefixes[i].len > 0 && pen_slice_eq(a->prefixes[i], b->prefixes[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct list_xml_page whole;
    struct list_xml_page pieces;
    if (size == 0) {
        return 0;
    }
    const pen_slice text = {data + 1, size - 1};
    const size_t piece = data[0] % 32U + 1;
    const pen_status status = read_in_pieces(reader_once(0), text, text.len + 1, &whole);
    PEN_CHECK(read_in_pieces(reader_once(1), text, piece, &pieces) == status);
    if (status == PEN_OK) {
        page_check(&whole, &pieces);
    }
    return 0;
}
