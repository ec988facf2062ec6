"""badframes_made.py - framings of log types, each with good lines and with what is wrong with one of them.

FRAMES: name -> what a type of it is in YAML, the lines before the first record, a good record by number, and what
stands where a record should be: with too few and too many fields, and with a quote that is not closed. Records stand
on lines, unless `glue` is between them."""
import json
from datetime import datetime, timedelta, timezone

BEGIN = datetime(2025, 3, 4, 5, 6, 7, tzinfo=timezone.utc)


def when(number):
    return (BEGIN + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%SZ")


def record(number, **more):
    return json.dumps({"when": when(number), "who": f"u{number}", "n": str(number), **more})


def subscription(*messages):
    return json.dumps({"messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "g", "logStream": "s",
                       "logEvents": [{"id": str(i), "timestamp": 1741064767000, "message": m}
                                     for i, m in enumerate(messages)]})


def container(number, log=None):
    return json.dumps({"log": record(number) if log is None else log, "container_id": "c", "container_name": "web"})


def bridged(number, **more):
    return json.dumps({"version": "0", "detail-type": "t", "source": "s", "account": "123456789012", "time": when(number),
                       "region": "eu-west-1", "resources": [], "detail": json.loads(record(number)), **more})


def windows(number, more="", end="</Event>"):
    return (f"<Event><System><EventID>{number}</EventID><TimeCreated SystemTime='{when(number)}'/></System>"
            f"<EventData>{more}</EventData>{end}")


PATTERN = "format: text\npattern: '(?<when>\\S+) (?<who>\\S+) \"(?<text>[^\"]*)\" (?<n>\\d+)'\n"
COLUMNS = "format: columns\n"
FRAMES = {
    "json": {"type": "", "good": record, "few": "{}", "many": record(9) + " 7", "quote": '{"when":"open}'},
    "joined": {"type": "", "good": record, "few": "{}", "many": record(9) + " 7", "quote": '{"when":"open}', "glue": ""},
    "array": {"type": "array: Records\n", "around": ('{"Records":[', "]}"), "good": record, "between": ",",
              "few": "{}", "many": '{"when":"' + when(9) + '","more":[1,2]}', "quote": '{"when":"open}'},
    "columns": {"type": COLUMNS, "head": "when who n\n", "good": lambda n: f"{when(n)} u{n} {n}", "few": when(9),
                "many": f"{when(9)} u9 9 10 11", "quote": f'{when(9)} "u9 9'},
    "words": {"type": COLUMNS + "columns: [when, who, n]\n", "good": lambda n: f'[{when(n)}] "u {n}" {n}', "few": when(9),
              "many": f"{when(9)} u9 9 10 11", "quote": f'{when(9)} "u9 9'},
    "tabs": {"type": COLUMNS + "columns: [when, who, n]\nseparator: tab\nheader_lines: 2\n", "head": "#a\n#b\n",
             "good": lambda n: f"{when(n)}\tu{n}\t{n}", "few": when(9), "many": f"{when(9)}\tu9\t9\t10",
             "quote": f'{when(9)}\t"u9\t9'},
    "commas": {"type": COLUMNS + "columns: [when, who, n]\nseparator: ','\n", "good": lambda n: f"{when(n)},'u {n}',{n}",
               "few": when(9), "many": f"{when(9)},u9,9,10", "quote": f"{when(9)},'u9,9"},
    "pattern": {"type": PATTERN, "good": lambda n: f'{when(n)} u{n} "a b" {n}', "few": f"{when(9)} u9",
                "many": f'{when(9)} u9 "a" 9 10', "quote": f'{when(9)} u9 "a 9'},
    "several": {"type": PATTERN.replace(" (?<n>", "\\s+(?<n>") + "first_line: '\\d{4}-'\n",
                "good": lambda n: f'{when(n)} u{n} "a\nb"\n{n}', "few": f"{when(9)} u9\nmore",
                "many": f'{when(9)} u9 "a" 9\n10', "quote": f'{when(9)} u9 "a\n9'},
    "syslog": {"type": "format: text\npattern: '(?<when>\\S+) (?<host>\\S+) (?<program>[^: ]+)(?:\\[(?<n>\\d+)\\])?: "
                       "(?<message>.*)'\n", "good": lambda n: f"{when(n)} web sshd[{n}]: hello",
               "few": f"{when(9)} web", "many": f"{when(9)} web sshd[9]: a: b: c", "quote": f'{when(9)} web sshd[9]: "open'},
    "pairs": {"type": "format: key-value\n", "good": lambda n: f'when={when(n)} who="u {n}" n={n}', "few": "words",
              "many": f"when={when(9)} n=9 n=10 more", "quote": f'when={when(9)} who="open n=9'},
    "cef": {"type": "format: cef\n", "good": lambda n: f"CEF:0|V|P|1|{n}|a|5|when={when(n)} n={n}", "few": "CEF:0|V|P",
            "many": f"CEF:0|V|P|1|9|a|5|more|when={when(9)}", "quote": f'CEF:0|V|P|1|9|a|5|when={when(9)} who="open'},
    "windows": {"type": "format: windows-event\n", "time": "Event.System.TimeCreated.SystemTime", "good": windows,
                "few": "<Event></Event>", "many": windows(9) + windows(9), "quote": "<Event a='open></Event>"},
    "subscription": {"type": "", "good": lambda n: subscription(record(n)), "few": subscription("{}"),
                     "many": subscription(record(9) + " 7"), "quote": subscription('{"when":"open}')},
    "concatenated": {"type": "", "good": lambda n: subscription(record(n)), "few": subscription("{}"),
                     "many": subscription(record(9) + " 7"), "quote": subscription(record(9))[:-5], "glue": ""},
    "export": {"type": "", "good": lambda n: f"{when(n)[:-1]}.000Z {record(n)}", "few": f"{when(9)[:-1]}.000Z",
               "many": f"{when(9)[:-1]}.000Z {record(9)} 7", "quote": f'{when(9)[:-1]}.000Z {{"when":"open}}'},
    "firelens": {"type": "envelopes: firelens\n", "good": container, "few": container(9, "{}"),
                 "many": container(9, record(9) + " 7"), "quote": container(9, '{"when":"open}')},
    "eventbridge": {"type": "", "good": bridged, "few": bridged(9, detail={}), "many": bridged(9) + " 7",
                    "quote": bridged(9)[:-3]},
}


def body(frame, wrong=None, has_head=True):
    """Two good records, and between them what is wrong."""
    one = FRAMES[frame]
    before, after = one.get("around", ("", ""))
    parts = [one["good"](1), *([] if wrong is None else [wrong]), one["good"](2)]
    return (one.get("head", "") if has_head else "") + before + (one.get("between", "") + one.get("glue", "\n")).join(parts) + after + "\n"
