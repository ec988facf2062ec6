/* reader.h - what makes records of the plain bytes of a log type: the walk of JSON, or lines. */
#ifndef PEN_NODE_READER_H
#define PEN_NODE_READER_H

#include "penstock/json.h"
#include "penstock/text.h"

struct reader {
    struct pen_walker *walker;
    struct pen_text *text; /* NULL: the records are JSON, which the walker reads itself */
};

static inline void reader_reset(const struct reader *reader)
{
    pen_walker_reset(reader->walker);
    if (reader->text != NULL) {
        pen_text_reset(reader->text);
    }
}

static inline void reader_window(const struct reader *reader, pen_slice window, bool is_final)
{
    if (reader->text != NULL) {
        pen_text_window(reader->text, window, is_final);
    } else {
        pen_walker_window(reader->walker, window, is_final);
    }
}

static inline size_t reader_consumed(const struct reader *reader)
{
    return reader->text != NULL ? pen_text_consumed(reader->text)
                                : pen_walker_consumed(reader->walker);
}

static inline enum pen_next reader_next(const struct reader *reader, struct pen_record *record,
                                        struct pen_err *err)
{
    return reader->text != NULL ? pen_text_next(reader->text, record, err)
                                : pen_walker_next(reader->walker, record, err);
}

static inline void reader_free(const struct reader *reader)
{
    pen_text_free(reader->text);
    pen_walker_free(reader->walker);
}

#endif
