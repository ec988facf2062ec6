/* tested by tests/e2e/test_types_made.py */
/* Linux's own logs: who came in, from where, and whether. */
#include "penstock/match.h"

#include "script.h"

enum field { PROC, MESSAGE };
static const char *const fields[] = {"proc", "syslog_message", NULL};
enum slot {
    ACTION,
    OUTCOME,
    CATEGORY,
    MODULE,
    USER,
    IP,
    PORT,
    RELATED_USER,
    RELATED_IP,
    INSTANCE,
    HOSTS
};
static const char *const slots[] = {"event.action",      "event.outcome", "event.category",
                                    "event.module",      "user.name",     "source.ip",
                                    "source.port",       "related.user",  "related.ip",
                                    "cloud.instance.id", "related.hosts", NULL};

struct login {
    pen_slice action, user, ip, port;
};

/* What stands behind the first of these words in text; {NULL, 0} when it is not there. */
static pen_slice behind(pen_slice text, const char *word)
{
    const size_t at = pen_slice_find(text, pen_slice_str(word));
    return at == SIZE_MAX ? (pen_slice){0} : pen_slice_sub(text, at + strlen(word), text.len);
}

static pen_slice first_word(pen_slice text)
{
    return script_part(pen_slice_trim(text), ' ', 0);
}

/* The digits that text begins with. */
static pen_slice number_of(pen_slice text)
{
    size_t n = 0;
    while (n < text.len && text.ptr[n] >= '0' && text.ptr[n] <= '9') {
        n++;
    }
    return pen_slice_sub(text, 0, n);
}

/* Without what encloses or ends a word: "(198.51.100.7)", "198.51.100.7:". */
static pen_slice bare(pen_slice word)
{
    static const char ends[] = ")],.;";
    if (word.len > 0 && (word.ptr[0] == '(' || word.ptr[0] == '[')) {
        word = pen_slice_sub(word, 1, word.len);
    }
    const size_t last = word.len - 1;
    if (word.len > 1 && memchr(ends, word.ptr[last], sizeof(ends) - 1) != NULL) {
        return pen_slice_sub(word, 0, last);
    }
    const bool is_mark = word.len > 1 && word.ptr[last] == ':' && word.ptr[last - 1] != ':';
    return is_mark ? pen_slice_sub(word, 0, last) : word;
}

/* "198.51.100.7 port 22 ..."; an address of version 4 that is written as one of 6 as what it is. */
static void address_read(pen_slice text, struct login *login)
{
    const pen_slice mapped = PEN_SLICE_LIT("::ffff:");
    pen_slice ip = bare(first_word(text));
    uint8_t addr[16];
    uint8_t bits;
    if (pen_slice_starts(ip, mapped) && memchr(ip.ptr, '.', ip.len) != NULL) {
        ip = pen_slice_sub(ip, mapped.len, ip.len);
    }
    if (pen_ip_parse(ip, addr, &bits)) {
        login->ip = ip;
        login->port = number_of(behind(text, " port "));
    }
}

/* The first address in text. */
static void address_find(pen_slice text, struct login *login)
{
    pen_slice rest = text;
    pen_slice word;
    while (login->ip.len == 0 && pen_slice_split(&rest, ' ', &word)) {
        address_read((pen_slice){word.ptr, (size_t)(text.ptr + text.len - word.ptr)}, login);
    }
}

/* The first address that stands where sshd names its peer: behind a word that says so, or in
 * brackets behind its name.  Others are those that it listens on or forwards to. */
static void peer_find(pen_slice text, struct login *login)
{
    static const char *const words[] = {"from", "FROM", "with", "for", "Address", NULL};
    pen_slice rest = text;
    pen_slice word;
    bool is_next = false;
    while (login->ip.len == 0 && pen_slice_split(&rest, ' ', &word)) {
        if (is_next || pen_slice_starts(word, PEN_SLICE_LIT("(")) ||
            pen_slice_starts(word, PEN_SLICE_LIT("["))) {
            address_read((pen_slice){word.ptr, (size_t)(text.ptr + text.len - word.ptr)}, login);
        }
        is_next = script_is_one(word, words);
    }
}

/* "password for invalid user kim from 198.51.100.7 port 22 ssh2" */
static void login_read(pen_slice text, struct login *login)
{
    static const char *const unknown[] = {"invalid user ", "illegal user "};
    pen_slice rest = text;
    pen_slice word;
    if (pen_slice_split(&rest, ' ', &word) && pen_slice_starts(rest, PEN_SLICE_LIT("for "))) {
        text = pen_slice_sub(rest, 4, rest.len);
    }
    for (size_t i = 0; i < PEN_COUNT(unknown); i++) {
        const pen_slice mark = pen_slice_str(unknown[i]);
        if (pen_slice_starts(text, mark)) {
            text = pen_slice_sub(text, mark.len, text.len);
        }
    }
    login->user = first_word(text);
    address_read(behind(text, " from "), login);
    if (login->ip.len == 0) { /* "kim 198.51.100.7 port 22 [preauth]" */
        address_read(behind(text, " "), login);
    }
}

/* "User kim from 198.51.100.7 not allowed because not listed in AllowUsers" */
static bool refusal_read(pen_slice text, struct login *login)
{
    const pen_slice mark = PEN_SLICE_LIT("User ");
    const size_t end = pen_slice_find(text, PEN_SLICE_LIT(" not allowed because "));
    if (end == SIZE_MAX || !pen_slice_starts(text, mark)) {
        return false;
    }
    const pen_slice who = pen_slice_sub(text, mark.len, end);
    const size_t from = pen_slice_find(who, PEN_SLICE_LIT(" from "));
    login->action = PEN_SLICE_LIT("not allowed");
    login->user = pen_slice_sub(who, 0, from == SIZE_MAX ? who.len : from);
    peer_find(pen_slice_sub(who, login->user.len, who.len), login);
    return true;
}

/* "pam_unix(sshd:auth): authentication failure; ... rhost=198.51.100.7  user=kim" */
static bool pam_read(pen_slice text, struct login *login)
{
    const pen_slice members = behind(text, ": authentication failure; ");
    if (members.len == 0) {
        return false;
    }
    login->action = PEN_SLICE_LIT("authentication failure");
    login->user = script_part(behind(members, " user="), ' ', 0);
    address_read(script_part(behind(members, " rhost="), ' ', 0), login);
    return true;
}

static bool session_read(pen_slice text, struct login *login)
{
    const pen_slice closed = behind(text, "session closed for user ");
    const pen_slice opened = behind(text, "session opened for user ");
    if (closed.len > 0) {
        login->action = PEN_SLICE_LIT("session closed");
        login->user = first_word(closed);
    } else if (opened.len > 0) {
        login->action = PEN_SLICE_LIT("session opened");
        login->user = script_part(first_word(behind(opened, " by ")), '(', 0);
    }
    return login->action.len > 0;
}

/* "198.51.100.7 port 22", or behind "authenticating user kim" or "user kim" */
static void end_read(pen_slice text, struct login *login)
{
    static const char *const names[] = {"authenticating user ", "user "};
    address_find(text, login);
    for (size_t i = 0; i < PEN_COUNT(names) && login->user.len == 0; i++) {
        const pen_slice name = pen_slice_str(names[i]);
        if (pen_slice_starts(text, name)) {
            login->user = first_word(pen_slice_sub(text, name.len, text.len));
        }
    }
}

static bool sshd_read(pen_slice text, struct login *login)
{
    static const char *const logins[] = {"Accepted ", "Failed ", "Invalid user ", "invalid user "};
    static const char *const ends[] = {"Disconnected from ", "Received disconnect from ",
                                       "Connection closed by ", "Connection reset by "};
    for (size_t i = 0; i < PEN_COUNT(logins); i++) {
        const pen_slice rest = behind(text, logins[i]);
        if (rest.len > 0) {
            login->action = pen_slice_trim(pen_slice_str(logins[i]));
            login_read(rest, login);
            return true;
        }
    }
    for (size_t i = 0; i < PEN_COUNT(ends); i++) {
        const pen_slice mark = pen_slice_str(ends[i]);
        if (pen_slice_starts(text, mark)) {
            const size_t words = i < 2 ? sizeof(" from ") - 1 : sizeof(" by ") - 1;
            const pen_slice who = pen_slice_sub(text, mark.len, text.len);
            login->action = pen_slice_sub(mark, 0, mark.len - words);
            end_read(who, login);
            return true;
        }
    }
    if (session_read(text, login) || refusal_read(text, login) || pam_read(text, login)) {
        return true;
    }
    peer_find(text, login);
    return login->ip.len > 0;
}

static bool sudo_read(pen_slice text, struct login *login)
{
    const pen_slice command = behind(text, "COMMAND=");
    if (command.len > 0 && pen_slice_find(text, PEN_SLICE_LIT(" : ")) != SIZE_MAX) {
        login->action = command;
        login->user = first_word(text);
        return true;
    }
    return session_read(text, login);
}

static bool has(pen_slice text, const char *word)
{
    return pen_slice_find(text, pen_slice_str(word)) != SIZE_MAX;
}

static pen_slice outcome_of(pen_slice action)
{
    if (has(action, "Accepted") || has(action, "opened")) {
        return PEN_SLICE_LIT("success");
    }
    if (has(action, "Failed") || has(action, "nvalid") || has(action, "failure") ||
        has(action, "not allowed")) {
        return PEN_SLICE_LIT("failure");
    }
    return (pen_slice){0}; /* an end tells nothing */
}

static void run(struct pen_normalizer *n, const struct pen_record *record, struct pen_doc *doc)
{
    const pen_slice proc = script_text(n, record, PROC);
    const pen_slice text = script_text(n, record, MESSAGE);
    const bool is_sshd = has(proc, "sshd");
    struct login login = {0};
    (void)doc;
    script_instance_set(n, INSTANCE, HOSTS);
    if (is_sshd) {
        script_set(n, MODULE, PEN_SLICE_LIT("secure"));
    }
    if (!(is_sshd ? sshd_read(text, &login) : has(proc, "sudo") && sudo_read(text, &login))) {
        return;
    }
    script_set(n, ACTION, login.action);
    script_set(n, USER, login.user);
    script_set(n, RELATED_USER, login.user);
    script_set(n, OUTCOME, is_sshd ? outcome_of(login.action) : PEN_SLICE_LIT("success"));
    if (is_sshd) {
        script_set(n, CATEGORY, PEN_SLICE_LIT("authentication"));
        script_set(n, IP, login.ip);
        script_set(n, PORT, login.port);
        script_set(n, RELATED_IP, login.ip);
    }
}

const struct nrm_script nrm_script_linux = {
    .name = "linux", .fields = fields, .slots = slots, .run = run};
