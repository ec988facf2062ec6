#!/usr/bin/env python3
"""test_backtest.py PENSTOCK CASE - rules tried on history: what they told a day, whom, at what cost."""
import collections
import gzip
import json
import os
import random
import sqlite3
import subprocess

import mmdb_made
from kit import CASE, FIXED, WORK, event, generate, replay, run

ARN = "arn:aws:iam::123456789012:user/"


def rule(name, query, by=("@userIdentity.arn",), condition="found > 0", method="threshold", **more):
    options = {"detectionMethod": method, "evaluationWindow": 300, "keepAlive": 600, "maxSignalDuration": 3600,
               **more.pop("options", {})}
    return {"id": more.pop("id", f"id-{name}"), "name": name, "isEnabled": True, "message": "m",
            "type": "log_detection", "tags": [],
            "queries": [{"query": query, "groupByFields": list(by), "aggregation": "count", "name": "found", **more}],
            "cases": [{"name": "", "status": "low", "condition": condition, "notifications": []}], "options": options}


def write_rules(name, *rules):
    path = WORK / name
    path.write_text(json.dumps(list(rules)))
    return path


def rows_of(out, sql):
    db = sqlite3.connect(out / "signals.db")
    rows = db.execute(sql).fetchall()
    db.close()
    return rows


def case_backtest_report():
    """The counts are those of signals.db; costs those of the records; the table has them too."""
    data = generate("data", "6MiB")
    rules = write_rules("rules.json", rule("any \"call\"", "source:cloudtrail @eventName:*"),
                        rule("errors", "source:cloudtrail @errorCode:*", by=("@eventName", "@awsRegion")),
                        rule("never", "source:cloudtrail @eventName:NoSuchCall"))
    records = [json.loads(line) for line in run("search", "*", data).stdout.splitlines()]
    for shards in (1, 3):
        out = WORK / f"out-{shards}"
        got = replay(data, out, "--rules", rules, "--signals-only", "--shards", shards)["backtest"]
        days = collections.Counter()
        for name, ns in rows_of(out, "select rule_name, first_seen_ns from signals"):
            days[name, ns // 86400 // 10**9] += 1
        assert len(got["days"]) == len(days) > 7, got["days"]
        for row in got["days"]:
            day = sum(n for (name, at), n in days.items() if name == row["name"] and
                      row["day"] == rows_of(out, f"select date({at} * 86400, 'unixepoch')")[0][0])
            assert row["signals"] == day, row
        per_rule = dict(rows_of(out, "select rule_id, count(*) from signals group by 1"))
        assert {r["rule"]: r["signals"] for r in got["rules"]} == per_rule and len(per_rule) == 2
        groups = rows_of(out, "select rule_id, group_by, count(*) from signals group by 1, 2 order by 3 desc")
        assert got["groups"]["count"] == len(groups) and got["groups"]["other_signals"] == 0
        assert [g["signals"] for g in got["groups"]["noisiest"]] == [n for _, _, n in groups[:100]]
        first = got["groups"]["noisiest"][0]
        assert (first["rule"], json.dumps(first["group"], separators=(",", ":")), first["signals"]) in groups, first
        costs = {c["rule"]: c for c in got["costs"]}
        errors = [r for r in records if "errorCode" in r]
        assert costs["id-any \"call\""]["matches"] == len(records) and costs["id-errors"]["matches"] == len(errors)
        assert costs["id-errors"]["observations"] == len(errors) and costs["id-errors"]["bytes"] > 0
        assert set(costs) == {"id-any \"call\"", "id-errors"} and costs["id-errors"]["cpu_s"] > 0
    few = replay(data, WORK / "few", "--rules", rules, "--signals-only", "--set", "search.groups_max=3")["backtest"]
    assert few["groups"]["count"] == 3 and few["groups"]["other_signals"] == \
        sum(per_rule.values()) - sum(g["signals"] for g in few["groups"]["noisiest"]) > 0
    table = run("replay", data, "--rules", rules, "--signals-only", "--out", WORK / "t", "--no-progress").stdout.decode()
    assert "back-test" in table and "noisiest" in table and "any \"call\"" in table, table
    assert f"and {len(groups) - 10} more groups" in table and "documents" not in table, table
    assert "backtest" not in replay(data, WORK / "full", "--rules", rules)


def case_backtest_shared():
    """Queries of a rule that ask the same in the same groups make one observation of a record."""
    data = generate("data", "2MiB")
    query = "source:cloudtrail @errorCode:*"
    made = []
    for name, other in (("same", query), ("another", f"{query} @eventName:*")):
        one = rule(name, query, by=("@awsRegion",), condition="found > 5 && b > 1 && c > 5")
        one["queries"] += [{"name": "b", "query": query, "groupByFields": ["@awsRegion"], "aggregation": "cardinality",
                            "distinctFields": ["@eventName"]},
                           {"name": "c", "query": other, "groupByFields": ["@awsRegion"], "aggregation": "count", "distinctFields": []}]
        made.append(one)
    got = replay(data, WORK / "out", "--rules", write_rules("rules.json", *made), "--signals-only")
    costs = {c["rule"]: c for c in got["backtest"]["costs"]}
    same, another = costs["id-same"], costs["id-another"]
    assert same["matches"] == another["matches"] == 3 * same["observations"] > 0, costs
    assert another["observations"] == 2 * same["observations"], costs
    told = [rows_of(WORK / "out", "select group_by, first_seen_ns, last_seen_ns, events_matched, severity from signals "
                                  f"where rule_name = '{name}' order by 1, 2") for name in ("same", "another")]
    assert told[0] == told[1] != [], told


def case_backtest_types():
    """Objects of types that no rule is for are not read, whatever form the rules have."""
    folder = WORK / "logs"
    trail = folder / "AWSLogs/123456789012/CloudTrail/eu-west-1/2025/03/04/123456789012_CloudTrail_eu-west-1_a.json.gz"
    flow = folder / "AWSLogs/123456789012/vpcflowlogs/eu-west-1/2025/03/04/123456789012_vpcflowlogs_eu-west-1_fl-1_b.log.gz"
    loose = folder / "loose.json"
    for path, text in ((trail, json.dumps({"Records": [event(1, eventName="StopLogging"), event(2)]})),
                       (loose, json.dumps({"Records": [event(3, eventName="StopLogging")]})),
                       (flow, "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes "
                              "start end action log-status\n2 123456789012 eni-1 10.0.0.1 10.0.0.2 1 22 6 1 40 "
                              "1741064767 1741064800 ACCEPT OK\n")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    sigma = WORK / "chain.yml"
    sigma.write_text("title: one\nid: 11111111-1111-4111-8111-111111111111\nname: one\nlogsource: {product: aws, service: "
                     "cloudtrail}\ndetection: {s: {eventName: StopLogging}, condition: s}\nlevel: low\n---\n"
                     "title: many\nid: 22222222-2222-4222-8222-222222222222\ncorrelation:\n  type: event_count\n"
                     "  rules: [one]\n  group-by: [recipientAccountId]\n  timespan: 1h\n  condition: {gte: 1}\nlevel: low\n")
    named = write_rules("named.json", rule("stop", "source:cloudtrail @eventName:StopLogging", by=()))
    any_type = write_rules("any.json", rule("any", "@account-id:123456789012 OR @eventName:StopLogging", by=()))
    for path, reads, pruned in ((named, 2, 1), (sigma, 2, 1), (any_type, 3, 0)):
        out = WORK / path.stem
        summary = replay(folder, out, "--rules", path, "--signals-only")
        objects = summary["objects"]
        assert (objects["read"], objects["pruned"], objects["unknown"]) == (reads, pruned, 0), (path, objects)
        whole = replay(folder, WORK / f"{path.stem}-whole", "--rules", path)
        assert whole["objects"]["read"] == 3 and whole["objects"]["pruned"] == 0, whole["objects"]
        sql = "select id, rule_id, first_seen_ns, events_matched from signals order by 1"
        assert rows_of(out, sql) == rows_of(WORK / f"{path.stem}-whole", sql) != [], path
        again = replay(folder, out, "--rules", path, "--signals-only")
        assert again["objects"]["pruned"] == pruned and rows_of(out, sql) != []
    # What --types and --not-types leave is narrowed further, never widened.
    out = replay(folder, WORK / "narrow", "--rules", any_type, "--signals-only", "--types", "vpcflowlogs")
    assert (out["objects"]["read"], out["records"]["delivered"], out["records"]["filtered"]) == (2, 1, 1), out
    none = replay(folder, WORK / "none", "--rules", named, "--signals-only", "--not-types", "cloudtrail")
    assert (none["objects"]["read"], none["signals"]["opened"]) == (1, 0), none


SECOND = 10**9
START = 1740787200  # 2025-03-01


def stamp(second):
    return rows_time(START + second)


def rows_time(epoch):
    days, rest = divmod(epoch - START, 86400)
    return f"2025-03-{1 + days:02d}T{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}Z"


def rows_far(second):
    """As stamp, also beyond March."""
    day = second // 86400
    return stamp(second) if day < 31 else stamp(second % 86400).replace("2025-03-01", f"2025-04-{day - 30:02d}")


def made_events(chance, days):
    """Bursts and silences of a few users: some groups are quiet for hours, some never."""
    events = []
    for user in range(4):
        at = chance.randrange(7200)
        while at < days * 86400:
            for _ in range(chance.randrange(1, 9)):
                at += chance.randrange(1, 900 if user else 500)
                events.append((at, user, chance.choice(("Get", "Put", "Delete", f"Odd{chance.randrange(12)}"))))
            at += chance.choice((60, 1200, 1800, 14000 if user else 1500))
    return [event(i, eventTime=stamp(at), eventName=name, userIdentity={"type": "IAMUser", "arn": f"{ARN}u{user}"})
            for i, (at, user, name) in enumerate(events) if at < days * 86400]


def put_days(folder, events):
    by_day = collections.defaultdict(list)
    for row in events:
        by_day[row["eventTime"][:10]].append(row)
    for day, rows in by_day.items():
        path = folder / f"AWSLogs/123456789012/CloudTrail/eu-west-1/{day.replace('-', '/')}/"
        path.mkdir(parents=True)
        half = len(rows) // 2
        for name, part in (("b", rows[:half]), ("a", rows[half:])):
            (path / f"123456789012_CloudTrail_eu-west-1_{day.replace('-', '')}T0000Z_{name}.json.gz").write_bytes(
                gzip.compress(json.dumps({"Records": part}).encode()))


def range_rules(name):
    source = "source:cloudtrail"
    folder = WORK / name
    folder.mkdir()
    rules = [rule("many", f"{source} @eventName:*", condition="found > 3", options={"evaluationWindow": 1800,
                  "keepAlive": 1800, "maxSignalDuration": 7200}),
             rule("any", f"{source} @eventName:Put", options={"evaluationWindow": 0, "keepAlive": 3600,
                  "maxSignalDuration": 86400}),
             rule("each", f"{source} @eventName:Delete", options={"evaluationWindow": 0, "keepAlive": 0})]
    (folder / "r.json").write_text(json.dumps(rules))
    (folder / "s.yml").write_text("title: sig\nid: 33333333-3333-4333-8333-333333333333\nlogsource: {product: aws, "
                                  "service: cloudtrail}\ndetection: {s: {eventName|startswith: [P, D]}, condition: s}\n")
    return folder


SIGNAL = "select id, rule_name, group_by, first_seen_ns, last_seen_ns, events_matched, cold from signals"


def compare(long, ranged, from_ns, has_warm_up=True):
    """Signals of a ranged run against those of a longer one: only cold ones may differ (and without a warm-up
    some are missing: their windows began before it).  How many are warm and cold."""
    whole = {row[0]: row for row in rows_of(long, SIGNAL) if row[4] >= from_ns}
    got = {row[0]: row for row in rows_of(ranged, SIGNAL)}
    assert all(row[6] == 0 for row in whole.values()), "the longer run has no beginning"
    assert all(row[4] >= from_ns for row in got.values()), "before the range"
    warm = {key: row for key, row in got.items() if row[6] == 0}
    for key, row in warm.items():
        assert whole.get(key) == row, (row, whole.get(key))
    cold = [row for row in got.values() if row[6] == 1]
    for key, row in whole.items():
        near = [c for c in cold if c[1:3] == row[1:3] and c[3] <= row[4] and row[3] <= c[4] + 86400 * SECOND]
        assert key in warm or near or not has_warm_up, ("missing", row)
    return len(warm), len(cold)


def case_backtest_range():
    """A range with a warm-up tells the signals of a longer run, from any beginning, but for cold ones."""
    seed = int(os.environ.get("PENSTOCK_SEED", "1"))
    print("seed", seed)
    chance = random.Random(seed)
    rules = range_rules("range-rules")
    warm_all, cold_all, bare_cold = 0, 0, 0
    for turn in range(4):
        folder = WORK / f"range-{turn}"
        put_days(folder, made_events(chance, 3))
        long = WORK / f"long-{turn}"
        whole = replay(folder, long, "--rules", rules, "--signals-only")
        for k in range(3):
            second = chance.randrange(86400 + 3600, 2 * 86400) if k else 86400 * 2
            from_ns = (START + second) * SECOND
            out = WORK / f"out-{turn}-{k}"
            args = ("--rules", rules, "--from", stamp(second), "--shards", chance.choice((1, 2, 3)))
            got = replay(folder, out, *args, "--warm-up", "auto", *(["--signals-only"] if k else []))
            inside = [r for r in run("search", "*", folder, "--from", stamp(second), "--fields", "eventID").stdout.split()]
            assert got["records"]["delivered"] == len(inside) < whole["records"]["delivered"], got["records"]
            assert got["records"]["filtered"] == got["records"]["in"] - len(inside) > 0, got["records"]
            warm, cold = compare(long, out, from_ns)
            warm_all, cold_all = warm_all + warm, cold_all + cold
            bare = WORK / f"bare-{turn}-{k}"
            replay(folder, bare, *args, "--warm-up", "0")
            bare_cold += compare(long, bare, from_ns, False)[1]
    assert warm_all > 200 and 0 < cold_all < bare_cold, (warm_all, cold_all, bare_cold)
    plan = json.loads(run("replay", folder, *args, "--warm-up", "auto", "--plan", "--json").stdout)
    assert plan["warm_up"]["seconds"] == 7200 and plan["objects"]["listed"] >= plan["warm_up"]["objects"], plan
    long = json.loads(run("replay", folder, "--from", "2025-03-03T12:00:00Z", "--warm-up", "30h", "--plan",
                          "--json").stdout)["warm_up"]
    assert (long["seconds"], long["objects"]) == (30 * 3600, 2), long
    words = run("replay", folder, "--warm-up", "auto", code=2).stderr.decode()
    assert "--warm-up is what is read before --from" in words, words
    assert "does not take" in run("replay", folder, "--warm-up", "x", code=2).stderr.decode()
    other = run("replay", folder, *args, "--warm-up", "2h", "--out", bare, code=2).stderr.decode()
    assert "warm-up" in other, other


def method_rules(name):
    """Rules of every method that looks back further than a window, and one over the signals of another."""
    folder = WORK / name
    folder.mkdir()
    source = "source:cloudtrail"
    login = f"{source} @eventName:Login"
    learning = {"forgetAfter": 2, "learningDuration": 1}
    first = {"forgetAfter": 2, "learningDuration": 0, "learningMethod": "threshold", "learningThreshold": 1}
    steps = {"steps": [{"name": "a", "condition": "got > 0", "evaluationWindow": 3600},
                       {"name": "b", "condition": "put > 0", "evaluationWindow": 3600}],
             "stepTransitions": [{"parent": "a", "child": "b", "evaluationWindow": 10800}]}
    chain = rule("gone", f"{source} @eventName:Get", method="sequence_detection", condition="", options={
        "evaluationWindow": 0, "keepAlive": 7200, "maxSignalDuration": 21600, "sequenceDetectionOptions": steps})
    chain["queries"] = [{**chain["queries"][0], "name": "got"},
                        {**chain["queries"][0], "name": "put", "query": f"{source} @eventName:Put"}]
    chain["cases"] = [{"name": "", "status": "low", "condition": "b > 0", "notifications": []}]
    rules = [rule("new", source, condition="", method="new_value", aggregation="new_value", metrics=["@eventName"],
                  options={"evaluationWindow": 0, "keepAlive": 3600, "newValueOptions": learning}),
             rule("first", source, condition="", method="new_value", aggregation="new_value", metrics=["@eventName"],
                  options={"evaluationWindow": 0, "keepAlive": 0, "newValueOptions": first}), chain,
             rule("far", login, condition="", method="impossible_travel", aggregation="geo_data",
                  metrics=["@network.client.geoip"], options={"evaluationWindow": 0, "keepAlive": 3600})]
    (folder / "r.json").write_text(json.dumps(rules))
    (folder / "s.yml").write_text(
        "title: sig\nid: 33333333-3333-4333-8333-333333333333\nname: sig\nlogsource: {product: aws, service: cloudtrail}\n"
        "detection: {s: {eventName|startswith: [P, O]}, condition: s}\n---\ntitle: over\n"
        "id: 44444444-4444-4444-8444-444444444444\ncorrelation:\n  type: event_count\n  rules: [sig]\n"
        "  group-by: [recipientAccountId]\n  timespan: 2h\n  generate: true\n  condition: {gte: 2}\nlevel: low\n")
    return folder


def made_lives(chance, days):
    """Users with habits: always there, away for days, new at some time; names and places that come and go."""
    events = []
    lives = [(0, days)] * 2 + [(0, 3), (9, days), (chance.randrange(4, 8), days)]
    for user, (begin, end) in enumerate(lives):
        at = begin * 86400 + chance.randrange(7200)
        while at < end * 86400:
            name = chance.choice(("Get", "Get", "Put", "Login", "Login", f"Odd{chance.randrange(9)}"))
            place = chance.choice(("2.125.160.7",) * 5 + ("81.2.1.1", f"81.4.{chance.randrange(90)}.1"))
            events.append((at, user, name, place))
            at += chance.choice((60, 600, 3600, 9000, 40000, 100000 if user else 7200))
    events += [(10 * 86400 + 50 * i + chance.randrange(80000), 2, f"Odd{i}", "2.125.160.7") for i in range(4)]
    return [event(i, eventTime=stamp(at), eventName=name, sourceIPAddress=place,
                  userIdentity={"type": "IAMUser", "arn": f"{ARN}u{user}"})
            for i, (at, user, name, place) in enumerate(events)]


def cities():
    """A database of places: two that many have, ninety that a few have."""
    mmdb_made.write(WORK / "city.mmdb", "Test-City", {
        "2.125.160.0/24": mmdb_made.place("FR", "France", "Paris", 2.3522, 48.8566),
        "81.2.0.0/16": mmdb_made.place("JP", "Japan", "Tokyo", 139.69, 35.69),
        **{f"81.4.{i}.0/24": mmdb_made.place("AU", "Australia", f"Town {i}", 140.0, -30.0) for i in range(90)}})
    return WORK / "city.mmdb"


def killed(folder, out, where, args):
    """The same run, killed in a commit and resumed."""
    run("replay", folder, "--out", out, "--no-progress", "--set", "commit.interval=1ms", *FIXED, *args, code=None,
        env={**os.environ, "PENSTOCK_KILL_AT": where})
    return replay(folder, out, *args)


def case_backtest_methods():
    """The same of new values, travel, sequences and rules over signals, also after a kill; dormant groups are cold."""
    seed = int(os.environ.get("PENSTOCK_SEED", "1"))
    print("seed", seed)
    chance = random.Random(seed)
    rules = method_rules("method-rules")
    fixed = ("--rules", rules, "--set", f"enrich.geoip={cities()}")
    warm, cold = collections.Counter(), collections.Counter()
    for turn in range(2):
        folder = WORK / f"lives-{turn}"
        put_days(folder, made_lives(chance, 13))
        replay(folder, WORK / f"long-{turn}", *fixed, "--signals-only")
        for k, where in enumerate((None, "release@2", "committed@3")):
            second = chance.randrange(8 * 86400, 11 * 86400)
            out = WORK / f"out-{turn}-{k}"
            args = (*fixed, "--from", stamp(second), "--shards", chance.choice((1, 2, 3)), "--warm-up", "auto")
            _ = replay(folder, out, *args) if where is None else killed(folder, out, where, args)
            compare(WORK / f"long-{turn}", out, (START + second) * SECOND)
            for name, is_cold in rows_of(out, "select rule_name, cold from signals"):
                (cold if is_cold else warm)[name] += 1
    assert all(warm[name] > 0 for name in ("new", "first", "gone", "far", "sig", "over")), warm
    assert cold["new"] > 0 and cold["first"] > 0, cold
    plan = json.loads(run("replay", folder, *args, "--plan", "--json").stdout)["warm_up"]
    assert 4 * 86400 < plan["seconds"] < 5 * 86400, plan  # a day of learning twice, two of forgetting, the keep-alive


def case_backtest_anomalies():
    """The same of rules that look back for weeks: the history of anomalies, and places that are known."""
    seed = int(os.environ.get("PENSTOCK_SEED", "1"))
    print("seed", seed)
    chance = random.Random(seed)
    odd = rule("odd", "source:cloudtrail @eventName:Get", condition="found > 0.9", method="anomaly_detection", options={
        "evaluationWindow": 0, "keepAlive": 7200, "maxSignalDuration": 86400, "anomalyDetectionOptions": {
            "bucketDuration": 3600, "learningDuration": 24, "detectionTolerance": 1}})
    farther = rule("farther", "source:cloudtrail @eventName:Login", condition="", method="impossible_travel",
                   aggregation="geo_data", metrics=["@network.client.geoip"], options={
                       "evaluationWindow": 0, "keepAlive": 3600, "impossibleTravelOptions": {
                           "baselineUserLocations": True, "baselineUserLocationsDuration": 1}})
    events = []
    for user, life in enumerate(((0, 40), (0, 40), (6, 40), (0, 12))):
        for hour in range(life[0] * 24, life[1] * 24):
            count = chance.randrange(6, 12) if chance.random() < 0.02 else chance.randrange(3) if hour % 24 < 9 else 0
            events += [(hour * 3600 + chance.randrange(3600), user, "Get", "10.0.0.1") for _ in range(count)]
            if chance.random() < 0.2:
                place = chance.choice(("2.125.160.7",) * 5 + ("81.2.1.1", f"81.4.{chance.randrange(90)}.1"))
                events.append((hour * 3600 + chance.randrange(3600), user, "Login", place))
    folder = WORK / "odd"
    put_days(folder, [event(i, eventTime=rows_far(at), eventName=name, sourceIPAddress=place,
                            userIdentity={"type": "IAMUser", "arn": f"{ARN}u{u}"})
                      for i, (at, u, name, place) in enumerate(sorted(events))])
    for made, weeks in ((odd, 28), (farther, 32)):
        fixed = ("--rules", write_rules(f"{made['name']}.json", made), "--set", f"enrich.geoip={cities()}")
        long = WORK / f"long-{made['name']}"
        replay(folder, long, *fixed, "--signals-only")
        warm = 0
        for k, where in enumerate((None, "release@2")):
            second = chance.randrange(33 * 86400, 36 * 86400)
            out = WORK / f"{made['name']}-{k}"
            args = (*fixed, "--from", rows_far(second), "--warm-up", "auto", "--shards", 1 + k)
            _ = replay(folder, out, *args) if where is None else killed(folder, out, where, args)
            warm += compare(long, out, (START + second) * SECOND)[0]
        assert warm > 5, (made["name"], warm)
        plan = json.loads(run("replay", folder, *args, "--plan", "--json").stdout)["warm_up"]
        assert weeks * 86400 < plan["seconds"] < (weeks + 1) * 86400, plan


def case_backtest_learn():
    """A first part that only learns leaves no signals and no documents; a later --to goes on with what it knows."""
    folder = WORK / "learn"
    names = ["Get"] * 6 + ["Put", "New", "Get", "New"]
    put_days(folder, [event(i, eventTime=stamp(i * 43200 + 60), eventName=name,
                            userIdentity={"type": "IAMUser", "arn": f"{ARN}u"}) for i, name in enumerate(names)])
    rules = write_rules("learn.json", rule("new", "source:cloudtrail", by=(), condition="", method="new_value",
                                           aggregation="new_value", metrics=["@eventName"], options={
                                               "evaluationWindow": 0, "keepAlive": 0, "newValueOptions": {
                                                   "forgetAfter": 28, "learningDuration": 1}}),
                        rule("put", "source:cloudtrail @eventName:(Put OR Get)"))
    end = stamp(3 * 86400 + 43200)  # behind Put, the first name that is new
    whole, out = WORK / "learn-whole", WORK / "learn-out"
    replay(folder, whole, "--rules", rules)
    first = replay(folder, out, "--rules", rules, "--to", end, "--learn-only")
    assert first["signals"]["opened"] == 0 and first["records"]["delivered"] == 0, first
    assert first["records"]["filtered"] == first["records"]["in"] and rows_of(out, "select * from signals") == []
    assert not any((out / "documents").iterdir()) and (out / "signals.ndjson").read_bytes() == b""
    again = replay(folder, out, "--rules", rules, "--to", end)
    assert again["signals"]["opened"] == 0 and "only learns up to here" in again["words"], again["words"]
    after = replay(folder, out, "--rules", rules, "--to", "2025-03-09")
    sql = "select id, rule_name, first_seen_ns, last_seen_ns, events_matched from signals order by 1"
    ns = (START + 3 * 86400 + 43200) * SECOND
    wanted = [row for row in rows_of(whole, sql) if row[3] >= ns]
    assert rows_of(out, sql) == wanted and [row[1] for row in wanted].count("new") == 1, (rows_of(out, sql), wanted)
    assert after["records"]["delivered"] == sum(1 for i in range(10) if (START + i * 43200 + 60) * SECOND >= ns), after
    words = run("replay", folder, "--out", out, "--rules", rules, "--to", "2025-03-09", "--learn-only", code=2).stderr
    assert b"has learned already" in words, words
    words = run("replay", folder, "--out", whole, "--rules", rules, "--learn-only", "--to", "2025-03-20", code=2).stderr
    assert words, words
    assert b"wants --to" in run("replay", folder, "--learn-only", code=2).stderr


def case_backtest_events():
    """An event whose text was not kept says why, and where it is; others say nothing of it."""
    folder = WORK / "events"
    put_days(folder, [event(i, eventTime=stamp(60 * i), userIdentity={"type": "IAMUser", "arn": f"{ARN}u"},
                            eventName="Put" if i < 4 else "Get") for i in range(6)])
    rules = write_rules("events.json", rule("count", "source:cloudtrail @eventName:Put", condition="found > 2"),
                        rule("each", "source:cloudtrail @eventName:Get", options={"evaluationWindow": 0}))
    out = WORK / "events-out"
    replay(folder, out, "--rules", rules)
    for name, is_kept in (("count", False), ("each", True)):
        signal = rows_of(out, f"select id from signals where rule_name = '{name}'")[0][0]
        rows = [json.loads(row) for row in
                run("signals", "events", signal, "--out", out, "--json", "--reads", "0").stdout.splitlines()]
        assert len(rows) >= 2, rows
        for row in rows:
            assert (row["event"] is not None) == is_kept == ("event_reason" not in row), row
            assert is_kept or ("--reads 0" in row["event_reason"] and row["object"] and row["record"] >= 0), row
        shown = json.loads(run("signals", "show", signal, "--out", out, "--json", "--reads", "0").stdout)
        assert shown["events"] == rows, shown


try:
    globals()[f"case_{CASE}"]()
finally:
    subprocess.run(["rm", "-rf", str(WORK)], check=False)
print("ok", CASE)
