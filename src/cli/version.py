#!/usr/bin/env python3
"""version.py SOURCE_DIR VERSION OUT - writes the header with version and commit of this build.

The file is touched only when it changes, so that an unchanged tree builds nothing.
"""
import pathlib
import subprocess
import sys

source, version, out = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])


def git(*args):
    try:
        done = subprocess.run(["git", "-C", source, *args], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


# A tree unpacked inside another repository is not that repository's commit.
is_ours = git("rev-parse", "--show-toplevel") == str(pathlib.Path(source).resolve())
commit = git("rev-parse", "--short=12", "HEAD") if is_ours else ""
if commit and git("status", "--porcelain", "--untracked-files=no"):
    commit += "-changed"
text = (f'#define PEN_VERSION "{version}"\n'
        f'#define PEN_COMMIT "{commit or "unknown"}"\n')
if not out.exists() or out.read_text() != text:
    out.write_text(text)
