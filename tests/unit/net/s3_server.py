"""A server of ListObjectsV2 on loopback that checks signatures and misbehaves as it is told.

Not a model of S3 beyond listing: what it answers is what AWS documents.
"""
import bisect
import datetime
import hashlib
import hmac
import http.server
import socket
import ssl
import struct
import threading
import time
import urllib.parse
from email.utils import formatdate
from xml.sax.saxutils import escape

ACCESS, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
MODIFIED = "2024-01-31T23:59:59.123Z"
MODIFIED_NS = 1706745599123000000


class Bucket:
    """keys: bytes each.  faults: one is taken by each request, "" is none."""

    def __init__(self, keys=(), region="us-east-1", faults=(), delay_s=0.0):
        self.keys, self.region, self.faults, self.delay_s = sorted(keys), region, list(faults), delay_s


def hmac_of(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Refusal(Exception):
    def __init__(self, status, code, more="", headers=()):
        super().__init__(code)
        self.status, self.headers = status, dict(headers)
        self.body = (f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code>'
                     f"<Message>because of {code}</Message>{more}<RequestId>1</RequestId></Error>").encode()


class Server:
    def __init__(self, certificate=None):
        outer = self
        self.buckets, self.log, self.clock_s, self.lock = {}, [], 0, threading.Lock()
        self.connections = self.now = self.most = 0

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                super().setup()
                with outer.lock:
                    outer.connections += 1

            def log_message(self, *_):
                pass

            def date_time_string(self, timestamp=None):
                return formatdate(time.time() + outer.clock_s, usegmt=True)

            def do_GET(self):
                outer.answer(self)

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass

        self.http = Quiet(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.port = self.http.server_address[1]
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def reset(self, **buckets):
        with self.lock:
            self.buckets, self.log, self.clock_s = buckets, [], 0
            self.connections = self.now = self.most = 0

    def stop(self):
        self.http.shutdown()
        self.http.server_close()

    # -- one request

    def answer(self, handler):
        target = handler.path
        if target.startswith("http://"):  # we are the proxy: virtual-host style
            host, _, rest = target[7:].partition("/")
            target, name = "/" + rest, host.split(".")[0]
            path, _, query = target.partition("?")
        else:
            path, _, query = target.partition("?")
            name = urllib.parse.unquote(path).split("/")[1]
        bucket = self.buckets.get(name)
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self.log.append({"bucket": name, "path": path, "query": query, "at": time.monotonic(),
                             "headers": {k.lower(): v for k, v in handler.headers.items()}})
            fault = bucket.faults.pop(0) if bucket and bucket.faults else ""
        try:
            self.respond(handler, bucket, path, query, fault)
        finally:
            with self.lock:
                self.now -= 1

    def respond(self, handler, bucket, path, query, fault):
        status, headers = 200, {"Content-Type": "application/xml"}
        try:
            if bucket is None:
                raise Refusal(404, "NoSuchBucket")
            time.sleep(bucket.delay_s)
            if fault in FAULTS:
                raise FAULTS[fault]
            self.check_signature(handler, bucket, path, query)
            body = page(bucket, urllib.parse.parse_qs(query, keep_blank_values=True, encoding="latin-1"), fault)
        except Refusal as refusal:
            status, body, headers = refusal.status, refusal.body, {**headers, **refusal.headers}
        spoil = getattr(self, "fault_" + fault.replace("-", "_"), None)
        if spoil:
            body = spoil(handler, body)
        if body is None:
            return
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body) + (7 if fault == "cut" else 0)))
        handler.end_headers()
        handler.wfile.write(body)
        if fault == "cut":
            handler.close_connection = True

    def fault_reset(self, handler, _body):
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True
        handler.connection.close()

    def fault_hang_up(self, handler, _body):
        handler.close_connection = True

    def fault_stall(self, _handler, body):
        time.sleep(1.5)
        return body

    def fault_stall_inside(self, handler, body):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:100])
        handler.wfile.flush()
        time.sleep(1.5)
        handler.close_connection = True

    def fault_half(self, _handler, body):
        return body[:len(body) // 2]

    def fault_garbage(self, _handler, _body):
        return b"<html><body>a proxy's page" + b" of words" * 10000

    def fault_error_in_200(self, _handler, _body):
        return Refusal(200, "InternalError").body

    # -- signatures: the formulas of Signature Version 4, from what came over the wire

    def check_signature(self, handler, bucket, path, query):
        headers = {k.lower(): v for k, v in handler.headers.items()}
        if "authorization" not in headers:
            raise Refusal(403, "AccessDenied")
        words = dict(w.split("=", 1) for w in headers["authorization"].split(" ", 1)[1].split(", "))
        access, day, region, service, _ = words["Credential"].split("/")
        if access != ACCESS:
            raise Refusal(403, "InvalidAccessKeyId")
        if region != bucket.region:
            raise Refusal(400, "AuthorizationHeaderMalformed", f"<Region>{bucket.region}</Region>")
        sent = datetime.datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(
            tzinfo=datetime.timezone.utc).timestamp()
        if abs(sent - time.time() - self.clock_s) > 900:
            raise Refusal(403, "RequestTimeTooSkewed")
        names = words["SignedHeaders"].split(";")
        for name in headers:
            assert name in names or name in ("accept", "user-agent", "authorization", "proxy-connection"), name
        pairs = sorted(p if "=" in p else p + "=" for p in query.split("&"))
        canonical = "\n".join(["GET", path, "&".join(pairs), *[f"{n}:{headers[n]}" for n in names], "",
                               words["SignedHeaders"], headers["x-amz-content-sha256"]])
        scope = f"{day}/{region}/{service}/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope,
                          hashlib.sha256(canonical.encode()).hexdigest()])
        key = hmac_of(hmac_of(hmac_of(hmac_of(("AWS4" + SECRET).encode(), day), region), service), "aws4_request")
        if hmac_of(key, text).hex() != words["Signature"]:
            raise Refusal(403, "SignatureDoesNotMatch")


def after_prefix(prefix):
    """The first bytes behind every key that begins with prefix, or None."""
    cut = prefix.rstrip(b"\xff")
    return cut[:-1] + bytes([cut[-1] + 1]) if cut else None


def page(bucket, query, fault):
    get = {name: values[0].encode("latin-1") for name, values in query.items()}
    assert get["list-type"] == b"2" and get["encoding-type"] == b"url", get
    prefix, delimiter = get.get("prefix", b""), get.get("delimiter", b"")
    at = bytes.fromhex(get["continuation-token"][6:].decode()) if "continuation-token" in get else None
    most = int(get["max-keys"])
    keys = bucket.keys
    i = bisect.bisect_left(keys, prefix)
    if at is not None:
        i = max(i, bisect.bisect_left(keys, at))
    elif "start-after" in get:
        i = max(i, bisect.bisect_right(keys, get["start-after"]))
    out, count = [], 0
    while i < len(keys) and keys[i].startswith(prefix) and count < most:
        key, count = keys[i], count + 1
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        if cut >= 0:
            common = key[:cut + len(delimiter)]
            out.append(f"<CommonPrefixes><Prefix>{encoded(common)}</Prefix></CommonPrefixes>")
            behind = after_prefix(common)
            i = bisect.bisect_left(keys, behind) if behind else len(keys)
        else:
            out.append(f"<Contents><Key>{encoded(key)}</Key><LastModified>{MODIFIED}</LastModified><ETag>&quot;"
                       f"{hashlib.md5(key).hexdigest()}&quot;</ETag><Size>{len(key)}</Size>"
                       "<StorageClass>STANDARD</StorageClass></Contents>")
            i += 1
    more = i < len(keys) and keys[i].startswith(prefix)
    token = f"<NextContinuationToken>token/{keys[i].hex()}</NextContinuationToken>" if more else ""
    if fault == "round":
        more, token = True, "<NextContinuationToken>token/6f</NextContinuationToken>"
    return ('<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>b</Name><Prefix>{escape(encoded(prefix))}</Prefix><KeyCount>{count}</KeyCount>"
            f"<MaxKeys>{most}</MaxKeys><EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{token}{''.join(out)}</ListBucketResult>").encode()


def encoded(key):
    """As S3 does: a blank is a plus."""
    return urllib.parse.quote_plus(key, safe="/*")


FAULTS = {
    "500": Refusal(500, "InternalError"),
    "429": Refusal(429, "TooManyRequests"),
    "slow": Refusal(503, "SlowDown"),
    "later": Refusal(503, "SlowDown", headers=[("Retry-After", "1")]),
    "denied": Refusal(403, "AccessDenied"),
    "forbidden": Refusal(403, ""),
    "expired": Refusal(400, "ExpiredToken"),
    "odd": Refusal(418, "Teapot"),
    "moved-header": Refusal(301, "PermanentRedirect", headers=[("x-amz-bucket-region", "eu-west-1")]),
    "moved-endpoint": Refusal(307, "TemporaryRedirect", "<Endpoint>b.s3-eu-west-1.amazonaws.com</Endpoint>"),
    "moved-location": Refusal(307, "", headers=[("Location", "https://b.s3.eu-west-1.amazonaws.com/?x")]),
    "moved-away": Refusal(301, "PermanentRedirect", headers=[("x-amz-bucket-region", "eu-west-2")]),
    "moved-evil": Refusal(301, "PermanentRedirect", headers=[("x-amz-bucket-region", "evil.example/")]),
}
