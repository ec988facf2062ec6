#!/usr/bin/env python3
"""test_stdin.py PENSTOCK CASE - replay of standard input."""
import gzip
import json
import os
import signal
import subprocess
import time

from kit import BINARY, FIXED, WORK, Folder, documents, event, main, numbers, records, replay, run


def case_stdin():
    out = WORK / "out"
    done = replay("-", out, input=gzip.compress(records(1, 2, 3), mtime=0))
    assert (done["records"]["delivered"], done["objects"]["read"]) == (3, 1), done
    assert numbers(out) == [1, 2, 3] and documents(out)[0]["_index"].startswith("log-aws-cloudtrail")
    assert not (out / "stdin").exists()
    # the same bytes are the same object; others are an object that appeared since
    assert replay("-", out, input=gzip.compress(records(1, 2, 3), mtime=0))["records"]["in"] == 3
    assert numbers(out) == [1, 2, 3]
    done = replay("-", out, input=records(4))
    assert numbers(out) == [1, 2, 3, 4] and done["records"]["in"] == 4, done
    # with other sources; a type; no input at all
    folder = Folder()
    done = replay("-", WORK / "both", folder.root, input=b'{"Records":[]}')
    assert (done["objects"]["read"], numbers(WORK / "both")) == (3, [1, 2]), done
    done = replay("-", WORK / "json", "--as", "json", "--no-rules", input=b'{"a":1}\n{"a":2}\n')
    assert done["by_type"]["json"]["records"] == 2, done
    done = replay("-", WORK / "empty", input=b"")
    assert (done["objects"]["read"], done["objects"]["empty"]) == (1, 1), done
    assert b"cannot be listed" in run("replay", "-", "--plan", "--out", WORK / "none", code=2).stderr
    other = run("replay", folder.root, "--out", out, code=2)
    assert b"its sources differ" in other.stderr, other.stderr


def case_stdin_killed():
    """What came through the pipe is there after a kill, also when the pipe is not."""
    lines = [json.dumps(event(n, pad="x" * 400)).encode() for n in range(60000)]
    data = gzip.compress(b'{"Records":[' + b",".join(lines) + b"]}", 1)
    wanted = list(range(60000))
    for again in (data, b""):
        out = WORK / f"out{len(again)}"
        child = subprocess.Popen([BINARY, "replay", "-", "--out", str(out), "--no-progress", "--shards", "1",
                                  "--set", "commit.interval=10ms", *FIXED], stdin=subprocess.PIPE,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        child.stdin.write(data)
        child.stdin.close()
        while not any((out / "documents").glob("*")) and child.poll() is None:
            time.sleep(0.002)
        child.kill()
        child.wait()
        replay("-", out, input=again)
        assert numbers(out) == wanted, (len(again), len(numbers(out)))
    # an interrupt while the pipe is open ends at once and keeps nothing
    out = WORK / "interrupted"
    child = subprocess.Popen([BINARY, "replay", "-", "--out", str(out), *FIXED], stdin=subprocess.PIPE,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    child.stdin.write(data[:100000])
    child.stdin.flush()
    while not (out / "stdin/new").exists():
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    try:
        code = child.wait(timeout=30)
    finally:
        child.kill()
    words = child.stderr.read().decode()
    assert code == 6 and "nothing of it is kept" in words, (code, words)
    assert os.listdir(out / "stdin") == []
    child.stdin.close()


if __name__ == "__main__":
    main(globals())
