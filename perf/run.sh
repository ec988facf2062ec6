#!/usr/bin/env bash
# Measures what perf/README.md reports, on data that it makes below DIR (about 300 MB; kept and used
# again).  Wants a quiet machine with two cores or more.
#   perf/run.sh [DIR] [PENSTOCK]
set -euo pipefail
cd "$(dirname "$0")/.."
dir=${1:-build/perf}
penstock=${2:-build/release/penstock}
[ -x "$penstock" ] || { echo "perf/run.sh: no $penstock; cmake --preset release && cmake --build --preset release" >&2; exit 1; }
mkdir -p "$dir"

# make NAME OPTIONS: generated objects below $dir/NAME, once.
make() {
    local name=$1
    shift
    [ -e "$dir/$name/expected.json" ] || "$penstock" bench generate --out "$dir/$name" "$@"
}
# field SUMMARY EXPRESSION: a number from the summary of a replay.
field() { python3 -c "import json,sys; s=json.loads(sys.argv[1]); print($2)" "$1"; }
# replay SHARDS SOURCE...: the summary.
replay() {
    local shards=$1
    shift
    rm -rf "$dir/out"
    "$penstock" replay "$@" --out "$dir/out" --sink null --shards "$shards" --json --no-progress \
        --log-level error | tail -n 1
}

make week --bytes 64MiB
make weeks --bytes 512MiB
make tiny --shape tiny --bytes 350MiB # costs about what the huge one does
make huge --shape huge --bytes 500MiB

echo "== bench limit: the pipeline over the bare libraries"
"$penstock" bench limit "$dir/week/AWSLogs" --rounds 9
echo "== bench limit --types: text logs over inflate, id hash and gzip"
"$penstock" bench limit --types all --rounds 9
echo
echo "== bench rules: what rules cost"
"$penstock" bench rules "$dir/week/AWSLogs"
echo
echo "== small objects: CPU a plain byte against that of large ones (aim: at most 1.3)"
for _ in 1 2 3; do
    small=$(replay 1 "$dir/tiny/AWSLogs")
    large=$(replay 1 "$dir/weeks/AWSLogs")
    echo "$small" >"$dir/small.json"
    echo "$large" >"$dir/large.json"
    python3 - "$dir" <<'PY'
import json, sys
small, large = (json.load(open(f"{sys.argv[1]}/{n}.json")) for n in ("small", "large"))
cost = [s["seconds"]["cpu"] / s["bytes"]["plain"] * 1e9 for s in (small, large)]
print(f"{cost[0]:.2f} and {cost[1]:.2f} ns a byte: {cost[0] / cost[1]:.2f}")
PY
done
echo
echo "== two shards over one, wall time, commits and end included (aim: at least 1.8)"
for _ in 1 2 3; do
    one=$(field "$(replay 1 "$dir/weeks/AWSLogs")" 's["seconds"]["wall"]')
    two=$(field "$(replay 2 "$dir/weeks/AWSLogs")" 's["seconds"]["wall"]')
    python3 -c "print(f'{$one:.2f} s and {$two:.2f} s: {$one / $two:.2f}')"
done
echo
echo "== balance: one 500 MB object and small ones of about the same cost on two shards, wall time"
echo "   over half of the CPU time (aim: at most 1.15), its own and that of one shard"
for _ in 1 2 3; do
    one=$(replay 1 "$dir/huge/AWSLogs" "$dir/tiny/AWSLogs")
    two=$(replay 2 "$dir/huge/AWSLogs" "$dir/tiny/AWSLogs")
    cpu=$(field "$one" 's["seconds"]["cpu"]')
    own=$(field "$two" 's["seconds"]["cpu"]')
    wall=$(field "$two" 's["seconds"]["wall"]')
    rss=$(field "$two" 's["rss_bytes_max"] >> 20')
    python3 -c "print(f'{$wall:.2f} s, CPU {$own:.2f} s: {2 * $wall / $own:.2f}; CPU of one shard {$cpu:.2f} s:' \
        f' {2 * $wall / $cpu:.2f}; {$rss} MiB at most')"
done
