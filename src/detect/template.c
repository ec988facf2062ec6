/* tested by tests/unit/detect/test_render.c */
#include "template.h"

#define RAW_OPEN PEN_SLICE_LIT("{{{{raw}}}}")
#define RAW_CLOSE PEN_SLICE_LIT("{{{{/raw}}}}")

static void take_text(pen_slice *rest, size_t len, struct template_part *part)
{
    PEN_CHECK(pen_slice_take(rest, len, &part->text));
    part->kind = TEMPLATE_TEXT;
}

/* What stands between the marks of raw; without the closing one all that is left. */
static void take_raw(pen_slice *rest, struct template_part *part)
{
    pen_slice mark;
    PEN_CHECK(pen_slice_take(rest, RAW_OPEN.len, &mark));
    const size_t end = pen_slice_find(*rest, RAW_CLOSE);
    take_text(rest, end == SIZE_MAX ? rest->len : end, part);
    if (end != SIZE_MAX) {
        PEN_CHECK(pen_slice_take(rest, RAW_CLOSE.len, &mark));
    }
}

/* A word, or a text in quotes without them; the quotes have no escapes. */
static bool take_word(pen_slice *rest, struct template_word *word)
{
    *rest = pen_slice_trim(*rest);
    if (rest->len == 0) {
        return false;
    }
    const uint8_t quote = rest->ptr[0];
    word->is_quoted = quote == '"' || quote == '\'';
    size_t n = word->is_quoted ? 1 : 0;
    while (n < rest->len &&
           (word->is_quoted ? rest->ptr[n] != quote : strchr(" \t\r\n", rest->ptr[n]) == NULL)) {
        n++;
    }
    word->text = pen_slice_sub(*rest, word->is_quoted ? 1 : 0, n);
    *rest = pen_slice_sub(*rest, n + (word->is_quoted ? 1U : 0U), rest->len);
    return true;
}

static void read_words(pen_slice inner, struct template_part *part)
{
    struct template_word word;
    while (take_word(&inner, &word)) {
        if (part->word_count == TEMPLATE_WORDS_MAX) {
            part->is_cut = true;
            return;
        }
        part->words[part->word_count++] = word;
    }
}

static void read_tag(pen_slice inner, struct template_part *part)
{
    static const struct {
        uint8_t mark;
        enum template_kind kind;
    } marks[] = {{'#', TEMPLATE_OPEN}, {'^', TEMPLATE_INVERSE}, {'/', TEMPLATE_CLOSE}};
    inner = pen_slice_trim(inner);
    part->kind = pen_slice_eq(inner, PEN_SLICE_LIT("else")) ? TEMPLATE_ELSE : TEMPLATE_VALUE;
    part->text = inner;
    for (size_t i = 0; inner.len > 0 && i < PEN_COUNT(marks); i++) {
        if (inner.ptr[0] == marks[i].mark) {
            part->kind = marks[i].kind;
            inner = pen_slice_sub(inner, 1, inner.len);
            break;
        }
    }
    read_words(inner, part);
}

/* A tag at the front of *rest: {{...}} or {{{...}}}.  False when it is never closed. */
static bool take_tag(pen_slice *rest, struct template_part *part)
{
    const bool is_triple = pen_slice_starts(*rest, PEN_SLICE_LIT("{{{"));
    const pen_slice close = is_triple ? PEN_SLICE_LIT("}}}") : PEN_SLICE_LIT("}}");
    const size_t end = pen_slice_find(*rest, close);
    if (end == SIZE_MAX) {
        return false;
    }
    read_tag(pen_slice_sub(*rest, close.len, end), part);
    *rest = pen_slice_sub(*rest, end + close.len, rest->len);
    return true;
}

bool template_next(pen_slice *rest, struct template_part *part)
{
    *part = (struct template_part){0};
    if (rest->len == 0) {
        return false;
    }
    const size_t open = pen_slice_find(*rest, PEN_SLICE_LIT("{{"));
    if (open != 0) {
        take_text(rest, open == SIZE_MAX ? rest->len : open, part);
    } else if (pen_slice_starts(*rest, RAW_OPEN)) {
        take_raw(rest, part);
    } else if (!take_tag(rest, part)) {
        take_text(rest, rest->len, part);
    }
    return true;
}

/* ---- names ---- */

pen_slice template_variable(pen_slice name)
{
    const pen_slice tail = PEN_SLICE_LIT(".name");
    name = pen_slice_trim(name);
    if (name.len <= tail.len || name.ptr[0] == '@' ||
        !pen_slice_eq(pen_slice_sub(name, name.len - tail.len, name.len), tail)) {
        return name;
    }
    name = pen_slice_sub(name, 0, name.len - tail.len);
    const bool is_bracketed = name.len > 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']';
    return is_bracketed ? pen_slice_sub(name, 1, name.len - 1) : name;
}

bool template_is_own(pen_slice name)
{
    static const char *const own[] = {
        "severity",         "timestamp",       "timestamp_epoch", "first_seen", "last_seen",
        "first_seen_epoch", "last_seen_epoch", "rule_name",       "case_name",  "events_matched"};
    for (size_t i = 0; i < PEN_COUNT(own); i++) {
        if (pen_slice_eq(name, pen_slice_str(own[i]))) {
            return true;
        }
    }
    return pen_slice_starts(name, PEN_SLICE_LIT("events_matched_per_query.")) ||
           pen_slice_starts(name, PEN_SLICE_LIT("@impossible_travel."));
}

enum template_helper template_helper(const struct template_part *part)
{
    static const struct {
        const char *name;
        enum template_helper helper;
        bool is_block;
    } helpers[] = {{"eval", TEMPLATE_EVAL, false},
                   {"local_time", TEMPLATE_LOCAL_TIME, false},
                   {"urlencode", TEMPLATE_URLENCODE, false},
                   {"if", TEMPLATE_IF, true},
                   {"is_match", TEMPLATE_IS_MATCH, true},
                   {"is_exact_match", TEMPLATE_IS_EXACT_MATCH, true}};
    const bool is_block = part->kind != TEMPLATE_VALUE;
    for (size_t i = 0; part->word_count > 0 && i < PEN_COUNT(helpers); i++) {
        if (helpers[i].is_block == is_block &&
            pen_slice_eq(part->words[0].text, pen_slice_str(helpers[i].name)) &&
            (part->word_count > 1 || part->kind == TEMPLATE_CLOSE)) {
            return helpers[i].helper;
        }
    }
    return is_block || part->word_count != 1 ? TEMPLATE_UNKNOWN : TEMPLATE_PLAIN;
}

/* ---- what a rule's template says of itself ---- */

struct names {
    struct pen_arena *arena;
    pen_slice *items;
    uint32_t count, max;
    bool is_cut;
};

static void names_add(struct names *names, pen_slice name)
{
    name = template_variable(name);
    if (name.len == 0 || template_is_own(name)) {
        return;
    }
    for (uint32_t i = 0; i < names->count; i++) {
        if (pen_slice_eq(names->items[i], name)) {
            return;
        }
    }
    names->is_cut |= names->count == names->max;
    if (names->count < names->max) {
        names->items[names->count] = pen_arena_dup(names->arena, name);
        PEN_CHECK(names->items[names->count++].ptr != NULL);
    }
}

static void names_of_eval(struct names *names, pen_slice expression)
{
    pen_slice name;
    while (template_eval_name(&expression, &name)) {
        names_add(names, name);
    }
}

static void names_of(struct names *names, const struct template_part *part)
{
    if (part->kind == TEMPLATE_TEXT || part->kind == TEMPLATE_ELSE ||
        part->kind == TEMPLATE_CLOSE) {
        return;
    }
    switch (template_helper(part)) {
    case TEMPLATE_PLAIN:
        names_add(names, part->words[0].text);
        break;
    case TEMPLATE_EVAL:
        names_of_eval(names, part->words[1].text);
        break;
    case TEMPLATE_UNKNOWN:
        break;
    case TEMPLATE_LOCAL_TIME:
    case TEMPLATE_URLENCODE:
    case TEMPLATE_IF:
    case TEMPLATE_IS_MATCH:
    case TEMPLATE_IS_EXACT_MATCH:
    default:
        names_add(names, part->words[1].text);
    }
}

void template_names(struct pen_arena *arena, pen_slice template, const pen_slice **out,
                    uint32_t *count, uint32_t max, bool *is_cut)
{
    struct names names = {.arena = arena, .max = max, .items = PEN_NEW_N(arena, pen_slice, max)};
    struct template_part part;
    PEN_CHECK(names.items != NULL);
    while (template_next(&template, &part)) {
        names_of(&names, &part);
    }
    *out = names.items;
    *count = names.count;
    *is_cut = names.is_cut;
}

static const char *check_part(const struct template_part *part,
                              enum template_helper open[TEMPLATE_DEPTH_MAX], uint32_t *depth)
{
    const enum template_helper helper = template_helper(part);
    if (part->kind == TEMPLATE_ELSE) {
        return *depth == 0 ? "{{else}} stands in no block" : NULL;
    }
    if (part->kind == TEMPLATE_CLOSE) {
        return *depth == 0 || open[--*depth] != helper ? "this closes no block" : NULL;
    }
    if (helper == TEMPLATE_UNKNOWN || part->is_cut) {
        return "there is no such tag: {{name}}, eval, local_time, urlencode, #if, #is_match or "
               "#is_exact_match are known";
    }
    if (part->kind != TEMPLATE_VALUE) {
        if (*depth == TEMPLATE_DEPTH_MAX) {
            return "blocks are nested deeper than 16 levels";
        }
        open[(*depth)++] = helper;
    }
    return NULL;
}

const char *template_check(pen_slice template, size_t *offset)
{
    enum template_helper open[TEMPLATE_DEPTH_MAX] = {TEMPLATE_PLAIN};
    uint32_t depth = 0;
    pen_slice rest = template;
    struct template_part part;
    const char *why = NULL;
    for (*offset = 0; why == NULL && template_next(&rest, &part);) {
        if (part.kind != TEMPLATE_TEXT) {
            why = check_part(&part, open, &depth);
        } else if (pen_slice_find(part.text, PEN_SLICE_LIT("{{")) == 0 && rest.len == 0 &&
                   pen_slice_find(part.text, PEN_SLICE_LIT("}}")) == SIZE_MAX) {
            why = "these braces are never closed";
        }
        *offset = why == NULL ? template.len - rest.len : *offset;
    }
    return why != NULL || depth == 0 ? why : "a block is never closed";
}
