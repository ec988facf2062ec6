#!/usr/bin/env python3
"""test_rules.py PENSTOCK CASE - the rules commands on made records and rules, and on the samples."""
import collections
import gzip
import json
import os
import pathlib

from kit import WORK, event, main, run

DATA = os.environ.get("PENSTOCK_DATA")


def text(done):
    return done.stdout.decode("utf-8", "strict")


def words(done):
    return done.stderr.decode("utf-8", "replace")


def rows(*args, **options):
    return [json.loads(line) for line in text(run(*args, **options)).splitlines()]


def write(name, content):
    path = WORK / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rule(name, identity, detection, product="aws", service="cloudtrail", **more):
    lines = [f"title: {identity}", f"id: {identity}", *(f"{k}: {v}" for k, v in more.items()),
             f"logsource: {{product: {product}, service: {service}}}", "detection:",
             *(f"  {line}" for line in detection)]
    return write(name, "\n".join(lines) + "\n")


def objects(name):
    """Two objects of CloudTrail: records 0..9 and 10..19, the even ones by root."""
    events = [event(n, eventName="PutObject" if n % 5 == 0 else "GetObject",
                    userIdentity={"type": "Root" if n % 2 == 0 else "IAMUser"}) for n in range(20)]
    write(f"{name}/a.json.gz", gzip.compress(json.dumps({"Records": events[:10]}).encode()))
    write(f"{name}/b.json", "".join(json.dumps(e) + "\n" for e in events[10:]))
    return WORK / name


def case_rules_match():
    data = objects("logs")
    rule("rules/root.yml", "root", ["s: {userIdentity.type: Root}", "condition: s"])
    rule("rules/two.yml", "two", ["p: {eventName: PutObject}", "r: {userIdentity.type: Root}",
                                  "condition: [p, 'p and r', 'not p and not r']"])
    rule("rules/other.yml", "other", ["s: {eventName|re: .*}", "condition: s"], product="azure")
    want = collections.Counter()
    for n in range(20):
        put, root = n % 5 == 0, n % 2 == 0
        place = ("a.json.gz" if n < 10 else "b.json", n % 10, f"{n:08d}-0000-4000-8000-000000000000")
        want.update([(*place, "root", "")] * root + [(*place, "two", "0")] * put +
                    [(*place, "two", "1")] * (put and root) + [(*place, "two", "2")] * (not put and not root))
    for workers in (1, 3):
        found = rows("rules", "match", "--rules", WORK / "rules", data, "--workers", workers)
        assert all(list(f) == ["object", "record", "event_id", "rule", "query"] for f in found), found[0]
        assert collections.Counter(tuple(f.values()) for f in found) == want, f"{workers} workers"
    count = run("rules", "match", "--count", f"--rules={WORK}/rules/root.yml", data)
    assert text(count) == "10\n", count
    # What the pack finds in a stream; a record without an id of its own is named by object and number.
    login = {"eventTime": "2025-03-04T05:06:07Z", "eventName": "StopLogging", "eventSource": "cloudtrail.amazonaws.com"}
    found = rows("rules", "match", "-", input=json.dumps(login).encode())
    assert [(f["object"], f["record"], f["query"]) for f in found] == [("-", 0, "")], found
    assert found[0]["event_id"].endswith(":0"), found
    assert rows("rules", "match", "-", "--on", "2025-03-05", input=json.dumps(login).encode()) == []
    none = run("rules", "match", "-", "--tag", "attack.t0", input=json.dumps(login).encode(), code=4)
    assert "no rule" in words(none), none


def case_rules_match_gaps():
    data = objects("logs")
    bad = rule("bad/bad.yml", "bad", ["s: {userIdentity.type|nope: Root}", "condition: s"])
    rule("bad/good.yml", "good", ["s: {userIdentity.type: Root}", "condition: s"])
    done = run("rules", "match", "--rules", WORK / "bad", data, code=7)
    assert len(text(done).splitlines()) == 10
    assert f"{bad}:5:" in words(done) and "nope" in words(done), words(done)
    run("rules", "match", "--rules", WORK / "bad", "--allow-gaps", data, code=0)
    run("rules", "match", "--rules", bad, data, code=4)
    run("rules", "match", "--rules", WORK / "none", data, code=1)
    assert "--rules" in words(run("rules", "match", "--rulse", bad, data, code=2))
    assert "source" in words(run("rules", "match", "--rules", bad, code=2))
    write("logs/c.json.gz", gzip.compress(b'{"Records":[' + json.dumps(event(7)).encode() * 90)[:-20])
    assert "c.json.gz: is damaged" in words(run("rules", "match", data))
    run("rules", "match", "--strict", data, code=7)


def case_rules_match_oracle():
    """Every verdict of the public rules on the public samples, with its place."""
    if DATA is None:
        print("skipped: PENSTOCK_DATA is not set")
        return
    data = pathlib.Path(DATA)
    want = set()
    for line in (data / "sigma_oracle/cloudtrail.sigmahq.jsonl").read_text().splitlines():
        row = json.loads(line)
        want |= {(row["rule_id"], pathlib.PurePath(name).name, record, identity) for name, record, identity in row["events"]}
    sources = [data / "invictus-ir+aws_dataset/CloudTrail", data / "DataDog+stratus-red-team/docs",
               data / "adanalvarez+TrailDiscover/events"]
    found = rows("rules", "match", "--as", "cloudtrail", "--rules", data / "SigmaHQ+sigma/rules/cloud/aws", *sources)
    got = {(f["rule"], pathlib.PurePath(f["object"]).name, f["record"], f["event_id"]) for f in found}
    assert got == want, (got - want, want - got)
    assert len(found) == len(got) > 100


main(globals())
