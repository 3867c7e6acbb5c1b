#!/bin/bash
# Runs socket.sh in a container of its own whose first process is systemd. It ends with the script.
set -euo pipefail
part="test-systemd"
source "$(dirname "$0")/../../lab/lib.sh"

name=stasis-offload-systemd
trap 'docker rm --force "$name" >/dev/null 2>&1' EXIT
docker rm --force "$name" >/dev/null 2>&1 || true
say "building the image (the first time: half a minute)"
docker build --quiet --network host --file tests/systemd/Dockerfile --tag "$name" . >/dev/null 2>"$log" ||
    fail "the image could not be built, see $log: $(tail -n 1 "$log")"
docker run --detach --name "$name" --network none --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined \
    --device /dev/net/tun --tmpfs /run --volume /sys/fs/cgroup:/sys/fs/cgroup "$name" >/dev/null
for _ in $(seq 300); do
    state=$(docker exec "$name" systemctl is-system-running 2>/dev/null) || true
    case $state in running | degraded) break ;; esac
    sleep 0.1
done
[ "$state" = running ] || fail "systemd is not up after 30 s, but '$state': $(docker exec "$name" systemctl list-units --failed --no-legend 2>&1)"
docker exec "$name" /src/tests/systemd/socket.sh
