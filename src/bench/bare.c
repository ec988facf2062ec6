#include "bare.h"

#include "penstock/base.h"

/* tested by tests/e2e/test_bench.py */

#include <dlfcn.h>
#include <isa-l/igzip_lib.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct bare {
    struct libdeflate_decompressor *deflate;
    struct inflate_state *inflate;
    struct isal_zstream *stream;
    uint8_t *level_buf;
    uint8_t *packed;
    size_t packed_cap;
};

struct bare *bare_new(size_t body_bytes_max)
{
    struct bare *bare = calloc(1, sizeof(*bare));
    if (bare == NULL) {
        return NULL;
    }
    bare->deflate = libdeflate_alloc_decompressor();
    bare->inflate = malloc(sizeof(*bare->inflate));
    bare->stream = malloc(sizeof(*bare->stream));
    bare->level_buf = malloc(ISAL_DEF_LVL1_DEFAULT);
    bare->packed_cap = body_bytes_max + body_bytes_max / 8 + 4096;
    bare->packed = malloc(bare->packed_cap);
    if (bare->deflate == NULL || bare->inflate == NULL || bare->stream == NULL ||
        bare->level_buf == NULL || bare->packed == NULL) {
        bare_free(bare);
        return NULL;
    }
    return bare;
}

void bare_free(struct bare *bare)
{
    if (bare == NULL) {
        return;
    }
    if (bare->deflate != NULL) {
        libdeflate_free_decompressor(bare->deflate);
    }
    free(bare->inflate);
    free(bare->stream);
    free(bare->level_buf);
    free(bare->packed);
    free(bare);
}

size_t bare_igzip(struct bare *bare, const uint8_t *in, size_t len, uint8_t *out, size_t out_cap)
{
    struct inflate_state *state = bare->inflate;
    size_t written = 0;
    while (len > 0) {
        isal_inflate_init(state);
        state->crc_flag = ISAL_GZIP;
        state->next_in = pen_unconst(in); /* the library only reads it */
        state->avail_in = (uint32_t)len;
        state->next_out = out + written;
        state->avail_out = (uint32_t)(out_cap - written);
        if (isal_inflate(state) != ISAL_DECOMP_OK || state->block_state != ISAL_BLOCK_FINISH) {
            return 0;
        }
        written += state->total_out;
        in += len - state->avail_in;
        len = state->avail_in;
    }
    return written;
}

size_t bare_libdeflate(struct bare *bare, const uint8_t *in, size_t len, uint8_t *out,
                       size_t out_cap)
{
    size_t written = 0;
    while (len > 0) {
        size_t used = 0;
        size_t made = 0;
        if (libdeflate_gzip_decompress_ex(bare->deflate, in, len, out + written, out_cap - written,
                                          &used, &made) != LIBDEFLATE_SUCCESS) {
            return 0;
        }
        written += made;
        in += used;
        len -= used;
    }
    return written;
}

size_t bare_deflate(struct bare *bare, const uint8_t *in, size_t len)
{
    struct isal_zstream *stream = bare->stream;
    isal_deflate_init(stream);
    stream->gzip_flag = IGZIP_GZIP;
    stream->end_of_stream = 1;
    stream->flush = NO_FLUSH;
    stream->level = 1;
    stream->level_buf = bare->level_buf;
    stream->level_buf_size = ISAL_DEF_LVL1_DEFAULT;
    stream->next_in = pen_unconst(in); /* the library only reads it */
    stream->avail_in = (uint32_t)len;
    stream->next_out = bare->packed;
    stream->avail_out = (uint32_t)bare->packed_cap;
    return isal_deflate(stream) == COMP_OK ? stream->total_out : 0;
}

/* ---- JSON: a module for the best instruction set of this machine, beside the program ---- */

struct bare_json {
    void *module;
    void *parser;
    void (*parser_free)(void *parser);
    uint64_t (*parser_visit)(void *parser, const uint8_t *text, size_t len);
};

static void *open_module(const char *name)
{
    char path[4096];
    const ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 64);
    if (len <= 0) {
        return NULL;
    }
    path[len] = 0;
    char *slash = strrchr(path, '/');
    PEN_CHECK(slash != NULL);
    (void)snprintf(slash + 1, 64, "%s", name);
    return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

/* POSIX has it that a symbol's address can be kept as that of a function; C does not. */
static bool symbol(void *module, const char *name, void *function)
{
    void *const address = dlsym(module, name);
    memcpy(function, &address, sizeof(address));
    return address != NULL;
}

struct bare_json *bare_json_new(void)
{
    struct bare_json *json = calloc(1, sizeof(*json));
    void *(*parser_new)(void) = NULL;
    if (json == NULL) {
        return NULL;
    }
    if (__builtin_cpu_supports("avx512vbmi2")) {
        json->module = open_module("penstock-bench-avx512.so");
    } else if (__builtin_cpu_supports("avx2")) {
        json->module = open_module("penstock-bench-avx2.so");
    }
    if (json->module == NULL || !symbol(json->module, "bare_json_parser_new", &parser_new) ||
        !symbol(json->module, "bare_json_parser_free", &json->parser_free) ||
        !symbol(json->module, "bare_json_parser_visit", &json->parser_visit)) {
        bare_json_free(json);
        return NULL;
    }
    json->parser = parser_new();
    return json;
}

void bare_json_free(struct bare_json *json)
{
    if (json == NULL) {
        return;
    }
    if (json->parser != NULL) {
        json->parser_free(json->parser);
    }
    if (json->module != NULL) {
        (void)dlclose(json->module);
    }
    free(json);
}

uint64_t bare_json_visit(struct bare_json *json, const uint8_t *text, size_t len)
{
    return json->parser_visit(json->parser, text, len);
}
