#!/bin/sh
# Makes the passwords that docker-compose.yml hands to its services, once; those that are there stay.
# Usage: ops/docker/secrets.sh [FOLDER], from the folder with docker-compose.yml. Run as root it gives
# them to the user and group that .env names (PUID, PGID); else they are yours.
set -eu
said() { sed -n "s/^$1=//p" .env 2>/dev/null | tail -n 1; }
folder=${1:-$(said NASFARM_SECRETS)}
folder=${folder:-./secrets}
owner=${PUID:-$(said PUID)}
group=${PGID:-$(said PGID)}

umask 077
mkdir -p "$folder"
random() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }
make() { # make NAME TEXT
  if [ -s "$folder/$1" ]; then
    echo "there already: $folder/$1"
    return
  fi
  printf '%s\n' "$2" >"$folder/$1"
  echo "made: $folder/$1"
}
make broker_password "$(random)"
make admin_password "$(random)"
make flower_login "admin:$(random)"
if [ "$(id -u)" = 0 ]; then
  chown -R "${owner:-1000}:${group:-1000}" "$folder"
fi
echo "Status page: user admin, password in $folder/admin_password. Flower: $folder/flower_login."
