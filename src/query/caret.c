#include "penstock/query.h"

#define LEFT_POINTS 70  /* code points of the line shown before the place */
#define RIGHT_POINTS 40 /* ... and from it on */

static bool is_inside(uint8_t c)
{
    return (c & 0xc0U) == 0x80U;
}

/* Code points in escaped text, which is valid UTF-8: the columns of most terminals. */
static size_t columns(pen_slice text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        n += !is_inside(text.ptr[i]);
    }
    return n;
}

/* The part of the line around the place, at most LEFT_POINTS + RIGHT_POINTS code points. */
static void clip(pen_slice text, size_t at, size_t *begin, size_t *end)
{
    *begin = at;
    for (size_t n = 0; *begin > 0 && text.ptr[*begin - 1] != '\n' && n < LEFT_POINTS;
         n += !is_inside(text.ptr[*begin])) {
        (*begin)--;
    }
    *end = at;
    for (size_t n = 0; *end < text.len && text.ptr[*end] != '\n'; (*end)++) {
        n += !is_inside(text.ptr[*end]);
        if (n > RIGHT_POINTS) {
            break;
        }
    }
}

/* The clipped line; *width is the column of the place in it. */
static pen_status put_line(struct pen_buf *out, pen_slice text, size_t at, size_t *width)
{
    size_t begin = 0;
    size_t end = 0;
    clip(text, at, &begin, &end);
    const bool is_cut = begin > 0 && text.ptr[begin - 1] != '\n';
    const bool is_cut_right = end < text.len && text.ptr[end] != '\n';
    PEN_TRY(pen_buf_add(out, pen_slice_str(is_cut ? "..." : "")));
    const size_t from = out->len;
    PEN_TRY(pen_escape_terminal(out, pen_slice_sub(text, begin, at)));
    *width = (is_cut ? 3 : 0) + columns(pen_slice_sub(pen_buf_slice(out), from, out->len));
    PEN_TRY(pen_escape_terminal(out, pen_slice_sub(text, at, end)));
    return pen_buf_add(out, pen_slice_str(is_cut_right ? "...\n" : "\n"));
}

pen_status pen_query_caret(struct pen_buf *out, pen_slice text, const struct pen_err *err)
{
    size_t width = 0;
    if (err->offset > text.len) {
        return pen_buf_printf(out, "%s\n", err->text);
    }
    PEN_TRY(put_line(out, text, (size_t)err->offset, &width));
    for (size_t i = 0; i < width; i++) {
        PEN_TRY(pen_buf_add_byte(out, ' '));
    }
    return pen_buf_printf(out, "^ %s\n", err->text);
}
