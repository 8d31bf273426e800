#!/bin/sh
# Runs a command, as root, in a mount namespace of its own in which ordinary users may open /dev/fuse, as udev arranges
# on an installed Debian but not in every container: open-device.sh npx vitest run test/fuse/driver
set -eu
exec unshare --mount --propagation private sh -c '
  directory=$(mktemp -d)
  mknod -m 666 "$directory/fuse" c 10 229
  mount --bind "$directory/fuse" /dev/fuse
  rm -r "$directory"
  exec "$@"
' sh "$@"
