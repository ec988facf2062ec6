#!/usr/bin/env python3
"""test_s3_plan.py PENSTOCK CASE - what is asked of a bucket, when, and how often."""
import gzip
import json
import os
import re
import sqlite3
import subprocess
import time

from fake_s3 import FakeS3
from kit import BINARY, FIXED, WORK, dead, event, generate, main, numbers, only, records, replay, run, state_of

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


def today(account="123456789012"):
    return f"AWSLogs/o-exampleorg1/{account}/CloudTrail/eu-west-1/{time.strftime('%Y/%m/%d', time.gmtime())}/"


def closed(out):
    db = sqlite3.connect(f"file:{out}/checkpoint.db?mode=ro", uri=True)
    rows = sorted(row[0].decode() for row in db.execute("select unit from closed"))
    kept = db.execute("select count(*) from finished").fetchone()[0]
    db.close()
    return rows, kept


def closed_count(out):
    try:
        return len(closed(out)[0])
    except sqlite3.OperationalError:  # there is none yet
        return 0


def case_s3_plan_closed():
    """A day long past is listed once; what comes to a day that is not over yet is read once, by the next run."""
    out = WORK / "out"
    with FakeS3() as s3:
        fill(s3, day(4), 1, 2, 3)
        fill(s3, day(4, "222222222222"), 4)
        fill(s3, today(), 10, 11)
        from_s3(s3, out)
        assert {day(4), today()} <= set(s3.lists()) and len(s3.gets()) == 6, s3.lists()
        assert closed(out) == ([f"s3://{s3.bucket}/{day(4)}", f"s3://{s3.bucket}/{day(4, '222222222222')}"], 1), closed(out)
        for more in ([12], [], [13, 14]):
            s3.forget()
            fill(s3, today(), *more)
            fill(s3, day(4), *(100 + number for number in more))  # too late: the day is closed
            got = from_s3(s3, out)
            assert not [name for name in s3.lists() if name in (day(4), day(4, "222222222222"))], s3.lists()
            assert sorted(s3.gets()) == [f"{today()}{number:05}.json.gz" for number in more], s3.gets()
        assert numbers(out) == [1, 2, 3, 4, 10, 11, 12, 13, 14] and got["objects"]["read"] == 9, got["objects"]
        # who expects later objects says so
        out = WORK / "open"
        for more in ([20], [21]):
            fill(s3, day(5), *more)
            from_s3(s3, out, "--set", "planner.settle=36500d", source=f"s3://{s3.bucket}/{day(5)}")
        assert numbers(out) == [20, 21] and closed(out)[0] == [], closed(out)


def case_s3_plan_closed_later():
    """A later --to reads again what it needs of closed days, and lists no others."""
    with FakeS3() as s3:
        for number in (2, 3, 4, 5):
            stamps = [f"2025-03-{number:02}T0{hour}:00:00Z" for hour in (1, 5)]
            events = [event(number * 10 + i, eventTime=at) for i, at in enumerate(stamps)]
            s3.put(f"{day(number)}x.json", json.dumps({"Records": events}).encode())
        from_s3(s3, WORK / "out", "--to", "2025-03-04T03:00:00Z")
        assert numbers(WORK / "out") == [20, 21, 30, 31, 40]
        s3.forget()
        from_s3(s3, WORK / "out", "--to", "2025-03-05T03:00:00Z")
        assert numbers(WORK / "out") == [20, 21, 30, 31, 40, 41, 50]
        assert day(2) not in s3.lists() and day(4) in s3.lists(), s3.lists()


def case_s3_plan_closed_gap():
    """A day whose listing failed, or whose object could not be read, is not lost."""
    out = WORK / "out"
    with FakeS3(page=2) as s3:
        fill(s3, day(4), 1, 2, 3)
        fill(s3, day(5), 4)

        def fault(handler, kind, name, turn):
            refused = name == day(4) and "continuation-token" in handler.path or name == f"{day(5)}00004.json.gz"
            if refused:
                handler.error(403, "AccessDenied")
            return refused

        s3.fault = fault
        got = from_s3(s3, out, code=7)
        assert numbers(out) == [1, 2] and closed(out)[0] == [f"s3://{s3.bucket}/{day(5)}"], (got, closed(out))
        s3.fault = None
        s3.forget()
        from_s3(s3, out, code=7)
        assert numbers(out) == [1, 2, 3] and day(5) not in s3.lists() and len(s3.gets()) == 1, s3.lists()


def case_s3_plan_closed_killed():
    """After kill -9 closed days are not listed again, and everything is there once."""
    out, days = WORK / "out", range(1, 29)
    with FakeS3() as s3:
        for number in days:
            fill(s3, day(number), *(number * 100 + n for n in range(8)))
        known = set()
        for turn in range(3):
            child = subprocess.Popen([BINARY, "replay", f"s3://{s3.bucket}", "--out", out, "--endpoint-url", s3.endpoint,
                                      "--s3-path-style", "--no-progress", *FIXED, "--set", "commit.interval=10ms",
                                      "--set", "fetch.max_requests_s=60"], env=ENV, stdout=subprocess.DEVNULL)
            deadline = time.monotonic() + 30
            while child.poll() is None and closed_count(out) < len(known) + 2 and time.monotonic() < deadline:
                time.sleep(0.02)
            assert child.poll() is None
            child.kill()
            child.wait()
            again = known & {f"s3://{s3.bucket}/{name}" for name in s3.lists()}
            assert not again, again
            now = set(closed(out)[0])
            assert known <= now < {f"s3://{s3.bucket}/{day(n)}" for n in days}, now
            assert known < now, (turn, now)
            known = now
            s3.forget()
        from_s3(s3, out)
        assert not known & {f"s3://{s3.bucket}/{name}" for name in s3.lists()}
        assert numbers(out) == sorted(number * 100 + n for number in days for n in range(8))
        assert closed(out) == ([f"s3://{s3.bucket}/{day(n)}" for n in days], 0), closed(out)


def case_s3_plan_newest():
    """The newest days first: the same documents and signals, after a stop and in another order too."""
    folder = generate(size="8MiB").parent
    (folder / "expected.json").rename(WORK / "expected.json")
    replay(folder, WORK / "plain")
    with FakeS3() as s3:
        for path in folder.rglob("*.gz"):
            s3.put(str(path.relative_to(folder)), path.read_bytes())
        got = from_s3(s3, WORK / "out", "--newest-first", "--shards", 1, "--set", "fetch.requests_max=1")
        assert "signals come at the end" in got["words"], got["words"]
        days = [re.search(r"/(\d{4}/\d\d/\d\d)/", key)[1] for key in s3.gets()]
        assert days == sorted(days, reverse=True) and len(set(days)) > 3, days
        again = from_s3(s3, WORK / "out")
        assert again["objects"]["read"] == got["objects"]["read"] == len(s3.gets())
        out = WORK / "mixed"
        child = subprocess.Popen([BINARY, "replay", f"s3://{s3.bucket}", "--out", out, "--endpoint-url", s3.endpoint,
                                  "--s3-path-style", "--no-progress", *FIXED, "--set", "commit.interval=10ms",
                                  "--set", "fetch.max_requests_s=40"], env=ENV, stdout=subprocess.DEVNULL)
        while child.poll() is None and closed_count(out) < 1:
            time.sleep(0.02)
        child.kill()
        child.wait()
        from_s3(s3, out, "--newest-first")
    plain = state_of(WORK / "plain")
    for out in (WORK / "out", WORK / "mixed"):
        assert state_of(out)[1:4] == plain[1:4], out
    replay(folder, WORK / "folder", "--newest-first")
    assert state_of(WORK / "folder") == plain


def case_s3_plan_changed():
    """An object that is another one by now is read as it is now; one that changes all the time is told."""
    with FakeS3() as s3:
        for number in range(6):
            s3.put(f"{day(4)}{number}.json", records(number) + b" " * (number * 100000))
        s3.put(f"{day(4)}mad.json", b" " * 300000 + records(99))
        changed = {f"{day(4)}0.json": records(10), f"{day(4)}1.json": records(11) + b" " * 900000,
                   f"{day(4)}5.json": records(15), f"{day(4)}4.json": b""}

        def fault(_handler, kind, name, turn):
            if kind == "get" and name.endswith("mad.json"):
                s3.put(name, b" " * 300000 + records(99) + b" " * turn)
            if kind == "get" and turn == 1 and name in changed:
                s3.put(name, changed[name])
            return False

        s3.fault = fault
        got = from_s3(s3, WORK / "out", "--set", "fetch.range_bytes=64KiB", code=7)
        assert numbers(WORK / "out") == [2, 3, 10, 11, 15] and got["objects"]["empty"] == 1, numbers(WORK / "out")
        only(dead(WORK / "out"), "mad.json", "fetch", "E_CHANGED", "differs from when the object was listed")
        assert len(dead(WORK / "out")) == 1 and len([k for k in s3.gets() if k.endswith("mad.json")]) < 30
        # not one of which records were given on before
        large = records(*(json.dumps(event(n, pad="x" * 60000)).encode() for n in range(40)))
        s3.put(f"{day(5)}large.json", large)
        s3.fault = lambda _h, kind, name, turn: turn == 8 and s3.put(name, large + b" ")
        s3.forget()
        got = from_s3(s3, WORK / "large", "--set", "fetch.range_bytes=64KiB", code=7,
                      source=f"s3://{s3.bucket}/{day(5)}")
        only(dead(WORK / "large"), "large.json", "fetch", "E_CHANGED", "differs")


def case_s3_plan_resolved():
    """A server that moves behind its name is found again."""
    library = os.environ["PENSTOCK_RESOLVER_LIBRARY"]
    file = WORK / "address"
    file.write_text("127.0.0.1")
    env = {**ENV, "LD_PRELOAD": library, "PENSTOCK_RESOLVER_NAME": "s3.moves.example", "PENSTOCK_RESOLVER_FILE": str(file)}
    with FakeS3() as first, FakeS3(address=("127.0.0.2", first.port)) as second:
        for s3 in (first, second):
            fill(s3, day(4), *range(60))
        moved = []

        def fault(handler, kind, _name, _turn):
            if kind == "get" and len(first.gets()) > 20:
                if not moved:
                    moved.append(True)
                    file.write_text("127.0.0.2")
                handler.close_connection = True  # gone
                return True
            return False

        first.fault = fault
        got = replay(f"s3://{first.bucket}", WORK / "out", "--endpoint-url", f"http://s3.moves.example:{first.port}",
                     "--s3-path-style", "--set", "fetch.resolve_interval=200ms", "--set", "fetch.max_requests_s=60",
                     env=env)
        assert got["objects"]["read"] == 60 and numbers(WORK / "out") == list(range(60)), got
        assert len(second.gets()) > 20, second.gets()


def case_s3_plan_moved():
    """A read that is redirected goes to the region, or the server, that it is sent to; once learned, all do."""
    with FakeS3() as s3, FakeS3() as other:
        for server in (s3, other):
            fill(server, day(4), *range(60))

        def signed_for(handler):
            return handler.headers["Authorization"].split("/")[2]

        def by_region(handler, kind, _name, _turn):
            if kind != "get" or signed_for(handler) == "eu-central-1":
                return False
            handler.error(301, "PermanentRedirect", x_amz_bucket_region="eu-central-1")
            return True

        def by_address(handler, kind, name, _turn):
            if kind != "get":
                return False
            handler.error(307, "TemporaryRedirect", Location=f"{other.endpoint}/{other.bucket}/{name}")
            return True

        for fault, out in ((by_region, "region"), (by_address, "address")):
            s3.forget()
            s3.fault = fault
            for shards in (1, 2):
                got = from_s3(s3, WORK / f"{out}{shards}", "--shards", shards, "--set", "fetch.tries_max=1",
                              "--set", "mailbox.capacity=1" if shards == 2 else "fetch.redirects_max=1")
                assert got["gaps"] == [] and numbers(WORK / f"{out}{shards}") == list(range(60)), got
                assert 1 <= got["words"].count("a redirect led to") <= shards, got["words"]
        assert sorted(other.gets()) == sorted(2 * list(other.objects)) and other.lists() == [], other.seen
        # a server that knows no other place: a gap with the reason, as ever
        s3.fault = lambda handler, kind, _name, _turn: kind == "get" and (handler.error(301, "PermanentRedirect") or True)
        got = from_s3(s3, WORK / "nowhere", code=7)
        assert got["objects"]["unreadable"] == 60, got["objects"]


def case_s3_plan_stalled():
    """A name server that does not answer any more holds nothing up: the run ends before it does."""
    file, stalled = WORK / "address", WORK / "address.stalled"
    file.write_text("127.0.0.1")
    env = {**ENV, "LD_PRELOAD": os.environ["PENSTOCK_RESOLVER_LIBRARY"], "PENSTOCK_RESOLVER_NAME": "s3.stalls.example",
           "PENSTOCK_RESOLVER_FILE": str(file)}
    with FakeS3() as s3:
        fill(s3, day(4), *range(60))

        def fault(_handler, kind, _name, _turn):
            if kind == "get" and len(s3.gets()) == 20:
                file.write_text("stall")
                for _ in range(6000):  # the others are answered only when somebody waits for a name
                    if stalled.exists():
                        break
                    time.sleep(0.01)
            return False

        s3.fault = fault
        got = replay(f"s3://{s3.bucket}", WORK / "out", "--endpoint-url", f"http://s3.stalls.example:{s3.port}",
                     "--s3-path-style", "--set", "fetch.resolve_interval=200ms", "--set", "fetch.max_requests_s=60",
                     env=env)
        assert stalled.exists() and file.read_text() == "stall"
        assert got["objects"]["read"] == 60 and numbers(WORK / "out") == list(range(60)), got


def case_s3_plan_stalled_told():
    """The user is told which name stalls: at the start, which has an end, in mid-run, and behind a redirect."""
    file = WORK / "address"
    env = {**ENV, "LD_PRELOAD": os.environ["PENSTOCK_RESOLVER_LIBRARY"], "PENSTOCK_RESOLVER_NAME": "s3.stalls.example",
           "PENSTOCK_RESOLVER_FILE": str(file)}
    with FakeS3() as s3:
        fill(s3, day(4), *range(60))
        named = ("--endpoint-url", f"http://s3.stalls.example:{s3.port}", "--s3-path-style")
        file.write_text("stall")
        late = "no name server has said for 2 s where s3.stalls.example is; waits for 3 s at most (fetch.resolve_timeout)"
        source, short = f"s3://{s3.bucket}", ("--set", "fetch.resolve_timeout=3s")
        for command in (("replay", source, "--out", WORK / "no"), ("search", "-q", "x", source)):
            said = run(*command, *named, *short, code=1, env=env).stderr.decode()
            assert late in said and "s3.stalls.example: no name server has said for 3 s where it is" in said, said
        assert s3.lists() == [] == s3.gets(), s3.seen

        def fault(_handler, kind, _name, _turn):
            if kind == "get" and len(s3.gets()) == 20:
                file.write_text("stall")
                time.sleep(4)  # a second of names that are asked for, and more than two of waiting
            return False

        file.write_text("127.0.0.1")
        s3.fault = fault
        said = run("replay", source, "--out", WORK / "out", *named, *FIXED, "--set", "fetch.resolve_interval=200ms", "--set",
                   "fetch.max_requests_s=60", env=env).stderr.decode()
        assert "s where s3.stalls.example is; the addresses of before are used until one does" in said, said
        assert ", no address of s3.stalls.example: " in said, said
        assert numbers(WORK / "out") == list(range(60))

        def away(handler, kind, name, _turn):
            if kind != "get":
                return False
            handler.error(307, "TemporaryRedirect", Location=f"http://s3.stalls.example:{s3.port}/{s3.bucket}/{name}")
            return True

        s3.fault = away
        file.write_text("stall")
        got = replay(source, WORK / "away", "--endpoint-url", s3.endpoint, "--s3-path-style", "--set",
                     "fetch.resolve_timeout=1s", code=7, env=env)
        assert got["objects"]["unreadable"] == 60 and len(got["gaps"]) > 0, got
        dead = run("dead-letters", "list", "--out", WORK / "away", "--json").stdout.decode()
        assert "s3.stalls.example: no name server has said for 1 s where it is" in dead, dead


def case_s3_plan_payer():
    """Who asks pays when told so, for listings and for objects."""
    with FakeS3() as s3:
        fill(s3, day(4), 1)
        from_s3(s3, WORK / "out", "--request-payer", "requester")
        for headers in s3.headers("list") + s3.headers("get"):
            assert headers.get("x-amz-request-payer") == "requester", headers
            assert "x-amz-request-payer" in headers["Authorization"], headers
        s3.forget()
        from_s3(s3, WORK / "out2")
        assert not [h for h in s3.headers("list") + s3.headers("get") if "x-amz-request-payer" in h]
        refused = run("replay", f"s3://{s3.bucket}", "--request-payer", "owner", code=2, env=ENV)
        assert b"--request-payer takes `requester`, not `owner`" in refused.stderr, refused.stderr


def lines(*args, code=0):
    return sorted(run(*args, code=code, env=ENV).stdout.splitlines())


def case_s3_plan_search():
    """search, rules match and coverage give of a bucket what they give of the same folder."""
    folder = generate(size="4MiB").parent
    (folder / "expected.json").rename(WORK / "expected.json")
    with FakeS3(page=7) as s3:
        for path in folder.rglob("*.gz"):
            s3.put(str(path.relative_to(folder)), path.read_bytes())
        there = ("--endpoint-url", s3.endpoint, "--s3-path-style", f"s3://{s3.bucket}")
        for command in (("search", "--limit", "100000", "@eventName:*List*"),
                        ("search", "--count", "-q", "StopLogging"), ("rules", "match"),
                        ("search", "@eventName:*", "--to", "2025-03-04T12:00:00Z")):
            code = run(*command, folder, code=None).returncode
            want = lines(*command, folder, code=code)
            assert want and lines(*command, *there, code=code) == want, command
            s3.forget()
        one = run("search", "--limit", "1", "@eventName:*", *there, env=ENV).stdout
        assert len(one.splitlines()) == 1, one
        run("search", "@eventName:*", "--on", "2025-03-04", *there, code=None, env=ENV)
        s3.forget()
        assert lines("coverage", "--json", *there) == lines("coverage", "--json", folder)
        assert s3.lists() and not s3.gets(), s3.gets()
        # what cannot be listed or read is told
        s3.fault = lambda handler, kind, name, turn: kind == "get" and name.endswith("1.json.gz") and (
            handler.error(403, "AccessDenied") or True)
        assert b"AccessDenied" in run("search", "@eventName:*", *there, code=None, env=ENV).stderr
        s3.fault = lambda handler, kind, name, turn: "/2025/03/04/" in name and (handler.error(403, "AccessDenied") or True)
        assert b"s3:ListBucket" in run("coverage", *there, code=7, env=ENV).stderr
        assert b"NoSuchBucket" in run("coverage", "s3://no-such-bucket", *there[:3], code=1, env=ENV).stderr


def case_s3_plan_retry():
    """What could not be read of a bucket is read again when it can be; closed days included."""
    out = WORK / "out"
    with FakeS3() as s3:
        fill(s3, day(4), 1, 2, 3)
        fill(s3, day(5), 4)
        s3.fault = lambda handler, kind, name, turn: name.endswith("00002.json.gz") and (
            handler.error(403, "AccessDenied") or True)
        got = from_s3(s3, out, code=7)
        assert numbers(out) == [1, 3, 4] and got["objects"]["unreadable"] == 1, got
        only(dead(out), "00002.json.gz", "fetch", "E_DENIED", "AccessDenied")
        assert len(closed(out)[0]) == 2
        s3.fault = None
        s3.forget()
        done = run("dead-letters", "retry", "--out", out, "--json", env=ENV)
        summary = json.loads(done.stdout.splitlines()[-1])
        assert summary["records"]["in"] == 4 and summary["gaps"] == [], summary
        assert numbers(out) == [1, 2, 3, 4] and s3.gets() == [f"{day(4)}00002.json.gz"], s3.gets()
        assert day(5) not in s3.lists() and len(closed(out)[0]) == 2


def case_s3_plan_sources():
    """Several buckets in one config, each with what belongs to it alone."""
    with FakeS3("trail-one") as one, FakeS3("trail-two") as two:
        fill(one, day(4), 1)
        fill(one, day(4, "222222222222"), 2)
        fill(two, day(5), 3)
        fill(two, "plain/", 4)
        (WORK / "penstock.yaml").write_text(
            f"sources:\n- s3: s3://trail-one\n  endpoint_url: {one.endpoint}\n  region: eu-west-1\n"
            "  accounts: ['222222222222']\n"
            f"- {{s3: s3://trail-two, endpoint_url: '{two.endpoint}', types: [cloudtrail], request_payer: requester}}\n")
        done = run("replay", "--config", WORK / "penstock.yaml", "--out", WORK / "out", "--json", "--no-progress", *FIXED,
                   "--s3-path-style", env=ENV)
        summary = json.loads(done.stdout.splitlines()[-1])
        assert numbers(WORK / "out") == [2, 3, 4] and summary["objects"]["read"] == 3, summary
        assert [h["Authorization"].split("/")[2] for h in one.headers()] == ["eu-west-1"], one.headers()
        assert [h["Authorization"].split("/")[2] for h in two.headers()] == ["us-east-1"] * 2, two.headers()
        assert "x-amz-request-payer" in two.headers()[0] and "x-amz-request-payer" not in one.headers()[0]
        text = (WORK / "penstock.yaml").read_text()
        (WORK / "penstock.yaml").write_text(text.replace("222222222222", "123456789012"))
        refused = run("replay", "--config", WORK / "penstock.yaml", "--out", WORK / "out", "--no-progress", *FIXED,
                      "--s3-path-style", code=2, env=ENV)
        assert b"its sources differ" in refused.stderr, refused.stderr


def case_s3_plan_bench():
    """What an endpoint serves is measured by our client and by libcurl, with the same objects."""
    with FakeS3() as s3:
        fill(s3, day(4), *range(20))
        s3.put("large.json", bytes(200000))
        there = ("--endpoint-url", s3.endpoint, "--s3-path-style", "--seconds", "1")
        done = run("bench", "s3", *there, "--concurrency", "1,8", "--size-max", "64KiB", "--json", f"s3://{s3.bucket}", env=ENV)
        got = json.loads(done.stdout)
        assert got["objects"] == 20 and [row["concurrency"] for row in got["rows"]] == [1, 8], got
        agents = [h.get("User-Agent") == "penstock" for h in s3.headers()]
        sides = [row[name] for row in got["rows"] for name in ("penstock", "libcurl", "bare")]
        for side in sides:
            assert side["failed"] == 0 and side["requests"] > 50 and side["cpu_us_request"] > 0, side
            assert abs(side["requests_s"] * side["wall_s"] / side["requests"] - 1) < 0.01, side
        ours = sum(row[name]["requests"] for row in got["rows"] for name in ("penstock", "bare"))
        assert ours <= sum(agents) <= ours + 18 and not s3.gets().count("large.json"), (ours, sum(agents))
        table = run("bench", "s3", *there, "--concurrency", "2", f"s3://{s3.bucket}/{day(4)}", env=ENV).stdout.decode()
        assert "requests/s" in table and table.count("libcurl") == table.count("bare") == 1, table
        s3.fault = lambda handler, kind, name, turn: kind == "get" and (handler.error(403, "AccessDenied") or True)
        run("bench", "s3", *there, "--concurrency", "2", f"s3://{s3.bucket}", env=ENV, code=7)
        assert b"no object to fetch" in run("bench", "s3", *there, f"s3://{s3.bucket}/none/", env=ENV, code=1).stderr
    run("bench", "s3", "--concurrency", "0", "s3://bucket", code=2)
    run("bench", "s3", code=2)


def case_s3_plan_estimate():
    """--plan tells requests, price and what must be restored, from listings alone."""
    with FakeS3() as s3:
        fill(s3, day(4), *range(10))
        s3.put(f"{day(5)}large.json.gz", bytes(1000000))
        s3.put(f"{day(5)}old.json.gz", bytes(5000), storage_class="GLACIER")
        plan = ("replay", "--plan", "--endpoint-url", s3.endpoint, "--s3-path-style", f"s3://{s3.bucket}",
                "--set", "fetch.range_bytes=100KB")
        got = json.loads(run(*plan, "--json", env=ENV).stdout)
        assert got["requests"] == {"get": 21, "list": len(s3.lists()), "kms_max": 21}, got
        assert not s3.gets() and got["restore"] == {"objects": 1, "bytes": 5000}, got
        price = got["price"]
        assert price["currency"] == "USD" and price["rates_of"] and abs(price["get"] - 21 * 0.4e-6) < 2e-6, price
        dear = json.loads(run(*plan, "--json", "--set", "price.gets_million=100000000", env=ENV).stdout)
        assert dear["price"]["get"] == 21.0 and dear["price"]["max"] > 21.0, dear
        slow = json.loads(run(*plan, "--json", "--set", "fetch.max_requests_s=1", env=ENV).stdout)
        assert slow["seconds"]["estimated"] == 21 and slow["bound_by"] == "storage", slow
        slow = json.loads(run(*plan, "--json", "--set", "fetch.max_mb_s=1", env=ENV).stdout)
        assert slow["seconds"]["estimated"] == 2 and slow["bound_by"] == "storage", slow
        table = run(*plan, env=ENV).stdout.decode()
        assert "21 GETs" in table and "1 objects, 0.0 MB, are archived" in table and "at list price" in table, table


def case_s3_plan_transfer():
    """--plan tells what crosses regions and its price: where a bucket is it says itself, where this runs is an option."""
    with FakeS3() as s3:
        fill(s3, day(4), *range(3))
        s3.put(f"{day(5)}large.json.gz", bytes(1 << 20))
        stored = sum(len(data) for data, *_ in s3.objects.values())
        plan = ("replay", "--plan", "--endpoint-url", s3.endpoint, "--s3-path-style", f"s3://{s3.bucket}")

        def told(*args, **env):
            got = json.loads(run(*plan, "--json", *args, env={**ENV, **env}).stdout)
            return got["transfer"], got["price"]

        # the region of the environment is that of both
        transfer, price = told()
        assert transfer == {"node_region": "us-east-1", "cross_region": {"objects": 0, "bytes": 0},
                            "by_region": {"us-east-1": {"objects": 4, "bytes": stored}}}, transfer
        assert price["transfer"] == 0, price
        assert "nothing leaves its region: this runs in us-east-1" in run(*plan, env=ENV).stdout.decode()
        # an option says otherwise
        there = ("--set", "node.region=eu-west-1", "--set", "price.transfer_gb=100000")
        transfer, dear = told(*there)
        assert transfer["node_region"] == "eu-west-1" and transfer["cross_region"] == {"objects": 4, "bytes": stored}, transfer
        assert abs(dear["transfer"] - 1000 * stored / 2**30) < 1e-5, dear
        assert abs(dear["max"] - price["max"] - dear["transfer"]) < 1e-5, (dear, price)
        shown = run(*plan, *there, env=ENV).stdout.decode()
        assert "1.0 MB from us-east-1 to eu-west-1, where this runs: $0.97" in shown, shown
        # the bucket tells that it is elsewhere
        s3.fault = lambda handler, kind, name, turn: kind == "list" and "us-east-1" in handler.headers["Authorization"] and (
            handler.error(400, "AuthorizationHeaderMalformed", x_amz_bucket_region="ap-south-1") or True)
        transfer, _ = told()
        assert list(transfer["by_region"]) == ["ap-south-1"] and transfer["cross_region"]["objects"] == 4, transfer
        assert told("--set", "node.region=ap-south-1")[0]["cross_region"]["objects"] == 0
        s3.fault = None
        # nothing tells where this runs
        env = {k: v for k, v in ENV.items() if k != "AWS_REGION"}
        got = json.loads(run(*plan, "--json", "--s3-region", "eu-west-1", env=env).stdout)
        assert got["transfer"]["node_region"] is None and got["transfer"]["cross_region"] is None, got
        assert got["price"]["transfer"] is None and list(got["transfer"]["by_region"]) == ["eu-west-1"], got
        shown = run(*plan, env=env).stdout.decode()
        assert "where this runs is unknown: node.region tells it" in shown, shown
        done = run(*plan, "--set", "node.region=Eu West", env=ENV, code=2)
        assert b"node.region: `Eu West` is no region" in done.stderr, done.stderr
    assert "transfer" not in json.loads(run("replay", "--plan", "--json", generate(size="1MiB").parent).stdout)


def case_s3_plan_spending():
    """--max-bytes and --max-cost stop a run; the same command goes on until all is read."""
    with FakeS3() as s3:
        for number in range(12):
            s3.put(f"{day(4)}{number:02}.json", records(number) + b" " * 20000)
        for name, limit in (("bytes", ("--max-bytes", "50KB")),
                            ("cost", ("--max-cost", "0.0000172", "--set", "price.lists_million=0")),
                            # traffic alone: three objects of 20 KB for six hundredths of a dollar
                            ("cost", ("--max-cost", "0.06", "--set", "price.lists_million=0", "--set",
                                      "price.transfer_gb=100000", "--set", "node.region=eu-west-1"))):
            out = WORK / f"{name}-{len(limit)}"
            read = []
            for _ in range(12):
                s3.forget()
                got = from_s3(s3, out, *limit, code=None)
                read.append(len(s3.gets()))
                if got["status"] == "done":
                    break
                assert got["status"] == "stopped" and f"--max-{name}" in got["words"], got
            assert numbers(out) == list(range(12)) and max(read) < 6 and len(read) > 2, read
        from_s3(s3, WORK / "none", "--max-bytes", "10B", code=6)
        s3.forget()
        assert not s3.gets()
        free = ("--set", "price.lists_million=0", "--set", "price.transfer_gb=100000", "--set", "node.region=us-east-1")
        assert from_s3(s3, WORK / "same", "--max-cost", "0.06", *free)["status"] == "done"
    for bad in (("--max-cost", "x"), ("--max-cost", "0"), ("--max-bytes", "0"), ("--max-cost", "1.2.3")):
        run("replay", "s3://bucket", *bad, code=2, env=ENV)


if __name__ == "__main__":
    main(globals())
