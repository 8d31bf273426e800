#!/bin/sh
# Starts or stops a throwaway PostgreSQL server in DIR, on a unix socket there and on no port.
#
#   test/services/postgres.sh start DIR   prints the URL to put into HOLDFAST_TEST_POSTGRES
#   test/services/postgres.sh stop DIR    stops it and removes DIR
#
# The server refuses to run as root; started by root it runs as "postgres" if there is such a user, else as
# "nobody". Every commit is flushed to disk (fsync), as in production. POSTGRES_BIN names the programs' directory.
set -eu

bin=${POSTGRES_BIN:-/usr/lib/postgresql/15/bin}
usage() { sed -n '2,8p' "$0" >&2; exit 64; }
[ $# -eq 2 ] || usage
command=$1
mkdir -p -- "$2"
dir=$(cd -- "$2" && pwd)

[ -x "$bin/postgres" ] || { echo "postgres.sh: no PostgreSQL in $bin (Debian: apt-get install postgresql-15)" >&2; exit 69; }

if [ "$(id -u)" -eq 0 ]; then
  user=postgres
  id "$user" >/dev/null 2>&1 || user=nobody
  as() { setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups -- "$@"; }
else
  user=$(id -un)
  as() { "$@"; }
fi

case $command in
  start)
    # A temporary directory is its maker's alone; the server's user has to be able to enter it.
    [ "$(id -u)" -ne 0 ] || { chmod 711 "$dir"; mkdir -p "$dir/server"; chown "$user" "$dir/server"; }
    mkdir -p "$dir/server"
    data=$dir/server/data
    if [ ! -e "$data/PG_VERSION" ]; then
      as "$bin/initdb" --pgdata="$data" --username=holdfast --auth=trust --encoding=UTF8 --locale=C.UTF-8 \
        >"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log" >&2; exit 70; }
    fi
    # A socket's path has at most 107 bytes (sockaddr_un).
    as "$bin/pg_ctl" --pgdata="$data" --log="$dir/server/log" --silent --wait --timeout=30 \
      --options="-c listen_addresses='' -c unix_socket_directories='$dir/server' -c max_connections=200" start \
      >"$dir/start.log" 2>&1 || { cat "$dir/start.log" "$dir/server/log" >&2; exit 70; }
    encoded=$(printf '%s' "$dir/server" | sed 's/%/%25/g; s/ /%20/g; s/&/%26/g; s/#/%23/g; s/+/%2B/g')
    echo "postgres:///postgres?host=$encoded&user=holdfast"
    ;;
  stop)
    as "$bin/pg_ctl" --pgdata="$dir/server/data" --silent --mode=fast --wait --timeout=30 stop
    rm -rf -- "$dir"
    ;;
  *) usage ;;
esac
