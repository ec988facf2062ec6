/*
 * ini.h - reads the shared config and credentials files of AWS: profiles of names and values.
 *
 * "[default]" and "[profile NAME]" of a config file, "[NAME]" of a credentials file; a NAME with
 * blanks stands in quotes.  Other sections are skipped, and so are values that nest ("s3 =" with
 * indented lines below).  A line that is indented more than its property continues the value, after
 * a line feed.  Lines that begin with "#" or ";" are comments.  A profile that appears twice is
 * one, and the later value of a name counts; "[profile default]" counts before "[default]".
 *
 * One thread.  Holds a copy of the text, at most INI_BYTES_MAX, which free wipes.
 */
#ifndef PEN_NET_INI_H
#define PEN_NET_INI_H

#include "penstock/base.h"

#define INI_BYTES_MAX ((size_t)1 << 20) /* of a file */
#define INI_ENTRIES_MAX 16384           /* values of all profiles, and profiles */

enum ini_kind { INI_CONFIG, INI_CREDENTIALS };

struct ini;
/*
 * pen_ini_parse - file is named in errors.  PEN_E_CONFIG, with the line and the offset, never the
 * text: neither section nor property, a section that does not end, a property outside of sections,
 * a NUL | PEN_E_LIMIT: one of the limits above | PEN_E_NOMEM.  *out is NULL then.
 */
PEN_MUST_USE pen_status pen_ini_parse(struct ini **out, pen_slice text, enum ini_kind kind,
                                      const char *file, struct pen_err *err);
void pen_ini_free(struct ini *ini); /* NULL is allowed */

/* The profile has a section, which may be empty. */
bool pen_ini_has(const struct ini *ini, pen_slice profile);
/* name is lower case, values are found by name in any case.  The value lies in ini; it may be
 * empty, and has no blanks at its ends. */
PEN_MUST_USE bool pen_ini_get(const struct ini *ini, pen_slice profile, pen_slice name,
                              pen_slice *value);
/* What stands before a comment in the line of a value: " #" or " ;" and the rest are cut.  Not for
 * commands, which may have those. */
pen_slice pen_ini_plain(pen_slice value);

#endif
