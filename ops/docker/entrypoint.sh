#!/bin/sh
# What a container of the farm begins with: the mask of new files, then `farm ARGS`; and of what each
# needs of another, what Compose cannot say.
set -eu
umask "${UMASK:-022}"
ready=$HOME/.ready

case "${1:-}" in
init)
  rm -f "$ready"
  farm "$@"
  touch "$ready"
  exit
  ;;
worker | watch | serve | flower)
  # Not by depends_on: podman starts a killed container again only while all it depends on run, and
  # init has ended by then.
  [ -e "$ready" ] || echo "waiting for init to make the home and fetch the models" >&2
  until [ -e "$ready" ]; do sleep 1; done
  ;;
esac

# Beyond the container the status page lets in only users. The first is made from the password file; it
# stays as it is afterwards, also with another password, or removed once there are others.
if [ "${1:-}" = serve ] && [ -n "${ADMIN_PASSWORD_FILE:-}" ] && [ -z "$(farm users list)" ]; then
  farm users add admin --role operate --password-file "$ADMIN_PASSWORD_FILE"
fi
exec farm "$@"
