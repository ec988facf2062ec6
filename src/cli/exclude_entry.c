/* tested by tests/e2e/test_exclude.py */
#include "exclude_entry.h"

#include "cli.h"
#include "options.h"

#include <stdio.h>
#include <stdlib.h>

#define TYPE_NAMES_MAX 256U
#define NAME_BYTES_MAX 100U

static const char *const keys[] = {"name", "query", "types", "mode", "csv"};

pen_status exclude_add(struct pen_arena *arena, struct exclude_list *list,
                       const struct pen_exclusion *item, struct pen_err *err)
{
    if (strlen(item->name) > NAME_BYTES_MAX) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "a name of more than %u bytes",
                        NAME_BYTES_MAX);
    }
    if (list->items == NULL) {
        list->items = PEN_NEW_N(arena, struct pen_exclusion, PEN_EXCLUSIONS_MAX);
    }
    if (list->items == NULL || list->count == PEN_EXCLUSIONS_MAX) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "more than %u exclusions",
                        PEN_EXCLUSIONS_MAX);
    }
    for (uint32_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].name, item->name) == 0) {
            return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "a second exclusion called %.60s",
                            item->name);
        }
    }
    list->items[list->count++] = *item;
    return PEN_OK;
}

static pen_status text_take(struct pen_arena *arena, const struct pen_yaml *node, const char **out,
                            struct pen_err *err)
{
    const bool is_text = node->kind == PEN_YAML_SCALAR && node->text.len > 0 &&
                         memchr(node->text.ptr, '\n', node->text.len) == NULL;
    if (!is_text) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "%.*s takes a text of one line",
                        PEN_SLICE_FMT(node->key->text));
    }
    *out = (const char *)pen_arena_dup(arena, node->text).ptr;
    return *out != NULL ? PEN_OK : PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "out of memory");
}

static pen_status mode_take(const struct pen_yaml *node, enum pen_exclude_mode *mode,
                            struct pen_err *err)
{
    const bool is_text = node->kind == PEN_YAML_SCALAR;
    const bool is_drop = is_text && pen_slice_eq(node->text, PEN_SLICE_LIT("drop"));
    if (!is_drop && (!is_text || !pen_slice_eq(node->text, PEN_SLICE_LIT("count")))) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "mode is drop or count");
    }
    *mode = is_drop ? PEN_EXCLUDE_DROP : PEN_EXCLUDE_COUNT;
    return PEN_OK;
}

static pen_status types_take(struct pen_arena *arena, const struct pen_yaml *node,
                             struct pen_exclusion *out, struct pen_err *err)
{
    const bool is_list = node->kind == PEN_YAML_SEQ;
    const uint32_t most = is_list ? node->count : 1;
    const struct pen_yaml *name = is_list ? node->child : node;
    const char **names = PEN_NEW_N(arena, const char *, (size_t)most + 1);
    if (names == NULL || most > TYPE_NAMES_MAX) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "more than %u types", TYPE_NAMES_MAX);
    }
    for (uint32_t i = 0; i < most; i++) {
        if (name->kind != PEN_YAML_SCALAR || name->text.len == 0) {
            return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "types are names of log types");
        }
        names[i] = (const char *)pen_arena_dup(arena, name->text).ptr;
        if (names[i] == NULL) {
            return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "out of memory");
        }
        name = name->next;
    }
    out->types = names;
    out->type_count = most;
    return PEN_OK;
}

static pen_status member_take(struct pen_arena *arena, const struct pen_yaml *node,
                              struct pen_exclusion *out, const char **csv, struct pen_err *err)
{
    const pen_slice key = node->key->text;
    if (pen_slice_eq(key, PEN_SLICE_LIT("mode"))) {
        return mode_take(node, &out->mode, err);
    }
    if (pen_slice_eq(key, PEN_SLICE_LIT("types"))) {
        return types_take(arena, node, out, err);
    }
    if (pen_slice_eq(key, PEN_SLICE_LIT("name"))) {
        return text_take(arena, node, &out->name, err);
    }
    if (pen_slice_eq(key, PEN_SLICE_LIT("query"))) {
        return text_take(arena, node, &out->query, err);
    }
    if (pen_slice_eq(key, PEN_SLICE_LIT("csv"))) {
        return text_take(arena, node, csv, err);
    }
    const char *near = cli_nearest((const char *)key.ptr, keys, PEN_COUNT(keys));
    return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "an exclusion has no option `%.*s`%s%s",
                    PEN_SLICE_FMT(key), near == NULL ? "" : "; the nearest is ",
                    near == NULL ? "" : near);
}

static pen_status csv_take(struct pen_arena *arena, const char *folder, const char *csv,
                           const struct pen_exclusion *item, struct exclude_list *list,
                           struct pen_err *err)
{
    char *path = NULL;
    if (item->name != NULL || item->query != NULL || item->type_count > 0) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "the rows of a csv have types and patterns of their own");
    }
    if (asprintf(&path, "%s%s", csv[0] == '/' ? "" : folder, csv) < 0) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "out of memory");
    }
    const pen_status st = exclude_csv(arena, path, item->mode, list, err);
    free(path);
    return st;
}

pen_status exclude_entry_read(struct pen_arena *arena, const char *folder,
                              const struct pen_yaml *entry, struct exclude_list *list,
                              const struct pen_yaml **at, struct pen_err *err)
{
    struct pen_exclusion item = {.mode = PEN_EXCLUDE_DROP};
    const char *csv = NULL;
    *at = entry;
    if (entry->kind != PEN_YAML_MAP) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "an exclusion is a map with `name` and `query`, or `csv`");
    }
    for (const struct pen_yaml *m = entry->child; m != NULL; m = m->next) {
        *at = m;
        PEN_TRY(member_take(arena, m, &item, &csv, err));
    }
    *at = entry;
    if (csv != NULL) {
        return csv_take(arena, folder, csv, &item, list, err);
    }
    if (item.name == NULL || item.query == NULL) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "an exclusion has `name` and `query`");
    }
    return exclude_add(arena, list, &item, err);
}

/* ---- own logs ---- */

#define LOADERS "*siem-es-loader* OR *AesSiemEsLoader* OR *siem-ioc-db-creator* OR *penstock*"
#define FUNCTIONS                                                                   \
    "*aes-siem-ioc-download* OR *aes-siem-ioc-plan* OR *aes-siem-ioc-createdb* OR " \
    "*aes-siem-es-loader* OR *aes-siem-index-metrics-exporter* OR "                 \
    "*SecurityLake_Glue_Partition_Updater_Lambda*"
#define ROLES "*LambdaEsLoaderServiceRole* OR *AmazonSecurityLakeS3ReplicationRole*"

pen_status exclude_own_logs(struct pen_arena *arena, struct exclude_list *list,
                            enum pen_exclude_mode mode, struct pen_err *err)
{
    static const char *const cloudtrail[] = {"cloudtrail"};
    static const char *const access[] = {"s3accesslog"};
    const struct pen_exclusion own[] = {
        {.name = "own-logs-cloudtrail",
         .types = cloudtrail,
         .type_count = 1,
         .mode = mode,
         .query = "@userAgent:(" LOADERS ") OR @sourceIPAddress:securitylake.amazonaws.com OR "
                  "@userIdentity.principalId:(" FUNCTIONS ") OR @userIdentity.arn:(" ROLES
                  ") OR @requestParameters.functionName:(" FUNCTIONS
                  ") OR @requestParameters.roleArn:(" ROLES ")"},
        {.name = "own-logs-s3accesslog",
         .types = access,
         .type_count = 1,
         .mode = mode,
         .query = "@UserAgent:(" LOADERS ") OR @Requester:(" FUNCTIONS " OR " ROLES
                  " OR \"svc:securitylake.amazonaws.com\")"}};
    for (size_t i = 0; i < PEN_COUNT(own); i++) {
        PEN_TRY(exclude_add(arena, list, &own[i], err));
    }
    return PEN_OK;
}
