/* tested by tests/unit/detect/test_documents.c */
#include "rules.h"

/* Maps that are still to be merged into one another. */
struct todo {
    struct pen_yaml *into;
    const struct pen_yaml *over;
    struct todo *next;
};

static struct pen_yaml *copy_node(struct pen_arena *arena, const struct pen_yaml *from,
                                  uint32_t *nodes_left)
{
    if (*nodes_left == 0) {
        return NULL;
    }
    struct pen_yaml *copy = PEN_NEW(arena, struct pen_yaml);
    PEN_CHECK(copy != NULL);
    (*nodes_left)--;
    *copy = *from; /* children are shared until the copy is merged into */
    copy->next = NULL;
    return copy;
}

/* The map gets children of its own. */
static bool own_children(struct pen_arena *arena, struct pen_yaml *map, uint32_t *nodes_left)
{
    struct pen_yaml **last = &map->child;
    for (const struct pen_yaml *kid = map->child; kid != NULL; kid = kid->next) {
        struct pen_yaml *copy = copy_node(arena, kid, nodes_left);
        if (copy == NULL) {
            return false;
        }
        *last = copy;
        last = &copy->next;
    }
    return true;
}

/* The child of that key, or the place behind the last. */
static struct pen_yaml **place_of(struct pen_yaml *map, pen_slice key)
{
    struct pen_yaml **place = &map->child;
    while (*place != NULL && !pen_slice_eq((*place)->key->text, key)) {
        place = &(*place)->next;
    }
    return place;
}

static struct todo *todo_new(struct pen_arena *arena, struct pen_yaml *into,
                             const struct pen_yaml *over, struct todo *next)
{
    struct todo *todo = PEN_NEW(arena, struct todo);
    PEN_CHECK(todo != NULL);
    *todo = (struct todo){into, over, next};
    return todo;
}

struct pen_yaml *rules_merge(struct pen_arena *arena, const struct pen_yaml *base,
                             const struct pen_yaml *over, uint32_t *nodes_left)
{
    struct pen_yaml *root = copy_node(arena, base, nodes_left);
    struct todo *todo = root == NULL ? NULL : todo_new(arena, root, over, NULL);
    while (todo != NULL) {
        struct todo *now = todo;
        todo = now->next;
        if (!own_children(arena, now->into, nodes_left)) {
            return NULL;
        }
        for (const struct pen_yaml *kid = now->over->child; kid != NULL; kid = kid->next) {
            struct pen_yaml **place = place_of(now->into, kid->key->text);
            struct pen_yaml *old = *place;
            if (old != NULL && old->kind == PEN_YAML_MAP && kid->kind == PEN_YAML_MAP) {
                todo = todo_new(arena, old, kid, todo);
                continue;
            }
            struct pen_yaml *copy = copy_node(arena, kid, nodes_left);
            if (copy == NULL) {
                return NULL;
            }
            copy->next = old == NULL ? NULL : old->next;
            now->into->count += old == NULL;
            *place = copy;
        }
    }
    return root;
}
