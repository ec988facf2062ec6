#!/usr/bin/env bash
# Installs, builds and runs the tests: release (lint, unit, end to end, fuzz corpora); then with address
# and undefined behaviour sanitizers unit tests, fuzz corpora and end to end, but for those labelled
# "once" (tests/e2e/CMakeLists.txt says why); then what has threads (the whole replay on several shards
# among it) with the thread sanitizer; then every fuzz target for some seconds.  Can be run again and
# again.
#   --quick    the release tests only
set -euo pipefail
cd "$(dirname "$0")/.."
quick=no
case "${1:-}" in
--quick) quick=yes ;;
"") ;;
*) echo "usage: tests/run.sh [--quick]" >&2; exit 2 ;;
esac

passed=0
failed=0
started=$SECONDS
say() { printf '\n== %s (%d s)\n' "$*" $((SECONDS - started)); }

# run PRESET [ctest arguments]: builds and tests one preset, adds to the totals.
run() {
    local preset=$1 log count_failed count_all
    shift
    say "build: $preset"
    cmake --preset "$preset" >"build/$preset.configure.log" || { cat "build/$preset.configure.log"; exit 1; }
    cmake --build --preset "$preset" 2>&1 | tail -n 25
    say "test: $preset $*"
    log=build/$preset.ctest.log
    # One more than there are processors: many tests wait for a server or for a deadline.
    ctest --preset "$preset" -j $(($(nproc) + 1)) "$@" | tee "$log" || true
    if ! grep -q 'tests passed' "$log"; then
        echo "run.sh: ctest did not finish for $preset" >&2
        exit 1
    fi
    count_failed=$(sed -n 's/.* \([0-9]*\) tests failed out of .*/\1/p' "$log")
    count_all=$(sed -n 's/.* out of \([0-9]*\).*/\1/p' "$log" | tail -n 1)
    failed=$((failed + count_failed))
    passed=$((passed + count_all - count_failed))
}

mkdir -p build
if command -v ccache >/dev/null; then
    export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache
fi
say "install"
./bench/install.sh --tests
# What cannot be had is told here, and again by each test that is skipped for it.
python3 -B tests/e2e/parts_install.py || [ $? -eq 77 ]
python3 -B tests/e2e/parts_opensearch.py install || [ $? -eq 77 ]
# Real samples for the conformance tests, when they are at hand.
if [ -z "${PENSTOCK_DATA:-}" ] && [ -d ../shared/data ]; then
    PENSTOCK_DATA=$(cd ../shared/data && pwd)
    export PENSTOCK_DATA
fi
if [ -n "${PENSTOCK_DATA:-}" ]; then
    echo "conformance tests: on, PENSTOCK_DATA is set"
else
    echo "conformance tests: skipped, PENSTOCK_DATA is not set"
fi
run release
if [ "$quick" = no ]; then
    run asan -LE once
    run tsan -L tsan
    run fuzz -L fuzz
fi
say "all"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
