#!/bin/sh
# Locks the requirements of development and of the scanners with hashes, for every Python and platform. Needs `uv` (only
# for this).
set -eu

lock() {
    echo "# Locked by \`make lock\` from $1; do not edit by hand." >"$2.new"
    uv pip compile "$1" --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate >>"$2.new"
    mv "$2.new" "$2"
}

lock requirements-dev.in requirements-dev.txt
lock tests/security/requirements-gates.in tests/security/requirements-gates.txt
