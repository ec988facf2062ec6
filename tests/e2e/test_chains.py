"""Rules over signals of other rules: Datadog's signal_correlation and chains of Sigma correlations, alike for any shards
and kills, and against the oracle."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from kit import *  # noqa: E402,F403
import test_stateful as stateful
from test_stateful import ALICE, BOB, DENIED, WORKED, correlation, made, query, rule, run_rules, run_sigma


def over(name, queries, cases, **more):
    made_rule = rule(name, queries, cases, **more)
    return {**made_rule, "type": "signal_correlation"}


def of(id_, by=("@userIdentity.arn",), **more):
    return {"ruleId": id_, "aggregation": "event_count", "correlatedByFields": list(by), **more}


def seen(rows):
    return [(r["rule_name"], r["first"], r["last"], r["events_matched"], r["group_by"]) for r in rows]


def case_chains_datadog():
    """Openings count as events of the rules that name the rule: by a field of the group, or one that events tell."""
    create = rule("create", [query("@evt.name:CreateUser")], [("", "low", "a > 0")], keep=300, id="r-create",
                  message="{{@requestParameters.userName}}")
    keys = rule("keys", [query("@evt.name:CreateAccessKey", ["@requestParameters.by"])], [("", "low", "a > 1")], id="r-keys")
    both = over("both", [of("r-create", name="made"), of("r-keys", ["@requestParameters.by"], name="keys")],
                [("", "critical", "made > 0 && keys > 0"), ("twice", "high", "made > 1")], window=900, keep=3600, id="r-both",
                message="{{@requestParameters.userName}} {{events_matched_per_query.made}}", hasExtendedTitle=True)
    last = over("last", [of("r-both"), of("r-create", name="b")], [("", "critical", "a > 0 && b > 1")], window=3600, keep=3600)
    by_ip = over("ip", [of("r-create", ["@network.client.ip"])], [("", "medium", "a > 1")], window=7200, keep=7200, longest=7200)
    events = [made(1, 0, "CreateUser", requestParameters={"userName": "u1"}, sourceIPAddress="198.51.100.7"),
              made(2, 10, "CreateUser", requestParameters={"userName": "u2"}, sourceIPAddress="198.51.100.8"),  # the same signal
              made(3, 400, "CreateUser", requestParameters={"userName": "u3"}, sourceIPAddress="198.51.100.9"),
              made(4, 500, "CreateAccessKey", requestParameters={"by": ALICE}), made(5, 510, "CreateAccessKey", requestParameters={"by": ALICE}),
              made(6, 400, "CreateUser", BOB, sourceIPAddress="198.51.100.7", awsRegion="us-east-1")]
    rows, summary = run_rules([last, by_ip, both, create, keys], events)  # in any order in the file
    alice, ip = {"@userIdentity.arn": ALICE}, {"@network.client.ip": "198.51.100.7"}
    assert seen(rows) == [
        ("both", 400, 510, 3, alice), ("create", 0, 10, 2, alice), ("create", 400, 400, 1, alice),
        ("create", 400, 400, 1, {"@userIdentity.arn": BOB}), ("ip", 400, 400, 2, ip),
        ("keys", 510, 510, 2, {"@requestParameters.by": ALICE}), ("last", 400, 400, 3, alice)], seen(rows)
    got = {r["rule_name"]: r for r in rows}
    assert got["both"]["severity"] == "critical" and got["both"]["events_per_query"] == [2, 1], got["both"]
    assert got["both"]["message"] == "u1, u3 2" and got["both"]["title"].endswith(f" - {ALICE}"), got["both"]
    assert json.loads(got["ip"]["regions"]) == ["eu-west-1", "us-east-1"], got["ip"]
    ids = {r["id"] for r in rows}
    assert all(event_id in ids for name in ("both", "ip", "last") for _, event_id in got[name]["queries"]), got
    assert summary["signals"]["opened"] == len(rows), summary["signals"]


def case_chains_sigma():
    """A correlation's signals are what the next one counts; without generate none of the parts reports by itself."""
    many = correlation("Many", "3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0b01",
                       ["type: event_count", "rules: denied", "group-by: [userIdentity.arn]", "timespan: 5m", "condition: {gte: 2}"]
                       ).replace("title: Many", "title: Many\nname: many")
    chain = correlation("Chain", "3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0b02",
                        ["type: temporal_ordered", "rules: [many, worked]", "group-by: [who]", "timespan: 10m",
                         "aliases: {who: {many: userIdentity.arn, worked: requestParameters.by}}"], "critical")
    wide = correlation("Wide", "3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0b03",
                       ["type: value_count", "rules: [many]", "timespan: 1h", "condition: {gte: 2, field: userIdentity.arn}"])
    deny = {"errorCode": "AccessDenied"}
    events = [made(1, 0, "A", **deny), made(2, 60, "A", **deny), made(3, 90, "A", **deny), made(4, 200, "A", BOB, **deny),
              made(5, 300, "B", BOB, **deny), made(6, 100, "CreateUser", BOB, requestParameters={"by": ALICE}),
              made(7, 50, "CreateUser", BOB, requestParameters={"by": BOB})]
    texts = [wide, chain, many, DENIED, WORKED]  # in any order
    rows = run_sigma(texts, events, "out")
    assert seen(rows) == [("Chain", 100, 100, 2, {"who": ALICE}), ("Wide", 300, 300, 2, {})], seen(rows)
    rows = run_sigma([wide, chain.replace("  type", "  generate: true\n  type"), many, DENIED, WORKED], events, "loud")
    assert {r["rule_name"] for r in rows} == {"Chain", "Wide", "Many", "Worked"}, seen(rows)


def case_chains_picked():
    """What --min-level leaves out is counted by the rules that it does not, and told to nobody."""
    many = correlation("Many", "3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0b01",
                       ["type: event_count", "rules: denied", "group-by: [userIdentity.arn]", "timespan: 5m", "condition: {gte: 2}",
                        "generate: true"], "low").replace("title: Many", "title: Many\nname: many")
    chain = correlation("Chain", "3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0b02",
                        ["type: temporal", "rules: [many, worked]", "group-by: [who]", "timespan: 10m", "generate: true",
                         "aliases: {who: {many: userIdentity.arn, worked: requestParameters.by}}"], "critical")
    create = rule("create", [query("@evt.name:CreateUser")], [("", "low", "a > 0")], id="r-create")
    any_ = over("any", [of("r-create", [])], [("", "high", "a > 0")], window=60, id="r-any")
    deny = {"errorCode": "AccessDenied"}
    events = [made(1, 0, "A", **deny), made(2, 60, "A", **deny), made(6, 100, "CreateUser", BOB, requestParameters={"by": ALICE})]
    folder = Folder()
    stateful.put(folder, "b.json", events)
    rules = folder_of("picked", {"s.yml": "---\n".join([chain, many, DENIED, WORKED]), "d.json": [any_, create]})
    told = []
    for level in ("info", "high"):
        for shards in (1, 3):
            summary = replay(folder.root, WORK / f"out-{level}-{shards}", "--rules", rules, "--min-level", level, "--shards", shards)
            assert summary["rules"]["rejected"] == 0, summary["words"]
            told.append([(r["rule_name"], r["first"], r["events_matched"]) for r in stateful.signals(WORK / f"out-{level}-{shards}")])
    assert told[0] == told[1] and told[2] == told[3], told
    assert told[2] == [one for one in told[0] if one[0] in ("Chain", "any")] and len(told[2]) == 2, told
    assert {"Many", "create"} <= {name for name, *_ in told[0]}, told
    listed = run("rules", "list", "--min-level", "high", rules).stdout.decode()
    assert "Chain" in listed and "Many" not in listed, listed


def folder_of(name, files):
    for path, text in files.items():
        at = WORK / name / path
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(text if isinstance(text, str) else json.dumps(text))
    return WORK / name


def case_chains_rated():
    """A signal that a rule over signals counted is shown with the severity that it was told with, at any stage."""
    folder = Folder()
    stateful.put(folder, "b.json", [made(1, 0, "CreateUser"), made(2, 9, "CreateUser", BOB)])
    create = rule("create", [query("@evt.name:CreateUser")], [("", "low", "a > 0")], id="r-create")
    rules = folder_of("rules", {
        "r.json": [create, over("first", [of("r-create")], [("", "medium", "a > 0")], window=60, id="r-first"),
                   over("second", [of("r-first")], [("", "info", "a > 0")], window=60, id="r-second")],
        "critical_assets/a.yml": "query: '@userIdentity.arn:*alice'\nseverity: increase\n"})
    replay(folder.root, WORK / "out", "--rules", rules)
    db = sqlite3.connect(WORK / "out" / "signals.db")
    shown = sorted((name, json.loads(text)["signal"]["severity"], severity) for name, severity, text in db.execute(
        "SELECT s.rule_name, s.severity, e.event FROM signals s JOIN signal_events e ON e.signal_id = s.id WHERE s.rule_name != 'create'"))
    assert shown == [("first", "low", "medium"), ("first", "medium", "high"),
                     ("second", "high", "low"), ("second", "medium", "info")], shown


def case_chains_apart():
    """Signals that a suppression holds back count for no rule, those in shadow mode for rules in shadow mode only."""
    folder = Folder()
    stateful.put(folder, "b.json", [made(1, 0, "CreateUser"), made(2, 9, "CreateUser", BOB)])
    create = rule("create", [query("@evt.name:CreateUser")], [("", "low", "a > 0")], id="r-create")
    files = {"r.json": [create, over("any", [of("r-create", [])], [("", "high", "a > 0")], window=60, id="r-any")]}
    counts = []
    for name, more in (("plain", {}), ("held", {"suppressions/s.yml": "query: '@userIdentity.arn:*alice'\nreason: ours\n"}),
                       ("shadow", {"overlay.yml": "rules: {r-create: {mode: shadow}}\n"}),
                       ("both", {"overlay.yml": "rules: {r-create: {mode: shadow}, r-any: {mode: shadow}}\n"})):
        replay(folder.root, WORK / f"out-{name}", "--rules", folder_of(name, {**files, **more}))
        counts.append([(r["rule_name"], r["events_matched"]) for r in stateful.signals(WORK / f"out-{name}") if r["rule_name"] == "any"])
    assert counts == [[("any", 2)], [("any", 1)], [], [("any", 2)]], counts


def case_chains_shards():
    """A chain that counts signals and events at once, on a generated organisation: any shards, killed anywhere."""
    folder = generate(size="4MiB")
    plain = stateful.sigma("Denied", "denied", "3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0a01", "{errorCode|contains: Denied}")
    reads = stateful.sigma("Reads", "reads", "3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0a02", "{eventName|startswith: [Get, List, Describe]}")
    many = correlation("Many", "3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0b01",
                       ["type: event_count", "rules: reads", "group-by: [userIdentity.arn, awsRegion]", "timespan: 1h",
                        "condition: {gte: 3}", "generate: true"]).replace("title: Many", "title: Many\nname: many")
    both = correlation("Both", "3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0b02",
                       ["type: temporal", "rules: [many, denied]", "group-by: [userIdentity.arn]", "timespan: 6h"])
    wide = correlation("Wide", "3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0b03",
                       ["type: value_count", "rules: many", "group-by: [awsRegion]", "timespan: 1d",
                        "condition: {gte: 2, field: userIdentity.arn}"])
    path = WORK / "rules.yml"
    path.write_text("---\n".join([plain, reads, many, both, wide]))
    replay(folder, WORK / "out", "--rules", path, "--shards", 1)
    state, names = state_of(WORK / "out"), [r["rule_name"] for r in stateful.signals(WORK / "out")]
    assert all(names.count(name) > 1 for name in ("Both", "Wide")), {name: names.count(name) for name in set(names)}
    for shards in (2, 3, 7):
        replay(folder, WORK / f"of{shards}", "--rules", path, "--shards", shards)
        assert state_of(WORK / f"of{shards}") == state, shards
    for number, where in enumerate(("release@2", "stages@2", "signals@3", "committed@3")):
        out = WORK / f"killed-{where}"
        run("replay", folder, "--out", out, "--rules", path, "--no-progress", "--set", "commit.interval=1ms", *FIXED,
            code=None, env={**os.environ, "PENSTOCK_KILL_AT": where})
        assert (out / "checkpoint.db").exists()
        replay(folder, out, "--rules", path, "--shards", (1, 2, 3, 7)[number])
        assert state_of(out) == state, where


def case_chains_test():
    """`rules test` runs the rules that a tested one names, and expects the signals of the tested one alone."""
    create = rule("create", [query("@evt.name:CreateUser")], [("", "low", "a > 0")], keep=300, id="r-create")
    twice = over("twice", [of("r-create")], [("", "high", "a > 1")], window=900, keep=3600, id="r-twice")
    events = [made(1, 0, "CreateUser"), made(2, 400, "CreateUser"), made(3, 400, "CreateUser", BOB)]
    tests = [{"name": name, "type": "cloudtrail", "rule": "r-twice", "events": events, "expect": {"signals": [
        {"severity": "high", "group": {"@userIdentity.arn": ALICE}, "first_seen": stateful.at(second)}]}}
        for name, second in (("right", 400), ("wrong", 0))]
    rules = folder_of("rules", {"r.json": [create, twice], "r.test.yml": {"tests": tests}})
    done = run("rules", "test", rules, code=4)
    words = (done.stdout + done.stderr).decode()
    assert "1 passed, 1 failed" in words and "wrong" in words, words


if __name__ == "__main__":
    main(globals())
