#!/usr/bin/env python3
"""test_search.py PENSTOCK CASE - searches and rule commands on made data."""
import ctypes
import gzip
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

BINARY, CASE = sys.argv[1], sys.argv[2]
WORK = pathlib.Path(tempfile.mkdtemp(prefix="penstock-search-"))


def deny_ring():
    """As the default seccomp profile of a container: io_uring_setup fails with EPERM."""
    code = b"".join(struct.pack("=HBBI", *row) for row in (
        (0x20, 0, 0, 0),              # load the number of the system call
        (0x15, 0, 1, 425),            # io_uring_setup?
        (0x06, 0, 0, 0x00050001),     # EPERM
        (0x06, 0, 0, 0x7fff0000)))    # allow
    text = ctypes.create_string_buffer(code)
    program = struct.pack("@HP", 4, ctypes.addressof(text))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, program) != 0:
        os._exit(99)


def run(*args, code=0, given=None, ring=True):
    done = subprocess.run([BINARY, *map(str, args)], capture_output=True, check=False, input=given,
                          preexec_fn=None if ring else deny_ring)
    done.stdout, done.stderr = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    if code is not None and done.returncode != code:
        sys.exit(f"{args}: exit {done.returncode}, wanted {code}\n{done.stdout}\n{done.stderr}")
    return done


def generate(size="8MiB"):
    where = WORK / "data"
    run("bench", "generate", "--out", where, "--bytes", size)
    return where / "AWSLogs"


def records(folder):
    """Every record below folder with the key of its object and its number."""
    for path in sorted(folder.rglob("*.json.gz")):
        for number, record in enumerate(json.loads(gzip.decompress(path.read_bytes()))["Records"]):
            yield str(path.relative_to(folder)), number, record


def search(*args, code=0, given=None):
    return [json.loads(line) for line in run("search", *args, code=code, given=given).stdout.splitlines()]


def places(found):
    return sorted((f["_penstock"]["object"], f["_penstock"]["record"]) for f in found)


def write(name, *rows):
    path = WORK / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def event(number, **more):
    return {"eventTime": f"2025-03-04T05:06:{number % 60:02d}Z", "eventSource": "s3.amazonaws.com",
            "eventName": "GetObject", "eventID": f"{number:08d}-0000-4000-8000-000000000000",
            "awsRegion": "eu-west-1", "recipientAccountId": "123456789012", **more}


def case_search_pass():
    """Every record once, with its place, on any number of threads, with and without a ring."""
    data = generate()
    want = sorted((key, number) for key, number, _ in records(data))
    for workers in (1, 2, 5):
        assert places(search("", data, "--workers", workers)) == want, f"{workers} workers"
    assert int(run("search", "--count", "", data).stdout) == len(want)
    assert int(run("search", "--count", "", data, ring=False).stdout) == len(want), "plain reads"
    assert run("replay", data, "--out", WORK / "out", ring=False, code=5).stderr.count("io_uring") > 0
    first = next(records(data))
    found = [f for f in search("", data) if f["_penstock"]["object"] == first[0] and f["_penstock"]["record"] == 0]
    own = found[0].pop("_penstock")
    assert found[0] == first[2]
    assert own["account"] == first[2]["recipientAccountId"] and own["region"] == first[2]["awsRegion"], own
    assert own["event_time"] == first[2]["eventTime"] and own["type"] == "cloudtrail", own


def case_search_prune():
    data = generate()
    every = list(records(data))
    accounts = sorted({r["recipientAccountId"] for _, _, r in every})
    regions = sorted({r["awsRegion"] for _, _, r in every})

    def wanted(test):
        return sorted((key, number) for key, number, r in every if test(r))

    assert places(search("", data, "--accounts", accounts[0])) == \
        wanted(lambda r: r["recipientAccountId"] == accounts[0])
    (WORK / "accounts.txt").write_text("\n".join(accounts[:2]) + "\n")
    assert places(search("", data, "--accounts", f"@{WORK / 'accounts.txt'}", "--not-regions", regions[0])) == \
        wanted(lambda r: r["recipientAccountId"] in accounts[:2] and r["awsRegion"] != regions[0])
    done = run("search", "--on", "2025-03-02", "--count", "", data)
    assert int(done.stdout) == len(wanted(lambda r: r["eventTime"].startswith("2025-03-02"))) > 0
    assert "2025-03-02T00:00:00Z to 2025-03-03T00:00:00Z" in done.stderr, done.stderr
    assert run("search", "--count", "--not-types", "cloudtrail", "", data, code=1).stdout == "0\n"
    # Loose files say nothing by their names: the records decide.
    loose = write("loose.json", event(1), event(2, awsRegion="us-east-1"), event(3, recipientAccountId="000000000001"))
    assert len(search("", loose, "--regions", "us-east-1")) == 1
    assert len(search("", loose, "--not-accounts", "000000000001")) == 2
    assert len(search("", loose, "--from", "2025-03-04T05:06:02Z")) == 2
    run("search", "", data, "--from", "2025-03-03", "--to", "2025-03-02", code=2)
    assert "cloudtrail" in run("search", "", data, "--types", "clodtrail", code=2).stderr


def case_search_streams():
    rows = b"".join(json.dumps(event(n)).encode() + b"\n" for n in range(40))
    assert len(search("", "-", given=rows)) == 40
    assert len(search("", "-", given=gzip.compress(rows))) == 40
    array = json.dumps({"Records": [event(n) for n in range(7)]}).encode()
    assert [f["_penstock"]["record"] for f in search("", "-", given=array)] == list(range(7))
    pipe = subprocess.run(["bash", "-c", f"{BINARY} search --count '' <(cat) <(head -c 0)"], input=rows,
                          capture_output=True, check=False)
    assert (pipe.returncode, pipe.stdout) == (0, b"40\n"), pipe
    run("search", "", "-", "-", given=rows, code=2)
    assert len(search("", WORK / "nothing", code=1)) == 0


def case_search_damage():
    day = WORK / "d"
    good = write("d/a.json", event(1))
    (day / "b.json.gz").write_bytes(gzip.compress(json.dumps({"Records": [event(2)] * 400}).encode())[:-30])
    (day / "c.json").write_bytes(json.dumps(event(3)).encode() + b'\n{"eventTime":tru}\n' + json.dumps(event(4)).encode())
    (day / "notes.txt").write_text("no log at all")
    (day / "empty.json").write_text("")
    done = run("search", "@eventID:(00000001* OR 00000004*)", day)
    assert len(done.stdout.splitlines()) == 2
    assert "b.json.gz: is damaged at byte" in done.stderr, done.stderr
    assert "c.json: bad record 1 at byte" in done.stderr, done.stderr
    assert "notes.txt: was not read" in done.stderr, done.stderr
    assert "1 damaged, 1 of no known type, 1 bad records" in done.stderr, done.stderr
    run("search", "", day, "--strict", code=7)
    run("search", "", day, "--strict", "--allow-gaps", code=0)
    run("search", "@eventName:Nothing", good, code=1)
    if os.geteuid() != 0:
        good.chmod(0)
        assert "a.json: cannot be read" in run("search", "", day, code=7).stderr
        good.chmod(0o600)


try:
    globals()[f"case_{CASE}"]()
finally:
    subprocess.run(["rm", "-rf", str(WORK)], check=False)
print("ok", CASE)
