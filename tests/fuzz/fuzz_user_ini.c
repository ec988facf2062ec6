/* Any bytes as a user.ini: a reason with a line, or documents of YAML that can be read. */
#include "penstock/classify.h"
#include "penstock/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What YAML takes in quotes as it stands. */
static bool is_plain(pen_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] >= 0x7f || (text.ptr[i] < 0x20 && text.ptr[i] != '\n')) {
            return false;
        }
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const pen_slice text = {data, size};
    struct pen_buf yaml;
    struct pen_buf told;
    struct pen_err err = {.status = PEN_OK};
    pen_buf_init(&yaml, SIZE_MAX);
    pen_buf_init(&told, SIZE_MAX);
    const pen_status status = pen_types_import(text, &yaml, &told, &err);
    PEN_CHECK(status == PEN_OK || err.text[0] != '\0');
    if (status == PEN_OK && is_plain(text) && yaml.len < ((size_t)1 << 20)) {
        struct pen_arena arena;
        struct pen_yaml_docs docs;
        pen_arena_init(&arena, (size_t)256 << 20);
        PEN_CHECK(pen_yaml_parse(&arena, pen_buf_slice(&yaml), NULL, &docs, &err) == PEN_OK);
        pen_arena_fini(&arena);
    }
    pen_buf_fini(&yaml);
    pen_buf_fini(&told);
    return 0;
}
