#!/usr/bin/env python3
"""test_stop.py PENSTOCK CASE - runs that end early, by a full disk or by a person: they say why,
lose nothing, and the same command goes on to what an undisturbed run leaves."""
import os
import pathlib
import resource
import subprocess
import sys

from kit import BINARY, FIXED, WORK, generate, main, paused_replay, replay, run, state_of

KB = 1 << 10
MB = 1 << 20


def on_small_disk(test):
    """Runs this case again where it may mount; says so where that is not allowed."""
    if os.environ.get("PENSTOCK_MAY_MOUNT"):
        return test()
    unshare = ["unshare", "-m" if os.geteuid() == 0 else "-rm"]
    if subprocess.run([*unshare, "mount", "-t", "tmpfs", "tmpfs", WORK], check=False,
                      capture_output=True).returncode != 0:
        print("skipped: nothing can be mounted here")
        return None
    done = subprocess.run([*unshare, *sys.orig_argv], check=False,
                          env={**os.environ, "PENSTOCK_MAY_MOUNT": "1"})
    return sys.exit(done.returncode) if done.returncode else None


def mounted(name, size):
    where = WORK / name
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", where], check=True)
    return where


def fill(where, but):
    """A file that leaves `but` bytes free."""
    free = os.statvfs(where)
    with open(where / "ballast", "wb") as f:
        f.write(bytes(max(0, free.f_bavail * free.f_frsize - but)))


def case_full_disk():
    on_small_disk(full_disk)


def full_disk():
    data = generate(size="96MiB")
    fast = ("--set", "commit.interval=20ms")
    replay(data, WORK / "whole", *fast)
    want = state_of(WORK / "whole")
    refused = 0
    for i, free in enumerate((0, 40 * KB, 300 * KB, MB, 3 * MB, 6 * MB)):
        where = mounted(f"disk{i}", 64 * MB)
        out = where / "out"
        summary = paused_replay(data, out, lambda: fill(where, free), *fast, code=6)
        assert summary["status"] == "stopped" and ("full" in summary["reason"] or "No space left" in summary["reason"]), summary
        assert "stopped: " in summary["words"] and summary["reason"] in summary["words"], summary
        done = run("replay", data, "--out", out, "--no-progress", *FIXED, *fast, code=None)
        assert done.returncode in (5, 6), done
        refused += b"the documents need about" in done.stderr
        print(free, summary["reason"])
        (where / "ballast").unlink()
        again = replay(data, out, *fast, "--shards", 1 + i % 3)
        assert state_of(out) == want, f"{free} bytes free: differs"
        assert again["records"]["in"] >= summary["records"]["in"], again
        subprocess.run(["umount", where], check=True)
    assert refused > 0


def case_no_room():
    """An estimate over the free space stops before anything is read, and claims nothing."""
    on_small_disk(no_room)


def no_room():
    data = generate(size="96MiB")
    where = mounted("disk", 8 * MB)
    done = run("replay", data, "--out", where / "out", "--no-progress", *FIXED, code=5)
    assert b"GB free, the documents need about" in done.stderr, done.stderr
    assert not list((where / "out/documents").iterdir()), "something was written"
    replay(data, where / "out", "--signals-only")  # another job: the first one never began
    subprocess.run(["umount", where], check=True)


def case_file_limit():
    """A limit on the size of files is a full disk."""
    data = generate(size="48MiB")
    replay(data, WORK / "whole")
    want = state_of(WORK / "whole")
    for i, limit in enumerate((500 * KB, 900 * KB, 1500 * KB)):
        out = WORK / f"out{i}"
        done = run("replay", data, "--out", out, "--json", "--no-progress", *FIXED, code=None,
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        assert done.returncode == 6, (limit, done)
        assert b"File too large" in done.stderr, done.stderr
        replay(data, out)
        assert state_of(out) == want, f"limit of {limit}: differs"
        odd = [p for p in out.rglob("*") if p.stat().st_mode & 0o777 != (0o700 if p.is_dir() else 0o600)]
        assert not odd, odd


if __name__ == "__main__":
    main(globals())
