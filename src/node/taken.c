/* tested by tests/e2e/test_dead_letters.py */
#include "taken.h"

#include "penstock/json.h"
#include "penstock/node.h"

#include <inttypes.h>
#include <stdlib.h>

#define ARENA_BYTES_MAX ((size_t)4 << 30)
#define KEY_TEXT_MAX ((size_t)1 << 20)

void taken_init(struct taken_set *set)
{
    *set = (struct taken_set){0};
    pen_arena_init(&set->arena, ARENA_BYTES_MAX);
    pen_buf_init(&set->scratch, KEY_TEXT_MAX);
}

void taken_fini(struct taken_set *set)
{
    pen_arena_fini(&set->arena);
    pen_buf_fini(&set->scratch);
    free(set->items);
    *set = (struct taken_set){0};
}

static const char *copy(struct taken_set *set, const char *text)
{
    return (const char *)pen_arena_dup(&set->arena, pen_slice_str(text)).ptr;
}

pen_status taken_add(struct taken_set *set, const struct checkpoint_refused *refused,
                     const struct pen_totals *totals)
{
    if (set->count == set->cap) {
        const uint32_t cap = set->cap == 0 ? 64 : set->cap * 2;
        struct taken *bigger = reallocarray(set->items, cap, sizeof(*set->items));
        if (bigger == NULL) {
            return PEN_E_NOMEM;
        }
        set->items = bigger;
        set->cap = cap;
    }
    set->scratch.len = 0;
    PEN_TRY(pen_json_escape(&set->scratch, pen_slice_str(refused->key)));
    struct taken one = {.unit = copy(set, refused->unit),
                        .path = copy(set, refused->path),
                        .key = copy(set, refused->key),
                        .name_hash = refused->name_hash,
                        .text = pen_arena_dup(&set->arena, pen_buf_slice(&set->scratch)),
                        .text_hash = pen_hash64(pen_buf_slice(&set->scratch), 0),
                        .delivered = totals->records_delivered,
                        .made = totals->observations};
    if (one.unit == NULL || one.path == NULL || one.key == NULL || one.text.ptr == NULL) {
        return PEN_E_NOMEM;
    }
    set->delivered += one.delivered;
    set->made += one.made;
    set->items[set->count++] = one;
    return PEN_OK;
}

static int text_order(const void *a, const void *b)
{
    const struct taken *x = a;
    const struct taken *y = b;
    if (x->text_hash != y->text_hash) {
        return x->text_hash < y->text_hash ? -1 : 1;
    }
    return pen_slice_cmp(x->text, y->text);
}

void taken_seal(struct taken_set *set)
{
    if (set->count > 0) {
        qsort(set->items, set->count, sizeof(*set->items), text_order);
    }
}

/* The first of the items with this text, or NULL. */
static struct taken *find(struct taken_set *set, pen_slice text)
{
    const struct taken wanted = {.text = text, .text_hash = pen_hash64(text, 0)};
    uint32_t low = 0;
    uint32_t high = set->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (text_order(&set->items[middle], &wanted) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < set->count && text_order(&set->items[low], &wanted) == 0 ? &set->items[low] : NULL;
}

/* The value of _source's own member: a record may hold one of the same name deeper down. */
static bool source_key(pen_slice line, pen_slice *text)
{
    struct pen_tokens tokens;
    struct pen_token token;
    bool is_next = false;
    pen_tokens_init(&tokens, line);
    while (pen_tokens_next(&tokens, &token)) {
        if (is_next) {
            *text = token.text;
            return token.kind == PEN_STRING && !token.is_key;
        }
        is_next = token.is_key && token.depth == 2 &&
                  pen_slice_eq(token.text, PEN_SLICE_LIT("@log_s3key"));
    }
    return false;
}

/* Length of the inside of a JSON string that text begins with. */
static size_t string_length(pen_slice text)
{
    size_t i = 0;
    while (i < text.len && text.ptr[i] != '"') {
        i += text.ptr[i] == '\\' ? 2 : 1;
    }
    return i < text.len ? i : text.len;
}

bool taken_document(struct taken_set *set, pen_slice line)
{
    const pen_slice needle = PEN_SLICE_LIT("\"@log_s3key\":\"");
    pen_slice rest = line;
    for (;;) {
        const size_t at = pen_slice_find(rest, needle);
        if (at == SIZE_MAX) {
            return false;
        }
        rest = pen_slice_sub(rest, at + needle.len, rest.len);
        pen_slice text = pen_slice_sub(rest, 0, string_length(rest));
        if (find(set, text) == NULL) {
            continue; /* nearly always, and then nothing has to be parsed */
        }
        struct taken *one = source_key(line, &text) ? find(set, text) : NULL;
        if (one != NULL) {
            one->documents++;
        }
        return one != NULL;
    }
}

bool taken_observation(struct taken_set *set, pen_slice key)
{
    set->scratch.len = 0;
    if (pen_json_escape(&set->scratch, key) != PEN_OK) {
        return false;
    }
    struct taken *one = find(set, pen_buf_slice(&set->scratch));
    if (one != NULL) {
        one->observations++;
    }
    return one != NULL;
}

pen_status taken_check(const struct taken_set *set, bool has_documents, struct pen_err *err)
{
    for (uint32_t i = 0; i < set->count;) {
        const struct taken *first = &set->items[i];
        uint64_t delivered = 0;
        uint64_t made = 0;
        for (; i < set->count && text_order(first, &set->items[i]) == 0; i++) {
            delivered += set->items[i].delivered;
            made += set->items[i].made;
        }
        if ((has_documents && first->documents != delivered) || first->observations != made) {
            return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                            "%.150s: %" PRIu64 " documents of %" PRIu64
                            ": the job has another object of this key; name others, or use --fresh",
                            first->key, first->documents, delivered);
        }
    }
    return PEN_OK;
}
