#!/usr/bin/env python3
"""Measures what rules that count cost (perf/README.md, "Rules that count"), each figure against another one in turn.

    perf/counting.py [--dir DIR] [--penstock FILE] [--rounds 3] [--lines 10000000] [--bytes 2GiB] [NAME...]

Makes its data below DIR (build/perf; kept and used again) and wants a quiet machine with two cores or more.
NAMEs: observation, pack, groups, values, shards, rules; all when none is given."""
import argparse
import gzip
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys

ARGS = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ARGS.add_argument("--dir", type=pathlib.Path, default=pathlib.Path("build/perf"))
ARGS.add_argument("--penstock", default="build/release/penstock")
ARGS.add_argument("--rounds", type=int, default=3)
ARGS.add_argument("--lines", type=int, default=10_000_000, help="events of groups, values and shards")
ARGS.add_argument("--bytes", default="2GiB", help="plain CloudTrail of pack, four weeks of it")
ARGS.add_argument("names", nargs="*")
O = ARGS.parse_args()
TYPE = """name: perf-events
key: '^events/'
time: t
id: id
index: log-perf-events
identity: [user]
map: {user.name: user}
"""
FILES = 16


def replay(source, rules, *extra, shards=1):
    """The summary of a replay into nothing, with `cpu` of the whole process."""
    out = O.dir / "out"
    shutil.rmtree(out, ignore_errors=True)
    run = subprocess.Popen([O.penstock, "replay", str(source), "--out", str(out), "--sink", "null", "--shards", str(shards), "--json",
                            "--no-progress", "--log-level", "error", *(f"--rules={r}" for r in rules), *extra],
                           stdout=subprocess.PIPE, text=True)
    text = run.stdout.read()
    _, status, used = os.wait4(run.pid, 0)
    run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode != 0:
        sys.exit(f"perf/counting.py: replay ended with {run.returncode}")
    shutil.rmtree(out, ignore_errors=True)
    summary = json.loads(text.splitlines()[-1])
    return summary | {"cpu": used.ru_utime + used.ru_stime, "rss": used.ru_maxrss / 1024}


def least(runs, key="cpu"):
    """Each of several runs in turn, --rounds times; the one with the least of each."""
    best = [None] * len(runs)
    for _ in range(O.rounds):
        for i, run in enumerate(runs):
            got = run()
            wanted = got["seconds"]["wall"] if key == "wall" else got[key]
            if best[i] is None or wanted < best[i][0]:
                best[i] = (wanted, got)
    return best


def rule(name, query, group, condition="a > 100000000", window=300, method="threshold", **more):
    options = {"detectionMethod": method, "evaluationWindow": window, "keepAlive": 3600, "maxSignalDuration": 86400} | more.pop("options", {})
    return {"name": name, "isEnabled": True, "type": "log_detection", "message": name, "tags": [],
            "cases": [{"name": "", "status": "low", "condition": condition, "notifications": []}],
            "queries": [{"name": "a", "query": query, "groupByFields": group, "aggregation": "count", "distinctFields": []} | more],
            "options": options}


def put_rules(name, rules):
    path = O.dir / f"{name}.json"
    path.write_text(json.dumps(rules))
    return path


def trail():
    """CloudTrail of an organisation, about 375,000 records."""
    folder = O.dir / "weeks"
    if not (folder / "expected.json").exists():
        subprocess.run([O.penstock, "bench", "generate", "--out", str(folder), "--bytes", "512MiB"], check=True)
    return folder / "AWSLogs"


def month():
    """CloudTrail of an organisation in four weeks, --bytes of it: starting up and first touching memory weigh little."""
    folder = O.dir / f"month-{O.bytes}"
    if not (folder / "expected.json").exists():
        subprocess.run([O.penstock, "bench", "generate", "--out", str(folder), "--bytes", O.bytes, "--days", "28"], check=True)
    return folder / "AWSLogs"


def events():
    """Small JSON events, one each millisecond: `id` and `value` differ in all, `few` has 1,000 values, half are of one `user`."""
    folder = O.dir / f"events-{O.lines}"
    if not (folder / "done").exists():
        print(f"making {O.lines:,} events", file=sys.stderr)
        (folder / "events").mkdir(parents=True, exist_ok=True)
        made = random.Random(1)
        each = O.lines // FILES
        for f in range(FILES):
            with gzip.open(folder / "events" / f"{f:02}.json.gz", "wt", compresslevel=1) as out:
                for i in range(f * each, (f + 1) * each):
                    s, ms = divmod(i, 1000)
                    user = "heavy" if made.random() < 0.5 else f"user-{made.randrange(5000)}"
                    out.write(f'{{"t":"2025-03-01T{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}.{ms:03}Z","id":"e{i:010}",'
                              f'"value":"v{i:010}","few":"f{i % 1000}","user":"{user}"}}\n')
        (folder / "done").write_text("")
    types = O.dir / "types"
    types.mkdir(exist_ok=True)
    (types / "perf-events.yaml").write_text(TYPE)
    config = O.dir / "perf-types.yaml"
    config.write_text(f"types_dir: {types.resolve()}\n")
    return folder, ("--config", str(config))


def observation():
    """An observation in all: a rule that every record matches against one that none does."""
    source = month()
    every = put_rules("every", [rule("every", "source:cloudtrail", ["@userIdentity.arn"])])
    none = put_rules("none", [rule("none", "source:cloudtrail @eventName:NoSuchCall", ["@userIdentity.arn"])])
    for shards in (1, 2):
        (a, got), (b, _) = least([lambda: replay(source, [every], shards=shards), lambda: replay(source, [none], shards=shards)])
        print(f"observation, {shards} shards: {(a - b) / got['matches'] * 1e6:.2f} us of CPU each, {got['matches']:,} of them (aim 0.3)")


def pack():
    """The built-in pack over those of its rules that look at each record alone: Sigma rules without correlations."""
    source = month()
    sigma = O.dir / "sigma"
    shutil.rmtree(sigma, ignore_errors=True)
    sigma.mkdir()
    for file in sorted((pathlib.Path(__file__).parent.parent / "src/detect/rules").rglob("*.yml")):
        if "\ncorrelation:" not in file.read_text():
            shutil.copy(file, sigma / file.name)
    ratios = []
    (a, got), (b, other) = (None, None), (None, None)
    for _ in range(O.rounds):
        alone, whole = replay(source, [sigma]), replay(source, ["builtin"])
        ratios.append(whole["cpu"] / alone["cpu"])
        a, got = min((a, got), (whole["cpu"], whole), key=lambda x: x[0] or 1e9)
        b, other = min((b, other), (alone["cpu"], alone), key=lambda x: x[0] or 1e9)
    print(f"pack: {got['rules']['loaded']} rules, {got['matches'] / got['records']['in']:.2f} matches a record, {a:.2f} s of CPU; its "
          f"{other['rules']['loaded']} Sigma rules {b:.2f} s: {a / b:.3f}, median of rounds {sorted(ratios)[len(ratios) // 2]:.3f} (aim 1.15)")


def planned(rules, *extra):
    """MiB that `check` plans for one shard of such a run."""
    said = subprocess.run([O.penstock, "check", "--json", *(f"--rules={r}" for r in rules), "--set", "shards=1", *extra], stdout=subprocess.PIPE,
                          check=True, text=True).stdout
    return json.loads(said)["memory"]["total_bytes"] / 1048576


def groups():
    """A group for each event against 1,000 groups, in a window of a minute: 60,000 live at a time."""
    source, config = events()
    many = put_rules("many", [rule("many", "*", ["@id"], window=60)])
    few = put_rules("few", [rule("few", "*", ["@few"], window=60)])
    none = put_rules("nobody", [rule("nobody", "@user:nobody", ["@id"], window=60)])
    runs = [lambda r=r: replay(source, [r], *config) for r in (many, few, none)]
    (a, got), (b, other), (c, _) = least(runs)
    state = got["state"]
    print(f"groups: {got['matches']:,} groups cost {(a - c) / got['matches'] * 1e6:.2f} us each, 1,000 groups "
          f"{(b - c) / other['matches'] * 1e6:.2f} us an event: {(a - c) / (b - c):.2f} (aim 2); {got['rss']:.0f} and {other['rss']:.0f} MiB "
          f"of {planned([many], *config):.0f} planned; evicted {state['groups_evicted']}")


def values():
    """A new value for each event: memory an entry."""
    source, config = events()
    teach = put_rules("teach", [rule("teach", "*", [], condition="", window=0, method="new_value", aggregation="new_value", metrics=["@value"],
                                     options={"newValueOptions": {"learningDuration": 7, "forgetAfter": 28, "learningMethod": "duration"}})])
    none = put_rules("nobody", [rule("nobody", "@user:nobody", ["@id"], window=60)])
    memory = ("--set", f"state.new_values_max={O.lines * 2}", "--set", f"state.bytes_max={max(O.lines * 50 >> 20, 64)}MiB")  # half is theirs
    (a, got), (b, other) = least([lambda: replay(source, [teach], *config, *memory), lambda: replay(source, [none], *config)])
    learned = got["state_kept"]["new_values"]
    print(f"values: {learned:,} learned, {(a - b) / got['matches'] * 1e6:.2f} us of CPU each; the process takes "
          f"{(got['rss'] - other['rss']) * 1048576 / max(learned, 1):.1f} bytes more for each (aim 24 in the table); {got['rss']:.0f} MiB "
          f"of {planned([teach], *config, *memory):.0f} planned; evicted {got['state']['new_values_evicted']}")


def shards():
    """Two shards over one, wall time, with rules that all group by one user who has half of all events."""
    source, config = events()
    # so many that the user's groups, one a rule, fall on both shards alike
    rules = put_rules("users", [rule(f"users {i}", "*", ["@user"], window=60) for i in range(16)])
    (one, _), (two, _) = least([lambda: replay(source, [rules], *config, shards=1), lambda: replay(source, [rules], *config, shards=2)], "wall")
    print(f"shards: {one:.2f} s with one, {two:.2f} s with two: {one / two:.2f} (aim 1.8)")


def mixed(count):
    """Rules of which two of ten count and one learns."""
    made = random.Random(count)
    verbs, nouns = ("Create", "Delete", "Update", "Put", "Attach", "Modify", "Disable", "Start"), ("User", "Role", "Policy", "Trail", "Bucket", "Key",
                                                                                               "Function", "Image", "Instance", "Secret", "Domain")
    out = []
    for i in range(count):
        calls = " OR ".join(made.choice(verbs) + made.choice(nouns) + (str(i % 97) if i % 3 else "") for _ in range(1 + made.randrange(4)))
        query = f"source:cloudtrail @evt.name:({calls})" + (f" -@userIdentity.arn:*{made.choice(nouns)}-{i}*" if i % 5 == 0 else "")
        if i % 10 == 0:
            out.append(rule(f"mixed {i}", query, ["@userIdentity.arn"], condition="", window=0, method="new_value", aggregation="new_value",
                            metrics=["@network.client.ip"], options={"newValueOptions": {"learningDuration": 1, "forgetAfter": 28}}))
        else:
            out.append(rule(f"mixed {i}", query, ["@userIdentity.arn"], condition="a > 5" if i % 5 == 1 else "a > 0"))
    return put_rules(f"mixed-{count}", out)


def rules():
    """5,000 rules over 50, of all kinds."""
    source = trail()
    few, many = mixed(50), mixed(5000)
    (a, got), (b, other) = least([lambda: replay(source, [many]), lambda: replay(source, [few])])
    print(f"rules: {a:.2f} s of CPU with 5,000 ({got['matches']:,} matches), {b:.2f} s with 50 ({other['matches']:,}): {a / b:.2f} (aim 2)")


ALL = {f.__name__: f for f in (observation, pack, groups, values, shards, rules)}
O.dir.mkdir(parents=True, exist_ok=True)
for wanted in O.names or ALL:
    if wanted not in ALL:
        sys.exit(f"perf/counting.py: no {wanted}: one of {', '.join(ALL)}")
    ALL[wanted]()
