/* tested by tests/unit/classify/test_types.c */
/*
 * type_keys OUT FILE... - runs at build time: compiles the key patterns of the built-in types once,
 * so that no start of penstock has to (0.1 s).
 */
#include "penstock/yaml.h"

#include "keys.h"

#include <hs.h>

#include <stdio.h>
#include <stdlib.h>

#define FILE_BYTES_MAX ((size_t)1 << 20)

static pen_status read_file(struct pen_arena *arena, const char *path, struct pen_type *type,
                            struct pen_err *err)
{
    static uint8_t text[FILE_BYTES_MAX];
    struct pen_yaml_docs docs;
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "cannot be read");
    }
    const size_t len = fread(text, 1, sizeof(text), file);
    (void)fclose(file);
    PEN_TRY(pen_yaml_parse(arena, (pen_slice){text, len}, NULL, &docs, err));
    if (docs.count != 1) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "a built-in file holds one log type");
    }
    type->key_pattern = pen_yaml_text(docs.roots[0], "key");
    return PEN_OK;
}

static pen_status write_keys(const struct pen_type *items, uint32_t count, const char *path,
                             struct pen_err *err)
{
    hs_database_t *database = NULL;
    char *bytes = NULL;
    size_t len = 0;
    PEN_TRY(keys_compile(items, count, false, &database, err));
    pen_status st = PEN_OK;
    FILE *file = fopen(path, "wbe");
    if (file == NULL || hs_serialize_database(database, &bytes, &len) != HS_SUCCESS ||
        fwrite(bytes, 1, len, file) != len) {
        st = PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "%s: cannot be written", path);
    }
    if (file != NULL && fclose(file) != 0 && st == PEN_OK) {
        st = PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "%s: cannot be written", path);
    }
    free(bytes);
    keys_free(database);
    return st;
}

int main(int argc, char **argv)
{
    struct pen_err err;
    struct pen_arena arena;
    const uint32_t count = argc < 3 ? 0 : (uint32_t)argc - 2;
    struct pen_type *items = calloc(count + 1, sizeof(*items));
    if (count == 0 || items == NULL) {
        (void)fprintf(stderr, "type_keys OUT FILE...\n");
        free(items);
        return 2;
    }
    pen_arena_init(&arena, (size_t)64 << 20);
    pen_status st = PEN_OK;
    for (uint32_t i = 0; i < count && st == PEN_OK; i++) {
        st = read_file(&arena, argv[i + 2], &items[i], &err);
        if (st != PEN_OK) {
            (void)fprintf(stderr, "%s:%s\n", argv[i + 2], err.text);
        }
    }
    if (st == PEN_OK) {
        st = write_keys(items, count, argv[1], &err);
        if (st != PEN_OK) {
            (void)fprintf(stderr, "type_keys: %s\n", err.text);
        }
    }
    free(items);
    pen_arena_fini(&arena);
    return st == PEN_OK ? 0 : 1;
}
