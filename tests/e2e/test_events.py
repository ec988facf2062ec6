#!/usr/bin/env python3
"""test_events.py PENSTOCK CASE - events whose text was not kept are read again from where they came."""
import gzip
import json
import os
import sqlite3

import plain_made
from fake_s3 import FakeS3
from kit import DAY, WORK, event, main, replay, run

ENV = {**{k: v for k, v in os.environ.items() if "proxy" not in k.lower() and not k.startswith("AWS_")},
       "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
       "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
ARN = "arn:aws:iam::123456789012:user/"
PUTS, OBJECTS = 12, 4
RULE = {"name": "count", "isEnabled": True, "message": "m", "type": "log_detection", "tags": [],
        "queries": [{"query": "source:cloudtrail @eventName:Put", "groupByFields": ["@userIdentity.arn"],
                     "aggregation": "count", "name": "puts"},
                    {"query": "source:cloudtrail @eventName:Get", "groupByFields": ["@userIdentity.arn"],
                     "aggregation": "count", "name": "gets"}],
        "cases": [{"name": "many", "status": "high", "condition": "puts > 2 && gets > 0", "notifications": []}],
        "options": {"detectionMethod": "threshold", "evaluationWindow": 3600, "keepAlive": 3600,
                    "maxSignalDuration": 86400}}


def rules(*changed, name="rule.json"):
    path = WORK / name
    path.write_text(json.dumps(list(changed) or [RULE]))
    return path


def made(number):
    return event(number, eventName="Put" if number % 3 else "Get", sourceIPAddress="198.51.100.7",
                 eventTime=f"2025-03-04T05:{number:02}:07Z", userIdentity={"type": "IAMUser", "arn": f"{ARN}u"})


def objects():
    """Twelve events in four objects, as key: bytes."""
    step = PUTS // OBJECTS
    return {f"{DAY}/{i}.json.gz": gzip.compress(json.dumps({"Records": [made(n) for n in range(i * step, i * step + step)]}).encode())
            for i in range(OBJECTS)}


def put(folder, what):
    for key, data in what.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def the_signal(out):
    with sqlite3.connect(out / "signals.db") as db:
        rows = db.execute("select id, events_matched from signals").fetchall()
        assert len(rows) == 1 and rows[0][1] == PUTS, rows
        assert db.execute("select count(*), count(event) from signal_events").fetchone() == (PUTS, 0)
    return rows[0][0]


def events(out, *args, **options):
    done = run("signals", "events", the_signal(out), "--out", out, "--json", *args, **options)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


def whole(rows):
    """Every row has its record, and is as it was made."""
    assert [row["event"] for row in rows] == [made(n) for n in range(PUTS)], rows
    assert not any("event_reason" in row for row in rows), rows


def case_events_folder():
    folder = put(WORK / "data", objects())
    out = WORK / "out"
    replay(folder, out, "--rules", rules())
    rows, words = events(out)
    whole(rows)
    assert f"of {PUTS} events without a text {PUTS} were read again, from {OBJECTS} objects" in words, words
    shown = json.loads(run("signals", "show", the_signal(out), "--out", out, "--json").stdout)
    assert shown["events"] == rows
    text = run("signals", "show", the_signal(out), "--out", out).stdout.decode()
    assert text.count("198.51.100.7") > 10 and f"user/u" in text, text
    with sqlite3.connect(out / "signals.db") as db:  # what is asked leaves no trace
        assert db.execute("select count(event) from signal_events").fetchone() == (0,)


def case_events_gone():
    """Objects that are gone, changed, shorter, damaged: each event says why it is null."""
    what = objects()
    keys = list(what)
    folder = put(WORK / "data", what)
    out = WORK / "out"
    replay(folder, out, "--rules", rules())
    (folder / keys[0]).unlink()
    other = [made(3), {**made(4), "eventID": "other"}, {**made(5), "eventTime": "2025-03-04T05:55:07Z"}]
    (folder / keys[1]).write_bytes(gzip.compress(json.dumps({"Records": other}).encode()))
    (folder / keys[2]).write_bytes(gzip.compress(json.dumps({"Records": [made(6)]}).encode()))
    (folder / keys[3]).write_bytes(what[keys[3]][:20])
    rows, words = events(out)
    reasons = [row.get("event_reason") for row in rows]
    assert all("No such file" in r for r in reasons[:3]), reasons
    assert rows[3]["event"] == made(3) and rows[6]["event"] == made(6), rows
    assert all("another event now" in r for r in reasons[4:6]), reasons
    assert all("not there any more: the object has 1 records" in r for r in reasons[7:9]), reasons
    assert all(r and "in vain" in r for r in reasons[9:]), reasons
    assert f"of {PUTS} events without a text 2 were read again, from {OBJECTS} objects" in words, words
    text = run("signals", "events", the_signal(out), "--out", out).stdout.decode()
    assert text.count("another event now") == 2, text
    (folder / keys[0]).write_bytes(b'{"Records":[7,8]}')  # no records any more
    reasons = [row.get("event_reason") for row in events(out)[0]]
    assert "no good record" in reasons[0] and reasons[2], reasons


def case_events_limit():
    """So many objects are read, and no more: by the option of the job, and by that of the command."""
    folder = put(WORK / "data", objects())
    out = WORK / "out"
    replay(folder, out, "--rules", rules(), "--set", "signal.reads_max=2")
    rows, words = events(out)
    assert [row["event"] is not None for row in rows] == [True] * 6 + [False] * 6, rows
    assert all("signal.reads_max is 2 objects" in row["event_reason"] for row in rows[6:]), rows
    assert f"{PUTS} events without a text 6 were read again, from 2 objects" in words, words
    whole(events(out, "--reads", "4")[0])
    rows, words = events(out, "--reads", "0")
    assert all(row["event"] is None and "--reads 0" in row["event_reason"] for row in rows) and not words, (rows, words)
    rows, words = events(out, "--limit", "2")  # only what is shown is read
    assert len(rows) == 2 and rows[1]["event"] == made(1) and "from 1 objects" in words, (rows, words)
    assert b"number of objects" in run("signals", "show", "abcd", "--reads", "x", code=2).stderr


def case_events_sources():
    """A file, two folders, relative paths and --as, from another working folder; standard input is not read again."""
    what = objects()
    data = put(WORK / "data", {f"{i}.json.gz": v for i, v in enumerate(what.values())})
    put(WORK / "more", {"3.json.gz": (data / "3.json.gz").read_bytes()})
    (data / "3.json.gz").unlink()
    out = WORK / "out"
    replay("data/0.json.gz", out, "data/1.json.gz", "data/2.json.gz", "more", "--as", "cloudtrail", "--rules", rules(),
           cwd=WORK)
    whole(events(out, cwd="/")[0])
    whole(events(out, cwd=WORK)[0])
    stdin = WORK / "stdin"
    text = json.dumps({"Records": [made(n) for n in range(PUTS)]}).encode()
    replay("-", stdin, "--as", "cloudtrail", "--rules", rules(), input=text)
    rows, _ = events(stdin)
    assert all("standard input" in row["event_reason"] for row in rows), rows
    moved = WORK / "moved"  # the job's folder of work is gone
    moved.mkdir()
    replay(data, WORK / "lost", WORK / "more", "--rules", rules(), "--as", "cloudtrail", cwd=moved)
    moved.rmdir()
    rows, _ = events(WORK / "lost")
    assert all("the job was given in" in row["event_reason"] for row in rows), rows


def case_events_bucket():
    """From a bucket: one read an object, nothing else of it; gone and changed objects."""
    with FakeS3() as s3:
        what = objects()
        keys = list(what)
        for key, data in what.items():
            s3.put(key, data)
        s3.put(keys[1] + ".other", b"{}")  # the same beginning
        out = WORK / "out"
        replay(f"s3://{s3.bucket}/AWSLogs/", out, "--endpoint-url", s3.endpoint, "--s3-path-style", "--rules", rules(), env=ENV)
        s3.forget()
        rows, words = events(out, env=ENV)
        whole(rows)
        assert set(s3.gets()) - {keys[1] + ".other"} == set(keys), s3.gets()
        s3.delete(keys[0])
        s3.put(keys[3], gzip.compress(json.dumps({"Records": [made(30)] * 3}).encode()))
        rows, words = events(out, env=ENV)
        assert all("no source of the job has it" in row["event_reason"] for row in rows[:3]), rows
        assert all("another event now" in row["event_reason"] for row in rows[9:]), rows
        assert [row["event"] for row in rows[3:9]] == [made(n) for n in range(3, 9)], rows
        s3.forget()
        rows, _ = events(out, "--reads", "0", env=ENV)
        assert not s3.seen and all(row["event"] is None for row in rows), s3.seen


def explain(out, *args, **options):
    done = run("rules", "explain", "--signal", the_signal_id(out), "--out", out, *args, **options)
    return done.stdout.decode(), done.stderr.decode()


def the_signal_id(out):
    with sqlite3.connect(out / "signals.db") as db:
        return db.execute("select id from signals").fetchone()[0][:8]


def case_events_explain():
    """Which events made a signal: each with its query, its number, who and where; the rule and the case."""
    folder = put(WORK / "data", objects())
    out = WORK / "out"
    replay(folder, out, "--rules", rules())
    text, words = explain(out)
    assert not words, words
    for part in ("high: count (many)", "window of 1h; kept open for 1h after the last, 1d at most",
                 "puts (8 events): count where (source:cloudtrail @eventName:Put) by @userIdentity.arn",
                 "* high      many: puts > 2 && gets > 0", f"group      @userIdentity.arn {ARN}u", "12 matched"):
        assert part in text, (part, text)
    lines = [line for line in text.splitlines() if ".json.gz:" in line]
    numbers = {"Put": 0, "Get": 0}
    for number, line in enumerate(lines):
        name = made(number)["eventName"]
        numbers[name] += 1
        query, count = (("puts", 8), ("gets", 4))[name == "Get"]
        cells = line.split()
        assert cells[0] == "*" if number == 4 else cells[0] != "*", line  # the third Put
        assert cells[-7:] == [made(number)["eventTime"], query, f"{numbers[name]}/{count}", name, f"{ARN}u",
                              "198.51.100.7", f"{DAY}/{number // 3}.json.gz:{number % 3}"], cells
    assert len(lines) == PUTS, text
    told = json.loads(explain(out, "--json")[0])
    assert told["signal"]["events_matched"] == PUTS == told["events_kept"] == len(told["events"]), told
    rule = told["rule"]
    assert (rule["window_s"], rule["keep_alive_s"], rule["duration_max_s"]) == (3600, 3600, 86400), rule
    assert [(q["name"], q["events"]) for q in rule["queries"]] == [("puts", 8), ("gets", 4)], rule
    assert rule["cases"] == [{"name": "many", "condition": "puts > 2 && gets > 0", "severity": "high",
                              "is_reached": True}], rule
    assert [e["number"] for e in told["events"]] == [int(line.split("/")[0].split()[-1]) for line in lines]
    assert [e["opens"] for e in told["events"]] == [n == 4 for n in range(PUTS)], told["events"]
    text, _ = explain(out, "--reads", "0")
    assert text.count("(not read again: --reads 0)") == PUTS, text
    shown = run("signals", "show", the_signal_id(out), "--out", out).stdout.decode()
    assert "penstock rules explain --signal" in shown, shown


def case_events_explain_both():
    """An event that counts for several queries has its number among those of each; not so in a file of before."""
    (WORK / "rule.json").write_text(json.dumps([{**RULE, "queries": [
        {**RULE["queries"][0], "name": "all", "query": "source:cloudtrail @eventName:*"}, RULE["queries"][0]],
        "cases": [{"name": "many", "status": "high", "condition": "all > 4 && puts > 2", "notifications": []}]}]))
    out = WORK / "out"
    replay(put(WORK / "data", objects()), out, "--rules", WORK / "rule.json")
    told = json.loads(explain(out, "--json")[0])["events"]
    puts = 0
    for number, one in enumerate(told):
        is_put = made(number)["eventName"] == "Put"
        puts += is_put
        assert (one["query"], one["number"]) == ("all", number + 1), one
        assert one["other_queries"] == [{"query": "puts", "number": puts}] * is_put, one
    assert len(told) == PUTS and puts == 8, told
    line = [line for line in explain(out)[0].splitlines() if ".json.gz:" in line][-1]
    assert f"12/{PUTS}" in line and line.endswith("and puts 8/8") == (made(PUTS - 1)["eventName"] == "Put"), line
    with sqlite3.connect(out / "signals.db") as db:
        db.execute("ALTER TABLE signal_events DROP COLUMN other_queries")
    told = json.loads(explain(out, "--json")[0])["events"]
    assert {one["number"] for one in told} == {None} and not any(one["other_queries"] for one in told), told
    replay(WORK / "data", out, "--rules", WORK / "rule.json", "--fresh")
    assert json.loads(explain(out, "--json")[0])["events"][-1]["number"] == PUTS


def case_events_explain_gap():
    """Where events were not kept, the last are numbered from the end."""
    folder = put(WORK / "data", objects())
    out = WORK / "out"
    keep = ("--set", "signal.events_first=3", "--set", "signal.events_last=4")
    replay(folder, out, "--rules", rules(), *keep)
    text, _ = explain(out)
    told = json.loads(explain(out, "--json")[0])
    assert "12 matched, 7 of them follow: those at its opening" in text and "\n  ...\n" in text, text
    assert "which was not kept" in text, text
    order = [made(n)["eventName"] for n in range(PUTS)]
    want = [None] * 3 + [order[:n + 1].count(order[n]) for n in (8, 9, 10, 11)]
    assert [e["number"] for e in told["events"]] == want and told["events_kept"] == 7, told["events"]
    assert not any(e["opens"] for e in told["events"])
    # A rule that is gone or was changed since; other rules; names that are wrong.
    (WORK / "rule.json").write_text(json.dumps([{**RULE, "message": "changed"}]))
    assert "which was changed since" in explain(out)[0]
    (WORK / "rule.json").unlink()
    text, words = explain(out)
    assert "the job: " in words and "not among the rules" in words and "query " not in text, (text, words)
    text, words = explain(out, "--rules", rules(name="other.json"))
    assert "puts (8 events)" in text and "not among" not in words, (text, words)
    assert b"no signal has an id" in run("rules", "explain", "--signal", "00000", "--out", out, code=1).stderr
    assert b"--signal ID, or --rule" in run("rules", "explain", "--signal", "0000", "--rule", "x", "--out", out, code=2).stderr
    assert b"no signals.db" in run("rules", "explain", "--signal", "0000", "--out", WORK, code=1).stderr


def case_events_explain_sigma():
    """A match is an event of the one query of its rule."""
    rule = WORK / "r.yml"
    rule.write_text("""title: A put
id: 00000000-0000-4000-8000-000000000001
level: medium
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: Put}, condition: s}
""")
    out = WORK / "out"
    replay(put(WORK / "data", objects()), out, "--rules", rule)
    text, words = explain(out)
    assert "medium: A put" in text and "looks for  every match" in text and "8/8" in text, (text, words)
    assert json.loads(explain(out, "--json")[0])["rule"]["looks_for"] == "every match"


def case_events_types():
    """Lines of text and records of other types are read again, and tell who did what from where."""
    wanted = plain_made.attacks(WORK / "data", "111122223333", "2025-03-04")
    out = WORK / "out"
    replay(WORK / "data", out, "--sink", "null")
    with sqlite3.connect(out / "signals.db") as db:
        found = db.execute("select id, rule_name, events_matched from signals").fetchall()
    assert {row[1] for row in found} == wanted, found
    types = set()
    for signal, title, matched in found:
        rows = [json.loads(row) for row in run("signals", "events", signal, "--out", out, "--json").stdout.splitlines()]
        assert rows and all(row["event"] for row in rows), (title, rows[:1])
        types |= {row["index_name"] for row in rows}
        told = json.loads(run("rules", "explain", "--signal", signal, "--out", out, "--json").stdout)
        assert [e["event_id"] for e in told["events"]] == [row["event_id"] for row in rows], title
        assert sum(q["events"] for q in told["rule"].get("queries", [])) in (0, matched, 2 * matched), told["rule"]
        for e in told["events"]:
            assert e["name"] and e["source_ip"], (title, e)
    assert len(types) == len(plain_made.TYPES), types


main({name: case for name, case in globals().items() if name.startswith("case_")})
