#include "early.h"

#include <stdlib.h>
#include <string.h>

static void object_fini(struct early_object *object)
{
    free(object->folder);
    free(object->name);
    *object = (struct early_object){0};
}

/* Where a new one goes: at the end, in place of the smallest, or nowhere (NULL). */
static struct early_object *place(struct early *early, uint64_t size)
{
    if (early->count < EARLY_MAX) {
        return &early->objects[early->count++];
    }
    struct early_object *least = &early->objects[0];
    for (uint32_t i = 1; i < early->count; i++) {
        if (early->objects[i].size < least->size) {
            least = &early->objects[i];
        }
    }
    return least->size < size ? least : NULL;
}

pen_status early_note(struct early *early, const char *folder, const char *name, uint64_t size)
{
    struct early_object *to = size < EARLY_BYTES_MIN ? NULL : place(early, size);
    if (to == NULL) {
        return PEN_OK;
    }
    object_fini(to);
    *to = (struct early_object){
        .folder = strdup(folder), .name = strdup(name), .size = size, .unit = EARLY_NONE};
    return to->folder == NULL || to->name == NULL ? PEN_E_NOMEM : PEN_OK;
}

static int largest_first(const void *a, const void *b)
{
    const struct early_object *x = a;
    const struct early_object *y = b;
    if (x->size != y->size) {
        return x->size > y->size ? -1 : 1;
    }
    const int order = strcmp(x->folder, y->folder);
    return order != 0 ? order : strcmp(x->name, y->name);
}

void early_settle(struct early *early, uint64_t bytes)
{
    if (early->count == 0) {
        return;
    }
    qsort(early->objects, early->count, sizeof(early->objects[0]), largest_first);
    while (early->count > 0 && early->objects[early->count - 1].size < bytes / EARLY_SHARE) {
        object_fini(&early->objects[--early->count]);
    }
}

bool early_has(const struct early *early, uint32_t unit, const char *name)
{
    for (uint32_t i = 0; i < early->count; i++) {
        const struct early_object *object = &early->objects[i];
        if (object->unit == unit && strcmp(object->name, name) == 0) {
            return true;
        }
    }
    return false;
}

void early_fini(struct early *early)
{
    for (uint32_t i = 0; i < early->count; i++) {
        object_fini(&early->objects[i]);
    }
    *early = (struct early){0};
}
