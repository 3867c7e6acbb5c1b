# shellcheck shell=bash
# What the lab's scripts share: how they speak, how they fail, how they install. Sourced, with `set -euo pipefail`.
# `part` is the word that their lines begin with.

part=${part:-lab}

say() { printf '%s: %s\n' "$part" "$*"; }

fail() {
    printf '%s: %s\n' "$part" "$*" >&2
    exit 1
}

# install WHAT-FOR PACKAGE...: the packages on Debian as root, or one sentence on what is missing.
install() {
    local purpose=$1
    shift
    [ -e /etc/debian_version ] && [ "$(id -u)" = 0 ] ||
        fail "$purpose is missing, and only root on Debian can install it here: install it, or run this as root."
    say "installing $purpose ($*)"
    # A stale list of one foreign source is no reason to stop; a package that cannot be found is.
    apt-get -qq update >/dev/null 2>&1 || true
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "$@" >/dev/null 2>"$log" ||
        fail "$purpose could not be installed by apt-get: $(tail -n 1 "$log")"
}

# compose ARGUMENT...: Docker Compose of whichever generation there is.
compose() {
    local -x COMPOSE_FILE=${COMPOSE_FILE:-docker-compose.yml}
    case $LAB in fleet | tor) COMPOSE_FILE+=:lab/$LAB.yml ;; esac
    [ "$LAB_DATAPATH" != afxdp ] || COMPOSE_FILE+=:lab/afxdp.yml
    if docker compose version >/dev/null 2>&1; then
        docker compose "$@"
    else
        docker-compose "$@"
    fi
}

# until_booted CONTAINER: waits until the systemd in it is up with all its units, or fails.
until_booted() {
    local state=
    for _ in $(seq 600); do
        state=$(docker exec "$1" systemctl is-system-running 2>/dev/null) || true
        case $state in running | degraded) break ;; esac
        sleep 0.1
    done
    [ "$state" = running ] || fail "systemd is not up after a minute, but '$state': $(docker exec "$1" systemctl list-units --failed --no-legend 2>&1)"
}

# Who is niced has containers that are, too: the engine starts them, which is not.
shares() { [ "$(nice)" = 0 ] || echo --cpu-shares=256; }

# build_image NAME DOCKERFILE
build_image() {
    say "building the image $1 (the first time: minutes)"
    # shellcheck disable=SC2046  # one word or none
    docker build --quiet --network host $(shares) --file "$2" --tag "stasis-offload-lab/$1" . >/dev/null 2>"$log" ||
        fail "the image $1 could not be built, see $log: $(tail -n 1 "$log")"
}

# boot_host NAME IMAGE [ARGUMENT...]: a host in a container whose first process is systemd (tests/deb/boot.sh), up with all its units.
boot_host() {
    local name=$1 image=$2
    shift 2
    docker rm --force --volumes "$name" >/dev/null 2>&1 || true
    # shellcheck disable=SC2046  # one word or none
    docker run --detach --name "$name" --hostname "$name" $(shares) --cap-add SYS_ADMIN --cap-add SYS_NICE --cap-add NET_ADMIN \
        --cap-add NET_RAW --security-opt seccomp=unconfined --security-opt apparmor=unconfined --device /dev/net/tun --tmpfs /run \
        --tmpfs /tmp:exec --volume "$PWD/tests/deb:/test:ro" "$@" "stasis-offload-lab/$image" >/dev/null
    until_booted "$name"
}

# A lab beside the first (LAB=2) has the same images, and other names and addresses; lab/place.py has the same rule. That of
# the fleet (LAB=fleet) has a second node, and Kamailio before both (lab/fleet.yml); in LAB=tor the switch is in front of node 2
# (lab/tor.yml).
export LAB=${LAB:-1}
export COMPOSE_PROJECT_NAME=stasis-offload LAB_BLOCK
case $LAB in
    fleet) LAB_BLOCK=59 ;;
    tor) LAB_BLOCK=61 ;;
    *) LAB_BLOCK=$((49 + LAB)) ;;
esac
[ "$LAB" = 1 ] || {
    COMPOSE_PROJECT_NAME+=-$LAB
    part="$part $LAB"
}

# What forwards node 2's frames: netdev, afxdp, system, or auto (docs/datapaths.md).
export LAB_DATAPATH=${LAB_DATAPATH:-netdev}

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
mkdir -p build
log=build/${part// /-}.log
