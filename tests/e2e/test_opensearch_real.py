#!/usr/bin/env python3
"""test_opensearch_real.py PENSTOCK CASE - documents and signals in a real cluster, through what happens to one."""
import json
import signal
import subprocess
import threading
import time

from kit import BINARY, FIXED, WORK, adds_up, documents, generate, main, replay, run
from parts_opensearch import Elasticsearch, Elasticsearch8, OpenSearch, OpenSearch1, OpenSearch3

FULL_MAX_S = 300  # the cluster looks at its disk every ten seconds
SMALL = ("--set", "ship.body_bytes_max=128KiB", "--set", "commit.interval=200ms")


def expected(folder, out="files"):
    summary = replay(folder, WORK / out)
    return {(d["_index"], d["_id"]): d["_source"] for d in documents(WORK / out)}, summary


def same(cluster, want):
    got = cluster.documents("log-*")
    assert got.keys() == want.keys(), (len(got), len(want), list(got.keys() ^ want.keys())[:3])
    wrong = [key for key in want if got[key] != want[key]]
    assert not wrong, (len(wrong), want[wrong[0]], got[wrong[0]])


def started(folder, out, sink, *args):
    return subprocess.Popen([BINARY, *map(str, ["replay", folder, "--out", out, "--sink", sink, "--json", "--no-progress",
                                                *FIXED, *SMALL, *args])], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(child):
    said, words = child.communicate(timeout=300)
    assert child.returncode == 0, (child.returncode, said, words)
    summary = json.loads(said.splitlines()[-1])
    adds_up(summary)
    return summary, words.decode()


def case_opensearch_server():
    """Templates, documents, signals, types; a second run; a block, a kill and a restart of the cluster, a full disk,
    kills of ours."""
    folder = generate(size="6MiB")
    want, plain = expected(folder)
    with OpenSearch(WORK) as cluster:
        sink = f"opensearch:{cluster.endpoint}"
        refused = run("replay", folder, "--out", WORK / "no", "--sink", sink, code=3).stderr
        assert b"penstock sink setup" in refused, refused
        run("sink", "setup", sink)
        run("sink", "setup", sink)
        got = replay(folder, WORK / "out", "--sink", sink)
        assert got["records"] == plain["records"] and not got["gaps"], got
        same(cluster, want)
        index = next(iter(want))[0]
        properties = cluster.call("GET", f"/{index}/_mapping")[index]["mappings"]["properties"]
        assert properties["@timestamp"]["type"] == "date", properties["@timestamp"]
        assert properties["source"]["properties"]["ip"]["type"] == "ip", properties["source"]
        assert properties["eventName"]["type"] == "keyword", properties["eventName"]
        signals = cluster.documents("penstock-signals-*")
        listed = run("signals", "list", "--out", WORK / "out", "--json").stdout.splitlines()
        assert {key[1] for key in signals} == {json.loads(line)["id"] for line in listed} and signals, len(signals)
        again = replay(folder, WORK / "again", "--sink", sink)
        assert again["records"]["duplicate"] == plain["records"]["delivered"], again["records"]

        cluster.call("DELETE", "/log-*,penstock-signals-*")
        block(cluster, folder, sink, index)
        same(cluster, want)
        cluster.call("DELETE", "/log-*,penstock-signals-*")
        cluster_killed(cluster, folder, sink, plain)
        same(cluster, want)
        cluster.call("DELETE", "/log-*,penstock-signals-*")
        restarted(cluster, folder, sink, plain)
        same(cluster, want)
        cluster.call("DELETE", "/log-*,penstock-signals-*")
        filled(cluster, folder, sink, plain)
        same(cluster, want)
        cluster.call("DELETE", "/log-*,penstock-signals-*")
        ours_killed(folder, sink, plain)
        same(cluster, want)


def case_opensearch_elasticsearch():
    other(Elasticsearch)


def case_opensearch_elasticsearch8():
    other(Elasticsearch8)


def case_opensearch_one():
    other(OpenSearch1)


def case_opensearch_three():
    other(OpenSearch3)


def other(server):
    """Templates, documents, signals; a second run adds nothing; a block is waited for."""
    folder = generate(size="3MiB")
    want, plain = expected(folder)
    with server(WORK) as cluster:
        sink = f"opensearch:{cluster.endpoint}"
        run("sink", "setup", sink)
        got = replay(folder, WORK / "out", "--sink", sink)
        assert got["records"] == plain["records"] and not got["gaps"], got
        same(cluster, want)
        listed = run("signals", "list", "--out", WORK / "out", "--json").stdout.splitlines()
        signals = cluster.documents("penstock-signals-*")
        assert {key[1] for key in signals} == {json.loads(line)["id"] for line in listed} and signals, len(signals)
        again = replay(folder, WORK / "again", "--sink", sink)
        assert again["records"]["duplicate"] == plain["records"]["delivered"], again["records"]
        cluster.call("DELETE", "/log-*,penstock-signals-*")
        block(cluster, folder, sink, next(iter(want))[0])
        same(cluster, want)


def block(cluster, folder, sink, index):
    """An index that is blocked before the first document comes."""
    cluster.call("PUT", f"/{index}", {"settings": {"index.blocks.write": True}})
    child = started(folder, WORK / "block", sink)
    timer = threading.Timer(6, lambda: cluster.call("PUT", f"/{index}/_settings", {"index.blocks.write": None}))
    timer.start()
    summary, words = ended(child)
    timer.join()
    assert "the sink waits" in words and "FORBIDDEN/8/index write" in words and "again" in words, words
    assert not summary["gaps"], summary


def has_documents(cluster):
    """False also while the shards of a new index start: the cluster then answers 503 without a count."""
    cluster.call("POST", "/_refresh")
    return cluster.call("GET", "/log-*/_count").get("count", 0) > 0


def cluster_killed(cluster, folder, sink, plain):
    """kill -9 of the cluster in mid-run, and its start."""
    child = started(folder, WORK / "gone", sink, "--set", "sink.max_mb_s=3")
    while not has_documents(cluster):
        assert child.poll() is None, child.communicate()
        time.sleep(0.1)
    cluster.kill()
    assert child.poll() is None, "the run was over before the cluster was killed"
    time.sleep(3)
    cluster.again()
    summary, words = ended(child)
    assert summary["records"] == plain["records"], summary["records"]
    assert "the sink waits: no answer" in words, words


def restarted(cluster, folder, sink, plain):
    """The cluster is stopped in good order in mid-run, and started again."""
    child = started(folder, WORK / "restarted", sink, "--set", "sink.max_mb_s=3")
    while not has_documents(cluster):
        assert child.poll() is None, child.communicate()
        time.sleep(0.1)
    cluster.stop()
    assert child.poll() is None, "the run was over before the cluster was stopped"
    cluster.again()
    summary, words = ended(child)
    assert summary["records"] == plain["records"], summary["records"]
    assert "the sink waits: " in words, words


def watermarks(cluster, free):
    """How much of its disk must be free: with more than there is, it is full."""
    level = {f"cluster.routing.allocation.disk.watermark.{name}": free for name in ("low", "high", "flood_stage")}
    answer = cluster.call("PUT", "/_cluster/settings", {"transient": {
        "cluster.info.update.interval": "10s", "cluster.routing.allocation.disk.threshold_enabled": True, **level}})
    assert answer.get("acknowledged"), answer


def filled(cluster, folder, sink, plain):
    """The cluster's disk fills up in mid-run, and is freed when the sink has waited for it."""
    child = started(folder, WORK / "filled", sink, "--set", "sink.max_mb_s=1")
    words = []

    def read():
        for line in child.stderr:
            words.append(line.decode())

    reader = threading.Thread(target=read)
    while not has_documents(cluster):
        assert child.poll() is None, child.communicate()
        time.sleep(0.1)
    deadline = time.monotonic() + FULL_MAX_S
    child.send_signal(signal.SIGSTOP)  # the rest comes when the disk is full
    watermarks(cluster, "900tb")
    while "read_only_allow_delete" not in json.dumps(cluster.call("GET", "/log-*/_settings")):
        assert time.monotonic() < deadline, cluster.call("GET", "/log-*/_settings")
        time.sleep(0.2)
    child.send_signal(signal.SIGCONT)
    reader.start()
    while not any("the sink waits" in line for line in words):
        assert child.poll() is None and time.monotonic() < deadline, (child.poll(), words)
        time.sleep(0.1)
    watermarks(cluster, "1kb")
    said = child.stdout.read()
    assert child.wait(FULL_MAX_S) == 0, (said, words)
    reader.join()
    assert "disk usage exceeded flood-stage watermark" in "".join(words), words
    summary = json.loads(said.splitlines()[-1])
    adds_up(summary)
    assert summary["records"] == plain["records"] and not summary["gaps"], summary
    plan = json.loads(run("check", "--json").stdout)["memory"]
    assert summary["rss_bytes_max"] <= plan["total_bytes"], (summary["rss_bytes_max"], plan)


def ours_killed(folder, sink, plain):
    """kill -9 of penstock, several times."""
    for _ in range(4):
        child = started(folder, WORK / "killed", sink, "--set", "sink.max_mb_s=4")
        time.sleep(1.2)
        child.kill()
        child.communicate()
    summary, _ = ended(started(folder, WORK / "killed", sink))
    assert summary["records"] == plain["records"], summary["records"]


main(globals())
