#!/bin/sh
# Fails when clang-format would change a file.
cd "$1" && find src include tests -name '*.[ch]' -o -name '*.cpp' | sort |
    xargs clang-format --dry-run --Werror
