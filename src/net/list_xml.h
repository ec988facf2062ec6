/*
 * list_xml.h - reads a response of ListObjectsV2, or the error document that stands for one.
 *
 * Bytes are pushed as they come, in pieces of any size; what was read is told at the end.  Names
 * are compared without their namespace.  Unknown elements are skipped.  A document type
 * declaration is refused, so there are no entities but the five of XML.
 *
 * One thread.  Memory: what a page holds, at most LIST_XML_TEXT_MAX and the two tables, and what
 * the XML parser keeps of an unfinished token; it stays for the next response.  Cost: about 3 us an
 * object, most of it in expat.
 */
#ifndef PEN_NET_LIST_XML_H
#define PEN_NET_LIST_XML_H

#include "penstock/net.h"

#define LIST_XML_BODY_MAX ((uint64_t)8 << 20) /* bytes of a response */
#define LIST_XML_TEXT_MAX ((size_t)4 << 20)   /* bytes of all fields of a page together */
#define LIST_XML_FIELD_MAX ((size_t)8192)     /* bytes of a field, as written */
#define LIST_XML_TOKEN_MAX ((int64_t)65536)   /* bytes of a tag, a comment, an instruction */
#define LIST_XML_DEPTH_MAX 16                 /* elements in one another */
#define LIST_XML_ENTRIES_MAX 4096             /* objects, and prefixes, of a page */

struct list_xml;

struct list_xml_error { /* each may be empty */
    pen_slice code;
    pen_slice message; /* cut at LIST_XML_FIELD_MAX */
    pen_slice region;
    pen_slice endpoint;
    pen_slice server_time; /* of RequestTimeTooSkewed */
};

/* Lies in the reader until its next reset. */
struct list_xml_page {
    bool is_error; /* then error is set, else the others */
    struct list_xml_error error;
    const struct pen_s3_object *objects;
    uint32_t object_count;
    const pen_slice *prefixes; /* CommonPrefixes, decoded, none empty */
    uint32_t prefix_count;
    uint64_t key_count; /* as the server counts; UINT64_MAX: not told */
    bool is_truncated;
    pen_slice next_token; /* not empty when is_truncated, else empty */
};

PEN_MUST_USE pen_status pen_list_xml_new(struct list_xml **out, struct pen_err *err);
void pen_list_xml_free(struct list_xml *xml);
/* Forgets the response; another begins.  PEN_E_NOMEM: only free may follow. */
PEN_MUST_USE pen_status pen_list_xml_reset(struct list_xml *xml, struct pen_err *err);
/*
 * pen_list_xml_push - reads some bytes.  PEN_E_CORRUPT, with the offset in the response: no XML, no
 * listing, a field twice, missing or of no such form; PEN_E_LIMIT: one of the limits above;
 * PEN_E_NOMEM.  After an error only reset and free may follow.
 */
PEN_MUST_USE pen_status pen_list_xml_push(struct list_xml *xml, pen_slice bytes,
                                          struct pen_err *err);
/* The response is complete.  As push; PEN_E_TRUNCATED: it ends inside an element. */
PEN_MUST_USE pen_status pen_list_xml_end(struct list_xml *xml, struct list_xml_page *out,
                                         struct pen_err *err);

#endif
