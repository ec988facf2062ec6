#!/usr/bin/env python3
"""test_stateful_bad.py PENSTOCK CASE - stateful rules over times, groups and lists that no sane log has."""
import json
import sqlite3

import kit

WINDOW_S, KEEP_S, LONGEST_S = 300, 300, 3600


def bad(number, group, time="2025-03-04T05:06:07Z"):
    return kit.event(number, eventName="Bad", eventTime=time, requestParameters={"g": group})


def run(name, events, *args):
    """The summary and the signals (group, first seen in s, events) of one threshold rule."""
    rule = {"id": "bad", "name": "bad", "message": "m", "type": "log_detection", "isEnabled": True, "tags": [],
            "queries": [{"query": "@eventName:Bad", "groupByFields": ["@requestParameters.g"], "aggregation": "count"}],
            "cases": [{"name": "c", "status": "high", "condition": "a > 0", "notifications": []}],
            "options": {"detectionMethod": "threshold", "evaluationWindow": WINDOW_S, "keepAlive": KEEP_S,
                        "maxSignalDuration": LONGEST_S}}
    (kit.WORK / "rule.json").write_text(json.dumps(rule))
    folder = kit.Folder(f"data-{name}")
    folder.put("b.json", json.dumps({"Records": events}).encode())
    out = kit.WORK / name
    summary = kit.replay(folder.root, out, "--rules", kit.WORK / "rule.json", "--sink", "null", *args)
    with sqlite3.connect(out / "signals.db") as db:
        rows = db.execute("select group_by, first_seen_ns / 1000000000, events_matched from signals order by 2, 1").fetchall()
    return summary, [(json.loads(group)["@requestParameters.g"], first, count) for group, first, count in rows]


def case_stateful_times():
    """1970, 2100 and times that go back and forth are judged where they lie; a year 9999 is no time, and not judged."""
    times = ["2100-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2025-03-04T05:04:00Z", "2025-03-04T05:00:00Z",
             "2025-03-04T05:02:00Z", "9999-01-01T00:00:00Z"]
    summary, rows = run("times", [bad(10 + i, "one", time) for i, time in enumerate(times)])
    assert rows == [("one", 0, 1), ("one", 1741064400, 3), ("one", 4102444800, 1)], rows
    assert summary["records"]["dead"] == 0 and summary["by_type"]["cloudtrail"]["unparsed"] == 1, summary


def case_stateful_large_group():
    """Group values of 1 MB are cut, and stay apart by what follows the cut."""
    _, rows = run("large", [bad(10, "x" * (1 << 20) + "a"), bad(11, "x" * (1 << 20) + "b"),
                            bad(12, "x" * (1 << 20) + "b")])
    assert sorted(count for _, _, count in rows) == [1, 2], [(len(g), c) for g, _, c in rows]
    assert all(len(group) < 4096 and group.startswith("x" * 256) for group, _, _ in rows)


def case_stateful_lists():
    """Of a list of 100,000 groups observation.groups_max are joined; that there were more is counted."""
    values = [f"v{i}" for i in range(100000)]
    for limit in (1, 100, 1000):
        summary, rows = run(f"lists{limit}", [bad(10, values)], "--set", f"observation.groups_max={limit}")
        assert len(rows) == limit and {group for group, _, _ in rows} <= set(values), (limit, len(rows))
        assert summary["state"]["groups_cut"] == 1, summary["state"]
    wide = bad(10, values)
    summary, rows = run("lists_first", [{"requestParameters": wide.pop("requestParameters"), **wide}])
    assert rows and summary["records"]["dead"] == 0 and summary["rules"]["values_cut"] == 1, summary
    summary, rows = run("lists_fit", [bad(10, values[:100])])
    assert len(rows) == 100 and summary["state"]["groups_cut"] == 0, (len(rows), summary["state"])


def case_stateful_many():
    """Windows and their events beyond a limit go, and are counted; within it none does."""
    groups = [bad(10 + i, f"group {i}") for i in range(2000)]
    one = [bad(10 + i, "one") for i in range(40)]
    for name, events, option, counter in (("groups", groups, "state.groups_max=256", "groups_evicted"),
                                          ("events", one, "state.window_events_max=16", "window_events_evicted")):
        summary, _ = run(f"{name}_limit", events, "--set", option)
        assert summary["state"][counter] > 0, summary["state"]
        summary, rows = run(name, events)
        assert summary["state"][counter] == 0, summary["state"]
        assert sum(count for _, _, count in rows) == len(events), (name, len(rows))


kit.main({name: case for name, case in globals().items() if name.startswith("case_")})
