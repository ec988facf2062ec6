"""oracle_stages.py - rules over signals of other rules, from their definition, on top of oracle.py.

A query of such a rule names another rule by `ruleId`.  Each signal of that rule is an event at its first seen, released
when the event that opened it was; its id is the signal's.  `correlatedByFields` are looked up in the query that
`correlatedQueryIndex` names, else in the first one that groups by the field: the value at that place of the signal's
group, if the group has as many members as that query groups by.  What has no value is no event.  A query with a `judge`
beside other queries counts plain events as ever.
"""
import oracle

SAMPLES = 10  # beyond, what a signal tells of its events is cut


def is_over(rule):
    return any("ruleId" in query for query in rule["queries"])


def told_of(rule, query):
    """Fields that the groups of the rule's signals have, by a query."""
    places = oracle.joined(rule)
    return fields_of(query) if places is None else [fields_of(query)[place] for place in places]


def fields_of(query):
    return query["correlatedByFields"] if "ruleId" in query else query.get("groupByFields", [])


def value_of(part, query, field, group):
    """The member of a signal's group that the field is; None: it has none."""
    index = query.get("correlatedQueryIndex")
    for number, asked in enumerate(part["queries"]):
        names = told_of(part, asked)
        if index in (None, number) and field in names:
            return group[names.index(field)] if len(group) == len(names) else None
    raise AssertionError((part["id"], field))


def as_event(signal, id_):
    def union(name):
        return sorted(set().union(*(oracle.values_of(event, name) for event in signal.opening)))
    is_cut = signal.shares_events or len(signal.opening) > SAMPLES or any(e.get("is_cut") for e in signal.opening)
    return {"id": id_, "time": signal.first, "release": signal.first_release, "is_cut": is_cut,
            **{name: union(name) for name in ("account", "region", "actor", "ip")}}


def groups(rule, by_id, told, events):
    """Events of each group: signals of the rules that it names, and plain ones."""
    found = {}
    plain = [(number, query) for number, query in enumerate(rule["queries"]) if "judge" in query]
    if plain:
        only = {**rule, "queries": [query if "judge" in query else {"judge": ("or",)} for query in rule["queries"]]}
        found = oracle.by_group(only, events)
    for number, query in enumerate(rule["queries"]):
        for signal, id_ in told.get(query.get("ruleId"), []):
            part = by_id[query["ruleId"]]
            group = tuple(value_of(part, query, field, signal.group) for field in query["correlatedByFields"])
            if None in group:
                continue
            of_group = found.setdefault(group, [])
            same = [event for event in of_group if event["id"] == id_]
            if not same:
                of_group.append({**as_event(signal, id_), "found": {}})
            (same or of_group[-1:])[0]["found"][number] = []
    for of_group in found.values():
        of_group.sort(key=lambda event: (event["release"], event["time"], event["id"]))
    return found


def judge(rules, events, group_text, signal_id):
    """All signals by id, with their groups as text; parts stand before the rules that name them."""
    largest = max((event["time"] for event in events), default=0)
    ordered = oracle.in_order(events)
    by_id = {rule["id"]: rule for rule in rules}
    told, wanted = {}, {}
    for rule in rules:
        signals = oracle.found(rule, ordered) if not is_over(rule) else [
            signal for group, of_group in sorted(groups(rule, by_id, told, ordered).items())
            for signal in oracle.signals_of_group(rule, group, of_group)]
        ids = [signal_id(rule["id"], group_text(rule, signal.group), signal.opened_by) for signal in signals]
        told[rule["id"]] = list(zip(signals, ids))
        for signal, id_ in told[rule["id"]]:
            cut = any(event.get("is_cut") for event in signal.events)
            one = signal.told(largest)
            wanted[id_] = {**one, "group": group_text(rule, signal.group), "shares_events": one["shares_events"] or cut}
    return wanted
