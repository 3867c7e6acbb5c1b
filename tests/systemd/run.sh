#!/bin/bash
# Runs socket.sh, service.sh and bridge.sh, each with a container of its own whose first process is systemd. They end with the script.
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

build_image host tests/deb/host.Dockerfile
build_image by-hand tests/deb/by_hand.Dockerfile
build_image service tests/systemd/service.Dockerfile
build_image bridge tests/systemd/bridge.Dockerfile

boot_host "$name" service --network none
docker exec "$name" /src/tests/systemd/socket.sh

docker rm --force "$asterisk" >/dev/null 2>&1 || true
docker network inspect "$name" >/dev/null 2>&1 || docker network create "$name" >/dev/null
.venv/bin/python -m tests.support.ari_asterisk "$cfg"
docker run --detach --name "$asterisk" --network "$name" --volume "$cfg:/cfg:ro" stasis-offload-lab/asterisk2 \
    asterisk -f -C /cfg/asterisk.conf >/dev/null
boot_host "$name" service --network "$name"
docker exec "$name" /src/tests/systemd/service.sh "http://$asterisk:8088" "$(cat "$cfg/password")"

tests/systemd/bridge.sh "$name"
