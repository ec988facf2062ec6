#!/usr/bin/env python3
"""test_opensearch_types.py PENSTOCK CASE - documents of all log types in a real cluster with our templates: none
is refused, each is there as it was sent."""
import gzip
import json
import os
import pathlib

import types_made
from kit import WORK, dead, documents, event, main, replay, run
from open_samples import put_open_samples
from parts_opensearch import OpenSearch

HEADERS = {  # lines before the first record
    "vpcflow": ["version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end "
                "action log-status"],
    "cloudfront": ["#Version: 1.0", "#Fields: they are always the same"],
}
ACCOUNT = "AWSLogs/123456789012"
ELB = f"{ACCOUNT}/elasticloadbalancing/eu-west-1/2025/03/04/123456789012_elasticloadbalancing_eu-west-1"
SHAPES = {  # types without a made record elsewhere: key, lines
    "cloudtrail": (f"{ACCOUNT}/CloudTrail/eu-west-1/2025/03/04/x.json.gz", [json.dumps({"Records": [
        event(number, requestParameters=parameters) for number, parameters in enumerate((
            {"filter": "a"}, {"filter": {"name": "b"}}, {"endTime": 1741064767000}, {"maxItems": "5"}, None))]})]),
    "vpcflow": (f"{ACCOUNT}/vpcflowlogs/eu-west-1/2025/03/04/123456789012_vpcflowlogs_eu-west-1_fl-1_x.log.gz",
                HEADERS["vpcflow"] + [
                    "2 123456789012 eni-1 10.0.0.1 198.51.100.7 443 51234 6 5 9000000000 1741064767 1741064827 ACCEPT OK",
                    "2 123456789012 eni-1 - - - - - - - 1741064767 1741064827 - NODATA"]),
    "guardduty": (f"{ACCOUNT}/GuardDuty/eu-west-1/2025/03/04/x.jsonl.gz", [json.dumps({
        "schemaVersion": "2.0", "accountId": "123456789012", "region": "eu-west-1", "id": "0a",
        "type": "UnauthorizedAccess:EC2/SSHBruteForce", "severity": 8.9, "title": "t", "description": "d",
        "updatedAt": "2025-03-04T05:06:07.000Z", "createdAt": "2025-03-04T05:06:07.000Z",
        "resource": {"resourceType": "Instance", "instanceDetails": {"instanceId": "i-0a", "launchTime": 1741064767000}},
        "service": {"action": {"actionType": "NETWORK_CONNECTION", "networkConnectionAction": {
            "connectionDirection": "INBOUND", "remoteIpDetails": {
                "ipAddressV4": "198.51.100.7", "geoLocation": {"lat": 1.5, "lon": 2.5}},
            "localPortDetails": {"port": 22}}}}})]),
    "networkfirewall": (f"{ACCOUNT}/123456789012_network-firewall_flow_eu-west-1_fw_202503040505_x.log.gz", [json.dumps({
        "firewall_name": "fw", "availability_zone": "eu-west-1a", "event_timestamp": "1741064767",
        "event": {"timestamp": "2025-03-04T05:06:07.123456+0000", "src_ip": "198.51.100.7", "src_port": 51234,
                  "dest_ip": "10.0.0.9", "dest_port": 443, "proto": "TCP", **more}}) for more in (
            {"event_type": "netflow", "flow_id": 77, "tcp": {"tcp_flags": "13", "syn": True},
             "netflow": {"pkts": 5, "bytes": 9000000000, "min_ttl": 60, "max_ttl": 64}},
            {"event_type": "alert", "app_proto": "http", "http": {"hostname": "shop.example", "length": 5},
             "alert": {"action": "blocked", "signature_id": 7, "rev": 1, "signature": "s", "severity": 3}},
            {"event_type": "tls", "tls": {"sni": "shop.example"}})]),
    "alb": (f"{ELB}_app.shop.0a1b_20250304T0510Z_192.0.2.1_0a1b2c3d.log.gz", [
        f'{kind} 2025-03-04T05:06:07.1{number}Z app/shop/0a1b 198.51.100.7:51234 {target} {times} {codes} 34 366 '
        f'"GET https://shop.example:443/a?b=c HTTP/1.1" "curl/8.0" {cipher} arn:aws:x "Root=1-0a" "shop.example" "-" '
        f'0 2025-03-04T05:06:07.000Z "forward" "-" "-" "{target}" "-" "-" "-"'
        for number, (kind, target, times, codes, cipher) in enumerate((
            ("https", "10.0.0.9:80", "0.001 0.002 0.000", "200 200", "ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2"),
            ("h2", "-", "-1 -1 -1", "460 -", "- -")))]),
    "nlb": (f"{ELB}_net.shop.0a1b_20250304T0510Z_0a1b2c3d.log.gz", [
        "tls 2.0 2025-03-04T05:06:07 net/shop/0a1b 0a1b 198.51.100.7:51234 10.0.0.9:443 5 2 98 246 - arn:aws:x - "
        "ECDHE-RSA-AES128-SHA tlsv12 - shop.example h2 h2 - 2025-03-04T05:06:02"]),
    "clb": (f"{ELB}_shop_20250304T0510Z_192.0.2.1_0a1b2c3d.log", [
        '2025-03-04T05:06:07.000001Z shop 198.51.100.7:51234 10.0.0.9:80 0.000073 0.001048 0.000057 200 200 0 29 '
        '"GET http://shop.example:80/ HTTP/1.1" "curl/8.0" - -',
        '2025-03-04T05:06:08.000001Z shop 198.51.100.7:51234 - -1 -1 -1 504 0 0 0 "- - - " "-" - -']),
    "s3access": ("access/2025-03-04-05-06-07-0123456789ABCDEF", [
        '0a1b bucket [04/Mar/2025:05:06:07 +0000] 198.51.100.7 arn:aws:iam::123456789012:user/kim 0A1B REST.GET.OBJECT '
        f'k "GET /k HTTP/1.1" 200 - {size} {size} 14 13 "-" "curl/8.0" - x= SigV4 ECDHE-RSA-AES128-GCM-SHA256 '
        'AuthHeader bucket.s3.amazonaws.com TLSv1.2 - -' for size in ("601", "9000000000", "-")]),
    "route53resolver": (f"{ACCOUNT}/vpcdnsquerylogs/vpc-1/2025/03/04/x.log.gz", [json.dumps({
        "version": "1.100000", "account_id": "123456789012", "region": "eu-west-1", "vpc_id": "vpc-1",
        "query_timestamp": "2025-03-04T05:06:07Z", "query_name": "shop.example.", "query_type": "A",
        "query_class": "IN", "rcode": "NOERROR", "srcaddr": "10.0.0.9", "srcport": "51234", "transport": "UDP",
        "answers": answers, "srcids": {"instance": "i-0a"}}) for answers in (
            [{"Rdata": "198.51.100.7", "Type": "A", "Class": "IN"}], [{"Rdata": "x.", "Type": "CNAME", "Class": "IN"}],
            [])]),
}


def put(root, key, lines):
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(line + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


def samples(root):
    """The records of the samples, where they are at hand."""
    data = os.environ.get("PENSTOCK_DATA")
    for path in sorted((pathlib.Path(data) / "siem_oracle").glob("*.jsonl")) if data else ():
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        by_key = {}
        for row in rows:
            by_key.setdefault(row["s3_key"], []).append(row["raw"])
        for key, lines in by_key.items():
            put(root / path.stem, key, HEADERS.get(path.stem, []) + lines)


def all_types(root):
    for name, made in types_made.MADE.items():
        put(root / name, made["key"], made["body"].splitlines())
    for name, (key, lines) in SHAPES.items():
        put(root / f"shape-{name}", key, lines)
    put(root / "own", "own-shop/x.json", ['{"t":"2025-03-04T05:06:07Z"}', '{"t":"2026-03-04T05:06:07Z"}'])
    put(root / "app", "own-app/x.json", ['{"t":"2025-03-04T05:06:07Z","basket":1}', '{"t":"2025-03-04T05:06:08Z","basket":"x"}'])
    put(root / "web", "own-web/x.json", ['{"t":"2025-03-04T05:06:07Z","basket":{"a":1}}',
                                         '{"t":"2025-03-04T05:06:08Z","basket":{"a":{"b":1}}}'])
    samples(root)
    if "PENSTOCK_DATA" in os.environ:
        put_open_samples(os.environ["PENSTOCK_DATA"], root / "open")


def states(sink, config):
    """Of each part of a setup: path, state."""
    rows = map(json.loads, run("sink", "setup", sink, "--json", *config).stdout.splitlines())
    return {row["path"]: row["state"] for row in rows}


def one_shard(cluster):
    """Hundreds of shards tell nothing more, and take long; the mappings stay."""
    for part in cluster.call("GET", "/_component_template/penstock-*")["component_templates"]:
        body = part["component_template"]
        body["template"].setdefault("settings", {}).setdefault("index", {})["number_of_shards"] = "1"
        assert cluster.call("PUT", f"/_component_template/{part['name']}", body) == {"acknowledged": True}, part["name"]


def case_opensearch_types():
    """Documents of every built-in type, made ones and samples: none refused, and each as the files sink has it."""
    root, own = WORK / "logs", WORK / "types"
    all_types(root)
    own.mkdir()  # one of the user's, behind an alias
    (own / "shop.yaml").write_text("name: shop\nkey: own-shop/\ntime: t\nindex: log-shop\nrotation: auto\n")
    # and those whose fields are said by the user, in indices that begin alike
    (own / "fields.json").write_text('{"mappings":{"properties":{"basket":{"type":"flat_object"}}}}')
    (own / "app.yaml").write_text("name: app\nkey: own-app/\ntime: t\nindex: app\ntemplate: "
                                  '\'{"mappings":{"properties":{"basket":{"type":"keyword"}}}}\'\n')
    (own / "web.yaml").write_text("name: web\nkey: own-web/\ntime: t\nindex: app-web\ntemplate: fields.json\n")
    (WORK / "c.yaml").write_text(f"types_dir: {own}\n")
    config = ("--config", WORK / "c.yaml")
    plain = replay(root, WORK / "files", "--no-rules", *config, code=None)
    want = {}  # several versions of a finding, and equal lines, have the same id: the first that comes is there
    for line in documents(WORK / "files"):
        want.setdefault((line["_index"], line["_id"]), []).append(line["_source"])
    types = {json.loads(line)["name"] for line in run("types", "list", "--json").stdout.splitlines()}
    missing = types - set(plain["by_type"]) - {"unknown", "json"}
    assert not missing, missing
    with OpenSearch(WORK) as cluster:
        sink = f"opensearch:{cluster.endpoint}"
        first = states(sink, config)
        policy = "/_plugins/_ism/policies/penstock-rollover"
        assert first.pop(policy) == "skipped" and set(first.values()) == {"put"}, first
        one_shard(cluster)
        again = states(sink, config)
        assert again.pop(policy) == "skipped" and again == dict.fromkeys(first, "there"), again
        got = replay(root, WORK / "out", "--no-rules", "--sink", sink, *config, code=None)
        refused = [gap for gap in got["gaps"] if "refused" in gap["cause"]]
        letters = [row for rows in dead(WORK / "out").values() for row in rows if row["stage"] == "sink"]
        assert not refused, (refused, letters)
        there = {(index.removesuffix("-000001"), name): source
                 for (index, name), source in cluster.documents("*").items()}
        assert there.keys() == want.keys(), (len(there), len(want), list(there.keys() ^ want.keys())[:3])
        for index, kind in (("app-2025-03", "keyword"), ("app-web-2025-03", "flat_object")):
            fields = cluster.call("GET", f"/{index}/_mapping")[index]["mappings"]["properties"]
            assert fields["basket"]["type"] == kind and fields["@timestamp"]["type"] == "date", (index, fields["basket"])
        wrong = [key for key in want if there[key] not in want[key]]
        assert not wrong, (len(wrong), want[wrong[0]], there[wrong[0]])
        counts = {"delivered": len(want), "duplicate": plain["records"]["delivered"] - len(want)}
        assert got["records"] == {**plain["records"], **counts}, (got["records"], plain["records"])


SCALARS = (True, "x", 7, 1.5, "2025-03-04T05:06:07Z", 10**25)
TREES = ("requestParameters", "responseElements", "additionalEventData", "serviceEventDetails")


def of_all_kinds():
    """Events whose free members are of one kind after another, in any order, and of all kinds in one list."""
    orders = [SCALARS[number:] + SCALARS[:number] for number in range(len(SCALARS))]
    values = [{f"of{at}": order[step] for at, order in enumerate(orders)} for step in range(len(SCALARS))]
    mixed = [{"TagSet": {"Tag": [{"Key": str(at), "Value": value} for at, value in enumerate(order)]}, "list": list(order)}
             for order in orders]
    trees = [{tree: {"own": part} for tree in TREES} for part in values + mixed]
    # no objects at all, which AWS never sends
    return [event(number, **more) for number, more in enumerate(trees + [dict.fromkeys(TREES, "x")])]


def case_opensearch_kinds():
    """What a call's parameters are like is AWS's affair: scalars of any kind fit, whichever came first; a
    scalar where an object was is a dead letter that says so."""
    path = WORK / f"logs/{ACCOUNT}/CloudTrail/eu-west-1/2025/03/04/x.json"
    path.parent.mkdir(parents=True)
    with OpenSearch(WORK) as cluster:
        sink = f"opensearch:{cluster.endpoint}"
        states(sink, ())
        path.write_text(json.dumps({"Records": of_all_kinds()}))
        got = replay(WORK / "logs", WORK / "out", "--no-rules", "--sink", sink, code=None)
        letters = [row["reason"] for rows in dead(WORK / "out").values() for row in rows]
        assert not letters and got["records"]["delivered"] == len(of_all_kinds()), letters
        cluster.call("POST", "/log-aws-cloudtrail-*/_refresh")
        for value in ("true", "7", "1.5", "x"):
            query = {"query": {"term": {"requestParameters.own.of0": value}}}
            assert cluster.call("POST", "/log-aws-cloudtrail-*/_count", query)["count"] == 1, value
        path.write_text(json.dumps({"Records": [event(900, requestParameters={"own": {"TagSet": "x"}})]}))
        replay(WORK / "logs", WORK / "again", "--no-rules", "--sink", sink, code=7)
        letters = [row["reason"] for rows in dead(WORK / "again").values() for row in rows]
        assert len(letters) == 1 and "requestParameters.own.TagSet" in letters[0], letters


main(globals())
