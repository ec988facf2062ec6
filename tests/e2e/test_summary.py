#!/usr/bin/env python3
"""test_summary.py PENSTOCK CASE - what a terminal shows of a run: the progress line and the table."""
import fcntl
import gzip
import json
import os
import pty
import re
import signal
import sqlite3
import struct
import subprocess
import termios
import time

from kit import BINARY, DAY, FIXED, WORK, Folder, documents, event, generate, main, records, replay, run


def on_terminal(columns, *args):
    """What a run writes to a terminal of so many columns on stderr, and its exit code."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    child = subprocess.Popen([BINARY, *map(os.fspath, args)], stdout=subprocess.DEVNULL, stderr=follower)
    os.close(follower)
    said = b""
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:  # the other side is closed
            break
        if not chunk:
            break
        said += chunk
    os.close(leader)
    return said.decode(), child.wait()


def case_progress():
    data = generate(size="32MiB")
    for columns, wanted in ((200, " low"), (80, "records"), (40, "objects"), (5, ""), (0, "records")):
        said, code = on_terminal(columns, "replay", data, "--out", WORK / f"out{columns}", *FIXED)
        assert code == 0, said
        lines = [part.split("\r\n")[0] for part in said.split("\r\x1b[K")[1:]]
        lines = [line for line in lines if not line.startswith("compiling")]
        assert lines, said
        assert all(len(line) < (columns or 80) for line in lines), (columns, lines)
        assert all(wanted in line for line in lines if line), (columns, lines)


def case_progress_resumed():
    """The last line of a run tells all of the job's objects, and those that were done before."""
    f = Folder()
    f.put("more.json", records(3))
    f.put("late.json", records(json.dumps(event(4, eventTime="2025-03-09T00:00:00Z")).encode()))
    other = f.root / DAY.replace("eu-west-1", "us-east-1")
    other.mkdir(parents=True)
    (other / "pruned.json").write_bytes(records(5))
    command = ["replay", f.root, "--out", WORK / "out", "--regions", "eu-west-1", *FIXED]

    def last():
        return run(*command).stderr.decode().rstrip().splitlines()[-1]

    assert last().startswith("penstock: 4/4 objects, "), last()
    assert last().startswith("penstock: 4/4 objects (4 before), "), last()
    f.put("new.json", records(6))
    assert last().startswith("penstock: 5/5 objects (4 before), "), last()


def case_counted_otherwise():
    """Records that a sink already had and those that were excluded are counters of the checkpoint."""
    f = Folder()
    f.put("more.json", records(3, 4, 5))
    out = WORK / "out"
    assert replay(f.root, out)["records"]["delivered"] == 5
    with sqlite3.connect(out / "checkpoint.db") as db:
        text = db.execute("select value from job where name = 'totals'").fetchone()[0]
        for name, before, after in (("delivered", 5, 2), ("duplicate", 0, 2), ("excluded", 0, 1)):
            line = f"records_{name} {after}\n"
            text, count = re.subn(rf"(?m)^records_{name} {before}\n", line, text)
            text = text if count else line + text
        db.execute("update job set value = ? where name = 'totals'", (text,))
    again = replay(f.root, out)["records"]  # which adds up
    assert (again["delivered"], again["duplicate"], again["excluded"]) == (2, 2, 1), again
    table = run("replay", f.root, "--out", out, "--no-progress", *FIXED).stdout.decode()
    assert "5 in = 2 delivered + 0 filtered + 0 dead + 2 duplicate + 1 excluded" in table, table


def case_message():
    """document.message=always: the record as one line of JSON, as Python's json.dumps writes it."""
    f = Folder()
    odd = event(3, x={"a": [], "b": [1, {"c": None, "d": True}], "e": ""}, user={"name": "raw"},
                text='caf\u00e9 "q" \\ / \n\t\x01', **{"@message": "of the record", "k\u00e9y": 1})
    f.put("odd.json", json.dumps({"Records": [odd]}, separators=(",", ":")).replace("/", "\\/").encode())
    wanted = {f"{n:08d}": event(n) for n in (1, 2)} | {"00000003": odd}
    replay(f.root, WORK / "none")
    assert not any("@message" in d["_source"] and "_id" in d and not d["_id"].startswith("00000003")
                   for d in documents(WORK / "none"))
    always = ["--set", "document.message=always"]
    replay(f.root, WORK / "out", *always)
    got = {d["_id"][:8]: d["_source"] for d in documents(WORK / "out")}
    for name, record in wanted.items():
        assert got[name]["@message"] == json.dumps(record, ensure_ascii=False), (got[name]["@message"], record)
    plain = {d["_id"][:8]: d["_source"] for d in documents(WORK / "none")}
    for source in (*got.values(), *plain.values()):
        source.pop("@message", None)
    assert got == plain  # nothing else differs
    assert b"its document.message differs" in run("replay", f.root, "--out", WORK / "out", *FIXED, code=2).stderr
    for wrong in ("Always", "", "sometimes"):
        words = run("replay", f.root, "--set", f"document.message={wrong}", code=2).stderr
        assert b"document.message takes one of unparsed, always, never, not `%s`" % wrong.encode() in words, words
    lines = WORK / "lines/AWSLogs/123456789012/vpcflowlogs/eu-west-1/2025/03/04/x.log"
    lines.parent.mkdir(parents=True)
    lines.write_text("version srcaddr end\n2 1.2.3.4 1741064767\n2 \"open\n")
    for when, texts in (("unparsed", [None, '2 "open']), ("never", [None, None]),
                        ("always", ["2 1.2.3.4 1741064767", '2 "open'])):
        summary = replay(WORK / "lines", WORK / f"lines_{when}", "--set", f"document.message={when}")
        assert summary["records"]["in"] == summary["records"]["delivered"] == 2, summary
        both = sorted((d["_source"] for d in documents(WORK / f"lines_{when}")), key=lambda d: d["event"]["kind"])
        assert [d.get("@message") for d in both] == texts, both
        assert both[1]["event"]["kind"] == "pipeline_error" and "quote" in both[1]["error"]["message"], both[1]
    (WORK / "c.yaml").write_text("document: {message: never}\n")
    assert b"never" in run("check", "--config", WORK / "c.yaml", "--json").stdout


def case_unparsed():
    """Records without a time are documents with the time of their object, marked, counted and found; no rule sees them."""
    rule = ("title: t\nid: 11111111-1111-4111-8111-111111111111\nlogsource: {product: aws, service: cloudtrail}\n"
            "detection: {s: {eventName: StopLogging}, condition: s}\n")
    (WORK / "rule.yml").write_text(rule)
    root, own, out = WORK / "logs", WORK / "types", WORK / "out"
    own.mkdir()
    (own / "till.yaml").write_text("name: till\nkey: till/\nindex: log-till\ntime: when\ntime_form: '%b %d %H:%M:%S'\n")
    (WORK / "c.yaml").write_text(f"types_dir: {own}\n")
    trail = root / "AWSLogs/123456789012/CloudTrail/eu-west-1/2025/03/04/x.json"
    lost = event(2, eventName="StopLogging")
    del lost["eventTime"]
    till = root / "till/x.json"
    for path, text in ((trail, json.dumps({"Records": [event(1, eventName="StopLogging"), lost]})),
                       (till, '{"when":"Dec 31 23:00:00"}\n{"when":"later"}\n')):
        path.parent.mkdir(parents=True)
        path.write_text(text)
        os.utime(path, (1735786800, 1735786800))  # 2025-01-02T03:00:00Z
    config = ("--config", WORK / "c.yaml")
    got = replay(root, out, "--rules", WORK / "rule.yml", *config)
    assert {name: row["unparsed"] for name, row in got["by_type"].items()} == {"cloudtrail": 1, "till": 1}, got["by_type"]
    assert got["records"]["delivered"] == 4 and got["matches"] == 1 and not got["gaps"], got
    assert got["event_time"] == {"first": "2024-12-31T23:00:00Z", "last": "2025-03-04T05:06:07Z"}, got["event_time"]
    docs = {doc["_source"]["@timestamp"]: doc for doc in documents(out)}
    wants = {"2025-03-04T00:00:00+00:00": ("log-aws-cloudtrail-2025-03", "eventTime"),
             "2025-01-02T03:00:00+00:00": ("log-till-2025-01", "when")}
    for when, (index, name) in wants.items():
        source = docs[when]["_source"]
        assert docs[when]["_index"] == index and source["event"]["kind"] == "pipeline_error", docs[when]
        assert source["error"]["message"] == f"record has no time in {name}" and source["@message"], source
    assert set(docs) == {*wants, "2024-12-31T23:00:00+00:00", "2025-03-04T05:06:07+00:00"}, set(docs)
    found = run("search", "@event.kind:pipeline_error", root, "--types-dir", own).stdout.splitlines()
    assert len(found) == 2 and len(run("search", "StopLogging", root, "--types-dir", own).stdout.splitlines()) == 2, found
    part = replay(root, WORK / "part", "--no-rules", "--on", "2025-01-02", *config)
    assert part["records"]["delivered"] == 1 and part["by_type"]["till"]["unparsed"] == 1, part
    table = run("replay", root, "--out", WORK / "table", "--no-rules", "--no-progress", *config).stdout
    assert b"2 of the documents (event.kind: pipeline_error" in table, table
    tested = run("types", "test", till, "--key", "till/x.json", "--types-dir", own, code=1).stdout
    assert b"1 good, 1 bad" in tested and b"record has no time in when" in tested, tested


def case_full_output():
    """What cannot be printed is a failure, told once and with its reason, whatever the command."""
    data, out = Folder().root, WORK / "out"
    assert subprocess.run([BINARY, "replay", data, "--out", out, "--no-progress", *FIXED],
                          capture_output=True, check=False).returncode == 0
    assert subprocess.run([BINARY, "search", "*", data], capture_output=True, check=False).returncode == 0
    for command in (["replay", data, "--out", out, "--json"], ["replay", data, "--out", out],
                    ["replay", data, "--out", WORK / "plan", "--plan"], ["coverage", data], ["coverage", data, "--json"],
                    ["version"], ["version", "--json"], ["--help"], ["search", "--help"], ["check"],
                    ["check", "--json"], ["check", "--example"], ["types", "list"], ["types", "show", "cloudtrail"],
                    ["search", "*", data], ["search", "*", data, "--count"], ["rules", "list"],
                    ["rules", "list", "--json"], ["rules", "check", "--format", "sarif"], ["signals", "list", "--out", out],
                    ["signals", "list", "--json", "--out", out], ["dead-letters", "list", "--out", out]):
        shown = {}
        for where in ("/dev/null", "/dev/full"):
            with open(where, "wb") as full:
                done = subprocess.run([BINARY, *map(os.fspath, command)], stdout=full, stderr=subprocess.PIPE,
                                      stdin=subprocess.DEVNULL, check=False, timeout=600)
            shown[where] = done.returncode, done.stderr.decode()
        said = run(*command, code=None).stdout
        code, told = shown["/dev/full"]
        if said == b"":
            assert shown["/dev/null"][0] == code, (command, shown)
            continue
        assert code == 1, (command, shown)
        assert told.count("No space left on device") == 1 and "Success" not in told, (command, told)


def case_table():
    """The table says what is missing, by cause and account, and what was left out; no more."""
    f = Folder()
    summary = table(f.root, "good", code=0)
    assert "gaps" not in summary and "digest" not in summary and "pruned" not in summary, summary
    assert re.search(r"(?m)^events +2025-03-04T.*, 1 account, 1 region$", summary), summary
    assert re.search(r"(?m)^run +done, .*, bound by (cpu|storage|sink)$", summary), summary
    for account in range(12):
        day = f.root / f"AWSLogs/{account:012d}/CloudTrail/eu-west-1/2025/03/04"
        day.mkdir(parents=True)
        (day / "gone.json.gz").symlink_to("nowhere")
    f.put("digest.json", records(json.dumps(event(9, digestS3Object="o", digestStartTime="x")).encode()))
    os.mkfifo(f.day / "pipe")
    (WORK / "rules").mkdir()
    (WORK / "rules/bad.yml").write_text("title: no detection\n")
    text = table(f.root, "gaps", "--rules", WORK / "rules", code=7)
    gaps = re.findall(r"(?m)^(?:gaps|    ) +1 not-found, account (\d{12})$", text)
    assert len(set(gaps)) == 10 and re.search(r"(?m)^ +and 3 more$", text), text
    assert re.search(r"(?m)^objects .*, 1 digest, 1 skipped$", text), text
    assert re.search(r"(?m)^detection +0 rules, 1 rejected, 0 matches$", text), text


def table(source, out, *args, code):
    return run("replay", source, "--out", WORK / out, "--no-progress", *FIXED, *args, code=code).stdout.decode()


def case_empty():
    """A run that finds nothing says so."""
    (WORK / "empty").mkdir()
    text = table(WORK / "empty", "out", code=0)
    assert re.search(r"(?m)^events +none$", text) and "bound by" not in text, text
    assert replay(WORK / "empty", WORK / "json")["bound_by"] is None


def case_no_rules():
    """A run that was asked for rules and has none is told so; one with --no-rules is not."""
    data = Folder().root
    (WORK / "none").mkdir()
    for i, choice in enumerate((["--rules", WORK / "none"], ["--tag", "nosuch"],
                                ["--rules", WORK / "none", "--min-level", "low"])):
        summary = replay(data, WORK / f"out{i}", *choice)
        assert summary["rules"]["loaded"] == 0, summary
        assert summary["words"].count("warning: no rule is left") == 1, summary["words"]
    for i, choice in enumerate((["--no-rules"], [])):
        assert "no rule is left" not in replay(data, WORK / f"good{i}", *choice)["words"]


def case_origins():
    """Accounts and regions are those that records name, their key's where they name none; stops, shards
    and later objects make no difference."""
    f = Folder()
    wanted = {"123456789012"}, {"eu-west-1"}
    for i in range(40):
        account, region = f"{900000000000 + i}", f"us-test-{i % 7}"
        rows = [event(10 * i + k, recipientAccountId=account, awsRegion=region) for k in range(3)]
        f.put(f"{i:02d}.json.gz", gzip.compress(json.dumps({"Records": rows}).encode()))
        wanted[0].add(account)
        wanted[1].add(region)
    silent = {k: v for k, v in event(9999).items() if k not in ("recipientAccountId", "awsRegion")}
    f.put("silent.json.gz", gzip.compress(json.dumps({"Records": [silent]}).encode()))
    f.put("odd.json.gz", gzip.compress(json.dumps({"Records": [
        event(9998, recipientAccountId="none of twelve digits", awsRegion="Not A Region")]}).encode()))
    whole = replay(f.root, WORK / "whole")
    assert (whole["accounts"], whole["regions"]) == tuple(map(len, wanted)), whole
    only = replay(f.root, WORK / "none", "--from", "2030-01-01")
    assert (only["accounts"], only["regions"]) == (0, 0), only
    for shards in (1, 3):
        for name in ("cut", "rows", "committed"):  # killed around a commit, then gone on
            out = WORK / f"{name}{shards}"
            killed = run("replay", f.root, "--out", out, "--no-progress", *FIXED, "--shards", shards, "--set",
                        "commit.interval=1ms", code=None, env={**os.environ, "PENSTOCK_KILL_AT": f"{name}@1"})
            assert killed.returncode == -signal.SIGKILL, killed
            again = replay(f.root, out, "--shards", 3 - shards // 2)
            assert (again["accounts"], again["regions"]) == (whole["accounts"], whole["regions"]), (name, again)
    f.put("later.json.gz", gzip.compress(records(json.dumps(event(7, recipientAccountId="777777777777")).encode())))
    later = replay(f.root, WORK / "whole")
    assert (later["accounts"], later["regions"]) == (whole["accounts"] + 1, whole["regions"]), later


def case_regex_limits():
    """An expression that needs too many steps gives up, which is counted and told."""
    f = Folder()
    f.put("a.json", records(json.dumps(event(1, userAgent="a" * 40 + "b")).encode(),
                            json.dumps(event(2, userAgent="aab")).encode()))
    (WORK / "slow.yml").write_text("title: slow\nid: 11111111-1111-4111-8111-111111111112\nlogsource: {product: aws, service: "
                                   "cloudtrail}\ndetection: {s: {userAgent|re: '^(?=(a|aa)+c|)(a|aa)+b$'}, condition: s}\n")
    got = replay(f.root, WORK / "out", "--rules", WORK / "slow.yml")
    assert got["rules"]["regex_limits"] == 1 and got["matches"] == 1, got
    assert got["words"].count("1 times a regular expression of a rule needed too many steps") == 1, got["words"]
    (WORK / "fine.yml").write_text((WORK / "slow.yml").read_text().replace("(?=(a|aa)+c|)(a|aa)+b", "a+b"))
    got = replay(f.root, WORK / "fine", "--rules", WORK / "fine.yml")
    assert got["rules"]["regex_limits"] == 0 and got["matches"] == 2 and "too many steps" not in got["words"], got


def case_group_by():
    """sigma.group_by says what matches of one signal have in common; it is part of the job."""
    f = Folder()
    f.put("a.json", json.dumps({"Records": [
        event(n, eventSource="cloudtrail.amazonaws.com", eventName="StopLogging", requestParameters={"name": name},
              sourceIPAddress=f"192.0.2.{n % 2}", userIdentity={"arn": f"arn:{n % 3}"})
        for n, name in enumerate(["one", "two", "one", "thr\u00e9e\n", "two", None])]}).encode())
    (WORK / "stop.yml").write_text("title: stop\nid: 11111111-1111-4111-8111-111111111111\nlogsource: {product: aws, service: "
                                   "cloudtrail}\ndetection: {s: {eventName: StopLogging}, condition: s}\nlevel: high\n")
    rules = ["--rules", WORK / "stop.yml"]

    def groups(out, *args):
        replay(f.root, WORK / out, *rules, *args)
        rows = sqlite3.connect(WORK / out / "signals.db").execute("select group_by, events_matched from signals").fetchall()
        return sorted((json.loads(group), count) for group, count in rows) if len(rows) < 2 else \
            sorted(((json.loads(group), count) for group, count in rows), key=lambda row: json.dumps(row))

    assert [g for g, _ in groups("plain")] == [{"account": "123456789012", "identity": f"arn:{i}"} for i in range(3)]
    named = groups("named", "--set", "sigma.group_by=requestParameters.name")
    key = "requestParameters.name"
    assert sorted((g[key], n) for g, n in named) == [("", 1), ("one", 2), ("thr\u00e9e\n", 1), ("two", 2)], named
    both = groups("both", "--set", "sigma.group_by=region, source_ip")
    assert both == [({"region": "eu-west-1", "source_ip": f"192.0.2.{i}"}, 3) for i in range(2)], both
    assert b"its sigma.group_by differs" in run("replay", f.root, "--out", WORK / "both", *FIXED, *rules, code=2).stderr
    for wrong in ("", "a,,b", ",".join("abcdefghi"), "x" * 9000):
        words = run("replay", f.root, "--out", WORK / "no", *rules, "--set", f"sigma.group_by={wrong}", code=None)
        assert words.returncode in (2, 3) and b"sigma.group_by takes" in words.stderr, words


def case_stopped():
    """After Ctrl-C the table says how to go on."""
    data, out = generate(size="96MiB"), WORK / "out"
    child = subprocess.Popen([BINARY, "replay", data, "--out", out, "--no-progress", "--shards", "1",
                              "--set", "commit.interval=10ms", *FIXED], stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not set((out / "documents").glob("*")) and time.monotonic() < deadline:
        time.sleep(0.001)
    child.send_signal(signal.SIGINT)
    text = child.communicate(timeout=600)[0].decode()
    assert child.returncode == 6, (child.returncode, text)
    assert re.search(r"(?m)^run +stopped, ", text), text
    assert "the same command goes on" in text, text
    assert "the same command" not in table(data, "out", code=0)


if __name__ == "__main__":
    main(globals())
