/* tested by tests/unit/classify/test_types.c */
#include "penstock/embed.h"

#include "keys.h"

#include <hs.h>

extern const struct pen_embedded pen_type_keys[];

struct hs_database *keys_built_in(void)
{
    hs_database_t *database = NULL;
    return hs_deserialize_database((const char *)pen_type_keys[0].text, pen_type_keys[0].len,
                                   &database) == HS_SUCCESS
               ? database
               : NULL;
}
