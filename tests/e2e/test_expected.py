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


def asserted(folder):
    """What CrowdSec's parser is to find, by line."""
    rows = collections.defaultdict(dict)
    for line in (folder / "parser.assert").read_text().splitlines():
        if found := EXPECTED.match(line):
            rows[int(found[1])][found[2]] = found[3].replace('\\"', '"')
    return rows


def case_expected_sshd():
    tests = data("crowdsecurity+hub/.tests")
    names = ["sshd-logs", "sshd-success-logs", "sshd-bad-keyexchange-bf"]
    got = sources("linux-secure", {f"{name}.log": (tests / name / f"{name}.log").read_bytes() for name in names})
    tally = Tally()
    for name in names:
        for row in asserted(tests / name).values():
            fits = [s for s in got[f"{name}.log"] if s.get("syslog_message", "").strip() == row["message"].strip() and
                    s.get("syslog_timestamp") == row.get("timestamp", s.get("syslog_timestamp"))]
            if not fits:
                tally.miss("(record)", (row["message"],))
                continue
            tally.compare(fits[0], {SSHD[key]: value for key, value in row.items() if key in SSHD}, row["message"])
    tally.check(154, {})


PEERS = {  # what sshd says, who it is about: user.name, source.ip, source.port, event.action, event.outcome
    "User kim lee from 192.0.2.1 not allowed because not listed in AllowUsers":
        ("kim lee", "192.0.2.1", None, "not allowed", "failure"),
    "User kim from host.example not allowed because account is locked": ("kim", None, None, "not allowed", "failure"),
    "User kim from 2001:db8::7 not allowed because none of user's groups are listed in AllowGroups":
        ("kim", "2001:db8::7", None, "not allowed", "failure"),
    "User kim not allowed because shell /bin/none does not exist": ("kim", None, None, "not allowed", "failure"),
    "ROOT LOGIN REFUSED FROM 192.0.2.1 port 51234": (None, "192.0.2.1", 51234, None, None),
    "refused connect from ::ffff:192.0.2.1 (::ffff:192.0.2.1)": (None, "192.0.2.1", None, None, None),
    "refused connect from host.example (192.0.2.1)": (None, "192.0.2.1", None, None, None),
    "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=kim":
        ("kim", "192.0.2.1", None, "authentication failure", "failure"),
    "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=host.example":
        (None, None, None, "authentication failure", "failure"),
    "Disconnected from invalid user kim 192.0.2.1 port 51234 [preauth]":
        ("kim", "192.0.2.1", 51234, "invalid user", "failure"),
    "Connection reset by authenticating user kim 192.0.2.1 port 51234 [preauth]":
        ("kim", "192.0.2.1", 51234, "Connection reset", None),
    "Disconnected from user kim 192.0.2.1 port 51234": ("kim", "192.0.2.1", 51234, "Disconnected", None),
    "Received disconnect from 192.0.2.1: 11: Bye Bye [preauth]":
        (None, "192.0.2.1", None, "Received disconnect", None),
    "reverse mapping checking getaddrinfo for host.example [192.0.2.1] failed - POSSIBLE BREAK-IN ATTEMPT!":
        (None, "192.0.2.1", None, None, None),
    "Address 192.0.2.1 maps to host.example, but this does not map back to the address": (None, "192.0.2.1", None, None, None),
    "Did not receive identification string from 192.0.2.1": (None, "192.0.2.1", None, None, None),
    "Connection from 192.0.2.1 port 51234 on 10.0.0.9 port 22": (None, "192.0.2.1", 51234, None, None),
    "Server listening on 0.0.0.0 port 22.": (None, None, None, None, None),
    "error: connect_to 10.0.0.9 port 80: failed.": (None, None, None, None, None),
}


def case_expected_peers():
    """Whose attempt it was, in every form that names an address; addresses of our own side are not taken for it."""
    lines = "".join(f"Mar  4 05:06:{number:02} web sshd[9]: {text}\n" for number, text in enumerate(PEERS))
    got = sources("linux-secure", {"peers.log": lines.encode()})["peers.log"]
    found = {source["syslog_message"]: tuple(member(source, name) for name in (
        "user.name", "source.ip", "source.port", "event.action", "event.outcome")) for source in got}
    wrong = {text: (found.get(text), want) for text, want in PEERS.items() if found.get(text) != want}
    assert len(found) == len(PEERS) and not wrong, wrong


# ---- CrowdSec: who was refused by MySQL and MariaDB ----

def case_expected_mysql_errors():
    tests, tally = data("crowdsecurity+hub/.tests"), Tally()
    names = ["mariadb-logs", "mysql-logs"]
    got = sources("rds-mysql-error", {f"{name}.log": (tests / name / f"{name}.log").read_bytes() for name in names})
    for name in names:
        by_time = {member(source, "mysql.timestamp"): source for source in got[f"{name}.log"]}
        for row in asserted(tests / name).values():
            written = row["message"].split("[")[0].removesuffix(f" {row.get('thread_id', '')} ").strip()
            ours = by_time.get(row["time"] if "T" in row["time"] else written)
            if ours is None:
                tally.miss("(record)", (row["message"],))
                continue
            when = row["time"] if "T" in row["time"] else f"{row['date']}T{row['time']:0>8}+00:00"
            wanted = {"@timestamp": when, "source.ip": row["source_ip"], "user.name": row["user"]}
            if "thread_id" in row:
                wanted["mysql.thread_id"] = row["thread_id"]
            tally.compare(ours, wanted, row["message"])
    tally.check(12, {
        "(record)": (2, "the two-digit years of MariaDB up to 10.1, which RDS no longer runs, begin no record"),
        "source.ip": (8, "as the reference, which leaves it in the message"),
        "user.name": (8, "as the reference, which leaves it in the message")})


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
        "rds.database_name": (2, "as in the reference quotes of a name are kept, and only USE names a database, not "
                                 "the Schema of a comment"),
        "user.name": (1, "[SQL_SLAVE] is a thread of the server, which has no name before its brackets")})


# ---- the observability catalogue of OpenSearch: lines and what its integrations make of them ----

CLOUDFRONT = {"x-edge-location": "x_edge_location", "sc-bytes": "http.response.bytes", "c-ip": "source.ip",
              "cs-method": "http.request.method", "cs-host": "cs_host", "cs-uri-stem": "url.path",
              "sc-status": "http.response.status_code", "cs-uri-query": "url.query",
              "cs-user-agent": "cs_user_agent", "x-host-header": "url.domain", "cs-protocol": "url.scheme",
              "cs-bytes": "http.request.bytes", "time-taken": "time_taken", "c-port": "source.port",
              "ssl-protocol": "ssl_protocol", "ssl-cipher": "ssl_cipher", "x-edge-result-type": "x_edge_result_type",
              "x-edge-response-result-type": "x_edge_response_result_type", "cs-protocol-version": "cs_protocol_version",
              "x-edge-detailed-result-type": "x_edge_detailed_result_type", "time-to-first-byte": "time_to_first_byte"}
S3 = {"bucket_owner": "BucketOwner", "bucket": "Bucket", "remote_ip": "source.ip", "requester": "Requester",
      "request_id": "RequestID", "operation": "Operation", "key": "Key", "http_status": "http.response.status_code",
      "error_code": "ErrorCode", "bytes_sent": "BytesSent", "total_time": "TotalTime",
      "turn_around_time": "TurnAroundTime", "user_agent": "user_agent.original", "version_id": "VersionId"}
WAF = {"webaclId": "webaclId", "terminatingRuleId": "rule.name", "action": "event.action",
       "httpSourceName": "httpSourceName", "httpSourceId": "httpSourceId", "httpRequest.clientIp": "source.ip",
       "httpRequest.country": "httpRequest.country", "httpRequest.uri": "url.path", "httpRequest.args": "url.query",
       "httpRequest.httpMethod": "http.request.method", "httpRequest.requestId": "httpRequest.requestId"}
TRAIL = {"eventName": "event.action", "awsRegion": "cloud.region", "recipientAccountId": "cloud.account.id",
         "userAgent": "user_agent.original", "sourceIPAddress": "source.address", "eventID": "eventID",
         "eventTime": "@timestamp", "eventSource": "eventSource", "userIdentity.type": "userIdentity.type",
         "userIdentity.arn": "userIdentity.arn", "errorCode": "errorCode", "requestID": "requestID"}
CATALOGUE = "opensearch-project+opensearch-catalog/integrations/observability"


def catalogue(integration, name, group):
    """The lines of an integration, and what it makes of them."""
    folder = data(CATALOGUE) / integration / "data"
    raw = folder / "raw.log"
    rows = [row["aws"][group] | {"body": row.get("body")} for row in json.loads((folder / name).read_text())]
    return raw.read_bytes() if raw.exists() else b"", rows


def compare_by(names, ours_id, theirs_id, got, rows):
    """Pairs the records by an id of theirs and compares the fields that names tells."""
    tally, by_id = Tally(), {str(member(source, ours_id)): source for source in got}
    for row in rows:
        wanted = {path: member(row, name) for name, path in names.items() if member(row, name) is not None}
        ours = by_id.get(str(member(row, theirs_id)))
        if ours is None:
            tally.miss("(record)", (wanted,))
        else:
            tally.compare(ours, wanted, member(row, theirs_id))
    return tally


def case_expected_cloudfront():
    lines, rows = catalogue("amazon_cloudfront", "sample.json", "cloudfront")
    got = sources("cloudfront-standard", {"x.log": lines})["x.log"]
    tally = compare_by(CLOUDFRONT, "x_edge_request_id", "x-edge-request-id", got, rows)
    tally.check(259, {"source.ip": (13, "theirs was made anonymous after it was read"),
                      "source.port": (1, "theirs repeats that of another line; in the line it is ours")})


def case_expected_s3():
    rows = catalogue("amazon_s3", "sample.json", "s3")[1]
    got = sources("s3accesslog", {"x.log": "\n".join(row["body"] for row in rows).encode() + b"\n"})["x.log"]
    assert len(got) == len(rows), (len(got), len(rows))
    tally = compare_by(S3, "BucketOwner", "bucket_owner", got, rows)
    tally.check(65, {"source.ip": (5, "theirs was made anonymous after it was read")})


def case_expected_waf():
    lines, rows = catalogue("aws_waf", "samples.json", "waf")
    got = sources("waf", {"x.log": lines})["x.log"]
    tally = compare_by(WAF, "httpRequest.requestId", "httpRequest.requestId", got, rows)
    tally.check(380, {"webaclId": (38, "theirs was made anonymous after it was read")})


def case_expected_cloudtrail():
    rows = catalogue("aws_cloudtrail", "samples.json", "cloudtrail")[1]
    got = sources("cloudtrail", {"x.json": json.dumps({"Records": rows}).encode()})["x.json"]
    tally = compare_by(TRAIL, "eventID", "eventID", got, rows)
    tally.check(538, {})


def case_expected_read():
    """Where what the catalogue shows is of other lines than those beside it: every line is read at least."""
    for integration, kind, count in (("amazon_elb", "alb", 63), ("amazon_rds", "rds-postgresql", 402)):
        got = sources(kind, {"x.log": (data(CATALOGUE) / integration / "data/raw.log").read_bytes()})["x.log"]
        unread = [source for source in got if is_unread(source)]
        assert len(got) == count and not unread, (kind, len(got), unread[:3])


# ---- Datadog's forwarder: what it makes of an envelope of CloudWatch Logs ----

FORWARDER = "DataDog+datadog-serverless-functions/aws/logs_monitoring/tests"


def forwarded(row):
    """What both sides say of a message in an envelope."""
    stream = row["aws"]["awslogs"]
    when = datetime.datetime.fromtimestamp(row["timestamp"] / 1000, datetime.timezone.utc)
    return {"@log_group": stream["logGroup"], "@log_stream": stream["logStream"],
            "cloud.account.id": stream["owner"], "@timestamp": when.isoformat(), "@message": row["message"]}


def envelope(row):
    stream = row["aws"]["awslogs"]
    return json.dumps({"messageType": "DATA_MESSAGE", **stream, "subscriptionFilters": ["all"], "logEvents": [
        {"id": row["id"], "timestamp": row["timestamp"], "message": row["message"]}]}).encode()


def case_expected_forwarder():
    """A line that its type reads, and those of a function, which fit no line of the type and are kept whole."""
    tests, tally = data(FORWARDER), Tally()
    approved = tests / "approved_files"
    postgres = json.loads((approved / "TestAWSLogsHandler.test_awslogs_handler_rds_postgresql.approved.json").read_text())
    function = json.loads((approved / "TestLambdaFunctionEndToEnd.test_datadog_forwarder.approved.json").read_text())
    got = sources("rds-postgresql", {"postgres.json": b"".join(map(envelope, postgres)),
                                     "function.json": (tests / "events/cloudwatch_logs.json").read_bytes()})
    for row, ours in zip(postgres, got["postgres.json"], strict=True):
        assert not is_unread(ours), ours
        wanted = forwarded(row)
        wanted["rds.message"] = wanted.pop("@message").split("LOG:  ")[1]
        tally.compare(ours, wanted, row["id"])
    by_message = {source["@message"]: source for source in got["function.json"]}
    assert len(function) == len(got["function.json"]), got
    for row in function:
        row["message"] = row["message"].rstrip("\n")  # ends the line and is no part of it
        tally.compare(by_message.get(row["message"]), forwarded(row), row["id"])
    tally.check(100, {})


main(globals())
