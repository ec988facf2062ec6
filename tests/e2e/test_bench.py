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


os.environ["TMPDIR"] = str(WORK)
main(globals())
