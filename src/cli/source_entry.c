/* tested by tests/e2e/test_s3_plan.py */
#include "source_entry.h"

#include "cli.h"
#include "options.h"

static const char *const keys[] = {"s3",           "role_arn", "external_id",   "region",
                                   "endpoint_url", "profile",  "request_payer", "accounts",
                                   "types"};

static pen_status text_take(struct pen_arena *arena, const struct pen_yaml *node, const char **out,
                            struct pen_err *err)
{
    if (node->kind != PEN_YAML_SCALAR || node->text.len == 0) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "%.*s takes a text",
                        PEN_SLICE_FMT(node->key->text));
    }
    const pen_slice copy = pen_arena_dup(arena, node->text);
    *out = (const char *)copy.ptr;
    return copy.ptr != NULL ? PEN_OK : PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "out of memory");
}

/* One name, or a list of them. */
static pen_status names_take(struct pen_arena *arena, const struct pen_yaml *node,
                             const char *const **out, uint32_t *count, struct pen_err *err)
{
    const bool is_list = node->kind == PEN_YAML_SEQ;
    const uint32_t most = is_list ? node->count : 1;
    const char **names = PEN_NEW_N(arena, const char *, (size_t)most + 1);
    if (names == NULL || most > SOURCE_NAMES_MAX) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "more than %u names", SOURCE_NAMES_MAX);
    }
    *out = names;
    const struct pen_yaml *name = is_list ? node->child : node;
    for (uint32_t i = 0; i < most; i++) {
        if (name->kind != PEN_YAML_SCALAR || name->text.len == 0) {
            return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "%.*s are a list of names",
                            PEN_SLICE_FMT(node->key->text));
        }
        const pen_slice copy = pen_arena_dup(arena, name->text);
        if (copy.ptr == NULL) {
            return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "out of memory");
        }
        names[(*count)++] = (const char *)copy.ptr;
        name = name->next;
    }
    return PEN_OK;
}

static pen_status unknown(const struct pen_yaml *node, struct pen_err *err)
{
    const char *near = cli_nearest((const char *)node->key->text.ptr, keys, PEN_COUNT(keys));
    return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "a bucket has no option `%.*s`%s%s",
                    PEN_SLICE_FMT(node->key->text), near == NULL ? "" : "; the nearest is ",
                    near == NULL ? "" : near);
}

/* Where a text of this key goes, or NULL. */
static const char **place_of(pen_slice key, const char **url, struct pen_s3_options *s3)
{
    struct {
        const char *key;
        const char **to;
    } const places[] = {{"s3", url},
                        {"role_arn", &s3->role_arn},
                        {"external_id", &s3->external_id},
                        {"region", &s3->region},
                        {"endpoint_url", &s3->endpoint_url},
                        {"profile", &s3->profile}};
    for (size_t i = 0; i < PEN_COUNT(places); i++) {
        if (pen_slice_eq(key, pen_slice_str(places[i].key))) {
            return places[i].to;
        }
    }
    return NULL;
}

static pen_status payer_take(const struct pen_yaml *node, struct pen_source_options *out,
                             struct pen_err *err)
{
    out->s3.is_requester_pays =
        node->kind == PEN_YAML_SCALAR && pen_slice_eq(node->text, PEN_SLICE_LIT("requester"));
    return out->s3.is_requester_pays ? PEN_OK
                                     : PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                                                "request_payer takes `requester`, nothing else");
}

static pen_status member_take(struct pen_arena *arena, const struct pen_yaml *node,
                              const char **url, struct pen_source_options *out, struct pen_err *err)
{
    const char **text = place_of(node->key->text, url, &out->s3);
    if (text != NULL) {
        return text_take(arena, node, text, err);
    }
    if (pen_slice_eq(node->key->text, PEN_SLICE_LIT("request_payer"))) {
        return payer_take(node, out, err);
    }
    if (pen_slice_eq(node->key->text, PEN_SLICE_LIT("accounts"))) {
        return names_take(arena, node, &out->accounts, &out->account_count, err);
    }
    if (pen_slice_eq(node->key->text, PEN_SLICE_LIT("types"))) {
        return names_take(arena, node, &out->types, &out->type_count, err);
    }
    return unknown(node, err);
}

pen_status source_entry_read(struct pen_arena *arena, const struct pen_yaml *entry,
                             const char **url, struct pen_source_options *out,
                             const struct pen_yaml **at, struct pen_err *err)
{
    *out = (struct pen_source_options){0};
    for (const struct pen_yaml *m = entry->child; m != NULL; m = m->next) {
        *at = m;
        PEN_TRY(member_take(arena, m, url, out, err));
    }
    return PEN_OK;
}
