#!/usr/bin/env python3
"""test_crowdsec.py PENSTOCK CASE - what CrowdSec's tests expect of lines, where it speaks of the same fields."""
import collections
import os
import pathlib
import re
import sys

from kit import WORK, documents, main, replay

DATA = os.environ.get("PENSTOCK_DATA")
FIELDS = {  # a name of theirs: where it stands in our documents
    "source_ip": "source.ip", "http_status": "http.response.status_code", "http_verb": "http.request.method",
    "http_user_agent": "user_agent.original", "http_host": "url.domain", "http_port": "url.port",
    "event_name": "event.action", "event_source": "event.module", "region": "cloud.region",
    "user_type": "userIdentity.type", "user_agent": "user_agent.original", "user_arn": "user.name"}
LINE = re.compile(r'results\["(s0\d-\w+)"\]\["([^"]+)"\]\[(\d+)\]\.Evt\.Meta\["(\w+)"\] == "(.*)"$')
SETS = {  # set: our type, what is to stand before its lines, how many values are compared
    "aws-alb-logs": ("alb", b"", 84), "aws-cloudfront-logs": ("cloudfront-standard", b"#Version: 1.0\n#Fields: date\n", 8),
    "aws-cloudtrail": ("cloudtrail", b"", 14)}


def expected(folder):
    """What the last stage of theirs says, by line."""
    stages = collections.defaultdict(lambda: collections.defaultdict(dict))
    for line in (folder / "parser.assert").read_text().splitlines():
        found = LINE.match(line)
        if found:
            stage, parser, number, name, value = found.groups()
            stages[stage, parser][int(number)][name] = value.replace('\\"', '"')
    return stages[max(stages)]


def member(source, path):
    for name in path.split("."):
        source = source.get(name) if isinstance(source, dict) else None
    return None if source is None else str(source)


def case_crowdsec():
    if not DATA:
        print("skipped: PENSTOCK_DATA is not set")
        sys.exit(77)
    for name, (kind, head, least) in SETS.items():
        folder = pathlib.Path(DATA) / "crowdsecurity+hub/.tests" / name
        root = WORK / name
        root.mkdir()
        (root / "x.log").write_bytes(head + (folder / f"{name}.log").read_bytes())
        replay(root, WORK / f"out-{name}", "--no-rules", "--as", kind, code=None)
        got = [line["_source"] for line in documents(WORK / f"out-{name}")]
        count = 0
        for wanted in expected(folder).values():
            ours = {FIELDS[theirs]: value for theirs, value in wanted.items() if theirs in FIELDS and value}
            count += len(ours)
            same = [sum(member(source, path) == value for path, value in ours.items()) for source in got]
            best = got[same.index(max(same))]
            wrong = {path: (member(best, path), value) for path, value in ours.items() if member(best, path) != value}
            assert not wrong, (name, wrong)
        assert count == least, (name, count)


main(globals())
