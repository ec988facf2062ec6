#!/usr/bin/env python3
"""clang-tidy over every source of src/, with what gcc's build says of it; cached by content."""
import concurrent.futures
import hashlib
import json
import pathlib
import subprocess
import sys

root, build = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
cache = build / "tidy-cache"
cache.mkdir(exist_ok=True)
shared = hashlib.sha256()
for path in sorted([*root.glob("include/penstock/*"), *root.glob("src/*/*.h"), root / ".clang-tidy"]):
    shared.update(path.read_bytes())


def check(path):
    key = hashlib.sha256(shared.digest() + path.read_bytes() + str(path).encode()).hexdigest()
    if (cache / key).exists():
        return ""
    run = subprocess.run(["clang-tidy", "--quiet", "-p", str(clean), str(path)],
                         capture_output=True, text=True, check=False)
    if run.returncode == 0:
        (cache / key).write_text("")
        return ""
    return run.stdout + run.stderr


commands = json.loads((build / "compile_commands.json").read_text())
clean = build / "tidy"
clean.mkdir(exist_ok=True)
for entry in commands:
    words = entry["command"].split(" ")
    entry["command"] = " ".join(w for w in words if not w.startswith(("-flto", "-ffat-lto", "-fno-fat-lto", "-march")))
(clean / "compile_commands.json").write_text(json.dumps(commands))
sources = sorted(p for p in {pathlib.Path(e["file"]) for e in commands}
                 if p.is_relative_to(root / "src") and p.suffix == ".c")
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    said = [text for text in pool.map(check, sources) if text]
print("\n".join(said))
print(f"tidy: {len(sources)} files, {len(said)} with findings")
sys.exit(bool(said))
