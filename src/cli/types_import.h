/* types_import.h - a user.ini of SIEM on Amazon OpenSearch Service as type files. */
#ifndef PEN_CLI_TYPES_IMPORT_H
#define PEN_CLI_TYPES_IMPORT_H

/* Writes the types to standard output, what could not be carried over to standard error; path: "-"
 * is standard input.  The exit code. */
int types_import(const char *path);

#endif
