#!/usr/bin/env bash
# Installs, builds, makes a small organisation's week of CloudTrail with an attack planted in it,
# replays it and shows the signals.  Can be run again and again; leaves everything below build/.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\n== %s\n' "$*"; }

say "install what is missing"
./bench/install.sh
say "build the release"
mkdir -p build
cmake --preset release -DBUILD_TESTING=OFF -B build/quickstart >build/quickstart.log 2>&1 || { cat build/quickstart.log; exit 1; }
cmake --build build/quickstart >>build/quickstart.log || { tail -n 40 build/quickstart.log; exit 1; }
penstock=build/quickstart/penstock
work=build/quickstart-data
say "make a week of CloudTrail of twelve accounts"
[ -f "$work/expected.json" ] || "$penstock" bench generate --out "$work" --bytes 64MiB
say "replay it"
"$penstock" replay "$work/AWSLogs" --out "$work/out" --fresh
say "the signals"
sqlite3 -box "$work/out/signals.db" \
    "select severity, rule_name, min(first_seen) as first_seen, count(*) as signals from signals_view
     group by rule_name order by instr('critical high medium low info', severity), first_seen"
say "one of them"
signal=$(sqlite3 "$work/out/signals.db" \
    "select substr(id, 1, 10) from signals order by severity = 'high' desc, first_seen_ns limit 1")
"$penstock" signals show "$signal" --out "$work/out"
say "look further"
cat <<EOF
  $penstock signals list --out $work/out --min-severity high
  $penstock search --sort time --fields eventTime,eventName,sourceIPAddress @userIdentity.userName:mallory $work/AWSLogs
  sqlite3 -box $work/out/signals.db 'select * from signals_view limit 1'
  zstd -dcq $work/out/documents/*.zst | head -n 1
  $penstock rules list
  $penstock replay --help
EOF
