/*
 * profile.h - the profiles of both files of AWS together.
 *
 * A value of the credentials file counts before that of the config file.  One thread; the texts lie
 * in memory that free wipes.
 */
#ifndef PEN_NET_PROFILE_H
#define PEN_NET_PROFILE_H

#include "penstock/base.h"

struct profiles;
/* Either file may be missing.  PEN_E_CONFIG, PEN_E_LIMIT: as pen_ini_parse; PEN_E_IO: a file cannot
 * be read, PEN_E_DENIED: we may not | PEN_E_NOMEM.  Errors name the file. */
PEN_MUST_USE pen_status pen_profiles_load(struct profiles **out, const char *config_file,
                                          const char *credentials_file, struct pen_err *err);
void pen_profiles_free(struct profiles *profiles); /* NULL is allowed */
bool pen_profiles_has(const struct profiles *profiles, pen_slice profile);
/* Without the comment behind it.  False: not there, or empty; *value is empty then. */
bool pen_profiles_get(const struct profiles *profiles, pen_slice profile, const char *name,
                      pen_slice *value);
/* A command, as written. */
PEN_MUST_USE bool pen_profiles_command(const struct profiles *profiles, pen_slice profile,
                                       const char *name, pen_slice *value);
/* Of one file alone: keys that belong together stand in one. */
enum profile_file { PROFILE_CREDENTIALS, PROFILE_CONFIG };
bool pen_profiles_get_of(const struct profiles *profiles, enum profile_file file, pen_slice profile,
                         const char *name, pen_slice *value);
/* Reads a file whole into out, which is emptied and gets its full size at once.  PEN_E_NOT_FOUND |
 * PEN_E_IO | PEN_E_DENIED | PEN_E_LIMIT: more than out->max | PEN_E_NOMEM. */
PEN_MUST_USE pen_status pen_small_file(const char *path, struct pen_buf *out, struct pen_err *err);

#endif
