#!/usr/bin/env python3
"""Enrichment end to end: what documents get of tables of addresses, and what rules see of it."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
import mmdb_made  # noqa: E402
from kit import *  # noqa: E402,F403

CITIES = {"2.125.160.0/24": mmdb_made.place("GB", "United Kingdom", "Boxford", -1.25, 51.75),
          "81.2.0.0/16": mmdb_made.place("SE", "Sweden", 'Link"öping', 15.6167, 58.4167),
          "2001:db8::/32": mmdb_made.place("JP", "Japan")}
SYSTEMS = {"2.125.0.0/16": mmdb_made.system(64500, "Net One"), "2001:db8::/32": mmdb_made.system(64501, "Net Two")}
BOXFORD = {"city_name": "Boxford", "country_iso_code": "GB", "country_name": "United Kingdom",
           "location": {"lon": -1.25, "lat": 51.75}}
LINKOPING = {"city_name": 'Link"öping', "country_iso_code": "SE", "country_name": "Sweden",
             "location": {"lon": 15.6167, "lat": 58.4167}}
NET_ONE = {"number": 64500, "organization": {"name": "Net One"}}


def tables(cities=None, systems=None):
    mmdb_made.write(WORK / "city.mmdb", "Test-City", CITIES if cities is None else cities)
    mmdb_made.write(WORK / "asn.mmdb", "Test-ASN", SYSTEMS if systems is None else systems)
    return ["--set", f"enrich.geoip={WORK / 'city.mmdb'}", "--set", f"enrich.asn={WORK / 'asn.mmdb'}"]


def from_addresses(*addresses):
    """A folder with an event from each address, numbered from 10."""
    folder = Folder()
    folder.put("a.json", records(*[json.dumps(event(10 + i, sourceIPAddress=ip)).encode()
                                   for i, ip in enumerate(addresses)]))
    return folder.root


def sources(out):
    return {int(d["_id"][:8]): d["_source"].get("source", {}) for d in documents(out)}


def case_enrich():
    """CloudTrail documents have place and system of their source; without tables they are as before."""
    data = from_addresses("2.125.160.9", "81.2.3.4", "10.0.0.1", "2001:db8::7", "ec2.amazonaws.com", "8.8.8.8")
    options = tables()
    plain = replay(data, WORK / "plain")
    replay(data, WORK / "out", *options)
    got = sources(WORK / "out")
    assert got[10] == {"address": "2.125.160.9", "ip": "2.125.160.9", "geo": BOXFORD, "as": NET_ONE}, got[10]
    assert got[11] == {"address": "81.2.3.4", "ip": "81.2.3.4", "geo": LINKOPING}, got[11]
    assert got[13]["geo"] == {"country_iso_code": "JP", "country_name": "Japan", "location": {"lon": 0, "lat": 0}}, got
    assert got[13]["as"]["number"] == 64501, got
    for number in (1, 2, 12, 14, 15):
        assert not {"geo", "as"} & set(got[number]), got[number]
    # nothing else differs
    without = {d["_id"]: d for d in documents(WORK / "plain")}
    assert len(without) == plain["records"]["delivered"] == 8
    for d in documents(WORK / "out"):
        for name in ("geo", "as"):
            d["_source"].get("source", {}).pop(name, None)
        assert d == without[d["_id"]], (d, without[d["_id"]])
    # and empty options are none: byte for byte
    replay(data, WORK / "none", "--set", "enrich.geoip=", "--set", "enrich.asn=")
    assert state_of(WORK / "none") == state_of(WORK / "plain")
    # the file is the config's neighbour
    (WORK / "penstock.yaml").write_text("enrich:\n  geoip: city.mmdb\n  asn: asn.mmdb\n")
    replay(data, WORK / "config", "--config", WORK / "penstock.yaml", cwd="/")
    assert state_of(WORK / "config") == state_of(WORK / "out")


def case_enrich_flow():
    """Flow logs have both sides."""
    folder = WORK / "flow/AWSLogs/123456789012/vpcflowlogs/eu-west-1/2025/03/04"
    folder.mkdir(parents=True)
    key = folder / "123456789012_vpcflowlogs_eu-west-1_fl-0a1b2c3d_20250304T0000Z_abcdef01.log"
    key.write_text("version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end "
                   "action log-status\n"
                   "2 123456789012 eni-1 81.2.1.1 2.125.160.9 1000 443 6 1 40 1741046400 1741046460 ACCEPT OK\n"
                   "2 123456789012 eni-1 10.0.0.1 2.125.160.9 1000 443 6 1 40 1741046400 1741046460 ACCEPT OK\n")
    replay(WORK / "flow", WORK / "out", *tables())
    got = [d["_source"] for d in documents(WORK / "out")]
    assert len(got) == 2, got
    assert got[0]["source"]["geo"] == LINKOPING and "as" not in got[0]["source"], got[0]
    assert got[0]["destination"]["geo"] == BOXFORD and got[0]["destination"]["as"] == NET_ONE, got[0]
    assert "geo" not in got[1]["source"] and got[1]["destination"]["geo"] == BOXFORD, got[1]


def case_enrich_rules():
    """Rules and exclusions see the fields, with documents and without."""
    data = from_addresses("2.125.160.9", "81.2.3.4", "10.0.0.1")
    (WORK / "rule.yml").write_text(
        "title: from Sweden\nid: 6f0f0a7a-1c6e-4e7b-9b9b-0d8f3f1f7c01\nlevel: high\n"
        "logsource: {product: aws, service: cloudtrail}\n"
        "detection: {s: {source.geo.country_iso_code: SE}, condition: s}\n")
    options = [*tables(), "--rules", WORK / "rule.yml"]
    assert replay(data, WORK / "out", *options)["matches"] == 1
    assert replay(data, WORK / "signals", *options, "--signals-only")["matches"] == 1
    assert replay(data, WORK / "off", "--rules", WORK / "rule.yml")["matches"] == 0
    (WORK / "penstock.yaml").write_text("exclude: [{name: net one, query: '@source.as.number:64500'}]\n")
    summary = replay(data, WORK / "less", *tables(), "--config", WORK / "penstock.yaml")
    assert summary["records"]["excluded"] == 1, summary["records"]


def case_enrich_assets():
    """Documents tell whose account and whose addresses are in them; rules see it; a table that changes is read."""
    data = from_addresses("10.1.2.3", "10.9.9.9", "8.8.8.8")
    table = WORK / "assets.csv"
    table.write_text('account,ip,alias,environment,owner\n123456789012,,shop,prod,"Ann ""A"" Ant"\n'
                     ",10.0.0.0/8,office,,net\n,10.1.0.0/16,build,test,\n")
    plain = replay(data, WORK / "plain")
    replay(data, WORK / "out", "--set", f"enrich.assets={table}")
    got = {int(d["_id"][:8]): d["_source"] for d in documents(WORK / "out")}
    account = {"environment": "prod", "owner": 'Ann "A" Ant'}
    assert len(got) == 5 == plain["records"]["delivered"]
    assert all(d["cloud"]["account"] == {"id": "123456789012", "name": "shop"} for d in got.values()), got
    assert got[10]["labels"] == {**account, "source_name": "build", "source_environment": "test"}, got[10]
    assert got[11]["labels"] == {**account, "source_name": "office", "source_owner": "net"}, got[11]
    assert got[12]["labels"] == account == got[1]["labels"], got
    without = {int(d["_id"][:8]): d["_source"] for d in documents(WORK / "plain")}
    for number, d in got.items():
        del d["labels"], d["cloud"]["account"]["name"]
        assert d == without[number], (d, without[number])
    (WORK / "penstock.yaml").write_text("enrich: {assets: assets.csv}\n"
                                        "exclude: [{name: builds, query: '@labels.source_environment:test'}]\n")
    summary = replay(data, WORK / "less", "--config", WORK / "penstock.yaml")
    assert summary["records"]["excluded"] == 1, summary["records"]
    rule = {"id": "env", "name": "env", "message": "m", "type": "log_detection", "isEnabled": True, "tags": [],
            "queries": [{"query": "env:prod", "groupByFields": ["env"], "aggregation": "count"}],
            "cases": [{"status": "low", "condition": "a > 0", "notifications": []}],
            "options": {"detectionMethod": "threshold", "evaluationWindow": 0, "keepAlive": 0, "maxSignalDuration": 0}}
    for name, query, count in (("is", "env:prod", 5), ("not", "-env:prod", 0), ("none", "env:dev", 0)):
        (WORK / "rule.json").write_text(json.dumps({**rule, "queries": [{**rule["queries"][0], "query": query}]}))
        for more in ((), ("--signals-only",)):
            summary = replay(data, WORK / f"env-{name}-{len(more)}", "--set", f"enrich.assets={table}", "--rules", WORK / "rule.json", *more)
            assert (summary["matches"], summary["signals"]["opened"]) == (count, count), (query, summary["matches"], summary["signals"])
    table.write_text("account,alias\n1234,x\n")
    done = run("replay", data, "--out", WORK / "bad", "--set", f"enrich.assets={table}", code=2)
    assert b"assets.csv:2: an account is 12 digits" in done.stderr and not (WORK / "bad").exists(), done.stderr


def case_enrich_proxies():
    """The client behind trusted proxies is the source, and its place is told; of every type that names the chain."""
    root = WORK / "proxies"
    agent = '"-" "curl/8.1"'
    lines = {
        "apache/access/site.log": f'2.125.160.9, 10.0.0.2 10.0.0.1 - - [04/Mar/2025:05:06:07 +0000] "GET /a HTTP/1.1" 200 5 {agent}\n'
                                  f'2.125.160.9 81.2.3.4 - - [04/Mar/2025:05:06:08 +0000] "GET /b HTTP/1.1" 200 5 {agent}\n',
        "nginx/access/site.log": f'10.0.0.1 - - [04/Mar/2025:05:06:07 +0000] "GET /c HTTP/1.1" 200 5 {agent} "1.1.1.1, 2.125.160.9"\n',
        "aws-waf-logs-x/waf.log": json.dumps({
            "timestamp": 1741064767000, "webaclId": "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/n/i", "action": "ALLOW",
            "httpRequest": {"clientIp": "10.0.0.1", "uri": "/d", "httpMethod": "GET", "headers": [
                {"name": "Host", "value": "example.com"}, {"name": "X-Forwarded-For", "value": "2.125.160.9"}]}}) + "\n",
        "logs/EKS/audit/api.log": json.dumps({
            "kind": "Event", "auditID": "a", "stage": "ResponseComplete", "requestURI": "/e", "verb": "get",
            "stageTimestamp": "2025-03-04T05:06:07Z", "user": {"username": "ada"},
            "sourceIPs": ["1.1.1.1", "2.125.160.9", "10.0.0.1"]}) + "\n",
        "E2EXAMPLE12345.2025-03-04-05.abcd1234.gz": "#Version: 1.0\n#Fields: x\n" + "\t".join(
            ["2025-03-04\t05:06:07", "DUB2-C1", "5", "10.0.0.1", "GET", "d1.cloudfront.net", "/f", "200", "-", "curl", "-", "-", "Hit",
             "id", "example.com", "https", "5", "0.1", "2.125.160.9,%2010.0.0.2", "-", "-", "Hit", "HTTP/1.1", "-", "-"]) + "\n"}
    for name, text in lines.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    options = tables()
    plain = replay(root, WORK / "plain", *options)
    assert plain["records"]["delivered"] == 6 and plain["objects"]["unknown"] == 0, plain
    trusted = ["--set", "enrich.trusted_proxies=10.0.0.0/8, 192.0.2.1"]
    replay(root, WORK / "out", *options, *trusted)
    got = {d["_source"]["url"]["path"]: d["_source"] for d in documents(WORK / "out")}
    before = {d["_source"]["url"]["path"]: d["_source"] for d in documents(WORK / "plain")}
    assert sorted(got) == ["/a", "/b", "/c", "/d", "/e", "/f"] == sorted(before), sorted(got)
    for path in "/a", "/c", "/d", "/e", "/f":
        assert got[path]["source"]["ip"] == "2.125.160.9" and got[path]["source"]["geo"] == BOXFORD, got[path]["source"]
        assert "geo" not in before[path]["source"] and before[path]["source"]["ip"] != "2.125.160.9", before[path]["source"]
        assert got[path]["source"]["address"] == before[path]["source"]["address"], got[path]["source"]
        assert {"10.0.0.1", "2.125.160.9"} <= set(got[path]["related"]["ip"]), got[path]["related"]
    assert got["/b"] == before["/b"] and got["/b"]["source"]["ip"] == "81.2.3.4", got["/b"]
    # a list of the config is the same job; another list is another
    (WORK / "penstock.yaml").write_text("enrich: {geoip: city.mmdb, asn: asn.mmdb, trusted_proxies: [10.0.0.0/8, 192.0.2.1]}\n")
    replay(root, WORK / "config", "--config", WORK / "penstock.yaml")
    assert state_of(WORK / "config") == state_of(WORK / "out")
    done = run("replay", root, "--out", WORK / "out", "--no-progress", *FIXED, *options, code=2)
    assert b"its enrich.trusted_proxies differ (there: 10.0.0.0/8, 192.0.2.1, now: )" in done.stderr, done.stderr
    done = run("check", "--set", "enrich.trusted_proxies=10.0.0.0/8,here", code=2)
    assert b"enrich.trusted_proxies: `here` is no address and no network" in done.stderr, done.stderr
    (WORK / "penstock.yaml").write_text("enrich: {trusted_proxies: [{a: b}]}\n")
    done = run("check", "--config", WORK / "penstock.yaml", code=3)
    assert b"penstock.yaml:1:28: the entries of a list are texts" in done.stderr, done.stderr


def case_enrich_bad():
    """A file that is missing, damaged or of the other kind ends a run before it begins, in one sentence."""
    data = from_addresses("2.125.160.9")
    options = tables()
    good = (WORK / "city.mmdb").read_bytes()
    for content in (b"", good[:-30], b"no database\n", b"\xff" * 6 + good[6:], (WORK / "asn.mmdb").read_bytes()):
        (WORK / "city.mmdb").write_bytes(content)
        for command in (["replay", data, "--out", WORK / "out"], ["check"]):
            done = run(*command, *options, code=2)
            assert done.stderr.startswith(b"penstock: enrich.geoip: ") and b"city.mmdb: " in done.stderr, done.stderr
            assert done.stderr.count(b"\n") == 1 and done.stdout == b"", done
        assert not (WORK / "out").exists()
    (WORK / "city.mmdb").unlink()
    assert b"No such file" in run("replay", data, "--out", WORK / "out", *options, code=2).stderr
    assert b"enrich.asn: /: " in run("check", "--set", "enrich.asn=/", code=2).stderr


def case_enrich_damaged():
    """Entries that are damaged are counted by database and told; the rest of the document is there."""
    data = from_addresses("2.125.160.9", "2.125.160.9", "81.2.69.142")
    options = tables()
    mmdb_made.write(WORK / "city.mmdb", "Test-City", {
        "2.125.160.0/24": {"country": {"iso_code": 5}}, "81.2.69.0/24": mmdb_made.place("IE", "Ireland")})
    got = replay(data, WORK / "out", *options)
    assert got["enrich"] == {"geoip_damaged": 2, "asn_damaged": 0}, got
    assert "city.mmdb: 2 times the entry of an address was damaged" in got["words"], got["words"]
    assert "enrich.asn" not in got["words"], got["words"]
    assert "addresses  2 damaged entries of databases met\n" in run(
        "replay", data, "--out", WORK / "table", *options).stdout.decode()
    got = sources(WORK / "out")
    assert [got[number].get("geo", {}).get("country_name") for number in (10, 11, 12)] == [None, None, "Ireland"], got
    mmdb_made.write(WORK / "city.mmdb", "Test-City", {"2.125.160.0/24": mmdb_made.place("IE", "Ireland")})
    got = replay(data, WORK / "good", *options)
    assert got["enrich"] == {"geoip_damaged": 0, "asn_damaged": 0} and "damaged" not in got["words"], got
    assert "enrich" not in replay(data, WORK / "without")


def case_enrich_swap():
    """A database that changes while a run goes on is used from the next commit; a damaged one is told once."""
    folder = WORK / "many" / DAY
    folder.mkdir(parents=True)
    for i in range(200):
        (folder / f"{i:04}.json").write_bytes(records(*[
            json.dumps(event(1000 * i + k, sourceIPAddress="2.125.160.9", pad="x" * 2000)).encode()
            for k in range(150)]))
    options = tables()

    def alter():
        (WORK / "asn.mmdb").write_bytes(b"half a file")
        mmdb_made.write(WORK / "city.mmdb", "Test-City", {"2.125.160.0/24": mmdb_made.place("IE", "Ireland")})

    got = paused_replay(WORK / "many", WORK / "out", alter, *options, "--set", "commit.interval=1ms", "--shards", "1",
                        "--log-level", "debug")
    # commits go on while files are read
    begun = got["words"].index("files of enrichment changed and are read")
    used = got["words"].index("a database of addresses changed")
    assert "penstock: commit " in got["words"][begun:used], got["words"][begun:used]
    assert got["words"].count("enrich.asn: ") == 1 and "the tables before stay" in got["words"], got["words"]
    assert got["words"].count("a database of addresses changed") == 1, got["words"]
    countries = [d["_source"]["source"]["geo"]["country_iso_code"] for d in documents(WORK / "out")]
    assert set(countries) == {"GB", "IE"} and len(countries) == 30000, (set(countries), len(countries))
    assert all(d["_source"]["source"]["as"] == NET_ONE for d in documents(WORK / "out"))


if __name__ == "__main__":
    main(globals())
