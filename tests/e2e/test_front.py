#!/usr/bin/env python3
"""test_front.py PENSTOCK CASE - what the commands say of themselves: version, options, check, types."""
import json
import pathlib
import re
import subprocess

from kit import main, run

SOURCE = pathlib.Path(__file__).parents[2]
LIBRARIES = {"hyperscan", "pcre2", "simdjson", "isa-l", "zstd", "libyaml", "sqlite", "xxhash", "liburing"}


def linked_version(soname):
    """The version in the file name of a library that the loader would take: libx.so.1.2.3."""
    listed = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    path = re.search(rf"\s{re.escape(soname)} .*=> (\S+)", listed).group(1)
    return pathlib.Path(path).resolve().name.split(".so.")[1]


def case_version():
    told = json.loads(run("version", "--json").stdout)
    assert re.fullmatch(r"\d+\.\d+\.\d+", told["penstock"]), told
    assert re.fullmatch(r"unknown|[0-9a-f]{12}(-changed)?", told["commit"]), told
    if (SOURCE / ".git").exists():
        head = subprocess.run(["git", "-C", SOURCE, "rev-parse", "--short=12", "HEAD"],
                              capture_output=True, text=True, check=False).stdout.strip()
        assert told["commit"].split("-")[0] in (head, "unknown"), (told, head)
    assert "sse4.2" in told["cpu"], told
    assert LIBRARIES <= set(told["libraries"]), told
    for name, version in told["libraries"].items():
        assert re.search(r"\d+\.\d+", version), (name, version)
    assert told["libraries"]["zstd"] == linked_version("libzstd.so.1"), told
    words = run("version").stdout.decode()
    assert f"penstock {told['penstock']}" in words and f"commit {told['commit']}" in words, words
    for name, version in told["libraries"].items():
        assert re.search(rf"(?m)^  {re.escape(name)} +{re.escape(version)}$", words), (name, words)
    assert run("--version").stdout.decode() == words
    assert b"--json" in run("version", "--jsno", code=2).stderr
    run("version", "extra", code=2)


if __name__ == "__main__":
    main(globals())
