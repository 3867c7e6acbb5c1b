#!/bin/bash
# Installs the packages of dist/, and before them those of an earlier version, on a host as users have it (Dockerfile), in a container
# of its own, and runs host.sh there.
set -euo pipefail
part="test-deb"
source "$(dirname "$0")/../../lab/lib.sh"

name=stasis-offload-deb
trap 'docker rm --force --volumes "$name" >/dev/null 2>&1' EXIT
docker rm --force --volumes "$name" >/dev/null 2>&1 || true
scripts/deb.sh build/earlier 0.0.1
say "building the image of the host (the first time: two minutes)"
docker build --quiet --network host --file tests/deb/Dockerfile --tag stasis-offload-lab/host . >/dev/null 2>"$log" ||
    fail "the image could not be built, see $log: $(tail -n 1 "$log")"
docker run --detach --name "$name" --hostname "$name" --network none --cap-add SYS_ADMIN --cap-add SYS_NICE --cap-add NET_ADMIN \
    --cap-add NET_RAW --security-opt seccomp=unconfined --security-opt apparmor=unconfined --device /dev/net/tun --tmpfs /run --tmpfs /tmp:exec \
    stasis-offload-lab/host >/dev/null
docker exec "$name" mkdir /packages
tar --create --directory dist . --directory ../build earlier | docker exec --interactive "$name" tar --extract --directory /packages
until_booted "$name"
docker exec "$name" /test/host.sh
