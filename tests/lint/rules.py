#!/usr/bin/env python3
"""Fails when a built-in rule lacks a part that a signal needs, or a test of either verdict beside it."""
import pathlib
import re
import sys

TACTICS = {"reconnaissance", "resource-development", "initial-access", "execution", "persistence",
           "privilege-escalation", "defense-evasion", "credential-access", "discovery",
           "lateral-movement", "collection", "command-and-control", "exfiltration", "impact"}
TEXTS = {"description": 80, "triage": 60, "response": 40}  # characters at least
LEVELS = {"informational", "low", "medium", "high", "critical"}
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


def faults(path):
    """What a rule file lacks, in words."""
    text = path.read_text(encoding="utf-8")
    rule = members(text)
    items = {key: re.findall(r"- (\S+)", rule.get(key, "")) for key in ("tags", "falsepositives", "references")}
    tags = [tag.removeprefix("attack.") for tag in items["tags"] if tag.startswith("attack.")]
    title = rule.get("title", "")
    if not 10 <= len(title) <= TITLE_MAX:
        yield f"the title has {len(title)} characters"
    if rule.get("level") not in LEVELS:
        yield "no level"
    if not TACTICS.intersection(tags):
        yield "no tactic among the tags"
    if not any(re.fullmatch(r"t\d{4}(\.\d{3})?", tag) for tag in tags):
        yield "no technique among the tags"
    for tag in tags:
        if tag not in TACTICS and not re.fullmatch(r"t\d{4}(\.\d{3})?", tag):
            yield f"attack.{tag} is neither a tactic nor a technique"
    for key, least in TEXTS.items():
        if len(rule.get(key, "")) < least:
            yield f"{key} has fewer than {least} characters"
    for key in ("falsepositives", "references"):
        if not items[key]:
            yield f"no {key}"
    for key in ("id", "status", "author", "date", "logsource", "detection"):
        if not rule.get(key):
            yield f"no {key}"
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > COLUMNS_MAX and not re.match(r"\s*- ", line):
            yield f"line {number} has {len(line)} columns"
    beside = path.with_name(f"{path.stem}.test.yml")
    verdicts = beside.read_text(encoding="utf-8") if beside.exists() else ""
    for verdict in ("true", "false"):
        if f"expect: {{match: {verdict}}}" not in verdicts:
            yield f"no test with match: {verdict}"


def main():
    folder = pathlib.Path(sys.argv[1]) / "src/detect/rules"
    rules = [path for path in sorted(folder.glob("*.yml")) if not path.name.endswith(".test.yml")]
    bad = [f"{path}: {fault}" for path in rules for fault in faults(path)]
    bad += [f"{path}: no rule beside it" for path in folder.glob("*.test.yml")
            if not path.with_name(path.name.replace(".test.yml", ".yml")).exists()]
    for key in ("id", "title"):
        seen = {}
        for path in rules:
            value = members(path.read_text(encoding="utf-8")).get(key, "").lower()
            if value in seen:
                bad.append(f"{path}: {key} as in {seen[value]}")
            seen[value] = path.name
    if not rules:
        bad.append(f"{folder}: no rules")
    print("\n".join(bad))
    sys.exit(bool(bad))


main()
