#!/usr/bin/env python3
"""test_dead_letters.py PENSTOCK CASE - what was refused, through `dead-letters list`, `show` and
`retry`; after a retry over mended objects the folder is that of a run that never saw damage."""
import collections
import fcntl
import gzip
import json
import os
import pty
import random
import re
import resource
import signal
import sqlite3
import subprocess
import time

from kit import (BINARY, CASE, DAY, FIXED, WORK, Folder, adds_up, documents, event, lines_of, main, records,
                 replay, run)

SEED = int(os.environ.get("PENSTOCK_SEED", "20250304"))


def alarm(number):
    """An event that a rule of the built-in pack sees."""
    return json.dumps(dict(event(number), eventSource="cloudtrail.amazonaws.com", eventName="StopLogging",
                           userIdentity={"type": "IAMUser", "arn": f"arn:aws:iam::123456789012:user/u{number % 5}"},
                           requestParameters={"name": "org"}, sourceIPAddress="192.0.2.7")).encode()


def dead_letters(*args, code=0):
    return run("dead-letters", *args, code=code)


def listed(out, *args):
    return [json.loads(line) for line in dead_letters("list", "--json", "--out", out, *args).stdout.splitlines()]


def retry(out, *args, code=0):
    """The summary of a retry."""
    done = dead_letters("retry", "--json", "--no-progress", "--out", out, *args, code=code)
    summary = json.loads(done.stdout.splitlines()[-1])
    adds_up(summary)
    return summary


def signals_of(out):
    with sqlite3.connect(out / "signals.db") as db:
        rows = db.execute("select id, rule_id, severity, first_seen_ns, last_seen_ns, group_by, events_matched,"
                          " accounts, regions, actors, source_ips, closed, late from signals order by id").fetchall()
        events = db.execute("select signal_id, event_id, object, record, query, event from signal_events"
                            " order by 1, 2").fetchall()
    return rows, events, sorted((out / "signals.ndjson").read_text().splitlines())


def content(out):
    """Every line of the documents, none twice, and the signals."""
    lines = sorted(json.dumps(d, sort_keys=True) for d in documents(out))
    return lines, signals_of(out)


def counted(summary):
    """What two runs that ended with the same must say alike."""
    keep = ("objects", "records", "by_type", "event_time", "matches", "signals", "gaps", "status", "accounts",
            "regions")
    return {**{key: summary[key] for key in keep},
            "bytes": {key: summary["bytes"][key] for key in ("read", "plain")}}


def undisturbed(root):
    whole = WORK / f"whole{time.monotonic_ns()}"
    return replay(root, whole), content(whole)


def as_undisturbed(root, out, summary, wanted=None):
    want, expected = wanted or undisturbed(root)
    got = content(out)
    assert got[0] == expected[0], (len(got[0]), len(expected[0]),
                                   list((collections.Counter(got[0]) - collections.Counter(expected[0])))[:2],
                                   list((collections.Counter(expected[0]) - collections.Counter(got[0])))[:2])
    assert got[1] == expected[1], (got[1][0], expected[1][0])
    a, b = counted(summary), counted(want)
    assert a == b, {key: (a[key], b[key]) for key in a if a[key] != b[key]}


def flipped(data, at, bit=1):
    wrong = bytearray(data)
    wrong[at] ^= bit
    return bytes(wrong)


class Damaged(Folder):
    """A folder with one object of each kind of damage, and what they were to be."""

    def __init__(self, name="data"):
        super().__init__(name)
        texts = [os.urandom(300).hex() for _ in range(40)]
        long = [json.dumps(event(1000 + i, x=text)).encode() for i, text in enumerate(texts)]
        self.mended = {}
        self.put("good.json.gz", gzip.compress(records(10, alarm(11), 12)))
        whole = gzip.compress(records(20, alarm(21), *long, alarm(22)))
        self.damage("cut.json.gz", whole, whole[:-2000])
        whole = gzip.compress(records(30, alarm(31), 32))
        self.damage("crc.json.gz", whole, flipped(whole, len(whole) - 6))
        whole = records(40, alarm(41), 42)
        self.damage("record.json", whole, whole.replace(b'"eventName": "StopLogging"', b'"eventName": tru'))
        # The quote that is missing takes the next record along.
        whole = records(50, 51, alarm(52), 53)
        self.damage("quote.json", whole, whole.replace(b'"eventID": "00000051-0000-4000-8000-000000000000"',
                                                       b'"eventID": "00000051-0000-4000-8000-000000000000'))
        (self.root / "elsewhere.json").write_bytes(b"neither key nor content tell a type")
        self.damage("notes.json", records(60, alarm(61)), b"\x1b[31mno\xe2\x80\xaelog\nat all\n")

    def damage(self, name, whole, damaged):
        assert whole != damaged, name
        self.mended[name] = whole
        self.put(name, damaged)

    def mend(self, *names):
        for name in names or self.mended:
            self.put(name, self.mended[name])
        if not names:
            (self.root / "elsewhere.json").write_bytes(records(65, alarm(66)))


def case_dead_list():
    f = Damaged()
    out = WORK / "out"
    replay(f.root, out)
    letters = lines_of(out / "dead-letters.ndjson.zst")
    rows = listed(out)
    assert sum(r["count"] for r in rows) == len(letters) > 6, rows
    keys = [(r["stage"], r["status"], r["reason"], r["object"]) for r in rows]
    assert keys == sorted(set(keys)) and not any(r["retried"] for r in rows), rows
    stages = {r["stage"]: r for r in rows}
    assert ("decode", "E_TRUNCATED", f"{DAY}/cut.json.gz") in {(k[0], k[1], k[3]) for k in keys}, rows
    assert stages["crc"]["object"] == f"{DAY}/crc.json.gz", rows
    assert [r["stage"] for r in listed(out, "--stage", "crc")] == ["crc"]
    assert {r["stage"] for r in listed(out, "--status", "e_truncated")} == {"decode"}
    table = dead_letters("list", "--out", out).stdout.decode()
    assert "E_TRUNCATED" in table and "cut.json.gz" in table and "\x1b" not in table, table
    assert stages["classify"]["object"] == "elsewhere.json", rows
    for row in rows:
        (one,) = dead_letters("show", "--json", "--out", out, str(row["first"])).stdout.splitlines()
        letter = json.loads(one)
        assert letter == {**letters[row["first"] - 1], "number": row["first"], "retried": False}, letter
        assert len(letter["excerpt"]) <= 512
    shown = dead_letters("show", "--out", out, "notes.json", "cut.json.gz").stdout.decode()
    assert shown.count("dead letter ") == sum(r["count"] for r in rows if "notes" in r["object"]) + 1, shown
    assert "\\x1b" in shown and "\\u{202e}log" in shown and "\x1b" not in shown and "\u202e" not in shown, shown
    assert "excerpt" in shown and "at byte" in shown, shown
    ours, theirs = pty.openpty()
    child = subprocess.Popen([BINARY, "dead-letters", "list", "--out", out], stdout=theirs,
                             stderr=subprocess.DEVNULL, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 65536):
            text += part
    except OSError:
        pass
    os.close(ours)
    assert child.wait() == 0
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]", re.sub(rb"\x1b\[[0-9;]*m", b"", text)), text


def case_dead_usage():
    f = Folder()
    out = WORK / "out"
    replay(f.root, out)
    assert listed(out) == [] and dead_letters("list", "--out", out).stdout == b""
    for args, code, words in (
            (["lsit"], 2, "did you mean list?"),
            (["list", "--stages", "crc", "--out", out], 2, "--stage"),
            (["list", "x", "--out", out], 2, "takes no object"),
            (["show", "--out", out], 2, "number of a letter"),
            (["show", "3", "--out", out], 1, "no dead letter"),
            (["list", "--out", WORK / "nowhere"], 1, "no checkpoint.db"),
            (["retry", "--out", WORK / "nowhere"], 1, "no checkpoint.db"),
            (["retry", "nobody.gz", "--out", out, "--no-progress"], 1, "no refused object of this job"),
            (["retry", "--out"], 2, "wants a value")):
        done = dead_letters(*args, code=code)
        assert words in done.stderr.decode() and done.stdout == b"", (args, done.stderr)
    assert not (WORK / "nowhere").exists()
    text = dead_letters("--help").stdout.decode()
    assert 4 < len(text.splitlines()) <= 24 and max(map(len, text.splitlines())) <= 100, text
    before = content(out)
    summary = retry(out)
    assert summary["retry"] == {"objects": 0, "left": 0, "refused": 0}, summary
    assert content(out) == before
    with open(out / "lock", "a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert b"in use" in dead_letters("retry", "--out", out, code=2).stderr
        assert listed(out) == []


def case_dead_retry():
    f = Damaged()
    out = WORK / "out"
    first = replay(f.root, out)
    assert first["objects"]["damaged"] == 4 and first["objects"]["unknown"] == 1, first["objects"]
    before = content(out)
    again = retry(out)  # nothing is mended: the same again
    assert again["retry"] == {"objects": 6, "left": 0, "refused": 6}, again["retry"]
    assert content(out) == before and counted(again) == counted(first)
    assert len(listed(out)) * 2 == len(listed(out, "--all"))
    f.mend("cut.json.gz", "record.json")
    part = retry(out, "cut.json.gz", f"{DAY}/record.json")
    assert part["retry"] == {"objects": 2, "left": 0, "refused": 0}, part["retry"]
    assert {os.path.basename(r["object"]) for r in listed(out)} == {"crc.json.gz", "quote.json", "notes.json", "elsewhere.json"}
    as_undisturbed(f.root, out, part)
    f.mend()
    last = retry(out)
    assert last["retry"] == {"objects": 4, "left": 0, "refused": 0}, last["retry"]
    assert last["records"]["dead"] == 0 and last["objects"]["damaged"] == 0, last
    as_undisturbed(f.root, out, last)
    assert listed(out) == [] and all(r["retried"] for r in listed(out, "--all")) and listed(out, "--all")
    marks = [line for line in lines_of(out / "dead-letters.ndjson.zst") if line["stage"] == "retry"]
    assert len(marks) == 12 and {m["status"] for m in marks} == {"OK"}, marks
    # The mark says which files hold what the retry delivered.
    number = re.search(r"from number (\d+) on", marks[-1]["reason"])[1]
    late = {d["_source"]["@log_s3key"] for path in (out / "documents").iterdir()
            if re.search(r"-(\d+)\.ndjson", path.name)[1] >= number for d in lines_of(path)}
    assert late == {"elsewhere.json", *(f"{DAY}/{name}" for name in ("crc.json.gz", "quote.json", "notes.json"))}, late
    with sqlite3.connect(out / "signals.db") as db:
        commands = [row[0] for row in db.execute("select command_line from jobs order by start_ns")]
    assert [("dead-letters retry" in c) for c in commands] == [False, True, True, True], commands
    done = replay(f.root, out)
    assert counted(done) == counted(last)


def case_dead_flips():
    """Any one flipped bit: what damage made up is gone after the retry, also from the signals."""
    rng = random.Random(SEED)
    print("seed", SEED)
    f = Folder()
    mended = {}
    for i in range(150):
        whole = records(*(alarm(1000 * i + n) if n % 7 == 3 else 1000 * i + n for n in range(20)))
        whole = gzip.compress(whole) if i % 3 else whole
        name = f"flip {i:03d}.json"
        mended[name] = whole
        f.put(name, flipped(whole, rng.randrange(len(whole)), 1 << rng.randrange(8)))
    first = replay(f.root, WORK / "out", "--shards", "3", "--set", "commit.interval=10ms")
    made_up = {d["_id"] for d in documents(WORK / "out")}
    assert first["objects"]["damaged"] > 50, first["objects"]
    refused = {os.path.basename(r["object"]) for r in listed(WORK / "out")}
    for name in refused:
        f.put(name, mended[name])
    last = retry(WORK / "out")
    assert last["retry"] == {"objects": len(refused), "left": 0, "refused": 0}, last["retry"]
    as_undisturbed(f.root, WORK / "out", last)
    assert made_up - {d["_id"] for d in documents(WORK / "out")}, "no flip made up an id: the test shows nothing"


def emptied(folder):
    for path in folder.day.iterdir():
        path.unlink()
    return folder


def closings(out):
    return [row[-2] for row in signals_of(out)[0]]


def case_dead_closings():
    """A signal is closed when an event time passed its bounds: not because a commit fell before the last
    one, not by the day in the key of an object, and not by a time that damage made up."""
    f = emptied(Folder())
    later = f.root / DAY.replace("/03/04", "/03/20")
    later.mkdir(parents=True)
    for i in range(400):  # smaller, so read after the others; their events do not reach that day
        (later / f"late {i:03d}.json").write_bytes(records(i))
    often = ["--shards", "3", "--set", "commit.interval=1ms"]
    filler = json.dumps(event(13, x=os.urandom(9000).hex())).encode()
    f.put("good.json", records(10, alarm(11), filler))
    replay(f.root, WORK / "days", *often)
    assert closings(WORK / "days") == [0], signals_of(WORK / "days")
    whole = records(20, alarm(22).replace(b"T05:", b"T03:"), filler.replace(b"00000013", b"00000023"))
    f.put("flip.json", whole[:-5000].replace(b"2025-03-04T05", b"2025-07-04T05", 1))
    replay(f.root, WORK / "out", *often)
    assert closings(WORK / "out") == [1, 1], signals_of(WORK / "out")
    f.put("flip.json", whole)
    last = retry(WORK / "out")
    assert sorted(closings(WORK / "out")) == [0, 1], signals_of(WORK / "out")
    as_undisturbed(f.root, WORK / "out", last)


def case_dead_step():
    """A commit that begins while the last object is read, and holds all of it, is not the last one."""
    f = emptied(Folder())
    for i in range(8):  # larger, so read before the other; each calls for a commit
        f.put(f"first {i}.json", records(i, b"[]", json.dumps(event(100 + i, x=os.urandom(60000).hex())).encode()))
    text = "0123456789abcdef" * 25000  # a shard takes 100 such records in one step
    whole = gzip.compress(records(alarm(41), *(json.dumps(event(1000 + i, x=text)).encode() for i in range(100))))
    f.put("step.json.gz", flipped(whole, len(whole) - 6))
    first = WORK / "first"
    replay(f.root, first, "--shards", "1", "--set", "commit.interval=1ms")
    assert closings(first) == [0], signals_of(first)
    for i in range(8):
        f.put(f"first {i}.json", (f.day / f"first {i}.json").read_bytes().replace(b",[],", b","))
    f.put("step.json.gz", whole)
    wanted = undisturbed(f.root)
    for i in range(4):
        subprocess.run(["cp", "-a", first, WORK / f"out{i}"], check=True)
        as_undisturbed(f.root, WORK / f"out{i}", retry(WORK / f"out{i}"), wanted)


def case_dead_gone():
    """An object that is not there any more keeps what it gave; a sound namesake is not mixed up."""
    f = Damaged()
    out = WORK / "out"
    replay(f.root, out)
    before = content(out)
    (f.day / "cut.json.gz").rename(WORK / "kept")
    done = dead_letters("retry", "--json", "--no-progress", "--out", out, "cut.json.gz", code=7)
    assert json.loads(done.stdout)["retry"] == {"objects": 0, "left": 1, "refused": 1}, done.stdout
    assert b"left as it is" in done.stderr and content(out) == before
    # what cannot be read is a gap, as for a replay; damage is one when it is asked for
    retry(out, "cut.json.gz", "--allow-gaps")
    retry(out, "crc.json.gz")
    retry(out, "crc.json.gz", "--strict", code=7)
    assert content(out) == before
    (WORK / "kept").rename(f.day / "cut.json.gz")
    other = Folder("other")
    other.put("cut.json.gz", gzip.compress(records(70, 71)))
    (WORK / "twins").mkdir()
    run("replay", f.root, other.root, "--out", WORK / "twins/out", "--no-progress", *FIXED)
    before = content(WORK / "twins/out")
    done = dead_letters("retry", "--out", WORK / "twins/out", "cut.json.gz", code=2)
    assert b"another object of this key" in done.stderr, done.stderr
    assert content(WORK / "twins/out") == before
    f.mend("crc.json.gz")
    assert retry(WORK / "twins/out", "crc.json.gz")["retry"]["refused"] == 0
    # The same file by two ways: each has its own key, both are taken back.
    f = Damaged("ways")
    run("replay", f.root, f.day / "cut.json.gz", "--out", WORK / "ways-out", "--no-progress", *FIXED)
    f.mend()
    assert retry(WORK / "ways-out", "cut.json.gz")["retry"] == {"objects": 2, "left": 0, "refused": 0}
    run("replay", f.root, f.day / "cut.json.gz", "--out", WORK / "ways-whole", "--no-progress", *FIXED)
    assert retry(WORK / "ways-out")["records"]["dead"] == 0
    assert content(WORK / "ways-out") == content(WORK / "ways-whole")


def case_dead_forged():
    """A record that names another object's key where documents hold theirs is not taken for it."""
    f = Folder()
    key = f"{DAY}/cut.json.gz"
    forged = [json.dumps({"@log_s3key": key, **event(80)}).encode(),
              json.dumps(event(81, requestParameters={"@log_s3key": key})).encode(),
              json.dumps(event(82, requestParameters={"x": f'"@log_s3key":"{key}"', "_source": {"@log_s3key": key}})).encode(),
              json.dumps({**event(83), "\u0040log_s3key": key}).replace("@", "\\u0040").encode()]
    f.put("forged.json", records(*forged))
    whole = gzip.compress(records(90, alarm(91), json.dumps(event(92, x=os.urandom(3000).hex())).encode()))
    f.put("cut.json.gz", whole[:-900])
    replay(f.root, WORK / "out")
    f.put("cut.json.gz", whole)
    as_undisturbed(f.root, WORK / "out", retry(WORK / "out"))


def case_dead_sinks():
    """Without documents, or with those of a null sink, a retry still mends signals and counters."""
    for name, more in (("signals", ["--signals-only"]), ("null", ["--sink", "null"]),
                       ("range", ["--from", "2025-03-04T05:00:00Z", "--to", "2025-03-05"])):
        f = Damaged(name)
        out = WORK / f"out-{name}"
        os.chdir(f.root.parent)
        replay(name, out, *more)
        os.chdir("/")
        f.mend()
        last = retry(out)
        want = replay(f.root, WORK / f"whole-{name}", *more)
        assert signals_of(out) == signals_of(WORK / f"whole-{name}")
        assert counted(last) == counted(want), (name, counted(last), counted(want))


def case_dead_running():
    """What is committed can be listed while the run goes on, and does not stand in its way."""
    f = Folder()
    for i in range(300):
        f.put(f"part {i:03d}.json", records(*range(1000 * i, 1000 * i + 60), b'{"eventName":tru}'))
    child = subprocess.Popen([BINARY, "replay", f.root, "--out", WORK / "out", "--no-progress", *FIXED,
                              "--set", "commit.interval=10ms"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    seen = [0]
    while child.poll() is None:
        done = dead_letters("list", "--json", "--out", WORK / "out", code=None)
        if done.returncode != 0:
            assert done.returncode == 1 and (b"no checkpoint.db" in done.stderr or b"just begun" in done.stderr), done
            continue
        seen.append(sum(json.loads(line)["count"] for line in done.stdout.splitlines()))
    assert child.returncode == 0, child.stderr.read()
    assert seen == sorted(seen) and sum(row["count"] for row in listed(WORK / "out")) == 300, seen
    print("seen", sorted(set(seen)))


def case_dead_changed():
    """An object that changed between two runs while it was half read: all of it is read again."""
    f = Folder()
    texts = [os.urandom(900).hex() for _ in range(64)]
    long = [alarm(i) if i % 5000 == 7 else json.dumps(event(i, x=texts[i % 64])).encode() for i in range(100, 30000)]
    f.put("half.json", records(*long))
    out = WORK / "out"
    child = subprocess.Popen([BINARY, "replay", f.root, "--out", out, "--no-progress", *FIXED, "--shards", "1"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while child.poll() is None and not any(p.stat().st_size > 1 << 20 for p in (out / "documents").glob("*")):
        time.sleep(0.005)
    child.send_signal(signal.SIGINT)
    assert child.wait() == 6
    f.put("half.json", records(*long[5:20000], alarm(50000)))
    changed = replay(f.root, out, code=7)
    assert changed["objects"]["unreadable"] == 1 and changed["records"]["delivered"] > 100, changed
    assert [(r["stage"], r["status"]) for r in listed(out)] == [("fetch", "E_CHANGED")], listed(out)
    last = retry(out)
    assert last["gaps"] == [] and last["retry"] == {"objects": 1, "left": 0, "refused": 0}, last
    as_undisturbed(f.root, out, last)


def case_dead_full():
    """Without room for the new files nothing has happened."""
    f = Damaged()
    out = WORK / "out"
    replay(f.root, out)
    before, letters = content(out), listed(out)
    f.mend()
    for room in (100, 2000, 8000, 20000):
        done = run("dead-letters", "retry", "--out", out, code=None,
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)))
        assert done.returncode in (1, 6) and done.stderr, (room, done)
        assert content(out) == before and listed(out) == letters, room
    as_undisturbed(f.root, out, retry(out))


def case_dead_kill():
    """A retry that is killed leaves a job that the same replay, or another retry, ends as it should."""
    rng = random.Random(SEED)
    f = Damaged()
    noise = [json.dumps(event(200000 + i, x=os.urandom(300).hex())).encode() for i in range(2000)]
    for i in range(4):
        f.put(f"noise {i}.json.gz", gzip.compress(records(*noise[i::4], alarm(3000 + i))))
    replay(f.root, WORK / "first")
    f.mend()
    wanted = undisturbed(f.root)
    kills = turn = 0
    while kills < int(os.environ.get("PENSTOCK_KILLS", "5")):
        turn += 1
        assert turn < 100 * (1 + kills), "it ends before it can be killed"
        out = WORK / f"out{turn}"
        subprocess.run(["cp", "-a", WORK / "first", out], check=True)
        child = subprocess.Popen([BINARY, "dead-letters", "retry", "--out", out, "--no-progress"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            child.wait(timeout=rng.uniform(0.005, 0.15))
        except subprocess.TimeoutExpired:
            child.send_signal(rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGINT)))
            assert child.wait() in (-signal.SIGKILL, -signal.SIGINT, 0, 1, 6), child.returncode
            kills += child.returncode != 0
        if turn % 2:
            retry(out)
        else:
            replay(f.root, out)  # reads what was taken back; what was not yet stays refused
        as_undisturbed(f.root, out, retry(out), wanted)
        subprocess.run(["rm", "-rf", out], check=True)


assert CASE
main(globals())
