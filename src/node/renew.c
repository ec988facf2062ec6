/* tested by tests/e2e/test_credentials.py */
#include "renew.h"

#include "control.h"

#include <stdio.h>

/* words, when the run wants to hear them. */
#define TELL(renew, ...) ((renew)->log_level >= PEN_LOG_WARN ? words(__VA_ARGS__) : (void)0)

/* ---- what is told ---- */

static const char *trouble_of(const struct renew *renew)
{
    const char *why = pen_renewal_trouble(renew->renewal);
    return why == NULL ? "those who were asked have not answered yet" : why;
}

static double seconds(int64_t ns)
{
    return (double)ns / (double)PEN_NS_PER_S;
}

/* The same again is not told again, as each try may fail alike. */
static void trouble_tell(struct renew *renew, int64_t now_ns)
{
    const char *why = trouble_of(renew);
    const int64_t left_ns = pen_renewal_expires_ns(renew->renewal) - now_ns;
    if (strcmp(why, renew->told.text) == 0) {
        return;
    }
    (void)PEN_FAIL(&renew->told, PEN_E_DENIED, PEN_NO_OFFSET, "%s", why);
    if (left_ns > 0) {
        TELL(renew,
             "\npenstock: %s: credentials are not renewed: %s; those of before are valid for %.0f "
             "s; asked again every %.1f s\n",
             renew->name, why, seconds(left_ns), seconds(renew->retry_ns));
    } else {
        TELL(renew, "\npenstock: %s: no credentials yet: %s\n", renew->name, why);
    }
}

static void waits_tell(const struct renew *renew)
{
    char limit[64] = "";
    if (renew->wait_ns != INT64_MAX) {
        (void)snprintf(limit, sizeof(limit), " (credentials.wait: %.0f s at most)",
                       seconds(renew->wait_ns));
    }
    TELL(
        renew,
        "\npenstock: %s: the credentials (%s) have expired and no others have come: %s; what needs "
        "them waits%s\n",
        renew->name, pen_renewal_source(renew->renewal), trouble_of(renew), limit);
}

static void lacks_tell(const struct renew *renew)
{
    TELL(renew, "\npenstock: %s: no credentials: %s; what needs them fails until there are some\n",
         renew->name, trouble_of(renew));
}

/* ---- the turn ---- */

/* True: others have come, or the same ones for longer. */
static bool news_take(struct renew *renew, int64_t now_ns)
{
    bool is_renewed = false;
    for (enum pen_renewed got = pen_renewal_turn(renew->renewal); got != PEN_RENEWED_NOT;
         got = pen_renewal_turn(renew->renewal)) {
        is_renewed |= got == PEN_RENEWED;
        if (got == PEN_RENEWED_FAILED) {
            trouble_tell(renew, now_ns);
        }
    }
    if (is_renewed) {
        renew->told.text[0] = '\0';
    }
    return is_renewed;
}

static enum renew_state state_now(const struct renew *renew, int64_t now_ns)
{
    if (now_ns < pen_renewal_expires_ns(renew->renewal)) {
        return RENEW_VALID;
    }
    const bool is_new = renew->state == RENEW_VALID;
    const int64_t waited_ns = is_new ? 0 : pen_clock_mono_ns() - renew->since_ns;
    return waited_ns >= renew->wait_ns ? RENEW_LACKS : RENEW_WAITS;
}

bool renew_turn(struct renew *renew, int64_t now_ns)
{
    const bool is_renewed = news_take(renew, now_ns);
    const enum renew_state before = renew->state;
    renew->state = state_now(renew, now_ns);
    if (renew->state == before) {
        return is_renewed;
    }
    if (before == RENEW_VALID) {
        renew->since_ns = pen_clock_mono_ns();
    }
    switch (renew->state) {
    case RENEW_VALID:
        TELL(renew, "\npenstock: %s: the credentials are renewed; what waited for them goes on\n",
             renew->name);
        break;
    case RENEW_WAITS:
        waits_tell(renew);
        break;
    case RENEW_LACKS:
        lacks_tell(renew);
        break;
    }
    return true;
}

void renew_reason(const struct renew *renew, struct pen_err *out)
{
    *out = (struct pen_err){.status = PEN_OK};
    if (renew->state == RENEW_LACKS) {
        (void)PEN_FAIL(out, PEN_E_DENIED, PEN_NO_OFFSET,
                       "the credentials (%.60s) have expired and no others came in %.0f s: %s",
                       pen_renewal_source(renew->renewal), seconds(renew->wait_ns),
                       trouble_of(renew));
    }
}

const char *renew_waits_for(const struct renew *renew)
{
    return renew->state == RENEW_VALID ? NULL : pen_renewal_source(renew->renewal);
}

void renew_fini(struct renew *renew)
{
    pen_renewal_free(renew->renewal);
    renew->renewal = NULL;
}
