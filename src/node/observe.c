/* tested by tests/e2e/test_rules.py */
#include "observe.h"

#include <inttypes.h>
#include <stdio.h>

pen_slice pen_event_id(const struct pen_doc *doc, pen_slice key, uint64_t ordinal,
                       char text[PEN_EVENT_ID_MAX])
{
    if (doc->event_id.len > 0) {
        return doc->event_id;
    }
    const int len =
        snprintf(text, PEN_EVENT_ID_MAX, "%016" PRIx64 ":%" PRIu64, pen_hash64(key, 1), ordinal);
    return (pen_slice){(const uint8_t *)text, (size_t)len};
}

pen_status observe_group(struct pen_buf *out, const struct pen_doc *doc)
{
    out->len = 0;
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("{\"account\":\"")));
    PEN_TRY(pen_json_escape(out, doc->account));
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("\",\"identity\":\"")));
    PEN_TRY(pen_json_escape(out, doc->identity));
    return pen_buf_add(out, PEN_SLICE_LIT("\"}"));
}

struct pen_state_rule observe_rule(const struct pen_rule *rule, int64_t keep_alive_ns)
{
    return (struct pen_state_rule){.id = rule->id,
                                   .keep_alive_ns = keep_alive_ns,
                                   .duration_max_ns = PEN_NS_PER_DAY,
                                   .ends_at_midnight = true};
}
