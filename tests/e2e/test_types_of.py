#!/usr/bin/env python3
"""test_types_of.py PENSTOCK TYPE - documents of a log type against those of SIEM on Amazon OpenSearch
Service for the same records, where the samples are at hand; differences are listed with reasons."""
import collections
import gzip
import hashlib
import json
import os
import pathlib
import sys

from kit import CASE, WORK, documents, replay

LISTED = pathlib.Path(__file__).parent / "types_differences.txt"
HEADERS = {  # lines before the first record
    "vpcflow": ["version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end "
                "action log-status"],
    "cloudfront": ["#Version: 1.0", "#Fields: they are always the same"],
}

SUBSCRIBED = {"linux_secure"}  # what the log stream says is in the documents
MODIFIED_S = 1795348800  # 2026-11-22T12:00:00Z: the reference took the year of syslog from its clock, late in 2026


def listed():
    """{type: {difference: reason}} of the file of differences."""
    rows, reason = collections.defaultdict(dict), ""
    for line in LISTED.read_text().splitlines():
        if line.startswith("#"):
            reason = line[1:].strip()
        elif line.strip():
            kind, what = line.split(" ", 1)
            rows[kind][what.strip()] = reason
    return rows


def flat(value, path=""):
    """Leaves by dotted path; elements of lists keep their order."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for inner in value:
            yield from flat(inner, path + "[]")
    else:
        yield path, value


def leaves(document):
    """What is compared: a number is as good as the text of it."""
    got = collections.defaultdict(list)
    for path, value in flat(document):
        got[path].append(str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value)
    return got


def differences(wanted, got):
    a, b = leaves(wanted), leaves(got)
    for path in sorted(set(a) | set(b)):
        if path not in b:
            yield f"{path}:missing"
        elif path not in a:
            yield f"{path}:extra"
        elif a[path] != b[path]:
            yield f"{path}:value", a[path], b[path]


def subscription_of(rows):
    """A message of CloudWatch Logs, as the reference was given these rows; the id of an event is part of a document's."""
    events = [{"id": event_id(row), "timestamp": MODIFIED_S * 1000, "message": row["raw"]} for row in rows]
    return {"messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": rows[0]["doc"]["@log_group"],
            "logStream": rows[0]["doc"]["@log_stream"], "subscriptionFilters": ["x"], "logEvents": events}


def event_id(row):
    return hashlib.sha256(row["raw"].encode()).hexdigest()[:56]


def object_of(rows):
    """The bytes of an object that holds the records of these rows."""
    if CASE in SUBSCRIBED:
        return gzip.compress(json.dumps(subscription_of(rows)).encode())
    lines = HEADERS.get(CASE, []) + [row["raw"] for row in rows]
    return gzip.compress(("\n".join(lines) + "\n").encode())


def rows_of(path):
    """The rows; those in which secrets were blotted out afterwards have the id of what was there before."""
    for line in path.read_text().splitlines():
        row = json.loads(line)
        if "doc" not in row:  # the reference could not read it
            continue
        if "REDACTED" in row["raw"] and len(row["id"]) == 32:
            row["id"] = row["doc"]["@id"] = hashlib.md5(row["raw"].encode()).hexdigest()
        if CASE in SUBSCRIBED:
            row["id"] = row["doc"]["@id"] = hashlib.md5((row["raw"] + event_id(row)).encode()).hexdigest()
        elif "@log_group" in row["doc"]:  # what an envelope adds is no part of a file of lines
            for name in ("@log_group", "@log_stream", "cwl_timestamp"):
                row["doc"].pop(name, None)
            row["id"] = row["doc"]["@id"] = hashlib.md5(row["raw"].encode()).hexdigest()
        yield row


def main():
    data = os.environ.get("PENSTOCK_DATA")
    if not data:
        print("skipped: PENSTOCK_DATA is not set")
        sys.exit(77)
    path = pathlib.Path(data) / "siem_oracle" / f"{CASE}.jsonl"
    rows = list(rows_of(path))
    by_key = collections.defaultdict(list)
    for row in rows:
        by_key[row["s3_key"]].append(row)
    known, seen, bad = listed()[CASE], set(), []
    for number, (key, some) in enumerate(by_key.items()):
        source = WORK / f"in{number}"
        (source / key).parent.mkdir(parents=True)
        (source / key).write_bytes(object_of(some))
        os.utime(source / key, (MODIFIED_S, MODIFIED_S))
        summary = replay(source, WORK / f"out{number}", "--no-rules", code=None)
        got = collections.defaultdict(list)  # several versions of a record may share their id
        for line in documents(WORK / f"out{number}"):
            line["_source"].get("event", {}).pop("ingested", None)
            got[line["_id"]].append(line)
        if summary["records"]["delivered"] != len(some):
            bad.append(f"{summary['records']} of {len(some)} rows: {summary['words']}")
        for row in some:
            if row["id"] not in got:
                bad.append(f"no document of a row: {row['raw'][:300]}")
                continue
            found, line = min(((list(differences(row["doc"], line["_source"])), line) for line in got[row["id"]]),
                              key=lambda pair: len(pair[0]))
            if line["_index"] != row["index"]:
                found.append((f"_index:value", row["index"], line["_index"]))
            for one in found:
                name = one if isinstance(one, str) else one[0]
                seen.add(name)
                if name not in known and name.split(":")[0] not in ("@message", "@log_s3bucket"):
                    bad.append(f"{one} in {row['raw'][:200]}")
    for name in sorted(set(known) - seen):
        bad.append(f"listed difference no longer occurs: {name}")
    shown = collections.Counter(str(b).split(" in ")[0][:400] for b in bad)
    for text, count in shown.most_common(40):
        print(count, text)
    print(f"{len(rows)} documents compared")
    sys.exit(1 if bad else 0)


main()
