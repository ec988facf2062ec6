#!/usr/bin/env python3
"""test_check.py PENSTOCK CASE - check: config, rules, memory; the option table in all its forms."""
import gzip
import json
import os
import pathlib
import re
import shutil
import subprocess

from kit import BINARY, FIXED, WORK, Folder, event, main, replay, run

SOURCE = pathlib.Path(__file__).parents[2]
ROW = re.compile(r'^PEN_OPTION\((?P<field>\w+),\s+"(?P<key>[^"]+)",\s+(?P<type>\w+),\s+"(?P<unit>[^"]*)",'
                 r'\s+"(?P<default>[^"]*)",\s+"(?P<min>[^"]*)",\s+"(?P<max>[^"]*)",\s+(?P<when>\w+),'
                 r'\s+"(?P<help>[^"]*)"\)$', re.M)
TABLE = [row.groupdict() for row in ROW.finditer((SOURCE / "include/penstock/options.def").read_text())]


def check(*args, code=0):
    return json.loads(run("check", "--json", *args, code=code).stdout)


def case_check_table():
    """Every row of the table is in check --json, in the example, in the manual page and in the README."""
    assert len(TABLE) == len(re.findall(r"(?m)^PEN_OPTION", (SOURCE / "include/penstock/options.def").read_text()))
    assert len({row["key"] for row in TABLE}) == len(TABLE) > 10
    told = {row["key"]: row for row in check()["settings"]}
    assert list(told) == [row["key"] for row in TABLE]
    for row in TABLE:
        mine = told[row["key"]]
        for name in ("unit", "default", "min", "max", "help"):
            assert mine[name] == row[name], (mine, row)
        assert mine["type"] == row["type"].lower() and mine["value"] == row["default"], mine
    # the example is a config that changes nothing
    example = WORK / "penstock.yaml"
    example.write_bytes(run("check", "--example").stdout)
    text = example.read_text()
    for row in TABLE:
        shown = f"{row['key']}: {row['default']}" if row["default"] else f"# {row['key']}: {row['min']}"
        assert f"\n{shown}\n" in text and row["help"] in text, row
    assert check("--config", example)["settings"] == list(told.values())
    # the manual page
    page = pathlib.Path(BINARY).with_name("penstock.1")
    plain = page.read_text().replace("\\-", "-")
    for row in TABLE:
        assert f"\n.B {row['key']}\n{row['help']}\n" in plain, row["key"]
        assert row["max"] == "" or f"from {row['min']} to {row['max']}" in plain, row["key"]
    for command in ("replay", "search", "coverage", "rules", "types", "signals", "check", "bench", "version"):
        assert f".SH PENSTOCK {command.upper()}\n" in plain, command
    if shutil.which("groff"):
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", page], capture_output=True, check=True)
        assert done.stderr == b"", done.stderr
    # the README's table
    readme = (SOURCE / "README.md").read_text()
    rows = re.findall(r"(?m)^\| `([a-z_.]+)` \| (\S*) \| (\S+ to \S+|names?|networks|files?|off, builtin, file) \| (.*) \|$", readme)
    assert rows == [(r["key"], r["default"] or "none", f"{r['min']} to {r['max']}" if r["max"] else r["unit"],
                     r["help"]) for r in TABLE], rows


def case_check_values():
    told = check("--shards", "3", "--set", "files.level=7", "--set", "commit.interval=1500ms",
                 "--set", "document.ingested=2025-04-01", "--set", "state.bytes_max=2048MiB")
    value = {row["key"]: row["value"] for row in told["settings"]}
    assert (value["shards"], value["files.level"], value["commit.interval"]) == ("3", "7", "1500ms"), value
    assert (value["document.ingested"], value["state.bytes_max"]) == ("2025-04-01T00:00:00Z", "2GiB"), value
    assert told["memory"]["shards"] == 3 and told["memory"]["state_bytes"] == (2 << 30) + 2 * (32 << 20), told["memory"]
    config = WORK / "c.yaml"
    config.write_text("shards: 2\nsources: [a, b]\nrules: [none.yml]\n")
    run("check", "--config", config, code=1)
    (WORK / "none.yml").write_text("title: x\n")
    done = run("check", "--config", config, "--json", code=4)
    told = json.loads(done.stdout)
    assert told["exit"] == 4 and told["rules"]["rejected"] == 1 and b"none.yml:1:1:" in done.stderr, told
    assert told["sources"] == [str(WORK / "a"), str(WORK / "b")] and told["config"] == str(config), told
    config.write_text("shardz: 2\n")
    done = run("check", "--config", config, code=3)
    assert b"c.yaml:1:1: no option `shardz`; the nearest is shards" in done.stderr, done.stderr
    done = run("check", "--aws", code=2)
    assert b"not built yet" in done.stderr
    run("check", "SOURCE", code=2)
    shown = run("check").stdout.decode()
    for words in ("config     none", "loaded, 0 rejected", "cloudtrail", "= a shard",
                  "keyed state", "logs of observations, read", "within the"):
        assert words in shown, shown


def case_check_memory():
    """The plan is an upper bound of what a run takes, and one that does not fit is refused."""
    plan = check("--shards", "2")["memory"]
    rows = plan["shard_bytes"]
    assert rows == sum(plan["shard"].values()) <= plan["shard_bytes_aim"] == 128 << 20, plan
    assert plan["total_bytes"] == (2 * (rows + plan["state_bytes"]) + sum(plan["once"].values())), plan
    assert plan["fits"] and check("--shards", "4")["memory"]["shard_bytes"] == rows
    for more in ("read.buffers=960", "record.bytes_max=16MiB", "ship.bodies_max=100", "files.level=19"):
        assert check("--shards", "2", "--set", more)["memory"]["shard_bytes"] > rows, more
    # records near the largest, in many months, badly compressed, in large zstd windows
    folder = Folder("heavy")
    for month in range(1, 13):
        pad = os.urandom(1_500_000).hex()
        line = json.dumps({"Records": [event(month, eventTime=f"2024-{month:02}-05T00:00:00Z", pad=pad)]}).encode()
        folder.put(f"heavy{month}.json.gz", gzip.compress(line, 1))
        packed = subprocess.run(["zstd", "-q", "-1", "--long=25", "-c"], input=line, capture_output=True,
                                check=True).stdout
        folder.put(f"heavy{month}.json.zst", packed)
    for shards in (1, 2):
        args = ["--shards", shards, "--set", "state.bytes_max=1MiB"]
        plan = check(*args)["memory"]
        done = replay(folder.root, WORK / f"out{shards}", *args)
        assert done["records"]["in"] == 26, done
        # a sanitizer's own memory is not of the plan
        if re.search(b"__[at]san_init", pathlib.Path(BINARY).read_bytes()) is None:
            print(f"{shards} shards: {done['rss_bytes_max'] >> 20} MiB of {plan['total_bytes'] >> 20} planned")
            assert done["rss_bytes_max"] <= plan["total_bytes"], (done["rss_bytes_max"], plan)
    large = ["--shards", "64", "--set", "state.bytes_max=64GiB"]
    done = run("check", *large, code=5)
    assert done.stderr.count(b"\n") == 1 and b"use fewer --shards" in done.stderr, done.stderr
    assert b"OVER the" in done.stdout
    done = run("replay", folder.root, "--out", WORK / "none", *large, *FIXED, code=5)
    assert done.stdout == b"" and b"use fewer --shards" in done.stderr, done.stderr
    assert not (WORK / "none").exists()


if __name__ == "__main__":
    main(globals())
