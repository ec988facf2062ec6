#include "penstock/normalize.h"

#include "internal.h"
#include "pytext.h"

#define SIZE_GUARD_TEXT_MAX 32766U
#define SIZE_GUARD_CUT 32753U

static bool source_fits(const char *sources, const struct pen_value *source)
{
    if (sources == NULL) {
        return true;
    }
    pen_slice rest = pen_slice_str(sources);
    pen_slice one;
    while (source != NULL && pen_slice_split(&rest, ',', &one)) {
        if (pen_slice_eq(one, source->text)) {
            return true;
        }
    }
    return false;
}

static pen_status add_member_text(struct pen_buf *out, const char *key, pen_slice text)
{
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("{\"")));
    PEN_TRY(pen_buf_add(out, pen_slice_str(key)));
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("\":\"")));
    PEN_TRY(pen_buf_add(out, text));
    return pen_buf_add(out, PEN_SLICE_LIT("\"}"));
}

/* Appends repr of the raw value as a JSON string. */
static pen_status add_repr(struct pen_normalizer *n, pen_slice raw, struct pen_buf *out)
{
    uint32_t root;
    n->tree.count = 0;
    n->text.len = 0;
    PEN_TRY(nrm_tree_parse(&n->tree, raw, &root));
    PEN_TRY(nrm_pytext(&n->tree, root, &n->plain, &n->text));
    PEN_TRY(pen_buf_add_byte(out, '"'));
    PEN_TRY(pen_json_escape(out, pen_buf_slice(&n->text)));
    return pen_buf_add_byte(out, '"');
}

/* raw of a string patch with its quotes. */
static pen_slice inside(pen_slice raw)
{
    return raw.len >= 2 && raw.ptr[0] == '"' ? pen_slice_sub(raw, 1, raw.len - 1) : raw;
}

static pen_slice quoted(const struct pen_record *record, const struct pen_patch *patch)
{
    /* The copy has strings byte for byte with quotes, whatever raw is. */
    return pen_slice_sub(record->copy, patch->begin, patch->end);
}

static pen_status number_to_text(pen_slice number, struct pen_buf *out)
{
    bool is_zero = true;
    for (size_t i = 0; i < number.len && (number.ptr[i] | 0x20) != 'e'; i++) {
        is_zero = is_zero && !(number.ptr[i] >= '1' && number.ptr[i] <= '9');
    }
    if (is_zero) {
        return PEN_OK;
    }
    PEN_TRY(pen_buf_add_byte(out, '"'));
    PEN_TRY(pen_buf_add(out, number));
    return pen_buf_add_byte(out, '"');
}

/* json_to_text.  Falsy values stay; floats become text too. */
static pen_status to_text(struct pen_normalizer *n, const struct pen_patch *patch, pen_slice copied,
                          struct pen_buf *out)
{
    switch ((enum pen_kind)patch->kind) {
    case PEN_OBJECT:
    case PEN_ARRAY:
        return add_repr(n, patch->raw, out);
    case PEN_STRING:
        return memchr(copied.ptr, '{', copied.len) == NULL ? PEN_OK : add_repr(n, copied, out);
    case PEN_BOOL:
        return patch->raw.len == 4 ? pen_buf_add(out, PEN_SLICE_LIT("\"True\"")) : PEN_OK;
    case PEN_NUMBER:
        return number_to_text(copied, out);
    case PEN_NULL:
    default:
        return PEN_OK;
    }
}

static bool all_of_kind(const struct nrm_tree *tree, uint32_t list, enum pen_kind kind)
{
    for (uint32_t at = tree->nodes[list].first; at != NRM_TREE_NONE; at = tree->nodes[at].next) {
        if (tree->nodes[at].kind != kind) {
            return false;
        }
    }
    return true;
}

static pen_status repair_tags(struct pen_normalizer *n, const struct pen_patch *patch,
                              pen_slice copied, struct pen_buf *out)
{
    uint32_t root;
    if (patch->kind == PEN_STRING) {
        return add_member_text(out, "value", inside(copied));
    }
    if (patch->kind == PEN_OBJECT) {
        return PEN_OK;
    }
    n->tree.count = 0;
    PEN_TRY(nrm_tree_parse(&n->tree, copied, &root));
    if (patch->kind == PEN_ARRAY && all_of_kind(&n->tree, root, PEN_OBJECT)) {
        return PEN_OK;
    }
    const bool is_plain = patch->kind == PEN_ARRAY && all_of_kind(&n->tree, root, PEN_STRING);
    const pen_slice whole = patch->kind == PEN_ARRAY ? patch->raw : copied;
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT("{\"value\":")));
    PEN_TRY(is_plain ? pen_buf_add(out, copied) : add_repr(n, whole, out));
    return pen_buf_add_byte(out, '}');
}

static pen_status repair_object(struct pen_normalizer *n, const struct nrm_repair *repair,
                                pen_slice copied, struct pen_buf *out)
{
    uint32_t root;
    n->tree.count = 0;
    PEN_TRY(nrm_tree_parse(&n->tree, copied, &root));
    const uint32_t member = nrm_tree_member(&n->tree, root, pen_slice_str(repair->key));
    if (member == NRM_TREE_NONE) {
        return PEN_OK;
    }
    if (repair->kind == NRM_UNWRAP) {
        return nrm_tree_emit(&n->tree, member, out);
    }
    n->tree.nodes[member].key = pen_slice_str(repair->to);
    return nrm_tree_emit(&n->tree, root, out);
}

static pen_status repair_credentials(pen_slice copied, struct pen_buf *out)
{
    static const char *const arns[] = {"arn:aws:iam", "arn:aws-cn:iam", "arn:aws-us-gov:iam"};
    const pen_slice text = inside(copied);
    const char *key = "value";
    for (size_t i = 0; i < PEN_COUNT(arns); i++) {
        if (pen_slice_find(text, pen_slice_str(arns[i])) != SIZE_MAX) {
            key = "iam";
        }
    }
    return add_member_text(out, key, text);
}

static pen_status repair_list(struct pen_normalizer *n, const struct nrm_repair *repair,
                              const struct pen_patch *patch, struct pen_buf *out)
{
    uint32_t root;
    n->tree.count = 0;
    PEN_TRY(nrm_tree_parse(&n->tree, patch->raw, &root));
    if (repair->kind == NRM_OBJECTS_TEXT && !all_of_kind(&n->tree, root, PEN_OBJECT)) {
        return PEN_OK;
    }
    return add_repr(n, patch->raw, out);
}

/* Appends what replaces the value; nothing when it stays. */
static pen_status repair_value(struct pen_normalizer *n, const struct nrm_repair *repair,
                               const struct pen_patch *patch, pen_slice copied, struct pen_buf *out)
{
    const bool is_string = patch->kind == PEN_STRING;
    switch (repair->kind) {
    case NRM_WRAP:
        return is_string ? add_member_text(out, repair->key, inside(copied)) : PEN_OK;
    case NRM_CREDENTIALS:
        return is_string ? repair_credentials(copied, out) : PEN_OK;
    case NRM_TAGS:
        return repair_tags(n, patch, copied, out);
    case NRM_UNWRAP:
    case NRM_RENAME:
        return patch->kind == PEN_OBJECT ? repair_object(n, repair, copied, out) : PEN_OK;
    case NRM_LIST_TEXT:
    case NRM_OBJECTS_TEXT:
        return patch->kind == PEN_ARRAY ? repair_list(n, repair, patch, out) : PEN_OK;
    case NRM_OWN:
        return n->schema->script->make(n, copied, out);
    case NRM_REPR:
    default:
        return add_repr(n, is_string ? copied : patch->raw, out);
    }
}

static pen_status replace(struct pen_normalizer *n, const struct pen_record *record,
                          const struct pen_patch *patch, struct pen_buf *out)
{
    const pen_slice copied = quoted(record, patch);
    const struct nrm_script *script = n->schema->script;
    if (patch->action == NRM_ACTION_TEXT) {
        return to_text(n, patch, copied, out);
    }
    const uint32_t index = patch->action - NRM_ACTION_SCRIPT;
    PEN_CHECK(script != NULL && index < script->repair_count);
    const struct nrm_repair *repair = &script->repairs[index];
    const struct pen_value *source =
        pen_record_first(record, n->schema->script_fields[script->source_field]);
    return source_fits(repair->sources, source) ? repair_value(n, repair, patch, copied, out)
                                                : PEN_OK;
}

/* Takes the name of a member back, which out ends with; false: it is the first of its object. */
static bool take_name_back(struct pen_buf *out)
{
    size_t at = out->len - 2; /* of the quote before the colon */
    size_t slashes = 1;
    while (slashes % 2 == 1) { /* a quote behind an odd number of them is a part of the name */
        slashes = 0;
        for (at--; at > 0 && out->ptr[at] != '"'; at--) {
        }
        while (slashes < at && out->ptr[at - 1 - slashes] == '\\') {
            slashes++;
        }
    }
    const bool has_comma = at > 0 && out->ptr[at - 1] == ',';
    out->len = at - has_comma;
    return has_comma;
}

pen_status nrm_copy_patched(struct pen_normalizer *n, const struct pen_record *record,
                            struct pen_buf *out)
{
    size_t done = 0;
    for (uint32_t i = 0; i < record->patch_count; i++) {
        const struct pen_patch *patch = &record->patches[i];
        if (patch->begin < done) {
            continue; /* inside a value that was replaced as a whole */
        }
        PEN_TRY(pen_buf_add(out, pen_slice_sub(record->copy, done, patch->begin)));
        done = patch->begin;
        const size_t before = out->len;
        PEN_TRY(replace(n, record, patch, out));
        if (out->len > before) {
            done = patch->end;
        }
        if (before > 0 && out->ptr[before - 1] == ':' &&
            pen_slice_eq(pen_slice_sub(pen_buf_slice(out), before, out->len),
                         PEN_SLICE_LIT("null"))) {
            out->len = before;
            const bool is_next_first = !take_name_back(out) && done < record->copy.len;
            done += is_next_first && record->copy.ptr[done] == ',';
        }
    }
    return pen_buf_add(out, pen_slice_sub(record->copy, done, record->copy.len));
}

/* Replaces the text of one node by its first bytes and a mark; the new text lives in n->text. */
static pen_status cut_node(struct pen_normalizer *n, struct nrm_node *node)
{
    n->plain.len = 0;
    PEN_TRY(pen_buf_reserve(&n->plain, node->text.len));
    const size_t length = pen_json_unescape(node->text, n->plain.ptr);
    if (length < SIZE_GUARD_TEXT_MAX) {
        return PEN_OK;
    }
    size_t cut = SIZE_GUARD_CUT;
    while (cut > 0 && (n->plain.ptr[cut] & 0xc0) == 0x80) {
        cut--;
    }
    const size_t from = n->text.len;
    PEN_TRY(pen_json_escape(&n->text, (pen_slice){n->plain.ptr, cut}));
    PEN_TRY(pen_buf_add(&n->text, PEN_SLICE_LIT("<<TRUNCATED>>")));
    node->text = (pen_slice){n->text.ptr + from, n->text.len - from};
    return PEN_OK;
}

pen_status nrm_size_guard(struct pen_normalizer *n)
{
    uint32_t root;
    n->tree.count = 0;
    n->text.len = 0;
    PEN_TRY(nrm_tree_parse(&n->tree, pen_buf_slice(&n->document), &root));
    /* Escaped text is at most six times as long; reserved at once so that no text moves. */
    PEN_TRY(pen_buf_reserve(&n->text, n->document.len * 6 + 64));
    bool any = false;
    for (uint32_t i = root; i < n->tree.count; i++) {
        struct nrm_node *node = &n->tree.nodes[i];
        if (node->kind != PEN_STRING || node->text.len < SIZE_GUARD_TEXT_MAX ||
            node->parent == NRM_TREE_NONE || n->tree.nodes[node->parent].kind != PEN_OBJECT ||
            pen_slice_eq(node->key, PEN_SLICE_LIT("@message"))) {
            continue;
        }
        PEN_TRY(cut_node(n, node));
        any = true;
    }
    if (!any) {
        return PEN_OK;
    }
    n->spare.len = 0;
    PEN_TRY(nrm_tree_emit(&n->tree, root, &n->spare));
    const struct pen_buf swap = n->document;
    n->document = n->spare;
    n->spare = swap;
    return PEN_OK;
}
