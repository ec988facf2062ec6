#include "penstock/json.h"

void pen_tokens_init(struct pen_tokens *tokens, pen_slice json)
{
    memset(tokens, 0, sizeof(*tokens));
    tokens->rest = json;
}

static bool in_object(const struct pen_tokens *t)
{
    return t->depth > 0 && (t->in_object[(t->depth - 1) / 64] >> ((t->depth - 1) % 64) & 1U) != 0;
}

static void skip(struct pen_tokens *t, size_t n)
{
    t->rest.ptr += n;
    t->rest.len -= n;
}

static bool open_container(struct pen_tokens *t, struct pen_token *token, bool is_object)
{
    if (t->depth == PEN_JSON_DEPTH_MAX) {
        return false;
    }
    token->is_open = true;
    token->kind = is_object ? PEN_OBJECT : PEN_ARRAY;
    const uint64_t bit = UINT64_C(1) << (t->depth % 64);
    if (is_object) {
        t->in_object[t->depth / 64] |= bit;
    } else {
        t->in_object[t->depth / 64] &= ~bit;
    }
    t->depth++;
    t->key_next = is_object;
    skip(t, 1);
    return true;
}

static bool string(struct pen_tokens *t, struct pen_token *token)
{
    size_t end = 1;
    while (end < t->rest.len && t->rest.ptr[end] != '"') {
        if (t->rest.ptr[end] == '\\') {
            token->is_escaped = true;
            end++;
        }
        end++;
    }
    if (end >= t->rest.len) {
        return false;
    }
    token->kind = PEN_STRING;
    token->text = pen_slice_sub(t->rest, 1, end);
    token->is_key = t->key_next;
    skip(t, end + 1);
    return true;
}

static bool scalar(struct pen_tokens *t, struct pen_token *token)
{
    size_t end = 0;
    while (end < t->rest.len && strchr(",]} \t\r\n", t->rest.ptr[end]) == NULL) {
        end++;
    }
    if (end == 0) {
        return false;
    }
    const uint8_t first = t->rest.ptr[0];
    token->kind = first == 'n' ? PEN_NULL : first == 't' || first == 'f' ? PEN_BOOL : PEN_NUMBER;
    token->text = pen_slice_sub(t->rest, 0, end);
    skip(t, end);
    return true;
}

bool pen_tokens_next(struct pen_tokens *t, struct pen_token *token)
{
    *token = (struct pen_token){0};
    while (t->rest.len > 0 && strchr(" \t\r\n,:", t->rest.ptr[0]) != NULL &&
           t->rest.ptr[0] != '\0') {
        t->key_next = t->rest.ptr[0] == ','   ? in_object(t)
                      : t->rest.ptr[0] == ':' ? false
                                              : t->key_next;
        skip(t, 1);
    }
    if (t->rest.len == 0) {
        return false;
    }
    token->depth = t->depth;
    switch (t->rest.ptr[0]) {
    case '{':
    case '[':
        return open_container(t, token, t->rest.ptr[0] == '{');
    case '}':
    case ']':
        if (t->depth == 0) {
            return false;
        }
        token->is_close = true;
        token->kind = t->rest.ptr[0] == '}' ? PEN_OBJECT : PEN_ARRAY;
        t->depth--;
        token->depth = t->depth;
        t->key_next = false;
        skip(t, 1);
        return true;
    case '"':
        return string(t, token);
    default:
        return scalar(t, token);
    }
}
