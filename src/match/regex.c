#include "penstock/match.h"

#include "internal.h"

#define JIT_STACK_START ((size_t)32 << 10)
#define JIT_STACK_MAX ((size_t)512 << 10)

pen_status pen_match_scratch_init(struct match_scratch *scratch, uint32_t steps_max,
                                  struct pen_err *err)
{
    *scratch = (struct match_scratch){0};
    pen_buf_init(&scratch->text, PEN_MATCH_TEXT_MAX);
    pen_buf_init(&scratch->other, PEN_MATCH_TEXT_MAX);
    scratch->data = pcre2_match_data_create(1, NULL);
    scratch->context = pcre2_match_context_create(NULL);
    scratch->stack = pcre2_jit_stack_create(JIT_STACK_START, JIT_STACK_MAX, NULL);
    if (scratch->data == NULL || scratch->context == NULL || scratch->stack == NULL) {
        pen_match_scratch_fini(scratch);
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "match: no memory for a matcher");
    }
    (void)pcre2_set_match_limit(scratch->context,
                                steps_max == 0 ? PEN_MATCH_STEPS_DEFAULT : steps_max);
    pcre2_jit_stack_assign(scratch->context, NULL, scratch->stack);
    return PEN_OK;
}

void pen_match_scratch_fini(struct match_scratch *scratch)
{
    pcre2_match_data_free(scratch->data);
    pcre2_match_context_free(scratch->context);
    pcre2_jit_stack_free(scratch->stack);
    pen_buf_fini(&scratch->text);
    pen_buf_fini(&scratch->other);
    *scratch = (struct match_scratch){0};
}

/* What stands behind "(?" or "\g" and calls a group, or calls out. */
static bool is_refused_group(pen_slice at)
{
    const uint8_t c = at.len > 0 ? at.ptr[0] : 0;
    const uint8_t d = at.len > 1 ? at.ptr[1] : 0;
    const bool is_call = c == 'R' || c == '&' || (c >= '0' && c <= '9') || (c == 'P' && d == '>') ||
                         ((c == '+' || c == '-') && d >= '0' && d <= '9');
    return is_call || c == 'C';
}

/* Bytes to skip at a place outside classes; *refused when it starts what is not allowed. */
static size_t skip_outside(pen_slice rest, bool *refused)
{
    if (pen_slice_starts(rest, PEN_SLICE_LIT("\\Q"))) {
        const size_t end = pen_slice_find(rest, PEN_SLICE_LIT("\\E"));
        return end == SIZE_MAX ? rest.len : end + 2;
    }
    if (rest.ptr[0] == '\\') {
        *refused = pen_slice_starts(rest, PEN_SLICE_LIT("\\g<")) ||
                   pen_slice_starts(rest, PEN_SLICE_LIT("\\g'"));
        return 2;
    }
    if (pen_slice_starts(rest, PEN_SLICE_LIT("(?#"))) {
        const size_t end = pen_slice_find(rest, PEN_SLICE_LIT(")"));
        return end == SIZE_MAX ? rest.len : end + 1;
    }
    if (pen_slice_starts(rest, PEN_SLICE_LIT("(?"))) {
        *refused = is_refused_group(pen_slice_sub(rest, 2, rest.len));
        return 2;
    }
    return 1;
}

/* Recursion and callouts by their spelling; classes, quotes and escapes are passed over. */
static bool has_refused(pen_slice text)
{
    bool in_class = false;
    bool is_first = false; /* a ] that comes first in a class is a literal */
    bool refused = false;
    for (size_t i = 0; i < text.len && !refused;) {
        const uint8_t c = text.ptr[i];
        if (in_class) {
            in_class = c != ']' || is_first;
            is_first = is_first && c == '^';
            i += c == '\\' ? 2 : 1;
        } else if (c == '[') {
            in_class = true;
            is_first = true;
            i++;
        } else {
            i += skip_outside(pen_slice_sub(text, i, text.len), &refused);
        }
    }
    return refused;
}

static uint32_t compile_options(uint32_t flags)
{
    uint32_t options = PCRE2_NEVER_BACKSLASH_C;
    options |= (flags & PEN_RE_BYTES) != 0 ? 0 : PCRE2_UTF;
    options |= (flags & PEN_RE_CASELESS) != 0 ? PCRE2_CASELESS : 0;
    options |= (flags & PEN_RE_MULTILINE) != 0 ? PCRE2_MULTILINE : 0;
    options |= (flags & PEN_RE_DOTALL) != 0 ? PCRE2_DOTALL : 0;
    options |= (flags & PEN_RE_ANCHOR_START) != 0 ? PCRE2_ANCHORED : 0;
    options |= (flags & PEN_RE_ANCHOR_END) != 0 ? PCRE2_ENDANCHORED : 0;
    return options;
}

pen_status pen_match_regex_compile(const struct pen_pred *pred, pcre2_code **code,
                                   struct pen_err *err)
{
    *code = NULL;
    if (pred->text.len > PEN_MATCH_REGEX_MAX) {
        return PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET, "regex is longer than %u bytes",
                        PEN_MATCH_REGEX_MAX);
    }
    if (has_refused(pred->text)) {
        return PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET,
                        "regex '%.*s': recursion and callouts are refused",
                        PEN_SLICE_FMT(pred->text));
    }
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (context == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "no memory for a regex");
    }
    (void)pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    int number = 0;
    size_t offset = 0;
    const uint8_t *text = pred->text.len == 0 ? (const uint8_t *)"" : pred->text.ptr;
    *code = pcre2_compile(text, pred->text.len, compile_options(pred->flags), &number, &offset,
                          context);
    pcre2_compile_context_free(context);
    if (*code == NULL) {
        uint8_t message[120] = {0};
        (void)pcre2_get_error_message(number, message, sizeof(message));
        return PEN_FAIL(err, PEN_E_RULE, offset, "regex '%.*s': %s", PEN_SLICE_FMT(pred->text),
                        (const char *)message);
    }
    /* Without JIT (a host that forbids it) the interpreter gives the same verdicts. */
    (void)pcre2_jit_compile(*code, PCRE2_JIT_COMPLETE);
    return PEN_OK;
}

bool pen_match_regex(struct match_scratch *scratch, const pcre2_code *code, pen_slice text)
{
    const uint8_t *ptr = text.len == 0 ? (const uint8_t *)"" : text.ptr;
    const int rc = pcre2_match(code, ptr, text.len, 0, 0, scratch->data, scratch->context);
    if (rc >= 0) {
        return true;
    }
    scratch->limit_hits += rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_JIT_STACKLIMIT ||
                           rc == PCRE2_ERROR_DEPTHLIMIT || rc == PCRE2_ERROR_HEAPLIMIT;
    return false;
}
