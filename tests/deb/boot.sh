#!/bin/bash
# The first process of the host: gives systemd a cgroup of its own, whatever the machine's are, and becomes it.
set -euo pipefail
umount --recursive /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p "/sys/fs/cgroup/$HOSTNAME"
echo $$ >"/sys/fs/cgroup/$HOSTNAME/cgroup.procs"
exec unshare --cgroup bash -c 'umount /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec /sbin/init'
