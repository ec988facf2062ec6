#!/usr/bin/env python3
"""test_seeds.py PENSTOCK CASE - from a real bucket into a real cluster with harm between us and both, and kill -9.

Five seeds; by hand SEEDS=100 (SEED=N begins with another).  Odd seeds speak TLS to both, with connections cut.
The names of both servers lead to an address where nobody listens now and then."""
import contextlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import threading
import time

from kit import BINARY, FIXED, WORK, adds_up, documents, main, replay, run, signals_of
from parts import FaultProxy, Nginx, Versitygw
from parts_opensearch import OpenSearch
from test_s3 import BUCKET, ENV, QUICK

STARTS_MAX = 10
NAME = "penstock.localhost"  # of both servers
THERE, STALE = "127.0.0.1", "127.0.0.9"
COMMON = ("delay", "reset_before", "reset_in_head", "reset_after_head", "reset_in_body", "reset_after_body", "truncate",
          "garbage", "error_500", "drip")
S3_FAULTS, S3_SHARES = (*COMMON, "slow_down"), (0.0, 0.02, 0.05)
CLUSTER_FAULTS, CLUSTER_SHARES = (*COMMON, "bulk_429", "bulk_502", "bulk_partial", "bulk_lost"), (0.0, 0.03, 0.06)
HARM = {"delay": 0.1, "hold": 2, "drip_rate": 20000, "patience": 1000}  # seconds, seconds, bytes a second, times
SMALL = ("--set", "ship.body_bytes_max=64KiB", "--set", "sink.timeout=1s", "--set", "commit.interval=20ms", "--set",
         "fetch.resolve_interval=100ms", "--set", "fetch.connect_timeout=1s", "--set", "fetch.range_bytes=64KiB")


class Front(contextlib.ExitStack):
    """A port with harm in front of another: HTTP's, and with TLS that of TCP around it."""

    def __init__(self, port, seed, faults, shares, is_tls):
        super().__init__()
        rng = random.Random(seed)
        rates = {name: rng.choice(shares) for name in faults}  # of each request
        self.http = self.enter_context(FaultProxy(WORK, port, seed=seed, rates=rates, **HARM))
        self.port, self.ca_file, self.tcp = self.http.port, None, None
        if is_tls:
            tls = self.enter_context(Nginx(WORK, self.port, protocol=rng.choice(("TLSv1.2", "TLSv1.3")),
                                           names=["penstock"]))
            self.tcp = self.enter_context(FaultProxy(WORK, tls.port, seed=seed, tcp=True, cut_max=60000,
                                                     rates={"tcp_reset": 0.1, "tcp_close": 0.1}))
            self.port, self.ca_file = self.tcp.port, tls.ca_file

    @property
    def endpoint(self):
        return f"http{'s' if self.ca_file else ''}://{NAME}:{self.port}"

    def faults(self):
        """How many of each were done."""
        rows = [row["fault"] for proxy in (self.http, self.tcp) if proxy for row in proxy.requests()]
        return {name: rows.count(name) for name in set(rows) - {None}}


class Moving:
    """The name's address, that of nobody now and then while this is entered."""

    def __init__(self, seed):
        self.file, self.rng, self.is_over = WORK / "address", random.Random(seed), threading.Event()
        self.thread = threading.Thread(target=self.move)
        self.moves = 0

    def write(self, address):
        fresh = pathlib.Path(f"{self.file}.new")
        fresh.write_text(address)
        fresh.rename(self.file)

    def move(self):
        while not self.is_over.wait(self.rng.uniform(0.3, 2)):
            self.write(STALE)
            self.moves += 1
            self.is_over.wait(self.rng.uniform(0.1, 0.6))
            self.write(THERE)

    def __enter__(self):
        self.write(THERE)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()


def is_refused_start(code, words):
    """Four answers in a row were spoilt when the cluster was asked for its templates: who starts us tries again."""
    return code == 1 and words.startswith(b"penstock: the opensearch sink: ")


def finished(args, env):
    """The summary of a run that is started until it can ask the cluster what it needs."""
    for _ in range(STARTS_MAX):
        done = run(*args, "--json", env=env, code=None)
        if not is_refused_start(done.returncode, done.stderr):
            break
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def killed(args, env, rng):
    """kill -9 at random a few times; how often it came before the end."""
    kills = 0
    for turn in range(rng.randrange(1, 4)):
        child = subprocess.Popen([BINARY, *map(str, args), "--shards", str(1 + turn % 2)], env=env,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            _, words = child.communicate(timeout=rng.uniform(0.1, 2.0))
            assert child.returncode == 0 or is_refused_start(child.returncode, words), words.decode()
            if child.returncode == 0:
                break
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            kills += 1
    return kills


def config(front):
    """A file with the sink, and what it is to trust."""
    file = WORK / "penstock.yaml"
    ca = f"    ca: {front.ca_file}\n" if front.ca_file else ""
    file.write_text(f"sinks:\n  - opensearch: {front.endpoint}\n{ca}")
    return file


def one_seed(seed, gateway, cluster, want, plain):
    """A run through harm; how often it was killed and which faults were done."""
    rng = random.Random(seed)
    out = WORK / f"out{seed}"
    env = {**ENV, "LD_PRELOAD": os.environ["PENSTOCK_RESOLVER_LIBRARY"], "PENSTOCK_RESOLVER_NAME": NAME,
           "PENSTOCK_RESOLVER_FILE": str(WORK / "address")}
    is_tls = seed % 2 == 1
    with Front(gateway.port, seed, S3_FAULTS, S3_SHARES, is_tls) as s3, Front(
            cluster.port, seed + 1, CLUSTER_FAULTS, CLUSTER_SHARES, is_tls) as sink, Moving(seed) as moving:
        args = ["replay", f"s3://{BUCKET}", "--out", out, "--endpoint-url", s3.endpoint, "--s3-path-style", *QUICK,
                "--config", config(sink), "--no-progress", *FIXED, *SMALL]
        if s3.ca_file:
            args += ["--ca", s3.ca_file]
        kills = killed(args, env, rng)
        got = finished(args, env)
        faults = {"s3": s3.faults(), "cluster": sink.faults(), "moves": moving.moves}
    adds_up(got)
    assert got["records"] == plain["records"] and not got["gaps"], (got["records"], plain["records"], got["gaps"])
    found = cluster.documents("log-*")
    assert found.keys() == want.keys(), (len(found), len(want), list(found.keys() ^ want.keys())[:3])
    for key, source in found.items():
        assert source.pop("@log_s3bucket") == BUCKET and source == want[key], (source, want[key])
    assert signals_of(out) == signals_of(WORK / "files")
    listed = [json.loads(line) for line in run("signals", "list", "--out", out, "--json").stdout.splitlines()]
    signals = {key[1]: source for key, source in cluster.documents("penstock-signals-*").items()}
    assert {row["id"]: row["events_matched"] for row in listed} == {
        name: source["events_matched"] for name, source in signals.items()} and signals, len(signals)
    return kills, faults


def case_seeds_real():
    """Whatever the harm: the documents and signals of the folder's replay, none lost, none twice."""
    first, count = int(os.environ.get("SEED", "0")), int(os.environ.get("SEEDS", "5"))
    totals, kills = {}, 0
    with Versitygw(WORK) as gateway, OpenSearch(WORK) as cluster:
        folder = gateway.data / BUCKET
        run("bench", "generate", "--out", folder, "--shape", "tiny", "--bytes", "1MiB", "--accounts", 20, "--regions", 4,
            "--days", 30)
        (folder / "expected.json").rename(WORK / "expected.json")
        plain = replay(folder, WORK / "files")
        want = {(d["_index"], d["_id"]): d["_source"] for d in documents(WORK / "files")}
        assert len(want) == plain["records"]["delivered"], (len(want), plain["records"])
        run("sink", "setup", f"opensearch:{cluster.endpoint}")
        for seed in range(first, first + count):
            began = time.monotonic()
            try:
                turns, faults = one_seed(seed, gateway, cluster, want, plain)
            except AssertionError as wrong:
                raise AssertionError(f"SEED={seed} SEEDS=1", *wrong.args) from wrong
            kills += turns
            for side in ("s3", "cluster"):
                for name, number in faults[side].items():
                    totals[f"{side} {name}"] = totals.get(f"{side} {name}", 0) + number
            print(f"seed {seed}: {turns} kills, {faults}, {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
            cluster.call("DELETE", "/log-*,penstock-signals-*")
            shutil.rmtree(WORK / f"out{seed}")
    print(f"{count} seeds, {kills} kills, {dict(sorted(totals.items()))}", flush=True)
    assert kills >= count // 2 and len(totals) >= min(20, 6 * count), (kills, totals)


if __name__ == "__main__":
    main(globals())
