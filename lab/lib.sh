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
    for _ in $(seq 300); do
        state=$(docker exec "$1" systemctl is-system-running 2>/dev/null) || true
        case $state in running | degraded) break ;; esac
        sleep 0.1
    done
    [ "$state" = running ] || fail "systemd is not up after 30 s, but '$state': $(docker exec "$1" systemctl list-units --failed --no-legend 2>&1)"
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
log=build/lab$LAB.log
