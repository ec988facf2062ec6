/* tested by tests/e2e/test_front.py */
#include "penstock/decode.h"
#include "penstock/net.h"
#include "penstock/node.h"
#include "penstock/runtime.h"
#include "penstock/yaml.h"

#include <sqlite3.h>

pen_status pen_node_libraries(struct pen_buf *out)
{
    PEN_TRY(pen_match_libraries(out));
    PEN_TRY(pen_json_libraries(out));
    PEN_TRY(pen_decode_libraries(out));
    PEN_TRY(pen_yaml_libraries(out));
    PEN_TRY(pen_net_libraries(out));
    PEN_TRY(pen_enrich_libraries(out));
    PEN_TRY(pen_buf_printf(out, "sqlite %s\n", sqlite3_libversion()));
    PEN_TRY(pen_base_libraries(out));
    return pen_runtime_libraries(out);
}
