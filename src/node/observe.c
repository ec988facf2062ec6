/* tested by tests/e2e/test_rules.py */
#include "observe.h"

#include <inttypes.h>
#include <stdio.h>

pen_slice pen_event_id(const struct pen_doc *doc, pen_slice key, uint64_t ordinal,
                       char text[PEN_EVENT_ID_MAX])
{
    if (doc->event_id.len > PEN_OBSERVATION_BYTES_MAX) {
        pen_hash128_hex(pen_hash128(doc->event_id, 0), text);
        return pen_slice_str(text);
    }
    if (doc->event_id.len > 0) {
        return doc->event_id;
    }
    const int len =
        snprintf(text, PEN_EVENT_ID_MAX, "%016" PRIx64 ":%" PRIu64, pen_hash64(key, 1), ordinal);
    return (pen_slice){(const uint8_t *)text, (size_t)len};
}

/* As JSON text; what is longer than an observation may hold ends in a hash of the whole. */
static pen_status add_bounded(struct pen_buf *out, pen_slice text)
{
    if (text.len <= PEN_OBSERVATION_BYTES_MAX) {
        return pen_json_escape(out, text);
    }
    char hex[33];
    size_t len = PEN_OBSERVATION_BYTES_MAX;
    while (len > 0 && (text.ptr[len] & 0xc0U) == 0x80U) {
        len--; /* never through a code point */
    }
    pen_hash128_hex(pen_hash128(text, 0), hex);
    PEN_TRY(pen_json_escape(out, pen_slice_sub(text, 0, len)));
    return pen_buf_printf(out, "...%s", hex);
}

pen_status observe_group(struct pen_buf *out, const struct pen_doc *doc)
{
    out->len = 0;
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("{\"account\":\"")));
    PEN_TRY(add_bounded(out, doc->account));
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("\",\"identity\":\"")));
    PEN_TRY(add_bounded(out, doc->identity));
    return pen_buf_add(out, PEN_SLICE_LIT("\"}"));
}

struct pen_state_rule observe_rule(const struct pen_rule *rule, int64_t keep_alive_ns)
{
    return (struct pen_state_rule){.id = rule->id,
                                   .keep_alive_ns = keep_alive_ns,
                                   .duration_max_ns = PEN_NS_PER_DAY,
                                   .ends_at_midnight = true};
}
