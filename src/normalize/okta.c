/* tested by tests/e2e/test_types_made.py */
/* Okta: who acted, and what came of it. */
#include "script.h"

enum field { RESULT, ACTOR_TYPE, LOGIN, NAME, ID };
static const char *const fields[] = {"outcome.result",    "actor.type", "actor.alternateId",
                                     "actor.displayName", "actor.id",   NULL};
enum slot {
    OUTCOME,
    USER_NAME,
    USER_DOMAIN,
    USER_EMAIL,
    CLIENT_NAME,
    CLIENT_ID,
    SOURCE_NAME,
    SOURCE_ID,
    RELATED
};
static const char *const slots[] = {"event.outcome",         "user.name",
                                    "user.domain",           "user.email",
                                    "client.user.full_name", "client.user.id",
                                    "source.user.full_name", "source.user.id",
                                    "related.user",          NULL};

static const char *outcome(pen_slice result)
{
    static const char *const good[] = {"SUCCESS", "ALLOW", "success", "allow", NULL};
    static const char *const bad[] = {"FAILURE", "DENY", "failure", "deny", NULL};
    return script_is_one(result, good)  ? "success"
           : script_is_one(result, bad) ? "failure"
                                        : "unknown";
}

/* "kim@shop.example": a name and its domain. */
static void login_set(struct pen_normalizer *n, pen_slice login)
{
    const size_t at = pen_slice_find(login, PEN_SLICE_LIT("@"));
    script_set(n, USER_NAME, pen_slice_sub(login, 0, at == SIZE_MAX ? login.len : at));
    if (at != SIZE_MAX) {
        script_set(n, USER_DOMAIN, pen_slice_sub(login, at + 1, login.len));
        script_set(n, USER_EMAIL, login);
    }
}

static void run(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    const pen_slice name = script_text(n, record, NAME);
    const pen_slice id = script_text(n, record, ID);
    (void)doc;
    script_set(n, OUTCOME, pen_slice_str(outcome(script_text(n, record, RESULT))));
    if (!script_is(script_text(n, record, ACTOR_TYPE), "User")) {
        return;
    }
    login_set(n, script_text(n, record, LOGIN));
    script_set(n, CLIENT_NAME, name);
    script_set(n, CLIENT_ID, id);
    script_set(n, SOURCE_NAME, name);
    script_set(n, SOURCE_ID, id);
    script_list_add(n, RELATED, name);
}

const struct nrm_script nrm_script_okta = {
    .name = "okta", .fields = fields, .slots = slots, .run = run};
