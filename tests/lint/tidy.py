#!/usr/bin/env python3
"""clang-tidy over every source of src/, with what gcc's build says of it; cached by content."""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import subprocess
import sys

root, build = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
# TIDY_CACHE: one cache for several checkouts; keys hold contents and names within the tree only.
cache = pathlib.Path(os.environ.get("TIDY_CACHE") or build / "tidy-cache")
cache.mkdir(parents=True, exist_ok=True)
# The analyser gives up on a function after so many states: an eighth of its default finds what it finds
# here in a fifth of the time.  TIDY_NODES=225000 is its default.
nodes = os.environ.get("TIDY_NODES") or "30000"
depth = [f"--extra-arg={word}" for word in ("-Xclang", "-analyzer-config", "-Xclang", f"max-nodes={nodes}")]
tool = subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True).stdout


def key_of(path):
    """Of all that the verdict hangs on: the rules, and every file of the tree that the source reads."""
    words = [w for w in flags[path] if w.startswith(("-I", "-D", "-std"))]
    reads = subprocess.run(["cc", "-MM", "-MG", *words, str(path)], capture_output=True, text=True, check=True).stdout
    names = reads.replace("\\\n", " ").split(":", 1)[1].split()
    inside = sorted(p for p in {(root / name).resolve() for name in names} if p.is_relative_to(root) and p.exists())
    key = hashlib.sha256(tool + nodes.encode() + (root / ".clang-tidy").read_bytes())
    for each in inside:
        key.update(str(each.relative_to(root)).encode() + b"\0" + each.read_bytes() + b"\0")
    return key.hexdigest()


def check(path):
    key = key_of(path)
    if (cache / key).exists():
        return ""
    run = subprocess.run(["clang-tidy", "--quiet", *depth, "-p", str(clean), str(path)],
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
flags = {pathlib.Path(e["file"]): e["command"].split(" ") for e in commands}
sources = sorted(p for p in {pathlib.Path(e["file"]) for e in commands}
                 if p.is_relative_to(root / "src") and p.suffix == ".c")
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    said = [text for text in pool.map(check, sources) if text]
print("\n".join(said))
print(f"tidy: {len(sources)} files, {len(said)} with findings")
sys.exit(bool(said))
