#!/bin/bash
# Runs socket.sh and service.sh, each in a container of its own whose first process is systemd. They end with the script.
set -euo pipefail
part="test-systemd"
source "$(dirname "$0")/../../lab/lib.sh"

name=stasis-offload-systemd
asterisk=$name-asterisk
cfg=$(mktemp -d)
end() {
    docker rm --force --volumes "$name" "$asterisk" >/dev/null 2>&1 || true
    docker network rm "$name" >/dev/null 2>&1 || true
    rm -rf "$cfg"
}
trap end EXIT
docker rm --force "$name" "$asterisk" >/dev/null 2>&1 || true
docker network rm "$name" >/dev/null 2>&1 || true

# build DOCKERFILE
build() {
    say "building the image of $1 (the first time: half a minute)"
    docker build --quiet --network host --file "tests/systemd/$1" --tag "$name" . >/dev/null 2>"$log" ||
        fail "the image could not be built, see $log: $(tail -n 1 "$log")"
}

# boot NETWORK: runs systemd of the image that was built last.
boot() {
    docker run --detach --name "$name" --network "$1" --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined \
        --device /dev/net/tun --tmpfs /run --volume /sys/fs/cgroup:/sys/fs/cgroup "$name" >/dev/null
    until_booted "$name"
}

build Dockerfile
boot none
docker exec "$name" /src/tests/systemd/socket.sh
docker rm --force "$name" >/dev/null

build service.Dockerfile
docker network create "$name" >/dev/null
.venv/bin/python -m tests.support.ari_asterisk "$cfg"
docker run --detach --name "$asterisk" --network "$name" --volume "$cfg:/cfg:ro" stasis-offload-lab/asterisk2 \
    asterisk -f -C /cfg/asterisk.conf >/dev/null
boot "$name"
docker exec "$name" /src/tests/systemd/service.sh "http://$asterisk:8088" "$(cat "$cfg/password")"
