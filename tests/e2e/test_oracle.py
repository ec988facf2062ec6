#!/usr/bin/env python3
"""test_oracle.py PENSTOCK CASE [FIRST LAST] - signals of random rules and events against the oracle.

The seeds are fixed; with FIRST and LAST those of a long run by hand.  A seed that fails is named, and
fails again alone.
"""
import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import kit
import oracle_compare
import oracle_feed
import oracle_made
import oracle_replay
import oracle_sigma

SHARDS = (1, 2, 3, 7, 16)


def seeds(count):
    return range(int(sys.argv[3]), int(sys.argv[4])) if len(sys.argv) > 4 else range(count)


def level(rule, by_id):
    """0: of events; else one more than the rules that it names."""
    named = [by_id[query["ruleId"]] for query in rule["queries"] if "ruleId" in query]
    return 1 + max(level(part, by_id) for part in named) if named else 0


def tally(rules, wanted, counts):
    """What kinds of signals there were: a comparison of none says nothing."""
    by_id = {rule["id"]: rule for rule in rules}
    for signal in wanted.values():
        rule = by_id[signal["rule"]]
        counts[rule["options"]["detectionMethod"]] += 1
        counts["late"] += signal["late"]
        counts["open"] += not signal["closed"]
        counts[f"level {level(rule, by_id)}"] += 1
        counts["joined"] += len(rule["queries"]) > 1 and min(signal["events_per_query"]) > 0
        counts["then"] += "THEN" in rule["cases"][0]["condition"]
        counts["joined signals"] += "groupSignalsBy" in rule
        counts["tables"] += "tables" in rule
        counts["optional"] += '"N/A"' in signal["group"]


def is_varied(counts, least, open_least):
    kinds = dict.fromkeys(("threshold", "new_value", "sequence_detection", "impossible_travel", "anomaly_detection", "match", "late", "joined", "then", "optional", "tables", "joined signals"), least)
    few = {kind: counts[kind] for kind, wanted in {**kinds, "open": open_least}.items() if counts[kind] < wanted}
    assert not few or len(sys.argv) > 3, f"too few of {few} to say anything"


def case_oracle_state():
    """Module state alone: any shards, any order, killed and resumed with other shards, from a snapshot or the whole log."""
    driver = os.environ["PENSTOCK_FEED_STATE"]
    counts = collections.Counter()
    failed = []
    for seed in seeds(220):
        rules, events = oracle_made.made_set("state", seed, has_matches=True)
        wanted = oracle_compare.judged(rules, events, oracle_feed.group_text, oracle_feed.signal_id)
        tally(rules, wanted, counts)
        for number, shards in enumerate(SHARDS):
            got = oracle_feed.run(driver, rules, events, shards, f"{seed} {number}", kills=(seed + number) % 4,
                                  snapshots=number > 0)
            lines = oracle_compare.differences(wanted, got)
            if lines:
                failed.append(seed)
                print(f"seed {seed}, {shards} shards:", *lines[:5], sep="\n  ")
                break
    assert not failed, f"{len(failed)} seeds differ: {failed[:20]}"
    is_varied(counts, 50, open_least=50)
    print(dict(counts))


def batch(numbers, counts, overs=0):
    """Many sets as one: rules, events and what signals they must make."""
    rules, events = [], []
    for seed in numbers:
        of_set = oracle_made.made_set("chains" if overs else "replay", seed, has_matches=True, overs=overs)
        rules += of_set[0]
        events += of_set[1]
    wanted = oracle_compare.judged(rules, events, oracle_feed.group_text, oracle_feed.signal_id)
    tally(rules, wanted, counts)
    return rules, events, wanted


def batches(count, size=60):
    numbers = seeds(count)
    return [numbers[i:i + size] for i in range(0, len(numbers), size)]


def agrees(rules, wanted, out, objects, words, hidden=frozenset()):
    lines = oracle_compare.differences(wanted, oracle_replay.signals(out, rules, objects, hidden))
    assert not lines, "\n  ".join([f"{words}: {len(lines)} differences", *lines[:10]])


def case_oracle_replay():
    """The whole program: rule files and objects, laid out anew for each number of shards."""
    counts = collections.Counter()
    for numbers in batches(300, size=10):
        rules, events, wanted = batch(numbers, counts)
        oracle_replay.put_rules(rules, kit.WORK / "rules")
        for shards in SHARDS:
            objects = oracle_replay.laid_out(events, kit.WORK / "data", f"{numbers} {shards}")
            oracle_replay.run(kit.WORK / "data", kit.WORK / "out", kit.WORK / "rules", "--shards", shards)
            agrees(rules, wanted, kit.WORK / "out", objects, f"seeds {numbers}, {shards} shards")
            shutil.rmtree(kit.WORK / "data")
            shutil.rmtree(kit.WORK / "out")
        shutil.rmtree(kit.WORK / "rules")
    is_varied(counts, 40, open_least=5)  # only those at the very end of a batch are open
    print(dict(counts))


def case_oracle_chains():
    """Rules over signals of rules, over levels: any shards, and killed and resumed with others."""
    random_ = random.Random("chains")
    counts, times = collections.Counter(), 0
    for numbers in batches(90, size=45):
        rules, events, wanted = batch(numbers, counts, overs=3)
        oracle_replay.put_rules(rules, kit.WORK / "rules")
        for shards in (1, 2, 3, 7):
            objects = oracle_replay.laid_out(events, kit.WORK / "data", f"{numbers} {shards}")
            if shards == 3:
                times += sum(killed(random_, kit.WORK / "data", kit.WORK / "out", kit.WORK / "rules", n) for n in (3, 1, 7, 2))
            oracle_replay.run(kit.WORK / "data", kit.WORK / "out", kit.WORK / "rules", "--shards", shards)
            agrees(rules, wanted, kit.WORK / "out", objects, f"seeds {numbers}, {shards} shards")
            shutil.rmtree(kit.WORK / "data")
            shutil.rmtree(kit.WORK / "out")
        shutil.rmtree(kit.WORK / "rules")
    assert times > 0 or len(sys.argv) > 3, "no run was killed before its end"
    assert len(sys.argv) > 3 or all(counts[f"level {n}"] > 30 for n in (1, 2, 3)), counts
    print(dict(counts), times, "kills")


def case_oracle_sigma():
    """Sigma correlations of plain rules and of one another: any shards, and killed and resumed with others."""
    random_ = random.Random("sigma")
    counts, times = collections.Counter(), 0
    for numbers in batches(160, size=40):
        sets = [oracle_sigma.made_set("replay", seed) for seed in numbers]
        rules, events = ([item for of_set in sets for item in of_set[n]] for n in (0, 1))
        wanted, hidden = oracle_sigma.judge(rules, events, oracle_feed.group_text, oracle_feed.signal_id)
        by_id = {rule["id"]: rule for rule in rules}
        for one in wanted.values():
            rule = by_id[one["rule"]]
            counts[rule["options"]["detectionMethod"]] += 1
            counts["text"] += "text" in rule
            counts["aliases"] += any(name.startswith("who") for name in rule.get("group_by", []))
            counts["chained"] += any("type" in part for part in rule.get("parts", []))
            counts["late"] += one["late"]
        oracle_replay.put_rules(rules, kit.WORK / "rules")
        for shards in (1, 3, 7):
            objects = oracle_replay.laid_out(events, kit.WORK / "data", f"{numbers} {shards}")
            if shards == 3:
                times += sum(killed(random_, kit.WORK / "data", kit.WORK / "out", kit.WORK / "rules", n) for n in (3, 1, 7, 2))
            oracle_replay.run(kit.WORK / "data", kit.WORK / "out", kit.WORK / "rules", "--shards", shards)
            agrees(rules, wanted, kit.WORK / "out", objects, f"seeds {numbers}, {shards} shards", hidden)
            shutil.rmtree(kit.WORK / "data")
            shutil.rmtree(kit.WORK / "out")
        shutil.rmtree(kit.WORK / "rules")
    assert times > 0 or len(sys.argv) > 3, "no run was killed before its end"
    kinds = (*oracle_sigma.COUNTED, "temporal", "temporal_ordered", "match", "text", "aliases", "chained", "late")
    assert len(sys.argv) > 3 or all(counts[kind] >= 40 for kind in kinds), counts
    print(dict(counts), times, "kills")


def killed(random_, source, out, rules, shards):
    """Kills a run somewhere behind the start of its job; whether it was killed before its end."""
    child = subprocess.Popen([kit.BINARY, "replay", source, "--out", out, "--no-progress", *kit.FIXED, "--rules", rules,
                              *oracle_replay.args(), "--shards", str(shards), "--set", "commit.interval=1ms",
                              "--set", f"state.snapshot_bytes={random_.choice(['1KiB', '16KiB', '256MiB'])}"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while child.poll() is None and not (out / "checkpoint.db").exists():
        time.sleep(0.001)
    time.sleep(random_.random() * 0.05)
    child.kill()
    code = child.wait()
    assert code in (0, -signal.SIGKILL), code
    return code != 0


def case_oracle_killed():
    """Killed again and again, each time resumed with another number of shards."""
    random_ = random.Random("kill")
    times = 0
    for numbers in batches(60):
        rules, events, wanted = batch(numbers, collections.Counter())
        oracle_replay.put_rules(rules, kit.WORK / "rules")
        objects = oracle_replay.laid_out(events, kit.WORK / "data", str(numbers))
        for shards in (2, 3, 1, 7, 2, 16):
            times += killed(random_, kit.WORK / "data", kit.WORK / "out", kit.WORK / "rules", shards)
        oracle_replay.run(kit.WORK / "data", kit.WORK / "out", kit.WORK / "rules", "--shards", 3)
        agrees(rules, wanted, kit.WORK / "out", objects, f"seeds {numbers}, killed {times} times")
        for name in ("data", "out", "rules"):
            shutil.rmtree(kit.WORK / name)
    assert times > 0, "no run was killed before its end"
    print(times, "kills")


def expected(signal, shift_ns=0):
    return {"severity": signal["severity"], "group": json.loads(signal["group"]),
            "first_seen": oracle_made.rfc3339(signal["first_seen"] + shift_ns)}


def put_tests(rules, events, folder):
    """Each rule with a test that holds, and one in which a single signal begins a second too early."""
    count = 0
    for rule in rules:
        wanted = oracle_compare.judged([rule], events, oracle_feed.group_text, oracle_feed.signal_id).values()
        if not 0 < len(wanted) <= 20:
            continue
        right = [expected(signal) for signal in wanted]
        wrong = [*right[1:], expected(next(iter(wanted)), shift_ns=-oracle_made.S)]
        tests = [{"name": name, "type": "cloudtrail", "events": [event["record"] for event in events],
                  "expect": {"signals": signals}} for name, signals in (("right", right), ("wrong", wrong))]
        (folder / f"{rule['id']}.json").write_text(json.dumps(oracle_replay.public(rule)))
        (folder / f"{rule['id']}.test.yml").write_text(json.dumps({"tests": tests}, ensure_ascii=False), "utf-8")
        count += 1
    return count


def case_oracle_tests():
    """`rules test` comes to the same signals; records of a test lie in no object, so none is late."""
    (kit.WORK / "rules").mkdir()
    count, all_rules = 0, []
    for seed in seeds(30):
        rules, events = oracle_made.made_set("tests", seed)
        all_rules += rules
        events = [{**event, "promise": None} for event in events]
        count += put_tests(rules, events, kit.WORK / "rules")
    config = oracle_replay.put_config(all_rules, kit.WORK / "config")
    done = kit.run("rules", "test", "--config", config, kit.WORK / "rules", code=4)
    words = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert f"{count} passed, {count} failed" in words and count > 20, (count, words[-3000:])
    print(count, "rules")


kit.main({name: case for name, case in globals().items() if name.startswith("case_")})
