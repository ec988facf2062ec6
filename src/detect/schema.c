/* tested by tests/unit/detect/test_datadog.c */
#include "schema.h"

#define NAME_BYTES_MAX 64U /* of a member's name in snake case */
#define LIST_BYTES_MAX 160U

/* Objects that are still to be looked at. */
struct todo {
    struct json_node *node;
    const struct schema *schema;
    struct todo *next;
};
struct check {
    struct datadog *d;
    struct todo *todo;
};

/* ---- names ---- */

/* The name as rules of this form write it. */
static pen_slice written(const struct datadog *d, const struct schema_member *member,
                         char out[NAME_BYTES_MAX])
{
    size_t len = 0;
    if (!d->is_terraform) {
        return pen_slice_str(member->name);
    }
    if (member->terraform != NULL) {
        return pen_slice_str(member->terraform);
    }
    for (const char *c = member->name; *c != '\0'; c++) {
        PEN_CHECK(len + 2 < NAME_BYTES_MAX);
        const bool is_upper = *c >= 'A' && *c <= 'Z';
        if (is_upper) {
            out[len++] = '_';
        }
        out[len++] = (char)(is_upper ? *c + ('a' - 'A') : *c);
    }
    return (pen_slice){(uint8_t *)out, len};
}

static const struct schema_member *member_of(const struct datadog *d, const struct schema *schema,
                                             pen_slice name)
{
    char text[NAME_BYTES_MAX];
    for (uint32_t i = 0; i < schema->count; i++) {
        const struct schema_member *member = &schema->members[i];
        const bool has_two = d->is_terraform && member->terraform_too != NULL;
        if (pen_slice_eq(written(d, member, text), name) ||
            (has_two && pen_slice_eq(pen_slice_str(member->terraform_too), name))) {
            return member;
        }
    }
    return NULL;
}

static void warn_unknown(struct datadog *d, const struct json_node *kid,
                         const struct schema *schema)
{
    char text[NAME_BYTES_MAX];
    const struct schema_member *nearest = NULL;
    const pen_slice name = kid->key->text;
    uint32_t least = pen_distance_near(name.len);
    for (uint32_t i = 0; i < schema->count; i++) {
        const uint32_t distance = pen_distance(name, written(d, &schema->members[i], text));
        if (distance < least) {
            least = distance;
            nearest = &schema->members[i];
        }
    }
    if (nearest == NULL) {
        datadog_warn(d, kid->key, "%s has no member '%.*s': it is not looked at", schema->what,
                     PEN_SLICE_FMT(name));
        return;
    }
    datadog_warn(d, kid->key, "%s has no member '%.*s': it is not looked at; the nearest is '%.*s'",
                 schema->what, PEN_SLICE_FMT(name), PEN_SLICE_FMT(written(d, nearest, text)));
}

/* ---- what Terraform writes otherwise ---- */

/* Texts that are numbers or truths become such; ${ and %{ begin what only Terraform can work out,
 * unless they are doubled. */
static void terraform_text(struct datadog *d, struct json_node *node, enum schema_kind kind)
{
    uint8_t *to = pen_unconst(node->text.ptr);
    const pen_slice from = node->text;
    int64_t number = 0;
    size_t len = 0;
    const bool is_bool =
        pen_slice_eq(from, PEN_SLICE_LIT("true")) || pen_slice_eq(from, PEN_SLICE_LIT("false"));
    if (kind == SCHEMA_BOOL && is_bool) {
        node->kind = PEN_BOOL;
    } else if (kind == SCHEMA_INTEGER && pen_parse_i64(from, &number)) {
        node->kind = PEN_NUMBER;
    }
    for (size_t i = 0; i < from.len; i++) {
        const uint8_t c = from.ptr[i];
        const uint8_t next = i + 1 < from.len ? from.ptr[i + 1] : 0;
        const bool is_mark = c == '$' || c == '%';
        const bool is_doubled = is_mark && next == c && i + 2 < from.len && from.ptr[i + 2] == '{';
        if (is_mark && next == '{') {
            datadog_error_in(d, node, i,
                             "an expression of Terraform: only texts as they stand are read");
            break;
        }
        to[len++] = c;
        i += is_doubled;
    }
    to[len] = 0;
    node->text.len = len;
}

/* A block may stand alone where the API has a list, and in a list where it has an object. */
static void terraform_block(struct datadog *d, struct json_node *node, enum schema_kind kind)
{
    struct json_node *copy = PEN_NEW(d->arena, struct json_node);
    PEN_CHECK(copy != NULL);
    *copy = *node;
    copy->next = NULL;
    if (kind == SCHEMA_OBJECTS && node->kind == PEN_OBJECT) {
        node->kind = PEN_ARRAY;
        node->child = copy;
        node->count = 1;
    } else if (kind == SCHEMA_OBJECT && node->kind == PEN_ARRAY && node->count == 1) {
        const struct json_node *only = node->child;
        node->kind = only->kind;
        node->text = only->text;
        node->child = only->child;
        node->count = only->count;
    }
}

static void terraform_fit(struct datadog *d, struct json_node *node, enum schema_kind kind)
{
    if (kind == SCHEMA_OBJECT || kind == SCHEMA_OBJECTS) {
        terraform_block(d, node, kind);
    } else if (node->kind == PEN_STRING) {
        terraform_text(d, node, kind);
    } else if (kind == SCHEMA_TEXTS && node->kind == PEN_ARRAY) {
        for (struct json_node *kid = node->child; kid != NULL; kid = kid->next) {
            if (kid->kind == PEN_STRING) {
                terraform_text(d, kid, SCHEMA_TEXT);
            }
        }
    }
}

/* ---- values ---- */

static void push(struct check *c, struct json_node *node, const struct schema *schema)
{
    struct todo *todo = PEN_NEW(c->d->arena, struct todo);
    PEN_CHECK(todo != NULL);
    *todo = (struct todo){.node = node, .schema = schema, .next = c->todo};
    c->todo = todo;
}

static void check_word(struct datadog *d, const struct json_node *node,
                       const struct schema_member *member)
{
    char list[LIST_BYTES_MAX] = "";
    size_t len = 0;
    for (const char *const *word = member->words; word != NULL && *word != NULL; word++) {
        if (pen_slice_eq(node->text, pen_slice_str(*word))) {
            return;
        }
        const pen_slice text = pen_slice_str(*word);
        const size_t comma = len == 0 ? 0 : 2;
        if (len + comma + text.len < sizeof(list)) {
            memcpy(list + len, ", ", comma);
            memcpy(list + len + comma, text.ptr, text.len + 1);
            len += comma + text.len;
        }
    }
    if (member->words != NULL) {
        datadog_error(d, node, "`%s` is one of %s, not '%.*s'", member->name, list,
                      PEN_SLICE_FMT(node->text));
    }
}

static void check_integer(struct datadog *d, const struct json_node *node,
                          const struct schema_member *member)
{
    int64_t value = 0;
    if (!pen_parse_i64(node->text, &value)) {
        datadog_error(d, node, "`%s` is a whole number", member->name);
        return;
    }
    for (uint32_t i = 0; i < member->number_count; i++) {
        if (member->numbers[i] == value) {
            return;
        }
    }
    if (member->number_count > 10) {
        datadog_error(d, node,
                      "`%s` is 0, 60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200 or "
                      "86400 seconds",
                      member->name);
    } else if (member->number_count > 0) {
        datadog_error(d, node, "`%s` cannot be %.*s", member->name, PEN_SLICE_FMT(node->text));
    } else if (member->most > 0 && (value < member->least || value > member->most)) {
        datadog_error(d, node, "`%s` lies between %lld and %lld", member->name,
                      (long long)member->least, (long long)member->most);
    }
}

static void check_items(struct check *c, struct json_node *node, const struct schema_member *member)
{
    const bool is_objects = member->kind == SCHEMA_OBJECTS;
    if (member->items_most > 0 && node->count > member->items_most) {
        datadog_error(c->d, node, "`%s` has at most %u items", member->name, member->items_most);
    }
    for (struct json_node *kid = node->child; kid != NULL; kid = kid->next) {
        if (kid->kind != (is_objects ? PEN_OBJECT : PEN_STRING)) {
            datadog_error(c->d, kid, "`%s` is a list of %s", member->name,
                          is_objects ? "objects" : "texts");
        } else if (is_objects) {
            push(c, kid, member->object);
        }
    }
}

static void check_value(struct check *c, struct json_node *node, const struct schema_member *member)
{
    static const struct {
        uint8_t kind;
        const char *what;
    } kinds[] = {[SCHEMA_ANY] = {PEN_NULL, ""},
                 [SCHEMA_TEXT] = {PEN_STRING, "a text"},
                 [SCHEMA_BOOL] = {PEN_BOOL, "true or false"},
                 [SCHEMA_INTEGER] = {PEN_NUMBER, "a whole number"},
                 [SCHEMA_TEXTS] = {PEN_ARRAY, "a list of texts"},
                 [SCHEMA_OBJECT] = {PEN_OBJECT, "an object"},
                 [SCHEMA_OBJECTS] = {PEN_ARRAY, "a list of objects"}};
    if (c->d->is_terraform) {
        terraform_fit(c->d, node, member->kind);
    }
    if (member->kind == SCHEMA_ANY || node->kind == PEN_NULL) {
        return;
    }
    if (node->kind != kinds[member->kind].kind) {
        datadog_error(c->d, node, "`%s` is %s", member->name, kinds[member->kind].what);
    } else if (member->kind == SCHEMA_TEXT) {
        check_word(c->d, node, member);
    } else if (member->kind == SCHEMA_INTEGER) {
        check_integer(c->d, node, member);
    } else if (member->kind == SCHEMA_OBJECT) {
        push(c, node, member->object);
    } else if (member->kind != SCHEMA_BOOL) {
        check_items(c, node, member);
    }
}

static bool is_there(const struct json_node *node, const char *name)
{
    for (const struct json_node *kid = node->child; kid != NULL; kid = kid->next) {
        if (kid->name == name && kid->kind != PEN_NULL) {
            return true;
        }
    }
    return false;
}

/* The server may leave out what a new rule needs, and Terraform has its own defaults. */
static bool is_lenient(const struct check *c, const struct json_node *node)
{
    return node == c->d->root && (c->d->is_terraform || datadog_text(node, "id").len > 0);
}

static void check_object(struct check *c, struct json_node *node, const struct schema *schema)
{
    char text[NAME_BYTES_MAX];
    for (struct json_node *kid = node->child; kid != NULL; kid = kid->next) {
        const struct schema_member *member = member_of(c->d, schema, kid->key->text);
        if (member == NULL) {
            warn_unknown(c->d, kid, schema);
            continue;
        }
        kid->name = member->name;
        check_value(c, kid, member);
    }
    for (uint32_t i = 0; i < schema->count && !is_lenient(c, node); i++) {
        const struct schema_member *member = &schema->members[i];
        if (member->is_required && !is_there(node, member->name)) {
            datadog_error(c->d, node, "%s needs `%.*s`", schema->what,
                          PEN_SLICE_FMT(written(c->d, member, text)));
        }
    }
}

void schema_check(struct datadog *d, struct json_node *root, const struct schema *schema)
{
    struct check c = {.d = d};
    push(&c, root, schema);
    while (c.todo != NULL) {
        struct todo *now = c.todo;
        c.todo = now->next;
        check_object(&c, now->node, now->schema);
    }
}

/* ---- members ---- */

const struct json_node *datadog_get(const struct json_node *object, const char *name, uint8_t kind)
{
    const struct json_node *kid = object == NULL ? NULL : object->child;
    while (kid != NULL && (kid->name == NULL || strcmp(kid->name, name) != 0)) {
        kid = kid->next;
    }
    return kid != NULL && kid->kind == kind ? kid : NULL;
}

pen_slice datadog_text(const struct json_node *object, const char *name)
{
    const struct json_node *node = datadog_get(object, name, PEN_STRING);
    return node == NULL ? (pen_slice){0} : node->text;
}

bool datadog_number(const struct json_node *object, const char *name, int64_t *out)
{
    const struct json_node *node = datadog_get(object, name, PEN_NUMBER);
    return node != NULL && pen_parse_i64(node->text, out);
}

bool datadog_is_true(const struct json_node *object, const char *name)
{
    const struct json_node *node = datadog_get(object, name, PEN_BOOL);
    return node != NULL && pen_slice_eq(node->text, PEN_SLICE_LIT("true"));
}

const pen_slice *datadog_texts(struct datadog *d, const struct json_node *object, const char *name,
                               uint32_t *count)
{
    const struct json_node *list = datadog_get(object, name, PEN_ARRAY);
    *count = 0;
    if (list == NULL || list->count == 0) {
        return NULL;
    }
    pen_slice *texts = PEN_NEW_N(d->arena, pen_slice, list->count);
    PEN_CHECK(texts != NULL);
    for (const struct json_node *kid = list->child; kid != NULL; kid = kid->next) {
        if (kid->kind == PEN_STRING && kid->text.len > 0) {
            texts[(*count)++] = kid->text;
        }
    }
    return texts;
}
