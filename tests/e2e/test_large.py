#!/usr/bin/env python3
"""test_large.py PENSTOCK CASE - a generated organisation of 20 accounts, 4 regions and 30 days, from a bucket.

In CI small; by hand with LARGE=400MiB (about 20,000 objects) or more, and SHAPE=organisation for objects of
all sizes.  Prints its figures."""
import gzip
import http.server
import json
import os
import random
import statistics
import subprocess
import threading
import time
import urllib.parse

import kit
from kit import BINARY, IS_SANITIZED, WORK, documents, event, main, replay, run, signals_of
from parts import FarNginx, Versitygw
from parts_opensearch import OpenSearch
from test_s3 import BUCKET, ENV, from_bucket

SIZE, SHAPE = os.environ.get("LARGE", "5MiB"), os.environ.get("SHAPE", "tiny")
kit.TIME_MAX_S = 600 if "LARGE" not in os.environ else 7200
SAMPLES = 500
NULL = ("--sink", "null")
LAST = "<IsTruncated>false</IsTruncated>"


def organisation(gateway):
    """In the folder of the bucket: the server serves the files as they are."""
    folder = gateway.data / BUCKET
    made = run("bench", "generate", "--out", folder, "--shape", SHAPE, "--bytes", SIZE, "--accounts", 20, "--regions",
               4, "--days", 30)
    (folder / "expected.json").rename(WORK / "expected.json")
    print(made.stdout.decode().strip(), flush=True)
    return folder


def case_large_cluster():
    """Into a real cluster: as many documents as records, samples as the files sink's, signals as the folder's."""
    with Versitygw(WORK) as gateway:
        folder = organisation(gateway)
        plain = replay(folder, WORK / "files")
        lines = documents(WORK / "files")
        want = {(d["_index"], d["_id"]): d["_source"] for d in lines}
        assert len(want) == len(lines) == plain["records"]["delivered"], (len(want), len(lines))
        with OpenSearch(WORK) as cluster:
            sink = f"opensearch:{cluster.endpoint}"
            run("sink", "setup", sink)
            got = from_bucket(gateway.endpoint, WORK / "out", "--sink", sink)
            wall = got["seconds"]["wall"]
            print(f"into OpenSearch: {got['objects']['read']} objects, {got['records']['delivered']} documents, "
                  f"{wall:.1f} s, {got['records']['delivered'] / wall:.0f} documents/s, bound by {got['bound_by']}, "
                  f"{got['seconds']}, {got['rss_bytes_max'] >> 20} MiB", flush=True)
            assert got["records"] == plain["records"] and not got["gaps"], (got["records"], plain["records"])
            assert got["sink"]["exactly_once"] is True and got["bound_by"] == "sink", (got["sink"], got["seconds"])
            cluster.call("POST", "/log-*/_refresh")
            assert cluster.call("GET", "/log-*/_count")["count"] == plain["records"]["delivered"]
            sample = random.Random(1).sample(sorted(want), min(SAMPLES, len(want)))
            found = cluster.call("POST", "/_mget", {"docs": [{"_index": i, "_id": n} for i, n in sample]})["docs"]
            for key, doc in zip(sample, found):
                assert doc["_source"].pop("@log_s3bucket") == BUCKET and doc["_source"] == want[key], (key, doc)
            assert signals_of(WORK / "out") == signals_of(WORK / "files")
            signals = cluster.documents("penstock-signals-*")
            listed = run("signals", "list", "--out", WORK / "files", "--json").stdout.splitlines()
            assert {key[1] for key in signals} == {json.loads(line)["id"] for line in listed} and signals, len(signals)


def case_large_null():
    """Into the null sink: what the way from a bucket costs beside the folder's, measured in turn."""
    rounds = 5 if "LARGE" in os.environ else 1
    cpu = {"folder": [], "bucket": []}
    with Versitygw(WORK) as gateway:
        folder = organisation(gateway)
        replay(folder, WORK / "warm", *NULL)
        for number in range(rounds):
            one = replay(folder, WORK / f"folder{number}", *NULL)
            other = from_bucket(gateway.endpoint, WORK / f"bucket{number}", *NULL)
            assert one["records"] == other["records"], (one["records"], other["records"])
            for name, got in (("folder", one), ("bucket", other)):
                cpu[name].append(got["seconds"]["cpu"])
            print({name: got["seconds"] for name, got in (("folder", one), ("bucket", other))}, other["bound_by"])
        objects = one["objects"]["read"]
    folder_s, bucket_s = (statistics.median(cpu[name]) for name in ("folder", "bucket"))
    print(f"CPU: folder {folder_s:.2f} s, bucket {bucket_s:.2f} s, ratio {bucket_s / folder_s:.2f}, "
          f"{(bucket_s - folder_s) / objects * 1e6:.0f} us more an object, of {objects} objects", flush=True)


class Made(http.server.BaseHTTPRequestHandler):
    """The listing of an organisation trail of any size, made page by page: 20 accounts, 4 regions, 30 days."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    regions = ("ap-south-1", "eu-west-1", "us-east-1", "us-west-2")
    per_day = 0  # objects
    pages = 0
    lock = threading.Lock()

    def log_message(self, *_):
        pass

    def do_GET(self):
        query = dict(urllib.parse.parse_qsl(self.path.partition("?")[2]))
        prefix = query.get("prefix", "")
        parts = prefix.split("/")[:-1]
        below = self.below(parts)
        body = self.day(prefix, query.get("continuation-token", "")) if below is None else LAST + "".join(
            f"<CommonPrefixes><Prefix>{prefix}{name}/</Prefix></CommonPrefixes>" for name in below)
        text = f"<ListBucketResult>{body}</ListBucketResult>".encode()
        with self.lock:
            Made.pages += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def below(self, parts):
        """Names of the folders below; None: objects."""
        levels = (["AWSLogs"], ["o-exampleorg1"], [f"{n:012}" for n in range(100, 120)], ["CloudTrail"], self.regions,
                  ["2025"], ["03"], [f"{n:02}" for n in range(1, 31)])
        return levels[len(parts)] if len(parts) < len(levels) else None

    def day(self, prefix, token):
        first = int(token or 0)
        last = min(first + 1000, self.per_day)
        more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>"
        return (more if last < self.per_day else LAST) + "".join(
            f"<Contents><Key>{prefix}123456789012_CloudTrail_{n:08}_aBcDeFgHiJkLmNoP.json.gz</Key><LastModified>"
            "2025-04-01T00:00:00.000Z</LastModified><ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag><Size>4096"
            "</Size><StorageClass>STANDARD</StorageClass></Contents>" for n in range(first, last))


def planned(keys, endpoint):
    """A plan of so many keys: its summary, seconds, bytes of memory."""
    Made.per_day, Made.pages = keys // 2400, 0
    began = time.monotonic()
    child = subprocess.Popen([BINARY, "replay", "--plan", "--json", f"s3://{BUCKET}", "--endpoint-url", endpoint,
                              "--s3-path-style", "--out", str(WORK / "plan")], env=ENV, stdout=subprocess.PIPE)
    text = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    assert status == 0, status
    got = json.loads(text)
    assert got["objects"]["listed"] == Made.per_day * 2400, got["objects"]
    return got, time.monotonic() - began, usage.ru_maxrss << 10


def case_large_listing():
    """Any number of keys is planned in the same memory; by hand KEYS=1000000 or more."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Made)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        few, many = 24000, int(os.environ.get("KEYS", "240000"))
        _, _, small = planned(few, endpoint)
        got, seconds, large = planned(many, endpoint)
    finally:
        server.shutdown()
        server.server_close()
    print(f"{got['objects']['listed']} keys in {Made.pages} pages: {seconds:.1f} s, the memory of {few} keys "
          f"{small >> 20} MiB, of all {large >> 20} MiB", flush=True)
    assert got["requests"]["list"] == Made.pages, (got["requests"], Made.pages)
    assert IS_SANITIZED or large < small + (8 << 20), (small, large)


def far_bucket(server):
    """Small objects, a record each, and the pages of their listing; how many."""
    count, entries = int(os.environ.get("OBJECTS", "1000")), []
    for number in range(count):
        name = f"AWSLogs/123456789012/CloudTrail/eu-west-1/2025/03/04/{number:05}.json.gz"
        body = gzip.compress(json.dumps({"Records": [event(number, requestParameters={
            "key": random.Random(number).randbytes(2000).hex()})]}).encode(), mtime=0)
        path = server.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        stat = path.stat()
        entries.append(f"<Contents><Key>{name}</Key><LastModified>2025-03-04T06:00:00.000Z</LastModified><ETag>"
                       f"&quot;{int(stat.st_mtime):x}-{stat.st_size:x}&quot;</ETag><Size>{len(body)}</Size>"
                       "<StorageClass>STANDARD</StorageClass></Contents>")
    (server.data / ".list").mkdir()
    for page in range(0, count, 1000):
        end = LAST if page + 1000 >= count else (
            f"<IsTruncated>true</IsTruncated><NextContinuationToken>{page // 1000 + 1}</NextContinuationToken>")
        (server.data / ".list" / f"{page // 1000}.xml").write_text(
            f"<ListBucketResult>{end}{''.join(entries[page:page + 1000])}</ListBucketResult>")
    return count


def case_large_far():
    """Every answer comes after 100 ms: enough requests are in flight that objects are not waited for one by one."""
    with FarNginx(WORK, 0.1) as server:
        count = far_bucket(server)
        day = f"s3://{BUCKET}/AWSLogs/123456789012/CloudTrail/eu-west-1/2025/03/04/"
        got = from_bucket(server.endpoint, WORK / "out", *NULL, "--set", "fetch.requests_max=512", "--set",
                          "fetch.objects=1024", source=day)
        assert got["objects"]["read"] == got["records"]["delivered"] == count, got
        print(f"replay: {count} objects, {count / got['seconds']['wall']:.0f} a second, bound by {got['bound_by']}, "
              f"{got['seconds']}", flush=True)
        rows = [json.loads(line) for line in run(
            "bench", "s3", day, "--endpoint-url", server.endpoint, "--s3-path-style", "--json", "--seconds",
            os.environ.get("SECONDS_A_ROW", "1"), "--concurrency", "64,1024", env=ENV).stdout.splitlines()]
        print(json.dumps(rows), flush=True)


if __name__ == "__main__":
    main(globals())
