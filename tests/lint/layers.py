#!/usr/bin/env python3
"""Fails when a file includes a module on its own floor or above (README: Floors)."""
import pathlib
import re
import sys

FLOOR = {"base": 0, "embed": 0, "csv": 1, "yaml": 1, "runtime": 1, "json": 1, "net": 2, "match": 2, "query": 3, "state": 3,
         "classify": 3, "enrich": 3, "decode": 4, "text": 4, "normalize": 4, "detect": 4, "ship": 4, "signals": 4.5, "node": 5, "bench": 6,
         "cli": 7}
root = pathlib.Path(sys.argv[1])
bad = 0
for path in sorted([*root.glob("src/*/*.[ch]"), *root.glob("src/*/*.cpp"), *root.glob("include/penstock/*.h")]):
    here = path.stem if path.parent.name == "penstock" else path.parent.name
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'\s*#\s*include\s+"(?:penstock/)?([^"]+)"', line)
        if not found:
            continue
        name = found.group(1)
        if "penstock/" not in line:
            if "/" in name:
                print(f"{path}:{number}: private header of another folder: {name}")
                bad += 1
            continue
        to = name.split(".")[0]
        if name.endswith(".def") or to == here:
            continue
        if to not in FLOOR or FLOOR[to] >= FLOOR[here]:
            print(f"{path}:{number}: {here} (floor {FLOOR[here]}) may not include {to}")
            bad += 1
sys.exit(bad != 0)
