#include "types.h"

#include "penstock/embed.h"
#include "penstock/yaml.h"

#include "keys.h"
#include "type_template.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_BYTES_MAX ((size_t)1 << 20)
#define HEADER_LINES_MAX 1000U

extern const struct pen_embedded pen_type_files[];

struct loader {
    struct pen_types *types;
    const char *file;
    bool is_builtin;
    struct pen_err *err;
};

static pen_status fail_at(const struct loader *l, const struct pen_yaml *node, const char *reason)
{
    return PEN_FAIL(l->err, PEN_E_CONFIG, PEN_NO_OFFSET, "%s:%u:%u: %s", l->file,
                    node == NULL ? 1 : node->line, node == NULL ? 1 : node->column, reason);
}

/* A list of texts; a single text is a list of one. */
static pen_status texts(struct loader *l, const struct pen_yaml *node, const pen_slice **out,
                        uint32_t *count)
{
    *out = NULL;
    *count = 0;
    if (node == NULL) {
        return PEN_OK;
    }
    if (node->kind == PEN_YAML_MAP) {
        return fail_at(l, node, "a path or a list of paths is wanted");
    }
    const uint32_t n = node->kind == PEN_YAML_SCALAR ? 1 : node->count;
    pen_slice *items = PEN_NEW_N(&l->types->arena, pen_slice, n == 0 ? 1 : n);
    if (items == NULL) {
        return fail_at(l, node, "out of memory");
    }
    if (node->kind == PEN_YAML_SCALAR) {
        items[0] = node->text;
    }
    uint32_t i = 0;
    for (const struct pen_yaml *kid = node->child; kid != NULL; kid = kid->next) {
        if (kid->kind != PEN_YAML_SCALAR) {
            return fail_at(l, kid, "a path is wanted");
        }
        items[i++] = kid->text;
    }
    *out = items;
    *count = n;
    return PEN_OK;
}

/* `map` or `attributes`: names and the paths that they stand for. */
static pen_status read_map(struct loader *l, const struct pen_yaml *node,
                           const struct pen_map_entry **out, uint32_t *count)
{
    if (node == NULL) {
        return PEN_OK;
    }
    if (node->kind != PEN_YAML_MAP) {
        return fail_at(l, node, "a map of names to paths is wanted");
    }
    struct pen_map_entry *map = PEN_NEW_N(&l->types->arena, struct pen_map_entry, node->count + 1);
    if (map == NULL) {
        return fail_at(l, node, "out of memory");
    }
    for (const struct pen_yaml *kid = node->child; kid != NULL; kid = kid->next) {
        struct pen_map_entry *entry = &map[(*count)++];
        entry->ecs = kid->key->text;
        const bool collects =
            kid->kind == PEN_YAML_SEQ && kid->child != NULL && kid->child->kind == PEN_YAML_SEQ;
        entry->collect = collects;
        PEN_TRY(texts(l, collects ? kid->child : kid, &entry->sources, &entry->source_count));
    }
    *out = map;
    return PEN_OK;
}

static pen_status read_fixed(struct loader *l, const struct pen_yaml *node, struct pen_type *type)
{
    if (node == NULL) {
        return PEN_OK;
    }
    struct pen_static_entry *all =
        PEN_NEW_N(&l->types->arena, struct pen_static_entry, node->count + 1);
    if (all == NULL || node->kind != PEN_YAML_MAP) {
        return fail_at(l, node, "`fixed` is a map of ECS fields to JSON");
    }
    for (const struct pen_yaml *kid = node->child; kid != NULL; kid = kid->next) {
        if (kid->kind != PEN_YAML_SCALAR || kid->text.len == 0) {
            return fail_at(l, kid, "JSON text is wanted");
        }
        all[type->static_count++] =
            (struct pen_static_entry){.ecs = kid->key->text, .json = kid->text};
    }
    type->statics = all;
    return PEN_OK;
}

static pen_status read_logsources(struct loader *l, const struct pen_yaml *node,
                                  struct pen_type *type)
{
    if (node == NULL) {
        return PEN_OK;
    }
    struct pen_logsource *all = PEN_NEW_N(&l->types->arena, struct pen_logsource, node->count + 1);
    if (all == NULL || node->kind != PEN_YAML_SEQ) {
        return fail_at(l, node, "`logsources` is a list of maps");
    }
    for (const struct pen_yaml *kid = node->child; kid != NULL; kid = kid->next) {
        all[type->logsource_count++] =
            (struct pen_logsource){.category = pen_yaml_text(kid, "category"),
                                   .product = pen_yaml_text(kid, "product"),
                                   .service = pen_yaml_text(kid, "service")};
    }
    type->logsources = all;
    return PEN_OK;
}

static pen_status check_keys(struct loader *l, const struct pen_yaml *root)
{
    static const char *const known[] = {
        "name",       "key",          "format",          "pattern",
        "first_line", "header_lines", "array",           "time",
        "id",         "id_suffix",    "index",           "rotation",
        "script",     "time_form",    "logsources",      "identity",
        "forwarded",  "map",          "fixed",           "text",
        "attributes", "columns",      "separator",       "prefix",
        "copy",       "envelopes",    "message_columns", "ignore_container_stderr",
        "sources",    "ignore",       "template",        "header_mark",
        "time_zone"};
    for (const struct pen_yaml *kid = root->child; kid != NULL; kid = kid->next) {
        bool is_known = false;
        for (size_t i = 0; i < PEN_COUNT(known); i++) {
            is_known |= pen_slice_eq(kid->key->text, pen_slice_str(known[i]));
        }
        if (!is_known) {
            return fail_at(
                l, kid->key,
                "no key of a log type; known: name key ignore format pattern first_line "
                "header_lines header_mark columns message_columns envelopes "
                "ignore_container_stderr separator "
                "array time time_form time_zone id "
                "id_suffix index rotation template prefix copy script logsources sources identity "
                "forwarded "
                "map "
                "fixed text "
                "attributes");
        }
    }
    return PEN_OK;
}

/* The pattern alone, so that the message can name its place. */
static pen_status check_pattern(struct loader *l, const struct pen_yaml *node)
{
    if (node == NULL) {
        return PEN_OK;
    }
    struct pen_err err;
    if (node->kind != PEN_YAML_SCALAR || node->text.len == 0) {
        return fail_at(l, node, "a regular expression is wanted");
    }
    /* The built-in ones were compiled when penstock was built. */
    if (!l->is_builtin && keys_check(node->text, &err) != PEN_OK) {
        return fail_at(l, node, err.text);
    }
    return PEN_OK;
}

/* What the records may come in. */
static pen_status read_envelopes(struct loader *l, const struct pen_yaml *node,
                                 struct pen_type *type)
{
    static const struct {
        const char *name;
        uint32_t bits;
    } known[] = {{"none", 0},
                 {"cloudwatch", PEN_ENVELOPE_CLOUDWATCH},
                 {"export", PEN_ENVELOPE_EXPORT},
                 {"firelens", PEN_ENVELOPE_FIRELENS},
                 {"eventbridge", PEN_ENVELOPE_EVENT}};
    const pen_slice *names = NULL;
    uint32_t count = 0;
    PEN_TRY(texts(l, node, &names, &count));
    if (node == NULL) {
        type->envelopes = PEN_ENVELOPE_CLOUDWATCH | PEN_ENVELOPE_EXPORT |
                          (type->format == PEN_FORMAT_JSON ? PEN_ENVELOPE_EVENT : 0);
    }
    for (uint32_t i = 0; i < count; i++) {
        bool is_known = false;
        for (size_t k = 0; k < PEN_COUNT(known); k++) {
            if (pen_slice_eq(names[i], pen_slice_str(known[k].name))) {
                type->envelopes |= known[k].bits;
                is_known = true;
            }
        }
        if (!is_known) {
            return fail_at(l, node,
                           "an envelope is cloudwatch, export, firelens, eventbridge or none");
        }
    }
    return PEN_OK;
}

static bool read_format(pen_slice text, enum pen_type_format *out)
{
    static const struct {
        const char *name;
        enum pen_type_format format;
    } known[] = {{"", PEN_FORMAT_JSON},
                 {"json", PEN_FORMAT_JSON},
                 {"text", PEN_FORMAT_TEXT},
                 {"columns", PEN_FORMAT_COLUMNS},
                 {"key-value", PEN_FORMAT_PAIRS},
                 {"cef", PEN_FORMAT_CEF},
                 {"windows-event", PEN_FORMAT_WINDOWS}};
    for (size_t i = 0; i < PEN_COUNT(known); i++) {
        if (pen_slice_eq(text, pen_slice_str(known[i].name))) {
            *out = known[i].format;
            return true;
        }
    }
    return false;
}

/* How bytes become records. */
static pen_status read_framing(struct loader *l, const struct pen_yaml *root, struct pen_type *type)
{
    const pen_slice format = pen_yaml_text(root, "format");
    const pen_slice lines = pen_yaml_text(root, "header_lines");
    uint64_t count = 0;
    if (!read_format(format, &type->format)) {
        return fail_at(l, pen_yaml_get(root, "format"),
                       "a format is json, text, columns, key-value, cef or windows-event");
    }
    if (lines.len > 0 && (!pen_parse_u64(lines, &count) || count > HEADER_LINES_MAX)) {
        return fail_at(l, pen_yaml_get(root, "header_lines"), "a number of lines is wanted");
    }
    type->header_lines = (uint32_t)count;
    type->header_mark = pen_yaml_text(root, "header_mark");
    type->pattern = pen_yaml_text(root, "pattern");
    type->first_line = pen_yaml_text(root, "first_line");
    type->array_key = pen_yaml_text(root, "array");
    type->separator = pen_yaml_text(root, "separator");
    PEN_TRY(texts(l, pen_yaml_get(root, "columns"), &type->columns, &type->column_count));
    PEN_TRY(texts(l, pen_yaml_get(root, "message_columns"), &type->message_columns,
                  &type->message_column_count));
    const pen_slice stderr_too = pen_yaml_text(root, "ignore_container_stderr");
    type->keeps_stderr = pen_slice_eq(stderr_too, PEN_SLICE_LIT("no"));
    if (stderr_too.len > 0 && !type->keeps_stderr &&
        !pen_slice_eq(stderr_too, PEN_SLICE_LIT("yes"))) {
        return fail_at(l, pen_yaml_get(root, "ignore_container_stderr"), "yes or no is wanted");
    }
    PEN_TRY(read_envelopes(l, pen_yaml_get(root, "envelopes"), type));
    if ((type->format == PEN_FORMAT_TEXT) != (type->pattern.len > 0)) {
        return fail_at(l, root, "`format: text` and `pattern` go together");
    }
    return PEN_OK;
}

static pen_status read_time_and_id(struct loader *l, const struct pen_yaml *root,
                                   struct pen_type *type)
{
    const pen_slice *forms = NULL;
    uint32_t count = 0;
    PEN_TRY(texts(l, pen_yaml_get(root, "time_form"), &forms, &count));
    if (count > 0) {
        type->time_form = forms[0];
        type->more_time_forms = forms + 1;
        type->more_time_form_count = count - 1;
    }
    type->time_zone = pen_yaml_text(root, "time_zone");
    type->id_key = pen_yaml_text(root, "id");
    type->id_suffix = pen_yaml_text(root, "id_suffix");
    if (pen_slice_eq(type->id_key, PEN_SLICE_LIT("md5"))) {
        type->id_key = (pen_slice){0};
        type->id_kind = PEN_ID_MD5;
    }
    return texts(l, pen_yaml_get(root, "time"), &type->times, &type->time_count);
}

/* It stands in file names, in the words of a checkpoint and in a summary. */
static bool is_name(pen_slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        const uint8_t c = name.ptr[i];
        if (isalnum(c) == 0 && c != '-' && c != '_' && c != '.') {
            return false;
        }
    }
    return name.len <= PEN_TYPE_NAME_MAX;
}

/* Rules and searches name them behind `source:`, where a wildcard would be one of the rule. */
static pen_status read_sources(struct loader *l, const struct pen_yaml *node, struct pen_type *type)
{
    PEN_TRY(texts(l, node, &type->sources, &type->source_count));
    for (uint32_t i = 0; i < type->source_count; i++) {
        if (type->sources[i].len == 0 || !is_name(type->sources[i])) {
            return fail_at(l, node,
                           "a source is made of letters, digits, `-`, `_` and `.`, at most 39");
        }
    }
    return PEN_OK;
}

/* What the fields of a record mean. */
static pen_status read_meaning(struct loader *l, const struct pen_yaml *root, struct pen_type *type)
{
    PEN_TRY(texts(l, pen_yaml_get(root, "identity"), &type->identity, &type->identity_count));
    PEN_TRY(texts(l, pen_yaml_get(root, "forwarded"), &type->forwarded, &type->forwarded_count));
    PEN_TRY(texts(l, pen_yaml_get(root, "text"), &type->to_text, &type->to_text_count));
    PEN_TRY(read_map(l, pen_yaml_get(root, "map"), &type->map, &type->map_count));
    PEN_TRY(
        read_map(l, pen_yaml_get(root, "attributes"), &type->attributes, &type->attribute_count));
    PEN_TRY(read_fixed(l, pen_yaml_get(root, "fixed"), type));
    PEN_TRY(read_sources(l, pen_yaml_get(root, "sources"), type));
    return read_logsources(l, pen_yaml_get(root, "logsources"), type);
}

static pen_status read_copy(struct loader *l, const struct pen_yaml *root, struct pen_type *type)
{
    const pen_slice copy = pen_yaml_text(root, "copy");
    type->has_no_copy = pen_slice_eq(copy, PEN_SLICE_LIT("false"));
    if (copy.len > 0 && !type->has_no_copy && !pen_slice_eq(copy, PEN_SLICE_LIT("true"))) {
        return fail_at(l, pen_yaml_get(root, "copy"), "true or false is wanted");
    }
    return PEN_OK;
}

/* ---- indices ---- */

const char *pen_rotation_name(enum pen_rotation rotation)
{
    static const char *const names[] = {"monthly", "weekly", "daily", "yearly", "auto", "aoss"};
    return rotation < PEN_COUNT(names) ? names[rotation] : NULL;
}

bool pen_rotation_parse(pen_slice name, enum pen_rotation *out)
{
    for (enum pen_rotation i = 0; pen_rotation_name(i) != NULL; i++) {
        if (pen_slice_eq(name, pen_slice_str(pen_rotation_name(i)))) {
            *out = i;
            return true;
        }
    }
    return false;
}

static pen_status read_template(struct loader *l, const struct pen_yaml *root,
                                struct pen_type *type)
{
    const struct pen_yaml *node = pen_yaml_get(root, "template");
    struct pen_err why = {0};
    if (node == NULL) {
        return PEN_OK;
    }
    if (l->is_builtin || node->kind != PEN_YAML_SCALAR) {
        return fail_at(l, node, "JSON in a text, or the path of a file, is wanted");
    }
    return type_template_read(&l->types->arena, l->file, node->text, &type->index_template, &why) ==
                   PEN_OK
               ? PEN_OK
               : fail_at(l, node, why.text);
}

/* What its indices are called and have. */
static pen_status read_index(struct loader *l, const struct pen_yaml *root, struct pen_type *type)
{
    const struct pen_yaml *node = pen_yaml_get(root, "rotation");
    return node == NULL || pen_rotation_parse(pen_yaml_text(root, "rotation"), &type->rotation)
               ? read_template(l, root, type)
               : fail_at(l, node, "monthly, weekly, daily, yearly, auto or aoss is wanted");
}

static pen_status read_type(struct loader *l, const struct pen_yaml *root, struct pen_type *type)
{
    if (root->kind != PEN_YAML_MAP) {
        return fail_at(l, root, "a log type is a map");
    }
    PEN_TRY(check_keys(l, root));
    PEN_TRY(check_pattern(l, pen_yaml_get(root, "key")));
    PEN_TRY(check_pattern(l, pen_yaml_get(root, "ignore")));
    *type = (struct pen_type){.name = pen_yaml_text(root, "name"),
                              .key_pattern = pen_yaml_text(root, "key"),
                              .ignore_pattern = pen_yaml_text(root, "ignore"),
                              .index_name = pen_yaml_text(root, "index"),
                              .prefix = pen_yaml_text(root, "prefix"),
                              .script = pen_yaml_text(root, "script")};
    if (type->name.len == 0 || type->index_name.len == 0) {
        return fail_at(l, root, "a log type needs `name` and `index`");
    }
    if (!is_name(type->name)) {
        return fail_at(l, pen_yaml_get(root, "name"),
                       "the name of a log type is made of letters, digits, `-`, `_` and `.`, at "
                       "most 39");
    }
    PEN_TRY(read_framing(l, root, type));
    PEN_TRY(read_copy(l, root, type));
    PEN_TRY(read_index(l, root, type));
    PEN_TRY(read_time_and_id(l, root, type));
    return read_meaning(l, root, type);
}

/* An index has one template. */
static pen_status check_template(const struct loader *l, const struct pen_yaml *root,
                                 const struct pen_type *type)
{
    for (uint32_t i = 0; i < l->types->count && type->index_template.len > 0; i++) {
        const struct pen_type *other = &l->types->items[i];
        if (other->index_template.len > 0 && pen_slice_eq(other->index_name, type->index_name) &&
            !pen_slice_eq(other->index_template, type->index_template)) {
            return PEN_FAIL(l->err, PEN_E_CONFIG, PEN_NO_OFFSET,
                            "%s:%u:1: the types %.*s and %.*s have the same index and another "
                            "template",
                            l->file, root->line, PEN_SLICE_FMT(other->name),
                            PEN_SLICE_FMT(type->name));
        }
    }
    return PEN_OK;
}

/* A type of the same name that is already there wins: the user's come first. */
static pen_status add_file(struct loader *l, pen_slice text)
{
    struct pen_yaml_docs docs;
    struct pen_err err;
    if (pen_yaml_parse(&l->types->arena, text, NULL, &docs, &err) != PEN_OK) {
        return PEN_FAIL(l->err, PEN_E_CONFIG, PEN_NO_OFFSET, "%s:%s", l->file, err.text);
    }
    const pen_slice name = pen_arena_dup(&l->types->arena, pen_slice_str(l->file));
    const pen_slice copy = pen_arena_dup(&l->types->arena, text);
    if (name.ptr == NULL || copy.ptr == NULL) {
        return PEN_FAIL(l->err, PEN_E_NOMEM, PEN_NO_OFFSET, "%s: out of memory", l->file);
    }
    for (uint32_t i = 0; i < docs.count; i++) {
        struct pen_type type = {0};
        PEN_TRY(read_type(l, docs.roots[i], &type));
        type.file = name;
        type.text = copy;
        type.is_builtin = l->is_builtin;
        if (pen_types_find(l->types, type.name) != NULL) {
            continue;
        }
        PEN_TRY(check_template(l, docs.roots[i], &type));
        if (l->types->count == PEN_TYPES_MAX) {
            return PEN_FAIL(l->err, PEN_E_LIMIT, PEN_NO_OFFSET, "%s: more than %u log types",
                            l->file, PEN_TYPES_MAX);
        }
        struct pen_type *bigger =
            reallocarray(l->types->items, l->types->count + 1, sizeof(*l->types->items));
        if (bigger == NULL) {
            return fail_at(l, docs.roots[i], "out of memory");
        }
        type.id = l->types->count;
        l->types->items = bigger;
        l->types->items[l->types->count++] = type;
    }
    return PEN_OK;
}

static pen_status add_path(struct loader *l, const char *path)
{
    FILE *file = fopen(path, "rbe");
    uint8_t *text = malloc(FILE_BYTES_MAX + 1);
    pen_status st = PEN_OK;
    l->file = path;
    if (file == NULL || text == NULL) {
        st = PEN_FAIL(l->err, PEN_E_CONFIG, PEN_NO_OFFSET, "%s: cannot be read", path);
    } else {
        const size_t len = fread(text, 1, FILE_BYTES_MAX + 1, file);
        st = add_file(l, (pen_slice){text, len});
    }
    l->file = NULL; /* path is the caller's */
    if (file != NULL) {
        (void)fclose(file);
    }
    free(text);
    return st;
}

static int is_type_file(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot != NULL && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

static pen_status add_folder(struct loader *l, const char *dir)
{
    struct dirent **entries = NULL;
    const int count = scandir(dir, &entries, is_type_file, alphasort);
    if (count < 0) {
        return PEN_FAIL(l->err, PEN_E_CONFIG, PEN_NO_OFFSET, "%s: cannot be read", dir);
    }
    pen_status st = PEN_OK;
    for (int i = 0; i < count; i++) {
        char path[PATH_MAX];
        (void)snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
        st = st == PEN_OK ? add_path(l, path) : st;
        free(entries[i]);
    }
    free(entries);
    return st;
}

static pen_status load(struct loader *l, const char *dir)
{
    if (dir != NULL) {
        PEN_TRY(add_folder(l, dir));
    }
    for (const struct pen_embedded *file = pen_type_files; file->name != NULL; file++) {
        l->file = file->name;
        l->is_builtin = true;
        PEN_TRY(add_file(l, (pen_slice){file->text, file->len}));
    }
    const struct pen_type *unknown = pen_types_find(l->types, PEN_SLICE_LIT("unknown"));
    PEN_CHECK(unknown != NULL);
    l->types->unknown = unknown->id;
    l->types->keys = dir == NULL ? keys_built_in() : NULL;
    PEN_TRY(keys_compile(l->types->items, l->types->count, true, &l->types->ignored, l->err));
    return l->types->keys != NULL
               ? PEN_OK
               : keys_compile(l->types->items, l->types->count, false, &l->types->keys, l->err);
}

pen_status pen_types_load(const char *dir, struct pen_types **out, struct pen_err *err)
{
    struct pen_types *types = calloc(1, sizeof(*types));
    if (types == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "types: out of memory");
    }
    pen_arena_init(&types->arena, (size_t)256 << 20);
    struct loader loader = {.types = types, .err = err};
    const pen_status st = load(&loader, dir);
    if (st != PEN_OK) {
        pen_types_free(types);
        return st;
    }
    *out = types;
    return PEN_OK;
}

void pen_types_free(struct pen_types *types)
{
    if (types != NULL) {
        keys_free(types->keys);
        keys_free(types->ignored);
        free(types->items);
        pen_arena_fini(&types->arena);
        free(types);
    }
}

uint32_t pen_types_count(const struct pen_types *types)
{
    return types->count;
}

static bool add_once(pen_slice names[PEN_TYPES_MAX], uint32_t *count, pen_slice name)
{
    for (uint32_t i = 0; i < *count; i++) {
        if (pen_slice_eq(names[i], name)) {
            return false;
        }
    }
    names[(*count)++] = name;
    return true;
}

uint32_t pen_types_rolled(const struct pen_types *types, pen_slice names[PEN_TYPES_MAX])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < types->count; i++) {
        if (types->items[i].rotation == PEN_ROTATE_AUTO) {
            (void)add_once(names, &count, types->items[i].index_name);
        }
    }
    return count;
}

uint32_t pen_types_foreign(const struct pen_types *types, pen_slice names[PEN_TYPES_MAX])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < types->count; i++) {
        const struct pen_type *type = &types->items[i];
        if (!type->is_builtin && !pen_slice_starts(type->index_name, PEN_SLICE_LIT("log-")) &&
            !pen_slice_starts(type->index_name, PEN_SLICE_LIT("metrics-opensearch-index"))) {
            (void)add_once(names, &count, type->index_name);
        }
    }
    return count;
}

uint32_t pen_types_templates(const struct pen_types *types, pen_slice names[PEN_TYPES_MAX],
                             pen_slice bodies[PEN_TYPES_MAX])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < types->count; i++) {
        const struct pen_type *type = &types->items[i];
        if (type->index_template.len > 0 && add_once(names, &count, type->index_name)) {
            bodies[count - 1] = type->index_template;
        }
    }
    return count;
}

const struct pen_type *pen_types_at(const struct pen_types *types, uint32_t index)
{
    PEN_CHECK(index < types->count);
    return &types->items[index];
}

const struct pen_type *pen_types_find(const struct pen_types *types, pen_slice name)
{
    for (uint32_t i = 0; i < types->count; i++) {
        if (pen_slice_eq(types->items[i].name, name)) {
            return &types->items[i];
        }
    }
    return NULL;
}
