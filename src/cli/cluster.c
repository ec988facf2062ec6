/* tested by tests/e2e/test_opensearch.py */
#include "cluster.h"

#include "penstock/net.h"

#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SECRET_BYTES_MAX 4096U
#define NAME_BYTES_MAX 256U

struct reading {
    struct pen_arena *arena;
    const char *path;
    struct pen_sink_spec *out;
    struct pen_err *err;
};

enum kind { KIND_TEXT, KIND_SECRET, KIND_FILE, KIND_SERVICE };
static const struct member {
    const char *name;
    enum kind kind;
    size_t offset;
} members[] = {{"user", KIND_TEXT, offsetof(struct pen_sink_spec, user)},
               {"password", KIND_SECRET, offsetof(struct pen_sink_spec, password)},
               {"api_key", KIND_SECRET, offsetof(struct pen_sink_spec, api_key)},
               {"ca", KIND_FILE, offsetof(struct pen_sink_spec, ca_file)},
               {"client_cert", KIND_FILE, offsetof(struct pen_sink_spec, cert_file)},
               {"client_key", KIND_FILE, offsetof(struct pen_sink_spec, key_file)},
               {"sigv4", KIND_SERVICE, offsetof(struct pen_sink_spec, sigv4_service)},
               {"region", KIND_TEXT, offsetof(struct pen_sink_spec, sigv4_region)}};

static pen_status text_keep(const struct reading *r, pen_slice text, const char **out)
{
    *out = (const char *)pen_arena_dup(r->arena, text).ptr;
    return *out == NULL ? PEN_FAIL(r->err, PEN_E_CONFIG, PEN_NO_OFFSET, "the text is too long")
                        : PEN_OK;
}

static pen_status path_keep(const struct reading *r, pen_slice name, const char **out)
{
    char joined[4096];
    const char *slash = strrchr(r->path, '/');
    const int folder =
        slash == NULL || (name.len > 0 && name.ptr[0] == '/') ? 0 : (int)(slash - r->path) + 1;
    const int len = snprintf(joined, sizeof(joined), "%.*s%.*s", folder, r->path, (int)name.len,
                             (const char *)name.ptr);
    if (name.len == 0 || len < 0 || (size_t)len >= sizeof(joined)) {
        return PEN_FAIL(r->err, PEN_E_CONFIG, PEN_NO_OFFSET, "that is no path");
    }
    return text_keep(r, (pen_slice){(const uint8_t *)joined, (size_t)len}, out);
}

/* ---- secrets ---- */

static pen_status secret_env(const struct reading *r, pen_slice name, const char **out)
{
    char text[NAME_BYTES_MAX];
    if (name.len == 0 || name.len >= sizeof(text)) {
        return PEN_FAIL(r->err, PEN_E_CONFIG, PEN_NO_OFFSET, "that is no name of a variable");
    }
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    const char *value = secure_getenv(text);
    if (value == NULL || value[0] == '\0') {
        return PEN_FAIL(r->err, PEN_E_CONFIG, PEN_NO_OFFSET, "the environment has no variable %s",
                        text);
    }
    return text_keep(r, pen_slice_str(value), out);
}

/* The first line of a file. */
static pen_status secret_file(const struct reading *r, pen_slice name, const char **out)
{
    char text[SECRET_BYTES_MAX];
    const char *path = NULL;
    PEN_TRY(path_keep(r, name, &path));
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return PEN_FAIL(r->err, PEN_E_CONFIG, PEN_NO_OFFSET, "%.180s: %s", path,
                        strerrordesc_np(errno));
    }
    const char *line = fgets(text, sizeof(text), file);
    (void)fclose(file);
    pen_slice secret = line == NULL ? (pen_slice){0} : pen_slice_str(line);
    while (secret.len > 0 &&
           (secret.ptr[secret.len - 1] == '\n' || secret.ptr[secret.len - 1] == '\r')) {
        secret.len--;
    }
    const pen_status st =
        secret.len == 0 ? PEN_FAIL(r->err, PEN_E_CONFIG, PEN_NO_OFFSET, "%.180s is empty", path)
                        : text_keep(r, secret, out);
    explicit_bzero(text, sizeof(text));
    return st;
}

static pen_status secret_keep(const struct reading *r, pen_slice text, const char **out)
{
    if (pen_slice_starts(text, PEN_SLICE_LIT("${")) && text.ptr[text.len - 1] == '}') {
        return secret_env(r, pen_slice_sub(text, 2, text.len - 1), out);
    }
    if (pen_slice_starts(text, PEN_SLICE_LIT("file:"))) {
        return secret_file(r, pen_slice_sub(text, 5, text.len), out);
    }
    return PEN_FAIL(r->err, PEN_E_CONFIG, PEN_NO_OFFSET,
                    "a secret does not stand in a config file: write ${NAME} for a variable of "
                    "the environment, or file:PATH");
}

/* ---- members ---- */

static pen_status service_keep(const struct reading *r, pen_slice text, const char **out)
{
    if (!pen_slice_eq(text, PEN_SLICE_LIT("es")) && !pen_slice_eq(text, PEN_SLICE_LIT("aoss")) &&
        !pen_slice_eq(text, PEN_SLICE_LIT("auto"))) {
        return PEN_FAIL(r->err, PEN_E_CONFIG, PEN_NO_OFFSET,
                        "sigv4 is the service that signs: es, aoss, or auto: the host's");
    }
    return text_keep(r, text, out);
}

static pen_status member_take(const struct reading *r, const struct member *member,
                              const struct pen_yaml *node)
{
    const char *text = NULL;
    if (node->kind != PEN_YAML_SCALAR || node->text.len == 0) {
        return PEN_FAIL(r->err, PEN_E_CONFIG, PEN_NO_OFFSET, "%s is a text", member->name);
    }
    const bool is_reference = pen_slice_starts(node->text, PEN_SLICE_LIT("${")) ||
                              pen_slice_starts(node->text, PEN_SLICE_LIT("file:"));
    pen_status st = PEN_OK;
    switch (member->kind) {
    case KIND_TEXT:
        st = is_reference ? secret_keep(r, node->text, &text) : text_keep(r, node->text, &text);
        break;
    case KIND_SECRET:
        st = secret_keep(r, node->text, &text);
        break;
    case KIND_FILE:
        st = path_keep(r, node->text, &text);
        break;
    case KIND_SERVICE:
        st = service_keep(r, node->text, &text);
        break;
    }
    PEN_TRY(st);
    memcpy((uint8_t *)r->out + member->offset, &text, sizeof(text));
    return PEN_OK;
}

/* "URL", "URL,URL" or a list of them. */
static pen_status urls_take(const struct reading *r, const struct pen_yaml *node)
{
    struct pen_buf text;
    pen_buf_init(&text, (size_t)1 << 16);
    pen_status st = node->kind == PEN_YAML_SCALAR ? pen_buf_add(&text, node->text) : PEN_OK;
    for (const struct pen_yaml *n = node->kind == PEN_YAML_SEQ ? node->child : NULL;
         st == PEN_OK && n != NULL; n = n->next) {
        st = text.len > 0 ? pen_buf_add_byte(&text, ',') : PEN_OK;
        st = st == PEN_OK ? pen_buf_add(&text, n->text) : st;
    }
    st = st == PEN_OK ? text_keep(r, pen_buf_slice(&text), &r->out->urls) : st;
    pen_buf_fini(&text);
    return st == PEN_OK ? cluster_urls_check(r->out->urls, r->err) : st;
}

static pen_status node_take(const struct reading *r, const struct pen_yaml *node)
{
    const char *names[PEN_COUNT(members)];
    if (pen_slice_eq(node->key->text, PEN_SLICE_LIT("opensearch"))) {
        return urls_take(r, node);
    }
    for (size_t i = 0; i < PEN_COUNT(members); i++) {
        names[i] = members[i].name;
        if (pen_slice_eq(node->key->text, pen_slice_str(names[i]))) {
            return member_take(r, &members[i], node);
        }
    }
    const char *near = cli_nearest((const char *)node->key->text.ptr, names, PEN_COUNT(names));
    return PEN_FAIL(r->err, PEN_E_CONFIG, PEN_NO_OFFSET, "an opensearch sink has no `%.*s`%s%s",
                    PEN_SLICE_FMT(node->key->text), near == NULL ? "" : "; the nearest is ",
                    near == NULL ? "" : near);
}

pen_status cluster_urls_check(const char *urls, struct pen_err *err)
{
    pen_slice rest = pen_slice_str(urls);
    pen_slice url;
    while (pen_slice_split(&rest, ',', &url)) {
        struct pen_post_node node;
        PEN_TRY(pen_post_node_parse(pen_slice_trim(url), &node, err));
    }
    return PEN_OK;
}

pen_status cluster_read(struct pen_arena *arena, const char *path, const struct pen_yaml *entry,
                        struct pen_sink_spec *out, const struct pen_yaml **at, struct pen_err *err)
{
    const struct reading r = {.arena = arena, .path = path, .out = out, .err = err};
    *out = (struct pen_sink_spec){0};
    for (const struct pen_yaml *node = entry->child; node != NULL; node = node->next) {
        *at = node;
        PEN_TRY(node_take(&r, node));
    }
    *at = entry;
    if (out->sigv4_service == NULL && out->sigv4_region != NULL) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET,
                        "region belongs to sigv4: the service that signs, es, aoss or auto");
    }
    return PEN_OK;
}
