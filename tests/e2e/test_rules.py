#!/usr/bin/env python3
"""test_rules.py PENSTOCK CASE - the rules commands on made records and rules, and on the samples."""
import collections
import gzip
import json
import os
import pathlib
import re
import subprocess
import textwrap
import xml.etree.ElementTree

from kit import BINARY, WORK, event, main, run

DATA = os.environ.get("PENSTOCK_DATA")


def text(done):
    return done.stdout.decode("utf-8", "strict")


def words(done):
    return done.stderr.decode("utf-8", "replace")


def rows(*args, **options):
    return [json.loads(line) for line in text(run(*args, **options)).splitlines()]


def write(name, content):
    path = WORK / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rule(name, identity, detection, product="aws", service="cloudtrail", **more):
    # Without an id the title stands for it.
    lines = [f"title: {identity}", "status: test", *(f"{k}: {v}" for k, v in more.items()),
             f"logsource: {{product: {product}, service: {service}}}", "detection:",
             *(f"  {line}" for line in detection)]
    return write(name, "\n".join(lines) + "\n")


def objects(name):
    """Two objects of CloudTrail: records 0..9 and 10..19, the even ones by root."""
    events = [event(n, eventName="PutObject" if n % 5 == 0 else "GetObject",
                    userIdentity={"type": "Root" if n % 2 == 0 else "IAMUser"}) for n in range(20)]
    write(f"{name}/a.json.gz", gzip.compress(json.dumps({"Records": events[:10]}).encode()))
    write(f"{name}/b.json", "".join(json.dumps(e) + "\n" for e in events[10:]))
    return WORK / name


def case_rules_match():
    data = objects("logs")
    rule("rules/root.yml", "root", ["s: {userIdentity.type: Root}", "condition: s"])
    rule("rules/two.yml", "two", ["p: {eventName: PutObject}", "r: {userIdentity.type: Root}",
                                  "condition: [p, 'p and r', 'not p and not r']"])
    rule("rules/other.yml", "other", ["s: {eventName|re: .*}", "condition: s"], product="azure")
    want = collections.Counter()
    for n in range(20):
        put, root = n % 5 == 0, n % 2 == 0
        place = ("a.json.gz" if n < 10 else "b.json", n % 10, f"{n:08d}-0000-4000-8000-000000000000")
        want.update([(*place, "root", "")] * root + [(*place, "two", "0")] * put +
                    [(*place, "two", "1")] * (put and root) + [(*place, "two", "2")] * (not put and not root))
    for workers in (1, 3):
        found = rows("rules", "match", "--rules", WORK / "rules", data, "--workers", workers)
        assert all(list(f) == ["object", "record", "event_id", "rule", "query"] for f in found), found[0]
        assert collections.Counter(tuple(f.values()) for f in found) == want, f"{workers} workers"
    count = run("rules", "match", "--count", f"--rules={WORK}/rules/root.yml", data)
    assert text(count) == "10\n", count
    # What the pack finds in a stream; a record without an id of its own is named by object and number.
    login = {"eventTime": "2025-03-04T05:06:07Z", "eventName": "StopLogging", "eventSource": "cloudtrail.amazonaws.com"}
    found = rows("rules", "match", "-", input=json.dumps(login).encode())
    assert [(f["object"], f["record"], f["query"]) for f in found] == [("-", 0, ""), ("-", 0, found[0]["rule"])], found
    assert found[1]["rule"] != found[0]["rule"], found  # a correlation of the pack asks for what the rule finds
    assert found[0]["event_id"].endswith(":0"), found
    assert rows("rules", "match", "-", "--on", "2025-03-05", input=json.dumps(login).encode()) == []
    none = run("rules", "match", "-", "--tag", "attack.t0", input=json.dumps(login).encode(), code=4)
    assert "no rule" in words(none), none


def case_rules_match_gaps():
    data = objects("logs")
    bad = rule("bad/bad.yml", "bad", ["s: {userIdentity.type|nope: Root}", "condition: s"])
    rule("bad/good.yml", "good", ["s: {userIdentity.type: Root}", "condition: s"])
    done = run("rules", "match", "--rules", WORK / "bad", data, code=7)
    assert len(text(done).splitlines()) == 10
    assert f"{bad}:5:" in words(done) and "nope" in words(done), words(done)
    run("rules", "match", "--rules", WORK / "bad", "--allow-gaps", data, code=0)
    run("rules", "match", "--rules", bad, data, code=4)
    run("rules", "match", "--rules", WORK / "none", data, code=1)
    assert "--rules" in words(run("rules", "match", "--rulse", bad, data, code=2))
    assert "source" in words(run("rules", "match", "--rules", bad, code=2))
    write("logs/c.json.gz", gzip.compress(b'{"Records":[' + json.dumps(event(7)).encode() * 90)[:-20])
    assert "c.json.gz: is damaged" in words(run("rules", "match", data))
    run("rules", "match", "--strict", data, code=7)


def case_rules_match_types():
    """Objects of types that no rule is for are not read: damage in one is no gap."""
    root = rule("rules/root.yml", "root", ["s: {userIdentity.type: Root}", "condition: s"])
    flow = rule("flow.yml", "flow", ["s: {action: REJECT}", "condition: s"], service="vpcflow")
    key = "AWSLogs/111122223333/vpcflowlogs/eu-west-1/2025/03/04/111122223333_vpcflowlogs_eu-west-1_fl-1_20250304T0505Z_ab.log.gz"
    (WORK / "logs" / key).parent.mkdir(parents=True)
    (WORK / "logs" / key).write_bytes(b"\x1f\x8b\x08nothing")
    data = objects("logs")
    assert text(run("rules", "match", "--strict", "--count", "--rules", root, data)) == "10\n"
    done = run("rules", "match", "--strict", "--count", "--rules", root, "--rules", flow, data, code=7)
    assert text(done) == "10\n" and key in words(done), done


def case_rules_config():
    """Every mistake of every file with its place; warnings; placeholders from a config file."""
    good = rule("c/good.yml", "good", ["s: {a: b}", "condition: s"])
    assert run("rules", "check", good).stdout == b""
    bad = rule("c/bad.yml", "bad", ["s: {a|nope: b}", "condition: s"])
    twice = rule("c/twice.yml", "twice", ["s: {a: b}", "condition: s", "condition: s"])
    open_ = write("c/open.yml", "title: [\n")
    odd = rule("c/odd.yml", "odd", ["s: {a: [b, null]}", "condition: s"])
    where = rule("c/where.yml", "where", ["s: {userIdentity.type|expand: '%kinds%'}", "condition: s"])
    done = run("rules", "check", WORK / "c", code=4)
    assert words(done) == "penstock: 2 rules are good, 4 were rejected\n", done
    for start in (f"{bad}:5:7: the modifier 'nope' is unknown", f"{twice}:7:", f"{open_}:2:1: ",
                  f"{odd}:5:14: warning: null in a list", f"{where}:5:33: the placeholder %kinds% has no value"):
        assert sum(line.startswith(start) for line in text(done).splitlines()) == 1, (start, text(done))
    config = write("penstock.yaml", "placeholders: {kinds: [Ro*, nobody]}\n")
    run("rules", "check", where, "--config", config)
    assert "where" in text(run("rules", "list", where, "--config", config))
    assert text(run("rules", "match", "--rules", where, "--config", config, "--count", objects("logs"))) == "10\n"
    write("c/where.test.yml", tests_of({"name": "x", "type": "cloudtrail", "expect": {"match": True},
                                        "events": [event(1, userIdentity={"type": "Root"})]}))
    assert text(run("rules", "test", where, "--config", config)) == "1 passed, 0 failed\n"
    wrong = write("wrong.yaml", "placeholders: 5\n")
    marked = rule("m/marked.yml", "marked", ["s: {'@kind': x}", "condition: s"])
    for record, count in (({"@kind": "x"}, "1\n"), ({"kind": "x"}, "0\n")):
        record = {**event(1), **record}
        found = run("rules", "match", "--rules", marked, "--count", "-", input=json.dumps(record).encode())
        assert text(found) == count, record
    listed = write("listed.yaml", "rules: [c/good.yml, c/where.yml]\nplaceholders: {kinds: Root}\n")
    assert len(text(run("rules", "list", "--config", listed)).splitlines()) == 2
    done = run("rules", "explain", "--rule", "where", "--config", listed, "-", input=json.dumps(
        event(1, userIdentity={"type": "Root"})).encode())
    for command in (("check", where), ("match", "--rules", where, WORK / "logs"), ("test", where),
                    ("list", where)):
        done = run("rules", *command, "--config", wrong, code=3)
        assert f"{wrong}:1:" in words(done), done


def case_rules_match_oracle():
    """Every verdict of the public rules on the public samples, with its place."""
    if DATA is None:
        print("skipped: PENSTOCK_DATA is not set")
        return
    data = pathlib.Path(DATA)
    want = set()
    for line in (data / "sigma_oracle/cloudtrail.sigmahq.jsonl").read_text().splitlines():
        row = json.loads(line)
        want |= {(row["rule_id"], pathlib.PurePath(name).name, record, identity) for name, record, identity in row["events"]}
    sources = [data / "invictus-ir+aws_dataset/CloudTrail", data / "DataDog+stratus-red-team/docs",
               data / "adanalvarez+TrailDiscover/events"]
    found = rows("rules", "match", "--as", "cloudtrail", "--rules", data / "SigmaHQ+sigma/rules/cloud/aws", *sources)
    got = {(f["rule"], pathlib.PurePath(f["object"]).name, f["record"], f["event_id"]) for f in found}
    assert got == want, (got - want, want - got)
    assert len(found) == len(got) > 100


def tests_of(*cases):
    return "tests:\n" + "".join(f"  - {json.dumps(case)}\n" for case in cases)


def case_rules_test():
    """What tests expect of verdicts, what is said of those that fail, and the exit code."""
    done = run("rules", "test")
    assert text(done).endswith(" passed, 0 failed\n") and int(text(done).split()[0]) >= 24, done
    rule("r/root.yml", "root", ["s: {userIdentity.type: Root}", "condition: s"])
    root, user = event(1, userIdentity={"type": "Root"}), event(2, userIdentity={"type": "IAMUser"})
    test = write("r/root.test.yml", tests_of(
        {"name": "by root", "type": "cloudtrail", "events": [root, root], "expect": {"match": True}},
        {"name": "by a user", "type": "cloudtrail", "events": [user], "expect": {"match": False}}))
    for path in (WORK / "r", test, WORK / "r/root.yml"):
        assert text(run("rules", "test", path)) == "2 passed, 0 failed\n", path
    two = run("rules", "test", WORK / "r", "builtin")
    assert int(text(two).split()[0]) == int(text(done).split()[0]) + 2, two
    write("r/root.test.yml", tests_of(
        {"name": "wrong <\"&'>", "type": "cloudtrail", "events": [root, user], "expect": {"match": True}},
        {"name": "wrong too", "type": "cloudtrail", "events": [user, root], "expect": {"match": False}},
        {"name": "fine", "type": "cloudtrail", "events": [root], "expect": {"match": True}},
        {"name": "other type", "type": "json", "events": [root], "expect": {"match": False}},
        {"name": "no type", "type": "nothing", "events": [root], "expect": {"match": False}},
        {"name": "no time", "type": "cloudtrail", "events": [{"a": "b"}], "expect": {"match": False}},
        {"name": "no rule", "rule": "nobody", "type": "cloudtrail", "events": [root], "expect": {"match": False}}))
    junit = WORK / "junit.xml"
    done = run("rules", "test", WORK / "r", "--junit", junit, code=4)
    lines = text(done).splitlines()
    assert lines[-1] == "1 passed, 6 failed" and len(lines) == 7, lines
    for line, end in zip(lines, ("event 2 does not match", "event 2 matches", "for the log type json",
                                 "no log type `nothing`", "", "with the id nobody")):
        assert line.startswith(f"{test}:") and line.endswith(end), line
    suite = xml.etree.ElementTree.parse(junit).getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("7", "6"), suite.attrib
    assert [case.get("name") for case in suite][:2] == ["wrong <\"&'>", "wrong too"]
    assert [len(case) for case in suite] == [1, 1, 0, 1, 1, 1, 1]
    assert suite[0][0].get("message") == "event 2 does not match"
    report = json.loads(text(run("rules", "test", "--json", WORK / "r", code=4)))
    assert (report["passed"], report["failed"]) == (1, 6), report
    assert [t["passed"] for t in report["tests"]] == [False, False, True, False, False, False, False]


def case_rules_test_wrong():
    """Rules and test files with mistakes, and folders without tests."""
    rule("a/bad.yml", "bad", ["s: {a|nope: b}", "condition: s"])
    write("a/bad.test.yml", tests_of(
        {"name": "x", "type": "cloudtrail", "events": [event(1)], "expect": {"match": False}}))
    done = run("rules", "test", WORK / "a", code=4)
    assert "holds no good rule" in text(done) and "nope" in words(done), done
    rule("b/good.yml", "good", ["s: {eventName: GetObject}", "condition: s"])
    done = run("rules", "test", WORK / "b")
    assert text(done) == "0 passed, 0 failed\n" and "no tests" in words(done), done
    write("b/good.test.yml", tests_of({"name": "x", "type": "cloudtrail", "expect": {"match": True}}))
    done = run("rules", "test", WORK / "b", "builtin", code=4)
    assert f"{WORK}/b/good.test.yml:2:" in words(done), done
    assert text(done).endswith(" passed, 0 failed\n"), done
    done = run("rules", "test", WORK / "b", code=4)
    assert text(done) == "0 passed, 0 failed\n" and "no tests" not in words(done), done
    run("rules", "test", WORK / "none", code=1)
    run("rules", "test", "--junit", WORK / "none/x.xml", code=1)
    assert "--junit" in words(run("rules", "test", "--junti", "x", code=2))


def case_rules_test_signals():
    """Tests of signals: grouped by account and identity, by keep-alive and by midnight."""
    rule("r/any.yml", "any", ["s: {eventName: GetObject}", "condition: s"], level="high")

    def at(number, time, who="arn:a", account="123456789012"):
        return event(number, eventTime=f"2025-03-{time}Z", recipientAccountId=account, userIdentity={"arn": who})

    def signal(time=None, **more):
        return {**({} if time is None else {"first_seen": f"2025-03-{time}Z"}), **more}

    two = [at(1, "04T05:00:00"), at(2, "04T05:59:00"), at(3, "04T07:30:00")]
    night = [at(1, "04T23:50:00"), at(2, "05T00:10:00")]
    whos = [at(1, "04T05:00:00", "arn:a"), at(2, "04T05:00:00", "arn:b"), at(3, "04T05:00:01", "arn:b", "210987654321")]
    good = [
        (two, [signal("04T07:30:00"), signal("04T05:00:00", severity="high")]),
        (two[::-1], [signal("04T05:00:00"), signal("04T07:30:00")]),
        (night, [signal("04T23:50:00"), signal("05T00:10:00")]),
        (whos, [signal(), signal(group={"identity": "arn:b"}), signal(group={"identity": "arn:b", "account": "123456789012"})]),
        (whos[:1] * 5, [signal("04T05:00:00", group={"identity": "arn:a", "account": "123456789012"})]),
        ([event(1, eventName="PutObject")], []),
    ]
    bad = [
        (two, [signal()], "1 signals are expected; there are 2: high, first seen 2025-03-04T05:00:00Z, group {"),
        (two, [signal(), signal(severity="low")], "number 2 of the expected"),
        (whos, [signal(group={"identity": "arn:b"})] * 3, "number 3 of the expected"),
        (whos[:1], [signal(group={"identity": "arn:"})], "number 1 of the expected"),
        (whos[:1], [signal("04T05:00:01")], "number 1 of the expected"),
        (whos[:1], [], "0 signals are expected; there is 1"),
    ]
    write("r/any.test.yml", tests_of(*({"name": f"case {i}", "type": "cloudtrail", "events": case[0],
                                        "expect": {"signals": case[1]}} for i, case in enumerate(good + bad))))
    (WORK / "tmp").mkdir()
    done = run("rules", "test", WORK / "r", code=4, env={**os.environ, "TMPDIR": str(WORK / "tmp")})
    lines = text(done).splitlines()
    assert lines[-1] == f"{len(good)} passed, {len(bad)} failed", done
    for line, case in zip(lines, bad):
        assert case[2] in line, (line, case[2])
    assert list((WORK / "tmp").iterdir()) == []
    one = run("rules", "test", WORK / "r", "--keep-alive", "24h", code=4)
    assert "case 0: 2 signals are expected; there is 1:" in text(one), one


def case_rules_explain():
    """Each condition in the order of the rule, with its values and its verdict."""
    path = rule("r.yml", "two", [
        "s: {eventName|contains: [Get, Put], userIdentity.type: Root, tags.name: x}",
        "f: {a|fieldref: b}", "k: [needle]", "n: {gone: null}", "condition: ['s and not f', 'k or n']"], level="low")
    one = event(1, userIdentity={"type": "Root"}, tags=[{"name": "y"}, {"name": "x"}], a=5, b="q\u202e\x1b")
    file = write("one.json", json.dumps(one))
    done = run("rules", "explain", "--rules", path, "--rule", "TWO", file)
    lines = [" ".join(line.split()) for line in text(done).splitlines()]
    assert lines[0] == "low: two (two)", lines
    assert lines[1] == "one.json, record 0, event 00000001-0000-4000-8000-000000000000: query 0: match", lines
    for line in ("true eventName|contains: Get \"GetObject\"", "false eventName|contains: Put \"GetObject\"",
                 "true userIdentity.type: Root \"Root\"", "true tags.name: x \"y\", \"x\"", "true not",
                 "query 1: match", "false needle"):
        assert line in lines, (line, lines)
    assert any(line.startswith("false a|fieldref: b 5 against \"q") for line in lines), lines
    assert any(line.startswith("true gone: ") and line.endswith(" (missing)") for line in lines), lines
    assert b"\x1b" not in done.stdout
    rows = [json.loads(line) for line in text(run("rules", "explain", "--rules", path, "--rule", "two", "--json", "-",
                                                  input=json.dumps([one, event(2, gone=1)]).encode())).splitlines()]
    assert [(r["record"], r["match"], [q["match"] for q in r["queries"]]) for r in rows] == \
        [(0, True, [True, True]), (1, False, [False, False])], rows
    nodes = rows[0]["queries"][0]["nodes"]
    assert (nodes[0]["depth"], nodes[0]["kind"], nodes[0]["verdict"]) == (0, "all of", True), nodes
    assert [n["values"] for n in nodes if n["condition"] == "tags.name: x"] == [["y", "x"]], nodes
    second = run("rules", "explain", "--rules", path, "--rule", "two", "--record", "1", "-",
                 input=json.dumps([one, event(2, gone=1)]).encode())
    assert text(second).count("record ") == 1 and "record 1," in text(second), second
    run("rules", "explain", "--rules", path, "--rule", "two", "--record", "2", file, code=1)
    run("rules", "explain", "--rules", path, "--rule", "three", file, code=2)
    run("rules", "explain", "--rules", path, file, code=2)
    run("rules", "explain", "--rule", "two", code=2)
    run("rules", "explain", "--rules", path, "--rule", "two", WORK / "none", code=1)
    wrong = run("rules", "explain", "--rules", path, "--rule", "two", "-", input=b'{"eventTime":tru}', code=1)
    assert "bad record 0" in words(wrong), wrong
    other = run("rules", "explain", "--rules", path, "--rule", "two", "--as", "json", file)
    assert "the rule is not for the log type json" in text(other), other


def case_rules_explain_agrees():
    """What is explained as a match is what is matched, for rules of the pack."""
    out = WORK / "data"
    run("bench", "generate", "--out", out, "--bytes", "2MiB")
    logs = sorted((out / "AWSLogs").rglob("*.json.gz"))
    matches = rows("rules", "match", *logs)
    assert len(matches) > 5
    some = [log for log in logs if any(m["object"] == log.name for m in matches)][:4]
    for wanted in sorted({m["rule"] for m in matches if m["object"] in {log.name for log in some}})[:3]:
        for log in some:
            explained = rows("rules", "explain", "--json", "--rule", wanted, log)
            assert {r["event_id"] for r in explained if r["match"]} == \
                {m["event_id"] for m in matches if m["rule"] == wanted and m["object"] == log.name}, (wanted, log)
            assert all(r["match"] == r["queries"][0]["match"] == r["queries"][0]["nodes"][0]["verdict"] for r in explained)


def case_rules_check():
    """Every mistake of every file, rules and tests, in each form, and what can be used is listed."""
    good = rule("r/good.yml", "good", ["s: {a: b}", "condition: s"], level="high", tags="[attack.t1078]")
    rule("r/last.yml", "last", ["s: {a: b}", "condition: s"], product="nobody")
    rule("r/sub, 1%/bad.yml", "bad", ["s: {a|nope: b}", "condition: s"])
    write("r/broken.yml", "title: [\n")
    write("r/good.test.yml", "tests:\n  - nope: 1\n")
    write("r/last.test.yml", "tests: 1\n")
    write("r/regex.yml", good.read_text().replace("good", "regex").replace("{a: b}", "{a|re: '('}"))
    files = ["broken.yml", "good.test.yml", "last.test.yml", "last.yml", "regex.yml", "sub, 1%/bad.yml"]
    done = run("rules", "check", WORK / "r", code=4)
    lines = text(done).splitlines()
    assert [line.split(":")[0] for line in lines] == [f"{WORK}/r/{file}" for file in files], lines
    assert all(re.match(r".*:[1-9][0-9]*:[1-9][0-9]*: \S", line) for line in lines), lines
    assert "2 rules are good, 3 were rejected" in words(done), done
    assert lines[3] == f"{WORK}/r/last.yml:1:1: warning: no log type has this `logsource`: the rule can never match", lines
    report = json.loads(text(run("rules", "check", "--json", WORK / "r", code=4)))
    assert report["rules"] == 2 and len(report["notices"]) == 6, report
    assert [f"{n['file']}:{n['line']}:{n['column']}: {n['message']}" for n in report["notices"]] == \
        [line.replace(" warning:", "") for line in lines]
    marks = text(run("rules", "check", "--format", "github", WORK / "r", code=4)).splitlines()
    at = lines[5].split(":")
    assert marks[5].startswith(f"::error file={WORK}/r/sub%2C 1%25/bad.yml,line={at[1]},col={at[2]}::"), marks
    sarif = json.loads(text(run("rules", "check", "--format=sarif", WORK / "r", code=4)))
    results = sarif["runs"][0]["results"]
    assert sarif["version"] == "2.1.0" and len(results) == 6, sarif
    assert results[5]["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": f"{WORK}/r/sub,%201%25/bad.yml"},
        "region": {"startLine": int(at[1]), "startColumn": int(at[2])}}, results[5]
    listed = [json.loads(line) for line in text(run("rules", "list", "--json", WORK / "r", code=4)).splitlines()]
    assert [(r["title"], r["severity"], r["types"], r["tags"]) for r in listed] == \
        [("good", "high", ["cloudtrail"], ["attack.t1078"]), ("last", "medium", [], [])], listed
    assert listed[0]["file"] == str(good) and listed[0]["language"] == "sigma", listed
    done = run("rules", "list", WORK / "r", code=4)
    assert [line.split()[0] for line in text(done).splitlines()] == ["high", "medium"], done
    assert words(done).count("/r/") == 3, done
    for form in ("text", "github"):
        assert text(run("rules", "check", "--format", form, "builtin")) == ""
    assert json.loads(text(run("rules", "check", "--json", "builtin")))["notices"] == []
    assert len(text(run("rules", "list", "--min-level", "high", "builtin")).splitlines()) < \
        len(text(run("rules", "list")).splitlines())
    # Every mistake of one rule that another does not cause.
    many = rule("many/many.yml", "many", ["s: {a|nope: b, c|gt: [x, 1, y], e: f}", "t: {g|re: '('}",
                                          "condition: [s and u, s and, t]"], level="worst")
    many.write_text(re.sub("status: .*", "status: odd", many.read_text()))
    lines = text(run("rules", "check", WORK / "many", code=4)).splitlines()
    assert len(lines) == 8 and all(re.match(rf"{many}:[0-9]+:[0-9]+: ", line) for line in lines), lines
    for line, wanted in zip(lines, ["odd", "worst", "nope", "number", "number", "regular|regex|parenthesis", "'u'", "operand"]):
        assert re.search(wanted, line), (wanted, lines)
    done = run("rules", "check", WORK / "many", code=4)
    assert "0 rules are good, 1 was rejected" in words(done), done
    assert "sarif" in words(run("rules", "check", "--format", "xml", "builtin", code=2))
    run("rules", "check", code=2)
    run("rules", "check", WORK / "none", code=1)
    (WORK / "empty").mkdir()
    assert text(run("rules", "list", WORK / "empty")) == ""
    done = run("rules", "check", WORK / "empty", code=4)
    assert text(done) == "" and words(done) == f"penstock: no rules in {WORK / 'empty'}\n", done


def typed(title):
    """What a section of README tells, typed into a shell as it stands there."""
    readme = (pathlib.Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    section = readme.split(f"\n## {title}\n")[1].split("\n## ")[0]
    script = textwrap.dedent("\n".join(l for l in section.splitlines() if l.startswith("    ") or not l))
    (WORK / "bin").mkdir(exist_ok=True)
    if not (WORK / "bin/penstock").is_symlink():
        (WORK / "bin/penstock").symlink_to(BINARY)
    done = subprocess.run(["sh", "-eu", "-c", script], cwd=WORK, capture_output=True, check=False,
                          env={**os.environ, "PATH": f"{WORK / 'bin'}:{os.environ['PATH']}"})
    assert done.returncode == 0, done
    return done


def case_rules_readme():
    done = typed("A rule of your own")
    assert text(done).splitlines()[-1] == "2 passed, 0 failed", done
    assert "1 rule is good, 0 were rejected" in words(done), done
    done = typed("Rules that count")
    assert "1 rule is good, 0 were rejected" in words(done) and "2 rules are good, 0 were rejected" in words(done), done
    assert "warning" not in words(done), done


main(globals())
