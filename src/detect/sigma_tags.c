/* tested by tests/unit/detect/test_documents.c */
#include "rules.h"

static bool is_tag_byte(uint8_t c, bool allows_dot)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           (allows_dot && c == '.');
}

/* namespace.rest in lower case. */
static bool is_well_spelled(pen_slice space, pen_slice rest)
{
    bool ok = space.len > 0 && rest.len > 0;
    for (size_t i = 0; i < space.len; i++) {
        ok = ok && is_tag_byte(space.ptr[i], false);
    }
    for (size_t i = 0; i < rest.len; i++) {
        ok = ok && is_tag_byte(rest.ptr[i], true);
    }
    return ok;
}

/* A letter and a number: t1078.004 is a technique, g0007 a group. */
static bool is_numbered(pen_slice name, uint8_t letter)
{
    return name.len >= 5 && (name.ptr[0] | 0x20U) == letter && name.ptr[1] >= '0' &&
           name.ptr[1] <= '9';
}

static bool is_other_object(pen_slice name)
{
    return is_numbered(name, 'g') || is_numbered(name, 's') || is_numbered(name, 'm') ||
           is_numbered(name, 'a') || pen_slice_starts(name, PEN_SLICE_LIT("ds0"));
}

static pen_slice changed(struct pen_arena *arena, pen_slice name, uint8_t first, bool dashes)
{
    uint8_t *out = pen_arena_alloc(arena, name.len + 1, 1);
    PEN_CHECK(out != NULL);
    for (size_t i = 0; i < name.len; i++) {
        out[i] = dashes && name.ptr[i] == '_' ? (uint8_t)'-' : name.ptr[i];
    }
    out[0] = first;
    return (pen_slice){out, name.len};
}

/* Of attack.NAME the tactic or the technique. */
static void tag_attack(struct pen_arena *arena, pen_slice space, pen_slice rest,
                       struct pen_rule *rule, pen_slice *tactics, pen_slice *techniques)
{
    if (!pen_slice_eq_nocase(space, PEN_SLICE_LIT("attack")) || rest.len == 0) {
        return;
    }
    if (is_numbered(rest, 't')) {
        techniques[rule->technique_count++] = changed(arena, rest, 'T', false);
    } else if (!is_other_object(rest)) {
        tactics[rule->tactic_count++] = changed(arena, rest, rest.ptr[0], true);
    }
}

void sigma_tags_attack(struct pen_arena *arena, struct pen_rule *rule, pen_slice *tactics,
                       pen_slice *techniques)
{
    for (uint32_t i = 0; i < rule->tag_count; i++) {
        pen_slice rest = rule->tags[i];
        pen_slice space;
        if (memchr(rest.ptr, '.', rest.len) != NULL) {
            (void)pen_slice_split(&rest, '.', &space);
            tag_attack(arena, space, rest, rule, tactics, techniques);
        }
    }
}

static pen_status read_tag(struct builder *b, const struct pen_yaml *tag, struct pen_rule *rule,
                           pen_slice *tactics, pen_slice *techniques)
{
    pen_slice rest = tag->text;
    pen_slice space;
    if (sigma_scalar(b->arena, tag).kind != SCALAR_STRING) {
        return sigma_fail(b, tag, "the tag '%.*s' is no text: quote it", PEN_SLICE_FMT(rest));
    }
    if (rest.len == 0 || memchr(rest.ptr, '.', rest.len) == NULL) {
        return sigma_fail(b, tag, "the tag '%.*s' has no namespace", PEN_SLICE_FMT(rest));
    }
    (void)pen_slice_split(&rest, '.', &space);
    if (!is_well_spelled(space, rest)) {
        sigma_warn(b, tag, "the tag '%.*s' has other than lower-case letters, digits, _ and -",
                   PEN_SLICE_FMT(tag->text));
    }
    tag_attack(b->arena, space, rest, rule, tactics, techniques);
    return PEN_OK;
}

pen_status sigma_tags(struct builder *b, const struct pen_yaml *root, struct pen_rule *rule)
{
    const struct pen_yaml *tags = pen_yaml_get(root, "tags");
    pen_slice *tactics = PEN_NEW_N(b->arena, pen_slice, rule->tag_count + 1);
    pen_slice *techniques = PEN_NEW_N(b->arena, pen_slice, rule->tag_count + 1);
    PEN_CHECK(tactics != NULL && techniques != NULL);
    const struct pen_yaml *tag = rule->tag_count == 0 ? NULL : tags->child;
    for (; tag != NULL; tag = tag->next) {
        PEN_TRY(read_tag(b, tag, rule, tactics, techniques));
    }
    rule->tactics = tactics;
    rule->techniques = techniques;
    return PEN_OK;
}
