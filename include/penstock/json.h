/*
 * penstock/json.h - JSON bytes to records: framing, one walk by a field plan, an edited copy.
 *
 * simdjson's stage 1 gives structural positions of a window; a C walk over them finds records,
 * validates every token (RFC 8259), collects the values of planned paths and writes the edited
 * copy.  Never builds a tree, never allocates per record.  A plan is immutable after seal and
 * shared by all shards; a walker belongs to one shard.
 */
#ifndef PEN_JSON_H
#define PEN_JSON_H

#include "penstock/base.h"

#define PEN_JSON_PADDING 64    /* readable bytes behind every window */
#define PEN_JSON_DEPTH_MAX 512 /* deeper records are bad (E_LIMIT) */
#define PEN_FIELD_NONE UINT32_MAX

enum pen_kind { PEN_STRING, PEN_NUMBER, PEN_BOOL, PEN_NULL, PEN_OBJECT, PEN_ARRAY };

/* One value that a planned path led to. */
struct pen_value {
    uint32_t field;
    uint32_t next;   /* index of the next value of the same field in this record, or UINT32_MAX */
    pen_slice text;  /* STRING: between the quotes, as written; others: the token or the whole
                      * {...} / [...] as written */
    uint8_t kind;    /* enum pen_kind */
    bool is_escaped; /* STRING with a backslash inside: pen_json_unescape before use as text */
    bool in_array;   /* reached through an array element */
};

/*
 * A place in the copy that normalize has to rewrite: the value at a node with an action.  begin and
 * end are offsets in the copy (the value as copied, pruned); raw is the value as in the record.
 */
struct pen_patch {
    uint32_t action;
    uint32_t begin, end;
    uint8_t kind;
    pen_slice raw;
};

/* What stands in a column of a line. */
struct pen_column {
    pen_slice text; /* the inside of a JSON string, and PEN_COPY_SLACK bytes behind it can be read;
                     * ptr NULL: the line has no such column */
    bool is_escaped;
};
/* The columns that the lines of an object have. */
struct pen_columns {
    uint64_t stamp; /* of this walker: another one for other columns, never 0 */
    uint32_t count;
    const uint32_t *of_field; /* by field: its column, counted from 1; 0: none, or see the values */
    const pen_slice *keys;    /* ,"name":" of each column; PEN_COPY_SLACK behind, too */
    size_t key_bytes;         /* of all of them, and a quote behind each value */
};

/* With so many values of planned paths a record gets no more but the first of a path that has none:
 * what stands behind a list without end is still seen. */
#define PEN_RECORD_VALUES_MAX 61440U

struct pen_record {
    pen_slice raw;    /* borrows the window: valid until the next pen_walker_window */
    uint64_t offset;  /* of raw in the plain bytes of the object */
    uint64_t ordinal; /* records counted from 0 within the object, bad ones included */
    struct pen_value *values;
    uint32_t value_count; /* from PEN_RECORD_VALUES_MAX on there may have been more */
    uint32_t field_count;
    const struct pen_value_head {
        uint32_t stamp, first, last;
    } * heads; /* by field; set for this record when stamp == record->stamp */
    uint32_t stamp;
    pen_slice copy; /* members without the outer braces: "a":1,"b":{...}; empty when not wanted */
    const struct pen_patch *patches; /* in order of begin */
    uint32_t patch_count;
    bool is_flat;       /* a line of text: raw is no JSON */
    pen_slice diverted; /* of a flat one: members that were left out of the copy */
    /* A flat one that is known by its columns has no copy (pen_record_members writes it), and no
     * values of fields that are told by column.  NULL: it has both. */
    const struct pen_columns *layout;
    const struct pen_column *columns; /* layout->count */
    size_t column_bytes;              /* of all texts, at most */
    const char *problem; /* why nothing but raw is known of it, or no time, as the inside of a JSON
                          * string; NULL: no problem */
};

/* First value of a field, or NULL; follow with pen_value_next.  In the order of the record. */
static inline const struct pen_value *pen_record_first(const struct pen_record *r, uint32_t field)
{
    return field < r->field_count && r->heads[field].stamp == r->stamp
               ? &r->values[r->heads[field].first]
               : NULL;
}
static inline const struct pen_value *pen_value_next(const struct pen_record *r,
                                                     const struct pen_value *v)
{
    return v->next == UINT32_MAX ? NULL : &r->values[v->next];
}

/* What stands in the column of a field; NULL: the record has none, or no columns. */
static inline const struct pen_column *pen_record_column(const struct pen_record *r, uint32_t field)
{
    const uint32_t at = r->layout == NULL ? 0 : r->layout->of_field[field];
    return at == 0 || r->columns[at - 1].text.ptr == NULL ? NULL : &r->columns[at - 1];
}

/* ---- plan ---- */

struct pen_plan;
struct pen_plan *pen_plan_new(void); /* NULL: out of memory */
void pen_plan_free(struct pen_plan *plan);
uint32_t pen_plan_field_count(const struct pen_plan *plan);
/* A new field id without any path (for values that normalize derives). */
uint32_t pen_plan_field_new(struct pen_plan *plan);
/*
 * pen_plan_path - values at this path belong to field.
 *
 * steps    unescaped key names; a step of digits also indexes an array.  Paths pass through arrays:
 *          items.name looks into each element.  One path may serve several fields and the reverse.
 * Returns  PEN_OK | PEN_E_LIMIT (65,536 nodes) | PEN_E_NOMEM
 */
PEN_MUST_USE pen_status pen_plan_path(struct pen_plan *plan, uint32_t field, const pen_slice *steps,
                                      uint32_t step_count);
/* All readings of a dotted name: a.b.c, a -> b.c, a.b -> c, a -> b -> c.  At most 8 dots, else only
 * the fully split and the fully literal path. */
PEN_MUST_USE pen_status pen_plan_dotted(struct pen_plan *plan, uint32_t field, pen_slice name);
/* The value at this path gets a patch with this action (> 0) when a copy is written. */
PEN_MUST_USE pen_status pen_plan_action(struct pen_plan *plan, const pen_slice *steps,
                                        uint32_t step_count, uint32_t action);
/* A top-level member of this name is left out of the copy and handed over as a value of field. */
PEN_MUST_USE pen_status pen_plan_divert(struct pen_plan *plan, pen_slice key, uint32_t field);
/* Values of field are told by column (pen_record_column) where records have columns.
 * PEN_OK | PEN_E_NOMEM */
PEN_MUST_USE pen_status pen_plan_by_column(struct pen_plan *plan, uint32_t field);
void pen_plan_seal(struct pen_plan *plan);

/* ---- walker ---- */

struct pen_walker_options {
    size_t window_bytes_max; /* capacity: largest window */
    size_t record_bytes_max; /* larger records are bad, reading goes on */
    pen_slice array_key; /* "Records": an object with an array there is an envelope; may be "" */
    bool want_copy;
    /* NULL, or a walker with the same limits that lives longer and lends its buffers: a record of
     * one is over when the other is given a window, or makes a flat record. */
    struct pen_walker *lender;
};

struct pen_walker;
PEN_MUST_USE pen_status pen_walker_new(const struct pen_plan *plan,
                                       const struct pen_walker_options *options,
                                       struct pen_walker **out, struct pen_err *err);
void pen_walker_free(struct pen_walker *walker);
/* Ready for a new object: framing state and counters from zero; learned key order is kept. */
void pen_walker_reset(struct pen_walker *walker);
void pen_walker_array_key(struct pen_walker *walker, pen_slice array_key); /* after reset only */

/*
 * pen_walker_window - starts on a window of plain bytes.
 *
 * window   borrowed until the next call; PEN_JSON_PADDING bytes behind it that can be read and, of
 *          a window that is not final, written (they are as before when this returns).  It begins
 *          with the bytes that the last window left (pen_walker_consumed), then new ones.
 * is_final nothing comes after this window
 * Never fails: where stage 1 rejects the window a scalar splitter takes over for it.
 */
void pen_walker_window(struct pen_walker *walker, pen_slice window, bool is_final);

enum pen_next {
    PEN_NEXT_RECORD, /* *record is set */
    PEN_NEXT_BAD,    /* raw, offset, ordinal of *record tell which bytes, *err why; go on */
    PEN_NEXT_MORE,   /* the window is used up to pen_walker_consumed; give the next, larger when
                      * consumed is 0 and the window was not final */
    PEN_NEXT_END,    /* the final window is used up; err->status is PEN_OK or E_TRUNCATED/E_CORRUPT
                      * with the offset where the object stopped making sense */
};
enum pen_next pen_walker_next(struct pen_walker *walker, struct pen_record *record,
                              struct pen_err *err);
/* Bytes of the current window that need not be given again. */
size_t pen_walker_consumed(const struct pen_walker *walker);
/* Adds a derived value to the current record (kind STRING, text borrowed for as long as the record
 * is used).  False when the value table (65,536) is full. */
bool pen_walker_value_add(struct pen_walker *walker, struct pen_record *record, uint32_t field,
                          uint8_t kind, pen_slice text);
/* Walks one stand-alone record (tests, explain, rule tests, envelopes).  raw needs padding behind.
 */
enum pen_next pen_walker_one(struct pen_walker *walker, pen_slice raw, struct pen_record *record,
                             struct pen_err *err);
/* True when the object's top level was an object without the array, or lines of such. */
bool pen_walker_saw_array(const struct pen_walker *walker);

/*
 * Where an object ends of which nothing is certain but that it begins with a brace: where its
 * braces close or, since no string of JSON holds a line feed, with the line whose end cuts a
 * string.  When it had lines before that one, it goes on to the line that begins further left than
 * its second one did: behind a closing brace, or before an opening one.
 *
 * A line feed that somebody wrote into a string as it is cuts nothing: what comes first behind it
 * is then no brace or bracket, and no quote that is indented (pen_object_is_cut).
 */
enum pen_end {
    PEN_END_OPEN,   /* not yet */
    PEN_END_BEFORE, /* before this byte */
    PEN_END_BEHIND, /* behind it */
};
struct pen_object_end { /* all zero but the first: before the brace */
    bool has_brackets;  /* they count as braces do, and escapes only in strings */
    uint32_t depth, indent, column;
    bool in_string, is_escape, has_lines, in_indent;
    bool is_torn;             /* a line feed stood in a string */
    bool is_doubt, is_spaced; /* nothing but blanks came since then, and one at least */
};
/* Whether a line feed in a string cuts it, by the first byte behind it that is no blank, and
 * whether blanks stand before that. */
bool pen_object_is_cut(uint8_t first, bool is_spaced);
/* The next byte of the object; of no use after its end. */
enum pen_end pen_object_end_step(struct pen_object_end *end, uint8_t c);

/* ---- flat records: what a line of text says, as a JSON object would ---- */

/* A member that flat records may have; the number stays good until the next call of
 * pen_walker_columns_new.  0: the name is too long, or there are too many. */
uint32_t pen_walker_column(struct pen_walker *walker, pen_slice name);
/* Other columns come, count of them at most. */
void pen_walker_columns_new(struct pen_walker *walker, uint32_t count);
/*
 * pen_walker_columns_set - lines have these columns (numbers of pen_walker_column) from here on.
 *
 * Returns  false: values have to be put one by one, since a name is there twice, belongs to a
 *          member that stands aside, or there are too many columns
 */
bool pen_walker_columns_set(struct pen_walker *walker, const uint32_t *columns, uint32_t count);
/* After true of pen_walker_columns_set: sets all of *record but raw, offset and ordinal.  columns
 * are borrowed for as long as the record is used; bytes is at least the sum of their texts.  False:
 * the document may be too large. */
bool pen_walker_flat_columns(struct pen_walker *walker, const struct pen_column *columns,
                             size_t bytes, struct pen_record *record);
void pen_walker_flat_begin(struct pen_walker *walker);
/* The value of a column: the inside of a JSON string.  False: the copy is full. */
bool pen_walker_flat_put(struct pen_walker *walker, uint32_t column, pen_slice text,
                         bool is_escaped);
/* Sets all of *record but raw, offset and ordinal. */
void pen_walker_flat_end(struct pen_walker *walker, struct pen_record *record);

/* ---- text ---- */

/* Unescapes the inside of a JSON string; lone surrogates become U+FFFD.  out has room for in.len
 * bytes; returns bytes written.  in was validated by a walk. */
size_t pen_json_unescape(pen_slice in, uint8_t *out);
/* Appends text as the inside of a JSON string (escapes quote, backslash, controls; invalid UTF-8
 * becomes U+FFFD). */
PEN_MUST_USE pen_status pen_json_escape(struct pen_buf *out, pen_slice text);
/* Appends value without blanks outside strings. value was validated by a walk. */
PEN_MUST_USE pen_status pen_json_compact(struct pen_buf *out, pen_slice value);
/*
 * pen_json_spaced - appends value with one blank behind each comma and colon, none elsewhere, and
 * strings with no more escapes than they need: as Python's json.dumps(ensure_ascii=False) writes
 * it, numbers as they stand.  Ids of documents are hashes of this text.  value was validated by a
 * walk.
 */
PEN_MUST_USE pen_status pen_json_spaced(struct pen_buf *out, pen_slice value);
/* Appends the members of the copy, without braces. */
PEN_MUST_USE pen_status pen_record_members(struct pen_buf *out, const struct pen_record *record);
/* Appends the record as one JSON object without blanks: of a line of text its columns, or
 * {"message":...} when it could not be taken apart. */
PEN_MUST_USE pen_status pen_record_compact(struct pen_buf *out, const struct pen_record *record);
/* True when s is exactly one JSON number. */
bool pen_json_is_number(pen_slice s);

/*
 * pen_json_next_token - pulls tokens from validated JSON (an object value, a raw record), slow
 * path.
 *
 * rest     advanced past the token
 * Returns  false at the end.  kind of the token; for OBJECT and ARRAY is_open tells begin or end.
 *          is_key is set for member names.
 */
struct pen_token {
    pen_slice text; /* string: between the quotes */
    uint8_t kind;
    bool is_open, is_close, is_key, is_escaped;
    uint32_t depth; /* containers around this token */
};
struct pen_tokens {
    pen_slice rest;
    uint32_t depth;
    bool key_next;
    uint64_t in_object[PEN_JSON_DEPTH_MAX / 64 + 1];
};
void pen_tokens_init(struct pen_tokens *tokens, pen_slice json);
PEN_MUST_USE bool pen_tokens_next(struct pen_tokens *tokens, struct pen_token *token);

/* Appends a line "NAME VERSION" for each library that the module stands on. */
PEN_MUST_USE pen_status pen_json_libraries(struct pen_buf *out);

/* Bytes that a walker holds at most, without those of a second one for lookup-events. */
uint64_t pen_walker_memory(const struct pen_walker_options *options);

#endif
