#!/usr/bin/env python3
"""test_front.py PENSTOCK CASE - what the commands say of themselves: version, options, check, types."""
import gzip
import json
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import time

from kit import BINARY, FIXED, WORK, Folder, dead, documents, event, main, only, records, replay, run

SOURCE = pathlib.Path(__file__).parents[2]
LIBRARIES = {"hyperscan", "pcre2", "simdjson", "isa-l", "zstd", "libyaml", "sqlite", "xxhash", "liburing",
             "openssl", "expat", "libmaxminddb"}


def linked_version(soname):
    """The version in the file name of a library that the loader would take: libx.so.1.2.3."""
    listed = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    path = re.search(rf"\s{re.escape(soname)} .*=> (\S+)", listed).group(1)
    return pathlib.Path(path).resolve().name.split(".so.")[1]


def case_version():
    told = json.loads(run("version", "--json").stdout)
    assert re.fullmatch(r"\d+\.\d+\.\d+", told["penstock"]), told
    assert re.fullmatch(r"unknown|[0-9a-f]{12}(-changed)?", told["commit"]), told
    if (SOURCE / ".git").exists():
        head = subprocess.run(["git", "-C", SOURCE, "rev-parse", "--short=12", "HEAD"],
                              capture_output=True, text=True, check=False).stdout.strip()
        assert told["commit"].split("-")[0] in (head, "unknown"), (told, head)
    assert "sse4.2" in told["cpu"], told
    assert LIBRARIES <= set(told["libraries"]), told
    for name, version in told["libraries"].items():
        assert re.search(r"\d+\.\d+", version), (name, version)
    assert told["libraries"]["zstd"] == linked_version("libzstd.so.1"), told
    words = run("version").stdout.decode()
    assert f"penstock {told['penstock']}" in words and f"commit {told['commit']}" in words, words
    for name, version in told["libraries"].items():
        assert re.search(rf"(?m)^  {re.escape(name)} +{re.escape(version)}$", words), (name, words)
    assert run("--version").stdout.decode() == words
    assert b"--json" in run("version", "--jsno", code=2).stderr
    run("version", "extra", code=2)


def settings():
    """Rows of the option table, read from its one place."""
    text = (SOURCE / "include/penstock/options.def").read_text()
    row = re.compile(r'^PEN_OPTION\((\w+),\s+"([^"]+)",\s+(\w+),\s+"([^"]*)",\s+"([^"]*)",\s+"([^"]*)",'
                     r'\s+"([^"]*)",\s+(\w+),\s+"([^"]*)"\)$', re.M)
    names = ("field", "key", "type", "unit", "value", "min", "max", "when", "help")
    rows = [dict(zip(names, found.groups())) for found in row.finditer(text)]
    assert len(rows) == len(re.findall(r"(?m)^PEN_OPTION", text)) > 10, len(rows)
    return rows


def words(*args, code=2, **options):
    done = run(*args, code=code, **options)
    assert done.stdout == b"", done.stdout
    return done.stderr.decode()


def case_settings():
    data = Folder().root
    out = WORK / "out"
    for row in settings():
        for bound in ("min", "max", "value"):
            if row[bound] == "" or row["key"] == "shards" and bound == "max":
                continue
            got = run("replay", data, "--plan", "--set", f"{row['key']}={row[bound]}")
            assert got.returncode == 0, row
        if row["type"] == "LIST":  # any name may be a field of records
            text = words("replay", data, "--out", out, "--set", f"{row['key']}={'' if row['value'] else 'x' * 9000}")
            assert row["key"] in text, text
            continue
        if row["type"] == "PATHS":
            text = words("replay", data, "--out", out, "--set", f"{row['key']}=nowhere,x")
            assert row["key"] in text and "nowhere: No such file" in text, text
            text = words("replay", data, "--out", out, "--set", f"{row['key']}={'x' * 8192}")
            assert row["key"] in text and "8191" in text, text
            continue
        if row["type"] == "PATH":
            text = words("replay", data, "--out", out, "--set", f"{row['key']}=nowhere")
            assert row["key"] in text and "nowhere" in text, text
            text = words("replay", data, "--out", out, "--set", f"{row['key']}={'x' * 1024}")
            assert row["key"] in text and "1023" in text, text
            continue
        for bad in ("x", "-1", "9999999999999999999", "99999999999999999999999TiB", ""):
            text = words("replay", data, "--out", out, "--set", f"{row['key']}={bad}")
            assert row["key"] in text and row["max"] in text and bad in text, text
    assert "the nearest is commit.interval" in words("replay", data, "--set", "comit.interval=1s")
    assert "KEY=VALUE" in words("replay", data, "--set", "shards")
    assert "power of two" in words("replay", data, "--set", "mailbox.capacity=3")
    assert "shards takes" in words("replay", data, "--shards", "65")
    assert "the datadog sink: not built yet" in words("replay", data, "--set", "datadog.max_mb_s=5")
    run("replay", data, "--plan", "--set", "sink.max_mb_s=0")
    assert not out.exists()
    # a limit does what it says
    folder = Folder("large")
    folder.put("large.json", records(7, json.dumps(event(8, pad="x" * 70000)).encode(), 9))
    done = replay(folder.root, WORK / "limit", "--set", "record.bytes_max=64KiB")
    assert done["records"] == {**done["records"], "in": 5, "delivered": 4, "dead": 1}, done
    only(dead(WORK / "limit"), "large.json", "parse", "E_LIMIT", "65536")
    bomb = Folder("bomb")
    bomb.put("bomb.json.gz", gzip.compress(records(7) + b" " * (4 << 20)))
    assert replay(bomb.root, WORK / "bomb1", "--set", "decode.ratio_max=20")["objects"]["damaged"] == 1
    assert replay(bomb.root, WORK / "bomb2", "--set", "decode.plain_bytes_max=1MiB")["objects"]["damaged"] == 1
    assert replay(bomb.root, WORK / "bomb3")["objects"]["damaged"] == 0


def config(text, name="penstock.yaml"):
    (WORK / name).write_text(text)
    return WORK / name


def case_config():
    folder = Folder("logs")
    (WORK / "rules").mkdir()
    (WORK / "rules/mine.yml").write_text(
        "title: Mine\nid: 0b0cbb4b-5a3c-4f8e-9a34-0d9c2f6f3a10\nlogsource: {product: aws, service: cloudtrail}\n"
        "detection: {s: {eventName|expand: '%names%'}, condition: s}\nlevel: high\n")
    good = config("shards: 1\nsources: [logs]\nsinks: [files]\nrules: [./rules]\n"
                  "placeholders: {names: [GetObject, PutObject]}\n"
                  "limits: {fetch.max_requests_s: 0, fetch.max_mb_s: 0, sink.max_mb_s: 0}\n"
                  "commit: {interval: 50ms}\nfiles.level: 3\n")
    out = WORK / "out"
    done = run("replay", "--config", good, "--out", out, "--json", "--no-progress", *FIXED)
    summary = json.loads(done.stdout)
    assert (summary["shards"], summary["rules"]["loaded"], summary["matches"]) == (1, 1, 2), summary
    # the command line comes first, wherever it stands
    done = run("replay", "--shards", "2", "--no-rules", "--config", good, "--set", "files.level=5",
               "--out", WORK / "out2", "--json", "--no-progress", *FIXED, "--sink", "null", folder.root)
    summary = json.loads(done.stdout)
    assert (summary["shards"], summary["rules"]["loaded"], summary["records"]["in"]) == (2, 0, 2), summary
    wrong = {
        "shard: 2\n": ":1:1: no option `shard`; the nearest is shards",
        "source: [a]\n": ":1:1: no option `source`; the nearest is sources",
        "sigma: {keep_alife: 1h}\n": ":1:9: no option `sigma.keep_alife`; the nearest is sigma.keep_alive",
        "shards: 1\n\ncommit.interval: 5\n": ":3:1: commit.interval takes a duration",
        "limits: {shards: 99}\n": ":1:10: shards takes a number (threads) from 0 to 64, not `99`",
        "limits: {datadog.max_mb_s: 5}\n": ":1:10: datadog.max_mb_s belongs to the datadog sink: not built yet",
        "sources:\n  - s3: s3://bucket/p\n    rol_arn: x\n": ":3:5: a bucket has no option `rol_arn`; the nearest is role_arn",
        "sources:\n  - s3: s3://A_/p\n": ":2:5: ",
        "sources:\n  - s3: s3://bucket\n    request_payer: owner\n": ":3:5: request_payer takes `requester`",
        "sources: [s3://A_/p]\n": ":1:11: ",
        "sinks:\n - opensearch: x\n": ":2:4: x: a URL begins with https:// or http://",
        "sinks:\n - opensearch: https://x\n   pasword: x\n": ":3:4: an opensearch sink has no `pasword`; the nearest is password",
        "sinks:\n - opensearch: https://x\n   password: x\n": ":3:4: a secret does not stand in a config file",
        "sinks: [fils]\n": ":1:9: no sink `fils`",
        "files.level: [1]\n": ":1:14: files.level takes one value",
        "a: [b\n": "penstock.yaml:2:1: ",
        "shards: 1\nshards: 2\n": ":2:1: the key 'shards' stands twice",
        "- a\n": ":1:1: a config file is one map",
        "a: &a [*a]\n": "penstock.yaml:1:",
    }
    for text, message in wrong.items():
        got = words("replay", folder.root, "--config", config(text), "--out", WORK / "none", code=3)
        assert message in got and str(WORK / "penstock.yaml") in got, (text, got)
    got = words("replay", "--config", config("shard: 1\nsinks: [x]\n"), code=3)
    assert len(got.splitlines()) == 2, got  # every mistake is told
    for command in ("replay", "check", "rules list"):
        got = words(*command.split(), "--config", WORK / "no such file", code=3)
        assert got == f"penstock: cannot open {WORK}/no such file: No such file or directory\n", got
    assert not (WORK / "none").exists()


def case_wrong_names():
    """Accounts, regions and types that cannot be are told, with file and line, by every command."""
    data = Folder().root
    names = WORK / "names"
    names.write_text("111111111111, 222222222222\n333333333333\n\n\x1b[31m4444 5\n")
    wrong = {("--accounts", "abc"): "`abc` is no account: 12 digits",
             ("--accounts", "111111111111,1111111111112"): "`1111111111112` is no account: 12 digits",
             ("--not-accounts", f"@{names}"): f"{names}:4: `\\x1b[31m4444` is no account: 12 digits",
             ("--regions", "eu west"): None, ("--regions", "EU-WEST-1"): "`EU-WEST-1` is no region",
             ("--not-regions", "eu_west_1"): "`eu_west_1` is no region",
             ("--regions", "eu-west-"): "`eu-west-` is no region",
             ("--types", "cloudtrial"): "the nearest is cloudtrail",
             ("--not-types", "zzzzzzzzzz"): "penstock types list tells them"}
    for option, said in wrong.items():
        for command in (["replay", data, "--out", WORK / "out"], ["search", "*", data], ["coverage", data],
                        ["rules", "match", data], ["replay", data, "--plan"],
                        ["replay", data, "--signals-only", "--out", WORK / "signals"],
                        ["rules", "diff", "--base", "builtin", "--head", "builtin", data]):
            done = run(*command, *option, code=None)
            if said is None:
                assert done.returncode in (0, 1), (command, option, done.stderr)
            else:
                assert done.returncode == 2 and said in done.stderr.decode(), (command, option, done.stderr)
        subprocess.run(["rm", "-rf", WORK / "out", WORK / "signals"], check=True)
    # the same rules named twice are read once
    rules = WORK / "rules"
    rules.mkdir()
    (rules / "one.yml").write_text("title: t\nid: 0b0cbb4b-5a3c-4f8e-9a34-0d9c2f6f3a10\nlevel: low\nlogsource: "
                                   "{product: aws, service: cloudtrail}\n"
                                   "detection: {s: {eventName: GetObject}, condition: s}\n")
    (WORK / "c.yaml").write_text("rules: [builtin, builtin]\n")
    once = replay(data, WORK / "once", "--rules", "builtin", "--rules", rules)["rules"]
    twice = replay(data, WORK / "once", "--rules", "builtin", "--rules", rules, "--rules", "builtin", "--rules",
                   f"{rules}/../rules/")
    assert twice["rules"] == once and once["rejected"] == 0, (once, twice)
    assert len(run("rules", "list", "--config", WORK / "c.yaml").stdout.splitlines()) == \
        len(run("rules", "list").stdout.splitlines())
    assert replay(data, WORK / "config", "--config", WORK / "c.yaml")["rules"]["rejected"] == 0


def case_choice():
    """What is read: accounts, regions, types, days; by key, then by record."""
    root = WORK / "data"
    for account in ("111111111111", "222222222222"):
        for region in ("eu-west-1", "us-east-1"):
            for day in ("03", "04", "05", "06"):
                where = root / f"AWSLogs/{account}/CloudTrail/{region}/2025/03/{day}"
                where.mkdir(parents=True)
                one = event(int(day), recipientAccountId=account, awsRegion=region,
                            eventTime=f"2025-03-{day}T12:00:00Z")
                one["eventID"] = f"{account}-{region}-{day}"
                (where / "o.json").write_text(json.dumps({"Records": [one]}))
    (root / "plain.json").write_text(json.dumps({"Records": [
        event(1, recipientAccountId=a, awsRegion=r, eventID=f"plain-{a}-{r}", eventTime="2025-03-04T00:00:00Z")
        for a in ("111111111111", "222222222222") for r in ("eu-west-1", "us-east-1")]}))
    count = iter(range(1000))

    def got(*args):
        out = WORK / f"out{next(count)}"
        summary = replay(root, out, "--no-rules", *args)
        ids = {line["_id"] for line in documents(out)}
        assert len(ids) == summary["records"]["delivered"], summary
        return ids, summary

    ids, summary = got()
    assert len(ids) == 20 and summary["objects"]["pruned"] == 0
    ids, summary = got("--accounts", "111111111111")
    assert len(ids) == 10 and all("111111111111" in i for i in ids), ids
    assert summary["objects"]["pruned"] == 8 and summary["records"]["filtered"] == 2, summary
    assert got("--not-accounts", "222222222222")[0] == ids
    (WORK / "accounts").write_text("111111111111\n\n")
    assert got("--accounts", f"@{WORK / 'accounts'}")[0] == ids
    ids, summary = got("--accounts", "111111111111", "--accounts", "222222222222,333333333333",
                       "--not-regions", "us-east-1")
    assert len(ids) == 10 and all("eu-west-1" in i for i in ids), ids
    assert got("--regions", "eu-west-1")[0] == ids
    assert len(got("--types", "cloudtrail")[0]) == 20
    ids, summary = got("--not-types", "cloudtrail")
    assert ids == set() and summary["objects"]["pruned"] == 16, summary
    ids, summary = got("--on", "2025-03-05")
    assert {i[-2:] for i in ids} == {"05"} and len(ids) == 4, ids
    assert summary["objects"]["pruned"] == 4, summary  # two days off: the neighbours are read
    ids, summary = got("--from", "2025-03-04T06:00:00Z", "--to", "2025-03-06")
    assert len(ids) == 8 and summary["records"]["filtered"] > 0, (ids, summary)
    told = run("replay", root, "--out", WORK / "range", "--from", "2025-03-04", "--no-rules").stderr.decode()
    assert "event time from 2025-03-04T00:00:00Z to the end" in told, told
    bad = {("--region", "eu-west-1"): ("--regions", "--s3-region"),
           ("--from", "soon"): ("soon", "-7d"),
           ("--from", "2025-03-05", "--to", "2025-03-04"): ("empty",),
           ("--types", "cloudtrial"): ("cloudtrial", "no such log type"),
           ("--accounts", "@/no/such/file"): ("/no/such/file",),
           ("--min-level", "huge"): ("huge", "critical"),
           ("--fail-on", "x"): ("--fail-on", "x"),
           ("--sink", "opensearch:http://u:secret@x"): ("user or a password", "config file"),
           ("--sink", "opensearch:x"): ("https:// or http://",),
           ("--sink", "datadog:eu"): ("datadog", "not built yet"),
           ("--sink", "file"): ("no sink `file`",),
           ("--sink", "files", "--sink", "null"): ("one sink",),
           ("s3://A_/x",): ("A_",),
           ("--acounts", "1"): ("--accounts",),
           ("--log-level", "loud"): ("debug",),
           ("--no-rules", "--rules", "builtin"): ("exclude",),
           ("--out", ""): ("--out",)}
    for args, parts in bad.items():
        text = words("replay", root, "--out", WORK / "none", *args)
        assert all(part in text for part in parts), (args, text)
    assert not (WORK / "none").exists() or not (WORK / "none/checkpoint.db").exists()


def case_plan():
    """Lists and estimates; reads nothing and leaves nothing."""
    folder = Folder()
    folder.put("unreadable.json.gz", b"no gzip at all")
    other = folder.root / "AWSLogs/222222222222/CloudTrail/eu-west-1/2025/03/09"
    other.mkdir(parents=True)
    (other / "x.json").write_bytes(b"x" * 30000)
    out = WORK / "out"
    told = json.loads(run("replay", folder.root, "--plan", "--json", "--out", out, "--to", "2025-03-05").stdout)
    assert told["objects"] == {"listed": 3, "pruned": 1, "skipped": 0}, told
    assert told["by_type"]["cloudtrail"]["objects"] == 3, told
    stored = sum(path.stat().st_size for path in folder.day.iterdir())
    assert told["bytes"]["stored"] == stored < told["bytes"]["plain_estimated"], told
    told = json.loads(run("replay", folder.root, folder.root, "--plan", "--json", "--out", out,
                          "--accounts", "222222222222").stdout)
    assert told["records"]["estimated"] == 2 * 30000 // 1500, told
    shown = run("replay", folder.root, "--plan", "--out", out).stdout.decode()
    assert re.search(r"(?m)^objects +4 to read, 0 pruned", shown), shown
    assert not out.exists()
    assert "no-such" in words("replay", WORK / "no-such", "--plan", code=1)


def case_log_level():
    folder = Folder()
    (folder.day / "pipe").mkdir()
    (WORK / "rules").mkdir()
    (WORK / "rules/bad.yml").write_text("title: x\n")
    said = {}
    for level in ("error", "warn", "info", "debug"):
        done = run("replay", folder.root, "--out", WORK / level, "--log-level", level, "--rules", WORK / "rules",
                   "--allow-gaps", *FIXED)
        said[level] = done.stderr.decode()
    assert said["error"] == "", said
    assert "bad.yml:1:1:" in said["warn"] and "objects in" not in said["warn"], said
    assert "objects in" in said["info"] and "commit 1" not in said["info"], said
    assert "commit 1: 2 objects done, 2 records" in said["debug"], said


def case_relative():
    """A range counted from now: after an interruption it is the one of the interrupted run."""
    data = WORK / "data"
    run("bench", "generate", "--out", data, "--bytes", "96MiB", "--first-day", "2025-03-01", "--days", "7")
    out = WORK / "out"
    days = (int(time.time()) - 1741132800) // 86400  # since 2025-03-05
    command = ["replay", data, "--out", out, "--from", f"-{days}d", "--json", *FIXED]
    child = subprocess.Popen([BINARY, *map(str, command), "--set", "commit.interval=10ms"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not any((out / "documents").glob("*")) and child.poll() is None:
        time.sleep(0.005)
    child.send_signal(signal.SIGINT)
    assert child.wait() == 6
    time.sleep(1.1)
    done = run(*command)
    assert range_of(done).endswith(b", as this job began"), done.stderr
    assert json.loads(done.stdout)["status"] == "done"
    # the same words mean the same range when it came to its end, however the span is written
    again = run("replay", data, "--out", out, "--from", f"-{days * 24}h", *FIXED)
    assert range_of(again) == range_of(done), (again.stderr, done.stderr)
    # another span is another job, and so are fixed times; both are told as times
    for other in (f"-{days - 1}d", "2025-03-02"):
        words = run("replay", data, "--out", out, "--from", other, *FIXED, code=2).stderr
        began = range_of(done).split()[4]
        assert b"its from differs (there: -%dd (%s), now: " % (days, began) in words, words
        assert re.search(rb"now: (-\d+d \()?20\d\d-\d\d-\d\dT", words), words


def range_of(done):
    """What a run tells of its range, once."""
    told = [line for line in done.stderr.splitlines() if b"event time from" in line]
    assert len(told) == 1, done.stderr
    return told[0]


def case_relative_end():
    """A --to that is counted from now is a later one with every run; an interrupted run keeps it."""
    folder = Folder()
    out = WORK / "out"
    command = ["replay", folder.root, "--out", out, "--to", "now", *FIXED]
    first = range_of(run(*command))
    time.sleep(0.01)
    second = range_of(run(*command))
    assert second.split()[-1] > first.split()[-1], (first, second)
    epoch = int(sqlite3.connect(out / "checkpoint.db").execute(
        "select value from job where name = 'epoch'").fetchone()[0])
    run(*command, code=-9, env={**os.environ, "PENSTOCK_KILL_AT": f"end@{epoch + 1}"})
    kept = range_of(run(*command))
    assert b", as this job began" in kept, kept
    assert documents(out) and len(documents(out)) == 2, documents(out)
    # a day is another one tomorrow: fixed days stand for it here
    day = WORK / "day"
    run("replay", folder.root, "--out", day, "--on", "today", *FIXED)
    run("replay", folder.root, "--out", day, "--on", "today", *FIXED)
    run("replay", folder.root, "--out", day, "--on", "-1d", *FIXED, code=2)


def case_verdicts():
    """Which rules run, and what the exit code says."""
    folder = Folder()
    folder.put("sev.json", records(json.dumps(event(7, eventName="StopLogging",
                                                    eventSource="cloudtrail.amazonaws.com")).encode()))
    (WORK / "rules").mkdir()
    for number, (level, tag) in enumerate((("low", "attack.t1"), ("high", "attack.t2"), ("critical", "attack.t2"))):
        (WORK / f"rules/{level}.yml").write_text(
            f"title: {level}\nid: 0b0cbb4b-5a3c-4f8e-9a34-0d9c2f6f3a1{number}\ntags: [{tag}]\nlevel: {level}\n"
            "logsource: {product: aws, service: cloudtrail}\n"
            "detection: {s: {eventName: StopLogging}, condition: s}\n")
    count = iter(range(100))

    def told(*args, code=0):
        return replay(folder.root, WORK / f"out{next(count)}", "--rules", WORK / "rules", *args, code=code)

    def severities(summary):
        return {name for name, n in summary["signals"]["by_severity"].items() if n}

    assert severities(told()) == {"low", "high", "critical"}
    assert severities(told("--min-level", "high")) == {"high", "critical"}
    assert severities(told("--tag", "attack.t1")) == {"low"}
    assert severities(told("--tag", "attack.t2", "--min-level", "critical")) == {"critical"}
    assert told("--tag", "attack.none")["rules"]["loaded"] == 0
    assert told("--fail-on", "critical", code=8)["status"] == "done"
    told("--fail-on", "high", "--tag", "attack.t1")
    told("--fail-on", "low", "--tag", "attack.t1", code=8)
    # damaged and unknown objects are gaps with --strict alone
    (folder.root / "odd.txt").write_bytes(b"just words")
    assert told()["objects"]["unknown"] == 1
    strict = told("--strict", code=7)
    assert strict["gaps"] == [{"cause": "unknown-type", "account": "", "count": 1}], strict["gaps"]
    told("--strict", "--allow-gaps")
    (WORK / "rules/bad.yml").write_text("title: bad\n")
    assert told(code=7)["rules"]["rejected"] == 1
    told("--allow-gaps")
    told("--allow-gaps", "--fail-on", "high", code=8)
    done = told("--signals-only", "--allow-gaps")
    assert done["signals"]["opened"] == 3, done
    # several sources are one job; each must be there
    other = Folder("other")
    both = run("replay", folder.root, other.root, "--out", WORK / "both", "--no-rules", "--json", *FIXED)
    assert json.loads(both.stdout)["objects"]["listed"] == 6, both.stdout
    run("replay", folder.root, WORK / "none", "--out", WORK / "gone", code=1)


def case_help():
    """--help fits a screen; main lists every command that there is."""
    for command in ("replay", "search", "signals", "rules", "version", "check", "types", "coverage", "bench"):
        shown = run(command, "--help").stdout.decode().splitlines()
        assert 0 < len(shown) <= 24, (command, len(shown))
        assert max(map(len, shown)) <= 100, (command, max(shown, key=len))
    shown = run("--help").stdout.decode().splitlines()
    assert len(shown) <= 24, shown


def case_reserved():
    """What is not built says so, what does not exist is named, both with exit 2."""
    top = run("--help").stdout.decode()
    assert "not built yet" in words("follow") and "not built yet:\nfollow.\n" in top
    assert "not built yet" in words("check", "--aws")
    for command in (("bench", "x"), ("rules", "x"), ("types", "x"), ("sink", "x"), ("signals", "x"), ("state", "x"),
                    ("dead-letters", "x"), ("x",)):
        text = words(*command)
        assert f"no command `{' '.join(command)}`" in text and text.count("\n") == 1, text
    for command, told in ((("bench", "generate"), "--out DIR"), (("bench", "generate", "--shape", "x"), "`--shape x`"),
                          (("types", "show"), "NAME"), (("types", "test"), "FILE")):
        text = words(*command)
        assert told in text and text.count("\n") == 1, text


if __name__ == "__main__":
    main(globals())
