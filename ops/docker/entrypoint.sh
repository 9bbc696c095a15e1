#!/bin/sh
# What a container of the farm begins with: the mask of new files, the first user, then `farm ARGS`.
set -eu
umask "${UMASK:-022}"

# Beyond the container the status page lets in only users. One is made from the password file; it
# stays as it is afterwards, also with another password.
if [ "${1:-}" = serve ] && [ -n "${ADMIN_PASSWORD_FILE:-}" ]; then
  farm users list | grep -q '^admin ' ||
    farm users add admin --role operate --password-file "$ADMIN_PASSWORD_FILE"
fi
exec farm "$@"
