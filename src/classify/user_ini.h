/*
 * user_ini.h - the ini files of SIEM on Amazon OpenSearch Service, as Python's configparser reads
 * them: sections, `key = value` or `key : value`, indented lines that go on with a value, whole
 * lines of comment behind '#' or ';', ${key} and ${section:key} in values, $$ for a dollar.
 */
#ifndef PEN_CLASSIFY_USER_INI_H
#define PEN_CLASSIFY_USER_INI_H

#include "penstock/base.h"

#define USER_INI_ENTRIES_MAX 16384U
#define USER_INI_NESTING_MAX 10U /* of values in values */
#define USER_INI_VALUE_MAX ((size_t)64 << 10)
#define USER_INI_REFERENCES_MAX 10000U /* of one value, with those of the values that it names */

struct user_ini_entry {
    pen_slice section, key;
    pen_slice value; /* lines joined by '\n'; ${...} as written */
    uint32_t line;
};

struct user_ini {
    struct user_ini_entry *entries; /* in the order of the file; of the arena */
    uint32_t count;
};

/* Reads text, which is borrowed by the result.  PEN_E_CONFIG: err names line and reason. */
PEN_MUST_USE pen_status user_ini_read(struct pen_arena *arena, pen_slice text, struct user_ini *out,
                                      struct pen_err *err);
/* The entry of a section, else that of DEFAULT; NULL: neither has it. */
const struct user_ini_entry *user_ini_find(const struct user_ini *ini, pen_slice section,
                                           pen_slice key);
/* Replaces *value by what it says once the values it names are put in.  PEN_E_CONFIG: one is not
 * there, they name each other, or it grows too long. */
PEN_MUST_USE pen_status user_ini_expand(struct pen_arena *arena, const struct user_ini *ini,
                                        const struct user_ini_entry *entry, pen_slice *value,
                                        struct pen_err *err);

#endif
