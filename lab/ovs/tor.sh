#!/bin/bash
# tor.sh PID: the bridge of a top-of-rack switch: the phones' network and the cable to node 2 are its ports, the application is its
# controller, by TLS. PID is ovs-vswitchd's. Safe to repeat after each start of the switch.
set -euo pipefail

tls=/etc/openvswitch/tls

# signed NAME: a key and a certificate of the lab's authority, for whoever the directory shows them to.
signed() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" -keyout "$tls/$1.key" -out "$tls/$1.csr"
    openssl x509 -req -days 3650 -in "$tls/$1.csr" -out "$tls/$1.pem" -CAcreateserial -CA "$tls/authority.pem" -CAkey "$tls/authority.key"
} 2>/dev/null

if [ ! -e "$tls/application.pem" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=lab \
        -keyout "$tls/authority.key" -out "$tls/authority.pem" 2>/dev/null
    signed switch
    signed application
    chgrp 8086 "$tls/application.key"
    chmod 640 "$tls/application.key"
fi

# What Docker calls the interface of the phones' network depends on its version; it is found by its address, which it then loses.
phones=/run/phones
[ -e "$phones" ] || ip -o -4 addr show to "198.18.$LAB_BLOCK.0/24" | awk '{ print $2 }' >"$phones"
until [ -e /sys/class/net/node2 ]; do sleep 0.1; done
ports=("$(cat "$phones")" node2)
for port in "${ports[@]}"; do
    # The kernel has no part in what passes here, and says nothing of its own.
    for tables in iptables ip6tables; do
        for passing in "PREROUTING -i" "OUTPUT -o"; do
            read -ra rule <<<"$passing $port -j DROP"
            $tables -w -t raw -C "${rule[@]}" 2>/dev/null || $tables -w -t raw -A "${rule[@]}"
        done
    done
    ip link set dev "$port" arp off up
    ip addr flush dev "$port"
    ethtool -K "$port" tx off >/dev/null
done

bridge.sh "$1" tor "${ports[@]}"
ovs-vsctl set-ssl "$tls/switch.key" "$tls/switch.pem" "$tls/authority.pem" \
    -- set-fail-mode tor secure -- set-controller tor "ssl:198.19.$LAB_BLOCK.13:6653" \
    -- set Controller tor connection_mode=out-of-band max_backoff=1000
touch /run/openvswitch/tor.ready
