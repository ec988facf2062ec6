#!/usr/bin/env python3
"""test_sink_speed.py PENSTOCK CASE - how fast a cluster takes documents: told, and nothing is left behind."""
import json
import os
import signal
import subprocess
import time

from bulk_server import Cluster, basic, error, tls_server, whole
from kit import BINARY, WORK, main, run
from parts_opensearch import OpenSearch
from test_opensearch import certificates

SHORT = ("--seconds", "1", "--bodies", "64KiB,1MiB", "--concurrency", "1,4")


def measured(*args, **options):
    done = run("bench", "sink", *args, "--json", **options)
    result = json.loads(done.stdout)
    result["words"] = done.stderr.decode()
    return result


class Seen:
    """What requests a cluster sees: how many at once, how large, into which indices."""

    def __init__(self):
        self.sizes, self.indices, self.ids, self.actions = [], set(), 0, set()

    def __call__(self, request):
        self.sizes.append(len(request.body))
        self.ids += len(request.docs)
        for action, metadata, _ in request.docs:
            self.indices.add(metadata["_index"])
            self.actions.add(action)


def case_sink_speed_rows():
    """A row for each size and number; documents are new ones of CloudTrail; the index is its own and is deleted."""
    seen = Seen()
    with Cluster(before=seen) as cluster:
        kept = {("log-aws-cloudtrail-2025-03", "mine"): {}}
        cluster.docs.update(kept)
        got = measured(*SHORT, cluster.url)
        rows = got["rows"]
        assert [(row["body_bytes"], row["concurrency"]) for row in rows] == [
            (65536, 1), (65536, 4), (1 << 20, 1), (1 << 20, 4)], rows
        assert seen.indices == {got["index"]} and seen.actions == {"create"}, seen.indices
        assert got["index"].startswith("penstock-bench-") and len(got["index"]) > 24, got["index"]
        all_rows = [got["warm_up"], *rows]
        assert sum(row["documents"] for row in all_rows) == seen.ids, (rows, seen.ids)
        assert sum(row["requests"] for row in all_rows) == cluster.requests and not cluster.errors, cluster.errors[:3]
        for row in rows:
            assert row["repeats"] == 0 and row["refused"] == 0 and row["wall_s"] >= 1, row
            assert abs(row["documents_s"] - row["documents"] / row["wall_s"]) < row["documents_s"] / 500, row
            assert 0 < row["answer_ms"] < 1000 * row["wall_s"] and row["cpu_s"] > 0, row
            assert row["shipped_bytes"] < row["plain_bytes"] / 3, row  # gzip
        assert 900_000 < max(seen.sizes) < 1_100_000, max(seen.sizes)
        assert got["deleted"] and set(cluster.deleted) == {got["index"]} and cluster.docs == kept, cluster.deleted
        assert not cluster.indices and f"index {got['index']} is deleted" in got["words"], got["words"]
        table = run("bench", "sink", "--seconds", "1", "--bodies", "256KiB", "--concurrency", "2", "--no-gzip",
                    cluster.sink).stdout.decode()
        assert table.splitlines()[2].split()[:2] == ["256", "2"] and "documents/s with" in table, table


def case_sink_speed_index():
    """The index has the settings and mappings of the templates; without templates nothing is made."""
    made = {}
    with Cluster() as cluster:
        measured("--seconds", "1", "--bodies", "64KiB", "--concurrency", "1", cluster.url)
        assert not cluster.indices
        cluster.indices = made  # the next one is looked at when it is made
        cluster.item = lambda index, *_: made.setdefault("seen", dict(made[index])) and None
        measured("--seconds", "1", "--bodies", "64KiB", "--concurrency", "1", cluster.url)
        assert made["seen"] == {"mappings": {"properties": {"@timestamp": {"type": "date"}}}}, made
    with Cluster(templates=False) as cluster:
        refused = run("bench", "sink", cluster.url, code=3).stderr.decode()
        assert f"penstock sink setup opensearch:{cluster.url}" in refused, refused
        assert not cluster.indices and not cluster.docs and not cluster.deleted, cluster.indices


def case_sink_speed_trouble():
    """Refused documents, a busy cluster, one that goes away: told, and the index is deleted where it can be."""
    refusal = (400, error("mapper_parsing_exception", "failed to parse \x1b[31m"))
    one = ("--seconds", "1", "--bodies", "64KiB", "--concurrency", "4")
    with Cluster(item=lambda _, name, __: refusal if name < "1" else None) as cluster:
        got = measured(*one, cluster.url, code=7)
        row = got["rows"][0]
        assert 0 < row["refused"] < row["documents"] / 8, row
        assert "mapper_parsing_exception" in got["words"] and "\x1b" not in got["words"], got["words"]
        assert got["deleted"] and not cluster.docs, got
    with Cluster(before=lambda request: whole(429, "circuit_breaking_exception") if request.number % 5 == 4 else None
                 ) as cluster:
        row = measured(*one, cluster.url)["rows"][0]
        assert 0 < row["repeats"] < row["requests"] and row["refused"] == 0 and not cluster.docs, row
    with Cluster(authorization=basic("ali", "x")) as cluster:
        assert b"401" in run("bench", "sink", cluster.url, code=1).stderr
    for args in (("--bodies", "1KiB"), ("--bodies", "1MiB,"), ("--concurrency", "65"), ("--concurrency", "0"),
                 ("--seconds", "0"), ("null",), ("http://x", "http://y")):
        run("bench", "sink", *args, *(() if len(args) == 2 and args[0][0] != "-" else (cluster.url,)), code=2)
    run("bench", "sink", code=2)


def case_sink_speed_stopped():
    """Ctrl-C in the middle of a row: what is under way is waited for, the index is deleted, exit 6."""
    with Cluster(before=lambda _: ("stall", 0.3)) as cluster:
        child = subprocess.Popen([BINARY, "bench", "sink", "--seconds", "60", "--json", cluster.url],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        began = time.monotonic()
        while not cluster.docs:
            assert time.monotonic() - began < 60 and child.poll() is None, child.communicate()
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        said, words = child.communicate(timeout=40)
        assert child.returncode == 6, (child.returncode, words)
        got = json.loads(said)
        assert got["status"] == "stopped" and got["rows"] == [] and got["deleted"], got
        time.sleep(0.5)
        assert not cluster.docs and not cluster.indices and got["index"] in cluster.deleted, cluster.deleted


def case_sink_speed_auth():
    """Who asks and what is trusted are those of the config file and --ca, as of replay."""
    certificates()
    one = ("--seconds", "1", "--bodies", "64KiB", "--concurrency", "1")
    env = {**os.environ, "OS_PASSWORD": "open sesame"}
    tls = tls_server(WORK / "server.pem", WORK / "server.key", WORK / "ca.pem")
    with Cluster(authorization=basic("ali", "open sesame"), tls=tls) as cluster:
        (WORK / "c.yaml").write_text(f"sinks:\n  - opensearch: {cluster.url}\n    user: ali\n"
                                     "    password: ${OS_PASSWORD}\n    ca: ca.pem\n    client_cert: client.pem\n"
                                     "    client_key: client.key\n")
        for url in ("opensearch:", cluster.url, cluster.sink):
            got = measured(*one, "--config", WORK / "c.yaml", url, env=env)
            assert got["rows"][0]["documents"] > 0 and got["deleted"] and not cluster.docs, got
        run("bench", "sink", "--ca", WORK / "ca.pem", cluster.url, code=1)
    with Cluster(tls=tls_server(WORK / "server.pem", WORK / "server.key")) as cluster:
        assert measured(*one, "--ca", WORK / "ca.pem", cluster.url)["rows"][0]["documents"] > 0
        assert b"certificate" in run("bench", "sink", cluster.url, code=1).stderr


def case_sink_speed_real():
    """A real cluster: documents with the types of the templates, none refused; no index is left."""
    with OpenSearch(WORK) as cluster:
        run("sink", "setup", f"opensearch:{cluster.endpoint}")
        got = measured("--seconds", "3", "--bodies", "256KiB,1MiB", "--concurrency", "1,4", cluster.endpoint)
        assert len(got["rows"]) == 4 and all(row["documents"] > 0 and not row["refused"] for row in got["rows"]), got
        left = cluster.call("GET", "/_cat/indices/penstock-bench-*?format=json")
        assert left == [] and got["deleted"], left
        print([(row["body_bytes"], row["concurrency"], row["documents_s"]) for row in got["rows"]])


if __name__ == "__main__":
    main(globals())
