#!/usr/bin/env bash
# A real S3 server for tests: Ceph RGW with one monitor and one OSD, all on 127.0.0.1, all files in DIR.
#
#   test/services/s3.sh start DIR PORT    starts it, or finds it running; prints the environment tests read
#   test/services/s3.sh stop DIR          stops it; what was stored stays for the next start
#
# Use it as: eval "$(test/services/s3.sh start /tmp/s3 7480)" && npx vitest run test/conformance/object-store
# Ports: PORT, PORT+1000 (monitor) and some of 6800-7300 (OSD). Needs about 200 MB of memory and any user.
set -euo pipefail

usage() {
  echo "usage: $0 start DIR PORT | stop DIR" >&2
  exit 2
}

command=${1:-} directory=${2:-} port=${3:-}
[ -n "$directory" ] || usage
access_key=${AWS_ACCESS_KEY_ID:-holdfasttest} secret_key=${AWS_SECRET_ACCESS_KEY:-holdfasttestsecret}

fail() {
  echo "s3.sh: $1; logs are in $directory" >&2
  exit 1
}

require_programs() {
  local program missing=()
  for program in ceph ceph-mon ceph-osd monmaptool radosgw radosgw-admin; do
    command -v "$program" >/dev/null || missing+=("$program")
  done
  [ ${#missing[@]} -eq 0 ] && return
  echo "s3.sh: missing ${missing[*]}: apt-get install --no-install-recommends ceph-mon ceph-osd radosgw ceph-common" >&2
  exit 3
}

# A process id is ours only as long as it runs the program we started: ids are used again.
running() { # PROGRAM
  local pid
  pid=$(cat "$directory/$1.pid" 2>/dev/null) && [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ]
}

wait_until() { # SECONDS CONDITION...
  local tries=$(($1 * 20))
  shift
  until "$@"; do
    [ $((tries--)) -gt 0 ] || return 1
    sleep 0.05
  done
}

answers() {
  (exec 3<>"/dev/tcp/127.0.0.1/$port" && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && head -1 <&3 | grep -q ' 200 ') 2>/dev/null
}

configure() {
  cat >"$directory/ceph.conf" <<END
[global]
fsid = $(cat "$directory/fsid")
mon_host = [v2:127.0.0.1:$((port + 1000))/0]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
ms_bind_msgr1 = false
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
# The gateway would ask for encryption, which needs auth, and wait for ever.
ms_mon_client_mode = crc
run_dir = $directory
crash_dir = $directory
admin_socket =
log_file = $directory/\$name.log
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
[mon]
mon_data = $directory/mon
mon_cluster_log_file = $directory/cluster.log
mon_allow_pool_size_one = true
mon_data_avail_warn = 2
mon_data_avail_crit = 1
# Each change of the cluster's maps waits this long, by default a second.
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
[osd]
osd_data = $directory/osd
bluestore_block_size = $((20 << 30))
bluestore_cache_autotune = false
bluestore_cache_size = $((128 << 20))
[client]
# Without tcp_nodelay small answers wait 40 ms for a delayed acknowledgement.
rgw_frontends = beast endpoint=127.0.0.1:$port tcp_nodelay=1
rgw_data = $directory/rgw
rgw_enable_apis = s3, admin
rgw_thread_pool_size = 64
rgw_run_sync_thread = false
rgw_override_bucket_index_max_shards = 1
END
}

start_daemon() { # PROGRAM ARGUMENTS...
  local program=$1
  shift
  running "$program" && return
  rm -f "$directory/$program.pid"
  "$program" -c "$directory/ceph.conf" "$@" --pid-file "$directory/$program.pid" >>"$directory/$program.out" 2>&1 ||
    fail "$program did not start"
  wait_until 5 running "$program" || fail "$program ended at once"
}

# Makes the cluster's disks and its one user. Until `made` is written an interrupted attempt is thrown away.
make_cluster() {
  local conf=$directory/ceph.conf uuid
  uuid=$(cat /proc/sys/kernel/random/uuid)
  rm -rf "$directory/mon" "$directory/osd" "$directory/rgw"
  mkdir -p "$directory/mon" "$directory/osd" "$directory/rgw"
  {
    monmaptool --create --clobber --fsid "$(cat "$directory/fsid")" --enable-all-features \
      --addv a "[v2:127.0.0.1:$((port + 1000))/0]" "$directory/monmap"
    ceph-mon -c "$conf" -i a --mkfs --monmap "$directory/monmap"
    ceph-osd -c "$conf" -i 0 --mkfs --no-mon-config --osd-uuid "$uuid"
  } >"$directory/make.out" 2>&1 || fail "the cluster could not be made"
  start_daemon ceph-mon -i a
  timeout 90 ceph -c "$conf" osd new "$uuid" 0 >>"$directory/make.out" 2>&1 || fail "the OSD was not admitted"
  start_daemon ceph-osd -i 0
  timeout 120 radosgw-admin -c "$conf" -n client.rgw user create --uid=test --display-name=test \
    --access-key="$access_key" --secret-key="$secret_key" >>"$directory/make.out" 2>&1 || fail "the user was not made"
  touch "$directory/made"
}

start() {
  require_programs
  if ! { running ceph-mon && running ceph-osd && running radosgw && answers; }; then
    [ -s "$directory/fsid" ] || cat /proc/sys/kernel/random/uuid >"$directory/fsid"
    configure
    if [ -e "$directory/made" ]; then
      start_daemon ceph-mon -i a
      start_daemon ceph-osd -i 0
    else
      stop
      make_cluster
    fi
    start_daemon radosgw -n client.rgw
    wait_until 90 answers || fail "the gateway does not answer on port $port"
  fi
  echo "export HOLDFAST_TEST_S3=http://127.0.0.1:$port"
  echo "export AWS_ACCESS_KEY_ID=$access_key"
  echo "export AWS_SECRET_ACCESS_KEY=$secret_key"
}

stopped() { ! running "$1"; }

stop() {
  local program
  for program in radosgw ceph-osd ceph-mon; do
    running "$program" || continue
    kill -TERM "$(cat "$directory/$program.pid")"
    wait_until 30 stopped "$program" || kill -KILL "$(cat "$directory/$program.pid")"
    rm -f "$directory/$program.pid"
  done
}

mkdir -p "$directory"
directory=$(cd "$directory" && pwd)
# One start or stop at a time; the daemons must not inherit the lock.
if [ -z "${S3_SH_LOCKED:-}" ]; then
  S3_SH_LOCKED=1 exec flock -o "$directory/lock" bash "$0" "$command" "$directory" "$port"
fi
case $command in
  start)
    [ -n "$port" ] || usage
    start
    ;;
  stop) stop ;;
  *) usage ;;
esac
