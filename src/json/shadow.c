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

#define KEY_BYTES 256U /* longer escaped keys are rare enough for an allocation each */

static bool is_before(const struct key_place *x, const struct key_place *y)
{
    if (x->object != y->object) {
        return x->object < y->object;
    }
    if (x->hash != y->hash) {
        return x->hash < y->hash;
    }
    return x->position < y->position;
}

/* The place at the root goes down to where both below come before it. */
static void sift(struct key_place *keys, uint32_t root, uint32_t count)
{
    const struct key_place place = keys[root];
    for (uint32_t below = 2 * root + 1; below < count; below = 2 * root + 1) {
        if (below + 1 < count && is_before(&keys[below], &keys[below + 1])) {
            below++;
        }
        if (!is_before(&place, &keys[below])) {
            break;
        }
        keys[root] = keys[below];
        root = below;
    }
    keys[root] = place;
}

/* A heapsort: qsort asks for memory, for each record. */
static void keys_sort(struct key_place *keys, uint32_t count)
{
    for (uint32_t i = count / 2; i > 0; i--) {
        sift(keys, i - 1, count);
    }
    for (uint32_t left = count; left > 1; left--) {
        const struct key_place last = keys[0];
        keys[0] = keys[left - 1];
        keys[left - 1] = last;
        sift(keys, 0, left - 1);
    }
}

static uint64_t key_hash(struct pen_walker *w, uint32_t i)
{
    const uint32_t from = w->index[i] + 1;
    const uint32_t end = token_end(w, i);
    const pen_slice raw = {w->text + from, end > from ? end - 1 - from : 0};
    if (memchr(raw.ptr, '\\', raw.len) == NULL) {
        return pen_hash64(raw, 3);
    }
    uint8_t small[KEY_BYTES];
    uint8_t *text = raw.len < sizeof(small) ? small : malloc(raw.len + 1);
    PEN_CHECK(text != NULL);
    const uint64_t hash = pen_hash64((pen_slice){text, pen_json_unescape(raw, text)}, 3);
    if (text != small) {
        free(text);
    }
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
    if (w->keys == NULL) {
        w->keys = malloc(SHADOWS_MAX * sizeof(*w->keys));
    }
    struct key_place *keys = w->keys;
    if (keys == NULL) {
        return false;
    }
    const uint32_t count = keys_collect(w, keys);
    w->shadow_count = 0;
    w->shadow_at = 0;
    if (count == UINT32_MAX) {
        return false;
    }
    keys_sort(keys, count);
    for (uint32_t i = 0; i + 1 < count; i++) {
        if (keys[i].object == keys[i + 1].object && keys[i].hash == keys[i + 1].hash) {
            keys[w->shadow_count++] = (struct key_place){.position = keys[i].position};
        }
    }
    keys_sort(keys, w->shadow_count); /* by position alone */
    for (uint32_t i = 0; i < w->shadow_count; i++) {
        w->shadows[i] = keys[i].position;
    }
    return true;
}

uint64_t shadows_memory(void)
{
    return SHADOWS_MAX * (sizeof(uint32_t) + sizeof(struct key_place));
}

static bool is_structural(uint8_t c)
{
    return c == '{' || c == '}' || c == '[' || c == ']' || c == ',' || c == ':';
}

/* The byte behind the blanks from i on; len: there is none. */
static uint32_t blanks_end(const struct pen_walker *w, uint32_t i)
{
    while (i < w->len &&
           (w->text[i] == ' ' || w->text[i] == '\t' || w->text[i] == '\r' || w->text[i] == '\n')) {
        i++;
    }
    return i;
}

/* The quote that closes the string, or the line feed that cuts it; len: neither is here.  The first
 * line feed of several that only blanks are between speaks for all: each is looked at once. */
static uint32_t string_close(const struct pen_walker *w, uint32_t i)
{
    while (i < w->len && w->text[i] != '"') {
        if (w->text[i] == '\n') {
            const uint32_t next = blanks_end(w, i + 1);
            if (next == w->len || pen_object_is_cut(w->text[next], next > i + 1)) {
                return i;
            }
            i = next;
        } else {
            i += 1U + (w->text[i] == '\\' && i + 1 < w->len && w->text[i + 1] != '\n');
        }
    }
    return i;
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
            i = string_close(w, i + 1);
            if (i < w->len && w->text[i] == '\n') {
                index[count++] = i;
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
