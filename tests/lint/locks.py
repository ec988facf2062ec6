#!/usr/bin/env python3
"""Fails on a lock between threads in src/, at start and stop too: shards share nothing but mailbox
indices.  (flock on the output folder keeps other processes out, and is none.)"""
import pathlib
import re
import sys

LOCK = re.compile(r"\b(pthread_(mutex|rwlock|spin|cond|barrier|once)\w*|mtx_\w+|cnd_\w+|call_once|once_flag|"
                  r"sem_(t|init|open|wait|trywait|timedwait|clockwait|post)|semop|semtimedop|semget|"
                  r"mq_open|msgget|flockfile|lockf|\w*futex\w*|"
                  r"std::(\w*mutex|\w+_lock|lock_guard|condition_variable\w*|call_once|\w*semaphore|"
                  r"latch|barrier|future|promise|async))\b")
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
