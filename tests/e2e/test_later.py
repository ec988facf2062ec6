#!/usr/bin/env python3
"""test_later.py PENSTOCK CASE - a job that goes on with a later --to."""
import gzip
import json
import os
import random
import signal
import sqlite3
import subprocess
import time

from kit import BINARY, FIXED, WORK, documents, event, main, replay, run

DAYS = ("03", "04", "05", "06")
SUMMARY = ("objects", "records", "by_type", "event_time", "accounts", "regions", "matches", "signals", "gaps")


def make(root, per_object=40):
    """Objects whose records lie around their day, some bad; one object has no day in its key."""
    rng = random.Random(7)
    number = 0
    for account in ("111111111111", "222222222222"):
        for day in DAYS:
            where = root / f"AWSLogs/{account}/CloudTrail/eu-west-1/2025/03/{day}"
            where.mkdir(parents=True)
            for name in ("a", "b"):
                parts = []
                for _ in range(per_object):
                    number += 1
                    second = rng.randrange(-40000, 120000)
                    when = 1740787200 + (int(day) - 1) * 86400 + second
                    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))
                    parts.append(json.dumps(event(number, eventTime=text, recipientAccountId=account,
                                                  eventName=rng.choice(["StopLogging", "GetObject", "DeleteTrail"]),
                                                  eventSource="cloudtrail.amazonaws.com")))
                if name == "b" and day == "04":
                    parts[3:3] = ['{"eventTime":"soon"}', '"no record"']
                (where / f"{name}.json.gz").write_bytes(
                    gzip.compress(('{"Records":[' + ",".join(parts) + "]}").encode()))
    (root / "plain.json").write_text(json.dumps({"Records": [
        event(9000 + n, eventTime=f"2025-03-0{3 + n % 4}T1{n % 10}:00:00Z") for n in range(40)]}))


def state(out):
    docs = sorted(json.dumps(line, sort_keys=True) for line in documents(out))
    rows = sqlite3.connect(out / "signals.db").execute(
        "select id, rule_id, severity, first_seen_ns, last_seen_ns, group_by, events_matched, closed, late "
        "from signals order by id").fetchall()
    return docs, rows


def case_later():
    root = WORK / "data"
    make(root)
    ends = ("2025-03-04T00:00:00Z", "2025-03-04T17:00:00Z", "2025-03-05", "2025-03-06T03:00:00Z")
    for shards in (1, 2):
        out = WORK / f"out{shards}"
        for end in ends:
            got = replay(root, out, "--to", end, "--shards", shards)
            whole = WORK / f"whole{shards}-{ends.index(end)}"
            want = replay(root, whole, "--to", end, "--shards", shards)
            assert {k: got[k] for k in SUMMARY} == {k: want[k] for k in SUMMARY}, (end, got, want)
            assert state(out) == state(whole), end
            again = replay(root, out, "--to", end)
            assert again["records"] == got["records"] and state(out) == state(whole), end
        assert got["records"]["filtered"] > 0 and got["matches"] > 0, got
        assert got["records"]["dead"] == 2 and got["by_type"]["cloudtrail"]["unparsed"] == 2, got
        # an earlier end, or something else besides, is another job, and changes nothing
        assert b"its to differ" in run("replay", root, "--out", out, "--to", ends[0], *FIXED, code=2).stderr
        assert b"its accounts differ" in run("replay", root, "--out", out, "--to", "2025-03-07", "--accounts",
                                             "111111111111", *FIXED, code=2).stderr
        assert replay(root, out, "--to", ends[-1])["records"] == got["records"]
        # to the very end
        got = replay(root, out)
        whole = WORK / f"whole{shards}"
        want = replay(root, whole)
        assert {k: got[k] for k in SUMMARY} == {k: want[k] for k in SUMMARY}, (got, want)
        assert state(out) == state(whole)


def case_later_killed():
    """Killed while it goes on, it ends as one undisturbed run."""
    root = WORK / "data"
    make(root, 4000)
    want = None
    out = WORK / "out"
    replay(root, out, "--to", "2025-03-04T12:00:00Z")
    assert b"its to differ" in run("replay", root, "--out", out, "--to", "2025-03-04T11:00:00Z", *FIXED, code=2).stderr
    rng = random.Random(int(os.environ.get("PENSTOCK_SEED", "3")))
    command = [BINARY, "replay", str(root), "--out", str(out), "--to", "2025-03-05T12:00:00Z", "--no-progress",
               "--set", "commit.interval=5ms", *FIXED]
    kills = 0
    for _ in range(30):
        child = subprocess.Popen([*command, "--shards", rng.choice("12")], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        try:
            child.wait(timeout=rng.uniform(0.02, 0.5))
            break
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
            kills += 1
            if kills == 2:  # in the middle, a still later end has to wait
                late = run("replay", root, "--out", out, "--to", "2025-03-06", *FIXED, code=None)
                assert late.returncode in (0, 2), late.stderr
                if late.returncode == 2:
                    assert b"came to its end" in late.stderr, late.stderr
                else:
                    command[command.index("--to") + 1] = "2025-03-06"
    end = command[command.index("--to") + 1]
    got = replay(root, out, "--to", end)
    want = replay(root, WORK / "whole", "--to", end)
    assert {k: got[k] for k in SUMMARY} == {k: want[k] for k in SUMMARY}, (got, want)
    assert state(out) == state(WORK / "whole")
    print(kills, "kills")


if __name__ == "__main__":
    main(globals())
