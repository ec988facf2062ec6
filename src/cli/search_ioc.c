/* tested by tests/e2e/test_ioc.py */
#include "search_ioc.h"

#define LINE_BYTES_MAX ((size_t)256 << 20)

void search_hits_init(struct search_hits *hits, uint32_t max)
{
    PEN_CHECK(max <= SEARCH_HITS_MAX);
    hits->count = 0;
    hits->max = max;
    hits->is_cut = false;
    pen_buf_init(&hits->paths, (size_t)SEARCH_HITS_MAX * SEARCH_PATH_MAX);
    pen_buf_init(&hits->json, LINE_BYTES_MAX);
    pen_buf_init(&hits->plain, LINE_BYTES_MAX);
}

void search_hits_fini(struct search_hits *hits)
{
    pen_buf_fini(&hits->paths);
    pen_buf_fini(&hits->json);
    pen_buf_fini(&hits->plain);
}

/* ---- paths ---- */

struct walk {
    struct search_hits *hits;
    const struct pen_iocs *iocs;
    pen_slice keys[PEN_JSON_DEPTH_MAX + 1]; /* by depth; empty in lists */
    uint32_t depth;
};

/* The names of the objects around a value, with dots between them. */
static pen_status path_write(const struct walk *w, struct pen_buf *out)
{
    const size_t from = out->len;
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < w->depth; i++) {
        const bool has_room = out->len - from + w->keys[i].len + 1 <= SEARCH_PATH_MAX;
        if (w->keys[i].len > 0 && has_room) {
            st = out->len == from ? PEN_OK : pen_buf_add_byte(out, '.');
            st = st == PEN_OK ? pen_buf_add(out, w->keys[i]) : st;
        }
    }
    return st;
}

static pen_slice path_of(const struct search_hits *hits, const struct search_hit *hit)
{
    return pen_slice_sub(pen_buf_slice(&hits->paths), hit->path_at, hit->path_at + hit->path_len);
}

/* ---- values ---- */

static bool is_known(const struct search_hits *hits, const struct pen_ioc *ioc, pen_slice path)
{
    for (uint32_t i = 0; i < hits->count; i++) {
        const struct pen_ioc *known = &hits->items[i].ioc;
        if (known->value.ptr == ioc->value.ptr && known->list.ptr == ioc->list.ptr &&
            pen_slice_eq(path_of(hits, &hits->items[i]), path)) {
            return true;
        }
    }
    return false;
}

static pen_status value_look(struct walk *w, pen_slice text)
{
    struct search_hits *hits = w->hits;
    struct pen_ioc found[SEARCH_HITS_MAX];
    const uint32_t count = pen_iocs_find(w->iocs, PEN_IOC_AS_ALL, text, found, SEARCH_HITS_MAX);
    if (PEN_LIKELY(count == 0)) {
        return PEN_OK;
    }
    const size_t at = hits->paths.len;
    PEN_TRY(path_write(w, &hits->paths));
    const pen_slice path = pen_slice_sub(pen_buf_slice(&hits->paths), at, hits->paths.len);
    for (uint32_t i = 0; i < count; i++) {
        if (is_known(hits, &found[i], path)) {
            continue;
        }
        if (hits->count == hits->max) {
            hits->is_cut = true;
        } else {
            hits->items[hits->count++] =
                (struct search_hit){.ioc = found[i], .path_at = at, .path_len = path.len};
        }
    }
    return PEN_OK;
}

static pen_status string_look(struct walk *w, const struct pen_token *token)
{
    struct pen_buf *plain = &w->hits->plain;
    if (!token->is_escaped) {
        return value_look(w, token->text);
    }
    plain->len = 0;
    PEN_TRY(pen_buf_reserve(plain, token->text.len));
    plain->len = pen_json_unescape(token->text, plain->ptr);
    return value_look(w, pen_buf_slice(plain));
}

/* ---- records ---- */

static pen_status json_look(struct walk *w, pen_slice json)
{
    struct pen_tokens tokens;
    struct pen_token token;
    pen_status st = PEN_OK;
    pen_tokens_init(&tokens, json);
    while (st == PEN_OK && pen_tokens_next(&tokens, &token)) {
        w->depth = token.depth;
        if (token.is_key) {
            w->keys[token.depth - 1] = token.text;
        } else if (token.is_open) {
            w->keys[token.depth] = (pen_slice){0};
        } else if (token.kind == PEN_STRING) {
            st = string_look(w, &token);
        }
    }
    return st;
}

static bool parts_words(uint8_t c)
{
    return c <= ' ' || (c != '\0' && strchr("\"'`,;=<>(){}|", c) != NULL);
}

static pen_status line_look(struct walk *w, pen_slice line)
{
    size_t from = 0;
    w->keys[0] = PEN_SLICE_LIT(SEARCH_LINE_FIELD);
    w->depth = 1;
    pen_status st = value_look(w, line);
    for (size_t i = 0; st == PEN_OK && i <= line.len; i++) {
        if (i == line.len || parts_words(line.ptr[i])) {
            st = i > from ? value_look(w, pen_slice_sub(line, from, i)) : PEN_OK;
            from = i + 1;
        }
    }
    return st;
}

pen_status search_hits_find(struct search_hits *hits, const struct pen_iocs *iocs,
                            const struct pen_record *record)
{
    struct walk w = {.hits = hits, .iocs = iocs};
    hits->count = 0;
    hits->is_cut = false;
    hits->paths.len = 0;
    if (record->problem != NULL) {
        return line_look(&w, record->raw);
    }
    if (!record->is_flat) {
        return json_look(&w, record->raw);
    }
    hits->json.len = 0;
    PEN_TRY(pen_record_compact(&hits->json, record));
    return json_look(&w, pen_buf_slice(&hits->json));
}

/* ---- writing ---- */

static pen_status member(struct pen_buf *out, const char *before, pen_slice text)
{
    PEN_TRY(pen_buf_printf(out, "%s\"", before));
    PEN_TRY(pen_json_escape(out, text));
    return pen_buf_add_byte(out, '"');
}

static pen_status hit_json(const struct search_hits *hits, const struct search_hit *hit,
                           struct pen_buf *out)
{
    const struct pen_ioc *ioc = &hit->ioc;
    PEN_TRY(member(out, "{\"indicator\":", ioc->value));
    PEN_TRY(member(out, ",\"type\":", pen_slice_str(pen_ioc_type_name(ioc->type))));
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT(",\"field\":\"")));
    PEN_TRY(pen_buf_add(out, path_of(hits, hit)));
    PEN_TRY(member(out, "\",\"list\":", ioc->list));
    PEN_TRY(member(out, ",\"provider\":", ioc->provider));
    PEN_TRY(ioc->name.len == 0 ? PEN_OK : member(out, ",\"name\":", ioc->name));
    return pen_buf_add_byte(out, '}');
}

pen_status search_hits_json(const struct search_hits *hits, struct pen_buf *out)
{
    pen_status st = pen_buf_add(out, PEN_SLICE_LIT(",\"ioc\":["));
    for (uint32_t i = 0; st == PEN_OK && i < hits->count; i++) {
        st = i == 0 ? PEN_OK : pen_buf_add_byte(out, ',');
        st = st == PEN_OK ? hit_json(hits, &hits->items[i], out) : st;
    }
    if (st != PEN_OK) {
        return st;
    }
    return pen_buf_add(out,
                       hits->is_cut ? PEN_SLICE_LIT("],\"ioc_cut\":true") : PEN_SLICE_LIT("]"));
}

pen_status search_hits_text(const struct search_hits *hits, struct pen_buf *out)
{
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < hits->count; i++) {
        st = i == 0 ? PEN_OK : pen_buf_add_byte(out, ',');
        st = st == PEN_OK ? pen_buf_add(out, hits->items[i].ioc.value) : st;
    }
    return st;
}
