#include "penstock/normalize.h"

#include "internal.h"

#include <stdlib.h>

#define NO_TIME_BYTES_MAX ((size_t)64 << 10)
#define ARENA_MAX ((size_t)16 << 20)

static const char *const basic_slots[] = {"event.module",   "event.ingested",   "ecs.version",
                                          "cloud.provider", "cloud.account.id", "cloud.region"};
/* Of lines that could not be taken apart. */
static const char *const problem_slots[] = {"event.kind", "error.message"};
static const char *const basic_members[] = {"@message",      "@timestamp", "@log_type",
                                            "@log_s3bucket", "@log_s3key", "@id",
                                            "@log_group",    "@log_stream"};
static const char *const common_time_keys[] = {"@timestamp", "timestamp", "time", "eventTime"};

static const struct nrm_script *const scripts[] = {&nrm_script_cloudtrail,
                                                   &nrm_script_guardduty,
                                                   &nrm_script_route53resolver,
                                                   &nrm_script_networkfirewall,
                                                   &nrm_script_vpcflowlogs,
                                                   &nrm_script_elb,
                                                   &nrm_script_s3access,
                                                   &nrm_script_waf,
                                                   &nrm_script_okta,
                                                   &nrm_script_cloudfront_standard,
                                                   &nrm_script_cloudfront_realtime,
                                                   &nrm_script_securityhub,
                                                   &nrm_script_inspector,
                                                   &nrm_script_eks,
                                                   &nrm_script_linux,
                                                   &nrm_script_rds_mysql_audit,
                                                   &nrm_script_rds_postgresql,
                                                   &nrm_script_web_access,
                                                   &nrm_script_apache_error,
                                                   &nrm_script_nginx_error,
                                                   &nrm_script_config,
                                                   &nrm_script_config_rules,
                                                   &nrm_script_trustedadvisor,
                                                   &nrm_script_clientvpn,
                                                   &nrm_script_redis_slowlog,
                                                   &nrm_script_opensearch_audit,
                                                   &nrm_script_cloudhsm,
                                                   &nrm_script_windows,
                                                   &nrm_script_ocsf,
                                                   &nrm_script_klog,
                                                   &nrm_script_eks_authenticator,
                                                   &nrm_script_alb_connection,
                                                   &nrm_script_rds_mysql_slowquery};

uint32_t nrm_slot_find(const struct pen_schema *schema, pen_slice ecs)
{
    for (uint32_t i = 0; i < schema->slot_count; i++) {
        if (pen_slice_eq(schema->slots[i].ecs, ecs)) {
            return i;
        }
    }
    return PEN_FIELD_NONE;
}

static bool ends_with(pen_slice text, pen_slice tail)
{
    return text.len >= tail.len &&
           pen_slice_eq(pen_slice_sub(text, text.len - tail.len, text.len), tail);
}

/* ECS 1.10 fields of the numeric types that the built-in maps can fill. */
static bool is_number_field(pen_slice ecs)
{
    static const char *const tails[] = {".port",        ".bytes", ".packets",
                                        ".status_code", ".pid",   ".as.number"};
    static const char *const names[] = {"event.severity", "event.duration", "event.risk_score",
                                        "event.sequence", "file.size",      "dns.answers.ttl"};
    for (size_t i = 0; i < PEN_COUNT(tails); i++) {
        if (ends_with(ecs, pen_slice_str(tails[i]))) {
            return true;
        }
    }
    for (size_t i = 0; i < PEN_COUNT(names); i++) {
        if (pen_slice_eq(ecs, pen_slice_str(names[i]))) {
            return true;
        }
    }
    return false;
}

pen_status nrm_slot_add(struct pen_schema *schema, pen_slice ecs, uint32_t *slot,
                        struct pen_err *err)
{
    const uint32_t known = nrm_slot_find(schema, ecs);
    if (known != PEN_FIELD_NONE) {
        *slot = known;
        return PEN_OK;
    }
    if (schema->slot_count == NRM_SLOTS_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "type %.*s: more than %u ECS fields",
                        PEN_SLICE_FMT(schema->type->name), NRM_SLOTS_MAX);
    }
    *slot = schema->slot_count++;
    schema->slots[*slot] = (struct nrm_slot){.ecs = ecs,
                                             .is_ip = ends_with(ecs, PEN_SLICE_LIT(".ip")),
                                             .is_number = is_number_field(ecs)};
    return PEN_OK;
}

/* Cuts the first name of a path off: a dot that belongs to it has a backslash before it, which
 * goes.  {0}: out of memory. */
static pen_slice step_next(struct pen_schema *schema, pen_slice *rest)
{
    size_t n = 0;
    size_t escapes = 0;
    while (n < rest->len && rest->ptr[n] != '.') {
        const bool is_escape = rest->ptr[n] == '\\' && n + 1 < rest->len && rest->ptr[n + 1] == '.';
        escapes += is_escape;
        n += is_escape ? 2 : 1;
    }
    const pen_slice step = pen_slice_sub(*rest, 0, n);
    *rest = n < rest->len ? pen_slice_sub(*rest, n + 1, rest->len) : (pen_slice){0};
    if (escapes == 0) {
        return step;
    }
    uint8_t *to = pen_arena_alloc(&schema->arena, step.len, 1);
    size_t len = 0;
    for (size_t i = 0; to != NULL && i < step.len; i++) {
        if (step.ptr[i] != '\\' || i + 1 == step.len || step.ptr[i + 1] != '.') {
            to[len++] = step.ptr[i];
        }
    }
    return (pen_slice){to, len};
}

static uint32_t split_path(struct pen_schema *schema, pen_slice path,
                           pen_slice steps[NRM_STEPS_MAX], bool *has_index)
{
    uint32_t count = 0;
    pen_slice rest = path;
    *has_index = false;
    while (count < NRM_STEPS_MAX && rest.ptr != NULL) {
        uint64_t number;
        const pen_slice step = step_next(schema, &rest);
        *has_index = *has_index || pen_parse_u64(step, &number);
        steps[count++] = step;
    }
    return count;
}

static pen_status path_field(struct pen_schema *schema, pen_slice path, struct nrm_source *source,
                             struct pen_err *err)
{
    pen_slice steps[NRM_STEPS_MAX];
    const uint32_t count = split_path(schema, path, steps, &source->may_index);
    source->field = pen_plan_field_new(schema->plan);
    const pen_status status = pen_plan_path(schema->plan, source->field, steps, count);
    return status == PEN_OK ? PEN_OK
                            : PEN_FAIL(err, status, PEN_NO_OFFSET, "type %.*s: path %.*s",
                                       PEN_SLICE_FMT(schema->type->name), PEN_SLICE_FMT(path));
}

pen_status nrm_field_add(struct pen_schema *schema, pen_slice path, uint32_t *field,
                         struct pen_err *err)
{
    struct nrm_source source;
    PEN_TRY(path_field(schema, path, &source, err));
    *field = source.field;
    return PEN_OK;
}

pen_status nrm_column_add(struct pen_schema *schema, pen_slice path, uint32_t *field,
                          struct pen_err *err)
{
    PEN_TRY(nrm_field_add(schema, path, field, err));
    return pen_plan_by_column(schema->plan, *field) == PEN_OK
               ? PEN_OK
               : PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "field plan");
}

static pen_status build_sources(struct pen_schema *schema, const struct pen_map_entry *entry,
                                struct nrm_map *map, struct pen_err *err)
{
    struct nrm_source *sources =
        PEN_NEW_N(&schema->arena, struct nrm_source, entry->source_count + 1);
    if (sources == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "field map");
    }
    for (uint32_t k = 0; k < entry->source_count; k++) {
        PEN_TRY(path_field(schema, entry->sources[k], &sources[k], err));
        if (pen_plan_by_column(schema->plan, sources[k].field) != PEN_OK) {
            return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "field map");
        }
    }
    map->sources = sources;
    return PEN_OK;
}

static pen_status build_maps(struct pen_schema *schema, struct pen_err *err)
{
    const struct pen_type *type = schema->type;
    schema->maps = PEN_NEW_N(&schema->arena, struct nrm_map, type->map_count + 1);
    if (schema->maps == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "field map");
    }
    schema->map_count = type->map_count;
    for (uint32_t i = 0; i < type->map_count; i++) {
        const struct pen_map_entry *entry = &type->map[i];
        PEN_TRY(build_sources(schema, entry, &schema->maps[i], err));
        schema->maps[i].source_count = entry->source_count;
        schema->maps[i].collect = entry->collect;
        PEN_TRY(nrm_slot_add(schema, entry->ecs, &schema->maps[i].slot, err));
    }
    for (uint32_t i = 0; i < type->static_count; i++) {
        uint32_t slot = 0;
        PEN_TRY(nrm_slot_add(schema, type->statics[i].ecs, &slot, err));
        schema->slots[slot].fixed = type->statics[i].json;
    }
    return PEN_OK;
}

static pen_status build_basics(struct pen_schema *schema, struct pen_err *err)
{
    uint32_t *const slots[] = {
        &schema->slot_module,   &schema->slot_ingested, NULL,
        &schema->slot_provider, &schema->slot_account,  &schema->slot_region};
    for (size_t i = 0; i < PEN_COUNT(basic_slots); i++) {
        uint32_t slot = 0;
        PEN_TRY(nrm_slot_add(schema, pen_slice_str(basic_slots[i]), &slot, err));
        if (slots[i] != NULL) {
            *slots[i] = slot;
        } else {
            schema->slots[slot].fixed = PEN_SLICE_LIT("\"1.10.0\"");
        }
    }
    schema->slot_instance = PEN_FIELD_NONE;
    if ((schema->type->envelopes & PEN_ENVELOPE_FIRELENS) != 0) {
        PEN_TRY(
            nrm_slot_add(schema, PEN_SLICE_LIT("cloud.instance.id"), &schema->slot_instance, err));
    }
    if (schema->type->format != PEN_FORMAT_JSON || schema->type->time_count > 0) {
        PEN_TRY(nrm_slot_add(schema, pen_slice_str(problem_slots[0]), &schema->slot_kind, err));
        return nrm_slot_add(schema, pen_slice_str(problem_slots[1]), &schema->slot_reason, err);
    }
    return PEN_OK;
}

static pen_status build_provider(struct pen_schema *schema)
{
    /* Records of no known kind are not said to come from AWS. */
    const pen_slice name = schema->type->name;
    struct nrm_slot *slot = &schema->slots[schema->slot_provider];
    const bool is_aws = schema->type->is_builtin ||
                        pen_slice_starts(schema->type->index_name, PEN_SLICE_LIT("log-aws-"));
    if (slot->fixed.len == 0 && is_aws && !pen_slice_eq(name, PEN_SLICE_LIT("json")) &&
        !pen_slice_eq(name, PEN_SLICE_LIT("unknown"))) {
        slot->fixed = PEN_SLICE_LIT("\"aws\"");
    }
    return PEN_OK;
}

static pen_status script_field_add(struct pen_schema *schema, uint32_t i, struct pen_err *err)
{
    const pen_slice path = pen_slice_str(schema->script->fields[i]);
    return schema->script->reads_texts
               ? nrm_column_add(schema, path, &schema->script_fields[i], err)
               : nrm_field_add(schema, path, &schema->script_fields[i], err);
}

static pen_status build_script(struct pen_schema *schema, struct pen_err *err)
{
    const struct pen_type *type = schema->type;
    if (type->script.len == 0) {
        return PEN_OK;
    }
    for (size_t i = 0; i < PEN_COUNT(scripts); i++) {
        if (pen_slice_eq(type->script, pen_slice_str(scripts[i]->name))) {
            schema->script = scripts[i];
        }
    }
    const struct nrm_script *script = schema->script;
    if (script == NULL) {
        return PEN_FAIL(err, PEN_E_CONFIG, PEN_NO_OFFSET, "type %.*s: no script is named %.*s",
                        PEN_SLICE_FMT(type->name), PEN_SLICE_FMT(type->script));
    }
    for (uint32_t i = 0; script->fields[i] != NULL; i++) {
        PEN_CHECK(i < NRM_SCRIPT_FIELDS_MAX);
        PEN_TRY(script_field_add(schema, i, err));
    }
    for (uint32_t i = 0; script->slots[i] != NULL; i++) {
        PEN_CHECK(i < NRM_SCRIPT_SLOTS_MAX);
        PEN_TRY(
            nrm_slot_add(schema, pen_slice_str(script->slots[i]), &schema->script_slots[i], err));
    }
    return PEN_OK;
}

static pen_status action_add(struct pen_schema *schema, pen_slice path, uint32_t action,
                             struct pen_err *err)
{
    pen_slice steps[NRM_STEPS_MAX];
    bool has_index;
    const uint32_t count = split_path(schema, path, steps, &has_index);
    const pen_status status = pen_plan_action(schema->plan, steps, count, action);
    return status == PEN_OK ? PEN_OK
                            : PEN_FAIL(err, status, PEN_NO_OFFSET, "type %.*s: repair of %.*s",
                                       PEN_SLICE_FMT(schema->type->name), PEN_SLICE_FMT(path));
}

static pen_status build_actions(struct pen_schema *schema, struct pen_err *err)
{
    const struct pen_type *type = schema->type;
    for (uint32_t i = 0; i < type->to_text_count; i++) {
        PEN_TRY(action_add(schema, type->to_text[i], NRM_ACTION_TEXT, err));
    }
    for (uint32_t i = 0; schema->script != NULL && i < schema->script->repair_count; i++) {
        PEN_TRY(action_add(schema, pen_slice_str(schema->script->repairs[i].path),
                           NRM_ACTION_SCRIPT + i, err));
    }
    return PEN_OK;
}

static pen_status divert_add(struct pen_schema *schema, pen_slice key, struct pen_err *err)
{
    for (uint32_t i = 0; i < schema->divert_count; i++) {
        if (pen_slice_eq(schema->diverts[i].key, key)) {
            return PEN_OK;
        }
    }
    PEN_CHECK(schema->divert_count < NRM_DIVERTS_MAX);
    const uint32_t field = pen_plan_field_new(schema->plan);
    const pen_status status = pen_plan_divert(schema->plan, key, field);
    if (status != PEN_OK) {
        return PEN_FAIL(err, status, PEN_NO_OFFSET, "member %.*s", PEN_SLICE_FMT(key));
    }
    schema->diverts[schema->divert_count].key = key;
    schema->diverts[schema->divert_count++].field = field;
    return PEN_OK;
}

static pen_status build_diverts(struct pen_schema *schema, struct pen_err *err)
{
    static const char *const container[] = {
        "container",   "container_id", "container_name",      "container_source",
        "ecs_cluster", "ecs_task_arn", "ecs_task_definition", "ec2_instance_id"};
    const bool may_contain = (schema->type->envelopes & PEN_ENVELOPE_FIRELENS) != 0;
    if (schema->type->prefix.len > 0 || schema->type->has_no_copy) {
        return PEN_OK; /* no member of the record stands beside ours */
    }
    for (size_t i = 0; i < PEN_COUNT(basic_members); i++) {
        PEN_TRY(divert_add(schema, pen_slice_str(basic_members[i]), err));
    }
    for (size_t i = 0; may_contain && i < PEN_COUNT(container); i++) {
        PEN_TRY(divert_add(schema, pen_slice_str(container[i]), err));
    }
    for (uint32_t i = 0; i < schema->slot_count; i++) {
        pen_slice rest = schema->slots[i].ecs;
        pen_slice top = rest;
        PEN_TRY(pen_slice_split(&rest, '.', &top) ? divert_add(schema, top, err) : PEN_OK);
    }
    return PEN_OK;
}

/* Not of a record but of the envelope around it. */
static bool is_told_time(pen_slice name)
{
    return pen_slice_eq(name, PEN_SLICE_LIT("cwl_timestamp")) ||
           pen_slice_eq(name, PEN_SLICE_LIT("cwe_timestamp"));
}

static pen_status build_own_times(struct pen_schema *schema, struct pen_err *err)
{
    const struct pen_type *type = schema->type;
    for (uint32_t i = 0; i < type->time_count; i++) {
        const bool is_told = is_told_time(type->times[i]);
        const bool is_key = pen_slice_eq(type->times[i], PEN_SLICE_LIT("@key"));
        uint32_t *field = &schema->time_fields[schema->time_count];
        schema->told_time = is_told ? type->times[i] : schema->told_time;
        schema->has_key_time |= is_key;
        schema->time_count += !is_told && !is_key;
        PEN_TRY(is_told || is_key ? PEN_OK : nrm_column_add(schema, type->times[i], field, err));
    }
    return PEN_OK;
}

static pen_status build_no_time(struct pen_schema *schema)
{
    struct pen_buf text;
    pen_buf_init(&text, NO_TIME_BYTES_MAX);
    pen_status st = pen_buf_add(&text, PEN_SLICE_LIT("record has no time in "));
    st = st == PEN_OK ? pen_json_escape(&text, schema->type->times[0]) : st;
    st = st == PEN_OK ? pen_buf_add_byte(&text, '\0') : st;
    char *copy = st == PEN_OK ? pen_arena_alloc(&schema->arena, text.len, 1) : NULL;
    if (copy != NULL) {
        memcpy(copy, text.ptr, text.len);
    }
    pen_buf_fini(&text);
    schema->no_time = copy;
    return st != PEN_OK ? st : copy == NULL ? PEN_E_NOMEM : PEN_OK;
}

static pen_status build_times(struct pen_schema *schema, struct pen_err *err)
{
    const struct pen_type *type = schema->type;
    if (type->time_count > NRM_TIMES_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "type %.*s: more than %u times",
                        PEN_SLICE_FMT(type->name), NRM_TIMES_MAX);
    }
    PEN_TRY(build_own_times(schema, err));
    if (type->time_count > 0) {
        PEN_TRY(build_no_time(schema));
        return nrm_time_form_check(type, err);
    }
    for (size_t i = 0; i < PEN_COUNT(common_time_keys); i++) {
        PEN_TRY(nrm_column_add(schema, pen_slice_str(common_time_keys[i]),
                               &schema->time_fields[schema->time_count++], err));
    }
    return PEN_OK;
}

static pen_status build_keys(struct pen_schema *schema, struct pen_err *err)
{
    const struct pen_type *type = schema->type;
    PEN_TRY(build_times(schema, err));
    schema->id_field = PEN_FIELD_NONE;
    if (type->id_key.len > 0) {
        PEN_TRY(nrm_field_add(schema, type->id_key, &schema->id_field, err));
    }
    schema->suffix_field = PEN_FIELD_NONE;
    if (type->id_suffix.len > 0) {
        PEN_TRY(nrm_field_add(schema, type->id_suffix, &schema->suffix_field, err));
    }
    schema->identity = PEN_NEW_N(&schema->arena, uint32_t, type->identity_count + 1);
    if (schema->identity == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "identity paths");
    }
    for (uint32_t i = 0; i < type->identity_count; i++) {
        PEN_TRY(nrm_column_add(schema, type->identity[i], &schema->identity[i], err));
    }
    return PEN_OK;
}

static pen_status build(struct pen_schema *schema, uint32_t enrich, struct pen_err *err)
{
    PEN_TRY(build_basics(schema, err));
    PEN_TRY(build_maps(schema, err));
    PEN_TRY(build_provider(schema));
    PEN_TRY(build_script(schema, err));
    PEN_TRY(nrm_enrich_build(schema, enrich, err));
    PEN_TRY(build_keys(schema, err));
    PEN_TRY(build_actions(schema, err));
    PEN_TRY(build_diverts(schema, err));
    schema->slot_source_ip = nrm_slot_find(schema, PEN_SLICE_LIT("source.ip"));
    return nrm_layout(schema, err);
}

pen_status pen_schema_new(const struct pen_type *type, struct pen_schema **out, struct pen_err *err)
{
    return pen_schema_new_enriched(type, 0, out, err);
}

pen_status pen_schema_new_enriched(const struct pen_type *type, uint32_t parts,
                                   struct pen_schema **out, struct pen_err *err)
{
    struct pen_schema *schema = calloc(1, sizeof(*schema));
    *out = NULL;
    if (schema == NULL) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "schema");
    }
    schema->type = type;
    schema->tags_field = PEN_FIELD_NONE;
    pen_arena_init(&schema->arena, ARENA_MAX);
    schema->plan = pen_plan_new();
    pen_status status = schema->plan == NULL
                            ? PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "field plan")
                            : nrm_attributes_check(type, err);
    status = status == PEN_OK ? build(schema, parts, err) : status;
    if (status != PEN_OK) {
        pen_schema_free(schema);
        return status;
    }
    *out = schema;
    return PEN_OK;
}

void pen_schema_free(struct pen_schema *schema)
{
    if (schema != NULL) {
        pen_plan_free(schema->plan);
        pen_arena_fini(&schema->arena);
        free(schema);
    }
}

uint32_t nrm_member_slot(const struct pen_schema *schema, pen_slice name, pen_slice *key)
{
    static const pen_slice object = PEN_SLICE_LIT(".location");
    const size_t dot = name.len > 4 ? name.len - 4 : 0;
    const pen_slice front = pen_slice_sub(name, 0, dot);
    *key = pen_slice_sub(name, dot + 1, name.len);
    const bool is_member =
        dot > object.len && name.ptr[dot] == '.' &&
        pen_slice_eq(pen_slice_sub(front, dot - object.len, dot), object) &&
        (pen_slice_eq(*key, PEN_SLICE_LIT("lat")) || pen_slice_eq(*key, PEN_SLICE_LIT("lon")));
    return is_member ? nrm_slot_find(schema, front) : PEN_FIELD_NONE;
}

/* What normalize itself knows under this name, if anything. */
static bool derived_find(const struct pen_schema *schema, pen_slice name,
                         struct nrm_derived *derived)
{
    static const struct {
        const char *name;
        enum nrm_derived_kind kind;
        const char *ecs;
    } aliases[] = {
        {"source", NRM_FROM_SOURCE, NULL},
        {"service", NRM_FROM_SOURCE, NULL},
        {"log_type", NRM_FROM_TYPE, NULL},
        {"timestamp", NRM_FROM_TIME, NULL},
        {"account", NRM_FROM_SLOT, "cloud.account.id"},
        {"region", NRM_FROM_SLOT, "cloud.region"},
    };
    /* What sent a record of no known kind is for the record to say. */
    const bool is_own = pen_slice_eq(schema->type->name, PEN_SLICE_LIT("json")) &&
                        (pen_slice_eq(name, PEN_SLICE_LIT("source")) ||
                         pen_slice_eq(name, PEN_SLICE_LIT("service")));
    for (size_t i = 0; !is_own && i < PEN_COUNT(aliases); i++) {
        if (pen_slice_eq(name, pen_slice_str(aliases[i].name))) {
            derived->kind = aliases[i].kind;
            derived->slot = aliases[i].ecs == NULL
                                ? PEN_FIELD_NONE
                                : nrm_slot_find(schema, pen_slice_str(aliases[i].ecs));
            return true;
        }
    }
    derived->kind = NRM_FROM_SLOT;
    derived->slot = nrm_slot_find(schema, name);
    if (derived->slot == PEN_FIELD_NONE && schema->watched_count > 0) {
        derived->slot = nrm_slot_find(schema, nrm_threat_name(name));
    }
    if (derived->slot == PEN_FIELD_NONE) {
        derived->slot = nrm_member_slot(schema, name, &derived->tag);
        derived->kind = derived->slot == PEN_FIELD_NONE ? NRM_FROM_SLOT : NRM_FROM_MEMBER;
    }
    return derived->slot != PEN_FIELD_NONE;
}

pen_status nrm_derived_add(struct pen_schema *schema, const struct nrm_derived *derived,
                           struct pen_err *err)
{
    if (schema->derived_count == NRM_DERIVED_MAX) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "too many derived fields");
    }
    schema->has_functions |= derived->kind == NRM_FROM_FUNCTION;
    schema->derived[schema->derived_count++] = *derived;
    return PEN_OK;
}

pen_status nrm_name_reach(struct pen_schema *schema, pen_slice name, uint32_t field,
                          struct pen_err *err)
{
    struct nrm_derived derived = {.field = field};
    const pen_status status = pen_plan_dotted(schema->plan, field, name);
    if (status != PEN_OK) {
        return PEN_FAIL(err, status, PEN_NO_OFFSET, "field %.*s", PEN_SLICE_FMT(name));
    }
    if (!derived_find(schema, name, &derived)) {
        return PEN_OK;
    }
    const bool is_of_slot = derived.kind == NRM_FROM_SLOT || derived.kind == NRM_FROM_MEMBER;
    schema->is_enrich_asked |=
        is_of_slot && derived.slot != PEN_FIELD_NONE && schema->slots[derived.slot].is_enriched;
    if (derived.kind == NRM_FROM_MEMBER) {
        derived.tag = pen_arena_dup(&schema->arena, derived.tag);
        if (derived.tag.ptr == NULL) {
            return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "too many field names");
        }
    }
    return nrm_derived_add(schema, &derived, err);
}

/* The entry of a name, a new one with a new field when there is none. */
static pen_status name_entry(struct pen_schema *schema, pen_slice name, bool is_tag,
                             struct nrm_name **out, bool *is_new, struct pen_err *err)
{
    PEN_CHECK(!schema->is_sealed);
    if (name.len == 0) {
        return PEN_FAIL(err, PEN_E_RULE, PEN_NO_OFFSET, "empty field name");
    }
    const uint64_t hash = pen_hash64(name, is_tag);
    *is_new = false;
    for (struct nrm_name *at = schema->names; at != NULL; at = at->next) {
        if (at->hash == hash && at->is_tag == is_tag && pen_slice_eq(at->name, name)) {
            *out = at;
            return PEN_OK;
        }
    }
    struct nrm_name *entry = PEN_NEW(&schema->arena, struct nrm_name);
    const pen_slice copy = pen_arena_dup(&schema->arena, name);
    if (entry == NULL || copy.ptr == NULL) {
        return PEN_FAIL(err, PEN_E_LIMIT, PEN_NO_OFFSET, "too many field names");
    }
    *entry = (struct nrm_name){.name = copy,
                               .is_tag = is_tag,
                               .hash = hash,
                               .field = pen_plan_field_new(schema->plan),
                               .next = schema->names};
    schema->names = entry;
    *out = entry;
    *is_new = true;
    return PEN_OK;
}

pen_status pen_schema_field(void *schema_ctx, pen_slice name, uint32_t *field, struct pen_err *err)
{
    struct pen_schema *schema = schema_ctx;
    struct nrm_name *entry = NULL;
    bool is_new = false;
    if (name.len > 0 && name.ptr[0] == '@') {
        name = pen_slice_sub(name, 1, name.len);
    }
    PEN_TRY(name_entry(schema, name, false, &entry, &is_new, err));
    PEN_CHECK(entry != NULL);
    *field = entry->field;
    if (!is_new) {
        return PEN_OK;
    }
    PEN_TRY(nrm_name_reach(schema, entry->name, entry->field, err));
    const pen_slice prefix = schema->type->prefix;
    if (prefix.len > 0 && prefix.len + 1 < name.len && name.ptr[prefix.len] == '.' &&
        pen_slice_starts(name, prefix)) { /* as documents have it */
        PEN_TRY(nrm_name_reach(schema, pen_slice_sub(entry->name, prefix.len + 1, name.len),
                               entry->field, err));
    }
    return nrm_attributes_reach(schema, entry->name, false, entry->field, err);
}

pen_status pen_schema_tag(struct pen_schema *schema, pen_slice name, uint32_t *field,
                          struct pen_err *err)
{
    struct nrm_name *entry = NULL;
    bool is_new = false;
    PEN_TRY(name_entry(schema, name, true, &entry, &is_new, err));
    PEN_CHECK(entry != NULL);
    *field = entry->field;
    if (!is_new) {
        return PEN_OK;
    }
    if (schema->tags_field == PEN_FIELD_NONE) {
        PEN_TRY(nrm_field_add(schema, PEN_SLICE_LIT("tags"), &schema->tags_field, err));
        PEN_TRY(
            nrm_attributes_reach(schema, PEN_SLICE_LIT("tags"), false, schema->tags_field, err));
    }
    const struct nrm_derived derived = {
        .kind = NRM_FROM_TAG, .field = entry->field, .tag = entry->name};
    PEN_TRY(nrm_derived_add(schema, &derived, err));
    return nrm_attributes_reach(schema, entry->name, true, entry->field, err);
}

void pen_schema_seal(struct pen_schema *schema)
{
    PEN_CHECK(!schema->is_sealed);
    pen_plan_seal(schema->plan);
    schema->is_sealed = true;
}

const struct pen_plan *pen_schema_plan(const struct pen_schema *schema)
{
    return schema->plan;
}
