#!/usr/bin/env bash
# A container image with Python 3.11, pip and make and little else. Prints its name.
# Where a registry answers it is the official image; elsewhere it is built from Debian's packages
# by debootstrap, under the same name (as root, about two minutes).
set -euo pipefail

image=docker.io/library/python:3.11-slim-bookworm
ready=localhost/nasfarm-base:latest

say() { echo "base: $*" >&2; }

install_engine() {
  say "no podman or docker here: installing podman"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q >&2
  apt-get install -q -y --no-install-recommends podman runc netavark aardvark-dns iptables >&2
}

from_debian() {
  say "no registry answers: building $image from Debian's packages"
  command -v debootstrap >/dev/null || apt-get install -q -y --no-install-recommends debootstrap >&2
  local root
  root=$(mktemp -d)
  debootstrap --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates,make \
    bookworm "$root" >&2
  ln -sf python3 "$root/usr/bin/python"
  rm -f "$root"/usr/lib/python3.*/EXTERNALLY-MANAGED # as in the official image: pip may install
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  tar -C "$root" -c . | "$engine" import - "$image" >&2
  rm -rf "$root"
}

# podman asks for more open files than a machine may allow that is a container itself; runc says so.
within_limits() {
  local settings=/etc/containers/containers.conf said
  said=$("$engine" run --rm --network none "$image" true 2>&1) && return
  if [[ $said != *rlimit* || -e $settings ]]; then
    say "containers do not run: $said"
    return 1
  fi
  say "containers may open as many files as this shell, from now on: $settings"
  printf '[containers]\ndefault_ulimits = ["nofile=%s:%s", "nproc=%s:%s"]\n' \
    "$(ulimit -Sn)" "$(ulimit -Hn)" 4096 4096 >"$settings"
}

command -v podman >/dev/null || command -v docker >/dev/null || install_engine
engine=$(command -v podman || command -v docker)

if ! "$engine" image inspect "$image" >/dev/null 2>&1; then
  timeout 120 "$engine" pull -q "$image" >&2 || from_debian
fi
within_limits
if "$engine" run --rm --network none "$image" sh -c 'command -v make' >/dev/null; then
  "$engine" tag "$image" "$ready" >&2
else
  say "adding make"
  printf 'FROM %s\nRUN apt-get update -q && apt-get install -q -y make\n' "$image" |
    "$engine" build -q --network host -t "$ready" - >&2
fi
"$engine" run --rm --network none "$ready" sh -c 'python3 --version && make --version | head -n 1' >&2
echo "$ready"
