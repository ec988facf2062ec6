/*
 * pairs.h - lines of keys and values into JSON: KEY=VALUE, and the Common Event Format (CEF).
 *
 * All values are texts.  One thread; allocates nothing but room in json.
 */
#ifndef PEN_TEXT_PAIRS_H
#define PEN_TEXT_PAIRS_H

#include "penstock/base.h"

#define PAIRS_MAX 1024U /* of a line */

/*
 * pairs_json - appends a line as one JSON object.
 *
 * Pairs stand behind one another with a separator between them; a value in double quotes may hold
 * it, and has \" and \\ for these two.  Words that are no pair become the member "message", with a
 * blank between them.
 * separator  a byte, or 0: blanks
 * Returns    NULL, or what is wrong with the line; json has a part then
 */
const char *pairs_json(pen_slice line, uint8_t separator, struct pen_buf *json);
/*
 * cef_json - the same of a line of CEF, which may have a header of syslog before it.
 *
 * Members are those of the header, as ArcSight names them (cefVersion, deviceVendor, deviceProduct,
 * deviceVersion, deviceEventClassId, name, severity), those of the extension by their keys, and
 * what stands before "CEF:" as "syslog".
 * Source  ArcSight Common Event Format, Implementation Standard, version 26
 */
const char *cef_json(pen_slice line, struct pen_buf *json);

#endif
