"""Exclusions: what is dropped or counted, by queries, by the rows of a csv, of the node's own logs."""
import json
import os
import sqlite3
import sys

sys.path.insert(0, os.path.dirname(__file__))
from kit import *  # noqa: E402,F403

QUERIES = {"describe calls": "@eventName:Describe*", "reads": "@readOnly:true", "none": "@eventName:NoSuchCall"}
CONFIG = """exclude:
  - {name: describe calls, query: '@eventName:Describe*', types: [cloudtrail]}
  - {name: reads, query: '@readOnly:true', mode: count}
  - {name: none, query: '@eventName:NoSuchCall'}
"""


def config(text, name="penstock.yaml"):
    path = WORK / name
    path.write_text(text)
    return path


def counted(summary):
    return {name: row["records"] for name, row in summary["exclusions"].items()}


def made(number, **more):
    return json.dumps(event(number, **more)).encode()


def hits(folder, query):
    return int(run("search", "--count", query, folder, code=None).stdout)


def case_exclude():
    """Dropped records give no document and no signal; counters are those of a search, for any shards and after kills."""
    folder = generate(size="4MiB")
    path = config(CONFIG)
    plain = replay(folder, WORK / "plain")
    want = {name: hits(folder, query) for name, query in QUERIES.items()}
    assert want["describe calls"] > 0 and want["reads"] > want["describe calls"], want
    first = replay(folder, WORK / "out", "--config", path)
    assert counted(first) == want and first["exclusions"]["reads"]["mode"] == "count", first["exclusions"]
    assert first["records"]["excluded"] == want["describe calls"], first["records"]
    assert first["records"]["in"] == plain["records"]["in"]
    assert not any(d["_source"]["eventName"].startswith("Describe") for d in documents(WORK / "out"))
    assert first["matches"] <= plain["matches"]
    state = state_of(WORK / "out")
    again = replay(folder, WORK / "out", "--config", path)
    assert counted(again) == want and again["records"] == first["records"], again
    for shards in (1, 3):
        other = replay(folder, WORK / f"of{shards}", "--config", path, "--shards", shards)
        assert counted(other) == want and state_of(WORK / f"of{shards}") == state, (shards, other)
    for at in ("documents@2", "committed@3"):
        out = WORK / f"killed-{at}"
        run("replay", folder, "--out", out, "--config", path, "--no-progress", "--set", "commit.interval=1ms",
            *FIXED, code=None, env={**os.environ, "PENSTOCK_KILL_AT": at})
        resumed = replay(folder, out, "--config", path)
        assert counted(resumed) == want and state_of(out) == state, (at, resumed)
    # what is excluded is a part of the job
    words = run("replay", folder, "--out", WORK / "out", *FIXED, code=2).stderr
    assert b"its exclusions differ" in words, words
    config(CONFIG.replace("mode: count", "mode: drop"))
    run("replay", folder, "--out", WORK / "out", "--config", path, *FIXED, code=2)
    # nothing is detected in what is dropped
    nothing = replay(folder, WORK / "all", "--config", config("exclude: [{name: all, query: '*'}]\n"))
    assert (nothing["records"]["excluded"], nothing["records"]["delivered"]) == (plain["records"]["in"], 0), nothing
    assert nothing["matches"] == 0 == nothing["signals"]["opened"], nothing
    db = sqlite3.connect(WORK / "all/signals.db")
    assert db.execute("select count(*) from signals").fetchone() == (0,)


def case_exclude_later():
    """A job that goes on with a later --to counts what is excluded as one run to there does."""
    folder = Folder()
    times = [f"2025-03-04T0{hour}:30:00Z" for hour in range(8)]
    folder.put("a.json", records(*[made(i + 10, eventTime=time, eventName="Abc" if i % 2 else "Def")
                                   for i, time in enumerate(times)]))
    path = config("exclude: [{name: abc, query: '@eventName:Abc'}, {name: all, query: '*', mode: count}]\n")
    args = ("--config", path, "--no-rules")
    want = replay(folder.root, WORK / "whole", *args, "--to", "2025-03-04T07:00:00Z")
    assert (want["records"]["excluded"], want["records"]["filtered"]) == (3, 1), want["records"]
    first = replay(folder.root, WORK / "out", *args, "--to", "2025-03-04T03:00:00Z")
    assert first["records"]["excluded"] == 1, first["records"]
    got = replay(folder.root, WORK / "out", *args, "--to", "2025-03-04T07:00:00Z")
    assert got["records"] == want["records"], (got["records"], want["records"])
    assert counted(got) == counted(want), (counted(got), counted(want))
    assert numbers(WORK / "out") == numbers(WORK / "whole")


def case_exclude_csv():
    """The csv of SIEM on OpenSearch: the whole text of a field, as written or by an expression."""
    folder = Folder()
    root = folder.root
    names = ["Abc", "abc", "Abcd", "a,b", 'say "x"', "A.c"]
    folder.put("a.json", records(*[made(i + 10, eventName=name, n={"m": [name, "other"]}) for i, name in enumerate(names)]))

    def drops(*rows, code=0):
        (WORK / "own.csv").write_bytes(b"log_type,field,pattern,pattern_type,comment\r\n" + b"".join(
            row.encode() + b"\n" for row in rows))
        out = WORK / f"out{len(list(WORK.iterdir()))}"
        path = config("exclude: {csv: own.csv}\n")
        if code:
            return run("replay", root, "--out", out, "--config", path, "--no-rules", *FIXED, code=code).stderr.decode()
        got = replay(root, out, "--config", path, "--no-rules")
        gone = [i for i in range(len(names)) if i + 10 not in numbers(out)]
        assert got["records"]["excluded"] == len(gone), got
        return gone, counted(got)

    assert drops("cloudtrail,eventName,Abc,text,") == ([0], {"own.csv:2": 1})
    assert drops("cloudtrail,eventName,A.c,text") == ([5], {"own.csv:2": 1})
    assert drops("cloudtrail,eventName,A.c,regex") == ([0, 5], {"own.csv:2": 2})
    assert drops('cloudtrail,eventName,"a,b",text,"with, comma"', 'cloudtrail,eventName,"say ""x""",text') == (
        [3, 4], {"own.csv:2": 1, "own.csv:3": 1})
    assert drops("cloudtrail,n.m,Abcd?,regex") == ([0, 2], {"own.csv:2": 2})
    assert drops("alb,eventName,Abc,text") == ([], {"own.csv:2": 0})
    assert "own.csv:3: pattern_type is text or regex" in drops("cloudtrail,a,b,text", "cloudtrail,a,b,glob", code=3)
    assert "own.csv:2: fewer than four cells" in drops("cloudtrail,a", code=3)
    assert "own.csv:2: quotes without an end" in drops('cloudtrail,a,"b,text', code=3)
    assert "no log type `nope`" in drops("nope,a,b,text", code=3)
    assert "own.csv:2" in drops("cloudtrail,a,(,regex", code=3)
    (WORK / "own.csv").write_text("type,name\n")
    words = run("check", "--config", config("exclude: [{csv: own.csv}]\n"), code=3).stderr
    assert b"the first line is log_type,field" in words, words


def case_exclude_config():
    """Mistakes are told with their place."""
    folder = Folder()
    folder.put("a.json", records(1, 2))
    for text, words in (("exclude: [{name: a}]", "has `name` and `query`"),
                        ("exclude: [{name: a, query: 'x:'}]", "exclusion a"),
                        ("exclude: [{name: a, query: 'readOnly:true'}]", "written @readOnly"),
                        ("exclude: [{name: a, query: '*'}, {name: a, query: '*'}]", "a second exclusion called a"),
                        ("exclude: [{name: a, qeury: '*'}]", "the nearest is query"),
                        (f"exclude: [{{name: {'a' * 101}, query: '*'}}]", "a name of more than 100 bytes"),
                        ("exclude: [{name: a, query: '*', mode: keep}]", "mode is drop or count"),
                        ("exclude: [{name: a, query: '*', types: [clodtrail]}]", "no log type `clodtrail`"),
                        ("exclude: [{name: a, query: '*', csv: x.csv}]", "rows of a csv have"),
                        ("exclude: [{csv: x.csv}]", "No such file"),
                        ("exclude: words", "an exclusion is a map"),
                        ("exclude: [" + ",".join(f"{{name: a{i}, query: '*'}}" for i in range(257)) + "]",
                         "more than 256 exclusions")):
        done = run("replay", folder.root, "--out", WORK / "out", "--config", config(text + "\n"), *FIXED, code=3)
        assert words in done.stderr.decode(), (text, done.stderr)
    # own logs are kept unless it is asked for
    folder.put("own.json", records(made(3, userAgent="[penstock]"), made(4, userAgent="aws-cli/2.0")))
    key = "own-logs-cloudtrail"
    assert replay(folder.root, WORK / "off")["exclusions"] == {}
    got = replay(folder.root, WORK / "count", "--set", "exclude.own_logs=count")
    assert counted(got)[key] == 1 and got["records"]["excluded"] == 0, got
    replay(folder.root, WORK / "drop", "--set", "exclude.own_logs=drop")
    assert numbers(WORK / "drop") == [1, 1, 2, 2, 4], numbers(WORK / "drop")
    assert json.loads(run("check", "--json", "--set", "exclude.own_logs=drop").stdout)


if __name__ == "__main__":
    main(globals())
