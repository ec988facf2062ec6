#!/usr/bin/env python3
"""Fails on a lock in src/: shards share nothing but mailbox indices."""
import pathlib
import re
import sys

LOCK = re.compile(r"\b(pthread_(mutex|rwlock|spin|cond|barrier)\w*|mtx_\w+|cnd_\w+|sem_(wait|post|init))\b")
ATOMIC = re.compile(r"\b(_Atomic|atomic_\w+|stdatomic\.h|__atomic_\w+|__sync_\w+)\b")
# Where atomics are allowed: mailbox indices, and the flags by which a node is told to stop.
ATOMICS = {"src/runtime/mailbox.c"}
root = pathlib.Path(sys.argv[1])
bad = 0
for path in sorted([*root.glob("src/*/*.[ch]"), *root.glob("src/*/*.cpp"), *root.glob("include/penstock/*.h")]):
    name = str(path.relative_to(root))
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if LOCK.search(line):
            print(f"{name}:{number}: a lock: {line.strip()}")
            bad += 1
        if ATOMIC.search(line) and name not in ATOMICS and "lint: atomic" not in line:
            print(f"{name}:{number}: an atomic outside the mailbox: {line.strip()}")
            bad += 1
sys.exit(bad != 0)
