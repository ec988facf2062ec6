#!/usr/bin/env python3
"""test_large.py PENSTOCK CASE - a generated organisation of 20 accounts, 4 regions and 30 days, from a bucket.

In CI small; by hand with LARGE=400MiB (about 20,000 objects) or more, and SHAPE=organisation for objects of
all sizes.  Prints its figures."""
import json
import os
import random
import statistics

import kit
from kit import WORK, documents, main, replay, run, signals_of
from parts import Versitygw
from parts_opensearch import OpenSearch
from test_s3 import BUCKET, from_bucket

SIZE, SHAPE = os.environ.get("LARGE", "5MiB"), os.environ.get("SHAPE", "tiny")
kit.TIME_MAX_S = 600 if "LARGE" not in os.environ else 7200
SAMPLES = 500
NULL = ("--sink", "null")


def organisation(gateway):
    """In the folder of the bucket: the server serves the files as they are."""
    folder = gateway.data / BUCKET
    made = run("bench", "generate", "--out", folder, "--shape", SHAPE, "--bytes", SIZE, "--accounts", 20, "--regions",
               4, "--days", 30)
    (folder / "expected.json").rename(WORK / "expected.json")
    print(made.stdout.decode().strip(), flush=True)
    return folder


def case_large_cluster():
    """Into a real cluster: as many documents as records, samples as the files sink's, signals as the folder's."""
    with Versitygw(WORK) as gateway:
        folder = organisation(gateway)
        plain = replay(folder, WORK / "files")
        lines = documents(WORK / "files")
        want = {(d["_index"], d["_id"]): d["_source"] for d in lines}
        assert len(want) == len(lines) == plain["records"]["delivered"], (len(want), len(lines))
        with OpenSearch(WORK) as cluster:
            sink = f"opensearch:{cluster.endpoint}"
            run("sink", "setup", sink)
            got = from_bucket(gateway.endpoint, WORK / "out", "--sink", sink)
            wall = got["seconds"]["wall"]
            print(f"into OpenSearch: {got['objects']['read']} objects, {got['records']['delivered']} documents, "
                  f"{wall:.1f} s, {got['records']['delivered'] / wall:.0f} documents/s, bound by {got['bound_by']}, "
                  f"{got['seconds']}, {got['rss_bytes_max'] >> 20} MiB", flush=True)
            assert got["records"] == plain["records"] and not got["gaps"], (got["records"], plain["records"])
            assert got["sink"]["exactly_once"] is True and got["bound_by"] == "sink", (got["sink"], got["seconds"])
            cluster.call("POST", "/log-*/_refresh")
            assert cluster.call("GET", "/log-*/_count")["count"] == plain["records"]["delivered"]
            sample = random.Random(1).sample(sorted(want), min(SAMPLES, len(want)))
            found = cluster.call("POST", "/_mget", {"docs": [{"_index": i, "_id": n} for i, n in sample]})["docs"]
            for key, doc in zip(sample, found):
                assert doc["_source"].pop("@log_s3bucket") == BUCKET and doc["_source"] == want[key], (key, doc)
            assert signals_of(WORK / "out") == signals_of(WORK / "files")
            signals = cluster.documents("penstock-signals-*")
            listed = run("signals", "list", "--out", WORK / "files", "--json").stdout.splitlines()
            assert {key[1] for key in signals} == {json.loads(line)["id"] for line in listed} and signals, len(signals)


def case_large_null():
    """Into the null sink: what the way from a bucket costs beside the folder's, measured in turn."""
    rounds = 5 if "LARGE" in os.environ else 1
    cpu = {"folder": [], "bucket": []}
    with Versitygw(WORK) as gateway:
        folder = organisation(gateway)
        replay(folder, WORK / "warm", *NULL)
        for number in range(rounds):
            one = replay(folder, WORK / f"folder{number}", *NULL)
            other = from_bucket(gateway.endpoint, WORK / f"bucket{number}", *NULL)
            assert one["records"] == other["records"], (one["records"], other["records"])
            for name, got in (("folder", one), ("bucket", other)):
                cpu[name].append(got["seconds"]["cpu"])
            print({name: got["seconds"] for name, got in (("folder", one), ("bucket", other))}, other["bound_by"])
        objects = one["objects"]["read"]
    folder_s, bucket_s = (statistics.median(cpu[name]) for name in ("folder", "bucket"))
    print(f"CPU: folder {folder_s:.2f} s, bucket {bucket_s:.2f} s, ratio {bucket_s / folder_s:.2f}, "
          f"{(bucket_s - folder_s) / objects * 1e6:.0f} us more an object, of {objects} objects", flush=True)


if __name__ == "__main__":
    main(globals())
