#!/usr/bin/env python3
"""test_signals.py PENSTOCK CASE - what a replay left, through `signals` and `dead-letters`."""
import fcntl
import json
import os
import pathlib
import pty
import re
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

BINARY, CASE = sys.argv[1], sys.argv[2]
WORK = pathlib.Path(tempfile.mkdtemp(prefix="penstock-signals-"))
FIXED = ["--set", "document.ingested=2025-04-01T00:00:00Z"]
LOUD = WORK / "loud.yml"  # the pack is quiet on made traffic; these tests want signals of many accounts
LOUD.write_text("""title: The root user stands in a record
level: medium
tags: [attack.initial-access, attack.t1078.004]
description: A rule that is loud on purpose.
triage: Count them.
response: Nothing.
logsource: {product: aws, service: cloudtrail}
detection: {s: {userIdentity.type: Root}, condition: s}
""")
RULES = ["--rules", "builtin", "--rules", LOUD]


def run(*args, code=0, env=None):
    done = subprocess.run([BINARY, *map(str, args)], capture_output=True, text=True, check=False,
                          env={**os.environ, **(env or {})})
    if code is not None and done.returncode != code:
        sys.exit(f"{args}: exit {done.returncode}, wanted {code}\n{done.stdout}\n{done.stderr}")
    return done


def lines(*args, code=0):
    return [json.loads(line) for line in run(*args, "--json", code=code).stdout.splitlines()]


def on_terminal(*args, columns=160, env=None):
    """What the command prints when stdout is a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    base = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    child = subprocess.Popen([BINARY, *map(str, args)], stdout=theirs, stderr=subprocess.DEVNULL,
                             env={**base, "TERM": "xterm", **(env or {})})
    os.close(theirs)
    text = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        text += part
    os.close(ours)
    assert child.wait() == 0, text
    return text.decode()


def replayed(size="8MiB"):
    run("bench", "generate", "--out", WORK / "data", "--bytes", size)
    run("replay", WORK / "data/AWSLogs", "--out", WORK / "out", "--no-progress", *RULES, *FIXED)
    return WORK / "out"


def sql(out, text, *values):
    with sqlite3.connect(out / "signals.db") as db:
        return db.execute(text, values).fetchall()


RANK = ["critical", "high", "medium", "low", "info"]


def case_signals_list():
    out = replayed()
    rows = lines("signals", "list", "--out", out)
    assert len(rows) == sql(out, "select count(*) from signals")[0][0] > 10
    assert [r["severity"] for r in rows] == sorted((r["severity"] for r in rows), key=RANK.index)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", rows[0]["first_seen"]), rows[0]
    assert isinstance(rows[0]["group_by"], dict) and isinstance(rows[0]["actors"], list)
    assert rows[0]["closed"] is True and rows[0]["assignee"] is None
    columns = {c[1] for c in sql(out, "pragma table_info(signals)")} - {"run"}
    assert {c.removesuffix("_ns") for c in columns} == set(rows[0]), (columns, set(rows[0]))

    def ids(*args):
        return [r["id"] for r in lines("signals", "list", "--out", out, *args)]

    def want(keep):
        return {r["id"] for r in rows if keep(r)}

    assert set(ids("--severity", "high")) == want(lambda r: r["severity"] == "high") != set()
    assert set(ids("--severity", "high,low")) == want(lambda r: r["severity"] in ("high", "low"))
    assert set(ids("--min-severity", "medium")) == want(lambda r: r["severity"] in RANK[:3])
    account = rows[-1]["accounts"][0]
    assert set(ids("--account", account)) == want(lambda r: account in r["accounts"])
    assert ids("--account", account[:5]) == []
    assert set(ids("--rule", "ROOT user")) == want(lambda r: "root user" in r["rule_name"]) != set()
    rule = rows[0]["rule_id"]
    assert set(ids("--rule", rule)) == want(lambda r: r["rule_id"] == rule)
    times = sorted(r["first_seen"] for r in rows)
    middle = times[len(times) // 2]
    assert set(ids("--from", middle)) == want(lambda r: r["first_seen"] >= middle)
    assert set(ids("--to", middle)) == want(lambda r: r["first_seen"] < middle)
    assert set(ids("--from", middle)) | set(ids("--to", middle)) == want(lambda r: True)
    assert len(ids("--limit", "3")) == 3
    assert len(ids("--state", "open,archived")) == len(rows) and ids("--state", "archived") == []
    by_time = [r["first_seen"] for r in lines("signals", "list", "--out", out, "--sort", "first_seen")]
    assert by_time == times
    assert ids("--sort", "-first_seen") == ids("--sort", "first_seen")[::-1]
    counts = [r["events_matched"] for r in lines("signals", "list", "--out", out, "--sort", "events")]
    assert counts == sorted(counts, reverse=True) and counts[0] > 1
    names = [r["rule_name"] for r in lines("signals", "list", "--out", out, "--sort", "rule")]
    assert names == sorted(names)


def case_signals_usage():
    out = replayed("2MiB")
    one = lines("signals", "list", "--out", out)[0]["id"]
    for args, words in (
            (["list", "--sevrity", "high"], "the nearest is --severity"),
            (["list", "--severity", "loud"], "info, low, medium, high"),
            (["list", "--severity", "high", "--min-severity", "low"], "min-severity"),
            (["list", "--sort", "age"], "first_seen"),
            (["list", "--limit", "0"], "from 1"),
            (["list", "--from", "soon"], "RFC 3339"),
            (["list", one], "no ID"),
            (["show"], "missing"),
            (["show", one, one], "one ID"),
            (["show", "abc"], "first 4"),
            (["show", "wxyz"], "hex"),
            (["shwo", one], "did you mean show?"),
            (["triage", one], "nothing to do"),
            (["triage", "--state", "open"], "missing"),
            (["triage", one, "--state", "closed"], "under_review"),
            (["triage", one, "--state", "open", "--reason", "other"], "--state archived"),
            (["triage", one, "--state", "archived", "--reason", "because"], "--help"),
            (["triage", one, "--reason", "other"], "needs --state archived"),
            (["triage", one, "--user", "", "--state", "open"], "a name"),
            (["triage", one, "--state"], "wants a value"),
            (["list", "--json=1"], "no value")):
        done = run("signals", *args, "--out", out, code=2) if args[-1] != "--state" else run(
            "signals", *args, code=2)
        assert words in done.stderr and done.stdout == "", (args, done.stderr)
    done = run("signals", "list", "--out", WORK / "nowhere", code=1)
    assert "no signals.db" in done.stderr and not (WORK / "nowhere").exists()
    assert "no signal" in run("signals", "show", "ffff" * 8, "--out", out, code=1).stderr
    (WORK / "bad").mkdir()
    (WORK / "bad/signals.db").write_bytes(b"no database at all, though long enough to look at" * 100)
    assert "signals.db" in run("signals", "list", "--out", WORK / "bad", code=1).stderr
    sql(out, "pragma user_version = 99")
    assert "newer" in run("signals", "list", "--out", out, code=1).stderr
    for args in ([], ["list"], ["show"], ["events"], ["triage"]):
        text = run("signals", *args, "--help").stdout
        assert 4 < len(text.splitlines()) <= 24 and max(map(len, text.splitlines())) <= 100, text
    with open("/dev/full", "w", encoding="utf-8") as full:
        sql(out, "pragma user_version = 1")
        done = subprocess.run([BINARY, "signals", "list", "--json", "--out", out], stdout=full,
                              stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1 and "cannot write" in done.stderr, done


def case_signals_show():
    out = replayed()
    rows = lines("signals", "list", "--out", out, "--sort", "events")
    top = rows[0]
    text = run("signals", "show", top["id"][:8].upper(), "--out", out).stdout
    for word in (top["id"], top["rule_id"], top["rule_name"], top["severity"], top["first_seen"], top["last_seen"],
                 top["group_by"]["identity"], f"{top['events_matched']} matched", *top["tactics"], *top["techniques"],
                 *top["message"].splitlines(), f"--out {out}", "signals triage"):
        assert word in text, (word, text)
    parts = top["message"].split("\n\n")
    assert len(parts) == 3 and parts[1].startswith("Triage: ") and parts[2].startswith("Response: "), parts
    (whole,) = lines("signals", "show", top["id"], "--out", out)
    assert {k: whole[k] for k in top} == top
    assert whole["history"] == [] and len(whole["events"]) == min(top["events_matched"], 20)
    events = lines("signals", "events", top["id"][:6], "--out", out)
    assert events == whole["events"]
    assert [e["event_time"] for e in events] == sorted(e["event_time"] for e in events)
    assert events[0]["event"]["eventID"] == events[0]["event_id"]
    assert events[0]["event"]["eventTime"] == events[0]["event_time"] == top["first_seen"]
    compact = run("signals", "events", top["id"], "--out", out).stdout.splitlines()
    assert len(compact) == len(events)
    for line, e in zip(compact, events):
        for word in (e["event_time"], e["event"]["eventName"], e["event"]["sourceIPAddress"],
                     top["actors"][0], f"{e['object']}:{e['record']}"):
            assert word in line, (word, line)
    assert len(run("signals", "events", top["id"], "--out", out, "--limit", "2").stdout.splitlines()) == 2
    assert len(lines("signals", "events", top["id"], "--out", out, "--limit", "2")) == 2


def case_signals_prefix():
    out = replayed("2MiB")
    one, two = (r["id"] for r in lines("signals", "list", "--out", out, "--limit", "2"))
    near = one[:6] + ("0" if one[6] != "0" else "1") + one[7:]
    sql(out, "update signals set id = ? where id = ?", near, two)
    done = run("signals", "show", one[:6], "--out", out, code=2)
    assert one in done.stderr and near in done.stderr and "several" in done.stderr, done.stderr
    assert one in run("signals", "show", one[:7], "--out", out).stdout
    before = sql(out, "select * from signals order by id")
    run("signals", "triage", one, near[:6], "--state", "archived", "--out", out, code=2)
    assert sql(out, "select * from signals order by id") == before, "half a triage"
    for i in range(12):
        sql(out, "insert into signals(id, severity, rule_name, accounts) values(?, 'low', 'x', '[]')",
            f"abcd{i:028x}")
    done = run("signals", "show", "abcd", "--out", out, code=2)
    assert done.stderr.count("  low  x") == 10 and "and more" in done.stderr, done.stderr


def case_signals_triage():
    out = replayed()
    a, b, c = (r["id"] for r in lines("signals", "list", "--out", out, "--limit", "3"))
    run("signals", "triage", a[:8], b, "--state", "under_review", "--assignee", "ann", "--user", "bob", "--out", out)
    rows = {r["id"]: r for r in lines("signals", "list", "--out", out, "--state", "under_review")}
    assert set(rows) == {a, b} and rows[a]["assignee"] == "ann"
    (now,) = lines("signals", "triage", a, "--state", "archived", "--reason", "false_positive",
                   "--note", "a test; it's \"fine\"", "--user", "ann", "--out", out)
    assert (now["state"], now["archive_reason"], now["assignee"]) == ("archived", "false_positive", "ann"), now
    history = sql(out, 'select user, "from", "to", note from signal_history where signal_id = ? order by time_ns', a)
    assert history == [("bob", "open", "under_review", "assignee: ann"),
                       ("ann", "under_review", "archived", "a test; it's \"fine\" (reason: false_positive)")], history
    done = run("signals", "triage", a, "--state", "archived", "--out", out)
    assert "0 of 1" in done.stderr and len(sql(out, "select 1 from signal_history where signal_id = ?", a)) == 2
    run("signals", "triage", a, "--reason", "remediated", "--out", out)
    run("signals", "triage", c, "--note", "seen", "--out", out)
    assert sql(out, "select note, \"from\", \"to\" from signal_history where signal_id = ?", c) == [
        ("seen", "open", "open")]
    shown = run("signals", "show", a, "--out", out).stdout
    assert "archived (remediated), assigned to ann" in shown and "under_review -> archived" in shown, shown
    # A signal that is not archived takes no reason, and then none of them changes.
    run("signals", "triage", a, b, "--reason", "other", "--out", out, code=2)
    assert sql(out, "select archive_reason from signals where id = ?", a) == [("remediated",)]
    # Decisions outlive the job, also anew.
    run("replay", WORK / "data/AWSLogs", "--out", out, "--no-progress", "--fresh", *RULES, *FIXED)
    kept = {r["id"]: r for r in lines("signals", "list", "--out", out)}
    assert (kept[a]["state"], kept[a]["archive_reason"]) == ("archived", "remediated")
    assert kept[b]["state"] == "under_review" and len(kept) > 10
    # Back to open: the reason goes, the assignee stays until taken away.
    run("signals", "triage", a, "--state", "open", "--out", out)
    run("signals", "triage", b, "--assignee", "", "--out", out)
    kept = {r["id"]: r for r in lines("signals", "list", "--out", out)}
    assert (kept[a]["state"], kept[a]["archive_reason"], kept[a]["assignee"]) == ("open", None, "ann")
    assert kept[b]["assignee"] is None


def case_signals_fresh():
    """--fresh keeps the triage of signals that the new job has too, and nothing of the others."""
    out = replayed()
    first = {row["accounts"][0]: row["id"] for row in lines("signals", "list", "--out", out)}
    (gone, gone_id), (kept, kept_id) = sorted(first.items())[:2]
    run("signals", "triage", gone_id, kept_id, "--out", out, "--state", "archived", "--note", "a drill")
    for more, is_there in (([], True), (["--fresh"], True), (["--fresh", "--accounts", kept], False),
                           (["--accounts", kept], False)):
        run("replay", WORK / "data/AWSLogs", "--out", out, "--no-progress", *RULES, *FIXED, *more)
        assert sql(out, "select state from signals where id = ?", kept_id) == [("archived",)], more
        assert bool(sql(out, "select 1 from signals where id = ?", gone_id)) == is_there, more
    assert {row["accounts"][0] for row in lines("signals", "list", "--out", out)} == {kept}
    for table in ("signal_events", "signal_history"):
        assert not sql(out, f"select 1 from {table} where signal_id = ?", gone_id), table
        assert sql(out, f"select 1 from {table} where signal_id = ?", kept_id), table


def case_signals_running():
    """Reading and triage while a replay writes: both succeed, the run ends well."""
    out = replayed("2MiB")
    one = lines("signals", "list", "--out", out)[0]["id"]
    shutil.rmtree(WORK / "data")
    run("bench", "generate", "--out", WORK / "data", "--bytes", "128MiB")
    child = subprocess.Popen([BINARY, "replay", WORK / "data/AWSLogs", "--out", out, "--no-progress", "--fresh",
                              "--set", "commit.interval=10ms", *RULES, *FIXED],
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    rounds, states = 0, ["under_review", "archived", "open"]
    while child.poll() is None:
        run("signals", "triage", one, "--state", states[rounds % 3], "--out", out)
        assert any(r["id"] == one for r in lines("signals", "list", "--out", out))
        run("signals", "show", one, "--out", out)
        rounds += 1
    assert child.returncode == 0, child.stderr.read()
    assert rounds >= 1
    (row,) = [r for r in lines("signals", "list", "--out", out) if r["id"] == one]
    assert row["state"] == states[(rounds - 1) % 3]
    assert len(sql(out, "select 1 from signal_history")) == rounds
    print(rounds, "rounds")


def case_signals_locked():
    """Another program holds the database for a second: a triage and a replay wait for it."""
    out = replayed("2MiB")
    one = lines("signals", "list", "--out", out)[0]["id"]

    def hold(go):
        db = sqlite3.connect(out / "signals.db", isolation_level=None, check_same_thread=False)
        db.execute("begin immediate")
        db.execute("update signals set assignee = assignee")
        go.set()
        time.sleep(1)
        db.execute("commit")
        db.close()

    for args in (["signals", "triage", one, "--assignee", "zoe", "--out", out],
                 ["replay", WORK / "data/AWSLogs", "--out", out, "--no-progress", *RULES, *FIXED]):
        go = threading.Event()
        holder = threading.Thread(target=hold, args=(go,))
        holder.start()
        go.wait()
        begun = time.monotonic()
        run(*args)
        assert time.monotonic() - begun > 0.3, args
        holder.join()
    assert sql(out, "select assignee from signals where id = ?", one) == [("zoe",)]


def case_signals_terminal():
    out = replayed("2MiB")
    one = lines("signals", "list", "--out", out)[0]["id"]
    nasty = "x\x1b]0;owned\x07\x1b[31m\u202egnp.exe\x9b\ny"
    sql(out, "update signals set rule_name = ?, title = ?, message = ?, assignee = ?, group_by = ?, actors = ?,"
        " severity = 'critical', accounts = 'no json [' where id = ?", nasty, nasty, nasty, nasty,
        json.dumps({"a": nasty}), json.dumps([nasty]), one)
    sql(out, "update signal_events set object = ?, event = ? where signal_id = ?", nasty,
        json.dumps({"eventName": nasty, "sourceIPAddress": nasty, "userIdentity": {"arn": nasty}}), one)
    sql(out, "insert into signal_history values(?, 1, ?, 'open', 'open', ?)", one, nasty, nasty)
    for args in (["list"], ["show", one], ["events", one]):
        for columns in (60, 110, 160):
            text = on_terminal("signals", *args, "--out", out, columns=columns)
            plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
            assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", plain), (args, text)
            assert "\x1b[31m\u202e" not in text and "x\\x1b]0;" in plain, (args, text)
    text = on_terminal("signals", "list", "--out", out, columns=160)
    assert "\x1b[1;41mcritical\x1b[0m" in text, text
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in text.splitlines()) <= 160
    narrow = on_terminal("signals", "list", "--out", out, columns=80)
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in narrow.splitlines()) <= 80
    assert "\x1b" not in on_terminal("signals", "list", "--out", out, env={"NO_COLOR": "1"})
    assert "\x1b" not in on_terminal("signals", "show", one, "--out", out, env={"TERM": "dumb"})
    assert "\x1b" not in run("signals", "list", "--out", out).stdout
    assert "\x1b" not in run("signals", "show", one, "--out", out).stdout
    (row,) = lines("signals", "list", "--out", out, "--severity", "critical")
    assert row["rule_name"] == nasty and row["accounts"] == "no json [", row


try:
    globals()[f"case_{CASE}"]()
finally:
    shutil.rmtree(WORK, ignore_errors=True)
print("ok", CASE)
