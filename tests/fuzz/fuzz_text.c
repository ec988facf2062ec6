/*
 * Any bytes as lines of text: whatever the windows they come in, the same records come out, and the
 * members of each are the inside of a JSON object; those that are told by columns are what values
 * put one by one would be.
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
    {.name = S("pairs"), .format = PEN_FORMAT_PAIRS},
    {.name = S("cef"), .format = PEN_FORMAT_CEF},
};

/* The members of a record, as they are when its columns are put one by one. */
static void columns_check(struct pen_walker *other, const struct pen_record *record,
                          pen_slice members)
{
    struct pen_record put = {.raw = record->raw};
    pen_walker_flat_begin(other);
    for (uint32_t i = 0; i < record->layout->count; i++) {
        const struct pen_column *column = &record->columns[i];
        const pen_slice key = record->layout->keys[i]; /* ,"name":" */
        const uint32_t at = pen_walker_column(other, pen_slice_sub(key, 2, key.len - 3));
        PEN_CHECK(at != 0);
        PEN_CHECK(column->text.ptr == NULL ||
                  pen_walker_flat_put(other, at, column->text, column->is_escaped));
    }
    pen_walker_flat_end(other, &put);
    PEN_CHECK(pen_slice_eq(put.copy, members));
}

static void json_check(struct pen_walker *judge, pen_slice members)
{
    uint8_t *object = malloc(members.len + 2 + PEN_JSON_PADDING);
    struct pen_record as_json;
    struct pen_err err;
    PEN_CHECK(object != NULL);
    memset(object, ' ', members.len + 2 + PEN_JSON_PADDING);
    object[0] = '{';
    if (members.len > 0) {
        memcpy(object + 1, members.ptr, members.len);
    }
    object[members.len + 1] = '}';
    PEN_CHECK(pen_walker_one(judge, (pen_slice){object, members.len + 2}, &as_json, &err) ==
              PEN_NEXT_RECORD);
    free(object);
}

/* Everything that is said of the input, hashed. */
static uint64_t read_all(struct pen_text *text, struct pen_walker *judge, struct pen_walker *other,
                         pen_slice input, size_t step)
{
    uint8_t *window = malloc(WINDOW_MAX + PEN_JSON_PADDING);
    PEN_CHECK(window != NULL);
    struct pen_buf members;
    pen_buf_init(&members, SIZE_MAX);
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
            members.len = 0;
            PEN_CHECK(pen_record_members(&members, &record) == PEN_OK);
            hash = pen_hash64(pen_buf_slice(&members), hash);
            json_check(judge, pen_buf_slice(&members));
            if (record.layout != NULL) {
                columns_check(other, &record, pen_buf_slice(&members));
            }
        }
        const size_t used = pen_text_consumed(text);
        PEN_CHECK(used <= have);
        memmove(window, window + used, have - used);
        have -= used;
    }
    pen_buf_fini(&members);
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
    const struct pen_walker_options large = {
        .window_bytes_max = 8 * WINDOW_MAX, .record_bytes_max = 8 * WINDOW_MAX, .want_copy = true};
    struct pen_plan *plan = pen_plan_new();
    struct pen_walker *walker = NULL;
    struct pen_walker *judge = NULL;
    struct pen_walker *other = NULL;
    struct pen_text *text = NULL;
    struct pen_err err;
    PEN_CHECK(plan != NULL);
    pen_plan_seal(plan);
    PEN_CHECK(pen_walker_new(plan, &options, &walker, &err) == PEN_OK);
    PEN_CHECK(pen_walker_new(plan, &large, &judge, &err) == PEN_OK);
    PEN_CHECK(pen_walker_new(plan, &large, &other, &err) == PEN_OK);
    PEN_CHECK(pen_text_new(type, walker, RECORD_MAX, &text, &err) == PEN_OK);
    const pen_slice input = {data + 1, size - 1};
    const uint64_t whole = read_all(text, judge, other, input, TEXT_MAX);
    PEN_CHECK(read_all(text, judge, other, input, 1) == whole);
    PEN_CHECK(read_all(text, judge, other, input, 37) == whole);
    pen_text_free(text);
    pen_walker_free(other);
    pen_walker_free(judge);
    pen_walker_free(walker);
    pen_plan_free(plan);
    return 0;
}
