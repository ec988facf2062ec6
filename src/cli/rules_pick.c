/* tested by tests/e2e/test_rules.py */
#include "rules.h"

#include <stdlib.h>
#include <sys/stat.h>

enum rules_pick_id { PICK_RULES = 2000, PICK_MIN_LEVEL, PICK_TAG, PICK_CONFIG };
const struct cli_option rules_pick_options[] = {{"--rules", PICK_RULES, true},
                                                {"--min-level", PICK_MIN_LEVEL, true},
                                                {"--tag", PICK_TAG, true},
                                                {"--config", PICK_CONFIG, true},
                                                {NULL, 0, false}};

static bool name_add(const char **names, uint32_t *count, const char *name, const char *option)
{
    if (*count == RULES_NAMES_MAX) {
        (void)fprintf(stderr, "penstock: more than %u times %s\n", RULES_NAMES_MAX, option);
        return false;
    }
    names[(*count)++] = name;
    return true;
}

static bool level_take(struct rules_pick *pick, const char *value)
{
    for (int i = 0; i <= PEN_CRITICAL; i++) {
        if (strcmp(value, pen_severity_name((enum pen_severity)i)) == 0) {
            pick->level_min = i;
            return true;
        }
    }
    (void)fprintf(stderr,
                  "penstock: --min-level takes info, low, medium, high or critical, not `%s`\n",
                  value);
    return false;
}

static bool is_same_path(const char *a, const char *b)
{
    struct stat x;
    struct stat y;
    if (strcmp(a, b) == 0) {
        return true;
    }
    return strcmp(a, "builtin") != 0 && strcmp(b, "builtin") != 0 && stat(a, &x) == 0 &&
           stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

bool rules_pick_path(struct rules_pick *pick, const char *path)
{
    if (path[0] == '\0') {
        (void)fputs("penstock: the path of a rule file or folder is empty\n", stderr);
        return false;
    }
    for (uint32_t i = 0; i < pick->path_count; i++) {
        if (is_same_path(pick->paths[i], path)) {
            return true; /* read once: a rule would else be a duplicate of itself */
        }
    }
    return name_add(pick->paths, &pick->path_count, path, "--rules");
}

bool rules_pick_config(struct rules_pick *pick, const char *path)
{
    struct pen_buf problems;
    rules_pick_fini(pick);
    pick->run = calloc(1, sizeof(*pick->run));
    PEN_CHECK(pick->run != NULL);
    config_init(&pick->config);
    settings_defaults(pick->run);
    pen_buf_init(&problems, (size_t)1 << 20);
    pick->has_config = true;
    pick->is_config_wrong = config_read(&pick->config, path, pick->run, &problems) != PEN_OK;
    if (pick->is_config_wrong) {
        (void)fwrite(problems.ptr, 1, problems.len, stderr);
    }
    pen_buf_fini(&problems);
    return !pick->is_config_wrong;
}

void rules_pick_fini(struct rules_pick *pick)
{
    if (pick->has_config) {
        config_fini(&pick->config);
        pick->has_config = false;
    }
    free(pick->run);
    pick->run = NULL;
}

struct pen_enrich_options rules_pick_enrich(const struct rules_pick *pick)
{
    return (struct pen_enrich_options){.geoip = pick->run == NULL ? NULL : pick->run->geoip.text};
}

bool rules_pick_take(struct rules_pick *pick, int id, char *value, bool *is_good)
{
    switch (id) {
    case PICK_RULES:
        *is_good = rules_pick_path(pick, value);
        return true;
    case PICK_MIN_LEVEL:
        *is_good = level_take(pick, value);
        return true;
    case PICK_TAG:
        *is_good = name_add(pick->tags, &pick->tag_count, value, "--tag");
        return true;
    case PICK_CONFIG:
        *is_good = rules_pick_config(pick, value);
        return true;
    default:
        return false;
    }
}

struct pen_rules_options rules_pick_made(struct rules_pick *pick)
{
    const struct config_list *listed = &pick->config.rules;
    bool is_good = pick->path_count == 0 && pick->has_config && listed->count <= RULES_NAMES_MAX;
    for (uint32_t i = 0; is_good && i < listed->count; i++) {
        is_good = rules_pick_path(pick, listed->items[i]);
    }
    if (pick->path_count == 0) {
        pick->paths[pick->path_count++] = "builtin";
    }
    return (struct pen_rules_options){
        .paths = pick->paths,
        .path_count = pick->path_count,
        .tags = pick->tags,
        .tag_count = pick->tag_count,
        .level_min = (enum pen_severity)pick->level_min,
        .placeholders = pick->config.placeholders,
        .placeholder_count = pick->config.placeholder_count,
        .tables = pick->config.tables,
        .table_count = pick->config.table_count,
        .table_rows_max = pick->run == NULL ? 0 : pick->run->table_rows_max,
        .table_bytes_max = pick->run == NULL ? 0 : pick->run->table_bytes_max};
}

void rules_notices_print(FILE *out, const struct pen_rules *rules)
{
    struct pen_buf line;
    pen_buf_init(&line, (size_t)1 << 20);
    for (uint32_t i = 0; i < pen_rules_notice_count(rules); i++) {
        const struct pen_notice *n = pen_rules_notice(rules, i);
        line.len = 0;
        if (pen_escape_terminal(&line, n->file) == PEN_OK &&
            pen_buf_printf(&line, ":%u:%u: %s", n->line, n->column,
                           n->level == PEN_NOTICE_WARNING ? "warning: " : "") == PEN_OK &&
            pen_escape_terminal(&line, n->text) == PEN_OK &&
            pen_buf_add_byte(&line, '\n') == PEN_OK) {
            (void)fwrite(line.ptr, 1, line.len, out);
        }
    }
    pen_buf_fini(&line);
}
