#!/usr/bin/env python3
"""test_badinput.py PENSTOCK CASE - objects that are damaged, odd or hostile: each is told by name
and counted, and its neighbours are delivered whole."""
import gzip
import json
import os
import random
import re
import subprocess
import sys
import threading
import time

from kit import (BINARY, DAY, FIXED, WORK, Folder, adds_up, dead, documents, event, main, numbers,
                 only, records, replay)

SEED = int(os.environ.get("PENSTOCK_SEED", "20250304"))
RECORD_BYTES_MAX = 4 << 20


def zstd(data, *options):
    return subprocess.run(["zstd", "-cq", *options], input=data, capture_output=True, check=True).stdout


def case_damaged():
    f = Folder()
    f.put("empty.json.gz", b"")
    f.put("empty gzip.json.gz", gzip.compress(b""))
    f.put("cut.json.gz", gzip.compress(records(10, json.dumps(event(11, x=os.urandom(4000).hex())).encode()))[:-900])
    f.put("cut head.json.gz", gzip.compress(records(12))[:5])
    f.put("cut plain.json", records(13, 14)[:-40])
    long = [json.dumps(event(n, x=os.urandom(20000).hex())).encode() for n in range(30, 50)]
    f.put("cut.json.zst", zstd(records(15, *long))[:-900])  # zstd gives whole blocks of 128 KiB
    f.put("garbage behind.json.gz", gzip.compress(records(17)) + b"garbage")
    f.put("zeros behind.json.gz", gzip.compress(records(18)) + bytes(1000))
    wrong = bytearray(gzip.compress(records(19)))
    wrong[-6] ^= 0xFF
    f.put("crc.json.gz", bytes(wrong) + gzip.compress(records(20)))
    summary = replay(f.root, WORK / "out")
    got = numbers(WORK / "out")
    o = summary["objects"]
    rows = dead(WORK / "out")
    only(rows, "cut.json.gz", "decode", "E_TRUNCATED", "no end")
    only(rows, "cut head.json.gz", "decode", "E_TRUNCATED", "no end")
    assert only(rows, "cut plain.json", "decode", "E_TRUNCATED", "ends inside")["offset"] > 0
    only(rows, "cut.json.zst", "decode", "E_TRUNCATED", "no end")
    assert only(rows, "garbage behind.json.gz", "decode", "E_CORRUPT", "garbage")["offset"] == len(
        gzip.compress(records(17)))
    only(rows, "crc.json.gz", "crc", "E_CORRUPT", "checksum")
    assert len(rows) == 6, rows
    assert [n for n in got if n < 30] == [1, 2, 10, 13, 15, 17, 18, 19, 20], got
    assert 10 < len([n for n in got if n >= 30]) < 20, got
    assert (o["listed"], o["read"], o["empty"], o["damaged"]) == (11, 11, 2, 6), o
    assert (summary["records"]["dead"], summary["status"], summary["gaps"]) == (0, "done", []), summary
    strict = replay(f.root, WORK / "strict", "--strict", code=7)
    assert strict["records"] == summary["records"]
    assert strict["gaps"] == [{"cause": "damaged", "account": "123456789012", "count": 6}], strict["gaps"]
    again = replay(f.root, WORK / "out", "--strict", code=7)  # of the objects of an earlier run too
    assert again["gaps"] == strict["gaps"], again["gaps"]


def case_no_json():
    """An object under a CloudTrail key that is plainly no JSON is one dead letter with offset and reason."""
    f = Folder()
    noise = random.Random(9).randbytes(3_000_000)
    f.put("noise.json", b"\x9c" + noise)
    f.put("noise.json.gz", gzip.compress(b"\x9c" + noise))
    f.put("wide.json", records(9).decode().encode("utf-16"))
    f.put("table.json", b"version account-id interface-id\n" * 100_000)
    f.put("line.json", b"a line before\n" + json.dumps(event(3)).encode())
    summary = replay(f.root, WORK / "out")
    rows = dead(WORK / "out")
    for name in ("noise.json", "noise.json.gz", "wide.json"):
        row = only(rows, name, "decode", "E_CORRUPT", "control characters")
        assert 0 < row["offset"] < 100, row
    assert only(rows, "table.json", "decode", "E_CORRUPT", "no object or list")["offset"] == 0
    assert summary["objects"]["damaged"] == 4, summary
    assert numbers(WORK / "out") == [1, 2, 3], rows


def case_bit_flips():
    """Any one flipped bit: the neighbours are whole, what is delivered is not made up elsewhere."""
    rng = random.Random(SEED)
    print("seed", SEED)
    f = Folder()
    plain = records(*range(100, 140))
    packed = {"gz": gzip.compress(plain), "zst": zstd(plain, "--check"), "plain": plain}
    for i in range(600):
        kind = ("gz", "zst", "plain")[i % 3]
        data = bytearray(packed[kind])
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        f.put(f"flip {i:03d}.{kind}.json", bytes(data))
    summary = replay(f.root, WORK / "out")
    got = numbers_or_none(WORK / "out")
    assert got.count(1) == 1 and got.count(2) == 1, got
    o = summary["objects"]
    assert o["read"] == 602 and o["unreadable"] == 0, o
    rows = dead(WORK / "out")
    for i in range(600):
        kind = ("gz", "zst", "plain")[i % 3]
        if kind != "plain":  # the checksum sees every flip but those in a header's idle fields
            name = f"flip {i:03d}.{kind}.json"
            delivered = sum(d["_source"]["@log_s3key"].endswith(name) for d in documents_of(WORK / "out"))
            assert delivered == 40 or name in rows, (name, delivered)
    assert o["damaged"] + o["unknown"] > 300, o


CACHE = {}


def documents_of(out):
    if out not in CACHE:
        CACHE[out] = documents(out)
    return CACHE[out]


def numbers_or_none(out):
    found = [re.match(r"\d{8}", d["_id"]) for d in documents_of(out)]
    return [int(m[0]) for m in found if m]


def case_names():
    """The bytes decide, not the name; a folder may be called like an object."""
    f = Folder()
    f.put("gzip.json", gzip.compress(records(10)))
    f.put("plain.json.gz", records(11))
    f.put("zstd.json.gz", zstd(records(12)))
    f.put("gzip.json.zst", gzip.compress(records(13)))
    f.put("twice.json.gz", gzip.compress(gzip.compress(records(14))))
    f.put("notes.json.gz", b"these are no logs\nbut two lines\n")
    f.put("with  space\tand\nnewline.json.gz", gzip.compress(records(15)))
    f.put(b"caf\xe9 \xff\xfe.json.gz".decode("utf-8", "surrogateescape"), gzip.compress(records(16, b"{]}")))
    f.put("quote\"back\\slash.json", records(17, b"nul"))
    f.put("n" * 250 + ".json", records(18))
    inside = f.day / "folder.json.gz"
    inside.mkdir()
    (inside / "inner.json.gz").write_bytes(gzip.compress(records(19)))
    summary = replay(f.root, WORK / "out")
    assert numbers(WORK / "out") == [1, 2, *range(10, 20)], numbers(WORK / "out")
    rows = dead(WORK / "out")
    only(rows, "caf\ufffd \ufffd\ufffd.json.gz", "parse", "E_CORRUPT", "")
    only(rows, "quote\"back\\slash.json", "parse", "E_CORRUPT", "")
    lines = [(row["record"], row["offset"], row["excerpt"]) for row in rows["notes.json.gz"]]
    assert lines == [(0, 0, "these are no logs"), (1, 18, "but two lines")], lines
    assert summary["records"]["dead"] == 4 and len(rows) == 3, (summary["records"], rows)
    keys = {d["_source"]["@log_s3key"] for d in documents(WORK / "out")}
    assert f"{DAY}/with  space\tand\nnewline.json.gz" in keys, keys
    again = replay(f.root, WORK / "out")
    assert again["records"] == summary["records"], again


def case_large():
    """Records over record.bytes_max, deep nesting: dead-lettered alone, reading goes on."""
    f = Folder()
    big = json.dumps(event(90, x="y" * (10 << 20))).encode()
    f.put("large.json", records(10, big, 11))
    f.put("large last.json", records(12, big))
    f.put("large line.json", json.dumps(event(13)).encode() + b"\n" + big + b"\n" + json.dumps(event(14)).encode())
    just = json.dumps(event(91, x="y" * (RECORD_BYTES_MAX + 1000))).encode()
    f.put("large just over.json", records(15, just, 16))
    fits = json.dumps(event(17, x="y" * (RECORD_BYTES_MAX - 1000))).encode()
    f.put("large just fits.json", records(fits, 18))
    bad = b'{"a":tru,"x":"' + b"y" * (10 << 20) + b'"}'
    f.put("large and bad.json", records(19, bad, 20))
    f.put("large open.json", records(21, b'{"a":tru,"x":"' + b"y" * (10 << 20)))
    f.put("large list.json", records(22, b"[" + b"1," * (5 << 20) + b"1]", 23))
    f.put("large text.json", records(24, b'"' + b"y" * (10 << 20) + b'"', 25))
    f.put("large behind.json", records(26)[:-1] + b',"x":"' + b"y" * (10 << 20) + b'"}')
    f.put("large commas.json", b'{"Records":[' + b"," * (10 << 20) + b"]}")
    f.put("large blanks.json", b'{"Records":[' + b" " * (10 << 20) + json.dumps(event(28)).encode() + b"]}")
    deep = 100_000
    f.put("deep.json", records(30, b'{"a":' * deep + b"1" + b"}" * deep, 31))
    f.put("deep lists.json", records(32, b'{"a":' + b"[" * deep + b"]" * deep + b"}", 33))
    f.put("deep open.json", records(34, b'{"a":' * deep))
    f.put("deep brackets.json", records(35, b"[" * deep + b"]" * deep, 36))
    f.put("deep large.json", records(37, b'{"a":' * (2 << 20) + b"1" + b"}" * (2 << 20), 38))
    f.put("deep top.json", b"[" * deep + b"]" * deep)
    f.put("deep 500.json", records(b'{"eventID":"00000039-","eventTime":"2025-03-04T05:06:07Z","a":' + b'{"a":' * 400 +
                                   b"1" + b"}" * 400 + b"}"))
    started = time.monotonic()
    summary = replay(f.root, WORK / "out")
    assert time.monotonic() - started < 30
    rows = dead(WORK / "out")
    for name in ("large.json", "large last.json", "large line.json", "large just over.json"):
        row = only(rows, name, "parse", "E_LIMIT", "larger than 4194304 bytes")
        assert row["excerpt"].startswith('{"eventVersion"'), row
    assert only(rows, "large.json", "parse", "E_LIMIT", "larger")["record"] == 1
    for name in ("deep.json", "deep lists.json"):
        only(rows, name, "parse", "E_LIMIT", "deep")
    commas = rows["large commas.json"]
    assert len(commas) == 10001 and "in a row" in commas[-1]["reason"], (len(commas), commas[-1])
    want = [1, 2, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 28,
            *range(30, 40)]
    assert numbers(WORK / "out") == want, (sorted(set(want) - set(numbers(WORK / "out"))), rows)
    assert summary["rss_bytes_max"] < 400 << 20, summary["rss_bytes_max"]


def case_identities():
    """Ids and names of any length in records that match: signals keep the groups apart."""
    f = Folder()

    def stop(number, identity, **more):
        return json.dumps(event(number, eventName="StopLogging", eventSource="cloudtrail.amazonaws.com",
                                userIdentity={"type": "IAMUser", "arn": identity}, **more)).encode()

    long = "arn:" + "\u00e9" * 100_000
    f.put("long.json", records(stop(10, long + "a"), stop(11, long + "b"), stop(12, long + "a"), 13))
    f.put("id.json", records(stop(14, "short", eventID="00000014-" + "i" * 100_000), 15))
    f.put("quotes.json", records(stop(16, "\x01\"\\" * 20_000), 17))
    summary = replay(f.root, WORK / "out")
    assert numbers(WORK / "out") == [1, 2, *range(10, 18)], numbers(WORK / "out")
    assert (summary["matches"] >= 5, summary["signals"]["opened"] % 4) == (True, 0), summary
    lines = [json.loads(line) for line in (WORK / "out/signals.ndjson").read_text().splitlines()]
    groups = {line["group_by"]["identity"] for line in lines}
    assert len(groups) == 4 and max(map(len, groups)) < 1200, [len(g) for g in groups]


def case_bombs():
    """Small objects that inflate without end stop at a limit; memory stays bounded."""
    f = Folder()
    zeros = b"[" + b"0" * (64 << 20)  # what is no JSON at all would end before it inflates
    f.put("bomb.json.zst", zstd(zeros, "-19") * 40)
    f.put("window.json.zst", zstd(os.urandom(64 << 20), "-1", "--long=27"))
    f.put("bomb in bomb.json.gz", gzip.compress(gzip.compress(zeros) * 40))
    f.put("blanks.json.zst", zstd(b'{"Records":[' + b" " * (256 << 20) + b"]}"))
    f.put("bomb.json.gz", gzip.compress(records(10)[:-2] + b",") + gzip.compress(b" " * (64 << 20)) * 40)
    started = time.monotonic()
    summary = replay(f.root, WORK / "out")
    print(time.monotonic() - started, "s")
    rows = dead(WORK / "out")
    for name in ("bomb.json.zst", "bomb in bomb.json.gz", "blanks.json.zst", "bomb.json.gz"):
        row = rows[name][-1]  # zeros are a bad record as well
        assert len(rows[name]) <= 2, rows[name]
        assert (row["stage"], row["status"]) == ("decode", "E_LIMIT"), rows[name]
        assert "inflates" in row["reason"] and row["offset"] > 0, row
    only(rows, "window.json.zst", "decode", "E_LIMIT", "window of the frame is larger than 32 MiB")
    assert numbers(WORK / "out") == [1, 2, 10], numbers(WORK / "out")
    assert summary["objects"]["damaged"] == 5, summary["objects"]
    assert summary["bytes"]["plain"] < 400 << 20, summary["bytes"]
    assert summary["rss_bytes_max"] < 400 << 20, summary["rss_bytes_max"]


def case_text():
    """Bytes that are no UTF-8, lone surrogates, controls: that record alone, or none at all."""
    f = Folder()
    bad = json.dumps(event(90, x="@@")).encode()
    f.put("bytes.json", records(10, bad.replace(b"@@", b"\xff\xfe"), 11))
    f.put("overlong.json", records(12, bad.replace(b"@@", b"\xc0\xaf"), 13))
    f.put("surrogate bytes.json", records(14, bad.replace(b"@@", b"\xed\xa0\x80"), 15))
    f.put("cut character.json", records(16, bad.replace(b"@@", b"\xe2\x82"), 17))
    f.put("key.json", records(18, bad.replace(b'"x"', b'"\xff"'), 19))
    f.put("control.json", records(20, bad.replace(b"@@", b"\x01\n"), 21))
    f.put("nul.json", records(22, bad.replace(b"@@", b"\0"), 23))
    f.put("escape.json", records(24, bad.replace(b"@@", b"\\x"), 25))
    f.put("short escape.json", records(26, bad.replace(b"@@", b"\\u12"), 27))
    f.put("surrogate.json", records(json.dumps(event(28)).replace("}", ', "x": "\\ud800", "y": "\\udc00\\ud800"}').encode(), 29))
    f.put("mark.json", b"\xef\xbb\xbf" + records(30))
    f.put("utf-16.json", records(31).decode().encode("utf-16"))
    summary = replay(f.root, WORK / "out")
    rows = dead(WORK / "out")
    for name in ("bytes", "overlong", "surrogate bytes", "cut character", "key", "control", "nul", "escape",
                 "short escape"):
        row = only(rows, name + ".json", "parse", "E_CORRUPT", "")
        first = len(records(10)) - 2 + 1
        assert (row["record"], row["offset"]) == (1, first), (row, first)
    got = numbers(WORK / "out")
    assert got == [1, 2, *range(10, 31)], (got, rows.keys())
    only(rows, "utf-16.json", "decode", "E_CORRUPT", "control characters")
    assert summary["records"]["dead"] == sum(len(r) for r in rows.values()) - 1, summary["records"]
    lone = [d for d in documents(WORK / "out") if d["_id"].startswith("00000028")]
    assert lone, "a lone surrogate is kept as written"


if __name__ == "__main__":
    main(globals())
