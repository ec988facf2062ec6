#!/usr/bin/env python3
"""test_cache.py PENSTOCK CASE - the cache of compiled rule databases helps and never harms."""
import os

from kit import WORK, main, run


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
    files[0].unlink()
    folder.chmod(0o777)
    assert sorted(match(source, cache).splitlines()) == first
    assert not list(folder.iterdir())
    folder.chmod(0o700)
    # It does not grow for ever.
    for i in range(50):
        (folder / f"{i:032x}.hsdb").write_bytes(b"old")
        os.utime(folder / f"{i:032x}.hsdb", (1, 1))
    assert sorted(match(source, cache).splitlines()) == first
    assert len(list(folder.iterdir())) <= 33
    assert sorted(match(source, cache / "not" / "there").splitlines()) == first


main(globals())
