/* tested by tests/unit/net/test_http_client.py */
#include "tls.h"

#include <arpa/inet.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

struct tls {
    SSL_CTX *context;
    SSL_SESSION *session; /* the newest that a server gave */
};

struct tls_stream {
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
};

/* The oldest error of this thread that OpenSSL remembers; forgets them all. */
static const char *reason(void)
{
    const unsigned long code = ERR_peek_error();
    const char *text = code == 0 ? NULL : ERR_reason_error_string(code);
    ERR_clear_error();
    return text == NULL ? "unknown" : text;
}

/* OpenSSL hands us a reference; 1: it is kept. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    SSL_SESSION_free(tls->session);
    tls->session = session;
    return 1;
}

static pen_status certificate_use(SSL_CTX *context, const struct tls_files *files,
                                  struct pen_err *err)
{
    const char *key = files->key == NULL ? files->cert : files->key;
    if (files->cert == NULL) {
        return PEN_OK;
    }
    if (SSL_CTX_use_certificate_chain_file(context, files->cert) != 1) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "%s: no certificate can be read: %s",
                        files->cert, reason());
    }
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "%s: no key of %s can be read: %s", key,
                        files->cert, reason());
    }
    return PEN_OK;
}

pen_status tls_new(const struct tls_files *files, struct tls **out, struct pen_err *err)
{
    const char *ca_file = files->ca;
    struct tls *tls = calloc(1, sizeof(*tls));
    SSL_CTX *context = tls == NULL ? NULL : SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
        SSL_CTX_free(context);
        free(tls);
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "TLS: %s", reason());
    }
    tls->context = context;
    const int trusts = ca_file == NULL ? SSL_CTX_set_default_verify_paths(context)
                                       : SSL_CTX_load_verify_locations(context, ca_file, NULL);
    if (trusts != 1) {
        tls_free(tls);
        return PEN_FAIL(err, PEN_E_USAGE, PEN_NO_OFFSET, "%s: no certificates can be read: %s",
                        ca_file == NULL ? "the system's trust store" : ca_file, reason());
    }
    const pen_status st = certificate_use(context, files, err);
    if (st != PEN_OK) {
        tls_free(tls);
        return st;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    /* What is sent lies in our own memory at another place each time. */
    (void)SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(context,
                                         SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_app_data(context, tls);
    SSL_CTX_sess_set_new_cb(context, on_session);
    *out = tls;
    return PEN_OK;
}

void tls_free(struct tls *tls)
{
    if (tls != NULL) {
        SSL_SESSION_free(tls->session);
        SSL_CTX_free(tls->context);
        free(tls);
    }
}

static bool is_address(const char *host)
{
    struct in6_addr any;
    return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

/* What the certificate must say; names are told to the server too, addresses are not. */
static bool expect(SSL *ssl, const char *host)
{
    if (is_address(host)) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    }
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 &&
           SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    pen_unconst(host)) == 1;
}

pen_status tls_open(struct tls *tls, const char *host, struct tls_stream **out, struct pen_err *err)
{
    struct tls_stream *stream = calloc(1, sizeof(*stream));
    SSL *ssl = stream == NULL ? NULL : SSL_new(tls->context);
    BIO *in = BIO_new(BIO_s_mem());
    BIO *output = BIO_new(BIO_s_mem());
    if (ssl == NULL || in == NULL || output == NULL || !expect(ssl, host)) {
        BIO_free(in);
        BIO_free(output);
        SSL_free(ssl);
        free(stream);
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "TLS: %s", reason());
    }
    SSL_set_bio(ssl, in, output);
    SSL_set_connect_state(ssl);
    if (tls->session != NULL) {
        (void)SSL_set_session(ssl, tls->session); /* refused: a whole handshake then */
    }
    *stream = (struct tls_stream){.ssl = ssl, .in = in, .out = output};
    *out = stream;
    return PEN_OK;
}

void tls_close(struct tls_stream *stream)
{
    if (stream != NULL) {
        /* Sessions of streams that did not end by a close_notify can be resumed all the same. */
        SSL_set_quiet_shutdown(stream->ssl, 1);
        (void)SSL_shutdown(stream->ssl);
        SSL_free(stream->ssl);
        free(stream);
    }
}

pen_status tls_feed(struct tls_stream *stream, pen_slice bytes, struct pen_err *err)
{
    PEN_CHECK(bytes.len <= INT_MAX);
    if (bytes.len > 0 && BIO_write(stream->in, bytes.ptr, (int)bytes.len) != (int)bytes.len) {
        return PEN_FAIL(err, PEN_E_NOMEM, PEN_NO_OFFSET, "TLS: out of memory");
    }
    return PEN_OK;
}

static enum tls_step failed(struct tls_stream *stream, int got, struct pen_err *err)
{
    switch (SSL_get_error(stream->ssl, got)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: /* a memory BIO takes all: not met */
        return TLS_WAIT;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_END;
    default:
        break;
    }
    const long verdict = SSL_get_verify_result(stream->ssl);
    if (verdict != X509_V_OK) {
        ERR_clear_error();
        (void)PEN_FAIL(err, PEN_E_DENIED, PEN_NO_OFFSET, "TLS: the server's certificate: %s",
                       X509_verify_cert_error_string(verdict));
    } else {
        (void)PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "TLS: %s", reason());
    }
    return TLS_ERROR;
}

enum tls_step tls_handshake(struct tls_stream *stream, struct pen_err *err)
{
    ERR_clear_error();
    const int got = SSL_do_handshake(stream->ssl);
    return got == 1 ? TLS_OK : failed(stream, got, err);
}

enum tls_step tls_read(struct tls_stream *stream, uint8_t *to, size_t cap, size_t *got,
                       struct pen_err *err)
{
    ERR_clear_error();
    *got = 0;
    const int done = SSL_read_ex(stream->ssl, to, cap, got);
    return done == 1 ? TLS_OK : failed(stream, done, err);
}

pen_status tls_write(struct tls_stream *stream, pen_slice bytes, struct pen_err *err)
{
    ERR_clear_error();
    size_t done = 0;
    if (SSL_write_ex(stream->ssl, bytes.ptr, bytes.len, &done) != 1 || done != bytes.len) {
        return PEN_FAIL(err, PEN_E_IO, PEN_NO_OFFSET, "TLS: nothing can be sent: %s", reason());
    }
    return PEN_OK;
}

size_t tls_take(struct tls_stream *stream, uint8_t *to, size_t cap)
{
    const int got = BIO_read(stream->out, to, cap > INT_MAX ? INT_MAX : (int)cap);
    return got > 0 ? (size_t)got : 0;
}

bool tls_is_resumed(const struct tls_stream *stream)
{
    return SSL_session_reused(stream->ssl) == 1;
}
