/* tested by tests/e2e/test_replay.py */
#include "planner.h"

#include "penstock/node.h"

#include "control.h"
#include "folder.h"
#include "spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Late delivery: an object of day D may hold events of the day before, and the reverse. */
#define DAY_SLACK_NS PEN_NS_PER_DAY

struct folder_stack {
    char **paths;
    char **keys;
    uint32_t count, cap;
};

static char *path_join(const char *a, const char *b)
{
    const size_t a_len = strlen(a);
    const size_t b_len = strlen(b);
    const bool has_slash = a_len == 0 || a[a_len - 1] == '/';
    char *joined = malloc(a_len + b_len + 2);
    if (joined == NULL) {
        return NULL;
    }
    memcpy(joined, a, a_len);
    if (!has_slash) {
        joined[a_len] = '/';
    }
    memcpy(joined + a_len + !has_slash, b, b_len);
    joined[a_len + !has_slash + b_len] = '\0';
    return joined;
}

static bool grow(void **items, uint32_t *cap, uint32_t count, size_t size)
{
    if (count < *cap) {
        return true;
    }
    const uint32_t next = *cap == 0 ? 64 : *cap * 2;
    void *bigger = reallocarray(*items, next, size);
    if (bigger == NULL) {
        return false;
    }
    *items = bigger;
    *cap = next;
    return true;
}

static bool stack_push(struct folder_stack *stack, char *path, char *key)
{
    uint32_t cap = stack->cap;
    if (path == NULL || key == NULL ||
        !grow((void **)&stack->paths, &cap, stack->count, sizeof(char *))) {
        free(path);
        free(key);
        return false;
    }
    cap = stack->cap;
    if (!grow((void **)&stack->keys, &cap, stack->count, sizeof(char *))) {
        free(path);
        free(key);
        return false;
    }
    stack->cap = cap;
    stack->paths[stack->count] = path;
    stack->keys[stack->count] = key;
    stack->count++;
    return true;
}

static bool listed(const char *const *names, uint32_t count, pen_slice value)
{
    for (uint32_t i = 0; i < count; i++) {
        if (pen_slice_eq(pen_slice_str(names[i]), value)) {
            return true;
        }
    }
    return false;
}

bool planner_name_wanted(const char *const *yes, uint32_t yes_count, const char *const *no,
                         uint32_t no_count, pen_slice value)
{
    if (value.len == 0) {
        return true; /* the key does not say: the record decides */
    }
    return (yes_count == 0 || listed(yes, yes_count, value)) && !listed(no, no_count, value);
}

/* Whether anything under this key can be wanted. */
bool planner_key_wanted(struct planner *planner, pen_slice key, struct pen_key_info *info)
{
    const struct pen_replay_options *o = planner->options;
    pen_classify_key(planner->classifier, key, info);
    if (info->day_ns != INT64_MIN) {
        if (o->from_ns != INT64_MIN && info->day_ns + PEN_NS_PER_DAY + DAY_SLACK_NS <= o->from_ns) {
            return false;
        }
        if (o->to_ns != INT64_MAX && info->day_ns - DAY_SLACK_NS >= o->to_ns) {
            return false;
        }
    }
    const bool says_type = !pen_slice_eq(info->type->name, PEN_SLICE_LIT("unknown"));
    const pen_slice type = says_type && o->as_type == NULL ? info->type->name : (pen_slice){0};
    return planner_name_wanted(o->accounts, o->account_count, o->not_accounts, o->not_account_count,
                               info->account) &&
           planner_name_wanted(o->regions, o->region_count, o->not_regions, o->not_region_count,
                               info->region) &&
           planner_name_wanted(o->types, o->type_count, o->not_types, o->not_type_count, type);
}

bool planner_ignores(struct planner *planner, const struct pen_key_info *info)
{
    const bool is_ignored = info->is_ignored && planner->options->as_type == NULL;
    planner->ignored += is_ignored;
    return is_ignored;
}

pen_status planner_unit_add(struct planner *planner, char *path, char *key, bool is_file)
{
    if (path == NULL || key == NULL ||
        !grow((void **)&planner->units, &planner->unit_cap, planner->unit_count,
              sizeof(struct unit))) {
        free(path);
        free(key);
        return PEN_E_NOMEM;
    }
    struct pen_key_info info;
    char *folder_key = NULL;
    if (asprintf(&folder_key, "%s%s", key, is_file ? "" : "/") < 0) {
        free(path);
        free(key);
        return PEN_E_NOMEM;
    }
    pen_classify_key(planner->classifier, pen_slice_str(folder_key), &info);
    free(folder_key);
    planner->units[planner->unit_count++] = (struct unit){
        .path = path, .name = path, .key = key, .day_ns = info.day_ns, .is_file = is_file};
    return PEN_OK;
}

struct open_folder {
    const char *path, *key;
    int fd;
    uint64_t files;
};

static pen_status folder_entry(struct planner *planner, struct folder_stack *stack,
                               struct open_folder *folder, const struct dirent *entry)
{
    struct stat st;
    switch (names_entry_type(folder->fd, entry)) {
    case DT_DIR: {
        if (fstatat(folder->fd, entry->d_name, &st, 0) == 0 && st.st_dev == planner->out_dev &&
            st.st_ino == planner->out_ino) {
            return PEN_OK; /* our own output */
        }
        if (folder_is_output(folder->fd, entry->d_name)) {
            words("penstock: %s/%s is left out: it is what a run of penstock left\n", folder->path,
                  entry->d_name);
            return PEN_OK;
        }
        return stack_push(stack, path_join(folder->path, entry->d_name),
                          path_join(folder->key, entry->d_name))
                   ? PEN_OK
                   : PEN_E_NOMEM;
    }
    case DT_REG:
        folder->files++;
        if (fstatat(folder->fd, entry->d_name, &st, 0) == 0) {
            planner->bytes += (uint64_t)st.st_size;
            return early_note(&planner->early, folder->path, entry->d_name, (uint64_t)st.st_size);
        }
        return PEN_OK;
    default:
        planner->skipped++;
        return PEN_OK;
    }
}

/* Reads one folder: its sub-folders go onto the stack; it becomes a unit when it holds files. */
static pen_status folder_read(struct planner *planner, struct folder_stack *stack, char *path,
                              char *key, struct pen_err *err)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return PEN_FAIL(err, errno == EACCES ? PEN_E_DENIED : PEN_E_NOT_FOUND, PEN_NO_OFFSET,
                        "%s: %s", path, strerrordesc_np(errno));
    }
    struct open_folder folder = {.path = path, .key = key, .fd = dirfd(dir)};
    pen_status st = PEN_OK;
    for (;;) {
        const struct dirent *entry = readdir(dir); // NOLINT(concurrency-mt-unsafe): own DIR
        if (entry == NULL || st != PEN_OK) {
            break;
        }
        if (is_interrupted()) {
            st = PEN_E_STOPPED;
        } else if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            st = folder_entry(planner, stack, &folder, entry);
        }
    }
    (void)closedir(dir);
    planner->files += folder.files;
    if (st == PEN_OK && folder.files > 0) {
        st = planner_unit_add(planner, strdup(path), strdup(key), false);
    }
    if (st == PEN_E_STOPPED) {
        return PEN_FAIL(err, st, PEN_NO_OFFSET, "stopped while folders were listed");
    }
    return st == PEN_OK ? PEN_OK
                        : PEN_FAIL(err, st, PEN_NO_OFFSET, "%s: out of memory for the plan", path);
}

/* What came through standard input: a file each (spool.h), whose keys say nothing. */
static pen_status spool_walk(struct planner *planner, struct pen_err *err)
{
    char folder[PATH_MAX];
    spool_dir(planner->options->out_dir, folder, sizeof(folder));
    char *real = realpath(folder, NULL);
    DIR *dir = real == NULL ? NULL : opendir(real);
    if (dir == NULL) {
        free(real);
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "standard input cannot be listed");
    }
    pen_status st = PEN_OK;
    for (;;) {
        const struct dirent *entry = readdir(dir); // NOLINT(concurrency-mt-unsafe): own DIR
        struct stat info;
        if (entry == NULL || st != PEN_OK) {
            break;
        }
        if (fstatat(dirfd(dir), entry->d_name, &info, 0) == 0 && S_ISREG(info.st_mode)) {
            planner->files++;
            planner->bytes += (uint64_t)info.st_size;
            st = planner_unit_add(planner, path_join(real, entry->d_name), strdup(SPOOL_SOURCE),
                                  true);
        }
    }
    (void)closedir(dir);
    free(real);
    return st == PEN_OK ? PEN_OK : PEN_FAIL(err, st, PEN_NO_OFFSET, "plan: out of memory");
}

static pen_status source_walk(struct planner *planner, uint32_t which, planner_gap_fn *on_gap,
                              void *ctx, struct pen_err *err)
{
    const char *source = planner->options->sources[which];
    struct stat st;
    if (strcmp(source, SPOOL_SOURCE) == 0) {
        return spool_walk(planner, err);
    }
    if (bucket_is_source(source)) {
        return planner_bucket_walk(planner, which, on_gap, ctx, err);
    }
    char *real = realpath(source, NULL);
    if (real == NULL || stat(real, &st) != 0) {
        free(real);
        return PEN_FAIL(err, PEN_E_NOT_FOUND, PEN_NO_OFFSET, "%s: %s", source,
                        strerrordesc_np(errno));
    }
    if (!S_ISDIR(st.st_mode)) {
        planner->files++;
        planner->bytes += (uint64_t)st.st_size;
        const char *name = strrchr(real, '/');
        if (early_note(&planner->early, real, "", (uint64_t)st.st_size) != PEN_OK) {
            free(real);
            return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "%s: out of memory", source);
        }
        return planner_unit_add(planner, real, strdup(name == NULL ? real : name + 1), true);
    }
    struct folder_stack stack = {0};
    pen_status got = stack_push(&stack, real, strdup("")) ? PEN_OK : PEN_E_NOMEM;
    while (got == PEN_OK && stack.count > 0) {
        stack.count--;
        char *path = stack.paths[stack.count];
        char *key = stack.keys[stack.count];
        got = folder_read(planner, &stack, path, key, err);
        if (got == PEN_E_DENIED || got == PEN_E_NOT_FOUND) {
            planner->folders_unreadable++;
            on_gap(ctx, path, err);
            got = PEN_OK;
        }
        free(path);
        free(key);
    }
    while (stack.count > 0) {
        stack.count--;
        free(stack.paths[stack.count]);
        free(stack.keys[stack.count]);
    }
    free(stack.paths);
    free(stack.keys);
    return got;
}

static int unit_order(const void *a, const void *b)
{
    const struct unit *x = a;
    const struct unit *y = b;
    if (x->day_ns != y->day_ns) {
        return x->day_ns < y->day_ns ? -1 : 1;
    }
    return strcmp(x->path, y->path);
}

/* Those without a day stay first: what they hold up is held up least. */
static void newest_first(struct planner *planner)
{
    uint32_t low = 0;
    while (low < planner->unit_count && planner->units[low].day_ns == INT64_MIN) {
        low++;
    }
    for (uint32_t high = planner->unit_count; low + 1 < high; low++) {
        const struct unit swap = planner->units[low];
        planner->units[low] = planner->units[--high];
        planner->units[high] = swap;
    }
}

pen_status planner_init(struct planner *planner, const struct pen_replay_options *options,
                        const struct pen_types *types, planner_gap_fn *on_gap, void *ctx,
                        struct pen_err *err)
{
    *planner = (struct planner){.options = options};
    struct stat st;
    if (stat(options->out_dir, &st) == 0) {
        planner->out_dev = st.st_dev;
        planner->out_ino = st.st_ino;
    }
    PEN_TRY(pen_classifier_new(types, &planner->classifier, err));
    for (uint32_t i = 0; i < options->source_count; i++) {
        PEN_TRY(source_walk(planner, i, on_gap, ctx, err));
    }
    for (uint32_t i = 0; planner->bucket_count > 0 && i < planner->unit_count; i++) {
        if (planner->units[i].bucket == 0) {
            return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                            "sources in S3 and on disk cannot be read in one run");
        }
    }
    if (planner->unit_count > 0) {
        qsort(planner->units, planner->unit_count, sizeof(struct unit), unit_order);
    }
    if (options->newest_first) {
        newest_first(planner);
    }
    return PEN_OK;
}

void object_free(struct pen_object *object)
{
    if (object != NULL) {
        free(object->path);
        free(object->key);
        free(object->etag);
        free(object->before);
        free(object);
    }
}

bool planner_list_room(struct object_list *list)
{
    return grow((void **)&list->items, &list->cap, list->count, sizeof(struct pen_object *));
}

/* Size and time of a listed object; a file that is gone is read all the same and then fails by
 * name. */
static void object_stat(struct pen_object *object)
{
    struct stat st;
    if (stat(object->path, &st) == 0) {
        object->size = (uint64_t)st.st_size;
        object->mtime_ns = (int64_t)st.st_mtim.tv_sec * PEN_NS_PER_S + st.st_mtim.tv_nsec;
    }
}

/* Takes path and key. */
static pen_status object_add(struct planner *planner, struct object_list *list, char *path,
                             char *key, const char *name, uint32_t unit)
{
    struct pen_key_info info;
    if (path != NULL && key != NULL &&
        (!planner_key_wanted(planner, pen_slice_str(key), &info) ||
         planner_ignores(planner, &info))) {
        list->pruned++;
        free(path);
        free(key);
        return PEN_OK;
    }
    struct pen_object *object = calloc(1, sizeof(*object));
    if (object == NULL || path == NULL || key == NULL ||
        !grow((void **)&list->items, &list->cap, list->count, sizeof(struct pen_object *))) {
        free(path);
        free(key);
        free(object);
        return PEN_E_NOMEM;
    }
    *object = (struct pen_object){
        .path = path, .key = key, .unit = unit, .name_hash = pen_hash64(pen_slice_str(name), 0)};
    object_stat(object);
    list->items[list->count++] = object;
    return PEN_OK;
}

static pen_status folder_list(struct planner *planner, uint32_t unit, uint32_t room,
                              struct object_list *list, bool *is_done, struct pen_err *err)
{
    const struct unit *folder = &planner->units[unit];
    const char *name = NULL;
    *is_done = false;
    for (uint32_t i = 0; i < room; i++) {
        /* A file takes a call to the kernel, and storage far away answers slowly. */
        if (is_interrupted()) {
            return PEN_OK;
        }
        const pen_status st = names_next(&planner->names, folder->path, &name, err);
        if (st != PEN_OK) {
            *is_done = st != PEN_E_STOPPED;
            return *is_done ? st : PEN_OK;
        }
        if (name == NULL) {
            break;
        }
        if (planner->early.is_out && early_has(&planner->early, unit, name)) {
            continue;
        }
        if (object_add(planner, list, path_join(folder->path, name), path_join(folder->key, name),
                       name, unit) != PEN_OK) {
            *is_done = true;
            return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "%s: out of memory", folder->path);
        }
    }
    *is_done = !names_left(&planner->names);
    return PEN_OK;
}

pen_status planner_list(struct planner *planner, uint32_t unit, uint32_t room,
                        struct object_list *list, bool *is_done, struct pen_err *err)
{
    const struct unit *of = &planner->units[unit];
    PEN_CHECK(room > 0);
    if (of->bucket != 0) {
        return planner_bucket_list(planner, unit, room, list, is_done, err);
    }
    *is_done = true;
    if (of->is_file && planner->early.is_out && early_has(&planner->early, unit, "")) {
        return PEN_OK;
    }
    if (of->is_file) {
        return object_add(planner, list, strdup(of->path), strdup(of->key), of->key, unit) == PEN_OK
                   ? PEN_OK
                   : PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "%s: out of memory", of->path);
    }
    const pen_status st = folder_list(planner, unit, room, list, is_done, err);
    if (st == PEN_OK && !*is_done) {
        return PEN_OK;
    }
    names_close(&planner->names);
    return st;
}

/* The unit of a path; of two sources that overlap the one that has not given this object yet. */
static uint32_t early_unit(const struct planner *planner, const struct early_object *object)
{
    for (uint32_t i = 0; i < planner->unit_count; i++) {
        const struct unit *unit = &planner->units[i];
        if (strcmp(unit->path, object->folder) == 0 && unit->is_file == (object->name[0] == '\0') &&
            !early_has(&planner->early, i, object->name)) {
            return i;
        }
    }
    return EARLY_NONE;
}

pen_status planner_early(struct planner *planner, struct object_list *list, struct pen_err *err)
{
    struct early *early = &planner->early;
    PEN_CHECK(!early->is_out);
    early->is_out = true;
    early_settle(early, planner->bytes);
    for (uint32_t i = 0; i < early->count; i++) {
        struct early_object *object = &early->objects[i];
        object->unit = early_unit(planner, object);
        PEN_CHECK(object->unit != EARLY_NONE);
        const struct unit *unit = &planner->units[object->unit];
        const char *name = unit->is_file ? unit->key : object->name;
        char *path = unit->is_file ? strdup(unit->path) : path_join(unit->path, name);
        char *key = unit->is_file ? strdup(unit->key) : path_join(unit->key, name);
        if (object_add(planner, list, path, key, name, object->unit) != PEN_OK) {
            return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "%s: out of memory", unit->path);
        }
    }
    return PEN_OK;
}

void planner_fini(struct planner *planner)
{
    early_fini(&planner->early);
    for (uint32_t i = 0; i < planner->unit_count; i++) {
        if (planner->units[i].name != planner->units[i].path) {
            free(planner->units[i].name);
        }
        free(planner->units[i].path);
        free(planner->units[i].key);
    }
    free(planner->units);
    for (uint32_t i = 0; i < planner->bucket_count; i++) {
        bucket_close(planner->buckets[i]);
    }
    free(planner->buckets);
    names_close(&planner->names);
    pen_classifier_free(planner->classifier);
    *planner = (struct planner){0};
}
