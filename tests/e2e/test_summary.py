#!/usr/bin/env python3
"""test_summary.py PENSTOCK CASE - what a terminal shows of a run: the progress line and the table."""
import fcntl
import os
import pty
import struct
import subprocess
import termios

from kit import BINARY, FIXED, WORK, Folder, generate, main


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


if __name__ == "__main__":
    main(globals())
