/* Any bytes as a reply of STS, as JSON of a server or of a process, or as a command: credentials
 * that can be signed with, words that lie in order, or a verdict with a reason that is one line. */
#include "credentials.h"
#include "words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_printable(pen_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < ' ' || s.ptr[i] > '~') {
            return false;
        }
    }
    return true;
}

static void set_check(const struct credential_set *set, pen_status status,
                      const struct pen_err *err)
{
    const struct pen_credentials view = pen_credential_set_view(set);
    if (status != PEN_OK) {
        PEN_CHECK(err->status == status && err->text[0] != '\0');
        PEN_CHECK(is_printable(pen_slice_str(err->text)));
        return;
    }
    PEN_CHECK(view.access_key.len > 0 && view.access_key.len <= PEN_SIGV4_ACCESS_KEY_MAX);
    PEN_CHECK(view.secret_key.len > 0 && view.secret_key.len <= PEN_SIGV4_SECRET_MAX);
    PEN_CHECK(view.session_token.len <= PEN_SIGV4_TOKEN_MAX);
    PEN_CHECK(is_printable(view.access_key) && is_printable(view.secret_key));
    PEN_CHECK(is_printable(view.session_token));
}

static void json_check(pen_slice text, enum credential_reply kind, struct credential_set *set)
{
    struct pen_err err = {.status = PEN_OK};
    struct pen_buf buf;
    pen_buf_init(&buf, HTTP_CALL_REPLY_MAX + HTTP_CALL_SLACK);
    PEN_CHECK(pen_buf_reserve(&buf, buf.max) == PEN_OK);
    PEN_CHECK(pen_buf_add(&buf, text) == PEN_OK);
    set_check(set, pen_credential_json(&buf, kind, set, &err), &err);
    pen_buf_fini(&buf);
}

static void sts_check(pen_slice text, bool is_error, struct credential_set *set)
{
    struct pen_err err = {.status = PEN_OK};
    const pen_status status = pen_sts_reply(text, is_error, set, &err);
    PEN_CHECK(!is_error || status != PEN_OK);
    set_check(set, status, &err);
}

static void words_check(pen_slice text)
{
    static struct words words;
    struct pen_err err = {.status = PEN_OK};
    const pen_status status = pen_words_split(text, &words, &err);
    PEN_CHECK(status == err.status);
    for (uint32_t i = 0; status == PEN_OK && i < words.count; i++) {
        const char *end = words.items[i] + strlen(words.items[i]);
        PEN_CHECK(words.items[i] >= words.text && end < words.text + sizeof(words.text));
        PEN_CHECK(i == 0 || words.items[i] > words.items[i - 1]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct credential_set set;
    if (size == 0 || size > HTTP_CALL_REPLY_MAX) {
        return 0;
    }
    const pen_slice text = {data + 1, size - 1};
    switch (data[0] % 5U) {
    case 0:
        sts_check(text, false, &set);
        break;
    case 1:
        sts_check(text, true, &set);
        break;
    case 2:
        json_check(text, CREDENTIAL_OF_SERVER, &set);
        break;
    case 3:
        json_check(text, CREDENTIAL_OF_PROCESS, &set);
        break;
    default:
        words_check(text);
        break;
    }
    return 0;
}
