#!/usr/bin/env bash
# Builds the farm's image from this folder, under the name IMAGE (default: nasfarm:latest), and prints
# that name. With podman it also works where no registry answers and where packages come from a place
# of this machine's own: the builder gets its network, certificates and pip's settings.
# Usage: image.sh [IMAGE]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
image=${1:-nasfarm:latest}

"$here/base.sh" >/dev/null
engine=$(command -v podman || command -v docker)
revision=$(git -c safe.directory='*' -C "$top" rev-parse HEAD 2>/dev/null || echo unknown)
options=(--network host --build-arg "REVISION=$revision")
if [ "$(basename "$engine")" = podman ]; then
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  certificates=/etc/ssl/certs/ca-certificates.crt
  {
    echo "[global]"
    [ -z "${PIP_INDEX_URL:-}" ] || echo "index-url = $PIP_INDEX_URL"
    [ -z "${PIP_DEFAULT_TIMEOUT:-}" ] || echo "timeout = $PIP_DEFAULT_TIMEOUT"
    [ ! -e "$certificates" ] || echo "cert = $certificates"
  } >"$scratch/pip.conf"
  options+=(-v "$scratch/pip.conf:/etc/pip.conf:ro")
  [ ! -e "$certificates" ] || options+=(-v "$certificates:$certificates:ro")
fi
"$engine" build -q "${options[@]}" -f "$top/ops/docker/Dockerfile" -t "$image" "$top" >&2
echo "$image"
