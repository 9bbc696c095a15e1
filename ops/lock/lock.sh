#!/bin/sh
# pyproject.toml to two lists of exact packages with their sha256, for Python 3.11 to 3.13:
# all.lock is what runs the farm (`make demo`), dev.lock adds what tests it. No address of an index
# is written down: each machine asks the one that its own pip is set up for.
set -eu
cd "$(dirname "$0")/../.."

python=${PYTHON:-python3}
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"$python" -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check uv

compile() {
  lock=$1
  shift
  "$tools/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-annotate --no-header --override ops/lock/overrides.txt "$@" \
    pyproject.toml ops/lock/build.txt --output-file "$lock"
  echo "$lock: $(grep -c '^[A-Za-z0-9]' "$lock") packages"
}

# Without --upgrade an existing lock keeps its versions where they still fit pyproject.toml.
compile ops/lock/dev.lock --all-extras "$@"
compile ops/lock/all.lock --extra all --constraint ops/lock/dev.lock "$@"
