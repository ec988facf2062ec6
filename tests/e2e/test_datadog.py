#!/usr/bin/env python3
"""test_datadog.py PENSTOCK CASE - Datadog detection rules: recorded ones, and the rules commands on made ones."""
import json
import os
import pathlib
import re

from kit import WORK, event, main, run
from types_made import MADE

DATA = os.environ.get("PENSTOCK_DATA")
RULES = "DataDog+terraform-provider-datadog/_extracted/default_log_detection_rules.jsonl"
SEARCHES = ("vectordotdev+vrl/_extracted/match_datadog_query.jsonl", "vectordotdev+vector/_extracted/datadog_search.jsonl")
DIFFERENCES = pathlib.Path(__file__).parent.parent / "unit/query/test_vectors.c"  # with the reasons
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


def tables_of(content):
    """A config with the reference tables that rules name, each of the columns that they ask for."""
    columns = {}
    for one in content if isinstance(content, list) else [content]:
        for table in one.get("referenceTables") or []:
            columns.setdefault(table["tableName"], set()).add(table["columnName"])
    for name, names in columns.items():
        write(f"tables/{name}.csv", ",".join(sorted(names)) + "\n")
    return write("tables/penstock.yaml", {"reference_tables": {name: f"{name}.csv" for name in columns}})


def checked(name, content):
    """Exit code and errors of one rule."""
    done = run("rules", "check", write(name, content), "--json", "--config", tables_of(content), code=None)
    return done.returncode, [line for line in text(done).splitlines() if '"error"' in line]


KEYS = {  # of the API, by object: a value, and the words that refuse it or warn of it; none: it works
    "rule": {
        "calculatedFields": ([{"name": "n", "expression": "e"}], "rules with calculated fields are not built yet"),
        "filters": ([{"action": "require", "query": "@b:c"}, {"action": "suppress", "query": "@d:e"}], None),
        "groupSignalsBy": (["@u"], None), "hasExtendedTitle": (True, None), "isEnabled": (True, None), "message": ("x", None),
        "name": ("x", None), "referenceTables": ([{"tableName": "t", "columnName": "c", "logFieldPath": "@f", "ruleQueryName": "a",
                                                  "checkPresence": True}], "there is no reference table 't'"),
        "schedulingOptions": ({"rrule": "FREQ=DAILY", "start": "x", "timezone": "UTC"}, "scheduled rules are not built yet"),
        "tags": (["a:b"], None), "thirdPartyCases": ([], None), "type": ("workload_security", "workload_security is not built yet"),
        "id": ("x", None), "version": (3, None), "customName": ("x", None), "customMessage": ("x", None), "isDeleted": (False, None),
        **{name: (1, None) for name in ("createdAt", "creationAuthorId", "defaultTags", "deprecationDate", "isDefault",
                                        "updateAuthorId", "updatedAt", "complianceSignalOptions")}},
    "query": {
        "aggregation": ("count", None), "customQueryExtension": ("@x:y", None), "dataSource": ("spans", "spans is not built yet"),
        "distinctFields": (["@x"], "takes no `distinctFields`"), "groupByFields": (["@u"], None), "hasOptionalGroupByFields": (True, None),
        "index": ("main", "scheduled rules"), "indexes": (["main"], "scheduled rules"), "metric": ("@x", "`metrics`"),
        "metrics": (["@x"], "`metrics`"), "name": ("a", None), "query": ("@q:r", None)},
    "case": {"actions": ([{"type": "block_ip", "options": {"duration": 9}}], "`actions` are for application security: none is taken"),
             "condition": ("a > 1", None), "customStatus": ("low", None), "name": ("n", None), "notifications": (["@x"], None),
             "status": ("low", None)},
    "options": {
        "decreaseCriticalityBasedOnEnv": (True, None), "evaluationWindow": (60, None), "keepAlive": (900, None),
        "maxSignalDuration": (7200, None), "detectionMethod": ("hardcoded", "hardcoded is not built yet")}}


def keyed(of, name, value):
    """A rule with the member in one of its objects."""
    made = rule("n", [{"query": "@a:b", "groupByFields": ["@u"]}])
    at = {"rule": made, "query": made["queries"][0], "case": made["cases"][0], "options": made["options"]}[of]
    at[name] = value
    return made


def case_datadog_keys():
    """Every member of a rule works, or is refused or warned of by name; none is unknown."""
    for of, members in KEYS.items():
        for name, (value, refused) in members.items():
            done = run("rules", "check", write("rules/r.json", keyed(of, name, value)), code=None)
            told = text(done) + words(done)
            assert "has no member" not in told, (of, name, told)
            if refused is None:
                assert done.returncode == 0 and ": " + name not in told, (of, name, told)
            else:
                assert refused in told and "r.json:1:" in told, (of, name, told)
    odd = run("rules", "check", write("rules/r.json", keyed("rule", "groupSignalBy", ["@u"])))
    assert "has no member 'groupSignalBy'" in text(odd) + words(odd), (odd.stdout, odd.stderr)


def case_datadog_signal_query():
    """Terraform's blocks for rules over signals."""
    def block(name, **more):
        return {"name": name, "message": "m", "enabled": True, "case": [{"status": "high", "condition": "a > 0"}],
                "options": [{"evaluation_window": 300, "keep_alive": 600, "max_signal_duration": 3600}], **more}
    chain = block("chain", type="signal_correlation", signal_query=[
        {"rule_id": "first", "name": "a", "aggregation": "event_count", "correlated_by_fields": ["@u"], "correlated_query_index": "0"}])
    (WORK / "rules").mkdir(exist_ok=True)
    write("rules/first.json", {"id": "first", **rule("first", [{"query": "@a:b", "groupByFields": ["@u"]}])})
    path = write("rules/chain.json", {"resource": {"datadog_security_monitoring_rule": {"chain": chain}}})
    done = run("rules", "check", path.parent)
    assert "warning" not in text(done) + words(done), (done.stdout, done.stderr)
    listed = text(run("rules", "list", path.parent))
    assert "chain" in listed and "first" in listed, listed
    assert "first" in text(run("rules", "check", path, code=4)), "alone it rests on a rule that is not there"


def case_datadog_recorded():
    """Every recorded default rule is good; one counts signals of rules that were not recorded, and is so with them."""
    rows = recorded(RULES)
    if rows is None:
        return
    over = [row for row in rows if row["type"] == "signal_correlation"]
    for row in rows:
        code, errors = checked("one.json", row)
        assert code == (4 if row in over else 0), (row["name"], errors)
        assert all("no Datadog rule of this set has the id" in e for e in errors), errors
    missing = {query["defaultRuleId"] for row in over for query in row["queries"]}
    others = [{**next(row for row in rows if row["queries"]), "id": name, "name": name} for name in sorted(missing)]
    code, errors = checked("set.json", over + others)
    assert (len(rows), len(over), code, errors) == (43, 1, 0, []), errors


def with_parts(rule, rows):
    """A rule over signals stands in one file with the rules that it names."""
    named = {query.get("ruleId") for query in rule["queries"]} - {None}
    parts = [row["response"] for row in rows if isinstance(row["response"], dict) and row["response"].get("id") in named
             and "queries" in row["response"]]
    return [*parts, rule] if named else rule


def case_datadog_api():
    """What the API takes is taken, or refused as not built; what it refuses is refused."""
    rows = recorded(CALLS)
    if rows is None:
        return
    taken = over_signals = 0
    for row in rows:
        sent = row["request"]
        if not isinstance(sent, dict) or "queries" not in sent:
            continue
        code, errors = checked("sent.json", with_parts(sent, rows))
        if sent.get("type") == "signal_correlation" and row["code"] == 200:
            assert code == 0, (row["scenario"], errors)
            over_signals += 1
        is_unbuilt = len(errors) == 1 and "not built" in errors[0]
        if row["code"] == 400:
            assert code == 4 and not is_unbuilt, (row["scenario"], errors)
        else:
            assert code == 0 or is_unbuilt, (row["scenario"], errors)
            taken += code == 0
        if isinstance(row["response"], dict) and "queries" in row["response"]:
            got, errors = checked("got.json", with_parts(row["response"], rows))
            assert got == code, (row["scenario"], errors)
    assert taken >= 12 and over_signals >= 1, (taken, over_signals)
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


def case_datadog_vectors():
    """Public queries and events as two other programs judge them, but for the differences that are listed."""
    rows = [row for name in SEARCHES for row in recorded(name) or []]
    listed = {json.loads(found) for found in re.findall(r'^    \{("(?:[^"\\]|\\.)*"), [A-Z_]+\}', DIFFERENCES.read_text(), re.M)}
    asked = [(row["query"], row[member], want) for row in rows
             for member, want in (("event", row.get("expected")), ("match", True), ("no_match", False)) if member in row]
    differ = set()
    for query, sent, want in asked:
        done = run("search", "--count", "--as", "json", "--as-rule", "-q", query, "-", input=json.dumps(sent).encode(), code=None)
        if done.returncode not in (0, 1) or (text(done) == "1\n") != want:
            differ.add(query)
    if rows:
        assert (len(rows), len(listed)) == (135, 43), (len(rows), len(listed))
        assert differ == listed, (differ - listed, listed - differ)


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
    third = rule("third", [], cases=[], thirdPartyCases=[{"query": "@s:1", "status": "high"}, {"query": "@s:2", "status": "low"}])
    third["options"] = {"detectionMethod": "third_party", "thirdPartyRuleOptions": {"defaultStatus": "info", "rootQueries": [
        {"query": "@r:1", "groupByFields": ["@g"]}, {"query": "@r:2", "groupByFields": []}]}}
    third["ruleQueryPayloads"] = [{"index": i, "expectedResult": want, "payload": {"r": r, "s": s}}
                                  for i, r, s, want in ((0, 1, 1, True), (1, 1, 1, False), (1, 2, 2, True), (0, 3, 1, False))]
    assert text(run("rules", "test", write("third.json", third))) == "4 passed, 0 failed\n"
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


ATTRIBUTES = {  # of made records: what Datadog calls them, and how many have it
    "waf": [("source:waf @system.action:BLOCK @network.client.ip:198.51.100.7 @http.method:GET", 1), ("service:waf", 2),
            ("@http.url_details.queryString.b:c @http.url_details.host:shop.example", 1), ("@action:BLOCK @source.ip:198*", 1)],
    "cloudfront_standard": [("source:cloudfront @http.status_code:200 @http.url_details.path:\\/a\\/b.js @http.url_details.host:www*", 2),
                            ("@http.url_details.queryString.r:%2520 status:ok @evt.outcome:success", 2)],
}


def case_datadog_attributes():
    """Names of Datadog, of ECS and of the record itself, side by side, for made records of several types."""
    wrong = []
    made = {name: (MADE[name]["type"], write(f"made/{name}", MADE[name]["body"]), rows) for name, rows in ATTRIBUTES.items()}
    flow = write("made/flow", "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
                 "log-status\n2 123456789012 eni-1 10.0.0.1 10.0.0.2 50000 443 6 1 77 1741064760 1741064767 REJECT OK\n")
    made["flow"] = ("vpcflowlogs", flow, [
        ("source:vpc @network.client.ip:10.0.0.1 @network.client.port:50000 @network.destination.ip:10.0.0.2", 1),
        ("@network.destination.port:[400 TO 500] @network.bytes_written:77 @evt.name:REJECT @dstport:443", 1)])
    elb = write("made/elb", 'https 2025-03-04T05:06:07.123456Z app/lb/1 198.51.100.7:50000 10.0.0.2:443 0.001 0.002 0.000 404 404 10 20 '
                '"GET https://shop.example:443/admin?id=7 HTTP/1.1" "nmap" A TLSv1.2 arn:tg "Root=1" "d" "arn" 0 '
                '2025-03-04T05:06:07.000000Z "forward" "-" "-" "-" "-" "-" "-"\n')
    made["elb"] = ("alb", elb, [
        ("source:elb @http.status_code:[400 TO 499] @http.useragent:*nmap* @http.url_details.path:\\/admin", 1),
        ("source:alb @http.url:https* @http.url_details.queryString.id:7 @http.method:GET status:warn @evt.outcome:failure", 1),
        ("@network.client.ip:198.51.100.7 @elb_status_code:404 @url.path:\\/admin", 1), ("status:error", 0)])
    s3 = write("made/s3", 'owner logs-bucket [04/Mar/2025:05:06:07 +0000] 198.51.100.7 arn:aws:iam::1:user/ann REQ REST.GET.OBJECT k '
               '"GET /k?versionId=9 HTTP/1.1" 403 AccessDenied - - 5 - "-" "curl" -\n')
    made["s3"] = ("s3accesslog", s3, [
        ("source:s3 @aws.s3.bucket:logs-bucket @evt.name:REST.GET.OBJECT @error.kind:AccessDenied @http.status_code:403", 1),
        ("@http.url_details.queryString.versionId:9 @usr.name:*ann @http.useragent:curl status:warn", 1)])
    finding = {"id": "f", "type": "Recon:EC2/Portscan", "updatedAt": "2025-03-04T05:06:07Z", "severity": 8, "accountId": "1", "region": "r",
               "resource": {"instanceDetails": {"instanceId": "i-1"}}, "service": {"resourceRole": "ACTOR", "count": 1}}
    made["finding"] = ("guardduty", write("made/finding", finding), [
        ("source:guardduty @detail-type:\"GuardDuty Finding\" @evt.name:Recon\\:EC2\\/Portscan instance-id:i-1", 1),
        ("@detail.service.resourceRole:ACTOR @detail.severity:[7.0 TO 8.9] @resource.instanceDetails.instanceId:i-1", 1)])
    audit = {"auditID": "a", "stage": "ResponseComplete", "stageTimestamp": "2025-03-04T05:06:07Z", "verb": "create", "apiVersion":
             "audit.k8s.io/v1", "requestURI": "/api/v1/pods?dryRun=All", "user": {"username": "ann"}, "sourceIPs": ["10.0.0.1"],
             "responseStatus": {"code": 403}, "objectRef": {"resource": "pods"}}
    made["audit"] = ("eks-audit", write("made/audit", audit), [
        ("source:kubernetes.audit @http.method:create @http.status_code:403 @usr.id:ann @usr.name:ann @network.client.ip:10.0.0.1", 1),
        ("@http.url_details.path:\\/api\\/v1\\/pods @http.url_details.queryString.dryRun:All status:warn", 1),
        ("@apiVersion:audit.k8s.io* @verb:create @user.username:ann @responseStatus.code:[400 TO 499]", 1)])
    trail = event(0, errorCode="AccessDenied", sourceIPAddress="ec2.amazonaws.com", userIdentity={
        "type": "AssumedRole", "arn": "arn:aws:sts::123456789012:assumed-role/admin/i-0123456789abcdef0"})
    made["trail"] = ("cloudtrail", write("made/trail", trail), [
        ("source:cloudtrail host:i-* instance-id:i-0123456789abcdef0 @userIdentity.assumed_role:admin", 1),
        ("@userIdentity.session_name:i-* @level:Error status:error @error.kind:AccessDenied", 1),
        ("@network.client.geoip.invalidAddress:\"AWS Internal\" region:* account:123456789012 aws_account:1*", 1),
        ("-@level:error", 0)])
    for name, (kind, path, rows) in made.items():
        for query, want in rows:
            got = int(text(run("search", "--count", "--as-rule", "--as", kind, "-q", query, path, code=None)) or -1)
            wrong += [] if got == want else [(name, query, want, got)]
    assert not wrong, wrong


def case_datadog_check():
    """Mistakes of rules in JSON stand beside those of YAML, with their place inside of a query."""
    bad = write("c/bad.json", '[\n{"name":"a","isEnabled":true,"message":"m",\n"queries":[{"query":"@a:\\"x\\" @b:("}],\n'
                              '"cases":[{"status":"high","condition":"a > 0"}],"options":{}}]')
    done = run("rules", "check", bad, code=4)
    assert f"{bad}:3:31: " in text(done), done
    nobody = write("c/nobody.json", rule("nobody", [{"query": "source:gsuite"}]))
    assert "no log type has the `source:`" in text(run("rules", "check", nobody))


main(globals())
