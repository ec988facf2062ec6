"""fake_s3.py - a bucket in memory that speaks ListObjectsV2 and GET, and remembers what it was asked.

    with FakeS3() as s3:
        s3.put("a/b.json.gz", data)
        ... s3.endpoint, s3.lists(), s3.gets() ...
"""
import email.utils
import hashlib
import http.server
import re
import threading
import time
import urllib.parse
import xml.sax.saxutils

PAGE = 1000


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_):
        pass  # clients hang up on it


class FakeS3:
    def __init__(self, bucket="org-trail", page=PAGE, address=("127.0.0.1", 0)):
        self.bucket, self.page = bucket, page
        self.objects = {}  # key: (bytes, time, storage class)
        self.seen = []  # (method and kind, key or prefix, time, headers)
        self.fault = None  # fault(handler, kind, name, turn): true when it has answered
        self.lock = threading.Lock()
        self.server = Server(address, type("Bound", (Handler,), {"s3": self}))
        self.port = self.server.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def put(self, key, data, modified=None, storage_class="STANDARD"):
        with self.lock:
            self.objects[key] = (data, modified or time.time(), storage_class)

    def delete(self, key):
        with self.lock:
            del self.objects[key]

    def _names(self, kind):
        with self.lock:
            return [row[1] for row in self.seen if row[0] == kind]

    def lists(self):
        """The prefixes of all listings so far."""
        return self._names("list")

    def gets(self):
        """The keys of all reads so far."""
        return self._names("get")

    def times(self, kind="get"):
        with self.lock:
            return [row[2] for row in self.seen if row[0] == kind]

    def headers(self, kind="get"):
        with self.lock:
            return [row[3] for row in self.seen if row[0] == kind]

    def forget(self):
        with self.lock:
            self.seen.clear()


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


def etag_of(data):
    return '"' + hashlib.md5(data).hexdigest() + '"'


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are written apart
    s3 = None

    def log_message(self, *_):
        pass

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": len(body)}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def error(self, status, code, **headers):
        self.answer(status, f"<Error><Code>{code}</Code><Message>as asked</Message></Error>".encode(),
                    x_amz_request_id="R1", **headers)

    def note(self, kind, name):
        with self.s3.lock:
            self.s3.seen.append((kind, name, time.monotonic(), dict(self.headers.items())))
            turn = sum(1 for row in self.s3.seen if row[0] == kind and row[1] == name)
        return self.s3.fault is not None and self.s3.fault(self, kind, name, turn)

    def do_GET(self):
        path, _, query = self.path.partition("?")
        parts = urllib.parse.unquote(path).lstrip("/").split("/", 1)
        if parts[0] != self.s3.bucket:
            self.error(404, "NoSuchBucket")
        elif len(parts) == 1 or parts[1] == "":
            self.list(dict(urllib.parse.parse_qsl(query, keep_blank_values=True)))
        else:
            self.get(parts[1])

    def get(self, key):
        if self.note("get", key):
            return
        with self.s3.lock:
            held = self.s3.objects.get(key)
        if held is None:
            self.error(404, "NoSuchKey")
            return
        data, modified, _ = held
        common = {"ETag": etag_of(data), "Last_Modified": email.utils.formatdate(modified, usegmt=True)}
        if self.headers["If-Match"] not in (None, common["ETag"]):
            self.error(412, "PreconditionFailed")
        elif self.headers["Range"] is None:
            self.answer(200, data, **common)
        else:
            first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
            if first >= len(data):
                self.error(416, "InvalidRange")
                return
            self.answer(206, data[first:last + 1],
                        Content_Range=f"bytes {first}-{min(last, len(data) - 1)}/{len(data)}", **common)

    def list(self, query):
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        if self.note("list", prefix):
            return
        after = query.get("continuation-token") or query.get("start-after") or ""
        with self.s3.lock:
            rows = sorted((key.encode(), key, *value) for key, value in self.s3.objects.items()
                          if key.startswith(prefix) and key > after)
        entries, folded, last, is_cut = [], [], "", False
        for _, key, data, modified, storage_class in rows:
            at = key.find(delimiter, len(prefix)) if delimiter else -1
            name = key[:at + 1] if at >= 0 else key
            if at >= 0 and (name in folded or after.startswith(name)):
                continue
            if len(entries) + len(folded) == self.s3.page:
                is_cut = True
                break
            if at >= 0:
                folded.append(name)
            else:
                entries.append(f"<Contents><Key>{urllib.parse.quote(key)}</Key><LastModified>{stamp(modified)}"
                               f"</LastModified><ETag>{xml.sax.saxutils.escape(etag_of(data))}</ETag>"
                               f"<Size>{len(data)}</Size><StorageClass>{storage_class}</StorageClass></Contents>")
            last = name + "\U0010ffff" if at >= 0 else name
        token = f"<NextContinuationToken>{xml.sax.saxutils.escape(last)}</NextContinuationToken>" if is_cut else ""
        self.answer(200, (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><EncodingType>url</EncodingType>'
            f"<IsTruncated>{str(is_cut).lower()}</IsTruncated>{token}{''.join(entries)}"
            + "".join(f"<CommonPrefixes><Prefix>{urllib.parse.quote(p)}</Prefix></CommonPrefixes>" for p in folded)
            + "</ListBucketResult>").encode(), Content_Type="application/xml")
