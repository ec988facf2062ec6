#!/usr/bin/env python3
"""Lists of threat indicators end to end: documents, rules, lists that change or grow old, and search."""
import datetime
import json
import os
import pathlib
import sys

sys.path.insert(0, os.path.dirname(__file__))
from kit import *  # noqa: E402,F403

STIX = json.dumps({"type": "bundle", "id": "bundle--1", "objects": [
    {"type": "indicator", "id": "indicator--1", "name": "Scanner", "created_by_ref": "identity--1",
     "pattern_type": "stix", "pattern": "[ipv4-addr:value = '198.51.100.7' OR domain-name:value = 'evil.example']",
     "indicator_types": ["anonymizer"], "modified": "2025-03-01T00:00:00Z", "valid_from": "2025-03-01T00:00:00Z"},
    {"type": "indicator", "id": "indicator--2", "pattern_type": "stix", "revoked": True,
     "pattern": "[ipv4-addr:value = '198.51.100.8']"},
    {"type": "indicator", "id": "indicator--3", "pattern_type": "stix",
     "pattern": "[ipv4-addr:value = '198.51.100.9' AND file:name = 'x']"},
    {"type": "identity", "id": "identity--1", "name": "Acme"}]})


def today():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")


def lists():
    """A text, a table and a bundle; the bundle says that it is old."""
    (WORK / "feed.txt").write_text(f"# updated: {today()}\n203.0.113.0/24\nno indicator\nuser-agent: Bad/1.0\n")
    (WORK / "table.csv").write_text(f"# {today()}\nip,provider,name\n203.0.113.5,Acme,Botnet\n")
    (WORK / "bundle.json").write_text(STIX)
    return ",".join(str(WORK / name) for name in ("feed.txt", "table.csv", "bundle.json"))


def sample():
    folder = Folder("logs")
    folder.put("a.json", records(*[json.dumps(event(10 + i, **more)).encode() for i, more in enumerate((
        {"sourceIPAddress": "203.0.113.5"}, {"sourceIPAddress": "203.0.113.200", "userAgent": "Bad/1.0"},
        {"sourceIPAddress": "198.51.100.7"}, {"sourceIPAddress": "198.51.100.8"}, {"sourceIPAddress": "evil.example"},
        {"sourceIPAddress": "10.0.0.1"}))]))
    return folder.root


def threats(out):
    return {int(d["_id"][:8]): d["_source"].get("threat") for d in documents(out)}


def case_ioc():
    """Documents have the indicators of three lists in the form of SIEM on OpenSearch; the summary counts them."""
    data = sample()
    plain = replay(data, WORK / "plain")
    assert "ioc" not in plain, plain
    done = run("replay", data, "--out", WORK / "out", "--json", "--no-progress", *FIXED, "--set", f"enrich.ioc={lists()}")
    summary = json.loads(done.stdout.splitlines()[-1])
    adds_up(summary)
    assert summary["ioc"] == {"lists": 3, "indicators": 5, "rejected": 2, "ended": 1, "records": 4, "matches": 6,
                              "cut": 0, "stale": ["bundle.json"]}, summary["ioc"]
    words = done.stderr.decode()
    assert "feed.txt:3: `no indicator` is no address, network, domain, URL or hash" in words, words
    assert "bundle.json: `indicator--3` has a pattern that asks for several things at once (AND)" in words, words
    assert "bundle.json: says that it is of 2025-03-01T00:00:00Z" in words and "ioc.max_age is less" in words, words
    assert words.count("warning") == 3, words
    got = threats(WORK / "out")
    assert {n for n in got if got[n]} == {10, 11, 12, 14}, got
    assert got[10]["enrichments"] == [
        {"indicator": {"provider": "Acme", "name": "Botnet", "ip": "203.0.113.5", "type": "ipv4-addr"},
         "matched": {"field": ["source.ip"]}},
        {"indicator": {"provider": "feed", "name": "203.0.113.0/24", "ip": "203.0.113.5", "type": "ipv4-addr"},
         "matched": {"field": ["source.ip"]}}], got[10]
    assert got[10]["matched"] == {"providers": ["Acme", "feed"], "types": ["ipv4-addr"],
                                  "indicators": ["203.0.113.5", "203.0.113.0/24"],
                                  "names": ["Botnet", "203.0.113.0/24"]}, got[10]
    assert got[11]["matched"]["types"] == ["ipv4-addr", "user-agent"], got[11]
    assert got[11]["enrichments"][1]["matched"] == {"field": ["user_agent.original"], "atomic": "Bad/1.0"}, got[11]
    assert got[12]["enrichments"][0]["indicator"] == {
        "provider": "Acme", "name": "Scanner", "ip": "198.51.100.7", "type": "ipv4-addr",
        "modified_at": "2025-03-01T00:00:00Z"}, got[12]
    assert got[14]["enrichments"][0]["matched"] == {"field": ["source.address"], "atomic": "evil.example"}, got[14]
    # nothing else differs
    without = {d["_id"]: d for d in documents(WORK / "plain")}
    for d in documents(WORK / "out"):
        d["_source"].pop("threat", None)
        assert d == without[d["_id"]], (d, without[d["_id"]])
    # the files are the config's neighbours; a list, or one text
    (WORK / "one.yaml").write_text("enrich:\n  ioc: [feed.txt, table.csv, bundle.json]\nioc: {max_age: 0}\n")
    (WORK / "two.yaml").write_text("enrich:\n  ioc: feed.txt, table.csv, bundle.json\n")
    got = replay(data, WORK / "config", "--config", WORK / "one.yaml", cwd="/")
    assert got["ioc"] == {**summary["ioc"], "stale": []}, got
    assert state_of(WORK / "config") == state_of(WORK / "out")
    replay(data, WORK / "text", "--config", WORK / "two.yaml", cwd="/")
    assert state_of(WORK / "text") == state_of(WORK / "out")
    # a table for people, and check
    table = run("replay", data, "--out", WORK / "people", "--no-progress", "--set", f"enrich.ioc={lists()}").stdout
    assert b"indicators 6 matches in 4 records, of 5 in 3 lists, 1 of them stale\n" in table, table
    words = run("check", "--set", f"enrich.ioc={lists()}").stderr.decode()
    assert "feed.txt:3:" in words and "bundle.json: says that it is of" in words, words


def case_ioc_rules():
    """Rules of both languages and exclusions see the fields; without documents, too."""
    data = sample()
    (WORK / "rule.yml").write_text(
        "title: listed\nid: 0d4b0a8c-5a39-4cc5-9c53-2a4d4f6f2b11\nlevel: high\n"
        "logsource: {product: aws, service: cloudtrail}\n"
        "detection: {s: {threat.matched.providers: Acme}, condition: s}\n")
    options = ["--set", f"enrich.ioc={lists()}", "--rules", WORK / "rule.yml"]
    assert replay(data, WORK / "out", *options)["matches"] == 3
    summary = replay(data, WORK / "signals", *options, "--signals-only")
    assert summary["matches"] == 3 and summary["ioc"]["matches"] == 6, summary
    (WORK / "penstock.yaml").write_text(
        "exclude: [{name: anonymous, query: '@threat_intel.results.category:anonymizer'}]\n")
    summary = replay(data, WORK / "less", "--set", f"enrich.ioc={lists()}", "--config", WORK / "penstock.yaml")
    assert summary["records"]["excluded"] == 2 and summary["ioc"]["matches"] == 4, summary


def case_ioc_many():
    """A document tells 16 indicators; records that have more are counted."""
    names = [WORK / f"list{i}.txt" for i in range(17)]
    for path in names:
        path.write_text(f"# updated: {today()}\n203.0.113.5\n")
    data = sample()
    summary = replay(data, WORK / "out", "--set", "enrich.ioc=" + ",".join(map(str, names)))
    assert (summary["ioc"]["records"], summary["ioc"]["matches"], summary["ioc"]["cut"]) == (1, 16, 1), summary["ioc"]
    assert len(threats(WORK / "out")[10]["enrichments"]) == 16
    summary = replay(data, WORK / "fewer", "--set", "enrich.ioc=" + ",".join(map(str, names[:16])))
    assert (summary["ioc"]["matches"], summary["ioc"]["cut"]) == (16, 0), summary["ioc"]


def case_ioc_bad():
    """A list that cannot be used as a whole ends a run before it begins, in one sentence."""
    data = sample()
    bad = WORK / "bad.txt"
    for content, words in ((b"hello\nworld\n", b"nothing in it is an indicator"), (b"{\"type\":", b"is no whole JSON"),
                           (b"\x1f\x8b\x08\x00", b"is no text"), (b"[{\"ip\": \"192.0.2.1\"}]", b"none of STIX")):
        bad.write_bytes(content)
        for command in (["replay", data, "--out", WORK / "out"], ["check"]):
            done = run(*command, "--set", f"enrich.ioc={bad}", code=2)
            assert done.stderr.startswith(b"penstock: enrich.ioc: ") and words in done.stderr, done.stderr
            assert b"bad.txt: " in done.stderr and done.stderr.count(b"\n") == 1 and done.stdout == b"", done
        assert not (WORK / "out").exists()
    bad.write_text("192.0.2.1\n192.0.2.2\n")
    done = run("check", "--set", f"enrich.ioc={bad}", "--set", "ioc.entries_max=1", code=2)
    assert b"more than 1 indicators (ioc.entries_max)" in done.stderr, done.stderr
    bad.write_text("192.0.2.1\n" * 1000)
    done = run("check", "--set", f"enrich.ioc={bad}", "--set", "ioc.bytes_max=4KiB", code=2)
    assert b"larger than 4096 bytes" in done.stderr, done.stderr
    config = WORK / "penstock.yaml"
    config.write_text("enrich: {ioc: [{a: b}]}\n")
    assert b"the entries of a list are texts" in run("check", "--config", config, code=3).stderr


def case_ioc_swap():
    """A list that changes while a run goes on is used from the next commit, as is its age; half a one is told once."""
    folder = WORK / "many" / DAY
    folder.mkdir(parents=True)
    for i in range(200):
        (folder / f"{i:04}.json").write_bytes(records(*[
            json.dumps(event(1000 * i + k, sourceIPAddress="192.0.2.1", pad="x" * 2000)).encode()
            for k in range(150)]))
    feed, other = WORK / "feed.csv", WORK / "other.json"
    feed.write_text("ip,name\n192.0.2.1,before\n")
    other.write_text(json.dumps({"type": "indicator", "id": "i", "name": "other",
                                 "pattern": "[ipv4-addr:value = '192.0.2.1']"}))

    def alter():
        other.write_text('{"type":"indicator","id":"i","pattern":')
        (WORK / "new.csv").write_text("# updated: 2001-02-03\nip,name\n192.0.2.1,after\nbad,bad\n")
        (WORK / "new.csv").rename(feed)

    got = paused_replay(WORK / "many", WORK / "out", alter, "--set", f"enrich.ioc={feed},{other}", "--set",
                        "commit.interval=1ms", "--shards", "1")
    words = got["words"]
    assert words.count("other.json: is no whole JSON") == 1 and "the tables before stay" in words, words
    assert words.count("a list of threat indicators changed") == 1, words
    assert words.count("feed.csv:4: `bad` is no address") == 1, words
    assert words.count("feed.csv: says that it is of 2001-02-03T00:00:00Z") == 1, words
    assert got["ioc"]["stale"] == ["feed.csv"] and got["ioc"]["records"] == 30000, got["ioc"]
    assert got["ioc"]["matches"] == 60000, got["ioc"]
    names = [tuple(e["indicator"]["name"] for e in d["_source"]["threat"]["enrichments"])
             for d in documents(WORK / "out")]
    assert set(names) == {("before", "other"), ("after", "other")} and len(names) == 30000, set(names)


def hunt(*args, code=0):
    done = run("search", *args, code=code)
    return [json.loads(line) for line in done.stdout.splitlines()]


def case_ioc_search():
    """search --ioc finds every value that is an indicator, names it, and goes with the other options."""
    folder = Folder("logs")
    folder.put("a.json", records(*[json.dumps(event(20 + i, **more)).encode() for i, more in enumerate((
        {"sourceIPAddress": "203.0.113.5"},
        {"requestParameters": {"rules": [{"cidr": "203.0.113.77/32"}, {"peer": "203.0.113.5:443"}]}},
        {"userAgent": "Bad/1.0", "requestParameters": {"url": "https://x@EVIL.example:8443/p?q=1"}},
        {"requestParameters": {"e\\u0076il": {"a.b": "http:\\/\\/evil.example\\/"}}},
        {"sourceIPAddress": "10.0.0.1", "note": "see evil.example for more"},
        {"requestParameters": {"n": 203, "z": [["203.0.113.5"], "203.0.113.5"]}}))]).replace(b"\\\\", b"\\"))
    flow = folder.root / "AWSLogs/123456789012/vpcflowlogs/eu-west-1/2025/03/04"
    flow.mkdir(parents=True)
    (flow / "123456789012_vpcflowlogs_eu-west-1_fl-0a1b2c3d_20250304T0000Z_abcdef01.log").write_text(
        "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
        "log-status\n2 123456789012 eni-1 10.0.0.1 203.0.113.9 1000 443 6 1 40 1741046400 1741046460 ACCEPT OK\n"
        "2 123456789012 eni-1 10.0.0.1 192.0.2.1 1000 443 6 1 40 1741046400 1741046460 ACCEPT OK\n")
    lists()
    options = ["--ioc", WORK / "feed.txt", "--ioc", WORK / "table.csv", "--ioc", WORK / "bundle.json"]
    words = run("search", *options, folder.root).stderr.decode()
    assert "feed.txt:3:" in words and "bundle.json: says that it is of 2025-03-01" in words, words
    found = hunt(*options, folder.root)
    got = {(r.get("eventID", "flow")[:8]): {(i["indicator"], i["type"], i["field"], i["list"])
                                            for i in r["_penstock"]["ioc"]} for r in found}
    net, one = ("203.0.113.0/24", "ipv4-addr"), ("203.0.113.5", "ipv4-addr")
    rules = "requestParameters.rules."
    assert got == {
        "00000020": {(*one, "sourceIPAddress", "table"), (*net, "sourceIPAddress", "feed")},
        "00000021": {(*net, rules + "cidr", "feed"), (*net, rules + "peer", "feed"), (*one, rules + "peer", "table")},
        "00000022": {("Bad/1.0", "user-agent", "userAgent", "feed"),
                     ("evil.example", "domain-name", "requestParameters.url", "bundle")},
        "00000023": {("evil.example", "domain-name", "requestParameters.evil.a.b", "bundle")},
        "00000025": {(*one, "requestParameters.z", "table"), (*net, "requestParameters.z", "feed")},
        "flow": {(*net, "dstaddr", "feed")}}, got
    assert found[0]["_penstock"]["ioc"][0]["provider"] in ("Acme", "feed"), found[0]
    # what a record has beyond the limit is marked
    few = [r["_penstock"] for r in hunt(*options, "--set", "search.indicators_max=2", folder.root)]
    assert sorted((len(p["ioc"]), "ioc_cut" in p) for p in few) == [(1, False), (1, False), (2, False), (2, False), (2, False), (2, True)], few
    # a private address is looked for when a list has it
    (WORK / "own.txt").write_text("10.0.0.1\n")
    assert len(hunt("--ioc", WORK / "own.txt", folder.root)) == 3
    # a query narrows; other forms
    assert len(hunt(*options, "-q", "@userAgent:Bad*", folder.root)) == 1
    run("search", *options, "-q", "@userAgent:nothing", folder.root, code=1)
    assert run("search", *options, "--count", folder.root).stdout == b"6\n"
    assert run("search", *options, "--count", "--sort", "time", folder.root).stdout == b"6\n"
    assert run("search", *options, "--count", "--limit", "2", folder.root).stdout == b"2\n"
    assert run("search", *options, "--count", "--types", "vpcflowlogs", folder.root).stdout == b"1\n"
    assert len(hunt(*options, "--limit", "3", folder.root)) == 3
    assert len(hunt(*options, "--sort", "time", folder.root)) == 6
    rows = run("search", "--ioc", WORK / "table.csv", "--fields", "eventID,_penstock.ioc", folder.root).stdout
    assert sorted(row.split("\t")[1] for row in rows.decode().splitlines()) == ["203.0.113.5"] * 3, rows
    assert b"203.0.113.9" in run("search", *options, "--raw", "--types", "vpcflowlogs", folder.root).stdout
    # any JSON, and lines that are no record of their type
    loose = WORK / "loose.json"
    loose.write_text('{"a": {"b": ["evil.example"]}}\n{"a": "x"}\n')
    got = hunt(*options, "--as", "json", loose)
    assert [r["_penstock"]["ioc"][0]["field"] for r in got] == ["a.b"], got
    access = WORK / "access"
    access.mkdir()
    (access / "access.log").write_text("garbage from 203.0.113.5, and more\nnothing\n")
    got = hunt("--ioc", WORK / "table.csv", "--as", "apache-access", access / "access.log")
    assert [(r["_penstock"]["ioc"][0]["indicator"], r["_penstock"]["ioc"][0]["field"]) for r in got] == [
        ("203.0.113.5", "message")], got
    # what is wrong is told
    assert run("search", "--ioc", WORK / "none", folder.root, code=2).stderr.startswith(b"penstock: --ioc: ")
    assert b"wants a list of indicators and at least one source" in run("search", *options, code=2).stderr
    assert run("search", "--ioc", WORK / "own.txt", loose, "--as", "json", code=1).stdout == b""


if __name__ == "__main__":
    main(globals())
