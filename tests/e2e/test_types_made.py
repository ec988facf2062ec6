#!/usr/bin/env python3
"""test_types_made.py PENSTOCK CASE - records of each log type, made in its documented form, become the
documents that they should: the members that are told here, and no more dead letters than told."""
import gzip
import os
import sys

import types_made
from kit import CASE, WORK, documents, replay

MISSING = "is not there"


def member(document, path):
    """The value at a dotted path; a path that is a member's whole name wins."""
    if isinstance(document, list):
        return [member(one, path) for one in document]
    if not isinstance(document, dict):
        return MISSING
    if path in document:
        return document[path]
    head, _, rest = path.partition(".")
    return member(document[head], rest) if rest and head in document else MISSING


def wrong(document, wanted):
    """What is not as wanted; a number is as good as the text of it."""
    for path, value in wanted.items():
        got = document.get(path, MISSING) if path in ("_id", "_index") else member(document["_source"], path)
        if got != value and not (isinstance(value, (int, float)) and str(got) == str(value)):
            yield f"{path}: {got!r}, wanted {value!r}"


def main():
    made = types_made.MADE[CASE.removeprefix("made_")]
    source = WORK / "in"
    path = source / made["key"]
    path.parent.mkdir(parents=True)
    body = made["body"].encode()
    path.write_bytes(gzip.compress(body) if path.suffix == ".gz" else body)
    os.utime(path, (1743465600, 1743465600))  # 2025-04-01: the year of times without one
    summary = replay(source, WORK / "out", "--no-rules")
    got = documents(WORK / "out")
    bad = [] if len(got) == len(made["wants"]) else [f"{len(got)} documents: {summary}"]
    for document, wanted in zip(got, made["wants"]):
        wanted = {"@log_type": made["type"], **wanted}
        bad += [f"{line} in {document}" for line in wrong(document, wanted)]
    print("\n".join(bad))
    sys.exit(1 if bad else 0)


main()
