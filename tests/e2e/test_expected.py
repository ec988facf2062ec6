#!/usr/bin/env python3
"""test_expected.py PENSTOCK CASE - what the tests of other parsers expect of the same lines, where they
speak of the same field.  A difference must be in the case's table, with how often it is met and why."""
import collections
import datetime
import json
import os
import pathlib
import re
import sys

from kit import WORK, documents, main, replay

DATA = os.environ.get("PENSTOCK_DATA")
CUT = " ..."  # the end of an example that Percona's digest cut


def data(folder):
    if not DATA:
        print("skipped: PENSTOCK_DATA is not set")
        sys.exit(77)
    return pathlib.Path(DATA) / folder


def sources(kind, objects):
    """The documents of made objects {name: bytes}, by the object's name."""
    root, out = WORK / kind, WORK / f"out-{kind}"
    root.mkdir()
    for name, content in objects.items():
        (root / name).write_bytes(content)
    replay(root, out, "--no-rules", "--as", kind, code=None)
    rows = collections.defaultdict(list)
    for line in documents(out):
        rows[line["_source"]["@log_s3key"]].append(line["_source"])
    return rows


def member(source, path):
    for name in path.split("."):
        source = source.get(name) if isinstance(source, dict) else None
    return source


def same(path, ours, theirs):
    """Whether a value is theirs; a number is as good as its text, and no value as good as a dash."""
    if ours is None:
        return theirs in ("", "-")
    if path == "rds.query" and theirs.endswith(CUT):
        return ours.startswith(theirs.removesuffix(CUT))
    if path == "@timestamp":
        when = datetime.datetime.fromisoformat(ours)
        return (when if "." in theirs else when.replace(microsecond=0)) == datetime.datetime.fromisoformat(theirs)
    if isinstance(theirs, (int, float)):
        return float(ours) == theirs
    return str(ours) == theirs


class Tally:
    """Counts values that agree and those that do not, by field."""

    def __init__(self):
        self.agree, self.differ, self.shown = 0, collections.Counter(), []

    def compare(self, source, wanted, note):
        for path, value in wanted.items():
            if same(path, member(source, path), value):
                self.agree += 1
            else:
                self.miss(path, (note, member(source, path), value))

    def miss(self, path, shown):
        self.differ[path] += 1
        self.shown.append((path, *shown))

    def check(self, agree, by_design):
        """by_design: {field: (how often, why)}"""
        wanted = {path: count for path, (count, reason) in by_design.items() if reason}
        assert (self.agree, dict(self.differ)) == (agree, wanted), (self.agree, self.differ, self.shown)


def is_unread(source):
    return member(source, "event.kind") == "pipeline_error"


# ---- pganalyze: PostgreSQL lines with many prefixes ----

RDS_PREFIX = "LogPrefixAmazonRds"
PGANALYZE = {"OccurredAt": "@timestamp", "Username": "user.name", "Database": "rds.database_name",
             "BackendPid": "process.pid", "LogLevel": "log.level", "Content": "rds.message"}


def case_expected_pganalyze():
    path = data("pganalyze+collector") / "_extracted/postgres_line_prefix.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    got = sources("rds-postgresql", {f"{i}.log": row["line"].encode() + b"\n" for i, row in enumerate(rows)})
    tally = Tally()
    for i, row in enumerate(rows):
        ours = got[f"{i}.log"][0]
        if is_unread(ours):
            assert row["prefix"] != RDS_PREFIX, row
            assert ours["@message"] in row["line"], (ours, row)
            tally.miss("(record)", (row["line"],))
            continue
        wanted = {PGANALYZE[name]: value for name, value in row["expected"].items() if name in PGANALYZE}
        if "log.level" in wanted:
            wanted["log.level"] = wanted["log.level"].removeprefix("LogLineInformation_")
        tally.compare(ours, wanted, row["line"])
    tally.check(16, {"(record)": (20, "the type reads the prefix that RDS sets, no other; the line is kept whole")})


# ---- CrowdSec: who knocked at sshd ----

SSHD = {"program": "process.name", "pid": "process.pid", "machine": "host.hostname",
        "sshd_client_ip": "source.ip", "source_ip": "source.ip", "sshd_invalid_user": "user.name",
        "sshd_auth_user": "user.name", "target_user": "user.name", "sshd_client_port": "source.port",
        "timestamp": "syslog_timestamp"}
EXPECTED = re.compile(r'results\["s01-parse"\]\["[^"]+"\]\[(\d+)\]\.Evt\.(?:Meta|Parsed)\["(\w+)"\] == "(.*)"$')


def case_expected_sshd():
    tests = data("crowdsecurity+hub/.tests")
    names = ["sshd-logs", "sshd-success-logs", "sshd-bad-keyexchange-bf"]
    got = sources("linux-secure", {f"{name}.log": (tests / name / f"{name}.log").read_bytes() for name in names})
    tally = Tally()
    for name in names:
        theirs = collections.defaultdict(dict)
        for line in (tests / name / "parser.assert").read_text().splitlines():
            if found := EXPECTED.match(line):
                theirs[int(found[1])][found[2]] = found[3].replace('\\"', '"')
        for row in theirs.values():
            fits = [s for s in got[f"{name}.log"] if s.get("syslog_message", "").strip() == row["message"].strip() and
                    s.get("syslog_timestamp") == row.get("timestamp", s.get("syslog_timestamp"))]
            if not fits:
                tally.miss("(record)", (row["message"],))
                continue
            tally.compare(fits[0], {SSHD[key]: value for key, value in row.items() if key in SSHD}, row["message"])
    tally.check(142, {
        "source.ip": (7, "as the reference, whose patterns do not read the address of PAM, of TCP wrappers, "
                         "of AllowUsers and behind the name of an invalid user"),
        "user.name": (5, "as the reference, which names the user of PAM, of AllowUsers and of an attempt under "
                         "way (authenticating user) only in the message")})


# ---- Percona: slow queries of MySQL and MariaDB ----

def slow_wanted(group):
    """What a class of their digest says of its one example."""
    example = group["Example"]
    wanted = {"user.name": group["User"], "rds.database_name": example["Db"], "rds.query": example["Query"],
              "rds.query_time": example["QueryTime"]}
    if "Ts" in example:
        wanted["@timestamp"] = example["Ts"] + "+00:00"
    return wanted


def case_expected_slow_queries():
    folder = data("percona+go-mysql")
    goldens = [p for p in sorted((folder / "event/testdata").glob("*.golden")) if "no-examples" not in p.name]
    logs = {f"{p.stem}.log": (folder / "test/slow-logs" / f"{p.stem}.log").read_bytes() for p in goldens}
    got, tally = sources("rds-mysql-slowquery", logs), Tally()
    for path in goldens:
        for group in json.loads(path.read_text())["Class"].values():
            wanted = slow_wanted(group)
            fits = [s for s in got[f"{path.stem}.log"] if same("rds.query", member(s, "rds.query"), wanted["rds.query"]) and
                    same("rds.query_time", member(s, "rds.query_time"), wanted["rds.query_time"])]
            if not fits:
                tally.miss("(record)", (path.stem, wanted))
                continue
            tally.compare(fits[0], wanted, path.stem)
    tally.check(47, {
        "(record)": (10, "two logs have no Time line, at which the type, as the reference, begins a record"),
        "rds.database_name": (2, "quotes of a name are kept as the reference keeps them; the Schema of a comment, "
                                 "which RDS does not write, is no database"),
        "user.name": (1, "[SQL_SLAVE] is a thread of the server, which has no name before its brackets")})


main(globals())
