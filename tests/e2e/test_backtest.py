#!/usr/bin/env python3
"""test_backtest.py PENSTOCK CASE - rules tried on history: what they told a day, whom, at what cost."""
import collections
import gzip
import json
import sqlite3
import subprocess

from kit import CASE, WORK, event, generate, replay, run

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


try:
    globals()[f"case_{CASE}"]()
finally:
    subprocess.run(["rm", "-rf", str(WORK)], check=False)
print("ok", CASE)
