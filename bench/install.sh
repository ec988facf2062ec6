#!/usr/bin/env bash
# Installs what a bare Debian 12 lacks to build penstock; with --tests also what its tests need.
# Says what it does; does nothing when everything is there.
set -euo pipefail

packages=(build-essential cmake ninja-build pkg-config python3 liburing-dev libisal-dev
    libdeflate-dev libzstd-dev libhyperscan-dev libsimdjson-dev libjemalloc-dev libyaml-dev
    libsqlite3-dev libxxhash-dev libpcre2-dev libssl-dev libcurl4-openssl-dev
    libexpat1-dev libmaxminddb-dev libcmocka-dev sqlite3 zstd)
if [ "${1:-}" = --tests ]; then
    packages+=(clang clang-format clang-tidy libclang-rt-14-dev binutils python3-botocore
        python3-venv openssl
        # servers that tests start: radosgw; what gets and runs OpenSearch
        radosgw ceph-mon ceph-osd ceph-mgr ceph-common maven default-jdk-headless)
fi

missing=()
for package in "${packages[@]}"; do
    if ! dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed'; then
        missing+=("$package")
    fi
done
if [ ${#missing[@]} -eq 0 ]; then
    echo "install: all ${#packages[@]} Debian packages are there"
    exit 0
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "install: these packages are missing and neither root nor sudo is at hand:" >&2
        echo "  apt-get install ${missing[*]}" >&2
        exit 5
    fi
    as_root=(sudo)
fi
echo "install: ${#missing[@]} Debian packages: ${missing[*]}"
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
    --no-install-recommends "${missing[@]}" >/dev/null
echo "install: done"
