#include "ledger.h"

#include "penstock/node.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_BYTES_MAX 128U

struct total_row {
    const char *name;
    size_t offset;
};
#define ROW(field)                                 \
    {                                              \
#        field, offsetof(struct pen_totals, field) \
    }
static const struct total_row total_rows[] = {
    ROW(objects_listed),     ROW(objects_pruned),    ROW(objects_read),       ROW(objects_empty),
    ROW(objects_damaged),    ROW(objects_unknown),   ROW(objects_unreadable), ROW(objects_digest),
    ROW(objects_by_content), ROW(bytes_read),        ROW(bytes_plain),        ROW(bytes_shipped),
    ROW(records_in),         ROW(records_delivered), ROW(records_duplicate),  ROW(records_excluded),
    ROW(records_filtered),   ROW(records_dead),      ROW(records_held),       ROW(records_refused),
    ROW(records_unparsed),   ROW(matches),           ROW(observations),       ROW(ioc_records),
    ROW(ioc_matches),        ROW(groups_cut),        ROW(values_cut),         ROW(ioc_cut)};

static uint64_t *total_at(struct pen_totals *totals, const struct total_row *row)
{
    return (uint64_t *)(void *)((uint8_t *)totals + row->offset);
}

static uint64_t total_of(const struct pen_totals *totals, const struct total_row *row)
{
    uint64_t value;
    memcpy(&value, (const uint8_t *)totals + row->offset, sizeof(value));
    return value;
}

void ledger_init(struct ledger *ledger)
{
    *ledger = (struct ledger){0};
    pen_buf_init(&ledger->dead, SIZE_MAX);
}

static void lists_clear(struct ledger *ledger)
{
    for (uint32_t i = 0; i < ledger->finished_count; i++) {
        free(ledger->finished[i].path);
    }
    ledger->finished_count = 0;
    for (uint32_t i = 0; i < ledger->ended_count; i++) {
        free(ledger->ended[i].path);
        free(ledger->ended[i].key);
        free(ledger->ended[i].others);
    }
    ledger->ended_count = 0;
}

void ledger_fini(struct ledger *ledger)
{
    pen_buf_fini(&ledger->dead);
    lists_clear(ledger);
    free(ledger->finished);
    free(ledger->ended);
    *ledger = (struct ledger){0};
}

void ledger_clear(struct ledger *ledger)
{
    lists_clear(ledger);
    struct pen_buf dead = ledger->dead;
    struct finished_object *finished = ledger->finished;
    const uint32_t cap = ledger->finished_cap;
    struct ended_object *ended = ledger->ended;
    const uint32_t ended_cap = ledger->ended_cap;
    dead.len = 0;
    *ledger = (struct ledger){.dead = dead,
                              .finished = finished,
                              .finished_cap = cap,
                              .ended = ended,
                              .ended_cap = ended_cap};
}

void ledger_finished(struct ledger *ledger, const struct pen_object *object)
{
    if (ledger->finished_count == ledger->finished_cap) {
        const uint32_t cap = ledger->finished_cap == 0 ? 256 : ledger->finished_cap * 2;
        struct finished_object *bigger =
            reallocarray(ledger->finished, cap, sizeof(*ledger->finished));
        PEN_CHECK(bigger != NULL);
        ledger->finished = bigger;
        ledger->finished_cap = cap;
    }
    char *path = object->skip_records > 0 ? strdup(object->path) : NULL;
    PEN_CHECK(path != NULL || object->skip_records == 0);
    ledger->finished[ledger->finished_count++] = (struct finished_object){
        .unit = object->unit, .name_hash = object->name_hash, .path = path};
}

void ledger_ended(struct ledger *ledger, const struct pen_object *object,
                  const struct ended_object *ended)
{
    if (ledger->ended_count == ledger->ended_cap) {
        const uint32_t cap = ledger->ended_cap == 0 ? 64 : ledger->ended_cap * 2;
        struct ended_object *bigger = reallocarray(ledger->ended, cap, sizeof(*ledger->ended));
        PEN_CHECK(bigger != NULL);
        ledger->ended = bigger;
        ledger->ended_cap = cap;
    }
    struct ended_object *one = &ledger->ended[ledger->ended_count++];
    *one = *ended;
    one->name_hash = object->name_hash;
    one->path = strdup(object->path);
    one->key = strdup(object->key);
    one->others = ended->others == NULL ? NULL : other_types_copy(ended->others);
    PEN_CHECK(one->path != NULL && one->key != NULL);
}

struct other_type *other_type_of(struct other_types *others, uint32_t type)
{
    uint32_t at = 0;
    while (at < others->count && others->rows[at].type != type) {
        at++;
    }
    if (at == OTHER_TYPES_MAX) {
        return NULL;
    }
    if (at == others->count) {
        others->rows[others->count++] = (struct other_type){.type = type};
    }
    return &others->rows[at];
}

struct other_types *other_types_copy(const struct other_types *others)
{
    if (others->count == 0) {
        return NULL;
    }
    struct other_types *copy = malloc(sizeof(*copy));
    PEN_CHECK(copy != NULL);
    *copy = *others;
    return copy;
}

static uint32_t type_at(const struct ledger *ledger, pen_slice name)
{
    uint32_t at = 0;
    while (at < ledger->type_count &&
           !pen_slice_eq(name, pen_slice_str(ledger->by_type[at].name))) {
        at++;
    }
    return at;
}

const struct pen_type_totals *ledger_type_of(const struct ledger *ledger, pen_slice name)
{
    const uint32_t at = type_at(ledger, name);
    return at < ledger->type_count ? &ledger->by_type[at] : NULL;
}

void ledger_type(struct ledger *ledger, const struct pen_type_totals *type)
{
    uint32_t at = type_at(ledger, pen_slice_str(type->name));
    if (at ==
        PEN_COUNT(ledger->by_type)) { /* loaded now and in earlier runs: the rest in one row */
        at--;
        (void)snprintf(ledger->by_type[at].name, sizeof(type->name), "other");
    } else if (at == ledger->type_count) {
        memcpy(ledger->by_type[at].name, type->name, sizeof(type->name));
        ledger->type_count++;
    }
    ledger->by_type[at].objects += type->objects;
    ledger->by_type[at].records += type->records;
    ledger->by_type[at].dead += type->dead;
    ledger->by_type[at].unparsed += type->unparsed;
}

static void gap_add(struct ledger *ledger, const struct pen_gap *gap)
{
    for (uint32_t i = 0; i < ledger->gap_count; i++) {
        struct pen_gap *known = &ledger->gaps[i];
        if (strcmp(known->cause, gap->cause) == 0 && strcmp(known->account, gap->account) == 0) {
            known->count += gap->count;
            return;
        }
    }
    if (ledger->gap_count == PEN_COUNT(ledger->gaps)) {
        ledger->gaps[PEN_COUNT(ledger->gaps) - 1].count += gap->count; /* the rest in one row */
        (void)snprintf(ledger->gaps[PEN_COUNT(ledger->gaps) - 1].cause, sizeof(gap->cause),
                       "other");
        return;
    }
    ledger->gaps[ledger->gap_count++] = *gap;
}

void ledger_gap(struct ledger *ledger, const char *cause, pen_slice account, uint64_t count)
{
    struct pen_gap gap = {.count = count};
    (void)snprintf(gap.cause, sizeof(gap.cause), "%s", cause);
    (void)snprintf(gap.account, sizeof(gap.account), "%.*s", PEN_SLICE_FMT(account));
    gap_add(ledger, &gap);
}

void times_merge(int64_t *first_ns, int64_t *last_ns, int64_t first, int64_t last)
{
    if (last == 0) {
        return;
    }
    if (*first_ns == 0 || first < *first_ns) {
        *first_ns = first;
    }
    if (last > *last_ns) {
        *last_ns = last;
    }
}

void totals_merge(struct pen_totals *to, const struct pen_totals *from)
{
    for (size_t i = 0; i < PEN_COUNT(total_rows); i++) {
        *total_at(to, &total_rows[i]) += total_of(from, &total_rows[i]);
    }
    times_merge(&to->time_first_ns, &to->time_last_ns, from->time_first_ns, from->time_last_ns);
}

void ledger_merge(struct ledger *to, const struct ledger *from)
{
    totals_merge(&to->totals, &from->totals);
    times_merge(&to->sound_first_ns, &to->sound_last_ns, from->sound_first_ns, from->sound_last_ns);
    for (uint32_t i = 0; i < from->type_count; i++) {
        ledger_type(to, &from->by_type[i]);
    }
    for (uint32_t i = 0; i < from->gap_count; i++) {
        gap_add(to, &from->gaps[i]);
    }
}

static uint64_t less(uint64_t from, uint64_t what)
{
    return from > what ? from - what : 0;
}

static void gap_remove(struct ledger *ledger, const struct pen_gap *gap)
{
    for (uint32_t i = 0; i < ledger->gap_count; i++) {
        struct pen_gap *known = &ledger->gaps[i];
        if (strcmp(known->cause, gap->cause) == 0 && strcmp(known->account, gap->account) == 0) {
            known->count = less(known->count, gap->count);
            if (known->count == 0) {
                *known = ledger->gaps[--ledger->gap_count];
            }
            return;
        }
    }
}

void ledger_subtract(struct ledger *to, const struct ledger *from)
{
    /* Which documents a cluster had already is counted of all, not of an object: there they are
     * delivered. */
    const uint64_t duplicates = less(from->totals.records_delivered, to->totals.records_delivered);
    for (size_t i = 0; i < PEN_COUNT(total_rows); i++) {
        uint64_t *value = total_at(&to->totals, &total_rows[i]);
        if (value != &to->totals.bytes_shipped) {
            *value = less(*value, total_of(&from->totals, &total_rows[i]));
        }
    }
    to->totals.records_duplicate = less(to->totals.records_duplicate, duplicates);
    for (uint32_t i = 0; i < from->type_count; i++) {
        const struct pen_type_totals *what = &from->by_type[i];
        const uint32_t at = type_at(to, pen_slice_str(what->name));
        if (at < to->type_count) {
            struct pen_type_totals *type = &to->by_type[at];
            type->objects = less(type->objects, what->objects);
            type->records = less(type->records, what->records);
            type->dead = less(type->dead, what->dead);
            type->unparsed = less(type->unparsed, what->unparsed);
        }
    }
    for (uint32_t i = 0; i < from->gap_count; i++) {
        gap_remove(to, &from->gaps[i]);
    }
}

/* ---- as text: a line a counter ---- */

static pen_status totals_write(const struct ledger *ledger, struct pen_buf *out)
{
    for (size_t i = 0; i < PEN_COUNT(total_rows); i++) {
        PEN_TRY(pen_buf_printf(out, "%s %" PRIu64 "\n", total_rows[i].name,
                               total_of(&ledger->totals, &total_rows[i])));
    }
    PEN_TRY(pen_buf_printf(out, "time %" PRId64 " %" PRId64 "\n", ledger->totals.time_first_ns,
                           ledger->totals.time_last_ns));
    return pen_buf_printf(out, "sound %" PRId64 " %" PRId64 "\n", ledger->sound_first_ns,
                          ledger->sound_last_ns);
}

static pen_status types_write(const struct ledger *ledger, struct pen_buf *out)
{
    for (uint32_t i = 0; i < ledger->type_count; i++) {
        const struct pen_type_totals *type = &ledger->by_type[i];
        PEN_TRY(pen_buf_printf(out, "type %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
                               type->name, type->objects, type->records, type->dead,
                               type->unparsed));
    }
    return PEN_OK;
}

static pen_status gaps_write(const struct ledger *ledger, struct pen_buf *out)
{
    for (uint32_t i = 0; i < ledger->gap_count; i++) {
        const struct pen_gap *gap = &ledger->gaps[i];
        PEN_TRY(pen_buf_printf(out, "gap %s %s %" PRIu64 "\n", gap->cause,
                               gap->account[0] == '\0' ? "-" : gap->account, gap->count));
    }
    return PEN_OK;
}

pen_status ledger_write(const struct ledger *ledger, struct pen_buf *out)
{
    PEN_TRY(totals_write(ledger, out));
    PEN_TRY(types_write(ledger, out));
    PEN_TRY(gaps_write(ledger, out));
    return pen_buf_add_byte(out, '\0');
}

static pen_slice word_take(pen_slice *line)
{
    pen_slice word = {0};
    (void)pen_slice_split(line, ' ', &word);
    return word;
}

static bool range_read(pen_slice words, int64_t *first_ns, int64_t *last_ns)
{
    return pen_parse_i64(word_take(&words), first_ns) && pen_parse_i64(word_take(&words), last_ns);
}

static bool type_read(struct ledger *ledger, pen_slice words)
{
    struct pen_type_totals type = {0};
    const pen_slice name = word_take(&words);
    if (name.len == 0 || name.len >= sizeof(type.name) ||
        !pen_parse_u64(word_take(&words), &type.objects) ||
        !pen_parse_u64(word_take(&words), &type.records) ||
        !pen_parse_u64(word_take(&words), &type.dead)) {
        return false;
    }
    if (words.len > 0 && !pen_parse_u64(word_take(&words), &type.unparsed)) { /* once not there */
        return false;
    }
    memcpy(type.name, name.ptr, name.len);
    ledger_type(ledger, &type);
    return true;
}

static bool gap_read(struct ledger *ledger, pen_slice words)
{
    struct pen_gap gap = {0};
    const pen_slice cause = word_take(&words);
    const pen_slice account = word_take(&words);
    if (cause.len == 0 || cause.len >= sizeof(gap.cause) || account.len == 0 ||
        account.len >= sizeof(gap.account) || !pen_parse_u64(word_take(&words), &gap.count)) {
        return false;
    }
    memcpy(gap.cause, cause.ptr, cause.len);
    if (!pen_slice_eq(account, PEN_SLICE_LIT("-"))) {
        memcpy(gap.account, account.ptr, account.len);
    }
    gap_add(ledger, &gap);
    return true;
}

static bool total_read(struct ledger *ledger, pen_slice name, pen_slice words)
{
    for (size_t i = 0; i < PEN_COUNT(total_rows); i++) {
        if (pen_slice_eq(name, pen_slice_str(total_rows[i].name))) {
            return pen_parse_u64(word_take(&words), total_at(&ledger->totals, &total_rows[i]));
        }
    }
    return false;
}

static bool line_read(struct ledger *ledger, pen_slice words)
{
    const pen_slice name = word_take(&words);
    if (pen_slice_eq(name, PEN_SLICE_LIT("time"))) {
        return range_read(words, &ledger->totals.time_first_ns, &ledger->totals.time_last_ns);
    }
    if (pen_slice_eq(name, PEN_SLICE_LIT("sound"))) {
        return range_read(words, &ledger->sound_first_ns, &ledger->sound_last_ns);
    }
    if (pen_slice_eq(name, PEN_SLICE_LIT("type"))) {
        return type_read(ledger, words);
    }
    if (pen_slice_eq(name, PEN_SLICE_LIT("gap"))) {
        return gap_read(ledger, words);
    }
    return total_read(ledger, name, words);
}

pen_status ledger_read(struct ledger *ledger, pen_slice text, struct pen_err *err)
{
    pen_slice line;
    while (text.len > 0 && pen_slice_split(&text, '\n', &line)) {
        if (line.len == 0 || line.len >= LINE_BYTES_MAX) {
            continue;
        }
        if (!line_read(ledger, line)) {
            return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET, "checkpoint: bad counter line: %.*s",
                            PEN_SLICE_FMT(line));
        }
    }
    return PEN_OK;
}
