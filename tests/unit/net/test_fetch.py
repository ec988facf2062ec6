#!/usr/bin/env python3
"""test_fetch.py S3_GET - objects of a made bucket are fetched, whatever its server does."""
import email.utils
import hashlib
import http.server
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

DRIVER = sys.argv[1]
SEED = int(os.environ.get("SEED", "7"))
ENV = {**os.environ, "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}


def xxh64(data, seed=0):
    """XXH64, written plainly from its specification."""
    mask = (1 << 64) - 1
    p1, p2, p3, p4, p5 = (11400714785074694791, 14029467366897019727, 1609587929392839161, 9650029242287828579,
                          2870177450012600261)

    def rot(x, r):
        return ((x << r) | (x >> (64 - r))) & mask

    def rounds(acc, lane):
        return rot((acc + lane * p2) & mask, 31) * p1 & mask

    at = 0
    if len(data) >= 32:
        v = [(seed + p1 + p2) & mask, (seed + p2) & mask, seed, (seed - p1) & mask]
        while at + 32 <= len(data):
            for i in range(4):
                v[i] = rounds(v[i], int.from_bytes(data[at:at + 8], "little"))
                at += 8
        h = (rot(v[0], 1) + rot(v[1], 7) + rot(v[2], 12) + rot(v[3], 18)) & mask
        for each in v:
            h = ((h ^ rounds(0, each)) * p1 + p4) & mask
    else:
        h = (seed + p5) & mask
    h = (h + len(data)) & mask
    while at + 8 <= len(data):
        h = (rot(h ^ rounds(0, int.from_bytes(data[at:at + 8], "little")), 27) * p1 + p4) & mask
        at += 8
    if at + 4 <= len(data):
        h = (rot(h ^ (int.from_bytes(data[at:at + 4], "little") * p1 & mask), 23) * p2 + p3) & mask
        at += 4
    for byte in data[at:]:
        h = rot(h ^ (byte * p5 & mask), 11) * p1 & mask
    h ^= h >> 33
    h = h * p2 & mask
    h ^= h >> 29
    h = h * p3 & mask
    return h ^ (h >> 32)


class Bucket(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, objects, fault=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects, self.fault, self.seen, self.lock = objects, fault, [], threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def error(self, status, code, message="as asked", **headers):
        self.answer(status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode(),
                    x_amz_request_id="R1", **headers)

    def do_GET(self):
        key = urllib.parse.unquote(self.path.split("/", 2)[2])
        signed = re.match(r"AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/\d{8}/([a-z0-9-]+)/s3/aws4_request, SignedHeaders=",
                          self.headers["Authorization"])
        assert signed and self.headers["Host"] == self.server.url[7:], self.headers
        self.region = signed[1]
        assert self.server.fault is not None or self.region == "us-east-1", self.region
        with self.server.lock:
            self.server.seen.append(key)
            turn = self.server.seen.count(key)
        if self.server.fault is not None and self.server.fault(self, key, turn):
            return
        data = self.server.objects.get(key)
        if data is None:
            self.error(404, "NoSuchKey")
            return
        etag = '"' + hashlib.md5(data).hexdigest() + '"'
        if self.headers["If-Match"] not in (None, etag):
            self.error(412, "PreconditionFailed")
        elif self.headers["Range"] is None:
            self.answer(200, data, ETag=etag)
        else:
            first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
            self.answer(206, data[first:last + 1], ETag=etag,
                        Content_Range=f"bytes {first}-{min(last, len(data) - 1)}/{len(data)}")


def fetch(bucket, wanted, *options, code=0):
    """{key: (status, bytes, hash, text)} and the counters."""
    text = "".join(f"{size} {etag or '-'} {key}\n" for key, size, etag in wanted)
    done = subprocess.run([DRIVER, bucket.url, "bucket", *map(str, options)], input=text.encode(), capture_output=True,
                          env=ENV, timeout=120, check=False)
    assert done.returncode == code, (done.returncode, done.stderr)
    lines = done.stdout.decode().splitlines()
    rows = {}
    for line in lines[:-1]:
        match = re.fullmatch(r"(.*) (OK|E_[A-Z_]+) (\d+) ([0-9a-f]{16}) (.*)", line)
        assert match and match[1] not in rows, line
        rows[match[1]] = (match[2], int(match[3]), int(match[4], 16), match[5])
    assert len(rows) == len(wanted), (len(rows), len(wanted))
    return rows, list(map(int, lines[-1].split()[1:]))


def make(count, size_max, seed=SEED):
    rng = random.Random(seed)
    return {f"day/{n:04} a+b%&=ü~/x": rng.randbytes(rng.choice((0, 1, 50, 4096, rng.randrange(1, size_max))))
            for n in range(count)}


def listed(objects):
    return [(key, len(data), hashlib.md5(data).hexdigest()) for key, data in objects.items()]


def same(rows, objects):
    for key, data in objects.items():
        assert rows[key][:3] == ("OK", len(data), xxh64(data)), (key, len(data), rows[key])


def case_every_object_comes_whole():
    objects = make(400, 60000)
    bucket = Bucket(objects)
    rows, (requests, retries, throttled, connects, _, _) = fetch(bucket, listed(objects))
    same(rows, objects)
    assert requests == sum(1 for data in objects.values() if data) and retries == throttled == 0, (requests, retries)
    assert connects <= 128, connects


def case_large_objects_come_in_ranges_with_little_memory():
    objects = {f"large{n}": random.Random(n).randbytes(300000 + n) for n in range(6)} | make(60, 5000)
    bucket = Bucket(objects)
    rows, (requests, *_) = fetch(bucket, listed(objects), 10000, 30000)
    same(rows, objects)
    assert requests >= 6 * 30, requests
    rows, _ = fetch(bucket, listed(objects), 10000, 10000, 3)
    same(rows, objects)


def case_faults_are_tried_again():
    """Each first request and some later ones go wrong, in every way that there is."""
    objects = make(60, 30000) | {"large": random.Random(1).randbytes(200000)}
    rng = random.Random(SEED)

    def fault(handler, key, turn):
        if turn > 3 or rng.random() < 0.4:
            return False
        kind = rng.choice(("500", "503", "reset", "cut", "garbage", "empty", "400", "late", "range"))
        data = objects[key]
        if kind == "500":
            handler.error(500, "InternalError")
        elif kind == "503":
            handler.error(503, "SlowDown", Retry_After="0")
        elif kind == "400":
            handler.error(400, "RequestTimeout")
        elif kind == "range" and handler.headers["Range"] is not None:
            handler.answer(206, data[:9], Content_Range=f"bytes 0-8/{len(data)}")
        elif kind == "late":
            time.sleep(rng.choice((0.01, 0.5)))
            handler.error(500, "InternalError")
        elif kind == "reset":
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            handler.connection.close()
            handler.close_connection = True
        else:
            handler.close_connection = True
            if kind == "cut":
                handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data[:-1])
            elif kind == "garbage":
                handler.wfile.write(rng.randbytes(60))
        return True

    bucket = Bucket(objects, fault)
    rows, (_, retries, throttled, *_) = fetch(bucket, listed(objects), 20000, 1 << 20, 64, 30)
    same(rows, objects)
    assert retries > 20 and throttled > 0, (retries, throttled)


def case_an_outage_gets_no_storm_of_retries():
    """While nothing but errors comes, retries beyond the budget go out one by one; then all is read."""
    objects = make(64, 500)
    budget, shares, share, lent = 398, 4, 2, 99  # of 100, 100, 99, 99; 64 first tries come before them
    lock, now, most, count = threading.Lock(), [0], [], [0]

    def fault(handler, _key, _turn):
        with lock:
            now[0], count[0] = now[0] + 1, count[0] + 1
            number = count[0]
            if 65 + lent < number <= 200:
                most.append(now[0])
        is_out = number <= 200
        if is_out:
            time.sleep(0.05)
            handler.error(500, "InternalError")
        with lock:
            now[0] -= 1
        return is_out

    bucket = Bucket(objects, fault)
    rows, (_, retries, *_) = fetch(bucket, listed(objects), 20000, 1 << 20, 64, 100, "", 0, 0, budget, shares, share)
    same(rows, objects)
    # those were side by side; by then only one is, and perhaps one that has just been answered
    assert len(most) == 135 - lent and max(most) <= 3 and retries == 200, (most, retries)


def case_what_cannot_be_read_says_why():
    objects = {key: key.encode() * 10 for key in ("good", "changed", "grown", "denied", "archived", "kms", "busy",
                                                  "moved", "sse-c", "odd", "last")}

    def fault(handler, key, _turn):
        said = {"denied": (403, "AccessDenied"), "archived": (403, "InvalidObjectState"), "busy": (503, "SlowDown"),
                "kms": (400, "KMS.DisabledException"), "moved": (301, "PermanentRedirect"),
                "sse-c": (400, "InvalidRequest", "The object was stored using a form of Server Side Encryption."),
                "odd": (400, "InvalidRequest")}.get(key)
        if said is not None:
            handler.error(*said)
        return said is not None

    wanted = [(key, len(data), hashlib.md5(data).hexdigest()) for key, data in objects.items()] + [("gone", 5, None)]
    wanted[1] = ("changed", 70, "0" * 32)
    wanted[2] = ("grown", 49, None)
    bucket = Bucket(objects, fault)
    rows, _ = fetch(bucket, wanted, 8 << 20, 64 << 20, 4, 3)
    same(rows, {"good": objects["good"], "last": objects["last"]})
    for key, status, words in (("changed", "E_CHANGED", "ETag differs"), ("grown", "E_CHANGED", "size differs"),
                               ("denied", "E_DENIED", "403 AccessDenied: as asked; is s3:GetObject allowed"),
                               ("archived", "E_DENIED", "restore it first"), ("kms", "E_DENIED", "kms:Decrypt"),
                               ("busy", "E_AGAIN", "503 SlowDown"), ("moved", "E_IO", "elsewhere"),
                               ("sse-c", "E_DENIED", "(SSE-C): it cannot be read"), ("odd", "E_DENIED", "400 InvalidRequest"), ("gone", "E_NOT_FOUND", "404 NoSuchKey")):
        assert rows[key][0] == status and words in rows[key][3], (key, rows[key])
        assert rows[key][1] == 0 and ("request R1" in rows[key][3]) == (status != "E_CHANGED"), (key, rows[key])


def case_a_bucket_of_another_region_is_asked_there():
    """The header, the document, or the address tells it; few requests learn it, then all are signed for it."""
    objects = make(60, 5000) | {"large": random.Random(1).randbytes(50000)}
    for told in ("header", "document", "endpoint", "location", "malformed"):
        def fault(handler, _key, _turn):
            if handler.region == "eu-west-1":
                return False
            headers = {"header": {"x_amz_bucket_region": "eu-west-1"}, "location": {
                "Location": "https://bucket.s3-eu-west-1.amazonaws.com/key"}}.get(told, {})
            more = {"document": "<Region>eu-west-1</Region>", "malformed": "<Region>eu-west-1</Region>",
                    "endpoint": "<Endpoint>bucket.s3.eu-west-1.amazonaws.com</Endpoint>"}.get(told, "")
            status, code = {"location": (307, "TemporaryRedirect"), "malformed": (
                400, "AuthorizationHeaderMalformed")}.get(told, (301, "PermanentRedirect"))
            handler.answer(status, f"<Error><Code>{code}</Code>{more}</Error>".encode(), **headers)
            return True

        bucket = Bucket(objects, fault)
        rows, (requests, retries, *_) = fetch(bucket, listed(objects), 10000, 1 << 20, 64, 1)
        same(rows, objects)
        needed = sum(1 for data in objects.values() if data) + 4
        assert 1 <= retries <= 32 and requests == needed + retries, (told, requests, retries, needed)


def case_a_bucket_at_another_server_is_asked_there():
    objects = make(40, 5000)
    to = Bucket(objects, lambda *_: False)

    def fault(handler, key, _turn):
        handler.error(307, "TemporaryRedirect", Location=f"{to.url}/bucket/{urllib.parse.quote(key)}")
        return True

    rows, (_, retries, *_) = fetch(Bucket({}, fault), listed(objects), 10000, 1 << 20, 64, 1)
    same(rows, objects)
    assert 1 <= retries <= 40 and len(to.seen) == sum(1 for data in objects.values() if data), (retries, to.seen)


LIMITS = (10000, 1 << 20, 64, 1, "", 0, 0, 100, 1, 0)  # before those of redirects


def case_a_move_that_is_told_costs_no_request():
    """A second fetcher, told by the first, asks at the new place at once, and tells nobody what it was told."""
    objects = make(40, 5000)
    count = sum(1 for data in objects.values() if data)

    def by_region(handler, _key, _turn):
        if handler.region == "eu-west-1":
            return False
        handler.error(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1")
        return True

    rows, (requests, retries, *_) = fetch(Bucket(objects, by_region), listed(objects), *LIMITS, 3, 4, 1)
    same(rows, objects)
    assert (requests, retries) == (count, 0), (requests, retries, count)
    to = Bucket(objects, lambda *_: False)

    def by_address(handler, key, _turn):
        handler.error(307, "TemporaryRedirect", Location=f"{to.url}/bucket/{urllib.parse.quote(key)}")
        return True

    first = Bucket({}, by_address)
    rows, (requests, retries, *_) = fetch(first, listed(objects), *LIMITS, 3, 4, 1)
    same(rows, objects)
    assert (requests, retries) == (count, 0) and len(to.seen) == 2 * count and len(first.seen) <= 40, (requests, retries)


def case_redirects_have_limits():
    objects = {f"key{n}": b"x" * 10 for n in range(3)}
    last = Bucket(objects, lambda *_: False)
    chain = [last]
    for _ in range(3):
        def fault(handler, key, _turn, to=chain[-1]):
            handler.error(307, "TemporaryRedirect", Location=f"{to.url}/bucket/{key}")
            return True
        chain.append(Bucket({}, fault))
    for redirects, servers, code in ((3, 4, "OK"), (2, 4, "E_IO"), (0, 4, "E_IO"), (3, 3, "E_IO"), (20, 16, "OK")):
        rows, _ = fetch(chain[-1], listed(objects)[:1], *LIMITS, redirects, servers)
        got = rows["key0"]
        assert got[0] == code, (redirects, servers, got)
        if code != "OK":
            assert ("sent on too often" if redirects < 3 else "elsewhere") in got[3], got


def case_redirects_lead_nowhere_for_ever():
    """Servers that send a request in circles, to themselves, to no server or to none at all waste it, and no more."""
    objects = {f"key{n}": b"x" * 10 for n in range(6)}
    places = []

    def fault(handler, key, _turn):
        here = int(handler.server.url.rsplit(":", 1)[1])
        others = [place.url for place in places if place.server_address[1] != here]
        handler.error(307, "TemporaryRedirect", Location=f"{others[0]}/bucket/{key}")
        return True

    places.extend((Bucket(objects, fault), Bucket(objects, fault)))
    rows, _ = fetch(places[0], listed(objects))
    asked = [places[0].seen.count(key) + places[1].seen.count(key) for key in objects]
    assert max(asked) <= 4 and {row[0] for row in rows.values()} == {"E_IO"}, (asked, rows)
    assert "sent on too often" in rows["key0"][3], rows["key0"]
    for location in ("{url}/bucket/key", "ftp://127.0.0.1/bucket", "/bucket/key", "http://", "http://a b/", "http://" + "a" * 400,
                     "http://[::1/", "http://127.0.0.1:0/"):
        bucket = Bucket(objects)
        bucket.fault = lambda handler, _key, _turn, where=location, url=bucket.url: handler.error(
            301, "PermanentRedirect", Location=where.format(url=url)) or True
        rows, (requests, retries, *_) = fetch(bucket, listed(objects))
        assert (requests, retries) == (6, 0) and {row[0] for row in rows.values()} == {"E_IO"}, (location, rows)
        assert "elsewhere" in rows["key0"][3], rows["key0"]
    bucket = Bucket(objects, lambda handler, *_: handler.error(307, "TemporaryRedirect", Location="http://no host.invalid/"
                                                               .replace(" ", "-")) or True)
    rows, _ = fetch(bucket, listed(objects))
    assert {row[0] for row in rows.values()} == {"E_IO"} and "no-host.invalid: " in rows["key0"][3], rows["key0"]


def took(*options, objects):
    bucket = Bucket(objects)
    begun = time.monotonic()
    rows, counters = fetch(bucket, listed(objects), 10000, 1 << 20, 64, 8, "", *options)
    same(rows, objects)
    return time.monotonic() - begun, counters


def case_rates_are_held():
    objects = {f"small{n}": bytes(100) for n in range(160)}
    seconds, _ = took(100, objects=objects)
    assert 1.4 < seconds < 5, seconds
    objects = {f"large{n}": bytes(100000) for n in range(8)}
    seconds, (requests, *_) = took(0, 500000, objects=objects)
    assert 1.4 < seconds < 5 and requests == 80, (seconds, requests)


def case_the_server_says_when_to_come_again():
    objects = {f"key{n}": b"x" * 10 for n in range(4)}
    times = {}

    def fault(handler, key, turn):
        times.setdefault(key, []).append(time.monotonic())
        if turn > 1:
            return False
        after = ["1", email.utils.formatdate(time.time() + 2, usegmt=True), "soon", "0"][int(key[3:])]
        handler.error(429 if key == "key0" else 503, "SlowDown", Retry_After=after)
        return True

    rows, _ = fetch(Bucket(objects, fault), listed(objects))
    same(rows, objects)
    waits = {key: second - first for key, (first, second) in times.items()}
    assert 1 <= waits["key0"] < 3 and 0.9 <= waits["key1"] < 4, waits
    assert waits["key2"] < 0.9 and waits["key3"] < 0.9, waits


def case_a_wrong_clock_is_found_out():
    objects = make(20, 1000)
    ahead = 3 * 3600

    def fault(handler, _key, _turn):
        stamp = handler.headers["X-Amz-Date"]
        sent = time.mktime(time.strptime(stamp, "%Y%m%dT%H%M%SZ")) - time.timezone
        if abs(sent - time.time() - ahead) < 900:
            return False
        handler.date_time_string = lambda *_: email.utils.formatdate(time.time() + ahead, usegmt=True)
        handler.error(403, "RequestTimeTooSkewed")
        return True

    bucket = Bucket(objects, fault)
    rows, counters = fetch(bucket, listed(objects))
    same(rows, objects)
    assert abs(counters[-1] - ahead) <= 2, counters


try:
    for name, case in [(n, c) for n, c in globals().items() if n.startswith("case_")]:
        case()
        print("ok", name[5:].replace("_", " "))
except AssertionError:
    print(f"SEED={SEED}", file=sys.stderr)
    raise
