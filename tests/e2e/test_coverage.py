#!/usr/bin/env python3
"""test_coverage.py PENSTOCK CASE - coverage: what is there, from a listing alone."""
import json
import os

from kit import WORK, main, run

ROOT = WORK / "bucket"


def put(account, region, day, name="o.json.gz", size=100, kind="CloudTrail"):
    where = ROOT / f"AWSLogs/{account}/{kind}/{region}/2025/{day}"
    where.mkdir(parents=True, exist_ok=True)
    (where / name).write_bytes(b"x" * size)


def told(*args, code=0):
    return json.loads(run("coverage", ROOT, "--json", *args, code=code).stdout)


def group(got, account, region):
    rows = [row for row in got["groups"] if (row["account"], row["region"]) == (account, region)]
    assert len(rows) == 1, (account, region, got)
    return rows[0]


def missing(row):
    return [(gap["from"][5:], gap["to"][5:], gap["days"]) for gap in row["missing"]]


def case_coverage():
    for day in ("02/27", "02/28", "03/01", "03/02", "03/05", "03/06"):
        put("111111111111", "eu-west-1", day)
        put("111111111111", "eu-west-1", day, "second.json.gz", 50)
    for day in ("03/01", "03/03"):
        put("222222222222", "us-east-1", day)
    put("222222222222", "us-east-1", "03/04", "digest.json.gz", kind="CloudTrail-Digest")
    (ROOT / "notes.txt").write_text("hello")
    got = told()
    assert (got["objects"], got["bytes"], got["digests"]) == (15, 6 * 150 + 200 + 5, 1), got
    one = group(got, "111111111111", "eu-west-1")
    assert one["type"] == "cloudtrail" and len(one["days"]) == 6, one
    assert one["days"][0] == {"day": "2025-02-27", "objects": 2, "bytes": 150}, one
    assert missing(one) == [("03-03", "03-04", 2)], one
    # to the last day that the type has anywhere
    assert missing(group(got, "222222222222", "us-east-1")) == [("03-02", "03-02", 1), ("03-04", "03-06", 3)]
    assert group(got, "", "")["type"] == "unknown" and group(got, "", "")["missing"] == []
    # a range asked for counts at both ends
    got = told("--from", "2025-03-01", "--to", "2025-03-08")
    assert missing(group(got, "222222222222", "us-east-1")) == [("03-02", "03-02", 1), ("03-04", "03-07", 4)]
    assert missing(group(got, "111111111111", "eu-west-1")) == [("03-03", "03-04", 2), ("03-07", "03-07", 1)]
    assert [d["day"] for d in group(got, "111111111111", "eu-west-1")["days"]][0] == "2025-03-01", got
    got = told("--on", "2025-03-05")
    assert group(got, "111111111111", "eu-west-1")["days"] == [{"day": "2025-03-05", "objects": 2, "bytes": 150}]
    got = told("--accounts", "222222222222", "--types", "cloudtrail")
    # what a key does not say cannot be told from it
    assert {row["account"] for row in got["groups"]} == {"222222222222", ""}, got
    # expected accounts: any numbers of 12 digits
    (WORK / "expect").write_text('{"Id": "111111111111"}, 333333333333\n333333333333 1234567890123 12345\n')
    got = told("--expect", WORK / "expect", code=7)
    assert got["never_seen"] == ["333333333333"], got
    assert told("--expect", WORK / "expect", "--allow-gaps")["never_seen"] == ["333333333333"]
    (WORK / "expect").write_text("111111111111\n222222222222")
    assert told("--expect", WORK / "expect")["never_seen"] == []
    (WORK / "expect").write_text("none")
    run("coverage", ROOT, "--expect", WORK / "expect", code=2)
    shown = run("coverage", ROOT, "--days").stdout.decode()
    assert "missing 2025-03-03..2025-03-04" in shown and "2025-02-27..2025-03-06" in shown, shown
    assert len(shown.splitlines()) > len(run("coverage", ROOT).stdout.decode().splitlines()), shown
    run("coverage", code=2)
    run("coverage", "s3://x", code=2)
    run("coverage", WORK / "none", code=1)


def case_coverage_many():
    """Many cells: the table grows, and counts stay right."""
    for account in range(60):
        for day in range(1, 29):
            for region in ("eu-west-1", "us-east-1", "ap-south-1"):
                if (account + day) % 7:
                    put(f"{account:012}", region, f"01/{day:02}", size=account)
    got = told()
    assert len(got["groups"]) == 180, len(got["groups"])
    rows = [(g["account"], g["region"]) for g in got["groups"]]
    assert rows == sorted(rows), rows
    assert got["objects"] == sum(len(g["days"]) for g in got["groups"]) == 4320, got["objects"]
    assert got["bytes"] == sum(d["bytes"] for g in got["groups"] for d in g["days"])
    for g in got["groups"]:
        there = {int(d["day"][8:]) for d in g["days"]}
        gone = {n for gap in g["missing"] for n in range(int(gap["from"][8:]), int(gap["to"][8:]) + 1)}
        assert there | gone == set(range(min(there), 29)) and not there & gone, g
    if os.geteuid() != 0:
        (ROOT / "AWSLogs/000000000001/CloudTrail").chmod(0)
        assert told(code=7)["folders_unreadable"] == 1
        (ROOT / "AWSLogs/000000000001/CloudTrail").chmod(0o700)


if __name__ == "__main__":
    main(globals())
