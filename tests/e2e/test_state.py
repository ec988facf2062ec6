#!/usr/bin/env python3
"""test_state.py PENSTOCK CASE - `state show`: what a snapshot holds of a rule."""
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time

from kit import BINARY, FIXED, WORK, event, main, replay, run

START = 1740960000  # 2025-03-03
WINDOW = 3600


def rule(name, aggregation, condition, method="threshold", **more):
    extra = more.pop("options", {})
    return {"name": name, "isEnabled": True, "message": "m", "type": "log_detection", "tags": [],
            "queries": [{"query": "source:cloudtrail", "groupByFields": ["account"], "aggregation": aggregation, "name": "a", **more}],
            "cases": [{"name": "", "status": "high", "condition": condition, "notifications": []}],
            "options": {"detectionMethod": method, "evaluationWindow": WINDOW if method == "threshold" else 0, "keepAlive": 3600,
                        "maxSignalDuration": 86400, **extra}}


LEARN = {"newValueOptions": {"forgetAfter": 7, "learningDuration": 1}}
RULES = [rule("many", "count", "a > 2"), rule("kinds of calls", "cardinality", "a > 1", distinctFields=["@evt.name"]),
         rule("new names", "new_value", "", "new_value", metrics=["@evt.name"], options=LEARN),
         rule("new pairs", "new_value", "", "new_value", metrics=["@evt.name", "@eventSource"], options=LEARN)]
NAMES = ("GetObject", "Stop\"Logging", "Größe", "DeleteTrail", "PutUser", "ListKeys", "OldCall")
ACCOUNTS = ("111111111111", "222222222222", "333333333333")


def stamp(second):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(START + second))


def make(root):
    """Events each 100 s in turn over the accounts; the first calls are never made again, 9 days before all others."""
    made = [{"second": -9 * 86400 + i, "account": a, "name": "OldCall"} for i, a in enumerate(ACCOUNTS)]
    made += [{"second": 100 * i, "account": ACCOUNTS[i % 7 % 3], "name": NAMES[i * i % 5]} for i in range(100)]
    (root / "in").mkdir(parents=True)
    (root / "in" / "a.json").write_text(json.dumps({"Records": [
        event(n, eventTime=stamp(m["second"]), recipientAccountId=m["account"], eventName=m["name"], eventSource="s3.amazonaws.com")
        for n, m in enumerate(made)]}))
    return made


def args(*more):
    path = WORK / "rules.json"
    path.write_text(json.dumps(RULES))
    return ("--rules", path, "--signals-only", "--sink", "null", *map(str, more))


def said(*more, code=0):
    """What `state` prints: data, words."""
    done = run("state", *more, code=code)
    return done.stdout.decode(), done.stderr.decode()


def show(out, *more, code=0):
    return json.loads(said("show", "--json", "--out", out, *more, code=code)[0])


def group(account):
    return {"account": account}


def case_state_show():
    """Groups, counts, times and values are those of the events, for any number of shards; open signals those of signals.db."""
    made = make(WORK / "data")
    for shards in (1, 3):
        out = WORK / f"out{shards}"
        replay(WORK / "data", out, *args("--shards", shards))
        many, kinds, new = show(out, "many"), show(out, "kinds of calls"), show(out, "new names")
        assert many["method"] == "threshold" and many["window_s"] == WINDOW and many["shards"] == shards and many["name"] == "many", many
        assert many["events_up_to"] == stamp(made[-1]["second"]) and many["state_up_to"][:19] == many["events_up_to"][:19], many
        assert many["groups_total"] == kinds["groups_total"] == new["groups_total"] == 3
        for got in many["groups"]:
            mine = [m for m in made if m["account"] == got["group"]["account"]]
            inside = [m for m in mine if m["second"] > mine[-1]["second"] - WINDOW]
            assert got["events"] == len(inside) == got["queries"][0]["value"] > 3, (got, len(inside))
            assert got["first"] == stamp(inside[0]["second"]) and got["last"] == stamp(inside[-1]["second"]), got
            distinct = next(g for g in kinds["groups"] if g["group"] == got["group"])["queries"][0]
            assert distinct == {"events": len(inside), "aggregation": "cardinality", "value": len({m["name"] for m in inside})}, distinct
            learned = next(g for g in new["groups"] if g["group"] == got["group"])
            assert learned["values"] == len({m["name"] for m in mine}) and learned["learns_since"] == stamp(mine[0]["second"]), learned
        assert new["learning_s"] == 86400 and new["forget_after_s"] == 7 * 86400, new
        assert new["new_values"] == sum(g["values"] + 1 for g in new["groups"]), new
        for got in (many, kinds, new):
            rows = sqlite3.connect(out / "signals.db").execute(
                "select id, events_matched from signals where closed = 0 and rule_id = ? order by id", (got["rule"],)).fetchall()
            assert sorted((s["id"], s["events"]) for s in got["signals"]) == rows and got["signals_total"] == len(rows), (got, rows)
        assert many["signals_total"] == 3, many
        text = said("show", "many", "--out", out)[0]
        assert "threshold, window 1h, keep-alive 1h" in text and text.count('{"account":"') == 6 and "OPEN SIGNAL" in text, text
        assert "new_value" in said("show", "new names", "--out", out)[0]
        limited = show(out, "many", "--limit", "1")
        assert limited["groups"] == many["groups"][:1] and limited["groups_total"] == 3 and len(limited["signals"]) == 1, limited
        assert show(out, "KINDS of")["rule"] == kinds["rule"]  # a part of the name


def case_state_has():
    """--has is answered by the same hash that learned the value, of one part or several."""
    made = make(WORK / "data")
    out = WORK / "out"
    replay(WORK / "data", out, *args("--shards", 2))
    for name in NAMES[:-1]:
        mine = [m for m in made if m["name"] == name]
        got = show(out, "new names", "--has", name, code=0 if mine else 1)
        last = {a: stamp(max(m["second"] for m in mine if m["account"] == a)) for a in {m["account"] for m in mine}}
        assert got["has"] == bool(mine) and {k["group"]["account"]: k["last_seen"] for k in got["known_to"]} == last, (name, got, last)
        pair = show(out, "new pairs", "--has", name, "--has", "s3.amazonaws.com", code=0 if mine else 1)
        assert pair["known_to"] == got["known_to"], (pair, got)
    assert {m["name"] for m in made} > set(NAMES[:2])
    assert show(out, "new pairs", "--has", "GetObject", code=1)["has"] is False
    old = show(out, "new names", "--has", "OldCall", code=1)  # not seen for longer than forgetAfter
    assert len(old["known_to"]) == 3 and all(k["forgotten"] for k in old["known_to"]) and old["has"] is False, old
    assert said("show", "new names", "--has", "GetObject", "--out", out)[0].startswith("yes"), out
    assert said("show", "new names", "--has", "nothing", "--out", out, code=1)[0] == "no\n"


def case_state_unnamed():
    """Of groups beyond the limit there is no name, but --group asks one of them; the name is no part of what is learned."""
    make(WORK / "data")
    out = WORK / "out"
    replay(WORK / "data", out, *args("--set", "state.named_groups_max=0"))
    got = show(out, "new names")
    assert got["groups"] == [] and got["new_values"] > 6, got
    asked = said("show", "new names", "--has", "GetObject", "--out", out, code=1)
    assert "have no name" in asked[1] and "--group" in asked[1], asked[1]
    one = show(out, "new names", "--has", "GetObject", "--group", json.dumps(group(ACCOUNTS[0]), separators=(",", ":")))
    assert [k["group"] for k in one["known_to"]] == [group(ACCOUNTS[0])], one
    again = replay(WORK / "data", out, *args("--shards", 2))  # resumes, with names for what is new from now on
    assert again["state_kept"]["new_values"] == got["new_values"] + show(out, "new pairs")["new_values"], again
    assert show(out, "new names")["groups"] == []


def case_state_killed():
    """A run that was killed shows the last snapshot that a commit names."""
    root = WORK / "data"
    for day in range(3, 9):
        where = root / f"AWSLogs/{ACCOUNTS[0]}/CloudTrail/eu-west-1/2025/03/{day:02}"
        where.mkdir(parents=True)
        (where / "a.json").write_text(json.dumps({"Records": [
            event(1000 * day + n, eventTime=stamp((day - 3) * 86400 + 400 * n), recipientAccountId=ACCOUNTS[0]) for n in range(200)]}))
    out = WORK / "out"
    small = args("--set", "state.snapshot_bytes=1KiB", "--set", "commit.interval=1ms", "--set", "mailbox.capacity=1")
    kills = 0
    for epoch in range(1, 5):
        shutil.rmtree(out, ignore_errors=True)
        killed = subprocess.run([BINARY, "replay", root, "--out", out, "--no-progress", *FIXED, *map(str, small)], capture_output=True, check=False,
                                env={**os.environ, "PENSTOCK_KILL_AT": f"named@{epoch}"})
        assert killed.returncode in (0, -signal.SIGKILL), killed.stderr
        got = show(out, "many")
        assert got["commit"] == epoch if killed.returncode else got["commit"] < epoch, (epoch, got)
        kills += killed.returncode != 0
    assert kills > 0
    replay(root, out, *small)
    whole = show(out, "many")
    assert whole["groups_total"] == 1 and whole["events_up_to"] == stamp(5 * 86400 + 400 * 199), whole


def case_state_wrong():
    """What there is not is said, and how a rule is meant."""
    make(WORK / "data")
    out = WORK / "out"
    (WORK / "empty").mkdir()
    assert "no checkpoint.db" in said("show", "many", "--out", WORK / "empty", code=1)[1]
    child = subprocess.run([BINARY, "replay", WORK / "data", "--out", out, "--no-progress", *FIXED, *map(str, args())], capture_output=True,
                           check=False, env={**os.environ, "PENSTOCK_KILL_AT": "committed@1"})
    assert child.returncode == -signal.SIGKILL, child.stderr
    none = said("show", "many", "--out", out, code=1)
    assert "no snapshot of its state yet" in none[1] and "state.snapshot_bytes" in none[1], none[1]
    replay(WORK / "data", out, *args())
    assert "no rule `nothing`" in said("show", "nothing", "--out", out, code=1)[1]
    both = said("show", "new", "--out", out, code=2)[1]
    assert "2 rules" in both and "new names" in both and "new pairs" in both, both
    assert "rules that learn new values" in said("show", "many", "--has", "x", "--out", out, code=2)[1]
    assert "RULE is missing" in said("show", code=2)[1]
    assert "one RULE only" in said("show", "a", "b", code=2)[1]
    assert "--has" in said("show", "many", "--group", "{}", code=2)[1]
    assert "state show RULE" in said("list", code=2)[1]
    assert "--limit" in said("show", "many", "--limit", "0", code=2)[1]
    path = next((out / "state").glob("snapshot-*"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert path.name in said("show", "many", "--out", out, code=1)[1]


if __name__ == "__main__":
    main(globals())
