/* tested by tests/e2e/test_search.py */
#include "rules.h"

#include <inttypes.h>
#include <stdio.h>

struct near {
    const char *word; /* NULL: none so far */
    uint32_t distance;
};
static void near_try(struct near *near, const char *name, size_t len, const char *word)
{
    const uint32_t d = pen_distance((pen_slice){(const uint8_t *)name, len}, pen_slice_str(word));
    if (d < near->distance) {
        *near = (struct near){word, d};
    }
}

static struct near near_none(size_t len)
{
    return (struct near){NULL, pen_distance_near(len)};
}

static const char *nearest(const struct cli_parser *p, const char *name, size_t len)
{
    struct near near = near_none(len);
    for (size_t t = 0; t < CLI_TABLES; t++) {
        for (const struct cli_option *o = p->tables[t]; o != NULL && o->name != NULL; o++) {
            near_try(&near, name, len, o->name);
        }
    }
    return near.word;
}

const char *cli_nearest(const char *text, const char *const *words, size_t count)
{
    struct near near = near_none(strlen(text));
    for (size_t i = 0; i < count; i++) {
        near_try(&near, text, strlen(text), words[i]);
    }
    return near.word;
}

static int unknown(const struct cli_parser *p, const char *text, size_t len)
{
    if (len == 8 && strncmp(text, "--region", len) == 0) {
        (void)fprintf(stderr, "penstock: --region could mean two things: --regions picks logs by "
                              "their AWS region, --s3-region is where a bucket lies\n");
        return CLI_WRONG;
    }
    const char *near = strncmp(text, "--", 2) == 0 ? nearest(p, text, len) : NULL;
    (void)fprintf(stderr, "penstock: %s has no option `%.*s`%s%s%s\n", p->command, (int)len, text,
                  near == NULL ? "" : "; the nearest is ", near == NULL ? "" : near,
                  near == NULL && p->dash_hint != NULL ? p->dash_hint : "");
    return CLI_WRONG;
}

static const struct cli_option *find(const struct cli_parser *p, const char *name, size_t len)
{
    for (size_t t = 0; t < CLI_TABLES; t++) {
        for (const struct cli_option *o = p->tables[t]; o != NULL && o->name != NULL; o++) {
            if (strlen(o->name) == len && strncmp(o->name, name, len) == 0) {
                return o;
            }
        }
    }
    return NULL;
}

int cli_next(struct cli_parser *p, char **value)
{
    if (p->at >= p->argc) {
        return CLI_END;
    }
    char *text = p->argv[p->at++];
    *value = text;
    if (!p->only_operands && strcmp(text, "--") == 0) {
        p->only_operands = true;
        if (p->at == p->argc) {
            return CLI_END;
        }
        text = p->argv[p->at++];
        *value = text;
    }
    if (p->only_operands || text[0] != '-' || text[1] == '\0') {
        return CLI_OPERAND;
    }
    char *equals = strncmp(text, "--", 2) == 0 ? strchr(text, '=') : NULL;
    const size_t len = equals == NULL ? strlen(text) : (size_t)(equals - text);
    const struct cli_option *option = find(p, text, len);
    if (option == NULL) {
        return unknown(p, text, len);
    }
    p->last = option->name;
    if (!option->has_value) {
        if (equals != NULL) {
            (void)fprintf(stderr, "penstock: %s takes no value\n", option->name);
            return CLI_WRONG;
        }
        return option->id;
    }
    if (equals == NULL && p->at == p->argc) {
        (void)fprintf(stderr, "penstock: %s wants a value\n", option->name);
        return CLI_WRONG;
    }
    *value = equals != NULL ? equals + 1 : p->argv[p->at++];
    return option->id;
}

bool cli_read(struct cli_parser *p, bool (*take)(void *ctx, int id, char *value), void *ctx)
{
    char *value = NULL;
    for (int id = cli_next(p, &value); id != CLI_END; id = cli_next(p, &value)) {
        bool is_good = id != CLI_WRONG;
        const bool is_taken =
            !is_good || (p->pick != NULL && cli_pick_take(p->pick, id, value, &is_good)) ||
            (p->rules != NULL && rules_pick_take(p->rules, id, value, &is_good)) ||
            (p->s3 != NULL && cli_s3_take(p->s3, id, value, &is_good));
        if (!is_good || (!is_taken && !take(ctx, id, value))) {
            return false;
        }
    }
    return true;
}

bool cli_number(const char *name, const char *value, uint64_t max, uint64_t *out)
{
    if (!pen_parse_u64(pen_slice_str(value), out) || *out == 0 || *out > max) {
        (void)fprintf(stderr, "penstock: %s takes a number from 1 to %" PRIu64 ", not `%s`\n", name,
                      max, value);
        return false;
    }
    return true;
}

int cli_bad_value(const struct cli_parser *p, const char *value, const char *wanted)
{
    (void)fprintf(stderr, "penstock: %s does not take `%.200s`: it wants %s\n", p->last, value,
                  wanted);
    return CLI_WRONG;
}
