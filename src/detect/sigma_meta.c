/* tested by tests/unit/detect/test_documents.c */
#include "rules.h"

#define TITLE_POINTS_MAX 256u
#define DESCRIPTION_POINTS_MAX 65535u
#define UUID_DIGITS 32u

/* A child that is there and not null. */
static const struct pen_yaml *child(struct builder *b, const struct pen_yaml *map, const char *key)
{
    const struct pen_yaml *node = pen_yaml_get(map, key);
    const bool is_null = node != NULL && node->kind == PEN_YAML_SCALAR &&
                         sigma_scalar(b->arena, node).kind == SCALAR_NULL;
    return is_null ? NULL : node;
}

/* Empty when there is no such child. */
static pen_status text_of(struct builder *b, const struct pen_yaml *map, const char *key,
                          pen_slice *out)
{
    const struct pen_yaml *node = child(b, map, key);
    *out = (pen_slice){0};
    if (node == NULL) {
        return PEN_OK;
    }
    if (node->kind != PEN_YAML_SCALAR || sigma_scalar(b->arena, node).kind != SCALAR_STRING) {
        return sigma_fail(b, node, "`%s` is a text", key);
    }
    *out = node->text;
    return PEN_OK;
}

static pen_status list_of(struct builder *b, const struct pen_yaml *map, const char *key,
                          const pen_slice **out, uint32_t *count)
{
    const struct pen_yaml *node = child(b, map, key);
    *out = NULL;
    *count = 0;
    if (node == NULL) {
        return PEN_OK;
    }
    if (node->kind != PEN_YAML_SEQ) {
        return sigma_fail(b, node, "`%s` is a list", key);
    }
    pen_slice *items = PEN_NEW_N(b->arena, pen_slice, node->count + 1);
    PEN_CHECK(items != NULL);
    for (const struct pen_yaml *kid = node->child; kid != NULL; kid = kid->next) {
        if (kid->kind != PEN_YAML_SCALAR) {
            return sigma_fail(b, kid, "`%s` is a list of texts", key);
        }
        items[(*count)++] = kid->text;
    }
    *out = items;
    return PEN_OK;
}

static size_t code_points(pen_slice text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += (text.ptr[i] & 0xc0U) != 0x80;
    }
    return count;
}

bool sigma_uuid(struct pen_arena *arena, pen_slice text, pen_slice *out)
{
    uint8_t made[UUID_DIGITS + 4];
    size_t len = 0;
    uint32_t digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.ptr[i];
        const uint8_t low = c | 0x20U;
        if (c == '-') {
            continue;
        }
        if (digits == UUID_DIGITS || !((c >= '0' && c <= '9') || (low >= 'a' && low <= 'f'))) {
            return false;
        }
        if (digits == 8 || digits == 12 || digits == 16 || digits == 20) {
            made[len++] = '-';
        }
        made[len++] = low; /* digits have the bit anyway */
        digits++;
    }
    if (digits != UUID_DIGITS) {
        return false;
    }
    *out = pen_arena_dup(arena, (pen_slice){made, len});
    PEN_CHECK(out->ptr != NULL);
    return true;
}

/* ---- one field each ---- */

static pen_status read_title(struct builder *b, const struct pen_yaml *root, struct pen_rule *rule)
{
    PEN_TRY(text_of(b, root, "title", &rule->title));
    if (rule->title.len == 0) {
        return sigma_fail(b, root, "`title` is missing");
    }
    if (code_points(rule->title) > TITLE_POINTS_MAX) {
        return sigma_fail(b, pen_yaml_get(root, "title"), "`title` is longer than %u characters",
                          TITLE_POINTS_MAX);
    }
    return PEN_OK;
}

static pen_status read_id(struct builder *b, const struct pen_yaml *root, struct pen_rule *rule)
{
    pen_slice text;
    PEN_TRY(text_of(b, root, "id", &text));
    if (child(b, root, "id") == NULL) {
        return PEN_OK;
    }
    return sigma_uuid(b->arena, text, &rule->id)
               ? PEN_OK
               : sigma_fail(b, pen_yaml_get(root, "id"), "`id` '%.*s' is no UUID",
                            PEN_SLICE_FMT(text));
}

static pen_status read_name(struct builder *b, const struct pen_yaml *root, pen_slice *name)
{
    PEN_TRY(text_of(b, root, "name", name));
    const struct pen_yaml *node = child(b, root, "name");
    return node != NULL && name->len == 0 ? sigma_fail(b, node, "`name` is empty") : PEN_OK;
}

static bool is_one_of(pen_slice text, const char *const *names, size_t count, size_t *index)
{
    for (*index = 0; *index < count; (*index)++) {
        if (pen_slice_eq_nocase(text, pen_slice_str(names[*index]))) {
            return true;
        }
    }
    return false;
}

static pen_status read_level(struct builder *b, const struct pen_yaml *root, struct pen_rule *rule)
{
    static const char *const names[] = {"informational", "low", "medium", "high", "critical"};
    pen_slice text;
    size_t index = PEN_MEDIUM;
    PEN_TRY(text_of(b, root, "level", &text));
    if (text.ptr != NULL && !is_one_of(text, names, PEN_COUNT(names), &index)) {
        return sigma_fail(b, pen_yaml_get(root, "level"),
                          "`level` '%.*s': informational, low, medium, high or critical",
                          PEN_SLICE_FMT(text));
    }
    rule->severity = (enum pen_severity)index;
    return PEN_OK;
}

static pen_status read_status(struct builder *b, const struct pen_yaml *root, struct pen_rule *rule)
{
    static const char *const names[] = {"stable", "test", "experimental", "deprecated",
                                        "unsupported"};
    size_t index = 0;
    PEN_TRY(text_of(b, root, "status", &rule->status));
    if (rule->status.ptr != NULL && !is_one_of(rule->status, names, PEN_COUNT(names), &index)) {
        return sigma_fail(b, pen_yaml_get(root, "status"),
                          "`status` '%.*s': stable, test, experimental, deprecated or unsupported",
                          PEN_SLICE_FMT(rule->status));
    }
    return PEN_OK;
}

static pen_status read_taxonomy(struct builder *b, const struct pen_yaml *root)
{
    pen_slice text;
    PEN_TRY(text_of(b, root, "taxonomy", &text));
    const struct pen_yaml *node = child(b, root, "taxonomy");
    return node != NULL && !pen_slice_eq(text, PEN_SLICE_LIT("sigma"))
               ? sigma_fail(b, node, "no mapping is known for the taxonomy '%.*s'",
                            PEN_SLICE_FMT(text))
               : PEN_OK;
}

static bool number_of(pen_slice text, size_t digits_min, size_t digits_max, uint64_t *out)
{
    return text.len >= digits_min && text.len <= digits_max && pen_parse_u64(text, out);
}

/* YYYY-MM-DD, or YYYY/M/D, and a day that the calendar has. */
static bool is_date(pen_slice text)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool is_slashed = memchr(text.ptr, '/', text.len) != NULL;
    const uint8_t separator = is_slashed ? '/' : '-';
    pen_slice rest = text;
    pen_slice part[3] = {{0}};
    uint64_t year = 0;
    uint64_t month = 0;
    uint64_t day = 0;
    for (size_t i = 0; i < PEN_COUNT(part); i++) {
        if (!pen_slice_split(&rest, separator, &part[i])) {
            return false;
        }
    }
    const size_t digits_min = is_slashed ? 1 : 2;
    if (rest.ptr != NULL || !number_of(part[0], 4, 4, &year) ||
        !number_of(part[1], digits_min, 2, &month) || !number_of(part[2], digits_min, 2, &day) ||
        month < 1 || month > 12 || year < 1) {
        return false;
    }
    const bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day >= 1 && day <= days[month - 1] + (uint64_t)(month == 2 && is_leap);
}

static pen_status read_dates(struct builder *b, const struct pen_yaml *root, struct pen_rule *rule)
{
    static const char *const keys[] = {"date", "modified"};
    for (size_t i = 0; i < PEN_COUNT(keys); i++) {
        const struct pen_yaml *node = child(b, root, keys[i]);
        if (node == NULL) {
            continue;
        }
        if (node->kind != PEN_YAML_SCALAR || node->text.len == 0 || !is_date(node->text)) {
            return sigma_fail(b, node, "`%s` is a date as 2024-01-31", keys[i]);
        }
        rule->version = node->text;
    }
    return PEN_OK;
}

static pen_status read_related_item(struct builder *b, const struct pen_yaml *item)
{
    static const char *const types[] = {"derived", "obsolete", "merged",
                                        "renamed", "similar",  "correlation"};
    pen_slice id;
    pen_slice type;
    pen_slice uuid;
    size_t index = 0;
    if (item->kind != PEN_YAML_MAP) {
        return sigma_fail(b, item, "`related` is a list of maps with id and type");
    }
    PEN_TRY(text_of(b, item, "id", &id));
    PEN_TRY(text_of(b, item, "type", &type));
    if (!sigma_uuid(b->arena, id, &uuid)) {
        return sigma_fail(b, item, "the related id '%.*s' is no UUID", PEN_SLICE_FMT(id));
    }
    if (pen_slice_eq_nocase(type, PEN_SLICE_LIT("obsoletes"))) {
        sigma_warn(b, item, "the related type 'obsoletes' is now 'obsolete'");
        return PEN_OK;
    }
    return is_one_of(type, types, PEN_COUNT(types), &index)
               ? PEN_OK
               : sigma_fail(b, item,
                            "the related type '%.*s': derived, obsolete, merged, renamed or "
                            "similar",
                            PEN_SLICE_FMT(type));
}

static pen_status read_related(struct builder *b, const struct pen_yaml *root)
{
    const struct pen_yaml *node = child(b, root, "related");
    if (node == NULL) {
        return PEN_OK;
    }
    if (node->kind != PEN_YAML_SEQ) {
        return sigma_fail(b, node, "`related` is a list");
    }
    for (const struct pen_yaml *kid = node->child; kid != NULL; kid = kid->next) {
        PEN_TRY(sigma_part(b, read_related_item(b, kid)));
    }
    return PEN_OK;
}

/* A member that Sigma does not know: any form is allowed, a text alone is of use here. */
static pen_slice custom_text(struct builder *b, const struct pen_yaml *root, const char *key)
{
    const struct pen_yaml *node = child(b, root, key);
    const bool is_text = node != NULL && node->kind == PEN_YAML_SCALAR &&
                         sigma_scalar(b->arena, node).kind == SCALAR_STRING;
    return is_text ? node->text : (pen_slice){0};
}

/* Without the line ends that a folded text of YAML has behind it. */
static pen_slice without_line_ends(pen_slice text)
{
    while (text.len > 0 && text.ptr[text.len - 1] == '\n') {
        text.len--;
    }
    return text;
}

static pen_slice message_of(struct builder *b, const struct pen_rule *rule)
{
    const struct {
        pen_slice head, text;
    } parts[] = {{PEN_SLICE_LIT(""), without_line_ends(rule->description)},
                 {PEN_SLICE_LIT("Triage: "), without_line_ends(rule->triage)},
                 {PEN_SLICE_LIT("Response: "), without_line_ends(rule->response)}};
    const pen_slice gap = PEN_SLICE_LIT("\n\n");
    size_t bytes_max = 1;
    for (size_t i = 0; i < PEN_COUNT(parts); i++) {
        bytes_max += gap.len + parts[i].head.len + parts[i].text.len;
    }
    uint8_t *out = pen_arena_alloc(b->arena, bytes_max, 1);
    PEN_CHECK(out != NULL);
    size_t len = 0;
    for (size_t i = 0; i < PEN_COUNT(parts); i++) {
        const pen_slice pieces[] = {len == 0 ? PEN_SLICE_LIT("") : gap, parts[i].head,
                                    parts[i].text};
        for (size_t k = 0; parts[i].text.len > 0 && k < PEN_COUNT(pieces); k++) {
            memcpy(out + len, pieces[k].ptr, pieces[k].len);
            len += pieces[k].len;
        }
    }
    return (pen_slice){out, len};
}

/* What is of the right form but not looked at, and the lists. */
static pen_status read_texts(struct builder *b, const struct pen_yaml *root, struct pen_rule *rule)
{
    static const char *const lists[] = {"references", "fields", "scope"};
    pen_slice text;
    const pen_slice *items = NULL;
    uint32_t count = 0;
    PEN_TRY(text_of(b, root, "author", &text));
    PEN_TRY(text_of(b, root, "license", &text));
    PEN_TRY(text_of(b, root, "description", &rule->description));
    if (code_points(rule->description) > DESCRIPTION_POINTS_MAX) {
        sigma_warn(b, pen_yaml_get(root, "description"),
                   "`description` is longer than %u characters", DESCRIPTION_POINTS_MAX);
    }
    rule->triage = custom_text(b, root, "triage");
    rule->response = custom_text(b, root, "response");
    rule->message = message_of(b, rule);
    for (size_t i = 0; i < PEN_COUNT(lists); i++) {
        PEN_TRY(list_of(b, root, lists[i], &items, &count));
    }
    PEN_TRY(list_of(b, root, "tags", &rule->tags, &rule->tag_count));
    PEN_TRY(sigma_tags(b, root, rule));
    return list_of(b, root, "falsepositives", &rule->falsepositives, &rule->falsepositive_count);
}

pen_status sigma_meta(struct builder *b, const struct pen_yaml *root, struct pen_rule *rule,
                      pen_slice *name)
{
    rule->language = "sigma";
    rule->line = root->line;
    PEN_TRY(sigma_part(b, read_title(b, root, rule)));
    PEN_TRY(sigma_part(b, read_id(b, root, rule)));
    PEN_TRY(sigma_part(b, read_name(b, root, name)));
    PEN_TRY(sigma_part(b, read_taxonomy(b, root)));
    PEN_TRY(sigma_part(b, read_status(b, root, rule)));
    PEN_TRY(sigma_part(b, read_level(b, root, rule)));
    PEN_TRY(sigma_part(b, read_dates(b, root, rule)));
    PEN_TRY(sigma_part(b, read_related(b, root)));
    return sigma_part(b, read_texts(b, root, rule));
}

/* ---- logsource ---- */

static void warn_spelling(struct builder *b, const struct pen_yaml *map, const char *key,
                          pen_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.ptr[i];
        if ((c >= 'A' && c <= 'Z') || c == ' ') {
            sigma_warn(b, pen_yaml_get(map, key), "`%s` is written in lower case, _ for a blank",
                       key);
            return;
        }
    }
}

pen_status sigma_logsource(struct builder *b, const struct pen_yaml *root,
                           struct pen_logsource *out)
{
    const struct pen_yaml *map = pen_yaml_get(root, "logsource");
    if (map == NULL || map->kind != PEN_YAML_MAP) {
        return sigma_fail(b, map == NULL ? root : map, "`logsource` is missing or no map");
    }
    struct {
        const char *key;
        pen_slice *text;
    } const parts[] = {
        {"category", &out->category}, {"product", &out->product}, {"service", &out->service}};
    uint32_t count = 0;
    for (size_t i = 0; i < PEN_COUNT(parts); i++) {
        PEN_TRY(text_of(b, map, parts[i].key, parts[i].text));
        if (parts[i].text->ptr == NULL) {
            continue;
        }
        if (parts[i].text->len == 0) {
            return sigma_fail(b, pen_yaml_get(map, parts[i].key), "`%s` is empty", parts[i].key);
        }
        warn_spelling(b, map, parts[i].key, *parts[i].text);
        count++;
    }
    return count > 0 ? PEN_OK
                     : sigma_fail(b, map, "`logsource` names no category, product or service");
}
