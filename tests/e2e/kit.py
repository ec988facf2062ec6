"""kit.py - what the end-to-end tests of bad input share: made folders, replays, what they left."""
import gzip
import hashlib
import io
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

BINARY, CASE = os.path.abspath(sys.argv[1]), sys.argv[2]
WORK = pathlib.Path(tempfile.mkdtemp(prefix="penstock-e2e-"))
# A sanitizer's own memory says nothing of the program's.
IS_SANITIZED = any(mark in pathlib.Path(BINARY).read_bytes() for mark in (b"__asan_init", b"__tsan_init"))
FIXED = ["--set", "document.ingested=2025-04-01T00:00:00Z"]
DAY = "AWSLogs/123456789012/CloudTrail/eu-west-1/2025/03/04"
TIME_MAX_S = 600  # a run that hangs; nothing here is a measure of speed


def run(*args, code=0, **options):
    done = subprocess.run([BINARY, *map(os.fsencode, map(os.fspath, map(text_of, args)))],
                          capture_output=True, check=False, timeout=TIME_MAX_S, **options)
    if code is not None and done.returncode != code:
        sys.exit(f"{args}: exit {done.returncode}, wanted {code}\n{done.stdout[-4000:]!r}\n"
                 f"{done.stderr[-4000:].decode('utf-8', 'replace')}")
    return done


def text_of(value):
    return value if isinstance(value, (bytes, os.PathLike)) else str(value)


def replay(source, out, *args, code=0, **options):
    """The summary of a run; it must be one strict JSON document and add up."""
    done = run("replay", source, "--out", out, "--json", "--no-progress", *FIXED, *args, code=code,
               **options)
    summary = json.loads(done.stdout.decode("utf-8", "strict").splitlines()[-1])
    adds_up(summary)
    summary["words"] = done.stderr.decode("utf-8", "replace")
    return summary


def adds_up(summary):
    r = summary["records"]
    assert r["in"] == (r["delivered"] + r["duplicate"] + r["excluded"] + r["filtered"] + r["dead"] +
                       r["held"]), r
    assert r["held"] == 0 or summary["status"] == "stopped", summary


def lines_of(path):
    if not path.exists():
        return []
    text = subprocess.run(["zstd", "-dcq", path], capture_output=True, check=True).stdout
    # splitlines() would also end a line at characters that JSON allows inside a string
    return [json.loads(line) for line in io.StringIO(text.decode("utf-8", "strict"))]


def documents(out):
    return [line for path in sorted((out / "documents").iterdir()) for line in lines_of(path)]


def numbers(out):
    """The numbers that event() put into the ids of the delivered documents, sorted."""
    return sorted(int(d["_id"][:8]) for d in documents(out))


def dead(out):
    """Dead letters by object; every one has all members of its line."""
    rows = {}
    for row in lines_of(out / "dead-letters.ndjson.zst"):
        members = {"object", "type", "record", "offset", "stage", "status", "reason", "time", "excerpt"}
        assert set(row) == members, row
        assert row["reason"] and len(row["excerpt"]) <= 512, row
        rows.setdefault(pathlib.PurePosixPath(row["object"]).name, []).append(row)
    return rows


def only(rows, name, stage, status, words):
    """The one dead letter of an object."""
    got = rows.get(name, [])
    assert len(got) == 1, (name, got, list(rows))
    assert (got[0]["stage"], got[0]["status"]) == (stage, status), got
    assert words in got[0]["reason"], got
    return got[0]


def event(number, **more):
    return {"eventVersion": "1.08", "eventTime": "2025-03-04T05:06:07Z", "eventSource": "s3.amazonaws.com",
            "eventName": "GetObject", "eventID": f"{number:08d}-0000-4000-8000-000000000000",
            "awsRegion": "eu-west-1", "recipientAccountId": "123456789012", **more}


def records(*numbers_or_texts):
    """{"Records":[...]} of event numbers and of bytes that go in as they are."""
    parts = [p if isinstance(p, bytes) else json.dumps(event(p)).encode() for p in numbers_or_texts]
    return b'{"Records":[' + b",".join(parts) + b"]}"


def paused_replay(source, out, alter, *args, code=0, signals=(), has_summary=True):
    """Halts a run once it has written documents, alters the world and sends signals, lets it go on:
    its summary, or its words when it gives none."""
    known = set((out / "documents").glob("*"))
    child = subprocess.Popen([BINARY, "replay", source, "--out", out, "--json", "--no-progress", *FIXED, *args],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while not set((out / "documents").glob("*")) - known and time.monotonic() < deadline:
        time.sleep(0.001)
    child.send_signal(signal.SIGSTOP)
    while "\nState:\tT" not in pathlib.Path(f"/proc/{child.pid}/status").read_text() and child.poll() is None:
        time.sleep(0.001)
    try:
        assert child.poll() is None, "the run ended before it was stopped"
        if alter is not None:
            alter()
        for number in signals:
            child.send_signal(number)
    finally:
        child.send_signal(signal.SIGCONT)
        said, words = child.communicate(timeout=TIME_MAX_S)
    assert child.returncode == code, (child.returncode, said, words)
    if not has_summary:
        return words.decode("utf-8", "replace")
    summary = json.loads(said.splitlines()[-1])
    adds_up(summary)
    summary["words"] = words.decode("utf-8", "replace")
    return summary


def generate(name="data", size="16MiB"):
    """A made organisation's week; its folder."""
    run("bench", "generate", "--out", WORK / name, "--bytes", size)
    return WORK / name / "AWSLogs"


def signals_of(out):
    """Signals and their events, in the order of their ids."""
    db = sqlite3.connect(out / "signals.db")
    signals = db.execute("select id, rule_id, severity, first_seen_ns, last_seen_ns, group_by, events_matched,"
                         " accounts, regions, actors, source_ips, closed, late from signals order by id").fetchall()
    events = db.execute("select signal_id, event_id, object, record from signal_events order by 1, 2").fetchall()
    db.close()
    return signals, events


def state_of(out):
    """What must not depend on how often a run was stopped: documents, signals, dead letters."""
    documents = hashlib.sha256()
    with tempfile.TemporaryDirectory(dir=WORK) as sorting:
        text = subprocess.Popen(["zstd", "-dcqr", out / "documents"], stdout=subprocess.PIPE)
        lines = subprocess.Popen(["sort", "-S", "256M", "-T", sorting], stdin=text.stdout, stdout=subprocess.PIPE,
                                 env={**os.environ, "LC_ALL": "C"})
        for chunk in iter(lambda: lines.stdout.read(1 << 20), b""):
            documents.update(chunk)
        assert text.wait() == 0 and lines.wait() == 0
    signals, events = signals_of(out)
    letters = sorted(json.dumps(row) for row in lines_of(out / "dead-letters.ndjson.zst"))
    return documents.hexdigest(), signals, events, sorted((out / "signals.ndjson").read_text().splitlines()), letters


class Folder:
    """A day of CloudTrail objects; the first and the last are good and hold records 1 and 2."""

    def __init__(self, name="data"):
        self.root = WORK / name
        self.day = self.root / DAY
        self.day.mkdir(parents=True)
        self.put("0 first.json.gz", gzip.compress(records(1)))
        self.put("~ last.json.gz", gzip.compress(records(2)))

    def put(self, name, data):
        (self.day / name).write_bytes(data)


def main(cases):
    try:
        cases[f"case_{CASE}"]()
    finally:
        subprocess.run(["rm", "-rf", "--one-file-system", str(WORK)], check=False)
    print("ok", CASE)
