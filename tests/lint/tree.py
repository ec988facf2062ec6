#!/usr/bin/env python3
"""Fails when the top level, a header's guard, a line's width or a file's length break the style."""
import pathlib
import subprocess
import sys

TOP = {"CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md", "src", "include", "tuning",
       "bench", "perf", "tests", "ansible"}
root = pathlib.Path(sys.argv[1])
bad = []
listed = subprocess.run(["git", "-C", str(root), "ls-files"], capture_output=True, text=True, check=False)
names = listed.stdout.split("\n") if listed.returncode == 0 else [p.name for p in root.iterdir() if p.name != "build"]
for top in sorted({name.split("/")[0] for name in names if name}):
    if top not in TOP and not top.startswith("."):
        bad.append(f"{top}: not an entry of the agreed top level")
for path in sorted([*root.glob("src/*/*.[ch]"), *root.glob("src/*/*.cpp"), *root.glob("include/penstock/*.h")]):
    lines = path.read_text().splitlines()
    if len(lines) > 800:
        bad.append(f"{path}: {len(lines)} lines, 800 at most")
    if path.name == "fold_table.h":
        continue
    for number, line in enumerate(lines, 1):
        if len(line) > 100:
            bad.append(f"{path}:{number}: {len(line)} columns, 100 at most")
    if path.parent.name == "penstock" and f"#ifndef PEN_{path.stem.upper()}_H" not in lines:
        bad.append(f"{path}: the guard is not PEN_{path.stem.upper()}_H")
print("\n".join(bad))
sys.exit(bool(bad))
