#!/usr/bin/env python3
"""test_search.py PENSTOCK CASE - searches and rule commands on made data."""
import ctypes
import gzip
import json
import os
import pathlib
import pty
import struct
import subprocess
import sys
import tempfile
import tty

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


def case_search_outputs():
    """What a run left below a source is not read as logs, by no command, and that is told."""
    data = generate("2MiB")
    here = data / "123/my run"
    here.mkdir(parents=True)
    want = run("search", "*", data, "--count").stdout
    survey = run("coverage", data, "--json").stdout
    run("replay", data, "--out", here, "--no-progress")
    for command in (["search", "*", data, "--count"], ["rules", "match", "--rules", "builtin", data, "--count"],
                    ["coverage", data, "--json"], ["replay", data, "--out", WORK / "out", "--no-progress", "--json"]):
        done = run(*command)
        assert done.stderr.count("123/my run is left out: it is what a run of penstock left") == 1, done.stderr
        assert '"unknown":0' in done.stdout or "unknown" not in done.stdout, done.stdout
        if command[0] == "search":
            assert done.stdout == want, (done.stdout, want)
        if command[0] == "coverage":
            assert done.stdout == survey
    # a run says nothing of its own folder
    assert "left out" not in run("replay", data, "--out", here, "--no-progress").stderr


def case_search_options():
    """--json asks for what is printed anyway; --shards is as for a replay."""
    data = generate("1MiB")
    want = run("search", "*", data, "--sort", "time").stdout
    done = run("search", "*", data, "--sort", "time", "--json", "--shards", "1")
    assert done.stdout == want and all(json.loads(line) for line in want.splitlines())
    assert run("search", "*", data, "--workers", "2", "--count", "--json").stdout.strip() == str(len(want.splitlines()))
    for form in (["--fields", "eventName"], ["--raw"]):
        assert "--json" in run("search", "*", data, "--json", *form, code=2).stderr
    assert "--shards takes a number" in run("search", "*", data, "--shards", "0", code=2).stderr
    want = run("rules", "match", "--rules", "builtin", data, "--count").stdout
    assert run("rules", "match", "--rules", "builtin", data, "--count", "--shards", "1").stdout == want


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


def ids(*args, **options):
    """The values of eventID (or n) that a search prints, in order."""
    return sorted(run("search", *args, code=None, **options).stdout.splitlines())


# What each query takes of the records of languages(): their eventIDs are single letters.
QUERIES = [
    # free text: any value, whole words, any case; not the names of members
    ("alice", "a"), ("ALICE", "a"), ("bob", "b"), ("bo", ""), ("bo*", "b"), ("*mith", "b"), ("B?B", "b"),
    ("\"Bob Smith\"", "b"), ("\"smith bob\"", ""), ("smith bob", "b"), ("*:alice", "a"), ("userIdentity", ""),
    ("ärger", "c"), ("ÄRGER", "c"), ("iam", "a"), ("iam.amazonaws.com", "a"), ("\"bo*\"", ""), ("escaped", "d"),
    # fields as in the record: case counts, whole values, wildcards, any element
    ("@eventName:CreateUser", "a"), ("@eventName:createuser", ""), ("@eventName:Create*", "a"), ("@eventName:Get?bject", "b"),
    ("@eventName:Create", ""), ("@eventname:CreateUser", ""), ("@requestParameters.list:x", "b"),
    ("@requestParameters.list.k:v", "b"), ("@requestParameters.list:1", "b"), ("@requestParameters.flag:true", "b"),
    ("@requestParameters.empty:\"\"", "b"), ("@requestParameters.userName:\"bob smith\"", "b"),
    ("@requestParameters.userName:bob", ""), ("@requestParameters.userName:\"bob*\"", ""), ("@a.b:dotted", "c"),
    ("@eventName:(CreateUser OR GetObject)", "ab"), ("@eventName:(Get* -GetObject)", "d"), ("@errorCode:*", "ad"),
    ("-@errorCode:*", "bc"), ("_missing_:@errorCode", "bc"), ("@userIdentity.arn:arn\\:aws\\:iam*", "a"),
    ("-@requestParameters.list:x", "acd"),
    # and, or, not, parentheses
    ("alice OR bob", "ab"), ("alice AND bob", ""), ("NOT alice", "bcd"), ("-alice -bob", "cd"), ("NOT (alice OR bob)", "cd"),
    ("alice OR bob @eventName:GetObject", "ab"), ("(alice OR bob) @eventName:GetObject", "b"), ("", "abcd"), ("*", "abcd"),
    # numbers
    ("@requestParameters.n:>4", "b"), ("@requestParameters.n:>=5", "b"), ("@requestParameters.n:<5", "d"),
    ("@requestParameters.n:[1 TO 5]", "bd"), ("@requestParameters.n:{1 TO 5}", "d"), ("@requestParameters.n:[* TO 2]", "d"),
    # networks, also by ECS and Datadog names
    ("CIDR(@sourceIPAddress, 10.0.0.0/8)", "a"), ("CIDR(@source.ip, 10.0.0.0/8, 2001:db8::/32)", "ab"),
    ("NOT CIDR(@network.client.ip, 10.0.0.0/8)", "bcd"),
    # ECS, Datadog's attributes, tags
    ("@event.action:CreateUser", "a"), ("@event.outcome:failure", "ad"), ("@user.name:Alice", "a"),
    ("@cloud.account.id:123456789012", "abcd"), ("@user_agent.original:aws-cli*", "a"), ("@error.code:AccessDenied", "ad"),
    ("@evt.name:CreateUser", "a"), ("@error.kind:AccessDenied", "ad"), ("@evt.outcome:failure", "ad"),
    ("@usr.name:Alice", "a"), ("@http.useragent:aws-cli*", "a"), ("source:cloudtrail", "abcd"), ("source:CloudTrail", "abcd"),
    ("service:cloudtrail", "abcd"), ("service:web", ""), ("@level:Error", "ad"), ("-@level:error", "bc"),
    ("status:error", "ad"), ("status:info", "bc"), ("instance-id:*", ""),
    ("account:123456789012", "abcd"), ("region:us-east-1", "b"), ("aws_account:1*", "abcd"), ("env:prod", ""),
]


def languages():
    def one(letter, **more):
        return {**event(0), "eventID": letter, **more}

    path = WORK / "records.json"
    path.write_text(json.dumps([
        one("a", eventSource="iam.amazonaws.com", eventName="CreateUser", errorCode="AccessDenied",
            sourceIPAddress="10.1.2.3", userAgent="aws-cli/2.0", userIdentity={"type": "IAMUser", "userName": "Alice",
                                                                               "arn": "arn:aws:iam::1:user/Alice"}),
        one("b", awsRegion="us-east-1", sourceIPAddress="2001:db8::1",
            requestParameters={"userName": "bob smith", "n": 5, "list": [1, "x", {"k": "v"}], "flag": True, "empty": ""}),
        one("c", eventName="PutObject", requestParameters={"text": "Ärger"}, **{"a.b": "dotted"}),
        one("d", eventName="GetBucketAcl", errorCode="AccessDenied", requestParameters={"n": "2"})], ensure_ascii=False)
                    .replace('"n": "2"', '"n": "2", "u": "\\u0065scaped"'))
    return path


def case_search_language():
    path = languages()
    wrong = []
    for query, want in QUERIES:
        done = run("search", "--fields", "eventID", "-q", query, path, code=None)
        got = "".join(sorted(done.stdout.split()))
        if got != want or done.returncode != (0 if want else 1):
            wrong.append((query, want, got, done.returncode, done.stderr))
    assert not wrong, wrong
    # The same by each of the ways to give a query.
    assert ids("--fields", "eventID", "--", "-alice", path) == ["b", "c", "d"]
    hint = run("search", "-alice", path, code=2).stderr
    assert "-q" in hint and "--" in hint, hint
    assert "@eventName" in run("search", "eventName:GetObject", path, code=2).stderr
    bad = run("search", "@a:(b OR", path, code=2).stderr
    assert "\n" in bad and "^" in bad, bad


def case_search_as_rule():
    """Bare words are the message alone, and a tag that no record has is no mistake."""
    path = languages()
    assert ids("--as-rule", "--fields", "eventID", "alice", path) == []
    assert ids("--as-rule", "--fields", "eventID", "@evt.name:CreateUser -alice", path) == ["a"]
    assert ids("--as-rule", "--fields", "eventID", "eventName:CreateUser", path) == []
    rows = write("rows.json", {"n": 1, "message": "User Login"}, {"n": 2, "text": "user login"})
    assert ids("--as", "json", "--as-rule", "--fields", "n", "\"user login\"", rows) == ["1"]
    assert ids("--as", "json", "--fields", "n", "\"user login\"", rows) == ["1", "2"]


def case_search_json():
    """Any JSON: its members are attributes; tags and the reserved ones at the root have no @."""
    path = write("any.json", {"n": 1, "tags": ["env:prod", "team:Red Team", "solo"], "message": "user login", "source": "app",
                              "status": "warn", "a": {"b": [1, {"c": "x"}]}},
                 {"n": 2, "tags": "env:dev, ver:1.5", "env": "prod", "message": "x", "service": "web", "host": "i-1", "big": 12.5})
    wrong = []
    for query, want in (("env:prod", "1"), ("ENV:dev", "2"), ("env:*", "12"), ("-env:prod", "2"), ("team:\"red team\"", "1"),
                        ("team:Red*", "1"), ("ver:>1", "2"), ("tags:solo", "1"), ("@env:prod", "2"), ("@env:Prod", ""),
                        ("source:app", "1"), ("source:json", ""), ("service:WEB", "2"), ("status:WARN", "1"), ("host:i-*", "2"),
                        ("login", "1"), ("@a.b.c:x", "1"), ("@a.b:1", "1"), ("@big:[12 TO 13]", "2"), ("nobody:x", "")):
        got = "".join(ids("--as", "json", "--fields", "n", "-q", query, path))
        if got != want:
            wrong.append((query, want, got))
    assert not wrong, wrong


def case_search_forms():
    """What is printed: records, bytes, cells, counts; in order of time; no more than asked for."""
    path = languages()
    late = {**event(9), "eventName": "tab\there\nline\\", "n": [1, {"k": "v"}, None], "o": {"x": [1, 2]}}
    other = write("rows/1.json", late, {**event(3), "eventName": "first"})
    found = search("", other)
    assert [f["_penstock"]["record"] for f in found] == [0, 1] and found[0]["_penstock"] == {
        "object": "1.json", "record": 0, "event_time": late["eventTime"], "type": "cloudtrail",
        "account": "123456789012", "region": "eu-west-1"}, found
    raw = run("search", "--raw", "", other).stdout
    assert raw == other.read_text(), raw
    cells = run("search", "--fields", "eventName,n,o,nothing,_penstock.record,_penstock.event_time", "", other).stdout
    assert cells.splitlines() == ["tab\\there\\nline\\\\\t1,{\"k\":\"v\"}\t{\"x\":[1,2]}\t\t0\t2025-03-04T05:06:09Z",
                                  "first\t\t\t\t1\t2025-03-04T05:06:03Z"], cells
    assert run("search", "--sort", "time", "--fields", "eventTime", "", WORK / "rows", path).stdout.splitlines() == \
        sorted([event(0)["eventTime"]] * 4 + [event(3)["eventTime"], event(9)["eventTime"]])
    assert run("search", "--count", "", path).stdout == "4\n"
    assert run("search", "--count", "--limit", "3", "", path).stdout == "3\n"
    assert len(search("--limit", "2", "", path)) == 2
    assert len(search("--sort", "time", "--limit", "2", "", path)) == 2
    assert run("search", "--count", "nobody", path, code=1).stdout == "0\n"
    for wrong in (["--count", "--raw"], ["--limit", "0"], ["--sort", "name"], ["--fields", "a,,b"], ["--as", "nothing"]):
        assert run("search", *wrong, "", path, code=2).stdout == ""


def shown(*args):
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    subprocess.run([BINARY, *map(str, args)], stdout=theirs, stderr=subprocess.PIPE, check=False)
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 65536):
            text += part
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    return text.decode("utf-8", "strict")


def case_search_terminal():
    """What a terminal would obey is shown as text; tabs still part the cells."""
    path = write("bad.json", {**event(1), "eventName": "a\x1b[31m\u202eb\u009bc\td", "user": "e\x07"})
    path.write_text(path.read_text().replace("\\u202e", "\u202e").replace("\\u009b", "\u009b"))
    cells = shown("search", "--fields", "eventName,eventID", "", path)
    assert cells == "a\\x1b[31m\\u{202e}b\\u{9b}c\\td\t00000001-0000-4000-8000-000000000000\n", cells
    for form in ([], ["--raw"]):
        text = shown("search", *form, "", path)
        assert "\\u{202e}b\\u{9b}c" in text and text.count("\n") == 1, text
        assert not any(ord(c) < 32 and c != "\n" or c in "\x7f\u202e\u009b" for c in text), text
    assert "\u202e" in run("search", "", path).stdout, "a file gets the record as it is"



try:
    globals()[f"case_{CASE}"]()
finally:
    subprocess.run(["rm", "-rf", str(WORK)], check=False)
print("ok", CASE)
