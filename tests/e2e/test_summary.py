#!/usr/bin/env python3
"""test_summary.py PENSTOCK CASE - what a terminal shows of a run: the progress line and the table."""
import fcntl
import os
import pty
import struct
import subprocess
import termios

from kit import BINARY, FIXED, WORK, Folder, generate, main, run


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


if __name__ == "__main__":
    main(globals())
