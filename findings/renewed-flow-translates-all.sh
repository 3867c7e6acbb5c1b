#!/bin/bash
# Adding a flow again that Open vSwitch already has, identical to the last bit, is how a controller restarts its hard_timeout.
# To the switch it is a change like any other: every flow of the datapath is translated again, even if no packet ever reaches
# the table that the flow is in. With 50 datapath flows, one renewal costs 50 translations or more (coverage counter
# xlate_actions), as many as a new flow does; without a renewal the counter stands still. So a lease on each flow of N calls
# costs N * N translations for each period of the lease: renew one flow for all of them.
#
# The same renewal by a `learn` action is no change: a packet-out whose action learns the very flow that is there restarts its
# hard_timeout (hard_age begins at 0 again), and costs the one translation of that packet. ovs-actions(7) says that learn
# "adds or modifies" a flow, not that it renews one, nor that this is free.
#
# Seen with openvswitch-switch 3.1.0-2+deb12u1 (Debian 12), userspace datapath:
#   no change: 0 translations
#   the same flow added again: 50 translations
#   the same flow learned again: 1 translation, hard_age gone
#
# Needs Debian 12 with apt's lists. Changes nothing outside its folder.
set -euo pipefail

folder=$(mktemp -d)
trap 'kill $(cat "$folder"/*.pid 2>/dev/null) 2>/dev/null; sleep 1; rm -rf "$folder"' EXIT
cd "$folder"

version=3.1.0-2+deb12u1
apt-get -qq download openvswitch-common=$version openvswitch-switch=$version libxdp1=1.3.1-1 libbpf1 libunbound8 libevent-2.1-7 \
    libcap-ng0 libnuma1 2>/dev/null
for package in *.deb; do dpkg -x "$package" root; done
LD_LIBRARY_PATH=$(find "$PWD/root" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
PATH=$PWD/root/usr/bin:$PWD/root/usr/sbin:$PWD/root/usr/lib/openvswitch-switch:$PATH
export LD_LIBRARY_PATH PATH OVS_RUNDIR=$PWD OVS_LOGDIR=$PWD OVS_DBDIR=$PWD
schema=root/usr/share/openvswitch/vswitch.ovsschema

ovsdb-tool create conf.db "$schema"
ovsdb-server --detach --no-chdir --pidfile --log-file=db.log --remote=punix:db.sock conf.db 2>/dev/null
ovs-vsctl --db=unix:db.sock --no-wait init
ovs-vswitchd --detach --no-chdir --pidfile --log-file=switch.log --enable-dummy=override --disable-system \
    "unix:$PWD/db.sock" 2>/dev/null
ovs-vsctl --db=unix:db.sock set Open_vSwitch . other_config:max-idle=600000 \
    -- add-br br -- set bridge br datapath_type=dummy fail-mode=secure \
    -- add-port br p1 -- set interface p1 type=dummy ofport_request=1 \
    -- add-port br p2 -- set interface p2 type=dummy ofport_request=2

streams=50
for port in $(seq $streams); do
    echo "udp,tp_src=$port,actions=output:2"
done | ovs-ofctl add-flows br -
for port in $(seq $streams); do
    ovs-appctl netdev-dummy/receive p1 "in_port(1),eth(src=50:54:00:00:00:01,dst=50:54:00:00:00:02),eth_type(0x0800),ipv4(src=192.0.2.1,dst=192.0.2.2,proto=17,tos=0,ttl=64,frag=no),udp(src=$port,dst=9)"
done
lease='table=9,hard_timeout=600,priority=5,ip,nw_dst=198.51.100.1,actions=drop'
ovs-ofctl add-flow br "$lease"

translations() { ovs-appctl coverage/read-counter xlate_actions; }
settled() { # the counter, once it has stood still for a second
    local last now
    last=$(translations)
    while sleep 1; now=$(translations); [ "$now" != "$last" ]; do last=$now; done
    echo "$now"
}
before=$(settled)
flows=$(ovs-appctl dpctl/dump-flows dummy@ovs-dummy | wc -l)
sleep 3
idle=$(($(translations) - before))
before=$(settled)
ovs-ofctl add-flow br "$lease"
renewed=$(($(settled) - before))

learn() { ovs-ofctl packet-out br "in_port=controller,packet=00000000000000000000000088b5,actions=learn(table=9,hard_timeout=600,priority=7,load:1->NXM_NX_REG0[])"; }
hard_age() { ovs-ofctl dump-flows br table=9 | sed -n 's/.*hard_age=\([0-9]*\).*priority=7.*/\1/p'; }
learn
learned=$(settled)
sleep 3
learn
younger=$(hard_age)
by_learning=$(($(settled) - learned))
duration=$(ovs-ofctl dump-flows br table=9 | sed -n 's/.*duration=\([0-9]*\).*priority=7.*/\1/p')
echo "datapath flows: $flows"
echo "no change: $idle translations"
echo "the same flow added again: $renewed translations"
echo "the same flow learned again: $by_learning translation, $duration s old, hard_age ${younger:-0}"
[ "$flows" -ge $streams ] && [ "$idle" -eq 0 ] && [ "$renewed" -ge $streams ] \
    && [ "$by_learning" -eq 1 ] && [ "$duration" -ge 3 ] && [ "${younger:-0}" -lt 2 ]
