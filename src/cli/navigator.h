/* navigator.h - the techniques of a rule set as a layer of ATT&CK Navigator. */
#ifndef PEN_CLI_NAVIGATOR_H
#define PEN_CLI_NAVIGATOR_H

#include "penstock/detect.h"

/*
 * navigator_write - writes the layer to a file: a technique for each that a rule names, its score
 * the number of such rules.
 *
 * Returns  false after words
 * Source   ATT&CK Navigator, layer format 4.5
 */
PEN_MUST_USE bool navigator_write(const struct pen_rules *rules, const char *path);

#endif
