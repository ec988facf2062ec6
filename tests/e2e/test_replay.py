#!/usr/bin/env python3
"""test_replay.py PENSTOCK CASE - replays made data and checks what it leaves behind."""
import gzip
import hashlib
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

BINARY, CASE = sys.argv[1], sys.argv[2]
WORK = pathlib.Path(tempfile.mkdtemp(prefix="penstock-e2e-"))
FIXED = ["--set", "document.ingested=2025-04-01T00:00:00Z"]


def run(*args, code=0):
    done = subprocess.run([BINARY, *map(str, args)], capture_output=True, text=True, check=False)
    if code is not None and done.returncode != code:
        sys.exit(f"{args}: exit {done.returncode}, wanted {code}\n{done.stdout}\n{done.stderr}")
    return done


def generate(name="data", size="16MiB", **options):
    where = WORK / name
    extra = [text for key, value in options.items() for text in (f"--{key}", str(value))]
    run("bench", "generate", "--out", where, "--bytes", size, *extra)
    return where


def replay(source, out, *args, code=0):
    done = run("replay", source, "--out", out, "--json", "--no-progress", *FIXED, *args, code=code)
    return json.loads(done.stdout.splitlines()[-1])


def documents(out):
    text = b"".join(subprocess.run(["zstd", "-dcq", path], capture_output=True, check=True).stdout
                    for path in sorted((out / "documents").iterdir()))
    return sorted(text.splitlines())


def signals(out):
    rows = sqlite3.connect(out / "signals.db").execute(
        "select id, rule_id, severity, first_seen_ns, last_seen_ns, group_by, events_matched, accounts,"
        " regions, actors, source_ips, closed, late from signals order by id").fetchall()
    return rows, sorted((out / "signals.ndjson").read_text().splitlines())


def state_of(out):
    return hashlib.sha256(b"\n".join(documents(out))).hexdigest(), signals(out)


def adds_up(summary):
    r = summary["records"]
    assert r["in"] == r["delivered"] + r["duplicate"] + r["excluded"] + r["filtered"] + r["dead"] + r["held"], r


def case_summary():
    data = generate()
    summary = replay(data / "AWSLogs", WORK / "out")
    adds_up(summary)
    assert summary["status"] == "done"
    docs = documents(WORK / "out")
    assert len(docs) == summary["records"]["delivered"] > 5000
    first = json.loads(docs[0])
    assert first["_index"].startswith("log-aws-cloudtrail-2025-"), first["_index"]
    assert first["_id"] == first["_source"]["eventID"]
    assert first["_source"]["event"]["ingested"].startswith("2025-04-01")
    part = replay(data / "AWSLogs", WORK / "part", "--from", "2025-03-02", "--to", "2025-03-03")
    adds_up(part)
    wanted = sum("2025-03-02T" in json.loads(d)["_source"]["eventTime"] for d in docs)
    assert part["records"]["delivered"] == wanted > 0, (part["records"], wanted)
    assert part["objects"]["pruned"] > 0


def case_planted():
    data = generate()
    replay(data / "AWSLogs", WORK / "out")
    planted = json.loads((data / "expected.json").read_text())["planted"]
    seen = {row[0] for row in sqlite3.connect(WORK / "out/signals.db").execute(
        "select event_id from signal_events")}
    assert len(planted) >= 11, len(planted)
    missed = [p["event_name"] for p in planted if p["event_id"] not in seen]
    assert not missed, missed


def case_shards():
    data = generate()
    want = None
    for count in (1, 2, 3, 7):
        out = WORK / f"out{count}"
        replay(data / "AWSLogs", out, "--shards", count, "--set", "commit.interval=20ms")
        got = state_of(out)
        want = want or got
        assert got == want, f"{count} shards differ from 1"
    assert len(want[1][0]) > 5


def case_capacity_one():
    data = generate(size="8MiB")
    replay(data / "AWSLogs", WORK / "a")
    replay(data / "AWSLogs", WORK / "b", "--shards", "3", "--set", "mailbox.capacity=1",
           "--set", "commit.interval=10ms")
    assert state_of(WORK / "a") == state_of(WORK / "b")


def stopped_while_open(source, out):
    """Interrupts a run when it has written some documents; the objects that are open then."""
    def files():
        return {path.name for path in (out / "documents").glob("*") if path.stat().st_size > 1 << 20}

    before = files()
    child = subprocess.Popen(
        [BINARY, "replay", str(source), "--out", str(out), "--no-progress", *FIXED, "--shards", "1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while child.poll() is None and files() == before:
        time.sleep(0.005)
    child.send_signal(signal.SIGINT)
    assert child.wait() == 6, (child.returncode, child.stderr.read())
    with sqlite3.connect(out / "checkpoint.db") as db:
        return [os.path.basename(path).decode() for (path,) in db.execute("select path from open_objects")]


def many_records(first, count):
    texts = [os.urandom(900).hex() for _ in range(64)]
    return b'{"Records":[' + b",".join(json.dumps({
        "eventID": f"{first + i:08d}-x", "eventTime": "2025-03-04T05:06:07Z", "eventName": "GetObject",
        "eventSource": "s3.amazonaws.com", "awsRegion": "eu-west-1", "userAgent": texts[i % 64]}).encode()
        for i in range(count)) + b"]}"


def case_open_twice():
    """What an object gave is not given again when two later runs end before its turn comes."""
    source = WORK / "data/AWSLogs/123456789012/CloudTrail/eu-west-1/2025/03/04"
    source.mkdir(parents=True)
    (source / "first.json").write_bytes(many_records(0, 25000))
    assert stopped_while_open(WORK / "data", WORK / "out") == ["first.json"]
    (source / "larger.json").write_bytes(many_records(1000000, 35000))
    assert "first.json" in stopped_while_open(WORK / "data", WORK / "out")
    summary = replay(WORK / "data", WORK / "out")
    adds_up(summary)
    ids = [json.loads(d)["_id"] for d in documents(WORK / "out")]
    assert len(ids) == len(set(ids)) == 60000 == summary["records"]["in"], (len(ids), summary)
    assert summary["by_type"]["cloudtrail"]["records"] == 60000, summary
    # what earlier runs read is in the counts, but is not this run's speed
    again = run("replay", WORK / "data", "--out", WORK / "out", "--no-progress").stdout
    assert "records    60000 in" in again and ", 0 records/s, 0 MB/s\n" in again, again


def case_early():
    """An object that is a large part of all bytes is read first, whatever its day; once, also after a stop."""
    root = WORK / "data/AWSLogs/123456789012/CloudTrail/eu-west-1/2025/03"
    for day in range(1, 6):
        (root / f"{day:02}").mkdir(parents=True)
        (root / f"{day:02}/small.json").write_bytes(many_records(day * 100000, 10))
    (root / "04/huge.json").write_bytes(many_records(5000000, 9000))
    (root / "05/large.json").write_bytes(many_records(9000000, 6000))
    assert (root / "05/large.json").stat().st_size > 8 << 20

    def order(out):
        texts = [subprocess.run(["zstd", "-dcq", path], capture_output=True, check=True).stdout
                 for path in sorted((out / "documents").iterdir())]
        return [int(json.loads(line)["_id"][:8]) for line in b"".join(texts).splitlines()]

    replay(WORK / "data", WORK / "out", "--shards", "1")
    huge, large = list(range(5000000, 5009000)), list(range(9000000, 9006000))
    small = [day * 100000 + i for day in range(1, 6) for i in range(10)]
    assert order(WORK / "out") == huge + large + small, order(WORK / "out")[:3]
    # named alone and in a folder that is a source as well, an object is read for each of them, as ever
    done = run("replay", WORK / "data", root / "05/large.json", WORK / "data", "--out", WORK / "both", "--json",
               "--no-progress", *FIXED)
    both = json.loads(done.stdout.splitlines()[-1])
    assert both["objects"]["listed"] == 15, both["objects"]
    assert stopped_while_open(WORK / "data", WORK / "stopped") == ["huge.json"]
    adds_up(replay(WORK / "data", WORK / "stopped", "--shards", "2"))
    assert sorted(order(WORK / "stopped")) == sorted(huge + large + small)


def event(number):
    return {"eventTime": "2025-03-04T05:06:07Z", "eventSource": "s3.amazonaws.com", "eventName": "GetObject",
            "eventID": f"{number:08d}-0000-4000-8000-000000000000", "awsRegion": "eu-west-1",
            "recipientAccountId": "123456789012"}


def case_damage():
    day = WORK / "d/AWSLogs/123456789012/CloudTrail/eu-west-1/2025/03/04"
    day.mkdir(parents=True)
    good = json.dumps({"Records": [event(1), event(2)]}).encode()
    packed = gzip.compress(good)
    (day / "a good.json.gz").write_bytes(packed)
    (day / "b empty.json.gz").write_bytes(b"")
    long = dict(event(9), requestParameters={"x": os.urandom(4000).hex()})
    (day / "c cut.json.gz").write_bytes(gzip.compress(json.dumps({"Records": [event(6), long]}).encode())[:-900])
    flipped = bytearray(gzip.compress(json.dumps({"Records": [event(3)]}).encode()))
    flipped[-6] ^= 0xFF
    (day / "d crc.json.gz").write_bytes(bytes(flipped))
    (day / "e bad\nrecord.json").write_bytes(
        b'{"Records":[' + json.dumps(event(4)).encode() + b',{"eventTime":tru},' + json.dumps(event(5)).encode() + b"]}")
    (day / "f no time.json").write_text('{"Records":[{"a":1}]}')
    os.symlink(day, day / "g loop")
    (WORK / "d/notes.txt").write_text("no log at all")
    os.mkfifo(day / "h fifo")
    summary = replay(WORK / "d", WORK / "out")
    adds_up(summary)
    docs = [json.loads(d) for d in documents(WORK / "out")]
    ids = sorted(d["_id"][:8] for d in docs if d["_source"]["event"]["kind"] == "event")
    assert ids == ["00000001", "00000002", "00000003", "00000004", "00000005", "00000006"], ids
    assert [d["_source"]["@message"] for d in docs if d["_id"][:8] not in ids] == ['{"a": 1}'], docs
    o = summary["objects"]
    assert (o["empty"], o["unknown"]) == (1, 1), o
    assert o["damaged"] == 2, o
    dead = subprocess.run(["zstd", "-dcq", WORK / "out/dead-letters.ndjson.zst"], capture_output=True, check=True)
    rows = [json.loads(line) for line in dead.stdout.splitlines()]
    stages = sorted(row["stage"] for row in rows)
    assert summary["by_type"]["cloudtrail"]["unparsed"] == 1, summary
    assert stages.count("crc") == 1 and stages.count("parse") == 1 and stages.count("classify") == 1, rows
    again = replay(WORK / "d", WORK / "out")
    assert again["records"] == summary["records"], (again["records"], summary["records"])


def case_job():
    data = generate(size="2MiB")
    out = WORK / "out"
    replay(data / "AWSLogs", out)
    before = state_of(out)
    done = run("replay", data / "AWSLogs", "--out", out, "--from", "2025-03-02", code=2)
    assert "from" in done.stderr, done.stderr
    day = data / "AWSLogs/o-exampleorg1/999999999999/CloudTrail/eu-west-1/2025/03/01"
    day.mkdir(parents=True)
    (day / "late.json").write_text(json.dumps({"Records": [event(77)]}))
    summary = replay(data / "AWSLogs", out)
    adds_up(summary)
    after = documents(out)
    assert len(after) == summary["records"]["delivered"]
    assert any(b"00000077" in line for line in after)
    assert state_of(out) != before
    run("replay", data / "AWSLogs", "--out", out, "--from", "2025-03-02", "--fresh", "--no-progress")
    assert oct((out).stat().st_mode)[-3:] == "700"
    run("replay", WORK / "nowhere", "--out", WORK / "x", code=1)
    run("replay", "--frm", "x", code=2)


def tree(where):
    return {str(path.relative_to(where)): path.read_bytes() if path.is_file() else None
            for path in sorted(where.rglob("*"))}


def mode(path):
    return oct(path.stat().st_mode)[-3:]


def case_foreign():
    """A folder that is not a run's is refused before anything in it changes; in one that is, only
    files of the run are ever removed."""
    data = generate(size="2MiB")
    for name in ("documents/thesis.txt", "state/notes.txt", "signals.ndjson", "readme", "lock", ".hidden"):
        path = WORK / f"of {name.replace('/', ' ')}" / name
        path.parent.mkdir(parents=True)
        path.write_text("mine\n")
    other = WORK / "of sqlite"
    other.mkdir()
    with sqlite3.connect(other / "checkpoint.db") as db:
        db.execute("create table job(model text)")
    db.close()
    for out in sorted(WORK.glob("of *")):
        before = tree(out)
        for more in ((), ("--fresh",)):
            done = run("replay", data / "AWSLogs", "--out", out, "--no-progress", *more, code=2)
            assert done.stderr.count("\n") == 1 and "not a folder of penstock's" in done.stderr, done.stderr
            assert tree(out) == before, tree(out).keys()
    out = WORK / "out"
    out.mkdir(mode=0o755)
    replay(data / "AWSLogs", out)
    want = state_of(out)
    mine = [out / "readme", out / "documents/thesis.txt", out / "state/a.txt", out / "state/run-1-0.zst.bak"]
    for path in mine:
        path.write_text("mine\n")
    ours = [out / "documents/a.000-999999.ndjson.zst", out / "state/run-999-0.zst"]
    for path in ours:
        path.write_text("left by a run that was killed\n")
    (out / "documents").chmod(0o755)
    replay(data / "AWSLogs", out)
    assert not any(path.exists() for path in ours)
    replay(data / "AWSLogs", out, "--fresh")
    assert all(path.read_text() == "mine\n" for path in mine)
    mine[1].unlink()
    assert state_of(out) == want
    assert [mode(path) for path in (out, out / "documents", out / "state")] == ["700"] * 3
    killed = WORK / "killed"  # before its checkpoint
    (killed / "documents").mkdir(parents=True)
    (killed / "lock").touch()
    replay(data / "AWSLogs", killed)
    (out / "checkpoint.db").write_bytes(b"damaged" * 1000)
    replay(data / "AWSLogs", out, "--fresh")
    assert mine[0].exists() and state_of(out) == want
    (out / "signals.db").write_bytes(b"damaged" * 1000)
    done = run("replay", data / "AWSLogs", "--out", out, "--no-progress", "--fresh", *FIXED, code=1)
    assert "signals.db is damaged" in done.stderr and "move it away" in done.stderr, done.stderr
    (out / "signals.db").unlink()
    replay(data / "AWSLogs", out)
    assert state_of(out) == want


def case_rules():
    bad = WORK / "rules"
    bad.mkdir()
    (bad / "good.yml").write_text("title: g\nlogsource: {product: aws}\ndetection:\n  s: {a: b}\n  condition: s\n")
    (bad / "bad.yml").write_text("title: b\nlogsource: {product: aws}\ndetection:\n  s: {a|nope: b}\n  condition: s\n")
    done = run("rules", "check", bad, code=4)
    assert "bad.yml:4:" in done.stdout and "nope" in done.stdout, done.stdout
    assert len(run("rules", "list").stdout.splitlines()) >= 25
    data = generate(size="2MiB")
    summary = replay(data / "AWSLogs", WORK / "out", "--rules", bad, code=7)
    assert (summary["rules"]["loaded"], summary["rules"]["rejected"]) == (1, 1), summary["rules"]


try:
    globals()[f"case_{CASE}"]()
finally:
    subprocess.run(["rm", "-rf", str(WORK)], check=False)
print("ok", CASE)
