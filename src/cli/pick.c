/* tested by tests/e2e/test_search.py */
#include "options.h"
#include "told.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES_MAX ((size_t)16 << 20)
#define FILE_BYTES_MAX ((size_t)1 << 20)
#define ACCOUNT_DIGITS 12U
#define REGION_BYTES_MAX 32U
#define NAME_SHOWN_MAX 40U

enum pick_id {
    PICK_FROM = 1000,
    PICK_TO,
    PICK_ON,
    PICK_YES,
    PICK_NO = PICK_YES + PICK_LISTS,
    PICK_ID_END = PICK_NO + PICK_LISTS
};
const struct cli_option cli_pick_options[] = {
    {"--from", PICK_FROM, true},
    {"--to", PICK_TO, true},
    {"--on", PICK_ON, true},
    {"--accounts", PICK_YES + PICK_ACCOUNTS, true},
    {"--regions", PICK_YES + PICK_REGIONS, true},
    {"--types", PICK_YES + PICK_TYPES, true},
    {"--not-accounts", PICK_NO + PICK_ACCOUNTS, true},
    {"--not-regions", PICK_NO + PICK_REGIONS, true},
    {"--not-types", PICK_NO + PICK_TYPES, true},
    {NULL, 0, false},
};

void cli_pick_init(struct cli_pick *pick)
{
    *pick = (struct cli_pick){.from_ns = INT64_MIN, .to_ns = INT64_MAX};
    pen_arena_init(&pick->arena, ARENA_BYTES_MAX);
}

void cli_pick_fini(struct cli_pick *pick)
{
    for (uint32_t i = 0; i < PICK_LISTS; i++) {
        free((void *)pick->yes[i].names);
        free((void *)pick->no[i].names);
    }
    pen_arena_fini(&pick->arena);
}

static bool name_add(struct cli_pick *pick, struct pick_names *list, pen_slice name)
{
    if (list->names == NULL) {
        list->names = calloc(PICK_NAMES_MAX, sizeof(*list->names));
    }
    const pen_slice copy = pen_arena_dup(&pick->arena, name);
    if (list->names == NULL || copy.ptr == NULL || list->count == PICK_NAMES_MAX) {
        (void)fprintf(stderr, "penstock: more than %u names in a list\n", PICK_NAMES_MAX);
        return false;
    }
    list->names[list->count++] = (const char *)copy.ptr;
    return true;
}

/* Where names come from: the command line, or a line of a file. */
struct names_place {
    enum pick_list list;
    const char *file; /* NULL: the command line */
    uint32_t line;
};

/* Letters, digits and hyphens, as every region has them; which there are is for AWS to say. */
static bool is_region(pen_slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        const uint8_t c = name.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-') {
            return false;
        }
    }
    return name.len <= REGION_BYTES_MAX && name.ptr[0] >= 'a' && name.ptr[0] <= 'z' &&
           name.ptr[name.len - 1] != '-';
}

static bool is_account(pen_slice name)
{
    size_t digits = 0;
    while (digits < name.len && name.ptr[digits] >= '0' && name.ptr[digits] <= '9') {
        digits++;
    }
    return digits == ACCOUNT_DIGITS && digits == name.len;
}

/* Log types are known to the commands that load them. */
static bool name_check(const struct names_place *place, pen_slice name)
{
    const char *wanted = NULL;
    if (place->list == PICK_ACCOUNTS && !is_account(name)) {
        wanted = "no account: 12 digits";
    } else if (place->list == PICK_REGIONS && !is_region(name)) {
        wanted = "no region: small letters, digits and hyphens, as eu-west-1";
    }
    if (wanted == NULL) {
        return true;
    }
    (void)fputs("penstock: ", stderr);
    if (place->file != NULL) {
        (void)fprintf(stderr, "%s:%u: ", place->file, place->line);
    }
    char text[NAME_SHOWN_MAX + 64];
    (void)snprintf(text, sizeof(text), "`%.*s` is %s",
                   (int)(name.len < NAME_SHOWN_MAX ? name.len : NAME_SHOWN_MAX),
                   (const char *)name.ptr, wanted);
    cli_words_escaped(pen_slice_str(text));
    return false;
}

/* Names between commas, blanks and line ends. */
static bool names_add(struct cli_pick *pick, struct pick_names *list, struct names_place *place,
                      pen_slice text)
{
    size_t begin = 0;
    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && strchr(", \t\r\n", text.ptr[i]) == NULL) {
            continue;
        }
        const pen_slice name = pen_slice_sub(text, begin, i);
        if (name.len > 0 && (!name_check(place, name) || !name_add(pick, list, name))) {
            return false;
        }
        place->line += i < text.len && text.ptr[i] == '\n';
        begin = i + 1;
    }
    return true;
}

static bool file_add(struct cli_pick *pick, struct pick_names *list, struct names_place *place)
{
    FILE *file = fopen(place->file, "re");
    if (file == NULL) {
        (void)fprintf(stderr, "penstock: %s: %s\n", place->file, strerrordesc_np(errno));
        return false;
    }
    uint8_t *text = malloc(FILE_BYTES_MAX);
    const size_t len = text == NULL ? 0 : fread(text, 1, FILE_BYTES_MAX, file);
    (void)fclose(file);
    const bool is_good =
        len < FILE_BYTES_MAX && names_add(pick, list, place, (pen_slice){text, len});
    free(text);
    if (len == FILE_BYTES_MAX) {
        (void)fprintf(stderr, "penstock: %s: more than 1 MiB of names\n", place->file);
    }
    return is_good;
}

static bool list_take(struct cli_pick *pick, struct pick_names *list, enum pick_list which,
                      const char *value)
{
    struct names_place place = {.list = which, .line = 1};
    if (value[0] != '@') {
        return names_add(pick, list, &place, pen_slice_str(value));
    }
    place.file = value + 1;
    return file_add(pick, list, &place);
}

/* A time that is counted from now, always written the same way: -48h is -2d.  "": another one. */
static void relative_text(const char *value, char out[PEN_RANGE_TEXT_MAX])
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"d", PEN_NS_PER_DAY},
                 {"h", 3600 * PEN_NS_PER_S},
                 {"m", 60 * PEN_NS_PER_S},
                 {"s", PEN_NS_PER_S},
                 {"ns", 1}};
    int64_t back = 0;
    size_t unit = 0;
    out[0] = '\0';
    if (strcmp(value, "now") == 0 || strcmp(value, "today") == 0) {
        (void)snprintf(out, PEN_RANGE_TEXT_MAX, "%s", value);
    } else if (value[0] == '-' && pen_parse_duration(pen_slice_str(value + 1), &back)) {
        while (back % units[unit].ns != 0) {
            unit++;
        }
        (void)snprintf(out, PEN_RANGE_TEXT_MAX, "-%" PRId64 "%s", back / units[unit].ns,
                       units[unit].name);
    }
}

static bool time_take(struct cli_pick *pick, int id, const char *value)
{
    int64_t ns = 0;
    if (!cli_time(value, &ns)) {
        (void)fprintf(stderr,
                      "penstock: `%s` is no time: 2025-01-31, 2025-01-31T12:00:00Z, -7d, -24h, "
                      "now, today\n",
                      value);
        return false;
    }
    char text[PEN_RANGE_TEXT_MAX];
    relative_text(value, text);
    const int64_t day = ns - ((ns % PEN_NS_PER_DAY) + PEN_NS_PER_DAY) % PEN_NS_PER_DAY;
    if (id == PICK_TO) {
        pick->to_ns = ns;
        memcpy(pick->to_text, text, sizeof(text));
        return true;
    }
    if (id == PICK_FROM) {
        pick->from_ns = ns;
        memcpy(pick->from_text, text, sizeof(text));
        return true;
    }
    pick->from_ns = day;
    pick->to_ns = day + PEN_NS_PER_DAY;
    (void)snprintf(pick->from_text, sizeof(pick->from_text), "%s%.32s",
                   text[0] == '\0' ? "" : "on ", text);
    memcpy(pick->to_text, pick->from_text, sizeof(pick->to_text));
    return true;
}

bool cli_pick_take(struct cli_pick *pick, int id, char *value, bool *is_good)
{
    if (id < PICK_FROM || id >= PICK_ID_END) {
        return false;
    }
    if (id < PICK_YES) {
        *is_good = time_take(pick, id, value);
    } else if (id < PICK_NO) {
        *is_good =
            list_take(pick, &pick->yes[id - PICK_YES], (enum pick_list)(id - PICK_YES), value);
    } else {
        *is_good = list_take(pick, &pick->no[id - PICK_NO], (enum pick_list)(id - PICK_NO), value);
    }
    return true;
}

static void range_texts(const struct cli_pick *pick, char from[PEN_TIME_MAX], char to[PEN_TIME_MAX])
{
    (void)snprintf(from, PEN_TIME_MAX, "the beginning");
    (void)snprintf(to, PEN_TIME_MAX, "the end");
    if (pick->from_ns != INT64_MIN) {
        (void)pen_format_time(pick->from_ns, from);
    }
    if (pick->to_ns != INT64_MAX) {
        (void)pen_format_time(pick->to_ns, to);
    }
}

bool cli_pick_check(const struct cli_pick *pick)
{
    char from[PEN_TIME_MAX];
    char to[PEN_TIME_MAX];
    range_texts(pick, from, to);
    if (pick->from_ns >= pick->to_ns) {
        (void)fprintf(stderr, "penstock: the range of time is empty: from %s to %s\n", from, to);
        return false;
    }
    return true;
}

bool cli_pick_done(const struct cli_pick *pick)
{
    char from[PEN_TIME_MAX];
    char to[PEN_TIME_MAX];
    range_texts(pick, from, to);
    const bool is_good = cli_pick_check(pick);
    if (is_good && (pick->from_ns != INT64_MIN || pick->to_ns != INT64_MAX)) {
        (void)fprintf(stderr, "penstock: event time from %s to %s\n", from, to);
    }
    return is_good;
}

void cli_pick_apply(const struct cli_pick *pick, struct pen_pass_options *pass)
{
    pass->from_ns = pick->from_ns;
    pass->to_ns = pick->to_ns;
    pass->accounts = pick->yes[PICK_ACCOUNTS].names;
    pass->account_count = pick->yes[PICK_ACCOUNTS].count;
    pass->not_accounts = pick->no[PICK_ACCOUNTS].names;
    pass->not_account_count = pick->no[PICK_ACCOUNTS].count;
    pass->regions = pick->yes[PICK_REGIONS].names;
    pass->region_count = pick->yes[PICK_REGIONS].count;
    pass->not_regions = pick->no[PICK_REGIONS].names;
    pass->not_region_count = pick->no[PICK_REGIONS].count;
    pass->types = pick->yes[PICK_TYPES].names;
    pass->type_count = pick->yes[PICK_TYPES].count;
    pass->not_types = pick->no[PICK_TYPES].names;
    pass->not_type_count = pick->no[PICK_TYPES].count;
}

void cli_pick_apply_replay(const struct cli_pick *pick, struct pen_replay_options *options)
{
    options->from_ns = pick->from_ns;
    options->to_ns = pick->to_ns;
    options->from_text = pick->from_text[0] == '\0' ? NULL : pick->from_text;
    options->to_text = pick->to_text[0] == '\0' ? NULL : pick->to_text;
    options->accounts = pick->yes[PICK_ACCOUNTS].names;
    options->account_count = pick->yes[PICK_ACCOUNTS].count;
    options->not_accounts = pick->no[PICK_ACCOUNTS].names;
    options->not_account_count = pick->no[PICK_ACCOUNTS].count;
    options->regions = pick->yes[PICK_REGIONS].names;
    options->region_count = pick->yes[PICK_REGIONS].count;
    options->not_regions = pick->no[PICK_REGIONS].names;
    options->not_region_count = pick->no[PICK_REGIONS].count;
    options->types = pick->yes[PICK_TYPES].names;
    options->type_count = pick->yes[PICK_TYPES].count;
    options->not_types = pick->no[PICK_TYPES].names;
    options->not_type_count = pick->no[PICK_TYPES].count;
}
