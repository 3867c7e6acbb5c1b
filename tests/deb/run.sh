#!/bin/bash
# Two hosts as users have them (host.Dockerfile), each in a container of its own: one has the packages of dist/ installed, and before them
# those of an earlier version (host.sh), the other has the application as docs/install.md says (by_hand.sh).
set -euo pipefail
part="test-deb"
source "$(dirname "$0")/../../lab/lib.sh"

name=stasis-offload-deb
trap 'docker rm --force --volumes "$name" >/dev/null 2>&1 || true' EXIT
scripts/deb.sh build/earlier 0.0.1

build_image host tests/deb/host.Dockerfile
boot_host "$name" host --network none
tar --create --directory dist . --directory ../build earlier | docker exec --interactive "$name" tar --extract --one-top-level=/packages
docker exec "$name" /test/host.sh

build_image by-hand tests/deb/by_hand.Dockerfile
boot_host "$name" by-hand --network none
git ls-files --cached --others --exclude-standard -z | xargs -0 ls -d 2>/dev/null | tar --create --files-from - |
    docker exec --interactive "$name" tar --extract --no-same-owner --one-top-level=/src
docker exec "$name" /test/by_hand.sh
