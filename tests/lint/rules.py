#!/usr/bin/env python3
"""Fails when a built-in rule lacks a part that a signal needs, or a test of either verdict beside it."""
import json
import pathlib
import re
import sys

TACTICS = {"reconnaissance", "resource-development", "initial-access", "execution", "persistence",
           "privilege-escalation", "defense-evasion", "credential-access", "discovery",
           "lateral-movement", "collection", "command-and-control", "exfiltration", "impact"}
TEXTS = {"description": 80, "triage": 60, "response": 40}  # characters at least
TECHNIQUE = re.compile(r"t\d{4}(\.\d{3})?")
LEARNING_DAYS_LEAST = 7
LEVELS = {"informational", "low", "medium", "high", "critical"}
PARTS = {"Triage": 60, "Response": 40, "False positives": 10}  # of a message, characters at least
WHAT_LEAST = 80
TITLE_MAX = 80
COLUMNS_MAX = 120  # of the rules; test events are records of the log


def members(text):
    """The top-level members of a rule file, each with the lines below it as one text."""
    found = {}
    key = None
    for line in text.splitlines():
        head = re.match(r"(\w+):(.*)$", line)
        if head:
            key = head[1]
            found[key] = head[2].strip().removeprefix(">").strip()
        elif key is not None:
            found[key] = f"{found[key]} {line.strip()}".strip()
    return found


def tag_faults(tags):
    """What is wrong with the tags of ATT&CK, named without their prefix."""
    if not TACTICS.intersection(tags):
        yield "no tactic among the tags"
    if not any(TECHNIQUE.fullmatch(tag) for tag in tags):
        yield "no technique among the tags"
    for tag in tags:
        if tag not in TACTICS and not TECHNIQUE.fullmatch(tag):
            yield f"attack.{tag} is neither a tactic nor a technique"


def sigma_faults(text):
    """What a rule in Sigma's language lacks."""
    rule = members(text)
    items = {key: re.findall(r"- (\S+)", rule.get(key, "")) for key in ("tags", "falsepositives", "references")}
    if rule.get("level") not in LEVELS:
        yield "no level"
    yield from tag_faults([tag.removeprefix("attack.") for tag in items["tags"] if tag.startswith("attack.")])
    for key, least in TEXTS.items():
        if len(rule.get(key, "")) < least:
            yield f"{key} has fewer than {least} characters"
    for key in ("falsepositives", "references"):
        if not items[key]:
            yield f"no {key}"
    for key in ("id", "status", "author", "date", *([] if "correlation" in rule else ["logsource", "detection"])):
        if not rule.get(key):
            yield f"no {key}"
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > COLUMNS_MAX and not re.match(r"\s*- ", line):
            yield f"line {number} has {len(line)} columns"


def datadog_faults(text):
    """What a rule in Datadog's language lacks; its message says what description, triage and response say."""
    rule = json.loads(text)
    yield from tag_faults([tag.removeprefix("attack.") for tag in rule["tags"] if tag.startswith("attack.")])
    for key in ("id", "isEnabled"):
        if not rule.get(key):
            yield f"no {key}"
    what, *rest = rule["message"].split("\n\n")
    parts = dict(re.fullmatch(r"\*\*(.+?)\*\* (.+)", part, re.S).groups() for part in rest)
    if len(what) < WHAT_LEAST:
        yield f"the message says what happened in fewer than {WHAT_LEAST} characters"
    if list(parts) != list(PARTS):
        yield f"the message has the parts {list(parts)}, not {list(PARTS)}"
    for part, least in PARTS.items():
        if len(parts.get(part, "")) < least:
            yield f"{part} has fewer than {least} characters"
    learns = rule["options"].get("newValueOptions", {})
    if learns and learns["learningDuration"] < LEARNING_DAYS_LEAST:
        yield f"it learns for fewer than {LEARNING_DAYS_LEAST} days"


def title_of(path):
    """The title, in lower case, and the id of a rule."""
    text = path.read_text(encoding="utf-8")
    rule = json.loads(text) if path.suffix == ".json" else members(text)
    return rule.get("name" if path.suffix == ".json" else "title", ""), rule.get("id", "")


def faults(path):
    """What a rule file lacks, in words."""
    text = path.read_text(encoding="utf-8")
    title, _ = title_of(path)
    if not 10 <= len(title) <= TITLE_MAX:
        yield f"the title has {len(title)} characters"
    yield from datadog_faults(text) if path.suffix == ".json" else sigma_faults(text)
    beside = path.with_name(f"{path.stem}.test.yml")
    verdicts = beside.read_text(encoding="utf-8") if beside.exists() else ""
    for words, verdict in (("that matches", r"match: true\}|signals:\n +- "), ("that does not", r"match: false\}|signals: \[\]\}")):
        if not re.search(rf"expect:(\s+| \{{)({verdict})", verdicts):
            yield f"no test {words}"


def main():
    folder = pathlib.Path(sys.argv[1]) / "src/detect/rules"
    rules = [path for path in sorted((*folder.glob("*.yml"), *folder.glob("*.json"))) if not path.name.endswith(".test.yml")]
    bad = [f"{path}: {fault}" for path in rules for fault in faults(path)]
    bad += [f"{path}: no rule beside it" for path in folder.glob("*.test.yml")
            if not any(path.with_name(path.name.replace(".test.yml", end)).exists() for end in (".yml", ".json"))]
    for which, key in enumerate(("title", "id", "file name")):
        seen = {}
        for path in rules:
            value = (*title_of(path), path.stem)[which].lower()
            if value in seen:
                bad.append(f"{path}: {key} as in {seen[value]}")
            seen[value] = path.name
    if not rules:
        bad.append(f"{folder}: no rules")
    print("\n".join(bad))
    sys.exit(bool(bad))


main()
