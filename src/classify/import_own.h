/* import_own.h - what the files that import a user.ini share. */
#ifndef PEN_CLASSIFY_IMPORT_OWN_H
#define PEN_CLASSIFY_IMPORT_OWN_H

#include "user_ini.h"

struct import {
    struct pen_arena arena;
    struct user_ini ini;
    struct pen_buf *yaml, *told;
    pen_status status; /* of what is put into yaml */
    pen_slice section;
    pen_slice ecs, fixed, renamed; /* lists of names, as written */
};

/* A line of what could not be carried over. */
PEN_MUST_USE pen_status imp_tell(struct import *im, const struct user_ini_entry *entry,
                                 const char *why);
/* What a key of the section (or of DEFAULT) says, {0} when it is not there or cannot be told. */
pen_slice imp_value(struct import *im, pen_slice key);
/* A text as YAML has it in quotes; `key: text` and a line's end, nothing when text is empty. */
PEN_MUST_USE pen_status imp_scalar(struct pen_buf *out, pen_slice text);
PEN_MUST_USE pen_status imp_pair(struct pen_buf *out, const char *key, pen_slice value);
/* The next word of a list "[a b, c]" or "a b c"; whether it has a word; all of it as YAML. */
bool imp_word(pen_slice *rest, pen_slice *word);
bool imp_has_word(pen_slice list, pen_slice wanted);
PEN_MUST_USE pen_status imp_words(struct pen_buf *out, pen_slice list);
/* `map` and `fixed` of the section, nothing when there is nothing in them. */
PEN_MUST_USE pen_status imp_map(struct import *im);
PEN_MUST_USE pen_status imp_fixed(struct import *im);

#endif
