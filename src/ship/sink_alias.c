/* tested by tests/e2e/test_opensearch.py */
#include "sink_call.h"

#include <stdio.h>

#define NAME "\"name\""

/* The next name of an answer; false: none is left.  Names of indices have no quotes in them. */
static bool name_next(pen_slice *rest, pen_slice *name)
{
    const size_t at = pen_slice_find(*rest, PEN_SLICE_LIT(NAME));
    if (at == SIZE_MAX) {
        return false;
    }
    *rest = pen_slice_sub(*rest, at + sizeof(NAME) - 1, rest->len);
    const size_t begin = pen_slice_find(*rest, PEN_SLICE_LIT("\""));
    *rest = pen_slice_sub(*rest, begin == SIZE_MAX ? rest->len : begin + 1, rest->len);
    const size_t end = pen_slice_find(*rest, PEN_SLICE_LIT("\""));
    *name = pen_slice_sub(*rest, 0, end == SIZE_MAX ? rest->len : end);
    return true;
}

static bool ends_as(pen_slice name, const char *form)
{
    const size_t len = strlen(form);
    bool is = name.len > len;
    for (size_t i = 0; is && i < len; i++) {
        const char b = (char)name.ptr[name.len - len + i];
        is = form[i] == 'd' ? b >= '0' && b <= '9' : b == form[i];
    }
    return is;
}

/* A day, week, month or year at the end. */
static bool is_dated(pen_slice name)
{
    return ends_as(name, "-dddd-dd-dd") || ends_as(name, "-dddd-wdd") ||
           ends_as(name, "-dddd-dd") || ends_as(name, "-dddd");
}

static bool is_rolled(const struct pen_sink_rolled *rolled, pen_slice name)
{
    bool is = false;
    for (uint32_t i = 0; i < rolled->count; i++) {
        is = is || pen_slice_eq(rolled->names[i], name);
    }
    return is;
}

static void take(struct pen_sink_aliases *out, pen_slice name)
{
    const size_t used = strlen(out->text);
    const char *comma = used == 0 ? "" : ", ";
    if (used + name.len + 3 <= sizeof(out->text)) {
        (void)snprintf(out->text + used, sizeof(out->text) - used, "%s%.*s", comma,
                       PEN_SLICE_FMT(name));
    }
    out->count++;
}

static pen_status ask(struct caller *caller, const struct pen_sink_rolled *rolled,
                      struct pen_sink_aliases *out, struct pen_err *err)
{
    caller->filter = PEN_SLICE_LIT("aliases.name,data_streams.name,error,status");
    PEN_TRY(call_wait(caller, "GET", "/_resolve/index/log-*", (pen_slice){0}, err));
    if (caller->post.status == 404) {
        return PEN_OK; /* there is nothing of that name */
    }
    if (caller->post.status != 200 || caller->post.is_cut) {
        return call_refused(caller, "its aliases cannot be asked for", err);
    }
    pen_slice rest = call_answer(caller);
    pen_slice name;
    while (name_next(&rest, &name)) {
        if (is_dated(name) || is_rolled(rolled, name)) {
            take(out, name);
        }
    }
    return PEN_OK;
}

pen_status pen_sink_aliases(const struct pen_sink *sink, const struct pen_sink_rolled *rolled,
                            struct pen_sink_aliases *out, struct pen_err *err)
{
    struct caller caller;
    *out = (struct pen_sink_aliases){0};
    pen_status st = caller_init(&caller, sink, err);
    st = st == PEN_OK ? ask(&caller, rolled, out, err) : st;
    caller_fini(&caller);
    return st;
}
