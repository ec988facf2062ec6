#!/usr/bin/env python3
"""test_rules_bad.py PENSTOCK CASE - rules that are too large, too many or too slow, each with its limit and words."""
import json

import kit

MIB = 1 << 20
RULE = {"name": "r", "isEnabled": True, "message": "m", "type": "log_detection", "tags": [],
        "queries": [{"query": "source:cloudtrail @eventName:Put", "groupByFields": [], "aggregation": "count", "name": "a"}],
        "cases": [{"name": "c", "status": "high", "condition": "a > 0", "notifications": []}],
        "options": {"detectionMethod": "threshold", "evaluationWindow": 300, "keepAlive": 300, "maxSignalDuration": 3600}}


def put(name, text):
    path = kit.WORK / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    return path


def query(text, **more):
    return {**RULE, "queries": [{**RULE["queries"][0], "query": text}], **more}


def sigma(number, detection, more=""):
    return (f"title: r{number}\nid: 00000000-0000-4000-8000-{number:012}\nlevel: low\n"
            f"logsource: {{product: aws, service: cloudtrail}}\n{more}detection:\n{detection}\n")


def check(path, code=0):
    done = kit.run("rules", "check", path, code=code)
    return (done.stdout + done.stderr).decode()


def refused(path, words):
    told = check(path, 4)
    assert words in told and path.name in told, (words, told[-1000:])


def case_rules_bad_large():
    """A file or rule of 10 MB is refused by its limit; 10 MB of good rules are read."""
    text = "x" * (10 * MIB)
    refused(put("big.yml", sigma(1, "  s: {eventName: Put}\n  condition: s", f"description: {text}\n")),
            "1:1: 1048577 bytes of YAML, 1048576 at most")
    refused(put("big.json", {**RULE, "message": text}), "a rule has at most 1048576 bytes")
    refused(put("deep.json", "[" * (10 * MIB)), "more than 64 levels")
    many = put("many.json", [{**RULE, "name": f"r{i}", "message": "x" * 9500} for i in range(1100)])
    assert many.stat().st_size > 10 * MIB and "1100 rules are good, 0 were rejected" in check(many)
    for part in range(11):
        rules = (sigma(part * 1000 + i, f"  s: {{eventName: Put{i}}}\n  condition: s", f"description: {'x' * 1050}\n")
                 for i in range(800))
        put(f"many/{part}.yml", "\n---\n".join(rules))
    assert "8800 rules are good, 0 were rejected" in check(kit.WORK / "many")


def case_rules_bad_predicates():
    """100,000 conditions: too many for one rule, which says so; in many rules they load, match, and have a limit."""
    names = [f"@eventName:v{i}" for i in range(100000)]
    refused(put("one.json", query(" OR ".join(names))), "a rule has at most 1048576 bytes")
    refused(put("query.json", query(" OR ".join(names[:6000]))), "65536")
    values = "".join(f"    - v{i}\n" for i in range(100000))
    refused(put("values.yml", sigma(1, f"  s:\n    eventName:\n{values}  condition: s")), "1048576 at most")
    several = "".join(f"  s{i}: {{eventName: v{i}}}\n" for i in range(10000))
    refused(put("condition.yml", sigma(2, several + "  condition: " + " or ".join(f"s{i}" for i in range(10000)))),
            "the condition is longer than 65536 bytes")
    parts = [names[i:i + 1000] for i in range(0, len(names), 1000)]
    rules = put("parts.json", [query(f"source:cloudtrail ({' OR '.join(part)})", name=f"q{i}") for i, part in enumerate(parts)])
    folder = kit.Folder()
    folder.put("b.json", json.dumps({"Records": [kit.event(10, eventName="v0"), kit.event(11, eventName="v99999"),
                                                 kit.event(12, eventName="v100000")]}).encode())
    summary = kit.replay(folder.root, kit.WORK / "out", "--rules", rules, "--sink", "null")
    assert (summary["rules"]["loaded"], summary["matches"]) == (100, 2), summary
    # The same for every log type is more than the conditions of all may take.
    everywhere = put("everywhere.json", [query(" OR ".join(part), name=f"q{i}") for i, part in enumerate(parts)])
    told = check(everywhere, 4)
    assert "the conditions of 100 rules take more than 1024 MiB" in told and "source:cloudtrail" in told, told


def case_rules_bad_windows():
    """Windows, keep-alives and time spans over their limits."""
    folder = "w.json"
    for option in ("evaluationWindow", "keepAlive", "maxSignalDuration"):
        for seconds in (86401, 2**31, -1):
            refused(put(folder, {**RULE, "options": {**RULE["options"], option: seconds}}), f"`{option}` is 0, 60, 300")
        refused(put(folder, {**RULE, "options": {**RULE["options"], option: 2**63}}), f"`{option}` is a whole number")
    for span, words in (("32d", "31 days at most"), ("9999999999999999999d", "31 days at most"), ("10y", "one of s m h d w"),
                        ("0s", "one of s m h d w"), ("-1m", "one of s m h d w")):
        refused(put("c.yml", sigma(4, "  s: {eventName: Put}\n  condition: s", "name: p\n") +
                    "---\ntitle: c\nid: 00000000-0000-4000-8000-000000000099\nlevel: high\ncorrelation:\n  type: event_count\n"
                    f"  rules: [p]\n  group-by: [sourceIPAddress]\n  timespan: {span}\n  condition: {{gte: 5}}\n"), words)


def case_rules_bad_expressions():
    """Expressions that explode are refused by their size, or run within bounds and find what they should."""
    for text, words in (("a{1,100000}", "number too big"), ("^(?:(?:a?){100}){100}a{100}$", "too large"),
                        ("(" * 20000, "longer than 16384 bytes")):
        refused(put("re.yml", sigma(5, f"  s: {{userAgent|re: '{text}'}}\n  condition: s")), words)
    slow = ("(a+)+$", "^(a|aa)+$", "(((((a*)*)*)*)*)*b$", "^(a+a+)+b?$")
    rules = put("slow.yml", "---\n".join(sigma(10 + i, f"  s: {{userAgent|re: '{text}'}}\n  condition: s")
                                         for i, text in enumerate(slow)))
    folder = kit.Folder()
    folder.put("b.json", json.dumps({"Records": [kit.event(10, userAgent="a" * 50000 + "c"), kit.event(11, userAgent="a" * 20),
                                                 kit.event(12, userAgent="aab")]}).encode())
    rows = [json.loads(row) for row in kit.run("rules", "match", "--rules", rules, folder.root).stdout.splitlines()]
    found = sorted((int(row["rule"][-12:]), row["record"]) for row in rows if row["object"].endswith("b.json"))
    assert found == [(10, 1), (11, 1), (12, 2), (13, 1), (13, 2)], found


kit.main({name: case for name, case in globals().items() if name.startswith("case_")})
