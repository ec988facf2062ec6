/* tested by tests/unit/detect/test_suppression.c */
#include "side_file.h"

#include "files.h"

#include <stdio.h>

bool side_file_is_in(const char *path, const char *folder)
{
    const char *slash = strrchr(path, '/');
    const size_t len = strlen(folder);
    if (slash == NULL || (size_t)(slash - path) < len) {
        return false;
    }
    const bool begins = (size_t)(slash - path) == len || *(slash - len - 1) == '/';
    return begins && memcmp(slash - len, folder, len) == 0;
}

void side_file_tell(struct side_file *file)
{
    rules_notice(file->rules, PEN_NOTICE_ERROR, file->name, &file->b, file->b.err->text);
    file->is_wrong = true;
}

pen_slice side_file_title(struct side_file *file)
{
    char text[SIDE_NAME_BYTES_MAX];
    const uint8_t *slash = memrchr(file->name.ptr, '/', file->name.len);
    const size_t from = slash == NULL ? 0 : (size_t)(slash - file->name.ptr) + 1;
    const pen_slice base = pen_slice_sub(file->name, from, file->name.len);
    const uint8_t *dot = memrchr(base.ptr, '.', base.len);
    const int len = dot == NULL ? (int)base.len : (int)(dot - base.ptr);
    const int n = file->index == 0
                      ? snprintf(text, sizeof(text), "%.*s", len, (const char *)base.ptr)
                      : snprintf(text, sizeof(text), "%.*s (%u)", len, (const char *)base.ptr,
                                 file->index + 1);
    PEN_CHECK(n > 0);
    const pen_slice copy = pen_arena_dup(&file->rules->arena, pen_slice_str(text));
    PEN_CHECK(copy.ptr != NULL);
    return copy;
}

static void add_document(struct side_file *file, const struct pen_yaml *root,
                         void (*add)(struct side_file *file, const struct pen_yaml *node))
{
    const bool is_list = root->kind == PEN_YAML_SEQ;
    for (const struct pen_yaml *kid = is_list ? root->child : root; kid != NULL;
         kid = is_list ? kid->next : NULL) {
        if (kid->kind == PEN_YAML_MAP) {
            add(file, kid);
            file->index++;
        } else if (sigma_fail(&file->b, kid, "%s is a map", file->what) != PEN_OK) {
            side_file_tell(file);
        }
    }
}

void side_file_read(struct pen_rules *rules, const char *name, pen_slice text, const char *what,
                    void (*add)(struct side_file *file, const struct pen_yaml *node))
{
    struct pen_yaml_docs docs = {0};
    struct pen_err err = {0};
    struct side_file file = {
        .rules = rules, .name = pen_arena_dup(&rules->arena, pen_slice_str(name)), .what = what};
    file.b = (struct builder){
        .arena = &rules->arena, .field = rules_no_field, .options = &rules->options, .err = &err};
    PEN_CHECK(file.name.ptr != NULL);
    if (pen_yaml_parse(&rules->arena, text, NULL, &docs, &err) != PEN_OK) {
        rules_yaml_place(&file.b);
        side_file_tell(&file);
    }
    for (uint32_t i = 0; i < docs.count; i++) {
        add_document(&file, docs.roots[i], add);
    }
    rules_hash_add(rules, pen_hash128(text, 1), 0);
    rules->rejected += file.is_wrong;
}
