#!/usr/bin/env python3
"""test_parts.py PENSTOCK CASE - the servers and the harm that other tests rely on are what they say."""
import gzip
import http.client
import json
import os
import random
import socket
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fault_proxy import BULK_FAULTS, FAULTS
from kit import WORK, main
from parts import FaultProxy, Moto, Nginx, Part, Skip, Versitygw, boto3, client, status_of

BUCKET, KEY = "test-bucket", "AWSLogs/a b+c%é.json.gz"
BODY = random.Random(7).randbytes(200_000)


def put_and_get(s3):
    """An object goes in and comes out, whole and in part, and is listed."""
    s3.create_bucket(Bucket=BUCKET)
    etag = s3.put_object(Bucket=BUCKET, Key=KEY, Body=BODY)["ETag"]
    got = s3.get_object(Bucket=BUCKET, Key=KEY, IfMatch=etag)
    assert got["Body"].read() == BODY
    part = s3.get_object(Bucket=BUCKET, Key=KEY, Range="bytes=1000-1999")
    assert part["Body"].read() == BODY[1000:2000]
    assert part["ContentRange"] == f"bytes 1000-1999/{len(BODY)}", part["ContentRange"]
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="AWSLogs/")["Contents"]
    assert [(o["Key"], o["Size"], o["ETag"]) for o in listed] == [(KEY, len(BODY), etag)], listed


def refused(s3, code):
    boto3()
    from botocore.exceptions import ClientError
    try:
        s3.list_objects_v2(Bucket=BUCKET)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e.response
        return
    raise AssertionError(f"no {code}")


def is_gone(server):
    """Neither the process nor its port is there after the stop."""
    port, process = server.port, server.process
    server.stop()
    assert process.poll() is not None
    assert status_of(port) is None
    server.stop()  # a second time does nothing


def case_parts_moto():
    with Moto(WORK) as moto, Moto(WORK) as other:
        assert moto.port != other.port and moto.folder != other.folder
        put_and_get(moto.s3())
        assert other.s3().list_buckets()["Buckets"] == []
        is_gone(moto)


def case_parts_signatures():
    with Moto(WORK, checks_signatures=True) as moto:
        put_and_get(moto.s3())
        refused(client(moto.endpoint, access_key=moto.access_key, secret_key="wrong"), "SignatureDoesNotMatch")
        refused(client(moto.endpoint), "InvalidAccessKeyId")


def case_parts_versitygw():
    with Versitygw(WORK) as server:
        put_and_get(server.s3())
        refused(client(server.endpoint, secret_key="wrong"), "SignatureDoesNotMatch")
        is_gone(server)


def case_parts_radosgw():
    from parts_radosgw import Radosgw
    with Radosgw(WORK) as server:
        put_and_get(server.s3())
        refused(client(server.endpoint, secret_key="wrong"), "SignatureDoesNotMatch")
        is_gone(server)


def case_parts_tls():
    """The front speaks the version that was asked for, to who trusts its CA, and signatures pass."""
    with Moto(WORK, checks_signatures=True) as moto:
        for protocol in ("TLSv1.2", "TLSv1.3"):
            with Nginx(WORK, moto.port, protocol, names=["bucket"]) as front:
                context = ssl.create_default_context(cafile=front.ca_file)
                with context.wrap_socket(socket.create_connection(("127.0.0.1", front.port)),
                                         server_hostname="bucket.localhost") as s:
                    assert s.version() == protocol, s.version()
                try:
                    ssl.create_default_context().wrap_socket(
                        socket.create_connection(("127.0.0.1", front.port)), server_hostname="localhost")
                    raise AssertionError("trusted without its CA")
                except ssl.SSLCertVerificationError:
                    pass
                os.environ["AWS_CA_BUNDLE"] = str(front.ca_file)
                s3 = client(front.endpoint, access_key=moto.access_key, secret_key=moto.secret_key)
                if protocol == "TLSv1.2":
                    put_and_get(s3)
                assert s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read() == BODY
                is_gone(front)


def case_parts_not_starting():
    """A server that ends at once is told with what it said."""
    class Broken(Part):
        name = "broken"

        def command(self):
            return [sys.executable, "-c", "raise SystemExit('no such luck')"]
    try:
        with Broken(WORK):
            raise AssertionError("it started")
    except AssertionError as e:
        assert "no such luck" in str(e), e


class Plain(BaseHTTPRequestHandler):
    """A server of which every byte is known: 100 kB to a GET of /a, chunks to /chunks, writes counted."""

    protocol_version = "HTTP/1.1"
    body = BODY[:100_000]
    written = []

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_response(200)
        if self.path.startswith("/chunks"):
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for at in range(0, len(self.body), 30_000):
                piece = self.body[at:at + 30_000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(self.body)

    do_HEAD = do_GET

    def do_POST(self):
        """As _bulk: every operation is a create and is done."""
        self.written.append(self.rfile.read(int(self.headers["Content-Length"])))
        done = [{"create": {"_id": line["create"]["_id"], "status": 201}}
                for line in map(json.loads, self.written[-1].splitlines()) if "create" in line]
        answer = json.dumps({"took": 1, "errors": False, "items": done}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


class PlainServer:
    def __enter__(self):
        Plain.written = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Plain)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Answer:
    """What a client saw that sent one request: head, body, how the connection ended, and when bytes came."""

    def __init__(self, port, method="GET", target="/a", body=b"", timeout=10.0, linger=10.0):
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n" if body else "\r\n"
        raw, self.end, self.first_s = b"", "open", None
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), timeout) as s:
            s.sendall(head.encode() + body)
            while self.end == "open" and not self._is_whole(raw, method):
                s.settimeout(max(began + timeout - time.monotonic(), 0.001))
                try:
                    piece = s.recv(65536)
                except ConnectionResetError:
                    self.end = "reset"
                    break
                except TimeoutError:
                    self.end = "timeout"
                    break
                self.first_s = self.first_s or time.monotonic() - began
                raw += piece
                self.end = "open" if piece else "closed"
            if self.end == "open":  # whole: does the connection live on?
                s.settimeout(linger)
                try:
                    self.end = "closed" if s.recv(1) == b"" else "more"
                except ConnectionResetError:
                    self.end = "reset"
                except (TimeoutError, BlockingIOError):
                    pass
        self.seconds = time.monotonic() - began
        self.raw = raw
        self.head, self.blank, self.body = raw.partition(b"\r\n\r\n")
        words = self.head.split(b" ")
        self.status = int(words[1]) if self.head.startswith(b"HTTP/1.1 ") else None

    @staticmethod
    def _is_whole(raw, method):
        head, blank, body = raw.partition(b"\r\n\r\n")
        if not blank or not head.startswith(b"HTTP/1.1 "):
            return False
        if b"chunked" in head.lower():
            return body.endswith(b"\r\n0\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return method == "HEAD" or len(body) >= length


def whole(a):
    return a.status == 200 and a.body == Plain.body


def cut(a):
    return a.status == 200 and 0 < len(a.body) < len(Plain.body) and Plain.body.startswith(a.body)


# What the client of a fault must have seen.
SEEN = {
    "delay": lambda a: whole(a) and a.first_s >= 0.5,
    "reset_before": lambda a: a.raw == b"" and a.end == "reset",
    "reset_in_head": lambda a: a.raw and not a.blank and a.end == "reset",
    "reset_after_head": lambda a: a.status == 200 and a.blank and a.body == b"" and a.end == "reset",
    "reset_in_body": lambda a: cut(a) and a.end == "reset",
    "reset_after_body": lambda a: whole(a) and a.end == "reset",
    "truncate": lambda a: cut(a) and a.end == "closed",
    "garbage": lambda a: a.status is None and a.raw and a.end == "closed",
    "corrupt": lambda a: a.status == 200 and sum(x != y for x, y in zip(a.body, Plain.body)) == 1,
    "slow_down": lambda a: a.status == 503 and b"<Code>SlowDown</Code>" in a.body and a.end == "closed",
    "error_500": lambda a: a.status == 500 and b"<Code>InternalError</Code>" in a.body,
    "drip": lambda a: a.status == 200 and a.end == "timeout" and 0 < len(a.raw) < 4000,
    "bulk_429": lambda a: a.status == 429 and json.loads(a.body)["status"] == 429,
    "bulk_502": lambda a: a.status == 502 and a.body.startswith(b"<html>"),
    "bulk_partial": lambda a: [item["create"]["status"] for item in json.loads(a.body)["items"]] == [429],
    "bulk_lost": lambda a: a.raw == b"" and a.end == "closed" and a.seconds >= 0.5,
}
NOT_FORWARDED = {"reset_before", "garbage", "slow_down", "error_500", "bulk_429", "bulk_502", "bulk_partial"}


def case_parts_faults():
    """Each fault once, by plan: the client sees it, the log tells it, the next request is served."""
    with PlainServer() as server, FaultProxy(WORK, server.port, plan=FAULTS, drip_rate=1000) as proxy:
        for i, fault in enumerate(FAULTS):
            answer = Answer(proxy.port, timeout=3.0 if fault == "drip" else 10.0,
                            linger=0 if fault in ("delay", "corrupt") else 10.0)
            assert SEEN[fault](answer), (fault, answer.end, answer.raw[:200])
            entry = proxy.wait_requests(i + 1)[i]
            assert (entry["fault"], entry["attempt"], entry["target"]) == (fault, i, "/a"), entry
            assert entry["forwarded"] == (fault not in NOT_FORWARDED), entry
        answer = Answer(proxy.port, linger=0.3)
        assert whole(answer) and answer.end == "open", answer.end
        assert proxy.wait_requests(len(FAULTS) + 1)[-1]["fault"] is None


def case_parts_bulk():
    """Faults of _bulk strike nothing else; a write whose answer is lost was done."""
    body = b'{"create":{"_id":"1"}}\n{"a":1}\n'
    plan = [*BULK_FAULTS, "none"]
    with PlainServer() as server, FaultProxy(WORK, server.port, plan=plan, hold=0.5) as proxy:
        assert whole(Answer(proxy.port, linger=0)) and whole(Answer(proxy.port, target="/_bulk", linger=0))
        for i, fault in enumerate(BULK_FAULTS):
            answer = Answer(proxy.port, "POST", "/i/_bulk?a=b", body, linger=0 if fault == "bulk_partial" else 10)
            assert SEEN[fault](answer), (fault, answer.end, answer.raw)
            assert proxy.wait_requests(i + 3)[-1]["fault"] == fault
            assert len(Plain.written) == (1 if fault == "bulk_lost" else 0)
        assert Answer(proxy.port, "POST", "/i/_bulk?a=b", body, linger=0).status == 200
        assert Plain.written == [body, body]


def case_parts_partial():
    """Of a _bulk some operations are rejected: the answer tells which, the server has had the others."""
    lines = [(b'{"create":{"_id":"%d"}}\n' % i, b'{"n":%d}\n' % i) for i in range(50)]
    with PlainServer() as server, FaultProxy(WORK, server.port, plan=["bulk_partial"] * 2) as proxy:
        for pack in (bytes, gzip.compress):
            Plain.written.clear()
            connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
            connection.request("POST", "/i/_bulk", pack(b"".join(a + b for a, b in lines)),
                               {"Content-Encoding": "gzip"} if pack is gzip.compress else {})
            answer = json.loads(connection.getresponse().read())
            connection.close()
            status = {item["create"]["_id"]: item["create"]["status"] for item in answer["items"]}
            assert answer["errors"] and list(status) == [str(i) for i in range(50)], answer
            assert 10 < sum(code == 429 for code in status.values()) < 40, status
            served = b"".join(a + b for i, (a, b) in enumerate(lines) if status[str(i)] == 201)
            assert Plain.written == [served], Plain.written
        assert [e["fault"] for e in proxy.wait_requests(2)] == ["bulk_partial"] * 2


def case_parts_chunks():
    """A body in chunks passes as it is, and is cut as others are."""
    with PlainServer() as server, FaultProxy(WORK, server.port, plan=["none", "truncate", "reset_in_body"]) as proxy:
        raw = Answer(proxy.port, target="/chunks", linger=0).body
        assert raw.startswith(b"7530\r\n" + BODY[:100]) and raw.endswith(b"\r\n0\r\n\r\n")
        for end in ("closed", "reset"):
            answer = Answer(proxy.port, target="/chunks")
            assert answer.end == end and 0 < len(answer.body) < 5, (answer.end, answer.body)
        assert Answer(proxy.port, "HEAD", linger=0).status == 200


def case_parts_tcp():
    """A connection of any protocol passes, or is cut where the log says, by a reset or by an end."""
    plan = ["none", "tcp_reset", "tcp_close"]
    with PlainServer() as server, FaultProxy(WORK, server.port, tcp=True, plan=plan) as proxy:
        answer = Answer(proxy.port, linger=0.3)
        assert whole(answer) and answer.end == "open", answer.end
        for i, end in ((1, "reset"), (2, "closed")):
            answer = Answer(proxy.port)
            entry = proxy.wait_requests(i + 1)[-1]
            assert answer.end == end and len(answer.raw) == entry["at"] == entry["sent"], (answer.end, entry)
            assert 0 < entry["at"] <= 20_000
        assert whole(Answer(proxy.port, linger=0))


def faults_of(seed, server, order, rates):
    """What happens to requests for /0 to /39, three times each, in an order of connections."""
    with FaultProxy(WORK, server.port, seed=seed, rates=rates) as proxy:
        for i in order:
            connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
            try:
                connection.request("GET", f"/{i % 40}")
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                pass
            connection.close()
        seen = proxy.wait_requests(len(order))
        return {(e["target"], e["attempt"]): e["fault"] for e in seen}


def case_parts_seed():
    """The seed and the request decide, not the order; nobody is struck more often than the patience says."""
    rates = {"slow_down": 0.3, "reset_before": 0.2}
    order = [*range(40)] * 3
    with PlainServer() as server:
        first = faults_of(1, server, order, rates)
        random.Random(3).shuffle(order)
        assert faults_of(1, server, order, rates) == first
        assert faults_of(2, server, order, rates) != first
        for name, low, high in (("slow_down", 20, 50), ("reset_before", 10, 40)):
            assert low < sum(fault == name for fault in first.values()) < high, first
        for i in range(40):
            assert sum(first[(f"/{i}", attempt)] is not None for attempt in range(3)) <= 2


def case_parts_retries():
    """boto3 gets an object through every fault that its retries can heal, and puts one."""
    plan = ["none", "slow_down", "none", "reset_before", "none", "error_500", "none", "reset_after_body", "none"]
    with Moto(WORK) as moto, FaultProxy(WORK, moto.port, plan=plan) as proxy:
        put_and_get(client(proxy.endpoint, tries=4))
        faults = [e["fault"] for e in proxy.requests()]
        assert {"slow_down", "reset_before", "error_500"} <= set(faults), faults
        assert moto.s3().get_object(Bucket=BUCKET, Key=KEY)["Body"].read() == BODY


def case_parts_install():
    """Without a network, or without go, a part is skipped and its reason said."""
    import parts_install
    os.environ.update(XDG_CACHE_HOME=str(WORK / "cache"), PIP_INDEX_URL="http://127.0.0.1:1/", PIP_RETRIES="0",
                      PIP_NO_CACHE_DIR="1", PIP_NO_INDEX="0")
    os.environ.pop("PIP_FIND_LINKS", None)
    for make, words in ((parts_install.moto, "moto cannot be installed: "),
                        (parts_install.versitygw, "versitygw is not there")):
        try:
            make()
            raise AssertionError("installed")
        except parts_install.Missing as e:
            assert str(e).startswith(words), e
    assert not [p for p in (WORK / "cache/penstock/parts").iterdir() if p.is_dir()]
    try:
        Versitygw(WORK)
        raise AssertionError("started")
    except Skip as e:
        assert e.code == 77


if __name__ == "__main__":
    main(globals())
