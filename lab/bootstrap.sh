#!/bin/bash
# bootstrap.sh [RELEASE]: leaves a Docker engine that answers, a Docker Compose, and the base image of a release of Debian, the
# lab's or another; takes what is there first.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

release=${1:-forky}
base=debian:$release-slim

engine_answers() { timeout 10 docker version >/dev/null 2>&1; }

# A killed engine leaves pid files behind, and a new one believes them when the number is in use again.
forget_dead() {
    local file=$1 name=$2 pid
    pid=$(cat "$file" 2>/dev/null) || return 0
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$name" ] || rm -f "$file"
}

# It leaves its NAT rules behind too, which would rewrite the endpoints' addresses, and its bridges, which would have the routes to a lab.
forget_networks() {
    local bridge
    iptables-save -t nat | sed -n 's/^-A \(POSTROUTING -s 198\.1[89]\.[56][0-9]\.0.*\)/-D \1/p' | xargs -r -L 1 iptables -t nat
    for bridge in $(ip -oneline -4 address show | sed -n 's/^[0-9]*: \(br-[0-9a-f]*\) .* 198\.1[89]\.[56][0-9]\.1\/.*/\1/p'); do
        ip link delete "$bridge"
    done
}

launch_engine() {
    forget_dead /var/run/docker.pid dockerd
    forget_dead /var/run/docker/containerd/containerd.pid containerd
    forget_networks
    setsid dockerd </dev/null >/var/log/dockerd.log 2>&1 &
}

start_engine() {
    [ "$(id -u)" = 0 ] || fail "no Docker engine answers, and only root can start one: start Docker, or run this as root."
    say "starting the Docker engine"
    if [ -d /run/systemd/system ]; then
        systemctl start docker 2>"$log" || fail "systemctl could not start docker: $(tail -n 1 "$log")"
    fi
    local launches=0
    for _ in $(seq 300); do
        engine_answers && return
        # One that is still shutting down goes first; one that ends again and again is not worth waiting for.
        if [ ! -d /run/systemd/system ] && ! pgrep -x dockerd >/dev/null 2>&1; then
            [ "$launches" -lt 2 ] || break
            launches=$((launches + 1))
            launch_engine
        fi
        sleep 0.2
    done
    fail "the Docker engine does not start, see /var/log/dockerd.log: $(tail -n 1 /var/log/dockerd.log 2>/dev/null)"
}

make_base_image() {
    say "making $base from this machine's apt mirror"
    command -v mmdebstrap >/dev/null || install "mmdebstrap, to make the base image" mmdebstrap
    local mirror certificates dated
    # shellcheck disable=SC2016  # these are apt's own variables
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 'Component: main' | head -n 1)
    [ -n "$mirror" ] || fail "$base can neither be pulled nor made: apt knows no Debian mirror (run apt-get update)."
    # What reaches the mirror, and what pip will reach, may need the machine's own certificate authorities. The rest is
    # what makes the published image small and quick to add to. A frozen mirror's Release file has expired: only then,
    # its date is not asked for.
    certificates=/usr/local/share/ca-certificates
    for dated in true false; do
        mmdebstrap --variant=minbase \
            --aptopt="Acquire::Check-Valid-Until \"$dated\"" --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io \
            --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
            --customize-hook="mkdir -p \"\$1$certificates\" && cp -rT $certificates \"\$1$certificates\" || true" \
            "$release" build/base.tar "$mirror" 2>"$log" && break
        "$dated" || fail "$base could not be made: $(tail -n 1 "$log")"
    done
    docker import --change 'CMD ["bash"]' build/base.tar "$base" >/dev/null
    rm build/base.tar
}

engine_answers || {
    command -v dockerd >/dev/null || install "a Docker engine" docker.io docker-compose iptables procps
    engine_answers || start_engine
}
compose version >/dev/null 2>&1 || install "Docker Compose" docker-compose
docker image inspect "$base" >/dev/null 2>&1 || timeout 60 docker pull --quiet "$base" >/dev/null 2>&1 || make_base_image
