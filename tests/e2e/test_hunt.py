#!/usr/bin/env python3
"""test_hunt.py PENSTOCK CASE - from a hunt to a rule: groups of a search, written rules, back-tests."""
import collections
import datetime
import json
import subprocess

from kit import CASE, WORK, event, generate, run


def rows_of(*args, code=0):
    done = run("search", *args, "--json", code=code)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


def write(name, *events):
    path = WORK / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in events))
    return path


def ns_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def case_hunt_by():
    """Counts, first and last seen and distinct values against the records themselves."""
    data = generate("data", "4MiB")
    found = [json.loads(line) for line in run("search", "*", data).stdout.splitlines()]
    wanted = collections.defaultdict(list)
    for record in found:
        wanted[record["eventName"], record["awsRegion"]].append(record)
    for shards in (1, 3):
        rows, words = rows_of("*", data, "--by", "eventName,awsRegion", "--distinct", "userIdentity.arn",
                              "--shards", shards)
        assert len(rows) == len(wanted) > 20 and "warning" not in words, (len(rows), words)
        assert [r["count"] for r in rows] == sorted((r["count"] for r in rows), reverse=True)
        for row in rows:
            group = wanted[row["group"]["eventName"], row["group"]["awsRegion"]]
            times = sorted(ns_of(record["eventTime"]) for record in group)
            arns = {record["userIdentity"].get("arn") for record in group} - {None}
            assert (row["count"], row["distinct"], row["limited"]) == (len(group), len(arns), False), row
            assert (ns_of(row["first_seen"]), ns_of(row["last_seen"])) == (times[0], times[-1]), row
    top, words = rows_of("*", data, "--by", "@eventName", "--top", "3")
    names = collections.Counter(record["eventName"] for record in found)
    assert [r["count"] for r in top] == [count for _, count in names.most_common(3)], top
    assert f"3 of {len(names)} groups" in words, words
    # Spans of time, with and without groups; only the largest of each span.
    hours = collections.Counter(record["eventTime"][:13] for record in found)
    rows, _ = rows_of("*", data, "--every", "1h")
    assert {r["time"][:13]: r["count"] for r in rows} == dict(hours) and all(r["group"] == {} for r in rows)
    assert [r["time"] for r in rows] == sorted(r["time"] for r in rows)
    rows, _ = rows_of("*", data, "--every", "1d", "--by", "eventName", "--top", "1")
    days = sorted({record["eventTime"][:10] for record in found})
    assert [r["time"][:10] for r in rows] == days, rows
    own, _ = rows_of("*", data, "--by", "_penstock.type,_penstock.account")
    assert sum(r["count"] for r in own) == len(found) and own[0]["group"]["_penstock.type"] == "cloudtrail"
    assert rows_of("eventName:NoSuchCall", data, "--by", "eventName", code=2)[0] == []
    assert rows_of("@eventName:NoSuchCall", data, "--by", "eventName", code=1)[0] == []


def case_hunt_by_values():
    """Lists, values that are missing, numbers, escapes, long texts; a table; what limits leave out."""
    path = write("made.json", event(1, tags=["a", "b", "a"], size=5, who="x\"\n"), event(2, tags=[], size=5),
                 event(3, size=7, who="y" * 5000), event(4, tags=["b", {"c": 1}], size="5"))
    rows, _ = rows_of("*", path, "--by", "tags")
    assert {json.dumps(r["group"]["tags"]): r["count"] for r in rows} == {'"a"': 1, '"b"': 2, "null": 2}, rows
    rows, _ = rows_of("*", path, "--by", "size", "--distinct", "tags")
    assert {json.dumps(r["group"]["size"]): (r["count"], r["distinct"]) for r in rows} == \
        {"5": (2, 2), "7": (1, 0), '"5"': (1, 1)}, rows
    rows, _ = rows_of("*", path, "--by", "who")
    long = [r["group"]["who"] for r in rows if r["group"]["who"] and r["group"]["who"].startswith("y")]
    assert len(long) == 1 and len(long[0]) < 1100, long
    table = run("search", "*", path, "--by", "who,size").stdout.decode()
    assert table.startswith("who ") and "x\"\\x0a" in table and table.count("\n") == 5, table
    rows, words = rows_of("*", path, "--by", "tags", "--set", "search.groups_max=1")
    assert len(rows) == 2 and rows[-1]["group"] is None and sum(r["count"] for r in rows) == 5, rows
    assert "search.groups_max" in words and "counted together" in words, words
    rows, words = rows_of("*", path, "--distinct", "eventID", "--set", "search.distinct_max=2")
    assert rows[0]["distinct"] == 2 and rows[0]["limited"] and "search.distinct_max" in words, (rows, words)
    _, words = rows_of("*", path, "--by", "tags", "--set", "observation.groups_max=1")
    assert "1 records had more than 1 values" in words, words
    for wrong, told in ((("--by", "a,,b"), "--by takes"), (("--by", "a", "--by", "b"), "--by takes"),
                        (("--every", "x"), "--every takes"), (("--top", "3"), "give --by"),
                        (("--by", "a", "--count"), "only one of"), (("--by", "a", "--limit", "3"), "--limit"),
                        (("--by", "_penstock.x"), "no field _penstock.x"), (("--distinct", ""), "--distinct takes"),
                        (("--by", ",".join("abcdefghi")), "--by takes")):
        assert told in run("search", "*", path, *wrong, code=2).stderr.decode(), wrong


QUERIES = (
    "@errorCode:* -@eventName:(Get* OR Describe*)",
    "@eventName:(\"Console Login\" OR A*e OR L?st*) @userIdentity.type:(Root OR AssumedRole)",
    "CIDR(@sourceIPAddress, 10.0.0.0/8, 198.51.100.0/24) -(@readOnly:true OR -@awsRegion:eu-*)",
    "@evt.name:Put* OR @additionalEventData.bytesTransferredOut:>1000 OR (NOT @readOnly:true -@errorCode:*)",
    "@event.action:[1 TO 5] OR @userIdentity.arn:*role\\\\/*",
)


def hunt(data, query, form, *more, out, code=0):
    done = run("search", "-q", query, data, "--to-rule", form, *more, "--out", out, "--json", code=code)
    return json.loads(done.stdout) if code == 0 else done.stderr.decode()


def replayed(data, path, name):
    """Signals of a replay with the rule: how many, and of how many groups."""
    out = WORK / name
    run("replay", data, "--rules", path, "--out", out, "--signals-only", "--no-progress")
    rows = [json.loads(line) for line in run("signals", "list", "--out", out, "--json").stdout.splitlines()]
    return len(rows), len({json.dumps(row["group_by"], sort_keys=True) for row in rows}), rows


def case_hunt_rule():
    """A written rule is good, passes its test, matches what the search found, and fires as it was told."""
    data = generate("data", "6MiB")
    forms = (("threshold",), ("threshold", "--group-by", "userIdentity.arn,@awsRegion"),
             ("threshold", "--group-by", "@usr.id", "--value", "eventName"), ("new_value", "--value", "eventName"),
             ("new_value", "--value", "awsRegion", "--group-by", "account"), ("sigma",))
    fired = 0
    for i, query in enumerate(QUERIES):
        wanted = int(run("search", "-q", query, data, "--count", code=None).stdout)
        for k, (form, *more) in enumerate(forms):
            folder = WORK / f"rule-{i}-{k}"
            if wanted == 0:
                assert "no record matches" in hunt(data, query, form, *more, out=folder, code=1)
                continue
            told = hunt(data, query, form, *more, out=folder)
            files = sorted(path.name for path in folder.iterdir())
            assert files == sorted(path.rsplit("/", 1)[1] for path in (told["rule"], told["test"])), files
            assert (told["tests"], told["matches"]) == (2, wanted), (query, told, wanted)
            run("rules", "check", folder)
            assert run("rules", "test", folder).stdout == b"2 passed, 0 failed\n"
            matched = run("rules", "match", "--rules", folder, data, "--count").stdout
            assert int(matched) == wanted, (query, form, matched, wanted)
            signals, groups, _ = replayed(data, told["rule"], f"out-{i}-{k}")
            assert (told["signals"], told["groups"]) == (signals, groups), (query, form, more, told, signals)
            fired += signals
    assert fired > 1000, fired


def case_hunt_rule_wrong():
    """What cannot be a rule says why and writes nothing; files that are there stay."""
    path = write("made.json", event(1), event(2, eventName="PutObject", text="a\x7f\u0085\u2028\U0001f600'\"\\"))
    out = WORK / "rules"
    told = hunt(path, "@eventName:PutObject", "sigma", out=out)
    assert run("rules", "test", out).stdout == b"2 passed, 0 failed\n" and told["signals"] == 1, told
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    assert "is there already" in hunt(path, "@eventName:PutObject", "sigma", out=out, code=1)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before
    every = run("search", "*", path, "--to-rule", "threshold", "--out", out)
    assert b"was met that does not match" in every.stderr and b"1 passed" in every.stdout, every
    for query, form, more, code, words in (
            ("*", "sigma", (), 2, "true of every record"), ("env:prod", "sigma", (), 2, "is a tag"),
            ("@a:(", "threshold", (), 2, "^"), ("@a:b", "new_value", (), 2, "--value"),
            ("@a:b", "sigma", ("--value", "x"), 2, "a Sigma rule has no"), ("@a:b", "x", (), 2, "threshold, new_value"),
            ("@a:b", "threshold", ("--count",), 2, "--to-rule writes a rule"),
            ("GetObject", "threshold", (), 1, "ask `message` alone"), ("@a:b", "threshold", (), 1, "no record matches")):
        given = ["search", "-q", query, path, "--to-rule", form, *more, "--out", WORK / "none"]
        assert words in run(*given, code=code).stderr.decode(), (given, words)
        assert not (WORK / "none").exists()
    assert b"--to-rule" in run("search", "*", path, "--group-by", "a", code=2).stderr
    assert b"No such file" in run("search", "@eventName:*", path, "--to-rule", "sigma", "--out", WORK / "no/where",
                                  code=1).stderr
    # A free word is a keyword of Sigma.
    assert hunt(path, "putobject", "sigma", out=WORK / "word")["matches"] == 1


try:
    globals()[f"case_{CASE}"]()
finally:
    subprocess.run(["rm", "-rf", str(WORK)], check=False)
print("ok", CASE)
