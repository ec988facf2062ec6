#!/usr/bin/env python3
"""test_versions.py PENSTOCK CASE - other versions of OpenSearch and Elasticsearch, and Serverless, as they answer.

The answers are in cluster_replies.json, which says of each product where they are from."""
import json
import os
import pathlib
import time

from bulk_server import Cluster
from kit import WORK, documents, generate, main, replay, run

REPLIES = json.loads(pathlib.Path(__file__).with_name("cluster_replies.json").read_text())
RECORDED = ("opensearch1", "opensearch3", "elasticsearch8")
BODIES = ("--shards", 1, "--set", "ship.body_bytes_max=64KiB")
HELD_S = 1.5


def expected(folder):
    summary = replay(folder, WORK / "files")
    return {(d["_index"], d["_id"]): d["_source"] for d in documents(WORK / "files")}, summary


def reply(said):
    """Status and bytes of an answer to a whole request."""
    return said["status"], (said["body"] if isinstance(said["body"], str) else json.dumps(said["body"])).encode()


def cluster_of(name, **hooks):
    cluster = Cluster(**hooks)
    cluster.version, cluster.created = REPLIES[name]["version"], REPLIES[name]["created"]
    return cluster


def logs(cluster):
    return {key: source for key, source in cluster.docs.items() if not key[0].startswith("penstock-signals")}


def case_versions_replies():
    """What is there is a duplicate, what does not fit a dead letter, a busy cluster and one with a smaller limit get all
    the rest."""
    folder = generate(size="1MiB")
    want, plain = expected(folder)
    there, wrong = sorted(want)[:2]
    for name in RECORDED:
        said = REPLIES[name]
        whole = ["pressure", "large", "pressure"]

        def item(index, identity, _source, said=said):
            return {(there): said["conflict"], (wrong): said["mapping"]}.get((index, identity))

        with cluster_of(name, item=item, before=lambda _, w=whole, s=said: reply(s[w.pop(0)]) if w else None) as cluster:
            got = replay(folder, WORK / name, "--sink", cluster.sink, *BODIES, code=7)
            assert logs(cluster) == {key: source for key, source in want.items() if key not in (there, wrong)}, name
            records = {**plain["records"], "duplicate": 1, "dead": plain["records"]["dead"] + 1,
                       "delivered": plain["records"]["delivered"] - 2}
            assert got["records"] == records and not whole and not cluster.errors, (name, got["records"])
            assert [(gap["cause"], gap["count"]) for gap in got["gaps"]] == [("refused-by-sink", 1)], got["gaps"]
            dead = [json.loads(line) for line in
                    run("dead-letters", "list", "--out", WORK / name, "--json").stdout.splitlines()]
            error = said["mapping"]["error"]
            assert any(error["type"] in json.dumps(row) and "failed to parse field" in json.dumps(row) for row in dead), dead


def case_versions_held():
    """An index or a cluster that takes nothing until somebody acts is waited for, and its own words say why."""
    folder = generate(size="256KiB")
    want, plain = expected(folder)
    for name in RECORDED:
        said = REPLIES[name]
        for kind in ("block", "disk", "closed", "shards", "alias", "unauthorized", "forbidden"):
            until = []

            def lasts(until=until):
                until.append(time.monotonic() + HELD_S)
                return time.monotonic() < until[0]

            is_item = "error" in said[kind]
            hooks = ({"item": lambda *_, s=said[kind], lasts=lasts: s if lasts() else None} if is_item else
                     {"before": lambda _, s=said[kind], lasts=lasts: reply(s) if lasts() else None})
            with cluster_of(name, **hooks) as cluster:
                got = replay(folder, WORK / f"{name}-{kind}", "--sink", cluster.sink, "--shards", 1)
                assert logs(cluster) == want and got["records"] == plain["records"], (name, kind, got["records"])
                reason = said[kind]["error"]["type"] if is_item else str(said[kind]["status"])
                assert "the sink waits: " in got["words"] and reason in got["words"], (name, kind, got["words"])
                assert "takes documents again" in got["words"], (name, kind, got["words"])


def case_versions_setup():
    """Templates are put; one that is refused is told by the cluster's own words."""
    for name in RECORDED:
        said = REPLIES[name]
        with cluster_of(name, templates=False) as cluster:
            run("sink", "setup", cluster.sink)
            assert any(path.startswith("/_index_template/penstock-") for path in cluster.puts), cluster.puts
            root = (200, json.dumps({"version": said["version"]}).encode())
            cluster.spoilt = [root] + [reply(said["template_bad"])] * 20
            words = run("sink", "setup", cluster.sink, code=None)
            assert words.returncode != 0, words
            assert b"400" in words.stderr and b"composable template [rec] template after composition is invalid" in words.stderr, words


class Collection(Cluster):
    """Of Serverless: _bulk, and nothing of what is for clusters."""

    def __init__(self, **hooks):
        super().__init__(**hooks)
        self.asked = []

    def _get(self, handler):
        self.asked.append(f"{handler.command} {handler.path}")
        self._answer(handler, 404, b"")


def case_versions_serverless():
    """A collection for searches takes everything, with _bulk alone; one that takes no ids stops the run before anything
    is written, and so does one that lets nobody in."""
    folder = generate(size="1MiB")
    want, plain = expected(folder)
    said = REPLIES["serverless"]

    def signed(handler):
        return "/eu-west-1/aoss/aws4_request" in (handler.headers["Authorization"] or "")

    def to(cluster, out):
        config = WORK / f"{out}.yaml"
        config.write_text(f"sinks:\n  - opensearch: {cluster.url}\n    sigv4: aoss\n    region: eu-west-1\n")
        return folder, "--out", WORK / out, "--config", config, "--no-progress", *BODIES

    env = {**os.environ, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
           "AWS_EC2_METADATA_DISABLED": "true"}
    whole = [None, "throttled", "large"]  # the first is the question whether ids are taken

    def before(_request):
        kind = whole.pop(0) if whole else None
        return None if kind is None else reply(said[kind])

    with Collection(authorization=signed, before=before) as cluster:
        args = to(cluster, "search")
        got = replay(args[0], WORK / "search", *args[3:], env=env)
        assert logs(cluster) == want and got["records"] == plain["records"] and not whole, got["records"]
        clusters_only = ("GET / ", "/_cluster", "/_plugins", "/_template", "/_index_template", "/_component_template")
        assert not [asked for asked in cluster.asked if any(part in f"{asked} " for part in clusters_only)], cluster.asked
        assert cluster.puts is None and cluster.indices == {}, cluster.indices
    with Collection(authorization=signed, item=lambda *_: said["ids"]) as cluster:
        words = run("replay", *to(cluster, "series"), code=3, env=env).stderr.decode()
        assert "takes no ids of documents" in words and "type search" in words, words
        assert cluster.docs == {} and cluster.requests == 1, cluster.requests
    with Collection(authorization=signed, before=lambda _: reply(said["forbidden"])) as cluster:
        words = run("replay", *to(cluster, "forbidden"), code=1, env=env).stderr.decode()
        assert "403" in words and "aoss:WriteDocument" in words and cluster.requests == 1, words
    # one that says so only of the documents: they are kept, and the state names it
    calls = []

    def later(index, _identity, _source):
        calls.append(time.monotonic())
        return said["ids"] if index != "penstock-probe" and calls[-1] < calls[0] + 3 else None

    with Collection(authorization=signed, item=later) as cluster:
        args = to(cluster, "later")
        got = replay(args[0], WORK / "later", *args[3:], env=env)
        assert "the sink waits: " in got["words"] and "Document ID is not supported" in got["words"], got["words"]
        assert logs(cluster) == want and got["records"] == plain["records"], got["records"]


main(globals())
