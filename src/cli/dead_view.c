/* tested by tests/e2e/test_dead_letters.py */
#include "dead_view.h"

#include "penstock/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES_MAX ((size_t)1 << 30)
#define LINE_BYTES_MAX ((size_t)16 << 20)
#define SLOTS_FIRST 1024U

struct dead_group {
    struct pen_hash128 hash;
    pen_slice stage, status, reason, object, type, time; /* time: of the first */
    uint64_t count, first;
    bool is_taken_back;
};

void dead_view_init(struct dead_view *view, struct screen *screen)
{
    *view = (struct dead_view){.screen = screen};
    pen_buf_init(&view->line, LINE_BYTES_MAX);
    pen_arena_init(&view->arena, ARENA_BYTES_MAX);
}

void dead_view_fini(struct dead_view *view)
{
    pen_buf_fini(&view->line);
    pen_arena_fini(&view->arena);
    free(view->slots);
}

/* ---- groups ---- */

static bool is_wanted(const struct dead_filter *filter, const struct pen_dead_letter *letter)
{
    return (filter->with_taken_back || !letter->is_taken_back) &&
           (filter->stage == NULL || pen_slice_eq(letter->stage, pen_slice_str(filter->stage))) &&
           (filter->status == NULL ||
            pen_slice_eq_nocase(letter->status, pen_slice_str(filter->status)));
}

static struct dead_group **slot_of(struct dead_group **slots, uint64_t count,
                                   struct pen_hash128 hash)
{
    uint64_t at = hash.lo & (count - 1);
    while (slots[at] != NULL && (slots[at]->hash.lo != hash.lo || slots[at]->hash.hi != hash.hi)) {
        at = (at + 1) & (count - 1);
    }
    return &slots[at];
}

static bool slots_grow(struct dead_view *view)
{
    if (view->group_count * 2 < view->slot_count) {
        return true;
    }
    const uint64_t count = view->slot_count == 0 ? SLOTS_FIRST : view->slot_count * 2;
    struct dead_group **slots = calloc(count, sizeof(struct dead_group *));
    if (slots == NULL) {
        return false;
    }
    for (uint64_t i = 0; i < view->slot_count; i++) {
        if (view->slots[i] != NULL) {
            *slot_of(slots, count, view->slots[i]->hash) = view->slots[i];
        }
    }
    free(view->slots);
    view->slots = slots;
    view->slot_count = count;
    return true;
}

static pen_status hash_of(struct dead_view *view, const struct pen_dead_letter *letter,
                          struct pen_hash128 *hash)
{
    const pen_slice parts[] = {letter->stage, letter->status, letter->reason, letter->object};
    view->line.len = 0;
    for (size_t i = 0; i < PEN_COUNT(parts); i++) {
        PEN_TRY(pen_buf_add(&view->line, parts[i]));
        PEN_TRY(pen_buf_add_byte(&view->line, '\0'));
    }
    PEN_TRY(pen_buf_add_byte(&view->line, letter->is_taken_back ? 1 : 0));
    *hash = pen_hash128(pen_buf_slice(&view->line), 0);
    return PEN_OK;
}

static struct dead_group *group_new(struct dead_view *view, const struct pen_dead_letter *letter)
{
    struct dead_group *group = PEN_NEW(&view->arena, struct dead_group);
    if (group == NULL) {
        return NULL;
    }
    *group = (struct dead_group){.stage = pen_arena_dup(&view->arena, letter->stage),
                                 .status = pen_arena_dup(&view->arena, letter->status),
                                 .reason = pen_arena_dup(&view->arena, letter->reason),
                                 .object = pen_arena_dup(&view->arena, letter->object),
                                 .type = pen_arena_dup(&view->arena, letter->type),
                                 .time = pen_arena_dup(&view->arena, letter->time),
                                 .first = letter->number,
                                 .is_taken_back = letter->is_taken_back};
    return group->time.ptr == NULL ? NULL
                                   : group; /* the last one: an arena that is full stays so */
}

pen_status dead_view_group(void *ctx, const struct pen_dead_letter *letter)
{
    struct dead_view *view = ctx;
    struct pen_hash128 hash;
    if (!is_wanted(&view->filter, letter)) {
        return PEN_OK;
    }
    PEN_TRY(hash_of(view, letter, &hash));
    if (!slots_grow(view)) {
        return PEN_E_NOMEM;
    }
    struct dead_group **slot = slot_of(view->slots, view->slot_count, hash);
    if (*slot == NULL) {
        *slot = group_new(view, letter);
        if (*slot == NULL) {
            return PEN_E_LIMIT;
        }
        (*slot)->hash = hash;
        view->group_count++;
    }
    (*slot)->count++;
    view->letter_count++;
    return PEN_OK;
}

static int group_order(const void *a, const void *b)
{
    const struct dead_group *x = *(struct dead_group *const *)a;
    const struct dead_group *y = *(struct dead_group *const *)b;
    const pen_slice xs[] = {x->stage, x->status, x->reason, x->object};
    const pen_slice ys[] = {y->stage, y->status, y->reason, y->object};
    for (size_t i = 0; i < PEN_COUNT(xs); i++) {
        const int order = pen_slice_cmp(xs[i], ys[i]);
        if (order != 0) {
            return order;
        }
    }
    return x->first < y->first ? -1 : x->first > y->first;
}

/* ---- printing ---- */

struct text_member {
    const char *name;
    pen_slice text;
};
static pen_status members(struct pen_buf *out, const struct text_member *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        PEN_TRY(pen_buf_printf(out, ",\"%s\":\"", items[i].name));
        PEN_TRY(pen_json_escape(out, items[i].text));
        PEN_TRY(pen_buf_add_byte(out, '"'));
    }
    return PEN_OK;
}

static pen_status line_put(struct dead_view *view)
{
    PEN_TRY(pen_buf_add_byte(&view->line, '\n'));
    (void)fwrite(view->line.ptr, 1, view->line.len, stdout); /* screen_end tells of a failure */
    return PEN_OK;
}

static pen_status group_json(struct dead_view *view, const struct dead_group *g)
{
    struct pen_buf *out = &view->line;
    const struct text_member texts[] = {{"stage", g->stage},   {"status", g->status},
                                        {"reason", g->reason}, {"object", g->object},
                                        {"type", g->type},     {"time", g->time}};
    out->len = 0;
    PEN_TRY(pen_buf_printf(out, "{\"count\":%" PRIu64 ",\"first\":%" PRIu64, g->count, g->first));
    PEN_TRY(members(out, texts, PEN_COUNT(texts)));
    PEN_TRY(pen_buf_printf(out, ",\"retried\":%s}", g->is_taken_back ? "true" : "false"));
    return line_put(view);
}

static void group_lines(struct dead_view *view, const struct dead_group *g)
{
    struct screen *s = view->screen;
    char number[32];
    (void)snprintf(number, sizeof(number), "%" PRIu64, g->first);
    (void)printf("%7" PRIu64 "  ", g->count);
    screen_cell(s, g->stage, 8, STYLE_YELLOW);
    (void)fputs("  ", stdout);
    screen_cell(s, g->status, 14, STYLE_PLAIN);
    (void)fputs("  ", stdout);
    screen_cell(s, pen_slice_str(number), 7, STYLE_FAINT);
    (void)fputs("  ", stdout);
    screen_text(s, g->object, STYLE_PLAIN);
    (void)fputs("\n         ", stdout);
    screen_text(s, g->reason, STYLE_FAINT);
    (void)puts(g->is_taken_back ? " (read again since)" : "");
}

pen_status dead_view_list(struct dead_view *view)
{
    struct dead_group **groups = calloc(view->group_count + 1, sizeof(struct dead_group *));
    uint64_t count = 0;
    if (groups == NULL) {
        return PEN_E_NOMEM;
    }
    for (uint64_t i = 0; i < view->slot_count; i++) {
        if (view->slots[i] != NULL) {
            groups[count++] = view->slots[i];
        }
    }
    qsort(groups, count, sizeof(struct dead_group *), group_order);
    if (!view->json && count > 0) {
        (void)puts("  COUNT  STAGE     STATUS          FIRST    OBJECT, REASON");
    }
    pen_status st = PEN_OK;
    for (uint64_t i = 0; st == PEN_OK && i < count; i++) {
        if (view->json) {
            st = group_json(view, groups[i]);
        } else {
            group_lines(view, groups[i]);
        }
    }
    free(groups);
    return st;
}

/* ---- one letter ---- */

static bool is_asked(const struct dead_filter *filter, const struct pen_dead_letter *letter)
{
    for (uint32_t i = 0; i < filter->object_count; i++) {
        uint64_t number = 0;
        if (pen_parse_u64(pen_slice_str(filter->objects[i]), &number) && number == letter->number) {
            return true;
        }
    }
    return pen_object_named(filter->objects, filter->object_count, letter->object);
}

static pen_status letter_json(struct dead_view *view, const struct pen_dead_letter *l)
{
    struct pen_buf *out = &view->line;
    const struct text_member texts[] = {
        {"object", l->object}, {"type", l->type}, {"stage", l->stage},    {"status", l->status},
        {"reason", l->reason}, {"time", l->time}, {"excerpt", l->excerpt}};
    out->len = 0;
    PEN_TRY(pen_buf_printf(out,
                           "{\"number\":%" PRIu64 ",\"record\":%" PRIu64 ",\"offset\":%" PRIu64,
                           l->number, l->record, l->offset));
    PEN_TRY(members(out, texts, PEN_COUNT(texts)));
    PEN_TRY(pen_buf_printf(out, ",\"retried\":%s}", l->is_taken_back ? "true" : "false"));
    return line_put(view);
}

static void letter_row(struct dead_view *view, const char *name, pen_slice text)
{
    (void)printf("  %-8s  ", name);
    screen_text(view->screen, text, STYLE_PLAIN);
    (void)putchar('\n');
}

static void letter_lines(struct dead_view *view, const struct pen_dead_letter *l)
{
    (void)printf("%sdead letter %" PRIu64 "%s\n", view->shown == 1 ? "" : "\n", l->number,
                 l->is_taken_back ? ", read again since" : "");
    letter_row(view, "object", l->object);
    letter_row(view, "type", l->type);
    (void)printf("  %-8s  %" PRIu64 ", at byte %" PRIu64 "\n", "record", l->record, l->offset);
    letter_row(view, "stage", l->stage);
    letter_row(view, "status", l->status);
    letter_row(view, "reason", l->reason);
    letter_row(view, "time", l->time);
    letter_row(view, "excerpt", l->excerpt);
}

pen_status dead_view_show(void *ctx, const struct pen_dead_letter *letter)
{
    struct dead_view *view = ctx;
    if (!is_asked(&view->filter, letter)) {
        return PEN_OK;
    }
    view->shown++;
    if (view->json) {
        return letter_json(view, letter);
    }
    letter_lines(view, letter);
    return PEN_OK;
}
