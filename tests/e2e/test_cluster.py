#!/usr/bin/env python3
"""test_cluster.py PENSTOCK CASE - from a bucket to a cluster: what is promised, and that it is kept."""
import json
import os
import random
import subprocess
import sys
import threading
import time

from bulk_server import Cluster, error, whole
from fake_s3 import FakeS3
from kit import BINARY, FIXED, WORK, adds_up, dead, documents, generate, main, replay, run
from parts import FaultProxy
from test_opensearch import SMALL, expected, same, same_signals
from test_s3 import ENV, QUICK

S3_FAULTS = ("reset_before", "reset_in_head", "reset_after_head", "reset_in_body", "reset_after_body", "truncate",
             "garbage", "slow_down", "error_500", "delay")


def case_cluster_promise():
    """The end of a run tells whether documents are there once, or once unless a rollover fell in between."""
    folder = generate(size="1MiB")
    for aliases, told in (([], True), (["log-aws-cloudtrail"], True),
                          (["log-aws-cloudtrail-2025-03"], False), (["log-aws-elb-2025-w10"], False),
                          (["log-aws-elb-2025"], False), (["log-win-aws-fsx-win"], True),
                          (None, None)):
        with Cluster() as cluster:
            cluster.aliases = aliases
            out = WORK / str(len(list(WORK.iterdir())))
            got = replay(folder, out, "--sink", cluster.sink)
            names = [] if told is not False else aliases
            assert got["sink"] == {"kind": "opensearch", "exactly_once": told, "aliases": names}, got["sink"]
            table = run("replay", folder, "--out", out, "--sink", cluster.sink, "--no-progress", *FIXED).stdout.decode()
            line = [text for text in table.splitlines() if text.startswith("cluster")]
            assert len(line) == (told is not None) and "documents/*.zst" not in table, table
            assert told is None or ("unless a rollover" in line[0]) == (told is False), table
            assert told is not False or aliases[0] in table, table
    assert "sink" not in replay(folder, WORK / "files")


def mended_later(folder, refused, killed=False):
    """A cluster refuses documents until its mapping is mended; then the retry sends them: each is there once."""
    want, plain = expected(folder, "files-retry")
    bad = set(refused(sorted(want)))
    is_mended = []
    refusal = (400, error("mapper_parsing_exception", "failed to parse field [n] of type [long]"))
    with Cluster(item=lambda index, name, _: refusal if not is_mended and (index, name) in bad else None) as cluster:
        out = WORK / f"out{len(bad)}{killed}"
        args = ("--sink", cluster.sink, *SMALL, "--set", "commit.interval=10ms")
        if killed:
            for point in ("committed@2", "rows@4", "committed@5"):
                run("replay", folder, "--out", out, *args, "--no-progress", *FIXED, code=None,
                    env={**os.environ, "PENSTOCK_KILL_AT": point})
        first = replay(folder, out, *args, code=7)
        assert first["records"]["dead"] == plain["records"]["dead"] + len(bad), first["records"]
        assert first["by_type"]["cloudtrail"]["dead"] == first["records"]["dead"], first["by_type"]
        # Nothing is mended: the same is refused again, and nothing is counted twice.
        again = run("dead-letters", "retry", "--out", out, "--no-progress", "--json", code=7).stdout
        again = json.loads(again.splitlines()[-1])
        adds_up(again)
        assert again["records"] == first["records"] and again["by_type"] == first["by_type"], again["records"]
        rows = [sorted(got["gaps"], key=lambda gap: gap["account"]) for got in (first, again)]
        assert rows[0] == rows[1], rows
        assert again["retry"]["objects"] > 0 and again["retry"]["refused"] == again["retry"]["objects"], again["retry"]
        is_mended.append(True)
        done = json.loads(run("dead-letters", "retry", "--out", out, "--no-progress", "--json").stdout.splitlines()[-1])
        adds_up(done)
        same(cluster, want)
        same_signals(cluster, out)
        assert done["records"] == plain["records"] and done["gaps"] == [], (done["records"], done["gaps"])
        assert done["by_type"] == plain["by_type"] and done["signals"] == plain["signals"], done["by_type"]
        assert done["event_time"] == plain["event_time"], (done["event_time"], plain["event_time"])
        listed = run("dead-letters", "list", "--out", out, "--json").stdout.splitlines()
        assert not [line for line in listed if json.loads(line)["stage"] == "sink"], listed[:2]
        requests = cluster.requests
        got = replay(folder, out, *args)
        assert got["records"] == plain["records"] and cluster.requests == requests, got["records"]


def case_cluster_retry():
    """dead-letters retry sends what a cluster refused once its mapping is mended: one, some, all of an object."""
    folder = generate(size="2MiB")
    mended_later(folder, lambda keys: keys[:1])
    mended_later(folder, lambda keys: keys[::7])


def case_cluster_retry_killed():
    """The same when kills fell between: an object that was open then is known to have been refused documents."""
    folder = WORK / "huge"
    run("bench", "generate", "--out", folder, "--shape", "huge", "--bytes", "6MiB")
    mended_later(folder, lambda keys: keys[::50], killed=True)


# ---- faults on both sides ----

def cluster_faults(seed):
    """What a network and a busy cluster do, before and after a request is carried out."""
    rng = random.Random(seed)
    lock = threading.Lock()
    share = rng.choice((0.05, 0.15, 0.3))

    def draw(*choices):
        with lock:
            return rng.choice(choices) if rng.random() < share else None

    def before(_request):
        return draw(("cut",), whole(502), whole(503, "cluster_manager_not_discovered_exception"),
                    whole(429, "circuit_breaking_exception"), ("stall", 0.1))

    def after(_request, _status, text):
        return draw(("cut",), whole(502), whole(500), (200, text[:len(text) // 2]), (200, b"garbage"), (200, b""),
                    (200, b'{"errors":false,"items":[]}'), ("stall", 0.8), whole(504))

    def item(_index, _id, _source):
        with lock:
            lot = rng.random()
        return (429, error("rejected_execution_exception")) if lot < share / 10 else (
            503, error("unavailable_shards_exception")) if lot < share / 8 else None

    return before, after, item


def killed_and_again(args, rng):
    """kill -9 a few times at random, then until it is done; how often it was killed."""
    kills = 0
    for turn in range(rng.randrange(1, 5)):
        child = subprocess.Popen([BINARY, *map(str, args), "--shards", str(1 + turn % 2)], env=ENV,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            _, words = child.communicate(timeout=rng.uniform(0.05, 1.0))
            assert child.returncode == 0, words.decode()
            break
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            kills += 1
    return kills


def case_cluster_seeds():
    """Faults between us and both servers, and kill -9, from seeds: the same documents and signals each time."""
    folder = WORK / "data"
    run("bench", "generate", "--out", folder, "--shape", "tiny", "--bytes", "1MiB")
    with FakeS3() as s3:
        for path in folder.rglob("*.json.gz"):
            s3.put(str(path.relative_to(folder)), path.read_bytes())
        there = ("--s3-path-style", *QUICK)
        plain = replay(f"s3://{s3.bucket}", WORK / "files", "--endpoint-url", s3.endpoint, *there, env=ENV)
        want = {(d["_index"], d["_id"]): d["_source"] for d in documents(WORK / "files")}
        first, count, kills, requests = int(os.environ.get("SEED", "0")), int(os.environ.get("SEEDS", "5")), 0, 0
        for seed in range(first, first + count):
            rng, began = random.Random(seed), time.monotonic()
            before, after, item = cluster_faults(seed)
            rates = {name: rng.choice((0.0, 0.02, 0.05)) for name in S3_FAULTS}
            out = WORK / f"out{seed}"
            with FaultProxy(WORK, s3.port, seed=seed, rates=rates, delay=0.1) as proxy, Cluster(
                    before=before, after=after, item=item) as cluster:
                args = ("replay", f"s3://{s3.bucket}", "--out", out, "--endpoint-url", proxy.endpoint, *there, "--sink",
                        cluster.sink, "--no-progress", *FIXED, *SMALL, "--set", "sink.timeout=500ms", "--set",
                        "commit.interval=20ms")
                turns = killed_and_again(args, rng)
                done = run(*args, "--json", env=ENV)
                got = json.loads(done.stdout.splitlines()[-1])
                try:
                    adds_up(got)
                    same(cluster, want)
                    same_signals(cluster, out)
                    assert got["records"] == plain["records"] and not got["gaps"], (got["records"], plain["records"])
                    assert got["signals"] == plain["signals"], (got["signals"], plain["signals"])
                except AssertionError as wrong:
                    raise AssertionError(f"SEED={seed} SEEDS=1", wrong.args) from wrong
                kills, requests = kills + turns, requests + cluster.requests
            if count > 20:
                print(f"seed {seed}: {turns} kills, {time.monotonic() - began:.1f} s", file=sys.stderr)
        assert kills >= count // 2 and requests > 3 * count, (kills, requests)


if __name__ == "__main__":
    main(globals())
