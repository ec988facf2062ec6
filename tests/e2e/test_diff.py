#!/usr/bin/env python3
"""test_diff.py PENSTOCK CASE - rules diff: two rule sets on the same records, against two replays of them."""
import collections
import gzip
import html
import json
import os
import random
import re
import sqlite3
import subprocess

from kit import CASE, WORK, event, replay, run

ARN = "arn:aws:iam::123456789012:user/"
SECOND = 10**9
START = 1740787200  # 2025-03-01
COUNTS = ("base", "head", "same", "changed", "added", "gone")


def rule(name, query, by=("@userIdentity.arn",), condition="found > 0", method="threshold", **more):
    options = {"detectionMethod": method, "evaluationWindow": 300, "keepAlive": 600, "maxSignalDuration": 3600,
               **more.pop("options", {})}
    return {"id": more.pop("id", f"id-{name}"), "name": name, "isEnabled": True, "message": "m",
            "type": "log_detection", "tags": [],
            "queries": [{"query": query, "groupByFields": list(by), "aggregation": "count", "name": "found", **more}],
            "cases": [{"name": "", "status": "low", "condition": condition, "notifications": []}], "options": options}


def sigma(name, number, names, level="medium"):
    return (f"title: {name}\nid: {number:08d}-1111-4111-8111-111111111111\nlogsource: {{product: aws, service: cloudtrail}}\n"
            f"detection: {{s: {{eventName: [{names}]}}, condition: s}}\nlevel: {level}\n")


def stamp(second):
    day, rest = divmod(second, 86400)
    return f"2025-03-{1 + day:02d}T{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}Z"


def made_days(chance, folder, days):
    by_day = collections.defaultdict(list)
    for i in range(600 * days):
        at = chance.randrange(days * 86400)
        account = chance.choice(("123456789012", "210987654321"))
        by_day[stamp(at)[:10]].append(event(i, eventTime=stamp(at), recipientAccountId=account, eventName=chance.choice(
            ("Get", "Put", "Delete", "List", f"Odd{chance.randrange(30)}")), userIdentity={
                "type": "IAMUser", "arn": f"{ARN}u{chance.randrange(5)}"}))
    for day, rows in by_day.items():
        path = folder / f"AWSLogs/123456789012/CloudTrail/eu-west-1/{day.replace('-', '/')}/"
        path.mkdir(parents=True)
        for half in (0, 1):
            name = f"123456789012_CloudTrail_eu-west-1_{day.replace('-', '')}T0000Z_{half}.json.gz"
            (path / name).write_bytes(gzip.compress(json.dumps({"Records": rows[half::2]}).encode()))


def write_set(name, rules, files):
    folder = WORK / name
    (folder / "suppressions").mkdir(parents=True)
    (folder / "r.json").write_text(json.dumps(rules))
    for path, text in files.items():
        (folder / path).write_text(text)
    return folder


def made_sets(chance):
    """Two sets that share rules, have some alone, and mean different things by the same id."""
    sources = "source:cloudtrail"

    def shared(limit, names, keep):
        return [rule("many", f"{sources} @eventName:({names})", condition=f"found > {limit}",
                     options={"evaluationWindow": 1800, "keepAlive": keep, "maxSignalDuration": 7200}),
                rule("new", sources, condition="", method="new_value", aggregation="new_value", metrics=["@eventName"],
                     options={"evaluationWindow": 0, "keepAlive": 0,
                              "newValueOptions": {"forgetAfter": 7, "learningDuration": 0}}),
                rule("held", f"{sources} @eventName:Delete", by=("@recipientAccountId",), options={"keepAlive": 1800}),
                rule("tried", f"{sources} @eventName:Put", options={"keepAlive": 900})]
    base = write_set("base", shared(chance.choice((2, 3)), "Get OR Put", 1800) +
                     [rule("old", f"{sources} @eventName:Odd1*")],
                     {"s.yml": sigma("worse", 1, "Odd3", "low"), "k.yml": sigma("kept", 2, "Odd4, Odd5")})
    chain = ("title: twice\nid: 33333333-3333-4333-8333-333333333333\ncorrelation:\n  type: event_count\n  rules: ["
             "00000002-1111-4111-8111-111111111111]\n  group-by: [recipientAccountId]\n  timespan: 12h\n  condition: "
             "{gte: 2}\nlevel: high\n")
    head = write_set("head", shared(chance.choice((3, 4)), "Get OR Put OR List", chance.choice((1800, 3600))) +
                     [rule("fresh", f"{sources} @eventName:Odd2*")],
                     {"s.yml": sigma("worse", 1, "Odd3", "high"), "k.yml": sigma("kept", 2, "Odd4, Odd5"),
                      "c.yml": chain, "suppressions/s.yml": "name: known\nquery: '@recipientAccountId:210987654321'\n"
                                                            "rule_query: 'id:id-held'\nreason: r\nowner: o\n",
                      "overlay.yml": "rules:\n  id-tried: {mode: shadow}\n"})
    return base, head


def signals(out):
    db = sqlite3.connect(out / "signals.db")
    rows = [dict(zip(("id", "rule", "group", "severity", "first", "last", "events", "cold", "accounts", "actors"), row))
            for row in db.execute("select id, rule_id, group_by, severity, first_seen_ns, last_seen_ns, events_matched, "
                                  "cold, accounts, actors from signals where suppressed_by is null and shadow = 0")]
    held = db.execute("select count(*) from signals where suppressed_by is not null").fetchone()[0]
    db.close()
    return rows, held


def spans(rows):
    return sorted(rows, key=lambda row: (row["first"], row["id"]))


def pairs_of(base, head, all_base, all_head):
    """Who meets whom, of what either run has (also what is held back), then what that means."""
    pairs = []
    for key in {(r["rule"], r["group"]) for r in all_base + all_head}:
        left = [r for r in all_base if (r["rule"], r["group"]) == key]
        right = [r for r in all_head if (r["rule"], r["group"]) == key]
        ids = {r["id"] for r in left} & {r["id"] for r in right}
        pairs += [(next(r for r in left if r["id"] == i), next(r for r in right if r["id"] == i)) for i in ids]
        left, right = spans(r for r in left if r["id"] not in ids), spans(r for r in right if r["id"] not in ids)
        while left or right:
            if left and right and left[0]["first"] <= right[0]["last"] and right[0]["first"] <= left[0]["last"]:
                pairs.append((left.pop(0), right.pop(0)))
            elif not right or (left and left[0]["last"] < right[0]["first"]):
                pairs.append((left.pop(0), None))
            else:
                pairs.append((None, right.pop(0)))
    told = {id(r) for r in base + head}
    for before, after in pairs:
        is_before, is_after = id(before) in told, id(after) in told
        if is_before or is_after:
            change = ("gone" if not is_after else "added" if not is_before else
                      "same" if before == after else "changed")
            yield change, before if is_before else None, after if is_after else None


def everything(out, rows):
    """What a run told, as the rows that were given, and what it held back."""
    db = sqlite3.connect(out / "signals.db")
    known = {row["id"] for row in rows}
    more = [dict(zip(("id", "rule", "group", "first", "last"), row)) for row in db.execute(
        "select id, rule_id, group_by, first_seen_ns, last_seen_ns from signals")]
    db.close()
    return rows + [row for row in more if row["id"] not in known]


def check(got, base_out, head_out):
    """The diff says of every signal what two runs say."""
    base, held_base = signals(base_out)
    head, held_head = signals(head_out)
    assert (got["base"]["signals"], got["head"]["signals"]) == (len(base), len(head)), (got["base"], len(base))
    assert (got["base"]["suppressed"], got["head"]["suppressed"]) == (held_base, held_head), got["head"]
    wanted = list(pairs_of(base, head, everything(base_out, base), everything(head_out, head)))
    changes = collections.Counter(change for change, _, _ in wanted)
    assert got["signals"] == {name: changes[name] for name in COUNTS[2:]}, (got["signals"], changes)
    listed = {(d["change"], (d["base"] or {}).get("id"), (d["head"] or {}).get("id")) for d in got["differences"]}
    for change, before, after in wanted:
        if change == "changed":
            assert (change, before["id"], after["id"]) in listed, (change, before, after)
        elif change != "same":
            ids = (before or after)["id"]
            assert any(row[0] == change and ids in row[1:] for row in listed), (change, before, after)
    assert len(got["differences"]) == sum(changes.values()) - changes["same"] and got["differences_left_out"] == 0
    for rows, member, keys in (("rules", "rule", lambda r: [r["rule"]]),
                               ("accounts", "account", lambda r: json.loads(r["accounts"])),
                               ("identities", "identity", lambda r: json.loads(r["actors"])),
                               ("by_day", "day", lambda r: [stamp(r["first"] // SECOND - START)[:10]])):
        counts = collections.defaultdict(collections.Counter)
        for change, before, after in wanted:
            for key in keys(after or before):
                counts[key].update({"base": before is not None, "head": after is not None, change: 1})
        told = {row[member]: {name: row[name] for name in COUNTS} for row in got[rows]}
        for key, row in counts.items():
            assert told.pop(key) == {name: row[name] for name in COUNTS}, (rows, key, row)
        assert all(sum(row.values()) == 0 for row in told.values()), (rows, told)
    return changes


def case_diff_replay():
    """One pass tells what two replays tell: every signal, by rule, account, identity and day; also of a range."""
    seed = int(os.environ.get("PENSTOCK_SEED", "1"))
    print("seed", seed)
    chance = random.Random(seed)
    logs = WORK / "logs"
    made_days(chance, logs, 3)
    base, head = made_sets(chance)
    seen = collections.Counter()
    for turn, args in enumerate(([], ["--from", stamp(86400 + chance.randrange(80000)), "--to", stamp(3 * 86400 - 5000)])):
        outs = []
        for name, rules in (("base", base), ("head", head)):
            outs.append(WORK / f"{name}-{turn}")
            warm = ["--warm-up", "8d"] if args else []
            replay(logs, outs[-1], "--rules", rules, "--signals-only", *args, *warm)
        more = [*args, *(["--warm-up", "8d"] if args else [])]
        forms = [json.loads(run("rules", "diff", "--base", base, "--head", head, logs, "--json", "--limit", "1000000",
                                "--shards", shards, *more).stdout) for shards in (1, 3)]
        seen += check(forms[0], *outs)
        for form in forms:  # times are measured, all else is the same
            for cost in [form["base"].pop("cost"), form["head"].pop("cost")]:
                assert cost["observe_cpu_s"] > 0 and cost["state_cpu_s"] > 0 and cost["observations"] > 0, cost
            for row in form["rules"]:
                assert (row["base_cost"] is None) == (row["in"] == "head" or row["base_cost"] is None), row
                for side in ("base_cost", "head_cost"):
                    if row[side] is not None:
                        assert row[side].pop("cpu_s") > 0 and row[side]["matches"] > 0, row
        assert sorted(map(str, forms[0].pop("differences"))) == sorted(map(str, forms[1].pop("differences")))
        assert forms[0] == forms[1]
        rules = {row["rule"]: row for row in forms[0]["rules"]}
        assert rules["id-old"]["in"] == "base" and rules["id-fresh"]["in"] == "head" and rules["id-many"]["in"] == "both"
        assert rules["id-tried"]["gone"] == rules["id-tried"]["base"] > 0 == rules["id-tried"]["head"], rules["id-tried"]
        assert forms[0]["head"]["suppressed"] > 0 and forms[0]["head"]["shadow"] > 0, forms[0]["head"]
        assert forms[0]["objects"]["read"] == forms[0]["objects"]["listed"] - forms[0]["objects"]["pruned"] > 0
    assert all(seen[name] > 10 for name in COUNTS[2:]), seen
    same = json.loads(run("rules", "diff", "--base", head, "--head", head, logs, "--json").stdout)
    assert same["signals"] == {"same": same["head"]["signals"], "changed": 0, "added": 0, "gone": 0}, same["signals"]
    assert same["differences"] == [] and same["head"]["signals"] > 0


def case_diff_forms():
    """A table, Markdown that logs cannot break out of, limits, and what is wrong with a command line."""
    logs = WORK / "logs"
    logs.mkdir()
    evil = ARN + "a|b`<img src=x>[c](http://d)@e\u202e"
    (logs / "a.json").write_text(json.dumps({"Records": [
        event(i, eventName="Put" if i % 2 else "Get", eventTime=stamp(4000 * i),
              userIdentity={"type": "IAMUser", "arn": evil}) for i in range(40)]}))
    base, head = WORK / "b.json", WORK / "h.json"
    base.write_text(json.dumps([rule("put | it", "source:cloudtrail @eventName:Put", id="x")]))
    head.write_text(json.dumps([rule("any", "source:cloudtrail @eventName:*", id="x")]))
    args = ("rules", "diff", "--base", base, "--head", head, logs)
    table = run(*args).stdout.decode()
    assert "20 signals added, 0 gone, 0 changed, 20 the same" in table and "rule " in table and "account" in table, table
    assert f"{evil[:-1]}" in table and "\u202e" not in table, table
    text = run(*args, "--markdown", "--limit", "5").stdout.decode()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert "### Rules: 20 signals added" in text and "and 15 more signals" in text, text
    widths = [len(re.split(r"\|", row)) for row in rows]
    blocks = collections.Counter(widths)
    assert set(blocks) == {13, 8, 7}, (blocks, text)  # rules; account, identity and day; signals
    assert "<img" not in text and "](http" not in text and "`<" not in text and evil[:-1] in html.unescape(text), text
    few = json.loads(run(*args, "--json", "--limit", "3").stdout)
    assert len(few["differences"]) == 3 and few["differences_left_out"] == 17, few
    cut = run(*args, "--json", "--set", "diff.signals_max=7")
    left = json.loads(cut.stdout)
    assert left["base"]["not_compared"] == 13 and left["head"]["not_compared"] == 33, left
    assert b"13 signals of base are beyond diff.signals_max" in cut.stderr, cut.stderr
    for words, wrong in (("wants --head", ("--base", base, logs)), ("wants --base", ("--head", base, logs)),
                         ("at least one source", ("--base", base, "--head", head)),
                         ("give one", ("--base", base, "--head", head, logs, "--json", "--markdown")),
                         ("--warm-up takes", ("--base", base, "--head", head, logs, "--warm-up", "x")),
                         ("unknown option", ("--base", base, "--head", head, logs, "--rules", base))):
        told = run("rules", "diff", *wrong, code=2).stderr.decode()
        assert words in told or (words == "unknown option" and "--rules" in told), (words, told)
    bad = WORK / "bad.json"
    bad.write_text(json.dumps([rule("q", "source:cloudtrail @eventName:(")]))
    assert b"bad.json" in run("rules", "diff", "--base", base, "--head", bad, logs, code=7).stderr
    run("rules", "diff", "--base", base, "--head", bad, logs, "--allow-gaps")
    assert b"no rule in base nor in head" in run("rules", "diff", "--base", bad, "--head", bad, logs, code=4).stderr
    assert b"nosuch" in run("rules", "diff", "--base", WORK / "nosuch", "--head", head, logs, code=1).stderr
    builtin = json.loads(run("rules", "diff", "--base", "builtin", "--head", head, logs, "--json").stdout)
    assert builtin["base"]["rules"] >= 150 and builtin["head"]["rules"] == 1, builtin["base"]
    piped = run("rules", "diff", "--base", base, "--head", head, "-", "--json", input=(logs / "a.json").read_bytes())
    assert json.loads(piped.stdout)["signals"]["added"] == 20


def case_diff_types():
    """Objects of types that no rule of either set is for are skipped by their keys, whatever form the rules have."""
    logs = WORK / "logs"
    trail = logs / "AWSLogs/123456789012/CloudTrail/eu-west-1/2025/03/04/123456789012_CloudTrail_eu-west-1_a.json.gz"
    flow = logs / "AWSLogs/123456789012/vpcflowlogs/eu-west-1/2025/03/04/123456789012_vpcflowlogs_eu-west-1_fl-1_b.log.gz"
    for path, text in ((trail, json.dumps({"Records": [event(1, eventName="StopLogging"), event(2)]})),
                       (flow, "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes "
                              "start end action log-status\n2 123456789012 eni-1 10.0.0.1 10.0.0.2 1 22 6 1 40 "
                              "1741064767 1741064800 ACCEPT OK\n")):
        path.parent.mkdir(parents=True)
        path.write_bytes(gzip.compress(text.encode()))
    named, chain, other, any_type = (WORK / name for name in ("named.json", "chain.yml", "flow.json", "any.json"))
    named.write_text(json.dumps([rule("stop", "source:cloudtrail @eventName:StopLogging", by=())]))
    chain.write_text(sigma("one", 1, "StopLogging", "low") + "---\ntitle: many\nid: 22222222-2222-4222-8222-222222222222\n"
                     "correlation:\n  type: event_count\n  rules: [00000001-1111-4111-8111-111111111111]\n"
                     "  group-by: [recipientAccountId]\n  timespan: 1h\n  condition: {gte: 1}\nlevel: low\n")
    other.write_text(json.dumps([rule("flow", "source:vpc", by=())]))
    any_type.write_text(json.dumps([rule("any", "@account-id:123456789012 OR @eventName:StopLogging", by=())]))
    for base, head, read in ((named, named, 1), (chain, named, 1), (named, chain, 1), (named, other, 2), (other, other, 1),
                             (named, any_type, 2), (any_type, chain, 2)):
        got = json.loads(run("rules", "diff", "--base", base, "--head", head, logs, "--json").stdout)
        assert (got["objects"]["read"], got["objects"]["pruned"]) == (read, 2 - read), (base, head, got["objects"])
        assert got["base"]["signals"] > 0 and got["head"]["signals"] > 0, (base, head, got)


try:
    globals()[f"case_{CASE}"]()
finally:
    subprocess.run(["rm", "-rf", str(WORK)], check=False)
print("ok", CASE)
