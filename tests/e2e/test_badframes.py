#!/usr/bin/env python3
"""test_badframes.py PENSTOCK CASE - what is wrong with a line or an object, in each framing of log types: what comes
out is named here, and the records around it are there."""
import collections
import functools
import re

from badframes_made import FRAMES, body
from kit import WORK, adds_up, dead, documents, main, replay

LONG = 100_000_000  # bytes of a line
OWN = WORK / "types"


def config():
    if not OWN.exists():
        OWN.mkdir()
        for name, frame in FRAMES.items():
            (OWN / f"{name}.yaml").write_text(f"name: f-{name}\nkey: ^{name}/\nindex: log-{name}\n"
                                              f"time: {frame.get('time', 'when')}\n{frame['type']}")
        (WORK / "c.yaml").write_text(f"types_dir: {OWN}\n")
    return ("--config", WORK / "c.yaml", "--no-rules")


def outcome(frame, what, data):
    """In words: how many records are events, and of what else there is the reason and how often."""
    path = WORK / f"{frame}-{what}" / frame / "x.log"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    out = WORK / f"out-{frame}-{what}"
    summary = replay(path.parent.parent, out, *config(), code=None)
    adds_up(summary)
    path.unlink()
    counts = collections.Counter()
    for line in documents(out):
        source = line["_source"]
        is_problem = source["event"].get("kind") == "pipeline_error"
        counts["problem: " + source["error"]["message"] if is_problem else "event"] += 1
    for letters in dead(out).values():
        for letter in letters:
            counts[f"{letter['stage']}: {letter['reason']}"] += 1
    counts["damaged object"] = summary["objects"]["damaged"]
    counts["empty object"] = summary["objects"]["empty"]
    return " + ".join(f"{count} {name}" for name, count in sorted(counts.items()) if count)


def table(what, made):
    return {frame: outcome(frame, what, made(frame)) for frame in FRAMES}


MADE = {
    "few": lambda frame: body(frame, FRAMES[frame]["few"]).encode(),
    "many": lambda frame: body(frame, FRAMES[frame]["many"]).encode(),
    "quote": lambda frame: body(frame, FRAMES[frame]["quote"]).encode(),
    "cr": lambda frame: body(frame).replace("\n", "\r\n").encode(),
    "nul": lambda frame: body(frame, FRAMES[frame]["good"](8).replace("u8", "u\0").replace(" 8", " \0")).encode(),
    "bom": lambda frame: b"\xef\xbb\xbf" + body(frame).encode(),
    "utf16": lambda frame: body(frame).encode("utf-16"),
    "head": lambda frame: (FRAMES[frame].get("head") or "\n\n").encode(),
    "headless": lambda frame: body(frame, has_head=False).encode(),
    "long": lambda frame: body(frame, "x" * LONG).encode(),
}

ALL = " ".join(FRAMES)
WANTS = {  # what comes out, of which framings
    "few": {
        '2 event + 1 problem: record has no time in when':
            'json joined array firelens',
        '2 event + 1 problem: fewer columns than its type has':
            'columns words tabs commas',
        '2 event + 1 problem: the line does not fit the pattern of its type':
            'pattern several syslog',
        '2 event + 1 problem: the line has no pair of a key and a value':
            'pairs',
        '2 event + 1 problem: the header of CEF is cut off: seven fields with | behind each are wanted':
            'cef',
        '2 event + 1 problem: record has no time in Event.System.TimeCreated.SystemTime':
            'windows',
        '3 event':
            'subscription concatenated eventbridge',
        '2 event':
            'export',
    },
    "many": {
        '3 event + 1 parse: a record that is no object':
            'json joined eventbridge',
        '3 event':
            'array columns words tabs commas pattern several syslog pairs',
        '2 event + 1 problem: the extension of CEF begins with no key':
            'cef',
        '2 event + 1 problem: more than one event in a record':
            'windows',
        '2 event + 1 parse: more than one value':
            'subscription concatenated export firelens',
    },
    "quote": {
        '2 event + 1 parse: a string without an end':
            'json array eventbridge',
        '2 event + 1 problem: a quote without its end':
            'columns words',
        '3 event':
            'tabs commas syslog cef',
        '2 event + 1 problem: the line does not fit the pattern of its type':
            'pattern several',
        '2 event + 1 problem: a quote of a value is not closed':
            'pairs',
        '2 event + 1 problem: the XML is cut off in an attribute':
            'windows',
        '2 event + 1 parse: the input ends inside a value':
            'subscription export firelens',
        # Without a line feed nothing tells where the next record begins: it goes with the damaged one.
        '1 event + 1 parse: no comma between values':
            'joined',
        '1 damaged object + 1 decode: the input ends inside an envelope + 1 event + '
        '1 parse: a record that is no object + 1 parse: no comma between values':
            'concatenated',
    },
    "cr": {
        '2 event':
            ALL,
    },
    "nul": {
        '2 event + 1 parse: a control character in a string':
            'json joined array subscription concatenated export firelens eventbridge',
        '3 event':
            'columns words tabs commas several syslog pairs cef windows',
        '2 event + 1 problem: the line does not fit the pattern of its type':
            'pattern',
    },
    "bom": {
        '2 event':
            ALL,
    },
    "utf16": {
        '1 damaged object + 1 decode: this is no JSON: most bytes are control characters, here 0x00':
            'json joined array subscription concatenated export firelens eventbridge',
        '1 damaged object + 1 decode: the text is UTF-16: it must be UTF-8':
            'columns words tabs commas pattern several syslog pairs cef windows',
    },
    "head": {
        '':
            ALL,
    },
    "headless": {
        '2 event':
            'json joined array words commas pattern several syslog pairs cef windows subscription concatenated export '
            'firelens eventbridge',
        '1 damaged object + 1 decode: the first line names no column that its type has: it is not the line of names':
            'columns',
        '':
            'tabs',
    },
    "long": {
        '2 event + 1 parse: record larger than 4194304 bytes':
            'json joined array',
        '2 event + 1 parse: a line has more than 4194304 bytes (record.bytes_max)':
            'columns words tabs commas pattern syslog pairs cef',
        '1 event + 1 parse: a line has more than 4194304 bytes (record.bytes_max)':
            'several windows',
        '2 event + 1 parse: a record that is no object, of 100000000 bytes':
            'subscription concatenated firelens eventbridge',
        '1 event + 1 parse: a line has more than 4456448 bytes (record.bytes_max)':
            'export',
    },
}
COUNTS = re.compile(r"\d+ of the first \d+ bytes")


def check(what):
    wanted = {frame: words for words, frames in WANTS[what].items() for frame in frames.split()}
    assert set(wanted) == set(FRAMES), set(wanted) ^ set(FRAMES)
    got = {frame: COUNTS.sub("most bytes", words) for frame, words in table(what, MADE[what]).items()}
    wrong = {frame: (got[frame], wanted[frame]) for frame in FRAMES if got[frame] != wanted[frame]}
    assert not wrong, wrong


def case_badframes_flow():
    """Flow logs whose line of names is missing have the columns of version 2; of another version they say what is
    wrong."""
    key = "AWSLogs/123456789012/vpcflowlogs/eu-west-1/2025/03/04/123456789012_vpcflowlogs_eu-west-1_fl-1_x.log"
    good = "2 123456789012 eni-1 10.0.0.1 198.51.100.7 443 51234 6 5 900 1741064767 1741064827 ACCEPT OK\n"
    names = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
    names += "log-status\n"
    found = {}
    for what, text in (("named", names + good * 2), ("headless", good * 2), ("few", names + good + "2 1 eni-1\n")):
        path = WORK / what / key
        path.parent.mkdir(parents=True)
        path.write_text(text)
        summary = replay(WORK / what, WORK / f"out-{what}", "--no-rules")
        sources = [line["_source"] for line in documents(WORK / f"out-{what}")]
        found[what] = [source.get("srcport") or source["error"]["message"] for source in sources]
        assert summary["records"]["dead"] == summary["objects"]["damaged"] == 0, summary
    few = ["443", "fewer columns than its type has"]
    assert found == {"named": ["443"] * 2, "headless": ["443"] * 2, "few": few}, found


main({"case_badframes_flow": case_badframes_flow,
      **{f"case_badframes_{what}": functools.partial(check, what) for what in MADE}})
