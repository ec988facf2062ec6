"""Rule folders: what overlays change of rules, also of the built-in pack, and what becomes of their signals."""
import json
import os
import sqlite3
import sys

sys.path.insert(0, os.path.dirname(__file__))
from bulk_server import Cluster  # noqa: E402
from kit import *  # noqa: E402,F403

ALICE, BOB, ROBOT = (f"arn:aws:iam::123456789012:user/{name}" for name in ("alice", "bob", "robot"))
SIGMA = """title: {name}
id: {id}
level: high
tags: [attack.t1110, local.noisy]
logsource: {{product: aws, service: cloudtrail}}
detection: {{s: {{eventName: {name}}}, condition: s}}
"""
FIRST, SECOND = "11111111-2222-3333-4444-555555555551", "11111111-2222-3333-4444-555555555552"
COUNTED = {"id": "counted", "name": "counted", "isEnabled": True, "message": "m", "tags": [],
           "queries": [{"query": "@eventName:Second", "groupByFields": ["@userIdentity.arn"], "aggregation": "count"}],
           "cases": [{"status": "high", "condition": "a > 1", "notifications": []}],
           "options": {"detectionMethod": "threshold", "evaluationWindow": 300, "keepAlive": 600, "maxSignalDuration": 3600}}


def said(*args, code=0):
    done = run(*args, code=code)
    return (done.stdout + done.stderr).decode()


def folder_of(name, files):
    root = WORK / name
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text if isinstance(text, str) else json.dumps(text))
    return root


def rules_of(name, overlay="", **more):
    files = {"first.yml": SIGMA.format(name="First", id=FIRST), "second.yml": SIGMA.format(name="Second", id=SECOND),
             "counted.json": COUNTED, **({"local/overlay.yml": overlay} if overlay else {}), **more}
    return folder_of(name, files)


def logs(name="data"):
    folder = Folder(name)
    events = [event(i, eventName=what, eventTime=f"2025-03-04T05:{minute:02d}:00Z", userIdentity={"type": "IAMUser", "arn": arn})
              for i, (what, minute, arn) in enumerate([("First", 0, ALICE), ("First", 40, ALICE), ("First", 1, BOB),
                                                       ("Second", 0, ALICE), ("Second", 1, ALICE), ("Second", 2, ROBOT),
                                                       ("Second", 3, ROBOT)])]
    folder.put("b.json", json.dumps({"Records": events}).encode())
    return folder.root


def rows(out, columns="rule_name, severity, shadow, group_by"):
    return sorted(sqlite3.connect(out / "signals.db").execute(f"SELECT {columns} FROM signals").fetchall())


def listed(out, *args):
    return [json.loads(line) for line in run("signals", "list", "--json", "--out", out, *args).stdout.splitlines()]


def case_folders_overlay():
    """Severity, exclusions, groups and keep-alive change; rules go off; the hash of the rules tells one overlay from another."""
    data = logs()
    plain = replay(data, WORK / "plain", "--rules", rules_of("plain-rules"))
    assert plain["signals"]["opened"] == 6 and plain["signals"]["by_severity"]["high"] == 6, plain["signals"]
    changed = rules_of("changed", f"""
rules:
  {FIRST}: {{severity: low, keep_alive: 10m, group_by: [account]}}
  {SECOND}: {{enabled: false}}
  counted: {{exclude: '@userIdentity.arn:*robot', severity: critical}}
""")
    got = replay(data, WORK / "changed-out", "--rules", changed, "--fail-on", "critical", code=8)
    assert got["rules"]["loaded"] == 2 and "overlay" not in got["words"], got
    account = json.dumps({"account": "123456789012"}, separators=(",", ":"))
    assert rows(WORK / "changed-out", "rule_name, severity, group_by") == [
        ("First", "low", account), ("First", "low", account),
        ("counted", "critical", json.dumps({"@userIdentity.arn": ALICE}, separators=(",", ":")))]
    (changed / "local" / "overlay.yml").write_text("rules: {counted: {mode: shadow}}\n")
    refused = said("replay", data, "--out", WORK / "changed-out", "--rules", changed, *FIXED, code=2)
    assert "rule" in refused, refused


def case_folders_shadow():
    """Signals of rules in shadow mode are stored and counted apart, and fail no run; lists show them on demand."""
    data = logs()
    rules = rules_of("rules", "tags:\n  local.noisy: {mode: shadow}\nrules:\n  " + SECOND + ": {mode: active}\n")
    got = replay(data, WORK / "out", "--rules", rules, "--fail-on", "high", code=8)
    assert got["signals"]["shadow"] == 2 and got["signals"]["opened"] == 4, got["signals"]
    assert sum(got["signals"]["by_severity"].values()) == 4, got["signals"]
    assert [r[:3] for r in rows(WORK / "out") if r[0] == "First"] == [("First", "high", 1)] * 2
    lines = [json.loads(line) for line in (WORK / "out" / "signals.ndjson").read_text().splitlines()]
    assert {line["rule_name"] for line in lines if line.get("shadow")} == {"First"}, lines
    assert {r["rule_name"] for r in listed(WORK / "out")} == {"Second", "counted"}
    assert [(r["rule_name"], r["shadow"]) for r in listed(WORK / "out", "--mode", "shadow")] == [("First", True)] * 2
    assert len(listed(WORK / "out", "--mode", "all")) == 6
    assert "active, shadow, suppressed or all" in said("signals", "list", "--out", WORK / "out", "--mode", "x", code=2)
    only = rules_of("only-shadow", f"rules:\n  counted: {{enabled: false}}\n  {SECOND}: {{enabled: false}}\n  {FIRST}: {{mode: shadow}}\n")
    quiet = replay(data, WORK / "quiet", "--rules", only, "--fail-on", "info")
    assert quiet["signals"]["opened"] == 0 and quiet["signals"]["shadow"] == 2, quiet["signals"]
    table = said("replay", data, "--out", WORK / "table", "--rules", only, "--no-progress", *FIXED)
    assert "; 2 in shadow mode" in table, table
    for asked, sent in ((), 4), (("--set", "sink.shadow_signals=on"), 6):
        with Cluster() as cluster:
            replay(data, WORK / f"sent{sent}", "--rules", rules, "--sink", cluster.sink, "--signals-only", *asked)
            assert len(cluster.docs) == sent, cluster.docs.keys()


def case_folders_overlay_check():
    """An overlay for the pack lies in a folder of its own; unknown names and mistakes are told where they stand."""
    pack = json.loads(run("rules", "list", "--json").stdout.splitlines()[0])
    own = folder_of("own", {"overlay.yml": f"rules:\n  {pack['id']}: {{severity: info}}\n  nobody: {{mode: shadow}}\ntags:\n  no.tag: {{mode: shadow}}\n"})
    config = folder_of("conf", {"penstock.yaml": f"rules: [builtin, {own}]\n"}) / "penstock.yaml"
    listed_rules = [json.loads(line) for line in run("rules", "list", "--json", "--config", config).stdout.splitlines()]
    assert [r["severity"] for r in listed_rules if r["id"] == pack["id"]] == ["info"]
    for command in (("check", "--config", config), ("rules", "check", "builtin", own)):
        told = said(*command)
        assert f"{own}/overlay.yml:3:3: warning: no rule has the id 'nobody'" in told, told
        assert f"{own}/overlay.yml:5:3: warning: no rule has the tag 'no.tag'" in told, told
    (own / "overlay.yml").write_text("rules:\n  x: {mode: loud, group_by: 3, enabled: maybe}\n")
    told = said("rules", "check", "builtin", own, code=4)
    assert ":2:13: `mode` is active or shadow" in told and ":2:41: `enabled` is true or false" in told, told
    assert said("check", "--config", config, code=4).count("overlay.yml:2:") == 2


def suppressed(out):
    found = sqlite3.connect(out / "signals.db").execute("SELECT rule_name, suppressed_by, group_by FROM signals").fetchall()
    return sorted(found, key=str)


def case_folders_suppressed():
    """What a signal's events and its rule say is asked when it opens; suppressed ones are kept, counted and not told."""
    data = logs()
    by_arn = rules_of("by-arn", **{"suppressions/robots.yml": "query: '@userIdentity.arn:*robot'\nreason: it is ours\nowner: ops\n"})
    got = replay(data, WORK / "out", "--rules", by_arn, "--fail-on", "high", code=8)
    # Of Sigma rules the account and identity group matches; the robot's two make one signal each of Second and counted.
    assert got["signals"]["suppressed"] == 2 and got["signals"]["opened"] == 4, got["signals"]
    assert [(name, by) for name, by, group in suppressed(WORK / "out") if "robot" in group] == [("Second", "robots"), ("counted", "robots")]
    assert [by for _, by, group in suppressed(WORK / "out") if "robot" not in group] == [None] * 4
    assert {r["suppressed_by"] for r in listed(WORK / "out", "--mode", "suppressed")} == {"robots"}
    assert len(listed(WORK / "out")) == 4
    lines = [json.loads(line) for line in (WORK / "out" / "signals.ndjson").read_text().splitlines()]
    assert sum(line.get("suppressed_by") == "robots" and line["change"] == "opened" for line in lines) == 2, lines
    for shards in (1, 3):
        other = replay(data, WORK / f"of{shards}", "--rules", by_arn, "--shards", shards)
        assert other["signals"] == got["signals"] and suppressed(WORK / f"of{shards}") == suppressed(WORK / "out")
    again = replay(data, WORK / "out", "--rules", by_arn)
    assert again["signals"] == got["signals"] and len(suppressed(WORK / "out")) == 6
    with Cluster() as cluster:
        replay(data, WORK / "sent", "--rules", by_arn, "--sink", cluster.sink, "--signals-only")
        assert len(cluster.docs) == 4, cluster.docs.keys()
    want = {"rule_query: 'ruleId:counted'": 2, "rule_query: 'tags:local.noisy severity:high'": 4, "rule_query: 'name:First'": 2,
            "query: '@evt.name:First'": 2, "query: 'account:123456789012 severity:high'": 6, "query: '-@userIdentity.arn:*alice'": 3,
            "{query: 'region:eu-west-1', rule_query: 'source:cloudtrail -language:sigma'}": 2, "query: '@workflow.rule.id:counted'": 2,
            # Ends are compared with first_seen, which is 05:00 twice, then 05:01 twice.
            "{query: '*', expires: '2025-03-04T05:01:00Z'}": 2, "{query: '*', expires: '2025-03-04T05:01:01Z'}": 4}
    for number, (text, count) in enumerate(want.items()):
        rules = rules_of(f"rules{number}", **{"suppressions/s.yml": text})
        got = replay(data, WORK / f"out{number}", "--rules", rules)
        assert (got["signals"]["suppressed"], got["signals"]["opened"]) == (count, 6 - count), (text, got["signals"], suppressed(WORK / f"out{number}"))


def case_folders_suppressed_data():
    """What data_exclusion_query takes is not counted: no signal is made of it, and none is held back."""
    data = logs()
    by_arn = "data_exclusion_query: '@userIdentity.arn:*robot'\n"
    for name, text, opened, held in (
            ("all", by_arn, 4, 0), ("one", by_arn + "rule_query: 'ruleId:counted'\n", 5, 0),
            ("both", by_arn + "rule_query: 'ruleId:counted'\nquery: 'rule_id:counted'\n", 4, 1)):
        rules = rules_of(name, **{"suppressions/s.yml": text})
        got = replay(data, WORK / f"out-{name}", "--rules", rules)
        assert (got["signals"]["opened"], got["signals"]["suppressed"]) == (opened, held), (name, got["signals"])
        assert "warning" not in said("rules", "check", rules), said("rules", "check", rules)
    rules = rules_of("bad", **{"suppressions/s.yml": by_arn + "expires: 2030-01-01\n"})
    assert "`expires` is about signals" in said("rules", "check", rules, code=4)
    (rules / "suppressions" / "s.yml").write_text("data_exclusion_query: '(a'\n")
    assert "s.yml:1:23: `data_exclusion_query`, byte" in said("rules", "check", rules, code=4)


def case_folders_filtered():
    """Rules of either language look at what a security filter takes; documents are made of all."""
    data = logs()
    robots = "exclusion_filters: [{name: r, query: '@userIdentity.arn:(*robot OR *bob)'}]\n"
    for name, filters, signals, left_out in (
            ("none", {}, 6, None), ("off", {"a.yml": "{query: 'env:nothing', is_enabled: false}\n"}, 6, None),
            ("alice", {"a.yml": "query: '@userIdentity.arn:*alice'\n"}, 3, (5, {"a": 0})),
            ("two", {"a.yml": "query: '@userIdentity.arn:*bob'\n", "b.yml": "query: '@userIdentity.arn:*robot'\n"}, 3,
             (6, {"a": 0, "b": 0})),
            ("but", {"a.yml": "query: '*'\n" + robots}, 3, (3, {"a": 3})),
            ("both", {"a.yml": "name: most\nquery: '*'\n" + robots, "b.yml": "query: '@userIdentity.arn:*bob'\n"}, 4,
             (2, {"most": 3, "b": 0})),
            ("other", {"a.yml": "query: 'source:guardduty'\n" + robots}, 0, (9, {"a": 0}))):
        rules = rules_of(name, **{f"security_filters/{file}": text for file, text in filters.items()})
        got = replay(data, WORK / f"out-{name}", "--rules", rules)
        assert got["signals"]["opened"] == signals, (name, got["signals"])
        assert got["records"]["delivered"] == 9, got["records"]
        counted = got.get("security_filters")
        assert (counted and (counted["unanalysed"], counted["excluded"])) == left_out, (name, counted)
        again = replay(data, WORK / f"out-{name}", "--rules", rules)
        assert again.get("security_filters") == counted, (name, again)
        told = said("rules", "check", rules)
        assert ("security filter" in told) == (name not in ("none", "off")), told
    (rules / "security_filters" / "a.yml").write_text("query: '(a'\n")
    assert "a.yml:1:8: `query`, byte" in said("rules", "check", rules, code=4)


def case_folders_assets():
    """Critical assets make signals worse or less bad, in lines, counts and the cluster."""
    data, alice = logs(), "query: '@userIdentity.arn:*alice'\n"
    for name, files, want in (
            ("set", {"a.yml": alice + "severity: critical\n"}, {"critical": 3, "high": 3}),
            ("up", {"a.yml": alice + "severity: increase\nrule_query: 'ruleId:counted'\n"}, {"critical": 1, "high": 5}),
            ("down", {"a.yml": alice + "severity: decrease\n"}, {"medium": 3, "high": 3}),
            ("both", {"a.yml": alice + "severity: decrease\n", "b.yml": alice + "severity: increase\n"}, {"high": 6}),
            ("worst", {"a.yml": alice + "severity: low\n", "b.yml": alice + "severity: medium\n",
                       "c.yml": alice + "severity: increase\n"}, {"medium": 3, "high": 3}),
            ("none", {"a.yml": alice + "severity: no-op\n"}, {"high": 6}),
            ("off", {"a.yml": alice + "severity: info\nenabled: false\n"}, {"high": 6})):
        rules = rules_of(name, **{f"critical_assets/{file}": text for file, text in files.items()})
        out = WORK / f"out-{name}"
        with Cluster() as cluster:
            got = replay(data, out, "--rules", rules, "--sink", cluster.sink)
            sent = [source["severity"] for key, source in cluster.docs.items() if key[0].startswith("penstock-signals")]
        told = {severity: number for severity, number in got["signals"]["by_severity"].items() if number}
        assert told == want, (name, told)
        for severities in ([row[0] for row in rows(out, "severity")], sent):
            assert {severity: severities.count(severity) for severity in set(severities)} == want, (name, severities)
        lines = [json.loads(line) for line in (out / "signals.ndjson").read_text().splitlines()]
        assert {line["severity"] for line in lines} == set(want), lines
        assert "warning" not in said("rules", "check", rules), said("rules", "check", rules)
    raised = {**COUNTED, "queries": [{**COUNTED["queries"][0], "query": "@eventName:(First OR Second)"}],
              "cases": [{"status": "medium", "condition": "a > 1", "notifications": []},
                        {"status": "low", "condition": "a > 0", "notifications": []}]}
    rules = folder_of("raised", {"r.json": raised, "critical_assets/a.yml": alice + "severity: increase\n"})
    got = replay(data, WORK / "out-raised", "--rules", rules)
    assert got["signals"]["by_severity"] == {"info": 0, "low": 1, "medium": 2, "high": 1, "critical": 0}, got["signals"]
    (rules / "critical_assets" / "a.yml").write_text("query: a\n")
    assert "a.yml:1:1: a critical asset needs" in said("rules", "check", rules, code=4)


def case_folders_suppressed_raised():
    """A suppressed signal that gets worse is asked about again; one that was let through stays."""
    folder = Folder("data")
    folder.put("b.json", json.dumps({"Records": [
        event(i, eventName="Many", eventTime=f"2025-03-04T05:0{i}:00Z", userIdentity={"type": "IAMUser", "arn": ALICE}) for i in range(5)]}).encode())
    raised = {**COUNTED, "queries": [{**COUNTED["queries"][0], "query": "@eventName:Many"}],
              "cases": [{"status": "high", "condition": "a > 2", "notifications": []}, {"status": "low", "condition": "a > 0", "notifications": []}]}
    for name, query, opened, count, changes in (
            ("low", "status:low", 1, 0, [("opened", "s"), ("raised", None)]), ("both", "status:(low OR high)", 0, 1, [("opened", "s"), ("raised", "s")]),
            ("high", "status:high", 1, 0, [("opened", None), ("raised", None)])):
        rules = folder_of(name, {"r.json": raised, "suppressions/s.yml": f"query: '{query}'\n"})
        got = replay(folder.root, WORK / f"out-{name}", "--rules", rules)
        assert (got["signals"]["opened"], got["signals"]["suppressed"]) == (opened, count), (name, got["signals"])
        assert got["signals"]["by_severity"]["high"] == opened and got["signals"]["by_severity"]["low"] == 0, got["signals"]
        lines = [json.loads(line) for line in (WORK / f"out-{name}" / "signals.ndjson").read_text().splitlines()]
        assert [(line["change"], line.get("suppressed_by")) for line in lines if line["change"] != "closed"] == changes, lines


def case_folders_suppressed_check():
    """Checks warn of suppressions that are over, about no rule, or were never needed; mistakes have their places."""
    rules = rules_of("rules", **{"suppressions/old.yml": "query: 'env:dev'\nexpires: 2024-01-01\n",
                                 "suppressions/lost.yml": "rule_query: 'ruleId:gone'\n",
                                 "suppressions/used.yml": "query: '@userIdentity.arn:*robot'\n"})
    replay(logs(), WORK / "out", "--rules", rules)
    config = folder_of("conf", {"penstock.yaml": f"rules: [{rules}]\n"}) / "penstock.yaml"
    folder = f"{rules}/suppressions"
    for command in (("rules", "check", rules), ("check", "--config", config), ("check", "--config", config, "--out", WORK / "out")):
        told = said(*command)
        assert f"{folder}/old.yml:1:1: warning: it expired at 2024-01-01T00:00:00Z" in told, told
        assert f"{folder}/lost.yml:1:1: warning: no rule is what `rule_query` asks for" in told, told
        assert ("old.yml:1:1: warning: it is unused" in told) == ("--out" in command), told
        assert "used.yml:" not in told, told
    assert "no signals.db" in said("check", "--config", config, "--out", WORK / "nowhere", code=1)
    (rules / "suppressions" / "old.yml").write_text("query: '(env:dev'\n")
    assert "old.yml:1:8: `query`, byte" in said("rules", "check", rules, code=4)


def case_folders_untested():
    """Rules without a test are told; --require-tests makes failures of them, in JUnit too."""
    rules = folder_of("rules", {"one.yml": SIGMA.format(name="First", id=FIRST), "two.yml": SIGMA.format(name="Second", id=SECOND),
                                "one.test.yml": "tests: [{name: t, type: cloudtrail, events: ['{\"eventName\":\"First\",\"eventTime\":\"2025-03-04T05:00:00Z\"}'], expect: {match: true}}]\n"})
    done = run("rules", "test", rules)
    assert done.stdout == b"1 passed, 0 failed\n", done.stdout
    assert done.stderr.decode() == f"{rules}/two.yml:1:1: no test: Second\n", done.stderr
    got = json.loads(run("rules", "test", "--json", rules).stdout)
    assert got["untested"] == [{"rule": SECOND, "file": f"{rules}/two.yml", "line": 1}] and got["failed"] == 0, got
    done = run("rules", "test", "--require-tests", "--junit", WORK / "junit.xml", rules, code=4)
    assert done.stdout.decode().splitlines() == [f"{rules}/two.yml:1:1: Second: the rule has no test", "1 passed, 1 failed"], done.stdout
    assert 'message="the rule has no test"' in (WORK / "junit.xml").read_text()
    assert b"no test" not in run("rules", "test").stderr  # the pack


def case_folders_navigator():
    """A layer has each technique of the rules that run, scored by their number."""
    other = SIGMA.format(name="Second", id=SECOND).replace("attack.t1110", "attack.t1110, attack.t1078.004")
    datadog = {**COUNTED, "tags": ["technique:T1110-brute-force", "technique:none"]}
    rules = folder_of("rules", {"one.yml": SIGMA.format(name="First", id=FIRST), "two.yml": other, "three.json": datadog,
                                "off.yml": SIGMA.format(name="Retired", id=FIRST[:-1] + "9").replace("level", "status: deprecated\nlevel")})
    layer = WORK / "layer.json"
    done = run("rules", "list", "--navigator", layer, rules)
    assert len(done.stdout.splitlines()) == 4, done.stdout
    got = json.loads(layer.read_text())
    assert got["domain"] == "enterprise-attack" and got["versions"]["layer"] == "4.5" and got["gradient"]["maxValue"] == 3, got
    assert [(t["techniqueID"], t["score"], t["comment"]) for t in got["techniques"]] == [
        ("T1078.004", 1, "Second"), ("T1110", 3, "First; Second; counted")], got["techniques"]
    run("rules", "list", "--navigator", layer)
    pack = json.loads(layer.read_text())["techniques"]
    assert len(pack) > 50 and len({t["techniqueID"] for t in pack}) == len(pack)
    assert "nowhere" in said("rules", "list", "--navigator", WORK / "nowhere" / "x.json", rules, code=1)


def case_folders_env():
    """decreaseCriticalityBasedOnEnv takes a step off the severity where env of the first event is of a minor environment."""
    lines = [{"time": f"2025-03-04T05:0{i}:00Z", "user": env, "tags": ["team:x", f"env:{env}"]}
             for i, env in enumerate(["staging-eu", "testing", "dev", "prod", "preprod-test"])]
    lines += [{"time": "2025-03-04T05:08:00Z", "user": "none"}]
    path = WORK / "lines.json"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    by_env = {**COUNTED, "queries": [{"query": "@user:*", "groupByFields": ["@user"], "aggregation": "count"}],
              "cases": [{"status": "high", "condition": "a > 0", "notifications": []}],
              "options": {**COUNTED["options"], "decreaseCriticalityBasedOnEnv": True}}
    info = {**by_env, "id": "info", "name": "info", "cases": [{**by_env["cases"][0], "status": "info"}]}
    got = replay(path, WORK / "out", "--as", "json", "--rules", folder_of("rules", {"a.json": by_env, "b.json": info}))
    found = sqlite3.connect(WORK / "out" / "signals.db").execute(
        "SELECT group_by ->> '$.\"@user\"', severity FROM signals WHERE rule_id = 'counted'").fetchall()
    assert dict(found) == {"staging-eu": "medium", "testing": "medium", "dev": "medium", "prod": "high",
                           "preprod-test": "high", "none": "high"}, found
    assert got["signals"]["by_severity"] == {"info": 6, "low": 0, "medium": 3, "high": 3, "critical": 0}, got["signals"]
    assert "decreaseCriticality" not in got["words"], got["words"]


main(globals())
