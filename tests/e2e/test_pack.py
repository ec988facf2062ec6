#!/usr/bin/env python3
"""test_pack.py PENSTOCK CASE - the built-in rules on plain traffic, and on attacks that others recorded."""
import collections
import json
import os
import pathlib
import random
import sqlite3

import plain_made
from kit import FIXED, WORK, main, replay, run

DATA = os.environ.get("PENSTOCK_DATA")
ACCOUNTS, DAYS = 8, 5
# Titles of rules, of which one must tell the technique.  That an attack tool's name stands in the
# user agent does not count: an attacker leaves it out.
STRATUS = {
    "aws.credential-access.ec2-get-password-data": {"The administrator password of a Windows machine was asked for"},
    "aws.credential-access.secretsmanager-batch-retrieve-secrets": {"Secrets were read in bulk"},
    "aws.credential-access.ssm-retrieve-securestring-parameters": {"All parameters were listed"},
    "aws.defense-evasion.cloudtrail-event-selectors": {"A CloudTrail trail records less than before"},
    "aws.defense-evasion.dns-delete-logs": {"DNS query logs were removed"},
    "aws.defense-evasion.vpc-remove-flow-logs": {"VPC flow logs were deleted"},
    "aws.execution.ec2-launch-unusual-instances": {"A costly kind of machine was refused"},
    "aws.execution.ssm-send-command": {"A shell command was sent to machines"},
    "aws.exfiltration.ec2-security-group-open-port-22-ingress": {"A port for remote control was opened to the world"},
    "aws.exfiltration.ec2-share-ebs-snapshot": {"A snapshot or machine image was shared with another account"},
    "aws.impact.bedrock-invoke-model": {"Access to a model was asked for"},
    "aws.lateral-movement.ec2-instance-connect": {"An SSH key was sent to a machine"},
    "aws.persistence.iam-backdoor-role": {"The trust of a role was changed"},
    "aws.persistence.iam-create-admin-user": {"The administrator policy was attached"},
    "aws.persistence.iam-create-user-login-profile": {"A console password was set for an IAM user"},
    "aws.persistence.lambda-layer-extension": {"A function got another layer"},
    "aws.persistence.rolesanywhere-create-trust-anchor": {"An identity provider was added or changed"},
    "aws.privilege-escalation.iam-update-user-login-profile": {"A console password was set for an IAM user"},
}
INVICTUS = {  # technique: a title
    "T1087.004 accounts are enumerated": "All users, roles and policies were read in one call",
    "T1485 logs expire": "Objects of a bucket are deleted after a few days",
    "T1496 costly machines": "A costly kind of machine was refused",
    "T1552.005 start scripts are read": "The start script of a machine was read",
    "T1555 parameters are read": "All parameters were listed",
    "T1555 passwords of Windows are read": "The administrator password of a Windows machine was asked for",
    "T1555.006 secrets are read": "All secrets were listed",
    "T1562.001 the organisation is left": "An account leaves the organisation",
    "T1562.008 a log group is deleted": "A log group with audit records was deleted",
    "T1562.008 a trail is deleted": "A CloudTrail trail was deleted",
    "T1562.008 a trail is narrowed": "A CloudTrail trail records less than before",
    "T1562.008 a trail is stopped": "Somebody tried to stop a trail that does not exist",
    "T1562.008 flow logs are deleted": "VPC flow logs were deleted",
    "T1651 commands are sent to machines": "A shell command was sent to machines",
}
# Rules that count, on the same data: titles that must have a signal.
STRATUS_COUNTED = {"One identity read many parameters"}
INVICTUS_COUNTED = {"One identity read many parameters", "One identity read many secrets",
                    "Secrets were listed, and then several of them read"}


def signals_of_run(out):
    """Every signal with the ids of the events that are kept of it."""
    db = sqlite3.connect(out / "signals.db")
    events = collections.defaultdict(set)
    for signal, event in db.execute("select signal_id, event_id from signal_events"):
        events[signal].add(event)
    rows = db.execute("select id, rule_name, severity, date(first_seen_ns / 1000000000, 'unixepoch'), accounts from signals")
    found = [(name, severity, day, json.loads(accounts), events[id_]) for id_, name, severity, day, accounts in rows]
    db.close()
    return found


def case_pack_quiet():
    """At most one low signal for each account and day, but for what was planted; that is all found."""
    for seed in (1, 2, 3):
        data, out = WORK / f"week-{seed}", WORK / f"out-{seed}"
        run("bench", "generate", "--out", data, "--bytes", "24MiB", "--seed", seed, "--accounts", ACCOUNTS, "--days", DAYS)
        run("replay", data / "AWSLogs", "--out", out, "--no-progress", *FIXED)
        planted = {row["event_id"] for row in json.loads((data / "expected.json").read_text())["planted"]}
        found = signals_of_run(out)
        assert all(events for *_, events in found), found
        told = set().union(*(events for *_, events in found))
        assert planted and planted <= told, planted - told
        is_quiet([signal for signal in found if not signal[-1] <= planted], seed)


def is_quiet(found, seed):
    """Nothing above low, and one signal an account and day at most."""
    loud = [signal[:3] for signal in found if signal[1] not in ("low", "info")]
    assert not loud, (seed, loud)
    per_day = collections.Counter((account, day) for _, _, day, accounts, _ in found for account in accounts)
    assert all(count <= 1 for count in per_day.values()), (seed, per_day.most_common(3))


def case_pack_quiet_types():
    """Plain days of flow logs, balancers, WAF, clusters, names and databases are quiet, and the rules do look at them."""
    days = [f"2025-03-{day:02}" for day in range(3, 6)]
    for seed in (1, 2):
        data, out = WORK / f"plain-{seed}", WORK / f"out-{seed}"
        plain_made.plain(data, random.Random(seed), ["111122223333", "444455556666", "777788889999"], days)
        summary = replay(data, out, "--sink", "null")
        read = {kind: count["records"] for kind, count in summary["by_type"].items() if count["records"]}
        assert set(read) == set(plain_made.TYPES) and min(read.values()) > 300, read
        assert summary["records"]["dead"] == 0 and summary["matches"] > 1000, summary
        is_quiet(signals_of_run(out), seed)


def case_pack_attacks_types():
    """Attacks on what writes these logs are told of, each by its rule and by no other."""
    data, out = WORK / "attacks", WORK / "out"
    wanted = plain_made.attacks(data, "111122223333", "2025-03-04")
    replay(data, out, "--sink", "null")
    found = {signal[0] for signal in signals_of_run(out)}
    assert found == wanted, (wanted - found, found - wanted)


def counted_told(source, name):
    """The titles of rules that count which have a signal."""
    replay(source, WORK / name, "--as", "cloudtrail", "--sink", "null")
    with sqlite3.connect(WORK / name / "signals.db") as db:
        return {row[0] for row in db.execute("select rule_name from signals where language = 'datadog'")}


def lines_of_json(*args):
    return [json.loads(line) for line in run(*args).stdout.splitlines()]


def titles_told(titles, source):
    """The titles of the rules that match, by the name of the object."""
    told = collections.defaultdict(set)
    for row in lines_of_json("rules", "match", "--as", "cloudtrail", source):
        told[pathlib.PurePath(row["object"]).stem].add(titles[row["rule"]])
    return told


def case_pack_attacks():
    """Every technique of the recorded attacks is told by at least one rule made for it."""
    if DATA is None:
        print("skipped: PENSTOCK_DATA is not set")
        return
    titles = {rule["id"]: rule["title"] for rule in lines_of_json("rules", "list", "--json")}
    known = set().union(*STRATUS.values(), INVICTUS.values())
    assert known <= set(titles.values()), known - set(titles.values())
    logs = pathlib.Path(DATA) / "DataDog+stratus-red-team/docs/detonation-logs"
    assert {path.stem for path in logs.glob("*.json")} == set(STRATUS)
    told = titles_told(titles, logs)
    missed = {technique: told[technique] for technique, rules in STRATUS.items() if not rules & told[technique]}
    assert not missed, missed
    everything = set().union(*titles_told(titles, pathlib.Path(DATA) / "invictus-ir+aws_dataset/CloudTrail").values())
    missed = {technique for technique, title in INVICTUS.items() if title not in everything}
    assert not missed, missed
    assert STRATUS_COUNTED <= counted_told(logs, "stratus")
    missed = INVICTUS_COUNTED - counted_told(pathlib.Path(DATA) / "invictus-ir+aws_dataset/CloudTrail", "invictus")
    assert not missed, missed


main(globals())
