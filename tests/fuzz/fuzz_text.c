/*
 * Any bytes as lines of text: whatever the windows they come in, the same records come out, and the
 * copy of each is the inside of a JSON object.
 */
#include "penstock/text.h"

#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX ((size_t)4 << 10)
#define WINDOW_MAX ((size_t)16 << 10)
#define RECORD_MAX ((size_t)512)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define S(text)                                   \
    {                                             \
        (const uint8_t *)(text), sizeof(text) - 1 \
    }
static const pen_slice names[] = {S("a"), S("b"), S("c:d"), S("e http"), S("f g"), S("h?")};
static const struct pen_type types[] = {
    {.name = S("named"), .format = PEN_FORMAT_COLUMNS},
    {.name = S("words"), .format = PEN_FORMAT_COLUMNS, .columns = names, .column_count = 6},
    {.name = S("lines"),
     .format = PEN_FORMAT_TEXT,
     .header_lines = 1,
     .first_line = S("\\d"),
     .pattern = S("(?P<a>\\d+) (?P<b>[\\s\\S]*)")},
    {.name = S("tabs"),
     .format = PEN_FORMAT_COLUMNS,
     .columns = names,
     .column_count = 2,
     .separator = S("tab")},
    {.name = S("windows"), .format = PEN_FORMAT_WINDOWS},
};

/* Everything that is said of the input, hashed. */
static uint64_t read_all(struct pen_text *text, struct pen_walker *judge, pen_slice input,
                         size_t step)
{
    uint8_t *window = malloc(WINDOW_MAX + PEN_JSON_PADDING);
    PEN_CHECK(window != NULL);
    uint64_t hash = 0;
    size_t fed = 0;
    size_t have = 0;
    enum pen_next next = PEN_NEXT_MORE;
    pen_text_reset(text);
    while (next != PEN_NEXT_END) {
        const size_t more = input.len - fed < step ? input.len - fed : step;
        PEN_CHECK(have + more <= WINDOW_MAX);
        if (more > 0) {
            memcpy(window + have, input.ptr + fed, more);
        }
        have += more;
        fed += more;
        pen_text_window(text, (pen_slice){window, have}, fed == input.len);
        struct pen_record record;
        struct pen_err err;
        while ((next = pen_text_next(text, &record, &err)) == PEN_NEXT_RECORD ||
               next == PEN_NEXT_BAD) {
            hash = pen_hash64((pen_slice){(const uint8_t *)&record.offset, 8}, hash);
            if (next == PEN_NEXT_BAD) {
                continue; /* of a line that is too large, what is told depends on the window */
            }
            hash = pen_hash64(record.raw, hash);
            hash = pen_hash64(record.copy, hash);
            uint8_t *object = malloc(record.copy.len + 2 + PEN_JSON_PADDING);
            PEN_CHECK(object != NULL);
            memset(object, ' ', record.copy.len + 2 + PEN_JSON_PADDING);
            object[0] = '{';
            if (record.copy.len > 0) {
                memcpy(object + 1, record.copy.ptr, record.copy.len);
            }
            object[record.copy.len + 1] = '}';
            struct pen_record as_json;
            PEN_CHECK(pen_walker_one(judge, (pen_slice){object, record.copy.len + 2}, &as_json,
                                     &err) == PEN_NEXT_RECORD);
            free(object);
        }
        const size_t used = pen_text_consumed(text);
        PEN_CHECK(used <= have);
        memmove(window, window + used, have - used);
        have -= used;
    }
    free(window);
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > TEXT_MAX) {
        return 0;
    }
    const struct pen_type *type = &types[data[0] % PEN_COUNT(types)];
    const struct pen_walker_options options = {
        .window_bytes_max = WINDOW_MAX, .record_bytes_max = RECORD_MAX, .want_copy = true};
    const struct pen_walker_options large = {.window_bytes_max = 8 * WINDOW_MAX,
                                             .record_bytes_max = 8 * WINDOW_MAX};
    struct pen_plan *plan = pen_plan_new();
    struct pen_walker *walker = NULL;
    struct pen_walker *judge = NULL;
    struct pen_text *text = NULL;
    struct pen_err err;
    PEN_CHECK(plan != NULL);
    pen_plan_seal(plan);
    PEN_CHECK(pen_walker_new(plan, &options, &walker, &err) == PEN_OK);
    PEN_CHECK(pen_walker_new(plan, &large, &judge, &err) == PEN_OK);
    PEN_CHECK(pen_text_new(type, walker, RECORD_MAX, &text, &err) == PEN_OK);
    const pen_slice input = {data + 1, size - 1};
    const uint64_t whole = read_all(text, judge, input, TEXT_MAX);
    PEN_CHECK(read_all(text, judge, input, 1) == whole);
    PEN_CHECK(read_all(text, judge, input, 37) == whole);
    pen_text_free(text);
    pen_walker_free(judge);
    pen_walker_free(walker);
    pen_plan_free(plan);
    return 0;
}
