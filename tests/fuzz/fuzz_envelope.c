/*
 * Any bytes as an object of records in envelopes: whatever the windows they come in, the same
 * records come out with the same told of each, and the same is bad.
 */
#include "envelope.h"

#include <stdlib.h>

#define INPUT_MAX ((size_t)4 << 10)
#define WINDOW_MAX ((size_t)16 << 10)
#define RECORD_MAX ((size_t)1 << 10)
#define WINDOWS_MAX 64U /* of an object: a part is looked at again in each until it is whole */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define S(text)                                   \
    {                                             \
        (const uint8_t *)(text), sizeof(text) - 1 \
    }
static const struct pen_type types[] = {
    {.name = S("j"),
     .envelopes = PEN_ENVELOPE_CLOUDWATCH | PEN_ENVELOPE_EXPORT | PEN_ENVELOPE_EVENT},
    {.name = S("a"),
     .envelopes = PEN_ENVELOPE_CLOUDWATCH | PEN_ENVELOPE_EVENT,
     .array_key = S("Records")},
    {.name = S("t"),
     .format = PEN_FORMAT_TEXT,
     .envelopes = PEN_ENVELOPE_CLOUDWATCH | PEN_ENVELOPE_EXPORT | PEN_ENVELOPE_FIRELENS,
     .pattern = S("(?<w>\\w+) (?<r>[\\s\\S]*)")},
    {.name = S("e"),
     .format = PEN_FORMAT_TEXT,
     .envelopes = PEN_ENVELOPE_FIRELENS,
     .keeps_stderr = true,
     .pattern = S("(?<w>.*)")},
};
static const char *const keys[] = {"", "exportedlogs/0123/stream/000000.gz", "firelens/app"};

struct set {
    struct pen_plan *plan;
    struct reader reader;
    struct envelope *envelope;
};

static void set_new(struct set *set, const struct pen_type *type)
{
    const struct pen_walker_options walker = {.window_bytes_max = WINDOW_MAX,
                                              .record_bytes_max = RECORD_MAX,
                                              .array_key = type->array_key,
                                              .want_copy = true};
    struct pen_err err = {0};
    *set = (struct set){.plan = pen_plan_new()};
    PEN_CHECK(set->plan != NULL);
    pen_plan_seal(set->plan);
    PEN_CHECK(pen_walker_new(set->plan, &walker, &set->reader.walker, &err) == PEN_OK);
    if (type->format != PEN_FORMAT_JSON) {
        PEN_CHECK(pen_text_new(type, set->reader.walker, RECORD_MAX, &set->reader.text, &err) ==
                  PEN_OK);
    }
    const struct envelope_options options = {.lender = set->reader.walker,
                                             .window_bytes_max = WINDOW_MAX,
                                             .record_bytes_max = RECORD_MAX,
                                             .part_bytes_max = 2 * RECORD_MAX};
    PEN_CHECK(envelope_new(&options, &set->envelope, &err) == PEN_OK);
}

/* Made once for each type, as a shard does: what one object leaves behind must not tell in the
 * next. */
static struct set *set_of(size_t type)
{
    static struct set sets[PEN_COUNT(types)];
    if (sets[type].envelope == NULL) {
        set_new(&sets[type], &types[type]);
    }
    return &sets[type];
}

/* Of the types that subscriptions may hold, by the length of the group. */
static const struct reader *choose(void *ctx, pen_slice group, pen_slice stream, pen_slice message,
                                   const struct pen_type **type)
{
    const size_t chosen = (group.len + stream.len + message.len) % 4;
    (void)ctx;
    if (chosen == 3) {
        return NULL;
    }
    *type = &types[chosen];
    return &set_of(chosen)->reader;
}

static uint64_t hash_of(const struct envelope *e, const struct pen_record *record, uint64_t hash)
{
    const struct pen_told *told = envelope_told(e);
    hash = pen_hash64((pen_slice){(const uint8_t *)&record->offset, 8}, hash);
    hash = pen_hash64((pen_slice){(const uint8_t *)&record->ordinal, 8}, hash);
    hash = pen_hash64(record->raw, hash);
    hash = pen_hash64(record->copy, hash);
    hash = pen_hash64(told->group, hash);
    hash = pen_hash64(told->id, hash);
    return pen_hash64(told->account, hash);
}

/* Everything that is said of the input, hashed.  type PEN_COUNT(types): each envelope has its own.
 */
static uint64_t read_in(size_t type, uint32_t kind, pen_slice key, pen_slice input, size_t step)
{
    static const struct envelope_chooser chooser = {.choose = choose};
    const bool is_open = type == PEN_COUNT(types);
    uint8_t *window = malloc(WINDOW_MAX + PEN_JSON_PADDING);
    struct set *set = set_of(is_open ? 0 : type);
    uint64_t hash = 0;
    size_t fed = 0;
    size_t have = 0;
    enum pen_next next = PEN_NEXT_MORE;
    PEN_CHECK(window != NULL);
    envelope_begin(set->envelope, kind, key, is_open ? NULL : &types[type],
                   is_open ? NULL : &set->reader, is_open ? &chooser : NULL);
    while (next != PEN_NEXT_END) {
        const size_t more = input.len - fed < step ? input.len - fed : step;
        struct pen_record record;
        struct pen_err err = {0};
        PEN_CHECK(have + more <= WINDOW_MAX);
        memcpy(window + have, input.ptr + fed, more);
        have += more;
        fed += more;
        memset(window + have, ' ', PEN_JSON_PADDING);
        envelope_window(set->envelope, (pen_slice){window, have}, fed == input.len);
        while ((next = envelope_next(set->envelope, &record, &err)) == PEN_NEXT_RECORD ||
               next == PEN_NEXT_BAD) {
            hash = next == PEN_NEXT_RECORD
                       ? hash_of(set->envelope, &record, hash)
                       : pen_hash64((pen_slice){(const uint8_t *)&record.ordinal, 8}, hash + 1);
        }
        PEN_CHECK(next != PEN_NEXT_MORE || fed < input.len);
        hash += next == PEN_NEXT_END ? (uint64_t)err.status : 0;
        const size_t used = envelope_consumed(set->envelope);
        PEN_CHECK(used <= have);
        memmove(window, window + used, have - used);
        have -= used;
    }
    free(window);
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > INPUT_MAX) {
        return 0;
    }
    const size_t first = data[0] % PEN_COUNT(types);
    const pen_slice key = pen_slice_str(keys[data[1] % PEN_COUNT(keys)]);
    const pen_slice input = {data + 2, size - 2};
    const uint32_t kind = envelope_kind(&types[first], key, input);
    const bool is_open = kind == PEN_ENVELOPE_CLOUDWATCH && data[0] >= 128;
    const size_t type = is_open ? PEN_COUNT(types) : first;
    if (kind == 0) {
        return 0;
    }
    const size_t least = input.len / WINDOWS_MAX + 1;
    const uint64_t whole = read_in(type, kind, key, input, INPUT_MAX);
    PEN_CHECK(read_in(type, kind, key, input, least) == whole);
    PEN_CHECK(read_in(type, kind, key, input, least + 36) == whole);
    return 0;
}
