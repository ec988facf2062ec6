#!/usr/bin/env python3
"""test_allocations.py PENSTOCK CASE - records cost no allocation on the threads of the shards.

The program runs with a preloaded library (allocations.c, named by PENSTOCK_ALLOCATIONS_LIBRARY) that
counts the calls of every thread.  N records and 4 N records in as many objects must need about as
many: buffers grow a few times more often, and that is all.  The rules are those of the pack that keep no
state: what rules that count remember of a group is allocated once for each.
"""
import gzip
import json
import os
import pathlib
import shutil
import struct

from kit import DAY, WORK, event, main, replay

OBJECTS = 4
RECORDS = 2000  # and four times as many
PER_RECORD_MAX = 0.01
ROW = struct.Struct("=16s6Q")
PACK = pathlib.Path(__file__).parents[2] / "src/detect/rules"


def stateless_rules():
    """The pack without its rules in JSON."""
    folder = WORK / "rules"
    if not folder.exists():
        folder.mkdir()
        for path in PACK.glob("*.yml"):
            if not path.name.endswith(".test.yml"):
                shutil.copy(path, folder)
    return folder


def counted(source, out, shards):
    """Calls by name of thread."""
    rows = WORK / "rows"
    env = {**os.environ, "LD_PRELOAD": os.environ["PENSTOCK_ALLOCATIONS_LIBRARY"],
           "PENSTOCK_ALLOCATIONS": str(rows)}
    summary = replay(source, out, "--shards", shards, "--rules", stateless_rules(), env=env)
    calls = {}
    for name, count, *_ in ROW.iter_unpack(rows.read_bytes()):
        if count > 0:
            calls[name.rstrip(b"\0").decode() or "main"] = count
    return summary, calls


def on_shards(name, make, count, shards):
    folder = WORK / f"{name}-{count}"
    day = folder / DAY
    day.mkdir(parents=True)
    each = count // OBJECTS
    for number in range(OBJECTS):
        records = b",".join(make(number * each + i) for i in range(each))
        (day / f"{number}.json.gz").write_bytes(gzip.compress(b'{"Records":[' + records + b"]}", 1))
    summary, calls = counted(folder, WORK / f"out-{name}-{count}", shards)
    assert summary["records"]["in"] == count, summary["records"]
    threads = [thread for thread in calls if thread.startswith("shard-")]
    assert len(threads) == shards and calls["main"] > 100, calls
    assert all(calls[thread] > 20 for thread in threads), calls  # the library counts
    return sum(calls[thread] for thread in threads)


def growth(name, make, shards=1):
    few = on_shards(name, make, RECORDS, shards)
    many = on_shards(name, make, RECORDS * 4, shards)
    each = (many - few) / (RECORDS * 3)
    print(f"{name}: {few} calls for {RECORDS} records, {many} for {RECORDS * 4}: {each:.4f} a record")
    return each


def record(number, **more):
    return json.dumps(event(number, eventID=f"{number:08d}-0000-4000-8000-000000000000", **more)).encode()


def usual(number):
    return record(number, sourceIPAddress=f"198.51.100.{number % 250}", userAgent="tool/1.0",
                  userIdentity={"type": "IAMUser", "arn": f"arn:aws:iam::123456789012:user/u{number % 50}"},
                  requestParameters={"bucketName": f"b{number % 9}", "key": "k" * (number % 300)},
                  responseElements=None, resources=[{"ARN": "arn:aws:s3:::b", "type": "AWS::S3::Bucket"}])


def matching(number):
    return record(number, eventName="StopLogging", eventSource="cloudtrail.amazonaws.com",
                  requestParameters={"name": "trail"})


def escaped(number):
    policy = json.dumps({"Statement": [{"Effect": "Allow", "Action": f"s3:{number}"}]})
    return record(number, requestParameters={'k"\u0001': "\u00e9\n\u2028" * 20, "policyDocument": policy})


def new_keys(number):
    return record(number, requestParameters={f"key{number * 5 + k}": k for k in range(5)})


def damaged(number):
    return b'{"eventID":"%d","a":tru}' % number


def equal_keys(number):
    many = {f"k{k}": k for k in range(100)}
    return usual(number)[:-1] + b',"\\u0065ventVersion":"1.08","additionalEventData":%b}' % (
        json.dumps(many).encode())


def case_allocations():
    for shape in (usual, matching, escaped, new_keys, equal_keys):
        each = growth(shape.__name__, shape)
        assert each <= PER_RECORD_MAX, f"{shape.__name__}: {each:.3f} allocations a record"
    each = growth("damaged", damaged)
    assert each <= 4, f"damaged: {each:.3f} allocations a record"  # rare: a few are no harm
    each = growth("two-shards", usual, shards=2)
    assert each <= PER_RECORD_MAX, f"two shards: {each:.3f} allocations a record"


main(globals())
