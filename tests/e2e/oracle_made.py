"""oracle_made.py - random rules and CloudTrail events for the oracle, from a seed.

A set is a few rules and the events that they look at; its event names are its own, so that many sets
fit into one run.  Times lie on, right before and right behind the bounds of the rules' windows.
"""
import datetime
import random

import oracle
import oracle_stages

S = 10**9
DAY = 86400 * S
LENGTHS = [0, 60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400]
BASE = int(datetime.datetime(2025, 3, 4, tzinfo=datetime.timezone.utc).timestamp()) * S
SLACK = DAY  # replay.slack
ACCOUNTS = ["111122223333", "444455556666"]
REGIONS = ["eu-west-1", "us-east-1"]
WORDS = ["blue", "Blue", "gr\u00fcn", "\u65e5\u672c", "a b", "7", "quo\"te", "back\\slash", "\U0001f600"]


def rfc3339(time_ns):
    text = datetime.datetime.fromtimestamp(time_ns // S, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    part = time_ns % S
    return text + (f".{part:09d}".rstrip("0") if part else "") + "Z"


# ---- queries: a tree, and the same as text ----

def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def text_of(tree):
    kind = tree[0]
    if kind in ("and", "or"):
        return "(" + f" {kind.upper()} ".join(text_of(part) for part in tree[1:]) + ")"
    if kind == "not":
        return "-" + text_of(tree[1])
    if kind == "all":
        return "*"
    if kind == "exists":
        return f"{tree[1]}:*"
    if kind == "range":
        return f"{tree[1]}:[{tree[2]} TO {tree[3]}]"
    return f"{tree[1]}:{quoted(tree[2]) if kind == 'is' else tree[2]}"


def made_tree(random_, names):
    """Events of the set, by name, and now and then something of what they hold."""
    event_names = random_.sample(names, random_.randint(1, len(names)))
    tree = ("is", "@eventName", event_names[0])
    if len(event_names) > 1:
        tree = ("or", *(("is", "@eventName", name) for name in event_names))
    if random_.random() < 0.15:
        tree = ("like", "@eventName", names[0][:-1] + "*")
    more = random_.choice([None, None, None, None,
                           ("not", ("is", "@awsRegion", REGIONS[0])),
                           ("range", "@requestParameters.size", 2, 9),
                           ("exists", "@requestParameters.size"),
                           ("not", ("exists", "@errorCode")),
                           ("like", "@errorCode", "Access*")])
    return tree if more is None else ("and", tree, more)


# ---- rules ----

GROUPS = ["@requestParameters.owner", "@requestParameters.list", "@additionalEventData.owner"]
AGGREGATIONS = {"threshold": ["count", "count", "count", "cardinality", "sum", "max"], "new_value": ["new_value"],
                "sequence_detection": ["count"], "impossible_travel": ["geo_data"],
                "anomaly_detection": ["count", "count", "cardinality", "sum"]}
PLACES = {"198.51.100.1": ("FR", "Paris", "France", "48.8566", "2.3522"), "198.51.100.2": ("JP", "", "Japan", "35.69", "139.69"),
          "198.51.100.3": ("FR", "Lyon", "France", "45.764", "4.8357"), "198.51.100.4": ("IT", "Roma", "Italy", "41.9028", "12.4964")}
VALUES = ["@requestParameters.value", "@requestParameters.list", "@requestParameters.size"]


def made_query(random_, names, arity, method):
    tree = made_tree(random_, names)
    query = {"judge": tree, "query": text_of(tree), "groupByFields": random_.sample(GROUPS, arity)}
    if arity and random_.random() < 0.3:
        query["hasOptionalGroupByFields"] = True
    query["aggregation"] = random_.choice(AGGREGATIONS[method])
    if query["aggregation"] == "cardinality":
        query["distinctFields"] = random_.sample(VALUES, random_.choice([1, 1, 2]))
    elif query["aggregation"] == "new_value":
        query["metrics"] = random_.sample(VALUES, random_.choice([1, 1, 2, 3]))
    elif query["aggregation"] == "geo_data":
        query["metrics"], query["places"] = ["@network.client.geoip"], PLACES
    elif query["aggregation"] in ("sum", "max"):
        query["metrics"] = ["@requestParameters.list" if len(query["query"]) % 3 == 0 else "@requestParameters.size"]
    return query


def made_condition(random_, aliases, depth=0):
    if depth < 2 and random_.random() < 0.35:
        sign = random_.choice([" && ", " || "])
        parts = [made_condition(random_, aliases, depth + 1) for _ in range(random_.choice([2, 2, 3]))]
        text = sign.join(parts)
        return f"({text})" if depth and random_.random() < 0.8 else text
    alias = random_.choice(aliases)
    sign = random_.choice([">", ">", ">", ">=", "<", "<="])
    other = str(random_.choice([0, 0, 1, 1, 2, 3, 5]))
    if random_.random() < 0.2:
        other = f"{random_.randint(1, 3)} * {random_.choice(aliases)}"
    return f"{alias} {sign} {other}" if random_.random() < 0.85 else f"{other}{sign}{alias}"


def made_cases(random_, aliases):
    if random_.random() < 0.25:
        first, second = (made_condition(random_, aliases, 1) for _ in range(2))
        return [{"condition": f"{first} THEN {second}", "status": "high", "name": "in order"}]
    statuses = ["info", "low", "medium", "high", "critical"]
    return [{"condition": made_condition(random_, aliases), "status": random_.choice(statuses), "name": f"case {i}"}
            for i in range(random_.choice([1, 1, 2, 3, 4]))]


def made_match(random_, number, names):
    """A Sigma rule: every event is a match, and a signal ends at midnight."""
    id_ = f"{number:08d}-0000-4000-8000-000000000000"
    event_names = random_.sample(names, random_.randint(1, len(names)))
    query = {"judge": ("or", *(("is", "@eventName", name) for name in event_names)), "aggregation": "count",
             "groupByFields": ["@recipientAccountId", "@userIdentity.arn"]}
    sigma = (f"title: Made {number}\nid: {id_}\nstatus: test\nlogsource: {{product: aws, service: cloudtrail}}\n"
             f"detection:\n  selection:\n    eventName: [{', '.join(event_names)}]\n  condition: selection\n"
             "level: medium\n")
    options = {"evaluationWindow": 0, "keepAlive": 3600, "maxSignalDuration": 2 * 86400, "detectionMethod": "match"}
    return {"id": id_, "midnight": True, "sigma": sigma, "queries": [query], "options": options,
            "group_names": ["account", "identity"], "cases": [{"condition": "", "status": "medium", "name": ""}]}


def made_sequence(random_, aliases):
    """Options of a few steps in a row, written in any order; the last one's name."""
    count = random_.choice([1, 2, 2, 2, 3, 3, 4, 10])
    names = [f"s{i}" for i in range(count)]
    random_.shuffle(names)
    steps = []
    for name in names:
        a, b = random_.choice(aliases), random_.choice(aliases)
        condition = random_.choice([f"{a} > 0"] * 6 + [f"{a} > 1", f"{a} >= 2 || {b} > 0", f"{a} > 0 && {b} < 3",
                                                       f"{a} > {b}", f"0 < {a}"])
        steps.append({"name": name, "condition": condition, "evaluationWindow": random_.choice(LENGTHS[:6])})
    waits = [{"parent": names[i], "child": names[i + 1], "evaluationWindow": random_.choice(LENGTHS[:7])}
             for i in range(count - 1)]
    for list_ in (steps, waits):
        random_.shuffle(list_)
    return {"steps": steps, "stepTransitions": waits}, names[-1]


def made_rule(random_, number, names):
    method = random_.choice(["threshold"] * 7 + ["new_value"] * 3 + ["sequence_detection"] * 3 + ["impossible_travel"] * 3 + ["anomaly_detection"] * 3)
    is_new_value = method in ("new_value", "impossible_travel", "anomaly_detection")
    window = random_.choice([0, 60, 60, 300, 300, 600, 900, 3600])
    keep = random_.choice([n for n in LENGTHS[:9] if n >= window])
    options = {"evaluationWindow": window, "keepAlive": keep,
               "maxSignalDuration": random_.choice([n for n in LENGTHS if n >= keep]),
               "detectionMethod": method}
    count = 1 if is_new_value else random_.choice([1, 1, 2, 2, 3, 4])
    arity = random_.choice([0, 1, 1, 1, 2])
    queries = [made_query(random_, names, min(arity if random_.random() < 0.9 else 1, 2), method)
               for _ in range(count)]
    if method == "anomaly_detection":
        options["anomalyDetectionOptions"] = {
            "bucketDuration": random_.choice([300, 3600, 10800, 10800]), "detectionTolerance": random_.choice([1, 1, 2, 5]),
            "learningDuration": random_.choice([1, 1, 6, 24]), **random_.choice([{}, {"learningPeriodBaseline": random_.choice([0, 1, 2])}])}
        cases = [{"condition": random_.choice(["", "a > 0.995", "a > 99 5", "a>0.5", "a > 75"]), "status": status, "name": status}
                 for status in random_.sample(["low", "high"], random_.choice([1, 2]))]
    elif method == "impossible_travel":
        options["impossibleTravelOptions"] = random_.choice([
            {}, {"baselineUserLocations": False},
            {"baselineUserLocations": True, "baselineUserLocationsDuration": random_.choice([1, 1, 2])}])
        cases = [{"condition": "", "status": "high", "name": "away"}]
    elif is_new_value:
        options["newValueOptions"] = {"forgetAfter": random_.randint(1, 3), **random_.choice([
            {"learningMethod": "duration", "learningDuration": random_.choice([0, 1, 1, 2])},
            {"learningMethod": "threshold", "learningThreshold": random_.choice([0, 1]), "learningDuration": 0}])}
        cases = [{"condition": "", "status": random_.choice(["low", "high"]), "name": "new"}]
    elif method == "sequence_detection":
        options["sequenceDetectionOptions"], last = made_sequence(random_, "abcd"[:count])
        cases = [{"condition": random_.choice(["", f"{last} > 0"]), "status": "medium", "name": "all"}]
    else:
        cases = made_cases(random_, "abcd"[:count])
    return {"id": f"made-{number}", "name": f"Made rule {number}", "message": "A made rule.", "type": "log_detection",
            "isEnabled": True, "queries": queries, "cases": cases, "options": options, "tags": []}


def made_over(random_, number, parts):
    """A rule over signals of others, joined by as many fields as most of them have."""
    arity = random_.choice([0, 1, 1, 1, 2])
    queries = []
    for part in random_.sample(parts, random_.randint(1, min(3, len(parts)))):
        asked = random_.randrange(len(part["queries"]))
        fields = oracle_stages.told_of(part, part["queries"][asked])
        query = {"ruleId": part["id"], "aggregation": "event_count",
                 "correlatedByFields": random_.sample(fields, min(arity, len(fields)))}
        if random_.random() < 0.5:
            query["correlatedQueryIndex"] = asked
        queries.append(query)
    window = random_.choice([60, 300, 900, 3600, 3600, 86400])
    keep = random_.choice([n for n in LENGTHS if n >= window])
    options = {"evaluationWindow": window, "keepAlive": keep, "detectionMethod": "threshold",
               "maxSignalDuration": random_.choice([n for n in LENGTHS if n >= keep])}
    return {"id": f"over-{number}", "name": f"Over {number}", "message": "Made.", "type": "signal_correlation",
            "isEnabled": True, "queries": queries, "cases": made_cases(random_, "abcd"[:len(queries)]),
            "options": options, "tags": []}


def join_signals(random_, rules):
    """Some rules count by more than their signals are grouped by."""
    for rule in rules:
        if random_.random() < 0.9:
            continue
        fields = random_.sample(GROUPS, random_.choice([2, 2, 3]))
        rule["groupSignalsBy"] = random_.sample(fields, random_.randint(1, len(fields) - 1))
        for query in rule["queries"]:
            query["groupByFields"] = list(fields)


def add_tables(random_, rules, words):
    """Some queries take only events whose values are in a reference table, or are not."""
    for rule in rules:
        for letter, query in zip("abcd", rule["queries"]):
            if "sigma" in rule or random_.random() < 0.95:
                continue
            path, is_in = random_.choice(VALUES + GROUPS), random_.random() < 0.6
            rows = random_.sample([*words, "7", "true", "3", "nobody"], random_.randint(1, 3))
            name = f"{rule['id']}-{letter}"
            rule.setdefault("tables", {})[name] = rows
            rule.setdefault("referenceTables", []).append(
                {"tableName": name, "columnName": "value", "logFieldPath": path, "ruleQueryName": letter, "checkPresence": is_in})
            known = ("in", path, set(rows))
            query["judge"] = ("and", query["judge"], known if is_in else ("not", known))


# ---- events ----

def made_times(random_, rules, count):
    """Steps of exactly a bound of some rule, a little less, a little more, and small ones."""
    bounds = [rule["options"][name] * S for rule in rules
              for name in ("evaluationWindow", "keepAlive", "maxSignalDuration")]
    bounds += [rule["options"]["newValueOptions"].get(name, 0) * DAY for rule in rules
               if "newValueOptions" in rule["options"] for name in ("forgetAfter", "learningDuration")]
    bounds += [one["evaluationWindow"] * S for rule in rules if "sequenceDetectionOptions" in rule["options"]
               for list_ in rule["options"]["sequenceDetectionOptions"].values() for one in list_]
    for rule in rules:
        if "impossibleTravelOptions" in rule["options"]:
            bounds += [oracle.way_takes(*random_.sample(list(PLACES.values()), 2)) for _ in range(4)]
            bounds.append(random_.choice([DAY, DAY, 30 * DAY]))
    if any("anomalyDetectionOptions" in rule["options"] for rule in rules):
        bounds += [3600 * S, 10800 * S, DAY, DAY]
    time = BASE + random_.choice([0, DAY // 2, DAY - 60 * S]) + random_.randrange(3600) * S
    times = []
    for _ in range(count):
        step = random_.choice([0, 0, S, S // 1000, 1, 29 * S, *(b for b in bounds if b and random_.random() < 0.5)])
        time += max(0, step + random_.choice([0, 0, 0, -1, 1, -S, S]))
        times.append(time)
    if random_.random() < 0.3:  # some lie back by exactly a bound
        times += [random_.choice(times) - random_.choice([b for b in bounds if b] or [S]) for _ in range(count // 5)]
    return times


def made_scalar(random_, words):
    return random_.choice([random_.choice(words), random_.choice(words), random_.choice(words), 7, 3.5, True])


def made_record(random_, number, name, time, words):
    parameters = {}
    owner = random_.choice([*words, *words, None, 7])
    if random_.random() < 0.9:
        parameters["owner"] = owner
    if random_.random() < 0.8:
        parameters["value"] = made_scalar(random_, words)
    if random_.random() < 0.8:
        parameters["size"] = random_.choice([0, 1, 2, 3, 5, 8, -2, 0.5, 2.75, "3", "2.5", "x"])
    if random_.random() < 0.7:
        parameters["list"] = [made_scalar(random_, words) for _ in range(random_.randint(0, 3))]
    record = {"eventVersion": "1.08", "eventTime": rfc3339(time), "eventSource": "s3.amazonaws.com", "eventName": name,
              "eventID": f"{random_.getrandbits(32):08x}-{number:04x}-4000-8000-000000000000",
              "awsRegion": random_.choice(REGIONS),
              "recipientAccountId": random_.choice(ACCOUNTS), "sourceIPAddress": f"198.51.100.{random_.randint(1, 5)}",
              "userIdentity": {"type": "IAMUser", "arn": f"arn:aws:iam::111122223333:user/u{random_.randint(1, 3)}"},
              "requestParameters": parameters}
    if random_.random() < 0.8:
        record["additionalEventData"] = {"owner": random_.choice([*words, None])}
    if random_.random() < 0.3:
        record["errorCode"] = random_.choice(["AccessDenied", "Throttling"])
    return record


def made_event(random_, record, time, set_number):
    """With the day of its object's key: its own, or a later one; few have none."""
    days_later = random_.choice([0] * random_.choice([1, 12, 12]) + [1, 2, 3])
    day = time // DAY + days_later
    has_day = random_.random() < 0.97
    return {"id": record["eventID"], "time": time, "promise": day * DAY - SLACK if has_day else None,
            "day": day if has_day else None, "record": record, "account": record["recipientAccountId"],
            "region": record["awsRegion"], "actor": record["userIdentity"]["arn"],
            "ip": record["sourceIPAddress"], "set": set_number}


def made_set(seed, number, has_matches=False, count=60, overs=0):
    """Rules and events of one set; has_matches: some rules are like Sigma's; overs: rules over signals."""
    random_ = random.Random(f"{seed} {number}")
    names = [f"Made{number}Do{letter}" for letter in "ABC"]
    rules = [made_rule(random_, number * 10 + i, names) for i in range(random_.randint(1, 3))]
    join_signals(random.Random(f"joined {seed} {number}"), rules)
    words = random_.sample(WORDS, random_.randint(1, 4))
    add_tables(random_, rules, words)
    if has_matches and random_.random() < 0.3:
        rules.append(made_match(random_, number * 10 + 9, names))
    times = made_times(random_, rules, random_.randint(5, count))
    events = [made_event(random_, made_record(random_, i, random_.choice(names), time, words), time, number)
              for i, time in enumerate(times)]
    for i in range(overs):  # over rules of any level
        rules.append(made_over(random_, number * 10 + i, [rule for rule in rules if "sigma" not in rule]))
    return rules, events
