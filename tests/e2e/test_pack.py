#!/usr/bin/env python3
"""test_pack.py PENSTOCK CASE - the built-in rules on plain traffic."""
import collections
import json
import sqlite3

from kit import FIXED, WORK, main, run

ACCOUNTS, DAYS = 8, 5


def signals_of_run(out):
    """Every signal with the ids of the events that are kept of it."""
    db = sqlite3.connect(out / "signals.db")
    events = collections.defaultdict(set)
    for signal, event in db.execute("select signal_id, event_id from signal_events"):
        events[signal].add(event)
    rows = db.execute("select id, rule_name, severity, date(first_seen_ns / 1000000000, 'unixepoch'), accounts from signals")
    found = [(name, severity, day, json.loads(accounts), events[id_]) for id_, name, severity, day, accounts in rows]
    db.close()
    return found


def case_pack_quiet():
    """At most one low signal for each account and day, but for what was planted; that is all found."""
    for seed in (1, 2, 3):
        data, out = WORK / f"week-{seed}", WORK / f"out-{seed}"
        run("bench", "generate", "--out", data, "--bytes", "24MiB", "--seed", seed, "--accounts", ACCOUNTS, "--days", DAYS)
        run("replay", data / "AWSLogs", "--out", out, "--no-progress", *FIXED)
        planted = {row["event_id"] for row in json.loads((data / "expected.json").read_text())["planted"]}
        found = signals_of_run(out)
        assert all(events for *_, events in found), found
        told = set().union(*(events for *_, events in found))
        assert planted and planted <= told, planted - told
        plain = [signal for signal in found if not signal[-1] <= planted]
        loud = [signal[:3] for signal in plain if signal[1] not in ("low", "info")]
        assert not loud, (seed, loud)
        per_day = collections.Counter((account, day) for _, _, day, accounts, _ in plain for account in accounts)
        assert all(count <= 1 for count in per_day.values()), (seed, per_day.most_common(3))


main(globals())
