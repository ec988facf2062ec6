"""oracle.py - what signals a set of events has under stateful rules: slow, and plain to read.

The second opinion on the detection engine, written from what is promised and not from its code.  All
events are held at once; every window is built anew from a list.  Times are ns since 1970.

An event is a dict: id, time, promise (least event time that its object's key allows, or None), record
(the parsed JSON), account, region, actor, ip.  A rule is a dict in the form of Datadog's JSON with
`id`, and of each query the `judge` besides its text: a tree of

    ("and", tree...)  ("or", tree...)  ("not", tree)  ("all",)
    ("is", path, text)  ("in", path, texts)  ("like", path, wildcard)  ("range", path, low, high)  ("exists", path)
"""
import fnmatch
import fractions
import json
import math
import re

S = 10**9
DAY = 86400 * S
SEVERITIES = ["info", "low", "medium", "high", "critical"]
ONE = 10**9  # quantities have nine decimals


# ---- fields ----

def leaves(record, path):
    """Scalars at a path such as "@userIdentity.arn"; arrays are gone through, null is nothing."""
    found = [record]
    for name in path.removeprefix("@").split("."):
        found = [member for item in found for member in members(item, name)]
    return [item for item in flat(found) if item is not None and not isinstance(item, dict)]


def members(item, name):
    if isinstance(item, list):
        return [found for one in item for found in members(one, name)]
    return [item[name]] if isinstance(item, dict) and name in item else []


def flat(items):
    for item in items:
        if isinstance(item, list):
            yield from flat(item)
        else:
            yield item


def as_text(scalar):
    return scalar if isinstance(scalar, str) else json.dumps(scalar)


def texts(record, path):
    return list(dict.fromkeys(as_text(leaf) for leaf in leaves(record, path)))


def number_of(scalar):
    """A number, or a text that is one, as a count of billionths, cut; None: no number."""
    found = re.fullmatch(r"(-?)(\d+)(?:\.(\d+))?", as_text(scalar))
    if not found or isinstance(scalar, bool):
        return None
    size = int(found[2]) * ONE + int((found[3] or "").ljust(9, "0")[:9])
    return -size if found[1] else size


def holds(tree, record):
    kind = tree[0]
    if kind == "and":
        return all(holds(part, record) for part in tree[1:])
    if kind == "or":
        return any(holds(part, record) for part in tree[1:])
    if kind == "not":
        return not holds(tree[1], record)
    if kind == "all":
        return True
    found = leaves(record, tree[1])
    if kind == "in":
        return any(as_text(leaf) in tree[2] for leaf in found)
    if kind == "exists":
        return bool(found)
    if kind == "is":
        return any(as_text(leaf) == tree[2] for leaf in found)
    if kind == "like":
        return any(fnmatch.fnmatchcase(as_text(leaf), tree[2]) for leaf in found)
    assert kind == "range", tree
    numbers = [number_of(leaf) for leaf in found]
    return any(n is not None and tree[2] * ONE <= n <= tree[3] * ONE for n in numbers)


# ---- conditions of cases ----

class Condition:
    """`a > 2 * b && (c >= 1 || d < 3)`, or two of them with THEN between."""

    def __init__(self, text, names):
        self.names = names
        self.parts = [self.parsed(part) for part in text.split("THEN")] if text.strip() else []

    def parsed(self, text):
        words = re.findall(r"[a-z][a-z0-9_]*|\d+|[<>]=?|&&|\|\||[()*]", text)
        tree = self.any_of(words)
        assert not words, (text, words)
        return tree

    def any_of(self, words):
        return self.joined(words, "||", lambda: self.joined(words, "&&", lambda: self.one_of(words), all), any)

    @staticmethod
    def joined(words, sign, next_part, verdict):
        parts = [next_part()]
        while words and words[0] == sign:
            words.pop(0)
            parts.append(next_part())
        return lambda values: verdict(part(values) for part in parts)

    def one_of(self, words):
        if words[0] == "(":
            words.pop(0)
            inside = self.any_of(words)
            assert words.pop(0) == ")"
            return inside
        left = self.side(words)
        sign = words.pop(0)
        right = self.side(words)
        compare = {">": lambda x, y: x > y, ">=": lambda x, y: x >= y,
                   "<": lambda x, y: x < y, "<=": lambda x, y: x <= y}[sign]
        return lambda values: compare(left(values), right(values))

    def side(self, words):
        factor, query = 1, None
        while True:
            word = words.pop(0)
            if word.isdigit():
                factor *= int(word)
            else:
                query = self.names.index(word)
            if not words or words[0] != "*":
                break
            words.pop(0)
        return lambda values: factor * (ONE if query is None else values[query])


# ---- observations ----

def names_of(rule):
    return [query.get("name") or "abcdefghij"[i] for i, query in enumerate(rule["queries"])]


def product(lists):
    tuples = [()]
    for items in lists:
        tuples = [done + (item,) for done in tuples for item in items]
    return tuples


def groups_of(query, record):
    """The groups of an event: one for each element of an array.  To a query of new values or places an event
    without one is none: it starts no clock and is not counted."""
    if query.get("aggregation") in ("new_value", "geo_data") and not measures(query, record):
        return []
    found = [texts(record, name) for name in query.get("groupByFields", [])]
    if query.get("hasOptionalGroupByFields"):
        found = [values or ["N/A"] for values in found]
    return product(found)


def measures(query, record):
    """What a query aggregates of an event: tuples of texts, or numbers."""
    aggregation = query.get("aggregation", "count")
    if aggregation == "cardinality":
        return list(dict.fromkeys(product([texts(record, name) for name in query["distinctFields"]])))
    if aggregation == "new_value":
        return list(dict.fromkeys(product([texts(record, name) for name in query["metrics"]])))
    if aggregation == "geo_data":
        return [query["places"][ip] for ip in texts(record, "@sourceIPAddress") if ip in query["places"]]
    if aggregation in ("sum", "max"):
        numbers = [number_of(leaf) for leaf in leaves(record, query["metrics"][0])]
        return [n for n in numbers if n is not None]
    return []


def release_of(event):
    return event["time"] if event["promise"] is None else max(event["time"], event["promise"])


def in_order(events):
    """Each event once, in the order in which the state is fed."""
    first = {}
    for event in sorted(events, key=lambda e: (release_of(e), e["time"], e["id"])):
        first.setdefault(event["id"], event)
    return list(first.values())


def by_group(rule, events):
    """Events of each group, in order, with what each query found in them."""
    groups = {}
    for event in events:
        of_event = {}
        for number, query in enumerate(rule["queries"]):
            if holds(query["judge"], event["record"]):
                for group in groups_of(query, event["record"]):
                    of_event.setdefault(group, {})[number] = measures(query, event["record"])
        for group, found in of_event.items():
            groups.setdefault(group, []).append({**event, "release": release_of(event), "found": found})
    return groups


# ---- when a case is true ----

def quantities(rule, events):
    """The value of each query over some events."""
    values = []
    for number, query in enumerate(rule["queries"]):
        aggregation = query.get("aggregation", "count")
        matched = [event["found"][number] for event in events if number in event["found"]]
        of_all = [value for found in matched for value in found]
        if aggregation in ("count", "event_count"):
            values.append(len(matched) * ONE)
        elif aggregation == "cardinality":
            values.append(len(set(of_all)) * ONE)
        elif aggregation == "sum":
            values.append(sum(of_all))
        else:
            values.append(max(of_all) if of_all else 0)
    return values


def is_true(condition, rule, events):
    if not condition.parts:
        return True
    first = condition.parts[0]
    if len(condition.parts) == 1:
        return first(quantities(rule, events))
    for count in range(1, len(events) + 1):
        if first(quantities(rule, events[:count])):
            return condition.parts[1](quantities(rule, events[count:]))
    return False


def threshold_verdicts(rule, events):
    """For each event of a group in order: the first true case, or None, and the window's events."""
    length = rule["options"]["evaluationWindow"] * S
    conditions = [Condition(case.get("condition", ""), names_of(rule)) for case in rule["cases"]]
    window, before = [], None
    for event in events:
        if length == 0 or before is not None and event["release"] - before >= length:
            window = []
        before = event["release"]
        window = [one for one in window if one["time"] > event["time"] - length] + [event]
        seen = sorted((one for one in window if one["time"] <= event["time"]),
                      key=lambda one: (one["time"], one["id"]))
        true = [i for i, condition in enumerate(conditions) if is_true(condition, rule, seen)]
        yield event, true[0] if true else None, seen


def new_value_verdicts(rule, events):
    options = rule["options"]["newValueOptions"]
    by_threshold = options.get("learningMethod", "duration") == "threshold"
    learning = 0 if by_threshold else options["learningDuration"] * DAY
    silent = options["learningThreshold"] if by_threshold else 0
    begun, last_seen = None, {}
    for event in events:
        begun = event["time"] if begun is None else begun
        is_new = False
        for value in event["found"][0]:
            known = value in last_seen and event["time"] - last_seen[value] <= options["forgetAfter"] * DAY
            last_seen[value] = max(event["time"], last_seen.get(value, event["time"]))
            if known or event["time"] < begun + learning:
                continue
            is_new = is_new or silent == 0
            silent -= silent > 0
        yield event, 0 if is_new else None, [event]


def steps_of(rule):
    """Steps of a sequence from the first on: their condition, window, and longest wait since the one before, in ns."""
    options = rule["options"].get("sequenceDetectionOptions", {"steps": []})
    steps = {step["name"]: step for step in options["steps"]}
    into = {one["child"]: one for one in options.get("stepTransitions", [])}
    chain = [name for name in steps if name not in into]
    while len(chain) < len(steps):
        chain.append(next(child for child, one in into.items() if one["parent"] == chain[-1]))
    return [{"condition": steps[name]["condition"], "window": steps[name]["evaluationWindow"] * S,
             "wait": into[name]["evaluationWindow"] * S if name in into else 0} for name in chain]


def length_of(rule):
    """How far back of an event a rule looks, in ns."""
    steps = steps_of(rule)
    if "anomalyDetectionOptions" in rule["options"]:
        return rule["options"]["anomalyDetectionOptions"]["bucketDuration"] * S
    if not steps:
        return rule["options"]["evaluationWindow"] * S
    return sum(step["wait"] for step in steps) + (steps[0]["window"] or 1)


def reached_at(rule, steps, events):
    """For each step the places of the events that complete it; events are in their order."""
    names = names_of(rule)
    reached = []
    for number, step in enumerate(steps):
        condition = Condition(step["condition"], names)
        named = {names.index(word) for word in re.findall(r"[a-z]\w*", step["condition"])}
        places = []
        for end, event in enumerate(events):
            starts = [0] if number == 0 else [p + 1 for p in reached[-1]
                                              if p < end and event["time"] - events[p]["time"] <= step["wait"]]
            for start in starts if named & event["found"].keys() else []:
                part = [one for one in events[start:end] if event["time"] - one["time"] < step["window"]] + [event]
                if condition.parts[0](quantities(rule, part)):
                    places.append(end)
                    break
        reached.append(places)
    return reached


def sequence_verdicts(rule, events):
    length, steps = length_of(rule), steps_of(rule)
    window, before = [], None
    for event in events:
        if before is not None and event["release"] - before >= length:
            window = []
        before = event["release"]
        window = [one for one in window if one["time"] > event["time"] - length] + [event]
        seen = sorted((one for one in window if one["time"] <= event["time"]),
                      key=lambda one: (one["time"], one["release"], one["id"]))
        is_reached = len(seen) - 1 in reached_at(rule, steps, seen)[-1]
        yield event, 0 if is_reached else None, seen


def metres(one, other):
    """Between two places (.., latitude, longitude), along the great circle of a sphere of 6371008.8 m."""
    (lat1, lon1), (lat2, lon2) = ([math.radians(float(text)) for text in place[-2:]] for place in (one, other))
    across = math.hypot(math.cos(lat2) * math.sin(lon2 - lon1),
                        math.cos(lat1) * math.sin(lat2) - math.sin(lat1) * math.cos(lat2) * math.cos(lon2 - lon1))
    along = math.sin(lat1) * math.sin(lat2) + math.cos(lat1) * math.cos(lat2) * math.cos(lon2 - lon1)
    return round(6371008.8 * math.atan2(across, along))


def way_takes(one, other):
    """ns that the way takes at 1000 km/h."""
    return metres(one, other) * 3600 * S // 10**6


def travel_verdicts(rule, events):
    options = rule["options"].get("impossibleTravelOptions", {})
    has_baseline = options.get("baselineUserLocations", False)
    learning = options.get("baselineUserLocationsDuration", 1) * DAY
    before = None
    for event in events:
        place, time = event["found"][0][0], event["time"]
        if before is None or event["release"] - before >= (30 * DAY if has_baseline else DAY):
            begun, last, known = time, None, {}
        before = event["release"]
        is_news = not has_baseline or (time >= begun + learning and time - known.get(place[:2], time - 31 * DAY) > 30 * DAY)
        is_far = last is not None and metres(place, last["found"][0][0]) > 500000 and \
            abs(time - last["time"]) < way_takes(place, last["found"][0][0])
        follows = last is not None and time >= last["time"]
        yield event, 0 if is_news and is_far else None, [last, event] if follows else [event]
        known[place[:2]] = max(time, known.get(place[:2], time))
        last = event if last is None or follows else last


def billionths(case):
    """The quantile that a case of an anomaly names: 0.995 as `0.995`, `99 5` or nothing."""
    found = re.search(r"> *([0-9.]+) *([0-9]*)", case.get("condition", ""))
    number = fractions.Fraction(found[1] + (f".{found[2]}" if found[2] else "")) if found else fractions.Fraction("0.995")
    return int(number * 10**9) if number < 1 else int(number * 10**7)


def rank_of(sample, share):
    """The least value that at least a share (billionths) of a sample does not exceed."""
    return min(value for value in set(sample) if sum(other <= value for other in sample) * 10**9 >= share * len(sample))


def anomaly_bound(case, options, history):
    """history: the value of each bucket before, the last one first."""
    def of_sample(sample):
        upper, median = rank_of(sample, billionths(case)), rank_of(sample, 5 * 10**8)
        return upper + options["detectionTolerance"] * max(1, -(-(upper - median) // 4))
    day = 86400 // options["bucketDuration"]
    around = max(1, 3600 // options["bucketDuration"])
    ago = range(1, min(len(history), 14 * day) + 1)
    if len(history) < 3 * day:
        return of_sample([history[n - 1] for n in ago])
    seasons = [day] if len(history) < 7 * day else [day, 7 * day]
    return max(of_sample([history[n - 1] for n in ago if any(abs(n - middle) <= around for middle in range(season, n + season + 1, season))])
               for season in seasons)


def anomaly_verdicts(rule, events):
    options, before = rule["options"]["anomalyDetectionOptions"], None
    long, learning = options["bucketDuration"] * S, options["learningDuration"] * 3600 * S
    for event in events:
        time, number = event["time"], event["time"] // long
        if before is None or event["release"] - before >= 14 * DAY:
            begun, first, last, buckets = time, number, number, {}
        before = event["release"]
        if number < last:
            continue
        if number > last:
            history = [whole(rule, buckets.get(n, [])) for n in range(number - 1, max(first, number - 15 * 86400 * S // long) - 1, -1)]
            bounds = [anomaly_bound(case, options, history) for case in rule["cases"]]
        elif number == first:
            bounds = None
        last = number
        buckets.setdefault(number, []).append(event)
        so_far = [one for one in buckets[number] if one["time"] <= time]
        value, case = whole(rule, so_far), None
        if time < begun + learning:
            case = 0 if value > options.get("learningPeriodBaseline", value) else None
        elif bounds is not None:
            case = next((i for i, bound in enumerate(bounds) if value > bound), None)
        yield event, case, so_far


def whole(rule, events):
    """What the query has over some events, cut to a whole number."""
    value = quantities(rule, events)[0]
    return abs(value) // ONE * (1 if value >= 0 else -1)


# ---- signals ----

def values_of(event, name):
    """Of an event one account and the like; of one that is a signal a list of them."""
    return set(event[name] if isinstance(event[name], list) else [event[name]] if event[name] else [])


VERDICTS = {"anomaly_detection": anomaly_verdicts, "impossible_travel": travel_verdicts, "new_value": new_value_verdicts,
            "sequence_detection": sequence_verdicts}


def put(events, event):
    """Adds an event; one that stands there last, of another group of the signal, is the same event."""
    if events and events[-1]["id"] == event["id"]:
        event = {**event, "found": {**events.pop()["found"], **event["found"]}}
    events.append(event)


class Signal:
    def __init__(self, rule, group, event, case, window):
        self.rule, self.group, self.opened_by = rule, group, event["id"]
        self.first, self.last = event["time"], event["time"]
        self.first_release, self.last_release = event["release"], event["release"]
        self.events, self.case, self.waiting, self.ended = list(window), case, [], False
        self.opening = list(window)  # the events of the window in which it opened
        self.shares_events = False  # its window holds what an earlier signal counted

    def takes(self, event):
        """Whether a case that is true at this event continues the signal."""
        keep, longest = (self.rule["options"][name] * S for name in ("keepAlive", "maxSignalDuration"))
        for now, first, last in ((event["time"], self.first, self.last),
                                 (event["release"], self.first_release, self.last_release)):
            if keep == 0 or now - last > keep or now - first >= longest:
                return False
            if self.rule.get("midnight") and now // DAY != first // DAY:
                return False
        return True

    def waits(self, event):
        put(self.events if self.events[-1]["id"] == event["id"] else self.waiting, event)

    def goes_on(self, event, case):
        for one in self.waiting + [event]:
            put(self.events, one)
        self.waiting = []
        self.last = max(self.last, event["time"])
        self.last_release = event["release"]
        if self.severity_of(case) > self.severity_of(self.case):
            self.case = case

    def counted(self):
        return [event["id"] for event in self.events]

    def severity_of(self, case):
        return SEVERITIES.index(self.rule["cases"][case]["status"])

    def ends_at(self):
        keep, longest = (self.rule["options"][name] * S for name in ("keepAlive", "maxSignalDuration"))
        midnight = [(self.first // DAY + 1) * DAY] if self.rule.get("midnight") else []
        return min(self.last + keep, self.first + longest, *midnight)

    def told(self, largest_time):
        def union(name):
            return sorted(set().union(*(values_of(event, name) for event in self.events)))
        return {"rule": self.rule["id"], "group": self.group, "opened_by": self.opened_by,
                "first_seen": self.first, "last_seen": self.last,
                "severity": self.rule["cases"][self.case]["status"], "case": self.case,
                "events_matched": len(self.events),
                "events_per_query": [sum(q in event["found"] for event in self.events)
                                     for q in range(len(self.rule["queries"]))],
                "closed": self.ended or self.ends_at() <= largest_time,
                "late": any(event["time"] < event["release"] for event in self.events),
                "accounts": union("account"), "regions": union("region"), "actors": union("actor"),
                "source_ips": union("ip"), "event_ids": self.counted(), "shares_events": self.shares_events}


def verdicts_of(rule, events):
    return VERDICTS.get(rule["options"]["detectionMethod"], threshold_verdicts)(rule, events)


def signals_of_group(rule, group, events):
    return signals_of_verdicts(rule, group, verdicts_of(rule, events))


def signals_of_verdicts(rule, group, verdicts):
    signals = []
    for event, case, window in verdicts:
        is_open = bool(signals) and not signals[-1].ended
        if case is None:
            if is_open:
                signals[-1].waits(event)
        elif is_open and rule["options"]["keepAlive"] == 0 and signals[-1].opened_by == event["id"]:
            continue  # of another group: one event is one signal
        elif is_open and signals[-1].takes(event):
            signals[-1].goes_on(event, case)
        else:
            if is_open:
                signals[-1].ended = True
            counted = {id_ for signal in signals for id_ in signal.counted()}
            signals.append(Signal(rule, group, event, case, window))
            signals[-1].shares_events = not counted.isdisjoint(signals[-1].counted())
    return signals


def joined(rule):
    """Places of the group-by by which signals are grouped, when they are fewer; else None."""
    names, fields = rule.get("groupSignalsBy"), rule["queries"][0].get("groupByFields", [])
    return [place for place, field in enumerate(fields) if field in names] if names else None


def found(rule, ordered):
    """Signals of one rule over events in order."""
    places = joined(rule)
    if places is None:
        return [signal for group, of_group in sorted(by_group(rule, ordered).items())
                for signal in signals_of_group(rule, group, of_group)]
    shared = {}
    for group, of_group in by_group(rule, ordered).items():
        text = json.dumps(group, ensure_ascii=False, separators=(",", ":")).encode()
        for event, case, window in verdicts_of(rule, of_group):
            order = (event["release"], event["time"], event["id"], text)
            shared.setdefault(tuple(group[place] for place in places), []).append((order, event, case, window))
    return [signal for group, told in sorted(shared.items())
            for signal in signals_of_verdicts(rule, group, [one[1:] for one in sorted(told, key=lambda one: one[0])])]
