#!/bin/bash
# bridge.sh NAME: what docs/bridge.md has an operator type and write, word by word from the page, on a host in a container of that name, with
# the userspace datapath: the bridge made and taken back, each packet arriving once, and a boot by each manager of networks.
set -euo pipefail
part="test-systemd"
source "$(dirname "$0")/../../lab/lib.sh"

name=$1
page=docs/bridge.md

host() { docker exec "$name" "$@"; }
given() { docker exec --interactive "$name" "$@"; } # with this one's input
ok() { echo "ok: $* ($SECONDS s)"; }

# until_so WHAT COMMAND...: waits for 30 s until a command succeeds.
until_so() {
    local what=$1 deadline=$((SECONDS + 30))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || fail "$what: $(host sh -c 'ip -br address; ip route; ovs-vsctl show' 2>&1)"
        sleep 0.1
    done
}

section() { awk -v title="## $1" '/^## / { inside = $0 == title } inside' "$page"; }

# some WHAT: its input, unless there is none: the page has changed then.
some() { grep . || fail "$page has no $1 any more"; }

# block SECTION NUMBER: a block of a section, from its first, with what the page has for userspace.
block() {
    section "$1" | awk -v wanted="$2" '/^ *```/ { inside = !inside; number += inside; indent = index($0, "`"); next }
        inside && number == wanted { print substr($0, indent) }' | sed -e "s/add-br breth0/& $netdev/" -e 's/# in userspace: //' | some "block $2 of '$1'"
}

# quoted REGULAR-EXPRESSION: the `text` of the page that matches.
quoted() { grep -o '`[^`]*`' "$page" | tr -d '`' | grep -x "$1" | head -n 1 | some "'$1'"; }

# row FILE: what the page's table has for a file, each `text` a line.
row() { awk -F '|' -v file="$1" 'index($3, "`" file "`") { print $4 }' "$page" | grep -o '`[^`]*`' | tr -d '`' | some "$1"; }

# type_it: has the host's shell run its input. write FILE [MODE]: writes its input there.
type_it() { given bash -exo pipefail >"$log" 2>&1 || fail "as the page says: $(tail -n 8 "$log")"; }
# shellcheck disable=SC2016  # the container's own variables
write() { given sh -c 'umask 077 && cat >"$1" && chmod "$2" "$1"' sh "$1" "${2:-644}"; }

# sits_on INTERFACE: the address and the default route are there and nowhere else, and 192.0.2.1 answers.
sits_on() {
    # shellcheck disable=SC2016  # the container's own variables
    host sh -c '[ "$(ip -4 -br address show to 192.0.2.10 | sed "s/[@ ].*//")" = "$1" ] &&
        [ "$(ip -4 route show default | cut -d " " -f 1-5)" = "default via 192.0.2.1 dev $1" ] && ping -c 1 -W 1 192.0.2.1' sh "$1"
}

# is_bridged WHEN: the address is on a bridge that has the card's MAC address.
is_bridged() {
    until_so "$1, the address is not on breth0, or 192.0.2.1 does not answer" sits_on breth0
    host cmp /sys/class/net/breth0/address /sys/class/net/eth0/address || fail "$1, breth0 has another MAC address than eth0"
}

# Whoever sends by a veth leaves the checksums unfinished.
finish_checksums() { quoted 'ethtool -K IFACE tx off' | sed 's/^/ip netns exec beyond /; s/IFACE/far/' | type_it; }

once() { host python3 /systemd/datagrams.py 20 || fail "$1"; }

# boots_with MANAGER: boots, and restarts the switch then.
boots_with() {
    docker restart "$name" >/dev/null
    until_booted "$name"
    is_bridged "after a boot with $1"
    finish_checksums
    once "after a boot with $1"
    host systemctl restart openvswitch-switch
    is_bridged "with $1, after a restart of Open vSwitch"
}

# has_no_bridge: the host is as before the page.
has_no_bridge() {
    host sh -exc 'ip address add 192.0.2.10/24 dev eth0; ip link set eth0 up; ip route add default via 192.0.2.1' 2>"$log"
    until_so "the host is not as before the bridge" sits_on eth0
}

netdev=$(section Datapath | sed -n 's/.*userspace: add `\([^`]*\)` to `add-br`.*/\1/p' | some "datapath_type")
boot_host "$name" bridge --network none --add-host "$name:127.0.1.1" --stop-signal SIGRTMIN+3 --volume "$PWD/tests/systemd:/systemd:ro" \
    --sysctl net.ipv6.conf.all.disable_ipv6=0 --sysctl net.ipv6.conf.default.disable_ipv6=0
has_no_bridge

make_it="Make it, over ssh too" care="Userspace datapath: checksums and doubled packets"
block "$make_it" 1 | sed 's/--on-active=60 /--on-active=10 /' | type_it
is_bridged "made"
block "$care" 1 | type_it
until_so "the bridge is not taken back" sits_on eth0
! host ovs-vsctl br-exists breth0 || fail "the bridge is there after it was taken back"
ok "the bridge is made, and taken back where nobody stops that"

block "$make_it" 1 | type_it
is_bridged "made"
quoted 'systemctl stop from-bridge.timer' | type_it
! host systemctl --quiet is-active from-bridge.timer || fail "it is going to be taken back"
for change in restart reload; do
    host systemctl "$change" openvswitch-switch
    is_bridged "after a $change of Open vSwitch"
done
ok "it is kept, and a restart and a reload of Open vSwitch leave it its address"

block "$care" 1 | type_it
host python3 /systemd/datagrams.py 0 || fail "unfinished checksums do no harm any more"
finish_checksums
once "with finished checksums and the rule"
quoted 'nft delete table netdev breth0' | type_it
host python3 /systemd/datagrams.py 40 || fail "without the rule no packet is doubled any more"
{ echo 'flush ruleset' && block "$care" 1 | sed -e 's/^nft //' -e "s/'//g"; } | write /etc/nftables.conf
quoted 'systemctl enable nftables' | type_it
host systemctl start nftables
once "with the rule from its file"
ok "with finished checksums and the rule each packet arrives once"

for file in /etc/systemd/network/10-eth0.network /etc/systemd/network/20-breth0.network; do
    row $file | write $file
done
quoted 'systemctl enable systemd-networkd' | type_it
boots_with systemd-networkd
ok "with systemd-networkd it is there after a boot"
host sh -c 'rm /etc/systemd/network/* && systemctl --quiet disable systemd-networkd' 2>"$log"

block "After a reboot" 1 | write /etc/network/interfaces
host ovs-vsctl del-br breth0 # as does each shutdown but the first
boots_with ifupdown
host ifdown breth0 2>"$log"
! host ovs-vsctl br-exists breth0 || fail "ifdown leaves the bridge"
host sed -i "/^$(quoted 'allow-breth0 eth0')$/d" /etc/network/interfaces
host ifup breth0 2>"$log"
[ "$(host ovs-vsctl list-ports breth0)" = "" ] || fail "eth0 is a port without allow-breth0, too"
ok "with ifupdown it is there after a boot; without allow-breth0 the card is no port; ifdown deletes it"
host ifdown breth0 2>"$log"
: | write /etc/network/interfaces

host systemctl stop nftables
has_no_bridge
host /root/to-bridge 2>"$log"
host systemctl start nftables
is_bridged "made for netplan"
block "After a reboot" 2 | write "$(quoted '/etc/netplan/.*')" 600
boots_with netplan
ok "with netplan it is there after a boot"
