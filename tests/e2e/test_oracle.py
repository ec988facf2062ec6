#!/usr/bin/env python3
"""test_oracle.py PENSTOCK CASE [FIRST LAST] - signals of random rules and events against the oracle.

The seeds are fixed; with FIRST and LAST those of a long run by hand.  A seed that fails is named, and
fails again alone.
"""
import collections
import os
import sys

import kit
import oracle_compare
import oracle_feed
import oracle_made

SHARDS = (1, 2, 3, 7, 16)


def seeds(count):
    return range(int(sys.argv[3]), int(sys.argv[4])) if len(sys.argv) > 4 else range(count)


def tally(rules, wanted, counts):
    """What kinds of signals there were: a comparison of none says nothing."""
    by_id = {rule["id"]: rule for rule in rules}
    for signal in wanted.values():
        rule = by_id[signal["rule"]]
        counts[rule["options"]["detectionMethod"]] += 1
        counts["late"] += signal["late"]
        counts["open"] += not signal["closed"]
        counts["joined"] += len(rule["queries"]) > 1 and min(signal["events_per_query"]) > 0
        counts["then"] += "THEN" in rule["cases"][0]["condition"]
        counts["optional"] += '"N/A"' in signal["group"]


def is_varied(counts, least):
    few = {kind: counts[kind] for kind in
           ("threshold", "new_value", "match", "late", "open", "joined", "then", "optional") if counts[kind] < least}
    assert not few or len(sys.argv) > 3, f"too few of {few} to say anything"


def case_oracle_state():
    """Module state alone: any shards, any order, killed and resumed with other shards."""
    driver = os.environ["PENSTOCK_FEED_STATE"]
    counts = collections.Counter()
    failed = []
    for seed in seeds(220):
        rules, events = oracle_made.made_set("state", seed, has_matches=True)
        wanted = oracle_compare.judged(rules, events, oracle_feed.group_text, oracle_feed.signal_id)
        tally(rules, wanted, counts)
        for number, shards in enumerate(SHARDS):
            got = oracle_feed.run(driver, rules, events, shards, f"{seed} {number}", kills=number % 3)
            lines = oracle_compare.differences(wanted, got)
            if lines:
                failed.append(seed)
                print(f"seed {seed}, {shards} shards:", *lines[:5], sep="\n  ")
                break
    assert not failed, f"{len(failed)} seeds differ: {failed[:20]}"
    is_varied(counts, 50)
    print(dict(counts))


kit.main({name: case for name, case in globals().items() if name.startswith("case_")})
