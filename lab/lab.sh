#!/bin/bash
# lab.sh build: the images. lab.sh up: the lab, healthy and checked, from whatever was there before, with the datapath that
# LAB_DATAPATH names. lab.sh works DATAPATH: whether this machine lets the images have it. lab.sh down: nothing of the lab is
# left but the images. lab.sh purge: nothing of any lab is left.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

services="asterisk1 ovs asterisk2 offload edge"
[ "$LAB" != fleet ] || services+=" ovs-b asterisk2-b offload-b kamailio"
[ "$LAB" != tor ] || services+=" node2"

health() { docker inspect --format '{{.State.Health.Status}}' "$COMPOSE_PROJECT_NAME-$1" 2>/dev/null || echo absent; }

# Compose would make a changed container anew, and leave asterisk2 in the network of an ovs that is no more.
all_current() {
    local service image
    for service in $services; do
        image=$(docker inspect --format '{{.Config.Image}}' "$COMPOSE_PROJECT_NAME-$service" 2>/dev/null) || return 1
        [ "$(docker inspect --format '{{.Image}}' "$COMPOSE_PROJECT_NAME-$service")" = \
            "$(docker image inspect --format '{{.Id}}' "$image")" ] || return 1
    done
    [ "$(docker inspect --format '{{index .Config.Labels "stasis-offload.datapath"}}' "$COMPOSE_PROJECT_NAME-ovs")" = \
        "$LAB_DATAPATH" ]
}

all_healthy() {
    local service
    for service in $services; do
        [ "$(health "$service")" = healthy ] || return 1
    done
}

# The switch reads frames from a socket that by default holds 50 ms of 50 calls: on a busy machine it overflows, and
# packets are lost that no real network would lose. The kernel has this setting only for all of a host.
buffers=net.core.rmem_default
enough=8388608
before=/run/stasis-offload-lab.rmem_default # of the machine, as the setting is, whichever clone set it; gone at a reboot, too

widen_buffers() {
    local now
    now=$(sysctl -n "$buffers")
    [ "$now" -lt "$enough" ] || return 0
    say "$buffers: $now -> $enough, until make lab-down"
    echo "$now" 2>"$log" >"$before" || true
    sysctl -qw "$buffers=$enough" 2>"$log" || say "not root: RTP may be lost here while the machine is busy"
}

restore_buffers() {
    [ -e "$before" ] || return 0
    sysctl -qw "$buffers=$(cat "$before")" 2>"$log" || true
    rm "$before"
}

build() {
    say "building the images (the first time: a minute or two)"
    compose build >"$log" 2>&1 || fail "the images could not be built, see $log: $(tail -n 1 "$log")"
}

# works DATAPATH: tries it on a pair of interfaces in a container that is gone afterwards, and says why it does not work.
works() {
    local rights=(--cap-add=NET_ADMIN)
    [ "$1" != afxdp ] || rights+=(--cap-add=SYS_ADMIN --cap-add=IPC_LOCK)
    [ "$1" != system ] || modprobe openvswitch 2>/dev/null || true # or it is there, or this is not root: the trial will tell
    timeout 120 docker run --rm --init --network=none "${rights[@]}" --device=/dev/net/tun --tmpfs=/run/openvswitch \
        --env="LAB_DATAPATH=$1" stasis-offload-lab/ovs bash -c \
        'ip link add eth0 up type veth peer name other && ip link set other up && exec supervise.sh once' >"$log" 2>&1 ||
        { say "$1 does not work here: $(grep -v -e '^[0-9-]*T[0-9:.]*Z|' -e 'log directory' "$log" | tail -n 1)" && return 1; }
}

choose_datapath() {
    local datapath
    case $LAB_DATAPATH in
        netdev) return ;;
        afxdp | system) works "$LAB_DATAPATH" || exit 1 ;;
        auto)
            for datapath in system afxdp netdev; do
                ! works "$datapath" || break
            done
            LAB_DATAPATH=$datapath
            ;;
        *) fail "LAB_DATAPATH is netdev, afxdp, system or auto, not '$LAB_DATAPATH'" ;;
    esac
    say "node 2's datapath: $LAB_DATAPATH"
}

# Those who send to node 2 leave checksums unfinished, which AF_XDP cannot tell: the last interface before node 2 finishes
# them. It is the machine's own, beside its bridge.
finish_checksums() {
    local number
    number=$(docker exec "$COMPOSE_PROJECT_NAME-ovs" cat /sys/class/net/eth0/iflink)
    # shellcheck disable=SC2016  # the container's own variables
    docker run --rm --network=host --cap-add=NET_ADMIN stasis-offload-lab/ovs bash -c \
        'ethtool -K "$(basename "$(dirname "$(grep -lx "$1" /sys/class/net/*/ifindex)")")" tx off' bash "$number" >"$log" 2>&1 ||
        fail "the checksums of what is sent to node 2 could not be switched off: $(tail -n 1 "$log")"
}

up() {
    build
    choose_datapath
    # What a killed engine or an interrupted start left behind is not worth mending.
    { all_current && all_healthy; } || compose down --volumes --remove-orphans >"$log" 2>&1 || true
    widen_buffers
    if [ "$LAB_DATAPATH" = afxdp ]; then
        compose up --detach ovs >"$log" 2>&1 || fail "node 2's switch did not start, see $log: $(tail -n 1 "$log")"
        finish_checksums
    fi
    say "starting ${services// /, }"
    compose up --detach --remove-orphans >"$log" 2>&1 ||
        fail "the lab did not start, see $log and 'docker logs $COMPOSE_PROJECT_NAME-<service>': $(tail -n 1 "$log")"
    for _ in $(seq 150); do
        all_healthy && break
        sleep 0.2
    done
    all_healthy || fail "not healthy after 30 s: $(for s in $services; do echo "$s $(health "$s")"; done | paste -sd,)"
    "${PYTHON:-python3}" -m lab.selfcheck
}

down() {
    compose down --volumes --remove-orphans "$@" >"$log" 2>&1 || fail "the lab is not down: $(tail -n 1 "$log")"
}

purge() {
    restore_buffers
    say "removing the lab's containers, networks, volumes and images"
    docker version >/dev/null 2>&1 || fail "no Docker engine answers, so nothing can be removed."
    LAB=2 lab/lab.sh down
    LAB=fleet lab/lab.sh down
    LAB=tor lab/lab.sh down
    down --rmi all
    docker rm --force "$COMPOSE_PROJECT_NAME-kernel" >/dev/null 2>&1 || true
    docker volume rm --force "$COMPOSE_PROJECT_NAME-kernel" >/dev/null
    docker image prune --all --force --filter label=stasis-offload.lab >/dev/null
}

case ${1-} in
    build) build ;;
    works) works "${2-}" ;;
    up) up ;;
    down) down ;;
    purge) purge ;;
    *) fail "usage: lab/lab.sh build|up|works DATAPATH|down|purge" ;;
esac
