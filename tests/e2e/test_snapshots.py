#!/usr/bin/env python3
"""test_snapshots.py PENSTOCK CASE - snapshots of the state: a resume goes on from them, and the log below them goes."""
import gzip
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess

from kit import BINARY, CASE, FIXED, WORK, main, replay, run
from test_later import make

RULES = [{
    "name": name, "isEnabled": True, "message": "m", "type": "log_detection", "tags": [],
    "queries": [{"query": query, "groupByFields": ["account"], "aggregation": aggregation, "name": "a", **more}],
    "cases": [{"name": "", "status": "high", "condition": condition, "notifications": []}],
    "options": {"detectionMethod": method, "evaluationWindow": 3600 if method == "threshold" else 0, "keepAlive": 3600,
                "maxSignalDuration": 86400, **extra}}
    for name, query, aggregation, condition, method, more, extra in (
        ("many", "source:cloudtrail", "count", "a > 2", "threshold", {}, {}),
        ("kinds", "source:cloudtrail", "cardinality", "a > 1", "threshold", {"distinctFields": ["@evt.name"]}, {}),
        ("new", "source:cloudtrail", "new_value", "", "new_value", {"metrics": ["@eventID"]},
         {"newValueOptions": {"forgetAfter": 7, "learningDuration": 1}}))]


def over(name, id_, parts, condition):
    """A rule over signals of others, by account."""
    return {"name": name, "id": id_, "isEnabled": True, "message": "m", "type": "signal_correlation", "tags": [],
            "queries": [{"ruleId": part, "aggregation": "event_count", "correlatedByFields": ["account"], "name": "abc"[i]} for i, part in enumerate(parts)],
            "cases": [{"name": "", "status": "critical", "condition": condition, "notifications": []}],
            "options": {"detectionMethod": "threshold", "evaluationWindow": 86400, "keepAlive": 86400, "maxSignalDuration": 86400}}


CHAINED = [{**rule, "id": rule["name"]} for rule in RULES] + [over("both", "both", ["many", "kinds"], "a > 0 && b > 0"),
                                                              over("top", "top", ["both", "new"], "a > 0 && b > 0")]


def rules():
    path = WORK / "rules.json"
    path.write_text(json.dumps(CHAINED if "chains" in CASE else RULES))
    return path


def args(*more):
    return ("--rules", rules(), "--rules", "builtin", "--signals-only", "--sink", "null", *map(str, more))


def state_of(out):
    db = sqlite3.connect(out / "signals.db")
    rows = db.execute("select id, rule_id, severity, first_seen_ns, last_seen_ns, group_by, events_matched, "
                      "events_per_query, accounts, closed, late from signals order by id").fetchall()
    events = db.execute("select signal_id, event_id, object, record from signal_events order by 1, 2").fetchall()
    lines = sorted((out / "signals.ndjson").read_text().splitlines())
    return rows, events, lines


def files(out):
    """Names of snapshots and of runs on disk, which are those that the checkpoint names."""
    db = sqlite3.connect(out / "checkpoint.db")
    named = {row[0] for row in db.execute("select name from files where kind in ('run', 'snapshot')")}
    there = {path.name for path in (out / "state").iterdir()}
    assert there == named, (sorted(there), sorted(named))
    assert all(n.startswith(("snapshot-", "stage-", "run-")) for n in there), there
    return sorted(n for n in there if n.startswith("snapshot")), sorted(n for n in there if n.startswith("run"))


def wanted(root, name="whole"):
    summary = replay(root, WORK / name, *args())
    assert summary["signals"]["opened"] > 20, summary["signals"]
    return summary, state_of(WORK / name)


SMALL = ("--set", "state.snapshot_bytes=1KiB", "--set", "commit.interval=1ms")
SUMMARY = ("records", "matches", "signals", "state", "by_type", "event_time")


def case_snapshots_resume():
    """The second run of a job that is done reads no log, tells no signal, and says the same."""
    root = WORK / "data"
    make(root)
    summary, want = wanted(root)
    snapshots, runs = files(WORK / "whole")
    assert snapshots and runs
    for shards in (1, 3, 2):
        again = replay(root, WORK / "whole", *args("--shards", shards))
        assert {k: again[k] for k in SUMMARY} == {k: summary[k] for k in SUMMARY}, (again, summary)
        assert state_of(WORK / "whole") == want
        assert len(files(WORK / "whole")[0]) == shards


def case_snapshots_log():
    """Over its limit the log below the snapshot before the last goes; signals are those of a run that keeps all."""
    root = WORK / "data"
    make(root, per_object=400)
    _, want = wanted(root)
    _, all_runs = files(WORK / "whole")
    for shards in (1, 2):
        out = WORK / f"out{shards}"
        for _ in range(3):
            replay(root, out, *args("--shards", shards, *SMALL))
            assert state_of(out) == want
        snapshots, runs = files(out)
        assert len({name.split("-")[1] for name in snapshots}) == 2, snapshots  # the last one and the one before
        assert len(runs) == 0, (runs, all_runs)


POINTS = ("cut", "run", "dead", "rows", "committed", "release", "snapshot", "named", "signals", "end", "finished")


def killed_at(root, out, point, shards):
    child = subprocess.run([BINARY, "replay", root, "--out", out, "--no-progress", *FIXED,
                            *map(str, args("--shards", shards, *SMALL))],
                           capture_output=True, check=False, env={**os.environ, "PENSTOCK_KILL_AT": point})
    assert child.returncode in (0, -signal.SIGKILL), (point, child.stderr[-1000:])
    return child.returncode != 0


def case_snapshots_killed():
    """Killed at every step of a commit and of a snapshot, resumed with other shards, snapshots small and often."""
    root = WORK / "data"
    make(root, per_object=300)
    _, want = wanted(root)
    random_ = random.Random("snapshots")
    kills = 0
    for number, point in enumerate(POINTS * 2):
        out = WORK / "out"
        for epoch in sorted(random_.sample(range(1, 7), 2)):
            kills += killed_at(root, out, f"{point}@{epoch}", random_.choice([1, 2, 3, 5]))
        replay(root, out, *args("--shards", number % 4 + 1, *SMALL))
        assert state_of(out) == want, point
        files(out)
        shutil.rmtree(out)
    assert kills > 20, kills
    print(kills, "kills")


def case_snapshots_chains():
    """Rules over signals are in snapshots like all others: resumed at any shards, killed at every step, or behind what appeared."""
    root, later = WORK / "data", WORK / "later"
    make(root, per_object=300)
    summary, want = wanted(root)
    told = {row[1] for row in want[0]}
    assert {"both", "top"} <= told, told
    for shards in (1, 3, 2):
        again = replay(root, WORK / "whole", *args("--shards", shards))
        assert {k: again[k] for k in SUMMARY} == {k: summary[k] for k in SUMMARY}, (again, summary)
        assert state_of(WORK / "whole") == want
        stages = sorted(path.name.split("-")[2] for path in (WORK / "whole" / "state").glob("stage-*"))
        assert stages == ["1.zst", "2.zst"] and len(files(WORK / "whole")[0]) == shards, stages
        shown = json.loads(run("state", "show", "both", "--out", WORK / "whole", "--json").stdout)
        assert shown["groups_total"] > 0 and shown["method"] == "threshold", shown
    random_ = random.Random("chains")
    kills = 0
    for number, point in enumerate((*POINTS, "stages", "staged")):
        out = WORK / "out"
        for epoch in sorted(random_.sample(range(1, 4), 2)):
            kills += killed_at(root, out, f"{point}@{epoch}", random_.choice([1, 2, 3, 7]))
        replay(root, out, *args("--shards", (1, 2, 3, 7)[number % 4], *SMALL))
        assert state_of(out) == want, point
        files(out)
        shutil.rmtree(out)
    assert kills > 5, kills
    moved = sorted(path for path in root.rglob("b.json.gz"))[1::3]  # they appear behind a snapshot that holds their time
    for path in moved:
        aside = later / path.relative_to(root)
        aside.parent.mkdir(parents=True)
        shutil.move(path, aside)
    out = WORK / "appeared"
    replay(root, out, *args("--shards", 2))
    for path in moved:
        shutil.move(later / path.relative_to(root), path)
    words = replay(root, out, *args("--shards", 3))["words"]
    assert "made again of the observation log" in words, words
    assert state_of(out) == want
    print(kills, "kills")


def case_snapshots_chains_cold():
    """Of a range, cold signals stay cold over a snapshot, those of rules over signals among them."""
    root = WORK / "data"
    make(root, per_object=200)
    begin = ("--from", "2025-03-04T00:00:00Z", "--warm-up", "0")
    def cold(out):
        return sqlite3.connect(out / "signals.db").execute(
            "select id, rule_id, cold, first_seen_ns, last_seen_ns, events_matched, closed from signals order by id").fetchall()

    replay(root, WORK / "whole", *args(*begin))
    want = cold(WORK / "whole")
    of_stages = [row for row in want if row[1] in ("both", "top")]
    assert any(row[2] for row in want) and not all(row[2] for row in want) and any(row[2] for row in of_stages), want[:5]
    for end in ("2025-03-04T06:00:00Z", "2025-03-04T18:00:00Z", "2025-03-05T02:00:00Z", None):
        replay(root, WORK / "steps", *args(*begin, *(("--to", end) if end else ()), *SMALL))
    assert cold(WORK / "steps") == want


def newest(out):
    return max(files(out)[0], key=lambda name: int(name.split("-")[1]))


def damage(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def case_snapshots_damaged():
    """A damaged or missing snapshot is told with file, offset and reason; the one before it or the log stands for it."""
    root = WORK / "data"
    make(root, per_object=300)
    _, want = wanted(root)
    whole = WORK / "whole"
    damage(whole / "state" / newest(whole))
    words = replay(root, whole, *args())["words"]
    assert re.search(r"snapshot-\d+-\d.zst: checksum of a block \(offset \d+\)", words), words
    assert "made again of the observation log" in words and state_of(whole) == want
    (whole / "state" / newest(whole)).unlink()
    words = replay(root, whole, *args())["words"]
    assert "No such file" in words and state_of(whole) == want, words

    out = WORK / "out"
    replay(root, out, *args("--shards", 2, *SMALL))
    replay(root, out, *args("--shards", 2, *SMALL))  # the log is gone, two snapshots are there
    for name in [n for n in files(out)[0] if n.split("-")[1] == newest(out).split("-")[1]]:
        damage(out / "state" / name)
    words = replay(root, out, *args("--shards", 2))["words"]
    assert "made again of the snapshot before it" in words and state_of(out) == want, words
    for name in files(out)[0]:
        damage(out / "state" / name)
    done = run("replay", root, "--out", out, *FIXED, *args(), code=1).stderr
    assert b"no snapshot of the state" in done and b"--fresh" in done, done
    replay(root, out, *args("--fresh"))
    assert state_of(out) == want


def case_snapshots_newer():
    """A snapshot of a newer program is refused and left as it is."""
    root = WORK / "data"
    make(root)
    replay(root, WORK / "out", *args())
    path = WORK / "out" / "state" / newest(WORK / "out")
    data = bytearray(path.read_bytes())
    data[8] = 9
    path.write_bytes(data)
    done = run("replay", root, "--out", WORK / "out", *FIXED, *args(), code=3).stderr
    assert b"has format 9, this program reads 1" in done and path.read_bytes() == data, done


def move_late(root, aside):
    """Takes one object of each day out of the data."""
    for path in sorted(root.rglob("b.json.gz")):
        to = aside / path.relative_to(root)
        to.parent.mkdir(parents=True, exist_ok=True)
        path.rename(to)


def case_snapshots_appeared():
    """Objects that appeared since, of a time that the snapshot holds: exact while the log is whole, else late and told."""
    root, aside = WORK / "data", WORK / "aside"
    make(root, per_object=100)
    _, want = wanted(root)
    move_late(root, aside)
    replay(root, WORK / "out", *args())
    replay(root, WORK / "small", *args(*SMALL))
    replay(root, WORK / "small", *args(*SMALL))
    assert state_of(WORK / "out") != want
    shutil.copytree(aside, root, dirs_exist_ok=True)
    got = replay(root, WORK / "out", *args("--shards", 2))
    assert "made again of the observation log" in got["words"], got["words"]
    assert state_of(WORK / "out") == want
    got = replay(root, WORK / "small", *args("--shards", 2))
    assert got["state"]["behind_log"] > 0 and "lie before a snapshot" in got["words"], got
    assert replay(root, WORK / "small", *args())["state"]["behind_log"] == got["state"]["behind_log"]


def case_snapshots_appeared_killed():
    """And killed on the way back."""
    root, aside = WORK / "data", WORK / "aside"
    make(root, per_object=100)
    _, want = wanted(root)
    move_late(root, aside)
    replay(root, WORK / "out", *args())
    shutil.copytree(aside, root, dirs_exist_ok=True)
    epoch = sqlite3.connect(WORK / "out" / "checkpoint.db").execute("select value from job where name = 'epoch'")
    at = int(epoch.fetchone()[0])
    for point in ("run", "rows", "committed", "release", "snapshot", "finished", "named"):
        shutil.copytree(WORK / "out", WORK / "copy")
        for later in (1, 2):
            killed_at(root, WORK / "copy", f"{point}@{at + later}", 2)
        replay(root, WORK / "copy", *args())
        assert state_of(WORK / "copy") == want, point
        shutil.rmtree(WORK / "copy")


def case_snapshots_retry():
    """An object whose observations only a snapshot has cannot be taken back; while the log is whole it can."""
    root = WORK / "data"
    make(root, per_object=100)
    bad = sorted(root.rglob("2025/03/04/b.json.gz"))
    replay(root, WORK / "out", *args())
    replay(root, WORK / "small", *args(*SMALL))
    replay(root, WORK / "small", *args(*SMALL))
    before = state_of(WORK / "small")
    for path in bad:
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b'"no record",', b"")))
    _, want = wanted(root)
    run("dead-letters", "retry", "--out", WORK / "out", code=0)
    assert state_of(WORK / "out") == want
    done = run("dead-letters", "retry", "--out", WORK / "small", code=2).stderr
    assert b"is in a snapshot of the state already" in done, done
    assert state_of(WORK / "small") == before


if __name__ == "__main__":
    main(globals())
