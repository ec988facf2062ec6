#!/usr/bin/env python3
"""man.py PENSTOCK OPTIONS_DEF VERSION OUT - writes the manual page: the help texts of the program as it
was built, and every option of the table."""
import pathlib
import re
import subprocess
import sys

binary, table, version, out = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3], pathlib.Path(sys.argv[4])
ROW = re.compile(r'^PEN_OPTION\(\w+,\s+"([^"]+)",\s+(\w+),\s+"([^"]*)",\s+"([^"]*)",\s+"([^"]*)",'
                 r'\s+"([^"]*)",\s+(\w+),\s+"([^"]*)"\)$', re.M)
WHEN = {"START": "from the next start", "JOB": "part of the job", "NEW": "when a job is new"}
EXIT = [("0", "done"), ("1", "failed; of search: nothing matched"), ("2", "wrong command line"),
        ("3", "wrong configuration"), ("4", "a rule is wrong, or a test of rules failed"),
        ("5", "the host lacks something: kernel, io_uring, CPU, memory"),
        ("6", "stopped with data undelivered; the same command resumes"),
        ("7", "done with gaps: something could not be read, or a rule was rejected"),
        ("8", "with --fail-on: there is such a signal"), ("70", "a bug of penstock")]


def roff(text):
    """Text as roff shows it, letter by letter."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"(?m)^(?=[.'])", r"\\&", text)


def help_of(*command):
    done = subprocess.run([binary, *command, "--help"], capture_output=True, text=True, check=True)
    return done.stdout.rstrip("\n")


def block(text):
    return f".nf\n{roff(text)}\n.fi\n"


top = help_of()
commands = list(dict.fromkeys(re.findall(r"(?m)^  penstock (?:--)?([a-z-]+)", top)))
rows = ROW.findall(table.read_text())
if not rows or not commands:
    sys.exit("man.py: no options or no commands")
parts = [f'.TH PENSTOCK 1 "" "penstock {version}" "User Commands"\n',
         ".SH NAME\npenstock \\- ingest node for AWS logs\n",
         f".SH SYNOPSIS\n.B penstock\n.I COMMAND\n[options]\n.SH DESCRIPTION\n{block(top)}"]
for command in commands:
    parts.append(f".SH {roff('penstock ' + command).upper()}\n{block(help_of(command))}")
parts.append(".SH OPTIONS OF A RUN\nIn penstock.yaml, or as \\-\\-set KEY=VALUE.\n")
for key, kind, unit, value, least, most, when, text in rows:
    shown = value or "none"
    span = f" from {roff(least)} to {roff(most)}" if most else ""
    parts.append(f".TP\n.B {roff(key)}\n{roff(text)}\nA {kind.lower()} ({roff(unit)}){span}; "
                 f"default {roff(shown)}; {WHEN[when]}.\n")
parts.append(".SH EXIT STATUS\n" + "".join(f".TP\n.B {code}\n{roff(text)}\n" for code, text in EXIT))
parts.append(".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nno colour on a terminal\n")
out.write_text("".join(parts))
