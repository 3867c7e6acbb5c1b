#!/bin/bash
# configure.sh PID: puts eth0 into breth0 and node 2's addresses and routes onto breth0; PID is ovs-vswitchd's. Safe to
# repeat after each start of the switch.
set -euo pipefail

socket=/run/openvswitch/breth0.mgmt

bridge.sh "$1"

# The application is in this group, and needs nothing else of the switch.
chgrp 8086 "$socket"
chmod 660 "$socket"

# Beside the switch the kernel still hands frames from eth0 to local sockets: each packet would arrive twice. And it speaks
# IPv6 there with node 2's MAC whenever the link comes up: the network would send there what the switch wants elsewhere.
for tables in iptables ip6tables; do
    for passing in "PREROUTING -i" "OUTPUT -o"; do
        read -ra rule <<<"$passing eth0 -j DROP"
        $tables -w -t raw -C "${rule[@]}" 2>/dev/null || $tables -w -t raw -A "${rule[@]}"
    done
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
