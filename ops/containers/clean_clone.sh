#!/usr/bin/env bash
# What a newcomer gets: a clone of this repository's last commit in a container that has only
# Python 3.11, pip and make; there `make demo` with nothing cached, once more, then `make test`.
# Fails where one of them fails or is too slow, where a process is left over, or where something
# was written outside the clone and the user's cache and state folders.
# Usage: clean_clone.sh [REPOSITORY]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=${1:-$here/../..}
cold_most_s=360
warm_most_s=40
test_most_s=480

base=$("$here/base.sh")
engine=$(command -v podman || command -v docker)
scratch=$(mktemp -d)
container=
finish() {
  [ -z "$container" ] || "$engine" rm -f -t 0 "$container" >/dev/null
  rm -rf "$scratch"
}
trap finish EXIT

git clone -q --no-local "$repository" "$scratch/nasfarm"
git -C "$repository" diff --quiet HEAD || echo "note: uncommitted changes are not in the clone"

# The packages come from where this machine's come from: same network, certificates and index.
certificates=/etc/ssl/certs/ca-certificates.crt
options=(--init --network host)
if [ -e "$certificates" ]; then
  options+=(-v "$certificates:$certificates:ro")
  options+=(-e PIP_CERT="$certificates" -e SSL_CERT_FILE="$certificates")
  options+=(-e NODE_EXTRA_CA_CERTS="$certificates")
fi
for name in PIP_INDEX_URL PIP_DEFAULT_TIMEOUT; do
  [ -z "${!name:-}" ] || options+=(-e "$name")
done
container=$("$engine" run -d "${options[@]}" "$base" sleep infinity)
inside() { "$engine" exec -i "$container" bash -euc "$1"; }
inside 'mkdir "$HOME/clone"'
tar -C "$scratch" -c nasfarm | inside 'tar -x --no-same-owner -C "$HOME/clone"'
inside 'python3 --version; nproc; sleep 1; touch "$HOME/clone/begun"; sleep 1'

bad=0
within() { # within NAME SECONDS COMMAND
  local begun=$SECONDS took
  if ! inside "cd \"\$HOME/clone/nasfarm\"; $3"; then
    echo "clean clone: $1 FAILED"
    bad=1
  fi
  took=$((SECONDS - begun))
  echo "clean clone: $1 took $took s (at most $2)"
  [ "$took" -le "$2" ] || bad=1
}

nothing_left() {
  local left
  left=$(inside '
    prune=()
    for folder in "$HOME/clone" "$HOME/.cache" "$HOME/.local/state" "/tmp/pytest-of-*"; do
      prune+=(-path "$folder" -prune -o)
    done
    # A folder changes when one below it is made; Python keeps the modules that it compiled.
    find / -xdev "${prune[@]}" -name __pycache__ -prune -o -newer "$HOME/clone/begun" \
      ! -path / ! -path /tmp ! -path "$HOME" ! -path "$HOME/.local" \
      ! \( -type d -exec test -e {}/__pycache__ \; \) -print -prune
  ')
  [ -z "$left" ] || { echo "clean clone: written elsewhere:"; echo "$left"; bad=1; }
}

none_running() {
  local running
  # The brackets keep the search from finding itself.
  running=$(inside '
    for each in /proc/[0-9]*; do
      { tr "\0" " " <"$each/cmdline"; echo; } 2>/dev/null | grep -E "[n]asfarm|[v]alkey|[c]elery" || true
    done')
  [ -z "$running" ] || { echo "clean clone: still running:"; echo "$running"; bad=1; }
}

within "make demo, cold" "$cold_most_s" "make demo"
none_running
nothing_left
within "make demo, warm" "$warm_most_s" "make demo >demo.out; tail -n 5 demo.out"
none_running
nothing_left
within "make test" "$test_most_s" "make test"
none_running
nothing_left
exit "$bad"
