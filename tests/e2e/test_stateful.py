"""Datadog rules in a replay: windows, cases, joins and new values become signals, the same for any shards and kills."""
import json
import os
import sqlite3
import sys

sys.path.insert(0, os.path.dirname(__file__))
import mmdb_made  # noqa: E402
from kit import *  # noqa: E402,F403

ALICE, BOB = "arn:aws:iam::123456789012:user/alice", "arn:aws:iam::123456789012:user/bob"


def rule(name, queries, cases, method="threshold", window=300, keep=600, longest=3600, **more):
    options = {"detectionMethod": method, "evaluationWindow": window, "keepAlive": keep, "maxSignalDuration": longest}
    if "new_value" in more:
        options["newValueOptions"] = more.pop("new_value")
    return {"name": name, "isEnabled": True, "message": more.pop("message", "m"), "type": "log_detection", "tags": [],
            "queries": queries, "cases": [{"name": n, "status": s, "condition": c, "notifications": []} for n, s, c in cases],
            "options": options, **more}


def query(text, by=("@userIdentity.arn",), name="", **more):
    return {"query": text, "groupByFields": list(by), "aggregation": "count", "name": name, **more}


def at(second):
    return f"2025-03-04T{5 + second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"


def made(number, second, name, arn=ALICE, **more):
    return event(number, eventTime=at(second), eventName=name, userIdentity={"type": "IAMUser", "arn": arn}, **more)


def put(folder, name, events):
    folder.put(name, json.dumps({"Records": events}).encode())


def signals(out):
    db = sqlite3.connect(out / "signals.db")
    db.row_factory = sqlite3.Row
    rows = [dict(r) for r in db.execute("SELECT * FROM signals ORDER BY rule_name, first_seen_ns, group_by")]
    for row in rows:
        row["group_by"] = json.loads(row["group_by"])
        row["events_per_query"] = json.loads(row["events_per_query"])
        row["texts"] = [bool(r[0]) for r in db.execute("SELECT event FROM signal_events WHERE signal_id = ?", (row["id"],))]
        row["queries"] = [tuple(r) for r in db.execute(
            "SELECT query, event_id FROM signal_events WHERE signal_id = ? ORDER BY event_time_ns", (row["id"],))]
        for side in ("first", "last"):
            second = row[f"{side}_seen_ns"] // 10**9
            row[side] = second - int(second // 86400) * 86400 - 5 * 3600
    return rows


def run_rules(rules, events, name="out", *args):
    folder = Folder(f"data-{name}")
    put(folder, "b.json", events)
    path = WORK / f"{name}.json"
    path.write_text(json.dumps(rules))
    summary = replay(folder.root, WORK / name, "--rules", path, *args)
    assert summary["rules"]["rejected"] == 0, summary["words"]
    return signals(WORK / name), summary


def case_stateful_windows():
    """Cases over a window: first true one counts, a worse one raises, what was before the opening belongs to it."""
    fails = "source:cloudtrail @evt.name:ConsoleLogin @responseElements.ConsoleLogin:Failure"
    good = "source:cloudtrail @evt.name:ConsoleLogin @responseElements.ConsoleLogin:Success"
    brute = rule("brute", [query(fails, name="failed"), query(good, name="ok")],
                 [("broken", "high", "failed > 2 && ok > 0"), ("tried", "low", "failed > 2")], hasExtendedTitle=True,
                 message="{{@userIdentity.arn}} {{events_matched_per_query.failed}} of {{events_matched}} {{severity}}")
    bad, ok = {"responseElements": {"ConsoleLogin": "Failure"}}, {"responseElements": {"ConsoleLogin": "Success"}}
    events = [made(10 + i, second, "ConsoleLogin", **bad) for i, second in enumerate((0, 100, 301, 399, 400))]
    # the window is (t - 300, t]: of 0, 100, 301, 399 three are in it at 399 first
    events += [made(20, 500, "ConsoleLogin", **ok), made(21, 1090, "ConsoleLogin", **bad)]
    events += [made(30 + i, 350, "ConsoleLogin", BOB, **bad) for i in range(2)]
    rows, _ = run_rules([brute], events)
    assert len(rows) == 1, rows
    row = rows[0]
    assert (row["first"], row["last"], row["severity"], row["case_name"]) == (399, 500, "high", "broken"), row
    assert row["group_by"] == {"@userIdentity.arn": ALICE} and row["closed"] == 0
    assert (row["events_matched"], row["events_per_query"]) == (5, [4, 1]), row
    assert row["title"] == f"brute (broken) - {ALICE}" and row["message"] == f"{ALICE} 4 of 5 3", row
    assert [q for q, _ in row["queries"]] == ["failed"] * 4 + ["ok"], row["queries"]
    assert not any(row["texts"]), "a rule that counts keeps references to its events"
    once, _ = run_rules([rule("once", [query(good)], [("", "low", "a > 0")])], events, "once")
    assert [r["texts"] for r in once] == [[True]], once
    lines = [json.loads(line) for line in (WORK / "out" / "signals.ndjson").read_text().splitlines()]
    assert [(line["change"], line["severity"]) for line in lines] == [("opened", "low"), ("raised", "high")], lines


def case_stateful_joins():
    """Queries meet by position of their group-by; lists give a group for each element; what is missing is N/A or nothing."""
    made_by, shared = "source:cloudtrail @evt.name:CreateSnapshot", "source:cloudtrail @evt.name:ModifySnapshotAttribute"
    leak = rule("leak", [query(made_by, ["@responseElements.snapshotId"], "made"),
                         query(shared, ["@requestParameters.snapshotId"], "shared")],
                [("", "high", "made > 0 && shared > 0"), ("", "low", "shared > 0")], window=3600, keep=3600)
    tags = rule("tags", [query("source:cloudtrail @evt.name:TagResource", ["@requestParameters.tags.key", "region"])],
                [("", "info", "a > 1")])
    opt = rule("optional", [query("source:cloudtrail @evt.name:Opt", ["@nowhere"], hasOptionalGroupByFields=True)],
               [("", "info", "a > 0")])
    none = rule("missing", [query("source:cloudtrail @evt.name:Opt", ["@nowhere"])], [("", "info", "a > 0")])
    events = [made(1, 0, "CreateSnapshot", responseElements={"snapshotId": "snap-1"}),
              made(2, 60, "ModifySnapshotAttribute", requestParameters={"snapshotId": "snap-1"}),
              made(3, 60, "ModifySnapshotAttribute", requestParameters={"snapshotId": "snap-2"}),
              made(4, 0, "TagResource", requestParameters={"tags": [{"key": "a"}, {"key": "b"}, {"key": "a"}]}),
              made(5, 9, "TagResource", requestParameters={"tags": [{"key": "b"}, {"key": "c"}]}),
              made(6, 0, "Opt")]
    rows, _ = run_rules([leak, tags, opt, none], events)
    got = [(r["rule_name"], r["severity"], r["group_by"]) for r in rows]
    assert got == [("leak", "high", {"@responseElements.snapshotId": "snap-1"}),
                   ("leak", "low", {"@responseElements.snapshotId": "snap-2"}),
                   ("optional", "info", {"@nowhere": "N/A"}),
                   ("tags", "info", {"@requestParameters.tags.key": "b", "region": "eu-west-1"})], got


def case_stateful_values():
    """Cardinality, sum and max; new values by duration and by threshold, in groups, folded by keepAlive."""
    few = rule("few", [query("@evt.name:Get*", aggregation="cardinality", distinctFields=["@evt.name"])], [("", "low", "a > 2")])
    sums = rule("sums", [query("@evt.name:Get*", aggregation="sum", metrics=["@additionalEventData.bytes"])],
                [("", "low", "a > 9")])
    top = rule("top", [query("@evt.name:Get*", aggregation="max", metrics=["@additionalEventData.bytes"])], [("", "low", "a >= 7")])
    new = rule("new", [query("@evt.name:*", aggregation="new_value", metrics=["@awsRegion"])], [("", "info", "")], "new_value",
               window=0, keep=600, new_value={"forgetAfter": 1, "learningMethod": "threshold", "learningThreshold": 1,
                                              "learningDuration": 0})
    taught = rule("taught", [query("@evt.name:*", aggregation="new_value", metrics=["@awsRegion"])], [("", "info", "")],
                  "new_value", window=0, keep=600, new_value={"forgetAfter": 1, "learningDuration": 1})
    events = [made(i, second, name, additionalEventData={"bytes": size}, awsRegion=region)
              for i, second, name, size, region in (
                  (1, 0, "GetA", 4, "eu-west-1"), (2, 10, "GetB", 5, "eu-west-1"), (3, 20, "GetA", 0.5, "us-east-1"),
                  (4, 30, "GetC", 7, "us-east-1"), (5, 700, "GetD", "9.25", "eu-west-3"), (6, 1200, "GetD", 1, "sa-east-1"))]
    rows, _ = run_rules([few, sums, top, new, taught], events)
    got = [(r["rule_name"], r["first"], r["last"], r["events_matched"]) for r in rows]
    assert got == [("few", 30, 30, 4), ("new", 20, 20, 1), ("new", 700, 1200, 2), ("sums", 20, 30, 4),
                   ("sums", 700, 700, 1), ("top", 30, 30, 4), ("top", 700, 700, 1)], got


def sequence(name, queries, steps, waits, **more):
    """steps: name, condition, window; waits: parent, child, longest time between them."""
    made_ = rule(name, queries, [("", "high", f"{waits[-1][1] if waits else steps[-1][0]} > 0")], "sequence_detection", **more)
    made_["options"]["sequenceDetectionOptions"] = {
        "steps": [dict(zip(("name", "condition", "evaluationWindow"), step)) for step in steps],
        "stepTransitions": [dict(zip(("parent", "child", "evaluationWindow"), wait)) for wait in waits]}
    return made_


def case_stateful_sequences():
    """Steps of a sequence one after the other within their times, of one group; whatever order records lie in."""
    queries = [query("@evt.name:ListUsers", name="look"), query("@evt.name:CreateUser", name="make"),
               query("@evt.name:AttachUserPolicy", name="give")]
    steps = [("gave", "give > 0", 0), ("looked", "look > 1", 60), ("made", "make > 0 && look < 3", 300)]
    taken = sequence("taken", queries, steps, [("looked", "made", 600), ("made", "gave", 60)], window=0,
                     message="{{events_matched}}: {{events_matched_per_query.look}} {{events_matched_per_query.make}}")
    single = sequence("single", queries, [("gave", "give > 0", 60)], [], window=0)
    days = sequence("days", queries, [("a", "look > 0", 60), ("b", "give > 0", 60)], [("a", "b", 43200)], window=0, keep=0)
    events = [made(10, 0, "ListUsers"), made(11, 60, "ListUsers"), made(12, 61, "CreateUser"), made(13, 62, "AttachUserPolicy"),
              made(20, 100, "ListUsers"), made(21, 110, "AttachUserPolicy"), made(22, 120, "ListUsers"),
              made(23, 720, "CreateUser"), made(24, 780, "AttachUserPolicy"),
              made(30, 100, "ListUsers", BOB), made(31, 101, "ListUsers", BOB), made(32, 702, "CreateUser", BOB),
              made(33, 703, "AttachUserPolicy", BOB)]
    rows, summary = run_rules([taken, days], events[::-1])
    assert not any(summary["state"].values()), summary["state"]
    got = [(r["first"], r["last"], r["events_matched"], r["events_per_query"], r["group_by"]["@userIdentity.arn"])
           for r in rows if r["rule_name"] == "taken"]
    # that of 0 is not in (0, 60], those of 100 and 120 look; of BOB the call at 702 is a second too late
    assert got == [(780, 780, 7, [2, 2, 3], ALICE)], got
    assert [r["message"] for r in rows if r["rule_name"] == "taken"] == ["7: 2 2"], rows
    assert [(r["first"], r["last"]) for r in rows if r["rule_name"] == "days"] == [(62, 62), (110, 110), (703, 703), (780, 780)], rows
    again, _ = run_rules([single, taken], events, "again")
    assert [r["id"] for r in again if r["rule_name"] == "taken"] == [r["id"] for r in rows if r["rule_name"] == "taken"]
    assert [(r["first"], r["last"]) for r in again if r["rule_name"] == "single"] == [(62, 110), (703, 703), (780, 780)], again


def case_stateful_full():
    """Many observations bring the commit forward: memory holds them until then."""
    folder = generate(size="32MiB")
    path = WORK / "rules.json"
    path.write_text(json.dumps([rule("all", [query("source:cloudtrail", ["@eventID"])], [("", "low", "a > 5")])]))
    epochs = {}
    for name, size in (("one", "1GiB"), ("many", "64KiB")):
        summary = replay(folder, WORK / name, "--rules", path, "--shards", 2, "--set", "commit.interval=1h", "--set", f"state.open_bytes_max={size}")
        assert summary["matches"] == summary["records"]["in"] and summary["state_kept"]["groups"] > 0, summary
        epochs[name] = {p.name.split("-")[1] for p in (WORK / name / "state").glob("run-*")}
    assert len(epochs["one"]) == 1 and len(epochs["many"]) > 1, epochs


def case_stateful_travel():
    """Ways that nobody can have gone are told with their length; places that are known are not; without a database it is said."""
    mmdb_made.write(WORK / "city.mmdb", "Test-City", {
        "2.125.160.0/24": mmdb_made.place("FR", "France", "Paris", 2.3522, 48.8566),
        "81.2.0.0/16": mmdb_made.place("JP", "Japan", 'To"kyo', 139.69, 35.69),
        "81.3.0.0/16": mmdb_made.place("IT", "Italy", None, 12.4964, 41.9028)})
    way = "@impossible_travel.triggering_locations"
    text = (f"{{{{{way}.first_location.city}}}}, {{{{{way}.first_location.country}}}} to {{{{{way}.second_location.city}}}}, "
            f"{{{{{way}.second_location.country}}}}: {{{{{way}.travel_distance}}}} km in {{{{{way}.travel_time_human_readable}}}}")
    where = query("@evt.name:ConsoleLogin", aggregation="geo_data", metrics=["@network.client.geoip"])
    any_ = rule("any", [where], [("", "high", "")], "impossible_travel", window=0, message=text)
    base = rule("base", [where], [("", "low", "")], "impossible_travel", window=0)
    base["options"]["impossibleTravelOptions"] = {"baselineUserLocations": True, "baselineUserLocationsDuration": 1}
    north = rule("north", [query("@network.client.geoip.location.latitude:>48")], [("", "info", "a > 0")])

    def login(number, second, ip, arn=ALICE):
        return made(number, second, "ConsoleLogin", arn, sourceIPAddress=ip)
    events = [login(10, 0, "2.125.160.7"), login(11, 600, "81.2.1.1"), login(12, 630, "10.0.0.1"), login(13, 660, "81.2.1.2"),
              login(20, 0, "2.125.160.7", BOB), login(21, 7200, "81.3.1.1", BOB), login(22, 9000, "2.125.160.7", BOB)]
    rows, summary = run_rules([any_, base, north], events, "out", "--set", f"enrich.geoip={WORK / 'city.mmdb'}")
    assert "cannot run" not in summary["words"] and not any(summary["state"].values()), summary
    got = [(r["rule_name"], r["first"], r["last"], r["events_matched"], r["message"]) for r in rows if r["rule_name"] != "north"]
    # two hours from Paris to Rome are enough, half an hour back is not; an event without a place is none
    assert got == [("any", 600, 600, 2, 'Paris, France to To"kyo, Japan: 9711 km in 10 min'),
                   ("any", 9000, 9000, 2, ", Italy to Paris, France: 1105 km in 30 min")], got
    assert [len(r["queries"]) for r in rows if r["rule_name"] == "any"] == [2, 2], rows
    assert [(r["first"], r["events_matched"]) for r in rows if r["rule_name"] == "north"] == [(0, 1), (0, 1), (9000, 1)], rows
    _, summary = run_rules([any_, north], events, "none")
    assert "rule any cannot run: impossible_travel needs `enrich.geoip`, a database of cities" in summary["words"], summary["words"]
    mmdb_made.write(WORK / "land.mmdb", "Test-Country", {"2.125.160.0/24": {"country": {"iso_code": "FR"}}})
    _, summary = run_rules([any_], events, "land", "--set", f"enrich.geoip={WORK / 'land.mmdb'}")
    assert "rule any cannot run" in summary["words"], summary["words"]
    check = run("check", "--rules", WORK / "land.json", code=None)
    assert b"rule any cannot run" in check.stderr, check


def case_stateful_anomaly():
    """More than a bucket of the group's history may have; a group that learns is quiet, unless it is above its baseline."""
    busy = rule("busy", [query("@evt.name:GetX")], [("", "high", "a > 0.995")], "anomaly_detection", window=0, keep=0)
    busy["options"]["anomalyDetectionOptions"] = {"bucketDuration": 300, "learningDuration": 1, "detectionTolerance": 1}
    new = rule("new", [query("@evt.name:GetX")], [("", "low", "a > 99 5")], "anomaly_detection", window=0, keep=600)
    new["options"]["anomalyDetectionOptions"] = {"bucketDuration": 300, "learningDuration": 1, "detectionTolerance": 5,
                                                 "learningPeriodBaseline": 7}
    seconds = [300 * i for i in range(12)] + [3600 + i for i in range(4)]
    events = [made(10 + i, second, "GetX") for i, second in enumerate(seconds)]
    events += [made(100 + i, 60 + i, "GetX", BOB) for i in range(9)]
    rows, summary = run_rules([busy, new], events)
    assert not any(summary["state"].values()), summary["state"]
    got = [(r["rule_name"], r["first"], r["events_matched"], r["group_by"]["@userIdentity.arn"]) for r in rows]
    # one in each bucket before: two may be, and the third and the fourth call are more
    assert got == [("busy", 3602, 3, ALICE), ("busy", 3603, 4, ALICE), ("new", 67, 9, BOB)], got


def case_stateful_shards():
    """On a generated organisation: signals are the same for 1, 2, 3 and 7 shards, and after kills."""
    folder = generate(size="4MiB")
    path = WORK / "rules.json"
    path.write_text(json.dumps([
        rule("reads", [query("source:cloudtrail @evt.name:(Get* OR List* OR Describe*)", name="reads"),
                       query("source:cloudtrail @error.kind:*", name="errors")],
             [("", "high", "reads > 3 && errors > 0"), ("", "low", "reads > 5")], window=3600, keep=3600, longest=86400),
        rule("regions", [query("source:cloudtrail", ["account"], aggregation="cardinality", distinctFields=["@awsRegion", "@evt.name"])],
             [("", "medium", "a > 30")], window=3600, keep=7200, longest=86400),
        rule("new", [query("source:cloudtrail", aggregation="new_value", metrics=["@evt.name"])], [("", "info", "")], "new_value",
             window=0, keep=3600, longest=86400, new_value={"forgetAfter": 7, "learningDuration": 0, "learningMethod": "threshold",
                                                          "learningThreshold": 1})]))
    first = replay(folder, WORK / "out", "--rules", path, "--shards", 1)
    state = state_of(WORK / "out")
    by = first["signals"]["by_severity"]
    assert all(by[level] > 0 for level in ("high", "low", "medium", "info")), by
    assert sum(by.values()) == first["signals"]["opened"] == len(state[1]), (by, first["signals"])
    for shards in (2, 3, 7):
        replay(folder, WORK / f"of{shards}", "--rules", path, "--shards", shards)
        assert state_of(WORK / f"of{shards}") == state, shards
    for where in ("documents@2", "release@2", "committed@3"):
        out = WORK / f"killed-{where}"
        run("replay", folder, "--out", out, "--rules", path, "--no-progress", "--set", "commit.interval=1ms", *FIXED,
            code=None, env={**os.environ, "PENSTOCK_KILL_AT": where})
        replay(folder, out, "--rules", path)
        assert state_of(out) == state, where


def case_stateful_limits():
    """Limits of the state are counted and told: groups, events of a window, values, groups of one event."""
    many = rule("many", [query("source:cloudtrail @evt.name:Get*", ["@eventID"])], [("", "info", "a > 5")])
    wide = rule("wide", [query("source:cloudtrail @evt.name:Get*", ["@requestParameters.list"])], [("", "info", "a > 0")])
    full = rule("full", [query("source:cloudtrail @evt.name:Get*", ["region"], aggregation="cardinality", distinctFields=["@eventID"])],
                [("", "info", "a > 5")])
    events = [made(i, i % 60, "GetX", requestParameters={"list": [f"v{k}" for k in range(150)]} if i == 0 else {})
              for i in range(2000)]
    rows, summary = run_rules([many, wide, full], events, "out", "--set", "state.groups_max=256",
                              "--set", "state.window_events_max=16", "--set", "state.values_max=16")
    state = summary["state"]
    assert state["groups_cut"] == 1, state
    assert state["groups_evicted"] > 1000 and state["window_events_evicted"] > 1000, state
    assert "limits of the state were reached" in summary["words"]
    # that of the object's first record, which Folder makes, has no list; 100 of 150 elements were taken
    assert sum(r["rule_name"] == "wide" for r in rows) == 100, len(rows)
    assert [r["rule_name"] for r in rows if r["rule_name"] != "wide"] == ["full"], rows[:3]
    rows, summary = run_rules([many, full], events, "roomy")
    assert not any(summary["state"].values()), summary["state"]


def case_stateful_large():
    """Values and groups that no observation holds are cut and counted; nothing else of the run is harmed."""
    few = rule("few", [query("@evt.name:Get*", aggregation="cardinality", distinctFields=["@requestParameters.list"])],
               [("", "low", "a > 1")])
    wide = [f"@requestParameters.f{i}" for i in range(16)]
    groups = rule("groups", [query("@evt.name:Get*", wide)], [("", "info", "a > 0")])
    long = [f"{i:03d}" + "\u0001" * 1000 for i in range(90)]
    events = [made(1, 0, "GetX", requestParameters={"list": long}), made(2, 5, "GetX", requestParameters={"list": ["a", "b"]}),
              made(3, 9, "GetX", requestParameters={f"f{i}": "\u0002" * 1000 for i in range(16)}),
              made(4, 9, "GetX", requestParameters={f"f{i}": "short" for i in range(16)})]
    rows, summary = run_rules([few, groups], events)
    assert summary["status"] == "done" and summary["state"]["groups_cut"] == 2, summary
    assert [(r["rule_name"], r["first"], r["events_matched"]) for r in rows] == [("few", 0, 4), ("groups", 9, 1)], rows


def sigma(title, name, uuid, selection, **more):
    text = f"title: {title}\nid: {uuid}\nname: {name}\nlevel: low\nlogsource: {{product: aws, service: cloudtrail}}\n"
    return text + f"detection:\n  selection: {selection}\n  condition: selection\n"


def correlation(title, uuid, body, level="high"):
    return f"title: {title}\nid: {uuid}\nlevel: {level}\ncorrelation:\n" + "".join(f"  {line}\n" for line in body)


def run_sigma(texts, events, name):
    folder = Folder(f"data-{name}")
    put(folder, "b.json", events)
    path = WORK / f"{name}.yml"
    path.write_text("---\n".join(texts))
    summary = replay(folder.root, WORK / name, "--rules", path)
    assert summary["rules"]["rejected"] == 0, summary["words"]
    return signals(WORK / name)


DENIED = sigma("Denied", "denied", "3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0a01", "{errorCode: AccessDenied}")
WORKED = sigma("Worked", "worked", "3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0a02", "{eventName: CreateUser, errorCode: null}")


def case_stateful_correlations():
    """Sigma correlations: counts, distinct values, sums, all of several rules and one after the other, with aliases."""
    who = "group-by: [userIdentity.arn]"
    count = correlation("Count", "3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0b01",
                        ["type: event_count", "rules: denied", who, "timespan: 5m", "condition: {gte: 3}"])
    few = correlation("Few", "3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0b02",
                      ["type: value_count", "rules: [denied]", who, "timespan: 5m", "condition: {gt: 1, field: eventName}"])
    both = correlation("Both", "3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0b03",
                       ["type: temporal", "rules: [worked, denied]", who, "timespan: 1m"])
    order = correlation("Order", "3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0b04",
                        ["type: temporal_ordered", "rules: [denied, worked]", "group-by: [who]", "timespan: 1m",
                         "aliases: {who: {denied: userIdentity.arn, worked: requestParameters.by}}"])
    total = correlation("Sum", "3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0b05",
                        ["type: value_sum", "rules: [denied, worked]", "timespan: 5m", "field: additionalEventData.n",
                         "condition: {gte: 6}"], "low")
    deny = {"errorCode": "AccessDenied"}
    events = [made(10, 0, "A", **deny), made(11, 300, "B", **deny), made(12, 301, "B", **deny), made(13, 599, "B", **deny),
              made(20, 50, "CreateUser", BOB, requestParameters={"by": ALICE}, additionalEventData={"n": 2}),
              made(21, 500, "CreateUser", BOB, additionalEventData={"n": "4"}), made(22, 560, "C", BOB, **deny),
              made(23, 561, "CreateUser", BOB, additionalEventData={"n": 4})]
    rows = run_sigma([DENIED, WORKED, count, few, both, order, total], events, "out")
    got = [(r["rule_name"], r["first"], r["last"], r["events_matched"], r["group_by"]) for r in rows]
    who = {"userIdentity.arn": ALICE}
    assert got == [("Both", 560, 561, 3, {"userIdentity.arn": BOB}), ("Count", 599, 599, 3, who), ("Few", 300, 300, 2, who),
                   ("Order", 50, 50, 2, {"who": ALICE}), ("Sum", 561, 599, 6, {})], got
    assert all(r["language"] == "sigma" for r in rows) and {r["severity"] for r in rows} == {"high", "low"}
    told = {r["rule_name"]: run("rules", "explain", "--signal", r["id"], "--out", WORK / "out").stdout.decode() for r in rows}
    for name, words in (("Count", ("denied (3 events): count where a rule matched: Denied by", "events >= 3")),
                        ("Few", ("cardinality of eventName where a rule matched: Denied by", "different values > 1")),
                        ("Order", ("worked (1 event): count where a rule matched: Worked by", "rules that matched in their order >= 2")),
                        ("Sum", ("sum of additionalEventData.n where a rule matched: Denied, Worked\n", "sum >= 6"))):
        assert all(one in told[name] for one in words), told[name]
    # with generate the parts report by themselves, too
    rows = run_sigma([DENIED, WORKED, count.replace("  type", "  generate: true\n  type")], events, "loud")
    assert {r["rule_name"] for r in rows} == {"Count", "Denied", "Worked"}, rows


def case_stateful_correlations_more():
    """Some of the rules, which of them as a text, values of several fields, a month; against what they say, event by event."""
    who, names = "group-by: [userIdentity.arn]", "abcd"
    parts = [sigma(name.upper(), name, f"3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0a1{i}", f"{{eventName: {name.upper()}}}") for i, name in enumerate(names)]
    texts = {"a and (b or c) and d": lambda seen: "A" in seen and seen & {"B", "C"} and "D" in seen,
             "(a and b) or (c and d)": lambda seen: {"A", "B"} <= seen or {"C", "D"} <= seen,
             "a or b and c or d": lambda seen: seen & {"A", "D"} or {"B", "C"} <= seen}
    texts.update({f"{{gte: {n}}}": lambda seen, n=n: len(seen) >= n for n in (1, 2, 3, 4)})
    rules = [correlation(f"T{i}", f"3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0c{i:02}",
                         ["type: temporal", "rules: [a, b, c, d]", who, "timespan: 1h", f"condition: {text!r}" if text[0] != "{" else f"condition: {text}"])
             for i, text in enumerate(texts)]
    rules += [correlation("Pairs", "3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0d01", [
        "type: value_count", "rules: [a, b]", who, "timespan: 1M", "condition: {gte: 3, field: [eventName, awsRegion]}"])]
    orders = ["ABCD", "DCBA", "AABBD", "CCBD", "BDAC", "AD", "BBB", "CAB"]
    events = [made(n * 10 + i, i, letter, f"arn:aws:iam::123456789012:user/u{n}", awsRegion=f"eu-west-{1 + i % 2}")
              for n, order in enumerate(orders) for i, letter in enumerate(order)]
    rows = run_sigma([*rules, *parts], events, "more")
    got = {(r["rule_name"], r["group_by"]["userIdentity.arn"][-1]): r["first"] for r in rows}
    wanted = {}
    for n, order in enumerate(orders):
        for i in reversed(range(len(order))):
            for number, holds in enumerate(texts.values()):
                if holds(set(order[:i + 1])):
                    wanted[(f"T{number}", str(n))] = i
            if len({(letter, place % 2) for place, letter in enumerate(order[:i + 1]) if letter in "AB"}) >= 3:
                wanted[("Pairs", str(n))] = i
    assert got == wanted and ("Pairs", "2") in wanted, (got.items() ^ wanted.items())


def case_stateful_correlations_bad():
    """What is wrong with a correlation, or not built, is refused with its place and a clear word."""
    head = ["type: event_count", "rules: denied", "group-by: [userIdentity.arn]", "timespan: 5m", "condition: {gte: 3}"]
    for change, words in ((("event_count", "value_avg"), "averages and percentiles are not built"),
                          (("rules: denied", "rules: nobody"), "no rule of this set has the id or name `nobody`"),
                          (("5m", "5"), "a whole number and one of s m h d w"), (("5m", "0m"), "a whole number and one of"),
                          (("5m", "99d"), "31 days at most"), (("gte", "lt"), "is known only when a window is over"),
                          (("gte: 3", "gte: x"), "a whole number is wanted"), (("gte: 3", "gte: 3, gt: 4"), "one of gt and gte"),
                          (("condition: {gte: 3}", "condition: denied"), "a text is for `temporal` only"),
                          (("type: event_count", "type: temporal"), "wants more rules than"),
                          (("timespan: 5m", "aliases: {who: {nobody: x}}"), "an alias speaks of `nobody`"),
                          (("condition: {gte: 3}", ""), "`condition` is missing"), (("timespan", "time"), "has no `time`"),
                          (("event_count", "value_count"), "`field` is missing"),
                          (("group-by: [userIdentity.arn]", "group-by: [[a]]"), "is a list of names")):
        path = WORK / "bad.yml"
        bad = [line.replace(*change) for line in head if line.replace(*change)]
        path.write_text(DENIED + "---\n" + correlation("Bad", "3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0b01", bad))
        done = run("rules", "check", path, code=4)
        text = (done.stdout + done.stderr).decode()
        assert words in text and "bad.yml:" in text, (change, text)
    for condition, words in (("denied and not worked", "`not` is known only when a window is over"), ("denied", "does not name every rule"),
                             ("denied and (worked", "is no text of names"), ("denied and other", "names `other`")):
        path.write_text("---\n".join([DENIED, WORKED, correlation("Bad", "3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0b01", [
            "type: temporal", "rules: [denied, worked]", "timespan: 5m", f"condition: {condition}"])]))
        done = run("rules", "check", path, code=4)
        assert words in (done.stdout + done.stderr).decode(), (condition, done.stdout, done.stderr)
    path.write_text(DENIED + "---\n" + correlation("Bad", "3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0b01", [
        "type: value_sum", "rules: denied", "timespan: 5m", "condition: {gte: 0, field: n}"]))
    assert b"a sum of no numbers is no decision" in run("rules", "check", path, code=4).stdout
    path.write_text(DENIED + "---\ngenerate: true\n" + correlation("Bad", "3b0c9b5e-4d0e-4f7a-9c8a-0f4f6c1f0b01", [*head, "generate: false"]))
    assert b"says otherwise inside" in run("rules", "check", path, code=4).stdout


if __name__ == "__main__":
    main(globals())
