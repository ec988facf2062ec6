"""oracle_feed.py - made rules and events through the driver of module state, and what comes out."""
import ctypes
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import tempfile

import oracle
import oracle_stages

LAST, FIRST = 2**63 - 1, -2**63
METHODS = ["match", "threshold", "new_value", "sequence_detection", "impossible_travel", "anomaly_detection"]
AGGREGATIONS = ["count", "cardinality", "sum", "max", "geo_data"]


def number(value):
    return struct.pack("<q", value)


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return number(len(data)) + data


def encoded_rule(rule):
    options = rule["options"]
    new = options.get("newValueOptions", {})
    by_threshold = new.get("learningMethod") == "threshold"
    lengths = [oracle.length_of(rule), *(options[name] * oracle.S for name in ("keepAlive", "maxSignalDuration"))]
    parts = [text(rule["id"]), number(METHODS.index(options["detectionMethod"])), *map(number, lengths),
             number(bool(rule.get("midnight"))), number(len(rule["queries"]))]
    parts += [number(AGGREGATIONS.index(query["aggregation"]) if query["aggregation"] in AGGREGATIONS else 0)
              for query in rule["queries"]]
    has_conditions = options["detectionMethod"] == "threshold"
    cases = [] if options["detectionMethod"] == "match" else rule["cases"]
    parts.append(number(len(cases)))
    for case in cases:
        parts += [number(oracle.SEVERITIES.index(case["status"])), number(oracle.billionths(case)), text(case["condition"] if has_conditions else "")]
    parts += [number(0 if by_threshold else new.get("learningDuration", 0) * oracle.DAY),
              number(new.get("forgetAfter", 0) * oracle.DAY),
              number(new.get("learningThreshold", 0) if by_threshold else 0)]
    travel = options.get("impossibleTravelOptions", {})
    parts += [number(travel.get("baselineUserLocations", False)), number(30 * oracle.DAY),
              number(travel.get("baselineUserLocationsDuration", 1) * oracle.DAY)]
    anomaly = options.get("anomalyDetectionOptions", {})
    parts += [number(anomaly.get("bucketDuration", 300) * oracle.S), number(anomaly.get("learningDuration", 24) * 3600 * oracle.S),
              number(anomaly.get("detectionTolerance", 1)), number(anomaly.get("learningPeriodBaseline", -1))]
    steps = oracle.steps_of(rule)
    parts.append(number(len(steps)))
    for step in steps:
        parts += [text(step["condition"]), number(step["window"]), number(step["wait"])]
    return b"".join(parts)


def decimal(billionths):
    sign = "-" if billionths < 0 else ""
    return f"{sign}{abs(billionths) // oracle.ONE}.{abs(billionths) % oracle.ONE:09d}"


def encoded_values(query, found):
    if query["aggregation"] in ("sum", "max"):
        return decimal({"sum": sum, "max": max}[query["aggregation"]](found)) if found else ""
    return "\n".join("\t".join(json.dumps(part)[1:-1] for part in value) for value in found)


def group_text(rule, group):
    places = oracle.joined(rule)
    if places is not None and len(group) == len(places):
        fields = rule["queries"][0]["groupByFields"]
        return object_text([fields[place] for place in places], group)
    names = rule.get("group_names") or next(oracle_stages.fields_of(query) for query in rule["queries"]
                                            if len(oracle_stages.fields_of(query)) == len(group))
    return object_text(names, group)


def object_text(names, group):
    return json.dumps(dict(zip(names, group)), ensure_ascii=False, separators=(",", ":"))


def counted_text(rule, group):
    """The group of an observation: behind that of its signals, when it is another one."""
    places = oracle.joined(rule)
    shared = "" if places is None else f"\x1e{group_text(rule, [group[place] for place in places])}\x1e"
    return shared + group_text(rule, group)


def observations(rules, events):
    """What detection would send: (event, bytes but for the epoch), with the rules by their index."""
    for index, rule in enumerate(rules):
        for event in events:
            for number_, query in enumerate(rule["queries"]):
                if not oracle.holds(query["judge"], event["record"]):
                    continue
                values = encoded_values(query, oracle.measures(query, event["record"]))
                for group in oracle.groups_of(query, event["record"]):
                    yield event, b"".join(
                        [number(index), number(number_), number(event["time"]),
                         number(FIRST if event["promise"] is None else event["promise"]), number(0)] +
                        [text(part) for part in (event["id"], counted_text(rule, group), event["account"],
                                                 event["region"], event["actor"], event["ip"], "index", "object",
                                                 values, "", "")])


def fed(rules, events, shards, random_, folder, kills=0, snapshots=False):
    """The commands of a run in a random order of arrival, killed and resumed here and there, from snapshots or not."""
    all_of = list(observations(rules, events))
    random_.shuffle(all_of)
    epochs = random_.randint(1, 5)
    bounds = sorted(random_.randrange(len(all_of) + 1) for _ in range(epochs - 1)) + [len(all_of)]
    begin, seen = 0, FIRST
    parts = [b"S", text(str(folder)), number(shards), number(len(rules)), *map(encoded_rule, rules)]
    killed = random_.sample(range(epochs), min(kills, epochs))
    for epoch, end in enumerate(bounds):
        if epoch in killed:  # half of it was in memory, and comes again
            for event, data in all_of[begin:begin + (end - begin) // 2]:
                parts += [b"O", number(epoch + 1), data]
            parts += [b"K", number(random_.choice([1, 2, 3, 5]))]
        for event, data in all_of[begin:end]:
            parts += [b"O", number(epoch + 1), data]
            seen = max(seen, event["time"])
        rest = min((oracle.release_of(event) for event, _ in all_of[end:]), default=LAST - 1)
        parts += [b"C", number(epoch + 1), number(min(rest, random_.choice([rest, rest, FIRST]))), number(seen)]
        if snapshots and random_.random() < 0.8:
            parts += [b"P", number(epoch + 1)]
        begin = end
    parts += [b"E", number(max((event["time"] for event in events), default=0))]
    return b"".join(parts)


class Hash128(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


def signal_id(rule_id, group, event_id):
    """XXH3-128 of the three, each behind its length, under a seed that spells the program's name."""
    hash_ = ctypes.CDLL("libxxhash.so.0").XXH3_128bits_withSeed
    hash_.restype = Hash128
    hash_.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
    data = b"".join(struct.pack("<I", len(part)) + part for part in map(str.encode, (rule_id, group, event_id)))
    found = hash_(data, len(data), int.from_bytes(b"penstock", "big"))
    return f"{found.high:016x}{found.low:016x}"


def parsed(line, rules):
    (_, id_, rule, first, last, group, matched, per_query, case, limited, closed, late, _, accounts, regions, actors,
     ips, samples) = line.split("\t")
    assert limited == "0", line
    rule, case = rules[int(rule)], max(int(case), 0)
    return {"id": id_, "rule": rule["id"], "group": group, "first_seen": int(first), "last_seen": int(last),
            "events_matched": int(matched), "events_per_query": [int(n) for n in per_query.split(",")],
            "case": case, "severity": rule["cases"][case]["status"], "closed": closed == "1",
            "late": late == "1", "accounts": split(accounts), "regions": split(regions), "actors": split(actors),
            "source_ips": split(ips), "samples": split(samples)}


def split(list_):
    return list_.split(",") if list_ else []


def run(driver, rules, events, shards, seed, kills=0, snapshots=False):
    """Signals as the state tells them last, by id."""
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    folder = pathlib.Path(tempfile.mkdtemp(prefix="penstock-oracle-", dir=memory))
    try:
        given = fed(rules, events, shards, random.Random(f"order {seed}"), folder, kills, snapshots)
        done = subprocess.run([driver], input=given, capture_output=True, check=False, timeout=600)
    finally:
        shutil.rmtree(folder)
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0 and lines[-1:] == ["end"], (done.returncode, done.stderr[-500:], seed)
    return {line.split("\t")[1]: parsed(line, rules) for line in lines[:-1]}
