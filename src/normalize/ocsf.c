/* tested by tests/e2e/test_types_made.py */
/* Events in the form of the Open Cybersecurity Schema Framework: each category has its index. */
#include "script.h"

enum field { CATEGORY, CATEGORY_NUMBER, MODIFIED, CREATED };
static const char *const fields[] = {"category_name", "category_uid", "finding.modified_time",
                                     "finding.created_time", NULL};
static const char *const slots[] = {"user.name", NULL};

struct category {
    const char *index, *type;
};

/* By its number, for events that do not name it. */
static const struct category *category_of(pen_slice number)
{
    static const struct category categories[] = {{"-system", "ocsf-system-activity"},
                                                 {"-findings", "ocsf-findings"},
                                                 {"-audit", "ocsf-audit-activity"},
                                                 {"-network", "ocsf-network-activity"},
                                                 {"-config", "ocsf-config-inventory"}};
    static const struct category other = {"", "ocsf"};
    uint64_t at = 0;
    return pen_parse_u64(number, &at) && at >= 1 && at <= PEN_COUNT(categories)
               ? &categories[at - 1]
               : &other;
}

/* "Network Activity": network-activity */
static pen_slice dashed(struct pen_normalizer *n, pen_slice name)
{
    const pen_slice low = script_lower(n, name);
    n->text.len = 0;
    for (size_t i = 0; i < low.len; i++) {
        if (pen_buf_add_byte(&n->text, low.ptr[i] == ' ' ? '-' : low.ptr[i]) != PEN_OK) {
            return (pen_slice){0};
        }
    }
    return script_join(n, pen_buf_slice(&n->text), (pen_slice){0});
}

static void names_set(struct pen_normalizer *n, pen_slice name, pen_slice number)
{
    const struct category *category = category_of(number);
    n->index_tail = pen_slice_str(category->index);
    n->log_type = pen_slice_str(category->type);
    if (name.len > 0) {
        const pen_slice tail = dashed(n, name);
        n->index_tail = script_join(n, PEN_SLICE_LIT("-"), script_part(tail, '-', 0));
        n->log_type = script_join(n, PEN_SLICE_LIT("ocsf-"), tail);
    }
}

static void run(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    const pen_slice number = script_text(n, record, CATEGORY_NUMBER);
    const struct nrm_value *user = script_slot(n, 0);
    names_set(n, script_text(n, record, CATEGORY), number);
    if (script_is(number, "2") &&
        !nrm_time_take(n, script_value(n, record, MODIFIED), INT64_MIN, &doc->time_ns)) {
        /* When neither is there, the event's own time stays. */
        (void)nrm_time_take(n, script_value(n, record, CREATED), INT64_MIN, &doc->time_ns);
    }
    if (user->kind == NRM_TEXT && memchr(user->text.ptr, ':', user->text.len) != NULL) {
        script_set(n, 0, script_after_last(script_after_last(user->text, ':'), '/'));
    }
}

const struct nrm_script nrm_script_ocsf = {
    .name = "ocsf", .fields = fields, .slots = slots, .names_type = true, .run = run};
