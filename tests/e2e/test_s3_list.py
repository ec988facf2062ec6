#!/usr/bin/env python3
"""test_s3_list.py PENSTOCK CASE - listings of real servers are those that boto3 gives.

The lister is driven by list_keys, whose path is in PENSTOCK_LIST_KEYS.
"""
import os
import re
import subprocess
import urllib.parse

from kit import WORK, main
from parts import FaultProxy, Moto, Nginx, Skip, Versitygw

BUCKET = "org-trail"
KEYS = sorted(f"AWSLogs/{account:012}/CloudTrail/{region}/2024/01/{day:02}/{n} a+b%é.gz"
              for account in (1, 2) for region in ("eu-west-1", "us-east-1") for day in (1, 2, 3) for n in range(10))
PAGE = 7


class Listing:
    def __init__(self, server, *words, endpoint=None, secret_key=None):
        binary = os.environ.get("PENSTOCK_LIST_KEYS")
        if binary is None:
            raise Skip("PENSTOCK_LIST_KEYS is not set")
        env = {k: v for k, v in os.environ.items() if "proxy" not in k.lower() and not k.startswith("AWS_")}
        env |= {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": secret_key or server.secret_key}
        done = subprocess.run([binary, f"endpoint={endpoint or server.endpoint}", f"page-keys={PAGE}", *words],
                              env=env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode in (0, 1), done.stderr
        fields = [line.split("\t") for line in done.stdout.splitlines()]
        self.objects = [(urllib.parse.unquote(f[2]), int(f[3]), int(f[4]) // 10**6, f[5])
                        for f in fields if f[1] == "object"]
        self.prefixes = [urllib.parse.unquote(f[2]) for f in fields if f[1] == "prefix"]
        self.failed = [(f[2], f[3]) for f in fields if f[1] == "failed"]
        self.stats = {k: int(v) for k, v in re.findall(r"(\w+)=(-?\d+)", done.stderr)}


def filled(server):
    s3 = server.s3()
    s3.create_bucket(Bucket=BUCKET)
    for key in KEYS:
        s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    return s3


def by_boto3(s3, **options):
    objects, prefixes = [], []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, PaginationConfig={"PageSize": PAGE},
                                                            **options):
        objects += [(o["Key"], o["Size"], round(o["LastModified"].timestamp() * 1000), o["ETag"].strip('"'))
                    for o in page.get("Contents", [])]
        prefixes += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
    return objects, prefixes


def same_as_boto3(server, s3, **more):
    """The whole, folded, a day, behind a key, and nothing."""
    url = f"s3://{BUCKET}"
    day = "AWSLogs/000000000001/CloudTrail/eu-west-1/2024/01/02/"
    for prefix, options, words in (
            ("", {}, ()),
            ("AWSLogs/", {"Delimiter": "/"}, ("delimiter=/",)),
            ("AWSLogs/000000000002/CloudTrail/", {"Delimiter": "/"}, ("delimiter=/",)),
            (day, {}, ()),
            (day, {"StartAfter": KEYS[14]}, (f"start-after={KEYS[14]}",)),
            (day + "5 a+b%é", {}, ()),
            ("none/", {}, ())):
        want = by_boto3(s3, Prefix=prefix, **options)
        got = Listing(server, f"{url}/{prefix}", *words, **more)
        assert not got.failed, (prefix, got.failed)
        assert (got.objects, got.prefixes) == want, (prefix, got.objects, got.prefixes, want)
    assert [o[0] for o in Listing(server, url, **more).objects] == KEYS


def refusals_are_told(server):
    [(status, text)] = Listing(server, f"s3://{BUCKET}", secret_key="wrong").failed
    assert status == "E_DENIED" and f"bucket {BUCKET}: HTTP 403 SignatureDoesNotMatch" in text, (status, text)
    [(status, text)] = Listing(server, "s3://no-such-bucket-here").failed
    assert status == "E_NOT_FOUND" and "HTTP 404 NoSuchBucket" in text, (status, text)


def case_s3_list_moto():
    with Moto(WORK, checks_signatures=True) as server:
        same_as_boto3(server, filled(server))
        refusals_are_told(server)


def case_s3_list_versitygw():
    with Versitygw(WORK) as server:
        same_as_boto3(server, filled(server))
        refusals_are_told(server)


def case_s3_list_radosgw():
    from parts_radosgw import Radosgw
    with Radosgw(WORK) as server:
        same_as_boto3(server, filled(server))
        refusals_are_told(server)


def case_s3_list_tls():
    with Moto(WORK, checks_signatures=True) as server:
        s3 = filled(server)
        with Nginx(WORK, server.port) as front:
            got = Listing(server, f"s3://{BUCKET}", f"ca={front.ca_file}", endpoint=front.endpoint)
            assert got.objects == by_boto3(s3)[0], got.failed
            [(status, text)] = Listing(server, f"s3://{BUCKET}", endpoint=front.endpoint).failed
            assert status == "E_CONFIG" and "does not prove who it is" in text, (status, text)


def case_s3_list_faults():
    """Whatever is done to requests and answers: every key once, in order."""
    rates = {fault: 0.06 for fault in ("reset_before", "reset_in_head", "reset_after_head", "reset_in_body",
                                       "reset_after_body", "truncate", "garbage", "slow_down", "error_500")}
    with Moto(WORK, checks_signatures=True) as server:
        want = by_boto3(filled(server))[0]
        for seed in range(5):
            with FaultProxy(WORK, server.port, seed=seed, rates=rates, patience=4) as proxy:
                got = Listing(server, f"s3://{BUCKET}", "backoff-ms=2", endpoint=proxy.endpoint)
                assert got.objects == want, (seed, got.failed)
                done = {entry["fault"] for entry in proxy.requests()}
                assert len(done) > 3 and got.stats["retries"] > 3, (seed, done, got.stats)


if __name__ == "__main__":
    main(globals())
