/* tested by tests/e2e/test_front.py */
#include "config.h"

#include "penstock/net.h"
#include "penstock/yaml.h"

#include "cluster.h"
#include "source_entry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES_MAX ((size_t)16 << 20)
#define FILE_BYTES_MAX ((size_t)1 << 20)
#define KEY_BYTES_MAX 256U
#define LIST_BYTES_MAX ((size_t)1 << 20)

struct reading {
    struct config *config;
    struct pen_replay_options *options;
    struct pen_buf *problems;
    const char *path;
    uint32_t problem_count;
};

void config_init(struct config *config)
{
    *config = (struct config){0};
    pen_arena_init(&config->arena, ARENA_BYTES_MAX);
}

void config_fini(struct config *config)
{
    pen_arena_fini(&config->arena);
}

static void problem_add(struct reading *r, const struct pen_yaml *at, const char *text)
{
    const pen_status st =
        pen_buf_printf(r->problems, "%s:%u:%u: %s\n", r->path, at->line, at->column, text);
    (void)st; /* no room to tell it: those before it are told */
    r->problem_count++;
}
#define PROBLEM(r, at, ...)                                              \
    do {                                                                 \
        struct pen_err told;                                             \
        (void)PEN_FAIL(&told, PEN_E_CONFIG, PEN_NO_OFFSET, __VA_ARGS__); \
        problem_add((r), (at), told.text);                               \
    } while (0)

/* ---- what can be used ---- */

pen_status config_source_check(const char *source, struct pen_err *err)
{
    struct pen_s3_url url;
    if (strncmp(source, "s3:", 3) == 0) {
        return pen_s3_url_parse(pen_slice_str(source), &url, err);
    }
    return source[0] != '\0' ? PEN_OK
                             : PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "a source without a name");
}

bool config_sources_usable(const char *const *sources, uint32_t count)
{
    struct pen_err err;
    for (uint32_t i = 0; i < count; i++) {
        if (config_source_check(sources[i], &err) != PEN_OK) {
            (void)cli_fail(&err);
            return false;
        }
    }
    return true;
}

pen_status config_sink_check(const char *spec, enum pen_sink_kind *kind, const char **urls,
                             struct pen_err *err)
{
    static const char opensearch[] = "opensearch:";
    *urls = NULL;
    if (strcmp(spec, "files") == 0 || strcmp(spec, "null") == 0) {
        *kind = spec[0] == 'f' ? PEN_SINK_FILES : PEN_SINK_NULL;
        return PEN_OK;
    }
    if (strncmp(spec, opensearch, sizeof(opensearch) - 1) == 0) {
        *kind = PEN_SINK_OPENSEARCH;
        *urls = spec + sizeof(opensearch) - 1;
        return cluster_urls_check(*urls, err);
    }
    if (strncmp(spec, "datadog:", 8) == 0) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "the sink datadog is not built yet: files writes what it will read");
    }
    return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                    "no sink `%.100s`: files (default), opensearch:URL or null", spec);
}

/* ---- lists ---- */

static const char *text_of(struct reading *r, pen_slice text)
{
    const pen_slice copy = pen_arena_dup(&r->config->arena, text);
    return copy.ptr == NULL ? "" : (const char *)copy.ptr;
}

static void list_add(struct reading *r, struct config_list *list, const struct pen_yaml *at,
                     const char *text)
{
    if (list->items == NULL) {
        list->items = PEN_NEW_N(&r->config->arena, const char *, CONFIG_LIST_MAX);
    }
    if (list->items == NULL || list->count == CONFIG_LIST_MAX) {
        PROBLEM(r, at, "more than %u entries", CONFIG_LIST_MAX);
        return;
    }
    list->items[list->count++] = text;
}

/* A path relative to the folder of the config file. */
static const char *path_of(struct reading *r, pen_slice name)
{
    const char *slash = strrchr(r->path, '/');
    if (slash == NULL || name.len == 0 || name.ptr[0] == '/') {
        return text_of(r, name);
    }
    const size_t folder = (size_t)(slash - r->path) + 1;
    uint8_t *joined = pen_arena_alloc(&r->config->arena, folder + name.len + 1, 1);
    if (joined == NULL) {
        return "";
    }
    memcpy(joined, r->path, folder);
    memcpy(joined + folder, name.ptr, name.len);
    return (const char *)joined;
}

typedef void entry_fn(struct reading *r, const struct pen_yaml *entry);

/* One entry, or a list of them. */
static void each(struct reading *r, const struct pen_yaml *node, entry_fn *fn)
{
    if (node->kind != PEN_YAML_SEQ) {
        fn(r, node);
        return;
    }
    for (const struct pen_yaml *entry = node->child; entry != NULL; entry = entry->next) {
        fn(r, entry);
    }
}

/* The path of "path: DIR"; empty after a problem. */
static pen_slice source_name(struct reading *r, const struct pen_yaml *entry)
{
    for (const struct pen_yaml *m = entry->child; m != NULL; m = m->next) {
        if (!pen_slice_eq(m->key->text, PEN_SLICE_LIT("path"))) {
            PROBLEM(r, m->key, "a source has `path` or `s3`, not `%.*s`",
                    PEN_SLICE_FMT(m->key->text));
            return (pen_slice){0};
        }
    }
    return pen_yaml_text(entry, "path");
}

/* The options of the source that is added next. */
static bool own_options(struct reading *r, const struct pen_source_options *own)
{
    struct config *config = r->config;
    if (config->source_options == NULL) {
        config->source_options =
            PEN_NEW_N(&config->arena, struct pen_source_options, CONFIG_LIST_MAX);
    }
    const bool has_room = config->source_options != NULL && config->sources.count < CONFIG_LIST_MAX;
    if (has_room) {
        config->source_options[config->sources.count] = *own;
    }
    return has_room;
}

static void bucket_entry(struct reading *r, const struct pen_yaml *entry)
{
    struct pen_err err = {0};
    const struct pen_yaml *at = entry;
    const char *url = "";
    struct pen_source_options own;
    pen_status st = source_entry_read(&r->config->arena, entry, &url, &own, &at, &err);
    if (st == PEN_OK && strncmp(url, "s3:", 3) != 0) {
        st = PEN_FAIL(&err, PEN_E_USAGE, PEN_NO_OFFSET, "s3 takes s3://bucket[/prefix]");
    }
    st = st == PEN_OK ? config_source_check(url, &err) : st;
    if (st != PEN_OK) {
        PROBLEM(r, at->key == NULL ? at : at->key, "%s", err.text);
    } else if (own_options(r, &own)) {
        list_add(r, &r->config->sources, entry, url);
    } else {
        PROBLEM(r, entry, "more than %u entries", CONFIG_LIST_MAX);
    }
}

static void source_entry(struct reading *r, const struct pen_yaml *entry)
{
    if (entry->kind == PEN_YAML_MAP && pen_yaml_get(entry, "s3") != NULL) {
        bucket_entry(r, entry);
        return;
    }
    struct pen_err err = {0};
    const uint32_t before = r->problem_count;
    const pen_slice name = entry->kind == PEN_YAML_MAP      ? source_name(r, entry)
                           : entry->kind == PEN_YAML_SCALAR ? entry->text
                                                            : (pen_slice){0};
    if (r->problem_count > before) {
        return;
    }
    const bool is_path =
        !pen_slice_eq(name, PEN_SLICE_LIT("-")) && !pen_slice_starts(name, PEN_SLICE_LIT("s3:"));
    const char *source = is_path ? path_of(r, name) : text_of(r, name);
    if (config_source_check(name.len == 0 ? "" : source, &err) != PEN_OK) {
        problem_add(r, entry, err.text);
        return;
    }
    list_add(r, &r->config->sources, entry, source);
}

static void cluster_entry(struct reading *r, const struct pen_yaml *entry)
{
    struct pen_err err = {0};
    const struct pen_yaml *at = entry;
    struct pen_sink_spec *cluster = &r->config->cluster;
    if (cluster->urls != NULL) {
        PROBLEM(r, entry, "a run has one opensearch sink; give its nodes as a list");
    } else if (cluster_read(&r->config->arena, r->path, entry, cluster, &at, &err) != PEN_OK) {
        PROBLEM(r, at->key == NULL ? at : at->key, "%s", err.text);
    } else {
        list_add(r, &r->config->sinks, entry, "opensearch");
    }
}

static void sink_entry(struct reading *r, const struct pen_yaml *entry)
{
    struct pen_err err = {0};
    enum pen_sink_kind kind = PEN_SINK_FILES;
    const char *urls = NULL;
    if (entry->kind == PEN_YAML_MAP && pen_yaml_get(entry, "opensearch") != NULL) {
        cluster_entry(r, entry);
        return;
    }
    if (entry->kind == PEN_YAML_MAP && entry->child != NULL) {
        PROBLEM(r, entry->child->key, "no sink `%.*s`: files, opensearch or null",
                PEN_SLICE_FMT(entry->child->key->text));
        return;
    }
    const char *spec = entry->kind == PEN_YAML_SCALAR ? text_of(r, entry->text) : "";
    if (config_sink_check(spec, &kind, &urls, &err) != PEN_OK) {
        PROBLEM(r, entry, "%s", err.text);
        return;
    }
    if (urls != NULL) {
        r->config->cluster.urls = urls;
        spec = "opensearch";
    }
    list_add(r, &r->config->sinks, entry, spec);
}

static void rules_entry(struct reading *r, const struct pen_yaml *entry)
{
    if (entry->kind != PEN_YAML_SCALAR || entry->text.len == 0) {
        PROBLEM(r, entry, "rules are paths, or `builtin`");
        return;
    }
    const bool is_builtin = pen_slice_eq(entry->text, PEN_SLICE_LIT("builtin"));
    list_add(r, &r->config->rules, entry, is_builtin ? "builtin" : path_of(r, entry->text));
}

static void types_entry(struct reading *r, const struct pen_yaml *entry)
{
    if (entry->kind != PEN_YAML_SCALAR || entry->text.len == 0) {
        PROBLEM(r, entry, "types_dir is a folder with type files");
        return;
    }
    r->config->types_dir = path_of(r, entry->text);
}

static void exclude_one(struct reading *r, const struct pen_yaml *entry)
{
    struct pen_err err = {0};
    const struct pen_yaml *at = entry;
    const char *slash = strrchr(r->path, '/');
    const size_t folder_len = slash == NULL ? 0 : (size_t)(slash - r->path) + 1;
    const char *folder = text_of(r, (pen_slice){(const uint8_t *)r->path, folder_len});
    if (exclude_entry_read(&r->config->arena, folder, entry, &r->config->exclude, &at, &err) !=
        PEN_OK) {
        PROBLEM(r, at->key == NULL ? at : at->key, "%s", err.text);
    }
}

static void exclude(struct reading *r, const struct pen_yaml *node)
{
    each(r, node, exclude_one);
}

/* One value, or a list of them. */
static void placeholder(struct reading *r, const struct pen_yaml *node, struct pen_placeholder *out)
{
    struct config_list values = {0};
    const struct pen_yaml *first = node->kind == PEN_YAML_SEQ ? node->child : node;
    for (const struct pen_yaml *value = first; value != NULL; value = value->next) {
        if (value->kind != PEN_YAML_SCALAR) {
            PROBLEM(r, value, "the values of a placeholder are texts");
            return;
        }
        list_add(r, &values, value, text_of(r, value->text));
        if (value == node) {
            break; /* what stands behind it are other placeholders */
        }
    }
    *out = (struct pen_placeholder){
        .name = text_of(r, node->key->text), .values = values.items, .value_count = values.count};
}

static void placeholders(struct reading *r, const struct pen_yaml *node)
{
    if (node->kind != PEN_YAML_MAP) {
        PROBLEM(r, node, "placeholders are a map of names to values");
        return;
    }
    struct config *config = r->config;
    config->placeholders =
        PEN_NEW_N(&config->arena, struct pen_placeholder, (size_t)node->count + 1);
    if (config->placeholders == NULL) {
        PROBLEM(r, node, "out of memory");
        return;
    }
    for (const struct pen_yaml *m = node->child; m != NULL; m = m->next) {
        placeholder(r, m, &config->placeholders[config->placeholder_count++]);
    }
}

static bool is_table_taken(const struct config *config, const char *name)
{
    for (uint32_t i = 0; i < config->table_count; i++) {
        if (strcmp(config->tables[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void reference_tables(struct reading *r, const struct pen_yaml *node)
{
    struct config *config = r->config;
    if (node->kind != PEN_YAML_MAP) {
        PROBLEM(r, node, "reference_tables are a map of names to CSV files");
        return;
    }
    config->tables = PEN_NEW_N(&config->arena, struct pen_reference_table, (size_t)node->count + 1);
    if (config->tables == NULL) {
        PROBLEM(r, node, "out of memory");
        return;
    }
    for (const struct pen_yaml *m = node->child; m != NULL; m = m->next) {
        const char *name = text_of(r, m->key->text);
        if (m->kind != PEN_YAML_SCALAR || m->text.len == 0 || name[0] == '\0') {
            PROBLEM(r, m, "a reference table has a name and a file");
        } else if (is_table_taken(config, name)) {
            PROBLEM(r, m->key, "two reference tables have the name %s", name);
        } else {
            config->tables[config->table_count++] =
                (struct pen_reference_table){.name = name, .path = path_of(r, m->text)};
        }
    }
}

/* ---- settings ---- */

/* A key whose parts stand in nested maps, "sigma: {keep_alive: 1h}", is the same key with dots. */
struct place {
    const struct pen_yaml *next;
    size_t prefix; /* bytes of the key before the map's own members */
};

/* Adds a value to those before it, with a comma between them. */
static bool list_add_text(struct pen_buf *list, pen_slice text)
{
    return (list->len == 0 || pen_buf_add_byte(list, ',') == PEN_OK) &&
           pen_buf_add(list, text) == PEN_OK;
}

/* Likewise a file, or files with commas between them, relative to the folder of the config. */
static bool list_add_paths(struct reading *r, struct pen_buf *list, pen_slice text)
{
    pen_slice path;
    bool is_good = true;
    while (is_good && pen_slice_split(&text, ',', &path)) {
        is_good = list_add_text(list, pen_slice_str(path_of(r, pen_slice_trim(path))));
    }
    return is_good;
}

/* The entries with commas between them, as they are written behind --set; an empty text is an
 * entry that was no text, which is told. */
static pen_slice list_text(struct reading *r, const struct pen_yaml *list, bool is_path)
{
    const bool is_seq = list->kind == PEN_YAML_SEQ;
    struct pen_buf text;
    bool is_good = true;
    pen_buf_init(&text, LIST_BYTES_MAX);
    for (const struct pen_yaml *entry = is_seq ? list->child : list; is_good && entry != NULL;
         entry = is_seq ? entry->next : NULL) {
        is_good =
            entry->kind == PEN_YAML_SCALAR && entry->text.len > 0 &&
            (is_path ? list_add_paths(r, &text, entry->text) : list_add_text(&text, entry->text));
        if (!is_good) {
            PROBLEM(r, entry, "the entries of a list are texts");
        }
    }
    const pen_slice copy = pen_arena_dup(&r->config->arena, pen_buf_slice(&text));
    pen_buf_fini(&text);
    return copy;
}

static void setting_take(struct reading *r, const struct pen_yaml *at, pen_slice key)
{
    struct pen_err err = {0};
    const bool is_list = at->kind == PEN_YAML_SEQ;
    const bool is_path = settings_is_path(key);
    if (is_list && !settings_is_list(key)) {
        PROBLEM(r, at, "%.*s takes one value", PEN_SLICE_FMT(key));
        return;
    }
    const uint32_t problems = r->problem_count;
    const bool is_named = is_path && !is_list && !settings_is_word(key, at->text);
    const bool is_paths = is_path && settings_is_list(key) && at->text.len > 0;
    const pen_slice value = is_list || is_paths ? list_text(r, at, is_path)
                            : is_named          ? pen_slice_str(path_of(r, at->text))
                                                : at->text;
    if (r->problem_count > problems) {
        return;
    }
    if (settings_set(r->options, key, value, &err) != PEN_OK) {
        PROBLEM(r, at->key, "%s", err.text);
    }
}

/* first: members of a map whose keys begin with prefix. */
static void settings_take(struct reading *r, const struct pen_yaml *first, const char *prefix)
{
    struct place stack[8] = {{.next = first, .prefix = strlen(prefix)}};
    uint32_t depth = 1;
    char key[KEY_BYTES_MAX];
    (void)snprintf(key, sizeof(key), "%s", prefix);
    while (depth > 0) {
        struct place *top = &stack[depth - 1];
        const struct pen_yaml *node = top->next;
        if (node == NULL) {
            depth--;
            continue;
        }
        top->next = node->next;
        const size_t len = top->prefix + node->key->text.len;
        if (len + 2 > sizeof(key) || (node->kind == PEN_YAML_MAP && depth == PEN_COUNT(stack))) {
            PROBLEM(r, node->key, "no option has such a long name");
            continue;
        }
        memcpy(key + top->prefix, node->key->text.ptr, node->key->text.len);
        if (node->kind == PEN_YAML_MAP) {
            key[len] = '.';
            stack[depth++] = (struct place){.next = node->child, .prefix = len + 1};
        } else {
            setting_take(r, node, (pen_slice){(const uint8_t *)key, len});
        }
    }
}

/* ---- the file ---- */

static void sources(struct reading *r, const struct pen_yaml *node)
{
    each(r, node, source_entry);
}

static void sinks(struct reading *r, const struct pen_yaml *node)
{
    each(r, node, sink_entry);
}

static void rules(struct reading *r, const struct pen_yaml *node)
{
    each(r, node, rules_entry);
}

static void limits(struct reading *r, const struct pen_yaml *node)
{
    if (node->kind != PEN_YAML_MAP) {
        PROBLEM(r, node, "limits are a map");
        return;
    }
    settings_take(r, node->child, "");
}

/* Sections whose names a mistyped key may have meant. */
static const struct section {
    const char *name;
    void (*fn)(struct reading *r, const struct pen_yaml *node);
} sections[] = {{"sources", sources},       {"sinks", sinks},
                {"rules", rules},           {"limits", limits},
                {"types_dir", types_entry}, {"placeholders", placeholders},
                {"exclude", exclude},       {"reference_tables", reference_tables}};

static void member(struct reading *r, const struct pen_yaml *node)
{
    const char *names[PEN_COUNT(sections)];
    for (size_t i = 0; i < PEN_COUNT(sections); i++) {
        names[i] = sections[i].name;
        if (pen_slice_eq(node->key->text, pen_slice_str(names[i]))) {
            sections[i].fn(r, node);
            return;
        }
    }
    const char *near = cli_nearest((const char *)node->key->text.ptr, names, PEN_COUNT(names));
    if (near != NULL && node->kind != PEN_YAML_MAP && !settings_known(node->key->text)) {
        PROBLEM(r, node->key, "no option `%.*s`; the nearest is %s", PEN_SLICE_FMT(node->key->text),
                near);
        return;
    }
    struct pen_yaml only = *node; /* without those behind it */
    only.next = NULL;
    settings_take(r, &only, "");
}

static pen_status file_read(const char *path, uint8_t **text, size_t *len, struct pen_buf *problems)
{
    FILE *file = fopen(path, "re");
    *text = malloc(FILE_BYTES_MAX);
    PEN_CHECK(*text != NULL);
    if (file == NULL) {
        return pen_buf_printf(problems, "penstock: cannot open %s: %s\n", path,
                              strerrordesc_np(errno)) == PEN_OK
                   ? PEN_E_CONFIG
                   : PEN_E_NOMEM;
    }
    *len = fread(*text, 1, FILE_BYTES_MAX, file);
    const bool is_bad = ferror(file) != 0;
    (void)fclose(file);
    if (!is_bad && *len < FILE_BYTES_MAX) {
        return PEN_OK;
    }
    const char *why = is_bad ? "cannot be read" : "is larger than 1 MiB";
    return pen_buf_printf(problems, "%s:1:1: %s\n", path, why) == PEN_OK ? PEN_E_CONFIG
                                                                         : PEN_E_NOMEM;
}

static void document(struct reading *r, pen_slice text)
{
    struct pen_err err = {0};
    struct pen_yaml_docs docs = {0};
    if (pen_yaml_parse(&r->config->arena, text, &pen_yaml_limits_default, &docs, &err) != PEN_OK) {
        r->problem_count++;
        if (pen_buf_printf(r->problems, "%s:%s\n", r->path, err.text) != PEN_OK) {
            r->problems->len = 0;
        }
        return;
    }
    if (docs.count == 0) {
        return;
    }
    const struct pen_yaml *root = docs.roots[0];
    if (root->kind != PEN_YAML_MAP || docs.count > 1) {
        PROBLEM(r, docs.count > 1 ? docs.roots[1] : root, "a config file is one map");
        return;
    }
    for (const struct pen_yaml *node = root->child; node != NULL; node = node->next) {
        member(r, node);
    }
}

pen_status config_read(struct config *config, const char *path, struct pen_replay_options *options,
                       struct pen_buf *problems)
{
    struct reading r = {.config = config, .options = options, .problems = problems, .path = path};
    uint8_t *text = NULL;
    size_t len = 0;
    const pen_status st = file_read(path, &text, &len, problems);
    if (st == PEN_OK) {
        document(&r, (pen_slice){text, len});
    }
    free(text);
    return st != PEN_OK || r.problem_count > 0 ? PEN_E_CONFIG : PEN_OK;
}
