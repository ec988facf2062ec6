#include "tree.h"

#include "penstock/normalize.h"

#include <stdlib.h>

#define DUPLICATE_WINDOW 1024U

void nrm_tree_fini(struct nrm_tree *tree)
{
    free(tree->nodes);
    *tree = (struct nrm_tree){0};
}

static pen_status grow(struct nrm_tree *tree)
{
    if (tree->capacity >= NRM_TREE_NODES_MAX) {
        return PEN_E_LIMIT;
    }
    const uint32_t capacity = tree->capacity == 0 ? 256 : tree->capacity * 2;
    struct nrm_node *nodes = realloc(tree->nodes, capacity * sizeof(*nodes));
    if (nodes == NULL) {
        return PEN_E_NOMEM;
    }
    tree->nodes = nodes;
    tree->capacity = capacity;
    return PEN_OK;
}

static void link_child(struct nrm_tree *tree, uint32_t parent, uint32_t node)
{
    struct nrm_node *up = &tree->nodes[parent];
    tree->nodes[node].parent = parent;
    tree->nodes[node].next = NRM_TREE_NONE;
    if (up->first == NRM_TREE_NONE) {
        up->first = node;
    } else {
        tree->nodes[up->last].next = node;
    }
    up->last = node;
}

/* Removes earlier members of the same name.  The window bounds the cost of hostile objects. */
static void drop_duplicate(struct nrm_tree *tree, uint32_t object, pen_slice key)
{
    uint32_t seen = 0;
    for (uint32_t at = tree->nodes[object].first; at != NRM_TREE_NONE && seen < DUPLICATE_WINDOW;
         at = tree->nodes[at].next) {
        seen++;
        if (!tree->nodes[at].is_gone && pen_slice_eq(tree->nodes[at].key, key)) {
            tree->nodes[at].is_gone = true;
            return;
        }
    }
}

static pen_status add_node(struct nrm_tree *tree, uint32_t parent, const struct pen_token *token,
                           const struct pen_token *key)
{
    if (tree->count == tree->capacity) {
        PEN_TRY(grow(tree));
    }
    const bool has_key =
        parent != NRM_TREE_NONE && tree->nodes[parent].kind == PEN_OBJECT && key->is_key;
    if (has_key) {
        drop_duplicate(tree, parent, key->text);
    }
    const uint32_t index = tree->count++;
    tree->nodes[index] = (struct nrm_node){
        .text = token->text,
        .parent = NRM_TREE_NONE,
        .first = NRM_TREE_NONE,
        .last = NRM_TREE_NONE,
        .next = NRM_TREE_NONE,
        .kind = token->kind,
        .is_escaped = token->is_escaped,
    };
    if (has_key) {
        tree->nodes[index].key = key->text;
        tree->nodes[index].key_escaped = key->is_escaped;
    }
    if (parent != NRM_TREE_NONE) {
        link_child(tree, parent, index);
    }
    return PEN_OK;
}

pen_status nrm_tree_parse(struct nrm_tree *tree, pen_slice json, uint32_t *root)
{
    struct pen_tokens tokens;
    struct pen_token token;
    struct pen_token key = {0};
    uint32_t parent = NRM_TREE_NONE;

    pen_tokens_init(&tokens, json);
    *root = tree->count;
    while (pen_tokens_next(&tokens, &token)) {
        if (token.is_key) {
            key = token;
            continue;
        }
        if (token.is_close) {
            PEN_CHECK(parent != NRM_TREE_NONE);
            parent = tree->nodes[parent].parent;
            continue;
        }
        PEN_TRY(add_node(tree, parent, &token, &key));
        if (token.is_open) {
            parent = tree->count - 1;
        }
    }
    return tree->count > *root ? PEN_OK : PEN_E_CORRUPT;
}

uint32_t nrm_tree_member(const struct nrm_tree *tree, uint32_t object, pen_slice key)
{
    if (object == NRM_TREE_NONE || tree->nodes[object].kind != PEN_OBJECT) {
        return NRM_TREE_NONE;
    }
    for (uint32_t at = tree->nodes[object].first; at != NRM_TREE_NONE; at = tree->nodes[at].next) {
        if (!tree->nodes[at].is_gone && pen_slice_eq(tree->nodes[at].key, key)) {
            return at;
        }
    }
    return NRM_TREE_NONE;
}

/* Gives node the value of from; the children change parents. */
static void take_value(struct nrm_tree *tree, uint32_t node, uint32_t from)
{
    struct nrm_node *to = &tree->nodes[node];
    const struct nrm_node *source = &tree->nodes[from];
    for (uint32_t at = to->first; at != NRM_TREE_NONE; at = tree->nodes[at].next) {
        tree->nodes[at].is_gone = true;
    }
    to->text = source->text;
    to->kind = source->kind;
    to->is_escaped = source->is_escaped;
    to->first = source->first;
    to->last = source->last;
    for (uint32_t at = to->first; at != NRM_TREE_NONE; at = tree->nodes[at].next) {
        tree->nodes[at].parent = node;
    }
}

void nrm_tree_merge(struct nrm_tree *tree, uint32_t base, uint32_t over)
{
    struct {
        uint32_t base, at;
    } stack[PEN_JSON_DEPTH_MAX];
    uint32_t depth = 1;

    PEN_CHECK(base < over);
    PEN_CHECK(tree->nodes[base].kind == PEN_OBJECT && tree->nodes[over].kind == PEN_OBJECT);
    stack[0].base = base;
    stack[0].at = tree->nodes[over].first;
    while (depth > 0) {
        const uint32_t at = stack[depth - 1].at;
        if (at == NRM_TREE_NONE) {
            depth--;
            continue;
        }
        const uint32_t into = stack[depth - 1].base;
        stack[depth - 1].at = tree->nodes[at].next;
        const uint32_t old = nrm_tree_member(tree, into, tree->nodes[at].key);
        if (old == NRM_TREE_NONE) {
            link_child(tree, into, at);
        } else if (tree->nodes[old].kind == PEN_OBJECT && tree->nodes[at].kind == PEN_OBJECT) {
            PEN_CHECK(depth < PEN_JSON_DEPTH_MAX);
            stack[depth].base = old;
            stack[depth].at = tree->nodes[at].first;
            depth++;
        } else {
            take_value(tree, old, at);
        }
    }
}

/* A copy of a scalar, behind all nodes and below another one. */
static pen_status copy_node(struct nrm_tree *tree, uint32_t node, uint32_t parent, pen_slice key)
{
    if (tree->count == tree->capacity) {
        PEN_TRY(grow(tree));
    }
    tree->nodes[tree->count] = tree->nodes[node];
    tree->nodes[tree->count].key = key;
    tree->nodes[tree->count].key_escaped = false;
    link_child(tree, parent, tree->count);
    tree->count++;
    return PEN_OK;
}

static bool is_container(const struct nrm_node *node)
{
    return node->kind == PEN_OBJECT || node->kind == PEN_ARRAY;
}

pen_status nrm_tree_wrap(struct nrm_tree *tree, uint32_t node, pen_slice key)
{
    if (is_container(&tree->nodes[node])) {
        return PEN_OK;
    }
    PEN_TRY(copy_node(tree, node, node, key));
    tree->nodes[node].kind = PEN_OBJECT;
    return PEN_OK;
}

pen_status nrm_tree_move(struct nrm_tree *tree, uint32_t node, uint32_t object, pen_slice key)
{
    if (is_container(&tree->nodes[node])) {
        return PEN_OK;
    }
    PEN_TRY(copy_node(tree, node, object, key));
    tree->nodes[node].is_gone = true;
    return PEN_OK;
}

void nrm_tree_set_text(struct nrm_tree *tree, uint32_t node, pen_slice text)
{
    struct nrm_node *at = &tree->nodes[node];
    for (uint32_t kid = at->first; kid != NRM_TREE_NONE; kid = tree->nodes[kid].next) {
        tree->nodes[kid].is_gone = true;
    }
    at->kind = PEN_STRING;
    at->text = text;
    at->is_escaped = memchr(text.ptr, '\\', text.len) != NULL;
    at->first = NRM_TREE_NONE;
    at->last = NRM_TREE_NONE;
}

void nrm_tree_to_list(struct nrm_tree *tree, uint32_t object)
{
    tree->nodes[object].kind = PEN_ARRAY;
    for (uint32_t kid = tree->nodes[object].first; kid != NRM_TREE_NONE;
         kid = tree->nodes[kid].next) {
        tree->nodes[kid].key = (pen_slice){0};
    }
}

static bool is_empty_text(pen_slice text)
{
    return text.len == 0 || pen_slice_eq(text, PEN_SLICE_LIT("-")) ||
           pen_slice_eq(text, PEN_SLICE_LIT("null")) || pen_slice_eq(text, PEN_SLICE_LIT("[]"));
}

static bool is_empty_node(const struct nrm_tree *tree, const struct nrm_node *node)
{
    switch ((enum pen_kind)node->kind) {
    case PEN_NULL:
        return true;
    case PEN_STRING:
        return is_empty_text(node->text);
    case PEN_OBJECT:
        return node->live == 0;
    case PEN_ARRAY:
        return node->live == 0 || (node->live == 1 && node->first == node->last &&
                                   tree->nodes[node->first].kind == PEN_STRING &&
                                   tree->nodes[node->first].text.len == 0);
    case PEN_NUMBER:
    case PEN_BOOL:
    default:
        return false;
    }
}

void nrm_tree_prune(struct nrm_tree *tree, uint32_t root)
{
    /* Children come after their parents, so going backwards sees every child first. */
    for (uint32_t i = root; i < tree->count; i++) {
        tree->nodes[i].live = 0;
    }
    for (uint32_t i = tree->count; i-- > root + 1;) {
        struct nrm_node *node = &tree->nodes[i];
        if (node->is_gone || node->parent == NRM_TREE_NONE) {
            continue;
        }
        struct nrm_node *up = &tree->nodes[node->parent];
        if (up->kind == PEN_OBJECT && is_empty_node(tree, node)) {
            node->is_gone = true;
        } else {
            up->live++;
        }
    }
}

uint32_t nrm_tree_step(const struct nrm_tree *tree, uint32_t root, uint32_t node, bool *leaving)
{
    const struct nrm_node *at = &tree->nodes[node];
    if (is_container(at) && !*leaving) {
        uint32_t kid = at->first;
        while (kid != NRM_TREE_NONE && tree->nodes[kid].is_gone) {
            kid = tree->nodes[kid].next;
        }
        *leaving = kid == NRM_TREE_NONE;
        return *leaving ? node : kid;
    }
    if (node == root) {
        return NRM_TREE_NONE;
    }
    uint32_t next = at->next;
    while (next != NRM_TREE_NONE && tree->nodes[next].is_gone) {
        next = tree->nodes[next].next;
    }
    *leaving = next == NRM_TREE_NONE;
    return *leaving ? at->parent : next;
}

static pen_status emit_key(pen_slice key, struct pen_buf *out)
{
    PEN_TRY(pen_buf_add_byte(out, '"'));
    PEN_TRY(pen_buf_add(out, key));
    return pen_buf_add(out, PEN_SLICE_LIT("\":"));
}

static pen_status emit_text(pen_slice text, struct pen_buf *out)
{
    PEN_TRY(pen_buf_add_byte(out, '"'));
    PEN_TRY(pen_buf_add(out, text));
    return pen_buf_add_byte(out, '"');
}

static pen_status emit_node(const struct nrm_node *node, bool leaving, struct pen_buf *out)
{
    const bool is_object = node->kind == PEN_OBJECT;
    if (leaving) {
        return pen_buf_add_byte(out, is_object ? '}' : ']');
    }
    const uint8_t before = out->len > 0 ? out->ptr[out->len - 1] : '{';
    const bool is_first =
        before == '{' || (node->key.ptr == NULL && (before == '[' || before == ':'));
    PEN_TRY(is_first ? PEN_OK : pen_buf_add_byte(out, ','));
    PEN_TRY(node->key.ptr == NULL ? PEN_OK : emit_key(node->key, out));
    if (is_object || node->kind == PEN_ARRAY) {
        return pen_buf_add_byte(out, is_object ? '{' : '[');
    }
    if (node->kind != PEN_STRING) {
        return pen_buf_add(out, node->text);
    }
    return emit_text(node->text, out);
}

pen_status nrm_tree_emit(const struct nrm_tree *tree, uint32_t root, struct pen_buf *out)
{
    const struct nrm_node bare = {.kind = tree->nodes[root].kind,
                                  .text = tree->nodes[root].text,
                                  .is_escaped = tree->nodes[root].is_escaped};
    bool leaving = false;
    const bool at_start = out->len == 0;
    const uint8_t before = at_start ? ':' : out->ptr[out->len - 1];
    PEN_CHECK(at_start || before == ':' || before == '[' || before == '{');
    uint32_t node = root;
    while (node != NRM_TREE_NONE) {
        PEN_TRY(emit_node(node == root ? &bare : &tree->nodes[node], leaving, out));
        node = nrm_tree_step(tree, root, node, &leaving);
    }
    return PEN_OK;
}
