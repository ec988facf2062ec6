#!/usr/bin/env python3
"""test_credentials.py PENSTOCK CASE - credentials that expire while those who would renew them hang.

The time of day is set by the test; nothing waits for it to pass."""
import gzip
import http.server
import json
import os
import pty
import signal
import struct
import subprocess
import threading
import time

from bulk_server import Cluster
from fake_s3 import FakeS3
from kit import BINARY, FIXED, TIME_MAX_S, WORK, adds_up, dead, documents, generate, main, numbers, records, replay, run

OBJECTS, BEFORE = 60, 10  # in all; that are answered before the time is set
DAY = "AWSLogs/o-exampleorg1/123456789012/CloudTrail/eu-west-1/2025/03/04/"
LIFE_S = 3600
BASE = {k: v for k, v in os.environ.items() if "proxy" not in k.lower() and not k.startswith("AWS_")}


def until(is_true, what):
    """Waits for what must come."""
    give_up = time.monotonic() + TIME_MAX_S
    while not is_true():
        assert time.monotonic() < give_up, what
        time.sleep(0.01)


class World:
    """A time of day, a bucket, and a program or a server that gives credentials: AK1, then AK2 ..."""

    def __init__(self):
        self.clock = WORK / "clock"
        self.ahead_s = 0
        self.clock.write_bytes(struct.pack("=q", 0))
        (WORK / "config").write_text(f"[default]\ncredential_process = sh {WORK}/program\n")
        (WORK / "program").write_text(f"cd {WORK}\nread -r line < answer\n"
                                      "if [ \"$line\" = hang ]; then echo $$ > pid; mv pid hanging; exec sleep 100000; fi\n"
                                      "echo \"$line\"\n")
        self.env = {**BASE, "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
                    "AWS_CONFIG_FILE": str(WORK / "config"), "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
                    "LD_PRELOAD": os.environ["PENSTOCK_CLOCK_LIBRARY"], "PENSTOCK_CLOCK_FILE": str(self.clock)}
        self.expired = set()  # access keys that the bucket refuses
        self.refused = 0
        self.reached, self.go = threading.Event(), threading.Event()
        self.hands_out("AK1")

    def later(self, seconds):
        self.ahead_s += seconds
        with open(self.clock, "r+b") as file:
            file.write(struct.pack("=q", self.ahead_s))

    def expires(self):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self.ahead_s + LIFE_S))

    def hands_out(self, key):
        text = json.dumps({"Version": 1, "AccessKeyId": key, "SecretAccessKey": "secret", "SessionToken": "token",
                           "Expiration": self.expires()})
        self.answers(text)

    def answers(self, text):
        (WORK / "fresh").write_text(text + "\n")
        (WORK / "fresh").rename(WORK / "answer")

    def hangs(self):
        (WORK / "hanging").unlink(missing_ok=True)
        self.answers("hang")

    def fault(self, handler, kind, _name, _turn):
        """The first objects are answered at once, all else when the test says so."""
        if kind == "get" and len(handler.s3.gets()) > BEFORE and not self.go.is_set():
            self.reached.set()
            self.go.wait(TIME_MAX_S)
        if key_of(handler.headers) in self.expired:
            self.refused += 1
            handler.error(400, "ExpiredToken")
            return True
        return False

    def expire(self):
        """Those of now have expired, for the bucket too."""
        self.hangs()
        self.later(LIFE_S + 1)
        self.expired.add("AK1")

    def args(self, s3):
        return ("--endpoint-url", s3.endpoint, "--s3-path-style", "--set", "credentials.retry=100ms")


def key_of(headers):
    return headers["Authorization"].split("Credential=")[1].split("/")[0]


def filled(world):
    s3 = FakeS3(page=7)
    for number in range(OBJECTS):
        s3.put(f"{DAY}{number:05}.json.gz", gzip.compress(records(number)))
    s3.fault = world.fault
    return s3


class Run:
    """A run whose stderr is a terminal, so that the progress line is told often."""

    def __init__(self, world, *args):
        master, slave = pty.openpty()
        self.words, self.master = "", master
        self.child = subprocess.Popen([BINARY, *map(str, args)], env=world.env, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=slave)
        os.close(slave)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        try:
            while data := os.read(self.master, 65536):
                self.words += data.decode("utf-8", "replace")
        except OSError:
            pass  # the other side has gone

    def says(self, text):
        until(lambda: text in self.words or self.child.poll() is not None, text)
        assert text in self.words, (text, self.words[-4000:])

    def ends(self, code=0):
        out, _ = self.child.communicate(timeout=TIME_MAX_S)
        assert self.child.returncode == code, (self.child.returncode, self.words[-4000:])
        return out

    def summary(self, code=0):
        got = json.loads(self.ends(code).decode().splitlines()[-1])
        adds_up(got)
        return got


def replayed(world, s3, out, *more):
    return Run(world, "replay", f"s3://{s3.bucket}", "--out", out, "--json", *FIXED, *world.args(s3), *more)


def is_gone(pid):
    """Ended, though nobody may have asked how."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


class Sts(http.server.BaseHTTPRequestHandler):
    """Gives AK1; who asks again waits for the end of the test."""
    world, asked, end = None, [], threading.Event()

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append(key_of(self.headers))
        if len(self.asked) > 1:
            self.end.wait(TIME_MAX_S)
            return
        body = ("<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>AK1</AccessKeyId>"
                "<SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>"
                f"<Expiration>{self.world.expires()}</Expiration></Credentials></AssumeRoleResult>"
                "</AssumeRoleResponse>").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def case_credentials_role():
    """STS hangs when the role is to be renewed: the run reads on with what it has, to its end."""
    world = World()
    Sts.world = world
    sts = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sts)
    sts.daemon_threads = True
    threading.Thread(target=sts.serve_forever, daemon=True).start()
    world.env.update(AWS_ACCESS_KEY_ID="AKCALLER", AWS_SECRET_ACCESS_KEY="secret",
                     AWS_ENDPOINT_URL_STS=f"http://127.0.0.1:{sts.server_address[1]}")
    with filled(world) as s3:
        going = replayed(world, s3, WORK / "out", "--role-arn", "arn:aws:iam::123456789012:role/reader",
                         "--set", "credentials.timeout=10m")
        until(world.reached.is_set, "the objects before")
        world.later(LIFE_S - 200)  # within the last five minutes, but not at their end
        until(lambda: len(Sts.asked) > 1, "a renewal")
        world.go.set()
        got = going.summary()
        assert got["objects"]["read"] == OBJECTS and got["gaps"] == [], got
        assert numbers(WORK / "out") == list(range(OBJECTS))
        assert {key_of(h) for h in s3.headers("get") + s3.headers("list")} == {"AK1"}
    assert set(Sts.asked) == {"AKCALLER"} and "expired" not in going.words, going.words
    Sts.end.set()
    sts.shutdown()
    sts.server_close()


def case_credentials_process():
    """What is held expires while the program hangs: the run says so, waits, and goes on with what comes."""
    world = World()
    with filled(world) as s3:
        going = replayed(world, s3, WORK / "out", "--set", "credentials.timeout=1s", "--shards", 2)
        until(world.reached.is_set, "the objects before")
        world.expire()
        going.says(f"s3://{s3.bucket}/: the credentials (profile default, credential_process) have expired")
        world.go.set()
        going.says("waits for credentials: profile default")
        going.says("it did not end within 1000 ms")
        world.hands_out("AK2")
        got = going.summary()
        assert got["objects"]["read"] == OBJECTS and got["gaps"] == [] and got["status"] == "done", got
        assert numbers(WORK / "out") == list(range(OBJECTS)) and dead(WORK / "out") == {}
        assert "the credentials are renewed" in going.words and key_of(s3.headers("get")[-1]) == "AK2", going.words


def case_credentials_search():
    """search waits likewise, and finds everything."""
    world = World()
    with filled(world) as s3:
        args = ("search", "--fields", "eventID", "-q", "@eventName:GetObject", *world.args(s3))
        going = Run(world, *args, "--set", "credentials.timeout=1s", f"s3://{s3.bucket}")
        until(world.reached.is_set, "the objects before")
        world.expire()
        going.says("have expired")
        world.go.set()
        going.says("it did not end within 1000 ms")
        world.hands_out("AK2")
        assert len(set(going.ends().splitlines())) == OBJECTS, going.words


def case_credentials_lack():
    """Where others never come, what is left are gaps with the reason; the next run reads them."""
    world = World()
    with filled(world) as s3:
        going = replayed(world, s3, WORK / "out", "--set", "credentials.timeout=1s", "--set", "credentials.wait=2s")
        until(world.reached.is_set, "the objects before")
        world.expire()
        going.says("have expired")
        world.go.set()
        got = going.summary(code=7)
        assert got["gaps"] and 0 < got["objects"]["read"] < OBJECTS, got
        reasons = [row["reason"] for rows in dead(WORK / "out").values() for row in rows]
        assert reasons and all("(profile default, credential_process) have expired and no others came in 2 s: " in r
                               and "credential_process" in r for r in reasons), reasons[:3]
        assert "fails until there are some" in going.words, going.words
        world.hands_out("AK2")
        run("dead-letters", "retry", "--out", WORK / "out", "--no-progress", env=world.env)
        got = replay(f"s3://{s3.bucket}", WORK / "out", *world.args(s3), env=world.env)
        assert got["gaps"] == [] and numbers(WORK / "out") == list(range(OBJECTS)), got


def case_credentials_stop():
    """A run that waits for credentials stops when asked to, and ends the program that hangs; it resumes."""
    world = World()
    with filled(world) as s3:
        going = replayed(world, s3, WORK / "out", "--set", "credentials.timeout=10m")
        until(world.reached.is_set, "the objects before")
        world.expire()
        going.says("have expired")
        until((WORK / "hanging").exists, "a program that hangs")
        world.go.set()
        going.child.send_signal(signal.SIGINT)
        got = going.summary(code=6)
        assert got["status"] == "stopped" and got["objects"]["read"] < OBJECTS, got
        assert is_gone(int((WORK / "hanging").read_text())), "the program was left behind"
        world.hands_out("AK2")
        got = replay(f"s3://{s3.bucket}", WORK / "out", *world.args(s3), env=world.env)
        assert got["status"] == "done" and numbers(WORK / "out") == list(range(OBJECTS)), got


def case_credentials_sink():
    """A cluster that wants signatures: the run goes on meanwhile, says why the sink waits, and sends everything."""
    world = World()
    folder = generate(size="1MiB")
    replay(folder, WORK / "files")
    want = {(d["_index"], d["_id"]) for d in documents(WORK / "files")}
    bodies = []

    def is_allowed(handler):
        key = key_of(handler.headers)
        if handler.path.partition("?")[0].endswith("/_bulk") and key == "AK1":
            bodies.append(key)
            if len(bodies) == 4:
                world.expire()
        world.refused += key in world.expired
        return key not in world.expired

    with Cluster(authorization=is_allowed) as cluster:
        (WORK / "penstock.yaml").write_text(f"sinks:\n  - opensearch: http://127.0.0.1:{cluster.port}\n"
                                            "    sigv4: es\n    region: eu-west-1\n")
        going = Run(world, "replay", folder, "--out", WORK / "out", "--json", *FIXED, "--config", WORK / "penstock.yaml",
                    "--set", "credentials.retry=100ms", "--set", "credentials.timeout=1s",
                    "--set", "ship.body_bytes_max=64KiB", "--set", "sink.requests_max=1")
        going.says("the opensearch sink: the credentials (profile default, credential_process) have expired")
        going.says("it did not end within 1000 ms")
        going.says("waits for credentials: profile default")
        until(lambda: world.refused > 0, "a request that is refused")
        world.hands_out("AK2")
        got = going.summary()
        assert got["status"] == "done" and got["gaps"] == [] and not cluster.errors, (got, cluster.errors[:3])
        assert {key for key in cluster.docs if not key[0].startswith("penstock-signals")} == want
        assert "the opensearch sink: the credentials are renewed" in going.words, going.words


if __name__ == "__main__":
    main(globals())
