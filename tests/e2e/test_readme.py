#!/usr/bin/env python3
"""test_readme.py PENSTOCK CASE - what README shows is what is printed."""
import json
import os
import pathlib
import subprocess
import textwrap

from kit import BINARY, WORK, documents, main, run

README = (pathlib.Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
OUT = WORK / "week/out"


def section(name):
    return README.split(f"\n## {name}\n")[1].split("\n## ")[0]


def blocks(text):
    """Its indented parts, each a text without the indent."""
    parts, part = [], []
    for line in [*text.splitlines(), "."]:
        if line.startswith("    ") or not line and part:
            part.append(line)
        elif part:
            parts += textwrap.dedent("\n".join(part)).strip("\n").split("\n\n")
            part = []
    return parts


def shell(command):
    """What a shell prints for it, with the program in its path and the folder of the run as $out."""
    tools = WORK / "bin"
    if not tools.exists():
        tools.mkdir()
        (tools / "penstock").symlink_to(BINARY)
    done = subprocess.run(["sh", "-eu", "-c", command], cwd=WORK, capture_output=True, check=False, timeout=120,
                          env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "out": str(OUT)})
    assert done.returncode == 0, (command, done)
    return done.stdout.decode()


def is_shown(shown, printed):
    """Every line of what is shown is printed, in this order."""
    lines = iter(printed.splitlines())
    for line in shown.splitlines():
        if line != "...":
            assert any(line == other for other in lines), (line, printed)


def case_readme_types():
    """The commands of the made-up log type do what is said."""
    text = section("A log type of your own")
    code = "\n".join(line[4:] for line in text.splitlines() if line.startswith("    ") or not line)
    printed = shell(code)
    assert "type       shop\nrecords    2 good, 0 bad" in printed, printed
    found = [line for line in printed.splitlines() if '"_penstock"' in line]
    assert len(found) == 1, printed
    record = json.loads(found[0])
    assert (record["who"], record["message"], record["port"]) == ("ada", "wrong password", "4711"), record
    assert "records    2 in = 2 delivered + 0 filtered + 0 dead" in printed, printed
    left = documents(WORK / "shop-out")
    assert {d["_index"] for d in left} == {"log-shop-2025-03"} and len(left) == 2, left


def case_readme():
    run("bench", "generate", "--out", WORK / "week", "--bytes", "64MiB")
    table = run("replay", WORK / "week/AWSLogs", "--out", OUT, "--no-progress").stdout.decode()
    shown = blocks(section("Two commands"))
    summary = next(part for part in shown if part.startswith("run "))
    is_shown("\n".join(summary.splitlines()[1:]), table)
    quickstart = (pathlib.Path(__file__).parents[2] / "bench/quickstart.sh").read_text(encoding="utf-8")
    query = quickstart.split('sqlite3 -box "$work/out/signals.db" \\\n')[1].split('"')[1]
    signals = next(part for part in shown if part.startswith("== the signals"))
    is_shown(signals.split("\n", 1)[1], shell(f'sqlite3 -box $out/signals.db "{query}"'))
    count = 0
    for name in ("One signal, explained", "Asking SQLite, DuckDB, the logs themselves"):
        printed = ""
        for part in blocks(section(name)):
            if "duck" in part or part.endswith(" logs") or "calls" in part:
                continue  # needs what is not installed, or the reader's own logs
            if part.startswith(("penstock ", "sqlite3 ")):
                printed = shell(part)
            else:
                is_shown(part, printed)
                count += 1
    assert count == 4, count


main(globals())
