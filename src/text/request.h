/* request.h - the line of an HTTP request and its parts. */
#ifndef PEN_TEXT_REQUEST_H
#define PEN_TEXT_REQUEST_H

#include "penstock/base.h"

enum request_part {
    PART_REQUEST, /* all of it */
    PART_METHOD,
    PART_PROTOCOL,
    PART_HOST,
    PART_PORT,
    PART_PATH,
    PART_QUERY,
    PART_VERSION,
    PART_COUNT
};
/* "GET https://host:443/path?query HTTP/1.1"; what there is not is empty. */
void request_split(pen_slice text, pen_slice parts[PART_COUNT]);

#endif
