#!/usr/bin/env python3
"""test_opensearch.py PENSTOCK CASE - documents to a cluster: each of them once, whatever happens."""
import fnmatch
import hashlib
import hmac
import json
import os
import pathlib
import random
import re
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import urllib.parse

from bulk_server import Cluster, basic, error, tls_server, whole
from kit import BINARY, FIXED, WORK, adds_up, dead, documents, generate, main, replay, run

TEMPLATES = pathlib.Path(__file__).parents[2] / "src/ship/templates"
# Many small requests, and answers that are given up soon.
SMALL = ("--set", "sink.timeout=2s", "--set", "ship.body_bytes_max=64KiB", "--set", "sink.requests_max=8")


def expected(folder, out="files"):
    """(index, id) -> source of the files sink."""
    summary = replay(folder, WORK / out)
    return {(d["_index"], d["_id"]): d["_source"] for d in documents(WORK / out)}, summary


def same(cluster, want):
    got = {key: source for key, source in cluster.docs.items() if not key[0].startswith("penstock-signals")}
    assert not cluster.errors, cluster.errors[:3]
    assert got.keys() == want.keys(), (len(got), len(want), list(got.keys() ^ want.keys())[:3])
    wrong = [key for key in want if got[key] != want[key]]
    assert not wrong, (len(wrong), want[wrong[0]], got[wrong[0]])


def case_opensearch_documents():
    """The cluster has what the files sink writes, document by document; a second run adds nothing."""
    folder = generate(size="8MiB")
    want, plain = expected(folder)
    for shards in (1, 2):
        with Cluster() as cluster:
            out = WORK / f"out{shards}"
            got = replay(folder, out, "--sink", cluster.sink, "--shards", shards)
            same(cluster, want)
            assert got["records"] == plain["records"], (got["records"], plain["records"])
            assert got["by_type"] == plain["by_type"] and got["signals"] == plain["signals"], got
            assert got["bytes"]["shipped"] > 0, got
            requests = cluster.requests
            again = replay(folder, out, "--sink", cluster.sink, "--shards", shards)
            assert again["records"] == got["records"] and cluster.requests == requests, again
            other = replay(folder, WORK / f"other{shards}", "--sink", cluster.sink, "--shards", shards)
            assert other["records"]["duplicate"] == plain["records"]["delivered"], other["records"]
            assert other["records"]["delivered"] == 0, other["records"]
            same(cluster, want)


def faults_of(seed, share=0.3):
    """A script of faults: what a network and a busy cluster do, before and after a request is carried out."""
    rng = random.Random(seed)
    lock = threading.Lock()

    def draw(*choices):
        with lock:
            return rng.choice(choices) if rng.random() < share else None

    def before(_request):
        return draw(("cut",), whole(502), whole(503, "cluster_manager_not_discovered_exception"),
                    whole(429, "circuit_breaking_exception"), whole(429, "rejected_execution_exception"), ("stall", 0.2))

    def after(_request, _status, text):
        return draw(("cut",), whole(502), whole(500), (200, text[:len(text) // 2]), (200, b"garbage"), (200, b""),
                    (200, b'{"errors":false,"items":[]}'), ("stall", 2.5), whole(504))

    def item(_index, _id, _source):
        return draw((429, error("rejected_execution_exception")), (503, error("unavailable_shards_exception")))

    return before, after, item


def signals_of(out):
    """id -> what the cluster shall have of each signal of signals.db."""
    db = sqlite3.connect(out / "signals.db")
    db.row_factory = sqlite3.Row
    return {row["id"]: dict(row) for row in db.execute("select * from signals")}


def same_signals(cluster, out):
    got = {key[1]: (key[0], source) for key, source in cluster.docs.items() if key[0].startswith("penstock-signals")}
    want = signals_of(out)
    assert got.keys() == want.keys() and want, (len(got), len(want))
    for name, row in want.items():
        index, source = got[name]
        assert index == f"penstock-signals-{source['first_seen'][:7]}", (index, source)
        assert source["@timestamp"] == source["first_seen"], source
        for column in ("rule_id", "severity", "events_matched", "title", "message", "closed"):
            assert source[column] == row[column] or source[column] == bool(row[column]), (column, source, row)
        assert source["accounts"] == json.loads(row["accounts"]), source


def case_opensearch_signals():
    """Signals are in the cluster as in signals.db, after kills and faults too; what is there is not sent again."""
    folder = generate(size="4MiB")
    with Cluster() as cluster:
        replay(folder, WORK / "plain", "--sink", cluster.sink)
        same_signals(cluster, WORK / "plain")
        requests = cluster.requests
        # Made again event by event: between two commits they are half made.
        replay(folder, WORK / "plain", "--sink", cluster.sink, "--set", "commit.interval=1ms")
        assert cluster.requests == requests, (cluster.requests, requests)
    with Cluster() as cluster:  # no documents: signals all the same
        got = replay(folder, WORK / "only", "--sink", cluster.sink, "--signals-only")
        same_signals(cluster, WORK / "only")
        assert len(cluster.docs) == got["signals"]["opened"], len(cluster.docs)
    for number, point in enumerate(("signals@1", "end@1", "finished@1")):
        before, after, item = faults_of(number, share=0.1)
        with Cluster(before=before, after=after, item=item) as cluster:
            out = WORK / f"killed{number}"
            env = {**os.environ, "PENSTOCK_KILL_AT": point}
            run("replay", folder, "--out", out, "--sink", cluster.sink, "--no-progress", *FIXED, *SMALL, code=None,
                env=env)
            replay(folder, out, "--sink", cluster.sink, *SMALL)
            same_signals(cluster, out)
    refusal = (400, error("mapper_parsing_exception"))
    with Cluster(item=lambda index, *_: refusal if index.startswith("penstock") else None) as cluster:
        got = replay(folder, WORK / "refused", "--sink", cluster.sink, code=7)
        gaps = {gap["cause"]: gap["count"] for gap in got["gaps"]}
        assert gaps == {"signals-refused-by-sink": got["signals"]["opened"]}, gaps
        assert "because of the test" in got["words"], got["words"]
        again = replay(folder, WORK / "refused", "--sink", cluster.sink, code=7)
        assert again["gaps"] == got["gaps"], again["gaps"]


def case_opensearch_faults():
    """Cuts, stalls, broken and lost answers, rejected items: the same documents, none twice, none lost."""
    folder = generate(size="1MiB")
    want, plain = expected(folder)
    for seed in range(int(os.environ.get("SEEDS", "3"))):
        before, after, item = faults_of(seed, share=0.12)
        with Cluster(before=before, after=after, item=item) as cluster:
            got = replay(folder, WORK / f"out{seed}", "--sink", cluster.sink, "--shards", 1 + seed % 2, *SMALL)
            same(cluster, want)
            assert got["records"] == plain["records"], (seed, got["records"])
            assert cluster.requests > 5, cluster.requests


def case_opensearch_killed():
    """kill -9 at random points while the cluster misbehaves: resumed until done, every document is there once."""
    folder = generate(size="4MiB")
    want, plain = expected(folder)
    rng = random.Random(7)
    before, after, item = faults_of(11, share=0.05)
    with Cluster(before=before, after=after, item=item) as cluster:
        args = ["replay", folder, "--out", WORK / "out", "--sink", cluster.sink, "--json", "--no-progress", *FIXED,
                *SMALL, "--set", "commit.interval=20ms"]
        for turn in range(5):  # each once the cluster had some more requests: a run of them makes many
            until = cluster.requests + rng.randint(1, 6)
            child = subprocess.Popen([BINARY, *map(str, args), "--shards", str(1 + turn % 2)],
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            while cluster.requests < until and child.poll() is None:
                time.sleep(0.001)
            child.kill()
            said, words = child.communicate()
            assert child.returncode == -signal.SIGKILL, (turn, said, words.decode())
        got = replay(folder, WORK / "out", "--sink", cluster.sink, *SMALL)
        same(cluster, want)
        assert got["records"] == plain["records"], got["records"]


def case_opensearch_refused():
    """A document that the cluster will never take is one dead letter with its reason; all others are there."""
    folder = generate(size="2MiB")
    want, plain = expected(folder)
    bad = sorted(want)[::97]
    refusal = (400, error("mapper_parsing_exception", "failed to parse field [n] \x1b[31m of type [long]"))
    with Cluster(item=lambda index, name, _: refusal if (index, name) in bad else None) as cluster:
        got = replay(folder, WORK / "items", "--sink", cluster.sink, code=7)
        same(cluster, {key: source for key, source in want.items() if key not in bad})
        check_refused(WORK / "items", got, plain, bad, "400 mapper_parsing_exception: failed to parse field [n]")
        again = replay(folder, WORK / "items", "--sink", cluster.sink, code=7)
        assert again["records"] == got["records"] and again["gaps"] == got["gaps"], again
    ids = {name for _, name in bad}

    def spoilt(request):
        if any(metadata["_id"] in ids for _, metadata, _ in request.docs):
            return whole(400, "action_request_validation_exception", "Validation Failed: 1: id is too long;")
        return None

    with Cluster(before=spoilt) as cluster:
        got = replay(folder, WORK / "whole", "--sink", cluster.sink, code=7)
        same(cluster, {key: source for key, source in want.items() if key not in bad})
        check_refused(WORK / "whole", got, plain, bad, "400 action_request_validation_exception: Validation Failed")


def check_refused(out, got, plain, bad, reason):
    assert got["records"]["dead"] == plain["records"]["dead"] + len(bad), (got["records"], len(bad))
    assert got["records"]["delivered"] == plain["records"]["delivered"] - len(bad), got["records"]
    gaps = {gap["account"]: gap["count"] for gap in got["gaps"] if gap["cause"] == "refused-by-sink"}
    assert sum(gaps.values()) == len(bad) and all(len(account) == 12 for account in gaps), got["gaps"]
    letters = [row for rows in dead(out).values() for row in rows if row["stage"] == "sink"]
    assert len(letters) == len(bad), (len(letters), len(bad))
    assert all(row["reason"].startswith(reason) and row["type"] == "cloudtrail" for row in letters), letters[0]
    assert len({(row["object"], row["record"]) for row in letters}) == len(bad), letters[:2]


def case_opensearch_large():
    """413: requests become smaller until they fit, and stay so; a document that never fits is refused."""
    folder = generate(size="4MiB")
    want, plain = expected(folder)
    limit, over = 300_000, []

    def before(request):
        if len(request.body) > limit:
            over.append(len(request.body))
            return whole(413)
        return None

    with Cluster(before=before) as cluster:
        got = replay(folder, WORK / "out", "--sink", cluster.sink, "--shards", 1)
        same(cluster, want)
        assert got["records"] == plain["records"], got["records"]
        assert 0 < len(over) < 12, over


def case_opensearch_held():
    """A blocked index, a closed one, a full disk, 403 of the whole cluster: the run waits, says so, goes on."""
    folder = generate(size="2MiB")
    want, plain = expected(folder)
    blocks = [("item", 403, "cluster_block_exception", "FORBIDDEN/8/index write (api)"),
              ("item", 429, "cluster_block_exception", "TOO_MANY_REQUESTS/12/disk usage exceeded"),
              ("item", 400, "index_closed_exception", "closed"),
              ("whole", 403, "cluster_block_exception", "FORBIDDEN/6/cluster read-only (api)"),
              ("whole", 401, "security_exception", "no permissions"),
              ("whole", 400, None, "a page of a proxy")]
    for number, (form, status, kind, reason) in enumerate(blocks):
        block = Block(3)
        with Cluster(before=lambda _, b=block: whole(status, kind, reason) if b.lasts() and form == "whole" else None,
                     item=lambda *_, b=block: (status, error(kind, reason)) if b.lasts() and form == "item" else None
                     ) as cluster:
            got = replay(folder, WORK / f"out{number}", "--sink", cluster.sink, "--shards", 2)
            same(cluster, want)
            assert got["records"] == plain["records"], (kind, got["records"])
            assert "the sink waits" in got["words"] and str(status) in got["words"], got["words"]
            assert kind is None or (kind in got["words"] and reason in got["words"]), got["words"]
            assert "takes documents again" in got["words"], got["words"]
            if kind is not None and form == "whole":  # one with many documents is halved first
                assert block.asked < 20, block.asked


class Block:
    """Lasts so many seconds from the first time that it is asked for."""

    def __init__(self, seconds):
        self.seconds, self.until, self.asked = seconds, None, 0

    def lasts(self):
        now = time.monotonic()
        self.until = self.until or now + self.seconds
        self.asked += now < self.until
        return now < self.until


def composed_of_what_is_there(cluster):
    """Every index of a built-in type has a template; templates of the same priority never fit the same name."""
    found = {path.rsplit("/", 1)[1]: body for path, body in cluster.puts.items() if path.startswith("/_index_template")}
    names = [json.loads(line)["index"] for line in run("types", "list", "--json").stdout.splitlines()]
    assert len(names) > 40, names
    for name in (*names, "log-my-own", "penstock-signals"):
        fits = [body["priority"] for body in found.values() for pattern in body["index_patterns"]
                if fnmatch.fnmatch(f"{name}-2025-03", pattern)]
        assert fits and len(fits) == len(set(fits)) and max(fits) < 10, (name, fits)
    parts = {part for body in found.values() for part in body.get("composed_of", [])}
    assert parts == {path.rsplit("/", 1)[1] for path in cluster.puts if path.startswith("/_component")}, parts


def case_opensearch_setup():
    """Without templates nothing is sent; sink setup and --setup-sink put them."""
    folder = generate(size="1MiB")
    want, _ = expected(folder)
    with Cluster(templates=False) as cluster:
        out = WORK / "none"
        refused = run("replay", folder, "--out", out, "--sink", cluster.sink, code=3).stderr.decode()
        assert f"penstock sink setup opensearch:{cluster.url}" in refused and "--setup-sink" in refused, refused
        assert not cluster.docs and not out.exists(), cluster.docs
        done = run("sink", "setup", cluster.sink)
        files = {path.stem for path in TEMPLATES.glob("[ci]*.json")}
        assert len(cluster.puts) == len(files) and done.stdout.count(b"put /_") == len(files), done.stdout
        composed_of_what_is_there(cluster)
        replay(folder, out, "--sink", cluster.sink)
        same(cluster, want)
    with Cluster(templates=False) as cluster:
        replay(folder, WORK / "with", "--sink", cluster.sink, "--setup-sink")
        same(cluster, want)
        assert len(cluster.puts) == len(files), cluster.puts
    gone = run("replay", folder, "--out", WORK / "gone", "--sink", cluster.sink, code=1).stderr.decode()
    assert "opensearch sink" in gone and "connect" in gone and not (WORK / "gone").exists(), gone


def signed_by(access, secret, region, service):
    """Checks Signature Version 4 as AWS documents it."""
    def check(handler):
        given = handler.headers.get("Authorization", "")
        found = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?"
                             r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})", given)
        if not found or found.group(1, 3, 4) != (access, region, service):
            return False
        digest = hashlib.sha256(handler.raw if handler.command in ("POST", "PUT") else b"").hexdigest()
        path, _, query = handler.path.partition("?")
        names = found.group(5).split(";")
        path = urllib.parse.quote(path, safe="/-_.~")  # once more: paths of services but S3 are encoded twice
        text = "\n".join([handler.command, path, "&".join(sorted(query.split("&"))),
                          *(f"{name}:{handler.headers[name].strip()}" for name in names), "", found.group(5), digest])
        scope = "/".join([*found.group(2, 3, 4), "aws4_request"])
        key = ("AWS4" + secret).encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), "sha256").digest()
        to_sign = "\n".join(["AWS4-HMAC-SHA256", handler.headers["X-Amz-Date"], scope,
                             hashlib.sha256(text.encode()).hexdigest()])
        return hmac.new(key, to_sign.encode(), "sha256").hexdigest() == found.group(6)
    return check


def case_opensearch_auth():
    """Basic, API key and signatures from the config file; a wrong one is told; no secret is seen anywhere."""
    folder = generate(size="1MiB")
    want, _ = expected(folder)
    (WORK / "secret").write_text("open sesame\n")
    env = {**os.environ, "OS_PASSWORD": "open sesame", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY":
           "wJalrXUtnFEMI", "AWS_EC2_METADATA_DISABLED": "true"}
    ways = [(basic("ali", "open sesame"), "user: ali\n    password: ${OS_PASSWORD}"),
            (basic("ali", "open sesame"), "user: ali\n    password: file:secret"),
            ("ApiKey open sesame", "api_key: file:secret"),
            (signed_by("AKIDEXAMPLE", "wJalrXUtnFEMI", "eu-west-1", "es"), "sigv4: es\n    region: eu-west-1")]
    for number, (authorization, lines) in enumerate(ways):
        with Cluster(authorization=authorization) as cluster:
            config = WORK / f"config{number}.yaml"
            config.write_text(f"sinks:\n  - opensearch: {cluster.url}\n    {lines}\n")
            out = WORK / f"out{number}"
            replay(folder, out, "--config", config, env=env)
            same(cluster, want)
            run("sink", "setup", "opensearch:", "--config", config, env=env)
            for path in out.rglob("*"):
                assert path.is_dir() or b"open sesame" not in path.read_bytes(), path
            replay(folder, WORK / f"same{number}", "--config", config, "--sink", cluster.sink, env=env)
            refused = run("replay", folder, "--out", WORK / "no", "--sink", cluster.sink, code=1).stderr.decode()
            assert "401" in refused and not (WORK / "no").exists(), refused
    missing = run("replay", folder, "--out", WORK / "no", "--config", WORK / "config0.yaml", code=3).stderr.decode()
    assert "OS_PASSWORD" in missing, missing


def certificates():
    """A CA, a server's and a client's certificate, in PEM files."""
    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=WORK)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
            "/CN=test CA", "-keyout", "ca.key", "-out", "ca.pem")
    (WORK / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for name in ("server", "client"):
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days",
                "2", "-extfile", "names", "-out", f"{name}.pem")


def case_opensearch_tls():
    """TLS: the server's certificate is verified, ours is sent; large bodies too."""
    folder = generate(size="4MiB")
    want, _ = expected(folder)
    certificates()
    with Cluster(tls=tls_server(WORK / "server.pem", WORK / "server.key")) as cluster:
        replay(folder, WORK / "ca", "--sink", cluster.sink, "--ca", WORK / "ca.pem", "--set", "sink.gzip=0")
        same(cluster, want)
        refused = run("replay", folder, "--out", WORK / "no", "--sink", cluster.sink, code=1).stderr.decode()
        assert "certificate" in refused, refused
    with Cluster(tls=tls_server(WORK / "server.pem", WORK / "server.key", WORK / "ca.pem")) as cluster:
        config = WORK / "config.yaml"
        config.write_text(f"sinks:\n  - opensearch: {cluster.url}\n    ca: ca.pem\n    client_cert: client.pem\n"
                          "    client_key: client.key\n")
        replay(folder, WORK / "client", "--config", config)
        same(cluster, want)
        run("replay", folder, "--out", WORK / "no", "--sink", cluster.sink, "--ca", WORK / "ca.pem", code=1)


def case_opensearch_nodes():
    """Several nodes take turns; one that is down, or goes down, is passed over."""
    folder = generate(size="4MiB")
    want, plain = expected(folder)
    with Cluster() as one, Cluster() as two, socket.socket() as unused:
        two.docs, two.lock = one.docs, one.lock
        unused.bind(("127.0.0.1", 0))
        down = f"http://127.0.0.1:{unused.getsockname()[1]}"

        def before(request):
            return ("cut",) if request.number > 3 else None

        two.before = before
        got = replay(folder, WORK / "out", "--sink", f"opensearch:{down},{one.url},{two.url}", *SMALL)
        same(one, want)
        assert got["records"] == plain["records"], got["records"]
        assert one.requests > 3 and two.requests > 3, (one.requests, two.requests)


def case_opensearch_resolved():
    """A node that moves behind its name is found again, for documents and for the signals at the end."""
    folder = generate(size="4MiB")
    want, plain = expected(folder)
    file = WORK / "address"
    env = {**os.environ, "LD_PRELOAD": os.environ["PENSTOCK_RESOLVER_LIBRARY"], "PENSTOCK_RESOLVER_NAME":
           "search.moves.example", "PENSTOCK_RESOLVER_FILE": str(file)}

    def moves_at(is_time):
        """One that is gone for good from the first request on that it is time for; where it goes."""
        file.write_text("127.0.0.1")
        gone = []

        def before(request):
            if not gone and is_time(request):
                gone.append(True)
                file.write_text("127.0.0.2")
            return ("cut",) if gone else None

        return before

    times = (lambda request: request.number > 5,
             lambda request: any(meta["_index"].startswith("penstock-signals") for _, meta, _ in request.docs))
    for number, is_time in enumerate(times):
        with Cluster(before=moves_at(is_time)) as one, Cluster(address=("127.0.0.2", one.port)) as two:
            two.docs, two.lock, two.versions = one.docs, one.lock, one.versions
            got = replay(folder, WORK / f"out{number}", "--sink", f"opensearch:http://search.moves.example:{one.port}",
                         *SMALL, "--set", "fetch.resolve_interval=200ms", "--set", "commit.interval=1h", env=env)
            same(one, want)
            same_signals(one, WORK / f"out{number}")
            assert got["records"] == plain["records"], got["records"]
            assert two.requests > (3 if number == 0 else 0), two.requests


def case_opensearch_start():
    """What the cluster is asked before the first document is asked again when an answer is spoilt, not for ever."""
    folder = generate(size="1MiB")
    with Cluster() as cluster:
        cluster.spoilt = [whole(500), whole(503), whole(500, "illegal_state_exception")]
        replay(folder, WORK / "out", "--sink", cluster.sink)
        assert cluster.docs and not cluster.spoilt, cluster.spoilt
        cluster.spoilt = [whole(500, "illegal_state_exception")] * 4
        done = run("replay", folder, "--out", WORK / "no", "--sink", cluster.sink, "--no-progress", code=1)
        assert b"500 illegal_state_exception: because of the test" in done.stderr, done.stderr
        assert not cluster.spoilt, cluster.spoilt


def case_opensearch_joins():
    """A node whose name is not known at the start joins when it is."""
    folder = generate(size="4MiB")
    want, plain = expected(folder)
    file = WORK / "address"
    file.write_text("")
    env = {**os.environ, "LD_PRELOAD": os.environ["PENSTOCK_RESOLVER_LIBRARY"], "PENSTOCK_RESOLVER_NAME":
           "search.late.example", "PENSTOCK_RESOLVER_FILE": str(file)}
    with Cluster() as one, Cluster(address=("127.0.0.2", one.port)) as two:
        two.docs, two.lock, two.versions = one.docs, one.lock, one.versions

        def before(request):
            if request.number == 3:
                file.write_text("127.0.0.2")
            return ("stall", 0.2) if two.requests == 0 else None

        one.before = before
        sink = f"opensearch:http://search.late.example:{one.port},http://127.0.0.1:{one.port}"
        got = replay(folder, WORK / "out", "--sink", sink, *SMALL, "--set", "fetch.resolve_interval=20ms", env=env)
        same(one, want)
        assert got["records"] == plain["records"], got["records"]
        assert two.requests > 0 and one.requests > 2, (one.requests, two.requests)


def case_opensearch_signed():
    """How an endpoint of Amazon's is signed its name tells; what is given comes first."""
    folder = generate(size="1MiB")
    want, _ = expected(folder)
    env = {**os.environ, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI",
           "AWS_EC2_METADATA_DISABLED": "true", "LD_PRELOAD": os.environ["PENSTOCK_RESOLVER_LIBRARY"]}
    file = WORK / "address"
    file.write_text("127.0.0.1")
    domain, collection = "search-x.eu-west-1.es.amazonaws.com", "a1.us-east-1.aoss.amazonaws.com"
    ways = ((collection, "", ("us-east-1", "aoss")), (collection, "sigv4: auto", ("us-east-1", "aoss")),
            (domain, "sigv4: auto", ("eu-west-1", "es")), (domain, "sigv4: aoss", ("eu-west-1", "aoss")),
            (domain, "sigv4: auto\n    region: eu-west-3", ("eu-west-3", "es")),
            (collection, "user: ali\n    password: ${OS_PASSWORD}", basic("ali", "open sesame")))
    for number, (host, lines, wanted) in enumerate(ways):
        right = signed_by("AKIDEXAMPLE", "wJalrXUtnFEMI", *wanted) if isinstance(wanted, tuple) else wanted
        with Cluster(authorization=right) as cluster:
            config = WORK / f"config{number}.yaml"
            config.write_text(f"sinks:\n  - opensearch: http://{host}:{cluster.port}\n    {lines}\n")
            told = {**env, "PENSTOCK_RESOLVER_NAME": host, "PENSTOCK_RESOLVER_FILE": str(file), "OS_PASSWORD": "open sesame"}
            if "password" in lines:  # in the clear: refused, so nothing is signed in its place
                said = run("replay", folder, "--out", WORK / "no", "--config", config, env=told, code=None)
                assert said.returncode != 0 and b"in the clear" in said.stderr, said
                continue
            replay(folder, WORK / f"out{number}", "--config", config, env=told)
            same(cluster, want)
    config.write_text("sinks:\n  - opensearch: http://127.0.0.1:9\n    sigv4: auto\n")
    said = run("replay", folder, "--out", WORK / "no", "--config", config, env=env, code=None)
    assert said.returncode != 0 and b"127.0.0.1 is no endpoint of Amazon's" in said.stderr, said
    config.write_text("sinks:\n  - opensearch: http://127.0.0.1:9\n    region: eu-west-1\n")
    assert b"region belongs to sigv4" in run("replay", folder, "--config", config, env=env, code=3).stderr


def case_opensearch_retry():
    """An object that was damaged is read again when it is mended: its documents are there once."""
    folder = generate(size="1MiB")
    want, plain = expected(folder)
    victim = max(folder.rglob("*.json.gz"), key=lambda path: path.stat().st_size)
    whole_text = victim.read_bytes()
    victim.write_bytes(whole_text[:len(whole_text) // 2])
    with Cluster() as cluster:
        first = replay(folder, WORK / "out", "--sink", cluster.sink)
        assert first["objects"]["damaged"] == 1 and 0 < len(cluster.docs) < len(want), first["objects"]
        victim.write_bytes(whole_text)
        run("dead-letters", "retry", "--out", WORK / "out", "--no-progress")
        same(cluster, want)
        got = replay(folder, WORK / "out", "--sink", cluster.sink)
        assert got["records"] == plain["records"], (got["records"], plain["records"])


def case_opensearch_limits():
    """Memory and speed: a slow cluster holds reading back, and a limit of speed is kept."""
    folder = generate(size="12MiB")
    want, plain = expected(folder)
    args = ("--shards", 1, "--set", "sink.bytes_in_flight_max=1MiB", "--set", "ship.body_bytes_max=256KiB")
    with Cluster(before=lambda _: ("stall", 0.15)) as cluster:
        got = replay(folder, WORK / "slow", "--sink", cluster.sink, *args)
        same(cluster, want)
        assert got["bound_by"] == "sink", got["seconds"]
        assert got["rss_bytes_max"] < plain["rss_bytes_max"] + (24 << 20), (got["rss_bytes_max"], plain["rss_bytes_max"])
    with Cluster() as cluster:
        began = time.monotonic()
        got = replay(folder, WORK / "limit", "--sink", cluster.sink, "--set", "sink.max_mb_s=4")
        took = time.monotonic() - began
        same(cluster, want)
        total = sum(len(json.dumps(source)) for source in cluster.docs.values())
        # A second's worth may go at once, and each shard's last bodies are sent on credit.
        assert took > (total - 4e6 - 8e6) / 4e6, (took, total)


def case_opensearch_gone():
    """A cluster that does not answer: the run waits and says so; Ctrl-C ends it in time, and it resumes."""
    folder = generate(size="2MiB")
    want, plain = expected(folder)
    is_gone = threading.Event()
    is_gone.set()

    def before(_request):
        return ("cut",) if is_gone.is_set() else None

    with Cluster(before=before) as cluster:
        args = ["replay", folder, "--out", WORK / "out", "--sink", cluster.sink, "--json", "--no-progress", *FIXED,
                *SMALL, "--set", "sink.drain_timeout=1s"]
        child = subprocess.Popen([BINARY, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(4)
        assert child.poll() is None, child.communicate()
        child.send_signal(signal.SIGINT)
        said, words = child.communicate(timeout=20)
        assert child.returncode == 6, (child.returncode, words)
        summary = json.loads(said.splitlines()[-1])
        adds_up(summary)
        assert summary["status"] == "stopped" and "no answer" in summary["reason"], summary
        assert b"the sink waits: no answer" in words, words
        is_gone.clear()
        got = replay(folder, WORK / "out", "--sink", cluster.sink, *SMALL)
        same(cluster, want)
        assert got["records"] == plain["records"], got["records"]


if __name__ == "__main__":
    main(globals())
