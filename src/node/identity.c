/* tested by tests/e2e/test_later.py */
#include "identity.h"

#include "exclude.h"
#include "spool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define VALUE_MAX ((size_t)1 << 20)
#define SHOWN_MAX 80U /* bytes of a value in a refusal */

static pen_status text_list(struct pen_buf *out, const char *const *items, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        PEN_TRY(pen_buf_printf(out, "%s%s", i == 0 ? "" : ",", items[i]));
    }
    return PEN_OK;
}

/* What a source leaves out of itself. */
static pen_status text_source(struct pen_buf *out, const struct pen_source_options *own)
{
    if (own->account_count + own->type_count == 0) {
        return PEN_OK;
    }
    PEN_TRY(pen_buf_add(out, PEN_SLICE_LIT(" (")));
    PEN_TRY(text_list(out, own->accounts, own->account_count));
    PEN_TRY(pen_buf_add_byte(out, ';'));
    PEN_TRY(text_list(out, own->types, own->type_count));
    return pen_buf_add_byte(out, ')');
}

static pen_status text_sources(struct pen_buf *out, const struct pen_replay_options *o)
{
    for (uint32_t i = 0; i < o->source_count; i++) {
        char *real =
            strcmp(o->sources[i], SPOOL_SOURCE) == 0 ? NULL : realpath(o->sources[i], NULL);
        const pen_status st =
            pen_buf_printf(out, "%s%s", i == 0 ? "" : ",", real == NULL ? o->sources[i] : real);
        free(real);
        PEN_TRY(st);
        PEN_TRY(o->source_options == NULL ? PEN_OK : text_source(out, &o->source_options[i]));
    }
    return PEN_OK;
}

enum identity {
    ID_SOURCES,
    ID_FROM,
    ID_TO,
    ID_ACCOUNTS,
    ID_REGIONS,
    ID_TYPES,
    ID_TYPE,
    ID_SINK,
    ID_RULES,
    ID_SLACK,
    ID_KEEP_ALIVE,
    ID_GROUP_BY,
    ID_MESSAGE,
    ID_EXCLUDE,
    ID_PROXIES,
    ID_GROUPS,
    ID_WARM_UP,
    ID_COUNT
};
static const char *const identity_name[ID_COUNT] = {"sources",
                                                    "from",
                                                    "to",
                                                    "accounts",
                                                    "regions",
                                                    "types",
                                                    "as",
                                                    "sink",
                                                    "rules",
                                                    "replay.slack",
                                                    "sigma.keep_alive",
                                                    "sigma.group_by",
                                                    "document.message",
                                                    "exclusions",
                                                    "enrich.trusted_proxies",
                                                    "observation.groups_max",
                                                    "warm-up"};

static pen_status text_lists(struct pen_buf *out, const char *const *yes, uint32_t yes_count,
                             const char *const *no, uint32_t no_count)
{
    PEN_TRY(text_list(out, yes, yes_count));
    PEN_TRY(pen_buf_add_byte(out, ';'));
    return text_list(out, no, no_count);
}

static pen_status text_duration(struct pen_buf *out, int64_t ns)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"d", PEN_NS_PER_DAY},       {"h", 3600 * PEN_NS_PER_S},
                 {"m", 60 * PEN_NS_PER_S},    {"s", PEN_NS_PER_S},
                 {"ms", PEN_NS_PER_S / 1000}, {"us", PEN_NS_PER_S / 1000000}};
    for (size_t i = 0; i < PEN_COUNT(units); i++) {
        if (ns % units[i].ns == 0 && ns != 0) {
            return pen_buf_printf(out, "%" PRId64 "%s", ns / units[i].ns, units[i].name);
        }
    }
    return pen_buf_printf(out, "%" PRId64 "%s", ns, ns == 0 ? "" : "ns");
}

static pen_status identity_text(struct pen_buf *out, enum identity which,
                                const struct pen_replay_options *o,
                                const struct pen_program *program)
{
    static const char *const sinks[] = {"files", "null", "none", "opensearch"};
    static const char *const messages[] = {[PEN_MESSAGE_UNPARSED] = "unparsed",
                                           [PEN_MESSAGE_ALWAYS] = "always",
                                           [PEN_MESSAGE_NEVER] = "never"};
    char hex[33];
    switch (which) {
    case ID_SOURCES:
        return text_sources(out, o);
    case ID_FROM:
        return pen_buf_printf(out, "%" PRId64, o->from_ns);
    case ID_TO:
        return pen_buf_printf(out, "%" PRId64, o->to_ns);
    case ID_ACCOUNTS:
        return text_lists(out, o->accounts, o->account_count, o->not_accounts,
                          o->not_account_count);
    case ID_REGIONS:
        return text_lists(out, o->regions, o->region_count, o->not_regions, o->not_region_count);
    case ID_TYPES:
        return text_lists(out, o->types, o->type_count, o->not_types, o->not_type_count);
    case ID_TYPE:
        return pen_buf_printf(out, "%s", o->as_type == NULL ? "by key" : o->as_type);
    case ID_SINK:
        return pen_buf_printf(out, "%s%s%s%s", sinks[o->sink], o->cluster == NULL ? "" : ":",
                              o->cluster == NULL ? "" : o->cluster->urls,
                              o->signals_only ? ",signals only" : "");
    case ID_RULES:
        pen_hash128_hex(pen_rules_hash(program->rules), hex);
        return pen_buf_printf(out, "%s", hex);
    case ID_SLACK:
        return text_duration(out, o->slack_ns);
    case ID_KEEP_ALIVE:
        return text_duration(out, o->keep_alive_ns);
    case ID_GROUP_BY:
        return pen_buf_printf(out, "%s", o->group_by.text);
    case ID_MESSAGE:
        return pen_buf_printf(out, "%s", messages[o->message]);
    case ID_EXCLUDE:
        exclude_hash(o->exclusions, o->exclusion_count, hex);
        return pen_buf_printf(out, "%s", hex);
    case ID_PROXIES:
        return pen_buf_printf(out, "%s", o->trusted_proxies.text);
    case ID_GROUPS:
        return pen_buf_printf(out, "%" PRIu64, o->observed_groups_max);
    case ID_WARM_UP: /* of none nothing, as older jobs have it */
        return o->is_warm_up_auto   ? pen_buf_printf(out, "auto")
               : o->warm_up_ns == 0 ? PEN_OK
                                    : text_duration(out, o->warm_up_ns);
    case ID_COUNT:
        break;
    }
    pen_panic(PEN_HERE, "identity");
}

static const char *range_text_name(enum identity which)
{
    return which == ID_FROM ? "from text" : "to text";
}

/* "a,b;c" as "a,b without c". */
static void list_tell(const char *value, char out[SHOWN_MAX])
{
    const char *without = strchr(value, ';');
    PEN_CHECK(without != NULL);
    const size_t len = (size_t)(without - value);
    (void)snprintf(out, SHOWN_MAX, "%.*s%s%.30s",
                   len == 0   ? 3
                   : len < 30 ? (int)len
                              : 30,
                   len == 0 ? "all" : value, without[1] == '\0' ? "" : " without ", without + 1);
}

/* A part of a job as people write it: times are stored in nanoseconds. */
static void value_tell(enum identity which, const char *value, const char *text,
                       char out[SHOWN_MAX])
{
    if (which == ID_ACCOUNTS || which == ID_REGIONS || which == ID_TYPES) {
        list_tell(value, out);
        return;
    }
    int64_t ns = 0;
    char time[PEN_TIME_MAX];
    const char *shown = value;
    if ((which == ID_FROM || which == ID_TO) && pen_parse_i64(pen_slice_str(value), &ns)) {
        (void)pen_format_time(ns, time);
        shown = ns == INT64_MIN ? "the beginning" : ns == INT64_MAX ? "the end" : time;
    }
    const bool is_relative = text != NULL && text[0] != '\0';
    (void)snprintf(out, SHOWN_MAX, "%.16s%s%.60s%s", is_relative ? text : "",
                   is_relative ? " (" : "", shown, is_relative ? ")" : "");
}

/* How the ends of a range that is counted from now were written. */
struct range_texts {
    const char *now; /* NULL or "": not counted from now */
    const char *before;
};

static pen_status refuse(const struct job *job, enum identity which, const char *const values[2],
                         const struct range_texts *texts, struct pen_err *err)
{
    char there[SHOWN_MAX];
    char here[SHOWN_MAX];
    if (which == ID_RULES || which == ID_EXCLUDE) { /* a hash says nothing to people */
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "%s holds another job: its %s differ, in number, text or choice; give "
                        "another --out, or --fresh to start anew",
                        job->dir, identity_name[which]);
    }
    value_tell(which, values[0], texts->before, there);
    value_tell(which, values[1], texts->now, here);
    const char *name = identity_name[which];
    return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                    "%s holds another job: its %s differ%s (there: %s, now: %s); give another "
                    "--out, or --fresh to start anew",
                    job->dir, name, name[strlen(name) - 1] == 's' ? "" : "s", there, here);
}

static pen_status identity_check(struct job *job, enum identity which, const char *now,
                                 const struct range_texts *texts, struct pen_err *err)
{
    char *before = malloc(VALUE_MAX);
    PEN_CHECK(before != NULL);
    pen_status st = checkpoint_get(job->checkpoint, identity_name[which], before, VALUE_MAX, err);
    if (st == PEN_OK && strcmp(before, now) != 0) {
        st = refuse(job, which, (const char *const[2]){before, now}, texts, err);
    }
    free(before);
    return st;
}

/* A job that came to its end goes on with a later --to: its old end is remembered. */
static pen_status end_later(struct job *job, int64_t was, struct pen_err *err)
{
    char end[PEN_TIME_MAX];
    (void)pen_format_time(was, end);
    if (!job->was_done) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "%s goes on with a later --to when the run before came to its end: run it "
                        "with --to %s first, or give another --out",
                        job->dir, end);
    }
    if (job->end_count == JOB_ENDS_MAX) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET,
                        "%s has gone on with a later --to %u times, and it can no more: give "
                        "another --out, or --fresh to start anew (--to %s reads what came since)",
                        job->dir, JOB_ENDS_MAX, end);
    }
    job->ends_ns[job->end_count++] = was;
    job->is_longer = true;
    return PEN_OK;
}

/*
 * The range of a resumed job.  One that is counted from now means another time with every run: the
 * job has what it meant at its start, and a run with the same words has the job's range.  Two
 * things a user still means anew: a --to goes on to what it is now once the job came to its end,
 * and --on is another day, so another job.
 */
static pen_status identity_range(struct job *job, enum identity which, const char *now,
                                 const struct pen_replay_options *o, struct pen_err *err)
{
    char before[32];
    char text[PEN_RANGE_TEXT_MAX];
    int64_t was = 0;
    int64_t *end = which == ID_FROM ? &job->from_ns : &job->to_ns;
    const struct range_texts texts = {.now = which == ID_FROM ? o->from_text : o->to_text,
                                      .before = text};
    PEN_TRY(checkpoint_get(job->checkpoint, identity_name[which], before, sizeof(before), err));
    PEN_TRY(checkpoint_get(job->checkpoint, range_text_name(which), text, sizeof(text), err));
    if (!pen_parse_i64(pen_slice_str(before), &was)) {
        return PEN_FAIL(err, PEN_E_CORRUPT, PEN_NO_OFFSET, "checkpoint.db: bad %s",
                        identity_name[which]);
    }
    const bool is_same = texts.now != NULL && strcmp(texts.now, text) == 0;
    const bool is_day = strncmp(text, "on ", 3) == 0;
    const bool is_anew = job->was_done && o->retry == NULL && (which == ID_TO || is_day);
    const bool is_later = which == ID_TO && !is_day && *end > was;
    if (is_same && (!is_anew || (which == ID_TO && !is_later))) {
        *end = was;
        return PEN_OK;
    }
    return which == ID_TO && *end > was ? end_later(job, was, err)
                                        : identity_check(job, which, now, &texts, err);
}

/* Stores a part of a new job, or compares it with what is stored. */
static pen_status identity_one(struct job *job, enum identity which, const char *value,
                               const struct pen_replay_options *o, struct pen_err *err)
{
    const bool is_range = which == ID_FROM || which == ID_TO;
    if (job->is_resumed) {
        const struct range_texts none = {0};
        return is_range ? identity_range(job, which, value, o, err)
                        : identity_check(job, which, value, &none, err);
    }
    if (is_range) {
        const char *text = which == ID_FROM ? o->from_text : o->to_text;
        PEN_TRY(
            checkpoint_set(job->checkpoint, range_text_name(which), text == NULL ? "" : text, err));
    }
    return checkpoint_set(job->checkpoint, identity_name[which], value, err);
}

pen_status job_identity(struct job *job, const struct pen_replay_options *o,
                        const struct pen_program *program, struct pen_err *err)
{
    struct pen_buf all;
    struct pen_buf one;
    pen_buf_init(&all, (size_t)ID_COUNT * VALUE_MAX);
    pen_buf_init(&one, VALUE_MAX);
    pen_status st = PEN_OK;
    for (uint32_t i = 0; st == PEN_OK && i < ID_COUNT; i++) {
        one.len = 0;
        st = identity_text(&one, (enum identity)i, o, program);
        if (st == PEN_OK) {
            st = pen_buf_add_byte(&one, '\0');
        }
        if (st == PEN_OK) {
            st = pen_buf_add(&all, pen_buf_slice(&one));
        }
        st = st != PEN_OK ? PEN_FAIL(err, st, PEN_NO_OFFSET, "job: %s too long", identity_name[i])
                          : identity_one(job, (enum identity)i, (const char *)one.ptr, o, err);
    }
    if (st == PEN_OK && !job->is_resumed) {
        pen_hash128_hex(pen_hash128(pen_buf_slice(&all), 0), job->id);
    }
    pen_buf_fini(&all);
    pen_buf_fini(&one);
    return st;
}
