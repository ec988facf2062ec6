/* collect.h - what a walk collects of a record: the values of planned paths and the edited copy. */
#ifndef PEN_JSON_COLLECT_H
#define PEN_JSON_COLLECT_H

#include "walker.h"

static inline void value_add(struct pen_walker *w, uint32_t field, const struct pen_value *value)
{
    struct value_head *head = &w->heads[field];
    if (PEN_UNLIKELY(w->value_count >= PEN_RECORD_VALUES_MAX) &&
        (head->stamp == w->stamp || w->value_count == VALUES_MAX)) {
        return;
    }
    const uint32_t at = w->value_count++;
    struct pen_value *to = &w->values[at];
    /* Member by member: *value is in registers, and a copy as a whole would first store it in
     * small parts and then wait to load it in large ones. */
    to->field = field;
    to->next = UINT32_MAX;
    to->text.ptr = value->text.ptr;
    to->text.len = value->text.len;
    to->kind = value->kind;
    to->in_array = value->in_array;
    to->is_escaped = value->is_escaped;
    if (head->stamp == w->stamp) {
        w->values[head->last].next = at;
    } else {
        head->stamp = w->stamp;
        head->first = at;
    }
    head->last = at;
}

static inline void values_add(struct pen_walker *w, const struct shape *shape,
                              const struct pen_value *value)
{
    for (uint32_t i = 0; i < shape->field_count; i++) {
        value_add(w, shape->fields[i], value);
    }
}

/*
 * The copy grows by runs: as long as what is written next also stands next in the source, nothing
 * is moved.  copy_len counts the run, whose bytes are still to be copied.
 */
static inline bool is_copying(const struct pen_walker *w)
{
    return w->options.want_copy && w->muted == 0;
}

static inline void copy_flush(struct pen_walker *w)
{
    PEN_DCHECK(w->copy_len <= w->copy_cap);
    if (w->run_len > 0) {
        memcpy(w->copy + (w->copy_len - w->run_len), w->run, w->run_len);
        w->run_len = 0;
    }
}

static inline void copy_bytes(struct pen_walker *w, const uint8_t *from, uint32_t len)
{
    if (w->run_len == 0 || w->run + w->run_len != from) {
        copy_flush(w);
        w->run = from;
    }
    w->run_len += len;
    w->copy_len += len;
}

static inline void copy_byte(struct pen_walker *w, uint8_t c)
{
    if (w->run_len > 0 && w->run[w->run_len] == c) {
        w->run_len++;
    } else {
        copy_flush(w);
        w->copy[w->copy_len] = c;
    }
    w->copy_len++;
}

/* Back to a length that the copy had before. */
static inline void copy_rollback(struct pen_walker *w, uint32_t len)
{
    const uint32_t back = w->copy_len - len;
    w->run_len = back < w->run_len ? w->run_len - back : 0;
    w->copy_len = len;
}

static inline void patch_add(struct pen_walker *w, uint32_t action, uint32_t begin, uint8_t kind,
                             pen_slice raw)
{
    if (w->patch_count < PATCHES_MAX) {
        w->patches[w->patch_count++] = (struct pen_patch){
            .action = action, .begin = begin, .end = w->copy_len, .kind = kind, .raw = raw};
    }
}

/* A member with this value is left out. */
static inline bool is_pruned(pen_slice text, uint8_t kind)
{
    if (kind == PEN_NULL) {
        return true;
    }
    if (PEN_LIKELY(kind != PEN_STRING || text.len > 4)) {
        return false;
    }
    return text.len == 0 || (text.len == 1 && text.ptr[0] == '-') ||
           (text.len == 2 && memcmp(text.ptr, "[]", 2) == 0) ||
           (text.len == 4 && memcmp(text.ptr, "null", 4) == 0);
}

#endif
