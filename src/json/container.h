/* container.h - a container of the record is opened and closed. */
#ifndef PEN_JSON_CONTAINER_H
#define PEN_JSON_CONTAINER_H

#include "collect.h"

/* The frame of the container that begins at the position from. */
static inline void frame_open(struct pen_walker *w, struct frame *frame, uint32_t shape,
                              uint32_t from)
{
    /* Member by member: a frame as a whole would be cleared first. */
    frame->shape = shape;
    frame->key_shape = 0;
    frame->rollback = w->copy_len;
    frame->members = 0;
    frame->elements = 0;
    frame->value_from = w->value_count;
    frame->value_to = w->value_count;
    frame->raw_from = from;
    frame->instance = ++w->shapes.instance;
    frame->is_object = true;
    frame->only_empty = false;
    frame->is_muted = false;
    frame->action = w->shapes.items[shape].action;
}

/* The container whose last byte stands before end; an empty member goes, with its key. */
static inline void frame_close(struct pen_walker *w, const struct frame *frame,
                               struct frame *parent, uint32_t end, bool is_copied)
{
    const pen_slice raw = {w->text + frame->raw_from, end - frame->raw_from};
    for (uint32_t i = frame->value_from; i < frame->value_to; i++) {
        w->values[i].text = raw;
    }
    if (!is_copied) {
        return;
    }
    const bool is_empty = frame->members == 0 || (frame->elements == 1 && frame->only_empty);
    if (is_empty && parent->is_object) {
        copy_rollback(w, frame->rollback);
        parent->members--;
        return;
    }
    copy_byte(w, w->text[end - 1]);
    if (frame->action != 0 && parent->is_object) {
        patch_add(w, frame->action, frame->copy_from, frame->is_object ? PEN_OBJECT : PEN_ARRAY,
                  raw);
    }
}

#endif
