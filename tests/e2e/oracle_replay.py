"""oracle_replay.py - made sets as rule files and CloudTrail objects, and the signals that a replay leaves."""
import collections
import csv
import datetime
import gzip
import json
import random
import shutil
import sqlite3

import kit
import mmdb_made
import oracle
import oracle_feed
import oracle_made


def public(rule):
    """As Datadog's API has it: without what the oracle alone reads."""
    queries = [{name: value for name, value in query.items() if name not in ("judge", "places")} for query in rule["queries"]]
    cases = [{**case, "notifications": []} for case in rule["cases"]]
    return {**{name: value for name, value in rule.items() if name != "tables"}, "queries": queries, "cases": cases}


def key_of(event, number):
    """A key of the event's account and region, with the day that makes the promise, or without one."""
    if event["day"] is None:
        return f"loose/{number}.json"
    day = datetime.datetime.fromtimestamp(event["day"] * 86400, datetime.timezone.utc)
    place = f"{event['account']}_CloudTrail_{event['region']}_{day:%Y%m%d}T0000Z_{number:016d}"
    return f"AWSLogs/{event['account']}/CloudTrail/{event['region']}/{day:%Y/%m/%d}/{place}.json.gz"


def laid_out(events, folder, seed):
    """Writes the objects, in a random order of records, some records twice; ids by object."""
    random_ = random.Random(f"objects {seed}")
    objects = collections.defaultdict(list)
    given = list(events) + [event for event in events if random_.random() < 0.05]
    random_.shuffle(given)
    for event in given:
        objects[key_of(event, random_.randrange(3))].append(event)
    for key, held in objects.items():
        data = json.dumps({"Records": [event["record"] for event in held]}, ensure_ascii=random_.random() < 0.5).encode()
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(data, 1) if key.endswith(".gz") else data)
    return {key: [event["id"] for event in held] for key, held in objects.items()}


def case_of(rule, name, severity):
    found = [i for i, case in enumerate(rule["cases"]) if (case["name"], case["status"]) == (name or "", severity)]
    assert len(found) == 1, (rule["id"], name, severity)
    return found[0]


def signals(out, rules, objects, hidden=frozenset()):
    """By id, in the oracle's form; each event must lie where it is said to, or be a signal, told or hidden."""
    by_id = {rule["id"]: rule for rule in rules}
    db = sqlite3.connect(out / "signals.db")
    db.row_factory = sqlite3.Row
    samples, named = collections.defaultdict(list), set()
    for row in db.execute("select * from signal_events"):
        samples[row["signal_id"]].append(row["event_id"])
        if not row["index_name"].startswith("penstock-signals-"):
            assert objects[row["object"]][row["record"]] == row["event_id"], dict(row)
            continue
        named.add(row["event_id"])
    found = {}
    for row in db.execute("select * from signals"):
        rule = by_id[row["rule_id"]]
        found[row["id"]] = {
            "id": row["id"], "rule": row["rule_id"], "group": row["group_by"], "first_seen": row["first_seen_ns"],
            "last_seen": row["last_seen_ns"], "events_matched": row["events_matched"],
            "events_per_query": per_query(json.loads(row["events_per_query"]), rule), "severity": row["severity"],
            "case": case_of(rule, row["case_name"], row["severity"]), "closed": bool(row["closed"]),
            "late": bool(row["late"]), "samples": samples.pop(row["id"], []),
            **{name: json.loads(row[name]) for name in ("accounts", "regions", "actors", "source_ips")}}
    db.close()
    assert not samples, f"events of no signal: {samples}"
    assert named <= found.keys() | hidden, f"no signals: {named - found.keys() - hidden}"
    return found


def per_query(told, rule):
    return [told[name] for name in oracle.names_of(rule)] if isinstance(told, dict) else told


def put_config(rules, folder):
    """penstock.yaml, and the reference tables of rules, beside which it lies."""
    tables = {name: rows for rule in rules for name, rows in rule.get("tables", {}).items()}
    folder.mkdir()
    for name, rows in tables.items():
        with open(folder / f"{name}.csv", "w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows([["number", "value"], *enumerate(rows)])
    config = {"enrich": {"geoip": str(places())}, "reference_tables": {name: f"{name}.csv" for name in tables}}
    (folder / "penstock.yaml").write_text(json.dumps(config))
    return folder / "penstock.yaml"


def put_rules(rules, folder):
    shutil.rmtree(kit.WORK / "config", ignore_errors=True)
    put_config(rules, kit.WORK / "config")
    folder.mkdir()
    (folder / "datadog.json").write_text(json.dumps([public(rule) for rule in rules if "sigma" not in rule]))
    for rule in rules:
        if "sigma" in rule:
            (folder / f"{rule['id']}.yml").write_text(rule["sigma"])


ARGS = ("--signals-only", "--sink", "null")


def places():
    """A database of the places of addresses."""
    path = kit.WORK / "places.mmdb"
    if not path.exists():
        mmdb_made.write(path, "Test-City", {f"{ip}/32": mmdb_made.place(code, country, city, float(lon), float(lat))
                                            for ip, (code, city, country, lat, lon) in oracle_made.PLACES.items()})
    return path


def args():
    return (*ARGS, "--config", kit.WORK / "config" / "penstock.yaml")


def run(source, out, rules, *more):
    summary = kit.replay(source, out, "--rules", rules, *args(), *more)
    assert summary["rules"]["rejected"] == 0, summary["words"]
    limits = ("groups_cut", "signals_evicted", "groups_evicted", "window_events_evicted", "values_limited",
              "new_values_evicted", "places_evicted", "anomaly_groups_evicted")
    assert not any(summary["state"][name] for name in limits), summary["state"]
    return summary
