#include "template.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

/* tested by tests/unit/detect/test_render.c */

#define VALUE_BYTES_MAX ((size_t)64 << 10) /* of one variable */
#define NS_PER_MS INT64_C(1000000)

struct block {
    pen_slice name;
    bool is_true; /* the condition, inverted when the block is */
    bool is_live; /* what is around it is written */
};
struct render {
    const struct pen_rule_variables *variables;
    struct pen_buf *out;
    size_t limit; /* of out->len */
    bool is_full;
    struct block blocks[TEMPLATE_DEPTH_MAX];
    uint32_t depth;
    struct pen_buf value; /* of the variable that was asked for last */
};

/* Bytes up to the limit, cut before the code point that does not fit. */
static pen_status put(struct render *r, pen_slice text)
{
    const size_t room = r->limit - r->out->len;
    if (r->is_full || text.len <= room) {
        return r->is_full ? PEN_OK : pen_buf_add(r->out, text);
    }
    size_t len = room;
    while (len > 0 && (text.ptr[len] & 0xc0U) == 0x80U) {
        len--;
    }
    r->is_full = true;
    return pen_buf_add(r->out, pen_slice_sub(text, 0, len));
}

/* The value of a variable in r->value; empty when nothing has that name. */
static pen_status ask(struct render *r, pen_slice name)
{
    r->value.len = 0;
    name = template_variable(name);
    const pen_status st =
        name.len == 0 ? PEN_OK : r->variables->get(r->variables->ctx, name, &r->value);
    return st == PEN_E_LIMIT ? PEN_OK : st; /* what came until then */
}

static bool integer_of(void *ctx, pen_slice name, int64_t *out)
{
    struct render *r = ctx;
    return ask(r, name) == PEN_OK && pen_parse_i64(pen_buf_slice(&r->value), out);
}

static pen_status put_eval(struct render *r, pen_slice expression)
{
    char text[24];
    int64_t result = 0;
    if (!template_eval(expression, integer_of, r, &result)) {
        return PEN_OK;
    }
    (void)snprintf(text, sizeof(text), "%" PRId64, result);
    return put(r, pen_slice_str(text));
}

/* A time as text, or as milliseconds since 1970. */
static pen_status put_local_time(struct render *r, pen_slice name, pen_slice zone)
{
    char text[PEN_TIME_MAX];
    int64_t time_ns = 0;
    PEN_TRY(ask(r, name));
    const pen_slice value = pen_buf_slice(&r->value);
    const bool is_ms =
        pen_parse_i64(value, &time_ns) && !__builtin_mul_overflow(time_ns, NS_PER_MS, &time_ns);
    if (!is_ms && !pen_parse_time(value, &time_ns)) {
        return put(r, value);
    }
    return put(r, (pen_slice){(uint8_t *)text, template_local_time(time_ns, zone, text)});
}

/* RFC 3986 2.3: all but letters, digits and - . _ ~ */
static pen_status put_urlencoded(struct render *r, pen_slice name)
{
    static const char digits[] = "0123456789ABCDEF";
    pen_status st = ask(r, name);
    for (size_t i = 0; st == PEN_OK && i < r->value.len; i++) {
        const uint8_t c = r->value.ptr[i];
        const uint8_t escaped[3] = {'%', (uint8_t)digits[c >> 4U], (uint8_t)digits[c & 15U]};
        const bool is_plain =
            c < 0x80 && (isalnum(c) != 0 || (c != 0 && strchr("-._~", c) != NULL));
        st = put(r, is_plain ? (pen_slice){&c, 1} : (pen_slice){escaped, 3});
    }
    return st;
}

/* ---- blocks ---- */

/* The whole value, or one of a list. */
static bool is_item(pen_slice value, pen_slice wanted)
{
    const pen_slice between = PEN_SLICE_LIT(", ");
    if (pen_slice_eq(value, wanted)) {
        return true;
    }
    for (size_t end = pen_slice_find(value, between); end != SIZE_MAX;
         end = pen_slice_find(value, between)) {
        if (pen_slice_eq(pen_slice_sub(value, 0, end), wanted)) {
            return true;
        }
        value = pen_slice_sub(value, end + between.len, value.len);
        if (pen_slice_eq(value, wanted)) {
            return true;
        }
    }
    return false;
}

static pen_status condition(struct render *r, const struct template_part *part, bool *is_true)
{
    const enum template_helper helper = template_helper(part);
    *is_true = false;
    if (helper == TEMPLATE_UNKNOWN) {
        return PEN_OK;
    }
    PEN_TRY(ask(r, part->words[1].text));
    const pen_slice value = pen_buf_slice(&r->value);
    if (helper == TEMPLATE_IF) {
        *is_true = value.len > 0 && !pen_slice_eq(value, PEN_SLICE_LIT("false"));
        return PEN_OK;
    }
    for (uint32_t i = 2; i < part->word_count; i++) {
        const pen_slice wanted = part->words[i].text;
        *is_true |= helper == TEMPLATE_IS_MATCH ? pen_slice_find(value, wanted) != SIZE_MAX
                                                : is_item(value, wanted);
    }
    return PEN_OK;
}

static bool is_live(const struct render *r)
{
    return r->depth == 0 || (r->blocks[r->depth - 1].is_live && r->blocks[r->depth - 1].is_true);
}

static pen_slice name_of(const struct template_part *part)
{
    return part->word_count == 0 ? (pen_slice){0} : part->words[0].text;
}

static pen_status open_block(struct render *r, const struct template_part *part)
{
    bool is_true = false;
    if (r->depth == TEMPLATE_DEPTH_MAX) {
        return PEN_E_LIMIT;
    }
    PEN_TRY(condition(r, part, &is_true));
    r->blocks[r->depth] = (struct block){.name = name_of(part),
                                         .is_true = is_true != (part->kind == TEMPLATE_INVERSE),
                                         .is_live = is_live(r)};
    r->depth++;
    return PEN_OK;
}

static pen_status put_value(struct render *r, const struct template_part *part)
{
    switch (template_helper(part)) {
    case TEMPLATE_PLAIN:
        PEN_TRY(ask(r, part->words[0].text));
        return put(r, pen_buf_slice(&r->value));
    case TEMPLATE_EVAL:
        return put_eval(r, part->words[1].text);
    case TEMPLATE_LOCAL_TIME:
        return put_local_time(r, part->words[1].text,
                              part->word_count > 2 ? part->words[2].text : (pen_slice){0});
    case TEMPLATE_URLENCODE:
        return put_urlencoded(r, part->words[1].text);
    case TEMPLATE_IF:
    case TEMPLATE_IS_MATCH:
    case TEMPLATE_IS_EXACT_MATCH:
    case TEMPLATE_UNKNOWN:
    default:
        return PEN_OK;
    }
}

static pen_status put_part(struct render *r, const struct template_part *part)
{
    switch (part->kind) {
    case TEMPLATE_TEXT:
        return is_live(r) ? put(r, part->text) : PEN_OK;
    case TEMPLATE_VALUE:
        return is_live(r) ? put_value(r, part) : PEN_OK;
    case TEMPLATE_OPEN:
    case TEMPLATE_INVERSE:
        return open_block(r, part);
    case TEMPLATE_ELSE:
        if (r->depth > 0) {
            r->blocks[r->depth - 1].is_true = !r->blocks[r->depth - 1].is_true;
        }
        return PEN_OK;
    case TEMPLATE_CLOSE:
    default:
        r->depth -= r->depth > 0 && pen_slice_eq(r->blocks[r->depth - 1].name, name_of(part));
        return PEN_OK;
    }
}

pen_status pen_rule_render(pen_slice template, const struct pen_rule_variables *variables,
                           struct pen_buf *out)
{
    struct render r = {
        .variables = variables, .out = out, .limit = out->len + PEN_RULE_TEXT_BYTES_MAX};
    struct template_part part;
    pen_status st = PEN_OK;
    pen_buf_init(&r.value, VALUE_BYTES_MAX);
    while (st == PEN_OK && !r.is_full && template_next(&template, &part)) {
        st = put_part(&r, &part);
    }
    pen_buf_fini(&r.value);
    return st;
}
