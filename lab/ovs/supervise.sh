#!/bin/bash
# Keeps ovsdb-server and ovs-vswitchd running, and has node 2's network laid anew after each start of the switch.
# supervise.sh once: ends when that has worked.
set -euo pipefail

# What lays the network: configure.sh is that of node 2, tor.sh that of a switch in front of it.
CONFIGURE=${CONFIGURE:-configure.sh}
run=/run/openvswitch
database=/var/lib/openvswitch/conf.db

# What Docker gave eth0. It is read once: afterwards it lives on breth0, and is gone whenever the switch dies.
NODE_ADDRESSES=$(ip -o addr show dev eth0 scope global | awk '{ print $4 }')
NODE_GATEWAYS=$(ip route show dev eth0 default; ip -6 route show dev eth0 default)
NODE_GATEWAYS=$(awk '{ print $3 }' <<<"$NODE_GATEWAYS")
export NODE_ADDRESSES NODE_GATEWAYS

start_database() {
    ovsdb-server --pidfile --remote="punix:$run/db.sock" -vconsole:warn -vsyslog:off "$database" &
    database_pid=$!
    # Docker's own peers (the application, the host) may not touch their checksum offload; with this the switch
    # understands their unfinished checksums. It has to be there before the switch starts.
    ovs-vsctl --retry --timeout=10 --no-wait init -- set Open_vSwitch . other_config:userspace-tso-enable=true
}

start_switch() {
    ovs-vswitchd --pidfile -vconsole:warn -vsyslog:off "unix:$run/db.sock" &
    switch_pid=$!
    # It may be killed again in the middle of this, and is then started again. Alive, but without its network: give up.
    "$CONFIGURE" "$switch_pid" || ! kill -0 "$switch_pid" 2>/dev/null || exit 1
}

# The volume and the disk may hold what a killed predecessor left.
rm -rf "${run:?}"/* "$database"
ovsdb-tool create "$database" /usr/share/openvswitch/vswitch.ovsschema

trap 'exit 0' TERM INT
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT

start_database
start_switch
[ "${1-}" != once ] || exit 0
while true; do
    wait -n || true
    kill -0 "$database_pid" 2>/dev/null || start_database
    kill -0 "$switch_pid" 2>/dev/null || start_switch
done
