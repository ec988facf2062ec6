#!/usr/bin/env python3
"""test_s3_plan.py PENSTOCK CASE - what is asked of a bucket, when, and how often."""
import gzip
import os

from fake_s3 import FakeS3
from kit import WORK, main, numbers, records, replay

ENV = {**{k: v for k, v in os.environ.items() if "proxy" not in k.lower() and not k.startswith("AWS_")},
       "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
       "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}


def day(number, account="123456789012", region="eu-west-1"):
    return f"AWSLogs/o-exampleorg1/{account}/CloudTrail/{region}/2025/03/{number:02}/"


def fill(s3, prefix, *numbers_of):
    for number in numbers_of:
        s3.put(f"{prefix}{number:05}.json.gz", gzip.compress(records(number)))


def from_s3(s3, out, *args, source=None, code=0, **options):
    return replay(source or f"s3://{s3.bucket}", out, "--endpoint-url", s3.endpoint, "--s3-path-style", *args,
                  code=code, env=ENV, **options)


def per_second(times):
    """The most within any second."""
    times = sorted(times)
    return max(sum(1 for other in times if at <= other < at + 1) for at in times)


def case_s3_plan_rates():
    """No more is asked for a second than allowed, by all shards together; everything is read all the same."""
    with FakeS3() as s3:
        fill(s3, day(4), *range(120))
        for shards in (1, 2):
            s3.forget()
            got = from_s3(s3, WORK / f"out{shards}", "--shards", shards, "--set", "fetch.max_requests_s=60")
            assert got["objects"]["read"] == 120 == len(s3.gets()), got["objects"]
            assert per_second(s3.times()) <= 60 * 1.1 + 2 * shards, per_second(s3.times())
            assert s3.times()[-1] - s3.times()[0] > 1.5, s3.times()
        for number in range(4):
            s3.put(f"{day(5)}{number}.json", records(200 + number) + b" " * 1000000)
        s3.forget()
        got = from_s3(s3, WORK / "bytes", "--set", "fetch.max_mb_s=2", "--set", "fetch.range_bytes=100KB", "--shards", 2,
                      source=f"s3://{s3.bucket}/{day(5)}")
        assert numbers(WORK / "bytes") == [200, 201, 202, 203], got
        assert s3.times()[-1] - s3.times()[0] > 1.5, s3.times()


if __name__ == "__main__":
    main(globals())
