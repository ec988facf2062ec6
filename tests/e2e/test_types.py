#!/usr/bin/env python3
"""test_types.py PENSTOCK CASE - types list, show and test."""
import gzip
import json
import pathlib

from kit import DAY, FIXED, WORK, dead, documents, event, main, numbers, records, replay, run

SOURCE = pathlib.Path(__file__).parents[2]


def case_types_list():
    rows = {row["name"]: row for row in map(json.loads, run("types", "list", "--json").stdout.splitlines())}
    files = {path.name: path for path in (SOURCE / "src/classify/types").glob("*.yaml")}
    assert {row["file"] for row in rows.values()} == set(files), rows
    assert rows["cloudtrail"]["index"] == "log-aws-cloudtrail" and rows["cloudtrail"]["builtin"] is True
    assert rows["cloudtrail"]["time"] == "eventTime" and rows["cloudtrail"]["fields"] > 10, rows
    shown = run("types", "list").stdout.decode()
    assert len(shown.splitlines()) == len(rows) and "built-in" in shown, shown
    for row in rows.values():
        assert run("types", "show", row["name"]).stdout == files[row["file"]].read_bytes(), row
    assert b"the nearest is cloudtrail" in run("types", "show", "cloudtrial", code=2).stderr
    # one's own come first
    own = WORK / "types"
    own.mkdir()
    (own / "mine.yaml").write_text("name: mine\nkey: 'mine/'\narray: Records\ntime: eventTime\nindex: log-mine\n")
    rows = [json.loads(line) for line in run("types", "list", "--json", "--types-dir", own).stdout.splitlines()]
    assert [row["builtin"] for row in rows if row["name"] == "mine"] == [False], rows
    assert run("types", "show", "mine", "--types-dir", own).stdout == (own / "mine.yaml").read_bytes()
    (own / "mine.yaml").write_text("name: mine\nindx: log-mine\n")
    done = run("types", "list", "--types-dir", own, code=3)
    assert b"mine.yaml:2:1: " in done.stderr, done.stderr
    for args in (["list", "x"], ["show"], ["test"], ["import"], ["lst"], []):
        assert run("types", *args, code=2).stdout == b"", args


def case_types_import():
    """Types of a user.ini, used at once: what they read, and what could not be carried over."""
    ini, own, root = WORK / "user.ini", WORK / "types", WORK / "logs"
    ini.write_text("[DEFAULT]\nindex_name = log-${name}\nname = shop\n[shop]\ns3_key = ^shop/\ns3_key_ignored = /noise-\\d+\nfile_format = text\n"
                   "log_pattern = (?P<when>\\S+) (?P<ip>\\S+) (?P<who>\\S+)\ntimestamp_key = when\nscript_ecs = x\n"
                   "ecs = source.ip related.ip user.name\nsource.ip = ip\nrelated.ip = [ip]\nuser.name = who\n"
                   "static_ecs = event.kind event.category\nevent.kind = event\nevent.category = web iam\n"
                   "[x\x1b]\ns3_key = x\n")
    done = run("types", "import", ini)
    told = done.stderr.decode().splitlines()
    assert len(told) == 2 and told[0].startswith("line 10: [shop] script_ecs: ") and "\x1b" not in told[1], told
    assert run("types", "import", "-", input=ini.read_bytes()).stdout == done.stdout
    own.mkdir()
    (own / "made.yaml").write_bytes(done.stdout)
    (root / "shop").mkdir(parents=True)
    (root / "shop/a.log").write_text("2025-03-04T05:06:07Z 198.51.100.7 kim\n")
    (root / "shop/noise-1").mkdir()
    for name in ("noise-7.log", "noise-1/b.log", "noise-1/c.log"):
        (root / "shop" / name).write_text("2025-03-04T05:06:07Z 198.51.100.8 noise\n")
    (WORK / "c.yaml").write_text(f"types_dir: {own}\n")
    objects = replay(root, WORK / "out", "--no-rules", "--config", WORK / "c.yaml")["objects"]
    assert (objects["read"], objects["pruned"], objects["ignored"]) == (1, 3, 3), objects
    every = replay(root, WORK / "all", "--no-rules", "--config", WORK / "c.yaml", "--as", "shop")["objects"]
    assert (every["read"], every["ignored"]) == (4, 0), every
    line, = documents(WORK / "out")
    source = line["_source"]
    assert line["_index"] == "log-shop-2025-03" and source["@log_type"] == "shop", line
    assert source["source"] == {"ip": "198.51.100.7"} and source["related"] == {"ip": ["198.51.100.7"]}, line
    assert source["user"] == {"name": "kim"} and source["event"]["category"] == ["web", "iam"], line
    ini.write_text("[x]\nnothing\n")
    assert b"user.ini: line 2: neither" in run("types", "import", ini, code=3).stderr
    ini.write_text("[x]\ns3_key = x\n")
    assert run("types", "import", ini, code=1).stdout == b""
    assert b"cannot be read" in run("types", "import", WORK / "none.ini", code=3).stderr


def case_types_rotation():
    """Indices are named by the time of the event, as its type says; an alias has no time, and no part of a script."""
    ends = {"daily": {"-2024-12-29", "-2024-12-30", "-2025-03-04"}, "weekly": {"-2024-w52", "-2025-w01", "-2025-w10"},
            "monthly": {"-2024-12", "-2025-03"}, "yearly": {"-2024", "-2025"}, "auto": {""}, "aoss": {"-001"}}
    own, root = WORK / "types", WORK / "logs"
    own.mkdir()
    for rotation in ends:
        (own / f"{rotation}.yaml").write_text(f"name: {rotation}\nkey: ^{rotation}/\ntime: t\nindex: log-{rotation}\n"
                                              f"rotation: {rotation}\n")
        (root / rotation).mkdir(parents=True)
        (root / rotation / "x.json").write_text("".join(json.dumps({"t": time, "n": number}) + "\n" for number, time in (
            enumerate(("2024-12-29T23:59:59Z", "2024-12-30T00:00:00Z", "2025-03-04T05:06:07Z", "2024-12-29T23:59:59Z")))))
    (WORK / "c.yaml").write_text(f"types_dir: {own}\n")
    replay(root, WORK / "out", "--no-rules", "--config", WORK / "c.yaml")
    got = [line["_index"] for line in documents(WORK / "out")]
    assert len(got) == 4 * len(ends), got
    assert set(got) == {f"log-{rotation}{end}" for rotation in ends for end in ends[rotation]}, set(got)
    rows = {row["name"]: row for row in map(json.loads, run("types", "list", "--json", "--types-dir", own)
                                            .stdout.splitlines())}
    assert all(rows[rotation]["rotation"] == rotation for rotation in ends), rows
    assert rows["cloudtrail"]["rotation"] == "monthly", rows["cloudtrail"]


def case_types_test():
    """Tells what replay would make of a file."""
    def told(*args, code=0, **options):
        return json.loads(run("types", "test", "--json", *args, code=code, **options).stdout)

    root = WORK / "logs"
    (root / DAY).mkdir(parents=True)
    good = root / DAY / "x.json.gz"
    good.write_bytes(gzip.compress(records(1, 2, 3)))
    got = told(good)
    assert got["by_key"] == {"type": "cloudtrail", "account": "123456789012", "region": "eu-west-1",
                             "day": "2025-03-04"}, got
    assert (got["type"], got["records"], got["bad_records"], got["damage"]) == ("cloudtrail", 3, 0, ""), got
    assert got["plain_bytes"] == len(records(1, 2, 3)), got
    replay(root, WORK / "out", "--no-rules")
    delivered = {line["_id"]: line for line in documents(WORK / "out")}[got["first"]["id"]]
    mine = got["first"]["document"]
    for side in (mine, delivered["_source"]):
        side["event"].pop("ingested")
        side.pop("@log_s3key", None)  # replay's key is below its source
    assert mine == delivered["_source"] and got["first"]["index"] == delivered["_index"], (mine, delivered)
    # by content alone, on standard input; another key; another type
    got = told("-", input=records(1))
    assert (got["key"], got["by_key"]["type"], got["type"], got["records"]) == ("-", "unknown", "cloudtrail", 1), got
    assert told("-", "--key", DAY + "/o.json", input=records(1))["by_key"]["region"] == "eu-west-1"
    assert told("-", "--as", "json", input=b'{"a":1}\n{"a":2}\n')["records"] == 2
    # what cannot be read
    got = told("-", "--as", "json", input=b"hello", code=1)
    assert got["records"] == 0 and got["bad_records"] == 1, got
    got = told("-", input=records(1, b'{"eventID":"x"}', 2), code=1)
    assert (got["records"], got["bad_records"], got["bad"][0]["record"]) == (2, 1, 1), got
    got = told("-", "--as", "cloudtrail", input=gzip.compress(records(1, 2))[:-9], code=1)
    assert got["damage"], got
    got = told("-", input=b"just words\n", code=1)
    assert got["type"] == "unknown" and got["first"]["document"] is None, got
    shown = run("types", "test", "-", input=records(1, b'{"eventID":"\x1b"}'), code=1).stdout
    assert b"\x1b" not in shown and b"record 1 at byte" in shown and b"1 good, 1 bad" in shown, shown
    assert b"no such log type" in run("types", "test", good, "--as", "x", code=2).stderr
    run("types", "test", WORK / "none", code=1)
    # lines that are told by their columns; not when one is there twice, or has the name of a member of ours
    for names, by_column in (("version srcaddr end", 2), ("version srcaddr srcaddr end", 0), ("source srcaddr end", 0)):
        lines = WORK / "flow.log"
        words = " ".join("1740787200" if name == "end" else "192.0.2.1" for name in names.split())
        lines.write_text(f"{names}\n{words}\n{words}\n")
        got = told(lines, "--as", "vpcflowlogs")
        assert (got["records"], got["by_column"]) == (2, by_column), (names, got)
        shown = run("types", "test", lines, "--as", "vpcflowlogs").stdout.decode()
        assert f"lines      {by_column} by their columns, {2 - by_column} value by value" in shown, shown


def case_types_formats():
    """Lines of keys and values, and of CEF, are types of a file alone; what does not fit is told."""
    own, root = WORK / "types", WORK / "logs"
    own.mkdir()
    root.mkdir()
    (own / "gate.yaml").write_text("name: gate\nkey: gate\nformat: key-value\ntime: when\nindex: log-gate\nmap:\n"
                                   "  user.name: user\n  source.ip: src\n")
    (own / "wall.yaml").write_text("name: wall\nkey: wall\nformat: cef\ntime: rt\ntime_form: epoch\nindex: log-wall\nmap:\n"
                                   "  rule.name: name\n  source.ip: src\n")
    (root / "gate.log").write_text('Mar 4 host: when=2025-03-04T05:06:07Z user="kim \\"k\\" k" src=198.51.100.7 denied\n'
                                   'no pair at all\nuser="open\n')
    (root / "wall.log").write_text("<1>CEF:0|V|P|1|7|drop|5|rt=1741064767000 src=198.51.100.7 msg=a b\nCEF:0|V|P\nwords\n")
    (WORK / "c.yaml").write_text(f"types_dir: {own}\n")
    got = replay(root, WORK / "out", "--no-rules", "--config", WORK / "c.yaml")
    assert got["records"]["delivered"] == 6 and got["records"]["dead"] == 0, got
    found = sorted((d["_index"], d["_source"].get("source", {}).get("ip"), d["_source"].get("user", {}).get("name"),
                    d["_source"].get("message"), d["_source"].get("error", {}).get("message"))
                   for d in documents(WORK / "out") if d["_index"].startswith(("log-gate", "log-wall")))
    reasons = [reason for *_, reason in found if reason]
    assert sorted(reasons) == ["a quote of a value is not closed",
                               "the header of CEF is cut off: seven fields with | behind each are wanted",
                               "the line has no CEF: in it", "the line has no pair of a key and a value"], found
    assert ("log-gate-2025-03", "198.51.100.7", 'kim "k" k', "Mar 4 host: denied", None) in found, found
    wall, = [d["_source"] for d in documents(WORK / "out") if d["_source"].get("deviceVendor")]
    assert wall["rule"]["name"] == "drop" and wall["msg"] == "a b" and wall["syslog"] == "<1>", wall
    (own / "gate.yaml").write_text("name: gate\nindex: i\nformat: leef\n")
    assert b"gate.yaml:3:9: a format is json, text, columns, key-value, cef or" in run(
        "types", "list", "--types-dir", own, code=3).stderr


def lookup(numbers, is_numeric=False, **layout):
    """What `aws cloudtrail lookup-events` prints."""
    def element(number):
        inner = event(number, responseElements={"note": 'a "quoted" word'})
        return {"EventId": inner["eventID"], "EventName": inner["eventName"], "ReadOnly": "true",
                "EventTime": 1741064767.0 if is_numeric else "2025-03-04T05:06:07+00:00",
                "EventSource": inner["eventSource"], "Username": "u", "Resources": [],
                "CloudTrailEvent": json.dumps(inner, separators=(",", ":"))}
    return json.dumps({"Events": [element(n) for n in numbers], "NextToken": "eyJ"}, **layout).encode()


def case_types_lookup():
    """Answers of lookup-events are known by their content, whatever the file is called."""
    root = WORK / "loose"
    root.mkdir()
    (root / "pretty.json").write_bytes(lookup([1, 2], indent=4))
    (root / "compact").write_bytes(lookup([3, 4], separators=(",", ":")))
    (root / "numeric.txt.gz").write_bytes(gzip.compress(lookup([5, 6], is_numeric=True, indent=4)))
    (root / "sorted.out").write_bytes(lookup([7], sort_keys=True))
    got = replay(root, WORK / "out", "--no-rules")
    assert got["by_type"] == {"cloudtrail": {"objects": 4, "records": 7, "dead": 0, "unparsed": 0}}, got
    assert (got["objects"]["unknown"], got["records"]["delivered"]) == (0, 7), got
    assert numbers(WORK / "out") == [1, 2, 3, 4, 5, 6, 7]
    forced = replay(root, WORK / "forced", "--no-rules", "--as", "cloudtrail")
    assert forced["by_type"] == got["by_type"], forced
    found = run("search", "@eventName:GetObject", root).stdout
    assert len(found.splitlines()) == 7, found


def digest(**layout):
    """The shape of a digest file; nothing in it is real."""
    return json.dumps({
        "awsAccountId": "123456789012", "digestStartTime": "2025-03-04T05:00:00Z",
        "digestEndTime": "2025-03-04T06:00:00Z", "digestS3Bucket": "b", "digestS3Object": "AWSLogs/d.json.gz",
        "digestPublicKeyFingerprint": "00ff", "digestSignatureAlgorithm": "SHA256withRSA",
        "newestEventTime": "2025-03-04T05:59:00Z", "oldestEventTime": "2025-03-04T05:01:00Z",
        "previousDigestS3Object": None, "logFiles": [{"s3Object": "a", "hashValue": "0"}] * 1000}, **layout).encode()


def case_types_digest():
    """Digests, known by key or by content, are counted as such: no records, no dead letters."""
    root = WORK / "data"
    by_key = root / DAY.replace("CloudTrail", "CloudTrail-Digest") / "d.json.gz"
    for path in (by_key, root / DAY / "x.json.gz", root / DAY / "digest.json.gz"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(digest()))
    (root / DAY / "x.json.gz").write_bytes(gzip.compress(records(1, 2)))
    (root / "loose.json").write_bytes(digest(indent=2))
    (root / "sorted").write_bytes(digest(sort_keys=True))
    for shards in (1, 3):
        got = replay(root, WORK / f"out{shards}", "--no-rules", "--shards", shards)
        assert (got["objects"]["digest"], got["objects"]["unknown"], got["objects"]["read"]) == (4, 0, 5), got
        assert (got["records"]["in"], got["records"]["delivered"], got["records"]["dead"]) == (2, 2, 0), got
        assert not dead(WORK / f"out{shards}"), dead(WORK / f"out{shards}")
    table = run("replay", root, "--out", WORK / "table", "--no-rules", "--no-progress").stdout
    assert b", 0 unreadable, 4 digest\n" in table, table
    by_key.unlink()
    assert run("search", "--count", "", root, "--strict").stdout == b"2\n"


def case_types_empty():
    """An answer without events and a digest without files are known by their content."""
    root = WORK / "loose"
    root.mkdir()
    for number, text in enumerate((lookup([]), lookup([], indent=4), b'{"Events": []}', b'{"Records":[]}')):
        (root / f"answer{number}.json").write_bytes(text)
    whole = json.loads(digest())
    for number, listed in enumerate(({"logFiles": []}, {"logFiles": [], "newestEventTime": None})):
        (root / f"digest{number}.json").write_text(json.dumps({**whole, **listed}))
    del whole["digestPublicKeyFingerprint"]
    (root / "digest.json").write_text(json.dumps({**whole, "logFiles": []}))
    for shards in (1, 2):
        got = replay(root, WORK / f"out{shards}", "--no-rules", "--shards", shards, "--strict")
        assert (got["objects"]["digest"], got["objects"]["unknown"], got["objects"]["damaged"]) == (3, 0, 0), got
        assert got["by_type"]["cloudtrail"] == {"objects": 4, "records": 0, "dead": 0, "unparsed": 0}, got
        assert got["records"]["in"] == 0 and not dead(WORK / f"out{shards}"), dead(WORK / f"out{shards}")


if __name__ == "__main__":
    main(globals())
