#!/bin/sh
# Installs the locked requirements and this project into a virtual environment: setup.sh DIRECTORY
set -eu
venv=$1

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for name in python3 python3.13 python3.14 python3.12 python3.11 python; do
        if fits "$name"; then echo "$name"; return; fi
    done
    echo 'setup: no Python >= 3.11 found on the PATH; install one, then run make setup again' >&2
    exit 1
}

# A virtual environment whose interpreter is gone, or that was copied from elsewhere, is made again.
if ! fits "$venv/bin/python" || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    PATH=$(echo "$PATH" | sed "s#^[^:]*/$venv/bin:##")
    python=$(find_python)
    echo "setup: creating $venv with $("$python" --version)"
    rm -rf "$venv"
    "$python" -m venv "$venv" || {
        echo "setup: $python cannot make a virtual environment; on Debian or Ubuntu: apt install python3-venv" >&2
        exit 1
    }
fi

pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }

echo "setup: installing $(grep -c '^[a-z].*==' requirements-dev.txt) locked packages (a minute or two the first time)"
# The lock names everything, so pip need not resolve; and what is never imported need not be compiled.
pip install -qq --no-compile --no-deps --require-hashes --requirement requirements-dev.txt
echo 'setup: installing this project'
pip install -qq --no-deps --no-build-isolation --editable .
echo "setup: done; the command is $venv/bin/batchdrop"
