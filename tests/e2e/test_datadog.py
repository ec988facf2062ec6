#!/usr/bin/env python3
"""test_datadog.py PENSTOCK CASE - Datadog detection rules: recorded ones, and the rules commands on made ones."""
import json
import os
import pathlib

from kit import WORK, event, main, run

DATA = os.environ.get("PENSTOCK_DATA")
RULES = "DataDog+terraform-provider-datadog/_extracted/default_log_detection_rules.jsonl"
CALLS = "DataDog+datadog-api-client-go/_extracted/security_monitoring_api.jsonl"


def text(done):
    return done.stdout.decode("utf-8", "strict")


def words(done):
    return done.stderr.decode("utf-8", "replace")


def write(name, content):
    path = WORK / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def rule(name, queries, condition="a > 0", **more):
    return {"name": name, "isEnabled": True, "message": "m", "queries": queries,
            "cases": [{"status": "high", "condition": condition}],
            "options": {"evaluationWindow": 300, "keepAlive": 600, "maxSignalDuration": 3600}, **more}


def recorded(name):
    if DATA is None:
        print("skipped: PENSTOCK_DATA is not set")
        return None
    return [json.loads(line) for line in (pathlib.Path(DATA) / name).read_text().splitlines()]


def checked(name, content):
    """Exit code and errors of one rule."""
    done = run("rules", "check", write(name, content), "--json", code=None)
    return done.returncode, [line for line in text(done).splitlines() if '"error"' in line]


def case_datadog_recorded():
    """Every recorded default rule is good, or refused for its method and nothing else."""
    rows = recorded(RULES)
    if rows is None:
        return
    refused = 0
    for row in rows:
        code, errors = checked("one.json", row)
        is_other = (row["type"] != "log_detection" or
                    row["options"]["detectionMethod"] not in ("threshold", "new_value"))
        assert code == (4 if is_other else 0), (row["name"], errors)
        assert len(errors) == is_other and all("not built" in e for e in errors), errors
        refused += is_other
    assert (len(rows), refused) == (43, 7), (len(rows), refused)


def case_datadog_api():
    """What the API takes is taken, or refused as not built; what it refuses is refused."""
    rows = recorded(CALLS)
    if rows is None:
        return
    taken = 0
    for row in rows:
        sent = row["request"]
        if not isinstance(sent, dict) or "queries" not in sent:
            continue
        code, errors = checked("sent.json", sent)
        is_unbuilt = len(errors) == 1 and "not built" in errors[0]
        if row["code"] == 400:
            assert code == 4 and not is_unbuilt, (row["scenario"], errors)
        else:
            assert code == 0 or is_unbuilt, (row["scenario"], errors)
            taken += code == 0
        if isinstance(row["response"], dict) and "queries" in row["response"]:
            got, errors = checked("got.json", row["response"])
            assert got == code, (row["scenario"], errors)
    assert taken >= 12, taken
    tests = [row for row in rows if row["url"].endswith("/rules/test")]
    for row in tests:
        path = write("tested.json", row["request"])
        assert row["response"]["results"] == [True]
        assert text(run("rules", "test", path)) == f"{len(row['response']['results'])} passed, 0 failed\n"
        wrong = json.loads(path.read_text())
        wrong["ruleQueryPayloads"][0]["expectedResult"] = False
        done = run("rules", "test", write("tested.json", wrong), code=4)
        assert "ruleQueryPayloads[0]: event 1 matches" in text(done), done
    assert len(tests) == 1


def case_datadog_match():
    """Verdicts name the query by its alias; queries of other sources are not asked."""
    path = write("r/logins.json", rule("logins", [
        {"name": "root", "query": "source:cloudtrail @userIdentity.type:Root"},
        {"query": "@evt.name:GetObject -source:elb"},
        {"name": "other", "query": "source:elb"}], "root > 0"))
    off = write("r/off.json", rule("off", [{"query": "*"}], isEnabled=False))
    write("r/events.json", {"Records": [event(0)]})
    data = write("logs/a.json", "".join(json.dumps(e) + "\n" for e in (
        event(0, eventName="GetObject", userIdentity={"type": "Root"}), event(1, eventName="PutObject"),
        event(2, eventName="GetObject"))))
    done = run("rules", "match", "--rules", WORK / "r", data)
    found = sorted((f["record"], f["rule"], f["query"]) for f in map(json.loads, text(done).splitlines()))
    assert found == [(0, "logins", "b"), (0, "logins", "root"), (2, "logins", "b")], found
    assert "events.json:1:1: warning: this is no Datadog rule" in words(done), done
    listed = [json.loads(line) for line in text(run("rules", "list", "--json", path, off)).splitlines()]
    assert [(r["id"], r["language"], r["severity"], r["status"]) for r in listed] == [
        ("logins", "datadog", "high", "enabled"), ("off", "datadog", "high", "disabled")], listed
    assert "cloudtrail" in listed[0]["types"] and "alb" in listed[0]["types"], listed


def case_datadog_explain():
    """Each query with its text, its conditions and what the event has for them."""
    path = write("e.json", rule("why", [{"name": "q", "query": "source:cloudtrail @evt.name:(A OR B)"},
                                        {"query": "source:waf @x:y"}], "q > 0"))
    one = json.dumps(event(0, eventName="A")).encode()
    done = text(run("rules", "explain", "--rule", "why", "--rules", path, "--as", "cloudtrail", "-", input=one))
    assert "query q: match  (source:cloudtrail @evt.name:(A OR B))" in done, done
    assert "true " in done and '"A"' in done and "@x" not in done, done
    shown = json.loads(text(run("rules", "explain", "--json", "--rule", "why", "--rules", path, "--as", "cloudtrail",
                                "-", input=one)))
    assert shown["match"] and [q["query"] for q in shown["queries"]] == ["q"], shown


def case_datadog_test():
    """Payloads for single queries, in the rule and beside it, and the tests that Sigma rules have."""
    sent = event(0, eventName="A")
    payloads = [
        {"index": 0, "expectedResult": True, "payload": {**sent, "ddsource": "cloudtrail"}},
        {"index": 1, "expectedResult": False, "payload": {**sent, "ddsource": "cloudtrail"}},
        {"index": 0, "expectedResult": True, "payload": {"ddsource": "cloudtrail", "evt": {"name": "A"}}},
        {"index": 1, "expectedResult": True, "payload": {"ddsource": "app", "ddtags": "env:prod", "hostname": "h"}}]
    made = rule("made", [{"query": "source:cloudtrail @evt.name:A"}, {"query": "env:prod host:h"}])
    inside = write("t/in.json", {**made, "ruleQueryPayloads": payloads})
    assert text(run("rules", "test", inside)) == "4 passed, 0 failed\n"
    write("t/plain.json", {**made, "name": "plain"})
    write("t/plain.test.json", payloads[:1])
    write("t/plain.test.yml", json.dumps({"tests": [{"name": "y", "type": "cloudtrail", "events": [sent],
                                                     "expect": {"match": True}}]}))
    assert text(run("rules", "test", WORK / "t/plain.json")) == "2 passed, 0 failed\n"
    assert text(run("rules", "test", WORK / "t/plain.test.json")) == "1 passed, 0 failed\n"
    assert text(run("rules", "test", WORK / "t")) == "6 passed, 0 failed\n"
    write("t/plain.test.json", [{**payloads[0], "expectedResult": False}])
    done = run("rules", "test", WORK / "t/plain.json", code=4)
    assert "plain.test.json:1:1: ruleQueryPayloads[0]: event 1 matches" in text(done), done
    write("t/plain.test.json", [{"payload": {}}])
    assert "expectedResult" in words(run("rules", "test", WORK / "t/plain.json", code=4))
    assert "expectedResult" in text(run("rules", "check", WORK / "t/plain.json", code=4))


def case_datadog_check():
    """Mistakes of rules in JSON stand beside those of YAML, with their place inside of a query."""
    bad = write("c/bad.json", '[\n{"name":"a","isEnabled":true,"message":"m",\n"queries":[{"query":"@a:\\"x\\" @b:("}],\n'
                              '"cases":[{"status":"high","condition":"a > 0"}],"options":{}}]')
    done = run("rules", "check", bad, code=4)
    assert f"{bad}:3:31: " in text(done), done
    nobody = write("c/nobody.json", rule("nobody", [{"query": "source:okta"}]))
    assert "no log type has the `source:`" in text(run("rules", "check", nobody))


main(globals())
