#!/usr/bin/env python3
"""test_bench.py PENSTOCK CASE - the benchmarks measure what they say, on made data."""
import json
import os

from kit import WORK, main, run

STAGES = ["inflate", "json", "normalize", "match", "document", "gzip"]


def data(size="4MiB"):
    run("bench", "generate", "--out", WORK / "data", "--bytes", size)
    return WORK / "data" / "AWSLogs"


def left_behind():
    return sorted(WORK.glob("penstock-bench-*"))


def case_limit():
    source = data()
    done = run("bench", "limit", source, "--rounds", "2", "--rules", "50", "--json")
    result = json.loads(done.stdout)
    assert [s["stage"] for s in result["stages"]] == STAGES, result
    by_name = {s["stage"]: s for s in result["stages"]}
    for name in ("inflate", "json", "match", "gzip"):
        assert by_name[name]["library_s"] > 0, by_name[name]
    assert by_name["document"]["library_s"] == 0
    summary = json.loads(run("replay", source, "--out", WORK / "out", "--sink", "null", "--json",
                             "--no-progress").stdout.splitlines()[-1])
    assert result["records"] == summary["records"]["in"], (result, summary)
    assert result["plain_bytes"] == summary["bytes"]["plain"], (result, summary)
    # What the figures are hangs on the machine; that there are some does not.
    assert result["ratio_read_detect"] > 0 and result["shards_speedup"] > 0, result
    # Steady state takes nothing from malloc for a record (what an object takes is spread thin).
    assert result.get("allocated_bytes_per_record", 0) < 16, result
    assert done.stderr == b"", done.stderr
    assert left_behind() == []
    table = run("bench", "stages", source, "--rounds", "1").stdout.decode()
    for name in [*STAGES, "enrich", "look-ups of new values: place "]:
        assert f"\n{name}" in table or f"  {name}" in table, table
    assert left_behind() == []
    told = json.loads(run("bench", "stages", source, "--rounds", "1", "--json").stdout)["enrich"]
    assert 990000 < told["indicators"] <= 1000000 and told["table_bytes"] > 50e6, told
    assert set(told["look_ns"]) == {"place", "asset", "address", "domain"}, told
    assert min(told["look_ns"].values()) > 0 and told["enriched_s"] > 0 and told["plain_s"] > 0, told
    assert "enrich" not in result, result


def case_limit_text():
    """Text logs that are made up: each is told by its key, read whole, and measured."""
    done = run("bench", "limit", "--types", "all", "--rounds", "1", "--bytes", "256KiB", "--json")
    rows = {row["type"]: row for row in json.loads(done.stdout)["types"]}
    assert set(rows) == {"vpcflowlogs", "alb", "nlb", "clb", "s3accesslog", "cloudfront-standard"}, rows
    for name, row in rows.items():
        assert row["records"] > 1000 and row["plain_bytes"] >= 1 << 20, row
        # A document is larger than its line: were the type not known, or no line of it, it would be smaller.
        assert row["body_bytes"] > 2 * row["plain_bytes"], (name, row)
        assert row["ratio"] > 0 and row["split_over_igzip"] > 0, row
    one = run("bench", "limit", "--types", "clb,alb", "--rounds", "1", "--bytes", "64KiB").stdout.decode()
    assert "clb" in one and "alb" in one and "vpc" not in one, one
    wrong = run("bench", "limit", "--types", "clb,none", code=None)
    assert wrong.returncode == 2 and b"vpcflowlogs" in wrong.stderr, wrong.stderr
    assert run("bench", "limit", "--types", "all", "x", code=None).returncode == 2


def case_limit_rules():
    source = data("1MiB")
    done = run("bench", "rules", source, "--counts", "5,40", "--rounds", "1", "--json")
    rows = json.loads(done.stdout)["rules"]
    assert [r["rules"] for r in rows] == [5, 40], rows
    assert rows[0]["ratio"] == 1 and all(r["us_record"] > 0 for r in rows), rows
    assert run("bench", "limit", WORK / "none", code=None).returncode == 2
    assert run("bench", "limit", code=None).returncode == 2
    assert run("bench", "rules", source, "--counts", "0", code=None).returncode == 2


def case_limit_by_rule():
    """What each rule and predicate does on records is what rules match and a replay say; all of it is counted once."""
    source = data("1MiB")
    rules = WORK / "rules"
    rules.mkdir()
    (rules / "s.yml").write_text("title: by table\nid: 11111111-1111-4111-8111-111111111111\nlogsource: {product: aws, "
                                 "service: cloudtrail}\ndetection: {s: {eventName: [DescribeInstances, ListBuckets], "
                                 "userAgent|re: 'b.+3'}, condition: s}\n---\ntitle: no anchor\nid: 22222222-1111-4111-"
                                 "8111-111111111111\nlogsource: {product: aws, service: cloudtrail}\ndetection: {s: "
                                 "{eventName: NoSuchCall}, condition: not s}\n---\ntitle: by pattern\nid: 33333333-1111-4111-"
                                 "8111-111111111111\nlogsource: {product: aws, service: cloudtrail}\ndetection: {s: "
                                 "{userAgent|contains: aws}, condition: s}\n")
    (rules / "d.json").write_text(json.dumps([{
        "id": "dd", "name": "counts", "isEnabled": True, "message": "m", "type": "log_detection", "tags": [], "queries": [
            {"query": "source:cloudtrail @eventName:Get*", "groupByFields": ["@awsRegion"], "aggregation": "count",
             "name": "a"}], "cases": [{"name": "", "status": "low", "condition": "a > 1", "notifications": []}],
        "options": {"detectionMethod": "threshold", "evaluationWindow": 300, "keepAlive": 600,
                    "maxSignalDuration": 3600}}]))
    got = json.loads(run("bench", "rules", "--rules", rules, source, "--json").stdout)
    lines = [json.loads(line) for line in run("rules", "match", "--rules", rules, source).stdout.splitlines()]
    summary = json.loads(run("replay", source, "--rules", rules, "--out", WORK / "out", "--signals-only", "--json",
                             "--no-progress").stdout.splitlines()[-1])
    opened = {row["rule"]: row["signals"] for row in summary["backtest"]["rules"]}
    by_rule = {row["rule"]: row for row in got["by_rule"]}
    assert set(by_rule) == {"dd", *(f"{n * 8}-1111-4111-8111-111111111111" for n in "123")}, by_rule
    for rule, row in by_rule.items():
        assert row["matches"] == sum(line["rule"] == rule for line in lines) > 0, (rule, row)
        assert row["starts"] >= row["matches"] and row["signals"] == opened[rule] > 0, (rule, row, opened)
        assert row["observations"] == row["matches"] and row["ns_record"] > 0, (rule, row)
    every = by_rule["22222222-1111-4111-8111-111111111111"]
    assert every["always"] and every["starts"] == got["records"] == summary["records"]["in"], (every, got["records"])
    assert not by_rule["dd"]["always"] and by_rule["dd"]["starts"] < got["records"], by_rule["dd"]
    assert sum(t["records"] for t in got["by_type"]) == got["records"] and got["by_type"][0]["always_run"] == 1, got
    assert got["select_ns_record"] > 0 and got["programs_ns_record"] > 0 and got["state_ns_record"] > 0, got
    preds = {row["predicate"]: row for row in got["by_predicate"]}
    regex = next(row for text, row in preds.items() if "b.+3" in text)
    assert regex["fired"] >= regex["asked"] >= regex["held"] and regex["evaluated"] <= regex["asked"], regex
    assert regex["held"] == by_rule["11111111-1111-4111-8111-111111111111"]["matches"], (regex, by_rule)
    assert {row["found_by"] for row in preds.values()} <= {"table", "scan", "asked"} and len(preds) >= 4, preds
    few = json.loads(run("bench", "rules", "--rules", rules, source, "--json", "--top", "1").stdout)
    assert len(few["by_rule"]) == len(few["by_predicate"]) == 1, few
    table = run("bench", "rules", "--rules", "builtin", "--bytes", "1MiB", "--top", "5").stdout.decode()
    assert "more rules (--json has all)" in table and "more predicates" in table and "ns/record" in table, table
    assert left_behind() == []
    assert b"no rule to measure" in run("bench", "rules", "--rules", WORK / "data", source, code=4).stderr
    run("bench", "rules", "--rules", rules, WORK / "nosuch", code=1)
    assert "--top N" in run("bench", "rules", "--help").stdout.decode()


os.environ["TMPDIR"] = str(WORK)
main(globals())
