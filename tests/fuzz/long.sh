#!/usr/bin/env bash
# Runs every fuzz target, one after another, for some minutes each; keeps the corpus and reports.
#   tests/fuzz/long.sh [--minutes N] [--out DIR] [TARGET...]
# DIR (build/fuzz-long) keeps corpus-TARGET, TARGET.log and what was found, for the next run too.
# Builds the preset fuzz first.  Exit status 1 when a target found something.
set -euo pipefail
cd "$(dirname "$0")/../.."
minutes=30
out=build/fuzz-long
targets=()
while [ $# -gt 0 ]; do
    case "$1" in
    --minutes) minutes=${2:?--minutes wants a number}; shift 2 ;;
    --out) out=${2:?--out wants a folder}; shift 2 ;;
    -*) sed -n '2,5s/^# *//p' "$0" >&2; exit 2 ;;
    *) targets+=("$1"); shift ;;
    esac
done
mkdir -p "$out"
if command -v ccache >/dev/null; then
    export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache
fi
cmake --preset fuzz >"$out/configure.log"
cmake --build --preset fuzz >"$out/build.log" || { tail -n 40 "$out/build.log" >&2; exit 1; }
if [ ${#targets[@]} -eq 0 ]; then
    for source in tests/fuzz/fuzz_*.c; do
        name=${source##*/fuzz_}
        targets+=("${name%.c}")
    done
fi

# report TARGET SECONDS: one line from the log of libFuzzer.
report() {
    local log=$out/$1.log runs coverage found
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)
    coverage=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    found=$(find "$out" -maxdepth 1 -name "$1-crash-*" -o -maxdepth 1 -name "$1-timeout-*" \
        -o -maxdepth 1 -name "$1-leak-*" -o -maxdepth 1 -name "$1-oom-*" | wc -l)
    printf '%-8s %6d s %10s runs %6s edges %6d inputs kept %3d found\n' \
        "$1" "$2" "${runs:-?}" "${coverage:-?}" "$(find "$out/corpus-$1" -type f | wc -l)" "$found"
    [ "$found" -eq 0 ]
}

status=0
: >"$out/report.txt"
for target in "${targets[@]}"; do
    binary=$(find build/fuzz/src -name "fuzz_$target" -type f -perm -u+x)
    [ -n "$binary" ] || { echo "long.sh: no target $target" >&2; exit 2; }
    mkdir -p "$out/corpus-$target"
    began=$SECONDS
    nice -n 19 "$binary" -max_total_time=$((minutes * 60)) -max_len=4096 -timeout=20 \
        -rss_limit_mb=4096 -print_final_stats=1 -artifact_prefix="$out/$target-" \
        "$out/corpus-$target" "tests/fuzz/corpus/$target" >"$out/$target.log" 2>&1 || true
    report "$target" $((SECONDS - began)) | tee -a "$out/report.txt" || status=1
done
exit $status
