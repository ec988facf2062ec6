#include "type_template.h"

#include "penstock/json.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static pen_status no_memory(struct pen_err *err)
{
    return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "out of memory");
}

/* ---- the file ---- */

/* False: the path is too long. */
static bool path_of(const char *type_file, pen_slice name, char out[PATH_MAX])
{
    const char *slash = strrchr(type_file, '/');
    const int folder = slash == NULL || name.ptr[0] == '/' ? 0 : (int)(slash + 1 - type_file);
    const int len = snprintf(out, PATH_MAX, "%.*s%.*s", folder, type_file, (int)name.len, name.ptr);
    return len > 0 && len < PATH_MAX;
}

static pen_status read_all(FILE *file, const char *path, uint8_t *text, size_t *len,
                           struct pen_err *err)
{
    if (file == NULL) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "the template %s cannot be read: %s",
                        path, strerrordesc_np(errno));
    }
    *len = fread(text, 1, TYPE_TEMPLATE_BYTES_MAX + 1, file);
    const int why = ferror(file) != 0 ? errno : 0;
    (void)fclose(file);
    return why == 0 ? PEN_OK
                    : PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                               "the template %s cannot be read: %s", path, strerrordesc_np(why));
}

static pen_status file_read(struct pen_arena *arena, const char *path, pen_slice *out,
                            struct pen_err *err)
{
    size_t len = 0;
    uint8_t *text = malloc(TYPE_TEMPLATE_BYTES_MAX + 1);
    if (text == NULL) {
        return no_memory(err);
    }
    pen_status st = read_all(fopen(path, "rbe"), path, text, &len, err);
    *out = st == PEN_OK ? pen_arena_dup(arena, (pen_slice){text, len}) : (pen_slice){0};
    free(text);
    return st == PEN_OK && out->ptr == NULL ? no_memory(err) : st;
}

/* ---- what it says ---- */

static pen_status member_check(pen_slice name, struct pen_err *err)
{
    static const char *const known[] = {"mappings", "settings", "aliases"};
    for (size_t i = 0; i < PEN_COUNT(known); i++) {
        if (pen_slice_eq(name, pen_slice_str(known[i]))) {
            return PEN_OK;
        }
    }
    return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                    "a template has `mappings`, `settings` and `aliases`, and no `%.*s`: penstock "
                    "names the indices that it is for",
                    PEN_SLICE_FMT(name));
}

static pen_status members_check(pen_slice json, struct pen_err *err)
{
    struct pen_tokens tokens;
    struct pen_token token;
    uint32_t count = 0;
    pen_status st = PEN_OK;
    pen_tokens_init(&tokens, json);
    while (st == PEN_OK && pen_tokens_next(&tokens, &token)) {
        if (token.is_key && token.depth == 1) {
            st = member_check(token.text, err);
            count++;
        }
    }
    return st == PEN_OK && count == 0
               ? PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "the template is empty")
               : st;
}

/* padded: PEN_JSON_PADDING bytes stand behind it. */
static pen_status walk(const struct pen_plan *plan, pen_slice padded, struct pen_err *err)
{
    struct pen_record record;
    struct pen_err why = {0};
    struct pen_walker *walker = NULL;
    const struct pen_walker_options options = {.window_bytes_max = TYPE_TEMPLATE_BYTES_MAX,
                                               .record_bytes_max = TYPE_TEMPLATE_BYTES_MAX};
    PEN_TRY(pen_walker_new(plan, &options, &walker, err));
    const enum pen_next got = pen_walker_one(walker, padded, &record, &why);
    pen_walker_free(walker);
    return got == PEN_NEXT_RECORD ? members_check(padded, err)
                                  : PEN_FAIL(err, PEN_E_CONFIG, why.offset,
                                             "the template is no JSON object: byte %" PRIu64 ": %s",
                                             why.offset, why.text);
}

static pen_status check(pen_slice json, struct pen_err *err)
{
    struct pen_plan *plan = pen_plan_new();
    uint8_t *padded = calloc(1, json.len + PEN_JSON_PADDING);
    pen_status st = PEN_E_NOMEM;
    if (plan == NULL || padded == NULL) {
        st = no_memory(err);
    } else {
        memcpy(padded, json.ptr, json.len);
        pen_plan_seal(plan);
        st = walk(plan, (pen_slice){padded, json.len}, err);
    }
    free(padded);
    pen_plan_free(plan);
    return st;
}

pen_status type_template_read(struct pen_arena *arena, const char *type_file, pen_slice text,
                              pen_slice *out, struct pen_err *err)
{
    char path[PATH_MAX] = "";
    pen_slice json = pen_slice_trim(text);
    *out = (pen_slice){0};
    if (json.len == 0) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "JSON, or the path of a file, is wanted");
    }
    if (json.ptr[0] != '{') {
        if (!path_of(type_file, json, path)) {
            return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "the path is too long");
        }
        PEN_TRY(file_read(arena, path, &json, err));
        json = pen_slice_trim(json);
    }
    if (json.len == 0) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "the template %s is empty", path);
    }
    if (json.len > TYPE_TEMPLATE_BYTES_MAX) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "the template is larger than %zu KiB",
                        TYPE_TEMPLATE_BYTES_MAX >> 10);
    }
    PEN_TRY(check(json, err));
    *out = pen_arena_dup(arena, json);
    return out->ptr == NULL ? no_memory(err) : PEN_OK;
}
