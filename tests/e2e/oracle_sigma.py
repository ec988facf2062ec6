"""oracle_sigma.py - Sigma correlations: made ones from a seed, and what signals they have, on top of oracle.py.

A plain rule is a dict as oracle_made.made_match gives it, with `name`.  A correlation is one with `type`, `parts` (rules or
correlations before it), `fields` (the group-by fields of each part), `values`, `least` or `text`, and `timespan` in seconds.
Its window holds what is no older than the timespan; its signals go on for the timespan, or for `sigma.keep_alive` when that is longer.  Each match of a plain rule is an event; so is each signal of a correlation
at its first seen, whose only fields are the names that it is grouped by.
"""
import random

import oracle
import oracle_made
import oracle_stages

S = oracle.S
COUNTED = ("event_count", "value_count", "value_sum")
FIELDS = [field.removeprefix("@") for field in oracle_made.GROUPS]
KEEP = 3600  # sigma.keep_alive
VALUES = ["requestParameters.value", "requestParameters.list", "requestParameters.size", "awsRegion"]


# ---- what they say ----

def found_in(rule, part, record):
    """The values of a plain event that the correlation counts."""
    if rule["type"] == "value_sum":
        numbers = [oracle.number_of(leaf) for leaf in oracle.leaves(record, rule["values"][0])]
        return [number for number in numbers if number is not None]
    return oracle.product([oracle.texts(record, name) for name in rule["values"]])


def member(part, name, group):
    return group[part["group_by"].index(name)]


def found_of(rule, part, group):
    """Likewise of a signal of a correlation."""
    values = [member(part, name, group) for name in rule["values"]]
    if rule["type"] == "value_sum":
        return [number for number in map(oracle.number_of, values) if number is not None]
    return [tuple(values)]


def occurrences(rule, told, ordered):
    """(group, event, number of the query, what it counts) of all that happened to the parts."""
    for number, (part, fields) in enumerate(zip(rule["parts"], rule["fields"])):
        query = 0 if rule["is_merged"] else number
        for signal, id_ in told[part["id"]] if "type" in part else []:
            group = tuple(member(part, name, signal.group) for name in fields)
            yield group, oracle_stages.as_event(signal, id_), query, found_of(rule, part, signal.group)
        for event in ordered if "type" not in part else []:
            if oracle.holds(part["queries"][0]["judge"], event["record"]):
                for group in oracle.product([oracle.texts(event["record"], name) for name in fields]):
                    yield group, {**event, "release": oracle.release_of(event)}, query, found_in(rule, part, event["record"])


def groups(rule, told, ordered):
    found = {}
    for group, event, query, values in occurrences(rule, told, ordered):
        of_group = found.setdefault(group, {})
        of_group.setdefault(event["id"], {**event, "found": {}})["found"][query] = values
    return {group: sorted(events.values(), key=lambda one: (one["release"], one["time"], one["id"])) for group, events in found.items()}


def in_list_order(count, seen):
    """An event of each part, none before one of the part before it."""
    since = None
    for number in range(count):
        times = [event["time"] for event in seen if number in event["found"] and (since is None or event["time"] >= since)]
        if not times:
            return False
        since = min(times)
    return True


def is_true(rule, seen):
    kind, of_any = rule["type"], [event["found"] for event in seen]
    matched = {number for found in of_any for number in found}
    if kind == "event_count":
        return len(seen) >= rule["least"]
    if kind == "value_count":
        return len({value for found in of_any for values in found.values() for value in values}) >= rule["least"]
    if kind == "value_sum":
        return sum(value for found in of_any for values in found.values() for value in values) >= rule["least"] * oracle.ONE + rule["more"]
    if "text" in rule:
        return eval(rule["text"], {}, {part["name"]: number in matched for number, part in enumerate(rule["parts"])})  # names, and, or
    if len(matched) < max(1, rule["least"]):
        return False
    return kind == "temporal" or rule["least"] < 2 or in_list_order(len(rule["parts"]), seen)


def verdicts(rule, events):
    length = rule["timespan"] * S
    window, before = [], None
    for event in events:
        if before is not None and event["release"] - before > length:
            window = []
        before = event["release"]
        window = [one for one in window if event["time"] - one["time"] <= length] + [event]
        seen = sorted((one for one in window if one["time"] <= event["time"]), key=lambda one: (one["time"], one["id"]))
        yield event, 0 if is_true(rule, seen) else None, seen


def judge(rules, events, group_text, signal_id):
    """Signals by id of what reports: nothing that others name, unless one of those says `generate`; ids of all others."""
    largest = max((event["time"] for event in events), default=0)
    ordered = oracle.in_order(events)
    named = {part["id"] for rule in rules if "type" in rule and not rule["generate"] for part in rule["parts"]}
    loud = {part["id"] for rule in rules if "type" in rule and rule["generate"] for part in rule["parts"]}
    told, wanted = {}, {}
    for rule in rules:
        signals = oracle.found(rule, ordered) if "type" not in rule else [
            signal for group, of_group in sorted(groups(rule, told, ordered).items())
            for signal in oracle.signals_of_verdicts(rule, group, verdicts(rule, of_group))]
        told[rule["id"]] = [(signal, signal_id(rule["id"], group_text(rule, signal.group), signal.opened_by)) for signal in signals]
        for signal, id_ in told[rule["id"]] if rule["id"] in loud or rule["id"] not in named else []:
            one = signal.told(largest)
            cut = any(event.get("is_cut") for event in signal.events)
            wanted[id_] = {**one, "group": group_text(rule, signal.group), "shares_events": one["shares_events"] or cut}
    return wanted, {id_ for signals in told.values() for _, id_ in signals} - wanted.keys()


# ---- made ones ----

def made_plain(random_, number, names):
    rule = oracle_made.made_match(random_, number, names)
    name = f"plain_{number}"
    more, text = random_.choice([(None, ""), (None, ""), (("is", "@errorCode", "AccessDenied"), "    errorCode: AccessDenied\n"),
                                 (("range", "@requestParameters.size", 2, 10**6), "    requestParameters.size|gte: 2\n")])
    query = rule["queries"][0]
    judge_ = query["judge"] if more is None else ("and", query["judge"], more)
    return {**rule, "name": name, "queries": [{**query, "judge": judge_}],
            "sigma": rule["sigma"].replace("status:", f"name: {name}\nstatus:").replace("  condition:", text + "  condition:")}


def made_fields(random_, kind, parts):
    """Of each part as many fields to group by; the same ones where values are counted together."""
    arity = random_.choice([0, 1, 1, 1, 2])
    have = [part.get("group_by", FIELDS) for part in parts]
    if kind in COUNTED[1:] or random_.random() < 0.5:
        common = [name for name in have[0] if all(name in other for other in have)]
        fields = random_.sample(common, min(arity, len(common)))
        return [fields] * len(parts)
    arity = min(arity, *map(len, have))
    return [random_.sample(one, arity) for one in have]


def made_values(random_, kind, parts):
    """Fields that are counted; None: the parts have none in common."""
    if kind not in COUNTED[1:]:
        return []
    chained = [part["group_by"] for part in parts if "type" in part]
    known = [name for name in (chained[0] if chained else VALUES) if all(name in other for other in chained)]
    count = 1 if kind == "value_sum" else min(random_.choice([1, 1, 2]), len(known))
    return random_.sample(known, count) if known else None


def made_bound(random_, kind, count):
    """What the condition wants at least, and how it is written; for sums also what more than a whole number is."""
    if kind == "temporal" and count > 1 and random_.random() < 0.4:
        return {}, None
    number = random_.choice([n for n in ((1, count) if kind == "temporal_ordered" else range(1, count + 1))]
                            if kind.startswith("temporal") else [*([] if kind == "value_sum" else [0]), 1, 1, 2, 2, 3, 4])
    if kind.startswith("temporal") and number == count and random_.random() < 0.5:
        return {"least": number}, ""
    is_above = number > 0 and random_.random() < 0.4
    bound = {"least": number, "more": 0}
    if is_above and kind == "value_sum":
        bound["more"] = 1
        return bound, f"gt: {number}"
    return bound, f"gt: {number - 1}" if is_above else f"gte: {number}"


def made_text(random_, names):
    """All names of a text of and, or and brackets, now and then one twice."""
    names = random_.sample(names, len(names)) + random_.choices(names, k=random_.choice([0, 0, 1]))
    text = names[0]
    for name in names[1:]:
        text = f"{text} {random_.choice(['and', 'or'])} {name}"
        text = f"({text})" if random_.random() < 0.4 else text
    return text


def made_correlation(random_, number, known, names):
    kind = random_.choice([*COUNTED, "temporal", "temporal", "temporal_ordered", "temporal_ordered"])
    parts = random_.sample(known, min(len(known), random_.choice([1, 2, 2, 3]) if kind in COUNTED else random_.choice([1, 2, 2, 3, 4])))
    fields, values = made_fields(random_, kind, parts), made_values(random_, kind, parts)
    if values is None:
        kind, values = "event_count", []
    bound, written = made_bound(random_, kind, len(parts))
    if not bound:
        bound["text"] = made_text(random_, [part["name"] for part in parts])
    timespan = random_.choice([60, 60, 300, 900, 3600, 7200, 86400, 2 * 86400])
    aliases = [n for n in range(len(fields[0])) if any(one[n] != fields[0][n] for one in fields)]
    group_by = [f"who{number}_{n}" if n in aliases else fields[0][n] for n in range(len(fields[0]))]
    level = random_.choice(oracle.SEVERITIES[1:])
    rule = {"id": f"{number:08d}-0000-4000-8000-c00000000000", "name": f"correlation_{number}", "type": kind, "parts": parts,
            "fields": fields, "values": values, "timespan": timespan, "group_by": group_by, "group_names": group_by,
            "is_merged": kind in COUNTED and not aliases, "generate": random_.random() < 0.4, **bound,
            "queries": [{"name": part["name"]} for part in parts], "cases": [{"status": level, "name": "", "condition": ""}],
            "options": {"evaluationWindow": timespan, "keepAlive": max(timespan, KEEP), "maxSignalDuration": max(timespan, 86400),
                        "detectionMethod": kind}}
    if rule["is_merged"]:
        rule["queries"] = rule["queries"][:1]
    rule["sigma"] = text_of(random_, rule, aliases, bound.get("text") or written, level)
    return rule


def text_of(random_, rule, aliases, condition, level):
    lines = [f"title: {rule['name']}", f"id: {rule['id']}", f"name: {rule['name']}", f"level: {level}", "correlation:", f"  type: {rule['type']}",
             f"  rules: [{', '.join(part[random_.choice(['id', 'name'])] if not aliases and 'text' not in rule else part['name'] for part in rule['parts'])}]",
             f"  timespan: {rule['timespan']}s" if random_.random() < 0.5 or rule["timespan"] % 3600 else f"  timespan: {rule['timespan'] // 3600}h",
             f"  generate: {str(rule['generate']).lower()}"]
    if rule["group_by"]:
        lines.append(f"  group-by: [{', '.join(rule['group_by'])}]")
    if aliases:
        lines.append("  aliases:")
        for n in aliases:
            of_parts = ", ".join(f"{part['name']}: {one[n]}" for part, one in zip(rule["parts"], rule["fields"]))
            lines.append(f"    {rule['group_by'][n]}: {{{of_parts}}}")
    if "text" in rule:
        lines.append(f"  condition: {condition}")
    elif condition:
        field = f", field: [{', '.join(rule['values'])}]" if rule["values"] else ""
        lines.append(f"  condition: {{{condition}{field}}}")
    return "\n".join(lines) + "\n"


def made_set(seed, number, count=50):
    """Plain rules, correlations of them and of one another, and the events that they look at."""
    random_ = random.Random(f"sigma {seed} {number}")
    names = [f"Made{number}Do{letter}" for letter in "ABC"]
    rules = [made_plain(random_, number * 10 + i, names) for i in range(random_.randint(1, 3))]
    levels = {rule["id"]: 0 for rule in rules}
    for i in range(random_.randint(2, 5)):
        known = [rule for rule in rules if levels[rule["id"]] < 4]
        rules.append(made_correlation(random_, number * 10 + i, known, names))
        levels[rules[-1]["id"]] = 1 + max(levels[part["id"]] for part in rules[-1]["parts"])
    words = random_.sample(oracle_made.WORDS, random_.randint(1, 3))
    times = oracle_made.made_times(random_, rules, random_.randint(5, count))
    events = [oracle_made.made_event(random_, oracle_made.made_record(random_, i, random_.choice(names), time, words), time, number)
              for i, time in enumerate(times)]
    return rules, events
