#include "penstock/yaml.h"

#include <yaml.h>

const struct pen_yaml_limits pen_yaml_limits_default = {
    .bytes_max = (size_t)1 << 20, .nodes_max = 100000, .depth_max = 64, .alias_nodes_max = 10000};

#define DEPTH_HARD_MAX 256u
#define ANCHORS_MAX 1024u

struct frame { /* an open container */
    struct pen_yaml *node;
    struct pen_yaml *last;
    struct pen_yaml *key; /* read, its value is still to come */
    uint32_t anchor;      /* index + 1 of its own anchor */
};

struct anchor {
    pen_slice name;
    struct pen_yaml *node;
    bool is_open;
};

struct builder {
    struct pen_arena *arena;
    const struct pen_yaml_limits *limits;
    struct pen_err *err;
    struct frame frames[DEPTH_HARD_MAX];
    uint32_t depth;
    struct anchor anchors[ANCHORS_MAX];
    uint32_t anchor_count;
    uint32_t nodes, alias_nodes;
    struct pen_yaml *root;
};

static pen_status fail_at(struct builder *b, pen_status st, uint32_t line, uint32_t column,
                          const char *reason)
{
    return PEN_FAIL(b->err, st, PEN_NO_OFFSET, "%u:%u: %s", line, column, reason);
}

static struct pen_yaml *node_new(struct builder *b, enum pen_yaml_kind kind,
                                 const yaml_mark_t *mark)
{
    if (b->nodes >= b->limits->nodes_max) {
        return NULL;
    }
    struct pen_yaml *node = PEN_NEW(b->arena, struct pen_yaml);
    if (node != NULL) {
        b->nodes++;
        node->kind = kind;
        node->line = (uint32_t)mark->line + 1;
        node->column = (uint32_t)mark->column + 1;
    }
    return node;
}

static pen_status duplicate_check(struct builder *b, const struct frame *frame,
                                  const struct pen_yaml *key)
{
    for (const struct pen_yaml *kid = frame->node->child; kid != NULL; kid = kid->next) {
        if (kid->key->kind == PEN_YAML_SCALAR && pen_slice_eq(kid->key->text, key->text)) {
            return PEN_FAIL(b->err, PEN_E_CORRUPT, PEN_NO_OFFSET,
                            "%u:%u: the key '%.*s' stands twice in this map (first in line %u)",
                            key->line, key->column, PEN_SLICE_FMT(key->text), kid->key->line);
        }
    }
    return PEN_OK;
}

/* Puts a finished or opening node where it belongs. */
static pen_status attach(struct builder *b, struct pen_yaml *node)
{
    if (b->depth == 0) {
        b->root = node;
        return PEN_OK;
    }
    struct frame *frame = &b->frames[b->depth - 1];
    if (frame->node->kind == PEN_YAML_MAP && frame->key == NULL) {
        if (node->kind != PEN_YAML_SCALAR) {
            return fail_at(b, PEN_E_CORRUPT, node->line, node->column,
                           "a key must be plain text, not a list or a map");
        }
        PEN_TRY(duplicate_check(b, frame, node));
        frame->key = node;
        return PEN_OK;
    }
    node->key = frame->key;
    frame->key = NULL;
    if (frame->last == NULL) {
        frame->node->child = node;
    } else {
        frame->last->next = node;
    }
    frame->last = node;
    frame->node->count++;
    return PEN_OK;
}

static pen_status anchor_add(struct builder *b, const yaml_char_t *name, struct pen_yaml *node,
                             uint32_t *index)
{
    *index = 0;
    if (name == NULL) {
        return PEN_OK;
    }
    if (b->anchor_count == ANCHORS_MAX) {
        return fail_at(b, PEN_E_LIMIT, node->line, node->column, "more than 1024 anchors");
    }
    const pen_slice copy = pen_arena_dup(b->arena, pen_slice_str((const char *)name));
    if (copy.ptr == NULL) {
        return fail_at(b, PEN_E_LIMIT, node->line, node->column, "out of memory");
    }
    b->anchors[b->anchor_count++] =
        (struct anchor){.name = copy, .node = node, .is_open = node->kind != PEN_YAML_SCALAR};
    *index = b->anchor_count;
    return PEN_OK;
}

static pen_status on_scalar(struct builder *b, const yaml_event_t *event)
{
    struct pen_yaml *node = node_new(b, PEN_YAML_SCALAR, &event->start_mark);
    uint32_t anchor = 0;
    if (node == NULL) {
        return fail_at(b, PEN_E_LIMIT, (uint32_t)event->start_mark.line + 1, 1, "too many nodes");
    }
    node->is_plain =
        event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && event->data.scalar.plain_implicit;
    node->text =
        pen_arena_dup(b->arena, (pen_slice){event->data.scalar.value, event->data.scalar.length});
    if (node->text.ptr == NULL) {
        return fail_at(b, PEN_E_LIMIT, node->line, node->column, "out of memory");
    }
    PEN_TRY(anchor_add(b, event->data.scalar.anchor, node, &anchor));
    return attach(b, node);
}

static pen_status on_open(struct builder *b, const yaml_event_t *event, enum pen_yaml_kind kind)
{
    struct pen_yaml *node = node_new(b, kind, &event->start_mark);
    uint32_t anchor = 0;
    if (node == NULL) {
        return fail_at(b, PEN_E_LIMIT, (uint32_t)event->start_mark.line + 1, 1, "too many nodes");
    }
    if (b->depth >= b->limits->depth_max || b->depth >= DEPTH_HARD_MAX) {
        return fail_at(b, PEN_E_LIMIT, node->line, node->column, "nested too deep");
    }
    const yaml_char_t *name =
        kind == PEN_YAML_MAP ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    PEN_TRY(anchor_add(b, name, node, &anchor));
    PEN_TRY(attach(b, node));
    b->frames[b->depth++] = (struct frame){.node = node, .anchor = anchor};
    return PEN_OK;
}

static void on_close(struct builder *b)
{
    PEN_CHECK(b->depth > 0);
    const struct frame *frame = &b->frames[--b->depth];
    if (frame->anchor != 0) {
        b->anchors[frame->anchor - 1].is_open = false;
    }
}

/* One node without its kids; the copy of an alias is made node by node, never shared. */
static struct pen_yaml *node_copy(struct builder *b, const struct pen_yaml *from)
{
    if (++b->alias_nodes > b->limits->alias_nodes_max || b->nodes >= b->limits->nodes_max) {
        return NULL;
    }
    struct pen_yaml *copy = PEN_NEW(b->arena, struct pen_yaml);
    if (copy != NULL) {
        b->nodes++;
        *copy = *from;
        copy->child = NULL;
        copy->next = NULL;
    }
    return copy;
}

static struct pen_yaml *tree_copy(struct builder *b, const struct pen_yaml *from)
{
    struct {
        const struct pen_yaml *next; /* of the original, to be copied */
        struct pen_yaml *into, *last;
    } stack[DEPTH_HARD_MAX];
    struct pen_yaml *root = node_copy(b, from);
    uint32_t depth = 0;
    if (root == NULL) {
        return NULL;
    }
    stack[depth++].next = from->child;
    stack[0].into = root;
    stack[0].last = NULL;
    while (depth > 0) {
        const struct pen_yaml *source = stack[depth - 1].next;
        if (source == NULL) {
            depth--;
            continue;
        }
        stack[depth - 1].next = source->next;
        struct pen_yaml *copy = node_copy(b, source);
        if (copy == NULL || depth == DEPTH_HARD_MAX) {
            return NULL;
        }
        if (stack[depth - 1].last == NULL) {
            stack[depth - 1].into->child = copy;
        } else {
            stack[depth - 1].last->next = copy;
        }
        stack[depth - 1].last = copy;
        if (source->child != NULL) {
            stack[depth].next = source->child;
            stack[depth].into = copy;
            stack[depth].last = NULL;
            depth++;
        }
    }
    return root;
}

static pen_status on_alias(struct builder *b, const yaml_event_t *event)
{
    const pen_slice name = pen_slice_str((const char *)event->data.alias.anchor);
    const uint32_t line = (uint32_t)event->start_mark.line + 1;
    const uint32_t column = (uint32_t)event->start_mark.column + 1;
    for (uint32_t i = b->anchor_count; i > 0; i--) {
        const struct anchor *anchor = &b->anchors[i - 1];
        if (!pen_slice_eq(anchor->name, name)) {
            continue;
        }
        if (anchor->is_open) {
            return fail_at(b, PEN_E_CORRUPT, line, column, "an alias inside its own anchor");
        }
        struct pen_yaml *copy = tree_copy(b, anchor->node);
        if (copy == NULL) {
            return fail_at(b, PEN_E_LIMIT, line, column, "aliases add too many nodes");
        }
        copy->key = NULL;
        return attach(b, copy);
    }
    return fail_at(b, PEN_E_CORRUPT, line, column, "an alias without its anchor");
}

static pen_status on_event(struct builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(b, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(b, event, PEN_YAML_SEQ);
    case YAML_MAPPING_START_EVENT:
        return on_open(b, event, PEN_YAML_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        on_close(b);
        return PEN_OK;
    case YAML_ALIAS_EVENT:
        return on_alias(b, event);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break; /* these carry no node */
    }
    return PEN_OK;
}

static bool is_empty(const struct pen_yaml *root)
{
    return root == NULL || (root->kind == PEN_YAML_SCALAR && root->is_plain && root->text.len == 0);
}

static pen_status docs_add(struct builder *b, struct pen_yaml_docs *out)
{
    if (is_empty(b->root)) {
        return PEN_OK;
    }
    struct pen_yaml **roots = PEN_NEW_N(b->arena, struct pen_yaml *, out->count + 1);
    if (roots == NULL) {
        return fail_at(b, PEN_E_LIMIT, b->root->line, b->root->column, "out of memory");
    }
    for (uint32_t i = 0; i < out->count; i++) {
        roots[i] = out->roots[i];
    }
    roots[out->count++] = b->root;
    out->roots = roots;
    return PEN_OK;
}

static pen_status parse_events(struct builder *b, yaml_parser_t *parser, struct pen_yaml_docs *out)
{
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            const char *problem = parser->problem == NULL ? "no YAML" : parser->problem;
            return fail_at(b, PEN_E_CORRUPT, (uint32_t)parser->problem_mark.line + 1,
                           (uint32_t)parser->problem_mark.column + 1, problem);
        }
        const yaml_event_type_t type = event.type;
        pen_status st = PEN_OK;
        if (type == YAML_DOCUMENT_START_EVENT) {
            b->root = NULL;
            b->anchor_count = 0;
        } else if (type == YAML_DOCUMENT_END_EVENT) {
            st = docs_add(b, out);
        } else {
            st = on_event(b, &event);
        }
        yaml_event_delete(&event);
        if (st != PEN_OK || type == YAML_STREAM_END_EVENT) {
            return st;
        }
    }
}

pen_status pen_yaml_parse(struct pen_arena *arena, pen_slice text,
                          const struct pen_yaml_limits *limits, struct pen_yaml_docs *out,
                          struct pen_err *err)
{
    *out = (struct pen_yaml_docs){0};
    if (limits == NULL) {
        limits = &pen_yaml_limits_default;
    }
    if (text.len > limits->bytes_max) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "1:1: %zu bytes of YAML, %zu at most",
                        text.len, limits->bytes_max);
    }
    struct builder *b = PEN_NEW(arena, struct builder);
    yaml_parser_t parser;
    if (b == NULL || !yaml_parser_initialize(&parser)) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "1:1: out of memory");
    }
    b->arena = arena;
    b->limits = limits;
    b->err = err;
    yaml_parser_set_input_string(&parser, text.len == 0 ? (const uint8_t *)"" : text.ptr, text.len);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    const pen_status st = parse_events(b, &parser, out);
    yaml_parser_delete(&parser);
    return st;
}

const struct pen_yaml *pen_yaml_get(const struct pen_yaml *node, const char *key)
{
    if (node == NULL || node->kind != PEN_YAML_MAP) {
        return NULL;
    }
    const pen_slice wanted = pen_slice_str(key);
    for (const struct pen_yaml *kid = node->child; kid != NULL; kid = kid->next) {
        if (pen_slice_eq(kid->key->text, wanted)) {
            return kid;
        }
    }
    return NULL;
}

pen_slice pen_yaml_text(const struct pen_yaml *node, const char *key)
{
    const struct pen_yaml *kid = pen_yaml_get(node, key);
    return kid == NULL || kid->kind != PEN_YAML_SCALAR ? (pen_slice){0} : kid->text;
}

pen_status pen_yaml_libraries(struct pen_buf *out)
{
    return pen_buf_printf(out, "libyaml %s\n", yaml_get_version_string());
}
