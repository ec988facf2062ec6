#!/usr/bin/env python3
"""test_json_suite.py PENSTOCK CASE - the files of JSONTestSuite: what is JSON (y_) is read, what is none (n_) is told,
and what may be either (i_) ends in one of the two."""
import collections
import json
import os
import pathlib
import sys

from kit import main, run

DATA = os.environ.get("PENSTOCK_DATA")


def files():
    if not DATA:
        print("skipped: PENSTOCK_DATA is not set")
        sys.exit(77)
    found = sorted((pathlib.Path(DATA) / "nst+JSONTestSuite/test_parsing").glob("*.json"))
    assert len(found) == 318, len(found)
    return found


def is_read(text):
    """Whether all of the text is records; what is not is told with a reason."""
    got = json.loads(run("types", "test", "--json", "-", "--as", "json", input=text, code=None).stdout)
    reasons = [one["reason"] for one in got["bad"]] + ([got["damage"]] if got["damage"] else [])
    assert all(reasons) and bool(reasons) == (got["bad_records"] > 0 or bool(got["damage"])), (text[:200], got)
    return not reasons and got["records"] > 0


def differing(read):
    """The files that do not end as their names say."""
    wrong, counts = [], collections.Counter()
    for path in files():
        kind, text = path.name[0], path.read_bytes()
        got = read(text)
        if got is None:
            continue
        counts[kind] += 1
        if kind != "i" and got != (kind == "y"):
            wrong.append((path.name, text[:60]))
    assert not wrong, (len(wrong), wrong)
    return counts


def case_json_suite():
    """Each as the value of a member of a record."""
    counts = differing(lambda text: is_read(b'{"when":"2025-03-04T05:06:07Z","v":' + text + b"}"))
    assert counts == {"y": 95, "n": 188, "i": 35}, counts


def case_json_suite_records():
    """Those that begin as an object does, as records."""
    counts = differing(lambda text: is_read(text) if text.lstrip()[:1] == b"{" else None)
    assert counts == {"y": 12, "n": 40, "i": 1}, counts


main(globals())
