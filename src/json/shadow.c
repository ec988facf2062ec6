/* tested by tests/unit/json/test_walk.c */
#include "walker.h"

#include <stdlib.h>

/*
 * Repeated keys are rare: a record that has one is walked twice.  Between the walks this collects
 * every key of the record with the object it stands in, sorts them, and notes the ones that a later
 * equal key replaces.
 */
struct key_place {
    uint64_t hash;
    uint32_t object, position;
};

static int key_order(const void *a, const void *b)
{
    const struct key_place *x = a;
    const struct key_place *y = b;
    if (x->object != y->object) {
        return x->object < y->object ? -1 : 1;
    }
    if (x->hash != y->hash) {
        return x->hash < y->hash ? -1 : 1;
    }
    return x->position < y->position ? -1 : x->position > y->position;
}

static int position_order(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a;
    const uint32_t y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t key_hash(struct pen_walker *w, uint32_t i)
{
    const uint32_t from = w->index[i] + 1;
    const uint32_t end = token_end(w, i);
    const pen_slice raw = {w->text + from, end > from ? end - 1 - from : 0};
    if (memchr(raw.ptr, '\\', raw.len) == NULL) {
        return pen_hash64(raw, 3);
    }
    uint8_t *text = malloc(raw.len + 1);
    PEN_CHECK(text != NULL);
    const uint64_t hash = pen_hash64((pen_slice){text, pen_json_unescape(raw, text)}, 3);
    free(text);
    return hash;
}

/* Every key of the record, with a number for its object. */
static uint32_t keys_collect(struct pen_walker *w, struct key_place *keys)
{
    uint32_t objects[PEN_JSON_DEPTH_MAX];
    bool is_object[PEN_JSON_DEPTH_MAX] = {false};
    uint32_t depth = 0;
    uint32_t made = 0;
    uint32_t count = 0;
    uint32_t i = w->at;
    do {
        const uint8_t c = w->text[w->index[i]];
        if (c == '{' || c == '[') {
            if (depth == PEN_JSON_DEPTH_MAX) {
                return count;
            }
            is_object[depth] = c == '{';
            objects[depth++] = made++;
        } else if (c == '}' || c == ']') {
            depth--;
        } else if (c == '"' && depth > 0 && is_object[depth - 1] &&
                   w->text[w->index[i + 1]] == ':') {
            if (count == SHADOWS_MAX) {
                return UINT32_MAX;
            }
            keys[count++] = (struct key_place){
                .hash = key_hash(w, i), .object = objects[depth - 1], .position = w->index[i]};
        }
        i++;
    } while (depth > 0 && w->index[i] < w->len);
    return count;
}

bool shadows_find(struct pen_walker *w)
{
    struct key_place *keys = malloc(SHADOWS_MAX * sizeof(*keys));
    if (keys == NULL) {
        return false;
    }
    const uint32_t count = keys_collect(w, keys);
    w->shadow_count = 0;
    w->shadow_at = 0;
    if (count == UINT32_MAX) {
        free(keys);
        return false;
    }
    qsort(keys, count, sizeof(*keys), key_order);
    for (uint32_t i = 0; i + 1 < count; i++) {
        if (keys[i].object == keys[i + 1].object && keys[i].hash == keys[i + 1].hash) {
            w->shadows[w->shadow_count++] = keys[i].position;
        }
    }
    qsort(w->shadows, w->shadow_count, sizeof(*w->shadows), position_order);
    free(keys);
    return true;
}

static bool is_structural(uint8_t c)
{
    return c == '{' || c == '}' || c == '[' || c == ']' || c == ',' || c == ':';
}

void scalar_index(struct pen_walker *w)
{
    uint32_t *index = w->scalar_index;
    uint32_t count = 0;
    bool in_token = false;
    bool is_escaped = false; /* stage 1 knows escapes outside strings too */
    for (uint32_t i = 0; i < w->len; i++) {
        const uint8_t c = w->text[i];
        const bool is_quote = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        if (is_quote) {
            index[count++] = i;
            for (i++; i < w->len && w->text[i] != '"'; i++) {
                i += w->text[i] == '\\';
            }
            in_token = false;
        } else if (is_structural(c)) {
            index[count++] = i;
            in_token = false;
        } else if (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
            in_token = false;
        } else if (!in_token) {
            index[count++] = i;
            in_token = true;
        }
    }
    for (uint32_t i = 0; i < 4; i++) {
        index[count + i] = w->len;
    }
    w->index = index;
}
