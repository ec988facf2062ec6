/* tested by tests/e2e/test_rules.py */
#include "navigator.h"

#include "penstock/json.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define LAYER_BYTES_MAX ((size_t)256 << 20)
#define TITLES_MAX 50U /* of rules in the comment of a technique */
#define ID_BYTES_MAX 16U

struct entry { /* a rule has a technique */
    char id[ID_BYTES_MAX];
    pen_slice title;
};
struct layer {
    struct entry *entries; /* by technique, then title */
    uint32_t count, most;  /* most: rules of one technique */
};

static size_t digits(pen_slice text, size_t from, size_t most)
{
    size_t n = 0;
    while (n < most && from + n < text.len && isdigit(text.ptr[from + n]) != 0) {
        n++;
    }
    return n;
}

/* "T1110" of "T1110-brute-force", "T1078.004"; false: text begins with no technique. */
static bool technique_of(pen_slice text, char id[ID_BYTES_MAX])
{
    if (text.len < 5 || toupper(text.ptr[0]) != 'T' || digits(text, 1, 4) != 4) {
        return false;
    }
    const bool has_sub = text.len >= 9 && text.ptr[5] == '.' && digits(text, 6, 3) == 3;
    (void)snprintf(id, ID_BYTES_MAX, "T%.*s", has_sub ? 8 : 4, (const char *)text.ptr + 1);
    return true;
}

static int entry_compare(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;
    const int by_id = strcmp(a->id, b->id);
    return by_id != 0 ? by_id : pen_slice_cmp(a->title, b->title);
}

/* Rules that the entry at first and those behind it have of one technique. */
static uint32_t run_of(const struct layer *layer, uint32_t first)
{
    uint32_t n = 1;
    while (first + n < layer->count &&
           strcmp(layer->entries[first + n].id, layer->entries[first].id) == 0) {
        n++;
    }
    return n;
}

static void layer_make(struct layer *layer, const struct pen_rules *rules)
{
    uint32_t cap = 0;
    for (uint32_t i = 0; i < pen_rules_count(rules); i++) {
        cap += pen_rules_at(rules, i)->technique_count;
    }
    layer->entries = calloc((size_t)cap + 1, sizeof(*layer->entries));
    PEN_CHECK(layer->entries != NULL);
    for (uint32_t i = 0; i < pen_rules_count(rules); i++) {
        const struct pen_rule *rule = pen_rules_at(rules, i);
        for (uint32_t k = 0; k < rule->technique_count; k++) {
            struct entry *entry = &layer->entries[layer->count];
            entry->title = rule->title;
            layer->count += technique_of(rule->techniques[k], entry->id);
        }
    }
    qsort(layer->entries, layer->count, sizeof(*layer->entries), entry_compare);
    for (uint32_t i = 0; i < layer->count; i += run_of(layer, i)) {
        const uint32_t n = run_of(layer, i);
        layer->most = n > layer->most ? n : layer->most;
    }
}

static pen_status write_titles(struct pen_buf *out, const struct entry *entries, uint32_t count)
{
    const uint32_t shown = count < TITLES_MAX ? count : TITLES_MAX;
    pen_status st = PEN_OK;
    for (uint32_t i = 0; i < shown && st == PEN_OK; i++) {
        st = pen_buf_printf(out, "%s", i == 0 ? "" : "; ");
        st = st == PEN_OK ? pen_json_escape(out, entries[i].title) : st;
    }
    return st == PEN_OK && shown < count ? pen_buf_printf(out, "; and %u more", count - shown) : st;
}

static pen_status write_technique(struct pen_buf *out, const struct layer *layer, uint32_t first)
{
    const uint32_t n = run_of(layer, first);
    PEN_TRY(pen_buf_printf(out,
                           "%s\n  {\"techniqueID\":\"%s\",\"score\":%u,\"enabled\":true,"
                           "\"comment\":\"",
                           first == 0 ? "" : ",", layer->entries[first].id, n));
    PEN_TRY(write_titles(out, &layer->entries[first], n));
    return pen_buf_add(out, PEN_SLICE_LIT("\"}"));
}

static pen_status write_layer(struct pen_buf *out, const struct layer *layer, uint32_t rules)
{
    pen_status st = pen_buf_printf(
        out,
        "{\"name\":\"penstock rules\",\"domain\":\"enterprise-attack\","
        "\"versions\":{\"layer\":\"4.5\",\"navigator\":\"4.9.1\"},"
        "\"description\":\"%u rules; the score is the number of rules that name a technique\","
        "\"gradient\":{\"colors\":[\"#ffffff\",\"#3182bd\"],\"minValue\":0,\"maxValue\":%u},"
        "\"techniques\":[",
        rules, layer->most == 0 ? 1 : layer->most);
    for (uint32_t i = 0; i < layer->count && st == PEN_OK; i += run_of(layer, i)) {
        st = write_technique(out, layer, i);
    }
    return st == PEN_OK ? pen_buf_add(out, PEN_SLICE_LIT("\n]}\n")) : st;
}

static bool write_file(const struct pen_buf *text, const char *path)
{
    FILE *file = fopen(path, "we");
    bool is_good = file != NULL && fwrite(text->ptr, 1, text->len, file) == text->len;
    is_good = file != NULL && fclose(file) == 0 && is_good;
    if (!is_good) {
        (void)fprintf(stderr, "penstock: %s: %s\n", path, strerrordesc_np(errno));
    }
    return is_good;
}

bool navigator_write(const struct pen_rules *rules, const char *path)
{
    struct layer layer = {0};
    struct pen_buf text;
    pen_buf_init(&text, LAYER_BYTES_MAX);
    layer_make(&layer, rules);
    const pen_status st = write_layer(&text, &layer, pen_rules_count(rules));
    if (st != PEN_OK) {
        (void)fprintf(stderr, "penstock: %s: the layer has no room\n", path);
    }
    const bool is_good = st == PEN_OK && write_file(&text, path);
    pen_buf_fini(&text);
    free(layer.entries);
    return is_good;
}
