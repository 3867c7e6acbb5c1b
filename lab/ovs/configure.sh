#!/bin/bash
# configure.sh PID: puts eth0 into breth0 and node 2's addresses and routes onto breth0; PID is ovs-vswitchd's. Safe to
# repeat after each start of the switch, or with another LAB_DATAPATH (netdev and afxdp alone).
set -euo pipefail

mac=$(cat /sys/class/net/eth0/address)
socket=/run/openvswitch/breth0.mgmt

fail() {
    printf 'configure: %s: %s\n' "$LAB_DATAPATH" "$*" >&2
    exit 1
}

# A thread of the switch's own reads what AF_XDP takes off the driver, and sleeps up to so many microseconds in between;
# without them it would take a processor to itself.
ports=(options={})
case $LAB_DATAPATH in
    netdev) datapath=netdev ports+=('type=""') ;;
    afxdp) datapath=netdev ports+=(type=afxdp options:xdp-mode=native) ;;
    system) datapath=system ports+=('type=""') ;;
    *) fail "no such datapath" ;;
esac

# Returns when the switch has done it; a transaction that changes nothing would not wait, hence the process id.
ovs-vsctl --retry --timeout=10 set Open_vSwitch . "external_ids:switch_pid=$1" other_config:pmd-sleep-max=500 \
    -- --may-exist add-br breth0 \
    -- set Bridge breth0 "datapath_type=$datapath" "other_config:hwaddr=\"$mac\"" \
    -- --may-exist add-port breth0 eth0 -- set Interface eth0 "${ports[@]}"
error=$(ovs-vsctl get Interface eth0 error)
[ "$error" = "[]" ] || fail "$error"
[ -S "$socket" ] || fail "the switch has no such bridge"

# The application is in this group, and needs nothing else of the switch.
chgrp 8086 "$socket"
chmod 660 "$socket"

# The kernel still hands frames from eth0 to local sockets, beside the switch: each packet would arrive twice.
for tables in iptables ip6tables; do
    $tables -w -t raw -C PREROUTING -i eth0 -j DROP 2>/dev/null || $tables -w -t raw -A PREROUTING -i eth0 -j DROP
done
ip link set dev eth0 arp off
ip addr flush dev eth0

# Checksums are finished before a frame leaves: a card would do that, a veth hands them on unfinished.
ethtool -K eth0 tx off >/dev/null
ethtool -K breth0 tx off >/dev/null

# What Asterisk sends waits here for the switch: a second of 100 calls, so that a busy machine loses nothing.
ip link set dev breth0 txqueuelen 10000 up
for address in $NODE_ADDRESSES; do
    case $address in
        *:*) ip addr replace "$address" dev breth0 nodad ;;
        *) ip addr replace "$address" dev breth0 broadcast + ;;
    esac
done
for gateway in $NODE_GATEWAYS; do
    ip route replace default via "$gateway" dev breth0
done
