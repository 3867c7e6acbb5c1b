#!/bin/bash
# Gives node 2's end of the cable its addresses, whenever there is one, and stays: node 2's network, without a bridge.
set -euo pipefail

trap 'exit 0' TERM INT
while true; do
    if [ -e /sys/class/net/eth1 ] && ! ip -o addr show dev eth1 | grep -q 198.18; then
        # A veth hands on unfinished UDP checksums; a card would not.
        ethtool -K eth1 tx off >/dev/null
        ip link set dev eth1 up
        ip addr add "fd00:198:18:$LAB_BLOCK::12/64" dev eth1 nodad
        ip addr add "198.18.$LAB_BLOCK.12/24" broadcast + dev eth1
    fi
    sleep 0.2
done
