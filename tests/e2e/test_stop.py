#!/usr/bin/env python3
"""test_stop.py PENSTOCK CASE - runs that end early, by a full disk or by a person: they say why,
lose nothing, and the same command goes on to what an undisturbed run leaves."""
import gzip
import json
import os
import pathlib
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time

from kit import BINARY, FIXED, IS_SANITIZED, WORK, Folder, event, generate, lines_of, main, numbers, paused_replay, replay, run, state_of

SEED = int(os.environ.get("PENSTOCK_SEED", "20250304"))
KILLS = int(os.environ.get("PENSTOCK_KILLS", "20"))
LARGE_BYTES = int(os.environ.get("PENSTOCK_LARGE_BYTES", str(128 << 20)))

KB = 1 << 10
MB = 1 << 20


def on_small_disk(test):
    """Runs this case again where it may mount; says so where that is not allowed."""
    if os.environ.get("PENSTOCK_MAY_MOUNT"):
        return test()
    unshare = ["unshare", "-m" if os.geteuid() == 0 else "-rm"]
    if subprocess.run([*unshare, "mount", "-t", "tmpfs", "tmpfs", WORK], check=False,
                      capture_output=True).returncode != 0:
        print("skipped: nothing can be mounted here")
        return None
    done = subprocess.run([*unshare, *sys.orig_argv], check=False,
                          env={**os.environ, "PENSTOCK_MAY_MOUNT": "1"})
    return sys.exit(done.returncode) if done.returncode else None


def mounted(name, size):
    where = WORK / name
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", where], check=True)
    return where


def fill(where, but):
    """A file that leaves `but` bytes free."""
    free = os.statvfs(where)
    with open(where / "ballast", "wb") as f:
        f.write(bytes(max(0, free.f_bavail * free.f_frsize - but)))


def case_full_disk():
    on_small_disk(full_disk)


def full_disk():
    data = generate(size="96MiB")
    fast = ("--set", "commit.interval=20ms")
    replay(data, WORK / "whole", *fast)
    want = state_of(WORK / "whole")
    for i, free in enumerate((0, 40 * KB, 300 * KB, MB, 3 * MB, 6 * MB)):
        where = mounted(f"disk{i}", 64 * MB)
        out = where / "out"
        summary = paused_replay(data, out, lambda: fill(where, free), *fast, code=6)
        assert summary["status"] == "stopped" and ("full" in summary["reason"] or "No space left" in summary["reason"]), summary
        assert "stopped: " in summary["words"] and summary["reason"] in summary["words"], summary
        done = run("replay", data, "--out", out, "--no-progress", *FIXED, *fast, code=None)
        assert done.returncode in (5, 6), done
        print(free, summary["reason"], done.stderr)
        said = done.stderr.decode() + summary["words"]
        assert "INSERT" not in said and "COMMIT" not in said and "BEGIN" not in said, said
        assert done.returncode != 6 or b"make room, then the same command goes on" in done.stderr, done
        (where / "ballast").unlink()
        again = replay(data, out, *fast, "--shards", 1 + i % 3)
        assert state_of(out) == want, f"{free} bytes free: differs"
        assert again["records"]["in"] >= summary["records"]["in"], again
        subprocess.run(["umount", where], check=True)


def case_no_room():
    """An estimate over the free space stops before anything is read, and claims nothing."""
    on_small_disk(no_room)


def no_room():
    data = generate(size="96MiB")
    where = mounted("disk", 8 * MB)
    done = run("replay", data, "--out", where / "out", "--no-progress", *FIXED, code=5)
    assert b"GB free, the documents need about" in done.stderr, done.stderr
    assert not list((where / "out/documents").iterdir()), "something was written"
    replay(data, where / "out", "--signals-only")  # another job: the first one never began
    subprocess.run(["umount", where], check=True)


def case_file_limit():
    """A limit on the size of files is a full disk."""
    data = generate(size="48MiB")
    replay(data, WORK / "whole")
    want = state_of(WORK / "whole")
    for i, limit in enumerate((500 * KB, 900 * KB, 1500 * KB)):
        out = WORK / f"out{i}"
        done = run("replay", data, "--out", out, "--json", "--no-progress", *FIXED, code=None,
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        assert done.returncode == 6, (limit, done)
        assert b"File too large" in done.stderr, done.stderr
        replay(data, out)
        assert state_of(out) == want, f"limit of {limit}: differs"
        odd = [p for p in out.rglob("*") if p.stat().st_mode & 0o777 != (0o700 if p.is_dir() else 0o600)]
        assert not odd, odd


KILL_STATES = ("cut", "documents", "run", "dead", "rows", "committed", "release", "signals")
FAST = ("--set", "commit.interval=5ms")


def killed(source, out, *args, at=None, after=None):
    """Runs until a SIGKILL: at a named state, or after some seconds.  False when it ended before."""
    env = {**os.environ, "PENSTOCK_KILL_AT": at} if at else None
    child = subprocess.Popen([BINARY, "replay", source, "--out", out, "--no-progress", *FIXED, *map(str, args)],
                             env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        words = child.communicate(timeout=after or 60)[1]
    except subprocess.TimeoutExpired:
        child.kill()
        words = child.communicate()[1]
    assert child.returncode in (0, -signal.SIGKILL), (child.returncode, words)
    return child.returncode != 0


def same_summary(got, want):
    """All that a summary counts, but for what was read or written twice, and how long it took."""
    for key in ("objects", "records", "by_type", "event_time", "accounts", "regions", "matches", "signals", "gaps"):
        assert got[key] == want[key], (key, got[key], want[key])


def differs(got, want, when):
    """Fails with what differs."""
    for name, a, b in zip(("documents", "signals", "events", "lines", "letters"), got, want):
        if a != b and not isinstance(a, str):
            print(*(f"- {x}\n" for x in b if x not in a), *(f"+ {x}\n" for x in a if x not in b))
            print(len(a), len(b))
        assert a == b, f"{when}: {name} differ"


def damaged_week():
    """A week with what makes dead letters in every commit."""
    data = generate(size="8MiB")
    for i, path in enumerate(sorted(data.rglob("*.json.gz"))):
        if i % 7 == 0:
            path.write_bytes(path.read_bytes()[:-20])
        if i % 11 == 0:
            path.write_bytes(b"no log")
    return data


def case_kill_states():
    """Killed once at each named state of the first commit, of the second, and at the end."""
    data = damaged_week()
    whole = replay(data, WORK / "whole", *FAST)
    want = state_of(WORK / "whole")
    out = WORK / "killed"
    states = [f"{name}@{epoch}" for epoch in (1, 2) for name in KILL_STATES]
    for i, at in enumerate([*states, "end@1", "finished@1"]):
        often = FAST if at in states else ("--set", "commit.interval=1h")  # then the first is the last
        assert killed(data, out, *often, "--fresh", "--shards", 1 + i % 3, at=at), f"{at} was never reached"
        summary = replay(data, out, "--shards", 1 + (i + 1) % 3)
        same_summary(summary, whole)
        differs(state_of(out), want, f"killed at {at}")


def case_kill_random():
    """Killed at random, again and again, with other shard counts and commit intervals each time."""
    rng = random.Random(SEED)
    print("seed", SEED)
    data = damaged_week()
    whole = replay(data, WORK / "whole")
    want = state_of(WORK / "whole")
    kills, rounds, out = 0, 0, WORK / "killed"
    while kills < KILLS:
        rounds += 1
        fresh = ["--fresh"]
        for _ in range(rng.randrange(1, 9)):
            interval = f"commit.interval={rng.choice([1, 5, 20, 100])}ms"
            if not killed(data, out, "--set", interval, "--shards", rng.choice([1, 2, 3, 5]), *fresh,
                          after=rng.uniform(0.03, min(3, 0.1 + 1.2 * whole["seconds"]["wall"]))):
                break
            kills += 1
            fresh = []
        same_summary(replay(data, out, "--shards", rng.choice([1, 2, 3, 7])), whole)
        differs(state_of(out), want, f"round {rounds} after {kills} kills")
    print(kills, "kills in", rounds, "rounds")


def large_object(path):
    """One object of LARGE_BYTES plain bytes, of a few blocks over and over."""
    rng = random.Random(SEED)
    blocks = []
    for b in range(1, 17):
        rows = (json.dumps(event(n, userAgent=rng.randbytes(200).hex(), x="y" * 600)).encode()
                for n in range(b * 2000, b * 2000 + 2000))
        blocks.append(gzip.compress(b",".join(rows) + b",", 1))
    with open(path, "wb") as large:
        large.write(gzip.compress(b'{"Records":['))
        for i in range(LARGE_BYTES // (2000 * 1300) + 1):
            large.write(blocks[i % len(blocks)])
        large.write(gzip.compress(json.dumps(event(9)).encode() + b"]}"))


def open_objects(out):
    """How many objects a checkpoint holds open; none when the kill came before there was one."""
    if not (out / "checkpoint.db").exists():
        return 0
    db = sqlite3.connect(out / "checkpoint.db")
    try:
        if not db.execute("select 1 from sqlite_master where name = 'open_objects'").fetchone():
            return 0
        return db.execute("select count(*) from open_objects where records > 0").fetchone()[0]
    finally:
        db.close()


def case_kill_large():
    """Killed with one large object open: its committed prefix is neither lost nor told twice."""
    rng = random.Random(SEED)
    f = Folder()
    large_object(f.day / "large.json.gz")
    whole = replay(f.root, WORK / "whole")
    print(whole["bytes"], whole["seconds"])
    assert whole["bytes"]["plain"] > LARGE_BYTES * 0.9, whole
    want = state_of(WORK / "whole")
    out, step, opened = WORK / "killed", whole["seconds"]["wall"] / 4, 0
    for _ in range(8):
        if not killed(f.root, out, "--set", "commit.interval=50ms", "--shards", rng.choice([1, 2, 3]),
                      after=0.2 + rng.uniform(0.5, 1.5) * step):
            break
        opened += open_objects(out)
        step *= 1.25
    assert opened > 0, "no kill found the object open"
    same_summary(replay(f.root, out), whole)
    assert state_of(out) == want, "differs"
    print(opened, "kills with the object open")


def case_log_limit():
    """An observation log over its limit stops the run after a commit; a higher limit goes on."""
    data = generate(size="16MiB")
    rules = WORK / "rules"
    rules.mkdir()
    (rules / "all.yml").write_text("title: all\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n"
                                   "  s: {eventName|contains: e}\n  condition: s\n")
    args = ("--rules", rules, "--shards", "1")
    whole = replay(data, WORK / "whole", *args)
    want = state_of(WORK / "whole")
    out = WORK / "out"
    for _ in range(2):  # the same limit again stops at once
        summary = replay(data, out, *args, *FAST, "--set", "state.log_bytes_max=64KiB", code=6)
        assert summary["status"] == "stopped" and "state.log_bytes_max is 65536" in summary["reason"], summary
        assert "--set state.log_bytes_max" in summary["words"], summary["words"]
        assert 0 < summary["records"]["in"] < whole["records"]["in"], summary["records"]
    same_summary(replay(data, out, *args), whole)
    differs(state_of(out), want, "after the limit")


def case_interrupt():
    """Ctrl-C drains and reports; the second stops at once; both leave a folder that resumes."""
    data = generate(size="96MiB")
    whole = replay(data, WORK / "whole")
    want = state_of(WORK / "whole")
    out = WORK / "once"
    for number in (signal.SIGINT, signal.SIGTERM):
        summary = paused_replay(data, out, None, *FAST, "--shards", "1", code=6, signals=[number])
        assert summary["status"] == "stopped" and summary["reason"] == "interrupted", summary
        assert "stopping after a commit" in summary["words"], summary["words"]
        told = sum(len(lines_of(path)) for path in (out / "documents").iterdir())
        assert told == summary["records"]["delivered"] > 0, (told, summary["records"])
        by_type = sum(row["records"] for row in summary["by_type"].values())
        assert by_type == summary["records"]["in"], (summary["by_type"], summary["records"])
        db = sqlite3.connect(out / "signals.db")
        assert db.execute("select status from jobs").fetchall()[-1] == ("stopped",)
        db.close()
    same_summary(replay(data, out), whole)
    assert state_of(out) == want
    out = WORK / "twice"
    words = paused_replay(data, out, None, *FAST, code=6, signals=[signal.SIGINT, signal.SIGTERM], has_summary=False)
    assert "stopped at once" in words, words
    same_summary(replay(data, out), whole)
    assert state_of(out) == want


def interrupted(*args, until, env=None):
    """Sends SIGINT as soon as `until` holds of the process: seconds to its end, stdout, words."""
    child = subprocess.Popen([BINARY, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    hears = lambda: int(only_line(child, "SigCgt:"), 16) >> (signal.SIGINT - 1) & 1
    while child.poll() is None and not (hears() and until(child)):
        time.sleep(0.001)
    started = time.monotonic()
    child.send_signal(signal.SIGINT)
    try:
        said, words = child.communicate(timeout=60)
    finally:
        child.kill()
    took = time.monotonic() - started
    assert child.returncode == 6, (child.returncode, said, words)
    assert took < 10, f"it took {took:.1f} s"
    return said, words.decode()


def only_line(child, name):
    lines = pathlib.Path(f"/proc/{child.pid}/status").read_text().splitlines()
    return next((line.split()[1] for line in lines if line.startswith(name)), "0")


def children(child):
    path = pathlib.Path(f"/proc/{child.pid}/task/{child.pid}/children")
    return path.read_text().split() if path.exists() else []


def costly_rules(folder):
    """Rules that compile for many seconds."""
    rng = random.Random(SEED)
    word = lambda length: "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=length))
    folder.mkdir()
    rules = (f"title: r{n}\nlogsource: {{product: aws, service: cloudtrail}}\ndetection:\n"
             f"  s: {{eventName|contains: {word(8)}, userAgent|re: '(?i){word(4)}[-/ ][0-9]+\\.{word(5)}'}}\n"
             "  condition: s\n" for n in range(5000))
    (folder / "costly.yml").write_text("---\n".join(rules))
    return folder


def case_interrupt_compile():
    """Ctrl-C while rules compile ends the run and the compiler at once, and claims nothing."""
    f = Folder()
    found = []

    def compiles(child):
        found[:] = children(child)
        return found

    said, words = interrupted("replay", f.root, "--out", WORK / "out", "--rules", costly_rules(WORK / "rules"),
                              "--json", until=compiles, env={**os.environ, "XDG_CACHE_HOME": str(WORK / "cache")})
    assert found and not any(pathlib.Path(f"/proc/{pid}").exists() for pid in found), found
    summary = json.loads(said)
    assert (summary["status"], summary["reason"]) == ("stopped", "interrupted"), summary
    assert "stopped while rules were compiled" in words and "the same command goes on" in words, words
    replay(f.root, WORK / "out", "--no-rules")


def case_interrupt_listing():
    """Ctrl-C while folders are listed, of a run and of --plan, is heard at once; the run goes on later."""
    f = Folder()
    for i in range(30_000):
        os.close(os.open(f.day / f"{i:08d}.json", os.O_WRONLY | os.O_CREAT, 0o600))
    out = WORK / "out"
    said, words = interrupted("replay", f.root, "--out", out, "--no-rules", "--json", "--no-progress", *FIXED,
                              until=lambda _: (out / "checkpoint.db").exists())
    summary = json.loads(said)
    assert (summary["status"], summary["reason"]) == ("stopped", "interrupted"), summary
    assert "stopped while folders were listed" in words or "stopping after a commit" in words, words
    replay(f.root, out, "--no-rules")
    assert numbers(out) == [1, 2], numbers(out)
    said, words = interrupted("replay", "--plan", f.root, until=lambda _: True)
    assert said == b"" and "stopped while folders were listed" in words, (said, words)


if __name__ == "__main__":
    main(globals())
