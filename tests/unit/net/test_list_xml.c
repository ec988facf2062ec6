#include "list_xml.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define NS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""
#define LIST(body) HEAD "<ListBucketResult" NS ">" body "</ListBucketResult>"
#define WHOLE "<IsTruncated>false</IsTruncated>"
#define OBJECT(key)                                                                     \
    "<Contents><Key>" key "</Key><LastModified>2024-01-31T23:59:59.000Z</LastModified>" \
    "<Size>7</Size></Contents>"

static const char page_text[] = LIST(
    "<Name>trail</Name><Prefix>AWSLogs/</Prefix><KeyCount>4</KeyCount><MaxKeys>1000</MaxKeys>"
    "<Delimiter>/</Delimiter><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
    "<NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken>"
    "<Contents><Key>AWSLogs/a+b%2Bc%25%00%C3%A9.gz</Key>"
    "<LastModified>2024-01-31T23:59:59.123456789Z</LastModified>"
    "<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e-2&quot;</ETag><Size>18446744073709551615</Size>"
    "<Owner><ID>1</ID><DisplayName><Key>x</Key></DisplayName></Owner>"
    "<StorageClass>GLACIER</StorageClass></Contents>\n"
    "<Contents><StorageClass>GLACIER</StorageClass><Size> 0 </Size><ETag>plain</ETag>"
    "<LastModified>1970-01-01T00:00:00Z</LastModified><Key>b</Key></Contents>"
    "<CommonPrefixes><Prefix>AWSLogs/1/</Prefix></CommonPrefixes>"
    "<CommonPrefixes><Prefix>AWSLogs/2%2F3/</Prefix></CommonPrefixes>");

struct fixture {
    struct list_xml *xml;
    struct list_xml_page page;
    struct pen_err err;
};

static int begin(void **state)
{
    static struct fixture f;
    f = (struct fixture){.xml = NULL};
    *state = &f;
    return pen_list_xml_new(&f.xml, &f.err) == PEN_OK ? 0 : -1;
}

static int end(void **state)
{
    pen_list_xml_free(((struct fixture *)*state)->xml);
    return 0;
}

static pen_status read_cut(struct fixture *f, pen_slice text, size_t cut)
{
    f->err = (struct pen_err){.status = PEN_OK};
    f->page = (struct list_xml_page){.is_error = false};
    assert_int_equal(pen_list_xml_reset(f->xml, &f->err), PEN_OK);
    PEN_TRY(pen_list_xml_push(f->xml, pen_slice_sub(text, 0, cut), &f->err));
    PEN_TRY(pen_list_xml_push(f->xml, pen_slice_sub(text, cut, text.len), &f->err));
    return pen_list_xml_end(f->xml, &f->page, &f->err);
}

static pen_status read_text(struct fixture *f, const char *text)
{
    return read_cut(f, pen_slice_str(text), strlen(text));
}

static void is(pen_slice s, const char *want)
{
    if (!pen_slice_eq(s, pen_slice_str(want))) {
        fail_msg("got \"%.*s\", want \"%s\"", PEN_SLICE_FMT(s), want);
    }
}

static void page_is_whole(const struct list_xml_page *p)
{
    static const uint8_t key[] = "AWSLogs/a b+c%\0\xc3\xa9.gz";
    assert_false(p->is_error);
    assert_true(p->is_truncated);
    is(p->next_token, "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=");
    assert_int_equal(p->key_count, 4);
    assert_int_equal(p->object_count, 2);
    assert_true(pen_slice_eq(p->objects[0].key, (pen_slice){key, sizeof(key) - 1}));
    assert_int_equal(p->objects[0].modified_ns, INT64_C(1706745599123456789));
    assert_true(p->objects[0].size == UINT64_MAX);
    is(p->objects[0].etag, "d41d8cd98f00b204e9800998ecf8427e-2");
    is(p->objects[0].storage_class, "GLACIER");
    is(p->objects[1].key, "b");
    assert_int_equal(p->objects[1].modified_ns, 0);
    assert_int_equal(p->objects[1].size, 0);
    is(p->objects[1].etag, "plain");
    is(p->objects[1].storage_class, "GLACIER");
    assert_int_equal(p->prefix_count, 2);
    is(p->prefixes[0], "AWSLogs/1/");
    is(p->prefixes[1], "AWSLogs/2/3/");
}

static void a_page_is_read_however_it_is_cut(void **state)
{
    struct fixture *f = *state;
    for (size_t cut = 0; cut < sizeof(page_text); cut++) {
        assert_int_equal(read_cut(f, pen_slice_str(page_text), cut), PEN_OK);
        page_is_whole(&f->page);
    }
}

static void every_beginning_of_a_page_is_told_as_cut(void **state)
{
    struct fixture *f = *state;
    for (size_t len = 0; len < sizeof(page_text) - 1; len++) {
        const pen_slice part = {(const uint8_t *)page_text, len};
        assert_int_equal(read_cut(f, part, len), PEN_E_TRUNCATED);
        assert_non_null(strstr(f->err.text, "listing: line "));
        assert_int_equal(f->page.object_count, 0);
    }
}

static void a_changed_byte_never_gives_a_page_and_an_error(void **state)
{
    struct fixture *f = *state;
    uint8_t copy[sizeof(page_text)];
    uint32_t refused = 0;
    for (size_t i = 0; i < sizeof(page_text) - 1; i++) {
        memcpy(copy, page_text, sizeof(copy));
        copy[i] = '<';
        const pen_status status = read_cut(f, (pen_slice){copy, sizeof(copy) - 1}, i);
        assert_true(status == PEN_OK || (f->page.object_count == 0 && f->err.text[0] != '\0'));
        refused += status != PEN_OK;
    }
    assert_true(refused > sizeof(page_text) / 2);
}

static void an_empty_listing_is_a_page(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(read_text(f, LIST(WHOLE "<Contents2/><NextContinuationToken/>")), PEN_OK);
    assert_int_equal(f->page.object_count, 0);
    assert_int_equal(f->page.prefix_count, 0);
    assert_false(f->page.is_truncated);
    assert_int_equal(f->page.next_token.len, 0);
    assert_true(f->page.key_count == UINT64_MAX);
}

static void keys_are_as_written_when_the_server_does_not_encode(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(read_text(f, LIST(WHOLE OBJECT(" a+b%2B&lt;&#xe9;&amp;<![CDATA[<x>]]> "))),
                     PEN_OK);
    is(f->page.objects[0].key, " a+b%2B<\xc3\xa9&<x> ");
    assert_int_equal(f->page.objects[0].etag.len, 0);
    assert_int_equal(f->page.objects[0].storage_class.len, 0);
}

static void an_empty_encoding_is_none(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(read_text(f, LIST(WHOLE OBJECT("a+b%2B%") "<EncodingType></EncodingType>")),
                     PEN_OK);
    is(f->page.objects[0].key, "a+b%2B%");
    assert_int_equal(read_text(f, LIST(WHOLE OBJECT("a%2Bb") "<EncodingType>url</EncodingType>")),
                     PEN_OK);
    is(f->page.objects[0].key, "a+b");
}

static void names_may_have_a_prefix(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(read_text(f, "<s:ListBucketResult xmlns:s=\"u|v/\"><s:IsTruncated>false"
                                  "</s:IsTruncated></s:ListBucketResult>"),
                     PEN_OK);
}

static void an_error_document_is_told(void **state)
{
    struct fixture *f = *state;
    const char text[] = HEAD
        "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong;"
        " expecting 'eu-west-1'</Message><Region>eu-west-1</Region><Endpoint>b.s3-eu-west-1"
        ".amazonaws.com</Endpoint><ServerTime>2024-01-31T23:59:59Z</ServerTime>"
        "<CanonicalRequest>GET</CanonicalRequest><HostId>x</HostId></Error>";
    for (size_t cut = 0; cut < sizeof(text); cut++) {
        assert_int_equal(read_cut(f, pen_slice_str(text), cut), PEN_OK);
        assert_true(f->page.is_error);
        is(f->page.error.code, "AuthorizationHeaderMalformed");
        is(f->page.error.message, "the region 'us-east-1' is wrong; expecting 'eu-west-1'");
        is(f->page.error.region, "eu-west-1");
        is(f->page.error.endpoint, "b.s3-eu-west-1.amazonaws.com");
        is(f->page.error.server_time, "2024-01-31T23:59:59Z");
    }
}

static void what_is_no_listing_is_refused_with_its_reason(void **state)
{
    struct fixture *f = *state;
    static const char *const cases[][2] = {
        {"<html><body>504</body></html>", "neither a listing nor an error"},
        {"garbage", "line 1 of the XML"},
        {LIST(""), "IsTruncated is missing"},
        {LIST("<IsTruncated>maybe</IsTruncated>"), "value of IsTruncated"},
        {LIST(WHOLE WHOLE), "IsTruncated is there twice"},
        {LIST("<IsTruncated>true</IsTruncated>"), "NextContinuationToken is missing"},
        {LIST(WHOLE "<EncodingType>gzip</EncodingType>"), "value of EncodingType"},
        {LIST(WHOLE "<KeyCount>-1</KeyCount>"), "value of KeyCount"},
        {LIST(WHOLE "<Contents/>"), "no Key, no Size or no LastModified"},
        {LIST(WHOLE "<Contents><Key>a</Key><Size>1</Size></Contents>"), "no LastModified"},
        {LIST(WHOLE OBJECT("")), "no Key"},
        {LIST(WHOLE OBJECT("a</Key><Key>b")), "Key is there twice"},
        {LIST(WHOLE OBJECT("a<b/>c")), "inside the field Key"},
        {LIST(WHOLE "<Contents><Size>1e3</Size></Contents>"), "value of Size"},
        {LIST(WHOLE "<Contents><LastModified>now</LastModified></Contents>"), "LastModified"},
        {LIST(WHOLE "<CommonPrefixes><Prefix/></CommonPrefixes>"), "common prefix is empty"},
        {LIST(WHOLE "<EncodingType>url</EncodingType>" OBJECT("a%2")), "no two digits"},
        {LIST(WHOLE) "<a/>", "line 2 of the XML"},
        {LIST(WHOLE OBJECT("&nbsp;")), "line 2 of the XML"},
        {LIST(WHOLE OBJECT("\xff")), "line 2 of the XML"},
        {"<?xml version=\"1.0\" encoding=\"EBCDIC\"?><Error/>", "line 1 of the XML"},
    };
    for (uint32_t i = 0; i < PEN_COUNT(cases); i++) {
        assert_int_equal(read_text(f, cases[i][0]), PEN_E_CORRUPT);
        if (strstr(f->err.text, cases[i][1]) == NULL) {
            fail_msg("case %u: \"%s\" does not say \"%s\"", i, f->err.text, cases[i][1]);
        }
    }
}

static void an_error_has_its_offset(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(read_text(f, LIST(WHOLE "<KeyCount>x</KeyCount>")), PEN_E_CORRUPT);
    const char *text = LIST(WHOLE "<KeyCount>x</KeyCount>");
    assert_int_equal(f->err.offset, strstr(text, "</KeyCount>") - text);
}

static void document_types_and_their_entities_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {
        HEAD "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\">]>"
             "<ListBucketResult>&b;</ListBucketResult>",
        HEAD "<!DOCTYPE l SYSTEM \"file:///etc/passwd\"><ListBucketResult/>",
        HEAD "<!DOCTYPE ListBucketResult><ListBucketResult/>",
    };
    for (uint32_t i = 0; i < PEN_COUNT(texts); i++) {
        assert_int_equal(read_text(f, texts[i]), PEN_E_CORRUPT);
        assert_non_null(strstr(f->err.text, "document type"));
    }
}

/* before, then n times unit, then after */
static char *repeated(const char *before, const char *unit, size_t n, const char *after)
{
    const size_t len = strlen(unit);
    char *text = malloc(strlen(before) + n * len + strlen(after) + 1);
    assert_non_null(text);
    char *to = stpcpy(text, before);
    for (size_t i = 0; i < n; i++) {
        to = stpcpy(to, unit);
    }
    (void)stpcpy(to, after);
    return text;
}

static void reads_as(struct fixture *f, char *text, pen_status want)
{
    assert_int_equal(read_text(f, text), want);
    free(text);
}

#define OPEN HEAD "<ListBucketResult>" WHOLE
#define CLOSE "</ListBucketResult>"
#define LONG_KEY "<Contents><Key>"
#define LONG_KEY_END \
    "</Key><Size>1</Size><LastModified>2024-01-31T23:59:59Z</LastModified></Contents>" CLOSE

static void limits_hold_and_what_lies_within_them_is_read(void **state)
{
    struct fixture *f = *state;
    reads_as(f, repeated(OPEN LONG_KEY, "k", LIST_XML_FIELD_MAX, LONG_KEY_END), PEN_OK);
    assert_int_equal(f->page.objects[0].key.len, LIST_XML_FIELD_MAX);
    reads_as(f, repeated(OPEN LONG_KEY, "k", LIST_XML_FIELD_MAX + 1, LONG_KEY_END), PEN_E_LIMIT);
    reads_as(f, repeated(OPEN, OBJECT("k"), LIST_XML_ENTRIES_MAX, CLOSE), PEN_OK);
    assert_int_equal(f->page.object_count, LIST_XML_ENTRIES_MAX);
    reads_as(f, repeated(OPEN, OBJECT("k"), LIST_XML_ENTRIES_MAX + 1, CLOSE), PEN_E_LIMIT);
    const char prefix[] = "<CommonPrefixes><Prefix>p</Prefix></CommonPrefixes>";
    reads_as(f, repeated(OPEN, prefix, LIST_XML_ENTRIES_MAX, CLOSE), PEN_OK);
    reads_as(f, repeated(OPEN, prefix, LIST_XML_ENTRIES_MAX + 1, CLOSE), PEN_E_LIMIT);
    reads_as(f, repeated(OPEN "<x>", "<y>", LIST_XML_DEPTH_MAX, ""), PEN_E_LIMIT);
    reads_as(f, repeated(OPEN "<x a=\"", "v", 60000, "\"/>" CLOSE), PEN_OK);
    reads_as(f, repeated(OPEN "<x a=\"", "v", 1000000, "\"/>" CLOSE), PEN_E_LIMIT);
    reads_as(f, repeated(OPEN "<!--", "v", 1000000, "-->" CLOSE), PEN_E_LIMIT);
    reads_as(f, repeated("<?a ", "v", 1000000, "?>" OPEN CLOSE), PEN_E_LIMIT);
    reads_as(f, repeated(OPEN "<x>", "v", 1000000, "</x>" CLOSE), PEN_OK);
    reads_as(f, repeated(OPEN "<x>", " ", LIST_XML_BODY_MAX, "</x>" CLOSE), PEN_E_LIMIT);
}

static void a_long_message_is_cut(void **state)
{
    struct fixture *f = *state;
    reads_as(f, repeated("<Error><Message>", "word ", 4000, "</Message><Code>X</Code></Error>"),
             PEN_OK);
    assert_int_equal(f->page.error.message.len, LIST_XML_FIELD_MAX);
    is(f->page.error.code, "X");
}

static void after_an_error_nothing_is_read_until_the_next_response(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(read_text(f, LIST(WHOLE WHOLE)), PEN_E_CORRUPT);
    struct pen_err err = {.status = PEN_OK};
    assert_int_equal(pen_list_xml_push(f->xml, PEN_SLICE_LIT("<a/>"), &err), PEN_E_CORRUPT);
    assert_int_equal(pen_list_xml_end(f->xml, &f->page, &err), PEN_E_CORRUPT);
    assert_string_equal(err.text, f->err.text);
    assert_int_equal(read_text(f, page_text), PEN_OK);
    page_is_whole(&f->page);
}

static void the_libraries_are_named(void **state)
{
    (void)state;
    struct pen_buf buf;
    pen_buf_init(&buf, 1000);
    assert_int_equal(pen_net_libraries(&buf), PEN_OK);
    assert_int_equal(pen_buf_add_byte(&buf, '\0'), PEN_OK);
    assert_non_null(strstr((const char *)buf.ptr, "openssl 3."));
    assert_non_null(strstr((const char *)buf.ptr, "\nlibcurl 7."));
    assert_non_null(strstr((const char *)buf.ptr, "\nexpat 2."));
    pen_buf_fini(&buf);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_page_is_read_however_it_is_cut),
        CASE(every_beginning_of_a_page_is_told_as_cut),
        CASE(a_changed_byte_never_gives_a_page_and_an_error),
        CASE(an_empty_listing_is_a_page),
        CASE(keys_are_as_written_when_the_server_does_not_encode),
        CASE(an_empty_encoding_is_none),
        CASE(names_may_have_a_prefix),
        CASE(an_error_document_is_told),
        CASE(what_is_no_listing_is_refused_with_its_reason),
        CASE(an_error_has_its_offset),
        CASE(document_types_and_their_entities_are_refused),
        CASE(limits_hold_and_what_lies_within_them_is_read),
        CASE(a_long_message_is_cut),
        CASE(after_an_error_nothing_is_read_until_the_next_response),
        cmocka_unit_test(the_libraries_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
