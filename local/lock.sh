#!/bin/sh
# Locks requirements-dev.in with hashes, for every Python and platform. Needs `uv` (only for this).
set -eu
echo '# Locked by `make lock` from requirements-dev.in; do not edit by hand.' >requirements-dev.txt.new
uv pip compile requirements-dev.in --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
    >>requirements-dev.txt.new
mv requirements-dev.txt.new requirements-dev.txt
