"""Signals that several groups of a rule share (groupSignalsBy)."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from kit import *  # noqa: E402,F403
from test_stateful import ALICE, BOB, made, query, rule, run_rules, signals
from test_chains import of, over

BY = ["@userIdentity.arn", "@requestParameters.bucket"]


def gets(number, second, buckets, arn=ALICE):
    return made(number, second, "GetObject", arn, requestParameters={"bucket": buckets})


def case_joined():
    """A case is true of one group; the signal is of what they share, and counts an event once."""
    many = rule("many", [query("@evt.name:GetObject", BY)], [("", "low", "a > 1"), ], keep=600, id="r-many", hasExtendedTitle=True,
                groupSignalsBy=BY[:1])
    each = rule("each", [query("@evt.name:GetObject", BY)], [("", "low", "a > 0")], window=0, keep=0, longest=0, groupSignalsBy=BY[:1])
    chain = over("chain", [of("r-many")], [("", "high", "a > 0")])
    events = [gets(1, 0, "one"), gets(2, 10, "two"),  # nothing yet: one each
              gets(3, 20, ["one", "two"]),            # true of both groups: one signal, of the window of "one" and this event
              gets(4, 30, "three"),                   # true of nothing, but it is the signal's
              gets(5, 40, ["two", "three"]), gets(6, 50, "one", BOB), gets(7, 55, "two", BOB)]
    rows, _ = run_rules([many, each, chain], events)
    got = [(r["rule_name"], r["first"], r["last"], r["events_matched"], r["events_per_query"], r["group_by"], r["title"]) for r in rows
           if r["rule_name"] != "each"]
    alice = {"@userIdentity.arn": ALICE}
    assert got == [("chain", 20, 20, 1, [1], alice, "chain"), ("many", 20, 40, 4, [4], alice, f"many - {ALICE}")], got
    assert [r["first"] for r in rows if r["rule_name"] == "each"] == [0, 10, 20, 30, 40, 50, 55], rows
    assert len({r["id"] for r in rows}) == len(rows)
    run_rules([many, each, chain], events, "more", "--shards", 3)
    assert {r["id"] for r in signals(WORK / "more")} == {r["id"] for r in rows}


def case_joined_overlay():
    """An overlay that says what a rule is grouped by says it of its signals, too."""
    many = rule("many", [query("@evt.name:GetObject", BY)], [("", "low", "a > 1")], id="r-many", groupSignalsBy=BY[:1])
    folder = WORK / "rules"
    folder.mkdir()
    (folder / "r.json").write_text(json.dumps(many))
    (folder / "overlay.yml").write_text('rules: {r-many: {group_by: ["@requestParameters.bucket"]}}\n')
    source = Folder()
    source.put("b.json", json.dumps({"Records": [gets(1, 0, "one"), gets(2, 10, "one", BOB), gets(3, 20, "two")]}).encode())
    replay(source.root, WORK / "out", "--rules", folder)
    assert [r["group_by"] for r in signals(WORK / "out")] == [{"@requestParameters.bucket": "one"}]


main({name: case for name, case in globals().items() if name.startswith("case_joined")})
