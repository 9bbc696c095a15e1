#!/bin/sh
# A lock to a virtual environment with exactly those packages and nasfarm itself, editable.
# Usage: venv.sh FOLDER LOCK. Run again after a change it only adds what is missing.
set -eu
venv=$1
lock=$2
python=${PYTHON:-python3}

fail() {
  echo "make: $*" >&2
  exit 1
}

command -v "$python" >/dev/null || fail "$python is not installed. Install Python 3.11, 3.12 or \
3.13, or name yours: make PYTHON=/path/to/python3.12 ..."
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' ||
  fail "$python is $("$python" --version 2>&1), and nasfarm needs Python 3.11, 3.12 or 3.13. \
Name another one: make PYTHON=python3.12 ..."
if ! [ -x "$venv/bin/pip" ]; then
  echo "Making $venv (once; all of it stays in that folder) ..."
  "$python" -m venv --clear "$venv" ||
    fail "$python cannot make a virtual environment. On Debian or Ubuntu: apt-get install python3-venv"
fi

pip() {
  "$venv/bin/python" -m pip --disable-pip-version-check --no-input "$@"
}

# Only wheels with a known sha256, and no dependency that the lock does not name: what is installed
# next month is what was tested today.
pip install --quiet --require-hashes --no-deps --only-binary :all: --requirement "$lock" ||
  fail "the packages of $lock could not be installed (the reason stands above). Check the network \
and the free space, then run make again; what is there already is kept."
pip install --quiet --no-deps --no-build-isolation --editable .
