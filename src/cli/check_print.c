/* tested by tests/e2e/test_check.py */
#include "penstock/runtime.h"

#include "check.h"
#include "told.h"
#include "version.h"

#include <inttypes.h>
#include <stdio.h>

#define MIB (1024.0 * 1024.0)
#define TEXT_BYTES_MAX ((size_t)1 << 20)

/* ---- table ---- */

static void memory_table(const struct pen_budget *b)
{
    (void)printf("memory     %-28s %10s %10s\n", "up to, in MiB", "a shard", "in all");
    for (uint32_t i = 0; i < b->shard_rows; i++) {
        (void)printf("           %-28s %10.1f %10.1f\n", b->shard[i].what,
                     (double)b->shard[i].bytes / MIB, (double)b->shard[i].bytes * b->shards / MIB);
    }
    (void)printf("           %-28s %10.1f %10.1f   %s %.0f a shard\n", "= a shard",
                 (double)b->shard_bytes / MIB, (double)b->shard_bytes * b->shards / MIB,
                 b->shard_bytes <= PEN_SHARD_MEMORY_MAX ? "within the" : "OVER the",
                 (double)PEN_SHARD_MEMORY_MAX / MIB);
    (void)printf("           %-28s %10.1f %10.1f   state.bytes_max\n", "keyed state",
                 (double)b->state_bytes / MIB, (double)b->state_bytes * b->shards / MIB);
    for (uint32_t i = 0; i < b->once_rows; i++) {
        (void)printf("           %-28s %10s %10.1f\n", b->once[i].what, "",
                     (double)b->once[i].bytes / MIB);
    }
    (void)printf("           %-28s %10s %10.1f   %s %.0f of the host or its cgroup\n", "in all", "",
                 (double)b->total_bytes / MIB,
                 b->total_bytes <= b->host_bytes ? "within the" : "OVER the",
                 (double)b->host_bytes / MIB);
}

void check_print_table(const struct check *check)
{
    const struct pen_program *program = check->program;
    const char *config = check->args->config_path;
    (void)printf("config     %s\n", config == NULL ? "none: defaults" : config);
    for (uint32_t i = 0; i < check->args->options.source_count; i++) {
        (void)printf("%-10s %s\n", i == 0 ? "sources" : "", check->args->options.sources[i]);
    }
    (void)printf("rules      %u loaded, %u rejected\n", pen_rules_count(program->rules),
                 pen_rules_rejected(program->rules));
    (void)printf("types     ");
    for (uint32_t i = 0; i < program->type_count; i++) {
        (void)printf("%s %.*s", i == 0 ? "" : ",", PEN_SLICE_FMT(program->by_type[i].type->name));
    }
    (void)printf("\nhost       %u cores, %.0f MiB; %s%s\n", pen_host_cores(),
                 (double)check->budget.host_bytes / MIB,
                 check->host_status == PEN_OK ? "replay can run here" : "replay cannot run: ",
                 check->host_status == PEN_OK ? "" : check->host.text);
    (void)printf("shards     %u\n", check->budget.shards);
    memory_table(&check->budget);
}

/* ---- JSON ---- */

static pen_status text_json(struct pen_buf *out, const char *before, const char *text)
{
    PEN_TRY(pen_buf_printf(out, "%s\"", before));
    PEN_TRY(pen_json_escape(out, pen_slice_str(text)));
    return pen_buf_add_byte(out, '"');
}

static pen_status setting_json(struct pen_buf *out, const struct setting *s,
                               const struct pen_replay_options *options)
{
    const struct {
        const char *name, *text;
    } members[] = {{"{\"key\":", s->key},
                   {",\"type\":", setting_type_name(s->type)},
                   {",\"unit\":", s->unit},
                   {",\"default\":", s->value},
                   {",\"min\":", s->min},
                   {",\"max\":", s->max},
                   {",\"when\":", setting_when_text(s->when)},
                   {",\"help\":", s->help}};
    for (size_t i = 0; i < PEN_COUNT(members); i++) {
        PEN_TRY(text_json(out, members[i].name, members[i].text));
    }
    PEN_TRY(pen_buf_printf(out, ",\"value\":\""));
    PEN_TRY(setting_text(s, options, out));
    return pen_buf_printf(out, "\"}");
}

static pen_status settings_json(struct pen_buf *out, const struct pen_replay_options *options)
{
    PEN_TRY(pen_buf_printf(out, ",\"settings\":["));
    for (const struct setting *s = cli_settings; s->key != NULL; s++) {
        PEN_TRY(s == cli_settings ? PEN_OK : pen_buf_add_byte(out, ','));
        PEN_TRY(setting_json(out, s, options));
    }
    return pen_buf_add_byte(out, ']');
}

static pen_status rows_json(struct pen_buf *out, const char *name,
                            const struct pen_budget_row *rows, uint32_t count)
{
    PEN_TRY(pen_buf_printf(out, ",\"%s\":{", name));
    for (uint32_t i = 0; i < count; i++) {
        PEN_TRY(pen_buf_printf(out, "%s\"%s\":%" PRIu64, i == 0 ? "" : ",", rows[i].what,
                               rows[i].bytes));
    }
    return pen_buf_add_byte(out, '}');
}

static pen_status memory_json(struct pen_buf *out, const struct pen_budget *b)
{
    PEN_TRY(pen_buf_printf(out, ",\"memory\":{\"shards\":%u", b->shards));
    PEN_TRY(rows_json(out, "shard", b->shard, b->shard_rows));
    PEN_TRY(rows_json(out, "once", b->once, b->once_rows));
    return pen_buf_printf(out,
                          ",\"shard_bytes\":%" PRIu64 ",\"shard_bytes_aim\":%" PRIu64
                          ",\"state_bytes\":%" PRIu64 ",\"total_bytes\":%" PRIu64
                          ",\"host_bytes\":%" PRIu64 ",\"fits\":%s}",
                          b->shard_bytes, PEN_SHARD_MEMORY_MAX, b->state_bytes, b->total_bytes,
                          b->host_bytes, b->total_bytes <= b->host_bytes ? "true" : "false");
}

static pen_status names_json(struct pen_buf *out, const char *before, const char *const *names,
                             uint32_t count)
{
    PEN_TRY(pen_buf_printf(out, ",\"%s\":[", before));
    for (uint32_t i = 0; i < count; i++) {
        PEN_TRY(text_json(out, i == 0 ? "" : ",", names[i]));
    }
    return pen_buf_add_byte(out, ']');
}

static pen_status types_json(struct pen_buf *out, const struct pen_program *program)
{
    PEN_TRY(pen_buf_printf(out, ",\"types\":["));
    for (uint32_t i = 0; i < program->type_count; i++) {
        PEN_TRY(pen_buf_printf(out, "%s\"", i == 0 ? "" : ","));
        PEN_TRY(pen_json_escape(out, program->by_type[i].type->name));
        PEN_TRY(pen_buf_add_byte(out, '"'));
    }
    return pen_buf_add_byte(out, ']');
}

static pen_status parts_json(struct pen_buf *out, const struct check *check)
{
    const struct pen_program *program = check->program;
    const struct pen_replay_options *o = &check->args->options;
    PEN_TRY(names_json(out, "sources", o->sources, o->source_count));
    PEN_TRY(pen_buf_printf(out, ",\"rules\":{\"loaded\":%u,\"rejected\":%u,\"bytes\":%" PRIu64 "}",
                           pen_rules_count(program->rules), pen_rules_rejected(program->rules),
                           check->program_bytes));
    PEN_TRY(types_json(out, program));
    PEN_TRY(text_json(out, ",\"host\":{\"replay\":",
                      check->host_status == PEN_OK ? "can run" : check->host.text));
    PEN_TRY(pen_buf_printf(out, ",\"cores\":%u}", pen_host_cores()));
    PEN_TRY(memory_json(out, &check->budget));
    return settings_json(out, o);
}

static pen_status check_json(struct pen_buf *out, const struct check *check, int code)
{
    const char *config = check->args->config_path;
    PEN_TRY(pen_buf_printf(out, "{\"penstock\":\"" PEN_VERSION "\",\"exit\":%d,\"config\":", code));
    PEN_TRY(config == NULL ? pen_buf_printf(out, "null") : text_json(out, "", config));
    PEN_TRY(parts_json(out, check));
    return pen_buf_add(out, PEN_SLICE_LIT("}\n"));
}

void check_print_json(const struct check *check, int code)
{
    struct pen_buf out;
    pen_buf_init(&out, TEXT_BYTES_MAX);
    const pen_status st = check_json(&out, check, code);
    PEN_CHECK(st == PEN_OK); /* all parts are bounded */
    (void)fwrite(out.ptr, 1, out.len, stdout);
    pen_buf_fini(&out);
}

/* ---- example ---- */

int check_example(void)
{
    (void)fputs(
        "# penstock.yaml - every option with its default.  Paths are relative to this file.\n"
        "# penstock check --config penstock.yaml reads it and tells every mistake.\n"
        "\n"
        "sources: []            # folders and files; on the command line they replace these\n"
        "sinks: [files]         # files, null, or a cluster:\n"
        "#   - opensearch: https://one:9200,https://two:9200\n"
        "#     user: penstock         # or api_key, or sigv4: es, aoss, auto; region: eu-west-1\n"
        "#     password: ${NAME}      # of the environment, or file:PATH; never as it is\n"
        "#     ca: ca.pem             # and client_cert, client_key: PEM\n"
        "rules: [builtin]       # rule files and folders; builtin is the built-in pack\n"
        "# types_dir: ./types   # log types of your own, as files\n"
        "# placeholders:        # of Sigma's expand modifier\n"
        "#   admins: [alice, bob]\n"
        "# reference_tables:    # CSV files of Datadog's referenceTables\n"
        "#   blocked_users: ./blocked_users.csv\n"
        "# exclude:             # records that nobody wants: no document, no signal\n"
        "#   - {name: health checks, types: [alb], query: "
        "'@user_agent.original:ELB-HealthChecker*'}\n"
        "#   - {name: reads, types: cloudtrail, query: '@readOnly:true', mode: count}\n"
        "#   - csv: exclude_log_patterns.csv    # log_type,field,pattern,pattern_type,comment\n",
        stdout);
    for (const struct setting *s = cli_settings; s->key != NULL; s++) {
        (void)printf("\n# %s\n# %s", s->help, setting_type_name(s->type));
        if (s->max[0] != '\0') {
            (void)printf(" from %s to %s", s->min, s->max);
        }
        (void)printf(" (%s), %s\n%s%s: %s\n", s->unit, setting_when_text(s->when),
                     s->value[0] == '\0' ? "# " : "", s->key,
                     s->value[0] == '\0' ? s->min : s->value);
    }
    return 0;
}
