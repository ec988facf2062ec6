#!/usr/bin/env python3
"""test_badfiles.py PENSTOCK CASE - files that are no files, that change under the reader, folders of
absurd size, and log text on a terminal."""
import gzip
import json
import os
import pty
import resource
import socket
import subprocess
import sys
import time

from kit import BINARY, IS_SANITIZED, FIXED, WORK, Folder, dead, event, main, numbers, only, paused_replay, records, replay, run

ENTRIES = int(os.environ.get("PENSTOCK_ENTRIES", "50000"))


def causes(summary):
    return {gap["cause"]: gap["count"] for gap in summary["gaps"]}


def case_special():
    """What is no file is skipped and counted; what is one and cannot be opened is a gap."""
    f = Folder()
    os.symlink("nothing", f.day / "dangling.json.gz")
    os.symlink("circle 2.json.gz", f.day / "circle 1.json.gz")
    os.symlink("circle 1.json.gz", f.day / "circle 2.json.gz")
    os.symlink("0 first.json.gz", f.day / "link.json.gz")
    os.symlink(f.root, f.day / "loop up")
    os.symlink(".", f.day / "loop here")
    os.symlink("/dev/zero", f.day / "zero.json.gz")
    os.mkfifo(f.day / "fifo.json.gz")
    os.mknod(f.day / "device.json.gz", 0o600 | 0o020000, os.makedev(1, 5))
    with socket.socket(socket.AF_UNIX) as s:
        os.chdir(f.day)
        s.bind("socket.json.gz")
        os.chdir("/")
    summary = replay(f.root, WORK / "out", code=7)
    o = summary["objects"]
    assert (o["listed"], o["read"], o["unreadable"], o["skipped"]) == (6, 3, 3, 6), o
    assert causes(summary) == {"not-found": 1, "unreadable": 2}, summary["gaps"]
    assert summary["gaps"][0]["account"] == "123456789012", summary["gaps"]
    rows = dead(WORK / "out")
    only(rows, "dangling.json.gz", "fetch", "E_NOT_FOUND", "No such file")
    only(rows, "circle 1.json.gz", "fetch", "E_IO", "symbolic links")
    only(rows, "circle 2.json.gz", "fetch", "E_IO", "symbolic links")
    assert len(rows) == 3, rows
    assert numbers(WORK / "out") == [1, 1, 2], numbers(WORK / "out")  # one is read by two names
    assert "6 entries" in summary["words"], summary["words"]
    replay(f.root, WORK / "allowed", "--allow-gaps")
    for name in ("fifo.json.gz", "device.json.gz", "socket.json.gz", "zero.json.gz"):
        got = replay(f.day / name, WORK / f"named {name}", code=7)
        assert got["objects"]["unreadable"] == 1, got
    run("replay", f.day / "dangling.json.gz", "--out", WORK / "x", code=1)  # and claims nothing:
    run("replay", f.day / "circle 1.json.gz", "--out", WORK / "x", code=1)


def large(count):
    return records(*range(10_000, 10_000 + count))


def case_changing():
    """Small objects vanish, shrink, grow, change or turn into something else after the listing."""
    f = Folder()
    f.put("large.json", large(60_000))
    small = gzip.compress(records(5))
    for name in ("gone", "shrunk", "grown", "rewritten", "folder", "fifo", "circle"):
        f.put(f"{name}.json.gz", small)

    def alter():
        at = {name: f.day / f"{name}.json.gz"
              for name in ("gone", "shrunk", "grown", "rewritten", "folder", "fifo", "circle")}
        at["gone"].unlink()
        os.truncate(at["shrunk"], 20)
        at["grown"].write_bytes(small + small)
        at["rewritten"].write_bytes(small)
        for name in ("folder", "fifo", "circle"):
            at[name].unlink()
        at["folder"].mkdir()
        os.mkfifo(at["fifo"])
        os.symlink("circle.json.gz", at["circle"])

    summary = paused_replay(f.root, WORK / "out", alter, "--shards", "1", code=7)
    assert summary["objects"]["unreadable"] == 7, summary["objects"]
    assert causes(summary) == {"not-found": 1, "changed": 3, "unreadable": 3}, summary["gaps"]
    rows = dead(WORK / "out")
    only(rows, "gone.json.gz", "fetch", "E_NOT_FOUND", "No such file")
    for name in ("shrunk", "grown", "rewritten"):
        only(rows, f"{name}.json.gz", "fetch", "E_CHANGED", "differ")
    for name in ("folder", "fifo"):
        only(rows, f"{name}.json.gz", "fetch", "E_IO", "not a regular file")
    only(rows, "circle.json.gz", "fetch", "E_IO", "symbolic links")
    got = numbers(WORK / "out")
    assert got == [1, 2, *range(10_000, 70_000)], len(got)


def case_changing_open():
    """The object that is being read shrinks, grows or is overwritten: `changed`, whatever it shows."""
    packed = gzip.compress(large(60_000), 1)
    ways = {"shrinks": lambda p: os.truncate(p, p.stat().st_size - 1000),
            "empties": lambda p: os.truncate(p, 0),
            "grows": lambda p: p.open("ab").write(b"more"),
            "zeroes": lambda p: p.open("r+b").write(bytes(p.stat().st_size)),
            "touched": lambda p: os.utime(p)}
    for way, alter in ways.items():
        for name, data in (("large.json", large(60_000)), ("large.json.gz", packed)):
            f = Folder(f"{way} {name}")
            f.put(name, data)
            out = WORK / f"out {way} {name}"
            summary = paused_replay(f.root, out, lambda: alter(f.day / name), "--shards", "1", code=7)
            o = summary["objects"]
            assert o["unreadable"] == 1 and o["damaged"] == 0, (way, name, o)
            assert causes(summary) == {"changed": 1}, (way, summary["gaps"])
            rows = dead(out).pop(name)
            last = rows.pop()  # before it at most the record that the change cut
            assert (last["stage"], last["status"]) == ("fetch", "E_CHANGED"), last
            assert [row["stage"] for row in rows] in ([], ["parse"]), rows
            got = numbers(out)
            assert got[:2] == [1, 2] and got[2:] == list(range(10_000, 10_000 + len(got) - 2)), way
            assert last["record"] == len(got) - 2 + len(rows), (last, len(got))


def case_many_entries():
    """A folder of very many entries is listed in bounded memory."""
    f = Folder()
    body = gzip.compress(records(5))
    for i in range(ENTRIES):
        name = f"123456789012_CloudTrail_eu-west-1_20250304T0505Z_{i:016d}.json.gz"
        fd = os.open(f.day / name, os.O_WRONLY | os.O_CREAT, 0o600)
        if i % 100 == 0:
            os.write(fd, body)
        os.close(fd)
    started = time.monotonic()
    summary = replay(f.root, WORK / "out", "--no-rules")
    o = summary["objects"]
    filled = len(range(0, ENTRIES, 100))
    print(f"{ENTRIES} entries in {time.monotonic() - started:.1f} s, {summary['rss_bytes_max'] >> 20} MiB")
    assert (o["listed"], o["empty"]) == (ENTRIES + 2, ENTRIES - filled), o
    assert summary["records"]["delivered"] == filled + 2, summary["records"]
    if not IS_SANITIZED:
        assert summary["rss_bytes_max"] < 96 << 20, summary["rss_bytes_max"]
    assert (WORK / "out/checkpoint.db").stat().st_size < (2 << 20) + ENTRIES * 10
    again = replay(f.root, WORK / "out", "--no-rules")
    assert again["records"] == summary["records"] and again["objects"] == o, again


def without_root(test):
    """Runs this case again as root without capabilities: modes then count for it."""
    if os.geteuid() != 0 or os.environ.get("PENSTOCK_NO_CAPS"):
        return test()
    done = subprocess.run(["setpriv", "--inh-caps=-all", "--bounding-set=-all", *sys.orig_argv],
                          check=False, env={**os.environ, "PENSTOCK_NO_CAPS": "1"})
    return sys.exit(done.returncode) if done.returncode else None


def case_few_files():
    """The limit of open files is raised as far as it goes; a run that may need more does not begin."""
    f = Folder()
    command = ["replay", f.root, "--no-progress", "--no-rules", "--shards", "2"]

    def limited(soft, hard, *more, code):
        return run(*command, *more, code=code,
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)))

    for hard in (8, 16, 64, 200):
        done = limited(hard, hard, "--out", WORK / "none", code=5)
        words = done.stderr.decode().splitlines()
        assert len(words) == 1 and "files open" in words[0] and f"allowed {hard}" in words[0], words
        assert not (WORK / "none").exists()
    limited(32, 1024, "--out", WORK / "out", code=0)
    assert numbers(WORK / "out") == [1, 2]


def case_locked_memory():
    without_root(locked_memory)


def locked_memory():
    """A limit of locked memory that is too small for the rings, of any of them: exit 5, and what to raise."""
    f = Folder()
    f.put("a.json.gz", gzip.compress(records(5)))
    codes = set()
    for kib in (0, 64, 96, 128, 192):
        for more in ((), ("--set", "mailbox.capacity=1")):
            limit = (kib << 10, kib << 10)
            done = run("replay", f.root, "--out", WORK / "out", "--no-rules", "--no-progress", "--shards", "2",
                       "--fresh", *more, code=None,
                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_MEMLOCK, limit))
            assert done.returncode in (0, 5), (kib, done)
            if done.returncode == 5:
                assert b"locked memory" in done.stderr and b"ulimit -l" in done.stderr, done.stderr
            codes.add(done.returncode)
    if 5 not in codes:
        print("skipped: this kernel does not count rings as locked memory")


def case_denied():
    without_root(denied)


def denied():
    """Files and folders without permission: a gap each, by account; the rest is read."""
    f = Folder()
    f.put("secret.json.gz", gzip.compress(records(5)))
    (f.day / "secret.json.gz").chmod(0)
    other = f.root / "AWSLogs/210987654321/CloudTrail/eu-west-1/2025/03/05"
    other.mkdir(parents=True)
    (other / "inner.json.gz").write_bytes(gzip.compress(records(6)))
    blind = other.parent / "06"  # its names can be listed, its files not be opened
    blind.mkdir()
    (blind / "blind.json.gz").write_bytes(gzip.compress(records(7)))
    blind.chmod(0o444)
    other.chmod(0)
    try:
        summary = replay(f.root, WORK / "out", code=7)
        o = summary["objects"]
        assert (o["read"], o["unreadable"]) == (2, 2), o
        gaps = sorted((g["cause"], g["account"], g["count"]) for g in summary["gaps"])
        assert gaps == [("denied", "123456789012", 1), ("denied", "210987654321", 1),
                        ("unreadable-folder", "", 1)], gaps
        rows = dead(WORK / "out")
        only(rows, "secret.json.gz", "fetch", "E_DENIED", "Permission denied")
        only(rows, "blind.json.gz", "fetch", "E_DENIED", "Permission denied")
        assert f"cannot read folder {other}" in summary["words"], summary["words"]
        assert numbers(WORK / "out") == [1, 2], numbers(WORK / "out")
        replay(f.root, WORK / "allowed", "--allow-gaps")
        for command in ("signals", "dead-letters"):
            (WORK / "allowed").chmod(0)
            words = run(command, "list", "--out", WORK / "allowed", code=1).stderr
            (WORK / "allowed").chmod(0o700)
            assert b"Permission denied" in words and b"no signals.db" not in words, words
    finally:
        other.chmod(0o700)
        blind.chmod(0o700)


EVIL = "\x1b]0;owned\x07\x1b[2J\u009b31m\u202egnp\u2066\r\n\x7f"


def on_terminal(*args):
    """Exit code and all bytes that a command writes to a terminal."""
    child, fd = pty.fork()
    if child == 0:
        os.execv(BINARY, [BINARY, *map(os.fsencode, map(str, args))])
    said = b""
    try:
        while chunk := os.read(fd, 65536):
            said += chunk
    except OSError:
        pass  # the end of a terminal
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def harmless(said):
    text = said.replace(b"\r\x1b[K", b"").replace(b"\r\n", b"\n").decode("utf-8", "strict")
    odd = [c for c in text if (ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 or
           c in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f"]
    assert not odd, (odd, text)
    return text


def case_terminal():
    without_root(terminal)


def terminal():
    """What names and records say is shown escaped, by every command that shows it."""
    f = Folder()
    name = EVIL.replace("/", "_")
    f.put(f"{name}.json", records(5, json.dumps(event(6, userAgent=EVIL), ensure_ascii=False).encode(), b"nul"))
    f.put(f"cut {name}.json.gz", gzip.compress(records(7))[:-20])
    f.put(f"other {name}.txt", b"no log")
    os.symlink("nothing", f.day / f"gone {name}.json.gz")
    folder = f.day / f"folder {name}"
    folder.mkdir()
    folder.chmod(0)
    (WORK / f"rules {name}").mkdir()
    (WORK / f"rules {name}" / f"{name}.yml").write_text(f"title: x\nlogsource: {{product: aws}}\ndetection: {{s: {{a|{name!r}: b}}, condition: s}}\n")
    code, said = on_terminal("replay", f.root, "--out", WORK / "out", *FIXED, "--rules", WORK / f"rules {name}")
    text = harmless(said)
    assert code == 7 and "cannot read folder" in text and "\\x1b]0;owned" in text, (code, text)
    assert harmless(on_terminal("replay", f.root / f"no {name}", "--out", WORK / "x")[1])
    for flag in ([], ["--raw"], ["--fields", "eventID,userAgent"]):
        code, said = on_terminal("search", *flag, "--", "@eventName:GetObject", f.root)
        assert "00000006" in harmless(said), (code, said)


if __name__ == "__main__":
    main(globals())
