/*
 * sign_lines - signs the requests of stdin, for test_sigv4_oracle.py.
 *
 * A line is a request: words "LETTER:HEX", for pairs "LETTER:HEX:HEX".  The answer is a line of
 * target, host and authorization.  With a number N: signs the first request N times and tells the
 * time and the CPU time of one.
 */
#include "penstock/net.h"

#include <stdio.h>
#include <stdlib.h>

#define LINE_BYTES_MAX 65536

struct line {
    struct pen_sigv4_request request;
    struct pen_credentials who;
    struct pen_pair query[PEN_SIGV4_QUERY_MAX];
    struct pen_pair headers[PEN_SIGV4_HEADERS_MAX];
};

static uint8_t digit(uint8_t c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* In place: bytes are written behind the digits that are read. */
static pen_slice unhex(char *hex)
{
    uint8_t *bytes = (uint8_t *)hex;
    const size_t len = strlen(hex) / 2;
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)(digit(bytes[2 * i]) * 16 + digit(bytes[2 * i + 1]));
    }
    return (pen_slice){bytes, len};
}

static void pair_set(struct pen_pair *pair, char *text)
{
    char *colon = strchr(text, ':');
    PEN_CHECK(colon != NULL);
    *colon = '\0';
    *pair = (struct pen_pair){unhex(text), unhex(colon + 1)};
}

static void word_set(struct line *line, char *word)
{
    struct pen_sigv4_request *r = &line->request;
    const char letter = word[0];
    PEN_CHECK(word[1] == ':');
    if (letter == 'q') {
        pair_set(&line->query[r->query_count++], word + 2);
        return;
    }
    if (letter == 'x') {
        pair_set(&line->headers[r->header_count++], word + 2);
        return;
    }
    struct {
        char letter;
        pen_slice *to;
    } const fields[] = {{'m', &r->method},
                        {'h', &r->host},
                        {'b', &r->bucket},
                        {'p', &r->path},
                        {'r', &r->region},
                        {'s', &r->service},
                        {'a', &line->who.access_key},
                        {'k', &line->who.secret_key},
                        {'t', &line->who.session_token},
                        {'y', &r->payload}};
    const pen_slice value = unhex(word + 2);
    for (uint32_t i = 0; i < PEN_COUNT(fields); i++) {
        if (fields[i].letter == letter) {
            *fields[i].to = value;
        }
    }
    if (letter == 'd') {
        PEN_CHECK(pen_parse_time(value, &r->time_ns));
    }
    r->is_virtual_host = r->is_virtual_host || letter == 'v';
}

static void line_read(struct line *line, char *text)
{
    *line = (struct line){
        .request = {.credentials = &line->who, .query = line->query, .headers = line->headers}};
    char *save = NULL;
    for (char *word = strtok_r(text, " \n", &save); word != NULL;
         word = strtok_r(NULL, " \n", &save)) {
        word_set(line, word);
    }
}

static void measure(struct pen_sigv4 *signer, const struct line *line, struct pen_buf *buf,
                    uint32_t times)
{
    struct pen_sigv4_signed out;
    const int64_t wall = pen_clock_mono_ns();
    const int64_t cpu = pen_clock_thread_cpu_ns();
    for (uint32_t i = 0; i < times; i++) {
        PEN_CHECK(pen_sigv4_sign(signer, &line->request, buf, &out, NULL) == PEN_OK);
    }
    (void)printf("%u signatures: %lld ns, %lld ns of CPU each\n", times,
                 (long long)((pen_clock_mono_ns() - wall) / times),
                 (long long)((pen_clock_thread_cpu_ns() - cpu) / times));
}

int main(int argc, char **argv)
{
    static char text[LINE_BYTES_MAX];
    static struct line line;
    struct pen_sigv4 *signer = NULL;
    struct pen_sigv4_signed out;
    struct pen_err err;
    struct pen_buf buf;
    uint64_t times = 0;
    pen_buf_init(&buf, PEN_SIGV4_BYTES_MAX);
    PEN_CHECK(pen_sigv4_new(&signer, &err) == PEN_OK);
    PEN_CHECK(argc < 2 || (pen_parse_u64(pen_slice_str(argv[1]), &times) && times > 0));
    while (fgets(text, sizeof(text), stdin) != NULL) {
        line_read(&line, text);
        if (times > 0) {
            measure(signer, &line, &buf, pen_u32(times));
        } else if (pen_sigv4_sign(signer, &line.request, &buf, &out, &err) != PEN_OK) {
            (void)printf("error: %s\n", err.text);
        } else {
            (void)printf("%.*s %.*s %.*s\n", (int)out.target.len, (const char *)out.target.ptr,
                         (int)out.host.len, (const char *)out.host.ptr, (int)out.authorization.len,
                         (const char *)out.authorization.ptr);
        }
    }
    pen_sigv4_free(signer);
    pen_buf_fini(&buf);
    return 0;
}
