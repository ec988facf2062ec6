#!/usr/bin/env python3
"""test_s3.py PENSTOCK CASE - objects are replayed from a bucket as from a folder."""
import concurrent.futures
import gzip
import http.server
import json
import os
import random
import subprocess
import threading
import time
import urllib.request

from kit import (BINARY, FIXED, WORK, adds_up, dead, documents, generate, main, numbers, records, replay, run,
                 state_of)
from parts import ACCESS_KEY, REGION, SECRET_KEY, FaultProxy, Moto, Nginx, Versitygw, aws, client

ENV = {**os.environ, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_REGION": REGION,
       "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
BUCKET = "org-trail"
DAY = "AWSLogs/o-exampleorg1/123456789012/CloudTrail/eu-west-1/2025/03/04/"
PART_BYTES = 8 << 20  # what awscli sends at a time
QUICK = ("--set", "fetch.first_byte_timeout=2s", "--set", "fetch.stall_timeout=2s", "--set", "fetch.tries_max=40")


def fill(s3, folder, bucket=BUCKET):
    """Puts every file below the folder under its path; how many."""
    s3.create_bucket(Bucket=bucket)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda path: s3.put_object(Bucket=bucket, Key=str(path.relative_to(folder)),
                                                 Body=path.read_bytes()), files))
    return len(files)


def from_bucket(endpoint, out, *args, source=f"s3://{BUCKET}", code=0, **options):
    return replay(source, out, "--endpoint-url", endpoint, "--s3-path-style", *args, code=code,
                  env=ENV, **options)


def same_state(one, other):
    """Documents, signals and their events; what is told of an object is its key in both."""
    a, b = state_of(one)[1:], state_of(other)[1:]
    assert a == b, [x == y for x, y in zip(a, b)]
    texts = []
    for out, bucket in ((one, None), (other, BUCKET)):
        lines = documents(out)
        assert {line["_source"].pop("@log_s3bucket", None) for line in lines} == {bucket}, out
        texts.append(sorted(json.dumps(line, sort_keys=True) for line in lines))
    assert texts[0] == texts[1], [pair for pair in zip(*texts) if pair[0] != pair[1]][:1]


def case_s3_moto():
    """A generated organisation: from the bucket as from the folder, whatever the number of shards."""
    folder = generate(size="6MiB").parent
    (folder / "expected.json").rename(WORK / "expected.json")
    plain = replay(folder, WORK / "plain")
    with Moto(WORK, checks_signatures=True) as moto:
        ENV.update(AWS_ACCESS_KEY_ID=moto.access_key, AWS_SECRET_ACCESS_KEY=moto.secret_key)
        count = fill(moto.s3(), folder)
        for shards in (1, 2):
            got = from_bucket(moto.endpoint, WORK / f"out{shards}", "--shards", shards,
                              "--set", "fetch.range_bytes=64KiB", "--set", "fetch.bytes_in_flight_max=256KiB",
                              "--set", "planner.settle=36500d")
            assert got["objects"]["listed"] == got["objects"]["read"] == count, got["objects"]
            assert got["records"] == plain["records"] and got["by_type"] == plain["by_type"], got
            same_state(WORK / "plain", WORK / f"out{shards}")
        again = from_bucket(moto.endpoint, WORK / "out2", "--set", "planner.settle=36500d")
        assert again["objects"]["read"] == count and again["seconds"]["cpu"] < plain["seconds"]["cpu"] + 2, again
        same_state(WORK / "plain", WORK / "out2")
        moto.s3().put_object(Bucket=BUCKET, Key=DAY + "later.json.gz", Body=gzip.compress(records(1, 2, 3)))
        more = from_bucket(moto.endpoint, WORK / "out2")
        assert more["records"]["in"] == plain["records"]["in"] + 3, more["records"]
        one_day = from_bucket(moto.endpoint, WORK / "day", source=f"s3://{BUCKET}/{DAY}")
        assert one_day["records"]["in"] >= 3, one_day
        refused = run("replay", f"s3://{BUCKET}", "--out", WORK / "no", "--endpoint-url", moto.endpoint, "--no-progress",
                      code=1, env={**ENV, "AWS_SECRET_ACCESS_KEY": "wrong"})
        assert b"SignatureDoesNotMatch" in refused.stderr, refused.stderr
        none = run("replay", "s3://no-such-bucket", "--out", WORK / "no2", "--endpoint-url", moto.endpoint,
                   "--no-progress", code=1, env=ENV)
        assert b"no-such-bucket" in none.stderr and b"NoSuchBucket" in none.stderr, none.stderr


def assumed(moto):
    """Who asked STS for which role: (role, external id, session), in order."""
    with urllib.request.urlopen(f"{moto.endpoint}/moto-api/data.json") as reply:
        roles = json.load(reply)["sts"]["AssumedRole"]
    return [(role["arn"].split("/")[1], role["external_id"], role["session_name"]) for role in roles]


def case_s3_role():
    """Roles by a real STS: of the command line, of a profile, of a profile whose source has a role; the external id
    and the session's name get there, and without the role the bucket is closed."""
    folder = generate(size="1MiB").parent
    (folder / "expected.json").rename(WORK / "expected.json")
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", "Action": None}]}

    def may(*actions):
        return json.dumps({**allow, "Statement": [{**allow["Statement"][0], "Action": list(actions)}]})

    with Moto(WORK, checks_signatures=True) as moto:
        iam = client(moto.endpoint, "iam", access_key=moto.access_key, secret_key=moto.secret_key)
        fill(moto.s3(), folder)
        trust = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}]})
        arns = {}
        for role, actions in (("reader", ("s3:GetObject", "s3:ListBucket")), ("step", ("sts:AssumeRole",))):
            arns[role] = iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
            iam.put_role_policy(RoleName=role, PolicyName="may", PolicyDocument=may(*actions))
        iam.create_user(UserName="caller")
        iam.put_user_policy(UserName="caller", PolicyName="may", PolicyDocument=may("sts:AssumeRole"))
        key = iam.create_access_key(UserName="caller")["AccessKey"]
        config = WORK / "config"
        config.write_text(f"""[profile caller]
aws_access_key_id = {key["AccessKeyId"]}
aws_secret_access_key = {key["SecretAccessKey"]}
[profile one]
role_arn = {arns["reader"]}
source_profile = caller
external_id = of/a:customer+1=x@y,z
role_session_name = night-replay
[profile step]
role_arn = {arns["step"]}
source_profile = caller
role_session_name = first
[profile two]
role_arn = {arns["reader"]}
source_profile = step
role_session_name = second
""")
        env = {name: value for name, value in ENV.items() if not name.startswith("AWS_ACCESS") and not name.startswith("AWS_SECRET")}
        env.update(AWS_CONFIG_FILE=str(config), AWS_ENDPOINT_URL_STS=moto.endpoint)
        there = (f"s3://{BUCKET}", "--endpoint-url", moto.endpoint, "--s3-path-style", "--out")
        denied = run("replay", *there, WORK / "no", "--profile", "caller", code=None, env=env)
        assert denied.returncode != 0 and b"s3:ListBucket" in denied.stderr, denied
        plain = replay(folder, WORK / "plain")
        asked = []
        for out, args, want in (
                ("one", ("--profile", "one"), [("reader", "of/a:customer+1=x@y,z", "night-replay")]),
                ("two", ("--profile", "two"), [("step", None, "first"), ("reader", None, "second")]),
                ("line", ("--profile", "caller", "--role-arn", arns["reader"], "--external-id", "x-1"),
                 [("reader", "x-1", None)])):
            got = replay(*there[:1], WORK / out, *there[1:-1], *args, env=env)
            assert got["records"] == plain["records"], (out, got["records"])
            now = assumed(moto)
            new, asked = now[len(asked):], now
            assert len(new) == len(want), (out, new)
            for (role, external, session), (want_role, want_external, want_session) in zip(new, want):
                assert (role, external or None) == (want_role, want_external), (out, new)
                assert session == want_session if want_session else session.startswith("penstock-"), (out, new)


def case_s3_odd_keys():
    """Keys with every kind of byte, objects of odd kinds; what cannot be read is a gap with its reason."""
    with Moto(WORK) as moto:
        s3 = moto.s3()
        s3.create_bucket(Bucket=BUCKET)
        names = ["a b", "c+d", "e%f", "g%2Fh", "ü", "日本", "i&j=k?l", "m'n\"o", "~", "q;r:s,t", "(u)*!", "v//w", "\x01x"]
        for number, name in enumerate(names):
            s3.put_object(Bucket=BUCKET, Key=f"{DAY}{name}.json.gz", Body=gzip.compress(records(number)))
        s3.put_object(Bucket=BUCKET, Key=DAY + "empty.json.gz", Body=b"")
        s3.put_object(Bucket=BUCKET, Key=DAY + "cut.json.gz", Body=gzip.compress(records(90, 91))[:-9])
        s3.put_object(Bucket=BUCKET, Key="flat.json", Body=records(80))
        s3.put_object(Bucket=BUCKET, Key=DAY, Body=b"")
        got = from_bucket(moto.endpoint, WORK / "out")
        read = sorted(int(d["_id"][:8]) for d in documents(WORK / "out"))
        assert read[:13] == list(range(13)) and 80 in read, read
        assert got["objects"]["empty"] == 2 and got["objects"]["damaged"] == 1, got["objects"]
        assert "cut.json.gz" in dead(WORK / "out"), dead(WORK / "out")


def case_s3_faults():
    """Between us and the server things go wrong at random: the same documents and signals come out."""
    folder = WORK / "data"
    run("bench", "generate", "--out", folder, "--shape", "tiny", "--bytes", "5MiB")
    (folder / "expected.json").rename(WORK / "expected.json")
    replay(folder, WORK / "plain")
    rates = {name: 0.03 for name in ("reset_before", "reset_in_head", "reset_after_head", "reset_in_body",
                                     "reset_after_body", "truncate", "garbage", "slow_down", "error_500", "delay")}
    with Moto(WORK) as moto:
        fill(moto.s3(), folder)
        for seed in range(int(os.environ.get("SEEDS", "3"))):
            with FaultProxy(WORK, moto.port, seed=seed, rates=rates) as proxy:
                out = WORK / f"out{seed}"
                got = from_bucket(proxy.endpoint, out, *QUICK, "--shards", 1 + seed % 2)
                assert got["gaps"] == [], got
                faults = {row["fault"] for row in proxy.requests() if row.get("fault")}
                assert len(faults) >= 6, faults
                same_state(WORK / "plain", out)
        with FaultProxy(WORK, moto.port, seed=1, rates={"delay": 1.0}) as proxy:
            slow = from_bucket(proxy.endpoint, WORK / "slow", "--to", "2025-03-05")
            assert slow["bound_by"] == "storage", slow
            waits = slow["seconds"]
            assert waits["shards_wait_storage"] > max(waits["shards_busy"], waits["shards_wait_sink"], 0.4), waits


def case_s3_tls():
    """TLS 1.2 and 1.3 with a CA of our own; without it nothing is read."""
    folder = generate(size="1MiB").parent
    (folder / "expected.json").rename(WORK / "expected.json")
    replay(folder, WORK / "plain")
    with Moto(WORK) as moto:
        fill(moto.s3(), folder)
        for protocol in ("TLSv1.2", "TLSv1.3"):
            with Nginx(WORK, moto.port, protocol=protocol) as front:
                out = WORK / protocol
                from_bucket(front.endpoint, out, "--ca", front.ca_file)
                same_state(WORK / "plain", out)
                done = run("replay", f"s3://{BUCKET}", "--out", WORK / "no", "--endpoint-url", front.endpoint,
                           "--s3-path-style", "--no-progress", "--fresh", code=None, env=ENV)
                assert done.returncode in (1, 3) and b"certificate" in done.stderr, (done.returncode, done.stderr)


def case_s3_killed():
    """kill -9 at random moments, again and again, with one and two shards: nothing is lost or doubled."""
    folder = WORK / "data"
    run("bench", "generate", "--out", folder, "--shape", "tiny", "--bytes", "4MiB")
    (folder / "expected.json").rename(WORK / "expected.json")
    replay(folder, WORK / "plain")
    rng = random.Random(int(os.environ.get("SEED", "5")))
    with Moto(WORK) as moto:
        fill(moto.s3(), folder)
        out = WORK / "out"
        kills = 0
        for turn in range(8):
            child = subprocess.Popen([BINARY, "replay", f"s3://{BUCKET}", "--out", out, "--endpoint-url", moto.endpoint,
                                      "--s3-path-style", "--no-progress", "--shards", str(1 + turn % 2), *FIXED,
                                      "--set", "commit.interval=20ms"],
                                     env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                child.wait(rng.uniform(0.05, 0.8))
            except subprocess.TimeoutExpired:
                kills += 1
            child.kill()
            child.wait()
        assert kills >= 2, kills
        from_bucket(moto.endpoint, out)
        same_state(WORK / "plain", out)


class Broken(http.server.BaseHTTPRequestHandler):
    """A bucket of large objects: of each, every range but the first is refused, the third late."""

    protocol_version = "HTTP/1.1"
    data = gzip.compress(os.urandom(400000), 0)

    def log_message(self, *_):
        pass

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": len(body)}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if "list-type=2" in self.path:
            entries = "".join(f"<Contents><Key>{DAY}{n:03}.json.gz</Key><Size>{len(self.data)}</Size>"
                              "<LastModified>2025-03-04T00:00:00Z</LastModified></Contents>" for n in range(30))
            self.answer(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>".encode())
            return
        first, last = map(int, self.headers["Range"].split("=")[1].split("-"))
        if first == 0:
            self.answer(206, self.data[:last + 1], Content_Range=f"bytes 0-{last}/{len(self.data)}")
            return
        time.sleep(0.05 if first > 2 * 65536 - 1 else 0)
        self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")


def case_s3_closing():
    """Objects that fail while more of them is under way make room for others only when that is over."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Broken)
    server.handle_error = lambda *_: None  # clients hang up on it
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for objects in (1, 2):
            got = from_bucket(f"http://127.0.0.1:{server.server_address[1]}", WORK / f"out{objects}",
                              "--set", f"fetch.objects={objects}", "--set", "fetch.range_bytes=64KiB",
                              source=f"s3://{BUCKET}/{DAY}", code=7)
            assert got["objects"]["unreadable"] == 30, got["objects"]
    finally:
        server.shutdown()


def case_s3_versitygw():
    """A server that checks every signature, in path style, with more objects than a page lists."""
    folder = WORK / "data"
    day = folder / DAY
    day.mkdir(parents=True)
    for number in range(2500):
        (day / f"{number:05} a+b.json.gz").write_bytes(gzip.compress(records(number)))
    replay(folder, WORK / "plain")
    with Versitygw(WORK) as gateway:
        fill(gateway.s3(), folder)
        got = from_bucket(gateway.endpoint, WORK / "out")
        assert got["objects"]["read"] == 2500, got["objects"]
        adds_up(got)
        same_state(WORK / "plain", WORK / "out")


def case_s3_awscli():
    """AWS's own client fills the bucket: names of all kinds, and an object that it sends in parts."""
    folder = WORK / "data"
    day = folder / DAY
    day.mkdir(parents=True)
    names = ["a b", "c+d", "e%f", "g%2Fh", "ü", "日本", "i&j=k", "m'n", "~", "q;r:s,t", "(u)*!"]
    for number, name in enumerate(names):
        (day / f"{name}.json.gz").write_bytes(gzip.compress(records(number)))
    (day / "large.json").write_bytes(records(*range(100, 80100)))
    assert (day / "large.json").stat().st_size > 2 * PART_BYTES
    plain = replay(folder, WORK / "plain")
    assert plain["objects"]["read"] == len(names) + 1, plain["objects"]
    with Versitygw(WORK) as server:
        aws(server, "s3", "mb", f"s3://{BUCKET}")
        aws(server, "s3", "cp", "--recursive", "--quiet", folder, f"s3://{BUCKET}")
        head = server.s3().head_object(Bucket=BUCKET, Key=DAY + "large.json")
        assert "-" in head["ETag"], head["ETag"]
        from_bucket(server.endpoint, WORK / "out")
        same_state(WORK / "plain", WORK / "out")
        aws(server, "s3", "rm", "--quiet", f"s3://{BUCKET}/{DAY}large.json")
        aws(server, "s3", "cp", "--quiet", day / "a b.json.gz", f"s3://{BUCKET}/{DAY}again.json.gz")
        got = from_bucket(server.endpoint, WORK / "later")
        assert got["objects"]["read"] == len(names) + 1 and numbers(WORK / "later")[:3] == [0, 0, 1], got["objects"]


def case_s3_radosgw():
    """The strict server: odd keys, ranges, versions, encryption, and what it refuses."""
    from parts_radosgw import Radosgw
    folder = WORK / "data"
    run("bench", "generate", "--out", folder, "--shape", "tiny", "--bytes", "4MiB")
    (folder / "expected.json").rename(WORK / "expected.json")
    replay(folder, WORK / "plain")
    with Radosgw(WORK) as server:
        ENV.update(AWS_ACCESS_KEY_ID=server.access_key, AWS_SECRET_ACCESS_KEY=server.secret_key)
        s3 = server.s3()
        fill(s3, folder)
        for shards in (1, 2):
            got = from_bucket(server.endpoint, WORK / f"out{shards}", "--shards", shards,
                              "--set", "fetch.range_bytes=64KiB", "--set", "fetch.bytes_in_flight_max=256KiB")
            assert got["gaps"] == [], got
            same_state(WORK / "plain", WORK / f"out{shards}")
        aws(server, "s3", "mb", "s3://odd-keys")
        names = ["a b", "c+d", "e%f", "g%2Fh", "ü", "日本", "i&j=k?l", "m'n\"o", "~", "q;r:s,t", "(u)*!", "v//w", "\x01x"]
        for number, name in enumerate(names):
            s3.put_object(Bucket="odd-keys", Key=f"{DAY}{name}.json", Body=records(number))
        s3.put_bucket_versioning(Bucket="odd-keys", VersioningConfiguration={"Status": "Enabled"})
        for number in (98, 50):  # the last version counts
            s3.put_object(Bucket="odd-keys", Key=DAY + "versions.json", Body=records(number))
        s3.put_object(Bucket="odd-keys", Key=DAY + "gone.json", Body=records(97))
        s3.delete_object(Bucket="odd-keys", Key=DAY + "gone.json")
        (WORK / "sse-c.json").write_bytes(records(96))
        (WORK / "key").write_bytes(b"0123456789abcdef0123456789abcdef")
        aws(server, "s3", "cp", "--quiet", WORK / "sse-c.json", f"s3://odd-keys/{DAY}sse-c.json", "--sse-c", "AES256",
            "--sse-c-key", f"fileb://{WORK}/key")
        got = from_bucket(server.endpoint, WORK / "odd", source="s3://odd-keys", code=7)
        read = sorted(int(d["_id"][:8]) for d in documents(WORK / "odd"))
        assert read == [*range(len(names)), 50] and got["objects"]["unreadable"] == 1, (read, got)
        reason = dead(WORK / "odd")["sse-c.json"][0]["reason"]
        assert "400" in reason and "SSE-C" in reason, reason
        refused = run("replay", f"s3://{BUCKET}", "--out", WORK / "no", "--endpoint-url", server.endpoint, "--no-progress",
                      "--s3-path-style", code=1, env={**ENV, "AWS_SECRET_ACCESS_KEY": "wrong"})
        assert b"SignatureDoesNotMatch" in refused.stderr, refused.stderr
        unknown = run("coverage", f"s3://{BUCKET}", "--endpoint-url", server.endpoint, "--s3-path-style", code=1,
                      env={**ENV, "AWS_ACCESS_KEY_ID": "AKIANOBODY"})
        assert b"InvalidAccessKeyId" in unknown.stderr, unknown.stderr


if __name__ == "__main__":
    main(globals())
