#!/usr/bin/env python3
"""test_cache.py PENSTOCK CASE - the cache of compiled rule databases helps and never harms."""
import os
import pty
import random
import re

from kit import BINARY, WORK, Folder, main, run

COUNT = 800  # patterns that take a few seconds


def match(source, cache):
    return run("rules", "match", "--rules", "builtin", source,
               env={**os.environ, "XDG_CACHE_HOME": str(cache)}).stdout


def case_cache():
    run("bench", "generate", "--out", WORK / "data", "--bytes", "1MiB")
    source = WORK / "data" / "AWSLogs"
    cache = WORK / "cache"
    cache.mkdir()
    first = sorted(match(source, cache).splitlines())
    assert first
    folder = cache / "penstock"
    assert folder.stat().st_mode & 0o777 == 0o700
    files = sorted(folder.iterdir())
    assert files and all(f.suffix == ".hsdb" for f in files), files
    good = files[0].read_bytes()
    # Damaged: found out, compiled anew, and put right.
    for bad in (b"", good[:100], good[:-1] + bytes([good[-1] ^ 1])):
        files[0].write_bytes(bad)
        assert sorted(match(source, cache).splitlines()) == first
        assert files[0].read_bytes() == good
    # Left as it is while it is good.
    inode = files[0].stat().st_ino
    assert sorted(match(source, cache).splitlines()) == first
    assert files[0].stat().st_ino == inode
    # Others may write there: neither read nor written.
    for file in files:
        file.unlink()
    folder.chmod(0o777)
    assert sorted(match(source, cache).splitlines()) == first
    assert not list(folder.iterdir())
    folder.chmod(0o700)
    # It does not grow for ever.
    for i in range(200):
        (folder / f"{i:032x}.hsdb").write_bytes(b"old")
        os.utime(folder / f"{i:032x}.hsdb", (1, 1))
    assert sorted(match(source, cache).splitlines()) == first
    assert len(list(folder.iterdir())) <= 128 + len(files)
    assert sorted(match(source, cache / "not" / "there").splitlines()) == first


def slow_rules(folder, count):
    """Rules that compile for more than a second."""
    rng = random.Random(count)
    word = lambda length: "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=length))
    folder.mkdir()
    rules = (f"title: r{n}\nlogsource: {{product: aws, service: cloudtrail}}\ndetection:\n"
             f"  s: {{userAgent|re: '(?i){word(4)}[-/ ][0-9]+\\.{word(5)}'}}\n  condition: s\n"
             for n in range(count))
    (folder / "slow.yml").write_text("---\n".join(rules))
    return folder


def on_terminal(*args, **env):
    """All bytes that a command writes to a terminal."""
    child, fd = pty.fork()
    if child == 0:
        os.execve(BINARY, [BINARY, *map(os.fsencode, map(str, args))], {**os.environ, **env})
    said = b""
    try:
        while chunk := os.read(fd, 65536):
            said += chunk
    except OSError:
        pass  # the end of a terminal
    os.close(fd)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, said
    return said


def case_compile_words():
    """Rules that compile for more than a second are told of; those that do not, or when nobody asks, are not."""
    rules = slow_rules(WORK / "rules", COUNT)
    source = Folder().root

    def words(name, *options):
        env = {**os.environ, "XDG_CACHE_HOME": str(WORK / name)}
        return run("replay", source, "--out", WORK / f"out-{name}", "--sink", "null", "--rules", rules,
                   *options, env=env).stderr.decode()

    (WORK / "log").mkdir()
    told = words("log")
    assert len(re.findall(rf"(?m)^penstock: compiling {COUNT} patterns of rules, \d+ s so far$", told)) == 1, told
    assert len(re.findall(rf"(?m)^penstock: compiled {COUNT} patterns of rules in \d+\.\d s$", told)) == 1, told
    cached = words("log", "--out", WORK / "out-cached")
    assert "patterns of rules" not in cached, cached
    for number, option in enumerate((["--no-progress"], ["--log-level", "error"])):
        quiet = words(f"quiet{number}", *option)
        assert "patterns of rules" not in quiet, quiet
    said = on_terminal("rules", "check", "--rules", rules, XDG_CACHE_HOME=str(WORK / "terminal"))
    drawn = re.findall(rb"\r\x1b\[Kcompiling \d+ patterns of rules, \d+ s(?=\r)", said)
    assert drawn and b"compiled" not in said, said
    assert b"\r\x1b[K" in said[said.rindex(drawn[-1]) + len(drawn[-1]):], said


main(globals())
