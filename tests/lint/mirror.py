#!/usr/bin/env python3
"""Fails when a source has neither a test file of its own name nor a line that names the test."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
bad = 0
for path in sorted([*root.glob("src/*/*.c"), *root.glob("src/*/*.cpp")]):
    test = root / "tests/unit" / path.parent.name / f"test_{path.stem}.c"
    if test.exists():
        continue
    named = re.search(r"/\* tested by (tests/\S+) \*/", path.read_text())
    if not named or not (root / named.group(1)).exists():
        print(f"{path}: no {test.relative_to(root)}, and no line /* tested by tests/... */")
        bad += 1
sys.exit(bad != 0)
