"""Reference tables: CSV files by name, which Datadog's rules let events in by or keep out."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from kit import *  # noqa: E402,F403
from test_stateful import ALICE, BOB, made, put, query, rule, signals


def reference(table, column, path, name="a", present=True):
    return {"tableName": table, "columnName": column, "logFieldPath": path, "ruleQueryName": name, "checkPresence": present}


def logs():
    folder = Folder()
    put(folder, "b.json", [made(1, 0, "CreateUser"), made(2, 9, "CreateUser"), made(3, 20, "CreateUser", BOB),
                           made(4, 30, "CreateUser", BOB), made(5, 40, "DeleteUser")])
    return folder.root


def setup(table="arn,team\n" + ALICE + ",red\n", **more):
    """Options that make the table known, and two rules that name it."""
    (WORK / "users.csv").write_text(table)
    config = WORK / "penstock.yaml"
    config.write_text(json.dumps({"reference_tables": {"users": "users.csv"}, **more}))
    known = rule("known", [query("@evt.name:CreateUser")], [("", "low", "a > 1")], id="r-known",
                 referenceTables=[reference("users", "arn", "@userIdentity.arn")])
    other = rule("other", [query("@evt.name:CreateUser"), query("@evt.name:CreateUser", name="all")], [("", "high", "a > 0 && all > 0")],
                 id="r-other", referenceTables=[reference("users", "arn", "@userIdentity.arn", present=False)])
    (WORK / "rules.json").write_text(json.dumps([known, other]))
    return "--config", config, "--rules", WORK / "rules.json"


def case_tables():
    """Events in a table count for one rule, the others for another; for any shards, and in every command."""
    folder, args = logs(), setup()
    for shards in (1, 3):
        replay(folder, WORK / f"out{shards}", *args, "--shards", shards)
        rows = [(r["rule_name"], r["group_by"]["@userIdentity.arn"], r["events_matched"]) for r in signals(WORK / f"out{shards}")]
        assert rows == [("known", ALICE, 2), ("other", BOB, 2)], rows
    lines = [json.loads(line) for line in run("rules", "match", *args, folder).stdout.splitlines()]
    got = sorted((line["rule"], line["query"], line["record"]) for line in lines)
    assert got == [("r-known", "a", 0), ("r-known", "a", 1), ("r-other", "a", 2), ("r-other", "a", 3),
                   *(("r-other", "all", n) for n in range(4))], got
    (WORK / "one.json").write_text(json.dumps(made(1, 0, "CreateUser")))
    words = run("rules", "explain", *args, "--rule", "r-known", WORK / "one.json").stdout.decode()
    assert "@userIdentity.arn in column arn of the table users" in words and ALICE in words, words
    (WORK / "rules.test.yml").write_text(json.dumps({"tests": [{
        "name": "t", "type": "cloudtrail", "rule": "r-known", "events": [made(1, 0, "CreateUser"), made(2, 9, "CreateUser")],
        "expect": {"signals": [{"severity": "low"}]}}]}))
    run("rules", "test", "--config", WORK / "penstock.yaml", WORK / "rules.json")
    assert b"reference table" in run("rules", "check", WORK / "rules.json", code=4).stdout


def case_tables_changed():
    """A job goes on with the tables that it began with only."""
    folder, args = logs(), setup()
    replay(folder, WORK / "out", *args)
    replay(folder, WORK / "out", *args)
    setup("arn,team\n" + BOB + ",red\n")
    words = run("replay", folder, "--out", WORK / "out", *args, *FIXED, code=2).stderr.decode()
    assert "rule" in words, words


def case_tables_bad():
    """What is wrong with a table, or with what a rule says of it, is told with its place."""
    for table, more, code, words in (
            ("arn\na,b\n", {}, 3, "users.csv:2: not as many cells as the first line"),
            ("arn\na\nb\n", {"tables": {"rows_max": 1}}, 3, "users.csv:3: more than 1 rows (tables.rows_max)"),
            ("arn\n" + "a" * 4096, {"tables": {"bytes_max": "4KiB"}}, 3, "users.csv:1: more than 4096 bytes (tables.bytes_max)"),
            ("name\na\n", {}, 4, "rules.json:1:"),
            ("name\na\n", {}, 4, "the reference table 'users' has no column 'arn' but name"),
            ("arn\na\n", {"reference_tables": {}}, 4, "there is no reference table 'users'"),
            ("arn\na\n", {"reference_tables": {"users": "nowhere.csv"}}, 3, "nowhere.csv:1: the file cannot be read"),
            ("arn\na\n", {"reference_tables": ["users.csv"]}, 3, "reference_tables are a map of names to CSV files")):
        args = setup(table, **more)
        got = run("check", *args, code=code)
        assert words in got.stderr.decode(), (words, got.stderr)


main({name: case for name, case in globals().items() if name.startswith("case_tables")})
