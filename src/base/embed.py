#!/usr/bin/env python3
"""embed.py SYMBOL OUT FILE... - writes a C file with the files as a const table (see embed.h)."""
import pathlib
import sys

symbol, out, files = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
rows = []
parts = ['#include "penstock/embed.h"\n']
for number, name in enumerate(files):
    data = pathlib.Path(name).read_bytes()
    body = ",".join(str(byte) for byte in data) or "0"
    parts.append(f"static const unsigned char file_{number}[] = {{{body},0}};\n")
    rows.append(f'    {{"{pathlib.Path(name).name}", file_{number}, {len(data)}}},\n')
parts.append(f"const struct pen_embedded {symbol}[] = {{\n{''.join(rows)}    {{0, 0, 0}}}};\n")
out.write_text("".join(parts))
