#!/usr/bin/env python3
"""test_envelopes.py PENSTOCK CASE - records that come wrapped: in CloudWatch Logs' subscriptions and
exports, in FireLens, in events of EventBridge."""
import gzip
import hashlib
import json
import os
import sys

from kit import FIXED, WORK, dead, documents, main, replay, run

ACCOUNT = "AWSLogs/123456789012"
OWNER = "210987654321"
AUDIT = f"{ACCOUNT}/RDS/MySQL/audit/us-east-1/2025/01/02/x.gz"
FLOWS = f"{ACCOUNT}/vpcflowlogs/us-east-1/2025/01/02/x.gz"
EKS = f"{ACCOUNT}/EKS/audit/us-east-1/2025/01/02/x.gz"
MS = 1735776000123  # 2025-01-02T00:00:00.123Z


def envelope(messages, group="/a/group", stream="a-stream", kind="DATA_MESSAGE", first=0):
    """One envelope of a subscription; ids and times count up from first."""
    events = [{"id": f"{first + i:056d}", "timestamp": MS + first + i, "message": m}
              for i, m in enumerate(messages)]
    return json.dumps({"messageType": kind, "owner": OWNER, "logGroup": group, "logStream": stream,
                       "subscriptionFilters": ["filter"], "logEvents": events}, separators=(",", ":"))


CONTROL = envelope(["CWL CONTROL MESSAGE: Checking health of destination Firehose."], "", "", "CONTROL_MESSAGE")


def audit(number):
    return f"1735776000{number:06d},db-1,kim,10.0.0.9,5,{number},QUERY,shop,'select {number}',0"


def put(key, body, name="in"):
    path = WORK / name / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body if isinstance(body, bytes) else gzip.compress(body.encode()))
    return WORK / name


def read(body, key=AUDIT, *options, out="out"):
    """What a run makes of one object: its summary, and the documents in order."""
    summary = replay(put(key, body, f"{out}-in"), WORK / out, "--no-rules", *options, code=None)
    return summary, [line["_source"] | {"_id": line["_id"]} for line in documents(WORK / out)]


def expect(got, wanted, what):
    if got != wanted:
        print(f"{what}: {got!r}, wanted {wanted!r}")
        sys.exit(1)


def queries(found):
    return [line["mysql"]["queryid"] for line in found]


# ---- subscriptions of CloudWatch Logs ----

def case_what_an_envelope_says_may_stand_behind_its_list():
    """As tools write it that sort members; in small windows and among others, with large lists too."""
    def turned(text, **to):
        return json.dumps(json.loads(text), sort_keys=True, **to)
    messages = [audit(number) for number in range(3)]
    plain = envelope(messages) + envelope([audit(7)], "/b/group", "b-stream") + CONTROL + envelope([audit(8)])
    _, wanted = read(plain, out="plain")
    expect(len(wanted), 5, "records")
    mixed = (turned(envelope(messages), separators=(",", ":")) + turned(envelope([audit(7)], "/b/group", "b-stream"), indent=2) +
             turned(CONTROL) + envelope([audit(8)]))
    summary, found = read(mixed, out="mixed")
    expect(found, wanted, "documents")
    expect(summary["records"]["dead"], 0, "dead")
    expect({line["@log_group"] for line in found}, {"/a/group", "/b/group"}, "groups")
    many = [audit(number) for number in range(9000)]
    _, wanted = read(envelope(many), out="many")
    _, found = read(turned(envelope(many)), out="turned")
    expect(found == wanted, True, "documents of a large one")
    expect({line["cloud"]["account"]["id"] for line in found}, {OWNER}, "accounts")
    # one that is cut says nothing, and its events are read
    _, found = read(turned(envelope(messages))[:-60], out="cut")
    expect([line.get("@log_group") for line in found], [None] * 3, "cut")


def case_a_subscription_tells_group_stream_owner_and_time():
    _, found = read(envelope([audit(1)], "/aws/rds/cluster/shop/audit", "db-1.log"))
    one = found[0]
    told = (one["@log_group"], one["@log_stream"], one["cwl_timestamp"], one["@timestamp"],
            one["cloud"]["account"]["id"], one["@log_type"])
    expect(told, ("/aws/rds/cluster/shop/audit", "db-1.log", MS, "2025-01-02T00:00:00.123000+00:00", OWNER,
                  "rds-mysql-audit"), "what the envelope tells")
    expect(one["_id"], hashlib.md5((audit(1) + "0" * 56).encode()).hexdigest(), "id")


def case_envelopes_are_read_with_and_without_newlines():
    some = [envelope([audit(3 * i + k) for k in range(3)], first=3 * i) for i in range(4)]
    for number, between in enumerate(("", "\n", "\r\n", " ", "\n\n")):
        summary, found = read(between.join(some) + between, out=f"out{number}")
        expect(queries(found), [str(i) for i in range(12)], f"with {between!r}")
        expect(summary["records"]["dead"], 0, "dead")


def case_control_messages_are_passed_over():
    summary, found = read(CONTROL + envelope([audit(1)]) + CONTROL + envelope([audit(2)], first=1))
    expect(queries(found), ["1", "2"], "queries")
    expect(summary["records"]["in"], 2, "records")


def case_every_way_of_compressing_reads_the_same():
    some = [envelope([audit(i)], first=i).encode() for i in range(3)]
    ways = {"plain": b"".join(some), "gzip": gzip.compress(b"".join(some)),
            "members": b"".join(gzip.compress(s) for s in some),
            "double": gzip.compress(gzip.compress(b"".join(some))),
            "members in a member": gzip.compress(b"".join(gzip.compress(s) for s in some))}
    for number, (way, body) in enumerate(ways.items()):
        summary, found = read(body, out=f"out{number}")
        expect(queries(found), ["0", "1", "2"], way)
        expect(summary["objects"]["damaged"], 0, way)


def case_equal_messages_are_documents_of_their_own():
    _, found = read(envelope([audit(1), audit(1)]))
    expect(len({one["_id"] for one in found}), 2, "ids")


def case_a_damaged_message_leaves_its_siblings_alone():
    body = envelope([json.dumps({"auditID": "a-1", "stage": "S", "stageTimestamp": "2025-01-02T00:00:00Z"}),
                     '{"auditID":', json.dumps({"auditID": "a-3", "stage": "S"})])
    summary, found = read(body, EKS)
    expect([one["_id"] for one in found], ["a-1_S", "a-3_S"], "ids")
    expect(found[1]["@timestamp"], "2025-01-02T00:00:00.125000+00:00", "time of a record without one")
    expect((summary["records"]["in"], summary["records"]["dead"]), (3, 1), "records")
    told = dead(WORK / "out")["x.gz"]
    expect([(one["record"], one["offset"]) for one in told], [(1, body.index('{"id":"' + "0" * 55 + "1"))],
           "dead letters")


def case_a_line_that_does_not_fit_is_a_pipeline_error():
    _, found = read(envelope([audit(1), "junk", audit(2)]))
    expect([one["event"].get("kind") for one in found], [None, "pipeline_error", None], "kinds")
    expect((found[1]["@message"], found[1]["cwl_timestamp"], found[1]["@log_group"]), ("junk", MS + 1, "/a/group"),
           "the one that does not fit")


def case_a_cut_envelope_gives_its_whole_events():
    body = envelope([audit(1), audit(2), audit(3)])
    summary, found = read(body[:body.index(audit(3)) + 10])
    expect(queries(found), ["1", "2"], "queries")
    expect(summary["objects"]["damaged"], 1, "damaged")


def case_an_envelope_may_be_larger_than_a_record():
    messages = [audit(i) for i in range(2000)]
    body = envelope(messages)
    assert len(body) > 3 * 65536
    summary, found = read(body, AUDIT, "--set", "record.bytes_max=64KiB")
    expect(queries(found), [str(i) for i in range(2000)], "queries")
    expect(summary["records"]["dead"], 0, "dead")


def case_a_message_over_the_limit_is_a_dead_letter():
    summary, found = read(envelope([audit(1), "x" * 70000, audit(2)]), AUDIT, "--set", "record.bytes_max=64KiB")
    expect(queries(found), ["1", "2"], "queries")
    expect(summary["records"]["dead"], 1, "dead")


def case_flow_logs_have_their_columns_without_a_header():
    _, found = read(envelope(["2 463657938898 eni-1 10.0.0.1 10.0.0.2 443 50000 6 10 840 1735776000 1735776060 "
                              "ACCEPT OK", "2 463657938898 eni-1 - - - - - - - 1735776000 1735776060 - NODATA"]), FLOWS)
    expect(found[0]["source"]["ip"], "10.0.0.1", "source")
    expect(found[0]["@timestamp"], "2025-01-02T00:01:00+00:00", "time")
    expect((found[1]["log_status"], found[1]["@log_group"]), ("NODATA", "/a/group"), "no data")


def case_cloudtrail_and_lists_of_findings_come_in_envelopes():
    event = {"eventVersion": "1.08", "eventTime": "2025-01-02T00:00:00Z", "eventSource": "s3.amazonaws.com",
             "eventName": "GetObject", "eventID": "e-1", "awsRegion": "us-east-1", "recipientAccountId": "1" * 12}
    key = f"{ACCOUNT}/CloudTrail/us-east-1/2025/01/02/123456789012_CloudTrail_us-east-1_20250102T0000Z_x.json.gz"
    _, found = read(envelope([json.dumps(event), json.dumps({"Records": [event | {"eventID": "e-2"},
                                                                          event | {"eventID": "e-3"}]}),
                              json.dumps(event | {"eventID": "e-4"})]), key)
    expect([one["_id"] for one in found], ["e-1", "e-2", "e-3", "e-4"], "ids")


def case_messages_of_several_lines_are_one_record():
    slow = "# Time: 2025-01-02T00:00:00.000000Z\n# User@Host: kim[kim] @ [10.0.0.9] Id: 1\n" \
           "# Query_time: 2.0  Lock_time: 0.0 Rows_sent: 1  Rows_examined: 1\nSET timestamp=1735776000;\nselect 1;\n"
    kafka = "[2025-01-02 00:00:00,001] ERROR one (kafka.server)\njava.lang.Exception\n\tat x"
    _, found = read(envelope([slow, slow]), AUDIT.replace("audit", "slowquery"), out="slow")
    expect([one["@timestamp"] for one in found],
           ["2025-01-02T00:00:00.123000+00:00", "2025-01-02T00:00:00.124000+00:00"], "times")
    _, found = read(envelope([kafka]), f"{ACCOUNT}/KafkaBrokerLogs/us-east-1/x.log.gz", out="kafka")
    expect((found[0]["log"]["level"], found[0]["event"].get("kind")), ("ERROR", None), "kafka")
    line = "Jan  2 00:00:00 host sshd[1]: Failed password for root from 198.51.100.7 port 22 ssh2"
    _, found = read(envelope([line]), f"{ACCOUNT}/EC2/Linux/Secure/us-east-1/2025/01/02/x", out="linux")
    expect((found[0]["source"]["ip"], found[0]["@timestamp"]), ("198.51.100.7", "2025-01-02T00:00:00+00:00"),
           "linux")


# ---- exports of CloudWatch Logs ----

TASK = "exports/01234567-89ab-cdef-0123-456789abcdef"


def stamped(*messages):
    return "".join(f"2025-01-02T00:00:00.{123 + i:03d}Z {message}\n" for i, message in enumerate(messages))


def case_exports_have_a_time_before_each_message():
    _, found = read(stamped(audit(1), audit(2), audit(2)), f"{TASK}/mysql-audit/000000.gz")
    expect(queries(found), ["1", "2", "2"], "queries")
    expect((found[0]["@timestamp"], found[0]["cwl_timestamp"], found[0]["@log_stream"]),
           ("2025-01-02T00:00:00.123000+00:00", MS, "mysql-audit"), "what the line tells")
    expect(len({one["_id"] for one in found}), 3, "ids")


def case_exports_of_json_and_columns_need_no_key_of_their_own():
    line = {"auditID": "a-1", "stage": "S", "verb": "get"}
    _, found = read(stamped(json.dumps(line), json.dumps(line | {"auditID": "a-2"}, indent=1)), EKS, out="eks")
    expect([(one["_id"], one["@timestamp"][:19]) for one in found],
           [("a-1_S", "2025-01-02T00:00:00"), ("a-2_S", "2025-01-02T00:00:00")], "documents")
    _, found = read(stamped("2 463657938898 eni-1 10.0.0.1 10.0.0.2 443 50000 6 10 840 1735776000 1735776060 ACCEPT "
                            "OK"), FLOWS, out="flows")
    expect(found[0]["destination"]["port"], 50000, "port")


def case_times_of_syslog_are_no_export():
    line = "2025-01-02T00:00:00.123Z host sshd[1]: Accepted publickey for kim from 198.51.100.7 port 22 ssh2"
    _, found = read(line + "\n", f"{ACCOUNT}/EC2/Linux/Secure/us-east-1/2025/01/02/x.gz")
    expect((found[0]["user"]["name"], found[0].get("@log_stream")), ("kim", None), "who")


# ---- FireLens ----

TYPE = """name: shop
key: 'shop'
format: text
pattern: '(?<level>[A-Z]+) (?<words>[\\s\\S]*)'
index: log-shop
id: md5
envelopes: firelens
"""


def contained(log, **more):
    return json.dumps({"log": log, "container_id": "c1", "container_name": "web", "source": "stdout",
                       "ecs_cluster": "prod", "ecs_task_definition": "web:7", "ec2_instance_id": "i-0a",
                       "ecs_task_arn": "arn:aws:ecs:eu-west-1:333344445555:task/prod/1", **more}) + "\n"


def shop(body, more="", out="out"):
    types = WORK / "types"
    types.mkdir(exist_ok=True)
    (types / "shop.yaml").write_text(TYPE + more)
    (WORK / "penstock.yaml").write_text(f"types_dir: {types}\n")
    return read(body, "shop/x.gz", "--config", WORK / "penstock.yaml", out=out)


def case_firelens_tells_the_container():
    _, found = shop(contained("INFO one"))
    one = found[0]
    expect((one["level"], one["container"], one["cloud"]["instance"]["id"], one["cloud"]["account"]["id"],
            one["cloud"]["region"], one["container_name"], one["container_source"], one["ecs_cluster"]),
           ("INFO", {"id": "c1", "name": "web"}, "i-0a", "333344445555", "eu-west-1", "web", "stdout", "prod"), "told")
    expect(one["_id"], hashlib.md5(b"INFO oneweb").hexdigest(), "id")


def case_stderr_of_containers_is_left_out_unless_wanted():
    body = contained("INFO one") + contained("ERROR two", source="stderr") + contained("INFO three")
    summary, found = shop(body)
    expect((summary["records"]["excluded"], [one["words"] for one in found]), (1, ["one", "three"]), "left out")
    summary, found = shop(body, "ignore_container_stderr: no\n", "both")
    expect((summary["records"]["excluded"], len(found)), (0, 3), "read too")


def case_pieces_of_container_messages_are_joined():
    def piece(log, which, number, last):
        return contained(log, partial_message="true", partial_id=which, partial_ordinal=str(number),
                         partial_last="true" if last else "false")
    body = (piece("INFO Sher", "a", 1, False) + piece("INFO Wat", "b", 1, False) + piece("lock", "a", 2, False) +
            piece(" Holmes", "a", 3, True) + piece("son", "b", 2, True) + contained("INFO end") +
            piece("INFO lost", "c", 1, False))
    summary, found = shop(body)
    expect([one["words"] for one in found], ["Sherlock Holmes", "Watson", "end"], "joined")
    expect(summary["records"]["dead"], 1, "dead")


# ---- EventBridge ----

def bridged(detail, **more):
    return json.dumps({"version": "0", "id": "ev-1", "detail-type": "t", "source": "aws.x", "account": OWNER,
                       "time": "2025-01-02T03:04:05Z", "region": "eu-north-1", "resources": [], "detail": detail,
                       **more})


FINDING = {"Id": "arn:f/1", "UpdatedAt": "2025-01-02T00:00:00.000Z", "Workflow": {"Status": "NEW"}, "Types": ["a"],
           "ProductFields": {}, "Resources": []}


def case_the_detail_of_events_is_the_record():
    hub = f"{ACCOUNT}/aws.securityhub/securityhub/2025/01/02/x.gz"
    body = "".join(bridged({"findings": [FINDING | {"Id": f"arn:f/{i}"}, FINDING | {"Id": f"arn:f/{i}b"}]})
                   for i in range(3))
    for number, text in enumerate((body, body.replace("}{", "}\n{"), envelope([bridged({"findings": [FINDING]})]))):
        _, found = read(text, hub, out=f"out{number}")
        expect([one["@id"] for one in found],
               ["arn:f/1"] if number == 2 else [f"arn:f/{i}{b}" for i in range(3) for b in ("", "b")], "ids")
        expect((found[0]["cloud"]["account"]["id"], found[0]["cloud"]["region"]), (OWNER, "eu-north-1"), "where")
    _, found = read(bridged({"workspaceId": "ws-1", "clientIpAddress": "198.51.100.7"}),
                    f"{ACCOUNT}/WorkSpaces/Event/x.gz", out="ws")
    expect((found[0]["source"]["ip"], found[0]["@timestamp"], found[0]["cwe_timestamp"]),
           ("198.51.100.7", "2025-01-02T03:04:05+00:00", "2025-01-02T03:04:05Z"), "workspaces")


# ---- keys that say nothing ----

LOOSE = {
    "eks-audit": envelope([json.dumps({"auditID": "a-1", "stage": "S", "verb": "get"})], "/aws/eks/prod/cluster",
                          "kube-apiserver-audit-0a1b"),
    "cloudtrail": envelope([json.dumps({"eventVersion": "1.08", "eventTime": "2025-01-02T00:00:00Z",
                                        "eventSource": "s3.amazonaws.com", "eventName": "x", "eventID": "e-1"})]),
    "vpcflowlogs": envelope(["2 463657938898 eni-1 10.0.0.1 10.0.0.2 443 5 6 10 840 1735776000 1735776060 ACCEPT OK"]),
    "rds-mysql-audit": CONTROL + envelope([audit(1)], "/aws/rds/cluster/mysql-shop/audit", "db-1"),
    "alb": 'https 2025-01-02T00:00:00.186641Z app/my-lb/50dc6c495c0c9188 198.51.100.7:2817 10.0.0.1:80 0.086 0.048 '
           '0.037 200 200 0 57 "GET https://www.example.com:443/ HTTP/1.1" "curl/7.46.0" ECDHE TLSv1.2 '
           'arn:aws:x "Root=1-58337281-1d84f3d73c47ec4e58577259" "www.example.com" "arn:aws:y" 1 '
           '2025-01-02T00:00:00.000000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-"\n',
    "clb": '2025-01-02T00:00:00.945958Z my-lb 198.51.100.7:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 29 '
           '"GET http://www.example.com:80/ HTTP/1.1" "curl/7.38.0" - -\n',
    "nlb": 'tls 2.0 2025-01-02T00:00:00 net/my-lb/c6e77e28c25b2234 g3d4b5e8bb8464cd 198.51.100.7:5 10.0.0.1:443 5 2 '
           '98 246 - arn:aws:x - ECDHE tlsv12 - www.example.com - - - 2025-01-02T00:00:00\n',
}
FLOW_LINES = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action " \
             "log-status\n2 463657938898 eni-1 10.0.0.1 10.0.0.2 443 5 6 10 840 1735776000 1735776060 ACCEPT OK\n"


def case_loose_objects_are_what_their_bytes_plainly_are():
    for number, (kind, body) in enumerate([*LOOSE.items(), ("vpcflowlogs", FLOW_LINES)]):
        summary, found = read(body, "loose.gz", out=f"out{number}")
        expect([one["@log_type"] for one in found], [kind], "type")
        expect((summary["objects"]["by_content"], summary["records"]["dead"]), (1, 0), kind)
        expect(found[0]["event"].get("kind") == "pipeline_error", False, kind)


def mixed(groups, owners):
    """Envelopes of these groups, one behind the other: (group, stream, messages)."""
    return "".join(envelope(messages, group, stream, first=100 * i).replace(OWNER, owners[i])
                   for i, (group, stream, messages) in enumerate(groups))


def case_several_groups_in_one_object_are_each_of_their_type():
    """One object of several subscriptions, under a key that says nothing: each envelope tells of itself."""
    flow = "2 463657938898 eni-1 10.0.0.1 10.0.0.2 443 5 6 10 840 1735776000 1735776060 ACCEPT OK"
    trail = json.dumps({"eventVersion": "1.08", "eventTime": "2025-01-02T00:00:00Z", "eventSource": "s3.amazonaws.com",
                        "eventName": "x", "eventID": "e-1"})
    groups = [("/app/shop", "s", ["started", "stopped"]), ("/aws/rds/cluster/mysql-shop/audit", "db-1", [audit(1)]),
              ("/flows", "eni-1", [flow, flow.replace("443", "80")]), ("trail", "s", [trail]),
              ("/aws/eks/prod/cluster", "kube-apiserver-audit-0a", [json.dumps({"auditID": "a-1", "verb": "get"})]),
              ("/app/till", "s", ["one"]), ("/aws/rds/cluster/mysql-shop/audit", "db-2", [audit(2)])]
    owners = [f"{n}" * 12 for n in range(1, 8)]
    wanted = sorted([("rds-mysql-audit", groups[1][0], owners[1]), ("vpcflowlogs", "/flows", owners[2]),
                     ("vpcflowlogs", "/flows", owners[2]), ("cloudtrail", "trail", owners[3]),
                     ("eks-audit", groups[4][0], owners[4]), ("rds-mysql-audit", groups[1][0], owners[6])])
    for name, body in (("one", mixed(groups, owners)), ("control", CONTROL + mixed(groups, owners)),
                       ("lines", mixed(groups, owners).replace("]}{", "]}\n{"))):
        summary, found = read(body, "loose.gz", out=name)
        types = {}
        for line in documents(WORK / name):
            types.setdefault(line["_source"]["@log_type"], line["_index"])
        expect(sorted((d["@log_type"], d["@log_group"], d["cloud"]["account"]["id"] if d["@log_type"] != "vpcflowlogs"
                       else d["@log_group"] and owners[2]) for d in found), wanted, name)
        expect({kind: index.rsplit("-", 2)[0] for kind, index in types.items()},
               {"rds-mysql-audit": "log-aws-rds-mysql", "vpcflowlogs": "log-aws-vpcflowlogs",
                "cloudtrail": "log-aws-cloudtrail", "eks-audit": "log-aws-eks"}, "indices")
        expect((summary["records"]["in"], summary["records"]["dead"], summary["objects"]["unknown"],
                summary["objects"]["by_content"]), (7, 1, 0, 1), name)
        expect({kind: (row["objects"], row["records"], row["dead"]) for kind, row in summary["by_type"].items()},
               {"rds-mysql-audit": (1, 3, 1), "vpcflowlogs": (0, 2, 0), "cloudtrail": (0, 1, 0), "eks-audit": (0, 1, 0)},
               name)
        expect([letter["reason"] for letter in dead(WORK / name)["loose.gz"]], [
            "3 log events of 2 envelopes are not read: no log type fits their log groups, the first `/app/shop`"], name)
    got = [json.loads(line)["_penstock"]["type"]
           for line in run("search", "--limit", "99", "GetNothing OR x OR shop", WORK / "one-in").stdout.splitlines()]
    expect(set(got) <= {"rds-mysql-audit", "vpcflowlogs", "cloudtrail", "eks-audit"} and "cloudtrail" in got, True, got)


def case_a_key_says_the_type_of_all_its_envelopes():
    """The key says the type of all that an object holds: groups do not change it, each record has its own."""
    groups = [("/a", "s1", [audit(1)]), ("/aws/eks/prod/cluster", "kube-apiserver-audit-0a", [audit(2)])]
    summary, found = read(mixed(groups, ["1" * 12, "2" * 12]), AUDIT)
    expect([(d["@log_type"], d["@log_group"], d["@log_stream"], d["cloud"]["account"]["id"]) for d in found],
           [("rds-mysql-audit", "/a", "s1", "1" * 12),
            ("rds-mysql-audit", "/aws/eks/prod/cluster", "kube-apiserver-audit-0a", "2" * 12)], "told")
    expect(summary["records"]["dead"], 0, "dead")


def case_the_content_may_be_left_alone():
    source = WORK / "in"
    for number, body in enumerate(LOOSE.values()):
        put(f"loose{number}.gz", body)
    put(AUDIT, envelope([audit(1)]))
    summary = replay(source, WORK / "out", "--no-rules", "--set", "classify.content=off", code=None)
    expect((summary["objects"]["unknown"], summary["objects"]["by_content"], summary["records"]["delivered"]),
           (len(LOOSE), 0, 1), "objects")


def case_text_that_is_nothing_known_stays_unknown():
    for number, body in enumerate(("one two three\n", "2025-01-02T00:00:00Z app started in 3 ms with 4 5 6\n",
                                   envelope(["some words"]), '{"a":1}', "http get app/ - - - - - -\n")):
        summary, _ = read(body, "loose.gz", out=f"out{number}")
        expect((summary["objects"]["unknown"], summary["objects"]["by_content"]), (1, 0), body)


def case_parquet_is_told_whatever_its_key_says():
    parquet = b"PAR1\x15\x04\x15\x20" + bytes(range(256)) * 4 + b"PAR1"
    for number, key in enumerate((FLOWS, "loose.gz", "x.log.parquet")):
        for body in (parquet, gzip.compress(parquet)):
            out = f"out{number}{len(body)}"
            summary, found = read(body, key, out=out)
            got = summary["objects"]["unknown"], summary["records"]["in"], summary["objects"]["damaged"], len(found)
            expect(got, (1, 0, 0, 0), key)
            (rows,) = dead(WORK / out).values()
            expect([(row["stage"], row["reason"]) for row in rows],
                   [("classify", "the object is Parquet, which is not read yet")], key)
    # the same mark at the begin of a line of text is text
    summary, _ = read("PAR1 x\n", "loose.gz", out="text")
    (rows,) = dead(WORK / "text").values()
    expect("Parquet" in rows[0]["reason"], False, rows)


# ---- the whole of a run ----

def shape(out):
    """All documents, in no order, without the time of the run."""
    lines = documents(WORK / out)
    for line in lines:
        line["_source"]["event"].pop("ingested", None)
    return sorted(json.dumps(line, sort_keys=True) for line in lines)


def many(name):
    for i in range(40):
        some = [envelope([audit(100 * i + 10 * k + n) for n in range(10)], first=100 * i + 10 * k) for k in range(10)]
        put(AUDIT.replace("/x.gz", f"/x{i}.gz"), CONTROL + "".join(some) + ("{" if i % 7 == 3 else ""), name)
    return WORK / name


def case_any_number_of_shards_gives_the_same_documents():
    source = many("in")
    shapes = []
    for shards in (1, 2, 3, 7):
        summary = replay(source, WORK / f"out{shards}", "--no-rules", "--shards", str(shards), code=None)
        expect(summary["records"]["delivered"], 4000, f"{shards} shards")
        shapes.append(shape(f"out{shards}"))
    expect(all(one == shapes[0] for one in shapes), True, "the same documents")


def case_a_killed_run_resumes_to_the_same_documents():
    source = many("in")
    replay(source, WORK / "whole", "--no-rules", code=None)
    for point in ("documents@1", "committed@2", "dead@3"):
        run("replay", source, "--out", WORK / "killed", "--no-rules", "--set", "commit.interval=1ms", *FIXED,
            code=-9, env={**os.environ, "PENSTOCK_KILL_AT": point})
    replay(source, WORK / "killed", "--no-rules", code=None)
    expect(shape("killed") == shape("whole"), True, "the same documents")


def case_search_finds_what_envelopes_hold():
    source = put(AUDIT, CONTROL + envelope([audit(1), audit(2), audit(3)]))
    found = run("search", "@mysql.queryid:2", source, "--json", code=None).stdout
    expect([json.loads(line)["_penstock"]["record"] for line in found.splitlines()], [1], "records found")


def case_types_test_reads_envelopes():
    path = put(AUDIT, envelope([audit(1), audit(2)])) / AUDIT
    told = json.loads(run("types", "test", path, "--key", AUDIT, "--json").stdout)
    expect((told["records"], told["bad_records"], told["first"]["document"]["@log_group"]), (2, 0, "/a/group"), "told")


main({f"case_envelopes_{name[5:]}": case for name, case in globals().items() if name.startswith("case_")})
