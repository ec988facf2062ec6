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


main(globals())
