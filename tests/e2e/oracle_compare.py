"""oracle_compare.py - signals of the program against those of the oracle."""
import collections

import oracle_stages

SAMPLES = 10  # signal.samples_first, signal.samples_last
LISTS = ("accounts", "regions", "actors", "source_ips")
EXACT = ("first_seen", "last_seen", "events_matched", "events_per_query", "severity", "case", "closed", "late")


def judged(rules, events, group_text, signal_id):
    """The oracle's signals by the id that they must have."""
    return oracle_stages.judge(rules, events, group_text, signal_id)


def differences(wanted, got):
    """A line for each member of a signal that differs.  What an earlier signal counted need not show, in `late` either."""
    lines = [f"not told: {wanted[id_]}" for id_ in sorted(wanted.keys() - got.keys())]
    lines += [f"too many: {got[id_]}" for id_ in sorted(got.keys() - wanted.keys())]
    for id_ in sorted(wanted.keys() & got.keys()):
        one, other = wanted[id_], got[id_]
        for name in ("rule", "group", *EXACT):
            if one[name] != other[name] and not (name == "late" and one["shares_events"] and not other[name]):
                lines.append(f"{id_} {one['rule']} {one['group']} {name}: {one[name]} wanted, {other[name]} told")
        lines += bounded(id_, one, other)
    return lines


def bounded(id_, one, other):
    """Lists and samples hold what counted; all of it, where few events counted and
    none of them counted before."""
    is_small = one["events_matched"] <= SAMPLES and not one["shares_events"]
    for name in LISTS:
        if not set(other[name]) <= set(one[name]) or is_small and other[name] != one[name]:
            yield f"{id_} {one['rule']} {name}: {one[name]} wanted, {other[name]} told"
    extra = collections.Counter(set(other["samples"])) - collections.Counter(one["event_ids"])
    if extra or is_small and set(other["samples"]) != set(one["event_ids"]):
        yield f"{id_} {one['rule']} events: {one['event_ids']} wanted, {other['samples']} told"
